/** Events in, notifications out: which Alerts an event is for, and what each one's Provider sends. */
import { type Alert, alertKind } from '../api/alert.ts'
import { eventMetadata, type FluxEvent } from '../api/event.ts'
import { type Provider, providerKind } from '../api/provider.ts'
import { formatDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import type { Recorder } from '../runtime/events.ts'
import type { Environment } from '../runtime/reconcile.ts'
import { involvedName, isWanted } from './alerts.ts'
import { annotatedMetadata, cleaned, combined, duplicateKey, ownMetadata, withoutToken } from './metadata.ts'
import type { Notification, ProviderDefinition } from './notifier.ts'
import { providerOf } from './providers/index.ts'
import { HttpSender } from './sender.ts'
import { commitStatusOf, masked, type ProviderSettings, readSettings } from './settings.ts'

export interface DispatcherOptions {
  readonly environment: Pick<Environment, 'client' | 'informers' | 'clock' | 'log'> & {
    readonly flags: Pick<Environment['flags'], 'noCrossNamespaceRefs' | 'rateLimitIntervalMs'>
  }
  readonly recorder: Recorder
  /** Ends what is under way. */
  readonly signal: AbortSignal
}

/** Notifications that are on their way at once; a burst of events waits its turn. */
const mostAtOnce = 64
const mostWaiting = 10_000
const mostRemembered = 50_000

const controller = 'notification-controller'

/** What became of an event. `duplicate`: the same was told within the rate limit's interval. `busy`: too many are waiting. */
export type Acceptance = 'accepted' | 'duplicate' | 'busy'

/** Takes events, finds their Alerts and sends them. */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #alerts
  readonly #providers
  readonly #lately: RecentEvents
  readonly #waiting: FluxEvent[] = []
  #busy = 0
  #idle: (() => void)[] = []

  constructor(options: DispatcherOptions) {
    this.#options = options
    const { informers, flags } = options.environment
    this.#alerts = informers.get<Alert>(alertKind)
    this.#providers = informers.get<Provider>(providerKind)
    this.#lately = new RecentEvents(flags.rateLimitIntervalMs)
  }

  /** Takes an event; sends it later, and never throws. */
  accept(raw: FluxEvent): Acceptance {
    const event = cleaned(raw)
    const { clock } = this.#options.environment
    if (this.#waiting.length >= mostWaiting) return 'busy'
    if (!this.#lately.isNew(duplicateKey(event), clock.monotonic())) return 'duplicate'
    this.#waiting.push(withoutToken(event))
    this.#next()
    return 'accepted'
  }

  /** Resolves when everything that was accepted has been sent or given up. */
  idle(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#idle.push(resolve)
    this.#next()
    return promise
  }

  #next(): void {
    while (this.#busy < mostAtOnce) {
      const event = this.#waiting.shift()
      if (event === undefined) break
      this.#busy++
      void this.#dispatch(event)
        .catch((error: unknown) => this.#options.environment.log.error({ error }, 'failed to dispatch an event'))
        .finally(() => {
          this.#busy--
          this.#next()
        })
    }
    if (this.#busy === 0 && this.#waiting.length === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  async #dispatch(event: FluxEvent): Promise<void> {
    const { log } = this.#options.environment
    const about = { eventInvolvedObject: event.involvedObject }
    const alerts = await this.#wanting(event)
    if (alerts.length === 0) return log.info(about, 'discarding event, no alerts found for the involved object')
    log.info({ ...about, message: event.message }, 'dispatching event')
    await Promise.all(alerts.map((alert) => this.#notify(event, alert)))
  }

  async #wanting(event: FluxEvent): Promise<Alert[]> {
    await this.#alerts.synced(this.#options.signal)
    const found: Alert[] = []
    for (const alert of this.#alerts.store.all()) {
      const isOne = await isWanted(event, alert, {
        labelsOf: (about) => this.#labelsOf(about),
        warn: (at, reason, message) => this.#warn(at, reason, message),
      })
      if (isOne) found.push(alert)
    }
    return found
  }

  async #labelsOf(event: FluxEvent): Promise<Readonly<Record<string, string>>> {
    const { apiVersion = '', kind, namespace, name } = event.involvedObject
    const { client } = this.#options.environment
    const ref = { apiVersion, kind, namespace, name }
    const object = await client.find(ref, { metadataOnly: true, signal: this.#options.signal })
    if (object === undefined) throw new Error(`${involvedName(event)} not found`)
    return object.metadata.labels ?? {}
  }

  /** One Alert's notification: its failure is told on the Alert and harms no other. */
  async #notify(event: FluxEvent, alert: Alert): Promise<void> {
    const { log } = this.#options.environment
    let task: Task | undefined
    try {
      task = await this.#taskOf(event, alert)
      if (task) await this.#send(task)
    } catch (error) {
      if (this.#options.signal.aborted) return
      const message = masked(messageOf(error), task?.settings.secrets ?? [])
      const what = task ? 'send notification' : 'dispatch notification'
      log.error({ error: message, alert: aliasOf(alert), eventInvolvedObject: event.involvedObject }, `failed to ${what}`)
      this.#warn(alert, 'NotificationDispatchFailed', `failed to ${what} for ${involvedName(event)}: ${message}`)
    }
  }

  /** What is to be sent; undefined when there is nothing to send. @throws Error that says what is wrong with Alert or Provider. */
  async #taskOf(event: FluxEvent, alert: Alert): Promise<Task | undefined> {
    const { environment, signal } = this.#options
    const { namespace, name } = alert.metadata
    if (environment.flags.noCrossNamespaceRefs && event.involvedObject.namespace !== namespace)
      throw new Error(
        `discarding event, access denied to cross-namespace sources: alert '${namespace}/${name}' can't process event from '${involvedName(event)}', cross-namespace references have been blocked`,
      )
    const provider = await this.#providerOf(alert)
    if (provider.spec.suspend) return undefined
    const definition = providerOf(provider.spec.type)
    if (this.#isDropped(event, provider, definition)) return undefined
    const notification = this.#notificationOf(event, alert)
    const commitStatus = definition.purpose === 'commitStatus' ? commitStatusOf(notification.event, alert, provider) : undefined
    const settings = await readSettings(provider, { definition, client: environment.client, signal })
    return { definition, notification, settings: { ...settings, target: { ...settings.target, commitStatus } }, provider }
  }

  async #providerOf(alert: Alert): Promise<Provider> {
    const { namespace } = alert.metadata
    const { name } = alert.spec.providerRef
    await this.#providers.synced(this.#options.signal)
    const provider = this.#providers.store.get({ namespace, name })
    if (provider === undefined) throw new Error(`failed to read provider: Provider '${namespace}/${name}' not found`)
    if (provider.spec.serviceAccountName)
      throw new Error(
        'to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller',
      )
    return provider
  }

  /** Events that mean nothing to a service of this purpose. Source: getNotificationParams. */
  #isDropped(event: FluxEvent, { spec, metadata }: Provider, { purpose }: ProviderDefinition): boolean {
    const { log } = this.#options.environment
    const isUpdate = isCommitStatusUpdate(event)
    const about = { eventInvolvedObject: event.involvedObject, provider: `${metadata.namespace}/${metadata.name}`, type: spec.type }
    if (isUpdate && (purpose === 'chat' || purpose === 'changeRequestComment')) return true
    if (purpose === 'commitStatus' && !isUpdate && event.severity !== 'error' && !annotatedMetadata(event, 'commit')) {
      log.info(about, 'event dropped for commit status providers due to missing commit metadata key')
      return true
    }
    if (purpose === 'changeRequestComment' && !annotatedMetadata(event, 'change_request')) {
      log.info(about, 'event dropped for change request providers due to missing change request metadata key')
      return true
    }
    return false
  }

  #notificationOf(event: FluxEvent, alert: Alert): Notification {
    const { metadata, conflicts } = combined(event, alert)
    if (Object.keys(conflicts).length > 0) {
      const message = 'metadata key conflicts detected (please refer to the Alert API docs and Flux RFC 0008 for more information)'
      this.#warn(alert, 'MetadataAppendFailed', message, conflicts)
    }
    return { event: { ...event, metadata }, isCommitStatusUpdate: isCommitStatusUpdate(event) }
  }

  async #send({ definition, notification, settings }: Task): Promise<void> {
    const { clock } = this.#options.environment
    const timeout = new AbortController()
    const why = `context deadline exceeded: not done within the Provider's timeout of ${formatDuration(settings.timeoutMs)}`
    const cancel = clock.after(settings.timeoutMs, () => timeout.abort(new Error(why)))
    const signal = AbortSignal.any([this.#options.signal, timeout.signal])
    await using sender = new HttpSender({ ...settings.connection, clock, signal })
    try {
      await definition.connect(settings.target)(notification, sender)
    } finally {
      cancel()
    }
  }

  /** On the Alert, where its author sees it; what is wrong with notifications is no notification. */
  #warn(alert: Alert, reason: string, message: string, metadata: Readonly<Record<string, string>> = {}): void {
    this.#options.recorder.record(alert, controller, { severity: 'error', reason, message, metadata, isLocal: true })
  }
}

interface Task {
  readonly definition: ProviderDefinition
  readonly notification: Notification
  readonly settings: ProviderSettings
  readonly provider: Provider
}

function aliasOf({ metadata, spec }: Alert) {
  return { name: metadata.name, namespace: metadata.namespace, providerName: spec.providerRef.name }
}

function isCommitStatusUpdate(event: FluxEvent): boolean {
  return ownMetadata(event, eventMetadata.commitStatus) === 'update'
}

/** Remembers events for the rate limit's interval, and never more than a bounded number of them. */
class RecentEvents {
  readonly #intervalMs: number
  /** Key → when it was seen; oldest first, as seen ones are put in anew. */
  readonly #seen = new Map<string, number>()

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs
  }

  /** Whether the key was not seen in the last interval; it counts as seen now. */
  isNew(key: string, nowMs: number): boolean {
    this.#forget(nowMs)
    if (this.#seen.has(key)) return false
    this.#seen.set(key, nowMs)
    return true
  }

  #forget(nowMs: number): void {
    for (const [key, atMs] of this.#seen) {
      if (nowMs - atMs < this.#intervalMs && this.#seen.size < mostRemembered) return
      this.#seen.delete(key)
    }
  }
}
