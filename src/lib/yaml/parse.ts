/** Text → nodes, on libyaml's grammar as go-yaml has it. */

import { ParseError } from '../errors.ts'
import type { CommentCollector } from './comments.ts'
import { Cursor, CutCursor, type Mark, ScanError, UnreadableError } from './cursor.ts'
import { NO_SOURCE, type Node, type Source } from './node.ts'
import { Scanner, type Token, type TokenType } from './scan.ts'
import { type Dialect, resolveTag } from './schema.ts'

/** Bounds on hostile input. */
export interface YamlLimits {
  /** Characters of one text. */
  readonly maxLength?: number
  /** Nested collections. */
  readonly maxDepth?: number
  /** Scalars and collections of one text, aliases expanded. */
  readonly maxNodes?: number
}

/** What is left to spend on nodes; shared by all parts of one file. */
export interface NodeBudget {
  left: number
}

export interface ParseOptions extends YamlLimits {
  readonly dialect: Dialect
  /** Path in the user's repository, for errors. */
  readonly file?: string | undefined
  /** The number of the text's first line in the file; 1 if the text is the whole file. */
  readonly firstLine?: number
  /** Stop after the first document, as Go's Unmarshal does: what follows is not even checked. */
  readonly firstOnly?: boolean
  /** One budget for several texts; without it each text has one of `maxNodes`. */
  readonly budget?: NodeBudget
  /** Give nodes their comments. */
  readonly comments?: boolean
}

const MAX_LENGTH = 32 * 1024 * 1024
const MAX_NODES = 1_000_000
const MAX_DEPTH = 1000
const LONG_TAG = 'tag:yaml.org,2002:'

/**
 * Parses the documents of a text. Aliases stay aliases (their `target` is set), duplicate keys stay.
 * @throws ParseError with file and line.
 */
export function parseNodes(text: string, options: ParseOptions): Node[] {
  if (text.length > (options.maxLength ?? MAX_LENGTH)) {
    throw yamlError(
      `the text has ${text.length} characters, more than the limit of ${options.maxLength ?? MAX_LENGTH}`,
      options.file,
    )
  }
  const forbidden = text.search(FORBIDDEN)
  const readable = readableLength(text, forbidden, options.dialect)
  try {
    const cursor = readable < text.length ? new CutCursor(text.slice(0, readable)) : new Cursor(text)
    return new Parser(cursor, options).documents()
  } catch (error) {
    if (error instanceof UnreadableError) throw unreadable(text, forbidden, options)
    if (error instanceof ScanError) throw placed(error, options)
    throw error
  }
}

/** @throws ParseError for a text of more characters than the limits allow. */
export function refuseLongText(
  text: string,
  { maxLength = MAX_LENGTH, file }: YamlLimits & { readonly file?: string | undefined },
): void {
  if (text.length > maxLength) throw yamlError(`the text has ${text.length} characters, more than the limit of ${maxLength}`, file)
}

/** A budget as the limits allow it. */
export function nodeBudget({ maxNodes = MAX_NODES }: YamlLimits = {}): NodeBudget {
  return { left: maxNodes }
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

/** What YAML does not allow; lone surrogates stand for bytes that are not UTF-8 (see gotemplate/value.ts). */
const FORBIDDEN = /[^\t\n\r -~\x85\xa0-\ufffd]|(?<![\ud800-\udbff])[\udc80-\udcff]/

/** Bytes that go-yaml reads and looks through before it scans them. */
const CHUNK_BYTES = 512

/** How much of a text is scanned before a forbidden character is met. Of go-yaml 3 we let it be the first problem, wherever it stands. */
function readableLength(text: string, forbidden: number, dialect: Dialect): number {
  if (forbidden < 0) return text.length
  let start = 0
  if (dialect === 'kyaml') return start
  let bytes = 0
  for (let at = 0; at <= forbidden; at++) {
    const code = text.codePointAt(at) ?? 0
    const width = code < 0x80 || isEscapedByte(code) ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (bytes + width > CHUNK_BYTES) [start, bytes] = [at, 0]
    bytes += width
    if (width === 4) at++
  }
  return start
}

function unreadable(text: string, at: number, { file, dialect, firstLine = 1 }: ParseOptions): ParseError {
  const line = firstLine + text.slice(0, at).split('\n').length - 1
  const isByte = isEscapedByte(text.charCodeAt(at))
  const reason = isByte ? brokenSequence(octetsOf(text.slice(at, at + 4))) : 'control characters are not allowed'
  // go-yaml 2 does not know the line: it helps who has the file.
  return yamlError(reason, file, dialect === 'kyaml' || file !== undefined ? line : 0)
}

function isEscapedByte(code: number): boolean {
  return code >= 0xdc80 && code <= 0xdcff
}

function octetsOf(text: string): number[] {
  return Array.from(text).flatMap((char) => {
    const code = char.charCodeAt(0)
    return isEscapedByte(code) ? [code & 0xff] : [...Buffer.from(char)]
  })
}

/** What is wrong with bytes that are not UTF-8. Source: yaml_parser_update_buffer. */
function brokenSequence([lead = 0, ...rest]: readonly number[]): string {
  if (lead < 0xc0 || lead >= 0xf8) return 'invalid leading UTF-8 octet'
  const trailing = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3
  if (rest.length < trailing) return 'incomplete UTF-8 octet sequence'
  if (rest.slice(0, trailing).some((octet) => (octet & 0xc0) !== 0x80)) return 'invalid trailing UTF-8 octet'
  const isTooLong = lead < 0xc2 || ((lead === 0xe0 || lead === 0xf0) && (rest[0] ?? 0) < (lead === 0xe0 ? 0xa0 : 0x90))
  return isTooLong ? 'invalid length of a UTF-8 sequence' : 'invalid Unicode character'
}

/** A problem of the grammar rather than of a token; go-yaml counts its lines from 0. */
class GrammarError extends ScanError {}

/** The line that go-yaml would name, for the message; the place has the line where the problem is. */
function placed(error: ScanError, { file, dialect, firstLine = 1 }: ParseOptions): ParseError {
  const context = error.context?.line ?? 0
  const problem = error.problem.line
  const named = dialect === 'kyaml' ? context || problem : problem || context
  const line = named === 0 ? 0 : named + (error instanceof GrammarError ? 0 : 1)
  const shown = line === 0 ? '' : `line ${line + firstLine - 1}: `
  const message = `${file === undefined ? '' : `${file}: `}yaml: ${shown}${error.message}`
  return new ParseError(message, {
    ...(file !== undefined && { file }),
    line: problem + firstLine,
    column: error.problem.column + 1,
  })
}

const NO_CONTENT: ReadonlySet<TokenType> = new Set([
  'version-directive',
  'tag-directive',
  'document-start',
  'document-end',
  'stream-end',
])

class Parser {
  readonly #scanner: Scanner
  readonly #comments: CommentCollector | undefined
  readonly #options: ParseOptions
  readonly #maxDepth: number
  readonly #budget: NodeBudget
  #anchors = new Map<string, Node>()
  #tagPrefixes = new Map<string, string>()
  #depth = 0

  constructor(cursor: Cursor, options: ParseOptions) {
    this.#options = options
    this.#maxDepth = options.maxDepth ?? MAX_DEPTH
    this.#budget = options.budget ?? nodeBudget(options)
    this.#scanner = new Scanner(cursor, {
      maxDepth: this.#maxDepth,
      lookahead: options.dialect === 'kyaml' ? 2 : 0,
      comments: options.comments ?? false,
    })
    this.#comments = this.#scanner.comments
  }

  documents(): Node[] {
    const documents: Node[] = []
    while (this.#startDocument(documents.length === 0)) {
      const token = this.#scanner.peek()
      const root = NO_CONTENT.has(token.type) ? this.#emptyScalar(token) : this.#node({ block: true })
      documents.push(root)
      if (this.#scanner.peek().type === 'document-end') this.#scanner.skip()
      const after = this.#comments?.take()
      if (after) root.source = { ...sourceOf(root), end: after.foot || after.head }
      if (this.#options.firstOnly) break
    }
    return documents
  }

  /** False at the end of the text. Only the first document may go without `---`. */
  #startDocument(isFirst: boolean): boolean {
    if (!isFirst) while (this.#scanner.peek().type === 'document-end') this.#scanner.skip()
    this.#anchors = new Map()
    this.#tagPrefixes = new Map()
    let token = this.#scanner.peek()
    if (token.type === 'stream-end') return false
    // An end that nothing precedes is taken for the start of a document without content.
    if (isFirst && token.type === 'document-end') throw this.#error('did not find expected node content', token)
    const isBare = isFirst && !NO_CONTENT.has(token.type)
    if (isBare) {
      this.#comments?.dropDocumentHead()
      return true
    }
    this.#readDirectives()
    token = this.#scanner.peek()
    if (token.type !== 'document-start') throw this.#error('did not find expected <document start>', token)
    this.#scanner.skip()
    return true
  }

  #readDirectives(): void {
    for (let token = this.#scanner.peek(); ; token = this.#scanner.peek()) {
      if (token.type === 'version-directive') {
        if (token.value !== '1.1') throw this.#error('found incompatible YAML document', token)
      } else if (token.type === 'tag-directive') {
        if (this.#tagPrefixes.has(token.value)) throw this.#error('found duplicate %TAG directive', token)
        this.#tagPrefixes.set(token.value, token.suffix)
      } else return
      this.#scanner.skip()
    }
  }

  #error(message: string, problem: Mark, context?: Mark): GrammarError {
    return new GrammarError(message, problem, context)
  }

  #node({ block, indentless = false }: { block: boolean; indentless?: boolean }): Node {
    const first = this.#scanner.peek()
    if (first.type === 'alias') return this.#alias(first)
    let [anchor, tag]: (string | undefined)[] = []
    let token = first
    while ((token.type === 'anchor' && anchor === undefined) || (token.type === 'tag' && tag === undefined)) {
      if (token.type === 'anchor') anchor = token.value
      else tag = this.#tag(token, first)
      this.#scanner.skip()
      token = this.#scanner.peek()
    }
    if (++this.#depth > this.#maxDepth) throw this.#error(`exceeded max depth of ${this.#maxDepth}`, token)
    const node = this.#content(token, { block, indentless, tag: tag ?? '', anchor, first })
    this.#depth--
    return node
  }

  #content(token: Token, context: NodeContext): Node {
    const { block, indentless, tag, anchor, first } = context
    if (indentless && token.type === 'block-entry') return this.#indentlessSequence(this.#open('seq', token, context))
    switch (token.type) {
      case 'scalar':
        this.#scanner.skip()
        return this.#commented(this.#anchored(this.#placed(this.#scalar(token, tag), context), anchor))
      case 'flow-sequence-start':
        return this.#flowSequence(this.#commented(this.#open('seq', token, context)), token)
      case 'flow-mapping-start':
        return this.#flowMapping(this.#commented(this.#open('map', token, context)), token)
      case 'block-sequence-start':
        if (block) return this.#blockSequence(this.#withStem(this.#open('seq', token, context)), token)
        break
      case 'block-mapping-start':
        if (block) return this.#blockMapping(this.#withStem(this.#open('map', token, context)), token)
        break
    }
    if (anchor !== undefined || tag !== '')
      return this.#anchored(this.#placed(this.#scalar({ ...token, value: '', style: 'plain' }, tag), context), anchor)
    throw this.#error('did not find expected node content', token, first)
  }

  #alias(token: Token): Node {
    const target = this.#anchors.get(token.value)
    if (!target) {
      const { file, dialect, firstLine = 1 } = this.#options
      throw yamlError(`unknown anchor '${token.value}' referenced`, file, dialect === 'kyaml' ? token.line + firstLine : 0)
    }
    this.#scanner.skip()
    return this.#commented({ ...this.#bare('alias', '', token), value: token.value, target })
  }

  #commented(node: Node): Node {
    const comments = this.#comments?.take()
    if (comments) node.source = { ...sourceOf(node), ...comments }
    return node
  }

  #withStem(node: Node): Node {
    if (this.#comments) node.source = { ...sourceOf(node), head: this.#comments.takeStem() }
    return node
  }

  /** Comments before the end of a collection; only its head is from before its start. */
  #closed(node: Node): Node {
    if (!this.#comments) return node
    const { line = '', foot = '' } = this.#comments.take() ?? {}
    node.source = { ...sourceOf(node), line, foot }
    return node
  }

  /** The short form of a tag; empty for the non-specific `!`. */
  #tag(token: Token, first: Mark): string {
    if (token.value === '') return token.suffix === '!' ? '' : shorten(token.suffix)
    const prefix = this.#tagPrefixes.get(token.value) ?? DEFAULT_PREFIXES.get(token.value)
    if (prefix === undefined) throw this.#error('found undefined tag handle', token, first)
    return shorten(prefix + token.suffix)
  }

  #scalar(token: Token, tag: string): Node {
    const node = this.#bare('scalar', tag || this.#implicitTag(token), token)
    node.value = token.value
    node.style = token.style
    return node
  }

  #implicitTag({ value, style }: Token): string {
    if (style !== 'plain') return '!!str'
    return value === '<<' ? '!!merge' : resolveTag(value, this.#options.dialect)
  }

  /** A missing value behind an indicator of one character. */
  #emptyBehind({ line, column, index }: Mark): Node {
    return this.#emptyScalar({ line, column: column + 1, index: index + 1 })
  }

  #emptyScalar(at: Mark): Node {
    return this.#bare('scalar', '!!null', at)
  }

  #bare(kind: Node['kind'], tag: string, at: Mark): Node {
    if (--this.#budget.left < 0) throw this.#error('the text has too many values', at)
    const line = at.line + (this.#options.firstLine ?? 1)
    return {
      kind,
      tag,
      value: '',
      style: 'plain',
      content: [],
      anchor: undefined,
      target: undefined,
      line,
      source: this.#comments && this.#sourceAt(at),
    }
  }

  #sourceAt({ line, column }: Mark): Source {
    return { ...NO_SOURCE, row: line + 1, column: column + 1 }
  }

  /** The place of a node is that of its tag or anchor, if it has any. */
  #placed(node: Node, { first, tag }: NodeContext): Node {
    if (this.#comments) node.source = { ...this.#sourceAt(first), isTagged: tag !== '' }
    return node
  }

  #open(kind: 'seq' | 'map', token: Token, context: NodeContext): Node {
    const node = this.#bare(kind, context.tag || `!!${kind}`, token)
    return this.#anchored(this.#placed(node, context), context.anchor)
  }

  #anchored(node: Node, anchor: string | undefined): Node {
    if (anchor === undefined) return node
    node.anchor = anchor
    this.#anchors.set(anchor, node)
    return node
  }

  #blockSequence(node: Node, start: Mark): Node {
    this.#scanner.skip()
    for (let token = this.#scanner.peek(); token.type !== 'block-end'; token = this.#scanner.peek()) {
      if (token.type !== 'block-entry') throw this.#error(`did not find expected '-' indicator`, token, start)
      const next = this.#afterDash()
      const isEmpty = next.type === 'block-entry' || next.type === 'block-end'
      node.content.push(isEmpty ? this.#emptyBehind(token) : this.#node({ block: true }))
    }
    this.#scanner.skip()
    return node
  }

  #indentlessSequence(node: Node): Node {
    for (let token = this.#scanner.peek(); token.type === 'block-entry'; token = this.#scanner.peek()) {
      const { type } = this.#afterDash()
      const isEmpty = type === 'block-entry' || type === 'key' || type === 'value' || type === 'block-end'
      node.content.push(isEmpty ? this.#emptyBehind(token) : this.#node({ block: true }))
    }
    return node
  }

  /** Takes the dash. What stood above it belongs to the collection behind it, if there is one. */
  #afterDash(): Token {
    const headLength = this.#comments?.headLength ?? 0
    this.#scanner.skip()
    const next = this.#scanner.peek()
    if (next.type === 'block-sequence-start' || next.type === 'block-mapping-start') this.#comments?.splitStem(headLength)
    return next
  }

  #blockMapping(node: Node, start: Mark): Node {
    this.#scanner.skip()
    for (let token = this.#scanner.peek(); token.type !== 'block-end'; token = this.#scanner.peek()) {
      if (token.type !== 'key') throw this.#error('did not find expected key', token, start)
      this.#scanner.skip()
      node.content.push(this.#blockPart(token))
      const value = this.#scanner.peek()
      if (value.type === 'value') this.#scanner.skip()
      if (this.#comments) moveKeyFoot(node)
      node.content.push(value.type === 'value' ? this.#blockPart(value) : this.#emptyScalar(value))
      if (this.#comments) moveValueFoot(node)
    }
    this.#closed(node)
    if (this.#comments) moveMapFoot(node)
    this.#scanner.skip()
    return node
  }

  #blockPart(indicator: Token): Node {
    const { type } = this.#scanner.peek()
    if (type === 'key' || type === 'value' || type === 'block-end') return this.#emptyBehind(indicator)
    return this.#node({ block: true, indentless: true })
  }

  #flowSequence(node: Node, start: Mark): Node {
    this.#scanner.skip()
    node.style = 'flow'
    for (let token = this.#scanner.peek(); token.type !== 'flow-sequence-end'; token = this.#scanner.peek()) {
      if (node.content.length > 0) {
        if (token.type !== 'flow-entry') throw this.#error(`did not find expected ',' or ']'`, token, start)
        this.#scanner.skip()
        token = this.#scanner.peek()
        if (token.type === 'flow-sequence-end') break
      }
      node.content.push(token.type === 'key' ? this.#flowPair(token) : this.#node({ block: false }))
    }
    this.#closed(node)
    this.#scanner.skip()
    return node
  }

  /** `[a: b]`: a mapping of one pair. */
  #flowPair(token: Token): Node {
    this.#scanner.skip()
    const map = this.#bare('map', '!!map', token)
    map.style = 'flow'
    map.content.push(this.#flowPart(['value', 'flow-entry', 'flow-sequence-end']))
    map.content.push(this.#flowValue(['flow-entry', 'flow-sequence-end']))
    if (this.#comments) moveValueFoot(map)
    return map
  }

  #flowMapping(node: Node, start: Mark): Node {
    this.#scanner.skip()
    node.style = 'flow'
    for (let token = this.#scanner.peek(); token.type !== 'flow-mapping-end'; token = this.#scanner.peek()) {
      if (node.content.length > 0) {
        if (token.type !== 'flow-entry') throw this.#error(`did not find expected ',' or '}'`, token, start)
        this.#scanner.skip()
        token = this.#scanner.peek()
        if (token.type === 'flow-mapping-end') break
      }
      if (token.type === 'key') {
        this.#scanner.skip()
        node.content.push(this.#flowPart(['value', 'flow-entry', 'flow-mapping-end']))
        node.content.push(this.#flowValue(['flow-entry', 'flow-mapping-end']))
      } else {
        node.content.push(this.#node({ block: false }), this.#emptyScalar(this.#scanner.peek()))
      }
      if (this.#comments) moveValueFoot(node)
    }
    this.#closed(node)
    this.#scanner.skip()
    return node
  }

  #flowValue(ends: readonly TokenType[]): Node {
    const token = this.#scanner.peek()
    if (token.type !== 'value') return this.#emptyScalar(token)
    this.#scanner.skip()
    return this.#flowPart(ends)
  }

  #flowPart(ends: readonly TokenType[]): Node {
    const token = this.#scanner.peek()
    return ends.includes(token.type) ? this.#emptyScalar(token) : this.#node({ block: false })
  }
}

interface NodeContext {
  readonly block: boolean
  readonly indentless: boolean
  readonly tag: string
  readonly anchor: string | undefined
  /** Where the node, with its tag and anchor, begins. */
  readonly first: Mark
}

/** A comment below a value belongs to its key; one above a key, but dedented, to the key before. */
function moveValueFoot({ content }: Node): void {
  const [key, value] = [content.at(-2), content.at(-1)]
  if (key && value && footOf(key) === '' && footOf(value) !== '') moveFoot(value, key)
}

function moveKeyFoot({ content }: Node): void {
  const [before, key] = [content.at(-3), content.at(-1)]
  if (before && key && footOf(key) !== '') moveFoot(key, before)
}

function moveMapFoot(map: Node): void {
  const key = map.content.at(-2)
  if (key && footOf(map) !== '') moveFoot(map, key)
}

function sourceOf({ source }: Node): Source {
  return source ?? NO_SOURCE
}

function footOf({ source }: Node): string {
  return source?.foot ?? ''
}

function moveFoot(from: Node, to: Node): void {
  to.source = { ...sourceOf(to), foot: footOf(from) }
  from.source = { ...sourceOf(from), foot: '' }
}

const DEFAULT_PREFIXES: ReadonlyMap<string, string> = new Map([
  ['!', '!'],
  ['!!', LONG_TAG],
])

function shorten(tag: string): string {
  return tag.startsWith(LONG_TAG) ? `!!${tag.slice(LONG_TAG.length)}` : tag
}
