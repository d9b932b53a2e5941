/** HelmCharts and the HelmReleases that use them, with real repositories. */
import { get } from 'node:http'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { packChart } from '../../src/lib/chart/index.ts'
import { type ChartContent, type ChartServer, chartOf, startChartServer } from '../tools/chart-server.ts'
import { pushChart } from '../tools/push.ts'
import { registryLogin, startRegistry, type TestRegistry } from '../tools/registry.ts'
import { helm } from './charts.ts'
import { type Claim, type Cluster, conditionOf, hasCondition, isReady, type Manifest, openCluster, type Sluice } from './harness.ts'

let cluster: Cluster
let sluice: Sluice
let charts: ChartServer
let registry: TestRegistry

beforeAll(async () => {
  charts = await startChartServer()
  registry = await startRegistry({ login: 'basic' })
  cluster = await openCluster(inject('kubeconfig'), 'charts')
  sluice = await cluster.startSluice({ flags: { 'min-retry-delay': '1h', 'max-retry-delay': '1h', 'helm-cache-max-size': '10' } })
})
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await registry?.[Symbol.asyncDispose]()
  await charts?.[Symbol.asyncDispose]()
})

const source = 'source.toolkit.fluxcd.io/v1'

const files: ChartContent = {
  'values.yaml': 'text: hello\n',
  'templates/config.yaml': `apiVersion: v1
kind: ConfigMap
metadata: {name: '{{ .Release.Name }}'}
data: {text: {{ .Values.text | quote }}, version: {{ .Chart.Version | quote }}}
`,
}

/** Of the tests' chart server. Its interval never passes: tests ask for what they want. */
function helmRepository(name: string, spec: object = {}): Manifest {
  return { apiVersion: source, kind: 'HelmRepository', metadata: { name }, spec: { url: charts.url, interval: '1h', ...spec } }
}

function helmChart(name: string, spec: { readonly sourceRef: object; readonly [field: string]: unknown }): Manifest {
  return { apiVersion: source, kind: 'HelmChart', metadata: { name }, spec: { chart: name, interval: '1h', ...spec } }
}

function helmRelease(name: string, chart: object, spec: object = {}): Manifest {
  // What a release makes is of the shard that its template says.
  const metadata = { labels: { 'sluice.test/shard': cluster.namespace } }
  return {
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { name },
    spec: { chart: { metadata, spec: { chart: name, ...chart } }, interval: '1h', releaseName: name, ...spec },
  }
}

const inRepository = { sourceRef: { kind: 'HelmRepository', name: 'charts' } }

const at =
  (revision: string): Claim =>
  (object) =>
    isReady()(object) && object.status?.artifact?.revision === revision

const releasedAt =
  (version: string): Claim =>
  (object) =>
    isReady()(object) && object.status?.lastAttemptedRevision === version

const data = async (name: string) => (await cluster.get(`configmap/${name}`)).data

describe('a HelmChart', () => {
  it('SRC-CHT-01 SRC-CHT-10 serves the newest version of a range, and the next one as soon as the index has it', async () => {
    charts.publish('range', '1.0.0', files)
    charts.publish('range', '1.2.0', files)
    charts.publish('range', '2.0.0', files)
    await cluster.apply(helmRepository('charts'), helmChart('range', { version: '1.x', ...inRepository }))
    const first = await cluster.until('helmchart/range', at('1.2.0'))
    const { namespace } = cluster
    expect(conditionOf(first, 'Ready')).toMatchObject({
      reason: 'ChartPullSucceeded',
      message: "pulled 'range' chart with version '1.2.0'",
    })
    expect(first.status).toMatchObject({ observedChartName: 'range', observedSourceArtifactRevision: charts.revision() })
    expect(first.status?.artifact?.path).toBe(`helmchart/${namespace}/range/range-1.2.0.tgz`)
    const { archive } = charts.publish('range', '1.3.0', files)
    await cluster.reconcile('helmrepository/charts')
    const next = await cluster.until('helmchart/range', at('1.3.0'))
    expect(await served(`helmchart/${namespace}/range/latest.tar.gz`)).toEqual(Buffer.from(archive))
    expect(next.status?.url).toMatch(/\/range\/latest\.tar\.gz$/)
    const events = await cluster.events('helmchart/range')
    expect(events.filter(({ reason }) => reason === 'ChartPullSucceeded').map(({ message }) => message)).toEqual([
      "pulled 'range' chart with version '1.2.0'",
      "pulled 'range' chart with version '1.3.0'",
    ])
  })

  it('SRC-CHT-03 SRC-CHT-06 SRC-CHT-10 of a GitRepository follows its commits', async () => {
    const repository = await cluster.repository('folder', chartFolder('1.0.0'))
    const sourceRef = { kind: 'GitRepository', name: 'folder' }
    await cluster.apply(
      cluster.gitRepository('folder', { interval: '1h' }),
      helmChart('folder', { chart: './charts/folder', sourceRef }),
      helmChart('each', { chart: './charts/folder', sourceRef, reconcileStrategy: 'Revision' }),
    )
    const first = await cluster.until('helmchart/folder', at('1.0.0'))
    expect(conditionOf(first, 'Ready')?.reason).toBe('ChartPackageSucceeded')
    const commit = await repository.commit(chartFolder('1.1.0'), 'Version 1.1.0')
    await cluster.reconcile('gitrepository/folder')
    await cluster.until('helmchart/folder', at('1.1.0'))
    await cluster.until('helmchart/each', at(`1.1.0+${commit.slice(0, 12)}`))
    expect((await cluster.get('helmchart/folder')).status?.observedSourceArtifactRevision).toBe(`main@sha1:${commit}`)
  })

  it('SRC-CHT-10 waits for a source that comes later', async () => {
    charts.publish('later', '1.0.0', files)
    await cluster.apply(helmChart('later', { sourceRef: { kind: 'HelmRepository', name: 'later' } }))
    await cluster.until('helmchart/later', hasCondition('Ready', 'False', 'SourceUnavailable'))
    await cluster.apply(helmRepository('later'))
    await cluster.until('helmchart/later', at('1.0.0'))
  })

  it('SRC-CHT-10 is stalled while no version fits, and goes on when the index has one', async () => {
    charts.publish('future', '1.0.0', files)
    await cluster.apply(helmRepository('future'))
    await cluster.apply(helmChart('future', { version: '2.x', sourceRef: { kind: 'HelmRepository', name: 'future' } }))
    const stalled = await cluster.until('helmchart/future', hasCondition('Stalled', 'True', 'InvalidChartReference'))
    expect(conditionOf(stalled, 'Ready')?.message).toContain("no 'future' chart with version matching '2.x' found")
    charts.publish('future', '2.0.0', files)
    await cluster.reconcile('helmrepository/future')
    const chart = await cluster.until('helmchart/future', at('2.0.0'))
    expect(chart.status?.conditions?.map(({ type }) => type).toSorted()).toEqual(['ArtifactInStorage', 'Ready'])
  })

  it('SRC-CHT-02 SRC-CHT-10 of a registry is pulled as soon as the login is right', async () => {
    await push('guarded', '1.0.0')
    const { namespace } = cluster
    const secret = (password: string): Manifest => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'login', namespace, labels: { 'reconcile.fluxcd.io/watch': 'Enabled' } },
      stringData: { username: registryLogin.username, password },
    })
    await cluster.apply(
      secret('wrong'),
      helmRepository('registry', { type: 'oci', url: registry.url('charts'), insecure: true, secretRef: { name: 'login' } }),
      helmChart('guarded', { version: '1.x', sourceRef: { kind: 'HelmRepository', name: 'registry' } }),
    )
    const failed = await cluster.until('helmchart/guarded', hasCondition('Ready', 'False', 'AuthenticationFailed'))
    expect(conditionOf(failed, 'FetchFailed')?.message).toContain('failed to authenticate with the Helm repository')
    await cluster.apply(secret(registryLogin.password))
    await cluster.until('helmchart/guarded', at('1.0.0'))
    expect((await cluster.get('helmrepository/registry')).status?.conditions).toBeUndefined()
  })

  it('stalls on what is not done yet, with the name of the field', async () => {
    const verify = { provider: 'cosign' }
    await cluster.apply(
      helmChart('verified', { verify, ...inRepository }),
      helmChart('bucket', { sourceRef: { kind: 'Bucket', name: 'x' } }),
    )
    for (const [name, field] of [
      ['verified', 'spec.verify'],
      ['bucket', 'spec.sourceRef.kind Bucket'],
    ]) {
      const chart = await cluster.until(`helmchart/${name}`, hasCondition('Stalled', 'True', 'UnsupportedField'))
      expect(conditionOf(chart, 'Stalled')?.message).toContain(field)
    }
  })

  it('SRC-HRP-08 OBS-05 reads an index once for charts that ask the same, where it is told to remember', async () => {
    charts.publish('shared', '1.0.0', files)
    await cluster.apply(helmRepository('shared'))
    const sourceRef = { kind: 'HelmRepository', name: 'shared' }
    await cluster.apply(helmChart('shared', { sourceRef }))
    await cluster.until('helmchart/shared', at('1.0.0'))
    await cluster.reconcile('helmchart/shared')
    const metrics = await sluice.metrics()
    const uses = (event_type: string) =>
      metrics.sum('gotk_cache_events_total', { event_type, name: 'shared', namespace: cluster.namespace })
    expect(uses('cache_miss')).toBe(1)
    expect(uses('cache_hit')).toBeGreaterThanOrEqual(1)
  })

  it('takes its package out of the store when it goes', async () => {
    charts.publish('gone', '1.0.0', files)
    await cluster.apply(helmRepository('gone'), helmChart('gone', { sourceRef: { kind: 'HelmRepository', name: 'gone' } }))
    await cluster.until('helmchart/gone', at('1.0.0'))
    const path = `helmchart/${cluster.namespace}/gone/gone-1.0.0.tgz`
    expect(await served(path)).toBeDefined()
    await cluster.kubectl('delete', 'helmchart/gone')
    expect(await served(path)).toBeUndefined()
  })
})

describe('a HelmRelease', () => {
  it('SRC-CHT-01 SRC-CHT-10 is installed from a repository, and upgraded when the index has a new version', async () => {
    charts.publish('shop', '1.0.0', files)
    const sourceRef = { kind: 'HelmRepository', name: 'releases' }
    await cluster.apply(helmRepository('releases'), helmRelease('shop', { version: '>=1.0.0 <2.0.0', sourceRef }))
    await cluster.until('hr/shop', releasedAt('1.0.0'))
    expect(await data('shop')).toEqual({ text: 'hello', version: '1.0.0' })
    charts.publish('shop', '1.1.0', files)
    charts.publish('shop', '2.0.0', files)
    await cluster.reconcile('helmrepository/releases')
    await cluster.until('hr/shop', releasedAt('1.1.0'))
    expect(await data('shop')).toEqual({ text: 'hello', version: '1.1.0' })
    const listed = JSON.parse(await helm(cluster, 'list', '-o', 'json', '--filter', '^shop$'))
    expect(listed).toMatchObject([{ name: 'shop', revision: '2', status: 'deployed', chart: 'shop-1.1.0' }])
  })

  it('SRC-CHT-03 SRC-CHT-05 is installed from a folder of a GitRepository with values files', async () => {
    const repository = await cluster.repository('app', { ...chartFolder('1.0.0'), 'production.yaml': 'text: production\n' })
    const sourceRef = { kind: 'GitRepository', name: 'app' }
    const chart = { chart: 'charts/folder', sourceRef, reconcileStrategy: 'Revision', valuesFiles: ['production.yaml'] }
    await cluster.apply(cluster.gitRepository('app', { interval: '1h' }), helmRelease('app', chart))
    const first = await repository.head()
    await cluster.until('hr/app', releasedAt(`1.0.0+${first.slice(0, 12)}.1`))
    expect(await data('app')).toMatchObject({ text: 'production' })
    const second = await repository.commit({ 'production.yaml': 'text: changed\n' }, 'Change the text')
    await cluster.reconcile('gitrepository/app')
    await cluster.until('hr/app', releasedAt(`1.0.0+${second.slice(0, 12)}.1`))
    expect(await data('app')).toMatchObject({ text: 'changed' })
  })

  it('takes its HelmChart and the package along when it goes', async () => {
    charts.publish('brief', '1.0.0', files)
    const sourceRef = { kind: 'HelmRepository', name: 'brief' }
    await cluster.apply(helmRepository('brief'), helmRelease('brief', { sourceRef }))
    await cluster.until('hr/brief', releasedAt('1.0.0'))
    await cluster.kubectl('delete', 'hr/brief')
    await cluster.untilGone(`helmchart/${cluster.namespace}-brief`)
    await cluster.untilGone('configmap/brief')
  })
})

it('downloads nothing again after it was killed', async () => {
  charts.publish('kept', '1.0.0', files)
  await cluster.apply(helmRepository('kept'), helmChart('kept', { sourceRef: { kind: 'HelmRepository', name: 'kept' } }))
  const before = await cluster.until('helmchart/kept', at('1.0.0'))
  const downloads = charts.count('kept-1.0.0.tgz')
  await sluice.kill9()
  await sluice.start()
  const after = await cluster.reconcile('helmchart/kept')
  expect(after.status?.artifact?.digest).toBe(before.status?.artifact?.digest)
  expect(charts.count('kept-1.0.0.tgz')).toBe(downloads)
})

async function push(name: string, version: string): Promise<void> {
  const content = packChart(chartOf(name, version, files))
  await pushChart(registry, `charts/${name}`, { name, version, content })
}

function chartFolder(version: string): Record<string, string> {
  const chart = { 'Chart.yaml': `apiVersion: v2\nname: folder\nversion: ${version}\n`, ...files }
  return Object.fromEntries(Object.entries(chart).map(([path, text]) => [`charts/folder/${path}`, String(text)]))
}

/** What the artifact server has at a path; undefined when it has nothing there. */
function served(path: string): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    get(`${sluice.address('artifacts')}/${path}`, async (response) => {
      const body = Buffer.concat(await response.toArray())
      resolve(response.statusCode === 200 ? body : undefined)
    }).on('error', reject)
  })
}
