/** Waiting until objects are ready, or gone: fed by watches that live only as long as somebody waits. */
import { displayName, isNewer, type KubeObject, type ObjectRef } from '../api/object.ts'
import { formatDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import { type Clock, HealthError, type HealthOptions } from './applier.ts'
import type { Client } from './client.ts'
import { type Health, healthOf } from './health.ts'
import { causeInPods } from './pod-cause.ts'
import { mapPooled } from './pool.ts'
import { ApiError } from './transport.ts'
import { changesOf } from './watch.ts'

/** An object that is waited for, where its kind's scope is known. */
export interface Target {
  readonly ref: ObjectRef
  /** What an older state of the object says does not count. */
  readonly notBefore?: string | undefined
  /** A Job that is deleted after it has finished: gone means done. */
  readonly goneIsDone?: boolean
  /** An object of that name with another uid is another object. */
  readonly uid?: string
}

interface Scope {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace: string | undefined
  /** Set when one object is waited for; several of a namespace are watched with one request. */
  readonly name: string | undefined
  readonly metadataOnly: boolean
  /** Waiters with rules of their own share a stream with nobody. */
  readonly rule: HealthOptions['rule']
}

const pollMs = 5_000
/** How long a wait that has run out of time waits for its first look. */
const firstLookMs = 5_000
/** What a message about many objects explains, and how long it may take to find out. */
const mostExplained = 5
const podsMs = 2_000
/** Time alone makes an unschedulable pod fail. */
const recheckMs = 5_000

export class Waits {
  readonly #client: Client
  readonly #clock: Clock
  readonly #streams = new Map<string, StateStream>()

  constructor(client: Client, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  /** Resolves when all targets are Current. @throws HealthError, or the reason of the signal */
  async ready(targets: readonly Target[], options: HealthOptions): Promise<void> {
    const startedAt = this.#clock.monotonic()
    const pendingOf = (healths: readonly TargetHealth[]) => healths.filter(({ health }) => health.status !== 'Current')
    try {
      await this.#until(targets, options, { metadataOnly: false }, (healths, timedOut) => {
        const pending = pendingOf(healths)
        if (pending.length === 0) return true
        if (timedOut) throw new NotReady('timeout waiting for', pending)
        const failed = pending.filter(({ health }) => health.status === 'Failed')
        // What has failed never gets ready: when nothing else is pending there is nothing to wait for.
        const isOver = failed.length > 0 && (options.failFast || failed.length === pending.length)
        if (isOver) throw new NotReady('failed early due to stalled resources', failed)
        return false
      })
    } catch (error) {
      if (!(error instanceof NotReady)) throw error
      const duration = formatDuration(Math.round(this.#clock.monotonic() - startedAt))
      const texts = await this.#explained(error.pending, options.signal)
      throw new HealthError(`health check failed after ${duration}: ${error.message}: [${texts.join(', ')}]`)
    }
  }

  /** What the objects say about themselves, and behind it what ails their pods. Who may not list pods is told the first only. */
  async #explained(pending: readonly TargetHealth[], signal: AbortSignal): Promise<string[]> {
    const late = new AbortController()
    const stop = this.#clock.after(podsMs, () => late.abort())
    const either = AbortSignal.any([signal, late.signal])
    const causes = pending.slice(0, mostExplained).map(({ state }) => {
      return state ? causeInPods(this.#client, state, either).catch(() => '') : ''
    })
    const known = await Promise.all(causes)
    stop()
    signal.throwIfAborted()
    return pending.map((target, index) => [statusText(target), known[index]].filter(Boolean).join('; '))
  }

  /** Resolves when all targets are gone. @throws HealthError, or the reason of the signal */
  async gone(targets: readonly Target[], options: Pick<HealthOptions, 'timeoutMs' | 'signal'>): Promise<void> {
    await this.#until(targets, options, { metadataOnly: true }, (healths, timedOut) => {
      const left = healths.filter(({ health }) => health.status !== 'NotFound')
      if (left.length === 0) return true
      if (timedOut) throw new HealthError(`timeout waiting for the termination of: [${left.map(statusText).join(', ')}]`)
      return false
    })
  }

  /** Calls `isDone` with the health of all targets at each change, until it returns true or throws. */
  async #until(
    targets: readonly Target[],
    options: Pick<HealthOptions, 'timeoutMs' | 'signal' | 'rule'>,
    { metadataOnly }: { metadataOnly: boolean },
    isDone: (healths: readonly TargetHealth[], timedOut: boolean) => boolean,
  ): Promise<void> {
    if (targets.length === 0) return
    options.signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    using stack = new DisposableStack()
    const watched = this.#watch(targets, { metadataOnly, rule: options.rule }, () => schedule(), stack)
    let timedOut = false
    // Before the first look nothing is missing yet, not even when a wait begins with no time left.
    const check = ({ blindly }: { blindly: boolean }) => {
      if (!blindly && !watched.every(({ stream }) => stream.synced)) return
      try {
        const healths = watched.map(({ target, stream }) => ({
          target,
          health: this.#healthOf(target, stream, options.rule),
          state: stream.state(target.ref),
        }))
        if (isDone(healths, timedOut)) resolve()
      } catch (error) {
        reject(error)
      }
    }
    let scheduled: NodeJS.Immediate | undefined
    const schedule = () => {
      // Many changes come at once: they are looked at together.
      scheduled ??= setImmediate(() => {
        scheduled = undefined
        check({ blindly: false })
      })
    }
    stack.defer(() => clearImmediate(scheduled))
    const abort = () => reject(options.signal.reason)
    options.signal.addEventListener('abort', abort, { once: true })
    stack.defer(() => options.signal.removeEventListener('abort', abort))
    const expire = () => {
      timedOut = true
      check({ blindly: false })
    }
    stack.defer(this.#clock.after(options.timeoutMs, expire))
    stack.defer(this.#clock.after(options.timeoutMs + firstLookMs, () => check({ blindly: true })))
    stack.defer(this.#every(recheckMs, () => schedule()))
    schedule()
    await promise
  }

  #watch(
    targets: readonly Target[],
    scope: Pick<Scope, 'metadataOnly' | 'rule'>,
    listener: () => void,
    stack: DisposableStack,
  ): { target: Target; stream: StateStream }[] {
    const groups = Map.groupBy(targets, ({ ref }) => `${ref.apiVersion} ${ref.kind} ${ref.namespace ?? ''}`)
    return [...groups.values()].flatMap((group) => {
      const [first, another] = group
      if (!first) return []
      const { apiVersion, kind, namespace, name } = first.ref
      const stream = this.#stream({ apiVersion, kind, namespace, name: another ? undefined : name, ...scope })
      for (const { ref } of group) stack.defer(stream.subscribe(listener, ref))
      return group.map((target) => ({ target, stream }))
    })
  }

  #stream(scope: Scope): StateStream {
    const { apiVersion, kind, namespace, name, metadataOnly, rule } = scope
    const id = JSON.stringify([apiVersion, kind, namespace, name, metadataOnly])
    if (rule) return new StateStream(this.#client, this.#clock, scope, () => {})
    const known = this.#streams.get(id)
    if (known) return known
    const stream = new StateStream(this.#client, this.#clock, scope, () => this.#streams.delete(id))
    this.#streams.set(id, stream)
    return stream
  }

  #healthOf(target: Target, stream: StateStream, rule: HealthOptions['rule']): Health {
    const state = stream.state(target.ref)
    if (!state)
      return target.goneIsDone
        ? { status: 'Current', message: 'finished and deleted' }
        : { status: 'NotFound', message: stream.problem ?? '' }
    if (isNewer(target.notBefore, state.metadata.resourceVersion))
      return { status: 'InProgress', message: 'the change has not been seen yet' }
    return rule?.(state) ?? healthOf(state, this.#clock.now())
  }

  #every(ms: number, callback: () => void): () => void {
    let cancel: () => void
    const arm = () => {
      cancel = this.#clock.after(ms, () => {
        callback()
        arm()
      })
    }
    arm()
    return () => cancel()
  }
}

interface TargetHealth {
  readonly target: Target
  readonly health: Health
  readonly state: KubeObject | undefined
}

/** The wait is over, and these are not ready. */
class NotReady extends Error {
  readonly pending: readonly TargetHealth[]
  constructor(message: string, pending: readonly TargetHealth[]) {
    super(message)
    this.pending = pending
  }
}

/** As Flux, and behind it what the object itself says about it. */
function statusText({ target, health }: TargetHealth): string {
  const why = health.message === '' ? '' : `: ${health.message}`
  return `${displayName(target.ref)} status: '${health.status}'${why}`
}

/** The present state of the objects of a scope that somebody waits for. It runs while it has subscribers. */
class StateStream {
  /** Whether what exists is known. */
  synced = false
  /** Why nothing can be seen, where that is so. */
  problem: string | undefined
  readonly #client: Client
  readonly #clock: Clock
  readonly #scope: Scope
  readonly #onIdle: () => void
  readonly #states = new Map<string, KubeObject>()
  /** How many wait for an object, by its name: states of others are not kept. */
  readonly #wanted = new Map<string, number>()
  readonly #listeners = new Set<() => void>()
  #stop: AbortController | undefined

  constructor(client: Client, clock: Clock, scope: Scope, onIdle: () => void) {
    this.#client = client
    this.#clock = clock
    this.#scope = scope
    this.#onIdle = onIdle
  }

  state(ref: ObjectRef): KubeObject | undefined {
    return this.#states.get(ref.name)
  }

  /** Returns how to stop listening. */
  subscribe(listener: () => void, { name }: ObjectRef): () => void {
    this.#listeners.add(listener)
    const isNew = !this.#wanted.has(name)
    this.#wanted.set(name, (this.#wanted.get(name) ?? 0) + 1)
    // An object that has not been followed so far: its present state must be read.
    if (isNew) this.#restart()
    return () => {
      this.#listeners.delete(listener)
      const left = (this.#wanted.get(name) ?? 1) - 1
      if (left > 0) this.#wanted.set(name, left)
      else this.#unfollow(name)
    }
  }

  #unfollow(name: string): void {
    this.#wanted.delete(name)
    this.#states.delete(name)
    if (this.#wanted.size > 0) return
    this.#stop?.abort()
    this.#onIdle()
  }

  /** Once for all that subscribe in the same turn. */
  #restart(): void {
    this.#stop?.abort()
    const stop = new AbortController()
    this.#stop = stop
    this.synced = false
    queueMicrotask(() => {
      if (!stop.signal.aborted) void this.#follow(stop.signal)
    })
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { apiVersion, kind, namespace, name, metadataOnly } = this.#scope
    const forbidden = new AbortController()
    const either = AbortSignal.any([signal, forbidden.signal])
    const options = {
      ...(namespace !== undefined && { namespace }),
      ...(name !== undefined && { fieldSelector: `metadata.name=${name}` }),
      metadataOnly,
      signal: either,
      timing: { maxBackoffMs: pollMs },
      onError: (error: unknown) => {
        this.problem = messageOf(error)
        if (isForbidden(error)) forbidden.abort()
        // A kind that does not exist has no objects.
        else if (isNotFound(error)) this.#settle(() => this.#states.clear())
      },
    }
    let present = new Set<string>()
    for await (const change of changesOf(this.#client, { apiVersion, kind }, options)) {
      if (change.type === 'init') present = new Set()
      if (change.type === 'apply') {
        present.add(change.object.metadata.name)
        this.#told(change.object)
      }
      if (change.type === 'delete') this.#change(() => this.#states.delete(change.object.metadata.name))
      if (change.type === 'initDone') this.#settle(() => this.#keepOnly(present))
    }
    if (forbidden.signal.aborted && !signal.aborted) await this.#poll(signal)
  }

  /** For an identity that may get objects but not watch them. */
  async #poll(signal: AbortSignal): Promise<void> {
    const { apiVersion, kind, namespace, metadataOnly } = this.#scope
    while (!signal.aborted) {
      const names = [...this.#wanted.keys()]
      try {
        const found = await mapPooled(names, { limit: 4, signal }, (name) =>
          this.#client.find({ apiVersion, kind, namespace, name }, { metadataOnly, signal }),
        )
        this.problem = undefined
        const objects = found.filter((object) => object !== undefined)
        this.#settle(() => {
          this.#states.clear()
          for (const object of objects) this.#states.set(object.metadata.name, object)
        })
      } catch (error) {
        if (signal.aborted) return
        this.problem = messageOf(error)
        this.#settle(() => this.#states.clear())
      }
      await this.#pause(pollMs, signal)
    }
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#clock.after(ms, resolve)
    signal.addEventListener('abort', () => resolve(), { once: true })
    return promise.finally(cancel)
  }

  #told(object: KubeObject): void {
    const { name, resourceVersion } = object.metadata
    if (!this.#wanted.has(name) || isNewer(this.#states.get(name)?.metadata.resourceVersion, resourceVersion)) return
    this.#change(() => this.#states.set(name, object))
  }

  #keepOnly(present: ReadonlySet<string>): void {
    this.problem = undefined
    for (const name of this.#states.keys()) if (!present.has(name)) this.#states.delete(name)
  }

  #settle(update: () => void): void {
    this.synced = true
    this.#change(update)
  }

  #change(update: () => void): void {
    update()
    for (const listener of this.#listeners) listener()
  }
}

function isForbidden(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 403 || error.status === 405)
}

function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404
}
