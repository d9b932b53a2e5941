import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadBlock } from '../../../src/lib/yaml/block.ts'
import { loadAll } from '../../../src/lib/yaml/load.ts'

/** What the parser says; the error's text where it refuses. */
function parsed(text: string): unknown {
  try {
    return loadAll(text, { dialect: 'sigs', firstOnly: true })[0]
  } catch (error) {
    return `refused: ${String(error)}`
  }
}

const index = `apiVersion: v1
entries:
  shop:
  - annotations:
      category: Web
      notes: |
        - one

          two
    apiVersion: v2
    appVersion: 1.2.3
    created: "2026-01-01T00:00:00Z"
    deprecated: true
    description: A chart that does what
      charts do, e.g. nothing
    keywords: []
    maintainers:
    - email: someone@example.com
      name: someone
    urls:
    - https://example.com/shop-1.0.0.tgz
    version: 1.0.0
  # a comment
generated: "2026-01-01T00:00:00Z"
`

describe('the short way through YAML', () => {
  it('reads what programs write', () => {
    expect(loadBlock(index)).toEqual(parsed(index))
    expect(loadBlock('---\nreplicas: 2\nenabled: no\nempty:\nlist:\n  - a\n  - b: 1\n    c: 2\n')).toEqual({
      replicas: 2,
      enabled: false,
      empty: null,
      list: ['a', { b: 1, c: 2 }],
    })
  })

  it.each([
    ['an anchor', 'a: &x 1\nb: *x\n'],
    ['a merge', 'a:\n  <<: b\n'],
    ['a tag', 'a: !!str 1\n'],
    ['a key twice', 'a: 1\na: 2\n'],
    ['a key that is no text', 'on: 1\n'],
    ['a flow map', 'a: {b: 1}\n'],
    ['an escape', 'a: "\\n"\n'],
    ['a comment behind a value', 'a: b # c\n'],
    ['a tab', 'a:\tb\n'],
    ['a folded block', 'a: >\n  b\n'],
    ['another document', 'a: 1\n---\nb: 1\n'],
    ['a float', 'a: 1.10\n'],
    ['nothing', '# nothing\n'],
    ['a line that stands too deep', 'a: 1\n  b: 2\n'],
    ['a list in a list', '- - a\n'],
    ['a level too many', Array.from({ length: 200 }, (_, level) => `${' '.repeat(level)}a:\n`).join('')],
  ])('leaves %s to the parser', (_, text) => {
    expect(loadBlock(text)).toBeUndefined()
  })

  it('gives for every file of the fixtures what the parser gives', () => {
    const fixtures = join(import.meta.dirname, '../../fixtures')
    const files = globSync('**/*.{yaml,yml,lock}', { cwd: fixtures })
    const texts = files.map((file) => readFileSync(join(fixtures, file), 'utf8')).filter((text) => text.length < 100_000)
    const read = texts.filter((text) => loadBlock(text) !== undefined)
    for (const text of read) expect(loadBlock(text)).toEqual(parsed(text))
    expect(read.length).toBeGreaterThan(texts.length / 4)
  })

  it('gives what the parser gives for thousands of texts that are almost as programs write them', () => {
    const random = generator(7)
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
    let read = 0
    for (let round = 0; round < 20_000; round++) {
      const text = disturbed(document(random, pick), random, pick)
      const value = loadBlock(text)
      if (value === undefined) continue
      read++
      expect(value, text).toEqual(parsed(text))
    }
    expect(read).toBeGreaterThan(4_000)
  })
})

type Pick = <T>(items: readonly T[]) => T

const scalars = [
  ...['text', 'two words', '1', '-7', '0x1f', '007', '1.5', '1e3', '.5', '+1', '~', 'null', 'Yes', 'off', 'y', '1.2.3', '^1.2'],
  ...['https://example.com/a?b=c&d', 'a:b', 'a: b', 'a #b', 'a#b', 'a:', '- a', '-', '--', '2026-01-01', '2026-01-01T00:00:00Z'],
  ...['"quoted"', '"with # and: all"', "'single'", "'it''s'", '"\\t"', '[]', '{}', '[a]', '*a', '&a b', '!x y', '@a', '%a', '`a`'],
  ...['<<', '=', '?', '? a', '|', '>', 'ü', '😀', 'a\u00a0b', 'a\u2028b', '(a)', '$a', ';a', '_1', '1_000', '.inf', '12e03', '0o7'],
]
const common = ['text', 'two words', '1', '"quoted"', '1.2.3', 'https://example.com/', 'true', "'single'"]
const keys = ['a', 'b', 'name', 'version', 'x/y', 'on', 'No', 'e1', 'k.l-m', '"q"', '1', '<<', 'null', 'a']

function document(random: () => number, pick: Pick): string {
  const scalar = () => pick(random() < 0.8 ? common : scalars)
  const key = () => pick(random() < 0.8 ? ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'name'] : keys)
  const lines: string[] = []
  const value = (indent: number, level: number): void => {
    const kind = level > 3 ? 0 : random()
    if (kind < 0.5) lines[lines.length - 1] += ` ${scalar()}${random() < 0.1 ? `\n${' '.repeat(indent + 1)}${scalar()}` : ''}`
    else if (kind < 0.6) literal(indent)
    else if (kind < 0.8) map(indent + pick([1, 2, 2, 4]), level + 1)
    else list(indent + pick([0, 0, 2]), level + 1)
  }
  const literal = (indent: number): void => {
    lines[lines.length - 1] += pick([' |', ' |-', ' |+', ' |2'])
    const pad = ' '.repeat(indent + 2)
    for (let i = 0; i <= random() * 3; i++)
      lines.push(pick([pad + scalar(), `${pad}  deeper`, '', `${pad} `, `${pad}# no comment`]))
  }
  const map = (indent: number, level: number): void => {
    for (let i = 0; i <= random() * 3; i++) {
      lines.push(`${' '.repeat(indent)}${key()}:`)
      value(indent, level)
    }
  }
  const list = (indent: number, level: number): void => {
    for (let i = 0; i <= random() * 3; i++) {
      lines.push(`${' '.repeat(indent)}-`)
      if (random() < 0.7) value(indent, 9)
      else {
        lines[lines.length - 1] += ` ${key()}:`
        value(indent + 2, level + 1)
      }
    }
  }
  map(0, 0)
  return `${lines.join('\n')}${pick(['\n', '\n', '', '\n\n', ' \n'])}`
}

/** A character more, or less, or a line of another kind, now and then. */
function disturbed(text: string, random: () => number, pick: Pick): string {
  if (random() < 0.5) return text
  const at = Math.floor(random() * text.length)
  const end = at + pick([0, 0, 1, 3])
  return (
    text.slice(0, at) +
    pick(['', ' ', '\n', '\n\n', ':', '- ', '# ', '\n# comment\n', '"', "'", '---\n', '|', '  ']) +
    text.slice(end)
  )
}

/** The same numbers for the same seed. Source: mulberry32. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
