/** dependsOn: which HelmReleases have to be ready first. */
import { type HelmRelease, helmReleaseKind } from '../api/helmrelease.ts'
import { keyText } from '../api/object.ts'
import type { Informer } from '../kube/informer.ts'
import { everyObject, type View } from '../runtime/caches.ts'
import { explained, isMet, keyOfReference, problemOfExpression } from '../runtime/depends.ts'
import { type Context, Waiting } from '../runtime/reconcile.ts'

export function allHelmReleases(view: View): Informer<HelmRelease> {
  return everyObject<HelmRelease>(helmReleaseKind, view)
}

/**
 * Returns when every dependency is ready.
 * @throws Waiting DependencyNotReady with the first that is not, Stalled InvalidCELExpression for a readyExpr that cannot work.
 */
export async function dependenciesReady(hr: HelmRelease, context: Context<HelmRelease>): Promise<void> {
  if (!hr.spec.dependsOn?.length) return
  const releases = allHelmReleases(context)
  await releases.synced(context.signal)
  for (const { readyExpr, ...reference } of hr.spec.dependsOn) {
    const key = keyOfReference(hr, reference)
    const dependency = releases.store.get(key)
    if (!dependency) {
      throw notReady(
        `unable to get '${keyText(key)}' dependency: ${helmReleaseKind.plural}.${helmReleaseKind.group} "${key.name}" not found`,
        context,
      )
    }
    const unmet = readyExpr ? problemOfExpression(hr, dependency, readyExpr) : undefined
    if (unmet !== undefined) throw notReady(unmet, context)
    const isEnough = readyExpr && !context.flags.featureGates.get('AdditiveCELDependencyCheck')
    if (isEnough || isMet(dependency)) continue
    throw notReady(explained(`dependency '${keyText(key)}' is not ready`, hr, dependency, releases.store), context)
  }
}

function notReady(problem: string, { flags }: Context<HelmRelease>): Waiting {
  return new Waiting('DependencyNotReady', problem, { retryMs: flags.requeueDependencyMs, event: 'info' })
}
