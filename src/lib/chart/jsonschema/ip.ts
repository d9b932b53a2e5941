/** IP addresses in texts. Source: Go net/netip ParseAddr. */

import { quote } from '../../gotemplate/strconv.ts'

/** What is wrong with a text that should be an address of either sort, in Go's words; undefined when nothing is. */
export function addressProblem(text: string): string | undefined {
  const first = /[.:%]/.exec(text)?.[0]
  if (first === undefined) return problem(text, 'unable to parse IP')
  if (first === '%') return problem(text, 'missing IPv6 address')
  return first === '.' ? ipv4Problem(text, text) : ipv6Problem(text)
}

function problem(text: string, what: string, at = ''): string {
  return `ParseAddr(${quote(text)}): ${what}${at === '' ? '' : ` (at ${quote(at)})`}`
}

function ipv4Problem(whole: string, text: string): string | undefined {
  let [value, digits, fields] = [0, 0, 0]
  for (const [index, character] of [...text].entries()) {
    if (/\d/.test(character)) {
      if (digits === 1 && value === 0) return problem(whole, 'IPv4 field has octet with leading zero')
      value = value * 10 + Number(character)
      digits++
      if (value > 255) return problem(whole, 'IPv4 field has value >255')
    } else if (character === '.') {
      if (digits === 0 || index === text.length - 1)
        return problem(whole, 'IPv4 field must have at least one digit', text.slice(index))
      if (fields === 3) return problem(whole, 'IPv4 address too long')
      fields++
      value = digits = 0
    } else return problem(whole, 'unexpected character', text.slice(index))
  }
  return fields < 3 ? problem(whole, 'IPv4 address too short') : undefined
}

function ipv6Problem(whole: string): string | undefined {
  const percent = whole.indexOf('%')
  if (percent >= 0 && percent === whole.length - 1) return problem(whole, 'zone must be a non-empty string')
  let rest = percent < 0 ? whole : whole.slice(0, percent)
  let hasGap = rest.startsWith('::')
  if (hasGap) rest = rest.slice(2)
  if (hasGap && rest === '') return undefined
  let bytes = 0
  while (bytes < 16) {
    const digits = /^[0-9a-fA-F]*/.exec(rest)?.[0] ?? ''
    if (digits.length > 4) return problem(whole, 'each group must have 4 or less digits', rest)
    if (digits === '') return problem(whole, 'each colon-separated field must have at least one digit', rest)
    if (rest[digits.length] === '.') {
      if (!hasGap && bytes !== 12)
        return problem(whole, 'embedded IPv4 address must replace the final 2 fields of the address', rest)
      if (bytes > 12) return problem(whole, 'too many hex fields to fit an embedded IPv4 at the end of the address', rest)
      const inner = ipv4Problem(whole, rest)
      if (inner !== undefined) return inner
      bytes += 4
      rest = ''
      break
    }
    bytes += 2
    rest = rest.slice(digits.length)
    if (rest === '') break
    if (!rest.startsWith(':')) return problem(whole, 'unexpected character, want colon', rest)
    if (rest.length === 1) return problem(whole, 'colon must be followed by more characters', rest)
    rest = rest.slice(1)
    if (!rest.startsWith(':')) continue
    if (hasGap) return problem(whole, 'multiple :: in address', rest)
    hasGap = true
    rest = rest.slice(1)
    if (rest === '') break
  }
  if (rest !== '') return problem(whole, 'trailing garbage after address', rest)
  if (bytes < 16 && !hasGap) return problem(whole, 'address string too short')
  return bytes === 16 && hasGap ? problem(whole, 'the :: must expand to at least one field of zeros') : undefined
}
