/** The HTTP servers of every process: metrics for Prometheus, probes for the kubelet. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Metrics } from './metrics.ts'

/** A server that listens. */
export interface Listening {
  /** The port that it got: of interest where the address asked for port 0. */
  readonly port: number
  close(): Promise<void>
}

/** Why the process is not ready, or undefined when it is. */
export type Readiness = () => string | undefined

/**
 * Serves `/metrics`.
 * @throws Error that names the address when it cannot be listened on.
 */
export function serveMetrics(address: string, metrics: Metrics): Promise<Listening> {
  return listen(address, {
    '/metrics': async (response) => {
      const text = await metrics.text()
      response.writeHead(200, { 'content-type': metrics.contentType }).end(text)
    },
  })
}

/** Serves `/healthz` (the process answers) and `/readyz` (it may be relied on). @throws as `serveMetrics`. */
export function serveProbes(address: string, unready: Readiness): Promise<Listening> {
  return listen(address, {
    '/healthz': (response) => response.writeHead(200).end('ok'),
    '/readyz': (response) => {
      const why = unready()
      response.writeHead(why === undefined ? 200 : 503).end(why ?? 'ok')
    },
  })
}

type Routes = Readonly<Record<string, (response: ServerResponse) => unknown>>

async function listen(address: string, routes: Routes): Promise<Listening> {
  const table = new Map(Object.entries(routes))
  const server = createServer(
    { requestTimeout: 10_000, maxHeaderSize: 16_384 },
    (request, response) => void answer(table, request, response),
  )
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', (error) => reject(new Error(`failed to listen on ${address}: ${error.message}`, { cause: error })))
  server.listen(parseAddress(address), resolve)
  await promise
  return { port: (server.address() as AddressInfo).port, close: () => closed(server) }
}

async function answer(
  routes: ReadonlyMap<string, (response: ServerResponse) => unknown>,
  request: IncomingMessage,
  response: ServerResponse,
) {
  request.resume()
  const route = routes.get((request.url ?? '').replace(/\?.*$/s, ''))
  if (!route) return response.writeHead(404).end('not found')
  if (request.method !== 'GET' && request.method !== 'HEAD') return response.writeHead(405).end('method not allowed')
  try {
    return await route(response)
  } catch {
    return response.headersSent ? response.destroy() : response.writeHead(500).end('internal error')
  }
}

/** As Go's net.Listen: `:8080` is every interface, `127.0.0.1:0` any free port of one, `[::1]:80` IPv6. */
export function parseAddress(address: string): { readonly host?: string; readonly port: number } {
  const parts = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(address)
  const port = Number(parts?.[3])
  if (!parts || port > 65_535)
    throw new Error(`invalid address ${JSON.stringify(address)}: write it as ":8080" or "127.0.0.1:8080"`)
  const host = parts[1] ?? parts[2]
  return host ? { host, port } : { port }
}

function closed(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  server.closeAllConnections()
  return promise
}
