/** The status of a commit, as every Git host has it: set when it is not so already. */
import type { Notification, ProviderDefinition, Sender, Target } from '../notifier.ts'
import { attempt, checkName, commitOf, description } from './git-host.ts'
import { isProgress } from './text.ts'

export interface CommitStatus {
  readonly commit: string
  /** The host's word for the state. */
  readonly state: string
  /** What tells statuses of one commit apart. */
  readonly id: string
  /** `kustomization/app`. */
  readonly name: string
  readonly description: string
  readonly notification: Notification
}

/** The statuses of a repository on one host. */
export interface StatusHost {
  /** Whether the newest status with this id says the same. */
  has(status: CommitStatus): Promise<boolean>
  set(status: CommitStatus): Promise<void>
}

export interface StatusWords {
  readonly success: string
  readonly failure: string
  /** Of events that something is under way; absent: they are left out. */
  readonly pending?: string
}

/** A provider of commit statuses. `open` checks the settings and gives the host. */
export function commitStatusProvider(
  words: StatusWords,
  open: (target: Target) => (sender: Sender) => Promise<StatusHost>,
): ProviderDefinition {
  return {
    purpose: 'commitStatus',
    connect(target) {
      const id = target.commitStatus
      if (!id) throw new Error('commit status cannot be empty')
      const host = open(target)
      return async (notification, sender) => {
        const state = stateOf(notification, words)
        if (state === undefined) return
        const commit = commitOf(notification)
        const status: CommitStatus = {
          commit,
          state,
          id,
          name: checkName(notification),
          description: description(notification),
          notification,
        }
        const opened = await host(sender)
        if (await attempt(`could not read the statuses of commit ${commit}`, opened.has(status))) return
        await attempt(`could not set the status of commit ${commit}`, opened.set(status))
      }
    },
  }
}

function stateOf({ event }: Notification, { success, failure, pending }: StatusWords): string | undefined {
  if (isProgress(event)) return pending
  return event.severity === 'error' ? failure : success
}
