/** The caches that a run reads besides its own object. */
import { gitRepositoryKind } from '../api/gitrepository.ts'
import type { Kind } from '../api/kind.ts'
import { type Kustomization, kustomizationKind } from '../api/kustomization.ts'
import type { Artifact, CommonStatus, FluxObject } from '../api/meta.ts'
import { ociRepositoryKind } from '../api/ocirepository.ts'
import type { Informer } from '../kube/informer.ts'
import { everyObject, type View } from '../runtime/caches.ts'

/** An object whose artifact may be applied. */
export type SourceObject = FluxObject<object, CommonStatus & { readonly artifact?: Artifact }>

export const sourceKinds: readonly Kind[] = [gitRepositoryKind, ociRepositoryKind]

export function allKustomizations(view: View): Informer<Kustomization> {
  return everyObject<Kustomization>(kustomizationKind, view)
}

export function allSources(kind: Kind, view: View): Informer<SourceObject> {
  return everyObject<SourceObject>(kind, view)
}
