/** Why the pods of a workload do not become ready: what `kubectl describe pod` would show, in a line. */
import { gvkOf, type KubeObject } from '../api/object.ts'
import type { Client } from './client.ts'

const withPods: ReadonlySet<string> = new Set([
  'apps/Deployment',
  'apps/StatefulSet',
  'apps/DaemonSet',
  'apps/ReplicaSet',
  'batch/Job',
])
const longestMessage = 200

/**
 * The trouble of the first pod of a Deployment, StatefulSet, DaemonSet, ReplicaSet or Job that has one, with the pod's name; empty for
 * other kinds, and where no pod says anything.
 * @throws ApiError where pods may not be listed.
 */
export async function causeInPods(client: Client, workload: KubeObject, signal: AbortSignal): Promise<string> {
  const { group, kind } = gvkOf(workload)
  const labels = valueAt(workload, 'spec', 'selector', 'matchLabels')
  const { namespace } = workload.metadata
  if (!withPods.has(`${group}/${kind}`) || !isFields(labels) || namespace === undefined) return ''
  const labelSelector = Object.entries(labels)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(',')
  if (labelSelector === '') return ''
  // One page: what ails a workload ails its first pods too.
  const pages = client.pages({ apiVersion: 'v1', kind: 'Pod' }, { namespace, labelSelector, signal })
  for await (const { items } of pages) return firstCause(items)
  return ''
}

function firstCause(pods: readonly KubeObject[]): string {
  for (const pod of newestFirst(pods)) {
    const cause = podCause(pod)
    if (cause !== '') return `pod ${pod.metadata.name}: ${cause}`
  }
  return ''
}

function newestFirst(pods: readonly KubeObject[]): readonly KubeObject[] {
  const created = ({ metadata }: KubeObject) => metadata.creationTimestamp ?? ''
  return pods.toSorted((a, b) => (created(a) < created(b) ? 1 : created(a) > created(b) ? -1 : 0))
}

/**
 * Why a pod is not ready; empty where it is, or does not say. What containers wrote when they ended is left out: that may be anything.
 */
export function podCause(pod: KubeObject): string {
  if (conditions(pod).some(({ type, status }) => type === 'Ready' && status === 'True')) return ''
  const unscheduled = conditions(pod).find(({ type, status }) => type === 'PodScheduled' && status === 'False')
  if (unscheduled) return said(unscheduled.reason, unscheduled.message)
  const containers = ['initContainerStatuses', 'containerStatuses'].flatMap((field) => list(valueAt(pod, 'status', field)))
  for (const container of containers) {
    const trouble = containerTrouble(container)
    if (trouble !== '') return `container ${String(container.name)}: ${trouble}`
  }
  if (valueAt(pod, 'status', 'phase') === 'Failed') return said(valueAt(pod, 'status', 'reason'), valueAt(pod, 'status', 'message'))
  const unready = containers.find((container) => container.ready === false && valueAt(container, 'state', 'running') !== undefined)
  return unready ? `container ${String(unready.name)}: running, but not ready` : ''
}

/** Every pod begins with these. */
const harmless: ReadonlySet<unknown> = new Set(['ContainerCreating', 'PodInitializing'])

function containerTrouble(container: Fields): string {
  const waiting = valueAt(container, 'state', 'waiting')
  const ended = exit(valueAt(container, 'state', 'terminated')) || exit(valueAt(container, 'lastState', 'terminated'))
  if (isFields(waiting) && waiting.reason === 'CrashLoopBackOff') {
    const restarts = `restarted ${String(container.restartCount ?? 0)} times`
    return ['CrashLoopBackOff', ended, restarts].filter(Boolean).join(', ')
  }
  if (isFields(waiting) && !harmless.has(waiting.reason)) return said(waiting.reason, waiting.message)
  return ended
}

/** `exit code 1 (Error)`; empty for a container that has not ended, or ended well. */
function exit(terminated: unknown): string {
  if (!isFields(terminated) || Number(terminated.exitCode ?? 0) === 0) return ''
  const reason = terminated.reason ? ` (${String(terminated.reason)})` : ''
  return `exit code ${String(terminated.exitCode)}${reason}`
}

/** `Reason: message` on one line, as much of it as there is. */
function said(reason: unknown, message: unknown): string {
  const text = [reason, message]
    .map((part) => String(part ?? '').replaceAll(/\s+/g, ' '))
    .filter(Boolean)
    .join(': ')
  return text.length > longestMessage ? `${text.slice(0, longestMessage)}…` : text
}

type Fields = Readonly<Record<string, unknown>>

function conditions(object: KubeObject): readonly Fields[] {
  return list(valueAt(object, 'status', 'conditions'))
}

function list(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : []
}

function valueAt(object: unknown, ...path: string[]): unknown {
  let value = object
  for (const name of path) value = isFields(value) && Object.hasOwn(value, name) ? value[name] : undefined
  return value
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
