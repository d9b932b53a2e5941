/** Go's time.Location: which zone a place has at an instant. Source: Go time/zoneinfo.go. */

import { func, p } from './func.ts'
import { civilOf, daysBefore, daysIn, isLeap, secondsPerDay } from './gotime-calendar.ts'
import { type Transition, type Zone, type ZoneHistory, zoneHistory } from './gotime-tzif.ts'
import { type GoType, Struct, type Value } from './value.ts'

/** The zone at an instant, and from when until when it holds (in seconds since the epoch, or infinite). */
export interface Span extends Zone {
  readonly start: number
  readonly end: number
}

const locationStruct: GoType = { name: 'time.Location', kind: 'struct', fields: [] }

/** `*time.Location`. */
export const locationType: GoType = {
  name: '*time.Location',
  kind: 'ptr',
  elem: locationStruct,
  text: nameOf,
  methods: new Map([['String', (receiver) => func([], p.string, () => nameOf(receiver))]]),
}

/** A nil pointer is UTC. */
function nameOf(receiver: Value): string {
  return receiver instanceof Location ? receiver.name : 'UTC'
}

/** A place whose zone at any time is known: a value of type `*time.Location`. */
export class Location extends Struct {
  readonly name: string
  readonly #history: ZoneHistory
  constructor(name: string, history: ZoneHistory) {
    super(locationType, new Map([['name', name]]))
    this.name = name
    this.#history = history
  }

  /** The zone at a number of seconds since the epoch. */
  at(seconds: bigint): Span {
    const { transitions, rule } = this.#history
    const instant = Number(seconds)
    const index = lastNotAfter(transitions, instant)
    const current = transitions[index]
    if (!current) return { ...firstZone(this.#history), start: -Infinity, end: transitions[0]?.when ?? Infinity }
    const next = transitions[index + 1]
    if (!next && rule !== '') return spanOfRule(rule, current.when, seconds)
    return { ...current.zone, start: current.when, end: next?.when ?? Infinity }
  }

  /**
   * The offset of a zone by its abbreviation, that one first which holds at the time (as if the place were UTC); undefined when the place
   * has never had it.
   */
  offsetOf(abbreviation: string, seconds: bigint): number | undefined {
    const named = this.#history.zones.filter((zone) => zone.name === abbreviation)
    for (const zone of named) {
      const held = this.at(seconds - BigInt(zone.offset))
      if (held.name === abbreviation) return held.offset
    }
    return named[0]?.offset
  }
}

/** time.UTC. */
export const utc = newFixedZone('UTC', 0)

/** Places without a name that are whole hours from UTC: one for each, so that times at them are equal. */
const hourZones = new Map<number, Location>()

/** time.FixedZone: a place that always has one offset (seconds east of UTC), with a name or `''`. */
export function fixedZone(name: string, offset: number): Location {
  const hours = offset / 3600
  if (name !== '' || !Number.isInteger(hours) || hours < -12 || hours > 14) return newFixedZone(name, offset)
  const known = hourZones.get(offset) ?? newFixedZone(name, offset)
  hourZones.set(offset, known)
  return known
}

function newFixedZone(name: string, offset: number): Location {
  const zone = { name, offset, isDst: false }
  return new Location(name, { zones: [zone], transitions: [{ when: -Infinity, zone }], rule: '' })
}

/** The place that the process calls Local, by its IANA name; UTC when there is none of this name, as in Go. */
export function localLocation(zone: string): Location {
  const history = zone === 'UTC' ? undefined : zoneHistory(zone)
  return history ? new Location('Local', withTransition(history)) : new Location('Local', localUtc)
}

const utcZone: Zone = { name: 'UTC', offset: 0, isDst: false }
const localUtc: ZoneHistory = { zones: [utcZone], transitions: [{ when: -Infinity, zone: utcZone }], rule: '' }

/** time.LoadLocation, but for `Local`; undefined for an unknown name. */
export function loadLocation(name: string): Location | undefined {
  if (name === '' || name === 'UTC') return utc
  const history = zoneHistory(name)
  return history && new Location(name, withTransition(history))
}

/** Places that never changed have no transition in the database. */
function withTransition(history: ZoneHistory): ZoneHistory {
  const [zone] = history.zones
  return history.transitions.length > 0 || !zone ? history : { ...history, transitions: [{ when: -Infinity, zone }] }
}

/** The index of the last transition that is not after an instant; -1 before the first one. */
function lastNotAfter(transitions: readonly Transition[], instant: number): number {
  let low = -1
  let high = transitions.length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((transitions[middle]?.when ?? Infinity) <= instant) low = middle
    else high = middle
  }
  return low
}

/** The zone before the first transition. Source: Location.lookupFirstZone. */
function firstZone({ zones, transitions }: ZoneHistory): Zone {
  const [first = utcZone] = zones
  if (!transitions.some(({ zone }) => zone === first)) return first
  const initial = transitions[0]?.zone
  if (initial?.isDst) {
    const before = zones.slice(0, zones.indexOf(initial)).findLast((zone) => !zone.isDst)
    if (before) return before
  }
  return zones.find((zone) => !zone.isDst) ?? first
}

/** What a rule such as `CET-1CEST,M3.5.0,M10.5.0/3` or `<-03>3` says. */
interface Rule {
  readonly standard: Zone
  /** Absent where the clocks stay. */
  readonly summer?: { readonly zone: Zone; readonly from: string; readonly until: string }
}

const rulePattern =
  /^(?<std>[A-Za-z]+|<[^>]+>)(?<stdOff>[-+:\d]+)(?:(?<dst>[A-Za-z]+|<[^>]+>)(?<dstOff>[-+:\d]*),(?<from>[^,]+),(?<until>.+))?$/

function parseRule(text: string): Rule {
  const { std = '', stdOff = '', dst, dstOff, from = '', until = '' } = rulePattern.exec(text)?.groups ?? {}
  // Offsets count west of UTC here.
  const standard = { name: std.replace(/[<>]/g, ''), offset: -clockSeconds(stdOff), isDst: false }
  if (dst === undefined) return { standard }
  const offset = dstOff ? -clockSeconds(dstOff) : standard.offset + 3600
  return { standard, summer: { zone: { name: dst.replace(/[<>]/g, ''), offset, isDst: true }, from, until } }
}

/** Seconds of `2`, `-1:30` or `+24:00:00`. */
function clockSeconds(text: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = text.replace(/^[-+]/, '').split(':').map(Number)
  return (text.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds)
}

/** The zone at an instant after the last transition. The ends are those of the year where no change is near, as in Go's tzset. */
function spanOfRule(text: string, lastTransition: number, seconds: bigint): Span {
  const { standard, summer } = parseRule(text)
  if (!summer) return { ...standard, start: lastTransition, end: Infinity }
  const { year, yearDay } = civilOf(seconds, 0)
  const inYear = (yearDay - 1) * secondsPerDay + Number(seconds % BigInt(secondsPerDay))
  const yearStart = Number(seconds) - inYear
  const changes = [
    { at: changeInYear(year, summer.from, standard.offset), to: summer.zone },
    { at: changeInYear(year, summer.until, summer.zone.offset), to: standard },
  ] as const
  // In the south, the year begins and ends in summer.
  const [first, second] = changes[1].at < changes[0].at ? [changes[1], changes[0]] : changes
  if (inYear < first.at) return { ...second.to, start: yearStart, end: yearStart + first.at }
  if (inYear >= second.at) return { ...second.to, start: yearStart + second.at, end: yearStart + 365 * secondsPerDay }
  return { ...first.to, start: yearStart + first.at, end: yearStart + second.at }
}

/** Seconds after the start of the year (in UTC) at which a change takes place: `M3.5.0/3` is the last Sunday of March at 3, `J60` and `59` days of the year. */
function changeInYear(year: number, rule: string, offset: number): number {
  const [date = '', time = '2'] = rule.split('/')
  return dayOfRule(year, date) * secondsPerDay + clockSeconds(time) - offset
}

/** The day of the year, from 0. */
function dayOfRule(year: number, date: string): number {
  const [number = 0, week = 0, weekday = 0] = date.replace(/^[MJ]/, '').split('.').map(Number)
  if (date.startsWith('J')) return number - 1 + (isLeap(year) && number >= 60 ? 1 : 0)
  if (!date.startsWith('M')) return number
  const before = daysBefore(number) + (isLeap(year) && number > 2 ? 1 : 0)
  const firstWeekday = (weekdayOfNewYear(year) + before) % 7
  const first = (weekday - firstWeekday + 7) % 7
  const last = daysIn(number, year) - 1
  const wanted = first + (week - 1) * 7
  return before + (wanted > last ? wanted - 7 : wanted)
}

function weekdayOfNewYear(year: number): number {
  const past = year - 1
  const days = past * 365 + Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400)
  return (((days + 1) % 7) + 7) % 7
}
