/** Floating-point numbers as text, digit for digit as Go's strconv.FormatFloat writes them. */

import { halfEven } from './strconv.ts'

export type FloatVerb = 'b' | 'e' | 'E' | 'f' | 'g' | 'G' | 'x' | 'X'

/** 0.digits × 10^point, without trailing zeros; zero has no digits. */
interface Decimal {
  readonly digits: string
  readonly point: number
}

/** mantissa × 2^exponent, as the bits of the number have it. */
interface Binary {
  readonly mantissa: bigint
  readonly exponent: number
}

/**
 * A float64 as text: `b` binary exponent, `e` and `E` decimal exponent, `f` none, `g` and `G` whichever is shorter, `x` and `X` hexadecimal.
 * The precision counts digits after the point (all digits for `g`); -1 takes as many as tell the number from its neighbours.
 * Source: Go strconv.FormatFloat.
 */
export function formatFloat(value: number, verb: FloatVerb, precision = -1): string {
  if (verb === 'g' && precision < 0 && isWrittenAlike(value)) return String(value)
  if (Number.isNaN(value)) return 'NaN'
  const isNegative = value < 0 || Object.is(value, -0)
  const magnitude = Math.abs(value)
  if (magnitude === Number.POSITIVE_INFINITY) return isNegative ? '-Inf' : '+Inf'
  return (isNegative ? '-' : '') + magnitudeText(magnitude, verb, precision)
}

/** Between the exponents where Go and JavaScript both write digits alone. */
function isWrittenAlike(value: number): boolean {
  const magnitude = Math.abs(value)
  return (magnitude >= 1e-4 && magnitude < 1e6) || Object.is(value, 0)
}

function magnitudeText(magnitude: number, verb: FloatVerb, precision: number): string {
  switch (verb) {
    case 'b':
      return binaryText(binaryOf(magnitude))
    case 'x':
      return hexText(binaryOf(magnitude), precision)
    case 'X':
      return hexText(binaryOf(magnitude), precision).toUpperCase()
  }
  if (precision < 0) return shortestText(shortest(magnitude), verb)
  const exact = exactDecimal(magnitude)
  switch (verb) {
    case 'f':
      return pointText(round(exact, exact.point + precision), precision)
    case 'e':
    case 'E':
      return exponentText(round(exact, precision + 1), precision, verb)
    default:
      return generalText(round(exact, precision || 1), precision || 1, verb)
  }
}

function shortestText(decimal: Decimal, verb: 'e' | 'E' | 'f' | 'g' | 'G'): string {
  const length = decimal.digits.length
  switch (verb) {
    case 'f':
      return pointText(decimal, Math.max(length - decimal.point, 0))
    case 'e':
    case 'E':
      return exponentText(decimal, Math.max(length - 1, 0), verb)
    default:
      return generalText(decimal, length, verb, 6)
  }
}

/** `%g`: an exponent for very small numbers, and for those with more digits before the point than the threshold (by default the precision). */
function generalText(decimal: Decimal, precision: number, verb: 'g' | 'G', threshold?: number): string {
  const { length } = decimal.digits
  const limit = threshold ?? (precision > length && length >= decimal.point ? length : precision)
  const exponent = decimal.point - 1
  if (exponent < -4 || exponent >= limit) {
    return exponentText(decimal, Math.min(precision, length) - 1, verb === 'g' ? 'e' : 'E')
  }
  return pointText(decimal, Math.max((precision > decimal.point ? length : precision) - decimal.point, 0))
}

function exponentText({ digits, point }: Decimal, precision: number, letter: 'e' | 'E'): string {
  const fraction = precision > 0 ? `.${digits.slice(1, precision + 1).padEnd(precision, '0')}` : ''
  return `${digits[0] ?? '0'}${fraction}${letter}${signedExponent(digits === '' ? 0 : point - 1)}`
}

function pointText({ digits, point }: Decimal, precision: number): string {
  const integer = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0'
  if (precision <= 0) return integer
  const fraction = point >= 0 ? digits.slice(point) : '0'.repeat(Math.min(-point, precision)) + digits
  return `${integer}.${fraction.slice(0, precision).padEnd(precision, '0')}`
}

/** A sign and at least two digits. */
function signedExponent(exponent: number): string {
  return `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
}

function binaryText({ mantissa, exponent }: Binary): string {
  return `${mantissa}p${exponent < 0 ? '' : '+'}${exponent}`
}

/** `0x1.8p+01`: one binary digit, then groups of four. */
function hexText({ mantissa, exponent }: Binary, precision: number): string {
  const length = mantissa.toString(2).length
  // The leading digit goes to bit 60, so that 15 hexadecimal digits follow.
  let scaled = mantissa << BigInt(61 - length)
  let power = mantissa === 0n ? 0 : exponent + length - 1
  if (precision >= 0 && precision < 15) {
    const dropped = BigInt(60 - 4 * precision)
    scaled = halfEven(scaled, dropped) << dropped
  }
  if (scaled >> 61n !== 0n) {
    scaled >>= 1n
    power++
  }
  const digits = scaled.toString(16).padStart(16, '0')
  const fraction = precision < 0 ? digits.slice(1).replace(/0+$/, '') : digits.slice(1, precision + 1).padEnd(precision, '0')
  return `0x${digits[0]}${fraction && `.${fraction}`}p${signedExponent(power)}`
}

/** JavaScript finds the same digits as Go: the fewest, and of these the nearest. */
function shortest(magnitude: number): Decimal {
  const [mantissa = '', exponent = ''] = magnitude.toExponential().split('e')
  const digits = mantissa === '0' ? '' : mantissa.replace('.', '')
  return { digits, point: digits === '' ? 0 : Number(exponent) + 1 }
}

/** All digits of a number: a float64 is a decimal fraction of at most some 770 digits. */
function exactDecimal(magnitude: number): Decimal {
  const { mantissa, exponent } = binaryOf(magnitude)
  if (mantissa === 0n) return { digits: '', point: 0 }
  // m / 2^k is m × 5^k / 10^k.
  const places = Math.max(-exponent, 0)
  const all = String(exponent >= 0 ? mantissa << BigInt(exponent) : mantissa * 5n ** BigInt(places))
  return { digits: all.replace(/0+$/, ''), point: all.length - places }
}

/** To that many digits; of two equally near numbers the one whose last digit is even. A negative count is for `f` of tiny numbers. */
function round({ digits, point }: Decimal, count: number): Decimal {
  if (count < 0 || count >= digits.length) return { digits, point }
  const kept = digits.slice(0, count)
  if (!roundsUp(digits, count)) {
    const trimmed = kept.replace(/0+$/, '')
    return { digits: trimmed, point: trimmed === '' ? 0 : point }
  }
  const stem = kept.replace(/9+$/, '')
  if (stem === '') return { digits: '1', point: point + 1 }
  return { digits: stem.slice(0, -1) + String(Number(stem.at(-1)) + 1), point }
}

function roundsUp(digits: string, count: number): boolean {
  const next = digits.charCodeAt(count) - 0x30
  if (next !== 5 || count + 1 < digits.length) return next >= 5
  return count > 0 && digits.charCodeAt(count - 1) % 2 === 1
}

const view = new DataView(new ArrayBuffer(8))

function binaryOf(magnitude: number): Binary {
  view.setFloat64(0, magnitude)
  const bits = view.getBigUint64(0)
  const exponent = Number(bits >> 52n)
  const fraction = bits & 0xfffffffffffffn
  return exponent === 0 ? { mantissa: fraction, exponent: -1074 } : { mantissa: fraction | (1n << 52n), exponent: exponent - 1075 }
}
