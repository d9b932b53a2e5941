/** Numbers as Go prints them. */

const MAX_UINT64 = 2n ** 64n - 1n

/** A number as go-yaml prints it after a trip through JSON: `1e3` is 1000, 0.00001 is 1e-05. */
export function formatNumber(value: number | bigint): string {
  if (typeof value === 'bigint') return value.toString()
  if (Number.isInteger(value) && Math.abs(value) < 1e21) {
    const digits = String(value === 0 ? 0 : value)
    const exact = BigInt(digits)
    if (exact >= -(2n ** 63n) && exact <= MAX_UINT64) return digits
  }
  return formatFloat(value)
}

/** Go's strconv.FormatFloat(value, 'g', -1, 64). */
export function formatFloat(value: number): string {
  const [mantissa = '', exponentText = '0'] = value.toExponential().split('e')
  const exponent = Number(exponentText)
  if (exponent >= -4 && exponent < 6) return String(value)
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
}
