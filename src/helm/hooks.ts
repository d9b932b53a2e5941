/** Hooks: objects that are created at an event of a release and, where they are Jobs or Pods, waited for. Source: helm pkg/action/hooks.go. */

import type { Release, ReleaseHook } from '../lib/chart/index.ts'
import { compareText } from '../lib/chart/order.ts'
import { messageOf } from '../lib/errors.ts'
import type { ActionContext } from './action.ts'
import { hookItems } from './apply.ts'
import { failedPods } from './hook-pods.ts'
import { type Revision, timeText } from './revision.ts'
import { untilCompleted, untilGone } from './wait.ts'
import { createItem, fieldManager, type Item, type Method } from './write.ts'

export type HookEvent = `${'pre' | 'post'}-${'install' | 'upgrade' | 'rollback' | 'delete'}` | 'test'

export interface HookOptions {
  /** For each hook. */
  readonly timeoutMs: number
  readonly method: Pick<Method, 'serverSide'>
  readonly selects?: (hook: ReleaseHook) => boolean
}

type DeletePolicy = 'before-hook-creation' | 'hook-succeeded' | 'hook-failed'

/**
 * Runs the hooks of an event one after the other; when and how each ran is noted in the revision.
 * @throws Error of the first that fails; those behind it do not run.
 */
export async function runHooks(event: HookEvent, revision: Revision, options: HookOptions, context: ActionContext): Promise<void> {
  const hooks = inOrder(revision.release.hooks.filter((hook) => hook.events.includes(event) && (options.selects?.(hook) ?? true)))
  const succeeded: ReleaseHook[] = []
  for (const hook of hooks) {
    try {
      await runHook(event, hook, revision, options, context)
    } catch (error) {
      await deleteAll(succeeded, 'hook-succeeded', revision.release, options, context)
      throw error
    }
    succeeded.unshift(hook)
  }
  await deleteAll(succeeded, 'hook-succeeded', revision.release, options, context)
}

/** By weight, then by name. */
function inOrder(hooks: readonly ReleaseHook[]): readonly ReleaseHook[] {
  return hooks.toSorted((a, b) => a.weight - b.weight || compareText(a.name, b.name))
}

async function runHook(
  event: HookEvent,
  given: ReleaseHook,
  revision: Revision,
  options: HookOptions,
  context: ActionContext,
): Promise<void> {
  const deletePolicies = given.deletePolicies.length > 0 ? given.deletePolicies : ['before-hook-creation']
  const startedAt = timeText(context)
  const note = (lastRun: NonNullable<ReleaseHook['lastRun']>) => replaceHook(revision, given, { ...given, deletePolicies, lastRun })
  await deleteByPolicy({ ...given, deletePolicies }, 'before-hook-creation', revision.release, options, context)
  const items = await hookItems(given.manifest, revision.release, context).catch((error) => {
    throw new Error(`unable to build kubernetes object for ${event} hook ${given.path}: ${messageOf(error)}`, { cause: error })
  })
  note({ startedAt, phase: 'Running' })
  await revision.update()
  try {
    await create(items, options.method, context).catch((error) => {
      throw new Error(`warning: Hook ${event} ${given.path} failed: ${messageOf(error)}`, { cause: error })
    })
    await untilCompleted(items, options.timeoutMs, context)
    note({ startedAt, completedAt: timeText(context), phase: 'Succeeded' })
  } catch (error) {
    note({ startedAt, completedAt: timeText(context), phase: 'Failed' })
    // Before the hook is deleted, and its pods with it.
    const why = await failedPods(items, context)
    await deleteByPolicy({ ...given, deletePolicies }, 'hook-failed', revision.release, options, context).catch((problem) =>
      context.log.warn({ hook: given.path, error: messageOf(problem) }, 'a failed hook could not be deleted'),
    )
    throw why === '' ? error : new Error(`${messageOf(error)}; ${why}`, { cause: error })
  }
}

function replaceHook(revision: Revision, { path, name, kind }: ReleaseHook, changed: ReleaseHook): void {
  const isSame = (hook: ReleaseHook) => hook.path === path && hook.name === name && hook.kind === kind
  revision.change({ hooks: revision.release.hooks.map((hook) => (isSame(hook) ? changed : hook)) })
}

async function create(items: readonly Item[], { serverSide }: HookOptions['method'], context: ActionContext): Promise<void> {
  const { client, signal } = context
  for (const item of items) {
    if (serverSide) await client.apply(item.object, { fieldManager, fieldValidation: 'Strict', metadataOnly: true, signal })
    else await createItem(item, context)
  }
}

async function deleteAll(
  hooks: readonly ReleaseHook[],
  policy: DeletePolicy,
  release: Release,
  options: HookOptions,
  context: ActionContext,
): Promise<void> {
  for (const hook of hooks) await deleteByPolicy(hook, policy, release, options, context)
}

/** A CRD stays in any case: all objects of its kind would go with it. */
async function deleteByPolicy(
  { kind, manifest, deletePolicies }: ReleaseHook,
  policy: DeletePolicy,
  release: Release,
  { timeoutMs }: HookOptions,
  context: ActionContext,
): Promise<void> {
  if (kind === 'CustomResourceDefinition' || !deletePolicies.includes(policy)) return
  const items = await hookItems(manifest, release, context)
  for (const { ref } of items) await context.client.delete(ref, { propagation: 'Background', signal: context.signal })
  await untilGone(items, timeoutMs, context)
}
