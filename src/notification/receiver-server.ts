/** Calls of Git hosts, registries and pipelines: who may call has the objects of a Receiver reconciled at once. */
import { conditionOf } from '../api/meta.ts'
import { type Key, keyText } from '../api/object.ts'
import { type Receiver, receiverKind } from '../api/receiver.ts'
import type { Informer } from '../kube/informer.ts'
import { unlessAborted } from '../lib/abort.ts'
import { messageOf } from '../lib/errors.ts'
import { ownObjects } from '../runtime/controller.ts'
import type { Logger } from '../runtime/log.ts'
import type { Environment } from '../runtime/reconcile.ts'
import { readSecret, type SecretData, valuesOf } from '../runtime/secrets.ts'
import { type Filter, filtersOf } from './filters.ts'
import type { Issuers } from './issuers.ts'
import { TokenBuckets } from './rate.ts'
import type { Checked } from './receivers/check.ts'
import { checks } from './receivers/index.ts'
import { RunRequests } from './requests.ts'
import type { Answer, Call } from './serve.ts'

export interface ReceiverServerOptions {
  readonly environment: Pick<Environment, 'client' | 'informers' | 'clock' | 'log' | 'flags'>
  readonly issuers: Issuers
  /** Ends what is under way. */
  readonly signal: AbortSignal
}

/** Calls of one Receiver; what is more is answered with 429. */
const callRate = { burst: 200, perSecond: 100 }
const patienceMs = 5_000
const longestTarget = 256

/** What answers calls below `/hook/`. */
export class ReceiverServer {
  readonly #options: ReceiverServerOptions
  readonly #receivers: Informer<Receiver>
  readonly #byPath: (path: string) => readonly Receiver[]
  readonly #rate = new TokenBuckets(callRate)
  readonly #requests: RunRequests
  /** Reads of Secrets that are under way: calls that come meanwhile share them. */
  readonly #reading = new Map<string, Promise<SecretData>>()

  constructor(options: ReceiverServerOptions) {
    const { environment, signal } = options
    this.#options = options
    this.#receivers = ownObjects<Receiver>(receiverKind, environment)
    this.#byPath = this.#receivers.store.index('webhookPath', ({ status }) => (status?.webhookPath ? [status.webhookPath] : []))
    this.#requests = new RunRequests({ ...environment, noCrossNamespaceRefs: environment.flags.noCrossNamespaceRefs, signal })
  }

  /** Whether calls of this target are for a Receiver. */
  has(target: string): boolean {
    return this.#byPath(target).length > 0
  }

  /** Answers are empty: whoever is refused learns no more than that. Source: handlePayload. */
  async handle(call: Call): Promise<Answer> {
    const { environment, signal } = this.#options
    if (!call.target.startsWith('/hook/') || call.target.length > longestTarget) return { status: 404 }
    await unlessAborted(this.#receivers.synced(AbortSignal.timeout(patienceMs)), signal)
    const receiver = this.#byPath(call.target)[0]
    if (!receiver) return { status: 404 }
    const { namespace, name } = receiver.metadata
    const log = environment.log.child({ 'reconciler kind': receiverKind.kind, namespace, name })
    const unable = reasonToRefuse(receiver)
    if (unable !== undefined) return refused(log, 503, 'unable to process request', new Error(unable))
    if (!this.#rate.take(call.target, environment.clock.monotonic())) return { status: 429 }
    return await this.#serve(call, receiver, log)
  }

  async #serve(call: Call, receiver: Receiver, log: Logger): Promise<Answer> {
    let checked: Checked
    try {
      checked = await this.#check(call, receiver)
    } catch (error) {
      return refused(log, 400, 'unable to validate payload', error)
    }
    log.info({ type: receiver.spec.type, ...checked.about }, 'handling request')
    let filters: readonly (Filter | undefined)[]
    try {
      filters = filtersOf(receiver, checked)
    } catch (error) {
      return refused(log, 500, 'unable to create resource filters', error)
    }
    const { namespace } = receiver.metadata
    const asked = await Promise.allSettled(
      receiver.spec.resources.map((resource, index) => this.#requests.ask({ resource, namespace, filter: filters[index], log })),
    )
    const failures = asked.filter((one) => one.status === 'rejected')
    for (const { reason } of failures) log.error({ error: messageOf(reason) }, 'unable to request reconciliation')
    return { status: failures.length > 0 ? 500 : 200 }
  }

  async #check(call: Call, receiver: Receiver): Promise<Checked> {
    const { secretRef, type } = receiver.spec
    const { namespace } = receiver.metadata
    const name = `${namespace}/${secretRef?.name}`
    const data = secretRef && (await this.#secret({ namespace, name: secretRef.name }))
    if (data && !Object.hasOwn(data, 'token')) throw new Error(`invalid "${name}" secret data: required field 'token'`)
    const text = valuesOf(data)
    const secret = (key: string) => {
      const value = text(key)
      if (value === undefined) throw new Error(`invalid "${name}" secret data: required field '${key}'`)
      return value
    }
    return await checks[type]({ call, receiver, token: tokenOf(data), secret, issuers: this.#options.issuers })
  }

  #secret(key: Key): Promise<SecretData> {
    const { environment, signal } = this.#options
    const name = keyText(key)
    const reading = this.#reading.get(name) ?? readSecret(environment.client, key, signal)
    this.#reading.set(name, reading)
    return reading.finally(() => this.#reading.delete(name))
  }
}

function tokenOf(data: SecretData | undefined): Buffer {
  return Buffer.from(data?.token ?? '', 'base64')
}

function reasonToRefuse(receiver: Receiver): string | undefined {
  if (receiver.spec.suspend) return 'receiver is suspended'
  return conditionOf(receiver, 'Ready')?.status === 'True' ? undefined : 'receiver is not ready'
}

function refused(log: Logger, status: number, message: string, error: unknown): Answer {
  log.error({ error: messageOf(error) }, message)
  return { status }
}
