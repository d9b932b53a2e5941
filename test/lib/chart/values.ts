/** Values in tests, as plain JavaScript. */

import { jsonToValue, marshalJson } from '../../../src/lib/gotemplate/gojson.ts'
import type { Dict, Value } from '../../../src/lib/gotemplate/value.ts'
import type { Json } from '../../../src/lib/json.ts'

/** A table of values; numbers are float64. */
export function table(json: Json): Dict {
  const value = jsonToValue(json)
  if (value instanceof Map) return value
  throw new TypeError('not a table')
}

/** A value as it is after a trip through JSON. */
export function plain(value: Value): unknown {
  return JSON.parse(marshalJson(value))
}
