/** A build as the main thread sees it. What runs in the worker (`build.ts`) brings the whole engine with it: the main thread does without. */
import { posix } from 'node:path'
import type { KustomizationSpec } from '../api/kustomization.ts'
import type { KubeObject } from '../api/object.ts'
import type { ManifestItem } from '../kube/applier.ts'
import type { Task } from '../runtime/workers.ts'
import type { Settings } from './generate.ts'
import type { Substitution } from './variables.ts'

export interface BuildInput {
  /** Absolute path of the unpacked artifact. */
  readonly directory: string
  /** `spec.path`. */
  readonly path: string
  readonly settings: Settings
  readonly commonMetadata: KustomizationSpec['commonMetadata']
  readonly substitution: Substitution | undefined
  /** How long all remote bases and files together may take; undefined where they are not allowed. */
  readonly remoteTimeoutMs: number | undefined
}

export interface BuildOutput {
  readonly items: readonly ManifestItem[]
  /** The objects, in the order of `items`. */
  readonly objects: readonly KubeObject[]
  /** `sha256:<hex>` of the objects as YAML, before commonMetadata. */
  readonly digest: string
  /** Paths of files and of directories that were looked at, whether they exist or not. */
  readonly reads: readonly string[]
  readonly lists: readonly string[]
  /** The next build may give something else though no file has changed: it used remote content that may move. */
  readonly mayMove: boolean
  readonly warnings: readonly string[]
}

export const buildTask: Task<BuildInput, BuildOutput> = { name: 'kustomize/build' }

/** Where `spec.path` leads, never out of the artifact: `..` stops at its root. Source: securejoin, which Flux uses. */
export function pathInArtifact(path: string): string {
  return posix.join('/', path).replace(/^\/|\/$/g, '')
}
