/** Upgrading a release. Source: helm pkg/action/upgrade.go, helm-controller internal/action/upgrade.go. */
import type { Release } from '../lib/chart/index.ts'
import { copyTable } from '../lib/chart/table.ts'
import { coalesceTables, coalesceValues } from '../lib/chart/values.ts'
import { messageOf } from '../lib/errors.ts'
import { type ActionContext, ActionError, type Desired } from './action.ts'
import { applyItems, checkOwnership, deleteCreated, deleteLeft, itemsOf, missingFrom } from './apply.ts'
import { applyCrds } from './crds.ts'
import { runHooks } from './hooks.ts'
import { deleteRemains } from './remains.ts'
import { Revision, timeText, withoutRevision } from './revision.ts'
import { methodOf, timeoutMsOf } from './settings.ts'
import { untilReady } from './wait.ts'
import type { Item, Method } from './write.ts'

interface Prepared {
  readonly revision: Revision
  readonly history: readonly Release[]
  /** The revision whose objects are in the cluster. */
  readonly current: Release
  readonly before: readonly Item[]
  readonly after: readonly Item[]
  readonly method: Method
}

/** @throws ActionError */
export async function upgrade(desired: Desired, context: ActionContext): Promise<Release> {
  const prepared = await withoutRevision('', () => prepare(desired, context))
  const { revision, current } = prepared
  const created: Item[] = []
  try {
    await perform(prepared, created, context)
  } catch (error) {
    const failure = await revision.fail(`Upgrade "${context.release.name}" failed: ${messageOf(error)}`, error)
    throw await cleanedUp(failure, created, context)
  }
  const superseded = new Revision(current, context)
  superseded.changeInfo({ status: 'superseded' })
  await superseded.update()
  revision.changeInfo({ status: 'deployed', description: 'Upgrade complete' })
  await revision.update()
  return revision.release
}

async function prepare(desired: Desired, context: ActionContext): Promise<Prepared> {
  const { spec, release, render, storage, signal } = context
  const given = spec.upgrade ?? {}
  signal.throwIfAborted()
  const history = await storage.history(release.name)
  const { last, current } = lastAndCurrent(history, release.name)
  const method = methodOf(given, last)
  await applyCrds(desired, { policy: given.crds ?? 'Create', method }, context)
  const reused = given.preserveValues ? reuse(desired, current) : { desired }
  const version = last.version + 1
  const rendered = await render.release({
    ...reused,
    revision: version,
    isUpgrade: true,
    skipSchemaValidation: given.disableSchemaValidation ?? false,
  })
  for (const warning of rendered.warnings) context.log.warn({}, warning)
  const before = await build(current, context, 'current')
  const after = await build({ ...current, manifest: rendered.manifest }, context, 'new')
  if (given.disableTakeOwnership) await own(missingFrom(after, before), current, context)
  const revision = new Revision(
    {
      name: release.name,
      namespace: current.namespace,
      version,
      info: {
        ...(current.info.firstDeployed && { firstDeployed: current.info.firstDeployed }),
        lastDeployed: timeText(context),
        status: 'pending-upgrade',
        description: 'Preparing upgrade',
        ...(rendered.notes && { notes: rendered.notes }),
      },
      chart: rendered.chart,
      config: reused.desired.values,
      manifest: rendered.manifest,
      hooks: rendered.hooks,
      applyMethod: method.serverSide ? 'ssa' : 'csa',
      ...(last.labels && { labels: last.labels }),
    },
    context,
  )
  await revision.create()
  return { revision, history, current, before, after, method }
}

/** The newest revision, and the one that is deployed: after a failure an older one. */
function lastAndCurrent(history: readonly Release[], name: string): { readonly last: Release; readonly current: Release } {
  const [last] = history
  if (!last) throw new Error(`"${name}" has no deployed releases`)
  const { status } = last.info
  if (status.startsWith('pending-')) throw new Error('another operation (install/upgrade/rollback) is in progress')
  const deployed = history.find(({ info }) => info.status === 'deployed')
  if (!deployed && status !== 'failed' && status !== 'superseded') throw new Error(`"${name}" has no deployed releases`)
  return { last, current: deployed ?? last }
}

/** The values of the release before stay, those of its chart too. */
function reuse({ chart, values }: Desired, { chart: before, config }: Release) {
  return { desired: { chart, values: coalesceTables(copyTable(values), config) }, chartValues: coalesceValues(before, config) }
}

async function build(release: Release, context: ActionContext, which: 'current' | 'new'): Promise<readonly Item[]> {
  return itemsOf(release.manifest, release, context).catch((error) => {
    const what = `unable to build kubernetes objects from ${which} release manifest`
    throw new Error(`${what}: ${messageOf(error)}`, { cause: error })
  })
}

async function own(items: readonly Item[], release: Release, context: ActionContext): Promise<void> {
  await checkOwnership(items, release, context).catch((error) => {
    throw new Error(`unable to continue with update: ${messageOf(error)}`, { cause: error })
  })
}

async function perform(
  { revision, history, current, before, after, method }: Prepared,
  created: Item[],
  context: ActionContext,
): Promise<void> {
  const { spec } = context
  const { disableHooks, disableWait, disableWaitForJobs, cleanupOnFail } = spec.upgrade ?? {}
  const timeoutMs = timeoutMsOf(spec, 'upgrade')
  const hooks = async (event: 'pre-upgrade' | 'post-upgrade') => {
    if (disableHooks) return
    await runHooks({ event, revision, timeoutMs, method }, context).catch((error) => {
      throw new Error(`${event} hooks failed: ${messageOf(error)}`, { cause: error })
    })
  }
  await hooks('pre-upgrade')
  // Of what is taken over nothing is known that has to go.
  const originals = [...after, ...before]
  await applyItems(after, { ...method, before: originals, created: cleanupOnFail ? created : undefined }, context)
  await deleteLeft(missingFrom(before, after), context)
  await deleteRemains({ history, current }, after, context)
  if (!disableWait) await untilReady(after, { timeoutMs, forJobs: !disableWaitForJobs }, context)
  await hooks('post-upgrade')
}

async function cleanedUp(failure: ActionError, created: readonly Item[], context: ActionContext): Promise<ActionError> {
  try {
    await deleteCreated(created, context)
    return failure
  } catch (error) {
    const message = `an error occurred while cleaning up resources. original upgrade error: ${failure.message}: ${messageOf(error)}`
    return new ActionError(message, { cause: failure.cause, release: failure.release })
  }
}
