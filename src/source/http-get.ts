/** Downloads of Helm repositories: bounded, with credentials that go to the repository's host alone unless told otherwise. */
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { Dispatcher } from 'undici'
import { type ClientTls, dispatcherFor } from '../lib/dispatcher.ts'
import { codeOf, rootMessageOf } from '../lib/errors.ts'
import { environmentProxies } from '../runtime/proxies.ts'

export interface HttpAccess {
  /** Of the repository. */
  readonly url: string
  readonly basic?: { readonly username: string; readonly password: string } | undefined
  /** Whether the credentials go to other hosts too. */
  readonly passCredentials: boolean
  readonly tls?: ClientTls | undefined
  readonly timeoutMs: number
}

export type HttpErrorCode = 'authentication' | 'tls' | 'tooLarge' | 'other'

export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly code: HttpErrorCode
  constructor(code: HttpErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

const mostRedirects = 10
const redirects = [301, 302, 303, 307, 308]

/** What a server may not exceed, and how that is told. */
export interface Bound {
  readonly bytes: number
  readonly message: string
}

/** By what a server knows that it has nothing new: the mark that it gave to its answer, and the address that answered. */
export interface Validator {
  readonly address: string
  readonly etag: string
}

export interface Download {
  readonly body: Buffer
  /** Absent when the server gives none. */
  readonly validator?: Validator
}

/** What is asked of a server, besides the address. */
interface Wishes {
  readonly bound: Bound
  /** The answer may be `unchanged` then. */
  readonly known?: Validator | undefined
  readonly compressed?: boolean
}

interface Redirect {
  readonly location: string
}

export class HttpClient implements AsyncDisposable {
  readonly #access: HttpAccess
  readonly #signal: AbortSignal
  readonly #dispatcher: Dispatcher

  /** @throws what TLS says of certificates or keys that it cannot read. */
  constructor(access: HttpAccess, signal: AbortSignal) {
    this.#access = access
    this.#signal = signal
    this.#dispatcher = dispatcherFor({ tls: access.tls, proxies: environmentProxies() })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy()
  }

  /** The body of an answer with status 200, as it is sent. @throws HttpError, the signal's reason. */
  async get(address: string, bound: Bound): Promise<Buffer> {
    const answer = await this.#follow(address, { bound })
    if (!answer) throw new HttpError('other', `failed to fetch ${withoutSecrets(address)} : 304 Not Modified`)
    return answer.body
  }

  /**
   * As `get`, of a text that may be compressed on the way; `bound` is of what it is then. Undefined when the server says that it is
   * still the `known` one.
   */
  getText(address: string, bound: Bound, known?: Validator): Promise<Download | undefined> {
    return this.#follow(address, { bound, known, compressed: true })
  }

  async #follow(address: string, wishes: Wishes): Promise<Download | undefined> {
    const first = URL.parse(address)
    if (!isHttp(first)) throw new HttpError('other', `${JSON.stringify(withoutSecrets(address))} is no http or https address`)
    const timeout = AbortSignal.timeout(this.#access.timeoutMs)
    let authorization = this.#authorizationFor(first)
    let target = first
    for (let count = 0; ; count++) {
      const answer = await this.#exchange(target, authorization ?? ofUser(target), wishes, timeout)
      if (!answer || 'body' in answer) return answer
      if (count === mostRedirects)
        throw new HttpError('other', `failed to fetch ${shown(first)} : stopped after ${mostRedirects} redirects`)
      const next = URL.parse(answer.location, target.href)
      if (!isHttp(next))
        throw new HttpError('other', `failed to fetch ${shown(first)} : it redirects to an address that is neither http nor https`)
      // Once among strangers they stay away, even if the way leads back.
      if (!mayKnow(next, target, first)) authorization = undefined
      target = next
    }
  }

  #authorizationFor(url: URL): string | undefined {
    const { basic, passCredentials } = this.#access
    const repository = URL.parse(this.#access.url)
    const isAllowed = passCredentials || (repository?.protocol === url.protocol && repository.host === url.host)
    return isAllowed && basic?.username && basic.password ? basicHeader(basic) : ofUser(url)
  }

  async #exchange(
    url: URL,
    authorization: string | undefined,
    { bound, known, compressed }: Wishes,
    timeout: AbortSignal,
  ): Promise<Download | Redirect | undefined> {
    const etag = known?.address === url.href ? known.etag : undefined
    try {
      const { statusCode, headers, body } = await this.#dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'GET',
        headers: {
          'user-agent': 'Helm/4 sluice',
          ...(authorization !== undefined && { authorization }),
          ...(etag !== undefined && { 'if-none-match': etag }),
          ...(compressed && { 'accept-encoding': 'gzip' }),
        },
        signal: AbortSignal.any([this.#signal, timeout]),
      })
      if (statusCode === 200) {
        const isPacked = compressed && /^(?:x-)?gzip$/i.test(String(headers['content-encoding']))
        const whole = await bounded(isPacked ? unpacked(body) : body, bound)
        return { body: whole, ...(isMark(headers.etag) && { validator: { address: url.href, etag: headers.etag } }) }
      }
      await body.dump()
      if (statusCode === 304 && etag !== undefined) return undefined
      if (redirects.includes(statusCode) && headers.location) return { location: String(headers.location) }
      const code = statusCode === 401 ? 'authentication' : 'other'
      throw new HttpError(code, `failed to fetch ${shown(url)} : ${statusText(statusCode)}`)
    } catch (error) {
      this.#signal.throwIfAborted()
      if (error instanceof HttpError) throw error
      const why = timeout.aborted ? `no answer within ${this.#access.timeoutMs / 1000}s` : rootMessageOf(error)
      throw new HttpError(isTlsError(error) ? 'tls' : 'other', `failed to fetch ${shown(url)} : ${why}`, { cause: error })
    }
  }
}

/** Whether an ETag is one: what else a server says there is not sent back to it. */
function isMark(etag: unknown): etag is string {
  return typeof etag === 'string' && /^(?:W\/)?"[\x21\x23-\x7e]{0,256}"$/.test(etag)
}

function isHttp(url: URL | null): url is URL {
  return url?.protocol === 'https:' || url?.protocol === 'http:'
}

/**
 * Whether credentials go on to where a server redirects: the same host or one below it, and never from https to http.
 * Source: Go net/http.shouldCopyHeaderOnRedirect, which does not look at the scheme.
 */
function mayKnow(next: URL, last: URL, first: URL): boolean {
  if (last.protocol === 'https:' && next.protocol === 'http:') return false
  return next.hostname === first.hostname || next.hostname.endsWith(`.${first.hostname}`)
}

function unpacked(body: Readable): Readable {
  const gunzip = createGunzip()
  pipeline(body, gunzip).catch(() => {}) // whoever reads the result gets the error
  return gunzip
}

async function bounded(body: AsyncIterable<Uint8Array>, { bytes, message }: Bound): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > bytes) throw new HttpError('tooLarge', message)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Credentials that an address holds itself. */
function ofUser({ username, password }: URL): string | undefined {
  return username ? basicHeader({ username: decode(username), password: decode(password) }) : undefined
}

function basicHeader({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** An address for messages: its query and user may hold secrets. */
function shown({ origin, pathname }: URL): string {
  return origin + pathname
}

/** As `shown`, for what is no URL. */
export function withoutSecrets(address: string): string {
  return address.replace(/[?#].*$/s, '').replace(/^([a-z+]+:\/\/)[^/]*@/i, '$1')
}

function statusText(status: number): string {
  const texts = new Map([
    [401, 'Unauthorized'],
    [403, 'Forbidden'],
    [404, 'Not Found'],
    [429, 'Too Many Requests'],
    [500, 'Internal Server Error'],
    [502, 'Bad Gateway'],
    [503, 'Service Unavailable'],
  ])
  return [status, texts.get(status)].filter(Boolean).join(' ')
}

/** Whether the connection failed for a certificate or the handshake. */
export function isTlsError(error: unknown): boolean {
  for (let each = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth++)
    if (/CERT|SSL|TLS|SIGNATURE|ISSUER/.test(codeOf(each) ?? '')) return true
  return false
}
