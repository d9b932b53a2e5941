/** Metrics of single pieces of work: tasks of the pool, stored artifacts, Helm actions, notifications, calls that were answered. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

export interface WorkMetrics {
  /** A task of the worker pool has ended; `task` is one of those that `worker.ts` names. */
  taskFinished(task: string, result: string, durationSeconds: number): void
  /** `kind` is that of the source. */
  artifactStored(kind: string, sizeBytes: number): void
  helmActed(action: HelmAct, result: 'success' | 'error', durationSeconds: number): void
  /** `type` is `spec.type` of the Provider. */
  notified(type: string, result: 'success' | 'error', durationSeconds: number): void
  /** A call of one of the notification controller's servers has begun; returns what to call when it was answered. */
  httpCall(server: HttpServer, handler: string): (answer: HttpAnswer) => void
}

export type HelmAct = 'install' | 'upgrade' | 'rollback' | 'uninstall' | 'test'

/** Part of the metrics' names. */
export type HttpServer = 'event' | 'receiver'

export interface HttpAnswer {
  readonly method: string
  readonly code: number
  readonly durationSeconds: number
  readonly sizeBytes: number
}

const workBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]
/** As the kind's schema has it: other methods are of callers who try what there is. */
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Declares them. */
export function workMetrics(registry: Registry): WorkMetrics {
  const registers = [registry]
  const tasks = new Histogram({
    name: 'flux_task_duration_seconds',
    help: 'Time of fetching, building, rendering and unpacking in the worker threads, by task and result, the wait for a thread included.',
    labelNames: ['task', 'result'] as const,
    buckets: workBuckets,
    registers,
  })
  const artifacts = new Counter({
    name: 'flux_artifacts_stored_total',
    help: 'Artifacts that sources have stored, by kind of source.',
    labelNames: ['kind'] as const,
    registers,
  })
  const artifactBytes = new Counter({
    name: 'flux_artifacts_stored_bytes_total',
    help: 'Size of the artifacts that sources have stored, by kind of source; what was removed later still counts.',
    labelNames: ['kind'] as const,
    registers,
  })
  const helmActions = new Histogram({
    name: 'flux_helm_action_duration_seconds',
    help: 'Time of Helm actions (install, upgrade, rollback, uninstall, test), hooks and waits included, by action and result.',
    labelNames: ['action', 'result'] as const,
    buckets: workBuckets,
    registers,
  })
  const notifications = new Histogram({
    name: 'flux_notification_duration_seconds',
    help: 'Time of sending notifications, retries included, by type of Provider and result.',
    labelNames: ['type', 'result'] as const,
    buckets: workBuckets,
    registers,
  })
  const servers = { event: serverMetrics(registers, 'event', 'events'), receiver: serverMetrics(registers, 'receiver', 'webhooks') }
  return {
    taskFinished: (task, result, seconds) => tasks.observe({ task, result }, seconds),
    artifactStored(kind, sizeBytes) {
      artifacts.inc({ kind })
      artifactBytes.inc({ kind }, sizeBytes)
    },
    helmActed: (action, result, seconds) => helmActions.observe({ action, result }, seconds),
    notified: (type, result, seconds) => notifications.observe({ type, result }, seconds),
    httpCall(server, handler) {
      const { seconds, bytes, inflight } = servers[server]
      inflight.inc({ handler })
      return ({ method: given, code, durationSeconds, sizeBytes }) => {
        const method = methods.has(given) ? given : 'other'
        inflight.dec({ handler })
        seconds.observe({ handler, method, code }, durationSeconds)
        bytes.observe({ handler, method, code }, sizeBytes)
      }
    },
  }
}

/** Source: go-http-metrics as upstream sets it up. */
function serverMetrics(registers: Registry[], server: HttpServer, what: string) {
  const labelNames = ['handler', 'method', 'code'] as const
  const seconds = new Histogram({
    name: `gotk_${server}_http_request_duration_seconds`,
    help: `Latency of the calls of the server for ${what}.`,
    labelNames,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  })
  const bytes = new Histogram({
    name: `gotk_${server}_http_response_size_bytes`,
    help: `Size of the answers of the server for ${what}.`,
    labelNames,
    buckets: Array.from({ length: 8 }, (_, i) => 100 * 10 ** i),
    registers,
  })
  const inflight = new Gauge({
    name: `gotk_${server}_http_requests_inflight`,
    help: `Number of calls that the server for ${what} is handling.`,
    labelNames: ['handler'] as const,
    registers,
  })
  return { seconds, bytes, inflight }
}
