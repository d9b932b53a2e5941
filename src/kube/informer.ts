/** Shared informers: a list and a watch of one kind, kept in a store that everybody reads. */
import { gvkOf, isNewer, type KubeObject, keyOf, keyText } from '../api/object.ts'
import { pause, unlessAborted } from '../lib/abort.ts'
import type { Client, KindRef } from './client.ts'
import { ObjectStore, type Store } from './store.ts'
import { ApiError } from './transport.ts'
import { changesOf, type WatchChange, type WatchTiming } from './watch.ts'

export type { Store } from './store.ts'

/** A change of the store, delivered after it happened. `old` is the object before an update. */
export interface StoreEvent<T extends KubeObject = KubeObject> {
  readonly type: 'added' | 'updated' | 'deleted'
  readonly object: T
  readonly old?: T
  /** True for objects of the first list: they existed before we looked. */
  readonly initial: boolean
}

export interface InformerOptions {
  readonly labelSelector?: string
  readonly namespace?: string
  readonly metadataOnly?: boolean
  /**
   * What to keep of each object, to save memory (`withoutManagedFields`). Part of what makes informers equal: hand in the same
   * function each time. Must keep name, namespace, uid and resourceVersion.
   */
  readonly transform?: (object: KubeObject) => KubeObject
}

export interface InformersOptions {
  readonly client: Client
  /** Every write to a cached object fails at once; by default in tests (NODE_ENV=test). */
  readonly freeze?: boolean
  /** Told of failures of lists and watches (they are tried again after `waitMs`) and of listeners that throw. */
  readonly onError?: (error: unknown, about: { readonly kind: KindRef; readonly waitMs?: number }) => void
  readonly timing?: WatchTiming
}

/** For readiness. */
export interface InformerState {
  readonly kind: KindRef
  readonly synced: boolean
  /** The last failure; undefined again from the next event or bookmark on (within a minute). */
  readonly error: unknown
}

/** One informer per kind and options, started on first use, shared by all who ask, stopped with the process. */
export class Informers implements AsyncDisposable {
  readonly #options: InformersOptions
  readonly #informers = new Map<string, Informer>()
  readonly #transforms = new Map<InformerOptions['transform'], number>()
  #definitions: Informer | undefined
  #closed = false

  constructor(options: InformersOptions) {
    this.#options = { freeze: process.env.NODE_ENV === 'test', ...options }
  }

  get<T extends KubeObject = KubeObject>(kind: KindRef, options: InformerOptions = {}): Informer<T> {
    if (this.#closed) throw new Error('the informers have been closed')
    const key = this.#keyOf(kind, options)
    const informer = this.#informers.get(key) ?? this.#start(kind, options)
    this.#informers.set(key, informer)
    return informer as unknown as Informer<T>
  }

  /** Resolves when none of them has an object as it was before this one was written. */
  async caughtUp(written: KubeObject): Promise<void> {
    const ofKind = [...this.#informers.values()].filter(
      ({ kind }) => kind.kind === written.kind && kind.apiVersion === written.apiVersion,
    )
    await Promise.all(ofKind.map((informer) => informer.caughtUp(written)))
  }

  /** Of all that have been asked for. */
  states(): readonly InformerState[] {
    return [...this.#informers.values()].map(({ kind, isSynced, lastError }) => ({ kind, synced: isSynced, error: lastError }))
  }

  /** How many objects are kept, by kind; where a kind is kept in several forms, of all of them. */
  counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const { kind, store } of this.#informers.values()) counts.set(kind.kind, (counts.get(kind.kind) ?? 0) + store.size)
    return counts
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#informers.values(), this.#definitions].map((informer) => informer?.close()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #keyOf({ apiVersion, kind }: KindRef, { namespace, labelSelector, metadataOnly = false, transform }: InformerOptions): string {
    const transformId = this.#transforms.get(transform) ?? this.#transforms.size
    this.#transforms.set(transform, transformId)
    return JSON.stringify([apiVersion, kind, namespace ?? null, labelSelector ?? null, metadataOnly, transformId])
  }

  #start(kind: KindRef, options: InformerOptions): Informer {
    return new Informer(kind, options, { ...this.#options, onMissing: () => this.#awaitDefinitions() })
  }

  /** Once a kind is missing, CRDs are watched: the kinds of a group that gets one are looked for at once. */
  #awaitDefinitions(): void {
    if (this.#definitions || this.#closed) return
    const kind = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' }
    this.#definitions = new Informer(kind, { metadataOnly: true, transform: withoutManagedFields }, this.#options)
    this.#definitions.subscribe(({ object }) => {
      const group = object.metadata.name.slice(object.metadata.name.indexOf('.') + 1)
      const waiting = [...this.#informers.values()].filter((informer) => informer.isWaiting && gvkOf(informer.kind).group === group)
      if (waiting.length > 0) this.#options.client.discovery.forget(group)
      for (const informer of waiting) informer.hurry()
    })
  }
}

interface InformerContext extends InformersOptions {
  /** The API server does not have the kind. */
  readonly onMissing?: () => void
}

const maxDeleted = 10_000

/** Starts when it is made. Failures are tried again for ever, also when the kind does not exist (yet). */
export class Informer<T extends KubeObject = KubeObject> {
  readonly kind: KindRef
  readonly store: Store<T>
  readonly #objects: ObjectStore<T>
  readonly #options: InformerOptions
  readonly #context: InformerContext
  readonly #listeners = new Set<(event: StoreEvent<T>) => void>()
  readonly #stop = new AbortController()
  readonly #synced = Promise.withResolvers<void>()
  readonly #ended: Promise<void>
  /** Keys seen by the list that is running. */
  #listed: Set<string> | undefined
  /** resourceVersions of deletions that an event delivered late must not undo; until the next bookmark. */
  readonly #deleted = new Map<string, string>()
  #isSynced = false
  #lastError: unknown
  #hurry: (() => void) | undefined

  constructor(kind: KindRef, options: InformerOptions, context: InformerContext) {
    this.kind = kind
    this.#options = options
    this.#context = context
    this.#objects = new ObjectStore<T>({ freeze: context.freeze ?? false })
    this.store = this.#objects
    // Nobody may be waiting when it is closed.
    this.#synced.promise.catch(() => {})
    this.#ended = this.#run()
  }

  /** Calls the listener for each object now in the store (as `added`, `initial`) and for each later change. Returns how to stop. */
  subscribe(listener: (event: StoreEvent<T>) => void): () => void {
    // A function of our own: the same listener may be given twice.
    const own = (event: StoreEvent<T>) => this.#tell(listener, event)
    this.#listeners.add(own)
    for (const object of [...this.#objects.all()]) own({ type: 'added', object, initial: true })
    return () => this.#listeners.delete(own)
  }

  /** Resolves when the first list is in the store. */
  async synced(signal?: AbortSignal): Promise<void> {
    if (this.#isSynced) return
    await unlessAborted(this.#synced.promise, signal)
  }

  /** Resolves when it has no older state of an object than this one; never when it is closed before. */
  caughtUp(written: KubeObject): Promise<void> {
    const isBehind = (object: KubeObject | undefined) =>
      object?.metadata.uid === written.metadata.uid && isNewer(written.metadata.resourceVersion, object?.metadata.resourceVersion)
    const key = keyOf(written)
    if (!isBehind(this.store.get(key))) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const stop = this.subscribe(() => {
      if (!isBehind(this.store.get(key))) resolve()
    })
    return promise.finally(stop)
  }

  get isSynced(): boolean {
    return this.#isSynced
  }

  /** The last failure; undefined again from the next event or bookmark on (within a minute). */
  get lastError(): unknown {
    return this.#lastError
  }

  /** Whether it waits after a failure. */
  get isWaiting(): boolean {
    return this.#hurry !== undefined
  }

  /** Ends the wait after a failure. */
  hurry(): void {
    this.#hurry?.()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#ended
    this.#synced.reject(new Error(`the informer of ${this.kind.kind} has been closed`))
  }

  async #run(): Promise<void> {
    const { client, timing } = this.#context
    const changes = changesOf<T>(client, this.kind, {
      ...this.#options,
      ...(timing && { timing }),
      signal: this.#stop.signal,
      onError: (error, waitMs) => this.#failed(error, waitMs),
      wait: (ms) => this.#wait(ms),
    })
    for await (const change of changes) {
      try {
        this.#take(change)
      } catch (error) {
        // One object that a transform or an index cannot cope with must not end the watch of all.
        this.#context.onError?.(error, { kind: this.kind })
      }
    }
  }

  #take(change: WatchChange<T>): void {
    if (change.type !== 'init') this.#lastError = undefined
    if (change.type === 'init') this.#listed = new Set()
    else if (change.type === 'apply') this.#apply(change.object)
    else if (change.type === 'delete') this.#delete(change.object)
    else if (change.type === 'initDone') this.#listEnded()
    else this.#deleted.clear()
  }

  #failed(error: unknown, waitMs: number): void {
    this.#lastError = error
    this.#context.onError?.(error, { kind: this.kind, waitMs })
    if (error instanceof ApiError && error.reason === 'NoKindMatch') this.#context.onMissing?.()
  }

  async #wait(ms: number): Promise<void> {
    const hurried = new AbortController()
    this.#hurry = () => hurried.abort()
    await pause(ms, AbortSignal.any([this.#stop.signal, hurried.signal])).catch(() => {})
    this.#hurry = undefined
  }

  #apply(received: T): void {
    const key = keyOf(received)
    const text = keyText(key)
    const { resourceVersion, uid } = received.metadata
    this.#listed?.add(text)
    const old = this.#objects.get(key)
    if (old && old.metadata.resourceVersion === resourceVersion) return
    // A list is the truth, even when the API server's history has been set back. An event may only have come late.
    if (
      !this.#listed &&
      (isNewer(old?.metadata.resourceVersion, resourceVersion) || isNewer(this.#deleted.get(text), resourceVersion))
    )
      return

    const object = this.#kept(received)
    if (old && old.metadata.uid !== uid) {
      this.#objects.remove(key)
      this.#emit({ type: 'deleted', object: old, initial: false })
    }
    const before = this.#objects.put(object)
    if (before) this.#emit({ type: 'updated', object, old: before, initial: false })
    else this.#emit({ type: 'added', object, initial: !this.#isSynced })
  }

  #delete(received: T): void {
    const key = keyOf(received)
    const { resourceVersion } = received.metadata
    const old = this.#objects.get(key)
    if (isNewer(old?.metadata.resourceVersion, resourceVersion)) return
    // Bookmarks empty it; an API server that sends none must not fill the memory.
    if (this.#deleted.size >= maxDeleted) this.#deleted.clear()
    if (resourceVersion) this.#deleted.set(keyText(key), resourceVersion)
    this.#listed?.delete(keyText(key))
    if (this.#objects.remove(key)) this.#emit({ type: 'deleted', object: this.#kept(received), initial: false })
  }

  #listEnded(): void {
    for (const object of [...this.#objects.all()]) {
      if (this.#listed?.has(keyText(keyOf(object)))) continue
      this.#objects.remove(keyOf(object))
      this.#emit({ type: 'deleted', object, initial: false })
    }
    this.#listed = undefined
    this.#deleted.clear()
    this.#isSynced = true
    this.#synced.resolve()
  }

  #kept(object: T): T {
    // By contract a transform only leaves out what nobody of this informer reads.
    return (this.#options.transform?.(object) ?? object) as T
  }

  #emit(event: StoreEvent<T>): void {
    for (const listener of [...this.#listeners]) listener(event)
  }

  /** A listener that throws must cost neither the others nor the watch. */
  #tell(listener: (event: StoreEvent<T>) => void, event: StoreEvent<T>): void {
    try {
      listener(event)
    } catch (error) {
      this.#context.onError?.(error, { kind: this.kind })
    }
  }
}

/** For informers whose readers do not ask who wrote what: managedFields are often the larger part of an object. */
export function withoutManagedFields(object: KubeObject): KubeObject {
  const { managedFields: _dropped, ...metadata } = object.metadata
  return { ...object, metadata }
}
