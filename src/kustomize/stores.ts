/** The caches that a run reads besides its own object. */
import { externalArtifactKind } from '../api/externalartifact.ts'
import { gitRepositoryKind } from '../api/gitrepository.ts'
import type { Kind } from '../api/kind.ts'
import { type Kustomization, kustomizationKind } from '../api/kustomization.ts'
import type { Artifact, CommonStatus, FluxObject } from '../api/meta.ts'
import { ociRepositoryKind } from '../api/ocirepository.ts'
import type { Informer } from '../kube/informer.ts'
import { everyObject, type View } from '../runtime/caches.ts'
import type { Flags } from '../runtime/flags.ts'

/** An object whose artifact may be applied. */
export type SourceObject = FluxObject<object, CommonStatus & { readonly artifact?: Artifact }>

/** The kinds of sources that may be applied. Who writes ExternalArtifacts is not ours to control: they count only with their gate. */
export function sourceKinds({ featureGates }: Pick<Flags, 'featureGates'>): readonly Kind[] {
  const own = [gitRepositoryKind, ociRepositoryKind]
  return featureGates.get(externalArtifactKind.kind) ? [...own, externalArtifactKind] : own
}

export function allKustomizations(view: View): Informer<Kustomization> {
  return everyObject<Kustomization>(kustomizationKind, view)
}

export function allSources(kind: Kind, view: View): Informer<SourceObject> {
  return everyObject<SourceObject>(kind, view)
}
