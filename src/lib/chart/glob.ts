/** Patterns of `.Files.Glob`: those of gobwas/glob with `/` as the separator. */

import { RE2JS } from 're2js'

/**
 * Whether a name matches: `*` and `?` match anything but `/`, `**` everything, `[a-z]` `[abc]` `[!a]` one character, `{a,b}` one of these.
 * A pattern that cannot be read matches everything, as Helm has it.
 * Source: github.com/gobwas/glob syntax/lexer, syntax/ast.
 */
export function matcherOf(pattern: string): (name: string) => boolean {
  const expression = new PatternReader(pattern).read()
  if (expression === undefined) return () => true
  const compiled = RE2JS.compile(expression, RE2JS.DOTALL)
  return (name) => compiled.matches(name)
}

/** Rewrites a pattern as a regular expression. */
class PatternReader {
  readonly #characters: readonly string[]
  #at = 0
  #depth = 0
  #isBroken = false

  constructor(pattern: string) {
    this.#characters = [...pattern]
  }

  /** Undefined for a pattern that cannot be read. Braces that are not closed end with it. */
  read(): string | undefined {
    let out = ''
    while (this.#at < this.#characters.length) {
      out += this.#next()
      if (this.#isBroken) return undefined
    }
    return out + ')'.repeat(this.#depth)
  }

  #next(): string {
    const character = this.#take()
    if (character === '{') return this.#open()
    if (character === ',' && this.#depth > 0) return '|'
    if (character === '}' && this.#depth > 0) return this.#close()
    if (character === '[') return this.#class()
    if (character === '?') return '[^/]'
    if (character === '*') return this.#star()
    return literal(character === '\\' ? this.#take() : character)
  }

  #take(): string {
    return this.#characters[this.#at++] ?? ''
  }

  #open(): string {
    this.#depth++
    return '(?:'
  }

  #close(): string {
    this.#depth--
    return ')'
  }

  #star(): string {
    if (this.#characters[this.#at] !== '*') return '[^/]*'
    this.#at++
    return '.*'
  }

  /** Either one range or some characters, in which `-` is nothing special. */
  #class(): string {
    const isNegated = this.#characters[this.#at] === '!'
    if (isNegated) this.#at++
    const isRange = this.#characters[this.#at + 1] === '-'
    const members = isRange ? this.#range() : this.#list()
    if (members === '' || this.#take() !== ']') this.#isBroken = true
    return `[${isNegated ? '^' : ''}${members}]`
  }

  #range(): string {
    const [low, , high] = [this.#take(), this.#take(), this.#take()]
    if (high === '' || (high.codePointAt(0) ?? 0) < (low.codePointAt(0) ?? 0)) return ''
    return `${member(low)}-${member(high)}`
  }

  #list(): string {
    let out = ''
    while (this.#at < this.#characters.length && this.#characters[this.#at] !== ']') {
      const character = this.#take()
      out += member(character === '\\' ? this.#take() : character)
    }
    return out
  }
}

function literal(character: string): string {
  return /[\w/-]/.test(character) ? character : RE2JS.quote(character)
}

function member(character: string): string {
  return character === '' ? '' : `\\x{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
