/** Reports of drift: the first of an object at once, further ones with a backoff of the object's own. */
import { type Key, keyText, type ObjectRef } from '../api/object.ts'
import type { Clock, Drift } from './applier.ts'
import { inventoryId } from './inventory.ts'

interface Backoff {
  reports: number
  lastMs: number
  cancel: (() => void) | undefined
}

const firstDelayMs = 1_000

/**
 * Somebody who rewrites an object after each of our applies makes no busy loop: the time between two reports of one object doubles
 * from a second up to `maxDelayMs`; after that long without drift it begins anew.
 */
export class DriftReports {
  readonly #clock: Clock
  readonly #maxDelayMs: number
  readonly #listeners = new Set<(drift: Drift) => void>()
  /** Only of objects that drifted lately. */
  readonly #backoffs = new Map<string, Backoff>()

  constructor(clock: Clock, maxDelayMs: number) {
    this.#clock = clock
    this.#maxDelayMs = maxDelayMs
  }

  subscribe(listener: (drift: Drift) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** @param isHealed Asked when the report is due: a run for another reason may have been there before. */
  report(drift: Drift, isHealed: () => boolean): void {
    const id = idOf(drift.owner, drift.ref)
    const nowMs = this.#clock.monotonic()
    const backoff = this.#backoffOf(id, nowMs)
    if (backoff.cancel) return
    const delayMs = backoff.reports === 0 ? 0 : backoff.lastMs + this.#delayMs(backoff.reports) - nowMs
    const due = () => {
      backoff.cancel = undefined
      if (isHealed()) return
      backoff.reports++
      backoff.lastMs = this.#clock.monotonic()
      for (const listener of this.#listeners) listener(drift)
    }
    if (delayMs <= 0) due()
    else backoff.cancel = this.#clock.after(delayMs, due)
    this.#forgetQuiet(nowMs)
  }

  close(): void {
    for (const { cancel } of this.#backoffs.values()) cancel?.()
    this.#backoffs.clear()
    this.#listeners.clear()
  }

  #backoffOf(id: string, nowMs: number): Backoff {
    const known = this.#backoffs.get(id)
    if (known && (known.cancel || nowMs - known.lastMs < this.#quietMs(known))) return known
    const fresh: Backoff = { reports: 0, lastMs: nowMs, cancel: undefined }
    this.#backoffs.set(id, fresh)
    return fresh
  }

  #delayMs(reports: number): number {
    return Math.min(firstDelayMs * 2 ** (reports - 1), this.#maxDelayMs)
  }

  /** A fight's own pace must not look like its end. */
  #quietMs({ reports }: Backoff): number {
    return this.#maxDelayMs + this.#delayMs(reports)
  }

  #forgetQuiet(nowMs: number): void {
    for (const [id, backoff] of this.#backoffs) {
      if (!backoff.cancel && nowMs - backoff.lastMs >= this.#quietMs(backoff)) this.#backoffs.delete(id)
    }
  }
}

function idOf(owner: Key, ref: ObjectRef): string {
  return `${keyText(owner)} ${inventoryId(ref)}`
}
