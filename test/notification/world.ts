/** What the notification controller sees in its tests: an API server made of maps, a clock that stands still, real HTTP. */
import type { Kind } from '../../src/api/kind.ts'
import type { FluxObject } from '../../src/api/meta.ts'
import { type KubeObject, keyOf, type ObjectRef } from '../../src/api/object.ts'
import type { Client } from '../../src/kube/client.ts'
import type { Informers } from '../../src/kube/informer.ts'
import { ObjectStore } from '../../src/kube/store.ts'
import { ApiError } from '../../src/kube/transport.ts'
import type { Recorder } from '../../src/runtime/events.ts'
import { type Flags, parseFlags } from '../../src/runtime/flags.ts'
import type { Environment, EventDraft } from '../../src/runtime/reconcile.ts'
import { ManualClock } from '../fakes/clock.ts'
import { keepingLogger } from '../runtime/artifact-fixtures.ts'

export interface World {
  readonly clock: ManualClock
  readonly log: ReturnType<typeof keepingLogger>
  readonly environment: Environment
  readonly recorder: Recorder
  /** What was recorded on objects: `severity reason: message`, by `Kind/name`. */
  readonly events: Map<string, string[]>
  /** Patches, as `Kind/namespace/name`, in order. */
  readonly patches: string[]
  /** Reads of the API server, as `verb Kind/namespace/name`, in order. */
  readonly reads: string[]
  /** What was dropped, as `sink reason`. */
  readonly dropped: string[]
  /** What was measured, as `type result`. */
  readonly notified: string[]
  put(...objects: KubeObject[]): void
}

export function openWorld(flags: Partial<Flags> = {}): World {
  const clock = new ManualClock()
  const log = keepingLogger()
  const objects = new Map<string, KubeObject>()
  const stores = new Map<string, ObjectStore<KubeObject>>()
  const events = new Map<string, string[]>()
  const patches: string[] = []
  const reads: string[] = []
  const dropped: string[] = []
  const notified: string[] = []
  const storeOf = (kind: string) => {
    const store = stores.get(kind) ?? new ObjectStore<KubeObject>({ freeze: true })
    stores.set(kind, store)
    return store
  }
  const keyText = ({ kind, namespace, name }: ObjectRef) => `${kind}/${namespace}/${name}`
  const find = (ref: ObjectRef) => {
    reads.push(`get ${keyText(ref)}`)
    return objects.get(keyText(ref))
  }
  const missing = (ref: ObjectRef) => new ApiError(`${ref.kind} "${ref.name}" not found`, { status: 404, reason: 'NotFound' })
  const client = {
    async get(ref: ObjectRef) {
      const object = find(ref)
      if (!object) throw missing(ref)
      return object
    },
    find: async (ref: ObjectRef) => find(ref),
    async list({ kind }: { kind: string }, { namespace, labelSelector = '' }: { namespace: string; labelSelector?: string }) {
      reads.push(`list ${kind}/${namespace}?${labelSelector}`)
      const labels = labelSelector.split(',').map((pair) => pair.split('=') as [string, string])
      const items = [...objects.values()].filter(
        (object) =>
          object.kind === kind &&
          object.metadata.namespace === namespace &&
          labels.every(([key, value]) => object.metadata.labels?.[key] === value),
      )
      return { items, resourceVersion: '1' }
    },
    async mergePatch(ref: ObjectRef) {
      if (!objects.has(keyText(ref))) throw missing(ref)
      patches.push(keyText(ref))
    },
  }
  const informers = {
    get: ({ kind }: Kind) => ({ synced: async () => {}, store: storeOf(kind), subscribe: () => () => {} }),
  }
  const parsed = parseFlags([], {})
  if (parsed.help !== undefined) throw new Error('no flags')
  const environment = {
    client: client as unknown as Client,
    informers: informers as unknown as Informers,
    clock,
    log,
    flags: { ...parsed.flags, ...flags },
    metrics: {
      eventDropped: (sink: string, reason: string) => dropped.push(`${sink} ${reason}`),
      notified: (type: string, result: string) => notified.push(`${type} ${result}`),
      httpCall: () => () => {},
    },
  } as unknown as Environment
  return {
    clock,
    log,
    environment,
    events,
    patches,
    reads,
    dropped,
    notified,
    recorder: {
      record({ kind, metadata }: FluxObject, _controller: string, { severity, reason, message, isLocal }: EventDraft) {
        const key = `${kind}/${metadata.name}`
        events.set(key, [...(events.get(key) ?? []), `${severity}${isLocal ? '' : ' TOLD'} ${reason}: ${message}`])
      },
    },
    put(...all) {
      for (const object of all) {
        const { namespace, name } = keyOf(object)
        objects.set(keyText({ ...object, namespace, name }), object)
        storeOf(object.kind).put(object)
      }
    },
  }
}

export const namespace = 'apps'

export function secret(name: string, data: Readonly<Record<string, string>>): KubeObject {
  const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])
  return { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name }, data: Object.fromEntries(encoded) }
}
