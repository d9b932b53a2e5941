/** Regular expressions of Go: RE2, in linear time. Source: Go regexp. */

import { RE2JS } from 're2js'
import type { Budget } from '../environment.ts'
import { FuncError } from '../func.ts'
import { canBackquote, quote } from '../strconv.ts'
import { type Rewritten, rewritten } from './dialect.ts'
import { isDigit, isLetter } from './letters.ts'
import { validText } from './text.ts'

/** Where a match lies, as indices into the text. */
export interface Match {
  readonly start: number
  readonly end: number
  /** Where a group lies; of those that share a name, the first that took part. Empty when none did. */
  group(reference: number | string): readonly [start: number, end: number]
}

/** A compiled expression. */
export class Pattern {
  readonly #re: RE2JS
  /** In instructions: each character may be compared with all of them. */
  readonly #size: number
  readonly #groups: Rewritten['groups']
  constructor(re: RE2JS, groups: Rewritten['groups'] = new Map()) {
    this.#re = re
    this.#groups = groups
    this.#size = Math.max(8, re.programSize())
  }

  isMatch(text: string, budget: Budget): boolean {
    budget.steps(this.#cost(text, 0))
    return this.#re.test(validText(text))
  }

  /**
   * The first match from an index on; what lies before it still counts for `^` and `\b`. To expressions a byte that is not UTF-8 is
   * U+FFFD: the text is to be one of `validText`, in which indices are the same.
   */
  find(text: string, from: number, budget: Budget): Match | undefined {
    budget.steps(this.#cost(text, from))
    const matcher = this.#re.matcher(text)
    if (!matcher.find(from)) return undefined
    // Read when asked for: groups cost another search.
    const group = (reference: number | string) => {
      for (const number of this.#numbersOf(reference)) {
        const start = number <= matcher.groupCount() ? matcher.start(number) : -1
        if (start >= 0) return [start, matcher.end(number)] as const
      }
      return [0, 0] as const
    }
    return { start: matcher.start(), end: matcher.end(), group }
  }

  #numbersOf(reference: number | string): number[] {
    if (typeof reference === 'number') return [reference]
    const byName = this.#re.namedGroups()
    const names = this.#groups.get(reference) ?? [reference]
    return names.flatMap((name) => (Object.hasOwn(byName, name) ? (byName[name] ?? []) : []))
  }

  /** As if all of the rest was looked at, which is how a search that starts over after each match becomes quadratic. */
  #cost(text: string, from: number): number {
    return 1 + Math.floor(((text.length - from) * this.#size) / 1024)
  }
}

/** Templates compile the same few expressions again and again. */
const maxCached = 500
const maxCachedLength = 1000
const cache = new Map<string, Pattern>()

/** @throws FuncError with Go's words: `error parsing regexp: missing closing ): …`. */
export function compile(expression: string, budget: Budget): Pattern {
  const known = cache.get(expression)
  if (known) return known
  budget.steps(expression.length)
  const pattern = parse(expression)
  if (cache.size >= maxCached) cache.clear()
  if (expression.length <= maxCachedLength) cache.set(expression, pattern)
  return pattern
}

/** As Go's MustCompile, which panics: in its words. @throws FuncError */
export function mustCompile(expression: string, budget: Budget): Pattern {
  try {
    return compile(expression, budget)
  } catch (error) {
    if (!(error instanceof FuncError)) throw error
    const quoted = canBackquote(expression) ? `\`${expression}\`` : quote(expression)
    throw new FuncError(`regexp: Compile(${quoted}): ${error.message}`, { cause: error })
  }
}

function parse(expression: string): Pattern {
  const first = patternOrProblem(() => new Pattern(RE2JS.compile(expression)))
  if (first instanceof Pattern) return first
  const { expression: other, groups } = rewritten(expression)
  const second = patternOrProblem(() => new Pattern(RE2JS.compile(other), groups))
  if (second instanceof Pattern) return second
  const problem = first.message.includes(': duplicate capture group name: ') ? second : first
  // Go quotes also the nothing that follows a last backslash.
  throw new FuncError(problem.message.endsWith('`') ? problem.message : `${problem.message}: \`\``, { cause: problem })
}

function patternOrProblem(compile: () => Pattern): Pattern | Error {
  try {
    return compile()
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('error parsing regexp: ')) return error
    throw error
  }
}

/** The matches, `limit` at most when it is not negative. An empty one right after another does not count. Source: Go Regexp.allMatches. */
export function matchAll(pattern: Pattern, text: string, limit: number, budget: Budget): Match[] {
  const found: Match[] = []
  const valid = validText(text)
  let lastEnd = -1
  for (let at = 0; (limit < 0 || found.length < limit) && at <= text.length; ) {
    const match = pattern.find(valid, at, budget)
    if (!match) break
    const { start, end } = match
    if (end !== at || start !== lastEnd) found.push(match)
    at = end === at ? at + runeLength(text, at) : end
    lastEnd = end
  }
  return found
}

/** Replaces every match; the replacement gets the groups. Source: Go Regexp.replaceAll. */
export function replaceAll(pattern: Pattern, text: string, replacement: (match: Match) => string, budget: Budget): string {
  const valid = validText(text)
  let out = ''
  let lastEnd = 0
  for (let at = 0; at <= text.length; ) {
    const match = pattern.find(valid, at, budget)
    if (!match) break
    const { start, end } = match
    out += text.slice(lastEnd, start)
    if (end > lastEnd || start === 0) out += replacement(match)
    budget.checkText(out.length)
    lastEnd = end
    at = Math.max(at + runeLength(text, at), end)
  }
  return out + text.slice(lastEnd)
}

/** 1 also at the end, so that loops go past it. */
function runeLength(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
}

/** The text around the matches. Source: Go Regexp.Split. */
export function split(pattern: Pattern, expression: string, text: string, limit: number, budget: Budget): string[] | undefined {
  if (limit === 0) return undefined
  if (expression !== '' && text === '') return ['']
  const parts: string[] = []
  let begin = 0
  let end = 0
  for (const match of matchAll(pattern, text, limit, budget)) {
    if (limit > 0 && parts.length >= limit - 1) break
    end = match.start
    if (match.end !== 0) parts.push(text.slice(begin, end))
    begin = match.end
  }
  if (end !== text.length) parts.push(text.slice(begin))
  return parts
}

/** What a replacement makes of a match: `$1`, `$name` and `${name}` are groups, `$$` is `$`. Source: Go Regexp.expand. */
export function expander(replacement: string, text: string): (match: Match) => string {
  if (!replacement.includes('$')) return () => replacement
  const pieces = templateOf(replacement)
  return (match) => pieces.map((piece) => (typeof piece === 'string' ? piece : text.slice(...match.group(piece.group)))).join('')
}

type Piece = string | { readonly group: number | string }

function templateOf(replacement: string): Piece[] {
  const pieces: Piece[] = []
  let at = 0
  for (let dollar = replacement.indexOf('$'); dollar >= 0; dollar = replacement.indexOf('$', at)) {
    pieces.push(replacement.slice(at, dollar))
    const { piece, length } = referenceIn(replacement.slice(dollar + 1))
    pieces.push(piece)
    at = dollar + 1 + length
  }
  return [...pieces, replacement.slice(at)]
}

/** What a `$` stands for, and how much of the text after it belongs to it. */
function referenceIn(text: string): { piece: Piece; length: number } {
  if (text.startsWith('$')) return { piece: '$', length: 1 }
  const brace = text.startsWith('{') ? 1 : 0
  const name = nameIn(text.slice(brace))
  if (name === '' || (brace > 0 && text[brace + name.length] !== '}')) return { piece: '$', length: 0 }
  const isNumber = /^(?:0|[1-9]\d{0,8})$/.test(name)
  return { piece: { group: isNumber ? Number(name) : name }, length: name.length + 2 * brace }
}

function nameIn(text: string): string {
  let name = ''
  for (const rune of text) {
    if (rune !== '_' && !isLetter(rune) && !isDigit(rune)) break
    name += rune
  }
  return name
}

/** Source: Go regexp.QuoteMeta. */
export function quoteMeta(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&')
}
