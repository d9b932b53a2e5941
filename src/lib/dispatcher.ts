/** HTTP connections: trust, client certificates and proxies, the same for every protocol on top. */
import { getCACertificates } from 'node:tls'
import { Agent, type Dispatcher, Pool, ProxyAgent } from 'undici'
import { type Proxies, proxyFor } from './proxies.ts'

export type { Proxies } from './proxies.ts'

/** PEM texts. The authority is trusted besides the system's; certificate and key identify the client. */
export interface ClientTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
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
  return new Agent({
    connect,
    factory: (origin, options) => {
      const uri = proxyFor(new URL(origin), proxies)
      return uri === undefined ? new Pool(origin, options) : new ProxyAgent({ uri, requestTls: connect })
    },
  })
}
