/** Reads a packed chart: a gzip-compressed tar of regular files, all under one folder. Trusts nothing. */

import { BuildError } from '../errors.ts'
import { quote } from '../gotemplate/strconv.ts'
import type { ChartFile } from './chart.ts'
import { unzip } from './gunzip.ts'
import { tarEntries } from './tar.ts'

/** What reading a chart and the charts inside it may still use up. */
export interface ArchiveBudget {
  /** Bytes that one archive may hold; Helm's is 100 MiB. */
  readonly maxBytes: number
  /** Bytes of all archives, one inside the other. Counted down. */
  bytes: number
  /** Files and folders of all archives. Counted down. */
  entries: number
}

/** Room for headers and padding, which are on top of what the files may hold. */
const overheadBytes = 64 * 1024 * 1024

/**
 * The files of an archive without their top folder, byte order marks taken off.
 * @throws BuildError with Helm's text for what it refuses; GzipHeaderError for what is no gzip.
 * Source: helm pkg/chart/loader/archive/archive.go.
 */
export function readArchive(archive: Uint8Array, budget: ArchiveBudget): ChartFile[] {
  const unzipped = unzip(archive, Math.min(budget.maxBytes, budget.bytes) + overheadBytes)
  if (!unzipped) throw tooLarge(budget)
  budget.bytes -= unzipped.data.length
  const files: ChartFile[] = []
  let remaining = budget.maxBytes
  for (const { name: given, isDirectory, data, modTime } of tarEntries(unzipped.data, unzipped)) {
    if (--budget.entries < 0) throw new BuildError('chart archive has more files than are allowed')
    if (isDirectory) continue
    const name = entryName(given)
    remaining -= data.length
    if (remaining <= 0) throw tooLarge(budget)
    files.push({ name, data: withoutMark(data), modTime })
  }
  if (files.length === 0) throw new BuildError('no files in chart archive')
  return files
}

/** A file's bytes without the mark of UTF-8 that some editors put in front. */
export function withoutMark(data: Uint8Array): Uint8Array {
  return data[0] === 0xef && data[1] === 0xbb && data[2] === 0xbf ? data.subarray(3) : data
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
  if (name === '.') throw new BuildError(`chart illegally contains content outside the base directory: ${quote(given)}`)
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
