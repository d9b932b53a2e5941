/** Sluice itself as a child process, as users start it: `sluice controller …`. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { hasExited, kill, startProcess, temporaryDirectory, type Usage, usage } from './processes.ts'

/** One line of its log. */
export interface LogLine {
  readonly level: string
  readonly ts?: string
  readonly msg: string
  readonly controller?: string
  readonly controllerKind?: string
  readonly namespace?: string
  readonly name?: string
  readonly reconcileID?: string
  readonly error?: string
  readonly [field: string]: unknown
}

export interface SluiceOptions {
  readonly kubeconfig: string
  /** Flux's flags: `{ concurrent: '20' }` becomes `--concurrent=20`. They win over those below. */
  readonly flags?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  /** Kept when Sluice is started again; a temporary folder when absent. */
  readonly storagePath?: string
}

export type ServerName = 'metrics' | 'artifacts' | 'health' | 'events' | 'receivers'

export interface Sluice extends AsyncDisposable {
  readonly pid: number
  /** Every line so far, of all starts. */
  readonly logs: readonly LogLine[]
  /** `http://127.0.0.1:<port>` of one of its servers, of this start. */
  address(server: ServerName): string
  /** Resolves with the first line, past or future, that fits. */
  untilLog(fits: (line: LogLine) => boolean, timeoutMs?: number): Promise<LogLine>
  metrics(): Promise<Metrics>
  /** Of the running process (Linux). */
  usage(): Promise<Usage>
  /** SIGKILL; resolves when the process is gone. */
  kill9(): Promise<void>
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
  /** Starts it again after `kill9` or `stop`, with the same flags and storage. */
  start(): Promise<void>
}

/**
 * Starts Sluice on ephemeral ports and waits until its servers listen.
 * @throws Error with the end of its log when it ends before that.
 */
export async function startSluice(options: SluiceOptions): Promise<Sluice> {
  const sluice = new Process(options, options.storagePath ?? (await temporaryDirectory('storage')))
  await sluice.start()
  return sluice
}

/** As the image runs it; with SLUICE_NODE_FLAGS=--cpu-prof, for one, to see where its time goes. */
function nodeFlags(): string[] {
  return ['--max-semi-space-size=8', ...(process.env.SLUICE_NODE_FLAGS?.split(' ') ?? [])]
}

class Process implements Sluice {
  readonly logs: LogLine[] = []
  readonly #options: SluiceOptions
  readonly #storagePath: string
  readonly #addresses = new Map<string, string>()
  readonly #listeners = new Set<(line: LogLine) => void>()
  #child: ChildProcess | undefined

  constructor(options: SluiceOptions, storagePath: string) {
    this.#options = options
    this.#storagePath = storagePath
  }

  async start(): Promise<void> {
    this.#addresses.clear()
    const { kubeconfig, flags, env } = this.#options
    const args = Object.entries({
      kubeconfig,
      'metrics-addr': '127.0.0.1:0',
      'health-addr': '127.0.0.1:0',
      'storage-addr': '127.0.0.1:0',
      'storage-path': this.#storagePath,
      ...(this.#runs('notification') && { 'events-addr': '127.0.0.1:0', receiverAddr: '127.0.0.1:0' }),
      ...flags,
    }).map(([name, value]) => `--${name}=${value}`)
    // The bundle, for one: SLUICE_PROGRAM=dist/sluice.mjs make bench
    const program = process.env.SLUICE_PROGRAM ?? join(import.meta.dirname, '../../src/cli/main.ts')
    const child = startProcess(process.execPath, [...nodeFlags(), program, 'controller', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    })
    this.#child = child
    if (child.stderr) createInterface({ input: child.stderr }).on('line', (line) => this.#heard(line))
    const ended = once(child, 'close').then(([code]) => {
      throw new Error(`Sluice ended with ${code} before it listened; the end of its log:\n${this.#endOfLog()}`)
    })
    ended.catch(() => {}) // it may well end later
    await Promise.race([ended, this.#listening()])
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  address(server: ServerName): string {
    return `http://${this.#addresses.get(server)}`
  }

  async untilLog(fits: (line: LogLine) => boolean, timeoutMs = 30_000): Promise<LogLine> {
    const past = this.logs.find(fits)
    return past ?? this.#next(fits, timeoutMs)
  }

  async metrics(): Promise<Metrics> {
    const response = await fetch(`${this.address('metrics')}/metrics`)
    return parseMetrics(await response.text())
  }

  usage(): Promise<Usage> {
    return usage(this.pid)
  }

  async kill9(): Promise<void> {
    if (this.#child) await kill(this.#child)
  }

  async stop(): Promise<number | null> {
    const child = this.#child
    if (!child) return null
    if (hasExited(child)) return child.exitCode
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
    return child.exitCode
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill9()
  }

  #runs(loop: string): boolean {
    return this.#options.flags?.controllers?.split(',').includes(loop) ?? true
  }

  #heard(text: string): void {
    const line = parseLine(text)
    this.logs.push(line)
    if (this.logs.length > 50_000) this.logs.splice(0, 10_000) // the demo may run for days
    if (line.msg === 'listening') this.#addresses.set(String(line.server), String(line.address))
    for (const listener of this.#listeners) listener(line)
  }

  async #listening(): Promise<void> {
    const servers: readonly ServerName[] = [
      'metrics',
      'health',
      ...(this.#runs('source') ? (['artifacts'] as const) : []),
      ...(this.#runs('notification') ? (['events', 'receivers'] as const) : []),
    ]
    const isComplete = () => servers.every((server) => this.#addresses.has(server))
    if (!isComplete()) await this.#next(isComplete, 30_000)
  }

  #next(fits: (line: LogLine) => boolean, timeoutMs: number): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        clearTimeout(timer)
        this.#listeners.delete(listen)
        settle()
      }
      const listen = (line: LogLine) => {
        if (fits(line)) done(() => resolve(line))
      }
      const late = () =>
        done(() => reject(new Error(`not logged within ${timeoutMs} ms; the end of the log:\n${this.#endOfLog()}`)))
      const timer = setTimeout(late, timeoutMs)
      this.#listeners.add(listen)
    })
  }

  #endOfLog(): string {
    const lines = this.logs.slice(-20).map((line) => (line.level === 'text' ? line.msg : JSON.stringify(line)))
    return lines.join('\n')
  }
}

/** What is not JSON (a crash of the process) is kept as its text. */
function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine
  } catch {
    return { level: 'text', msg: text }
  }
}

/** The samples of a scrape. */
export interface Metrics {
  readonly text: string
  /** The sum of a metric's samples whose labels include these; 0 where there are none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number
  /** The sums by the value of one label. */
  by(name: string, label: string): ReadonlyMap<string, number>
}

interface Sample {
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  readonly value: number
}

export function parseMetrics(text: string): Metrics {
  const samples = text.split('\n').flatMap(parseSample)
  const fits = (sample: Sample, labels: Readonly<Record<string, string>>) =>
    Object.entries(labels).every(([name, value]) => sample.labels.get(name) === value)
  return {
    text,
    sum: (name, labels = {}) =>
      samples.filter((sample) => sample.name === name && fits(sample, labels)).reduce((sum, { value }) => sum + value, 0),
    by(name, label) {
      const sums = new Map<string, number>()
      for (const sample of samples.filter((one) => one.name === name)) {
        const key = sample.labels.get(label) ?? ''
        sums.set(key, (sums.get(key) ?? 0) + sample.value)
      }
      return sums
    },
  }
}

function parseSample(line: string): Sample[] {
  const [, name, inner = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line) ?? []
  if (name === undefined || value === undefined) return []
  const labels = new Map([...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', text = '']) => [label, text]))
  return [{ name, labels, value: Number(value) }]
}
