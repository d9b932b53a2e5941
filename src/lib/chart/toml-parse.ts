/** Reads TOML into Go values. Source: BurntSushi/toml parse.go, whose errors these are; decode.go for the types. */

import { Budget, type Environment, LimitError } from '../gotemplate/environment.ts'
import { FuncError } from '../gotemplate/func.ts'
import { fixedZone, type Location, localLocation } from '../gotemplate/gotime-location.ts'
import { quote } from '../gotemplate/strconv.ts'
import { anyMap, bytesOf, type Dict, Slice, sliceOf, type Value } from '../gotemplate/value.ts'
import { lexToml } from './toml-lex.ts'
import { type Item, type ItemKind, LexError, type Lexer } from './toml-lexer.ts'
import { quoteKey } from './toml-text.ts'
import { type Places, ScalarError, scalarOf } from './toml-value.ts'

/** What times depend on: those with the offset of Local are there, those without any get its offset. */
export type TomlEnvironment = Pick<Environment, 'now' | 'zone' | 'budget'>

/**
 * Reads a document: integers are int64, arrays `[]interface {}`, arrays of tables `[]map[string]interface {}`.
 * @throws FuncError with the words of BurntSushi/toml
 */
export function decodeToml(text: string, { now, zone, budget }: TomlEnvironment = utcAtEpoch()): Dict {
  budget.steps(text.length)
  const data = withoutByteOrderMark(text)
  if (bytesOf(data.slice(0, 6)).subarray(0, 6).includes(0)) {
    throw new FuncError('toml: line 1: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8')
  }
  return new Parser(data, placesAt(localLocation(zone), now()), budget).document()
}

function utcAtEpoch(): TomlEnvironment {
  return { now: () => 0, zone: 'UTC', budget: new Budget() }
}

/** Of UTF-8, or of UTF-16, whose two bytes are none of UTF-8. */
function withoutByteOrderMark(text: string): string {
  if (text.startsWith('\udcff\udcfe') || text.startsWith('\udcfe\udcff')) return text.slice(2)
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

/** Times without an offset get that which Local has now, whatever it was then. */
function placesAt(local: Location, now: number): Places {
  const { offset } = local.at(BigInt(Math.floor(now / 1000)))
  const place = (name: string) => fixedZone(name, offset)
  return { local, dateTime: place('datetime-local'), date: place('date-local'), time: place('time-local') }
}

const tablesType = sliceOf(anyMap)

/** An array of tables while it grows. */
class Tables extends Slice {
  readonly tables: Dict[]
  constructor(tables: Dict[]) {
    super(tablesType, tables)
    this.tables = tables
  }
}

type Key = readonly string[]

/** Deeper arrays and tables than these come from nobody in good faith. */
const maxDepth = 500

class Parser {
  readonly #lexer: Lexer
  readonly #places: Places
  readonly #budget: Budget
  readonly #root: Dict = new Map()
  /** Tables that only keys of others have made: `a` and `a.b` in `[a.b.c]`. They may still be defined, once. */
  readonly #implicit = new Set<string>()
  readonly #arrays = new Set<string>()
  /** The table in which keys are set. */
  #context: Key = []
  /** The key whose value is read. */
  #key = ''
  /** The line of the last key. */
  #keyLine = 0
  #depth = 0

  constructor(text: string, places: Places, budget: Budget) {
    this.#lexer = lexToml(text)
    this.#places = places
    this.#budget = budget
  }

  document(): Dict {
    for (let item = this.#next(); item.kind !== 'eof'; item = this.#next()) {
      if (item.kind === 'table') this.#header('tableEnd', { isArray: false })
      else if (item.kind === 'tables') this.#header('tablesEnd', { isArray: true })
      else this.#topPair()
    }
    return this.#root
  }

  #header(closing: ItemKind, kind: { readonly isArray: boolean }): void {
    const key = this.#keyParts(closing)
    this.#open(key, kind)
    this.#note(this.#context, { isArray: false })
  }

  #topPair(): void {
    const outer = this.#context
    this.#enterKey()
    const { value, isArray } = this.#value(this.#next(), { isInArray: false })
    this.#set(this.#key, value)
    this.#note(this.#noteKey(), { isArray })
    this.#context = outer
    this.#key = ''
  }

  /** Reads a key with its parts; all but the last one are tables, which are opened. Returns those. */
  #enterKey(): Key {
    const key = this.#keyParts('keyEnd')
    this.#key = key.at(-1) ?? ''
    const parents = key.slice(0, -1)
    for (const part of parents) {
      const context = [...this.#context, part]
      this.#implicit.add(keyText(context))
      this.#open(context, { isArray: false })
    }
    return parents
  }

  #keyParts(closing: ItemKind): Key {
    const key: string[] = []
    for (let item = this.#next(); item.kind !== closing; item = this.#next()) {
      if (key.length === 0) this.#keyLine = item.line
      key.push(item.kind === 'name' ? item.text : String(this.#scalar(item)))
      this.#budget.steps(key.length)
    }
    return key
  }

  #value(item: Item, { isInArray }: { readonly isInArray: boolean }): { readonly value: Value; readonly isArray: boolean } {
    if (item.kind !== 'array' && item.kind !== 'inlineTable') return { value: this.#scalar(item), isArray: false }
    if (++this.#depth > maxDepth) throw new LimitError('a value is nested more deeply than is allowed')
    const isArray = item.kind === 'array'
    const value = isArray ? this.#array() : this.#inlineTable({ isInArray })
    this.#depth--
    return { value, isArray }
  }

  #array(): Value {
    this.#note(this.#noteKey(), { isArray: true })
    const items: Value[] = []
    for (let item = this.#next(); item.kind !== 'arrayEnd'; item = this.#next()) {
      items.push(this.#value(item, { isInArray: true }).value)
    }
    return items
  }

  /** Its keys are set in the document too, so that a key that is there twice is found. */
  #inlineTable({ isInArray }: { readonly isInArray: boolean }): Dict {
    const outer = { context: this.#context, key: this.#key }
    const table: Dict = new Map()
    const context = [...this.#context, this.#key]
    this.#context = context
    this.#key = ''
    this.#implicit.add(keyText(context))
    this.#open(context, { isArray: isInArray })
    for (let item = this.#next(); item.kind !== 'inlineTableEnd'; item = this.#next()) {
      const parents = this.#enterKey()
      const { value, isArray } = this.#value(this.#next(), { isInArray: false })
      this.#set(this.#key, value)
      this.#note(this.#noteKey(), { isArray })
      this.#tableIn(table, parents).set(this.#key, value)
      this.#context = context
    }
    this.#context = outer.context
    this.#key = outer.key
    return table
  }

  /** The table that a dotted key in an inline table leads to, made where it is missing. */
  #tableIn(table: Dict, parents: Key): Dict {
    let inner = table
    for (const part of parents) {
      const next = inner.get(part) ?? new Map()
      if (!(next instanceof Map)) throw this.#error(`${quote(keyText(this.#context))} is not a table`)
      inner.set(part, next)
      inner = next
    }
    return inner
  }

  /** Makes a table, or one more in an array of tables, the one in which keys are set. */
  #open(key: Key, { isArray }: { readonly isArray: boolean }): void {
    const last = key.at(-1) ?? ''
    const parents = key.slice(0, -1)
    const table = this.#descend(parents, { isMaking: true })
    this.#context = parents
    if (isArray) this.#append(table, last, key)
    else this.#set(last, new Map())
    this.#context = key
  }

  #append(table: Dict, name: string, key: Key): void {
    const known = table.get(name) ?? new Tables([])
    if (!(known instanceof Tables)) throw this.#error(`Key '${keyText(key)}' was already created and cannot be used as an array.`)
    known.tables.push(new Map())
    table.set(name, known)
  }

  /** The table at a key; of an array of tables the last one. */
  #descend(key: Key, { isMaking }: { readonly isMaking: boolean }): Dict {
    this.#budget.steps(key.length)
    let table = this.#root
    for (const [index, part] of key.entries()) {
      const found = table.get(part)
      if (found === undefined) this.#implicit.add(keyText(key.slice(0, index + 1)))
      const next = found === undefined ? new Map() : found instanceof Tables ? found.tables.at(-1) : found
      if (!(next instanceof Map)) {
        const problem = isMaking ? 'was already created as a hash' : 'has already been defined'
        throw this.#error(`Key '${keyText(key.slice(0, index + 1))}' ${problem}.`)
      }
      if (found === undefined) table.set(part, next)
      table = next
    }
    return table
  }

  /** Sets a key in the table of the context, where it must be new, or a table that nothing has defined yet. */
  #set(name: string, value: Value): void {
    const table = this.#descend(this.#context, { isMaking: false })
    const key = [...this.#context, name]
    if (!table.has(name)) {
      table.set(name, value)
      return
    }
    const text = keyText(key)
    if (!this.#implicit.delete(text)) throw this.#error(`Key '${text}' has already been defined.`)
    // The tables of an array were set one by one while it was read; now comes the array itself.
    if (this.#arrays.has(text)) table.set(name, value)
  }

  /** Where the kind of the current value is noted: an empty key counts as none. */
  #noteKey(): Key {
    return this.#key === '' ? this.#context : [...this.#context, this.#key]
  }

  #note(key: Key, { isArray }: { readonly isArray: boolean }): void {
    const text = keyText(key.length === 0 ? [''] : key)
    if (isArray) this.#arrays.add(text)
    else this.#arrays.delete(text)
  }

  #scalar(item: Item): Value {
    try {
      return scalarOf(item, this.#places)
    } catch (error) {
      if (error instanceof ScalarError) throw this.#error(error.message, item.line)
      throw error
    }
  }

  #next(): Item {
    try {
      return this.#lexer.item()
    } catch (error) {
      if (error instanceof LexError) throw this.#error(error.message, error.line)
      throw error
    }
  }

  #error(message: string, line = this.#keyLine): FuncError {
    const context = keyText(this.#context)
    // As Go does it: the key itself is not quoted here.
    const key = this.#key === '' ? context : context === '' ? this.#key : `${context}.${this.#key}`
    return new FuncError(`toml: line ${line}${key === '' ? '' : ` (last key ${quote(key)})`}: ${message}`)
  }
}

function keyText(key: Key): string {
  return key.map(quoteKey).join('.')
}
