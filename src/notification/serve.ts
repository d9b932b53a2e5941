/** HTTP servers for calls from outside: everything is bounded before anything is looked at. Source: limits.go of notification-controller. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../runtime/log.ts'
import { type Listening, parseAddress } from '../runtime/servers.ts'

export interface Call {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** By name in lower case; of a repeated one the first. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

export interface Answer {
  readonly status: number
  readonly text?: string
  readonly headers?: Readonly<Record<string, string>>
}

export type Handler = (call: Call) => Promise<Answer> | Answer

const longestBody = 3 * 1024 * 1024
const longestHeaders = 256 * 1024
const requestTimeoutMs = 30_000
const headersTimeoutMs = 10_000
const mostConnections = 1_000

/** Listens until closed. An error of the handler is logged and answered with 500. @throws Error that names the address. */
export async function serve(address: string, handler: Handler, log: Logger): Promise<Listening> {
  const server = createServer(
    { maxHeaderSize: longestHeaders, requestTimeout: requestTimeoutMs, headersTimeout: headersTimeoutMs },
    (request, response) => void respond(request, response, { handler, log }),
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

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  { handler, log }: { readonly handler: Handler; readonly log: Logger },
): Promise<void> {
  try {
    const body = await readBody(request)
    if (body === undefined) return send(response, { status: 413, headers: { connection: 'close' } })
    send(response, await handler(callOf(request, body)))
  } catch (error) {
    if (request.destroyed && !request.complete) return
    log.error({ error: messageOf(error) }, 'failed to handle a request')
    send(response, { status: 500 })
  }
}

/** Undefined when it is too long: the rest is not read. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > longestBody) return undefined
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
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
  return { method, path: url.replace(/[?#].*$/s, ''), headers: new Map(single), body }
}

function send(response: ServerResponse, { status, text = '', headers = {} }: Answer): void {
  if (response.headersSent) return void response.destroy()
  response.writeHead(status, headers).end(text)
}
