/** Tables: values that are a `map[string]interface {}`. */

import { LimitError } from '../gotemplate/environment.ts'
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

/** Tables that import each other's parts can come to hold themselves: Helm ends then, and so does this. */
const mostCopied = 5_000_000
const deepest = 2000

/** A deep copy. @throws LimitError for values without end. */
export function copyTable(table: Dict): Dict {
  let left = mostCopied
  const copyOf = (value: Dict, depth: number): Dict => new Map([...value].map(([key, item]) => [key, copyValue(item, depth + 1)]))
  const copyValue = (value: Value, depth: number): Value => {
    if (--left < 0 || depth > deepest) throw new LimitError('the values are larger than is allowed')
    if (isTable(value)) return copyOf(value, depth)
    return isList(value) ? value.map((item) => copyValue(item, depth + 1)) : value
  }
  return copyOf(table, 0)
}

/** Whether a value is a `map[string]interface {}`. */
export function isTable(value: Value | undefined): value is Dict {
  return value instanceof Map && !(value instanceof TypedMap)
}
