/** What cuts TOML into items: where it stands, and what it does in each of its states. Source: BurntSushi/toml lex.go. */

import { quoteRune } from '../gotemplate/strconv.ts'

export type ItemKind =
  | 'eof'
  | 'name'
  | 'string'
  | 'escapedString'
  | 'rawString'
  | 'multiline'
  | 'rawMultiline'
  | 'bool'
  | 'integer'
  | 'float'
  | 'datetime'
  | 'array'
  | 'arrayEnd'
  | 'table'
  | 'tableEnd'
  | 'tables'
  | 'tablesEnd'
  | 'key'
  | 'keyEnd'
  | 'inlineTable'
  | 'inlineTableEnd'

export interface Item {
  readonly kind: ItemKind
  readonly text: string
  /** From 1. */
  readonly line: number
}

/** What is no TOML, and on which line. */
export class LexError extends Error {
  readonly line: number
  constructor(message: string, line: number) {
    super(message)
    this.line = line
  }
}

/** What comes next: a state does one step and says which state follows; none after the end. */
export type State = (lexer: Lexer) => State | undefined

/** The end of the text, where a character is expected. */
export const end = ''

export class Lexer {
  readonly #text: string
  #state: State | undefined
  #items: Item[] = []
  /** States to return to: after a value, a key, a comment. */
  readonly #stack: State[] = []
  #start = 0
  #at = 0
  #line = 1
  #isAtEnd = false
  /** Whether the string that is being read has escapes. */
  hasEscape = false

  constructor(text: string, first: State) {
    this.#text = text
    this.#state = first
  }

  /** The next item. @throws LexError */
  item(): Item {
    for (;;) {
      const item = this.#items.shift()
      if (item) return item
      this.#state = this.#state?.(this)
    }
  }

  push(state: State): void {
    this.#stack.push(state)
  }

  pop(): State | undefined {
    return this.#stack.pop()
  }

  /** The text of the item that is being read. */
  get current(): string {
    return this.#text.slice(this.#start, this.#at)
  }

  emit(kind: ItemKind): void {
    this.#items.push({ kind, text: this.current, line: this.#line })
    this.ignore()
  }

  /** Takes a character; `''` at the end. @throws LexError for a control character or a byte that is not UTF-8 */
  next(): string {
    const code = this.#text.codePointAt(this.#at)
    this.#isAtEnd = code === undefined
    if (code === undefined) return end
    if (code === 0x0a) this.#line++
    if (code >= 0xdc80 && code <= 0xdcff) throw this.#error(`invalid UTF-8 byte: 0x${(code - 0xdc00).toString(16)}`)
    const isLoneReturn = code === 0x0d && this.#text[this.#at + 1] !== '\n'
    if (isControl(code) || isLoneReturn) {
      throw this.#error(`TOML files cannot contain control characters: '0x${code.toString(16).padStart(2, '0')}'`)
    }
    const character = String.fromCodePoint(code)
    this.#at += character.length
    return character
  }

  /** Gives the last character back; at the end, the end. */
  backup(): void {
    if (this.#isAtEnd) {
      this.#isAtEnd = false
      return
    }
    const code = this.#text.codePointAt(this.#at - 2) ?? 0
    this.#at -= code > 0xffff ? 2 : 1
    if (this.#text[this.#at] === '\n') this.#line--
  }

  peek(): string {
    const character = this.next()
    this.backup()
    return character
  }

  accept(wanted: string): boolean {
    if (this.next() === wanted) return true
    this.backup()
    return false
  }

  /** Forgets what has been read of an item. */
  ignore(): void {
    this.#start = this.#at
  }

  skipSpaces(): void {
    this.run(/[\t ]*/y)
    this.peek()
    this.ignore()
  }

  /** Takes what a sticky pattern of characters without a newline matches. */
  run(pattern: RegExp): void {
    pattern.lastIndex = this.#at
    this.#at += pattern.exec(this.#text)?.[0].length ?? 0
  }

  /** An error where the lexer stands; at the end of the text it belongs to the line before. */
  fail(message: string): LexError {
    const isAfterNewline = this.#isAtEnd && this.#text[this.#at - 1] === '\n'
    return new LexError(message, isAfterNewline ? this.#line - 1 : this.#line)
  }

  /** An error at the newline that was just taken. */
  failOnLineBefore(message: string): LexError {
    return new LexError(message, this.#line - 1)
  }

  /** An unknown escape: at the end of the text, Go counts one line too few. */
  failInEscape(message: string): LexError {
    return this.#isAtEnd ? this.failOnLineBefore(message) : this.#error(message)
  }

  #error(message: string): LexError {
    return new LexError(message, this.#line)
  }
}

function isControl(code: number): boolean {
  return (code < 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) || code === 0x7f
}

export function isSpace(character: string): boolean {
  return character === ' ' || character === '\t'
}

export function isNewline(character: string): boolean {
  return character === '\n' || character === '\r'
}

export function isDigit(character: string): boolean {
  return /^[0-9]$/.test(character)
}

/** A character in an error: Go has a zero for the end of the text. */
export function rune(character: string): string {
  return character || '\0'
}

/** A character in quotes. */
export function quoted(character: string): string {
  return quoteRune(rune(character))
}

/** Forgets what was read, and goes on. */
export function skip(lexer: Lexer, state: State): State {
  lexer.ignore()
  return state
}

/** Ends a value, and returns to where it began. */
export function finishValue(lexer: Lexer, kind: ItemKind): State | undefined {
  lexer.emit(kind)
  return lexer.pop()
}
