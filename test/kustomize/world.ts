/** What a run of the Kustomization loop sees, by hand: a source with files, an applier that remembers, a context that records. */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { GitRepository } from '../../src/api/gitrepository.ts'
import type { Kustomization, KustomizationStatus } from '../../src/api/kustomization.ts'
import { displayName, type Key, type KubeObject, keyOf, keyText, type ObjectRef } from '../../src/api/object.ts'
import type { Applier, ApplyOptions, Change, HealthOptions, InventoryEntry, Manifests } from '../../src/kube/applier.ts'
import { ApplyError } from '../../src/kube/applier.ts'
import type { Client } from '../../src/kube/client.ts'
import { entryOf, refOfEntry } from '../../src/kube/inventory.ts'
import { Appliers } from '../../src/kustomize/appliers.ts'
import { buildManifests } from '../../src/kustomize/build.ts'
import { kustomizationLoop } from '../../src/kustomize/kustomization.ts'
import type { UnpackedArtifact } from '../../src/runtime/artifacts.ts'
import { ArtifactNotFound } from '../../src/runtime/artifacts.ts'
import type { Cause, ConditionState, Context, EventDraft, Loop, Outcome } from '../../src/runtime/reconcile.ts'
import { RemoteClusters } from '../../src/runtime/remote-clusters.ts'
import { ManualClock } from '../fakes/clock.ts'
import { strict } from '../fakes/remote-clusters.ts'
import { temporaryDirectory } from '../tools/processes.ts'

/** Objects in a map, with the indexes of the real store. */
export class FakeInformer<T extends KubeObject> {
  readonly objects = new Map<string, T>()
  readonly listeners = new Set<(event: object) => void>()
  readonly store = {
    get: (key: Key) => this.objects.get(keyText(key)),
    all: () => this.objects.values(),
    index: (_: string, keys: (object: T) => readonly string[]) => (value: string) =>
      [...this.objects.values()].filter((object) => keys(object).includes(value)),
  }

  put(object: T): void {
    const old = this.objects.get(keyText(keyOf(object)))
    this.objects.set(keyText(keyOf(object)), object)
    for (const listener of this.listeners) listener({ type: old ? 'updated' : 'added', object, old, initial: false })
  }

  subscribe(listener: (event: object) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  async synced(): Promise<void> {}
}

/** A cluster of names: who owns each object, and what is refused. */
export class FakeApplier implements Applier {
  /** Inventory id → owner. */
  readonly owners = new Map<string, string>()
  readonly log: string[] = []
  refuseApply: string | undefined
  readonly refuseDelete = new Set<string>()
  health: (options: HealthOptions) => Promise<void> = async () => {}

  async inventory({ items }: Manifests): Promise<readonly InventoryEntry[]> {
    return items.map(({ ref }) => entryOf(ref))
  }

  async apply(manifests: Manifests, { owner, beforeWrite }: ApplyOptions): Promise<readonly Change[]> {
    await beforeWrite?.(await this.inventory(manifests))
    this.log.push(`apply ${keyText(owner)}`)
    const changes: Change[] = []
    for (const { ref } of manifests.items) {
      if (this.refuseApply === ref.name) throw new ApplyError(`${ref.kind}/${ref.name} dry-run failed (Invalid)`, ref, changes)
      const { id } = entryOf(ref)
      changes.push({
        ref,
        action: !this.owners.has(id) ? 'created' : this.owners.get(id) === keyText(owner) ? 'unchanged' : 'configured',
      })
      this.owners.set(id, keyText(owner))
    }
    if (changes.some(({ action }) => action !== 'unchanged')) await manifests.load()
    return changes
  }

  async prune(entries: readonly InventoryEntry[], { owner }: { owner: Key }) {
    const own = entries.filter(({ id }) => this.owners.get(id) === keyText(owner))
    const accepted = own.filter(({ id }) => !this.refuseDelete.has(refOfEntry({ id, v: 'v1' }).name))
    this.log.push(`prune ${accepted.map((entry) => refOfEntry(entry).name).join(' ')}`.trim())
    for (const { id } of accepted) this.owners.delete(id)
    return {
      changes: accepted.map((entry): Change => ({ ref: refOfEntry(entry), action: 'deleted' })),
      survivors: own
        .filter((entry) => !accepted.includes(entry))
        .map((entry) => ({ entry, reason: `${displayName(refOfEntry(entry))} delete failed: denied` })),
    }
  }

  async terminated(): Promise<void> {
    this.log.push('wait for termination')
  }

  async healthy(_: unknown, options: HealthOptions): Promise<void> {
    this.log.push('wait for health')
    await this.health(options)
  }

  onDrift(): () => void {
    return () => {}
  }

  forget(): void {}

  async close(): Promise<void> {}

  live(ref: ObjectRef): KubeObject | undefined {
    const [namespace, name] = this.owners.get(entryOf(ref).id)?.split('/') ?? []
    if (namespace === undefined || name === undefined) return undefined
    const group = 'kustomize.toolkit.fluxcd.io'
    return { ...ref, metadata: { name: ref.name, labels: { [`${group}/name`]: name, [`${group}/namespace`]: namespace } } }
  }

  names(): string[] {
    return [...this.owners.keys()].map((id) => refOfEntry({ id, v: 'v1' }).name).toSorted()
  }
}

export class World {
  readonly clock = new ManualClock()
  readonly applier = new FakeApplier()
  readonly client = { find: async (ref: ObjectRef) => this.applier.live(ref) }
  readonly builds: string[] = []
  readonly loop: Loop<Kustomization> = kustomizationLoop({
    appliers: new Appliers(this.client as unknown as Client, () => this.applier),
    remoteClusters: new RemoteClusters(strict),
    onBuild: ({ name }) => this.builds.push(name),
  })
  readonly kustomizations = new FakeInformer<Kustomization>()
  readonly sources = new FakeInformer<GitRepository>()
  readonly flags = {
    watchAllNamespaces: true,
    requeueDependencyMs: 30_000,
    httpRetry: 9,
    noCrossNamespaceRefs: false,
    noRemoteBases: false,
    defaultServiceAccount: '',
    featureGates: new Map<string, boolean>(),
    watchConfigsLabelSelector: 'reconcile.fluxcd.io/watch=Enabled',
  }
  /** What every download fails with. */
  outage: Error | undefined
  readonly #artifacts = new Map<string, UnpackedArtifact>()

  /** Makes the source's artifact from files. */
  async commit(revision: string, files: Record<string, string>): Promise<void> {
    const directory = await temporaryDirectory('world')
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(directory, path)), { recursive: true })
      await writeFile(join(directory, path), text)
    }
    const hashes = Object.entries(files).map(([path, text]) => [path, createHash('sha256').update(text).digest('hex')] as const)
    const digest = `sha256:${createHash('sha256').update(revision).digest('hex')}`
    this.#artifacts.set(digest, { digest, directory, files: new Map(hashes) })
    const artifact = { digest, revision, path: '', url: '', lastUpdateTime: '2026-01-01T00:00:00Z' }
    this.sources.put({
      apiVersion: 'source.toolkit.fluxcd.io/v1',
      kind: 'GitRepository',
      metadata: { name: 'repo', namespace: 'flux' },
      spec: { url: '', interval: '1m' },
      status: { artifact },
    })
  }

  /** One run; what it recorded and how it ended. The store then has the new status. */
  async run(name: string, ...causes: Cause[]): Promise<RecordedRun> {
    const ks = this.kustomizations.objects.get(name.includes('/') ? name : `flux/${name}`)
    if (!ks) throw new Error(`there is no Kustomization ${name}`)
    const run = new RecordedRun(ks, this.applier.log)
    try {
      run.outcome = await this.loop.reconcile(ks, this.context(ks, run, causes))
      run.set({ ...run.outcome.status, observedGeneration: ks.metadata.generation })
      run.condition('Ready', { status: 'True', ...run.outcome.ready })
    } catch (error) {
      run.error = error as Error & { reason?: string; retryMs?: number }
      run.condition('Ready', { status: 'False', reason: run.error.reason ?? '', message: run.error.message })
    }
    this.kustomizations.put({ ...ks, status: run.status() })
    return run
  }

  context(ks: Kustomization, run: RecordedRun, causes: readonly Cause[] = ['interval']): Context<Kustomization> {
    const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log }
    const fake = {
      client: this.client,
      informers: { get: ({ kind }: { kind: string }) => (kind === 'Kustomization' ? this.kustomizations : this.sources) },
      artifacts: {
        open: async ({ digest }: { digest: string }) => {
          if (this.outage) throw this.outage
          const unpacked = this.#artifacts.get(digest)
          if (!unpacked) throw new ArtifactNotFound(digest)
          return unpacked
        },
      },
      workers: {
        run: (_: unknown, input: Parameters<typeof buildManifests>[0]) =>
          buildManifests(structuredClone(input), { signal: new AbortController().signal }),
      },
      clock: this.clock,
      log,
      flags: this.flags,
      metrics: { applyStatus: (_: Key, status: string) => run.applyStatus.push(status) },
      key: keyOf(ks),
      causes: new Set(causes),
      signal: new AbortController().signal,
      startedAt: this.clock.now(),
      progress: (message: string) => run.progress.push(message),
      set: (status: object) => run.set(status),
      record: async (status: object) => run.record(status),
      condition: (type: string, state: ConditionState | undefined) => run.condition(type, state),
      event: (event: EventDraft) => run.events.push(event),
      parked: <R>(wait: (signal: AbortSignal) => Promise<R>) => wait(new AbortController().signal),
    }
    return fake as unknown as Context<Kustomization>
  }
}

export class RecordedRun {
  readonly progress: string[] = []
  readonly events: EventDraft[] = []
  readonly applyStatus: string[] = []
  outcome: Outcome<Kustomization> | undefined
  error: (Error & { reason?: string; retryMs?: number }) | undefined
  readonly #fields: Record<string, unknown>
  readonly #conditions: Map<string, ConditionState>
  readonly #log: string[]

  constructor(ks: Kustomization, log: string[]) {
    this.#fields = { ...ks.status }
    this.#conditions = new Map(ks.status?.conditions?.map((condition) => [condition.type, condition]))
    this.#log = log
  }

  set(status: object): void {
    Object.assign(this.#fields, status)
  }

  record(status: object): void {
    this.set(status)
    this.#log.push(`record ${this.inventory().join(' ')}`.trim())
  }

  condition(type: string, state: ConditionState | undefined): void {
    if (state) this.#conditions.set(type, state)
    else this.#conditions.delete(type)
  }

  conditionOf(type: string): ConditionState | undefined {
    return this.#conditions.get(type)
  }

  status(): KustomizationStatus {
    const conditions = [...this.#conditions].map(([type, state]) => ({
      type,
      lastTransitionTime: '2026-01-01T00:00:00Z',
      ...state,
    }))
    return { ...this.#fields, conditions } as KustomizationStatus
  }

  inventory(): string[] {
    const { entries = [] } = (this.#fields.inventory ?? {}) as { entries?: InventoryEntry[] }
    return entries.map((entry) => refOfEntry(entry).name).toSorted()
  }
}
