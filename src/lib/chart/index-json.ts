/**
 * An index as it is stored: indented JSON, in the bytes in which Flux stores it, so that the versions of one chart are a run of lines which
 * is found and read without the others.
 */
import { BuildError } from '../errors.ts'
import { jsonToValue, marshalJson } from '../gotemplate/gojson.ts'
import type { Value } from '../gotemplate/value.ts'
import type { IndexedChart } from './index-parts.ts'
import { metadataJson } from './release-encode.ts'
import { type IndexEntry, type IndexHead, parseIndex } from './repository.ts'

const noTime = '0001-01-01T00:00:00Z'

/** The text of a stored index, piece by piece. Source: Go json.MarshalIndent of helm's repo.IndexFile. */
export function* indexToJson(charts: Iterable<IndexedChart>, head: IndexHead = {}): Iterable<string> {
  const { serverInfo = null, generated = noTime, publicKeys = [], annotations = new Map<string, string>() } = head
  yield `{${filled('serverInfo', jsonToValue(serverInfo), '', ',')}`
  yield `\n  "apiVersion": "v1",\n  "generated": ${goJson(generated)},\n  "entries": {`
  let separator = '\n'
  for (const [name, versions] of charts) {
    yield `${separator}    ${goJson(name)}: ${versions.length === 0 ? '[]' : '['}`
    for (const [index, version] of versions.entries())
      yield `${index === 0 ? '' : ','}\n      ${goJson(entryJson(version)).replaceAll('\n', '\n      ')}`
    if (versions.length > 0) yield '\n    ]'
    separator = ',\n'
  }
  yield separator === '\n' ? '}' : '\n  }'
  yield `${filled('publicKeys', jsonToValue([...publicKeys]), ',')}${filled('annotations', new Map(annotations), ',')}\n}`
}

/** A field that is left out when it is empty. */
function filled(name: string, value: Value, before: string, after = ''): string {
  const json = marshalJson(value, { indent: '  ' }).replaceAll('\n', '\n  ')
  return ['null', '[]', '{}'].includes(json) ? '' : `${before}\n  "${name}": ${json}${after}`
}

/** Fields in Go's order. */
function entryJson(entry: IndexEntry): object {
  const { urls, created, digest } = entry
  const metadata: object = JSON.parse(metadataJson(entry))
  return { ...metadata, urls: urls.length > 0 ? urls : null, created: created ?? noTime, ...(digest && { digest }) }
}

/** Indented. Outside of texts JSON has none of the characters that Go escapes in them. */
function goJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(/[<>&\u2028\u2029]/g, escaped)
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/**
 * The versions of one chart in a stored index; undefined when it does not have that chart.
 * @throws BuildError for a text of another form.
 */
export function versionsIn(stored: Uint8Array, chart: string): readonly IndexEntry[] | undefined {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
  const entries = bytes.indexOf('\n  "entries": {')
  if (entries < 0) throw new BuildError('the stored index has no entries')
  const key = `\n    ${goJson(chart)}: [`
  const start = bytes.indexOf(key, entries)
  const end = bytes.indexOf('\n  }', entries)
  if (start < 0 || start > end) return undefined
  const from = start + key.length - 1
  // An empty list ends where it begins.
  const isEmpty = bytes[from + 1] === 0x5d
  const to = isEmpty ? from + 2 : bytes.indexOf('\n    ]', from) + '\n    ]'.length
  return parseIndex(`{"apiVersion":"v1","entries":{${goJson(chart)}:${bytes.toString('utf8', from, to)}}}`).get(chart)
}
