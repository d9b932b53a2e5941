/** The contract between the runtime and a loop. A loop does one kind's work; the runtime does everything that all kinds share. */
import type { Kind } from '../api/kind.ts'
import type { CommonStatus, FluxObject } from '../api/meta.ts'
import type { Key } from '../api/object.ts'
import type { Client } from '../kube/client.ts'
import type { Informer, Informers } from '../kube/informer.ts'
import type { Artifacts } from './artifacts.ts'
import type { Clock } from './clock.ts'
import type { Flags } from './flags.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Workers } from './workers.ts'

export type StatusOf<T extends FluxObject> = T extends FluxObject<object, infer Status> ? Status : CommonStatus

/** Why an object was queued. Several causes of one run are merged. */
export const causes = [
  'created', // seen for the first time by this process
  'spec', // its generation changed
  'requested', // reconcile.fluxcd.io/requestedAt changed
  'deleted', // it has a deletionTimestamp
  'interval', // its interval passed
  'retry', // its last run failed or waited
  'source', // the artifact it consumes changed
  'dependency', // an object it depends on changed
  'config', // a ConfigMap or Secret it reads changed
  'drift', // an object it manages was edited or deleted
] as const

export type Cause = (typeof causes)[number]

/** What every loop may use; made once by `main.ts`. */
export interface Environment {
  readonly client: Client
  readonly informers: Informers
  readonly artifacts: Artifacts
  readonly workers: Workers
  readonly clock: Clock
  readonly log: Logger
  readonly flags: Flags
  readonly metrics: Metrics
}

/** One kind's work. */
export interface Loop<T extends FluxObject = FluxObject> {
  readonly kind: Kind
  /** Flux's controller name: event source, lease, prefix of the status field manager. */
  readonly controller: 'source-controller' | 'kustomize-controller' | 'helm-controller' | 'notification-controller'
  /** Workers until `--concurrent` says otherwise. */
  readonly concurrent: number
  /** Condition types of this kind besides Ready, Reconciling and Stalled; conditions of other types belong to others. */
  readonly conditions: readonly string[]
  /**
   * Message of Ready=Unknown, which then shows in every run that lasts (Kustomization: "Reconciliation in progress"). Absent: Ready only
   * turns Unknown, with the message of `progress`, when it was absent, Unknown or of another generation.
   */
  readonly inProgress?: string
  /** Reason of Reconciling after a run that failed or waits. Absent: ProgressingWithRetry. */
  readonly afterFailure?: 'Progressing'
  /** Fields that are part of the API and not built yet: an object that uses one is Stalled with its name. */
  readonly unsupported: readonly UnsupportedField<T>[]
  /**
   * Whether an object only says something to others: it has no finalizer and no status, and is never worked on. What an earlier spec of it
   * left behind is undone by `finalize`.
   */
  isStatic?(object: T): boolean
  /** Whether its events are of interest in the cluster only: they are recorded there, and neither posted nor delivered. */
  readonly isQuiet?: boolean
  /** What, besides the object itself, queues it. */
  readonly watches: readonly Watch<T>[]
  /**
   * One run, on an object that is neither suspended nor being deleted.
   * @throws Stalled, Waiting or Retryable.
   */
  reconcile(object: T, context: Context<T>): Promise<Outcome<T>>
  /** Undoes what the object stands for; the runtime then removes the finalizer. Also called for a suspended object. */
  finalize(object: T, context: Context<T>): Promise<void>
  /**
   * Whether all that others read of an object is there already when the process starts: they need not wait for its first run.
   * Absent: they do.
   */
  isThere?(object: T, environment: Environment): Promise<boolean>
  /** Called once when the object is gone, to drop what is kept in memory for it. */
  forget?(key: Key): void
}

export interface UnsupportedField<T extends FluxObject> {
  /** As a user reads it: `spec.verify`. */
  readonly field: string
  isUsed(object: T): boolean
}

/** Starts to listen when the loop starts, and queues the objects concerned. */
export type Watch<T extends FluxObject = FluxObject> = (wiring: Wiring<T>) => void

export interface Wiring<T extends FluxObject = FluxObject> {
  readonly informers: Informers
  /** The loop's own kind. */
  readonly own: Informer<T>
  readonly environment: Environment
  readonly signal: AbortSignal
  /** Queues an object for a run; ends its park, if it is parked. */
  enqueue(key: Key, cause: Cause): void
}

/** What a run may use besides the environment. */
export interface Context<T extends FluxObject = FluxObject> extends Environment {
  readonly key: Key
  readonly causes: ReadonlySet<Cause>
  /** Aborted by shutdown. */
  readonly signal: AbortSignal
  /** `clock.now()` at the start of the run. */
  readonly startedAt: number
  /**
   * Says what the run does now: the message of Reconciling (and Ready=Unknown). Written to the API only when the run lasts
   * longer than a second, so that quick runs cost one patch. `unready`: Ready turns Unknown with it, whatever it was.
   */
  progress(message: string, options?: { readonly unready?: boolean }): void
  /** Sets status fields; written with the next patch. `undefined` removes a field. */
  set(status: { readonly [F in keyof StatusOf<T>]?: StatusOf<T>[F] | undefined }): void
  /** As `set`, and writes now if it changes anything; the patch states the resourceVersion that it is based on. */
  record(status: { readonly [F in keyof StatusOf<T>]?: StatusOf<T>[F] | undefined }): Promise<void>
  /** Sets one of the loop's own conditions; `undefined` removes it. Written with the next patch. */
  condition(type: string, state: ConditionState | undefined): void
  /** Posts an Event on the object, off the critical path. */
  event(event: EventDraft): void
  /**
   * Waits without holding a worker. The signal is aborted when anything happens to the object (then the run ends and the next one
   * starts at once) or at shutdown. The last `progress` message is written to the API when the wait does not end at once.
   * `early`: nothing has been done yet. Then a wait is no news before it has lasted five seconds, and what caused the run is left to
   * the next one when it ends here.
   * `through`: causes that do not end the wait; they ask for a run after this one.
   * @throws Preempted, which must reach the runtime: nothing failed.
   */
  parked<R>(wait: (signal: AbortSignal) => Promise<R>, options?: ParkOptions): Promise<R>
}

export interface ParkOptions {
  readonly early?: boolean
  readonly through?: ReadonlySet<Cause>
}

export interface ConditionState {
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
}

export interface EventDraft {
  /** `trace` is recorded in the cluster and not posted to the events address. */
  readonly severity: 'info' | 'error' | 'trace'
  readonly reason: string
  readonly message: string
  /** Keys without the group prefix: `revision`, `originRevision`, `commit_status`, `digest`. */
  readonly metadata?: Readonly<Record<string, string>>
  /** Recorded in the cluster and not posted, whatever the severity. */
  readonly isLocal?: boolean
}

/** A run that did all that is to be done now. */
export interface Outcome<T extends FluxObject = FluxObject> {
  /** Ready: True unless it says otherwise. */
  readonly ready: { readonly reason: string; readonly message: string; readonly status?: ConditionState['status'] }
  /** What is tried again at the next run: the message of Reconciling, which otherwise goes. */
  readonly retrying?: string
  readonly status?: { readonly [F in keyof StatusOf<T>]?: StatusOf<T>[F] | undefined }
  /** When to run again; the runtime adds the jitter. Absent: when something changes. */
  readonly requeueAfterMs?: number
  /** The next run is due after that time to the millisecond, without jitter. */
  readonly isPunctual?: boolean
  /** Posted after the status is written. */
  readonly event?: EventDraft
}

/** How a run that failed shows. */
export interface FailureOptions extends ErrorOptions {
  /** What Ready says where it is not the failure itself. */
  readonly ready?: ConditionState | undefined
  /** The loop has posted what there is to tell: no Event. */
  readonly silent?: boolean
}

/** Will not work until somebody edits the spec. */
export class Stalled extends Error {
  override readonly name = 'Stalled'
  readonly reason: string
  /** Whether status.observedGeneration advances. */
  readonly observed: boolean
  readonly ready: ConditionState | undefined
  readonly silent: boolean
  constructor(reason: string, message: string, options: FailureOptions & { observed?: boolean } = {}) {
    super(message, options)
    this.reason = reason
    this.observed = options.observed ?? true
    this.ready = options.ready
    this.silent = options.silent ?? false
  }
}

/** A fact outside is not there yet. The event that brings it queues the object; `retryMs` is for the case that it was missed. */
export class Waiting extends Error {
  override readonly name = 'Waiting'
  readonly reason: string
  readonly retryMs: number
  /** Severity of the Event; none when absent. */
  readonly event: EventDraft['severity'] | undefined
  /** Message of the Event where it is not the condition's. */
  readonly eventMessage: string | undefined
  constructor(
    reason: string,
    message: string,
    options: ErrorOptions & { retryMs: number; event?: EventDraft['severity']; eventMessage?: string },
  ) {
    super(message, options)
    this.reason = reason
    this.retryMs = options.retryMs
    this.event = options.event
    this.eventMessage = options.eventMessage
  }
}

/** Failed, and may work next time: after `retryMs`, or after the object's exponential backoff. */
export class Retryable extends Error {
  override readonly name = 'Retryable'
  readonly reason: string
  readonly retryMs: number | undefined
  readonly metadata: EventDraft['metadata']
  /** Reason of the Event where it is not the condition's. */
  readonly eventReason: string | undefined
  readonly ready: ConditionState | undefined
  /** What is tried again: the message of Reconciling, then with reason ProgressingWithRetry. */
  readonly retrying: string | undefined
  readonly silent: boolean
  constructor(
    reason: string,
    message: string,
    options: FailureOptions & {
      retryMs?: number
      metadata?: EventDraft['metadata']
      eventReason?: string
      retrying?: string
    } = {},
  ) {
    super(message, options)
    this.reason = reason
    this.retryMs = options.retryMs
    this.metadata = options.metadata
    this.eventReason = options.eventReason
    this.ready = options.ready
    this.retrying = options.retrying
    this.silent = options.silent ?? false
  }
}

/** Something happened to the object of a run that waited: the run ends, and the next one begins at once. */
export class Preempted extends Error {
  override readonly name = 'Preempted'
  /** Before anything was done. */
  readonly early: boolean
  constructor({ early = false } = {}) {
    super('preempted')
    this.early = early
  }
}
