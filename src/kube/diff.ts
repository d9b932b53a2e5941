/** What applying an object would do, found out with the fewest requests. */
import { randomBytes } from 'node:crypto'
import type { KubeObject, ObjectMeta, ObjectRef } from '../api/object.ts'
import type { Client } from './client.ts'
import { differsBeside, type IgnoreRules, keepingIgnored } from './ignored.ts'
import { type Observation, type Ownership, observe, type Policy, policyOf, versionPatch } from './known.ts'
import type { ManagedObject } from './managed.ts'
import { isAboutOtherVersion, isImmutableError, migrationHint, refusalText, wayOut } from './refusal.ts'
import type { ServerClock } from './server-clock.ts'
import { ApiError } from './transport.ts'

/** What is to be done about an object. */
export type Verdict =
  | { readonly action: 'skip' }
  /** The live object is as wanted; `answer` is that object. */
  | { readonly action: 'keep'; readonly answer: KubeObject }
  | { readonly action: 'create' }
  | Update
  /** Deleted and created again. */
  | { readonly action: 'recreate'; readonly uid: string }

interface Update {
  readonly action: 'update'
  /** The live object's metadata as far as it is known. */
  readonly before: Pick<Observation, 'fingerprint' | 'resourceVersion'>
  readonly cleanup: boolean
  /** What is applied, where it is not what is desired. */
  readonly body?: KubeObject
}

export interface JudgeContext {
  readonly client: Client
  readonly ownership: Ownership
  readonly serverClock: ServerClock
  /** Recreate whatever cannot be changed in place. */
  readonly force: boolean
  readonly ignore: IgnoreRules | undefined
  /** Mend entries of managedFields in other versions, where the API server stumbles over them. */
  readonly migrateVersions: boolean
  readonly signal: AbortSignal
}

/** The object was refused; the message is for people. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
}

/**
 * Asks the API server by a dry-run. Its answer holds the object as it would be: when nothing would change, our entry in managedFields
 * keeps its time and fields. Compared with what the watch has seen of the live object that is proof enough; where the watch has seen
 * nothing, or our entry is so young that a change would have the same time, the object is applied, which then changes nothing.
 * @throws Refusal
 */
export async function judge(
  desired: KubeObject,
  ref: ObjectRef,
  live: ManagedObject | undefined,
  context: JudgeContext,
): Promise<Verdict> {
  const { client, ownership, serverClock, signal } = context
  let answer: KubeObject
  try {
    answer = await dryRun(desired, ref, context)
  } catch (error) {
    return judgeRefusal(error, desired, ref, context)
  }
  if (policyOf(answer.metadata, ownership.group).ignored) return { action: 'skip' }
  refuseTerminatingNamespace(answer, ref)
  const after = observe(answer.metadata, ownership)
  serverClock.told(after.appliedSecond)
  if (after.resourceVersion === '') return { action: 'create' }
  const cleanup = after.needsCleanup && !policyOf(desired.metadata, ownership.group).merge
  const paths = context.ignore?.pathsIn(answer) ?? []
  if (paths.length > 0) return judgeBeside(paths, { desired, answer, ref, cleanup }, context)
  const before = live?.live ?? { fingerprint: undefined, resourceVersion: after.resourceVersion }
  const isSame = !cleanup && before.fingerprint !== undefined && before.fingerprint === after.fingerprint
  if (isSame && (await serverClock.isPastNow(after.appliedSecond, client, signal))) return { action: 'keep', answer }
  return { action: 'update', before, cleanup }
}

async function dryRun(desired: KubeObject, ref: ObjectRef, context: JudgeContext): Promise<KubeObject> {
  const { client, ownership, ignore, signal } = context
  const whole = ignore && { metadataOnly: false }
  const apply = () => client.apply(desired, { ...applying(desired, ownership), ...whole, dryRun: true, signal })
  try {
    return await apply()
  } catch (error) {
    if (!context.migrateVersions || !isAboutOtherVersion(error)) throw error
    await migrateVersions(ref, desired.apiVersion, context)
    return apply()
  }
}

/**
 * Makes all entries of managedFields speak of the version that is applied: fields that only the new version has, and fills in by itself, are
 * not found in the old one. Source: migrateAPIVersion of github.com/fluxcd/pkg/ssa, which does so before it is refused.
 */
async function migrateVersions(ref: ObjectRef, apiVersion: string, { client, ownership, signal }: JudgeContext): Promise<void> {
  const live = await client.find(ref, { metadataOnly: true, signal })
  const patch = live ? versionPatch(live.metadata, apiVersion) : []
  if (patch.length > 0) await client.jsonPatch(ref, patch, { fieldManager: ownership.fieldManager, signal })
}

interface Beside {
  readonly desired: KubeObject
  readonly answer: KubeObject
  readonly ref: ObjectRef
  readonly cleanup: boolean
}

/** Where fields are ignored, ownership in managedFields tells nothing: the objects themselves are compared. */
async function judgeBeside(
  paths: readonly string[],
  beside: Beside,
  { client, ownership, signal }: JudgeContext,
): Promise<Verdict> {
  const { desired, answer, ref, cleanup } = beside
  const live = await client.find(ref, { signal })
  if (!live) return { action: 'create' }
  if (!cleanup && !differsBeside(paths, live, answer)) return { action: 'keep', answer: live }
  const body = keepingIgnored(desired, paths, { live, wanted: answer }, ownership.fieldManager)
  return { action: 'update', before: observe(live.metadata, ownership), cleanup, body }
}

/**
 * How an object is applied. Most of what we ask of the answer is its metadata; the phase of a Namespace, the conditions of definitions
 * and classes and the time to live of a Job are in the rest.
 */
export function applying({ kind }: KubeObject, { fieldManager }: Ownership) {
  const isWhole = kind === 'Namespace' || kind === 'CustomResourceDefinition' || kind === 'Job' || kind.endsWith('Class')
  return { fieldManager, force: true, metadataOnly: !isWhole }
}

/** It would take the apply, and be gone a moment later. */
function refuseTerminatingNamespace({ apiVersion, kind, metadata, status }: KubeObject, ref: ObjectRef): void {
  if (apiVersion !== 'v1' || kind !== 'Namespace') return
  const phase = typeof status === 'object' && status !== null && 'phase' in status ? status.phase : undefined
  if (phase !== 'Terminating' && !metadata.deletionTimestamp) return
  throw new Refusal(
    `Namespace/${ref.name} dry-run failed: the namespace is being deleted since ${metadata.deletionTimestamp}; it can be created again when it is gone`,
  )
}

/**
 * Decides what a refused write means: nothing, if the live object says that it wants to be left alone; a recreation, if it was refused
 * for an immutable field and may be recreated.
 * @throws Refusal
 */
export async function judgeRefusal(thrown: unknown, desired: KubeObject, ref: ObjectRef, context: JudgeContext): Promise<Verdict> {
  if (!(thrown instanceof ApiError)) throw context.signal.aborted ? thrown : refusalOf(thrown, desired, ref)
  const { client, ownership, signal } = context
  const live = isAboutExisting(thrown) ? await client.find(ref, { metadataOnly: true, signal }).catch(() => undefined) : undefined
  if (!live) throw refusalOf(thrown, desired, ref)
  const livePolicy = policyOf(live.metadata, ownership.group)
  if (livePolicy.ignored) return { action: 'skip' }
  if (isAboutOtherVersion(thrown)) throw refusalOf(thrown, desired, ref, migrationHint(live.metadata, desired.apiVersion))
  if (!isImmutableError(thrown)) throw refusalOf(thrown, desired, ref)
  const mayRecreate = context.force || livePolicy.force || policyOf(desired.metadata, ownership.group).force
  if (!mayRecreate) throw refusalOf(thrown, desired, ref, wayOut(thrown, ownership.group))
  // Any invalid object looks like this. What could not be created again is not deleted.
  const obstacle = await refusalOfCreation(desired, context)
  if (obstacle) throw refusalOf(obstacle, desired, ref)
  return { action: 'recreate', uid: live.metadata.uid ?? '' }
}

/** Whether the live object has a say: anything but "no such kind or namespace". */
function isAboutExisting(error: ApiError): boolean {
  return error.reason !== 'NotFound' && error.reason !== 'NoKindMatch'
}

function refusalOf(error: unknown, desired: KubeObject, ref: ObjectRef, hint = ''): Refusal {
  return new Refusal(refusalText(ref, error, desired) + hint, { cause: error })
}

/** Tries a creation under another name. Returns why it would be refused, apart from what is due to that name or to the live object. */
async function refusalOfCreation(desired: KubeObject, { client, ownership, signal }: JudgeContext): Promise<unknown> {
  const name = `${desired.metadata.name.slice(0, 40)}-${randomBytes(4).toString('hex')}`
  const metadata: ObjectMeta = { ...desired.metadata, name }
  try {
    await client.create({ ...desired, metadata }, { fieldManager: ownership.fieldManager, dryRun: true, signal })
    return undefined
  } catch (error) {
    const causes = error instanceof ApiError ? error.causes : []
    const isHarmless =
      causes.length > 0 && causes.every(({ field, message = '' }) => field === 'metadata.name' || /already allocated/.test(message))
    return isHarmless ? undefined : error
  }
}

/** Whether the annotations of the build or of the live object say to leave it alone. Undefined: nothing decided without a request. */
export function skippedByPolicy(desired: Policy, live: ManagedObject | undefined): boolean {
  return desired.ignored || (live?.live.policy.ignored ?? false) || (desired.ifNotPresent && live !== undefined)
}
