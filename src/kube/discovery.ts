/** Which path and scope a kind has: the REST mapping of one API server. */
import type { KindRef } from './client.ts'

/** How a kind is reached. */
export interface ResourceMapping {
  readonly group: string
  readonly version: string
  readonly kind: string
  /** Plural, as in the path. */
  readonly resource: string
  readonly namespaced: boolean
  readonly verbs: readonly string[]
}

export interface Discovery {
  /**
   * The mapping of a kind; asks the API server again when it is unknown (at most once a second a group).
   * @throws ApiError with reason `NoKindMatch` when the server has no such kind.
   */
  mapping(kind: KindRef, signal?: AbortSignal): Promise<ResourceMapping>
  /** Drops what is remembered of a group, or of all: called when a CRD changes. */
  forget(group?: string): void
}
