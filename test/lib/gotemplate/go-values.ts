/** Values of types that a Go program declares, for tests: what fmt shows of structs, pointers and Stringers. */

import { type Field, type GoType, Int, int, mapOf, Struct, TypedMap, types, type Value } from '../../../src/lib/gotemplate/value.ts'

function field(name: string, type: GoType): Field {
  return { name, type }
}

const innerType: GoType = {
  name: 'main.Inner',
  kind: 'struct',
  fields: [field('A', types.string), field('C', types.any)],
  layout: [field('A', types.string), field('b', types.int), field('C', types.any)],
}
const innerPointer: GoType = { name: '*main.Inner', kind: 'ptr', elem: innerType }

function innerFields(a: string, b: number, c: Value): Map<string, Value> {
  return new Map<string, Value>([
    ['A', a],
    ['b', int(b)],
    ['C', c],
  ])
}

/** `Inner{A string; b int; C interface{}}` */
export function inner(a: string, b: number, c: Value): Struct {
  return new Struct(innerType, innerFields(a, b, c))
}

export function pointerToInner(a: string, b: number, c: Value): Struct {
  return new Struct(innerPointer, innerFields(a, b, c))
}

export const nilPointer = new Struct(innerPointer, undefined)

/** `Text{N int}` with `String()`: `text<N>`. */
const textType: GoType = { name: 'main.Text', kind: 'struct', fields: [field('N', types.int)], text: textOfN }
const textPointer: GoType = { name: '*main.Text', kind: 'ptr', elem: textType, text: textOfN }

function textOfN(receiver: Value): string {
  const n = receiver instanceof Struct ? receiver.fields?.get('N') : undefined
  return `text<${n instanceof Int ? n.value : '?'}>`
}

export function stringer(n: number): Struct {
  return new Struct(textType, new Map([['N', int(n)]]))
}

export function pointerToStringer(n: number): Struct {
  return new Struct(textPointer, new Map([['N', int(n)]]))
}

/** `PText{N int; h Text; T Text}`, whose pointer alone has `String()`: `ptext`. */
const pointerTextType: GoType = {
  name: 'main.PText',
  kind: 'struct',
  fields: [field('N', types.int), field('T', textType)],
  layout: [field('N', types.int), field('h', textType), field('T', textType)],
  pointerText: () => 'ptext',
}
const pointerTextPointer: GoType = { name: '*main.PText', kind: 'ptr', elem: pointerTextType, text: () => 'ptext' }

function pointerTextFields(n: number): Map<string, Value> {
  return new Map<string, Value>([
    ['N', int(n)],
    ['h', stringer(1)],
    ['T', stringer(2)],
  ])
}

export function pointerStringer(n: number): Struct {
  return new Struct(pointerTextType, pointerTextFields(n))
}

export function pointerToPointerStringer(n: number): Struct {
  return new Struct(pointerTextPointer, pointerTextFields(n))
}

/** `GoText{N int}` with `GoString()`: `gotext!`. */
export function goStringer(n: number): Struct {
  const type: GoType = { name: 'main.GoText', kind: 'struct', fields: [field('N', types.int)], goText: () => 'gotext!' }
  return new Struct(type, new Map([['N', int(n)]]))
}

/** A time.Duration of an hour and a half. */
export const duration = new Int({ name: 'time.Duration', kind: 'int64', text: () => '1h30m0s' }, 5_400_000_000_000n)

/** `type Named map[string]interface{}` */
export function named(entries: readonly (readonly [string, Value])[]): TypedMap {
  return new TypedMap({ ...mapOf(types.any), name: 'main.Named' }, entries)
}
