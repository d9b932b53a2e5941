import { describe, expect, it } from 'vitest'
import { type FloatVerb, formatFloat } from '../../../src/lib/gotemplate/format-float.ts'

type Case = readonly [value: number, verb: FloatVerb, precision: number, expected: string]

/** Made by Go 1.26. */
describe('formatFloat', () => {
  it.each<Case>([
    [1, 'g', -1, '1'],
    [100_000, 'g', -1, '100000'],
    [999_999.9, 'g', -1, '999999.9'],
    [1e6, 'g', -1, '1e+06'],
    [-1e-4, 'g', -1, '-0.0001'],
    [9e-5, 'g', -1, '9e-05'],
    [0, 'g', -1, '0'],
    [-0, 'g', -1, '-0'],
    [5e-324, 'g', -1, '5e-324'],
    [Number.MAX_VALUE, 'g', -1, '1.7976931348623157e+308'],
    [Number.MAX_VALUE, 'f', -1, `17976931348623157${'0'.repeat(292)}`],
    [2.2250738585072014e-308, 'e', -1, '2.2250738585072014e-308'],
    [2 ** -44, 'g', -1, '5.684341886080802e-14'],
    [2 ** 53, 'f', -1, '9007199254740992'],
    [123.456, 'G', -1, '123.456'],
    [1e-10, 'G', -1, '1E-10'],
  ])('writes as few digits of %d as tell it from others under %s %d: %s', (value, verb, precision, expected) => {
    expect(formatFloat(value, verb, precision)).toBe(expected)
  })

  it.each<Case>([
    [2.5, 'f', 0, '2'],
    [3.5, 'f', 0, '4'],
    [0.5, 'f', 0, '0'],
    [0.05, 'f', 1, '0.1'],
    [0.15, 'f', 1, '0.1'],
    [1.005, 'f', 2, '1.00'],
    [9.995, 'f', 2, '9.99'],
    [99.99, 'f', 1, '100.0'],
    [1e-10, 'f', 3, '0.000'],
    [1e23, 'f', 2, '99999999999999991611392.00'],
    [0.1, 'f', 55, '0.1000000000000000055511151231257827021181583404541015625'],
    [5e-324, 'e', 20, '4.94065645841246544177e-324'],
    [2.5, 'e', 0, '2e+00'],
    [9.5, 'e', 0, '1e+01'],
    [0, 'e', 3, '0.000e+00'],
    [1e100, 'E', 2, '1.00E+100'],
    [1234.5678, 'g', 3, '1.23e+03'],
    [1234.5678, 'g', 0, '1e+03'],
    [100, 'g', 3, '100'],
    [100, 'g', 2, '1e+02'],
    [1e21, 'g', 25, '1000000000000000000000'],
    [1e-5, 'G', 5, '1E-05'],
  ])('rounds the exact value of %d to the nearest, then to the even digit, under %s %d: %s', (value, verb, precision, expected) => {
    expect(formatFloat(value, verb, precision)).toBe(expected)
  })

  it.each<Case>([
    [1, 'b', -1, '4503599627370496p-52'],
    [0, 'b', -1, '0p-1074'],
    [-0.1, 'x', -1, '-0x1.999999999999ap-04'],
    [0, 'x', -1, '0x0p+00'],
    [0, 'x', 3, '0x0.000p+00'],
    [1.9999, 'x', 1, '0x1.0p+01'],
    [1.9999, 'X', 0, '0X1P+01'],
    [5e-324, 'x', -1, '0x1p-1074'],
    [1.5, 'x', 17, '0x1.80000000000000000p+00'],
  ])('writes %d with a binary exponent under %s %d: %s', (value, verb, precision, expected) => {
    expect(formatFloat(value, verb, precision)).toBe(expected)
  })

  it('names what is no number', () => {
    const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    expect(special.map((value) => formatFloat(value, 'f', 2))).toEqual(['NaN', '+Inf', '-Inf'])
  })
})
