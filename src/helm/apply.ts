/** The objects of a release in the cluster: written, taken over, deleted. Source: helm pkg/kube/client.go, pkg/action/validate.go. */
import { displayName, gvkOf, type KubeObject, type ObjectRef, refOf } from '../api/object.ts'
import { desiredObject } from '../kube/normalize.ts'
import { mapPooled } from '../kube/pool.ts'
import { masked } from '../kube/refusal.ts'
import { ApiError } from '../kube/transport.ts'
import type { Release } from '../lib/chart/index.ts'
import { type KindOrder, sortByKind, uninstallOrder } from '../lib/chart/order.ts'
import { messageOf } from '../lib/errors.ts'
import type { ActionContext } from './action.ts'
import { fieldManager, type Item, type Method, writeItem } from './write.ts'

const requestsAtOnce = 16

type ReleaseName = Pick<Release, 'name' | 'namespace'>

/**
 * The objects of a manifest with Helm's marks, in the order of the manifest.
 * @throws Error naming a kind that the cluster does not have.
 */
export async function itemsOf(manifest: string, release: ReleaseName, context: ActionContext): Promise<readonly Item[]> {
  const objects = await context.objectsOf(manifest)
  return mapPooled(objects, poolOf(context), (object) => itemOf(object, release, context))
}

type Place = Pick<ActionContext, 'client' | 'signal'>

/** One object of a release with Helm's marks, as it is applied. @throws Error for a kind that the cluster does not have. */
export async function itemOf(object: KubeObject, release: ReleaseName, context: Place): Promise<Item> {
  const annotations = {
    ...object.metadata.annotations,
    'meta.helm.sh/release-name': release.name,
    'meta.helm.sh/release-namespace': release.namespace,
  }
  const labels = { 'app.kubernetes.io/managed-by': 'Helm' }
  return placed({ ...object, metadata: { ...object.metadata, annotations } }, { labels, namespace: release.namespace }, context)
}

/** The objects of a hook: they do not belong to the release. */
export async function hookItems(manifest: string, { namespace }: ReleaseName, context: ActionContext): Promise<readonly Item[]> {
  const objects = await context.objectsOf(manifest)
  return mapPooled(objects, poolOf(context), (object) => placed(object, { labels: {}, namespace }, context))
}

interface Marks {
  readonly labels: Readonly<Record<string, string>>
  readonly namespace: string
}

async function placed(object: KubeObject, { labels, namespace }: Marks, { client, signal }: Place): Promise<Item> {
  const { namespaced } = await client.discovery.mapping(object, signal)
  const metadata = { ...object.metadata, ...(namespaced && { namespace: object.metadata.namespace || namespace }) }
  const desired = desiredObject({ ...object, metadata }, { namespaced, labels })
  return { ref: refOf(desired), object: desired }
}

export interface ApplyOptions extends Method {
  /** What the release before wrote. */
  readonly before: readonly Item[]
  /** Gets what was not there before. It grows as things go, so that it also counts after a failure. */
  readonly created?: Item[] | undefined
}

/**
 * Writes objects, kinds one after the other.
 * @throws Error naming each object that the API server refuses.
 */
export async function applyItems(
  items: readonly Item[],
  { before, created, ...method }: ApplyOptions,
  context: ActionContext,
): Promise<void> {
  const { client, signal } = context
  const originals = new Map(before.map(({ ref, object }) => [identityOf(ref), object]))
  for (const group of inGroups(items)) {
    const failures: string[] = []
    await mapPooled(group, poolOf(context), async (item) => {
      try {
        if (created && !(await client.find(item.ref, { metadataOnly: true, signal }))) created.push(item)
        await writeItem(item, { ...method, before: originals.get(identityOf(item.ref)) }, context)
      } catch (error) {
        signal.throwIfAborted()
        failures.push(`${displayName(item.ref)}: ${masked(messageOf(error), item.object)}`)
      }
    })
    if (failures.length > 0) throw new Error(failures.join(' && '))
  }
}

/** Neighbours of one kind: a kind begins when the one before it has been written. */
function inGroups(items: readonly Item[]): Item[][] {
  const groups: Item[][] = []
  for (const item of items) {
    const group = groups.at(-1)
    if (group?.[0]?.ref.kind === item.ref.kind) group.push(item)
    else groups.push([item])
  }
  return groups
}

/** @throws Error naming the first object that exists and belongs to no or another release. */
export async function checkOwnership(items: readonly Item[], release: ReleaseName, context: ActionContext): Promise<void> {
  await mapPooled(items, poolOf(context), async ({ ref }) => {
    const live = await context.client.find(ref, { metadataOnly: true, signal: context.signal })
    const problems = live ? ownershipProblems(live, release) : []
    if (problems.length === 0) return
    const what = `${ref.kind} "${ref.name}" in namespace "${ref.namespace ?? ''}"`
    const why = `invalid ownership metadata; ${problems.join('; ')}`
    throw new Error(`${what} exists and cannot be imported into the current release: ${why}`)
  })
}

function ownershipProblems(
  { metadata: { labels = {}, annotations = {} } }: KubeObject,
  { name, namespace }: ReleaseName,
): string[] {
  return [
    problemOf('label', labels, 'app.kubernetes.io/managed-by', 'Helm'),
    problemOf('annotation', annotations, 'meta.helm.sh/release-name', name),
    problemOf('annotation', annotations, 'meta.helm.sh/release-namespace', namespace),
  ].flatMap((problem) => problem ?? [])
}

function problemOf(what: string, values: Readonly<Record<string, string>>, key: string, wanted: string): string | undefined {
  const value = values[key]
  if (value === wanted) return undefined
  if (value === undefined) return `${what} validation error: missing key "${key}": must be set to "${wanted}"`
  return `${what} validation error: key "${key}" must equal "${wanted}": current value is "${value}"`
}

/** What is in the first manifest and not in the second. Versions of a kind do not tell objects apart. */
export function missingFrom(before: readonly Item[], after: readonly Item[]): readonly Item[] {
  const kept = new Set(after.map(({ ref }) => identityOf(ref)))
  return before.filter(({ ref }) => !kept.has(identityOf(ref)))
}

function identityOf(ref: ObjectRef): string {
  return `${gvkOf(ref).group}/${displayName(ref)}`
}

/** Deletes what an upgrade has left behind. @throws Error naming what cannot be deleted. */
export async function deleteLeft(items: readonly Item[], context: ActionContext): Promise<void> {
  const failures: string[] = []
  await mapPooled(items, poolOf(context), async ({ ref }) => {
    try {
      const live = await context.client.find(ref, { metadataOnly: true, signal: context.signal })
      if (!live || live.metadata.annotations?.['helm.sh/resource-policy'] === 'keep') return
      await context.client.delete(ref, { propagation: 'Background', signal: context.signal })
    } catch (error) {
      context.signal.throwIfAborted()
      const { namespace = '', name, kind } = ref
      failures.push(`failed to delete resource namespace=${namespace}, name=${name}, kind=${kind}: ${messageOf(error)}`)
    }
  })
  if (failures.length > 0) throw new Error(failures.join(' && '))
}

export interface Deletion {
  /** What was there and belonged to the release. */
  readonly deleted: readonly Item[]
  readonly failures: readonly string[]
}

/** Deletes the objects of a release, but for those that are to be kept and those that belong to others. */
export async function deleteOwned(
  items: readonly Item[],
  release: ReleaseName,
  context: ActionContext,
  { propagation = 'Background' }: { readonly propagation?: 'Background' | 'Foreground' | 'Orphan' } = {},
): Promise<Deletion> {
  const doomed = items.filter(({ object }) => !isKept(object))
  const deleted: Item[] = []
  const failures: string[] = []
  for (const group of inGroups(inOrder(doomed, uninstallOrder))) {
    await mapPooled(group, poolOf(context), async (item) => {
      try {
        if (!(await isOwned(item, release, context))) return
        await context.client.delete(item.ref, { propagation, signal: context.signal })
        deleted.push(item)
      } catch (error) {
        context.signal.throwIfAborted()
        failures.push(`${displayName(item.ref)}: ${messageOf(error)}`)
      }
    })
  }
  return { deleted, failures }
}

function isKept({ metadata }: KubeObject): boolean {
  return metadata.annotations?.['helm.sh/resource-policy']?.trim().toLowerCase() === 'keep'
}

/** What cannot be looked at is left alone, as Helm does. */
async function isOwned({ ref }: Item, release: ReleaseName, { client, signal, log }: ActionContext): Promise<boolean> {
  try {
    const live = await client.find(ref, { metadataOnly: true, signal })
    if (!live) return false
    const isOurs = ownershipProblems(live, release).length === 0
    if (!isOurs) log.warn({ object: displayName(ref) }, 'skipping delete of resource not owned by this release')
    return isOurs
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    log.warn(
      { object: displayName(ref), error: messageOf(error) },
      'skipping delete of resource because ownership could not be verified',
    )
    return false
  }
}

function inOrder(items: readonly Item[], order: KindOrder): Item[] {
  return sortByKind(
    items.map((item) => ({ kind: item.ref.kind, item })),
    order,
  ).map(({ item }) => item)
}

/** The namespace of the release, where it is missing. It belongs to nobody: an uninstall leaves it. */
export async function createNamespace(name: string, { client, signal }: ActionContext): Promise<void> {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { name } } }
  try {
    await client.create(namespace, { fieldManager, metadataOnly: true, signal })
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== 'AlreadyExists') throw error
  }
}

function poolOf({ signal }: ActionContext) {
  return { limit: requestsAtOnce, signal }
}

/** Takes back what a failed action has created. @throws Error naming what cannot be deleted. */
export async function deleteCreated(items: readonly Item[], { client, signal }: ActionContext): Promise<void> {
  for (const { ref } of items.toReversed()) await client.delete(ref, { propagation: 'Background', signal })
}
