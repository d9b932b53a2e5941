/** What, besides a HelmRelease itself, queues it. */
import type { HelmRelease } from '../api/helmrelease.ts'
import { type Artifact, conditionOf, type FluxObject, isReady } from '../api/meta.ts'
import { type Key, keyOf, keyText } from '../api/object.ts'
import { configChanged, kubeConfigReferences } from '../runtime/config-watch.ts'
import { dependenciesOf, isMet, sortedByDependency } from '../runtime/depends.ts'
import type { Watch, Wiring } from '../runtime/reconcile.ts'
import { allChartSources, type ChartSource, chartSourceKinds, namesDigest, sourceOf } from './chart-source.ts'
import { allHelmReleases } from './depends.ts'

/**
 * Queues the releases of a source that has a new artifact or has become ready, and those whose HelmChart somebody deleted.
 * Source: helmrelease_indexers.go of Flux.
 */
export const sourceChanged: Watch<HelmRelease> = (wiring) => {
  const consumersOf = wiring.own.store.index('source', (hr) => {
    const source = sourceOf(hr)
    return source ? [`${source.kind}/${keyText(source.key)}`] : []
  })
  for (const sourceKind of chartSourceKinds(wiring.environment.flags)) {
    const stop = allChartSources(sourceKind, wiring.environment).subscribe(({ type, object, old, initial }) => {
      const artifact = object.status?.artifact
      // What was there before us is read by every first run anyway.
      if (initial) return
      const consumers = consumersOf(`${sourceKind.kind}/${keyText(keyOf(object))}`)
      const due = consumers.filter((hr) => {
        if (type === 'deleted') return hr.spec.chart !== undefined
        return artifact !== undefined && isNews(object, old) && !isAt(hr, sourceKind.kind, artifact, old)
      })
      for (const hr of sortedByDependency(due)) wiring.enqueue(keyOf(hr), 'source')
    })
    wiring.signal.addEventListener('abort', stop, { once: true })
  }
}

function isNews(source: ChartSource, old: ChartSource | undefined): boolean {
  return source.status?.artifact?.digest !== old?.status?.artifact?.digest || (isReady(source) && !(old && isReady(old)))
}

/**
 * Whether the artifact is released or about to be. A run that began while the source had no artifact (it comes back after the storage was
 * lost, as with each new pod) may wait for this very one.
 */
function isAt(hr: HelmRelease, kind: string, { revision }: Artifact, old: ChartSource | undefined): boolean {
  const isRunning = old?.status?.artifact !== undefined && conditionOf(hr, 'Reconciling')?.status === 'True'
  if (!isReady(hr) && !isRunning) return false
  const { lastAttemptedRevision, lastAttemptedRevisionDigest } = hr.status ?? {}
  if (!namesDigest(kind, revision)) return revision === lastAttemptedRevision
  return revision.slice(revision.indexOf('@') + 1) === lastAttemptedRevisionDigest
}

/** Queues the dependents of a release that has become ready, unless they are at work themselves. */
export function dependencyReady(isActing: (key: Key) => boolean): Watch<HelmRelease> {
  return ({ environment, own, signal, enqueue }: Wiring<HelmRelease>) => {
    const dependentsOf = own.store.index('dependsOn', (hr) => dependenciesOf(hr).map(keyText))
    const stop = allHelmReleases(environment).subscribe(({ object, old }) => {
      if (!old) return
      for (const dependent of dependentsOf(keyText(keyOf(object)))) {
        const isDue = (isMet(object) && !isMet(old)) || usesExpression(dependent)
        if (isDue && isWaiting(dependent) && !isActing(keyOf(dependent))) enqueue(keyOf(dependent), 'dependency')
      }
    })
    signal.addEventListener('abort', stop, { once: true })
  }
}

function isWaiting(hr: FluxObject): boolean {
  return !isReady(hr)
}

/** A readyExpr may turn with any field of the dependency. */
function usesExpression({ spec }: HelmRelease): boolean {
  return spec.dependsOn?.some(({ readyExpr }) => readyExpr) ?? false
}

/** Queues the releases that take values, or the way to their cluster, from a labelled ConfigMap or Secret. */
export const configurationChanged = configChanged<HelmRelease>({
  index: 'configuration',
  references: ({ spec: { valuesFrom = [], kubeConfig } }) => [...valuesFrom, ...kubeConfigReferences(kubeConfig)],
  order: sortedByDependency,
})
