/** Go's layouts: `Mon Jan _2 15:04:05 MST 2006`. Source: Go time/format.go. */

import { type Civil, civilOf, monthNames, weekdayNames } from './gotime-calendar.ts'
import type { Location } from './gotime-location.ts'

/** An instant at a place: what a time.Time is made of. */
export interface Moment {
  /** Since the epoch. */
  readonly seconds: bigint
  /** 0 to 999,999,999. */
  readonly nanoseconds: number
  readonly location: Location
}

/** A piece of a layout: plain text, then one of the elements of the reference time (absent in the last piece). */
export interface Piece {
  readonly prefix: string
  readonly element?: string
}

// Alternatives are tried in this order at each character: longer ones first.
const elements = new RegExp(
  [
    'January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST',
    '0[1-6]|002|15|1|2006|2',
    '_2(?!006)|__2',
    '3|4|5|PM|pm',
    '-070000|-07:00:00|-0700|-07:00|-07',
    'Z070000|Z07:00:00|Z0700|Z07:00|Z07',
    '[.,](?:0+|9+)(?!\\d)',
  ].join('|'),
  'g',
)

/** Takes a layout apart. Source: nextStdChunk. */
export function piecesOf(layout: string): readonly Piece[] {
  const pieces: Piece[] = []
  let at = 0
  for (const match of layout.matchAll(elements)) {
    pieces.push({ prefix: layout.slice(at, match.index), element: match[0] })
    at = match.index + match[0].length
  }
  pieces.push({ prefix: layout.slice(at) })
  return pieces
}

/** Time.Format. */
export function formatTime(moment: Moment, layout: string): string {
  const zone = moment.location.at(moment.seconds)
  const shown: Shown = {
    ...civilOf(moment.seconds, zone.offset),
    offset: zone.offset,
    zone: zone.name,
    nanoseconds: moment.nanoseconds,
  }
  return piecesOf(layout)
    .map(({ prefix, element }) => prefix + (element === undefined ? '' : print(element, shown)))
    .join('')
}

/** Time.String without the reading of the monotonic clock. */
export function timeText(moment: Moment): string {
  return formatTime(moment, '2006-01-02 15:04:05.999999999 -0700 MST')
}

export const rfc3339Nano = '2006-01-02T15:04:05.999999999Z07:00'

interface Shown extends Civil {
  readonly offset: number
  readonly zone: string
  readonly nanoseconds: number
}

const printers: ReadonlyMap<string, (time: Shown) => string> = new Map<string, (time: Shown) => string>([
  ['2006', ({ year }) => padded(year, 4)],
  ['06', ({ year }) => padded(Math.abs(year) % 100, 2)],
  ['January', (time) => monthName(time)],
  ['Jan', (time) => monthName(time).slice(0, 3)],
  ['1', ({ month }) => `${month}`],
  ['01', ({ month }) => padded(month, 2)],
  ['Monday', (time) => weekdayName(time)],
  ['Mon', (time) => weekdayName(time).slice(0, 3)],
  ['2', ({ day }) => `${day}`],
  ['_2', ({ day }) => `${day}`.padStart(2)],
  ['02', ({ day }) => padded(day, 2)],
  ['__2', ({ yearDay }) => `${yearDay}`.padStart(3)],
  ['002', ({ yearDay }) => padded(yearDay, 3)],
  ['15', ({ hour }) => padded(hour, 2)],
  ['3', ({ hour }) => `${hour % 12 || 12}`],
  ['03', ({ hour }) => padded(hour % 12 || 12, 2)],
  ['4', ({ minute }) => `${minute}`],
  ['04', ({ minute }) => padded(minute, 2)],
  ['5', ({ second }) => `${second}`],
  ['05', ({ second }) => padded(second, 2)],
  ['PM', ({ hour }) => (hour >= 12 ? 'PM' : 'AM')],
  ['pm', ({ hour }) => (hour >= 12 ? 'pm' : 'am')],
  ['MST', ({ zone, offset }) => zone || offsetText(offset, '-0700')],
])

function print(element: string, time: Shown): string {
  const printer = printers.get(element)
  if (printer) return printer(time)
  if (element.startsWith('.') || element.startsWith(',')) return fraction(time.nanoseconds, element)
  return element.startsWith('Z') && time.offset === 0 ? 'Z' : offsetText(time.offset, element)
}

function monthName({ month }: Civil): string {
  return monthNames[month - 1] ?? ''
}

function weekdayName({ weekday }: Civil): string {
  return weekdayNames[weekday] ?? ''
}

/** `+01:00` for an element such as `-07:00` or `Z07:00`, whose form it takes. */
function offsetText(offset: number, element: string): string {
  const digits = element.replace(/\D/g, '').length
  // Go takes the sign from the whole minutes, so that 30 seconds west of UTC are shown as east.
  const minutes = Math.trunc(offset / 60)
  const amount = Math.abs(minutes)
  const parts = [Math.floor(amount / 60), amount % 60, (minutes < 0 ? -offset : offset) % 60]
  return (
    (minutes < 0 ? '-' : '+') +
    parts
      .slice(0, digits / 2)
      .map((part) => padded(part, 2))
      .join(element.includes(':') ? ':' : '')
  )
}

/** `.000` prints that many digits, `.999` at most so many and no zeros at the end. */
function fraction(nanoseconds: number, element: string): string {
  const digits = padded(nanoseconds, 9).slice(0, element.length - 1)
  const shown = element.endsWith('9') ? digits.replace(/0+$/, '') : digits
  return shown && element.charAt(0) + shown
}

function padded(value: number, width: number): string {
  return (value < 0 ? '-' : '') + `${Math.abs(value)}`.padStart(width, '0')
}
