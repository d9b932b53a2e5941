/** A release → JSON, fields in Go's order. Source: helm pkg/release/v1, pkg/chart/v2, pkg/chart/common/file.go. */

import { jsonToValue, marshalJson, valueToJson } from '../gotemplate/gojson.ts'
import { type Dict, TypedMap, type Value } from '../gotemplate/value.ts'
import type { Chart, ChartFile, Dependency, Lock, Maintainer, Metadata } from './chart.ts'
import type { Release, ReleaseHook, ReleaseRecord } from './release.ts'

type Form = 'helm3' | 'helm4'

/** What a field holds in JSON; undefined leaves it out. */
type Text = string | undefined

/** The JSON text of a release, in the form of one of the two Helms. */
export function releaseToJson(release: Release, form: Form): string {
  return object([
    ['name', filled(release.name)],
    ['info', recordJson(release.info, form)],
    ['chart', chartJson(release.chart, form)],
    ['config', release.config.size === 0 ? undefined : marshalJson(release.config)],
    ['manifest', filled(release.manifest)],
    ['hooks', filledList(release.hooks.map((hook) => hookJson(hook, form)))],
    ['version', filled(release.version)],
    ['namespace', filled(release.namespace)],
    ['apply_method', form === 'helm4' ? filled(release.applyMethod) : undefined],
  ])
}

/** JSON texts of the parts of a release as Helm 4 stores them, each as it reads back from storage. */
export function releaseParts({ info, chart, config, hooks }: Release): ReleaseParts {
  return {
    info: recordJson(info, 'helm4'),
    metadata: metadataJson(chart.metadata),
    // Numbers have lost there what a float64 does not hold.
    config: config.size === 0 ? 'null' : marshalJson(jsonToValue(valueToJson(config))),
    hooks: hooks.map((hook) => hookJson(hook, 'helm4')),
  }
}

export interface ReleaseParts {
  readonly info: string
  readonly metadata: string
  /** `null` when there is none. */
  readonly config: string
  readonly hooks: readonly string[]
}

function object(fields: readonly (readonly [string, Text])[]): string {
  const present = fields.filter(([, value]) => value !== undefined)
  return `{${present.map(([key, value]) => `"${key}":${value}`).join(',')}}`
}

/** As `omitempty` has it. */
function filled(value: string | number | boolean | undefined): Text {
  return value ? marshalJson(value) : undefined
}

function filledList(items: readonly string[]): Text {
  return items.length === 0 ? undefined : `[${items.join(',')}]`
}

function texts(items: readonly string[] | undefined): Text {
  return filledList((items ?? []).map((item) => marshalJson(item)))
}

/** Helm 3 writes a time that is not set as an empty text. */
function time(given: string | undefined, form: Form): Text {
  return given === undefined && form === 'helm3' ? '""' : filled(given)
}

function recordJson(info: ReleaseRecord, form: Form): string {
  return object([
    ['first_deployed', time(info.firstDeployed, form)],
    ['last_deployed', time(info.lastDeployed, form)],
    ['deleted', time(info.deleted, form)],
    ['description', filled(info.description)],
    ['status', filled(info.status)],
    ['rollback_revision', form === 'helm4' ? filled(info.rollbackRevision) : undefined],
    ['notes', filled(info.notes)],
  ])
}

function hookJson(hook: ReleaseHook, form: Form): string {
  const { startedAt, completedAt, phase = '' } = hook.lastRun ?? {}
  const run = object([
    ['started_at', time(startedAt, form)],
    ['completed_at', time(completedAt, form)],
    ['phase', marshalJson(phase)],
  ])
  return object([
    ['name', filled(hook.name)],
    ['kind', filled(hook.kind)],
    ['path', filled(hook.path)],
    ['manifest', filled(hook.manifest)],
    ['events', texts(hook.events)],
    ['last_run', run],
    ['weight', filled(hook.weight)],
    ['delete_policies', texts(hook.deletePolicies)],
    ['output_log_policies', texts(hook.outputLogPolicies)],
  ])
}

function chartJson(chart: Chart, form: Form): string {
  const { metadata, lock, templates, values, schema, files } = chart
  const schemaFile = chart.raw.find(({ name }) => name === 'values.schema.json')
  const chartFile = chart.raw.find(({ name }) => name === 'Chart.yaml')
  return object([
    ['metadata', metadataJson(metadata)],
    ['lock', lock ? lockJson(lock) : 'null'],
    ['templates', filesJson(templates, form)],
    ['values', isMissing(values, chart) ? 'null' : marshalJson(values)],
    ['schema', schema ? base64(schema) : 'null'],
    ['schemamodtime', form === 'helm4' ? marshalJson(timeOf(chart.schemaModTime ?? schemaFile?.modTime)) : undefined],
    ['files', filesJson(files, form)],
    ['modtime', form === 'helm4' ? omitZero(chart.modTime ?? chartFile?.modTime) : undefined],
  ])
}

/** A chart without values.yaml has a nil map. */
function isMissing(values: Dict, { raw }: Chart): boolean {
  if (values instanceof TypedMap && values.isNil) return true
  return values.size === 0 && raw.length > 0 && !raw.some(({ name }) => name === 'values.yaml')
}

const zeroTime = '0001-01-01T00:00:00Z'

/** Milliseconds as RFC 3339 without zeros at the end. */
function timeOf(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return zeroTime
  return new Date(milliseconds).toISOString().replace(/\.?0*Z$/, 'Z')
}

function omitZero(milliseconds: number | undefined): Text {
  return milliseconds === undefined ? undefined : marshalJson(timeOf(milliseconds))
}

function base64(data: Uint8Array): string {
  return `"${Buffer.from(data).toString('base64')}"`
}

function filesJson(files: readonly ChartFile[], form: Form): string {
  const items = files.map(({ name, data, modTime }) =>
    object([
      ['name', marshalJson(name)],
      ['data', base64(data)],
      ['modtime', form === 'helm4' ? omitZero(modTime) : undefined],
    ]),
  )
  return filledList(items) ?? 'null'
}

/** The JSON text of a Chart.yaml, fields in Go's order. */
export function metadataJson(metadata: Metadata): string {
  const { annotations, maintainers = [], dependencies = [] } = metadata
  return object([
    ['name', filled(metadata.name)],
    ['home', filled(metadata.home)],
    ['sources', texts(metadata.sources)],
    ['version', filled(metadata.version)],
    ['description', filled(metadata.description)],
    ['keywords', texts(metadata.keywords)],
    ['maintainers', filledList(maintainers.map(maintainerJson))],
    ['icon', filled(metadata.icon)],
    ['apiVersion', filled(metadata.apiVersion)],
    ['condition', filled(metadata.condition)],
    ['tags', filled(metadata.tags)],
    ['appVersion', filled(metadata.appVersion)],
    ['deprecated', filled(metadata.deprecated)],
    ['annotations', annotations && annotations.size > 0 ? marshalJson(new Map<string, Value>(annotations)) : undefined],
    ['kubeVersion', filled(metadata.kubeVersion)],
    ['dependencies', filledList(dependencies.map(dependencyJson))],
    ['type', filled(metadata.type)],
  ])
}

function maintainerJson({ name, email, url }: Maintainer): string {
  return object([
    ['name', filled(name)],
    ['email', filled(email)],
    ['url', filled(url)],
  ])
}

function dependencyJson(dependency: Dependency): string {
  const imports = (dependency.importValues ?? []).map((entry) =>
    marshalJson(typeof entry === 'string' ? entry : new Map<string, Value>(Object.entries(entry))),
  )
  return object([
    ['name', marshalJson(dependency.name)],
    ['version', filled(dependency.version)],
    ['repository', marshalJson(dependency.repository)],
    ['condition', filled(dependency.condition)],
    ['tags', texts(dependency.tags)],
    ['enabled', filled(dependency.enabled)],
    ['import-values', filledList(imports)],
    ['alias', filled(dependency.alias)],
  ])
}

/** The JSON text of a Chart.lock. */
export function lockJson({ generated, digest, dependencies }: Lock): string {
  return object([
    ['generated', marshalJson(generated)],
    ['digest', marshalJson(digest)],
    ['dependencies', filledList(dependencies.map(dependencyJson)) ?? 'null'],
  ])
}
