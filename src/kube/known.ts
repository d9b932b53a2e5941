/** Fingerprints: what of an object's metadata tells whether anybody touched what we applied. */
import { hash } from 'node:crypto'
import type { ManagedFieldsEntry, ObjectMeta } from '../api/object.ts'

/** Whose objects, and what counts as a left-over of others. */
export interface Ownership {
  /** Our name in managedFields. */
  readonly fieldManager: string
  /** Group of the labels and annotations that mean something to us: `kustomize.toolkit.fluxcd.io`. */
  readonly group: string
  /** Managers whose fields are taken over in addition to the usual ones (`--override-manager`). */
  readonly overrideManagers: readonly string[]
}

/** What the metadata of a live object says, in little memory. */
export interface Observation {
  /** Same fingerprint: nobody touched what we applied. Undefined when we have not applied the object. */
  readonly fingerprint: string | undefined
  readonly resourceVersion: string
  /** When we last applied it, in seconds since 1970 by the API server's clock: that is all that managedFields tell. */
  readonly appliedSecond: number
  /**
   * False where a later write of ours within the same second would leave the same fingerprint: kinds without generation, whose
   * newest entry in managedFields is our own.
   */
  readonly decisive: boolean
  readonly policy: Policy
  /** Fields or annotations of kubectl and its like are to be removed before the next apply. */
  readonly needsCleanup: boolean
}

/** How an object wants to be treated, by its labels or annotations. */
export interface Policy {
  /** Neither applied nor deleted. */
  readonly ignored: boolean
  /** Applied only if absent. */
  readonly ifNotPresent: boolean
  /** Fields of other managers stay. */
  readonly merge: boolean
  /** Deleted and created again when an immutable field changes. */
  readonly force: boolean
  readonly keep: boolean
}

type Metadata = Pick<ObjectMeta, 'labels' | 'annotations'>

/** Annotations and labels that are removed from live objects. Source: kustomize-controller, ApplyCleanupOptions. */
export const staleAnnotations = [
  'kubectl.kubernetes.io/last-applied-configuration',
  'kustomize.toolkit.fluxcd.io/checksum',
  'fluxcd.io/sync-checksum',
]
export const staleLabels = ['fluxcd.io/sync-gc-mark']

const policies = new Map<string, Policy>()

/** The same few values are shared by all objects. Source: github.com/fluxcd/pkg/ssa/utils AnyInMetadata. */
export function policyOf(metadata: Metadata, group: string): Policy {
  const says = (key: string, value: string) => saysEither(metadata, `${group}/${key}`, value)
  const policy: Policy = {
    ignored: says('reconcile', 'disabled') || says('ssa', 'ignore'),
    ifNotPresent: says('ssa', 'ifnotpresent'),
    merge: says('ssa', 'merge'),
    force: says('force', 'enabled'),
    keep: says('prune', 'disabled'),
  }
  const key = Object.values(policy).join()
  const shared = policies.get(key) ?? policy
  policies.set(key, shared)
  return shared
}

/** In manifests a value may be a boolean or a number, where somebody forgot the quotes. */
function saysEither({ labels, annotations }: Metadata, key: string, value: string): boolean {
  return [labels?.[key], annotations?.[key]].some((found) => found !== undefined && String(found).toLowerCase() === value)
}

/**
 * Looks at the metadata of a live object (or of a dry-run's answer).
 *
 * The fingerprint is made of: uid, deletionTimestamp, our Apply entry with its time, entries that are to be taken over, labels and
 * annotations of our group and those that are to be removed; and the generation, unless others write fields besides metadata and
 * status. Whoever changes a field that we own takes it out of our entry; status writers and people who add fields of their own do not.
 */
export function observe(metadata: ObjectMeta, ownership: Ownership): Observation {
  const entries = metadata.managedFields ?? []
  const own = entries.find((entry) => isOwn(entry, ownership))
  const policy = policyOf(metadata, ownership.group)
  const foreign = entries.filter((entry) => isTakenOver(entry, ownership))
  const stale = staleMetadata(metadata)
  const appliedSecond = secondOf(own?.time)
  return {
    fingerprint:
      own &&
      hashOf([
        metadata.uid,
        metadata.deletionTimestamp,
        entryValues(own),
        foreign.map(entryValues),
        ownKeys(metadata.labels, ownership.group),
        ownKeys(metadata.annotations, ownership.group),
        stale,
        countsGeneration(entries, ownership) ? metadata.generation : undefined,
      ]),
    resourceVersion: metadata.resourceVersion ?? '',
    appliedSecond,
    decisive: metadata.generation !== undefined || entries.some((entry) => secondOf(entry.time) > appliedSecond),
    policy,
    needsCleanup: !policy.merge && (foreign.length > 0 || stale.length > 0),
  }
}

function isOwn(entry: ManagedFieldsEntry, { fieldManager }: Pick<Ownership, 'fieldManager'>): boolean {
  return entry.manager === fieldManager && entry.operation === 'Apply' && !entry.subresource
}

/**
 * Whether an entry's fields become ours before we apply, so that what the build does not have is removed.
 * Source: kustomize-controller, ApplyCleanupOptions.FieldManagers; matching by prefix as github.com/fluxcd/pkg/ssa patch.go.
 */
function isTakenOver(entry: ManagedFieldsEntry, { fieldManager, overrideManagers }: Ownership): boolean {
  const { manager = '', operation, subresource } = entry
  if (subresource) return false
  const begins = (name: string) => manager.startsWith(name)
  if (begins('kubectl') || overrideManagers.some(begins)) return true
  return operation === 'Update' && (begins('before-first-apply') || begins(fieldManager))
}

/** Where others write fields (a scaler, an operator that completes the spec) every write of theirs changes the generation. */
function countsGeneration(entries: readonly ManagedFieldsEntry[], ownership: Ownership): boolean {
  return entries.every(
    (entry) => isOwn(entry, ownership) || Object.keys(entry.fieldsV1 ?? {}).every((field) => isBesideSpec(entry, field)),
  )
}

function isBesideSpec(entry: ManagedFieldsEntry, field: string): boolean {
  return field === 'f:metadata' || (field === 'f:status' && entry.subresource === 'status')
}

function entryValues({ manager, operation, apiVersion, time, fieldsV1 }: ManagedFieldsEntry): unknown[] {
  return [manager, operation, apiVersion, time, fieldsV1]
}

function ownKeys(values: Readonly<Record<string, string>> | undefined, group: string): string[] {
  return Object.entries(values ?? {})
    .filter(([key]) => key.startsWith(`${group}/`))
    .map(([key, value]) => `${key}=${value}`)
    .sort()
}

function staleMetadata({ labels, annotations }: Metadata): string[] {
  return [
    ...staleAnnotations.filter((key) => annotations?.[key] !== undefined),
    ...staleLabels.filter((key) => labels?.[key] !== undefined),
  ]
}

function hashOf(value: unknown): string {
  return hash('sha256', JSON.stringify(value), 'base64url').slice(0, 22)
}

export function secondOf(time: string | undefined): number {
  return time ? Math.floor(Date.parse(time) / 1000) : 0
}

/** The manager that wrote last, apart from ourselves and those who only report status. */
export function lastWriter(metadata: ObjectMeta, ownership: Ownership): string | undefined {
  const others = (metadata.managedFields ?? []).filter((entry) => !isOwn(entry, ownership) && entry.subresource !== 'status')
  const newest = others.sort((a, b) => secondOf(b.time) - secondOf(a.time))[0]
  return newest?.manager
}

/**
 * The JSON patch that hands the fields of kubectl and its like over to us and removes left-over metadata; empty when there is
 * nothing to do. It fails with a conflict when the object has changed since it was read.
 * Source: github.com/fluxcd/pkg/ssa patch.go, PatchReplaceFieldsManagers.
 */
export function cleanupPatch(live: ObjectMeta, ownership: Ownership): object[] {
  const taken = (entry: ManagedFieldsEntry) => isTakenOver(entry, ownership)
  const patch = [
    ...takeOver(live, ownership.fieldManager, taken),
    ...removals('annotations', staleAnnotations),
    ...removals('labels', staleLabels),
  ]
  if (patch.length > 0) patch.push({ op: 'replace', path: '/metadata/resourceVersion', value: live.resourceVersion })
  return patch

  function removals(field: 'labels' | 'annotations', keys: readonly string[]): object[] {
    return keys
      .filter((key) => live[field]?.[key] !== undefined)
      .map((key) => ({ op: 'remove', path: `/metadata/${field}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}` }))
  }
}

/**
 * The JSON patch that makes what a manager wrote without server-side apply its own as if it had been applied: else what the next apply
 * leaves out would stay. What former managers wrote in either way becomes its own too. Empty when there is nothing of that kind. It fails
 * with a conflict when the object has changed since it was read. Source: k8s.io/client-go/util/csaupgrade.
 */
export function appliedPatch(live: ObjectMeta, fieldManager: string, formerManagers: readonly string[] = []): object[] {
  const isWritten = (entry: ManagedFieldsEntry) => {
    const { manager = '', operation, subresource } = entry
    if (subresource || holdsFinalizersOnly(entry)) return false
    return manager === fieldManager ? operation === 'Update' : formerManagers.includes(manager)
  }
  const patch = takeOver(live, fieldManager, isWritten)
  return patch.length === 0 ? [] : [...patch, { op: 'replace', path: '/metadata/resourceVersion', value: live.resourceVersion }]
}

/** A controller of that name puts them on objects of its own kinds: to take them for what was applied would remove them. */
function holdsFinalizersOnly({ fieldsV1 = {} }: ManagedFieldsEntry): boolean {
  const { 'f:metadata': metadata, ...others } = fieldsV1
  const names = Object.keys(fieldsOf(metadata))
  return Object.keys(others).length === 0 && names.length === 1 && names[0] === 'f:finalizers'
}

/**
 * The JSON patch that makes all entries of managedFields be of one API version; empty when they are. It fails with a conflict when the
 * object has changed since it was read. Source: github.com/fluxcd/pkg/ssa patch.go, PatchMigrateToVersion.
 */
export function versionPatch(live: ObjectMeta, apiVersion: string): object[] {
  const entries = live.managedFields ?? []
  if (entries.every((entry) => entry.apiVersion === apiVersion)) return []
  return [
    { op: 'replace', path: '/metadata/managedFields', value: entries.map((entry) => ({ ...entry, apiVersion })) },
    { op: 'replace', path: '/metadata/resourceVersion', value: live.resourceVersion },
  ]
}

function takeOver(live: ObjectMeta, fieldManager: string, isTaken: (entry: ManagedFieldsEntry) => boolean): object[] {
  const entries = live.managedFields ?? []
  const taken = entries.filter(isTaken)
  const isApplied = (entry: ManagedFieldsEntry) => isOwn(entry, { fieldManager })
  const [firstTaken] = taken
  if (!firstTaken) return []
  const own = entries.find(isApplied) ?? {
    ...firstTaken,
    manager: fieldManager,
    operation: 'Apply',
  }
  const merged = { ...own, fieldsV1: taken.map((entry) => entry.fieldsV1 ?? {}).reduce(unionOfFields, own.fieldsV1 ?? {}) }
  const rest = entries.filter((entry) => !isApplied(entry) && !taken.includes(entry))
  return [{ op: 'replace', path: '/metadata/managedFields', value: [...rest, merged] }]
}

type FieldsV1 = Readonly<Record<string, unknown>>

/** Field sets are tries of objects: a union is a deep merge. */
function unionOfFields(a: FieldsV1, b: FieldsV1): FieldsV1 {
  const union = new Map(Object.entries(a))
  for (const [key, fields] of Object.entries(b)) union.set(key, unionOfFields(fieldsOf(union.get(key)), fieldsOf(fields)))
  return Object.fromEntries(union)
}

function fieldsOf(value: unknown): FieldsV1 {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
