/** Requests to one API server over pools of kept-alive connections. */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Dispatcher } from 'undici'
import packageJson from '../../package.json' with { type: 'json' }
import { pause } from '../lib/abort.ts'
import { messageOf } from '../lib/errors.ts'
import { parseJson } from '../lib/json.ts'
import type { Credentials, KubeConfig } from './config.ts'
import { Connections, type ConnectionsOptions, type Lane, maxAnswerBytes } from './connections.ts'

/** An answer of the API server that is not a success, from its Status object. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** HTTP status. */
  readonly status: number
  /** `reason` of the Status object: NotFound, AlreadyExists, Conflict, Invalid, Forbidden, Expired, TooManyRequests … */
  readonly reason: string
  readonly retryAfterMs: number | undefined
  /** `details.causes` of the Status object: which field, and why. */
  readonly causes: readonly { readonly field?: string; readonly reason?: string; readonly message?: string }[]

  constructor(
    message: string,
    about: { status: number; reason: string; retryAfterMs?: number | undefined; causes?: ApiError['causes'] },
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.status = about.status
    this.reason = about.reason
    this.retryAfterMs = about.retryAfterMs
    this.causes = about.causes ?? []
  }
}

/** No answer came: the API server could not be reached, or the connection broke. The cause is what undici threw. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
  /** ECONNREFUSED, ECONNRESET, UND_ERR_SOCKET, UND_ERR_BODY_TIMEOUT … */
  readonly code: string
  constructor(message: string, code: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path and query, as `/api/v1/namespaces/default/configmaps?limit=500`. */
  readonly path: string
  readonly accept?: string
  readonly contentType?: string
  readonly body?: string | Uint8Array
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly signal?: AbortSignal | undefined
  /** What the request is counted as in the metrics: get, list, watch, create, patch, apply, delete. */
  readonly verb: string
  /** Goes over a connection of its own, so that no load delays it (lease renewal). */
  readonly urgent?: boolean
  /** A stream that brings nothing for this long is broken off with a ConnectionError. */
  readonly idleTimeoutMs?: number
}

/** One request as the metrics see it. Retries count one by one. */
export interface RequestRecord {
  readonly verb: string
  readonly method: string
  readonly host: string
  /** HTTP status; undefined when no answer came. */
  readonly status: number | undefined
  /** Until the head of the answer. */
  readonly durationMs: number
}

export interface TransportOptions extends ConnectionsOptions {
  readonly userAgent?: string
  readonly onRequest?: (record: RequestRecord) => void
  /** Warnings of the API server about a request: deprecated versions, unknown fields. */
  readonly onWarning?: (text: string, request: TransportRequest) => void
}

const defaultUserAgent = `sluice/${packageJson.version}`
const maxLineBytes = 32 * 1024 * 1024
const maxAttempts = { asked: 10, broken: 4 }
const maxRetryWaitMs = 60_000

/** Requests in the name of one identity. `as` makes another one on the same connections. */
export class Transport implements AsyncDisposable {
  readonly #config: KubeConfig
  readonly #options: TransportOptions
  readonly #connections: Connections
  readonly #headers: Readonly<Record<string, string | string[]>>

  constructor(config: KubeConfig, options: TransportOptions = {}, shared?: Pick<TransportRequest, 'headers'> & { of: Transport }) {
    this.#config = config
    this.#options = options
    this.#connections = shared ? shared.of.#connections : new Connections(config, options)
    this.#headers = shared?.headers ?? {}
  }

  /** The same connections with other headers: another identity. */
  withHeaders(headers: NonNullable<TransportRequest['headers']>): Transport {
    return new Transport(this.#config, this.#options, { of: this, headers })
  }

  /**
   * One request, its answer parsed as JSON. Retries what is safe to (429 and 503 with Retry-After, refused connections) within bounds.
   * @throws ApiError, ConnectionError, or the reason of the signal.
   */
  async request(request: TransportRequest): Promise<unknown> {
    const text = await this.#retry(request, async () => {
      const { body, headers } = await this.#send(request, request.urgent ? 'urgent' : 'requests')
      return headers['content-encoding'] === 'gzip' ? await unzip(await body.arrayBuffer()) : await body.text()
    })
    try {
      return parseJson(text)
    } catch (error) {
      throw new ApiError(
        `${request.method} ${request.path}: the answer is not JSON`,
        { status: 200, reason: 'Unknown' },
        { cause: error },
      )
    }
  }

  /** One request whose answer is a stream of lines (watch). Throws as `request` does, also in the middle of the stream. */
  async *stream(request: TransportRequest): AsyncGenerator<string, void, undefined> {
    const { body } = await this.#retry(request, () => this.#send(request, 'watches'))
    try {
      yield* lines(body)
    } catch (error) {
      throw this.#connectionError(error, request)
    }
  }

  async close(): Promise<void> {
    await this.#connections.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #retry<R>(request: TransportRequest, attempt: () => Promise<R>): Promise<R> {
    const startedAt = performance.now()
    for (let attempts = 1; ; attempts++) {
      try {
        return await attempt()
      } catch (thrown) {
        const error = this.#connectionError(thrown, request)
        const waitMs = retryDelayMs(error, request, attempts)
        if (waitMs === undefined || performance.now() - startedAt + waitMs > maxRetryWaitMs) throw error
        await pause(waitMs, request.signal)
      }
    }
  }

  /** One attempt; a second one when the token was refused and has been replaced meanwhile. */
  async #send(request: TransportRequest, lane: Lane): Promise<Dispatcher.ResponseData> {
    const credentials = await this.#config.credentials()
    const response = await this.#exchange(request, lane, credentials)
    if (response.statusCode < 400) return response
    const error = await apiErrorOf(response, request)
    if (response.statusCode !== 401) throw error
    const fresh = await this.#config.credentials({ fresh: true })
    if (fresh.authorization === credentials.authorization) throw error
    const second = await this.#exchange(request, lane, fresh)
    if (second.statusCode < 400) return second
    throw await apiErrorOf(second, request)
  }

  async #exchange(request: TransportRequest, lane: Lane, { authorization, tls }: Credentials): Promise<Dispatcher.ResponseData> {
    const { method, verb } = request
    const startedAt = performance.now()
    let status: number | undefined
    try {
      const response = await this.#connections.lane(lane, tls).request({
        origin: this.#config.server.origin,
        path: this.#connections.pathPrefix + request.path,
        method,
        headers: this.#headersOf(request, authorization),
        body: request.body ?? null,
        signal: request.signal ?? null,
        ...(lane === 'watches' && { bodyTimeout: request.idleTimeoutMs ?? 0 }),
      })
      status = response.statusCode
      this.#passWarnings(response.headers.warning, request)
      return response
    } finally {
      const durationMs = performance.now() - startedAt
      this.#options.onRequest?.({ verb, method, host: this.#config.server.host, status, durationMs })
    }
  }

  #headersOf(request: TransportRequest, authorization: string | undefined): Record<string, string | string[]> {
    return {
      accept: request.accept ?? 'application/json',
      'user-agent': this.#options.userAgent ?? defaultUserAgent,
      ...(authorization && { authorization }),
      ...(request.contentType && { 'content-type': request.contentType }),
      // The API server compresses only what is larger than 128 KiB.
      ...(request.verb === 'list' && { 'accept-encoding': 'gzip' }),
      ...this.#headers,
      ...request.headers,
    }
  }

  #passWarnings(header: string | string[] | undefined, request: TransportRequest): void {
    const { onWarning } = this.#options
    if (!header || !onWarning) return
    for (const match of [header]
      .flat()
      .join(', ')
      .matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/g)) {
      onWarning((match[1] ?? '').replace(/\\(.)/g, '$1'), request)
    }
  }

  /** Errors without an answer become ConnectionErrors that name the server; others stay. */
  #connectionError(thrown: unknown, request: TransportRequest): unknown {
    if (thrown instanceof ApiError || thrown instanceof ConnectionError || request.signal?.aborted) return thrown
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
    if (!code) return thrown
    const what = `${request.method} ${request.path.split('?')[0]} at ${this.#config.server.origin}`
    return new ConnectionError(`${what}: ${reasonOf(thrown)}`, code, { cause: thrown })
  }
}

const neverSent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])
const broken = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'UND_ERR_SOCKET'])

/** How long to wait before the next attempt; undefined when there must be none. Source: client-go rest/with_retry.go. */
function retryDelayMs(error: unknown, request: TransportRequest, attempts: number): number | undefined {
  if (error instanceof ApiError) {
    if (attempts >= maxAttempts.asked) return undefined
    // A kind whose CRD has just been established: its storage is there within milliseconds, whatever Retry-After says.
    if (error.message.includes('storage is (re)initializing')) return 10 + Math.random() * 40
    const retryable = error.status === 429 || error.status === 503
    return retryable && error.retryAfterMs !== undefined ? error.retryAfterMs * (1 + Math.random() * 0.1) : undefined
  }
  if (!(error instanceof ConnectionError) || attempts >= maxAttempts.broken) return undefined
  const safe = neverSent.has(error.code) || (broken.has(error.code) && isIdempotent(request))
  return safe ? 100 * 2 ** (attempts - 1) * (0.5 + Math.random()) : undefined
}

/** Whether doing it twice is the same as once: a create is not (its first outcome is unknown), nor a JSON patch that appends. */
function isIdempotent(request: TransportRequest): boolean {
  return request.method !== 'POST' && request.contentType !== 'application/json-patch+json'
}

async function apiErrorOf(response: Dispatcher.ResponseData, request: TransportRequest): Promise<ApiError> {
  const retryAfterMs = parseRetryAfter(response.headers['retry-after'])
  const raw = Buffer.from(await response.body.arrayBuffer())
  const text = response.headers['content-encoding'] === 'gzip' ? await unzip(raw) : raw.toString()
  return statusError(text, { status: response.statusCode, retryAfterMs, what: `${request.method} ${request.path.split('?')[0]}` })
}

/** The error that a Status object stands for; anything else (a proxy's page) is quoted. */
export function statusError(text: string, about: { status: number; what: string; retryAfterMs?: number | undefined }): ApiError {
  const { status, what } = about
  const object = recordOf(parseOrUndefined(text))
  if (object.kind !== 'Status') {
    const quoted = text.slice(0, 200).trim()
    return new ApiError(`${what}: the API server answered ${status}${quoted && `: ${quoted}`}`, {
      ...about,
      reason: reasonOfStatus(status),
    })
  }
  const details = recordOf(object.details)
  const seconds = Number(details.retryAfterSeconds ?? 0)
  return new ApiError(String(object.message || `${what}: the API server answered ${status}`), {
    status: Number(object.code ?? status),
    reason: String(object.reason || reasonOfStatus(status)),
    retryAfterMs: about.retryAfterMs ?? (seconds > 0 ? seconds * 1000 : undefined),
    causes: Array.isArray(details.causes) ? details.causes.map(causeOf) : [],
  })
}

function causeOf(cause: unknown): ApiError['causes'][number] {
  const { field, reason, message } = recordOf(cause)
  return {
    ...(typeof field === 'string' && { field }),
    ...(typeof reason === 'string' && { reason }),
    ...(typeof message === 'string' && { message }),
  }
}

/** Source: apimachinery errors.NewGenericServerResponse. */
function reasonOfStatus(status: number): string {
  const reasons = new Map([
    [400, 'BadRequest'],
    [401, 'Unauthorized'],
    [403, 'Forbidden'],
    [404, 'NotFound'],
    [405, 'MethodNotAllowed'],
    [406, 'NotAcceptable'],
    [409, 'Conflict'],
    [410, 'Gone'],
    [413, 'RequestEntityTooLarge'],
    [415, 'UnsupportedMediaType'],
    [422, 'Invalid'],
    [429, 'TooManyRequests'],
    [500, 'InternalError'],
    [503, 'ServiceUnavailable'],
    [504, 'Timeout'],
  ])
  return reasons.get(status) ?? 'Unknown'
}

/** Seconds or a date. */
function parseRetryAfter(header: string | string[] | undefined): number | undefined {
  const text = [header].flat()[0]?.trim()
  if (!text) return undefined
  if (/^\d+$/.test(text)) return Number(text) * 1000
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now())
}

const gunzipped = promisify(gunzip)

async function unzip(bytes: ArrayBuffer | Buffer): Promise<string> {
  const content = await gunzipped(bytes, { maxOutputLength: maxAnswerBytes })
  return content.toString()
}

async function* lines(body: AsyncIterable<Buffer>): AsyncGenerator<string, void, undefined> {
  let begun: Buffer[] = []
  let begunBytes = 0
  for await (const chunk of body) {
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const rest = chunk.subarray(start, end)
      start = end + 1
      if (begun.length === 0) yield rest.toString()
      else {
        begun.push(rest)
        yield Buffer.concat(begun).toString()
        begun = []
        begunBytes = 0
      }
    }
    if (start === chunk.length) continue
    begun.push(chunk.subarray(start))
    begunBytes += chunk.length - start
    if (begunBytes > maxLineBytes) {
      throw new ApiError(`a line of the watch is longer than ${maxLineBytes} bytes`, { status: 200, reason: 'Unknown' })
    }
  }
}

function parseOrUndefined(text: string): unknown {
  try {
    return parseJson(text)
  } catch {
    return undefined
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function reasonOf(thrown: unknown): string {
  // Happy-eyeballs failures (several addresses) have an empty message and the reasons inside.
  if (thrown instanceof AggregateError && !thrown.message) return thrown.errors.map(messageOf).join('; ')
  return messageOf(thrown)
}
