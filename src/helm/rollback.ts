/** Going back to an earlier revision of a release. Source: helm pkg/action/rollback.go, helm-controller internal/action/rollback.go. */
import type { Release } from '../lib/chart/index.ts'
import { messageOf } from '../lib/errors.ts'
import type { ActionContext, ActionError } from './action.ts'
import { applyItems, deleteCreated, deleteLeft, itemsOf, missingFrom } from './apply.ts'
import { runHooks } from './hooks.ts'
import { deleteRemains } from './remains.ts'
import { Revision, supersedeDeployed, timeText, withoutRevision } from './revision.ts'
import { methodOf, timeoutMsOf } from './settings.ts'
import { untilReady } from './wait.ts'
import type { Item, Method } from './write.ts'

interface Prepared {
  readonly revision: Revision
  readonly history: readonly Release[]
  readonly current: Release
  readonly method: Method
}

/** Which step failed decides how the revision before counts. */
type Step = 'apply' | 'other'

/** @throws ActionError */
export async function rollback(version: number, context: ActionContext): Promise<Release> {
  const prepared = await withoutRevision('', () => prepare(version, context))
  const { revision } = prepared
  const progress: { step: Step; readonly created: Item[] } = { step: 'other', created: [] }
  try {
    await perform(prepared, progress, context)
  } catch (error) {
    throw await failed(prepared, { ...progress, error }, context)
  }
  await supersedeDeployed(revision.release, context)
  revision.changeInfo({ status: 'deployed' })
  await revision.update()
  return revision.release
}

async function prepare(version: number, context: ActionContext): Promise<Prepared> {
  const { storage, release, signal } = context
  signal.throwIfAborted()
  const history = await storage.history(release.name)
  const [current] = history
  const target = history.find((revision) => revision.version === version)
  if (!current || !target) throw new Error(`release has no ${version} version`)
  const method = methodOf(context.spec.rollback ?? {}, target)
  const { firstDeployed } = current.info
  const { notes } = target.info
  const { labels: _, ...unlabelled } = target
  const revision = new Revision(
    {
      ...unlabelled,
      ...(target.labels && { labels: target.labels }),
      namespace: current.namespace,
      version: current.version + 1,
      info: {
        ...(firstDeployed && { firstDeployed }),
        lastDeployed: timeText(context),
        status: 'pending-rollback',
        description: `Rollback to ${version}`,
        rollbackRevision: version,
        ...(notes && { notes }),
      },
      applyMethod: method.serverSide ? 'ssa' : 'csa',
    },
    context,
  )
  await revision.create()
  return { revision, history, current, method }
}

async function perform(
  { revision, history, current, method }: Prepared,
  progress: { step: Step; readonly created: Item[] },
  context: ActionContext,
): Promise<void> {
  const { spec } = context
  const { disableHooks, disableWait, disableWaitForJobs, cleanupOnFail } = spec.rollback ?? {}
  const timeoutMs = timeoutMsOf(spec, 'rollback')
  const before = await itemsOf(current.manifest, current, context)
  const after = await itemsOf(revision.release.manifest, revision.release, context)
  if (!disableHooks) await runHooks({ event: 'pre-rollback', revision, timeoutMs, method }, context)
  progress.step = 'apply'
  await applyItems(after, { ...method, before, created: cleanupOnFail ? progress.created : undefined }, context)
  await deleteLeft(missingFrom(before, after), context)
  await deleteRemains({ history, current }, after, context)
  progress.step = 'other'
  if (!disableWait) await untilReady(after, { timeoutMs, forJobs: !disableWaitForJobs }, context)
  if (!disableHooks) await runHooks({ event: 'post-rollback', revision, timeoutMs, method }, context)
}

async function failed(
  { revision, current }: Prepared,
  { step, created, error }: { readonly step: Step; readonly created: readonly Item[]; readonly error: unknown },
  context: ActionContext,
): Promise<ActionError> {
  const { name } = revision.release
  if (step === 'other') return revision.fail(`Release "${name}" failed: ${messageOf(error)}`, error)
  const superseded = new Revision(current, context)
  superseded.changeInfo({ status: 'superseded' })
  const ignored = (what: string) => (problem: unknown) => context.log.error({ error: messageOf(problem) }, what)
  await superseded.update().catch(ignored('the revision before could not be marked as superseded'))
  await deleteCreated(created, context).catch(ignored('what the rollback created could not be deleted'))
  return revision.fail(`Rollback "${name}" failed: ${messageOf(error)}`, error)
}
