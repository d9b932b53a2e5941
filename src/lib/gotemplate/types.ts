/** What the executor asks of Go types. Source: Go reflect; text/template/exec.go, canBeNil. */

import { Complex, type GoType, Int, type IntegerKind, type Kind, Slice, Struct, TypedMap, type Value } from './value.ts'

/** Whether nil is a value of the type. */
export function canBeNil({ kind }: GoType): boolean {
  return kind === 'interface' || kind === 'map' || kind === 'ptr' || kind === 'slice' || kind === 'func'
}

/** The zero value of a type. Source: reflect.Zero. */
export function zeroOf(type: GoType | undefined): Value {
  if (!type) return null
  if (isIntegerKind(type.kind)) return new Int(type, 0n)
  switch (type.kind) {
    case 'bool':
      return false
    case 'string':
      return ''
    case 'float32':
    case 'float64':
      return 0
    case 'complex128':
      return new Complex(0, 0)
    case 'slice':
      return new Slice(type, [], true)
    case 'map':
      return new TypedMap(type, [], true)
    case 'ptr':
      return new Struct(type, undefined)
    case 'struct':
      return new Struct(type, new Map(type.fields?.map((field) => [field.name, zeroOf(field.type)])))
    default:
      return null
  }
}

/** Whether a value of one type can be a parameter of another. Source: reflect.Type.AssignableTo. */
export function isAssignable(from: GoType, to: GoType): boolean {
  if (from === to) return true
  if (to.kind === 'interface') return Array.from(to.methods?.keys() ?? []).every((method) => from.methods?.has(method))
  const isSameShape = from.kind === to.kind && (from.kind === 'map' || from.kind === 'slice') && from.elem === to.elem
  return isSameShape && !(isNamed(from) && isNamed(to))
}

/** Whether a map or slice type has a name of its own, as `common.Values`. */
function isNamed({ name }: GoType): boolean {
  return !name.startsWith('map[') && !name.startsWith('[')
}

const integerBits: ReadonlyMap<Kind, { readonly bits: number; readonly isSigned: boolean }> = new Map<
  IntegerKind,
  { bits: number; isSigned: boolean }
>([
  ['int', { bits: 64, isSigned: true }],
  ['int8', { bits: 8, isSigned: true }],
  ['int16', { bits: 16, isSigned: true }],
  ['int32', { bits: 32, isSigned: true }],
  ['int64', { bits: 64, isSigned: true }],
  ['uint', { bits: 64, isSigned: false }],
  ['uint8', { bits: 8, isSigned: false }],
  ['uint16', { bits: 16, isSigned: false }],
  ['uint32', { bits: 32, isSigned: false }],
  ['uint64', { bits: 64, isSigned: false }],
  ['uintptr', { bits: 64, isSigned: false }],
])

export function isIntegerKind(kind: Kind): kind is IntegerKind {
  return integerBits.has(kind)
}

export function isSignedKind(kind: Kind): boolean {
  return integerBits.get(kind)?.isSigned ?? false
}

/** An integer of a type, cut to its size. */
export function wrapped(type: GoType, value: bigint): Int {
  const { bits, isSigned } = integerBits.get(type.kind) ?? { bits: 64, isSigned: true }
  return new Int(type, isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value))
}

/** What a pointer points to; a nil pointer as it is. Source: text/template, indirect. */
export function dereferenced(value: Value): Value {
  const isPointer = value instanceof Struct && value.type.kind === 'ptr'
  return isPointer && value.fields && value.type.elem ? new Struct(value.type.elem, value.fields) : value
}
