import { describe, expect, test } from 'vitest'
import { FuncError, func, p } from '../../../src/lib/gotemplate/func.ts'
import { Budget, LimitError, parseTemplate, TemplateError, type TemplateSet } from '../../../src/lib/gotemplate/index.ts'
import type { Value } from '../../../src/lib/gotemplate/value.ts'
import { sampleSet } from './sample.ts'

function run(set: TemplateSet, name: string, data: Value = null): string {
  return set.execute(name, data, { budget: new Budget() })
}

function failure(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}

describe('a set', () => {
  test('executes templates that others define', () => {
    const set = sampleSet()
    set.parse('parts', '{{ define "greeting" }}hello {{ . }}{{ end }}')
    set.parse('page', '{{ template "greeting" "you" }}')
    expect(run(set, 'page')).toBe('hello you')
    expect(set.names().toSorted()).toEqual(['greeting', 'page', 'parts'])
  })

  test('lets a later template replace one of its name, unless it is empty', () => {
    const set = sampleSet()
    set.parse('a', 'first')
    set.parse('a', 'second')
    const empty = set.parse('a', ' \n{{/* nothing */}}')
    expect(run(set, 'a')).toBe('second')
    expect(set.execute(empty, null, { budget: new Budget() })).toBe(' \n')
  })

  test('keeps what a clone parses and binds out of the original', () => {
    const set = sampleSet()
    set.parse('a', 'a')
    const clone = set.clone()
    clone.bind(
      'shout',
      func([p.string], p.string, (text) => `${text}!`),
    )
    clone.parse('a', '{{ shout "b" }}')
    expect([run(set, 'a'), run(clone, 'a')]).toEqual(['a', 'b!'])
    expect(() => set.parse('c', '{{ shout "c" }}')).toThrow('template: c:1: function "shout" not defined')
  })

  test('takes templates that were parsed before', () => {
    const trees = parseTemplate('page', '{{ upper .x }}{{ define "y" }}z{{ end }}', { isFunction: (name) => name === 'upper' })
    const set = sampleSet()
    set.add(trees)
    expect(run(set, 'page', new Map([['x', 'a']]))).toBe('A')
    expect(run(set, 'y')).toBe('z')
  })

  test('names the template that there is not', () => {
    expect(() => run(sampleSet(), 'nope')).toThrow('template: no template "nope" associated with template "gotpl"')
  })

  test('reads other delimiters', () => {
    const set = sampleSet({ delims: { left: '<<', right: '>>' } })
    set.parse('a', '{{ 1 }} <<- 2 ->> <</* note */>>')
    expect(run(set, 'a')).toBe('{{ 1 }}2')
  })
})

describe('an error', () => {
  test('has what the function threw as its cause', () => {
    const cause = new FuncError('broken')
    const set = sampleSet()
    set.bind(
      'breaks',
      func([], p.string, () => {
        throw cause
      }),
    )
    set.parse('a', '{{ breaks }}')
    const error = failure(() => run(set, 'a'))
    expect(error).toBeInstanceOf(TemplateError)
    expect(error).toMatchObject({ phase: 'execute', cause })
  })

  test('of a nested execution is wrapped, a limit is not', () => {
    const set = sampleSet()
    const budget = new Budget({ maxSteps: 1000 })
    set.bind(
      'include',
      func([p.string], p.string, (name) => set.execute(name, null, { budget })),
    )
    set.parse('inner', '{{ upper 1 }}')
    set.parse('outer', '{{ include "inner" }}')
    set.parse('endless', '{{ range 9223372036854775807 }}{{ end }}')
    set.parse('limited', '{{ include "endless" }}')
    expect(() => run(set, 'outer')).toThrow(
      'template: outer:1:3: executing "outer" at <include "inner">: error calling include: ' +
        'template: inner:1:9: executing "inner" at <1>: expected string; found 1',
    )
    expect(() => run(set, 'limited')).toThrow(LimitError)
  })
})

describe('a hostile template', () => {
  test.each([
    ['{{ range 9223372036854775807 }}{{ end }}', { maxSteps: 10_000 }],
    ['{{ range 100000 }}0123456789{{ end }}', { maxBytes: 10_000 }],
    ['{{ range 100000 }}{{ print "0123456789" }}{{ end }}', { maxBytes: 10_000 }],
    ['{{ define "b" }}{{ range 2 }}{{ template "b" }}{{ end }}{{ end }}{{ template "b" }}', { maxSteps: 100 }],
  ])('ends within its budget: %s', (template, limits) => {
    const set = sampleSet()
    set.parse('a', template)
    expect(() => set.execute('a', null, { budget: new Budget(limits) })).toThrow(LimitError)
  })

  test('cannot use up the stack with actions inside of each other', () => {
    const deep = 200_000
    const branches = `${'{{ if true }}'.repeat(deep)}${'{{ end }}'.repeat(deep)}`
    expect(() => sampleSet().parse('a', branches)).toThrow(LimitError)
    const parens = `{{ ${'('.repeat(deep)}1${')'.repeat(deep)} }}`
    expect(() => sampleSet().parse('a', parens)).toThrow('template: a:1: max expression depth exceeded')
  })

  test('cannot use up the stack with functions that execute templates', () => {
    const set = sampleSet()
    set.bind(
      'again',
      func([], p.string, () => run(set, 'a')),
    )
    set.parse('a', '{{ again }}')
    expect(() => run(set, 'a')).toThrow(LimitError)
  })

  test('sees no properties of objects', () => {
    const set = sampleSet()
    set.parse('a', '{{ .constructor }}|{{ .__proto__ }}|{{ index . "toString" }}|{{ len .list.length }}')
    expect(() => run(set, 'a', new Map([['list', ['a']]]))).toThrow("can't evaluate field length in type interface {}")
    set.parse('b', '{{ .constructor }}|{{ .__proto__ }}|{{ index . "toString" }}')
    expect(run(set, 'b', new Map())).toBe('<no value>|<no value>|<no value>')
    for (const name of ['constructor', 'toString', '__proto__']) {
      expect(() => set.parse('c', `{{ ${name} }}`)).toThrow(`function "${name}" not defined`)
    }
  })
})
