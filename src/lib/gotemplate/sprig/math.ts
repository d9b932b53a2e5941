/** sprig's numbers. Source: sprig numeric.go and functions.go. */

import type { Budget, Environment } from '../environment.ts'
import { sprint } from '../format.ts'
import { type Func, FuncError, func, p, variadic } from '../func.ts'
import { atoi, NumError, parseInt as parseInteger } from '../strconv.ts'
import { Int, intSlice, Slice, types, type Value } from '../value.ts'
import { toFloat, toInt } from './cast.ts'
import { add, divide, multiply, type Operation, subtract, withDecimals } from './decimal.ts'
import { power10 } from './power.ts'

export function mathFunctions({ budget }: Environment): ReadonlyMap<string, Func> {
  const max = ofIntegers((a, b) => (b > a ? b : a))
  const floats = (pick: (a: number, b: number) => number) =>
    func([p.any, variadic(p.any)], p.float64, (first, rest) => rest.map(toFloat).reduce(pick, toFloat(first)))
  return new Map<string, Func>([
    ['atoi', func([p.string], p.int, saturatingAtoi)],
    ['int', func([p.any], p.int, toInt)],
    ['int64', func([p.any], p.int64, toInt)],
    ['float64', func([p.any], p.float64, toFloat)],
    ['toDecimal', func([p.any], p.int64, octal)],
    ['add1', func([p.any], p.int64, (value) => wrapped(toInt(value) + 1n))],
    ['add', func([variadic(p.any)], p.int64, (values) => values.map(toInt).reduce((sum, value) => wrapped(sum + value), 0n))],
    ['sub', func([p.any, p.any], p.int64, (a, b) => wrapped(toInt(a) - toInt(b)))],
    ['mul', ofIntegers((a, b) => wrapped(a * b))],
    ['div', func([p.any, p.any], p.int64, (a, b) => wrapped(toInt(a) / divisor(b)))],
    ['mod', func([p.any, p.any], p.int64, (a, b) => toInt(a) % divisor(b))],
    ['max', max],
    ['biggest', max],
    ['min', ofIntegers((a, b) => (b < a ? b : a))],
    ['maxf', floats(maximum)],
    ['minf', floats((a, b) => -maximum(-a, -b))],
    ['ceil', func([p.any], p.float64, (value) => Math.ceil(toFloat(value)))],
    ['floor', func([p.any], p.float64, (value) => Math.floor(toFloat(value)))],
    ['round', func([p.any, p.int, variadic(p.float64)], p.float64, round)],
    ['add1f', func([p.any], p.float64, (value) => withDecimals(toFloat(value), [1], add))],
    ['addf', func([variadic(p.any)], p.float64, (values) => withDecimals(0, values.map(toFloat), add))],
    ['subf', ofDecimals(subtract)],
    ['divf', ofDecimals(divide)],
    ['mulf', ofDecimals(multiply)],
    ['until', func([p.int], p.ints, (count) => until(0n, count, count < 0n ? -1n : 1n, budget))],
    ['untilStep', func([p.int, p.int, p.int], p.ints, (start, stop, step) => until(start, stop, step, budget))],
    ['seq', func([variadic(p.int)], p.string, (params) => seq(params, budget))],
  ])
}

function ofIntegers(combine: (a: bigint, b: bigint) => bigint): Func {
  return func([p.any, variadic(p.any)], p.int64, (first, rest) => rest.map(toInt).reduce(combine, toInt(first)))
}

function ofDecimals(operation: Operation): Func {
  return func([p.any, variadic(p.any)], p.float64, (first, rest) => withDecimals(toFloat(first), rest.map(toFloat), operation))
}

function wrapped(value: bigint): bigint {
  return BigInt.asIntN(64, value)
}

function divisor(value: Value): bigint {
  const number = toInt(value)
  if (number === 0n) throw new FuncError('runtime error: integer divide by zero')
  return number
}

/** The number that Atoi returns along with its error: 0, or the nearest int of a number that is too large. */
function saturatingAtoi(text: string): bigint {
  return numberOr(
    () => atoi(text),
    (error) => (error.isRange ? (text.startsWith('-') ? -(2n ** 63n) : 2n ** 63n - 1n) : 0n),
  )
}

function octal(value: Value): bigint {
  return numberOr(
    () => parseInteger(sprint([value]), 8, 64),
    () => 0n,
  )
}

function numberOr(parse: () => bigint, otherwise: (error: NumError) => bigint): bigint {
  try {
    return parse()
  } catch (error) {
    if (error instanceof NumError) return otherwise(error)
    throw error
  }
}

/** Source: Go math.Max: infinity wins over NaN. */
function maximum(a: number, b: number): number {
  return a === Number.POSITIVE_INFINITY || b === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : Math.max(a, b)
}

/** Rounds up from a fraction of `roundOn`, which a negative number never has. */
function round(value: Value, places: bigint, [roundOn = 0.5]: readonly number[]): number {
  const power = power10(Number(places))
  const digits = power * toFloat(value)
  const fraction = digits - Math.trunc(digits)
  return (fraction >= roundOn ? Math.ceil(digits) : Math.floor(digits)) / power
}

function until(start: bigint, stop: bigint, step: bigint, budget: Budget): Slice {
  const distance = stop - start
  const isEmpty = distance < 0n ? step >= 0n : step <= 0n
  const count = isEmpty ? 0 : Number((distance + step - (distance < 0n ? -1n : 1n)) / step)
  // Each is an object.
  budget.steps(4 * count)
  return new Slice(
    intSlice,
    Array.from({ length: count }, (_, index) => new Int(types.int, start + BigInt(index) * step)),
  )
}

function seq(params: readonly bigint[], budget: Budget): string {
  const bounds = seqBounds(params)
  if (!bounds) return ''
  const { start, end, step } = bounds
  const direction = end < start ? -1n : 1n
  if (params.length === 3 && direction < 0n && step > 0n) return ''
  const numbers = until(start, end + direction, step, budget).items.map((number) => (number as Int).value.toString())
  return numbers.join(' ')
}

/** As of seq(1): `end`, `start end` or `start step end`; undefined for any other number of params. */
function seqBounds([a, b, c, ...rest]: readonly bigint[]): { start: bigint; end: bigint; step: bigint } | undefined {
  if (a === undefined || rest.length > 0) return undefined
  if (c !== undefined) return { start: a, step: b ?? 1n, end: c }
  const [start, end] = b === undefined ? [1n, a] : [a, b]
  return { start, end, step: end < start ? -1n : 1n }
}
