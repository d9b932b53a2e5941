/** One run of one object: the steps that all kinds share, the context that the loop sees, and what becomes of the outcome. */
import { randomUUID } from 'node:crypto'
import { type FluxObject, finalizer, isReady, requestedAt } from '../api/meta.ts'
import { displayName, keyOf, refOf } from '../api/object.ts'
import { ApiError } from '../kube/transport.ts'
import { parseDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import * as conditions from './conditions.ts'
import type { Recorder } from './events.ts'
import { type Logger, redactText } from './log.ts'
import type { RunResult } from './metrics.ts'
import type { Turn } from './queue.ts'
import {
  type Cause,
  type ConditionState,
  type Context,
  type Environment,
  type EventDraft,
  type Loop,
  type Outcome,
  type ParkOptions,
  Preempted,
  Retryable,
  Stalled,
  Waiting,
} from './reconcile.ts'
import { StatusDraft, StatusError, Vanished } from './status.ts'

/** How a run ended, and when the next one is due; without `next` none is planned. */
export interface RunEnd {
  readonly result: RunResult
  readonly reason?: string
  /** What asked for the run, where it ended before it did anything or did no more than wait. */
  readonly unheeded?: Turn['causes']
  readonly next?: { readonly afterMs: number; readonly cause: 'interval' | 'retry' } | 'backoff'
}

/** The worker that a run holds, and may give back while it waits. */
export interface Slot {
  release(): void
  acquire(): Promise<void>
}

export interface RunOptions<T extends FluxObject> {
  readonly loop: Loop<T>
  readonly environment: Environment
  readonly recorder: Recorder
  /** Aborted by shutdown: the run has to end. */
  readonly signal: AbortSignal
  /** Aborted when nothing may be written any more. */
  readonly writable: AbortSignal
  readonly slot: Slot
  /** Whether another run of the object is asked for already, by another cause than these, or no more waiting is wanted. */
  isPreempted(through?: ReadonlySet<Cause>): boolean
  /** Called with the API server's answer to each of our writes of the object. */
  written(object: T): void
  /** Uniform in [0, 1). */
  readonly random?: () => number
}

/** A run that lasts longer shows its progress in the status. */
const quickMs = 1_000
/** How long a run may wait for its input before that shows. */
const patientMs = 5_000
/** A park that lasts longer shows its progress too. */
const briefMs = 100
const mostConflicts = 8

export class Run<T extends FluxObject> {
  readonly #options: RunOptions<T>
  readonly #causes: Turn['causes']
  readonly #log: Logger
  readonly #startedAt: number
  readonly #started: number
  #object: T
  #draft: StatusDraft<T>
  #message: string | undefined
  #park: { readonly controller: AbortController; readonly through: ReadonlySet<Cause> } | undefined
  #isLong = false
  #isUnready = false
  #endQuick = () => {}
  #ended = false

  constructor(object: T, causes: Turn['causes'], options: RunOptions<T>) {
    this.#options = options
    this.#causes = causes
    this.#object = object
    this.#draft = this.#draftOf(object)
    this.#log = loggerFor(options.environment.log, options.loop, object)
    this.#startedAt = options.environment.clock.now()
    this.#started = options.environment.clock.monotonic()
  }

  /** Ends the run if it is parked: something happened to its object, or (without a cause) no more waiting is wanted. */
  interrupt(cause?: Cause): void {
    if (cause === undefined || !this.#park?.through.has(cause)) this.#park?.controller.abort()
  }

  /** The run, to its end. Throws only what is a fault of the runtime itself. */
  async execute(): Promise<RunEnd> {
    this.#beginWork()
    try {
      return await this.#steps()
    } catch (error) {
      return await this.#failed(error)
    } finally {
      this.#ended = true
      this.#endQuick()
    }
  }

  /** Work that lasts longer than a second shows in the status. */
  #beginWork(): void {
    this.#endQuick()
    this.#endQuick = this.#options.environment.clock.after(quickMs, () => {
      this.#isLong = true
      void this.#showProgress()
    })
  }

  async #steps(): Promise<RunEnd> {
    if (this.#object.metadata.deletionTimestamp) return await this.#finalize()
    if (this.#options.loop.isStatic?.(this.#object)) return await this.#leaveAlone()
    await this.#addFinalizer()
    if (this.#object.spec?.suspend) return await this.#suspended()
    assertUsable(this.#object, this.#options.loop)
    this.#log.debug({ causes: [...this.#causes] }, 'reconciliation started')
    return await this.#succeeded(await this.#options.loop.reconcile(this.#object, this.#context()))
  }

  /** An object that was deleted before it had our finalizer is released: there is nothing to undo. */
  async #finalize(): Promise<RunEnd> {
    if (!this.#object.metadata.finalizers?.includes(finalizer)) return { result: 'deleted' }
    await this.#options.loop.finalize(this.#object, this.#context())
    await this.#writeFinalizers((names) => names.filter((name) => name !== finalizer))
    this.#log.info({}, 'finalized')
    return { result: 'deleted' }
  }

  /** A static object gets nothing of ours; a suspended one keeps what it has. */
  async #leaveAlone(): Promise<RunEnd> {
    if (this.#object.spec?.suspend) return { result: 'suspended' }
    const { metadata, status } = this.#object
    if (metadata.finalizers?.includes(finalizer)) {
      await this.#options.loop.finalize(this.#object, this.#context())
      await this.#writeFinalizers((names) => names.filter((name) => name !== finalizer))
      this.#draft = this.#draftOf(this.#object)
    }
    // observedGeneration too, though it is only the API server's default: kstatus would wait for it, and `flux create` with it.
    this.#draft.set(Object.fromEntries(Object.keys({ ...status }).map((field) => [field, undefined])))
    this.#ended = true
    await this.#draft.write()
    return { result: 'success' }
  }

  /** Before the first work: what is done must be undone even if the object is deleted in the middle of it. */
  async #addFinalizer(): Promise<void> {
    if (this.#object.metadata.finalizers?.includes(finalizer)) return
    await this.#writeFinalizers((names) => [...names, finalizer])
    this.#draft = this.#draftOf(this.#object)
  }

  async #writeFinalizers(change: (names: readonly string[]) => readonly string[]): Promise<void> {
    const { environment, loop, writable, written } = this.#options
    const ref = refOf(this.#object)
    for (let conflicts = 0; ; conflicts++) {
      const { uid, resourceVersion, finalizers } = this.#draft.object.metadata
      const base = conflicts === 0 ? { uid, resourceVersion, finalizers } : (await this.#fresh()).metadata
      const patch = {
        metadata: { uid: base.uid, resourceVersion: base.resourceVersion, finalizers: change(base.finalizers ?? []) },
      }
      try {
        writable.throwIfAborted()
        this.#object = await environment.client.mergePatch<T>(ref, patch, { fieldManager: fieldManagerOf(loop) })
        written(this.#object)
        return
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) throw new Vanished(`${displayName(ref)} is gone`)
        if (!(error instanceof ApiError) || error.status !== 409 || conflicts >= mostConflicts)
          throw new StatusError(`failed to update the finalizers of ${displayName(ref)}: ${messageOf(error)}`, { cause: error })
      }
    }
  }

  async #fresh(): Promise<T> {
    const ref = refOf(this.#object)
    const fresh = await this.#options.environment.client.find<T>(ref)
    if (fresh?.metadata.uid !== this.#object.metadata.uid || !fresh) throw new Vanished(`${displayName(ref)} is gone`)
    return fresh
  }

  async #suspended(): Promise<RunEnd> {
    this.#log.info({}, 'reconciliation is suspended for this object')
    const changes = conditions.suspended(this.#object.status?.conditions ?? [], this.#options.loop.conditions)
    this.#draft.conditions(changes)
    // As in Flux: what is ready stays so for those that wait for it, though suspending has made a new generation of it.
    if (changes.size === 0 && isReady(this.#object)) this.#draft.set({ observedGeneration: this.#object.metadata.generation })
    await this.#writeFinal()
    return { result: 'suspended' }
  }

  async #succeeded(outcome: Outcome<T>): Promise<RunEnd> {
    this.#draft.set({ ...outcome.status, observedGeneration: this.#object.metadata.generation })
    const ready = { status: 'True', ...outcome.ready, message: redactText(outcome.ready.message) } as const
    this.#draft.conditions(conditions.settled(ready, outcome.retrying))
    await this.#writeFinal()
    if (outcome.event) this.#event(outcome.event)
    // As in Go, an interval of 0 means never: it must not become a busy loop.
    const afterMs = outcome.requeueAfterMs ? this.#planned(outcome.requeueAfterMs, outcome.isPunctual ?? false) : undefined
    const fields = { durationMs: this.#durationMs(), nextRunMs: afterMs && Math.round(afterMs) }
    const next = afterMs === undefined ? {} : ({ next: { afterMs, cause: outcome.retrying ? 'retry' : 'interval' } } as const)
    if (ready.status !== 'False') {
      this.#log.info(fields, 'reconciliation finished')
      return { result: 'success', ...next }
    }
    this.#log.error({ ...fields, error: ready.message, reason: ready.reason }, 'reconciliation failed')
    return { result: 'error', reason: ready.reason, ...next }
  }

  async #failed(error: unknown): Promise<RunEnd> {
    if (error instanceof Preempted) return await this.#preempted(error)
    // The watch will tell that it is gone; but it may have been the kind that was not served for a moment.
    if (error instanceof Vanished) return { result: 'deleted', next: 'backoff' }
    if (this.#options.signal.aborted || this.#options.writable.aborted) return await this.#preempted()
    if (error instanceof StatusError) throw error
    if (error instanceof Stalled) return await this.#stalled(error)
    if (error instanceof Waiting) return await this.#waiting(error)
    if (error instanceof Retryable) return await this.#retryable(error)
    return await this.#unexpected(error)
  }

  async #preempted({ early }: { readonly early: boolean } = { early: false }): Promise<RunEnd> {
    this.#ended = true
    // The next run must see what this one still tells of its progress.
    await this.#draft.idle()
    this.#log.debug({ durationMs: this.#durationMs() }, 'run ended early: something happened to the object, or the process ends')
    return { result: 'preempted', ...(early && { unheeded: this.#causes }) }
  }

  async #stalled(error: Stalled): Promise<RunEnd> {
    const message = redactText(error.message)
    if (error.observed) this.#draft.set({ observedGeneration: this.#object.metadata.generation })
    this.#draft.conditions(conditions.stalled(error.reason, message, error.ready && redacted(error.ready)))
    await this.#writeFinal()
    if (!error.silent) this.#event({ severity: 'error', reason: error.reason, message })
    this.#log.error({ error: message, reason: error.reason }, 'reconciliation stalled: the object must be edited')
    return { result: 'stalled', reason: error.reason }
  }

  async #waiting(error: Waiting): Promise<RunEnd> {
    await this.#writeFailure({ status: 'False', reason: error.reason, message: error.message })
    if (error.event) this.#event({ severity: error.event, reason: error.reason, message: error.eventMessage ?? error.message })
    this.#log.info({ reason: error.reason, waitingFor: redactText(error.message), retryMs: error.retryMs }, 'reconciliation waits')
    return { result: 'waiting', reason: error.reason, unheeded: this.#causes, next: { afterMs: error.retryMs, cause: 'retry' } }
  }

  async #retryable(error: Retryable): Promise<RunEnd> {
    const { reason, message, metadata, eventReason = reason } = error
    await this.#writeFailure(error.ready ?? { status: 'False', reason, message }, error.retrying)
    if (!error.silent) this.#event({ severity: 'error', reason: eventReason, message, ...(metadata && { metadata }) })
    this.#log.error({ error, reason: error.reason, durationMs: this.#durationMs() }, 'reconciliation failed')
    const next = error.retryMs === undefined ? 'backoff' : ({ afterMs: error.retryMs, cause: 'retry' } as const)
    return { result: 'error', reason: error.reason, next }
  }

  /** What no loop foresaw: the object says so, its neighbours go on. */
  async #unexpected(error: unknown): Promise<RunEnd> {
    const { loop, environment } = this.#options
    const reason = loop.controller === 'kustomize-controller' ? 'ReconciliationFailed' : 'Failed'
    const stacktrace = error instanceof Error ? error.stack : undefined
    this.#log.error(
      { error: messageOf(error), reason, stacktrace, durationMs: this.#durationMs() },
      'reconciliation failed unexpectedly',
    )
    if (!(error instanceof ApiError)) environment.metrics.panicked(loop.kind)
    await this.#writeFailure({ status: 'False', reason, message: messageOf(error) })
    this.#event({ severity: 'error', reason, message: messageOf(error) })
    return { result: 'error', reason, next: 'backoff' }
  }

  async #writeFailure(ready: ConditionState, retrying?: string): Promise<void> {
    const progress = retrying ?? this.#message ?? this.#draft.state('Reconciling')?.message
    const reason = retrying === undefined ? this.#options.loop.afterFailure : undefined
    this.#draft.conditions(conditions.failed(redacted(ready), progress, reason))
    await this.#writeFinal()
  }

  /** The last patch of the run. The request to reconcile counts as handled, however the run ended. */
  async #writeFinal(): Promise<void> {
    this.#ended = true
    const request = requestedAt(this.#object)
    if (request !== undefined) this.#draft.set({ lastHandledReconcileAt: request })
    await this.#draft.write()
  }

  #context(): Context<T> {
    const { environment, signal } = this.#options
    return {
      ...environment,
      log: this.#log,
      key: keyOf(this.#object),
      causes: this.#causes,
      signal,
      startedAt: this.#startedAt,
      progress: (message, options) => this.#progress(message, options),
      set: (status) => this.#draft.set(status),
      record: (status) => this.#record(status),
      condition: (type, state) => this.#draft.condition(type, state),
      event: (event) => this.#event(event),
      parked: (wait, options) => this.#parked(wait, options),
    }
  }

  #progress(message: string, { unready = false } = {}): void {
    this.#message = redactText(message)
    this.#isUnready ||= unready
    this.#log.debug({}, this.#message)
    if (this.#isLong) void this.#showProgress()
  }

  async #record(status: object): Promise<void> {
    this.#draft.set(status)
    // What else was set can wait for the next patch.
    if (this.#draft.differs(Object.keys(status))) await this.#draft.write()
  }

  /** Shows what the run does now. Failing to is no failure of the run. */
  async #showProgress(): Promise<void> {
    if (this.#message === undefined || this.#ended) return
    this.#draft.conditions(conditions.progressing(this.#message, this.#readyMessage(this.#message)))
    await this.#draft.write().catch((error: unknown) => this.#log.debug({ error }, 'progress was not written'))
  }

  /** Message of Ready=Unknown, or undefined while Ready may stay as it is. */
  #readyMessage(progress: string): string | undefined {
    const { inProgress } = this.#options.loop
    const { generation } = this.#object.metadata
    const ready = this.#draft.state('Ready')
    const isNews = this.#isUnready || !ready || ready.status === 'Unknown' || this.#object.status?.observedGeneration !== generation
    return inProgress ?? (isNews ? progress : undefined)
  }

  async #parked<R>(wait: (signal: AbortSignal) => Promise<R>, options: ParkOptions = {}): Promise<R> {
    const { early = false, through = new Set() } = options
    const { environment, slot, isPreempted } = this.#options
    if (isPreempted(through)) throw new Preempted({ early })
    const park = new AbortController()
    this.#park = { controller: park, through }
    // Before the work begins hundreds may wait for one artifact, and then for a worker: that is no news of each.
    if (early) this.#endQuick()
    // A wait that ends at once (everything is healthy already) costs no patch.
    const cancel = environment.clock.after(early ? patientMs : briefMs, () => void this.#showProgress())
    slot.release()
    const result = await settled(wait(park.signal))
    cancel()
    if (!result.ok && park.signal.aborted) throw new Preempted({ early })
    await slot.acquire()
    this.#park = undefined
    if (early) this.#beginWork()
    if (!result.ok) throw result.error
    return result.value
  }

  #event(event: EventDraft): void {
    const { recorder, loop } = this.#options
    recorder.record(this.#object, loop.controller, loop.isQuiet ? { ...event, isLocal: true } : event)
  }

  #draftOf(object: T): StatusDraft<T> {
    const { environment, loop, writable, written } = this.#options
    const { client, clock } = environment
    return new StatusDraft(object, { client, clock, fieldManager: fieldManagerOf(loop), written, signal: writable })
  }

  /** Source: interval × (1 ± p), uniformly. */
  #planned(ms: number, isPunctual: boolean): number {
    if (isPunctual) return ms
    const share = this.#options.environment.flags.intervalJitterPercentage / 100
    return ms * (1 + share * (2 * (this.#options.random ?? Math.random)() - 1))
  }

  #durationMs(): number {
    return Math.round(this.#options.environment.clock.monotonic() - this.#started)
  }
}

function redacted(state: ConditionState): ConditionState {
  return { ...state, message: redactText(state.message) }
}

const durationFields = ['interval', 'timeout', 'retryInterval']

/** @throws Stalled for a spec that cannot work: durations that slipped past older schemas, and fields that are not built yet. */
function assertUsable<T extends FluxObject>(object: T, loop: Loop<T>): void {
  const spec: unknown = object.spec
  if (typeof spec !== 'object' || spec === null) throw new Stalled('InvalidSpec', 'spec is missing')
  for (const [field, value] of Object.entries(spec)) {
    if (durationFields.includes(field) && value !== undefined && value !== null) assertDuration(`spec.${field}`, value)
  }
  const used = loop.unsupported.find((unsupported) => unsupported.isUsed(object))
  if (used)
    throw new Stalled('UnsupportedField', `${used.field} is not implemented in this version: remove it from the ${object.kind}`)
}

function assertDuration(field: string, value: unknown): void {
  try {
    if (typeof value === 'string' && parseDuration(value) >= 0) return
  } catch (error) {
    throw new Stalled('InvalidSpec', `${field}: ${messageOf(error)}; write it as "10m" or "1h30m"`, { cause: error })
  }
  throw new Stalled('InvalidSpec', `${field}: ${JSON.stringify(value)} is not a duration; write it as "10m" or "1h30m"`)
}

async function settled<R>(promise: Promise<R>): Promise<{ ok: true; value: R } | { ok: false; error: unknown }> {
  try {
    return { ok: true, value: await promise }
  } catch (error) {
    return { ok: false, error }
  }
}

/** Source: the field managers of Flux's status patches. */
export function fieldManagerOf(loop: { readonly controller: string }): string {
  return `gotk-${loop.controller}`
}

function loggerFor<T extends FluxObject>(log: Logger, { kind }: Loop<T>, object: T): Logger {
  const { namespace, name } = object.metadata
  return log.child({
    controller: kind.kind.toLowerCase(),
    controllerGroup: kind.group,
    controllerKind: kind.kind,
    [kind.kind]: { name, namespace },
    namespace,
    name,
    reconcileID: randomUUID(),
  })
}
