/** The order of the output. */

import { BuildError } from '../../errors.ts'
import { compareBytes } from '../fields.ts'
import type { SortOptions } from '../kustomization.ts'
import { type GroupVersionKind, kindText, type ResourceId, sameKind } from '../resid.ts'
import type { ResMap } from '../resmap.ts'

const FIRST = [
  'Namespace',
  'ResourceQuota',
  'StorageClass',
  'CustomResourceDefinition',
  'ServiceAccount',
  'PodSecurityPolicy',
  'Role',
  'ClusterRole',
  'RoleBinding',
  'ClusterRoleBinding',
  'ConfigMap',
  'Secret',
  'Endpoints',
  'Service',
  'LimitRange',
  'PriorityClass',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'Deployment',
  'StatefulSet',
  'CronJob',
  'PodDisruptionBudget',
]
const LAST = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration']
const DEFAULT_RANKS = ranksOf(FIRST, LAST)

/** The order that `legacy` stands for unless the kustomization gives its own. */
export const LEGACY_ORDER: SortOptions = { order: 'legacy', legacySortOptions: { orderFirst: FIRST, orderLast: LAST } }

/** Order of kinds in the lists of field specs. */
export function compareKinds(a: GroupVersionKind, b: GroupVersionKind): number {
  return (DEFAULT_RANKS.get(a.kind) ?? 0) - (DEFAULT_RANKS.get(b.kind) ?? 0) || compareBytes(kindKey(a), kindKey(b))
}

/** Puts the objects into the order that the options ask for. @throws BuildError for options that do not exist. */
export function sortResources(resources: ResMap, options: SortOptions): void {
  if (options.order !== 'fifo' && options.order !== 'legacy') {
    throw new BuildError(`the field 'sortOptions.order' must be one of [fifo, legacy]`, { path: 'sortOptions.order' })
  }
  if (options.order === 'fifo') {
    if (!options.legacySortOptions) return
    throw new BuildError(`the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'`, {
      path: 'sortOptions.legacySortOptions',
    })
  }
  const { orderFirst, orderLast } = options.legacySortOptions ?? { orderFirst: FIRST, orderLast: LAST }
  const ranks = ranksOf(orderFirst, orderLast)
  const entries = resources.resources().map((resource) => ({ resource, id: resource.currentId() }))
  entries.sort((a, b) => compareIds(a.id, b.id, ranks))
  resources.reset(entries.map(({ resource }) => resource))
}

function ranksOf(first: readonly string[], last: readonly string[]): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>()
  for (const [i, kind] of first.entries()) ranks.set(kind, i - first.length)
  for (const [i, kind] of last.entries()) ranks.set(kind, i + 1)
  return ranks
}

function compareIds(a: ResourceId, b: ResourceId, ranks: ReadonlyMap<string, number>): number {
  if (sameKind(a, b)) return compareBytes(idText(a), idText(b))
  const byRank = (ranks.get(a.kind) ?? 0) - (ranks.get(b.kind) ?? 0)
  if (byRank !== 0) return byRank
  // Namespaces of the core group come before those of others.
  const reverse = a.kind === 'Namespace' && b.kind === 'Namespace' && (a.group === '' || b.group === '')
  const byKind = compareBytes(kindKey(a), kindKey(b))
  return reverse ? -byKind : byKind
}

function kindKey({ group, version, kind }: GroupVersionKind): string {
  return `${group || '~G'}_${version || '~V'}_${kind || '~K'}`
}

function idText(id: ResourceId): string {
  return `${kindText(id)}|${id.namespace || '~X'}|${id.name || '~N'}`
}
