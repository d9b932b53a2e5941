/** Actions that are measured: each counts with its time when it has come to an end, not when it was interrupted. */
import type { HelmAct } from '../runtime/work-metrics.ts'
import type { ActionContext, Actions } from './action.ts'
import { interruptionOf } from './acts.ts'

export type Finished = (action: HelmAct, result: 'success' | 'error', durationMs: number) => void

/** The same actions; `finished` is told of each. */
export function measured(actions: Actions, finished: Finished): Actions {
  async function measure<R>(action: HelmAct, { clock, signal }: ActionContext, act: () => Promise<R>): Promise<R> {
    const startedMs = clock.monotonic()
    const end = (result: 'success' | 'error') => finished(action, result, clock.monotonic() - startedMs)
    try {
      const done = await act()
      end('success')
      return done
    } catch (error) {
      if (!signal.aborted && !interruptionOf(error)) end('error')
      throw error
    }
  }
  return {
    install: (desired, context) => measure('install', context, () => actions.install(desired, context)),
    upgrade: (desired, context) => measure('upgrade', context, () => actions.upgrade(desired, context)),
    rollback: (version, context) => measure('rollback', context, () => actions.rollback(version, context)),
    uninstall: (context) => measure('uninstall', context, () => actions.uninstall(context)),
    test: (context) => measure('test', context, () => actions.test(context)),
  }
}
