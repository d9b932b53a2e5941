/** What each operator does with a variable's value. Source: github.com/fluxcd/pkg/envsubst funcs.go; lengths and offsets count bytes. */
import { ParseError } from '../errors.ts'
import { matchedPrefixes } from './glob.ts'

/** What one substitution may use; `work` grows with each step of a pattern match. */
export interface Limits {
  readonly maxLength: number
  readonly maxWork: number
  work: number
}

export type Operator = (value: string, words: readonly string[], limits: Limits) => string

const operators: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  [',', (value) => mapFirst(value, toLower)],
  [',,', (value) => mapAll(value, toLower)],
  ['^', (value) => mapFirst(value, toUpper)],
  ['^^', (value) => mapAll(value, toUpper)],
  ['#', (value, [pattern = ''], limits) => trimPrefix(value, pattern, 'shortest', limits)],
  ['##', (value, [pattern = ''], limits) => trimPrefix(value, pattern, 'longest', limits)],
  ['%', (value, [pattern = ''], limits) => reversed(trimPrefix(reversed(value), reversed(pattern), 'shortest', limits))],
  ['%%', (value, [pattern = ''], limits) => reversed(trimPrefix(reversed(value), reversed(pattern), 'longest', limits))],
  [':', substring],
  ['/', (value, [text = '', replacement = '']) => replaceFirst(value, text, replacement)],
  ['//', replaceAll],
  ['/#', replacePrefix],
  ['/%', replaceSuffix],
])

/** The operator of a name; every unknown one gives the value, or the words when it is empty. */
export function operatorOf(name: string, words: number): Operator {
  if (name === '#' && words === 0) return byteLength
  return operators.get(name) ?? orDefault
}

/** Whether the operator has an answer of its own for a variable that is not set. */
export function keepsUnset(operator: string): boolean {
  return ['=', ':=', ':-', ':+', ':?'].includes(operator)
}

function orDefault(value: string, words: readonly string[]): string {
  return value === '' ? words.join('') : value
}

function byteLength(value: string): string {
  return String(Buffer.byteLength(value))
}

/** Offsets that are no numbers leave the value as it is; offset and length beyond the end are cut. */
function substring(value: string, [offset = '', length]: readonly string[]): string {
  const bytes = Buffer.from(value)
  const from = integer(offset)
  if (from === undefined) return value
  const start = from < 0 ? Math.max(0, bytes.length + from) : from
  if (length === undefined) return bytes.subarray(start).toString()
  const count = integer(length)
  if (count === undefined) return value
  if (count < 0) throw new ParseError(`the length of a substring must not be negative: ${count}`)
  return bytes.subarray(start, start + count).toString()
}

/** Source: Go strconv.Atoi. */
function integer(text: string): number | undefined {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : undefined
  return value !== undefined && Math.abs(value) <= Number.MAX_SAFE_INTEGER ? value : undefined
}

function replaceFirst(value: string, text: string, replacement: string): string {
  const at = value.indexOf(text)
  return at < 0 ? value : value.slice(0, at) + replacement + value.slice(at + text.length)
}

function replaceAll(value: string, [text = '', replacement = '']: readonly string[], limits: Limits): string {
  // An empty text is found before each character and at the end, as in Go.
  const parts = text === '' ? ['', ...value, ''] : value.split(text)
  const length = value.length + (parts.length - 1) * (replacement.length - text.length)
  if (length > limits.maxLength) throw new ParseError(`the text after substitution is larger than ${limits.maxLength} characters`)
  return parts.join(replacement)
}

/** Without a replacement, `${v/#a/}` changes nothing upstream. */
function replacePrefix(value: string, [text = '', replacement]: readonly string[]): string {
  if (replacement === undefined || !value.startsWith(text)) return value
  return replacement + value.slice(text.length)
}

/** As for a prefix. */
function replaceSuffix(value: string, [text = '', replacement]: readonly string[]): string {
  if (replacement === undefined || !value.endsWith(text)) return value
  return value.slice(0, value.length - text.length) + replacement
}

function trimPrefix(value: string, pattern: string, which: 'shortest' | 'longest', limits: Limits): string {
  const characters = [...value]
  const matched = matchedPrefixes(pattern, characters, limits)
  const length = which === 'shortest' ? matched?.[0] : matched?.at(-1)
  return length === undefined ? value : characters.slice(length).join('')
}

function reversed(text: string): string {
  return [...text].reverse().join('')
}

function mapFirst(value: string, map: (character: string) => string): string {
  const [first = '', ...rest] = value
  return map(first) + rest.join('')
}

function mapAll(value: string, map: (character: string) => string): string {
  return Array.from(value, map).join('')
}

// Character by character, as Go maps them: "ß" has no single upper-case letter and stays.
function toUpper(character: string): string {
  return single(character.toUpperCase(), character)
}

function toLower(character: string): string {
  return single(character.toLowerCase(), character)
}

function single(mapped: string, original: string): string {
  return [...mapped].length === 1 ? mapped : original
}
