/** Waiting until the objects of a release are ready, or gone. Source: helm-controller internal/action/wait.go. */
import type { KubeObject } from '../api/object.ts'
import { HealthError } from '../kube/applier.ts'
import { type Health, isReadyWhenApplied } from '../kube/health.ts'
import { Waits } from '../kube/wait.ts'
import { isRecord } from '../lib/json.ts'
import type { ActionContext } from './action.ts'
import { untilReadyForHelm3 } from './legacy-wait.ts'
import type { Item } from './write.ts'

export type Rule = (object: KubeObject) => Health | undefined

export interface WaitOptions {
  readonly timeoutMs: number
  /** Jobs have to end; else they only have to begin. */
  readonly forJobs: boolean
}

/** Waits until all are ready, as `spec.waitStrategy` understands it. @throws HealthError naming those that are not. */
export async function untilReady(items: readonly Item[], options: WaitOptions, context: ActionContext): Promise<void> {
  const isLegacy = context.spec.waitStrategy?.name === 'legacy'
  await (isLegacy ? untilReadyForHelm3 : untilHealthy)(items, options, context)
}

/** The strategy `poller`. A wait ends early when one has failed for good. @throws HealthError */
export async function untilHealthy(
  items: readonly Item[],
  { timeoutMs, forJobs }: WaitOptions,
  context: ActionContext,
): Promise<void> {
  const rule = ruleOf(context.healthRule, { forJobs })
  // Nothing but a rule of the user's own could say that these are not ready.
  const waitedFor = context.healthRule ? items : items.filter(({ ref }) => !isReadyWhenApplied(ref))
  await wait(waitedFor, context, (waits, targets, signal) =>
    waits.ready(targets, { timeoutMs, failFast: true, signal, ...(rule && { rule }) }),
  )
}

/** Waits until Jobs and Pods of a hook have ended; everything else is ready as soon as it is there. @throws HealthError */
export async function untilCompleted(items: readonly Item[], timeoutMs: number, context: ActionContext): Promise<void> {
  // Helm 3 knows of no rules of users.
  const own = context.spec.waitStrategy?.name === 'legacy' ? undefined : context.healthRule
  const rule: Rule = (object) => own?.(object) ?? hookHealth(object)
  await wait(items, context, (waits, targets, signal) => waits.ready(targets, { timeoutMs, failFast: false, signal, rule }))
}

/** @throws HealthError naming what is still there. */
export async function untilGone(items: readonly Item[], timeoutMs: number, context: ActionContext): Promise<void> {
  await wait(items, context, (waits, targets, signal) => waits.gone(targets, { timeoutMs, signal }))
}

type Targets = Parameters<Waits['ready']>[0]

async function wait(
  items: readonly Item[],
  { client, clock, parked }: ActionContext,
  until: (waits: Waits, targets: Targets, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const targets = items
    .filter(({ object }) => !isPaused(object))
    .map(({ ref, object }) => ({ ref, goneIsDone: hasTimeToLive(object) }))
  if (targets.length === 0) return
  try {
    await parked((signal) => until(new Waits(client, clock), targets, signal))
  } catch (error) {
    // How long it took is in the status already.
    if (error instanceof HealthError) throw new HealthError(error.message.replace(/^health check failed after \S+: /, ''))
    throw error
  }
}

/** A Deployment that is paused never gets ready, and is meant not to. */
function isPaused({ apiVersion, kind, spec }: KubeObject): boolean {
  return apiVersion === 'apps/v1' && kind === 'Deployment' && isRecord(spec) && spec.paused === true
}

/** Such a Job is deleted after it has ended. */
function hasTimeToLive({ apiVersion, kind, spec }: KubeObject): boolean {
  return apiVersion === 'batch/v1' && kind === 'Job' && isRecord(spec) && typeof spec.ttlSecondsAfterFinished === 'number'
}

function ruleOf(own: Rule | undefined, { forJobs }: { readonly forJobs: boolean }): Rule | undefined {
  if (forJobs) return own
  return (object) => own?.(object) ?? (object.kind === 'Job' && object.apiVersion === 'batch/v1' ? begunJob(object) : undefined)
}

/** Source: kstatus jobConditions. */
function begunJob({ status }: KubeObject): Health | undefined {
  if (!isRecord(status) || typeof status.startTime !== 'string') return { status: 'InProgress', message: 'Job not started' }
  return conditionOf(status, 'Failed') ? undefined : { status: 'Current', message: 'Job in progress' }
}

function hookHealth(object: KubeObject): Health | undefined {
  const { apiVersion, kind, status } = object
  if (apiVersion === 'batch/v1' && kind === 'Job') return undefined
  if (apiVersion !== 'v1' || kind !== 'Pod') return { status: 'Current', message: 'resource is current' }
  const phase = isRecord(status) ? status.phase : undefined
  if (phase === 'Succeeded') return { status: 'Current', message: 'Pod has completed' }
  if (phase === 'Failed') return { status: 'Failed', message: 'Pod has failed' }
  return { status: 'InProgress', message: `Pod is ${typeof phase === 'string' ? phase : 'not started'}` }
}

function conditionOf(status: Readonly<Record<string, unknown>>, type: string): boolean {
  const conditions = Array.isArray(status.conditions) ? status.conditions : []
  return conditions.some((condition) => isRecord(condition) && condition.type === type && condition.status === 'True')
}
