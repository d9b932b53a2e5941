/** Managed objects: what we know of each, kept current by watches of their metadata. */
import { isNewer, type Key, type KubeObject, keyText, type ObjectMeta, type ObjectRef } from '../api/object.ts'
import { messageOf } from '../lib/errors.ts'
import type { Clock, Log } from './applier.ts'
import type { Client, KindRef } from './client.ts'
import type { DriftReports } from './drift.ts'
import { lastWriter, type Observation, type Ownership, observe } from './known.ts'
import { inSlices } from './pool.ts'
import { ApiError } from './transport.ts'
import { changesOf } from './watch.ts'

/** An owner and its objects. */
export interface Owner {
  readonly key: Key
  readonly objects: Set<ManagedObject>
}

/** What is remembered of a live object. There are many: no objects in here that are not shared. */
export class ManagedObject {
  readonly kind: ManagedKind
  /** `<namespace>/<name>`, without namespace `/<name>`. */
  readonly key: string
  owner: Owner | undefined
  /** Hash of what the owner wants, while the live object is known to be just that; else empty. */
  applied = ''
  /** A Job that is deleted some time after it has finished, and must not be created again for that. */
  expires = false
  live: Observation

  constructor(kind: ManagedKind, key: string, live: Observation) {
    this.kind = kind
    this.key = key
    this.live = live
  }

  get ref(): ObjectRef {
    const slash = this.key.indexOf('/')
    const namespace = this.key.slice(0, slash)
    return { ...this.kind.ref, name: this.key.slice(slash + 1), ...(namespace !== '' && { namespace }) }
  }
}

export interface ManagedOptions {
  readonly client: Client
  readonly ownership: Ownership
  readonly clock: Clock
  readonly log: Log | undefined
  readonly drift: DriftReports
}

/** All managed objects of a cluster. */
export class ManagedObjects {
  readonly #options: ManagedOptions
  readonly #kinds = new Map<string, ManagedKind>()
  readonly #owners = new Map<string, Owner>()
  readonly #stop = new AbortController()

  constructor(options: ManagedOptions) {
    this.#options = options
  }

  kind({ apiVersion, kind }: KindRef): ManagedKind {
    const id = `${apiVersion} ${kind}`
    const known = this.#kinds.get(id)
    if (known) return known
    const managed = new ManagedKind({ apiVersion, kind }, this.#options, this.#stop.signal)
    this.#kinds.set(id, managed)
    return managed
  }

  owner(key: Key): Owner {
    const known = this.#owners.get(keyText(key))
    if (known) return known
    const owner: Owner = { key, objects: new Set() }
    this.#owners.set(keyText(key), owner)
    return owner
  }

  /** What is known of an object; undefined when it does not exist, or when nothing is known. */
  find(ref: ObjectRef): ManagedObject | undefined {
    return this.#kinds.get(`${ref.apiVersion} ${ref.kind}`)?.find(ref)
  }

  /** Compares the owner's objects with the cluster. */
  async verify(owner: Owner, signal: AbortSignal): Promise<void> {
    const byKind = Map.groupBy(owner.objects, (object) => object.kind)
    await Promise.all([...byKind].map(([kind, objects]) => kind.verify(objects, signal)))
  }

  /** Whether an object has been deleted because its time was up, since the owner's last apply began. */
  hasExpired(ref: ObjectRef): boolean {
    return this.#kinds.get(`${ref.apiVersion} ${ref.kind}`)?.expired.has(keyOfRef(ref)) ?? false
  }

  forgetExpired(owner: Owner): void {
    for (const { expired } of this.#kinds.values()) {
      for (const [key, of] of expired) if (of === owner) expired.delete(key)
    }
  }

  forget(key: Key): void {
    const owner = this.#owners.get(keyText(key))
    if (owner) this.forgetExpired(owner)
    for (const object of owner?.objects ?? []) object.kind.drop(object)
    this.#owners.delete(keyText(key))
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all([...this.#kinds.values()].map((kind) => kind.stopped()))
  }
}

/** What came of an object while a write of ours was under way. */
interface Held {
  writes: number
  newest: Told | undefined
}

type Told = { readonly metadata: ObjectMeta; readonly gone: boolean }

/** Verifications begun this short a time ago serve later callers too. */
const sharedMs = 1_000
/** How long the first list of a kind is waited for; without it objects are compared by applying them. */
const patienceMs = 10_000

/** The managed objects of one kind, and the watch that follows them. */
export class ManagedKind {
  readonly ref: KindRef
  /** Keys of objects that were deleted because their time was up. */
  readonly expired = new Map<string, Owner>()
  readonly #options: ManagedOptions
  readonly #signal: AbortSignal
  readonly #objects = new Map<string, ManagedObject>()
  readonly #held = new Map<string, Held>()
  /** Keys that are there, one set for each list that is being read. */
  readonly #listings = new Set<Set<string>>()
  readonly #synced = Promise.withResolvers<void>()
  #following: Promise<void> | undefined
  #looking: Promise<void> = Promise.resolve()
  #watchable = true
  #verified: { readonly atMs: number; readonly done: Promise<void> } | undefined

  constructor(ref: KindRef, options: ManagedOptions, signal: AbortSignal) {
    this.ref = ref
    this.#options = options
    this.#signal = signal
  }

  find(ref: ObjectRef): ManagedObject | undefined {
    return this.#objects.get(keyOfRef(ref))
  }

  /** Starts the watch if there is none; resolves when what exists is known, or cannot be. */
  async ready(): Promise<void> {
    this.#following ??= this.#follow()
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.after(patienceMs, resolve)
    await Promise.race([this.#synced.promise, promise]).finally(cancel)
  }

  async stopped(): Promise<void> {
    await this.#following
    await this.#looking
  }

  /**
   * Runs a write of an object. What the watch tells of it meanwhile is looked at afterwards, when the write's answer is known: its
   * event often comes before its response.
   */
  async hold<R>(ref: ObjectRef, write: () => Promise<R>): Promise<R> {
    const key = keyOfRef(ref)
    const held = this.#held.get(key) ?? { writes: 0, newest: undefined }
    this.#held.set(key, held)
    held.writes++
    try {
      return await write()
    } finally {
      if (--held.writes === 0) {
        this.#held.delete(key)
        if (held.newest) this.#tell(held.newest)
      }
    }
  }

  /** Notes that an owner's object is as wanted, after the API server has answered with this metadata. */
  claim(metadata: ObjectMeta, about: { owner: Owner; hash: string; expires?: boolean }): void {
    const live = observe(metadata, this.#options.ownership)
    const object = this.#objects.get(keyOfMeta(metadata)) ?? this.#add(metadata, live)
    for (const present of this.#listings) present.add(object.key)
    if (object.owner !== about.owner) {
      object.owner?.objects.delete(object)
      object.owner = about.owner
      about.owner.objects.add(object)
    }
    object.expires = about.expires ?? object.expires
    const overtaken = isNewer(object.live.resourceVersion, live.resourceVersion) && object.live.fingerprint !== live.fingerprint
    object.applied = live.fingerprint !== undefined && !overtaken ? about.hash : ''
    if (overtaken) this.#report(object, 'edited')
    else if (!isNewer(object.live.resourceVersion, live.resourceVersion)) object.live = live
  }

  /** Forgets an object: it is no longer wanted, or about to be deleted. */
  drop(object: ManagedObject): void {
    object.owner?.objects.delete(object)
    object.owner = undefined
    object.applied = ''
    this.#objects.delete(object.key)
  }

  /** Compares the objects with one list of the whole kind, shared by all who ask within a second. */
  async verify(objects: readonly ManagedObject[], signal: AbortSignal): Promise<void> {
    if (!this.#watchable) return this.#verifyNamespaces(objects, signal)
    const nowMs = this.#options.clock.monotonic()
    if (!this.#verified || nowMs - this.#verified.atMs >= sharedMs) {
      // Not with the caller's signal: others may be waiting for the same list.
      this.#verified = { atMs: nowMs, done: this.#list({ signal: this.#signal }) }
    }
    const { done } = this.#verified
    try {
      await done
    } catch (error) {
      if (this.#verified?.done === done) this.#verified = undefined
      if (!isForbidden(error)) throw error
      await this.#verifyNamespaces(objects, signal)
    }
  }

  /** For an identity that may not see the whole cluster. What it may not list is no longer taken for known. */
  async #verifyNamespaces(objects: readonly ManagedObject[], signal: AbortSignal): Promise<void> {
    for (const [namespace, own] of Map.groupBy(objects, (object) => object.ref.namespace)) {
      try {
        if (namespace === undefined) throw notListable
        await this.#list({ namespace, signal })
      } catch (error) {
        if (error !== notListable && !isForbidden(error)) throw error
        for (const object of own) object.applied = ''
      }
    }
  }

  async #list({ namespace, signal }: { namespace?: string; signal: AbortSignal }): Promise<void> {
    const present = this.#beginListing()
    try {
      const scope = { ...this.#selection(), ...(namespace !== undefined && { namespace }) }
      for await (const page of this.#options.client.pages(this.ref, { ...scope, signal })) {
        await inSlices(page.items, ({ metadata }) => this.#listed(metadata, present))
      }
      this.#endListing(present, namespace)
    } finally {
      this.#listings.delete(present)
    }
  }

  #selection(): { labelSelector: string; metadataOnly: true } {
    return { labelSelector: `${this.#options.ownership.group}/name`, metadataOnly: true }
  }

  async #follow(): Promise<void> {
    const stop = new AbortController()
    const signal = AbortSignal.any([this.#signal, stop.signal])
    const onError = (error: unknown) => {
      if (!isForbidden(error)) return
      stop.abort()
      this.#watchable = false
      this.#options.log?.info({ kind: this.ref.kind, error: messageOf(error) }, unwatchedMessage)
    }
    let present: Set<string> | undefined
    for await (const change of changesOf(this.#options.client, this.ref, { ...this.#selection(), signal, onError })) {
      switch (change.type) {
        case 'init':
          if (present) this.#listings.delete(present)
          present = this.#beginListing()
          break
        case 'apply':
          if (present) this.#listed(change.object.metadata, present)
          else this.#tell({ metadata: change.object.metadata, gone: false })
          break
        case 'delete':
          this.#tell({ metadata: change.object.metadata, gone: true })
          break
        case 'initDone':
          if (present) this.#endListing(present)
          present = undefined
          this.#synced.resolve()
      }
    }
    this.#synced.resolve()
  }

  #beginListing(): Set<string> {
    const present = new Set<string>()
    this.#listings.add(present)
    return present
  }

  /** Objects that nobody claims yet are remembered too: after a restart a dry-run is compared with them. */
  #listed(metadata: ObjectMeta, present: Set<string>): void {
    const key = keyOfMeta(metadata)
    present.add(key)
    if (this.#objects.has(key) || this.#held.has(key)) this.#tell({ metadata, gone: false })
    else this.#add(metadata, observe(metadata, this.#options.ownership))
  }

  #endListing(present: Set<string>, namespace?: string): void {
    this.#listings.delete(present)
    for (const object of this.#objects.values()) {
      if (present.has(object.key) || this.#held.has(object.key)) continue
      if (namespace === undefined || object.key.startsWith(`${namespace}/`)) this.#vanished(object)
    }
  }

  #add(metadata: ObjectMeta, live: Observation): ManagedObject {
    const object = new ManagedObject(this, keyOfMeta(metadata), live)
    this.#objects.set(object.key, object)
    return object
  }

  #tell(told: Told): void {
    const { metadata, gone } = told
    const held = this.#held.get(keyOfMeta(metadata))
    if (held) {
      if (isNewer(metadata.resourceVersion, held.newest?.metadata.resourceVersion)) held.newest = told
      return
    }
    const object = this.#objects.get(keyOfMeta(metadata))
    // Older than what we know: an echo of our own write.
    if (!object || !isNewer(metadata.resourceVersion, object.live.resourceVersion)) return
    if (gone) this.#vanished(object)
    else this.#changed(object, metadata)
  }

  #changed(object: ManagedObject, metadata: ObjectMeta): void {
    const before = object.live
    object.live = observe(metadata, this.#options.ownership)
    const untouched = before.fingerprint === object.live.fingerprint && object.live.decisive
    // An object that is only to exist is nobody's to mend.
    if (untouched || object.applied === '' || object.live.policy.ifNotPresent) return
    object.applied = ''
    this.#report(object, 'edited', lastWriter(metadata, this.#options.ownership))
  }

  /** It may only have lost its label: that is for a read to tell. */
  #vanished(object: ManagedObject): void {
    const { owner, applied, ref, expires } = object
    this.drop(object)
    if (owner && expires) this.expired.set(object.key, owner)
    if (!owner || applied === '' || expires) return
    // One after the other: with a CRD all of its objects vanish at the same time.
    this.#looking = this.#looking.then(async () => {
      const metadata = await this.#lookFor(ref)
      const manager = metadata && lastWriter(metadata, this.#options.ownership)
      const what = metadata ? 'edited' : 'deleted'
      const drift = { owner: owner.key, ref, what, ...(manager && { manager }) } as const
      this.#options.drift.report(drift, () => this.find(ref)?.applied === applied)
    })
  }

  async #lookFor(ref: ObjectRef): Promise<ObjectMeta | undefined> {
    try {
      const live: KubeObject | undefined = await this.#options.client.find(ref, { metadataOnly: true, signal: this.#signal })
      return live?.metadata
    } catch {
      // Whether it is there or not, the owner's next run finds out.
      return undefined
    }
  }

  #report(object: ManagedObject, what: 'edited', manager?: string): void {
    const { owner } = object
    if (!owner) return
    this.#options.drift.report(
      { owner: owner.key, ref: object.ref, what, ...(manager && { manager }) },
      () => object.applied !== '',
    )
  }
}

const unwatchedMessage = 'changes of managed objects of this kind are noticed at the interval only: the identity may not watch them'

const notListable = new ApiError('cluster-scoped objects cannot be listed by namespace', { status: 403, reason: 'Forbidden' })

function isForbidden(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 403 || error.status === 405)
}

function keyOfRef(ref: ObjectRef): string {
  return `${ref.namespace ?? ''}/${ref.name}`
}

function keyOfMeta(metadata: ObjectMeta): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`
}
