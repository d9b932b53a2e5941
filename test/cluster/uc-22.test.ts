import { expect, inject, it } from 'vitest'
import { type Cluster, isReady, openCluster } from './harness.ts'

it('UC-22 goes back to the former state by git revert, at once on request, and leaves suspended objects alone', async () => {
  await using cluster = await openCluster(inject('kubeconfig'), 'uc-22')
  const repository = await sync(cluster, '1m')
  await cluster.kubectl('patch', 'kustomization/worker', '--type', 'merge', '--patch', '{"spec":{"suspend":true}}')
  const suspended = await cluster.get('configmap/worker')

  const bad = await repository.commit(
    {
      'web/web.yaml': configMap('web', '2'),
      'web/extra.yaml': configMap('extra', '2'),
      'worker/worker.yaml': configMap('worker', '2'),
    },
    'Version 2',
  )
  await cluster.reconcile('gitrepository/app')
  await cluster.until('kustomization/web', isReady(bad))
  expect((await cluster.get('configmap/web')).data).toEqual({ version: '2' })

  const reverted = await repository.revert()
  await cluster.reconcile('gitrepository/app')
  const web = await cluster.until('kustomization/web', isReady(reverted))
  expect(web.status?.inventory?.entries.map((entry) => entry.id)).toEqual([`${cluster.namespace}_web__ConfigMap`])
  expect((await cluster.get('configmap/web')).data).toEqual({ version: '1' })
  await cluster.untilGone('configmap/extra')

  const untouched = await cluster.get('configmap/worker')
  expect(untouched.metadata.resourceVersion).toBe(suspended.metadata.resourceVersion)
  expect((await cluster.get('kustomization/worker')).status?.lastAppliedRevision).not.toContain(bad)
})

it('UC-22 goes back to the former state by git revert within the interval', async () => {
  await using cluster = await openCluster(inject('kubeconfig'), 'uc-22')
  const repository = await sync(cluster, '1s')
  await repository.commit({ 'web/web.yaml': configMap('web', '2') }, 'Version 2')
  await cluster.until('configmap/web', (object) => object.data?.version === '2')
  await repository.revert()
  await cluster.until('configmap/web', (object) => object.data?.version === '1')
})

/** Two Kustomizations of one repository, both ready. */
async function sync(cluster: Cluster, interval: string) {
  await cluster.startSluice()
  const repository = await cluster.repositoryOf('scenarios/uc-22/repository', 'app')
  const kustomizations = ['web', 'worker'].map((name) =>
    cluster.kustomization(name, {
      path: `./${name}`,
      sourceRef: { kind: 'GitRepository', name: 'app' },
      targetNamespace: cluster.namespace,
    }),
  )
  await cluster.apply(cluster.gitRepository('app', { interval }), ...kustomizations)
  for (const name of ['web', 'worker']) await cluster.until(`kustomization/${name}`, isReady(await repository.head()))
  return repository
}

function configMap(name: string, version: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\ndata:\n  version: "${version}"\n`
}
