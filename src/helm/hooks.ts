/** Hooks: objects that are created at an event of a release and, where they are Jobs or Pods, waited for. Source: helm pkg/action/hooks.go. */

import type { ReleaseHook } from '../lib/chart/index.ts'
import { compareText } from '../lib/chart/order.ts'
import { messageOf } from '../lib/errors.ts'
import type { ActionContext } from './action.ts'
import { hookItems } from './apply.ts'
import { failedPods } from './hook-pods.ts'
import { type Revision, timeText } from './revision.ts'
import { untilCompleted, untilGone } from './wait.ts'
import { createItem, fieldManager, type Item, type Method } from './write.ts'

export type HookEvent = `${'pre' | 'post'}-${'install' | 'upgrade' | 'rollback' | 'delete'}` | 'test'

/** The hooks of a revision for one event. */
export interface HookRun {
  readonly event: HookEvent
  readonly revision: Revision
  /** For each hook. */
  readonly timeoutMs: number
  readonly method: Pick<Method, 'serverSide'>
  readonly selects?: (hook: ReleaseHook) => boolean
}

type DeletePolicy = 'before-hook-creation' | 'hook-succeeded' | 'hook-failed'

/**
 * Runs hooks one after the other; when and how each ran is noted in the revision.
 * @throws Error of the first that fails; those behind it do not run.
 */
export async function runHooks(run: HookRun, context: ActionContext): Promise<void> {
  const { event, revision, selects = () => true } = run
  const succeeded: ReleaseHook[] = []
  try {
    for (const hook of inOrder(revision.release.hooks.filter((hook) => hook.events.includes(event) && selects(hook)))) {
      await runHook(hook, run, context)
      succeeded.unshift(hook)
    }
  } catch (error) {
    await clear(succeeded, run, context).catch((problem) =>
      context.log.warn({ error: messageOf(problem) }, 'hooks that had succeeded could not be deleted'),
    )
    throw error
  }
  await clear(succeeded, run, context)
}

async function clear(succeeded: readonly ReleaseHook[], run: HookRun, context: ActionContext): Promise<void> {
  for (const hook of succeeded) await new HookObjects(hook, run, context).deleteIf('hook-succeeded')
}

/** By weight, then by name. */
function inOrder(hooks: readonly ReleaseHook[]): readonly ReleaseHook[] {
  return hooks.toSorted((a, b) => a.weight - b.weight || compareText(a.name, b.name))
}

async function runHook(given: ReleaseHook, run: HookRun, context: ActionContext): Promise<void> {
  const { event, revision, timeoutMs } = run
  const deletePolicies = given.deletePolicies.length > 0 ? given.deletePolicies : ['before-hook-creation']
  const hook = { ...given, deletePolicies }
  const objects = new HookObjects(hook, run, context)
  const startedAt = timeText(context)
  const note = (lastRun: NonNullable<ReleaseHook['lastRun']>) => replaceHook(revision, given, { ...hook, lastRun })
  await objects.deleteIf('before-hook-creation')
  const items = await objects.items().catch((error) => {
    throw new Error(`unable to build kubernetes object for ${event} hook ${hook.path}: ${messageOf(error)}`, { cause: error })
  })
  note({ startedAt, phase: 'Running' })
  await revision.update()
  try {
    await create(items, run, context).catch((error) => {
      throw new Error(`warning: Hook ${event} ${hook.path} failed: ${messageOf(error)}`, { cause: error })
    })
    await untilCompleted(items, timeoutMs, context)
    note({ startedAt, completedAt: timeText(context), phase: 'Succeeded' })
  } catch (error) {
    note({ startedAt, completedAt: timeText(context), phase: 'Failed' })
    // Before the hook is deleted, and its pods with it.
    const why = await failedPods(items, context)
    await objects
      .deleteIf('hook-failed')
      .catch((problem) => context.log.warn({ hook: hook.path, error: messageOf(problem) }, 'a failed hook could not be deleted'))
    throw why === '' ? error : new Error(`${messageOf(error)}; ${why}`, { cause: error })
  }
}

function replaceHook(revision: Revision, { path, name, kind }: ReleaseHook, changed: ReleaseHook): void {
  const isSame = (hook: ReleaseHook) => hook.path === path && hook.name === name && hook.kind === kind
  revision.change({ hooks: revision.release.hooks.map((hook) => (isSame(hook) ? changed : hook)) })
}

async function create(items: readonly Item[], { method }: HookRun, context: ActionContext): Promise<void> {
  const { client, signal } = context
  for (const item of items) {
    if (method.serverSide) await client.apply(item.object, { fieldManager, fieldValidation: 'Strict', metadataOnly: true, signal })
    else await createItem(item, context)
  }
}

/** What a hook is in the cluster. */
class HookObjects {
  readonly #hook: ReleaseHook
  readonly #run: HookRun
  readonly #context: ActionContext

  constructor(hook: ReleaseHook, run: HookRun, context: ActionContext) {
    this.#hook = hook
    this.#run = run
    this.#context = context
  }

  items(): Promise<readonly Item[]> {
    return hookItems(this.#hook.manifest, this.#run.revision.release, this.#context)
  }

  /** Where the hook says so. A CRD stays in any case: all objects of its kind would go with it. */
  async deleteIf(policy: DeletePolicy): Promise<void> {
    if (this.#hook.kind === 'CustomResourceDefinition' || !this.#hook.deletePolicies.includes(policy)) return
    const { client, signal } = this.#context
    const items = await this.items()
    for (const { ref } of items) await client.delete(ref, { propagation: 'Background', signal })
    await untilGone(items, this.#run.timeoutMs, this.#context)
  }
}
