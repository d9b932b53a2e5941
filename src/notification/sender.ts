/** How requests reach a service: TLS, proxy, retries, bounds, and errors without secrets. */
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import querystring from 'node:querystring'
import { connect as connectTls, createSecureContext, getCACertificates } from 'node:tls'
import type { Dispatcher } from 'undici'
import { unlessAborted } from '../lib/abort.ts'
import { type ClientTls, type ConnectionOptions, dispatcherFor } from '../lib/dispatcher.ts'
import { messageOf, rootMessageOf } from '../lib/errors.ts'
import type { Clock } from '../runtime/clock.ts'
import { DeliveryError, type Incoming, type Outgoing, type Sender } from './notifier.ts'
import { masked } from './settings.ts'

/** Source: go-retryablehttp as upstream sets it up. */
const mostRetries = 4
const shortestWaitMs = 2_000
const longestWaitMs = 30_000
const longestAnswer = 1024 * 1024
/** How much of an answer an error shows. */
const shownAnswer = 512
const harmlessHeaders = new Set(['accept', 'content-type', 'user-agent', 'gotk-component'])
const shortestLogin = 8

export interface SenderOptions extends ConnectionOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** What must not be shown of an answer. */
  readonly secrets?: readonly string[]
  /** Connections to share, where these options ask for none of their own. */
  readonly shared?: Dispatcher
}

interface Answer extends Incoming {
  /** What an error shows of it. */
  shown(): string
}

/** Sends the requests of one notification; closed when that is done. */
export class HttpSender implements Sender, AsyncDisposable {
  readonly signal: AbortSignal
  readonly #options: SenderOptions
  #dispatcher: Dispatcher | undefined

  constructor(options: SenderOptions) {
    this.#options = options
    this.signal = options.signal
  }

  now(): number {
    return this.#options.clock.now()
  }

  async send(request: Outgoing): Promise<Incoming> {
    assertHttp(request.url)
    for (let retries = 0; ; retries++) {
      const { answer, failure, waitMs } = await this.#attempt(request)
      if (answer && !isWorthAnother(answer.status)) return accepted(answer, request)
      if (retries === mostRetries) throw answer ? refusal(answer) : failure
      const last = answer ? refusal(answer) : failure
      await this.#pause(waitMs ?? Math.min(shortestWaitMs * 2 ** retries, longestWaitMs), last)
    }
  }

  async connect({ host, port, tls }: { host: string; port: number; tls: boolean }): Promise<Socket> {
    const socket = connectTcp({ host, port })
    await this.#ready(socket, 'connect')
    return tls ? this.secure(socket, host) : socket
  }

  async secure(socket: Socket, host: string): Promise<Socket> {
    // An address is no server name, but still what the certificate must be for.
    const secured = connectTls({
      socket,
      host,
      ...(isIP(host) === 0 && { servername: host }),
      ...(this.#options.tls && { secureContext: secureContext(this.#options.tls) }),
    })
    await this.#ready(secured, 'secureConnect')
    return secured
  }

  /** Until the socket is connected; afterwards it ends with the signal. */
  async #ready(socket: Socket, connected: 'connect' | 'secureConnect'): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const abort = () => socket.destroy(new Error(messageOf(this.signal.reason)))
    this.signal.addEventListener('abort', abort, { once: true })
    socket.once('close', () => {
      this.signal.removeEventListener('abort', abort)
      reject(new DeliveryError('the connection was closed'))
    })
    socket.once(connected, resolve)
    // An error without a listener would end the process; later ones are told to who reads.
    socket.on('error', reject)
    if (this.signal.aborted) abort()
    await promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#dispatcher !== this.#options.shared) await this.#dispatcher?.destroy()
  }

  /** @throws DeliveryError with the reason of the signal and what came of the last try. */
  async #pause(ms: number, last: DeliveryError | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.after(ms, resolve)
    try {
      await unlessAborted(promise, this.signal)
    } catch (error) {
      throw new DeliveryError(`${messageOf(error)}; the last try: ${last?.message}`, { cause: last })
    } finally {
      cancel()
    }
  }

  async #attempt(request: Outgoing): Promise<{ answer?: Answer; failure?: DeliveryError; waitMs?: number | undefined }> {
    try {
      const answer = await this.#exchange(request)
      return { answer, waitMs: retryAfterMs(answer) }
    } catch (error) {
      this.signal.throwIfAborted()
      return { failure: new DeliveryError(`failed to execute request: ${rootMessageOf(error)}`, { cause: error }) }
    }
  }

  async #exchange({ url, method = 'POST', headers = {}, body }: Outgoing): Promise<Answer> {
    const { tls, proxy, shared, secrets = [] } = this.#options
    this.#dispatcher ??= tls || proxy || !shared ? dispatcherFor(this.#options) : shared
    const target = new URL(url)
    const { origin, pathname, search } = target
    const { text: sent, headers: ofBody } = encoded(body)
    const allHeaders = merged(ofBody, credentialsOf(target), headers)
    const response = await this.#dispatcher.request({
      origin,
      path: pathname + search,
      method,
      headers: allHeaders,
      ...(sent !== undefined && { body: sent }),
      signal: this.signal,
    })
    const text = await boundedText(response.body)
    const shown = () => excerpt(text, [...secrets, ...loginsIn(allHeaders)])
    return {
      status: response.statusCode,
      headers: new Map(Object.entries(response.headers).map(([name, value]) => [name, String(value)])),
      text,
      shown,
      json: () => parsed(text, shown),
    }
  }
}

function secureContext(tls: ClientTls) {
  return createSecureContext({ ...tls, ...(tls.ca !== undefined && { ca: [...getCACertificates('default'), tls.ca] }) })
}

function assertHttp(url: string): void {
  const protocol = URL.parse(url)?.protocol
  if (protocol === 'http:' || protocol === 'https:') return
  throw new DeliveryError('the address is no http or https URL: set spec.address, or the key address of the Secret')
}

function encoded(body: Outgoing['body']): { readonly headers: Record<string, string>; readonly text?: string } {
  if (body === undefined) return { headers: {} }
  if (typeof body === 'string') return { headers: { 'content-type': 'text/plain; charset=utf-8' }, text: body }
  if (body instanceof URLSearchParams)
    return { headers: { 'content-type': 'application/x-www-form-urlencoded' }, text: body.toString() }
  return { headers: { 'content-type': 'application/json' }, text: JSON.stringify(body) }
}

/** Source: Go's net/http. */
function credentialsOf({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  const [user, secret] = [username, password].map((text) => querystring.unescape(text))
  return { authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}` }
}

/** Later wins, whatever the case of a name. */
function merged(...all: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const entries = all.flatMap((headers) => Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const))
  return Object.fromEntries(new Map(entries))
}

/** What is beyond the bound is not read. */
async function boundedText(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= longestAnswer) break
  }
  return Buffer.concat(chunks).toString('utf8', 0, longestAnswer)
}

function parsed(text: string, shown: () => string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new DeliveryError(`the answer is no JSON: ${shown()}`)
  }
}

function isWorthAnother(status: number): boolean {
  return status === 429 || (status >= 500 && status !== 501)
}

function retryAfterMs({ headers }: Incoming): number | undefined {
  const seconds = Number(headers.get('retry-after'))
  return seconds > 0 ? Math.min(seconds * 1000, longestWaitMs) : undefined
}

function accepted(answer: Answer, { accept = [] }: Outgoing): Incoming {
  if ((answer.status >= 200 && answer.status < 300) || accept.includes(answer.status)) return answer
  throw refusal(answer)
}

function refusal({ status, shown }: Answer): DeliveryError {
  return new DeliveryError(`request failed with status code ${status}: ${shown()}`)
}

/** Some proxies and services repeat what they were sent. Masked before it is cut, which could leave half a secret. */
function excerpt(text: string, secrets: readonly string[]): string {
  return masked(text, secrets).slice(0, shownAnswer).replace(unprintable, ' ').trim()
}

/** Of a request: the Secret may have it in other words. */
function loginsIn(headers: Readonly<Record<string, string>>): string[] {
  return Object.entries(headers)
    .filter(([name]) => !harmlessHeaders.has(name))
    .map(([, value]) => value.slice(value.lastIndexOf(' ') + 1))
    .filter((login) => login.length >= shortestLogin)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not get into a message
const unprintable = /[\s\u0000-\u001f\u007f]+/g
