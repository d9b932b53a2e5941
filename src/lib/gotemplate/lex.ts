/** Cuts a template's text into tokens. Source: Go text/template/parse/lex.go. */

import { isPrint, rawByte } from './printable.ts'
import { quote } from './strconv.ts'
import { bytesOf } from './value.ts'

const keywords = ['block', 'break', 'continue', 'define', 'else', 'end', 'if', 'nil', 'range', 'template', 'with'] as const

type Keyword = (typeof keywords)[number]

export type TokenKind =
  | Keyword
  | 'assign'
  | 'bool'
  | 'char'
  | 'charConstant'
  | 'complex'
  | 'declare'
  | 'dot'
  | 'eof'
  | 'error'
  | 'field'
  | 'identifier'
  | 'leftDelim'
  | 'leftParen'
  | 'number'
  | 'pipe'
  | 'rawString'
  | 'rightDelim'
  | 'rightParen'
  | 'space'
  | 'string'
  | 'text'
  | 'variable'

export interface Token {
  readonly kind: TokenKind
  /** Index in the text, in UTF-16 units. */
  readonly pos: number
  /** As it stands in the template; of an error, what is wrong. */
  readonly text: string
  /** Of the token's start, from 1. */
  readonly line: number
}

/** The marks around an action. */
export interface Delimiters {
  readonly left: string
  readonly right: string
}

export const defaultDelimiters: Delimiters = { left: '{{', right: '}}' }

const keywordKinds: ReadonlyMap<string, Keyword | 'dot' | 'bool'> = new Map([
  ...keywords.map((word) => [word, word] as const),
  ['.', 'dot'],
  ['true', 'bool'],
  ['false', 'bool'],
])

const singleTokens: ReadonlyMap<string, TokenKind> = new Map([
  ['=', 'assign'],
  ['|', 'pipe'],
])

const spaceRun = /[ \t\r\n]*/y
const word = /[\p{L}\p{Nd}_]*/uy
const wordCharacter = /^[\p{L}\p{Nd}_]/u
const leftTrim = /-[ \t\r\n]/y
const rightTrim = /[ \t\r\n]-/y
const quoted = /"(?:[^"\\\n]|\\[^\n])*"/y
const charConstant = /'(?:[^'\\\n]|\\[^\n])*'/y
/** As loose as Go's scanner: that a number makes sense is for the parser to say. */
const number =
  /[+-]?(?:0[xX][\da-fA-F_]*(?:\.[\da-fA-F_]*)?(?:[pP][+-]?[\d_]*)?|0[oO][0-7_]*(?:\.[0-7_]*)?|0[bB][01_]*(?:\.[01_]*)?|[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?[\d_]*)?)i?/y

/** Reads one token after the other. After an error or the end it is of no more use. */
export class Lexer {
  readonly #text: string
  readonly #delims: Delimiters
  readonly #isFunction: (name: string) => boolean
  #pos = 0
  #start = 0
  /** The line up to the next newline. */
  #line = 1
  #newline: number
  #parenDepth = 0
  #isInsideAction = false

  /** @param isFunction break and continue are no keywords where a function has the name. */
  constructor(text: string, delims: Delimiters, isFunction: (name: string) => boolean) {
    this.#text = text
    this.#delims = delims
    this.#isFunction = isFunction
    this.#newline = newlineFrom(text, 0)
  }

  next(): Token {
    return this.#isInsideAction ? this.#insideAction() : this.#outsideAction()
  }

  #outsideAction(): Token {
    for (;;) {
      const found = this.#text.indexOf(this.#delims.left, this.#pos)
      if (found < 0) return this.#lastText()
      const text = this.#textBefore(found)
      if (text) return text
      if (!this.#isAtComment()) return this.#leftDelimiter()
      const error = this.#skipComment()
      if (error) return error
    }
  }

  #lastText(): Token {
    this.#pos = this.#text.length
    return this.#token(this.#pos > this.#start ? 'text' : 'eof')
  }

  /** The text before a left delimiter, which then is next; undefined when nothing is left of it. */
  #textBefore(delimiter: number): Token | undefined {
    const end = this.#hasLeftTrim(delimiter) ? this.#trimmedEnd(delimiter) : delimiter
    this.#pos = end
    const token = end > this.#start ? this.#token('text') : undefined
    this.#moveTo(delimiter)
    return token
  }

  #hasLeftTrim(delimiter: number): boolean {
    return matchEnd(leftTrim, this.#text, delimiter + this.#delims.left.length) > 0
  }

  #trimmedEnd(end: number): number {
    let at = end
    while (at > this.#start && isSpace(this.#text[at - 1] ?? '')) at--
    return at
  }

  /** Where the action at the current position begins, its trim marker skipped. */
  #actionStart(): number {
    const start = this.#pos + this.#delims.left.length
    return this.#hasLeftTrim(this.#pos) ? start + 2 : start
  }

  #isAtComment(): boolean {
    return this.#text.startsWith('/*', this.#actionStart())
  }

  #leftDelimiter(): Token {
    const actionStart = this.#actionStart()
    this.#pos += this.#delims.left.length
    const token = this.#token('leftDelim')
    this.#moveTo(actionStart)
    this.#isInsideAction = true
    this.#parenDepth = 0
    return token
  }

  #skipComment(): Token | undefined {
    this.#moveTo(this.#actionStart())
    const close = this.#text.indexOf('*/', this.#pos + 2)
    if (close < 0) return this.#error('unclosed comment')
    this.#pos = close + 2
    if (!this.#isAtRightDelimiter()) return this.#error('comment ends before closing delimiter')
    this.#moveTo(this.#afterRightDelimiter())
    return undefined
  }

  #isAtTrimmedRightDelimiter(pos = this.#pos): boolean {
    return matchEnd(rightTrim, this.#text, pos) > 0 && this.#text.startsWith(this.#delims.right, pos + 2)
  }

  #isAtRightDelimiter(): boolean {
    return this.#text.startsWith(this.#delims.right, this.#pos) || this.#isAtTrimmedRightDelimiter()
  }

  /** Where the text goes on behind the right delimiter at the current position. */
  #afterRightDelimiter(): number {
    if (!this.#isAtTrimmedRightDelimiter()) return this.#pos + this.#delims.right.length
    return matchEnd(spaceRun, this.#text, this.#pos + 2 + this.#delims.right.length)
  }

  #rightDelimiter(): Token {
    const end = this.#afterRightDelimiter()
    if (this.#isAtTrimmedRightDelimiter()) this.#moveTo(this.#pos + 2)
    this.#pos += this.#delims.right.length
    const token = this.#token('rightDelim')
    this.#moveTo(end)
    this.#isInsideAction = false
    return token
  }

  #insideAction(): Token {
    if (this.#isAtRightDelimiter()) return this.#parenDepth === 0 ? this.#rightDelimiter() : this.#error('unclosed left paren')
    const character = this.#peek()
    if (character === '') return this.#error('unclosed action')
    if (isSpace(character)) return this.#space()
    const single = singleTokens.get(character)
    if (single) return this.#take(character, single)
    if (character === ':') return this.#declare()
    if (character === '"') return this.#delimited(quoted, 'string', 'unterminated quoted string')
    if (character === '`') return this.#rawString()
    if (character === "'") return this.#delimited(charConstant, 'charConstant', 'unterminated character constant')
    if (character === '$') return this.#name('variable')
    if (character === '.' && this.#isFieldAhead()) return this.#name('field')
    if (/[.+\-0-9]/.test(character)) return this.#number()
    if (wordCharacter.test(character)) return this.#identifier()
    return this.#punctuation(character)
  }

  /** Whether no number such as `.5` begins here. */
  #isFieldAhead(): boolean {
    const following = this.#text[this.#pos + 1]
    return following !== undefined && !/\d/.test(following)
  }

  #punctuation(character: string): Token {
    if (character === '(') {
      this.#parenDepth++
      return this.#take(character, 'leftParen')
    }
    if (character === ')') {
      this.#parenDepth--
      return this.#parenDepth < 0 ? this.#error('unexpected right paren') : this.#take(character, 'rightParen')
    }
    if (/^[!-~]$/.test(character)) return this.#take(character, 'char')
    return this.#error(`unrecognized character in action: ${describeCharacter(character)}`)
  }

  /** A run of spaces, but the last one where it belongs to a trimming right delimiter. */
  #space(): Token {
    const end = matchEnd(spaceRun, this.#text, this.#pos)
    if (!this.#isAtTrimmedRightDelimiter(end - 1)) this.#pos = end
    else if (end - this.#pos > 1) this.#pos = end - 1
    else return this.#rightDelimiter()
    return this.#token('space')
  }

  #declare(): Token {
    if (this.#text[this.#pos + 1] !== '=') return this.#error('expected :=')
    return this.#take(':=', 'declare')
  }

  #delimited(pattern: RegExp, kind: TokenKind, error: string): Token {
    const end = matchEnd(pattern, this.#text, this.#pos)
    if (end < 0) return this.#error(error)
    this.#pos = end
    return this.#token(kind)
  }

  #rawString(): Token {
    const close = this.#text.indexOf('`', this.#pos + 1)
    if (close < 0) return this.#error('unterminated raw quoted string')
    this.#pos = close + 1
    return this.#token('rawString')
  }

  /** `.name` or `$name`, or the mark alone. */
  #name(kind: 'field' | 'variable'): Token {
    this.#pos++
    if (this.#isAtTerminator()) return this.#token(kind === 'field' ? 'dot' : 'variable')
    this.#pos = matchEnd(word, this.#text, this.#pos)
    return this.#isAtTerminator() ? this.#token(kind) : this.#badCharacter()
  }

  #identifier(): Token {
    this.#pos = matchEnd(word, this.#text, this.#pos)
    if (!this.#isAtTerminator()) return this.#badCharacter()
    const name = this.#text.slice(this.#start, this.#pos)
    const isOverridden = (name === 'break' || name === 'continue') && this.#isFunction(name)
    return this.#token((isOverridden ? undefined : keywordKinds.get(name)) ?? 'identifier')
  }

  #badCharacter(): Token {
    return this.#error(`bad character ${describeCharacter(this.#peek())}`)
  }

  /** Whether the input is where an identifier may end, so that `$x+2` is an error. */
  #isAtTerminator(): boolean {
    const character = this.#text[this.#pos]
    if (character === undefined || isSpace(character)) return true
    return '.,|:)('.includes(character) || this.#text.startsWith(this.#delims.right, this.#pos)
  }

  #number(): Token {
    if (!this.#scanNumber()) return this.#badNumber()
    const sign = this.#text[this.#pos]
    if (sign !== '+' && sign !== '-') return this.#token('number')
    if (!this.#scanNumber() || this.#text[this.#pos - 1] !== 'i') return this.#badNumber()
    return this.#token('complex')
  }

  #scanNumber(): boolean {
    this.#pos = matchEnd(number, this.#text, this.#pos)
    const following = this.#peek()
    if (!wordCharacter.test(following)) return true
    this.#pos += following.length
    return false
  }

  #badNumber(): Token {
    return this.#error(`bad number syntax: ${quote(this.#text.slice(this.#start, this.#pos))}`)
  }

  /** The character at the current position; empty at the end. */
  #peek(): string {
    const code = this.#text.codePointAt(this.#pos)
    return code === undefined ? '' : String.fromCodePoint(code)
  }

  #take(text: string, kind: TokenKind): Token {
    this.#pos += text.length
    return this.#token(kind)
  }

  #token(kind: TokenKind): Token {
    const token = { kind, pos: this.#start, text: this.#text.slice(this.#start, this.#pos), line: this.#lineOfStart() }
    this.#start = this.#pos
    return token
  }

  #error(text: string): Token {
    return { kind: 'error', pos: this.#start, text, line: this.#lineOfStart() }
  }

  #lineOfStart(): number {
    while (this.#newline < this.#start) {
      this.#line++
      this.#newline = newlineFrom(this.#text, this.#newline + 1)
    }
    return this.#line
  }

  /** Skips what gives no token. */
  #moveTo(pos: number): void {
    this.#pos = pos
    this.#start = pos
  }
}

/** The index of the next newline; infinite without one. */
function newlineFrom(text: string, from: number): number {
  const found = text.indexOf('\n', from)
  return found < 0 ? Number.POSITIVE_INFINITY : found
}

function isSpace(character: string): boolean {
  return character === ' ' || character === '\t' || character === '\r' || character === '\n'
}

/** Where a match of the (sticky) pattern at this index ends; -1 without one. */
function matchEnd(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : -1
}

/** As Go's `%#U`: `U+005B '['`. */
function describeCharacter(character: string): string {
  const rune = rawByte(character) === undefined ? character : '\ufffd'
  const code = (rune.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  return isPrint(rune) ? `U+${code} '${rune}'` : `U+${code}`
}

/** How an error names a token. */
export function describeToken({ kind, text }: Token): string {
  if (kind === 'eof') return 'EOF'
  if (kind === 'error') return text
  if (kind === 'dot' || keywords.some((keyword) => keyword === kind)) return `<${text}>`
  const characters = Array.from(text.slice(0, 20))
  if (bytesOf(text).length > 10) return `${quote(characters.slice(0, 10).join(''))}...`
  return quote(text)
}
