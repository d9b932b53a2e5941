/** What providers of Git hosts have in common: the repository's address, the commit and the words of an event, requests to an API. */
import querystring from 'node:querystring'
import { messageOf } from '../../lib/errors.ts'
import type { Incoming, Notification, Outgoing, Sender, Target } from '../notifier.ts'

/** A repository on a host: `https://github.com` and `org/app`. */
export interface GitAddress {
  readonly host: string
  /** Decoded, without slashes at its ends and without `.git`. */
  readonly path: string
}

/**
 * Reads the address of a repository: an http, https or ssh URL, or `git@host:path`. SSH means https for the API, on its own port.
 * @throws Error that says what is wrong. Source: parseGitAddress of notification-controller.
 */
export function gitAddress(address: string): GitAddress {
  const short = /^(?:[^@/\s]+@)?([^:@/\s]+):(?!\/\/)([^@\s]+)$/.exec(address)
  const url = short ? URL.parse(`ssh://${short[1]}/${short[2]}`) : URL.parse(address)
  if (!url || !['http:', 'https:', 'ssh:'].includes(url.protocol))
    throw new Error('the address must be the URL of a Git repository: set spec.address, or the key address of the Secret')
  const scheme = url.protocol === 'ssh:' ? 'https:' : url.protocol
  const host = url.protocol === 'ssh:' ? url.hostname : url.host
  const path = querystring.unescape(url.pathname).replace(/^\/+|\/+$/g, '')
  return { host: `${scheme}//${host}`, path: path.replace(/\.git$/, '') }
}

/** Owner and name of a repository as a path of an API. @throws Error for a path of any other form. */
export function ownerAndName({ path }: GitAddress): string {
  const [owner, name, ...rest] = path.split('/')
  if (owner && name && rest.length === 0) return `${encodeURIComponent(owner)}/${encodeURIComponent(name)}`
  throw new Error(`invalid repository id: '${path}' is not <owner>/<name>`)
}

/**
 * The commit that an event is about: by its metadata `commit`, else `originRevision`, else `revision`.
 * @throws Error when there is none; a digest of an OCI artifact is none. Source: Event.GetRevision and parseRevision.
 */
export function commitOf({ event: { metadata } }: Notification): string {
  const at = (key: string) => (Object.hasOwn(metadata, key) ? metadata[key] : undefined)
  const revision = at('commit') ?? at('originRevision') ?? at('revision')
  if (revision === undefined) throw new Error('missing revision metadata')
  const hash = /(?:^|[@/:])([0-9a-f]{40})$/i.exec(revision)?.[1]
  if (hash === undefined) throw new Error(`failed to extract commit hash from '${revision}' revision`)
  return hash
}

/** `kustomization/app`, as the name of what was checked. */
export function checkName({ event: { involvedObject } }: Notification): string {
  return `${involvedObject.kind}/${involvedObject.name}`.toLowerCase()
}

/** GitHub takes no longer description. */
const longestDescription = 140

/** The reason in words: `ReconciliationSucceeded` → `reconciliation succeeded`. Source: splitCamelcase. */
export function description({ event: { reason } }: Notification): string {
  const words = reason.match(/\p{Lu}+(?=\p{Lu}\p{Ll})|\p{Lu}?\p{Ll}+|\p{Lu}+|\p{Nd}+|[^\p{Lu}\p{Ll}\p{Nd}]+/gu) ?? []
  return words.join(' ').toLowerCase().slice(0, longestDescription)
}

/** The token, or the password in its place. @throws Error that names the host when the Secret has neither. */
export function tokenOf({ token, password }: Target, host: string): string {
  if (token || password) return token || password
  throw new Error(`${host} token cannot be empty: the Secret must have a key token`)
}

/** What the promise gives. @throws Error that says first what was tried. */
export async function attempt<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw new Error(`${what}: ${messageOf(error)}`, { cause: error })
  }
}

/** An API below a base address: each request carries the headers of the login. */
export class GitApi {
  readonly #sender: Sender
  readonly #base: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(sender: Sender, base: string, headers: Readonly<Record<string, string>>) {
    this.#sender = sender
    this.#base = base
    this.#headers = headers
  }

  get(path: string, request: Pick<Outgoing, 'accept'> = {}): Promise<Incoming> {
    return this.#sender.send({ url: this.#base + path, method: 'GET', headers: this.#headers, ...request })
  }

  send(method: 'POST' | 'PUT' | 'PATCH', path: string, body: object): Promise<Incoming> {
    return this.#sender.send({ url: this.#base + path, method, headers: this.#headers, body })
  }
}

/** A JSON object; an empty one in place of anything else. */
export function record(value: unknown): Readonly<Record<string, unknown>> {
  return records([value])[0] ?? {}
}

/** The objects of a JSON list; others are left out. */
export function records(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'object' && item !== null && !Array.isArray(item)) : []
}
