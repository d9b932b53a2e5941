/** What a scenario costs: time, processor and memory of the program and of the API server, and requests between them. */
import { cpus } from 'node:os'
import type { ControlPlane } from '../tools/control-plane.ts'
import { type Metrics, parseMetrics, type Sluice } from '../tools/sluice.ts'

/** One line of the table. */
export interface Row {
  readonly what: string
  readonly wallSeconds: number
  readonly cpuSeconds: number
  readonly apiServerCpuSeconds: number
  /** Since the start of the process. */
  readonly peakRssBytes: number
  readonly requests: ReadonlyMap<string, number>
  readonly requestCount: number
  /** Builds of kustomizations and renderings of charts. */
  readonly builds: number
  readonly remark: string
}

/** A scenario; what it returns is the remark in its row. */
export type Scenario = () => Promise<string>

/** A program whose cost is measured: Sluice, or Flux's controllers as one. */
export type Measured = Pick<Sluice, 'usage' | 'metrics'>

interface Snapshot {
  readonly cpuSeconds: number
  readonly apiServerCpuSeconds: number
  readonly metrics: Metrics
}

/** Of one program on one API server. */
export class Meter {
  readonly #controlPlane: ControlPlane
  readonly #program: Measured

  constructor(controlPlane: ControlPlane, program: Measured) {
    this.#controlPlane = controlPlane
    this.#program = program
  }

  /** Starts the program, and measures from the start of its process. */
  static async fromStart(
    controlPlane: ControlPlane,
    start: () => Promise<Measured>,
    { what, run }: { readonly what: string; readonly run: Scenario },
  ): Promise<{ readonly meter: Meter; readonly row: Row }> {
    const { cpuSeconds: apiServerCpuSeconds } = await controlPlane.apiServerUsage()
    const startedAt = performance.now()
    const program = await start()
    const remark = await run()
    const meter = new Meter(controlPlane, program)
    const before = { cpuSeconds: 0, metrics: parseMetrics(''), apiServerCpuSeconds }
    return { meter, row: await meter.#row({ what, remark, startedAt, before }) }
  }

  async measure(what: string, run: Scenario): Promise<Row> {
    const before = await this.#snapshot()
    const startedAt = performance.now()
    const remark = await run()
    return this.#row({ what, remark, startedAt, before })
  }

  async #row(about: { what: string; remark: string; startedAt: number; before: Snapshot }): Promise<Row> {
    const { what, remark, startedAt, before } = about
    const wallSeconds = (performance.now() - startedAt) / 1000
    const after = await this.#snapshot()
    const row = {
      what,
      wallSeconds,
      cpuSeconds: after.cpuSeconds - before.cpuSeconds,
      apiServerCpuSeconds: after.apiServerCpuSeconds - before.apiServerCpuSeconds,
      peakRssBytes: (await this.#program.usage()).peakRssBytes,
      requests: requestsBetween(before.metrics, after.metrics),
      requestCount: sent(after.metrics) - sent(before.metrics),
      builds: buildsOf(after.metrics) - buildsOf(before.metrics),
      remark,
    }
    // Shown at once too: a whole run takes minutes.
    process.stderr.write(`bench: ${what}: ${wallSeconds.toFixed(2)} s\n`)
    return row
  }

  async #snapshot(): Promise<Snapshot> {
    const [own, server, metrics] = await Promise.all([
      this.#program.usage(),
      this.#controlPlane.apiServerUsage(),
      this.#program.metrics(),
    ])
    return { cpuSeconds: own.cpuSeconds, apiServerCpuSeconds: server.cpuSeconds, metrics }
  }
}

function requestsBetween(before: Metrics, after: Metrics): ReadonlyMap<string, number> {
  const verbs = (metrics: Metrics) => metrics.by('rest_client_request_duration_seconds_count', 'verb')
  const then = verbs(before)
  const differences = [...verbs(after)].map(([verb, count]) => [verb, count - (then.get(verb) ?? 0)] as const)
  return new Map(differences.filter(([, count]) => count > 0))
}

function sent(metrics: Metrics): number {
  return metrics.sum('rest_client_requests_total')
}

function buildsOf(metrics: Metrics): number {
  return metrics.sum('flux_kustomization_builds_total')
}

export function printTable(rows: readonly Row[], flags: readonly string[], quoted: readonly string[]): void {
  const cores = `${cpus().length} cores (${cpus()[0]?.model.trim()})`
  console.log(`\nSluice with ${flags.map((flag) => `--${flag}`).join(' ')}, API server and etcd on the same ${cores}.\n`)
  console.log('| what | wall s | CPU s Sluice | CPU s API server | peak RSS MiB | API requests by verb | builds | remark |')
  console.log('|---|---|---|---|---|---|---|---|')
  for (const row of rows) console.log(tableLine(row))
  for (const line of quoted) console.log(line)
}

function tableLine(row: Row): string {
  const requests = [...row.requests].map(([verb, count]) => `${verb} ${count}`).join(', ')
  const cells = [
    row.what,
    row.wallSeconds.toFixed(2),
    row.cpuSeconds.toFixed(1),
    row.apiServerCpuSeconds.toFixed(1),
    Math.round(row.peakRssBytes / 2 ** 20),
    requests,
    row.builds,
    row.remark,
  ]
  return `| ${cells.join(' | ')} |`
}
