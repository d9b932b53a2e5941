/** The order in which objects are installed and deleted. Source: helm pkg/release/v1/util/kind_sorter.go. */

/** Kinds first to last; the others come after them, by name. */
export type KindOrder = readonly string[]

export const installOrder: KindOrder =
  `PriorityClass Namespace NetworkPolicy ResourceQuota LimitRange PodSecurityPolicy PodDisruptionBudget
ServiceAccount Secret SecretList ConfigMap StorageClass PersistentVolume PersistentVolumeClaim CustomResourceDefinition
ClusterRole ClusterRoleList ClusterRoleBinding ClusterRoleBindingList Role RoleList RoleBinding RoleBindingList
Service DaemonSet Pod ReplicationController ReplicaSet Deployment HorizontalPodAutoscaler StatefulSet Job CronJob
IngressClass Ingress APIService MutatingWebhookConfiguration ValidatingWebhookConfiguration`.split(/\s/)

/** Not the reverse of the other: validation goes first, so that webhooks without their pods do not block what follows. */
export const uninstallOrder: KindOrder =
  `ValidatingWebhookConfiguration MutatingWebhookConfiguration APIService Ingress IngressClass
Service CronJob Job StatefulSet HorizontalPodAutoscaler Deployment ReplicaSet ReplicationController Pod DaemonSet
RoleBindingList RoleBinding RoleList Role ClusterRoleBindingList ClusterRoleBinding ClusterRoleList ClusterRole
CustomResourceDefinition PersistentVolumeClaim PersistentVolume StorageClass ConfigMap SecretList Secret ServiceAccount
PodDisruptionBudget PodSecurityPolicy LimitRange ResourceQuota NetworkPolicy Namespace PriorityClass`.split(/\s/)

/** Sorted by kind; objects of one kind keep their order. */
export function sortByKind<T extends { readonly kind: string }>(items: readonly T[], order: KindOrder): T[] {
  const ranks = new Map(order.map((kind, rank) => [kind, rank]))
  return items.toSorted((a, b) => {
    const [first, second] = [ranks.get(a.kind), ranks.get(b.kind)]
    if (first === undefined && second === undefined) return compareText(a.kind, b.kind)
    return (first ?? order.length) - (second ?? order.length)
  })
}

/** The order of Go's strings, which is by bytes: for any that is no lone surrogate, by code point. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
