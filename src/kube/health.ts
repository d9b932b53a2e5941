/** Whether an object is ready, from the object alone: the kstatus rules, with Flux's rule for Jobs. */
import { gvkOf, type KubeObject } from '../api/object.ts'

export type HealthStatus = 'Current' | 'InProgress' | 'Failed' | 'Terminating' | 'NotFound' | 'Unknown'

export interface Health {
  readonly status: HealthStatus
  /** Why, for people; where the object gives a reason of its own, that one. */
  readonly message: string
}

/**
 * Computes the health of an object that was read with its status.
 * @param now Milliseconds since 1970: an unschedulable pod has 15 seconds.
 * Source: github.com/fluxcd/cli-utils pkg/kstatus/status, github.com/fluxcd/pkg/runtime/statusreaders.
 */
export function healthOf(object: KubeObject, now: number): Health {
  return genericHealth(object) ?? ruleFor(object)?.(object, now) ?? readyCondition(object) ?? current('resource is current')
}

/** Kinds without a status: they are ready as soon as they exist. */
const readyWhenApplied: ReadonlySet<string> = new Set([
  '/ConfigMap',
  '/Secret',
  '/ServiceAccount',
  '/LimitRange',
  'rbac.authorization.k8s.io/Role',
  'rbac.authorization.k8s.io/RoleBinding',
  'rbac.authorization.k8s.io/ClusterRole',
  'rbac.authorization.k8s.io/ClusterRoleBinding',
  'networking.k8s.io/NetworkPolicy',
  'networking.k8s.io/IngressClass',
  'scheduling.k8s.io/PriorityClass',
  'storage.k8s.io/StorageClass',
  'admissionregistration.k8s.io/MutatingWebhookConfiguration',
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration',
])

/** Whether it is enough to know that an object of this kind is there. */
export function isReadyWhenApplied(ref: { readonly apiVersion: string; readonly kind: string }): boolean {
  const { group, kind } = gvkOf(ref)
  return readyWhenApplied.has(`${group}/${kind}`)
}

type Rule = (object: KubeObject, now: number) => Health

function ruleFor(object: KubeObject): Rule | undefined {
  const { group, kind } = gvkOf(object)
  return rules.get(`${group}/${kind}`)
}

const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['/Service', serviceHealth],
  ['/Pod', podHealth],
  ['/Secret', always],
  ['/ConfigMap', always],
  ['/PersistentVolumeClaim', claimHealth],
  ['apps/StatefulSet', statefulSetHealth],
  ['apps/DaemonSet', daemonSetHealth],
  ['extensions/DaemonSet', daemonSetHealth],
  ['apps/Deployment', deploymentHealth],
  ['extensions/Deployment', deploymentHealth],
  ['apps/ReplicaSet', replicaSetHealth],
  ['extensions/ReplicaSet', replicaSetHealth],
  ['policy/PodDisruptionBudget', always],
  ['batch/CronJob', always],
  ['batch/Job', jobHealth],
  ['apiextensions.k8s.io/CustomResourceDefinition', definitionHealth],
])

const current = (message: string): Health => ({ status: 'Current', message })
const inProgress = (message: string): Health => ({ status: 'InProgress', message })
const failed = (message: string): Health => ({ status: 'Failed', message })

function always(): Health {
  return current('resource is always ready')
}

/** What holds for every kind; undefined where it decides nothing. */
function genericHealth(object: KubeObject): Health | undefined {
  if (object.metadata.deletionTimestamp) return { status: 'Terminating', message: terminatingMessage(object) }
  const { generation } = object.metadata
  const observed = numberAt(object, 'status', 'observedGeneration')
  if (generation !== undefined && observed !== undefined && observed !== generation) {
    return inProgress(`generation is ${generation}, but latest observed generation is ${observed}`)
  }
  for (const condition of conditionsOf(object)) {
    if (condition.status !== 'True') continue
    if (condition.type === 'Reconciling') return inProgress(explain(condition))
    if (condition.type === 'Stalled') return failed(explain(condition))
  }
  return undefined
}

function terminatingMessage(object: KubeObject): string {
  const finalizers = object.metadata.finalizers ?? []
  return finalizers.length > 0
    ? `scheduled for deletion, waiting for finalizers ${finalizers.join(', ')}`
    : 'scheduled for deletion'
}

/** A Ready condition that is not True says nothing final: it may still become so. */
function readyCondition(object: KubeObject): Health | undefined {
  const ready = conditionsOf(object).find((condition) => condition.type === 'Ready')
  if (!ready) return undefined
  if (ready.status === 'True') return current('resource is Ready')
  return ready.status === 'False' || ready.status === 'Unknown' ? inProgress(explain(ready)) : undefined
}

function deploymentHealth(object: KubeObject): Health {
  const conditions = conditionsOf(object)
  const progressing = conditions.find((condition) => condition.type === 'Progressing')
  if (progressing?.reason === 'ProgressDeadlineExceeded') return failed(explain(progressing))

  const wanted = numberAt(object, 'spec', 'replicas') ?? 1
  const replicas = numberAt(object, 'status', 'replicas') ?? 0
  const updated = numberAt(object, 'status', 'updatedReplicas') ?? 0
  const ready = numberAt(object, 'status', 'readyReplicas') ?? 0
  const available = numberAt(object, 'status', 'availableReplicas') ?? 0
  const failure = conditions.find((condition) => condition.type === 'ReplicaFailure' && condition.status === 'True')
  const why = failure ? `; ${explain(failure)}` : ''
  if (wanted > replicas) return inProgress(`replicas: ${replicas}/${wanted}${why}`)
  if (wanted > updated) return inProgress(`updated: ${updated}/${wanted}${why}`)
  if (replicas > wanted) return inProgress(`pending termination: ${replicas - wanted}`)
  if (updated > available) return inProgress(`available: ${available}/${updated}${why}`)
  if (wanted > ready) return inProgress(`ready: ${ready}/${wanted}${why}`)
  if (!isRolledOut(object, progressing)) return inProgress('ReplicaSet not available')
  const isAvailable = conditions.some((condition) => condition.type === 'Available' && condition.status === 'True')
  return isAvailable ? current(`Deployment is available, replicas: ${replicas}`) : inProgress('Deployment not available')
}

/** Without a deadline (the controller takes the largest int32 for none) there is no Progressing condition. */
function isRolledOut(object: KubeObject, progressing: StatusCondition | undefined): boolean {
  const deadline = numberAt(object, 'spec', 'progressDeadlineSeconds') ?? 2 ** 31 - 1
  if (deadline === 2 ** 31 - 1) return true
  return progressing?.status === 'True' && progressing.reason === 'NewReplicaSetAvailable'
}

function statefulSetHealth(object: KubeObject): Health {
  if (valueAt(object, 'spec', 'updateStrategy', 'type') === 'OnDelete')
    return current('StatefulSet is updated when its pods are deleted')
  const wanted = numberAt(object, 'spec', 'replicas') ?? 1
  const replicas = numberAt(object, 'status', 'replicas') ?? 0
  const ready = numberAt(object, 'status', 'readyReplicas') ?? 0
  const updated = numberAt(object, 'status', 'updatedReplicas') ?? 0
  const partition = numberAt(object, 'spec', 'updateStrategy', 'rollingUpdate', 'partition')
  if (wanted > replicas) return inProgress(`replicas: ${replicas}/${wanted}`)
  if (wanted > ready) return inProgress(`ready: ${ready}/${wanted}`)
  if (replicas > wanted) return inProgress(`pending termination: ${replicas - wanted}`)
  if (partition !== undefined && partition !== -1) {
    if (updated < wanted - partition) return inProgress(`updated: ${updated}/${wanted - partition}`)
    return current(`partition roll-out is complete, updated: ${updated}`)
  }
  const currentReplicas = numberAt(object, 'status', 'currentReplicas') ?? 0
  if (wanted > currentReplicas) return inProgress(`current: ${currentReplicas}/${wanted}`)
  if (valueAt(object, 'status', 'currentRevision') !== valueAt(object, 'status', 'updateRevision')) {
    return inProgress('waiting for the updated revision to become the current one')
  }
  return current(`all replicas are scheduled as expected: ${replicas}`)
}

/** Its controller always sets the observed generation and the desired number: without them it has not looked yet. */
function daemonSetHealth(object: KubeObject): Health {
  if (object.metadata.generation === undefined) return inProgress('metadata.generation not found')
  if (numberAt(object, 'status', 'observedGeneration') === undefined) return inProgress('status.observedGeneration not found')
  const wanted = numberAt(object, 'status', 'desiredNumberScheduled')
  if (wanted === undefined) return inProgress('status.desiredNumberScheduled not found')
  const parts = [
    ['current', 'currentNumberScheduled'],
    ['updated', 'updatedNumberScheduled'],
    ['available', 'numberAvailable'],
    ['ready', 'numberReady'],
  ] as const
  for (const [name, field] of parts) {
    const count = numberAt(object, 'status', field) ?? 0
    if (wanted > count) return inProgress(`${name}: ${count}/${wanted}`)
  }
  return current(`all replicas are scheduled as expected: ${wanted}`)
}

function replicaSetHealth(object: KubeObject): Health {
  const failure = conditionsOf(object).find((condition) => condition.type === 'ReplicaFailure' && condition.status === 'True')
  if (failure) return inProgress(explain(failure))
  const wanted = numberAt(object, 'spec', 'replicas') ?? 1
  const parts = [
    ['labelled', 'fullyLabeledReplicas'],
    ['available', 'availableReplicas'],
    ['ready', 'readyReplicas'],
  ] as const
  for (const [name, field] of parts) {
    const count = numberAt(object, 'status', field) ?? 0
    if (wanted > count) return inProgress(`${name}: ${count}/${wanted}`)
  }
  const replicas = numberAt(object, 'status', 'replicas') ?? 0
  if (replicas > wanted) return inProgress(`pending termination: ${replicas - wanted}`)
  return current(`ReplicaSet is available, replicas: ${replicas}`)
}

const schedulingWindowMs = 15_000

function podHealth(object: KubeObject, now: number): Health {
  const phase = valueAt(object, 'status', 'phase')
  switch (phase) {
    case 'Succeeded':
      return current('pod has completed')
    case 'Failed':
      return current('pod has completed, but not successfully')
    case 'Running':
      return runningPodHealth(object)
    case 'Pending':
      return pendingPodHealth(object, now)
    case undefined:
    case '':
      return inProgress('pod has no phase yet')
    default:
      return { status: 'Unknown', message: `unknown phase ${String(phase)}` }
  }
}

function runningPodHealth(object: KubeObject): Health {
  const ready = conditionsOf(object).find((condition) => condition.type === 'Ready')
  if (ready?.status === 'True') return current('pod is ready')
  const looping = containerStatuses(object).filter((status) => valueAt(status, 'state', 'waiting', 'reason') === 'CrashLoopBackOff')
  if (looping.length > 0)
    return failed(`containers in CrashLoopBackOff: ${looping.map((status) => String(status.name)).join(', ')}`)
  return inProgress('pod is running but not ready')
}

function pendingPodHealth(object: KubeObject, now: number): Health {
  const scheduled = conditionsOf(object).find((condition) => condition.type === 'PodScheduled' && condition.status === 'False')
  if (scheduled?.reason !== 'Unschedulable') return inProgress('pod is pending')
  const ageMs = now - Date.parse(object.metadata.creationTimestamp ?? '')
  return ageMs < schedulingWindowMs ? inProgress('pod has not been scheduled') : failed(explain(scheduled))
}

function containerStatuses(object: KubeObject): Fields[] {
  const statuses = valueAt(object, 'status', 'containerStatuses')
  return Array.isArray(statuses) ? statuses.filter(isFields) : []
}

/** Unlike plain kstatus a running Job is not ready: whoever waits for a Job wants its result. */
function jobHealth(object: KubeObject): Health {
  if (valueAt(object, 'spec', 'suspend') === true) return current('Job is suspended')
  const conditions = conditionsOf(object).filter((condition) => condition.status === 'True')
  const counts = ['succeeded', 'active', 'failed'].map((field) => `${field}: ${numberAt(object, 'status', field) ?? 0}`).join(', ')
  for (const condition of conditions) {
    if (condition.type === 'Complete') return current(`Job is complete, ${counts}`)
    if (condition.type === 'Failed') return failed(explain(condition))
  }
  return inProgress(valueAt(object, 'status', 'startTime') ? `Job is in progress, ${counts}` : 'Job has not started')
}

function serviceHealth(object: KubeObject): Health {
  const isPending = valueAt(object, 'spec', 'type') === 'LoadBalancer' && !valueAt(object, 'spec', 'clusterIP')
  return isPending ? inProgress('clusterIP is not set') : current('Service is ready')
}

function claimHealth(object: KubeObject): Health {
  const phase = valueAt(object, 'status', 'phase') ?? 'unknown'
  return phase === 'Bound' ? current('claim is bound') : inProgress(`claim is not bound, phase: ${String(phase)}`)
}

function definitionHealth(object: KubeObject): Health {
  for (const condition of conditionsOf(object)) {
    if (condition.type === 'NamesAccepted' && condition.status === 'False') return failed(explain(condition))
    if (condition.type !== 'Established') continue
    if (condition.status === 'True') return current('CRD is established')
    if (condition.status === 'False' && condition.reason !== 'Installing') return failed(explain(condition))
  }
  return inProgress('CRD is being installed')
}

interface StatusCondition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
}

function conditionsOf(object: KubeObject): StatusCondition[] {
  const conditions = valueAt(object, 'status', 'conditions')
  if (!Array.isArray(conditions)) return []
  return conditions.filter(isFields).map((condition) => ({
    type: String(condition.type ?? ''),
    status: String(condition.status ?? ''),
    reason: String(condition.reason ?? ''),
    message: String(condition.message ?? ''),
  }))
}

/** `Reason: message`, as much of it as there is. */
function explain({ reason, message, type, status }: StatusCondition): string {
  return [reason, message].filter(Boolean).join(': ') || `${type} is ${status}`
}

type Fields = Readonly<Record<string, unknown>>

function numberAt(object: Fields, ...path: string[]): number | undefined {
  const value = valueAt(object, ...path)
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined
}

function valueAt(object: unknown, ...path: string[]): unknown {
  let value = object
  for (const name of path) value = isFields(value) && Object.hasOwn(value, name) ? value[name] : undefined
  return value
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
