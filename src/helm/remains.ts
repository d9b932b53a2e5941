/**
 * What revisions that did not come to their end may have left in the cluster. Helm compares with one revision only: of an upgrade that was
 * broken off and then made another way, or a rollback that was broken off, it forgets objects for good.
 */
import type { Release } from '../lib/chart/index.ts'
import { messageOf } from '../lib/errors.ts'
import type { ActionContext } from './action.ts'
import { deleteOwned, itemsOf, missingFrom } from './apply.ts'
import type { Item } from './write.ts'

export interface Past {
  /** All revisions, newest first. */
  readonly history: readonly Release[]
  /** The one whose objects are dealt with already. */
  readonly current: Release
}

/** Deletes what is left of other revisions, belongs to the release, and is not to be kept. @throws Error naming what cannot be deleted. */
export async function deleteRemains(past: Past, kept: readonly Item[], context: ActionContext): Promise<void> {
  const { failures } = await deleteOwned(missingFrom(await remainsOf(past, context), kept), past.current, context)
  if (failures.length > 0) throw new Error(failures.join(' && '))
}

/** The objects of those revisions besides the current one that may still be in the cluster. */
export async function remainsOf({ history, current }: Past, context: ActionContext): Promise<readonly Item[]> {
  const remains: Item[] = []
  for (const release of unsettled(history)) {
    if (release.version !== current.version) remains.push(...missingFrom(await readable(release, context), remains))
  }
  return remains
}

/** Back to the last revision that came to its end: that one took away what there was before it. */
function unsettled(history: readonly Release[]): readonly Release[] {
  const deployed = history.findIndex(({ info }) => info.status === 'deployed')
  const settled = deployed >= 0 ? deployed : history.findIndex(({ info }) => info.status === 'superseded')
  return settled >= 0 ? history.slice(0, settled + 1) : history
}

/** A revision whose kinds the cluster does not have (any more) left nothing of them, and must not hold up what is wanted now. */
async function readable(release: Release, context: ActionContext): Promise<readonly Item[]> {
  try {
    return await itemsOf(release.manifest, release, context)
  } catch (error) {
    context.signal.throwIfAborted()
    context.log.warn({ revision: release.version, error: messageOf(error) }, 'what a former revision left is not looked for')
    return []
  }
}
