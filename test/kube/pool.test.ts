import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { inSlices, mapPooled } from '../../src/kube/pool.ts'

const { signal } = new AbortController()

it('works on no more items at a time than allowed, and keeps their order', async () => {
  let running = 0
  let most = 0
  const results = await mapPooled([1, 2, 3, 4, 5], { limit: 2, signal }, async (item) => {
    most = Math.max(most, ++running)
    await nextTurn()
    running--
    return item * 2
  })
  expect(results).toEqual([2, 4, 6, 8, 10])
  expect(most).toBe(2)
})

it('begins nothing new after a failure, awaits the rest, and throws what the first item threw', async () => {
  const begun: number[] = []
  const ended: number[] = []
  const work = async (item: number) => {
    begun.push(item)
    await nextTurn()
    if (item < 3) throw new Error(`item ${item}`)
    await nextTurn()
    ended.push(item)
  }
  await expect(mapPooled([1, 2, 3, 4, 5], { limit: 3, signal }, work)).rejects.toThrow('item 1')
  expect([begun, ended]).toEqual([[1, 2, 3], [3]])
})

it('stops when it is aborted', async () => {
  const abort = new AbortController()
  const begun: number[] = []
  const work = async (item: number) => {
    begun.push(item)
    abort.abort(new Error('enough'))
  }
  await expect(mapPooled([1, 2, 3], { limit: 1, signal: abort.signal }, work)).rejects.toThrow('enough')
  expect(begun).toEqual([1])
})

it('lets other things run during a long list', async () => {
  let turns = 0
  const ticking = setInterval(() => turns++, 0)
  await inSlices([1, 2, 3], () => {
    const until = performance.now() + 10
    while (performance.now() < until);
  })
  clearInterval(ticking)
  expect(turns).toBeGreaterThan(0)
})
