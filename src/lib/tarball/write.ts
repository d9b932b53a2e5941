/** Writes archives whose bytes depend on nothing but the tree. Source of modes, owners and times: common.md §4. */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { Header, Pax } from 'tar'
import { ArchiveError, entryPath, refused } from './path.ts'

/** One file of the tree. */
export interface TarballEntry {
  /** Relative to the root, parts separated by `/`. */
  readonly path: string
  readonly executable: boolean
  /** Read once, when its turn to be written comes: a getter need not hold the bytes before. */
  readonly content: Uint8Array | FileContent
}

/** What is too large to be held as a whole. */
export interface FileContent {
  readonly sizeBytes: number
  /** Exactly that many bytes, piece by piece. */
  chunks(): Iterable<Uint8Array>
}

export interface WrittenTarball {
  /** `sha256:<hex>` of the archive. */
  readonly digest: string
  readonly sizeBytes: number
}

const blockBytes = 512
const batchBytes = 256 * 1024
const epoch = new Date(0)
const endOfArchive = Buffer.alloc(2 * blockBytes)

/**
 * Writes the tree as a gzip-compressed tar; the order of `entries` does not matter. A file that could not be written whole is
 * removed.
 * @throws ArchiveError for a path that `extractTarball` would refuse or that comes twice; system errors (`ENOSPC` …) as they are.
 */
export async function writeTarball(file: string, entries: Iterable<TarballEntry>): Promise<WrittenTarball> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  async function* measured(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    for await (const chunk of chunks) {
      if (sizeBytes === 0) hideOperatingSystem(chunk)
      sizeBytes += chunk.length
      hash.update(chunk)
      yield chunk
    }
  }
  try {
    await pipeline(
      batches(archive(entries)),
      createGzip({ level: 6, chunkSize: 64 * 1024 }),
      measured,
      createWriteStream(file, { mode: 0o600 }),
    )
  } catch (error) {
    await rm(file, { force: true })
    throw error
  }
  return { digest: `sha256:${hash.digest('hex')}`, sizeBytes }
}

/** zlib writes the system that it was built for into byte 9 of the gzip header; 255 is "unknown", as Go writes it. */
function hideOperatingSystem(firstChunk: Buffer): void {
  firstChunk[9] = 255
}

function* archive(entries: Iterable<TarballEntry>): Iterable<Uint8Array> {
  const directories = new Set<string>([''])
  let previous: string | undefined
  for (const entry of sorted(entries)) {
    const path = entryPath(entry.path)
    if (path === '' || path === previous || directories.has(path)) throw refused(entry.path, 'its path is taken')
    for (const directory of parents(path)) {
      if (directory === previous) throw refused(entry.path, `${JSON.stringify(directory)} is a file`)
      if (directories.has(directory)) continue
      directories.add(directory)
      yield* header({ path: `${directory}/`, type: 'Directory', mode: 0o750, size: 0 })
    }
    const { sizeBytes: size, chunks } = contentOf(entry)
    yield* header({ path, type: 'File', mode: entry.executable ? 0o700 : 0o600, size })
    yield* exactly(size, chunks(), path)
    yield Buffer.alloc(-size & (blockBytes - 1))
    previous = path
  }
  yield endOfArchive
}

function contentOf({ content }: TarballEntry): FileContent {
  return content instanceof Uint8Array ? { sizeBytes: content.length, chunks: () => [content] } : content
}

/** The header has told the size: other bytes would be taken for headers. @throws ArchiveError */
function* exactly(size: number, chunks: Iterable<Uint8Array>, path: string): Iterable<Uint8Array> {
  let missing = size
  for (const chunk of chunks) {
    missing -= chunk.length
    yield chunk
  }
  if (missing !== 0) throw new ArchiveError(`${JSON.stringify(path)} has changed while it was read`)
}

/** A directory before what it holds, siblings by name: the order of a walk, because `/` sorts before every other character. */
function sorted(entries: Iterable<TarballEntry>): readonly TarballEntry[] {
  return [...entries]
    .map((entry) => ({ entry, key: entry.path.replaceAll('/', '\0') }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ entry }) => entry)
}

/** `a/b/c` → `a`, `a/b`. */
function* parents(path: string): Iterable<string> {
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) yield path.slice(0, slash)
}

function* header(about: { path: string; type: 'File' | 'Directory'; mode: number; size: number }): Iterable<Uint8Array> {
  const header = new Header({ ...about, uid: 0, gid: 0, uname: '', gname: '', mtime: epoch })
  const needsPax = header.encode()
  if (needsPax) yield new Pax({ path: about.path, mtime: epoch }).encode()
  if (header.block) yield header.block
}

/** Joins small pieces: a stream costs per chunk. */
function* batches(pieces: Iterable<Uint8Array>): Iterable<Buffer> {
  let batch: Uint8Array[] = []
  let size = 0
  for (const piece of pieces) {
    batch.push(piece)
    size += piece.length
    if (size < batchBytes) continue
    yield Buffer.concat(batch)
    batch = []
    size = 0
  }
  yield Buffer.concat(batch)
}
