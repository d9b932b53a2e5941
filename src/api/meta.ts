/** What every Flux kind has in common: conditions, artifacts, the annotations that people and tools write. */
import type { KubeObject, ObjectMeta } from './object.ts'

/** Source: metav1.Condition. */
export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  /** RFC 3339, whole seconds. */
  readonly lastTransitionTime: string
  readonly observedGeneration?: number
}

/** What a source stored. Source: github.com/fluxcd/pkg/apis/meta.Artifact. */
export interface Artifact {
  /** `<algorithm>:<hex>`. */
  readonly digest: string
  /** Relative to the store: `<kind lower>/<namespace>/<name>/<file>`. */
  readonly path: string
  readonly url: string
  readonly revision: string
  /** RFC 3339. */
  readonly lastUpdateTime: string
  readonly size?: number
  readonly metadata?: Readonly<Record<string, string>>
}

/** The part of a status that the runtime writes for every kind. */
export interface CommonStatus {
  readonly observedGeneration?: number
  readonly lastHandledReconcileAt?: string
  readonly conditions?: readonly Condition[]
}

/** An object of one of our kinds. */
export interface FluxObject<Spec extends object = object, Status extends CommonStatus = CommonStatus> extends KubeObject {
  readonly metadata: ObjectMeta & { readonly namespace: string }
  readonly spec: Spec & { readonly suspend?: boolean }
  readonly status?: Status
}

export const finalizer = 'finalizers.fluxcd.io'
export const requestedAtAnnotation = 'reconcile.fluxcd.io/requestedAt'
export const watchLabel = 'reconcile.fluxcd.io/watch'

/** Value of the annotation that asks for a run now. */
export function requestedAt(object: KubeObject): string | undefined {
  return object.metadata.annotations?.[requestedAtAnnotation]
}

export function conditionOf(object: FluxObject, type: string): Condition | undefined {
  return object.status?.conditions?.find((condition) => condition.type === type)
}

export function isReady(object: FluxObject): boolean {
  return conditionOf(object, 'Ready')?.status === 'True'
}
