/** A real etcd and kube-apiserver (and controller manager, if wanted) on loopback. Tests and the demo share it. */
import type { ChildProcess } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { openSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Kubectl, kubectlOf } from './kubectl.ts'
import { freePort, hasExited, kill, startProcess, temporaryDirectory, type Usage, usage } from './processes.ts'
import { findTools, type Say } from './tools.ts'

export interface ControlPlaneOptions {
  /** Needed for deleting namespaces, background garbage collection, Deployments that become available. */
  readonly controllerManager?: boolean
  /** Where data, logs and the kubeconfig go; a temporary folder when absent. Removed in both cases. */
  readonly directory?: string
  /** Told which programs are used. */
  readonly log?: Say
}

export interface ControlPlane extends AsyncDisposable {
  /** Path of a kubeconfig with every right. */
  readonly kubeconfig: string
  /** `https://127.0.0.1:<port>`; the same after a restart. */
  readonly server: string
  /** Bearer token of the administrator (group system:masters). */
  readonly token: string
  readonly caFile: string
  /** PEM. */
  readonly ca: string
  readonly directory: string
  readonly kubectl: Kubectl
  /** Writes a kubeconfig for another token (`kubectl create token …`) and returns its path. */
  kubeconfigFor(token: string): Promise<string>
  /** SIGKILL; resolves when the process is gone. */
  killApiServer(): Promise<void>
  /** Starts it again on the same port; resolves when it is ready. */
  startApiServer(): Promise<void>
  /** Of the running API server process (Linux). */
  apiServerUsage(): Promise<Usage>
}

/**
 * Starts a control plane and waits until it is ready, some five seconds.
 * @throws Error with the end of the log of the program that did not come up.
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const [etcdPath = '', apiServerPath = '', , controllerManagerPath = ''] = await findTools(
    ['etcd', 'kube-apiserver', 'kubectl', ...(options.controllerManager ? (['kube-controller-manager'] as const) : [])],
    options.log,
  )
  const directory = options.directory ?? (await temporaryDirectory('control-plane'))
  await mkdir(directory, { recursive: true })
  const file = (name: string) => join(directory, name)
  const token = randomBytes(16).toString('hex')
  await writeFile(file('tokens.csv'), `${token},admin,admin,"system:masters"\n`)
  await writeFile(file('service-account.key'), rsaKey())

  const etcd = startLogged(etcdPath, etcdArguments(directory), file('etcd.log'))
  let { apiServer, port } = await startApiServerOnFreePort()
  const caFile = file('certificates/apiserver.crt')
  const ca = await readFile(caFile, 'utf8')
  const server = `https://127.0.0.1:${port}`
  const kubeconfig = file('kubeconfig')
  await writeFile(kubeconfig, kubeconfigText({ server, token, ca }))
  const controllerManager = options.controllerManager
    ? startLogged(controllerManagerPath, controllerManagerArguments(directory, kubeconfig), file('kube-controller-manager.log'))
    : undefined

  async function startApiServerOnFreePort(): Promise<{ apiServer: ChildProcess; port: number }> {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort()
      try {
        return { apiServer: await startApiServer(port), port }
      } catch (error) {
        // Somebody may have taken the port in between.
        if (attempt === 3 || !String(error).includes('address already in use')) {
          await kill(etcd)
          throw error
        }
      }
    }
  }

  async function startApiServer(port: number): Promise<ChildProcess> {
    const args = apiServerArguments(directory, port, { serviceAccounts: options.controllerManager ?? false })
    const child = startLogged(apiServerPath, args, file('kube-apiserver.log'))
    await ready({ apiServer: child, etcd, port, token, directory })
    return child
  }

  return {
    kubeconfig,
    server,
    token,
    caFile,
    ca,
    directory,
    kubectl: kubectlOf(kubeconfig),
    async kubeconfigFor(other) {
      const path = file(`kubeconfig-${randomBytes(4).toString('hex')}`)
      await writeFile(path, kubeconfigText({ server, token: other, ca }))
      return path
    },
    killApiServer: () => kill(apiServer),
    async startApiServer() {
      apiServer = await startApiServer(port)
    },
    apiServerUsage: () => usage(apiServer.pid ?? 0),
    async [Symbol.asyncDispose]() {
      if (controllerManager) await kill(controllerManager)
      await kill(apiServer)
      await kill(etcd)
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Over a Unix socket: no port to choose, no certificates. The advertised addresses, of which etcd wants a port, are used by nobody. */
function etcdArguments(directory: string): string[] {
  const nobody = 'unix://nobody:0'
  return [
    ...['--name', 'node', '--data-dir', join(directory, 'etcd'), '--log-level', 'warn', '--unsafe-no-fsync'],
    ...['--listen-client-urls', etcdAddress(directory), '--advertise-client-urls', nobody],
    ...['--listen-peer-urls', `unix://${join(directory, 'peer.sock')}`, '--initial-advertise-peer-urls', nobody],
    ...['--initial-cluster', `node=${nobody}`],
  ]
}

function etcdAddress(directory: string): string {
  return `unix://${join(directory, 'etcd.sock')}`
}

function apiServerArguments(directory: string, port: number, { serviceAccounts }: { serviceAccounts: boolean }): string[] {
  const key = join(directory, 'service-account.key')
  return [
    ...['--etcd-servers', etcdAddress(directory)],
    ...['--bind-address', '127.0.0.1', '--advertise-address', '127.0.0.1', '--secure-port', String(port)],
    // The endpoint of the service "kubernetes" may not be a loopback address.
    ...['--endpoint-reconciler-type', 'none', '--service-cluster-ip-range', '10.0.0.0/16'],
    ...['--cert-dir', join(directory, 'certificates'), '--token-auth-file', join(directory, 'tokens.csv')],
    ...['--authorization-mode', 'RBAC', '--allow-privileged', '--profiling=false'],
    ...['--service-account-issuer', 'https://kubernetes.default.svc.cluster.local'],
    ...['--service-account-key-file', key, '--service-account-signing-key-file', key],
    // Without a controller manager no namespace has a default ServiceAccount, and no pod could be created.
    ...(serviceAccounts ? [] : ['--disable-admission-plugins', 'ServiceAccount']),
  ]
}

function controllerManagerArguments(directory: string, kubeconfig: string): string[] {
  return [
    ...['--kubeconfig', kubeconfig, '--leader-elect=false', '--secure-port', '0', '--use-service-account-credentials'],
    ...['--service-account-private-key-file', join(directory, 'service-account.key')],
    ...['--root-ca-file', join(directory, 'certificates/apiserver.crt')],
  ]
}

function startLogged(program: string, args: readonly string[], log: string): ChildProcess {
  const file = openSync(log, 'a')
  return startProcess(program, args, { stdio: ['ignore', file, file] })
}

/** Waits until /readyz answers 200, or one of the processes has ended. */
async function ready(about: Starting): Promise<void> {
  const deadline = performance.now() + 90_000
  while (!(await answersReady(about.port, about.token))) {
    const failed = failedProgram(about, deadline)
    if (failed) {
      await kill(about.apiServer)
      throw new Error(`${failed} did not come up; the end of its log:\n${await endOf(join(about.directory, `${failed}.log`))}`)
    }
    await delay(25)
  }
}

interface Starting {
  readonly apiServer: ChildProcess
  readonly etcd: ChildProcess
  readonly port: number
  readonly token: string
  readonly directory: string
}

function failedProgram({ apiServer, etcd }: Starting, deadline: number): 'etcd' | 'kube-apiserver' | undefined {
  if (hasExited(etcd)) return 'etcd'
  return hasExited(apiServer) || performance.now() > deadline ? 'kube-apiserver' : undefined
}

function answersReady(port: number, token: string): Promise<boolean> {
  return new Promise((resolve) => {
    // The certificate is written by the server that we wait for, and the connection goes nowhere but to loopback.
    const options = {
      host: '127.0.0.1',
      port,
      path: '/readyz',
      rejectUnauthorized: false,
      agent: false,
      timeout: 5000,
      headers: { authorization: `Bearer ${token}` },
    } as const
    const request = get(options, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(false))
  })
}

async function endOf(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.trimEnd().split('\n').slice(-15).join('\n')
}

function rsaKey(): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
}

/** A kubeconfig with one cluster and one user. `server` is a URL, `ca` PEM. */
export function kubeconfigText({ server, token, ca }: { server: string; token: string; ca: string }): string {
  return JSON.stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'sluice',
      clusters: [{ name: 'sluice', cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
      users: [{ name: 'sluice', user: { token } }],
      contexts: [{ name: 'sluice', context: { cluster: 'sluice', user: 'sluice' } }],
    },
    undefined,
    2,
  )
}
