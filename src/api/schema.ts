/**
 * A small language for the schemas of our kinds. One definition gives the TypeScript type (`Infer`) and the OpenAPI schema
 * of the CRD, so the two cannot drift apart.
 */

import type { Json } from '../lib/json.ts'

/** The part of OpenAPI v3 that a CRD's structural schema may use and ours do use. */
export interface JsonSchema {
  readonly type?: 'object' | 'string' | 'integer' | 'boolean' | 'array'
  readonly description: string
  readonly default?: unknown
  readonly format?: 'date-time' | 'int32' | 'int64'
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly enum?: readonly string[]
  readonly items?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: JsonSchema
  readonly 'x-kubernetes-validations'?: readonly Rule[]
  readonly 'x-kubernetes-preserve-unknown-fields'?: true
  readonly 'x-kubernetes-list-type'?: 'map'
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
}

/** A CEL rule that the API server checks. */
export interface Rule {
  readonly rule: string
  /** What a user reads when the rule refuses an object. */
  readonly message: string
}

/** The schema of a value whose TypeScript type is `T`. */
export interface Schema<T> {
  readonly json: JsonSchema
  /** Never set: carries the type. */
  readonly type?: T
}

/** A field that may be left out. */
export interface OptionalSchema<T> extends Schema<T> {
  readonly isOptional: true
}

/** The TypeScript type of a schema. A field with a default is optional too: an object may come from a file or an older CRD. */
export type Infer<S> = S extends Schema<infer T> ? T : never

export type Fields = Readonly<Record<string, Schema<unknown>>>

type OptionalNames<F extends Fields> = { [K in keyof F]: F[K] extends OptionalSchema<unknown> ? K : never }[keyof F]

/** The type of an object with these fields. */
export type InferFields<F extends Fields> = Flat<
  { readonly [K in Exclude<keyof F, OptionalNames<F>>]: Infer<F[K]> } & { readonly [K in OptionalNames<F>]?: Infer<F[K]> }
>

/** Shows an intersection as one object type in an editor. */
type Flat<T> = { [K in keyof T]: T[K] }

type StringOptions = Pick<JsonSchema, 'format' | 'pattern' | 'minLength' | 'maxLength'> & { readonly default?: string }
type IntegerOptions = Pick<JsonSchema, 'format' | 'minimum' | 'maximum'> & { readonly default?: number }
type ArrayOptions = Pick<JsonSchema, 'minItems' | 'maxItems'> & {
  /** The field of an item that no two items may share. */
  readonly key?: string
}

/** Rules and the default of an object. */
export interface ObjectOptions {
  readonly rules?: readonly Rule[]
  readonly default?: Readonly<Record<string, unknown>>
}

/** An object with these fields and no others (the API server drops others). */
export function object<F extends Fields>(description: string, fields: F, options: ObjectOptions = {}): Schema<InferFields<F>> {
  const entries = Object.entries(fields)
  const required = entries.filter(([, field]) => !('isOptional' in field)).map(([name]) => name)
  return {
    json: {
      type: 'object',
      description,
      ...(options.default && { default: options.default }),
      properties: Object.fromEntries(entries.map(([name, field]) => [name, field.json])),
      ...(required.length > 0 && { required: required.sort() }),
      ...(options.rules && { 'x-kubernetes-validations': options.rules }),
    },
  }
}

export function string(description: string, options: StringOptions = {}): Schema<string> {
  return { json: { type: 'string', description, ...options } }
}

/** A string of a closed set. */
export function oneOf<const V extends string>(
  description: string,
  values: readonly V[],
  options: { readonly default?: V } = {},
): Schema<V> {
  return { json: { type: 'string', description, enum: values, ...options } }
}

/** A whole number of 64 bits, unless the format says otherwise. */
export function integer(description: string, options: IntegerOptions = {}): Schema<number> {
  return { json: { type: 'integer', description, format: 'int64', ...options } }
}

export function boolean(description: string, options: { readonly default?: boolean } = {}): Schema<boolean> {
  return { json: { type: 'boolean', description, ...options } }
}

export function array<T>(description: string, items: Schema<T>, { key, ...options }: ArrayOptions = {}): Schema<readonly T[]> {
  const keyed = key !== undefined && { 'x-kubernetes-list-type': 'map' as const, 'x-kubernetes-list-map-keys': [key] }
  return { json: { type: 'array', description, items: items.json, ...options, ...keyed } }
}

/** Any JSON value. */
export function anything(description: string): Schema<Json> {
  return { json: { description, 'x-kubernetes-preserve-unknown-fields': true } }
}

/** A whole number without a format: Go's int. */
export function wholeNumber(description: string): Schema<number> {
  return { json: { type: 'integer', description } }
}

/** An object whose keys are free. */
export function map<T>(description: string, values: Schema<T>): Schema<Readonly<Record<string, T>>> {
  return { json: { type: 'object', description, additionalProperties: values.json } }
}

/** RFC 3339, whole seconds. */
export function time(description: string): Schema<string> {
  return string(description, { format: 'date-time' })
}

/** A Go duration as Flux accepts it: `1h30m`, `90s`, `1.5m`. */
export function duration(description: string, options: { readonly default?: string } = {}): Schema<string> {
  return string(description, { pattern: String.raw`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`, ...options })
}

/** The duration of a fetch: as `duration`, but without hours. */
export function shortDuration(description: string, options: { readonly default?: string } = {}): Schema<string> {
  return string(description, { pattern: String.raw`^([0-9]+(\.[0-9]+)?(ms|s|m))+$`, ...options })
}

/** Makes a field one that may be left out. */
export function optional<T>(schema: Schema<T>): OptionalSchema<T> {
  return { ...schema, isOptional: true }
}
