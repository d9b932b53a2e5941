/** Arguments for the functions: for each sort the texts of expressions that are interesting for it. */

import type { Random } from '../random.ts'
import { randomFormat } from './formats.ts'
import type { Sort } from './functions.ts'

const TEXTS = [
  '',
  'a',
  'abc',
  'Hello World',
  'foo-bar_baz Qux',
  '  pad ded\t',
  'héllo wörld ✓',
  '日本語',
  'a.b.c',
  'a,b,,c',
  'one two  three',
  'line1\nline2\n\nline4',
  'x: 1',
  '- a',
  'true',
  'null',
  '~',
  '123',
  '0x1F',
  '007',
  '1e3',
  '1_000',
  '-4.5',
  'NaN',
  '+Inf',
  'ß ŉ ǆ İ',
  'camelCaseHTTPServer2Go',
  'snake_case_id',
  "it's",
  'say "hi"',
  "<a href='x'>&amp;</a>",
  'back\\slash',
  '$1 \u0024{x}',
  '{{ .Values.str }}',
  '%d%%',
  '\x00\x01\x7f',
  '\u2028\ufeff',
  '😀👍🏽',
  'e\u0301',
  '#c',
  'word '.repeat(12),
]

const REGEXPS = [
  'a',
  '[a-z]+',
  '(\\\\w+)-(\\\\w+)',
  '(?P<x>o)',
  '^a|b$',
  '',
  'x*',
  '(a)(b)?',
  '\\\\d+',
  '.',
  '(?i)HELLO',
  '(?s).+',
  '(?m)^l',
  '\\\\s+',
  '[^aeiou]',
  '\\\\pL',
  '[[:upper:]]',
  'a{2,3}',
  '\\\\bo',
  'l+?',
  '(',
  '[z-a]',
  '*',
  '(?=a)',
  'a**',
  '\\\\8',
  'x{1001}',
  '日|é',
]

const LAYOUTS = [
  '2006-01-02',
  '2006-01-02T15:04:05Z07:00',
  'Mon Jan _2 15:04:05 MST 2006',
  '02/01/06 03:04PM',
  '15:04:05.000',
  '.999999999',
  '2006-002',
  'January Monday',
  'Z0700 -07 -07:00:00',
  '',
  'plain',
  '2006-01-02 15:04',
  '5 4 3 1 2',
]

const DATES = [
  '2024-02-29',
  '2023-12-31T23:59:59Z',
  '2001-02-03 04:05',
  'x',
  '',
  'Thu Feb  1 10:00:00 UTC 2024',
  '1969-07-20',
  '2024-13-01',
]
const ZONES = ['UTC', 'Local', '', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Nowhere/X', 'EST']
const DURATIONS = ['1h', '90m', '-1.5h', '1h2m3s', '100ms', '1us', '300h', '5', '', 'x', '1d', '24h', '720h', '9000h', '1.5s', '-0']
const VERSIONS = [
  '1.2.3',
  'v1.2.3-alpha.1',
  '1.2',
  '1',
  '1.2.3+build',
  '0.0.0',
  'x',
  '',
  '1.2.3-rc.1+b',
  '10.20.30',
  '1.2.3.4',
  '01.2.3',
  'v1.34.0',
  '1.2.3-01',
]
const RANGES = [
  '^1.2',
  '~1.2.3',
  '>=1.0.0 <2.0.0',
  '*',
  '1.x',
  '>1 || <0.5',
  '=1.2.3',
  '!=1.2.3',
  '1 - 2',
  '',
  'bad',
  '>=1.0.0-0',
  '~0',
  '^0.0.3',
  '>= 1.2, < 3',
]
const TYPES = [
  'string',
  'int',
  'float64',
  'bool',
  '[]interface {}',
  'map[string]interface {}',
  '[]string',
  '*x',
  'int64',
  'time.Time',
  'common.Values',
  'x',
]
const KINDS = ['string', 'int', 'float64', 'bool', 'slice', 'map', 'struct', 'ptr', 'int64', 'invalid', 'x']
const PATHS = ['/', '', '.', 'a', '/a/b.txt', 'a/../b', '../x', 'a//b/', '/a/b/', 'x.tar.gz', '..', 'a/./b', '/../a', '.hidden']
const URLS = [
  'http://u:p@h:80/p/a?q=1#f',
  'https://h',
  'h/p',
  '/x y',
  'mailto:a@b',
  '',
  'http://[::1]:8080/',
  'http://h/%zz',
  '//h/p',
  'http://a b/',
  'x://y?z',
  'ftp://h/ü',
  ':x',
  'http://h:port/',
]
const BASE64 = ['aGVsbG8=', 'aGVsbG8', '!!', '', 'NBSWY3DP', 'nbswy3dp', 'YQ==', '/+8=']
const PATTERNS = ['X', '$1', '\u0024{1}-\u0024{2}', '$x', '\u0024{x}', '$$', '', '$1x', '\\\\1', '${', '$0$0']
const JSONS = [
  '{"a":1,"b":[true,null,"x"]}',
  '[1,2.5,"a"]',
  '1',
  '"s"',
  'null',
  '{',
  '',
  '{"a":1}x',
  '[1,]',
  '{"a":1e400}',
  '"\\\\u00e9\\\\ud83d\\\\ude00\\\\ud800"',
  '{"b":2,"a":{"z":1,"y":[]}}',
  'tru',
  '[12345678901234567890]',
  '{"a":1,"a":2}',
  '"\\\\x"',
  ' [ ] ',
]
const YAMLS = [
  'a: 1',
  '- 1\\n- b',
  'a: {b: [c, d]}',
  'x',
  '',
  '- [1, 2]\\n- {a: b}',
  'yes: no',
  'a: 0x10\\nb: 010\\nc: 1_000',
  'a: |\\n  t\\n  u',
  '{',
  'a: b: c',
  'a: &x 1\\nb: *x',
  'a: 2001-01-01',
  'a: ~',
  '1: 2',
  '\\ta: 1',
  'a: !!str 1',
  'a: 1\\na: 2',
  '--- \\na: 1\\n---\\nb: 2',
  'a: .inf',
]
const TOMLS = [
  'a = 1',
  'a = "x"\\n[b]\\nc = true',
  '[[l]]\\nx = 1\\n[[l]]\\nx = 2',
  '',
  'a',
  'a = 1.0\\nb = 1979-05-27T07:32:00Z',
  'a = [1, 2]',
  'a = 0x1f\\nb = inf',
  'a = {x = 1}',
  'a = 1\\na = 2',
]

const NUMBERS = [
  '0',
  '1',
  '-1',
  '2',
  '3',
  '7',
  '10',
  '42',
  '-100',
  '1.5',
  '-0.5',
  '0.1',
  '3.0',
  '1e3',
  '1e21',
  '0x1f',
  '0b11',
  '0o17',
  '1_000',
  "'a'",
  '2147483648',
  '9223372036854775807',
  '1e-7',
  '123456789.125',
  '100000000',
]
const INTS = ['0', '1', '-1', '2', '3', '5', '8', '12', '-4', '100']
const SMALLS = ['0', '1', '2', '3', '4', '6', '-1']

/** A text as a literal of the template language. */
export function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replace(/[\p{Cc}\p{Cf}\p{Zl}]/gu, unicode)}"`
}

function unicode(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Already in the form that stands between quotes. */
function inQuotes(texts: readonly string[]): (random: Random) => string {
  return (random) => `"${random.pick(texts)}"`
}

function text(random: Random): string {
  const value = random.pick(TEXTS)
  return random.chance(0.1) && !value.includes('`') ? `\`${value}\`` : quoted(value)
}

const date = (random: Random) =>
  random.pick([
    `(toDate "2006-01-02" ${quoted(random.pick(DATES))})`,
    random.pick(NUMBERS),
    quoted(random.pick(DATES)),
    '(toDate "2006-01-02T15:04:05Z07:00" "2023-12-31T23:59:59Z")',
  ])
const items = (random: Random) =>
  random.some(['1', '2', '"a"', '"b"', '1.5', 'true', 'nil', '(list 1)', '(dict "k" 1)', '""', '3', '"c"'], 5).join(' ')
const pairs = (random: Random) =>
  random
    .several(
      3,
      () => `${quoted(random.pick(KEYS))} ${random.pick(['1', '"v"', '(list 1 2)', '(dict "k" "v")', 'nil', 'true', '2.5', '""'])}`,
    )
    .join(' ')

export const KEYS = ['a', 'b', 'c', 'k', 'x', 'name', 'my-key', 'missing', 'w', '']

/** A literal of a sort, where it has one. */
export const LITERALS: { readonly [S in Sort]?: (random: Random) => string } = {
  string: text,
  int: (random) => random.pick(INTS),
  small: (random) => random.pick(SMALLS),
  number: (random) => random.pick(NUMBERS),
  bool: (random) => random.pick(['true', 'false']),
  list: (random) =>
    random.pick([
      `(list ${items(random)})`,
      `(list ${items(random)})`,
      '(splitList "," "b,a,,c")',
      '(until 4)',
      '(list)',
      '(tuple "x" "y")',
    ]),
  dict: (random) => random.pick([`(dict ${pairs(random)})`, '(dict)', '(split "." "p.q")', '(urlParse "http://h/p")']),
  key: (random) => random.pick([quoted(random.pick(KEYS)), '0', '1', '"k"', '"a"']),
  date,
  layout: (random) => quoted(random.pick(LAYOUTS)),
  zone: (random) => quoted(random.pick(ZONES)),
  duration: (random) => random.pick([quoted(random.pick(DURATIONS)), random.pick(NUMBERS)]),
  regexp: inQuotes(REGEXPS),
  pattern: inQuotes(PATTERNS),
  format: (random) => quoted(randomFormat(random)),
  version: (random) => quoted(random.pick(VERSIONS)),
  range: (random) => quoted(random.pick(RANGES)),
  yaml: inQuotes(YAMLS),
  json: (random) => `"${random.pick(JSONS).replaceAll('"', '\\"')}"`,
  toml: (random) => `"${random.pick(TOMLS).replaceAll('"', '\\"')}"`,
  url: (random) => quoted(random.pick(URLS)),
  urlparts: (random) =>
    random.pick(['(dict "scheme" "http" "host" "h" "path" "p")', '(urlParse "http://u:p@h/p?q#f")', '(dict)', '(dict "host" 1)']),
  type: (random) => quoted(random.pick(TYPES)),
  kind: (random) => quoted(random.pick(KINDS)),
  path: (random) => quoted(random.pick(PATHS)),
  base64: (random) => quoted(random.pick(BASE64)),
}
