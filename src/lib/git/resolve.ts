/** Which commit a reference of a spec stands for on the server. */

import { messageOf } from '../errors.ts'
import { type Constraint, compareVersions, parseConstraint, parseVersionTag, type Version } from '../semver/index.ts'
import { GitError } from './errors.ts'
import type { Remote, ServerRef } from './remote.ts'

/** What to check out; the first that is given wins, in this order; without any, the branch `master`. */
export interface Reference {
  readonly commit?: string | undefined
  readonly name?: string | undefined
  readonly tag?: string | undefined
  readonly semver?: string | undefined
  /** With `commit`: the branch that must contain it. */
  readonly branch?: string | undefined
}

/** A commit that a reference may stand for. */
export interface Candidate {
  /** `refs/heads/main`; empty for a commit alone. */
  readonly name: string
  /** What the server is asked for: the commit, or the tag that points to it. */
  readonly want: string
  readonly commit: string
  /** The head of the branch that must contain the commit. */
  readonly within?: string
}

const branchPrefix = 'refs/heads/'
const tagPrefix = 'refs/tags/'
const peeledSuffix = '^{}'

/**
 * Asks the server what the reference stands for. Several candidates are tags of equal versions on different commits: the one committed last counts.
 * @throws GitError `empty`, `missingRef`, `unresolved`; others of the network.
 * Source: fluxcd/pkg/git/gogit.Client.Clone.
 */
export async function resolveReference(remote: Remote, reference: Reference): Promise<readonly Candidate[]> {
  const { commit, name, tag, semver, branch } = reference
  if (commit) return [{ ...(await resolveCommit(remote, commit, branch)), ...(name && { name }) }]
  if (name) return [await resolveName(remote, name)]
  if (tag) return [await resolveRef(remote, tagPrefix + tag)]
  if (semver) return resolveRange(remote, semver)
  return [await resolveRef(remote, branchPrefix + (branch || 'master'))]
}

/** `main@sha1:<id>`, `sha1:<id>`; with `absolute` the full name: `refs/heads/main@sha1:<id>`. */
export function revisionOf({ name, commit }: Candidate, { absolute }: { absolute: boolean }): string {
  const short = name.split('/').slice(2).join('/')
  const shown = absolute ? name : short
  return shown === '' ? `sha1:${commit}` : `${shown}@sha1:${commit}`
}

async function resolveCommit(remote: Remote, commit: string, branch: string | undefined): Promise<Candidate> {
  if (!/^[0-9a-f]{40}$/i.test(commit))
    throw new GitError('unresolved', `unable to resolve commit object for '${commit}': it must be an id of 40 hexadecimal digits`)
  const id = commit.toLowerCase()
  if (!branch) {
    // Says whether the repository can be reached at all.
    await remote.refs(['HEAD'])
    return { name: '', want: id, commit: id }
  }
  const { name, commit: within } = await resolveRef(remote, branchPrefix + branch)
  return { name, want: id, commit: id, within }
}

async function resolveName(remote: Remote, name: string): Promise<Candidate> {
  if (name.startsWith('/') || name.endsWith('/'))
    throw new GitError('unresolved', `ref ${name} is invalid; Git refs cannot begin or end with a slash '/'`)
  const peeled = name.startsWith(tagPrefix) && name.endsWith(peeledSuffix)
  const plain = peeled ? name.slice(0, -peeledSuffix.length) : name
  const ref = (await remote.refs([plain])).find((candidate) => candidate.name === plain)
  if (!ref || (peeled && ref.peeled === undefined))
    throw new GitError('unresolved', `unable to resolve ref '${name}' to a specific commit`)
  return { ...candidateOf(ref), name }
}

async function resolveRef(remote: Remote, name: string): Promise<Candidate> {
  const ref = (await remote.refs([name])).find((candidate) => candidate.name === name)
  if (ref) return candidateOf(ref)
  await failIfEmpty(remote)
  throw new GitError('missingRef', `couldn't find remote ref "${name}"`)
}

async function resolveRange(remote: Remote, range: string): Promise<readonly Candidate[]> {
  const constraint = parseRange(range)
  const tags = await remote.refs([tagPrefix])
  const best = newest(tags, constraint)
  if (best.length > 0) return best
  await failIfEmpty(remote)
  throw new GitError('unresolved', `no match found for semver: ${range}`)
}

function parseRange(range: string): Constraint {
  try {
    return parseConstraint(range)
  } catch (error) {
    throw new GitError('unresolved', `semver parse error: ${messageOf(error)}`, { cause: error })
  }
}

/** Of equal versions on one commit the last by name stays, so that the choice is always the same. */
function newest(tags: readonly ServerRef[], constraint: Constraint): Candidate[] {
  let highest: Version | undefined
  let equals: ServerRef[] = []
  for (const tag of tags) {
    const version = parseVersionTag(tag.name.slice(tagPrefix.length))
    if (!version || !constraint.check(version)) continue
    const order = highest ? compareVersions(version, highest) : 1
    if (order > 0) highest = version
    if (order > 0) equals = [tag]
    else if (order === 0) equals.push(tag)
  }
  const candidates = equals.sort((a, b) => (a.name < b.name ? -1 : 1)).map(candidateOf)
  return [...new Map(candidates.map((candidate) => [candidate.commit, candidate])).values()]
}

function candidateOf(ref: ServerRef): Candidate {
  return { name: ref.name, want: ref.id, commit: ref.peeled ?? ref.id }
}

async function failIfEmpty(remote: Remote): Promise<void> {
  // HEAD is not listed while the branch that it points to does not exist, hence the second look.
  if ((await remote.refs(['HEAD'])).length > 0) return
  if ((await remote.refs([branchPrefix])).length === 0) throw new GitError('empty', 'remote repository is empty')
}
