/**
 * The functions of the template language that see reflect.Values: and, or, not, len, index, slice, call and the comparisons.
 * (print, html and the like are ordinary functions: see format-functions.) Source: Go text/template/funcs.go.
 */

import { isEqual, isEqualToAny, isLess, isLessOrEqual } from './compare.ts'
import type { Maybe } from './frame.ts'
import { FuncError } from './func.ts'
import { isTrue } from './truth.ts'
import { dereferenced, zeroOf } from './types.ts'
import { Bytes, bytesOf, Int, int, isList, itemsOf, Slice, Struct, TypedMap, textOf, typeOf, types, type Value } from './value.ts'

export interface Builtin {
  /** How many parameters there are before the variadic one. */
  readonly fixed: number
  readonly isVariadic: boolean
  /** Of `and` and `or`, which the executor evaluates: the truth of an argument at which they stop. */
  readonly decides?: boolean
  /** @throws FuncError */
  readonly call: (args: readonly Maybe[], callee: () => string) => Maybe
}

export const builtins: ReadonlyMap<string, Builtin> = new Map([
  ['and', { fixed: 1, isVariadic: true, decides: false, call: ([value]) => value }],
  ['or', { fixed: 1, isVariadic: true, decides: true, call: ([value]) => value }],
  ['not', { fixed: 1, isVariadic: false, call: ([value]) => !isTrue(value) }],
  ['len', { fixed: 1, isVariadic: false, call: ([value]) => int(lengthOf(value)) }],
  ['index', { fixed: 1, isVariadic: true, call: ([item, ...indexes]) => index(item, indexes) }],
  ['slice', { fixed: 1, isVariadic: true, call: ([item, ...indexes]) => slice(item, indexes) }],
  ['call', { fixed: 1, isVariadic: true, call: ([value], callee) => call(value, callee()) }],
  ['eq', { fixed: 1, isVariadic: true, call: ([first, ...rest]) => isEqualToAny(first, rest) }],
  ['ne', { fixed: 2, isVariadic: false, call: ([a, b]) => !isEqual(a, b) }],
  ['lt', { fixed: 2, isVariadic: false, call: ([a, b]) => isLess(a, b) }],
  ['le', { fixed: 2, isVariadic: false, call: ([a, b]) => isLessOrEqual(a, b) }],
  ['gt', { fixed: 2, isVariadic: false, call: ([a, b]) => !isLessOrEqual(a, b) }],
  ['ge', { fixed: 2, isVariadic: false, call: ([a, b]) => !isLess(a, b) }],
] satisfies [string, Builtin][])

/** There are no function values among ours, so that a call can only fail. */
function call(value: Maybe, callee: string): never {
  if (value === undefined || value === null) throw new FuncError('call of nil')
  throw new FuncError(`non-function ${callee} of type ${nameOf(value)}`)
}

function lengthOf(value: Maybe): number {
  if (value === undefined) throw new FuncError('reflect: call of reflect.Value.Type on zero Value')
  const item = dereferenced(value)
  if (isNilPointer(item)) throw new FuncError('len of nil pointer')
  if (item instanceof Map) return item.size
  const length = sequenceLength(item)
  if (length === undefined) throw new FuncError(`len of type ${nameOf(item)}`)
  return length
}

/** The number of items, or of bytes of a string; undefined for what is no sequence. */
function sequenceLength(value: Value): number | undefined {
  if (typeof value === 'string') return bytesOf(value).length
  if (isList(value)) return value.length
  if (value instanceof Slice) return value.items.length
  return value instanceof Bytes ? value.bytes.length : undefined
}

function index(start: Maybe, indexes: readonly Maybe[]): Maybe {
  if (start === undefined || start === null) throw new FuncError('index of untyped nil')
  let item: Value = start
  for (const at of indexes) {
    item = dereferenced(item)
    if (isNilPointer(item)) throw new FuncError('index of nil pointer')
    item = item instanceof Map ? entry(item, at) : element(item, at)
  }
  return item
}

function entry(map: Map<string, Value>, key: Maybe): Value {
  if (key === undefined || key === null) throw new FuncError('value is nil; should be of type string')
  if (typeof key !== 'string') throw new FuncError(`value has type ${nameOf(key)}; should be string`)
  return map.get(key) ?? (map instanceof TypedMap ? zeroOf(map.type.elem) : null)
}

function element(item: Value, at: Maybe): Value {
  const length = sequenceLength(item)
  if (length === undefined) throw new FuncError(`can't index item of type ${nameOf(item)}`)
  const position = indexWithin(at, length)
  if (typeof item === 'string') return byteAt(bytesOf(item), position, 'string')
  if (item instanceof Bytes) return byteAt(item.bytes, position, 'slice')
  const found = itemsOf(item)?.[position]
  if (found === undefined) throw outOfRange('slice')
  return found
}

function byteAt(bytes: Uint8Array, position: number, what: string): Value {
  const byte = bytes[position]
  if (byte === undefined) throw outOfRange(what)
  return new Int(types.uint8, BigInt(byte))
}

/** The length itself passes the check before, and then makes reflect panic. */
function outOfRange(what: string): FuncError {
  return new FuncError(`reflect: ${what} index out of range`)
}

/** An index that is at most the length. */
function indexWithin(at: Maybe, length: number): number {
  if (at === undefined || at === null) throw new FuncError('cannot index slice/array with nil')
  if (!(at instanceof Int)) throw new FuncError(`cannot index slice/array with type ${nameOf(at)}`)
  const position = BigInt.asIntN(64, at.value)
  if (position < 0n || position > BigInt(length)) throw new FuncError(`index out of range: ${position}`)
  return Number(position)
}

/** `slice x 1 2` is x[1:2]. The capacity of a list counts as its length, and an index may be one that an interface holds. */
function slice(start: Maybe, indexes: readonly Maybe[]): Value {
  if (start === undefined || start === null) throw new FuncError('slice of untyped nil')
  const item = dereferenced(start)
  if (isNilPointer(item)) throw new FuncError('slice of nil pointer')
  if (indexes.length > 3) throw new FuncError(`too many slice indexes: ${indexes.length}`)
  if (typeof item === 'string' && indexes.length === 3) throw new FuncError('cannot 3-index slice a string')
  const length = sequenceLength(item)
  if (length === undefined) throw new FuncError(`can't slice item of type ${nameOf(item)}`)
  const [from = 0, to = length, max = length] = indexes.map((at) => indexWithin(at, length))
  if (from > to) throw new FuncError(`invalid slice index: ${from} > ${to}`)
  if (to > max) throw new FuncError(`invalid slice index: ${to} > ${max}`)
  return sliced(item, from, to)
}

function sliced(item: Value, from: number, to: number): Value {
  if (typeof item === 'string') return textOf(bytesOf(item).subarray(from, to))
  if (item instanceof Bytes) return new Bytes(item.bytes.subarray(from, to))
  if (item instanceof Slice) return new Slice(item.type, item.items.slice(from, to), item.isNil)
  return itemsOf(item)?.slice(from, to) ?? null
}

function isNilPointer(value: Value): boolean {
  return value === null || (value instanceof Struct && value.type.kind === 'ptr')
}

function nameOf(value: Value): string {
  return typeOf(value)?.name ?? 'nil'
}
