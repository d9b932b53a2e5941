import { describe, expect, test } from 'vitest'
import { outcome } from './sample.ts'

describe('reads text, trim marks and comments', () => {
  test.each([
    ['no action at all\n', 'no action at all\n'],
    ['one {{ 1 }} two', 'one 1 two'],
    ['a \n\t{{- 1 }} b', 'a1 b'],
    ['a {{ 1 -}} \n\t b', 'a 1b'],
    [' {{- -1 -}} ', '-1'],
    ['{{-1}}{{ -1 }}', '-1-1'],
    ['{{- "x" -}}', 'x'],
    ['a{{/* note */}}b', 'ab'],
    ['a {{- /* note */ -}} b', 'ab'],
    ['{ } }} {{ "{{" }}{{ `}}` }}', '{ } }} {{}}'],
    ['{{ 1 | }}', '1'],
    ['{{ ((1)) }}', '1'],
    ['{{"x"}}{{"y" }}', 'xy'],
    ['{{ `two\nlines` }}', 'two\nlines'],
  ])('%s', (template, expected) => {
    expect(outcome(template)).toBe(expected)
  })
})

describe('reads literals', () => {
  test.each([
    ["{{ 'a' }} {{ '\\'' }} {{ '\\xff' }} {{ '\\377' }} {{ '\\u00e9' }} {{ '日' }}", '97 39 255 255 233 26085'],
    ['{{ 0x1F }} {{ 0b11 }} {{ 0o17 }} {{ 017 }} {{ 1_000 }} {{ 0x_1 }}', '31 3 15 15 1000 1'],
    ['{{ 1e3 }} {{ 0x1p4 }} {{ 1E-2 }} {{ .5 }} {{ 5. }} {{ +5 }} {{ -0 }} {{ -0x1e }}', '1000 16 0.01 0.5 5 5 0 -30'],
    ['{{ 1i }} {{ 1+2i }} {{ 1e3-2e-1i }} {{ 0i }}', '(0+1i) (1+2i) (1000-0.2i) (0+0i)'],
    ['{{ u64 18446744073709551615 }} {{ i64 -9223372036854775808 }}', '18446744073709551615 -9223372036854775808'],
    ['{{ "\\x41\\u00e9\\U0001F600\\101\\t\\"" }}', 'Aé😀A\t"'],
    ['{{ true }} {{ false }}', 'true false'],
    ['{{ u8 300 }} {{ i8 200 }} {{ i8 -129 }}', '44 -56 127'],
    ["{{ float 'a' }} {{ i64 2.0 }} {{ i64 1e3 }} {{ float 3 }} {{ complex 3i }} {{ i64 3+0i }}", '97 2 1000 3 (0+3i) 3'],
    ['{{ 1a }}', '1: bad number syntax: "1a"'],
    ['{{ 0x }}', '1: illegal number syntax: "0x"'],
    ['{{ 1_ }}', '1: illegal number syntax: "1_"'],
    ['{{ 089 }}', '1: integer overflow: "089"'],
    ['{{ 1.2.3 }}', '1: unexpected ".3" in operand'],
    ['{{ 1.x }}', '1: bad number syntax: "1.x"'],
    ['{{ 1+2 }}', '1: bad number syntax: "1+2"'],
    ['{{ 1+2i3 }}', '1: bad number syntax: "1+2i3"'],
    ['{{ 99999999999999999999 }}', '1: integer overflow: "99999999999999999999"'],
    ['{{ 9223372036854775808 }}', '1:3: executing "t" at <9223372036854775808>: 9223372036854775808 overflows int'],
    ["{{ 'ab' }}", "1: malformed character constant: 'ab'"],
    ["{{ '' }}", '1: invalid syntax'],
    ["{{ '\\q' }}", '1: invalid syntax'],
    ["{{ ' }}", '1: unterminated character constant'],
    ['{{ "\\q" }}', '1: invalid syntax'],
    ['{{ "open }}', '1: unterminated quoted string'],
    ['{{ "a\nb" }}', '1: unterminated quoted string'],
    ['{{ `open }}', '1: unterminated raw quoted string'],
    ['{{ .', '1: illegal number syntax: "."'],
  ])('%s', (template, expected) => {
    expect(outcome(template)).toBe(expected)
  })
})

describe('says what is wrong in an action', () => {
  test.each([
    ['{{', '1: unclosed action'],
    ['{{ .x', '1: unclosed action'],
    ['x\n{{ if .yes\n\n', '4: unclosed action started at t:2'],
    ['a\n{{ upper\n  "x', '3: unterminated quoted string in action started at t:2'],
    ['{{/* open', '1: unclosed comment'],
    ['{{/* note */ }}', '1: comment ends before closing delimiter'],
    ['{{ @ }}', '1: unexpected "@" in command'],
    ['{{ .x[0] }}', "1: bad character U+005B '['"],
    ['{{ .x-y }}', "1: bad character U+002D '-'"],
    ['{{ a-b }}', "1: bad character U+002D '-'"],
    ['{{ €', "1: unrecognized character in action: U+20AC '€'"],
    ['{{   }}', '1: unrecognized character in action: U+00A0'],
    ['{{ \u0001 }}', '1: unrecognized character in action: U+0001'],
    ['{{ $x : 1 }}', '1: undefined variable "$x"'],
    ['{{ (1 }}', '1: unclosed left paren'],
    ['{{ 1) }}', '1: unexpected right paren'],
    ['{{ if .yes }}\n{{/* open\n', '2: unclosed comment in action started at t:1'],
    ['日本\n{{ .é[ }}', "2: bad character U+005B '['"],
  ])('%s', (template, expected) => {
    expect(outcome(template)).toBe(expected)
  })
})

describe('says what does not fit together', () => {
  test.each([
    ['{{ }}', '1: missing value for command'],
    ['{{ | }}', '1: unexpected "|" in command'],
    ['{{ () }}', '1: missing value for parenthesized pipeline'],
    ['{{ x y }}', '1: function "x" not defined'],
    ['{{ word.x }}', '1: function "word" not defined'],
    ['{{ .x. }}', '1: unexpected <.> in operand'],
    ['{{ "a".x }}', '1: unexpected . after term "\\"a\\""'],
    ['{{ true.x }}', '1: unexpected . after term "true"'],
    ['{{ nil.x }}', '1: unexpected . after term "nil"'],
    ['{{ 1 | 2 }}', '1: non executable command in pipeline stage 2'],
    ['{{ "x" | . }}', '1: non executable command in pipeline stage 2'],
    ['{{ "x" | nil }}', '1: non executable command in pipeline stage 2'],
    ['{{ .x = 1 }}', '1: unexpected "=" in operand'],
    ['{{ .x == 1 }}', '1: unexpected "=" in operand'],
    ['{{ !x }}', '1: unexpected "!" in command'],
    ['{{ $x }}', '1: undefined variable "$x"'],
    ['{{ $x == 1 }}', '1: unexpected "=" in command'],
    ['{{ $x := }}', '1: missing value for command'],
    ['{{ $x, $y := .list }}', '1: too many declarations in command'],
    ['{{ end }}', '1: unexpected {{end}}'],
    ['{{ else }}', '1: unexpected {{else}}'],
    ['{{ break }}', '1: {{break}} outside {{range}}'],
    ['{{ continue }}', '1: {{continue}} outside {{range}}'],
    ['{{ if .yes }}', '1: unexpected EOF'],
    ['{{ if }}{{ end }}', '1: missing value for if'],
    ['{{ with }}{{ end }}', '1: missing value for with'],
    ['{{ range }}{{ end }}', '1: missing value for range'],
    ['{{ if .yes }}{{ else }}{{ else }}{{ end }}', '1: expected end; found {{else}}'],
    ['{{ with .no }}{{ else if .yes }}{{ end }}', '1: unexpected <if> in input'],
    ['{{ range .list }}{{ else range .list }}{{ end }}', '1: unexpected <range> in else'],
    ['{{ end if }}', '1: unexpected <if> in end'],
    ['{{ range .list }}{{ break 1 }}{{ end }}', '1: unexpected "1" in {{break}}'],
    ['{{ range .list }}{{ else }}{{ break }}{{ end }}', '1: {{break}} outside {{range}}'],
    ['{{ range $a, $b, $c := .list }}{{ end }}', '1: too many declarations in range'],
    ['{{ range $a, 1 := .list }}{{ end }}', '1: range can only initialize variables'],
    ['{{ if .yes }}{{ define "x" }}{{ end }}{{ end }}', '1: unexpected <define> in command'],
    ['{{ define x }}{{ end }}', '1: unexpected "x" in define clause'],
    ['{{ define "x" . }}{{ end }}', '1: unexpected <.> in define clause'],
    ['{{ define "x" }}', '1: unexpected EOF'],
    ['{{ define "x" }}{{ else }}{{ end }}', '1: unexpected {{else}} in define clause'],
    ['{{ define "x" }}a{{ end }}{{ define "x" }}b{{ end }}', '1: template: multiple definition of template "x"'],
    ['{{ template }}', '1: unexpected "}}" in template clause'],
    ['{{ template x }}', '1: unexpected "x" in template clause'],
    ['{{ template "x" 1 2', '1: unclosed action'],
    ['{{ template "x" | upper }}', '1: unexpected "|" in template clause'],
    ['{{ block "x" }}{{ end }}', '1: missing value for block clause'],
    ['{{ range .list }}{{ block "x" . }}{{ break }}{{ end }}{{ end }}', '1: {{break}} outside {{range}}'],
    ['{{ "abcdefghijklmnop" "x" := }}', '1: unexpected ":=" in operand'],
    ['{{ end "日本語日本語" }}', '1: unexpected "\\"日本語日本語\\""... in end'],
    ['\n\n{{ define "x" }}\n{{ nothing }}{{ end }}', '4: function "nothing" not defined'],
    ['{{ `a\n\nb`\n | nothing }}', '4: function "nothing" not defined'],
  ])('%s', (template, expected) => {
    expect(outcome(template)).toBe(expected)
  })
})
