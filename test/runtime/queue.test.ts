import { describe, expect, it } from 'vitest'
import type { Key } from '../../src/api/object.ts'
import { Queue, type Turn } from '../../src/runtime/queue.ts'
import { ManualClock } from '../fakes/clock.ts'

function setUp(random = () => 0) {
  const clock = new ManualClock()
  let wakes = 0
  const queue = new Queue({ clock, minRetryDelayMs: 750, maxRetryDelayMs: 900_000, random, onDue: () => wakes++ })
  return { clock, queue, wakes: () => wakes }
}

const key = (name: string): Key => ({ namespace: 'apps', name })
const nameOf = (turn: Turn | undefined) => turn?.key.name

describe('queue', () => {
  it('hands an object out once, with all its causes, however often it was added', () => {
    const { queue } = setUp()
    queue.add(key('a'), 'source')
    queue.add(key('a'), 'drift')
    queue.add(key('a'), 'source')
    expect(queue.depth).toBe(1)
    expect(queue.take()).toEqual({ key: key('a'), causes: new Set(['source', 'drift']) })
    expect(queue.take()).toBeUndefined()
  })

  it('hands a running object out again only when its run has ended, once for all that was added meanwhile', () => {
    const { queue } = setUp()
    queue.add(key('a'), 'created')
    queue.take()
    queue.add(key('a'), 'source')
    queue.add(key('a'), 'config')
    expect(queue.take()).toBeUndefined()
    expect(queue.isDue(key('a'))).toBe(true)
    queue.done(key('a'))
    expect(queue.take()?.causes).toEqual(new Set(['source', 'config']))
    queue.done(key('a'))
    expect(queue.take()).toBeUndefined()
  })

  it('wakes its owner when a delayed object falls due, and not before', () => {
    const { clock, queue, wakes } = setUp()
    queue.add(key('a'), 'interval', 60_000)
    clock.advance(59_999)
    expect([wakes(), queue.take()]).toEqual([0, undefined])
    clock.advance(1)
    expect([wakes(), nameOf(queue.take())]).toEqual([1, 'a'])
  })

  it('keeps the earliest of several times, and forgets the later plan once the object runs', () => {
    const { clock, queue } = setUp()
    queue.add(key('a'), 'interval', 60_000)
    queue.add(key('a'), 'interval', 120_000)
    queue.add(key('a'), 'source')
    expect(queue.take()?.causes).toEqual(new Set(['source']))
    queue.done(key('a'))
    clock.advance(200_000)
    expect(queue.take()).toBeUndefined()
  })

  it('lets requests go before edits, edits before events, events before intervals', () => {
    const { queue } = setUp()
    queue.add(key('interval'), 'interval')
    queue.add(key('event'), 'dependency')
    queue.add(key('edit'), 'spec')
    queue.add(key('request'), 'requested')
    const order = [queue.take(), queue.take(), queue.take(), queue.take()].map(nameOf)
    expect(order).toEqual(['request', 'edit', 'event', 'interval'])
  })

  it('raises an object that waits already when a higher cause comes', () => {
    const { queue } = setUp()
    queue.add(key('a'), 'interval')
    queue.add(key('b'), 'interval')
    queue.add(key('b'), 'requested')
    expect(nameOf(queue.take())).toBe('b')
  })

  it('serves equals in the order in which they came', () => {
    const { queue } = setUp()
    for (const name of ['c', 'a', 'b']) queue.add(key(name), 'spec')
    expect([queue.take(), queue.take(), queue.take()].map(nameOf)).toEqual(['c', 'a', 'b'])
  })

  it('lets no flood of requests starve an interval for longer than the head start', () => {
    const { clock, queue } = setUp()
    queue.add(key('patient'), 'interval')
    let served: string | undefined
    for (let i = 0; served !== 'patient'; i++) {
      queue.add(key(`loud-${i}`), 'requested')
      clock.advance(1_000)
      served = nameOf(queue.take())
      expect(clock.monotonic()).toBeLessThanOrEqual(31_000)
    }
  })

  it('API-11 grows the gap between retries from the least to the greatest delay, and starts again after a success', () => {
    const { clock, queue } = setUp()
    const gap = () => {
      const delay = queue.retry(key('a'))
      clock.advance(delay)
      expect(nameOf(queue.take())).toBe('a')
      queue.done(key('a'))
      return delay
    }
    expect(Array.from({ length: 13 }, gap)).toEqual([
      750, 1_500, 3_000, 6_000, 12_000, 24_000, 48_000, 96_000, 192_000, 384_000, 768_000, 900_000, 900_000,
    ])
    queue.succeeded(key('a'))
    expect(queue.retry(key('a'))).toBe(750)
  })

  it('spreads retries by chance, within their bounds', () => {
    const { queue } = setUp(() => 0.999)
    expect(queue.retry(key('a'))).toBe(750)
    queue.remove(key('a'))
    queue.retry(key('a'))
    const second = queue.retry(key('a'))
    expect(second).toBeGreaterThan(1_100)
    expect(second).toBeLessThan(1_500)
  })

  it('keeps the backoff of one object from its neighbours', () => {
    const { queue } = setUp()
    for (let i = 0; i < 5; i++) queue.retry(key('bad'))
    expect(queue.retry(key('good'))).toBe(750)
  })

  it('drops what was planned for an object that is gone', () => {
    const { clock, queue } = setUp()
    queue.add(key('a'), 'spec')
    queue.add(key('b'), 'interval', 1_000)
    queue.remove(key('a'))
    queue.remove(key('b'))
    clock.advance(10_000)
    expect([queue.take(), queue.depth, clock.timers]).toEqual([undefined, 0, 0])
  })

  it('plans far beyond what setTimeout can', () => {
    const { clock, queue } = setUp()
    const days60 = 60 * 24 * 3_600_000
    queue.add(key('a'), 'interval', days60)
    clock.advance(days60 - 1)
    expect(queue.take()).toBeUndefined()
    clock.advance(1)
    expect(nameOf(queue.take())).toBe('a')
  })

  it('handles ten thousand objects in a moment, with one timer', () => {
    const { clock, queue } = setUp()
    const started = performance.now()
    for (let i = 0; i < 10_000; i++) queue.add(key(`o${i}`), 'interval', (i * 7919) % 10_000)
    expect(clock.timers).toBe(1)
    for (let i = 0; i < 10_000; i += 2) queue.add(key(`o${i}`), 'source')
    clock.advance(10_000)
    const taken = new Set<string>()
    for (let turn = queue.take(); turn; turn = queue.take()) {
      taken.add(turn.key.name)
      queue.done(turn.key)
    }
    expect(taken.size).toBe(10_000)
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})
