/** What `format` means. Each tells what is wrong with a text, and nothing when it is right. Source: santhosh-tekuri/jsonschema v6 format.go. */

import { messageOf } from '../../errors.ts'
import { utc } from '../../gotemplate/gotime-location.ts'
import { parseTime } from '../../gotemplate/gotime-parse.ts'
import { hostnameOf, parseUrl } from '../../gotemplate/sprig/gourl.ts'
import { atoi, quoteRune } from '../../gotemplate/strconv.ts'
import { bytesOf } from '../../gotemplate/value.ts'
import { addressProblem } from './ip.ts'
import { compilePattern } from './pattern.ts'
import type { Format } from './schema.ts'

type Problem = string | undefined

const checks: Readonly<Record<string, (text: string) => Problem>> = {
  'json-pointer': jsonPointer,
  'relative-json-pointer': relativeJsonPointer,
  uuid,
  duration,
  period,
  ipv4,
  ipv6,
  hostname,
  email,
  date,
  time,
  'date-time': dateTime,
  uri,
  iri: uri,
  'uri-reference': uriReference,
  'iri-reference': uriReference,
  'uri-template': uriTemplate,
  semver,
}

/** By name. An unknown format allows everything. */
export const formats: ReadonlyMap<string, Format> = new Map(
  Object.entries(checks).map(([name, problem]) => [name, { name, problem }]),
)

export const regexFormat: Format = { name: 'regex', problem: (text) => thrown(() => compilePattern(text)) }

function thrown(action: () => unknown): Problem {
  try {
    action()
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

function within(what: string, problem: Problem): Problem {
  return problem === undefined ? undefined : `${what}: ${problem}`
}

/** The first character that is not allowed, as Go quotes it. */
function strangeCharacter(text: string, allowed: RegExp): string | undefined {
  const strange = [...text].find((character) => !allowed.test(character))
  return strange === undefined ? undefined : quoteRune(strange)
}

function byteLength(text: string): number {
  return bytesOf(text).length
}

function jsonPointer(text: string): Problem {
  if (text === '') return undefined
  if (!text.startsWith('/')) return 'not starting with /'
  return /~(?![01])/.test(text) ? '~ must be followed by 0 or 1' : undefined
}

function relativeJsonPointer(text: string): Problem {
  const digits = /^\d*/.exec(text)?.[0] ?? ''
  if (digits === '') return 'must start with non-negative integer'
  if (digits.length > 1 && digits.startsWith('0')) return 'starts with zero'
  const rest = text.slice(digits.length)
  return rest === '#' ? undefined : jsonPointer(rest)
}

function uuid(text: string): Problem {
  const lengths = [8, 4, 4, 4, 12]
  const groups = text.split('-')
  if (groups.length !== lengths.length) return `must have ${lengths.length} elements`
  for (const [index, group] of groups.entries()) {
    if (byteLength(group) !== lengths[index]) return `element ${index + 1} must be ${lengths[index]} characters long`
    const strange = strangeCharacter(group, /[0-9a-fA-F]/)
    if (strange !== undefined) return `non-hex character ${strange}`
  }
  return undefined
}

function duration(text: string): Problem {
  if (!text.startsWith('P')) return 'must start with P'
  const rest = text.slice(1)
  if (rest === '') return 'nothing after P'
  if (rest.endsWith('W')) return rest === 'W' ? 'no number in week' : /^\d+W$/.test(rest) ? undefined : 'invalid week'
  const allUnits = ['YMD', 'HMS']
  for (const [index, part] of rest.split('T').entries()) {
    if (index > 0 && part === '') return 'no time elements'
    const units = allUnits[index]
    if (units === undefined) return 'more than one T'
    const problem = durationPart(part, units)
    if (problem !== undefined) return problem
  }
  return undefined
}

function durationPart(part: string, all: string): Problem {
  let units = all
  for (let rest = part; rest !== ''; ) {
    const digits = /^\d*/.exec(rest)?.[0].length ?? 0
    if (digits === 0) return 'missing number'
    const unit = rest[digits]
    if (unit === undefined) return 'missing unit'
    const place = units.indexOf(unit)
    if (place < 0) return all.includes(unit) ? `unit ${quoteRune(unit)} out of order` : `invalid unit ${quoteRune(unit)}`
    units = units.slice(place + 1)
    rest = rest.slice(digits + 1)
  }
  return undefined
}

function period(text: string): Problem {
  const slash = text.indexOf('/')
  if (slash < 0) return 'missing slash'
  const [start, end] = [text.slice(0, slash), text.slice(slash + 1)]
  if (start.startsWith('P')) {
    return within('invalid start duration', duration(start)) ?? within('invalid end date-time', dateTime(end))
  }
  const problem = within('invalid start date-time', dateTime(start))
  if (problem !== undefined) return problem
  return end.startsWith('P') ? within('invalid end duration', duration(end)) : within('invalid end date-time', dateTime(end))
}

function ipv4(text: string): Problem {
  const groups = text.split('.')
  if (groups.length !== 4) return 'expected four decimals'
  for (const group of groups) {
    if (group.length > 1 && group.startsWith('0')) return 'leading zeros'
    const problem = thrown(() => atoi(group))
    if (problem !== undefined) return problem
    const value = Number(group)
    if (value < 0 || value > 255) return 'decimal must be between 0 and 255'
  }
  return undefined
}

function ipv6(text: string): Problem {
  if (!text.includes(':')) return 'missing colon'
  return addressProblem(text) ?? (text.includes('%') ? 'zone id is not a part of ipv6 address' : undefined)
}

function hostname(given: string): Problem {
  const text = given.endsWith('.') ? given.slice(0, -1) : given
  if (byteLength(text) > 253) return 'more than 253 characters long'
  for (const label of text.split('.')) {
    if (label === '' || byteLength(label) > 63) return 'label must be 1 to 63 characters long'
    if (label.startsWith('-')) return 'label starts with hyphen'
    if (label.endsWith('-')) return 'label ends with hyphen'
    const strange = strangeCharacter(label, /[a-zA-Z0-9-]/)
    if (strange !== undefined) return `invalid character ${strange}`
  }
  return undefined
}

function email(text: string): Problem {
  if (byteLength(text) > 254) return 'more than 255 characters long'
  const at = text.lastIndexOf('@')
  if (at < 0) return 'missing @'
  return localPart(text.slice(0, at)) ?? domainPart(text.slice(at + 1))
}

function localPart(local: string): Problem {
  if (byteLength(local) > 64) return 'local part more than 64 characters long'
  if (/^".*"$/s.test(local)) {
    return /[\\"]/.test(local.slice(1, -1)) ? 'backslash and quote are not allowed within quoted local part' : undefined
  }
  if (local.startsWith('.')) return 'starts with dot'
  if (local.endsWith('.')) return 'ends with dot'
  if (local.includes('..')) return 'consecutive dots'
  const strange = strangeCharacter(local, /[a-zA-Z0-9.!#$%&'*+\-/=?^_`{|}~]/)
  return strange === undefined ? undefined : `invalid character ${strange}`
}

function domainPart(domain: string): Problem {
  if (!domain.startsWith('[') || !domain.endsWith(']')) return within('invalid domain', hostname(domain))
  const address = domain.slice(1, -1)
  if (address.startsWith('IPv6:')) return within('invalid ipv6 address', ipv6(address.slice(5)))
  return within('invalid ipv4 address', ipv4(address))
}

function date(text: string): Problem {
  return thrown(() => parseTime('2006-01-02', text, utc))
}

function dateTime(text: string): Problem {
  if (byteLength(text) < 20) return 'less than 20 characters long'
  if (!/[tT]/.test(text[10] ?? '')) return '11th character must be t or T'
  return within('invalid date element', date(text.slice(0, 10))) ?? within('invalid time element', time(text.slice(11)))
}

function time(text: string): Problem {
  if (byteLength(text) < 9) return 'less than 9 characters long'
  if (text[2] !== ':' || text[5] !== ':') return 'missing colon in correct place'
  const [hour, minute, second] = text.slice(0, 8).split(':', 3).map(wholeNumber)
  if (hour === undefined || minute === undefined || second === undefined) return 'invalid hour/min/sec'
  if (hour < 0 || minute < 0 || second < 0) return 'non-positive hour/min/sec'
  if (hour > 23 || minute > 59 || second > 60) return 'hour/min/sec out of range'
  const zone = text.slice(8).replace(/^\.\d+/, '')
  if (zone.startsWith('.')) return 'no digits in second fraction'
  const offset = zoneOffset(zone)
  if (typeof offset === 'string') return offset
  // A leap second comes at the end of a day in UTC.
  const minutes = (hour * 60 + minute - offset + 24 * 60) % (24 * 60)
  return second >= 60 && minutes !== 24 * 60 - 1 ? 'invalid leap second' : undefined
}

/** As strconv.Atoi: with a sign, if there is one. */
function wholeNumber(text: string): number | undefined {
  return /^[+-]?\d+$/.test(text) ? Number(text) : undefined
}

/** In minutes east, or what is wrong with it. */
function zoneOffset(zone: string): number | string {
  if (/^z$/i.test(zone)) return 0
  if (byteLength(zone) !== 6) return 'offset must be 6 characters long'
  if (!/^[+-]/.test(zone)) return 'offset must begin with plus/minus'
  if (zone[3] !== ':') return 'missing colon in offset in correct place'
  const [hour, minute] = zone.slice(1).split(':', 2).map(wholeNumber)
  if (hour === undefined || minute === undefined) return 'invalid hour/min in offset'
  if (hour < 0 || minute < 0) return 'non-positive hour/min in offset'
  if (hour > 23 || minute > 59) return 'hour/min in offset out of range'
  return (zone.startsWith('-') ? -1 : 1) * (hour * 60 + minute)
}

function url(text: string): Problem {
  return thrown(() => {
    const { host } = parseUrl(text)
    const name = hostnameOf(host)
    if (!name.includes(':')) return
    if (!host.includes('[') || !host.includes(']')) throw new Error('ipv6 address not enclosed in brackets')
    const problem = within('invalid ipv6 address', ipv6(name))
    if (problem !== undefined) throw new Error(problem)
  })
}

function uri(text: string): Problem {
  return url(text) ?? (/^[a-zA-Z][a-zA-Z0-9+.-]*:/.test(text) ? undefined : 'relative url')
}

function uriReference(text: string): Problem {
  return text.includes('\\') ? 'contains \\' : url(text)
}

function uriTemplate(text: string): Problem {
  const problem = url(text)
  if (problem !== undefined) return problem
  const path = /^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?(?:\/\/[^/?#]*)?(\/?[^?#]*)/.exec(text)?.[1] ?? ''
  for (const part of path.split('/')) {
    let isOpen = false
    for (const brace of part.replaceAll(/[^{}]/g, '')) {
      if ((brace === '{') === isOpen) return 'nested curly braces'
      isOpen = !isOpen
    }
    if (isOpen) return 'no matching closing brace'
  }
  return undefined
}

function semver(text: string): Problem {
  const plus = text.indexOf('+')
  const build = plus < 0 ? undefined : text.slice(plus + 1)
  const withoutBuild = plus < 0 ? text : text.slice(0, plus)
  const dash = withoutBuild.indexOf('-')
  const prerelease = dash < 0 ? undefined : withoutBuild.slice(dash + 1)
  return buildProblem(build) ?? prereleaseProblem(prerelease) ?? coreProblem(dash < 0 ? withoutBuild : withoutBuild.slice(0, dash))
}

function buildProblem(build: string | undefined): Problem {
  if (build === '') return 'build is empty'
  for (const identifier of build?.split('.') ?? []) {
    if (identifier === '') return 'build identifier is empty'
    const strange = strangeCharacter(identifier, /[0-9a-zA-Z-]/)
    if (strange !== undefined) return `invalid character ${strange} in build identifier`
  }
  return undefined
}

function prereleaseProblem(prerelease: string | undefined): Problem {
  for (const identifier of prerelease?.split('.') ?? []) {
    if (identifier === '') return 'pre-release identifier is empty'
    const strange = strangeCharacter(identifier, /[0-9a-zA-Z-]/)
    if (strange !== undefined) return `invalid character ${strange} in pre-release identifier`
    if (/^0\d+$/.test(identifier)) return 'pre-release numeric identifier starts with zero'
  }
  return undefined
}

function coreProblem(core: string): Problem {
  const numbers = core.split('.')
  if (numbers.length !== 3) return 'versionCore must have 3 numbers separated by dot'
  for (const [index, name] of ['major', 'minor', 'patch'].entries()) {
    const number = numbers[index] ?? ''
    if (number === '') return `${name} is empty`
    if (number.length > 1 && number.startsWith('0')) return `${name} starts with zero`
    if (!/^\d+$/.test(number)) return `${name} contains non-digit`
  }
  return undefined
}
