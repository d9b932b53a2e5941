/** Deep equality of values. */

import type { Budget } from '../environment.ts'
import { Bytes, Complex, type Dict, Int, isList, Slice, Struct, TypedMap, typeOf, type Value } from '../value.ts'

/** Source: Go reflect.DeepEqual: types must be the same, and a nil slice is not an empty one. */
export function deepEqual(a: Value, b: Value, budget: Budget): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  if (a === b) return true
  if (typeOf(a) !== typeOf(b)) return false
  if (a instanceof Int) return a.value === (b as Int).value
  if (a instanceof Complex) return a.real === (b as Complex).real && a.imaginary === (b as Complex).imaginary
  if (a instanceof Bytes) return Buffer.compare(a.bytes, (b as Bytes).bytes) === 0
  if (a instanceof Struct) return fieldsEqual(a, b as Struct, budget)
  if (a instanceof Map) return isNil(a) === isNil(b) && entriesEqual(a, b as Dict, budget)
  return isNil(a) === isNil(b) && itemsEqual(listed(a), listed(b as typeof a), budget)
}

function fieldsEqual(a: Struct, b: Struct, budget: Budget): boolean {
  if (!a.fields || !b.fields) return a.fields === b.fields
  return entriesEqual(a.fields, b.fields, budget)
}

function entriesEqual(a: ReadonlyMap<string, Value>, b: ReadonlyMap<string, Value>, budget: Budget): boolean {
  if (a.size !== b.size) return false
  budget.steps(a.size)
  for (const [key, value] of a) {
    const other = b.get(key)
    if (other === undefined || !deepEqual(value, other, budget)) return false
  }
  return true
}

function itemsEqual(a: readonly Value[], b: readonly Value[], budget: Budget): boolean {
  if (a.length !== b.length) return false
  budget.steps(a.length)
  return a.every((item, index) => deepEqual(item, b[index] ?? null, budget))
}

function listed(value: readonly Value[] | Slice): readonly Value[] {
  return isList(value) ? value : (value as Slice).items
}

function isNil(value: Value): boolean {
  return (value instanceof Slice || value instanceof TypedMap) && value.isNil
}
