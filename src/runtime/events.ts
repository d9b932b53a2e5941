/**
 * Events about our objects: recorded in the cluster, and posted to `--events-addr`. Both happen off the critical path, from bounded
 * queues; what does not fit is dropped and counted. Source: fluxcd/pkg runtime/events, client-go tools/record.
 */
import { EnvHttpProxyAgent, request } from 'undici'
import type { FluxEvent, InvolvedObject } from '../api/event.ts'
import type { FluxObject } from '../api/meta.ts'
import { gvkOf } from '../api/object.ts'
import type { Client } from '../kube/client.ts'
import { ApiError } from '../kube/transport.ts'
import { messageOf } from '../lib/errors.ts'
import type { Clock } from './clock.ts'
import { rfc3339 } from './conditions.ts'
import { type Logger, redactText } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { EventDraft } from './reconcile.ts'

/** Records events; never throws and never waits. */
export interface Recorder {
  /** `controller` is the event's source: `kustomize-controller`. */
  record(object: FluxObject, controller: string, draft: EventDraft): void
}

export interface EventOptions {
  readonly client: Client
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Where events are posted to; empty: nowhere. */
  readonly webhook: string
  /** Takes them in this process, in place of the webhook. */
  readonly deliver?: (event: FluxEvent) => void
  /** Name of this pod. */
  readonly hostname: string
  /** Log every event too, as Flux does at level trace. */
  readonly logEvents?: boolean
}

/** Longest message of an event, in characters. Source: Flux's event API. */
const longestMessage = 39_000
const queueLimit = 1_000
const rememberedEvents = 4_096
/** Source: client-go's spam filter: a burst for each object, then one event in five minutes. Errors always pass. */
const burst = 25
const refillMs = 300_000

interface Posting {
  readonly object: FluxObject
  readonly controller: string
  readonly draft: EventDraft
  readonly message: string
  /** With group prefix, and with what the object's annotations add. */
  readonly metadata: Readonly<Record<string, string>>
  readonly nowMs: number
}

/** A recorder that runs until `close`. */
export class EventRecorder implements Recorder {
  readonly #options: EventOptions
  readonly #kubernetes: Lane<Posting>
  readonly #webhook: Lane<Posting>
  readonly #known = new Recent<{ readonly name: string; count: number }>(rememberedEvents)
  readonly #buckets = new Recent<{ tokens: number; filledMs: number }>(rememberedEvents)
  readonly #abort = new AbortController()
  readonly #proxies = new EnvHttpProxyAgent()
  #sequence = 0

  constructor(options: EventOptions) {
    this.#options = options
    this.#kubernetes = new Lane(2, (posting) => this.#create(posting))
    // One at a time: a recovery must not overtake the failure that it ends.
    this.#webhook = new Lane(1, (posting) => this.#post(posting))
  }

  record(object: FluxObject, controller: string, draft: EventDraft): void {
    const posting = this.#posting(object, controller, draft)
    if (this.#options.logEvents) this.#log(posting)
    if (draft.severity !== 'error' && !this.#mayPass(posting)) this.#options.metrics.eventDropped('kubernetes', 'rate')
    else if (!this.#kubernetes.push(posting)) this.#options.metrics.eventDropped('kubernetes', 'full')
    if (draft.severity === 'trace' || draft.isLocal) return
    if (this.#options.webhook === '') this.#options.deliver?.(this.#told(posting, draft.severity))
    else if (!this.#webhook.push(posting)) this.#options.metrics.eventDropped('webhook', 'full')
  }

  /** Events that are on their way, by sink. */
  waiting(): { readonly kubernetes: number; readonly webhook: number } {
    return { kubernetes: this.#kubernetes.size, webhook: this.#webhook.size }
  }

  /** Sends what is queued, for at most `graceMs`, and ends. */
  async close(graceMs = 0): Promise<void> {
    if (this.#abort.signal.aborted) return
    const cancel = this.#options.clock.after(graceMs, () => this.#abort.abort())
    await Promise.race([Promise.all([this.#kubernetes.idle(), this.#webhook.idle()]), aborted(this.#abort.signal)])
    cancel()
    this.#abort.abort()
    this.#kubernetes.close()
    this.#webhook.close()
    await this.#proxies.destroy()
  }

  #posting(object: FluxObject, controller: string, draft: EventDraft): Posting {
    const { group } = gvkOf(object)
    const own = Object.entries(draft.metadata ?? {}).map(([key, value]) => [`${group}/${key}`, value])
    const annotated = Object.entries(object.metadata.annotations ?? {}).filter(([key]) =>
      key.startsWith('event.toolkit.fluxcd.io/'),
    )
    const message = redactText(draft.message).slice(0, longestMessage).toWellFormed()
    return {
      object,
      controller,
      draft,
      message,
      metadata: Object.fromEntries([...own, ...annotated]),
      nowMs: this.#options.clock.now(),
    }
  }

  #log({ object, draft, message, metadata }: Posting): void {
    const fields = {
      name: object.metadata.name,
      namespace: object.metadata.namespace,
      'reconciler kind': object.kind,
      annotations: metadata,
    }
    if (draft.severity === 'error') this.#options.log.error({ ...fields, error: draft.reason }, message)
    else this.#options.log.info({ ...fields, reason: draft.reason }, message)
  }

  #mayPass({ object }: Posting): boolean {
    const now = this.#options.clock.monotonic()
    const bucket = this.#buckets.get(object.metadata.uid ?? '') ?? { tokens: burst, filledMs: now }
    bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.filledMs) / refillMs)
    bucket.filledMs = now
    this.#buckets.set(object.metadata.uid ?? '', bucket)
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }

  /** Creates the Event, or counts up the one that says the same already. */
  async #create(posting: Posting): Promise<void> {
    const { object, controller, draft, message } = posting
    const same = [object.metadata.uid, controller, draft.severity, draft.reason, message].join('\0')
    try {
      const known = this.#known.get(same)
      if (known && (await this.#countUp(known, posting))) return
      const name = eventName(object.metadata.name, posting.nowMs, ++this.#sequence)
      await this.#options.client.create(this.#event(name, posting), { fieldManager: controller, signal: this.#abort.signal })
      this.#known.set(same, { name, count: 1 })
    } catch (error) {
      this.#options.metrics.eventDropped('kubernetes', 'failed')
      // A namespace that is being deleted takes no new events: of no interest to anybody.
      if (error instanceof ApiError && (error.status === 403 || error.status === 404)) return
      this.#options.log.warn({ error, namespace: object.metadata.namespace, name: object.metadata.name }, 'unable to record event')
    }
  }

  async #countUp(
    known: { readonly name: string; count: number },
    { object, controller, metadata, nowMs }: Posting,
  ): Promise<boolean> {
    const ref = { apiVersion: 'v1', kind: 'Event', namespace: object.metadata.namespace, name: known.name }
    const patch = { metadata: { annotations: metadata }, count: known.count + 1, lastTimestamp: rfc3339(nowMs) }
    try {
      await this.#options.client.mergePatch(ref, patch, { fieldManager: controller, signal: this.#abort.signal })
      known.count++
      return true
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return false // it outlived its time in the cluster
      throw error
    }
  }

  #event(name: string, { object, controller, draft, message, metadata, nowMs }: Posting) {
    const time = rfc3339(nowMs)
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace: object.metadata.namespace, annotations: metadata },
      involvedObject: referenceTo(object),
      reason: draft.reason,
      message,
      type: draft.severity === 'error' ? 'Warning' : 'Normal',
      source: { component: controller },
      reportingComponent: controller,
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    }
  }

  /** The event as other programs read it. */
  #told({ object, controller, draft, message, metadata, nowMs }: Posting, severity: FluxEvent['severity']): FluxEvent {
    return {
      involvedObject: referenceTo(object),
      severity,
      timestamp: rfc3339(nowMs),
      message,
      reason: draft.reason,
      metadata,
      reportingController: controller,
      reportingInstance: this.#options.hostname,
    }
  }

  async #post(posting: Posting): Promise<void> {
    const { object, draft } = posting
    const body = JSON.stringify(this.#told(posting, draft.severity === 'error' ? 'error' : 'info'))
    try {
      await this.#deliver(body)
    } catch (error) {
      this.#options.metrics.eventDropped('webhook', 'failed')
      this.#options.log.error({ error, namespace: object.metadata.namespace, name: object.metadata.name }, 'unable to record event')
    }
  }

  /** Up to four retries after 1, 2, 4 and 8 seconds, on connection errors and 5xx. 429 says that it is known already. */
  async #deliver(body: string): Promise<void> {
    for (let tries = 0; ; tries++) {
      const answer = await this.#tryOnce(body)
      if (answer === undefined) return
      if (tries === 4 || this.#abort.signal.aborted) throw new Error(`events address did not accept the event: ${answer}`)
      await this.#pause(1_000 * 2 ** tries)
    }
  }

  /** Undefined when there is nothing more to do, else why it should be tried again. */
  async #tryOnce(body: string): Promise<string | undefined> {
    try {
      const { statusCode, body: answer } = await request(this.#options.webhook, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        dispatcher: this.#proxies,
        signal: AbortSignal.any([AbortSignal.timeout(5_000), this.#abort.signal]),
      })
      await answer.dump()
      return statusCode >= 500 ? `HTTP status ${statusCode}` : undefined
    } catch (error) {
      return messageOf(error)
    }
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.after(ms, resolve)
    this.#abort.signal.addEventListener('abort', () => resolve(), { once: true })
    return promise.finally(cancel)
  }
}

function referenceTo(object: FluxObject): InvolvedObject {
  const { kind, apiVersion, metadata } = object
  const { namespace, name, uid, resourceVersion } = metadata
  return { kind, namespace, name, ...(uid && { uid }), apiVersion, ...(resourceVersion && { resourceVersion }) }
}

/** Unique within the namespace, and a valid name however long the object's is. */
function eventName(objectName: string, nowMs: number, sequence: number): string {
  const suffix = `${nowMs.toString(16)}${(sequence % 0xffff).toString(16).padStart(4, '0')}`
  return `${objectName.slice(0, 252 - suffix.length).replace(/[^a-z0-9]+$/, '')}.${suffix}`
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  else signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}

/** A bounded queue worked off by a few hands. */
class Lane<T> {
  readonly #hands: number
  readonly #work: (item: T) => Promise<void>
  readonly #items: T[] = []
  #busy = 0
  #whenIdle: (() => void)[] = []

  constructor(hands: number, work: (item: T) => Promise<void>) {
    this.#hands = hands
    this.#work = work
  }

  get size(): number {
    return this.#items.length + this.#busy
  }

  /** False when the queue is full. */
  push(item: T): boolean {
    if (this.#items.length >= queueLimit) return false
    this.#items.push(item)
    this.#next()
    return true
  }

  idle(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenIdle.push(resolve)
    this.#next()
    return promise
  }

  close(): void {
    this.#items.length = 0
  }

  #next(): void {
    if (this.#busy === 0 && this.#items.length === 0) for (const resolve of this.#whenIdle.splice(0)) resolve()
    if (this.#busy >= this.#hands) return
    const item = this.#items.shift()
    if (item === undefined) return
    this.#busy++
    void this.#work(item).finally(() => {
      this.#busy--
      this.#next()
    })
  }
}

/** A map that forgets what was not used for longest. */
class Recent<V> {
  readonly #limit: number
  readonly #entries = new Map<string, V>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get(key: string): V | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined) this.set(key, value)
    return value
  }

  set(key: string, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size > this.#limit) for (const oldest of this.#entries.keys().take(1)) this.#entries.delete(oldest)
  }
}
