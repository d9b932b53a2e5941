/** How often an object runs: once for what happens to it. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { gateAfter, type Line, openLine } from './faults.ts'
import { type Cluster, hasCondition, isReady, openCluster, type Sluice } from './harness.ts'

let cluster: Cluster
let line: Line
let sluice: Sluice

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'runs')
  line = await openLine(cluster.kubeconfig)
  sluice = await cluster.startSluice({ kubeconfig: line.kubeconfig, flags: { 'log-level': 'debug' } })
})

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await line?.[Symbol.asyncDispose]()
})

describe('a Kustomization runs once', () => {
  it('KUS-REC-03 when it is created with its source, as soon as the artifact is there', async () => {
    const repository = await cluster.repository('both', { 'a.yaml': configMap('both') })
    await cluster.apply(cluster.gitRepository('both'), kustomization('both'))
    await cluster.until('kustomization/both', isReady(await repository.head()))
    await cluster.reconcile('kustomization/both')
    // The log comes after the status that was waited for.
    await expect
      .poll(() => finished('both').map((causes) => causes.at(-1)))
      .toEqual([expect.stringMatching(/^(created|source)$/), 'requested'])
  })

  it('when the artifact comes while its finalizer is written', async () => {
    const repository = await cluster.repository('late', { 'a.yaml': configMap('late') })
    const isFinalizer = ({ method, url }: { method: string; url: URL }) =>
      method === 'PATCH' && url.pathname.endsWith('/kustomizations/late')
    const gate = gateAfter(0, line.proxy, isFinalizer)
    await cluster.apply(kustomization('late'))
    await gate.reached
    await cluster.apply(cluster.gitRepository('late'))
    await cluster.until('gitrepository/late', isReady())
    gate.open()
    await cluster.until('kustomization/late', isReady(await repository.head()))
    await cluster.reconcile('kustomization/late')
    await expect.poll(() => finished('late')).toEqual([['created', 'source'], ['requested']])
  })

  it('when the process starts, also if it had failed', async () => {
    await cluster.repository('start', { 'a.yaml': configMap('start') })
    await cluster.apply(cluster.gitRepository('start'), kustomization('start', { path: './nowhere' }))
    await cluster.until('kustomization/start', hasCondition('Ready', 'False', 'ArtifactFailed', 'path not found'))
    await sluice.stop()
    const before = sluice.logs.length
    await sluice.start()
    await sluice.untilLog(
      (one) => sluice.logs.indexOf(one) >= before && one.name === 'start' && one.msg === 'reconciliation failed',
    )
    await cluster.reconcile('kustomization/start')
    await expect.poll(() => runsOf('start', before).map(({ causes }) => causes)).toEqual([['created'], ['requested']])
  })
})

interface Ran {
  readonly causes: readonly string[]
  readonly end: string | undefined
}

/** The runs of a Kustomization, as the log tells them. */
function runsOf(name: string, since = 0): Ran[] {
  const lines = sluice.logs.slice(since).filter((one) => one.controllerKind === 'Kustomization' && one.name === name)
  const starts = lines.filter(({ msg }) => msg === 'reconciliation started')
  return starts.map(({ causes, reconcileID }) => ({
    causes: (causes as string[]).toSorted(),
    end: lines.findLast((one) => one.reconcileID === reconcileID)?.msg,
  }))
}

function finished(name: string): (readonly string[])[] {
  return runsOf(name).flatMap(({ causes, end }) => (end === 'reconciliation finished' ? [causes] : []))
}

function kustomization(name: string, spec: Readonly<Record<string, unknown>> = {}) {
  return cluster.kustomization(name, { targetNamespace: cluster.namespace, ...spec })
}

function configMap(name: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`
}
