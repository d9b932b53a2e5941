import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Budget, LimitError } from '../../../../src/lib/gotemplate/environment.ts'
import { FuncError } from '../../../../src/lib/gotemplate/func.ts'
import { randomFunctions } from '../../../../src/lib/gotemplate/sprig/random.ts'
import { type Int, int, type Value } from '../../../../src/lib/gotemplate/value.ts'

function call(name: string, ...args: readonly Value[]): Value {
  const env = {
    now: () => 0,
    random: (length: number) => randomBytes(length),
    zone: 'UTC',
    budget: new Budget({ maxBytes: 10_000 }),
  }
  return randomFunctions(env).get(name)?.call(args) ?? null
}

describe('random functions', () => {
  it.each([
    ['randAlphaNum', /^[A-Za-z0-9]{40}$/],
    ['randAlpha', /^[A-Za-z]{40}$/],
    ['randNumeric', /^[0-9]{40}$/],
    ['randAscii', /^[ -~]{40}$/],
    ['randBytes', /^[A-Za-z0-9+/]{54}==$/],
  ])('%s gives as much as is asked for', (name, pattern) => {
    expect(call(name, int(40))).toMatch(pattern)
  })

  it('gives nothing for a negative length, but for bytes an error', () => {
    expect(call('randAlpha', int(-1))).toBe('')
    expect(() => call('randBytes', int(-1))).toThrow(new FuncError('runtime error: makeslice: len out of range'))
  })

  it('reaches every number of a range, and none beside it', () => {
    const numbers = new Set(Array.from({ length: 200 }, () => (call('randInt', int(-1), int(2)) as Int).value))
    expect([...numbers].sort()).toEqual([-1n, 0n, 1n])
    expect(() => call('randInt', int(2), int(2))).toThrow('invalid argument to Intn')
  })

  it('keeps the characters of a shuffled text', () => {
    expect([...String(call('shuffle', 'grüße 😀'))].sort()).toEqual([...'grüße 😀'].sort())
  })

  it('makes UUIDs of version 4', () => {
    expect(call('uuidv4')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it.each(['randAlphaNum', 'randBytes'])('%s does not give more than is allowed', (name) => {
    expect(() => call(name, int(1n << 62n))).toThrow(LimitError)
  })
})
