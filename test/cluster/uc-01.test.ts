import { expect, inject, it } from 'vitest'
import { isReady, openCluster } from './harness.ts'

it('UC-01 applies what Git holds, takes a push at once on request, and removes what Git removed', async () => {
  await using cluster = await openCluster(inject('kubeconfig'), 'uc-01')
  await cluster.startSluice()
  const repository = await cluster.repositoryOf('scenarios/uc-01/repository', 'shop')

  await cluster.applyFixture('scenarios/uc-01/flux.yaml')
  const kustomization = await cluster.until('kustomization/shop', isReady(await repository.head()))
  expect(kustomization.status?.lastAppliedRevision).toBe(`main@sha1:${await repository.head()}`)
  expect(kustomization.status?.inventory?.entries).toHaveLength(4)
  const deployment = await cluster.get('deployment/shop')
  expect(deployment.spec?.replicas).toBe(2)
  expect(deployment.metadata.labels).toMatchObject({
    'kustomize.toolkit.fluxcd.io/name': 'shop',
    'kustomize.toolkit.fluxcd.io/namespace': cluster.namespace,
  })
  expect((await cluster.get('configmap/settings')).data).toEqual({ currency: 'EUR' })

  const pushed = await repository.commit({ 'deploy/settings.yaml': settings('CHF'), 'deploy/voucher.yaml': null }, 'Move to Zürich')
  await cluster.reconcile('gitrepository/shop')
  await cluster.until('kustomization/shop', isReady(pushed))
  expect((await cluster.get('configmap/settings')).data).toEqual({ currency: 'CHF' })
  await cluster.untilGone('configmap/voucher')
  expect((await cluster.get('deployment/shop')).metadata.uid).toBe(deployment.metadata.uid)
})

it('UC-01 takes a push within the interval', async () => {
  await using cluster = await openCluster(inject('kubeconfig'), 'uc-01')
  await cluster.startSluice()
  const repository = await cluster.repository('shop', { 'settings.yaml': settings('EUR') })
  await cluster.apply(
    cluster.gitRepository('shop', { interval: '1s' }),
    cluster.kustomization('shop', { targetNamespace: cluster.namespace }),
  )
  await cluster.until('kustomization/shop', isReady(await repository.head()))

  await repository.commit({ 'settings.yaml': settings('SEK') }, 'Move to Malmö')
  const changed = await cluster.until('configmap/settings', (object) => object.data?.currency === 'SEK')
  expect(changed.metadata.namespace).toBe(cluster.namespace)
})

function settings(currency: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  currency: ${currency}\n`
}
