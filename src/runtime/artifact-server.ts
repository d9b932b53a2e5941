/** Serves the artifact store to other processes and to people with curl, in Flux's URL form. */
import { constants } from 'node:fs'
import { type FileHandle, open, readlink } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { codeOf } from '../lib/errors.ts'
import { isArtifactPath } from './artifact-path.ts'
import type { Logger } from './log.ts'
import { parseAddress } from './servers.ts'

export interface ArtifactServerOptions {
  /** `--storage-path`. */
  readonly directory: string
  /** `--storage-addr`: `:9090`, `127.0.0.1:0`. */
  readonly address: string
  /** Whether the store is whole: it is only on the process that leads. Until then every answer is 503. */
  readonly isServing: () => boolean
  readonly log: Logger
}

const headersTimeoutMs = 10_000
/** A client that takes nothing for so long is dropped. */
const silenceTimeoutMs = 60_000
const maxConnections = 1000

/** A running server; `GET /` tells that it is ready, `GET /<kind>/<namespace>/<name>/<file>` is an artifact, the rest is 404. */
export class ArtifactServer implements AsyncDisposable {
  readonly #server: Server
  readonly port: number

  /** @throws system errors such as EADDRINUSE. */
  static async listen(options: ArtifactServerOptions): Promise<ArtifactServer> {
    const server = createServer({ headersTimeout: headersTimeoutMs, requestTimeout: headersTimeoutMs }, (request, response) => {
      void answer(request, response, options)
    })
    server.timeout = silenceTimeoutMs
    server.maxConnections = maxConnections
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject).listen(parseAddress(options.address), resolve)
    await promise
    server.off('error', reject)
    return new ArtifactServer(server)
  }

  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
  }

  /** Takes no more requests; downloads under way are finished within `graceMs`. */
  async close(graceMs = 5_000): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    this.#server.closeIdleConnections()
    const timer = setTimeout(() => this.#server.closeAllConnections(), graceMs)
    await promise
    clearTimeout(timer)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close(0)
  }
}

/**
 * The address that consumers are told. `--storage-adv-addr` as it is, else made of `--storage-addr`: no host is localhost, all
 * interfaces is this machine's name.
 * Source: common.md §4.
 */
export function advertisedAddress(options: {
  storageAddr: string
  storageAdvAddr: string
  /** The port that the server listens on, where `storageAddr` says 0. */
  port: number
  /** HOSTNAME, or the system's. */
  hostname: string
}): string {
  if (options.storageAdvAddr !== '') return options.storageAdvAddr
  const { host } = parseAddress(options.storageAddr)
  const name = host === undefined ? 'localhost' : host === '0.0.0.0' ? options.hostname : host
  return `${name.includes(':') ? `[${name}]` : name}:${options.port}`
}

async function answer(request: IncomingMessage, response: ServerResponse, options: ArtifactServerOptions): Promise<void> {
  try {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return text(response, 405, 'only GET and HEAD', { allow: 'GET, HEAD' })
    if (!options.isServing()) return text(response, 503, 'another process leads')
    const path = requestedPath(request.url ?? '')
    if (path === '') return text(response, 200, 'ready')
    if (path === undefined) return text(response, 404, 'not found')
    await using file = await openArtifact(resolve(options.directory, path))
    if (!file) return text(response, 404, 'not found')
    await send(file, request, response)
  } catch (error) {
    if (isDisconnect(error)) return
    options.log.error({ error, path: request.url }, 'failed to serve an artifact')
    if (response.headersSent) response.destroy()
    else text(response, 500, 'internal error')
  }
}

/** The path below the store; undefined for one that no artifact has. `''` for `/`. */
function requestedPath(url: string): string | undefined {
  const path = url.split('?', 1)[0] ?? ''
  if (path === '/') return ''
  try {
    // Decoded once and then checked: what is still encoded after that is not a name of ours.
    const decoded = decodeURIComponent(path.slice(1))
    return isArtifactPath(decoded) ? decoded : undefined
  } catch {
    return undefined
  }
}

/** A file, or the one in the same folder that a link names, such as `latest.tar.gz`. */
async function openArtifact(path: string): Promise<FileHandle | undefined> {
  const target = await readlink(path).catch(() => undefined)
  if (target === undefined) return openRegular(path)
  const linked = resolve(dirname(path), target)
  return dirname(linked) === dirname(path) ? openRegular(linked) : undefined
}

async function openRegular(path: string): Promise<FileHandle | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(codeOf(error) ?? '')) return undefined
    throw error
  })
  if (!file || (await file.stat()).isFile()) return file
  await file.close()
  return undefined
}

/** Sends from the open file: an artifact that is cleaned up or replaced meanwhile is still sent whole. */
async function send(file: FileHandle, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { size, mtime, ino } = await file.stat()
  const etag = `"${ino.toString(16)}-${size.toString(16)}-${mtime.getTime().toString(16)}"`
  const headers = { etag, 'last-modified': mtime.toUTCString() }
  if (isUnchanged(request, etag, mtime)) {
    response.writeHead(304, headers).end()
    return
  }
  response.writeHead(200, { ...headers, 'content-type': contentType(request.url ?? ''), 'content-length': size })
  if (request.method === 'HEAD') response.end()
  else await pipeline(file.createReadStream({ autoClose: false }), response)
}

function contentType(url: string): string {
  return /gz(\?|$)/.test(url) ? 'application/gzip' : 'application/octet-stream'
}

/** Source: RFC 9110 §13.2.2: If-None-Match goes first. */
function isUnchanged(request: IncomingMessage, etag: string, mtime: Date): boolean {
  const { 'if-none-match': tags, 'if-modified-since': since } = request.headers
  if (tags !== undefined) return tags === '*' || tags.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
  return since !== undefined && Math.floor(mtime.getTime() / 1000) * 1000 <= Date.parse(since)
}

function text(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { ...headers, 'content-type': 'text/plain; charset=utf-8' }).end(`${body}\n`)
}

function isDisconnect(error: unknown): boolean {
  return ['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE'].includes(codeOf(error) ?? '')
}
