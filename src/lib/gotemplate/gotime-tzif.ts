/**
 * Compiled time zones (TZif, RFC 9636), unpacked from the copy of the IANA database that comes with this library. Not from Intl: that has
 * no abbreviations (`CET`), which layouts print, and no account of daylight saving time.
 */

import { brotliDecompressSync } from 'node:zlib'
import { packedZones } from './gotime-zones.generated.ts'

/** One of the local times that a place has used. */
export interface Zone {
  /** The abbreviation: `CET`, or `-03` where there is none. */
  readonly name: string
  /** Seconds east of UTC. */
  readonly offset: number
  readonly isDst: boolean
}

/** When a place began to use a zone. */
export interface Transition {
  /** Seconds since the epoch. */
  readonly when: number
  readonly zone: Zone
}

/** All that is known of a place. */
export interface ZoneHistory {
  readonly zones: readonly Zone[]
  readonly transitions: readonly Transition[]
  /** The rule after the last transition, in the form of the TZ variable: `CET-1CEST,M3.5.0,M10.5.0/3`. */
  readonly rule: string
}

/** The history of an IANA name such as `Europe/Berlin`; undefined when there is none of this name. */
export function zoneHistory(name: string): ZoneHistory | undefined {
  const file = zoneFiles().get(name)
  return file && parseHistory(file)
}

let files: ReadonlyMap<string, Buffer> | undefined

/** The packed files by name: unpacked once, at the first use. */
function zoneFiles(): ReadonlyMap<string, Buffer> {
  files ??= unpack(brotliDecompressSync(Buffer.from(packedZones, 'base64')))
  return files
}

function unpack(packed: Buffer): ReadonlyMap<string, Buffer> {
  const byName = new Map<string, Buffer>()
  for (let at = 0; at < packed.length; ) {
    const lineEnd = packed.indexOf('\n', at)
    const start = lineEnd + 5
    const end = start + packed.readUInt32BE(lineEnd + 1)
    for (const name of packed.toString('latin1', at, lineEnd).split(' ')) byName.set(name, packed.subarray(start, end))
    at = end
  }
  return byName
}

const headerLength = 44

/** Sizes of the parts of a block, from the six counts of its header. */
function countsAt(file: Buffer, header: number) {
  const count = (index: number) => file.readUInt32BE(header + 20 + index * 4)
  return { isUt: count(0), isStandard: count(1), leaps: count(2), times: count(3), zones: count(4), letters: count(5) }
}

function parseHistory(file: Buffer): ZoneHistory {
  // The first block has 32-bit times; the second one, which all files of today have, repeats it with 64 bits.
  const first = countsAt(file, 0)
  const second = headerLength + first.times * 5 + first.zones * 6 + first.letters + first.leaps * 8 + first.isStandard + first.isUt
  const counts = countsAt(file, second)
  const times = second + headerLength
  const indexes = times + counts.times * 8
  const zonesAt = indexes + counts.times
  const letters = zonesAt + counts.zones * 6
  const footer = letters + counts.letters + counts.leaps * 12 + counts.isStandard + counts.isUt

  const zones = Array.from({ length: counts.zones }, (_, index): Zone => {
    const at = zonesAt + index * 6
    const name = letters + file.readUInt8(at + 5)
    return {
      name: file.toString('latin1', name, file.indexOf(0, name)),
      offset: file.readInt32BE(at),
      isDst: file.readUInt8(at + 4) !== 0,
    }
  })
  const transitions = Array.from({ length: counts.times }, (_, index) => ({
    when: Number(file.readBigInt64BE(times + index * 8)),
    zone: zones[file.readUInt8(indexes + index)] as Zone,
  }))
  return { zones, transitions, rule: file.toString('latin1', footer).trim() }
}
