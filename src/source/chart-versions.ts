/** Which version of a chart a range means. */
import type { IndexEntry } from '../lib/chart/index.ts'
import { messageOf } from '../lib/errors.ts'
import {
  checkMetadata,
  compareVersions,
  parseConstraint,
  parseVersion,
  parseVersionTag,
  printVersion,
  type Version,
} from '../lib/semver/index.ts'

/**
 * The entry with exactly this version, else the highest that the range allows; of equal ones the newest.
 * @throws Error with upstream's text.
 * Source: ChartRepository.getChartVersion of source-controller.
 */
export function selectEntry(entries: readonly IndexEntry[] | undefined, chart: string, version: string): IndexEntry {
  if (!entries) throw new Error('no chart name found')
  if (entries.length === 0) throw new Error('no chart version found')
  const exact = version === '' ? undefined : entries.find((entry) => entry.version === version)
  const found = exact ?? highest(entries, version, (entry) => entry.version, isNewer)
  if (found) return found
  throw new Error(`no '${chart}' chart with version matching '${version}' found`)
}

/**
 * The tag that is exactly this version, else the highest that the range allows. Tags are given as versions: with `+`.
 * @throws Error with upstream's text.
 * Source: getLastMatchingVersionOrConstraint of source-controller.
 */
export function selectTag(tags: readonly string[], version: string): string {
  if (version !== '' && tags.includes(version)) return version
  const found = highest(tags, version, (tag) => tag)
  if (found !== undefined) return found
  throw new Error(`could not locate a version matching provided version string ${version}`)
}

/** The highest one; what is equal stays in the given order unless told which is better. @throws ParseError for a range that is none. */
export function highest<T>(
  candidates: readonly T[],
  range: string,
  versionOf: (candidate: T) => string,
  isBetter: (candidate: T, than: T) => boolean = () => false,
): T | undefined {
  const constraint = parseConstraint(range || '*')
  let best: { readonly candidate: T; readonly version: Version } | undefined
  for (const candidate of candidates) {
    const version = parseVersionTag(versionOf(candidate))
    if (!version || !constraint.check(version)) continue
    const order = best ? compareVersions(version, best.version) : 1
    if (order > 0 || (order === 0 && best && isBetter(candidate, best.candidate))) best = { candidate, version }
  }
  return best?.candidate
}

/** @throws Error for a version that is none, and for metadata that no version can have. Source: setBuildMetaData of source-controller. */
export function withVersionMetadata(version: string, metadata: string): string {
  let parsed: Version
  try {
    parsed = parseVersion(version)
  } catch (error) {
    throw new Error(`failed to parse version from chart metadata as SemVer: ${messageOf(error)}`, { cause: error })
  }
  try {
    checkMetadata(metadata)
  } catch (error) {
    throw new Error(`failed to set SemVer metadata on chart version: ${messageOf(error)}`, { cause: error })
  }
  return printVersion({ ...parsed, metadata })
}

function isNewer(a: IndexEntry, b: IndexEntry): boolean {
  return timeOf(a) > timeOf(b)
}

function timeOf({ created }: IndexEntry): number {
  return created === undefined ? 0 : Date.parse(created)
}
