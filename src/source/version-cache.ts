/** Versions that were found in indexes of Helm repositories: the same index gives the same answer, without being read again. */
import type { Clock } from '../runtime/clock.ts'
import type { ChartVersion } from './chart-tasks.ts'

export interface VersionCacheOptions {
  /** How many are kept; 0 for none. */
  readonly size: number
  /** How long one is kept after it was last used. */
  readonly ttlMs: number
  /** How often those that are too old are removed, at most: there is no timer, somebody has to ask. */
  readonly purgeIntervalMs: number
  readonly clock: Clock
}

interface Kept {
  readonly version: ChartVersion
  usedMs: number
}

export class VersionCache {
  readonly #options: VersionCacheOptions
  /** The one used longest ago first. */
  readonly #kept = new Map<string, Kept>()
  #purgedMs = 0

  constructor(options: VersionCacheOptions) {
    this.#options = options
  }

  get isUsed(): boolean {
    return this.#options.size > 0
  }

  get size(): number {
    return this.#kept.size
  }

  get(key: string): ChartVersion | undefined {
    this.#purge()
    const found = this.#kept.get(key)
    if (!found || this.#isOld(found)) return undefined
    this.#keep(key, found.version)
    return found.version
  }

  set(key: string, version: ChartVersion): void {
    if (!this.isUsed) return
    this.#keep(key, version)
    if (this.#kept.size <= this.#options.size) return
    for (const oldest of this.#kept.keys()) return void this.#kept.delete(oldest)
  }

  #keep(key: string, version: ChartVersion): void {
    this.#kept.delete(key)
    this.#kept.set(key, { version, usedMs: this.#options.clock.monotonic() })
  }

  #purge(): void {
    const now = this.#options.clock.monotonic()
    if (now - this.#purgedMs < this.#options.purgeIntervalMs) return
    this.#purgedMs = now
    for (const [key, kept] of this.#kept) if (this.#isOld(kept)) this.#kept.delete(key)
  }

  #isOld({ usedMs }: Kept): boolean {
    return this.#options.clock.monotonic() - usedMs > this.#options.ttlMs
  }
}
