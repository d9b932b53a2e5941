/** sprig's functions of dates and durations. Source: sprig date.go. */

import type { Environment } from '../environment.ts'
import { type Func, FuncError, func, p } from '../func.ts'
import { Time, timeParam, zeroTime } from '../gotime.ts'
import { formatDuration, hour, maxInt64, minInt64, minute, parseDuration, roundDuration, second } from '../gotime-duration.ts'
import { formatTime } from '../gotime-format.ts'
import { type Location, loadLocation, localLocation, utc } from '../gotime-location.ts'
import { parseTime } from '../gotime-parse.ts'
import { NumError, parseInt as parseGoInt } from '../strconv.ts'
import { Int, types, type Value } from '../value.ts'

const htmlLayout = '2006-01-02'

/** The functions by name, with `now` and `Local` of the environment. */
export function dateFunctions(env: Environment): ReadonlyMap<string, Func> {
  const clock = clockOf(env)
  const format = (layout: string, date: Value, zone: string): string => {
    // An element grows to at most three times its length.
    env.budget.text(layout.length * 3)
    const location = zone === 'Local' ? clock.local : (clock.load(zone) ?? utc)
    return formatTime((timeOf(date, clock) ?? clock.now()).in(location), layout)
  }
  const parse = (layout: string, text: string): Time => {
    env.budget.text(layout.length + text.length)
    return new Time(parseTime(layout, text, clock.local), clock.local)
  }
  const modify = (text: string, time: Time): Time => time.add(parseDuration(text))
  const since = (time: Time): bigint => clock.now().since(time)

  const inZone = func([p.string, p.any, p.string], p.string, format)
  const dateModify = func([p.string, timeParam], timeParam, (text, time) => orElse(time, () => modify(text, time)))
  const mustDateModify = func([p.string, timeParam], timeParam, modify)
  return new Map([
    ['ago', func([p.any], p.string, (date) => formatDuration(roundDuration(since(agoTime(date, clock)), second)))],
    ['date', func([p.string, p.any], p.string, (layout, date) => format(layout, date, 'Local'))],
    ['date_in_zone', inZone],
    ['dateInZone', inZone],
    ['date_modify', dateModify],
    ['dateModify', dateModify],
    ['duration', func([p.any], p.string, (seconds) => formatDuration(BigInt.asIntN(64, secondsOf(seconds) * second)))],
    ['durationRound', func([p.any], p.string, (duration) => largestUnit(roundable(duration, since)))],
    ['htmlDate', func([p.any], p.string, (date) => format(htmlLayout, date, 'Local'))],
    ['htmlDateInZone', func([p.any, p.string], p.string, (date, zone) => format(htmlLayout, date, zone))],
    ['must_date_modify', mustDateModify],
    ['mustDateModify', mustDateModify],
    ['mustToDate', func([p.string, p.string], timeParam, parse)],
    ['now', func([], timeParam, clock.now)],
    ['toDate', func([p.string, p.string], timeParam, (layout, text) => orElse(zeroTime(clock.local), () => parse(layout, text)))],
    ['unixEpoch', func([timeParam], p.string, (time) => time.seconds.toString())],
  ])
}

interface Clock {
  readonly local: Location
  readonly now: () => Time
  readonly load: (zone: string) => Location | undefined
}

function clockOf(env: Environment): Clock {
  const local = localLocation(env.zone)
  // Go's clock starts one nanosecond before the program, so that no reading is zero.
  const start = nanoseconds(env.now()) - 1n
  const loaded = new Map<string, Location | undefined>()
  return {
    local,
    now: () => {
      const instant = nanoseconds(env.now())
      const rest = ((instant % second) + second) % second
      const moment = { seconds: (instant - rest) / second, nanoseconds: Number(rest), location: local, monotonic: instant - start }
      return new Time(moment, local)
    },
    load: (zone) => {
      const known = loaded.get(zone) ?? loadLocation(zone)
      if (known) loaded.set(zone, known)
      return known
    },
  }
}

function nanoseconds(milliseconds: number): bigint {
  const whole = Math.floor(milliseconds)
  return BigInt(whole) * 1_000_000n + BigInt(Math.floor((milliseconds - whole) * 1e6))
}

/** The result of a parse, or something else when the text is none. */
function orElse(fallback: Time, parse: () => Time): Time {
  try {
    return parse()
  } catch (error) {
    if (error instanceof FuncError) return fallback
    throw error
  }
}

function isInt(value: Value, ...kinds: readonly (keyof typeof types)[]): value is Int {
  return value instanceof Int && kinds.some((kind) => value.type === types[kind])
}

/** A time, or the seconds since the epoch as an int, int32 or int64; undefined for anything else. */
function timeOf(value: Value, { local }: Clock): Time | undefined {
  if (value instanceof Time) return value
  if (!isInt(value, 'int', 'int32', 'int64')) return undefined
  return new Time({ seconds: value.value, nanoseconds: 0, location: local }, local)
}

function agoTime(value: Value, clock: Clock): Time {
  return (isInt(value, 'int32') ? undefined : timeOf(value, clock)) ?? clock.now()
}

/** The number in a text or an int64; 0 for anything else. */
function secondsOf(value: Value): bigint {
  if (isInt(value, 'int64')) return value.value
  if (typeof value !== 'string') return 0n
  try {
    return parseGoInt(value)
  } catch (error) {
    if (!(error instanceof NumError)) throw error
    // sprig does not look at the error, with which a number out of range comes as the nearest one.
    if (!error.isRange) return 0n
    return value.startsWith('-') ? minInt64 : maxInt64
  }
}

/** The duration that a text, an int64 of nanoseconds or the time since a time is; 0 for anything else. */
function roundable(value: Value, since: (time: Time) => bigint): bigint {
  if (value instanceof Time) return since(value)
  if (isInt(value, 'int64')) return value.value
  if (typeof value !== 'string') return 0n
  try {
    return parseDuration(value)
  } catch (error) {
    if (error instanceof FuncError) return 0n
    throw error
  }
}

const day = 24n * hour
const largeUnits = [
  [365n * day, 'y'],
  [30n * day, 'mo'],
  [day, 'd'],
  [hour, 'h'],
  [minute, 'm'],
  [second, 's'],
] as const

/** The duration in the largest unit of which it is more than one, without a sign: `16d`. */
function largestUnit(duration: bigint): string {
  const amount = duration < 0n ? -duration : duration
  const [unit, name] = largeUnits.find(([size]) => amount > size) ?? [0n, '']
  return unit === 0n ? '0s' : `${amount / unit}${name}`
}
