/** What can go wrong with a Git remote. */

/**
 * - `address`: the URL is not one of a repository over http or https
 * - `authentication`: the server wants other credentials (401, 403)
 * - `notFound`: the server knows no such repository (404)
 * - `empty`: a repository without commits
 * - `missingRef`: no such branch or tag
 * - `unresolved`: the reference, range or commit names nothing that can be fetched
 * - `notAdvertised`: the server refuses to send a commit by its id
 * - `network`: no answer, or a broken one
 * - `protocol`: the answer is not Git's, or damaged
 * - `tooLarge`: beyond a limit
 * - `content`: what was committed cannot be archived
 * - `missingDirectory`: the commit does not hold a directory that was asked for
 */
export type GitErrorCode =
  | 'address'
  | 'authentication'
  | 'notFound'
  | 'empty'
  | 'missingRef'
  | 'unresolved'
  | 'notAdvertised'
  | 'network'
  | 'protocol'
  | 'tooLarge'
  | 'content'
  | 'missingDirectory'

/** A failed operation on a remote or on what it sent. No message holds a credential. */
export class GitError extends Error {
  override readonly name = 'GitError'
  readonly code: GitErrorCode
  constructor(code: GitErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Whether it is a GitError, also one that came from another thread. */
export function isGitError(thrown: unknown): thrown is GitError {
  return thrown instanceof Error && thrown.name === 'GitError' && 'code' in thrown
}
