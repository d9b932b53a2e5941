import { describe, expect, it } from 'vitest'
import { ParseError } from '../../../src/lib/errors.ts'
import { compareKeys, type Dialect, emit, loadAll, nodeToJson, parseNodes, printNode } from '../../../src/lib/yaml/index.ts'

function load(text: string, dialect: Dialect = 'sigs') {
  return loadAll(text, { dialect, file: 'a.yaml' })[0]
}

describe('loadAll', () => {
  it.each([
    ['on', true, 'on'],
    ['No', false, 'No'],
    ['true', true, true],
    ['0777', 511, 511],
    ['010', 8, 8],
    ['08', 8, 8],
    ['0o17', 15, 15],
    ['0b11', 3, 3],
    ['1_000', 1000, 1000],
    ['1e3', 1000, 1000],
    ['685_230.15', 685230.15, 685230.15],
    ['1:30', '1:30', '1:30'],
    ['2001-12-14', '2001-12-14', '2001-12-14T00:00:00Z'],
    ['2001-02-30', '2001-02-30', '2001-02-30'],
    ['2001-12-14t21:59:43.10-05:00', '2001-12-14t21:59:43.10-05:00', '2001-12-14T21:59:43.1-05:00'],
    ['~', null, null],
    ['9007199254740993', 9007199254740993n, 9007199254740993n],
    ['12345678901234567890', 12345678901234567890n, 12345678901234567890n],
    ['!foo bar', 'bar', 'bar'],
    ['!!str 12', '12', '12'],
    ['!!binary aGk=', 'hi', 'hi'],
    ['"on"', 'on', 'on'],
  ])('F-KUS-08 reads %s as each Go library does', (text, sigs, kyaml) => {
    expect(load(`k: ${text}`, 'sigs')).toEqual({ k: sigs })
    expect(load(`k: ${text}`, 'kyaml')).toEqual({ k: kyaml })
  })

  it('reads boolean words as keys in the sigs dialect only', () => {
    expect(load('on: 1')).toEqual({ true: 1 })
    expect(load('on: 1', 'kyaml')).toEqual({ on: 1 })
  })

  it('merges mappings, own keys and earlier mappings first', () => {
    const text = 'a: &a {p: 1, q: 1}\nb: &b {q: 2, r: 2}\nc:\n  <<: [*a, *b]\n  p: 0\n'
    expect(load(text, 'kyaml')).toMatchObject({ c: { p: 0, q: 1, r: 2 } })
    expect(load(text, 'sigs')).toMatchObject({ c: { p: 0, q: 1, r: 2 } })
  })

  it('keeps the keys of a prototype as plain keys', () => {
    const value = load('__proto__: {polluted: true}\nconstructor: 1')
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor'])
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    expect(emit(value ?? null)).toBe('__proto__:\n  polluted: true\nconstructor: 1\n')
  })

  it('F-KUS-06 names file and line of a tab, a duplicate key and a NUL byte; takes a byte-order mark and CRLF', () => {
    expect(() => load('a:\n\tb: 1\n')).toThrow(/^a\.yaml: yaml: line 2: /)
    expect(() => load('a: 1\nb: 2\na: 3\n', 'kyaml')).toThrow('a.yaml: yaml: line 3: mapping key "a" already defined at line 1')
    expect(() => load('a: 1\nb: "x\0"\n')).toThrow(/^a\.yaml: yaml: line 2: /)
    expect(load('\ufeffa: 1\r\nb: |\r\n  x\r\n')).toEqual({ a: 1, b: 'x\n' })
  })

  it('F-KUS-07 stops at alias bombs, deep nesting and huge texts', () => {
    const bomb = ['a0: &a0 [x,x,x,x,x,x,x,x,x]']
    for (let i = 1; i < 10; i++)
      bomb.push(
        `a${i}: &a${i} [${Array(9)
          .fill(`*a${i - 1}`)
          .join(',')}]`,
      )
    for (const dialect of ['sigs', 'kyaml'] as const) {
      expect(() => load(bomb.join('\n'), dialect)).toThrow('excessive aliasing')
      expect(() => load(`${'['.repeat(5000)}${']'.repeat(5000)}`, dialect)).toThrow(ParseError)
    }
    expect(() => loadAll('a: 1', { dialect: 'sigs', maxLength: 3 })).toThrow('more than the limit of 3')
    expect(() => load('a: &a [*a]')).toThrow('contains itself')
    expect(() => load('a: &a [*a]', 'kyaml')).toThrow('contains itself')
  })

  it.each([
    ['a: {b: 1,\nc: 2\n}', { a: { b: 1, c: 2 } }],
    ['a: "one\ntwo"', { a: 'one two' }],
    ['a: b\n  c\n\n  d', { a: 'b c\nd' }],
    ['? a\n: b', { a: 'b' }],
    ['a: &x 1\nb: *x', { a: 1, b: 1 }],
    ['a: [b: c, {d}]', { a: [{ b: 'c' }, { d: null }] }],
    ['a:\n- b\n-\n  c: d', { a: ['b', { c: 'd' }] }],
    ['a: >\n  x\n  y\n\n   z\n', { a: 'x y\n\n z\n' }],
    ['a: |2-\n   x\n', { a: ' x' }],
    ['a: b#c\nd: e # f', { a: 'b#c', d: 'e' }],
    ["\"a b\": 'it''s'", { 'a b': "it's" }],
    ['a: "x\\\n  y\\u263a"', { a: 'xy\u263a' }],
  ])('takes what libyaml takes: %j', (text, expected) => {
    expect(load(text, 'kyaml')).toEqual(expected)
  })

  it.each([
    ['a: b: c', 'yaml: mapping values are not allowed in this context'],
    ['x: 1\na: b: c', 'yaml: line 2: mapping values are not allowed in this context'],
    ['x: 1\na: @b', 'yaml: line 2: found character that cannot start any token'],
    ['x: 1\na\nb: 1', `yaml: line 2: could not find expected ':'`],
    ['x: 1\na: "b', 'yaml: line 2: found unexpected end of stream'],
    ['x: 1\na: [b\nc: d', `yaml: line 1: did not find expected ',' or ']'`],
    ['x:\n  a: 1\n - b', 'yaml: line 2: did not find expected key'],
    ['x: 1\na: *b', `yaml: line 2: unknown anchor 'b' referenced`],
    ['x: 1\na: "\\q"', 'yaml: line 2: found unknown escape character'],
    ['%YAML 1.2\n---\na: 1', 'yaml: found incompatible YAML document'],
  ])('refuses what libyaml refuses, in its words: %j', (text, message) => {
    expect(() => loadAll(text, { dialect: 'kyaml' })).toThrow(expect.objectContaining({ message }))
  })

  it('has a value for each document, none for comments alone', () => {
    expect(loadAll('a: 1\n---\n---\nb: 2\n', { dialect: 'sigs' })).toEqual([{ a: 1 }, null, { b: 2 }])
    expect(loadAll('# nothing\n', { dialect: 'sigs' })).toEqual([])
  })
})

describe('nodeToJson', () => {
  const reprint = (text: string) => parseNodes(text, { dialect: 'kyaml', file: 'a.yaml' }).map((node) => nodeToJson(node, 'a.yaml'))

  it.each([
    ['k: >\n  a\n    b\n  c\n', 'a\n\n  b\nc\n'],
    ['k: >\n  a\n  b\n', 'a b\n'],
    ['k: |\n  a\n    b\n', 'a\n  b\n'],
  ])('F-KUS-08 reads block texts as after one more printing: %#', (text, k) => {
    expect(reprint(text)).toEqual([{ k }])
  })

  it('refuses a block text that begins with a tab, as go-yaml cannot read what it writes for it', () => {
    expect(() => reprint('k: |\n  \ta\n')).toThrow(/^a\.yaml: yaml: line 2: found a tab character/)
  })

  it('turns a null without text into an empty text between brackets', () => {
    expect(reprint('k: [{a: }]\nl:\n')).toEqual([{ k: [{ a: '' }], l: null }])
  })
})

describe('printNode', () => {
  it.each(['a: 1\nb:\n- c\n- d: "e"\n  f: \'g\'\n', 'a: {b: [1, 2]}\n', 'a: |\n  x\n  y\nb: []\n'])(
    'keeps order and styles of %j',
    (text) => {
      const [node] = parseNodes(text, { dialect: 'kyaml' })
      expect(node && printNode(node)).toBe(text)
    },
  )
})

describe('emit', () => {
  it.each([
    [{ b: [1, { c: 'x', a: [] }], a: {} }, 'a: {}\nb:\n- 1\n- a: []\n  c: x\n'],
    [[['a', 'b'], ['c']], '- - a\n  - b\n- - c\n'],
    [{ k: 'on', y: 'n' }, 'k: "on"\n"y": "n"\n'],
    [
      ['', '~', '1', '1.5', '0x1f', '2001-12-14', '1:30', 'null', '<<'],
      '- ""\n- "~"\n- "1"\n- "1.5"\n- "0x1f"\n- "2001-12-14"\n- "1:30"\n- "null"\n- <<\n',
    ],
    [
      ['a: b', '- a', ' a', 'a ', '#a', 'a #b', '*a', "it's", '@a'],
      "- 'a: b'\n- '- a'\n- ' a'\n- 'a '\n- '#a'\n- 'a #b'\n- '*a'\n- it's\n- '@a'\n",
    ],
    [['a\tb', '\u0007', '😀', 'ü', '\u2028'], '- "a\\tb"\n- "\\a"\n- "\\U0001F600"\n- ü\n- \'\u2028\'\n'],
    [{ k: 'a\nb\n' }, 'k: |\n  a\n  b\n'],
    [{ k: 'a\nb' }, 'k: |-\n  a\n  b\n'],
    [{ k: 'a\n\n' }, 'k: |+\n  a\n\n'],
    [{ k: ' a\n' }, 'k: |2\n   a\n'],
    [{ k: 'a \nb' }, 'k: "a \\nb"\n'],
    [{ k: 'a\n\tb' }, 'k: "a\\n\\tb"\n'],
    [
      [1e21, 0.00001, 1234567.5, 1e20, 100, 12345678901234567890n],
      '- 1e+21\n- 1e-05\n- 1.2345675e+06\n- 1e+20\n- 100\n- 12345678901234567890\n',
    ],
  ])('prints values as Go does: %#', (value, expected) => {
    expect(emit(value)).toBe(expected)
  })

  it('folds plain and quoted lines after column 80', () => {
    const words = 'word '.repeat(20).trim()
    expect(emit({ k: words })).toBe(`k: ${'word '.repeat(15)}word\n  ${'word '.repeat(4).trim()}\n`)
  })

  it('writes a key of more than 128 bytes as a complex one', () => {
    const key = 'k'.repeat(129)
    expect(emit({ [key]: 1 })).toBe(`? ${key}\n: 1\n`)
  })
})

it('sorts keys in natural order', () => {
  expect(['k10', 'k2', 'aB', 'a_b', 'b', 'a1', 'a01', 'a'].sort(compareKeys)).toEqual([
    'a',
    'a_b',
    'a1',
    'a01',
    'aB',
    'b',
    'k2',
    'k10',
  ])
})
