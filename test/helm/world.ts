/** HelmReleases as the loop sees them, in the real runtime: an API server that is a map, and actions that do as a script says. */
import type { HelmChart } from '../../src/api/helmchart.ts'
import { type HelmRelease, type HelmReleaseSpec, helmReleaseKind } from '../../src/api/helmrelease.ts'
import { type Condition, conditionOf } from '../../src/api/meta.ts'
import { type Key, type KubeObject, keyOf, keyText, type ObjectRef } from '../../src/api/object.ts'
import type { OCIRepository } from '../../src/api/ocirepository.ts'
import { type ActionContext, ActionError, type Actions, type Desired, type ReleaseStorage } from '../../src/helm/action.ts'
import { helmReleaseLoop } from '../../src/helm/helmrelease.ts'
import { readHeads, readManifest } from '../../src/helm/manifest.ts'
import { chartTask, headsTask, manifestTask } from '../../src/helm/manifest-task.ts'
import { ApiError } from '../../src/kube/transport.ts'
import type { Metadata, Release, ReleaseStatus } from '../../src/lib/chart/index.ts'
import { ArtifactNotFound } from '../../src/runtime/artifacts.ts'
import type { Cause, Environment, EventDraft, Loop } from '../../src/runtime/reconcile.ts'
import { RemoteClusters } from '../../src/runtime/remote-clusters.ts'
import { Run, type RunEnd } from '../../src/runtime/run.ts'
import { ManualClock } from '../fakes/clock.ts'
import { strict } from '../fakes/remote-clusters.ts'

/** Objects in a map, with the indexes of the real store. */
class FakeInformer<T extends KubeObject> {
  readonly objects = new Map<string, T>()
  readonly kind: { readonly kind: string }
  readonly listeners = new Set<(event: object) => void>()
  readonly store = {
    get: (key: Key) => this.objects.get(keyText(key)),
    all: () => this.objects.values(),
    index: (_: string, keys: (object: T) => readonly string[]) => (value: string) =>
      [...this.objects.values()].filter((object) => keys(object).includes(value)),
  }

  constructor(kind: string) {
    this.kind = { kind }
  }

  put(object: T): T {
    const old = this.objects.get(keyText(keyOf(object)))
    this.objects.set(keyText(keyOf(object)), object)
    for (const listener of this.listeners) listener({ type: old ? 'updated' : 'added', object, old, initial: false })
    return object
  }

  subscribe(listener: (event: object) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  async synced(): Promise<void> {}
}

/** What the next actions of a name do; `undefined` and the end of the list: they succeed. */
export type Script = Partial<Record<keyof Actions, (string | undefined | ((context: ActionContext) => Promise<void>))[]>>

/** Releases in a map, one for each namespace and name. */
export class FakeStorage {
  readonly revisions = new Map<string, Release>()
  /** Ids of those that only this controller has written. */
  readonly ours = new Set<string>()
  failsUpdate: string | undefined
  reads = 0
  readonly #marks = new Map<Release, string>()

  #markOf(release: Release): string {
    const mark = this.#marks.get(release) ?? `mark ${this.#marks.size}`
    this.#marks.set(release, mark)
    return mark
  }

  in(namespace: string): ReleaseStorage {
    const key = (name: string, version: number) => `${namespace}/${name}.v${version}`
    const history = (name: string) =>
      [...this.revisions]
        .filter(([id]) => id.startsWith(`${namespace}/${name}.v`))
        .map(([, release]) => release)
        .toSorted((a, b) => b.version - a.version)
    return {
      revisions: async (name) =>
        history(name).map((release) => ({
          version: release.version,
          mark: this.#markOf(release),
          isOurs: this.ours.has(key(name, release.version)),
        })),
      history: async (name) => history(name),
      last: async (name) => history(name)[0],
      get: async (name, version) => {
        this.reads++
        return this.revisions.get(key(name, version))
      },
      create: async (release) => void this.revisions.set(key(release.name, release.version), release),
      update: async (release) => {
        if (this.failsUpdate !== undefined) throw new Error(this.failsUpdate)
        this.revisions.set(key(release.name, release.version), release)
      },
      delete: async (name, version) => void this.revisions.delete(key(name, version)),
    }
  }

  /** `v1 superseded, v2 deployed`. */
  get text(): string {
    const sorted = [...this.revisions.values()].toSorted((a, b) => a.version - b.version)
    return sorted.map(({ version, info }) => `v${version} ${info.status}`).join(', ')
  }
}

export const manifest = (name: string) =>
  `---\n# Source: shop/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n`

interface ReleaseAbout extends Partial<Omit<Release, 'chart'>> {
  readonly status?: ReleaseStatus
  readonly chart?: Partial<Metadata>
}

export function releaseOf(about: ReleaseAbout = {}): Release {
  const { status = 'deployed', chart, ...rest } = about
  return {
    name: 'web',
    namespace: 'shop',
    version: 1,
    config: new Map(),
    manifest: manifest('web'),
    hooks: [],
    info: { status, firstDeployed: '2026-01-01T00:00:00Z', lastDeployed: '2026-01-01T00:00:00Z' },
    ...rest,
    chart: {
      metadata: { name: 'shop', version: '1.0.0', apiVersion: 'v2', ...chart },
      templates: [],
      files: [],
      raw: [],
      values: new Map(),
      dependencies: [],
    },
  }
}

/** Actions that keep the history as Helm does, and fail when the script says so: with `!` in front before they store anything. */
class ScriptedActions implements Actions {
  readonly log: string[] = []
  readonly script: Script = {}

  async install(desired: Desired, context: ActionContext): Promise<Release> {
    return this.#release('install', desired, context)
  }

  async upgrade(desired: Desired, context: ActionContext): Promise<Release> {
    return this.#release('upgrade', desired, context)
  }

  async #release(action: 'install' | 'upgrade', { chart, values }: Desired, context: ActionContext): Promise<Release> {
    const last = await context.storage.last(context.release.name)
    const failure = await this.#begin(action, context)
    const next = releaseOf({
      ...context.release,
      version: (last?.version ?? 0) + 1,
      status: action === 'install' ? 'pending-install' : 'pending-upgrade',
      config: values,
      chart: chart.metadata,
      hooks: this.hooks,
    })
    await this.#create(next, context)
    if (failure !== undefined) {
      const release = await this.#update(next, 'failed', context)
      throw new ActionError(failure, { release })
    }
    if (last?.info.status === 'deployed') await this.#update(last, 'superseded', context)
    return this.#update(next, 'deployed', context)
  }

  hooks: Release['hooks'] = []

  async rollback(version: number, context: ActionContext): Promise<Release> {
    const failure = await this.#begin('rollback', context)
    const last = await context.storage.last(context.release.name)
    const target = await context.storage.get(context.release.name, version)
    if (!last || !target) throw new ActionError('no such revision')
    const next: Release = { ...target, version: last.version + 1, info: { ...target.info, status: 'pending-rollback' } }
    await this.#create(next, context)
    if (failure !== undefined) throw new ActionError(failure, { release: await this.#update(next, 'failed', context) })
    if (target.info.status === 'deployed') await this.#update(target, 'superseded', context)
    return this.#update(next, 'deployed', context)
  }

  async uninstall(context: ActionContext): Promise<Release | undefined> {
    const failure = await this.#begin('uninstall', context)
    const last = await context.storage.last(context.release.name)
    if (!last) return undefined
    if (failure !== undefined) throw new ActionError(failure, { release: await this.#update(last, 'uninstalling', context) })
    const gone = await this.#update(last, 'uninstalled', context)
    if (context.spec.uninstall?.keepHistory) return gone
    for (const { version } of await context.storage.history(context.release.name))
      await context.storage.delete(context.release.name, version)
    return undefined
  }

  async test(context: ActionContext): Promise<Release> {
    const failure = await this.#begin('test', context)
    const last = await context.storage.last(context.release.name)
    if (!last) throw new ActionError('no release')
    const phase = failure === undefined ? 'Succeeded' : 'Failed'
    const tested = { ...last, hooks: last.hooks.map((hook) => ({ ...hook, lastRun: { phase } as const })) }
    await context.storage.update(tested)
    context.observed(tested)
    if (failure !== undefined) throw new ActionError(failure, { release: tested })
    return tested
  }

  async #begin(action: keyof Actions, context: ActionContext): Promise<string | undefined> {
    this.log.push(action)
    context.log.info({}, `${action} of ${context.release.name} begins`)
    const scripted = this.script[action]?.shift()
    if (typeof scripted === 'function') {
      await scripted(context)
      return undefined
    }
    if (scripted?.startsWith('!')) throw new ActionError(scripted.slice(1))
    return scripted
  }

  async #create(release: Release, { storage, observed }: ActionContext): Promise<void> {
    await storage.create(release)
    observed(release)
  }

  async #update(release: Release, status: ReleaseStatus, { storage, observed }: ActionContext): Promise<Release> {
    const updated = { ...release, info: { ...release.info, status } }
    await storage.update(updated)
    observed(updated)
    return updated
  }
}

export class World {
  readonly clock = new ManualClock()
  readonly storage = new FakeStorage()
  readonly actions = new ScriptedActions()
  readonly releases = new FakeInformer<HelmRelease>('HelmRelease')
  readonly charts = new FakeInformer<HelmChart>('HelmChart')
  readonly repositories = new FakeInformer<OCIRepository>('OCIRepository')
  /** Metadata of labelled Secrets. */
  readonly configs = new FakeInformer<KubeObject>('Secret')
  readonly events: EventDraft[] = []
  /** ConfigMaps, Secrets and ServiceAccounts by `Kind/name`. */
  readonly objects = new Map<string, KubeObject>()
  readonly writes: string[] = []
  readonly identities: string[] = []
  readonly flags = {
    watchAllNamespaces: true,
    requeueDependencyMs: 30_000,
    httpRetry: 9,
    intervalJitterPercentage: 0,
    noCrossNamespaceRefs: false,
    featureGates: new Map<string, boolean>(),
    defaultServiceAccount: '',
    watchConfigsLabelSelector: '',
  }
  readonly loop: Loop<HelmRelease> = helmReleaseLoop({
    actions: this.actions,
    storageIn: (_, namespace) => this.storage.in(namespace),
    renderOf: () => ({ release: neverRendered, crds: neverRendered }),
    remoteClusters: new RemoteClusters(strict),
  })
  readonly #charts = new Map<string, Metadata>()
  #version = 1
  parked: ((signal: AbortSignal) => void) | undefined

  /** A HelmChart that is ready, with a chart of this version. */
  chart(version: string, about: Partial<HelmChart['status']> & { name?: string; chartName?: string } = {}): HelmChart {
    const { name = 'shop-web', chartName = 'shop', ...status } = about
    const digest = `sha256:${chartName}-${version}`
    this.#charts.set(digest, { name: chartName, version, apiVersion: 'v2', appVersion: '9' })
    const spec = { chart: chartName, interval: '1m', sourceRef: { kind: 'HelmRepository' as const, name: 'repo' } }
    return this.charts.put({
      apiVersion: 'source.toolkit.fluxcd.io/v1',
      kind: 'HelmChart',
      metadata: { namespace: 'shop', name, generation: 1 },
      spec,
      status: {
        observedGeneration: 1,
        artifact: { digest, revision: version, path: '', url: '', lastUpdateTime: '2026-01-01T00:00:00Z' },
        ...status,
      },
    })
  }

  /** An OCIRepository whose artifact has this revision and holds a chart of this version. */
  repository(revision: string, version: string): void {
    const digest = `sha256:file-of-${revision}`
    this.#charts.set(digest, { name: 'shop', version, apiVersion: 'v2' })
    this.repositories.put({
      apiVersion: 'source.toolkit.fluxcd.io/v1',
      kind: 'OCIRepository',
      metadata: { namespace: 'shop', name: 'repo', generation: 1 },
      spec: { url: 'oci://x', interval: '1m' },
      status: {
        observedGeneration: 1,
        artifact: { digest, revision, path: '', url: '', lastUpdateTime: '2026-01-01T00:00:00Z' },
      },
    })
  }

  /** The HelmRelease `shop/web`, or with another spec and another generation. */
  release(
    spec: Partial<HelmReleaseSpec> & { suspend?: boolean } = {},
    metadata: Partial<HelmRelease['metadata']> = {},
  ): HelmRelease {
    const name = metadata.name ?? 'web'
    const old = this.releases.objects.get(`shop/${name}`)
    const chartRef = { kind: 'HelmChart' as const, name: 'shop-web' }
    return this.releases.put({
      apiVersion: helmReleaseKind.apiVersion,
      kind: 'HelmRelease',
      metadata: {
        namespace: 'shop',
        name,
        uid: 'u',
        finalizers: ['finalizers.fluxcd.io'],
        ...old?.metadata,
        generation: (old?.metadata.generation ?? 0) + 1,
        resourceVersion: String(++this.#version),
        ...metadata,
      },
      spec: { interval: '10m', ...(!spec.chart && { chartRef }), ...spec },
      ...(old?.status && { status: old.status }),
    })
  }

  /** One run; the store then has the object as it was written. */
  async run(name = 'web', ...causes: Cause[]): Promise<RunEnd> {
    const hr = this.releases.objects.get(`shop/${name}`)
    if (!hr) throw new Error(`there is no HelmRelease ${name}`)
    const signal = new AbortController().signal
    const run = new Run(hr, new Set<Cause>(causes.length > 0 ? causes : ['interval']), {
      loop: this.loop,
      environment: this.environment(),
      recorder: { record: (_, __, draft) => this.events.push(draft) },
      signal,
      writable: signal,
      slot: { release() {}, async acquire() {} },
      isPreempted: () => false,
      written: (object) => this.releases.objects.set(keyText(keyOf(object)), object),
    })
    this.interrupt = (cause) => run.interrupt(cause)
    return await run.execute()
  }

  /** Tells the run that waits that something happened to its object. */
  interrupt: (cause: Cause) => void = () => {}

  get hr(): HelmRelease {
    const hr = this.releases.objects.get('shop/web')
    if (!hr) throw new Error('there is no HelmRelease shop/web')
    return hr
  }

  condition(type: string): Condition | undefined {
    return conditionOf(this.hr, type)
  }

  /** `Ready=False InstallFailed, Reconciling=True Progressing`. */
  get conditions(): string {
    return (this.hr.status?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`).join(', ')
  }

  /** `v2 deployed upgrade, v1 superseded install`. */
  get history(): string {
    return (this.hr.status?.history ?? [])
      .map(({ version, status, action }) => `v${version} ${status}${action ? ` ${action}` : ''}`)
      .join(', ')
  }

  environment(): Environment {
    const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log }
    const informers = new Map<string, unknown>([
      ['HelmRelease', this.releases],
      ['HelmChart', this.charts],
      ['OCIRepository', this.repositories],
      ['Secret', this.configs],
      ['ConfigMap', new FakeInformer<KubeObject>('ConfigMap')],
    ])
    const fake = {
      client: this.client(),
      informers: { get: ({ kind }: { kind: string }) => informers.get(kind) },
      artifacts: {
        borrow: async ({ digest }: { digest: string }) => {
          if (!this.#charts.has(digest)) throw new ArtifactNotFound(digest)
          return { file: digest, async [Symbol.asyncDispose]() {} }
        },
      },
      workers: {
        run: async (task: { name: string }, input: { file: string; manifest: string }) => {
          if (task.name === chartTask.name) return { metadata: this.#charts.get(input.file), crds: [] }
          if (task.name === headsTask.name) return readHeads(input)
          if (task.name === manifestTask.name) return readManifest(input)
          throw new Error(`unknown task ${task.name}`)
        },
      },
      clock: this.clock,
      log,
      flags: this.flags,
      metrics: { panicked() {} },
    }
    return fake as unknown as Environment
  }

  client(): object {
    return {
      discovery: { mapping: async ({ kind }: { kind: string }) => ({ namespaced: kind !== 'ClusterRole' }) },
      as: ({ user }: { user: string }) => {
        this.identities.push(user)
        return this.client()
      },
      find: async ({ kind, name }: ObjectRef) => this.objects.get(`${kind}/${name}`),
      get: async ({ kind, name }: ObjectRef) => {
        const found = this.objects.get(`${kind}/${name}`)
        if (!found) throw new ApiError(`${kind} "${name}" not found`, { status: 404, reason: 'NotFound' })
        return found
      },
      mergePatch: async (ref: ObjectRef, patch: object) => {
        const old = this.releases.objects.get(keyText({ namespace: ref.namespace ?? '', name: ref.name }))
        if (!old) throw new ApiError('gone', { status: 404, reason: 'NotFound' })
        const merged = merge(old, patch) as HelmRelease
        const written = { ...merged, metadata: { ...merged.metadata, resourceVersion: String(++this.#version) } }
        this.releases.put(written)
        return written
      },
      apply: async (object: KubeObject) => {
        this.writes.push(`apply ${object.kind}/${object.metadata.namespace}/${object.metadata.name}`)
        const old = this.charts.objects.get(keyText(keyOf(object)))
        const metadata = { ...object.metadata, generation: 1, resourceVersion: String(++this.#version) }
        return this.charts.put({ ...(old?.status && { status: old.status }), ...object, metadata } as unknown as HelmChart)
      },
      delete: async (ref: ObjectRef) => {
        this.writes.push(`delete ${ref.kind}/${ref.namespace}/${ref.name}`)
        this.charts.objects.delete(keyText({ namespace: ref.namespace ?? '', name: ref.name }))
      },
    }
  }
}

async function neverRendered(): Promise<never> {
  throw new Error('scripted actions do not render')
}

/** RFC 7396. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const merged = new Map(Object.entries(typeof target === 'object' && target !== null ? target : {}))
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key)
    else merged.set(key, merge(merged.get(key), value))
  }
  return Object.fromEntries(merged)
}
