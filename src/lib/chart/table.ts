/** Tables: values that are a `map[string]interface {}`. */

import { type Dict, isList, TypedMap, type Value } from '../gotemplate/value.ts'

/** A new map with what is in both; of tables that both have the same, otherwise `over` wins. Source: helm loader.MergeMaps. */
export function mergeMaps(under: Dict, over: Dict): Dict {
  const merged = new Map(under)
  for (const [key, value] of over) {
    const known = merged.get(key)
    merged.set(key, isTable(value) && isTable(known) ? mergeMaps(known, value) : value)
  }
  return merged
}

/** A deep copy. */
export function copyTable(table: Dict): Dict {
  return new Map([...table].map(([key, value]) => [key, copyValue(value)]))
}

function copyValue(value: Value): Value {
  if (isTable(value)) return copyTable(value)
  return isList(value) ? value.map(copyValue) : value
}

/** Whether a value is a `map[string]interface {}`. */
export function isTable(value: Value | undefined): value is Dict {
  return value instanceof Map && !(value instanceof TypedMap)
}
