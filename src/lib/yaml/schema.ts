/** What a plain scalar means to Go programs: go-yaml's resolution rules in its two dialects. */

/**
 * The YAML dialect of a Go library. `sigs` is sigs.k8s.io/yaml (go-yaml 2: kubectl, Helm values, kustomization.yaml): `yes`,
 * `on` and `y` are booleans, also as keys. `kyaml` is kustomize's reader of resources (go-yaml 3): they are strings.
 */
export type Dialect = 'sigs' | 'kyaml'

/** The tags that a plain scalar can resolve to. */
export type ScalarTag = '!!null' | '!!bool' | '!!int' | '!!float' | '!!timestamp' | '!!merge' | '!!str'

const WORDS: ReadonlyMap<string, ScalarTag> = new Map([
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, '!!null'] as const),
  ...['true', 'True', 'TRUE', 'false', 'False', 'FALSE'].map((word) => [word, '!!bool'] as const),
  ...['.nan', '.NaN', '.NAN', '.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF', '-.inf', '-.Inf', '-.INF'].map(
    (word) => [word, '!!float'] as const,
  ),
])
const OLD_BOOLEANS: ReadonlySet<string> = new Set(
  ['y', 'yes', 'on', 'n', 'no', 'off'].flatMap((word) => [word, `${word[0]?.toUpperCase()}${word.slice(1)}`, word.toUpperCase()]),
)
const TRUE: ReadonlySet<string> = new Set(['true', 'y', 'yes', 'on'])

const INTEGER = /^[-+]?(?:0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|[1-9][0-9]*|0)$/
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/
const TIMESTAMP =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[Tt](\d{1,2}):(\d{1,2}):(\d{1,2})([.,]\d+)?(?:Z|([+-])(\d\d):(\d\d))| (\d{1,2}):(\d{1,2}):(\d{1,2})([.,]\d+)?)?$/

/** The tag that an untagged plain scalar resolves to. Source: resolve.go of go-yaml 2 and 3. */
export function resolveTag(value: string, dialect: Dialect): ScalarTag {
  const first = value.charCodeAt(0)
  if (first >= 0x30 && first <= 0x39) return resolveNumber(value)
  switch (value[0]) {
    case undefined:
    case '~':
    case 't':
    case 'T':
    case 'f':
    case 'F':
    case 'n':
    case 'N':
    case 'y':
    case 'Y':
    case 'o':
    case 'O':
      return WORDS.get(value) ?? (dialect === 'sigs' && OLD_BOOLEANS.has(value) ? '!!bool' : '!!str')
    case '.':
      return WORDS.get(value) ?? (FLOAT.test(value) && Number.isFinite(Number(value)) ? '!!float' : '!!str')
    case '+':
    case '-':
      return WORDS.get(value) ?? resolveNumber(value)
    default:
      return '!!str'
  }
}

function resolveNumber(value: string): ScalarTag {
  if (value[4] === '-' && parseTimestamp(value) !== undefined) return '!!timestamp'
  const plain = value.includes('_') ? value.replaceAll('_', '') : value
  if (INTEGER.test(plain) && parseInteger(plain) !== undefined) return '!!int'
  return FLOAT.test(plain) && Number.isFinite(Number(plain)) ? '!!float' : '!!str'
}

const MAX_UINT64 = 2n ** 64n - 1n
const MIN_INT64 = -(2n ** 63n)

/** A Go integer literal (`0777`, `0o777`, `0x1F`, `0b11`, underscores allowed); undefined when it is none or needs more than 64 bits. */
export function parseInteger(text: string): number | bigint | undefined {
  const plain = text.replaceAll('_', '')
  if (!INTEGER.test(plain)) return undefined
  const negative = plain[0] === '-'
  const digits = negative || plain[0] === '+' ? plain.slice(1) : plain
  const literal = /^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits
  const small = Number(literal)
  if (Number.isSafeInteger(small)) return negative && small !== 0 ? -small : small
  const big = negative ? -BigInt(literal) : BigInt(literal)
  return big < MIN_INT64 || big > (plain[0] === '+' ? -MIN_INT64 - 1n : MAX_UINT64) ? undefined : big
}

/** A scalar that resolved to !!float; infinite or NaN for the dotted words. */
export function parseFloatWord(value: string): number {
  const word = value.toLowerCase()
  if (word.endsWith('.nan')) return Number.NaN
  if (word.endsWith('.inf')) return word[0] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return Number(value.replaceAll('_', ''))
}

/** A scalar that resolved to !!bool. */
export function parseBoolean(value: string): boolean {
  return TRUE.has(value.toLowerCase())
}

/** The RFC 3339 form (as Go prints a time) of what go-yaml takes for a timestamp; undefined when it is none. */
export function parseTimestamp(value: string): string | undefined {
  const match = TIMESTAMP.exec(value)
  if (!match) return undefined
  const [, year, month, day, h1, m1, s1, f1, sign, zoneHours, zoneMinutes, h2, m2, s2, f2] = match
  const [hours, minutes, seconds] = [h1 ?? h2 ?? '0', m1 ?? m2 ?? '0', s1 ?? s2 ?? '0']
  const lastDay = new Date(Date.UTC(2000, Number(month), 0)).getUTCDate()
  const leapFebruary = Number(month) !== 2 || isLeapYear(Number(year)) ? lastDay : 28
  if (Number(month) < 1 || Number(month) > 12 || Number(day) < 1 || Number(day) > leapFebruary) return undefined
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined
  if (Number(zoneHours ?? 0) > 24 || Number(zoneMinutes ?? 0) > 60) return undefined
  const fraction = (f1 ?? f2 ?? '').slice(1, 10).replace(/0+$/, '')
  const zone = sign === undefined || `${zoneHours}${zoneMinutes}` === '0000' ? 'Z' : `${sign}${zoneHours}:${zoneMinutes}`
  const date = `${year}-${two(month)}-${two(day)}`
  return `${date}T${two(hours)}:${two(minutes)}:${two(seconds)}${fraction && `.${fraction}`}${zone}`
}

function isLeapYear(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
}

function two(digits: string | undefined): string {
  return (digits ?? '').padStart(2, '0')
}
