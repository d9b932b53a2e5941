/** sprig's URLs. Source: sprig url.go. */

import { type Func, FuncError, func, p } from '../func.ts'
import type { Dict } from '../value.ts'
import { hostnameOf, parseUrl, printUrl, printUserinfo, UrlError } from './gourl.ts'
import { kindName } from './text.ts'

export function urlFunctions(): ReadonlyMap<string, Func> {
  return new Map([
    ['urlParse', func([p.string], p.dict, parsed)],
    ['urlJoin', func([p.dict], p.string, joined)],
  ])
}

function parsed(text: string): Dict {
  const url = explained('unable to parse url', () => parseUrl(text))
  return new Map([
    ['scheme', url.scheme],
    ['host', url.host],
    ['hostname', hostnameOf(url.host)],
    ['path', url.path],
    ['query', url.rawQuery],
    ['opaque', url.opaque],
    ['fragment', url.fragment],
    ['userinfo', url.user ? printUserinfo(url.user) : ''],
  ])
}

function joined(dict: Dict): string {
  const part = (key: string) => textIn(dict, key)
  const url = {
    scheme: part('scheme'),
    host: part('host'),
    path: part('path'),
    rawQuery: part('query'),
    opaque: part('opaque'),
    fragment: part('fragment'),
  }
  const userinfo = part('userinfo')
  if (userinfo === '') return printUrl(url)
  // The parts of it may be escaped, as within a URL.
  const { user } = explained('unable to parse userinfo in dict', () => parseUrl(`proto://${userinfo}@host`))
  return printUrl({ ...url, ...(user ? { user } : {}) })
}

function textIn(dict: Dict, key: string): string {
  const value = dict.get(key)
  if (value === undefined) return ''
  if (value === null) throw new FuncError('runtime error: invalid memory address or nil pointer dereference')
  if (typeof value === 'string') return value
  throw new FuncError(`unable to parse ${key} key, must be of type string, but ${kindName(value)} found`)
}

function explained<Result>(problem: string, run: () => Result): Result {
  try {
    return run()
  } catch (error) {
    throw error instanceof UrlError ? new FuncError(`${problem}: ${error.message}`, { cause: error }) : error
  }
}
