/** Pools of kept-alive connections to one API server. */
import { isDeepStrictEqual } from 'node:util'
import { type Dispatcher, Pool, ProxyAgent } from 'undici'
import type { KubeConfig, TlsSettings } from './config.ts'

/** Of an answer, compressed and not; streams have no such bound. */
export const maxAnswerBytes = 256 * 1024 * 1024

export interface ConnectionsOptions {
  /** Connections for requests (24); watches have theirs besides. */
  readonly connections?: number
  /** How long to wait for the head of an answer (65 s: the API server gives up after 60) and between its parts. */
  readonly timeoutMs?: number
}

/** Requests, watches and the lease each have their own connections, so that none can use up another's. */
export type Lane = 'requests' | 'watches' | 'urgent'

/** All connections to one API server. */
export class Connections {
  /** Path of the server's URL without a slash at its end. */
  readonly pathPrefix: string
  readonly #config: KubeConfig
  readonly #options: ConnectionsOptions
  readonly #lanes = new Map<Lane, Dispatcher>()
  /** Of former certificates, until their last answer has come. */
  readonly #retired = new Set<Dispatcher>()
  #tls: TlsSettings | undefined
  #closed = false

  constructor(config: KubeConfig, options: ConnectionsOptions) {
    this.#config = config
    this.#options = options
    this.pathPrefix = config.server.pathname.replace(/\/+$/, '')
  }

  lane(lane: Lane, tls: TlsSettings): Dispatcher {
    if (this.#closed) throw new Error('the connection to the API server has been closed')
    this.#follow(tls)
    const known = this.#lanes.get(lane)
    if (known) return known
    const dispatcher = this.#open(lane, tls)
    this.#lanes.set(lane, dispatcher)
    return dispatcher
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#lanes.values(), ...this.#retired].map((dispatcher) => dispatcher.destroy()))
  }

  /** New requests go over new connections when the CA or the client certificate has been rotated. */
  #follow(tls: TlsSettings): void {
    if (this.#tls === tls) return
    const changed = this.#tls !== undefined && !isDeepStrictEqual(this.#tls, tls)
    this.#tls = tls
    if (!changed) return
    for (const dispatcher of this.#lanes.values()) {
      this.#retired.add(dispatcher)
      void dispatcher.close().finally(() => this.#retired.delete(dispatcher))
    }
    this.#lanes.clear()
  }

  #open(lane: Lane, settings: TlsSettings): Dispatcher {
    const timeoutMs = this.#options.timeoutMs ?? 65_000
    const tls = { ...settings, allowH2: false, timeout: 10_000 }
    const options = {
      // A watch holds its connection for minutes: as many as there are watches.
      connections: lane === 'requests' ? (this.#options.connections ?? 24) : lane === 'urgent' ? 1 : null,
      pipelining: 1,
      allowH2: false,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      // The API server closes idle connections after 90 s; we must be first, or a request meets a closing connection.
      keepAliveTimeout: 60_000,
      ...(lane !== 'watches' && { maxResponseSize: maxAnswerBytes }),
    }
    const { proxyUrl, server } = this.#config
    return proxyUrl
      ? new ProxyAgent({ uri: proxyUrl, ...options, requestTls: tls })
      : new Pool(server.origin, { ...options, connect: tls })
  }
}
