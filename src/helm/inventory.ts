/** `status.inventory`: the objects of a release, and the CRDs that its chart brings. Source: internal/inventory. */
import type { HelmRelease, HelmReleaseStatus } from '../api/helmrelease.ts'
import { type KubeObject, type ObjectRef, refOf } from '../api/object.ts'
import type { Client } from '../kube/client.ts'
import { entryOf } from '../kube/inventory.ts'
import type { Release } from '../lib/chart/index.ts'
import { messageOf } from '../lib/errors.ts'
import type { Context } from '../runtime/reconcile.ts'
import { headsTask, type ObjectHead } from './manifest-task.ts'

export interface InventoryOptions {
  readonly crds: readonly ObjectHead[]
  readonly client: Client
  readonly context: Context<HelmRelease>
}

/** Undefined when it cannot be made, which an event tells: that is no reason to fail a release. */
export async function inventoryOf(
  release: Release,
  { crds, client, context }: InventoryOptions,
): Promise<HelmReleaseStatus['inventory'] | undefined> {
  try {
    const heads = await context.workers.run(headsTask, { manifest: release.manifest })
    const objects = heads.filter(({ metadata }) => !isHook(metadata))
    const refs = await placed(objects.map(refOfHead), release.namespace, { client, context })
    return { entries: [...refs, ...crds.map(refOfHead)].map(entryOf) }
  } catch (error) {
    const { namespace, name } = context.key
    const message = `failed to build inventory for ${namespace}/${name}: ${messageOf(error)}`
    context.event({ severity: 'error', reason: 'InventoryBuildFailed', message })
    return undefined
  }
}

function isHook({ annotations }: ObjectHead['metadata']): boolean {
  return annotations !== undefined && Object.hasOwn(annotations, 'helm.sh/hook')
}

function refOfHead(head: ObjectHead): ObjectRef {
  return refOf(head as KubeObject)
}

/** With the namespace of the release where the kind has one and the manifest says none. */
async function placed(
  refs: readonly ObjectRef[],
  namespace: string,
  { client, context }: Pick<InventoryOptions, 'client' | 'context'>,
): Promise<readonly ObjectRef[]> {
  const warnings = new Set<string>()
  const placedRefs: ObjectRef[] = []
  for (const ref of refs) {
    const isNamespaced = ref.namespace ? true : await scopeOf(ref, client, warnings)
    placedRefs.push(isNamespaced && !ref.namespace ? { ...ref, namespace } : ref)
  }
  if (warnings.size > 0) context.event({ severity: 'error', reason: 'NamespaceCheckSkipped', message: [...warnings].join('; ') })
  return placedRefs
}

async function scopeOf(ref: ObjectRef, client: Client, warnings: Set<string>): Promise<boolean> {
  try {
    return (await client.discovery.mapping(ref)).namespaced
  } catch (error) {
    warnings.add(`failed to determine if ${ref.kind} is namespace scoped, skipping namespace: ${messageOf(error)}`)
    return false
  }
}
