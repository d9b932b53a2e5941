import { afterEach, describe, expect, it } from 'vitest'
import { createMetrics, type Metrics, type RunReport } from '../../src/runtime/metrics.ts'

const kind = { kind: 'Kustomization' }
const key = { namespace: 'apps', name: 'web' }
const queue = { depth: () => 3, longestRunningSeconds: () => 2, unfinishedSeconds: () => 5 }
const run: RunReport = { key, result: 'success', durationSeconds: 0.2, requeued: true, backoff: false }

const open: Metrics[] = []
function metricsOf(): Metrics {
  const metrics = createMetrics()
  open.push(metrics)
  return metrics
}
afterEach(() => {
  for (const metrics of open.splice(0)) metrics.close()
})

async function lines(metrics: Metrics, pattern: RegExp): Promise<string[]> {
  return (await metrics.text()).split('\n').filter((line) => pattern.test(line))
}

describe('metrics', () => {
  it('OBS-04 measure each object with the buckets of Flux', async () => {
    const metrics = metricsOf()
    metrics.runFinished(kind, run)
    const buckets = await lines(metrics, /^gotk_reconcile_duration_seconds_bucket/)
    expect(buckets).toHaveLength(11)
    expect(buckets[0]).toBe('gotk_reconcile_duration_seconds_bucket{le="0.01",kind="Kustomization",name="web",namespace="apps"} 0')
    expect(buckets[9]).toContain('le="1800"')
    expect(buckets[10]).toBe('gotk_reconcile_duration_seconds_bucket{le="+Inf",kind="Kustomization",name="web",namespace="apps"} 1')
  })

  it('count runs by how they ended, as controller-runtime and as Flux dashboards read them', async () => {
    const metrics = metricsOf()
    metrics.declareKind(kind, 4, queue)
    metrics.runFinished(kind, run)
    metrics.runFinished(kind, { ...run, result: 'error', reason: 'BuildFailed', backoff: true })
    metrics.runFinished(kind, { ...run, result: 'stalled', reason: 'AccessDenied', requeued: false })
    metrics.runFinished(kind, { ...run, result: 'preempted', requeued: false })
    expect(await lines(metrics, /^controller_runtime_reconcile_total/)).toEqual([
      'controller_runtime_reconcile_total{controller="kustomization",result="success"} 0',
      'controller_runtime_reconcile_total{controller="kustomization",result="error"} 2',
      'controller_runtime_reconcile_total{controller="kustomization",result="requeue"} 1',
      'controller_runtime_reconcile_total{controller="kustomization",result="requeue_after"} 1',
    ])
    expect(await lines(metrics, /^flux_reconcile_errors_total/)).toEqual([
      'flux_reconcile_errors_total{controller="kustomization",kind="Kustomization",reason="BuildFailed"} 1',
      'flux_reconcile_errors_total{controller="kustomization",kind="Kustomization",reason="AccessDenied"} 1',
    ])
    expect(await lines(metrics, /^flux_reconcile_count.*(success|stalled)/)).toEqual([
      'flux_reconcile_count{controller="kustomization",kind="Kustomization",result="success"} 1',
      'flux_reconcile_count{controller="kustomization",kind="Kustomization",result="stalled"} 1',
    ])
  })

  it('OBS-07 carry the names of controller-runtime, client-go and the process', async () => {
    const metrics = metricsOf()
    metrics.declareKind(kind, 4, queue)
    metrics.activeWorkers(kind, 2)
    metrics.queueAdded(kind)
    metrics.queueTaken(kind, 0.5)
    metrics.apiRequest({ method: 'GET', verb: 'list', host: 'api:443', code: '200', durationSeconds: 0.1 })
    metrics.leader('kustomize-controller-leader-election', true)
    const text = await metrics.text()
    for (const line of [
      'controller_runtime_active_workers{controller="kustomization"} 2',
      'controller_runtime_max_concurrent_reconciles{controller="kustomization"} 4',
      'workqueue_depth{name="kustomization"} 3',
      'workqueue_adds_total{name="kustomization"} 1',
      'workqueue_queue_duration_seconds_count{name="kustomization"} 1',
      'workqueue_unfinished_work_seconds{name="kustomization"} 5',
      'workqueue_longest_running_processor_seconds{name="kustomization"} 2',
      'flux_reconcile_queue_depth{controller="kustomization",kind="Kustomization"} 3',
      'rest_client_requests_total{code="200",host="api:443",method="GET"} 1',
      'leader_election_master_status{name="kustomize-controller-leader-election"} 1',
    ]) {
      expect(text).toContain(line)
    }
    expect(text).toMatch(/^process_cpu_seconds_total /m)
    expect(text).toMatch(/^process_resident_memory_bytes /m)
    expect(text).toMatch(/^go_info\{version="node v\d+/m)
    expect(text).toMatch(/^go_memstats_alloc_bytes \d{6,}$/m)
  })

  it('explain every metric', async () => {
    const text = await metricsOf().text()
    const helps = text.split('\n').filter((line) => line.startsWith('# HELP'))
    for (const help of helps) expect(help.split(' ').length).toBeGreaterThan(4)
  })

  it('measure tasks, artifacts, Helm actions and notifications', async () => {
    const metrics = metricsOf()
    metrics.taskFinished('kustomize/build', 'success', 0.2)
    metrics.artifactStored('GitRepository', 1_000)
    metrics.artifactStored('GitRepository', 500)
    metrics.helmActed('upgrade', 'error', 40)
    metrics.notified('slack', 'success', 0.3)
    const text = await metrics.text()
    for (const line of [
      'flux_task_duration_seconds_bucket{le="0.25",task="kustomize/build",result="success"} 1',
      'flux_artifacts_stored_total{kind="GitRepository"} 2',
      'flux_artifacts_stored_bytes_total{kind="GitRepository"} 1500',
      'flux_helm_action_duration_seconds_sum{action="upgrade",result="error"} 40',
      'flux_notification_duration_seconds_count{type="slack",result="success"} 1',
    ]) {
      expect(text).toContain(line)
    }
  })

  it('read what the parts of the process say of themselves each time', async () => {
    const metrics = metricsOf()
    const cached = new Map([['Secret', 3]])
    let stored = 10
    metrics.read({
      workers: () => ({ threads: 1, running: 2, waiting: 3 }),
      cachedObjects: () => cached,
      waitingEvents: () => ({ kubernetes: 4 }),
      storage: async () => ({ stored, size: 100, available: 50 }),
    })
    expect(await lines(metrics, /^flux_(cached|worker|events_waiting|artifact_storage)/)).toEqual([
      'flux_worker_threads 1',
      'flux_worker_tasks{state="running"} 2',
      'flux_worker_tasks{state="waiting"} 3',
      'flux_artifact_storage_used_bytes 10',
      'flux_artifact_storage_size_bytes 100',
      'flux_artifact_storage_available_bytes 50',
      'flux_cached_objects{kind="Secret"} 3',
      'flux_events_waiting{sink="kubernetes"} 4',
    ])
    cached.delete('Secret')
    stored = 20
    expect(await lines(metrics, /^flux_(cached_objects|artifact_storage_used)/)).toEqual(['flux_artifact_storage_used_bytes 20'])
  })

  it('OBS-06 count calls by the methods that there are, whatever callers make up', async () => {
    const metrics = metricsOf()
    for (const method of ['POST', 'BREW'])
      metrics.httpCall('receiver', '/hook/')({ method, code: 200, durationSeconds: 0.1, sizeBytes: 0 })
    expect(await lines(metrics, /^gotk_receiver_http_request_duration_seconds_count/)).toEqual([
      'gotk_receiver_http_request_duration_seconds_count{handler="/hook/",method="POST",code="200"} 1',
      'gotk_receiver_http_request_duration_seconds_count{handler="/hook/",method="other",code="200"} 1',
    ])
  })

  it('show one apply status for each Kustomization: the last', async () => {
    const metrics = metricsOf()
    metrics.applyStatus(key, 'failure')
    metrics.applyStatus(key, 'success')
    expect(await lines(metrics, /^flux_kustomization_apply_status/)).toEqual([
      'flux_kustomization_apply_status{namespace="apps",name="web",status="success"} 1',
    ])
  })

  it('OBS-10 forget an object that is gone', async () => {
    const metrics = metricsOf()
    metrics.runFinished(kind, run)
    metrics.applyStatus(key, 'success')
    metrics.forget(kind, key)
    expect(await lines(metrics, /"web"/)).toEqual([])
  })
})
