/** Leader election on a Lease of coordination.k8s.io/v1, as client-go does it, so that Flux's controllers and we exclude each other. */
import { gvkOf, type KubeObject } from '../api/object.ts'
import { printJson } from '../lib/json.ts'
import type { Client } from './client.ts'
import { pathOf } from './discovery.ts'
import { ApiError } from './transport.ts'
import { changesOf } from './watch.ts'

/** What a lease needs of a clock. */
export interface LeaseClock {
  /** Milliseconds since the epoch: written into the lease for people, never compared. */
  now(): number
  /** Milliseconds of a clock that never jumps: all that is decided is decided by it. */
  monotonic(): number
  /** Calls back once after `ms`. Returns how to cancel. */
  after(ms: number, callback: () => void): () => void
}

export interface LeaseOptions {
  readonly client: Client
  readonly namespace: string
  readonly name: string
  /** Unique to this process: `<host name>_<uuid>`. */
  readonly identity: string
  readonly clock: LeaseClock
  /** How long a candidate waits for a sign of the holder before it takes over (35 s). */
  readonly leaseDurationMs?: number
  /** How long the holder goes on without having renewed (30 s). */
  readonly renewDeadlineMs?: number
  /** Between tries (5 s). */
  readonly retryPeriodMs?: number
  /** Told of each try that failed. */
  readonly onError?: (error: unknown) => void
}

/** The lease could not be renewed in time, or another process holds it. Whatever it protects must stop at once. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}

const kind = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' }
const mapping = { ...gvkOf(kind), resource: 'leases', namespaced: true, verbs: [] }

/**
 * One candidate for one lease. Times of other processes are never compared with ours: a holder counts as gone when its record has not
 * changed for the whole duration by our own clock. Writes name the resourceVersion they are based on.
 * Source: client-go tools/leaderelection/leaderelection.go.
 */
export class Lease {
  readonly #options: LeaseOptions
  readonly #leaseDurationMs: number
  readonly #renewDeadlineMs: number
  readonly #retryPeriodMs: number
  readonly #clock: LeaseClock
  readonly #path: string
  readonly #collection: string
  /** The record as last read or written, and since when it has been so. */
  #seen: { readonly object: LeaseObject; readonly record: string; readonly sinceMs: number } | undefined
  #tenure: Tenure | undefined

  constructor(options: LeaseOptions) {
    const { leaseDurationMs = 35_000, renewDeadlineMs = 30_000, retryPeriodMs = 5_000, namespace, name } = options
    if (leaseDurationMs <= renewDeadlineMs || renewDeadlineMs <= retryPeriodMs * 1.2) {
      throw new RangeError('lease duration must exceed the renew deadline, and that 1.2 times the retry period')
    }
    this.#options = options
    this.#leaseDurationMs = leaseDurationMs
    this.#renewDeadlineMs = renewDeadlineMs
    this.#retryPeriodMs = retryPeriodMs
    this.#clock = options.clock
    this.#path = pathOf(mapping, { namespace, name })
    this.#collection = pathOf(mapping, { namespace })
  }

  /** Who holds it, as last seen; `''` when nobody does. */
  get holder(): string {
    return this.#seen?.object.spec?.holderIdentity ?? ''
  }

  /**
   * Waits until the lease is ours, then keeps renewing it. The signal returned is aborted with LeaseLost when it is lost (not by `release`).
   * @throws the reason of the signal given.
   */
  async acquire(signal?: AbortSignal): Promise<AbortSignal> {
    if (this.#tenure) throw new Error(`the lease ${this.#options.name} is held already`)
    const over = new AbortController()
    const waiting = signal ? AbortSignal.any([signal, over.signal]) : over.signal
    let wake = () => {}
    const watching = this.#follow(waiting, () => wake())
    try {
      for (;;) {
        signal?.throwIfAborted()
        const startedAt = this.#clock.monotonic()
        if (await this.#try(waiting, () => this.#take(waiting))) return this.#begin(startedAt)
        // client-go's jitter: candidates that started together do not go on together. Of those that wake when it expires one is first.
        const jitteredMs = this.#retryPeriodMs * (1 + Math.random() * 1.2)
        await this.#pause(Math.min(jitteredMs, this.#expiresInMs() || jitteredMs), waiting, (now) => {
          wake = now
        })
      }
    } finally {
      over.abort()
      await watching
    }
  }

  /** Gives the lease up, so that another candidate need not wait until it expires. Whatever it protects must have stopped before. */
  async release(): Promise<void> {
    const tenure = this.#tenure
    if (!tenure) return
    this.#tenure = undefined
    tenure.stop.abort()
    await tenure.renewing
    await this.#try(AbortSignal.timeout(this.#renewDeadlineMs), (signal) => this.#handBack(signal))
  }

  #begin(startedAt: number): AbortSignal {
    const lost = new AbortController()
    const tenure: Tenure = { stop: new AbortController(), lost, cancelDeadline: () => {}, renewing: Promise.resolve() }
    this.#tenure = tenure
    this.#extend(tenure, startedAt)
    tenure.renewing = this.#renew(tenure)
    return lost.signal
  }

  async #renew(tenure: Tenure): Promise<void> {
    const { signal } = tenure.stop
    for (;;) {
      await this.#pause(this.#retryPeriodMs, signal)
      if (signal.aborted) break
      const startedAt = this.#clock.monotonic()
      const renewed =
        (await this.#try(signal, (attempt) => this.#write(this.#ours(), attempt))) ||
        (await this.#try(signal, (attempt) => this.#renewFresh(tenure, attempt)))
      if (renewed && !signal.aborted) this.#extend(tenure, startedAt)
    }
    tenure.cancelDeadline()
  }

  /** After a renewal that failed: somebody may have written to the lease, deleted it, or taken it. */
  async #renewFresh(tenure: Tenure, signal: AbortSignal): Promise<boolean> {
    this.#see(await this.#read(signal))
    if (!this.#seen) return this.#create(signal)
    if (this.holder === this.#options.identity) return this.#write(this.#ours(), signal)
    this.#lose(tenure, `it is held by "${this.holder}"`)
    return false
  }

  /** Counted from the start of the request that renewed it: others may have seen its effect from then on. */
  #extend(tenure: Tenure, renewedAt: number): void {
    tenure.cancelDeadline()
    const leftMs = renewedAt + this.#renewDeadlineMs - this.#clock.monotonic()
    tenure.cancelDeadline = this.#clock.after(leftMs, () => this.#lose(tenure, `not renewed for ${this.#renewDeadlineMs} ms`))
  }

  #lose(tenure: Tenure, why: string): void {
    tenure.cancelDeadline()
    if (this.#tenure !== tenure) return
    this.#tenure = undefined
    tenure.stop.abort()
    tenure.lost.abort(new LeaseLost(`lost the lease ${this.#options.namespace}/${this.#options.name}: ${why}`))
  }

  /** Takes the lease when it is free or has expired. */
  async #take(signal: AbortSignal): Promise<boolean> {
    this.#see(await this.#read(signal))
    if (!this.#seen) return this.#create(signal)
    if (this.holder && this.holder !== this.#options.identity && this.#expiresInMs() > 0) return false
    return this.#write(this.#ours(), signal)
  }

  /** 0 when it has. */
  #expiresInMs(): number {
    if (!this.#seen) return 0
    const durationMs = (this.#seen.object.spec?.leaseDurationSeconds ?? this.#leaseDurationMs / 1000) * 1000
    return Math.max(0, this.#seen.sinceMs + durationMs - this.#clock.monotonic())
  }

  async #handBack(signal: AbortSignal): Promise<boolean> {
    this.#see(await this.#read(signal))
    if (this.holder !== this.#options.identity) return true
    const now = microTime(this.#clock.now())
    return this.#write({ holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now }, signal)
  }

  /** Our record: renewed when the lease is ours, taken over when it is not. */
  #ours(): LeaseSpec {
    const now = microTime(this.#clock.now())
    const own = {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: Math.round(this.#leaseDurationMs / 1000),
      renewTime: now,
    }
    if (this.holder === this.#options.identity) return own
    return { ...own, acquireTime: now, leaseTransitions: (this.#seen?.object.spec?.leaseTransitions ?? -1) + 1 }
  }

  async #read(signal: AbortSignal): Promise<LeaseObject | undefined> {
    try {
      return (await this.#request({ method: 'GET', path: this.#path, verb: 'get', signal })) as LeaseObject
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined
      throw error
    }
  }

  async #create(signal: AbortSignal): Promise<boolean> {
    const { namespace, name } = this.#options
    const object = { ...kind, metadata: { namespace, name }, spec: this.#ours() }
    this.#see(
      (await this.#request({
        method: 'POST',
        path: this.#collection,
        verb: 'create',
        body: printJson(object),
        signal,
      })) as LeaseObject,
    )
    return true
  }

  async #write(spec: LeaseSpec, signal: AbortSignal): Promise<boolean> {
    const object = this.#seen?.object
    const body = printJson({ ...object, spec: { ...object?.spec, ...spec } })
    this.#see((await this.#request({ method: 'PUT', path: this.#path, verb: 'update', body, signal })) as LeaseObject)
    return true
  }

  #request(request: {
    method: 'GET' | 'POST' | 'PUT'
    path: string
    verb: string
    body?: string
    signal: AbortSignal
  }): Promise<unknown> {
    return this.#options.client.transport.request({ ...request, contentType: 'application/json', urgent: true })
  }

  /** A watch may be behind what was read: an old record after a newer one would look like a sign of life. */
  #isNews({ metadata: { resourceVersion } }: LeaseObject): boolean {
    const seen = this.#seen?.object.metadata.resourceVersion
    return seen === undefined || (resourceVersion !== undefined && BigInt(resourceVersion) > BigInt(seen))
  }

  #see(object: LeaseObject | undefined): void {
    const record = printJson(object?.spec ?? null)
    // Only a change of the record is a sign of life, not one of labels.
    const sinceMs = this.#seen?.record === record ? this.#seen.sinceMs : this.#clock.monotonic()
    this.#seen = object && { object, record, sinceMs }
  }

  /** False when it failed, which is told; a conflict is no failure: another candidate was quicker. */
  async #try(signal: AbortSignal, act: (signal: AbortSignal) => Promise<boolean>): Promise<boolean> {
    // A connection that hangs must leave time for another try before the deadline.
    const slow = new AbortController()
    const cancel = this.#clock.after(2 * this.#retryPeriodMs, () => slow.abort(new Error('the API server did not answer in time')))
    try {
      return await act(AbortSignal.any([signal, slow.signal]))
    } catch (error) {
      if (!signal.aborted && !(error instanceof ApiError && error.status === 409)) this.#options.onError?.(error)
      return false
    } finally {
      cancel()
    }
  }

  /** Resolves after the time, when the signal is aborted, or when `handOut`'s function is called. */
  async #pause(ms: number, signal: AbortSignal, handOut?: (wake: () => void) => void): Promise<void> {
    if (signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = () => resolve()
    const cancel = this.#clock.after(ms, wake)
    signal.addEventListener('abort', wake)
    handOut?.(wake)
    await promise
    signal.removeEventListener('abort', wake)
    cancel()
  }

  /**
   * A lease that is given up is seen at once, and each renewal when it is made: the lease then expires no later than it has to. Without
   * the right to watch leases they are seen at the next try.
   */
  async #follow(signal: AbortSignal, wake: () => void): Promise<void> {
    const { client, namespace, name } = this.#options
    for await (const change of changesOf<LeaseObject>(client, kind, {
      namespace,
      fieldSelector: `metadata.name=${name}`,
      signal,
    })) {
      if (change.type === 'apply' && this.#isNews(change.object)) this.#see(change.object)
      if (change.type === 'delete' || (change.type === 'apply' && !change.object.spec?.holderIdentity)) wake()
    }
  }
}

/** The time for which a lease is held. */
interface Tenure {
  readonly stop: AbortController
  readonly lost: AbortController
  cancelDeadline: () => void
  renewing: Promise<void>
}

interface LeaseSpec {
  readonly holderIdentity?: string
  readonly leaseDurationSeconds?: number
  readonly acquireTime?: string
  readonly renewTime?: string
  readonly leaseTransitions?: number
}

type LeaseObject = KubeObject & { readonly spec?: LeaseSpec }

/** RFC 3339 with exactly six fractional digits, as metav1.MicroTime wants them. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}
