/**
 * `make fuzz-helm`: renders random templates and charts with the real Helm and with src/lib/chart. What comes out differently is shrunk
 * to a small case and written to test/fixtures/helm-fuzz, where the tests find it. `ARGS='--minutes 30 --seed 1 --only template'`;
 * `--cases 1` repeats a single seed. Kinds: see helm-cases/index.ts.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readFunctionFixtures } from '../lib/chart/fixtures.ts'
import { answer } from './helm-answer.ts'
import { KINDS, type Kind, randomCase } from './helm-cases/index.ts'
import type { HelmAnswer, HelmRequest } from './helm-cases/request.ts'
import { smaller } from './helm-cases/shrink.ts'
import { HelmOracle } from './helm-oracle.ts'

/** What is still large then can be shrunk by hand. */
const SHRINK_MS = 30_000
/** Requests that the oracle works on while the engine does. */
const BATCH = 50
/** Differences of one shape that are shrunk; the others count only. */
const PER_SHAPE = 2
/** Differences that are meant: see docs/helm.md. */
const EXPLAINED = [
  // A list's room for more items, which Go's slices show.
  /slice index out of bounds$/,
  // The stack of JavaScript is smaller than Go's: endless recursion is told earlier.
  /nest(s|ed) (too deeply|more deeply than is allowed)$/,
]
const FIXTURES = join(import.meta.dirname, '../fixtures/helm-fuzz')

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    minutes: { type: 'string', default: '10' },
    cases: { type: 'string', default: 'Infinity' },
    only: { type: 'string' },
    failures: { type: 'string', default: '20' },
  },
})
const kinds = values.only === undefined ? KINDS : KINDS.filter((kind) => values.only?.split(',').includes(kind))
const oracle = await HelmOracle.start()
const corpus = readCorpus()
const counts = { same: 0, errors: 0, random: 0, explained: 0, unanswered: 0, different: 0 }
const shapes = new Map<string, number>()
let written = 0
await fuzz(Number(values.seed), Date.now() + Number(values.minutes) * 60_000, Number(values.cases))
oracle.close()
process.exitCode = counts.different === 0 ? 0 : 1

async function fuzz(first: number, until: number, cases: number): Promise<void> {
  let seed = first
  for (let told = Date.now(); seed < first + cases && Date.now() < until && written < Number(values.failures); ) {
    const seeds = Array.from({ length: Math.min(BATCH, first + cases - seed) }, (_, i) => seed + i)
    await Promise.all(seeds.map(compare))
    seed += seeds.length
    if (Date.now() - told < 30_000) continue
    console.log(`seed ${seed}:`, counts)
    told = Date.now()
  }
  console.log(`seeds from ${first} to ${seed}:`, counts)
}

async function compare(seed: number): Promise<void> {
  const kind = kinds[seed % kinds.length] as Kind
  const request = randomCase(kind, seed, corpus)
  const theirs = await oracle.ask(request)
  if (theirs === undefined) counts.unanswered++
  else if (!difference(theirs, ours(request))) counts[theirs.ok ? 'same' : 'errors']++
  else await report({ kind, seed, request })
}

async function report({ kind, seed, request }: { kind: Kind; seed: number; request: HelmRequest }): Promise<void> {
  const wanted = await stableDifference(request)
  if (wanted === '') {
    counts.random++
    return
  }
  if (EXPLAINED.some((pattern) => pattern.test(wanted))) {
    counts.explained++
    return
  }
  counts.different++
  const known = shapes.get(wanted) ?? 0
  shapes.set(wanted, known + 1)
  if (known >= PER_SHAPE) return
  const small = await shrink(request, wanted)
  const [theirs, own] = [await oracle.ask(small), ours(small)]
  written++
  const path = join(FIXTURES, `${kind}-${seed}.json`)
  mkdirSync(FIXTURES, { recursive: true })
  writeFileSync(path, `${JSON.stringify({ request: small, answer: theirs }, null, 1)}\n`)
  console.log(`--only ${kind} --seed ${seed} --cases 1 differs, see ${path}\n${JSON.stringify(small)}`)
  console.log(`helm: ${JSON.stringify(theirs)?.slice(0, 2000)}\nours: ${JSON.stringify(own).slice(0, 2000)}\n`)
}

/** How the two differ; empty if Helm itself gives one thing or another (the order of Go's maps, addresses). */
async function stableDifference(request: HelmRequest): Promise<string> {
  const own = ours(request)
  let shape = ''
  for (let i = 0; i < 6; i++) {
    const theirs = await oracle.ask(request)
    const now = theirs === undefined ? '' : difference(theirs, own)
    if (now === '') return ''
    if (shape !== '' && now !== shape) return ''
    shape = now
  }
  const twice = await Promise.all(Array.from({ length: 4 }, () => oracle.ask(request)))
  return new Set(twice.map((each) => JSON.stringify(each))).size === 1 ? shape : ''
}

function ours(request: HelmRequest): HelmAnswer {
  return wellFormed(answer(request, { readPackage: readFileSync }))
}

/** Bytes that are not UTF-8, as they come out of a pipe. */
function wellFormed(answer: HelmAnswer): HelmAnswer {
  return JSON.parse(JSON.stringify(answer), (_, value) => (typeof value === 'string' ? value.toWellFormed() : value))
}

/** What of an answer is compared, as text. */
function essence({ ok, error, output, manifests, notes, hooks, chosen }: HelmAnswer): string {
  // Go tells violations of a schema in any order.
  if (error?.includes("don't meet the specifications"))
    return error
      .split(/[\s,]+/)
      .sort()
      .join(' ')
  return ok ? JSON.stringify({ output, manifests, notes, hooks: sorted(hooks), chosen }) : (error ?? '').trim()
}

/** Fields of hooks in one order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  )
}

/** In what way two answers differ, without what is particular to the case; empty when they are the same. */
function difference(theirs: HelmAnswer, own: HelmAnswer): string {
  if (theirs.ok === own.ok && essence(theirs) === essence(own)) return ''
  const shape = ({ ok, error = '' }: HelmAnswer) =>
    ok ? 'output' : error.replace(/"(?:[^"\\]|\\.)*"|<[^>]*>|[^\s:]*\/\S+|\d+|\S+\.tpl/g, '_').slice(-160)
  return `${shape(theirs)} | ${shape(own)}`
}

/** Removes whatever can go while the two still differ in the same way. */
async function shrink(request: HelmRequest, wanted: string): Promise<HelmRequest> {
  const until = Date.now() + SHRINK_MS
  let current = request
  for (let progress = true; progress && Date.now() < until; ) {
    progress = false
    for (const candidate of smaller(current)) {
      if (Date.now() > until) break
      const theirs = await oracle.ask(candidate)
      if (theirs === undefined || difference(theirs, ours(candidate)) !== wanted) continue
      current = candidate
      progress = true
      break
    }
  }
  return (await stableDifference(current)) === '' ? request : current
}

/** The templates of our own fixtures, which mutations start from. */
function readCorpus(): string[] {
  return readFunctionFixtures().flatMap(({ cases }) => Object.values(cases).flatMap((each) => each.map(({ template }) => template)))
}
