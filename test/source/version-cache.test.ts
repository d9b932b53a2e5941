import { expect, it } from 'vitest'
import type { ChartVersion } from '../../src/source/chart-tasks.ts'
import { VersionCache } from '../../src/source/version-cache.ts'
import { ManualClock } from '../fakes/clock.ts'

const minute = 60_000

const version = (name: string): ChartVersion => ({ name, version: '1.0.0', urls: [] })

function cacheOf(size: number) {
  const clock = new ManualClock()
  return { clock, cache: new VersionCache({ size, ttlMs: 15 * minute, purgeIntervalMs: minute, clock }) }
}

it('SRC-HRP-08 keeps as many versions as it is told, those that were used last', () => {
  const { cache } = cacheOf(2)
  cache.set('a', version('a'))
  cache.set('b', version('b'))
  expect(cache.get('a')).toEqual(version('a'))
  cache.set('c', version('c'))
  expect(cache.get('b')).toBeUndefined()
  expect(cache.get('a')).toEqual(version('a'))
  expect(cache.get('c')).toEqual(version('c'))
})

it('SRC-HRP-08 keeps a version until it was not used for the time to live', () => {
  const { cache, clock } = cacheOf(2)
  cache.set('a', version('a'))
  clock.advance(14 * minute)
  expect(cache.get('a')).toEqual(version('a'))
  clock.advance(14 * minute)
  expect(cache.get('a')).toEqual(version('a'))
  clock.advance(16 * minute)
  expect(cache.get('a')).toBeUndefined()
})

it('SRC-HRP-08 gives what is too old back to the memory when it is asked again after the interval', () => {
  const { cache, clock } = cacheOf(10)
  for (const name of ['a', 'b', 'c']) cache.set(name, version(name))
  expect(cache.size).toBe(3)
  clock.advance(16 * minute)
  cache.set('d', version('d'))
  cache.get('d')
  expect(cache.size).toBe(1)
})

it('keeps nothing when it is not wanted', () => {
  const { cache } = cacheOf(0)
  expect(cache.isUsed).toBe(false)
  cache.set('a', version('a'))
  expect(cache.get('a')).toBeUndefined()
})
