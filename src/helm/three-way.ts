/**
 * The patches of client-side apply: what makes a live object as a manifest wants it, without what the manifest before had and this one
 * leaves out. Fields that neither has stay.
 * Source: helm pkg/kube/client.go createPatch, k8s.io/apimachinery strategicpatch and jsonmergepatch.
 */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../api/object.ts'
import { isRecord, type Json, type JsonObject } from '../lib/json.ts'
import { type Schema, SchemaSet, schemaOfField } from '../lib/kustomize/schema.ts'

export interface Patch {
  readonly type: 'strategic' | 'merge'
  readonly body: JsonObject
}

export interface PatchOptions {
  /** Custom resources: what others have changed is changed back too; else only what differs between the manifests is sent. */
  readonly heals: boolean
}

const schemas = new SchemaSet()

/** Lists of built-in kinds are merged item by item; the lists of others, which have no keys that are known, are replaced. */
export function threeWayPatch(before: KubeObject, after: KubeObject, { heals }: PatchOptions): Patch {
  const [old, wanted] = [jsonOf(before), jsonOf(after)]
  const schema = schemas.forKind(after.apiVersion, after.kind)
  if (schema) return { type: 'strategic', body: strategic(old, wanted, schema) }
  return { type: 'merge', body: heals ? { ...wanted, ...removals(old, wanted) } : difference(old, wanted) }
}

function jsonOf(object: KubeObject): JsonObject {
  return object as unknown as JsonObject
}

/**
 * All that is wanted, with directives for what is to go and for the order of lists. Whatever is so already the API server leaves as it
 * is: this has the effect of the smallest patch.
 */
function strategic(before: JsonObject, after: JsonObject, schema: Schema | undefined): JsonObject {
  const removed = Object.keys(before).filter((name) => !Object.hasOwn(after, name))
  const parts = Object.entries(after).map(([name, value]): JsonObject => {
    const [old, own] = [field(before, name), schemaOfField(schema, name)]
    if (isMap(value)) {
      const inner = strategic(isMap(old) ? old : {}, value, own)
      return { [name]: isStrategy(name, schema) ? retaining(inner, value) : inner }
    }
    const key = Array.isArray(value) ? mergeKeyOf(name, schema, own) : undefined
    if (!Array.isArray(value) || key === undefined) return { [name]: value }
    const lists = { before: listOf(old), after: value }
    return key === '' ? mergedSet(name, lists) : mergedItems(name, lists, { key, schema: own?.items })
  })
  return Object.fromEntries([...parts.flatMap(Object.entries), ...removed.map((name) => [name, null])])
}

interface Lists {
  readonly before: readonly Json[]
  readonly after: readonly Json[]
}

/** A set of scalars. */
function mergedSet(name: string, { before, after }: Lists): JsonObject {
  const gone = before.filter((item) => !after.includes(item))
  return {
    [name]: [...after],
    [`$setElementOrder/${name}`]: [...after],
    ...(gone.length > 0 && { [`$deleteFromPrimitiveList/${name}`]: gone }),
  }
}

function mergedItems(
  name: string,
  { before, after }: Lists,
  { key, schema }: { key: string; schema: Schema | undefined },
): JsonObject {
  const keyOf = (item: Json) => (isMap(item) ? field(item, key) : undefined)
  const find = (items: readonly Json[], wanted: Json | undefined) => items.find((item) => isDeepStrictEqual(keyOf(item), wanted))
  const merged = after.map((item): Json => {
    if (!isMap(item)) return item
    const old = find(before, keyOf(item))
    const inner = strategic(isMap(old) ? old : {}, item, schema)
    return unions.has(name) ? retaining(inner, item) : inner
  })
  const gone = before.filter((item) => keyOf(item) !== undefined && find(after, keyOf(item)) === undefined)
  const deletions = gone.map((item): Json => ({ $patch: 'delete', [key]: keyOf(item) ?? null }))
  const order = after.map((item): Json => ({ [key]: keyOf(item) ?? null }))
  return { [name]: [...merged, ...deletions], [`$setElementOrder/${name}`]: order }
}

/** Lists of built-in kinds that have a key since Kubernetes 1.22, which the schema does not know. */
const newerLists: ReadonlySet<string> = new Set(['schedulingGates', 'resourceClaims', 'matchConditions'])

/** The API server merges by one key, also where server-side apply has several. Empty for a set, undefined for a list that is replaced. */
function mergeKeyOf(name: string, parent: Schema | undefined, own: Schema | undefined): string | undefined {
  if (own?.mergeKeys) return own.mergeKeys[0] ?? ''
  const isNewer = newerLists.has(name) && (parent?.fields.has('containers') || name === 'matchConditions')
  return isNewer ? 'name' : undefined
}

/** Of their items only what is wanted stays: another type of volume has other fields. Source: patchStrategy retainKeys in k8s.io/api. */
const unions: ReadonlySet<string> = new Set(['volumes', 'resourceClaims'])

/** Of a Deployment: the same holds for it. */
function isStrategy(name: string, parent: Schema | undefined): boolean {
  return name === 'strategy' && (parent?.fields.has('template') ?? false)
}

function retaining(patch: JsonObject, wanted: JsonObject): JsonObject {
  return { ...patch, $retainKeys: Object.keys(wanted) }
}

/** RFC 7396: null removes a field, lists are replaced. */
function removals(before: JsonObject, after: JsonObject): JsonObject {
  const entries = Object.entries(before).flatMap(([name, old]): [string, Json][] => {
    const value = field(after, name)
    if (value === undefined) return [[name, null]]
    return isMap(old) && isMap(value) ? [[name, { ...value, ...removals(old, value) }]] : []
  })
  return Object.fromEntries(entries)
}

function difference(before: JsonObject, after: JsonObject): JsonObject {
  const changed = Object.entries(after).flatMap(([name, value]): [string, Json][] => {
    const old = field(before, name)
    if (old !== undefined && isDeepStrictEqual(old, value)) return []
    return [[name, isMap(old) && isMap(value) ? difference(old, value) : value]]
  })
  const gone = Object.keys(before).filter((name) => !Object.hasOwn(after, name))
  return Object.fromEntries([...gone.map((name): [string, Json] => [name, null]), ...changed])
}

function field(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : []
}

function isMap(value: Json | undefined): value is JsonObject {
  return isRecord(value)
}
