import { describe, expect, test } from 'vitest'
import { outcome } from './sample.ts'

describe('finds fields, methods and variables', () => {
  test.each([
    ['{{ .word }} {{ $.word }} {{ .map.c.z }} {{ (.map).a }} {{ .map.nope }}', 'hello hello 26 1 <no value>'],
    ['{{ .nope }}|{{ .nil }}|{{ print .nope }}|{{ print nil }}', '<no value>|<no value>|<nil>|<nil>'],
    [
      '{{ star.Name }} {{ star.Home.Name }} {{ star.Next.Shout }} {{ star.Labels.size }}|{{ star.Labels.nope }}|',
      'sun earth mars! small||',
    ],
    ['{{ star.Greet "x" }} {{ "y" | star.Greet }} {{ star.Sum 1 2 3 }} {{ 4 | star.Sum }}', 'hello x hello y 6 4'],
    ['{{ settings.a }} {{ settings.Table "x" }} {{ settings.nope }}', '1 table x <no value>'],
    ['{{ star.Home }} {{ star.Nothing }}', '{earth <nil>} <no value>'],
    ['{{ $x := 1 }}{{ $x }}{{ $x = 2 }}{{ $x }}{{ $x := "a" }}{{ $x }}', '12a'],
    ['{{ $x := 1 }}{{ if .yes }}{{ $x := 2 }}{{ $x = 3 }}{{ end }}{{ $x }}', '1'],
    ['{{ $x := .map }}{{ $x.c.z }}', '26'],
    ['{{ $x := 5 }}{{ if .no }}{{ $x := 6 }}{{ else }}{{ $x }}{{ end }}', '5'],
    ['{{ ($x := 1) }}{{ $x }}', '11'],
    ['{{ $ := 5 }}{{ $ }}{{ .word }}', '5hello'],
    ['{{ if $ := 5 }}{{ $ }}{{ end }}{{ $.word }}', '5hello'],
    ['{{ .word | upper | printf "%s-%s" "x" }}', 'x-HELLO'],
  ])('%s', (template, expected) => {
    expect(outcome(template)).toBe(expected)
  })
})

describe('follows branches, ranges and templates', () => {
  test.each([
    ['{{ if .empty }}a{{ else if .word }}b{{ else }}c{{ end }}', 'b'],
    ['{{ with .empty }}a{{ else with .word }}{{ . }}{{ else }}c{{ end }}', 'hello'],
    ['{{ with $x := .word }}{{ . }}{{ $x }}{{ end }}{{ .number }}', 'hellohello42'],
    ['{{ if $x := .empty }}{{ else }}[{{ $x }}]{{ end }}', '[]'],
    ['{{ range .list }}[{{ . }}]{{ end }}', '[a][b][c]'],
    ['{{ range $i, $e := .list }}{{ $i }}{{ $e }} {{ end }}', '0a 1b 2c '],
    ['{{ range $e := .list }}{{ $e }}{{ . }} {{ end }}', 'aa bb cc '],
    ['{{ range $k, $v := .map }}{{ $k }}={{ $v }} {{ end }}', 'a=1 b=2 c=map[z:26] '],
    ['{{ range $k, $v := dict "é" 1 "z" 2 "￮" 3 "😀" 4 "" 5 }}{{ $k }}{{ $v }} {{ end }}', '5 z2 é1 ￮3 😀4 '],
    ['{{ range 3 }}{{ . }}{{ end }}{{ range $i := 2 }}{{ $i }}{{ end }}{{ range -1 }}x{{ else }}none{{ end }}', '01201none'],
    ['{{ range i8 2 }}{{ printf "%T" . }}{{ end }}', 'int8int8'],
    [
      '{{ range .nil }}x{{ else }}nil{{ end }}{{ range .nope }}x{{ else }}nope{{ end }}{{ range nilMap }}x{{ else }}empty{{ end }}',
      'nilnopeempty',
    ],
    ['{{ range .list }}{{ if eq . "b" }}{{ continue }}{{ end }}{{ . }}{{ end }}', 'ac'],
    ['{{ range .list }}{{ if eq . "b" }}{{ break }}{{ end }}{{ . }}{{ end }}', 'a'],
    ['{{ $k := "" }}{{ $v := "" }}{{ range $k, $v = .list }}{{ end }}{{ $k }}{{ $v }}', '2c'],
    ['{{ range .mixed }}{{ with . }}{{ . }}{{ else }}none{{ end }},{{ end }}', '1,two,none,[x],'],
    ['{{ range bytes "hi" }}{{ . }} {{ end }}{{ range words "a" "b" }}{{ . }}{{ end }}', '104 105 ab'],
    [
      '{{ define "t" }}<{{ . }}{{ $ }}>{{ end }}{{ template "t" 1 }}{{ template "t" }}',
      '1: template: multiple definition of template "t"',
    ],
    ['{{ block "b" .list }}{{ len . }}{{ end }}', '3'],
    ['{{ define "x" }}a{{ end }}{{ define "x" }} {{ end }}{{ template "x" }}', 'a'],
    ['{{ template "x" }}{{ define "x" }} {{ end }}{{ define "x" }}b{{ end }}', 'b'],
  ])('%s', (template, expected) => {
    expect(outcome(template)).toBe(expected)
  })
})

describe('names the field that cannot be evaluated', () => {
  test.each([
    ['{{ .nope.x }}', '1:8: executing "t" at <.nope.x>: nil pointer evaluating interface {}.x'],
    ['{{ .nope.x.y.z }}', '1:8: executing "t" at <.nope.x.y.z>: nil pointer evaluating interface {}.x'],
    ['{{ (.nope).x }}', '<no value>'],
    ['{{ ((.nope).x).y }}', '<no value>'],
    ['{{ .word.x }}', '1:8: executing "t" at <.word.x>: can\'t evaluate field x in type interface {}'],
    ['{{ (.word).x }}', '1:4: executing "t" at <.word>: can\'t evaluate field x in type string'],
    ['{{ $.word.x }}', '1:4: executing "t" at <$.word.x>: can\'t evaluate field x in type interface {}'],
    ['{{ $x := .word }}{{ $x.y }}', '1:22: executing "t" at <$x.y>: can\'t evaluate field y in type string'],
    ['{{ range .list }}{{ .x }}{{ end }}', '1:20: executing "t" at <.x>: can\'t evaluate field x in type interface {}'],
    ['{{ range $e := .list }}{{ $e.x }}{{ end }}', '1:28: executing "t" at <$e.x>: can\'t evaluate field x in type interface {}'],
    ['{{ range words "a" }}{{ .x }}{{ end }}', '1:24: executing "t" at <.x>: can\'t evaluate field x in type string'],
    [
      '{{ range .list }}{{ with . }}{{ .x }}{{ end }}{{ end }}',
      '1:32: executing "t" at <.x>: can\'t evaluate field x in type string',
    ],
    [
      '{{ range .list }}{{ template "t" . }}{{ end }}{{ define "t" }}{{ .x }}{{ end }}',
      '1: template: multiple definition of template "t"',
    ],
    ['{{ (index .people 0).name.first }}', '1:18: executing "t" at <0>: can\'t evaluate field first in type interface {}'],
    ['{{ .people.name }}', '1:10: executing "t" at <.people.name>: can\'t evaluate field name in type interface {}'],
    ['{{ star.Nope }}', '1:3: executing "t" at <star>: can\'t evaluate field Nope in type *main.Star'],
    ['{{ star.Home.Nope }}', '1:3: executing "t" at <star>: can\'t evaluate field Nope in type main.Planet'],
    ['{{ star.mass }}', '1:3: executing "t" at <star>: mass is an unexported field of struct type *main.Star'],
    ['{{ star.Name.x }}', '1:3: executing "t" at <star>: can\'t evaluate field x in type string'],
    ['{{ star.Labels.size.x }}', '1:3: executing "t" at <star>: can\'t evaluate field x in type string'],
    ['{{ star.Home.Moon.x }}', '1:3: executing "t" at <star>: nil pointer evaluating interface {}.x'],
    ['{{ noStar.Name }}', '1:3: executing "t" at <noStar>: nil pointer evaluating *main.Star.Name'],
    ['{{ noStar.Nope }}', '1:3: executing "t" at <noStar>: can\'t evaluate field Nope in type *main.Star'],
    ['{{ none.x }}', '1:3: executing "t" at <none>: nil pointer evaluating interface {}.x'],
    ['{{ (none).x }}', '<no value>'],
    ['{{ star.Nothing.x }}', '1:3: executing "t" at <star>: nil pointer evaluating interface {}.x'],
    ['{{ star.Name "x" }}', '1:3: executing "t" at <star>: Name has arguments but cannot be invoked as function'],
    ['{{ .map.a 1 }}', '1:7: executing "t" at <.map.a>: a is not a method but has arguments'],
    ['{{ 1 | .map.a }}', '1:11: executing "t" at <.map.a>: a is not a method but has arguments'],
    ['{{ settings.b.x }}', '1:3: executing "t" at <settings>: nil pointer evaluating interface {}.x'],
    ['{{ $x := 1 }}{{ $x 2 }}', '1:16: executing "t" at <$x>: can\'t give argument to non-function $x'],
    ['{{ 1 2 }}', '1:3: executing "t" at <1>: can\'t give argument to non-function 1'],
    ['{{ (1) 2 }}', '1:3: executing "t" at <(1) 2>: can\'t give argument to non-function 1'],
    ['{{ . . }}', '1:3: executing "t" at <.>: can\'t give argument to non-function .'],
    ['{{ nil }}', '1:3: executing "t" at <nil>: nil is not a command'],
    ['{{ (nil).x }}', '1:4: executing "t" at <nil>: nil is not a command'],
    ['日本\n日 {{ .word\n.x\n.y }}', '2:7: executing "t" at <.word>: word is not a method but has arguments'],
    ['{{ "%d" | .word.x }}', '1:15: executing "t" at <.word.x>: can\'t evaluate field x in type interface {}'],
  ])('%s', (template, expected) => {
    expect(outcome(template)).toBe(expected)
  })
})

describe('checks arguments and says which call failed', () => {
  test.each([
    ['{{ upper }}', '1:3: executing "t" at <upper>: wrong number of args for upper: want 1 got 0'],
    ['{{ upper "a" "b" }}', '1:3: executing "t" at <upper>: wrong number of args for upper: want 1 got 2'],
    ['{{ upper 1 }}', '1:9: executing "t" at <1>: expected string; found 1'],
    ['{{ upper .number }}', '1:9: executing "t" at <.number>: wrong type for value; expected string; got float64'],
    ['{{ .number | upper }}', '1:13: executing "t" at <upper>: wrong type for value; expected string; got float64'],
    ['{{ upper nil }}', '1:9: executing "t" at <nil>: cannot assign nil to string'],
    ['{{ upper .nil }}', '1:9: executing "t" at <.nil>: wrong type for value; expected string; got interface {}'],
    ['{{ .nil | upper }}', '1:10: executing "t" at <upper>: invalid value; expected string'],
    ['{{ upper (print 1).x }}', '1:16: executing "t" at <1>: can\'t evaluate field x in type string'],
    ['{{ pair "a" "b" }}', '1:12: executing "t" at <"b">: expected integer; found "b"'],
    ['{{ pair "a" .number }}', '1:12: executing "t" at <.number>: wrong type for value; expected int; got float64'],
    ['{{ pair "a" 1.5 }}', '1:12: executing "t" at <1.5>: expected integer; found 1.5'],
    ['{{ many }}', '1:3: executing "t" at <many>: wrong number of args for many: want at least 1 got 0'],
    ['{{ many "a" }} {{ many "a" 1 2 }} {{ 3 | many "a" 1 }}', 'a a/1/2 a/1/3'],
    ['{{ "z" | many }} {{ many "a" "b" }}', '1:29: executing "t" at <"b">: expected integer; found "b"'],
    ['{{ "b" | many "a" 1 }}', '1:18: executing "t" at <1>: wrong type for value; expected int; got string'],
    ['{{ size .map }} {{ size settings }} {{ size nil }}', '3 2 0'],
    [
      '{{ size .list }}',
      '1:8: executing "t" at <.list>: wrong type for value; expected map[string]interface {}; got []interface {}',
    ],
    [
      '{{ size (labels "a" "b") }}',
      '1:20: executing "t" at <"b">: wrong type for value; expected map[string]interface {}; got map[string]string',
    ],
    ['{{ count (words "a") }}', '1:16: executing "t" at <"a">: wrong type for value; expected []interface {}; got []string'],
    ['{{ planetName star.Next }} {{ planetName star.Home }}', 'mars earth'],
    ['{{ planetName star }}', '1:14: executing "t" at <star>: wrong type for value; expected main.Planet; got *main.Star'],
    ['{{ planetName nil }}', '1:14: executing "t" at <nil>: cannot assign nil to main.Planet'],
    ['{{ yes 1 }}', '1:7: executing "t" at <1>: expected bool; found 1'],
    ['{{ float "x" }}', '1:9: executing "t" at <"x">: expected float; found "x"'],
    ['{{ u8 -1 }}', '1:6: executing "t" at <-1>: expected unsigned integer; found -1'],
    ['{{ complex "x" }}', '1:11: executing "t" at <"x">: expected complex; found "x"'],
    ['{{ words "a" nil }}', '1:13: executing "t" at <nil>: cannot assign nil to string'],
    ['{{ fail "boom" }}', '1:3: executing "t" at <fail "boom">: error calling fail: boom'],
    ['{{ print (fail "boom") }}', '1:10: executing "t" at <fail "boom">: error calling fail: boom'],
    ['{{ "boom" | fail }}', '1:12: executing "t" at <fail>: error calling fail: boom'],
    ['{{ star.Explode }}', '1:7: executing "t" at <star.Explode>: error calling Explode: supernova'],
    ['{{ print star.Explode }}', '1:13: executing "t" at <star.Explode>: error calling Explode: supernova'],
    ['{{ star.Greet }}', '1:3: executing "t" at <star>: wrong number of args for Greet: want 1 got 0'],
    ['{{ star.Greet 1 }}', '1:14: executing "t" at <1>: expected string; found 1'],
    ['{{ star.Greet.x "y" }}', '1:3: executing "t" at <star>: wrong number of args for Greet: want 1 got 0'],
    ['{{ $x = 1 }}', '1:8: executing "t" at <1>: undefined variable: $x'],
    ['{{ if .no }}{{ $y := 1 }}{{ else }}{{ $y }}{{ end }}', '1:38: executing "t" at <$y>: undefined variable: $y'],
    ['{{ template "nope" }}', '1:12: executing "t" at <{{template "nope"}}>: template "nope" not defined'],
    ['{{ range .number }}{{ end }}', '1:9: executing "t" at <.number>: range can\'t iterate over 42'],
    ['{{ range .word }}{{ end }}', '1:9: executing "t" at <.word>: range can\'t iterate over hello'],
    ['{{ range star.Home }}{{ end }}', '1:9: executing "t" at <star>: range can\'t iterate over {earth <nil>}'],
    ['{{ range $i, $e := 3 }}{{ end }}', '1:19: executing "t" at <3>: can\'t use 3 to iterate over more than one variable'],
    [
      '{{ define "d" }}\n{{ .word.x }}{{ end }}{{ template "d" . }}',
      '2:8: executing "d" at <.word.x>: can\'t evaluate field x in type interface {}',
    ],
    [
      '{{ define "z" }}{{ template "z" . }}{{ end }}{{ template "z" . }}',
      '1:28: executing "z" at <{{template "z" .}}>: exceeded maximum template depth (100000)',
    ],
  ])('%s', (template, expected) => {
    expect(outcome(template)).toBe(expected)
  })
})

describe('takes missing keys as nothing', () => {
  test.each([
    ['{{ .nope }}', '<no value>'],
    ['{{ .nope.x }}', '<no value>'],
    ['{{ upper .nope }}', '1:9: executing "t" at <.nope>: invalid value; expected string'],
    ['{{ (labels "a" "b").z }}', '<no value>'],
    ['{{ eq .nope nil }}', 'true'],
  ])('%s', (template, expected) => {
    expect(outcome(template, { missingKey: 'default' })).toBe(expected)
  })
})

describe('takes missing keys as errors', () => {
  test.each([
    ['{{ .nope }}', '1:3: executing "t" at <.nope>: map has no entry for key "nope"'],
    ['{{ .map.z.y }}', '1:7: executing "t" at <.map.z.y>: map has no entry for key "z"'],
    ['{{ (labels "a" "b").z }}', '1:15: executing "t" at <"b">: map has no entry for key "z"'],
    ['{{ .nil }}', '<no value>'],
    ['{{ template "a" }}{{ define "a" }}{{ .x }}{{ end }}', '1:37: executing "a" at <.x>: nil data; no entry for key "x"'],
    ['{{ index .map "z" }}', '<no value>'],
  ])('%s', (template, expected) => {
    expect(outcome(template, { missingKey: 'error' })).toBe(expected)
  })
})
