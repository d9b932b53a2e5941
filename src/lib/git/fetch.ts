/** Getting one commit with its files, in as few bytes as the server allows. */
import { GitError, isGitError } from './errors.ts'
import { type Commit, parseCommit, parseTag } from './objects.ts'
import { Pack, type PackLimits } from './pack.ts'
import type { Remote } from './remote.ts'
import type { Candidate } from './resolve.ts'

export interface Checkout {
  readonly candidate: Candidate
  readonly commit: Commit
  /** Holds the commit's trees and files. */
  readonly pack: Pack
}

export interface FetchOptions {
  readonly signal: AbortSignal
  readonly limits?: PackLimits
}

/**
 * Fetches the candidate that was committed last (there is more than one only for tags of equal versions), without history.
 * @throws GitError; the signal's reason when it is aborted.
 */
export async function fetchCommit(remote: Remote, candidates: readonly Candidate[], options: FetchOptions): Promise<Checkout> {
  const open = async (bytes: Uint8Array) => Pack.open(bytes, options.signal, options.limits)
  const [first] = candidates
  if (first?.within !== undefined && first.within !== first.commit) return fetchWithin(remote, first, open)
  try {
    const pack = await open(await remote.pack({ wants: candidates.map((candidate) => candidate.want), depth: 1 }))
    return latest(pack, candidates)
  } catch (error) {
    if (!first || !isGitError(error) || error.code !== 'notAdvertised') throw error
    return fetchFromHistory(remote, first, open)
  }
}

type Open = (bytes: Uint8Array) => Promise<Pack>

/** A commit that its branch must contain: looks for it among the branch's commits first, which are small. */
async function fetchWithin(remote: Remote, candidate: Candidate, open: Open): Promise<Checkout> {
  const { want, within = '' } = candidate
  const history = await open(await remote.pack({ wants: [within], commitsOnly: true }))
  if (!history.has(want)) throw unreachable(candidate)
  if (history.has(parseCommit(history.read(want, 'commit')).tree)) return checkoutOf(history, candidate)
  try {
    return checkoutOf(await open(await remote.pack({ wants: [want], depth: 1 })), candidate)
  } catch (error) {
    if (!isGitError(error) || error.code !== 'notAdvertised') throw error
    return checkoutOf(await open(await remote.pack({ wants: [within] })), candidate)
  }
}

/** For servers that send only what a reference points to: the whole history of every branch. */
async function fetchFromHistory(remote: Remote, candidate: Candidate, open: Open): Promise<Checkout> {
  const branches = await remote.refs(['refs/heads/'])
  if (branches.length === 0) throw unreachable(candidate)
  const pack = await open(await remote.pack({ wants: [...new Set(branches.map((branch) => branch.id))] }))
  if (!pack.has(candidate.want)) throw unreachable(candidate)
  return checkoutOf(pack, candidate)
}

function unreachable({ want, name }: Candidate): GitError {
  const where = name === '' ? 'no branch contains it' : `branch '${name.replace('refs/heads/', '')}' does not contain it`
  return new GitError('unresolved', `unable to resolve commit object for '${want}': object not found: ${where}`)
}

function latest(pack: Pack, candidates: readonly Candidate[]): Checkout {
  const checkouts = candidates.map((candidate) => checkoutOf(pack, candidate))
  return checkouts.reduce((best, next) => (next.commit.committedAt >= best.commit.committedAt ? next : best))
}

function checkoutOf(pack: Pack, candidate: Candidate): Checkout {
  const commit = peel(pack, candidate)
  return { candidate: { ...candidate, commit }, commit: parseCommit(pack.read(commit, 'commit')), pack }
}

const longestTagChain = 16

/** Follows a tag, and a tag of a tag, to the commit. */
function peel(pack: Pack, { want, name }: Candidate): string {
  let id = want
  for (let tags = 0; tags < longestTagChain; tags++) {
    const object = pack.find(id)
    if (object?.type !== 'tag') return id
    const { target, type } = parseTag(object.content)
    if (type !== 'commit' && type !== 'tag') throw new GitError('content', `${name} points to a ${type}, not to a commit`)
    id = target
  }
  throw new GitError('content', `${name} leads through more than ${longestTagChain} tags`)
}
