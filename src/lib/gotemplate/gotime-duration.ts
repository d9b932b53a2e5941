/** Go's time.Duration: nanoseconds as an int64. Source: Go time/time.go, format.go. */

import { FuncError } from './func.ts'
import { quoteTime } from './gotime-quote.ts'

export const nanosecond = 1n
export const microsecond = 1000n
export const millisecond = 1_000_000n
export const second = 1_000_000_000n
export const minute = 60n * second
export const hour = 60n * minute

export const minInt64 = -(1n << 63n)
export const maxInt64 = (1n << 63n) - 1n

/** Duration.String: `1h2m3.5s`, `1.5µs`, `0s`. */
export function formatDuration(duration: bigint): string {
  const sign = duration < 0n ? '-' : ''
  const amount = duration < 0n ? -duration : duration
  return sign + (amount < second ? smallDuration(amount) : clockDuration(amount))
}

function smallDuration(amount: bigint): string {
  if (amount === 0n) return '0s'
  if (amount < microsecond) return `${amount}ns`
  if (amount < millisecond) return `${decimal(amount, microsecond)}µs`
  return `${decimal(amount, millisecond)}ms`
}

function clockDuration(amount: bigint): string {
  const seconds = `${decimal(amount % minute, second)}s`
  if (amount < minute) return seconds
  const minutes = `${(amount / minute) % 60n}m${seconds}`
  return amount < hour ? minutes : `${amount / hour}h${minutes}`
}

/** A quotient with all its decimals: units are powers of ten. */
function decimal(amount: bigint, unit: bigint): string {
  const fraction = (amount % unit)
    .toString()
    .padStart(unit.toString().length - 1, '0')
    .replace(/0+$/, '')
  return `${amount / unit}${fraction && `.${fraction}`}`
}

const units: ReadonlyMap<string, bigint> = new Map([
  ['ns', nanosecond],
  ['us', microsecond],
  ['µs', microsecond], // U+00B5, the micro sign
  ['μs', microsecond], // U+03BC, the letter mu
  ['ms', millisecond],
  ['s', second],
  ['m', minute],
  ['h', hour],
])

const limit = 1n << 63n

/**
 * time.ParseDuration: `1h30m`, `-1.5h`, `300ms`, as nanoseconds.
 * @throws FuncError with Go's text
 */
export function parseDuration(text: string): bigint {
  const isNegative = text.startsWith('-')
  let rest = text.replace(/^[-+]/, '')
  if (rest === '0') return 0n
  if (rest === '') throw durationError('invalid duration', text)
  let total = 0n
  while (rest !== '') {
    const [term = '', digits = '', dot = '', fraction = '', unitName = ''] = /^(\d*)(\.?)(\d*)([^.\d]*)/.exec(rest) ?? []
    // Before the number is made: a long one takes long.
    if ((digits === '' && dot === '') || digits.replace(/^0+/, '').length > 19) throw durationError('invalid duration', text)
    if (digits === '' && fraction === '') throw durationError('invalid duration', text)
    if (unitName === '') throw durationError('missing unit in duration', text)
    const unit = units.get(unitName)
    if (unit === undefined) throw durationError(`unknown unit ${quoteTime(unitName)} in duration`, text)
    if (BigInt(digits) > limit / unit) throw durationError('invalid duration', text)
    const amount = BigInt(digits) * unit + fractionOf(fraction, unit)
    total += amount
    if (amount > limit || total > limit) throw durationError('invalid duration', text)
    rest = rest.slice(term.length)
  }
  if (isNegative) return BigInt.asIntN(64, -total)
  if (total > maxInt64) throw durationError('invalid duration', text)
  return total
}

/** The part after the point in nanoseconds: in floating point, as Go does it, digits that are too many left out. */
function fractionOf(digits: string, unit: bigint): bigint {
  let value = 0n
  let scale = 1
  for (const digit of digits) {
    if (value > maxInt64 / 10n) break
    const longer = value * 10n + BigInt(digit)
    if (longer > limit) break
    value = longer
    scale *= 10
  }
  return value === 0n ? 0n : BigInt(Math.trunc(Number(value) * (Number(unit) / scale)))
}

function durationError(message: string, text: string): FuncError {
  return new FuncError(`time: ${message} ${quoteTime(text)}`)
}

/** Duration.Truncate. */
export function truncateDuration(duration: bigint, multiple: bigint): bigint {
  return multiple <= 0n ? duration : duration - (duration % multiple)
}

/** Duration.Round: halves away from zero, and the ends of the range instead of an overflow. */
export function roundDuration(duration: bigint, multiple: bigint): bigint {
  if (multiple <= 0n) return duration
  const rest = duration % multiple
  const isDown = (rest < 0n ? -rest : rest) * 2n < multiple
  if (isDown) return duration - rest
  const rounded = duration < 0n ? duration - rest - multiple : duration - rest + multiple
  return clampInt64(rounded)
}

export function clampInt64(value: bigint): bigint {
  return value < minInt64 ? minInt64 : value > maxInt64 ? maxInt64 : value
}

/** Duration.Hours, Minutes, Seconds: whole units, and the rest as a fraction of one. */
export function durationIn(unit: bigint, duration: bigint): number {
  return Number(duration / unit) + Number(duration % unit) / Number(unit)
}
