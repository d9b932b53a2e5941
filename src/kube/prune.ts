/** Deleting what is no longer wanted, and only that. */
import { displayName, gvkOf, type Key, type KubeObject, type ObjectRef } from '../api/object.ts'
import { messageOf } from '../lib/errors.ts'
import type { InventoryEntry, PruneOptions, PruneResult } from './applier.ts'
import type { Action, Change } from './changes.ts'
import type { Client } from './client.ts'
import { entryOf, refOfEntry } from './inventory.ts'
import { policyOf } from './known.ts'
import type { ManagedObjects } from './managed.ts'
import { mapPooled } from './pool.ts'
import { byRank, compareInstallOrder } from './stages.ts'
import { ApiError } from './transport.ts'

export interface PruneContext {
  readonly client: Client
  readonly managed: ManagedObjects
  /** Group of the owner labels. */
  readonly group: string
  readonly concurrency: number
}

interface Outcome {
  readonly change?: Change
  readonly survivor?: PruneResult['survivors'][number]
}

/**
 * Deletes the objects in reverse install order. One that cannot be deleted does not keep the others.
 * Source: github.com/fluxcd/pkg/ssa manager_delete.go.
 */
export async function pruneObjects(
  entries: readonly InventoryEntry[],
  options: PruneOptions,
  context: PruneContext,
): Promise<PruneResult> {
  const targets = entries.map((entry) => ({ entry, ref: refOfEntry(entry) })).sort((a, b) => compareInstallOrder(b.ref, a.ref))
  const outcomes: Outcome[] = []
  for (const rank of byRank(targets)) {
    const pool = { limit: context.concurrency, signal: options.signal }
    outcomes.push(...(await mapPooled(rank, pool, ({ ref }) => pruneOrExplain(ref, options, context))))
  }
  return {
    changes: outcomes.flatMap(({ change }) => change ?? []),
    survivors: outcomes.flatMap(({ survivor }) => survivor ?? []),
  }
}

async function pruneOrExplain(ref: ObjectRef, options: PruneOptions, context: PruneContext): Promise<Outcome> {
  try {
    return { change: { ref, action: await pruneObject(ref, options, context) } }
  } catch (error) {
    if (options.signal.aborted) throw error
    return { survivor: { entry: entryOf(ref), reason: `${displayName(ref)} delete failed: ${messageOf(error)}` } }
  }
}

const maxAttempts = 5

async function pruneObject(ref: ObjectRef, options: PruneOptions, context: PruneContext): Promise<Action> {
  const { client, managed } = context
  for (let attempt = 1; ; attempt++) {
    const live = await findServed(ref, options.signal, client)
    if (!live) return 'deleted'
    if (!isOurs(live, options.owner, context.group)) return 'skipped'
    const policy = policyOf(live.metadata, context.group)
    if (policy.ignored || policy.keep) return 'skipped'
    // Its deletion has been accepted before: finalizers decide when it is gone.
    if (live.metadata.deletionTimestamp) return 'deleted'
    const known = managed.find(ref)
    // Before the request: its disappearance is no drift.
    known?.kind.drop(known)
    try {
      await client.delete(
        { ...ref, apiVersion: live.apiVersion },
        {
          propagation: options.propagation ?? 'Background',
          ...(live.metadata.uid && { uid: live.metadata.uid }),
          ...(live.metadata.resourceVersion && { resourceVersion: live.metadata.resourceVersion }),
          signal: options.signal,
        },
      )
      return 'deleted'
    } catch (error) {
      // Somebody changed it meanwhile: it may be somebody else's now, or protected.
      if (!(error instanceof ApiError) || error.status !== 409 || attempt === maxAttempts) throw error
    }
  }
}

function isOurs(live: KubeObject, owner: Key, group: string): boolean {
  const labels = live.metadata.labels
  return labels?.[`${group}/name`] === owner.name && labels[`${group}/namespace`] === owner.namespace
}

/** The object's metadata, by another version of its group where the recorded one is no longer served; undefined when it is gone. */
async function findServed(ref: ObjectRef, signal: AbortSignal, client: Client): Promise<KubeObject | undefined> {
  try {
    // Recorded before its apply was refused, for it has no namespace: it has never been there.
    if (ref.namespace === undefined && (await client.discovery.mapping(ref, signal)).namespaced) return undefined
    return await client.find(ref, { metadataOnly: true, signal })
  } catch (error) {
    if (!isNoKindMatch(error)) throw error
  }
  const { group, kind } = gvkOf(ref)
  client.discovery.forget(group)
  for (const apiVersion of await servedVersions(group, signal, client)) {
    try {
      return await client.find({ ...ref, apiVersion, kind }, { metadataOnly: true, signal })
    } catch (error) {
      if (!isNoKindMatch(error)) throw error
    }
  }
  return undefined
}

/**
 * All versions of a group that the API server serves. A group whose own API server is down is an error here, not an empty list:
 * its objects are not gone.
 */
async function servedVersions(group: string, signal: AbortSignal, client: Client): Promise<string[]> {
  if (group === '') return ['v1']
  try {
    const answer = await client.transport.request({
      method: 'GET',
      path: `/apis/${encodeURIComponent(group)}`,
      verb: 'discovery',
      signal,
    })
    const { versions = [] } = answer as { versions?: { groupVersion: string }[] }
    return versions.map(({ groupVersion }) => groupVersion)
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return []
    throw error
  }
}

function isNoKindMatch(error: unknown): boolean {
  return error instanceof ApiError && error.reason === 'NoKindMatch'
}
