/** Deleting what is no longer wanted, unless somebody else is about to want it. */
import { type Kustomization, kustomizationKind } from '../api/kustomization.ts'
import { keyOf, keyText } from '../api/object.ts'
import type { InventoryEntry, PruneResult } from '../kube/applier.ts'
import { changeLog } from '../kube/changes.ts'
import { refOfEntry } from '../kube/inventory.ts'
import { mapPooled } from '../kube/pool.ts'
import type { UnpackedArtifact } from '../runtime/artifacts.ts'
import type { Context } from '../runtime/reconcile.ts'
import type { Actor } from './appliers.ts'
import type { Builds } from './builds.ts'
import { inSameCluster } from './cluster.ts'
import { consumersIndex, eventMetadata, type Revision, sourceKeyOf } from './source.ts'
import { allKustomizations } from './stores.ts'
import { readSubstitution } from './variables.ts'

/** Requests and builds at a time, for what is looked up before pruning. */
const concurrent = 8

export interface Pruning extends Actor {
  readonly ks: Kustomization
  readonly revision: Revision
  readonly unpacked: UnpackedArtifact
  /** What is in the inventory and not in the build. */
  readonly stale: readonly InventoryEntry[]
  readonly builds: Builds
  readonly context: Context<Kustomization>
}

export interface Pruned {
  /** Entries that stay in the inventory: those that could not be deleted, and those that another Kustomization takes over. */
  readonly kept: readonly InventoryEntry[]
  /** Why the run fails, when something could not be deleted. */
  readonly failure: string | undefined
}

/** Deletes the stale objects that are still ours; without `spec.prune` they are only let go. */
export async function prune(pruning: Pruning): Promise<Pruned> {
  const { ks, revision, stale, applier, context } = pruning
  if (!ks.spec.prune || stale.length === 0) return { kept: [], failure: undefined }
  const wanted = await wantedByOthers(pruning)
  const orphans = stale.filter(({ id }) => !wanted.has(id))
  const result = await applier.prune(orphans, { owner: keyOf(ks), signal: context.signal })
  const log = changeLog(result.changes)
  if (log !== '') context.event({ severity: 'info', reason: 'Progressing', message: log, metadata: eventMetadata(revision) })
  const handedOver = await stillOurs(
    pruning,
    stale.filter(({ id }) => wanted.has(id)),
  )
  return { kept: [...handedOver, ...result.survivors.map(({ entry }) => entry)], failure: failureOf(result) }
}

/** One message for all objects that are still there; undefined when there are none. */
export function failureOf({ survivors }: PruneResult): string | undefined {
  if (survivors.length === 0) return undefined
  return `delete failed, errors: ${survivors.map(({ reason }) => reason).join('; ')}`
}

/** The entries whose live objects still carry our owner labels. */
async function stillOurs({ ks, client, context }: Pruning, entries: readonly InventoryEntry[]): Promise<InventoryEntry[]> {
  const { name, namespace } = ks.metadata
  const isOurs = async (entry: InventoryEntry): Promise<boolean> => {
    const live = await client.find(refOfEntry(entry), { metadataOnly: true, signal: context.signal })
    const labels = live?.metadata.labels
    return labels?.[`${kustomizationKind.group}/name`] === name && labels[`${kustomizationKind.group}/namespace`] === namespace
  }
  const ours = await mapPooled(entries, { limit: concurrent, signal: context.signal }, isOurs)
  return entries.filter((_, index) => ours[index])
}

/**
 * The stale entries that another Kustomization builds from the same artifact: an object that moves in one commit is not deleted on its way.
 * It stays in our inventory too until the owner labels of the live object say that it has been taken over, so it is orphaned in no case.
 */
async function wantedByOthers({ ks, stale, unpacked, applier, builds, context }: Pruning): Promise<ReadonlySet<string>> {
  const { store } = allKustomizations(context)
  const others = consumersIndex(store)(sourceKeyOf(ks)).filter(
    (other) => keyText(keyOf(other)) !== keyText(keyOf(ks)) && isActive(other) && inSameCluster(other, ks),
  )
  const idsOf = async (other: Kustomization): Promise<readonly string[]> => {
    try {
      const items = builds.known(other, unpacked)
      const manifests = items ? { items, load: async () => (await buildOf(other)).load() } : await buildOf(other)
      return (await applier.inventory(manifests)).map(({ id }) => id)
    } catch (error) {
      context.signal.throwIfAborted()
      // What does not build takes nothing over; its own run reports why.
      context.log.debug({ other: keyText(keyOf(other)), error: String(error) }, 'looked for a new owner of stale objects in vain')
      return []
    }
  }
  const buildOf = async (other: Kustomization) => {
    const strict = context.flags.featureGates.get('StrictPostBuildSubstitutions') ?? true
    const substitution = await readSubstitution(other, { client: context.client, strict, signal: context.signal })
    return builds.of(other, { unpacked, substitution, environment: context, signal: context.signal })
  }
  const isStale = new Set(stale.map(({ id }) => id))
  const ids = await mapPooled(others, { limit: concurrent, signal: context.signal }, idsOf)
  return new Set(ids.flat().filter((id) => isStale.has(id)))
}

function isActive({ spec, metadata }: Kustomization): boolean {
  return !spec.suspend && !metadata.deletionTimestamp
}
