import { expect, inject, it } from 'vitest'
import { openCluster } from '../cluster/harness.ts'
import { untilGone, untilObject } from './watch.ts'

it('waits for an object to come, to change and to go', async () => {
  await using cluster = await openCluster(inject('kubeconfig'), 'watch')
  const { kubectl, kubeconfig, namespace } = cluster
  const scope = { kubeconfig, namespace }
  const coming = untilObject('configmap/web', scope, (object) => object.data?.a === '2')
  await kubectl('create', 'configmap', 'web', '--from-literal', 'a=1')
  await kubectl('patch', 'configmap', 'web', '--patch', '{"data":{"a":"2"}}')
  expect((await coming).data).toEqual({ a: '2' })
  const going = untilGone('configmap/web', scope)
  await kubectl('delete', 'configmap', 'web')
  await going
  await untilGone('configmap/web', scope)
})

it('says what it saw when the wait was in vain', async () => {
  await using cluster = await openCluster(inject('kubeconfig'), 'watch')
  await cluster.kubectl('create', 'configmap', 'web', '--from-literal', 'a=1')
  const waiting = untilObject('configmap/web', cluster, (object) => object.data?.a === '2', 1500)
  await expect(waiting).rejects.toThrow(/configmap\/web did not become as expected within 1500 ms.*"a": "1"/s)
})
