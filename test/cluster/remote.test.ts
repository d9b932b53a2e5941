/** Kustomizations whose bases lie in other repositories. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type Cluster, conditionOf, hasCondition, isReady, openCluster } from './harness.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'remote')
})

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
})

const configMap = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`
const baseUrl = (query: string) => `${cluster.git.url('base')}//shared${query}`

function kustomization(name: string, spec: Readonly<Record<string, unknown>> = {}) {
  const sourceRef = { kind: 'GitRepository', name: 'apps' }
  return cluster.kustomization(name, { sourceRef, path: `./${name}`, targetNamespace: cluster.namespace, ...spec })
}

describe('a remote base', () => {
  it('KUS-BLD-10 F-KUS-04 is fetched at each run, ends at its timeout, and is refused with --no-remote-bases', async () => {
    const base = await cluster.repository('base', {
      'shared/kustomization.yaml': 'resources: [a.yaml]\n',
      'shared/a.yaml': configMap('one'),
    })
    const repository = await cluster.repository('apps', {
      'moving/kustomization.yaml': `resources: ['${baseUrl('?ref=main')}']\nnamePrefix: moving-\n`,
      'slow/kustomization.yaml': `resources: ['${cluster.git.url('slow')}//shared?timeout=2s']\n`,
      'local/a.yaml': configMap('local'),
    })
    const open = await cluster.startSluice()
    await cluster.apply(cluster.gitRepository('apps'), kustomization('moving'))
    await cluster.until('kustomization/moving', isReady(await repository.head()))
    await cluster.get('configmap/moving-one')

    await base.commit({ 'shared/a.yaml': configMap('two') }, 'second')
    await cluster.reconcile('kustomization/moving')
    await cluster.get('configmap/moving-two')
    await cluster.untilGone('configmap/moving-one')

    cluster.git.breakWith(({ repository: name }) => (name === 'slow' ? 'hang' : undefined))
    await cluster.apply(kustomization('slow'), kustomization('local'))
    await cluster.until('kustomization/local', isReady())
    const slow = await cluster.until('kustomization/slow', hasCondition('Ready', 'False', 'BuildFailed'))
    expect(conditionOf(slow, 'Ready')?.message).toContain(`${cluster.git.url('slow')}//shared?timeout=2s': hit 2s timeout`)
    cluster.git.breakWith()
    await open.stop()

    await cluster.startSluice({ flags: { 'no-remote-bases': 'true' } })
    const refused = await cluster.until('kustomization/moving', hasCondition('Ready', 'False', 'BuildFailed'))
    expect(conditionOf(refused, 'Ready')?.message).toBe(
      `kustomize build failed: '${baseUrl('?ref=main')}' is a remote base or file, and these are not allowed here: use a path in the source`,
    )
    await cluster.get('configmap/moving-two')
  })
})
