/**
 * `make bench`: how fast Sluice, as the bundle that is shipped, is on a real API server, as a table. Figures, not a test: nothing
 * here passes or fails by its speed. Sizes: `make bench ARGS='--apps 50 --chain 5'`; flags of Sluice: `--flag concurrent=4`.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { type ControlPlane, startControlPlane } from '../tools/control-plane.ts'
import { installCrds } from '../tools/crds.ts'
import { startGitServer } from '../tools/git-server.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { Repository } from '../tools/repository.ts'
import { type Metrics, parseMetrics, type Sluice, startSluice } from '../tools/sluice.ts'
import { isReady } from '../tools/watch.ts'
import { type Api, openApi, Tracker } from './api.ts'
import { appName, gitRepository, kustomization, linkName, namespace, repositoryFiles, settingsOf } from './content.ts'

const { values } = parseArgs({
  options: {
    apps: { type: 'string', default: '500' },
    chain: { type: 'string', default: '20' },
    flag: { type: 'string', multiple: true, default: ['concurrent=20'] },
  },
})
const sizes = { apps: Number(values.apps), chain: Number(values.chain) }
const flags = Object.fromEntries(values.flag.map((flag) => [flag.split('=')[0] ?? '', flag.split('=').slice(1).join('=')]))

const sources = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${namespace}/gitrepositories`
const kustomizations = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${namespace}/kustomizations`

/** One line of the table. */
interface Row {
  readonly what: string
  readonly wallSeconds: number
  readonly sluiceCpuSeconds: number
  readonly apiServerCpuSeconds: number
  readonly peakRssBytes: number
  readonly requests: ReadonlyMap<string, number>
  readonly builds: number
  readonly remark: string
}

/**
 * Measured once with the real Flux 2.9 controllers, on two such cores, with the settings of their own benchmark (20 workers, work
 * files in memory). Quoted for comparison; not run here.
 */
const quoted = [
  '| *Flux 2.9 (quoted): cold sync* | *66* | *75* | *44* | *503 in all, 190 of their own* | | | *226 s with default settings* |',
  '| *Flux 2.9 (quoted): no-op of all* | *64* | | | | *25 a Kustomization* | | |',
]

/** What the scenarios work with. */
interface Bench {
  readonly controlPlane: ControlPlane
  readonly api: Api
  readonly tracker: Tracker
  readonly repository: Repository
}

await using resources = new AsyncDisposableStack()
const bench = await prepare()
const rows: Row[] = []
const names = Array.from({ length: sizes.apps }, (_, index) => appName(index))

const { sluice, row } = await coldSync(bench)
add(row)
add(await measured(bench, sluice, `no-op of all ${sizes.apps}, on request`, () => noOp(bench)))
add(await measured(bench, sluice, 'commit that touches one app', () => oneAppCommit(bench)))
add(await measured(bench, sluice, `chain of ${sizes.chain} by dependsOn`, () => chain(bench)))
await sluice.stop()
print(rows)

/** Everything is there before Sluice starts: a client that creates 500 objects would be measured otherwise. */
async function prepare(): Promise<Bench> {
  const controlPlane = resources.use(await startControlPlane())
  await installCrds(controlPlane.kubectl)
  await controlPlane.kubectl('create', 'namespace', namespace)
  const root = await temporaryDirectory('git')
  const git = resources.use(await startGitServer({ root }))
  const repository = await Repository.create(root, 'bench')
  await repository.commit(repositoryFiles(sizes), `${sizes.apps} applications`)
  const api = resources.use(await openApi(controlPlane))
  await api.create(sources, gitRepository(git.url('bench')))
  const all = Array.from({ length: sizes.apps }, (_, index) => appName(index))
  await Promise.all(all.map((name) => api.create(kustomizations, kustomization(name, `./apps/${name}`))))
  const ended = new AbortController()
  resources.defer(() => ended.abort())
  const tracker = await Tracker.follow(api, kustomizations, ended.signal)
  return { controlPlane, api, tracker, repository }
}

async function coldSync({ controlPlane, tracker }: Bench): Promise<{ sluice: Sluice; row: Row }> {
  const apiServerBefore = await controlPlane.apiServerUsage()
  const startedAt = performance.now()
  const sluice = resources.use(await startSluice({ kubeconfig: controlPlane.kubeconfig, flags }))
  await tracker.untilAll(names, isReady())
  const wallSeconds = (performance.now() - startedAt) / 1000
  const before = { cpuSeconds: 0, metrics: parseMetrics(''), apiServerCpuSeconds: apiServerBefore.cpuSeconds }
  const what = `cold sync of ${sizes.apps} Kustomizations, ${sizes.apps * 8} objects, from the start of the process`
  return { sluice, row: await rowOf({ controlPlane, sluice, what, wallSeconds, before, remark: '' }) }
}

async function noOp({ api, tracker }: Bench): Promise<string> {
  const token = new Date().toISOString()
  await Promise.all(names.map((name) => api.patch(`${kustomizations}/${name}`, requestedAt(token))))
  await tracker.untilAll(names, (object) => object.status?.lastHandledReconcileAt === token && isReady()(object))
  return ''
}

async function oneAppCommit({ api, tracker, repository }: Bench): Promise<string> {
  const app = appName(0)
  const startedAt = performance.now()
  const commit = await repository.commit({ [`apps/${app}/settings.yaml`]: settingsOf(app, 'second') }, 'one app')
  await api.patch(`${sources}/bench`, requestedAt(commit))
  await tracker.untilAll([app], isReady(commit))
  const first = (performance.now() - startedAt) / 1000
  await tracker.untilAll(names, isReady(commit))
  return `the app itself after ${first.toFixed(2)} s`
}

async function chain({ api, tracker }: Bench): Promise<string> {
  const links = Array.from({ length: sizes.chain }, (_, index) => linkName(index))
  const startedAt = performance.now()
  // Last first: each has to wait for the one before.
  for (const [index, name] of [...links.entries()].reverse()) {
    const dependsOn = index === 0 ? {} : { dependsOn: [{ name: links[index - 1] }] }
    await api.create(kustomizations, kustomization(name, `./chain/${name}`, dependsOn))
  }
  await tracker.untilAll(links, isReady())
  return `${((performance.now() - startedAt) / 1000 / sizes.chain).toFixed(3)} s a link`
}

function requestedAt(token: string): object {
  return { metadata: { annotations: { 'reconcile.fluxcd.io/requestedAt': token } } }
}

/** Runs a scenario, which returns a remark, and measures what it cost. */
async function measured({ controlPlane }: Bench, sluice: Sluice, what: string, run: () => Promise<string>): Promise<Row> {
  const before = await snapshot(controlPlane, sluice)
  const startedAt = performance.now()
  const remark = await run()
  const wallSeconds = (performance.now() - startedAt) / 1000
  return rowOf({ controlPlane, sluice, what, wallSeconds, before, remark })
}

interface Snapshot {
  readonly cpuSeconds: number
  readonly apiServerCpuSeconds: number
  readonly metrics: Metrics
}

async function snapshot(controlPlane: ControlPlane, sluice: Sluice): Promise<Snapshot> {
  const [own, server, metrics] = await Promise.all([sluice.usage(), controlPlane.apiServerUsage(), sluice.metrics()])
  return { cpuSeconds: own.cpuSeconds, apiServerCpuSeconds: server.cpuSeconds, metrics }
}

async function rowOf(about: {
  controlPlane: ControlPlane
  sluice: Sluice
  what: string
  wallSeconds: number
  before: Snapshot
  remark: string
}): Promise<Row> {
  const { what, wallSeconds, before, remark } = about
  const after = await snapshot(about.controlPlane, about.sluice)
  const { peakRssBytes } = await about.sluice.usage()
  return {
    what,
    wallSeconds,
    sluiceCpuSeconds: after.cpuSeconds - before.cpuSeconds,
    apiServerCpuSeconds: after.apiServerCpuSeconds - before.apiServerCpuSeconds,
    peakRssBytes,
    requests: requestsBetween(before.metrics, after.metrics),
    builds: buildsOf(after.metrics) - buildsOf(before.metrics),
    remark,
  }
}

function requestsBetween(before: Metrics, after: Metrics): ReadonlyMap<string, number> {
  const verbs = (metrics: Metrics) => metrics.by('rest_client_request_duration_seconds_count', 'verb')
  const then = verbs(before)
  const differences = [...verbs(after)].map(([verb, count]) => [verb, count - (then.get(verb) ?? 0)] as const)
  return new Map(differences.filter(([, count]) => count > 0))
}

function buildsOf(metrics: Metrics): number {
  return metrics.sum('flux_kustomization_builds_total')
}

function print(lines: readonly Row[]): void {
  const cores = `${cpus().length} cores (${cpus()[0]?.model.trim()})`
  console.log(`\nSluice with ${values.flag.map((flag) => `--${flag}`).join(' ')}, API server and etcd on the same ${cores}.\n`)
  console.log('| what | wall s | CPU s Sluice | CPU s API server | peak RSS MiB | API requests by verb | builds | remark |')
  console.log('|---|---|---|---|---|---|---|---|')
  for (const line of lines) console.log(tableLine(line))
  for (const line of quoted) console.log(line)
}

function tableLine(line: Row): string {
  const requests = [...line.requests].map(([verb, count]) => `${verb} ${count}`).join(', ')
  const cells = [
    line.what,
    line.wallSeconds.toFixed(2),
    line.sluiceCpuSeconds.toFixed(1),
    line.apiServerCpuSeconds.toFixed(1),
    Math.round(line.peakRssBytes / 2 ** 20),
    requests,
    line.builds,
    line.remark,
  ]
  return `| ${cells.join(' | ')} |`
}

/** Shown at once too: a whole run takes minutes. */
function add(row: Row): void {
  rows.push(row)
  process.stderr.write(`bench: ${row.what}: ${row.wallSeconds.toFixed(2)} s\n`)
}
