/** Prints Go values as TOML. Source: BurntSushi/toml encode.go. */

import { Budget, LimitError } from '../gotemplate/environment.ts'
import { formatFloat } from '../gotemplate/format-float.ts'
import { FuncError } from '../gotemplate/func.ts'
import { durationType, Time } from '../gotemplate/gotime.ts'
import { formatDuration } from '../gotemplate/gotime-duration.ts'
import { formatTime, rfc3339Nano } from '../gotemplate/gotime-format.ts'
import { utc } from '../gotemplate/gotime-location.ts'
import { Bytes, compareText, Int, itemsOf, Slice, Struct, TypedMap, textOf, typeOf, type Value } from '../gotemplate/value.ts'
import { localForms, quoteKey, quoteText } from './toml-text.ts'

/** Where Go's encoder panics instead of returning an error: `toToml` does not turn that into text. */
export class TomlPanic extends FuncError {}

/**
 * A value as TOML: a map or struct as a document, anything else as it would stand behind a `=`. Keys are sorted, plain ones first, then
 * tables; nil is left out.
 * @throws FuncError where the encoder returns an error, TomlPanic where it panics
 */
export function encodeToml(value: Value, budget = new Budget()): string {
  if (value === null) throw new TomlPanic('reflect: call of reflect.Value.Type on zero Value')
  const encoder = new Encoder(budget)
  encoder.encode([], value)
  return encoder.text
}

type TomlType = 'table' | 'tables' | 'array' | 'other'

/** Deeper values are taken for endless ones: a template can put a map into itself. */
const maxDepth = 1000

class Encoder {
  text = ''
  readonly #budget: Budget
  #depth = 0
  constructor(budget: Budget) {
    this.#budget = budget
  }

  /** A value with its key; an empty key is the document itself. */
  encode(key: readonly string[], value: Value): void {
    // A nil slice is an empty one, as a document.
    if (isNil(value) && !(value instanceof Slice)) return
    const entries = isMarshaler(value) ? undefined : this.#entriesOf(value)
    if (entries) this.#table(key, entries)
    else if (!isMarshaler(value) && itemsOf(value) && this.#typeOf(value) === 'tables') this.#tables(key, itemsOf(value) ?? [])
    else this.#pair(key, value)
  }

  #table(key: readonly string[], entries: Entries): void {
    if (key.length === 1) this.#newline()
    if (key.length > 0) this.#write(`${indent(key)}[${keyText(key)}]\n`)
    this.#members(key, entries)
  }

  #tables(key: readonly string[], items: readonly Value[]): void {
    if (key.length === 0) throw new FuncError('toml: top-level values must be Go maps or structs')
    for (const item of items) {
      this.#newline()
      this.#write(`${indent(key)}[[${keyText(key)}]]\n`)
      this.#members(key, this.#entriesOf(item) ?? noEntries)
    }
  }

  /** Members that are tables come last: what follows a header belongs to it. */
  #members(key: readonly string[], { direct, tables }: Entries): void {
    this.#deeper(() => {
      for (const [name, member] of [...direct, ...tables]) {
        if (!isNil(member)) this.encode([...key, name], member)
      }
    })
  }

  #pair(key: readonly string[], value: Value): void {
    const name = key.at(-1)
    if (name !== undefined) this.#write(`${indent(key)}${quoteKey(name)} = `)
    this.#element(value)
    if (name !== undefined) this.#write('\n')
  }

  /** A value on the line where it stands: maps and structs as inline tables. */
  #element(value: Value): void {
    const items = itemsOf(value)
    const entries = isMarshaler(value) ? undefined : this.#entriesOf(value)
    if (entries) this.#deeper(() => this.#inlineTable(entries))
    else if (items && !isMarshaler(value)) this.#deeper(() => this.#array(items))
    else this.#write(scalarText(value))
  }

  #array(items: readonly Value[]): void {
    this.#write('[')
    for (const [index, item] of items.entries()) {
      if (index > 0) this.#write(', ')
      this.#element(item)
    }
    this.#write(']')
  }

  #inlineTable({ direct, tables, isLast }: Entries): void {
    this.#write('{')
    for (const [name, member] of [...direct, ...tables]) {
      if (isNil(member)) continue
      this.#write(`${quoteKey(name)} = `)
      this.#element(member)
      if (!isLast(name)) this.#write(', ')
    }
    this.#write('}')
  }

  #entriesOf(value: Value): Entries | undefined {
    if (value instanceof Map)
      return this.#split(
        [...value].sort(([a], [b]) => compareText(a, b)),
        { isStruct: false },
      )
    if (value instanceof Struct && value.fields) return this.#split([...value.fields].filter(isExported(value)), { isStruct: true })
    return undefined
  }

  #split(members: readonly (readonly [string, Value])[], { isStruct }: { readonly isStruct: boolean }): Entries {
    this.#budget.steps(members.length)
    const direct: (readonly [string, Value])[] = []
    const tables: (readonly [string, Value])[] = []
    for (const member of members) {
      const type = this.#typeOf(member[1])
      if (type === 'table' || type === 'tables') tables.push(member)
      else direct.push(member)
    }
    // A comma follows all but the last one by this order, left out or not: in a struct the last field, in a map the last of the tables, or
    // of the plain ones when there are no tables.
    const last = (isStruct ? members : tables.length > 0 ? tables : direct).at(-1)?.[0]
    return { direct, tables, isLast: (name) => name === last }
  }

  /** The type in TOML; undefined for nil. @throws FuncError for nil in an array, or a value that TOML cannot say */
  #typeOf(value: Value): TomlType | undefined {
    if (isNil(value)) return undefined
    if (isMarshaler(value)) return 'other'
    if (value instanceof Map || value instanceof Struct) return 'table'
    const items = itemsOf(value)
    if (items) return this.#typeOfArray(items)
    const kind = kindOf(value)
    if (kind === 'uintptr' || kind === 'complex128') throw new FuncError(`unsupported type: ${kind}`)
    return 'other'
  }

  #typeOfArray(items: readonly Value[]): TomlType {
    this.#budget.steps(items.length)
    return this.#deeper(() => {
      const types = items.map((item) => this.#typeOf(item))
      if (types.includes(undefined)) throw new FuncError('toml: cannot encode array with nil element')
      return types.length > 0 && types.every((type) => type === 'table') ? 'tables' : 'array'
    })
  }

  #deeper<Result>(work: () => Result): Result {
    if (++this.#depth > maxDepth) throw new LimitError('a value is nested more deeply than is allowed')
    const result = work()
    this.#depth--
    return result
  }

  #newline(): void {
    if (this.text !== '') this.#write('\n')
  }

  #write(text: string): void {
    this.#budget.text(text.length)
    this.text += text
  }
}

/** The members of a map or struct, those that are tables apart. */
interface Entries {
  readonly direct: readonly (readonly [string, Value])[]
  readonly tables: readonly (readonly [string, Value])[]
  /** Whether no comma follows it in an inline table. */
  readonly isLast: (name: string) => boolean
}

const noEntries: Entries = { direct: [], tables: [], isLast: () => true }

function isExported({ type }: Struct): (member: readonly [string, Value]) => boolean {
  const fields = (type.elem ?? type).fields
  return ([name]) => fields === undefined || fields.some((field) => field.name === name)
}

function isNil(value: Value): boolean {
  if (value === null) return true
  if (value instanceof Slice || value instanceof TypedMap) return value.isNil
  return value instanceof Struct && value.fields === undefined
}

/** encoding.TextMarshaler: such a value prints as a text, whatever it is made of. */
function isMarshaler(value: Value): boolean {
  return value !== null && typeOf(value)?.methods?.has('MarshalText') === true
}

function kindOf(value: Value): string | undefined {
  return typeOf(value)?.kind
}

function scalarText(value: Value): string {
  if (value instanceof Time) return timeText(value)
  if (value instanceof Int) return value.type === durationType ? quoteText(formatDuration(value.value)) : value.value.toString()
  if (typeof value === 'string') return quoteText(value)
  if (typeof value === 'number') return floatText(value)
  if (typeof value === 'boolean') return String(value)
  const marshal = value === null ? undefined : typeOf(value)?.methods?.get('MarshalText')?.(value).call([])
  if (marshal instanceof Bytes) return quoteText(textOf(marshal.bytes))
  throw new FuncError(`unsupported type for key '': ${kindOf(value)}`)
}

function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf'
  const text = formatFloat(value, 'g')
  return /[e.]/.test(text) ? text : `${text}.0`
}

/** Times that were read from TOML without a zone print without one. */
function timeText(time: Time): string {
  const layout = localForms.get(time.location.name)
  return layout === undefined ? formatTime(time, rfc3339Nano) : formatTime(time.in(utc), layout)
}

function keyText(key: readonly string[]): string {
  return key.map(quoteKey).join('.')
}

function indent(key: readonly string[]): string {
  return '  '.repeat(key.length - 1)
}
