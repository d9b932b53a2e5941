/** Doing many things at once, but not too many; and long things without blocking the event loop. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/**
 * Calls `work` for each item in order, at most `limit` at the same time, and returns the results in order. After a failure or an
 * abort no further one begins; those under way are awaited, so that nothing goes on behind the caller's back.
 * @throws What the first of the failed items (in the order of the items) threw, or the reason of the signal.
 */
export async function mapPooled<T, R>(
  items: readonly T[],
  { limit, signal }: { limit: number; signal: AbortSignal },
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length)
  const failures = new Map<number, unknown>()
  let next = 0
  const worker = async () => {
    while (next < items.length && failures.size === 0 && !signal.aborted) {
      const index = next++
      try {
        results[index] = await work(items[index] as T)
      } catch (error) {
        failures.set(index, error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  if (failures.size > 0) throw failures.get(Math.min(...failures.keys()))
  signal.throwIfAborted()
  return results
}

const sliceMs = 8

/** Calls `work` for each item, letting other things run every few milliseconds. */
export async function inSlices<T>(items: Iterable<T>, work: (item: T) => void): Promise<void> {
  let begunAt = performance.now()
  for (const item of items) {
    work(item)
    if (performance.now() - begunAt < sliceMs) continue
    await nextTurn()
    begunAt = performance.now()
  }
}
