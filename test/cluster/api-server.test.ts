/** The API server goes away, comes back, lacks our kinds, asks us to slow down: Sluice goes on by itself. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ControlPlane, startControlPlane } from '../tools/control-plane.ts'
import { installCrds } from '../tools/crds.ts'
import { answerStatus } from '../tools/fault-proxy.ts'
import { isApply, type Line, mend, nextRequest, openLine, sever } from './faults.ts'
import { type Cluster, isReady, openCluster, type Sluice } from './harness.ts'

const crds = join(import.meta.dirname, '../../crds')

let controlPlane: ControlPlane
let cluster: Cluster
let line: Line
let sluice: Sluice

beforeAll(async () => {
  controlPlane = await startControlPlane({ log: () => {} })
  cluster = await openCluster(controlPlane.kubeconfig, 'api-server', { whole: true })
  line = await openLine(cluster.kubeconfig)
  sluice = await cluster.startSluice({ kubeconfig: line.kubeconfig })
})

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await line?.[Symbol.asyncDispose]()
  await controlPlane?.[Symbol.asyncDispose]()
})

describe('one process of Sluice', () => {
  it('F-API-06 waits for its CRDs, says which are missing and how to install them, and works when they come', async () => {
    const complaint = await sluice.untilLog(({ msg, controllerKind }) => {
      return msg === 'waiting for the Kubernetes API' && controllerKind === 'GitRepository'
    })
    expect(complaint.error).toContain('kubectl apply --server-side -f crds/source.toolkit.fluxcd.io_gitrepositories.yaml')
    const unready = await probe('readyz')
    expect(unready.status).toBe(503)
    expect(unready.text).toContain('gitrepositories.source.toolkit.fluxcd.io')
    expect(unready.text).toContain('kustomizations.kustomize.toolkit.fluxcd.io')
    expect((await probe('healthz')).status).toBe(200)

    // What is there is worked on already: one kind does not wait for another.
    const { pid } = sluice
    await controlPlane.kubectl('apply', '--server-side', '-f', join(crds, 'source.toolkit.fluxcd.io_gitrepositories.yaml'))
    await cluster.repository('early', { 'a.yaml': '' })
    await expect
      .poll(
        () =>
          cluster.apply(cluster.gitRepository('early')).then(
            () => true,
            () => false,
          ),
        { timeout: 20_000 },
      )
      .toBe(true)
    await cluster.until('gitrepository/early', isReady())
    expect((await probe('readyz')).text).not.toContain('gitrepositories.source.toolkit.fluxcd.io')
    expect((await probe('readyz')).text).toContain('alerts.notification.toolkit.fluxcd.io')
    await controlPlane.kubectl('delete', 'gitrepository', 'early', '-n', cluster.namespace)
    await installCrds(controlPlane.kubectl)
    const repository = await cluster.repository('app', { 'a.yaml': configMap('edited', '1'), 'b.yaml': configMap('deleted', '1') })
    await cluster.apply(cluster.gitRepository('app', { interval: '1s' }), cluster.kustomization('app', inNamespace()))
    await cluster.until('kustomization/app', isReady(await repository.head()))
    expect((await probe('readyz')).status).toBe(200)
    expect(sluice.pid).toBe(pid)
  })

  it('F-API-02 outlives the API server: what happened meanwhile is seen after, without a restart', async () => {
    const repository = await cluster.repository('other', { 'c.yaml': configMap('other', '1') })
    await cluster.apply(cluster.gitRepository('other', { interval: '1s' }), cluster.kustomization('other', inNamespace()))
    await cluster.until('kustomization/other', isReady())
    const { pid } = sluice

    await controlPlane.killApiServer()
    const whileDown = await repository.commit({ 'c.yaml': configMap('other', '2') }, 'while the API server is down')
    await nextRequest(line.proxy, () => true)
    await expectAlive()
    // Back for others first: what they do now is what Sluice has not seen.
    sever(line.proxy)
    await controlPlane.startApiServer()
    await cluster.kubectl('patch', 'configmap', 'edited', '--type=merge', '-p', '{"data":{"version":"by hand"}}')
    await cluster.kubectl('delete', 'configmap', 'deleted')
    await expectAlive()
    mend(line.proxy)

    await cluster.until('kustomization/other', isReady(whileDown))
    expect((await cluster.get('configmap/other')).data?.version).toBe('2')
    await cluster.until('configmap/edited', ({ data }) => data?.version === '1')
    await cluster.until('configmap/deleted', ({ data }) => data?.version === '1')
    await cluster.until('kustomization/app', isReady())
    await expectAlive()
    expect(sluice.pid).toBe(pid)
    expect(sluice.logs.filter(({ level }) => level === 'text')).toEqual([])
  })

  it('F-API-02 takes connections up again that are broken off, and misses nothing', async () => {
    await cluster.repository('cut', { 'd.yaml': configMap('cut', '1') })
    await cluster.apply(cluster.gitRepository('cut'), cluster.kustomization('cut', inNamespace()))
    await cluster.until('kustomization/cut', isReady())
    line.proxy.cut()
    await cluster.kubectl('patch', 'configmap', 'cut', '--type=merge', '-p', '{"data":{"version":"by hand"}}')
    await cluster.until('configmap/cut', ({ data }) => data?.version === '1')
  })

  it('F-API-03 waits as long as an API server that is too busy asks it to', async () => {
    await cluster.repository('busy', { 'e.yaml': configMap('busy', '1') })
    const tries: number[] = []
    line.proxy.fault = (request, response) => {
      if (!isApply('configmaps')(request)) return false
      tries.push(performance.now())
      if (tries.length > 2) return false
      return answerStatus(response, { code: 429, reason: 'TooManyRequests', message: 'too many requests' }, { 'retry-after': '1' })
    }
    await cluster.apply(cluster.gitRepository('busy'), cluster.kustomization('busy', inNamespace()))
    await cluster.until('kustomization/busy', isReady())
    line.proxy.fault = undefined
    const [first = 0, second = 0, third = 0] = tries
    expect(tries).toHaveLength(3)
    expect(Math.min(second - first, third - second)).toBeGreaterThanOrEqual(1000)
    // Being told to wait is no failure.
    const failures = (await cluster.events('kustomization/busy')).filter(({ type }) => type === 'Warning')
    expect(failures).toEqual([])
  })
})

async function probe(path: 'healthz' | 'readyz'): Promise<{ status: number; text: string }> {
  const answer = await fetch(`${sluice.address('health')}/${path}`)
  return { status: answer.status, text: await answer.text() }
}

/** The kubelet must not restart it for what the API server does. */
async function expectAlive(): Promise<void> {
  expect((await probe('healthz')).status).toBe(200)
  expect((await probe('readyz')).status).toBe(200)
  expect((await sluice.metrics()).sum('flux_reconcile_count')).toBeGreaterThan(0)
}

function inNamespace() {
  return { targetNamespace: cluster.namespace }
}

function configMap(name: string, version: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {version: "${version}"}\n`
}
