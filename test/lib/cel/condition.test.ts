import { describe, expect, it } from 'vitest'
import { CelValue, compileCondition } from '../../../src/lib/cel/index.ts'

const dep = {
  metadata: { name: 'base', labels: { 'app/version': 'v1.2.3' }, creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { replicas: 2, list: ['a', 'b'] },
  status: { ready: true, share: 0.5, conditions: [{ type: 'Ready', status: 'True' }] },
}

const holds = (expression: string) => compileCondition(expression, { variables: ['dep', 'self'] }).holds({ dep, self: dep })

describe('a CEL condition', () => {
  it.each([
    "dep.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')",
    "dep.metadata.labels['app/version'] == self.metadata.labels['app/version']",
    "dep.status.?phase.orValue('Running') == 'Running' && !has(dep.status.phase)",
    'dep.spec.replicas + 1 == 3 && dep.spec.replicas > 1.5 && dep.status.share < 1',
    "timestamp(dep.metadata.creationTimestamp) < timestamp('2030-01-01T00:00:00Z')",
    "dep.metadata.name.matches('^ba(?i:SE)$') && !dep.metadata.name.matches('^x') && matches('ab', 'b')",
    "'.matches(' == '.matches(' && dep.spec.list.exists(x, x.matches('a|b'))",
    "'a-b'.split('-')[1] == 'b' && ['a', 'b'].join(',') == 'a,b' && 'ABC'.lowerAscii().substring(1) == 'bc'",
    "'abc'.charAt(1) == 'b' && 'abc'.reverse() == 'cba' && 'aXbX'.replace('X', '') == 'ab' && 'aXbX'.replace('X', '-', 1) == 'a-bX'",
    "'%s is %d of %.1f%%, %x'.format([dyn('a'), dyn(2), dyn(99.5), dyn(255)]) == 'a is 2 of 99.5%, ff'",
    'strings.quote(\'a"b\') == \'"a\\\\"b"\'',
    "['a', 'b'].first().value() == 'a' && 'a-b'.split('-').last().value() == 'b'",
    'sets.contains([1, 2], [2.0]) && sets.equivalent([1, 2], [2, 1, 1]) && !sets.intersects([1], [2])',
    "base64.encode(b'abc') == 'YWJj' && string(base64.decode('YWJj')) == 'abc'",
  ])('API-22 KUS-DEP-01 holds: %s', (expression) => {
    expect(holds(expression)).toBe(true)
  })

  it('may be false', () => {
    expect(holds('dep.status.ready == false')).toBe(false)
  })

  it.each([
    ['dep.', "failed to parse the CEL expression 'dep.'"],
    ['other.x == 1', "failed to parse the CEL expression 'other.x == 1'"],
    ["dep == 'x'", "failed to parse the CEL expression 'dep == 'x''"],
    ["'text'", 'CEL expression output type mismatch: expected bool, got string'],
    ['dep.status.ready', 'CEL expression output type mismatch: expected bool, got dyn'],
    [`${'('.repeat(1000)}true${')'.repeat(1000)}`, 'failed to parse'],
  ])('API-22 F-APP-16 is refused before it is used: %s', (expression, message) => {
    expect(() => compileCondition(expression, { variables: ['dep', 'self'] })).toThrow(message)
  })

  it.each(['dep.status.phase == 1', 'dep.constructor == 1', 'has(dep.x.y)'])(
    'fails on a field that is not there: %s',
    (expression) => {
      expect(() => holds(expression)).toThrow(`failed to evaluate the CEL expression '${expression}'`)
    },
  )

  it('F-APP-14 without declared variables is not type-checked, and must come out as a boolean', () => {
    expect(compileCondition('status.ready && spec.replicas == 2').holds(dep)).toBe(true)
    expect(() => compileCondition('status.share').holds(dep)).toThrow(
      "failed to evaluate CEL expression as boolean: 'status.share'",
    )
  })

  it('takes fields with names of the prototype for fields', () => {
    const of = (expression: string) =>
      compileCondition(expression, { variables: ['x'] }).holds({ x: { constructor: 1, inner: { constructor: { a: 2 } } } })
    expect(of('has(x.inner) && x.constructor == 1 && size(x) == 2')).toBe(true)
    expect(of("x.inner.constructor.a == 2 && 'constructor' in x.inner")).toBe(true)
    expect(of('has(x.toString)')).toBe(false)
  })

  it('takes values that were made ready for many evaluations', () => {
    const x = CelValue.of({ replicas: 2 })
    const y = CelValue.map(new Map<string, unknown>([['x', 3n]]))
    expect(compileCondition('x.replicas + 1 == y.x', { variables: ['x', 'y'] }).holds({ x, y })).toBe(true)
  })

  it('is ended when it takes too long', () => {
    const list = Array.from({ length: 3_000 }, (_, index) => index)
    const compiled = compileCondition('x.list.all(a, x.list.all(b, a * b >= 0))', { variables: ['x'] })
    expect(() => compiled.holds({ x: { list } })).toThrow('timed out')
  })

  it('is not ended because other programs have the processor', () => {
    const sleeper = new Int32Array(new SharedArrayBuffer(4))
    let times = 0
    const x = {
      get ready() {
        if (times++ < 2) Atomics.wait(sleeper, 0, 0, 150)
        return true
      },
    }
    expect(compileCondition('x.ready == true', { variables: ['x'] }).holds({ x })).toBe(true)
  })
})
