import { expect, inject, it } from 'vitest'
import { type Cluster, hasCondition, isReady, openCluster } from './harness.ts'
import { rolledOut, writeStatus } from './statuses.ts'

/** Each waits for the one before. */
const layers = ['infrastructure', 'operators', 'core', 'apps'] as const

it('UC-03 applies layers in strict order, stops above a broken one by its name, and goes on at once when it is mended', async () => {
  await using cluster = await openCluster(inject('kubeconfig'), 'uc-03')
  // With a timer this long, only events can bring a layer on.
  await cluster.startSluice({ flags: { 'requeue-dependency': '10m' } })
  const repository = await cluster.repositoryOf('scenarios/uc-03/repository', 'fleet')
  const first = await repository.head()
  await cluster.apply(cluster.gitRepository('fleet'), ...layers.toReversed().map((layer) => kustomization(cluster, layer)))

  // The operator has not rolled out: the layers above have nothing of theirs in the cluster.
  await cluster.until('kustomization/infrastructure', isReady(first))
  await cluster.until('kustomization/operators', hasCondition('Reconciling', 'True', 'Progressing', 'health checks'))
  for (const [above, below] of [
    ['core', 'operators'],
    ['apps', 'core'],
  ]) {
    const message = `dependency '${cluster.namespace}/${below}' is not ready`
    await cluster.until(`kustomization/${above}`, hasCondition('Ready', 'False', 'DependencyNotReady', message))
  }
  expect(await cluster.list('cellars.uc-03.example.com')).toEqual([])

  await writeStatus(cluster, 'deployment/cellar-operator', rolledOut())
  for (const layer of layers) await cluster.until(`kustomization/${layer}`, isReady(first))
  const unchangedSince = ['configmap/infrastructure', 'cellar/wine', 'configmap/apps']
  expect(await inOrderOfCreation(cluster, unchangedSince)).toEqual(unchangedSince)

  const broken = await repository.commit({ 'core/cellar.yaml': cellar('many') }, 'Count in words')
  await cluster.reconcile('gitrepository/fleet')
  await cluster.until(
    'kustomization/core',
    hasCondition('Ready', 'False', 'ReconciliationFailed', /Cellar\/.*\/wine dry-run failed.*spec\.bottles/s),
  )
  const stopped = `dependency '${cluster.namespace}/core'`
  await cluster.until('kustomization/apps', hasCondition('Ready', 'False', 'DependencyNotReady', stopped))
  for (const layer of ['infrastructure', 'operators']) await cluster.until(`kustomization/${layer}`, isReady(broken))
  const behind = await cluster.get('kustomization/apps')
  expect(behind.status?.lastAppliedRevision).toContain(first)

  const mended = await repository.commit({ 'core/cellar.yaml': cellar('12') }, 'Count in numbers')
  await cluster.reconcile('gitrepository/fleet')
  await cluster.until('kustomization/apps', isReady(mended), { timeoutMs: 10_000 })
  expect((await cluster.get('cellar/wine')).spec).toEqual({ bottles: 12 })
})

function kustomization(cluster: Cluster, layer: (typeof layers)[number]) {
  const below = layers[layers.indexOf(layer) - 1]
  return cluster.kustomization(layer, {
    path: `./${layer}`,
    sourceRef: { kind: 'GitRepository', name: 'fleet' },
    targetNamespace: cluster.namespace,
    wait: true,
    timeout: '5m',
    retryInterval: '10m',
    ...(below && { dependsOn: [{ name: below }] }),
  })
}

function cellar(bottles: string): string {
  return `apiVersion: uc-03.example.com/v1\nkind: Cellar\nmetadata: {name: wine}\nspec: {bottles: ${bottles}}\n`
}

/** For objects that were written once only. */
async function inOrderOfCreation(cluster: Cluster, refs: readonly string[]): Promise<string[]> {
  const written = await Promise.all(
    refs.map(async (ref) => ({ ref, at: Number((await cluster.get(ref)).metadata.resourceVersion) })),
  )
  return written.sort((a, b) => a.at - b.at).map(({ ref }) => ref)
}
