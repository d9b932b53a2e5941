import { describe, expect, it } from 'vitest'
import { parseJson, printJson } from '../../src/lib/json.ts'

describe('integers', () => {
  it.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740993', 9007199254740993n],
    ['-12345678901234567890', -12345678901234567890n],
    ['[1, 12345678901234567890]', [1, 12345678901234567890n]],
    ['{"a":{"b":9223372036854775807}}', { a: { b: 9223372036854775807n } }],
    ['1.5e300', 1.5e300],
    ['"12345678901234567890"', '12345678901234567890'],
  ])('reads %s exactly', (text, value) => {
    expect(parseJson(text)).toEqual(value)
  })

  it('prints what it read', () => {
    const text = '{"a":12345678901234567890,"b":[-9007199254740993,1.5,null,"é"]}'
    expect(printJson(parseJson(text))).toBe(text)
  })
})

it('keeps keys that name the prototype as data', () => {
  const text = '{"__proto__":{"polluted":true},"big":12345678901234567890}'
  expect(Object.hasOwn(parseJson(text) as object, '__proto__')).toBe(true)
  expect(printJson(parseJson(text))).toBe(text)
})

it('refuses what is no JSON', () => {
  expect(() => parseJson('{')).toThrow(SyntaxError)
})
