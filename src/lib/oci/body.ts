/** What a registry sends: bounded, and held to its digest. */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { OciError } from './errors.ts'

/** Where a blob is written, and how large it may be. */
export interface Download {
  readonly file: string
  readonly maxBytes: number
}

/** @throws OciError `tooLarge`, unless what is beyond the bound is to be cut off. */
export async function bounded(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  { cut }: { readonly cut: boolean },
): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    size += chunk.length
    if (size <= maxBytes) continue
    if (cut) break
    throw tooLarge(maxBytes)
  }
  return Buffer.concat(chunks).subarray(0, maxBytes)
}

/** Writes to a file; returns the number of bytes. @throws OciError `tooLarge`, `corrupt`; system errors as they are. */
export async function writeChecked(
  body: AsyncIterable<Uint8Array>,
  { file, maxBytes, digest }: Download & { readonly digest: string },
): Promise<number> {
  const hash = createHash(algorithmOf(digest))
  let size = 0
  async function* measured(): AsyncIterable<Uint8Array> {
    for await (const chunk of body) {
      size += chunk.length
      if (size > maxBytes) throw tooLarge(maxBytes)
      hash.update(chunk)
      yield chunk
    }
  }
  await pipeline(measured, createWriteStream(file, { mode: 0o600 }))
  assertSame(`${algorithmOf(digest)}:${hash.digest('hex')}`, digest)
  return size
}

export function digestOf(body: Buffer): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`
}

/** @throws OciError `corrupt` */
export function assertDigest(body: Buffer, digest: string): void {
  const algorithm = algorithmOf(digest)
  assertSame(`${algorithm}:${createHash(algorithm).update(body).digest('hex')}`, digest)
}

function algorithmOf(digest: string): string {
  return digest.slice(0, digest.indexOf(':'))
}

function assertSame(found: string, wanted: string): void {
  if (found === wanted) return
  throw new OciError('corrupt', `the registry sent content with the digest ${found} where ${wanted} was asked for`)
}

function tooLarge(maxBytes: number): OciError {
  return new OciError('tooLarge', `the registry sends more than ${maxBytes} bytes`)
}
