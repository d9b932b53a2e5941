/**
 * The short way through YAML as programs write it: maps and lists in block style, texts on a line, quoted without escapes, folded or as
 * literal blocks. It gives what the parser gives, several times faster, or gives up.
 */
import type { Json, JsonObject } from '../json.ts'
import { parseBoolean, parseInteger, resolveTag } from './schema.ts'

/** So that no limit of the parser can be reached. */
const mostCharacters = 1_000_000
const mostLevels = 100

/** Characters that are read in another way than as themselves, or not at all. */
const special = /[^\n -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]/
const key = /([A-Za-z][A-Za-z0-9._/-]{0,127}):(?= |$)/my
const plainStart = /^(?:[A-Za-z0-9/(_^.+~$;]|-\d)/

/** The only document of a text, in the dialect of sigs.k8s.io/yaml; undefined for one that the parser has to read. */
export function loadBlock(text: string): Json | undefined {
  if (text.length > mostCharacters || special.test(text)) return undefined
  return new BlockReader(text).read()
}

/** Goes from line to line; blank ones and comments are passed over. Methods give undefined where they give up. */
class BlockReader {
  readonly #text: string
  /** The present line: its indentation (-1 behind the last), and where its content begins and ends. */
  #depth = -1
  #from = 0
  #to = 0
  #next = 0
  /** Lines were passed over to get here. */
  #afterGap = false
  #levels = 0

  constructor(text: string) {
    this.#text = text
  }

  read(): Json | undefined {
    if (this.#text.startsWith('---\n')) this.#next = 4
    this.#advance()
    const value = this.#depth < 0 ? undefined : this.#collection()
    return this.#depth < 0 ? value : undefined
  }

  #advance(): void {
    this.#afterGap = false
    for (const text = this.#text; this.#next < text.length; this.#afterGap = true) {
      const start = this.#next
      const end = this.#endOfLine(start)
      this.#next = end + 1
      let from = start
      while (from < end && text.charCodeAt(from) === 0x20) from++
      if (from === end || text[from] === '#') continue
      let to = end
      while (text.charCodeAt(to - 1) === 0x20) to--
      ;[this.#depth, this.#from, this.#to] = [from - start, from, to]
      return
    }
    this.#depth = -1
  }

  #endOfLine(start: number): number {
    const end = this.#text.indexOf('\n', start)
    return end < 0 ? this.#text.length : end
  }

  #collection(): Json | undefined {
    if (++this.#levels > mostLevels) return undefined
    const value = this.#isItem() ? this.#list(this.#depth) : this.#map(this.#depth)
    this.#levels--
    return value
  }

  #isItem(): boolean {
    return this.#text[this.#from] === '-' && (this.#from + 1 === this.#to || this.#text[this.#from + 1] === ' ')
  }

  #map(depth: number): JsonObject | undefined {
    const object: JsonObject = {}
    while (this.#depth === depth && !this.#isItem()) {
      const name = this.#key()
      if (name === undefined || Object.hasOwn(object, name) || resolveTag(name, 'sigs') !== '!!str') return undefined
      const value = this.#from === this.#to ? this.#below(depth) : this.#scalar(depth)
      if (value === undefined) return undefined
      object[name] = value
    }
    return this.#depth > depth ? undefined : object
  }

  /** Moves on to what is behind the key. */
  #key(): string | undefined {
    key.lastIndex = this.#from
    const name = key.exec(this.#text)?.[1]
    if (name === undefined) return undefined
    this.#skip(name.length + 1)
    return name
  }

  #skip(characters: number): void {
    this.#from += characters
    while (this.#from < this.#to && this.#text[this.#from] === ' ') this.#from++
  }

  /** What a key without a value on its line has. A list may be no deeper than the key. */
  #below(depth: number): Json | undefined {
    this.#advance()
    if (this.#depth > depth || (this.#depth === depth && this.#isItem())) return this.#collection()
    return null
  }

  #list(depth: number): Json[] | undefined {
    const items: Json[] = []
    while (this.#depth === depth && this.#isItem()) {
      const value = this.#item(depth)
      if (value === undefined) return undefined
      items.push(value)
    }
    return this.#depth > depth ? undefined : items
  }

  #item(depth: number): Json | undefined {
    const dash = this.#from
    this.#skip(1)
    if (this.#from === this.#to || this.#isItem()) return undefined
    key.lastIndex = this.#from
    if (!key.test(this.#text)) return this.#scalar(depth)
    // The map begins on this line, and goes on as deep as its first key stands.
    this.#depth += this.#from - dash
    return this.#collection()
  }

  #scalar(depth: number): Json | undefined {
    const text = this.#text.slice(this.#from, this.#to)
    switch (text[0]) {
      case '"':
        return this.#whole(/^"[^"\\]*"$/.test(text) ? text.slice(1, -1) : undefined)
      case "'":
        return this.#whole(/^'[^']*'$/.test(text) ? text.slice(1, -1) : undefined)
      case '[':
        return this.#whole(text === '[]' ? [] : undefined)
      case '{':
        return this.#whole(text === '{}' ? {} : undefined)
      case '|':
        return text === '|' || text === '|-' ? this.#literal(depth, text === '|') : undefined
      default:
        return this.#plain(text, depth)
    }
  }

  /** A value that ends with its line. */
  #whole(value: Json | undefined): Json | undefined {
    this.#advance()
    return value
  }

  #plain(first: string, depth: number): Json | undefined {
    if (!plainStart.test(first) || isMore(first)) return undefined
    this.#advance()
    let text = first
    while (this.#depth > depth) {
      const line = this.#text.slice(this.#from, this.#to)
      if (this.#afterGap || this.#isItem() || isMore(line)) return undefined
      text += ` ${line}`
      this.#advance()
    }
    switch (resolveTag(text, 'sigs')) {
      case '!!str':
      case '!!timestamp':
        return text
      case '!!bool':
        return parseBoolean(text)
      case '!!int':
        return parseInteger(text)
      case '!!null':
        return null
      default:
        return undefined
    }
  }

  /** The lines below, as they stand. */
  #literal(depth: number, keepsBreak: boolean): string | undefined {
    const text = this.#text
    const lines: string[] = []
    let indent = 0
    for (let start = this.#next; start < text.length; start = this.#next) {
      const end = this.#endOfLine(start)
      let from = start
      while (from < end && text.charCodeAt(from) === 0x20) from++
      if (from < end && lines.length === 0) indent = from - start
      if (from === end && (lines.length === 0 || end - start > indent)) return undefined
      if (indent <= depth || (from < end && from - start < indent)) break
      lines.push(text.slice(Math.min(start + indent, end), end))
      this.#next = end + 1
    }
    // The last line may lack its break, and then the text does.
    if (lines.length === 0 || (this.#next >= text.length && !text.endsWith('\n'))) return undefined
    while (lines.at(-1) === '') lines.pop()
    this.#advance()
    return lines.join('\n') + (keepsBreak ? '\n' : '')
  }
}

/** A key, or a comment behind the text. */
function isMore(text: string): boolean {
  return text.includes(': ') || text.includes(' #') || text.endsWith(':')
}
