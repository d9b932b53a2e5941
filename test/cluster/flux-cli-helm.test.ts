/** The real flux command on Sluice: charts and HelmReleases. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadAll } from 'js-yaml'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChartServer, startChartServer } from '../tools/chart-server.ts'
import { startControlPlane } from '../tools/control-plane.ts'
import { installCrds } from '../tools/crds.ts'
import { blocksOf, type Flux, fluxOf, inMilliseconds } from '../tools/flux.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { pushChart } from '../tools/push.ts'
import { startRegistry, type TestRegistry } from '../tools/registry.ts'
import { type Cluster, isReady, openCluster } from './harness.ts'

const resources = new AsyncDisposableStack()
let cluster: Cluster
let flux: Flux
let charts: ChartServer
let registry: TestRegistry

beforeAll(async () => {
  // Of its own: `flux create helmrelease` cannot give the HelmChart a label.
  const controlPlane = resources.use(await startControlPlane())
  await installCrds(controlPlane.kubectl)
  cluster = resources.use(await openCluster(controlPlane.kubeconfig, 'flux-helm', { whole: true }))
  await cluster.startSluice()
  flux = await fluxOf(cluster)
  charts = resources.use(await startChartServer())
  registry = resources.use(await startRegistry())
  charts.publish('shop', '1.0.0', chart)
})

afterAll(() => resources.disposeAsync())

const chart = {
  'values.yaml': 'color: red\nsize: 1\nname: nobody\n',
  'templates/settings.yaml': `apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-settings}
data: {color: '{{ .Values.color }}', size: '{{ .Values.size }}', name: '{{ .Values.name }}', version: '{{ .Chart.Version }}'}
`,
}

const things = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`

function settings(release: string): Promise<Readonly<Record<string, string>> | undefined> {
  return cluster.get(`configmap/${release}-settings`).then(({ data }) => data)
}

/** What it did, without what it waited for. */
function steps(said: string): string[] {
  return said.split('\n').filter((line) => line.startsWith('✔'))
}

describe('flux create', () => {
  it('CLI-09 makes a HelmRepository and a HelmChart, and waits until they are ready', async () => {
    const source = await flux.said('create', 'source', 'helm', 'charts', `--url=${charts.url}`, '--interval=1h')
    expect(source).toContain(`✔ fetched revision: ${charts.revision()}`)
    const made = await flux.said(
      ...[
        'create',
        'source',
        'chart',
        'loose',
        '--source=HelmRepository/charts',
        '--chart=shop',
        '--chart-version=1.x',
        '--interval=1h',
      ],
    )
    expect(made).toContain('✔ fetched revision: 1.0.0')
    await charts.publish('shop', '1.0.1', chart)
    expect(await flux.said('reconcile', 'source', 'chart', 'loose', '--with-source')).toContain('✔ fetched revision 1.0.1')
    await flux('delete', 'source', 'chart', 'loose', '--silent')
    await cluster.untilGone('helmchart/loose')
  })

  it('CLI-10 makes a HelmRelease of a chart with values, waits until it is installed, and changes it', async () => {
    const values = join(await temporaryDirectory('values'), 'values.yaml')
    await writeFile(values, 'color: blue\n')
    await cluster.kubectl('create', 'configmap', 'more', '--from-literal=values.yaml=size: 2')
    await cluster.kubectl('create', 'secret', 'generic', 'secret', '--from-literal=values.yaml=name: somebody')
    const from = [`--values=${values}`, '--values-from=ConfigMap/more', '--values-from=Secret/secret', '--interval=1h']
    const create = (version: string) =>
      flux.said(
        'create',
        'helmrelease',
        'shop',
        '--source=HelmRepository/charts',
        '--chart=shop',
        `--chart-version=${version}`,
        ...from,
      )
    expect(await create('1.0.0')).toContain('✔ HelmRelease shop is ready\n✔ applied revision 1.0.0')
    expect(await settings('shop')).toEqual({ color: 'blue', size: '2', name: 'somebody', version: '1.0.0' })
    const changed = await create('1.x')
    expect(changed).toContain('✔ HelmRelease updated')
    expect(changed).toContain('✔ HelmRelease shop is ready\n✔ applied revision 1.0.1')
    expect((await settings('shop'))?.version).toBe('1.0.1')
  })

  it('CLI-10 CLI-16 follows a chart in a registry, as OCIRepository or as HelmRepository', async () => {
    const push = async (version: string) => {
      const { archive } = charts.publish('remote', version, chart)
      await pushChart(registry, 'charts/remote', { name: 'remote', version, content: archive })
    }
    await push('2.0.0')
    await flux(
      'create',
      'source',
      'oci',
      'remote',
      `--url=${registry.url('charts/remote')}`,
      '--tag-semver=2.x',
      '--insecure',
      '--interval=1h',
    )
    expect(await flux.said('create', 'helmrelease', 'remote', '--chart-ref=OCIRepository/remote', '--interval=1h')).toContain(
      '✔ applied revision 2.0.0',
    )
    await push('2.1.0')
    const again = steps(await flux.said('reconcile', 'helmrelease', 'remote', '--with-source'))
    expect(again).toEqual([
      '✔ OCIRepository annotated',
      expect.stringMatching(/^✔ fetched revision 2\.1\.0@sha256:[0-9a-f]{64}$/),
      '✔ HelmRelease annotated',
      expect.stringMatching(/^✔ applied revision 2\.1\.0\+[0-9a-f]{12}$/),
    ])
    await flux('create', 'source', 'helm', 'registry', `--url=${registry.url('charts')}`, '--interval=1h')
    expect(await flux.said('reconcile', 'source', 'helm', 'registry')).toContain('✔ reconciliation not supported by the object')
    expect((await flux.rows('get', 'sources', 'helm', 'registry'))[0]).toMatchObject({
      READY: 'True',
      MESSAGE: 'Helm repository is Ready',
    })
  })

  it('CLI-10 fails with what helm said when the release cannot be installed', async () => {
    charts.publish('broken', '1.0.0', { 'templates/a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Wrong}\n' })
    await flux('reconcile', 'source', 'helm', 'charts')
    const made = await flux.tried(
      ...['create', 'helmrelease', 'broken', '--source=HelmRepository/charts', '--chart=broken', '--interval=1h', '--timeout=45s'],
    )
    expect([made.code, made.stderr]).toEqual([1, expect.stringContaining('✗ Failed to install after 1 attempt(s)')])
    const [row] = await flux.rows('get', 'helmreleases', '--status-selector', 'ready=false')
    expect(row).toMatchObject({
      NAME: 'broken',
      READY: 'False',
      MESSAGE: expect.stringMatching(/Helm install failed for release .*Invalid value: "Wrong"/),
    })
  })
})

describe('flux get', () => {
  it('CLI-15 shows releases and charts with versions and messages', async () => {
    const { namespace } = cluster
    expect(await flux.rows('get', 'helmreleases', 'shop', '--show-source')).toEqual([
      {
        NAME: 'shop',
        SOURCE: `HelmRepository/${namespace}/charts`,
        REVISION: '1.0.1',
        SUSPENDED: 'False',
        READY: 'True',
        MESSAGE: `Helm upgrade succeeded for release ${namespace}/shop.v2 with chart shop@1.0.1`,
      },
    ])
    expect(await flux.rows('get', 'sources', 'chart', `${namespace}-shop`)).toEqual([
      {
        NAME: `${namespace}-shop`,
        REVISION: '1.0.1',
        SUSPENDED: 'False',
        READY: 'True',
        MESSAGE: "pulled 'shop' chart with version '1.0.1'",
      },
    ])
    const [repository] = await flux.rows('get', 'sources', 'helm', 'charts')
    expect(repository).toMatchObject({
      REVISION: charts.revision().slice(0, 'sha256:'.length + 8),
      READY: 'True',
      MESSAGE: `stored artifact: revision '${charts.revision().slice(0, 'sha256:'.length + 8)}'`,
    })
    const all = await flux('get', 'all', '-A')
    for (const name of ['helmrepository/charts', `helmchart/${namespace}-shop`, 'helmrelease/shop', 'ocirepository/remote'])
      expect(all).toContain(`\t${name}`)
  })
})

describe('flux reconcile', () => {
  it('CLI-16 fetches the index and the chart, and upgrades', async () => {
    charts.publish('shop', '1.1.0', chart)
    expect(steps(await flux.said('reconcile', 'helmrelease', 'shop', '--with-source'))).toEqual([
      '✔ HelmRepository annotated',
      `✔ fetched revision ${charts.revision()}`,
      '✔ HelmChart annotated',
      '✔ fetched revision 1.1.0',
      '✔ HelmRelease annotated',
      '✔ applied revision 1.1.0',
    ])
    expect((await settings('shop'))?.version).toBe('1.1.0')
  })

  it('CLI-16 fetches a chart that is in Git, from the repository to the release', async () => {
    const metadata = (version: string) => `apiVersion: v2\nname: ingit\nversion: ${version}\n`
    const templates = chart['templates/settings.yaml']
    const repository = await cluster.repository('ingit', {
      'chart/Chart.yaml': metadata('1.0.0'),
      'chart/templates/settings.yaml': templates,
    })
    await cluster.apply(cluster.gitRepository('ingit', { interval: '1h' }))
    const made = ['--source=GitRepository/ingit', '--chart=./chart', '--interval=1h', '--reconcile-strategy=ChartVersion']
    expect(await flux.said('create', 'helmrelease', 'ingit', ...made)).toContain('✔ applied revision 1.0.0')
    const commit = await repository.commit({ 'chart/Chart.yaml': metadata('1.1.0') }, 'second')
    expect(steps(await flux.said('reconcile', 'helmrelease', 'ingit', '--with-source'))).toEqual([
      '✔ GitRepository annotated',
      `✔ fetched revision main@sha1:${commit}`,
      '✔ HelmChart annotated',
      '✔ fetched revision 1.1.0',
      '✔ HelmRelease annotated',
      '✔ applied revision 1.1.0',
    ])
  })

  it('CLI-17 forces an upgrade though nothing has changed', async () => {
    const before = await cluster.get('helmrelease/shop')
    await flux('reconcile', 'helmrelease', 'shop', '--force')
    const after = await cluster.get('helmrelease/shop')
    const versionOf = ({ status }: typeof after) =>
      (status?.history as readonly { version: number }[] | undefined)?.[0]?.version ?? 0
    expect(versionOf(after)).toBe(versionOf(before) + 1)
    expect(after.status?.lastHandledForceAt).toBe(after.status?.lastHandledReconcileAt)
  })

  it('CLI-17 starts again with a release that had failed too often', async () => {
    const failures = async () => {
      const { status } = await cluster.get('helmrelease/broken')
      return [status?.installFailures, status?.upgradeFailures]
    }
    expect(await failures()).toEqual([1, undefined])
    const again = await flux.tried('reconcile', 'helmrelease', 'broken', '--reset', '--timeout=45s')
    // The release is there, though it has failed.
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('✗ Failed to upgrade after 1 attempt(s)')])
    expect(await failures()).toEqual([undefined, 1])
    charts.publish('broken', '1.0.1', { 'templates/a.yaml': chart['templates/settings.yaml'] })
    await flux('reconcile', 'source', 'helm', 'charts')
    expect(await flux.said('reconcile', 'helmrelease', 'broken', '--with-source', '--force', '--reset')).toContain(
      '✔ applied revision 1.0.1',
    )
    const { status } = await cluster.get('helmrelease/broken')
    expect(status?.lastHandledResetAt).toBe(status?.lastHandledReconcileAt)
  })
})

describe('flux suspend and flux resume', () => {
  it('CLI-18 stops a HelmRelease and its sources, and goes on', async () => {
    await flux('suspend', 'helmrelease', 'shop')
    await flux('suspend', 'source', 'helm', 'charts')
    await flux('suspend', 'source', 'chart', `${cluster.namespace}-shop`)
    expect((await flux.tried('reconcile', 'helmrelease', 'shop')).stderr).toContain('resource is suspended')
    expect((await flux.rows('get', 'hr', 'shop'))[0]).toMatchObject({ SUSPENDED: 'True', READY: 'True' })
    charts.publish('shop', '1.2.0', chart)
    expect(await flux.said('resume', 'source', 'helm', 'charts')).toContain(`✔ fetched revision ${charts.revision()}`)
    expect(await flux.said('resume', 'source', 'chart', `${cluster.namespace}-shop`)).toContain('✔ fetched revision 1.2.0')
    expect((await settings('shop'))?.version).toBe('1.1.0')
    expect(await flux.said('resume', 'helmrelease', 'shop')).toContain('✔ applied revision 1.2.0')
    expect((await settings('shop'))?.version).toBe('1.2.0')
  })
})

describe('flux tree, trace, events, debug and export', () => {
  it('CLI-24 draws what a HelmRelease of a Kustomization has installed', async () => {
    const { namespace } = cluster
    charts.publish('nested', '1.0.0', { ...chart, 'crds/things.yaml': things })
    await flux('reconcile', 'source', 'helm', 'charts')
    const apiVersion = 'helm.toolkit.fluxcd.io/v2'
    const sourceRef = { kind: 'HelmRepository', name: 'charts' }
    const spec = { interval: '1h', chart: { spec: { chart: 'nested', sourceRef } }, install: { crds: 'CreateReplace' } }
    await cluster.repository('nested', {
      'a.yaml': JSON.stringify({ apiVersion, kind: 'HelmRelease', metadata: { name: 'nested', namespace }, spec }),
    })
    await cluster.apply(cluster.gitRepository('nested'), cluster.kustomization('nested', { wait: true }))
    await cluster.until('kustomization/nested', isReady())
    expect((await flux('tree', 'kustomization', 'nested')).trimEnd().split('\n')).toEqual([
      `Kustomization/${namespace}/nested`,
      `└── HelmRelease/${namespace}/nested`,
      `    ├── ConfigMap/${namespace}/nested-settings`,
      '    └── CustomResourceDefinition/things.example.com',
    ])
  })

  it('CLI-23 traces an installed object to its release, its chart and the repository', async () => {
    expect(blocksOf(await flux('trace', 'configmap', 'shop-settings'))).toEqual([
      { Object: 'ConfigMap/shop-settings', Namespace: cluster.namespace, Status: 'Managed by Flux' },
      expect.objectContaining({ HelmRelease: 'shop', Revision: '1.2.0', Message: expect.stringContaining('shop@1.2.0') }),
      expect.objectContaining({ HelmChart: `${cluster.namespace}-shop`, Chart: 'shop', Version: '1.x', Revision: '1.2.0' }),
      expect.objectContaining({ HelmRepository: 'charts', URL: charts.url, Revision: charts.revision() }),
    ])
    expect(blocksOf(await flux('trace', 'configmap', 'remote-settings'))).toEqual([
      expect.objectContaining({ Object: 'ConfigMap/remote-settings' }),
      expect.objectContaining({ HelmRelease: 'remote' }),
      expect.objectContaining({ OCIRepository: 'remote', URL: registry.url('charts/remote') }),
    ])
  })

  it('CLI-22 lists the events of a release, its chart and its repository', async () => {
    const events = () => flux.rows('events', '--for', 'HelmRelease/shop')
    const seen = async () => (await events()).map(({ TYPE, REASON, OBJECT }) => `${TYPE} ${REASON} ${OBJECT}`)
    await expect.poll(seen).toContain('Normal UpgradeSucceeded HelmRelease/shop')
    expect(await seen()).toContain('Normal InstallSucceeded HelmRelease/shop')
    expect(await seen()).toContain(`Normal ChartPullSucceeded HelmChart/${cluster.namespace}-shop`)
    expect(await seen()).toContain('Normal NewArtifact HelmRepository/charts')
    const warnings = await flux.rows('events', '--for', 'HelmRelease', '--types', 'Warning')
    expect(warnings.map(({ REASON, OBJECT }) => [REASON, OBJECT])).toContainEqual(['InstallFailed', 'HelmRelease/broken'])
  })

  it('CLI-31 prints the values, the status and the history of a release', async () => {
    expect(loadAll(await flux('debug', 'helmrelease', 'shop', '--show-values'))).toEqual([
      { color: 'blue', size: 2, name: 'somebody' },
    ])
    const { status } = await cluster.get('helmrelease/shop')
    expect(loadAll(await flux('debug', 'hr', 'shop', '--show-history'))[0]).toMatchObject([
      { chartVersion: '1.2.0', status: 'deployed' },
      { chartVersion: '1.1.0', status: 'superseded' },
    ])
    expect(loadAll(await flux('debug', 'hr', 'shop', '--show-status'))[0]).toMatchObject({
      lastAttemptedRevision: '1.2.0',
      storageNamespace: cluster.namespace,
      helmChart: status?.helmChart,
    })
  })

  it('CLI-20 CLI-25 prints the objects as they were made, and counts them', async () => {
    const texts = await Promise.all([flux('export', 'hr', '--all'), flux('export', 'source', 'helm', 'charts')])
    for (const { kind, metadata, spec } of loadAll(texts.join('')) as Awaited<ReturnType<Cluster['get']>>[])
      expect(inMilliseconds((await cluster.get(`${kind}/${metadata.name}`)).spec)).toMatchObject(inMilliseconds(spec) as object)
    const rows = new Map((await flux.rows('stats', '-A')).map((row) => [row.RECONCILERS, row]))
    expect(rows.get('HelmRelease')).toMatchObject({ RUNNING: '5', FAILING: '0', SUSPENDED: '0', STORAGE: '-' })
    expect(rows.get('HelmChart')).toMatchObject({ RUNNING: '4', STORAGE: expect.stringMatching(/^\d/) })
  })
})

describe('flux delete', () => {
  it('CLI-19 deletes a HelmRelease: the release is uninstalled, and its chart is gone', async () => {
    expect(await flux.said('delete', 'helmrelease', 'shop', '--silent')).toContain('✔ helmrelease deleted')
    for (const ref of ['helmrelease/shop', 'configmap/shop-settings', `helmchart/${cluster.namespace}-shop`])
      await cluster.untilGone(ref)
    expect(await flux.said('delete', 'source', 'helm', 'charts', '--silent')).toContain('✔ source helm deleted')
    await cluster.untilGone('helmrepository/charts')
  })
})
