/** The demo's receiver of notifications: what Sluice posts to it, it shows on a page. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a provider of type `generic` posts, as far as the page shows it. */
export interface Notification {
  readonly severity: string
  readonly reason: string
  readonly message: string
  readonly timestamp: string
  readonly involvedObject: { readonly kind: string; readonly namespace: string; readonly name: string }
}

export interface NotificationPage extends AsyncDisposable {
  /** People open it, and providers post to it. */
  readonly url: string
  /** Resolves with the first one, past or future, that fits. @throws Error when none comes in time. */
  until(fits: (notification: Notification) => boolean, timeoutMs?: number): Promise<Notification>
}

const mostBytes = 1 << 20
const mostKept = 500

/** Listens on loopback, on any port. */
export async function startNotificationPage(): Promise<NotificationPage> {
  const received: Notification[] = []
  const listeners = new Set<(notification: Notification) => void>()

  const take = (notification: Notification) => {
    received.push(notification)
    received.splice(0, received.length - mostKept)
    for (const listener of listeners) listener(notification)
  }
  const server = createServer((request, response) => {
    answer(request, response, { received, take }).catch(() => response.writeHead(400).end('not a notification\n'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}/`,
    until(fits, timeoutMs = 30_000) {
      const past = received.find(fits)
      if (past) return Promise.resolve(past)
      return new Promise((resolve, reject) => {
        const listen = (notification: Notification) => fits(notification) && done(() => resolve(notification))
        const timer = setTimeout(() => done(() => reject(new Error(missing(received, timeoutMs)))), timeoutMs)
        const done = (settle: () => void) => {
          clearTimeout(timer)
          listeners.delete(listen)
          settle()
        }
        listeners.add(listen)
      })
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function missing(received: readonly Notification[], timeoutMs: number): string {
  const reasons = received.map(({ reason }) => reason).join(', ') || 'none'
  return `the notification did not come within ${timeoutMs} ms; these came: ${reasons}`
}

interface Inbox {
  readonly received: readonly Notification[]
  take(notification: Notification): void
}

async function answer(request: IncomingMessage, response: ServerResponse, { received, take }: Inbox): Promise<void> {
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(page(received))
    return
  }
  if (request.method !== 'POST') {
    response.writeHead(405, { allow: 'GET, POST' }).end()
    return
  }
  take(parsed(await body(request)))
  response.writeHead(204).end()
}

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    // Read to its end, so that who sends it hears of the refusal.
    if (size <= mostBytes) chunks.push(chunk)
  }
  if (size > mostBytes) throw new Error(`a notification takes up to ${mostBytes} bytes`)
  return Buffer.concat(chunks).toString()
}

/** @throws Error for what is no notification. */
function parsed(text: string): Notification {
  const value: unknown = JSON.parse(text)
  const { severity, reason, message, timestamp, involvedObject } = record(value)
  const { kind, namespace, name } = record(involvedObject)
  return {
    severity: String(severity),
    reason: String(reason),
    message: String(message),
    timestamp: String(timestamp),
    involvedObject: { kind: String(kind), namespace: String(namespace), name: String(name) },
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new Error('not an object')
  return { ...value }
}

function page(received: readonly Notification[]): string {
  const rows = received.toReversed().map(row).join('\n')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="2">
<title>Notifications</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222 }
  table { border-collapse: collapse; width: 100% }
  th, td { text-align: left; vertical-align: top; padding: .5rem; border-bottom: 1px solid #ddd }
  td:last-child { white-space: pre-wrap; overflow-wrap: anywhere }
  .error { color: #b00020 }
</style>
<h1>Notifications</h1>
<p>What Sluice has posted to this page, newest first.</p>
<table>
<tr><th>Time<th>Object<th>Reason<th>Message
${rows || '<tr><td colspan="4">None yet.'}
</table>
</html>
`
}

function row({ severity, reason, message, timestamp, involvedObject: { kind, namespace, name } }: Notification): string {
  const look = severity === 'error' ? ' class="error"' : ''
  const cells = [timestamp, `${kind} ${namespace}/${name}`, reason, message]
  return `<tr${look}>${cells.map((cell) => `<td>${escaped(cell)}`).join('')}`
}

const entities = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
])

function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => entities.get(character) ?? character)
}
