import { describe, expect, it } from 'vitest'
import { cut, escapeHtml, jsonBytes, metadataWithin, readable } from '../../../src/notification/providers/text.ts'
import { about } from './suite.ts'

describe('a text that is cut', () => {
  it.each([
    ['short', 5, 'short'],
    ['longer', 5, 'long…'],
    ['ab😀cd', 4, 'ab…'],
    ['ab😀cd', 5, 'ab😀…'],
    ['', 0, ''],
  ])('%j to %i is %j', (text, most, expected) => {
    expect(cut(text, most)).toBe(expected)
  })

  it.each([
    ['"', jsonBytes],
    ['😀', jsonBytes],
    ['<', (text: string) => escapeHtml(text).length],
  ])('of %j fills its room as measured, and no more', (letter, measure) => {
    const result = cut(letter.repeat(1_000), 100, measure)
    expect(measure(result)).toBeLessThanOrEqual(100)
    expect(measure(result)).toBeGreaterThan(90)
  })

  it('of three megabytes is cut in no time', () => {
    const startedMs = performance.now()
    cut('"😀<'.repeat(750_000), 20_000, (text) => jsonBytes(escapeHtml(text)))
    expect(performance.now() - startedMs).toBeLessThan(250)
  })
})

describe('metadata within limits', () => {
  it('begins with the summary, goes on sorted, and leaves out what has no room', () => {
    const metadata = { b: 'x'.repeat(50), a: 'short', summary: 'it', c: 'also short' }
    expect(metadataWithin({ metadata }, { total: 40 })).toEqual([
      ['summary', 'it'],
      ['a', 'short'],
      ['c', 'also short'],
    ])
    expect(metadataWithin({ metadata }, { total: 1_000, value: 10, count: 3 })[2]).toEqual(['b', `${'x'.repeat(9)}…`])
  })

  it('takes keys that every object of JavaScript has', () => {
    const metadata = JSON.parse('{"__proto__": "a", "constructor": "b"}') as Record<string, string>
    expect(metadataWithin(readable(about({ metadata })), { total: 100 })).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ])
  })
})

it('leaves nothing in names and reasons but what names are made of', () => {
  const { event } = about({ reason: 'Failed](http://x) <@all>', message: 'a\r\nb\rc\ud83d' })
  const involvedObject = { kind: 'Kustomization<!channel>', namespace: 'a\nb', name: 'x'.repeat(10_000) }
  const read = readable({ event: { ...event, involvedObject }, isCommitStatusUpdate: false })
  expect(read.involvedObject).toEqual({ kind: 'Kustomizationchannel', namespace: 'ab', name: 'x'.repeat(253), uid: '' })
  expect(read.reason).toBe('Failedhttp://x all')
  expect(read.message).toBe('a\nb\nc\ufffd')
})
