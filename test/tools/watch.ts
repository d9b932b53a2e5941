/** Waiting for objects of a cluster through `kubectl get --watch`: what a user would see, without polling. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { kubectlOf } from './kubectl.ts'
import { findTool } from './tools.ts'

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly lastTransitionTime: string
  readonly observedGeneration?: number
}

/** An object as kubectl prints it: loose, because tests look at every kind. */
export interface Live {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly uid: string
    readonly generation?: number
    readonly resourceVersion: string
    readonly creationTimestamp: string
    readonly deletionTimestamp?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
    readonly finalizers?: readonly string[]
  }
  readonly spec?: Readonly<Record<string, unknown>>
  readonly data?: Readonly<Record<string, string>>
  readonly status?: {
    readonly conditions?: readonly Condition[]
    readonly observedGeneration?: number
    readonly lastHandledReconcileAt?: string
    readonly lastAppliedRevision?: string
    readonly lastAttemptedRevision?: string
    readonly artifact?: { readonly revision: string; readonly digest: string; readonly url: string; readonly path: string }
    readonly inventory?: { readonly entries: readonly { readonly id: string; readonly v: string }[] }
    readonly [field: string]: unknown
  }
}

export interface Scope {
  readonly kubeconfig: string
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined
}

/** `ERROR` carries a Status and ends the watch. */
export interface LiveEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'ERROR'
  readonly object: Live
}

/**
 * The objects of one resource (`kustomizations`, `configmaps`, `configmap/web`) and their changes, until the signal is aborted.
 * Goes on, with the objects once more, when the API server or the resource was not there.
 */
export async function* watchObjects(resource: string, scope: Scope, signal: AbortSignal): AsyncGenerator<LiveEvent> {
  const [type = '', name] = resource.split('/')
  const args = [
    ...['--kubeconfig', scope.kubeconfig, '--cache-dir', `${scope.kubeconfig}.cache`, 'get', type],
    ...['--watch', '--output-watch-events', '-o', 'json', '--request-timeout', '0'],
    ...(scope.namespace === undefined ? ['--all-namespaces'] : ['--namespace', scope.namespace]),
    // By field, not by name: a name that is not there yet would be an error.
    ...(name === undefined ? [] : ['--field-selector', `metadata.name=${name}`]),
  ]
  const kubectl = await findTool('kubectl', () => {})
  while (!signal.aborted) {
    const child = spawn(kubectl, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    const stop = () => child.kill()
    signal.addEventListener('abort', stop)
    try {
      for await (const line of createInterface({ input: child.stdout })) {
        if (signal.aborted) return // the last line may be half
        const event = JSON.parse(line) as LiveEvent
        if (event.type !== 'ERROR') yield event
      }
    } finally {
      signal.removeEventListener('abort', stop)
      child.kill()
    }
    await delay(100, undefined, { signal }).catch(() => {})
  }
}

/** Says whether an object is what is waited for. */
export type Claim = (object: Live) => boolean

/**
 * Waits until an object (`kustomization/apps`) is there and the claim holds for it, and returns it as it was then.
 * @throws Error with the last state seen when that does not come in time.
 */
export async function untilObject(ref: string, scope: Scope, claim: Claim, timeoutMs = 30_000): Promise<Live> {
  const ended = new AbortController()
  const timer = setTimeout(() => ended.abort(), timeoutMs)
  let last: Live | undefined
  try {
    for await (const { type, object } of watchObjects(ref, scope, ended.signal)) {
      last = type === 'DELETED' ? undefined : object
      if (last && claim(last)) return last
    }
  } finally {
    clearTimeout(timer)
    ended.abort()
  }
  throw new Error(`${ref} did not become as expected within ${timeoutMs} ms; it is ${describe(last)}`)
}

/** Waits until an object is gone; returns at once when it is not there. */
export async function untilGone(ref: string, { kubeconfig, namespace }: Scope, timeoutMs = 30_000): Promise<void> {
  const scope = namespace === undefined ? [] : ['--namespace', namespace]
  await kubectlOf(kubeconfig)('wait', '--for=delete', ref, `--timeout=${timeoutMs}ms`, ...scope)
}

function describe(object: Live | undefined): string {
  if (!object) return 'not there'
  const { metadata, status, data } = object
  return JSON.stringify(
    { generation: metadata.generation, deletionTimestamp: metadata.deletionTimestamp, status, data },
    undefined,
    1,
  )
}

export function conditionOf(object: Live, type: string): Condition | undefined {
  return object.status?.conditions?.find((condition) => condition.type === type)
}

/** Claims that a condition of the current generation has this status (and reason, and text in its message). */
export function hasCondition(type: string, status: Condition['status'], reason?: string, text?: string | RegExp): Claim {
  return (object) => {
    const condition = conditionOf(object, type)
    if (condition?.status !== status) return false
    if (condition.observedGeneration !== undefined && condition.observedGeneration !== object.metadata.generation) return false
    if (reason !== undefined && condition.reason !== reason) return false
    return text === undefined || (typeof text === 'string' ? condition.message.includes(text) : text.test(condition.message))
  }
}

/** Claims Ready=True for the current generation, and for a revision that contains this commit where one is given. */
export function isReady(commit?: string): Claim {
  const ready = hasCondition('Ready', 'True')
  return (object) => {
    if (!ready(object)) return false
    const revision = object.status?.lastAppliedRevision ?? object.status?.artifact?.revision ?? ''
    return commit === undefined || revision.includes(commit)
  }
}
