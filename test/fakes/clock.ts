/** A clock that stands still until a test moves it. */
import type { Clock } from '../../src/runtime/clock.ts'

export class ManualClock implements Clock {
  #epochMs: number
  #elapsedMs = 0
  #lastId = 0
  readonly #timers = new Map<number, { readonly at: number; readonly callback: () => void }>()

  constructor(start = '2026-01-02T03:04:05Z') {
    this.#epochMs = Date.parse(start)
  }

  now(): number {
    return this.#epochMs + this.#elapsedMs
  }

  monotonic(): number {
    return this.#elapsedMs
  }

  after(ms: number, callback: () => void): () => void {
    const id = ++this.#lastId
    this.#timers.set(id, { at: this.#elapsedMs + Math.max(0, ms), callback })
    return () => this.#timers.delete(id)
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size
  }

  /** Moves on, calling what falls due on the way, in order. */
  advance(ms: number): void {
    const end = this.#elapsedMs + ms
    for (;;) {
      const next = [...this.#timers].filter(([, timer]) => timer.at <= end).sort(([i, a], [j, b]) => a.at - b.at || i - j)[0]
      if (!next) break
      this.#timers.delete(next[0])
      this.#elapsedMs = Math.max(this.#elapsedMs, next[1].at)
      next[1].callback()
    }
    this.#elapsedMs = end
  }
}
