/**
 * From Flux to Sluice and back, with Flux's own controllers on a control plane of their own: what docs/operations.md promises. Skipped
 * where the controllers are not built.
 */
import { expect, it, type TestContext } from 'vitest'
import { startChartServer } from '../tools/chart-server.ts'
import { startControlPlane } from '../tools/control-plane.ts'
import { installCrds } from '../tools/crds.ts'
import { type Flux, type FluxOptions, installFluxCrds, startFlux, whyNoFlux } from '../tools/flux-controllers.ts'
import { pushArtifact } from '../tools/push.ts'
import { startRegistry } from '../tools/registry.ts'
import type { Repository } from '../tools/repository.ts'
import { isWrite, type Line, nextRequest, openLine } from './faults.ts'
import { type Cluster, isReady, openCluster, type Sluice } from './harness.ts'
import * as stage from './migration-stage.ts'

const quick = {
  'leader-election-lease-duration': '5s',
  'leader-election-renew-deadline': '4s',
  'leader-election-retry-period': '1s',
}
/** The lease, the longest time between two looks at it, and a few seconds for a busy machine. */
const takeOverMs = 5_000 + 2_200 + 5_000

const missing = await whyNoFlux()
const timeout = 300_000

it('what Flux has applied is gone on with by Sluice, and then by Flux again: nothing is written without a commit, and what fails does for the same reason', {
  timeout,
}, async (test) => {
  await using setting = await open(test, 'migration')
  const { cluster, front } = setting
  const repository = await cluster.repository('fleet', stage.fleetFiles(cluster.namespace))
  await stage.applyByHand(cluster)

  const flux = await setting.startFlux()
  front.target = flux.artifacts
  await flux.untilWorking()
  await cluster.apply(...stage.fleet(cluster))
  await stage.untilFleetReady(cluster, await repository.head())
  await stage.meddle(cluster)
  await stage.suspend(cluster, 'paused')
  const applied = await settled(cluster)
  expect(await flux.stop()).toEqual([0, 0])

  await installCrds(cluster.kubectl)
  const sluice = await setting.startSluice()
  front.target = sluice.address('artifacts')
  await untilWorking(sluice)
  expect(await settled(cluster)).toEqual(applied)
  await followsCommits(cluster, repository, 'by-sluice')
  await deletes(cluster, 'leaving', 'of-leaving')
  await cluster.kubectl('delete', 'kustomization', 'staying')
  await cluster.get('configmap/of-staying')
  await stage.suspend(cluster, 'paused', false)
  await cluster.until('kustomization/paused', isReady(await repository.head()))
  await stage.suspend(cluster, 'tenant')
  const left = await settled(cluster)
  expect(await sluice.stop()).toBe(0)

  await installFluxCrds(cluster.kubectl)
  const again = await setting.startFlux()
  front.target = again.artifacts
  await again.untilWorking()
  expect(await settled(cluster)).toEqual(left)
  await followsCommits(cluster, repository, 'by-flux-again')
  await deletes(cluster, 'paused', 'of-paused')
  await stage.suspend(cluster, 'tenant', false)
  await cluster.until('kustomization/tenant', isReady(await repository.head()))
  expect(await again.stop()).toEqual([0, 0])
})

it('F-OPS-01 API-18 beside a Flux that works Sluice waits and writes nothing, and the other way round; each takes over when the other is killed', {
  timeout,
}, async (test) => {
  await using setting = await open(test, 'both', 'shard')
  const { cluster, front } = setting
  const repository = await cluster.repository('app', { 'a.yaml': configMap('first') })
  const follows = (text: string) => followsCommit(cluster, repository, text)
  const flux = await setting.startFlux({ flags: quick })
  front.target = flux.artifacts
  await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await cluster.until('kustomization/app', isReady(await repository.head()))

  await using sluiceLine = await openLine(cluster.kubeconfig)
  const sluiceAsks = asksForLeases(sluiceLine)
  const sluice = await setting.startSluice(quick, sluiceLine)
  await sluiceAsks
  await follows('while Sluice waits')
  expect(writes(sluiceLine)).toEqual([])
  const fluxKilledAt = performance.now()
  await flux.kill9()
  front.target = sluice.address('artifacts')
  await untilWorking(sluice)
  expect(performance.now() - fluxKilledAt).toBeLessThan(takeOverMs)
  await follows('by Sluice')

  await using fluxLine = await openLine(cluster.kubeconfig)
  const fluxAsks = asksForLeases(fluxLine)
  const forgotten = await setting.startFlux({ flags: quick, kubeconfig: fluxLine.kubeconfig })
  await fluxAsks
  await follows('while Flux waits')
  expect(writes(fluxLine)).toEqual([])
  const sluiceKilledAt = performance.now()
  await sluice.kill9()
  front.target = forgotten.artifacts
  await forgotten.untilWorking()
  expect(performance.now() - sluiceKilledAt).toBeLessThan(takeOverMs)
  await follows('by Flux')
})

it('one controller at a time: Sluice applies what Flux stores, and Flux applies what Sluice stores', { timeout }, async (test) => {
  await using setting = await open(test, 'mixed')
  const { cluster, front } = setting
  const repository = await cluster.repository('app', { 'a.yaml': configMap('first') })
  const follows = (text: string) => followsCommit(cluster, repository, text)
  const fluxStores = await setting.startFlux({ only: ['source-controller'] })
  front.target = fluxStores.artifacts
  const sluiceApplies = await setting.startSluice({ controllers: 'kustomize' })
  await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await follows('by Flux and Sluice')

  expect([await fluxStores.stop(), await sluiceApplies.stop()]).toEqual([[0], 0])
  const sluiceStores = await setting.startSluice({ controllers: 'source' })
  front.target = sluiceStores.address('artifacts')
  const fluxApplies = await setting.startFlux({ only: ['kustomize-controller'] })
  await fluxApplies.untilWorking()
  await follows('by Sluice and Flux')
})

it('sources of every kind that both know are gone on with: what was fetched is what is fetched, and says the same of itself', {
  timeout,
}, async (test) => {
  await using setting = await open(test, 'sources')
  const { cluster, front } = setting
  await using registry = await startRegistry()
  await using charts = await startChartServer()
  charts.publish('shop', '1.2.0', { 'templates/a.yaml': configMap('chart') })
  await pushArtifact(registry, 'app', { files: { 'a.yaml': configMap('from a registry') }, tags: ['v1'] })
  await cluster.repository('app', {
    'a.yaml': configMap('from Git'),
    'chart/Chart.yaml': 'apiVersion: v2\nname: own\nversion: 0.1.0\n',
  })
  const flux = await setting.startFlux()
  front.target = flux.artifacts
  await cluster.apply(...stage.sources(cluster, { oci: registry.url('app'), charts: charts.url }))
  const fetched = await stage.sourcesSettled(cluster)
  expect(await flux.stop()).toEqual([0, 0])

  await installCrds(cluster.kubectl)
  const sluice = await setting.startSluice()
  front.target = sluice.address('artifacts')
  await untilWorking(sluice)
  expect(await stage.sourcesSettled(cluster)).toEqual(fetched)
  expect(await sluice.stop()).toBe(0)

  await installFluxCrds(cluster.kubectl)
  const again = await setting.startFlux()
  front.target = again.artifacts
  await again.untilWorking()
  expect(await stage.sourcesSettled(cluster)).toEqual(fetched)
})

interface Setting extends AsyncDisposable {
  readonly cluster: Cluster
  readonly front: stage.Front
  startFlux(options?: Partial<FluxOptions>): Promise<Flux>
  /** Its source and kustomize loops. */
  startSluice(flags?: Flags, line?: Pick<Line, 'kubeconfig'>): Promise<Sluice>
}

type Flags = Readonly<Record<string, string>>

/** A control plane with the definitions of Flux; a shard's leases have names of their own. */
async function open({ skip }: TestContext, name: string, part: 'whole' | 'shard' = 'whole'): Promise<Setting> {
  skip(missing !== undefined, missing)
  await using opening = new AsyncDisposableStack()
  const controlPlane = opening.use(await startControlPlane())
  await installFluxCrds(controlPlane.kubectl)
  const cluster = opening.use(await openCluster(controlPlane.kubeconfig, name, { whole: part === 'whole' }))
  const front = opening.use(await stage.startFront())
  const resources = opening.move()
  const { namespace } = cluster
  const selector = Object.entries(cluster.labels).map(([label, value]) => `${label}=${value}`)
  return {
    cluster,
    front,
    startFlux: async (options) => {
      const flags = { 'watch-label-selector': selector.join(), 'requeue-dependency': '1s', ...options?.flags }
      const { kubeconfig } = cluster
      return resources.use(await startFlux({ kubeconfig, namespace, advertised: front.address, ...options, flags }))
    },
    startSluice: (flags, { kubeconfig } = cluster) => {
      const own = { 'enable-leader-election': 'true', controllers: 'source,kustomize', 'storage-adv-addr': front.address }
      return cluster.startSluice({ kubeconfig, flags: { ...own, ...flags }, env: { RUNTIME_NAMESPACE: namespace } })
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

async function followsCommit(cluster: Cluster, repository: Repository, text: string): Promise<void> {
  const head = await repository.commit({ 'a.yaml': configMap(text) }, text)
  await cluster.reconcile('gitrepository/app')
  await cluster.until('kustomization/app', isReady(head))
  expect((await cluster.get('configmap/app')).data).toEqual({ text })
}

async function untilWorking(sluice: Sluice): Promise<void> {
  for (const kind of ['GitRepository', 'Kustomization'])
    await sluice.untilLog(({ msg, controllerKind }) => msg === 'starting workers' && controllerKind === kind)
}

/** Resolves when both leases have been asked for. */
async function asksForLeases({ proxy }: Line): Promise<void> {
  const asksFor = (controller: string) =>
    nextRequest(proxy, ({ url }) => url.pathname.includes(`/leases/${controller}-leader-election`))
  await Promise.all(['source-controller', 'kustomize-controller'].map(asksFor))
}

/** Everything that it wrote but leases. */
function writes({ proxy }: Line): string[] {
  const others = proxy.seen.filter(
    (request) => isWrite(request) && request.method !== 'HEAD' && !request.url.pathname.includes('/leases'),
  )
  return others.map(({ method, url }) => `${method} ${url.pathname}`)
}

function configMap(text: string): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'app' }, data: { text } })
}

/** After a run of everything: all managed objects with all that the API server knows of them, and what each Kustomization says. */
async function settled(cluster: Cluster): Promise<object> {
  await cluster.reconcile('gitrepository/fleet')
  for (const { metadata, spec } of await cluster.list('kustomizations'))
    if (spec?.suspend !== true) await cluster.reconcile(`kustomization/${metadata.name}`)
  // Who is asked first may find that what it depends on is under way.
  await stage.untilFleetReady(cluster)
  return { objects: await stage.managedObjects(cluster), outcomes: await stage.outcomesOf(cluster) }
}

/** Deleted under another controller than the one that has put the finalizer there: cleaned up all the same. */
async function deletes(cluster: Cluster, kustomization: string, configMap: string): Promise<void> {
  await cluster.kubectl('delete', 'kustomization', kustomization)
  await cluster.untilGone(`configmap/${configMap}`)
}

/** A commit takes an object away and adds one, changes a third and takes a field from it; nothing else is touched. */
async function followsCommits(cluster: Cluster, repository: Repository, round: string): Promise<void> {
  const { namespace } = cluster
  const before = await stage.managedObjects(cluster)
  const removed = [...before.keys()].filter((id) => new RegExp(`^${namespace}_(removed|added-.*)__ConfigMap$`).test(id))
  expect(removed).toHaveLength(1)
  const head = await repository.commit(stage.nextFiles(round), round)
  await cluster.reconcile('gitrepository/fleet')
  await stage.untilFleetReady(cluster, head)

  const after = await stage.managedObjects(cluster)
  const changed = `${namespace}_changed__ConfigMap`
  const added = `${namespace}_added-${round}__ConfigMap`
  const touched = new Set([changed, added, ...removed])
  const untouched = (objects: stage.Objects) => new Map([...objects].filter(([id]) => !touched.has(id)))
  expect(untouched(after)).toEqual(untouched(before))
  for (const id of removed) {
    const [, name] = id.split('_')
    expect(after.has(id)).toBe(false)
    await cluster.untilGone(`configmap/${name}`)
  }
  expect(after.has(added)).toBe(true)
  const { data, metadata } = after.get(changed) ?? (await cluster.get('configmap/changed'))
  expect(data).toEqual({ kept: 'one', changed: round })
  expect(metadata.uid).toBe(before.get(changed)?.metadata.uid)
  expect(metadata.annotations?.['somebody.example.com/note']).toBe('1')
  await stage.untilEvent(cluster, 'apps', `added-${round} created`)
}
