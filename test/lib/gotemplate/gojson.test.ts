import { describe, expect, it } from 'vitest'
import { JsonError, jsonToValue, marshalJson, parseGoJson, valueToJson } from '../../../src/lib/gotemplate/gojson.ts'
import {
  anySlice,
  Bytes,
  Complex,
  type GoType,
  Int,
  int,
  int64,
  mapOf,
  Slice,
  Struct,
  strings,
  TypedMap,
  types,
  type Value,
} from '../../../src/lib/gotemplate/value.ts'

const stamp: GoType = { name: 'Stamp', kind: 'struct', marshalJson: () => '"<now>"' }
const record: GoType = {
  name: 'Record',
  kind: 'struct',
  fields: [
    { name: 'Name', type: types.string, json: 'name' },
    { name: 'Count', type: types.int, json: 'count', omitEmpty: true },
    { name: 'Secret', type: types.string, json: '-' },
    { name: 'Plain', type: types.bool },
  ],
}
const pointer: GoType = { name: '*Record', kind: 'ptr', elem: record }
const fields = new Map<string, Value>([
  ['Name', 'n'],
  ['Count', int(0)],
  ['Secret', 's'],
  ['Plain', true],
])

describe('marshalJson', () => {
  it.each<[Value, string]>([
    [null, 'null'],
    [1, '1'],
    [1.5, '1.5'],
    [-0, '-0'],
    [1e20, '100000000000000000000'],
    [1e21, '1e+21'],
    [1e-6, '0.000001'],
    [1e-7, '1e-7'],
    [int64(9007199254740993n), '9007199254740993'],
    [new Int(types.uint64, 2n ** 64n - 1n), '18446744073709551615'],
    ['<a>&"\\\u2028\u2029', '"\\u003ca\\u003e\\u0026\\"\\\\\\u2028\\u2029"'],
    ['\b\f\n\r\t\u0001\u007f', '"\\b\\f\\n\\r\\t\\u0001\u007f"'],
    ['a\udcffb\ufffd', '"a\\ufffdb\ufffd"'],
    [new Bytes(new Uint8Array([104, 105])), '"aGk="'],
    [[], '[]'],
    [new Slice(anySlice, [], true), 'null'],
    [strings(['a']), '["a"]'],
    [new TypedMap(mapOf(types.string), [], true), 'null'],
    [
      new Map<string, Value>([
        ['b', 1],
        ['é', 2],
        ['a', [null, true]],
        ['__proto__', 3],
      ]),
      '{"__proto__":3,"a":[null,true],"b":1,"é":2}',
    ],
    [new Struct(record, fields), '{"name":"n","Plain":true}'],
    [new Struct(pointer, fields), '{"name":"n","Plain":true}'],
    [new Struct(pointer, undefined), 'null'],
    [new Struct(stamp, new Map()), '"\\u003cnow\\u003e"'],
  ])('prints a value as %#', (value, expected) => expect(marshalJson(value)).toBe(expected))

  it('leaves HTML alone when asked to', () => expect(marshalJson('<&>\u2028', { escapeHtml: false })).toBe('"<&>\\u2028"'))

  it('indents, but not what is empty', () => {
    const value = new Map<string, Value>([
      ['a', []],
      ['b', [1, new Map()]],
    ])
    expect(marshalJson(value, { indent: '  ' })).toBe('{\n  "a": [],\n  "b": [\n    1,\n    {}\n  ]\n}')
  })

  it.each<[Value, string]>([
    [Number.NaN, 'json: unsupported value: NaN'],
    [[Number.POSITIVE_INFINITY], 'json: unsupported value: +Inf'],
    [Number.NEGATIVE_INFINITY, 'json: unsupported value: -Inf'],
    [new Complex(1, 1), 'json: unsupported type: complex128'],
  ])('refuses what no JSON is for (%#)', (value, message) => expect(() => marshalJson(value)).toThrow(message))
})

describe('parseGoJson', () => {
  it.each<[string, Value]>([
    [' null ', null],
    ['-0.5e3', -500],
    ['[1, {}, [], true, false]', [1, new Map(), [], true, false]],
    [
      '{"a":1,"b":2,"a":3}',
      new Map([
        ['a', 3],
        ['b', 2],
      ]),
    ],
    ['{"__proto__":{"x":1}}', new Map([['__proto__', new Map([['x', 1]])]])],
    ['"\\ud83d\\ude00 \\ud83d\\/"', '\u{1f600} \ufffd/'],
    ['"a\udcffb"', 'a\ufffdb'],
    ['"\\ud83d\udc80"', '\ufffd\ufffd'],
  ])('reads %s', (text, expected) => expect(parseGoJson(text)).toEqual(expected))

  it.each([
    ['', 'unexpected end of JSON input'],
    ['{', 'unexpected end of JSON input'],
    ['"a', 'unexpected end of JSON input'],
    ['{"a"', 'unexpected end of JSON input'],
    ['tru', "invalid character ' ' in literal true (expecting 'e')"],
    ['nil', "invalid character 'i' in literal null (expecting 'u')"],
    ['x', "invalid character 'x' looking for beginning of value"],
    ["'a'", "invalid character '\\'' looking for beginning of value"],
    ['é', "invalid character 'Ã' looking for beginning of value"],
    ['[1,]', "invalid character ']' looking for beginning of value"],
    ['[1 2]', "invalid character '2' after array element"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b"}', `invalid character '"' after object key:value pair`],
    ['1 2', "invalid character '2' after top-level value"],
    ['01', "invalid character '1' after top-level value"],
    ['-', "invalid character ' ' in numeric literal"],
    ['1.', "invalid character ' ' after decimal point in numeric literal"],
    ['1e+', "invalid character ' ' in exponent of numeric literal"],
    ['"\n"', "invalid character '\\n' in string literal"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
  ])('refuses %j', (text, message) => expect(() => parseGoJson(text)).toThrow(new JsonError(message)))

  it('keeps what it could read beside numbers that are too large', () => {
    const read = () => parseGoJson('{"a":1e999,"b":[2,-1e999]}')
    expect(read).toThrow('json: cannot unmarshal number 1e999 into Go value of type float64')
    expect(read).toThrow(
      expect.objectContaining({
        partial: new Map<string, Value>([
          ['a', null],
          ['b', [2, null]],
        ]),
      }),
    )
  })

  it('reads texts as deep as Go does, and no deeper', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
    expect(parseGoJson(nested(10_000))).toBeInstanceOf(Array)
    expect(() => parseGoJson(nested(10_001))).toThrow("invalid character '[' exceeded max depth")
    expect(() => parseGoJson('{"a":'.repeat(1_000_000))).toThrow("invalid character '{' exceeded max depth")
  })
})

describe('valueToJson and jsonToValue', () => {
  it('keeps integers exact one way, and makes floats of them the other', () => {
    expect(
      valueToJson(
        new Map<string, Value>([
          ['a', int(1)],
          ['b', int64(2n ** 60n)],
        ]),
      ),
    ).toEqual({ a: 1, b: 2n ** 60n })
    expect(jsonToValue({ a: 1, b: 2n ** 60n, c: [null, 'x'] })).toEqual(
      new Map<string, Value>([
        ['a', 1],
        ['b', 2 ** 60],
        ['c', [null, 'x']],
      ]),
    )
  })
  it('takes values as their JSON would be', () => {
    expect(
      valueToJson([new Struct(record, fields), new Struct(stamp, new Map()), new Bytes(new Uint8Array([1])), strings(['a'])]),
    ).toEqual([{ name: 'n', Plain: true }, '<now>', 'AQ==', ['a']])
    expect(() => valueToJson(Number.NaN)).toThrow('json: unsupported value: NaN')
  })
})
