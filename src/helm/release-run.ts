/**
 * The loop inside a run: observe the release, do what it needs next, and again, until nothing is left to do. Each type of action runs at
 * most once, and after a remediation the run ends. Source: helm-controller internal/reconcile/atomic_release.go.
 */
import type { HelmRelease } from '../api/helmrelease.ts'
import type { Release } from '../lib/chart/index.ts'
import { formatDuration, parseDuration } from '../lib/duration.ts'
import { BuildError, messageOf } from '../lib/errors.ts'
import { type Context, type Outcome, Preempted, Retryable, Stalled } from '../runtime/reconcile.ts'
import { Acts, type ActsOptions } from './acts.ts'
import { commonMetadataDigest, isDigestOf, postRenderersDigest } from './digests.ts'
import { type Drift, driftSummary, findDrift } from './drift.ts'
import type { Ledger } from './ledger.ts'
import {
  type Action,
  type Attempts,
  activeRemediation,
  type Ending,
  endingAfterRemediation,
  endingBeforeRepetition,
  failuresOf,
  type LastRevision,
  type Observed,
  plan,
  rollbackTarget,
  type State,
  type Step,
  typeOf,
} from './plan.ts'
import { ActFailed } from './scope.ts'
import { type ActionName, detectsDrift, retryIntervalMsOf, timeoutMsOf } from './settings.ts'
import { chartNameOf, fullNameOf, hasFailedTest, isAsObserved } from './snapshots.ts'

const forceAnnotation = 'reconcile.fluxcd.io/forceAt'

type DecidedStep = Exclude<Step, { readonly do: 'look for drift' }>

export class ReleaseRun {
  readonly #options: ActsOptions
  readonly #hr: HelmRelease
  readonly #ledger: Ledger
  readonly #context: Context<HelmRelease>
  readonly #acts: Acts
  /** Read once: it stands for the run, and counts as handled. */
  readonly #isForced: boolean
  #hasBeenForced = false
  #drift: Drift | undefined

  constructor(options: ActsOptions) {
    this.#options = options
    this.#hr = options.ledger.hr
    this.#ledger = options.ledger
    this.#context = options.context
    this.#acts = new Acts(options)
    this.#isForced = options.ledger.takesRequest(forceAnnotation, 'lastHandledForceAt')
  }

  /** @throws Retryable, Stalled; Preempted when something happened to the object while an action waited. */
  async run(): Promise<Outcome<HelmRelease>> {
    const done = new Set<string>()
    for (;;) {
      this.#context.signal.throwIfAborted()
      const step = await this.#nextStep()
      if ('history' in step && step.history) this.#ledger.setHistory(step.history)
      if (step.do === 'stall') throw this.#stalled(step.reason)
      if (step.do === 'nothing') return this.#settled(step.state)
      const type = typeOf(step.do)
      if (done.has(type)) return this.#end(endingBeforeRepetition(this.#attempts()))
      // A crash must not forget what was released before, nor how often it failed.
      if (done.size > 0) await this.#record()
      this.#hasBeenForced ||= type === 'release'
      const failure = await this.#act(step.do)
      if (failure) return this.#failed(failure)
      if (type === 'remediate') return this.#end(endingAfterRemediation(this.#attempts()))
      done.add(type)
    }
  }

  async #nextStep(): Promise<DecidedStep> {
    try {
      const observed = await this.#observe()
      const step = plan(observed)
      if (step.do !== 'look for drift') return this.#told(step)
      this.#drift = await this.#findDrift()
      const again = plan({ ...observed, isDrifted: this.#drift !== undefined })
      if (again.do === 'look for drift') throw new Error('drift has been looked for already')
      return this.#told(again)
    } catch (error) {
      if (error instanceof Preempted || this.#context.signal.aborted) throw error
      const message = `Could not determine release state: ${messageOf(error)}`
      throw new Retryable('StateError', message, { cause: error, silent: true })
    }
  }

  #told(step: DecidedStep): DecidedStep {
    const { name, reason } = step.state
    const about = { state: name, ...(reason && { reason }), action: step.do }
    if (step.do === 'nothing') this.#context.log.debug(about, 'state of the release')
    else this.#context.log.info(about, 'state of the release')
    return step
  }

  async #observe(): Promise<Observed> {
    const last = await this.#lastRevision()
    const { history } = this.#ledger
    // Only a failure is ever rolled back.
    const mayFail = last?.status === 'failed' || (history[0] !== undefined && hasFailedTest(history[0]))
    return {
      ...this.#attempts(),
      last,
      history,
      wanted: {
        chartName: this.#options.chart.metadata.name,
        chartVersion: this.#options.chart.metadata.version,
        hasSameValues: isDigestOf(history[0]?.configDigest, this.#options.values),
        otherRendering: this.#otherRendering(),
      },
      isForced: this.#isForced && !this.#hasBeenForced,
      target: mayFail ? await this.#target() : 'missing',
      isDrifted: undefined,
    }
  }

  /** What is known of a revision that nobody has touched since is not found out again. */
  async #lastRevision(): Promise<LastRevision | undefined> {
    const { storage, release, seen } = this.#options
    const { key } = this.#context
    for (const { version, mark, isOurs } of await storage.revisions(release.name)) {
      const known = seen.find(key, { mark, digest: this.#ledger.history[0]?.digest })
      if (known) return known
      const stored = await storage.get(release.name, version).catch(passOver)
      // As Helm does: one that cannot be read, or is gone meanwhile, does not count.
      if (!stored) continue
      if (isOurs) this.#acts.takeUp(stored)
      const [current] = this.#ledger.history
      const last: LastRevision = {
        version,
        status: stored.info.status,
        chartName: stored.chart.metadata.name,
        chartVersion: stored.chart.metadata.version,
        isAsObserved: current !== undefined && isAsObserved(current, stored),
      }
      seen.remember(key, { mark, digest: current?.digest, last })
      return last
    }
    return undefined
  }

  /** How the revision is that a rollback goes to. That it has been superseded since is no change to it. */
  async #target(): Promise<Observed['target']> {
    const target = rollbackTarget({ history: this.#ledger.history, spec: this.#hr.spec })
    if (!target) return 'missing'
    const stored = await this.#options.storage.get(target.name, target.version)
    if (!stored) return 'missing'
    const { info } = stored
    const isSuperseded = info.status === 'superseded' && target.status === 'deployed'
    const before: Release = isSuperseded ? { ...stored, info: { ...info, status: 'deployed' } } : stored
    return isAsObserved(target, before) ? 'as observed' : 'altered'
  }

  /** Looked at for a new generation only: what is recorded is of the last release, whoever made it. */
  #otherRendering(): Observed['wanted']['otherRendering'] {
    const { spec, metadata } = this.#hr
    const { observedGeneration, observedPostRenderersDigest, observedCommonMetadataDigest } = this.#ledger.status
    if (observedGeneration === metadata.generation) return undefined
    if (postRenderersDigest(spec) !== (observedPostRenderersDigest || undefined)) return 'postrenderers'
    return commonMetadataDigest(spec) !== (observedCommonMetadataDigest || undefined) ? 'common metadata' : undefined
  }

  #attempts(): Attempts {
    const { installFailures = 0, upgradeFailures = 0 } = this.#ledger.status
    const retriesByDefault = this.#context.flags.featureGates.get('DefaultToRetryOnFailure') ?? false
    return { spec: this.#hr.spec, lastAction: this.#ledger.lastAction, installFailures, upgradeFailures, retriesByDefault }
  }

  /** Returns what an action failed with that changed nothing in storage. */
  async #act(action: Action): Promise<ActFailed | undefined> {
    const name: ActionName | undefined = action === 'unlock' || action === 'correct drift' ? undefined : action
    const timeout = formatDuration(timeoutMsOf(this.#hr.spec, name))
    const title = action === 'correct drift' ? 'correct cluster drift' : action
    // After a failed action more important things stand in Ready than that it is remedied.
    this.#context.progress(`Running '${title}' action with timeout of ${timeout}`, { unready: typeOf(action) === 'release' })
    this.#context.log.info({ action: title, timeout }, 'running an action of Helm')
    try {
      if (action === 'correct drift') await this.#acts.correctDrift(this.#drift)
      else await this.#acts[action]()
      return undefined
    } catch (error) {
      if (error instanceof ActFailed) return error
      // The next run goes on from what this one left.
      if (error instanceof Preempted) await this.#record()
      throw error
    } finally {
      this.#ledger.summarize()
      this.#ledger.noteRendering()
    }
  }

  async #record(): Promise<void> {
    const { history, failures } = this.#ledger.status
    await this.#ledger.record({ history, failures })
  }

  async #findDrift(): Promise<Drift | undefined> {
    const [current] = this.#ledger.history
    const release = current && (await this.#options.storage.get(current.name, current.version))
    if (!release) return undefined
    const drift = await findDrift(release, this.#options)
    if (!drift) return undefined
    const message = `Cluster state of release ${fullNameOf(current)} has drifted from the desired state:\n${driftSummary(drift)}`
    this.#ledger.event('error', 'DriftDetected', message)
    this.#ledger.setCondition('Drifted', 'True', 'DriftDetected', message)
    return drift
  }

  #settled({ name }: State): Outcome<HelmRelease> {
    if (name === 'InSync') this.#settleConditions()
    if (!detectsDrift(this.#hr.spec)) this.#ledger.removeCondition('Drifted')
    this.#ledger.summarize()
    this.#ledger.noteRendering()
    return { ready: this.#ledger.ready, requeueAfterMs: parseDuration(this.#hr.spec.interval) }
  }

  /** What failed or was remedied before is of no interest any more: the release is as wanted. */
  #settleConditions(): void {
    const [current] = this.#ledger.history
    if (!current) return
    const released = this.#ledger.condition('Released')
    const succeeded = (action: 'install' | 'upgrade') => {
      const reason = action === 'install' ? 'InstallSucceeded' : 'UpgradeSucceeded'
      const message = `Helm ${action} succeeded for release ${fullNameOf(current)} with chart ${chartNameOf(current)}`
      this.#ledger.setCondition('Released', 'True', reason, message)
    }
    if (this.#ledger.condition('Remediated')?.status === 'True') {
      this.#ledger.removeCondition('Remediated')
      succeeded('upgrade')
    } else if (released?.status !== 'True') {
      succeeded(current.action === 'install' || released?.reason === 'InstallFailed' ? 'install' : 'upgrade')
    }
    if (detectsDrift(this.#hr.spec))
      this.#ledger.setCondition('Drifted', 'False', 'NoDriftDetected', 'No drift detected against the cluster state')
  }

  #failed({ message, cause }: ActFailed): Outcome<HelmRelease> {
    const retryMs = this.#retryIntervalMs()
    if (retryMs !== undefined) return this.#retriedAfter(retryMs)
    const { ready } = this.#ledger
    const shown = ready.status === 'True' ? ({ status: 'False', reason: 'ReconcileError', message } as const) : ready
    throw new Retryable(shown.reason, shown.message, { cause, ready: shown, silent: true })
  }

  #end(ending: Ending): Outcome<HelmRelease> {
    const { ready } = this.#ledger
    switch (ending) {
      case 'retry after interval':
        return this.#retriedAfter(this.#retryIntervalMs() ?? 0)
      case 'wait for interval':
        return { ready, requeueAfterMs: parseDuration(this.#hr.spec.interval) }
      case 'requeue':
        throw new Retryable(ready.reason, ready.message, { ready, retrying: ready.message, silent: true })
      case 'exceeded':
        throw this.#stalled('RetriesExceeded')
    }
  }

  #retriedAfter(retryMs: number): Outcome<HelmRelease> {
    return { ready: this.#ledger.ready, retrying: `retrying after ${formatDuration(retryMs)}`, requeueAfterMs: retryMs }
  }

  #retryIntervalMs(): number | undefined {
    const { spec, lastAction, retriesByDefault } = this.#attempts()
    return retryIntervalMsOf(spec, lastAction, retriesByDefault)
  }

  #stalled(reason: 'RetriesExceeded' | 'MissingRollbackTarget'): Stalled {
    this.#ledger.summarize()
    const options = { ready: this.#ledger.ready, silent: true }
    if (reason === 'MissingRollbackTarget') {
      const why = 'missing target release for rollback: cannot remediate failed release'
      return new Stalled(reason, `Failed to perform remediation: ${why}`, options)
    }
    const attempts = this.#attempts()
    const action = attempts.lastAction ?? 'install'
    const failures = activeRemediation(attempts) ? failuresOf(action, attempts) : 0
    return new Stalled(reason, `Failed to ${action} after ${failures} attempt(s)`, options)
  }
}

function passOver(error: unknown): undefined {
  if (!(error instanceof BuildError)) throw error
}
