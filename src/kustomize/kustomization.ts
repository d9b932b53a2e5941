/** Kustomization: keeps the cluster equal to the manifests that its source builds. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Kustomization, kustomizationKind } from '../api/kustomization.ts'
import { type Key, keyOf } from '../api/object.ts'
import { ApplyError, type HealthOptions, type InventoryEntry } from '../kube/applier.ts'
import { type Change, changeLog } from '../kube/changes.ts'
import { formatDuration, parseDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import type { UnpackedArtifact } from '../runtime/artifacts.ts'
import { Downloads } from '../runtime/downloads.ts'
import { healthRule } from '../runtime/health-expressions.ts'
import {
  type Cause,
  type Context,
  type Loop,
  type Outcome,
  Preempted,
  Retryable,
  Stalled,
  type UnsupportedField,
} from '../runtime/reconcile.ts'
import { pathInArtifact } from './build-task.ts'
import { Builds, type WantedObjects } from './builds.ts'
import { type Cluster, type Clusters, clusterOf } from './cluster.ts'
import { dependenciesReady } from './depends.ts'
import { finalize } from './finalize.ts'
import { checkHealth, Deadlines, hasChanged, timeoutMs } from './health.ts'
import { withRun } from './history.ts'
import { ignoreRules } from './ignore.ts'
import { prune } from './prune.ts'
import { eventMetadata, failure, openArtifact, readySource, type Source } from './source.ts'
import { readSubstitution, type Substitution, withoutSecrets } from './variables.ts'
import { configurationChanged, dependencyReady, managedObjectChanged, sourceChanged } from './watches.ts'

export interface KustomizationParts extends Clusters {
  /** Called at each build that is really run. */
  readonly onBuild?: (key: Key) => void
}

export function kustomizationLoop({ appliers, remoteClusters, onBuild }: KustomizationParts): Loop<Kustomization> {
  const builds = new Builds(onBuild)
  const deadlines = new Deadlines()
  const downloads = new Downloads()
  return {
    kind: kustomizationKind,
    controller: 'kustomize-controller',
    concurrent: 4,
    conditions: ['Healthy'],
    inProgress: 'Reconciliation in progress',
    unsupported,
    watches: [sourceChanged, dependencyReady, configurationChanged, managedObjectChanged(appliers)],
    reconcile: (ks, context) => new Run(ks, context, { appliers, remoteClusters, builds, deadlines, downloads }).reconcile(),
    finalize: (ks, context) => finalize(ks, context, { appliers, remoteClusters }),
    forget(key) {
      builds.forget(key)
      deadlines.forget(key)
      downloads.forget(key)
      appliers.forget(key)
    },
  }
}

const unsupported: readonly UnsupportedField<Kustomization>[] = [
  { field: 'spec.decryption', isUsed: ({ spec }) => spec.decryption !== undefined },
]

interface Parts extends Clusters {
  readonly builds: Builds
  readonly deadlines: Deadlines
  readonly downloads: Downloads
}

interface Applying {
  readonly cluster: Cluster
  readonly unpacked: UnpackedArtifact
  readonly wanted: WantedObjects
}

interface Writing extends Pick<Applying, 'cluster' | 'wanted'> {
  readonly beforeWrite: Recorder
}

/** After these an object may differ from what the watches told; after others only what is known to have changed is written. */
const verifyingCauses: readonly Cause[] = ['created', 'interval', 'requested', 'retry']

/** One run: the steps share its object, context and parts. */
class Run {
  readonly #ks: Kustomization
  readonly #context: Context<Kustomization>
  readonly #parts: Parts
  #rule: HealthOptions['rule']
  #substitution: Substitution | undefined

  constructor(ks: Kustomization, context: Context<Kustomization>, parts: Parts) {
    this.#ks = ks
    this.#context = context
    this.#parts = parts
  }

  /**
   * Reads the source's artifact, the dependencies and what the spec names; writes the managed objects.
   * @throws Waiting for a source or dependency, Stalled for a spec that cannot work, Retryable for the rest.
   */
  async reconcile(): Promise<Outcome<Kustomization>> {
    this.#rule = healthRule(this.#ks.spec.healthCheckExprs)
    const source = await readySource(this.#ks, this.#context)
    await dependenciesReady(this.#ks, source, this.#context)
    try {
      return await this.#reconcileRevision(source)
    } catch (error) {
      if (error instanceof Retryable) this.#context.metrics.applyStatus(this.#context.key, 'failure')
      throw error
    }
  }

  async #reconcileRevision(source: Source): Promise<Outcome<Kustomization>> {
    this.#progress('Fetching manifests', source)
    const unpacked = await openArtifact(this.#ks, source, { context: this.#context, ...this.#parts })
    await this.#findPath(source, unpacked)
    this.#context.set({ lastAttemptedRevision: source.revision })
    const cluster = await this.#cluster(source)

    this.#progress('Building manifests', source)
    const wanted = await this.#build(source, unpacked)
    try {
      this.#progress('Detecting drift', source)
      const changes = await cluster.turn(() => this.#apply(source, { cluster, unpacked, wanted }))
      const { ks, context, rule, deadlines } = { ks: this.#ks, context: this.#context, rule: this.#rule, ...this.#parts }
      await checkHealth({ ks, revision: source, changes, rule, deadlines, context, applier: cluster.applier })
    } catch (error) {
      if (error instanceof Retryable) this.#keepHistory(source, wanted, error.reason)
      throw error
    }
    this.#keepHistory(source, wanted, 'ReconciliationSucceeded')
    return this.#succeeded(source)
  }

  /** Before anything is read below the path, so that a wrong one is told apart from a broken build. */
  async #findPath(source: Source, unpacked: UnpackedArtifact): Promise<void> {
    const path = this.#ks.spec.path ?? ''
    try {
      await stat(join(unpacked.directory, pathInArtifact(path)))
    } catch (error) {
      const message = `kustomization path not found: '${path}' does not exist in revision ${source.revision}`
      throw failure(this.#ks, source, 'ArtifactFailed', message, error)
    }
  }

  async #cluster(source: Source): Promise<Cluster> {
    try {
      return await clusterOf(this.#ks, this.#context, this.#parts)
    } catch (error) {
      this.#context.signal.throwIfAborted()
      if (error instanceof Preempted || error instanceof Stalled) throw error
      throw failure(this.#ks, source, 'ReconciliationFailed', `failed to build kube client: ${messageOf(error)}`, error)
    }
  }

  async #build(source: Source, unpacked: UnpackedArtifact): Promise<WantedObjects> {
    const { client, flags, signal } = this.#context
    const strict = flags.featureGates.get('StrictPostBuildSubstitutions') ?? true
    try {
      this.#substitution = await readSubstitution(this.#ks, { client, strict, signal })
      const request = { unpacked, substitution: this.#substitution, environment: this.#context, signal }
      return await this.#parts.builds.of(this.#ks, request)
    } catch (error) {
      signal.throwIfAborted()
      throw failure(this.#ks, source, 'BuildFailed', messageOf(error), error)
    }
  }

  /** Makes the objects in the cluster as wanted, and deletes what is no longer. */
  async #apply(source: Source, { cluster, unpacked, wanted }: Applying): Promise<readonly Change[]> {
    const before = this.#ks.status?.inventory?.entries ?? []
    const entries = await this.#inventory(source, { cluster, wanted })
    const stale = minus(before, entries)
    const changes = await this.#write(source, { cluster, wanted, beforeWrite: recorder(before, this.#context) })

    const { ks, context } = { ks: this.#ks, context: this.#context }
    const { builds } = this.#parts
    const pruned = await prune({ ks, revision: source, unpacked, stale, builds, context, ...cluster })
    // Before any wait: a failing check must not bring pruned objects back into the record.
    await context.record({ inventory: { entries: [...entries, ...pruned.kept] } })
    if (pruned.failure !== undefined) throw failure(ks, source, 'PruneFailed', pruned.failure)
    return changes
  }

  async #inventory(source: Source, { cluster, wanted }: Pick<Applying, 'cluster' | 'wanted'>): Promise<readonly InventoryEntry[]> {
    try {
      return await cluster.applier.inventory(wanted)
    } catch (error) {
      throw this.#applyFailure(source, error)
    }
  }

  /** Makes the objects as wanted, and tells what that changed. */
  async #write(source: Source, { cluster, wanted, beforeWrite }: Writing): Promise<readonly Change[]> {
    const { causes, signal } = this.#context
    const verify = verifyingCauses.some((cause) => causes.has(cause))
    try {
      const force = this.#ks.spec.force ?? false
      const ignore = ignoreRules(this.#ks)
      const changes = await cluster.applier.apply(wanted, { owner: keyOf(this.#ks), force, verify, ignore, beforeWrite, signal })
      this.#announce(source, changes.filter(hasChanged))
      return changes
    } catch (error) {
      throw this.#applyFailure(source, error)
    }
  }

  #announce(source: Source, changes: readonly Change[]): void {
    if (changes.length === 0) return
    const message = changeLog(changes)
    this.#context.log.info({ output: message, revision: source.revision }, 'server-side apply completed')
    this.#context.event({ severity: 'info', reason: 'Progressing', message, metadata: eventMetadata(source) })
  }

  #applyFailure(source: Source, error: unknown): unknown {
    if (this.#context.signal.aborted) return error
    const log = error instanceof ApplyError ? changeLog(error.changes.filter(hasChanged)) : ''
    const message = log === '' ? messageOf(error) : `${messageOf(error)}\n${log}`
    return failure(this.#ks, source, 'ReconciliationFailed', withoutSecrets(message, this.#substitution), error)
  }

  #succeeded(source: Source): Outcome<Kustomization> {
    const { clock, startedAt, metrics, key } = this.#context
    const intervalMs = parseDuration(this.#ks.spec.interval)
    metrics.applyStatus(key, 'success')
    const elapsed = formatDuration(clock.now() - startedAt)
    return {
      ready: { reason: 'ReconciliationSucceeded', message: `Applied revision: ${source.revision}` },
      status: { lastAppliedRevision: source.revision, lastAppliedOriginRevision: source.originRevision },
      requeueAfterMs: intervalMs,
      event: {
        severity: 'info',
        reason: 'ReconciliationSucceeded',
        message: `Reconciliation finished in ${elapsed}, next run in ${formatDuration(intervalMs)}`,
        metadata: { ...eventMetadata(source), commit_status: 'update' },
      },
    }
  }

  #keepHistory(source: Source, { digest }: WantedObjects, status: string): void {
    const { clock, startedAt } = this.#context
    const at = clock.now()
    const run = { digest, at, durationMs: at - startedAt, status, metadata: eventMetadata(source) }
    this.#context.set({ history: withRun(this.#ks.status?.history ?? [], run) })
  }

  #progress(what: string, { revision }: Source): void {
    this.#context.progress(`${what} for revision ${revision} with a timeout of ${formatDuration(timeoutMs(this.#ks))}`)
  }
}

/** The entries of the first list whose objects are not in the second. */
function minus(entries: readonly InventoryEntry[], others: readonly InventoryEntry[]): InventoryEntry[] {
  const ids = new Set(others.map(({ id }) => id))
  return entries.filter(({ id }) => !ids.has(id))
}

type Recorder = (entries: readonly InventoryEntry[]) => Promise<void>

/**
 * Adds what is about to be written to the inventory, so that whatever happens then, nothing that we may have created is forgotten. What was
 * refused before is not added: it could be nobody's to delete, and the Kustomization could not go.
 */
function recorder(before: readonly InventoryEntry[], context: Context<Kustomization>): Recorder {
  let recorded = before
  return async (entries) => {
    const added = minus(entries, recorded)
    if (added.length === 0) return
    recorded = [...recorded, ...added]
    await context.record({ inventory: { entries: recorded } })
  }
}
