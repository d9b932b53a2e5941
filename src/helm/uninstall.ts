/** What becomes of a release whose HelmRelease is deleted, or wants another release. Source: internal/reconcile/uninstall.go. */
import { messageOf } from '../lib/errors.ts'
import { Preempted, Retryable } from '../runtime/reconcile.ts'
import { actionContext, metadataOf, type Scope, withLog } from './scope.ts'
import { chartNameOf, fullNameOf, isOf } from './snapshots.ts'

/**
 * Uninstalls the release of the newest snapshot, if there is one. A release that is not there any more counts as uninstalled.
 * @throws Retryable UninstallFailed
 */
export async function uninstall(scope: Scope): Promise<void> {
  const { ledger, actions, context } = scope
  const [current] = ledger.history
  if (!current) return
  const { action, tail } = actionContext(scope, (release) => {
    if (ledger.history.some((known) => isOf(known, release))) ledger.observe(release, { action: 'uninstall' })
  })
  const about = `release ${fullNameOf(current)} with chart ${chartNameOf(current)}`
  try {
    const uninstalled = await actions.uninstall(action)
    if (uninstalled && !isOf(current, uninstalled))
      throw new Error(`release mismatch: uninstalled release ${fullNameOf(uninstalled)} != current release ${fullNameOf(current)}`)
  } catch (error) {
    if (error instanceof Preempted || context.signal.aborted) throw error
    const message = `Helm uninstall failed for ${about}: ${messageOf(error).trim()}`
    ledger.countFailure()
    ledger.setCondition('Released', 'False', 'UninstallFailed', message)
    ledger.event('error', 'UninstallFailed', withLog(message, tail), metadataOf(current))
    ledger.summarize()
    throw new Retryable('UninstallFailed', message, { cause: error, silent: true })
  }
  const message = `Helm uninstall succeeded for ${about}`
  ledger.set({ inventory: undefined })
  ledger.setCondition('Released', 'False', 'UninstallSucceeded', message)
  ledger.event('info', 'UninstallSucceeded', message, metadataOf(current))
}
