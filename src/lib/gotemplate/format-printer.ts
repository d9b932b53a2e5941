/** Values of every kind under one verb, as Go's fmt walks and prints them. */

import { type Budget, LimitError } from './environment.ts'
import { bytesText, type Directive, floatText, hexText, integerText, pad, plainDirective, stringText } from './format-scalar.ts'
import { TextBuilder } from './text-builder.ts'
import {
  Bytes,
  bytesOf,
  Complex,
  type Field,
  type GoType,
  Int,
  isList,
  Slice,
  Struct,
  sortedKeys,
  TypedMap,
  textOf,
  typeOf,
  types,
  type Value,
} from './value.ts'

/** Deeper values are cyclic in all likelihood (`set $d "self" $d`), on which Go dies. */
const maxDepth = 1000

/** An address in memory, which Go's output shows too and which is another one in each run. */
const address = 0xc000000000n

/** Verbs for which a value's own text stands in for the value. */
const textVerbs = 'vsxXq'

/** Collects what is printed. Text is charged to the budget before it is made. */
export class Printer {
  readonly #budget: Budget
  readonly #out = new TextBuilder()
  #directive: Directive = plainDirective
  /** While an error is printed, a value's own text is not asked for. */
  #isErroring = false
  /** In a field that is not exported, methods are out of reach. */
  #isHidden = false

  constructor(budget: Budget) {
    this.#budget = budget
  }

  /** What was printed. Bytes that were written one after the other may make characters. */
  get text(): string {
    const { text } = this.#out
    return text.isWellFormed() ? text : textOf(bytesOf(text))
  }

  write(text: string): void {
    this.#budget.text(text.length)
    this.#out.add(text)
  }

  /** Prints an argument. Source: Go fmt, (*pp).printArg. */
  print(value: Value, verb: string, directive: Directive = plainDirective): void {
    this.#directive = directive
    if (value === null) {
      if (verb === 'v' || verb === 'T') this.#scalar((d) => pad(d, '<nil>'))
      else this.#badVerb(value, verb)
    } else if (verb === 'T') this.#scalar((d) => stringText(d, nameOf(value), 's'))
    else if (verb === 'p') this.#pointer(value, verb)
    else this.#value(value, verb, 0, types.any)
  }

  /** Prints a value inside another one, of the static type that its place has. Source: Go fmt, (*pp).printValue. */
  #value(value: Value, verb: string, depth: number, place: GoType): void {
    if (depth > maxDepth) throw new LimitError('the value to print is nested too deeply')
    if (value === null) this.write(this.#directive.sharpV ? `${place.name}(nil)` : '<nil>')
    else if (this.#ownText(value, verb, depth)) return
    else if (value instanceof Int) this.#integer(value, verb)
    else if (value instanceof Complex) this.#complex(value, verb)
    else if (value instanceof Bytes) this.#bytes(value, verb, depth)
    else if (value instanceof Struct) this.#struct(value, verb, depth)
    else if (value instanceof Map) this.#map(value, verb, depth)
    else if (isList(value) || value instanceof Slice) this.#list(value, verb, depth)
    else this.#orBadVerb(value, verb, (d) => basicText(d, value, verb))
  }

  /** Prints the text that a value has for itself, if it has one that the verb asks for. Source: Go fmt, (*pp).handleMethods. */
  #ownText(value: Exclude<Value, null>, verb: string, depth: number): boolean {
    if (this.#isErroring) return false
    if (verb === 'w' && (depth > 0 || !isBasic(value))) {
      this.#badVerb(value, verb)
      return true
    }
    if (this.#isHidden || typeof value !== 'object' || isList(value)) return false
    const type = typeOf(value)
    const text = this.#directive.sharpV ? type?.goText : textVerbs.includes(verb) ? type?.text : undefined
    if (text === undefined) return false
    if (value instanceof Struct && value.fields === undefined) this.write('<nil>')
    else this.#string(text(value), this.#directive.sharpV ? 's' : verb)
    return true
  }

  #string(text: string, verb: string): void {
    this.#scalar((d) => basicText(d, text, verb))
  }

  #integer(value: Int, verb: string): void {
    const isHex = verb === 'v' && this.#directive.sharpV && value.type.kind.startsWith('uint')
    if (isHex) this.#hex(value.value)
    else this.#orBadVerb(value, verb, (d) => integerText(d, value.value, verb))
  }

  #hex(value: bigint, sharp = true): void {
    this.#scalar((d) => integerText({ ...d, sharp }, value, 'x'))
  }

  #complex(value: Complex, verb: string): void {
    this.#orBadVerb(value, verb, (d) => {
      const real = floatText(d, value.real, verb)
      return real && `(${real}${floatText({ ...d, plus: true }, value.imaginary, verb)}i)`
    })
  }

  #bytes(value: Bytes, verb: string, depth: number): void {
    if (verb === 's' || verb === 'q') this.#scalar((d) => bytesText(d, value.bytes, verb))
    else if (verb === 'x' || verb === 'X') this.#scalar((d) => hexText(d, value.bytes, verb))
    else {
      const items = Array.from(value.bytes, (byte) => new Int(types.uint8, BigInt(byte)))
      // The name that the fast path of fmt has for it.
      this.#items(depth === 0 && verb === 'v' ? '[]byte' : '[]uint8', types.uint8, items, verb, depth)
    }
  }

  #list(value: readonly Value[] | Slice, verb: string, depth: number): void {
    const { name, elem = types.any } = typeOf(value) ?? types.any
    if (value instanceof Slice && value.isNil && this.#directive.sharpV) this.write(`${name}(nil)`)
    else this.#items(name, elem, value instanceof Slice ? value.items : value, verb, depth)
  }

  #items(name: string, elem: GoType, items: readonly Value[], verb: string, depth: number): void {
    const { open, separator, close } = this.#brackets(name, '[')
    this.write(open)
    for (const [index, item] of items.entries()) {
      if (index > 0) this.write(separator)
      this.#value(item, verb, depth + 1, elem)
    }
    this.write(close)
  }

  #map(value: Map<string, Value>, verb: string, depth: number): void {
    const { name, elem = types.any, key: keyType = types.string } = typeOf(value) ?? types.any
    if (value instanceof TypedMap && value.isNil && this.#directive.sharpV) this.write(`${name}(nil)`)
    else {
      const { open, separator, close } = this.#brackets(name, 'map[')
      this.write(open)
      for (const [index, key] of sortedKeys(value).entries()) {
        if (index > 0) this.write(separator)
        this.#value(key, verb, depth + 1, keyType)
        this.write(':')
        this.#value(value.get(key) ?? null, verb, depth + 1, elem)
      }
      this.write(close)
    }
  }

  #brackets(name: string, plain: string): { open: string; separator: string; close: string } {
    return this.#directive.sharpV ? { open: `${name}{`, separator: ', ', close: '}' } : { open: plain, separator: ' ', close: ']' }
  }

  #struct(value: Struct, verb: string, depth: number): void {
    if (value.type.kind !== 'ptr') this.#fields(value, verb, depth)
    // Only the outermost pointer is followed, so that cycles end.
    else if (depth > 0 || value.fields === undefined) this.#pointer(value, verb)
    else {
      const elem = value.type.elem ?? value.type
      this.write('&')
      this.#value(new Struct(elem, value.fields), verb, depth + 1, elem)
    }
  }

  #fields({ type, fields }: Struct, verb: string, depth: number): void {
    const { sharpV, plusV } = this.#directive
    const wasHidden = this.#isHidden
    this.write(sharpV ? `${type.name}{` : '{')
    for (const [index, field] of (type.layout ?? type.fields ?? []).entries()) {
      if (index > 0) this.write(sharpV ? ', ' : ' ')
      if (sharpV || plusV) this.write(`${field.name}:`)
      this.#isHidden = wasHidden || !isExported(field)
      this.#value(fields?.get(field.name) ?? null, verb, depth + 1, field.type)
    }
    this.#isHidden = wasHidden
    this.write('}')
  }

  /** What `%p` shows, and `%v` of pointers inside other values. Source: Go fmt, (*pp).fmtPointer. */
  #pointer(value: Exclude<Value, null>, verb: string): void {
    const at = addressOf(value)
    const { sharp, sharpV } = this.#directive
    if (at === undefined) this.#badVerb(value, verb)
    else if (verb === 'p') this.#hex(at, !sharp)
    else if (verb === 'v' && sharpV) this.#goPointer(nameOf(value), at)
    else if (verb === 'v' && at === 0n) this.#scalar((d) => pad(d, '<nil>'))
    else if (verb === 'v') this.#hex(at, !sharp)
    else this.#orBadVerb(value, verb, (d) => ('bodxX'.includes(verb) ? integerText(d, at, verb) : undefined))
  }

  #goPointer(name: string, at: bigint): void {
    this.write(`(${name})(`)
    if (at === 0n) this.write('nil')
    else this.#hex(at)
    this.write(')')
  }

  /** `%!d(string=x)`. Source: Go fmt, (*pp).badVerb. */
  #badVerb(value: Value, verb: string): void {
    const wasErroring = this.#isErroring
    this.#isErroring = true
    this.write(`%!${verb}(`)
    if (value === null) this.write('<nil>')
    else {
      this.write(`${nameOf(value)}=`)
      this.#value(value, 'v', 0, types.any)
    }
    this.write(')')
    this.#isErroring = wasErroring
  }

  #orBadVerb(value: Value, verb: string, render: (d: Directive) => string | undefined): void {
    if (!this.#scalar(render)) this.#badVerb(value, verb)
  }

  /** Writes what is made under the directive; false if nothing could be. */
  #scalar(render: (d: Directive) => string | undefined): boolean {
    const { width = 0, precision = 0 } = this.#directive
    this.#budget.checkText(width + precision)
    const text = render(this.#directive)
    if (text === undefined) return false
    this.write(text)
    return true
  }
}

/** Strings, floats and booleans. */
function basicText(d: Directive, value: string | number | boolean, verb: string): string | undefined {
  if (typeof value === 'number') return floatText(d, value, verb)
  if (typeof value === 'boolean') return verb === 't' || verb === 'v' ? pad(d, String(value)) : undefined
  return verb === 'x' || verb === 'X' ? hexText(d, bytesOf(value), verb) : stringText(d, value, verb)
}

function nameOf(value: Exclude<Value, null>): string {
  return typeOf(value)?.name ?? ''
}

/** Of a predeclared type, or bytes: such values have no methods. */
function isBasic(value: Exclude<Value, null>): boolean {
  if (typeof value !== 'object' || value instanceof Complex || value instanceof Bytes) return true
  return value instanceof Int && value.type.name === value.type.kind
}

function isExported(field: Field): boolean {
  return /^\p{Lu}/u.test(field.name)
}

/** Of the kinds that have one; 0 for nil. */
function addressOf(value: Exclude<Value, null>): bigint | undefined {
  if (value instanceof Slice || value instanceof TypedMap) return value.isNil ? 0n : address
  if (isList(value) || value instanceof Map || value instanceof Bytes) return address
  if (!(value instanceof Struct) || value.type.kind !== 'ptr') return undefined
  return value.fields === undefined ? 0n : address
}
