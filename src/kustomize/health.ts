/** wait and healthChecks: the run ends when the objects are ready. */
import { type Kustomization, kustomizationKind } from '../api/kustomization.ts'
import { gvkOf, type Key, keyOf, keyText, type ObjectRef } from '../api/object.ts'
import { type Applier, HealthError, type HealthOptions, type HealthTarget } from '../kube/applier.ts'
import type { Change } from '../kube/changes.ts'
import { formatDuration, parseDuration } from '../lib/duration.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Context } from '../runtime/reconcile.ts'
import { eventMetadata, failure, type Revision } from './source.ts'

export interface HealthCheck {
  readonly ks: Kustomization
  readonly revision: Revision
  readonly changes: readonly Change[]
  readonly rule: HealthOptions['rule']
  readonly applier: Applier
  readonly deadlines: Deadlines
  readonly context: Context<Kustomization>
}

/**
 * Waits for the objects that the spec names, parked. An interrupted wait goes on in the next run with what is left of its time.
 * @throws Retryable HealthCheckFailed
 */
export async function checkHealth({ ks, revision, changes, rule, applier, deadlines, context }: HealthCheck): Promise<void> {
  const targets = healthTargets(ks, changes)
  if (targets.length === 0) {
    context.condition('Healthy', undefined)
    return
  }
  const wasHealthy = ks.status?.conditions?.some(({ type, status }) => type === 'Healthy' && status === 'True')
  const isNews = !wasHealthy || (revision.revision !== ks.status?.lastAppliedRevision && changes.some(hasChanged))
  const running = `Running health checks for revision ${revision.revision} with a timeout of ${formatDuration(timeoutMs(ks))}`
  context.progress(running)
  context.condition('Healthy', { status: 'Unknown', reason: 'Progressing', message: running })

  const leftMs = deadlines.left(ks, revision.revision, context.clock)
  // Of the whole wait, which may have been interrupted.
  const startedAt = context.clock.monotonic() - (timeoutMs(ks) - leftMs)
  const elapsed = () => formatDuration(context.clock.monotonic() - startedAt)
  const options = {
    timeoutMs: leftMs,
    failFast: !context.flags.featureGates.get('DisableFailFastBehavior'),
    ...(rule && { rule }),
  }
  try {
    await context.parked((signal) => applier.healthy(targets, { ...options, signal }))
  } catch (error) {
    if (!(error instanceof HealthError)) throw error
    deadlines.forget(keyOf(ks))
    const cause = error.message.replace(/^health check failed after \S+: /, '')
    context.condition('Healthy', { status: 'False', reason: 'HealthCheckFailed', message: cause })
    throw failure(ks, revision, 'HealthCheckFailed', `health check failed after ${elapsed()}: ${cause}`, error)
  }
  deadlines.forget(keyOf(ks))
  const message = `Health check passed in ${elapsed()}`
  context.condition('Healthy', { status: 'True', reason: 'Succeeded', message })
  if (isNews) context.event({ severity: 'info', reason: 'Progressing', message, metadata: eventMetadata(revision) })
}

/** What was applied and not skipped, or the list of the spec; never the Kustomization itself, which would wait for itself. */
export function healthTargets(ks: Kustomization, changes: readonly Change[]): HealthTarget[] {
  const applied = () => changes.filter(({ action }) => action !== 'skipped').map(({ ref }) => ref)
  const listed = () => (ks.spec.healthChecks ?? []).map((check) => ({ ...check, apiVersion: check.apiVersion || 'apps/v1' }))
  return (ks.spec.wait ? applied() : listed()).filter((ref) => !isSelf(ks, ref)).map((ref) => ({ ref }))
}

function isSelf(ks: Kustomization, ref: ObjectRef): boolean {
  const { name, namespace } = ks.metadata
  const isKustomization = ref.kind === kustomizationKind.kind && gvkOf(ref).group === kustomizationKind.group
  return isKustomization && ref.name === name && ref.namespace === namespace
}

/** Whether the object was written: what the change log of an apply shows. */
export function hasChanged({ action }: Change): boolean {
  return action !== 'unchanged' && action !== 'skipped'
}

/** How long health checks and terminations may take. Source: Kustomization.GetTimeout of Flux. */
export function timeoutMs(ks: Kustomization): number {
  const { timeout, interval } = ks.spec
  return Math.max(30_000, timeout === undefined ? parseDuration(interval) - 30_000 : parseDuration(timeout))
}

interface Deadline {
  /** The state of the object that the wait is for. */
  readonly of: string
  /** Of the monotonic clock. */
  readonly at: number
}

/** When the waits end that are under way: a wait that is interrupted does not begin anew. */
export class Deadlines {
  readonly #deadlines = new Map<string, Deadline>()

  /** What is left of the time for this generation and revision, in milliseconds; the first call sets the deadline. */
  left(ks: Kustomization, revision: string, clock: Clock): number {
    const key = keyText(keyOf(ks))
    const of = `${ks.metadata.generation} ${revision}`
    const known = this.#deadlines.get(key)
    const deadline = known?.of === of ? known : { of, at: clock.monotonic() + timeoutMs(ks) }
    this.#deadlines.set(key, deadline)
    return Math.max(0, deadline.at - clock.monotonic())
  }

  forget(key: Key): void {
    this.#deadlines.delete(keyText(key))
  }
}
