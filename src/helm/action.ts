/**
 * The contract between a HelmRelease's loop, which decides, and its actions, which do: install, upgrade, rollback, uninstall and test of
 * Helm releases. An action writes the release's history as Helm does; each write is told, so that the loop's snapshots never lag behind.
 */
import type { HelmReleaseSpec } from '../api/helmrelease.ts'
import type { Key, KubeObject } from '../api/object.ts'
import type { Clock } from '../kube/applier.ts'
import type { Client } from '../kube/client.ts'
import type { Health } from '../kube/health.ts'
import type { Hook, Metadata, Release } from '../lib/chart/index.ts'
import type { Dict } from '../lib/gotemplate/value.ts'
import type { Logger } from '../runtime/log.ts'

/** A chart as an artifact on disk; worker threads load it once for each digest. */
export interface ChartFile {
  readonly file: string
  /** `sha256:<hex>` of the file. */
  readonly digest: string
  /** Of its Chart.yaml; the version already carries the build metadata of an OCI digest. */
  readonly metadata: Metadata
}

/** What is wanted: this chart with these values. */
export interface Desired {
  readonly chart: ChartFile
  /** As composed: what Helm stores as the release's config. */
  readonly values: Dict
}

/** One stored revision. */
export interface RevisionMark {
  readonly version: number
  /** Another one whenever the revision is stored again. */
  readonly mark: string
  /** Nothing but this controller has ever written it. */
  readonly isOurs: boolean
}

/** Releases of one namespace, by name. Every method throws ApiError for what the API server refuses. */
export interface ReleaseStorage {
  /** Which revisions there are, newest first, without reading them. */
  revisions(name: string): Promise<readonly RevisionMark[]>
  /** All revisions, newest first. */
  history(name: string): Promise<readonly Release[]>
  /** The newest revision. */
  last(name: string): Promise<Release | undefined>
  get(name: string, version: number): Promise<Release | undefined>
  create(release: Release): Promise<void>
  update(release: Release): Promise<void>
  delete(name: string, version: number): Promise<void>
}

/** What an action may use. */
export interface ActionContext {
  /** Acts with the release's identity, in the release's cluster. */
  readonly client: Client
  readonly storage: ReleaseStorage
  /** The release's name, and the namespace that it is installed in. */
  readonly release: { readonly name: string; readonly namespace: string }
  /** The HelmRelease: its name and namespace are labels of everything that is applied. */
  readonly owner: Key
  readonly spec: HelmReleaseSpec
  readonly clock: Clock
  readonly log: Logger
  /** Ends the action: what it has begun is recorded as failed where that can still be written. */
  readonly signal: AbortSignal
  /** Decides about health in place of the kstatus rules where it returns something (`healthCheckExprs`). */
  readonly healthRule?: (object: KubeObject) => Health | undefined
  /** Renders in a worker thread: see render-task.ts. */
  readonly render: Render
  /** The objects of a manifest, read in a worker thread. */
  objectsOf(manifest: string): Promise<readonly KubeObject[]>
  /** Waits without holding a worker of the queue; the signal is also aborted when anything happens to the HelmRelease. */
  parked<R>(wait: (signal: AbortSignal) => Promise<R>): Promise<R>
  /** Told of each revision right after it was stored. */
  observed(release: Release): void
}

export interface RenderRequest {
  readonly desired: Desired
  readonly revision: number
  readonly isUpgrade: boolean
  readonly skipSchemaValidation: boolean
  /** In place of the values that the chart brings. */
  readonly chartValues?: Dict
}

/** What rendering a release gives, after post-renderers and common metadata. */
export interface RenderedRelease {
  /** The text that Helm stores: documents with their `# Source:` lines, in install order. */
  readonly manifest: string
  readonly hooks: readonly Hook[]
  readonly notes: string
  readonly warnings: readonly string[]
  /** Its dependencies are processed: what Helm stores as the release's chart. */
  readonly chart: Release['chart']
}

/** Both throw Error with Helm's text. */
export interface Render {
  release(request: RenderRequest): Promise<RenderedRelease>
  /** Every document of the crds/ folders: these are applied before anything is rendered, for templates may look at them. */
  crds(desired: Desired): Promise<readonly KubeObject[]>
}

/**
 * An action failed. `release` is the revision that it left in storage; absent when it never got that far: then it does not count
 * as a failure of the release.
 */
export class ActionError extends Error {
  override readonly name = 'ActionError'
  readonly release: Release | undefined
  constructor(message: string, options: ErrorOptions & { readonly release?: Release | undefined } = {}) {
    super(message, options)
    this.release = options.release
  }
}

/**
 * Each returns the newest revision as it is stored at the end.
 * @throws ActionError; the signal's reason when it is aborted before anything was done.
 */
export interface Actions {
  /** `spec.install`. */
  install(desired: Desired, context: ActionContext): Promise<Release>
  /** `spec.upgrade`; takes over a release that something else made. */
  upgrade(desired: Desired, context: ActionContext): Promise<Release>
  /** `spec.rollback`, to a revision. */
  rollback(version: number, context: ActionContext): Promise<Release>
  /** `spec.uninstall`. Undefined when there is no such release, or its history is gone with it. */
  uninstall(context: ActionContext): Promise<Release | undefined>
  /** `spec.test`: runs the test hooks of the newest revision, each noted in it. */
  test(context: ActionContext): Promise<Release>
}
