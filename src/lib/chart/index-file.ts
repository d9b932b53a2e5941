/** index.yaml as Go reads it. Source: helm pkg/repo/v1/index.go. */

import { BuildError, messageOf } from '../errors.ts'
import { formatTime, rfc3339Nano } from '../gotemplate/gotime-format.ts'
import { utc } from '../gotemplate/gotime-location.ts'
import { parseTime } from '../gotemplate/gotime-parse.ts'
import { type Json, parseJson } from '../json.ts'
import { loadFirst } from '../yaml/index.ts'
import { anything, decodeValue, decoding, listOf, mismatch, pointerTo, type Shape, struct, text, textMap } from './decode.ts'
import { type Given, metadataFields } from './metadata.ts'

/** A text that is written as one: sigs.k8s.io/yaml does not spell numbers for the fields of an embedded struct. */
const exactText: Shape<string> = {
  type: 'string',
  read(json, place, previous) {
    if (json === null) return previous
    if (typeof json !== 'string') throw mismatch(json, this, place)
    return json
  },
}

/** How Go writes times, and so do most indexes. */
const canonical = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{0,8}[1-9])?(?:Z|[+-](?!00:00)\d\d:\d\d)$/

/** RFC 3339, in the form in which Go writes it. */
const time: Shape<string> = {
  type: 'time.Time',
  read(json, _place, previous) {
    if (json === null) return previous
    if (typeof json !== 'string') throw new BuildError(`${decoding}Time.UnmarshalJSON: input is not a JSON string`)
    try {
      const moment = parseTime('2006-01-02T15:04:05Z07:00', json, utc)
      return canonical.test(json) ? json : formatTime(moment, rfc3339Nano)
    } catch (error) {
      throw new BuildError(decoding + messageOf(error), {}, { cause: error })
    }
  },
}

function mapOf<T>(of: Shape<T>, type: string): Shape<ReadonlyMap<string, T | undefined>> {
  return {
    type: `map[string]${type}`,
    read(json, place, _previous) {
      if (json === null) return undefined
      if (typeof json !== 'object' || Array.isArray(json)) throw mismatch(json, this, place)
      return new Map(Object.entries(json).map(([key, item]) => [key, of.read(item, place, undefined)]))
    },
  }
}

interface Entry extends Given {
  readonly urls: readonly (string | undefined)[]
  readonly created: string
  readonly digest: string
}

interface Index {
  readonly apiVersion: string
  readonly generated: string
  readonly entries: ReadonlyMap<string, readonly (EntryDraft | undefined)[] | undefined>
  readonly serverInfo: Json
  readonly publicKeys: readonly (string | undefined)[]
  readonly annotations: ReadonlyMap<string, string>
}

interface UnreadField {
  readonly json: string
  readonly shape: Shape<Json>
}

/** Fields that are known, so that an index may have them. */
function unread(...names: readonly string[]): Record<string, UnreadField> {
  return Object.fromEntries(names.map((json) => [json, { json, shape: anything }]))
}

/** An entry as the file gives it: not checked yet. */
export type EntryDraft = Partial<Entry>

const entry = struct<Entry>('ChartVersion', 'repo.ChartVersion', {
  ...metadataFields(exactText, 'Metadata'),
  urls: { json: 'urls', shape: listOf(text) },
  created: { json: 'created', shape: time },
  digest: { json: 'digest', shape: text },
  ...unread('removed', 'checksum', 'engine', 'tillerVersion', 'url'),
})

const index = struct<Index>('IndexFile', 'repo.IndexFile', {
  apiVersion: { json: 'apiVersion', shape: text },
  generated: { json: 'generated', shape: time },
  entries: { json: 'entries', shape: mapOf({ ...listOf(pointerTo(entry)), type: 'repo.ChartVersions' }, 'repo.ChartVersions') },
  serverInfo: { json: 'serverInfo', shape: anything },
  publicKeys: { json: 'publicKeys', shape: listOf(text) },
  annotations: { json: 'annotations', shape: textMap() },
})

/**
 * Reads an index, JSON or (strictly) YAML.
 * @throws BuildError in Go's words.
 */
export function readIndexFile(text: string): Partial<Index> {
  const json = asJson(text)
  if (json === undefined) return decodeValue(strictYaml(text), index, { isStrict: true }) ?? {}
  try {
    return decodeValue(json, index) ?? {}
  } catch (error) {
    throw new BuildError(messageOf(error).replace(decoding, ''), {}, { cause: error })
  }
}

function asJson(text: string): Json | undefined {
  if (!/^[ \t\r\n]*\{/.test(text)) return undefined
  try {
    return parseJson(text)
  } catch {
    return undefined
  }
}

/** A YAML index that names a field which Helm does not know is refused. */
function strictYaml(text: string): Json {
  try {
    return loadFirst(text, { dialect: 'sigs', strict: true, maxLength: text.length, maxNodes: text.length }) ?? null
  } catch (error) {
    throw new BuildError(`error converting YAML to JSON: ${messageOf(error)}`, {}, { cause: error })
  }
}
