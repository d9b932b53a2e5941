/** Remote bases and files: what a URL in a kustomization means. The network itself is handed in. */

import { parseDuration } from '../duration.ts'
import type { Tree } from '../tree.ts'

/** A directory in a Git repository. */
export interface RepoSpec {
  /** The URL as written. */
  readonly raw: string
  readonly cloneUrl: string
  /** Directory in the repository, `''` for its root. */
  readonly path: string
  /** Branch, tag or commit; `''` for the default branch. */
  readonly ref: string
  readonly submodules: boolean
  readonly timeoutMs: number
}

export type RemoteRequest = ({ readonly kind: 'git' } & RepoSpec) | { readonly kind: 'file'; readonly url: string }

/**
 * Fetches what a kustomization refers to: the tree of a repository, or a file (undefined when the server has none).
 * Bounding time and size is its own matter. A BuildError that it throws ends the build; any other error is reported at the file that
 * names the base.
 */
export type RemoteLoader = (request: RemoteRequest) => Promise<Tree | Uint8Array | undefined>

const DEFAULT_TIMEOUT_MS = 27_000
const SCHEMES = ['ssh://', 'https://', 'http://', 'file://']

export function isRemoteFile(path: string): boolean {
  return /^https?:\/\//i.test(path)
}

/** Reads a URL of a repository as kustomize does; undefined when it is none. Source: internal/git/repospec.go. */
export function repoSpecOf(raw: string): RepoSpec | undefined {
  if (raw.startsWith('/')) return undefined
  const question = raw.indexOf('?')
  const address = question < 0 ? raw : raw.slice(0, question)
  const host = splitHost(address)
  if (!host) return undefined
  const parts = splitRepository(host.rest, host.prefix.startsWith('file://'))
  if (!parts || parts.repository === '') return undefined
  const path = parts.path.replace(/^\//, '')
  if (path.split('/').reduce((depth, name) => (depth < 0 ? depth : depth + step(name)), 0) < 0) return undefined
  return { raw, cloneUrl: host.prefix + parts.repository, path, ...readQuery(question < 0 ? '' : raw.slice(question + 1)) }
}

function step(name: string): number {
  if (name === '' || name === '.') return 0
  return name === '..' ? -1 : 1
}

function splitHost(address: string): { prefix: string; rest: string } | undefined {
  let rest = /^git::/i.test(address) ? address.slice(5) : address
  let scheme = SCHEMES.find((candidate) => rest.toLowerCase().startsWith(candidate)) ?? ''
  rest = rest.slice(scheme.length)
  let user = /^[a-zA-Z][a-zA-Z0-9-]*@/.exec(rest)?.[0] ?? ''
  rest = rest.slice(user.length)
  const isGithub = /^github\.com[/:]/i.test(rest)
  const acceptsColon = scheme === '' && (user !== '' || isGithub)
  if (scheme === '' && !acceptsColon) return undefined
  if (scheme === 'file://') return { prefix: scheme, rest: user + rest }
  const separator = findSeparator(rest, acceptsColon)
  let host = separator < 0 ? rest : rest.slice(0, separator + 1)
  const path = separator < 0 ? '' : rest.slice(separator + 1)
  if (isGithub && (scheme === 'ssh://' || user !== '')) [scheme, host] = ['', 'github.com:']
  else if (isGithub) [scheme, user, host] = ['https://', '', 'github.com/']
  return host === '' ? undefined : { prefix: scheme + user + host, rest: path }
}

function findSeparator(address: string, acceptsColon: boolean): number {
  const slash = address.indexOf('/')
  const colon = acceptsColon ? address.indexOf(':') : -1
  return colon > 0 && (slash < 0 || colon < slash) ? colon : slash
}

function splitRepository(rest: string, isFile: boolean): { repository: string; path: string } | undefined {
  const azure = rest.indexOf('_git/')
  if (azure >= 0) {
    const [name = '', ...path] = rest.slice(azure + 5).split('/')
    return { repository: rest.slice(0, azure + 5) + name, path: path.join('/') }
  }
  const double = rest.indexOf('//')
  if (double >= 0) return { repository: rest.slice(0, double), path: rest.slice(double + 2) }
  const suffix = rest.indexOf('.git')
  if (suffix >= 0) return { repository: rest.slice(0, suffix + 4), path: rest.slice(suffix + 4) }
  if (isFile) return { repository: rest, path: '' }
  const segments = rest.split('/')
  if (segments.length < 2) return undefined
  return { repository: segments.slice(0, 2).join('/'), path: segments.slice(2).join('/') }
}

function readQuery(query: string): Pick<RepoSpec, 'ref' | 'submodules' | 'timeoutMs'> {
  const values = new URLSearchParams(query)
  const submodules = values.get('submodules') ?? ''
  return {
    ref: values.get('ref') || values.get('version') || '',
    submodules: !/^(?:0|f|F|false|False|FALSE)$/.test(submodules),
    timeoutMs: readTimeout(values.get('timeout') ?? ''),
  }
}

function readTimeout(text: string): number {
  if (/^\d+$/.test(text)) return Number(text) * 1000 || DEFAULT_TIMEOUT_MS
  try {
    const duration = parseDuration(text)
    return duration > 0 ? duration : DEFAULT_TIMEOUT_MS
  } catch {
    return DEFAULT_TIMEOUT_MS
  }
}
