/** One Git server over HTTP(S): connections, credentials, redirects, and what an error of it means. */
import type { Dispatcher } from 'undici'
import { type ClientTls, dispatcherFor, type Proxies } from '../dispatcher.ts'
import { rootMessageOf } from '../errors.ts'
import { GitError } from './errors.ts'

export type Credentials = { readonly username: string; readonly password: string } | { readonly bearerToken: string }

export interface HttpOptions {
  readonly credentials?: Credentials | undefined
  readonly tls?: ClientTls | undefined
  readonly proxies?: Proxies | undefined
  /** Ends everything that is under way. */
  readonly signal: AbortSignal
}

export interface HttpAnswer {
  readonly contentType: string
  readonly body: AsyncIterable<Uint8Array>
}

export interface HttpRequest {
  /** Below the repository: `info/refs?service=git-upload-pack`. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Absent: GET. */
  readonly body?: string
  /** A longer answer fails. */
  readonly maxBytes: number
}

const mostRedirects = 5
/** How much of an error's text is shown. */
const shownBytes = 512

/** The repository's place on a server. Credentials go to the server that was asked for, never where it redirects to. */
export class HttpEndpoint implements AsyncDisposable {
  readonly #options: HttpOptions
  readonly #dispatcher: Dispatcher
  readonly #origin: string
  #base: URL

  /** `url` has no user information. @throws what TLS says of certificates or keys that it cannot read. */
  constructor(url: URL, options: HttpOptions) {
    this.#options = options
    this.#base = new URL(url)
    this.#base.pathname = url.pathname.replace(/\/+$/, '')
    this.#origin = url.origin
    this.#dispatcher = dispatcherFor(options)
  }

  /** @throws GitError; `signal.reason` when aborted. */
  async request(request: HttpRequest): Promise<HttpAnswer> {
    for (let redirects = 0; redirects <= mostRedirects; redirects++) {
      const response = await this.#send(request)
      const { statusCode, headers } = response
      if (statusCode === 200) {
        return { contentType: String(headers['content-type'] ?? ''), body: this.#read(response.body, request.maxBytes) }
      }
      const text = await this.#readStart(response.body)
      if (statusCode < 300 || statusCode > 399) throw this.#refusal(statusCode, text)
      this.#follow(request, statusCode, String(headers.location ?? ''))
    }
    throw new GitError('network', `more than ${mostRedirects} redirects`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy()
  }

  async #send({ path, headers, body }: HttpRequest): Promise<Dispatcher.ResponseData> {
    const { signal } = this.#options
    const url = this.#resolve(path)
    try {
      return await this.#dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: body === undefined ? 'GET' : 'POST',
        // Servers choose between their web pages and Git by the agent's name.
        headers: { 'user-agent': 'git/2 (sluice)', ...this.#authorization(), ...headers },
        body: body ?? null,
        signal,
        // The signal bounds the whole operation, however slowly bytes trickle in.
        headersTimeout: 0,
        bodyTimeout: 0,
      })
    } catch (error) {
      throw this.#failure(error)
    }
  }

  #resolve(path: string): URL {
    const [file = '', query = ''] = path.split('?')
    const url = new URL(this.#base)
    url.pathname += `/${file}`
    url.search = [this.#base.search.slice(1), query].filter(Boolean).join('&')
    return url
  }

  #authorization(): Record<string, string> {
    const { credentials } = this.#options
    if (!credentials || this.#base.origin !== this.#origin) return {}
    if ('bearerToken' in credentials) return { authorization: `Bearer ${credentials.bearerToken}` }
    return { authorization: `Basic ${basic(credentials)}` }
  }

  /** Goes on where the server points to. Only the first request may move: what follows would be sent to a stranger. */
  #follow(request: HttpRequest, status: number, location: string): void {
    if (request.body !== undefined)
      throw new GitError('network', `the server redirects a fetch (status ${status}), which Git forbids`)
    const from = this.#resolve(request.path)
    const to = URL.parse(location, from.href)
    if (!to) throw new GitError('network', `the server redirects (status ${status}) to an invalid address`)
    const downgrade = from.protocol === 'https:' && to.protocol !== 'https:'
    if (downgrade || (to.protocol !== 'https:' && to.protocol !== 'http:'))
      throw new GitError(
        'network',
        `the server redirects to ${to.protocol}//${to.host}, which is not allowed from ${from.protocol}//`,
      )
    const [file = ''] = request.path.split('?')
    if (!to.pathname.endsWith(`/${file}`))
      throw new GitError('network', `the server redirects to ${to.origin}${to.pathname}, which is not a Git repository`)
    this.#base = new URL(to.pathname.slice(0, -file.length - 1), to.origin)
  }

  async *#read(body: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
    let size = 0
    try {
      for await (const chunk of body) {
        size += chunk.length
        if (size > maxBytes) throw new GitError('tooLarge', `the server sends more than the limit of ${maxBytes} bytes`)
        yield chunk
      }
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /** The beginning of an error's text, in one printable line. */
  async #readStart(body: AsyncIterable<Uint8Array>): Promise<string> {
    const parts: Uint8Array[] = []
    let size = 0
    try {
      for await (const chunk of body) {
        parts.push(chunk)
        size += chunk.length
        if (size >= shownBytes) break
      }
    } catch (error) {
      if (this.#options.signal.aborted) throw this.#failure(error)
    }
    const text = Buffer.concat(parts).toString('utf8', 0, shownBytes)
    return /^\s*</.test(text) ? '' : this.redact(text)
  }

  #refusal(status: number, text: string): GitError {
    const because = (what: string) => (text === '' ? what : `${what}: ${text}`)
    if (status === 401) return new GitError('authentication', because('authentication required'))
    if (status === 403) return new GitError('authentication', because('authentication failed: authorization failed'))
    if (status === 404) return new GitError('notFound', because('repository not found'))
    return new GitError('network', because(`unexpected status code: ${status}`))
  }

  #failure(error: unknown): unknown {
    const { signal } = this.#options
    if (signal.aborted) return signal.reason
    if (error instanceof GitError) return error
    return new GitError('network', this.redact(rootMessageOf(error)), { cause: error })
  }

  /** Text of the server's as it may be shown: one line, no control characters, no credential that it sends back. */
  redact(text: string): string {
    const secrets = secretsOf(this.#options.credentials)
    const masked = secrets.reduce((shown, secret) => shown.replaceAll(secret, '***'), text)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not get into a message
    return masked.replace(/[\s\u0000-\u001f\u007f]+/g, ' ').trim()
  }
}

function basic({ username, password }: { username: string; password: string }): string {
  return Buffer.from(`${username}:${password}`).toString('base64')
}

/** What must never be shown; longest first, so that no part of one survives. */
function secretsOf(credentials: Credentials | undefined): string[] {
  if (!credentials) return []
  if ('bearerToken' in credentials) return [credentials.bearerToken].filter(Boolean)
  const { password } = credentials
  return [basic(credentials), encodeURIComponent(password), password].filter(Boolean)
}
