/** Stands between a client and a real API server, and does to the traffic what networks and servers do. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { request as secureRequest } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Transform } from 'node:stream'
import { type KubeConfig, loadConfig } from '../../src/kube/config.ts'

export interface SeenRequest {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingMessage['headers']
  readonly isWatch: boolean
  /** When it came, by `performance.now()`. */
  readonly atMs: number
}

/** Answers the request itself and returns true, or leaves it to the API server, maybe later: when the promise resolves. */
export type Fault = (request: SeenRequest, response: ServerResponse) => boolean | undefined | Promise<void>

export interface FaultProxy extends AsyncDisposable {
  /** Leads here, with the credentials of the API server behind. */
  readonly config: KubeConfig
  readonly url: string
  /** All requests so far, oldest first. */
  readonly seen: SeenRequest[]
  /** Decides about each request from now on. */
  fault: Fault | undefined
  /** What the bodies of watches go through from now on. */
  watchFilter: ((request: SeenRequest) => Transform) | undefined
  /** Breaks all connections off. */
  cut(): void
}

/** @param kubeconfig of the API server behind; without one every request must be answered by a fault. */
export async function startFaultProxy(kubeconfig?: string): Promise<FaultProxy> {
  const target = kubeconfig === undefined ? undefined : await loadConfig({ kubeconfig })
  const credentials = await target?.credentials()
  const sockets = new Set<Socket>()

  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url ?? '/', 'http://proxy')
    const seen = {
      method: incoming.method ?? '',
      url,
      headers: incoming.headers,
      isWatch: url.searchParams.get('watch') === 'true',
      atMs: performance.now(),
    }
    proxy.seen.push(seen)
    const isAnswered = proxy.fault?.(seen, outgoing)
    const pass = () => forward(incoming, outgoing, seen.isWatch ? proxy.watchFilter?.(seen) : undefined)
    if (isAnswered === true) return
    if (!target) outgoing.writeHead(500).end('no API server behind')
    else if (isAnswered) void isAnswered.then(pass)
    else pass()
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
  })

  function forward(incoming: IncomingMessage, outgoing: ServerResponse, filter: Transform | undefined): void {
    const open = target?.server.protocol === 'https:' ? secureRequest : request
    const forwarded = open(new URL(incoming.url ?? '/', target?.server), {
      method: incoming.method ?? 'GET',
      headers: {
        ...incoming.headers,
        host: target?.server.host,
        ...(credentials?.authorization && { authorization: credentials.authorization }),
      },
      ...credentials?.tls,
      agent: false,
    })
    forwarded.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      outgoing.flushHeaders()
      const body = filter ? answer.pipe(filter) : answer
      body.on('error', () => outgoing.destroy()).pipe(outgoing)
      answer.on('error', () => outgoing.destroy())
    })
    forwarded.on('error', () => outgoing.destroy())
    outgoing.on('close', () => forwarded.destroy())
    incoming.pipe(forwarded)
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const proxy: FaultProxy = {
    url,
    config: {
      server: new URL(url),
      namespace: undefined,
      proxyUrl: undefined,
      identity: undefined,
      credentials: async () => ({ authorization: undefined, tls: {} }),
    },
    seen: [],
    fault: undefined,
    watchFilter: undefined,
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      proxy.cut()
      await closed
    },
  }
  return proxy
}

/** Answers with a Status object, as an API server does for a failure. */
export function answerStatus(
  response: ServerResponse,
  status: { readonly code: number; readonly [field: string]: unknown },
  headers: Record<string, string> = {},
): true {
  response.writeHead(status.code, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', ...status }))
  return true
}

export function answerJson(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): true {
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  response.end(typeof value === 'string' ? value : JSON.stringify(value))
  return true
}
