import { describe, expect, it } from 'vitest'
import { evaluate } from './evaluate.ts'

// The expected texts are those of sprig 3.3.0 in Go.
describe('versions', () => {
  it.each([
    ['semverCompare "^1.2.0" "1.3.0"', 'true'],
    ['semverCompare ">=1.2.0-0" "1.2.0-rc.1"', 'true'],
    ['semverCompare ">1.0.0 <2.0.0 || 3.x" "3.1.0"', 'true'],
    ['semverCompare "~1.2" "1.3.0"', 'false'],
    ['semverCompare "x" "9"', 'true'],
    ['semverCompare "1.2 - 1.4" "1.4.9"', 'true'],
    ['semverCompare "one" "1.0.0"', 'error: improper constraint: "one"'],
    ['semverCompare ">=1" "one"', 'error: invalid semantic version'],
  ])('compares with ranges: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['semver "v1.2"', '1.2.0'],
    ['(semver "v1.2").Original', 'v1.2'],
    ['(semver "1.2.3-rc.1+b5").Prerelease', 'rc.1'],
    ['(semver "1.2.3-rc.1+b5").Metadata', 'b5'],
    ['printf "%d %T" (semver "1.2.3").Minor (semver "1.2.3").Minor', '2 uint64'],
    [
      'printf "%T %#v" (semver "1") (semver "1")',
      '*semver.Version &semver.Version{major:0x1, minor:0x0, patch:0x0, pre:"", metadata:"", original:"1"}',
    ],
    ['semver "one"', 'error: invalid semantic version'],
    ['semver "1.2.3-01"', 'error: version segment starts with 0'],
    [
      'semver "1.99999999999999999999"',
      'error: error parsing version segment: strconv.ParseUint: parsing "99999999999999999999": value out of range',
    ],
  ])('parses: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['(semver "1.2.3").Compare (semver "1.2.4")', '-1'],
    ['(semver "1.2.3").LessThan (semver "1.10.0")', 'true'],
    ['(semver "1.2.3").Equal (semver "1.2.3+b")', 'true'],
    ['(semver "1.2.3").GreaterThan (semver "1.2.3-rc")', 'true'],
    ['(semver "1.2.3-rc.1+b").IncPatch', '1.2.3'],
    ['(semver "1.2.3").IncPatch', '1.2.4'],
    ['(semver "v1.2.3").IncMinor', '1.3.0'],
    ['(semver "1.2.3").IncMajor', '2.0.0'],
    ['(semver "1.2.3").SetPrerelease "rc.2"', '1.2.3-rc.2'],
    ['(semver "1.2.3").SetPrerelease "01"', 'error: version segment starts with 0'],
    ['(semver "1.2.3").SetPrerelease "a_"', 'error: invalid prerelease string'],
    ['(semver "1.2.3").SetMetadata "b."', 'error: invalid metadata string'],
  ])('compares and increases: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })
})
