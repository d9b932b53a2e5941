/** Helm's functions on durations. Source: helm pkg/engine/funcs.go. */

import { formatFloat } from '../gotemplate/format-float.ts'
import { type Func, FuncError, func, p } from '../gotemplate/func.ts'
import { durationParam, durationType } from '../gotemplate/gotime.ts'
import {
  durationIn,
  hour,
  maxInt64,
  microsecond,
  millisecond,
  minute,
  nanosecond,
  parseDuration,
  roundDuration,
  second,
  truncateDuration,
} from '../gotemplate/gotime-duration.ts'
import { parseFloat as parseGoFloat, quote } from '../gotemplate/strconv.ts'
import { Int, typeOf, type Value } from '../gotemplate/value.ts'
import { trimSpace } from './space.ts'

/** The functions by name. All but the first take what is no duration for none. */
export function durationFunctions(): [string, Func][] {
  return [
    ['mustToDuration', func([p.any], durationParam, durationOf)],
    ['durationSeconds', inUnits((duration) => durationIn(second, duration))],
    ['durationMinutes', inUnits((duration) => durationIn(minute, duration))],
    ['durationHours', inUnits((duration) => durationIn(hour, duration))],
    ['durationDays', inUnits((duration) => durationIn(hour, duration) / 24)],
    ['durationWeeks', inUnits((duration) => durationIn(hour, duration) / 24 / 7)],
    ['durationMilliseconds', inWholeUnits(millisecond)],
    ['durationMicroseconds', inWholeUnits(microsecond)],
    ['durationNanoseconds', inWholeUnits(nanosecond)],
    ['durationRoundTo', toMultiple(roundDuration)],
    ['durationTruncateTo', toMultiple(truncateDuration)],
  ]
}

function inUnits(convert: (duration: bigint) => number): Func {
  return func([p.any], p.float64, (value) => convert(durationOr(0n, value)))
}

function inWholeUnits(unit: bigint): Func {
  return func([p.any], p.int64, (value) => durationOr(0n, value) / unit)
}

/** A multiple that is no duration leaves the value as it is. */
function toMultiple(apply: (duration: bigint, multiple: bigint) => bigint): Func {
  return func([p.any, p.any], durationParam, (value, multiple) => apply(durationOr(0n, value), durationOr(0n, multiple)))
}

function durationOr(otherwise: bigint, value: Value): bigint {
  try {
    return durationOf(value)
  } catch (error) {
    if (error instanceof FuncError) return otherwise
    throw error
  }
}

/** Nanoseconds; numbers, and texts that are numbers, are seconds. */
function durationOf(value: Value): bigint {
  if (value === null) throw new FuncError('invalid duration')
  if (typeof value === 'string') return durationOfText(value)
  if (typeof value === 'number') return durationOfSeconds(value)
  if (!(value instanceof Int)) throw new FuncError(`unsupported duration type ${typeOf(value)?.name}`)
  if (value.type === durationType) return value.value
  const duration = value.value * second
  if (duration > maxInt64 || duration < -maxInt64) throw new FuncError(`duration seconds overflow: ${value.value}`)
  return duration
}

function durationOfText(given: string): bigint {
  const text = trimSpace(given)
  if (text === '') throw new FuncError('empty duration')
  try {
    return parseDuration(text)
  } catch {
    return durationOfSeconds(numberOf(text, given))
  }
}

function numberOf(text: string, given: string): number {
  try {
    return parseGoFloat(text)
  } catch {
    throw new FuncError(`could not parse duration ${quote(given)}`)
  }
}

const maxSeconds = Number(maxInt64) / Number(second)

function durationOfSeconds(seconds: number): bigint {
  if (!Number.isFinite(seconds)) throw new FuncError(`invalid duration seconds: ${formatFloat(seconds, 'g')}`)
  if (Math.abs(seconds) > maxSeconds) throw new FuncError(`duration seconds overflow: ${formatFloat(seconds, 'g')}`)
  const nanoseconds = BigInt(Math.trunc(seconds * Number(second)))
  return nanoseconds > maxInt64 ? BigInt.asIntN(64, nanoseconds) : nanoseconds
}
