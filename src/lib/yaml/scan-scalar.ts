/** The texts of scalars: block, quoted and plain. */

import { type Cursor, isBlank, isBlankOrEnd, isBreak, isBreakOrEnd, isDigit, type Mark, SPACE, TAB } from './cursor.ts'

/** A literal or folded text. `parentIndent`: of the collection that holds it, -1 outside of all. */
export function scanBlockScalar(cursor: Cursor, style: 'literal' | 'folded', parentIndent: number): string {
  const start = cursor.mark
  cursor.position++
  const { chomping, increment } = readBlockHeader(cursor, start)
  const body = new BlockBody(style === 'folded')
  const known = increment === 0 ? 0 : Math.max(parentIndent, 0) + increment
  let { indent, text: trailing } = readBlockBreaks(cursor, { indent: known, parentIndent, start })
  let leading = ''
  while (cursor.column === indent && !Number.isNaN(cursor.code())) {
    const first = cursor.code()
    const from = cursor.position
    cursor.skipToBreak()
    body.add({ leading, trailing, line: cursor.text.slice(from, cursor.position), isBlank: isBlank(first) })
    leading = isBreak(cursor.code()) ? cursor.readBreak() : ''
    ;({ indent, text: trailing } = readBlockBreaks(cursor, { indent, parentIndent, start }))
  }
  return body.text + (chomping === '-' ? '' : leading) + (chomping === '+' ? trailing : '')
}

/** The text of a block scalar as it grows by lines. */
class BlockBody {
  text = ''
  readonly #folded: boolean
  #lastIsBlank = false

  constructor(isFolded: boolean) {
    this.#folded = isFolded
  }

  add({
    leading,
    trailing,
    line,
    isBlank: lineIsBlank,
  }: {
    leading: string
    trailing: string
    line: string
    isBlank: boolean
  }): void {
    if (this.#folded && leading === '\n' && !this.#lastIsBlank && !lineIsBlank) {
      if (trailing === '') this.text += ' '
    } else this.text += leading
    this.text += trailing + line
    this.#lastIsBlank = lineIsBlank
  }
}

function readBlockHeader(cursor: Cursor, start: Mark): { chomping: string; increment: number } {
  let chomping = readChomping(cursor)
  let increment = 0
  if (isDigit(cursor.code())) {
    increment = cursor.code() - 0x30
    if (increment === 0) throw cursor.error('found an indentation indicator equal to 0', start)
    cursor.position++
    if (chomping === '') chomping = readChomping(cursor)
  }
  cursor.readWhile(isBlank)
  if (cursor.code() === 0x23) cursor.skipToBreak()
  if (!isBreakOrEnd(cursor.code())) throw cursor.error('did not find expected comment or line break', start)
  if (isBreak(cursor.code())) cursor.skipBreak()
  return { chomping, increment }
}

function readChomping(cursor: Cursor): string {
  const char = cursor.text[cursor.position] ?? ''
  if (char !== '+' && char !== '-') return ''
  cursor.position++
  return char
}

interface BlockIndent {
  /** 0: to be found. */
  readonly indent: number
  readonly parentIndent: number
  readonly start: Mark
}

/** Eats indentation and empty lines; finds the indentation when it is not known (0). */
function readBlockBreaks(cursor: Cursor, { indent, parentIndent, start }: BlockIndent): { indent: number; text: string } {
  let text = ''
  let widest = 0
  for (;;) {
    while ((indent === 0 || cursor.column < indent) && cursor.code() === SPACE) cursor.position++
    widest = Math.max(widest, cursor.column)
    if ((indent === 0 || cursor.column < indent) && cursor.code() === TAB) {
      throw cursor.error('found a tab character where an indentation space is expected', start)
    }
    if (!isBreak(cursor.code())) break
    text += cursor.readBreak()
  }
  return { indent: indent === 0 ? Math.max(widest, parentIndent + 1, 1) : indent, text }
}

/** A text in quotes. */
export function scanQuoted(cursor: Cursor, style: 'single' | 'double'): string {
  const start = cursor.mark
  cursor.position++
  const quote = style === 'single' ? 0x27 : 0x22
  let text = ''
  for (;;) {
    if (cursor.documentIndicator()) throw cursor.error('found unexpected document indicator', start)
    if (Number.isNaN(cursor.code())) throw cursor.error('found unexpected end of stream', start)
    const run = readQuotedRun(cursor, style, start)
    text += run.text
    if (cursor.code() === quote && !run.escapedBreak) break
    text += readQuotedSpace(cursor, run.escapedBreak)
  }
  cursor.position++
  return text
}

/** Text up to white space or the closing quote. */
function readQuotedRun(cursor: Cursor, style: 'single' | 'double', start: Mark): { text: string; escapedBreak: boolean } {
  let text = ''
  let from = cursor.position
  for (;;) {
    const code = cursor.code()
    if (isBlankOrEnd(code)) break
    if (style === 'single' && code === 0x27) {
      if (cursor.code(1) !== 0x27) break
      text += cursor.text.slice(from, cursor.position + 1)
      cursor.position += 2
      from = cursor.position
    } else if (style === 'double' && code === 0x22) {
      break
    } else if (style === 'double' && code === 0x5c) {
      text += cursor.text.slice(from, cursor.position)
      if (isBreak(cursor.code(1))) {
        cursor.position++
        cursor.skipBreak()
        return { text, escapedBreak: true }
      }
      text += readEscape(cursor, start)
      from = cursor.position
    } else {
      cursor.position++
    }
  }
  return { text: text + cursor.text.slice(from, cursor.position), escapedBreak: false }
}

function readEscape(cursor: Cursor, start: Mark): string {
  const char = cursor.text[cursor.position + 1] ?? ''
  const simple = ESCAPES.get(char)
  const length = ESCAPE_LENGTHS.get(char) ?? 0
  if (simple === undefined && length === 0) throw cursor.error('found unknown escape character', start)
  cursor.position += 2
  if (simple !== undefined) return simple
  const digits = cursor.text.slice(cursor.position, cursor.position + length)
  if (digits.length < length || !/^[0-9a-fA-F]+$/.test(digits)) throw cursor.error('did not find expected hexdecimal number', start)
  const value = Number.parseInt(digits, 16)
  if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
    throw cursor.error('found invalid Unicode character escape code', start)
  cursor.position += length
  return String.fromCodePoint(value)
}

/** White space inside of quotes: one break becomes a space, more become one break less. */
function readQuotedSpace(cursor: Cursor, afterEscapedBreak: boolean): string {
  let [spaces, leading, trailing] = ['', '', '']
  let onNewLine = afterEscapedBreak
  for (;;) {
    const code = cursor.code()
    if (isBlank(code)) {
      if (!onNewLine) spaces += cursor.text[cursor.position]
      cursor.position++
    } else if (isBreak(code)) {
      if (onNewLine) trailing += cursor.readBreak()
      else {
        leading = cursor.readBreak()
        onNewLine = true
      }
    } else break
  }
  return onNewLine ? folded(leading, trailing) : spaces
}

interface PlainContext {
  /** The least indentation of further lines. */
  readonly indent: number
  readonly inFlow: boolean
}

/** A text without quotes. */
export function scanPlain(cursor: Cursor, { indent, inFlow }: PlainContext): { text: string; endsOnNewLine: boolean } {
  const start = cursor.mark
  let [text, spaces, leading, trailing] = ['', '', '', '']
  let onNewLine = false
  for (;;) {
    if (cursor.documentIndicator()) break
    if (cursor.code() === 0x23) break
    const from = cursor.position
    skipPlainRun(cursor, inFlow)
    if (cursor.position > from) {
      text += (onNewLine ? folded(leading, trailing) : spaces) + cursor.text.slice(from, cursor.position)
      spaces = leading = trailing = ''
      onNewLine = false
    }
    if (!isBlank(cursor.code()) && !isBreak(cursor.code())) break
    for (;;) {
      const code = cursor.code()
      if (isBlank(code)) {
        if (onNewLine && code === TAB && cursor.column < indent)
          throw cursor.error('found a tab character that violates indentation', start)
        if (!onNewLine) spaces += cursor.text[cursor.position]
        cursor.position++
      } else if (isBreak(code)) {
        if (onNewLine) trailing += cursor.readBreak()
        else {
          spaces = ''
          leading = cursor.readBreak()
          onNewLine = true
        }
      } else break
    }
    if (!inFlow && cursor.column < indent) break
  }
  return { text, endsOnNewLine: onNewLine }
}

/** Moves behind the last character of the text in this line: blanks inside of it are part of it. */
function skipPlainRun(cursor: Cursor, inFlow: boolean): void {
  const { text } = cursor
  let end = cursor.position
  for (let at = end; ; at++) {
    const code = text.charCodeAt(at)
    if (isBlank(code)) continue
    if (isBreakOrEnd(code) || (code === 0x23 && end < at)) break
    if (code === 0x3a && isBlankOrEnd(text.charCodeAt(at + 1))) break
    if (inFlow && (code === 0x2c || code === 0x3f || code === 0x5b || code === 0x5d || code === 0x7b || code === 0x7d)) break
    end = at + 1
  }
  cursor.position = end
}

function folded(leading: string, trailing: string): string {
  if (leading !== '\n') return leading + trailing
  return trailing === '' ? ' ' : trailing
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['0', '\0'],
  ['a', '\x07'],
  ['b', '\b'],
  ['t', '\t'],
  ['\t', '\t'],
  ['n', '\n'],
  ['v', '\v'],
  ['f', '\f'],
  ['r', '\r'],
  ['e', '\x1b'],
  [' ', ' '],
  ['"', '"'],
  ["'", "'"],
  ['\\', '\\'],
  ['N', '\u0085'],
  ['_', '\u00a0'],
  ['L', '\u2028'],
  ['P', '\u2029'],
])
const ESCAPE_LENGTHS: ReadonlyMap<string, number> = new Map([
  ['x', 2],
  ['u', 4],
  ['U', 8],
])
