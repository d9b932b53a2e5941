/** What Prometheus reads from the whole program while it works. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type Family, parseScrape, type Series } from '../tools/scrape.ts'
import { type Cluster, hasCondition, isReady, openCluster, type Sluice } from './harness.ts'

let cluster: Cluster
let sluice: Sluice

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'metrics')
  sluice = await cluster.startSluice()
  const repository = await cluster.repository('app', { 'a.yaml': configMap('app') })
  await cluster.apply(
    cluster.gitRepository('app'),
    kustomization('app'),
    kustomization('broken', { path: './nowhere' }),
    kustomization('stalled', { healthCheckExprs: [{ apiVersion: 'example.com/v1', kind: 'Thing', current: 'status.x ==' }] }),
    cluster.gitRepository('missing'),
  )
  await cluster.until('kustomization/app', isReady(await repository.head()))
  await cluster.until('kustomization/broken', hasCondition('Ready', 'False', 'ArtifactFailed', 'path not found'))
  await cluster.until('kustomization/stalled', hasCondition('Stalled', 'True'))
  await cluster.until('gitrepository/missing', hasCondition('Ready', 'False'))
})

afterAll(() => cluster?.[Symbol.asyncDispose]())

function kustomization(name: string, spec: Readonly<Record<string, unknown>> = {}) {
  return cluster.kustomization(name, {
    targetNamespace: cluster.namespace,
    sourceRef: { kind: 'GitRepository', name: 'app' },
    ...spec,
  })
}

function configMap(name: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {}\n`
}

async function scrape(): Promise<ReadonlyMap<string, Family>> {
  const response = await fetch(`${sluice.address('metrics')}/metrics`)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  return parseScrape(await response.text())
}

/** The labels of a family that say what it is about, without the bounds of buckets. */
function labelNames(family: Family | undefined): string[] {
  return [...new Set(family?.series.flatMap(({ labels }) => Object.keys(labels)) ?? [])].filter((name) => name !== 'le').toSorted()
}

function sum(family: Family | undefined, labels: Readonly<Record<string, string>>, name?: string): number {
  const fits = (series: Series) =>
    (name === undefined || series.name === name) && Object.entries(labels).every(([label, value]) => series.labels[label] === value)
  return (family?.series ?? []).filter(fits).reduce((total, { value }) => total + value, 0)
}

describe('/metrics', () => {
  it('OBS-04 OBS-07 has the families of Flux and controller-runtime, with their types and labels', async () => {
    const families = await scrape()
    const about = (name: string) => [families.get(name)?.type, ...labelNames(families.get(name))]
    expect(about('gotk_reconcile_duration_seconds')).toEqual(['histogram', 'kind', 'name', 'namespace'])
    expect(about('controller_runtime_reconcile_total')).toEqual(['counter', 'controller', 'result'])
    expect(about('controller_runtime_reconcile_errors_total')).toEqual(['counter', 'controller'])
    expect(about('controller_runtime_reconcile_time_seconds')).toEqual(['histogram', 'controller'])
    expect(about('controller_runtime_active_workers')).toEqual(['gauge', 'controller'])
    expect(about('controller_runtime_max_concurrent_reconciles')).toEqual(['gauge', 'controller'])
    for (const name of ['workqueue_adds_total', 'workqueue_retries_total']) expect(about(name)).toEqual(['counter', 'name'])
    for (const name of ['workqueue_queue_duration_seconds', 'workqueue_work_duration_seconds'])
      expect(about(name)).toEqual(['histogram', 'name'])
    for (const name of ['depth', 'unfinished_work_seconds', 'longest_running_processor_seconds'])
      expect(about(`workqueue_${name}`)).toEqual(['gauge', 'name'])
    expect(about('rest_client_requests_total')).toEqual(['counter', 'code', 'host', 'method'])
    for (const name of ['process_cpu_seconds_total', 'process_start_time_seconds', 'process_resident_memory_bytes'])
      expect(families.has(name)).toBe(true)
    for (const controller of ['gitrepository', 'kustomization']) {
      for (const result of ['success', 'error', 'requeue', 'requeue_after']) {
        const total = families.get('controller_runtime_reconcile_total')
        expect(total?.series.filter(({ labels }) => labels.controller === controller && labels.result === result)).toHaveLength(1)
      }
    }
    expect(sum(families.get('controller_runtime_max_concurrent_reconciles'), { controller: 'gitrepository' })).toBe(2)
    expect(sum(families.get('controller_runtime_max_concurrent_reconciles'), { controller: 'kustomization' })).toBe(4)
  })

  it('OBS-04 measures each object in the buckets of Flux', async () => {
    const family = (await scrape()).get('gotk_reconcile_duration_seconds')
    const labels = { kind: 'Kustomization', name: 'app', namespace: cluster.namespace }
    expect(sum(family, labels, 'gotk_reconcile_duration_seconds_count')).toBeGreaterThan(0)
    const bounds = family?.series
      .filter((one) => one.labels.name === 'app' && one.labels.kind === 'Kustomization' && one.labels.le !== undefined)
      .map((one) => Number(one.labels.le?.replace('+Inf', 'Infinity')))
    const factor = (1800 / 0.01) ** (1 / 9)
    const expected = [...Array.from({ length: 10 }, (_, i) => 0.01 * factor ** i), Number.POSITIVE_INFINITY]
    expect(bounds).toHaveLength(11)
    for (const [i, bound] of expected.entries()) if (bound < 1e9) expect(bounds?.[i]).toBeCloseTo(bound, 6)
  })

  it('counts runs by kind and outcome, failures by reason, and builds', async () => {
    const families = await scrape()
    const counted = families.get('flux_reconcile_count')
    expect([counted?.type, ...labelNames(counted)]).toEqual(['counter', 'controller', 'kind', 'result'])
    for (const kind of ['GitRepository', 'Kustomization'])
      expect(sum(counted, { kind, controller: kind.toLowerCase(), result: 'success' })).toBeGreaterThan(0)
    expect(sum(counted, { kind: 'GitRepository', result: 'error' })).toBeGreaterThan(0)
    expect(sum(counted, { kind: 'Kustomization', result: 'stalled' })).toBeGreaterThan(0)

    const durations = families.get('flux_reconcile_duration_seconds')
    expect([durations?.type, ...labelNames(durations)]).toEqual(['histogram', 'controller', 'kind'])
    const runs = sum(counted, { kind: 'Kustomization' })
    expect(sum(durations, { kind: 'Kustomization' }, 'flux_reconcile_duration_seconds_count')).toBe(runs)

    const errors = families.get('flux_reconcile_errors_total')
    expect([errors?.type, ...labelNames(errors)]).toEqual(['counter', 'controller', 'kind', 'reason'])
    expect(sum(errors, { kind: 'GitRepository', reason: 'GitOperationFailed' })).toBeGreaterThan(0)
    expect(sum(errors, { kind: 'Kustomization', reason: 'ArtifactFailed' })).toBeGreaterThan(0)
    expect(sum(errors, { kind: 'Kustomization', reason: 'InvalidCELExpression' })).toBeGreaterThan(0)
    expect(sum(families.get('flux_kustomization_builds_total'), {})).toBeGreaterThan(0)
  })

  it('says of each Kustomization how its last apply went', async () => {
    const family = (await scrape()).get('flux_kustomization_apply_status')
    expect([family?.type, ...labelNames(family)]).toEqual(['gauge', 'name', 'namespace', 'status'])
    const statuses = family?.series.map(({ labels, value }) => [labels.name, labels.status, value]).toSorted()
    expect(statuses).toEqual([
      ['app', 'success', 1],
      ['broken', 'failure', 1],
    ])
  })

  it('shows the depth of each queue, requests by verb, and how late the event loop is', async () => {
    const families = await scrape()
    const depth = families.get('flux_reconcile_queue_depth')
    expect([depth?.type, ...labelNames(depth)]).toEqual(['gauge', 'controller', 'kind'])
    expect(depth?.series.map(({ labels }) => labels.kind)).toEqual(
      expect.arrayContaining(['GitRepository', 'Kustomization', 'Receiver']),
    )
    const requests = families.get('rest_client_request_duration_seconds')
    expect([requests?.type, ...labelNames(requests)]).toEqual(['histogram', 'host', 'verb'])
    for (const verb of ['watch', 'patch', 'apply', 'create'])
      expect(sum(requests, { verb }, 'rest_client_request_duration_seconds_count'), verb).toBeGreaterThan(0)
    const delay = families.get('flux_event_loop_delay_seconds')
    expect(delay?.type).toBe('histogram')
    expect(sum(delay, {}, 'flux_event_loop_delay_seconds_count')).toBeGreaterThan(0)
  })

  it('OBS-10 forgets an object that is gone, whether it failed or not', async () => {
    const seriesOf = async (name: string) =>
      [...(await scrape()).values()].flatMap(({ series }) => series.filter(({ labels }) => labels.name === name))
    for (const name of ['app', 'broken', 'missing']) expect((await seriesOf(name)).length).toBeGreaterThan(0)
    await cluster.kubectl('delete', 'kustomization/app', 'kustomization/broken', 'gitrepository/app', 'gitrepository/missing')
    for (const name of ['app', 'broken', 'missing']) await expect.poll(() => seriesOf(name), { timeout: 10_000 }).toEqual([])
    // What is not about one object stays.
    expect(sum((await scrape()).get('flux_reconcile_count'), { kind: 'GitRepository', result: 'success' })).toBeGreaterThan(0)
  })
})

it('OBS-13 answers the probes of the kubelet', async () => {
  for (const path of ['healthz', 'readyz']) {
    const response = await fetch(`${sluice.address('health')}/${path}`)
    expect([response.status, await response.text()]).toEqual([200, 'ok'])
  }
})
