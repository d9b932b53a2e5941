/**
 * Notifications on their way: one lane for each Provider, so that a service that hangs costs the others nothing. What is about one
 * object keeps its order: a recovery must not overtake the failure that it ends.
 */

export interface LanesOptions {
  /** How many of one lane are under way at the same time. */
  readonly hands: number
  /** How many of one lane may wait. */
  readonly mostWaiting: number
}

interface Item {
  /** Items of the same subject are done one after the other. */
  readonly subject: string
  readonly work: () => Promise<void>
  readonly done: () => void
}

interface Lane {
  readonly waiting: Item[]
  readonly running: Set<string>
}

export class Lanes {
  readonly #options: LanesOptions
  readonly #lanes = new Map<string, Lane>()

  constructor(options: LanesOptions) {
    this.#options = options
  }

  /** Resolves when the work is done; `work` must not throw. Undefined when too many wait in that lane: it will not be done. */
  add(name: string, subject: string, work: () => Promise<void>): Promise<void> | undefined {
    const lane = this.#lanes.get(name) ?? { waiting: [], running: new Set() }
    if (lane.waiting.length >= this.#options.mostWaiting) return undefined
    this.#lanes.set(name, lane)
    const { promise, resolve } = Promise.withResolvers<void>()
    lane.waiting.push({ subject, work, done: resolve })
    this.#next(name, lane)
    return promise
  }

  #next(name: string, lane: Lane): void {
    while (lane.running.size < this.#options.hands) {
      const at = lane.waiting.findIndex(({ subject }) => !lane.running.has(subject))
      const item = at < 0 ? undefined : lane.waiting.splice(at, 1)[0]
      if (item === undefined) break
      lane.running.add(item.subject)
      void item.work().finally(() => {
        lane.running.delete(item.subject)
        item.done()
        this.#next(name, lane)
      })
    }
    if (lane.running.size === 0 && lane.waiting.length === 0) this.#lanes.delete(name)
  }
}
