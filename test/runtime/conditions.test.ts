import { describe, expect, it } from 'vitest'
import type { Condition } from '../../src/api/meta.ts'
import { capMessage, failed, mergeConditions, progressing, settled, stalled, suspended } from '../../src/runtime/conditions.ts'

const run = { generation: 3, nowMs: Date.parse('2026-05-05T10:00:00.987Z') }
const earlier = '2026-01-01T00:00:00Z'
const now = '2026-05-05T10:00:00Z'

const ready: Condition = {
  type: 'Ready',
  status: 'True',
  reason: 'Succeeded',
  message: 'stored',
  lastTransitionTime: earlier,
  observedGeneration: 2,
}

describe('conditions', () => {
  it('API-03 shows a success as Ready alone, with nothing that keeps kstatus waiting', () => {
    const before = mergeConditions(
      [ready],
      failed({ status: 'False', reason: 'BuildFailed', message: 'no such file' }, 'building'),
      run,
    )
    const after = mergeConditions(before, settled({ status: 'True', reason: 'Succeeded', message: 'stored' }), run)
    expect(after).toEqual([{ ...ready, lastTransitionTime: now, observedGeneration: 3 }])
  })

  it('API-03 shows a failure as Ready False, Reconciling with retry once work had begun, and not Stalled', () => {
    const before = mergeConditions([], stalled('InvalidSpec', 'bad'), run)
    const after = mergeConditions(
      before,
      failed({ status: 'False', reason: 'BuildFailed', message: 'no such file' }, 'building manifests'),
      run,
    )
    expect(after.map(({ type, status, reason, message }) => [type, status, reason, message])).toEqual([
      ['Reconciling', 'True', 'ProgressingWithRetry', 'building manifests'],
      ['Ready', 'False', 'BuildFailed', 'no such file'],
    ])
    expect(
      mergeConditions([], failed({ status: 'False', reason: 'ArtifactFailed', message: 'no source' }, undefined), run).map(
        (c) => c.type,
      ),
    ).toEqual(['Ready'])
  })

  it('API-09 shows work that a suspension ended as not ready and not reconciling, and keeps any other status', () => {
    const progress = { reason: 'Progressing', message: 'checking' }
    const shown = (type: string, status: 'True' | 'False' | 'Unknown', more = progress) => ({
      ...{ type, status, ...more },
      lastTransitionTime: '2026-01-01T00:00:00Z',
    })
    const state = { reason: 'Suspended', message: 'suspended while under way: checking' }
    const working = [
      shown('Reconciling', 'True'),
      shown('Ready', 'Unknown'),
      shown('Healthy', 'Unknown'),
      shown('Other', 'Unknown'),
    ]
    expect([...suspended(working, ['Healthy'])]).toEqual([
      ['Reconciling', undefined],
      ['Healthy', { status: 'Unknown', ...state }],
      ['Ready', { status: 'False', ...state }],
    ])
    const wasReady = [shown('Reconciling', 'True'), shown('Ready', 'True', { reason: 'Succeeded', message: 'stored' })]
    expect([...suspended(wasReady, [])]).toEqual([['Reconciling', undefined]])
    const failed = [shown('Reconciling', 'True', { ...progress, reason: 'ProgressingWithRetry' }), shown('Ready', 'False')]
    expect([...suspended(failed, [])]).toEqual([])
  })

  it('API-03 shows what only an edit can mend as Stalled, and not Reconciling', () => {
    const before = mergeConditions([ready], progressing('building', undefined), run)
    const after = mergeConditions(before, stalled('InvalidURL', 'not a URL'), run)
    expect(after.map(({ type, status }) => `${type}=${status}`)).toEqual(['Stalled=True', 'Ready=False'])
  })

  it('shows work under way as Reconciling, and as Ready Unknown where asked', () => {
    expect(mergeConditions([ready], progressing('building', undefined), run).map((c) => `${c.type}=${c.status}`)).toEqual([
      'Reconciling=True',
      'Ready=True',
    ])
    expect(mergeConditions([ready], progressing('building', 'in progress'), run).map((c) => `${c.type}=${c.status}`)).toEqual([
      'Reconciling=True',
      'Ready=Unknown',
    ])
  })

  it('moves the transition time only when the status changes', () => {
    const [same] = mergeConditions([ready], settled({ status: 'True', reason: 'Succeeded', message: 'another message' }), run)
    expect(same).toMatchObject({ message: 'another message', lastTransitionTime: earlier, observedGeneration: 3 })
    const changed = mergeConditions([ready], failed({ status: 'False', reason: 'Failed', message: 'x' }, undefined), run)
    expect(changed[0]).toMatchObject({ status: 'False', lastTransitionTime: now })
  })

  it('API-05 leaves conditions of other actors alone', () => {
    const foreign: Condition = { ...ready, type: 'example.com/Approved', reason: 'ByHand' }
    expect(mergeConditions([foreign], settled({ status: 'True', reason: 'Succeeded', message: 'm' }), run)).toContainEqual(foreign)
  })

  it('cuts an overlong message, says so, and splits no character', () => {
    const cut = capMessage('😀'.repeat(15_000))
    expect(cut.length).toBeLessThanOrEqual(20_000)
    expect(cut).toMatch(/ … \(cut\)$/)
    expect(cut.isWellFormed()).toBe(true)
    expect(capMessage('x'.repeat(20_000))).toHaveLength(20_000)
  })
})
