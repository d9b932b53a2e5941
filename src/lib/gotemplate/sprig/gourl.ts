/** URLs as Go's net/url parses and prints them. */

import { quote } from '../strconv.ts'
import { ipLiteralProblem } from './ip.ts'
import { binary, fromBinary } from './text.ts'

/** What url.Parse returns as an error: the message names the text. */
export class UrlError extends Error {
  override readonly name = 'UrlError'
}

export interface Userinfo {
  readonly username: string
  readonly password?: string
}

/** A URL or a reference to one. Path and fragment are unescaped. */
export interface Url {
  readonly scheme: string
  readonly opaque: string
  readonly user?: Userinfo
  readonly host: string
  readonly path: string
  readonly rawQuery: string
  readonly fragment: string
}

/** @throws UrlError with Go's words. Source: Go url.Parse. */
export function parseUrl(text: string): Url {
  const [rest, fragment] = cut(text, '#')
  const url = explained(rest, () => parseWithoutFragment(rest))
  return { ...url, fragment: explained(text, () => unescaped(fragment, 'fragment')) }
}

function explained<Result>(text: string, run: () => Result): Result {
  try {
    return run()
  } catch (error) {
    throw error instanceof UrlError ? new UrlError(`parse ${quote(text)}: ${error.message}`) : error
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: those are looked for
const controlPattern = /[\x00-\x1f\x7f]/

function parseWithoutFragment(text: string): Url {
  if (controlPattern.test(text)) throw new UrlError('net/url: invalid control character in URL')
  const nothing = { scheme: '', opaque: '', host: '', path: '', rawQuery: '', fragment: '' }
  if (text === '*') return { ...nothing, path: '*' }
  const { scheme, rest: afterScheme } = splitScheme(text)
  const [hierarchy, rawQuery] = cut(afterScheme, '?')
  const url = { ...nothing, scheme, rawQuery }
  if (!hierarchy.startsWith('/')) {
    if (scheme !== '') return { ...url, opaque: hierarchy }
    if (cut(hierarchy, '/')[0].includes(':')) throw new UrlError('first path segment in URL cannot contain colon')
  }
  if (!hierarchy.startsWith('//') || (scheme === '' && hierarchy.startsWith('///')))
    return { ...url, path: unescaped(hierarchy, 'path') }
  const slash = hierarchy.indexOf('/', 2)
  const end = slash < 0 ? hierarchy.length : slash
  const authority = parseAuthority(scheme, hierarchy.slice(2, end))
  return { ...url, ...authority, path: unescaped(hierarchy.slice(end), 'path') }
}

/** The text before and after the first of a mark. */
function cut(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + mark.length)]
}

function splitScheme(text: string): { scheme: string; rest: string } {
  if (text.startsWith(':')) throw new UrlError('missing protocol scheme')
  const [, scheme, rest] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(text) ?? []
  return scheme === undefined || rest === undefined ? { scheme: '', rest: text } : { scheme: scheme.toLowerCase(), rest }
}

function parseAuthority(scheme: string, authority: string): { user?: Userinfo; host: string } {
  const at = authority.lastIndexOf('@')
  const host = parseHost(scheme, authority.slice(at + 1))
  return at < 0 ? { host } : { user: parseUserinfo(authority.slice(0, at)), host }
}

function parseUserinfo(text: string): Userinfo {
  if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(text)) throw new UrlError('net/url: invalid userinfo')
  const [username, password] = cut(text, ':')
  const user = { username: unescaped(username, 'userinfo') }
  return text.includes(':') ? { ...user, password: unescaped(password, 'userinfo') } : user
}

function parseHost(scheme: string, host: string): string {
  const bracket = host.lastIndexOf('[')
  if (bracket > 0) throw new UrlError('invalid IP-literal')
  if (bracket === 0) return parseIpLiteral(host)
  const isStrict = scheme === 'http' || scheme === 'https'
  const colon = isStrict ? host.indexOf(':') : host.lastIndexOf(':')
  if (colon >= 0) checkPort(host.slice(colon))
  return unescaped(host, 'host')
}

/** `[fe80::1%25en0]:80` */
function parseIpLiteral(host: string): string {
  const close = host.lastIndexOf(']')
  if (close < 0) throw new UrlError("missing ']' in host")
  const port = host.slice(close + 1)
  checkPort(port)
  const name = host.slice(1, close)
  const zone = name.indexOf('%25')
  const address = zone < 0 ? unescaped(name, 'host') : unescaped(name.slice(0, zone), 'host') + unescaped(name.slice(zone), 'zone')
  const problem = ipLiteralProblem(address)
  if (problem !== undefined) throw new UrlError(problem)
  return `[${address}]${port}`
}

const portPattern = /^(?::\d*)?$/

function checkPort(text: string): void {
  if (!portPattern.test(text)) throw new UrlError(`invalid port ${quote(text)} after host`)
}

/** Parts of a URL, each with the characters besides letters and digits that are not escaped in it. Source: Go url.shouldEscape. */
const plainMarks = {
  path: '-_.~$&+,/:;=@',
  host: '-_.~!$&\'()*+,;=:[]<>"',
  zone: '-_.~!$&\'()*+,;=:[]<>"',
  userinfo: '-_.~$&+,;=',
  fragment: '-_.~$&+,/:;=?@!()*',
} as const
type Part = keyof typeof plainMarks

function isPlain(byte: string, part: Part): boolean {
  return /[A-Za-z0-9]/.test(byte) || plainMarks[part].includes(byte)
}

function unescaped(text: string, part: Part): string {
  const bytes = binary(text)
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? ''
    if (byte === '%') checkEscape(bytes.slice(at, at + 3), part)
    else if ((part === 'host' || part === 'zone') && byte < '\x80' && !isPlain(byte, part)) {
      // The digits of an escape are plain.
      throw new UrlError(`invalid character ${quote(byte)} in host name`)
    }
  }
  return fromBinary(bytes.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))))
}

/** In a host only what is not ASCII may be escaped; in a zone also what could stand there unescaped, and spaces. */
function checkEscape(sequence: string, part: Part): void {
  const invalid = () => new UrlError(`invalid URL escape ${quote(fromBinary(sequence))}`)
  if (!/^%[0-9A-Fa-f]{2}$/.test(sequence)) throw invalid()
  const code = Number.parseInt(sequence.slice(1), 16)
  if (sequence === '%25') return
  if (part === 'host' && code < 0x80) throw invalid()
  if (part === 'zone' && code !== 0x20 && !isPlain(String.fromCharCode(code), 'host')) throw invalid()
}

function escaped(text: string, part: Part): string {
  const percent = (byte: string) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  return Array.from(binary(text), (byte) => (isPlain(byte, part) ? byte : percent(byte))).join('')
}

/** The host without its port and without the brackets of an IPv6 address. Source: Go URL.Hostname. */
export function hostnameOf(host: string): string {
  const colon = host.lastIndexOf(':')
  const name = colon >= 0 && portPattern.test(host.slice(colon)) ? host.slice(0, colon) : host
  return name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name
}

/** Source: Go Userinfo.String. */
export function printUserinfo({ username, password }: Userinfo): string {
  const name = escaped(username, 'userinfo')
  return password === undefined ? name : `${name}:${escaped(password, 'userinfo')}`
}

/** Source: Go URL.String, of a URL that was not parsed. */
export function printUrl({ scheme, opaque, user, host, path, rawQuery, fragment }: Url): string {
  const start = scheme === '' ? '' : `${scheme}:`
  const end = (rawQuery && `?${rawQuery}`) + (fragment && `#${escaped(fragment, 'fragment')}`)
  if (opaque !== '') return start + opaque + end
  const hasAuthority = (scheme !== '' || host !== '' || user !== undefined) && (host !== '' || path !== '' || user !== undefined)
  const authority = hasAuthority ? `//${user ? `${printUserinfo(user)}@` : ''}${escaped(host, 'host')}` : ''
  const escapedPath = path === '*' ? '*' : escaped(path, 'path')
  return start + authority + pathPrefix(escapedPath, host, start + authority) + escapedPath + end
}

/** What keeps a path apart from the host, and a colon in it from being that of a scheme. */
function pathPrefix(path: string, host: string, before: string): string {
  if (path !== '' && !path.startsWith('/') && host !== '') return '/'
  return before === '' && cut(path, '/')[0].includes(':') ? './' : ''
}
