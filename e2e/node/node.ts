/**
 * A Kubernetes node without docker, systemd and a registry: the real API server, controller manager, scheduler, kubelet, kube-proxy,
 * containerd and CoreDNS, in network, mount, process, IPC and host-name namespaces of their own. One veth pair joins them to the host:
 *
 *     host 10.240.N.1 ── sluice-node-N ═ eth0 ── 10.240.N.2 node: API server :6443, DNS :53, node ports
 *                                             └─ cni0: pods 10.241.N.0/24; Services 10.242.N.0/24
 *
 * The host reaches pods and Services by their addresses, pods reach the host at 10.240.N.1, and nothing beyond it. Everything dies
 * with the process that started it. As a command, `node e2e/node/node.ts` keeps one up until Ctrl-C.
 */
import { createWriteStream } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createAuthority } from '../../test/tools/certificates.ts'
import { kubeconfigText } from '../../test/tools/control-plane.ts'
import { type Kubectl, kubectlOf } from '../../test/tools/kubectl.ts'
import { hasExited, kill, run, startProcess, temporaryDirectory } from '../../test/tools/processes.ts'
import { findTools, type Say } from '../../test/tools/tools.ts'
import { addressesOf, configurationFiles, identities, type NodeAddresses } from './configuration.ts'
import { pauseArchive } from './images.ts'
import { providePackages } from './packages.ts'

export interface LocalNode extends AsyncDisposable {
  readonly addresses: NodeAddresses
  /** Path of a kubeconfig with every right. */
  readonly kubeconfig: string
  readonly kubectl: Kubectl
  /** Holds a log of each component. */
  readonly logs: string
  /** Loads an archive; the images in it keep their names. */
  load(archive: string): Promise<void>
  /** Runs a command among the node's processes and returns its output. */
  execute(...command: string[]): Promise<string>
}

const readyTimeoutMs = 180_000

/**
 * Starts a node and waits until it is Ready and answers for Services and names, some 10 seconds. Needs root.
 * @throws Error that names what did not come up, and where its log is.
 */
export async function startNode(say: Say): Promise<LocalNode> {
  if (process.getuid?.() !== 0) throw new Error('the local node needs root: its containers have namespaces and cgroups')
  await providePackages(['containerd', 'runc', 'containernetworking-plugins', 'iptables', 'iproute2', 'openssl'], say)
  const programs = await findTools([...components, 'kubectl'], say)
  const pause = await pauseArchive(say)

  await using stack = new AsyncDisposableStack()
  const directory = await temporaryDirectory('node')
  // Undone from the last to the first: what is left when every process has ended.
  let cgroups = ''
  stack.defer(() => removeCgroups(cgroups))
  const init = await enterNamespaces(directory, programs, stack)
  const addresses = await joinToHost(init, stack)
  cgroups = addresses.name
  await configure(addresses, directory)
  await writeFile(join(directory, 'configured'), '')

  const kubeconfig = join(directory, 'kubeconfigs/admin')
  const kubectl = kubectlOf(kubeconfig)
  const execute = (...command: string[]) => run('nsenter', ['--target', String(init), '--all', ...command])
  const load = async (archive: string) => void (await execute('ctr', '--namespace', 'k8s.io', 'images', 'import', archive))
  await until('containerd', directory, () => execute('ctr', 'version'))
  await load(pause)
  await until('the API server', directory, () => kubectl('get', '--raw', '/readyz'))
  await until('the node', directory, () => kubectl('wait', '--for=condition=Ready', `node/${addresses.name}`, '--timeout=5s'))
  await until('the default service account', directory, () => kubectl('get', 'serviceaccount', 'default'))
  await until('kube-proxy', directory, () => connects(addresses.kubernetesIp, 443))
  await until('CoreDNS', directory, () => connects(addresses.nodeIp, 53))

  const owned = stack.move()
  const logs = join(directory, 'log')
  return { addresses, kubeconfig, kubectl, logs, load, execute, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

const components = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kube-proxy',
  'kubelet',
  'coredns',
] as const

/** Starts process 1 of the namespaces and returns its id as the host sees it. With it the kernel ends everything in them. */
async function enterNamespaces(directory: string, programs: readonly string[], stack: AsyncDisposableStack): Promise<number> {
  await chmod(directory, 0o700)
  await mkdir(join(directory, 'log'))
  const output = createWriteStream(join(directory, 'log/init.log'))
  const path = [...new Set(programs.map(dirname)), process.env.PATH].join(delimiter)
  const namespaces = ['--net', '--mount', '--pid', '--ipc', '--uts', '--mount-proc', '--fork', '--kill-child=KILL']
  const child = startProcess('unshare', [...namespaces, join(import.meta.dirname, 'init.sh'), directory], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: path },
  })
  child.stdout?.pipe(output)
  child.stderr?.pipe(output)
  const init = async () => Number(await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'))
  stack.defer(async () => {
    const first = await init().catch(() => 0)
    await kill(child)
    if (first > 0) await until(`process ${first} to end`, directory, () => isGone(first))
    await rm(directory, { recursive: true, force: true })
  })
  await until("the node's namespaces", directory, () => {
    if (hasExited(child)) throw new NeverReady('unshare has ended')
    return readFile(join(directory, 'started'))
  })
  return init()
}

async function isGone(pid: number): Promise<void> {
  const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  if (state !== undefined) throw new Error(`process ${pid} is still there`)
}

/** Lays the cable to the first number that no other node has. */
async function joinToHost(init: number, stack: AsyncDisposableStack): Promise<NodeAddresses> {
  for (let number = 0; number <= 255; number++) {
    const node = addressesOf(number)
    const { name } = node
    const isMine = await run('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(init)]).then(
      () => true,
      (error: Error) => {
        if (!error.message.includes('File exists')) throw error
        return false
      },
    )
    if (!isMine) continue
    // The kernel removes it with the other end, but a moment after the last process.
    stack.defer(() => run('ip', ['link', 'delete', name]).then(() => {}))
    await run('ip', ['address', 'add', `${node.hostIp}/30`, 'dev', name])
    await run('ip', ['link', 'set', name, 'up'])
    for (const range of [node.podCidr, node.serviceCidr]) await run('ip', ['route', 'add', range, 'via', node.nodeIp, 'dev', name])
    return node
  }
  throw new Error('there are 256 local nodes already: "ip link" lists them as sluice-node-N')
}

/** Writes certificates, tokens, kubeconfigs and the components' files. */
async function configure(node: NodeAddresses, directory: string): Promise<void> {
  const authority = await createAuthority('sluice-node')
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local']
  const addresses = [node.nodeIp, node.kubernetesIp, '127.0.0.1']
  const server = await authority.server({
    names: [...names.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP:${address}`)],
  })
  const client = await authority.client('kube-apiserver/O=system:masters')
  const users = identities(node).map((identity) => ({ ...identity, token: crypto.randomUUID() }))
  const files = new Map([
    ...configurationFiles(node, directory),
    ['pki/ca.crt', authority.ca],
    ['pki/server.crt', server.cert],
    ['pki/server.key', server.key],
    ['pki/client.crt', client.cert],
    ['pki/client.key', client.key],
    ['tokens.csv', users.map(({ token, user, group }) => `${token},${user},${user},"${group}"\n`).join('')],
    ...users.map(
      ({ name, token }) =>
        [`kubeconfigs/${name}`, kubeconfigText({ server: `https://${node.nodeIp}:6443`, token, ca: authority.ca })] as const,
    ),
  ])
  for (const [name, text] of files) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), text)
  }
}

/** A killed process leaves its cgroup a little later. */
async function removeCgroups(name: string): Promise<void> {
  if (name === '') return
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').map((line) => line.split(' '))
  for (const [, mounted = '', type = ''] of mounts) {
    if (!type.startsWith('cgroup')) continue
    for (let attempt = 0; attempt < 50; attempt++) {
      if (await removeFolders(join(mounted, name))) break
      await delay(100)
    }
  }
}

/** Whether the tree of folders (cgroups have no files of their own) is gone. */
async function removeFolders(folder: string): Promise<boolean> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined)
  if (!entries) return true
  for (const entry of entries) if (entry.isDirectory()) await removeFolders(join(folder, entry.name))
  return rmdir(folder).then(
    () => true,
    () => false,
  )
}

/** Waiting longer would not help. */
class NeverReady extends Error {}

async function until(what: string, directory: string, attempt: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + readyTimeoutMs
  for (;;) {
    try {
      await attempt()
      return
    } catch (error) {
      if (performance.now() < deadline && !(error instanceof NeverReady)) {
        await delay(100)
        continue
      }
      throw new Error(`gave up waiting for ${what}: ${String(error)}\n${await ends(join(directory, 'log'))}`, { cause: error })
    }
  }
}

/** The last lines of each log. */
async function ends(folder: string): Promise<string> {
  const names = await readdir(folder).catch(() => [])
  const texts = names.map(async (name) => {
    const lines = (await readFile(join(folder, name), 'utf8')).trimEnd().split('\n')
    return [`--- ${name}`, ...lines.slice(-5)].join('\n')
  })
  return (await Promise.all(texts)).join('\n')
}

function connects(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: 1000 })
    socket.once('connect', () => resolve(void socket.destroy()))
    socket.once('timeout', () => socket.destroy(new Error(`no answer from ${host}:${port}`)))
    socket.once('error', reject)
  })
}

if (import.meta.main) {
  await using node = await startNode((line) => void process.stderr.write(`${line}\n`))
  process.stdout.write(`export KUBECONFIG=${node.kubeconfig}\n`)
  await new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve)
  })
}
