/** What every Flux kind has in common: conditions, artifacts, the annotations that people and tools write. */
import type { KubeObject, ObjectMeta } from './object.ts'
import { array, type Infer, type InferFields, integer, map, object, oneOf, optional, string, time } from './schema.ts'

export const conditionSchema = object('One aspect of the state of the object.', {
  type: string('Name of the aspect, in CamelCase, with an optional domain in front.', {
    maxLength: 316,
    pattern: String.raw`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`,
  }),
  status: oneOf('Whether the condition holds.', ['True', 'False', 'Unknown']),
  reason: string('The cause of the present status as one CamelCase word that programs can rely on.', {
    maxLength: 1024,
    minLength: 1,
    pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$',
  }),
  message: string('The cause of the present status for people; may be empty.', { maxLength: 32768 }),
  lastTransitionTime: time('When the status last changed.'),
  observedGeneration: optional(
    integer('The metadata.generation that this condition speaks of; when it is smaller than the current one, it is out of date.', {
      minimum: 0,
    }),
  ),
})

/** Source: metav1.Condition. */
export type Condition = Infer<typeof conditionSchema>

/** The schema of an artifact; the description says which one. */
export function artifactSchema(description: string) {
  return object(description, {
    digest: string('Checksum of the file, as <algorithm>:<hex>.', {
      pattern: '^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$',
    }),
    path: string("Where the file lies below the root of the controller's artifact storage."),
    url: string('The HTTP address that consumers fetch the file from.'),
    revision: string('What was fetched, in the terms of its origin: a branch with a commit, a tag, a chart version.'),
    lastUpdateTime: time('When the file was written.'),
    size: optional(integer('Size of the file in bytes.')),
    metadata: optional(
      map('Facts that the origin gave with it, such as the annotations of an OCI image.', string('The value of the fact.')),
    ),
  })
}

/** What a source stored. `path` is `<kind lower>/<namespace>/<name>/<file>`. Source: github.com/fluxcd/pkg/apis/meta.Artifact. */
export type Artifact = Infer<ReturnType<typeof artifactSchema>>

/** A reference to an object in the same namespace. */
export function localReference(description: string) {
  return object(description, { name: string('Name of the object.') })
}

/** The status fields that the runtime writes for every kind. */
export const commonStatusFields = {
  observedGeneration: optional(integer('The metadata.generation that was last worked on.')),
  lastHandledReconcileAt: optional(
    string('The value of the annotation reconcile.fluxcd.io/requestedAt that was last acted upon; a new value asks for a run.'),
  ),
  conditions: optional(array('The state of the object, one entry for each aspect.', conditionSchema)),
}

/** Default of a status that nobody has written yet: tells clients that nothing has happened. */
export const freshStatus = { observedGeneration: -1 }

/** The part of a status that the runtime writes for every kind. */
export type CommonStatus = InferFields<typeof commonStatusFields>

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
