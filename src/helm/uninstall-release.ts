/** Uninstalling a release. Source: helm pkg/action/uninstall.go, helm-controller internal/action/uninstall.go. */
import { HealthError } from '../kube/applier.ts'
import type { Release } from '../lib/chart/index.ts'
import { messageOf } from '../lib/errors.ts'
import { type ActionContext, ActionError } from './action.ts'
import { deleteOwned, itemsOf, missingFrom } from './apply.ts'
import { runHooks } from './hooks.ts'
import { type Past, remainsOf } from './remains.ts'
import { Revision, supersedeDeployed, timeText, withoutRevision } from './revision.ts'
import { timeoutMsOf } from './settings.ts'
import { untilGone } from './wait.ts'
import type { Item } from './write.ts'

const propagations = { background: 'Background', foreground: 'Foreground', orphan: 'Orphan' } as const

/** @throws ActionError */
export async function uninstall(context: ActionContext): Promise<Release | undefined> {
  const { storage, release, spec } = context
  const { keepHistory = false } = spec.uninstall ?? {}
  const history = await withoutRevision('uninstall: Release not loaded: ', () => storage.history(release.name))
  const [last] = history
  if (!last) return undefined
  if (last.info.status === 'uninstalled') return keepHistory ? last : purge(history, context)

  const revision = new Revision(last, context)
  const failures = await takeAway(revision, history, context)
  revision.changeInfo({ status: 'uninstalled', description: 'Uninstallation complete' })
  await revision.update()
  if (keepHistory) await supersedeDeployed(revision.release, context)
  else await purge(history, context)
  if (failures.length > 0) {
    const message = `uninstallation completed with ${failures.length} error(s): ${failures.map(messageOf).join('; ')}`
    throw new ActionError(message, { cause: failures.at(-1), release: revision.release })
  }
  return keepHistory ? revision.release : undefined
}

/** Returns what went wrong when nothing but the history was left to be deleted. @throws ActionError when objects are left */
async function takeAway(revision: Revision, history: readonly Release[], context: ActionContext): Promise<unknown[]> {
  const { spec } = context
  const hooks = async (event: 'pre-delete' | 'post-delete') => {
    if (spec.uninstall?.disableHooks) return
    // However the release was written.
    const method = { serverSide: true }
    await runHooks({ event, revision, timeoutMs: timeoutMsOf(spec, 'uninstall'), method }, context)
  }
  const failures: unknown[] = []
  const goOn = (error: unknown) => {
    context.signal.throwIfAborted()
    failures.push(error)
  }
  const description = 'Deletion in progress (or silently failed)'
  revision.changeInfo({ status: 'uninstalling', deleted: timeText(context), description })
  try {
    await hooks('pre-delete')
    await revision.update()
    const deleted = await deleteObjects({ history, current: revision.release }, context)
    // What does not go away in time is a failure, and the history goes nevertheless.
    await untilAway(deleted, context).catch((error) => {
      if (!(error instanceof HealthError)) throw error
      goOn(error)
    })
  } catch (error) {
    throw await undone(revision, error, context)
  }
  await hooks('post-delete').catch(goOn)
  return failures
}

async function deleteObjects(past: Past, context: ActionContext): Promise<readonly Item[]> {
  const { deletionPropagation = 'background' } = context.spec.uninstall ?? {}
  const release = past.current
  const own = await itemsOf(release.manifest, release, context)
  const items = [...own, ...missingFrom(await remainsOf(past, context), own)]
  const propagation = propagations[deletionPropagation]
  const { deleted, failures } = await deleteOwned(items, release, context, { propagation })
  if (failures.length > 0) throw new Error(`failed to delete release: ${release.name}: ${failures.join('; ')}`)
  return deleted
}

async function untilAway(items: readonly Item[], context: ActionContext): Promise<void> {
  const { spec } = context
  if (!spec.uninstall?.disableWait) await untilGone(items, timeoutMsOf(spec, 'uninstall'), context)
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
