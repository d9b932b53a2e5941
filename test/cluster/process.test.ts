import { expect, inject, it } from 'vitest'
import { isReady, openCluster } from './harness.ts'

it('ends with exit code 0 on SIGTERM, comes back after that and after kill -9, and goes on where it was', async () => {
  await using cluster = await openCluster(inject('kubeconfig'), 'process')
  const sluice = await cluster.startSluice()
  const repository = await cluster.repository('app', { 'a.yaml': configMap('1') })
  await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await cluster.until('kustomization/app', isReady(await repository.head()))
  expect((await sluice.metrics()).sum('flux_reconcile_count', { kind: 'Kustomization', result: 'success' })).toBeGreaterThan(0)
  const uid = (await cluster.get('configmap/app')).metadata.uid

  expect(await sluice.stop()).toBe(0)
  const whileAway = await repository.commit({ 'a.yaml': configMap('2') }, 'while it was away')
  await sluice.start()
  await cluster.reconcile('gitrepository/app')
  await cluster.until('kustomization/app', isReady(whileAway))

  await sluice.kill9()
  const again = await repository.commit({ 'a.yaml': configMap('3') }, 'while it was dead')
  await sluice.start()
  await cluster.reconcile('gitrepository/app')
  await cluster.until('kustomization/app', isReady(again))
  const live = await cluster.get('configmap/app')
  expect([live.data?.version, live.metadata.uid]).toEqual(['3', uid])
  expect(sluice.logs.filter((line) => line.level === 'text')).toEqual([])
})

function configMap(version: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  version: "${version}"\n`
}
