/** The caches that a run reads besides its own object. They know no shards: a dependency or source may belong to another process. */
import type { KubeObject } from '../api/object.ts'
import type { KindRef } from '../kube/client.ts'
import { type Informer, type InformerOptions, type Informers, withoutManagedFields } from '../kube/informer.ts'
import type { Flags } from './flags.ts'

export interface View {
  readonly informers: Informers
  readonly flags: Flags
}

/** All objects of a kind. As a loop watches its own kind: without shards it is the same informer. */
export function everyObject<T extends KubeObject>(kind: KindRef, { informers, flags }: View): Informer<T> {
  return informers.get<T>(kind, { ...scope(flags), transform: withoutManagedFields })
}

/** Where anything may be watched: with `--watch-all-namespaces=false` the process may have rights in its own namespace only. */
export function scope({ watchAllNamespaces, runtimeNamespace }: Flags): InformerOptions {
  return watchAllNamespaces ? {} : { namespace: runtimeNamespace }
}
