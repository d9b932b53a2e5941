/**
 * Reading Git repositories over smart HTTP: ask what a reference stands for (`resolveReference`), and only if that moved fetch the one
 * commit without history (`fetchCommit`) and list its files (`listFiles`). Everything is in memory and bounded; no program is started.
 */
export { type CommittedFile, listFiles, sparse } from './checkout.ts'
export { GitError, type GitErrorCode, isGitError } from './errors.ts'
export { type Checkout, fetchCommit } from './fetch.ts'
export type { Credentials } from './http.ts'
export { Remote, type RemoteOptions } from './remote.ts'
export { type Candidate, type Reference, resolveReference, revisionOf } from './resolve.ts'
export { parseRemoteUrl, type RemoteUrl } from './url.ts'
