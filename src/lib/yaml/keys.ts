/** The order of keys. */

import { codePoint, isAscii } from './scalar-style.ts'

/**
 * Compares keys as go-yaml sorts them: digit runs by number, letters after other characters (`k2` < `k10`, `a_b` < `aB`).
 * Source: sorter.go of go-yaml 2. It is not transitive for some keys, for which upstream's own order is random.
 */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0
  const left = isAscii(a) && isAscii(b) ? a : [...a]
  const right = typeof left === 'string' ? b : [...b]
  const length = Math.min(left.length, right.length)
  for (let i = 0; i < length; i++) {
    if (left[i] !== right[i]) return compareAt(left, right, i)
  }
  return left.length - right.length
}

type Runes = string | readonly string[]

function compareAt(left: Runes, right: Runes, at: number): number {
  const [l, r] = [left[at] ?? '', right[at] ?? '']
  const [lLetter, rLetter] = [isLetter(l), isLetter(r)]
  if (lLetter && rLetter) return codePoint(l) - codePoint(r)
  if (lLetter || rLetter) return rLetter ? -1 : 1
  const start = (l === '0' || r === '0') && followsNonZeroDigit(left, at) ? 1n : 0n
  const ln = digitRun(left, at, start)
  const rn = digitRun(right, at, start)
  if (ln.value !== rn.value) return ln.value < rn.value ? -1 : 1
  if (ln.end !== rn.end) return ln.end - rn.end
  return codePoint(l) - codePoint(r)
}

function followsNonZeroDigit(runes: Runes, at: number): boolean {
  for (let i = at - 1; i >= 0 && isDigit(runes[i] ?? ''); i--) {
    if (runes[i] !== '0') return true
  }
  return false
}

function digitRun(runes: Runes, from: number, start: bigint): { value: bigint; end: number } {
  let value = start
  let end = from
  for (; end < runes.length && isDigit(runes[end] ?? ''); end++) {
    value = BigInt.asIntN(64, value * 10n + BigInt(codePoint(runes[end] ?? '') - 0x30))
  }
  return { value, end }
}

function isLetter(rune: string): boolean {
  const code = rune.charCodeAt(0)
  if (code < 0x80) return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)
  return /^\p{L}$/u.test(rune)
}

function isDigit(rune: string): boolean {
  const code = rune.charCodeAt(0)
  return code < 0x80 ? code >= 0x30 && code <= 0x39 : /^\p{Nd}$/u.test(rune)
}
