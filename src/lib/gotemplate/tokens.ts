/** The tokens of a template as its parser takes them: some ahead, and some given back. Source: Go text/template/parse/parse.go. */

import type { Lexer, Token } from './lex.ts'

export class Tokens {
  readonly #lexer: Lexer
  /** Tokens that were given back, the next one last. */
  readonly #pending: Token[] = []
  #line = 1

  constructor(lexer: Lexer) {
    this.#lexer = lexer
  }

  /** The line of the last token that the lexer gave, which may be ahead of the parser: errors are in this line. */
  get line(): number {
    return this.#line
  }

  next(): Token {
    const pending = this.#pending.pop()
    if (pending) return pending
    const token = this.#lexer.next()
    this.#line = token.line
    return token
  }

  nextNonSpace(): Token {
    for (;;) {
      const token = this.next()
      if (token.kind !== 'space') return token
    }
  }

  peek(): Token {
    const token = this.next()
    this.#pending.push(token)
    return token
  }

  /** Takes spaces away, and leaves what follows them. */
  peekNonSpace(): Token {
    const token = this.nextNonSpace()
    this.#pending.push(token)
    return token
  }

  /** Gives tokens back, the one to be read next last. */
  backUp(...tokens: readonly Token[]): void {
    this.#pending.push(...tokens)
  }
}
