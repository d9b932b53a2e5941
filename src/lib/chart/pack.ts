/** Packages of charts: as Helm packs them, but for times, so that the same chart gives the same bytes. */
import { gzipSync } from 'node:zlib'
import { Header, Pax } from 'tar'
import { BuildError } from '../errors.ts'
import { valueToJson } from '../gotemplate/gojson.ts'
import { quote } from '../gotemplate/strconv.ts'
import type { Dict } from '../gotemplate/value.ts'
import { parseJson } from '../json.ts'
import { emit } from '../yaml/index.ts'
import type { Chart, ChartFile, Metadata } from './chart.ts'
import { lockJson, metadataJson } from './release-encode.ts'

const blockBytes = 512
const epoch = new Date(0)
const valuesFile = 'values.yaml'

/**
 * The package of a chart: Chart.yaml first, then lock, values, schema, templates and other files, then the charts inside it as folders.
 * @throws BuildError with Helm's text for what cannot be packed.
 * Source: helm pkg/chart/v2/util/save.go.
 */
export function packChart(chart: Chart): Buffer {
  const blocks = [...filesOf(chart, '')].flatMap(({ name, data }) => [...entry(name, data)])
  const packed = gzipSync(Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)]))
  packed[9] = 255 // zlib writes the system that it was built for; Go writes "unknown"
  return packed
}

function* filesOf(chart: Chart, prefix: string): Iterable<ChartFile> {
  const { metadata, lock, raw, schema, templates, files, dependencies } = chart
  // The names of charts inside are part of paths, which must not lead out of the parent's.
  if (metadata.name.includes('/') || metadata.name === '.' || metadata.name === '..')
    throw new BuildError(`chart.metadata.name ${quote(metadata.name)} is invalid`)
  const base = `${prefix}${metadata.name}/`
  yield { name: `${base}Chart.yaml`, data: yamlOf(metadataJson(written(metadata))) }
  if (lock && metadata.apiVersion === 'v2') yield { name: `${base}Chart.lock`, data: yamlOf(lockJson(lock)) }
  for (const { name, data } of raw) if (name === valuesFile) yield { name: base + name, data }
  if (schema) yield { name: `${base}values.schema.json`, data: validJson(schema) }
  for (const { name, data } of [...templates, ...files]) yield { name: base + name, data }
  for (const dependency of dependencies) yield* filesOf(dependency, `${base}charts/`)
}

/** Charts of the old version have their dependencies in requirements.yaml, which is one of their files. */
function written(metadata: Metadata): Metadata {
  const { dependencies: _, ...rest } = metadata
  return metadata.apiVersion === 'v1' ? rest : metadata
}

function yamlOf(json: string): Uint8Array {
  return Buffer.from(emit(parseJson(json)))
}

function validJson(schema: Uint8Array): Uint8Array {
  try {
    JSON.parse(Buffer.from(schema).toString('utf8'))
    return schema
  } catch {
    throw new BuildError('invalid JSON in values.schema.json')
  }
}

function* entry(path: string, data: Uint8Array): Iterable<Uint8Array> {
  const header = new Header({ path, type: 'File', mode: 0o644, size: data.length, uid: 0, gid: 0, mtime: epoch })
  if (header.encode()) yield new Pax({ path, mtime: epoch }).encode()
  if (header.block) yield header.block
  yield data
  yield Buffer.alloc(-data.length & (blockBytes - 1))
}

/**
 * The chart with other default values; undefined when its values.yaml is these values already.
 * @throws BuildError for a chart without a values.yaml.
 * Source: OverwriteChartDefaultValues of source-controller.
 */
export function withValues(chart: Chart, values: Dict): Chart | undefined {
  const data = Buffer.from(values.size === 0 ? '' : emit(valueToJson(values)))
  const known = chart.raw.find(({ name }) => name === valuesFile)
  if (!known) throw new BuildError(`failed to locate values file: ${valuesFile}`)
  if (data.equals(known.data)) return undefined
  return { ...chart, values, raw: chart.raw.map((file) => (file === known ? { ...file, data } : file)) }
}
