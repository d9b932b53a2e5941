import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { decodeToml, encodeToml, TomlPanic } from '../../../src/lib/chart/toml.ts'
import { Budget, LimitError } from '../../../src/lib/gotemplate/environment.ts'
import { sprintf } from '../../../src/lib/gotemplate/format.ts'
import { FuncError } from '../../../src/lib/gotemplate/func.ts'
import { durationType, Time } from '../../../src/lib/gotemplate/gotime.ts'
import { formatTime } from '../../../src/lib/gotemplate/gotime-format.ts'
import { utc } from '../../../src/lib/gotemplate/gotime-location.ts'
import { parseTime } from '../../../src/lib/gotemplate/gotime-parse.ts'
import { quote } from '../../../src/lib/gotemplate/strconv.ts'
import {
  anyMap,
  Bytes,
  compareText,
  type Dict,
  Int,
  int,
  int64,
  isList,
  Slice,
  stringSlice,
  strings,
  TypedMap,
  typeOf,
  type Value,
} from '../../../src/lib/gotemplate/value.ts'
import type { Json } from '../../../src/lib/json.ts'

interface Case {
  readonly a: string
  readonly v: Json
  readonly ok?: string
  readonly err?: string
}

function fixture(name: string): readonly Case[] {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../../fixtures/chart-toml', `${name}.json`), 'utf8'))
}

function answer(work: () => string): { ok?: string; err?: string } {
  try {
    return { ok: work() }
  } catch (error) {
    if (error instanceof FuncError) return { err: error.message }
    throw error
  }
}

function expected({ ok, err }: Case) {
  return err === undefined ? { ok } : { err }
}

/** A value with its types, as the fixtures write it. */
function show(value: Value): string {
  if (value instanceof Slice) return `T[${value.items.map(show).join(',')}]`
  if (isList(value)) return `[${value.map(show).join(',')}]`
  if (value instanceof Map)
    return `{${[...value]
      .sort(([a], [b]) => compareText(a, b))
      .map(([key, item]) => `${quote(key)}:${show(item)}`)
      .join(',')}}`
  if (value instanceof Time) return `time:${formatTime(value, '2006-01-02T15:04:05.999999999 -0700 MST')}${value.location.name}`
  const type = value === null ? '' : typeOf(value)?.name
  return `${type}:${sprintf('%#v', [value])}`
}

const builders = new Map<string, (text: string, list: Json) => Value>([
  ['i', (text) => int64(BigInt(text))],
  ['int', (text) => int(BigInt(text))],
  ['dur', (text) => new Int(durationType, BigInt(text))],
  ['t', (text) => new Time(parseTime('2006-01-02T15:04:05.999999999Z07:00', text, utc), utc)],
  ['b', (text) => new Bytes(Buffer.from(text))],
  ['ss', (_, list) => (Array.isArray(list) && list.length > 0 ? strings(list.map(String)) : new Slice(stringSlice, [], true))],
  ['nilmap', () => new TypedMap(anyMap, [], true)],
])

function goValue(json: Json): Value {
  if (Array.isArray(json)) return json.map(goValue)
  if (typeof json === 'bigint') return int64(json)
  if (json === null || typeof json !== 'object') return json
  const build = typeof json.$ === 'string' ? builders.get(json.$) : undefined
  if (build) return build(String(json.v), json.v ?? null)
  return new Map(Object.entries(json).map(([key, item]) => [key, goValue(item)]))
}

describe('decodeToml', () => {
  it.each(fixture('documents'))('reads as BurntSushi/toml does: $a', (test) => {
    const document = test.a.startsWith('b64:') ? Buffer.from(test.a.slice(4), 'base64').toString() : test.a
    expect(answer(() => show(decodeToml(document)))).toEqual(expected(test))
  })

  it('gives times without an offset that of Local', () => {
    const env = { now: () => Date.UTC(2024, 6, 1), zone: 'Europe/Berlin', budget: new Budget() }
    const document = decodeToml('here = 2024-01-02T03:04:05+01:00\nday = 2024-01-02', env)
    expect(sprintf('%v', [document])).toBe('map[day:2024-01-02 00:00:00 +0200 date-local here:2024-01-02 03:04:05 +0100 CET]')
  })

  it('keeps names of JavaScript as they are', () => {
    expect(show(decodeToml('__proto__.x = 1\nconstructor = "c"'))).toBe('{"__proto__":{"x":int64:1},"constructor":string:"c"}')
  })

  it.each([
    ['brackets', '['.repeat(100_000), 'a = '],
    ['tables', '{a='.repeat(100_000), 'a = '],
    ['keys', 'a.'.repeat(100_000), ''],
  ])('ends too many %s with an error', (_, deep, start) => {
    const env = { now: () => 0, zone: 'UTC', budget: new Budget({ maxSteps: 1_000_000 }) }
    expect(() => decodeToml(start + deep, env)).toThrow(LimitError)
  })
})

describe('encodeToml', () => {
  it.each(fixture('values'))('prints as BurntSushi/toml does: $v', (test) => {
    expect(answer(() => encodeToml(goValue(test.v)))).toEqual(expected(test))
  })

  it.each([
    [[null], 'toml: cannot encode array with nil element'],
    [[new Map()], 'toml: top-level values must be Go maps or structs'],
  ] as const)('says why a value is none (%#)', (value, message) => {
    expect(() => encodeToml(value)).toThrow(new FuncError(message))
  })

  it('panics for nil, as Go does', () => {
    expect(() => encodeToml(null)).toThrow(new TomlPanic('reflect: call of reflect.Value.Type on zero Value'))
  })

  it('prints times that were read without a zone as they were written', () => {
    const document = 'at = 07:32:00.5\nday = 1979-05-27\nthen = 1979-05-27T07:32:00\n'
    expect(encodeToml(decodeToml(document))).toBe(document)
  })

  it('ends for a map that lies in itself', () => {
    const map: Dict = new Map()
    map.set('self', map)
    expect(() => encodeToml(map)).toThrow(LimitError)
  })

  it('ends for a list that lies in itself many times', () => {
    let bush: Value = ['leaf']
    for (let i = 0; i < 40; i++) bush = [bush, bush]
    expect(() => encodeToml(new Map([['bush', bush]]), new Budget({ maxSteps: 100_000 }))).toThrow(LimitError)
  })
})
