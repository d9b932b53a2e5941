import { describe, expect, it } from 'vitest'
import { evaluate } from './evaluate.ts'

// The expected texts are those of sprig 3.3.0 in Go.
describe('strings', () => {
  it.each([
    ['upper "straße ŉ ﬁ ᾳ ᾀ ǆ"', 'STRAßE ŉ ﬁ ᾼ ᾈ Ǆ'],
    ['lower "İSTANBUL ẞΣ"', 'istanbul ßσ'],
    [`title "don't stop_me now9x ǆ ä"`, "Don'T Stop_me Now9x ǅ Ä"],
    ['untitle "Good Morning ÄB"', 'good morning äB'],
    ['swapcase "gOOD mORNING ǅ ß"', 'Good Morning ǆ ß'],
  ])('maps case rune by rune: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['upper "\\xc3a"', '�A'],
    ['title "\\xff\\xfe"', '��'],
    ['nospace "\\xff x"', 'ÿx'],
    ['snakecase "aB\\xff"', 'a_b�'],
  ])('makes what is not UTF-8 valid where Go does: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['trunc 4 "naïve"', 'naï'],
    ['trunc 3 "naïve"', 'na\udcc3'],
    ['trunc -3 "naïve"', '\udcafve'],
    ['trunc -9 "abc"', 'abc'],
    ['substr 2 4 "naïve"', 'ï'],
    ['substr 1 -1 "abcd"', 'bcd'],
    ['substr -1 2 "abcd"', 'ab'],
    ['abbrev 6 "one two three"', 'one...'],
    ['abbrev 3 "one two three"', 'one two three'],
    ['abbrev 5 "日本語日本語"', '\udce6\udc97...'],
    ['abbrevboth 5 10 "one two three four"', '...wo t...'],
    ['abbrevboth 0 5 "one two three"', 'on...'],
    ['abbrevboth 99 9 "one two three four"', '...e four'],
    ['nospace "à la carte"', 'Ãlacarte'],
    ['nospace "a b\\tc"', 'abc'],
    ['initials "one  two-three été"', 'otÃ'],
  ])('counts bytes, and cuts characters in two: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['substr -1 9 "abc"', 'error: runtime error: slice bounds out of range [:9] with length 3'],
    ['substr 5 -1 "abc"', 'error: runtime error: slice bounds out of range [5:3]'],
    ['substr 2 1 "abc"', 'error: runtime error: slice bounds out of range [2:1]'],
    ['substr 0 -1 "" | quote', '""'],
    ['repeat -2 "ab"', 'error: strings: negative Repeat count'],
    ['repeat 9223372036854775807 "ab"', 'error: strings: Repeat output length overflow'],
    ['indent -1 "x"', 'error: strings: negative Repeat count'],
  ])("says what Go's runtime says of bounds: %s", (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['trim "\\u0085 \\u00a0x\\u3000 "', 'x'],
    ['trim "\\ufeffx"', '\ufeffx'],
    ['trimAll "xy" "yxaxby"', 'axb'],
    ['trimAll "" "abc"', 'abc'],
    ['trimAll "é" "éaé"', 'a'],
    ['trimPrefix "ab" "abab"', 'ab'],
    ['trimSuffix "" "abc"', 'abc'],
  ])('trims: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['replace "" "-" "日本"', '-日-本-'],
    ['replace "a" "$&" "banana"', 'b$&n$&n$&'],
    ['contains "" "x"', 'true'],
    ['hasPrefix "ab" "abc"', 'true'],
    ['hasSuffix "ab" "abc"', 'false'],
    ['contains (trunc 1 "é") "é"', 'true'],
    ['hasPrefix (trunc 1 "é") "é"', 'true'],
    ['splitList (trunc 1 "é") "é" | len', '2'],
  ])('finds and replaces: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['split "$" "a$b"', 'map[_0:a _1:b]'],
    ['split "" "日x"', 'map[_0:日 _1:x]'],
    ['splitList "," "" | len', '1'],
    ['splitList "" "" | len', '0'],
    ['splitn "," 2 "a,b,c"', 'map[_0:a _1:b,c]'],
    ['splitn "," 0 "a,b,c"', 'map[]'],
    ['splitn "," -1 "a,b"', 'map[_0:a _1:b]'],
    ['join "-" (list 1 nil "b" 2.5)', '1-b-2.5'],
    ['join "-" "abc"', 'abc'],
    ['join "-" nil', ''],
    ['join "-" (until 3)', '0-1-2'],
    ['join "" (list (trunc 1 "é") (trunc -1 "é")) | eq "é"', 'true'],
  ])('splits and joins: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['toString nil', '<nil>'],
    ['toString (list nil "a")', '[<nil> a]'],
    ['toStrings (list 1 nil "a")', '[1 a]'],
    ['toStrings 7', '[7]'],
    ['quote "a\\"b" nil 1 true "日\\x01"', '"a\\"b" "1" "true" "日\\x01"'],
    ['quote (list "a" nil)', '"[a <nil>]"'],
    [`squote "it's" nil 1.0`, "'it's' '1'"],
    ['cat "a" nil 1 (list)', 'a 1 []'],
    ['plural "one" "many" 1', 'one'],
    ['plural "one" "many" -1', 'many'],
    ['hello', 'Hello!'],
  ])('makes strings of values: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['sortAlpha (list "b" "é" "Z" 10 9 nil)', '[10 9 Z b é]'],
    ['sortAlpha "x"', '[x]'],
    ['sortAlpha nil', '[<nil>]'],
    ['sortAlpha (splitList "," "😀,ﬀ")', '[ﬀ 😀]'],
    ['$l := splitList "," "b,a" }}{{ $s := sortAlpha $l }}{{ $l', '[a b]'],
    ['$l := list "b" "a" }}{{ $s := sortAlpha $l }}{{ $l', '[b a]'],
  ])('sorts by bytes: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['indent 2 "a\\n\\nb\\n"', '  a\n  \n  b\n  '],
    ['nindent 2 "a\\r\\nb"', '\n  a\r\n  b'],
    ['wrap 5 "a bb ccc dddd eeeee ffffff h"', 'a bb\nccc\ndddd\neeeee\nffffff\nh'],
    ['wrap 0 "a b"', 'a\nb'],
    ['wrapWith 5 "|" "a bb ccc dddd eeeee fffffffff"', 'a bb|ccc|dddd|eeeee|fffff|ffff'],
    ['wrapWith 3 "" "abcdefg"', 'abc\ndef\ng'],
    ['wrapWith 2 "é" "日本 語"', '\udce6\udc97é\udca5\udce6é\udc9c\udcacé\udce8\udcaaé\udc9e'],
  ])('indents and wraps: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['snakecase "HTTPServer"', 'http_server'],
    ['snakecase "HTTP20xOK"', 'http_20x_ok'],
    ['snakecase "Bld4Floor3rd"', 'bld4_floor_3rd'],
    ['snakecase "12ab34 CD"', '12ab34_cd'],
    ['snakecase "ABC123"', 'abc123'],
    ['snakecase "one.TwoThree"', 'one.two_three'],
    ['snakecase "日本GoLang語"', '日本_go_lang_語'],
    ['snakecase "_a__B"', '_a__b'],
    ['kebabcase "NoHTTPSHere"', 'no-https-here'],
    ['kebabcase "Duration2m3s"', 'duration-2m3s'],
    ['camelcase "_complex__case_"', '_Complex_Case_'],
    ['camelcase "SHOUT_OUT loud"', 'ShoutOutLoud'],
    ['camelcase "--"', '---'],
    ['camelcase "x"', 'X'],
  ])('takes identifiers apart: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })
})
