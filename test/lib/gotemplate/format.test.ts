import { describe, expect, it } from 'vitest'
import { Budget, LimitError } from '../../../src/lib/gotemplate/environment.ts'
import { printValue, sprint, sprintf, sprintln } from '../../../src/lib/gotemplate/format.ts'
import {
  Bytes,
  Complex,
  Int,
  type IntegerKind,
  int,
  int64,
  Slice,
  stringMap,
  stringSlice,
  strings,
  TypedMap,
  types,
  type Value,
} from '../../../src/lib/gotemplate/value.ts'
import {
  duration,
  goStringer,
  inner,
  named,
  nilPointer,
  pointerStringer,
  pointerToInner,
  pointerToPointerStringer,
  pointerToStringer,
  stringer,
} from './go-values.ts'

type Case = readonly [format: string, args: readonly Value[], expected: string]

function integer(kind: IntegerKind, value: bigint): Int {
  return new Int(types[kind], value)
}

function bytes(...items: number[]): Bytes {
  return new Bytes(Uint8Array.from(items))
}

function dict(entries: Record<string, Value>): Map<string, Value> {
  return new Map(Object.entries(entries))
}

/** Made by Go 1.26. */
const formats: Readonly<Record<string, readonly Case[]>> = {
  integers: [
    ['%d %v %s', [int(-7), int(0), int(3)], '-7 0 %!s(int=3)'],
    ['%b %o %O %x %X', [int(10), int(64), int(64), int(48879), int(48879)], '1010 100 0o100 beef BEEF'],
    ['%#b %#o %#O %#x %#X', [int(10), int(64), int(64), int(48879), int(48879)], '0b1010 0100 0o0100 0xbeef 0XBEEF'],
    ['%x %#x %b', [int(-255), int(-255), int(-5)], '-ff -0xff -101'],
    ['%+d % d %+d', [int(5), int(5), int(-5)], '+5  5 -5'],
    ['[%6d|%-6d|%06d|%+06d|%-06d]', [int(-42), int(-42), int(-42), int(42), int(42)], '[   -42|-42   |-00042|+00042|42    ]'],
    ['[%.4d|%8.4d|%-8.4d|%08.4d]', [int(42), int(42), int(42), int(-42)], '[0042|    0042|0042    |   -0042]'],
    ['[%.0d|%.d|%3.0d|%03.0d]', [int(0), int(0), int(0), int(0)], '[||   |   ]'],
    [
      '%d %d',
      [int64(-9223372036854775808n), integer('uint64', 18446744073709551615n)],
      '-9223372036854775808 18446744073709551615',
    ],
    [
      '%x %b',
      [int64(-9223372036854775808n), int64(-9223372036854775808n)],
      '-8000000000000000 -1000000000000000000000000000000000000000000000000000000000000000',
    ],
    ['%#v %#v %#v', [integer('uint8', 255n), integer('uintptr', 10n), integer('int8', -128n)], '0xff 0xa -128'],
    ['%T %T', [integer('uint16', 1n), integer('int32', 1n)], 'uint16 int32'],
    ['%c%c%c%c', [int(0x41), int(0x1f600), int(-1), int(0xd800)], 'A😀\ufffd\ufffd'],
    ['%q %q %q %+q %q', [int(65), int(10), int(39), int(0x1f600), int(0x110000)], "'A' '\\n' '\\'' '\\U0001f600' '\ufffd'"],
    [
      '%U %U %#U %#U %U',
      [int(65), int(0x1f600), int(0x1f600), int(10), int(-1)],
      "U+0041 U+1F600 U+1F600 '😀' U+000A U+FFFFFFFFFFFFFFFF",
    ],
    ['[%10U|%-10U|%.6U|%#12U]', [int(65), int(65), int(65), int(0xe9)], "[    U+0041|U+0041    |U+000041|  U+00E9 'é']"],
    ['[%5c|%-5c|%05c]', [int(0xe9), int(0xe9), int(0xe9)], '[    é|é    |0000é]'],
    ['%d %v %s %x', [duration, duration, duration, duration], '5400000000000 1h30m0s 1h30m0s 316833306d3073'],
    ['[%10v|%.3s]', [duration, duration], '[   1h30m0s|1h3]'],
  ],
  floats: [
    ['%v %v %v %v', [1e20, 1e21, 123456789, 0.00001], '1e+20 1e+21 1.23456789e+08 1e-05'],
    ['%e %E %.0e %#.0e', [123456.789, 0.000123, 5e9, 5e9], '1.234568e+05 1.230000E-04 5e+09 5.e+09'],
    ['%f %F %.1f %.0f %.0f %#.0f', [1.5, 1.5, 0.25, 0.5, 1.5, 3], '1.500000 1.500000 0.2 0 2 3.'],
    ['%g %G %.3g %.10g %#g %#.3g', [1e-7, 1e-7, 1234.5678, 0.1, 2, 100000], '1e-07 1E-07 1.23e+03 0.1 2.00000 1.00e+05'],
    ['%.20f', [0.1], '0.10000000000000000555'],
    ['%.3f %.3e', [1e22, 5e-324], '10000000000000000000000.000 4.941e-324'],
    ['%x %X %.2x %.0x %#x', [3.5, -0.1, 1.999, 1.5, 1], '0x1.cp+01 -0X1.999999999999AP-04 0x1.00p+01 0x1p+01 0x1.0000p+00'],
    ['%b', [1.5], '6755399441055744p-52'],
    [
      '[%8.2f|%-8.2f|%08.2f|%+08.2f|% 08.2f]',
      [3.14358, 3.14358, -3.14358, 3.14358, 3.14358],
      '[    3.14|3.14    |-0003.14|+0003.14| 0003.14]',
    ],
    [
      '%v %v %+v % v [%6v] [%-6v] [%06v]',
      [
        Number.POSITIVE_INFINITY,
        -Number.POSITIVE_INFINITY,
        Number.POSITIVE_INFINITY,
        Number.POSITIVE_INFINITY,
        Number.NaN,
        Number.NaN,
        Number.NaN,
      ],
      '+Inf -Inf +Inf  Inf [   NaN] [NaN   ] [   NaN]',
    ],
    ['%+f % f %+v', [Number.NaN, Number.NaN, -Number.POSITIVE_INFINITY], '+NaN  NaN -Inf'],
    ['%v %f %+.1e', [-0, -0, -0], '-0 -0.000000 -0.0e+00'],
    ['%d %s', [1.5, 2], '%!d(float64=1.5) %!s(float64=2)'],
    ['%6.3v|%.2v', [3.14358, 1234.5], '  3.14|1.2e+03'],
    ['%#v %#v', [1, 1e6], '1 1e+06'],
    [
      '%v %.1f %+g %8.1f',
      [new Complex(1, -2), new Complex(1, 2), new Complex(0.5, 0), new Complex(1, 2)],
      '(1-2i) (1.0+2.0i) (+0.5+0i) (     1.0    +2.0i)',
    ],
    ['%d', [new Complex(1, 2)], '%!d(complex128=(1+2i))'],
  ],
  strings: [
    ['[%s|%5s|%-5s|%05s|%.2s|%5.1s]', ['abc', 'abc', 'abc', 'abc', 'abc', 'abc'], '[abc|  abc|abc  |00abc|ab|    a]'],
    ['[%4s|%.2s|%-4s]', ['日本', '日本語', '😀'], '[  日本|日本|😀   ]'],
    ['%q %+q %#q %#+q %#q', ['a"b\n✓', 'é😀', 'raw', 'é', 'a`b'], '"a\\"b\\n✓" "\\u00e9\\U0001f600" `raw` `é` "a`b"'],
    [
      '%x %X % x %#x %# x % X %.2x',
      ['héy', 'héy', 'héy', 'héy', 'héy', 'héy', 'héy'],
      '68c3a979 68C3A979 68 c3 a9 79 0x68c3a979 0x68 0xc3 0xa9 0x79 68 C3 A9 79 68c3',
    ],
    ['[%8x|%-8x|%08x|%4x|%04x]', ['ab', 'ab', 'ab', '', ''], '[    6162|6162    |00006162|    |0000]'],
    ['%v %#v %+v', ['a"b', 'a"b', 'a'], 'a"b "a\\"b" a'],
    ['%q %x', ['a\udcffb', 'a\udcffb'], '"a\\xffb" 61ff62'],
    ['[%3s|%.1s]', ['\udcff\udcfe', '\udcff\udcfe'], '[ \udcff\udcfe|\udcff]'],
    ['%s%s', ['\udcc3', '\udca9'], 'é'],
    ['%d %t %f', ['x', 'y', 'z'], '%!d(string=x) %!t(string=y) %!f(string=z)'],
    ['[%8q|%.1q]', ['ab', 'ab'], '[    "ab"|"a"]'],
  ],
  'booleans and nil': [
    ['%t %v %5t|%-7t|%s', [true, false, true, false, true], 'true false  true|false  |%!s(bool=true)'],
    ['%v %+v %#v %T %5v|', [null, null, null, null, null], '<nil> <nil> <nil> <nil> <nil>|'],
    ['%s %d %q %p', [null, null, null, null], '%!s(<nil>) %!d(<nil>) %!q(<nil>) %!p(<nil>)'],
  ],
  'lists and maps': [
    [
      '%v %d %s',
      [
        [int(1), 'a', null, 2.5],
        [int(1), 'a', null],
        ['a', int(1), null],
      ],
      '[1 a <nil> 2.5] [1 %!d(string=a) <nil>] [a %!s(int=1) <nil>]',
    ],
    ['%5v %-3v| %q %x', [[int(1), 'b'], [int(1)], ['a', 'b'], ['hi', int(255)]], '[    1     b] [1  ]| ["a" "b"] [6869 ff]'],
    ['%#v', [[int(1), 'a', null, true, [2]]], '[]interface {}{1, "a", interface {}(nil), true, []interface {}{2}}'],
    [
      '%v %+v %#v',
      [dict({ b: 1, a: null, '': [int(1)] }), dict({ a: 1 }), dict({ b: 1, a: null })],
      'map[:[1] a:<nil> b:1] map[a:1] map[string]interface {}{"a":interface {}(nil), "b":1}',
    ],
    ['%v', [dict({ '\uffee': 1, '😀': 2, '\udcff': 3, a: 4 })], 'map[a:4 ￮:1 😀:2 \udcff:3]'],
    [
      '%v %#v %s %d',
      [strings(['a', 'b']), strings(['a', 'b']), strings(['a']), strings(['a'])],
      '[a b] []string{"a", "b"} [a] [%!d(string=a)]',
    ],
    ['%v %#v %T', [new Slice(stringSlice, [], true), new Slice(stringSlice, [], true), strings([])], '[] []string(nil) []string'],
    ['%v %#v', [new TypedMap(stringMap, [], true), new TypedMap(stringMap, [], true)], 'map[] map[string]string(nil)'],
    [
      '%#v %v',
      [new TypedMap(stringMap, [['a', 'b']]), new TypedMap(stringMap, [['a', 'b']])],
      'map[string]string{"a":"b"} map[a:b]',
    ],
    [
      '%v %#v %T',
      [named([['a', int(1)]]), named([['a', null]]), named([])],
      'map[a:1] main.Named{"a":interface {}(nil)} main.Named',
    ],
    ['%s', [dict({ a: int(1), b: 'x' })], 'map[a:%!s(int=1) b:x]'],
    ['%6.2f', [[1, 2.345]], '[  1.00   2.35]'],
    ['%t', [dict({ a: true })], 'map[%!t(string=a):true]'],
  ],
  bytes: [
    [
      '%v %d %s %x %X %q',
      [bytes(104, 105), bytes(104, 105), bytes(104, 105), bytes(104, 255), bytes(104, 255), bytes(34, 255)],
      '[104 105] [104 105] hi 68ff 68FF "\\"\\xff"',
    ],
    [
      '%#v %# x %c %t',
      [bytes(1, 255), bytes(1, 255), bytes(104, 105), bytes(1)],
      '[]byte{0x1, 0xff} 0x01 0xff [h i] [%!t(uint8=1)]',
    ],
    ['%v %#v %s', [[bytes(1)], [bytes(1)], [bytes(104)]], '[[1]] []interface {}{[]uint8{0x1}} [h]'],
    ['[%4s|%03d|%.1s]', [bytes(104, 105), bytes(1, 2), bytes(104, 105)], '[  hi|[001 002]|h]'],
  ],
  'structs and pointers': [
    ['%v %+v', [inner('x', 2, null), inner('x', 2, [int(1)])], '{x 2 <nil>} {A:x b:2 C:[1]}'],
    ['%#v', [inner('x', 2, null)], 'main.Inner{A:"x", b:2, C:interface {}(nil)}'],
    [
      '%v %+v %#v',
      [pointerToInner('x', 2, 'c'), pointerToInner('x', 2, 'c'), pointerToInner('x', 2, 'c')],
      '&{x 2 c} &{A:x b:2 C:c} &main.Inner{A:"x", b:2, C:"c"}',
    ],
    [
      '%v %+v %#v %s %d',
      [nilPointer, nilPointer, nilPointer, nilPointer, nilPointer],
      '<nil> <nil> (*main.Inner)(nil) %!s(*main.Inner=<nil>) 0',
    ],
    [
      '%d %s %T %T',
      [inner('x', 2, 3), inner('x', 2, 3), inner('', 0, null), nilPointer],
      '{%!d(string=x) 2 %!d(float64=3)} {x %!s(int=2) %!s(float64=3)} main.Inner *main.Inner',
    ],
    [
      '%v %s %d %q %x %+v %#v',
      [stringer(4), stringer(4), stringer(4), stringer(4), stringer(4), stringer(4), stringer(4)],
      'text<4> text<4> {4} "text<4>" 746578743c343e text<4> main.Text{N:4}',
    ],
    [
      '%v %s [%9v] %#v',
      [pointerToStringer(4), [stringer(4)], stringer(4), pointerToStringer(4)],
      'text<4> [text<4>] [  text<4>] &main.Text{N:4}',
    ],
    [
      '%v %v %+v',
      [pointerStringer(9), pointerToPointerStringer(9), pointerStringer(9)],
      '{9 {1} text<2>} ptext {N:9 h:{N:1} T:text<2>}',
    ],
    ['%#v %v %#v', [goStringer(1), goStringer(1), [goStringer(1)]], 'gotext! {1} []interface {}{gotext!}'],
  ],
  'argument numbers': [
    ['%[2]d %[1]d', [int(1), int(2)], '2 1'],
    ['%[3]v %v %[1]v', ['a', 'b', 'c'], 'c %!v(MISSING) a'],
    ['%[1]d %d %[1]q', [int(65), int(66)], "65 66 'A'"],
    ['%[2]*[1]d|', [int(7), int(5)], '    7|'],
    ['%[3]*.[2]*[1]f|', [12.0, int(2), int(6)], ' 12.00|'],
    ['%[1]*d', [int(3)], '%!d(MISSING)'],
    ['%[5]d %[0]d %[-1]d %[x]d %[]d', [int(1)], '%!d(BADINDEX) %!d(BADINDEX) %!d(BADINDEX) %!d(BADINDEX) %!d(BADINDEX)'],
    ['%[1]2d %[1].2d', [int(1)], '%!d(BADINDEX) %!d(BADINDEX)'],
    ['%[2]d', [int(1), int(2), int(3)], '2'],
    ['%[1', [int(1)], '%!(NOVERB)'],
    ['%[]', [int(1)], '%!](BADINDEX)'],
    ['%d %[3]d %d', [int(1), int(2)], '1 %!d(BADINDEX) 2'],
  ],
  'widths and precisions from arguments': [
    ['%*d|%-*d|%*d|', [int(5), int(42), int(5), int(42), int(-5), int(42)], '   42|42   |42   |'],
    ['%.*f|%.*f|%0*d', [int(2), 3.14358, int(-1), 3.14358, int(6), int(-42)], '3.14|%!(BADPREC)3.143580|-00042'],
    ['%*d %.*d', ['x', int(1), 2.5, int(3)], '%!(BADWIDTH)1 %!(BADPREC)3'],
    ['%*d', [int(10000000), int(1)], '%!(BADWIDTH)1'],
    ['%*s', [integer('uint8', 4n), 'a'], '   a'],
    ['%*d', [int(1)], '%!d(MISSING)'],
    ['%*', [], '%!(BADWIDTH)%!(NOVERB)'],
  ],
  'wrong formats': [
    ['%d %d', [int(1)], '1 %!d(MISSING)'],
    ['%', [], '%!(NOVERB)'],
    ['%!', [int(1)], '%!!(int=1)'],
    ['%z %é %😀', [int(1), 'a', null], '%!z(int=1) %!é(string=a) %!😀(<nil>)'],
    ['100%', [], '100%!(NOVERB)'],
    ['%%|%5%|%-5.2%', [], '%|%|%'],
    ['x', [int(1), 'a', null, [true]], 'x%!(EXTRA int=1, string=a, <nil>, []interface {}=[true])'],
    ['%d', ['a', int(2), stringer(1)], '%!d(string=a)%!(EXTRA int=2, main.Text=text<1>)'],
    ['%.', [int(1)], '%!.(int=1)'],
    ['% ', [int(1)], '%!(NOVERB)%!(EXTRA int=1)'],
    ['%w %w', [int(1), [int(1)]], '%!w(int=1) %!w([]interface {}=[1])'],
    ['%12345678901d', [int(1)], '%!(NOVERB)%!(EXTRA int=1)'],
    ['%.3', [int(1)], '%!(NOVERB)%!(EXTRA int=1)'],
    ['%d', [[stringer(1), [1.5, null]]], '[{1} [%!d(float64=1.5) <nil>]]'],
    ['%5d|%-+8d|%#d', ['x', 1.5, true], '%!d(string=    x)|%!d(float64=+1.5    )|%!d(bool=true)'],
    ['%-s %+s % d', ['a', 'b', 'c'], 'a b %!d(string=c)'],
  ],
}

describe.each(Object.entries(formats))('sprintf of %s', (_, cases) => {
  it.each(cases)('formats %j of %s as %j', (format, args, expected) => expect(sprintf(format, args)).toBe(expected))
})

describe('sprint', () => {
  it.each<[readonly Value[], string]>([
    [[], ''],
    [['a', 'b', int(1), int(2), true, 'c', null, null], 'ab1 2 truec<nil> <nil>'],
    [[1.5, [int(1)], dict({ a: 1 }), 'x'], '1.5 [1] map[a:1]x'],
    [
      [pointerToInner('x', 1, null), stringer(3), pointerToStringer(3), pointerStringer(3)],
      '&{x 1 <nil>} text<3> text<3> {3 {1} text<2>}',
    ],
    [['\udcc3', '\udca9'], 'é'],
  ])('prints %s', (args, expected) => expect(sprint(args)).toBe(expected))
})

describe('sprintln', () => {
  it.each<[readonly Value[], string]>([
    [[], '\n'],
    [['a', 'b', int(1), null], 'a b 1 <nil>\n'],
  ])('prints %s', (args, expected) => expect(sprintln(args)).toBe(expected))
})

describe('what an action prints', () => {
  it.each<[Value | undefined, string]>([
    [undefined, '<no value>'],
    [null, '<no value>'],
    ['a\n', 'a\n'],
    [1e6, '1e+06'],
    [-0, '-0'],
    [int(1_000_000), '1000000'],
    [true, 'true'],
    [[null, 'a'], '[<nil> a]'],
    [dict({ b: null, a: [] }), 'map[a:[] b:<nil>]'],
    [duration, '1h30m0s'],
    [bytes(104), '[104]'],
    [inner('x', 1, null), '{x 1 <nil>}'],
    [pointerToInner('x', 1, null), '{x 1 <nil>}'],
    [nilPointer, '<nil>'],
    [stringer(5), 'text<5>'],
    [pointerToStringer(5), 'text<5>'],
    [pointerToPointerStringer(5), 'ptext'],
  ])('prints %s as %j', (value, expected) => expect(printValue(value)).toBe(expected))

  it('shows a field by the String method of its pointer, which a function handed a copy does not', () => {
    expect(printValue(pointerStringer(5))).toBe('ptext')
    expect(sprint([pointerStringer(5)])).toBe('{5 {1} text<2>}')
  })
})

describe('the budget', () => {
  it.each<[string, readonly Value[]]>([
    ['%1000000s', ['x']],
    ['%.1000000d', [int(1)]],
    ['%*d', [int(1_000_000), int(1)]],
    ['%01000000f', [1]],
    ['%.1000000e', [1]],
    ['%s', ['x'.repeat(2000)]],
    ['%v', [Array(2000).fill(int(1))]],
    [`${'x'.repeat(2000)}`, []],
  ])('ends %s before the text is made', (format, args) => {
    expect(() => sprintf(format, args, new Budget({ maxBytes: 1000 }))).toThrow(LimitError)
  })

  it('bounds a value that holds itself many times over', () => {
    let bomb: Value = ['x']
    for (let i = 0; i < 100; i++) bomb = [bomb, bomb]
    expect(() => sprint([bomb], new Budget({ maxBytes: 100_000 }))).toThrow(LimitError)
  })

  it('bounds a value that holds itself', () => {
    const loop = dict({})
    loop.set('self', loop)
    expect(() => printValue(loop)).toThrow(LimitError)
  })

  it('is charged for what is printed', () => {
    const budget = new Budget({ maxBytes: 10 })
    expect(sprintf('%5d%s', [int(1), 'abcde'], budget)).toBe('    1abcde')
    expect(() => budget.text(1)).toThrow(LimitError)
  })
})
