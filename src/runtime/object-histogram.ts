/**
 * A histogram with series for each object. Of thousands of objects these are megabytes of text: it is written in slices, so that being
 * asked for metrics does not hold up the main thread.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'

export interface ObjectHistogramOptions {
  readonly name: string
  readonly help: string
  /** Upper bounds, rising, without infinity. */
  readonly buckets: readonly number[]
}

/** Which object; the labels of its series. */
export interface ObjectLabels {
  readonly kind: string
  readonly name: string
  readonly namespace: string
}

interface Series {
  /** How many observations fell into each bucket; the last one has no bound. */
  readonly counts: number[]
  sum: number
}

const objectsAtOnce = 100

export class ObjectHistogram {
  readonly #options: ObjectHistogramOptions
  /** By the text of the labels. */
  readonly #series = new Map<string, Series>()

  constructor(options: ObjectHistogramOptions) {
    this.#options = options
  }

  observe(labels: ObjectLabels, value: number): void {
    const { buckets } = this.#options
    const key = textOf(labels)
    const series = this.#series.get(key) ?? { counts: new Array<number>(buckets.length + 1).fill(0), sum: 0 }
    const index = buckets.findIndex((bound) => value <= bound)
    const bucket = index < 0 ? buckets.length : index
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
    series.sum += value
    this.#series.set(key, series)
  }

  remove(labels: ObjectLabels): void {
    this.#series.delete(textOf(labels))
  }

  /** Prometheus text format 0.0.4. */
  async text(): Promise<string> {
    const { name, help } = this.#options
    const parts = [`# HELP ${name} ${help}\n# TYPE ${name} histogram\n`]
    let slice = objectsAtOnce
    for (const [labels, series] of this.#series) {
      parts.push(this.#lines(labels, series))
      if (--slice > 0) continue
      slice = objectsAtOnce
      await nextTurn()
    }
    return parts.join('')
  }

  #lines(labels: string, { counts, sum }: Series): string {
    const { name, buckets } = this.#options
    let text = ''
    let count = 0
    for (const [index, bound] of [...buckets, '+Inf'].entries()) {
      count += counts[index] ?? 0
      text += `${name}_bucket{le="${bound}",${labels}} ${count}\n`
    }
    return `${text}${name}_sum{${labels}} ${sum}\n${name}_count{${labels}} ${count}\n`
  }
}

/** Kubernetes' names have no character that would have to be escaped. */
function textOf({ kind, name, namespace }: ObjectLabels): string {
  return `kind="${kind}",name="${name}",namespace="${namespace}"`
}
