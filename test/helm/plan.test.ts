import { describe, expect, it } from 'vitest'
import type { ReleaseSnapshot } from '../../src/api/helmrelease.ts'
import {
  type Attempts,
  endingAfterRemediation,
  endingBeforeRepetition,
  type Observed,
  plan,
  type Step,
  UnknownState,
} from '../../src/helm/plan.ts'

function snapshot(version: number, status = 'deployed', more: Partial<ReleaseSnapshot> = {}): ReleaseSnapshot {
  return {
    apiVersion: 'v2',
    digest: `sha256:${version}`,
    name: 'web',
    namespace: 'shop',
    version,
    status,
    chartName: 'shop',
    chartVersion: '1.0.0',
    configDigest: 'sha256:0',
    firstDeployed: '2026-01-01T00:00:00Z',
    lastDeployed: '2026-01-01T00:00:00Z',
    ...more,
  }
}

const deployed: NonNullable<Observed['last']> = {
  version: 2,
  status: 'deployed',
  chartName: 'shop',
  chartVersion: '1.0.0',
  isAsObserved: true,
}
const failed = { ...deployed, status: 'failed' as const }

const inSync: Observed = {
  spec: { interval: '1m' },
  last: deployed,
  history: [snapshot(2), snapshot(1, 'superseded')],
  wanted: { chartName: 'shop', chartVersion: '1.0.0', hasSameValues: true, otherRendering: undefined },
  lastAction: 'upgrade',
  installFailures: 0,
  upgradeFailures: 0,
  retriesByDefault: false,
  isForced: false,
  target: 'as observed',
  isDrifted: undefined,
}

const spec = (more: object): Pick<Observed, 'spec'> => ({ spec: { interval: '1m', ...more } })
const upgradeWith = (remediation: object) => spec({ upgrade: { remediation } })
const failedHistory = [snapshot(3, 'failed'), snapshot(2, 'superseded'), snapshot(1, 'superseded')]
const failedUpgrade = { last: failed, history: failedHistory, upgradeFailures: 1 }
const tested = (phase: string) => [snapshot(2, 'deployed', { testHooks: { check: { phase } } }), snapshot(1, 'superseded')]
const withTests = (test: object = {}) => spec({ test: { enable: true, ...test } })

/** `upgrade Unmanaged []`: what is done, in which state, and which revisions stay in the history where that changes. */
function text(step: Step): string {
  const parts: string[] = [step.do === 'stall' ? step.reason : step.do]
  if (step.do !== 'look for drift') parts.push(step.state.name)
  if ('isForced' in step && step.isForced) parts.push('forced')
  if ('history' in step && step.history) parts.push(`[${step.history.map(({ version }) => version).join(' ')}]`)
  return parts.join(' ')
}

type Row = readonly [what: string, observed: Partial<Observed>, expected: string]

const states: readonly Row[] = [
  ['HLM-ACT-01 no release', { last: undefined, history: [] }, 'install Absent'],
  ['a release that somebody removed', { last: undefined }, 'install Absent'],
  ['an uninstalled release that left its history', { last: { ...deployed, status: 'uninstalled' } }, 'install Absent'],
  ['an uninstalled release that nobody knows', { last: { ...deployed, status: 'uninstalled' }, history: [] }, 'install Absent'],
  ['HLM-REL-06 a release that something else made', { history: [] }, 'upgrade Unmanaged []'],
  ['F-HLM-02 a release that something else changed', { last: { ...deployed, isAsObserved: false } }, 'upgrade Unmanaged []'],
  ['F-HLM-03 the newest revision gone', { last: { ...deployed, status: 'superseded' } }, 'upgrade Unmanaged []'],
  ['HLM-ACT-11 a pending install', { last: { ...deployed, status: 'pending-install' }, history: [] }, 'unlock Locked'],
  ['HLM-ACT-11 a pending upgrade', { last: { ...deployed, status: 'pending-upgrade' } }, 'unlock Locked'],
  ['HLM-ACT-11 a pending rollback', { last: { ...deployed, status: 'pending-rollback' } }, 'unlock Locked'],
  ['F-HLM-01 an uninstall that was broken off', { last: { ...deployed, status: 'uninstalling' } }, 'uninstall Uninstalling'],
  ['nothing to do', {}, 'nothing InSync [2 1]'],
  ['HLM-FRC-01 nothing to do, but a release asked for', { isForced: true }, 'upgrade InSync forced [2 1]'],
  ['another chart', { last: { ...deployed, chartName: 'other' } }, 'upgrade OutOfSync'],
  ['HLM-CHT-05 F-HLM-13 another version', { last: { ...deployed, chartVersion: '1.0.0+abc' } }, 'upgrade OutOfSync'],
  ['HLM-VAL-04 other values', { wanted: { ...inSync.wanted, hasSameValues: false } }, 'upgrade OutOfSync'],
  ['other post-renderers', { wanted: { ...inSync.wanted, otherRendering: 'postrenderers' } }, 'upgrade OutOfSync'],
  ['HLM-REL-09 other common metadata', { wanted: { ...inSync.wanted, otherRendering: 'common metadata' } }, 'upgrade OutOfSync'],
  ['HLM-ACT-08 tests not run', withTests(), 'test Untested'],
  ['tests run in part', { ...withTests(), history: tested('Running') }, 'test Untested'],
  ['no tests to run', { ...withTests(), history: [snapshot(2, 'deployed', { testHooks: {} })] }, 'nothing InSync [2]'],
  ['tests passed', { ...withTests(), history: tested('Succeeded') }, 'nothing InSync [2 1]'],
  ['F-HLM-10 a test failed', { ...withTests(), history: tested('Failed'), upgradeFailures: 1 }, 'RetriesExceeded Failed'],
  [
    'HLM-REM-04 a failed test that is ignored',
    { ...withTests({ ignoreFailures: true }), history: tested('Failed') },
    'nothing InSync [2 1]',
  ],
  [
    'a failed test of a release that this did not make',
    { ...withTests(), history: tested('Failed'), lastAction: undefined },
    'nothing InSync [2 1]',
  ],
  ['drift not looked for yet', spec({ driftDetection: { mode: 'warn' } }), 'look for drift'],
  ['HLM-DRF-01 no drift', { ...spec({ driftDetection: { mode: 'warn' } }), isDrifted: false }, 'nothing InSync [2 1]'],
  ['HLM-DRF-01 drift to warn of', { ...spec({ driftDetection: { mode: 'warn' } }), isDrifted: true }, 'nothing Drifted'],
  ['HLM-DRF-01 drift to correct', { ...spec({ driftDetection: { mode: 'enabled' } }), isDrifted: true }, 'correct drift Drifted'],
  ['drift detection off', spec({ driftDetection: { mode: 'disabled' } }), 'nothing InSync [2 1]'],
]

const failures: readonly Row[] = [
  ['without remediation', failedUpgrade, 'RetriesExceeded Failed'],
  ['made by something else', { ...failedUpgrade, lastAction: undefined }, 'upgrade Failed'],
  ['after a change', { ...failedUpgrade, upgradeFailures: 0 }, 'upgrade Failed'],
  ['with a release asked for', { ...failedUpgrade, isForced: true }, 'upgrade Failed forced'],
  ['HLM-REM-02 to roll back', { ...failedUpgrade, ...upgradeWith({ retries: 1 }) }, 'rollback Failed [3 2]'],
  ['F-HLM-11 without limit', { ...failedUpgrade, upgradeFailures: 99, ...upgradeWith({ retries: -1 }) }, 'rollback Failed [3 2]'],
  [
    'the last attempt, rolled back too',
    { ...failedUpgrade, upgradeFailures: 2, ...upgradeWith({ retries: 1 }) },
    'rollback Failed [3 2]',
  ],
  [
    'the last attempt, left as it is',
    { ...failedUpgrade, upgradeFailures: 2, ...upgradeWith({ retries: 1, remediateLastFailure: false }) },
    'RetriesExceeded Failed',
  ],
  ['without retries, rolled back', { ...failedUpgrade, ...upgradeWith({ remediateLastFailure: true }) }, 'rollback Failed [3 2]'],
  [
    'HLM-REM-02 to uninstall',
    { ...failedUpgrade, ...upgradeWith({ retries: 1, strategy: 'uninstall' }) },
    'uninstall Failed [3 2]',
  ],
  [
    'HLM-REM-01 an install',
    {
      ...failedUpgrade,
      history: [snapshot(1, 'failed')],
      lastAction: 'install',
      installFailures: 1,
      ...spec({ install: { remediation: { retries: 1 } } }),
    },
    'uninstall Failed [1]',
  ],
  ['an install without retries', { ...failedUpgrade, lastAction: 'install', installFailures: 1 }, 'RetriesExceeded Failed'],
  [
    'nothing to roll back to',
    { ...failedUpgrade, history: [snapshot(3, 'failed')], target: 'missing', ...upgradeWith({ retries: 1 }) },
    'MissingRollbackTarget Failed',
  ],
  ['a target gone from storage', { ...failedUpgrade, target: 'missing', ...upgradeWith({ retries: 1 }) }, 'upgrade Failed [3 2]'],
  ['a target that was changed', { ...failedUpgrade, target: 'altered', ...upgradeWith({ retries: 1 }) }, 'upgrade Failed [3 2]'],
  [
    'a target whose tests failed is passed over',
    {
      ...failedUpgrade,
      history: [
        snapshot(3, 'failed'),
        snapshot(2, 'superseded', { testHooks: { t: { phase: 'Failed' } } }),
        snapshot(1, 'superseded'),
      ],
      ...upgradeWith({ retries: 1 }),
    },
    'rollback Failed [3 2 1]',
  ],
  [
    'HLM-REM-03 to try again in place',
    { ...failedUpgrade, upgradeFailures: 99, ...spec({ upgrade: { strategy: { name: 'RetryOnFailure' } } }) },
    'upgrade Failed [3 2 1]',
  ],
  ['to try again in place by default', { ...failedUpgrade, retriesByDefault: true }, 'upgrade Failed [3 2 1]'],
]

const exhausted: readonly Row[] = [
  ['an install', { last: undefined, history: [], installFailures: 1 }, 'RetriesExceeded Absent'],
  ['an install that is asked for', { last: undefined, history: [], installFailures: 1, isForced: true }, 'install Absent forced'],
  [
    'an install with retries left',
    { last: undefined, installFailures: 1, ...spec({ install: { remediation: { retries: 1 } } }) },
    'install Absent',
  ],
  ['an upgrade', { wanted: { ...inSync.wanted, hasSameValues: false }, upgradeFailures: 1 }, 'RetriesExceeded OutOfSync'],
  [
    'an upgrade that is asked for',
    { wanted: { ...inSync.wanted, hasSameValues: false }, upgradeFailures: 1, isForced: true },
    'upgrade OutOfSync forced',
  ],
]

describe('the next step', () => {
  it.each(states)('%s', (_, observed, expected) => {
    expect(text(plan({ ...inSync, ...observed }))).toBe(expected)
  })

  describe('after a failed release, F-HLM-11', () => {
    it.each(failures)('%s', (_, observed, expected) => {
      expect(text(plan({ ...inSync, ...observed }))).toBe(expected)
    })
  })

  describe('HLM-REM-05 when all retries are used up', () => {
    it.each(exhausted)('%s', (_, observed, expected) => {
      expect(text(plan({ ...inSync, ...observed }))).toBe(expected)
    })
  })

  it('is none for a state that Helm does not know itself', () => {
    expect(() => plan({ ...inSync, last: { ...deployed, status: 'unknown' } })).toThrow(UnknownState)
  })

  it('forgets what is older than the last five where none of it was good', () => {
    const history = [7, 6, 5, 4, 3, 2, 1].map((version) => snapshot(version, version === 7 ? 'deployed' : 'failed'))
    expect(text(plan({ ...inSync, history }))).toBe('nothing InSync [7 6 5 4 3]')
  })
})

describe('the end of a run', () => {
  const attempts: Attempts = { ...inSync, upgradeFailures: 1 }
  const retrying = { ...attempts, ...upgradeWith({ retries: 1 }) }
  const inPlace = { ...attempts, ...spec({ upgrade: { strategy: { name: 'RetryOnFailure' } } }) }

  it('before an action of a type that has run already', () => {
    expect(endingBeforeRepetition(retrying)).toBe('requeue')
    expect(endingBeforeRepetition(attempts)).toBe('wait for interval')
    expect(endingBeforeRepetition(inPlace)).toBe('retry after interval')
    expect(endingBeforeRepetition({ ...attempts, lastAction: undefined })).toBe('requeue')
  })

  it('after a remediation', () => {
    expect(endingAfterRemediation(retrying)).toBe('requeue')
    expect(endingAfterRemediation(attempts)).toBe('exceeded')
    expect(endingAfterRemediation(inPlace)).toBe('retry after interval')
    expect(endingAfterRemediation({ ...attempts, ...upgradeWith({ strategy: 'uninstall' }) })).toBe('requeue')
  })
})
