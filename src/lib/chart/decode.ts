/** JSON into typed records as Go's encoding/json does it, after sigs.k8s.io/yaml has spelled numbers as text where text is wanted. */

import { BuildError } from '../errors.ts'
import { quote } from '../gotemplate/strconv.ts'
import { compareText } from '../gotemplate/value.ts'
import type { Json } from '../json.ts'
import { formatFloat, type Node, parseNodes } from '../yaml/index.ts'
import { readYaml, typeMismatch } from './yaml.ts'

/** A Go type that JSON is read into. `T` is what it holds; undefined and null are its zero value. */
export interface Shape<T> {
  /** As reflect.Type.String() gives it. */
  readonly type: string
  /** `previous` is what the target holds already: objects and lists are merged into it. */
  read(json: Json, place: Place, previous: T | undefined): T | undefined
}

/** Where a value stands: the struct that it belongs to and the names of the fields that lead to it. */
export interface Place {
  readonly struct?: string
  readonly path: readonly string[]
  /** The numbers that the text writes as floats: JSON no longer tells `1e7` from `10000000`. */
  readonly floats: Pick<ReadonlySet<number>, 'has'>
  /** Takes the names of fields that a struct does not have. */
  readonly unknown?: string[]
}

interface FieldOf<T> {
  readonly json: string
  readonly shape: Shape<T>
  /** The embedded struct that the field is promoted from, which messages name. */
  readonly embedded?: string | undefined
}

export type Fields<T> = { readonly [K in keyof T]-?: FieldOf<Exclude<T[K], undefined>> }

/**
 * Reads a YAML text into a shape.
 * @throws BuildError with the text of yaml.Unmarshal.
 */
export function decodeYaml<T>(text: string, shape: Shape<T>, previous?: T): T | undefined {
  // Looked for only when a number stands where text is wanted: a second reading of the text.
  let floats: ReadonlySet<number> | undefined
  const has = (value: number): boolean => {
    floats ??= floatsOf(text)
    return floats.has(value)
  }
  return shape.read(readYaml(text), { path: [], floats: { has } }, previous)
}

/** Reads a value that is parsed already; its integers are those that have no fraction. @throws BuildError as decodeYaml does */
export function decodeValue<T>(json: Json, shape: Shape<T>, { isStrict = false } = {}): T | undefined {
  const unknown: string[] = []
  const value = shape.read(json, { path: [], floats: new Set(), unknown }, undefined)
  // Last: Go reads on after a field that it does not know.
  if (isStrict && unknown[0] !== undefined) throw new BuildError(`${decoding}json: unknown field ${quote(unknown[0])}`)
  return value
}

function floatsOf(text: string): ReadonlySet<number> {
  const floats = new Set<number>()
  const visit = (node: Node): void => {
    if (node.tag === '!!float') floats.add(Number(node.value.replaceAll('_', '')))
    node.content.forEach(visit)
  }
  parseNodes(text, { dialect: 'sigs', firstOnly: true }).forEach(visit)
  return floats
}

/** `string`: takes numbers and booleans too, as sigs.k8s.io/yaml spells them. */
export const text: Shape<string> = {
  type: 'string',
  read(json, place, previous) {
    if (json === null) return previous
    if (typeof json === 'object') throw mismatch(json, this, place)
    return typeof json === 'number' && place.floats.has(json) ? formatSingle(json) : String(json)
  },
}

/** Go's strconv.FormatFloat(value, 'g', -1, 32). */
function formatSingle(value: number): string {
  if (Object.is(value, -0)) return '-0'
  const single = Math.fround(value)
  for (let digits = 1; digits < 9; digits++) {
    const shorter = Number(single.toPrecision(digits))
    if (Math.fround(shorter) === single) return formatFloat(shorter)
  }
  return formatFloat(single)
}

export const flag: Shape<boolean> = {
  type: 'bool',
  read(json, place, previous) {
    if (json === null) return previous
    if (typeof json !== 'boolean') throw mismatch(json, this, place)
    return json
  },
}

/** Any of Go's integer types. */
export const integer: Shape<number> = {
  type: 'int',
  read(json, place, previous) {
    if (json === null) return previous
    if (typeof json !== 'number' || !Number.isInteger(json)) throw mismatch(json, this, place)
    return json
  },
}

/** `[]uint8`, which JSON has as base64. */
export const bytes: Shape<Uint8Array> = {
  type: '[]uint8',
  read(json, place) {
    if (json === null) return undefined
    if (typeof json !== 'string') throw mismatch(json, this, place)
    return Buffer.from(json, 'base64')
  },
}

/** `interface {}`. */
export const anything: Shape<Json> = { type: 'interface {}', read: (json) => json }

/** `[]of`. The items of null are kept: what they mean depends on the type. */
export function listOf<T>(of: Shape<T>): Shape<readonly (T | undefined)[]> {
  return {
    type: `[]${of.type}`,
    read(json, place, previous) {
      if (json === null) return undefined
      if (!Array.isArray(json)) throw mismatch(json, this, place)
      return json.map((item, index) => of.read(item, place, previous?.[index]))
    },
  }
}

/** `map[string]string`. */
export function textMap(of: Shape<string> = text): Shape<ReadonlyMap<string, string>> {
  return {
    type: 'map[string]string',
    read(json, place, previous) {
      if (json === null) return undefined
      if (typeof json !== 'object' || Array.isArray(json)) throw mismatch(json, this, place)
      const entries = Object.entries(json).map(([key, value]) => [key, of.read(value, place, undefined) ?? ''] as const)
      return new Map([...(previous ?? []), ...entries])
    },
  }
}

/** A struct: the name and the type of it, and its fields by their name here. */
export function struct<T extends object>(name: string, type: string, fields: Fields<T>): Shape<Partial<T>> {
  const keys = Object.keys(fields) as (keyof T & string)[]
  const exact = new Map(keys.map((key) => [fields[key].json, key]))
  return {
    type,
    read(json, place, previous) {
      if (json === null) return previous
      if (typeof json !== 'object' || Array.isArray(json)) throw mismatch(json, this, place)
      const record: Partial<T> = { ...previous }
      // In the order in which json.Marshal has written them: the first fault is the one that is told.
      for (const given of Object.keys(json).sort(compareText)) {
        const key = exact.get(given) ?? keys.find((key) => equalFold(fields[key].json, given))
        if (key === undefined) place.unknown?.push(given)
        if (key === undefined) continue
        const { json: field, shape, embedded = [] } = fields[key]
        const at = { ...place, struct: name, path: place.path.concat(embedded, field) }
        const value = shape.read(json[given] ?? null, at, record[key] as Exclude<T[typeof key], undefined>)
        if (value === undefined) delete record[key]
        else record[key] = value
      }
      return record
    },
  }
}

/** A pointer to a struct: null makes it nil. */
export function pointerTo<T extends object>(of: Shape<T>): Shape<T> {
  return {
    type: `*${of.type}`,
    read: (json, place, previous) => (json === null ? undefined : of.read(json, place, previous ?? ({} as T))),
  }
}

function equalFold(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

/** What sigs.k8s.io/yaml says before an error of encoding/json. */
export const decoding = 'error unmarshaling JSON: while decoding JSON: '

/** The error of a value that does not fit. */
export function mismatch(json: Json, shape: { readonly type: string }, { struct, path }: Place): BuildError {
  const where = struct === undefined ? 'Go value' : `Go struct field ${struct}.${path.join('.')}`
  return new BuildError(`${decoding}${typeMismatch(json, `${where} of type ${shape.type}`)}`)
}
