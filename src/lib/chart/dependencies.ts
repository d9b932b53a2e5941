/** Dependencies of a chart: which ones take part, under which names, and what they export to their parent. */

import { BuildError } from '../errors.ts'
import type { Dict, Value } from '../gotemplate/value.ts'
import { parseConstraint, parseVersion } from '../semver/index.ts'
import type { Chart, Dependency } from './chart.ts'
import { copyTable, isTable } from './table.ts'
import { coalesceTables, coalesceValues } from './values.ts'

type Warn = (message: string) => void

/**
 * Looks whether every dependency that Chart.yaml names is there.
 * @throws BuildError naming those that are not.
 * Source: helm pkg/action CheckDependencies.
 */
export function checkDependencies(chart: Chart): void {
  const present = new Set(chart.dependencies.map(({ metadata }) => metadata.name))
  const missing = (chart.metadata.dependencies ?? []).filter(({ name }) => !present.has(name)).map(({ name }) => name)
  if (missing.length === 0) return
  throw new BuildError(`found in Chart.yaml, but missing in charts/ directory: ${missing.join(', ')}`)
}

/**
 * The chart as a release uses it: without dependencies that conditions and tags switch off, with aliases as their names, and with
 * imported values among its own. The given chart stays as it is.
 * @throws BuildError when the value for a dependency is no table.
 * Source: helm pkg/chart/v2/util/dependencies.go ProcessDependencies.
 */
export function processDependencies(chart: Chart, values: Dict, { warn = () => {} }: { readonly warn?: Warn } = {}): Chart {
  return withImports(withEnabled(chart, values, '', warn), warn)
}

/** `path` is where the chart's values are in those of the whole: `parent.child.`. */
function withEnabled(chart: Chart, values: Dict, path: string, warn: Warn): Chart {
  const wanted = chart.metadata.dependencies
  if (!wanted) return chart
  const named = { ...chart, dependencies: namedCharts(chart.dependencies, wanted) }
  const all = coalesceValues(named, values, { warn })
  const judged = wanted.map((dependency) => judge(dependency, all, path, warn))
  const disabled = new Set(judged.filter(({ enabled }) => !enabled).map(({ name }) => name))
  const dependencies = named.dependencies
    .filter(({ metadata }) => !disabled.has(metadata.name))
    .map((each) => withEnabled(each, all, `${path}${each.metadata.name}.`, warn))
  const { dependencies: _, ...rest } = chart.metadata
  const kept = judged.filter(({ name }) => !disabled.has(name))
  return { ...chart, metadata: { ...rest, ...(kept.length > 0 && { dependencies: kept }) }, dependencies }
}

/** Charts that Chart.yaml does not name stay as they are; then comes one for each that it names, under its alias. */
function namedCharts(charts: readonly Chart[], wanted: readonly Dependency[]): Chart[] {
  const unnamed = charts.filter((chart) => !wanted.some((dependency) => fits(chart, dependency)))
  const named = wanted.flatMap((dependency) => {
    const chart = charts.find((each) => fits(each, dependency))
    if (!chart) return []
    return dependency.alias ? { ...chart, metadata: { ...chart.metadata, name: dependency.alias } } : chart
  })
  return [...unnamed, ...named]
}

function fits({ metadata }: Chart, { name, version = '' }: Dependency): boolean {
  return metadata.name === name && isInRange(version, metadata.version)
}

/** Whether a version lies in a range; false when either is malformed. Source: helm pkg/chart/v2/util/compatible.go. */
export function isInRange(range: string, version: string): boolean {
  try {
    return parseConstraint(range).check(parseVersion(version))
  } catch {
    return false
  }
}

/** The dependency under its final name, with `enabled` as the values have it: a condition decides before the tags do. */
function judge(dependency: Dependency, values: Dict, path: string, warn: Warn): Dependency {
  const judged = { ...dependency, name: dependency.alias || dependency.name }
  return { ...judged, enabled: byCondition(judged, values, path, warn) ?? byTags(judged, values, warn) }
}

/** By the first path that leads to a boolean; undefined when none does. */
function byCondition({ name, condition = '' }: Dependency, values: Dict, path: string, warn: Warn): boolean | undefined {
  for (const place of condition.trim().split(',')) {
    if (place === '') continue
    const value = valueAt(values, path + place)
    if (typeof value === 'boolean') return value
    if (value !== undefined) warn(`returned non-bool value path=${place} chart=${name}`)
  }
  return undefined
}

/** Off only when some tag is false and none is true. */
function byTags({ name, tags = [] }: Dependency, values: Dict, warn: Warn): boolean {
  const given = values.get('tags')
  if (!isTable(given)) return true
  const known = tags.filter((tag) => given.has(tag)).map((tag) => ({ tag, value: given.get(tag) }))
  for (const { tag, value } of known) {
    if (typeof value !== 'boolean') warn(`returned non-bool value tag=${tag} chart=${name}`)
  }
  return known.some(({ value }) => value === true) || !known.some(({ value }) => value === false)
}

/** The value at a path with dots; undefined when there is none, or a table. Source: Values.PathValue. */
function valueAt(values: Dict, path: string): Value | undefined {
  const parts = path.split('.')
  const last = parts.pop() ?? ''
  const value = tableAt(values, parts)?.get(last)
  return isTable(value) ? undefined : value
}

function tableAt(values: Dict, path: readonly string[]): Dict | undefined {
  let table: Dict | undefined = values
  for (const part of path) {
    const next: Value | undefined = table?.get(part)
    table = isTable(next) ? next : undefined
  }
  return table
}

/** From the leaves up, so that what a child imports can be exported once more. */
function withImports(chart: Chart, warn: Warn): Chart {
  const dependencies = chart.dependencies.map((each) => withImports(each, warn))
  const wanted = chart.metadata.dependencies
  if (!wanted) return { ...chart, dependencies }
  // Nulls stay: the values of the user may come to meet them.
  const values = coalesceValues({ ...chart, dependencies }, new Map(), { keepNulls: true, warn })
  const imported: Dict = new Map()
  for (const dependency of wanted) {
    for (const { child, parent } of importsOf(dependency)) {
      const table = tableAt(values, `${dependency.name}.${child}`.split('.'))
      if (table) coalesceTables(imported, nested(parent, table), { keepNulls: true, warn })
      else warn(`ImportValues missing table from chart chart=${dependency.name} error="${child}" is not a table`)
    }
  }
  return {
    ...chart,
    metadata: { ...chart.metadata, dependencies: wanted.map(withPlainImports) },
    // What the chart says itself comes before what it imports. Tables are still shared with the imported ones: hence the copy.
    values: coalesceTables(copyTable(values), imported, { keepNulls: true, warn }),
    dependencies,
  }
}

/** A name alone stands for `exports.<name>`, imported at the top. */
function importsOf({ importValues = [] }: Dependency): { readonly child: string; readonly parent: string }[] {
  return importValues.map((each) => (typeof each === 'string' ? { child: `exports.${each}`, parent: '.' } : each))
}

function withPlainImports(dependency: Dependency): Dependency {
  return dependency.importValues ? { ...dependency, importValues: importsOf(dependency) } : dependency
}

/** The table inside as many tables as the path has parts; a path of `.` has none. */
function nested(path: string, table: Dict): Dict {
  if (path === '.') return table
  return path.split('.').reduceRight<Dict>((inner, part) => new Map([[part, inner]]), table)
}
