/** Time, so that tests can hold it. */

export interface Clock {
  /** Milliseconds since the epoch: for what people read. */
  now(): number
  /** Milliseconds of a clock that never jumps: for intervals and deadlines. */
  monotonic(): number
  /** Calls back once after `ms`, however long (setTimeout alone fires at once beyond 24.8 days). Returns how to cancel. */
  after(ms: number, callback: () => void): () => void
}

const longestTimerMs = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    let timer: NodeJS.Timeout
    const arm = (leftMs: number) => {
      timer =
        leftMs > longestTimerMs
          ? setTimeout(() => arm(leftMs - longestTimerMs), longestTimerMs)
          : setTimeout(callback, Math.max(0, leftMs))
    }
    arm(ms)
    return () => clearTimeout(timer)
  },
}
