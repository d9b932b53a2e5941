/** JSON at the start of a text, as Go's json.Decoder takes it. */

import { BuildError } from '../errors.ts'
import { parseGoJson } from '../gotemplate/gojson.ts'
import type { Value } from '../gotemplate/value.ts'

/**
 * The first value of a text and what follows it, whatever that is.
 * @throws BuildError or what parseGoJson throws, for text that does not begin with JSON.
 */
export function takeJson(text: string): { readonly value: Value; readonly rest: string } {
  const start = text.search(/[^ \t\r\n]/)
  const end = start < 0 ? -1 : endOfValue(text, start)
  if (end < 0) throw new BuildError('unexpected EOF')
  return { value: parseGoJson(text.slice(start, end)), rest: text.slice(end) }
}

const number = /-?(?:0|[1-9]\d*)?(?:\.\d*)?(?:[eE][+-]?\d*)?/y
const word = /true|false|null/y

/** Where the value ends; -1 when it does not, or is none. */
function endOfValue(text: string, start: number): number {
  const first = text[start] ?? ''
  if (first === '{' || first === '[') return endOfBrackets(text, start)
  if (first === '"') return endOfString(text, start)
  const pattern = /[-\d]/.test(first) ? number : word
  pattern.lastIndex = start
  return pattern.test(text) ? pattern.lastIndex : -1
}

function endOfBrackets(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const character = text[at]
    if (character === '"') {
      at = endOfString(text, at) - 1
      if (at < 0) return -1
    } else if (character === '{' || character === '[') depth++
    else if ((character === '}' || character === ']') && --depth === 0) return at + 1
  }
  return -1
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '"') return at + 1
  }
  return -1
}
