import { expect, it } from 'vitest'
import type { Drift } from '../../src/kube/applier.ts'
import { DriftReports } from '../../src/kube/drift.ts'

const drift: Drift = {
  owner: { namespace: 'flux-system', name: 'app' },
  ref: { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'a', name: 'b' },
  what: 'edited',
  manager: 'somebody',
}
const maxMs = 10_000

it('reports the first drift at once, further ones of the same object with a growing delay', () => {
  const { clock, reports, times } = setUp()
  // Somebody writes again right after each report.
  reports.subscribe(() => reports.report(drift, () => false))
  reports.report(drift, () => false)
  clock.advance(36_000)
  expect(times).toEqual([0, 1_000, 3_000, 7_000, 15_000, 25_000, 35_000])
})

it('does not let one object delay another', () => {
  const { reports, times } = setUp()
  reports.report(drift, () => false)
  reports.report({ ...drift, ref: { ...drift.ref, name: 'c' } }, () => false)
  expect(times).toEqual([0, 0])
})

it('says nothing of what has been mended meanwhile', () => {
  const { clock, reports, times } = setUp()
  reports.report(drift, () => false)
  reports.report(drift, () => true)
  clock.advance(60_000)
  expect(times).toEqual([0])
})

it('begins anew after a quiet time', () => {
  const { clock, reports, times } = setUp()
  reports.report(drift, () => false)
  clock.advance(2 * maxMs)
  reports.report(drift, () => false)
  expect(times).toEqual([0, 2 * maxMs])
})

it('is silent after it was closed', () => {
  const { clock, reports, times } = setUp()
  reports.report(drift, () => false)
  reports.report(drift, () => false)
  reports.close()
  clock.advance(60_000)
  expect(times).toEqual([0])
})

function setUp() {
  const clock = fakeClock()
  const reports = new DriftReports(clock, maxMs)
  const times: number[] = []
  reports.subscribe(() => times.push(clock.monotonic()))
  return { clock, reports, times }
}

function fakeClock() {
  let nowMs = 0
  const timers = new Set<{ atMs: number; callback: () => void }>()
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    after(ms: number, callback: () => void) {
      const timer = { atMs: nowMs + ms, callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    advance(ms: number) {
      const untilMs = nowMs + ms
      for (;;) {
        const [next] = [...timers].sort((a, b) => a.atMs - b.atMs)
        if (!next || next.atMs > untilMs) break
        timers.delete(next)
        nowMs = next.atMs
        next.callback()
      }
      nowMs = untilMs
    },
  }
}
