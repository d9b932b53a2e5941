/** What single items of TOML stand for. Source: BurntSushi/toml parse.go. */

import { FuncError } from '../gotemplate/func.ts'
import { Time } from '../gotemplate/gotime.ts'
import type { Location } from '../gotemplate/gotime-location.ts'
import { parseTime } from '../gotemplate/gotime-parse.ts'
import { NumError, parseFloat as parseGoFloat, parseInt as parseGoInt, quote } from '../gotemplate/strconv.ts'
import { int64, type Value } from '../gotemplate/value.ts'
import type { Item } from './toml-lexer.ts'

/** A value that has the form of one, but is none. */
export class ScalarError extends Error {}

/** The places that times get: those with an offset, and those without, by their form. */
export interface Places {
  readonly local: Location
  readonly dateTime: Location
  readonly date: Location
  readonly time: Location
}

/** The value of an item that is neither an array nor a table. @throws ScalarError */
export function scalarOf({ kind, text }: Item, places: Places): Value {
  switch (kind) {
    case 'escapedString':
      return unescapeText(text)
    case 'multiline':
      return unescapeText(joinContinuedLines(withoutFirstNewline(text)))
    case 'rawMultiline':
      return withoutFirstNewline(text)
    case 'bool':
      return text === 'true'
    case 'integer':
      return integer(text)
    case 'float':
      return float(text)
    case 'datetime':
      return datetime(text.trim(), places)
    default:
      return text
  }
}

function integer(text: string): Value {
  if (!areUnderscoresRight(text)) throw new ScalarError(`Invalid integer ${quote(text)}: underscores must be surrounded by digits`)
  if (hasLeadingZero(text)) throw new ScalarError(`Invalid integer ${quote(text)}: cannot have leading zeroes`)
  try {
    return int64(parseGoInt(text, 0))
  } catch (error) {
    if (error instanceof NumError && error.isRange) throw new ScalarError(`${text} is out of range for int64`)
    throw new FuncError(`BUG: Expected integer value, but got '${text}'.\n\n`)
  }
}

function float(text: string): Value {
  const parts = text.split(/[.eE]+/).filter((part) => part !== '')
  if (!parts.every(areUnderscoresRight))
    throw new ScalarError(`Invalid float ${quote(text)}: underscores must be surrounded by digits`)
  if (parts[0] !== undefined && hasLeadingZero(parts[0]))
    throw new ScalarError(`Invalid float ${quote(text)}: cannot have leading zeroes`)
  if (/\.(?!\d)/.test(text)) throw new ScalarError(`Invalid float ${quote(text)}: '.' must be followed by one or more digits`)
  try {
    return parseGoFloat(text.replaceAll('_', '').replace(/^[-+]nan$/, 'nan'))
  } catch (error) {
    if (error instanceof NumError && error.isRange) throw new ScalarError(`${text} is out of range for float64`)
    throw new ScalarError(`Invalid float value: ${quote(text)}`)
  }
}

/** Base prefixes have one, but no other number. */
function hasLeadingZero(text: string): boolean {
  return /^0[^box]|^[-+]0./s.test(text)
}

/** Between hexadecimal digits, which are all that a number is made of but its prefix. */
function areUnderscoresRight(text: string): boolean {
  if (/^[-+]?(?:nan|inf)$/.test(text)) return true
  return /[0-9a-fA-F]$/.test(text) && !/(?:^|[^0-9a-fA-F])_/.test(text)
}

function datetime(text: string, places: Places): Value {
  const spelled = text.replaceAll('z', 'Z').replaceAll('t', 'T').replaceAll(' ', 'T')
  for (const [layout, place] of timeForms(places)) {
    const moment = tryParse(layout, spelled, place)
    if (!moment) continue
    if (isMissingZero(spelled, layout)) break
    return new Time(moment, places.local)
  }
  throw new ScalarError(`invalid datetime: ${quote(spelled)}`)
}

function timeForms({ local, dateTime, date, time }: Places): readonly (readonly [string, Location])[] {
  return [
    ['2006-01-02T15:04:05.999999999Z07:00', local],
    ['2006-01-02T15:04:05.999999999', dateTime],
    ['2006-01-02', date],
    ['15:04:05.999999999', time],
    ['2006-01-02T15:04Z07:00', local],
    ['2006-01-02T15:04', dateTime],
    ['15:04', time],
  ]
}

function tryParse(layout: string, text: string, place: Location): ReturnType<typeof parseTime> | undefined {
  try {
    return parseTime(layout, text, place)
  } catch (error) {
    if (error instanceof FuncError) return undefined
    throw error
  }
}

/** Go's layouts take `7:00` for 07:00, TOML does not: the marks between the numbers must stand where the layout has them. */
function isMissingZero(text: string, layout: string): boolean {
  for (const [index, character] of [...layout].entries()) {
    if (character === '.' || character === 'Z') return false
    if (!/\d/.test(character) && text[index] !== character) return true
  }
  return false
}

function withoutFirstNewline(text: string): string {
  return text.replace(/^\r?\n/, '')
}

/** A backslash before the end of a line joins the next one, whatever spaces it begins with. */
function joinContinuedLines(text: string): string {
  return text.replace(/\\\\|\\([ \t\r\n]+)/g, (match: string, space: string | undefined) => (space?.includes('\n') ? '' : match))
}

const escapes: ReadonlyMap<string, string> = new Map([
  ['b', '\b'],
  ['t', '\t'],
  ['n', '\n'],
  ['f', '\f'],
  ['r', '\r'],
  ['e', '\x1b'],
  ['"', '"'],
  ['\\', '\\'],
])

function unescapeText(text: string): string {
  return text.replace(/\\(?:x(..)|u(.{4})|U(.{8})|(.))/gs, (_, ...groups: (string | undefined)[]) => {
    const [two, four, eight, character = ''] = groups
    const hex = two ?? four ?? eight
    if (hex !== undefined) return fromCode(hex)
    const plain = escapes.get(character)
    if (plain === undefined) throw new ScalarError(`invalid escape: '\\${character}'`)
    return plain
  })
}

function fromCode(hex: string): string {
  const code = Number.parseInt(hex, 16)
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
    throw new ScalarError(`Escaped character '\\u${hex}' is not valid UTF-8.`)
  return String.fromCodePoint(code)
}
