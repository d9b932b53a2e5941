/** Decimal arithmetic on floats. Source: shopspring/decimal, which sprig's addf, subf, mulf and divf use. */

import { sprint } from '../format.ts'
import { FuncError } from '../func.ts'

/** `digits` times 10 to the power of `exponent`. */
interface Decimal {
  readonly digits: bigint
  readonly exponent: number
}

export type Operation = (a: Decimal, b: Decimal) => Decimal

/** Digits after the point that a division gives. */
const divisionPrecision = 16

/** Applies an operation to the first number and each of the rest in turn. @throws FuncError for NaN and infinity. */
export function withDecimals(first: number, rest: readonly number[], operation: Operation): number {
  const { digits, exponent } = rest.map(decimalOf).reduce(operation, decimalOf(first))
  return Number(`${digits}e${exponent}`)
}

function decimalOf(value: number): Decimal {
  if (!Number.isFinite(value)) throw new FuncError(`Cannot create a Decimal from ${sprint([value])}`)
  const [, sign = '', integer = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? []
  return { digits: BigInt(`${sign}${integer}${fraction}`), exponent: Number(exponent) - fraction.length }
}

export function add(a: Decimal, b: Decimal): Decimal {
  const exponent = Math.min(a.exponent, b.exponent)
  return { digits: scaledTo(a, exponent) + scaledTo(b, exponent), exponent }
}

export function subtract(a: Decimal, b: Decimal): Decimal {
  return add(a, { ...b, digits: -b.digits })
}

export function multiply(a: Decimal, b: Decimal): Decimal {
  return { digits: a.digits * b.digits, exponent: a.exponent + b.exponent }
}

/** Rounds half away from zero. */
export function divide(a: Decimal, b: Decimal): Decimal {
  if (b.digits === 0n) throw new FuncError('decimal division by 0')
  const shift = a.exponent - b.exponent + divisionPrecision
  const dividend = a.digits * 10n ** BigInt(Math.max(shift, 0))
  const divisor = b.digits * 10n ** BigInt(Math.max(-shift, 0))
  const quotient = dividend / divisor
  const remainder = dividend % divisor
  const away = dividend < 0n === divisor < 0n ? 1n : -1n
  const isHalf = 2n * magnitude(remainder) >= magnitude(divisor)
  return { digits: isHalf ? quotient + away : quotient, exponent: -divisionPrecision }
}

function scaledTo({ digits, exponent }: Decimal, target: number): bigint {
  return digits * 10n ** BigInt(exponent - target)
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value
}
