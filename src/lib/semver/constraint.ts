/** Ranges of versions. */
import { ParseError } from '../errors.ts'
import { comparePrereleases, compareVersions, parseVersion, type Version } from './version.ts'

/** A range such as `>=1.0.0 <2 || ~3.1`. */
export interface Constraint {
  readonly text: string
  /** Whether the version lies in the range. Pre-releases do only where the group of the range that it meets names one. */
  check(version: Version): boolean
}

/** Limits and texts as in Masterminds semver v3.5. */
const longestConstraint = 512
const mostGroups = 32

const part = '[0-9xX*|]+'
const identifiers = '[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*'
const versionPattern = `v?(${part})(?:\\.(${part}))?(?:\\.(${part}))?(-${identifiers})?(?:\\+${identifiers})?`
/** What Go's `\\s` matches. */
const space = '[\\t\\n\\f\\r ]'
const termPattern = new RegExp(`(=>|=<|>=|<=|!=|~>|=|>|<|~|\\^|)${space}*(${versionPattern})${space}*`, 'y')
const hyphenPattern = new RegExp(`${space}*(${versionPattern})${space}+-${space}+(${versionPattern})${space}*`, 'g')

/** One comparison. A field left out or written as `x` leaves its number open. */
interface Term {
  readonly version: Version
  /** Something is left open. */
  readonly open: boolean
  /** The minor is left open, the major is not. */
  readonly openMinor: boolean
  /** The patch alone is left open. */
  readonly openPatch: boolean
  readonly holds: (version: Version, term: Term) => boolean
}

/**
 * Parses a range: groups separated by `||`, in each comparisons separated by spaces or commas that must all hold; operators
 * `= != > < >= => <= =< ~ ~> ^`, wildcards `x X *`, and `1.2 - 2.3`.
 * @throws ParseError.
 * Source: Masterminds semver.NewConstraint.
 */
export function parseConstraint(text: string): Constraint {
  if (text.length > longestConstraint) throw new ParseError(`constraint string is too long (max ${longestConstraint} bytes)`)
  const plain = text.replaceAll(hyphenPattern, (_, from: string, ...rest: string[]) => `>= ${from}, <= ${rest[4]} `)
  const groups = plain.split('||')
  if (groups.length > mostGroups) throw new ParseError(`too many constraint groups (max ${mostGroups})`)
  const parsed = groups.map(parseGroup)
  return { text, check: (version) => parsed.some((group) => group.check(version)) }
}

function parseGroup(text: string): { check(version: Version): boolean } {
  const terms = splitTerms(text).map(parseTerm)
  const prereleases = terms.some((term) => term.version.prerelease !== '')
  return {
    check: (version) => (prereleases || version.prerelease === '') && terms.every((term) => term.holds(version, term)),
  }
}

/** Terms are told apart by space or one comma. */
function splitTerms(text: string): RegExpExecArray[] {
  const terms: RegExpExecArray[] = []
  const improper = () => new ParseError(`improper constraint: ${JSON.stringify(text)}`)
  let position = skipSpace(text, 0)
  do {
    // The space before this term was eaten by the term before.
    if (terms.length > 0 && text[position] === ',') position = skipSpace(text, position + 1)
    else if (terms.length > 0 && !isSpace(text[position - 1])) throw improper()
    termPattern.lastIndex = position
    const found = termPattern.exec(text)
    if (!found) throw improper()
    terms.push(found)
    position = termPattern.lastIndex
  } while (position < text.length)
  return terms
}

function skipSpace(text: string, from: number): number {
  let position = from
  while (isSpace(text[position])) position++
  return position
}

function isSpace(character: string | undefined): boolean {
  return character !== undefined && '\t\n\f\r '.includes(character)
}

function parseTerm([, operator = '', , major = '', minor, patch, prerelease = '']: RegExpExecArray): Term {
  const openMajor = isOpen(major)
  const openMinor = !openMajor && isOpen(minor)
  const openPatch = !openMajor && !openMinor && isOpen(patch)
  const numbers = openMajor ? [0, 0, 0] : openMinor ? [major, 0, 0] : openPatch ? [major, minor, 0] : [major, minor, patch]
  const open = openMajor || openMinor || openPatch
  try {
    const version = parseVersion(numbers.join('.') + prerelease)
    return { version, open, openMinor, openPatch, holds: operators.get(operator) ?? equal }
  } catch (error) {
    throw new ParseError('constraint parser error', {}, { cause: error })
  }
}

function isOpen(number: string | undefined): boolean {
  return number === undefined || number === 'x' || number === 'X' || number === '*'
}

const operators = new Map<string, Term['holds']>([
  ['', equal],
  ['=', equal],
  ['!=', differs],
  ['>', greater],
  ['<', (version, term) => compareVersions(version, term.version) < 0],
  ['>=', (version, term) => compareVersions(version, term.version) >= 0],
  ['=>', (version, term) => compareVersions(version, term.version) >= 0],
  ['<=', atMost],
  ['=<', atMost],
  ['~', sameMinor],
  ['~>', sameMinor],
  ['^', compatible],
])

/** With something left open, `1.2.x` is `~1.2`. */
function equal(version: Version, term: Term): boolean {
  return term.open ? sameMinor(version, term) : compareVersions(version, term.version) === 0
}

function differs(version: Version, term: Term): boolean {
  if (!term.open) return compareVersions(version, term.version) !== 0
  if (version.major !== term.version.major) return true
  if (term.openMinor) return false
  if (version.minor !== term.version.minor) return true
  if (!term.openPatch) return compareVersions(version, term.version) !== 0
  return comparePrereleases(version.prerelease, term.version.prerelease) !== 0
}

/** `>11` starts at 12.0.0, `>11.1` at 11.2.0. */
function greater(version: Version, term: Term): boolean {
  if (term.open && version.major !== term.version.major) return version.major > term.version.major
  if (term.openMinor) return false
  if (term.openPatch) return version.minor > term.version.minor
  return compareVersions(version, term.version) > 0
}

/** `<=11` includes 11.9.9. */
function atMost(version: Version, term: Term): boolean {
  if (!term.open) return compareVersions(version, term.version) <= 0
  if (version.major !== term.version.major) return version.major < term.version.major
  return term.openMinor || version.minor <= term.version.minor
}

/** `~1.2.3` is `>=1.2.3 <1.3.0`, `~1` is `>=1.0.0 <2.0.0`, `~*` and `~0.0.0` are everything. */
function sameMinor(version: Version, term: Term): boolean {
  const { major, minor, patch } = term.version
  if (compareVersions(version, term.version) < 0) return false
  if (major === 0n && minor === 0n && patch === 0n && !term.openMinor && !term.openPatch) return true
  return version.major === major && (term.openMinor || version.minor === minor)
}

/** `^1.2.3` is `>=1.2.3 <2.0.0`, `^0.2.3` is `>=0.2.3 <0.3.0`, `^0.0.3` is `>=0.0.3 <0.0.4`. */
function compatible(version: Version, term: Term): boolean {
  const { major, minor, patch } = term.version
  if (compareVersions(version, term.version) < 0) return false
  if (version.major !== major) return false
  if (major > 0n || term.openMinor) return true
  if (version.minor !== minor) return false
  return minor > 0n || term.openPatch || version.patch === patch
}
