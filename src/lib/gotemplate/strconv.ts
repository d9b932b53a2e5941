/** Go's strconv: numbers and booleans from text, Go string literals. Numbers to text are in format-float.ts. */

import { FuncError } from './func.ts'
import { isPrint, rawByte } from './printable.ts'
import { bytesOf, textOf } from './value.ts'

/** What Go's strconv functions return as *strconv.NumError. */
export class NumError extends FuncError {
  /** Too large for the type, rather than no number at all. */
  readonly isRange: boolean
  constructor(name: string, text: string, reason: string) {
    super(`strconv.${name}: parsing ${quote(text)}: ${reason}`)
    this.isRange = reason === outOfRange
  }
}

// Inside, JavaScript's own functions keep these names.
export { parseFloat64 as parseFloat, parseInteger as parseInt }

const outOfRange = 'value out of range'
const invalid = 'invalid syntax'

/** Parses `1`, `t`, `TRUE` and the like. @throws NumError. Source: Go strconv.ParseBool. */
export function parseBool(text: string): boolean {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true
  if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false
  throw new NumError('ParseBool', text, invalid)
}

/** Parses a decimal int. @throws NumError. Source: Go strconv.Atoi. */
export function atoi(text: string): bigint {
  return parseSigned('Atoi', text, 10, 64)
}

/**
 * Parses a signed integer of that many bits. Base 0 goes by the prefix (`0x`, `0o`, `0`, `0b`) and allows underscores.
 * @throws NumError. Source: Go strconv.ParseInt.
 */
function parseInteger(text: string, base = 10, bits = 64): bigint {
  return parseSigned('ParseInt', text, base, bits)
}

/** Parses an unsigned integer, as parseInt does but without a sign. @throws NumError. Source: Go strconv.ParseUint. */
export function parseUint(text: string, base = 10, bits = 64): bigint {
  const result = unsigned(text, base, (1n << BigInt(bits)) - 1n)
  if (typeof result === 'string') throw new NumError('ParseUint', text, result)
  return result
}

function parseSigned(name: string, text: string, base: number, bits: number): bigint {
  const isNegative = text.startsWith('-')
  const limit = 1n << BigInt(bits - 1)
  const result = unsigned(/^[+-]/.test(text) ? text.slice(1) : text, base, 2n * limit - 1n)
  if (typeof result === 'string') throw new NumError(name, text, result)
  if (result > (isNegative ? limit : limit - 1n)) throw new NumError(name, text, outOfRange)
  return isNegative ? -result : result
}

const prefixes: ReadonlyMap<string, number> = new Map([
  ['0b', 2],
  ['0o', 8],
  ['0x', 16],
])

/** The value, or the reason why there is none. The first wrong digit or the overflow decides, whichever comes first. */
function unsigned(text: string, base: number, max: bigint): bigint | string {
  if (text === '') return invalid
  if (base === 0) return unsignedByPrefix(text, max)
  if (base === 10 && /^\d{1,15}$/.test(text) && max > 999_999_999_999_999n) return BigInt(text)
  let value = 0n
  for (const character of text) {
    const digit = digitOf(character)
    if (digit >= base) return invalid
    value = value * BigInt(base) + BigInt(digit)
    if (value > max) return outOfRange
  }
  return value
}

function unsignedByPrefix(text: string, max: bigint): bigint | string {
  if (text.includes('_') && !areUnderscoresRight(text)) {
    // A wrong digit or an overflow goes first.
    const digits = unsignedByPrefix(text.replaceAll('_', ''), max)
    return digits === outOfRange ? outOfRange : invalid
  }
  const plain = text.replaceAll('_', '')
  const base = text.length >= 3 ? prefixes.get(text.slice(0, 2).toLowerCase()) : undefined
  if (base !== undefined) return unsigned(plain.slice(2), base, max)
  if (!plain.startsWith('0')) return unsigned(plain, 10, max)
  return plain === '0' ? 0n : unsigned(plain.slice(1), 8, max)
}

/** 36 for what is no digit in any base. */
function digitOf(character: string): number {
  return /^[0-9a-zA-Z]$/.test(character) ? Number.parseInt(character, 36) : 36
}

/** Underscores may stand only between digits, or between a base prefix and a digit. */
function areUnderscoresRight(text: string): boolean {
  const number = text.replace(/^[+-]/, '')
  const prefix = /^0[box]/i.exec(number)?.[0]
  const digit = prefix?.toLowerCase() === '0x' ? '0-9a-fA-F' : '0-9'
  const rest = prefix === undefined ? number : `0${number.slice(2)}`
  return !new RegExp(`(^|[^${digit}])_|_($|[^${digit}])|__`).test(rest)
}

const decimalFloat = /^[+-]?(?=[_.]*\d)[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?\d[\d_]*)?$/
const hexFloat = /^([+-]?)0[xX](?=[_.]*[\da-fA-F])([\da-fA-F_]*)(?:\.([\da-fA-F_]*))?[pP]([+-]?\d[\d_]*)$/
const specialFloats: ReadonlyMap<string, number> = new Map([
  ['nan', Number.NaN],
  ...['inf', '+inf', 'infinity', '+infinity'].map((name) => [name, Number.POSITIVE_INFINITY] as const),
  ...['-inf', '-infinity'].map((name) => [name, Number.NEGATIVE_INFINITY] as const),
])

/**
 * Parses a float64: decimal, hexadecimal (`0x1p-2`), `inf` and `nan` in any case, underscores between digits.
 * @throws NumError. Source: Go strconv.ParseFloat.
 */
function parseFloat64(text: string): number {
  const special = text.length <= 9 ? specialFloats.get(text.toLowerCase()) : undefined
  if (special !== undefined) return special
  const value = finiteFloat(text)
  if (value === undefined) throw new NumError('ParseFloat', text, invalid)
  if (!Number.isFinite(value)) throw new NumError('ParseFloat', text, outOfRange)
  return value
}

/** Infinite where the number is too large. */
function finiteFloat(text: string): number | undefined {
  if (text.includes('_') && !areUnderscoresRight(text)) return undefined
  if (decimalFloat.test(text)) return Number(text.replaceAll('_', ''))
  const [, sign, integer, fraction, exponent] = hexFloat.exec(text)?.map((part) => part?.replaceAll('_', '')) ?? []
  if (integer === undefined) return undefined
  const digits = `${integer}${fraction ?? ''}`
  const magnitude = nearestFloat(BigInt(`0x${digits}`), Number(exponent) - 4 * (fraction ?? '').length)
  return sign === '-' ? -magnitude : magnitude
}

/** The float64 nearest to mantissa × 2^exponent, the even one of two. */
function nearestFloat(mantissa: bigint, exponent: number): number {
  if (mantissa === 0n) return 0
  const length = mantissa.toString(2).length
  const last = Math.max(exponent + length - 53, -1074)
  if (last <= exponent) return Number(mantissa) * 2 ** exponent
  return Number(shiftRight(mantissa, last - exponent, length)) * 2 ** last
}

function shiftRight(mantissa: bigint, count: number, length: number): bigint {
  // Less than half of the last place, however far it would be shifted.
  if (count > length) return 0n
  return halfEven(mantissa, BigInt(count))
}

/** A number without its last bits, rounded to the nearest, the even one of two. */
export function halfEven(value: bigint, bits: bigint): bigint {
  const kept = value >> bits
  const rest = (value - (kept << bits)) * 2n
  const one = 1n << bits
  return rest > one || (rest === one && (kept & 1n) === 1n) ? kept + 1n : kept
}

const plainText = /^[ !#-[\]-~]*$/

/** A Go string literal in double quotes. Source: Go strconv.Quote. */
export function quote(text: string): string {
  return plainText.test(text) ? `"${text}"` : quoteWith(text, '"', isPrint)
}

/** A Go string literal of ASCII characters. Source: Go strconv.QuoteToASCII. */
export function quoteToAscii(text: string): string {
  return plainText.test(text) ? `"${text}"` : quoteWith(text, '"', isPrintAscii)
}

/** A Go character literal, as `'x'` or `'\n'`. Source: Go strconv.QuoteRune, QuoteRuneToASCII. */
export function quoteRune(character: string, { ascii = false } = {}): string {
  return quoteWith(character, "'", ascii ? isPrintAscii : isPrint)
}

function isPrintAscii(character: string): boolean {
  return /^[ -~]$/.test(character)
}

function quoteWith(text: string, mark: string, isKept: (character: string) => boolean): string {
  const spelled = (character: string) => {
    if (character === mark || character === '\\') return `\\${character}`
    return isKept(character) ? character : escaped(character)
  }
  // Piece by piece: a list of all characters would take many times the memory of the text.
  const pieces = text.match(/.{1,10000}/gsu) ?? []
  return mark + pieces.map((piece) => Array.from(piece, spelled).join('')).join('') + mark
}

const letters: ReadonlyMap<string, string> = new Map([
  ['\x07', 'a'],
  ['\b', 'b'],
  ['\f', 'f'],
  ['\n', 'n'],
  ['\r', 'r'],
  ['\t', 't'],
  ['\v', 'v'],
])

function escaped(character: string): string {
  const letter = letters.get(character)
  if (letter !== undefined) return `\\${letter}`
  const code = rawByte(character) ?? character.codePointAt(0) ?? 0
  if (code < 0x20 || code === 0x7f || rawByte(character) !== undefined) return `\\x${hex(code, 2)}`
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`
}

function hex(code: number, length: number): string {
  return code.toString(16).padStart(length, '0')
}

/** Whether a text can stand between backquotes as it is. Source: Go strconv.CanBackquote. */
export function canBackquote(text: string): boolean {
  return !/[^\t -_a-~\x80-\ufefe\uff00-\uffff]/.test(text) && text.isWellFormed()
}

/** What a Go string or character literal stands for. @throws FuncError `invalid syntax`. Source: Go strconv.Unquote. */
export function unquote(literal: string): string {
  const mark = literal[0]
  if (literal.length < 2 || literal.at(-1) !== mark) throw new FuncError(invalid)
  const inner = literal.slice(1, -1)
  if (mark === '`') return rawText(inner)
  if (mark !== '"' && mark !== "'") throw new FuncError(invalid)
  if (mark === '"' && !/["\\\n]/.test(inner) && inner.isWellFormed()) return inner
  const parts: string[] = []
  for (let rest = inner; rest !== ''; ) {
    if (rest.startsWith('\n') || (mark === "'" && parts.length > 0)) throw new FuncError(invalid)
    const { character, length } = unquoteCharacter(rest, mark)
    parts.push(character)
    rest = rest.slice(length)
  }
  if (mark === "'" && parts.length === 0) return ''
  return joined(parts)
}

function rawText(inner: string): string {
  if (inner.includes('`')) throw new FuncError(invalid)
  return inner.replaceAll('\r', '')
}

/** Bytes that were escaped one by one may make characters. */
function joined(parts: readonly string[]): string {
  const text = parts.join('')
  return text.isWellFormed() ? text : textOf(bytesOf(text))
}

const escapes: ReadonlyMap<string, string> = new Map([
  ...[...letters].map(([character, letter]) => [letter, character] as const),
  ['\\', '\\'],
])
const numericEscape = /^\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{3}))/

/**
 * The first character (or byte) of a literal's inner text, and how much of the text stands for it.
 * @throws FuncError `invalid syntax`. Source: Go strconv.UnquoteChar.
 */
export function unquoteCharacter(text: string, mark: string): { character: string; length: number } {
  const first = String.fromCodePoint(text.codePointAt(0) ?? 0)
  if (text === '' || first === mark) throw new FuncError(invalid)
  if (first !== '\\') return { character: rawByte(first) === undefined ? first : '\ufffd', length: first.length }
  const second = text[1] ?? ''
  const simple = second === mark ? mark : escapes.get(second)
  if (simple !== undefined) return { character: simple, length: 2 }
  const [all, byte, short, long, octal] = numericEscape.exec(text) ?? []
  if (all === undefined) throw new FuncError(invalid)
  const code = octal === undefined ? Number.parseInt(byte ?? short ?? long ?? '', 16) : Number.parseInt(octal, 8)
  const isByte = byte !== undefined || octal !== undefined
  return { character: isByte ? byteText(code) : characterOf(code), length: all.length }
}

function byteText(code: number): string {
  if (code > 0xff) throw new FuncError(invalid)
  return String.fromCharCode(code < 0x80 ? code : 0xdc00 + code)
}

function characterOf(code: number): string {
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw new FuncError(invalid)
  return String.fromCodePoint(code)
}
