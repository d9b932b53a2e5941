/** The apply engine's face: keeps the objects of many owners in one cluster as they were applied. */
import type { Key, KubeObject, ObjectRef } from '../api/object.ts'
import type { Action, Change } from './changes.ts'
import type { Health } from './health.ts'
import type { IgnoreRules } from './ignored.ts'

/** What the engine needs of the runtime's clock. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Milliseconds of a clock that never jumps. */
  monotonic(): number
  /** Calls back once after `ms`. Returns how to cancel. */
  after(ms: number, callback: () => void): () => void
}

/** What the engine needs of the runtime's logger. */
export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/** An entry of `status.inventory`. Source: github.com/fluxcd/cli-utils object.ObjMetadata. */
export interface InventoryEntry {
  /** `<namespace>_<name>_<group>_<kind>`; `:` in RBAC names is written `__`. */
  readonly id: string
  /** API version without the group: `v1`. */
  readonly v: string
}

/** What an owner wants: references and hashes always, bodies only when something has to be written. */
export interface Manifests {
  readonly items: readonly ManifestItem[]
  /** The objects, in the order of `items`. */
  load(): Promise<readonly KubeObject[]>
}

export interface ManifestItem {
  /** Without a namespace where the manifest has none: the engine settles it by the kind's scope. */
  readonly ref: ObjectRef
  /** Hash of the object's canonical JSON. */
  readonly hash: string
  /** `metadata.labels` and `metadata.annotations` decide policies (`ssa`, `force`, `reconcile`). */
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

export interface ApplyOptions {
  readonly owner: Key
  /** Recreate objects whose immutable fields change. */
  readonly force: boolean
  /** Compare with the cluster by one consistent list per kind first, not only by what watches told. */
  readonly verify: boolean
  /** Fields that others may set. */
  readonly ignore?: IgnoreRules | undefined
  /** Called before the first write of each stage, when none of its objects has been refused, with those that may be written. */
  readonly beforeWrite?: (entries: readonly InventoryEntry[]) => Promise<void>
  readonly signal: AbortSignal
}

export interface PruneOptions {
  readonly owner: Key
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan'
  readonly signal: AbortSignal
}

export interface PruneResult {
  readonly changes: readonly Change[]
  /** Entries whose objects still exist and are ours: they stay in the inventory. */
  readonly survivors: readonly { readonly entry: InventoryEntry; readonly reason: string }[]
}

export interface HealthTarget {
  /** Without a namespace where it is not known whether the kind has one. */
  readonly ref: ObjectRef
}

export interface HealthOptions {
  readonly timeoutMs: number
  /** End at the first object that has failed for good. */
  readonly failFast: boolean
  /** Decides instead of the kstatus rules where it returns something (`healthCheckExprs`). */
  readonly rule?: (object: KubeObject) => Health | undefined
  readonly signal: AbortSignal
}

/** An object whose managed fields somebody else changed, or that somebody deleted. */
export interface Drift {
  readonly owner: Key
  readonly ref: ObjectRef
  readonly what: 'edited' | 'deleted'
  /** The last manager that wrote, where known. */
  readonly manager?: string
}

/** Thrown by `apply` for the first object that the API server refuses. */
export class ApplyError extends Error {
  override readonly name = 'ApplyError'
  readonly ref: ObjectRef
  /** What had been written before. */
  readonly changes: readonly Change[]
  constructor(message: string, ref: ObjectRef, changes: readonly Change[], options?: ErrorOptions) {
    super(message, options)
    this.ref = ref
    this.changes = changes
  }
}

/** Thrown by `healthy` when the wait ends without every target being ready. */
export class HealthError extends Error {
  override readonly name = 'HealthError'
}

export interface Applier {
  /**
   * The inventory entries of the objects, in Flux's order; nothing is requested but discovery.
   * @throws ApplyError for a kind that the cluster does not have, unless a CRD among the items brings it.
   */
  inventory(manifests: Manifests): Promise<readonly InventoryEntry[]>
  /** Makes the objects as wanted: stage by stage, dry-run first, only what differs. @throws ApplyError */
  apply(manifests: Manifests, options: ApplyOptions): Promise<readonly Change[]>
  /** Deletes objects of the inventory that are still ours, in reverse order. */
  prune(entries: readonly InventoryEntry[], options: PruneOptions): Promise<PruneResult>
  /** Resolves when all of these are gone. @throws HealthError at the time-out */
  terminated(entries: readonly InventoryEntry[], options: HealthOptions): Promise<void>
  /** Resolves when all targets are ready (kstatus), fed by watches. @throws HealthError */
  healthy(targets: readonly HealthTarget[], options: HealthOptions): Promise<void>
  /** Called for each drift of a managed object, at once for the first, then with the object's own backoff. Returns how to stop. */
  onDrift(listener: (drift: Drift) => void): () => void
  /** Drops what is kept in memory for an owner. */
  forget(owner: Key): void
  /** Ends all watches. */
  close(): Promise<void>
}

export type { Action, Change, Health, IgnoreRules }
