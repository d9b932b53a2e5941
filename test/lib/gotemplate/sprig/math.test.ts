import { describe, expect, it } from 'vitest'
import { evaluate } from './evaluate.ts'

// The expected texts are those of sprig 3.3.0 in Go.
describe('numbers', () => {
  it.each([
    ['int "0x1F"', '31'],
    ['int "010"', '8'],
    ['int "08"', '0'],
    ['int "1_000"', '1000'],
    ['int "1.00"', '1'],
    ['int "1.50"', '0'],
    ['int 2.9', '2'],
    ['int64 -2.9', '-2'],
    ['int64 1e30', '-9223372036854775808'],
    ['int true', '1'],
    ['int nil', '0'],
    ['int (list)', '0'],
    ['int "9223372036854775808"', '0'],
    ['float64 "0x1p-2"', '0.25'],
    ['float64 "1e400"', '0'],
    ['float64 "-inf"', '-Inf'],
    ['float64 true', '1'],
    ['float64 "x"', '0'],
    ['atoi "12x"', '0'],
    ['atoi "99999999999999999999"', '9223372036854775807'],
    ['toDecimal "0777"', '511'],
    ['toDecimal 7.5', '0'],
    ['printf "%T %T %T" (int 1) (int64 1) (add 1)', 'int int64 int64'],
  ])('casts: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['add', '0'],
    ['add 1 "2" 2.7', '5'],
    ['add 9223372036854775807 1', '-9223372036854775808'],
    ['add1 "41"', '42'],
    ['sub 1 2', '-1'],
    ['mul 9223372036854775807 2', '-2'],
    ['div -7 2', '-3'],
    ['mod -7 2', '-1'],
    ['div 1 0', 'error: runtime error: integer divide by zero'],
    ['mod 1 0', 'error: runtime error: integer divide by zero'],
    ['max 1 2.9 "3"', '3'],
    ['min 1 "x" 2', '0'],
    ['biggest 1 2', '2'],
  ])('adds and divides int64: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['addf 0.1 0.2', '0.3'],
    ['addf', '0'],
    ['add1f 0.1', '1.1'],
    ['subf 1 0.9 0.05', '0.05'],
    ['mulf 1.1 1.1', '1.21'],
    ['mulf 1e300 1e300', '+Inf'],
    ['divf 10 3', '3.3333333333333335'],
    ['divf -2 3', '-0.6666666666666667'],
    ['divf 1e-10 3e10', '0'],
    ['divf 1 0', 'error: decimal division by 0'],
    ['addf "nan" 1', 'error: Cannot create a Decimal from NaN'],
    ['addf "inf" 1', 'error: Cannot create a Decimal from +Inf'],
    ['maxf 1 2.5', '2.5'],
    ['maxf "nan" "inf"', '+Inf'],
    ['minf "nan" "-inf"', '-Inf'],
    ['minf 1.5 "1"', '1'],
  ])('adds and divides decimals: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['round 2.5 0', '3'],
    ['round -2.5 0', '-3'],
    ['round -3.75 1', '-3.8'],
    ['round 1.005 2', '1'],
    ['round 123.456 -1', '120'],
    ['round 3.14159 2 0.9', '3.14'],
    ['round 1e300 10', '+Inf'],
    ['round 1 400', 'NaN'],
    ['round 5 -400', 'NaN'],
    ['round 0.1234567890123456789 25', '0.12345678901234568'],
    ['ceil 1.1', '2'],
    ['floor -1.1', '-2'],
    ['floor "x"', '0'],
  ])('rounds: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['until 3', '[0 1 2]'],
    ['until -3', '[0 -1 -2]'],
    ['until 0', '[]'],
    ['untilStep 3 9 3', '[3 6]'],
    ['untilStep 9 3 -4', '[9 5]'],
    ['untilStep 3 9 -1', '[]'],
    ['untilStep 3 3 1', '[]'],
    ['seq 3', '1 2 3'],
    ['seq -2', '1 0 -1 -2'],
    ['seq 0', '1 0'],
    ['seq 2 4', '2 3 4'],
    ['seq 0 2 9', '0 2 4 6 8'],
    ['seq 5 -2 0', '5 3 1'],
    ['seq 5 1 0', ''],
    ['seq 1 0 3', ''],
    ['seq 1 2 3 4', ''],
    ['seq', ''],
  ])('counts: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })
})
