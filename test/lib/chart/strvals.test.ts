import { describe, expect, it } from 'vitest'
import { applySet, applySetFile, applySetJson, applySetLiteral, applySetString } from '../../../src/lib/chart/strvals.ts'
import { messageOf } from '../../../src/lib/errors.ts'
import { type Dict, int64 } from '../../../src/lib/gotemplate/value.ts'
import { plain, table } from './values.ts'

type Flag = 'set' | 'string' | 'json' | 'file' | 'literal'

const flags: Readonly<Record<Flag, (line: string, values: Dict) => void>> = {
  set: applySet,
  string: applySetString,
  json: applySetJson,
  file: (line, values) => applySetFile(line, values, (file) => `F(${file})`),
  literal: applySetLiteral,
}

describe('the syntax of --set, as Helm answers', () => {
  const cases: readonly [Flag, string, object | string][] = [
    ['set', 'a=1,b=two,c=true,d=null', { a: 1, b: 'two', c: true, d: null, kept: { y: 1 }, text: 's' }],
    ['set', 'outer.inner.leaf=x', { kept: { y: 1 }, outer: { inner: { leaf: 'x' } }, text: 's' }],
    ['set', 'list={1,two,}', { kept: { y: 1 }, list: [1, 'two', ''], text: 's' }],
    ['set', 'list[1]=b', { kept: { y: 1 }, list: [null, 'b'], text: 's' }],
    ['set', 'servers[0].port=80,servers[0].host=h', { kept: { y: 1 }, servers: [{ host: 'h', port: 80 }], text: 's' }],
    ['set', 'grid[1][0]=x', { grid: [null, ['x']], kept: { y: 1 }, text: 's' }],
    ['set', 'dotted\\.key=a\\,b', { 'dotted.key': 'a,b', kept: { y: 1 }, text: 's' }],
    ['set', 'n=007,m=0,o=-5,p=9223372036854775808', { kept: { y: 1 }, m: 0, n: '007', o: -5, p: '9223372036854775808', text: 's' }],
    ['set', 'f=1.5,e=', { e: '', f: '1.5', kept: { y: 1 }, text: 's' }],
    ['set', 'lonely', 'key "lonely" has no value'],
    ['set', 'a,b=1', 'key "a" has no value (cannot end with ,)'],
    ['set', 'a..b=1', 'key map "a" has no value'],
    ['set', 'a[x]=1', 'error parsing index: strconv.Atoi: parsing "x": invalid syntax'],
    ['set', 'a[-1]=1', 'negative -1 index not allowed'],
    ['set', 'a[70000]=1', 'index of 70000 is greater than maximum supported index of 65536'],
    ['set', 'a[0', { kept: { y: 1 }, text: 's' }],
    ['set', 'a[0]b=1', "unexpected data at end of array index: ['b']"],
    ['set', 'a={1,2', "list must terminate with '}'"],
    ['set', 'a[0].b=', { a: [], kept: { y: 1 }, text: 's' }],
    ['set', 'kept.x=2', { kept: { x: 2, y: 1 }, text: 's' }],
    ['set', 'text.x=2', 'unable to parse key: interface conversion: interface {} is string, not map[string]interface {}'],
    ['set', 'kept[0]=2', 'unable to parse key: interface conversion: interface {} is map[string]interface {}, not []interface {}'],
    [
      'set',
      'a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1',
      'value name nested level is greater than maximum supported nested level of 30',
    ],
    ['set', '=1', { kept: { y: 1 }, text: 's' }],
    ['string', 'a=1,b={2,3},c=null', { a: '1', b: ['2', '3'], c: 'null', kept: { y: 1 }, text: 's' }],
    ['json', 'a={"x":[1,null]},b=[2],c=,d="q"', { a: { x: [1, null] }, b: [2], c: null, d: 'q', kept: { y: 1 }, text: 's' }],
    ['json', 'a.b=1 , c[1]=true', { ' c': [null, true], a: { b: 1 }, kept: { y: 1 }, text: 's' }],
    ['file', 'a=path,b={p,q}', { a: 'F(path)', b: ['F(p)', 'F(q)'], kept: { y: 1 }, text: 's' }],
    ['literal', 'a=1,b={2}\\', { a: '1,b={2}\\', kept: { y: 1 }, text: 's' }],
    ['literal', 'a.b[0]=x=y', { a: { b: ['x=y'] }, kept: { y: 1 }, text: 's' }],
    ['literal', 'a', 'key "a" has no value'],
  ]
  it.each(cases)('%s %s', (flag, line, expected) => {
    const values = table({ kept: { y: 1 }, text: 's' })
    expect(outcome(() => flags[flag](line, values), values)).toEqual(expected)
  })
})

function outcome(apply: () => void, values: Dict): unknown {
  try {
    apply()
    return plain(values)
  } catch (error) {
    return messageOf(error)
  }
}

it('makes whole numbers int64, unlike those of values files', () => {
  const values: Dict = new Map()
  applySet('port=80', values)
  expect(values.get('port')).toEqual(int64(80))
})

it('keeps names that JavaScript knows as names', () => {
  const values: Dict = new Map()
  applySet('__proto__.polluted=1,constructor=x', values)
  expect([...values.keys()]).toEqual(['__proto__', 'constructor'])
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
})
