/** Addresses of schemas: URLs, JSON pointers, and both together. */

import { BuildError } from '../../errors.ts'
import { quote } from '../../gotemplate/strconv.ts'
import { type Doc, isArray, isObject } from './document.ts'

/** A place in a document. */
export interface Address {
  readonly url: string
  /** A JSON pointer; empty for the whole document. */
  readonly pointer: string
}

/** A URL and what follows its `#`: empty, a JSON pointer, or the name of an anchor. */
export interface Reference {
  readonly url: string
  readonly fragment: string
}

export function escapeToken(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** `url#/pointer` with what a URL cannot hold escaped. */
export function addressText({ url, pointer }: Address): string {
  return `${url}#${encodeFragment(pointer)}`
}

/** Escapes as Go's url.PathEscape does, but for slashes. */
export function encodeFragment(fragment: string): string {
  const encoder = new TextEncoder()
  return fragment.replaceAll(/[^A-Za-z0-9\-_.~$&+:=@/]/gu, (character) =>
    [...encoder.encode(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}

/** Splits at the first `#` and unescapes the fragment. @throws BuildError for a malformed escape. */
export function splitFragment(text: string): Reference {
  const hash = text.indexOf('#')
  if (hash < 0) return { url: text, fragment: '' }
  return { url: text.slice(0, hash), fragment: decodeFragment(text, text.slice(hash + 1)) }
}

function decodeFragment(text: string, fragment: string): string {
  try {
    return decodeURIComponent(fragment)
  } catch (error) {
    const malformed = /%(?![0-9A-Fa-f]{2}).{0,2}/.exec(fragment)?.[0] ?? ''
    throw new BuildError(`error in parsing ${quote(text)}: invalid URL escape ${quote(malformed)}`, {}, { cause: error })
  }
}

const urlPattern = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?]*))?([^?]*)(\?.*)?$/s

/** Resolves a reference against a base, by RFC 3986. @throws BuildError for a malformed escape. */
export function resolveReference(base: string, text: string): Reference {
  const { url, fragment } = splitFragment(text)
  return { url: resolveUrl(base, url), fragment }
}

function resolveUrl(base: string, url: string): string {
  const [, scheme, host, path = '', query = ''] = urlPattern.exec(url) ?? []
  if (scheme !== undefined) return url
  const [, baseScheme = '', baseHost, basePath = '', baseQuery = ''] = urlPattern.exec(base) ?? []
  const isOpaque = baseHost === undefined && !basePath.startsWith('/')
  const top = `${baseScheme}:`
  if (isOpaque) return base
  if (host !== undefined) return `${top}//${host}${withoutDots(path)}${query}`
  const origin = baseHost === undefined ? top : `${top}//${baseHost}`
  if (path === '') return `${origin}${basePath}${query || baseQuery}`
  const whole = path.startsWith('/') ? path : basePath.slice(0, basePath.lastIndexOf('/') + 1) + path
  return `${origin}${withoutDots(whole)}${query}`
}

function withoutDots(path: string): string {
  const parts: string[] = []
  const given = path.split('/')
  for (const [index, part] of given.entries()) {
    const isLast = index === given.length - 1
    if (part === '..' && parts.length > 1) parts.pop()
    if (part !== '.' && part !== '..') parts.push(part)
    else if (isLast) parts.push('')
  }
  return parts.join('/')
}

/**
 * The part of a document at an address.
 * @throws BuildError when there is none.
 */
export function lookUp(document: Doc, address: Address): Doc {
  let doc: Doc | undefined = document
  for (const token of address.pointer.split('/').slice(1)) {
    if (/~(?![01])/.test(token)) throw new BuildError(`invalid json-pointer ${quote(addressText(address))}`)
    doc = child(doc, token.replaceAll('~1', '/').replaceAll('~0', '~'))
    if (doc === undefined) throw new BuildError(`json-pointer in ${quote(addressText(address))} not found`)
  }
  return doc
}

function child(doc: Doc, name: string): Doc | undefined {
  if (isObject(doc)) return doc.get(name)
  return isArray(doc) && /^[+-]?\d+$/.test(name) ? doc[Number(name)] : undefined
}
