/** What becomes of the managed objects when their Kustomization is deleted. */
import type { Kustomization } from '../api/kustomization.ts'
import { conditionOf } from '../api/meta.ts'
import { displayName, keyOf } from '../api/object.ts'
import { HealthError, type InventoryEntry } from '../kube/applier.ts'
import { changeLog } from '../kube/changes.ts'
import { entryOf, refOfEntry } from '../kube/inventory.ts'
import { messageOf } from '../lib/errors.ts'
import { type Context, type EventDraft, Preempted, Retryable } from '../runtime/reconcile.ts'
import { accountOf } from './appliers.ts'
import { type Cluster, type Clusters, clusterOf } from './cluster.ts'
import { timeoutMs } from './health.ts'
import { failureOf } from './prune.ts'

/**
 * Deletes the objects as `deletionPolicy` says. The source is not needed for it.
 * @throws Retryable PruneFailed when an object could not be deleted: the finalizer stays.
 */
export async function finalize(ks: Kustomization, context: Context<Kustomization>, clusters: Clusters): Promise<void> {
  const entries = ks.status?.inventory?.entries ?? []
  if (!deletesObjects(ks) || entries.length === 0) return
  const post = (severity: EventDraft['severity'], message: string) => context.event(eventOf(ks, severity, message))

  const nobody = await whyNobodyCan(ks, context)
  if (nobody !== undefined) {
    // As when the whole namespace goes; the Kustomization must not hang on that.
    const message = `unable to prune objects: \n${listOf(entries)}`
    context.log.error({ error: nobody }, message)
    return post('error', message)
  }
  const cluster = await clusterFor(ks, context, clusters)
  const { applier } = cluster
  const result = await cluster.turn(() => applier.prune(entries, { owner: keyOf(ks), signal: context.signal }))
  const failure = failureOf(result)
  if (failure !== undefined) {
    post('error', 'pruning for deleted resource failed')
    throw new Retryable('PruneFailed', failure)
  }
  const log = changeLog(result.changes)
  if (log !== '') post('info', log)
  if (ks.spec.deletionPolicy !== 'WaitForTermination') return

  const deleted = result.changes.filter(({ action }) => action === 'deleted').map(({ ref }) => entryOf(ref))
  try {
    await context.parked((signal) => applier.terminated(deleted, { timeoutMs: timeoutMs(ks), failFast: false, signal }))
  } catch (error) {
    if (!(error instanceof HealthError)) throw error
    // The objects are on their way out; holding the Kustomization for longer would help nobody.
    context.log.error({ error: error.message }, 'failed to wait for resources termination')
    post('error', 'failed to wait for resources termination')
  }
}

/** Why the objects can be deleted by nobody any more; undefined while somebody may. */
async function whyNobodyCan(ks: Kustomization, { client, flags, signal }: Context<Kustomization>): Promise<string | undefined> {
  const account = accountOf(ks, flags)
  // Elsewhere the account need not be one of ours: the name is enough.
  if (!account || ks.spec.kubeConfig) return undefined
  const isThere = await client.find(account, { metadataOnly: true, signal })
  return isThere ? undefined : `service account '${account.name}' not found`
}

/** @throws Retryable PruneFailed while the cluster cannot be reached: its objects would be forgotten otherwise. */
async function clusterFor(ks: Kustomization, context: Context<Kustomization>, clusters: Clusters): Promise<Cluster> {
  try {
    return await clusterOf(ks, context, clusters)
  } catch (error) {
    context.signal.throwIfAborted()
    if (error instanceof Preempted) throw error
    const left = `${ks.status?.inventory?.entries.length ?? 0} objects are left there; with spec.deletionPolicy Orphan they stay`
    throw new Retryable('PruneFailed', `failed to build kube client: ${messageOf(error)} (${left})`, { cause: error })
  }
}

/** Source: finalizerShouldDeleteResources of Flux. */
export function deletesObjects({ spec }: Kustomization): boolean {
  if (spec.suspend) return false
  switch (spec.deletionPolicy || 'MirrorPrune') {
    case 'MirrorPrune':
      return spec.prune
    case 'Delete':
    case 'WaitForTermination':
      return true
    case 'Orphan':
      return false
  }
}

/** Source: fluxcd/pkg ssa/utils FmtUnstructuredList. */
function listOf(entries: readonly InventoryEntry[]): string {
  return entries.map((entry) => displayName(refOfEntry(entry))).join('\n')
}

function eventOf(ks: Kustomization, severity: EventDraft['severity'], message: string): EventDraft {
  const { lastAppliedRevision, lastAppliedOriginRevision } = ks.status ?? {}
  const metadata = {
    ...(lastAppliedRevision && { revision: lastAppliedRevision }),
    ...(lastAppliedOriginRevision && { originRevision: lastAppliedOriginRevision }),
  }
  return { severity, reason: conditionOf(ks, 'Ready')?.reason ?? severity, message, metadata }
}
