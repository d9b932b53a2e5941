import { afterEach, describe, expect, it } from 'vitest'
import { type Task, WorkerError, WorkerPool, type WorkerPoolOptions } from '../../src/runtime/workers.ts'

const entry = new URL('./workers.entry.ts', import.meta.url)
const double: Task<number, number> = { name: 'double' }
const thread: Task<undefined, number> = { name: 'thread' }
const untilAborted: Task<undefined, string> = { name: 'untilAborted' }
const afterWrite: Task<SharedArrayBuffer, number> = { name: 'afterWrite' }
const named = (name: string): Task<undefined, never> => ({ name })

const pools: WorkerPool[] = []
function poolOf(options: WorkerPoolOptions = {}): WorkerPool {
  const pool = new WorkerPool(entry, { size: 1, ...options })
  pools.push(pool)
  return pool
}
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()))
})

/** A task that runs until it is released, and the proof that it has begun. */
function gate() {
  const flag = new Int32Array(new SharedArrayBuffer(8))
  const shared = flag.buffer as SharedArrayBuffer
  const begun = async (times: number) => {
    while (Atomics.load(flag, 1) < times) await Atomics.waitAsync(flag, 1, Atomics.load(flag, 1)).value
  }
  return { shared, begun, release: () => Atomics.store(flag, 0, 1) }
}

describe('worker pool', () => {
  it('runs a task in a thread and returns what it returned', async () => {
    const pool = poolOf()
    expect(await pool.run(double, 21)).toBe(42)
    expect(await pool.run(thread, undefined)).not.toBe(0)
  })

  it('has one thread at most that no task has asked for', async () => {
    const pool = poolOf({ size: 2 })
    pool.warm()
    pool.warm()
    expect(pool.reading()).toEqual({ threads: 1, running: 0, waiting: 0 })
    expect(await pool.run(double, 1)).toBe(2)
    expect(pool.reading()).toEqual({ threads: 1, running: 0, waiting: 0 })
  })

  it('tells of each task that ended, and how many run and wait', async () => {
    const told: string[] = []
    const pool = poolOf({ tasksPerThread: 1, onFinished: (task, result, ms) => told.push(`${task} ${result} ${ms > 0}`) })
    await pool.run(double, 21)
    await pool.run(named('refuse'), undefined).catch(() => {})
    const abort = new AbortController()
    const running = pool.run(untilAborted, undefined, { signal: abort.signal })
    const waiting = pool.run(double, 1, { signal: abort.signal })
    expect(pool.reading()).toEqual({ threads: 1, running: 1, waiting: 1 })
    abort.abort()
    await Promise.allSettled([running, waiting])
    expect(told).toEqual(['double success true', 'refuse error true', 'untilAborted aborted true', 'double aborted true'])
  })

  it('rebuilds an error with its name, message, fields and cause', async () => {
    const error = await poolOf()
      .run(named('refuse'), undefined)
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'Refusal',
      message: 'no',
      place: { file: 'a.yaml', line: 3 },
      cause: { message: 'because' },
    })
  })

  it('says which task is not known, and which answer cannot be sent', async () => {
    const pool = poolOf()
    await expect(pool.run(named('constructor'), undefined)).rejects.toThrow('no task constructor is known')
    await expect(pool.run(named('uncloneable'), undefined)).rejects.toThrow('could not be cloned')
    await expect(pool.run(double, (() => {}) as unknown as number)).rejects.toThrow('could not be cloned')
    expect(await pool.run(double, 1)).toBe(2)
  })

  it('computes on while every task that may wait for the network hangs', async () => {
    const pool = poolOf({ tasksPerThread: 2 })
    const abort = new AbortController()
    const hanging = Array.from({ length: 5 }, () =>
      pool.run({ ...untilAborted, network: true }, undefined, { signal: abort.signal }),
    )
    expect(pool.reading()).toEqual({ threads: 1, running: 2, waiting: 3 })
    expect(await Promise.all([1, 2, 3, 4].map((number) => pool.run(double, number)))).toEqual([2, 4, 6, 8])
    abort.abort()
    await Promise.allSettled(hanging)
  })

  it('runs a task beside one that waits, on the same thread', async () => {
    const pool = poolOf()
    const { shared, begun, release } = gate()
    const waiting = pool.run(afterWrite, shared)
    await begun(1)
    expect(await pool.run(double, 4)).toBe(8)
    release()
    await waiting
  })

  it('hands the signal on to the task and does not wait for it', async () => {
    const pool = poolOf()
    const abort = new AbortController()
    const running = pool.run(untilAborted, undefined, { signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(running).rejects.toThrow('enough')
    await expect(pool.run(double, 1, { signal: abort.signal })).rejects.toThrow('enough')
    expect(await pool.run(double, 1)).toBe(2)
  })

  it('ends a runaway task with its thread, and runs its innocent neighbour once more', async () => {
    const pool = poolOf()
    const { shared, begun, release } = gate()
    const neighbour = pool.run(afterWrite, shared)
    await begun(1)
    await expect(pool.run(named('spin'), undefined, { timeoutMs: 200 })).rejects.toThrow('task spin did not end within 200 ms')
    await begun(2)
    release()
    expect(await neighbour).toBe(2)
    expect(await pool.run(double, 3)).toBe(6)
  })

  it('gives a task whose thread crashed a second try, alone, and then gives it up', async () => {
    const pool = poolOf()
    await expect(pool.run(named('crash'), undefined)).rejects.toThrow(WorkerError)
    expect(await pool.run(double, 3)).toBe(6)
  })

  it('survives a task that eats all memory', async () => {
    const pool = poolOf({ resourceLimits: { maxOldGenerationSizeMb: 32 } })
    await expect(pool.run(named('exhaust'), undefined)).rejects.toThrow('task exhaust lost its thread')
    expect(await pool.run(double, 3)).toBe(6)
  })

  it('refuses more tasks than may wait', async () => {
    const pool = poolOf({ tasksPerThread: 1, queueLimit: 1 })
    const { shared, release } = gate()
    const both = [pool.run(afterWrite, shared), pool.run(afterWrite, shared)]
    await expect(pool.run(double, 1)).rejects.toThrow('1 tasks are waiting already')
    release()
    await Promise.all(both)
  })

  it('ends what is running when it is closed, and takes nothing more', async () => {
    const pool = poolOf()
    const running = pool.run(untilAborted, undefined)
    const ended = expect(running).rejects.toThrow('the worker pool is closed')
    await pool.close()
    await ended
    await expect(pool.run(double, 1)).rejects.toThrow('the worker pool is closed')
  })
})
