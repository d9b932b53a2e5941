/** JSON text as Go's encoding/json prints it. */

import type { Json } from '../json.ts'
import { compareBytes } from './fields.ts'

/** Keys sorted by bytes; `<`, `>`, `&` and U+2028/2029 escaped. With `indent` one line for each value. */
export function goJson(value: Json, indent = '', margin = ''): string {
  if (Array.isArray(value))
    return bracket(
      '[',
      ']',
      value.map((item) => goJson(item, indent, margin + indent)),
      indent,
      margin,
    )
  if (typeof value === 'object' && value !== null) {
    const colon = indent === '' ? ':' : ': '
    const entries = Object.keys(value)
      .sort(compareBytes)
      .map((key) => goString(key) + colon + goJson(value[key] ?? null, indent, margin + indent))
    return bracket('{', '}', entries, indent, margin)
  }
  if (typeof value === 'string') return goString(value)
  if (typeof value === 'number') return goNumber(value)
  return String(value)
}

function bracket(open: string, close: string, items: readonly string[], indent: string, margin: string): string {
  if (items.length === 0) return open + close
  if (indent === '') return open + items.join(',') + close
  const inner = `\n${margin}${indent}`
  return `${open}${inner}${items.join(`,${inner}`)}\n${margin}${close}`
}

/** A text in double quotes. */
export function goString(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Exponents from 1e21 and below 1e-6, as in JavaScript, which writes them alike. */
function goNumber(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}
