/** List and watch of one kind as one endless sequence of events, which lives through everything that an API server does to it. */
import { gvkOf, isNewer, type KubeObject } from '../api/object.ts'
import { pause } from '../lib/abort.ts'
import { type Client, isExpired, type KindRef, type WatchEvent } from './client.ts'
import { ApiError, ConnectionError } from './transport.ts'

/**
 * What a watch tells. Between `init` and `initDone` come all objects that exist, each as `apply`: whatever is not among them is gone.
 * An object may come twice.
 */
export type WatchChange<T extends KubeObject = KubeObject> =
  | { readonly type: 'init' }
  | { readonly type: 'apply'; readonly object: T }
  | { readonly type: 'delete'; readonly object: T }
  | { readonly type: 'initDone' }
  /** Everything up to now has been told. */
  | { readonly type: 'bookmark' }

export interface ChangesOptions {
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly metadataOnly?: boolean
  readonly signal: AbortSignal
  /** Told of each failure and of the wait before the next attempt. */
  readonly onError?: (error: unknown, waitMs: number) => void
  /** How to wait before the next attempt; may resolve early. */
  readonly wait?: (ms: number) => Promise<void>
  readonly timing?: WatchTiming
}

export interface WatchTiming {
  /** Wait after the first failure (500 ms); doubled with each further one, with jitter. */
  readonly backoffMs?: number
  /** 30 s. */
  readonly maxBackoffMs?: number
  /** A watch without any event or bookmark for this long (3 minutes; bookmarks come every minute) is opened again. */
  readonly silenceMs?: number
  /** How long the API server keeps a watch open at least, and at most twice that (5 minutes). */
  readonly lifeMs?: number
}

/** Attempts that end sooner than this count as failures, so that nothing is opened in a busy loop. */
const shortMs = 1_000
/** A Retry-After may ask for anything. */
const longestAskedMs = 60_000
const initialEventsEnd = 'k8s.io/initial-events-end'

/** Ends only when the signal is aborted: failures are told to `onError` and tried again, with backoff, for ever. */
export async function* changesOf<T extends KubeObject = KubeObject>(
  client: Client,
  kind: KindRef,
  options: ChangesOptions,
): AsyncGenerator<WatchChange<T>, void, undefined> {
  const { signal, timing } = options
  const wait = options.wait ?? ((ms: number) => pause(ms, signal))
  const session = new Session<T>(client, kind, options)
  for (let failures = 0; !signal.aborted; ) {
    const startedAt = performance.now()
    const settled = () => session.position !== undefined && performance.now() - startedAt >= shortMs
    try {
      yield* session.position === undefined ? session.list() : session.watch()
      if (!settled()) throw new Error(`the watch of ${kind.kind} ended at once`)
      failures = 0
    } catch (error) {
      if (signal.aborted) return
      failures = settled() ? 1 : failures + 1
      session.recover(error)
      // A position that is lost costs a new list, at once; but not over and over.
      const waitMs = isExpired(error) && failures === 1 ? 0 : waitAfter(error, failures, timing)
      options.onError?.(error, waitMs)
      await wait(waitMs).catch(ignoreWhen(signal))
    }
  }
}

/** One kind's position in the history of the API server. */
class Session<T extends KubeObject> {
  /** The resourceVersion up to which everything has been told; undefined before the first list and when it must be done again. */
  position: string | undefined
  readonly #client: Client
  readonly #kind: KindRef
  readonly #options: ChangesOptions
  #canStream = true

  constructor(client: Client, kind: KindRef, options: ChangesOptions) {
    this.#client = client
    this.#kind = kind
    this.#options = options
  }

  /** What exists, then what changes. */
  list(): AsyncGenerator<WatchChange<T>, void, undefined> {
    return this.#canStream ? this.#streamingList() : this.#pagedList()
  }

  async *watch(): AsyncGenerator<WatchChange<T>, void, undefined> {
    for await (const event of this.#open({ resourceVersion: this.position ?? '' })) yield this.#next(event)
  }

  /** Draws the conclusions from a failure, so that the next attempt can do better. */
  recover(error: unknown): void {
    // Servers that do not know the streaming list refuse its parameters, or leave us waiting for its end.
    const refused = error instanceof ApiError && (error.status === 400 || error.status === 422)
    const silent = error instanceof ConnectionError && error.code === 'UND_ERR_BODY_TIMEOUT'
    if (this.position === undefined && (refused || silent)) this.#canStream = false
    if (isExpired(error)) this.position = undefined
    // The path that was discovered leads nowhere any more.
    if (error instanceof ApiError && error.status === 404 && error.reason !== 'NoKindMatch') {
      this.#client.discovery.forget(gvkOf(this.#kind).group)
    }
  }

  /** What exists comes as events of the watch that then goes on: nothing is held twice in memory, neither here nor there. */
  async *#streamingList(): AsyncGenerator<WatchChange<T>, void, undefined> {
    yield { type: 'init' }
    for await (const event of this.#open({ sendInitialEvents: true })) {
      if (this.position !== undefined) yield this.#next(event)
      else if (event.type !== 'BOOKMARK') yield changeOf(event)
      else if (event.object.metadata.annotations?.[initialEventsEnd] === 'true') {
        this.position = event.object.metadata.resourceVersion
        yield { type: 'initDone' }
      }
    }
  }

  async *#pagedList(): AsyncGenerator<WatchChange<T>, void, undefined> {
    yield { type: 'init' }
    let resourceVersion = ''
    for await (const page of this.#client.pages<T>(this.#kind, this.#options)) {
      for (const object of page.items) yield { type: 'apply', object }
      resourceVersion = page.resourceVersion
    }
    this.position = resourceVersion
    yield { type: 'initDone' }
    yield* this.watch()
  }

  #open(from: { resourceVersion?: string; sendInitialEvents?: boolean }): AsyncGenerator<WatchEvent<T>, void, undefined> {
    const { silenceMs = 180_000, lifeMs = 300_000 } = this.#options.timing ?? {}
    const { namespace, labelSelector, fieldSelector, metadataOnly, signal } = this.#options
    return this.#client.watch<T>(this.#kind, {
      ...from,
      ...(namespace !== undefined && { namespace }),
      ...(labelSelector !== undefined && { labelSelector }),
      ...(fieldSelector !== undefined && { fieldSelector }),
      ...(metadataOnly !== undefined && { metadataOnly }),
      signal,
      idleTimeoutMs: silenceMs,
      // Spread, so that watches opened together do not end together.
      timeoutSeconds: Math.ceil((lifeMs * (1 + Math.random())) / 1000),
    })
  }

  #next(event: WatchEvent<T>): WatchChange<T> {
    const { resourceVersion } = event.object.metadata
    if (isNewer(resourceVersion, this.position)) this.position = resourceVersion
    return changeOf(event)
  }
}

function changeOf<T extends KubeObject>({ type, object }: WatchEvent<T>): WatchChange<T> {
  if (type === 'BOOKMARK') return { type: 'bookmark' }
  return { type: type === 'DELETED' ? 'delete' : 'apply', object }
}

/** Doubled with each failure, between half and all of it, and not sooner than the server asks. */
function waitAfter(error: unknown, failures: number, { backoffMs = 500, maxBackoffMs = 30_000 }: WatchTiming = {}): number {
  const own = Math.min(maxBackoffMs, backoffMs * 2 ** (failures - 1)) * (0.5 + Math.random() / 2)
  const asked = (error instanceof ApiError && error.retryAfterMs) || 0
  return Math.max(own, Math.min(asked, longestAskedMs))
}

/** A wait that the signal cut short is no failure. */
function ignoreWhen(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error
  }
}
