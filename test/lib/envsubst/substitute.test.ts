// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what is tested
import { describe, expect, it } from 'vitest'
import { substitute } from '../../../src/lib/envsubst/index.ts'
import { messageOf } from '../../../src/lib/errors.ts'

const variables = new Map([
  ['path', '/home/bozo/thoughts.for.today'],
  ['file', 'bash.string.txt'],
  ['name', 'aBC def'],
  ['empty', ''],
  ['position', '-5'],
  ['letters', 'ß é'],
])

const lenient = (text: string) => substitute(text, variables, { strict: false })
const strict = (text: string) => substitute(text, variables, { strict: true })

/** What an input gives, in both modes. */
const defined: readonly (readonly [string, string])[] = [
  ['no variables, $name and { } and } stay', 'no variables, $name and { } and } stay'],
  ['${file}', 'bash.string.txt'],
  ['a ${file} b ${empty}c', 'a bash.string.txt b c'],
  // escapes
  ['$${file}', '${file}'],
  ['$$${file}', '$bash.string.txt'],
  ['price: 5$', 'price: 5$'],
  ['a$$b $(x) `$1`', 'a$b $(x) `$1`'],
  ['${file}$${a$${b}$c${empty}', 'bash.string.txt${a${b}$c'],
  // defaults: all behave as "if empty"
  ['${file:=x}${file:-x}${file=x}', 'bash.string.txt'.repeat(3)],
  ['${empty:=d} ${empty:-d} ${empty=d} ${empty:+d} ${empty:?d}', 'd d d d d'],
  ['${missing:=d} ${missing:-d} ${missing=d} ${missing:+d} ${missing:?d}', 'd d d d d'],
  ['[${missing:=}]', '[]'],
  ['${missing:=a b\n"c"}', 'a b\n"c"'],
  ['${missing:=${file}}', 'bash.string.txt'],
  ['${missing:=<${empty:-${file%%.*}}-x>}', '<bash-x>'],
  // case
  ['${name^} ${name^^} ${name,} ${name,,}', 'ABC def ABC DEF aBC def abc def'],
  ['${letters^^}', 'ß É'],
  // length and parts, in bytes
  ['${#file} ${#letters} ${#empty}', '15 5 0'],
  ['${file:5}', 'string.txt'],
  ['${file:5:6}', 'string'],
  ['${file:5:600}|${file:99}|${file:99:1}', 'string.txt||'],
  ['${file:${position}}|${file:${position}:2}', 'g.txt|g.'],
  ['${file:x}|${file:1:x}', 'bash.string.txt|bash.string.txt'],
  // patterns
  ['${file#*.} ${file##*.} ${file%.*} ${file%%.*}', 'string.txt txt bash.string bash'],
  ['${path#*/} ${path##*/} ${path%/*}', 'home/bozo/thoughts.for.today thoughts.for.today /home/bozo'],
  [
    '${file#[a-c]} ${file#[^b]} ${file#[^a]} ${file#????.} ${file#b\\ash}',
    'ash.string.txt bash.string.txt ash.string.txt string.txt .string.txt',
  ],
  ['${file#[} ${file#zz} ${file%[t]}', 'bash.string.txt bash.string.txt bash.string.txt'],
  // replacements
  ['${file/s/S} ${file//s/S} ${file/#bash/zsh} ${file/%txt/md}', 'baSh.string.txt baSh.String.txt zsh.string.txt bash.string.md'],
  ['${file/./} ${file//./}', 'bashstring.txt bashstringtxt'],
  ['${file/#bash/} ${file/%txt/}', 'bash.string.txt bash.string.txt'],
  ['${path//\\//\\\\}', '\\home\\bozo\\thoughts.for.today'],
  ['${file/zz/y}${empty//${empty}/-}', 'bash.string.txt-'],
  ['${file/s/$&$1}', 'ba$&$1h.string.txt'],
]

const malformed: readonly (readonly [string, string])[] = [
  ['${', 'unable to parse variable name'],
  ['${}', 'unable to parse variable name'],
  ['${ x}', 'unable to parse variable name'],
  ['${x', 'missing closing brace'],
  ['${x-d}', 'missing closing brace'],
  ['${x.y}', 'missing closing brace'],
  ['${x:}', 'unable to parse substitution within function'],
  ['${x:=d', 'unable to parse substitution within function'],
  ['${x#}', 'unable to parse substitution within function'],
  ['${x,y}', 'bad substitution'],
  ['${x/a}', 'bad substitution'],
  ['${#}', 'bad substitution'],
  ['${x:1:2${x}}', 'bad substitution'],
]

describe('substitute', () => {
  it.each(defined)('KUS-SUB-03 F-VAR-01 F-VAR-02 turns %j into %j', (text, expected) => {
    expect(lenient(text)).toBe(expected)
    expect(strict(text)).toBe(expected)
  })

  it.each(malformed)('F-VAR-01 refuses %j: %s', (text, message) => {
    expect(() => lenient(text)).toThrow(message)
  })

  it('F-VAR-01 gives an unknown variable as empty text when not strict', () => {
    expect(lenient('[${missing}][${missing^^}][${#missing}]')).toBe('[][][0]')
  })

  it.each([
    '${missing}',
    '${#missing}',
    '${missing^}',
    '${missing,,}',
    '${missing:0}',
    '${missing/a/b}',
    '${missing//a/b}',
    '${missing#a}',
    '${missing%%a}',
    '${file:-${missing}}',
  ])('F-VAR-01 names an unknown variable in strict mode: %s', (text) => {
    expect(() => strict(text)).toThrow('variable not set (strict mode): "missing"')
  })

  it('says where a malformed expansion is', () => {
    expect(placeOf(() => lenient('a: 1\nb: ${x y}'))).toMatchObject({ line: 2, column: 7 })
  })

  it('keeps variables named like parts of every object unset', () => {
    expect(() => strict('${constructor}${__proto__}')).toThrow('variable not set')
  })

  it('stops at a result that is too large', () => {
    const bomb = new Map([['a', 'x'.repeat(1000)]])
    expect(() => substitute('${a//x/${a//x/${a}}}', bomb, { strict: true, maxLength: 1_000_000 })).toThrow('larger than')
    expect(() => substitute('${a}${a}', bomb, { strict: true, maxLength: 1_500 })).toThrow('larger than')
  })

  it('stops at nesting that is too deep', () => {
    expect(() => lenient('${x:='.repeat(5000))).toThrow('nested deeper than 100')
  })

  it('matches a hostile pattern in bounded time', () => {
    const long = new Map([
      ['v', 'a'.repeat(20_000)],
      ['p', `${'*a'.repeat(20_000)}b`],
    ])
    expect(() => substitute('${v#${p}}', long, { strict: true })).toThrow('takes too long')
  })
})

function placeOf(run: () => unknown): unknown {
  try {
    run()
  } catch (thrown) {
    return (thrown as { place?: unknown }).place ?? messageOf(thrown)
  }
  return undefined
}
