/** Shared informers: a list and a watch of one kind, kept in a store that everybody reads. */

import type { Key, KubeObject } from '../api/object.ts'
import type { KindRef } from './client.ts'

/** Read-only view of the cached objects of one informer. */
export interface Store<T extends KubeObject = KubeObject> {
  get(key: Key): T | undefined
  all(): Iterable<T>
  readonly size: number
  /** Adds an index, or finds the one of that name: `keys` gives the values under which an object is found. */
  index(name: string, keys: (object: T) => readonly string[]): (value: string) => readonly T[]
}

/** A change of the store, delivered after it happened. `old` is the object before an update. */
export interface StoreEvent<T extends KubeObject = KubeObject> {
  readonly type: 'added' | 'updated' | 'deleted'
  readonly object: T
  readonly old?: T
  /** True for objects of the first list: they existed before we looked. */
  readonly initial: boolean
}

export interface Informer<T extends KubeObject = KubeObject> {
  readonly store: Store<T>
  /** Calls the listener for each object now in the store (as `added`, `initial`) and for each later change. Returns how to stop. */
  subscribe(listener: (event: StoreEvent<T>) => void): () => void
  /** Resolves when the first list is in the store. */
  synced(signal?: AbortSignal): Promise<void>
}

export interface InformerOptions {
  readonly labelSelector?: string
  readonly namespace?: string
  readonly metadataOnly?: boolean
}

/** One informer per kind and options, started on first use, shared by all who ask, stopped with the process. */
export interface Informers {
  get<T extends KubeObject = KubeObject>(kind: KindRef, options?: InformerOptions): Informer<T>
  close(): Promise<void>
}
