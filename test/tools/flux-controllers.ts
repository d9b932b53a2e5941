/**
 * Flux's own controllers as child processes, as its Deployments start them: what Sluice takes a cluster over from, and gives it
 * back to.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Kubectl } from './kubectl.ts'
import { freePort, hasExited, kill, run, startProcess, temporaryDirectory, type Usage, usage } from './processes.ts'
import { type LogLine, type Metrics, parseMetrics } from './sluice.ts'
import { type FluxController, findTool, isBuilt } from './tools.ts'

export const fluxControllers: readonly FluxController[] = ['source-controller', 'kustomize-controller']

export interface FluxOptions {
  readonly kubeconfig: string
  /** Both when absent. */
  readonly only?: readonly FluxController[]
  /** Its own namespace: where its leases are. */
  readonly namespace: string
  /** Of both: `{ concurrent: '20' }` becomes `--concurrent=20`. They win over those below. */
  readonly flags?: Readonly<Record<string, string>>
  /** Where others find the artifacts, as `host:port`; where they are served when absent. */
  readonly advertised?: string
  /** Unpacks and builds in memory instead of on the disk, as Flux advises where speed matters. */
  readonly workInMemory?: boolean
}

/** One controller. */
export interface FluxProcess {
  readonly pid: number
  /** Every line so far. */
  readonly logs: readonly LogLine[]
  /** Resolves with the first line, past or future, that fits. */
  untilLog(fits: (line: LogLine) => boolean, timeoutMs?: number): Promise<LogLine>
}

export interface Flux extends AsyncDisposable {
  readonly controllers: ReadonlyMap<FluxController, FluxProcess>
  /** `http://127.0.0.1:<port>`, where the artifacts are once it leads. */
  readonly artifacts: string
  /** Resolves when they hold their leases and have started their workers. */
  untilWorking(timeoutMs?: number): Promise<void>
  /** Of the running processes together (Linux). */
  usage(): Promise<Usage>
  /** Of all together. */
  metrics(): Promise<Metrics>
  /** SIGTERM to each; resolves with the exit codes when they are gone. */
  stop(): Promise<readonly (number | null)[]>
  /** SIGKILL; resolves when they are gone. */
  kill9(): Promise<void>
}

/**
 * Starts them with leader election, on ports of their own, and resolves when they have set up: they may still wait for a lease.
 * @throws Error with the end of a log when one ends before that.
 */
export async function startFlux(options: FluxOptions): Promise<Flux> {
  await using starting = new AsyncDisposableStack()
  const storageAddress = `127.0.0.1:${await freePort()}`
  const storage = {
    'storage-path': await temporaryDirectory('flux-storage'),
    'storage-addr': storageAddress,
    'storage-adv-addr': options.advertised ?? storageAddress,
  }
  const controllers = new Map<FluxController, Controller>()
  for (const name of options.only ?? fluxControllers) {
    const controller = starting.use(await Controller.start(name, options, name === 'source-controller' ? storage : {}))
    controllers.set(name, controller)
  }
  await Promise.all([...controllers.values()].map((one) => one.untilLog(({ msg }) => msg === 'starting manager')))
  const running = starting.move()
  return {
    controllers,
    artifacts: `http://${storageAddress}`,
    async untilWorking(timeoutMs) {
      await Promise.all([...controllers.values()].map((one) => one.untilWorking(timeoutMs)))
    },
    async usage() {
      const all = await Promise.all([...controllers.values()].map((one) => usage(one.pid)))
      const sum = (field: keyof Usage) => all.reduce((total, one) => total + one[field], 0)
      return { cpuSeconds: sum('cpuSeconds'), rssBytes: sum('rssBytes'), peakRssBytes: sum('peakRssBytes') }
    },
    async metrics() {
      const texts = await Promise.all([...controllers.values()].map((one) => one.metricsText()))
      return parseMetrics(texts.join('\n'))
    },
    stop: () => Promise.all([...controllers.values()].map((one) => one.stop())),
    kill9: () => running.disposeAsync(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** Why the controllers cannot run here, or nothing. A single test does not build them: that takes minutes. */
export async function whyNoFlux(): Promise<string | undefined> {
  for (const name of fluxControllers)
    if (!(await isBuilt(name))) return `${name} is not built: npx node test/tools/tools.ts ${fluxControllers.join(' ')}`
  return run('unshare', ['--map-root-user', '--mount', 'true']).then(
    () => undefined,
    (error: unknown) => `a mount namespace cannot be made, which leader election outside of a pod needs: ${error}`,
  )
}

/** Applies the definitions that the controllers come with, as `flux install` does. They are read from the modules, which Go has. */
export async function installFluxCrds(kubectl: Kubectl): Promise<void> {
  const cwd = join(import.meta.dirname, 'flux-controllers')
  const format = '{{.Dir}}/config/crd/bases'
  const modules = fluxControllers.map((name) => `github.com/fluxcd/${name}`)
  await run('go', ['mod', 'download', ...modules], { cwd })
  const folders = (await run('go', ['list', '-m', '-f', format, ...modules], { cwd })).trim().split('\n')
  const files = folders.flatMap((folder) => ['-f', folder])
  await kubectl('apply', '--server-side', '--force-conflicts', '--field-manager=flux', ...files)
  await kubectl('wait', '--for', 'condition=Established', '--timeout=30s', 'crd', '--all')
}

class Controller implements FluxProcess, AsyncDisposable {
  readonly logs: LogLine[] = []
  readonly #name: FluxController
  readonly #child: ChildProcess
  readonly #metricsAddress: string
  readonly #listeners = new Set<(line: LogLine) => void>()

  private constructor(name: FluxController, child: ChildProcess, metricsAddress: string) {
    this.#name = name
    this.#child = child
    this.#metricsAddress = metricsAddress
    if (child.stderr) createInterface({ input: child.stderr }).on('line', (line) => this.#heard(line))
    child.once('close', () => this.#heard(JSON.stringify({ level: 'text', msg: `${name} has ended` })))
  }

  static async start(name: FluxController, options: FluxOptions, own: Readonly<Record<string, string>>): Promise<Controller> {
    const metricsAddress = `127.0.0.1:${await freePort()}`
    const args = Object.entries({
      'metrics-addr': metricsAddress,
      'health-addr': '127.0.0.1:0',
      'events-addr': '',
      'enable-leader-election': 'true',
      ...own,
      ...options.flags,
    }).map(([flag, value]) => `--${flag}=${value}`)
    const env = {
      ...process.env,
      KUBECONFIG: options.kubeconfig,
      RUNTIME_NAMESPACE: options.namespace,
      TMPDIR: await temporaryDirectory(name),
    }
    // In a namespace of mounts where the file that a pod has tells which namespace it runs in: the leases are there, and no flag says so.
    const inPod = [
      ...(options.workInMemory ? ['mount -t tmpfs tmpfs "$TMPDIR"'] : []),
      'mount -t tmpfs tmpfs /var/run/',
      'mkdir -p /var/run/secrets/kubernetes.io/serviceaccount',
      'printf %s "$RUNTIME_NAMESPACE" > /var/run/secrets/kubernetes.io/serviceaccount/namespace',
      'exec "$0" "$@"',
    ].join(' && ')
    const command = ['--map-root-user', '--mount', 'sh', '-c', inPod, await findTool(name), ...args]
    const child = startProcess('unshare', command, { stdio: ['ignore', 'ignore', 'pipe'], env })
    return new Controller(name, child, metricsAddress)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** @throws Error with the end of the log when it is late or the controller ends. */
  untilLog(fits: (line: LogLine) => boolean, timeoutMs = 30_000): Promise<LogLine> {
    const past = this.logs.find(fits)
    if (past) return Promise.resolve(past)
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        clearTimeout(timer)
        this.#listeners.delete(listen)
        settle()
      }
      const listen = (line: LogLine) => {
        if (fits(line)) done(() => resolve(line))
        else if (hasExited(this.#child)) done(() => reject(new Error(`ended with ${this.#child.exitCode}:\n${this.#endOfLog()}`)))
      }
      const late = () => done(() => reject(new Error(`not logged within ${timeoutMs} ms:\n${this.#endOfLog()}`)))
      const timer = setTimeout(late, timeoutMs)
      this.#listeners.add(listen)
    })
  }

  async untilWorking(timeoutMs?: number): Promise<void> {
    const kind = this.#name === 'source-controller' ? 'GitRepository' : 'Kustomization'
    await this.untilLog(({ msg, controllerKind }) => msg === 'Starting workers' && controllerKind === kind, timeoutMs)
  }

  async metricsText(): Promise<string> {
    const response = await fetch(`http://${this.#metricsAddress}/metrics`)
    return response.text()
  }

  async stop(): Promise<number | null> {
    if (hasExited(this.#child)) return this.#child.exitCode
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await exited
    return this.#child.exitCode
  }

  [Symbol.asyncDispose](): Promise<void> {
    return kill(this.#child)
  }

  #heard(text: string): void {
    const line = parseLine(text)
    this.logs.push(line)
    for (const listener of this.#listeners) listener(line)
  }

  #endOfLog(): string {
    return `${this.#name}:\n${this.logs
      .slice(-20)
      .map((line) => JSON.stringify(line))
      .join('\n')}`
  }
}

function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine
  } catch {
    return { level: 'text', msg: text }
  }
}
