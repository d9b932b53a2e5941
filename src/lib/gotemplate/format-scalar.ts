/** Integers, floats, strings and bytes under one directive of a format, as Go's fmt writes them. */

import { type FloatVerb, formatFloat } from './format-float.ts'
import { firstRunes, isPrint, runeCount } from './printable.ts'
import { canBackquote, quote, quoteRune, quoteToAscii } from './strconv.ts'
import { textOf } from './value.ts'

/** What stands between `%` and the verb. */
export interface Directive {
  readonly width: number | undefined
  readonly precision: number | undefined
  readonly minus: boolean
  readonly plus: boolean
  readonly sharp: boolean
  readonly space: boolean
  readonly zero: boolean
  /** `%+v`: the names of fields. */
  readonly plusV: boolean
  /** `%#v`: Go syntax. */
  readonly sharpV: boolean
}

/** That of `%v`, and of print. */
export const plainDirective: Directive = {
  width: undefined,
  precision: undefined,
  minus: false,
  plus: false,
  sharp: false,
  space: false,
  zero: false,
  plusV: false,
  sharpV: false,
}

/** Fills up to the width, counted in runes: on the left unless `-` is given, with zeros if `0` is. */
export function pad(d: Directive, text: string): string {
  if (!d.width) return text
  const fill = padding(d, d.width - runeCount(text))
  return d.minus ? text + fill : fill + text
}

function padding(d: Directive, count: number): string {
  return count > 0 ? (d.zero && !d.minus ? '0' : ' ').repeat(count) : ''
}

/** Where zeros have been dealt with or make no sense. */
function padWithSpaces(d: Directive, text: string): string {
  return pad(d.zero ? { ...d, zero: false } : d, text)
}

const bases: ReadonlyMap<string, number> = new Map([
  ['v', 10],
  ['d', 10],
  ['b', 2],
  ['o', 8],
  ['O', 8],
  ['x', 16],
  ['X', 16],
])

/** An integer under any verb for integers; undefined if the verb is none. Source: Go fmt, (*pp).fmtInteger. */
export function integerText(d: Directive, value: bigint, verb: string): string | undefined {
  const base = bases.get(verb)
  if (base !== undefined) return digitsText(d, value, verb, base)
  if (verb === 'c') return pad(d, characterOf(value))
  if (verb === 'q') return pad(d, quoteRune(characterOf(value), { ascii: d.plus }))
  if (verb === 'U') return unicodeText(d, value)
  return undefined
}

function digitsText(d: Directive, value: bigint, verb: string, base: number): string {
  if (d.precision === 0 && value === 0n) return ' '.repeat(d.width ?? 0)
  const sign = value < 0n ? '-' : d.plus ? '+' : d.space ? ' ' : ''
  const digits = (value < 0n ? -value : value).toString(base).padStart(leastDigits(d, sign), '0')
  const text = sign + basePrefix(d, digits, verb, base) + digits
  return padWithSpaces(d, verb === 'X' ? text.toUpperCase() : text)
}

/** A precision, or a width with `0`, asks for leading zeros. */
function leastDigits(d: Directive, sign: string): number {
  if (d.precision !== undefined) return d.precision
  return d.zero && !d.minus && d.width !== undefined ? d.width - sign.length : 0
}

function basePrefix(d: Directive, digits: string, verb: string, base: number): string {
  const marker = verb === 'O' ? '0o' : ''
  if (!d.sharp || base === 10) return marker
  if (base === 8) return digits.startsWith('0') ? marker : `${marker}0`
  return base === 2 ? '0b' : '0x'
}

/** Of a code point; U+FFFD for what is none. */
function characterOf(value: bigint): string {
  const isCharacter = value >= 0n && value <= 0x10ffffn && !(value >= 0xd800n && value <= 0xdfffn)
  return isCharacter ? String.fromCodePoint(Number(value)) : '\ufffd'
}

/** `U+0041`, and `U+0041 'A'` with `#`. */
function unicodeText(d: Directive, value: bigint): string {
  const digits = BigInt.asUintN(64, value).toString(16).toUpperCase()
  const code = `U+${digits.padStart(Math.max(d.precision ?? 4, 4), '0')}`
  const character = characterOf(value)
  const isShown =
    d.sharp && value >= 0n && value <= 0x10ffffn && isPrint(character) && (character !== '\ufffd' || value === 0xfffdn)
  return padWithSpaces(d, isShown ? `${code} '${character}'` : code)
}

const floatVerbs: ReadonlyMap<string, readonly [verb: FloatVerb, precision: number]> = new Map([
  ['v', ['g', -1]],
  ['b', ['b', -1]],
  ['g', ['g', -1]],
  ['G', ['G', -1]],
  ['x', ['x', -1]],
  ['X', ['X', -1]],
  ['f', ['f', 6]],
  ['F', ['f', 6]],
  ['e', ['e', 6]],
  ['E', ['E', 6]],
])

/** A float64 under any verb for floats; undefined if the verb is none. Source: Go fmt, (*fmt).fmtFloat. */
export function floatText(d: Directive, value: number, verb: string): string | undefined {
  const known = floatVerbs.get(verb)
  if (known === undefined) return undefined
  const [floatVerb, usual] = known
  const precision = d.precision ?? usual
  const text = formatFloat(value, floatVerb, precision)
  if (!Number.isFinite(value)) return padWithSpaces(d, specialText(d, text))
  const isNegative = text.startsWith('-')
  const plain = isNegative ? text.slice(1) : text
  const number = d.sharp && floatVerb !== 'b' ? withPoint(plain, floatVerb, precision) : plain
  const sign = isNegative ? '-' : positiveSign(d)
  if (sign === '' || !d.zero || d.minus || d.width === undefined) return pad(d, sign + number)
  // Zeros go between the sign and the number.
  return sign + pad({ ...d, width: d.width - 1 }, number)
}

function positiveSign(d: Directive): string {
  return d.plus ? '+' : d.space ? ' ' : ''
}

/** A sign before NaN and infinity only if asked for, but `-Inf` always has it and `+Inf` shows it with `+` alone. */
function specialText(d: Directive, text: string): string {
  if (text === 'NaN') return positiveSign(d) + text
  if (text === '-Inf') return text
  return `${d.plus ? '+' : d.space ? ' ' : '+'}Inf`
}

/** `#`: a decimal point always, and the trailing zeros that `g` leaves out. */
function withPoint(text: string, verb: FloatVerb, precision: number): string {
  const [, number = '', tail = ''] = (verb === 'x' || verb === 'X' ? /^(.*?)([pP].*)?$/ : /^(.*?)([eE].*)?$/).exec(text) ?? []
  const hasPoint = number.includes('.')
  const pointed = hasPoint ? number : `${number}.`
  if (verb !== 'g' && verb !== 'G' && verb !== 'x') return pointed + tail
  const significant = number.replace('.', '').replace(/^0+/, '').length
  // A lone 0 counts as a digit.
  const missing = (precision === -1 ? 6 : precision) - significant - (number === '0' ? 1 : 0)
  return pointed + '0'.repeat(Math.max(missing, 0)) + tail
}

/** A string under any verb for strings; undefined if the verb is none. Source: Go fmt, (*pp).fmtString. */
export function stringText(d: Directive, value: string, verb: string): string | undefined {
  if (verb === 'v') return d.sharpV ? quotedText(d, value) : pad(d, truncated(d, value))
  if (verb === 's') return pad(d, truncated(d, value))
  if (verb === 'q') return quotedText(d, value)
  return undefined
}

function truncated(d: Directive, text: string): string {
  return d.precision === undefined ? text : firstRunes(text, d.precision)
}

/** `%q`; with `#` in backquotes if that is possible, with `+` in ASCII. */
function quotedText(d: Directive, value: string): string {
  const text = truncated(d, value)
  if (d.sharp && canBackquote(text)) return pad(d, `\`${text}\``)
  return pad(d, d.plus ? quoteToAscii(text) : quote(text))
}

/** `%x` and `%X` of bytes, the precision counting bytes. Source: Go fmt, (*fmt).fmtSbx. */
export function hexText(d: Directive, bytes: Uint8Array, verb: 'x' | 'X'): string {
  const shown = d.precision === undefined ? bytes : bytes.subarray(0, d.precision)
  if (shown.length === 0) return padding(d, d.width ?? 0)
  const prefix = d.sharp ? '0x' : ''
  const hex = Buffer.from(shown.buffer, shown.byteOffset, shown.length).toString('hex')
  const text = d.space ? prefix + (hex.match(/../g) ?? []).join(` ${prefix}`) : prefix + hex
  return pad(d, verb === 'X' ? text.toUpperCase() : text)
}

/** `%s` and `%q` of bytes. */
export function bytesText(d: Directive, bytes: Uint8Array, verb: 's' | 'q'): string {
  return stringText(d, textOf(bytes), verb) ?? ''
}
