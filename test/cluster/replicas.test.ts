/** Two replicas with leader election: one works at a time, and the other takes over. */
import { createHash } from 'node:crypto'
import { expect, inject, it } from 'vitest'
import { leaderLabel, leaseName } from '../../src/runtime/leader.ts'
import { freePort } from '../tools/processes.ts'
import { gateAfter, isStatusPatch, isWrite, type Line, mend, openLine, sever } from './faults.ts'
import { type Cluster, isReady, type Live, type LogLine, openCluster, type Sluice } from './harness.ts'

const kubeconfig = inject('kubeconfig')

const quick = {
  'leader-election-lease-duration': '5s',
  'leader-election-renew-deadline': '4s',
  'leader-election-retry-period': '1s',
}
/** The lease, the longest time between two looks at it, and a few seconds for a busy machine. */
const takeOverMs = 5_000 + 2_200 + 5_000

interface Replica extends AsyncDisposable {
  readonly sluice: Sluice
  readonly line: Line
  /** When it wrote anything but leases. */
  writes(): readonly number[]
}

it('F-OPS-01 F-ART-06 API-18 SRC-ART-11 one of two works; when it is killed the other takes over in time, stores the artifacts again and goes on', async () => {
  await using cluster = await openCluster(kubeconfig, 'replicas-kill')
  await using leader = await startReplica(cluster, 'one', quick)
  await untilLeading(leader.sluice)
  await using standby = await startReplica(cluster, 'two', quick)
  const repository = await cluster.repository('app', { 'a.yaml': configMap('1') })
  await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await cluster.until('kustomization/app', isReady(await repository.head()))
  const { uid } = (await cluster.get('configmap/app')).metadata

  expect((await fetch(`${standby.sluice.address('health')}/readyz`)).status).toBe(200)
  expect((await fetch(`${standby.sluice.address('artifacts')}/`)).status).toBe(503)
  expect((await fetch(`${leader.sluice.address('artifacts')}/`)).status).toBe(200)
  expect((await cluster.get('pod/one')).metadata.labels?.[leaderLabel]).toBe('true')
  expect(standby.writes()).toEqual([])

  const gate = gateAfter(0, standby.line.proxy, isStatusPatch('gitrepositories'))
  await leader.sluice.kill9()
  const killedAt = performance.now()
  const whileHeadless = await repository.commit({ 'a.yaml': configMap('2') }, 'while nobody leads')
  // The source is held up while both leases are there already: its reader has to wait for it.
  await Promise.all([gate.reached, untilLeading(standby.sluice)])
  gate.open()
  await cluster.until('kustomization/app', isReady(whileHeadless))
  const [firstWrite = 0] = standby.writes()
  expect(firstWrite - killedAt).toBeLessThan(takeOverMs)
  expect(Math.max(...leader.writes())).toBeLessThan(firstWrite)
  const live = await cluster.get('configmap/app')
  expect([live.data?.version, live.metadata.uid]).toEqual(['2', uid])

  expect((await cluster.get('pod/two')).metadata.labels?.[leaderLabel]).toBe('true')
  expect(await isServed(await cluster.get('gitrepository/app'), standby.sluice)).toBe(true)
  const position = (kind: string, msg: string) =>
    standby.sluice.logs.findIndex((line) => line.controllerKind === kind && line.msg === msg)
  expect(position('Kustomization', 'starting workers')).toBeGreaterThan(position('GitRepository', 'reconciliation finished'))
  expect(standby.sluice.logs.filter(({ msg }) => msg === 'reconciliation waits')).toEqual([])
})

it('F-OPS-01 API-18 on SIGTERM the leader hands over at once', async () => {
  await using cluster = await openCluster(kubeconfig, 'replicas-term')
  // Flux's own times: without a hand-over nothing would happen for half a minute.
  await using leader = await startReplica(cluster, 'one')
  await untilLeading(leader.sluice)
  await using standby = await startReplica(cluster, 'two')
  const repository = await cluster.repository('app', { 'a.yaml': configMap('1') })
  await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await cluster.until('kustomization/app', isReady(await repository.head()))

  const next = await repository.commit({ 'a.yaml': configMap('2') }, 'next')
  expect(await leader.sluice.stop()).toBe(0)
  await untilLeading(standby.sluice, 10_000)
  await cluster.until('kustomization/app', isReady(next))
  expect(Math.max(...leader.writes())).toBeLessThan(Math.min(...standby.writes()))
  expect((await cluster.get('configmap/app')).data?.version).toBe('2')
})

it('F-OPS-01 a leader that is cut off from the API server ends before another one works, and writes nothing when it could again', async () => {
  await using cluster = await openCluster(kubeconfig, 'replicas-cut')
  await using leader = await startReplica(cluster, 'one', quick)
  await untilLeading(leader.sluice)
  await using standby = await startReplica(cluster, 'two', quick)
  const repository = await cluster.repository('app', { 'a.yaml': configMap('1') })
  const source = cluster.gitRepository('app', { interval: '1s' })
  await cluster.apply(source, cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await cluster.until('kustomization/app', isReady(await repository.head()))

  sever(leader.line.proxy)
  const next = await repository.commit({ 'a.yaml': configMap('2') }, 'next')
  const end = await leader.sluice.untilLog(({ msg }) => msg === 'this process may not work any more')
  const takenOver = await standby.sluice.untilLog(isAcquired)
  expect(Date.parse(end.ts ?? '')).toBeLessThan(Date.parse(takenOver.ts ?? ''))
  const before = leader.line.proxy.seen.length
  mend(leader.line.proxy)
  await cluster.until('kustomization/app', isReady(next))
  expect(await leader.sluice.stop()).not.toBe(0)
  expect(leader.line.proxy.seen.slice(before).filter(isWrite)).toEqual([])
})

it('F-API-03 keeps its lease while every other request hangs', async () => {
  await using cluster = await openCluster(kubeconfig, 'replicas-hang')
  // Long enough that only requests that hang, and no busy machine, could cost the lease.
  const patient = { ...quick, 'leader-election-lease-duration': '9s', 'leader-election-renew-deadline': '8s' }
  await using leader = await startReplica(cluster, 'one', { ...patient, controllers: 'source,kustomize' })
  await untilLeading(leader.sluice)
  // More requests at once than there are connections for them.
  const names = Array.from({ length: 40 }, (_, index) => `app-${index}`)
  await cluster.repository('app', { 'all.yaml': names.map((name) => configMap('1', name)).join('---\n') })
  await cluster.apply(cluster.gitRepository('app'))
  await cluster.until('gitrepository/app', isReady())
  const hanging = Promise.withResolvers<void>()
  leader.line.proxy.fault = ({ url }) => (url.pathname.includes('/leases/') ? false : hanging.promise)
  for (const name of ['app', 'app-too'])
    await cluster.apply(
      cluster.kustomization(name, { targetNamespace: cluster.namespace, sourceRef: { kind: 'GitRepository', name: 'app' } }),
    )
  const startedAt = Date.now()
  const { lease } = await leader.sluice.untilLog(isAcquired)
  const isRenewed = ({ spec }: Live) => Date.parse(String(spec?.renewTime)) > startedAt + 9_000
  await cluster.until(`lease/${String(lease).split('/')[1]}`, isRenewed)
  leader.line.proxy.fault = undefined
  hanging.resolve()
  await cluster.until('kustomization/app', isReady())
  expect(leader.sluice.logs.filter(({ msg }) => msg === 'this process may not work any more')).toEqual([])
})

it('API-18 when each leads another controller, the one that applies takes the artifacts from the one that stores them', async () => {
  await using cluster = await openCluster(kubeconfig, 'replicas-split')
  // As behind a Service: both advertise one address, at which the leader of the sources answers.
  const address = `127.0.0.1:${await freePort()}`
  await using storing = await startReplica(cluster, 'one', { ...quick, controllers: 'source', 'storage-addr': address })
  await storing.sluice.untilLog(isAcquired)
  await using applying = await startReplica(cluster, 'two', { ...quick, 'storage-adv-addr': address })
  await applying.sluice.untilLog(isAcquired)
  const repository = await cluster.repository('app', { 'a.yaml': configMap('1') })
  await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await cluster.until('kustomization/app', isReady(await repository.head()), { timeoutMs: 45_000 })
  expect((await cluster.get('configmap/app')).data?.version).toBe('1')
})

/** A replica with a pod, a storage and a way to the API server of its own. */
async function startReplica(cluster: Cluster, pod: string, flags: Readonly<Record<string, string>> = {}): Promise<Replica> {
  await cluster.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: pod }, spec: { containers: [{ name: 'c', image: 'i' }] } })
  const line = await openLine(cluster.kubeconfig)
  const sluice = await cluster.startSluice({
    kubeconfig: line.kubeconfig,
    flags: { 'enable-leader-election': 'true', ...flags },
    env: { RUNTIME_NAMESPACE: cluster.namespace, POD_NAME: pod },
  })
  return {
    sluice,
    line,
    writes: () =>
      line.proxy.seen
        .filter((request) => isWrite(request) && !/\/(leases|pods)\b/.test(request.url.pathname))
        .map(({ atMs }) => atMs),
    async [Symbol.asyncDispose]() {
      await sluice[Symbol.asyncDispose]()
      await line[Symbol.asyncDispose]()
    },
  }
}

function isAcquired({ msg }: LogLine): boolean {
  return msg === 'successfully acquired lease'
}

/** Resolves when it leads as both controllers. */
async function untilLeading(sluice: Sluice, timeoutMs = 30_000): Promise<void> {
  for (const controller of ['source-controller', 'kustomize-controller']) {
    const name = leaseName(controller, '')
    await sluice.untilLog((line) => isAcquired(line) && String(line.lease).includes(name), timeoutMs)
  }
}

async function isServed({ status }: Live, sluice: Sluice): Promise<boolean> {
  const { url = '', digest } = status?.artifact ?? {}
  if (!url.startsWith(sluice.address('artifacts'))) return false
  const answer = await fetch(url)
  const content = new Uint8Array(await answer.arrayBuffer())
  return digest === `sha256:${createHash('sha256').update(content).digest('hex')}`
}

function configMap(version: string, name = 'app'): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {version: "${version}"}\n`
}
