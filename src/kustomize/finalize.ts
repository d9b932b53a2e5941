/** What becomes of the managed objects when their Kustomization is deleted. */
import type { Kustomization } from '../api/kustomization.ts'
import { conditionOf } from '../api/meta.ts'
import { displayName, keyOf } from '../api/object.ts'
import { HealthError, type InventoryEntry } from '../kube/applier.ts'
import { changeLog } from '../kube/changes.ts'
import { entryOf, refOfEntry } from '../kube/inventory.ts'
import { messageOf } from '../lib/errors.ts'
import { type Context, type EventDraft, Preempted, Retryable } from '../runtime/reconcile.ts'
import { KubeConfigMissing } from '../runtime/remote-clusters.ts'
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

  const cluster = await reachableCluster(ks, context, clusters)
  if (cluster instanceof Unreachable) {
    const message = `unable to prune objects: \n${listOf(entries)}`
    context.log.error({ error: cluster.message }, message)
    return post('error', message)
  }
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

/** Nobody can delete the objects any more, as when the whole namespace goes; the Kustomization must not hang on that. */
class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

/** @throws Retryable PruneFailed while the cluster cannot be reached, but may be again: its objects would be forgotten. */
async function reachableCluster(
  ks: Kustomization,
  context: Context<Kustomization>,
  clusters: Clusters,
): Promise<Cluster | Unreachable> {
  const account = accountOf(ks, context.flags)
  // Elsewhere the account need not be one of ours: the name is enough.
  if (account && !ks.spec.kubeConfig && !(await context.client.find(account, { metadataOnly: true, signal: context.signal })))
    return new Unreachable(`service account '${account.name}' not found`)
  try {
    return await clusterOf(ks, context, clusters)
  } catch (error) {
    context.signal.throwIfAborted()
    if (error instanceof Preempted) throw error
    if (error instanceof KubeConfigMissing && (await isNamespaceGoing(ks, context))) return new Unreachable(error.message)
    const left = `${ks.status?.inventory?.entries.length ?? 0} objects are left there; with spec.deletionPolicy Orphan they stay`
    throw new Retryable('PruneFailed', `failed to build kube client: ${messageOf(error)} (${left})`, { cause: error })
  }
}

/** Then nothing can be brought back that the Kustomization needs. Without the right to look it may be. */
async function isNamespaceGoing({ metadata }: Kustomization, { client, signal }: Context<Kustomization>): Promise<boolean> {
  const ref = { apiVersion: 'v1', kind: 'Namespace', name: metadata.namespace }
  const namespace = await client.find(ref, { metadataOnly: true, signal }).catch(() => undefined)
  return namespace?.metadata.deletionTimestamp !== undefined
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
