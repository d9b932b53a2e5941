/** Servers under the names of the Git hosts, reached through a proxy: requests go where they would go, and no further. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import type { ConnectionOptions } from '../../../src/lib/dispatcher.ts'
import { createAuthority } from '../../tools/certificates.ts'

/** A request as a host sees it. */
export interface Received {
  readonly method: string
  /** `https://api.github.com`. */
  readonly origin: string
  /** As it was sent, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface Answer {
  readonly status: number
  /** An object is JSON. */
  readonly body?: object | string
}

/** A host as its vendor documents it. */
export type Host = (request: Received) => Answer

export interface HostServer extends AsyncDisposable {
  /** How it is reached. */
  readonly connection: ConnectionOptions
  /** Every request. */
  readonly requests: readonly Received[]
  /** Who answers. */
  host: Host
}

/** Names that have a certificate. */
const names = [
  'github.com',
  'api.github.com',
  'github.example.com',
  'api.octo.example.com',
  'gitlab.com',
  'gitea.example.com',
  'bitbucket.org',
  'api.bitbucket.org',
  'bitbucket.example.com',
  'dev.azure.com',
]

/** Takes every connection through its proxy; certificates are of an authority of its own. */
export async function openHostServer(own: readonly string[] = names): Promise<HostServer> {
  const authority = await createAuthority()
  const certificate = await authority.server({ names: own.map((name) => `DNS:${name}`) })
  const requests: Received[] = []
  const state = { host: (() => ({ status: 404 })) as Host }
  const answering = (scheme: string) => async (incoming: IncomingMessage, response: ServerResponse) => {
    const { method = '', headers, url = '' } = incoming
    const origin = `${scheme}://${headers.host}`
    const { pathname: path, searchParams: query } = new URL(url, origin)
    const request = { method, origin, path, query, headers, text: await text(incoming) }
    requests.push(request)
    const { status, body } = state.host(request)
    response.writeHead(status, typeof body === 'object' ? { 'content-type': 'application/json' } : {})
    response.end(typeof body === 'object' ? JSON.stringify(body) : body)
  }
  const secure = createHttpsServer(certificate, answering('https'))
  const proxy = createServer(answering('http')).on('connect', (_: IncomingMessage, socket: Socket) => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    secure.emit('connection', socket)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  return {
    connection: { proxy: new URL(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`), tls: { ca: authority.ca } },
    requests,
    get host() {
      return state.host
    },
    set host(host) {
      state.host = host
    },
    async [Symbol.asyncDispose]() {
      proxy.closeAllConnections()
      proxy.close()
    },
  }
}

/** One operation of an API. What it answers undefined to is not found. */
export type Route = readonly [
  method: string,
  path: RegExp,
  answer: (parts: readonly string[], request: Received) => Answer | undefined,
]

/** Answers by the first route that fits; `{}` stands for one part of the path, as it was sent. */
export function routed(origin: string, routes: readonly Route[]): Host {
  return (request) => {
    if (request.origin !== origin) return { status: 418, body: `not here: ${request.origin}` }
    for (const [method, path, answer] of routes) {
      const parts = method === request.method ? path.exec(request.path) : null
      if (parts) return answer(parts.slice(1), request) ?? { status: 404, body: { message: 'Not Found' } }
    }
    return { status: 404, body: { message: `no such operation: ${request.method} ${request.path}` } }
  }
}

/** The JSON object of a request. @throws Error that the tests show when it is not sent as such. */
export function bodyOf({ headers, text: sent }: Received): Readonly<Record<string, unknown>> {
  if (headers['content-type'] !== 'application/json') throw new Error(`content type ${headers['content-type']}`)
  return JSON.parse(sent) as Record<string, unknown>
}
