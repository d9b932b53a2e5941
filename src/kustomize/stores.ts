/** The caches that a run reads besides its own object. They know no shards: a dependency or source may belong to another process. */
import { type GitRepository, gitRepositoryKind } from '../api/gitrepository.ts'
import { type Kustomization, kustomizationKind } from '../api/kustomization.ts'
import { type Informer, type InformerOptions, type Informers, withoutManagedFields } from '../kube/informer.ts'
import type { Flags } from '../runtime/flags.ts'

interface View {
  readonly informers: Informers
  readonly flags: Flags
}

export function allKustomizations({ informers, flags }: View): Informer<Kustomization> {
  return informers.get<Kustomization>(kustomizationKind, cached(flags))
}

export function allSources({ informers, flags }: View): Informer<GitRepository> {
  return informers.get<GitRepository>(gitRepositoryKind, cached(flags))
}

/** As a loop watches its own kind: without shards it is the same informer. */
function cached(flags: Flags): InformerOptions {
  return { ...scope(flags), transform: withoutManagedFields }
}

/** Where anything may be watched: with `--watch-all-namespaces=false` the process may have rights in its own namespace only. */
export function scope({ watchAllNamespaces, runtimeNamespace }: Flags): InformerOptions {
  return watchAllNamespaces ? {} : { namespace: runtimeNamespace }
}
