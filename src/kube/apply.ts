/** The apply engine: makes the objects of owners in one cluster as wanted, and keeps them so. */
import { displayName, gvkOf, type Key, type KubeObject, type ObjectMeta, type ObjectRef } from '../api/object.ts'
import { messageOf } from '../lib/errors.ts'
import {
  type Applier,
  ApplyError,
  type ApplyOptions,
  type Change,
  type Clock,
  type Drift,
  HealthError,
  type HealthOptions,
  type HealthTarget,
  type InventoryEntry,
  type Log,
  type ManifestItem,
  type Manifests,
  type PruneOptions,
  type PruneResult,
} from './applier.ts'
import type { Client, KindRef } from './client.ts'
import { applying, type JudgeContext, judge, judgeRefusal, Refusal, skippedByPolicy, type Verdict } from './diff.ts'
import { DriftReports } from './drift.ts'
import { healthOf, isReadyWhenApplied } from './health.ts'
import { entryOf, refOfEntry } from './inventory.ts'
import { cleanupPatch, type Ownership, observe, type Policy, policyOf } from './known.ts'
import { type ManagedKind, ManagedObjects, type Owner } from './managed.ts'
import { asTyped } from './native.ts'
import { desiredObject } from './normalize.ts'
import { inSlices, mapPooled } from './pool.ts'
import { pruneObjects } from './prune.ts'
import { masked, refusalText } from './refusal.ts'
import { ServerClock } from './server-clock.ts'
import { byRank, isCrd, type Stage, stagesOf } from './stages.ts'
import { ApiError } from './transport.ts'
import { withoutUnknown } from './unknown-fields.ts'
import { type Target, Waits } from './wait.ts'

export interface ApplierOptions {
  readonly client: Client
  readonly clock: Clock
  readonly log?: Log
  /** `kustomize-controller`. */
  readonly fieldManager: string
  /** Group of the owner labels and of the annotations that decide policies: `kustomize.toolkit.fluxcd.io`. */
  readonly ownerGroup: string
  /** Requests of one apply or prune at the same time (16). */
  readonly concurrency?: number
  /** `<group>/<Kind>` of `--custom-apply-stage-kinds`. */
  readonly customStageKinds?: ReadonlySet<string>
  /** Managers whose fields are taken over (`--override-manager`). */
  readonly overrideManagers?: readonly string[]
  /** Rewrite managedFields of other API versions where an apply is refused for them (the gate `MigrateAPIVersion`). */
  readonly migrateVersions?: boolean
  /** Longest time between two reports of drift of one object (10 minutes). */
  readonly maxDriftBackoffMs?: number
}

/** How long definitions and classes may take to become ready before the next stage, and a recreated object to be gone. */
const stageTimeoutMs = 60_000
const maxConflicts = 5

/** One instance serves all owners of one cluster and identity. */
export class ClusterApplier implements Applier {
  readonly #client: Client
  readonly #ownership: Ownership
  readonly #concurrency: number
  readonly #customStageKinds: ReadonlySet<string>
  readonly #migrateVersions: boolean
  readonly #log: Log | undefined
  readonly #managed: ManagedObjects
  readonly #drift: DriftReports
  readonly #serverClock: ServerClock
  readonly #waits: Waits

  constructor(options: ApplierOptions) {
    const { client, clock, fieldManager, ownerGroup } = options
    this.#client = client
    this.#ownership = { fieldManager, group: ownerGroup, overrideManagers: options.overrideManagers ?? [] }
    this.#concurrency = options.concurrency ?? 16
    this.#customStageKinds = options.customStageKinds ?? new Set()
    this.#migrateVersions = options.migrateVersions ?? false
    this.#log = options.log
    this.#drift = new DriftReports(clock, options.maxDriftBackoffMs ?? 600_000)
    this.#managed = new ManagedObjects({ client, ownership: this.#ownership, clock, log: options.log, drift: this.#drift })
    this.#serverClock = new ServerClock(clock)
    this.#waits = new Waits(client, clock)
  }

  async inventory(manifests: Manifests): Promise<readonly InventoryEntry[]> {
    const items = await this.#place(manifests)
    return stagesOf(items, this.#customStageKinds).flatMap((stage) => stage.items.map(({ ref }) => entryOf(ref)))
  }

  async apply(manifests: Manifests, options: ApplyOptions): Promise<readonly Change[]> {
    const owner = this.#managed.owner(options.owner)
    this.#managed.forgetExpired(owner)
    const items = await this.#place(manifests, options.signal)
    if (options.verify) await this.#managed.verify(owner, options.signal)
    const run: Run = { owner, options, bodies: bodiesOf(manifests), works: [] }
    for (const stage of stagesOf(items, this.#customStageKinds)) await this.#applyStage(stage, run)
    this.#dropUnwanted(owner, items)
    return changesOf(run)
  }

  prune(entries: readonly InventoryEntry[], options: PruneOptions): Promise<PruneResult> {
    const { group } = this.#ownership
    return pruneObjects(entries, options, { client: this.#client, managed: this.#managed, group, concurrency: this.#concurrency })
  }

  async terminated(entries: readonly InventoryEntry[], options: HealthOptions): Promise<void> {
    const targets = await Promise.all(entries.map((entry) => this.#target(refOfEntry(entry), options.signal)))
    await this.#waits.gone(
      targets.map(({ ref }) => ({ ref })),
      options,
    )
  }

  async healthy(targets: readonly HealthTarget[], options: HealthOptions): Promise<void> {
    const unknown = targets.filter(({ ref }) => options.rule !== undefined || !this.#isKnownReady(ref))
    const placed = await Promise.all(unknown.map(({ ref }) => this.#target(ref, options.signal)))
    await this.#waits.ready(placed, options)
  }

  onDrift(listener: (drift: Drift) => void): () => void {
    return this.#drift.subscribe(listener)
  }

  forget(owner: Key): void {
    this.#managed.forget(owner)
  }

  async close(): Promise<void> {
    this.#drift.close()
    await this.#managed.close()
  }

  /**
   * Settles each object's namespace by its kind's scope. A kind that the cluster does not have may be brought by a CRD of the build.
   * @throws ApplyError
   */
  async #place(manifests: Manifests, signal?: AbortSignal): Promise<Placed[]> {
    const scopes = new Map<string, boolean>()
    const placed: Placed[] = []
    for (const item of manifests.items) {
      const id = `${item.ref.apiVersion} ${item.ref.kind}`
      if (!scopes.has(id)) scopes.set(id, await this.#isNamespaced(item.ref, manifests, signal))
    }
    const items = manifests.items.entries()
    await inSlices(items, ([index, item]) => {
      const namespaced = scopes.get(`${item.ref.apiVersion} ${item.ref.kind}`) ?? false
      placed.push({ item, index, namespaced, ref: placedRef(item.ref, namespaced), policy: policyOf(item, this.#ownership.group) })
    })
    return placed
  }

  async #isNamespaced(ref: ObjectRef, manifests: Manifests, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      return (await this.#client.discovery.mapping(ref, signal)).namespaced
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      const brought = error.reason === 'NoKindMatch' ? await scopeFromCrds(manifests, ref) : undefined
      if (brought === undefined) throw new ApplyError(refusalText(ref, error, undefined), ref, [], { cause: error })
      return brought === 'Namespaced'
    }
  }

  async #applyStage(stage: Stage<Placed>, run: Run): Promise<void> {
    const works = stage.items.map((placed) => new Work(placed, this.#managed.kind(placed.ref)))
    run.works.push(...works)
    await inSlices(works, (work) => this.#settleWithoutRequest(work, run))
    const unknown = works.filter(isOpen)
    await Promise.all([...new Set(unknown.map(({ kind }) => kind))].map((kind) => kind.ready()))
    // Once more: what exists may have become known just now.
    await inSlices(unknown, (work) => this.#settleWithoutRequest(work, run))
    const open = unknown.filter(isOpen)
    if (open.length === 0) return
    await this.#judgeAll(open, run)
    const wanted = open.filter(isOpen)
    if (wanted.length > 0) await run.options.beforeWrite?.(wanted.map(({ ref }) => entryOf(ref)))
    await this.#writeAll(wanted, run)
    if (stage.name === 'definitions' || stage.name === 'classes') await this.#settle(open, run)
  }

  #settleWithoutRequest(work: Work, run: Run): void {
    const { policy, item, ref } = work.placed
    const live = work.kind.find(ref)
    if (skippedByPolicy(policy, live)) work.outcome = 'skipped'
    else if (live && live.owner === run.owner && live.applied !== '' && live.applied === wantedHash(item, run))
      work.outcome = 'unchanged'
  }

  /** All refusals come before the first write. */
  async #judgeAll(works: readonly Work[], run: Run): Promise<void> {
    const bodies = await run.bodies()
    await inSlices(works, (work) => {
      const { ref, index, namespaced } = work.placed
      const body = bodies[index]
      if (!body) throw new Error(`the manifests have no body for ${displayName(ref)}`)
      const desired = desiredObject(body, { namespaced, labels: this.#ownerLabels(run.owner.key) })
      const { object, unknown } = asTyped(desired, { keepUnknown: true })
      work.desired = object
      work.unknownFields = unknown
    })
    const [only, another] = works
    if (only && !another && !run.options.ignore && !this.#migrateVersions && this.#needsNoDryRun(only)) return
    const pool = { limit: this.#concurrency, signal: run.options.signal }
    await mapPooled(works, pool, (work) => this.#guarded(work, run, () => this.#judge(work, run)))
  }

  /** A single object of which everything is known: applying it is no more than a dry-run when it is refused. */
  #needsNoDryRun(work: Work): boolean {
    const live = work.kind.find(work.ref)?.live
    if (!live?.fingerprint || live.needsCleanup || work.ref.kind === 'Namespace' || work.unknownFields.length > 0) return false
    work.verdict = { action: 'update', before: live, cleanup: false }
    work.isUntried = true
    return true
  }

  async #judge(work: Work, run: Run): Promise<void> {
    const { ref, kind, placed } = work
    if (placed.namespaced && !ref.namespace)
      throw new Refusal(`${displayName(ref)} namespace not specified: ${ref.kind} is namespaced`)
    if (placed.policy.ifNotPresent && (await this.#client.find(ref, { metadataOnly: true, signal: run.options.signal }))) {
      work.outcome = 'skipped'
      return
    }
    if (work.unknownFields.length > 0) await this.#leaveOutUnknown(work, run)
    const verdict = await judge(work.body, ref, kind.find(ref), this.#judgeContext(run))
    work.verdict = verdict
    if (verdict.action === 'skip') work.outcome = 'skipped'
    if (verdict.action === 'update' && verdict.body) work.desired = verdict.body
    if (verdict.action !== 'keep') return
    work.outcome = 'unchanged'
    this.#claim(work, verdict.answer, run)
  }

  async #leaveOutUnknown(work: Work, run: Run): Promise<void> {
    const known = await withoutUnknown(work.body, this.#judgeContext(run))
    if (!known) return
    work.desired = known
    const { namespace, name } = run.owner.key
    const fields = { object: displayName(work.ref), fields: work.unknownFields, namespace, name }
    this.#log?.warn(fields, 'fields that the API server does not have are left out of the object')
  }

  async #writeAll(works: readonly Work[], run: Run): Promise<void> {
    const pool = { limit: this.#concurrency, signal: run.options.signal }
    for (const rank of byRank(works)) {
      await mapPooled(rank, pool, (work) => this.#guarded(work, run, () => this.#write(work, run)))
    }
  }

  async #write(work: Work, run: Run): Promise<void> {
    const { kind, ref, body, verdict } = work
    const { signal } = run.options
    const apply = () => this.#client.apply(body, { ...applying(body, this.#ownership), signal })
    await kind.hold(ref, async () => {
      if (verdict?.action === 'recreate') await this.#remove(ref, verdict.uid, signal)
      let isCleaned = verdict?.action === 'update' && verdict.cleanup && (await this.#cleanUp(ref, signal))
      let answer = await apply().catch((error) => {
        if (!work.isUntried) throw error
        return this.#afterRefusal(error, work, run, apply)
      })
      if (!answer) return
      // Others wrote meanwhile, or a policy that kept their fields has just been removed.
      if (observe(answer.metadata, this.#ownership).needsCleanup && !work.placed.policy.merge) {
        isCleaned = (await this.#cleanUp(ref, signal)) || isCleaned
        answer = await apply()
      }
      work.outcome = isCleaned ? 'configured' : this.#actionOf(work.verdict, answer.metadata)
      this.#claim(work, answer, run)
    })
  }

  /** Where no dry-run came first the refusal is judged now: it may lead to a recreation, or to nothing. */
  async #afterRefusal(error: unknown, work: Work, run: Run, apply: () => Promise<KubeObject>): Promise<KubeObject | undefined> {
    const verdict = await judgeRefusal(error, work.body, work.ref, this.#judgeContext(run))
    work.verdict = verdict
    if (verdict.action === 'skip') work.outcome = 'skipped'
    if (verdict.action !== 'recreate') return undefined
    await this.#remove(work.ref, verdict.uid, run.options.signal)
    return apply()
  }

  #actionOf(verdict: Verdict | undefined, after: ObjectMeta): Change['action'] {
    const { appliedSecond, fingerprint, resourceVersion } = observe(after, this.#ownership)
    this.#serverClock.told(appliedSecond)
    if (verdict?.action !== 'update') return 'created'
    if (resourceVersion === verdict.before.resourceVersion) return 'unchanged'
    // The version may be newer for what others wrote meanwhile.
    const isSame = fingerprint === verdict.before.fingerprint && this.#serverClock.isPast(appliedSecond)
    return isSame ? 'unchanged' : 'configured'
  }

  /** Deletes an object that cannot be changed in place, and waits until it is gone: there are never two. */
  async #remove(ref: ObjectRef, uid: string, signal: AbortSignal): Promise<void> {
    await this.#client.delete(ref, { propagation: 'Background', ...(uid && { uid }), signal })
    await this.#waits.gone([{ ref, ...(uid && { uid }) }], { timeoutMs: stageTimeoutMs, signal })
  }

  /** Returns whether there was anything to do. */
  async #cleanUp(ref: ObjectRef, signal: AbortSignal): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      const live = await this.#client.find(ref, { metadataOnly: true, signal })
      const patch = live ? cleanupPatch(live.metadata, this.#ownership) : []
      if (patch.length === 0) return false
      try {
        await this.#client.jsonPatch(ref, patch, { fieldManager: this.#ownership.fieldManager, signal })
        return true
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 409 || attempt === maxConflicts) throw error
      }
    }
  }

  #claim(work: Work, answer: KubeObject, run: Run): void {
    work.answer = answer
    const expires = hasTimeToLive(answer)
    work.kind.claim(answer.metadata, { owner: run.owner, hash: wantedHash(work.placed.item, run), expires })
  }

  /** Definitions and classes must be usable before what needs them; discovery must know what CRDs have brought. */
  async #settle(works: readonly Work[], run: Run): Promise<void> {
    const pending = works.filter(({ answer }) => answer && healthOf(answer, 0).status !== 'Current').map(({ ref }) => ({ ref }))
    const [first] = pending
    if (first) {
      const wait = { timeoutMs: stageTimeoutMs, failFast: true, signal: run.options.signal }
      await this.#waits.ready(pending, wait).catch((error) => {
        if (!(error instanceof HealthError)) throw error
        throw new ApplyError(error.message, first.ref, changesOf(run), { cause: error })
      })
    }
    const groups = new Set(works.filter(({ ref }) => isCrd(ref)).map(({ body }) => fieldAt(body, 'spec', 'group')))
    for (const group of groups) if (typeof group === 'string') this.#client.discovery.forget(group)
  }

  /** Every failure of one object names it, and tells what had been written before. */
  async #guarded(work: Work, run: Run, step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (error) {
      if (run.options.signal.aborted) throw error
      const message =
        error instanceof Refusal
          ? error.message
          : `${displayName(work.ref)} apply failed: ${masked(messageOf(error), work.desired)}`
      throw new ApplyError(message, work.ref, changesOf(run), { cause: error instanceof Refusal ? error.cause : error })
    }
  }

  #judgeContext({ options }: Run): JudgeContext {
    const { force, ignore, signal } = options
    const [client, ownership, serverClock] = [this.#client, this.#ownership, this.#serverClock]
    return { client, ownership, serverClock, force, ignore, migrateVersions: this.#migrateVersions, signal }
  }

  #ownerLabels({ name, namespace }: Key): Record<string, string> {
    const { group } = this.#ownership
    return { [`${group}/name`]: name, [`${group}/namespace`]: namespace }
  }

  /** What has left the build is no longer watched over; prune decides what becomes of it. */
  #dropUnwanted(owner: Owner, items: readonly Placed[]): void {
    const wanted = new Set(items.map(({ ref }) => this.#managed.find(ref)))
    for (const object of [...owner.objects]) if (!wanted.has(object)) object.kind.drop(object)
  }

  #isKnownReady(ref: ObjectRef): boolean {
    return isReadyWhenApplied(ref) && Boolean(this.#managed.find(ref)?.applied)
  }

  async #target(ref: ObjectRef, signal: AbortSignal): Promise<Target> {
    const namespaced = await this.#scopeOf(ref, signal)
    if (namespaced && !ref.namespace)
      throw new HealthError(`health check failed: ${displayName(ref)} is namespaced, and no namespace is given`)
    const placed = placedRef(ref, namespaced ?? ref.namespace !== undefined)
    const managed = this.#managed.find(placed)
    const goneIsDone = managed?.expires ?? this.#managed.hasExpired(placed)
    return { ref: placed, notBefore: managed?.live.resourceVersion, goneIsDone }
  }

  /** Undefined for a kind that the cluster does not have: it may come while somebody waits. */
  async #scopeOf(kind: KindRef, signal: AbortSignal): Promise<boolean | undefined> {
    try {
      return (await this.#client.discovery.mapping(kind, signal)).namespaced
    } catch (error) {
      if (error instanceof ApiError && error.reason === 'NoKindMatch') return undefined
      throw error
    }
  }
}

/** An object of the build where its scope is settled. */
interface Placed {
  readonly item: ManifestItem
  /** Its place in the manifests. */
  readonly index: number
  readonly namespaced: boolean
  readonly ref: ObjectRef
  readonly policy: Policy
}

/** One apply of one owner. */
interface Run {
  readonly owner: Owner
  readonly options: ApplyOptions
  /** Read when the first body is needed. */
  readonly bodies: () => Promise<readonly KubeObject[]>
  /** Of all stages that have begun. */
  readonly works: Work[]
}

/** What is found out and done about one object. */
class Work {
  readonly placed: Placed
  readonly kind: ManagedKind
  /** What is sent; set where a request is needed. */
  desired: KubeObject | undefined
  /** Those that the object has in Git and, as far as we know, its kind does not have. */
  unknownFields: readonly string[] = []
  verdict: Verdict | undefined
  /** No dry-run came before the apply. */
  isUntried = false
  /** The live object as last seen by this run. */
  answer: KubeObject | undefined
  outcome: Change['action'] | undefined

  constructor(placed: Placed, kind: ManagedKind) {
    this.placed = placed
    this.kind = kind
  }

  get ref(): ObjectRef {
    return this.placed.ref
  }

  get body(): KubeObject {
    if (!this.desired) throw new Error(`${displayName(this.ref)} has not been loaded`)
    return this.desired
  }
}

function isOpen({ outcome }: Work): boolean {
  return outcome === undefined
}

function changesOf({ works }: Run): Change[] {
  return works.flatMap(({ ref, outcome }) => (outcome ? { ref, action: outcome } : []))
}

function bodiesOf(manifests: Manifests): Run['bodies'] {
  let bodies: Promise<readonly KubeObject[]> | undefined
  return () => {
    bodies ??= manifests.load()
    return bodies
  }
}

/** Tells what an object is to be like. */
function wantedHash({ hash }: ManifestItem, { options: { ignore } }: Run): string {
  return ignore ? `${hash} ${ignore.id}` : hash
}

function placedRef({ apiVersion, kind, name, namespace }: ObjectRef, namespaced: boolean): ObjectRef {
  return { apiVersion, kind, name, ...(namespaced && namespace && { namespace }) }
}

/** `Namespaced` or `Cluster`, from a CRD of the build that brings the kind in that version. */
async function scopeFromCrds(manifests: Manifests, ref: ObjectRef): Promise<unknown> {
  if (!manifests.items.some((item) => isCrd(item.ref))) return undefined
  const { group, version, kind } = gvkOf(ref)
  const crd = (await manifests.load()).find(
    (object) => isCrd(object) && fieldAt(object, 'spec', 'group') === group && fieldAt(object, 'spec', 'names', 'kind') === kind,
  )
  const versions = fieldAt(crd, 'spec', 'versions')
  const isServed = Array.isArray(versions) && versions.some((entry) => fieldAt(entry, 'name') === version)
  return isServed ? fieldAt(crd, 'spec', 'scope') : undefined
}

function hasTimeToLive(object: KubeObject): boolean {
  return (
    gvkOf(object).group === 'batch' && object.kind === 'Job' && fieldAt(object, 'spec', 'ttlSecondsAfterFinished') !== undefined
  )
}

function fieldAt(value: unknown, ...path: string[]): unknown {
  let field = value
  for (const name of path) {
    field =
      typeof field === 'object' && field !== null && Object.hasOwn(field, name)
        ? (field as Record<string, unknown>)[name]
        : undefined
  }
  return field
}
