/** The difference of two JSON values as a JSON patch (RFC 6902). */
import { isDeepStrictEqual } from 'node:util'
import { isRecord, type Json, type JsonObject, printJson } from './json.ts'

export interface Operation {
  readonly op: 'add' | 'replace' | 'remove'
  /** A JSON pointer (RFC 6901). */
  readonly path: string
  readonly value?: Json
}

/**
 * What turns `before` into `after`. Lists are compared place by place, and where replacing a whole value is shorter than many small
 * operations inside it, it is replaced; the values themselves are never replaced whole.
 * Source: github.com/wI2L/jsondiff with Rationalize, as Flux counts drift by it.
 */
export function diffJson(before: JsonObject, after: JsonObject): Operation[] {
  return objectDiff('', before, after)
}

function diff(path: string, before: Json, after: Json): Operation[] {
  if (isDeepStrictEqual(before, after)) return []
  const replacement: Operation = { op: 'replace', path, value: after }
  const parts = partsOf(path, before, after)
  return parts && lengthOf(parts) <= lengthOf([replacement]) ? parts : [replacement]
}

/** Undefined where there is nothing to compare inside. */
function partsOf(path: string, before: Json, after: Json): Operation[] | undefined {
  if (Array.isArray(before) && Array.isArray(after)) return listDiff(path, before, after)
  return isRecord(before) && isRecord(after) ? objectDiff(path, before as JsonObject, after as JsonObject) : undefined
}

function objectDiff(path: string, before: JsonObject, after: JsonObject): Operation[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return keys.flatMap((key): Operation[] => {
    const inner = `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
    const [old, now] = [own(before, key), own(after, key)]
    if (old !== undefined && now !== undefined) return diff(inner, old, now)
    return now === undefined ? [{ op: 'remove', path: inner }] : [{ op: 'add', path: inner, value: now }]
  })
}

/** What is too much goes first, always from the same place; what is new is appended. */
function listDiff(path: string, before: readonly Json[], after: readonly Json[]): Operation[] {
  const common = Math.min(before.length, after.length)
  const removals = before.slice(common).map((): Operation => ({ op: 'remove', path: `${path}/${common}` }))
  const changes = after.slice(0, common).flatMap((item, index) => diff(`${path}/${index}`, before[index] ?? null, item))
  const additions = after.slice(common).map((value): Operation => ({ op: 'add', path: `${path}/-`, value }))
  return [...removals, ...changes, ...additions]
}

function own(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

/** As the source counts it: what is added has no length. */
function lengthOf(operations: readonly Operation[]): number {
  const lengths = operations.map(({ op, path, value }) => {
    const frame = `{"op":"${op}","path":"${path}"}`.length
    if (op === 'remove') return frame
    return frame + ',"value":'.length + (op === 'replace' ? Buffer.byteLength(printJson(value)) : 0)
  })
  return lengths.reduce((sum, length) => sum + length, lengths.length - 1)
}

/**
 * A copy without what a pointer names; the value itself where it names nothing.
 * Source: evanphx/json-patch `remove` with AllowMissingPathOnRemove.
 */
export function withoutPointer(value: Json, pointer: string): Json {
  const keys = pointerKeys(pointer)
  return keys.length > 0 ? without(value, keys) : value
}

function without(value: Json, [key = '', ...rest]: readonly string[]): Json {
  if (Array.isArray(value)) {
    const index = indexIn(value, key)
    if (index === undefined) return value
    return rest.length === 0 ? value.toSpliced(index, 1) : value.with(index, without(value[index] ?? null, rest))
  }
  if (!isRecord(value) || !Object.hasOwn(value, key)) return value
  const { [key]: inner, ...others } = value as JsonObject
  return rest.length === 0 ? others : { ...(value as JsonObject), [key]: without(inner ?? null, rest) }
}

/** Negative ones count from the end. */
function indexIn(list: readonly Json[], key: string): number | undefined {
  if (!/^-?\d+$/.test(key)) return undefined
  const index = Number(key) < 0 ? list.length + Number(key) : Number(key)
  return index >= 0 && index < list.length ? index : undefined
}

/** The keys of a JSON pointer; none for the empty one, and for a text that is no pointer. */
export function pointerKeys(pointer: string): readonly string[] {
  const [root, ...keys] = pointer.split('/').map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  return root === '' ? keys : []
}

/** What a pointer names; undefined where it names nothing. */
export function valueAt(value: Json, pointer: string): Json | undefined {
  return pointerKeys(pointer).reduce(valueIn, value as Json | undefined)
}

/** The field of an object, or the item of a list. */
export function valueIn(value: Json | undefined, key: string): Json | undefined {
  if (Array.isArray(value)) return value[indexIn(value, key) ?? value.length]
  return isRecord(value) ? own(value as JsonObject, key) : undefined
}

/** A copy with another value where a pointer points. Objects on the way are made; an item of a list is not. */
export function withPointer(value: Json, pointer: string, inner: Json): Json {
  return withInner(value, pointerKeys(pointer), inner)
}

function withInner(value: Json, [key, ...rest]: readonly string[], inner: Json): Json {
  if (key === undefined) return inner
  if (Array.isArray(value)) {
    const index = indexIn(value, key)
    return index === undefined ? value : value.with(index, withInner(value[index] ?? null, rest, inner))
  }
  const fields = isRecord(value) ? (value as JsonObject) : {}
  return { ...fields, [key]: withInner(own(fields, key) ?? {}, rest, inner) }
}
