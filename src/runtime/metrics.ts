/**
 * All metrics, declared once: here those of runs, queues and requests, with readings.ts and work-metrics.ts the rest. Upstream's names
 * keep upstream's labels, so that existing dashboards work.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Key } from '../api/object.ts'
import { keyText } from '../api/object.ts'
import { ObjectHistogram } from './object-histogram.ts'
import { exportReadings, type Readings } from './readings.ts'
import { type WorkMetrics, workMetrics } from './work-metrics.ts'

/** How a run ended. */
export type RunResult = 'success' | 'error' | 'stalled' | 'waiting' | 'preempted' | 'suspended' | 'deleted'

/** One kind, as its series are labelled. */
export interface MeteredKind {
  /** `Kustomization`; the label `controller` is its lower-case form. */
  readonly kind: string
}

export interface RunReport {
  readonly key: Key
  readonly result: RunResult
  readonly durationSeconds: number
  /** Condition reason of a run that did not succeed. */
  readonly reason?: string | undefined
  /** Whether the next run is already planned: distinguishes `requeue_after` from `success`. */
  readonly requeued: boolean
  /** Whether the failure is retried with growing gaps. */
  readonly backoff: boolean
}

export interface ApiRequestReport {
  readonly method: string
  readonly verb: string
  readonly host: string
  /** HTTP status, or `<error>` when there was no answer. */
  readonly code: string
  readonly durationSeconds: number
}

export interface QueueReport {
  readonly depth: () => number
  readonly longestRunningSeconds: () => number
  readonly unfinishedSeconds: () => number
}

export interface Metrics extends WorkMetrics {
  /** Prometheus text format. */
  text(): Promise<string>
  readonly contentType: string
  /** Declares the series of a kind with value 0, and reads its queue whenever metrics are asked for. */
  declareKind(kind: MeteredKind, workers: number, queue: QueueReport): void
  activeWorkers(kind: MeteredKind, count: number): void
  runFinished(kind: MeteredKind, report: RunReport): void
  /** An exception that no loop expected. */
  panicked(kind: MeteredKind): void
  queueAdded(kind: MeteredKind): void
  queueRetried(kind: MeteredKind): void
  queueTaken(kind: MeteredKind, waitedSeconds: number): void
  queueWorked(kind: MeteredKind, workedSeconds: number): void
  /** Removes every series of an object that is gone. */
  forget(kind: MeteredKind, key: Key): void
  /** Outcome of a Kustomization's last apply, such as `success` or `failure`; replaces the status before. */
  applyStatus(key: Key, status: string): void
  /** A kustomize build was really run, not answered from what an earlier one read. */
  built(): void
  /** What the cache of Helm indexes knew of a HelmRepository, or did not. */
  cacheUsed(repository: Key, isHit: boolean): void
  apiRequest(report: ApiRequestReport): void
  leader(lease: string, isLeader: boolean): void
  eventDropped(sink: 'kubernetes' | 'webhook' | 'notification', reason: 'full' | 'rate' | 'failed'): void
  /** What is read whenever metrics are asked for. Called once. */
  read(readings: Readings): void
  close(): void
}

const loopProbeMs = 50
const cacheEventTypes = ['cache_hit', 'cache_miss'] as const

/** Starts to measure the event loop too, until `close`. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  goMetrics(registry)

  const reconciles = new Counter({
    name: 'flux_reconcile_count',
    help: 'Finished reconciliations by kind and by how they ended: success, error, stalled, waiting, preempted, suspended, deleted.',
    labelNames: ['controller', 'kind', 'result'] as const,
    registers,
  })
  const reconcileSeconds = new Histogram({
    name: 'flux_reconcile_duration_seconds',
    help: 'Time from the start of a reconciliation to its end, waits for health included, by kind.',
    labelNames: ['controller', 'kind'] as const,
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800],
    registers,
  })
  const reconcileErrors = new Counter({
    name: 'flux_reconcile_errors_total',
    help: 'Reconciliations that failed or stalled, by kind and by the reason shown in the Ready condition.',
    labelNames: ['controller', 'kind', 'reason'] as const,
    registers,
  })
  const queueDepth = new Gauge({
    name: 'flux_reconcile_queue_depth',
    help: 'Objects that are due for a reconciliation and wait for a free worker, by kind.',
    labelNames: ['controller', 'kind'] as const,
    registers,
    collect() {
      for (const [kind, queue] of queues) this.set(labelsOf({ kind }), queue.depth())
    },
  })
  const applyStatuses = new Gauge({
    name: 'flux_kustomization_apply_status',
    help: '1 for the outcome of the last apply of each Kustomization.',
    labelNames: ['namespace', 'name', 'status'] as const,
    registers,
  })
  const objectSeconds = new ObjectHistogram({
    name: 'gotk_reconcile_duration_seconds',
    help: 'The duration in seconds of a GitOps Toolkit resource reconciliation.',
    buckets: exponentialRange(0.01, 1800, 10),
  })

  const crTotal = new Counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Total number of reconciliations per controller.',
    labelNames: ['controller', 'result'] as const,
    registers,
  })
  const crErrors = new Counter({
    name: 'controller_runtime_reconcile_errors_total',
    help: 'Total number of reconciliation errors per controller.',
    labelNames: ['controller'] as const,
    registers,
  })
  const crTerminal = new Counter({
    name: 'controller_runtime_terminal_reconcile_errors_total',
    help: 'Total number of reconciliations per controller that ended in an error which only an edit of the object can mend.',
    labelNames: ['controller'] as const,
    registers,
  })
  const crPanics = new Counter({
    name: 'controller_runtime_reconcile_panics_total',
    help: 'Total number of reconciliations per controller that threw an exception nobody expected.',
    labelNames: ['controller'] as const,
    registers,
  })
  const crSeconds = new Histogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'Length of time per reconciliation per controller.',
    labelNames: ['controller'] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60],
    registers,
  })
  const crActive = new Gauge({
    name: 'controller_runtime_active_workers',
    help: 'Number of currently used workers per controller.',
    labelNames: ['controller'] as const,
    registers,
  })
  const crMax = new Gauge({
    name: 'controller_runtime_max_concurrent_reconciles',
    help: 'Maximum number of concurrent reconciles per controller.',
    labelNames: ['controller'] as const,
    registers,
  })

  const name = ['name'] as const
  const wqAdds = new Counter({
    name: 'workqueue_adds_total',
    help: 'Total number of adds handled by workqueue.',
    labelNames: name,
    registers,
  })
  const wqRetries = new Counter({
    name: 'workqueue_retries_total',
    help: 'Total number of retries handled by workqueue.',
    labelNames: name,
    registers,
  })
  const wqWait = new Histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'How long in seconds an item stays in workqueue before being requested.',
    labelNames: name,
    buckets: exponential(1e-8, 10, 12),
    registers,
  })
  const wqWork = new Histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'How long in seconds processing an item from workqueue takes.',
    labelNames: name,
    buckets: exponential(1e-8, 10, 12),
    registers,
  })
  const queues = new Map<string, QueueReport>()
  queueGauge('workqueue_depth', 'Current depth of workqueue.', (queue) => queue.depth())
  queueGauge(
    'workqueue_unfinished_work_seconds',
    'How many seconds of work has been done that is in progress and has not been observed by work_duration.',
    (queue) => queue.unfinishedSeconds(),
  )
  queueGauge(
    'workqueue_longest_running_processor_seconds',
    'How many seconds has the longest running processor for workqueue been running.',
    (queue) => queue.longestRunningSeconds(),
  )

  const builds = new Counter({
    name: 'flux_kustomization_builds_total',
    help: 'Number of kustomize builds that were run; what needs no build because nothing that it reads has changed is not counted.',
    registers,
  })
  const cacheEvents = new Counter({
    name: 'gotk_cache_events_total',
    help: 'Total number of cache retrieval events for a Gitops Toolkit resource reconciliation.',
    labelNames: ['event_type', 'name', 'namespace'] as const,
    registers,
  })
  const apiRequests = new Counter({
    name: 'rest_client_requests_total',
    help: 'Number of HTTP requests to the Kubernetes API, partitioned by status code, method and host.',
    labelNames: ['code', 'host', 'method'] as const,
    registers,
  })
  const apiSeconds = new Histogram({
    name: 'rest_client_request_duration_seconds',
    help: 'Request latency in seconds, by verb of the Kubernetes API (get, list, watch, create, patch, apply, delete).',
    labelNames: ['verb', 'host'] as const,
    buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60],
    registers,
  })
  const leaders = new Gauge({
    name: 'leader_election_master_status',
    help: 'Whether this process holds the lease: 1 means leader, 0 means standby.',
    labelNames: ['name'] as const,
    registers,
  })
  const dropped = new Counter({
    name: 'flux_events_dropped_total',
    help: 'Events that were not delivered, by sink (kubernetes, webhook, notification) and by why: queue full, rate limit, delivery failed.',
    labelNames: ['sink', 'reason'] as const,
    registers,
  })
  // From the start: the first event that is dropped is an increase too.
  for (const sink of ['kubernetes', 'webhook', 'notification'])
    for (const reason of ['full', 'rate', 'failed']) dropped.inc({ sink, reason }, 0)
  const loopDelay = new Histogram({
    name: 'flux_event_loop_delay_seconds',
    help: 'How much later than planned the main thread got to a timer: what it adds to every request and lease renewal.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
  })
  const stopProbe = probeEventLoop((seconds) => loopDelay.observe(seconds))
  const appliedAs = new Map<string, string>()

  function queueGauge(gauge: string, help: string, read: (queue: QueueReport) => number): void {
    new Gauge({
      name: gauge,
      help,
      labelNames: ['name'] as const,
      registers,
      collect() {
        for (const [kind, queue] of queues) this.set({ name: kind.toLowerCase() }, read(queue))
      },
    })
  }

  return {
    ...workMetrics(registry),
    text: async () => (await registry.metrics()) + (await objectSeconds.text()),
    contentType: registry.contentType,
    declareKind(kind, workers, queue) {
      queues.set(kind.kind, queue)
      queueDepth.set(labelsOf(kind), 0)
      const controller = controllerLabel(kind)
      crMax.set({ controller }, workers)
      crActive.set({ controller }, 0)
      for (const result of ['success', 'error', 'requeue', 'requeue_after']) crTotal.inc({ controller, result }, 0)
      for (const counter of [crErrors, crTerminal, crPanics]) counter.inc({ controller }, 0)
      for (const counter of [wqAdds, wqRetries]) counter.inc({ name: controller }, 0)
      for (const result of ['success', 'error', 'stalled', 'waiting']) reconciles.inc({ ...labelsOf(kind), result }, 0)
    },
    activeWorkers: (kind, count) => crActive.set({ controller: controllerLabel(kind) }, count),
    runFinished(kind, { key, result, durationSeconds, reason, requeued, backoff }) {
      const controller = controllerLabel(kind)
      reconciles.inc({ ...labelsOf(kind), result })
      reconcileSeconds.observe(labelsOf(kind), durationSeconds)
      crSeconds.observe({ controller }, durationSeconds)
      if (result !== 'deleted')
        objectSeconds.observe({ kind: kind.kind, name: key.name, namespace: key.namespace }, durationSeconds)
      crTotal.inc({ controller, result: controllerRuntimeResult(result, requeued, backoff) })
      if (result !== 'error' && result !== 'stalled') return
      reconcileErrors.inc({ ...labelsOf(kind), reason: reason ?? 'Failed' })
      if (backoff || result === 'stalled') crErrors.inc({ controller })
      if (result === 'stalled') crTerminal.inc({ controller })
    },
    panicked: (kind) => crPanics.inc({ controller: controllerLabel(kind) }),
    queueAdded: (kind) => wqAdds.inc({ name: controllerLabel(kind) }),
    queueRetried: (kind) => wqRetries.inc({ name: controllerLabel(kind) }),
    queueTaken: (kind, seconds) => wqWait.observe({ name: controllerLabel(kind) }, seconds),
    queueWorked: (kind, seconds) => wqWork.observe({ name: controllerLabel(kind) }, seconds),
    forget({ kind }, key) {
      objectSeconds.remove({ kind, name: key.name, namespace: key.namespace })
      if (kind === 'Kustomization') dropApplyStatus(key)
      if (kind === 'HelmRepository') for (const event of cacheEventTypes) cacheEvents.remove(cacheLabels(key, event))
    },
    applyStatus(key, status) {
      dropApplyStatus(key)
      appliedAs.set(keyText(key), status)
      applyStatuses.set({ ...key, status }, 1)
    },
    built: () => builds.inc(),
    cacheUsed: (repository, isHit) => cacheEvents.inc(cacheLabels(repository, isHit ? 'cache_hit' : 'cache_miss')),
    apiRequest({ method, verb, host, code, durationSeconds }) {
      apiRequests.inc({ code, host, method })
      apiSeconds.observe({ verb, host }, durationSeconds)
    },
    leader: (lease, isLeader) => leaders.set({ name: lease }, isLeader ? 1 : 0),
    eventDropped: (sink, reason) => dropped.inc({ sink, reason }),
    read: (readings) => exportReadings(registry, readings),
    close: stopProbe,
  }

  function dropApplyStatus(key: Key): void {
    const status = appliedAs.get(keyText(key))
    if (status === undefined) return
    appliedAs.delete(keyText(key))
    applyStatuses.remove({ ...key, status })
  }
}

/** Lower-case kind. Source: controller names of controller-runtime. */
function controllerLabel({ kind }: MeteredKind): string {
  return kind.toLowerCase()
}

function labelsOf(kind: MeteredKind): { controller: string; kind: string } {
  return { controller: controllerLabel(kind), kind: kind.kind }
}

function cacheLabels({ name, namespace }: Key, event: (typeof cacheEventTypes)[number]) {
  return { event_type: event, name, namespace }
}

function controllerRuntimeResult(result: RunResult, requeued: boolean, backoff: boolean): string {
  if (result === 'preempted') return 'requeue'
  if (result === 'stalled' || backoff) return 'error'
  return requeued ? 'requeue_after' : 'success'
}

/**
 * What Flux's dashboard of its controllers counts processes and memory by, under Go's names: it would show nothing else.
 * Source: flux2-monitoring-example, control-plane.json.
 */
function goMetrics(registry: Registry): void {
  const info = new Gauge({
    name: 'go_info',
    help: 'Always 1. Flux counts its controllers by this metric; the version is that of Node.js.',
    labelNames: ['version'] as const,
    registers: [registry],
  })
  info.set({ version: `node ${process.version}` }, 1)
  new Gauge({
    name: 'go_memstats_alloc_bytes',
    help: 'Bytes in use of the heap of the main thread; the same as nodejs_heap_size_used_bytes, under the name that Flux has.',
    registers: [registry],
    collect() {
      this.set(process.memoryUsage().heapUsed)
    },
  })
}

function exponential(start: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Number((start * factor ** i).toPrecision(12)))
}

/** Source: prometheus.ExponentialBucketsRange. */
function exponentialRange(min: number, max: number, count: number): number[] {
  return exponential(min, (max / min) ** (1 / (count - 1)), count)
}

function probeEventLoop(observe: (seconds: number) => void): () => void {
  let due = performance.now() + loopProbeMs
  const timer = setInterval(() => {
    const now = performance.now()
    observe(Math.max(0, now - due) / 1000)
    due = now + loopProbeMs
  }, loopProbeMs)
  timer.unref()
  return () => clearInterval(timer)
}
