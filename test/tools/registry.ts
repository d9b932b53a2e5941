/**
 * A real OCI registry (CNCF distribution, in memory) on loopback, behind a front that speaks TLS, remembers what was asked, and does
 * what networks and registries do to their clients. What tests push goes around the front.
 *
 * ```ts
 * await using registry = await startRegistry({ login: 'basic' })        // or 'token', or nobody has to log in
 * await pushArtifact(registry, 'apps/web', { files: { 'web.yaml': '…' }, tags: ['v1'] })        // see push.ts for charts and the rest
 * registry.url('apps/web')                                               // oci://127.0.0.1:41234/apps/web
 * await cluster.kubectl.apply(dockerConfigSecret('login', registry))     // for spec.secretRef
 * registry.fault = ({ path }, response) => path.includes('/blobs/') && answer(response, 429, { 'retry-after': '1' })
 * registry.requests.filter(({ path }) => path.includes('/blobs/'))      // what was asked for, oldest first
 * ```
 *
 * 127.0.0.1 counts as a local registry, which clients also speak to without TLS and without being told so. A test of what happens with all
 * others listens on `address: '127.0.0.2'`.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { kill, startProcess, temporaryDirectory } from './processes.ts'
import { startTokenServer, type TokenServer } from './token-server.ts'
import { findTool } from './tools.ts'

/** The only login that a registry with one knows. The refresh token is for `login: 'token'`. */
export const registryLogin = { username: 'deploy', password: 'let-me-in:7', refreshToken: 'refresh-me-8' } as const

export interface RegistryOptions {
  /** How one logs in to pull; absent: nobody has to. */
  readonly login?: 'basic' | 'token'
  /** PEM texts. With `requestCert` a client must show a certificate that `ca` signed. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string; readonly requestCert?: boolean }
  /** Where it listens; 127.0.0.1 when absent. */
  readonly address?: string
}

export interface RegistryRequest {
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly headers: IncomingMessage['headers']
  /** When it came, by `performance.now()`. */
  readonly atMs: number
}

/** Answers the request itself and returns true, or leaves it to the registry, maybe later: when the promise resolves. */
export type RegistryFault = (request: RegistryRequest, response: ServerResponse) => boolean | undefined | Promise<void>

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:<port>`. */
  readonly host: string
  /** `oci://127.0.0.1:<port>/<repository>`. */
  url(repository: string): string
  /** Every request so far, oldest first; not those of tests that push. */
  readonly requests: RegistryRequest[]
  /** How many manifests and blobs were sent, or asked for. */
  downloads(): number
  /** Decides about each request from now on. */
  fault: RegistryFault | undefined
  /** Of a registry with `login: 'token'`. */
  readonly tokens: TokenServer | undefined
  /** Asks the registry itself, with all rights for the repository. @throws Error with its answer unless it has the status. */
  direct(repository: string, path: string, request: DirectRequest): Promise<Response>
}

export interface DirectRequest {
  readonly method: string
  readonly status: number
  readonly body?: Uint8Array
  readonly type?: string
}

/** Starts a registry and waits until it listens: some hundred milliseconds. */
export async function startRegistry({ login, tls, address = '127.0.0.1' }: RegistryOptions = {}): Promise<TestRegistry> {
  await using stack = new AsyncDisposableStack()
  const tokens = login === 'token' ? stack.use(await startTokenServer({ login: registryLogin, tls, address })) : undefined
  const { child, port } = await startDistribution(login, tokens)
  stack.defer(() => kill(child))
  const requests: RegistryRequest[] = []
  const front = startFront({ tls, port, isSecure: tls !== undefined }, (incoming, response) => {
    const seen = {
      method: incoming.method ?? '',
      path: incoming.url ?? '/',
      headers: incoming.headers,
      atMs: performance.now(),
    }
    requests.push(seen)
    return registry.fault?.(seen, response)
  })
  front.server.listen(0, address)
  await once(front.server, 'listening')
  stack.defer(async () => {
    front.server.close()
    front.cut()
  })
  const host = `${address}:${(front.server.address() as AddressInfo).port}`
  const resources = stack.move()
  const registry: TestRegistry = {
    host,
    url: (repository) => `oci://${host}/${repository}`,
    requests,
    downloads: () => requests.filter(({ method, path }) => method === 'GET' && /\/(manifests|blobs)\//.test(path)).length,
    fault: undefined,
    tokens,
    direct: (repository, path, about) =>
      ask(`http://127.0.0.1:${port}/v2/${repository}/`, path, about, pushAuthorization(repository, login, tokens)),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
  return registry
}

/** Answers in the place of the registry; for a `RegistryFault`. */
export function answer(
  response: ServerResponse,
  status: number,
  headers: Record<string, string> = {},
  body: string | Uint8Array = '',
): true {
  response.writeHead(status, headers).end(body)
  return true
}

/** What docker login leaves behind. */
export function dockerConfig(host: string, { username, password }: { username: string; password: string } = registryLogin): string {
  return JSON.stringify({ auths: { [host]: { auth: Buffer.from(`${username}:${password}`).toString('base64') } } })
}

/** A Secret as `kubectl create secret docker-registry` makes it. */
export function dockerConfigSecret(
  name: string,
  { host }: Pick<TestRegistry, 'host'>,
  login?: { username: string; password: string },
) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    type: 'kubernetes.io/dockerconfigjson',
    stringData: { '.dockerconfigjson': dockerConfig(host, login) },
  }
}

/** A line of an htpasswd file for `registryLogin`: bcrypt of cost 4, which is the least there is. */
const htpasswd = `${registryLogin.username}:$2a$04$ZnmggbMFKXN4.PjKPN/mn.ajN4xUkcsxBA39sQ1a68qCTscHvDh9G\n`

async function startDistribution(
  login: RegistryOptions['login'],
  tokens: TokenServer | undefined,
): Promise<{ child: ChildProcess; port: number }> {
  const directory = await temporaryDirectory('registry')
  const config = {
    version: '0.1',
    log: { level: 'info', accesslog: { disabled: true } },
    storage: { inmemory: {}, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0', net: 'tcp' },
    ...(login && { auth: authOf(directory, tokens) }),
  }
  await writeFile(join(directory, 'config.yml'), JSON.stringify(config))
  await writeFile(join(directory, 'htpasswd'), htpasswd)
  if (tokens) await writeFile(join(directory, 'jwks.json'), tokens.jwks)
  const tool = await findTool('registry', () => {})
  const env = { ...process.env, OTEL_TRACES_EXPORTER: 'none' }
  const child = startProcess(tool, ['serve', join(directory, 'config.yml')], { stdio: ['ignore', 'ignore', 'pipe'], env })
  return { child, port: await portOf(child) }
}

function authOf(directory: string, tokens: TokenServer | undefined) {
  if (!tokens) return { htpasswd: { realm: 'registry', path: join(directory, 'htpasswd') } }
  const { realm, service, issuer } = tokens
  return { token: { realm, service, issuer, jwks: join(directory, 'jwks.json') } }
}

/** It logs the port that it got. @throws Error with the end of the log when it ends before. */
async function portOf(child: ChildProcess): Promise<number> {
  if (!child.stderr) throw new Error('the registry has no log')
  const lines = createInterface({ input: child.stderr })
  const said: string[] = []
  for await (const line of lines) {
    const port = /listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1]
    if (port !== undefined) {
      child.stderr.resume()
      return Number(port)
    }
    said.push(line)
  }
  throw new Error(`the registry did not start: ${said.slice(-5).join('\n')}`)
}

interface Front {
  readonly tls: RegistryOptions['tls']
  /** Of the registry behind. */
  readonly port: number
  readonly isSecure: boolean
}

function startFront(
  { tls, port, isSecure }: Front,
  decide: (incoming: IncomingMessage, response: ServerResponse) => ReturnType<RegistryFault>,
) {
  const sockets = new Set<Socket>()
  const pass = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { method = 'GET', url = '/', headers } = incoming
    const forwarded = request({
      host: '127.0.0.1',
      port,
      method,
      path: url,
      headers: { ...headers, ...(isSecure && { 'x-forwarded-proto': 'https' }) },
      agent: false,
    })
    forwarded.on('response', (received) => {
      outgoing.writeHead(received.statusCode ?? 502, received.headers)
      received.on('error', () => outgoing.destroy()).pipe(outgoing)
    })
    forwarded.on('error', () => outgoing.destroy())
    outgoing.on('close', () => forwarded.destroy())
    incoming.pipe(forwarded)
  }
  const listener = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const decision = decide(incoming, outgoing)
    if (decision === true) return
    if (decision) void decision.then(() => pass(incoming, outgoing))
    else pass(incoming, outgoing)
  }
  const server = tls ? createTlsServer({ ...tls, rejectUnauthorized: tls.requestCert ?? false }, listener) : createServer(listener)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
  })
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return { server, cut }
}

function pushAuthorization(
  repository: string,
  login: RegistryOptions['login'],
  tokens: TokenServer | undefined,
): string | undefined {
  if (tokens) return `Bearer ${tokens.mint(repository, ['pull', 'push', 'delete'])}`
  const { username, password } = registryLogin
  return login && `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** The registry denies what it has to those who do not ask for that type. */
export const manifestTypes = ['manifest', 'index'].map((what) => `application/vnd.oci.image.${what}.v1+json`).join(', ')

async function ask(
  base: string,
  path: string,
  { method, status, body, type }: DirectRequest,
  authorization: string | undefined,
): Promise<Response> {
  const response = await fetch(new URL(path, base), {
    method,
    headers: { accept: manifestTypes, ...(authorization && { authorization }), ...(type && { 'content-type': type }) },
    ...(body && { body: new Uint8Array(body) }),
  })
  if (response.status !== status)
    throw new Error(`${method} ${base}${path}: HTTP status ${response.status}: ${await response.text()}`)
  return response
}
