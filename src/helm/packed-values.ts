/** Values on their way to a worker thread: structured clones lose classes, and what is an integer has to stay one. */
import { jsonToValue, valueToJson } from '../lib/gotemplate/gojson.ts'
import { type Dict, Int, int64, isList, type Value } from '../lib/gotemplate/value.ts'
import type { Json } from '../lib/json.ts'

/** A table is a Map, an integer a bigint. */
export type PackedValue = null | boolean | string | number | bigint | readonly PackedValue[] | ReadonlyMap<string, PackedValue>

export function pack(value: Value): PackedValue {
  if (value instanceof Int) return value.value
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, pack(item)]))
  if (isList(value)) return value.map(pack)
  return typeof value === 'object' && value !== null ? pack(jsonToValue(valueToJson(value))) : value
}

export function unpackTable(packed: PackedValue): Dict {
  return packed instanceof Map ? new Map([...packed].map(([key, item]) => [key, unpack(item)])) : new Map()
}

function unpack(packed: PackedValue): Value {
  if (typeof packed === 'bigint') return int64(packed)
  if (packed instanceof Map) return unpackTable(packed)
  return Array.isArray(packed) ? packed.map(unpack) : (packed as Value)
}

/** An object of the cluster as client-go has it: numbers without a fraction are integers. */
export function liveTable(json: Json): Dict {
  const value = liveValue(json)
  return value instanceof Map ? value : new Map()
}

function liveValue(json: Json): Value {
  if (typeof json === 'number' || typeof json === 'bigint') return Number.isInteger(Number(json)) ? int64(json) : Number(json)
  if (Array.isArray(json)) return json.map(liveValue)
  if (typeof json !== 'object' || json === null) return jsonToValue(json)
  return new Map(Object.entries(json).map(([key, item]) => [key, liveValue(item as Json)]))
}
