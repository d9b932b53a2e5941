/** Downloads of Helm repositories: bounded, with credentials that go to the repository's host alone unless told otherwise. */
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

/** What a server may not exceed, and how that is told. */
export interface Bound {
  readonly bytes: number
  readonly message: string
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

  /** The body of an answer with status 200. @throws HttpError, the signal's reason. */
  async get(address: string, bound: Bound): Promise<Buffer> {
    const first = URL.parse(address)
    if (first?.protocol !== 'https:' && first?.protocol !== 'http:')
      throw new HttpError('other', `${JSON.stringify(withoutSecrets(address))} is no http or https address`)
    const authorization = this.#authorizationFor(first)
    let target = first
    for (let redirects = 0; ; redirects++) {
      const isSame = target.hostname === first.hostname && (target.protocol === 'https:' || first.protocol === 'http:')
      const answer = await this.#exchange(target, isSame ? authorization : undefined, bound)
      if (typeof answer !== 'string') return answer
      if (redirects === mostRedirects)
        throw new HttpError('other', `failed to fetch ${shown(first)} : stopped after ${mostRedirects} redirects`)
      const next = URL.parse(answer, target.href)
      if (next?.protocol !== 'https:' && next?.protocol !== 'http:')
        throw new HttpError('other', `failed to fetch ${shown(first)} : it redirects to an address that is neither http nor https`)
      target = next
    }
  }

  #authorizationFor(url: URL): string | undefined {
    const { basic, passCredentials } = this.#access
    const repository = URL.parse(this.#access.url)
    const isAllowed = passCredentials || (repository?.protocol === url.protocol && repository.host === url.host)
    if (basic && isAllowed) return basicHeader(basic)
    return url.username ? basicHeader({ username: decode(url.username), password: decode(url.password) }) : undefined
  }

  /** The body, or where the server redirects to. */
  async #exchange(url: URL, authorization: string | undefined, bound: Bound): Promise<Buffer | string> {
    const timeout = AbortSignal.timeout(this.#access.timeoutMs)
    try {
      const { statusCode, headers, body } = await this.#dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'GET',
        headers: { 'user-agent': 'Helm/4 sluice', ...(authorization !== undefined && { authorization }) },
        signal: AbortSignal.any([this.#signal, timeout]),
      })
      if (statusCode === 200) return await bounded(body, bound)
      await body.dump()
      if (statusCode >= 300 && statusCode < 400 && headers.location) return String(headers.location)
      const code = statusCode === 401 ? 'authentication' : 'other'
      throw new HttpError(code, `failed to fetch ${shown(url)} : ${statusText(statusCode)}`)
    } catch (error) {
      this.#signal.throwIfAborted()
      if (error instanceof HttpError) throw error
      const why = timeout.aborted ? `no answer within ${this.#access.timeoutMs / 1000}s` : rootMessageOf(error)
      throw new HttpError(isTls(error) ? 'tls' : 'other', `failed to fetch ${shown(url)} : ${why}`, { cause: error })
    }
  }
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
function isTls(error: unknown): boolean {
  for (let each = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth++)
    if (/CERT|SSL|TLS|SIGNATURE|ISSUER/.test(codeOf(each) ?? '')) return true
  return false
}
