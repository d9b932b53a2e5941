/** tar as Go reads it: entries in the order of the archive, with what precedes and describes them taken in. Source: Go archive/tar. */

import { BuildError } from '../errors.ts'

export interface TarEntry {
  readonly name: string
  readonly isDirectory: boolean
  readonly data: Uint8Array
  /** Milliseconds since the epoch. */
  readonly modTime: number
}

/** What precedes an entry and speaks of it: a pax header, or GNU's long name. */
interface Overrides {
  readonly name?: string
  readonly size?: number
  readonly modTime?: number
}

interface Header {
  readonly name: string
  readonly size: number
  readonly modTime: number
  readonly mode: number
  /** The letter that says what the entry is. */
  readonly flag: string
}

const blockBytes = 512
/** A path has at most 4 KiB; a header that is much larger has no honest use. */
const maxMetaBytes = 1024 * 1024

/**
 * The entries of an archive. Links, devices and pipes have no data. When the archive `isCut` off, its end must still be there.
 * @throws BuildError with Go's text for what is no tar. Sparse files are refused.
 */
export function* tarEntries(tar: Buffer, { isCut }: { readonly isCut: boolean }): Iterable<TarEntry> {
  let overrides: Overrides = {}
  for (let at = 0; at < tar.length || isCut; ) {
    const header = headerAt(tar, at)
    if (!header) return
    at += blockBytes
    const size = overrides.size ?? (hasData(header) ? header.size : 0)
    if (at + size > tar.length) throw new BuildError('unexpected EOF')
    const data = tar.subarray(at, at + size)
    at += Math.ceil(size / blockBytes) * blockBytes
    if (isMeta(header)) overrides = { ...overrides, ...readMeta(header, data) }
    else {
      yield entryOf(header, overrides, data)
      overrides = {}
    }
  }
}

function entryOf(header: Header, { name = header.name, modTime = header.modTime }: Overrides, data: Uint8Array): TarEntry {
  const isOldDirectory = header.flag === '\0' && name.endsWith('/')
  const isDirectory = header.flag === '5' || isOldDirectory || (header.mode & 0o170000) === 0o040000
  return { name, isDirectory, data, modTime }
}

/** The header at a place; undefined at the end of the archive, which is two empty blocks. */
function headerAt(tar: Buffer, at: number): Header | undefined {
  const block = tar.subarray(at, at + blockBytes)
  if (block.length < blockBytes) throw new BuildError('unexpected EOF')
  if (isEmpty(block)) {
    const next = tar.subarray(at + blockBytes, at + 2 * blockBytes)
    if (next.length > 0 && next.length < blockBytes) throw new BuildError('unexpected EOF')
    if (isEmpty(next)) return undefined
    throw invalidHeader()
  }
  if (!hasRightChecksum(block)) throw invalidHeader()
  const isUstar = block.toString('latin1', 257, 265) === 'ustar\x0000'
  const prefix = isUstar ? textAt(block, 345, 155) : ''
  const name = textAt(block, 0, 100)
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: numberAt(block, 124, 12),
    modTime: numberAt(block, 136, 12) * 1000,
    mode: numberAt(block, 100, 8),
    flag: block.toString('latin1', 156, 157),
  }
}

function isEmpty(block: Buffer): boolean {
  return block.every((byte) => byte === 0)
}

/** The sum of all bytes, the checksum's own taken for spaces. Some have summed signed bytes. */
function hasRightChecksum(block: Buffer): boolean {
  let [unsigned, signed] = [0, 0]
  for (const [index, byte] of block.entries()) {
    const counted = index >= 148 && index < 156 ? 0x20 : byte
    unsigned += counted
    signed += counted > 127 ? counted - 256 : counted
  }
  const given = numberAt(block, 148, 8)
  return given === unsigned || given === signed
}

function textAt(block: Buffer, start: number, length: number): string {
  const field = block.subarray(start, start + length)
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end < 0 ? length : end)
}

/** Octal digits, or (where the first bit is set) a binary number. */
function numberAt(block: Buffer, start: number, length: number): number {
  const first = block[start] ?? 0
  if (first & 0x80) {
    if (first !== 0x80) throw invalidHeader()
    const value = BigInt(`0x${block.toString('hex', start + 1, start + length)}`)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalidHeader()
    return Number(value)
  }
  const digits = block
    .toString('latin1', start, start + length)
    .replace(/^[ \0]+/, '')
    .replace(/[ \0].*$/s, '')
  if (!/^[0-7]*$/.test(digits)) throw invalidHeader()
  return digits === '' ? 0 : Number.parseInt(digits, 8)
}

function invalidHeader(): BuildError {
  return new BuildError('archive/tar: invalid tar header')
}

/** Links, devices, folders and pipes have none, whatever their size says. */
function hasData({ flag }: Header): boolean {
  return !/[1-6]/.test(flag)
}

/** Pax headers of one entry and of all, GNU's long names and long link names. */
function isMeta({ flag }: Header): boolean {
  return /[xgLK]/.test(flag)
}

function readMeta({ flag }: Header, body: Buffer): Overrides {
  if (body.length > maxMetaBytes) throw invalidHeader()
  if (flag === 'x') return paxOverrides(body)
  return flag === 'L' ? { name: textAt(body, 0, body.length) } : {}
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
  const [name, size, modTime] = [records.get('path'), records.get('size'), records.get('mtime')]
  return {
    ...(name && { name }),
    ...(size !== undefined && { size: paxNumber(size) }),
    ...(modTime !== undefined && { modTime: Math.floor(paxNumber(modTime) * 1000) }),
  }
}

function paxNumber(text: string): number {
  if (!/^-?\d{1,15}(\.\d*)?$/.test(text)) throw invalidHeader()
  return Number(text)
}
