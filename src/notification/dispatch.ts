/** Events in, notifications out: which Alerts an event is for, and what each one's Provider sends. */
import { type Alert, alertKind } from '../api/alert.ts'
import { eventMetadata, type FluxEvent } from '../api/event.ts'
import { type Provider, providerKind } from '../api/provider.ts'
import { type Informer, withoutManagedFields } from '../kube/informer.ts'
import { ApiError } from '../kube/transport.ts'
import { unlessAborted } from '../lib/abort.ts'
import { dispatcherFor } from '../lib/dispatcher.ts'
import { formatDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import type { Recorder } from '../runtime/events.ts'
import type { Flags } from '../runtime/flags.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { environmentProxies } from '../runtime/proxies.ts'
import type { Environment } from '../runtime/reconcile.ts'
import { involvedName, isWanted } from './alerts.ts'
import { Lanes } from './lanes.ts'
import { annotatedMetadata, cleaned, combined, duplicateKey, ownMetadata, withoutToken } from './metadata.ts'
import type { Notification, Notify, ProviderDefinition } from './notifier.ts'
import { providerOf } from './providers/index.ts'
import { Recent } from './rate.ts'
import { HttpSender } from './sender.ts'
import { commitStatusOf, masked, type ProviderSettings, readSettings } from './settings.ts'

export interface DispatcherOptions {
  readonly environment: Pick<Environment, 'client' | 'informers' | 'clock' | 'log'> & {
    readonly flags: Pick<
      Flags,
      'noCrossNamespaceRefs' | 'rateLimitIntervalMs' | 'watchAllNamespaces' | 'runtimeNamespace' | 'featureGates'
    >
    readonly metrics: Pick<Metrics, 'eventDropped' | 'notified'>
  }
  readonly recorder: Recorder
}

/** Events that are looked at, and notifications of one Provider that are sent, at the same time. */
const mostAtOnce = 16
const laneLimits = { hands: 8, mostWaiting: 1_000 }
/** All events from their arrival until their last notification is sent, by number and by characters: hostile ones fill no memory. */
const mostEvents = 10_000
const mostCharacters = 32 * 1024 * 1024
const mostRemembered = 50_000
const lastWordsMs = 1_000
/** How long the first list of a kind is waited for. */
const patienceMs = 5_000

const controller = 'notification-controller'

/** What became of an event. `duplicate`: the same was told within the rate limit's interval. `busy`: too many are on their way. */
export type Acceptance = 'accepted' | 'duplicate' | 'busy'

/** Takes events, finds their Alerts and sends them. */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #alerts
  readonly #providers
  readonly #lately: Recent
  readonly #lanes = new Lanes(laneLimits)
  /** For Providers without certificates or a proxy of their own. */
  readonly #connections = dispatcherFor({ proxies: environmentProxies() })
  /** Alerts whose Provider does not keep up: said once, until it does again. */
  readonly #behind = new Set<string>()
  readonly #abort = new AbortController()
  readonly #waiting: FluxEvent[] = []
  #looking = 0
  #events = 0
  #characters = 0
  /** Events are looked at side by side, and join their lanes in the order in which they came. */
  #inOrder: Promise<void> = Promise.resolve()
  #idle: (() => void)[] = []

  constructor(options: DispatcherOptions) {
    this.#options = options
    const { informers, flags } = options.environment
    // As in Flux, shards have no part in this: every Alert and Provider counts.
    const all = { ...(!flags.watchAllNamespaces && { namespace: flags.runtimeNamespace }), transform: withoutManagedFields }
    this.#alerts = informers.get<Alert>(alertKind, all)
    this.#providers = informers.get<Provider>(providerKind, all)
    this.#lately = new Recent(flags.rateLimitIntervalMs, mostRemembered)
  }

  /** Takes an event; sends it later, and never throws. */
  accept(raw: FluxEvent): Acceptance {
    const { clock, log, metrics } = this.#options.environment
    const about = { eventInvolvedObject: raw.involvedObject }
    const event = cleaned(raw)
    if (this.#events >= mostEvents || this.#characters + charactersOf(event) > mostCharacters) {
      metrics.eventDropped('notification', 'full')
      log.error(about, 'discarding event, too many are on their way')
      return 'busy'
    }
    if (!this.#lately.isNew(duplicateKey(event), clock.monotonic())) {
      metrics.eventDropped('notification', 'rate')
      log.debug(about, 'Discarding event, rate limiting duplicate events')
      return 'duplicate'
    }
    this.#events++
    this.#characters += charactersOf(event)
    this.#waiting.push(event)
    this.#next()
    return 'accepted'
  }

  /** Events that were accepted and are not done with. */
  get waiting(): number {
    return this.#events
  }

  /** Resolves when everything that was accepted has been sent or given up. */
  idle(): Promise<void> {
    if (this.#events === 0) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#idle.push(resolve)
    return promise
  }

  /** Lets what is on its way arrive, for at most `graceMs`, and ends. */
  async close(graceMs = 0): Promise<void> {
    if (graceMs > 0) {
      const { promise: late, resolve } = Promise.withResolvers<void>()
      const cancel = this.#options.environment.clock.after(graceMs, resolve)
      await Promise.race([this.idle(), late])
      cancel()
    }
    this.#abort.abort(new Error('the process ends'))
    await this.#connections.destroy()
  }

  #next(): void {
    while (this.#looking < mostAtOnce) {
      const event = this.#waiting.shift()
      if (event === undefined) return
      this.#looking++
      const wanting = this.#wanting(event)
      wanting.catch(() => {}) // told below
      this.#inOrder = this.#inOrder
        .then(async () => this.#tell(event, await wanting))
        .catch((error: unknown) => this.#undispatched(event, error))
        .finally(() => {
          this.#looking--
          this.#next()
        })
    }
  }

  #undispatched(event: FluxEvent, error: unknown): void {
    this.#ended(event)
    if (this.#abort.signal.aborted) return
    this.#options.environment.metrics.eventDropped('notification', 'failed')
    this.#options.environment.log.error({ error, eventInvolvedObject: event.involvedObject }, 'failed to get alerts for the event')
  }

  #ended(event: FluxEvent): void {
    this.#events--
    this.#characters -= charactersOf(event)
    if (this.#events === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** Hands the event to the lanes of the Alerts' Providers. */
  #tell(event: FluxEvent, alerts: readonly Alert[]): void {
    const { log } = this.#options.environment
    const about = { eventInvolvedObject: event.involvedObject }
    if (alerts.length === 0) log.info(about, 'discarding event, no alerts found for the involved object')
    else log.info({ ...about, message: event.message }, 'dispatching event')
    const told = withoutToken(event)
    void Promise.all(alerts.map((alert) => this.#queue(told, alert))).then(() => this.#ended(event))
  }

  async #queue(event: FluxEvent, alert: Alert): Promise<void> {
    const { namespace, name } = alert.metadata
    const lane = `${namespace}/${alert.spec.providerRef.name}`
    const sent = this.#lanes.add(lane, involvedName(event), () => this.#notify(event, alert))
    if (sent !== undefined) {
      await sent
      this.#behind.delete(`${namespace}/${name}`)
      return
    }
    this.#options.environment.metrics.eventDropped('notification', 'full')
    if (this.#behind.has(`${namespace}/${name}`)) return
    this.#behind.add(`${namespace}/${name}`)
    const why = `Provider '${lane}' does not keep up: events are dropped until it does`
    this.#warn(alert, 'NotificationDispatchFailed', `failed to dispatch notification for ${involvedName(event)}: ${why}`)
  }

  async #wanting(event: FluxEvent): Promise<Alert[]> {
    await this.#listed(this.#alerts)
    const found: Alert[] = []
    for (const alert of [...this.#alerts.store.all()]) {
      const isOne = await isWanted(event, alert, {
        labelsOf: (about) => this.#labelsOf(about),
        warn: (at, reason, message) => this.#warn(at, reason, message),
      })
      if (isOne) found.push(alert)
    }
    return found
  }

  /** Events do not pile up while the API server does not answer, or does not have the kind. @throws Error that says so. */
  async #listed(informer: Informer<Alert> | Informer<Provider>): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const why = () => new Error(`the ${informer.kind.kind}s cannot be read: ${messageOf(informer.lastError ?? 'no answer yet')}`)
    if (informer.lastError instanceof ApiError && informer.lastError.reason === 'NoKindMatch') throw why()
    const cancel = this.#options.environment.clock.after(patienceMs, () => reject(why()))
    await Promise.race([informer.synced(this.#abort.signal), late]).finally(cancel)
  }

  async #labelsOf(event: FluxEvent): Promise<Readonly<Record<string, string>>> {
    const { apiVersion = '', kind, namespace, name } = event.involvedObject
    const { client } = this.#options.environment
    const ref = { apiVersion, kind, namespace, name }
    const object = await client.find(ref, { metadataOnly: true, signal: this.#abort.signal })
    if (object === undefined) throw new Error(`${involvedName(event)} not found`)
    return object.metadata.labels ?? {}
  }

  /** One Alert's notification: its failure is told on the Alert and harms no other. */
  async #notify(event: FluxEvent, alert: Alert): Promise<void> {
    let settings: ProviderSettings | undefined
    let isReady = false
    try {
      const task = await this.#taskOf(event, alert)
      if (!task) return
      const known = await this.#settingsOf(task)
      settings = known
      const notify = initialized(task, known)
      isReady = true
      await this.#measured(task, () => this.#send(task.notification, notify, known))
    } catch (error) {
      if (this.#abort.signal.aborted) return
      const message = masked(messageOf(error), settings?.secrets ?? [])
      const what = isReady ? 'send notification' : 'dispatch notification'
      const about = { alert: aliasOf(alert), eventInvolvedObject: event.involvedObject }
      this.#options.environment.metrics.eventDropped('notification', 'failed')
      this.#options.environment.log.error({ error: message, ...about }, `failed to ${what}`)
      this.#warn(alert, 'NotificationDispatchFailed', `failed to ${what} for ${involvedName(event)}: ${message}`)
    }
  }

  /** What is to be sent; undefined when there is nothing to send. @throws Error that says what is wrong with Alert or Provider. */
  async #taskOf(event: FluxEvent, alert: Alert): Promise<Task | undefined> {
    const { namespace, name } = alert.metadata
    if (this.#options.environment.flags.noCrossNamespaceRefs && event.involvedObject.namespace !== namespace)
      throw new Error(
        `discarding event, access denied to cross-namespace sources: alert '${namespace}/${name}' can't process event from '${involvedName(event)}', cross-namespace references have been blocked`,
      )
    const provider = await this.#providerOf(alert)
    if (provider.spec.suspend) return undefined
    const definition = providerOf(provider.spec.type)
    if (this.#isDropped(event, provider, definition)) return undefined
    if (provider.spec.serviceAccountName)
      throw new Error(
        this.#options.environment.flags.featureGates.get('ObjectLevelWorkloadIdentity')
          ? 'spec.serviceAccountName for provider authentication is not implemented in this version'
          : 'to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller',
      )
    const notification = this.#notificationOf(event, alert)
    const commitStatus = definition.purpose === 'commitStatus' ? commitStatusOf(notification.event, alert, provider) : undefined
    return { definition, notification, commitStatus, provider }
  }

  async #settingsOf({ provider, definition, commitStatus }: Task): Promise<ProviderSettings> {
    const { client } = this.#options.environment
    const settings = await readSettings(provider, { definition, client, signal: this.#abort.signal })
    return { ...settings, target: { ...settings.target, commitStatus } }
  }

  async #providerOf(alert: Alert): Promise<Provider> {
    const { namespace } = alert.metadata
    const { name } = alert.spec.providerRef
    await this.#listed(this.#providers)
    const provider = this.#providers.store.get({ namespace, name })
    if (provider === undefined) throw new Error(`failed to read provider: Provider '${namespace}/${name}' not found`)
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

  async #measured({ provider }: Task, send: () => Promise<void>): Promise<void> {
    const { clock, metrics } = this.#options.environment
    const startedMs = clock.monotonic()
    const end = (result: 'success' | 'error') =>
      metrics.notified(provider.spec.type, result, (clock.monotonic() - startedMs) / 1000)
    try {
      await send()
      end('success')
    } catch (error) {
      if (!this.#abort.signal.aborted) end('error')
      throw error
    }
  }

  async #send(notification: Notification, notify: Notify, { timeoutMs, connection, secrets }: ProviderSettings): Promise<void> {
    const { clock } = this.#options.environment
    const timeout = new AbortController()
    const why = `context deadline exceeded: not done within the Provider's timeout of ${formatDuration(timeoutMs)}`
    const cancel = clock.after(timeoutMs, () => timeout.abort(new Error(why)))
    const signal = AbortSignal.any([this.#abort.signal, timeout.signal])
    // A sender that is told to end says what it has come to. One that does not listen is left alone.
    const { promise: late, reject } = Promise.withResolvers<never>()
    const cancelLate = clock.after(timeoutMs + lastWordsMs, () => reject(new Error(why)))
    await using sender = new HttpSender({ ...connection, clock, signal, secrets, shared: this.#connections })
    try {
      await unlessAborted(Promise.race([notify(notification, sender), late]), this.#abort.signal)
    } finally {
      cancel()
      cancelLate()
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
  /** Id of the commit status, for services that have such. */
  readonly commitStatus: string | undefined
  readonly provider: Provider
}

/** @throws Error that names the Provider, for settings that are missing or wrong. */
function initialized({ definition, provider }: Task, { target }: ProviderSettings): Notify {
  try {
    return definition.connect(target)
  } catch (error) {
    throw new Error(`failed to initialize notifier for provider '${provider.metadata.name}': ${messageOf(error)}`, { cause: error })
  }
}

function aliasOf({ metadata, spec }: Alert) {
  return { name: metadata.name, namespace: metadata.namespace, providerName: spec.providerRef.name }
}

function isCommitStatusUpdate(event: FluxEvent): boolean {
  return ownMetadata(event, eventMetadata.commitStatus) === 'update'
}

function charactersOf({ message, metadata = {} }: FluxEvent): number {
  return Object.entries(metadata).reduce((sum, [key, value]) => sum + key.length + value.length, message.length)
}
