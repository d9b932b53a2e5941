/** The wait strategy `legacy`: what Helm 3 takes for ready. */
import { describe, expect, it } from 'vitest'
import { type KubeObject, type ObjectRef, refOf } from '../../src/api/object.ts'
import type { ActionContext } from '../../src/helm/action.ts'
import { untilReadyForHelm3 } from '../../src/helm/legacy-wait.ts'
import type { Client } from '../../src/kube/client.ts'
import { ApiError } from '../../src/kube/transport.ts'
import { ManualClock } from '../fakes/clock.ts'

type Fields = Readonly<Record<string, unknown>>

function object(kind: string, { name = 'web', spec = {}, status = {}, ...metadata }: Fields & { name?: string }): KubeObject {
  const [apiVersion = '', short = ''] = kind.split(' ')
  return { apiVersion, kind: short, metadata: { name, namespace: 'shop', generation: 1, ...metadata }, spec, status }
}

/** Waits for the first of these objects, the others are there besides. */
function waiting(objects: readonly KubeObject[], options: { timeoutMs?: number; forJobs?: boolean; failsWith?: ApiError } = {}) {
  const { timeoutMs = 5_000, forJobs = true, failsWith } = options
  const live = [...objects]
  const [wanted] = objects
  if (!wanted) throw new Error('nothing to wait for')
  let reads = 0
  const client = {
    async get(ref: ObjectRef) {
      reads++
      const found = live.find(({ kind, metadata }) => kind === ref.kind && metadata.name === ref.name)
      if (failsWith) throw failsWith
      if (!found) throw new ApiError(`${ref.name} not found`, { status: 404, reason: 'NotFound' })
      return found
    },
    list: async ({ kind }: { kind: string }) => ({ items: live.filter((each) => each.kind === kind), resourceVersion: '1' }),
    async *pages({ kind }: { kind: string }) {
      yield { items: live.filter((each) => each.kind === kind) }
    },
  } as unknown as Client
  const clock = new ManualClock()
  const { signal } = new AbortController()
  const context = {
    client,
    clock,
    parked: (wait: (signal: AbortSignal) => Promise<void>) => wait(signal),
  } as unknown as ActionContext
  const item = { ref: refOf(wanted), object: wanted }
  const ended = untilReadyForHelm3([item], { timeoutMs, forJobs }, context).then(
    () => 'ready',
    (error: Error) => error.message,
  )
  const replace = (object: KubeObject) => {
    const at = live.findIndex(({ kind, metadata }) => kind === object.kind && metadata.name === object.metadata.name)
    live.splice(at < 0 ? live.length : at, at < 0 ? 0 : 1, object)
  }
  return { ended, clock, replace, reads: () => reads }
}

const readyPod = { conditions: [{ type: 'Ready', status: 'True' }] }

const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ image: 'one', name: 'web' }] } }
const selector = { matchLabels: { app: 'web' } }
const rolling = (rollingUpdate: Fields) => ({ type: 'RollingUpdate', rollingUpdate })

function deployment(about: { replicas?: number; strategy?: Fields; paused?: boolean; generation?: number }): KubeObject {
  const { generation = 1, ...spec } = about
  return object('apps/v1 Deployment', {
    uid: 'd',
    generation,
    spec: { replicas: 4, selector, template, strategy: rolling({ maxUnavailable: '25%', maxSurge: 1 }), ...spec },
    status: { observedGeneration: 1 },
  })
}

/** Fields of the template in another order, and the label that the controller adds. */
function replicaSet(readyReplicas: number, about: Fields = {}): KubeObject {
  const labels = { 'pod-template-hash': 'abc', app: 'web' }
  const own = { spec: { containers: [{ name: 'web', image: 'one' }] }, metadata: { labels } }
  return object('apps/v1 ReplicaSet', {
    name: 'web-abc',
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'd' }],
    spec: { template: own },
    status: { observedGeneration: 1, readyReplicas },
    ...about,
  })
}

const service = (spec: Fields, status: Fields = {}) => object('v1 Service', { spec, status })
const statefulSet = (spec: Fields, status: Fields) =>
  object('apps/v1 StatefulSet', {
    spec: { replicas: 3, updateStrategy: { type: 'RollingUpdate' }, ...spec },
    status: { observedGeneration: 1, ...status },
  })
const daemonSet = (updateStrategy: Fields, status: Fields) =>
  object('apps/v1 DaemonSet', { spec: { updateStrategy }, status: { observedGeneration: 1, desiredNumberScheduled: 4, ...status } })
const job = (spec: Fields, status: Fields) => object('batch/v1 Job', { spec: { backoffLimit: 1, completions: 2, ...spec }, status })
const crd = (type: string, status: string) =>
  object('apiextensions.k8s.io/v1 CustomResourceDefinition', { status: { conditions: [{ type, status }] } })

const timeout = (kind: string, why: string) => `timeout waiting for: [${kind}/shop/web: ${why}]`
const unseen = 'the change has not been seen yet'

describe('the wait strategy legacy', () => {
  it.each<[string, readonly KubeObject[], string]>([
    ['a ConfigMap', [object('v1 ConfigMap', {})], 'ready'],
    ['a pod', [object('v1 Pod', { status: readyPod })], 'ready'],
    ['a pod that has not begun', [object('v1 Pod', {})], timeout('Pod', 'not ready')],
    ['a claim', [object('v1 PersistentVolumeClaim', { status: { phase: 'Bound' } })], 'ready'],
    ['a claim that is pending', [object('v1 PersistentVolumeClaim', {})], timeout('PersistentVolumeClaim', 'not bound')],
    ['a Service', [service({ clusterIP: '10.0.0.1' })], 'ready'],
    ['a Service of other hosts', [service({ type: 'ExternalName' })], 'ready'],
    ['a Service without address', [service({})], timeout('Service', 'no cluster IP')],
    [
      'a load balancer that is being made',
      [service({ type: 'LoadBalancer', clusterIP: 'x' })],
      timeout('Service', 'no ingress of the load balancer'),
    ],
    ['a load balancer', [service({ type: 'LoadBalancer', clusterIP: 'x' }, { loadBalancer: { ingress: [{ ip: 'y' }] } })], 'ready'],
    ['a load balancer with addresses of its own', [service({ type: 'LoadBalancer', clusterIP: 'x', externalIPs: ['y'] })], 'ready'],
    ['a Deployment with enough pods', [deployment({}), replicaSet(3)], 'ready'],
    ['a Deployment with too few pods', [deployment({}), replicaSet(2)], timeout('Deployment', '2 of 3 pods are ready')],
    [
      'a Deployment that may not lack any',
      [deployment({ strategy: rolling({ maxUnavailable: 0, maxSurge: 1 }) }), replicaSet(3)],
      timeout('Deployment', '3 of 4 pods are ready'),
    ],
    [
      'a Deployment that must lack one',
      [deployment({ strategy: rolling({ maxUnavailable: '10%', maxSurge: 0 }) }), replicaSet(3)],
      'ready',
    ],
    [
      'a Deployment that is re-created',
      [deployment({ strategy: { type: 'Recreate' } }), replicaSet(3)],
      timeout('Deployment', '3 of 4 pods are ready'),
    ],
    ['a Deployment of none', [deployment({ replicas: 0 }), replicaSet(0)], 'ready'],
    ['a paused Deployment', [deployment({ paused: true })], 'ready'],
    ['a Deployment that was changed', [deployment({ generation: 2 }), replicaSet(4)], timeout('Deployment', unseen)],
    ['a Deployment without ReplicaSet', [deployment({})], timeout('Deployment', unseen)],
    [
      "a Deployment with another's ReplicaSet",
      [deployment({}), replicaSet(4, { ownerReferences: [] })],
      timeout('Deployment', unseen),
    ],
    [
      'a Deployment with an old ReplicaSet',
      [deployment({}), replicaSet(4, { spec: { template: { spec: {} } } })],
      timeout('Deployment', unseen),
    ],
    ['a StatefulSet', [statefulSet({}, { updatedReplicas: 3, readyReplicas: 3 })], 'ready'],
    [
      'a StatefulSet that rolls out',
      [statefulSet({}, { updatedReplicas: 2, readyReplicas: 3 })],
      timeout('StatefulSet', 'not all pods are updated'),
    ],
    [
      'a StatefulSet with too few pods',
      [statefulSet({}, { updatedReplicas: 3, readyReplicas: 2 })],
      timeout('StatefulSet', '2 of 3 pods are ready'),
    ],
    [
      'a StatefulSet between revisions',
      [statefulSet({}, { updatedReplicas: 3, readyReplicas: 3, currentRevision: 'a', updateRevision: 'b' })],
      timeout('StatefulSet', 'the roll-out goes on'),
    ],
    [
      'a StatefulSet with a partition',
      [
        statefulSet(
          { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } },
          { updatedReplicas: 1, readyReplicas: 3, updateRevision: 'b' },
        ),
      ],
      'ready',
    ],
    ['a StatefulSet that is updated by hand', [statefulSet({ updateStrategy: { type: 'OnDelete' } }, {})], 'ready'],
    ['a DaemonSet', [daemonSet(rolling({ maxUnavailable: 1 }), { updatedNumberScheduled: 4, numberReady: 3 })], 'ready'],
    [
      'a DaemonSet with too few pods',
      [daemonSet(rolling({ maxUnavailable: '30%' }), { updatedNumberScheduled: 4, numberReady: 1 })],
      timeout('DaemonSet', '1 of 2 pods are ready'),
    ],
    [
      'a DaemonSet that rolls out',
      [daemonSet(rolling({ maxUnavailable: 1 }), { updatedNumberScheduled: 3, numberReady: 4 })],
      timeout('DaemonSet', 'not all pods are updated'),
    ],
    ['a DaemonSet that is updated by hand', [daemonSet({ type: 'OnDelete' }, {})], 'ready'],
    [
      'a ReplicaSet',
      [
        object('apps/v1 ReplicaSet', { spec: { selector }, status: { observedGeneration: 1 } }),
        object('v1 Pod', { status: readyPod }),
      ],
      'ready',
    ],
    [
      'a ReplicaSet with a pod that is not ready',
      [object('apps/v1 ReplicaSet', { spec: { selector }, status: { observedGeneration: 1 } }), object('v1 Pod', { name: 'p' })],
      timeout('ReplicaSet', 'pod p is not ready'),
    ],
    [
      'a ReplicationController that was changed',
      [object('v1 ReplicationController', { spec: { selector: { app: 'web' } } })],
      timeout('ReplicationController', unseen),
    ],
    ['a Job', [job({}, { succeeded: 2 })], 'ready'],
    ['a Job that runs', [job({}, { succeeded: 1 })], timeout('Job', 'not completed')],
    ['a Job that failed', [job({}, { failed: 2 })], 'job is failed: shop/web'],
    ['a CRD', [crd('Established', 'True')], 'ready'],
    ['a CRD whose name is taken', [crd('NamesAccepted', 'False')], 'ready'],
    ['a CRD that is new', [crd('Established', 'False')], timeout('CustomResourceDefinition', 'not established')],
  ])('HLM-ACT-04 knows when it is ready: %s', async (_what, objects, end) => {
    const { ended, clock } = waiting(objects)
    clock.advance(6_000)
    expect(await ended).toBe(end)
  })

  it('looks every two seconds until all is ready', async () => {
    const { ended, clock, replace, reads } = waiting([object('v1 Pod', {})], { timeoutMs: 60_000 })
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    await turn()
    clock.advance(2_000)
    await turn()
    clock.advance(1_999)
    await turn()
    expect(reads()).toBe(2)
    replace(object('v1 Pod', { status: readyPod }))
    clock.advance(1)
    expect(await ended).toBe('ready')
  })

  it('says what ails the pods of what does not get ready', async () => {
    const state = { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } }
    const status = { containerStatuses: [{ name: 'main', ready: false, state }] }
    const { ended, clock } = waiting([deployment({}), replicaSet(0), object('v1 Pod', { name: 'web-abc-1', status })])
    clock.advance(6_000)
    expect(await ended).toMatch(/0 of 3 pods are ready; pod web-abc-1: container main: .*ImagePullBackOff/)
  })

  it('does not wait for Jobs where it shall not', async () => {
    expect(await waiting([job({}, {})], { forJobs: false }).ended).toBe('ready')
  })

  it('goes on when the API server fails for a while, and ends when it refuses', async () => {
    const busy = new ApiError('overloaded', { status: 503, reason: 'ServiceUnavailable' })
    const { ended, clock } = waiting([object('v1 Pod', {})], { failsWith: busy })
    clock.advance(6_000)
    expect(await ended).toBe(timeout('Pod', 'overloaded'))
    const refused = new ApiError('forbidden', { status: 403, reason: 'Forbidden' })
    expect(await waiting([object('v1 Pod', {})], { failsWith: refused }).ended).toBe('forbidden')
  })
})
