/** Addresses of artifacts in registries. Source: the OCI distribution specification; go-containerregistry for Docker Hub's names. */
import { isIPv4 } from 'node:net'
import { ParseError } from '../errors.ts'

/** A repository of a registry: `ghcr.io` and `org/app`. */
export interface RepositoryName {
  /** Host with port, as in the address. */
  readonly registry: string
  readonly repository: string
}

/** What of a repository is meant. A digest wins over a tag. */
export interface Reference extends RepositoryName {
  readonly tag?: string
  readonly digest?: string
}

const dockerHub = 'index.docker.io'
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const namePattern = new RegExp(`^${component}(?:/${component})*$`)
const hostPattern =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const digestPattern = /^sha256:[0-9a-f]{64}$|^sha512:[0-9a-f]{128}$/
const longestName = 255

/**
 * Reads `oci://<host>/<name>[:<tag>][@<digest>]`; the scheme may be missing.
 * @throws ParseError that says which part is wrong.
 */
export function parseReference(address: string): Reference {
  const text = address.replace(/^oci:\/\//, '')
  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : text.slice(at + 1)
  const named = at < 0 ? text : text.slice(0, at)
  const slash = named.indexOf('/')
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1)
  const tag = colon > slash ? named.slice(colon + 1) : undefined
  const host = named.slice(0, Math.max(slash, 0))
  const path = named.slice(slash + 1, colon > slash ? colon : undefined)
  if (slash < 0 || !hostPattern.test(host)) throw wrong(address, 'it must begin with the host of a registry')
  const problem = problemOfName(path)
  if (problem !== undefined) throw wrong(address, problem)
  if (tag !== undefined && !isTag(tag)) throw wrong(address, `${JSON.stringify(tag)} is no tag`)
  if (digest !== undefined && !isDigest(digest)) throw wrong(address, `${JSON.stringify(digest)} is no digest`)
  return { ...canonical(host, path), ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) }
}

/**
 * Reads the address of a repository: `oci://<host>/<name>` with neither tag nor digest. What does not begin with something that can only be a
 * host (it has a dot or a port, or is localhost) is a repository of Docker Hub.
 * @throws ParseError that says which part is wrong, and leaves it to the caller to name the address.
 * Source: go-containerregistry's name.NewRepository.
 */
export function parseRepository(address: string): RepositoryName {
  const text = address.replace(/^oci:\/\//, '')
  const slash = text.indexOf('/')
  const host = text.slice(0, Math.max(slash, 0))
  const hasHost = host === 'localhost' || /[.:]/.test(host)
  const path = hasHost ? text.slice(slash + 1) : text
  const extra = /[@:].*$/s.exec(path)?.[0]
  if (extra !== undefined && (hasHost || slash >= 0))
    throw new ParseError(`it must not contain a tag or a digest; remove ${JSON.stringify(extra)}`)
  if (hasHost && !hostPattern.test(host)) throw new ParseError(`${JSON.stringify(host)} is no host with or without port`)
  const problem = problemOfName(path)
  if (problem !== undefined) throw new ParseError(problem)
  return canonical(hasHost ? host : dockerHub, path)
}

/** Whether a registry is of this machine or of a private network: it may then do without TLS. Source: go-containerregistry's Registry.Scheme. */
export function isLocalRegistry(host: string): boolean {
  const name = host.replace(/:\d+$/, '')
  const isPrivate = isIPv4(name) && /^(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))\./.test(name)
  return isPrivate || host.startsWith('localhost:') || name.endsWith('.localhost') || name === '127.0.0.1' || name === '[::1]'
}

export function isTag(text: string): boolean {
  return tagPattern.test(text)
}

export function isDigest(text: string): boolean {
  return digestPattern.test(text)
}

function problemOfName(path: string): string | undefined {
  if (path.length <= longestName && namePattern.test(path)) return undefined
  return `the name ${JSON.stringify(path)} may only have lower-case letters, digits and separators`
}

/** Docker Hub has one name of its own, and repositories of its own without an owner. */
function canonical(host: string, path: string): RepositoryName {
  if (host !== 'docker.io' && host !== 'registry-1.docker.io' && host !== dockerHub) return { registry: host, repository: path }
  return { registry: dockerHub, repository: path.includes('/') ? path : `library/${path}` }
}

function wrong(address: string, why: string): ParseError {
  return new ParseError(`invalid OCI address ${JSON.stringify(address)}: ${why}`)
}
