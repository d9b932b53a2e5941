import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, it, type TestContext } from 'vitest'
import { decodeRelease, encodeRelease } from '../../src/lib/chart/index.ts'
import { type Answer, answer, type Request } from './helm-answer.ts'

const CASES = fileURLToPath(new URL('../../../shared/conformance/helm', import.meta.url))

/** A case of any file: what is asked, and what helm said. */
interface Case {
  readonly name: string
  readonly error?: string
  /** Words count, their order does not. */
  readonly errorAnyOrder?: boolean
  readonly expected?: unknown
  readonly chosen?: string
  readonly url?: string
  readonly values?: unknown
  readonly [field: string]: unknown
}

function needsCases(context: TestContext): void {
  if (!existsSync(CASES)) context.skip('the shared conformance cases are not here')
}

function casesIn(folder: string): Case[] {
  const files = readdirSync(`${CASES}/${folder}`).filter((name) => name.endsWith('.json'))
  return files.flatMap((name): Case[] => JSON.parse(readFileSync(`${CASES}/${folder}/${name}`, 'utf8')))
}

const ask = (request: object): Answer => answer(request as Request, { readPackage: readFileSync })

/** What is wrong with an answer; undefined when nothing is. */
function problemOf(test: Case, got: Answer): string | undefined {
  if (test.error !== undefined)
    return got.ok ? 'an error is wanted' : difference(errorOf(test, test.error), errorOf(test, got.error))
  if (!got.ok) return got.error
  if (test.chosen !== undefined) return difference(test.chosen, got.chosen)
  if (test.url !== undefined) return difference(test.url, got.url)
  // JSON has no bytes that are not UTF-8: the recorded output has U+FFFD in their place.
  if (typeof test.expected === 'string') return difference(test.expected, String(got.output).toWellFormed())
  const wanted = test.expected as Readonly<Record<string, unknown>>
  return ['manifests', 'notes', 'hooks']
    .filter((key) => wanted[key] !== undefined)
    .map((key) => difference(wanted[key], got[key]))
    .find((problem) => problem !== undefined)
}

function errorOf({ errorAnyOrder }: Case, text: string): string {
  return errorAnyOrder
    ? text
        .split(/[\s,]+/)
        .sort()
        .join(' ')
    : text
}

function difference(wanted: unknown, got: unknown): string | undefined {
  const [left, right] = [JSON.stringify(wanted), JSON.stringify(got) ?? 'nothing']
  return left === right ? undefined : `wanted ${left.slice(0, 300)}, got ${right.slice(0, 300)}`
}

function problems(cases: readonly Case[], request: (test: Case) => object): string[] {
  return cases.flatMap((test) => {
    const problem = problemOf(test, ask(request(test)))
    return problem === undefined ? [] : [`${test.name}: ${problem}`]
  })
}

function functionRequest({ template, values = '', files = {}, templates = {}, options = {} }: Case): object {
  const {
    release: name = 'rel',
    namespace = 'ns',
    kubeVersion = '1.34.0',
    apiVersions = [],
  } = options as Readonly<Record<string, unknown>>
  return { op: 'template', template, values, files, templates, release: { name, namespace }, options: { kubeVersion, apiVersions } }
}

function chartRequest(test: Case): object {
  if (test.constraint !== undefined) return { op: 'version', ...test }
  if (test.index !== undefined) return { op: 'index', ...test }
  const { chart, values = [], release: name = 'rel', namespace = 'ns', isUpgrade = false, kubeVersion = '1.34.0' } = test
  return { op: 'render', chart, values, release: { name, namespace, isUpgrade }, options: { ...test, kubeVersion } }
}

describe('the shared conformance cases', () => {
  it('of template functions give what helm prints', (context) => {
    needsCases(context)
    const cases = casesIn('functions')
    expect(cases.length).toBeGreaterThan(1500)
    expect(problems(cases, functionRequest)).toEqual([])
  })

  it('of small charts, versions and indexes give what helm prints', (context) => {
    needsCases(context)
    const cases = casesIn('charts-own')
    expect(cases.length).toBeGreaterThan(300)
    expect(problems(cases, chartRequest)).toEqual([])
  })

  it('of public charts give what helm prints', (context) => {
    needsCases(context)
    const found = readdirSync(`${CASES}/charts`).flatMap(problemsOfPublicChart)
    expect(found).toEqual([])
  }, 240_000)

  it.each(['helm3', 'helm4'] as const)('of release storage come back as %s wrote them', (form) => {
    const file = `${CASES}/release-storage/${form}.json`
    if (!existsSync(file)) return
    for (const json of storedReleases(file)) {
      const release = decodeRelease(gzipSync(json).toString('base64'))
      const again = gunzipSync(Buffer.from(encodeRelease(release, { form }), 'base64')).toString()
      expect(JSON.stringify(JSON.parse(again))).toBe(json)
    }
  })
})

interface PublicCase extends Omit<Case, 'expected' | 'values'> {
  readonly values: readonly string[]
  readonly expected?: string
  /** Numbers of lines that hold random text, from 1. */
  readonly unstableLines?: readonly number[]
}

function problemsOfPublicChart(folder: string): string[] {
  const path = `${CASES}/charts/${folder}`
  const { chart, cases }: { chart: string; cases: PublicCase[] } = JSON.parse(readFileSync(`${path}/cases.json`, 'utf8'))
  return cases.flatMap((test) => {
    const { release: name, namespace, kubeVersion, includeCRDs, skipSchemaValidation } = test
    const values = test.values.map((file) => readText(`${path}/${file}`))
    const options = { kubeVersion, includeCRDs, skipSchemaValidation }
    const got = ask({ op: 'render', chart: { path: `${path}/${chart}` }, values, release: { name, namespace }, options })
    const problem = publicProblem(test, got, test.expected === undefined ? '' : readText(`${path}/${test.expected}`))
    return problem === undefined ? [] : [`${folder}/${test.name}: ${problem}`]
  })
}

function publicProblem(test: PublicCase, got: Answer, expected: string): string | undefined {
  if (test.error !== undefined) return difference(test.error, got.ok ? 'no error' : got.error)
  if (!got.ok) return got.error
  const unstable = new Set(test.unstableLines)
  const [wanted, lines] = [expected, String(got.manifests)].map((text) => text.split('\n'))
  const at = wanted?.findIndex((line, index) => !unstable.has(index + 1) && line !== lines?.[index]) ?? -1
  if (at >= 0) return `line ${at + 1}: ${difference(wanted?.[at], lines?.[at])}`
  return wanted?.length === lines?.length ? undefined : 'lines are missing or too many'
}

function readText(path: string): string {
  const bytes = readFileSync(path)
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
}

/** The JSON of each release; the recording has words for the times. */
function storedReleases(file: string): string[] {
  const text = readFileSync(file, 'utf8').replaceAll('"TIME"', '"2026-01-02T03:04:05.678Z"')
  const { steps }: { steps: { secrets: { release: object }[] }[] } = JSON.parse(text)
  return steps.flatMap(({ secrets }) => secrets.map(({ release }) => JSON.stringify(release)))
}
