/** Reads a scrape as Prometheus does, strictly: what its parser or `promtool check metrics` would complain of is thrown. */

export interface Family {
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary' | 'untyped'
  readonly help: string
  readonly series: readonly Series[]
}

export interface Series {
  /** With the suffix: `x_bucket`. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/**
 * The families of a scrape in text format 0.0.4, by name.
 * @throws Error with the line that breaks the format or its conventions.
 * Source: prometheus.io/docs/instrumenting/exposition_formats, and client_golang's promlint.
 */
export function parseScrape(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n')) throw new Error('a scrape ends with a line feed')
  const families = new Map<string, { type?: Family['type']; help?: string; series: Series[] }>()
  const closed = new Set<string>()
  let current = ''
  for (const line of text.slice(0, -1).split('\n')) {
    const fail = (why: string) => new Error(`${why}: ${JSON.stringify(line)}`)
    if (line === '') continue
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.*)$/.exec(line)
    if (line.startsWith('#') && !comment) throw fail('neither HELP nor TYPE')
    const series = comment ? undefined : parseSeries(line, fail)
    const name = comment?.[2] ?? familyOf(series?.name ?? '', families)
    if (name !== current) {
      if (closed.has(name)) throw fail('the lines of a family stand together')
      closed.add(current)
      current = name
    }
    const family = families.get(name) ?? { series: [] }
    families.set(name, family)
    if (comment) {
      const [, word, , rest = ''] = comment
      if (family.series.length > 0) throw fail('HELP and TYPE come before the samples')
      if (word === 'HELP' && family.help !== undefined) throw fail('second HELP')
      if (word === 'TYPE' && family.type !== undefined) throw fail('second TYPE')
      if (word === 'HELP') family.help = rest
      else if (isType(rest)) family.type = rest
      else throw fail('unknown type')
    }
    if (series) family.series.push(series)
  }
  return new Map([...families].map(([name, family]) => [name, checked(name, family)]))
}

function parseSeries(line: string, fail: (why: string) => Error): Series {
  const parts = /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\]|\\["\\n])*",?)*)\})? (\S+)$/.exec(line)
  if (!parts) throw fail('not a sample')
  const [, name = '', inner = '', number = ''] = parts
  const pairs = [...inner.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\["\\n])*)"/g)].map(([, label = '', value = '']) => [label, value])
  const labels = Object.fromEntries(pairs) as Record<string, string>
  if (Object.keys(labels).length !== pairs.length) throw fail('a label twice')
  return { name, labels, value: parseValue(number, fail) }
}

/** As Go's ParseFloat: infinity and NaN in any case. */
function parseValue(text: string, fail: (why: string) => Error): number {
  if (/^nan$/i.test(text)) return Number.NaN
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) throw fail('not a number')
  return Number(text)
}

function familyOf(series: string, families: ReadonlyMap<string, { readonly type?: Family['type'] }>): string {
  const base = series.replace(/_(bucket|sum|count)$/, '')
  const type = families.get(base)?.type
  return base !== series && (type === 'histogram' || type === 'summary') ? base : series
}

function isType(text: string): text is Family['type'] {
  return ['counter', 'gauge', 'histogram', 'summary', 'untyped'].includes(text)
}

function checked(name: string, { type, help, series }: { type?: Family['type']; help?: string; series: Series[] }): Family {
  if (type === undefined) throw new Error(`${name} has no TYPE`)
  if (!help) throw new Error(`${name} has no HELP`)
  const keys = series.map((one) => JSON.stringify([one.name, Object.entries(one.labels).toSorted()]))
  const twice = keys.find((key, i) => keys.indexOf(key) !== i)
  if (twice) throw new Error(`${name} has a series twice: ${twice}`)
  if (type === 'counter' && series.some(({ value }) => !(value >= 0))) throw new Error(`counter ${name} is negative`)
  if (type === 'histogram') checkHistogram(name, series)
  return { type, help, series }
}

/** Buckets grow, end with +Inf, and agree with the count; count and sum are there. */
function checkHistogram(name: string, series: readonly Series[]): void {
  const groups = Map.groupBy(series, ({ labels: { le: _, ...labels } }) => JSON.stringify(Object.entries(labels).toSorted()))
  for (const [labels, group] of groups) {
    const buckets = group.filter((one) => one.name === `${name}_bucket`)
    const bounds = buckets.map((bucket) => (bucket.labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(bucket.labels.le)))
    const counts = buckets.map(({ value }) => value)
    const count = group.find((one) => one.name === `${name}_count`)?.value
    const isRising = (values: readonly number[], strictly: boolean) =>
      values.every((value, i) => i === 0 || value > (values[i - 1] ?? 0) || (!strictly && value === values[i - 1]))
    if (!isRising(bounds, true) || !isRising(counts, false)) throw new Error(`buckets of ${name} ${labels} do not rise`)
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY || counts.at(-1) !== count) throw new Error(`${name} ${labels} lacks +Inf`)
    if (!group.some((one) => one.name === `${name}_sum`)) throw new Error(`${name} ${labels} has no sum`)
  }
}
