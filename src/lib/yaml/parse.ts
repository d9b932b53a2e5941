/** Text → nodes, on js-yaml's event stream. */

import {
  COLLECTION_STYLE,
  type DocumentEvent,
  EVENT_ID,
  type Event,
  getScalarValue,
  parseEvents,
  SCALAR_STYLE,
  type ScalarEvent,
  YAMLException,
} from 'js-yaml'
import { ParseError } from '../errors.ts'
import type { Node, NodeStyle } from './node.ts'
import { type Dialect, resolveTag } from './schema.ts'

/** Bounds on hostile input. */
export interface YamlLimits {
  /** Characters of one text. */
  readonly maxLength?: number
  /** Nested collections. */
  readonly maxDepth?: number
}

export interface ParseOptions extends YamlLimits {
  readonly dialect: Dialect
  /** Path in the user's repository, for errors. */
  readonly file?: string | undefined
  /** The number of the text's first line in the file; 1 if the text is the whole file. */
  readonly firstLine?: number
}

const MAX_LENGTH = 32 * 1024 * 1024
const MAX_DEPTH = 1000
const LONG_TAG = 'tag:yaml.org,2002:'

/**
 * Parses all documents of a text. Aliases stay aliases (their `target` is set), duplicate keys stay.
 * @throws ParseError with file, line and column.
 */
export function parseNodes(text: string, options: ParseOptions): Node[] {
  if (text.length > (options.maxLength ?? MAX_LENGTH)) {
    throw yamlError(
      `the text has ${text.length} characters, more than the limit of ${options.maxLength ?? MAX_LENGTH}`,
      options.file,
    )
  }
  return new Builder(text, readEvents(text, options), options).documents()
}

/** A ParseError whose message names the place in go-yaml's form (`yaml: line 3: …`). */
export function yamlError(reason: string, file: string | undefined, line?: number, column?: number): ParseError {
  const where = `${file === undefined ? '' : `${file}: `}yaml: ${line ? `line ${line}: ` : ''}`
  return new ParseError(where + reason, {
    ...(file !== undefined && { file }),
    ...(line ? { line } : {}),
    ...(column !== undefined && { column }),
  })
}

function readEvents(text: string, options: ParseOptions): Event[] {
  try {
    return parseEvents(text, { maxDepth: options.maxDepth ?? MAX_DEPTH })
  } catch (error) {
    if (error instanceof RangeError) throw yamlError('the document is nested too deeply', options.file)
    if (!(error instanceof YAMLException)) throw error
    const { mark } = error
    throw yamlError(error.reason, options.file, mark && mark.line + (options.firstLine ?? 1), mark && mark.column + 1)
  }
}

/** One pass over the events, which come in the order of the text. */
class Builder {
  readonly #text: string
  readonly #events: readonly Event[]
  readonly #options: ParseOptions
  #anchors = new Map<string, Node>()
  #tagHandles = new Map<string, string>()
  #line: number
  #lineEnd: number

  constructor(text: string, events: readonly Event[], options: ParseOptions) {
    this.#text = text
    this.#events = events
    this.#options = options
    this.#line = options.firstLine ?? 1
    this.#lineEnd = text.indexOf('\n')
  }

  documents(): Node[] {
    const documents: Node[] = []
    const open: Node[] = []
    for (const event of this.#events) {
      switch (event.type) {
        case EVENT_ID.DOCUMENT:
          this.#startDocument(event)
          open.push(this.#node('seq', '', '', 0))
          break
        case EVENT_ID.POP: {
          const node = open.pop()
          if (open.length === 0) documents.push(node?.content[0] ?? this.#node('scalar', '!!null', '', 0))
          break
        }
        default: {
          const node = this.#read(event)
          open.at(-1)?.content.push(node)
          if (node.kind === 'map' || node.kind === 'seq') open.push(node)
        }
      }
    }
    return documents
  }

  #startDocument(event: DocumentEvent): void {
    this.#anchors = new Map()
    this.#tagHandles = new Map()
    for (const directive of event.directives) {
      if (directive.kind === 'tag') this.#tagHandles.set(directive.handle, directive.prefix)
    }
  }

  #read(event: Exclude<Event, DocumentEvent | { type: typeof EVENT_ID.POP }>): Node {
    if (event.type === EVENT_ID.ALIAS) return this.#alias(event.anchorStart, event.anchorEnd)
    const node = event.type === EVENT_ID.SCALAR ? this.#scalar(event) : this.#collection(event)
    if (event.anchorStart >= 0) {
      node.anchor = this.#text.slice(event.anchorStart, event.anchorEnd)
      this.#anchors.set(node.anchor, node)
    }
    return node
  }

  #alias(start: number, end: number): Node {
    const name = this.#text.slice(start, end)
    const node = this.#node('alias', '', name, start)
    node.target = this.#anchors.get(name)
    if (!node.target) throw yamlError(`unknown anchor '${name}' referenced`, this.#options.file)
    return node
  }

  #scalar(event: ScalarEvent): Node {
    const value = getScalarValue(this.#text, event)
    const explicit = event.tagStart >= 0 ? this.#tag(event.tagStart, event.tagEnd) : ''
    const style = STYLES.get(event.style) ?? 'plain'
    const tag = explicit || (style === 'plain' ? this.#implicitTag(value) : '!!str')
    const node = this.#node('scalar', tag, value, event.valueStart)
    node.style = style
    return node
  }

  #implicitTag(value: string): string {
    return value === '<<' ? '!!merge' : resolveTag(value, this.#options.dialect)
  }

  #collection(event: Extract<Event, { style: number; start: number }>): Node {
    const kind = event.type === EVENT_ID.MAPPING ? 'map' : 'seq'
    const explicit = event.tagStart >= 0 ? this.#tag(event.tagStart, event.tagEnd) : ''
    const node = this.#node(kind, explicit || `!!${kind}`, '', event.start)
    if (event.style === COLLECTION_STYLE.FLOW) node.style = 'flow'
    return node
  }

  /** The short form of an explicit tag; empty for the non-specific `!`. */
  #tag(start: number, end: number): string {
    const raw = this.#text.slice(start, end)
    if (raw === '!') return ''
    const full = raw.startsWith('!<') ? raw.slice(2, -1) : this.#expandHandle(raw)
    return full.startsWith(LONG_TAG) ? `!!${full.slice(LONG_TAG.length)}` : full
  }

  #expandHandle(raw: string): string {
    const handle = raw.slice(0, raw.indexOf('!', 1) + 1) || '!'
    const prefix = this.#tagHandles.get(handle)
    return prefix === undefined ? raw : prefix + raw.slice(handle.length)
  }

  #node(kind: Node['kind'], tag: string, value: string, position: number): Node {
    return { kind, tag, value, style: 'plain', content: [], anchor: undefined, target: undefined, line: this.#lineAt(position) }
  }

  #lineAt(position: number): number {
    while (this.#lineEnd >= 0 && position > this.#lineEnd) {
      this.#line++
      this.#lineEnd = this.#text.indexOf('\n', this.#lineEnd + 1)
    }
    return this.#line
  }
}

const STYLES: ReadonlyMap<number, NodeStyle> = new Map([
  [SCALAR_STYLE.PLAIN, 'plain'],
  [SCALAR_STYLE.SINGLE_QUOTED, 'single'],
  [SCALAR_STYLE.DOUBLE_QUOTED, 'double'],
  [SCALAR_STYLE.LITERAL_BLOCK, 'literal'],
  [SCALAR_STYLE.FOLDED_BLOCK, 'folded'],
])
