import { describe, expect, it } from 'vitest'
import { evaluate } from './evaluate.ts'

// The expected texts are those of sprig 3.3.0 in Go.
describe('defaults', () => {
  it.each([
    ['default "d" ""', 'd'],
    ['default "d" 0', 'd'],
    ['default "d" false', 'd'],
    ['default "d" (dict)', 'd'],
    ['default "d" nil', 'd'],
    ['default "d"', 'd'],
    ['default "d" "x"', 'x'],
    ['default "d" (semver "1.0.0")', '1.0.0'],
    ['empty -0.0', 'true'],
    ['empty 0i', 'true'],
    ['empty "0"', 'false'],
    ['coalesce nil 0 "" "x" "y"', 'x'],
    ['coalesce', '<no value>'],
    ['all 1 "x"', 'true'],
    ['all 1 ""', 'false'],
    ['all', 'true'],
    ['any 0 "" 1', 'true'],
    ['any', 'false'],
    ['ternary 1 2 true', '1'],
    ['ternary 1 2 false', '2'],
  ])('takes what is empty for unset: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['typeOf nil', '<nil>'],
    ['typeOf (list)', '[]interface {}'],
    ['typeOf (dict)', 'map[string]interface {}'],
    ['typeOf 1', 'int'],
    ['typeOf 1.0', 'float64'],
    ['typeOf (split "," "")', 'map[string]string'],
    ['typeOf (splitList "," "")', '[]string'],
    ['typeOf (chunk 1 (list))', '[][]interface {}'],
    ['typeOf (semver "1")', '*semver.Version'],
    ['kindOf nil', 'invalid'],
    ['kindOf (semver "1")', 'ptr'],
    ['kindOf (list)', 'slice'],
    ['kindOf "x"', 'string'],
    ['typeIs "int" 1', 'true'],
    ['typeIsLike "semver.Version" (semver "1")', 'true'],
    ['kindIs "map" (dict)', 'true'],
    ['kindIs "invalid" nil', 'true'],
    ['deepEqual (list 1 (dict "a" nil)) (list 1 (dict "a" nil))', 'true'],
    ['deepEqual 1 1.0', 'false'],
    ['deepEqual nil nil', 'true'],
    ['deepEqual (list) (rest (list))', 'false'],
    ['deepEqual (dict "a" 1) (dict "b" 1)', 'false'],
    ['deepEqual (splitList "," "a") (list "a")', 'false'],
  ])('knows types and kinds: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['toJson (dict "b" "<&>" "a" (list nil 1.5 true))', '{"a":[null,1.5,true],"b":"\\u003c\\u0026\\u003e"}'],
    ['toRawJson "<&>\\u2028"', '"<&>\\u2028"'],
    [
      'toPrettyJson (dict "a" (list) "b" (list 1 (dict)) "c" (dict "d" nil))',
      '{\n  "a": [],\n  "b": [\n    1,\n    {}\n  ],\n  "c": {\n    "d": null\n  }\n}',
    ],
    ['toJson (float64 "nan") | quote', '""'],
    ['mustToJson (float64 "nan")', 'error: json: unsupported value: NaN'],
    ['mustToPrettyJson (float64 "inf")', 'error: json: unsupported value: +Inf'],
    ['toRawJson (float64 "-inf")', 'error: json: unsupported value: -Inf'],
    ['toJson (semver "v1.2")', '"1.2.0"'],
    ['fromJson "{" | kindOf', 'invalid'],
    ['mustFromJson "{"', 'error: unexpected end of JSON input'],
    ['mustFromJson "[1e999]"', 'error: json: cannot unmarshal number 1e999 into Go value of type float64'],
    ['fromJson "[1e999,2]"', '[<nil> 2]'],
    ['fail "stop it"', 'error: stop it'],
  ])('prints and parses JSON: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })
})
