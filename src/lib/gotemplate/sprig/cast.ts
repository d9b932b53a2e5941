/** Numbers of any value, 0 where there is none. Source: spf13/cast, which sprig casts with. */

import { parseFloat as floatIn, parseInt as integerIn } from '../strconv.ts'
import { Int, types, type Value } from '../value.ts'

/** A cast knows the predeclared types by name, and of those that others declare only these: a time.Duration is none. */
const namedIntegers = new Set(['time.Weekday', 'time.Month'])
const integerTypes = new Set([
  types.int,
  types.int8,
  types.int16,
  types.int32,
  types.int64,
  types.uint,
  types.uint8,
  types.uint16,
  types.uint32,
  types.uint64,
])

/** Source: cast.ToInt and ToInt64, which are the same on 64 bits. */
export function toInt(value: Value): bigint {
  if (value instanceof Int) return BigInt.asIntN(64, integerOf(value) ?? 0n)
  if (typeof value === 'number') return truncated(value)
  if (typeof value === 'string') return attempt(() => integerIn(withoutZeroDecimals(value), 0, 64), 0n)
  return value === true ? 1n : 0n
}

/** Source: cast.ToFloat64. */
export function toFloat(value: Value): number {
  if (value instanceof Int) return Number(integerOf(value) ?? 0n)
  if (typeof value === 'number') return value
  if (typeof value === 'string') return attempt(() => floatIn(value), 0)
  return value === true ? 1 : 0
}

function integerOf({ type, value }: Int): bigint | undefined {
  return integerTypes.has(type) || namedIntegers.has(type.name) ? value : undefined
}

/** What a processor makes of a float that no int64 can hold is the smallest one. */
function truncated(value: number): bigint {
  return value >= -(2 ** 63) && value < 2 ** 63 ? BigInt(Math.trunc(value)) : -(2n ** 63n)
}

/** `1.00` without the decimals. Source: cast trimZeroDecimal. */
function withoutZeroDecimals(text: string): string {
  return text.replace(/\.0+$/, '')
}

function attempt<Result>(parse: () => Result, otherwise: Result): Result {
  try {
    return parse()
  } catch {
    return otherwise
  }
}
