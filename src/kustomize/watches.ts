/** What, besides a Kustomization itself, queues it. */
import type { Kustomization } from '../api/kustomization.ts'
import { type Artifact, conditionOf, isReady } from '../api/meta.ts'
import { keyOf, keyText } from '../api/object.ts'
import { configChanged, kubeConfigReferences } from '../runtime/config-watch.ts'
import { dependenciesOf, isMet, sortedByDependency } from '../runtime/depends.ts'
import type { Watch } from '../runtime/reconcile.ts'
import type { Appliers } from './appliers.ts'
import { consumersIndex } from './source.ts'
import { allKustomizations, allSources, sourceKinds } from './stores.ts'

/** Queues the Kustomizations of a source whose artifact is new, dependencies first. Source: kustomization_indexers.go of Flux. */
export const sourceChanged: Watch<Kustomization> = ({ environment, own, signal, enqueue }) => {
  const consumersOf = consumersIndex(own.store)
  for (const sourceKind of sourceKinds(environment.flags)) {
    const stop = allSources(sourceKind, environment).subscribe(({ type, object, old, initial }) => {
      // What was there before us is read by every first run anyway.
      if (initial) return
      const artifact = object.status?.artifact
      const before = old?.status?.artifact
      if (type === 'deleted' || !artifact || artifact.digest === before?.digest) return
      const consumers = consumersOf(`${sourceKind.kind}/${keyText(keyOf(object))}`)
      // Other content under the same revision: an ignore rule has changed, and nobody has seen it yet.
      const isRemade = before?.revision === artifact.revision
      const due = consumers.filter((ks) => isRemade || !isAt(ks, artifact.revision, before))
      for (const ks of sortedByDependency(due)) enqueue(keyOf(ks), 'source')
    })
    signal.addEventListener('abort', stop, { once: true })
  }
}

/**
 * Whether the revision is applied or about to be. A run that began while the source had no artifact (it comes back after the storage was
 * lost, as with each new pod) may wait for this very one.
 */
function isAt(ks: Kustomization, revision: string, before: Artifact | undefined): boolean {
  const isRunning = before !== undefined && conditionOf(ks, 'Reconciling')?.status === 'True'
  return ks.status?.lastAttemptedRevision === revision && (isReady(ks) || isRunning)
}

/** Queues the dependents of a Kustomization that has become ready, or ready at another revision; those with a readyExpr more often. */
export const dependencyReady: Watch<Kustomization> = ({ environment, own, signal, enqueue }) => {
  const dependentsOf = own.store.index('dependsOn', (ks) => dependenciesOf(ks).map(keyText))
  const stop = allKustomizations(environment).subscribe(({ object, old }) => {
    if (!old) return
    const isNews = isMet(object) && (conditionOf(old, 'Ready')?.status === 'False' || stateOf(object) !== stateOf(old))
    for (const dependent of dependentsOf(keyText(keyOf(object)))) {
      // A slow run shows Ready as Unknown on its way back to True: nothing new for those that are ready themselves.
      const mayProceed = !isReady(dependent) && ((isMet(object) && !isMet(old)) || usesExpression(dependent))
      if (isNews || mayProceed) enqueue(keyOf(dependent), 'dependency')
    }
  })
  signal.addEventListener('abort', stop, { once: true })
}

/** A readyExpr may turn with any field of the dependency. */
function usesExpression({ spec }: Kustomization): boolean {
  return spec.dependsOn?.some(({ readyExpr }) => readyExpr) ?? false
}

function stateOf(ks: Kustomization): string {
  return `${ks.status?.observedGeneration} ${ks.status?.lastAppliedRevision}`
}

/** Queues the Kustomizations that take variables, or the way to their cluster, from a labelled ConfigMap or Secret. */
export const configurationChanged = configChanged<Kustomization>({
  index: 'configuration',
  references: ({ spec: { postBuild, kubeConfig } }) => [...(postBuild?.substituteFrom ?? []), ...kubeConfigReferences(kubeConfig)],
  order: sortedByDependency,
})

/** Queues the owner of an object that somebody else changed or deleted. */
export function managedObjectChanged(appliers: Appliers): Watch<Kustomization> {
  return ({ enqueue, signal }) => {
    const stop = appliers.onDrift(({ owner }) => enqueue(owner, 'drift'))
    signal.addEventListener('abort', stop, { once: true })
  }
}
