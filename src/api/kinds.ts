/** All kinds. */
import { alertKind } from './alert.ts'
import { externalArtifactKind } from './externalartifact.ts'
import { gitRepositoryKind } from './gitrepository.ts'
import { helmChartKind } from './helmchart.ts'
import { helmReleaseKind } from './helmrelease.ts'
import { helmRepositoryKind } from './helmrepository.ts'
import type { KindDefinition } from './kind.ts'
import { kustomizationKind } from './kustomization.ts'
import { ociRepositoryKind } from './ocirepository.ts'
import { providerKind } from './provider.ts'
import { receiverKind } from './receiver.ts'

export const kinds: readonly KindDefinition[] = [
  gitRepositoryKind,
  helmRepositoryKind,
  helmChartKind,
  ociRepositoryKind,
  externalArtifactKind,
  kustomizationKind,
  helmReleaseKind,
  alertKind,
  providerKind,
  receiverKind,
]
