/** Powers of ten, to the last bit as Go has them. */

/** Source: Go math.Pow, whose rounding is not that of `**`. */
export function power10(exponent: number): number {
  if (exponent === 0) return 1
  let mantissa = 1
  let binaryExponent = 0
  let base = 10 / 16
  let baseExponent = 4
  for (let left = Math.abs(exponent); left > 0; left = Math.floor(left / 2)) {
    // Far out of range, where the loop would square on: the result is decided.
    if (Math.abs(baseExponent) > 4096) {
      binaryExponent += baseExponent
      break
    }
    if (left % 2 === 1) {
      mantissa *= base
      binaryExponent += baseExponent
    }
    base *= base
    baseExponent *= 2
    if (base < 0.5) {
      base += base
      baseExponent--
    }
  }
  return exponent < 0 ? scaled(1 / mantissa, -binaryExponent) : scaled(mantissa, binaryExponent)
}

/** `mantissa` times 2 to the power of `exponent`, in steps that do not overflow on the way. Source: Go math.Ldexp. */
function scaled(mantissa: number, exponent: number): number {
  if (exponent > 2000) return Number.POSITIVE_INFINITY
  if (exponent < -2000) return 0
  const half = Math.trunc(exponent / 2)
  return mantissa * 2 ** half * 2 ** (exponent - half)
}
