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
  const {
    apiVersion = 'v1',
    serverInfo = null,
    generated = noTime,
    publicKeys = [],
    annotations = new Map<string, string>(),
  } = head
  yield `{${filled('serverInfo', jsonToValue(serverInfo), '', ',')}`
  yield `\n  "apiVersion": ${goJson(apiVersion)},\n  "generated": ${goJson(generated)},\n  "entries": {`
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
 * The versions of one chart in a stored index, which comes in chunks: no more than those of the chart are kept, and none behind them is
 * asked for. Undefined when it does not have that chart.
 * @throws BuildError for a text of another form.
 */
export async function versionsIn(
  stored: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  chart: string,
): Promise<readonly IndexEntry[] | undefined> {
  const name = goJson(chart)
  const list = await listIn(stored, ['\n  "entries": {', `\n    ${name}: [`])
  return list === undefined ? undefined : parseIndex(`{"apiVersion":"v1","entries":{${name}:[${list}}}`).get(chart)
}

const endOfList = Buffer.from('\n    ]')

/** What is between the last of these texts, which follow each other, and the bracket that ends the list. */
async function listIn(
  stored: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  texts: readonly string[],
): Promise<string | undefined> {
  const wanted = texts.map((text) => Buffer.from(text))
  let held = Buffer.alloc(0)
  let searched = 0
  for await (const chunk of stored) {
    held = Buffer.concat([held, chunk])
    for (let next = wanted[0]; next; next = wanted[0]) {
      const start = held.indexOf(next)
      // It may be cut in two, as the end may.
      held = held.subarray(start < 0 ? Math.max(0, held.length - next.length) : start + next.length)
      if (start < 0) break
      wanted.shift()
    }
    if (wanted.length > 0) continue
    // An empty list ends where it begins.
    if (held[0] === 0x5d) return ']'
    const end = held.indexOf(endOfList, searched)
    if (end >= 0) return held.toString('utf8', 0, end + endOfList.length)
    searched = Math.max(0, held.length - endOfList.length)
  }
  if (wanted.length === texts.length) throw new BuildError('the stored index has no entries')
  return undefined
}
