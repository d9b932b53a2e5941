import { expect, inject, it } from 'vitest'
import { conditionOf, hasCondition, isReady, openCluster } from './harness.ts'
import { condition, writeStatus } from './statuses.ts'

/** As the documents of Flux advise for Sealed Secrets. */
const healthCheckExprs = [
  {
    apiVersion: 'bitnami.com/v1alpha1',
    kind: 'SealedSecret',
    failed: "status.conditions.filter(e, e.type == 'Synced').all(e, e.status == 'False')",
    current: "status.conditions.filter(e, e.type == 'Synced').all(e, e.status == 'True')",
  },
]

it('UC-24 applies a SealedSecret like any custom resource, and waits until it is unsealed', async () => {
  await using cluster = await openCluster(inject('kubeconfig'), 'uc-24')
  await cluster.startSluice()
  const repository = await cluster.repository('sealed', { 'crd.yaml': crd, 'db.yaml': sealedSecret })
  const healthChecks = [{ apiVersion: 'bitnami.com/v1alpha1', kind: 'SealedSecret', name: 'db', namespace: cluster.namespace }]
  const spec = { targetNamespace: cluster.namespace, timeout: '10m', retryInterval: '1s', healthChecks, healthCheckExprs }
  await cluster.apply(cluster.gitRepository('sealed'), cluster.kustomization('sealed', spec))

  await cluster.until('kustomization/sealed', hasCondition('Healthy', 'Unknown', 'Progressing', 'Running health checks'))
  expect((await cluster.get('sealedsecret/db')).spec).toMatchObject({ encryptedData: { password: ciphertext } })

  const reason = 'no key could decrypt secret (password)'
  await writeStatus(cluster, 'sealedsecret/db', { conditions: [condition('Synced', 'False', '', reason)] })
  const failed = await cluster.until('kustomization/sealed', hasCondition('Ready', 'False', 'HealthCheckFailed'))
  expect(conditionOf(failed, 'Ready')?.message).toContain(`SealedSecret/${cluster.namespace}/db status: 'Failed'`)

  await writeStatus(cluster, 'sealedsecret/db', { conditions: [condition('Synced', 'True', '')] })
  await cluster.until('kustomization/sealed', isReady(await repository.head()))
  // What the controller of Sealed Secrets makes of it is none of ours.
  expect(await cluster.list('secrets')).toEqual([])
})

const ciphertext = `AgB${'8zQkL+/1xWm'.repeat(40)}==`

const sealedSecret = `apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {name: db}
spec:
  encryptedData:
    password: ${ciphertext}
  template: {metadata: {name: db}, type: Opaque}
`

const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: sealedsecrets.bitnami.com}
spec:
  group: bitnami.com
  names: {kind: SealedSecret, plural: sealedsecrets, singular: sealedsecret}
  scope: Namespaced
  versions:
    - name: v1alpha1
      served: true
      storage: true
      subresources: {status: {}}
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`
