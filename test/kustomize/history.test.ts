import { describe, expect, it } from 'vitest'
import type { Snapshot } from '../../src/api/kustomization.ts'
import { type Run, withRun } from '../../src/kustomize/history.ts'

const at = Date.parse('2026-01-02T03:04:05.678Z')
const run = (digest: string, status = 'ReconciliationSucceeded', seconds = 0): Run => ({
  digest,
  status,
  at: at + seconds * 1000,
  durationMs: 1500,
  metadata: { revision: `rev-${seconds}` },
})

const historyOf = (...runs: Run[]) => runs.reduce<Snapshot[]>(withRun, [])

describe('the history of a Kustomization', () => {
  it('KUS-REC-04 begins with a snapshot of the first run', () => {
    expect(historyOf(run('sha256:a'))).toEqual([
      {
        digest: 'sha256:a',
        firstReconciled: '2026-01-02T03:04:05Z',
        lastReconciled: '2026-01-02T03:04:05Z',
        lastReconciledDuration: '1.5s',
        lastReconciledStatus: 'ReconciliationSucceeded',
        totalReconciliations: 1,
        metadata: { revision: 'rev-0' },
      },
    ])
  })

  it('KUS-REC-04 counts runs with the same manifests and outcome, and moves them to the front', () => {
    const history = historyOf(run('sha256:a'), run('sha256:b', undefined, 1), run('sha256:a', undefined, 2))
    expect(history.map(({ digest, totalReconciliations }) => [digest, totalReconciliations])).toEqual([
      ['sha256:a', 2],
      ['sha256:b', 1],
    ])
    expect(history[0]).toMatchObject({
      firstReconciled: '2026-01-02T03:04:05Z',
      lastReconciled: '2026-01-02T03:04:07Z',
      metadata: { revision: 'rev-2' },
    })
  })

  it('KUS-REC-04 tells failures from successes, and keeps five', () => {
    const history = historyOf(run('1'), run('1', 'HealthCheckFailed'), run('2'), run('3'), run('4'), run('5'))
    expect(history.map(({ digest, lastReconciledStatus }) => `${digest} ${lastReconciledStatus}`)).toEqual([
      '5 ReconciliationSucceeded',
      '4 ReconciliationSucceeded',
      '3 ReconciliationSucceeded',
      '2 ReconciliationSucceeded',
      '1 HealthCheckFailed',
    ])
  })
})
