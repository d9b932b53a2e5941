/** Versions: parsing and order. */
import { ParseError } from '../errors.ts'

/** A semantic version. The numbers are unsigned 64-bit integers. */
export interface Version {
  readonly major: bigint
  readonly minor: bigint
  readonly patch: bigint
  /** `rc.1`; empty for a release. */
  readonly prerelease: string
  /** `build.5`; not part of the order. */
  readonly metadata: string
  /** The text that was parsed. */
  readonly original: string
}

/** The longest text that is looked at. Source: semver.MaxVersionLen. */
const longestVersion = 256
const largestNumber = 2n ** 64n - 1n

const identifiers = '[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*'
const pattern = new RegExp(`^v?([0-9]+)(?:\\.([0-9]+))?(?:\\.([0-9]+))?(?:-(${identifiers}))?(?:\\+(${identifiers}))?$`)

/**
 * Parses a version, leniently: a leading `v`, missing minor and patch (`1` is 1.0.0), and leading zeros are accepted.
 * @throws ParseError with the text of Go's error.
 * Source: Masterminds semver.NewVersion.
 */
export function parseVersion(text: string): Version {
  if (text.length > longestVersion) throw new ParseError(`version string is too long (max ${longestVersion} bytes)`)
  const found = pattern.exec(text)
  if (!found) throw new ParseError('invalid semantic version')
  const [, major = '0', minor = '0', patch = '0', prerelease = '', metadata = ''] = found
  const numbers = { major: number(major), minor: number(minor), patch: number(patch) }
  checkPrerelease(prerelease)
  return { ...numbers, prerelease, metadata, original: text }
}

/** @throws ParseError for a numeric part with leading zeros, and for what is no identifier. */
export function checkPrerelease(text: string): void {
  for (const part of text === '' ? [] : text.split('.')) {
    if (/^0[0-9]+$/.test(part)) throw new ParseError('version segment starts with 0')
    if (!/^[0-9A-Za-z-]+$/.test(part)) throw new ParseError('invalid prerelease string')
  }
}

/** @throws ParseError for what is no identifier. */
export function checkMetadata(text: string): void {
  if (text !== '' && !text.split('.').every((part) => /^[0-9A-Za-z-]+$/.test(part))) throw new ParseError('invalid metadata string')
}

/** The version without the `v` that it may have been written with. */
export function printVersion({ major, minor, patch, prerelease, metadata }: Version): string {
  return `${major}.${minor}.${patch}${prerelease && `-${prerelease}`}${metadata && `+${metadata}`}`
}

/**
 * Parses the name of a tag: as `parseVersion`, but all three numbers must be written, so that `v1` and `2024-05-01` are no versions.
 * @returns undefined for a tag that is no version.
 * Source: fluxcd/pkg/version.ParseVersion.
 */
export function parseVersionTag(tag: string): Version | undefined {
  if (tag.split('.', 3).length !== 3) return undefined
  try {
    return parseVersion(tag)
  } catch {
    return undefined
  }
}

/** Negative when `a` comes before `b`, positive when after, 0 when they are equal but for metadata and spelling. */
export function compareVersions(a: Version, b: Version): number {
  return (
    compare(a.major, b.major) ||
    compare(a.minor, b.minor) ||
    compare(a.patch, b.patch) ||
    comparePrereleases(a.prerelease, b.prerelease)
  )
}

/** A release comes after its pre-releases; pre-releases compare part by part, a missing part comes first. */
export function comparePrereleases(a: string, b: string): number {
  if (a === b) return 0
  if (a === '') return 1
  if (b === '') return -1
  const left = a.split('.')
  const right = b.split('.')
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const order = compareParts(left[i], right[i])
    if (order !== 0) return order
  }
  return 0
}

/** Numbers come before words. A run of digits too big for 64 bits counts as a word. */
function compareParts(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0
  if (a === undefined) return -1
  if (b === undefined) return 1
  const left = wholeNumber(a)
  const right = wholeNumber(b)
  if (left !== undefined && right !== undefined) return compare(left, right)
  if (left !== undefined) return -1
  if (right !== undefined) return 1
  return a < b ? -1 : 1
}

function wholeNumber(text: string): bigint | undefined {
  if (!/^[0-9]+$/.test(text)) return undefined
  const value = BigInt(text)
  return value <= largestNumber ? value : undefined
}

function number(digits: string): bigint {
  const value = BigInt(digits)
  if (value <= largestNumber) return value
  throw new ParseError(`error parsing version segment: strconv.ParseUint: parsing "${digits}": value out of range`)
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}
