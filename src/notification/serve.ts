/** HTTP servers for calls from outside: everything is bounded before anything is looked at. Source: limits.go of notification-controller. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../runtime/log.ts'
import { type Listening, parseAddress } from '../runtime/servers.ts'
import type { HttpAnswer } from '../runtime/work-metrics.ts'

export interface Call {
  readonly method: string
  /** As it was asked for: with the query. */
  readonly target: string
  /** By name in lower case; of a repeated one the first. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

export interface Answer {
  readonly status: number
  readonly text?: string
}

export type Handler = (call: Call) => Promise<Answer> | Answer

export interface ServeOptions {
  readonly address: string
  readonly handler: Handler
  readonly log: Logger
  /** Told that a call of a target has begun; what it returns is told of the answer. */
  readonly observe: (target: string) => (answer: HttpAnswer) => void
  /** How long the headers of a call may take; 10 seconds when absent. */
  readonly headersTimeoutMs?: number
}

const longestBody = 3 * 1024 * 1024
const longestHeaders = 256 * 1024
const requestTimeoutMs = 30_000
const defaultHeadersTimeoutMs = 10_000
const timeoutCheckMs = 1_000
const mostConnections = 1_000

/** Listens until closed. An error of the handler is logged and answered with 500. @throws Error that names the address. */
export async function serve(options: ServeOptions): Promise<Listening> {
  const { address, headersTimeoutMs = defaultHeadersTimeoutMs } = options
  const limits = { maxHeaderSize: longestHeaders, requestTimeout: requestTimeoutMs, headersTimeout: headersTimeoutMs }
  const server = createServer(
    { ...limits, connectionsCheckingInterval: Math.min(timeoutCheckMs, headersTimeoutMs) },
    (request, response) => void respond(request, response, options),
  )
  server.maxConnections = mostConnections
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', (error) => reject(new Error(`failed to listen on ${address}: ${error.message}`, { cause: error })))
  server.listen(parseAddress(address), resolve)
  await promise
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      server.closeAllConnections()
      await closed.promise
    },
  }
}

async function respond(request: IncomingMessage, response: ServerResponse, options: ServeOptions): Promise<void> {
  const startedMs = performance.now()
  const answered = options.observe(request.url ?? '/')
  const answer = await answerTo(request, options)
  answered({
    method: request.method ?? 'GET',
    code: answer.status,
    durationSeconds: (performance.now() - startedMs) / 1000,
    sizeBytes: Buffer.byteLength(answer.text ?? ''),
  })
  if (response.destroyed) return
  // What is left of a body that is too long is not read: the connection cannot be used again.
  const headers = answer.status === 413 ? { connection: 'close' } : {}
  response.writeHead(answer.status, headers).end(answer.text)
}

/** The border at which whatever a handler throws is caught. */
async function answerTo(request: IncomingMessage, { handler, log }: ServeOptions): Promise<Answer> {
  try {
    const body = await readBody(request)
    return body === undefined ? { status: 413 } : await handler(callOf(request, body))
  } catch (error) {
    if (!request.complete) return { status: 400 } // the caller broke off
    log.error({ error: messageOf(error) }, 'failed to handle a request')
    return { status: 500 }
  }
}

/** Undefined when it is too long: the rest is not read. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > longestBody) return undefined
  const chunks: Buffer[] = []
  let size = 0
  // The connection must stay open for the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > longestBody) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function callOf({ method = 'GET', url = '/', headers }: IncomingMessage, body: Buffer): Call {
  const single = Object.entries(headers).map(
    ([name, value]) => [name, Array.isArray(value) ? (value[0] ?? '') : (value ?? '')] as const,
  )
  return { method, target: url, headers: new Map(single), body }
}
