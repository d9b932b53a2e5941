/** A real smart-HTTP Git server on loopback: `git http-backend` behind node:http(s). Read-only. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { Coming } from './coming.ts'

export interface GitServerOptions {
  /** Holds the repositories, each in `<name>.git`. */
  readonly root: string
  /** What a request must bring; without it the answer is 401. */
  readonly auth?: { readonly username: string; readonly password: string } | { readonly bearer: string }
  /** PEM texts. With `requestCert` the client must show a certificate that `ca` signed. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string; readonly requestCert?: boolean }
  /** Whether a commit may be asked for by its id: any, those that a reference reaches (the default), or none. */
  readonly wants?: 'any' | 'reachable' | 'advertised'
  /** 0: the server does not know the newer protocol. */
  readonly protocol?: 0 | 2
  /** Looked at for each request; see `Fault`. */
  readonly fault?: FaultOf
  /** Absent: a free one. */
  readonly port?: number
  /** Loopback when absent. */
  readonly host?: string
}

export interface GitRequest {
  /** `<name>` of the repository. */
  readonly repository: string
  /** `discover` lists what the server can do (and, before protocol 2, the references); `ls-refs` lists references; `fetch` sends a pack. */
  readonly command: 'discover' | 'ls-refs' | 'fetch' | 'other'
  readonly authorization: string | undefined
}

/**
 * What goes wrong with one request: it is never answered (`hang`), answered with a status and a text, or cut after so many bytes
 * of the body.
 */
export type Fault =
  | 'hang'
  | { readonly status: number; readonly body?: string; readonly headers?: Readonly<Record<string, string>> }
  | { readonly cutAfterBytes: number }

export type FaultOf = (request: GitRequest) => Fault | undefined

export interface GitServer extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`. */
  readonly address: string
  /** The URL of a repository, without credentials. */
  url(name: string): string
  /** Every request so far, oldest first. */
  readonly requests: readonly GitRequest[]
  /** How many packs were asked for. */
  fetches(name?: string): number
  /** Replaces what goes wrong from now on; without an argument nothing does. Hanging requests are cut. */
  breakWith(fault?: FaultOf): void
  /** Resolves with the next request that fits. */
  next(fits: (request: GitRequest) => boolean): Promise<GitRequest>
}

export async function startGitServer(options: GitServerOptions): Promise<GitServer> {
  const requests: GitRequest[] = []
  const hanging = new Set<ServerResponse>()
  const coming = new Coming<GitRequest>()
  let faultOf = options.fault

  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(incoming)
    const request = describe(incoming, body)
    requests.push(request)
    coming.came(request)
    const fault = faultOf?.(request)
    if (fault === 'hang') {
      hanging.add(response)
      return
    }
    if (fault && 'status' in fault) {
      response.writeHead(fault.status, fault.headers).end(fault.body)
      return
    }
    if (!isAllowed(incoming, options.auth)) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end('authentication required\n')
      return
    }
    await backend({ options, incoming, body, response, cutAfterBytes: fault?.cutAfterBytes })
  }
  const listener = (incoming: IncomingMessage, response: ServerResponse) => {
    answer(incoming, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined))
  }

  const { tls } = options
  const server: Server = tls
    ? createTlsServer({ ...tls, rejectUnauthorized: tls.requestCert ?? false }, listener)
    : createServer(listener)
  server.listen(options.port ?? 0, options.host ?? '127.0.0.1')
  await once(server, 'listening')
  const address = `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    address,
    requests,
    url: (name) => `${address}/${name}.git`,
    fetches: (name) =>
      requests.filter((request) => request.command === 'fetch' && (name === undefined || request.repository === name)).length,
    breakWith(fault) {
      faultOf = fault
      for (const response of hanging) response.destroy()
      hanging.clear()
    },
    next: (fits) => coming.next(fits),
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function describe(incoming: IncomingMessage, body: Buffer): GitRequest {
  const { pathname } = urlOf(incoming)
  const repository = /^\/(.+?)\.git(\/|$)/.exec(pathname)?.[1] ?? ''
  return { repository, command: commandOf(incoming, pathname, body), authorization: incoming.headers.authorization }
}

function commandOf(incoming: IncomingMessage, pathname: string, body: Buffer): GitRequest['command'] {
  if (pathname.endsWith('/info/refs')) return 'discover'
  if (!pathname.endsWith('/git-upload-pack')) return 'other'
  const text = (incoming.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString('latin1', 0, 200)
  return text.includes('command=ls-refs') ? 'ls-refs' : 'fetch'
}

function urlOf(incoming: IncomingMessage): URL {
  return new URL(incoming.url ?? '/', 'http://localhost')
}

function isAllowed(incoming: IncomingMessage, auth: GitServerOptions['auth']): boolean {
  if (!auth) return true
  const expected =
    'bearer' in auth ? `Bearer ${auth.bearer}` : `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`
  return incoming.headers.authorization === expected
}

interface Call {
  readonly options: GitServerOptions
  readonly incoming: IncomingMessage
  readonly body: Buffer
  readonly response: ServerResponse
  readonly cutAfterBytes: number | undefined
}

/** One run of the CGI program. */
async function backend(call: Call): Promise<void> {
  const { options, response } = call
  const child = spawn('git', [...configuration(options), 'http-backend'], {
    env: cgiEnvironment(call),
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  response.once('close', () => child.kill())
  child.stdin.on('error', () => {}) // it may end without reading
  child.stdin.end(call.body)
  let head: Buffer | undefined = Buffer.alloc(0)
  let left = call.cutAfterBytes ?? Number.POSITIVE_INFINITY
  const closed = once(response, 'close')
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    let content = chunk
    if (head) {
      head = Buffer.concat([head, chunk])
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) continue
      writeHead(response, head.toString('latin1', 0, end))
      content = head.subarray(end + 4)
      head = undefined
    }
    if (content.length >= left) {
      response.write(content.subarray(0, left), () => response.destroy())
      return
    }
    left -= content.length
    if (!response.write(content)) await Promise.race([once(response, 'drain'), closed])
  }
  response.end()
}

function configuration({ wants = 'reachable' }: GitServerOptions): string[] {
  const settings = [
    'safe.directory=*',
    'http.receivepack=false',
    'uploadpack.allowFilter=true',
    `uploadpack.allowReachableSHA1InWant=${wants === 'reachable'}`,
    `uploadpack.allowAnySHA1InWant=${wants === 'any'}`,
  ]
  return settings.flatMap((setting) => ['-c', setting])
}

function cgiEnvironment({ options, incoming, body }: Call): NodeJS.ProcessEnv {
  const { pathname, search } = urlOf(incoming)
  return {
    PATH: process.env.PATH,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_PROJECT_ROOT: options.root,
    GIT_HTTP_EXPORT_ALL: '1',
    GIT_PROTOCOL: options.protocol === 0 ? '' : String(incoming.headers['git-protocol'] ?? ''),
    REQUEST_METHOD: incoming.method,
    PATH_INFO: decodeURIComponent(pathname),
    QUERY_STRING: search.slice(1),
    CONTENT_TYPE: incoming.headers['content-type'] ?? '',
    CONTENT_LENGTH: String(body.length),
    HTTP_CONTENT_ENCODING: incoming.headers['content-encoding'] ?? '',
    REMOTE_ADDR: '127.0.0.1',
  }
}

function writeHead(response: ServerResponse, text: string): void {
  let status = 200
  for (const line of text.split('\r\n')) {
    const [, name = '', value = ''] = /^([^:]+):\s*(.*)$/.exec(line) ?? []
    if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10)
    else response.setHeader(name, value)
  }
  response.writeHead(status)
}
