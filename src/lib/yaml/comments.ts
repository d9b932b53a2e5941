/** Comments of a text, and the nodes that go-yaml 3 gives them to: kustomize acts on what some of them say. */

import { type Cursor, isBlank, isBreak, isBreakOrEnd, type Mark } from './cursor.ts'
import type { Comments } from './node.ts'
import type { Token } from './scan.ts'

type Part = 'head' | 'line' | 'foot'

/** A comment on its way to a node. */
interface Remark {
  part: Part
  readonly text: string
  /** It belongs to the first token from here on. */
  tokenIndex: number
  readonly start: Mark
  /** Where the white space before it began; it ends before `endIndex`. */
  readonly scanIndex: number
  readonly endIndex: number
}

/** What the scanner knows where a comment begins. */
interface Surroundings {
  /** Where the white space before the comment began. */
  readonly from: Mark
  /** The token that the comment may belong to as its foot. */
  readonly token: Pick<Token, 'type' | 'index'> | undefined
  readonly indent: number
  readonly inFlow: boolean
}

/** go-yaml looks no further than this for a comment. */
const WINDOW = 512
const BLOCK_HEADER = /[|>](?:[+-]\d?|\d[+-]?)?[ \t]*/y

/** Collects comments while tokens are read, and hands them out with the tokens. Source: scannerc.go and parserc.go of go-yaml. */
export class CommentCollector {
  readonly #cursor: Cursor
  #remarks: Remark[] = []
  #head: string | undefined
  #line: string | undefined
  #foot: string | undefined
  #stem: string | undefined

  constructor(cursor: Cursor) {
    this.#cursor = cursor
  }

  /** A comment on the rest of a token's line. */
  readLine(tokenIndex: number): void {
    if (this.#newlines() > 0) return
    const { text, position } = this.#cursor
    let at = position
    while (at < position + WINDOW && isBlank(text.charCodeAt(at))) at++
    if (at === position + WINDOW || text[at] !== '#') return
    this.#cursor.position = at
    const start = this.#cursor.mark
    this.#cursor.skipToBreak()
    this.#add('line', { text: text.slice(at, this.#cursor.position), tokenIndex, start, scanIndex: 0, endIndex: 0 })
  }

  /** A comment behind the header of a block text, which begins here. The header is read again by who reads the text. */
  readHeaderLine(): void {
    const cursor = this.#cursor
    const { position } = cursor
    BLOCK_HEADER.lastIndex = position
    cursor.position += BLOCK_HEADER.exec(cursor.text)?.[0].length ?? 0
    if (cursor.code() === 0x23) this.readLine(position)
    cursor.position = position
  }

  #add(part: Part, remark: Omit<Remark, 'part'>): void {
    this.#remarks.push({ part, ...remark })
  }

  /** Line breaks between here and the last text before. */
  #newlines(): number {
    const { text } = this.#cursor
    let count = 0
    for (let at = this.#cursor.position - 1; at >= 0; at--) {
      const code = text.charCodeAt(at)
      if (isBreak(code)) count++
      else if (!isBlank(code)) break
    }
    return count
  }

  /**
   * Comments on lines of their own, up to the next token: the foot of what stands before them, the head of what follows, or both,
   * parted at empty lines and changes of indentation.
   */
  readLines({ from, token, indent, inFlow }: Surroundings): void {
    const cursor = this.#cursor
    const nextIndent = Math.max(indent, 0)
    const newlines = this.#newlines()
    let firstEmpty = newlines <= 1
    let recentEmpty = false
    let footLine = -1
    if (from.line > 0) footLine = cursor.line - newlines + (newlines === 0 && cursor.column > 1 ? 2 : 1)
    let tokenIndex = token?.index ?? 0
    let scanIndex = from.index
    let { line, column } = cursor
    let start: Mark = { line: 0, column: -1, index: 0 }
    let text = ''
    const endFoot = (endIndex: number): void => {
      this.#add('foot', { text, tokenIndex, start, scanIndex, endIndex })
      scanIndex = endIndex
      tokenIndex = endIndex
      text = ''
    }
    let peek = 0
    for (; peek < WINDOW; peek++) {
      const code = cursor.code(peek)
      column++
      if (isBlank(code)) continue
      const closesFlow = inFlow && (code === 0x5d || code === 0x7d)
      if (closesFlow || isBreakOrEnd(code)) {
        if (closesFlow || !recentEmpty) {
          const isDedented = start.column < nextIndent
          if (closesFlow || (firstEmpty && ((start.line === footLine && token?.type !== 'value') || isDedented))) {
            if (text !== '') {
              if (isDedented) tokenIndex = start.index
              endFoot(cursor.position + peek)
            }
          } else if (text !== '' && !Number.isNaN(code)) text += '\n'
        }
        if (!isBreak(code)) break
        firstEmpty = false
        recentEmpty = true
        column = 0
        line++
        continue
      }
      if (text !== '' && column - 1 < nextIndent && column !== start.column + 1) endFoot(cursor.position + peek)
      if (code !== 0x23) break
      if (text === '') start = { index: cursor.position + peek, line, column: column - 1 }
      else text += '\n'
      recentEmpty = false
      text += this.#takeLineAt(cursor.position + peek)
      peek = 0
      column = 0
      line = cursor.line
    }
    if (text === '') return
    this.#add('head', { text, tokenIndex: start.index, start, scanIndex, endIndex: cursor.position + peek - 1 })
  }

  /** Goes to `index`, maybe some lines on, and reads the rest of its line. */
  #takeLineAt(index: number): string {
    const cursor = this.#cursor
    while (cursor.position < index) {
      if (isBreak(cursor.code())) cursor.skipBreak()
      else cursor.position++
    }
    cursor.skipToBreak()
    return cursor.text.slice(index, cursor.position)
  }

  /** `- # text` above the entry's content is a head of that content rather than a comment on the line. */
  headOfEntry(): void {
    const last = this.#remarks.at(-1)
    if (last?.part !== 'line') return
    last.part = 'head'
    if (last.start.line === this.#cursor.line - 1) last.tokenIndex = this.#cursor.position
  }

  /** Where a block that ends counts as ended: before comments that stand at its indentation. */
  endOfBlock(index: number, indent: number): number {
    let [end, stop] = [index, index]
    for (const remark of this.#remarks.toReversed()) {
      if (remark.endIndex < stop) break
      if (remark.start.column === indent) end = remark.start.index
      stop = remark.scanIndex
    }
    return end
  }

  /** Makes what belongs to a token ready for the next node. */
  reach(token: Pick<Token, 'type' | 'index'>): void {
    while (this.#remarks[0] && token.index >= this.#remarks[0].tokenIndex) {
      const { part, text } = this.#remarks[0]
      if (part === 'head' && token.type === 'block-end') return
      this.#remarks.shift()
      if (part === 'head') this.#head = joined(this.#head, text)
      else if (part === 'line') this.#line = joined(this.#line, text)
      else this.#foot = joined(this.#foot, text)
    }
  }

  /** What is ready, for a node; undefined when that is nothing. */
  take(): Comments | undefined {
    const comments = { head: this.#head ?? '', line: this.#line ?? '', foot: this.#foot ?? '' }
    this.#head = this.#line = this.#foot = this.#stem = undefined
    return comments.head === '' && comments.line === '' && comments.foot === '' ? undefined : comments
  }

  /** Drops the part above the last empty line of what stands before a document without `---`: it is the document's. */
  dropDocumentHead(): void {
    const head = this.#head ?? ''
    const end = head.endsWith('\n') ? head.length - 1 : head.lastIndexOf('\n\n') + 1
    if (end > 0) this.#head = head.slice(end + 1)
  }

  get headLength(): number {
    return this.#head?.length ?? 0
  }

  /** Puts the first part of the head aside for the collection that an entry of a list holds. */
  splitStem(length: number): void {
    if (length === 0 || this.#head === undefined) return
    this.#stem = this.#head.slice(0, length)
    this.#head = this.#head.length === length ? undefined : this.#head.slice(length + 1)
  }

  takeStem(): string {
    const head = this.#stem ?? ''
    this.#stem = undefined
    return head
  }
}

function joined(before: string | undefined, text: string): string {
  return before === undefined || before === '' ? text : `${before}\n${text}`
}
