/**
 * Alert and Provider have no status and no runs; only their finalizers are looked after, as Flux does: Providers carry one, and Alerts
 * lose the one that older versions gave them. Source: alert_controller.go and provider_controller.go of notification-controller.
 */
import { type Alert, alertKind } from '../api/alert.ts'
import type { Kind } from '../api/kind.ts'
import { type FluxObject, finalizer } from '../api/meta.ts'
import { type Key, keyOf, refOf } from '../api/object.ts'
import { type Provider, providerKind } from '../api/provider.ts'
import type { Informer } from '../kube/informer.ts'
import { ApiError } from '../kube/transport.ts'
import { type AnyLoop, type Controller, type ControllerOptions, ownObjects } from '../runtime/controller.ts'
import { Queue } from '../runtime/queue.ts'
import type { EventDraft } from '../runtime/reconcile.ts'

/** What of an object's finalizers is to change. */
interface Upkeep<T extends FluxObject> {
  readonly kind: Kind
  /** Whether the object should have ours. */
  wanted(object: T): boolean
  /** Told when ours was removed. */
  readonly removed?: EventDraft
}

const controllerName = 'notification-controller'
const hands = 4
const migration = 'removed finalizer from Alert to migrate to static Alert'

export const alertUpkeep: AnyLoop = upkeep<Alert>({
  kind: alertKind,
  wanted: ({ metadata, spec }) => hasFinalizer({ metadata }) && spec.suspend === true && !metadata.deletionTimestamp,
  removed: { severity: 'info', reason: 'Migration', message: migration, isLocal: true },
})

export const providerUpkeep: AnyLoop = upkeep<Provider>({
  kind: providerKind,
  wanted: ({ metadata }) => !metadata.deletionTimestamp,
})

function upkeep<T extends FluxObject>(of: Upkeep<T>): AnyLoop {
  return { kind: of.kind, controller: controllerName, wire: (options) => new UpkeepController(of, options) }
}

class UpkeepController<T extends FluxObject> implements Controller {
  readonly kind: Kind
  readonly name = controllerName
  readonly caughtUp = Promise.resolve()
  readonly #upkeep: Upkeep<T>
  readonly #options: ControllerOptions
  readonly #informer: Informer<T>
  readonly #queue: Queue
  readonly #writing = new Set<Promise<void>>()
  #unsubscribe = () => {}
  #isEnding = false

  constructor(of: Upkeep<T>, options: ControllerOptions) {
    const { clock, flags } = options.environment
    this.kind = of.kind
    this.#upkeep = of
    this.#options = options
    this.#informer = ownObjects<T>(of.kind, options.environment)
    const { minRetryDelayMs, maxRetryDelayMs } = flags
    this.#queue = new Queue({ clock, minRetryDelayMs, maxRetryDelayMs, onDue: () => queueMicrotask(() => this.#next()) })
  }

  sync(signal: AbortSignal): Promise<void> {
    return this.#informer.synced(signal)
  }

  start(): void {
    this.#unsubscribe = this.#informer.subscribe(({ type, object }) => {
      if (type === 'deleted') this.#queue.remove(keyOf(object))
      else if (this.#isAmiss(object)) this.#queue.add(keyOf(object), 'spec')
    })
  }

  async drain(): Promise<void> {
    this.abandon()
    await Promise.all(this.#writing)
  }

  abandon(): void {
    this.#isEnding = true
    this.#unsubscribe()
    this.#queue.close()
  }

  #isAmiss(object: T): boolean {
    return hasFinalizer(object) !== this.#upkeep.wanted(object)
  }

  #next(): void {
    while (this.#writing.size < hands && !this.#isEnding) {
      const turn = this.#queue.take()
      if (!turn) return
      const written = this.#mend(turn.key).finally(() => {
        this.#writing.delete(written)
        this.#queue.done(turn.key)
        this.#next()
      })
      this.#writing.add(written)
    }
  }

  async #mend(key: Key): Promise<void> {
    const { environment, recorder } = this.#options
    const { removed } = this.#upkeep
    try {
      const object = this.#informer.store.get(key)
      if (!object || !this.#isAmiss(object)) return
      await this.#write(object)
      this.#queue.succeeded(key)
      if (removed && hasFinalizer(object)) recorder.record(object, controllerName, removed)
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return
      environment.log.error({ error, controllerKind: this.kind.kind, ...key }, 'the finalizers could not be written')
      this.#queue.retry(key)
    }
  }

  /** Based on the version that was seen: a conflict means that the watch will bring another one, or that it is tried again. */
  async #write(object: T): Promise<void> {
    const { uid, resourceVersion, finalizers = [] } = object.metadata
    const others = finalizers.filter((name) => name !== finalizer)
    const patch = {
      metadata: { uid, resourceVersion, finalizers: this.#upkeep.wanted(object) ? [...others, finalizer] : others },
    }
    await this.#options.environment.client.mergePatch(refOf(object), patch, { fieldManager: `gotk-${controllerName}` })
  }
}

function hasFinalizer({ metadata }: Pick<FluxObject, 'metadata'>): boolean {
  return metadata.finalizers?.includes(finalizer) ?? false
}
