/**
 * A real Prometheus (with Kubernetes as its only service discovery) and promtool, built by tools.ts where they are not there yet.
 *
 * ```ts
 * await using prometheus = await startPrometheus(discovering(await readFile('deploy/monitoring/prometheus.yaml', 'utf8'), { kubeconfig }))
 * await prometheus.until('up{namespace="flux-system"}', ([sample]) => sample?.value === 1)
 * ```
 *
 * It finds pods through the API server of the kubeconfig, from this machine: on a node whose pods have addresses that the machine
 * reaches they are real pods, elsewhere Pod objects whose status says 127.0.0.1. `discovering` takes a configuration as it is used
 * within a cluster; `scrapeConfigOf` makes one of a PodMonitor, as the Prometheus operator does.
 *
 * As a command it shows what one expression has: `node test/tools/prometheus.ts <kubeconfig> <configuration> <expression>`.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { dump, load } from 'js-yaml'
import { kill, run, startProcess, temporaryDirectory } from './processes.ts'
import { findTool } from './tools.ts'

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Target {
  readonly health: 'up' | 'down' | 'unknown'
  readonly scrapePool: string
  readonly lastError: string
  readonly labels: Readonly<Record<string, string>>
}

/** A part of an expression, as Prometheus itself reads it. */
export interface Expression {
  readonly type: string
  /** Of a selector. */
  readonly name?: string
  readonly matchers?: readonly { readonly name: string; readonly value: string; readonly type: string }[]
  /** Of an aggregation: the labels that stay, or go where `without` is set. */
  readonly grouping?: readonly string[]
  readonly without?: boolean
  /** Of an operator: the labels by which its sides belong together, all others where `on` is not set. */
  readonly matching?: { readonly labels: readonly string[]; readonly on: boolean } | null
  readonly [part: string]: unknown
}

export interface Prometheus extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly address: string
  /** The value of an instant vector or scalar now. @throws Error with Prometheus's own words for an expression that is wrong. */
  query(expression: string): Promise<readonly Sample[]>
  /** Asks until the answer fits; returns it. @throws Error with the last answer. */
  until(expression: string, fits?: (samples: readonly Sample[]) => boolean, timeoutMs?: number): Promise<readonly Sample[]>
  parse(expression: string): Promise<Expression>
  targets(): Promise<readonly Target[]>
}

/** Starts it with a configuration, and files beside that (rules, for one), and waits until it listens. @throws Error with the end of its log. */
export async function startPrometheus(configuration: object, files: Readonly<Record<string, string>> = {}): Promise<Prometheus> {
  const program = await findTool('prometheus')
  const directory = await temporaryDirectory('prometheus')
  const all = { ...files, 'prometheus.yaml': dump(configuration) }
  for (const [name, text] of Object.entries(all)) await writeFile(join(directory, name), text)
  const args = {
    'config.file': join(directory, 'prometheus.yaml'),
    'storage.tsdb.path': join(directory, 'data'),
    'web.listen-address': '127.0.0.1:0',
  }
  const child = startProcess(
    program,
    Object.entries(args).map(([name, value]) => `--${name}=${value}`),
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  try {
    const address = await listening(child.stderr)
    return new Client(`http://${address}`, () => kill(child))
  } catch (error) {
    await kill(child)
    throw error
  }
}

async function listening(log: NodeJS.ReadableStream | null): Promise<string> {
  if (!log) throw new Error('Prometheus has no log')
  const said: string[] = []
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  // Read to the end: a full pipe would stop it.
  const lines = createInterface({ input: log })
  lines.on('line', (line) => {
    if (said.push(line) > 50) said.shift()
    const address = /msg="Listening on".* address=(\S+)/.exec(line)?.[1]
    if (address) resolve(address)
  })
  lines.on('close', () => reject(new Error(`Prometheus ended; the end of its log:\n${said.join('\n')}`)))
  return promise
}

class Client implements Prometheus {
  readonly address: string
  readonly #close: () => Promise<void>

  constructor(address: string, close: () => Promise<void>) {
    this.address = address
    this.#close = close
  }

  async query(expression: string): Promise<readonly Sample[]> {
    const { resultType, result } = await this.#ask<Result>('query', { query: expression })
    if (resultType === 'scalar') return [{ labels: {}, value: Number(result[1]) }]
    return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
  }

  async until(expression: string, fits = isThere, timeoutMs = 30_000): Promise<readonly Sample[]> {
    const end = performance.now() + timeoutMs
    for (;;) {
      // Until it has loaded its data it answers with 503.
      const samples = await this.query(expression).catch((error: unknown) => {
        if (performance.now() > end) throw error
        return []
      })
      if (fits(samples)) return samples
      if (performance.now() > end) throw new Error(`${expression} is still ${JSON.stringify(samples)} after ${timeoutMs} ms`)
      await delay(100)
    }
  }

  parse(expression: string): Promise<Expression> {
    return this.#ask<Expression>('parse_query', { query: expression })
  }

  async targets(): Promise<readonly Target[]> {
    return (await this.#ask<{ activeTargets: Target[] }>('targets', {})).activeTargets
  }

  async #ask<T>(what: string, parameters: Readonly<Record<string, string>>): Promise<T> {
    const response = await fetch(`${this.address}/api/v1/${what}?${new URLSearchParams(parameters)}`)
    const text = await response.text()
    if (!text.startsWith('{')) throw new Error(`${what}: HTTP status ${response.status}: ${text}`)
    const { data, error } = JSON.parse(text) as { data: T; error?: string }
    if (error !== undefined) throw new Error(`${what} ${JSON.stringify(parameters)}: ${error}`)
    return data
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close()
  }
}

type Result =
  | { readonly resultType: 'scalar'; readonly result: readonly [number, string] }
  | {
      readonly resultType: 'vector'
      readonly result: readonly { readonly metric: Readonly<Record<string, string>>; readonly value: readonly [number, string] }[]
    }

function isThere(samples: readonly Sample[]): boolean {
  return samples.length > 0
}

interface Configuration {
  readonly global?: object
  readonly scrape_configs?: readonly ScrapeConfig[]
  readonly [part: string]: unknown
}

interface ScrapeConfig {
  readonly job_name: string
  readonly kubernetes_sd_configs?: readonly object[]
  readonly [part: string]: unknown
}

export interface Discovering {
  /** What it reaches the API server with: within a cluster it would be its own account. */
  readonly kubeconfig: string
  /** Seconds between scrapes, and between evaluations of rules. */
  readonly intervalSeconds?: number
}

/** A configuration (text) as it is used within a cluster, for a Prometheus outside of it, and in more of a hurry. */
export function discovering(text: string, { kubeconfig, intervalSeconds = 2 }: Discovering): object {
  const configuration = load(text) as Configuration
  const interval = `${intervalSeconds}s`
  const outside = (config: ScrapeConfig) => ({
    ...config,
    kubernetes_sd_configs: config.kubernetes_sd_configs?.map((one) => ({ ...one, kubeconfig_file: kubeconfig })),
  })
  return {
    ...configuration,
    global: { ...configuration.global, scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    scrape_configs: configuration.scrape_configs?.map(outside),
  }
}

export interface PodMonitor {
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly spec: {
    readonly namespaceSelector?: { readonly matchNames?: readonly string[] }
    readonly selector: {
      readonly matchLabels?: Readonly<Record<string, string>>
      readonly matchExpressions?: readonly { readonly key: string; readonly operator: string; readonly values: readonly string[] }[]
    }
    readonly podMetricsEndpoints: readonly { readonly port: string; readonly honorLabels?: boolean }[]
  }
}

/** What the Prometheus operator makes of a PodMonitor with these fields. Source: prometheus-operator pkg/prometheus/promcfg.go. */
export function scrapeConfigOf({ metadata, spec }: PodMonitor): ScrapeConfig {
  const { matchLabels = {}, matchExpressions = [] } = spec.selector
  const [endpoint, ...others] = spec.podMetricsEndpoints
  const unknown = matchExpressions.find(({ operator }) => operator !== 'In')
  if (!endpoint || others.length > 0 || unknown) throw new Error(`PodMonitor ${metadata.name} has what this test cannot translate`)
  const wanted = [...Object.entries(matchLabels).map(([key, value]) => ({ key, values: [value] })), ...matchExpressions]
  const meta = (name: string) => `__meta_kubernetes_${name}`
  return {
    job_name: `podMonitor/${metadata.namespace}/${metadata.name}/0`,
    honor_labels: endpoint.honorLabels ?? false,
    kubernetes_sd_configs: [{ role: 'pod', namespaces: { names: spec.namespaceSelector?.matchNames ?? [] } }],
    relabel_configs: [
      { source_labels: [meta('pod_phase')], regex: '(Failed|Succeeded)', action: 'drop' },
      ...wanted.map(({ key, values }) => ({
        source_labels: [meta(`pod_label_${labelName(key)}`), meta(`pod_labelpresent_${labelName(key)}`)],
        regex: `(${values.join('|')});true`,
        action: 'keep',
      })),
      { source_labels: [meta('pod_container_port_name')], regex: endpoint.port, action: 'keep' },
      { source_labels: [meta('namespace')], target_label: 'namespace' },
      { source_labels: [meta('pod_container_name')], target_label: 'container' },
      { source_labels: [meta('pod_name')], target_label: 'pod' },
      { target_label: 'job', replacement: `${metadata.namespace}/${metadata.name}` },
      { target_label: 'endpoint', replacement: endpoint.port },
    ],
  }
}

/** As Prometheus names the label of a Kubernetes label. */
function labelName(key: string): string {
  return key.replace(/[^a-zA-Z0-9_]/g, '_')
}

/** Runs promtool in a folder with these files; returns what it printed. @throws Error with its complaints. */
export async function promtool(args: readonly string[], files: Readonly<Record<string, string>>): Promise<string> {
  const cwd = await temporaryDirectory('promtool')
  for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text)
  return run(await findTool('promtool'), args, { cwd })
}

if (import.meta.main) {
  const [kubeconfig = '', configuration = '', expression = ''] = process.argv.slice(2)
  await using prometheus = await startPrometheus(discovering(await readFile(configuration, 'utf8'), { kubeconfig }))
  process.stdout.write(`${JSON.stringify(await prometheus.until(expression), null, 2)}\n`)
}
