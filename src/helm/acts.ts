/**
 * The actions as the loop sees them: each is run, its revisions are noted, and what became of it is told in conditions and an event.
 * Source: helm-controller internal/reconcile/{install,upgrade,rollback_remediation,uninstall_remediation,test,unlock}.go.
 */
import type { ReleaseSnapshot } from '../api/helmrelease.ts'
import type { KubeObject } from '../api/object.ts'
import type { Metadata, Release } from '../lib/chart/index.ts'
import { formatDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import type { Dict } from '../lib/gotemplate/value.ts'
import { Preempted } from '../runtime/reconcile.ts'
import type { ActionContext } from './action.ts'
import { valuesDigest } from './digests.ts'
import { correctDrift, type Drift } from './drift.ts'
import { inventoryOf } from './inventory.ts'
import type { Ledger } from './ledger.ts'
import type { LogTail } from './log-tail.ts'
import { rollbackTarget } from './plan.ts'
import { ActFailed, actionContext, type EventAbout, metadataOf, type Scope, withLog } from './scope.ts'
import { type ReleaseAction, remediationOf } from './settings.ts'
import { chartNameOf, fullNameOf, hasBeenTested, isOf, type SnapshotOrigin, testHooksOf, withRelease } from './snapshots.ts'

/** The chart that is wanted. */
export interface WantedChart {
  /** `sha256:<hex>` of its file. */
  readonly digest: string
  /** With the version that the release gets. */
  readonly metadata: Metadata
  /** Of its crds folders. */
  readonly crds: readonly Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>[]
  /** Digest of the artifact of a registry that it came from. */
  readonly ociDigest: string | undefined
  /** Hands out its file; it is there while `use` runs. */
  withFile<R>(use: (file: string) => Promise<R>): Promise<R>
}

export interface ActsOptions extends Scope {
  readonly chart: WantedChart
  readonly values: Dict
}

/** How the revisions that an action stores get into the history. */
interface Noting extends SnapshotOrigin {
  /** Of the newest one the test results count, and nothing else. */
  readonly isTest?: boolean
  /** Only those that it has already. */
  readonly isKnownOnly?: boolean
}

interface Ran {
  /** Undefined: it succeeded. */
  readonly failure: unknown
  /** The revision that it stored last. */
  readonly stored: Release | undefined
  readonly tail: LogTail
}

interface Remedy {
  readonly what: string
  readonly about: EventAbout
  readonly reason: 'Rollback' | 'Uninstall'
}

interface RemedyEnd {
  /** Undefined: it succeeded. */
  readonly failure: unknown
  readonly tail: LogTail
  readonly isStored: boolean
}

export class Acts {
  readonly #options: ActsOptions
  readonly #ledger: Ledger
  readonly #context: ActsOptions['context']

  constructor(options: ActsOptions) {
    this.#options = options
    this.#ledger = options.ledger
    this.#context = options.context
  }

  /**
   * Notes a revision that a process of ours stored, and was killed before it could tell: one that follows what is known. Otherwise the
   * history would count as somebody else's, and with it would go the revision that a failed upgrade is rolled back to.
   */
  takeUp(stored: Release): void {
    const known = this.#ledger.history
    const [current] = known
    if (!current || current.name !== stored.name || current.namespace !== stored.namespace) return
    if (stored.version <= current.version) return
    const { metadata, ociDigest } = this.#options.chart
    const isWanted = stored.chart.metadata.version === metadata.version
    const { status, rollbackRevision } = stored.info
    const action = rollbackRevision === undefined ? 'upgrade' : 'rollback'
    this.#ledger.observe(stored, { action, ...(isWanted && { ociDigest }) })
    if (status !== 'deployed') return
    const target = known.find(({ version }) => version === rollbackRevision)
    if (action === 'upgrade') this.#released(action)
    else if (target) this.#hasRemedied({ what: rollbackTo(target), about: target, reason: 'Rollback' })
  }

  install(): Promise<void> {
    // None of the past counts: a rollback never goes behind an install.
    this.#ledger.setHistory([])
    return this.#release('install')
  }

  upgrade(): Promise<void> {
    return this.#release('upgrade')
  }

  async #release(action: ReleaseAction): Promise<void> {
    const { chart, values, actions, release } = this.#options
    this.#ledger.set({ lastAttemptedReleaseAction: action })
    this.#ledger.removeCondition('TestSuccess')
    this.#ledger.removeCondition('Remediated')
    const startedAt = this.#context.clock.monotonic()
    const { failure, stored, tail } = await this.#run({ action, ociDigest: chart.ociDigest }, (context) =>
      chart.withFile((file) =>
        actions[action]({ chart: { file, digest: chart.digest, metadata: chart.metadata }, values }, context),
      ),
    )
    this.#ledger.set({ lastAttemptedReleaseActionDuration: formatDuration(this.#context.clock.monotonic() - startedAt) })
    await this.#noteInventory(stored)
    if (!failure) return this.#released(action)

    const { name, version } = chart.metadata
    const what = `Helm ${action} failed for release ${release.namespace}/${release.name} with chart ${name}@${version}`
    const message = `${what}: ${messageOf(failure).trim()}`
    const reason = action === 'install' ? 'InstallFailed' : 'UpgradeFailed'
    this.#ledger.countFailure()
    this.#ledger.setCondition('Released', 'False', reason, message)
    this.#tell('error', reason, withLog(message, tail), this.#aboutWanted())
    if (!stored) throw new ActFailed(message, { cause: failure })
    this.#ledger.countFailureOf(action)
  }

  #released(action: ReleaseAction): void {
    const current = this.#current()
    const reason = action === 'install' ? 'InstallSucceeded' : 'UpgradeSucceeded'
    const message = `Helm ${action} succeeded for release ${fullNameOf(current)} with chart ${chartNameOf(current)}`
    this.#ledger.setCondition('Released', 'True', reason, message)
    const { spec } = this.#ledger.hr
    if (spec.test?.enable && !hasBeenTested(current)) {
      const pending = `Helm release ${fullNameOf(current)} with chart ${chartNameOf(current)} is awaiting tests`
      this.#ledger.setCondition('TestSuccess', 'Unknown', 'AwaitingTests', pending)
    }
    const byDefault = this.#context.flags.featureGates.get('DefaultToRetryOnFailure') ? 'RetryOnFailure' : undefined
    if ((spec[action]?.strategy?.name ?? byDefault) === 'RetryOnFailure') this.#ledger.clearFailures()
    this.#tell('info', reason, message, current)
  }

  async rollback(): Promise<void> {
    const target = rollbackTarget({ history: this.#ledger.history, spec: this.#ledger.hr.spec })
    if (!target) throw new ActFailed('missing target release for rollback: required to rollback')
    const about = { ...target, configDigest: valuesDigest(this.#options.values) }
    const what = rollbackTo(target)
    const { failure, stored, tail } = await this.#run({ action: 'rollback', ociDigest: target.ociDigest }, (context) =>
      this.#options.actions.rollback(target.version, context),
    )
    await this.#noteInventory(stored)
    this.#remedied({ what, about, reason: 'Rollback', failure, tail, isStored: stored !== undefined })
  }

  async uninstall(): Promise<void> {
    const [current] = this.#ledger.history
    const about = current ?? (await this.#last())
    if (!about) return
    const what = `Helm uninstall remediation for release ${fullNameOf(about)} with chart ${chartNameOf(about)}`
    const { failure, stored, tail } = await this.#run({ action: 'uninstall-remediation', isKnownOnly: true }, (context) =>
      this.#options.actions.uninstall(context),
    )
    this.#remedied({ what, about, reason: 'Uninstall', failure, tail, isStored: stored !== undefined })
  }

  /** The newest revision, where no snapshot has it. */
  async #last(): Promise<ReleaseSnapshot | undefined> {
    const last = await this.#options.storage.last(this.#options.release.name)
    return last && withRelease([], last, {})[0]
  }

  #remedied(result: Remedy & RemedyEnd): void {
    const { what, about, reason, failure, tail, isStored } = result
    if (failure === undefined) {
      this.#hasRemedied(result)
      return
    }
    const message = `${what} failed: ${messageOf(failure).trim()}`
    this.#ledger.countFailure()
    this.#ledger.setCondition('Remediated', 'False', `${reason}Failed`, message)
    this.#tell('error', `${reason}Failed`, withLog(message, tail), about)
    if (!isStored) throw new ActFailed(message, { cause: failure })
  }

  #hasRemedied({ what, about, reason }: Remedy): void {
    const message = `${what} succeeded`
    this.#ledger.setCondition('Remediated', 'True', `${reason}Succeeded`, message)
    this.#tell('info', `${reason}Succeeded`, message, about)
  }

  async test(): Promise<void> {
    const current = this.#current()
    const { failure } = await this.#run({ isTest: true }, async (context) => {
      const tested = await this.#options.actions.test(context)
      if (!isOf(current, tested))
        throw new Error(`release mismatch: tested release ${fullNameOf(tested)} != current release ${fullNameOf(current)}`)
    })
    const after = this.#current()
    const about = `release ${fullNameOf(after)} with chart ${chartNameOf(after)}`
    if (failure === undefined) {
      const message = `Helm test succeeded for ${about}: ${testsText(after)}`
      this.#ledger.setCondition('TestSuccess', 'True', 'TestSucceeded', message)
      this.#tell('info', 'TestSucceeded', message, after)
      return
    }
    const message = `Helm test failed for ${about}: ${messageOf(failure).trim()}`
    this.#ledger.countFailure()
    this.#ledger.setCondition('TestSuccess', 'False', 'TestFailed', message)
    this.#tell('error', 'TestFailed', message, after)
    if (!hasBeenTested(after)) throw new ActFailed(message, { cause: failure })
    this.#countTestFailure()
  }

  #countTestFailure(): void {
    const { spec } = this.#ledger.hr
    const { lastAction } = this.#ledger
    if (lastAction && !remediationOf(spec, lastAction).ignoresTestFailures) this.#ledger.countFailureOf(lastAction)
  }

  /** Ends a pending state that nobody works on any more: a process was killed in the middle of an action. */
  async unlock(): Promise<void> {
    const { storage, release } = this.#options
    const last = await storage.last(release.name)
    if (!last?.info.status.startsWith('pending-')) return
    const { status } = last.info
    const failed: Release = {
      ...last,
      info: { ...last.info, status: 'failed', description: `Release unlocked from stale '${status}' state` },
    }
    const about = `Helm release ${fullNameOf(last)} with chart ${last.chart.metadata.name}@${last.chart.metadata.version} in ${status} state`
    const [snapshot] = withRelease([], last, {})
    try {
      await storage.update(failed)
    } catch (error) {
      const message = `Unlock of ${about} failed: ${messageOf(error).trim()}`
      this.#ledger.countFailure()
      this.#ledger.setCondition('Released', 'False', 'PendingRelease', message)
      this.#tell('error', 'PendingRelease', message, snapshot)
      throw new ActFailed(message, { cause: error })
    }
    if (this.#ledger.history.some((known) => isOf(known, failed))) this.#ledger.observe(failed, {})
    const message = `Unlocked ${about}`
    this.#ledger.setCondition('Released', 'False', 'PendingRelease', message)
    this.#tell('info', 'PendingRelease', message, snapshot)
  }

  async correctDrift(drift: Drift | undefined): Promise<void> {
    const current = this.#current()
    this.#ledger.setReady('Unknown', 'Progressing', 'correcting cluster drift')
    if (!drift) return
    const { corrected, failures } = await correctDrift(drift, this.#options)
    const done = corrected.map(({ name, action }) => `${name} ${action}`).join('\n')
    if (failures.length === 0) {
      this.#tell('info', 'DriftCorrected', `Cluster state of release ${fullNameOf(current)} has been corrected:\n${done}`, current)
      return
    }
    const partially = corrected.length > 0 ? 'partially ' : ''
    const problem = `Failed to ${partially}correct cluster state of release ${fullNameOf(current)}:\n${failures.join('\n')}`
    const successes = corrected.length > 0 ? `\n\nSuccessful corrections:\n${done}` : ''
    this.#tell('error', 'DriftCorrectionFailed', problem + successes, current)
  }

  /** Runs an action and notes each revision that it stores. Being interrupted is no failure: it passes through. */
  async #run(origin: Noting, act: (context: ActionContext) => Promise<unknown>): Promise<Ran> {
    let stored: Release | undefined
    const { action, tail } = actionContext(this.#options, (release) => {
      stored = release
      this.#note(release, origin)
    })
    try {
      await act(action)
      return { failure: undefined, stored, tail }
    } catch (error) {
      const interruption = interruptionOf(error)
      if (!interruption && !this.#context.signal.aborted) return { failure: error, stored, tail }
      if (interruption)
        this.#ledger.event(
          'info',
          'HealthCheckCanceled',
          'Health checks canceled: the next reconciliation goes on with the release',
        )
      throw interruption ?? error
    }
  }

  #note(release: Release, { isTest = false, isKnownOnly = false, ...origin }: Noting): void {
    const known = this.#ledger.history.find((snapshot) => isOf(snapshot, release))
    if (isTest) {
      if (known !== this.#ledger.history[0] || !known) return
      this.#ledger.observe(release, { testHooks: testHooksOf(release, this.#ledger.hr.spec.test?.filters) })
    } else if (isKnownOnly) {
      if (known) this.#ledger.observe(release, { action: origin.action })
    } else if (known) {
      this.#ledger.observe(release, {})
    } else if (!this.#ledger.history.some(({ version }) => version > release.version)) {
      // An older one that is not known was made by something else: nobody goes back to it.
      this.#ledger.observe(release, origin)
    }
  }

  async #noteInventory(release: Release | undefined): Promise<void> {
    if (!release) return
    const { context, client, chart } = this.#options
    const inventory = await inventoryOf(release, { crds: chart.crds, client, context })
    if (inventory) this.#ledger.set({ inventory })
  }

  #current(): ReleaseSnapshot {
    const [current] = this.#ledger.history
    if (!current) throw new ActFailed('no latest release')
    return current
  }

  #aboutWanted(): EventAbout {
    const { chart, values } = this.#options
    const { version: chartVersion, appVersion } = chart.metadata
    return { chartVersion, configDigest: valuesDigest(values), appVersion, ociDigest: chart.ociDigest }
  }

  #tell(severity: 'info' | 'error', reason: string, message: string, about: EventAbout | undefined): void {
    this.#ledger.event(severity, reason, message, metadataOf(about))
  }
}

/** What interrupted an action's wait, also where the action has wrapped it. */
export function interruptionOf(error: unknown): Preempted | undefined {
  if (error instanceof Preempted) return error
  return error instanceof Error && error.cause !== undefined ? interruptionOf(error.cause) : undefined
}

function rollbackTo(target: ReleaseSnapshot): string {
  return `Helm rollback to previous release ${fullNameOf(target)} with chart ${chartNameOf(target)}`
}

function testsText({ testHooks = {} }: ReleaseSnapshot): string {
  const count = Object.keys(testHooks).length
  if (count === 0) return 'no test hooks'
  return `${count} test hook${count > 1 ? 's' : ''} completed successfully`
}
