/** Values → text in Go's form: what `sigs.k8s.io/yaml` prints, byte for byte (go-yaml 2 on libyaml's emitter). */

import { ParseError } from '../errors.ts'
import type { Json, JsonObject } from '../json.ts'
import { resolveTag } from './schema.ts'

const BEST_WIDTH = 80
const INDENT = 2
const MAX_SIMPLE_KEY_BYTES = 128
const BASE60 = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/
const MAX_UINT64 = 2n ** 64n - 1n

/**
 * Prints a value as one YAML document in the form of sigs.k8s.io/yaml: keys in natural order, sequences not indented, lines
 * folded at 80 columns. Ends with a newline.
 * Source: yamlh.go, emitterc.go and encode.go of go-yaml 2.4.
 */
export function emit(value: Json): string {
  const emitter = new Emitter()
  emitter.node(value, 'root')
  return emitter.finish()
}

/** A number as go-yaml prints it after a trip through JSON: `1e3` is 1000, 0.00001 is 1e-05. */
export function formatNumber(value: number | bigint): string {
  if (typeof value === 'bigint') return value.toString()
  if (Number.isInteger(value) && Math.abs(value) < 1e21) {
    const digits = String(value === 0 ? 0 : value)
    const exact = BigInt(digits)
    if (exact >= -(2n ** 63n) && exact <= MAX_UINT64) return digits
  }
  return formatFloat(value)
}

/** Go's strconv.FormatFloat(value, 'g', -1, 64). */
export function formatFloat(value: number): string {
  const [mantissa = '', exponentText = '0'] = value.toExponential().split('e')
  const exponent = Number(exponentText)
  if (exponent >= -4 && exponent < 6) return String(value)
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
}

/**
 * Compares keys as go-yaml sorts them: digit runs by number, letters after other characters (`k2` < `k10`, `a_b` < `aB`).
 * Source: sorter.go of go-yaml 2. It is not transitive for some keys, for which upstream's own order is random.
 */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0
  const left = isAscii(a) && isAscii(b) ? a : [...a]
  const right = typeof left === 'string' ? b : [...b]
  const length = Math.min(left.length, right.length)
  for (let i = 0; i < length; i++) {
    if (left[i] !== right[i]) return compareAt(left, right, i)
  }
  return left.length - right.length
}

type Runes = string | readonly string[]

function compareAt(left: Runes, right: Runes, at: number): number {
  const [l, r] = [left[at] ?? '', right[at] ?? '']
  const [lLetter, rLetter] = [isLetter(l), isLetter(r)]
  if (lLetter && rLetter) return codePoint(l) - codePoint(r)
  if (lLetter || rLetter) return rLetter ? -1 : 1
  const start = (l === '0' || r === '0') && followsNonZeroDigit(left, at) ? 1n : 0n
  const ln = digitRun(left, at, start)
  const rn = digitRun(right, at, start)
  if (ln.value !== rn.value) return ln.value < rn.value ? -1 : 1
  if (ln.end !== rn.end) return ln.end - rn.end
  return codePoint(l) - codePoint(r)
}

function followsNonZeroDigit(runes: Runes, at: number): boolean {
  for (let i = at - 1; i >= 0 && isDigit(runes[i] ?? ''); i--) {
    if (runes[i] !== '0') return true
  }
  return false
}

function digitRun(runes: Runes, from: number, start: bigint): { value: bigint; end: number } {
  let value = start
  let end = from
  for (; end < runes.length && isDigit(runes[end] ?? ''); end++) {
    value = BigInt.asIntN(64, value * 10n + BigInt(codePoint(runes[end] ?? '') - 0x30))
  }
  return { value, end }
}

function isLetter(rune: string): boolean {
  const code = rune.charCodeAt(0)
  if (code < 0x80) return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)
  return /^\p{L}$/u.test(rune)
}

function isDigit(rune: string): boolean {
  const code = rune.charCodeAt(0)
  return code < 0x80 ? code >= 0x30 && code <= 0x39 : /^\p{Nd}$/u.test(rune)
}

function codePoint(rune: string): number {
  return rune.codePointAt(0) ?? 0
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII
const ASCII = /^[\x00-\x7f]*$/

function isAscii(text: string): boolean {
  return ASCII.test(text)
}

/** Whether a text can stand without quotes in a block, leaving aside what it would resolve to. */
export function isPlainText(text: string): boolean {
  return text !== '' && analyze(text).plain
}

/** A text between double quotes, escaped where libyaml escapes. */
export function doubleQuoted(text: string): string {
  return `"${isSafe(text) ? text : [...text].map((rune) => (needsEscape(rune) ? escapeRune(rune) : rune)).join('')}"`
}

type Position = 'root' | 'sequence' | 'value' | 'key' | 'complex'

/** libyaml's emitter with its own state: column, indentation and what was written last decide every break and space. */
class Emitter {
  #out = ''
  #column = 0
  #indent = -1
  #whitespace = true
  #indention = true

  finish(): string {
    this.#indent = -1
    this.#writeIndent()
    return this.#out
  }

  node(value: Json, position: Position): void {
    if (Array.isArray(value)) this.#sequence(value, position)
    else if (typeof value === 'object' && value !== null) this.#mapping(value)
    else this.#scalar(value, position)
  }

  #sequence(items: readonly Json[], position: Position): void {
    if (items.length === 0) {
      this.#indicator('[', { space: true, whitespace: true })
      this.#indicator(']')
      return
    }
    const outer = this.#indent
    const indentless = (position === 'value' || position === 'complex') && !this.#indention
    this.#increaseIndent({ indentless })
    for (const item of items) {
      this.#writeIndent()
      this.#indicator('-', { space: true, indention: true })
      this.node(item, 'sequence')
    }
    this.#indent = outer
  }

  #mapping(object: JsonObject): void {
    const keys = Object.keys(object)
    if (keys.length === 0) {
      this.#indicator('{', { space: true, whitespace: true })
      this.#indicator('}')
      return
    }
    const outer = this.#indent
    this.#increaseIndent({})
    for (const key of keys.sort(compareKeys)) {
      this.#writeIndent()
      this.#pair(key, object[key] ?? null)
    }
    this.#indent = outer
  }

  #pair(key: string, value: Json): void {
    if (isSimpleKey(key)) {
      this.#scalar(key, 'key')
      this.#indicator(':')
      this.node(value, 'value')
      return
    }
    this.#indicator('?', { space: true, indention: true })
    this.#scalar(key, 'complex')
    this.#writeIndent()
    this.#indicator(':', { space: true, indention: true })
    this.node(value, 'complex')
  }

  #scalar(value: null | boolean | number | bigint | string, position: Position): void {
    const outer = this.#indent
    this.#increaseIndent({ flow: true })
    if (typeof value === 'string') this.#string(value, position)
    else this.#plain(typeof value === 'number' || typeof value === 'bigint' ? formatNumber(value) : String(value), { fold: false })
    this.#indent = outer
  }

  #string(original: string, position: Position): void {
    const text = NOT_IN_JSON.test(original) ? asReadFromJson(original) : original
    const fold = position !== 'key'
    switch (chooseStyle(text, { key: position === 'key' })) {
      case 'plain':
        this.#plain(text, { fold })
        break
      case 'single':
        this.#singleQuoted(text, { fold })
        break
      case 'double':
        this.#doubleQuoted(text, { fold })
        break
      case 'literal':
        this.#literal(text)
        break
    }
  }

  #plain(text: string, { fold }: { fold: boolean }): void {
    if (!this.#whitespace) this.#put(' ', 1)
    if (!fold || !this.#needsFolding(text)) {
      this.#put(text, columns(text))
    } else {
      this.#foldedAtSpaces(text, (at) => text[at + 1] !== ' ')
    }
    this.#whitespace = false
    this.#indention = false
  }

  #singleQuoted(text: string, { fold }: { fold: boolean }): void {
    this.#indicator("'", { space: true })
    this.#singleQuotedBody(text, fold)
    this.#indicator("'")
    this.#whitespace = false
    this.#indention = false
  }

  #singleQuotedBody(text: string, fold: boolean): void {
    let [spaces, breaks] = [false, false]
    for (let i = 0; i < text.length; i++) {
      const char = text[i] ?? ''
      if (char === ' ') {
        if (fold && !spaces && this.#column > BEST_WIDTH && i > 0 && i < text.length - 1 && text[i + 1] !== ' ') this.#writeIndent()
        else this.#put(' ', 1)
        spaces = true
      } else if (isBreak(char)) {
        if (!breaks && char === '\n') this.#break('\n')
        this.#break(char)
        this.#indention = true
        breaks = true
      } else {
        if (breaks) this.#writeIndent()
        this.#put(char === "'" ? "''" : char, char === "'" ? 2 : isLowSurrogate(char) ? 0 : 1)
        this.#indention = false
        spaces = false
        breaks = false
      }
    }
  }

  #doubleQuoted(text: string, { fold }: { fold: boolean }): void {
    this.#indicator('"', { space: true })
    if (isSafe(text) && (!fold || !this.#needsFolding(text))) this.#put(text, columns(text))
    else this.#doubleQuotedBody(text, fold)
    this.#indicator('"')
    this.#whitespace = false
    this.#indention = false
  }

  #doubleQuotedBody(text: string, fold: boolean): void {
    // libyaml looks for a byte-order mark at the start of the buffer, not at the character: one there escapes everything.
    const startsWithMark = text.startsWith('\ufeff')
    let spaces = false
    const runes = [...text]
    for (let i = 0; i < runes.length; i++) {
      const rune = runes[i] ?? ''
      if (startsWithMark || needsEscape(rune)) {
        const escaped = escapeRune(rune)
        this.#put(escaped, escaped.length)
        spaces = false
      } else if (rune === ' ') {
        if (fold && !spaces && this.#column > BEST_WIDTH && i > 0 && i < runes.length - 1) {
          this.#writeIndent()
          if (runes[i + 1] === ' ') this.#put('\\', 1)
        } else this.#put(' ', 1)
        spaces = true
      } else {
        this.#put(rune, 1)
        spaces = false
      }
    }
  }

  #literal(text: string): void {
    this.#indicator('|', { space: true })
    if (text[0] === ' ' || isBreak(text[0] ?? '')) this.#indicator(String(INDENT))
    const chomping = chompingOf(text)
    if (chomping) this.#indicator(chomping)
    this.#break('\n')
    this.#indention = true
    this.#whitespace = true
    if (OTHER_BREAKS.test(text)) {
      this.#literalByRune(text)
      return
    }
    const lines = text.split('\n')
    const last = lines.pop() ?? ''
    const pad = ' '.repeat(Math.max(this.#indent, 0))
    for (const line of lines) this.#out += line === '' ? '\n' : `${pad}${line}\n`
    this.#column = 0
    if (last === '') return
    this.#put(pad + last, pad.length + columns(last))
    this.#indention = false
  }

  #literalByRune(text: string): void {
    let breaks = true
    for (const rune of text) {
      if (isBreak(rune)) {
        this.#break(rune)
        this.#indention = true
        breaks = true
      } else {
        if (breaks) this.#writeIndent()
        this.#put(rune, 1)
        this.#indention = false
        breaks = false
      }
    }
  }

  #needsFolding(text: string): boolean {
    return this.#column + text.length > BEST_WIDTH && text.includes(' ')
  }

  #foldedAtSpaces(text: string, mayBreakAt: (at: number) => boolean): void {
    let spaces = false
    for (let i = 0; i < text.length; i++) {
      const char = text[i] ?? ''
      if (char === ' ') {
        if (!spaces && this.#column > BEST_WIDTH && mayBreakAt(i)) this.#writeIndent()
        else this.#put(' ', 1)
        spaces = true
      } else {
        this.#put(char, isLowSurrogate(char) ? 0 : 1)
        this.#indention = false
        spaces = false
      }
    }
  }

  #increaseIndent({ flow = false, indentless = false }): void {
    if (this.#indent < 0) this.#indent = flow ? INDENT : 0
    else if (!indentless) this.#indent += INDENT
  }

  #writeIndent(): void {
    const indent = Math.max(this.#indent, 0)
    if (!this.#indention || this.#column > indent || (this.#column === indent && !this.#whitespace)) this.#break('\n')
    if (this.#column < indent) this.#put(' '.repeat(indent - this.#column), indent - this.#column)
    this.#whitespace = true
    this.#indention = true
  }

  #indicator(text: string, { space = false, whitespace = false, indention = false } = {}): void {
    if (space && !this.#whitespace) this.#put(' ', 1)
    this.#put(text, text.length)
    this.#whitespace = whitespace
    this.#indention &&= indention
  }

  #put(text: string, width: number): void {
    this.#out += text
    this.#column += width
  }

  #break(text: string): void {
    this.#out += text
    this.#column = 0
  }
}

const NOT_IN_JSON = /[\x7f-\x9f\ufffe\uffff]/

/**
 * What is left of a text after Go has written it as JSON and read that as YAML, which the printing program does first:
 * U+0085 is a line break to YAML and folds into a space; other C1 controls are refused.
 */
function asReadFromJson(text: string): string {
  if (/[\x7f-\x84\x86-\x9f\ufffe\uffff]/.test(text)) throw new ParseError('yaml: control characters are not allowed')
  return text.replace(/[ \t]*(\u0085)((?:[ \t]*\u0085)*)[ \t]*/g, (_, _first: string, more: string) => {
    const breaks = more.replaceAll(/[ \t]/g, '').length
    return breaks === 0 ? ' ' : '\n'.repeat(breaks)
  })
}

const OTHER_BREAKS = /[\r\u0085\u2028\u2029]/
const SAFE = /^[ !#-[\]-~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]*$/

/** Whether nothing of the text needs an escape between double quotes. */
function isSafe(text: string): boolean {
  return SAFE.test(text)
}

function isSimpleKey(key: string): boolean {
  if (OTHER_BREAKS.test(key) || key.includes('\n')) return false
  return key.length <= MAX_SIMPLE_KEY_BYTES / 3 || Buffer.byteLength(key) <= MAX_SIMPLE_KEY_BYTES
}

type Style = 'plain' | 'single' | 'double' | 'literal'

function chooseStyle(text: string, { key }: { key: boolean }): Style {
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

function needsEscape(rune: string): boolean {
  return hasSpecial(rune) || isBreak(rune) || rune === '"' || rune === '\\'
}

function isBreak(char: string): boolean {
  return char === '\n' || char === '\r' || char === '\u0085' || char === '\u2028' || char === '\u2029'
}

function isLowSurrogate(char: string): boolean {
  const code = char.charCodeAt(0)
  return code >= 0xdc00 && code <= 0xdfff
}

function columns(text: string): number {
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

function escapeRune(rune: string): string {
  const known = ESCAPES.get(rune)
  if (known) return known
  const hex = codePoint(rune).toString(16).toUpperCase()
  if (hex.length <= 2) return `\\x${hex.padStart(2, '0')}`
  return hex.length <= 4 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}
