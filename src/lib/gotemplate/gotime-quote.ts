/** Texts as bytes, and how the errors of Go's time package quote them. */

import { bytesOf, textOf } from './value.ts'

/** Quotes a text; all but printable ASCII as `\x` and two digits for each byte. Source: Go time.quote. */
export function quoteTime(text: string): string {
  return `"${Array.from(bytesOf(text), quoteByte).join('')}"`
}

function quoteByte(byte: number): string {
  if (byte < 0x20 || byte >= 0x80) return `\\x${byte.toString(16).padStart(2, '0')}`
  const character = String.fromCharCode(byte)
  return character === '"' || character === '\\' ? `\\${character}` : character
}

/** Bytes of a Go string as characters up to U+00FF, so that cutting anywhere is safe. */
export function binaryOf(text: string): string {
  return Buffer.from(bytesOf(text)).toString('latin1')
}

/** The Go string of such bytes. */
export function textOfBinary(binary: string): string {
  return textOf(Buffer.from(binary, 'latin1'))
}
