/** Fields of objects that others may set: a difference there is no drift. Source: github.com/fluxcd/pkg/ssa manager_apply.go. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject, ManagedFieldsEntry } from '../api/object.ts'
import { isRecord, type Json, type JsonObject } from '../lib/json.ts'
import { pointerKeys, valueAt, valueIn, withoutPointer, withPointer } from '../lib/json-diff.ts'

/** Which fields of which objects are ignored. */
export interface IgnoreRules {
  /** Tells rules apart: objects are compared anew when it changes. */
  readonly id: string
  /** The JSON pointers that are ignored in an object as it would be after an apply. */
  pathsIn(object: KubeObject): readonly string[]
}

/** Whether an apply would change more than the ignored fields. Source: hasDriftedWithIgnore. */
export function differsBeside(paths: readonly string[], live: KubeObject, wanted: KubeObject): boolean {
  const compared = (object: KubeObject) => {
    const { metadata, status: _, ...fields } = without(paths, jsonOf(object))
    const { labels = {}, annotations = {} } = isRecord(metadata) ? metadata : {}
    return { ...fields, labels, annotations }
  }
  return !isDeepStrictEqual(compared(live), compared(wanted))
}

/** A live object, and the same object as a dry-run of what is desired would leave it. */
export interface Compared {
  readonly live: KubeObject
  readonly wanted: KubeObject
}

/**
 * What is applied to an object that differs elsewhere too: of the ignored fields that differ, those that another manager applies are left
 * out, and the others get the value that they have. Without the latter they would go from the object, with our ownership of them.
 * Source: computeDriftedPaths, applyDriftResult.
 */
export function keepingIgnored(
  desired: KubeObject,
  paths: readonly string[],
  { live, wanted }: Compared,
  fieldManager: string,
): KubeObject {
  const isTheirs = ({ manager, operation, subresource }: ManagedFieldsEntry) =>
    operation === 'Apply' && !subresource && manager !== fieldManager
  const theirs = (live.metadata.managedFields ?? []).filter(isTheirs)
  const [now, then] = [jsonOf(live), jsonOf(wanted)]
  const kept = paths.reduce((body: Json, path) => {
    const value = valueAt(now, path)
    if (isDeepStrictEqual(value, valueAt(then, path))) return body
    const isApplied = theirs.some(({ fieldsV1 }) => owns(fieldsV1, now, pointerKeys(path)))
    return isApplied || value === undefined ? withoutPointer(body, path) : withPointer(body, path, value)
  }, jsonOf(desired))
  return kept as unknown as KubeObject
}

/** Whether an entry of managedFields has the field. Items of lists are found by their keys there: `k:{"name":"web"}`. */
function owns(fields: unknown, value: Json | undefined, [key, ...rest]: readonly string[]): boolean {
  if (key === undefined) return true
  if (!isRecord(fields)) return false
  const inner = Array.isArray(value) ? fieldsOfItem(fields, valueIn(value, key)) : fields[`f:${key}`]
  return inner !== undefined && owns(inner, valueIn(value, key), rest)
}

function fieldsOfItem(fields: Readonly<Record<string, unknown>>, item: Json | undefined): unknown {
  if (!isRecord(item)) return undefined
  const [, found] =
    Object.entries(fields).find(([name]) => {
      if (!name.startsWith('k:')) return false
      return Object.entries(JSON.parse(name.slice(2))).every(([key, value]) => isDeepStrictEqual(item[key], value))
    }) ?? []
  return found
}

function without(paths: readonly string[], object: JsonObject): JsonObject {
  return paths.reduce((value, path) => withoutPointer(value, path) as JsonObject, object)
}

function jsonOf(object: KubeObject): JsonObject {
  return object as unknown as JsonObject
}
