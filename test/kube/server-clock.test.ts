import { expect, it } from 'vitest'
import { ServerClock } from '../../src/kube/server-clock.ts'

it('knows a second to be past only from what the API server told and the time since', () => {
  let nowMs = 5_000
  const clock = new ServerClock({ now: () => 0, monotonic: () => nowMs, after: () => () => {} })
  expect(clock.isPast(1_000)).toBe(false)
  clock.told(1_000)
  expect(clock.isPast(1_000)).toBe(false)
  nowMs += 1_999
  expect(clock.isPast(1_000)).toBe(false)
  nowMs += 1
  expect(clock.isPast(1_000)).toBe(true)
  clock.told(900)
  expect(clock.isPast(1_000)).toBe(true)
  expect(clock.isPast(1_001)).toBe(false)
})
