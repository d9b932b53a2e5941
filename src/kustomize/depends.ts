/** dependsOn: which Kustomizations have to be ready first. */

import type { Kustomization } from '../api/kustomization.ts'
import { type Key, keyText } from '../api/object.ts'
import type { Store } from '../kube/informer.ts'
import { formatDuration } from '../lib/duration.ts'
import { explained, isMet, keyOfReference, problemOfExpression } from '../runtime/depends.ts'
import { type Context, Waiting } from '../runtime/reconcile.ts'
import { eventMetadata, type Revision, sourceKeyOf } from './source.ts'
import { allKustomizations } from './stores.ts'

/**
 * Returns when every dependency is ready, for a source that both share at the same revision. They are read from the store: it is fed by
 * the same watch that brought this object, so it is never behind what the object was written after.
 * @throws Waiting DependencyNotReady with the first that is not, Stalled InvalidCELExpression for a readyExpr that cannot work.
 */
export async function dependenciesReady(ks: Kustomization, revision: Revision, context: Context<Kustomization>): Promise<void> {
  if (!ks.spec.dependsOn?.length) return
  const kustomizations = allKustomizations(context)
  await kustomizations.synced(context.signal)
  for (const { readyExpr, ...reference } of ks.spec.dependsOn) {
    const key = keyOfReference(ks, reference)
    const dependency = kustomizations.store.get(key)
    const unmet = dependency && readyExpr ? problemOfExpression(ks, dependency, readyExpr) : undefined
    const isExpressionEnough = readyExpr && dependency && !context.flags.featureGates.get('AdditiveCELDependencyCheck')
    const problem = unmet ?? (isExpressionEnough ? undefined : problemOf(ks, key, revision.revision, kustomizations.store))
    if (problem !== undefined) throw notReady(problem, revision, context)
  }
}

function notReady(problem: string, revision: Revision, context: Context<Kustomization>): Waiting {
  const retryMs = context.flags.requeueDependencyMs
  const message = `Dependencies do not meet ready condition, retrying in ${formatDuration(retryMs)}`
  context.event({ severity: 'info', reason: 'DependencyNotReady', message, metadata: eventMetadata(revision) })
  return new Waiting('DependencyNotReady', problem, { retryMs })
}

/** Why a dependency is not met, in Flux's words and then in ours; undefined when it is. */
export function problemOf(
  ks: Kustomization,
  key: Key,
  revision: string,
  store: Pick<Store<Kustomization>, 'get'>,
): string | undefined {
  const name = `dependency '${keyText(key)}'`
  const dependency = store.get(key)
  if (!dependency) return `${name} not found: kustomizations.kustomize.toolkit.fluxcd.io "${key.name}" not found`
  const isSettled = isMet(dependency)
  const isUpToDate = sourceKeyOf(dependency) !== sourceKeyOf(ks) || dependency.status?.lastAppliedRevision === revision
  if (isSettled && isUpToDate) return undefined
  return explained(isSettled ? `${name} revision is not up to date` : `${name} is not ready`, ks, dependency, store)
}
