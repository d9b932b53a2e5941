import { describe, expect, it } from 'vitest'
import { evaluate } from './evaluate.ts'

// The expected texts are those of sprig 3.3.0 in Go.
describe('dicts', () => {
  it.each([
    ['dict "a" 1 "b"', 'map[a:1 b:]'],
    ['dict 1 "x" nil "y"', 'map[1:x <nil>:y]'],
    ['get (dict "a" nil) "a"', '<no value>'],
    ['get (dict "a" 1) "b" | quote', '""'],
    ['hasKey (dict "a" nil) "a"', 'true'],
    ['pick (dict "a" 1 "b" 2) "b" "c"', 'map[b:2]'],
    ['omit (dict "a" 1 "b" 2) "b" "c"', 'map[a:1]'],
    ['pluck "a" (dict "a" 1) (dict "b" 2) (dict "a" nil)', '[1 <nil>]'],
    ['keys (dict "b" 1 "a" 2) (dict "a" 3) | sortAlpha', '[a a b]'],
    ['values (dict "a" 1)', '[1]'],
    ['get (dict "constructor" 1) "__proto__" | quote', '""'],
    ['dict "__proto__" 1', 'map[__proto__:1]'],
  ])('makes and reads: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['$d := dict "a" 1 }}{{ $e := set $d "b" 2 }}{{ $d }}{{ $_ := unset $e "a" }}{{ $d', 'map[a:1 b:2]map[b:2]'],
    ['set nil "a" 1', 'error: assignment to entry in nil map'],
    ['unset (dict "a" 1) "b"', 'map[a:1]'],
  ])('changes in place: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['dig "a" "b" "none" (dict "a" (dict "b" 1))', '1'],
    ['dig "a" "c" "none" (dict "a" (dict "b" 1))', 'none'],
    ['dig "a" "b" "none" (dict)', 'none'],
    ['dig "a" "none" (dict "a" nil)', '<no value>'],
    ['dig "a" "b" (dict)', 'b'],
    ['dig "a" "b" "none" (dict "a" "x")', 'error: interface conversion: interface {} is string, not map[string]interface {}'],
    ['dig "a" "b" "none" (dict "a" nil)', 'error: interface conversion: interface {} is nil, not map[string]interface {}'],
    ['dig "a" "none" (list)', 'error: interface conversion: interface {} is []interface {}, not map[string]interface {}'],
    ['dig 1 "none" (dict)', 'error: interface conversion: interface {} is int, not string'],
    ['dig "a"', 'error: dig needs at least three arguments'],
    [
      'dig "a" "none" (split "," "x")',
      'error: interface conversion: interface {} is map[string]string, not map[string]interface {}',
    ],
  ])('digs: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['merge (dict "a" 1) (dict "a" 2 "b" 3) (dict "b" 4 "c" 5)', 'map[a:1 b:3 c:5]'],
    ['merge (dict "a" "" "b" 0 "c" false "d" nil) (dict "a" "x" "b" 1 "c" true "d" 2)', 'map[a:x b:1 c:true d:2]'],
    ['merge (dict "a" (dict "x" 1)) (dict "a" (dict "x" 2 "y" 3))', 'map[a:map[x:1 y:3]]'],
    ['merge (dict "a" (list 1)) (dict "a" (list 2 3) "b" (list))', 'map[a:[1] b:[]]'],
    ['merge (dict "a" (list)) (dict "a" (list 1))', 'map[a:[1]]'],
    ['merge (dict "a" "text") (dict "a" (dict "x" 1) "b" (list 1))', 'map[a:text b:[1]]'],
    ['merge (dict "a" 1) (dict "b" nil)', 'map[a:1]'],
    ['merge nil (dict "a" 1)', 'map[a:1]'],
    [
      '$a := dict "n" (dict "x" 1) }}{{ $b := dict "n" (dict "y" 2) }}{{ $m := merge $a $b }}{{ $a }}{{ $b',
      'map[n:map[x:1 y:2]]map[n:map[y:2]]',
    ],
    ['$a := dict }}{{ $b := dict "n" (dict "y" 2) }}{{ $m := merge $a $b }}{{ $_ := set $a.n "z" 3 }}{{ $b', 'map[n:map[y:2 z:3]]'],
  ])('merges what is not there: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['mergeOverwrite (dict "a" 1 "b" (list 1)) (dict "a" 0 "b" (list))', 'map[a:0 b:[]]'],
    ['mergeOverwrite (dict "a" (dict "x" 1)) (dict "a" "text")', 'map[a:text]'],
    ['mergeOverwrite (dict "a" "text") (dict "a" (dict "x" 1))', 'map[a:map[x:1]]'],
    ['mergeOverwrite (dict "a" 1) (dict "a" nil)', 'map[a:<nil>]'],
    ['mergeOverwrite (dict "a" (dict "x" 1 "y" 2)) (dict "a" (dict "x" nil))', 'map[a:map[x:<nil> y:2]]'],
  ])('merges over what is there: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['merge (dict "a" (semver "1.0.0")) (dict "a" (dict "x" 1)) | quote', '""'],
    ['mustMerge (dict "a" (semver "1.0.0")) (dict "a" (dict "x" 1))', 'error: src and dst must be of same type'],
    ['mustMergeOverwrite (dict "a" (semver "1.0.0")) (dict "a" (dict "x" 1))', 'map[a:map[x:1]]'],
    [
      'merge (dict "a" (split "," "x")) (dict "a" (dict "_1" "y"))',
      'error: reflect.Value.SetMapIndex: value of type interface {} is not assignable to type string',
    ],
    ['merge (dict "a" (dict "_1" "y")) (dict "a" (split "," "x"))', 'map[a:map[_0:x _1:y]]'],
  ])('fails to merge pointers and typed maps: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['$a := dict "n" (dict "x" (list 1)) }}{{ $b := deepCopy $a }}{{ $_ := set $a.n "x" 2 }}{{ $b', 'map[n:map[x:[1]]]'],
    ['printf "%T" (deepCopy (splitList "," "a"))', '[]string'],
    ['deepCopy nil', 'error: reflect: call of reflect.Value.Type on zero Value'],
    ['mustDeepCopy 1', '1'],
  ])('copies: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })
})
