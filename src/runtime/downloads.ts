/** Downloads that failed in a row. */
import { type Key, keyText } from '../api/object.ts'

const shortestGapMs = 5_000
const longestGapMs = 30_000

/** Counts them for each object. Source: Flux's fetcher, which waits 5 to 30 seconds between attempts. */
export class Downloads {
  readonly #failures = new Map<string, number>()

  /** How long to wait before the next attempt, in milliseconds; undefined when it has been retried as often as allowed. */
  failed(key: Key, retries: number): number | undefined {
    const failures = this.#failures.get(keyText(key)) ?? 0
    if (failures >= retries) {
      this.forget(key)
      return undefined
    }
    this.#failures.set(keyText(key), failures + 1)
    return Math.min(shortestGapMs * 2 ** failures, longestGapMs)
  }

  forget(key: Key): void {
    this.#failures.delete(keyText(key))
  }
}
