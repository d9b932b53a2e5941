import { describe, expect, it } from 'vitest'
import { isPrint } from '../../../src/lib/gotemplate/printable.ts'
import * as strconv from '../../../src/lib/gotemplate/strconv.ts'

/** Expected values and messages made by Go 1.26. */
describe('parseInt', () => {
  it.each<[string, number, number, bigint]>([
    ['0', 10, 64, 0n],
    ['-42', 10, 64, -42n],
    ['+7', 10, 64, 7n],
    ['007', 10, 64, 7n],
    ['9223372036854775807', 10, 64, 9223372036854775807n],
    ['-9223372036854775808', 10, 64, -9223372036854775808n],
    ['127', 10, 8, 127n],
    ['-128', 10, 8, -128n],
    ['ff', 16, 64, 255n],
    ['Zz', 36, 64, 1295n],
    ['0x1F', 0, 64, 31n],
    ['-0X1f', 0, 64, -31n],
    ['0o17', 0, 64, 15n],
    ['017', 0, 64, 15n],
    ['0b101', 0, 64, 5n],
    ['1_000', 0, 64, 1000n],
    ['0x_ff', 0, 64, 255n],
    ['0_7', 0, 64, 7n],
  ])('reads %j in base %d and %d bits', (text, base, bits, expected) => expect(strconv.parseInt(text, base, bits)).toBe(expected))

  it.each<[string, number, string]>([
    ['', 10, 'strconv.ParseInt: parsing "": invalid syntax'],
    ['-', 10, 'strconv.ParseInt: parsing "-": invalid syntax'],
    ['+-1', 10, 'strconv.ParseInt: parsing "+-1": invalid syntax'],
    ['1.5', 10, 'strconv.ParseInt: parsing "1.5": invalid syntax'],
    ['1_000', 10, 'strconv.ParseInt: parsing "1_000": invalid syntax'],
    ['0x1F', 10, 'strconv.ParseInt: parsing "0x1F": invalid syntax'],
    ['08', 0, 'strconv.ParseInt: parsing "08": invalid syntax'],
    ['0x', 0, 'strconv.ParseInt: parsing "0x": invalid syntax'],
    ['1__0', 0, 'strconv.ParseInt: parsing "1__0": invalid syntax'],
    ['1_', 0, 'strconv.ParseInt: parsing "1_": invalid syntax'],
    ['_1', 0, 'strconv.ParseInt: parsing "_1": invalid syntax'],
    ['2', 2, 'strconv.ParseInt: parsing "2": invalid syntax'],
    [' 1', 10, 'strconv.ParseInt: parsing " 1": invalid syntax'],
    ['1"', 10, 'strconv.ParseInt: parsing "1\\"": invalid syntax'],
    ['١', 10, 'strconv.ParseInt: parsing "١": invalid syntax'],
    ['9223372036854775808', 10, 'strconv.ParseInt: parsing "9223372036854775808": value out of range'],
    ['-9223372036854775809', 10, 'strconv.ParseInt: parsing "-9223372036854775809": value out of range'],
    ['99999999999999999999x', 10, 'strconv.ParseInt: parsing "99999999999999999999x": value out of range'],
  ])('refuses %j in base %d', (text, base, message) => expect(() => strconv.parseInt(text, base)).toThrow(message))

  it('tells what is too large from what is no number', () => {
    expect(errorOf(() => strconv.parseInt('128', 10, 8))).toMatchObject({ isRange: true })
    expect(errorOf(() => strconv.parseInt('x', 10, 8))).toMatchObject({ isRange: false })
  })
})

describe('parseUint, atoi and parseBool', () => {
  it('read what Go reads', () => {
    expect(strconv.parseUint('18446744073709551615')).toBe(18446744073709551615n)
    expect(strconv.parseUint('0xff', 0, 8)).toBe(255n)
    expect(strconv.atoi('-12')).toBe(-12n)
    expect(['1', 't', 'T', 'true', 'TRUE', 'True'].map(strconv.parseBool)).not.toContain(false)
    expect(['0', 'f', 'F', 'false', 'FALSE', 'False'].map(strconv.parseBool)).not.toContain(true)
  })

  it.each<[() => unknown, string]>([
    [() => strconv.parseUint('-1'), 'strconv.ParseUint: parsing "-1": invalid syntax'],
    [() => strconv.parseUint('18446744073709551616'), 'strconv.ParseUint: parsing "18446744073709551616": value out of range'],
    [() => strconv.atoi('x'), 'strconv.Atoi: parsing "x": invalid syntax'],
    [() => strconv.atoi('9999999999999999999'), 'strconv.Atoi: parsing "9999999999999999999": value out of range'],
    [() => strconv.parseBool('yes'), 'strconv.ParseBool: parsing "yes": invalid syntax'],
    [() => strconv.parseBool('tRUE'), 'strconv.ParseBool: parsing "tRUE": invalid syntax'],
  ])('say who refused what: %s', (parse, message) => expect(parse).toThrow(message))
})

describe('parseFloat', () => {
  it.each<[string, number]>([
    ['0', 0],
    ['-0', -0],
    ['.5', 0.5],
    ['5.', 5],
    ['+1.5e3', 1500],
    ['1E-2', 0.01],
    ['1e-400', 0],
    ['1_000.5', 1000.5],
    ['1_0e1_0', 1e11],
    ['179769313486231580793728971405301e276', Number.MAX_VALUE],
    ['inf', Number.POSITIVE_INFINITY],
    ['-Inf', Number.NEGATIVE_INFINITY],
    ['+INFINITY', Number.POSITIVE_INFINITY],
    ['NaN', Number.NaN],
    ['0x1p-2', 0.25],
    ['-0X1.8P+3', -12],
    ['0x.8p1', 1],
    ['0x_1.8p0', 1.5],
    ['0x1p-1074', 5e-324],
    ['0x1p-1075', 0],
    ['0x1.8p-1075', 5e-324],
    ['0x1.00000000000008p0', 1],
    ['0x1.00000000000018p0', 1 + 2 ** -51],
  ])('reads %j', (text, expected) => expect(strconv.parseFloat(text)).toBe(expected))

  it.each(['', '.', 'e5', '1e', '1e+', '0x1', '0x', '0x1.8', '+nan', 'infi', '1__0', '_1', '1_', '1_.5', '1.5 ', '0b1', '1,5'])(
    'refuses %j',
    (text) => expect(() => strconv.parseFloat(text)).toThrow(`strconv.ParseFloat: parsing "${text}": invalid syntax`),
  )

  it.each(['1e400', '-1e400', '1.7976931348623159e308', '0x1p1024', '0x1.fffffffffffff8p1023'])('finds %j too large', (text) =>
    expect(() => strconv.parseFloat(text)).toThrow(`strconv.ParseFloat: parsing "${text}": value out of range`),
  )

  it('reads hostile numbers in no time', () => {
    const started = performance.now()
    strconv.parseFloat('9'.repeat(300))
    for (const text of [`${'1_'.repeat(50_000)}x`, `${'_'.repeat(100_000)}x`, '0'.repeat(100_000)])
      errorOf(() => strconv.parseFloat(text))
    errorOf(() => strconv.parseFloat(`0x${'f'.repeat(100_000)}p-999999999`))
    errorOf(() => strconv.parseInt('9'.repeat(100_000)))
    expect(performance.now() - started).toBeLessThan(1000)
  })
})

describe('quote', () => {
  it.each([
    ['', '""'],
    ['plain', '"plain"'],
    ['a"b\\', '"a\\"b\\\\"'],
    ['\x07\b\f\n\r\t\v', '"\\a\\b\\f\\n\\r\\t\\v"'],
    ['\0\x1f\x7f\x80', '"\\x00\\x1f\\x7f\\u0080"'],
    ['é日本😀', '"é日本😀"'],
    ['\u00a0\u00ad\u200b\ufeff\u2028', '"\\u00a0\\u00ad\\u200b\\ufeff\\u2028"'],
    ['\ufffd', '"\ufffd"'],
    ['\u{e0001}', '"\\U000e0001"'],
    ['a\udcffb', '"a\\xffb"'],
  ])('writes %j as %s', (text, expected) => expect(strconv.quote(text)).toBe(expected))

  it('escapes everything but ASCII on demand', () => {
    expect(strconv.quoteToAscii('é😀"\x7f')).toBe('"\\u00e9\\U0001f600\\"\\x7f"')
    expect(strconv.quoteRune("'")).toBe("'\\''")
    expect(strconv.quoteRune('é', { ascii: true })).toBe("'\\u00e9'")
  })
})

describe('unquote', () => {
  it.each([
    ['""', ''],
    ['"a b"', 'a b'],
    ["'x'", 'x'],
    ["'\\n'", '\n'],
    ["''", ''],
    ["'\\''", "'"],
    ['"\'"', "'"],
    ['`a\\n"b`', 'a\\n"b'],
    ['`a\r\nb`', 'a\nb'],
    ['"\\a\\b\\f\\n\\r\\t\\v\\\\\\""', '\x07\b\f\n\r\t\v\\"'],
    ['"\\x41\\101\\u00e9\\U0001F600"', 'AAé😀'],
    ['"\\xff"', '\udcff'],
    ['"\\xc3\\xa9"', 'é'],
  ])('reads %s', (literal, expected) => expect(strconv.unquote(literal)).toBe(expected))

  it.each([
    '',
    '"',
    'a',
    '"a',
    'a"',
    '"a"b"',
    "'ab'",
    '"\\\'"',
    "'\\\"'",
    '"\\q"',
    '"\\x4"',
    '"\\400"',
    '"\\ud800"',
    '"\\U00110000"',
    '"a\nb"',
    '`a`b`',
    '"a\'',
  ])('refuses %j', (literal) => expect(() => strconv.unquote(literal)).toThrow('invalid syntax'))
})

describe('isPrint', () => {
  it('goes by Unicode 15, as Go does', () => {
    const printable = ['a', ' ', '~', '¡', 'é', '日', '😀', '\ufffd', '\u0301', '\u{1fae8}']
    const escaped = [
      '\n',
      '\x7f',
      '\u00a0',
      '\u00ad',
      '\u2028',
      '\ue000',
      '\u0378',
      '\u{1fae9}',
      '\u{1cc00}',
      '\u{10ffff}',
      '\udcff',
    ]
    expect(printable.filter((character) => !isPrint(character))).toEqual([])
    expect(escaped.filter(isPrint)).toEqual([])
  })
})

function errorOf(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return error
  }
}
