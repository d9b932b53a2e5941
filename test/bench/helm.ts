/**
 * `make bench-helm`: renders charts with the engine, as it is shipped (dist/helm.mjs), beside the real helm in the same run, as a table.
 * Figures, not a test. Wall times are medians of single runs that take turns.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { readChartFixtures } from '../lib/chart/fixtures.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { findTool } from '../tools/tools.ts'

type Engine = typeof import('../../src/lib/chart/package.ts')
type Chart = ReturnType<Engine['loadChart']>

/** A rendering: a package or folder, and files with values. */
interface Case {
  readonly chart: string
  readonly values: readonly string[]
  readonly kubeVersion: string
}

interface Row {
  readonly what: string
  readonly helmMs: number
  readonly ownMs: number
}

const SHARED = fileURLToPath(new URL('../../../shared/conformance/helm/charts', import.meta.url))
const ENGINE = fileURLToPath(new URL('../../dist/helm.mjs', import.meta.url))
const COMMAND = fileURLToPath(new URL('../../dist/sluice.mjs', import.meta.url))

const run = promisify(execFile)
const engine = (await import(pathToFileURL(ENGINE).href)) as Engine
const helm = await findTool('helm')

print([...(await batch()), ...(await large()), ...(await growth())])

/** Many renderings: helm starts for each, the engine once. Those that fail do not count. */
async function batch(): Promise<Row[]> {
  const cases: Case[] = []
  let theirs = 0
  for (const one of await allCases()) {
    const startedAt = performance.now()
    if ((await runHelm(one)) === undefined) continue
    theirs += performance.now() - startedAt
    cases.push(one)
  }
  const first = await elapsed(async () => renderAll(cases))
  const second = await elapsed(async () => renderAll(cases))
  return [
    { what: `${cases.length} renderings, all in one process that has rendered nothing before`, helmMs: theirs, ownMs: first },
    { what: `${cases.length} renderings, all in one process, once more`, helmMs: theirs, ownMs: second },
  ]
}

/** The largest of the shared charts (kube-prometheus-stack), or a chart of our own with many values. */
async function large(): Promise<Row[]> {
  const path = join(SHARED, 'kube-prometheus-stack')
  const one = existsSync(path) ? (casesOf(path)[0] ?? (await manyValues(1_000))) : await manyValues(1_000)
  const chart = open(one)
  const runs = { theirs: [] as number[], command: [] as number[], loaded: [] as number[], warm: [] as number[] }
  for (let i = 0; i < 11; i++) {
    runs.theirs.push(await elapsed(() => runHelm(one)))
    runs.command.push(await elapsed(() => runCommand(one)))
    runs.loaded.push(await elapsed(async () => void render(one, open(one))))
    runs.warm.push(await elapsed(async () => void render(one, chart)))
  }
  const helmMs = median(runs.theirs)
  const what = existsSync(path) ? 'kube-prometheus-stack' : 'a chart with 1,000 values'
  return [
    { what: `${what}, cold: \`sluice template\``, helmMs, ownMs: median(runs.command) },
    { what: `${what}, a running process that loads it anew`, helmMs, ownMs: median(runs.loaded) },
    { what: `${what}, warm: a running process that has loaded it`, helmMs, ownMs: median(runs.warm) },
  ]
}

async function growth(): Promise<Row[]> {
  const rows: Row[] = []
  for (const count of [100, 1_000, 10_000]) {
    const one = await manyValues(count)
    const chart = open(one)
    const runs = { theirs: [] as number[], own: [] as number[] }
    for (let i = 0; i < 5; i++) {
      runs.theirs.push(await elapsed(() => runHelm(one)))
      runs.own.push(await elapsed(async () => void render(one, chart)))
    }
    rows.push({ what: `growth: ${count} values, a running process`, helmMs: median(runs.theirs), ownMs: median(runs.own) })
  }
  return rows
}

/** The shared public charts where they are at hand, else the project's own fixtures. */
async function allCases(): Promise<Case[]> {
  if (existsSync(SHARED)) return readdirSync(SHARED).flatMap((name) => casesOf(join(SHARED, name)))
  const cases: Case[] = []
  for (const { request } of readChartFixtures('helm-charts')) {
    if (request.op === 'render' && 'files' in request.chart)
      cases.push(await written(Object.entries(request.chart.files), request.values))
  }
  return cases
}

function casesOf(folder: string): Case[] {
  const file = join(folder, 'cases.json')
  if (!existsSync(file)) return []
  const { chart, cases } = JSON.parse(readFileSync(file, 'utf8')) as { chart: string; cases: readonly Omit<Case, 'chart'>[] }
  return cases.map(({ values, kubeVersion }) => ({
    chart: join(folder, chart),
    values: values.map((name) => join(folder, name)),
    kubeVersion,
  }))
}

/** A chart that makes a ConfigMap of each of many values. */
function manyValues(count: number): Promise<Case> {
  const items = Array.from(
    { length: count },
    (_, i) => `  item-${i}: {name: n${i}, size: ${i}, labels: {app: a${i % 7}, tier: "${i % 3}"}}\n`,
  )
  const object = [
    'apiVersion: v1',
    'kind: ConfigMap',
    'metadata:',
    '  name: {{ $.Release.Name }}-{{ $key | lower | trunc 63 }}',
    '  labels: {{- toYaml $item.labels | nindent 4 }}',
    'data:',
    '  text: {{ printf "%s of %v" $item.name $item.size | quote }}',
    '  {{- if gt (int $item.size) 10 }}',
    '  large: {{ include "many.large" $item }}',
    '  {{- end }}',
    '---',
    '',
  ].join('\n')
  return written(
    [
      ['Chart.yaml', 'apiVersion: v2\nname: many\nversion: 1.0.0\n'],
      ['values.yaml', `items:\n${items.join('')}`],
      ['templates/_helpers.tpl', '{{- define "many.large" }}{{ .size | int64 | quote }}{{ end }}'],
      ['templates/all.yaml', `{{- range $key, $item := .Values.items }}\n${object}{{- end }}\n`],
    ],
    [],
  )
}

async function written(files: Iterable<readonly [string, string]>, values: readonly string[]): Promise<Case> {
  const root = await temporaryDirectory('bench-helm')
  const write = async (name: string, content: string): Promise<string> => {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), content)
    return join(root, name)
  }
  for (const [name, content] of files) await write(join('chart', name), content)
  const paths = await Promise.all(values.map((content, i) => write(`values-${i}.yaml`, content)))
  return { chart: join(root, 'chart'), values: paths, kubeVersion: '1.34.0' }
}

function flags({ chart, values, kubeVersion }: Case): string[] {
  return ['template', 'rel', chart, '--namespace', 'ns', '--kube-version', kubeVersion, ...values.flatMap((file) => ['-f', file])]
}

/** What is printed; undefined when it fails. */
async function runHelm(one: Case): Promise<string | undefined> {
  return run(helm, flags(one), { maxBuffer: 2 ** 30 }).then(
    ({ stdout }) => stdout,
    () => undefined,
  )
}

async function runCommand(one: Case): Promise<void> {
  await run(process.execPath, [COMMAND, ...flags(one)], { maxBuffer: 2 ** 30 })
}

function renderAll(cases: readonly Case[]): void {
  const charts = new Map<string, Chart>()
  for (const one of cases) {
    const chart = charts.get(one.chart) ?? open(one)
    charts.set(one.chart, chart)
    render(one, chart)
  }
}

function open({ chart }: Case): Chart {
  return engine.loadChart(chart.endsWith('.tgz') ? { archive: readFileSync(chart) } : engine.diskTree(chart))
}

function render({ values, kubeVersion }: Case, chart: Chart): string {
  const { defaultCapabilities, mergeValues, printRendered } = engine
  const files = values.map((name) => ({ name, content: readFileSync(name) }))
  const rendered = engine.render(
    chart,
    mergeValues({ files }),
    { name: 'rel', namespace: 'ns', revision: 1, isUpgrade: false },
    { kubeVersion, apiVersions: defaultCapabilities.apiVersions },
    { environment: { now: Date.now, random: randomBytes, zone: 'UTC', budget: new engine.Budget() } },
  )
  return printRendered(rendered)
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
  console.log('| what | helm v4.3.1, a process for each | Sluice | helm / Sluice |')
  console.log('|---|---|---|---|')
  for (const { what, helmMs, ownMs } of rows)
    console.log(`| ${what} | ${helmMs.toFixed(0)} | ${ownMs.toFixed(0)} | ${(helmMs / ownMs).toFixed(1)} |`)
}
