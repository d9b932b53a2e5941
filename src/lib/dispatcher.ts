/** HTTP connections: trust, client certificates and proxies, the same for every protocol on top. */
import { getCACertificates } from 'node:tls'
import { Agent, type Dispatcher, EnvHttpProxyAgent, ProxyAgent } from 'undici'

/** PEM texts. The authority is trusted besides the system's; certificate and key identify the client. */
export interface ClientTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** Proxies by the scheme of the server, and the hosts that are reached without; as in the environment of a process. */
export interface Proxies {
  readonly http?: string | undefined
  readonly https?: string | undefined
  readonly none?: string | undefined
}

export interface ConnectionOptions {
  readonly tls?: ClientTls | undefined
  readonly proxies?: Proxies | undefined
  /** Any certificate of the server will do: only where a user asks for that. */
  readonly trustsAny?: boolean | undefined
  /** A proxy for every server, whatever `proxies` says. */
  readonly proxy?: URL | undefined
}

const connectTimeoutMs = 30_000

/** Connections made with these options. The caller closes them. @throws what TLS says of certificates or keys that it cannot read. */
export function dispatcherFor({ tls, trustsAny, proxies, proxy }: ConnectionOptions): Dispatcher {
  const connect = {
    timeout: connectTimeoutMs,
    ...(trustsAny && { rejectUnauthorized: false }),
    ...(tls?.ca !== undefined && { ca: [...getCACertificates('default'), tls.ca] }),
    ...(tls?.cert !== undefined && { cert: tls.cert }),
    ...(tls?.key !== undefined && { key: tls.key }),
  }
  if (proxy) return new ProxyAgent({ uri: proxy.href, requestTls: connect })
  if (!proxies?.http && !proxies?.https) return new Agent({ connect })
  return new EnvHttpProxyAgent({
    connect,
    requestTls: connect,
    httpProxy: proxies.http ?? '',
    httpsProxy: proxies.https ?? '',
    noProxy: proxies.none ?? '',
  })
}
