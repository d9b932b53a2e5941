/** YAML as Helm reads it: sigs.k8s.io/yaml, by way of JSON, so that every number is a float64. */

import { BuildError, messageOf } from '../errors.ts'
import { jsonToValue } from '../gotemplate/gojson.ts'
import type { Dict } from '../gotemplate/value.ts'
import type { Json } from '../json.ts'
import { loadFirst } from '../yaml/index.ts'

/**
 * The first document of a text; null when there is none.
 * @throws BuildError with the text of yaml.Unmarshal.
 */
export function readYaml(text: string): Json {
  try {
    return loadFirst(text, { dialect: 'sigs' }) ?? null
  } catch (error) {
    throw new BuildError(`error converting YAML to JSON: ${messageOf(error)}`, {}, { cause: error })
  }
}

/**
 * The first document of a text as a map; empty for null and for no document.
 * @throws BuildError with the text of yaml.Unmarshal into a map.
 */
export function readYamlMap(text: string): Dict {
  const json = readYaml(text)
  if (json === null) return new Map()
  const value = jsonToValue(json)
  if (value instanceof Map) return value
  throw new BuildError(
    `error unmarshaling JSON: while decoding JSON: ${typeMismatch(json, 'Go value of type map[string]interface {}')}`,
  )
}

/** What encoding/json says of a value that does not fit: `target` is `Go value of type …` or `Go struct field … of type …`. */
export function typeMismatch(json: Json, target: string): string {
  return `json: cannot unmarshal ${kindOf(json)} into ${target}`
}

function kindOf(json: Json): string {
  if (Array.isArray(json)) return 'array'
  if (typeof json === 'bigint') return 'number'
  if (typeof json === 'boolean') return 'bool'
  return typeof json
}
