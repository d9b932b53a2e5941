/** Reads a packed chart: a gzip-compressed tar of regular files, all under one folder. Trusts nothing. */

import { constants, gunzipSync } from 'node:zlib'
import { Header } from 'tar'
import { BuildError, codeOf, messageOf } from '../errors.ts'
import { quote } from '../gotemplate/strconv.ts'
import type { ChartFile } from './chart.ts'

/** What reading a chart and the charts inside it may still use up. */
export interface ArchiveBudget {
  /** Bytes that one archive may hold; Helm's is 100 MiB. */
  readonly maxBytes: number
  /** Bytes of all archives, one inside the other. Counted down. */
  bytes: number
  /** Files and folders of all archives. Counted down. */
  entries: number
}

/** What precedes an entry and speaks of it: a pax header, or GNU's long name. */
interface Overrides {
  readonly path?: string
  readonly size?: number
  readonly mtimeMs?: number
}

const blockBytes = 512
const maxMetaBytes = 1024 * 1024

/** The archive is no gzip at all. */
export class GzipHeaderError extends BuildError {}

/**
 * The files of an archive without their top folder, byte order marks taken off.
 * @throws BuildError with Helm's text for what it refuses; GzipHeaderError for what is no gzip.
 * Source: helm pkg/chart/loader/archive/archive.go.
 */
export function readArchive(archive: Uint8Array, budget: ArchiveBudget): ChartFile[] {
  const tar = unzip(archive, budget)
  const files: ChartFile[] = []
  let remaining = budget.maxBytes
  for (const entry of entriesOf(tar, budget)) {
    const name = entryName(entry.name)
    if (entry.size > remaining) throw tooLarge(budget)
    remaining -= entry.size
    if (remaining <= 0) throw tooLarge(budget)
    files.push({ name, data: withoutMark(entry.data), modTime: entry.mtimeMs })
  }
  if (files.length === 0) throw new BuildError('no files in chart archive')
  return files
}

/** A file's bytes without the mark of UTF-8 that some editors put in front. */
export function withoutMark(data: Uint8Array): Uint8Array {
  return data[0] === 0xef && data[1] === 0xbb && data[2] === 0xbf ? data.subarray(3) : data
}

/** Whether bytes begin as gzip does. */
export function isGzip(data: Uint8Array): boolean {
  return data[0] === 0x1f && data[1] === 0x8b && data[2] === 0x08
}

function unzip(archive: Uint8Array, budget: ArchiveBudget): Buffer {
  if (archive.length === 0) throw new BuildError('EOF')
  if (!isGzip(archive)) throw new GzipHeaderError('gzip: invalid header')
  try {
    // Headers and padding are on top of what the files may hold.
    const maxOutputLength = Math.min(budget.maxBytes, budget.bytes) + 64 * 1024 * 1024
    // What is cut off is told by the tar inside, as in Go.
    const tar = gunzipSync(archive, { maxOutputLength, finishFlush: constants.Z_SYNC_FLUSH })
    budget.bytes -= tar.length
    return tar
  } catch (error) {
    if (codeOf(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(budget)
    throw new BuildError(`flate: ${messageOf(error)}`, {}, { cause: error })
  }
}

function tooLarge({ maxBytes }: ArchiveBudget): BuildError {
  return new BuildError(`decompressed chart is larger than the maximum size ${maxBytes}`)
}

/** The path inside the chart. */
function entryName(given: string): string {
  const delimiter = given.includes('\\') ? '\\' : '/'
  const [top, ...rest] = given.split(delimiter)
  const joined = rest.join('/')
  if (joined.startsWith('/')) throw new BuildError('chart illegally contains absolute paths')
  const name = shortest(joined)
  if (name === '.') {
    throw new BuildError(`chart illegally contains content outside the base directory: ${quote(given)}`)
  }
  if (name.startsWith('..')) throw new BuildError('chart illegally references parent directory')
  if (/^[a-zA-Z]:\//.test(name)) throw new BuildError('chart contains illegally named files')
  if (top === 'Chart.yaml') throw new BuildError('chart yaml not in base directory')
  return name
}

/** Go's path.Clean of a relative path. */
function shortest(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop()
    else parts.push(part)
  }
  return parts.join('/') || '.'
}

interface Entry {
  readonly name: string
  readonly size: number
  readonly data: Uint8Array
  readonly mtimeMs: number
}

/** Everything but folders and what speaks of other entries. Links are empty files, as in Helm. */
function* entriesOf(tar: Buffer, budget: ArchiveBudget): Iterable<Entry> {
  let overrides: Overrides = {}
  for (let at = 0; at < tar.length; ) {
    const header = headerAt(tar, at)
    if (!header) return
    at += blockBytes
    const size = overrides.size ?? (holdsData(header) ? (header.size ?? 0) : 0)
    if (at + size > tar.length) throw new BuildError('unexpected EOF')
    const data = tar.subarray(at, at + size)
    at += Math.ceil(size / blockBytes) * blockBytes
    if (isMeta(header)) {
      overrides = { ...overrides, ...readMeta(header, data) }
      continue
    }
    if (--budget.entries < 0) throw new BuildError('chart archive has more files than are allowed')
    const name = overrides.path ?? header.path ?? ''
    const mtimeMs = overrides.mtimeMs ?? header.mtime?.getTime() ?? 0
    overrides = {}
    if (header.type !== 'Directory' && !name.endsWith('/')) yield { name, size, data, mtimeMs }
  }
}

/** The header of an entry; undefined at the end of the archive. */
function headerAt(tar: Buffer, at: number): Header | undefined {
  const block = tar.subarray(at, at + blockBytes)
  if (block.length < blockBytes) throw new BuildError('unexpected EOF')
  const header = parseHeader(block)
  if (header.nullBlock) return undefined
  if (!header.cksumValid) throw invalidHeader()
  return header
}

function parseHeader(block: Buffer): Header {
  try {
    return new Header(block)
  } catch (error) {
    throw invalidHeader(error)
  }
}

function invalidHeader(cause?: unknown): BuildError {
  return new BuildError('archive/tar: invalid tar header', {}, { cause })
}

const withoutData: ReadonlySet<string> = new Set(['Link', 'SymbolicLink', 'CharacterDevice', 'BlockDevice', 'Directory', 'FIFO'])

function holdsData(header: Header): boolean {
  return !withoutData.has(header.type)
}

function isMeta(header: Header): boolean {
  return ['ExtendedHeader', 'GlobalExtendedHeader', 'NextFileHasLongPath', 'NextFileHasLongLinkpath'].includes(header.type)
}

function readMeta(header: Header, body: Buffer): Overrides {
  if (body.length > maxMetaBytes) throw invalidHeader()
  if (header.type === 'ExtendedHeader') return paxOverrides(body)
  if (header.type === 'NextFileHasLongPath') return { path: body.toString('utf8').replace(/\0.*$/s, '') }
  return {}
}

/** Reads `<length> <key>=<value>\n` records. */
function paxOverrides(body: Buffer): Overrides {
  const records = new Map<string, string>()
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(' ', at)
    const end = at + Number(body.toString('latin1', at, space < 0 ? at : space))
    const equals = body.indexOf('=', space)
    if (space < 0 || equals < 0 || !(end > equals && end <= body.length) || body[end - 1] !== 0x0a) throw invalidHeader()
    records.set(body.toString('utf8', space + 1, equals), body.toString('utf8', equals + 1, end - 1))
    at = end
  }
  if ([...records.keys()].some((key) => key.startsWith('GNU.sparse.'))) throw invalidHeader()
  return {
    ...(records.get('path') && { path: records.get('path') ?? '' }),
    ...(records.has('size') && { size: paxNumber(records.get('size') ?? '') }),
    ...(records.has('mtime') && { mtimeMs: Math.floor(paxNumber(records.get('mtime') ?? '') * 1000) }),
  }
}

function paxNumber(text: string): number {
  if (!/^-?\d{1,15}(\.\d*)?$/.test(text)) throw invalidHeader()
  return Number(text)
}
