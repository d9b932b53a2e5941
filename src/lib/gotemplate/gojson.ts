/** JSON as Go's encoding/json writes and reads it. */

import type { Json, JsonObject } from '../json.ts'
import type { Budget } from './environment.ts'
import { FuncError } from './func.ts'
import {
  Bytes,
  Complex,
  compareText,
  type Field,
  type GoType,
  Int,
  isList,
  Slice,
  Struct,
  TypedMap,
  typeOf,
  type Value,
} from './value.ts'

export { JsonError, parseGoJson } from './gojson-parse.ts'

export interface MarshalOptions {
  /** What each level is indented by, as MarshalIndent does; without it all is on one line. */
  readonly indent?: string
  /** Whether `<`, `>` and `&` become escapes. Default true. */
  readonly escapeHtml?: boolean
  readonly budget?: Budget
}

/**
 * Prints a value: keys sorted, structs by the JSON names of their fields, bytes in base64, nil slices and maps as null.
 * @throws FuncError with the text of Go's error for NaN, infinity, complex numbers and cycles.
 * Source: Go encoding/json Marshal and MarshalIndent.
 */
export function marshalJson(value: Value, options: MarshalOptions = {}): string {
  const writer = new Writer(options)
  writer.write(value)
  return writer.out
}

/** From here on containers are remembered, to find one that lies within itself. */
const depthOfCycleCheck = 1000

class Writer {
  out = ''
  readonly #indent: string | undefined
  readonly #escapesHtml: boolean
  readonly #budget: Budget | undefined
  readonly #open = new Set<Value>()
  #depth = 0
  constructor({ indent, escapeHtml = true, budget }: MarshalOptions) {
    this.#indent = indent
    this.#escapesHtml = escapeHtml
    this.#budget = budget
  }

  write(value: Value): void {
    if (value === null) this.#add('null')
    else if (typeof value === 'string') this.#add(this.#quoted(value))
    else if (typeof value === 'number') this.#add(numberText(value))
    else if (typeof value === 'boolean') this.#add(String(value))
    else this.#writeTyped(value)
  }

  #writeTyped(value: Exclude<Value, null | string | number | boolean>): void {
    const type = typeOf(value)
    if (type?.marshalJson && !(value instanceof Struct && !value.fields)) this.#add(this.#escaped(marshaled(type, value)))
    else if (isList(value)) this.#nested(value, () => this.#writeList(value))
    else if (value instanceof Map) {
      if (value instanceof TypedMap && value.isNil) this.#add('null')
      else this.#nested(value, () => this.#writeEntries(sortedEntries(value)))
    } else if (value instanceof Int) this.#add(value.value.toString())
    else if (value instanceof Bytes) this.#add(`"${Buffer.from(value.bytes).toString('base64')}"`)
    else if (value instanceof Complex) throw new FuncError('json: unsupported type: complex128')
    else if (value instanceof Slice) {
      if (value.isNil) this.#add('null')
      else this.#nested(value, () => this.#writeList(value.items))
    } else if (value instanceof Struct) {
      if (!value.fields) this.#add('null')
      else this.#nested(value, () => this.#writeEntries(fieldsOf(value)))
    }
  }

  #writeList(items: readonly Value[]): void {
    this.#writeAll('[', ']', items, (item) => this.write(item))
  }

  #writeEntries(entries: readonly (readonly [string, Value])[]): void {
    const colon = this.#indent === undefined ? ':' : ': '
    this.#writeAll('{', '}', entries, ([key, value]) => {
      this.#add(this.#quoted(key) + colon)
      this.write(value)
    })
  }

  #writeAll<Item>(open: string, close: string, items: readonly Item[], write: (item: Item) => void): void {
    this.#budget?.steps(items.length)
    this.#add(open)
    for (const [index, item] of items.entries()) {
      if (index > 0) this.#add(',')
      this.#breakLine()
      write(item)
    }
    if (items.length > 0) this.#breakLine(-1)
    this.#add(close)
  }

  #nested(value: Value, write: () => void): void {
    this.#depth++
    const isWatched = this.#depth > depthOfCycleCheck
    if (isWatched) {
      if (this.#open.has(value)) throw new FuncError(`json: unsupported value: encountered a cycle via ${typeOf(value)?.name}`)
      this.#open.add(value)
    }
    write()
    if (isWatched) this.#open.delete(value)
    this.#depth--
  }

  #breakLine(levels = 0): void {
    if (this.#indent !== undefined) this.#add(`\n${this.#indent.repeat(this.#depth + levels)}`)
  }

  #quoted(text: string): string {
    return this.#escaped(quoted(text))
  }

  #escaped(json: string): string {
    return this.#escapesHtml ? json.replace(/[<>&]/g, unicodeEscape) : json
  }

  #add(text: string): void {
    this.out += text
    this.#budget?.checkText(this.out.length)
  }
}

function quoted(text: string): string {
  // Bytes that are not UTF-8 become escapes of U+FFFD, whereas a U+FFFD that is there stays as it is.
  const json = text.isWellFormed()
    ? JSON.stringify(text)
    : `"${text
        .split(/\p{Surrogate}/u)
        .map((part) => JSON.stringify(part).slice(1, -1))
        .join('\\ufffd')}"`
  return json.replace(/[\u2028\u2029]/g, unicodeEscape)
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** JavaScript switches to exponents at the same sizes, and writes them alike. */
function numberText(value: number): string {
  if (Object.is(value, -0)) return '-0'
  if (Number.isFinite(value)) return String(value)
  throw new FuncError(`json: unsupported value: ${Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'}`)
}

function marshaled(type: GoType, value: Value): string {
  try {
    return type.marshalJson?.(value) ?? 'null'
  } catch (error) {
    if (error instanceof FuncError)
      throw new FuncError(`json: error calling MarshalJSON for type ${type.name}: ${error.message}`, { cause: error })
    throw error
  }
}

function sortedEntries(map: ReadonlyMap<string, Value>): [string, Value][] {
  return [...map].sort(([a], [b]) => compareText(a, b))
}

function fieldsOf({ type, fields }: Struct): [string, Value][] {
  const declared = (type.kind === 'ptr' ? type.elem?.fields : type.fields) ?? []
  return declared.flatMap((field): [string, Value][] => {
    const value = fields?.get(field.name) ?? null
    return isLeftOut(field, value) ? [] : [[field.json ?? field.name, value]]
  })
}

function isLeftOut({ json, omitEmpty }: Field, value: Value): boolean {
  return json === '-' || (omitEmpty === true && isZero(value))
}

/** Source: Go encoding/json isEmptyValue: a struct is never empty. */
function isZero(value: Value): boolean {
  if (value === null || value === false || value === 0 || value === '') return true
  if (value instanceof Int) return value.value === 0n
  if (value instanceof Map) return value.size === 0
  if (value instanceof Slice) return value.items.length === 0
  if (value instanceof Bytes) return value.bytes.length === 0
  if (value instanceof Struct) return value.fields === undefined
  return isList(value) && value.length === 0
}

/** JSON as templates get it: all numbers are float64. */
export function jsonToValue(json: Json): Value {
  if (typeof json === 'bigint') return Number(json)
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return json.map(jsonToValue)
  return new Map(Object.entries(json).map(([key, value]) => [key, jsonToValue(value)]))
}

/** A value as its JSON would be read back; integers stay exact. @throws FuncError as marshalJson does */
export function valueToJson(value: Value): Json {
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'number') numberText(value)
    return value
  }
  if (isList(value)) return value.map(valueToJson)
  if (value instanceof Int) return Number.isSafeInteger(Number(value.value)) ? Number(value.value) : value.value
  const type = typeOf(value)
  if (type?.marshalJson && !(value instanceof Struct && !value.fields)) return JSON.parse(marshaled(type, value)) as Json
  if (value instanceof Map) return value instanceof TypedMap && value.isNil ? null : objectOf([...value])
  if (value instanceof Bytes) return Buffer.from(value.bytes).toString('base64')
  if (value instanceof Slice) return value.isNil ? null : value.items.map(valueToJson)
  if (value instanceof Struct) return value.fields ? objectOf(fieldsOf(value)) : null
  throw new FuncError('json: unsupported type: complex128')
}

function objectOf(entries: readonly (readonly [string, Value])[]): JsonObject {
  return Object.fromEntries(entries.map(([key, value]) => [key, valueToJson(value)]))
}
