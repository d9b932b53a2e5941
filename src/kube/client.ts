/** One client for every kind: the verbs of the Kubernetes API. */

import type { KubeObject, ObjectRef } from '../api/object.ts'
import type { Discovery } from './discovery.ts'
import type { Transport } from './transport.ts'

/** A kind by its apiVersion and kind, as manifests name it. */
export interface KindRef {
  readonly apiVersion: string
  readonly kind: string
}

export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface ListOptions extends CallOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** Ask for PartialObjectMetadata: no spec, no status. */
  readonly metadataOnly?: boolean
  /** `'0'` allows the API server to answer from its cache; absent means a consistent read. */
  readonly resourceVersion?: string
}

export interface ObjectList<T extends KubeObject = KubeObject> {
  /** Every item carries `apiVersion` and `kind`, which the API server leaves out of typed lists. */
  readonly items: readonly T[]
  readonly resourceVersion: string
}

export interface WriteOptions extends CallOptions {
  readonly fieldManager: string
  readonly dryRun?: boolean
  readonly subresource?: 'status'
}

export interface DeleteOptions extends CallOptions {
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan'
  /** Preconditions: the delete is refused with a conflict when the live object differs. */
  readonly uid?: string
  readonly resourceVersion?: string
}

/** What a watch delivers. `BOOKMARK` objects carry only a resourceVersion. */
export interface WatchEvent<T extends KubeObject = KubeObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  readonly object: T
}

/** Whose rights a request uses: impersonation headers of the Kubernetes API. */
export interface Identity {
  readonly user: string
  readonly groups?: readonly string[]
}

/**
 * Verbs on any kind. All throw `ApiError` for an answer of the API server that is not a success, and what undici throws
 * when there is none.
 */
export interface Client {
  readonly transport: Transport
  readonly discovery: Discovery
  /** @throws ApiError with `reason: 'NotFound'` when it does not exist. */
  get<T extends KubeObject = KubeObject>(ref: ObjectRef, options?: CallOptions): Promise<T>
  /** As `get`, but undefined when it does not exist. */
  find<T extends KubeObject = KubeObject>(
    ref: ObjectRef,
    options?: CallOptions & { metadataOnly?: boolean },
  ): Promise<T | undefined>
  /** Reads every page. */
  list<T extends KubeObject = KubeObject>(kind: KindRef, options?: ListOptions): Promise<ObjectList<T>>
  create<T extends KubeObject = KubeObject>(object: KubeObject, options: WriteOptions): Promise<T>
  /** JSON merge patch (RFC 7396) of the object or of its status. */
  mergePatch<T extends KubeObject = KubeObject>(ref: ObjectRef, patch: object, options: WriteOptions): Promise<T>
  /** JSON patch (RFC 6902). */
  jsonPatch<T extends KubeObject = KubeObject>(ref: ObjectRef, patch: readonly object[], options: WriteOptions): Promise<T>
  /** Server-side apply; `force` takes fields over from other managers. */
  apply<T extends KubeObject = KubeObject>(object: KubeObject, options: WriteOptions & { force?: boolean }): Promise<T>
  /** Accepted deletes resolve, an object that is already gone too. */
  delete(ref: ObjectRef, options?: DeleteOptions): Promise<void>
  /** One watch request from a resourceVersion on, until the server or the signal ends it. */
  watch<T extends KubeObject = KubeObject>(
    kind: KindRef,
    options: Omit<ListOptions, 'resourceVersion'> & { resourceVersion: string; signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>>
  /** The same client with another identity's rights. */
  as(identity: Identity): Client
}
