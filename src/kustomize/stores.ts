/** The caches that a run reads besides its own object. */
import { type GitRepository, gitRepositoryKind } from '../api/gitrepository.ts'
import { type Kustomization, kustomizationKind } from '../api/kustomization.ts'
import type { Informer } from '../kube/informer.ts'
import { everyObject, type View } from '../runtime/caches.ts'

export function allKustomizations(view: View): Informer<Kustomization> {
  return everyObject<Kustomization>(kustomizationKind, view)
}

export function allSources(view: View): Informer<GitRepository> {
  return everyObject<GitRepository>(gitRepositoryKind, view)
}
