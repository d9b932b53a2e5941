/** YAML, JSON and TOML to and from the values of templates, with Helm's rule that most errors become text. Source: helm pkg/engine/funcs.go. */

import { messageOf } from '../errors.ts'
import { type Budget, LimitError } from '../gotemplate/environment.ts'
import { FuncError } from '../gotemplate/func.ts'
import { JsonError, jsonToValue, marshalJson, parseGoJson, valueToJson } from '../gotemplate/gojson.ts'
import { anyMap, type Dict, isList, TypedMap, type Value } from '../gotemplate/value.ts'
import type { Json } from '../json.ts'
import { emit } from '../yaml/index.ts'
import { decodeToml, encodeToml, type TomlEnvironment, TomlPanic } from './toml.ts'
import { readYaml, typeMismatch } from './yaml.ts'
import { emitPretty } from './yaml-pretty.ts'

/** `toYaml`: sigs.k8s.io/yaml, which goes through JSON; nothing at all for what JSON cannot say. */
export function toYaml(value: Value): string {
  return quietly(() => mustToYaml(value), '')
}

/** `mustToYaml`. @throws FuncError for what JSON cannot say. */
export function mustToYaml(value: Value): string {
  return withoutNewline(emit(jsonOf(value)))
}

function jsonOf(value: Value): Json {
  try {
    return valueToJson(value)
  } catch (error) {
    if (error instanceof FuncError) throw new FuncError(`error marshaling into JSON: ${error.message}`, { cause: error })
    throw error
  }
}

/** `toYamlPretty`: go-yaml 3, which reads the Go value itself and indents lists. */
export function toYamlPretty(value: Value): string {
  return quietly(() => withoutNewline(emitPretty(value)), '')
}

/** `toJson`; nothing at all for what JSON cannot say. */
export function toJson(value: Value): string {
  return quietly(() => marshalJson(value), '')
}

/** `mustToJson`. @throws FuncError for what JSON cannot say. */
export function mustToJson(value: Value): string {
  return marshalJson(value)
}

/** `toToml`: an error is the text. @throws TomlPanic */
export function toToml(value: Value, budget?: Budget): string {
  return noting(
    () => mustToToml(value, budget),
    (error) => {
      if (error instanceof TomlPanic) throw error
      return messageOf(error)
    },
  )
}

/** `mustToToml`. @throws FuncError for what TOML cannot say. */
export function mustToToml(value: Value, budget?: Budget): string {
  return encodeToml(value, budget)
}

/** `fromYaml`: the first document as a map, or an error under `Error`. */
export function fromYaml(text: string): Dict {
  // Null leaves the map as it is, unlike in fromJson.
  return noting(() => asMap(loadYaml(text) ?? new Map(), decodingYaml), errorMap)
}

/** `fromYamlArray`: the first document as a list, or an error as its one item. */
export function fromYamlArray(text: string): readonly Value[] {
  return noting(() => asList(loadYaml(text), decodingYaml), errorList)
}

/** `fromJson`: a map, or an error under `Error`. */
export function fromJson(text: string): Dict {
  return noting(() => parsedAs(text, asMap), partialMap)
}

/** `fromJsonArray`: a list, or an error as its one item. */
export function fromJsonArray(text: string): readonly Value[] {
  return noting(() => parsedAs(text, asList), errorList)
}

/** `fromToml`: a map, or an error under `Error`. */
export function fromToml(text: string, env?: TomlEnvironment): Dict {
  return noting(() => decodeToml(text, env), errorMap)
}

const decodingYaml = 'error unmarshaling JSON: while decoding JSON: '

/** @throws BuildError in the words of sigs.k8s.io/yaml. */
function loadYaml(text: string): Value {
  return jsonToValue(readYaml(text))
}

/** That a text is of another type is told before a number in it that is too large. */
function parsedAs<T>(text: string, as: (value: Value, where: string) => T): T {
  try {
    return as(parseGoJson(text), '')
  } catch (error) {
    if (error instanceof JsonError && error.partial !== undefined) as(error.partial, '')
    throw error
  }
}

/** A null makes Go's map a nil one. */
function asMap(value: Value, where: string): Dict {
  if (value === null) return new TypedMap(anyMap, [], true)
  if (value instanceof Map) return value
  throw new Error(where + typeMismatch(valueToJson(value), 'Go value of type map[string]interface {}'))
}

function asList(value: Value, where: string): readonly Value[] {
  if (value === null) return []
  if (isList(value)) return value
  throw new Error(where + typeMismatch(valueToJson(value), 'Go value of type []interface {}'))
}

function errorMap(error: unknown): Dict {
  return new Map([['Error', messageOf(error)]])
}

/** What could be read stays beside the error. */
function partialMap(error: unknown): Dict {
  const partial = error instanceof JsonError && error.partial instanceof Map ? error.partial : []
  return new Map([...partial, ...errorMap(error)])
}

function errorList(error: unknown): readonly Value[] {
  return [messageOf(error)]
}

function quietly(action: () => string, otherwise: string): string {
  return noting(action, () => otherwise)
}

/** What an error is turned into; what uses up the limits stays an error. */
function noting<T>(action: () => T, instead: (error: unknown) => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof LimitError) throw error
    return instead(error)
  }
}

function withoutNewline(text: string): string {
  return text.endsWith('\n') ? text.slice(0, -1) : text
}
