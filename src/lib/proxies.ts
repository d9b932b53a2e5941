/** Which proxy a request goes through. Source: golang.org/x/net/http/httpproxy. */
import { BlockList, isIP } from 'node:net'

/** Proxies by the scheme of the server, and the hosts that are reached without; as in the environment of a process. */
export interface Proxies {
  readonly http?: string | undefined
  readonly https?: string | undefined
  readonly none?: string | undefined
}

/** The proxy for a server; undefined when there is none, as always for servers on this machine. */
export function proxyFor(url: URL, { http, https, none = '' }: Proxies): string | undefined {
  const proxy = url.protocol === 'https:' ? https : http
  if (!proxy) return undefined
  const host = url.hostname.toLowerCase().replace(/^\[|\]$/g, '')
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  if (host === 'localhost' || isWithin(host, '127.0.0.0/8') || isWithin(host, '::1/128')) return undefined
  const entries = none.split(',').map((entry) => entry.trim().toLowerCase())
  if (entries.some((entry) => entry !== '' && isMeant(entry, host, port))) return undefined
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`
}

/** Whether an entry of NO_PROXY means a host: a range or address, a name with those below it, or only those (`.name`, `*.name`). */
function isMeant(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true
  if (entry.includes('/')) return isWithin(host, entry)
  const [, name = entry, wanted] = /^(\[.*\]|[^:]*):(\d+)$/.exec(entry) ?? []
  if (wanted !== undefined && wanted !== port) return false
  const bare = name.replace(/^\[|\]$/g, '').replace(/^\*(?=\.)/, '')
  if (isIP(bare)) return isWithin(host, `${bare}/${isIP(bare) === 4 ? 32 : 128}`)
  if (bare === '') return false
  return bare.startsWith('.') ? host.endsWith(bare) : host === bare || host.endsWith(`.${bare}`)
}

/** Whether a host is an address of a range such as `10.0.0.0/8`. */
function isWithin(host: string, range: string): boolean {
  const [, address = '', bits = ''] = /^(.*)\/(\d{1,3})$/.exec(range) ?? []
  const family = isIP(address)
  if (!isIP(host) || family === 0 || Number(bits) > (family === 4 ? 32 : 128)) return false
  const list = new BlockList()
  list.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6')
  return list.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6')
}
