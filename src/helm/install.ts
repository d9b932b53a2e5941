/** Installing a release. Source: helm pkg/action/install.go, helm-controller internal/action/install.go. */

import type { Release } from '../lib/chart/index.ts'
import { messageOf } from '../lib/errors.ts'
import type { ActionContext, Desired } from './action.ts'
import { applyItems, checkOwnership, createNamespace, itemsOf } from './apply.ts'
import { applyCrds } from './crds.ts'
import { runHooks } from './hooks.ts'
import { Revision, timeText, withoutRevision } from './revision.ts'
import { installMethodOf, timeoutMsOf } from './settings.ts'
import { untilReady } from './wait.ts'
import type { Item, Method } from './write.ts'

interface Prepared {
  readonly revision: Revision
  readonly items: readonly Item[]
  readonly method: Method
}

/** @throws ActionError */
export async function install(desired: Desired, context: ActionContext): Promise<Release> {
  const prepared = await withoutRevision('', () => prepare(desired, context))
  const { revision } = prepared
  try {
    await perform(prepared, context)
  } catch (error) {
    throw await revision.fail(`Release "${context.release.name}" failed: ${messageOf(error)}`, error)
  }
  revision.changeInfo({ status: 'deployed', description: 'Install complete' })
  await revision.update()
  return revision.release
}

async function prepare(desired: Desired, context: ActionContext): Promise<Prepared> {
  const { spec, release, render, signal } = context
  const given = spec.install ?? {}
  const method = installMethodOf(given)
  signal.throwIfAborted()
  await applyCrds(desired, { policy: given.crds ?? 'Create', method }, context)
  const version = await nextVersion(context)
  const rendered = await render.release({
    desired,
    revision: 1,
    isUpgrade: false,
    skipSchemaValidation: given.disableSchemaValidation ?? false,
  })
  for (const warning of rendered.warnings) context.log.warn({}, warning)
  const items = await itemsOf(rendered.manifest, release, context).catch((error) => {
    throw new Error(`unable to build kubernetes objects from release manifest: ${messageOf(error)}`, { cause: error })
  })
  if (given.disableTakeOwnership) await own(items, context)
  if (spec.targetNamespace && given.createNamespace) await createNamespace(release.namespace, context)
  const now = timeText(context)
  const revision = new Revision(
    {
      ...release,
      version,
      info: {
        firstDeployed: now,
        lastDeployed: now,
        status: 'pending-install',
        description: 'Initial install underway',
        ...(rendered.notes && { notes: rendered.notes }),
      },
      chart: rendered.chart,
      config: desired.values,
      manifest: rendered.manifest,
      hooks: rendered.hooks,
      applyMethod: method.serverSide ? 'ssa' : 'csa',
    },
    context,
  )
  await revision.create()
  return { revision, items, method }
}

async function own(items: readonly Item[], context: ActionContext): Promise<void> {
  await checkOwnership(items, context.release, context).catch((error) => {
    throw new Error(`unable to continue with install: ${messageOf(error)}`, { cause: error })
  })
}

/** 1, or with `replace` the one after the last; that one makes room where it did not fail. */
async function nextVersion(context: ActionContext): Promise<number> {
  const { storage, release, spec } = context
  const last = await storage.last(release.name)
  if (!last) return 1
  const { status } = last.info
  if (!spec.install?.replace || (status !== 'uninstalled' && status !== 'failed'))
    throw new Error('release name check failed: cannot reuse a name that is still in use')
  if (status === 'uninstalled') {
    const superseded = new Revision(last, context)
    superseded.changeInfo({ status: 'superseded', description: 'superseded by new release' })
    await superseded.update()
  }
  return last.version + 1
}

async function perform({ revision, items, method }: Prepared, context: ActionContext): Promise<void> {
  const { spec } = context
  const { disableHooks, disableWait, disableWaitForJobs } = spec.install ?? {}
  const timeoutMs = timeoutMsOf(spec, 'install')
  const hooks = async (event: 'pre-install' | 'post-install') => {
    if (disableHooks) return
    await runHooks({ event, revision, timeoutMs, method }, context).catch((error) => {
      throw new Error(`failed ${event}: ${messageOf(error)}`, { cause: error })
    })
  }
  await hooks('pre-install')
  // Of what is there already nothing is known that has to go.
  await applyItems(items, { ...method, before: items }, context)
  if (!disableWait) await untilReady(items, { timeoutMs, forJobs: !disableWaitForJobs }, context)
  await hooks('post-install')
}
