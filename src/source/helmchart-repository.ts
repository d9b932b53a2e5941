/** Charts out of HelmRepositories: over HTTP by their index, or from a registry. Source: buildFromHelmRepository of source-controller. */
import { type HelmRepository, helmRepositoryKind } from '../api/helmrepository.ts'
import type { Artifact } from '../api/meta.ts'
import { keyOf } from '../api/object.ts'
import { messageOf } from '../lib/errors.ts'
import { Stalled } from '../runtime/reconcile.ts'
import { allHelmRepositories, isRegistry } from './chart-sources.ts'
import { type ChartRepository, type ChartVersion, findTask, pullTask } from './chart-tasks.ts'
import { ChartError, chartFailure } from './failure.ts'
import { type HelmAccess, helmAccess, normalizedUrl } from './helm-access.ts'
import {
  artifactOf,
  attempt,
  built,
  type ChartBuild,
  type ChartRun,
  existing,
  limitsOf,
  taken,
  valuesFilesOf,
  versionOf,
} from './helmchart-build.ts'
import { failed, stalled } from './stored.ts'
import type { VersionCache } from './version-cache.ts'

/** As upstream's `^([-a-z0-9]+/?\.?)+$`, without its many ways to match one name. */
const namePattern = /^[-a-z0-9]+(?:(?:\/\.?|\.)[-a-z0-9]+)*(?:\/\.?|\.)?$/
/** How long an index or a package may take to be read and written: a thread that is still busy after that is ended. */
const workTimeoutMs = 5 * 60_000

/** @throws Stalled, Retryable, Waiting. */
export async function chartFromRepository(run: ChartRun, cache: VersionCache): Promise<ChartBuild> {
  const repository = await existing(helmRepositoryKind, allHelmRepositories(run.context), run)
  // Looked for first: where the index could not be had, its HelmRepository says why.
  const artifact = isRegistry(repository) ? undefined : artifactOf(repository, run)
  const access = await accessOf(repository, run)
  const found = artifact ? await findIndexed(artifact, access, { ...run, cache, repository }) : await findVersion({ access }, run)
  return pulled({ access }, found, run)
}

async function accessOf(repository: HelmRepository, run: ChartRun): Promise<HelmAccess> {
  const { context } = run
  assertBuilt(repository)
  assertAddress(repository, run)
  try {
    return await helmAccess(repository, context)
  } catch (error) {
    context.signal.throwIfAborted()
    throw failed('FetchFailed', 'AuthenticationFailed', messageOf(error), { context, cause: error })
  }
}

/** @throws Stalled for a login that is not built yet. */
function assertBuilt(repository: HelmRepository): void {
  const { spec, metadata } = repository
  if (!isRegistry(repository) || spec.secretRef || !spec.provider || spec.provider === 'generic') return
  const what = `spec.provider ${spec.provider} of HelmRepository '${metadata.namespace}/${metadata.name}'`
  throw new Stalled('UnsupportedField', `${what} is not implemented in this version: give it a spec.secretRef with the login`)
}

/** @throws Stalled */
function assertAddress(repository: HelmRepository, { context }: ChartRun): void {
  const invalid = (why: string) => stalled('FetchFailed', 'URLInvalid', `invalid Helm repository URL: ${why}`, { context })
  let address: string
  try {
    address = normalizedUrl(repository.spec.url)
  } catch (error) {
    throw invalid(messageOf(error))
  }
  const isOci = address.startsWith('oci://')
  if (isOci === isRegistry(repository)) return
  if (isOci) throw invalid("'oci' URL scheme cannot be used with 'default' HelmRepository type")
  const message = `failed to construct Helm client: invalid OCI registry URL: ${address}`
  throw stalled('FetchFailed', 'Failed', message, { context })
}

/** What an index says does not change: it is the same artifact. */
async function findIndexed(
  artifact: Artifact,
  access: HelmAccess,
  { cache, repository, ...run }: ChartRun & { readonly cache: VersionCache; readonly repository: HelmRepository },
): Promise<ChartVersion> {
  if (!cache.isUsed) return findStored(artifact, access, run)
  const { chart, version = '' } = run.object.spec
  const key = JSON.stringify([artifact.digest, chart, version])
  const known = cache.get(key)
  run.context.metrics.cacheUsed(keyOf(repository), known !== undefined)
  if (known) return known
  const found = await findStored(artifact, access, run)
  cache.set(key, found)
  return found
}

async function findStored(artifact: Artifact, access: HelmAccess, run: ChartRun): Promise<ChartVersion> {
  await using index = await taken(run, () => run.context.artifacts.borrow(artifact, run.context.signal))
  return await findVersion({ access, indexFile: index.file }, run)
}

function findVersion(repository: ChartRepository, { object, context }: ChartRun): Promise<ChartVersion> {
  const { chart, version = '' } = object.spec
  assertName(chart, context)
  const { workers, signal } = context
  const input = { repository, chart, version, limits: limitsOf(context) }
  const timeoutMs = repository.access.timeoutMs + workTimeoutMs
  return attempt(context, () => workers.run(findTask, input, { signal, timeoutMs }))
}

/** @throws Stalled */
function assertName(chart: string, context: ChartRun['context']): void {
  if (namePattern.test(chart)) return
  const message =
    chart === ''
      ? 'no name set for remote chart reference'
      : `invalid chart name '${chart}': a valid name must be lower case letters and numbers and MAY be separated with dashes (-), slashes (/) or periods (.)`
  throw chartFailure(new ChartError('InvalidChartReference', message), context)
}

function pulled(repository: ChartRepository, chart: ChartVersion, run: ChartRun): Promise<ChartBuild> {
  const { context, object } = run
  const { workers, signal } = context
  const version = versionOf(chart.version, undefined, run)
  const planned = { name: chart.name, version, isPackaged: valuesFilesOf(object).length > 0 }
  const timeoutMs = repository.access.timeoutMs + workTimeoutMs
  return built(planned, run, (packing) =>
    attempt(context, () => workers.run(pullTask, { ...packing, repository, chart }, { signal, timeoutMs })),
  )
}
