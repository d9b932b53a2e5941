/** JSON → a release, as Go reads it. Source: helm pkg/release/v1, pkg/chart/v2. */

import { jsonToValue } from '../gotemplate/gojson.ts'
import { anyMap, type Dict, TypedMap } from '../gotemplate/value.ts'
import type { Json } from '../json.ts'
import type { Chart, ChartFile } from './chart.ts'
import { anything, bytes, decodeValue, integer, listOf, pointerTo, type Shape, struct, text } from './decode.ts'
import { checkMetadata, lockOf, lockShape, metadataShape } from './metadata.ts'
import type { HookRun, Release, ReleaseHook, ReleaseRecord, ReleaseStatus } from './release.ts'

type DraftOf<T> = T extends Shape<infer Draft> ? Draft : never

const file = struct<{ name: string; data: Uint8Array; modTime: string }>('File', 'common.File', {
  name: { json: 'name', shape: text },
  data: { json: 'data', shape: bytes },
  modTime: { json: 'modtime', shape: text },
})

const chart = struct<{
  metadata: DraftOf<typeof metadataShape>
  lock: DraftOf<typeof lockShape>
  templates: readonly (DraftOf<typeof file> | undefined)[]
  values: Json
  schema: Uint8Array
  schemaModTime: string
  files: readonly (DraftOf<typeof file> | undefined)[]
  modTime: string
}>('Chart', 'v2.Chart', {
  metadata: { json: 'metadata', shape: pointerTo(metadataShape) },
  lock: { json: 'lock', shape: pointerTo(lockShape) },
  templates: { json: 'templates', shape: listOf(pointerTo(file)) },
  values: { json: 'values', shape: anything },
  schema: { json: 'schema', shape: bytes },
  schemaModTime: { json: 'schemamodtime', shape: text },
  files: { json: 'files', shape: listOf(pointerTo(file)) },
  modTime: { json: 'modtime', shape: text },
})

const info = struct<Record<Exclude<keyof ReleaseRecord, 'rollbackRevision'>, string> & { rollbackRevision: number }>(
  'Info',
  'v1.Info',
  {
    firstDeployed: { json: 'first_deployed', shape: text },
    lastDeployed: { json: 'last_deployed', shape: text },
    deleted: { json: 'deleted', shape: text },
    description: { json: 'description', shape: text },
    status: { json: 'status', shape: text },
    rollbackRevision: { json: 'rollback_revision', shape: integer },
    notes: { json: 'notes', shape: text },
  },
)

const run = struct<Record<keyof HookRun, string>>('HookExecution', 'v1.HookExecution', {
  startedAt: { json: 'started_at', shape: text },
  completedAt: { json: 'completed_at', shape: text },
  phase: { json: 'phase', shape: text },
})

type Texts = readonly (string | undefined)[]

const hook = struct<{
  name: string
  kind: string
  path: string
  manifest: string
  events: Texts
  lastRun: DraftOf<typeof run>
  weight: number
  deletePolicies: Texts
  outputLogPolicies: Texts
}>('Hook', 'v1.Hook', {
  name: { json: 'name', shape: text },
  kind: { json: 'kind', shape: text },
  path: { json: 'path', shape: text },
  manifest: { json: 'manifest', shape: text },
  events: { json: 'events', shape: listOf(text) },
  lastRun: { json: 'last_run', shape: run },
  weight: { json: 'weight', shape: integer },
  deletePolicies: { json: 'delete_policies', shape: listOf(text) },
  outputLogPolicies: { json: 'output_log_policies', shape: listOf(text) },
})

const release = struct<{
  name: string
  info: DraftOf<typeof info>
  chart: DraftOf<typeof chart>
  config: Json
  manifest: string
  hooks: readonly (DraftOf<typeof hook> | undefined)[]
  version: number
  namespace: string
  applyMethod: string
}>('Release', 'v1.Release', {
  name: { json: 'name', shape: text },
  info: { json: 'info', shape: pointerTo(info) },
  chart: { json: 'chart', shape: pointerTo(chart) },
  config: { json: 'config', shape: anything },
  manifest: { json: 'manifest', shape: text },
  hooks: { json: 'hooks', shape: listOf(pointerTo(hook)) },
  version: { json: 'version', shape: integer },
  namespace: { json: 'namespace', shape: text },
  applyMethod: { json: 'apply_method', shape: text },
})

/** @throws BuildError for a field of another type, or a chart that is none. */
export function releaseFromJson(json: Json): Release {
  const draft = decodeValue(json, release) ?? {}
  const { applyMethod } = draft
  return {
    name: draft.name ?? '',
    namespace: draft.namespace ?? '',
    version: draft.version ?? 0,
    info: recordOf(draft.info ?? {}),
    chart: chartOf(draft.chart ?? {}),
    config: dictOf(draft.config),
    manifest: draft.manifest ?? '',
    hooks: (draft.hooks ?? []).map((each) => hookOf(each ?? {})),
    ...((applyMethod === 'ssa' || applyMethod === 'csa') && { applyMethod }),
  }
}

function recordOf({ status, rollbackRevision, ...texts }: DraftOf<typeof info>): ReleaseRecord {
  return {
    ...setOnly(texts),
    // Whatever it says: Helm takes any text for a status.
    status: (status ?? '') as ReleaseStatus,
    ...(rollbackRevision && { rollbackRevision }),
  }
}

/** Without empty texts, which is how Helm 3 writes times that are not set. */
function setOnly<T extends object>(texts: T): T {
  return Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== '' && value !== undefined)) as T
}

function hookOf(draft: DraftOf<typeof hook>): ReleaseHook {
  const { startedAt, completedAt, phase } = draft.lastRun ?? {}
  return {
    name: draft.name ?? '',
    kind: draft.kind ?? '',
    path: draft.path ?? '',
    manifest: draft.manifest ?? '',
    events: filled(draft.events),
    weight: draft.weight ?? 0,
    deletePolicies: filled(draft.deletePolicies),
    outputLogPolicies: filled(draft.outputLogPolicies),
    ...(phase && {
      lastRun: { ...(startedAt && { startedAt }), ...(completedAt && { completedAt }), phase: phase as HookRun['phase'] },
    }),
  }
}

function filled(texts: Texts = []): string[] {
  return texts.map((each) => each ?? '')
}

function chartOf(draft: DraftOf<typeof chart>): Chart {
  const { lock, schema, modTime, schemaModTime } = draft
  return {
    metadata: checkMetadata(draft.metadata ?? {}),
    ...(lock && { lock: lockOf(lock) }),
    templates: (draft.templates ?? []).map((each) => fileOf(each ?? {})),
    files: (draft.files ?? []).map((each) => fileOf(each ?? {})),
    raw: [],
    values: dictOf(draft.values),
    ...(schema && { schema }),
    dependencies: [],
    ...timeIn('modTime', modTime),
    ...timeIn('schemaModTime', schemaModTime),
  }
}

function fileOf({ name = '', data = new Uint8Array(), modTime }: DraftOf<typeof file>): ChartFile {
  return { name, data, ...timeIn('modTime', modTime) }
}

/** Milliseconds; nothing for Go's zero time. */
function timeIn<Key extends string>(key: Key, text: string | undefined): { [K in Key]?: number } {
  const time = text === undefined || text.startsWith('0001-') ? Number.NaN : Date.parse(text)
  return Number.isNaN(time) ? {} : ({ [key]: time } as { [K in Key]?: number })
}

function dictOf(json: Json | undefined): Dict {
  const value = jsonToValue(json ?? null)
  return value instanceof Map ? value : new TypedMap(anyMap, [], true)
}
