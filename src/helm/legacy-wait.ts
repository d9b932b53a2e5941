/**
 * The wait strategy `legacy`: what Helm 3 takes for ready, looked at every two seconds.
 * Source: helm pkg/kube/ready.go, wait.go, internal/third_party/k8s.io/kubernetes/deployment/util.
 */
import { displayName, type KubeObject } from '../api/object.ts'
import { HealthError } from '../kube/applier.ts'
import { causeInPods } from '../kube/pod-cause.ts'
import { ApiError, ConnectionError } from '../kube/transport.ts'
import { messageOf } from '../lib/errors.ts'
import { isRecord } from '../lib/json.ts'
import type { ActionContext } from './action.ts'
import type { Item } from './write.ts'

const pollMs = 2_000
/** How often in a row an object may fail to be read. */
const mostFailures = 30

type Fields = Readonly<Record<string, unknown>>
/** Undefined: ready. @throws HealthError for what never will be. */
type Check = (live: KubeObject, item: Item, reader: Reader) => string | undefined | Promise<string | undefined>

/** @throws HealthError naming the first that is not ready in time, or will never be; ApiError for one that cannot be read. */
export async function untilReadyForHelm3(
  items: readonly Item[],
  { timeoutMs, forJobs }: { readonly timeoutMs: number; readonly forJobs: boolean },
  context: ActionContext,
): Promise<void> {
  const waitedFor = items.filter(({ ref }) => checks.has(kindOf(ref)) && (forJobs || ref.kind !== 'Job'))
  if (waitedFor.length === 0) return
  const endMs = context.clock.monotonic() + timeoutMs
  await context.parked(async (signal) => {
    const failures = new Map<Item, number>()
    for (;;) {
      const unready = await firstUnready(waitedFor, failures, { ...context, signal })
      if (unready === undefined) return
      const leftMs = endMs - context.clock.monotonic()
      if (leftMs <= 0)
        throw new HealthError(`timeout waiting for: [${await explained(unready, { client: context.client, signal })}]`)
      await pause(Math.min(pollMs, leftMs), context, signal)
    }
  })
}

type Reader = Pick<ActionContext, 'client' | 'signal'>

interface Unready {
  readonly item: Item
  readonly why: string
}

const longestLookMs = 5_000

/** With what ails its pods, where that can be seen. */
async function explained({ item, why }: Unready, { client, signal }: Reader): Promise<string> {
  const either = AbortSignal.any([signal, AbortSignal.timeout(longestLookMs)])
  const causeOf = async () => causeInPods(client, await client.get(item.ref, { signal: either }), either)
  const cause = await causeOf().catch(() => '')
  signal.throwIfAborted()
  return [`${displayName(item.ref)}: ${why}`, cause].filter(Boolean).join('; ')
}

/** In the order of the manifest; those behind it are looked at when it is ready. */
async function firstUnready(items: readonly Item[], failures: Map<Item, number>, reader: Reader): Promise<Unready | undefined> {
  for (const item of items) {
    const why = await readiness(item, reader).catch((error) => {
      const count = (failures.get(item) ?? 0) + 1
      failures.set(item, count)
      if (count > mostFailures || !isPassing(error)) throw error
      return messageOf(error)
    })
    if (why !== undefined) return { item, why }
    failures.delete(item)
  }
  return undefined
}

async function readiness(item: Item, reader: Reader): Promise<string | undefined> {
  const { client, signal } = reader
  const live = await client.get(item.ref, { signal })
  return checks.get(kindOf(item.ref))?.(live, item, reader)
}

function isPassing(error: unknown): boolean {
  if (error instanceof ApiError) return error.status === 429 || (error.status >= 500 && error.status !== 501)
  return error instanceof ConnectionError
}

async function pause(ms: number, { clock }: ActionContext, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const cancel = clock.after(ms, resolve)
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    await promise
  } finally {
    cancel()
    signal.removeEventListener('abort', abort)
  }
}

function kindOf({ apiVersion, kind }: Pick<KubeObject, 'apiVersion' | 'kind'>): string {
  return `${apiVersion} ${kind}`
}

/** Everything else is ready when it is written. */
const checks: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['v1 Pod', podProblem],
  ['v1 PersistentVolumeClaim', ({ status }) => (fields(status).phase === 'Bound' ? undefined : 'not bound')],
  ['v1 Service', ({ spec, status }) => serviceProblem(fields(spec), fields(status))],
  ['v1 ReplicationController', replicasProblem],
  ['apps/v1 ReplicaSet', replicasProblem],
  ['apps/v1 Deployment', deploymentProblem],
  ['apps/v1 DaemonSet', daemonSetProblem],
  ['apps/v1 StatefulSet', statefulSetProblem],
  ['batch/v1 Job', jobProblem],
  ['apiextensions.k8s.io/v1 CustomResourceDefinition', crdProblem],
])

function podProblem(pod: KubeObject): string | undefined {
  return hasCondition(pod, 'Ready', 'True') ? undefined : 'not ready'
}

function jobProblem(job: KubeObject): string | undefined {
  const { metadata } = job
  const { backoffLimit = 6, completions } = fields(job.spec)
  const { failed, succeeded } = fields(job.status)
  if (count(failed) > count(backoffLimit)) throw new HealthError(`job is failed: ${metadata.namespace}/${metadata.name}`)
  return typeof completions === 'number' && count(succeeded) < completions ? 'not completed' : undefined
}

function serviceProblem(spec: Fields, status: Fields): string | undefined {
  if (spec.type === 'ExternalName') return undefined
  if (!spec.clusterIP) return 'no cluster IP'
  if (spec.type !== 'LoadBalancer' || list(spec.externalIPs).length > 0) return undefined
  return list(fields(status.loadBalancer).ingress).length > 0 ? undefined : 'no ingress of the load balancer'
}

/** Apart from the generation, all pods that the manifest selects. */
async function replicasProblem(live: KubeObject, { object }: Item, { client, signal }: Reader): Promise<string | undefined> {
  if (isOutdated(live)) return 'the change has not been seen yet'
  const { selector } = fields(object.spec)
  const labelSelector = selectorText(object.kind === 'ReplicaSet' ? fields(selector) : { matchLabels: selector })
  const { namespace } = live.metadata
  const { items } = await client.list({ apiVersion: 'v1', kind: 'Pod' }, { ...(namespace && { namespace }), labelSelector, signal })
  const unready = items.find((pod) => podProblem(pod) !== undefined)
  return unready && `pod ${unready.metadata.name} is not ready`
}

/** The ReplicaSet of its present template must have as many ready pods as the strategy asks for. */
async function deploymentProblem(live: KubeObject, _item: Item, reader: Reader): Promise<string | undefined> {
  const spec = fields(live.spec)
  if (spec.paused === true) return undefined
  const replicaSet = await newestReplicaSet(live, reader)
  if (!replicaSet || isOutdated(replicaSet) || isOutdated(live)) return 'the change has not been seen yet'
  const wanted = count(spec.replicas ?? 1)
  const { rollingUpdate } = fields(spec.strategy)
  const isRolling = fields(spec.strategy).type === 'RollingUpdate' && wanted > 0
  const expected = wanted - (isRolling ? maxUnavailable(fields(rollingUpdate), wanted) : 0)
  const ready = count(fields(replicaSet.status).readyReplicas)
  return ready < expected ? `${ready} of ${expected} pods are ready` : undefined
}

/** The one with the template of the Deployment, apart from the label that tells its ReplicaSets apart; of several the oldest. */
async function newestReplicaSet(deployment: KubeObject, { client, signal }: Reader): Promise<KubeObject | undefined> {
  const { namespace, uid } = deployment.metadata
  const labelSelector = selectorText(fields(fields(deployment.spec).selector))
  const kind = { apiVersion: 'apps/v1', kind: 'ReplicaSet' }
  const { items } = await client.list(kind, { ...(namespace && { namespace }), labelSelector, signal })
  const owned = items.filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.uid === uid))
  const wanted = templateText(deployment)
  return owned
    .filter((replicaSet) => templateText(replicaSet) === wanted)
    .toSorted((a, b) => (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''))[0]
}

function templateText({ spec }: KubeObject): string {
  const { metadata, ...template } = fields(fields(spec).template)
  const { labels, ...rest } = fields(metadata)
  const { 'pod-template-hash': _, ...own } = fields(labels)
  return JSON.stringify(sorted({ ...template, metadata: { ...rest, labels: own } }))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  )
}

/** Of both bounds one must let the roll-out go on. */
function maxUnavailable({ maxUnavailable: unavailable, maxSurge }: Fields, replicas: number): number {
  const least = scaled(unavailable ?? 0, replicas, Math.floor)
  const bound = least === 0 && scaled(maxSurge ?? 0, replicas, Math.ceil) === 0 ? 1 : least
  return Math.min(bound, replicas)
}

/** A number, or a share such as `25%`. */
function scaled(value: unknown, total: number, round: (share: number) => number): number {
  const percent = /^(\d+)%$/.exec(String(value))?.[1]
  return percent === undefined ? count(value) : round((Number(percent) * total) / 100)
}

function daemonSetProblem(live: KubeObject): string | undefined {
  if (isOutdated(live)) return 'the change has not been seen yet'
  const { type, rollingUpdate } = fields(fields(live.spec).updateStrategy)
  if (type !== 'RollingUpdate') return undefined
  const status = fields(live.status)
  const wanted = count(status.desiredNumberScheduled)
  if (count(status.updatedNumberScheduled) !== wanted) return 'not all pods are updated'
  const expected = wanted - scaled(fields(rollingUpdate).maxUnavailable ?? wanted, wanted, Math.ceil)
  const ready = count(status.numberReady)
  return ready < expected ? `${ready} of ${expected} pods are ready` : undefined
}

function statefulSetProblem(live: KubeObject): string | undefined {
  if (isOutdated(live)) return 'the change has not been seen yet'
  const spec = fields(live.spec)
  const { type, rollingUpdate } = fields(spec.updateStrategy)
  if (type !== 'RollingUpdate') return undefined
  const status = fields(live.status)
  const replicas = count(spec.replicas ?? 1)
  const partition = count(fields(rollingUpdate).partition)
  if (count(status.updatedReplicas) < replicas - partition) return 'not all pods are updated'
  if (count(status.readyReplicas) !== replicas) return `${count(status.readyReplicas)} of ${replicas} pods are ready`
  return partition === 0 && status.currentRevision !== status.updateRevision ? 'the roll-out goes on' : undefined
}

/** A conflict of names is not this release's business: nobody would ever end it by waiting. */
function crdProblem(crd: KubeObject): string | undefined {
  const isDecided = hasCondition(crd, 'Established', 'True') || hasCondition(crd, 'NamesAccepted', 'False')
  return isDecided ? undefined : 'not established'
}

function isOutdated({ metadata, status }: KubeObject): boolean {
  return count(fields(status).observedGeneration) !== (metadata.generation ?? 0)
}

function hasCondition({ status }: KubeObject, type: string, wanted: string): boolean {
  return list(fields(status).conditions).some(
    (condition) => isRecord(condition) && condition.type === type && condition.status === wanted,
  )
}

/** A label selector as the API takes it in a query. */
function selectorText({ matchLabels, matchExpressions }: Fields): string {
  const labels = Object.entries(fields(matchLabels)).map(([key, value]) => `${key}=${value}`)
  const expressions = list(matchExpressions).flatMap((expression) => {
    if (!isRecord(expression)) return []
    const { key, operator, values } = expression
    if (operator === 'Exists') return [`${key}`]
    if (operator === 'DoesNotExist') return [`!${key}`]
    return [`${key} ${operator === 'In' ? 'in' : 'notin'} (${list(values).join(',')})`]
  })
  return [...labels, ...expressions].join(',')
}

function fields(value: unknown): Fields {
  return isRecord(value) ? value : {}
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function count(value: unknown): number {
  return Number(value ?? 0)
}
