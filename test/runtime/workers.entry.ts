/** The thread's side in the tests of the pool. */
import { threadId } from 'node:worker_threads'
import { serveTasks } from '../../src/runtime/workers.ts'

class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly place = { file: 'a.yaml', line: 3 }
}

const crashed = new Int32Array(1)

serveTasks({
  double: (input: number) => input * 2,
  thread: () => threadId,
  refuse: () => {
    throw new Refusal('no', { cause: new Error('because') })
  },
  uncloneable: () => () => {},
  spin: () => {
    for (;;) crashed[0] = 1 - (crashed[0] ?? 0)
  },
  crash: () => setImmediate(() => process.exit(3)) && new Promise(() => {}),
  exhaust: () => {
    const hog: number[][] = []
    for (;;) hog.push(new Array(100_000).fill(1))
  },
  untilAborted: (_input: unknown, { signal }) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve('aborted'), { once: true })),
  afterWrite: async (shared: SharedArrayBuffer) => {
    const flag = new Int32Array(shared)
    Atomics.add(flag, 1, 1) // how often it was begun
    Atomics.notify(flag, 1)
    while (Atomics.load(flag, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    return Atomics.load(flag, 1)
  },
})
