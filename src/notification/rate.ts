/** Limits of how often things happen; bounded in memory, and driven by a clock that is handed in (monotonic milliseconds). */

/** Remembers keys for an interval, and never more than a bounded number of them. */
export class Recent {
  readonly #intervalMs: number
  readonly #most: number
  /** Key → when it was seen; oldest first, as seen ones are put in anew. */
  readonly #seen = new Map<string, number>()

  constructor(intervalMs: number, most: number) {
    this.#intervalMs = intervalMs
    this.#most = most
  }

  /** Whether the key was not seen in the last interval; only then it counts as seen now. */
  isNew(key: string, nowMs: number): boolean {
    this.#forget(nowMs)
    if (this.#seen.has(key)) return false
    this.#seen.set(key, nowMs)
    return true
  }

  #forget(nowMs: number): void {
    for (const [key, atMs] of this.#seen) {
      if (nowMs - atMs < this.#intervalMs && this.#seen.size < this.#most) return
      this.#seen.delete(key)
    }
  }
}

/** A bucket of tokens for each key: a burst at once, then so many a second. */
export class TokenBuckets {
  readonly #burst: number
  readonly #perSecond: number
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>()

  constructor({ burst, perSecond }: { readonly burst: number; readonly perSecond: number }) {
    this.#burst = burst
    this.#perSecond = perSecond
  }

  /** Takes a token, if there is one. */
  take(key: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(key) ?? { tokens: this.#burst, atMs: nowMs }
    bucket.tokens = Math.min(this.#burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * this.#perSecond)
    bucket.atMs = nowMs
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    this.#forgetFull(nowMs)
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }

  /** A bucket that is full again is as good as none. */
  #forgetFull(nowMs: number): void {
    const fullAfterMs = (this.#burst / this.#perSecond) * 1000
    for (const [key, { atMs }] of this.#buckets) {
      if (nowMs - atMs < fullAfterMs) return
      this.#buckets.delete(key)
    }
  }
}
