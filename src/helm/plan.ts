/**
 * What a HelmRelease needs next: a pure function of what was observed. The loop observes, does the step, and asks again, until there is
 * nothing left to do or nothing more may be done in this run.
 * Source: helm-controller internal/reconcile/state.go, atomic_release.go.
 */
import type { HelmReleaseSpec, ReleaseSnapshot } from '../api/helmrelease.ts'
import type { ReleaseStatus } from '../lib/chart/index.ts'
import { detectsDrift, type ReleaseAction, type Remediation, remediationOf, retryIntervalMsOf } from './settings.ts'
import { type History, hasBeenTested, hasFailedTest, lastFew, previousOf, truncated } from './snapshots.ts'

/** What decides how a failure is dealt with. */
export interface Attempts {
  readonly spec: HelmReleaseSpec
  /** What was tried last. */
  readonly lastAction: ReleaseAction | undefined
  readonly installFailures: number
  readonly upgradeFailures: number
  /** The gate DefaultToRetryOnFailure. */
  readonly retriesByDefault: boolean
}

export interface Observed extends Attempts {
  /** The newest revision in storage. */
  readonly last: LastRevision | undefined
  /** Newest first. */
  readonly history: History
  readonly wanted: Wanted
  /** A release is asked for once, whatever the state. */
  readonly isForced: boolean
  /** How the revision is that would be rolled back to. */
  readonly target: 'as observed' | 'altered' | 'missing'
  /** Undefined: not looked for yet. */
  readonly isDrifted: boolean | undefined
}

export interface LastRevision {
  readonly version: number
  readonly status: ReleaseStatus
  readonly chartName: string
  readonly chartVersion: string
  /** It is as the newest snapshot saw it. */
  readonly isAsObserved: boolean
}

export interface Wanted {
  readonly chartName: string
  readonly chartVersion: string
  /** The newest snapshot was made with the values that are wanted. */
  readonly hasSameValues: boolean
  /** What of the rendering differs from the last release; undefined also where this generation was released already. */
  readonly otherRendering: 'postrenderers' | 'common metadata' | undefined
}

export type StateName =
  | 'Absent'
  | 'Locked'
  | 'Unmanaged'
  | 'Failed'
  | 'OutOfSync'
  | 'Untested'
  | 'Drifted'
  | 'InSync'
  | 'Uninstalling'

export interface State {
  readonly name: StateName
  /** For the log. */
  readonly reason: string
}

/** An action, or what else is to be done. */
export type Action = 'install' | 'upgrade' | 'unlock' | 'test' | 'rollback' | 'uninstall' | 'correct drift'

export type Step =
  | { readonly do: Action; readonly state: State; readonly isForced?: boolean; readonly history?: History }
  | { readonly do: 'look for drift' }
  | { readonly do: 'nothing'; readonly state: State; readonly history?: History }
  | { readonly do: 'stall'; readonly state: State; readonly reason: 'RetriesExceeded' | 'MissingRollbackTarget' }

/** The state is none that anything can be done about. */
export class UnknownState extends Error {
  override readonly name = 'UnknownState'
}

/** @throws UnknownState */
export function plan(observed: Observed): Step {
  const state = stateOf(observed)
  if (state === 'look for drift') return { do: state }
  switch (state.name) {
    case 'Locked':
      return { do: 'unlock', state }
    case 'Absent':
      return release('install', state, observed)
    case 'OutOfSync':
      return release('upgrade', state, observed)
    case 'Unmanaged':
      // What it made before can no longer be relied upon.
      return { do: 'upgrade', state, history: [] }
    case 'Uninstalling':
      return { do: 'uninstall', state }
    case 'Untested':
      return { do: 'test', state }
    case 'Failed':
      return remedy(state, observed)
    case 'Drifted':
      return { do: observed.spec.driftDetection?.mode === 'enabled' ? 'correct drift' : 'nothing', state }
    case 'InSync': {
      const history = settledHistory(observed)
      return observed.isForced ? { do: 'upgrade', state, isForced: true, history } : { do: 'nothing', state, history }
    }
  }
}

function stateOf(observed: Observed): State | 'look for drift' {
  const { last, history, wanted, spec, isDrifted } = observed
  const [current] = history
  if (!last) return { name: 'Absent', reason: 'no release in storage for object' }
  if (last.status.startsWith('pending-')) return { name: 'Locked', reason: `release with status '${last.status}'` }
  if (last.status === 'uninstalled') return { name: 'Absent', reason: 'found uninstalled release in storage' }
  if (last.status === 'uninstalling') return { name: 'Uninstalling', reason: 'an uninstall did not come to its end' }
  if (!current) return { name: 'Unmanaged', reason: 'found existing release in storage' }
  if (!last.isAsObserved) return { name: 'Unmanaged', reason: notOurs(last) }
  if (last.status === 'superseded') return { name: 'Unmanaged', reason: 'the newest revision has gone from storage' }
  if (last.status === 'failed') return { name: 'Failed', reason: '' }
  if (last.status !== 'deployed') throw new UnknownState(`unable to determine state for release with status '${last.status}'`)

  if (last.chartName !== wanted.chartName || last.chartVersion !== wanted.chartVersion)
    return { name: 'OutOfSync', reason: 'release chart changed' }
  if (!wanted.hasSameValues) return { name: 'OutOfSync', reason: 'release config values changed' }
  if (wanted.otherRendering) return { name: 'OutOfSync', reason: `${wanted.otherRendering} digest has changed` }
  const tests = stateOfTests(current, observed)
  if (tests) return tests
  if (!detectsDrift(spec)) return { name: 'InSync', reason: '' }
  if (isDrifted === undefined) return 'look for drift'
  return { name: isDrifted ? 'Drifted' : 'InSync', reason: '' }
}

function notOurs({ version }: LastRevision): string {
  return `revision ${version} was not made for this object, or was changed since: by the helm command, or another HelmRelease`
}

function stateOfTests(current: ReleaseSnapshot, observed: Observed): State | undefined {
  if (!observed.spec.test?.enable) return undefined
  if (!hasBeenTested(current)) return { name: 'Untested', reason: '' }
  const remediation = activeRemediation(observed)
  const counts = remediation && !remediation.ignoresTestFailures && hasFailedTest(current)
  return counts ? { name: 'Failed', reason: 'release has test in failed phase' } : undefined
}

function release(action: ReleaseAction, state: State, observed: Observed): Step {
  if (!isExhausted(remediationOf(observed.spec, action), failuresOf(action, observed))) return { do: action, state }
  if (observed.isForced) return { do: action, state, isForced: true }
  return { do: 'stall', state, reason: 'RetriesExceeded' }
}

function remedy(state: State, observed: Observed): Step {
  const { spec, lastAction, retriesByDefault, history, isForced, target } = observed
  if (retryIntervalMsOf(spec, lastAction, retriesByDefault) !== undefined)
    return { do: 'upgrade', state, history: lastFew(history) }
  const remediation = activeRemediation(observed)
  // Nothing failed since the last change: what failed before may work now.
  if (!lastAction || !remediation || failuresOf(lastAction, observed) <= 0) return { do: 'upgrade', state }
  if (isForced) return { do: 'upgrade', state, isForced }
  if (isExhausted(remediation, failuresOf(lastAction, observed)) && !remediation.remediatesLastFailure)
    return { do: 'stall', state, reason: 'RetriesExceeded' }

  const kept = truncated(history, remediation)
  if (remediation.strategy === 'uninstall') return { do: 'uninstall', state, history: kept }
  if (!previousOf(kept, remediation)) return { do: 'stall', state, reason: 'MissingRollbackTarget' }
  if (target !== 'as observed') return { do: 'upgrade', state, history: kept }
  return { do: 'rollback', state, history: kept }
}

function settledHistory(observed: Observed): History {
  const { spec, lastAction, retriesByDefault, history } = observed
  if (retryIntervalMsOf(spec, lastAction, retriesByDefault) !== undefined) return lastFew(history)
  const ignoresTestFailures = activeRemediation(observed)?.ignoresTestFailures ?? spec.test?.ignoreFailures ?? false
  return truncated(history, { ignoresTestFailures })
}

/** The remediation of what was tried last. */
export function activeRemediation({ spec, lastAction }: Attempts): Remediation | undefined {
  return lastAction && remediationOf(spec, lastAction)
}

/** The revision that a failed upgrade is rolled back to. */
export function rollbackTarget(observed: Pick<Observed, 'history' | 'spec'>): ReleaseSnapshot | undefined {
  return previousOf(observed.history, remediationOf(observed.spec, 'upgrade'))
}

export function failuresOf(action: ReleaseAction, { installFailures, upgradeFailures }: Attempts): number {
  return action === 'install' ? installFailures : upgradeFailures
}

function isExhausted({ retries }: Remediation, failures: number): boolean {
  return retries >= 0 && failures > retries
}

/** Each type of action runs at most once in a run. */
export type ActionType = 'release' | 'remediate' | 'test' | 'unlock' | 'drift correction'

export function typeOf(action: Action): ActionType {
  switch (action) {
    case 'install':
    case 'upgrade':
      return 'release'
    case 'rollback':
    case 'uninstall':
      return 'remediate'
    case 'correct drift':
      return 'drift correction'
    case 'test':
    case 'unlock':
      return action
  }
}

/** How a run ends that may do no more: it goes on after a while, at once, at the next interval, or not before something changes. */
export type Ending = 'retry after interval' | 'requeue' | 'wait for interval' | 'exceeded'

/** Before an action of a type that has run already. */
export function endingBeforeRepetition(attempts: Attempts): Ending {
  if (retryIntervalMsOf(attempts.spec, attempts.lastAction, attempts.retriesByDefault) !== undefined) return 'retry after interval'
  return hasRetriesLeft(attempts) ? 'requeue' : 'wait for interval'
}

/** After a remediation. */
export function endingAfterRemediation(attempts: Attempts): Ending {
  if (retryIntervalMsOf(attempts.spec, attempts.lastAction, attempts.retriesByDefault) !== undefined) return 'retry after interval'
  // After the uninstall of a failed upgrade an install begins anew, with counters of its own.
  const isUninstalled = attempts.lastAction === 'upgrade' && activeRemediation(attempts)?.strategy === 'uninstall'
  return hasRetriesLeft(attempts) || isUninstalled ? 'requeue' : 'exceeded'
}

function hasRetriesLeft(attempts: Attempts): boolean {
  const remediation = activeRemediation(attempts)
  if (!attempts.lastAction || !remediation) return true
  return !isExhausted(remediation, failuresOf(attempts.lastAction, attempts))
}
