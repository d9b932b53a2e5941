/** Text → tokens, on libyaml's rules, because Go's programs accept and refuse by them (YAML 1.1, lenient inside of brackets). */

import { CommentCollector } from './comments.ts'
import { type Cursor, isBlank, isBlankOrEnd, isBreak, isBreakOrEnd, isDigit, isWordCode, type Mark, SPACE, TAB } from './cursor.ts'
import { scanBlockScalar, scanPlain, scanQuoted } from './scan-scalar.ts'

/** What a token is. The names are those of libyaml. */
export type TokenType =
  | 'stream-end'
  | 'version-directive'
  | 'tag-directive'
  | 'document-start'
  | 'document-end'
  | 'block-sequence-start'
  | 'block-mapping-start'
  | 'block-end'
  | 'flow-sequence-start'
  | 'flow-sequence-end'
  | 'flow-mapping-start'
  | 'flow-mapping-end'
  | 'block-entry'
  | 'flow-entry'
  | 'key'
  | 'value'
  | 'alias'
  | 'anchor'
  | 'tag'
  | 'scalar'

export type ScalarStyle = 'plain' | 'single' | 'double' | 'literal' | 'folded'

export interface Token extends Mark {
  readonly type: TokenType
  /** Text of a scalar, name of an anchor or alias, handle of a tag or directive, version of a directive. */
  readonly value: string
  /** Of a tag: what follows the handle; of a directive: the prefix. */
  readonly suffix: string
  readonly style: ScalarStyle
}

interface SimpleKey extends Mark {
  possible: boolean
  required: boolean
  tokenNumber: number
}

const MAX_KEY_LENGTH = 1024

/** Characters that cannot begin a plain scalar (some can when text follows). */
const INDICATORS = new Set([...'-?:,[]{}#&*!|>\'"%@`'].map((char) => char.charCodeAt(0)))

/** Reads tokens one by one. Source: scannerc.go of go-yaml. */
export class Scanner {
  readonly #cursor: Cursor
  readonly #maxDepth: number
  /** Tokens that are read beyond the one that is asked for; go-yaml 3 reads two more, which decides which error comes first. */
  readonly #lookahead: number
  #tokens: Token[] = []
  #head = 0
  /** What was shown last, while it is not taken; with comments each look gathers some. */
  #next: Token | undefined
  #taken = 0
  #indent = -1
  readonly #indents: number[] = []
  #flowLevel = 0
  #simpleKeyAllowed = true
  readonly #simpleKeys: SimpleKey[] = [noKey()]
  /** Number of a token → level of brackets whose simple key it begins. Go's bookkeeping forgets keys like `[]`, and so does this. */
  readonly #keyLevels = new Map<number, number>()
  #ended = false
  /** Where comments are wanted. */
  readonly comments: CommentCollector | undefined

  constructor(cursor: Cursor, options: { maxDepth: number; lookahead: number; comments: boolean }) {
    this.#cursor = cursor
    if (options.comments) this.comments = new CommentCollector(this.#cursor)
    this.#maxDepth = options.maxDepth
    this.#lookahead = options.lookahead
  }

  /** The next token, which stays. @throws ScanError */
  peek(): Token {
    if (this.#next) return this.#next
    while (this.#needsMore()) this.#fetch()
    const token = this.#tokens[this.#head]
    if (!token) return this.#token('stream-end')
    if (this.comments) this.comments.reach(token)
    else this.#next = token
    return token
  }

  /** Takes the token that `peek` shows. */
  skip(): void {
    if (this.#head >= this.#tokens.length) return
    this.#next = undefined
    this.#head++
    this.#taken++
    if (this.#head < 64) return
    this.#tokens = this.#tokens.slice(this.#head)
    this.#head = 0
  }

  #needsMore(): boolean {
    if (!this.#ended && this.#tokens.length - this.#head <= this.#lookahead) return true
    const level = this.#keyLevels.get(this.#taken)
    if (level === undefined) return false
    // The token may turn out to be a key, before which tokens are inserted.
    const key = this.#simpleKeys[level]
    return key !== undefined && this.#isValid(key) && !this.#ended
  }

  #token(type: TokenType, at: Mark = this.#cursor.mark, value = '', suffix = '', style: ScalarStyle = 'plain'): Token {
    return { type, line: at.line, column: at.column, index: at.index, value, suffix, style }
  }

  #fetch(): void {
    const from = this.comments && this.#cursor.mark
    this.#skipToToken()
    this.#unrollIndent(this.#cursor.column, from)
    if (this.#fetchBoundary()) return
    if (!this.comments) {
      this.#fetchContent()
      return
    }
    const commented = this.#commentedIndex()
    this.#fetchContent()
    // Behind the dash of a list entry a comment is the head of what follows.
    if (this.#tokens.at(-1)?.type !== 'block-entry') this.comments.readLine(commented)
  }

  /** The token that a comment behind the next one is about: for `:`, and for `,` in brackets, the one before. */
  #commentedIndex(): number {
    const isSeparator = this.#cursor.code() === (this.#flowLevel > 0 ? 0x2c : 0x3a)
    return (isSeparator ? this.#tokens.at(-1)?.index : undefined) ?? this.#cursor.position
  }

  /** The ends of documents and of the text, and directives. */
  #fetchBoundary(): boolean {
    const code = this.#cursor.code()
    if (Number.isNaN(code)) {
      this.#fetchStreamEnd()
      return true
    }
    if (this.#cursor.column > 0) return false
    if (code === 0x25) {
      this.#fetchDirective()
      return true
    }
    const indicator = this.#cursor.documentIndicator()
    if (indicator) this.#fetchDocumentIndicator(indicator)
    return indicator !== undefined
  }

  #fetchContent(): void {
    const code = this.#cursor.code()
    switch (code) {
      case 0x5b:
        this.#fetchFlowStart('flow-sequence-start')
        return
      case 0x7b:
        this.#fetchFlowStart('flow-mapping-start')
        return
      case 0x5d:
        this.#fetchFlowEnd('flow-sequence-end')
        return
      case 0x7d:
        this.#fetchFlowEnd('flow-mapping-end')
        return
      case 0x2c:
        this.#fetchFlowEntry()
        return
      case 0x2a:
        this.#fetchAnchor('alias')
        return
      case 0x26:
        this.#fetchAnchor('anchor')
        return
      case 0x21:
        this.#fetchTag()
        return
      case 0x27:
        this.#fetchQuoted('single')
        return
      case 0x22:
        this.#fetchQuoted('double')
        return
    }
    if (code === 0x2d && isBlankOrEnd(this.#cursor.code(1))) {
      this.#fetchBlockEntry()
      return
    }
    if (code === 0x3f && (this.#flowLevel > 0 || isBlankOrEnd(this.#cursor.code(1)))) {
      this.#fetchKey()
      return
    }
    if (code === 0x3a && (this.#flowLevel > 0 || isBlankOrEnd(this.#cursor.code(1)))) {
      this.#fetchValue()
      return
    }
    if ((code === 0x7c || code === 0x3e) && this.#flowLevel === 0) {
      this.#fetchBlockScalar(code === 0x7c ? 'literal' : 'folded')
      return
    }
    if (this.#canBePlain(code)) {
      this.#fetchPlain()
      return
    }
    throw this.#cursor.error('found character that cannot start any token', this.#cursor.mark)
  }

  #canBePlain(code: number): boolean {
    if (!INDICATORS.has(code)) return code !== TAB
    const next = this.#cursor.code(1)
    if (code === 0x2d) return next !== SPACE && next !== TAB
    return this.#flowLevel === 0 && (code === 0x3f || code === 0x3a) && !isBlankOrEnd(next)
  }

  #skipToToken(): void {
    const from = this.comments && this.#cursor.mark
    for (;;) {
      if (this.#cursor.column === 0 && this.#cursor.code() === 0xfeff) this.#cursor.position++
      const tabs = this.#flowLevel > 0 || !this.#simpleKeyAllowed
      let code = this.#cursor.code()
      while (code === SPACE || (tabs && code === TAB)) {
        this.#cursor.position++
        code = this.#cursor.code()
      }
      if (this.comments && !isBreak(code) && this.#isFirstEntry()) this.comments.headOfEntry()
      if (code === 0x23) this.#skipComment(from)
      if (!isBreak(this.#cursor.code())) return
      this.#cursor.skipBreak()
      if (this.#flowLevel === 0) this.#simpleKeyAllowed = true
    }
  }

  /** Whether the last tokens are the start of a list and its first dash. */
  #isFirstEntry(): boolean {
    return this.#tokens.at(-1)?.type === 'block-entry' && this.#tokens.at(-2)?.type === 'block-sequence-start'
  }

  #skipComment(from: Mark | undefined): void {
    if (!this.comments || !from) {
      this.#cursor.skipToBreak()
      return
    }
    const last = this.#tokens.at(-1)
    const token = last?.type === 'flow-entry' ? (this.#tokens.at(-2) ?? last) : last
    this.comments.readLines({ from, token, indent: this.#indent, inFlow: this.#flowLevel > 0 })
  }

  #isValid(key: SimpleKey): boolean {
    if (!key.possible) return false
    if (key.line >= this.#cursor.line && key.index + MAX_KEY_LENGTH >= this.#cursor.position) return true
    if (key.required) throw this.#cursor.error(`could not find expected ':'`, key)
    key.possible = false
    return false
  }

  #saveSimpleKey(): void {
    if (!this.#simpleKeyAllowed) return
    const required = this.#flowLevel === 0 && this.#indent === this.#cursor.column
    this.#removeSimpleKey()
    const level = this.#simpleKeys.length - 1
    const key = this.#keyHere({ possible: true, required })
    this.#simpleKeys[level] = key
    this.#keyLevels.set(key.tokenNumber, level)
  }

  /** The key that the next token begins, or that may come behind it. */
  #keyHere({ possible, required }: Pick<SimpleKey, 'possible' | 'required'>): SimpleKey {
    return {
      possible,
      required,
      tokenNumber: this.#taken + this.#tokens.length - this.#head,
      index: this.#cursor.position,
      line: this.#cursor.line,
      column: this.#cursor.column,
    }
  }

  #removeSimpleKey(): void {
    const key = this.#simpleKeys.at(-1)
    if (!key?.possible) return
    if (key.required) throw this.#cursor.error(`could not find expected ':'`, key)
    key.possible = false
    this.#keyLevels.delete(key.tokenNumber)
  }

  #rollIndent(column: number, type: TokenType, at: Mark, tokenNumber?: number): void {
    if (this.#flowLevel > 0 || this.#indent >= column) return
    this.#indents.push(this.#indent)
    this.#indent = column
    if (this.#indents.length > this.#maxDepth) throw this.#cursor.error(`exceeded max depth of ${this.#maxDepth}`)
    this.#insert(this.#token(type, at), tokenNumber)
  }

  /** Puts a token before that of a number; last, when the parser has taken that one already. */
  #insert(token: Token, tokenNumber = -1): void {
    if (tokenNumber < this.#taken) this.#tokens.push(token)
    else this.#tokens.splice(this.#head + tokenNumber - this.#taken, 0, token)
  }

  #unrollIndent(column: number, from?: Mark): void {
    if (this.#flowLevel > 0) return
    let index = (from?.index ?? this.#cursor.position) - 1
    while (this.#indent > column) {
      if (this.comments) index = this.comments.endOfBlock(index, this.#indent)
      this.#tokens.push(this.#token('block-end', { line: this.#cursor.line, column: this.#cursor.column, index }))
      this.#indent = this.#indents.pop() ?? -1
    }
  }

  #fetchStreamEnd(): void {
    if (this.#cursor.column !== 0) {
      this.#cursor.startLine()
    }
    this.#unrollIndent(-1)
    this.#removeSimpleKey()
    this.#simpleKeyAllowed = false
    this.#tokens.push(this.#token('stream-end'))
    this.#ended = true
  }

  #fetchDocumentIndicator(type: 'document-start' | 'document-end'): void {
    this.#unrollIndent(-1)
    this.#removeSimpleKey()
    this.#simpleKeyAllowed = false
    this.#tokens.push(this.#token(type))
    this.#cursor.position += 3
  }

  #fetchFlowStart(type: TokenType): void {
    this.#saveSimpleKey()
    this.#simpleKeys.push(this.#keyHere({ possible: false, required: false }))
    if (++this.#flowLevel > this.#maxDepth) throw this.#cursor.error(`exceeded max depth of ${this.#maxDepth}`)
    this.#simpleKeyAllowed = true
    this.#take(type)
  }

  #fetchFlowEnd(type: TokenType): void {
    this.#removeSimpleKey()
    if (this.#flowLevel > 0) {
      this.#flowLevel--
      this.#keyLevels.delete(this.#simpleKeys.pop()?.tokenNumber ?? -1)
    }
    this.#simpleKeyAllowed = false
    this.#take(type)
  }

  #fetchFlowEntry(): void {
    this.#removeSimpleKey()
    this.#simpleKeyAllowed = true
    this.#take('flow-entry')
  }

  #take(type: TokenType): void {
    this.#tokens.push(this.#token(type))
    this.#cursor.position++
  }

  #fetchBlockEntry(): void {
    if (this.#flowLevel === 0) {
      if (!this.#simpleKeyAllowed)
        throw this.#cursor.error('block sequence entries are not allowed in this context', this.#cursor.mark)
      this.#rollIndent(this.#cursor.column, 'block-sequence-start', this.#cursor.mark)
    }
    this.#removeSimpleKey()
    this.#simpleKeyAllowed = true
    this.#take('block-entry')
  }

  #fetchKey(): void {
    if (this.#flowLevel === 0) {
      if (!this.#simpleKeyAllowed) throw this.#cursor.error('mapping keys are not allowed in this context', this.#cursor.mark)
      this.#rollIndent(this.#cursor.column, 'block-mapping-start', this.#cursor.mark)
    }
    this.#removeSimpleKey()
    this.#simpleKeyAllowed = this.#flowLevel === 0
    this.#take('key')
  }

  #fetchValue(): void {
    const key = this.#simpleKeys.at(-1)
    if (key && this.#isValid(key)) {
      this.#insert(this.#token('key', key), key.tokenNumber)
      this.#rollIndent(key.column, 'block-mapping-start', key, key.tokenNumber)
      key.possible = false
      this.#keyLevels.delete(key.tokenNumber)
      this.#simpleKeyAllowed = false
    } else {
      if (this.#flowLevel === 0) {
        if (!this.#simpleKeyAllowed) throw this.#cursor.error('mapping values are not allowed in this context', this.#cursor.mark)
        this.#rollIndent(this.#cursor.column, 'block-mapping-start', this.#cursor.mark)
      }
      this.#simpleKeyAllowed = this.#flowLevel === 0
    }
    this.#take('value')
  }

  #fetchAnchor(type: 'alias' | 'anchor'): void {
    this.#saveSimpleKey()
    this.#simpleKeyAllowed = false
    const start = this.#cursor.mark
    this.#cursor.position++
    const name = this.#cursor.readWhile(isWordCode)
    if (
      name === '' ||
      !(isBlankOrEnd(this.#cursor.code()) || '?:,]}%@`'.includes(this.#cursor.text[this.#cursor.position] ?? ''))
    ) {
      throw this.#cursor.error('did not find expected alphabetic or numeric character', start)
    }
    this.#tokens.push(this.#token(type, start, name))
  }

  #fetchTag(): void {
    this.#saveSimpleKey()
    this.#simpleKeyAllowed = false
    const start = this.#cursor.mark
    let [handle, suffix] = ['', '']
    if (this.#cursor.code(1) === 0x3c) {
      this.#cursor.position += 2
      suffix = this.#readUri(start)
      if (this.#cursor.code() !== 0x3e) throw this.#cursor.error(`did not find the expected '>'`, start)
      this.#cursor.position++
    } else {
      handle = this.#readTagHandle(start)
      if (handle.length > 1 && handle.endsWith('!')) suffix = this.#readUri(start)
      else {
        suffix = handle.slice(1) + this.#readUri(start, { mayBeEmpty: true })
        handle = '!'
        if (suffix === '') [handle, suffix] = ['', '!']
      }
    }
    if (!isBlankOrEnd(this.#cursor.code())) throw this.#cursor.error('did not find expected whitespace or line break', start)
    this.#tokens.push(this.#token('tag', start, handle, suffix))
  }

  #readTagHandle(start: Mark): string {
    if (this.#cursor.code() !== 0x21) throw this.#cursor.error(`did not find expected '!'`, start)
    this.#cursor.position++
    const name = this.#cursor.readWhile(isWordCode)
    if (this.#cursor.code() !== 0x21) return `!${name}`
    this.#cursor.position++
    return `!${name}!`
  }

  #readUri(start: Mark, { mayBeEmpty = false } = {}): string {
    const uri = this.#cursor.readWhile(
      (code) => isWordCode(code) || (code < 0x80 && ";/?:@&=+$,.!~*'()[]%".includes(String.fromCharCode(code))),
    )
    if (uri === '' && !mayBeEmpty) throw this.#cursor.error('did not find expected tag URI', start)
    try {
      return decodeURIComponent(uri)
    } catch {
      throw this.#cursor.error('did not find URI escaped octet', start)
    }
  }

  #fetchBlockScalar(style: 'literal' | 'folded'): void {
    this.#removeSimpleKey()
    this.#simpleKeyAllowed = true
    const start = this.#cursor.mark
    this.comments?.readHeaderLine()
    this.#tokens.push(this.#token('scalar', start, scanBlockScalar(this.#cursor, style, this.#indent), '', style))
  }

  #fetchQuoted(style: 'single' | 'double'): void {
    this.#saveSimpleKey()
    this.#simpleKeyAllowed = false
    const start = this.#cursor.mark
    this.#tokens.push(this.#token('scalar', start, scanQuoted(this.#cursor, style), '', style))
  }

  #fetchPlain(): void {
    this.#saveSimpleKey()
    this.#simpleKeyAllowed = false
    const start = this.#cursor.mark
    const { text, endsOnNewLine } = scanPlain(this.#cursor, { indent: this.#indent + 1, inFlow: this.#flowLevel > 0 })
    if (endsOnNewLine) this.#simpleKeyAllowed = true
    this.#tokens.push(this.#token('scalar', start, text))
  }

  #fetchDirective(): void {
    this.#unrollIndent(-1)
    this.#removeSimpleKey()
    this.#simpleKeyAllowed = false
    const start = this.#cursor.mark
    this.#cursor.position++
    const name = this.#cursor.readWhile(isWordCode)
    if (name === '') throw this.#cursor.error('could not find expected directive name', start)
    if (!isBlankOrEnd(this.#cursor.code())) throw this.#cursor.error('found unexpected non-alphabetical character', start)
    this.#cursor.readWhile(isBlank)
    if (name === 'YAML') this.#tokens.push(this.#token('version-directive', start, this.#readVersion(start)))
    else if (name === 'TAG') this.#tokens.push(this.#readTagDirective(start))
    else throw this.#cursor.error('found unknown directive name', start)
    this.#cursor.readWhile(isBlank)
    if (this.#cursor.code() === 0x23) this.#cursor.skipToBreak()
    if (!isBreakOrEnd(this.#cursor.code())) throw this.#cursor.error('did not find expected comment or line break', start)
    if (isBreak(this.#cursor.code())) this.#cursor.skipBreak()
  }

  #readVersion(start: Mark): string {
    const version = this.#cursor.readWhile((code) => isDigit(code) || code === 0x2e)
    if (!/^\d{1,2}\.\d{1,2}$/.test(version)) throw this.#cursor.error('did not find expected version number', start)
    return version
  }

  #readTagDirective(start: Mark): Token {
    const handle = this.#readTagHandle(start)
    if (handle !== '!' && !handle.endsWith('!')) throw this.#cursor.error(`did not find expected '!'`, start)
    if (!isBlank(this.#cursor.code())) throw this.#cursor.error('did not find expected whitespace', start)
    this.#cursor.readWhile(isBlank)
    const prefix = this.#readUri(start)
    if (!isBlankOrEnd(this.#cursor.code())) throw this.#cursor.error('did not find expected whitespace or line break', start)
    return this.#token('tag-directive', start, handle, prefix)
  }
}

function noKey(): SimpleKey {
  return { possible: false, required: false, tokenNumber: -1, index: 0, line: 0, column: 0 }
}
