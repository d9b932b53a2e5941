/** Which quotes a text needs, and how it is escaped: libyaml's analysis of scalars. */

import { resolveTag } from './schema.ts'

const BASE60 = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/
export const OTHER_BREAKS = /[\r\u0085\u2028\u2029]/

export type Style = 'plain' | 'single' | 'double' | 'literal'

export function chooseStyle(text: string, { key }: { key: boolean }): Style {
  if (text === '') return 'double'
  const allowed = analyze(text)
  if (text.includes('\n')) return allowed.block && !key ? 'literal' : 'double'
  if (resolveTag(text, 'sigs') !== '!!str' || isBase60(text)) return 'double'
  if (allowed.plain) return 'plain'
  return allowed.single ? 'single' : 'double'
}

function isBase60(text: string): boolean {
  return text.includes(':') && BASE60.test(text)
}

interface Allowed {
  readonly plain: boolean
  readonly single: boolean
  readonly block: boolean
}

const EVERY: Allowed = { plain: true, single: true, block: true }
const NO_PLAIN: Allowed = { plain: false, single: true, block: true }
const ONLY_DOUBLE: Allowed = { plain: false, single: false, block: false }
// Neither an indicator at the start, nor `: `, ` #`, a break, a space at an end, or anything outside of printable ASCII.
const OBVIOUSLY_PLAIN = /^[A-Za-z0-9_./(+;<=^~$\\][A-Za-z0-9_./@+,;<=>^~$\\%&*!|?(){}[\]'"`-]*$/

/** Which styles keep the text as it is. Source: yaml_emitter_analyze_scalar. */
function analyze(text: string): Allowed {
  if (OBVIOUSLY_PLAIN.test(text) && !text.startsWith('...')) return EVERY
  if (hasSpecial(text)) return ONLY_DOUBLE
  const first = text[0] ?? ''
  const last = text.at(-1) ?? ''
  const breaks = OTHER_BREAKS.test(text) || text.includes('\n')
  if (breaks) {
    if (/ [\n\r\u0085\u2028\u2029]/.test(text)) return ONLY_DOUBLE
    if (/[\n\r\u0085\u2028\u2029] /.test(text)) return { plain: false, single: false, block: last !== ' ' }
  }
  const block = last !== ' '
  if (breaks || first === ' ' || last === ' ' || hasBlockIndicator(text)) return { plain: false, single: true, block }
  return block ? EVERY : NO_PLAIN
}

function hasBlockIndicator(text: string): boolean {
  if (/^(?:---|\.\.\.)/.test(text)) return true
  if (/^[#,[\]{}&*!|>'"%@`]/.test(text)) return true
  if (/^[?:-](?:[ \t]|$)/.test(text)) return true
  return /.:(?:[ \t]|$)/s.test(text) || /[ \t]#/.test(text)
}

/** Characters that only double quotes can hold (also everything outside of the basic plane). */
function hasSpecial(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  return /[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]/.test(text)
}

export function needsEscape(rune: string): boolean {
  return hasSpecial(rune) || isBreak(rune) || rune === '"' || rune === '\\'
}

export function isBreak(char: string): boolean {
  return char === '\n' || char === '\r' || char === '\u0085' || char === '\u2028' || char === '\u2029'
}

export function isLowSurrogate(char: string): boolean {
  const code = char.charCodeAt(0)
  return code >= 0xdc00 && code <= 0xdfff
}

export function columns(text: string): number {
  let width = text.length
  if (isAscii(text)) return width
  for (const char of text) width -= char.length - 1
  return width
}

/** The chomping indicator that a block scalar of the text needs. */
export function chompingOf(text: string): string {
  if (!isBreak(text.at(-1) ?? '')) return '-'
  return text.length === 1 || isBreak(text.at(-2) ?? '') ? '+' : ''
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\0', '\\0'],
  ['\x07', '\\a'],
  ['\b', '\\b'],
  ['\t', '\\t'],
  ['\n', '\\n'],
  ['\v', '\\v'],
  ['\f', '\\f'],
  ['\r', '\\r'],
  ['\x1b', '\\e'],
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\u0085', '\\N'],
  ['\u00a0', '\\_'],
  ['\u2028', '\\L'],
  ['\u2029', '\\P'],
])

export function escapeRune(rune: string): string {
  const known = ESCAPES.get(rune)
  if (known) return known
  const hex = codePoint(rune).toString(16).toUpperCase()
  if (hex.length <= 2) return `\\x${hex.padStart(2, '0')}`
  return hex.length <= 4 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}

/** Whether a text can stand without quotes in a block, leaving aside what it would resolve to. */
export function isPlainText(text: string): boolean {
  return text !== '' && analyze(text).plain
}

/** A text between double quotes, escaped where libyaml escapes. */
export function doubleQuoted(text: string): string {
  // libyaml looks for a byte-order mark at the start of the buffer, not at the character: one there escapes everything.
  const startsWithMark = text.startsWith('\ufeff')
  const escaped = (rune: string): string => (startsWithMark || needsEscape(rune) ? escapeRune(rune) : rune)
  return `"${isSafe(text) ? text : [...text].map(escaped).join('')}"`
}

const SAFE = /^[ !#-[\]-~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]*$/

/** Whether nothing of the text needs an escape between double quotes. */
export function isSafe(text: string): boolean {
  return SAFE.test(text)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII
const ASCII = /^[\x00-\x7f]*$/

export function isAscii(text: string): boolean {
  return ASCII.test(text)
}

export function codePoint(rune: string): number {
  return rune.codePointAt(0) ?? 0
}
