/** `.helmignore`: which files of a chart's folder are no part of the chart. The rules are Helm's own, not Git's. */

import { BuildError } from '../errors.ts'

export interface IgnoreRules {
  /** Whether a file or directory stays out; `path` is relative to the chart's folder. */
  ignores(path: string, isDirectory: boolean): boolean
}

interface Rule {
  readonly pattern: string
  readonly isNegated: boolean
  readonly directoriesOnly: boolean
  /** A pattern with a slash is matched with the whole path, another one with the last part of it. */
  readonly wholePath: boolean
}

/** What Helm always leaves out. */
const builtIn = 'templates/.?*'

/**
 * Parses the text of a `.helmignore`; the rule that hidden files of templates/ are left out is always added.
 * @throws BuildError for `**` and for malformed patterns.
 * Source: helm pkg/ignore/rules.go.
 */
export function parseIgnoreRules(text: string): IgnoreRules {
  const lines = text.replace(/^\ufeff/, '').split('\n')
  const rules = [...lines, builtIn].flatMap(parseRule)
  return { ignores: (path, isDirectory) => isIgnored(rules, path, isDirectory) }
}

function parseRule(line: string): Rule[] {
  const text = line.trim()
  if (text === '' || text.startsWith('#')) return []
  if (text.includes('**')) throw new BuildError('double-star (**) syntax is not supported')
  matchPath(text, 'abc')
  const isNegated = text.startsWith('!')
  const positive = isNegated ? text.slice(1) : text
  const directoriesOnly = positive.endsWith('/')
  const path = directoriesOnly ? positive.slice(0, -1) : positive
  return [{ pattern: path.replace(/^\//, ''), isNegated, directoriesOnly, wholePath: path.includes('/') }]
}

/** The first rule that decides. A negated rule does so by not matching: `!a` ignores everything but `a`, as in Helm. */
function isIgnored(rules: readonly Rule[], path: string, isDirectory: boolean): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1)
  for (const rule of rules) {
    const applies = isDirectory || !rule.directoriesOnly
    if (!applies && !rule.isNegated) continue
    const matches = applies && matchesRule(rule, rule.wholePath ? path : name)
    if (matches !== rule.isNegated) return true
  }
  return false
}

/** A pattern whose fault shows only now matches nothing. */
function matchesRule(rule: Rule, path: string): boolean {
  try {
    return matchPath(rule.pattern, path)
  } catch {
    return false
  }
}

/**
 * Whether a shell pattern matches a whole path: `*` and `?` stop at slashes, `[a-z]` and `[^a]` are classes, a backslash quotes.
 * @throws BuildError for a part between stars that is malformed, once the parts before it match.
 * Source: Go path/filepath.Match.
 */
export function matchPath(pattern: string, path: string): boolean {
  const text = [...path]
  const parts = splitPattern([...pattern])
  let at = 0
  for (const [index, { isStarred, source }] of parts.entries()) {
    if (isStarred && source.length === 0) return !text.includes('/', at)
    const end = findPart(parsePart(source), text, at, { isStarred, isLast: index === parts.length - 1 })
    if (end < 0) return false
    at = end
  }
  return at === text.length
}

/** What stands between stars. */
interface Part {
  /** A star comes before it. */
  readonly isStarred: boolean
  readonly source: readonly string[]
}

function splitPattern(pattern: readonly string[]): Part[] {
  const parts: Part[] = []
  for (let at = 0; at < pattern.length; ) {
    const isStarred = pattern[at] === '*'
    while (pattern[at] === '*') at++
    const end = endOfPart(pattern, at)
    parts.push({ isStarred, source: pattern.slice(at, end) })
    at = end
  }
  return parts
}

function endOfPart(pattern: readonly string[], start: number): number {
  let inClass = false
  for (let at = start; at < pattern.length; at++) {
    const character = pattern[at]
    if (character === '\\') at++
    else if (character === '[') inClass = true
    else if (character === ']') inClass = false
    else if (character === '*' && !inClass) return at
  }
  return pattern.length
}

/** Where the text goes on behind the first place where a part fits; -1 when it fits nowhere. */
function findPart(
  tests: readonly CharacterTest[],
  text: readonly string[],
  start: number,
  { isStarred, isLast }: { isStarred: boolean; isLast: boolean },
): number {
  for (let from = start; from <= text.length; from++) {
    const end = from + tests.length
    const fits = end <= text.length && tests.every((test, offset) => test(text[from + offset] ?? ''))
    if (fits && (!isLast || end === text.length)) return end
    if (!isStarred || text[from] === '/') return -1
  }
  return -1
}

type CharacterTest = (character: string) => boolean

function parsePart(source: readonly string[]): CharacterTest[] {
  const tests: CharacterTest[] = []
  for (let at = 0; at < source.length; ) {
    const character = source[at++] ?? ''
    if (character === '?') tests.push((other) => other !== '/')
    else if (character === '[') at = parseClass(source, at, tests)
    else {
      const wanted = character === '\\' ? source[at++] : character
      if (wanted === undefined) throw badPattern()
      tests.push((other) => other === wanted)
    }
  }
  return tests
}

/** Reads a class from behind its `[`; returns where the part goes on. */
function parseClass(source: readonly string[], start: number, tests: CharacterTest[]): number {
  const isNegated = source[start] === '^'
  let at = isNegated ? start + 1 : start
  const ranges: (readonly [number, number])[] = []
  while (source[at] !== ']' || ranges.length === 0) {
    const low = classCharacter(source, at)
    const high = source[low.next] === '-' ? classCharacter(source, low.next + 1) : low
    at = high.next
    ranges.push([low.code, high.code])
  }
  tests.push((other) => {
    const code = other.codePointAt(0) ?? 0
    return ranges.some(([low, high]) => low <= code && code <= high) !== isNegated
  })
  return at + 1
}

/** A character of a class; something must follow it. */
function classCharacter(source: readonly string[], at: number): { readonly code: number; readonly next: number } {
  const isQuoted = source[at] === '\\'
  const character = source[isQuoted ? at + 1 : at]
  const next = at + (isQuoted ? 2 : 1)
  if (character === undefined || next >= source.length) throw badPattern()
  if (!isQuoted && (character === '-' || character === ']')) throw badPattern()
  return { code: character.codePointAt(0) ?? 0, next }
}

function badPattern(): BuildError {
  return new BuildError('syntax error in pattern')
}
