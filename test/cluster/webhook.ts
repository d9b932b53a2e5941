/** A service that takes what Providers send: an HTTP server that keeps every request. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect } from 'vitest'

export interface Request {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** What generic Providers send. */
export interface Told {
  readonly involvedObject: Readonly<Record<string, string>>
  readonly severity: string
  readonly timestamp: string
  readonly message: string
  readonly reason: string
  readonly metadata: Readonly<Record<string, string>>
  readonly reportingController: string
}

export interface Webhook extends AsyncDisposable {
  readonly address: string
  readonly requests: readonly Request[]
  /** What was told at a path; everything when absent. */
  told(path?: string): readonly Told[]
  /** Waits until something that fits was told at the path. */
  until(path: string, fits: (told: Told) => boolean): Promise<Told>
}

/** Answers with the status that `answer` gives, 200 when absent. */
export async function openWebhook(answer: (request: Request) => number = () => 200): Promise<Webhook> {
  const requests: Request[] = []
  const server = createServer(async (incoming, response) => {
    const { method = '', url = '', headers } = incoming
    const request = { method, url, headers, body: await text(incoming) }
    requests.push(request)
    response.writeHead(answer(request)).end('the answer')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const told = (path?: string) =>
    requests.filter(({ url }) => path === undefined || url === path).map(({ body }) => JSON.parse(body) as Told)
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    told,
    async until(path, fits) {
      await expect
        .poll(() => told(path).some(fits), { timeout: 20_000, message: `nothing that fits was told at ${path}` })
        .toBe(true)
      return told(path).find(fits) as Told
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}
