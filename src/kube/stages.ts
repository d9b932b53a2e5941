/** In which order objects are applied: four stages, and inside a stage the install order. */
import { gvkOf, type ObjectRef } from '../api/object.ts'

/** Kinds that go first, in this order. Source: github.com/fluxcd/pkg/ssa sort.go, ReconcileOrder. */
const first: readonly string[] = [
  'CustomResourceDefinition',
  'Namespace',
  'ClusterRole',
  'ClusterClass',
  'RuntimeClass',
  'PriorityClass',
  'StorageClass',
  'VolumeSnapshotClass',
  'IngressClass',
  'GatewayClass',
  'ClusterRoleBinding',
  'ResourceQuota',
  'ServiceAccount',
  'Role',
  'RoleBinding',
  'ConfigMap',
  'Secret',
  'Service',
  'LimitRange',
  'Deployment',
  'StatefulSet',
  'CronJob',
  'PodDisruptionBudget',
]
const last: readonly string[] = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration']

const ranks: ReadonlyMap<string, number> = new Map([
  ...first.map((kind, index): [string, number] => [kind, index - first.length]),
  ...last.map((kind, index): [string, number] => [kind, index + 1]),
])

/** Place of a kind in the install order: negative for the first ones, 0 for most, positive for the last. */
export function rankOf(ref: ObjectRef): number {
  return ranks.get(ref.kind) ?? 0
}

/** Compares by install order, then by group, kind, namespace and name. Source: github.com/fluxcd/pkg/ssa sort.go. */
export function compareInstallOrder(a: ObjectRef, b: ObjectRef): number {
  return (
    rankOf(a) - rankOf(b) ||
    compareText(gvkOf(a).group, gvkOf(b).group) ||
    compareText(a.kind, b.kind) ||
    compareText(a.namespace ?? '', b.namespace ?? '') ||
    compareText(a.name, b.name)
  )
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

export const stageNames = ['definitions', 'classes', 'custom', 'rest'] as const
export type StageName = (typeof stageNames)[number]

export interface Stage<T> {
  readonly name: StageName
  /** In install order. */
  readonly items: readonly T[]
}

/**
 * The stages that have items, in order. What is in `definitions` and `classes` must be ready before the next stage starts.
 * @param customKinds `<group>/<Kind>` (core: `Kind` or `/Kind`), of `--custom-apply-stage-kinds`.
 * Source: github.com/fluxcd/pkg/ssa ApplyAllStaged.
 */
export function stagesOf<T extends { readonly ref: ObjectRef }>(
  items: readonly T[],
  customKinds: ReadonlySet<string> = new Set(),
): Stage<T>[] {
  const byStage = Map.groupBy(items, (item) => stageNameOf(item.ref, customKinds))
  return stageNames.flatMap((name) => {
    const items = byStage.get(name)
    return items ? [{ name, items: items.sort((a, b) => compareInstallOrder(a.ref, b.ref)) }] : []
  })
}

function stageNameOf(ref: ObjectRef, customKinds: ReadonlySet<string>): StageName {
  const { group, kind } = gvkOf(ref)
  if (isDefinition(group, kind)) return 'definitions'
  if (kind.endsWith('Class')) return 'classes'
  if (customKinds.has(`${group}/${kind}`) || (group === '' && customKinds.has(kind))) return 'custom'
  return 'rest'
}

function isDefinition(group: string, kind: string): boolean {
  return (
    isCrdKind(group, kind) ||
    (group === '' && kind === 'Namespace') ||
    (group === 'rbac.authorization.k8s.io' && kind === 'ClusterRole')
  )
}

function isCrdKind(group: string, kind: string): boolean {
  return group === 'apiextensions.k8s.io' && kind === 'CustomResourceDefinition'
}

export function isCrd(ref: { readonly apiVersion: string; readonly kind: string }): boolean {
  const { group, kind } = gvkOf(ref)
  return isCrdKind(group, kind)
}

/** The parts of one rank, which may be written at the same time; a rank waits for the one before. */
export function byRank<T extends { readonly ref: ObjectRef }>(items: readonly T[]): T[][] {
  return [...Map.groupBy(items, (item) => rankOf(item.ref)).values()]
}
