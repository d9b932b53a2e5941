/** index.yaml of a Helm repository, and which version of a chart it offers. Source: helm pkg/repo/v1/index.go, chartrepo.go. */

import { BuildError, messageOf, ParseError } from '../errors.ts'
import { quote } from '../gotemplate/strconv.ts'
import type { Json } from '../json.ts'
import { type Constraint, compareVersions, parseConstraint, parseVersion, type Version } from '../semver/index.ts'
import type { Metadata } from './chart.ts'
import { sortAsGo } from './go-sort.ts'
import { type EntryDraft, readIndexFile } from './index-file.ts'
import { checkMetadata } from './metadata.ts'

/** A version of a chart in an index. */
export interface IndexEntry extends Metadata {
  readonly urls: readonly string[]
  /** As the index has it, RFC 3339. */
  readonly created?: string
  readonly digest?: string
}

/** The versions of each chart, the highest first. */
export type RepositoryIndex = ReadonlyMap<string, readonly IndexEntry[]>

/** Bytes of an index. A tenth of it is more than the largest public one has. */
const maxIndexLength = 1024 * 1024 * 1024

/** What an index says besides its charts. */
export interface IndexHead {
  readonly apiVersion?: string
  /** RFC 3339. */
  readonly generated?: string
  readonly serverInfo?: Json
  readonly publicKeys?: readonly string[]
  readonly annotations?: ReadonlyMap<string, string>
}

/**
 * Reads an index, YAML or JSON. Entries that are no charts are left out.
 * @throws BuildError in Helm's words.
 */
export function parseIndex(text: string, { maxLength = maxIndexLength }: { readonly maxLength?: number } = {}): RepositoryIndex {
  if (text.length > maxLength) throw new BuildError(`the index has ${text.length} characters, more than the limit of ${maxLength}`)
  return new Map([...readIndexText(text).charts].map(([name, versions]) => [name, sortVersions(versions)]))
}

/** As `parseIndex`, with the versions in the order of the file, and what the index says besides. @throws BuildError in Helm's words. */
export function readIndexText(text: string): { readonly head: IndexHead; readonly charts: RepositoryIndex } {
  if (text === '') throw new BuildError('empty index.yaml file')
  const { apiVersion, entries, publicKeys, generated, serverInfo, annotations } = readIndexFile(text)
  const charts = new Map([...(entries ?? [])].map(([name, versions]) => [name, (versions ?? []).flatMap(checkEntry)]))
  if (!apiVersion) throw new BuildError('no API version specified')
  const head = {
    apiVersion,
    ...(generated !== undefined && { generated }),
    ...(serverInfo !== undefined && { serverInfo }),
    ...(publicKeys !== undefined && { publicKeys: publicKeys.map((key) => key ?? '') }),
    ...(annotations !== undefined && { annotations }),
  }
  return { head, charts }
}

/** The entry as it is used; none for one that is no chart. */
function checkEntry(draft: EntryDraft | undefined): IndexEntry[] {
  if (!draft) return []
  const { urls, created, digest, ...metadata } = draft
  const rest = { urls: (urls ?? []).map((url) => url ?? ''), ...(created && { created }), ...(digest && { digest }) }
  try {
    return [{ ...checkMetadata({ ...metadata, apiVersion: metadata.apiVersion || 'v1' }, { allowsTwins: true }), ...rest }]
  } catch {
    return []
  }
}

/** The highest first. A version that cannot be read comes last; the order of equal ones is that of Go's sort, which is not stable. */
export function sortVersions(entries: readonly IndexEntry[]): IndexEntry[] {
  const parsed = entries.map((entry) => ({ entry, version: versionOf(entry.version) }))
  const isLess = (a: { version: Version | undefined }, b: { version: Version | undefined }): boolean => {
    if (!b.version) return true
    return a.version !== undefined && compareVersions(b.version, a.version) < 0
  }
  return sortAsGo(parsed, isLess).map(({ entry }) => entry)
}

function versionOf(text: string): Version | undefined {
  try {
    return parseVersion(text)
  } catch {
    return undefined
  }
}

/** What is looked for; `repository` is its address for messages. */
export interface ChartRequest {
  readonly chart: string
  /** A version or a range; empty for the highest release. */
  readonly version: string
  readonly repository: string
}

/**
 * The entry that a request selects: the one with exactly that version, else the highest that the range allows.
 * @throws BuildError when there is none.
 */
export function findVersion(index: RepositoryIndex, { chart, version, repository }: ChartRequest): IndexEntry {
  const entries = index.get(chart) ?? []
  const found = constraintOf(version || '*', (constraint) => {
    const exact = version === '' ? undefined : entries.find((entry) => entry.version === version)
    return exact ?? entries.find((entry) => allows(constraint, entry))
  })
  if (found) return found
  throw new BuildError(`${describe(chart, version)} not found in ${repository} repository`)
}

/** What a range gives; nothing for one that cannot be read. */
function constraintOf<T>(text: string, use: (constraint: Constraint) => T | undefined): T | undefined {
  try {
    return use(parseConstraint(text))
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}

function allows(constraint: Constraint, { version }: IndexEntry): boolean {
  const parsed = versionOf(version)
  return parsed !== undefined && constraint.check(parsed)
}

function describe(chart: string, version: string): string {
  return `chart ${quote(chart)}${version === '' ? '' : ` version ${quote(version)}`}`
}

/**
 * The address of a chart's package: the first of the entry, relative to the repository unless it is whole.
 * @throws BuildError when there is none, or it is no address.
 */
export function chartUrl(entry: Pick<IndexEntry, 'urls'>, { chart, version, repository }: ChartRequest): string {
  const [url] = entry.urls
  if (url === undefined) throw new BuildError(`${describe(chart, version)} has no downloadable URLs`)
  try {
    return resolveUrl(repository, url)
  } catch (error) {
    throw new BuildError(`failed to make chart URL absolute: ${messageOf(error)}`, {}, { cause: error })
  }
}

/** Source: repo.ResolveReferenceURL. The query of the repository's address, which may hold a token, goes with it. */
function resolveUrl(repository: string, reference: string): string {
  refuse(reference)
  if (/^[A-Za-z][A-Za-z0-9+.-]*:/.test(reference)) return reference
  const base = new URL(repository)
  const { search } = base
  if (!base.pathname.endsWith('/')) base.pathname += '/'
  const resolved = new URL(reference, base)
  resolved.search = search
  return resolved.href
}

/** Source: url.Parse, for what it refuses and JavaScript does not. */
function refuse(reference: string): void {
  const fail = (reason: string): never => {
    const context = `failed to parse ${reference} as URL: parse ${quote(reference)}`
    throw new BuildError(`${context}: ${reason}`)
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  if (/[\0-\x1f\x7f]/.test(reference)) fail('net/url: invalid control character in URL')
  if (reference.startsWith(':')) fail('missing protocol scheme')
  const badEscape = /%(?![0-9A-Fa-f]{2}).{0,2}/s.exec(reference.replace(/\?.*/s, ''))
  if (badEscape) fail(`invalid URL escape ${quote(badEscape[0])}`)
  if (/^[^/?#]*:/.test(reference) && !/^[A-Za-z][A-Za-z0-9+.-]*:/.test(reference))
    fail('first path segment in URL cannot contain colon')
}
