/** Fetches an artifact from another process's artifact server. */
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { type Dispatcher, request } from 'undici'
import type { Artifact } from '../api/meta.ts'
import { messageOf } from '../lib/errors.ts'
import { ArtifactNotFound, ArtifactUnavailable } from './artifacts.ts'

export interface DownloadOptions {
  readonly maxBytes: number
  /** Host and port in place of those of the URL. */
  readonly host?: string | undefined
  readonly signal: AbortSignal
}

const headersTimeoutMs = 15_000
const silenceTimeoutMs = 30_000
/** For all of it: bytes that trickle in end no other way. */
const timeoutMs = 10 * 60_000
const mostRedirects = 10
const redirects = [301, 302, 303, 307, 308]

/**
 * Downloads into `file`, in one attempt: who asks again does so with what the source says then. The caller verifies the digest.
 * @throws ArtifactNotFound for 404; ArtifactUnavailable for refused connections, broken transfers, 429 and 5xx.
 */
export async function downloadArtifact(artifact: Artifact, file: string, options: DownloadOptions): Promise<void> {
  const first = addressOf(artifact.url)
  if (options.host) first.host = options.host
  const exchange = { ...options, signal: AbortSignal.any([options.signal, AbortSignal.timeout(timeoutMs)]) }
  try {
    const { url, body } = await follow(first, exchange)
    await save(body, file, { ...exchange, url })
  } catch (error) {
    options.signal.throwIfAborted()
    if (!exchange.signal.aborted) throw error
    throw new ArtifactUnavailable(`download of ${shown(first)} took longer than ${timeoutMs / 60_000} minutes`, { cause: error })
  }
}

function addressOf(text: string): URL {
  const url = URL.parse(text)
  if (url && isHttp(url)) return url
  throw new Error(`artifact URL ${JSON.stringify(url ? shown(url) : text)} is not an HTTP address`)
}

function isHttp({ protocol }: URL): boolean {
  return protocol === 'http:' || protocol === 'https:'
}

/** Without what may be a secret: user, password and signed queries. */
function shown({ protocol, host, pathname }: URL): string {
  return `${protocol}//${host}${pathname}`
}

interface Answer {
  readonly url: URL
  readonly body: Dispatcher.ResponseData['body']
}

/** The answer with status 200 that the address leads to. */
async function follow(first: URL, { signal }: DownloadOptions): Promise<Answer> {
  let url = first
  for (let count = 0; ; count++) {
    const { statusCode, headers, body } = await ask(url, signal)
    if (statusCode === 200) return { url, body }
    await body.dump()
    const location = redirects.includes(statusCode) ? [headers.location].flat()[0] : undefined
    if (!location) throw refusal(url, statusCode)
    if (count === mostRedirects) throw new Error(`failed to download ${shown(first)}: stopped after ${mostRedirects} redirects`)
    const next = URL.parse(location, url.href)
    if (!next || !isHttp(next)) throw new Error(`failed to download ${shown(first)}: it redirects to what is no HTTP address`)
    url = next
  }
}

async function ask(url: URL, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  try {
    return await request(url, { signal, headersTimeout: headersTimeoutMs, bodyTimeout: silenceTimeoutMs })
  } catch (error) {
    signal.throwIfAborted()
    throw new ArtifactUnavailable(`failed to download ${shown(url)}: ${messageOf(error)}`, { cause: error })
  }
}

async function save(
  body: Answer['body'],
  file: string,
  { url, signal, maxBytes }: DownloadOptions & Pick<Answer, 'url'>,
): Promise<void> {
  let size = 0
  async function* bounded(): AsyncIterable<Buffer> {
    const chunks: AsyncIterator<Buffer> = body[Symbol.asyncIterator]()
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => {
        signal.throwIfAborted()
        throw new ArtifactUnavailable(`download of ${shown(url)} broke off: ${messageOf(error)}`, { cause: error })
      })
      if (next.done) return
      size += next.value.length
      if (size > maxBytes) throw new Error(`download of ${shown(url)} refused: it is larger than ${maxBytes} bytes`)
      yield next.value
    }
  }
  try {
    await pipeline(bounded, createWriteStream(file, { mode: 0o600 }))
  } finally {
    body.destroy()
  }
}

function refusal(url: URL, status: number): Error {
  if (status === 404) return new ArtifactNotFound(`artifact not found at ${shown(url)}`)
  const message = `failed to download ${shown(url)}: status ${status}`
  return status === 429 || status >= 500 ? new ArtifactUnavailable(message) : new Error(message)
}
