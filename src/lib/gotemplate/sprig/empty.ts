/** What sprig takes for unset. */

import { Bytes, Complex, Int, isList, Slice, Struct, type Value } from '../value.ts'

/** Whether a value is the zero value of its type; of slices and maps, whether there is nothing in them. Source: sprig empty. */
export function isEmpty(value: Value): boolean {
  if (value === null || value === false || value === 0 || value === '') return true
  if (isList(value)) return value.length === 0
  if (value instanceof Map) return value.size === 0
  if (value instanceof Int) return value.value === 0n
  if (value instanceof Slice) return value.items.length === 0
  if (value instanceof Bytes) return value.bytes.length === 0
  if (value instanceof Struct) return value.fields === undefined
  if (value instanceof Complex) return value.real === 0 && value.imaginary === 0
  return false
}
