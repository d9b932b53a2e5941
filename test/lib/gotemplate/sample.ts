/** Data and functions for templates under test. The expected texts come from a Go program with the same ones. */

import type { MissingKey } from '../../../src/lib/gotemplate/frame.ts'
import { type Func, FuncError, func, p, param, variadic } from '../../../src/lib/gotemplate/func.ts'
import { Budget, formatFunctions, TemplateError, TemplateSet } from '../../../src/lib/gotemplate/index.ts'
import type { Delimiters } from '../../../src/lib/gotemplate/lex.ts'
import {
  anyMap,
  anySlice,
  Bytes,
  bytesOf,
  type Dict,
  type GoType,
  int,
  Slice,
  Struct,
  stringMap,
  strings,
  TypedMap,
  types,
  type Value,
} from '../../../src/lib/gotemplate/value.ts'

/** `type Planet struct { Name string; Moon any }` with a method Shout. */
const planetType: GoType = {
  name: 'main.Planet',
  kind: 'struct',
  fields: [
    { name: 'Name', type: types.string },
    { name: 'Moon', type: types.any },
  ],
  methods: new Map([['Shout', (planet) => func([], p.string, () => `${nameOf(planet)}!`)]]),
}

const planetPointer: GoType = { name: '*main.Planet', kind: 'ptr', elem: planetType }

/** `type Star struct { Name string; Home Planet; Next *Planet; Labels map[string]string; mass int }`, methods on the pointer. */
const starType: GoType = {
  name: 'main.Star',
  kind: 'struct',
  fields: [
    { name: 'Name', type: types.string },
    { name: 'Home', type: planetType },
    { name: 'Next', type: planetPointer },
    { name: 'Labels', type: stringMap },
  ],
  unexported: ['mass'],
}

const starPointer: GoType = {
  name: '*main.Star',
  kind: 'ptr',
  elem: starType,
  methods: new Map<string, (star: Value) => Func>([
    ['Greet', () => func([p.string], p.string, (name) => `hello ${name}`)],
    ['Sum', () => func([variadic(p.int)], p.int, (numbers) => numbers.reduce((sum, each) => sum + each, 0n))],
    ['Nothing', () => func([], p.any, () => null)],
    ['Explode', () => func([], p.string, () => thrown('supernova'))],
  ]),
}

/** `type Settings map[string]any` with a method. */
const settingsType: GoType = {
  name: 'main.Settings',
  kind: 'map',
  key: types.string,
  elem: types.any,
  methods: new Map([['Table', () => func([p.string], p.string, (name) => `table ${name}`)]]),
}

function nameOf(value: Value): string {
  return value instanceof Struct ? String(value.fields?.get('Name')) : ''
}

function thrown(message: string): never {
  throw new FuncError(message)
}

function planet(type: GoType, name: string): Struct {
  return new Struct(type, new Map<string, Value>([['Name', name], ['Moon', null]])) // biome-ignore format: one line
}

const star = new Struct(
  starPointer,
  new Map<string, Value>([
    ['Name', 'sun'],
    ['Home', planet(planetType, 'earth')],
    ['Next', planet(planetPointer, 'mars')],
    ['Labels', new TypedMap(stringMap, [['size', 'small']])],
  ]),
)

function dictOf(items: readonly Value[]): Dict {
  const dict: Dict = new Map()
  for (let at = 0; at + 1 < items.length; at += 2) dict.set(String(items[at]), items[at + 1] ?? null)
  return dict
}

const functions: readonly (readonly [string, Func])[] = [
  ['list', func([variadic(p.any)], p.list, (items) => items)],
  ['dict', func([variadic(p.any)], p.dict, dictOf)],
  ['words', func([variadic(p.string)], p.strings, (items) => strings(items))],
  ['labels', func([variadic(p.string)], p.stringMap, (items) => new TypedMap(stringMap, dictOf(items)))],
  ['bytes', func([p.string], p.bytes, (text) => new Bytes(bytesOf(text)))],
  ['i64', func([p.int64], p.int64, (number) => number)],
  ['i8', func([param(types.int8)], param(types.int8), (number) => number)],
  ['u8', func([param(types.uint8)], param(types.uint8), (number) => number)],
  ['u64', func([param(types.uint64)], param(types.uint64), (number) => number)],
  ['float', func([p.float64], p.float64, (number) => number)],
  ['complex', func([param(types.complex128)], param(types.complex128), (number) => number)],
  ['yes', func([p.bool], p.bool, (value) => value)],
  ['upper', func([p.string], p.string, (text) => text.toUpperCase())],
  ['fail', func([p.string], p.string, thrown)],
  ['none', func([], p.any, () => null)],
  ['same', func([p.any], p.any, (value) => value)],
  ['pair', func([p.string, p.int], p.string, (text, number) => `${text}/${number}`)],
  ['many', func([p.string, variadic(p.int)], p.string, (text, numbers) => [text, ...numbers].join('/'))],
  ['size', func([p.dict], p.int, (dict) => BigInt(dict.size))],
  ['count', func([param(anySlice)], p.int, (list) => BigInt(list instanceof Slice ? list.items.length : 1))],
  ['nilMap', func([], param(anyMap), () => new TypedMap(anyMap, [], true))],
  ['star', func([], param(starPointer), () => star)],
  ['noStar', func([], param(starPointer), () => new Struct(starPointer, undefined))],
  ['planetName', func([param(planetType)], p.string, nameOf)],
  ['settings', func([], param(settingsType), () => new TypedMap(settingsType, [['a', int(1)], ['b', null]]))], // biome-ignore format: one line
]

const data: Dict = new Map<string, Value>([
  ['word', 'hello'],
  ['empty', ''],
  ['number', 42],
  ['yes', true],
  ['no', false],
  ['nil', null],
  ['list', ['a', 'b', 'c']],
  ['map', new Map<string, Value>([['b', 2], ['a', 1], ['c', new Map<string, Value>([['z', 26]])]])], // biome-ignore format: one line
  ['mixed', [1, 'two', null, ['x']]],
  ['people', [new Map<string, Value>([['name', 'ann'], ['tags', ['x']]]), new Map<string, Value>([['name', 'bob']])]], // biome-ignore format: one line
  ['text', 'héllo ✓'],
])

export interface SampleOptions {
  readonly missingKey?: MissingKey
  readonly delims?: Delimiters
}

/** A set that knows the functions above. */
export function sampleSet({ missingKey = 'zero', delims }: SampleOptions = {}): TemplateSet {
  const environment = { now: () => 0, random: (length: number) => new Uint8Array(length), zone: 'UTC', budget: new Budget() }
  const funcs = new Map([...formatFunctions(environment), ...functions])
  return new TemplateSet({ funcs, missingKey, ...(delims ? { delims } : {}) })
}

/** What a template named `t` gives for the data above: its text, or the message of its error without `template: t:`. */
export function outcome(template: string, options: SampleOptions = {}): string {
  const set = sampleSet(options)
  try {
    return set.execute(set.parse('t', template), data, { budget: new Budget() })
  } catch (error) {
    if (error instanceof TemplateError) return error.message.replace(/^template: t:/, '')
    throw error
  }
}
