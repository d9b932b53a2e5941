/** What a tenant may not reach. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type Cluster, conditionOf, hasCondition, isReady, type Manifest, openCluster } from './harness.ts'

let cluster: Cluster
/** Another tenant's namespace. */
let other: string

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'faults-tenants')
  other = `${cluster.namespace}-other`
  await cluster.kubectl('create', 'namespace', other)
  await cluster.startSluice({ flags: { 'no-cross-namespace-refs': 'true', 'default-service-account': 'tenant' } })
})

afterAll(() => cluster?.[Symbol.asyncDispose]())

const configMap = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`

describe('with --no-cross-namespace-refs', () => {
  const helmRelease = (name: string, spec: Readonly<Record<string, unknown>>) => ({
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { name },
    spec: { interval: '5m', ...spec },
  })

  interface Referrer {
    readonly refersTo: (name: string) => Manifest
    /** As Flux's controllers word it. */
    readonly refusal: (name: string) => string
  }

  const referrers: Readonly<Record<string, Referrer>> = {
    'Kustomization to a GitRepository': {
      refersTo: (name) => cluster.kustomization(`ks-${name}`, { sourceRef: { kind: 'GitRepository', name, namespace: other } }),
      refusal: (name) => `can't access 'GitRepository/${other}/${name}', cross-namespace references have been blocked`,
    },
    'HelmRelease to a HelmRepository': {
      refersTo(name) {
        const sourceRef = { kind: 'HelmRepository', name, namespace: other }
        return helmRelease(`chart-${name}`, { chart: { spec: { chart: 'shop', sourceRef } } })
      },
      refusal: (name) => notAllowed('HelmChart', `${cluster.namespace}-chart-${name}`),
    },
    'HelmRelease to an OCIRepository': {
      refersTo: (name) => helmRelease(`oci-${name}`, { chartRef: { kind: 'OCIRepository', name, namespace: other } }),
      refusal: (name) => notAllowed('OCIRepository', name),
    },
    'HelmRelease to a HelmChart': {
      refersTo: (name) => helmRelease(`ref-${name}`, { chartRef: { kind: 'HelmChart', name, namespace: other } }),
      refusal: (name) => notAllowed('HelmChart', name),
    },
  }
  const notAllowed = (kind: string, name: string) =>
    `cross-namespace references are not allowed: cannot access ${kind} ${other}/${name}`

  it.each(Object.entries(referrers))(
    'F-TEN-01 refuses a %s of another namespace, whether it is there or not',
    async (_, referrer) => {
      await cluster.repository('theirs', { 'a.yaml': configMap('theirs') })
      for (const manifest of theirs()) await cluster.apply({ ...manifest, metadata: { ...manifest.metadata, namespace: other } })
      for (const name of ['theirs', 'nobodys']) {
        const manifest = referrer.refersTo(name)
        await cluster.apply(manifest)
        const ref = `${manifest.kind}/${manifest.metadata.name}`
        const refused = await cluster.until(ref, hasCondition('Stalled', 'True', 'AccessDenied'))
        const expected = { status: 'False', reason: 'AccessDenied', message: referrer.refusal(name) }
        expect(conditionOf(refused, 'Ready')).toMatchObject(expected)
      }
      // Nothing is made there for a HelmRelease of ours.
      expect(await cluster.list('helmcharts', { namespace: other })).toHaveLength(1)
    },
  )

  function theirs() {
    const source = (apiVersion: string, kind: string, spec: object) => ({ apiVersion, kind, metadata: { name: 'theirs' }, spec })
    const v1 = 'source.toolkit.fluxcd.io/v1'
    const sourceRef = { kind: 'HelmRepository', name: 'theirs' }
    return [
      cluster.gitRepository('theirs'),
      source(v1, 'HelmRepository', { url: 'https://charts.example.invalid', interval: '1h' }),
      source(v1, 'OCIRepository', { url: 'oci://registry.example.invalid/shop', interval: '1h' }),
      source(v1, 'HelmChart', { chart: 'shop', sourceRef, interval: '1h', suspend: true }),
    ]
  }
})

describe('with --default-service-account', () => {
  it('F-TEN-02 a Kustomization that names no account acts as the default one, in applying and in pruning', async () => {
    const { namespace } = cluster
    const repository = await cluster.repository('own', { 'a.yaml': configMap('own'), 'b.yaml': configMap('own-b') })
    const spec = { targetNamespace: namespace, retryInterval: '1s' }
    await cluster.apply(cluster.gitRepository('own'), cluster.kustomization('own', spec))
    const refused = await cluster.until('kustomization/own', hasCondition('Ready', 'False', 'ReconciliationFailed'))
    const message = conditionOf(refused, 'Ready')?.message
    expect(message).toMatch(/ConfigMap\/.*\/own(-b)? dry-run failed \(Forbidden\)/)
    expect(message).toContain(`User "system:serviceaccount:${namespace}:tenant" cannot patch resource "configmaps"`)
    expect(await cluster.list('configmaps')).toEqual([])

    await cluster.kubectl('create', 'serviceaccount', 'tenant')
    await cluster.kubectl('create', 'role', 'tenant', '--verb=get,list,watch,create,patch', '--resource=configmaps')
    await cluster.kubectl('create', 'rolebinding', 'tenant', '--role=tenant', `--serviceaccount=${namespace}:tenant`)
    await cluster.until('kustomization/own', isReady(await repository.head()))

    await repository.commit({ 'b.yaml': null }, 'Remove one')
    await cluster.reconcile('gitrepository/own')
    const text = `User "system:serviceaccount:${namespace}:tenant" cannot delete resource "configmaps"`
    await cluster.until('kustomization/own', hasCondition('Ready', 'False', 'PruneFailed', text))
    await cluster.get('configmap/own-b')
  })

  it('F-TEN-02 a Kustomization may not put objects into another namespace', async () => {
    const sourceRef = { kind: 'GitRepository', name: 'own' }
    await cluster.apply(cluster.kustomization('reaching', { sourceRef, targetNamespace: other }))
    const text = `cannot patch resource "configmaps" in API group "" in the namespace "${other}"`
    await cluster.until('kustomization/reaching', hasCondition('Ready', 'False', 'ReconciliationFailed', text))
    expect(await cluster.list('configmaps', { namespace: other })).toEqual([])
  })
})
