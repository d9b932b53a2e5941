/** Patterns of ignore files and what they exclude. */
import { compileGlob, type Glob } from './glob.ts'

/** One line of an ignore file. */
export interface IgnorePattern {
  /** Names of the directories that lead to the ignore file: the pattern applies below. */
  readonly directory: readonly string[]
  /** `!…`: includes what an earlier pattern excluded. */
  readonly includes: boolean
  /** `…/`: matches directories, and with them what they hold. */
  readonly directoryOnly: boolean
  /** With a `/` in it a pattern is matched from its directory down, otherwise against every name of the path. */
  readonly anchored: boolean
  readonly names: readonly (Glob | typeof anyDirectories | typeof nothing)[]
}

const anyDirectories = Symbol('**')
/** What stands before a leading `/` or between two. */
const nothing = Symbol('')

/**
 * Parses an ignore file that lies in `directory` (`''` is the root).
 * Source: fluxcd/pkg/sourceignore.ReadPatterns, gitignore.ParsePattern.
 */
export function parseIgnore(text: string, directory = ''): IgnorePattern[] {
  const names = directory === '' ? [] : directory.split('/')
  return text
    .split('\n')
    .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
    .filter((line) => !line.startsWith('#') && line.trim() !== '')
    .map((line) => parsePattern(line, names))
}

function parsePattern(line: string, directory: readonly string[]): IgnorePattern {
  const includes = line.startsWith('!')
  let pattern = includes ? line.slice(1) : line
  if (!pattern.endsWith('\\ ')) pattern = pattern.replace(/ +$/, '')
  const directoryOnly = pattern.endsWith('/')
  if (directoryOnly) pattern = pattern.slice(0, -1)
  const anchored = pattern.includes('/')
  return { directory, includes, directoryOnly, anchored, names: pattern.split('/').map((name) => parseName(name, anchored)) }
}

function parseName(name: string, anchored: boolean): IgnorePattern['names'][number] {
  if (name === '') return nothing
  if (name === '**') return anyDirectories
  // `a/b**` matches nothing, while `b**` is `b*`.
  if (anchored && name.includes('**')) return () => false
  return compileGlob(name)
}

/**
 * Whether a file is left out: the last pattern that matches it, or a directory above it, decides.
 * Source: fluxcd/pkg/sourceignore/gitignore.
 */
export function isIgnored(path: string, patterns: readonly IgnorePattern[]): boolean {
  const names = path.split('/')
  const decisive = patterns.findLast((pattern) => applies(pattern, names))
  return decisive !== undefined && !decisive.includes
}

function applies(pattern: IgnorePattern, path: readonly string[]): boolean {
  const { directory } = pattern
  if (path.length <= directory.length || directory.some((name, i) => path[i] !== name)) return false
  const below = directory.length === 0 ? path : path.slice(directory.length)
  return pattern.anchored ? appliesFromTop(pattern, below) : appliesAnywhere(pattern, below)
}

function appliesAnywhere(pattern: IgnorePattern, path: readonly string[]): boolean {
  const [name] = pattern.names
  const matching = path.findIndex((part) => matchesName(name, part))
  // The last name of the path is the file's own.
  return matching >= 0 && !(pattern.directoryOnly && matching === path.length - 1)
}

function matchesName(name: IgnorePattern['names'][number] | undefined, part: string): boolean {
  if (name === anyDirectories) return true
  return typeof name === 'function' && name(part)
}

/** The names of the pattern one by one against the path from the top; what is left of the path lies inside what matched. */
function appliesFromTop(pattern: IgnorePattern, path: readonly string[]): boolean {
  let position = 0
  let matched = false
  let skipping = false
  for (const [i, name] of pattern.names.entries()) {
    if (name === nothing) {
      skipping = false
    } else if (name === anyDirectories) {
      if (i === pattern.names.length - 1) break
      skipping = true
    } else if (skipping) {
      if (position === path.length) return false
      const found = path.findIndex((part, at) => at >= position && name(part))
      matched = found >= 0
      position = matched ? found + 1 : path.length
      skipping = false
    } else {
      const part = path[position++]
      if (part === undefined || !name(part)) return false
      matched = true
    }
  }
  return matched && !(pattern.directoryOnly && position === path.length)
}
