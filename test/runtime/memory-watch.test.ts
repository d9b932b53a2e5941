/** The gate OOMWatch, on files such as those of a cgroup. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { MemoryWatch } from '../../src/runtime/memory-watch.ts'
import { ManualClock } from '../fakes/clock.ts'
import { temporaryDirectory } from '../tools/processes.ts'

async function cgroup(limit: string, usage: string) {
  const directory = await temporaryDirectory('cgroup')
  const [limitPath, usagePath] = [join(directory, 'memory.max'), join(directory, 'memory.current')]
  await writeFile(limitPath, `${limit}\n`)
  await writeFile(usagePath, `${usage}\n`)
  const logged: string[] = []
  const log = {
    debug() {},
    info() {},
    warn() {},
    error: (_: object, message: string) => void logged.push(message),
    child: () => log,
  }
  const clock = new ManualClock()
  const options = { limitPath, usagePath, threshold: 95, intervalMs: 500, clock, log }
  return { options, clock, logged, use: (bytes: string) => writeFile(usagePath, bytes) }
}

it('HLM-ACT-12 ends when the share of memory is reached, and not before', async () => {
  const { options, clock, logged, use } = await cgroup('1000', '900')
  using watch = await MemoryWatch.start(options)
  const looked = async () => {
    clock.advance(500)
    await expect.poll(() => clock.timers + Number(watch.signal.aborted)).toBe(1)
  }
  await looked()
  await use('949')
  await looked()
  expect([watch.signal.aborted, logged]).toEqual([false, []])
  await use('not yet written')
  await looked()
  await use('950')
  await looked()
  expect(watch.signal.aborted).toBe(true)
  expect(logged).toEqual(['the use of memory could not be read', 'memory is nearly used up, shutting down'])
})

it('HLM-ACT-12 does not start without a limit to watch', async () => {
  const { options } = await cgroup('max', '900')
  await expect(MemoryWatch.start(options)).rejects.toThrow('holds "max": it takes a memory limit of the container')
  await expect(MemoryWatch.start({ ...options, usagePath: '/nowhere' })).rejects.toThrow()
})
