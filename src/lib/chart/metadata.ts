/** Chart.yaml, requirements.yaml and their locks: reading, cleaning and checking. */

import { BuildError } from '../errors.ts'
import { isPrint } from '../gotemplate/printable.ts'
import { quote } from '../gotemplate/strconv.ts'
import type { Json, JsonObject } from '../json.ts'
import { parseVersion } from '../semver/index.ts'
import type { Dependency, Lock, Maintainer, Metadata } from './chart.ts'
import { anything, decodeYaml, type Fields, flag, listOf, pointerTo, type Shape, struct, text, textMap } from './decode.ts'

/** Metadata as the files give it: not checked yet, null items kept. */
export type MetadataDraft = Partial<Given>

export interface Given extends Omit<Metadata, 'sources' | 'keywords' | 'maintainers' | 'dependencies'> {
  readonly sources: readonly (string | undefined)[]
  readonly keywords: readonly (string | undefined)[]
  readonly maintainers: readonly (Partial<Maintainer> | undefined)[]
  readonly dependencies: readonly (Partial<GivenDependency> | undefined)[]
}

interface GivenDependency extends Omit<Dependency, 'tags' | 'importValues'> {
  readonly tags: readonly (string | undefined)[]
  readonly importValues: readonly (Json | undefined)[]
}

interface GivenLock extends Omit<Lock, 'dependencies'> {
  readonly dependencies: readonly (Partial<GivenDependency> | undefined)[]
}

const maintainerOf = (text: Shape<string>) =>
  struct<Maintainer>('Maintainer', 'v2.Maintainer', {
    name: { json: 'name', shape: text },
    email: { json: 'email', shape: text },
    url: { json: 'url', shape: text },
  })

const dependencyOf = (text: Shape<string>) =>
  struct<GivenDependency>('Dependency', 'v2.Dependency', {
    name: { json: 'name', shape: text },
    version: { json: 'version', shape: text },
    repository: { json: 'repository', shape: text },
    condition: { json: 'condition', shape: text },
    tags: { json: 'tags', shape: listOf(text) },
    enabled: { json: 'enabled', shape: flag },
    importValues: { json: 'import-values', shape: listOf(anything) },
    alias: { json: 'alias', shape: text },
  })

/**
 * The fields of a Chart.yaml. `text` reads texts: not everything that Helm reads them from spells numbers as such. `embedded` is the name
 * of the struct inside another one, for messages.
 */
export function metadataFields(text: Shape<string>, embedded?: string): Fields<Given> {
  return {
    name: { json: 'name', shape: text, embedded },
    home: { json: 'home', shape: text, embedded },
    sources: { json: 'sources', shape: listOf(text), embedded },
    version: { json: 'version', shape: text, embedded },
    description: { json: 'description', shape: text, embedded },
    keywords: { json: 'keywords', shape: listOf(text), embedded },
    maintainers: { json: 'maintainers', shape: listOf(pointerTo(maintainerOf(text))), embedded },
    icon: { json: 'icon', shape: text, embedded },
    apiVersion: { json: 'apiVersion', shape: text, embedded },
    condition: { json: 'condition', shape: text, embedded },
    tags: { json: 'tags', shape: text, embedded },
    appVersion: { json: 'appVersion', shape: text, embedded },
    deprecated: { json: 'deprecated', shape: flag, embedded },
    annotations: { json: 'annotations', shape: textMap(text), embedded },
    kubeVersion: { json: 'kubeVersion', shape: text, embedded },
    dependencies: { json: 'dependencies', shape: listOf(pointerTo(dependencyOf(text))), embedded },
    type: { json: 'type', shape: text, embedded },
  }
}

export const metadataShape = struct<Given>('Metadata', 'v2.Metadata', metadataFields(text))
const dependency = dependencyOf(text)

export const lockShape = struct<GivenLock>('Lock', 'v2.Lock', {
  generated: { json: 'generated', shape: text },
  digest: { json: 'digest', shape: text },
  dependencies: { json: 'dependencies', shape: listOf(pointerTo(dependency)) },
})

const chartBase = struct<{ apiVersion: string }>('chartBase', 'loader.chartBase', {
  apiVersion: { json: 'apiVersion', shape: text },
})

/** The `apiVersion` of a Chart.yaml; empty when it has none. @throws BuildError */
export function readApiVersion(source: string): string {
  return decodeYaml(source, chartBase)?.apiVersion ?? ''
}

/** Reads Chart.yaml or requirements.yaml on top of what is known already. @throws BuildError with the text of yaml.Unmarshal. */
export function readMetadata(source: string, known: MetadataDraft): MetadataDraft {
  return decodeYaml(source, metadataShape, known) ?? known
}

/** Reads Chart.lock or requirements.lock. @throws BuildError with the text of yaml.Unmarshal. */
export function readLock(source: string): Lock {
  return lockOf(decodeYaml(source, lockShape) ?? {})
}

/** A lock as it is used. @throws BuildError for a time that is none. */
export function lockOf({ generated, digest = '', dependencies = [] }: Partial<GivenLock>): Lock {
  return {
    generated: canonicalTime(generated),
    digest,
    dependencies: dependencies.map((each) => cleanDependency(each ?? {}, (given) => given)),
  }
}

/** A time as Go prints it: no zeros at the end of the fraction, `Z` for UTC. */
function canonicalTime(given: string | undefined): string {
  if (given === undefined) return '0001-01-01T00:00:00Z'
  const found = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(given)
  if (!found) {
    const quoted = JSON.stringify(given)
    const reason = `parsing time ${quoted} as "2006-01-02T15:04:05Z07:00": cannot parse ${quoted} as "2006"`
    throw new BuildError(`error unmarshaling JSON: while decoding JSON: ${reason}`)
  }
  const [, seconds, fraction = '', zone = ''] = found
  return `${seconds}${fraction.replace(/\.?0+$/, '')}${/^[+-]00:00$/.test(zone) ? 'Z' : zone}`
}

export interface MetadataRules {
  /** Two dependencies of one name are no fault. Repositories that leave out aliases have such entries. */
  readonly allowsTwins?: boolean
}

/**
 * Checks metadata and strips what cannot be printed from its texts.
 * @throws BuildError `validation: …` for the first fault.
 * Source: helm pkg/chart/v2/metadata.go, dependency.go.
 */
export function checkMetadata(draft: MetadataDraft, rules: MetadataRules = {}): Metadata {
  const texts = cleanTexts(draft)
  const { apiVersion, version, type } = draft
  const name = clean(draft.name ?? '')
  if (!apiVersion) throw invalid('chart.metadata.apiVersion is required')
  checkName(name)
  if (!version) throw invalid('chart.metadata.version is required')
  if (!isVersion(version)) throw invalid(`chart.metadata.version ${quote(version)} is invalid`)
  if (type && type !== 'application' && type !== 'library') throw invalid('chart.metadata.type must be application or library')
  const { maintainers, dependencies, annotations } = draft
  const known = {
    ...(maintainers && { maintainers: maintainers.map(checkMaintainer) }),
    ...(dependencies && { dependencies: checkDependencies(dependencies, rules) }),
    ...(annotations && annotations.size > 0 && { annotations }),
    ...(draft.deprecated && { deprecated: true }),
    ...(type && { type }),
  }
  return { ...texts, ...known, name, version, apiVersion }
}

function checkName(name: string): void {
  if (name === '') throw invalid('chart.metadata.name is required')
  if (name === '.' || name === '..') throw invalid(`chart.metadata.name ${quote(name)} is not allowed`)
  if (name.includes('/')) throw invalid(`chart.metadata.name ${quote(name)} is invalid`)
}

function isVersion(text: string): boolean {
  try {
    parseVersion(text)
    return true
  } catch {
    return false
  }
}

const plainTexts = ['description', 'home', 'icon', 'condition', 'tags', 'appVersion', 'kubeVersion'] as const

function cleanTexts(draft: MetadataDraft): Partial<Metadata> {
  const texts = plainTexts.map((key) => [key, clean(draft[key] ?? '')]).filter(([, value]) => value !== '')
  const { sources, keywords } = draft
  return {
    ...Object.fromEntries(texts),
    ...(sources && sources.length > 0 && { sources: cleanAll(sources) }),
    ...(keywords && keywords.length > 0 && { keywords: cleanAll(keywords) }),
  }
}

function checkMaintainer(given: Partial<Maintainer> | undefined): Maintainer {
  if (!given) throw invalid('maintainers must not contain empty or null nodes')
  const { name, email, url } = given
  return { ...(name && { name: clean(name) }), ...(email && { email: clean(email) }), ...(url && { url: clean(url) }) }
}

function checkDependencies(given: readonly (Partial<GivenDependency> | undefined)[], { allowsTwins }: MetadataRules): Dependency[] {
  const names = new Set<string>()
  return given.map((each) => {
    if (!each) throw invalid('dependencies must not contain empty or null nodes')
    const dependency = cleanDependency(each, clean)
    const { name, alias } = dependency
    if (alias && !/^[a-zA-Z0-9_-]+$/.test(alias)) {
      throw invalid(`dependency ${quote(name)} has disallowed characters in the alias`)
    }
    const known = alias || name
    if (names.has(known) && !allowsTwins) throw invalid(`more than one dependency with name or alias ${quote(known)}`)
    names.add(known)
    return dependency
  })
}

function cleanDependency(given: Partial<GivenDependency>, cleaned: (text: string) => string): Dependency {
  const { name = '', version, repository = '', condition, tags, enabled, importValues, alias } = given
  const imports = importValues?.flatMap(readImport)
  return {
    name: cleaned(name),
    ...(version && { version: cleaned(version) }),
    repository: cleaned(repository),
    ...(condition && { condition: cleaned(condition) }),
    ...(tags && tags.length > 0 && { tags: tags.map((tag) => cleaned(tag ?? '')) }),
    ...(enabled && { enabled }),
    ...(imports && imports.length > 0 && { importValues: imports }),
    ...(alias && { alias }),
  }
}

/** An entry of another type is passed over, as Helm does when it imports. */
function readImport(json: Json | undefined): (string | { child: string; parent: string })[] {
  if (typeof json === 'string') return [json]
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return []
  return [{ child: importPath(json, 'child'), parent: importPath(json, 'parent') }]
}

/** As `%v` prints it: what is missing is `<nil>`, which is then not found. */
function importPath(json: JsonObject, key: 'child' | 'parent'): string {
  const path = Object.hasOwn(json, key) ? json[key] : null
  return path === null || path === undefined ? '<nil>' : String(path)
}

function cleanAll(items: readonly (string | undefined)[]): string[] {
  return items.map((item) => clean(item ?? ''))
}

/** Every space becomes a plain one; what cannot be printed goes. */
function clean(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text
  const spaced = text.replaceAll(/\p{White_Space}/gu, ' ')
  return [...spaced].filter(isPrint).join('')
}

function invalid(reason: string): BuildError {
  return new BuildError(`validation: ${reason}`)
}
