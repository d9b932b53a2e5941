import { expect, inject, it } from 'vitest'
import { type Cluster, conditionOf, hasCondition, isReady, openCluster } from './harness.ts'
import { condition, writeStatus } from './statuses.ts'

/** An issuer reports the generation in its condition only, and leaves a `Failing` behind: by kstatus it would be ready at once. */
const healthCheckExprs = [
  {
    apiVersion: 'uc-06.example.com/v1',
    kind: 'Issuer',
    inProgress: '!has(status.conditions) || status.conditions.exists(c, c.observedGeneration != metadata.generation)',
    failed: "status.conditions.exists(c, c.type == 'Ready' && c.status == 'False')",
    current: "status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')",
  },
]
const isWaiting = hasCondition('Healthy', 'Unknown', 'Progressing', 'Running health checks')

it('UC-06 is ready when an issuer says so, fails early when the issuer fails, and waits for the one of the new generation', async () => {
  await using cluster = await openCluster(inject('kubeconfig'), 'uc-06')
  await cluster.startSluice()
  const repository = await cluster.repository('issuers', { 'crd.yaml': crd, 'issuer.yaml': issuer('a@example.com') })
  const spec = { targetNamespace: cluster.namespace, wait: true, timeout: '10m', retryInterval: '1s', healthCheckExprs }
  await cluster.apply(cluster.gitRepository('issuers'), cluster.kustomization('issuers', spec))

  await cluster.until('kustomization/issuers', isWaiting)
  await report(cluster, 'False', 'ErrRegisterACMEAccount')
  const failed = await cluster.until('kustomization/issuers', hasCondition('Ready', 'False', 'HealthCheckFailed'))
  const stalled = `failed early due to stalled resources: [Issuer/${cluster.namespace}/letters status: 'Failed'`
  expect(conditionOf(failed, 'Ready')?.message).toContain(stalled)
  expect(conditionOf(failed, 'Healthy')).toMatchObject({ status: 'False', reason: 'HealthCheckFailed' })

  await report(cluster, 'True', 'ACMEAccountRegistered')
  await cluster.until('kustomization/issuers', isReady(await repository.head()))

  // The condition of the generation before says nothing about this one.
  const next = await repository.commit({ 'issuer.yaml': issuer('b@example.com') }, 'New contact')
  await cluster.reconcile('gitrepository/issuers')
  await cluster.until(
    'kustomization/issuers',
    (object) => isWaiting(object) && object.status?.lastAttemptedRevision?.includes(next) === true,
  )
  await report(cluster, 'True', 'ACMEAccountRegistered')
  await cluster.until('kustomization/issuers', isReady(next))
})

/** What the issuer's controller makes of its present generation. */
async function report(cluster: Cluster, status: 'True' | 'False', reason: string): Promise<void> {
  const { metadata } = await cluster.get('issuer/letters')
  const ready = { ...condition('Ready', status, reason), observedGeneration: metadata.generation }
  await writeStatus(cluster, 'issuer/letters', { conditions: [ready] })
}

const issuer = (email: string) =>
  `apiVersion: uc-06.example.com/v1\nkind: Issuer\nmetadata: {name: letters}\nspec: {acme: {email: ${email}}}\n`

const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: issuers.uc-06.example.com}
spec:
  group: uc-06.example.com
  names: {kind: Issuer, plural: issuers, singular: issuer}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`
