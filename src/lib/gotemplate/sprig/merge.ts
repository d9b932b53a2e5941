/** Merging of dicts by mergo's rules, odd ones included. Source: dario.cat/mergo v1.0.1 deepMerge. */

import type { Budget } from '../environment.ts'
import { FuncError } from '../func.ts'
import { type Dict, type GoType, itemsOf, Struct, TypedMap, typeOf, types, type Value } from '../value.ts'
import { isEmpty } from './empty.ts'

/** What mergo returns as an error: sprig's `merge` hides it. Its panics are plain FuncErrors. */
export class MergeError extends FuncError {}

export interface MergeOptions {
  readonly overwrite: boolean
  readonly budget: Budget
}

/** Merges dicts into the first one, which changes in place. Without `overwrite` what is there and not empty stays. @throws MergeError, FuncError */
export function merge(into: Dict, sources: readonly Dict[], options: MergeOptions): Dict {
  let merged = into
  for (const source of sources) {
    // A nil dict is replaced by one that can be written to, if there is anything to write.
    if (isNil(merged) && !isNil(source)) merged = new Map()
    mergeDict(merged, source, options)
  }
  return merged
}

function mergeDict(into: Dict, from: Dict, options: MergeOptions): void {
  options.budget.steps(from.size + 1)
  assertAssignable(into, from)
  for (const [key, value] of [...from]) mergeEntry(into, key, value, options)
}

/** Go's maps hold values of their type only: those of an interface go into a map of interfaces. */
function assertAssignable(into: Dict, from: Dict): void {
  const element = elementOf(into)
  if (element.kind === 'interface' || element === elementOf(from)) return
  if ([...from].every(([key, value]) => value === null || !isEmptyForMerge(into.get(key) ?? null))) return
  throw new FuncError(`reflect.Value.SetMapIndex: value of type ${elementOf(from).name} is not assignable to type ${element.name}`)
}

function elementOf(dict: Dict): GoType {
  return (dict instanceof TypedMap ? dict.type.elem : undefined) ?? types.any
}

function mergeEntry(into: Dict, key: string, value: Value, options: MergeOptions): void {
  const { overwrite } = options
  if (value === null) {
    if (overwrite) into.set(key, null)
    return
  }
  const present = into.get(key)
  if (value instanceof Map || value instanceof Struct) mergeNested(present, value, options)
  // Also where nothing is set below, so that all slices are shared.
  const isSlice = itemsOf(value) !== undefined
  if (isSlice && (overwrite || into.size === 0)) into.set(key, value)
  if (present !== undefined && !isEmptyForMerge(present)) {
    if (isSlice || (value instanceof Map && present instanceof Map)) return
  }
  if (overwrite || present === undefined || isEmptyForMerge(present)) into.set(key, value)
}

/** Merges what lies within an entry. It changes dicts only: what else there is cannot be set through an interface. */
function mergeNested(present: Value | undefined, value: Dict | Struct, options: MergeOptions): void {
  if (present instanceof Map) {
    if (value instanceof Map && !isNil(present)) mergeDict(present, value, options)
    return
  }
  if (!(present instanceof Struct) || options.overwrite) return
  const isPointer = present.type.kind === 'ptr'
  if (isPointer && typeOf(value)?.kind !== 'ptr') throw new MergeError('src and dst must be of same type')
  if (!isPointer && value instanceof Map && present.type.fields?.length)
    throw new FuncError('reflect: call of reflect.Value.Field on map Value')
}

/** As sprig's idea of it, but for complex numbers, which mergo never takes for empty. */
function isEmptyForMerge(value: Value): boolean {
  return isEmpty(value) && (value === null || typeof value !== 'object' || !('imaginary' in value))
}

function isNil(dict: Dict): boolean {
  return dict instanceof TypedMap && dict.isNil
}
