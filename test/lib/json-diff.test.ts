import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/lib/json.ts'
import { diffJson, type Operation, withoutPointer } from '../../src/lib/json-diff.ts'

/** What github.com/wI2L/jsondiff with Rationalize answers. */
interface Case {
  readonly name: string
  readonly before: JsonObject
  readonly after: JsonObject
  readonly patch: readonly Operation[]
}

const cases = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/json-diff.json'), 'utf8')) as Case[]

describe('the difference of two values', () => {
  it.each(cases)('$name', ({ before, after, patch }) => {
    expect(diffJson(before, after)).toEqual(patch)
  })
})

describe('a value without what a pointer names', () => {
  const value = { spec: { replicas: 1, list: [{ a: 1 }, { a: 2 }], 'x/y': 1 } }
  it.each([
    ['/spec/replicas', { list: value.spec.list, 'x/y': 1 }],
    ['/spec/x~1y', { replicas: 1, list: value.spec.list }],
    ['/spec/list/0', { replicas: 1, list: [{ a: 2 }], 'x/y': 1 }],
    ['/spec/list/-1/a', { replicas: 1, list: [{ a: 1 }, {}], 'x/y': 1 }],
  ])('%s', (pointer, spec) => {
    expect(withoutPointer(value, pointer)).toEqual({ spec })
  })

  it.each(['/spec/none', '/spec/list/7', '/spec/list/x', '/spec/replicas/deep', 'spec', '', '/__proto__', '/spec/list/-9'])(
    'F-HLM-14 is the value where %j names nothing',
    (pointer) => {
      expect(withoutPointer(value, pointer)).toEqual(value)
    },
  )
})
