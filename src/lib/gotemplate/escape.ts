/** Text made safe for HTML, JavaScript and URLs, as text/template does it. */

import { isPrint, rawByte } from './printable.ts'
import { bytesOf } from './value.ts'

const htmlEscapes: ReadonlyMap<string, string> = new Map([
  ['\0', '\ufffd'],
  ['"', '&#34;'],
  ["'", '&#39;'],
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
])

/** Source: text/template HTMLEscapeString. */
export function htmlEscape(text: string): string {
  return text.replace(/[\0"'&<>]/g, (character) => htmlEscapes.get(character) ?? character)
}

/** Source: text/template JSEscapeString. */
export function jsEscape(text: string): string {
  return text.replace(/[^ !#-%(-;?-[\]-\x7f]/gu, jsCharacter)
}

function jsCharacter(character: string): string {
  if (/^[\\'"]$/.test(character)) return `\\${character}`
  // A byte that is not UTF-8 stands for U+FFFD, which is printable, and stays as it is.
  if (character > '\x7f' && (rawByte(character) !== undefined || isPrint(character))) return character
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
}

/** Source: Go url.QueryEscape. */
export function urlQueryEscape(text: string): string {
  return text.replace(/[^\w\-.~]/gu, (character) => (character === ' ' ? '+' : percentEncoded(character)))
}

function percentEncoded(character: string): string {
  const hex = Array.from(bytesOf(character), (byte) => byte.toString(16).toUpperCase().padStart(2, '0'))
  return `%${hex.join('%')}`
}
