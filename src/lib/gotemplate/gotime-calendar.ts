/** The calendar of Go's time package: seconds since the epoch to dates and back, for all of int64 with Go's wrapping. Source: Go time/time.go. */

/** A date and time of day somewhere. */
export interface Civil {
  readonly year: number
  /** From 1. */
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  /** 0 is Sunday. */
  readonly weekday: number
  /** From 1. */
  readonly yearDay: number
}

export const secondsPerDay = 86_400
const daysPer400Years = 146_097

/** Go counts days from March 1st of the year -292277022400, so that they are never negative and leap days end a year. */
const absoluteYears = 292_277_022_400n
const marchToDecember = 306n
const unixToAbsolute = ((absoluteYears / 400n) * 146_097n + marchToDecember + 719_162n) * 86_400n

/** The date and time at a number of seconds since the epoch, `offset` seconds east of UTC. */
export function civilOf(seconds: bigint, offset: number): Civil {
  const absolute = BigInt.asUintN(64, seconds + BigInt(offset) + unixToAbsolute)
  const days = Number(absolute / 86_400n)
  const clock = Number(absolute % 86_400n)
  const era = Math.floor(days / daysPer400Years)
  let rest = days % daysPer400Years
  const century = Math.min(3, Math.floor(rest / 36_524))
  rest -= century * 36_524
  const cycle = Math.floor(rest / 1461)
  rest -= cycle * 1461
  const yearOfCycle = Math.min(3, Math.floor(rest / 365))
  rest -= yearOfCycle * 365
  const fromMarch = Math.floor((5 * rest + 2) / 153)
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
  const day = rest - Math.floor((153 * fromMarch + 2) / 5) + 1
  const year = era * 400 + century * 100 + cycle * 4 + yearOfCycle + (month < 3 ? 1 : 0) - Number(absoluteYears)
  return {
    year,
    month,
    day,
    hour: Math.floor(clock / 3600),
    minute: Math.floor(clock / 60) % 60,
    second: clock % 60,
    weekday: (days + 3) % 7,
    yearDay: daysBefore(month) + day + (month > 2 && isLeap(year) ? 1 : 0),
  }
}

/** A date as numbers that may lie out of their ranges: month 13 is January of the next year. */
export interface LooseDate {
  readonly year: bigint
  readonly month: bigint
  readonly day: bigint
  readonly hour: bigint
  readonly minute: bigint
  readonly second: bigint
}

/** Seconds since the epoch of a date in UTC. Source: Go time.Date, dateToAbsDays. */
export function secondsOf(date: LooseDate): bigint {
  const [minute, second] = carry(date.minute, date.second, 60n)
  const [hour, minuteOfHour] = carry(date.hour, minute, 60n)
  const [day, hourOfDay] = carry(date.day, hour, 24n)
  const [year, monthFromZero] = carry(date.year, date.month - 1n, 12n)
  const clock = hourOfDay * 3600n + minuteOfHour * 60n + second
  return BigInt.asIntN(64, absoluteDays(year, monthFromZero + 1n, day) * 86_400n + clock - unixToAbsolute)
}

function carry(high: bigint, low: bigint, base: bigint): [bigint, bigint] {
  const rest = ((low % base) + base) % base
  return [high + (low - rest) / base, rest]
}

function absoluteDays(year: bigint, month: bigint, day: bigint): bigint {
  const beforeMarch = month < 3n ? 1n : 0n
  const fromMarch = month + 12n * beforeMarch
  const marchYear = BigInt.asUintN(64, year - beforeMarch + absoluteYears)
  const yearDay = (979n * fromMarch - 2919n) >> 5n
  const days = (1461n * (marchYear % 100n)) / 4n + BigInt.asUintN(64, 146_097n * (marchYear / 100n)) / 4n
  return BigInt.asUintN(64, days + yearDay + day - 1n)
}

/** Days before the first of a month (from 1) in a year that is no leap year. */
export function daysBefore(month: number): number {
  return Math.floor((214 * month - 211) / 7) + (month >= 3 ? -2 : 0)
}

/** Days of a month (from 1). */
export function daysIn(month: number, year: number): number {
  if (month === 2) return isLeap(year) ? 29 : 28
  return 30 + ((month + (month >> 3)) & 1)
}

export function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

export const monthNames = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const

export const weekdayNames = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const
