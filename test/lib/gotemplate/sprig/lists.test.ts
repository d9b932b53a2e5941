import { describe, expect, it } from 'vitest'
import { evaluate } from './evaluate.ts'

// The expected texts are those of sprig 3.3.0 in Go.
describe('lists', () => {
  it.each([
    ['append (list 1) 2', '[1 2]'],
    ['prepend (list 1) nil', '[<nil> 1]'],
    ['push (splitList "," "a,b") 3', '[a b 3]'],
    ['concat (list 1) (splitList "," "a,b") (until 2)', '[1 a b 0 1]'],
    ['without (list 1 "1" 1.0 nil) 1 nil', '[1 1]'],
    ['uniq (list 1 1.0 "1" "1" (list 1) (list 1) nil nil)', '[1 1 1 [1] <nil>]'],
    ['compact (list 0 "" nil (list) (dict) false "x" 1 (semver "1.0.0"))', '[x 1 1.0.0]'],
    ['first (list)', '<no value>'],
    ['last (list 1 2)', '2'],
    ['rest (list 1 2 3)', '[2 3]'],
    ['initial (list 1 2 3)', '[1 2]'],
    ['reverse (until 3)', '[2 1 0]'],
    ['tuple 1 2', '[1 2]'],
  ])('adds and takes away: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['printf "%#v" (rest (list))', '[]interface {}(nil)'],
    ['printf "%#v" (initial (list))', '[]interface {}(nil)'],
    ['printf "%#v" (rest (list 1))', '[]interface {}{}'],
    ['printf "%#v" (concat)', '[]interface {}(nil)'],
    ['printf "%#v" (concat (list))', '[]interface {}(nil)'],
    ['printf "%#v" (uniq (list))', '[]interface {}{}'],
    ['toJson (rest (list))', 'null'],
  ])('keeps nil and empty lists apart: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['has (dict "a" (list 1)) (list (dict "a" (list 1)))', 'true'],
    ['has 1 (list 1.0)', 'false'],
    ['has 1 nil', 'false'],
    ['has nil (list nil)', 'true'],
    ['has (rest (list)) (list (list))', 'false'],
  ])('finds by deep equality: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['slice (list 1 2 3) 1', '[2 3]'],
    ['slice (list 1 2 3) 1 2', '[2]'],
    ['slice (until 3) "1"', '[1 2]'],
    ['slice (list)', '<no value>'],
    ['printf "%T" (slice (splitList "," "a,b") 1)', '[]string'],
    ['slice (list 1 2 3) 2 1', 'error: reflect.Value.Slice: slice index out of bounds'],
    ['slice (list 1 2 3) -1', 'error: reflect.Value.Slice: slice index out of bounds'],
    ['slice "abc" 1', 'error: list should be type of slice or array but string'],
  ])('slices: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['chunk 2 (list 1 2 3 4 5)', '[[1 2] [3 4] [5]]'],
    ['chunk 5 (list 1)', '[[1]]'],
    ['chunk 2 (list)', '[]'],
    ['printf "%T" (chunk 2 (list 1))', '[][]interface {}'],
    ['chunk 0 (list 1 2)', 'error: runtime error: makeslice: len out of range'],
    ['chunk -1 (list 1 2)', '[]'],
    ['chunk -3 (list 1)', '[[1]]'],
    ['chunk -1 (list 1)', 'error: runtime error: makeslice: len out of range'],
  ])('chunks: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['push "x" 1', 'error: Cannot push on type string'],
    ['append nil 1', 'error: runtime error: invalid memory address or nil pointer dereference'],
    ['prepend 1 1', 'error: Cannot prepend on type int'],
    ['first "abc"', 'error: Cannot find first on type string'],
    ['last (dict)', 'error: Cannot find last on type map'],
    ['rest 1.5', 'error: Cannot find rest on type float64'],
    ['initial true', 'error: Cannot find initial on type bool'],
    ['reverse "x"', 'error: Cannot find reverse on type string'],
    ['compact "x"', 'error: Cannot compact on type string'],
    ['uniq (semver "1.0.0")', 'error: Cannot find uniq on type ptr'],
    ['without "x" 1', 'error: Cannot find without on type string'],
    ['has 1 "x"', 'error: Cannot find has on type string'],
    ['concat (list) "x"', 'error: Cannot concat type string as list'],
    ['concat nil', 'error: runtime error: invalid memory address or nil pointer dereference'],
    ['chunk 1 "x"', 'error: Cannot chunk type string'],
    ['mustFirst "x"', 'error: Cannot find first on type string'],
  ])('refuses what is no list: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })
})
