/** Writing one object of a release: by server-side apply, or as Helm 3 did. Source: helm pkg/kube/client.go. */
import { type KubeObject, type ObjectMeta, type ObjectRef, refOf } from '../api/object.ts'
import { appliedPatch } from '../kube/known.ts'
import { ApiError } from '../kube/transport.ts'
import type { ActionContext } from './action.ts'
import { threeWayPatch } from './three-way.ts'

/** An object of a release, at its place. */
export interface Item {
  readonly ref: ObjectRef
  readonly object: KubeObject
}

export const fieldManager = 'helm-controller'

/** How objects are written; what follows the first field counts without server-side apply only. */
export interface Method {
  readonly serverSide: boolean
  /** Objects that are there are replaced, not patched: `force`. */
  readonly replaces?: boolean
  /** See `PatchOptions`. */
  readonly heals?: boolean
}

/** `before`: the object as the release before has it. Without it the live object counts: all that the new one does not have goes. */
export async function writeItem(
  item: Item,
  { before, ...method }: Method & { readonly before?: KubeObject | undefined },
  context: ActionContext,
): Promise<void> {
  if (method.serverSide) return applyItem(item, context)
  const { client, signal } = context
  const live = await client.find(item.ref, { metadataOnly: before !== undefined, signal })
  if (!live) await createItem(item, context)
  else if (method.replaces) await replaceItem(item, live, context)
  else await patchItem(item, before ?? live, method, context)
}

/** Fields of others are taken over. What we, or helm, once wrote in another way becomes applied: what is left out later would stay. */
async function applyItem({ ref, object }: Item, context: ActionContext): Promise<void> {
  const { client, signal } = context
  const options = { fieldManager, force: true, fieldValidation: 'Strict', metadataOnly: true, signal } as const
  const { metadata } = await client.apply(object, options)
  if (claimsOf(metadata, formerManagers).length === 0) return
  await claim(ref, formerManagers, context)
  await client.apply(object, options)
}

const mostClaims = 5

/** The helm command: a release has one writer at a time, and what the other one wrote of its objects is no more anybody else's. */
const formerManagers: readonly string[] = ['helm']

function claimsOf(metadata: ObjectMeta, managers: readonly string[]): object[] {
  return appliedPatch(metadata, fieldManager, managers)
}

/** What these managers wrote becomes what we have applied. A status may be written in between: then the patch is made anew. */
export async function claim(
  ref: ObjectRef,
  managers: readonly string[],
  { client, signal }: Pick<ActionContext, 'client' | 'signal'>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const live = await client.find(ref, { metadataOnly: true, signal })
    const patch = live ? claimsOf(live.metadata, managers) : []
    if (patch.length === 0) return
    try {
      await client.jsonPatch(ref, patch, { fieldManager, metadataOnly: true, signal })
      return
    } catch (error) {
      if (!(error instanceof ApiError && error.reason === 'Conflict') || attempt === mostClaims) throw error
    }
  }
}

/** For what is not there: hooks, and CRDs that are not to be changed, go by this too. @throws ApiError AlreadyExists */
export async function createItem({ object }: Item, { client, signal }: ActionContext): Promise<void> {
  await client.create(object, { fieldManager, metadataOnly: true, signal })
}

async function replaceItem({ object }: Item, live: KubeObject, { client, signal }: ActionContext): Promise<void> {
  const { resourceVersion } = live.metadata
  const metadata = { ...object.metadata, ...(resourceVersion && { resourceVersion }) }
  await client.replace({ ...object, metadata }, { fieldManager, fieldValidation: 'Strict', metadataOnly: true, signal })
}

async function patchItem({ object }: Item, before: KubeObject, method: Method, { client, signal }: ActionContext): Promise<void> {
  const { type, body } = threeWayPatch(before, object, { heals: method.heals ?? false })
  if (Object.keys(body).length === 0) return
  const options = { fieldManager, metadataOnly: true, signal }
  if (type === 'strategic') await client.strategicPatch(refOf(object), body, options)
  else await client.mergePatch(refOf(object), body, options)
}
