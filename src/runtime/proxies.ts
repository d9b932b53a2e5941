/** Proxies of the process. */
import type { Proxies } from '../lib/proxies.ts'

/** Source: Go net/http.ProxyFromEnvironment. */
export function environmentProxies(): Proxies {
  const { env } = process
  return {
    http: env.HTTP_PROXY || env.http_proxy,
    https: env.HTTPS_PROXY || env.https_proxy,
    none: env.NO_PROXY || env.no_proxy,
  }
}
