import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, inject, it } from 'vitest'
import type { Kind } from '../../src/api/kind.ts'
import { connect } from '../../src/kube/connect.ts'
import { Informers } from '../../src/kube/informer.ts'
import { LeaseLost } from '../../src/kube/lease.ts'
import type { Artifacts } from '../../src/runtime/artifacts.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { type AnyLoop, anyLoop } from '../../src/runtime/controller.ts'
import { EventRecorder } from '../../src/runtime/events.ts'
import { parseFlags } from '../../src/runtime/flags.ts'
import { leaderLabel, leaseName } from '../../src/runtime/leader.ts'
import { createLogger } from '../../src/runtime/log.ts'
import { runManager } from '../../src/runtime/manager.ts'
import { createMetrics } from '../../src/runtime/metrics.ts'
import type { Environment } from '../../src/runtime/reconcile.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { done, gate, isCurrent, openCluster, type Reconcile, type WidgetLoop, widgetKind, within } from './harness.ts'

interface Line {
  readonly level: string
  readonly msg: string
  readonly error?: string
}

/** A process as `main.ts` would make it, with a loop of the test's. */
async function startManager(options: {
  readonly kubeconfig: string
  readonly namespace: string
  readonly reconcile?: Reconcile
  readonly kind?: Kind
  readonly args?: readonly string[]
  readonly podName?: string
}) {
  const { kubeconfig, namespace, reconcile = async () => done, kind = widgetKind } = options
  const parsed = parseFlags(
    ['--watch-all-namespaces=false', '--metrics-addr=127.0.0.1:0', '--health-addr=127.0.0.1:0', ...(options.args ?? [])],
    { RUNTIME_NAMESPACE: namespace },
  )
  if (parsed.help !== undefined) throw new Error('no flags')
  const lines: Line[] = []
  let told = () => {}
  const write = (line: string) => {
    lines.push(JSON.parse(line))
    told()
  }
  const log = createLogger({ level: 'debug', encoding: 'json' }, { write })
  const client = await connect({ kubeconfig })
  const metrics = createMetrics()
  const environment: Environment = {
    client,
    log,
    metrics,
    clock: systemClock,
    flags: parsed.flags,
    informers: new Informers({ client }),
    artifacts: {} as Artifacts,
    workers: { run: () => Promise.reject(new Error('no tasks')), close: async () => {} },
  }
  const loop: WidgetLoop = {
    kind,
    controller: 'source-controller',
    concurrent: 2,
    conditions: [],
    unsupported: [],
    watches: [],
    reconcile,
    finalize: async () => {},
  }
  const loops: readonly AnyLoop[] = [anyLoop(loop)]
  const recorder = new EventRecorder({ client, clock: systemClock, log, metrics, webhook: '', hostname: 'pod-1' })
  const stop = new AbortController()
  const listening = Promise.withResolvers<{ metrics: number; health: number }>()
  const ended = runManager({
    environment,
    recorder,
    loops,
    signal: stop.signal,
    hostname: 'pod-1',
    podName: options.podName,
    onListening: listening.resolve,
  })
  ended.catch(() => {})
  const ports = await Promise.race([listening.promise, ended.then(() => Promise.reject(new Error('ended')))])
  return {
    ended,
    lines,
    stop: () => stop.abort(),
    get: async (path: '/metrics' | '/healthz' | '/readyz' | '/') => {
      const answer = await fetch(`http://127.0.0.1:${path === '/metrics' ? ports.metrics : ports.health}${path}`)
      return { status: answer.status, text: await answer.text() }
    },
    untilLogged(claim: (line: Line) => boolean): Promise<Line> {
      const { promise, resolve } = Promise.withResolvers<Line>()
      told = () => {
        const line = lines.find(claim)
        if (line) resolve(line)
      }
      told()
      return within(promise, () => `not logged; last: ${JSON.stringify(lines.slice(-5))}`)
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await ended.catch(() => {})
    },
  }
}

const started = (line: Line) => line.msg === 'starting workers'
const kubeconfig = inject('kubeconfig')

describe('manager', () => {
  it('OBS-13 is alive from the start, ready once its kinds are listed, and serves metrics', async () => {
    await using cluster = await openCluster(kubeconfig)
    await using manager = await startManager({ kubeconfig, namespace: cluster.namespace })
    expect(await manager.get('/healthz')).toEqual({ status: 200, text: 'ok' })
    await manager.untilLogged(started)
    expect(await manager.get('/readyz')).toEqual({ status: 200, text: 'ok' })
    expect((await manager.get('/metrics')).text).toContain('controller_runtime_max_concurrent_reconciles{controller="widget"} 2')
    expect((await manager.get('/')).status).toBe(404)
  })

  it('F-API-06 waits for a missing CRD, says which and how to install it, and starts when it appears', async () => {
    await using cluster = await openCluster(kubeconfig)
    const group = `late-${randomUUID().slice(0, 8)}.sluice.dev`
    const kind: Kind = { group, version: 'v1', apiVersion: `${group}/v1`, kind: 'Latecomer', plural: 'latecomers' }
    await using manager = await startManager({ kubeconfig, namespace: cluster.namespace, kind })
    const complaint = await manager.untilLogged(({ msg }) => msg === 'waiting for the Kubernetes API')
    expect(complaint).toMatchObject({
      level: 'error',
      error: `the cluster has no CustomResourceDefinition latecomers.${group}: install it with "kubectl apply --server-side -f crds/${group}_latecomers.yaml"`,
    })
    const unready = await manager.get('/readyz')
    expect(unready.status).toBe(503)
    expect(unready.text).toContain(`latecomers.${group}`)
    expect((await manager.get('/healthz')).status).toBe(200)

    const crd = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `latecomers.${group}` },
      spec: {
        group,
        names: { kind: 'Latecomer', plural: 'latecomers' },
        scope: 'Namespaced',
        versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
      },
    }
    await cluster.client.create(crd, { fieldManager: 'test' })
    await manager.untilLogged(started)
    expect((await manager.get('/readyz')).status).toBe(200)
    await cluster.client.delete({ ...crd, name: crd.metadata.name })
  })

  it('lets a running reconcile finish when it is told to stop, and then ends', async () => {
    await using cluster = await openCluster(kubeconfig)
    await cluster.create('last')
    const work = gate()
    await using manager = await startManager({
      kubeconfig,
      namespace: cluster.namespace,
      reconcile: async (object) => {
        await work.pass(object)
        return done
      },
    })
    await work.untilArrived(1)
    manager.stop()
    await manager.untilLogged(({ msg }) => msg.startsWith('shutting down'))
    work.open()
    await within(manager.ended, () => 'not ended')
    expect(isCurrent(await cluster.get('last'))).toBe(true)
    await expect(manager.get('/healthz')).rejects.toThrow()
  })

  it('says which address it cannot listen on', async () => {
    await using cluster = await openCluster(kubeconfig)
    const start = startManager({ kubeconfig, namespace: cluster.namespace, args: ['--metrics-addr=256.0.0.1:80'] })
    await expect(start).rejects.toThrow('failed to listen on 256.0.0.1:80')
  })

  it('keeps trying while the API server cannot be reached, alive but not ready, and starts when it can', async () => {
    await using cluster = await openCluster(kubeconfig)
    const text = await readFile(kubeconfig, 'utf8')
    const server = new URL(/https:[^\s"',]+/.exec(text)?.[0] ?? '')
    await using road = await closedRoad(Number(server.port))
    const detour = join(await temporaryDirectory('detour'), 'kubeconfig')
    await writeFile(detour, text.replace(server.host, `127.0.0.1:${road.port}`))
    await using manager = await startManager({ kubeconfig: detour, namespace: cluster.namespace })
    const complaint = await manager.untilLogged(({ msg }) => msg === 'waiting for the Kubernetes API')
    expect(complaint.error).toMatch(/refused|connect/i)
    expect((await manager.get('/healthz')).status).toBe(200)
    expect((await manager.get('/readyz')).status).toBe(503)
    await road.open()
    await manager.untilLogged(started)
    expect((await manager.get('/readyz')).status).toBe(200)
  })
})

/** A port that nobody listens on until `open`, which leads on to another. */
async function closedRoad(to: number) {
  const listen = (server: Server, port: number) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject).listen(port, '127.0.0.1', resolve)
    return promise
  }
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = createConnection(to, '127.0.0.1')
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}))
    near.pipe(far).pipe(near)
  })
  await listen(server, 0)
  const { port } = server.address() as AddressInfo
  const close = () => new Promise((resolve) => server.close(resolve))
  await close()
  return {
    port,
    open: () => listen(server, port),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await close()
    },
  }
}

describe('leader election', () => {
  const elect = [
    '--enable-leader-election',
    '--leader-election-lease-duration=2s',
    '--leader-election-renew-deadline=1500ms',
    '--leader-election-retry-period=200ms',
  ]
  const lease = (namespace: string) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    namespace,
    name: 'source-controller-leader-election',
  })

  it("API-18 works only with Flux's lease, and hands it on when it stops", async () => {
    await using cluster = await openCluster(kubeconfig)
    const { namespace } = cluster
    await using first = await startManager({ kubeconfig, namespace, args: elect })
    await first.untilLogged(started)
    await using second = await startManager({ kubeconfig, namespace, args: elect })
    await second.untilLogged(({ msg }) => msg === 'attempting to acquire leader lease')
    expect((await first.get('/metrics')).text).toContain(
      'leader_election_master_status{name="source-controller-leader-election"} 1',
    )
    expect((await second.get('/metrics')).text).toContain(
      'leader_election_master_status{name="source-controller-leader-election"} 0',
    )
    expect(await cluster.client.get(lease(namespace))).toMatchObject({ spec: { holderIdentity: expect.stringMatching(/^pod-1_/) } })
    expect(second.lines.filter(started)).toEqual([])
    first.stop()
    await first.ended
    await second.untilLogged(started)
  })

  it('F-OPS-01 ends at once, without a write, when it loses the lease', async () => {
    await using cluster = await openCluster(kubeconfig)
    const { namespace } = cluster
    await cluster.create('contested')
    const work = gate()
    await using manager = await startManager({
      kubeconfig,
      namespace,
      args: elect,
      reconcile: async (object) => {
        await work.pass(object)
        return done
      },
    })
    await work.untilArrived(1)
    await cluster.client.mergePatch(lease(namespace), { spec: { holderIdentity: 'somebody-else' } }, { fieldManager: 'test' })
    await expect(within(manager.ended, () => 'goes on')).rejects.toThrow(LeaseLost)
    work.open()
    expect((await cluster.get('contested')).status).toEqual({ observedGeneration: -1 })
  })

  it('labels its own pod while it leads, so that the artifact Service finds it', async () => {
    await using cluster = await openCluster(kubeconfig)
    const { namespace } = cluster
    const pod = { apiVersion: 'v1', kind: 'Pod', namespace, name: 'pod-1' }
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name: 'default' } }
    await cluster.client.apply(account, { fieldManager: 'test' })
    await cluster.client.create(
      {
        ...pod,
        metadata: { namespace, name: 'pod-1' },
        spec: { containers: [{ name: 'c', image: 'i' }], automountServiceAccountToken: false },
      },
      { fieldManager: 'test' },
    )
    const labelled = Promise.withResolvers<void>()
    await using informers = new Informers({ client: cluster.client })
    informers.get({ apiVersion: 'v1', kind: 'Pod' }, { namespace }).subscribe(({ object }) => {
      if (object.metadata.labels?.[leaderLabel] === 'true') labelled.resolve()
    })
    await using _manager = await startManager({ kubeconfig, namespace, args: elect, podName: 'pod-1' })
    await within(labelled.promise, () => 'not labelled')
  })

  it('API-18 gives each shard a lease of its own', () => {
    expect(leaseName('kustomize-controller', '')).toBe('kustomize-controller-leader-election')
    // The first 8 hex digits of the SHA-256 of the selector.
    expect(leaseName('kustomize-controller', 'sharding.fluxcd.io/key in (shard1)')).toBe(
      'kustomize-controller-leader-election-7ee98f29',
    )
  })
})
