import { describe, expect, it } from 'vitest'
import { sortAsGo } from '../../../src/lib/chart/go-sort.ts'
import { chartUrl, findVersion, parseIndex } from '../../../src/lib/chart/index.ts'

const repository = 'https://charts.example/stable'
const index = (versions: readonly string[], more = ''): string =>
  `apiVersion: v1\nentries:\n  web:\n${versions.map((version) => `  - {name: web, version: "${version}", urls: [web-${version}.tgz]}\n`).join('')}${more}`

const chosen = (versions: readonly string[], version: string): string =>
  findVersion(parseIndex(index(versions)), { chart: 'web', version, repository }).version

const addressOf = (url: string, at = repository): string => {
  const entry = { apiVersion: 'v1', name: 'web', version: '1.0.0', urls: [url] }
  return chartUrl(entry, { chart: 'web', version: '', repository: at })
}

describe('an index', () => {
  it.each([
    ['', '2.0.0'],
    ['*', '2.0.0'],
    ['>0-0', '2.1.0-rc.1'],
    ['1.x', '1.10.0'],
    ['~1.9.0', '1.9.5'],
    ['2.1.0-rc.1', '2.1.0-rc.1'],
    ['v1.9.5', '1.9.5'],
    ['1', '1.10.0'],
  ])('gives for the version %j the one that helm takes', (version, expected) => {
    expect(chosen(['1.9.5', '2.1.0-rc.1', '1.10.0', '2.0.0', '0.1.0'], version)).toBe(expected)
  })

  it.each(['3.x', 'no range', '>2.0.0 <2.1.0'])('has nothing for %j', (version) => {
    expect(() => chosen(['2.0.0'], version)).toThrow(`chart "web" version "${version}" not found in ${repository} repository`)
  })

  it('prefers the version as it is written to one that equals it', () => {
    expect(chosen(['v1.0.0', '1.0.0+b', '1.0.0'], '1.0.0+b')).toBe('1.0.0+b')
  })

  it('may be JSON, with fields that are not known', () => {
    const text = JSON.stringify({
      apiVersion: 'v1',
      extra: 1,
      entries: { web: [{ name: 'web', version: '1.0.0', urls: ['a.tgz'], digest: 'd', created: '2020-01-01T00:00:00Z' }] },
    })
    expect(parseIndex(text).get('web')).toEqual([
      { apiVersion: 'v1', name: 'web', version: '1.0.0', urls: ['a.tgz'], digest: 'd', created: '2020-01-01T00:00:00Z' },
    ])
  })

  it('leaves out entries that are no charts', () => {
    const broken = '  - {name: web, version: x}\n  - null\n  - {version: 1.0.0}\n  - {name: web, version: 1.0.0, type: odd}\n'
    expect(parseIndex(index(['1.0.0'], broken)).get('web')).toHaveLength(1)
  })

  it.each([
    ['', 'empty index.yaml file'],
    ['entries: {}\n', 'no API version specified'],
    ['a: [', 'error converting YAML to JSON: yaml: line 1: did not find expected node content'],
    ['apiVersion: v1\nentries: {a: [], a: []}\n', 'yaml: unmarshal errors:\n  line 2: key "a" already set in map'],
    [
      'apiVersion: v1\nentries: []\n',
      'json: cannot unmarshal array into Go struct field IndexFile.entries of type map[string]repo.ChartVersions',
    ],
    [
      'apiVersion: v1\nentries: {a: [{version: 1.0}]}\n',
      'cannot unmarshal number into Go struct field ChartVersion.entries.Metadata.version of type string',
    ],
    ['apiVersion: v1\ngenerated: noon\n', 'parsing time "noon" as "2006-01-02T15:04:05Z07:00": cannot parse "noon" as "2006"'],
    ['apiVersion: v1\nother: 1\n', 'error unmarshaling JSON: while decoding JSON: json: unknown field "other"'],
  ])('is refused when it is %j', (text, message) => {
    expect(() => parseIndex(text)).toThrow(message)
  })

  it('is bounded', () => {
    expect(() => parseIndex(index(['1.0.0']), { maxLength: 10 })).toThrow('more than the limit of 10')
  })

  it('with many versions takes time in proportion', () => {
    const versions = (count: number) => Array.from({ length: count }, (_, number) => `1.${number}.0`)
    const took = (count: number): number => {
      const text = index(versions(count))
      const start = process.cpuUsage() // of this process: others use the machine too
      parseIndex(text)
      return process.cpuUsage(start).user / 1000
    }
    took(1000)
    expect(took(16_000)).toBeLessThan(40 * Math.max(took(2000), 5))
  })
})

describe('the address of a chart', () => {
  it.each([
    ['web-1.0.0.tgz', 'https://charts.example/stable/web-1.0.0.tgz'],
    ['/web.tgz', 'https://charts.example/web.tgz'],
    ['../a/./web.tgz', 'https://charts.example/a/web.tgz'],
    ['https://other.example/web.tgz?a=b', 'https://other.example/web.tgz?a=b'],
    ['oci://registry.example/web', 'oci://registry.example/web'],
  ])('%s is relative to the repository', (url, expected) => {
    expect(addressOf(url)).toBe(expected)
  })

  it('keeps the query of the repository', () => {
    expect(addressOf('web.tgz?mine=1', `${repository}/?token=t`)).toBe('https://charts.example/stable/web.tgz?token=t')
  })

  it.each([
    ['%zz.tgz', 'invalid URL escape "%zz"'],
    [':a', 'missing protocol scheme'],
    ['1:a', 'first path segment in URL cannot contain colon'],
    ['a\nb', 'net/url: invalid control character in URL'],
  ])('%j is none', (url, reason) => {
    expect(() => addressOf(url)).toThrow(
      `failed to make chart URL absolute: failed to parse ${url} as URL: parse ${JSON.stringify(url)}: ${reason}`,
    )
  })
})

it('sorts as Go does, which keeps no order among equals', () => {
  // Keys modulo 3 of 40 items, after sort.Sort of Go 1.26.
  const items = Array.from({ length: 40 }, (_, index) => (index * 7) % 40)
  const sorted = sortAsGo(items, (a, b) => a % 3 < b % 3)
  expect(sorted.map((item) => item % 3)).toEqual(items.map((item) => item % 3).sort())
  expect(sorted).toEqual(GO_ORDER)
})

const GO_ORDER: readonly number[] = [
  18, 33, 12, 21, 24, 0, 3, 9, 36, 15, 30, 27, 6, 39, 10, 31, 7, 19, 4, 13, 25, 37, 34, 1, 28, 16, 22, 20, 23, 2, 35, 17, 8, 29, 38,
  5, 14, 11, 26, 32,
]
