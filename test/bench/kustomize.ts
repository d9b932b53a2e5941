/**
 * `make bench-kustomize`: builds by the engine, as it is shipped (dist/kustomize.mjs), beside the real kustomize in the same run, as a
 * table. Figures, not a test. Wall times are medians of single runs that take turns.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { readFixtures } from '../lib/kustomize/txtar.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { findTool } from '../tools/tools.ts'
import { overlayFiles } from './overlay.ts'

type Engine = typeof import('../../src/lib/kustomize/package.ts')

/** A folder to build. */
interface Case {
  readonly root: string
  readonly target: string
}

interface Row {
  readonly what: string
  readonly kustomizeMs: number
  readonly ownMs: number
}

const FLAGS = ['--load-restrictor', 'LoadRestrictionsNone', '--reorder', 'none']
const FLUX = { loadRestrictor: 'LoadRestrictionsNone', reorder: 'none' } as const
const SHARED = fileURLToPath(new URL('../../../shared/conformance/kustomize', import.meta.url))
const ENGINE = fileURLToPath(new URL('../../dist/kustomize.mjs', import.meta.url))
const COMMAND = fileURLToPath(new URL('../../dist/sluice.mjs', import.meta.url))
const CACHE_BYTES = 64 * 2 ** 20

/** What a fresh process runs: `node program engine root target …` builds each and prints the last. */
const PROGRAM = `
const [engine, ...pairs] = process.argv.slice(2)
const { build, diskTree } = await import(engine)
let output = ''
for (let i = 0; i < pairs.length; i += 2) {
  try {
    output = (await build(diskTree(pairs[i]), pairs[i + 1], ${JSON.stringify(FLUX)})).yaml()
  } catch {}
}
process.stdout.write(output)
`

const run = promisify(execFile)
const { build, diskTree, ParseCache } = (await import(pathToFileURL(ENGINE).href)) as Engine
const kustomize = await findTool('kustomize')
const work = await temporaryDirectory('bench-kustomize')
const program = join(work, 'program.mjs')
await writeFile(program, PROGRAM)

print([...(await batch()), ...(await overlay(500)), ...(await growth())])

/** Many small builds: kustomize starts for each, the engine once. Cases that fail (some would use the network) do not count. */
async function batch(): Promise<Row[]> {
  const cases: Case[] = []
  let theirs = 0
  for (const one of await allCases()) {
    const startedAt = performance.now()
    if ((await runKustomize(one)) === undefined) continue
    theirs += performance.now() - startedAt
    cases.push(one)
  }
  const fresh = await elapsed(() => runFresh(cases))
  const inProcess = await elapsed(async () => {
    for (const one of cases) await buildOnce(one)
  })
  return [
    { what: `${cases.length} builds, all in one fresh process`, kustomizeMs: theirs, ownMs: fresh },
    { what: `${cases.length} builds, all in one running process`, kustomizeMs: theirs, ownMs: inProcess },
  ]
}

async function overlay(objects: number): Promise<Row[]> {
  const one = await overlayCase(objects)
  const cache = new ParseCache(CACHE_BYTES)
  const what = `overlay of ${objects} objects`
  const runs = {
    theirs: [] as number[],
    cold: [] as number[],
    command: [] as number[],
    running: [] as number[],
    warm: [] as number[],
  }
  await assertSame(one)
  for (let i = 0; i < 15; i++) {
    runs.theirs.push(await elapsed(() => runKustomize(one)))
    runs.cold.push(await elapsed(() => runFresh([one])))
    runs.command.push(await elapsed(() => runCommand(one)))
    runs.running.push(await elapsed(() => buildOnce(one)))
    runs.warm.push(await elapsed(() => buildOnce(one, cache)))
  }
  const kustomizeMs = median(runs.theirs)
  return [
    { what: `${what}, cold: a fresh process`, kustomizeMs, ownMs: median(runs.cold) },
    { what: `${what}, cold: \`sluice build\``, kustomizeMs, ownMs: median(runs.command) },
    { what: `${what}, a running process`, kustomizeMs, ownMs: median(runs.running) },
    { what: `${what}, warm: a running process that has parsed the files before`, kustomizeMs, ownMs: median(runs.warm) },
  ]
}

async function growth(): Promise<Row[]> {
  const rows: Row[] = []
  for (const objects of [100, 1_000, 10_000]) {
    const one = await overlayCase(objects)
    const repeats = objects > 1_000 ? 1 : 5
    const runs = { theirs: [] as number[], own: [] as number[] }
    for (let i = 0; i < repeats; i++) {
      runs.theirs.push(await elapsed(() => runKustomize(one)))
      runs.own.push(await elapsed(() => runFresh([one])))
    }
    rows.push({ what: `growth: ${objects} objects, a fresh process`, kustomizeMs: median(runs.theirs), ownMs: median(runs.own) })
  }
  return rows
}

/** The shared conformance cases where they are at hand, else the project's own fixtures. */
async function allCases(): Promise<Case[]> {
  if (!existsSync(SHARED)) return Promise.all(readFixtures().map(({ files, target }) => written(files, target)))
  const cases: Case[] = []
  for (const name of await readdir(SHARED)) {
    const root = join(SHARED, name, 'input')
    if (!existsSync(root)) continue
    const { target } = JSON.parse(await readFile(join(SHARED, name, 'case.json'), 'utf8')) as { target: string }
    cases.push({ root, target })
  }
  return cases
}

function overlayCase(objects: number): Promise<Case> {
  return written(overlayFiles(objects), 'over')
}

async function written(files: ReadonlyMap<string, string>, target: string): Promise<Case> {
  const root = await temporaryDirectory('bench-kustomize')
  for (const [path, content] of files) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
  return { root, target }
}

/** What is printed; undefined when the build fails. */
async function runKustomize({ root, target }: Case): Promise<string | undefined> {
  const args = ['build', ...FLAGS, join(root, target)]
  return run(kustomize, args, { maxBuffer: 2 ** 30 }).then(
    ({ stdout }) => stdout,
    () => undefined,
  )
}

async function runCommand({ root, target }: Case): Promise<void> {
  await run(process.execPath, [COMMAND, 'build', ...FLAGS, join(root, target)], { maxBuffer: 2 ** 30 })
}

async function runFresh(cases: readonly Case[]): Promise<string> {
  const args = [program, pathToFileURL(ENGINE).href, ...cases.flatMap(({ root, target }) => [root, target])]
  return (await run(process.execPath, args, { maxBuffer: 2 ** 30 })).stdout
}

async function buildOnce({ root, target }: Case, cache?: InstanceType<Engine['ParseCache']>): Promise<void> {
  const result = await build(diskTree(root), target, { ...FLUX, ...(cache && { cache }) }).catch(() => undefined)
  result?.yaml()
}

async function assertSame(one: Case): Promise<void> {
  if ((await runKustomize(one)) !== (await runFresh([one]))) throw new Error(`the two print different things for ${one.root}`)
}

async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

function print(rows: readonly Row[]): void {
  console.log(`\n${cpus().length} cores (${cpus()[0]?.model.trim()}), Node ${process.versions.node}, wall time in ms.\n`)
  console.log('| what | kustomize v5.8.1, a process for each build | Sluice | kustomize / Sluice |')
  console.log('|---|---|---|---|')
  for (const { what, kustomizeMs, ownMs } of rows)
    console.log(`| ${what} | ${kustomizeMs.toFixed(0)} | ${ownMs.toFixed(0)} | ${(kustomizeMs / ownMs).toFixed(1)} |`)
}
