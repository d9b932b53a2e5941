/** Chart repositories, from a worker: which versions they have, and the packages. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chartUrl, type IndexEntry, versionsIn } from '../lib/chart/index.ts'
import { isOciError } from '../lib/oci/index.ts'
import { parseVersionTag } from '../lib/semver/index.ts'
import { pullTagged, taggedAddress, versionTags } from './chart-registry.ts'
import type { ChartLimits, ChartRepository, ChartVersion } from './chart-tasks.ts'
import { selectEntry, selectTag } from './chart-versions.ts'
import { downloadIndex, entriesOf } from './helm-index.ts'
import { HttpClient, HttpError, isTlsError } from './http-get.ts'

export interface Reading {
  readonly limits: ChartLimits
  readonly signal: AbortSignal
}

export interface ChartRequest {
  readonly chart: string
  /** A version or a range of them; empty for the highest. */
  readonly version: string
}

/** The repository answers, and does not have what is asked for. */
export class NotOffered extends Error {
  override readonly name = 'NotOffered'
}

/** Of a stored index, which may be large: that much of it is in memory. */
const chunkBytes = 1024 * 1024

/**
 * The version of a chart that a range means.
 * @throws NotOffered for an index without it; whatever went wrong with the index or the registry.
 */
export async function findChart(repository: ChartRepository, request: ChartRequest, reading: Reading): Promise<ChartVersion> {
  if (repository.access.isOci) return findTagged(repository, request, reading)
  const entries = await indexedVersions(repository, request.chart, reading)
  const { name, version, urls, digest } = selected(entries, request)
  return { name, version, urls, digest }
}

/** The package of a version, checked with the digest that the index has of it. */
export function downloadChart(repository: ChartRepository, chart: ChartVersion, reading: Reading): Promise<Buffer> {
  const { access } = repository
  if (!access.isOci) return downloadIndexed(repository, chart, reading)
  return pullTagged(chart.urls[0] ?? '', { access, signal: reading.signal, maxBytes: reading.limits.chartBytes })
}

/** Whether the repository did not accept who we are, or we did not accept its certificate. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof HttpError) return error.code === 'authentication' || error.code === 'tls'
  const cause = error instanceof Error ? error.cause : undefined
  return isOciError(cause) && (cause.code === 'authentication' || isTlsError(cause))
}

async function indexedVersions({ access, indexFile }: ChartRepository, chart: string, { limits, signal }: Reading) {
  if (indexFile !== undefined) return versionsIn(createReadStream(indexFile, { highWaterMark: chunkBytes }), chart)
  return entriesOf(await downloadIndex(access, limits.indexBytes, signal), access, chart)
}

function selected(entries: readonly IndexEntry[] | undefined, { chart, version }: ChartRequest): IndexEntry {
  try {
    return selectEntry(entries, chart, version)
  } catch (error) {
    throw new NotOffered(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

async function downloadIndexed({ access }: ChartRepository, chart: ChartVersion, { limits, signal }: Reading): Promise<Buffer> {
  const url = chartUrl(chart, { chart: chart.name, version: chart.version, repository: access.url })
  await using client = new HttpClient(access, signal)
  const message = `chart '${chart.name}' of version ${chart.version} is larger than the maximum chart size of ${limits.chartBytes} bytes`
  const archive = await client.get(url, { bytes: limits.chartBytes, message })
  assertDigest(archive, chart)
  return archive
}

/** An index may have none, or one that is no SHA-256: there is nothing to compare with then. */
function assertDigest(archive: Buffer, { name, version, digest = '' }: ChartVersion): void {
  const wanted = digest.replace(/^sha256:/, '').toLowerCase()
  if (!/^[0-9a-f]{64}$/.test(wanted)) return
  const found = createHash('sha256').update(archive).digest('hex')
  if (found === wanted) return
  const what = `the package of chart '${name}' of version ${version} has the digest sha256:${found}`
  throw new Error(`${what}, and the index says sha256:${wanted}: it was damaged or replaced, or the index is out of date`)
}

/** A version that is one already needs no list of tags. */
async function findTagged(
  { access }: ChartRepository,
  { chart, version }: ChartRequest,
  { signal }: Reading,
): Promise<ChartVersion> {
  const address = `${access.url}/${chart.replace(/\/+$/, '')}`
  const found = parseVersionTag(version) ? version : selectTag(await versionTags(address, { access, signal }), version)
  return { name: chart, version: found, urls: [taggedAddress(address, found)] }
}
