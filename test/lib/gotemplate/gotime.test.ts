import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { sprintf } from '../../../src/lib/gotemplate/format.ts'
import { FuncError } from '../../../src/lib/gotemplate/func.ts'
import { durationType, Time, timeType } from '../../../src/lib/gotemplate/gotime.ts'
import {
  durationIn,
  formatDuration,
  hour,
  minute,
  parseDuration,
  roundDuration,
  second,
} from '../../../src/lib/gotemplate/gotime-duration.ts'
import { formatTime } from '../../../src/lib/gotemplate/gotime-format.ts'
import { type Location, loadLocation, localLocation, utc } from '../../../src/lib/gotemplate/gotime-location.ts'
import { parseTime } from '../../../src/lib/gotemplate/gotime-parse.ts'
import { type Bytes, Int, int, type Value } from '../../../src/lib/gotemplate/value.ts'

interface Case {
  readonly a: string
  readonly b: string
  readonly c: string
  readonly ok?: string
  readonly err?: string
}

function fixture(name: string): readonly Case[] {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../../fixtures/gotime', `${name}.json`), 'utf8'))
}

const local = localLocation('Europe/Berlin')

function place(name: string): Location {
  return loadLocation(name) ?? utc
}

function timeAt(text: string, zone: string): Time {
  const [seconds = '0', nanoseconds] = text.split(' ')
  return new Time({ seconds: BigInt(seconds), nanoseconds: Number(nanoseconds), location: place(zone) }, local)
}

/** The answer, or the error, as the fixtures have them. */
function answer(work: () => string): { ok?: string; err?: string } {
  try {
    return { ok: work() }
  } catch (error) {
    if (error instanceof FuncError) return { err: error.message }
    throw error
  }
}

function expected({ ok, err }: Case) {
  return err === undefined ? { ok } : { err }
}

function call(time: Time, method: string, ...args: readonly Value[]): Value {
  return timeType.methods?.get(method)?.(time).call(args) ?? null
}

describe('layouts', () => {
  it.each(fixture('formats'))('format $b in $c by "$a"', (test) => {
    expect({ ok: formatTime(timeAt(test.b, test.c), test.a) }).toEqual(expected(test))
  })

  it.each(fixture('parses'))('parse "$b" by "$a" in $c', (test) => {
    const here = test.c === 'UTC' ? local : place(test.c)
    const parsed = answer(() => {
      const time = new Time(parseTime(test.a, test.b, here), local)
      const name = time.location === local ? 'Europe/Berlin' : time.location.name
      return `${time.seconds}.${time.nanoseconds} ${sprintf('%v', [time])} ${name}`
    })
    expect(parsed).toEqual(expected(test))
  })

  it.each([
    ['2006-01-02', '2024-02-30', 'parsing time "2024-02-30": day out of range'],
    ['15:04', '25:00', 'parsing time "25:00": hour out of range'],
    ['2006', '99', 'parsing time "99" as "2006": cannot parse "99" as "2006"'],
    ['Jan 2', 'Foo 2', 'parsing time "Foo 2" as "Jan 2": cannot parse "Foo 2" as "Jan"'],
    ['2006-01', '2024/01', 'parsing time "2024/01" as "2006-01": cannot parse "/01" as "-"'],
    ['2006', '2024é', 'parsing time "2024\\xc3\\xa9": extra text: "\\xc3\\xa9"'],
    ['2006 002 1', '2024 060 3', 'parsing time "2024 060 3": day-of-year does not match month'],
  ])('say of %s and %s what is wrong', (layout, text, message) => {
    expect(answer(() => String(parseTime(layout, text, utc)))).toEqual({ err: message })
  })
})

describe('zones', () => {
  it.each([
    ['Europe/Berlin', '1719792000 0', 'CEST +0200'],
    ['Europe/Berlin', '1704067200 0', 'CET +0100'],
    ['America/Sao_Paulo', '1704067200 0', '-03 -0300'],
    ['Asia/Kolkata', '1704067200 0', 'IST +0530'],
    ['Europe/Dublin', '1704067200 0', 'GMT +0000'],
    ['Australia/Lord_Howe', '1704067200 0', '+11 +1100'],
    ['Antarctica/Troll', '4102444800 0', '+00 +0000'],
    ['America/New_York', '9000000000 0', 'EDT -0400'],
    ['Europe/Paris', '-3000000000 0', 'LMT +0009'],
    ['Etc/GMT+5', '0 0', '-05 -0500'],
  ])('of %s at %s is %s', (zone, instant, shown) => {
    expect(formatTime(timeAt(instant, zone), 'MST -0700')).toBe(shown)
  })

  it.each(['Nowhere/Zone', 'europe/berlin', '../UTC', '/etc/localtime', '__proto__'])('do not include %s', (name) => {
    expect(loadLocation(name)).toBeUndefined()
  })
})

describe('durations', () => {
  it.each(fixture('durations'))('parse "$a"', (test) => {
    const parsed = answer(() => {
      const duration = parseDuration(test.a)
      const [inHours, inMinutes, inSeconds] = [hour, minute, second].map((unit) => sprintf('%v', [durationIn(unit, duration)]))
      const rounded = formatDuration(roundDuration(duration, 7n * second))
      return `${duration} ${formatDuration(duration)} ${inHours} ${inMinutes} ${inSeconds} ${rounded}`
    })
    expect(parsed).toEqual(expected(test))
  })
})

describe('time.Time', () => {
  it.each(fixture('times'))('has the methods of Go at $b in $c', (test) => {
    const time = timeAt(test.b, test.c)
    const by = new Int(durationType, BigInt(test.b.split(' ')[2] ?? '0'))
    expect(methodsOf(time, by)).toBe(test.ok)
  })

  it('is the zero time at the start of the year 1 in UTC', () => {
    const zero = timeAt('-62135596800 0', 'UTC')
    expect([call(zero, 'IsZero'), sprintf('%v', [zero])]).toEqual([true, '0001-01-01 00:00:00 +0000 UTC'])
  })

  it('shows and uses the monotonic clock where it has one', () => {
    const moment = { seconds: 1_700_000_000n, nanoseconds: 5, location: utc }
    const time = new Time({ ...moment, monotonic: 1_500_000_000n }, local)
    const later = new Time({ ...moment, seconds: 0n, monotonic: 3_500_000_000n }, local)
    expect(sprintf('%v', [time])).toBe('2023-11-14 22:13:20.000000005 +0000 UTC m=+1.500000000')
    expect(sprintf('%v', [call(later, 'Sub', time)])).toBe('2s')
    expect(sprintf('%v', [call(time, 'UTC')])).toBe('2023-11-14 22:13:20.000000005 +0000 UTC')
  })

  it.each(['Date', 'Clock', 'Zone', 'ZoneBounds', 'ISOWeek'])('has %s, which no template can call', (name) => {
    expect(timeType.methods?.get(name)?.(timeAt('0 0', 'UTC')).unusable).toMatch(name)
  })
})

function methodsOf(time: Time, by: Int): string {
  const instant = (value: Value) => (value instanceof Time ? `${value.seconds}.${value.nanoseconds}` : '')
  const print = (name: string, ...args: readonly Value[]) => sprintf('%v', [call(time, name, ...args)])
  const remainder = (divisor: bigint) => int(by.value % divisor)
  const later = time.add(by.value)
  const binary = answer(() => sprintf('%v', [call(time, 'MarshalBinary')])).ok ?? '[]'
  const json = answer(() => Buffer.from((call(time, 'MarshalJSON') as Bytes).bytes).toString())
  const parts = [
    instant(later),
    formatDuration(later.since(time)),
    formatDuration(time.since(later)),
    instant(call(time, 'Truncate', by)),
    instant(call(time, 'Round', by)),
    instant(call(time, 'AddDate', remainder(50n), remainder(100n), remainder(1000n))),
    ...['Year', 'Month', 'Day', 'Weekday', 'YearDay', 'Hour', 'IsDST', 'UnixNano', 'UnixMilli'].map((name) => print(name)),
    binary,
    json.ok ?? '',
    json.err ?? '',
    print('GoString'),
    print('String'),
  ]
  return `${parts.join(' ')}\n`
}
