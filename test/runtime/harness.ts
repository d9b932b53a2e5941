/** A loop of a kind of the test's own, on a real API server. */
import { randomUUID } from 'node:crypto'
import type { Kind } from '../../src/api/kind.ts'
import type { CommonStatus, Condition, FluxObject } from '../../src/api/meta.ts'
import { conditionOf } from '../../src/api/meta.ts'
import type { KubeObject } from '../../src/api/object.ts'
import { keyOf, keyText } from '../../src/api/object.ts'
import type { Client } from '../../src/kube/client.ts'
import { connect } from '../../src/kube/connect.ts'
import { Informers } from '../../src/kube/informer.ts'
import type { RequestRecord } from '../../src/kube/transport.ts'
import type { Artifacts } from '../../src/runtime/artifacts.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { anyLoop, type Controller } from '../../src/runtime/controller.ts'
import { type Flags, parseFlags } from '../../src/runtime/flags.ts'
import { createLogger } from '../../src/runtime/log.ts'
import { createMetrics } from '../../src/runtime/metrics.ts'
import type { Context, Environment, EventDraft, Loop, Outcome } from '../../src/runtime/reconcile.ts'
import type { Workers } from '../../src/runtime/workers.ts'

export interface WidgetStatus extends CommonStatus {
  readonly note?: string
}
export type Widget = FluxObject<{ readonly size?: number; readonly interval?: string; readonly fancy?: boolean }, WidgetStatus>
export type WidgetLoop = Loop<Widget>
export type Reconcile = (object: Widget, context: Context<Widget>) => Promise<Outcome<Widget>>

const group = 'test.sluice.dev'
export const widgetKind: Kind = { group, version: 'v1', apiVersion: `${group}/v1`, kind: 'Widget', plural: 'widgets' }

const widgetCrd: KubeObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `widgets.${group}` },
  spec: {
    group,
    names: { kind: 'Widget', listKind: 'WidgetList', plural: 'widgets', singular: 'widget' },
    scope: 'Namespaced',
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, default: { observedGeneration: -1 } },
            },
          },
        },
      },
    ],
  },
}

export const done: Outcome<Widget> = { ready: { reason: 'Succeeded', message: 'done' } }

/** A cluster with the kind, and a namespace for one test file. */
export async function openCluster(kubeconfig: string) {
  const requests: RequestRecord[] = []
  const client = await connect({ kubeconfig, onRequest: (record) => requests.push(record) })
  const namespace = `runtime-${randomUUID().slice(0, 8)}`
  const options = { fieldManager: 'test' }
  await client.apply(widgetCrd, { ...options, force: true })
  await untilServed(client)
  await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }, options)
  const widget = (name: string, spec: object = {}, metadata: object = {}): KubeObject => ({
    apiVersion: widgetKind.apiVersion,
    kind: 'Widget',
    metadata: { namespace, name, ...metadata },
    spec,
  })
  const ref = (name: string) => ({ apiVersion: widgetKind.apiVersion, kind: 'Widget', namespace, name })
  return {
    client,
    namespace,
    requests,
    widget,
    ref,
    create: (name: string, spec?: object, metadata?: object) => client.create<Widget>(widget(name, spec, metadata), options),
    patch: (name: string, patch: object) => client.mergePatch<Widget>(ref(name), patch, options),
    patchStatus: (name: string, patch: object) =>
      client.mergePatch<Widget>(ref(name), { status: patch }, { ...options, subresource: 'status' }),
    get: (name: string) => client.get<Widget>(ref(name)),
    delete: (name: string) => client.delete(ref(name)),
    async [Symbol.asyncDispose]() {
      await client.transport.close()
    },
  }
}

/** Waits until the API server serves the kind. */
async function untilServed(client: Client): Promise<void> {
  const informers = new Informers({ client })
  const { promise, resolve } = Promise.withResolvers<void>()
  const crds = informers.get<KubeObject & { status?: { conditions?: { type: string; status: string }[] } }>(widgetCrd)
  crds.subscribe(({ object: { metadata, status } }) => {
    const isEstablished = status?.conditions?.some((condition) => condition.type === 'Established' && condition.status === 'True')
    if (metadata.name === widgetCrd.metadata.name && isEstablished) resolve()
  })
  await within(promise, () => 'the CRD was not established')
  await informers.close()
  await new Informers({ client }).get(widgetKind).synced(AbortSignal.timeout(15_000))
}

export interface Started extends AsyncDisposable {
  readonly controller: Controller
  readonly environment: Environment
  readonly lines: Record<string, unknown>[]
  readonly events: (EventDraft & { readonly name: string })[]
  /** Resolves with the object as soon as the watch shows that the claim holds. */
  until(name: string, claim: (object: Widget) => boolean): Promise<Widget>
  untilGone(name: string): Promise<void>
}

export async function startLoop(
  cluster: { readonly client: Client; readonly namespace: string },
  reconcile: Reconcile,
  more: { loop?: Partial<WidgetLoop>; flags?: Partial<Flags>; random?: () => number } = {},
): Promise<Started> {
  const loop: WidgetLoop = {
    kind: widgetKind,
    controller: 'kustomize-controller',
    concurrent: 4,
    conditions: [],
    unsupported: [],
    watches: [],
    reconcile,
    finalize: async () => {},
    ...more.loop,
  }
  const parsed = parseFlags(['--watch-all-namespaces=false'], { RUNTIME_NAMESPACE: cluster.namespace })
  if (parsed.help !== undefined) throw new Error('no flags')
  const lines: Record<string, unknown>[] = []
  const events: Started['events'] = []
  const environment: Environment = {
    client: cluster.client,
    informers: new Informers({ client: cluster.client }),
    artifacts: {} as Artifacts,
    workers: {} as Workers,
    clock: systemClock,
    log: createLogger({ level: 'debug', encoding: 'json' }, { write: (line) => void lines.push(JSON.parse(line)) }),
    flags: { ...parsed.flags, minRetryDelayMs: 50, ...more.flags },
    metrics: createMetrics(),
  }
  const recorder = {
    record: (object: FluxObject, _controller: string, draft: EventDraft) => events.push({ ...draft, name: object.metadata.name }),
  }
  const controller = anyLoop(loop).wire({ environment, recorder, ...(more.random && { random: more.random }) })
  await controller.sync(AbortSignal.timeout(20_000))
  controller.start()
  const informer = environment.informers.get<Widget>(widgetKind, { namespace: cluster.namespace })

  return {
    controller,
    environment,
    lines,
    events,
    until(name, claim) {
      const { promise, resolve } = Promise.withResolvers<Widget>()
      const stop = informer.subscribe(({ type, object }) => {
        if (type !== 'deleted' && object.metadata.name === name && claim(object)) resolve(object)
      })
      return within(promise.finally(stop), () => `${name} did not become as expected; it is ${JSON.stringify(find(name))}`)
    },
    untilGone(name) {
      if (!find(name)) return Promise.resolve()
      const { promise, resolve } = Promise.withResolvers<void>()
      const stop = informer.subscribe(({ type, object }) => {
        if (type === 'deleted' && object.metadata.name === name) resolve()
      })
      return within(promise.finally(stop), () => `${name} is still there`)
    },
    async [Symbol.asyncDispose]() {
      await controller.drain(500)
      environment.metrics.close()
      await environment.informers.close()
    },
  }

  function find(name: string): Widget | undefined {
    return informer.store.get({ namespace: cluster.namespace, name })
  }
}

/** Fails with what was seen instead of hanging until the test's time is up. */
export async function within<T>(promise: Promise<T>, otherwise: () => string, ms = 15_000): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(otherwise())), ms)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

export function ready(object: Widget): Condition | undefined {
  return conditionOf(object, 'Ready')
}

/** As kstatus sees it. */
export function isCurrent(object: Widget): boolean {
  const { status, metadata } = object
  const has = (type: string) =>
    status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false
  return status?.observedGeneration === metadata.generation && has('Ready') && !has('Reconciling') && !has('Stalled')
}

/** A promise that a test's loop waits for, and the number of those that do. */
export function gate() {
  const { promise, resolve } = Promise.withResolvers<void>()
  const arrivals: string[] = []
  let arrived = () => {}
  return {
    open: resolve,
    arrivals,
    async pass(object: Widget): Promise<void> {
      arrivals.push(keyText(keyOf(object)))
      arrived()
      await promise
    },
    untilArrived(count: number): Promise<void> {
      const reached = Promise.withResolvers<void>()
      arrived = () => arrivals.length >= count && reached.resolve()
      arrived()
      return within(reached.promise, () => `only ${arrivals.length} of ${count} arrived`)
    },
  }
}
