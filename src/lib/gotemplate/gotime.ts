/** Go's time.Time, Duration, Month and Weekday as template values: their types, and the methods that templates call. Source: Go time/time.go. */

import { type Func, FuncError, func, integer, type Param, p, param } from './func.ts'
import { type Civil, civilOf, monthNames, secondsOf, weekdayNames } from './gotime-calendar.ts'
import {
  clampInt64,
  durationIn,
  formatDuration,
  hour,
  maxInt64,
  microsecond,
  millisecond,
  minInt64,
  minute,
  roundDuration,
  second,
  truncateDuration,
} from './gotime-duration.ts'
import { formatTime, type Moment, rfc3339Nano, timeText } from './gotime-format.ts'
import { type Location, locationType, utc } from './gotime-location.ts'
import { inLocation } from './gotime-parse.ts'
import { quoteTime } from './gotime-quote.ts'
import { Bytes, byteSlice, bytesOf, type GoType, Int, Struct, types, type Value } from './value.ts'

type Method = (receiver: Value) => Func

/** A method whose receiver its code gets first. */
function method<Self extends Value, Hosts extends readonly unknown[], Result>(
  params: { readonly [K in keyof Hosts]: Param<Hosts[K]> },
  result: Param<Result>,
  run: (self: Self, ...args: Hosts) => Result,
): Method {
  return (receiver) => func<Hosts, Result>(params, result, (...args) => run(receiver as Self, ...args))
}

/** A method of a named integer type. */
function intMethod<Hosts extends readonly unknown[], Result>(
  params: { readonly [K in keyof Hosts]: Param<Hosts[K]> },
  result: Param<Result>,
  run: (self: bigint, ...args: Hosts) => Result,
): Method {
  return method<Int, Hosts, Result>(params, result, (self, ...args) => run(self.value, ...args))
}

/** The text of a named integer type, and its method String. */
function intText(text: (value: bigint) => string) {
  return { text: (receiver: Value) => text((receiver as Int).value), string: intMethod([], p.string, text) }
}

const monthText = intText((month) => monthNames[Number(month) - 1] ?? `%!Month(${BigInt.asUintN(64, month)})`)
const weekdayText = intText((day) => weekdayNames[Number(day)] ?? `%!Weekday(${BigInt.asUintN(64, day)})`)
const durationText = intText(formatDuration)

/** `time.Month`. */
export const monthType: GoType = {
  name: 'time.Month',
  kind: 'int',
  text: monthText.text,
  methods: new Map([['String', monthText.string]]),
}

/** `time.Weekday`. */
export const weekdayType: GoType = {
  name: 'time.Weekday',
  kind: 'int',
  text: weekdayText.text,
  methods: new Map([['String', weekdayText.string]]),
}

/** `time.Duration`: nanoseconds. */
export const durationType: GoType = {
  name: 'time.Duration',
  kind: 'int64',
  text: durationText.text,
  get methods() {
    return durationMethods
  },
}

/** `time.Time`. */
export const timeType: GoType = {
  name: 'time.Time',
  kind: 'struct',
  fields: [],
  unexported: ['wall', 'ext', 'loc'],
  text: (receiver) => textOfTime(receiver as Time),
  goText: (receiver) => goTextOfTime(receiver as Time),
  marshalJson: (receiver) => `"${strictRfc3339(receiver as Time, 'Time.MarshalJSON')}"`,
  get methods() {
    return timeMethods
  },
}

/** A time.Duration as a parameter or result, in nanoseconds. */
export const durationParam = integer(durationType)
/** A time.Time as a parameter or result. */
export const timeParam = param<Time>(timeType)

/** A time.Duration value of so many nanoseconds. */
export function durationValue(nanoseconds: bigint): Int {
  return new Int(durationType, nanoseconds)
}

/** Seconds from the year 1, from which Go counts, to the epoch. */
const unixToInternal = 62_135_596_800n
/** Readings of the monotonic clock are kept for times of these years only: 1885 to 2157. */
const minWall = 59_453_308_800n - unixToInternal
const maxWall = minWall + (1n << 33n) - 1n

/** A value of type time.Time. */
export class Time extends Struct implements Moment {
  readonly seconds: bigint
  readonly nanoseconds: number
  readonly location: Location
  /** Nanoseconds since the start, of a time that `now` gave: differences are taken from it, and String shows it. */
  readonly monotonic: bigint | undefined
  /** What Local is where this time comes from. */
  readonly local: Location
  constructor(
    { seconds, nanoseconds, location, monotonic }: Moment & { readonly monotonic?: bigint | undefined },
    local: Location,
  ) {
    const kept = seconds >= minWall && seconds <= maxWall ? monotonic : undefined
    super(timeType, internalFields({ seconds, nanoseconds, location }, kept))
    this.seconds = seconds
    this.nanoseconds = nanoseconds
    this.location = location
    this.monotonic = kept
    this.local = local
  }

  /** The same instant elsewhere, without the monotonic clock. */
  in(location: Location): Time {
    return new Time({ seconds: this.seconds, nanoseconds: this.nanoseconds, location }, this.local)
  }

  /** Nanoseconds later; at the ends of the range it stays there. */
  add(duration: bigint): Time {
    const total = BigInt(this.nanoseconds) + duration
    const nanoseconds = ((total % second) + second) % second
    const seconds = addSeconds(this.seconds, (total - nanoseconds) / second)
    const monotonic = this.monotonic === undefined ? undefined : this.monotonic + duration
    const fits = monotonic !== undefined && monotonic === BigInt.asIntN(64, monotonic)
    return new Time(
      { seconds, nanoseconds: Number(nanoseconds), location: this.location, monotonic: fits ? monotonic : undefined },
      this.local,
    )
  }

  /** Nanoseconds from another time to this one, at most what an int64 holds. */
  since(other: Time): bigint {
    if (this.monotonic !== undefined && other.monotonic !== undefined) return clampInt64(this.monotonic - other.monotonic)
    return clampInt64((this.seconds - other.seconds) * second + BigInt(this.nanoseconds - other.nanoseconds))
  }

  /** Negative, zero or positive, as this time is before, at or after another. */
  compare(other: Time): number {
    const [mine, theirs] =
      this.monotonic !== undefined && other.monotonic !== undefined
        ? [this.monotonic, other.monotonic]
        : [nanosecondsOf(this), nanosecondsOf(other)]
    return mine < theirs ? -1 : mine > theirs ? 1 : 0
  }

  get civil(): Civil {
    return civilOf(this.seconds, this.location.at(this.seconds).offset)
  }

  get isZero(): boolean {
    return this.seconds === -unixToInternal && this.nanoseconds === 0
  }
}

/** The zero time.Time: the start of the year 1 in UTC. */
export function zeroTime(local: Location): Time {
  return new Time({ seconds: -unixToInternal, nanoseconds: 0, location: utc }, local)
}

/** What UTC is inside of a time. */
const nilLocation = new Struct(locationType, undefined)

/** Go's own fields, which no template reaches but comparing and some verbs of fmt do. */
function internalFields({ seconds, nanoseconds, location }: Moment, monotonic: bigint | undefined): ReadonlyMap<string, Value> {
  const wall = monotonic === undefined ? 0n : (1n << 63n) | ((seconds - minWall) << 30n)
  return new Map<string, Value>([
    ['wall', new Int(types.uint64, wall | BigInt(nanoseconds))],
    ['ext', new Int(types.int64, monotonic ?? BigInt.asIntN(64, seconds + unixToInternal))],
    ['loc', location === utc ? nilLocation : location],
  ])
}

function nanosecondsOf({ seconds, nanoseconds }: Moment): bigint {
  return seconds * second + BigInt(nanoseconds)
}

function addSeconds(seconds: bigint, more: bigint): bigint {
  const internal = BigInt.asIntN(64, seconds + unixToInternal) + more
  const clamped = internal > maxInt64 ? maxInt64 : internal <= minInt64 ? -maxInt64 : internal
  return BigInt.asIntN(64, clamped - unixToInternal)
}

/** Time.String: with the reading of the monotonic clock, if it has one. */
function textOfTime(time: Time): string {
  if (time.monotonic === undefined) return timeText(time)
  const amount = time.monotonic < 0n ? -time.monotonic : time.monotonic
  const fraction = (amount % second).toString().padStart(9, '0')
  return `${timeText(time)} m=${time.monotonic < 0n ? '-' : '+'}${amount / second}.${fraction}`
}

function goTextOfTime(time: Time): string {
  const { year, month, day, hour, minute, second } = time.civil
  const numbers = [day, hour, minute, second, time.nanoseconds].join(', ')
  return `time.Date(${year}, time.${monthNames[month - 1]}, ${numbers}, ${goTextOfLocation(time)})`
}

function goTextOfLocation({ location, local }: Time): string {
  if (location === utc) return 'time.UTC'
  return location === local ? 'time.Local' : `time.Location(${quoteTime(location.name)})`
}

/** RFC 3339 with nanoseconds, for times that it can say. @throws FuncError */
function strictRfc3339(time: Time, caller: string): string {
  const text = formatTime(time, rfc3339Nano)
  if (text[4] !== '-') throw new FuncError(`${caller}: year outside of range [0,9999]`)
  const offset = /([^TZ]\d+):\d\d$/.exec(text)?.[1] ?? '+00'
  if (!text.endsWith('Z') && Math.abs(Number(offset)) >= 24) throw new FuncError(`${caller}: timezone hour outside of range [0,23]`)
  return text
}

/** Units since the epoch, rounded down, as an int64. */
function unixIn(unit: bigint, { seconds, nanoseconds }: Moment): bigint {
  return BigInt.asIntN(64, seconds * (second / unit) + BigInt(nanoseconds) / unit)
}

/** Nanoseconds by which a time is past a multiple of a duration since the year 1. */
function pastMultiple(time: Time, multiple: bigint): bigint {
  const total = nanosecondsOf(time) + unixToInternal * second
  return ((total % multiple) + multiple) % multiple
}

function truncateTime(time: Time, multiple: bigint): Time {
  const bare = time.in(time.location)
  return multiple <= 0n ? bare : bare.add(-pastMultiple(time, multiple))
}

function roundTime(time: Time, multiple: bigint): Time {
  const bare = time.in(time.location)
  if (multiple <= 0n) return bare
  const past = pastMultiple(time, multiple)
  return bare.add(past * 2n < multiple ? -past : multiple - past)
}

function addDate(time: Time, years: bigint, months: bigint, days: bigint): Time {
  const { year, month, day, hour, minute, second } = time.civil
  const wall = secondsOf({
    year: BigInt(year) + years,
    month: BigInt(month) + months,
    day: BigInt(day) + days,
    hour: BigInt(hour),
    minute: BigInt(minute),
    second: BigInt(second),
  })
  const { location, nanoseconds } = time
  return new Time({ seconds: inLocation(wall, location), nanoseconds, location }, time.local)
}

function inPlace(time: Time, location: Location): Time {
  if (!location?.fields) throw new FuncError('time: missing Location in call to Time.In')
  return time.in(location)
}

/** Time.MarshalBinary. */
function binaryTime(time: Time): Uint8Array {
  const { offset } = time.location.at(time.seconds)
  const minutes = time.location === utc ? -1 : Math.trunc(offset / 60)
  if (time.location !== utc && (minutes === -1 || Math.abs(minutes) > 32767)) {
    throw new FuncError('Time.MarshalBinary: unexpected zone offset')
  }
  const hasSeconds = time.location !== utc && offset % 60 !== 0
  const out = Buffer.alloc(hasSeconds ? 16 : 15)
  out.writeUInt8(hasSeconds ? 2 : 1, 0)
  out.writeBigInt64BE(BigInt.asIntN(64, time.seconds + unixToInternal), 1)
  out.writeInt32BE(time.nanoseconds, 9)
  out.writeInt16BE(minutes, 13)
  if (hasSeconds) out.writeInt8(offset % 60, 15)
  return out
}

/** Go's append: to bytes, or to a nil slice of them. */
function append(start: Value, more: Uint8Array): Bytes {
  return new Bytes(start instanceof Bytes ? Buffer.concat([start.bytes, more]) : more)
}

/** A method with results that no template can take. */
function unusable(reason: string): Method {
  const never: Func = { params: [], isVariadic: false, result: types.any, call: () => null, unusable: reason }
  return () => never
}

const month = integer(monthType)
const weekday = integer(weekdayType)
const place = param<Location>(locationType)
const buffer = param(byteSlice)

function getter<Result>(result: Param<Result>, get: (time: Time) => Result): Method {
  return method<Time, readonly [], Result>([], result, get)
}

function civilGetter(get: (civil: Civil) => number): Method {
  return getter(p.int, (time) => BigInt(get(time.civil)))
}

function comparison(holds: (order: number) => boolean): Method {
  return method<Time, readonly [Time], boolean>([timeParam], p.bool, (time, other) => holds(time.compare(other)))
}

const timeMethods: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['Add', method<Time, readonly [bigint], Time>([durationParam], timeParam, (time, duration) => time.add(duration))],
  ['AddDate', method<Time, readonly [bigint, bigint, bigint], Time>([p.int, p.int, p.int], timeParam, addDate)],
  ['After', comparison((order) => order > 0)],
  ['AppendBinary', method<Time, readonly [Value], Bytes>([buffer], p.bytes, (time, start) => append(start, binaryTime(time)))],
  [
    'AppendFormat',
    method<Time, readonly [Value, string], Bytes>([buffer, p.string], p.bytes, (time, start, layout) =>
      append(start, bytesOf(formatTime(time, layout))),
    ),
  ],
  [
    'AppendText',
    method<Time, readonly [Value], Bytes>([buffer], p.bytes, (time, start) =>
      append(start, bytesOf(strictRfc3339(time, 'Time.AppendText'))),
    ),
  ],
  ['Before', comparison((order) => order < 0)],
  ['Clock', unusable('function Clock has 3 return values; should be 1 or 2')],
  ['Compare', method<Time, readonly [Time], bigint>([timeParam], p.int, (time, other) => BigInt(time.compare(other)))],
  ['Date', unusable('function Date has 3 return values; should be 1 or 2')],
  ['Day', civilGetter((civil) => civil.day)],
  ['Equal', comparison((order) => order === 0)],
  ['Format', method<Time, readonly [string], string>([p.string], p.string, formatTime)],
  ['GoString', getter(p.string, goTextOfTime)],
  ['GobEncode', getter(p.bytes, (time) => new Bytes(binaryTime(time)))],
  ['Hour', civilGetter((civil) => civil.hour)],
  ['ISOWeek', unusable('invalid function signature for ISOWeek: second return value should be error; is int')],
  ['In', method<Time, readonly [Location], Time>([place], timeParam, inPlace)],
  ['IsDST', getter(p.bool, (time) => time.location.at(time.seconds).isDst)],
  ['IsZero', getter(p.bool, (time) => time.isZero)],
  ['Local', getter(timeParam, (time) => time.in(time.local))],
  ['Location', getter(place, (time) => time.location)],
  ['MarshalBinary', getter(p.bytes, (time) => new Bytes(binaryTime(time)))],
  ['MarshalJSON', getter(p.bytes, (time) => new Bytes(bytesOf(`"${strictRfc3339(time, 'Time.MarshalJSON')}"`)))],
  ['MarshalText', getter(p.bytes, (time) => new Bytes(bytesOf(strictRfc3339(time, 'Time.MarshalText'))))],
  ['Minute', civilGetter((civil) => civil.minute)],
  ['Month', getter(month, (time) => BigInt(time.civil.month))],
  ['Nanosecond', getter(p.int, (time) => BigInt(time.nanoseconds))],
  ['Round', method<Time, readonly [bigint], Time>([durationParam], timeParam, roundTime)],
  ['Second', civilGetter((civil) => civil.second)],
  ['String', getter(p.string, textOfTime)],
  ['Sub', method<Time, readonly [Time], bigint>([timeParam], durationParam, (time, other) => time.since(other))],
  ['Truncate', method<Time, readonly [bigint], Time>([durationParam], timeParam, truncateTime)],
  ['UTC', getter(timeParam, (time) => time.in(utc))],
  ['Unix', getter(p.int64, (time) => time.seconds)],
  ['UnixMicro', getter(p.int64, (time) => unixIn(microsecond, time))],
  ['UnixMilli', getter(p.int64, (time) => unixIn(millisecond, time))],
  ['UnixNano', getter(p.int64, (time) => unixIn(1n, time))],
  ['Weekday', getter(weekday, (time) => BigInt(time.civil.weekday))],
  ['Year', civilGetter((civil) => civil.year)],
  ['YearDay', civilGetter((civil) => civil.yearDay)],
  ['Zone', unusable('invalid function signature for Zone: second return value should be error; is int')],
  ['ZoneBounds', unusable('invalid function signature for ZoneBounds: second return value should be error; is time.Time')],
])

const durationMethods: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['Abs', intMethod([], durationParam, (duration) => clampInt64(duration < 0n ? -duration : duration))],
  ['Hours', intMethod([], p.float64, (duration) => durationIn(hour, duration))],
  ['Microseconds', intMethod([], p.int64, (duration) => duration / microsecond)],
  ['Milliseconds', intMethod([], p.int64, (duration) => duration / millisecond)],
  ['Minutes', intMethod([], p.float64, (duration) => durationIn(minute, duration))],
  ['Nanoseconds', intMethod([], p.int64, (duration) => duration)],
  ['Round', intMethod<readonly [bigint], bigint>([durationParam], durationParam, roundDuration)],
  ['Seconds', intMethod([], p.float64, (duration) => durationIn(second, duration))],
  ['String', durationText.string],
  ['Truncate', intMethod<readonly [bigint], bigint>([durationParam], durationParam, truncateDuration)],
])
