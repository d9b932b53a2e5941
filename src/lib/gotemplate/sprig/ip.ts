/** IP addresses in URLs. */

import { quote } from '../strconv.ts'

class AddressError extends Error {}

/**
 * Why a text cannot stand between the brackets of a URL's host: only IPv6 addresses can. Undefined when it can.
 * Source: Go net/url parseHost, net/netip ParseAddr.
 */
export function ipLiteralProblem(text: string): string | undefined {
  try {
    return checkAddress(text) === 4 ? 'invalid IP-literal' : undefined
  } catch (error) {
    if (error instanceof AddressError) return `invalid host: ${error.message}`
    throw error
  }
}

type Complain = (problem: string, at?: string) => AddressError

function checkAddress(text: string): 4 | 6 {
  const complain: Complain = (problem, at = '') =>
    new AddressError(`ParseAddr(${quote(text)}): ${problem}${at && ` (at ${quote(at)})`}`)
  switch (/[.:%]/.exec(text)?.[0]) {
    case '.':
      checkIpv4(text, complain)
      return 4
    case ':':
      checkIpv6(text, complain)
      return 6
    case '%':
      throw complain('missing IPv6 address')
    default:
      throw complain('unable to parse IP')
  }
}

function checkIpv4(text: string, complain: Complain): void {
  let field = ''
  let dots = 0
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? ''
    if (/\d/.test(character)) {
      if (field === '0') throw complain('IPv4 field has octet with leading zero')
      field += character
      if (Number(field) > 255) throw complain('IPv4 field has value >255')
    } else if (character === '.') {
      if (field === '' || at === text.length - 1) throw complain('IPv4 field must have at least one digit', text.slice(at))
      if (dots === 3) throw complain('IPv4 address too long')
      dots++
      field = ''
    } else throw complain('unexpected character', text.slice(at))
  }
  if (dots < 3) throw complain('IPv4 address too short')
}

function checkIpv6(text: string, complain: Complain): void {
  const [address = '', ...zone] = text.split('%')
  if (zone.length > 0 && zone.join('%') === '') throw complain('zone must be a non-empty string')
  let hasEllipsis = address.startsWith('::')
  let rest = hasEllipsis ? address.slice(2) : address
  if (rest === '') return
  let fields = 0
  while (fields < 8) {
    const digits = /^[0-9A-Fa-f]*/.exec(rest)?.[0] ?? ''
    if (digits.length > 4) throw complain('each group must have 4 or less digits', rest)
    if (digits === '') throw complain('each colon-separated field must have at least one digit', rest)
    if (rest[digits.length] === '.') {
      if (!hasEllipsis && fields !== 6) throw complain('embedded IPv4 address must replace the final 2 fields of the address', rest)
      if (fields > 6) throw complain('too many hex fields to fit an embedded IPv4 at the end of the address', rest)
      checkIpv4(rest, complain)
      rest = ''
      fields += 2
      break
    }
    fields++
    rest = rest.slice(digits.length)
    if (rest === '') break
    if (!rest.startsWith(':')) throw complain('unexpected character, want colon', rest)
    if (rest === ':') throw complain('colon must be followed by more characters', rest)
    rest = rest.slice(1)
    if (!rest.startsWith(':')) continue
    if (hasEllipsis) throw complain('multiple :: in address', rest)
    hasEllipsis = true
    rest = rest.slice(1)
    if (rest === '') break
  }
  if (rest !== '') throw complain('trailing garbage after address', rest)
  if (fields < 8 && !hasEllipsis) throw complain('address string too short')
  if (fields === 8 && hasEllipsis) throw complain('the :: must expand to at least one field of zeros')
}
