/** The states in which single values of TOML are read: texts, numbers, dates, booleans. Source: BurntSushi/toml lex.go. */

import { quote } from '../gotemplate/strconv.ts'
import { end, finishValue, type ItemKind, isDigit, isNewline, type Lexer, quoted, rune, type State, skip } from './toml-lexer.ts'

/** After a first quote: three of them begin a text of several lines, two are an empty one. */
export function stringStart(lexer: Lexer, mark: string, single: State, several: State): State {
  if (lexer.accept(mark)) {
    if (lexer.accept(mark)) return skip(lexer, several)
    lexer.backup()
  }
  return skip(lexer, single)
}

export function string(lexer: Lexer): State | undefined {
  lexer.run(/[ !#-[\]-~]*/y)
  const character = lexer.next()
  if (character === end) throw lexer.fail(`unexpected EOF; expected '"'`)
  if (isNewline(character)) throw lexer.failOnLineBefore('strings cannot contain newlines')
  if (character === '\\') {
    lexer.push(string)
    return escapeSequence
  }
  if (character !== '"') return string
  const kind = lexer.hasEscape ? 'escapedString' : 'string'
  lexer.hasEscape = false
  return finishString(lexer, kind, 1)
}

export function rawString(lexer: Lexer): State | undefined {
  lexer.run(/[ -&(-~]*/y)
  const character = lexer.next()
  if (character === end) throw lexer.fail(`unexpected EOF; expected "'"`)
  if (isNewline(character)) throw lexer.failOnLineBefore('strings cannot contain newlines')
  return character === "'" ? finishString(lexer, 'rawString', 1) : rawString
}

/** The closing quotes were taken, but do not belong to the text. */
function finishString(lexer: Lexer, kind: ItemKind, quotes: number): State | undefined {
  for (let i = 0; i < quotes; i++) lexer.backup()
  lexer.emit(kind)
  for (let i = 0; i < quotes; i++) lexer.next()
  lexer.ignore()
  return lexer.pop()
}

export function multiline(lexer: Lexer): State | undefined {
  lexer.run(/[ !#-[\]-~]*/y)
  const character = lexer.next()
  if (character === end) throw lexer.fail(`unexpected EOF; expected '"""'`)
  if (character === '\\') return multilineEscape
  return character === '"' ? multilineQuote(lexer, '"', multiline) : multiline
}

export function rawMultiline(lexer: Lexer): State | undefined {
  lexer.run(/[ -&(-~]*/y)
  const character = lexer.next()
  if (character === end) throw lexer.fail(`unexpected EOF; expected "'''"`)
  return character === "'" ? multilineQuote(lexer, "'", rawMultiline) : rawMultiline
}

/** After a quote in a text of several lines, which may hold one or two of them, also before the three that end it. */
function multilineQuote(lexer: Lexer, mark: '"' | "'", inside: State): State | undefined {
  if (!lexer.accept(mark)) return inside
  if (!lexer.accept(mark)) {
    lexer.backup()
    return inside
  }
  if (lexer.peek() !== mark) {
    lexer.hasEscape = false
    return finishString(lexer, mark === '"' ? 'multiline' : 'rawMultiline', 3)
  }
  const five = mark.repeat(5)
  const isEscaped = mark === '"' && lexer.current.endsWith(`\\${five}`)
  if (lexer.current.endsWith(five) && !isEscaped) {
    throw lexer.fail(mark === '"' ? `unexpected '""""""'` : `unexpected "''''''"`)
  }
  lexer.backup()
  lexer.backup()
  return inside
}

function multilineEscape(lexer: Lexer): State | undefined {
  if (isNewline(lexer.next())) return multiline
  lexer.backup()
  lexer.push(multiline)
  return escapeSequence(lexer)
}

const hexEscapes: ReadonlyMap<string, readonly [number, string]> = new Map([
  ['x', [2, 'two']],
  ['u', [4, 'four']],
  ['U', [8, 'eight']],
])

function escapeSequence(lexer: Lexer): State | undefined {
  lexer.hasEscape = true
  const character = lexer.next()
  // A space is allowed for the sake of texts of several lines, where it may stand before a newline.
  if (character !== end && 'ebtnfr" \t\\'.includes(character)) return lexer.pop()
  const hex = hexEscapes.get(character)
  if (!hex) throw lexer.failInEscape(`invalid escape in string '\\${rune(character)}'`)
  const [digits, count] = hex
  for (let i = 0; i < digits; i++) {
    if (/^[0-9A-Fa-f]$/.test(lexer.next())) continue
    throw lexer.fail(`expected ${count} hexadecimal digits after '\\${character}', but got ${quote(lexer.current)} instead`)
  }
  return lexer.pop()
}

/** After the first digit of a number or date. */
export function numberState(first: string): State {
  return first === '0' ? basedNumberOrDate : numberOrDate
}

/** Takes what matches, looks at the character behind it as Go does, and ends the value. */
function scan(lexer: Lexer, pattern: RegExp, kind: ItemKind): State | undefined {
  lexer.run(pattern)
  lexer.peek()
  return finishValue(lexer, kind)
}

function numberOrDate(lexer: Lexer): State | undefined {
  lexer.run(/[0-9]*/y)
  const character = lexer.next()
  if (character === '-' || character === ':') return datetime
  if (character === '_') return decimalNumber
  if (isFloatMark(character)) return float
  lexer.backup()
  return finishValue(lexer, 'integer')
}

function isFloatMark(character: string): boolean {
  return character === '.' || character === 'e' || character === 'E'
}

function datetime(lexer: Lexer): State | undefined {
  return scan(lexer, /[-0-9:Tt .Zz+]*/y, 'datetime')
}

function float(lexer: Lexer): State | undefined {
  return scan(lexer, /[-0-9_.+eE]*/y, 'float')
}

function decimalNumber(lexer: Lexer): State | undefined {
  lexer.run(/[0-9_]*/y)
  if (isFloatMark(lexer.next())) return float
  lexer.backup()
  return finishValue(lexer, 'integer')
}

/** After a sign: only decimal numbers, `inf` and `nan` may have one. */
export function signedNumber(lexer: Lexer): State | undefined {
  const character = lexer.next()
  if (character === 'i' || character === 'n') {
    for (const letter of character === 'i' ? 'nf' : 'an')
      if (!lexer.accept(letter)) throw lexer.fail(`invalid float: '${lexer.current}'`)
    return finishValue(lexer, 'float')
  }
  if (character === '.') throw lexer.fail("floats must start with a digit, not '.'")
  if (!isDigit(character)) throw lexer.fail(`expected a digit but got ${quoted(character)}`)
  const next = character === '0' ? lexer.peek() : end
  if (/^[box]$/.test(next)) throw lexer.fail(`cannot use sign with non-decimal numbers: '${lexer.current}${next}'`)
  return decimalNumber
}

const bases: ReadonlyMap<string, { readonly name: string; readonly digit: RegExp; readonly digits: RegExp }> = new Map([
  ['b', { name: 'a binary', digit: /^[01]$/, digits: /[01_]*/y }],
  ['o', { name: 'an octal', digit: /^[0-7]$/, digits: /[0-7_]*/y }],
  ['x', { name: 'a hexadecimal', digit: /^[0-9a-fA-F]$/, digits: /[0-9a-fA-F_]*/y }],
])

/** After a leading zero. */
function basedNumberOrDate(lexer: Lexer): State | undefined {
  const character = lexer.next()
  if (isDigit(character)) return numberOrDate
  if (character === '_') return decimalNumber
  if (isFloatMark(character)) return float
  const base = bases.get(character)
  if (!base) {
    lexer.backup()
    return finishValue(lexer, 'integer')
  }
  const first = lexer.peek()
  if (!base.digit.test(first)) throw lexer.fail(`not ${base.name} number: '${lexer.current}${rune(first)}'`)
  return scan(lexer, base.digits, 'integer')
}

export function bool(lexer: Lexer): State | undefined {
  let word = ''
  for (let letter = lexer.next(); ; letter = lexer.next()) {
    if (!/^\p{L}$/u.test(letter)) break
    word += letter
  }
  lexer.backup()
  if (word === 'true' || word === 'false') return finishValue(lexer, 'bool')
  throw lexer.fail(`expected value but found ${quote(word)} instead`)
}

/** After the first letter of `inf` or `nan`. */
export function acceptSpecialFloat(lexer: Lexer): boolean {
  return (lexer.accept('n') && lexer.accept('f')) || (lexer.accept('a') && lexer.accept('n'))
}
