/** What an operator of the cluster does: ends the process at the worst time, and brings more than anybody thought of. */
import { expect, inject, it } from 'vitest'
import { watchObjects } from '../tools/watch.ts'
import { gateAfter, isApply, openLine } from './faults.ts'
import { type Cluster, isReady, type Manifest, openCluster } from './harness.ts'

const kubeconfig = inject('kubeconfig')

it('F-OPS-02 SIGTERM in the middle of an apply: the run is finished and told, and the process ends with 0', async () => {
  await using cluster = await openCluster(kubeconfig, 'sigterm')
  await using line = await openLine(cluster.kubeconfig)
  const sluice = await cluster.startSluice({ kubeconfig: line.kubeconfig })
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const repository = await cluster.repository('app', Object.fromEntries(names.map((name) => [`${name}.yaml`, configMap(name)])))
  const gate = gateAfter(2, line.proxy, isApply('configmaps'))
  await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await gate.reached
  const ended = sluice.stop()
  await sluice.untilLog(({ msg }) => msg.startsWith('shutting down'))
  // Nothing new is begun.
  await cluster.apply(cluster.kustomization('late', { sourceRef: { kind: 'GitRepository', name: 'app' } }))
  gate.open()
  expect(await ended).toBe(0)

  const ready = await cluster.get('kustomization/app')
  expect(isReady(await repository.head())(ready)).toBe(true)
  expect(ready.status?.inventory?.entries).toHaveLength(names.length)
  expect((await cluster.list('configmaps')).map(({ metadata }) => metadata.name)).toEqual(expect.arrayContaining(names))
  expect((await cluster.get('kustomization/late')).metadata.finalizers).toBeUndefined()
})

it('a start with Git servers that do not answer holds up nobody whose artifact is on disk', async () => {
  await using cluster = await openCluster(kubeconfig, 'start-slow')
  const sluice = await cluster.startSluice()
  const names = ['one', 'two', 'three', 'four']
  for (const name of names) {
    await cluster.repository(name, { 'a.yaml': configMap(name) })
    await cluster.apply(cluster.gitRepository(name), cluster.kustomization(name, { targetNamespace: cluster.namespace }))
  }
  for (const name of names) await cluster.until(`kustomization/${name}`, isReady())
  expect(await sluice.stop()).toBe(0)
  await cluster.kubectl('delete', 'configmap', ...names)

  // More of them than the source loop has workers.
  cluster.git.breakWith(() => 'hang')
  await sluice.start()
  for (const name of names) await cluster.until(`configmap/${name}`, () => true, { timeoutMs: 5_000 })
})

it('F-OPS-06 hundreds of objects that come at once, and go at once, are all served; who asks meanwhile does not wait for them', async () => {
  await using cluster = await openCluster(kubeconfig, 'flood')
  const names = Array.from({ length: 200 }, (_, index) => `app-${index}`)
  const files = Object.fromEntries([...names, 'asked'].map((name) => [`${name}/a.yaml`, configMap(name)]))
  await cluster.repository('apps', files)
  await cluster.apply(cluster.gitRepository('apps'), ...['asked', ...names].map((name) => kustomization(cluster, name)))
  await cluster.kubectl('annotate', 'kustomization/asked', 'reconcile.fluxcd.io/requestedAt=now')

  // All are there at its start: none could be served before the others came.
  const order = readyOrder(cluster, names.length + 1)
  const sluice = await cluster.startSluice()
  // Among the first, with as many workers as there are by default, though its name is the last.
  expect((await order).indexOf('asked')).toBeLessThan(20)
  expect((await sluice.metrics()).by('flux_reconcile_count', 'result').get('error')).toBe(0)
  expect(await owned(cluster)).toHaveLength(names.length + 1)

  const selector = 'labelSelector=flood%3Dtrue'
  const path = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${cluster.namespace}/kustomizations?${selector}`
  await cluster.kubectl('delete', '--raw', path)
  await untilAllGone(cluster)
  expect((await owned(cluster)).map(({ metadata }) => metadata.name)).toEqual(['asked'])
  expect(sluice.logs.filter(({ level }) => level === 'error')).toEqual([])
  // Nothing is kept of what is gone.
  expect((await sluice.metrics()).text).not.toContain('app-199')
}, 180_000)

function configMap(name: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {of: ${name}}\n`
}

function kustomization(cluster: Cluster, name: string): Manifest {
  const sourceRef = { kind: 'GitRepository', name: 'apps' }
  const manifest = cluster.kustomization(name, { path: `./${name}`, sourceRef, targetNamespace: cluster.namespace })
  return name === 'asked' ? manifest : { ...manifest, metadata: { name, labels: { flood: 'true' } } }
}

/** The ConfigMaps that a Kustomization of the test owns. */
async function owned(cluster: Cluster) {
  const all = await cluster.list('configmaps')
  return all.filter(({ metadata }) => metadata.labels?.['kustomize.toolkit.fluxcd.io/name'] !== undefined)
}

/** The names of the Kustomizations in the order in which they become ready; resolves when so many are. */
async function readyOrder({ kubeconfig, namespace }: Cluster, count: number): Promise<readonly string[]> {
  const ready = new Set<string>()
  for await (const { object } of watchObjects('kustomizations', { kubeconfig, namespace }, AbortSignal.timeout(90_000))) {
    if (isReady()(object)) ready.add(object.metadata.name)
    if (ready.size === count) return [...ready]
  }
  throw new Error(`${ready.size} of ${count} Kustomizations became ready`)
}

async function untilAllGone(cluster: Cluster): Promise<void> {
  for (;;) {
    const left = (await cluster.list('kustomizations')).filter(({ metadata }) => metadata.labels?.flood === 'true')
    const last = left.at(-1)
    if (!last) return
    await cluster.untilGone(`kustomization/${last.metadata.name}`)
  }
}
