/** Random values files, as text: the spelling of a value matters as much as the value. */

import type { Random } from '../random.ts'

/** What templates find under `.Values`; random values are added to it. */
export const VALUES = `str: hello
empty: ""
num: 42
neg: -7
flt: 3.25
one: 1.0
big: 1000000
huge: 12345678901234567890
yes: true
no: false
"on": off
nul: null
list: [a, b, c]
nums: [3, 1, 2]
none: []
map: {b: 2, a: 1, c: {z: 26, w: [1, 2]}}
emap: {}
mixed: [1, two, 3.5, true, null, {k: v}, [x]]
people:
- {name: ann, age: 31, tags: [x, z]}
- {name: bob, age: 7}
multi: |
  line one
    line two
numstr: "0123"
"my-key": dashed
tplstr: '{{ .Values.str }}-{{ .Release.Name }}'
uni: héllo ✓
`

const KEYS = [
  'a',
  'b',
  'k-1',
  'x.y',
  '1',
  'true',
  'yes',
  '"q"',
  'ü',
  '"a b"',
  '1.5',
  'on',
  '"#"',
  '0x1',
  "'s'",
  '-a',
  '"\\n"',
  '_',
  'A',
  'a1',
  'a10',
  'a2',
  'é',
  '2001-01-01',
]

const SCALARS = [
  '1',
  '0',
  '-1',
  '1.0',
  '1.5',
  '1e3',
  '1e100',
  '1E-7',
  '0.1',
  '.5',
  '5.',
  '1_000',
  '0x1F',
  '0o17',
  '017',
  '08',
  '0b11',
  '9007199254740993',
  '18446744073709551616',
  '123456789012345678901234567890',
  '.inf',
  '-.INF',
  '.nan',
  'true',
  'True',
  'yes',
  'No',
  'on',
  'y',
  'n',
  '~',
  'null',
  'Null',
  '',
  '""',
  "''",
  'text',
  'two words',
  "it's",
  '"esc \\t \\u00e9 \\x41 \\e"',
  "'single ''q'''",
  '2001-01-01',
  '2001-12-14t21:59:43.10-05:00',
  '12:30:45',
  '#no',
  'a#b',
  '{a}',
  '[a, [b], {c: d}]',
  '{a: 1, b: {c: ~}}',
  '|\n  lit\n   eral\n',
  '|-\n  strip\n\n',
  '|+\n  keep\n\n',
  '>\n  fold\n  ed\n\n  new\n    more\n',
  '>-\n  f\n',
  '|2\n    lead\n',
  '"multi\n  line"',
  'plain\n  multi\n  line',
  '!!str 1',
  '!!int "3"',
  '!!float 1',
  '!!binary aGk=',
  '&a v',
  '-',
  'x'.repeat(90),
  'word '.repeat(30),
  '😀',
  '\u00a0nbsp',
  '"\\u2028"',
  '"tab\\there"',
  '" lead"',
  '"trail "',
  '"a\\nb"',
  '"\\n"',
  '"a\\n\\nb\\n"',
  '"  \\n x"',
]

/** Most of these are errors. */
const ODD = [
  '<<',
  'a: b',
  '- x',
  '[',
  '!x y',
  '*a',
  '@x',
  '`x`',
  '%x',
  '?',
  '=',
  '"\\0"',
  '&a',
  '!!map x',
  '!!int x',
  '"\\q"',
  "'open",
  '|x',
  '>9',
  '{a: 1',
  '[a]]',
]

/** A mapping in block style, nested at most so deep. */
export function randomYaml(random: Random, depth = 3): string {
  return random
    .several(5, () => {
      const key = random.pick(KEYS)
      return `${key}:${value(random, depth)}`
    })
    .join('')
}

function value(random: Random, depth: number): string {
  if (depth > 0 && random.chance(0.25)) return `\n${indented(randomYaml(random, depth - 1), random.pick(['  ', ' ', '    ']))}`
  if (depth > 0 && random.chance(0.2)) return `\n${indented(sequence(random, depth - 1), random.pick(['', '  ']))}`
  return ` ${indented(scalar(random), '  ').trimStart()}\n`.replace(/\n\n$/, '\n')
}

function scalar(random: Random): string {
  return random.pick(random.chance(0.02) ? ODD : SCALARS)
}

function sequence(random: Random, depth: number): string {
  return random
    .several(4, () => {
      if (depth > 0 && random.chance(0.3)) return `- ${indented(randomYaml(random, depth - 1), '  ').trimStart()}`
      return `- ${indented(scalar(random), '  ').trimStart()}\n`.replace(/\n\n$/, '\n')
    })
    .join('')
}

function indented(text: string, by: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? line : by + line))
    .join('\n')
}
