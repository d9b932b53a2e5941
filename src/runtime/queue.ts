/**
 * The work queue of one kind: keyed, de-duplicating, delayed and prioritised. Pure but for the clock.
 *
 * An object is queued once, however often it is added: the earliest time wins, causes are merged. While it runs it is not handed out
 * again; what is added meanwhile makes one more run. A higher priority is worth a head start of some seconds, not an absolute right,
 * so a flood of requests delays the rest by that much at most.
 */
import type { Key } from '../api/object.ts'
import { keyText } from '../api/object.ts'
import type { Clock } from './clock.ts'
import type { Cause } from './reconcile.ts'

export interface QueueOptions {
  readonly clock: Clock
  readonly minRetryDelayMs: number
  readonly maxRetryDelayMs: number
  /** Called when an object may have become due: take it. */
  readonly onDue: () => void
  /** Uniform in [0, 1). */
  readonly random?: () => number
  readonly observer?: QueueObserver
}

export interface QueueObserver {
  added(): void
  retried(): void
  /** An object is handed out that was due for this long. */
  taken(waitedMs: number): void
  done(workedMs: number): void
}

/** An object whose turn it is. */
export interface Turn {
  readonly key: Key
  readonly causes: ReadonlySet<Cause>
}

/** Head start in the line, in milliseconds. */
const headStartMs: Readonly<Record<Cause, number>> = {
  requested: 30_000,
  created: 20_000,
  spec: 20_000,
  deleted: 20_000,
  source: 10_000,
  dependency: 10_000,
  config: 10_000,
  drift: 10_000,
  interval: 0,
  retry: 0,
}

const retryJitter = 0.2

interface Item {
  readonly key: Key
  /** When each cause asks for a run; empty: nothing is asked for. */
  readonly causes: Map<Cause, number>
  failures: number
  runningSince: number | undefined
  /** Rank within the heap that it is in: time for `delayed`, time minus head start for `due`. */
  rank: number
  sequence: number
  place: number
  heap: Heap | undefined
}

export class Queue {
  readonly #options: QueueOptions
  readonly #random: () => number
  readonly #items = new Map<string, Item>()
  readonly #delayed = new Heap()
  readonly #due = new Heap()
  readonly #running = new Set<Item>()
  #sequence = 0
  #timer: { readonly at: number; readonly cancel: () => void } | undefined

  constructor(options: QueueOptions) {
    this.#options = options
    this.#random = options.random ?? Math.random
  }

  /** Objects that are due and wait to be taken. */
  get depth(): number {
    return this.#due.size
  }

  /** Asks for a run after `delayMs`. */
  add(key: Key, cause: Cause, delayMs = 0): void {
    const item = this.#item(key)
    const at = this.#now() + Math.max(0, delayMs)
    item.causes.set(cause, Math.min(at, item.causes.get(cause) ?? Number.POSITIVE_INFINITY))
    this.#options.observer?.added()
    if (item.runningSince === undefined) this.#place(item)
  }

  /** Asks for a run after the object's own exponential backoff; returns the delay in milliseconds. */
  retry(key: Key): number {
    const { minRetryDelayMs, maxRetryDelayMs } = this.#options
    const item = this.#item(key)
    const delay = Math.min(maxRetryDelayMs, minRetryDelayMs * 2 ** item.failures)
    if (delay < maxRetryDelayMs) item.failures++
    const delayMs = Math.max(minRetryDelayMs, delay * (1 - retryJitter * this.#random()))
    this.#options.observer?.retried()
    this.add(key, 'retry', delayMs)
    return delayMs
  }

  /** Forgets the failures of an object. */
  succeeded(key: Key): void {
    const item = this.#items.get(keyText(key))
    if (item) item.failures = 0
  }

  /** The object whose turn it is; it is not handed out again until `done`. Undefined when none is due. */
  take(): Turn | undefined {
    this.#promote()
    const item = this.#due.pop()
    if (!item) return undefined
    const now = this.#now()
    const due = [...item.causes].filter(([, at]) => at <= now)
    this.#options.observer?.taken(now - Math.min(...due.map(([, at]) => at)))
    // What is not due yet (the interval, a retry) was planned by the run before: the one that starts plans anew.
    item.causes.clear()
    item.runningSince = now
    this.#running.add(item)
    return { key: item.key, causes: new Set(due.map(([cause]) => cause)) }
  }

  /** Ends the object's turn. */
  done(key: Key): void {
    const item = this.#items.get(keyText(key))
    if (item?.runningSince === undefined) return
    this.#options.observer?.done(this.#now() - item.runningSince)
    item.runningSince = undefined
    this.#running.delete(item)
    if (item.causes.size > 0) this.#place(item)
    else this.#discard(item)
  }

  /** Whether a run is asked for now, beside the one that may be running, by another cause than those given. */
  isDue(key: Key, besides: ReadonlySet<Cause> = new Set()): boolean {
    const now = this.#now()
    return (
      this.#items
        .get(keyText(key))
        ?.causes.entries()
        .some(([cause, at]) => at <= now && !besides.has(cause)) ?? false
    )
  }

  /** Drops what is planned for an object that is gone. A run that is under way ends as usual. */
  remove(key: Key): void {
    const item = this.#items.get(keyText(key))
    if (!item) return
    item.causes.clear()
    item.failures = 0
    item.heap?.remove(item)
    this.#discard(item)
    this.#arm()
  }

  /** Drops everything. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    for (const item of this.#items.values()) {
      item.causes.clear()
      item.heap?.remove(item)
    }
  }

  /** Milliseconds since the start of the runs under way: of the longest, and of all together. */
  get running(): { readonly longestMs: number; readonly totalMs: number } {
    const now = this.#now()
    const ages = [...this.#running].map((item) => now - (item.runningSince ?? now))
    return { longestMs: Math.max(0, ...ages), totalMs: ages.reduce((sum, age) => sum + age, 0) }
  }

  #item(key: Key): Item {
    const text = keyText(key)
    const found = this.#items.get(text)
    if (found) return found
    const item: Item = {
      key,
      causes: new Map(),
      failures: 0,
      runningSince: undefined,
      rank: 0,
      sequence: 0,
      place: -1,
      heap: undefined,
    }
    this.#items.set(text, item)
    return item
  }

  /** Puts an item into the heap where it belongs. An item that moves up keeps its place in the line of its equals. */
  #place(item: Item): void {
    const now = this.#now()
    const due = [...item.causes].filter(([, at]) => at <= now)
    const wasDue = item.heap === this.#due
    item.heap?.remove(item)
    if (!wasDue) item.sequence = ++this.#sequence
    if (due.length > 0) {
      item.rank = Math.min(...due.map(([cause, at]) => at - headStartMs[cause]))
      this.#due.push(item)
      this.#options.onDue()
    } else {
      item.rank = Math.min(...item.causes.values())
      this.#delayed.push(item)
    }
    this.#arm()
  }

  /** Moves what has fallen due into the line. */
  #promote(): boolean {
    const now = this.#now()
    let moved = false
    for (let next = this.#delayed.first; next && next.rank <= now; next = this.#delayed.first) {
      this.#delayed.remove(next)
      next.rank = Math.min(...[...next.causes].filter(([, at]) => at <= now).map(([cause, at]) => at - headStartMs[cause]))
      this.#due.push(next)
      moved = true
    }
    return moved
  }

  /** Sets the timer for the next item that falls due. */
  #arm(): void {
    const at = this.#delayed.first?.rank
    if (at === this.#timer?.at) return
    this.#timer?.cancel()
    this.#timer = undefined
    if (at === undefined) return
    const cancel = this.#options.clock.after(at - this.#now(), () => {
      this.#timer = undefined
      if (this.#promote()) this.#options.onDue()
      this.#arm()
    })
    this.#timer = { at, cancel }
  }

  #discard(item: Item): void {
    if (item.causes.size === 0 && item.failures === 0 && item.runningSince === undefined) this.#items.delete(keyText(item.key))
  }

  #now(): number {
    return this.#options.clock.monotonic()
  }
}

/** A binary heap, smallest rank first, equals in order of sequence. Items know their place, so that any can be removed. */
class Heap {
  readonly #items: Item[] = []

  get size(): number {
    return this.#items.length
  }

  get first(): Item | undefined {
    return this.#items[0]
  }

  push(item: Item): void {
    item.heap = this
    this.#set(this.#items.length, item)
    this.#rise(item)
  }

  pop(): Item | undefined {
    const item = this.#items[0]
    if (item) this.remove(item)
    return item
  }

  remove(item: Item): void {
    const last = this.#items.pop()
    item.heap = undefined
    if (!last || last === item) return
    this.#set(item.place, last)
    this.#rise(last)
    this.#sink(last)
  }

  #rise(item: Item): void {
    for (;;) {
      const parent = this.#items[(item.place - 1) >> 1]
      if (item.place === 0 || !parent || !isBefore(item, parent)) return
      this.#swap(item, parent)
    }
  }

  #sink(item: Item): void {
    for (;;) {
      const left = this.#items[2 * item.place + 1]
      const right = this.#items[2 * item.place + 2]
      const smaller = left && right && isBefore(right, left) ? right : left
      if (!smaller || !isBefore(smaller, item)) return
      this.#swap(item, smaller)
    }
  }

  #swap(a: Item, b: Item): void {
    const place = a.place
    this.#set(b.place, a)
    this.#set(place, b)
  }

  #set(place: number, item: Item): void {
    this.#items[place] = item
    item.place = place
  }
}

function isBefore(a: Item, b: Item): boolean {
  return a.rank === b.rank ? a.sequence < b.sequence : a.rank < b.rank
}
