/**
 * The syntax of `--set` and its relatives: `a=1,b.c=x,d[0].e={1,2}`.
 *
 * A line that ends in the middle of a key or an index is not an error but simply over, and what it has set so far stays: hence `Progress`.
 */

import { BuildError } from '../errors.ts'
import { atoi, parseInt as parseInteger, quote, quoteRune } from '../gotemplate/strconv.ts'
import { type Dict, int64, isList, typeOf, type Value } from '../gotemplate/value.ts'
import { takeJson } from './json-prefix.ts'
import { isTable } from './table.ts'

/** Highest index that a line may name. Source: strvals.MaxIndex. */
const maxIndex = 65_536n
/** How many dots a name may have. Source: strvals.MaxNestedNameLevel. */
const maxNesting = 30

/** Whether the text may go on or was over where something was still missing. */
type Progress = 'more' | 'over'

interface Syntax {
  /** What ends a part of a name. */
  readonly stops: string
  readonly unquotes: boolean
  /** A line that ends with `=` is over there and then: `a[0].b=` is not taken into the list. */
  readonly endsEmpty: boolean
}

const plain: Syntax = { stops: ',.=[', unquotes: true, endsEmpty: true }
const json: Syntax = { ...plain, endsEmpty: false }
const literal: Syntax = { stops: '.=[', unquotes: false, endsEmpty: false }

/** `--set`: numbers are int64, `true`, `false` and `null` mean what they say, the rest is text. Changes `values`. @throws BuildError */
export function applySet(line: string, values: Dict): void {
  new Line(line, plain, plainValue(typed)).parse(values)
}

/** `--set-string`: every value is text. Changes `values`. @throws BuildError */
export function applySetString(line: string, values: Dict): void {
  new Line(
    line,
    plain,
    plainValue((text) => text),
  ).parse(values)
}

/** `--set-file`: every value names a file whose text is meant. Changes `values`. @throws BuildError; what `read` throws */
export function applySetFile(line: string, values: Dict, read: (file: string) => string): void {
  new Line(line, plain, plainValue(read)).parse(values)
}

/** `--set-json`: values are JSON; an empty one is null. Changes `values`. @throws BuildError */
export function applySetJson(line: string, values: Dict): void {
  new Line(line, json, jsonValue).parse(values)
}

/** `--set-literal`: one name, and all that follows `=` is its text. Changes `values`. @throws BuildError */
export function applySetLiteral(line: string, values: Dict): void {
  new Line(line, literal, (text) => text.until('', false).text).parse(values)
}

/** What a text of `--set` means. */
function typed(text: string): Value {
  if (/^true$/iu.test(text)) return true
  if (/^false$/iu.test(text)) return false
  if (/^null$/iu.test(text)) return null
  if (text === '0') return int64(0)
  if (text === '' || text.startsWith('0')) return text
  try {
    return int64(parseInteger(text, 10, 64))
  } catch {
    return text
  }
}

/** Reads a value behind `=`, up to the comma that ends it. */
type ReadValue = (text: Characters) => Value

function plainValue(convert: (text: string) => Value): ReadValue {
  return (text) => {
    if (text.peek() !== '{') return text.isOver() ? '' : convert(text.until(',', true).text)
    text.skip()
    return readList(text, convert)
  }
}

function readList(text: Characters, convert: (text: string) => Value): Value[] {
  const items: Value[] = []
  for (;;) {
    const { text: item, stop } = text.until(',}', true)
    if (stop === undefined) throw new BuildError("list must terminate with '}'")
    items.push(convert(item))
    if (stop === ',') continue
    if (text.peek() === ',') text.skip()
    return items
  }
}

function jsonValue(text: Characters): Value {
  if (skipToValue(text)) return null
  const { value, rest } = takeJson(text.rest())
  text.replaceRest(rest)
  skipToValue(text)
  return value
}

/** Skips space and one comma; whether that was all there is of a value. */
function skipToValue(text: Characters): boolean {
  for (let next = text.peek(); next !== undefined; next = text.peek()) {
    if (next !== ',' && !/\p{White_Space}/u.test(next)) return false
    text.skip()
    if (next === ',') return true
  }
  return true
}

/** The characters of a line, from first to last. */
class Characters {
  #all: readonly string[]
  #at = 0

  constructor(text: string) {
    this.#all = [...text]
  }

  isOver(): boolean {
    return this.#at >= this.#all.length
  }

  peek(): string | undefined {
    return this.#all[this.#at]
  }

  skip(): void {
    this.#at++
  }

  rest(): string {
    return this.#all.slice(this.#at).join('')
  }

  replaceRest(text: string): void {
    this.#all = [...text]
    this.#at = 0
  }

  /** The text up to one of the stops, which is skipped; without `stop` when none comes. A backslash quotes when `unquotes`. */
  until(stops: string, unquotes: boolean): { readonly text: string; readonly stop: string | undefined } {
    const text: string[] = []
    while (this.#at < this.#all.length) {
      const character = this.#all[this.#at++] ?? ''
      if (stops.includes(character)) return { text: text.join(''), stop: character }
      if (character !== '\\' || !unquotes) text.push(character)
      else if (this.#at < this.#all.length) text.push(this.#all[this.#at++] ?? '')
    }
    return { text: text.join(''), stop: undefined }
  }
}

class Line {
  readonly #text: Characters
  readonly #syntax: Syntax
  readonly #readValue: ReadValue

  constructor(line: string, syntax: Syntax, readValue: ReadValue) {
    this.#text = new Characters(line)
    this.#syntax = syntax
    this.#readValue = readValue
  }

  parse(values: Dict): void {
    while (this.#assign(values, 0) === 'more');
  }

  /** One name and its value. */
  #assign(table: Dict, nesting: number): Progress {
    const { text: key, stop } = this.#until(this.#syntax.stops)
    const isLast = this.#text.isOver()
    switch (stop) {
      case '=':
        put(table, key, this.#readValue(this.#text))
        return isLast && this.#syntax.endsEmpty ? 'over' : 'more'
      case '.':
        return this.#assignInside(table, key, nesting + 1)
      case '[':
        return this.#assignItem(table, key, nesting)
      case ',':
        throw new BuildError(`key ${quote(key)} has no value (cannot end with ,)`)
      default:
        if (key !== '') throw new BuildError(`key ${quote(key)} has no value`)
        return 'over'
    }
  }

  #until(stops: string) {
    return this.#text.until(stops, this.#syntax.unquotes)
  }

  #assignInside(table: Dict, key: string, nesting: number): Progress {
    if (nesting > maxNesting) {
      throw new BuildError(`value name nested level is greater than maximum supported nested level of ${maxNesting}`)
    }
    const inner = table.has(key) ? asTable(table.get(key) ?? null) : new Map<string, Value>()
    const progress = this.#assign(inner, nesting)
    if (progress === 'more' && inner.size === 0) throw new BuildError(`key map ${quote(key)} has no value`)
    if (inner.size > 0) put(table, key, inner)
    return progress
  }

  #assignItem(table: Dict, key: string, nesting: number): Progress {
    const index = this.#index()
    if (index === undefined) return 'over'
    const list = table.has(key) ? asList(table.get(key) ?? null) : []
    const { list: changed, progress } = this.#item(list, index, nesting)
    put(table, key, changed)
    return progress
  }

  /** The number before `]`; undefined when the line ends first. */
  #index(): bigint | undefined {
    const { text, stop } = this.#until(']')
    if (stop === undefined) return undefined
    try {
      return atoi(text)
    } catch (error) {
      throw new BuildError(`error parsing index: ${error instanceof Error ? error.message : error}`)
    }
  }

  /** What stands behind `[index]`. The list is changed in place as far as it reaches: it may be part of a value already. */
  #item(list: Value[], index: bigint, nesting: number): { readonly list: Value[]; readonly progress: Progress } {
    if (index < 0n) throw new BuildError(`negative ${index} index not allowed`)
    const { text, stop } = this.#until('[.=')
    if (text !== '')
      throw new BuildError(`unexpected data at end of array index: [${[...text].map((rune) => quoteRune(rune)).join(' ')}]`)
    if (stop === undefined) return { list, progress: 'over' }
    if (stop === '=') return { list: withItem(list, index, this.#readValue(this.#text)), progress: 'more' }
    return stop === '.' ? this.#itemTable(list, index, nesting) : this.#itemList(list, index, nesting)
  }

  #itemTable(list: Value[], index: bigint, nesting: number) {
    const known = list[Number(index)]
    const inner: Dict = isTable(known) ? known : new Map()
    if (index < list.length) list[Number(index)] = inner
    const progress = this.#assign(inner, nesting)
    return { list: progress === 'over' ? list : withItem(list, index, inner), progress }
  }

  #itemList(list: Value[], index: bigint, nesting: number) {
    const nextIndex = this.#index()
    if (nextIndex === undefined) return { list, progress: 'over' as const }
    const known = list[Number(index)] ?? null
    const { list: inner, progress } = this.#item(known === null ? [] : asList(known), nextIndex, nesting)
    return { list: progress === 'over' ? list : withItem(list, index, inner), progress }
  }
}

/** A name without text sets nothing. */
function put(table: Dict, key: string, value: Value): void {
  if (key !== '') table.set(key, value)
}

function withItem(list: Value[], index: bigint, value: Value): Value[] {
  if (index > maxIndex) throw new BuildError(`index of ${index} is greater than maximum supported index of ${maxIndex}`)
  const reaches = index < list.length
  // A longer list is another one, as in Go: who shares the old one does not see it.
  const changed = reaches ? list : [...list, ...Array<Value>(Number(index) + 1 - list.length).fill(null)]
  changed[Number(index)] = value
  return changed
}

function asTable(value: Value): Dict {
  if (isTable(value)) return value
  throw conversion(value, 'map[string]interface {}')
}

function asList(value: Value): Value[] {
  // Lists of values being put together belong to nobody else yet.
  if (isList(value)) return value as Value[]
  throw conversion(value, '[]interface {}')
}

/** What Go's runtime says of a type assertion that fails. */
function conversion(value: Value, wanted: string): BuildError {
  return new BuildError(`unable to parse key: interface conversion: interface {} is ${typeOf(value)?.name ?? 'nil'}, not ${wanted}`)
}
