/** Requests to registries and to where they send us: bounded, tried again when that may help, and not led where they should not go. */
import { BlockList, isIP } from 'node:net'
import type { Dispatcher } from 'undici'
import { pause } from '../abort.ts'
import { type ConnectionOptions, dispatcherFor } from '../dispatcher.ts'
import { codeOf, rootMessageOf } from '../errors.ts'
import { assertDigest, bounded, writeChecked } from './body.ts'
import { OciError } from './errors.ts'

/** Time, so that tests need not wait. */
export interface Timer {
  /** In milliseconds since 1970. */
  now(): number
  /** @throws the reason of the signal. */
  pause(ms: number, signal: AbortSignal): Promise<void>
}

export interface TransportOptions extends ConnectionOptions {
  readonly userAgent?: string
  /** Ends everything that is under way. */
  readonly signal: AbortSignal
  readonly timer?: Timer
  /** How long a server may say nothing: five minutes when absent. */
  readonly idleMs?: number
}

export interface Request {
  readonly method?: 'GET' | 'HEAD'
  readonly accept?: string
  readonly authorization?: string | undefined
  /** Sent by POST. */
  readonly form?: URLSearchParams
  /** How many bytes a good answer may have. */
  readonly maxBytes: number
  /** What a good answer must have. */
  readonly digest?: string | undefined
  /** How often it is sent again for answers of the moment; three times when absent. */
  readonly retries?: number
  /** Where a good answer is written; it needs a digest. */
  readonly file?: string
}

export interface Received {
  /** Who answered. */
  readonly origin: string
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  /** Empty for what went into a file; of what is no good answer the beginning. */
  readonly body: Buffer
  /** In bytes, also of what went into a file. */
  readonly size: number
}

const systemTimer: Timer = { now: Date.now, pause }
const mostRedirects = 5
const mostRetries = 3
const longestRetryMs = 30_000
const shownBytes = 512

export class Transport implements AsyncDisposable {
  readonly #options: TransportOptions
  readonly #dispatcher: Dispatcher
  readonly #timer: Timer

  /** @throws what TLS says of certificates or keys that it cannot read. */
  constructor(options: TransportOptions) {
    this.#options = options
    this.#dispatcher = dispatcherFor(options)
    this.#timer = options.timer ?? systemTimer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy()
  }

  /** The Authorization header goes to the first address alone, never where that redirects to. @throws OciError */
  async follow(first: URL, request: Request): Promise<Received> {
    const { authorization, ...anonymous } = request
    let target = first
    for (let redirects = 0; ; redirects++) {
      const received = await this.exchange(target, target.origin === first.origin ? request : anonymous)
      const location = received.headers.get('location')
      if (received.status < 300 || received.status > 399 || location === undefined) return received
      if (redirects === mostRedirects) throw refused(first, `redirects more than ${mostRedirects} times`)
      target = this.#redirected(first, { location, base: target, isChecked: request.digest !== undefined })
    }
  }

  /** @throws OciError `refused`; bytes that a digest vouches for may come from anywhere that is not of a network behind ours. */
  #redirected(first: URL, { location, base, isChecked }: { location: string; base: URL; isChecked: boolean }): URL {
    const next = URL.parse(location, base.href)
    if (next?.protocol !== 'https:' && !(next?.protocol === 'http:' && (isChecked || first.protocol === 'http:')))
      throw refused(first, 'redirects to an address that is not https')
    assertReachable(first, next)
    return next
  }

  /** One request, tried again where the answer or the lack of one is of the moment. @throws OciError; system errors of the disk as they are. */
  async exchange(url: URL, request: Request): Promise<Received> {
    for (let retries = 0; ; retries++) {
      const isLast = retries === (request.retries ?? mostRetries)
      const result = await this.#once(url, request).catch((error: unknown) => {
        if (isLast || !isOfTheMoment(error)) throw error
        return undefined
      })
      const waitMs = retryAfterMs(result, retries, this.#timer.now())
      if (result && (isLast || waitMs === undefined)) return result
      await this.#timer.pause(waitMs ?? 0, this.#options.signal)
    }
  }

  /** As `exchange`, and nothing is tried again. */
  async #once(url: URL, request: Request): Promise<Received> {
    const { method = 'GET', accept, authorization, form } = request
    const { userAgent, signal, idleMs } = this.#options
    try {
      const response = await this.#dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: form ? 'POST' : method,
        headers: {
          ...(accept !== undefined && { accept }),
          ...(userAgent !== undefined && { 'user-agent': userAgent }),
          ...(authorization !== undefined && { authorization }),
          ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
        },
        ...(form && { body: form.toString() }),
        signal,
        ...(idleMs !== undefined && { headersTimeout: idleMs, bodyTimeout: idleMs }),
      })
      const headers = new Map(Object.entries(response.headers).map(([name, value]) => [name, String(value)]))
      return { origin: url.origin, status: response.statusCode, headers, ...(await receive(response, request)) }
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof OciError || isOfDisk(error)) throw error
      throw new OciError('network', `failed to reach ${url.host}: ${rootMessageOf(error)}`, { cause: error })
    }
  }
}

async function receive(response: Dispatcher.ResponseData, { maxBytes, file, digest }: Request) {
  const isGood = response.statusCode >= 200 && response.statusCode < 300
  if (isGood && file !== undefined && digest !== undefined)
    return { body: Buffer.alloc(0), size: await writeChecked(response.body, { file, maxBytes, digest }) }
  const body = await bounded(response.body, isGood ? maxBytes : shownBytes, { cut: !isGood })
  if (isGood && digest !== undefined) assertDigest(body, digest)
  return { body, size: body.length }
}

/** The file could not be written: nothing is said of the registry. */
function isOfDisk(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EIO'].includes(codeOf(error) ?? '')
}

const brokenOff = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/** The connection was there and broke. Source: the retries of go-containerregistry, for both. */
function isOfTheMoment(error: unknown): boolean {
  return error instanceof OciError && error.code === 'network' && brokenOff.has(codeOf(error.cause) ?? '')
}

const momentary = new Set([408, 429, 500, 502, 503, 504])

/** How long to wait before the next try: as told, else longer each time. Undefined for an answer that is final. */
function retryAfterMs(received: Received | undefined, retries: number, nowMs: number): number | undefined {
  if (received && !momentary.has(received.status)) return undefined
  const told = received?.headers.get('retry-after') ?? ''
  const wantedMs = /^\d+$/.test(told) ? Number(told) * 1000 : Date.parse(told) - nowMs
  const waitMs = Number.isFinite(wantedMs) ? Math.max(0, wantedMs) : 500 * 2 ** retries
  // Those who were told the same time do not all come back at once.
  return Math.min(waitMs, longestRetryMs) * (1 + Math.random() / 10)
}

/**
 * @throws OciError where somebody outside of private networks names an address within one: there may be services that trust who can reach
 * them, such as those that give credentials to machines.
 * Source: go-containerregistry's validateRealmURL and checkRedirectSSRF.
 */
export function assertReachable(from: URL, to: URL): void {
  if (to.hostname === from.hostname || !isPrivate(to.hostname) || isPrivate(from.hostname)) return
  throw refused(from, `sends us to the private address ${to.hostname}`)
}

const privateNetworks = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  privateNetworks.addSubnet(network, prefix, 'ipv4')
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  privateNetworks.addSubnet(network, prefix, 'ipv6')

function isPrivate(hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, '')
  const family = isIP(address)
  return family === 0 ? /^localhost\.?$/.test(address) : privateNetworks.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

function refused({ host }: URL, why: string): OciError {
  return new OciError('refused', `${host} ${why}`)
}
