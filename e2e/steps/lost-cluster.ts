import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Files } from '../../test/tools/repository.ts'
import { isReady, type Live } from '../../test/tools/watch.ts'
import { install } from '../install.ts'
import { configMap, webServer, yaml } from '../manifests.ts'
import { fluxNamespace, type Stage, type Step } from '../stage.ts'

const name = 'lost-cluster'
/** In the order in which they depend on each other. */
const parts = ['infrastructure', 'configuration', 'apps']
/** So much later each object of one part must be there than those of the part before. */
const lateBySeconds = 3

/** Encrypted Secrets are not among what comes back: Sluice does not decrypt yet. */
export const lostCluster: Step = {
  title: 'UC-21 a lost cluster is rebuilt from Git with the same state, in the order of dependencies, without a hand',
  async run(stage) {
    const repository = await stage.git.create(name)
    const commit = await repository.commit(files(stage), 'Begin')
    await bootstrap(stage, repository.url, commit)
    const before = await stateOf(stage)
    await lose(stage)

    const startedAt = performance.now()
    await install(stage.cluster, stage.images.sluice, stage.note)
    await bootstrap(stage, repository.url, commit)
    stage.note(`rebuilt in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
    const after = await stateOf(stage)
    assert.deepEqual(after.objects, before.objects, 'what is in the cluster')
    const [infrastructure = 0, configuration = 0, apps = 0] = after.madeAt
    assert.ok(configuration - infrastructure >= lateBySeconds * 1000, 'the configuration came before the infrastructure was ready')
    assert.ok(apps >= configuration, 'the apps came before the configuration')

    await stage.kubectl(
      'delete',
      'kustomization.kustomize.toolkit.fluxcd.io',
      name,
      '--namespace',
      fluxNamespace,
      '--timeout',
      '60s',
    )
    await stage.kubectl('delete', 'gitrepository', name, '--namespace', fluxNamespace, '--timeout', '60s')
    await stage.kubectl('wait', '--for=delete', `namespace/${name}`, '--timeout', '120s')
  },
}

/** The only objects that anybody makes: the rest is in Git. */
async function bootstrap(stage: Stage, url: string, commit: string): Promise<void> {
  const metadata = { name, namespace: fluxNamespace }
  await stage.kubectl.apply([
    {
      apiVersion: 'source.toolkit.fluxcd.io/v1',
      kind: 'GitRepository',
      metadata,
      spec: { url, ref: { branch: 'main' }, interval: '1h' },
    },
    kustomization(name, { path: './cluster' }),
  ])
  await stage.until(`kustomization/${name}`, isReady(commit))
}

/** As a disaster does it: nobody cleans up, and nothing is left but Git. */
async function lose({ kubectl }: Stage): Promise<void> {
  await kubectl(
    'delete',
    'deployment',
    'sluice-controller',
    '--namespace',
    fluxNamespace,
    '--cascade=foreground',
    '--timeout',
    '60s',
  )
  for (const kind of ['kustomizations.kustomize.toolkit.fluxcd.io', 'gitrepositories', 'helmreleases', 'helmcharts']) {
    const names = (await kubectl('get', kind, '--namespace', fluxNamespace, '--output', 'name')).trim().split('\n').filter(Boolean)
    const unguarded = '{"metadata":{"finalizers":null}}'
    if (names.length > 0) await kubectl('patch', ...names, '--namespace', fluxNamespace, '--type', 'merge', '--patch', unguarded)
  }
  await kubectl('delete', 'namespace', name, '--timeout', '120s')
  await kubectl('delete', '--kustomize', join(import.meta.dirname, '../../deploy'), '--ignore-not-found', '--timeout', '120s')
}

interface State {
  /** Kinds and names with what they say. */
  readonly objects: readonly string[]
  /** When the objects of each part were made, in milliseconds since the epoch. */
  readonly madeAt: readonly number[]
}

async function stateOf({ kubectl }: Stage): Promise<State> {
  const kinds = 'configmaps,deployments'
  const { items } = await kubectl.json<{ items: readonly Live[] }>('get', kinds, '--namespace', name)
  const ours = items.filter(({ metadata }) => metadata.name !== 'kube-root-ca.crt')
  const flux = 'gitrepositories,helmcharts,helmreleases,kustomizations.kustomize.toolkit.fluxcd.io'
  const fluxObjects = await kubectl.json<{ items: readonly Live[] }>('get', flux, '--namespace', fluxNamespace)
  const lines = [...ours, ...fluxObjects.items].map(
    (object) => `${object.kind}/${object.metadata.name} ${JSON.stringify(object.spec ?? object.data)}`,
  )
  const madeAt = parts.map((part) => {
    const made = ours.filter(({ metadata }) => metadata.labels?.['kustomize.toolkit.fluxcd.io/name'] === part)
    assert.ok(made.length > 0, `nothing of ${part} is there`)
    return Math.min(...made.map(({ metadata }) => Date.parse(metadata.creationTimestamp)))
  })
  return { objects: lines.toSorted(), madeAt }
}

function files({ images }: Stage): Files {
  const kustomizations = parts.map((part, index) => {
    const dependsOn = parts.slice(Math.max(0, index - 1), index).map((before) => ({ name: before }))
    return [`cluster/${part}.yaml`, yaml(kustomization(part, { path: `./${part}`, dependsOn }))]
  })
  const chart = { chart: './charts/shop', sourceRef: { kind: 'GitRepository', name } }
  const release = {
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { name: 'shop', namespace: fluxNamespace },
    spec: { chart: { spec: chart }, interval: '1h', targetNamespace: name, releaseName: 'shop' },
  }
  const here = (object: object & { metadata?: object }) => ({ ...object, metadata: { ...object.metadata, namespace: name } })
  return {
    ...Object.fromEntries(kustomizations),
    'infrastructure/namespace.yaml': yaml({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }),
    'infrastructure/gateway.yaml': yaml(here(webServer('gateway', images.pods, { readyAfterSeconds: lateBySeconds }))),
    'configuration/settings.yaml': yaml(here(configMap('settings', { greeting: 'hello' }))),
    'apps/web.yaml': yaml(here(webServer('web', images.pods)), release),
    'charts/shop/Chart.yaml': 'apiVersion: v2\nname: shop\nversion: 1.0.0\n',
    'charts/shop/templates/a.yaml': yaml(configMap('shop', { from: 'helm' })),
  }
}

function kustomization(kustomizationName: string, spec: object): object {
  const sourceRef = { kind: 'GitRepository', name }
  return {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
    kind: 'Kustomization',
    metadata: { name: kustomizationName, namespace: fluxNamespace },
    spec: { sourceRef, interval: '1h', prune: true, wait: true, timeout: '2m', ...spec },
  }
}
