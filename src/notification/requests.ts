/** Asking for runs of objects: which ones a Receiver means, and the annotation that their loops act upon. */
import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { requestedAtAnnotation } from '../api/meta.ts'
import { displayName, type KubeObject, type ObjectRef } from '../api/object.ts'
import type { ReceiverResource } from '../api/receiver.ts'
import type { Client } from '../kube/client.ts'
import { mapPooled } from '../kube/pool.ts'
import { ApiError } from '../kube/transport.ts'
import { messageOf } from '../lib/errors.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/log.ts'
import type { Filter } from './filters.ts'

export interface RequestsOptions {
  readonly client: Client
  readonly clock: Clock
  readonly noCrossNamespaceRefs: boolean
  /** Ends what is under way. */
  readonly signal: AbortSignal
}

export interface Wish {
  readonly resource: ReceiverResource
  /** Of the Receiver. */
  readonly namespace: string
  readonly filter: Filter | undefined
  readonly log: Logger
}

/** Of the kinds that need none given. Source: defaultFluxAPIVersions. */
const defaultApiVersions = new Map([
  ['Bucket', 'source.toolkit.fluxcd.io/v1'],
  ['HelmChart', 'source.toolkit.fluxcd.io/v1'],
  ['HelmRepository', 'source.toolkit.fluxcd.io/v1'],
  ['GitRepository', 'source.toolkit.fluxcd.io/v1'],
  ['OCIRepository', 'source.toolkit.fluxcd.io/v1'],
  ['ImageRepository', 'image.toolkit.fluxcd.io/v1'],
  ['ArtifactGenerator', 'source.extensions.fluxcd.io/v1beta1'],
])

/** However many calls come, an object is asked for once in that time, and looked for once. */
const apartMs = 1_000
const atOnce = 16
const fieldManager = 'notification-controller'

export class RunRequests {
  readonly #options: RequestsOptions
  readonly #annotations: Spaced<void>
  readonly #searches: Spaced<readonly KubeObject[]>

  constructor(options: RequestsOptions) {
    this.#options = options
    this.#annotations = new Spaced(options.clock, apartMs)
    this.#searches = new Spaced(options.clock, apartMs)
  }

  /**
   * Asks for a run of each object that is meant; resolves when all are asked.
   * @throws Error for what cannot be asked for; the others are asked all the same. Source: requestReconciliation.
   */
  async ask({ resource, namespace: own, filter, log }: Wish): Promise<void> {
    const { noCrossNamespaceRefs, signal } = this.#options
    const namespace = resource.namespace || own
    if (noCrossNamespaceRefs && namespace !== own) throw new Error('cross-namespace references are not allowed')
    const { kind, name } = resource
    const apiVersion = resource.apiVersion || defaultApiVersions.get(kind)
    if (apiVersion === undefined) throw new Error(`apiVersion must be specified for kind "${kind}"`)
    const wanted = { apiVersion, kind, namespace, name }
    const refs = name === '*' || filter ? await this.#meant(wanted, resource, { filter, log }) : [wanted]
    const failures: unknown[] = []
    await mapPooled(refs, { limit: atOnce, signal }, (ref) =>
      this.#annotate(ref).then(
        () => log.info({ resource: displayName(ref) }, 'resource annotated'),
        (error: unknown) => failures.push(error),
      ),
    )
    if (failures.length > 0) throw failures[0]
  }

  async #meant(
    wanted: ObjectRef & { readonly namespace: string },
    { matchLabels }: ReceiverResource,
    { filter, log }: Pick<Wish, 'filter' | 'log'>,
  ): Promise<readonly ObjectRef[]> {
    const { apiVersion, kind, namespace } = wanted
    const key = JSON.stringify([apiVersion, kind, namespace, wanted.name, matchLabels ?? null])
    const found = await this.#searches.run(key, () =>
      wanted.name === '*' ? this.#labelled(wanted, matchLabels) : this.#named(wanted),
    )
    if (found.length === 0) log.error({ kind, namespace, matchLabels }, 'error annotating resources: no resources found')
    const meant = filter ? found.filter(filter) : found
    for (const object of found)
      if (!meant.includes(object))
        log.debug({ resource: object.metadata.name }, 'resource NOT annotated because CEL expression returned false')
    return meant.map(({ metadata: { name } }) => ({ apiVersion, kind, namespace, name }))
  }

  async #named(ref: ObjectRef): Promise<readonly KubeObject[]> {
    const object = await this.#options.client.find(ref, { metadataOnly: true, signal: this.#options.signal })
    if (object) return [object]
    throw new Error(`unable to read ${displayName(ref)}: it does not exist`)
  }

  async #labelled(
    { apiVersion, kind, namespace }: ObjectRef & { readonly namespace: string },
    matchLabels: ReceiverResource['matchLabels'],
  ): Promise<readonly KubeObject[]> {
    if (matchLabels === undefined) throw new Error("matchLabels field not set when using wildcard '*' as name")
    const wanted = Object.entries(matchLabels)
    const labelSelector = wanted.map(([key, value]) => `${key}=${value}`).join(',')
    const { signal } = this.#options
    const { items } = await this.#options.client.list(
      { apiVersion, kind },
      { namespace, labelSelector, metadataOnly: true, signal },
    )
    // A label that is written like a selector must not select more.
    return items.filter(({ metadata: { labels = {} } }) => wanted.every(([key, value]) => labels[key] === value))
  }

  #annotate(ref: ObjectRef): Promise<void> {
    return this.#annotations.run(displayName(ref), async () => {
      const { client, clock, signal } = this.#options
      const metadata = { annotations: { [requestedAtAnnotation]: new Date(clock.now()).toISOString() } }
      try {
        await client.mergePatch(ref, { metadata }, { fieldManager, metadataOnly: true, signal })
      } catch (error) {
        if (error instanceof ApiError && error.status === 404)
          throw new Error(`unable to read ${displayName(ref)}: ${messageOf(error)}`, { cause: error })
        throw new Error(`unable to annotate ${displayName(ref)}: ${messageOf(error)}`, { cause: error })
      }
    })
  }
}

interface Turn<T> {
  startedMs: number
  /** Begins when it is due, and is for all who ask until then: who asks later must not get what was begun before. */
  next: Promise<T> | undefined
}

/** Does the same thing once in a while, however often it is asked for: at once, then for all who asked meanwhile. */
class Spaced<T> {
  readonly #clock: Clock
  readonly #apartMs: number
  /** By a hash of what is done; what began last is last. */
  readonly #turns = new Map<string, Turn<T>>()

  constructor(clock: Clock, apartMs: number) {
    this.#clock = clock
    this.#apartMs = apartMs
  }

  run(name: string, work: () => Promise<T>): Promise<T> {
    const key = createHash('sha256').update(name).digest('base64')
    const turn: Turn<T> = this.#turns.get(key) ?? { startedMs: Number.NEGATIVE_INFINITY, next: undefined }
    this.#turns.set(key, turn)
    turn.next ??= this.#due(turn).then(() => this.#begin(key, turn, work))
    return turn.next
  }

  /** At once means: in the next turn of the event loop, so that all who ask in this one share it. */
  async #due({ startedMs }: Turn<T>): Promise<void> {
    const waitMs = startedMs + this.#apartMs - this.#clock.monotonic()
    if (waitMs > 0) await new Promise<void>((resolve) => this.#clock.after(waitMs, resolve))
    else await nextTurn()
  }

  #begin(key: string, turn: Turn<T>, work: () => Promise<T>): Promise<T> {
    turn.startedMs = this.#clock.monotonic()
    turn.next = undefined
    this.#turns.delete(key)
    for (const [other, { startedMs, next }] of this.#turns) {
      if (next !== undefined || turn.startedMs - startedMs < this.#apartMs) break
      this.#turns.delete(other)
    }
    this.#turns.set(key, turn)
    return work()
  }
}
