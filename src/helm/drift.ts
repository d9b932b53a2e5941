/**
 * Drift: objects that are no longer as the release made them. What an apply would change is found out by a dry-run; objects that have not
 * changed since they were last found to be right are not asked for again.
 * Source: internal/action/diff.go, internal/diff/summarize.go, fluxcd/pkg/ssa/jsondiff.
 */
import { displayName, type Key, type KubeObject, keyText, type ObjectRef, refOf } from '../api/object.ts'
import { mapPooled } from '../kube/pool.ts'
import { refusalText } from '../kube/refusal.ts'
import { compareInstallOrder } from '../kube/stages.ts'
import type { Release } from '../lib/chart/index.ts'
import { messageOf } from '../lib/errors.ts'
import type { JsonObject } from '../lib/json.ts'
import { diffJson, type Operation, withoutPointer } from '../lib/json-diff.ts'
import { compileIgnoreRules } from '../runtime/ignore-rules.ts'
import { itemOf } from './apply.ts'
import { manifestTask } from './manifest-task.ts'
import type { Scope } from './scope.ts'
import { claim, fieldManager, type Item } from './write.ts'

/** One object that is not as it should be. */
export interface Difference {
  readonly ref: ObjectRef
  /** As it should be. */
  readonly desired: KubeObject
  /** `excluded`: it, or a rule, says that it is to be left alone. */
  readonly what: 'removed' | 'changed' | 'excluded'
  /** What makes it right again. */
  readonly patch: readonly Operation[]
}

/** In the order of the manifest; at least one was removed or changed. */
export type Drift = readonly Difference[]

/** Versions of objects that were found to be right. */
export class RightObjects {
  readonly #owners = new Map<string, { readonly of: string; readonly versions: Map<string, string> }>()

  /** Object → resourceVersion; empty for another state of the owner than the one remembered. */
  versionsOf(owner: Key, of: string): Map<string, string> {
    const known = this.#owners.get(keyText(owner))
    if (known?.of === of) return known.versions
    const fresh = { of, versions: new Map<string, string>() }
    this.#owners.set(keyText(owner), fresh)
    return fresh.versions
  }

  forget(owner: Key): void {
    this.#owners.delete(keyText(owner))
  }
}

const requestsAtOnce = 8

/**
 * What of a release has drifted; undefined when nothing has.
 * @throws Error when that cannot be told, and nothing is known to have drifted.
 */
export async function findDrift(release: Release, scope: Scope): Promise<Drift | undefined> {
  const { client, context, ledger, right } = scope
  const { hr } = ledger
  const ignored = compileIgnoreRules(hr.spec.driftDetection?.ignore ?? [])
  const objects = await context.workers.run(manifestTask, { manifest: release.manifest }, { signal: context.signal })
  const versions = right.versionsOf(context.key, `${release.version} ${hr.metadata.uid} ${hr.metadata.generation}`)
  const live = versions.size > 0 ? await liveVersions(objects, release, scope) : new Map<string, string>()
  const problems: string[] = []
  const differences = await mapPooled(objects, { limit: requestsAtOnce, signal: context.signal }, async (object) => {
    try {
      const item = await itemOf(object, release, { client, signal: context.signal }).catch((error) => {
        throw new Error(`failed to determine if ${object.kind} is namespace scoped: ${messageOf(error)}`, { cause: error })
      })
      const name = displayName(item.ref)
      const version = versions.get(name)
      if (version !== undefined && live.get(name) === version) return undefined
      return await compare(item, ignored(item.object), { scope, versions })
    } catch (error) {
      context.signal.throwIfAborted()
      problems.push(messageOf(error))
      return undefined
    }
  })
  const drift = differences.filter((difference) => difference !== undefined)
  const hasDrifted = drift.some(({ what }) => what !== 'excluded')
  if (problems.length > 0 && !hasDrifted) throw new Error(`unable to determine cluster state: ${problems.join('; ')}`)
  if (problems.length > 0) context.log.error({ error: problems.join('; ') }, 'some objects could not be looked at for drift')
  return hasDrifted ? drift : undefined
}

/** Metadata of all objects that are ours, one list for each kind and namespace: what has its version still is right still. */
async function liveVersions(
  objects: readonly KubeObject[],
  release: Release,
  { client, context }: Scope,
): Promise<Map<string, string>> {
  const { namespace, name } = context.key
  const group = 'helm.toolkit.fluxcd.io'
  const labelSelector = `${group}/name=${name},${group}/namespace=${namespace}`
  const kinds = new Map<string, Pick<ObjectRef, 'apiVersion' | 'kind' | 'namespace'>>()
  for (const { apiVersion, kind, metadata } of objects) {
    const namespace = metadata.namespace || release.namespace
    kinds.set(`${apiVersion} ${kind} ${namespace}`, { apiVersion, kind, namespace })
  }
  const lists = await mapPooled([...kinds.values()], { limit: requestsAtOnce, signal: context.signal }, async (kind) => {
    const isNamespaced = await client.discovery.mapping(kind).then(({ namespaced }) => namespaced)
    const scope = isNamespaced && kind.namespace ? { namespace: kind.namespace } : {}
    return client.list(kind, { ...scope, labelSelector, metadataOnly: true, signal: context.signal })
  }).catch(() => []) // then every object is looked at by itself
  const items = lists.flatMap((list) => list.items)
  return new Map(items.map((item) => [displayName(refOf(item)), item.metadata.resourceVersion ?? '']))
}

interface Comparison {
  readonly scope: Scope
  readonly versions: Map<string, string>
}

async function compare(
  { ref, object: desired }: Item,
  ignored: readonly string[],
  { scope, versions }: Comparison,
): Promise<Difference | undefined> {
  const { client, context } = scope
  if (isOptedOut(desired) || ignored.includes('')) return { ref, desired, what: 'excluded', patch: [] }
  const live = await client.find(ref, { signal: context.signal })
  if (live && isOptedOut(live)) return { ref, desired, what: 'excluded', patch: [] }
  const overridden = live ? overriddenManagers(live, context.flags.overrideManagers) : []
  // Then what they have added is nobody's but ours, and too much.
  if (overridden.length > 0) await claim(ref, overridden, { client, signal: context.signal })
  const wanted = await client.apply(desired, { fieldManager, force: true, dryRun: true, signal: context.signal }).catch((error) => {
    throw new Error(refusalText(ref, error, desired), { cause: error })
  })
  if (!live) return { ref, desired, what: 'removed', patch: [] }
  const patch = patchOf(withoutPointers(live, ignored), withoutPointers(wanted, ignored))
  if (patch.length > 0) return { ref, desired, what: 'changed', patch }
  versions.set(displayName(ref), live.metadata.resourceVersion ?? '')
  return undefined
}

const optOut = 'helm.toolkit.fluxcd.io/driftDetection'

/** Whether the object itself says, in a label or an annotation, that it is not to be looked at. */
export function isOptedOut({ metadata }: KubeObject): boolean {
  return metadata.labels?.[optOut] === 'disabled' || metadata.annotations?.[optOut] === 'disabled'
}

/** Source: --override-manager; names are matched by how they begin, as in github.com/fluxcd/pkg/ssa patch.go. */
function overriddenManagers({ metadata }: KubeObject, overrides: readonly string[]): string[] {
  const written = (metadata.managedFields ?? []).filter(({ subresource }) => !subresource)
  return written.map(({ manager = '' }) => manager).filter((manager) => overrides.some((name) => manager.startsWith(name)))
}

function withoutPointers(object: KubeObject, pointers: readonly string[]): JsonObject {
  return pointers.reduce((value, pointer) => withoutPointer(value, pointer) as JsonObject, object as unknown as JsonObject)
}

/** Labels and annotations that others add do not count; everything else does, but the status and the rest of the metadata. */
function patchOf(live: JsonObject, wanted: JsonObject): Operation[] {
  const metadata = diffJson(comparedMetadata(live), comparedMetadata(wanted)).filter(({ op }) => op !== 'remove')
  return [...metadata, ...diffJson(withoutMetadata(live), withoutMetadata(wanted))]
}

function comparedMetadata({ metadata }: JsonObject): JsonObject {
  const { name, labels, annotations } = metadata as JsonObject
  // The name is in both: metadata is never added or replaced whole.
  return { metadata: { name: name ?? null, ...(labels && { labels }), ...(annotations && { annotations }) } }
}

function withoutMetadata({ metadata: _, status: __, ...fields }: JsonObject): JsonObject {
  return fields
}

/** One line for each object. */
export function driftSummary(drift: Drift): string {
  return drift.map(({ ref, what, patch }) => `${displayName(ref)} ${what === 'changed' ? changesText(patch) : what}`).join('\n')
}

function changesText(patch: readonly Operation[]): string {
  const count = (op: Operation['op']) => patch.filter((operation) => operation.op === op).length
  return `changed (${count('add')} additions, ${count('replace')} changes, ${count('remove')} removals)`
}

export interface Correction {
  readonly corrected: readonly { readonly name: string; readonly action: 'created' | 'configured' }[]
  readonly failures: readonly string[]
}

/** Creates what is missing, in the order of applying, then changes back what was changed. What fails does not keep the rest from it. */
export async function correctDrift(drift: Drift, { client, context }: Scope): Promise<Correction> {
  const corrected: { name: string; action: 'created' | 'configured' }[] = []
  const failures: string[] = []
  const options = { fieldManager, signal: context.signal }
  const attempt = async (ref: ObjectRef, action: 'created' | 'configured', write: () => Promise<unknown>) => {
    try {
      await write()
      corrected.push({ name: displayName(ref), action })
    } catch (error) {
      context.signal.throwIfAborted()
      const what = action === 'created' ? 'creation' : 'patch'
      failures.push(`${displayName(ref)} ${what} failure: ${messageOf(error)}`)
    }
  }
  const sorted = drift.toSorted((a, b) => compareInstallOrder(a.ref, b.ref))
  for (const { ref, desired } of sorted.filter(({ what }) => what === 'removed'))
    await attempt(ref, 'created', () => client.create(desired, options))
  for (const { ref, patch } of sorted.filter(({ what }) => what === 'changed'))
    await attempt(ref, 'configured', () => client.jsonPatch(ref, patch, options))
  return { corrected, failures }
}
