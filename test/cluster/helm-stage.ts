/** Actions on Helm releases without their loop: a real API server, the real worker, and the real helm beside them. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { HelmRelease, HelmReleaseSpec } from '../../src/api/helmrelease.ts'
import type { KubeObject } from '../../src/api/object.ts'
import { type ActionContext, ActionError, type Desired } from '../../src/helm/action.ts'
import { manifestTask } from '../../src/helm/manifest-task.ts'
import { type RenderParts, renderOf } from '../../src/helm/render.ts'
import { releaseStorage } from '../../src/helm/storage.ts'
import type { Client } from '../../src/kube/client.ts'
import { connect } from '../../src/kube/connect.ts'
import { loadChart, type Release } from '../../src/lib/chart/index.ts'
import { jsonToValue } from '../../src/lib/gotemplate/gojson.ts'
import type { Dict } from '../../src/lib/gotemplate/value.ts'
import type { Json } from '../../src/lib/json.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/log.ts'
import { WorkerPool } from '../../src/runtime/workers.ts'
import { run, temporaryDirectory } from '../tools/processes.ts'
import { findTool } from '../tools/tools.ts'
import { type Cluster, openCluster } from './harness.ts'

export type Files = Readonly<Record<string, string>>

export const configMap = (name: string, data: string, annotations = '') =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n${annotations}data:\n  v: ${data}\n`

/** A chart whose ConfigMap shows the value `size`. */
export const shop: Files = {
  'Chart.yaml': 'apiVersion: v2\nname: shop\nversion: 1.0.0\nappVersion: "7"\n',
  'values.yaml': 'size: 1000000\n',
  'templates/cm.yaml': configMap('{{ .Release.Name }}', '"{{ .Values.size }} of {{ .Release.Revision }}"'),
  'templates/NOTES.txt': 'Hello {{ .Release.Name }}\n',
}

export const hookAnnotations = (event: string, more = '') => `  annotations:\n    helm.sh/hook: ${event}\n${more}`

export const podHook = (name: string, event: string, more = '') =>
  `apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}\n${hookAnnotations(event, more)}spec:\n  restartPolicy: Never\n  automountServiceAccountToken: false\n  containers: [{name: main, image: none}]\n`

/** Nobody binds it. */
export const claim =
  'apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: disk}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n'

export interface Scene {
  readonly context: ActionContext
  /** Each revision as it was stored. */
  readonly stored: Release[]
}

/** In place of what is real. */
export interface Given extends Partial<ActionContext>, Pick<RenderParts, 'resolveHost'> {}

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }

export class Stage implements AsyncDisposable {
  readonly cluster: Cluster
  readonly client: Client
  readonly #workers = new WorkerPool(new URL('../../src/worker.ts', import.meta.url), { size: 1 })

  static async open(kubeconfig: string, name: string): Promise<Stage> {
    const cluster = await openCluster(kubeconfig, name)
    return new Stage(cluster, await connect({ kubeconfig: cluster.kubeconfig }))
  }

  private constructor(cluster: Cluster, client: Client) {
    this.cluster = cluster
    this.client = client
  }

  /** What an action on the release of this name is given. */
  scene(name: string, spec: Partial<HelmReleaseSpec> = {}, given: Given = {}): Scene {
    const { resolveHost, ...more } = given
    const { namespace } = this.cluster
    const workers = this.#workers
    const whole = { interval: '1m', releaseName: name, timeout: '30s', ...spec } as HelmReleaseSpec
    const hr = { metadata: { name, namespace }, spec: whole } as HelmRelease
    const { signal } = new AbortController()
    const stored: Release[] = []
    const client = more.client ?? this.client
    const context: ActionContext = {
      client,
      storage: releaseStorage(client, namespace),
      release: { name, namespace: spec.targetNamespace ?? namespace },
      owner: { namespace, name },
      spec: whole,
      clock: systemClock,
      log: silent,
      signal,
      render: renderOf(hr, { client, workers, signal, ...(resolveHost && { resolveHost }) }),
      objectsOf: (manifest) => workers.run(manifestTask, { manifest }),
      parked: (wait) => wait(signal),
      observed: (release) => void stored.push(release),
      ...more,
    }
    return { context, stored }
  }

  /** A package of these files, made by the real helm, and its folder. */
  async chart(files: Files, values: Json = {}): Promise<Desired & { readonly folder: string }> {
    const folder = join(await temporaryDirectory('chart'), 'chart')
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
    const packages = await temporaryDirectory('package')
    const said = await this.helm('package', folder, '--destination', packages)
    const file = /saved it to: (.+)/.exec(said)?.[1] ?? ''
    const archive = await readFile(file)
    const digest = `sha256:${createHash('sha256').update(archive).digest('hex')}`
    const { metadata } = loadChart({ archive })
    return { folder, chart: { file, digest, metadata }, values: jsonToValue(values) as Dict }
  }

  async helm(...args: string[]): Promise<string> {
    const binary = await findTool('helm', () => {})
    const env = { ...process.env, TZ: 'UTC' }
    return run(binary, [...args, '--kubeconfig', this.cluster.kubeconfig, '--namespace', this.cluster.namespace], { env })
  }

  async helmJson(...args: string[]): Promise<unknown> {
    return JSON.parse(await this.helm(...args, '-o', 'json'))
  }

  /** Removes the releases that a test has left. */
  async clear(): Promise<void> {
    const names = (await this.helm('list', '--short')).split('\n').filter(Boolean)
    for (const name of names) await this.helm('uninstall', name, '--no-hooks')
  }

  /** What the ConfigMap of this name holds; undefined where there is none. */
  async shownBy(name: string): Promise<unknown> {
    const ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace: this.cluster.namespace, name }
    return (await this.client.find<KubeObject & { data: { v: string } }>(ref))?.data.v
  }

  /** Ends a pod as its node would. */
  async endPod(name: string, phase: 'Succeeded' | 'Failed'): Promise<void> {
    await this.cluster.until(`pod/${name}`, () => true)
    const terminated = { exitCode: phase === 'Failed' ? 3 : 0, reason: phase === 'Failed' ? 'Error' : 'Completed' }
    const status = {
      phase,
      containerStatuses: [{ name: 'main', image: 'none', imageID: '', ready: false, restartCount: 0, state: { terminated } }],
    }
    await this.setStatus({ apiVersion: 'v1', kind: 'Pod', name }, status)
  }

  /** As a controller or a node writes it. */
  async setStatus(
    ref: { readonly apiVersion: string; readonly kind: string; readonly name: string },
    status: object,
  ): Promise<void> {
    const { namespace } = this.cluster
    await this.client.mergePatch({ ...ref, namespace }, { status }, { fieldManager: 'kubelet', subresource: 'status' })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workers.close()
    await this.client[Symbol.asyncDispose]()
    await this.cluster[Symbol.asyncDispose]()
  }
}

/** Status, and description, of each revision as it was stored. */
export function told(stored: readonly Release[]): string[] {
  return stored.map(({ version, info }) => `v${version} ${info.status}: ${info.description}`)
}

export async function failureOf(action: Promise<unknown>): Promise<ActionError> {
  const error = await action.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ActionError)) throw error ?? new Error('it did not fail')
  return error
}

/** As `failureOf`, while somebody does what the action waits for; an action that fails before that is not waited for in vain. */
export async function failureDuring(action: Promise<unknown>, deed: Promise<unknown>): Promise<ActionError> {
  const failure = failureOf(action)
  await Promise.race([failure, deed])
  deed.catch(() => {})
  return failure
}
