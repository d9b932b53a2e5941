import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { messageOf } from '../../../src/lib/errors.ts'
import { compareVersions, parseConstraint, parseVersion, parseVersionTag } from '../../../src/lib/semver/index.ts'

interface Ranges {
  readonly versions: readonly string[]
  readonly cases: readonly { readonly range: string; readonly error?: string; readonly matches?: readonly string[] }[]
}

/** Made by Masterminds/semver itself: test/tools/flux-libs. */
const ranges: Ranges = JSON.parse(readFileSync(join(import.meta.dirname, 'testdata/ranges.json'), 'utf8'))

describe('versions', () => {
  it.each([
    ['1.2.3', '1.2.3'],
    ['v1.2.3', '1.2.3'],
    ['1', '1.0.0'],
    ['1.2', '1.2.0'],
    ['2025.02.03-rc.1', '2025.2.3-rc.1'],
    ['1.2.3-alpha.1+build.5', '1.2.3-alpha.1+build.5'],
    ['18446744073709551615.0.0', '18446744073709551615.0.0'],
  ])('reads %s as %s', (text, expected) => {
    const { major, minor, patch, prerelease, metadata, original } = parseVersion(text)
    expect(`${major}.${minor}.${patch}${prerelease && `-${prerelease}`}${metadata && `+${metadata}`}`).toBe(expected)
    expect(original).toBe(text)
  })

  it.each(['', 'v', 'latest', '1.2.3.4', '1.2.3-', '1.2.3-a..b', '1.2.3-01', '-1.0.0', ' 1.0.0', '18446744073709551616.0.0'])(
    'refuses %j',
    (text) => expect(() => parseVersion(text)).toThrow(),
  )

  it('refuses a text too long to be a version without looking at it', () => {
    expect(() => parseVersion(`1.0.0-${'a'.repeat(300)}`)).toThrow('version string is too long (max 256 bytes)')
  })

  it('orders releases after pre-releases, numbers before words, and numbers by value', () => {
    const ordered = [
      '0.9.9',
      '1.0.0-0',
      '1.0.0-9',
      '1.0.0-10',
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-beta',
      '1.0.0',
      '1.0.10',
      '1.9.0',
      '10.0.0',
    ]
    const shuffled = ordered.toReversed().map(parseVersion)
    expect(shuffled.sort(compareVersions).map(({ original }) => original)).toEqual(ordered)
  })

  it('finds versions equal that differ in spelling and metadata alone', () => {
    expect(compareVersions(parseVersion('v1.2.0+a'), parseVersion('1.2+b'))).toBe(0)
  })

  it('takes only tags with three numbers for versions', () => {
    const tags = ['v1.2.3', '1.2.3', 'v1', '1.0', 'release-1.2.3', '1.2.3-rc.1', 'v01.2.3', '2024-05-01']
    expect(tags.filter((tag) => parseVersionTag(tag))).toEqual(['v1.2.3', '1.2.3', '1.2.3-rc.1', 'v01.2.3'])
  })
})

describe('ranges', () => {
  it.each(ranges.cases)('reads $range as the Go library does', ({ range, error, matches = [] }) => {
    expect(outcome(range)).toEqual({ error, matches })
  })

  it('refuses ranges that are too long', () => {
    expect(() => parseConstraint('1'.repeat(513))).toThrow('constraint string is too long (max 512 bytes)')
    expect(() => parseConstraint(Array(33).fill('1').join('||'))).toThrow('too many constraint groups (max 32)')
  })

  it('reads a hostile range in no time', () => {
    const started = performance.now()
    for (const piece of ['1 ', '1-', ' ', '1.', '1,', '1 - ', '|', '1-1.'])
      expect(() => parseConstraint(`${piece.repeat(170)}!`)).toThrow()
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})

function outcome(range: string): { error: string | undefined; matches: readonly string[] } {
  try {
    const constraint = parseConstraint(range)
    return { error: undefined, matches: ranges.versions.filter((text) => isVersion(text) && constraint.check(parseVersion(text))) }
  } catch (error) {
    return { error: messageOf(error), matches: [] }
  }
}

function isVersion(text: string): boolean {
  try {
    return Boolean(parseVersion(text))
  } catch {
    return false
  }
}
