/** Values → text in Go's form: what `sigs.k8s.io/yaml` prints, byte for byte (go-yaml 2 on libyaml's emitter). */

import { ParseError } from '../errors.ts'
import type { Json, JsonObject } from '../json.ts'
import { compareKeys } from './keys.ts'
import { formatNumber } from './number.ts'
import {
  chompingOf,
  chooseStyle,
  columns,
  escapeRune,
  isBreak,
  isLowSurrogate,
  isSafe,
  needsEscape,
  OTHER_BREAKS,
} from './scalar-style.ts'

const BEST_WIDTH = 80
const INDENT = 2
const MAX_SIMPLE_KEY_BYTES = 128

/**
 * Prints a value as one YAML document in the form of sigs.k8s.io/yaml: keys in natural order, sequences not indented, lines
 * folded at 80 columns. Ends with a newline.
 * Source: yamlh.go, emitterc.go and encode.go of go-yaml 2.4.
 */
export function emit(value: Json): string {
  return print(value, { order: compareKeys, isReadAsJson: true })
}

/** As go-yaml 2 prints a value by itself, with the keys of each object in an order of one's own. */
export function emitInOrder(value: Json, order: Style['order']): string {
  return print(value, { order, isReadAsJson: false })
}

interface Style {
  readonly order: (a: string, b: string) => number
  /** Texts lose what a way through JSON costs them. */
  readonly isReadAsJson: boolean
}

function print(value: Json, style: Style): string {
  const emitter = new Emitter(style)
  emitter.node(value, 'root')
  return emitter.finish()
}

type Position = 'root' | 'sequence' | 'value' | 'key' | 'complex'

/** libyaml's emitter with its own state: column, indentation and what was written last decide every break and space. */
class Emitter {
  readonly #style: Style
  #out = ''
  #column = 0
  #indent = -1
  #whitespace = true
  #indention = true

  constructor(style: Style) {
    this.#style = style
  }

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
    for (const key of keys.sort(this.#style.order)) {
      this.#writeIndent()
      this.#pair(key, object[key] ?? null)
    }
    this.#indent = outer
  }

  #pair(key: string, value: Json): void {
    // To YAML the JSON in between has a key of two lines.
    if (key.includes('\u0085')) throw new ParseError('yaml: mapping values are not allowed in this context')
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
    const text = this.#style.isReadAsJson && NOT_IN_JSON.test(original) ? asReadFromJson(original) : original
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

function isSimpleKey(key: string): boolean {
  if (OTHER_BREAKS.test(key) || key.includes('\n')) return false
  return key.length <= MAX_SIMPLE_KEY_BYTES / 3 || Buffer.byteLength(key) <= MAX_SIMPLE_KEY_BYTES
}
