/** A place in a text on its way through the scanner, and the characters there. */

/** A place in the text; all from 0. */
export interface Mark {
  readonly line: number
  readonly column: number
  readonly index: number
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

export const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
export const SPACE = 0x20
const NEL = 0x85
const LS = 0x2028
const PS = 0x2029

/** Reads characters and keeps count of lines. */
export class Cursor {
  readonly text: string
  position = 0
  #line = 0
  #lineStart = 0

  /** A byte order mark at the start is no part of the text. */
  constructor(text: string) {
    this.text = text.startsWith('\ufeff') ? text.slice(1) : text
  }

  get line(): number {
    return this.#line
  }

  get column(): number {
    return this.position - this.#lineStart
  }

  get mark(): Mark {
    return { line: this.#line, column: this.column, index: this.position }
  }

  /** NaN at the end: no comparison holds for it. */
  code(offset = 0): number {
    return this.text.charCodeAt(this.position + offset)
  }

  error(message: string, context?: Mark): ScanError {
    return new ScanError(message, this.mark, context)
  }

  skipBreak(): void {
    this.position += this.code() === CR && this.code(1) === LF ? 2 : 1
    this.startLine()
  }

  /** What follows counts as a new line. */
  startLine(): void {
    this.#line++
    this.#lineStart = this.position
  }

  /** Reads a line break: CRLF, CR and NEL become a line feed; the separators of Unicode stay. */
  readBreak(): string {
    const code = this.code()
    const text = code === LS || code === PS ? String.fromCharCode(code) : '\n'
    this.skipBreak()
    return text
  }

  skipToBreak(): void {
    let code = this.code()
    while (!isBreakOrEnd(code)) {
      this.position++
      code = this.code()
    }
  }

  readWhile(accepts: (code: number) => boolean): string {
    const start = this.position
    while (accepts(this.code())) this.position++
    return this.text.slice(start, this.position)
  }

  /** The line that separates documents, or ends one, if one stands here. */
  documentIndicator(): 'document-start' | 'document-end' | undefined {
    if (this.column !== 0) return undefined
    const code = this.code()
    if ((code !== 0x2d && code !== 0x2e) || this.code(1) !== code || this.code(2) !== code || !isBlankOrEnd(this.code(3))) {
      return undefined
    }
    return code === 0x2d ? 'document-start' : 'document-end'
  }
}

/** The rest of the text cannot be read. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError'
}

/** Reads the part of a text that comes before characters which are not allowed. */
export class CutCursor extends Cursor {
  /** @throws UnreadableError behind that part */
  override code(offset = 0): number {
    const code = super.code(offset)
    if (Number.isNaN(code)) throw new UnreadableError('the text goes on with characters that are not allowed')
    return code
  }
}

export function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}

export function isBreak(code: number): boolean {
  return code <= CR ? code === LF || code === CR : code === NEL || code === LS || code === PS
}

export function isBreakOrEnd(code: number): boolean {
  return isBreak(code) || Number.isNaN(code)
}

export function isBlankOrEnd(code: number): boolean {
  return code === SPACE || code === LF || code === TAB || isBreakOrEnd(code)
}

export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

export function isWordCode(code: number): boolean {
  return isDigit(code) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) || code === 0x5f || code === 0x2d
}
