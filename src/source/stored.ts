/** What all sources do alike: look after what they have stored, tell how a run ended, and clean up in the end. */
import { type Artifact, type CommonStatus, conditionOf, type FluxObject } from '../api/meta.ts'
import { messageOf } from '../lib/errors.ts'
import type { Artifacts, StagedArtifact } from '../runtime/artifacts.ts'
import type { Logger } from '../runtime/log.ts'
import { type ConditionState, type EventDraft, type Outcome, Retryable, Stalled } from '../runtime/reconcile.ts'

export interface SourceStatus extends CommonStatus {
  readonly artifact?: Artifact
  readonly url?: string
}

export type SourceObject = FluxObject<object, SourceStatus>

/** What of a run's context is needed here; that of every source has it. */
export interface SourceContext {
  readonly artifacts: Artifacts
  readonly log: Logger
  readonly signal: AbortSignal
  progress(message: string): void
  condition(type: string, state: ConditionState | undefined): void
  event(event: EventDraft): void
  set(status: StoredFields): void
  record(status: StoredFields): Promise<void>
}

interface StoredFields {
  readonly artifact?: Artifact | undefined
  readonly url?: string | undefined
}

export type FailureCondition = 'FetchFailed' | 'BuildFailed' | 'StorageOperationFailed'

/** Every run of a source says so: a failed one is then shown as tried again. */
export function beginning({ metadata, status }: SourceObject): string {
  const observed = status?.observedGeneration ?? 0
  return observed === metadata.generation
    ? 'reconciliation in progress'
    : `processing object: new generation ${observed} -> ${metadata.generation}`
}

/**
 * The artifact of the status, if it is really there. `link` is the name that stays with the newest one (`latest.tar.gz`), for kinds that
 * tell it in their status.
 */
export async function storedArtifact(
  object: SourceObject,
  context: SourceContext,
  { link }: { readonly link?: string } = {},
): Promise<Artifact | undefined> {
  const artifact = object.status?.artifact
  await collectGarbage(object, artifact, context)
  if (!artifact) {
    context.progress('building artifact')
    context.condition('ArtifactInStorage', undefined)
    return undefined
  }
  const found = await context.artifacts.verify(artifact)
  if (found === 'present') {
    const advertised = context.artifacts.advertised(artifact)
    context.set({ artifact: advertised, ...(link && { url: context.artifacts.urlOf(ownerOf(object), link) }) })
    return advertised
  }
  if (found === 'corrupt') {
    const message = `failed to verify integrity of artifact: computed digest doesn't match '${artifact.digest}'`
    context.event({ severity: 'error', reason: 'ArtifactVerificationFailed', message })
  }
  context.progress('building artifact: disappeared from storage')
  context.condition('ArtifactInStorage', undefined)
  // Written now: nobody should ask for it while it is made again.
  await context.record({ artifact: undefined, ...(link && { url: undefined }) })
  return undefined
}

/** Failing to is no reason not to go on: the next run tries again. */
async function collectGarbage(object: SourceObject, artifact: Artifact | undefined, context: SourceContext): Promise<void> {
  const collected = await context.artifacts.collectGarbage(ownerOf(object), artifact).catch((error: unknown) => {
    context.log.warn({ error: messageOf(error) }, 'old artifacts were not removed')
    return 0
  })
  if (collected === 0) return
  context.event(traceEvent('GarbageCollectionSucceeded', `garbage collected ${collected} artifacts`))
}

/** Stores what was staged, and gives it the name that stays. @throws Retryable */
export async function storeArtifact(
  object: SourceObject,
  staged: StagedArtifact,
  { context, link, failure }: { readonly context: SourceContext; readonly link?: string; readonly failure: string },
): Promise<Artifact> {
  const artifact = await context.artifacts.store(ownerOf(object), staged).catch((error: unknown) => {
    throw failed('StorageOperationFailed', 'ArchiveOperationFailed', `${failure}: ${messageOf(error)}`, { context, cause: error })
  })
  context.set({ artifact })
  if (!link) return artifact
  const url = await context.artifacts.link(artifact, link).catch((error: unknown) => {
    context.event(traceEvent('SymlinkUpdateFailed', `failed to update status URL symlink: ${messageOf(error)}`))
    return undefined
  })
  if (url !== undefined) context.set({ url })
  return artifact
}

/** The run failed: the condition says at what. */
export function failed(
  condition: FailureCondition,
  reason: string,
  message: string,
  { context, cause }: { readonly context: SourceContext; readonly cause?: unknown },
): Retryable {
  context.condition(condition, { status: 'True', reason, message })
  return new Retryable(reason, message, { cause })
}

/** As `failed`, and nothing will change that but an edit. */
export function stalled(
  condition: FailureCondition,
  reason: string,
  message: string,
  { context, cause }: { readonly context: SourceContext; readonly cause?: unknown },
): Stalled {
  context.condition(condition, { status: 'True', reason, message })
  return new Stalled(reason, message, { cause })
}

export interface Success {
  readonly context: SourceContext
  readonly artifact: Artifact
  /** Conditions that tell of failures, which this run has overcome. */
  readonly failures: readonly string[]
  readonly ready: Outcome['ready']
  /** Of the Event of a new artifact, or of a source that had failed. */
  readonly message: string
  /** Reason of the Event. Absent: NewArtifact, or Succeeded when only the failure is over. */
  readonly reason?: string
  readonly intervalMs: number
}

/** A run that ended well. Nothing is posted where nothing is new. */
export function succeeded(object: SourceObject, success: Success) {
  const { context, artifact, failures, ready, message, intervalMs } = success
  for (const type of ['ArtifactOutdated', ...failures]) context.condition(type, undefined)
  context.condition('ArtifactInStorage', { status: 'True', ...ready })
  const isNew = artifact.digest !== object.status?.artifact?.digest
  const hadFailed = failures.some((type) => conditionOf(object, type)?.status === 'True')
  const reason = success.reason ?? (isNew ? 'NewArtifact' : 'Succeeded')
  const metadata = { revision: artifact.revision, digest: artifact.digest }
  const event: EventDraft = { severity: 'info', reason, message, metadata }
  return { ready, requeueAfterMs: intervalMs, ...((isNew || hadFailed) && { event }) }
}

/** Says that there is something newer than what is stored, if anything is. */
export function outdated(object: SourceObject, context: SourceContext, reason: string, message: string): void {
  if (object.status?.artifact) context.condition('ArtifactOutdated', { status: 'True', reason, message })
  context.progress(`building artifact: ${message}`)
}

/** Removes everything of an object that goes. @throws Retryable, which keeps the finalizer. */
export async function finalize(object: SourceObject, context: SourceContext): Promise<void> {
  try {
    await context.artifacts.remove(ownerOf(object))
  } catch (error) {
    const message = `garbage collection for deleted resource failed: ${messageOf(error)}`
    throw new Retryable('GarbageCollectionFailed', message, { cause: error })
  }
  context.event(traceEvent('GarbageCollectionSucceeded', 'garbage collected artifacts for deleted resource'))
}

/** For `Loop.isThere`: what others read of a source is in the store already. */
export async function isThere({ status }: SourceObject, { artifacts }: { readonly artifacts: Artifacts }): Promise<boolean> {
  return !status?.artifact || (await artifacts.has(status.artifact))
}

export function traceEvent(reason: string, message: string): EventDraft {
  return { severity: 'trace', reason, message }
}

export function upToDate({ revision }: Artifact): EventDraft {
  return traceEvent('ArtifactUpToDate', `artifact up-to-date with remote revision: '${revision}'`)
}

export function ownerOf({ kind, metadata }: SourceObject) {
  return { kind, namespace: metadata.namespace, name: metadata.name }
}
