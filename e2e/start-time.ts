/** How long a process of the image takes until it is ready, against a real API server with nothing to do. */
import { readdir, readFile } from 'node:fs/promises'
import { get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { type ControlPlane, startControlPlane } from '../test/tools/control-plane.ts'
import { installCrds } from '../test/tools/crds.ts'
import { freePort, hasExited, kill, startProcess, usage } from '../test/tools/processes.ts'
import type { Builder } from './builder.ts'
import { buildah, buildahCommand } from './node/images.ts'

export interface StartTime {
  /** Milliseconds from the start of the process to the first answer, and to `/readyz` being 200. */
  readonly alive: number
  readonly ready: number
  /** Milliseconds of processor time until then, which other work on the machine does not change. */
  readonly processor: number
}

const rounds = 5
const patienceMs = 60_000

/** The median of five starts, each in a new container that shares the host's network. Linux only: reads /proc. */
export async function measureStart(builder: Builder, image: string): Promise<StartTime> {
  await using controlPlane = await startControlPlane()
  await installCrds(controlPlane.kubectl)
  await controlPlane.kubectl('create', 'namespace', 'flux-system')
  const times: StartTime[] = []
  for (let round = 0; round < rounds; round++) times.push(await startOnce(builder, image, controlPlane))
  const middle = (name: keyof StartTime) => median(times.map((time) => time[name]))
  return { alive: middle('alive'), ready: middle('ready'), processor: middle('processor') }
}

async function startOnce(builder: Builder, image: string, { kubeconfig }: ControlPlane): Promise<StartTime> {
  const port = await freePort()
  const own = `--health-addr=127.0.0.1:${port}`
  const others = ['metrics-addr', 'storage-addr', 'events-addr', 'receiverAddr'].map((name) => `--${name}=127.0.0.1:0`)
  const program = ['controller', '--kubeconfig=/kubeconfig', own, ...others, '--storage-path=/tmp']
  await using container = await startContainer(builder, image, kubeconfig, program)
  const deadline = performance.now() + patienceMs
  for (let alive: number | undefined; ; await delay(2)) {
    const status = await statusOf(port)
    const now = Date.now()
    if (status !== undefined) alive ??= now
    if (status === 200 && alive !== undefined) {
      const { startedAt, cpuSeconds } = await processWith(own)
      return { alive: alive - startedAt, ready: now - startedAt, processor: cpuSeconds * 1000 }
    }
    if (performance.now() > deadline || container.hasEnded()) {
      throw new Error(`a container of ${image} did not become ready: ${container.said()}`)
    }
  }
}

interface Container extends AsyncDisposable {
  hasEnded(): boolean
  said(): string
}

async function startContainer({ name }: Builder, image: string, kubeconfig: string, args: readonly string[]): Promise<Container> {
  const volume = ['--volume', `${kubeconfig}:/kubeconfig:ro`]
  // buildah run takes the whole command: it knows nothing of an entry point.
  const entryPoint = name === 'buildah' ? await entryPointOf(image) : []
  const working = name === 'buildah' ? (await buildah(['from', '--pull-never', image])).trim() : ''
  const [command = '', ...rest] =
    name === 'buildah'
      ? buildahCommand(['run', '--isolation', 'chroot', ...volume, working, '--', ...entryPoint, ...args])
      : [name, 'run', '--rm', '--read-only', '--tmpfs', '/tmp', '--network', 'host', ...volume, image, ...args]
  const child = startProcess(command, rest, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000)
  })
  return {
    hasEnded: () => hasExited(child),
    said: () => said,
    async [Symbol.asyncDispose]() {
      await kill(child, 'SIGTERM')
      if (working) await buildah(['rm', working])
    },
  }
}

async function entryPointOf(image: string): Promise<readonly string[]> {
  const described = JSON.parse(await buildah(['inspect', '--type', 'image', image])) as {
    OCIv1: { config: { Entrypoint: string[] } }
  }
  return described.OCIv1.config.Entrypoint
}

/** When the node with this argument was started, in milliseconds since the epoch, to 10, and what it has used. */
async function processWith(argument: string): Promise<{ readonly startedAt: number; readonly cpuSeconds: number }> {
  for (const pid of await readdir('/proc')) {
    const [program = '', ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
    if (!program.endsWith('/node') || !args.includes(argument)) continue
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // After the name: state is field 3 of proc(5), starttime 22, in hundredths of a second since the machine's start.
    const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
    const [uptime = ''] = (await readFile('/proc/uptime', 'utf8')).split(' ')
    const { cpuSeconds } = await usage(Number(pid))
    return { startedAt: Date.now() - (Number(uptime) - ticks / 100) * 1000, cpuSeconds }
  }
  throw new Error(`found no process with ${argument}`)
}

function statusOf(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/readyz', agent: false, timeout: 1000 }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(undefined))
  })
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
