/**
 * kill -9 in the middle of a HelmRelease's install, upgrade, rollback and uninstall: after a restart the release is as wanted, nothing is
 * pending and nothing is left over, without a hand.
 *
 * A point is "before the nth write to the API server": nothing else outlives a process. How many writes an action takes is counted first,
 * in a run that nobody kills. `SLUICE_KILLS` is how many points are tried, spread evenly over the four actions and over each of them;
 * `SLUICE_SEED` which exactly: the same seed gives the same points.
 */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { Random } from '../conformance/random.ts'
import { type ChartFiles, ChartServer, helm } from './charts.ts'
import { type Fits, holdAfter, isApply, isWrite, type Line, mend, openLine } from './faults.ts'
import { type Cluster, conditionOf, hasCondition, isReady, type Live, openCluster, type Sluice } from './harness.ts'

const kills = Number(process.env.SLUICE_KILLS ?? 12)
const seed = Number(process.env.SLUICE_SEED ?? 1)

let cluster: Cluster
let charts: ChartServer
let line: Line
let sluice: Sluice

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'helm-kill')
  charts = await ChartServer.start(cluster)
  line = await openLine(cluster.kubeconfig)
  await charts.publish('shop', '1.0.0', files)
  sluice = await cluster.startSluice({
    kubeconfig: line.kubeconfig,
    flags: { controllers: 'helm', 'min-retry-delay': '50ms' },
  })
})
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await line?.[Symbol.asyncDispose]()
  await charts?.[Symbol.asyncDispose]()
})

const configMap = (name: string, annotations = '') => `apiVersion: v1
kind: ConfigMap
metadata:
  name: '{{ .Release.Name }}-${name}'
${annotations}data: {text: {{ .Values.text | quote }}}
`

const hook = (events: string) => `  annotations:
    helm.sh/hook: ${events}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
`

const service = (name: string) => `apiVersion: v1
kind: Service
metadata: {name: '{{ .Release.Name }}-${name}'}
spec: {ports: [{port: {{ .Values.port }}}]}
`

/** Every kind of step: hooks before and after, objects that stay, come and go, tests, and one that the API server refuses. */
const files: ChartFiles = {
  'values.yaml': 'text: one\nport: 80\nwith: [old]\n',
  'templates/before.yaml': configMap('before', hook('pre-install,pre-upgrade,pre-rollback,pre-delete')),
  'templates/after.yaml': configMap('after', hook('post-install,post-upgrade,post-rollback,post-delete')),
  'templates/test.yaml': configMap('test', hook('test')),
  'templates/a.yaml': configMap('a'),
  'templates/b.yaml': configMap('b'),
  'templates/old.yaml': `{{- if has "old" .Values.with }}\n${configMap('old')}{{- end }}\n`,
  'templates/new.yaml': `{{- if has "new" .Values.with }}\n${configMap('new')}{{- end }}\n`,
  'templates/web.yaml': service('web'),
}

const values = {
  first: {},
  second: { text: 'two', with: ['new'] },
  bad: { text: 'bad', with: ['new'], port: 0 },
}

const ofFirst = { 'ConfigMap/a': 'one', 'ConfigMap/b': 'one', 'ConfigMap/old': 'one', 'Service/web': undefined }
const ofSecond = { 'ConfigMap/a': 'two', 'ConfigMap/b': 'two', 'ConfigMap/new': 'two', 'Service/web': undefined }

interface Action {
  readonly name: string
  /** What is there before. */
  readonly hasRelease: boolean
  begin(release: string): Promise<unknown>
  /** The write after which it has begun; absent: with the first. */
  readonly startsAfter?: Fits
  end(release: string): Promise<unknown>
  /** Throws unless everything is as wanted. */
  check(release: string): Promise<void>
}

/** A process starts in between. */
const patiently = { timeoutMs: 60_000 }

const isRefusedService: Fits = ({ url }) => url.pathname.includes('/services/')

const actions: readonly Action[] = [
  {
    name: 'install',
    hasRelease: false,
    begin: (release) => apply(release, values.first),
    end: (release) => cluster.until(`hr/${release}`, isReady(), patiently),
    check: (release) => isDeployed(release, { objects: ofFirst, mostRevisions: 3 }),
  },
  {
    name: 'upgrade',
    hasRelease: true,
    begin: (release) => apply(release, values.second),
    end: (release) => cluster.until(`hr/${release}`, isReady(), patiently),
    check: (release) => isDeployed(release, { objects: ofSecond, mostRevisions: 4 }),
  },
  {
    name: 'rollback',
    hasRelease: true,
    begin: (release) => apply(release, values.bad),
    startsAfter: isRefusedService,
    end: (release) => cluster.until(`hr/${release}`, hasCondition('Stalled', 'True', 'RetriesExceeded'), patiently),
    async check(release) {
      await isDeployed(release, { objects: ofFirst, mostRevisions: 6 })
      const hr = await cluster.get(`hr/${release}`)
      expect(conditionOf(hr, 'Ready')).toMatchObject({ status: 'False', reason: 'RollbackSucceeded' })
    },
  },
  {
    name: 'uninstall',
    hasRelease: true,
    begin: (release) => cluster.kubectl('delete', 'hr', release, '--wait=false'),
    end: (release) => cluster.untilGone(`hr/${release}`),
    check: isGone,
  },
]

describe(`a HelmRelease whose process is killed (SLUICE_SEED=${seed})`, () => {
  const timeoutMs = 60_000 + kills * 5_000
  it.each(actions)(
    'HLM-ACT-11 F-HLM-01 in the middle of an $name goes on without a hand',
    async (action) => {
      const writes = await countWrites(action)
      const points = pointsOf(action, writes)
      const failures: string[] = []
      for (const point of points) {
        const problem = await killed(action, point).catch(String)
        if (problem) failures.push(`before write ${point} of ${writes}: ${problem}`)
      }
      console.info(`${action.name}: killed before writes ${points.join(', ')} of ${writes}; ${failures.length} did not go on`)
      expect(failures).toEqual([])
    },
    timeoutMs,
  )
})

describe('an upgrade that a kill has broken off', () => {
  it('F-HLM-01 leaves nothing when it is then made another way', async () => {
    await brokenOff('other')
    await apply('other', { text: 'three', with: [] })
    await sluice.start()
    await cluster.until('hr/other', isReady())
    expect(await objectsOf('other')).toEqual({ 'ConfigMap/a': 'three', 'ConfigMap/b': 'three', 'Service/web': undefined })
    await remove('other')
  })

  it('F-HLM-01 leaves nothing when the release is then deleted', async () => {
    await brokenOff('deleted')
    await cluster.kubectl('delete', 'hr', 'deleted', '--wait=false')
    await sluice.start()
    await cluster.untilGone('hr/deleted')
    await isGone('deleted')
  })

  /** Objects of both revisions are there. */
  async function brokenOff(release: string): Promise<void> {
    await install(release)
    const inTheMiddle = holdAfter(0, line.proxy, isApply('services'))
    await apply(release, values.second)
    await inTheMiddle
    await sluice.kill9()
    mend(line.proxy)
    expect(await objectsOf(release)).toMatchObject({ 'ConfigMap/old': 'one', 'ConfigMap/new': 'two' })
  }
})

/** One in each stretch of an action, all stretches of the same length. */
function pointsOf(action: Action, writes: number): number[] {
  const index = actions.indexOf(action)
  const random = new Random(seed * actions.length + index)
  const count = Math.floor(kills / actions.length) + (index < kills % actions.length ? 1 : 0)
  return Array.from({ length: count }, (_, nth) => 1 + Math.floor(((nth + random.next()) * writes) / count))
}

async function countWrites(action: Action): Promise<number> {
  const release = `${action.name}-0`
  if (action.hasRelease) await install(release)
  const before = line.proxy.seen.length
  await action.begin(release)
  await action.end(release)
  const seen = line.proxy.seen.slice(before)
  const start = action.startsAfter ? seen.findIndex(action.startsAfter) + 1 : 0
  await action.check(release)
  await remove(release)
  return seen.slice(start).filter(counts).length
}

/** Says what went wrong, if anything. */
async function killed(action: Action, point: number): Promise<string | undefined> {
  const release = `${action.name}-${point}`
  if (action.hasRelease) await install(release)
  let hasStarted = action.startsAfter === undefined
  const inTheMiddle = holdAfter(point - 1, line.proxy, (request) => {
    if (hasStarted) return counts(request)
    hasStarted = action.startsAfter?.(request) ?? true
    return false
  })
  await action.begin(release)
  const end = action.end(release)
  end.catch(() => {}) // awaited below
  // It may end with fewer writes than were counted: what takes long tells of its progress.
  await Promise.race([inTheMiddle, end])
  await sluice.kill9()
  mend(line.proxy)
  await sluice.start()
  try {
    await end
    await action.check(release)
    await remove(release)
    return undefined
  } catch (error) {
    return String(error)
  }
}

/** Leases and Events say nothing of a release. */
const counts: Fits = (request) => isWrite(request) && !/\/(leases|events)(\/|$)/.test(request.url.pathname)

function apply(name: string, given: object): Promise<void> {
  const spec = {
    chartRef: { kind: 'HelmChart', name: 'shop' },
    interval: '1h',
    values: given,
    test: { enable: true },
    upgrade: { remediation: { remediateLastFailure: true } },
  }
  return cluster.apply({ apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease', metadata: { name }, spec })
}

async function install(release: string): Promise<void> {
  await apply(release, values.first)
  await cluster.until(`hr/${release}`, isReady())
}

async function remove(release: string): Promise<void> {
  await cluster.kubectl('delete', 'hr', release, '--ignore-not-found', '--timeout=30s')
  await isGone(release)
}

interface Wanted {
  readonly objects: Readonly<Record<string, string | undefined>>
  readonly mostRevisions: number
}

async function isDeployed(release: string, { objects, mostRevisions }: Wanted): Promise<void> {
  expect(await objectsOf(release)).toEqual(objects)
  const history = JSON.parse(await helm(cluster, 'history', release, '-o', 'json')) as { revision: number; status: string }[]
  const statuses = history.map(({ status }) => status)
  expect(statuses.at(-1)).toBe('deployed')
  for (const status of statuses.slice(0, -1)) expect(['superseded', 'failed']).toContain(status)
  expect(history.map(({ revision }) => revision)).toEqual(history.map((_, index) => index + 1))
  expect(history.length).toBeLessThanOrEqual(mostRevisions)
  const { status } = await cluster.get(`hr/${release}`)
  expect(status?.history).toMatchObject([{ version: history.length, status: 'deployed' }, ...olderOf(status)])
  expect(status?.inventory?.entries).toHaveLength(Object.keys(objects).length)
}

function olderOf(status: Live['status']): unknown[] {
  return Array.isArray(status?.history) ? status.history.slice(1) : []
}

async function isGone(release: string): Promise<void> {
  expect(await objectsOf(release)).toEqual({})
  const secrets = (await cluster.list('secrets')).map(({ metadata }) => metadata.name)
  expect(secrets.filter((name) => name.includes(`.${release}.`))).toEqual([])
}

/** `<kind>/<name without the release's>` → its text. */
async function objectsOf(release: string): Promise<Record<string, string | undefined>> {
  const objects = await cluster.list('configmaps,services')
  const own = objects.filter(({ metadata }) => metadata.name.startsWith(`${release}-`))
  return Object.fromEntries(
    own.map(({ kind, metadata, data }) => [`${kind}/${metadata.name.slice(release.length + 1)}`, data?.text]),
  )
}
