/** JSON texts read as Go's encoding/json reads them. */

import { FuncError } from './func.ts'
import { quote } from './strconv.ts'
import { bytesOf, type Value } from './value.ts'

/** What json.Unmarshal returns as an error. */
export class JsonError extends FuncError {
  /** What Go has decoded nevertheless: all but the numbers that are too large. Undefined where the text is no JSON. */
  readonly partial: Value | undefined
  constructor(message: string, partial?: Value) {
    super(message)
    this.partial = partial
  }
}

/**
 * Parses JSON as json.Unmarshal does into an interface{}: numbers are float64, the last of equal keys wins, what is not UTF-8 becomes U+FFFD.
 * @throws JsonError with the text of Go's error.
 */
export function parseGoJson(text: string): Value {
  return new Parser(text).parse()
}

const maxDepth = 10_000

type Container = { readonly items: Value[] } | { readonly dict: Map<string, Value>; key: string }

/** What may come next. */
type State = 'value' | 'valueOrEnd' | 'key' | 'keyOrEnd' | 'colon' | 'afterValue'

/** Has a stack of its own, so that deep texts do not use up JavaScript's. */
class Parser {
  readonly #text: string
  #at = 0
  #state: State = 'value'
  readonly #stack: Container[] = []
  #result: Value = null
  #problem: string | undefined
  constructor(text: string) {
    this.#text = text
  }

  parse(): Value {
    for (this.#skipSpace(); this.#at < this.#text.length; this.#skipSpace()) {
      this.#state = this.#step(this.#text[this.#at] ?? '')
    }
    if (this.#stack.length > 0 || this.#state !== 'afterValue') throw new JsonError('unexpected end of JSON input')
    if (this.#problem !== undefined) throw new JsonError(this.#problem, this.#result)
    return this.#result
  }

  #step(character: string): State {
    switch (this.#state) {
      case 'valueOrEnd':
        return character === ']' ? this.#close() : this.#readValue(character)
      case 'value':
        return this.#readValue(character)
      case 'keyOrEnd':
        return character === '}' ? this.#close() : this.#readKey(character)
      case 'key':
        return this.#readKey(character)
      case 'colon':
        if (character !== ':') throw this.#unexpected('after object key')
        this.#at++
        return 'value'
      case 'afterValue':
        return this.#readAfterValue(character)
    }
  }

  #readValue(character: string): State {
    if (character === '{') return this.#open({ dict: new Map(), key: '' }, 'keyOrEnd')
    if (character === '[') return this.#open({ items: [] }, 'valueOrEnd')
    if (character === '"') return this.#put(this.#readString())
    if (character === '-' || isDigit(character)) return this.#put(this.#readNumber())
    const literal = literals.get(character)
    if (!literal) throw this.#unexpected('looking for beginning of value')
    for (const expected of literal.word) {
      if (this.#text[this.#at] !== expected) throw this.#unexpected(`in literal ${literal.word} (expecting '${expected}')`)
      this.#at++
    }
    return this.#put(literal.value)
  }

  #readKey(character: string): State {
    if (character !== '"') throw this.#unexpected('looking for beginning of object key string')
    const container = this.#stack.at(-1)
    const key = this.#readString()
    if (container && 'dict' in container) container.key = key
    return 'colon'
  }

  #readAfterValue(character: string): State {
    const container = this.#stack.at(-1)
    if (!container) throw this.#unexpected('after top-level value')
    const isDict = 'dict' in container
    if (character === (isDict ? '}' : ']')) return this.#close()
    if (character !== ',') throw this.#unexpected(isDict ? 'after object key:value pair' : 'after array element')
    this.#at++
    return isDict ? 'key' : 'value'
  }

  #open(container: Container, next: State): State {
    if (this.#stack.length >= maxDepth) throw this.#unexpected('exceeded max depth')
    this.#at++
    this.#stack.push(container)
    return next
  }

  #close(): State {
    this.#at++
    const container = this.#stack.pop()
    return this.#put(container && 'dict' in container ? container.dict : (container?.items ?? null))
  }

  #put(value: Value): State {
    const container = this.#stack.at(-1)
    if (!container) this.#result = value
    else if ('dict' in container) container.dict.set(container.key, value)
    else container.items.push(value)
    return 'afterValue'
  }

  /** A number that no float64 can hold becomes nil: Go reports the first of them when all is decoded. */
  #readNumber(): Value {
    const start = this.#at
    if (this.#text[this.#at] === '-') this.#at++
    if (this.#text[this.#at] === '0') this.#at++
    else this.#readDigits('in numeric literal')
    if (this.#text[this.#at] === '.') {
      this.#at++
      this.#readDigits('after decimal point in numeric literal')
    }
    if (/^[eE]/.test(this.#text[this.#at] ?? '')) {
      this.#at++
      if (/^[+-]/.test(this.#text[this.#at] ?? '')) this.#at++
      this.#readDigits('in exponent of numeric literal')
    }
    const literal = this.#text.slice(start, this.#at)
    const number = Number(literal)
    if (Number.isFinite(number)) return number
    this.#problem ??= `json: cannot unmarshal number ${literal} into Go value of type float64`
    return null
  }

  #readDigits(where: string): void {
    if (!isDigit(this.#text[this.#at])) throw this.#unexpected(where)
    while (isDigit(this.#text[this.#at])) this.#at++
  }

  #readString(): string {
    const start = ++this.#at
    let hasEscapes = false
    for (;;) {
      plainCharacters.lastIndex = this.#at
      plainCharacters.test(this.#text)
      this.#at = plainCharacters.lastIndex
      const character = this.#text[this.#at]
      if (character === undefined) throw new JsonError('unexpected end of JSON input')
      if (character === '"') break
      if (character !== '\\') throw this.#unexpected('in string literal')
      hasEscapes = true
      this.#at++
      this.#skipEscape()
    }
    // First, so that no byte that is not UTF-8 makes a pair with an escape.
    const literal = this.#text.slice(start, this.#at++).toWellFormed()
    return hasEscapes ? (JSON.parse(`"${literal}"`) as string).toWellFormed() : literal
  }

  #skipEscape(): void {
    const character = this.#text[this.#at] ?? ''
    if (!/^[bfnrt\\/"u]/.test(character)) throw this.#unexpected('in string escape code')
    this.#at++
    if (character !== 'u') return
    for (let i = 0; i < 4; i++, this.#at++) {
      if (!/^[0-9a-fA-F]/.test(this.#text[this.#at] ?? '')) throw this.#unexpected('in \\u hexadecimal character escape')
    }
  }

  #skipSpace(): void {
    spaces.lastIndex = this.#at
    spaces.test(this.#text)
    this.#at = spaces.lastIndex
  }

  /** The character here cannot be; Go looks at bytes, and at the end of a literal that is cut off sees a space. */
  #unexpected(where: string): JsonError {
    const [byte = 0x20] = bytesOf(String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0x20))
    return new JsonError(`invalid character ${quotedByte(byte)} ${where}`)
  }
}

const literals: ReadonlyMap<string, { readonly word: string; readonly value: Value }> = new Map([
  ['t', { word: 'true', value: true }],
  ['f', { word: 'false', value: false }],
  ['n', { word: 'null', value: null }],
])

const spaces = /[ \t\r\n]*/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: these may not be in a string
const plainCharacters = /[^"\\\x00-\x1f]*/y

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= '0' && character <= '9'
}

/** Source: Go encoding/json quoteChar. */
function quotedByte(byte: number): string {
  const character = String.fromCharCode(byte)
  if (character === "'") return "'\\''"
  return character === '"' ? `'"'` : `'${quote(character).slice(1, -1)}'`
}
