/**
 * Go values as templates see them, and their types.
 *
 * The common ones are plain JavaScript: nil is `null`, float64 is `number`, `[]interface {}` is an array, `map[string]interface {}` is a
 * `Map`. Whatever Go tells apart from these (`int` from `int64`, `[]string` from `[]interface {}`, structs, pointers, named types) is an
 * instance of a class of this file that carries its `GoType`.
 *
 * A Go string is bytes. Here it is a JavaScript string whose lone low surrogates U+DC80 to U+DCFF stand for bytes that are not UTF-8
 * (as Python's surrogateescape does), so that nothing is lost when a function cuts a character in two: see `bytesOf` and `textOf`.
 */

import type { Func } from './func.ts'

/** Any value but the missing one (Go's invalid reflect.Value), which the executor has as `undefined`. */
export type Value =
  | null
  | boolean
  | string
  | number
  | readonly Value[]
  | Map<string, Value>
  | Int
  | Complex
  | Bytes
  | Slice
  | Struct

/** `map[string]interface {}`. Mutable and shared, as in Go: `set` changes it for everybody who holds it. */
export type Dict = Map<string, Value>

export type IntegerKind =
  | 'int'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'uintptr'

/** Go's reflect.Kind, by its name. */
export type Kind =
  | IntegerKind
  | 'bool'
  | 'string'
  | 'float32'
  | 'float64'
  | 'complex128'
  | 'slice'
  | 'map'
  | 'struct'
  | 'ptr'
  | 'func'
  | 'interface'

/** A Go type: what reflect says of it. One object for each type, compared by identity. */
export interface GoType {
  /** As reflect.Type.String() gives it: `map[string]interface {}`, `[]uint8`, `*common.Capabilities`. */
  readonly name: string
  readonly kind: Kind
  /** Of maps. */
  readonly key?: GoType
  /** Of slices, maps and pointers. */
  readonly elem?: GoType
  /** Of structs: the exported fields in their order. */
  readonly fields?: readonly Field[]
  /** Exported methods by name: bound to their receiver when they are looked up. */
  readonly methods?: ReadonlyMap<string, (receiver: Value) => Func>
  /** fmt.Stringer (or error): what `%v` and `%s` print. */
  readonly text?: (receiver: Value) => string
  /** Of structs whose pointer alone is a fmt.Stringer: what an action prints (`{{ .A.B }}`), but no function that is handed a copy. */
  readonly pointerText?: (receiver: Value) => string
  /** fmt.GoStringer: what `%#v` prints. */
  readonly goText?: (receiver: Value) => string
  /** json.Marshaler: the JSON that stands for the value. @throws FuncError with the text of MarshalJSON's error */
  readonly marshalJson?: (receiver: Value) => string
  /** Of structs: names of fields that exist but are not exported, which is another error than a field that does not exist. */
  readonly unexported?: readonly string[]
  /** Of structs with fields that are not exported: all fields in their order, as fmt prints them. Their values are in `Struct.fields` too. */
  readonly layout?: readonly Field[]
}

export interface Field {
  readonly name: string
  readonly type: GoType
  /** The name in JSON (of the `json` tag), where it is another one; `-` leaves the field out. */
  readonly json?: string
  readonly omitEmpty?: boolean
}

/** An integer of any of Go's integer types, or of a named one (time.Duration). In range: arithmetic wraps where it is done (`BigInt.asIntN`). */
export class Int {
  readonly type: GoType
  readonly value: bigint
  constructor(type: GoType, value: bigint) {
    this.type = type
    this.value = value
  }
}

/** complex128: only literals such as `1i` make one. */
export class Complex {
  readonly real: number
  readonly imaginary: number
  constructor(real: number, imaginary: number) {
    this.real = real
    this.imaginary = imaginary
  }
}

/** `[]uint8`. */
export class Bytes {
  readonly bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

/** A slice that is not `[]interface {}`; a nil one has no items and `isNil`. */
export class Slice {
  readonly type: GoType
  readonly items: readonly Value[]
  readonly isNil: boolean
  constructor(type: GoType, items: readonly Value[], isNil = false) {
    this.type = type
    this.items = items
    this.isNil = isNil
  }
}

/** A map with string keys that is not `map[string]interface {}`; a nil one is empty and has `isNil`. */
export class TypedMap extends Map<string, Value> {
  readonly type: GoType
  readonly isNil: boolean
  constructor(type: GoType, entries: Iterable<readonly [string, Value]> = [], isNil = false) {
    super(entries)
    this.type = type
    this.isNil = isNil
  }

  /** What a parameter of type `map[string]interface {}` gets: the same map, without the name that its type may have. */
  get unnamed(): Dict {
    return this
  }
}

/** A struct, or (when its type is of kind `ptr`) a pointer to one; `fields` is undefined in a nil pointer. */
export class Struct {
  readonly type: GoType
  readonly fields: ReadonlyMap<string, Value> | undefined
  constructor(type: GoType, fields: ReadonlyMap<string, Value> | undefined) {
    this.type = type
    this.fields = fields
  }
}

function basic(kind: Kind): GoType {
  return { name: kind, kind }
}

/** Slice and map types are one object for each element type, so that types compare by identity. */
const slices = new Map<GoType, GoType>()
const maps = new Map<GoType, GoType>()

/** The type `[]elem`. */
export function sliceOf(elem: GoType): GoType {
  const known = slices.get(elem)
  if (known) return known
  const type: GoType = { name: `[]${elem.name}`, kind: 'slice', elem }
  slices.set(elem, type)
  return type
}

/** The type `map[string]elem`. */
export function mapOf(elem: GoType): GoType {
  const known = maps.get(elem)
  if (known) return known
  const type: GoType = { name: `map[string]${elem.name}`, kind: 'map', key: types.string, elem }
  maps.set(elem, type)
  return type
}

const anyType: GoType = { name: 'interface {}', kind: 'interface' }
const stringType = basic('string')
const uint8Type = basic('uint8')

/** The predeclared types and the common composite ones. */
export const types = {
  any: anyType,
  bool: basic('bool'),
  string: stringType,
  int: basic('int'),
  int8: basic('int8'),
  int16: basic('int16'),
  int32: basic('int32'),
  int64: basic('int64'),
  uint: basic('uint'),
  uint8: uint8Type,
  uint16: basic('uint16'),
  uint32: basic('uint32'),
  uint64: basic('uint64'),
  uintptr: basic('uintptr'),
  float32: basic('float32'),
  float64: basic('float64'),
  complex128: basic('complex128'),
} as const

export const anySlice = sliceOf(types.any)
export const stringSlice = sliceOf(types.string)
export const intSlice = sliceOf(types.int)
export const byteSlice = sliceOf(types.uint8)
export const anyMap = mapOf(types.any)
export const stringMap = mapOf(types.string)

/** The dynamic type of a value; undefined for nil, which has none. */
export function typeOf(value: Value): GoType | undefined {
  switch (typeof value) {
    case 'string':
      return types.string
    case 'number':
      return types.float64
    case 'boolean':
      return types.bool
  }
  if (value === null) return undefined
  if (isList(value)) return anySlice
  if (value instanceof TypedMap) return value.type
  if (value instanceof Map) return anyMap
  if (value instanceof Complex) return types.complex128
  if (value instanceof Bytes) return byteSlice
  return value.type
}

/** A value of Go's type int. */
export function int(value: number | bigint): Int {
  return new Int(types.int, BigInt(value))
}

/** A value of Go's type int64. */
export function int64(value: number | bigint): Int {
  return new Int(types.int64, BigInt(value))
}

/** A `[]string`. */
export function strings(items: readonly string[]): Slice {
  return new Slice(stringSlice, items)
}

/** Whether a value is a plain `[]interface {}` (Array.isArray does not narrow a readonly array). */
export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

/** The items of any slice, bytes included; undefined when the value is none. */
export function itemsOf(value: Value): readonly Value[] | undefined {
  if (isList(value)) return value
  if (value instanceof Slice) return value.items
  if (value instanceof Bytes) return Array.from(value.bytes, (byte) => new Int(types.uint8, BigInt(byte)))
  return undefined
}

const encoder = new TextEncoder()
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The bytes of a Go string. */
export function bytesOf(text: string): Uint8Array {
  if (text.isWellFormed()) return encoder.encode(text)
  const out = Buffer.alloc(text.length * 3)
  let length = 0
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    if (code >= 0xdc80 && code <= 0xdcff) out[length++] = code - 0xdc00
    else length += out.write(character, length)
  }
  return out.subarray(0, length)
}

/** The Go string with these bytes. */
export function textOf(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes)
  } catch {
    return decodeEscaping(bytes)
  }
}

/** Decodes longest valid runs, and each byte that belongs to none as a lone surrogate. */
function decodeEscaping(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at)
    if (length === 0) text += String.fromCharCode(0xdc00 + (bytes[at] ?? 0))
    else text += strictDecoder.decode(bytes.subarray(at, at + length))
    at += length || 1
  }
  return text
}

/** How many bytes the UTF-8 character at an index has; 0 when there is none. */
function characterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0
  const second = bytes[at + 1] ?? 0
  if (first === 0xe0 && second < 0xa0) return 0
  if (first === 0xed && second > 0x9f) return 0
  if (first === 0xf0 && second < 0x90) return 0
  if (first === 0xf4 && second > 0x8f) return 0
  for (let i = 1; i < length; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0
  return length
}

/** Compares Go strings, which Go does by their bytes: negative, 0 or positive. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0
  // UTF-16 sorts otherwise only where there are surrogates.
  if (!belowSurrogates.test(a) || !belowSurrogates.test(b)) return Buffer.compare(bytesOf(a), bytesOf(b))
  return a < b ? -1 : 1
}

/** The keys of a map in Go's order. */
export function sortedKeys(map: ReadonlyMap<string, unknown>): string[] {
  const keys = Array.from(map.keys())
  return keys.every((key) => belowSurrogates.test(key)) ? keys.sort() : keys.sort(compareText)
}

const belowSurrogates = /^[\0-\ud7ff]*$/
