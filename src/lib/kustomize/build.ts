/** One build: from the folder that is asked for to finished objects in their order. */

import type { Tree } from '../tree.ts'
import type { YamlLimits } from '../yaml/index.ts'
import type { ChartOptions } from './generators/charts.ts'
import type { Kustomization, SortOptions } from './kustomization.ts'
import { Loader, type Sources } from './loader.ts'
import { clearTransformations, setOrigin } from './origin.ts'
import type { ParseCache } from './parse-cache.ts'
import type { ResMap } from './resmap.ts'
import type { Resource } from './resource.ts'
import { SchemaSet } from './schema.ts'
import { type Build, LABELS, Target } from './target.ts'
import { addEntries } from './transformers/metadata.ts'
import { LEGACY_ORDER, sortResources } from './transformers/sort.ts'

const MANAGED_BY = new Map([['app.kubernetes.io/managed-by', 'kustomize-v5.8.1']])

/** Order of the output: `none` leaves it, `unspecified` sorts as `legacy` unless the kustomization has `sortOptions`. */
export type Reorder = 'none' | 'legacy' | 'unspecified'

export interface TargetOptions {
  readonly reorder: Reorder
  readonly addManagedByLabel: boolean
  readonly lenientRoot: boolean
  readonly limits: YamlLimits
  readonly cache: ParseCache | undefined
  readonly charts: ChartOptions | undefined
}

export interface BuiltResources {
  readonly resources: readonly Resource[]
  readonly warnings: readonly string[]
}

/** Builds a folder. @throws BuildError or ParseError; NeedsRemote when something has to be fetched first. */
export function buildTarget(tree: Tree, path: string, sources: Sources, options: TargetOptions): BuiltResources {
  const build: Build = {
    schemas: new SchemaSet(),
    limits: options.limits,
    cache: options.cache,
    charts: options.charts,
    warnings: [],
  }
  const target = Target.load(Loader.at(tree, path, sources), build, { lenient: options.lenientRoot })
  target.stateSchema()
  const { kustomization } = target
  const resources = target.finish()
  order(resources, kustomization.sortOptions, options.reorder, build)
  if (options.addManagedByLabel || kustomization.buildMetadata.includes('managedByLabel'))
    addEntries(resources, MANAGED_BY, [LABELS])
  removeTraces(resources, kustomization)
  return { resources: resources.resources(), warnings: build.warnings }
}

function order(resources: ResMap, own: SortOptions | undefined, reorder: Reorder, { warnings }: Build): void {
  if (own && reorder !== 'unspecified') {
    warnings.push(
      "Warning: the order is set both by 'sortOptions' of the kustomization and by an option; the kustomization's counts",
    )
  }
  if (own) sortResources(resources, own)
  else if (reorder !== 'none') sortResources(resources, LEGACY_ORDER)
}

function removeTraces(resources: ResMap, { buildMetadata }: Kustomization): void {
  for (const resource of resources.resources()) {
    resource.removeBuildAnnotations()
    if (!buildMetadata.includes('originAnnotations')) setOrigin(resource, undefined)
    if (!buildMetadata.includes('transformerAnnotations')) clearTransformations(resource)
  }
}
