/** gzip as Go reads it when a tar is inside: what follows the tar is never looked at. */

import { constants, gunzipSync, inflateRawSync } from 'node:zlib'
import { BuildError, codeOf } from '../errors.ts'

/** The bytes are no gzip at all. */
export class GzipHeaderError extends BuildError {}

export interface Unzipped {
  readonly data: Buffer
  /** The bytes end before the gzip does. */
  readonly isCut: boolean
}

/** Whether bytes begin as gzip does. */
export function isGzip(data: Uint8Array): boolean {
  return data[0] === 0x1f && data[1] === 0x8b && data[2] === 0x08
}

/**
 * Unpacks up to `maxBytes`; undefined for more.
 * @throws BuildError with Go's text for what is damaged; GzipHeaderError.
 */
export function unzip(archive: Uint8Array, maxBytes: number): Unzipped | undefined {
  if (archive.length < headerBytes) throw new BuildError(archive.length === 0 ? 'EOF' : 'unexpected EOF')
  if (!isGzip(archive)) throw new GzipHeaderError('gzip: invalid header')
  const options = { maxOutputLength: maxBytes }
  try {
    return attempt(() => ({ data: gunzipSync(archive, options), isCut: false }))
  } catch (error) {
    const partial = { ...options, finishFlush: constants.Z_SYNC_FLUSH }
    if (codeOf(error) === 'Z_BUF_ERROR') return attempt(() => ({ data: gunzipSync(archive, partial), isCut: true }))
    if (codeOf(error) !== 'Z_DATA_ERROR') throw error
    // Only what comes after the data may be wrong: its checksum, or bytes that do not belong there.
    return attempt(
      () => ({ data: inflateRawSync(archive.subarray(dataStart(archive)), partial), isCut: false }),
      'flate: corrupt input',
    )
  }
}

function attempt(unpack: () => Unzipped, damaged?: string): Unzipped | undefined {
  try {
    return unpack()
  } catch (error) {
    if (codeOf(error) === 'ERR_BUFFER_TOO_LARGE') return undefined
    throw damaged === undefined ? error : new BuildError(damaged, {}, { cause: error })
  }
}

const headerBytes = 10
const [hasChecksum, hasExtra, hasName, hasComment] = [2, 4, 8, 16]

/** Where the header, with all that it may hold, ends. Source: RFC 1952. */
function dataStart(archive: Uint8Array): number {
  const flags = archive[3] ?? 0
  let at = headerBytes
  if (flags & hasExtra) at += 2 + (archive[at] ?? 0) + 256 * (archive[at + 1] ?? 0)
  for (const flag of [hasName, hasComment]) if (flags & flag) at = archive.indexOf(0, at) + 1 || archive.length
  return flags & hasChecksum ? at + 2 : at
}
