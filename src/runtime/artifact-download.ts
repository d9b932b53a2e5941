/** Fetches an artifact from another process's artifact server. */
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { request } from 'undici'
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

/**
 * Downloads into `file`, in one attempt: who asks again does so with what the source says then. The caller verifies the digest.
 * @throws ArtifactNotFound for 404; ArtifactUnavailable for refused connections, broken transfers, 429 and 5xx.
 */
export async function downloadArtifact(artifact: Artifact, file: string, options: DownloadOptions): Promise<void> {
  const url = downloadUrl(artifact, options.host)
  await download(url, file, options)
}

function downloadUrl(artifact: Artifact, host: string | undefined): URL {
  const url = URL.parse(artifact.url)
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw new Error(`artifact URL ${JSON.stringify(artifact.url)} is not an HTTP address`)
  if (host) url.host = host
  return url
}

async function download(url: URL, file: string, { signal, maxBytes }: DownloadOptions): Promise<void> {
  const response = await request(url, { signal, headersTimeout: headersTimeoutMs, bodyTimeout: silenceTimeoutMs }).catch(
    (error: unknown) => {
      signal.throwIfAborted()
      throw new ArtifactUnavailable(`failed to download ${url}: ${messageOf(error)}`, { cause: error })
    },
  )
  if (response.statusCode !== 200) {
    await response.body.dump()
    throw refusal(url, response.statusCode)
  }
  let size = 0
  async function* bounded(): AsyncIterable<Buffer> {
    const chunks: AsyncIterator<Buffer> = response.body[Symbol.asyncIterator]()
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => {
        signal.throwIfAborted()
        throw new ArtifactUnavailable(`download of ${url} broke off: ${messageOf(error)}`, { cause: error })
      })
      if (next.done) return
      size += next.value.length
      if (size > maxBytes) throw new Error(`download of ${url} refused: it is larger than ${maxBytes} bytes`)
      yield next.value
    }
  }
  try {
    await pipeline(bounded, createWriteStream(file, { mode: 0o600 }))
  } finally {
    response.body.destroy()
  }
}

function refusal(url: URL, status: number): Error {
  if (status === 404) return new ArtifactNotFound(`artifact not found at ${url}`)
  const message = `failed to download ${url}: status ${status}`
  return status === 429 || status >= 500 ? new ArtifactUnavailable(message) : new Error(message)
}
