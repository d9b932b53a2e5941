/** All kinds. */
import { alertKind } from './alert.ts'
import { gitRepositoryKind } from './gitrepository.ts'
import type { KindDefinition } from './kind.ts'
import { kustomizationKind } from './kustomization.ts'
import { providerKind } from './provider.ts'
import { receiverKind } from './receiver.ts'

export const kinds: readonly KindDefinition[] = [gitRepositoryKind, kustomizationKind, alertKind, providerKind, receiverKind]
