/** Proxies of the process. */

/** By the scheme of the server, and the hosts that are reached without. */
export interface EnvironmentProxies {
  readonly http: string | undefined
  readonly https: string | undefined
  readonly none: string | undefined
}

/** Source: Go net/http.ProxyFromEnvironment. */
export function environmentProxies(): EnvironmentProxies {
  const { env } = process
  return {
    http: env.HTTP_PROXY ?? env.http_proxy,
    https: env.HTTPS_PROXY ?? env.https_proxy,
    none: env.NO_PROXY ?? env.no_proxy,
  }
}
