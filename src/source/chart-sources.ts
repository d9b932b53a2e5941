/** The source of a HelmChart: which object it is, what it has, and when it has something else. */
import { type GitRepository, gitRepositoryKind } from '../api/gitrepository.ts'
import type { HelmChart } from '../api/helmchart.ts'
import { type HelmRepository, helmRepositoryKind } from '../api/helmrepository.ts'
import type { Kind } from '../api/kind.ts'
import { conditionOf } from '../api/meta.ts'
import { type Key, keyOf, keyText } from '../api/object.ts'
import type { Informer } from '../kube/informer.ts'
import { everyObject, scope, type View } from '../runtime/caches.ts'
import type { Watch, Wiring } from '../runtime/reconcile.ts'
import { normalizedUrl } from './helm-access.ts'
import type { SourceObject } from './stored.ts'

export function allHelmRepositories(view: View): Informer<HelmRepository> {
  return everyObject<HelmRepository>(helmRepositoryKind, view)
}

export function allGitRepositories(view: View): Informer<GitRepository> {
  return everyObject<GitRepository>(gitRepositoryKind, view)
}

/** A registry: it has no index, and no status that would tell of changes. */
export function isRegistry({ spec }: HelmRepository): boolean {
  return spec.type === 'oci'
}

/** The HelmRepository of a namespace with this address, if any: of several the first by name. */
export async function repositoryAt(
  address: string,
  namespace: string,
  { signal, ...view }: View & { readonly signal: AbortSignal },
): Promise<HelmRepository | undefined> {
  const repositories = allHelmRepositories(view)
  await repositories.synced(signal)
  const at = repositories.store.index('address', ({ metadata, spec }) => {
    const known = addressOf(spec.url)
    return known === undefined ? [] : [`${metadata.namespace} ${known}`]
  })
  return at(`${namespace} ${address}`).toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))[0]
}

function addressOf(url: string): string | undefined {
  try {
    return normalizedUrl(url)
  } catch {
    return undefined
  }
}

/** Queues the charts of a source that has a new revision, and those of a registry that is described anew. */
export const sourceChanged: Watch<HelmChart> = (wiring) => {
  const chartsOf = chartsIndex(wiring)
  const watch = <T extends SourceObject>(sources: Informer<T>, { kind }: Kind, isDue: typeof isBehind<T>) => {
    const stop = sources.subscribe(({ type, object, old, initial }) => {
      // What was there before us is read by every first run anyway.
      if (initial || type === 'deleted') return
      for (const chart of chartsOf(kind, keyOf(object))) if (isDue(chart, object, old)) wiring.enqueue(keyOf(chart), 'source')
    })
    wiring.signal.addEventListener('abort', stop, { once: true })
  }
  watch(allGitRepositories(wiring.environment), gitRepositoryKind, isBehind)
  watch(allHelmRepositories(wiring.environment), helmRepositoryKind, (chart, repository, old) =>
    isRegistry(repository) ? repository.metadata.generation !== old?.metadata.generation : isBehind(chart, repository, old),
  )
}

/** Source: requestsForHelmRepositoryChange and SourceRevisionChangePredicate of source-controller. */
function isBehind<T extends SourceObject>(chart: HelmChart, source: T, old: T | undefined): boolean {
  const artifact = source.status?.artifact
  if (!artifact || artifact.revision === old?.status?.artifact?.revision) return false
  const isWaiting = conditionOf(chart, 'FetchFailed')?.reason === 'NoSourceArtifact'
  return isWaiting || chart.status?.observedSourceArtifactRevision !== artifact.revision
}

/** Queues the charts of registries whose Secret changes, where it is labelled. Those of other repositories follow the index. */
export const registrySecretChanged: Watch<HelmChart> = (wiring) => {
  const { environment, informers, signal, enqueue } = wiring
  const { featureGates, watchConfigsLabelSelector: labelSelector } = environment.flags
  if (featureGates.get('DisableConfigWatchers')) return
  const chartsOf = chartsIndex(wiring)
  const repositories = allHelmRepositories(environment)
  const usersOf = repositories.store.index('registrySecrets', (repository) =>
    isRegistry(repository) ? secretsOf(repository).map((name) => `${repository.metadata.namespace}/${name}`) : [],
  )
  const secrets = informers.get(
    { apiVersion: 'v1', kind: 'Secret' },
    { ...scope(environment.flags), labelSelector, metadataOnly: true },
  )
  const stop = secrets.subscribe(({ object, initial }) => {
    if (initial) return
    for (const repository of usersOf(keyText(keyOf(object))))
      for (const chart of chartsOf(helmRepositoryKind.kind, keyOf(repository))) enqueue(keyOf(chart), 'config')
  })
  signal.addEventListener('abort', stop, { once: true })
}

function secretsOf({ spec }: HelmRepository): string[] {
  return [spec.secretRef, spec.certSecretRef].flatMap((ref) => (ref ? [ref.name] : []))
}

function chartsIndex({ own }: Wiring<HelmChart>): (kind: string, key: Key) => readonly HelmChart[] {
  const chartsOf = own.store.index('sourceRef', ({ metadata, spec }) => [
    `${spec.sourceRef.kind}/${metadata.namespace}/${spec.sourceRef.name}`,
  ])
  return (kind, key) => chartsOf(`${kind}/${keyText(key)}`)
}
