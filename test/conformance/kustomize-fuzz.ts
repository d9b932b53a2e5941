/**
 * `make fuzz-kustomize`: builds random kustomizations with the real kustomize and with src/lib/kustomize. What comes out differently
 * is shrunk to a small case and written to test/lib/kustomize/fixtures, where the tests find it. `ARGS='--minutes 30 --seed 1'`;
 * `--cases 1` repeats a single seed.
 */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf } from '../../src/lib/errors.ts'
import type { Json } from '../../src/lib/json.ts'
import { build } from '../../src/lib/kustomize/index.ts'
import { memoryTree } from '../../src/lib/tree.ts'
import { emit, loadAll } from '../../src/lib/yaml/index.ts'
import { writeFixture } from '../lib/kustomize/txtar.ts'
import { findTool } from '../tools/tools.ts'
import { type Files, randomCase } from './kustomize-cases.ts'

/** Shrinking costs two builds a step; what is still large then can be shrunk by hand. */
const SHRINK_MS = 120_000

interface Outcome {
  readonly yaml?: string
  readonly error?: string
  /** Neither an output nor an error that the engine means to give. */
  readonly crash?: boolean
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    minutes: { type: 'string', default: '10' },
    cases: { type: 'string', default: 'Infinity' },
  },
})
const kustomize = await findTool('kustomize')
const counts = { same: 0, errors: 0, different: 0 }
await fuzz(Number(values.seed), Date.now() + Number(values.minutes) * 60_000, Number(values.cases))
process.exitCode = counts.different === 0 ? 0 : 1

async function fuzz(first: number, until: number, cases: number): Promise<void> {
  const seen = new Set<string>()
  for (let seed = first; seed < first + cases && Date.now() < until; seed++) {
    const files = randomCase(seed)
    const [theirs, own] = [oracle(files), await ours(files)]
    if (differs(theirs, own)) await report(seed, files, seen)
    else counts[theirs.error === undefined ? 'same' : 'errors']++
    if ((seed - first) % 500 === 499) console.log(`seed ${seed}:`, counts)
  }
  console.log(`seeds from ${first}:`, counts)
}

async function report(seed: number, files: Files, seen: Set<string>): Promise<void> {
  counts.different++
  const small = await shrink(files)
  const key = [...small].map(([path, content]) => `-- ${path} --\n${content}`).join('')
  const [theirs, own] = [oracle(small), await ours(small)]
  if (seen.has(key)) return
  seen.add(key)
  const path = writeFixture(`fuzz-${seed}`, {
    title: `builds what the fuzzer made of seed ${seed}`,
    target: 'over',
    files: small,
    yaml: theirs.yaml,
    error: theirs.error,
  })
  console.log(`seed ${seed} differs, see ${path}\n${key}`)
  console.log(`kustomize: ${theirs.yaml ?? theirs.error}\nours: ${own.yaml ?? own.error}`)
}

function oracle(files: Files): Outcome {
  const root = mkdtempSync(join(tmpdir(), 'kustomize-fuzz-'))
  try {
    for (const [path, content] of files) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), content)
    }
    const args = ['build', '--load-restrictor', 'LoadRestrictionsNone', '--reorder', 'none', join(root, 'over')]
    const { status, stdout, stderr } = spawnSync(kustomize, args, { encoding: 'utf8', maxBuffer: 2 ** 28 })
    if (status === 0) return { yaml: stdout }
    const lines = stderr.split('\n').filter((line) => !/deprecated|Warning/.test(line))
    return { error: lines.join('\n').trim().replaceAll(`${root}/`, '') }
  } finally {
    rmSync(root, { recursive: true })
  }
}

async function ours(files: Files): Promise<Outcome> {
  try {
    const result = await build(memoryTree(files), 'over', { loadRestrictor: 'LoadRestrictionsNone', reorder: 'none' })
    return { yaml: result.yaml() }
  } catch (error) {
    if (error instanceof Error && 'place' in error) return { error: error.message }
    return { error: `CRASH ${error instanceof Error ? error.stack : messageOf(error)}`, crash: true }
  }
}

function differs(theirs: Outcome, own: Outcome): boolean {
  return own.crash === true || theirs.yaml !== own.yaml
}

/** How two outcomes differ: a smaller case must differ in the same way, or it shows something else. */
function difference(theirs: Outcome, own: Outcome): string {
  if (!differs(theirs, own)) return ''
  if (own.crash) return 'crash'
  return `${theirs.yaml === undefined ? 'error' : 'output'}, ours ${own.yaml === undefined ? 'error' : 'output'}`
}

/** Removes whatever can go while the two still differ. */
async function shrink(files: Files): Promise<Files> {
  const until = Date.now() + SHRINK_MS
  const wanted = difference(oracle(files), await ours(files))
  let current = files
  for (let progress = true; progress && Date.now() < until; ) {
    progress = false
    for (const candidate of smaller(current)) {
      if (Date.now() > until) break
      // Most candidates are told apart by the cheaper one alone.
      const own = await ours(candidate)
      if (own.error !== undefined && wanted.endsWith('ours output')) continue
      if (difference(oracle(candidate), own) !== wanted) continue
      current = candidate
      progress = true
      break
    }
  }
  return current
}

/** Cases with one thing less: files first, then large parts before small ones. */
function* smaller(files: Files): Iterable<Files> {
  for (const path of files.keys()) yield new Map([...files].filter(([other]) => other !== path))
  for (const [path, content] of files) {
    if (!path.endsWith('.yaml')) continue
    let documents: Json[]
    try {
      documents = loadAll(content, { dialect: 'sigs' })
    } catch {
      continue
    }
    for (const [i, document] of documents.entries()) {
      for (const less of without(document)) {
        const changed = documents.with(i, less)
        yield new Map([...files, [path, changed.map(emit).join('---\n')]])
      }
    }
  }
}

function* without(value: Json): Iterable<Json> {
  if (Array.isArray(value)) {
    for (const i of value.keys()) yield value.toSpliced(i, 1)
    for (const [i, item] of value.entries()) for (const less of without(item)) yield value.with(i, less)
  } else if (typeof value === 'object' && value !== null) {
    for (const key of Object.keys(value)) {
      const { [key]: _, ...rest } = value
      yield rest
    }
    for (const [key, item] of Object.entries(value)) for (const less of without(item)) yield { ...value, [key]: less }
  }
}
