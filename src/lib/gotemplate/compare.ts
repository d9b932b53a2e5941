/** Comparisons of templates: eq, ne, lt, le, gt, ge. Source: Go text/template/funcs.go. */

import { sprintf } from './format.ts'
import type { Maybe } from './frame.ts'
import { FuncError } from './func.ts'
import { isSignedKind } from './types.ts'
import { Complex, compareText, type GoType, Int, Slice, Struct, TypedMap, typeOf } from './value.ts'

/** Whether the first value equals one of the others. @throws FuncError for values that cannot be compared. */
export function isEqualToAny(value: Maybe, others: readonly Maybe[]): boolean {
  if (others.length === 0) throw new FuncError('missing argument for comparison')
  return others.some((other) => isEqual(value, other))
}

export function isEqual(a: Maybe, b: Maybe): boolean {
  const [kind, other] = [basicKind(a), basicKind(b)]
  if (kind !== other && !(isInteger(kind) && isInteger(other))) {
    if (isNothing(a) || isNothing(b)) return false
    throw incompatible(a, b)
  }
  if (kind === undefined) return areEqualComposites(a, b)
  return isSame(a, b)
}

/** @throws FuncError for values that have no order, or are of different kinds. */
export function isLess(a: Maybe, b: Maybe): boolean {
  const [kind, other] = [basicKind(a), basicKind(b)]
  if (kind === undefined || other === undefined) throw new FuncError(noComparison)
  if (kind !== other && !(isInteger(kind) && isInteger(other))) throw incompatible(a, b)
  if (typeof a === 'number' && typeof b === 'number') return a < b
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b) < 0
  if (a instanceof Int && b instanceof Int) return a.value < b.value
  throw new FuncError(noComparison)
}

export function isLessOrEqual(a: Maybe, b: Maybe): boolean {
  return isLess(a, b) || isEqual(a, b)
}

const noComparison = 'invalid type for comparison'

type BasicKind = 'bool' | 'complex' | 'float' | 'int' | 'string' | 'uint'

/** What can be compared with what; undefined for values that are not basic. */
function basicKind(value: Maybe): BasicKind | undefined {
  switch (typeof value) {
    case 'string':
      return 'string'
    case 'boolean':
      return 'bool'
    case 'number':
      return 'float'
  }
  if (value instanceof Int) return isSignedKind(value.type.kind) ? 'int' : 'uint'
  return value instanceof Complex ? 'complex' : undefined
}

function isInteger(kind: BasicKind | undefined): boolean {
  return kind === 'int' || kind === 'uint'
}

function isNothing(value: Maybe): value is null | undefined {
  return value === null || value === undefined
}

function incompatible(a: Maybe, b: Maybe): FuncError {
  return new FuncError(`incompatible types for comparison: ${typeName(a)} and ${typeName(b)}`)
}

/** Maps, lists and structs: what can be said of them is little. */
function areEqualComposites(a: Maybe, b: Maybe): boolean {
  const [type, other] = [typeOf(a ?? null), typeOf(b ?? null)]
  if (type && other && type.kind !== other.kind) {
    throw new FuncError(`non-comparable types ${print(a)}: ${type.name}, ${other.name}: ${sprintf('%v', [b ?? null])}`)
  }
  if (isNil(a) || isNil(b)) return isNil(a) && isNil(b)
  if (other && !isComparable(other)) throw new FuncError(`non-comparable type ${print(b)}: ${other.name}`)
  return isSame(a, b)
}

function print(value: Maybe): string {
  return sprintf('%s', [value ?? null])
}

function typeName(value: Maybe): string {
  return typeOf(value ?? null)?.name ?? 'nil'
}

function isNil(value: Maybe): boolean {
  if (value instanceof Slice || value instanceof TypedMap) return value.isNil
  if (value instanceof Struct) return value.type.kind === 'ptr' && value.fields === undefined
  return isNothing(value)
}

function isComparable({ kind, fields }: GoType): boolean {
  if (kind === 'struct') return fields?.every((field) => isComparable(field.type)) ?? true
  return kind !== 'slice' && kind !== 'map' && kind !== 'func'
}

/** Go's `==` of two values that can be compared. */
function isSame(a: Maybe, b: Maybe): boolean {
  if (a === b) return true
  if (a instanceof Int && b instanceof Int) return a.value === b.value
  if (a instanceof Complex && b instanceof Complex) return a.real === b.real && a.imaginary === b.imaginary
  if (!(a instanceof Struct && b instanceof Struct) || a.type !== b.type || a.type.kind === 'ptr') return false
  return Array.from(a.fields ?? []).every(([name, value]) => isSame(value, b.fields?.get(name)))
}
