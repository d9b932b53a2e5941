/** Chart repositories, from a worker: which versions they have, and the packages. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chartUrl, type IndexEntry, versionsIn } from '../lib/chart/index.ts'
import { isOciError, parseReference, Registry, type RegistryOptions } from '../lib/oci/index.ts'
import { parseVersionTag } from '../lib/semver/index.ts'
import { environmentProxies } from '../runtime/proxies.ts'
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
const layerTypes = ['application/vnd.cncf.helm.chart.content.v1.tar+gzip', 'application/tar+gzip']

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
  return repository.access.isOci ? downloadTagged(repository, chart, reading) : downloadIndexed(repository, chart, reading)
}

/** Whether the repository did not accept who we are, or we did not accept its certificate. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof HttpError) return error.code === 'authentication' || error.code === 'tls'
  return isOciError(error) && (error.code === 'authentication' || isTlsError(error))
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
async function findTagged(repository: ChartRepository, { chart, version }: ChartRequest, reading: Reading): Promise<ChartVersion> {
  const address = `${repository.access.url}/${chart.replace(/\/+$/, '')}`
  const found = parseVersionTag(version) ? version : selectTag(await versionTags(repository, address, reading), version)
  return { name: chart, version: found, urls: [`${address}:${found.replaceAll('+', '_')}`] }
}

/** Tags as versions. Others, and those with a `v`, are no charts. Source: helm pkg/registry Client.Tags. */
async function versionTags({ access }: ChartRepository, address: string, { signal }: Reading): Promise<string[]> {
  const { registry, repository } = parseReference(address)
  await using client = new Registry(registry, registryOptions(access, signal))
  const tags = (await client.tags(repository)).map((tag) => tag.replaceAll('_', '+'))
  const versions = tags.filter((tag) => !tag.startsWith('v') && parseVersionTag(tag))
  if (versions.length > 0) return versions
  throw new Error(`unable to locate any tags in provided repository: ${address}: none of its ${tags.length} tags is a version`)
}

async function downloadTagged({ access }: ChartRepository, chart: ChartVersion, { limits, signal }: Reading): Promise<Buffer> {
  const address = chart.urls[0] ?? ''
  const { registry, repository, tag = '' } = parseReference(address)
  await using client = new Registry(registry, registryOptions(access, signal))
  const { manifest } = await client.manifest(repository, tag)
  const layer = manifest.layers.find(({ mediaType }) => layerTypes.includes(mediaType))
  if (!layer) throw new Error(`${address} is no chart: it has no layer of type ${layerTypes[0]}`)
  if (layer.size > limits.chartBytes) throw tooLarge(address, `with ${layer.size} bytes`, limits)
  try {
    return await client.blob(repository, layer, limits.chartBytes)
  } catch (error) {
    throw isOciError(error) && error.code === 'tooLarge' ? tooLarge(address, 'as it comes', limits) : error
  }
}

function tooLarge(address: string, how: string, { chartBytes }: ChartLimits): Error {
  return new Error(`${address} ${how} is larger than the maximum chart size of ${chartBytes} bytes`)
}

function registryOptions(access: ChartRepository['access'], signal: AbortSignal): RegistryOptions {
  const { tls, registry, insecure, timeoutMs } = access
  return {
    tls,
    proxies: environmentProxies(),
    plainHttp: insecure ? 'only' : undefined,
    userAgent: 'sluice/helm',
    credentials: registry,
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  }
}
