/** Queues objects when a ConfigMap or Secret changes that they read. */
import type { KubeConfig } from '../api/fragments.ts'
import type { FluxObject } from '../api/meta.ts'
import { keyOf, keyText } from '../api/object.ts'
import { scope } from './caches.ts'
import type { Watch } from './reconcile.ts'

export interface ConfigReference {
  /** ConfigMap or Secret. */
  readonly kind: string
  readonly name: string
}

export interface ConfigWatchOptions<T extends FluxObject> {
  /** Names the index over the objects. */
  readonly index: string
  /** What is watched: both, unless told. */
  readonly kinds?: readonly ('ConfigMap' | 'Secret')[]
  /** What an object reads, in its own namespace. */
  references(object: T): readonly ConfigReference[]
  /** The order to queue them in. */
  order?(objects: readonly T[]): readonly T[]
}

/** Of labelled ones (`--watch-configs-label-selector`). Only metadata is watched: values are read when used. */
export function configChanged<T extends FluxObject>(options: ConfigWatchOptions<T>): Watch<T> {
  const { index, kinds = ['ConfigMap', 'Secret'], references, order = (objects) => objects } = options
  return ({ informers, own, environment, signal, enqueue }) => {
    const { featureGates, watchConfigsLabelSelector: labelSelector } = environment.flags
    if (featureGates.get('DisableConfigWatchers')) return
    const usersOf = own.store.index(index, (object) =>
      references(object).map(({ kind, name }) => `${kind}/${object.metadata.namespace}/${name}`),
    )
    for (const kind of kinds) {
      const watched = { ...scope(environment.flags), labelSelector, metadataOnly: true }
      const stop = informers.get({ apiVersion: 'v1', kind }, watched).subscribe(({ object, initial }) => {
        if (initial) return
        for (const user of order(usersOf(`${kind}/${keyText(keyOf(object))}`))) enqueue(keyOf(user), 'config')
      })
      signal.addEventListener('abort', stop, { once: true })
    }
  }
}

/** What `spec.kubeConfig` reads. */
export function kubeConfigReferences({ secretRef, configMapRef }: KubeConfig = {}): readonly ConfigReference[] {
  return [
    ...(secretRef ? [{ kind: 'Secret', name: secretRef.name }] : []),
    ...(configMapRef ? [{ kind: 'ConfigMap', name: configMapRef.name }] : []),
  ]
}
