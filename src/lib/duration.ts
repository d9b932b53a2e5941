/** Go's durations: `1h30m`, `750ms`. */
import { ParseError } from './errors.ts'

const unitMs = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
])

/**
 * Parses a Go duration such as "1h30m" or "500ms" into milliseconds (may be fractional, never rounded).
 * @throws ParseError for a missing or unknown unit.
 * Source: Go time.ParseDuration.
 */
export function parseDuration(text: string): number {
  const sign = text.startsWith('-') ? -1 : 1
  let rest = text.replace(/^[-+]/, '')
  if (rest === '0') return 0
  let total = 0
  if (rest === '') throw new ParseError(`invalid duration "${text}"`)
  while (rest !== '') {
    const part = /^(\d+(?:\.\d*)?|\.\d+)([a-zµμ]*)/.exec(rest)
    if (!part) throw new ParseError(`invalid duration "${text}"`)
    if (part[2] === '') throw new ParseError(`missing unit in duration "${text}"`)
    const unit = unitMs.get(part[2] ?? '')
    if (unit === undefined) throw new ParseError(`unknown unit "${part[2]}" in duration "${text}"`)
    total += Number(part[1]) * unit
    rest = rest.slice(part[0].length)
  }
  return sign * total
}

/**
 * Formats milliseconds as Go's Duration.String does: `10m0s`, `1.5s`, `250ms`, `0s`.
 * Source: Go time.Duration.String.
 */
export function formatDuration(ms: number): string {
  const sign = ms < 0 ? '-' : ''
  const nanoseconds = Math.round(Math.abs(ms) * 1e6)
  if (nanoseconds === 0) return '0s'
  if (nanoseconds < 1e3) return `${sign}${nanoseconds}ns`
  if (nanoseconds < 1e6) return `${sign}${nanoseconds / 1e3}µs`
  if (nanoseconds < 1e9) return `${sign}${nanoseconds / 1e6}ms`
  const seconds = Math.floor(nanoseconds / 1e9)
  const fraction = (nanoseconds % 1e9).toString().padStart(9, '0').replace(/0+$/, '')
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor(seconds / 60) % 60
  const head = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : ''
  return `${sign}${head}${seconds % 60}${fraction === '' ? '' : `.${fraction}`}s`
}
