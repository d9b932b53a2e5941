/**
 * Finds the real programs that tests and the demo run, at pinned versions, or builds them once.
 *
 * Looked for in this order: `KUBEBUILDER_ASSETS`; the cache (`$SLUICE_TOOLS`, else `sluice/tools` below the user's cache folder);
 * the official envtest archive (etcd, kube-apiserver and kubectl only); `go build` from the modules beside this file.
 *
 * As a command: `node test/tools/tools.ts etcd kubectl` prints the paths.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, constants, cp, link, mkdir, mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { extract } from 'tar'
import { run } from './processes.ts'

export type Tool =
  | 'etcd'
  | 'kube-apiserver'
  | 'kubectl'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kube-proxy'
  | 'kubelet'
  | 'coredns'
  | 'pause'
  | 'kustomize'
  | 'helm'
  | 'helm3'
  | 'helm-oracle'
  | 'flux'
  | 'nats-server'
  | 'prometheus'
  | 'promtool'
  | 'kube-state-metrics'
  | 'registry'
  | FluxController

/** The real controllers of Flux that can be built from published modules; the others' modules are not complete. */
export type FluxController = 'source-controller' | 'kustomize-controller'

export type Say = (line: string) => void

/** How a tool is built: all tools of one module and folder are built by one command, which shares what they have in common. */
interface Recipe {
  readonly folder: string
  readonly module:
    | 'kube'
    | 'node'
    | 'kustomize'
    | 'helm'
    | 'helm3'
    | 'flux'
    | 'nats'
    | 'registry'
    | 'prometheus'
    | 'kube-state-metrics'
    | 'flux-controllers'
  /** The path of a package, or one of the module itself as `./name`. */
  readonly package: string
  /** `go build` leaves a placeholder for the version of a module; the API server would report it as its own. */
  readonly ldflags: string
  /** Build tags. */
  readonly tags?: string
  /** Builds in a copy of this module, by its own go.mod, with what is in `added/` laid over it: it embeds files that it does not ship. */
  readonly copyOf?: string
}

const kubernetesVersion = 'v1.36.3'
const kubernetesFlags = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version']
  .map((name) => `-X ${name}.gitVersion=${kubernetesVersion} -X ${name}.gitTreeState=clean`)
  .join(' ')

function kubernetes(command: string): Recipe {
  return {
    folder: `kubernetes-${kubernetesVersion}`,
    module: 'kube',
    package: `k8s.io/kubernetes/cmd/${command}`,
    ldflags: kubernetesFlags,
  }
}

/** Of the kinds of service discovery only Kubernetes', which Debian's lacks: the others are most of what would be compiled. */
function prometheus(command: string): Recipe {
  return {
    folder: 'prometheus-v3.15.0',
    module: 'prometheus',
    package: `github.com/prometheus/prometheus/cmd/${command}`,
    ldflags: '-X github.com/prometheus/common/version.Version=3.15.0',
    tags: 'remove_all_sd,enable_kubernetes_sd',
  }
}

/** The newest of Flux 2.9 of which every module that it requires is published; its Makefile links no version in. */
function fluxController(controller: FluxController): Recipe {
  return { folder: 'flux-controllers-v1.9.3', module: 'flux-controllers', package: `github.com/fluxcd/${controller}`, ldflags: '' }
}

const helmFlags = '-X helm.sh/helm/v4/internal/version.version=v4.3.1'

const recipes: { readonly [T in Tool]: Recipe } = {
  etcd: { folder: 'etcd-v3.6.8', module: 'kube', package: 'go.etcd.io/etcd/server/v3', ldflags: '' },
  'kube-apiserver': kubernetes('kube-apiserver'),
  kubectl: kubernetes('kubectl'),
  'kube-controller-manager': kubernetes('kube-controller-manager'),
  'kube-scheduler': kubernetes('kube-scheduler'),
  'kube-proxy': kubernetes('kube-proxy'),
  kubelet: kubernetes('kubelet'),
  coredns: { folder: 'coredns-v1.14.7-1', module: 'node', package: './coredns', ldflags: '' },
  pause: { folder: 'pause-1', module: 'node', package: './pause', ldflags: '' },
  kustomize: {
    folder: 'kustomize-v5.8.1',
    module: 'kustomize',
    package: 'sigs.k8s.io/kustomize/kustomize/v5',
    ldflags: '-X sigs.k8s.io/kustomize/api/provenance.version=v5.8.1',
  },
  helm: {
    folder: 'helm-v4.3.1',
    module: 'helm',
    package: 'helm.sh/helm/v4/cmd/helm',
    ldflags: helmFlags,
  },
  // The major version before, which many still use.
  helm3: {
    folder: 'helm-v3.22.0',
    module: 'helm3',
    package: 'helm.sh/helm/v3/cmd/helm',
    ldflags: '-X helm.sh/helm/v3/internal/version.version=v3.22.0',
  },
  // As with coredns and pause, our own program: the last number goes up when its source changes.
  'helm-oracle': { folder: 'helm-oracle-v4.3.1-1', module: 'helm', package: './oracle', ldflags: helmFlags },
  flux: {
    folder: 'flux-v2.9.5',
    module: 'flux',
    package: './cmd/flux',
    ldflags: '-X main.VERSION=2.9.5',
    copyOf: 'github.com/fluxcd/flux2/v2',
  },
  registry: {
    folder: 'registry-v3.1.2',
    module: 'registry',
    package: 'github.com/distribution/distribution/v3/cmd/registry',
    ldflags: '',
  },
  'nats-server': { folder: 'nats-server-v2.11.8', module: 'nats', package: 'github.com/nats-io/nats-server/v2', ldflags: '' },
  prometheus: prometheus('prometheus'),
  promtool: prometheus('promtool'),
  'kube-state-metrics': {
    folder: 'kube-state-metrics-v2.19.1',
    module: 'kube-state-metrics',
    package: 'k8s.io/kube-state-metrics/v2',
    ldflags: '',
  },
  'source-controller': fluxController('source-controller'),
  'kustomize-controller': fluxController('kustomize-controller'),
}

/** The newest archive of that minor version; its etcd and API server are a patch release behind what we build. */
const archiveVersion = 'v1.36.0'
const archived: ReadonlySet<Tool> = new Set<Tool>(['etcd', 'kube-apiserver', 'kubectl'])

/**
 * The paths of the tools, in the order asked for.
 * @throws Error that says what was tried when one can neither be found nor built.
 */
export async function findTools(tools: readonly Tool[], say: Say = sayOnce): Promise<string[]> {
  const found = new Map<Tool, string>()
  for (const tool of tools) {
    const path = await lookUp(tool, say)
    if (path !== undefined) found.set(tool, path)
  }
  const missing = tools.filter((tool) => !found.has(tool))
  if (missing.length > 0) await provide(missing, say)
  return Promise.all(tools.map(async (tool) => found.get(tool) ?? (await lookUp(tool, say)) ?? fail(tool)))
}

/** The path of one tool; see `findTools`. */
export async function findTool(tool: Tool, say: Say = sayOnce): Promise<string> {
  const [path] = await findTools([tool], say)
  return path ?? fail(tool)
}

function fail(tool: Tool): never {
  throw new Error(`${tool} was built but is not in ${toolsDirectory()}`)
}

/** Whether a tool can be had without building it. */
export async function isBuilt(tool: Tool): Promise<boolean> {
  return (await lookUp(tool, () => {})) !== undefined
}

async function lookUp(tool: Tool, say: Say): Promise<string | undefined> {
  const assets = process.env.KUBEBUILDER_ASSETS
  const places = [
    ...(assets ? [{ path: join(assets, tool), step: 'KUBEBUILDER_ASSETS' }] : []),
    { path: join(toolsDirectory(), recipes[tool].folder, tool), step: 'cache' },
    { path: join(toolsDirectory(), `envtest-${archiveVersion}`, tool), step: 'cache of the envtest archive' },
  ]
  for (const { path, step } of places) {
    if (!(await isExecutable(path))) continue
    say(`${tool}: ${path} (${step})`)
    return path
  }
  return undefined
}

/** Where built and downloaded tools are kept, outside of the work tree. */
export function toolsDirectory(): string {
  const own = process.env.SLUICE_TOOLS
  return own || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sluice', 'tools')
}

/** Downloads or builds, unless another process did so while we waited for the lock. */
async function provide(tools: readonly Tool[], say: Say): Promise<void> {
  await mkdir(toolsDirectory(), { recursive: true })
  await using _lock = await lock(join(toolsDirectory(), '.lock'), say)
  const without = async (list: readonly Tool[]) => {
    const paths = await Promise.all(list.map((tool) => lookUp(tool, () => {})))
    return list.filter((_, index) => paths[index] === undefined)
  }
  let missing = await without(tools)
  let refusal = ''
  if (missing.some((tool) => archived.has(tool))) {
    refusal = await downloadArchive(say).then(
      () => '',
      (error: unknown) => `the envtest archive could not be had: ${causeOf(error)}`,
    )
    if (refusal) say(refusal)
    missing = await without(missing)
  }
  for (const group of Map.groupBy(missing, (tool) => recipes[tool].folder).values()) await build(group, refusal, say)
}

async function downloadArchive(say: Say): Promise<void> {
  const platform = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`
  const name = `envtest-${archiveVersion}-${platform}.tar.gz`
  const expected = await publishedHash(name)
  const url = `https://github.com/kubernetes-sigs/controller-tools/releases/download/envtest-${archiveVersion}/${name}`
  say(`downloading ${url}`)
  await using work = await workDirectory()
  const file = join(work.path, name)
  const actual = await download(url, file)
  if (actual !== expected) throw new Error(`${url} has the sha512 ${actual}, and ${expected} was published`)
  await extract({ file, cwd: work.path, strip: 2 }) // controller-tools/envtest/<tool>
  await rm(file)
  await mkdir(join(toolsDirectory(), `envtest-${archiveVersion}`), { recursive: true })
  for (const tool of archived) {
    await rename(join(work.path, tool), join(toolsDirectory(), `envtest-${archiveVersion}`, tool))
  }
}

/** The sha512 of an archive as the project's release index states it. */
async function publishedHash(name: string): Promise<string> {
  const index = 'https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml'
  const response = await fetch(index, { signal: AbortSignal.timeout(10_000) })
  if (!response.ok) throw new Error(`${index}: HTTP status ${response.status}`)
  const text = await response.text()
  const hash = /^\s+hash: ([0-9a-f]{128})/.exec(text.split(`${name}:`)[1] ?? '')?.[1]
  if (!hash) throw new Error(`${index} does not list ${name}`)
  return hash
}

/** Returns the sha512 of what was written. */
async function download(url: string, file: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(300_000) })
  if (!response.ok || !response.body) throw new Error(`${url}: HTTP status ${response.status}`)
  const hash = createHash('sha512')
  await using target = await open(file, 'w')
  await pipeline(
    Readable.fromWeb(response.body),
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        hash.update(chunk)
        yield chunk
      }
    },
    target.createWriteStream(),
  )
  return hash.digest('hex')
}

/** Builds tools of one folder, in a folder of their own first: a half-written program must never be found. */
async function build(tools: readonly Tool[], refusal: string, say: Say): Promise<void> {
  const [recipe] = tools.map((tool) => recipes[tool])
  if (!recipe) return
  const packages = tools.map((tool) => recipes[tool].package)
  const target = join(toolsDirectory(), recipe.folder)
  say(`building ${tools.join(', ')} (${recipe.folder}) with go: minutes the first time, then cached in ${target}`)
  await using work = await workDirectory()
  try {
    await goBuild(recipe, packages, work.path)
  } catch (error) {
    const advice = `install Go 1.26 or later (https://go.dev/dl), or set KUBEBUILDER_ASSETS to a folder with ${tools.join(', ')}`
    throw new Error([`cannot provide ${tools.join(', ')}: ${causeOf(error)}`, refusal, advice].filter(Boolean).join('; '), {
      cause: error,
    })
  }
  await mkdir(target, { recursive: true })
  for (const tool of tools) await rename(join(work.path, programOf(recipes[tool].package)), join(target, tool))
  say(`built ${tools.join(', ')}`)
}

/** The file name that `go build` gives to a package's program. */
function programOf(packagePath: string): string {
  return (
    packagePath
      .replace(/\/v\d+$/, '')
      .split('/')
      .at(-1) ?? packagePath
  )
}

async function goBuild(recipe: Recipe, packages: readonly string[], output: string): Promise<void> {
  const cwd = await sourceOf(recipe, output)
  const flags = ['-trimpath', '-buildvcs=false', `-tags=${recipe.tags ?? ''}`, `-ldflags=-s -w ${recipe.ldflags}`]
  const args = ['build', ...flags, '-o', `${output}/`, ...packages]
  const env = { ...process.env, GOTOOLCHAIN: 'local', CGO_ENABLED: '0' }
  const child = spawn('go', args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000)
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`go build ended with ${code}: ${said.trim()}`)
}

/** Where `go build` runs. */
async function sourceOf({ module, copyOf }: Recipe, work: string): Promise<string> {
  const folder = join(dirname(fileURLToPath(import.meta.url)), module)
  if (copyOf === undefined) return folder
  const env = { ...process.env, GOTOOLCHAIN: 'local' }
  const { Dir } = JSON.parse(await run('go', ['mod', 'download', '-json', copyOf], { cwd: folder, env })) as { Dir: string }
  const copy = join(work, 'source')
  await cp(Dir, copy, { recursive: true })
  await run('chmod', ['-R', 'u+w', copy]) // Go's cache may only be read
  await cp(join(folder, 'added'), copy, { recursive: true })
  return copy
}

/** A folder beside the tools, so that a rename from it is atomic. */
async function workDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(toolsDirectory(), '.work-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Waits until no other process holds the lock; one whose holder is gone is taken over. */
async function lock(file: string, say: Say): Promise<AsyncDisposable> {
  const mine = `${file}-${process.pid}`
  await writeFile(mine, String(process.pid))
  try {
    // A link appears with its content: nobody sees a lock without its holder.
    for (let told = false; !(await linked(mine, file)); told = true) {
      const holder = Number(await readFile(file, 'utf8').catch(() => ''))
      if (holder > 0 && !isAlive(holder)) {
        await rm(file, { force: true })
        continue
      }
      if (!told && holder > 0) say(`waiting for process ${holder}, which downloads or builds the tools`)
      await delay(500)
    }
  } finally {
    await rm(mine)
  }
  return { [Symbol.asyncDispose]: () => rm(file, { force: true }) }
}

/** Whether the link could be made: there was none yet. */
async function linked(target: string, file: string): Promise<boolean> {
  try {
    await link(target, file)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

/** The innermost message: `fetch failed` alone tells nothing. */
function causeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  return thrown.cause instanceof Error ? `${thrown.message}: ${causeOf(thrown.cause)}` : thrown.message
}

const said = new Set<string>()

/** Prints each line once to standard error. */
function sayOnce(line: string): void {
  if (said.has(line)) return
  said.add(line)
  process.stderr.write(`tools: ${line}\n`)
}

if (import.meta.main) {
  for (const path of await findTools(process.argv.slice(2) as Tool[])) process.stdout.write(`${path}\n`)
}
