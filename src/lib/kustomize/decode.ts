/** Parsers of configuration: from plain values to types, with Go's rules and words for what does not fit. */

import { BuildError, messageOf } from '../errors.ts'
import { type Json, type JsonObject, parseJson } from '../json.ts'
import { formatNumber, loadFirst } from '../yaml/index.ts'
import { jsonTypeName } from './merge/json6902.ts'

export interface DecodeContext {
  /** Refuse unknown fields, as for kustomization files; configuration of plugins may hold more. */
  readonly strict: boolean
  /** Take numbers and booleans for texts, as sigs.k8s.io/yaml does when it knows the type. */
  readonly coerce: boolean
  /** Fields so far and Go's name of the type that has the last of them, for messages. */
  readonly path: string
  readonly type?: string
}

/** Reads a value that may be missing (undefined) or null: both give the type's zero value. */
export type Decoder<T> = (value: Json | undefined, context: DecodeContext) => T

export const text: Decoder<string> = (value, context) => {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  if (context.coerce && typeof value === 'boolean') return String(value)
  if (context.coerce && (typeof value === 'number' || typeof value === 'bigint')) return formatNumber(value)
  throw mismatch(value, 'string', context)
}

export const bool: Decoder<boolean> = (value, context) => {
  if (value === undefined || value === null) return false
  if (typeof value === 'boolean') return value
  throw mismatch(value, 'bool', context)
}

export const integer: Decoder<number> = (value, context) => {
  if (value === undefined || value === null) return 0
  if (typeof value === 'number' && Number.isInteger(value)) return value
  if (typeof value === 'bigint') return Number(value)
  throw mismatch(value, 'int64', context)
}

/** Undefined when the value is missing or null. */
export function optional<T>(decoder: Decoder<T>): Decoder<T | undefined> {
  return (value, context) => (value === undefined || value === null ? undefined : decoder(value, context))
}

export function list<T>(decoder: Decoder<T>, typeName = 'string'): Decoder<readonly T[]> {
  return (value, context) => {
    if (value === undefined || value === null) return []
    if (!Array.isArray(value)) throw mismatch(value, `[]${typeName}`, context)
    return value.map((item) => decoder(item, context))
  }
}

/** A map of texts; names come from users, hence a Map. */
export const textMap: Decoder<ReadonlyMap<string, string>> = (value, context) => {
  if (value === undefined || value === null) return new Map()
  if (!isObject(value)) throw mismatch(value, 'map[string]string', context)
  return new Map(Object.entries(value).map(([key, item]) => [key, text(item, context)]))
}

type Fields<T> = { readonly [K in keyof T]: Decoder<T[K]> }

/**
 * A struct. Field names are matched without regard to case where no field has the exact name, as Go does.
 * @param typeName Go's name of the type, for messages.
 */
export function struct<T extends object>(typeName: string, fields: Fields<T>): Decoder<T> {
  const names = Object.keys(fields) as (keyof T & string)[]
  const byLowerCase = new Map(names.map((name) => [name.toLowerCase(), name]))
  return (value, context) => {
    if (value !== undefined && value !== null && !isObject(value)) throw mismatch(value, typeName, context)
    const given = fieldsByName(value ?? {}, { byLowerCase, known: fields, strict: context.strict })
    const result: Partial<T> = {}
    for (const name of names) {
      const path = context.path === '' ? name : `${context.path}.${name}`
      result[name] = fields[name](given.get(name), { ...context, path, type: typeName })
    }
    return result as T
  }
}

interface KnownFields {
  readonly byLowerCase: ReadonlyMap<string, string>
  readonly known: object
  readonly strict: boolean
}

function fieldsByName(value: JsonObject, { byLowerCase, known, strict }: KnownFields): Map<string, Json> {
  const given = new Map<string, Json>()
  for (const [key, item] of Object.entries(value)) {
    const name = Object.hasOwn(known, key) ? key : byLowerCase.get(key.toLowerCase())
    if (name !== undefined) given.set(name, item)
    else if (strict) throw new BuildError(`json: unknown field ${JSON.stringify(key)}`, { path: key })
  }
  return given
}

function mismatch(value: Json, expected: string, { path, type = '' }: DecodeContext): BuildError {
  const where = path === '' ? 'value' : `struct field ${type}.${path}`
  return new BuildError(`json: cannot unmarshal ${jsonTypeName(value)} into Go ${where} of type ${expected}`, { path })
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Reads a document that is JSON when it begins with a brace: JSON has escapes that YAML lacks. @throws BuildError or ParseError */
export function jsonOrYaml(source: string, file: string | undefined): Json | undefined {
  if (!source.startsWith('{')) return loadFirst(source, { dialect: 'sigs', file })
  try {
    return parseJson(source)
  } catch (error) {
    throw new BuildError(`${file ?? 'the document'}: ${messageOf(error)}`, file === undefined ? {} : { file }, { cause: error })
  }
}
