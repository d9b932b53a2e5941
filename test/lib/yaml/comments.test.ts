import { describe, expect, it } from 'vitest'
import { type Node, nodeToJson, parseNodes } from '../../../src/lib/yaml/index.ts'

/** Each comment of a text as "where: part text"; where: the places of the node and of those that hold it. */
function commentsOf(text: string): string[] {
  const found: string[] = []
  const visit = ({ source, content }: Node, path: string): void => {
    for (const part of ['head', 'line', 'foot', 'end'] as const) if (source?.[part]) found.push(`${path}: ${part} ${source[part]}`)
    for (const [i, child] of content.entries()) visit(child, path === '' ? `${i}` : `${path}.${i}`)
  }
  for (const root of parseNodes(text, { dialect: 'kyaml', comments: true })) visit(root, '')
  return found
}

describe('comments', () => {
  it.each([
    ['above a key, not above the whole', '# file\n\n# of a\na: 1\n', ['0: head # of a']],
    ['on the line of a value', 'a: 1 # on a\n', ['1: line # on a']],
    ['on the line of a key, for its collection', 'a: # on a\n  b: 1\n', ['0: line # on a']],
    ['on the header of a block text', 'a: | # on a\n  # text\n', ['1: line # on a']],
    ['right below a value, for its key', 'a:\n  b: 1\n  # below b\n\nc: 2\n', ['1.0: foot # below b']],
    ['dedented below a collection, for the key before', 'a:\n  b: 1\n# below a\n\nc: 2\n', ['0: foot # below a']],
    ['behind a dash, for what follows', '- # first\n  a: 1\n', ['0.0: head # first']],
    ['above a dash, for its collection', '- a: 1\n# second\n- b: 2\n', ['1: head # second']],
    ['inside of and behind brackets', 'a: [b, # on b\n  c] # on all\n', ['1: line # on all', '1.0: line # on b']],
    ['below the document', 'a: 1\n\n# below\n# all\n', [': end # below\n# all']],
  ])('%s', (_name, text, expected) => {
    expect(commentsOf(text)).toEqual(expected)
  })

  it('are not read unless asked for', () => {
    expect(parseNodes('# head\na: 1 # line\n', { dialect: 'kyaml' })[0]?.content.map(({ source }) => source)).toEqual([
      undefined,
      undefined,
    ])
  })

  it.each([
    ['a: |+\n  text\n\n# below\n', 'text\n\n\n'],
    ['a: >+\n  text\n\n# below\n', 'text\n\n\n\n'],
    ['a: |+\n    text\n\n  # foot\n\n\n# below\n', 'text\n\n\n'],
    ['a: |\n  text\n\n# below\n', 'text\n'],
    ['a: |+\n  text \n\n# below\n', 'text \n\n'],
  ])('below a text that keeps its line breaks add one to it: %j', (text, expected) => {
    const [root] = parseNodes(text, { dialect: 'kyaml', comments: true })
    expect(root && nodeToJson(root)).toEqual({ a: expected })
  })
})
