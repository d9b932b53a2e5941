/** Go strings as sprig's functions take them apart: by bytes, by runes, and as the text of any value. */

import { sprint } from '../format.ts'
import { Bytes, bytesOf, textOf, typeOf, type Value } from '../value.ts'

/** What sprig makes of any value that it wants as a string. Source: sprig strval. */
export function strval(value: Value): string {
  if (typeof value === 'string') return value
  if (value instanceof Bytes) return textOf(value.bytes)
  const type = typeOf(value)
  return type?.text ? type.text(value) : sprint([value])
}

/** The string in its one form, after parts were put together: bytes that now make a character become it. */
export function canonical(text: string): string {
  return text.isWellFormed() ? text : textOf(bytesOf(text))
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII
const asciiPattern = /^[\x00-\x7f]*$/

export function isAscii(text: string): boolean {
  return asciiPattern.test(text)
}

/** The bytes of a Go string, as a string with one character for each byte. */
export function binary(text: string): string {
  return isAscii(text) ? text : Buffer.from(bytesOf(text)).toString('latin1')
}

/** The Go string with these bytes. */
export function fromBinary(bytes: string): string {
  return isAscii(bytes) ? bytes : textOf(Buffer.from(bytes, 'latin1'))
}

/** How many bytes a Go string has. */
export function byteLength(text: string): number {
  return isAscii(text) ? text.length : bytesOf(text).length
}

/** Looks for one string in another: by their bytes where the one looked for is not UTF-8, and so may lie within characters. */
export function matching<Result>(part: string, text: string, look: (part: string, text: string) => Result): Result {
  return part.isWellFormed() ? look(part, text) : look(binary(part), binary(text))
}

/** The runes of a Go string; each byte that is not UTF-8 is one, as it is. */
export function runes(text: string): string[] {
  return Array.from(text)
}

/** As `[]rune(text)` turned back into a string: what is not UTF-8 becomes U+FFFD. */
export function validText(text: string): string {
  return text.toWellFormed()
}

/** White space by Go's unicode.IsSpace: with U+0085, without U+FEFF. */
const space = '\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const spacePattern = new RegExp(`^[${space}]`)
const leadingSpace = new RegExp(`^[${space}]+`)

export function isSpace(rune: string): boolean {
  return spacePattern.test(rune)
}

/** Source: Go strings.TrimSpace. */
export function trimSpace(text: string): string {
  const trimmed = text.replace(leadingSpace, '')
  let end = trimmed.length
  // By hand: a pattern for the end would look for it from every space on.
  while (end > 0 && isSpace(trimmed[end - 1] ?? '')) end--
  return trimmed.slice(0, end)
}

/** `mustFirst` of `must` and `first`: the other names that sprig gives to the same function. */
export function prefixed(prefix: string, name: string): string {
  return `${prefix}${name.charAt(0).toUpperCase()}${name.slice(1)}`
}

/** The name of a value's kind, as reflect prints it; `invalid` for nil. */
export function kindName(value: Value): string {
  return typeOf(value)?.kind ?? 'invalid'
}
