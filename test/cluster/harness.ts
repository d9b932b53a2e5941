/**
 * What tests of the whole are written with: a namespace of a real cluster, real Git repositories, and Sluice as a process, so that
 * a test reads like a user's story.
 *
 * ```ts
 * await using cluster = await openCluster(inject('kubeconfig'), 'uc-01')
 * const sluice = await cluster.startSluice()
 * const apps = await cluster.repository('apps', { 'web.yaml': … })
 * await cluster.apply(cluster.gitRepository('apps'), cluster.kustomization('apps', { path: './' }))
 * await cluster.until('kustomization/apps', isReady())
 * ```
 */
import { randomBytes } from 'node:crypto'
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadAll } from 'js-yaml'
import { type GitServer, type GitServerOptions, startGitServer } from '../tools/git-server.ts'
import { type Kubectl, kubectlOf } from '../tools/kubectl.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { type Files, filesBelow, Repository } from '../tools/repository.ts'
import { type Sluice, type SluiceOptions, startSluice } from '../tools/sluice.ts'
import { type Claim, type Live, untilGone, untilObject } from '../tools/watch.ts'

export type { LogLine, Sluice } from '../tools/sluice.ts'
export { type Claim, conditionOf, hasCondition, isReady, type Live } from '../tools/watch.ts'

/** A manifest before it is applied. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

/** Objects with this label are worked on by the Sluice of one test only. */
const shardLabel = 'sluice.test/shard'

export interface ClusterOptions {
  /** For a control plane of one's own: Sluice then works on every object, in any namespace. */
  readonly whole?: boolean
  /** Of the Git server: credentials, TLS, faults. */
  readonly git?: Omit<GitServerOptions, 'root'>
}

/** Makes a namespace that begins with `name`, and a Git server. */
export async function openCluster(kubeconfig: string, name: string, options: ClusterOptions = {}): Promise<Cluster> {
  const namespace = `${name}-${randomBytes(3).toString('hex')}`
  const root = await temporaryDirectory('git')
  const git = await startGitServer({ root, ...options.git })
  const own = join(await temporaryDirectory('cluster'), 'kubeconfig')
  await copyFile(kubeconfig, own)
  const cluster = new Cluster({ kubeconfig: own, namespace, root, git, shard: options.whole ? undefined : namespace })
  await cluster.kubectl('config', 'set-context', '--current', '--namespace', namespace)
  await cluster.kubectl('create', 'namespace', namespace)
  return cluster
}

export class Cluster implements AsyncDisposable {
  /** Its namespace is the test's, so kubectl needs none. */
  readonly kubeconfig: string
  readonly namespace: string
  readonly git: GitServer
  readonly kubectl: Kubectl
  readonly #root: string
  readonly #shard: string | undefined
  readonly #resources = new AsyncDisposableStack()

  constructor(about: { kubeconfig: string; namespace: string; root: string; git: GitServer; shard: string | undefined }) {
    this.kubeconfig = about.kubeconfig
    this.namespace = about.namespace
    this.#root = about.root
    this.#shard = about.shard
    this.git = this.#resources.use(about.git)
    this.kubectl = kubectlOf(about.kubeconfig)
  }

  /** What the objects of this test have, and what objects that Sluice makes of them need: `spec.chart.metadata.labels`. */
  get labels(): Readonly<Record<string, string>> {
    return this.#shard === undefined ? {} : { [shardLabel]: this.#shard }
  }

  /** Starts Sluice for the objects of this test; it ends with the cluster at the latest. */
  async startSluice(options: Omit<SluiceOptions, 'kubeconfig'> & { kubeconfig?: string } = {}): Promise<Sluice> {
    const shard: Record<string, string> =
      this.#shard === undefined ? {} : { 'watch-label-selector': `${shardLabel}=${this.#shard}` }
    const flags = { ...shard, ...options.flags }
    return this.#resources.use(await startSluice({ kubeconfig: this.kubeconfig, ...options, flags }))
  }

  /** A new repository on the Git server with one commit. */
  async repository(name: string, files: Files): Promise<Repository> {
    const repository = await this.emptyRepository(name)
    await repository.commit(files, 'first commit')
    return repository
  }

  /** A new repository without a commit. */
  emptyRepository(name: string): Promise<Repository> {
    return Repository.create(this.#root, name)
  }

  /** A new repository with the files of a folder below test/fixtures. */
  async repositoryOf(fixture: string, name: string): Promise<Repository> {
    return this.repository(name, await fixtureFiles(fixture))
  }

  /** A GitRepository of a repository on this cluster's Git server, on branch main. */
  gitRepository(name: string, spec: Readonly<Record<string, unknown>> = {}): Manifest {
    return {
      apiVersion: 'source.toolkit.fluxcd.io/v1',
      kind: 'GitRepository',
      metadata: { name },
      spec: { url: this.git.url(name), ref: { branch: 'main' }, interval: '1m', ...spec },
    }
  }

  /** A Kustomization of the GitRepository of the same name, with prune. */
  kustomization(name: string, spec: Readonly<Record<string, unknown>> = {}): Manifest {
    return {
      apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
      kind: 'Kustomization',
      metadata: { name },
      spec: { sourceRef: { kind: 'GitRepository', name }, path: './', prune: true, interval: '5m', ...spec },
    }
  }

  /**
   * Applies manifests as a user does with kubectl: objects, or YAML in which `$NAMESPACE` and `$GIT` (the Git server's address) are
   * filled in. Flux objects get the label that gives them to this test's Sluice.
   */
  async apply(...manifests: (Manifest | string)[]): Promise<void> {
    const objects = manifests.flatMap((one) => (typeof one === 'string' ? this.#parse(one) : [one]))
    await this.kubectl.apply(objects.map((object) => this.#inShard(object)))
  }

  /** As `apply`, of a YAML file below test/fixtures. */
  async applyFixture(file: string): Promise<void> {
    await this.apply(await readFile(join(fixtures, file), 'utf8'))
  }

  /** Waits until the claim holds for an object such as `kustomization/apps`; returns it. */
  async until(ref: string, claim: Claim, options: { timeoutMs?: number; namespace?: string } = {}): Promise<Live> {
    const { namespace = this.namespace, timeoutMs } = options
    return untilObject(ref, { kubeconfig: this.kubeconfig, namespace }, claim, timeoutMs)
  }

  /** Waits until an object is not there (any more). */
  async untilGone(ref: string, { namespace = this.namespace } = {}): Promise<void> {
    await untilGone(ref, { kubeconfig: this.kubeconfig, namespace })
  }

  get(ref: string, { namespace = this.namespace } = {}): Promise<Live> {
    return this.kubectl.json<Live>('get', ref, '--namespace', namespace)
  }

  list(resource: string, { namespace = this.namespace } = {}): Promise<readonly Live[]> {
    return this.kubectl.json<{ items: Live[] }>('get', resource, '--namespace', namespace).then(({ items }) => items)
  }

  /** The messages and reasons of the Events on an object, oldest first. */
  async events(ref: string): Promise<readonly { reason: string; message: string; type: string }[]> {
    const output = await this.kubectl('events', '--for', ref, '--namespace', this.namespace, '-o', 'json')
    if (output === '') return [] // kubectl has words for none, on its other output
    return (JSON.parse(output) as { items: { reason: string; message: string; type: string }[] }).items
  }

  /** What `flux reconcile` does: asks for a run now and waits until it has happened. Returns the object after it. */
  async reconcile(ref: string, { namespace = this.namespace } = {}): Promise<Live> {
    const token = `${Date.now()}-${randomBytes(4).toString('hex')}`
    await this.kubectl('annotate', ref, '--namespace', namespace, '--overwrite', `reconcile.fluxcd.io/requestedAt=${token}`)
    const isHandled: Claim = (object) =>
      object.status?.lastHandledReconcileAt === token &&
      object.status.conditions?.some((condition) => condition.type === 'Ready' && condition.status !== 'Unknown') === true
    return this.until(ref, isHandled, { namespace })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync()
  }

  #parse(text: string): Manifest[] {
    const filled = text.replaceAll('$NAMESPACE', this.namespace).replaceAll('$GIT', this.git.address)
    return loadAll(filled).filter(isManifest)
  }

  #inShard(manifest: Manifest): Manifest {
    if (!manifest.apiVersion.includes('.toolkit.fluxcd.io/')) return manifest
    const labels = { ...manifest.metadata.labels, ...this.labels }
    return { ...manifest, metadata: { ...manifest.metadata, labels } }
  }
}

const fixtures = join(import.meta.dirname, '../fixtures')

/** The files of a folder below test/fixtures. */
export function fixtureFiles(folder: string): Promise<Record<string, Uint8Array>> {
  return filesBelow(join(fixtures, folder))
}

function isManifest(value: unknown): value is Manifest {
  return typeof value === 'object' && value !== null && 'kind' in value && 'metadata' in value
}
