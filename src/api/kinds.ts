/** All kinds. */
import { gitRepositoryKind } from './gitrepository.ts'
import type { KindDefinition } from './kind.ts'
import { kustomizationKind } from './kustomization.ts'

export const kinds: readonly KindDefinition[] = [gitRepositoryKind, kustomizationKind]
