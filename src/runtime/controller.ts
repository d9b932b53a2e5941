/** One loop at work: events of its objects → predicate → queue → worker → run → what comes next. */
import type { Kind } from '../api/kind.ts'
import { type FluxObject, finalizer, requestedAt } from '../api/meta.ts'
import { isNewer, type Key, keyOf, keyText } from '../api/object.ts'
import { type Informer, type StoreEvent, withoutManagedFields } from '../kube/informer.ts'
import type { Recorder } from './events.ts'
import { Queue } from './queue.ts'
import type { Cause, Environment, Loop } from './reconcile.ts'
import { Run, type RunEnd, type Slot } from './run.ts'

export interface ControllerOptions {
  readonly environment: Environment
  readonly recorder: Recorder
  /** Uniform in [0, 1). */
  readonly random?: () => number
}

/** A loop that is wired to a cluster, whatever its kind. */
export interface Controller {
  readonly kind: Kind
  /** Flux's name of the controller that it stands for: `source-controller`. */
  readonly name: string
  /** Starts the informer of the kind; resolves when its first list is there. */
  sync(signal: AbortSignal): Promise<void>
  /** Begins to work. */
  start(): void
  /** Resolves when every object that was there at the start has had a run, or needed none for what others read of it. */
  readonly caughtUp: Promise<void>
  /** Takes no more work, ends what only waits, and lets the rest finish; after `graceMs` it is told to end. Resolves when all has ended. */
  drain(graceMs: number): Promise<void>
  /** Ends everything at once, and writes nothing any more. */
  abandon(): void
}

/** A loop of any kind, ready to be wired. */
export interface AnyLoop {
  readonly kind: Kind
  readonly controller: string
  wire(options: ControllerOptions): Controller
}

/** Hides the kind of a loop, so that loops of several kinds fit into one list. */
export function anyLoop<T extends FluxObject>(loop: Loop<T>): AnyLoop {
  return { kind: loop.kind, controller: loop.controller, wire: (options) => new LoopController(loop, options) }
}

/** The objects of a kind that this process works on: those of its namespaces and its shard. */
export function ownObjects<T extends FluxObject>(
  kind: Kind,
  { informers, flags }: Pick<Environment, 'informers' | 'flags'>,
): Informer<T> {
  return informers.get<T>(kind, {
    ...(flags.watchLabelSelector !== '' && { labelSelector: flags.watchLabelSelector }),
    ...(!flags.watchAllNamespaces && { namespace: flags.runtimeNamespace }),
    transform: withoutManagedFields,
  })
}

/** How long a run may take to end after it was told to. */
const lastWordsMs = 2_000

class LoopController<T extends FluxObject> implements Controller {
  readonly kind: Kind
  readonly name: string
  readonly #loop: Loop<T>
  readonly #options: ControllerOptions
  readonly #queue: Queue
  readonly #slots: Slots
  readonly #informer: Informer<T>
  readonly #runs = new Map<string, Running<T>>()
  /** Objects that were there at the start, and that others still wait for. */
  readonly #unseen = new Set<string>()
  readonly #caughtUp = Promise.withResolvers<void>()
  /** Objects whose run somebody asked for, and which has come no further than to wait. */
  readonly #asked = new Set<string>()
  /** Answers to our own writes that the watch has not passed yet. */
  readonly #written = new Map<string, T>()
  /** Ends the watches and the intake. */
  readonly #intake = new AbortController()
  /** Ends runs. */
  readonly #work = new AbortController()
  /** Ends writing. */
  readonly #writing = new AbortController()
  #dispatching = false

  constructor(loop: Loop<T>, options: ControllerOptions) {
    const { clock, flags, informers, metrics } = options.environment
    this.kind = loop.kind
    this.name = loop.controller
    this.#loop = loop
    this.#options = options
    this.#slots = new Slots(flags.concurrent ?? loop.concurrent, () => this.#dispatch())
    this.#queue = new Queue({
      clock,
      minRetryDelayMs: flags.minRetryDelayMs,
      maxRetryDelayMs: flags.maxRetryDelayMs,
      onDue: () => this.#dispatch(),
      ...(options.random && { random: options.random }),
      observer: {
        added: () => metrics.queueAdded(loop.kind),
        retried: () => metrics.queueRetried(loop.kind),
        taken: (ms) => metrics.queueTaken(loop.kind, ms / 1000),
        done: (ms) => metrics.queueWorked(loop.kind, ms / 1000),
      },
    })
    metrics.declareKind(loop.kind, this.#slots.limit, {
      depth: () => this.#queue.depth,
      longestRunningSeconds: () => this.#queue.running.longestMs / 1000,
      unfinishedSeconds: () => this.#queue.running.totalMs / 1000,
    })
    this.#informer = ownObjects<T>(loop.kind, { informers, flags })
  }

  sync(signal: AbortSignal): Promise<void> {
    return this.#informer.synced(signal)
  }

  get caughtUp(): Promise<void> {
    return this.#caughtUp.promise
  }

  start(): void {
    const { environment } = this.#options
    for (const object of this.#informer.store.all()) this.#unseen.add(keyText(keyOf(object)))
    if (this.#unseen.size === 0) this.#caughtUp.resolve()
    else void this.#settleWhatIsThere()
    const unsubscribe = this.#informer.subscribe((event) => this.#observe(event))
    this.#intake.signal.addEventListener('abort', unsubscribe, { once: true })
    for (const watch of this.#loop.watches) {
      watch({
        informers: environment.informers,
        own: this.#informer,
        environment,
        signal: this.#intake.signal,
        enqueue: (key, cause) => this.#enqueue(key, cause),
      })
    }
  }

  async drain(graceMs: number): Promise<void> {
    this.#stopIntake()
    const { clock } = this.#options.environment
    const running = [...this.#runs.values()]
    for (const { run } of running) run.interrupt()
    const allEnded = Promise.all(running.map(({ ended }) => ended))
    const outOfTime = Promise.withResolvers<void>()
    const cancelGrace = clock.after(graceMs, () => this.#work.abort())
    const cancelWait = clock.after(graceMs + lastWordsMs, outOfTime.resolve)
    await Promise.race([allEnded, outOfTime.promise])
    cancelGrace()
    cancelWait()
    this.#writing.abort()
  }

  abandon(): void {
    this.#writing.abort()
    this.#work.abort()
    this.#stopIntake()
    for (const { run } of this.#runs.values()) run.interrupt()
  }

  #stopIntake(): void {
    this.#intake.abort()
    this.#queue.close()
  }

  /** The predicate: what of an object's own changes asks for a run. Changes of its status do not. */
  #observe({ type, object, old }: StoreEvent<T>): void {
    const key = keyOf(object)
    this.#seen(object)
    if (type === 'deleted') this.#gone(key)
    else for (const cause of causesOf(object, old)) this.#enqueue(key, cause)
  }

  #enqueue(key: Key, cause: Cause): void {
    if (this.#intake.signal.aborted || !this.#informer.store.get(key)) return
    if (cause === 'drift' && this.#isReleased(key)) return
    this.#queue.add(key, cause)
    // What it waited for may be there: whoever asked for the run still goes first.
    if (this.#asked.delete(keyText(key))) this.#queue.add(key, 'requested')
    this.#runs.get(keyText(key))?.run.interrupt(cause)
  }

  /**
   * Whether somebody has taken our finalizer away. `flux uninstall` does, then deletes the definitions one by one: to heal what goes with
   * the first of them would give the finalizer back, and everything that was applied would go with the last.
   */
  #isReleased(key: Key): boolean {
    return !this.#newest(key)?.metadata.finalizers?.includes(finalizer)
  }

  #gone(key: Key): void {
    const text = keyText(key)
    this.#written.delete(text)
    this.#queue.remove(key)
    const running = this.#runs.get(text)
    if (running) running.run.interrupt()
    else this.#forget(key)
  }

  #forget(key: Key): void {
    this.#asked.delete(keyText(key))
    this.#settled(key)
    this.#options.environment.metrics.forget(this.kind, key)
    this.#loop.forget?.(key)
  }

  /** Starts runs while there are workers and due objects; once for all that is added in one go, so that priority decides. */
  #dispatch(): void {
    if (this.#dispatching) return
    this.#dispatching = true
    queueMicrotask(() => {
      this.#dispatching = false
      while (!this.#intake.signal.aborted && this.#slots.isFree) {
        const turn = this.#queue.take()
        if (!turn) return
        this.#begin(turn.key, turn.causes)
      }
    })
  }

  #begin(key: Key, causes: ReadonlySet<Cause>): void {
    const object = this.#newest(key)
    if (!object) {
      this.#queue.done(key)
      return
    }
    const slot = this.#slots.take()
    const { environment, recorder, random } = this.#options
    const run = new Run(object, causes, {
      loop: this.#loop,
      environment,
      recorder,
      slot,
      signal: this.#work.signal,
      writable: this.#writing.signal,
      isPreempted: (through) => this.#queue.isDue(key, through) || this.#intake.signal.aborted || !this.#informer.store.get(key),
      written: (written) => this.#remember(written),
      ...(random && { random }),
    })
    this.#runs.set(keyText(key), { run, ended: this.#finish(key, run, slot) })
    this.#reportActive()
  }

  async #finish(key: Key, run: Run<T>, slot: Slot): Promise<void> {
    const { clock } = this.#options.environment
    const started = clock.monotonic()
    const end = await this.#guarded(key, run)
    const last = this.#runs.get(keyText(key))?.last
    slot.release()
    this.#runs.delete(keyText(key))
    if (this.#informer.store.get(key)) this.#plan(key, end)
    else this.#forget(key)
    this.#queue.done(key)
    this.#settle(key, last)
    this.#report(key, end, (clock.monotonic() - started) / 1000)
  }

  /** Beside the runs, all of whose workers may be busy with servers that do not answer. */
  async #settleWhatIsThere(): Promise<void> {
    for (const object of [...this.#informer.store.all()]) {
      if (this.#unseen.size === 0 || this.#intake.signal.aborted) return
      // An error is for the run to tell.
      const isThere = await this.#loop.isThere?.(object, this.#options.environment).catch(() => false)
      if (isThere) this.#settled(keyOf(object))
    }
  }

  /** Who reads the object elsewhere, by a watch of another selection, has to see what the run made of it. */
  #settle(key: Key, last: T | undefined): void {
    if (!last || !this.#unseen.has(keyText(key))) this.#settled(key)
    else void this.#options.environment.informers.caughtUp(last).then(() => this.#settled(key))
  }

  #settled(key: Key): void {
    if (this.#unseen.delete(keyText(key)) && this.#unseen.size === 0) this.#caughtUp.resolve()
  }

  /** The border at which whatever a run throws is caught: it costs this object a retry, and nobody else anything. */
  async #guarded(key: Key, run: Run<T>): Promise<RunEnd> {
    try {
      await Promise.resolve() // lets `#begin` register the run before its first step
      return await run.execute()
    } catch (error) {
      if (this.#writing.signal.aborted) return { result: 'preempted' }
      this.#options.environment.log.error(
        { controllerKind: this.kind.kind, ...key, error },
        'the outcome of a run could not be written',
      )
      return { result: 'error', reason: 'StatusUpdateFailed', next: 'backoff' }
    }
  }

  #plan(key: Key, { result, unheeded = new Set(), next }: RunEnd): void {
    if (this.#intake.signal.aborted) return
    if (result !== 'waiting') this.#asked.delete(keyText(key))
    else if (unheeded.has('requested')) this.#asked.add(keyText(key))
    if (result === 'preempted') for (const cause of unheeded) this.#queue.add(key, cause)
    if (result === 'success' || result === 'stalled') this.#queue.succeeded(key)
    if (next === 'backoff') this.#queue.retry(key)
    else if (next) this.#queue.add(key, next.cause, next.afterMs)
  }

  #report(key: Key, { result, reason, next }: RunEnd, durationSeconds: number): void {
    const { metrics } = this.#options.environment
    const isGone = !this.#informer.store.get(key)
    metrics.runFinished(this.kind, {
      key,
      result: isGone ? 'deleted' : result,
      durationSeconds,
      reason,
      requeued: next !== undefined,
      backoff: next === 'backoff',
    })
    this.#reportActive()
  }

  #reportActive(): void {
    this.#options.environment.metrics.activeWorkers(this.kind, this.#slots.taken)
  }

  /** The object as the watch or our own last write has it, whichever is newer: an old one would forget what we wrote. */
  #newest(key: Key): T | undefined {
    const stored = this.#informer.store.get(key)
    const written = this.#written.get(keyText(key))
    return stored && written && isNewer(written.metadata.resourceVersion, stored.metadata.resourceVersion) ? written : stored
  }

  #remember(written: T): void {
    const running = this.#runs.get(keyText(keyOf(written)))
    if (running) running.last = written
    const stored = this.#informer.store.get(keyOf(written))
    if (!stored || stored.metadata.uid !== written.metadata.uid) return
    if (isNewer(written.metadata.resourceVersion, stored.metadata.resourceVersion))
      this.#written.set(keyText(keyOf(written)), written)
  }

  #seen(object: T): void {
    const text = keyText(keyOf(object))
    const written = this.#written.get(text)
    if (!written || isNewer(written.metadata.resourceVersion, object.metadata.resourceVersion)) return
    this.#written.delete(text)
  }
}

interface Running<T extends FluxObject> {
  readonly run: Run<T>
  readonly ended: Promise<void>
  /** The object as the run wrote it last. */
  last?: T
}

/** Why an object's own change asks for a run; `old` is absent when it is seen for the first time. */
function causesOf(object: FluxObject, old: FluxObject | undefined): Cause[] {
  const { deletionTimestamp, generation } = object.metadata
  const causes: Cause[] = []
  if (deletionTimestamp && !old?.metadata.deletionTimestamp) causes.push('deleted')
  else if (!old) causes.push('created')
  else if (old.metadata.generation !== generation) causes.push('spec')
  const request = requestedAt(object)
  const handled = old ? requestedAt(old) : object.status?.lastHandledReconcileAt
  if (request !== undefined && request !== handled) causes.push('requested')
  return causes
}

/** Counts the workers in use. Runs that come back from a park go before new ones. */
class Slots {
  readonly limit: number
  readonly #onFree: () => void
  readonly #returning: (() => void)[] = []
  #taken = 0

  constructor(limit: number, onFree: () => void) {
    this.limit = limit
    this.#onFree = onFree
  }

  get isFree(): boolean {
    return this.#taken < this.limit
  }

  get taken(): number {
    return this.#taken
  }

  take(): Slot {
    this.#taken++
    let held = true
    return {
      release: () => {
        if (!held) return
        held = false
        this.#free()
      },
      acquire: async () => {
        if (held) return
        if (this.isFree) this.#taken++
        else await new Promise<void>((resolve) => this.#returning.push(resolve))
        held = true
      },
    }
  }

  #free(): void {
    const next = this.#returning.shift()
    if (next) {
      next() // the worker passes from hand to hand
      return
    }
    this.#taken--
    this.#onFree()
  }
}
