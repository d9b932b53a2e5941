/** Text → tokens, on libyaml's rules, because Go's programs accept and refuse by them (YAML 1.1, lenient inside of brackets). */

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

/** A place in the text; line and column from 0. */
export interface Mark {
  readonly line: number
  readonly column: number
}

export interface Token {
  readonly type: TokenType
  readonly line: number
  readonly column: number
  /** Text of a scalar, name of an anchor or alias, handle of a tag or directive, version of a directive. */
  readonly value: string
  /** Of a tag: what follows the handle; of a directive: the prefix. */
  readonly suffix: string
  readonly style: ScalarStyle
}

/** Something that no token can begin with or go on with. `context`: where the construct began. */
export class ScanError extends Error {
  override readonly name = 'ScanError'
  readonly context: Mark | undefined
  readonly problem: Mark
  constructor(message: string, problem: Mark, context?: Mark) {
    super(message)
    this.problem = problem
    this.context = context
  }
}

interface SimpleKey {
  possible: boolean
  required: boolean
  tokenNumber: number
  position: number
  line: number
  column: number
}

const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const NEL = 0x85
const LS = 0x2028
const PS = 0x2029
const MAX_KEY_LENGTH = 1024

/** Characters that cannot begin a plain scalar (some can when text follows). */
const INDICATORS = new Set([...'-?:,[]{}#&*!|>\'"%@`'].map((char) => char.charCodeAt(0)))

/** Reads tokens one by one. Source: scannerc.go of go-yaml. */
export class Scanner {
  readonly #text: string
  readonly #maxDepth: number
  /** Tokens that are read beyond the one that is asked for; go-yaml 3 reads two more, which decides which error comes first. */
  readonly #lookahead: number
  #position = 0
  #line = 0
  #lineStart = 0
  #tokens: Token[] = []
  #head = 0
  #taken = 0
  #indent = -1
  readonly #indents: number[] = []
  #flowLevel = 0
  #simpleKeyAllowed = true
  readonly #simpleKeys: SimpleKey[] = [noKey()]
  #ended = false

  constructor(text: string, options: { maxDepth: number; lookahead: number }) {
    this.#text = text
    this.#maxDepth = options.maxDepth
    this.#lookahead = options.lookahead
  }

  /** The next token, which stays. @throws ScanError */
  peek(): Token {
    while (!this.#ended && this.#needsMore()) this.#fetch()
    const token = this.#tokens[this.#head]
    if (token) return token
    return this.#token('stream-end')
  }

  /** Takes the token that `peek` shows. */
  skip(): void {
    if (this.#head >= this.#tokens.length) return
    this.#head++
    this.#taken++
    if (this.#head < 64) return
    this.#tokens = this.#tokens.slice(this.#head)
    this.#head = 0
  }

  #needsMore(): boolean {
    if (this.#tokens.length - this.#head <= this.#lookahead) return true
    // The token may turn out to be a key, before which tokens are inserted.
    for (const key of this.#simpleKeys) {
      if (key.possible && key.tokenNumber === this.#taken && this.#isValid(key)) return true
    }
    return false
  }

  get #column(): number {
    return this.#position - this.#lineStart
  }

  get #mark(): Mark {
    return { line: this.#line, column: this.#column }
  }

  #code(offset = 0): number {
    // NaN at the end: no comparison holds for it.
    return this.#text.charCodeAt(this.#position + offset)
  }

  #token(type: TokenType, at: Mark = this.#mark, value = '', suffix = '', style: ScalarStyle = 'plain'): Token {
    return { type, line: at.line, column: at.column, value, suffix, style }
  }

  #error(message: string, context?: Mark): ScanError {
    return new ScanError(message, this.#mark, context)
  }

  #fetch(): void {
    this.#skipToToken()
    this.#unrollIndent(this.#column)
    const code = this.#code()
    if (Number.isNaN(code)) {
      this.#fetchStreamEnd()
      return
    }
    if (this.#column === 0) {
      if (code === 0x25) {
        this.#fetchDirective()
        return
      }
      const indicator = this.#documentIndicator()
      if (indicator) {
        this.#fetchDocumentIndicator(indicator)
        return
      }
    }
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
    if (code === 0x2d && isBlankOrEnd(this.#code(1))) {
      this.#fetchBlockEntry()
      return
    }
    if (code === 0x3f && (this.#flowLevel > 0 || isBlankOrEnd(this.#code(1)))) {
      this.#fetchKey()
      return
    }
    if (code === 0x3a && (this.#flowLevel > 0 || isBlankOrEnd(this.#code(1)))) {
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
    throw this.#error('found character that cannot start any token', this.#mark)
  }

  #canBePlain(code: number): boolean {
    if (!INDICATORS.has(code)) return code !== TAB
    const next = this.#code(1)
    if (code === 0x2d) return next !== SPACE && next !== TAB
    return this.#flowLevel === 0 && (code === 0x3f || code === 0x3a) && !isBlankOrEnd(next)
  }

  #documentIndicator(): 'document-start' | 'document-end' | undefined {
    const code = this.#code()
    if ((code !== 0x2d && code !== 0x2e) || this.#code(1) !== code || this.#code(2) !== code || !isBlankOrEnd(this.#code(3)))
      return undefined
    return code === 0x2d ? 'document-start' : 'document-end'
  }

  #skipToToken(): void {
    for (;;) {
      if (this.#column === 0 && this.#code() === 0xfeff) this.#position++
      const tabs = this.#flowLevel > 0 || !this.#simpleKeyAllowed
      let code = this.#code()
      while (code === SPACE || (tabs && code === TAB)) {
        this.#position++
        code = this.#code()
      }
      if (code === 0x23) this.#skipComment()
      if (!isBreak(this.#code())) return
      this.#skipBreak()
      if (this.#flowLevel === 0) this.#simpleKeyAllowed = true
    }
  }

  #skipComment(): void {
    while (!isBreakOrEnd(this.#code())) this.#position++
  }

  #skipBreak(): void {
    this.#position += this.#code() === CR && this.#code(1) === LF ? 2 : 1
    this.#line++
    this.#lineStart = this.#position
  }

  /** Reads a line break: CRLF, CR and NEL become a line feed; the separators of Unicode stay. */
  #readBreak(): string {
    const code = this.#code()
    const text = code === LS || code === PS ? String.fromCharCode(code) : '\n'
    this.#skipBreak()
    return text
  }

  #isValid(key: SimpleKey): boolean {
    if (!key.possible) return false
    if (key.line >= this.#line && key.position + MAX_KEY_LENGTH >= this.#position) return true
    if (key.required) throw this.#error(`could not find expected ':'`, key)
    key.possible = false
    return false
  }

  #saveSimpleKey(): void {
    if (!this.#simpleKeyAllowed) return
    const required = this.#flowLevel === 0 && this.#indent === this.#column
    this.#removeSimpleKey()
    const tokenNumber = this.#taken + this.#tokens.length - this.#head
    const key = { possible: true, required, tokenNumber, position: this.#position, line: this.#line, column: this.#column }
    this.#simpleKeys[this.#simpleKeys.length - 1] = key
  }

  #removeSimpleKey(): void {
    const key = this.#simpleKeys.at(-1)
    if (!key?.possible) return
    if (key.required) throw this.#error(`could not find expected ':'`, key)
    key.possible = false
  }

  #rollIndent(column: number, type: TokenType, at: Mark, tokenNumber?: number): void {
    if (this.#flowLevel > 0 || this.#indent >= column) return
    this.#indents.push(this.#indent)
    this.#indent = column
    if (this.#indents.length > this.#maxDepth) throw this.#error(`exceeded max depth of ${this.#maxDepth}`)
    const token = this.#token(type, at)
    if (tokenNumber === undefined) this.#tokens.push(token)
    else this.#tokens.splice(this.#head + tokenNumber - this.#taken, 0, token)
  }

  #unrollIndent(column: number): void {
    if (this.#flowLevel > 0) return
    while (this.#indent > column) {
      this.#tokens.push(this.#token('block-end'))
      this.#indent = this.#indents.pop() ?? -1
    }
  }

  #fetchStreamEnd(): void {
    if (this.#column !== 0) {
      this.#line++
      this.#lineStart = this.#position
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
    this.#position += 3
  }

  #fetchFlowStart(type: TokenType): void {
    this.#saveSimpleKey()
    this.#simpleKeys.push(noKey())
    if (++this.#flowLevel > this.#maxDepth) throw this.#error(`exceeded max depth of ${this.#maxDepth}`)
    this.#simpleKeyAllowed = true
    this.#take(type)
  }

  #fetchFlowEnd(type: TokenType): void {
    this.#removeSimpleKey()
    if (this.#flowLevel > 0) {
      this.#flowLevel--
      this.#simpleKeys.pop()
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
    this.#position++
  }

  #fetchBlockEntry(): void {
    if (this.#flowLevel === 0) {
      if (!this.#simpleKeyAllowed) throw this.#error('block sequence entries are not allowed in this context', this.#mark)
      this.#rollIndent(this.#column, 'block-sequence-start', this.#mark)
    }
    this.#removeSimpleKey()
    this.#simpleKeyAllowed = true
    this.#take('block-entry')
  }

  #fetchKey(): void {
    if (this.#flowLevel === 0) {
      if (!this.#simpleKeyAllowed) throw this.#error('mapping keys are not allowed in this context', this.#mark)
      this.#rollIndent(this.#column, 'block-mapping-start', this.#mark)
    }
    this.#removeSimpleKey()
    this.#simpleKeyAllowed = this.#flowLevel === 0
    this.#take('key')
  }

  #fetchValue(): void {
    const key = this.#simpleKeys.at(-1)
    if (key && this.#isValid(key)) {
      this.#tokens.splice(this.#head + key.tokenNumber - this.#taken, 0, this.#token('key', key))
      this.#rollIndent(key.column, 'block-mapping-start', key, key.tokenNumber)
      key.possible = false
      this.#simpleKeyAllowed = false
    } else {
      if (this.#flowLevel === 0) {
        if (!this.#simpleKeyAllowed) throw this.#error('mapping values are not allowed in this context', this.#mark)
        this.#rollIndent(this.#column, 'block-mapping-start', this.#mark)
      }
      this.#simpleKeyAllowed = this.#flowLevel === 0
    }
    this.#take('value')
  }

  #fetchAnchor(type: 'alias' | 'anchor'): void {
    this.#saveSimpleKey()
    this.#simpleKeyAllowed = false
    const start = this.#mark
    this.#position++
    const name = this.#readWhile(isWordCode)
    if (name === '' || !(isBlankOrEnd(this.#code()) || '?:,]}%@`'.includes(this.#text[this.#position] ?? ''))) {
      throw this.#error('did not find expected alphabetic or numeric character', start)
    }
    this.#tokens.push(this.#token(type, start, name))
  }

  #readWhile(accepts: (code: number) => boolean): string {
    const start = this.#position
    while (accepts(this.#code())) this.#position++
    return this.#text.slice(start, this.#position)
  }

  #fetchTag(): void {
    this.#saveSimpleKey()
    this.#simpleKeyAllowed = false
    const start = this.#mark
    let [handle, suffix] = ['', '']
    if (this.#code(1) === 0x3c) {
      this.#position += 2
      suffix = this.#readUri(start)
      if (this.#code() !== 0x3e) throw this.#error(`did not find the expected '>'`, start)
      this.#position++
    } else {
      handle = this.#readTagHandle(start)
      if (handle.length > 1 && handle.endsWith('!')) suffix = this.#readUri(start)
      else {
        suffix = handle.slice(1) + this.#readUri(start, { mayBeEmpty: true })
        handle = '!'
        if (suffix === '') [handle, suffix] = ['', '!']
      }
    }
    if (!isBlankOrEnd(this.#code())) throw this.#error('did not find expected whitespace or line break', start)
    this.#tokens.push(this.#token('tag', start, handle, suffix))
  }

  #readTagHandle(start: Mark): string {
    if (this.#code() !== 0x21) throw this.#error(`did not find expected '!'`, start)
    this.#position++
    const name = this.#readWhile(isWordCode)
    if (this.#code() !== 0x21) return `!${name}`
    this.#position++
    return `!${name}!`
  }

  #readUri(start: Mark, { mayBeEmpty = false } = {}): string {
    const uri = this.#readWhile(
      (code) => isWordCode(code) || (code < 0x80 && ";/?:@&=+$,.!~*'()[]%".includes(String.fromCharCode(code))),
    )
    if (uri === '' && !mayBeEmpty) throw this.#error('did not find expected tag URI', start)
    try {
      return decodeURIComponent(uri)
    } catch {
      throw this.#error('did not find URI escaped octet', start)
    }
  }

  #fetchDirective(): void {
    this.#unrollIndent(-1)
    this.#removeSimpleKey()
    this.#simpleKeyAllowed = false
    const start = this.#mark
    this.#position++
    const name = this.#readWhile(isWordCode)
    if (name === '') throw this.#error('could not find expected directive name', start)
    if (!isBlankOrEnd(this.#code())) throw this.#error('found unexpected non-alphabetical character', start)
    this.#readWhile(isBlank)
    if (name === 'YAML') this.#tokens.push(this.#token('version-directive', start, this.#readVersion(start)))
    else if (name === 'TAG') this.#tokens.push(this.#readTagDirective(start))
    else throw this.#error('found unknown directive name', start)
    this.#readWhile(isBlank)
    if (this.#code() === 0x23) this.#skipComment()
    if (!isBreakOrEnd(this.#code())) throw this.#error('did not find expected comment or line break', start)
    if (isBreak(this.#code())) this.#skipBreak()
  }

  #readVersion(start: Mark): string {
    const version = this.#readWhile((code) => isDigit(code) || code === 0x2e)
    if (!/^\d{1,2}\.\d{1,2}$/.test(version)) throw this.#error('did not find expected version number', start)
    return version
  }

  #readTagDirective(start: Mark): Token {
    const handle = this.#readTagHandle(start)
    if (handle !== '!' && !handle.endsWith('!')) throw this.#error(`did not find expected '!'`, start)
    if (!isBlank(this.#code())) throw this.#error('did not find expected whitespace', start)
    this.#readWhile(isBlank)
    const prefix = this.#readUri(start)
    if (!isBlankOrEnd(this.#code())) throw this.#error('did not find expected whitespace or line break', start)
    return this.#token('tag-directive', start, handle, prefix)
  }

  #fetchBlockScalar(style: 'literal' | 'folded'): void {
    this.#removeSimpleKey()
    this.#simpleKeyAllowed = true
    const start = this.#mark
    this.#position++
    const { chomping, increment } = this.#readBlockHeader(start)
    const body = new BlockBody(style === 'folded')
    let indent = increment === 0 ? 0 : Math.max(this.#indent, 0) + increment
    let breaks = this.#readBlockBreaks(indent, start)
    indent = breaks.indent
    let leading = ''
    let trailing = breaks.text
    while (this.#column === indent && !Number.isNaN(this.#code())) {
      const first = this.#code()
      const from = this.#position
      this.#skipToBreak()
      body.add({ leading, trailing, line: this.#text.slice(from, this.#position), isBlank: isBlank(first) })
      leading = isBreak(this.#code()) ? this.#readBreak() : ''
      breaks = this.#readBlockBreaks(indent, start)
      trailing = breaks.text
    }
    const end = (chomping === '-' ? '' : leading) + (chomping === '+' ? trailing : '')
    this.#tokens.push(this.#token('scalar', start, body.text + end, '', style))
  }

  #skipToBreak(): void {
    let code = this.#code()
    while (!isBreakOrEnd(code)) {
      this.#position++
      code = this.#code()
    }
  }

  #readBlockHeader(start: Mark): { chomping: string; increment: number } {
    let chomping = this.#readChomping()
    let increment = 0
    if (isDigit(this.#code())) {
      increment = this.#code() - 0x30
      if (increment === 0) throw this.#error('found an indentation indicator equal to 0', start)
      this.#position++
      if (chomping === '') chomping = this.#readChomping()
    }
    this.#readWhile(isBlank)
    if (this.#code() === 0x23) this.#skipComment()
    if (!isBreakOrEnd(this.#code())) throw this.#error('did not find expected comment or line break', start)
    if (isBreak(this.#code())) this.#skipBreak()
    return { chomping, increment }
  }

  #readChomping(): string {
    const char = this.#text[this.#position] ?? ''
    if (char !== '+' && char !== '-') return ''
    this.#position++
    return char
  }

  /** Eats indentation and empty lines; finds the indentation when it is not known (0). */
  #readBlockBreaks(indent: number, start: Mark): { indent: number; text: string } {
    let text = ''
    let widest = 0
    for (;;) {
      while ((indent === 0 || this.#column < indent) && this.#code() === SPACE) this.#position++
      widest = Math.max(widest, this.#column)
      if ((indent === 0 || this.#column < indent) && this.#code() === TAB) {
        throw this.#error('found a tab character where an indentation space is expected', start)
      }
      if (!isBreak(this.#code())) break
      text += this.#readBreak()
    }
    return { indent: indent === 0 ? Math.max(widest, this.#indent + 1, 1) : indent, text }
  }

  #fetchQuoted(style: 'single' | 'double'): void {
    this.#saveSimpleKey()
    this.#simpleKeyAllowed = false
    const start = this.#mark
    this.#position++
    const quote = style === 'single' ? 0x27 : 0x22
    let text = ''
    for (;;) {
      if (this.#column === 0 && this.#documentIndicator()) throw this.#error('found unexpected document indicator', start)
      if (Number.isNaN(this.#code())) throw this.#error('found unexpected end of stream', start)
      const run = this.#readQuotedRun(style, start)
      text += run.text
      if (this.#code() === quote && !run.escapedBreak) break
      text += this.#readQuotedSpace(run.escapedBreak)
    }
    this.#position++
    this.#tokens.push(this.#token('scalar', start, text, '', style))
  }

  /** Text up to white space or the closing quote. */
  #readQuotedRun(style: 'single' | 'double', start: Mark): { text: string; escapedBreak: boolean } {
    let text = ''
    let from = this.#position
    for (;;) {
      const code = this.#code()
      if (isBlankOrEnd(code)) break
      if (style === 'single' && code === 0x27) {
        if (this.#code(1) !== 0x27) break
        text += this.#text.slice(from, this.#position + 1)
        this.#position += 2
        from = this.#position
      } else if (style === 'double' && code === 0x22) {
        break
      } else if (style === 'double' && code === 0x5c) {
        text += this.#text.slice(from, this.#position)
        if (isBreak(this.#code(1))) {
          this.#position++
          this.#skipBreak()
          return { text, escapedBreak: true }
        }
        text += this.#readEscape(start)
        from = this.#position
      } else {
        this.#position++
      }
    }
    return { text: text + this.#text.slice(from, this.#position), escapedBreak: false }
  }

  #readEscape(start: Mark): string {
    const char = this.#text[this.#position + 1] ?? ''
    const simple = ESCAPES.get(char)
    const length = ESCAPE_LENGTHS.get(char) ?? 0
    if (simple === undefined && length === 0) throw this.#error('found unknown escape character', start)
    this.#position += 2
    if (simple !== undefined) return simple
    const digits = this.#text.slice(this.#position, this.#position + length)
    if (digits.length < length || !/^[0-9a-fA-F]+$/.test(digits))
      throw this.#error('did not find expected hexdecimal number', start)
    const value = Number.parseInt(digits, 16)
    if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
      throw this.#error('found invalid Unicode character escape code', start)
    this.#position += length
    return String.fromCodePoint(value)
  }

  /** White space inside of quotes: one break becomes a space, more become one break less. */
  #readQuotedSpace(afterEscapedBreak: boolean): string {
    let [spaces, leading, trailing] = ['', '', '']
    let onNewLine = afterEscapedBreak
    for (;;) {
      const code = this.#code()
      if (isBlank(code)) {
        if (!onNewLine) spaces += this.#text[this.#position]
        this.#position++
      } else if (isBreak(code)) {
        if (onNewLine) trailing += this.#readBreak()
        else {
          leading = this.#readBreak()
          onNewLine = true
        }
      } else break
    }
    return onNewLine ? folded(leading, trailing) : spaces
  }

  #fetchPlain(): void {
    this.#saveSimpleKey()
    this.#simpleKeyAllowed = false
    const start = this.#mark
    const indent = this.#indent + 1
    let [text, spaces, leading, trailing] = ['', '', '', '']
    let onNewLine = false
    for (;;) {
      if (this.#column === 0 && this.#documentIndicator()) break
      if (this.#code() === 0x23) break
      const from = this.#position
      this.#skipPlainRun()
      if (this.#position > from) {
        text += (onNewLine ? folded(leading, trailing) : spaces) + this.#text.slice(from, this.#position)
        spaces = leading = trailing = ''
        onNewLine = false
      }
      if (!isBlank(this.#code()) && !isBreak(this.#code())) break
      for (;;) {
        const code = this.#code()
        if (isBlank(code)) {
          if (onNewLine && code === TAB && this.#column < indent)
            throw this.#error('found a tab character that violates indentation', start)
          if (!onNewLine) spaces += this.#text[this.#position]
          this.#position++
        } else if (isBreak(code)) {
          if (onNewLine) trailing += this.#readBreak()
          else {
            spaces = ''
            leading = this.#readBreak()
            onNewLine = true
          }
        } else break
      }
      if (this.#flowLevel === 0 && this.#column < indent) break
    }
    if (onNewLine) this.#simpleKeyAllowed = true
    this.#tokens.push(this.#token('scalar', start, text))
  }

  #skipPlainRun(): void {
    for (;;) {
      const code = this.#code()
      if (isBlankOrEnd(code)) return
      if (code === 0x3a && isBlankOrEnd(this.#code(1))) return
      if (
        this.#flowLevel > 0 &&
        (code === 0x2c || code === 0x3f || code === 0x5b || code === 0x5d || code === 0x7b || code === 0x7d)
      )
        return
      this.#position++
    }
  }
}

/** The text of a block scalar as it grows by lines. */
class BlockBody {
  text = ''
  readonly #folded: boolean
  #lastIsBlank = false

  constructor(isFolded: boolean) {
    this.#folded = isFolded
  }

  add({
    leading,
    trailing,
    line,
    isBlank: lineIsBlank,
  }: {
    leading: string
    trailing: string
    line: string
    isBlank: boolean
  }): void {
    if (this.#folded && leading === '\n' && !this.#lastIsBlank && !lineIsBlank) {
      if (trailing === '') this.text += ' '
    } else this.text += leading
    this.text += trailing + line
    this.#lastIsBlank = lineIsBlank
  }
}

function folded(leading: string, trailing: string): string {
  if (leading !== '\n') return leading + trailing
  return trailing === '' ? ' ' : trailing
}

function noKey(): SimpleKey {
  return { possible: false, required: false, tokenNumber: -1, position: 0, line: 0, column: 0 }
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}

function isBreak(code: number): boolean {
  return code === LF || code === CR || code === NEL || code === LS || code === PS
}

function isBreakOrEnd(code: number): boolean {
  return isBreak(code) || Number.isNaN(code)
}

function isBlankOrEnd(code: number): boolean {
  return code === SPACE || code === LF || code === TAB || isBreakOrEnd(code)
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function isWordCode(code: number): boolean {
  return isDigit(code) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) || code === 0x5f || code === 0x2d
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['0', '\0'],
  ['a', '\x07'],
  ['b', '\b'],
  ['t', '\t'],
  ['\t', '\t'],
  ['n', '\n'],
  ['v', '\v'],
  ['f', '\f'],
  ['r', '\r'],
  ['e', '\x1b'],
  [' ', ' '],
  ['"', '"'],
  ["'", "'"],
  ['\\', '\\'],
  ['N', '\u0085'],
  ['_', '\u00a0'],
  ['L', '\u2028'],
  ['P', '\u2029'],
])
const ESCAPE_LENGTHS: ReadonlyMap<string, number> = new Map([
  ['x', 2],
  ['u', 4],
  ['U', 8],
])
