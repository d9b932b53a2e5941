/** Deep copies of values. */

import { chargeItems } from '../cost.ts'
import type { Budget } from '../environment.ts'
import { FuncError } from '../func.ts'
import { zeroOf } from '../types.ts'
import { Bytes, type Dict, isList, Slice, Struct, TypedMap, type Value } from '../value.ts'

/** Source: mitchellh/copystructure, whose words for nil are those of its panic. @throws FuncError */
export function deepCopy(value: Value, budget: Budget): Value {
  if (value === null) throw new FuncError('reflect: call of reflect.Value.Type on zero Value')
  chargeItems(value, budget)
  return copied(value, budget)
}

function copied(value: Value, budget: Budget): Value {
  if (typeof value !== 'object' || value === null) return value
  const copyAll = (items: readonly Value[]) => {
    budget.steps(items.length)
    return items.map((item) => copied(item, budget))
  }
  if (isList(value)) return copyAll(value)
  if (value instanceof Map) return copiedDict(value, budget)
  if (value instanceof Slice) return new Slice(value.type, copyAll(value.items), value.isNil)
  if (value instanceof Bytes) return new Bytes(value.bytes.slice())
  // Times and the like hold more than their fields, and never change.
  if (Object.getPrototypeOf(value) !== Struct.prototype) return value
  return value instanceof Struct ? copiedStruct(value, budget) : value
}

/** Reflection cannot set the fields of another package: they are empty in the copy. */
function copiedStruct(value: Struct, budget: Budget): Struct {
  if (!value.fields) return value
  const { layout = [], unexported = [] } = (value.type.kind === 'ptr' ? value.type.elem : value.type) ?? {}
  const hidden = layout.filter(({ name }) => unexported.includes(name)).map(({ name, type }) => [name, zeroOf(type)] as const)
  return new Struct(value.type, new Map([...copiedEntries(value.fields, budget), ...hidden]))
}

function copiedDict(dict: Dict, budget: Budget): Dict {
  const entries = copiedEntries(dict, budget)
  return dict instanceof TypedMap ? new TypedMap(dict.type, entries, dict.isNil) : new Map(entries)
}

function copiedEntries(entries: ReadonlyMap<string, Value>, budget: Budget): [string, Value][] {
  budget.steps(entries.size)
  return Array.from(entries, ([key, value]) => [key, copied(value, budget)])
}
