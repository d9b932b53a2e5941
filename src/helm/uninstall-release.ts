/** Uninstalling a release. Source: helm pkg/action/uninstall.go, helm-controller internal/action/uninstall.go. */
import type { Release } from '../lib/chart/index.ts'
import { messageOf } from '../lib/errors.ts'
import { type ActionContext, ActionError } from './action.ts'
import { deleteOwned, itemsOf, missingFrom } from './apply.ts'
import { runHooks } from './hooks.ts'
import { type Past, remainsOf } from './remains.ts'
import { Revision, supersedeDeployed, timeText, withoutRevision } from './revision.ts'
import { timeoutMsOf } from './settings.ts'
import { untilGone } from './wait.ts'

const propagations = { background: 'Background', foreground: 'Foreground', orphan: 'Orphan' } as const

/** @throws ActionError */
export async function uninstall(context: ActionContext): Promise<Release | undefined> {
  const { storage, release, spec } = context
  const { disableHooks, keepHistory = false } = spec.uninstall ?? {}
  const history = await withoutRevision('uninstall: Release not loaded: ', () => storage.history(release.name))
  const [last] = history
  if (!last) return undefined
  if (last.info.status === 'uninstalled') return keepHistory ? last : purge(history, context)

  const timeoutMs = timeoutMsOf(spec, 'uninstall')
  // However the release was written.
  const method = { serverSide: true }
  const revision = new Revision(last, context)
  revision.changeInfo({
    status: 'uninstalling',
    deleted: timeText(context),
    description: 'Deletion in progress (or silently failed)',
  })
  const failures: string[] = []
  let cause: unknown
  try {
    if (!disableHooks) await runHooks({ event: 'pre-delete', revision, timeoutMs, method }, context)
    await revision.update()
    await deleteObjects({ history, current: revision.release }, context, failures)
  } catch (error) {
    throw await undone(revision, error, context)
  }
  if (!disableHooks) {
    await runHooks({ event: 'post-delete', revision, timeoutMs, method }, context).catch((error) => {
      context.signal.throwIfAborted()
      failures.push(messageOf(error))
      cause = error
    })
  }
  revision.changeInfo({ status: 'uninstalled', description: 'Uninstallation complete' })
  await revision.update()
  if (keepHistory) await supersedeDeployed(revision.release, context)
  else await purge(history, context)
  if (failures.length > 0) {
    const message = `uninstallation completed with ${failures.length} error(s): ${failures.join('; ')}`
    throw new ActionError(message, { cause, release: revision.release })
  }
  return keepHistory ? revision.release : undefined
}

/** Waits too, unless that is turned off; what does not go away in time is a failure, and the history goes nevertheless. */
async function deleteObjects(past: Past, context: ActionContext, failures: string[]): Promise<void> {
  const { disableWait, deletionPropagation = 'background' } = context.spec.uninstall ?? {}
  const release = past.current
  const own = await itemsOf(release.manifest, release, context)
  const items = [...own, ...missingFrom(await remainsOf(past, context), own)]
  const propagation = propagations[deletionPropagation]
  const { deleted, failures: refused } = await deleteOwned(items, release, context, { propagation })
  if (refused.length > 0) throw new Error(`failed to delete release: ${release.name}: ${refused.join('; ')}`)
  if (disableWait) return
  await untilGone(deleted, timeoutMsOf(context.spec, 'uninstall'), context).catch((error) => {
    if (error instanceof Error && error.name !== 'HealthError') throw error
    failures.push(messageOf(error))
  })
}

/** The release is there still: the next uninstall goes on with it. */
async function undone(revision: Revision, error: unknown, context: ActionContext): Promise<ActionError> {
  await revision.update().catch((problem) => {
    context.log.error({ error: messageOf(problem) }, 'the failure of the uninstall could not be recorded')
  })
  return new ActionError(messageOf(error), { cause: error, release: revision.release })
}

async function purge(history: readonly Release[], { storage }: ActionContext): Promise<undefined> {
  for (const { name, version } of history) await storage.delete(name, version)
}
