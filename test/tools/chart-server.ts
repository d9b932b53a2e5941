/**
 * A chart repository on loopback for tests: an index and packages over HTTP or HTTPS, changed and broken as the test goes.
 *
 * ```ts
 * await using charts = await startChartServer()
 * charts.publish('shop', '1.0.0', { 'values.yaml': 'replicas: 1\n', 'templates/web.yaml': … }) // packed, and told of in the index
 * spec: { url: charts.url }                                // or `${charts.address}/some/other/path`, which answers the same
 * charts.publish('shop', '1.1.0', { … })                   // the next index has both
 * charts.setIndex('<html>…')                               // any text in place of the index; setIndex() brings the made one back
 * charts.breakWith(({ path }) => path.endsWith('.tgz') ? { status: 503 } : undefined)
 * charts.requests.filter(({ path }) => path === '/index.yaml') // what was asked for, with the headers
 * await charts.next(({ path }) => path.endsWith('.tgz'))   // the next request that fits
 * ```
 *
 * `auth` asks for a user; `tls` with `ca` and `requestCert` for a client's certificate (test/tools/certificates.ts makes both ends).
 * Hosts other than `127.0.0.1` are `localhost` (`charts.urlOn('localhost')`) and other servers.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { TLSSocket } from 'node:tls'
import { dump } from 'js-yaml'
import { type Chart, loadChart, packChart } from '../../src/lib/chart/index.ts'
import { metadataJson } from '../../src/lib/chart/release-encode.ts'
import { memoryTree } from '../../src/lib/tree.ts'
import { Coming } from './coming.ts'

/** Path in the chart → content. Chart.yaml is made when it is not among them. */
export type ChartContent = Readonly<Record<string, string | Uint8Array>>

export interface ChartServerOptions {
  /** What each request must bring; without it the answer is 401. */
  readonly auth?: { readonly username: string; readonly password: string }
  /** PEM texts. With `requestCert` the client must show a certificate that `ca` signed. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string; readonly requestCert?: boolean }
  /** Absent: a free one. */
  readonly port?: number
}

export interface ChartServerRequest {
  /** Without the query. */
  readonly path: string
  /** With its question mark; empty when there is none. */
  readonly query: string
  readonly headers: IncomingHttpHeaders
  /** Common name of the certificate that the client showed. */
  readonly client: string | undefined
  /** User and password of the request, as `user:password`. */
  readonly credentials: string | undefined
}

/**
 * What becomes of one request: never answered (`hang`), answered otherwise, cut after so many bytes of the body, sent elsewhere, or
 * answered as always once a promise resolves.
 */
export type ChartFault =
  | 'hang'
  | { readonly status: number; readonly body?: string | Uint8Array; readonly headers?: Readonly<Record<string, string>> }
  | { readonly cutAfterBytes: number }
  | { readonly redirect: string }
  | { readonly after: Promise<void> }

export type ChartFaultOf = (request: ChartServerRequest) => ChartFault | undefined

/** A package as it is served. */
export interface PublishedChart {
  readonly name: string
  readonly version: string
  readonly archive: Uint8Array
  /** Hex of SHA-256, as in the index. */
  readonly digest: string
  /** `<name>-<version>.tgz`. */
  readonly file: string
}

/** What the index says of a package where that is not the truth; `undefined` leaves a field out. */
export type EntryFields = Readonly<Record<string, unknown>>

export interface ChartServer extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`. */
  readonly address: string
  /** The same with a slash at the end. */
  readonly url: string
  urlOn(host: string): string
  /** Every request so far, oldest first. */
  readonly requests: readonly ChartServerRequest[]
  /** How many requests there were for paths that end so. */
  count(pathEnd: string): number
  /** Packs a chart from its files and tells of it in the index. `fields` change its entry there. */
  publish(name: string, version: string, files?: ChartContent, fields?: EntryFields): PublishedChart
  /** As `publish`, of a package; it need not be a chart when `fields` name it. */
  publishPackage(archive: Uint8Array, fields?: EntryFields): PublishedChart
  /** Takes a chart out of the index; its packages stay. */
  withdraw(name: string, version?: string): void
  /** Puts any file at a path such as `/keys/public.asc`. */
  putFile(path: string, content: string | Uint8Array): void
  /** The index as it is served now. */
  index(): string
  /** Serves this in place of the index that is made of the charts; without an argument that one again. */
  setIndex(content?: string | Uint8Array): void
  /** `sha256:<hex>` of the index as it is served now. */
  revision(): string
  /** Replaces what goes wrong from now on; without an argument nothing does. Hanging requests are cut. */
  breakWith(fault?: ChartFaultOf): void
  /** Resolves with the next request that fits. */
  next(fits: (request: ChartServerRequest) => boolean): Promise<ChartServerRequest>
}

/** The time that every entry of an index has: the same charts give the same index. */
const created = '2026-01-01T00:00:00Z'

export async function startChartServer(options: ChartServerOptions = {}): Promise<ChartServer> {
  const requests: ChartServerRequest[] = []
  const files = new Map<string, Uint8Array>()
  const entries = new Map<string, Map<string, object>>()
  const hanging = new Set<ServerResponse>()
  const coming = new Coming<ChartServerRequest>()
  let ownIndex: Uint8Array | undefined
  let faultOf: ChartFaultOf | undefined

  const index = () => ownIndex ?? Buffer.from(indexOf(entries))
  const contentOf = (path: string) =>
    path.endsWith('/index.yaml') ? index() : (files.get(path) ?? files.get(path.slice(path.lastIndexOf('/'))))

  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const request = describe(incoming)
    requests.push(request)
    coming.came(request)
    const fault = faultOf?.(request)
    if (fault === 'hang') return void hanging.add(response)
    if (fault && 'status' in fault) return void response.writeHead(fault.status, fault.headers).end(fault.body)
    if (fault && 'redirect' in fault) return void response.writeHead(302, { location: fault.redirect }).end()
    if (fault && 'after' in fault) await fault.after
    if (options.auth && request.credentials !== `${options.auth.username}:${options.auth.password}`)
      return void response.writeHead(401, { 'www-authenticate': 'Basic realm="charts"' }).end('who are you?\n')
    const content = contentOf(request.path)
    if (!content) return void response.writeHead(404).end('no such file\n')
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': content.length })
    if (fault && 'cutAfterBytes' in fault)
      return void response.write(content.subarray(0, fault.cutAfterBytes), () => response.destroy())
    response.end(content)
  }
  const listener = (incoming: IncomingMessage, response: ServerResponse) => {
    answer(incoming, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined))
  }
  const server = await listening(options, listener)
  const urlOn = (host: string) => `${options.tls ? 'https' : 'http'}://${host}:${(server.address() as AddressInfo).port}/`

  const publish = (archive: Uint8Array, metadata: { name: string; version: string }, fields: EntryFields = {}): PublishedChart => {
    const { name, version } = metadata
    const file = `${name}-${version}.tgz`
    const digest = createHash('sha256').update(archive).digest('hex')
    files.set(`/${file}`, archive)
    const versions = entries.get(name) ?? new Map()
    const entry = { ...metadata, created, digest, urls: [file], ...fields }
    entries.set(name, versions.set(version, Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined))))
    return { name, version, archive, digest, file }
  }

  return {
    address: urlOn('127.0.0.1').slice(0, -1),
    url: urlOn('127.0.0.1'),
    urlOn,
    requests,
    count: (pathEnd) => requests.filter(({ path }) => path.endsWith(pathEnd)).length,
    publish(name, version, content = {}, fields) {
      const chart = chartOf(name, version, content)
      return publish(packChart(chart), JSON.parse(metadataJson(chart.metadata)), fields)
    },
    publishPackage(archive, fields = {}) {
      const { name, version } = fields
      const metadata =
        typeof name === 'string' && typeof version === 'string'
          ? { apiVersion: 'v2', name, version }
          : JSON.parse(metadataJson(loadChart({ archive }).metadata))
      return publish(archive, metadata, fields)
    },
    withdraw(name, version) {
      if (version === undefined) entries.delete(name)
      else entries.get(name)?.delete(version)
    },
    putFile: (path, content) => void files.set(path, Buffer.from(content)),
    index: () => Buffer.from(index()).toString('utf8'),
    setIndex(content) {
      ownIndex = content === undefined ? undefined : Buffer.from(content)
    },
    revision: () => `sha256:${createHash('sha256').update(index()).digest('hex')}`,
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

async function listening(
  { tls, port = 0 }: ChartServerOptions,
  listener: (incoming: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const server = tls ? createTlsServer({ ...tls, rejectUnauthorized: tls.requestCert ?? false }, listener) : createServer(listener)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function describe(incoming: IncomingMessage): ChartServerRequest {
  const { headers, socket } = incoming
  const { pathname, search } = new URL(incoming.url ?? '/', 'http://localhost')
  const basic = /^Basic (.*)$/.exec(headers.authorization ?? '')?.[1]
  const client = socket instanceof TLSSocket ? socket.getPeerCertificate().subject?.CN : undefined
  return {
    path: decodeURIComponent(pathname),
    query: search,
    headers,
    client: client === undefined ? undefined : String(client),
    credentials: basic === undefined ? undefined : Buffer.from(basic, 'base64').toString('utf8'),
  }
}

/** A chart of these files. */
export function chartOf(name: string, version: string, files: ChartContent = {}): Chart {
  const all = { 'Chart.yaml': `apiVersion: v2\nname: ${name}\nversion: ${version}\n`, ...files }
  return loadChart(memoryTree(Object.entries(all)))
}

/** As `helm repo index` writes it. */
function indexOf(entries: ReadonlyMap<string, ReadonlyMap<string, object>>): string {
  const charts = [...entries].map(([name, versions]) => [name, [...versions.values()].reverse()] as const)
  const index = { apiVersion: 'v1', entries: Object.fromEntries(charts), generated: created }
  return dump(index, { seqNoIndent: true, lineWidth: -1, noRefs: true, sortKeys: true })
}
