/** What an apply, a prune or a drift check did to each object: the one value that events, inventory, logs and tests read. */
import { displayName, type ObjectRef } from '../api/object.ts'

export type Action = 'created' | 'configured' | 'unchanged' | 'deleted' | 'skipped'

export interface Change {
  readonly ref: ObjectRef
  readonly action: Action
}

/** One `<Kind>/<ns>/<name> <action>` a line, without those that are unchanged. */
export function changeLog(changes: readonly Change[]): string {
  return changes
    .filter((change) => change.action !== 'unchanged')
    .map((change) => `${displayName(change.ref)} ${change.action}`)
    .join('\n')
}
