/** Values in Go's own notation, for the messages of its YAML libraries. */

import type { Json } from '../json.ts'
import { formatFloat } from './number.ts'

/** What Go's `%#v` prints of a decoded value: `[]interface {}{1, "a"}`. */
export function goSyntax(value: Json): string {
  if (value === null) return 'interface {}(nil)'
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : formatFloat(value)
  if (typeof value === 'bigint') return isUnsigned(value) ? `0x${value.toString(16)}` : String(value)
  if (typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`
  const entries = Object.keys(value).sort()
  return `map[interface {}]interface {}{${entries.map((key) => `${goSyntax(key)}:${goSyntax(value[key] ?? null)}`).join(', ')}}`
}

/** Whether an integer is a uint64 to go-yaml, because an int64 cannot hold it. */
export function isUnsigned(value: number | bigint): boolean {
  return typeof value === 'bigint' && value >= 2n ** 63n
}
