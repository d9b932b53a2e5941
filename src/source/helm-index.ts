/** The heavy half of a HelmRepository's run, in a worker thread: downloads the index, and writes it as it is stored. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import {
  chartsIn,
  type IndexEntry,
  type IndexedChart,
  type IndexParts,
  indexParts,
  indexToJson,
  wholeIndex,
} from '../lib/chart/index.ts'
import { BuildError, messageOf } from '../lib/errors.ts'
import type { Task, TaskContext } from '../runtime/workers.ts'
import { type Download, type HttpAccess, HttpClient, type Validator, withoutSecrets } from './http-get.ts'

export interface IndexInput {
  readonly access: HttpAccess
  /** `--helm-index-max-size`. */
  readonly maxBytes: number
  /** What is stored already; absent when it has to be made again. */
  readonly storedRevision?: string | undefined
  /** By what the server knows the one that is stored. */
  readonly known?: Validator | undefined
  /** Where the index is written. */
  readonly file: string
}

export interface IndexOutput {
  /** Absent: the index is the one that is stored already. */
  readonly index?: FetchedIndex
  /** Absent also when the server has said that it has nothing new. */
  readonly validator?: Validator | undefined
}

export interface FetchedIndex {
  /** `sha256:<hex>` of the index as the repository has it. */
  readonly revision: string
  /** `sha256:<hex>` of the file. */
  readonly digest: string
  readonly sizeBytes: number
}

export const indexTask: Task<IndexInput, IndexOutput> = { name: 'source/helm-index', network: true }

/** An index that cannot be read. */
export class IndexError extends Error {
  override readonly name = 'IndexError'
}

/** An index that is not as programs write it is parsed in one go, which takes some thirty times its size in memory. */
const largestInOneGo = 24 * 1024 * 1024

/** Characters of the stored index that are written at once. */
const writeLength = 64 * 1024

/** @throws HttpError, IndexError, system errors of the disk, the signal's reason. */
export async function fetchIndex(input: IndexInput, { signal }: TaskContext): Promise<IndexOutput> {
  const { access, maxBytes, storedRevision, known, file } = input
  const download = await askForIndex(access, { maxBytes, signal, known })
  if (!download) return {}
  const { body, validator } = download
  const revision = `sha256:${createHash('sha256').update(body).digest('hex')}`
  if (revision === storedRevision) return { validator }
  try {
    return { index: { revision, ...(await writeIndex(body, access, { file, signal })) }, validator }
  } catch (error) {
    await rm(file, { force: true })
    throw error
  }
}

/** The bytes of a repository's index.yaml. @throws HttpError */
export async function downloadIndex(access: HttpAccess, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const download = await askForIndex(access, { maxBytes, signal })
  // Nobody said that it is known.
  return download?.body ?? Buffer.alloc(0)
}

interface Asking {
  readonly maxBytes: number
  readonly signal: AbortSignal
  readonly known?: Validator | undefined
}

/** Undefined when the server says that it is still the known one. */
async function askForIndex(access: HttpAccess, { maxBytes, signal, known }: Asking): Promise<Download | undefined> {
  await using client = new HttpClient(access, signal)
  const address = indexUrl(access)
  const message = `the answer of ${withoutSecrets(address)} is more than ${maxBytes} bytes: index exceeds the maximum index file size of ${maxBytes} bytes`
  return await client.getText(address, { bytes: maxBytes, message }, known)
}

/** What belongs to the address stays: a query may hold a token. */
function indexUrl({ url }: HttpAccess): string {
  const address = new URL(url)
  address.pathname = `${address.pathname}/index.yaml`.replace(/\/{2,}/g, '/')
  return address.href
}

interface Target {
  readonly file: string
  readonly signal: AbortSignal
}

async function writeIndex(bytes: Buffer, access: HttpAccess, target: Target): Promise<Omit<FetchedIndex, 'revision'>> {
  try {
    return await write(indexParts(bytes), target)
  } catch (error) {
    if (!(error instanceof BuildError)) throw error
    return await write(inOneGo(bytes, access, error), target)
  }
}

/** The versions of one chart in a repository's index.yaml; undefined when it does not have that chart. @throws IndexError */
export function entriesOf(index: Buffer, access: HttpAccess, chart: string): readonly IndexEntry[] | undefined {
  const find = (charts: Iterable<IndexedChart>) => {
    for (const [name, versions] of charts) if (name === chart) return versions
    return undefined
  }
  try {
    return find(chartsIn(index))
  } catch (error) {
    if (!(error instanceof BuildError)) throw error
    return find(inOneGo(index, access, error).charts)
  }
}

/** The charts of an index in any form. @throws IndexError that says what Helm says. */
function inOneGo(bytes: Buffer, access: HttpAccess, unsplit: BuildError): IndexParts {
  if (/^\s*<(?:!doctype|html|\?xml)/i.test(bytes.toString('latin1', 0, 512)))
    throw new IndexError(
      `what ${withoutSecrets(indexUrl(access))} answers is a page in HTML or XML, not the index of a Helm repository`,
    )
  if (bytes.length > largestInOneGo)
    throw new IndexError(
      `${unsplit.message}, and with ${bytes.length} bytes it is too large to be read in another: write it by helm repo index`,
    )
  try {
    return wholeIndex(bytes.toString('utf8'))
  } catch (error) {
    throw new IndexError(messageOf(error), { cause: error })
  }
}

async function write({ charts, head }: IndexParts, { file, signal }: Target): Promise<Omit<FetchedIndex, 'revision'>> {
  const hash = createHash('sha256')
  const stream = createWriteStream(file, { mode: 0o600 })
  const done = finished(stream)
  done.catch(() => {}) // awaited below, or the error that is thrown says more
  let sizeBytes = 0
  try {
    for (const text of portions(indexToJson(charts, head))) {
      signal.throwIfAborted()
      const data = Buffer.from(text)
      hash.update(data)
      sizeBytes += data.length
      if (!stream.write(data)) await Promise.race([once(stream, 'drain'), done])
      // Other tasks share the thread.
      await turn()
    }
    stream.end()
    await done
  } catch (error) {
    stream.destroy()
    throw error
  }
  return { digest: `sha256:${hash.digest('hex')}`, sizeBytes }
}

/** Texts put together until they are worth a write. */
function* portions(texts: Iterable<string>): Iterable<string> {
  let portion = ''
  for (const text of texts) {
    portion += text
    if (portion.length < writeLength) continue
    yield portion
    portion = ''
  }
  yield portion
}
