import { expect, it } from 'vitest'
import { startControlPlane } from '../tools/control-plane.ts'
import { installCrds } from '../tools/crds.ts'
import { type Cluster, isReady, openCluster } from './harness.ts'

it('UC-09 builds values with kustomize: a changed file is a new ConfigMap, one upgrade, and the old ConfigMap is pruned', async () => {
  await using resources = new AsyncDisposableStack()
  const cluster = await ownCluster(resources)
  const repository = await cluster.repositoryOf('scenarios/uc-09/repository', 'shop')
  await cluster.applyFixture('scenarios/uc-09/flux.yaml')
  await cluster.until('kustomization/shop', isReady(await repository.head()))
  // The later file wins: base, component, overlay.
  expect((await cluster.get('configmap/shop')).data).toEqual({ title: 'The shop', opens: '9:00', metrics: '9102' })
  const [before = '', ...others] = await valuesOf(cluster)
  expect(before).toMatch(/^shop-values-[0-9a-z]{10}$/)
  expect(others).toEqual([])
  expect(await valuesFrom(cluster)).toEqual([
    { kind: 'ConfigMap', name: before, valuesKey: 'base.yaml' },
    { kind: 'ConfigMap', name: before, valuesKey: 'metrics.yaml' },
    { kind: 'ConfigMap', name: before, valuesKey: 'production.yaml' },
  ])
  expect(await revisions(cluster)).toEqual(['v1 deployed'])

  const other = await repository.commit({ 'README.md': 'Nothing that counts\n' }, 'Describe the shop')
  await cluster.reconcile('gitrepository/shop')
  await cluster.until('kustomization/shop', isReady(other))
  const changed = await repository.commit({ 'components/metrics/values.yaml': 'metrics: {port: 9200}\n' }, 'Move the metrics')
  await cluster.reconcile('gitrepository/shop')
  await cluster.until('kustomization/shop', isReady(changed))
  await cluster.untilGone(`configmap/${before}`)
  const release = await cluster.until('helmrelease/shop', isReady())
  expect((await cluster.get('configmap/shop')).data).toEqual({ title: 'The shop', opens: '9:00', metrics: '9200' })
  const after = await valuesOf(cluster)
  expect(after).toHaveLength(1)
  expect(new Set((await valuesFrom(cluster)).map(({ name }) => name))).toEqual(new Set(after))
  expect(release.status?.history).toMatchObject([{ version: 2, status: 'deployed' }, { version: 1 }])
  expect(await revisions(cluster)).toEqual(['v1 superseded', 'v2 deployed'])
})

/** A control plane of its own: nothing in Git has the label of a shard. */
async function ownCluster(resources: AsyncDisposableStack): Promise<Cluster> {
  const controlPlane = resources.use(await startControlPlane({ log: () => {} }))
  await installCrds(controlPlane.kubectl)
  const cluster = resources.use(await openCluster(controlPlane.kubeconfig, 'uc-09', { whole: true }))
  await cluster.startSluice()
  return cluster
}

/** The names of the generated ConfigMaps. */
async function valuesOf(cluster: Cluster): Promise<string[]> {
  const names = (await cluster.list('configmaps')).map(({ metadata }) => metadata.name)
  return names.filter((name) => name.startsWith('shop-values'))
}

async function valuesFrom(cluster: Cluster): Promise<readonly { readonly name: string }[]> {
  const { spec } = await cluster.get('helmrelease/shop')
  return (spec as { valuesFrom: { name: string }[] }).valuesFrom
}

/** As Helm stores them. */
async function revisions(cluster: Cluster): Promise<string[]> {
  const secrets = await cluster.list('secrets')
  const releases = secrets.filter(({ metadata }) => metadata.labels?.owner === 'helm')
  return releases.map(({ metadata: { labels = {} } }) => `v${labels.version} ${labels.status}`).toSorted()
}
