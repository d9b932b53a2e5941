/** Unpacks archives that may come from anywhere. */
import { createHash, randomUUID } from 'node:crypto'
import { closeSync, createReadStream, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { Header } from 'tar'
import { messageOf } from '../errors.ts'
import { ArchiveError, entryPath, refused } from './path.ts'

/** What an archive may cost. */
export interface ExtractLimits {
  /** Bytes of the archive after decompression. */
  readonly maxBytes: number
  /** Files and directories. */
  readonly maxEntries: number
}

/** What precedes an entry and speaks of it: a pax header, or GNU's long name. */
interface Overrides {
  readonly path?: string
  readonly size?: number
}

const blockBytes = 512
/** A path has at most 4 KiB; a header that is much larger has no honest use. */
const maxMetaBytes = 1024 * 1024

/**
 * Unpacks a gzip-compressed tar into `directory`, which must not exist yet: it appears whole or not at all. Files become read-only.
 * Symbolic links are skipped, as in Flux; hard links, devices, pipes and sparse files are refused.
 * @returns path → sha256 (hex) of every file.
 * @throws ArchiveError for an archive that is damaged, hostile or beyond the limits; system errors (`ENOSPC` …) as they are.
 */
export async function extractTarball(file: string, directory: string, limits: ExtractLimits): Promise<ReadonlyMap<string, string>> {
  const temporary = `${directory}.${randomUUID()}.tmp`
  mkdirSync(temporary, { recursive: true, mode: 0o700 })
  try {
    const files = await extractInto(temporary, file, limits)
    renameSync(temporary, directory)
    return files
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true })
    throw error
  }
}

async function extractInto(directory: string, file: string, limits: ExtractLimits): Promise<ReadonlyMap<string, string>> {
  await using archive = new Reader(decompressed(file, limits.maxBytes))
  const target = new Target(directory)
  let overrides: Overrides = {}
  for (let entries = 0; ; ) {
    const header = await nextHeader(archive, overrides)
    if (!header) break
    if (isMeta(header)) {
      overrides = { ...overrides, ...(await readMeta(header, archive)) }
      continue
    }
    entries += 1
    if (entries > limits.maxEntries) throw new ArchiveError(`archive has more than ${limits.maxEntries} entries`)
    const name = overrides.path ?? header.path ?? ''
    const size = overrides.size ?? header.size ?? 0
    await unpackEntry({ name, size, type: header.type, mode: header.mode ?? 0 }, archive, target)
    overrides = {}
  }
  await archive.drain()
  return target.files
}

async function unpackEntry(
  entry: { name: string; size: number; type: string; mode: number },
  archive: Reader,
  target: Target,
): Promise<void> {
  const path = entryPath(entry.name)
  switch (entry.type) {
    case 'Directory':
      return target.makeDirectory(path)
    case 'File':
    case 'OldFile':
    case 'ContiguousFile':
      if (path === '') throw refused(entry.name, 'it has no name')
      await target.writeFile(path, (entry.mode & 0o111) !== 0, archive.chunks(entry.size))
      return archive.skipPadding(entry.size)
    case 'SymbolicLink':
      await archive.skip(entry.size)
      return archive.skipPadding(entry.size)
    default:
      throw refused(entry.name, `an artifact holds files and directories, not entries of type ${entry.type}`)
  }
}

/** The decompressed bytes. Verifies gzip's checksum at the end. */
async function* decompressed(file: string, maxBytes: number): AsyncIterable<Buffer> {
  const input = createReadStream(file)
  const gunzip = createGunzip({ chunkSize: 128 * 1024 })
  input.on('error', (error) => gunzip.destroy(error))
  let size = 0
  try {
    for await (const chunk of input.pipe(gunzip)) {
      size += chunk.length
      if (size > maxBytes) throw new ArchiveError(`archive is larger than ${maxBytes} bytes when unpacked`)
      yield chunk
    }
  } catch (error) {
    throw isZlibError(error) ? new ArchiveError(`archive is not valid gzip: ${messageOf(error)}`, { cause: error }) : error
  } finally {
    input.destroy()
  }
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')
}

/** The next entry's header; undefined at the end of the archive. */
async function nextHeader(archive: Reader, overrides: Overrides): Promise<Header | undefined> {
  const block = await archive.take(blockBytes, { orEnd: true })
  if (!block) return undefined
  const header = parseHeader(block, overrides)
  if (header.nullBlock) return undefined
  if (!header.cksumValid) throw new ArchiveError('archive is not a valid tar: a header has a wrong checksum')
  return header
}

/** A long name is cut in the header itself, maybe after a slash: whether it is that of a directory only the whole name tells. */
function parseHeader(block: Buffer, { path }: Overrides): Header {
  try {
    return new Header(block, 0, path === undefined ? undefined : { path })
  } catch (error) {
    throw new ArchiveError(`archive is not a valid tar: ${messageOf(error)}`, { cause: error })
  }
}

function isMeta(header: Header): boolean {
  return ['ExtendedHeader', 'GlobalExtendedHeader', 'NextFileHasLongPath', 'NextFileHasLongLinkpath'].includes(header.type)
}

async function readMeta(header: Header, archive: Reader): Promise<Overrides> {
  const size = header.size ?? 0
  if (size > maxMetaBytes) throw new ArchiveError(`archive has a header of ${size} bytes, more than ${maxMetaBytes}`)
  const body = (await archive.take(size)) ?? Buffer.alloc(0)
  await archive.skipPadding(size)
  // What a global header says of all entries (git writes the commit there) does not concern us.
  if (header.type === 'ExtendedHeader') return paxOverrides(body)
  if (header.type === 'NextFileHasLongPath') return { path: body.toString('utf8').replace(/\0.*$/s, '') }
  return {}
}

/** Reads `<length> <key>=<value>\n` records. Here and not in the library, which breaks on a value with a line feed. */
function paxOverrides(body: Buffer): Overrides {
  let path: string | undefined
  let size: number | undefined
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(' ', at)
    const end = at + Number(body.toString('latin1', at, space < 0 ? at : space))
    const equals = body.indexOf('=', space)
    if (space < 0 || equals < 0 || !(end > equals && end <= body.length) || body[end - 1] !== 0x0a) {
      throw new ArchiveError('archive is not a valid tar: a pax header is malformed')
    }
    const key = body.toString('utf8', space + 1, equals)
    const value = body.toString('utf8', equals + 1, end - 1)
    if (key.startsWith('GNU.sparse.')) throw new ArchiveError('archive holds a sparse file, which an artifact never does')
    if (key === 'path') path = value
    if (key === 'size') size = paxSize(value)
    at = end
  }
  return { ...(path !== undefined && { path }), ...(size !== undefined && { size }) }
}

function paxSize(value: string): number {
  if (!/^\d{1,15}$/.test(value))
    throw new ArchiveError(`archive is not a valid tar: a pax header gives the size ${JSON.stringify(value.slice(0, 30))}`)
  return Number(value)
}

/** Reads exact amounts from a stream of chunks, and ends the stream when it is disposed of. */
class Reader implements AsyncDisposable {
  readonly #chunks: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** Exactly `size` bytes; with `orEnd`, undefined when the stream has ended before the first of them. */
  async take(size: number, options: { orEnd?: boolean } = {}): Promise<Buffer | undefined> {
    const parts: Buffer[] = []
    let missing = size
    while (missing > 0) {
      const part = await this.#upTo(missing)
      if (!part && options.orEnd && parts.length === 0) return undefined
      if (!part) throw truncated()
      parts.push(part)
      missing -= part.length
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts)
  }

  /** Exactly `size` bytes as they come. */
  async *chunks(size: number): AsyncIterable<Buffer> {
    for (let missing = size; missing > 0; ) {
      const part = await this.#upTo(missing)
      if (!part) throw truncated()
      missing -= part.length
      yield part
    }
  }

  async skip(size: number): Promise<void> {
    for await (const _ of this.chunks(size));
  }

  /** Skips what fills the last block of an entry. */
  skipPadding(size: number): Promise<void> {
    return this.skip((blockBytes - (size % blockBytes)) % blockBytes)
  }

  /** Reads to the end, for the checks that are made there. */
  async drain(): Promise<void> {
    while (await this.#upTo(Number.MAX_SAFE_INTEGER));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chunks.return?.()
  }

  async #upTo(size: number): Promise<Buffer | undefined> {
    if (this.#rest.length === 0) {
      const next = await this.#chunks.next()
      if (next.done) return undefined
      this.#rest = next.value
    }
    const part = this.#rest.subarray(0, size)
    this.#rest = this.#rest.subarray(part.length)
    return part
  }
}

function truncated(): ArchiveError {
  return new ArchiveError('archive is truncated')
}

/** The directory that is being filled, with the index of what was written. */
class Target {
  readonly files = new Map<string, string>()
  readonly #root: string
  readonly #directories = new Set<string>([''])

  constructor(root: string) {
    this.#root = root
  }

  makeDirectory(path: string): void {
    if (path === '.' || this.#directories.has(path)) return
    if (this.files.has(path)) throw refused(path, 'a file has the same path')
    this.makeDirectory(dirname(path))
    this.#onDisk(path, () => mkdirSync(join(this.#root, path), { mode: 0o700 }))
    this.#directories.add(path)
  }

  async writeFile(path: string, executable: boolean, content: AsyncIterable<Buffer>): Promise<void> {
    if (this.#directories.has(path)) throw refused(path, 'a directory has the same path')
    this.makeDirectory(dirname(path))
    const full = join(this.#root, path)
    // As tar does, a later entry replaces an earlier one; it is read-only, so it cannot be opened again.
    if (this.files.has(path)) rmSync(full)
    const file = this.#onDisk(path, () => openSync(full, 'wx', executable ? 0o500 : 0o400))
    try {
      this.files.set(path, await copy(content, file))
    } finally {
      closeSync(file)
    }
  }

  #onDisk<T>(path: string, action: () => T): T {
    try {
      return action()
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENAMETOOLONG') throw refused(path, 'its path is too long')
      throw error
    }
  }
}

/** Writes the content and returns its sha256. */
async function copy(content: AsyncIterable<Buffer>, file: number): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of content) {
    hash.update(chunk)
    for (let written = 0; written < chunk.length; ) written += writeSync(file, chunk, written)
  }
  return hash.digest('hex')
}
