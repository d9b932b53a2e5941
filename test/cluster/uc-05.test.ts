import { expect, it } from 'vitest'
import { startControlPlane } from '../tools/control-plane.ts'
import { installCrds } from '../tools/crds.ts'
import { type Cluster, hasCondition, isReady, openCluster } from './harness.ts'

/** The Kustomization's target. */
const shops = { namespace: 'shops' }

it('UC-05 waits for what it depends on and for a HelmRelease, not for the rest, and names the settings that it misses', async () => {
  await using resources = new AsyncDisposableStack()
  const cluster = await ownCluster(resources)
  const repository = await cluster.repositoryOf('scenarios/uc-05/repository', 'platform')
  const commit = await repository.head()

  await cluster.applyFixture('scenarios/uc-05/flux.yaml')
  await cluster.until('kustomization/shop', hasCondition('Ready', 'False', 'DependencyNotReady', 'database'))
  await cluster.applyFixture('scenarios/uc-05/layers.yaml')
  for (const layer of ['database', 'settings']) await cluster.until(`kustomization/${layer}`, isReady(commit))

  await cluster.until('helmrelease/shop', hasCondition('Ready', 'Unknown', 'Progressing', "Running 'install' action"), shops)
  const waiting = hasCondition('Reconciling', 'True', 'Progressing', 'health checks')
  await cluster.until('kustomization/shop', waiting)
  await cluster.until('deployment/poster', () => true, shops)
  await rollOut(cluster, 'shop')
  await cluster.until('helmrelease/shop', isReady(), shops)
  await cluster.until('kustomization/shop', isReady(commit))
  expect((await cluster.get('deployment/poster', shops)).status).not.toHaveProperty('readyReplicas')
  expect(await greeting(cluster)).toBe('Good day')

  // What may be missing is used as soon as it is there.
  const site = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'site', namespace: cluster.namespace } }
  await cluster.apply({ ...site, data: { greeting: 'Hello there' } })
  await cluster.reconcile('kustomization/shop')
  await cluster.until('helmrelease/shop', isReady(), shops)
  expect(await greeting(cluster)).toBe('Hello there')

  const required = { spec: { postBuild: { substituteFrom: [{ kind: 'ConfigMap', name: 'prices' }] } } }
  await cluster.kubectl('patch', 'kustomization/shop', '--type', 'merge', '--patch', JSON.stringify(required))
  await cluster.until('kustomization/shop', hasCondition('Ready', 'False', undefined, /ConfigMap.*prices/))
  expect(await greeting(cluster)).toBe('Hello there')
})

/** A control plane of its own: the objects are in namespaces that Git names. */
async function ownCluster(resources: AsyncDisposableStack): Promise<Cluster> {
  const controlPlane = resources.use(await startControlPlane({ log: () => {} }))
  await installCrds(controlPlane.kubectl)
  const cluster = resources.use(await openCluster(controlPlane.kubeconfig, 'uc-05', { whole: true }))
  await cluster.startSluice()
  return cluster
}

async function greeting(cluster: Cluster): Promise<string | undefined> {
  return (await cluster.get('configmap/shop-greeting', shops)).data?.greeting
}

/** What the controllers of a cluster with nodes would write of a Deployment that has rolled out. */
async function rollOut(cluster: Cluster, name: string): Promise<void> {
  const conditions = [
    { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable', message: '' },
    { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable', message: '' },
  ]
  const counts = { replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, observedGeneration: 1 }
  const status = JSON.stringify({ status: { ...counts, conditions } })
  const args = ['--namespace', shops.namespace, '--subresource=status', '--type=merge', '-p', status]
  await cluster.kubectl('patch', 'deployment', name, ...args)
}
