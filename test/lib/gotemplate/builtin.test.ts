import { describe, expect, test } from 'vitest'
import { outcome } from './sample.ts'

describe('decides with and, or, not', () => {
  test.each([
    ['{{ and 1 0 }} {{ and 1 2 }} {{ and 0 (fail "x") }} {{ 2 | and 1 }} {{ 2 | and 0 }}', '0 2 0 2 0'],
    ['{{ or 0 "" }}|{{ or 0 "x" }} {{ or 1 (fail "x") }} {{ 2 | or 0 }}', '|x 1 2'],
    ['{{ and 1 (fail "x") }}', '1:10: executing "t" at <fail "x">: error calling fail: x'],
    ['{{ (and .map .map).a }}', '1'],
    ['{{ and nil 1 }} {{ and 1 nil }} {{ or .nil .nope }}', '<no value> <no value> <no value>'],
    [
      '{{ not 1 }} {{ not nil }} {{ .nope | not }} {{ not .list }} {{ not star }} {{ not noStar }} {{ not 0i }} {{ not nilMap }}',
      'false true true false false true true true',
    ],
    ['{{ and }}', '1:3: executing "t" at <and>: wrong number of args for and: want at least 1 got 0'],
    ['{{ or }}', '1:3: executing "t" at <or>: wrong number of args for or: want at least 1 got 0'],
    ['{{ not }}', '1:3: executing "t" at <not>: wrong number of args for not: want 1 got 0'],
    ['{{ not 1 2 }}', '1:3: executing "t" at <not>: wrong number of args for not: want 1 got 2'],
  ])('%s', (template, expected) => {
    expect(outcome(template)).toBe(expected)
  })
})

describe('looks into values with len, index, slice, call', () => {
  test.each([
    [
      '{{ len .word }} {{ len .text }} {{ len .list }} {{ len .map }} {{ len (bytes "abc") }} {{ len nilMap }} {{ len (words "a") }}',
      '5 10 3 3 3 0 1',
    ],
    ['{{ len .nil }}', '1:3: executing "t" at <len .nil>: error calling len: len of nil pointer'],
    ['{{ len nil }}', '1:3: executing "t" at <len nil>: error calling len: reflect: call of reflect.Value.Type on zero Value'],
    ['{{ .nope | len }}', '1:11: executing "t" at <len>: error calling len: reflect: call of reflect.Value.Type on zero Value'],
    ['{{ len 1 }}', '1:3: executing "t" at <len 1>: error calling len: len of type int'],
    ['{{ len star }}', '1:3: executing "t" at <len star>: error calling len: len of type main.Star'],
    ['{{ len noStar }}', '1:3: executing "t" at <len noStar>: error calling len: len of nil pointer'],
    [
      '{{ index .list 0 }} {{ index .map "a" }} {{ index .map "c" "z" }} {{ index .word 1 }} {{ index (bytes "abc") 1 }} {{ index .list (u8 1) }} {{ index .list }}',
      'a 1 26 101 98 b [a b c]',
    ],
    ['{{ index .map "z" }}|{{ index (labels "a" "b") "z" }}|', '<no value>||'],
    ['{{ index .list 3 }}', '1:3: executing "t" at <index .list 3>: error calling index: reflect: slice index out of range'],
    ['{{ index .list 4 }}', '1:3: executing "t" at <index .list 4>: error calling index: index out of range: 4'],
    ['{{ index .list -1 }}', '1:3: executing "t" at <index .list -1>: error calling index: index out of range: -1'],
    ['{{ index .word 5 }}', '1:3: executing "t" at <index .word 5>: error calling index: reflect: string index out of range'],
    [
      '{{ index .list "x" }}',
      '1:3: executing "t" at <index .list "x">: error calling index: cannot index slice/array with type string',
    ],
    [
      '{{ index .list 1.0 }}',
      '1:3: executing "t" at <index .list 1.0>: error calling index: cannot index slice/array with type float64',
    ],
    ['{{ index .list nil }}', '1:3: executing "t" at <index .list nil>: error calling index: cannot index slice/array with nil'],
    ['{{ index .map 1 }}', '1:3: executing "t" at <index .map 1>: error calling index: value has type int; should be string'],
    ['{{ index .map nil }}', '1:3: executing "t" at <index .map nil>: error calling index: value is nil; should be of type string'],
    ['{{ index .map "z" "y" }}', '1:3: executing "t" at <index .map "z" "y">: error calling index: index of nil pointer'],
    ['{{ index .nil 1 }}', '1:3: executing "t" at <index .nil 1>: error calling index: index of untyped nil'],
    ['{{ index nil 1 }}', '1:3: executing "t" at <index nil 1>: error calling index: index of untyped nil'],
    ['{{ index 1 1 }}', '1:3: executing "t" at <index 1 1>: error calling index: can\'t index item of type int'],
    [
      '{{ index star "Name" }}',
      '1:3: executing "t" at <index star "Name">: error calling index: can\'t index item of type main.Star',
    ],
    ['{{ index noStar 1 }}', '1:3: executing "t" at <index noStar 1>: error calling index: index of nil pointer'],
    ['{{ index }}', '1:3: executing "t" at <index>: wrong number of args for index: want at least 1 got 0'],
    [
      '{{ slice .list 1 }} {{ slice .list 1 2 }} {{ slice .word 1 3 }} {{ slice .list }} {{ slice .list 0 1 2 }} {{ slice (bytes "abc") 1 }} {{ slice (words "a" "b") 1 }}',
      '[b c] [b] el [a b c] [a] [98 99] [b]',
    ],
    ['{{ slice .word 1 2 3 }}', '1:3: executing "t" at <slice .word 1 2 3>: error calling slice: cannot 3-index slice a string'],
    ['{{ slice .list 2 1 }}', '1:3: executing "t" at <slice .list 2 1>: error calling slice: invalid slice index: 2 > 1'],
    ['{{ slice .list 0 2 1 }}', '1:3: executing "t" at <slice .list 0 2 1>: error calling slice: invalid slice index: 2 > 1'],
    ['{{ slice .list 1 2 3 4 }}', '1:3: executing "t" at <slice .list 1 2 3 4>: error calling slice: too many slice indexes: 4'],
    ['{{ slice .list 9 }}', '1:3: executing "t" at <slice .list 9>: error calling slice: index out of range: 9'],
    [
      '{{ slice .map 1 }}',
      '1:3: executing "t" at <slice .map 1>: error calling slice: can\'t slice item of type map[string]interface {}',
    ],
    ['{{ slice nil }}', '1:3: executing "t" at <slice nil>: error calling slice: slice of untyped nil'],
    ['{{ slice noStar }}', '1:3: executing "t" at <slice noStar>: error calling slice: slice of nil pointer'],
    ['{{ call .word }}', '1:3: executing "t" at <call .word>: error calling call: non-function .word of type string'],
    ['{{ call nil }}', '1:3: executing "t" at <call nil>: error calling call: call of nil'],
    ['{{ call }}', '1:3: executing "t" at <call>: wrong number of args for call: want at least 1 got 0'],
    ['{{ "x" | call }}', '1:9: executing "t" at <call>: error calling call: non-function x of type string'],
    ['{{ 1 | call }}', '1:7: executing "t" at <call>: error calling call: non-function <int Value> of type int'],
    ['{{ call star.Greet }}', '1:8: executing "t" at <star>: wrong number of args for Greet: want 1 got 0'],
  ])('%s', (template, expected) => {
    expect(outcome(template)).toBe(expected)
  })
})

describe('compares with eq to ge', () => {
  test.each([
    [
      '{{ eq 1 1 }} {{ eq 1 2 1 }} {{ eq "a" "b" "a" }} {{ eq 1.5 1.5 }} {{ eq true false }} {{ eq 1i 1i }}',
      'true true true true false true',
    ],
    [
      '{{ eq nil nil }} {{ eq .nil nil }} {{ eq .word nil }} {{ eq nil 1 }} {{ eq .list nil }} {{ eq nilMap nil }} {{ eq nilMap .map }}',
      'true true false false false true false',
    ],
    [
      '{{ eq (i64 1) 1 }} {{ eq (u8 1) 1 }} {{ eq (u64 18446744073709551615) -1 }} {{ lt -1 (u64 0) }} {{ lt (u8 1) 2 }}',
      'true true false true true',
    ],
    ['{{ eq star star }} {{ eq star.Home star.Home }} {{ eq noStar nil }} {{ eq noStar noStar }}', 'true true true true'],
    ['{{ ne 1 2 }} {{ ne "a" "a" }}', 'true false'],
    [
      '{{ lt 1 2 }} {{ lt 1.0 2.0 }} {{ lt "a" "b" }} {{ le 1 1 }} {{ gt 2 1 }} {{ ge 1 1 }} {{ le "a" "a" }} {{ 5 | lt 3 }}',
      'true true true true true true true true',
    ],
    ['{{ lt "日" "😀" }} {{ lt "￮" "😀" }} {{ lt "\\xff" "😀" }}', 'true true false'],
    ['{{ eq }}', '1:3: executing "t" at <eq>: wrong number of args for eq: want at least 1 got 0'],
    ['{{ eq 1 }}', '1:3: executing "t" at <eq 1>: error calling eq: missing argument for comparison'],
    ['{{ eq 1 1.0 }}', '1:3: executing "t" at <eq 1 1.0>: error calling eq: incompatible types for comparison: int and float64'],
    ['{{ eq 1 "1" }}', '1:3: executing "t" at <eq 1 "1">: error calling eq: incompatible types for comparison: int and string'],
    [
      '{{ eq .list .list }}',
      '1:3: executing "t" at <eq .list .list>: error calling eq: non-comparable type [a b c]: []interface {}',
    ],
    [
      '{{ eq .map .map }}',
      '1:3: executing "t" at <eq .map .map>: error calling eq: non-comparable type map[a:%!s(float64=1) b:%!s(float64=2) c:map[z:%!s(float64=26)]]: map[string]interface {}',
    ],
    [
      '{{ eq .list .map }}',
      '1:3: executing "t" at <eq .list .map>: error calling eq: non-comparable types [a b c]: []interface {}, map[string]interface {}: map[a:1 b:2 c:map[z:26]]',
    ],
    [
      '{{ eq .list "x" }}',
      '1:3: executing "t" at <eq .list "x">: error calling eq: incompatible types for comparison: []interface {} and string',
    ],
    [
      '{{ eq star.Home .list }}',
      '1:3: executing "t" at <eq star.Home .list>: error calling eq: non-comparable types {earth <nil>}: main.Planet, []interface {}: [a b c]',
    ],
    ['{{ ne 1 }}', '1:3: executing "t" at <ne>: wrong number of args for ne: want 2 got 1'],
    ['{{ ne 1 2 3 }}', '1:3: executing "t" at <ne>: wrong number of args for ne: want 2 got 3'],
    ['{{ lt 1 2.0 }}', '1:3: executing "t" at <lt 1 2.0>: error calling lt: incompatible types for comparison: int and float64'],
    ['{{ lt true false }}', '1:3: executing "t" at <lt true false>: error calling lt: invalid type for comparison'],
    ['{{ lt nil 1 }}', '1:3: executing "t" at <lt nil 1>: error calling lt: invalid type for comparison'],
    ['{{ lt 1 nil }}', '1:3: executing "t" at <lt 1 nil>: error calling lt: invalid type for comparison'],
    ['{{ lt .list 1 }}', '1:3: executing "t" at <lt .list 1>: error calling lt: invalid type for comparison'],
    ['{{ lt 1i 1i }}', '1:3: executing "t" at <lt 1i 1i>: error calling lt: invalid type for comparison'],
    ['{{ ge 1 "x" }}', '1:3: executing "t" at <ge 1 "x">: error calling ge: incompatible types for comparison: int and string'],
  ])('%s', (template, expected) => {
    expect(outcome(template)).toBe(expected)
  })
})
