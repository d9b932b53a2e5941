/** What the steps of the end-to-end test work with. */
import type { Kubectl } from '../test/tools/kubectl.ts'
import type { Files } from '../test/tools/repository.ts'
import type { Tool } from '../test/tools/tools.ts'
import { type Claim, isReady, type Live, untilObject } from '../test/tools/watch.ts'
import type { Cluster, Images } from './cluster.ts'
import type { GitService, PushedRepository } from './git.ts'

export const fluxNamespace = 'flux-system'

/** One user story. */
export interface Step {
  /** What holds if it passes; with the ids of scenarios and features it shows. */
  readonly title: string
  /** Whether the short form (`--smoke`) has it too. */
  readonly smoke?: boolean
  /** Programs that it runs. Building one, the first time, takes minutes that are not the step's. */
  readonly tools?: readonly Tool[]
  /** Rejects when the story does not hold; `Skipped` where it cannot be told here. */
  run(stage: Stage): Promise<void>
}

/** Thrown by a step that this cluster is not made for; the message says why. */
export class Skipped extends Error {
  override readonly name = 'Skipped'
}

export class Stage {
  readonly cluster: Cluster
  readonly images: Images
  readonly git: GitService
  /** Prints what a step has seen. */
  readonly note: (line: string) => void

  constructor(about: { cluster: Cluster; images: Images; git: GitService; note: (line: string) => void }) {
    this.cluster = about.cluster
    this.images = about.images
    this.git = about.git
    this.note = about.note
  }

  get kubectl(): Kubectl {
    return this.cluster.kubectl
  }

  /** Makes a namespace that is deleted after the test. */
  async namespace(name: string): Promise<void> {
    await this.kubectl.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { 'sluice.dev/e2e': 'true' } } })
  }

  /**
   * Makes a namespace `<name>`, a Git repository `<name>` with these files, and a GitRepository and a Kustomization `<name>` in flux-system that
   * deliver them there.
   */
  async deliver(name: string, files: Files, spec: object = {}): Promise<Delivery> {
    await this.namespace(name)
    const repository = await this.git.create(name)
    const commit = await repository.commit(files, 'Begin')
    const metadata = { name, namespace: fluxNamespace }
    const sourceRef = { kind: 'GitRepository', name }
    await this.kubectl.apply([
      {
        apiVersion: 'source.toolkit.fluxcd.io/v1',
        kind: 'GitRepository',
        metadata,
        spec: { url: repository.url, ref: { branch: 'main' }, interval: '1h' },
      },
      {
        apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
        kind: 'Kustomization',
        metadata,
        spec: { sourceRef, interval: '1h', path: './', prune: true, targetNamespace: name, timeout: '2m', ...spec },
      },
    ])
    return new Delivery(this, name, repository, commit)
  }

  /** Waits for an object, `kustomization/apps`, in flux-system or another namespace. */
  until(ref: string, claim: Claim, { namespace = fluxNamespace, timeoutMs = 120_000 } = {}): Promise<Live> {
    return untilObject(ref, { kubeconfig: this.cluster.kubeconfig, namespace }, claim, timeoutMs)
  }

  /** Asks for a run at once, as `flux reconcile` does. */
  async reconcile(ref: string, namespace = fluxNamespace): Promise<void> {
    const request = `reconcile.fluxcd.io/requestedAt=${new Date().toISOString()}`
    await this.kubectl('annotate', '--overwrite', '--namespace', namespace, ref, request)
  }
}

/** A repository and what delivers it. */
export class Delivery {
  readonly name: string
  readonly #stage: Stage
  readonly #repository: PushedRepository
  /** The last commit that was pushed. */
  #head: string

  constructor(stage: Stage, name: string, repository: PushedRepository, head: string) {
    this.#stage = stage
    this.name = name
    this.#repository = repository
    this.#head = head
  }

  /** Commits, pushes and asks for the source to be looked at. */
  async push(files: Files, message: string): Promise<string> {
    await this.commit(files, message)
    await this.#stage.reconcile(`gitrepository/${this.name}`)
    return this.#head
  }

  /** Commits and pushes; the source is looked at when its interval is over, in an hour. */
  async commit(files: Files, message: string): Promise<string> {
    this.#head = await this.#repository.commit(files, message)
    return this.#head
  }

  /** Waits until the Kustomization is ready with the last commit. */
  ready(timeoutMs?: number): Promise<Live> {
    return this.until(isReady(this.#head), timeoutMs)
  }

  until(claim: Claim, timeoutMs = 120_000): Promise<Live> {
    return this.#stage.until(`kustomization/${this.name}`, claim, { timeoutMs })
  }

  /** Deletes the Kustomization, and with it what it has made; then the source and the namespace. */
  async remove(): Promise<void> {
    const { kubectl } = this.#stage
    await kubectl(
      'delete',
      'kustomization.kustomize.toolkit.fluxcd.io',
      this.name,
      '--namespace',
      fluxNamespace,
      '--timeout',
      '120s',
    )
    await kubectl('delete', 'gitrepository', this.name, '--namespace', fluxNamespace, '--timeout', '60s')
    await kubectl('delete', 'namespace', this.name, '--wait=false')
  }
}
