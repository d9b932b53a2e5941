/**
 * An index as it is stored: indented JSON, as Flux stores it, so that the versions of one chart are a run of lines which is found and read
 * without the others. A large index is never in memory as a whole but for its bytes: it is read and written chart by chart.
 */
import { BuildError } from '../errors.ts'
import { isRecord } from '../json.ts'
import { metadataJson } from './release-encode.ts'
import { type IndexEntry, parseIndex } from './repository.ts'

/** A chart of an index with its versions, the highest first. */
export type IndexedChart = readonly [name: string, versions: readonly IndexEntry[]]

/**
 * The charts of an index, YAML or JSON, in the order of their names, read one after the other. The YAML must have the form that
 * programs write: block style, one key a line, nothing shared between charts.
 * @throws BuildError for any other, and for what is wrong with a chart; `parseIndex` then says what Helm says.
 */
export function* chartsIn(index: Uint8Array): Iterable<IndexedChart> {
  const bytes = Buffer.from(index.buffer, index.byteOffset, index.byteLength)
  const isJson = bytes.subarray(0, 64).toString('latin1').trimStart().startsWith('{')
  yield* isJson ? chartsOfJson(bytes) : chartsOfYaml(bytes)
}

function* chartsOfJson(bytes: Buffer): Iterable<IndexedChart> {
  const { entries, ...head } = readJson(bytes)
  parseIndex(JSON.stringify(head))
  if (entries === undefined || entries === null) return
  if (!isRecord(entries)) throw new BuildError('the entries of the index are no map')
  for (const name of Object.keys(entries).sort(byBytes))
    yield* parseIndex(JSON.stringify({ ...head, entries: { [name]: entries[name] } }))
}

function readJson(bytes: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    if (isRecord(value)) return value
  } catch {
    // said below
  }
  throw new BuildError('the index is no JSON object')
}

function* chartsOfYaml(bytes: Buffer): Iterable<IndexedChart> {
  const { head, charts } = splitYaml(bytes)
  parseIndex(head)
  for (const { name, start, end } of charts.sort((a, b) => byBytes(a.name, b.name))) {
    const [only, ...others] = parseIndex(`apiVersion: v1\nentries:\n${bytes.toString('utf8', start, end)}`)
    if (!only || only[0] !== name || others.length > 0) throw unsplittable()
    yield only
  }
}

interface Part {
  readonly name: string
  readonly start: number
  readonly end: number
}

/** Everything but the entries, and where each chart of them is. */
function splitYaml(bytes: Buffer): { readonly head: string; readonly charts: Part[] } {
  const starts: { readonly name: string; readonly start: number }[] = []
  const names = new Set<string>()
  let [inside, indent, entriesStart, entriesEnd] = [false, 0, -1, bytes.length]
  for (const { start, depth, end } of linesOf(bytes)) {
    if (depth === 0) {
      const line = bytes.toString('utf8', start, end).trimEnd()
      if (!/^(?:#|[A-Za-z]+:)/.test(line)) throw unsplittable()
      if (inside && !line.startsWith('#')) [inside, entriesEnd] = [false, start]
      if (line === 'entries:') {
        if (entriesStart >= 0) throw unsplittable()
        ;[inside, entriesStart] = [true, end + 1]
      }
    } else if (inside) {
      indent ||= depth
      if (depth < indent) throw unsplittable()
      if (depth > indent || bytes[start + depth] === dash) continue
      const name = /^(?:([A-Za-z0-9][A-Za-z0-9._-]*)|"([^"\\]+)"|'([^']+)'):$/.exec(
        bytes.toString('utf8', start + depth, end).trimEnd(),
      )
      const found = name?.[1] ?? name?.[2] ?? name?.[3]
      if (found === undefined || names.has(found)) throw unsplittable()
      names.add(found)
      starts.push({ name: found, start })
    }
  }
  if (entriesStart < 0) throw unsplittable()
  const head = bytes.toString('utf8', 0, entriesStart).replace(/entries:\s*$/, '') + bytes.toString('utf8', entriesEnd)
  return { head, charts: starts.map((each, i) => ({ ...each, end: starts[i + 1]?.start ?? entriesEnd })) }
}

const [newline, space, dash, hash, carriageReturn] = [0x0a, 0x20, 0x2d, 0x23, 0x0d]

/** Lines that hold anything; `depth` counts the spaces in front. A comment may be anywhere: only those of the first column are told. */
function* linesOf(bytes: Buffer): Iterable<{ readonly start: number; readonly depth: number; readonly end: number }> {
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(newline, start)
    const end = found < 0 ? bytes.length : found
    let at = start
    while (bytes[at] === space) at++
    const isEmpty = at >= end || bytes[at] === carriageReturn || (bytes[at] === hash && at > start)
    if (!isEmpty) yield { start, depth: at - start, end }
    start = end + 1
  }
}

function unsplittable(): BuildError {
  return new BuildError('the index does not have the form in which programs write it')
}

/** The text of a stored index, piece by piece. Source: Go json.MarshalIndent of helm's repo.IndexFile. */
export function* indexToJson(charts: Iterable<IndexedChart>): Iterable<string> {
  yield '{\n  "apiVersion": "v1",\n  "generated": "0001-01-01T00:00:00Z",\n  "entries": {'
  let separator = '\n'
  for (const [name, versions] of charts) {
    const list = JSON.stringify(versions.map(entryJson), null, 2).replaceAll('\n', '\n    ')
    yield `${separator}    ${JSON.stringify(name)}: ${list}`
    separator = ',\n'
  }
  yield separator === '\n' ? '}\n}' : '\n  }\n}'
}

/** Fields in Go's order. */
function entryJson(entry: IndexEntry): object {
  const { urls, created, digest } = entry
  const metadata: object = JSON.parse(metadataJson(entry))
  return { ...metadata, urls, created: created ?? '0001-01-01T00:00:00Z', ...(digest && { digest }) }
}

/**
 * The versions of one chart in a stored index; undefined when it does not have that chart.
 * @throws BuildError for a text of another form.
 */
export function versionsIn(stored: Uint8Array, chart: string): readonly IndexEntry[] | undefined {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
  const entries = bytes.indexOf('\n  "entries": {')
  if (entries < 0) throw new BuildError('the stored index has no entries')
  const key = `\n    ${JSON.stringify(chart)}: [`
  const start = bytes.indexOf(key, entries)
  const end = bytes.indexOf('\n  }', entries)
  if (start < 0 || start > end) return undefined
  const from = start + key.length - 1
  // An empty list ends where it begins.
  const isEmpty = bytes[from + 1] === 0x5d
  const to = isEmpty ? from + 2 : bytes.indexOf('\n    ]', from) + '\n    ]'.length
  return parseIndex(`{"apiVersion":"v1","entries":{${JSON.stringify(chart)}:${bytes.toString('utf8', from, to)}}}`).get(chart)
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
