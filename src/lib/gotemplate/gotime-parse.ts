/** Reads times by Go's layouts. Source: Go time/format.go, parse. */

import { FuncError } from './func.ts'
import { daysBefore, daysIn, isLeap, monthNames, secondsOf, weekdayNames } from './gotime-calendar.ts'
import { type Moment, piecesOf } from './gotime-format.ts'
import { fixedZone, type Location, utc } from './gotime-location.ts'
import { binaryOf, quoteTime, textOfBinary } from './gotime-quote.ts'

/**
 * time.ParseInLocation: the time in a text of the layout's form, at a place unless the text says where.
 * @throws FuncError with Go's text
 */
export function parseTime(layout: string, text: string, local: Location): Moment {
  const found = read(layout, text)
  const date = completeDate(found, text)
  return locate(found, date, local)
}

/** What a text said so far. Absent is not the same as zero: a day of the year must agree with a month that was given. */
interface Found {
  readonly year: number
  readonly month?: number
  readonly day?: number
  readonly yearDay?: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly nanoseconds: number
  /** AM or PM. */
  readonly half?: string
  readonly isUtc?: boolean
  /** Seconds east of UTC. */
  readonly offset?: number
  readonly zone?: string
}

/** An element could not be read: `range` names what is out of its range, otherwise the text has another form. */
class Mismatch extends Error {
  readonly range: string | undefined
  constructor(range?: string) {
    super()
    this.range = range
  }
}

function read(layout: string, text: string): Found {
  let found: Found = { year: 0, hour: 0, minute: 0, second: 0, nanoseconds: 0 }
  const cursor = new Cursor(binaryOf(text))
  const pieces = piecesOf(binaryOf(layout))
  const fail = (element: string, rest: string) => new FuncError(mismatchText(layout, text, element, rest))
  for (const [index, { prefix, element }] of pieces.entries()) {
    if (!cursor.skip(prefix)) throw fail(textOfBinary(prefix), cursor.restText)
    if (element === undefined) break
    const before = cursor.restText
    try {
      found = { ...found, ...readElement(element, cursor, pieces[index + 1]?.element) }
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error
      throw error.range === undefined ? fail(element, before) : timeError(text, `: ${error.range} out of range`)
    }
  }
  if (cursor.rest !== '') throw timeError(text, `: extra text: ${quoteTime(cursor.restText)}`)
  return found
}

function mismatchText(layout: string, text: string, element: string, rest: string): string {
  return `parsing time ${quoteTime(text)} as ${quoteTime(layout)}: cannot parse ${quoteTime(rest)} as ${quoteTime(element)}`
}

function timeError(text: string, message: string): FuncError {
  return new FuncError(`parsing time ${quoteTime(text)}${message}`)
}

/** The text that is still to be read, as bytes. */
class Cursor {
  rest: string
  constructor(rest: string) {
    this.rest = rest
  }

  get restText(): string {
    return textOfBinary(this.rest)
  }

  take(length: number): string {
    const taken = this.rest.slice(0, length)
    if (taken.length < length) throw new Mismatch()
    this.rest = this.rest.slice(length)
    return taken
  }

  /** Takes what a pattern that begins with ^ matches. */
  match(pattern: RegExp): string {
    const match = pattern.exec(this.rest)
    if (!match) throw new Mismatch()
    return this.take(match[0].length)
  }

  /** Takes a text in which any run of spaces is as good as another; false when something else stands there. */
  skip(expected: string): boolean {
    for (let at = 0; at < expected.length; at++) {
      if (expected[at] === ' ') {
        if (this.rest !== '' && this.rest[0] !== ' ') return false
        this.rest = this.rest.replace(/^ +/, '')
        while (expected[at + 1] === ' ') at++
      } else if (this.rest[0] !== expected[at]) return false
      else this.rest = this.rest.slice(1)
    }
    return true
  }

  /** One of some names, in any case: its number. */
  name(names: readonly string[]): number {
    const index = names.findIndex((name) => this.rest.slice(0, name.length).toLowerCase() === name.toLowerCase())
    const name = names[index]
    if (name === undefined) throw new Mismatch()
    this.take(name.length)
    return index
  }

  number(pattern: RegExp, range?: { readonly name: string; readonly min: number; readonly max: number }): number {
    const value = Number(this.match(pattern))
    if (range && (value < range.min || value > range.max)) throw new Mismatch(range.name)
    return value
  }
}

const loose = /^\d\d?/
const fixed = /^\d\d/
const shortMonths = monthNames.map((name) => name.slice(0, 3))
const shortWeekdays = weekdayNames.map((name) => name.slice(0, 3))
const monthRange = { name: 'month', min: 1, max: 12 }
const hourRange = { name: 'hour', min: 0, max: 23 }
const hour12Range = { name: 'hour', min: 0, max: 12 }
const minuteRange = { name: 'minute', min: 0, max: 59 }
const secondRange = { name: 'second', min: 0, max: 59 }

/** Reads one element of the layout from where the cursor stands. */
type Reader = (cursor: Cursor) => Partial<Found>

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['06', (cursor) => ({ year: shortYear(cursor) })],
  ['2006', (cursor) => ({ year: cursor.number(/^\d{4}/) })],
  ['January', (cursor) => ({ month: cursor.name(monthNames) + 1 })],
  ['Jan', (cursor) => ({ month: cursor.name(shortMonths) + 1 })],
  ['1', (cursor) => ({ month: cursor.number(loose, monthRange) })],
  ['01', (cursor) => ({ month: cursor.number(fixed, monthRange) })],
  ['Monday', (cursor) => skipName(cursor, weekdayNames)],
  ['Mon', (cursor) => skipName(cursor, shortWeekdays)],
  ['2', (cursor) => ({ day: cursor.number(loose) })],
  ['_2', (cursor) => ({ day: cursor.number(/^ ?\d\d?/) })],
  ['02', (cursor) => ({ day: cursor.number(fixed) })],
  ['__2', (cursor) => ({ yearDay: cursor.number(/^ {0,2}\d{1,3}/) })],
  ['002', (cursor) => ({ yearDay: cursor.number(/^\d{3}/) })],
  ['15', (cursor) => ({ hour: cursor.number(loose, hourRange) })],
  ['3', (cursor) => ({ hour: cursor.number(loose, hour12Range) })],
  ['03', (cursor) => ({ hour: cursor.number(fixed, hour12Range) })],
  ['4', (cursor) => ({ minute: cursor.number(loose, minuteRange) })],
  ['04', (cursor) => ({ minute: cursor.number(fixed, minuteRange) })],
  ['5', (cursor) => ({ second: cursor.number(loose, secondRange) })],
  ['05', (cursor) => ({ second: cursor.number(fixed, secondRange) })],
  ['PM', (cursor) => ({ half: cursor.match(/^(?:AM|PM)/) })],
  ['pm', (cursor) => ({ half: cursor.match(/^(?:am|pm)/).toUpperCase() })],
  ['MST', readZoneName],
])

function readElement(element: string, cursor: Cursor, next: string | undefined): Partial<Found> {
  if (isFraction(element)) return readFraction(element, cursor)
  const reader = readers.get(element)
  if (!reader) return readOffset(element, cursor)
  const found = reader(cursor)
  // A fraction may follow the seconds even when the layout has none.
  const mayHaveFraction = found.second !== undefined && !(next !== undefined && isFraction(next))
  return mayHaveFraction ? { ...found, ...readFraction('.9', cursor) } : found
}

function isFraction(element: string): boolean {
  return element.startsWith('.') || element.startsWith(',')
}

/** Weekdays must be some, but count for nothing. */
function skipName(cursor: Cursor, names: readonly string[]): Partial<Found> {
  cursor.name(names)
  return {}
}

/** Two characters that Go reads as a number with a sign: `-5` is 1995. */
function shortYear(cursor: Cursor): number {
  const text = cursor.match(/^(?:\d\d|[-+]\d)/)
  const year = Number(text)
  return year + (year >= 69 ? 1900 : 2000)
}

/** `.000` wants that many digits, `.999` takes any number or none; what is finer than a nanosecond is cut off. */
function readFraction(element: string, cursor: Cursor): Partial<Found> {
  const isOptional = element.endsWith('9')
  if (isOptional && !/^[.,]\d/.test(cursor.rest)) return {}
  const text = isOptional ? cursor.match(/^[.,]\d+/) : cursor.take(element.length)
  const digits = text.slice(0, 10)
  // Go reads what follows the point as a number with a sign.
  if (!/^[.,][-+]?\d*$/.test(digits)) throw new Mismatch()
  const value = Number(digits.slice(1)) || 0
  if (value < 0) throw new Mismatch('fractional second')
  return { nanoseconds: value * 10 ** (10 - digits.length) }
}

/** `+0100` in the form of an element such as `-0700`, or `Z` where that begins with a Z. */
function readOffset(element: string, cursor: Cursor): Partial<Found> {
  if (element.startsWith('Z') && cursor.rest.startsWith('Z')) {
    cursor.take(1)
    return { isUtc: true }
  }
  const text = cursor.take(element.length)
  const step = element.includes(':') ? 3 : 2
  if (step === 3 && ((text[3] ?? ':') !== ':' || (text[6] ?? ':') !== ':')) throw new Mismatch()
  const parts = [0, 1, 2].map((index) => text.slice(1 + index * step, 3 + index * step) || '00')
  const bad = parts.findIndex((part) => !fixed.test(part))
  const [hours = 0, minutes = 0, seconds = 0] = (bad < 0 ? parts : parts.slice(0, bad)).map(Number)
  // Some write 24 hours or 60 minutes; what is more is an error even where the form is wrong too.
  if (seconds > 60) throw new Mismatch('time zone offset second')
  if (minutes > 60) throw new Mismatch('time zone offset minute')
  if (hours > 24) throw new Mismatch('time zone offset hour')
  if (bad >= 0 || !/^[-+]/.test(text)) throw new Mismatch()
  return { offset: (text.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds) }
}

/** An abbreviation as `CET` or `-03`. Source: parseTimeZone. */
function readZoneName(cursor: Cursor): Partial<Found> {
  if (cursor.rest.startsWith('UTC')) {
    cursor.take(3)
    return { isUtc: true }
  }
  const length = zoneNameLength(cursor.rest)
  if (length === 0) throw new Mismatch()
  return { zone: cursor.take(length) }
}

function zoneNameLength(text: string): number {
  if (text.length < 3) return 0
  if (/^(?:ChST|MeST)/.test(text)) return 4
  if (text.startsWith('GMT')) return 3 + signedHoursLength(text.slice(3))
  if (/^[-+]/.test(text)) return signedHoursLength(text)
  const letters = /^[A-Z]{0,6}/.exec(text)?.[0] ?? ''
  if (letters.length === 5) return letters.endsWith('T') ? 5 : 0
  if (letters.length === 4) return letters.endsWith('T') || letters === 'WITA' ? 4 : 0
  return letters.length === 3 ? 3 : 0
}

/** The length of `+03` and the like, up to 23 hours; otherwise 0. */
function signedHoursLength(text: string): number {
  const digits = /^[-+](\d+)/.exec(text)?.[1]
  return digits === undefined || Number(digits) > 23 ? 0 : digits.length + 1
}

interface CompleteDate {
  readonly year: number
  readonly month: number
  readonly day: number
}

function completeDate(found: Found, text: string): CompleteDate {
  const { year } = found
  const { month = 1, day = 1 } = found.yearDay === undefined ? found : dateOfYearDay(found, found.yearDay, text)
  if (day < 1 || day > daysIn(month, year)) throw timeError(text, ': day out of range')
  return { year, month, day }
}

/** The date of a day of the year, which must be that of month and day if they were given. */
function dateOfYearDay(found: Found, yearDay: number, text: string): { month: number; day: number } {
  const { year } = found
  if (yearDay < 1 || yearDay > (isLeap(year) ? 366 : 365)) throw timeError(text, ': day-of-year out of range')
  const startOf = (month: number) => daysBefore(month) + (month > 2 && isLeap(year) ? 1 : 0)
  let month = 12
  while (startOf(month) >= yearDay) month--
  const day = yearDay - startOf(month)
  if (found.month !== undefined && found.month !== month) throw timeError(text, ': day-of-year does not match month')
  if (found.day !== undefined && found.day !== day) throw timeError(text, ': day-of-year does not match day')
  return { month, day }
}

function hourOf({ hour, half }: Found): number {
  if (half === 'PM' && hour < 12) return hour + 12
  return half === 'AM' && hour === 12 ? 0 : hour
}

/** Finds the place: UTC, the local one when it has this offset or abbreviation at the time, or one made up. */
function locate(found: Found, { year, month, day }: CompleteDate, local: Location): Moment {
  const { nanoseconds } = found
  const seconds = secondsOf({
    year: BigInt(year),
    month: BigInt(month),
    day: BigInt(day),
    hour: BigInt(hourOf(found)),
    minute: BigInt(found.minute),
    second: BigInt(found.second),
  })
  if (found.isUtc) return { seconds, nanoseconds, location: utc }
  // One second west of UTC is Go's mark for no offset at all.
  if (found.offset !== undefined && found.offset !== -1)
    return atOffset(seconds, nanoseconds, found.offset, found.zone ?? '', local)
  if (found.zone !== undefined) return inZone(seconds, nanoseconds, found.zone, local)
  return { seconds: inLocation(seconds, local), nanoseconds, location: local }
}

function atOffset(wall: bigint, nanoseconds: number, offset: number, zone: string, local: Location): Moment {
  const seconds = wall - BigInt(offset)
  const here = local.at(seconds)
  const isLocal = here.offset === offset && (zone === '' || here.name === zone)
  return { seconds, nanoseconds, location: isLocal ? local : fixedZone(zone, offset) }
}

function inZone(wall: bigint, nanoseconds: number, zone: string, local: Location): Moment {
  const known = local.offsetOf(zone, wall)
  if (known !== undefined) return { seconds: wall - BigInt(known), nanoseconds, location: local }
  // As Go has it: the time counts as UTC, although the zone that is made up for it may have an offset.
  const hours = zone.startsWith('GMT') ? Number(zone.slice(3)) : 0
  return { seconds: wall, nanoseconds, location: fixedZone(zone, hours * 3600) }
}

/**
 * Seconds since the epoch of a time of day at a place, given as if it were UTC. A time that a change of clocks skips or repeats gets one
 * of the two offsets, as in Go.
 * Source: Go time.Date.
 */
export function inLocation(wall: bigint, location: Location): bigint {
  const guess = location.at(wall)
  if (guess.offset === 0) return wall
  const seconds = wall - BigInt(guess.offset)
  const isRight = Number(seconds) >= guess.start && Number(seconds) < guess.end
  return isRight ? seconds : wall - BigInt(location.at(seconds).offset)
}
