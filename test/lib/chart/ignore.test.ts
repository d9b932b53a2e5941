import { describe, expect, it } from 'vitest'
import { parseIgnoreRules } from '../../../src/lib/chart/ignore.ts'
import { messageOf } from '../../../src/lib/errors.ts'

describe('.helmignore, as Helm answers (a slash at the end marks a directory)', () => {
  const cases: readonly [string, readonly string[], readonly boolean[] | string][] = [
    ['*.txt', ['a.txt', 'deep/b.txt', 'c.md'], [true, true, false]],
    ['/top', ['top', 'deep/top'], [true, false]],
    ['build/', ['build/', 'build'], [true, false]],
    ['docs/*.md', ['docs/a.md', 'docs/b/c.md'], [true, false]],
    ['!keep*', ['keep.yaml', 'other.yaml'], [false, true]],
    ['[a-c]?', ['ab', 'dd', 'a'], [true, false, false]],
    ['# all\n\n *.bak ', ['x.bak'], [true]],
    ['', ['templates/.hidden', 'templates/a.yaml', '.hidden'], [true, false, false]],
    ['a**b', ['a'], 'double-star (**) syntax is not supported'],
    ['[a', ['a'], 'syntax error in pattern'],
    ['x*[', ['xa', 'b'], [false, false]],
  ]
  it.each(cases)('%j', (text, paths, expected) => {
    expect(outcome(text, paths)).toEqual(expected)
  })
})

function outcome(text: string, paths: readonly string[]): unknown {
  try {
    const rules = parseIgnoreRules(text)
    return paths.map((path) => rules.ignores(path.replace(/\/$/, ''), path.endsWith('/')))
  } catch (error) {
    return messageOf(error)
  }
}

it('takes time in proportion to pattern and path', () => {
  const rules = parseIgnoreRules(`${'*a'.repeat(200)}b`)
  expect(rules.ignores('a'.repeat(20_000), false)).toBe(false)
})
