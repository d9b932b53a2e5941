/** What a template gets as its dot, and `.Chart` and `.Release` in it. Source: helm pkg/engine/engine.go, pkg/chart/common.go. */

import { type Dict, int, stringMap, TypedMap, type Value } from '../gotemplate/value.ts'
import type { Chart, Dependency, Maintainer, Metadata, ReleaseInfo } from './chart.ts'
import { asValues, tableAt } from './values-object.ts'

/** `.Release`. */
export function releaseObject({ name, namespace, revision, isUpgrade }: ReleaseInfo): Dict {
  return new Map<string, Value>([
    ['Name', name],
    ['Namespace', namespace],
    ['IsUpgrade', isUpgrade],
    ['IsInstall', !isUpgrade],
    ['Revision', int(revision)],
    ['Service', 'Helm'],
  ])
}

/** `.Chart`: the fields by the names that Go has for them. Source: chart.MetadataAsMap, structToMap. */
function metadataObject(metadata: Metadata): Dict {
  return new Map<string, Value>([
    ['Name', metadata.name],
    ['Home', metadata.home ?? ''],
    ['Sources', metadata.sources ?? []],
    ['Version', metadata.version],
    ['Description', metadata.description ?? ''],
    ['Keywords', metadata.keywords ?? []],
    ['Maintainers', (metadata.maintainers ?? []).map(maintainerObject)],
    ['Icon', metadata.icon ?? ''],
    ['APIVersion', metadata.apiVersion],
    ['Condition', metadata.condition ?? ''],
    ['Tags', metadata.tags ?? ''],
    ['AppVersion', metadata.appVersion ?? ''],
    ['Deprecated', metadata.deprecated ?? false],
    ['Annotations', new TypedMap(stringMap, metadata.annotations ?? [], metadata.annotations === undefined)],
    ['KubeVersion', metadata.kubeVersion ?? ''],
    ['Dependencies', (metadata.dependencies ?? []).map(dependencyObject)],
    ['Type', metadata.type ?? ''],
  ])
}

function maintainerObject({ name = '', email = '', url = '' }: Maintainer): Dict {
  return new Map([
    ['Name', name],
    ['Email', email],
    ['URL', url],
  ])
}

function dependencyObject(dependency: Dependency): Dict {
  return new Map<string, Value>([
    ['Name', dependency.name],
    ['Version', dependency.version ?? ''],
    ['Repository', dependency.repository],
    ['Condition', dependency.condition ?? ''],
    ['Tags', dependency.tags ?? []],
    ['Enabled', dependency.enabled ?? false],
    ['ImportValues', (dependency.importValues ?? []).map(importObject)],
    ['Alias', dependency.alias ?? ''],
  ])
}

function importObject(entry: string | { readonly child: string; readonly parent: string }): Value {
  if (typeof entry === 'string') return entry
  return new Map([
    ['child', entry.child],
    ['parent', entry.parent],
  ])
}

/** What all charts of a render share. */
interface Shared {
  readonly release: Dict
  readonly capabilities: Value
  files(chart: Chart): Value
}

/** The dot of a chart's templates; those of its dependencies are in it under `Subcharts`. */
export interface Scope {
  readonly chart: Chart
  /** `app/charts/leaf`. */
  readonly path: string
  readonly dot: Dict
  readonly children: readonly Scope[]
}

/**
 * Builds the dots of a chart and its dependencies. `values` are those of the whole tree; a dependency gets the table with its name: the same
 * map and not a copy, so that what a template sets in one shows in the other.
 * Source: engine.recAllTpls.
 */
export function scopeOf(chart: Chart, values: TypedMap, shared: Shared, parentPath?: string): Scope {
  const name = chart.metadata.name
  const path = parentPath === undefined ? name : `${parentPath}/charts/${name}`
  const dot: Dict = new Map<string, Value>([
    ['Chart', metadataObject(chart.metadata).set('IsRoot', parentPath === undefined)],
    ['Files', shared.files(chart)],
    ['Release', shared.release],
    ['Capabilities', shared.capabilities],
    ['Values', values],
  ])
  const children = chart.dependencies.map((dependency) =>
    scopeOf(dependency, childValues(values, dependency.metadata.name), shared, path),
  )
  dot.set('Subcharts', new Map(children.map((child) => [child.chart.metadata.name, child.dot])))
  return { chart, path, dot, children }
}

/** A name with dots in it leads into tables, as in Helm. */
function childValues(values: TypedMap, name: string): TypedMap {
  try {
    return tableAt(values, name)
  } catch {
    return asValues(new Map())
  }
}
