/** Shell patterns in which `*` crosses slashes. Source: github.com/fluxcd/pkg/envsubst/path, Go path.Match. */
import { ParseError } from '../errors.ts'
import type { Limits } from './operators.ts'

/** One step of a pattern. A star stays where it is, any other step consumes one character. */
type Step = 'star' | ((character: string) => boolean)

/**
 * The lengths (from 1, ascending) of the prefixes that the pattern matches whole; undefined for a malformed pattern. All steps that may
 * be next are followed at once, so the time is characters × steps, whatever the pattern.
 */
export function matchedPrefixes(pattern: string, characters: readonly string[], limits: Limits): number[] | undefined {
  const steps = parsePattern(pattern)
  if (!steps) return undefined
  const matched: number[] = []
  let states = withStars(steps, [0])
  for (const [index, character] of characters.entries()) {
    limits.work += states.length
    if (limits.work > limits.maxWork) throw new ParseError(`matching the pattern "${pattern.slice(0, 40)}" takes too long`)
    states = withStars(steps, next(steps, states, character))
    if (states.length === 0) break
    if (states.at(-1) === steps.length) matched.push(index + 1)
  }
  return matched
}

/** The states after a character, ascending, each once. */
function next(steps: readonly Step[], states: readonly number[], character: string): number[] {
  const after: number[] = []
  for (const state of states) {
    const step = steps[state]
    if (step === undefined) continue
    const to = step === 'star' ? state : step(character) ? state + 1 : undefined
    if (to !== undefined && after.at(-1) !== to) after.push(to)
  }
  return after
}

/** A star may match nothing: the state behind it is reached with it. */
function withStars(steps: readonly Step[], states: readonly number[]): number[] {
  const closed: number[] = []
  for (let state of states) {
    if (closed.at(-1) !== undefined && (closed.at(-1) ?? 0) >= state) continue
    closed.push(state)
    while (steps[state] === 'star') closed.push(++state)
  }
  return closed
}

function parsePattern(pattern: string): Step[] | undefined {
  const characters = [...pattern]
  const steps: Step[] = []
  for (let at = 0; at < characters.length; ) {
    const character = characters[at++]
    if (character === '*') {
      if (steps.at(-1) !== 'star') steps.push('star')
    } else if (character === '?') {
      steps.push(() => true)
    } else if (character === '[') {
      const parsed = parseClass(characters, at)
      if (!parsed) return undefined
      steps.push(parsed.step)
      at = parsed.end
    } else {
      const literal = character === '\\' ? characters[at++] : character
      if (literal === undefined) return undefined
      steps.push((candidate) => candidate === literal)
    }
  }
  return steps
}

/** `[a-z]`, `[^a]`: ranges up to the first `]` that is not the first character. */
function parseClass(characters: readonly string[], start: number): { step: Step; end: number } | undefined {
  const negated = characters[start] === '^'
  const ranges: [number, number][] = []
  let at = negated ? start + 1 : start
  const bound = (): number | undefined => {
    if (characters[at] === '-' || characters[at] === ']') return undefined
    if (characters[at] === '\\') at++
    return characters[at++]?.codePointAt(0)
  }
  while (characters[at] !== ']' || ranges.length === 0) {
    const low = bound()
    const isRange = characters[at] === '-'
    if (isRange) at++
    const high = isRange ? bound() : low
    if (low === undefined || high === undefined || at >= characters.length) return undefined
    ranges.push([low, high])
  }
  const contains = (point: number) => ranges.some(([low, high]) => low <= point && point <= high)
  return { step: (character) => contains(character.codePointAt(0) ?? 0) !== negated, end: at + 1 }
}
