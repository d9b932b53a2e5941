import { describe, expect, it } from 'vitest'
import { evaluate } from './evaluate.ts'

// The expected texts are those of sprig 3.3.0 in Go.
describe('regular expressions', () => {
  it.each([
    ['regexMatch "^a.c$" "abc"', 'true'],
    ['regexMatch "(" "abc"', 'false'],
    ['regexFind "a+" "baac"', 'aa'],
    ['regexFind "x" "abc" | quote', '""'],
    ['regexFindAll "a*" "baaac" -1 | toJson', '["","aaa",""]'],
    ['regexFindAll "" "éx" -1 | len', '3'],
    ['regexFindAll "a" "aaa" 2', '[a a]'],
    ['regexFindAll "a" "aaa" 0 | toJson', 'null'],
    ['regexFindAll "z" "a" -1 | toJson', 'null'],
    ['regexFind "(?i)É" "é"', 'é'],
    ['regexFind "\\\\Qa.b\\\\E+" "a.bb"', 'a.bb'],
    ['regexFind "(?U)a+" "aaa"', 'a'],
    ['regexFind "[[:alpha:]]+\\\\d" "-x1"', 'x1'],
  ])('finds: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['regexReplaceAll "a*" "baaac" "-"', '-b-c-'],
    ['regexReplaceAll "(a)(b)?" "abac" "[$1|$2|\x24{1}x|$1x|$$|$|\x24{|$0]"', '[a|b|ax||$|$|\x24{|ab][a||ax||$|$|\x24{|a]c'],
    ['regexReplaceAll "(?P<n>b)" "abc" "<\x24{n}$n-$m>"', 'a<bb->c'],
    ['regexReplaceAll "(a)" "aa" "$01 $1é $é"', '    '],
    ['regexReplaceAll "" "日本" "."', '.日.本.'],
    ['regexReplaceAll "(?m)^" "a\\nb" "> "', '> a\n> b'],
    ['regexReplaceAllLiteral "b" "abc" "$1"', 'a$1c'],
  ])('replaces: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['regexSplit "a" "banana" -1 | toJson', '["b","n","n",""]'],
    ['regexSplit "a" "banana" 2 | toJson', '["b","nana"]'],
    ['regexSplit "" "abc" -1 | toJson', '["a","b","c"]'],
    ['regexSplit "a*" "baac" -1 | toJson', '["b","c"]'],
    ['regexSplit "x" "" -1 | toJson', '[""]'],
    ['regexSplit "" "" -1 | toJson', '[]'],
    ['regexSplit "a" "b" 0 | toJson', 'null'],
    ['regexSplit "," "a,b," -1 | toJson', '["a","b",""]'],
  ])('splits: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([['regexQuoteMeta "a.b*c[d]$^+?{}()|\\\\ -/é"', 'a\\.b\\*c\\[d\\]\\$\\^\\+\\?\\{\\}\\(\\)\\|\\\\ -/é']])(
    'quotes: %s',
    (template, expected) => {
      expect(evaluate(template)).toBe(expected)
    },
  )

  it.each([
    ['regexFindAll "." "a\\xff\\xe6\\x97é" -1 | len', '5'],
    ['regexFindAll "\\\\x{fffd}" "a\\xffb" -1 | join "" | b64enc', '/w=='],
    ['regexReplaceAll "(b)" "\\xe6\\x97b" "<$1>" | b64enc', '5pc8Yj4='],
  ])('takes a byte that is not UTF-8 for one character: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['regexReplaceAll "(?P<n>a)|(?P<n>b)" "ab" "<\x24{n}>"', '<a><b>'],
    ['regexFindAll "(?P<constructor>x)(?P<constructor>y)" "xy" -1', '[xy]'],
    ['regexFind "\\\\p{uppercase letter}" "aB"', 'B'],
    ['regexFind "[\\\\p{greek}\\\\p{^LU}]+" "Aλa"', 'λa'],
    ['regexFind "\\\\pl" "1a"', 'a'],
    ['regexFind "(?<year>\\\\d{4})" "in 2024"', '2024'],
  ])('takes what Go takes and others do not: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['mustRegexFind "(?P<n>a)(?P<n>b**)" ""', 'error: error parsing regexp: invalid nested repetition operator: `**`'],
    ['regexFind "(" ""', 'error: regexp: Compile(`(`): error parsing regexp: missing closing ): `(`'],
    ['regexFind "a`(" ""', 'error: regexp: Compile("a`("): error parsing regexp: missing closing ): `a`(`'],
    ['mustRegexFind "(a" ""', 'error: error parsing regexp: missing closing ): `(a`'],
    ['mustRegexMatch "a**" ""', 'error: error parsing regexp: invalid nested repetition operator: `**`'],
    ['mustRegexFindAll "[a" "" -1', 'error: error parsing regexp: missing closing ]: `[a`'],
    ['mustRegexReplaceAll "a\\\\" "" ""', 'error: error parsing regexp: trailing backslash at end of expression: ``'],
    ['mustRegexReplaceAllLiteral "\\\\8" "" ""', 'error: error parsing regexp: invalid escape sequence: `\\8`'],
    ['mustRegexSplit "*" "" 1', 'error: error parsing regexp: missing argument to repetition operator: `*`'],
    [
      'regexReplaceAll "[z-a]" "" ""',
      'error: regexp: Compile(`[z-a]`): error parsing regexp: invalid character class range: `z-a`',
    ],
    ['mustRegexFind "(?<=a)b" ""', 'error: error parsing regexp: invalid named capture: `(?<=a)b`'],
    ['mustRegexFind "a{1001}" ""', 'error: error parsing regexp: invalid repeat count: `{1001}`'],
    ['mustRegexFind "((a{100}){100}){100}" ""', 'error: error parsing regexp: invalid repeat count: `{100}`'],
    ['mustRegexFind "\\\\p{Foo}" ""', 'error: error parsing regexp: invalid character class range: `\\p{Foo}`'],
    ['mustRegexFind "a)" ""', 'error: error parsing regexp: unexpected ): `a)`'],
  ])('explains bad expressions: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })
})
