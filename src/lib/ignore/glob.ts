/** One name against one pattern with `*`, `?`, `[a-z]`, `[^a]` and `\` escapes. */

/** Whether a name (no `/` in it) matches. */
export type Glob = (name: string) => boolean

/** A pattern position: a character, a set of them, or any number of any (`*`). */
type Item = string | CharacterSet | typeof star

interface CharacterSet {
  readonly negated: boolean
  readonly ranges: readonly (readonly [from: string, to: string])[]
}

const star = Symbol('*')
const anyCharacter: CharacterSet = { negated: true, ranges: [] }
const nothing: Glob = () => false

/**
 * Compiles a pattern. Time to match grows with pattern × name at most. A malformed pattern matches nothing.
 * Source: Go path/filepath.Match.
 */
export function compileGlob(pattern: string): Glob {
  if (!/[*?[\\]/.test(pattern)) return (name) => name === pattern
  const items = parseGlob([...pattern])
  if (!items) return nothing
  const [first, ...rest] = items
  if (first === star && rest.every((item) => typeof item === 'string')) {
    const suffix = rest.join('')
    return (name) => name.endsWith(suffix)
  }
  return (name) => matches(items, [...name])
}

/** @returns undefined for a malformed pattern. */
function parseGlob(characters: readonly string[]): Item[] | undefined {
  const items: Item[] = []
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i]
    if (character === '*') items.push(star)
    else if (character === '?') items.push(anyCharacter)
    else if (character === '[') {
      const set = parseSet(characters, i + 1)
      if (!set) return undefined
      items.push(set.set)
      i = set.end
    } else {
      if (character === '\\') i++
      const literal = characters[i]
      if (literal === undefined) return undefined
      items.push(literal)
    }
  }
  return items
}

/** Parses from behind `[` to the `]`, whose index is `end`. */
function parseSet(characters: readonly string[], start: number): { set: CharacterSet; end: number } | undefined {
  const negated = characters[start] === '^'
  const ranges: [string, string][] = []
  let i = negated ? start + 1 : start
  while (ranges.length === 0 || characters[i] !== ']') {
    const from = setMember(characters, i)
    if (!from) return undefined
    const to = characters[from.next] === '-' ? setMember(characters, from.next + 1) : from
    if (!to) return undefined
    ranges.push([from.character, to.character])
    i = to.next
  }
  return { set: { negated, ranges }, end: i }
}

function setMember(characters: readonly string[], at: number): { character: string; next: number } | undefined {
  const escaped = characters[at] === '\\'
  const character = characters[escaped ? at + 1 : at]
  if (character === undefined || (!escaped && (character === '-' || character === ']'))) return undefined
  return { character, next: escaped ? at + 2 : at + 1 }
}

/** On a mismatch only the last `*` is stretched: earlier ones cannot help. */
function matches(items: readonly Item[], name: readonly string[]): boolean {
  let item = 0
  let position = 0
  let lastStar = -1
  let stretchedTo = 0
  while (position < name.length) {
    const current = items[item]
    if (current === star) {
      lastStar = item++
      stretchedTo = position
    } else if (current !== undefined && fits(current, name[position] as string)) {
      item++
      position++
    } else {
      if (lastStar < 0) return false
      item = lastStar + 1
      position = ++stretchedTo
    }
  }
  while (items[item] === star) item++
  return item === items.length
}

function fits(item: string | CharacterSet, character: string): boolean {
  if (typeof item === 'string') return item === character
  const code = codeOf(character)
  return item.negated !== item.ranges.some(([from, to]) => codeOf(from) <= code && code <= codeOf(to))
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0
}
