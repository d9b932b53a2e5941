/** Go's notion of truth, as `if` and `and` have it. */

import { Bytes, Complex, Int, isList, Slice, type Value } from './value.ts'

/**
 * Whether a value is not the zero value of its type: not empty, not 0, not nil. A struct is always true; undefined stands for a missing
 * value. Source: Go text/template.IsTrue.
 */
export function isTrue(value: Value | undefined): boolean {
  if (value === null || value === undefined) return false
  switch (typeof value) {
    case 'boolean':
      return value
    case 'string':
      return value !== ''
    case 'number':
      return value !== 0
  }
  if (value instanceof Map) return value.size > 0
  if (isList(value)) return value.length > 0
  if (value instanceof Int) return value.value !== 0n
  if (value instanceof Slice) return value.items.length > 0
  if (value instanceof Bytes) return value.bytes.length > 0
  if (value instanceof Complex) return value.real !== 0 || value.imaginary !== 0
  return value.type.kind !== 'ptr' || value.fields !== undefined
}
