/**
 * Go's sort.Sort, which is not stable: where items are equal, users see its order (the first of two versions that differ in their build
 * alone). It is pattern-defeating quicksort, and makes the same comparisons and exchanges as Go's. Source: Go sort/zsortinterface.go.
 */

/** A sorted copy. */
export function sortAsGo<T>(items: readonly T[], isLess: (a: T, b: T) => boolean): T[] {
  const sorter = new Sorter([...items], isLess)
  sorter.sort(0, items.length, bitLength(items.length))
  return sorter.items
}

const longestInsertion = 12
const shortestNinther = 50
const shortestShifting = 50
const mostShifts = 5
/** What choosing a pivot exchanges at most, where everything is in falling order. */
const mostSwaps = 12

function bitLength(value: number): number {
  return value === 0 ? 0 : 32 - Math.clz32(value)
}

/** Ranges go from `a` to before `b`. */
class Sorter<T> {
  readonly items: T[]
  readonly #isLess: (a: T, b: T) => boolean
  #swaps = 0

  constructor(items: T[], isLess: (a: T, b: T) => boolean) {
    this.items = items
    this.#isLess = isLess
  }

  /** `limit` is how many bad pivots are put up with. */
  sort(from: number, to: number, limit: number): void {
    let [a, b, left] = [from, to, limit]
    let [wasBalanced, wasPartitioned] = [true, true]
    while (b - a > longestInsertion) {
      if (left === 0) {
        this.#heapSort(a, b)
        return
      }
      if (!wasBalanced) {
        this.#breakPatterns(a, b)
        left--
      }
      const { pivot, order } = this.#choosePivot(a, b)
      if (wasBalanced && wasPartitioned && order === 'rising' && this.#isNearlySorted(a, b)) return
      if (a > 0 && !this.#less(a - 1, pivot)) {
        a = this.#partitionEqual(a, b, pivot)
        continue
      }
      const { middle, wasDone } = this.#partition(a, b, pivot)
      wasPartitioned = wasDone
      const [leftLength, rightLength] = [middle - a, b - middle]
      wasBalanced = Math.min(leftLength, rightLength) >= Math.trunc((b - a) / 8)
      if (leftLength < rightLength) {
        this.sort(a, middle, left)
        a = middle + 1
      } else {
        this.sort(middle + 1, b, left)
        b = middle
      }
    }
    this.#insertionSort(a, b)
  }

  #less(i: number, j: number): boolean {
    return this.#isLess(this.items[i] as T, this.items[j] as T)
  }

  #swap(i: number, j: number): void {
    const item = this.items[i] as T
    this.items[i] = this.items[j] as T
    this.items[j] = item
  }

  #insertionSort(a: number, b: number): void {
    for (let i = a + 1; i < b; i++) for (let j = i; j > a && this.#less(j, j - 1); j--) this.#swap(j, j - 1)
  }

  #heapSort(a: number, b: number): void {
    const length = b - a
    for (let i = Math.trunc((length - 1) / 2); i >= 0; i--) this.#siftDown(i, length, a)
    for (let i = length - 1; i >= 0; i--) {
      this.#swap(a, a + i)
      this.#siftDown(0, i, a)
    }
  }

  #siftDown(low: number, high: number, first: number): void {
    let root = low
    for (let child = 2 * root + 1; child < high; child = 2 * root + 1) {
      if (child + 1 < high && this.#less(first + child, first + child + 1)) child++
      if (!this.#less(first + root, first + child)) return
      this.#swap(first + root, first + child)
      root = child
    }
  }

  /** Exchanges a few items by chance, with the same random numbers each time. */
  #breakPatterns(a: number, b: number): void {
    const length = b - a
    const next = xorshift(BigInt(length))
    const mask = (1n << BigInt(bitLength(length))) - 1n
    const middle = a + Math.trunc(length / 4) * 2
    for (let i = middle - 1; i <= middle + 1; i++) {
      const other = Number(next() & mask)
      this.#swap(i, a + (other >= length ? other - length : other))
    }
  }

  /** Turns a range that is in falling order round. */
  #choosePivot(a: number, b: number): { pivot: number; order: 'rising' | 'unknown' } {
    this.#swaps = 0
    const quarter = Math.trunc((b - a) / 4)
    let [i, j, k] = [a + quarter, a + quarter * 2, a + quarter * 3]
    if (b - a >= shortestNinther) [i, j, k] = [this.#medianAround(i), this.#medianAround(j), this.#medianAround(k)]
    const pivot = this.#median(i, j, k)
    if (this.#swaps === 0) return { pivot, order: 'rising' }
    if (this.#swaps < mostSwaps) return { pivot, order: 'unknown' }
    for (let low = a, high = b - 1; low < high; low++, high--) this.#swap(low, high)
    return { pivot: b - 1 - (pivot - a), order: 'rising' }
  }

  #medianAround(at: number): number {
    return this.#median(at - 1, at, at + 1)
  }

  #median(first: number, second: number, third: number): number {
    const [low, high] = this.#inOrder(first, second)
    const [middle] = this.#inOrder(high, third)
    return this.#inOrder(low, middle)[1]
  }

  #inOrder(a: number, b: number): [number, number] {
    if (!this.#less(b, a)) return [a, b]
    this.#swaps++
    return [b, a]
  }

  /** Tries to sort by a few shifts. */
  #isNearlySorted(a: number, b: number): boolean {
    let i = a + 1
    for (let shifts = 0; shifts < mostShifts; shifts++) {
      while (i < b && !this.#less(i, i - 1)) i++
      if (i === b) return true
      if (b - a < shortestShifting) return false
      this.#swap(i, i - 1)
      if (i - a >= 2) for (let j = i - 1; j >= 1 && this.#less(j, j - 1); j--) this.#swap(j, j - 1)
      if (b - i >= 2) for (let j = i + 1; j < b && this.#less(j, j - 1); j++) this.#swap(j, j - 1)
    }
    return false
  }

  #partition(a: number, b: number, pivot: number): { middle: number; wasDone: boolean } {
    this.#swap(a, pivot)
    let [i, j] = [a + 1, b - 1]
    for (let exchanges = 0; ; exchanges++) {
      while (i <= j && this.#less(i, a)) i++
      while (i <= j && !this.#less(j, a)) j--
      if (i > j) {
        this.#swap(j, a)
        return { middle: j, wasDone: exchanges === 0 }
      }
      this.#swap(i++, j--)
    }
  }

  /** Puts what equals the pivot first; where the rest begins. */
  #partitionEqual(a: number, b: number, pivot: number): number {
    this.#swap(a, pivot)
    let [i, j] = [a + 1, b - 1]
    for (;;) {
      while (i <= j && !this.#less(a, i)) i++
      while (i <= j && this.#less(a, j)) j--
      if (i > j) return i
      this.#swap(i++, j--)
    }
  }
}

function xorshift(seed: bigint): () => bigint {
  let state = seed
  return () => {
    state ^= BigInt.asUintN(64, state << 13n)
    state ^= state >> 7n
    state ^= BigInt.asUintN(64, state << 17n)
    return state
  }
}
