/** Dependencies that a chart names and does not bring along. Source: dependency_manager.go of source-controller. */
import { lstat, readFile } from 'node:fs/promises'
import { type Chart, type Dependency, loadChart } from '../lib/chart/index.ts'
import { messageOf } from '../lib/errors.ts'
import { parseConstraint, parseVersion } from '../lib/semver/index.ts'
import { boundedTree, pathInside } from './chart-files.ts'
import { downloadChart, findChart } from './chart-repository.ts'
import type { ChartLimits, ChartRepository, PackageInput } from './chart-tasks.ts'
import { ChartError } from './failure.ts'
import { normalizedUrl } from './helm-access.ts'

interface Adding extends Pick<PackageInput, 'directory' | 'repositories'> {
  readonly limits: ChartLimits
  /** Of the chart's folder, in the source. */
  readonly chartPath: string
  readonly signal: AbortSignal
}

type Whole = { readonly chart: Chart; readonly added: number } | { readonly lacking: readonly string[] }

/** The chart with its dependencies, those in it first; or the repositories that must be known for that. @throws ChartError */
export async function addDependencies(chart: Chart, adding: Adding): Promise<Whole> {
  const missing = missingFrom(chart)
  const addresses = missing.filter((each) => !isLocal(each)).map((each) => within(each, () => addressOf(each)))
  const lacking = [...new Set(addresses)].filter((address) => !adding.repositories.has(address))
  if (lacking.length > 0) return { lacking }
  const added: Chart[] = []
  // One after the other: the order of the package is that of the list, and the memory that of one.
  for (const dependency of missing) added.push(await load(dependency, adding))
  return { chart: { ...chart, dependencies: [...chart.dependencies, ...added] }, added: added.length }
}

/** What the lock says comes before Chart.yaml. Where there are as many as are named, none is missing. */
function missingFrom(chart: Chart): readonly Dependency[] {
  const named = chart.lock?.dependencies ?? chart.metadata.dependencies ?? []
  if (named.length === chart.dependencies.length) return []
  const present = new Set(chart.dependencies.map(({ metadata }) => metadata.name))
  const wanted = new Map(named.map((dependency) => [nameOf(dependency), dependency]))
  return [...wanted].filter(([name]) => !present.has(name)).map(([, dependency]) => dependency)
}

function nameOf({ name, alias }: Dependency): string {
  return alias || name
}

function isLocal({ repository }: Dependency): boolean {
  return repository === '' || repository.startsWith('file://')
}

async function load(dependency: Dependency, adding: Adding): Promise<Chart> {
  try {
    const loaded = isLocal(dependency) ? await loadLocal(dependency, adding) : await loadRemote(dependency, adding)
    return dependency.alias ? { ...loaded, metadata: { ...loaded.metadata, name: dependency.alias } } : loaded
  } catch (error) {
    adding.signal.throwIfAborted()
    throw failure(dependency, error)
  }
}

function within<T>(dependency: Dependency, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw failure(dependency, error)
  }
}

function failure(dependency: Dependency, error: unknown): ChartError {
  const where = isLocal(dependency) ? 'local' : 'remote'
  const message = `failed to add ${where} dependency '${nameOf(dependency)}': ${messageOf(error)}`
  return new ChartError('DependencyBuildError', message, { cause: error })
}

/** A folder or a package in the same source: a path that leads out of it is not found. */
async function loadLocal({ name, repository, version = '' }: Dependency, adding: Adding): Promise<Chart> {
  const { directory, chartPath, limits } = adding
  const relative = repository === '' ? `charts/${name}` : decodeURI(repository.slice('file://'.length).replace(/[?#].*$/s, ''))
  const path = pathInside(chartPath, relative)
  const stats = await lstat(`${directory}/${path}`).catch(() => undefined)
  if (!stats) throw new Error(`no chart found at '/${path}' (reference '${repository}')`)
  const constraint = parseConstraint(version)
  const loaded = await loadFrom(directory, path, { isFolder: stats.isDirectory(), sizeBytes: stats.size, limits }).catch(
    (error) => {
      throw new Error(`failed to load chart from '/${path}' (reference '${repository}'): ${messageOf(error)}`, { cause: error })
    },
  )
  if (constraint.check(parseVersion(loaded.metadata.version))) return loaded
  throw new Error(
    `can't get a valid version for constraint '${version}': the chart at '/${path}' has version ${loaded.metadata.version}`,
  )
}

async function loadFrom(
  directory: string,
  path: string,
  { isFolder, sizeBytes, limits }: { isFolder: boolean; sizeBytes: number; limits: ChartLimits },
): Promise<Chart> {
  if (isFolder) return loadChart(boundedTree(directory, path, limits.fileBytes))
  if (sizeBytes > limits.chartBytes) throw new Error(`size of chart '${path}' exceeds '${limits.chartBytes}' bytes limit`)
  return loadChart({ archive: await readFile(`${directory}/${path}`) })
}

async function loadRemote(dependency: Dependency, { repositories, limits, signal }: Adding): Promise<Chart> {
  const { name, version = '', repository } = dependency
  const found = await attempt(`failed to get chart '${name}' version '${version}' from '${repository}'`, () =>
    findChart(repositoryOf(dependency, repositories), { chart: name, version }, { limits, signal }),
  )
  const archive = await attempt(`chart download of version '${found.version}' failed`, () =>
    downloadChart(repositoryOf(dependency, repositories), found, { limits, signal }),
  )
  return attempt(`failed to load downloaded archive of version '${found.version}'`, async () => loadChart({ archive }))
}

function repositoryOf(dependency: Dependency, repositories: Adding['repositories']): ChartRepository {
  const address = addressOf(dependency)
  const known = repositories.get(address)
  if (known && 'access' in known) return known
  throw new Error(`failed to get chart repository for URL '${address}': ${known?.problem ?? 'it is not known'}`)
}

/** @throws Error for an address that is none, and for the name of one that only a Helm client knows. */
function addressOf({ repository }: Dependency): string {
  if (/^(?:@|alias:)/.test(repository)) throw new Error(`aliased repository dependency is not supported: ${repository}`)
  if (!/^(?:https?|oci):\/\//.test(repository)) throw new Error(`invalid dependency repository URL: ${repository}`)
  return normalizedUrl(repository)
}

async function attempt<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    throw new Error(`${what}: ${messageOf(error)}`, { cause: error })
  }
}
