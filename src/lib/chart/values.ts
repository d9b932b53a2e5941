/** Values of a chart and its dependencies: merged, with Helm's rules for null, globals and tables. */

import { BuildError } from '../errors.ts'
import { sprintf } from '../gotemplate/format.ts'
import { quote } from '../gotemplate/strconv.ts'
import type { Dict, Value } from '../gotemplate/value.ts'
import type { Chart } from './chart.ts'
import { copyTable, isTable } from './table.ts'

/** How tables are put together: `keepNulls` merges as long as more values may come, without it a null removes a key. */
export interface CoalesceOptions {
  readonly keepNulls?: boolean
  /** Takes what Helm warns of. */
  readonly warn?: (message: string) => void
}

interface Coalescing {
  readonly keepNulls: boolean
  readonly warn: (message: string) => void
}

/**
 * The values that a chart's templates see: the given ones over the chart's own, for each dependency under its name with the globals of its
 * parent. Neither the chart nor the given values are changed, and nothing is shared with them.
 * @throws BuildError when the value for a dependency is no table.
 * Source: helm pkg/chart/common/util/coalesce.go CoalesceValues (MergeValues with `keepNulls`).
 */
export function coalesceValues(chart: Chart, values: Dict, options: CoalesceOptions = {}): Dict {
  const { keepNulls = false, warn = () => {} } = options
  const copy = copyTable(values)
  coalesceChart(chart, copy, '', { keepNulls, warn })
  return copy
}

/** Puts `source` under `target`, which it changes and returns: what is there already wins, tables are merged. Source: CoalesceTables, MergeTables. */
export function coalesceTables(target: Dict, source: Dict, options: CoalesceOptions = {}): Dict {
  const { keepNulls = false, warn = () => {} } = options
  mergeTables(target, source, '', { keepNulls, warn })
  return target
}

function coalesceChart(chart: Chart, target: Dict, prefix: string, how: Coalescing): void {
  const path = joined(prefix, chart.metadata.name)
  addDefaults(chart, target, path, how)
  for (const dependency of chart.dependencies) {
    const { name } = dependency.metadata
    if (!target.has(name)) target.set(name, new Map())
    const table = target.get(name)
    if (!isTable(table)) throw new BuildError(sprintf('type mismatch on %s: %t', [name, table ?? null]))
    addGlobals(table, target, path, how)
    coalesceChart(dependency, table, path, how)
  }
}

/** The chart's own values under those that are there. */
function addDefaults(chart: Chart, target: Dict, path: string, how: Coalescing): void {
  const names = new Set(chart.dependencies.map((dependency) => dependency.metadata.name))
  for (const [key, value] of copyTable(chart.values)) {
    const known = target.get(key)
    if (known === undefined) addMissing(target, key, value, how)
    else if (known === null) {
      if (!how.keepNulls) target.delete(key)
    } else if (isTable(known) && isTable(value)) {
      // Nulls for a dependency are left for when the dependency's own values come.
      const keepNulls = how.keepNulls || names.has(key)
      if (!keepNulls) dropNulls(value)
      mergeTables(known, value, joined(path, key), { ...how, keepNulls })
    } else if (isTable(known) && value !== null) {
      how.warn(`warning: skipped value for ${path}.${key}: Not a table.`)
    }
  }
}

function addMissing(target: Dict, key: string, value: Value, { keepNulls }: Coalescing): void {
  if (!keepNulls && value === null) return
  if (!keepNulls && isTable(value)) dropNulls(value)
  target.set(key, value)
}

function dropNulls(table: Dict): void {
  for (const [key, value] of table) {
    if (value === null) table.delete(key)
    else if (isTable(value)) dropNulls(value)
  }
}

/** The parent's globals over the dependency's. Tables inside them stay shared between charts, as in Helm, where that shows. */
function addGlobals(target: Dict, parent: Dict, path: string, { warn }: Coalescing): void {
  const globals = target.has('global') ? target.get('global') : new Map<string, Value>()
  const given = parent.has('global') ? parent.get('global') : new Map<string, Value>()
  if (!isTable(globals) || !isTable(given)) {
    warn(`warning: skipping globals because ${isTable(globals) ? 'source' : 'destination'} global is not a table.`)
    return
  }
  for (const [key, value] of given) {
    const known = globals.get(key)
    if (!isTable(value)) {
      if (isTable(known)) warn(`key ${key} is table. Skipping`)
      else globals.set(key, value)
    } else if (known === undefined) globals.set(key, new Map(value))
    else if (!isTable(known)) warn(`Conflict: cannot merge map onto non-map for ${quote(key)}. Skipping.`)
    else {
      const table = new Map(value)
      mergeTables(table, known, joined(path, key), { keepNulls: true, warn })
      globals.set(key, table)
    }
  }
  target.set('global', globals)
}

/** Changes both: `source` gets the nulls of `target`, as in Helm, so that they outlive a later merge. */
function mergeTables(target: Dict, source: Dict, path: string, how: Coalescing): void {
  const valued = new Set([...source].filter(([, value]) => value !== null).map(([key]) => key))
  for (const [key, value] of target) if (value === null) source.set(key, null)
  for (const [key, value] of source) {
    const known = target.get(key)
    if (known === undefined) target.set(key, value)
    else if (known === null && !how.keepNulls && valued.has(key)) target.delete(key)
    else if (isTable(value)) {
      if (isTable(known)) mergeTables(known, value, joined(path, key), how)
      else how.warn(sprintf('warning: cannot overwrite table with non table for %s (%v)', [joined(path, key), value]))
    } else if (isTable(known) && value !== null) {
      how.warn(sprintf('warning: destination for %s is a table. Ignoring non-table value (%v)', [joined(path, key), value]))
    }
  }
}

function joined(prefix: string, name: string): string {
  return prefix === '' ? name : `${prefix}.${name}`
}
