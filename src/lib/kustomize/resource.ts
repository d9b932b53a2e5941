/** One object on its way through a build. */

import { BuildError, ParseError, type Place } from '../errors.ts'
import { type Json, type JsonObject, printJson } from '../json.ts'
import {
  copyNode,
  emit,
  expandAliases,
  formatFloat,
  formatNumber,
  isPlainText,
  mapNode,
  type Node,
  type NodeBudget,
  nodeBudget,
  nodeToJson,
  parseNodes,
  refuseLongText,
  resolveTag,
  scalarNode,
  seqNode,
  type YamlLimits,
} from '../yaml/index.ts'
import {
  clearField,
  fieldText,
  getField,
  indexOfField,
  isEmpty,
  lookup,
  lookupCreate,
  metadataMap,
  setAnnotation,
  setField,
  setMetadataMap,
} from './fields.ts'
import { apiVersionOf, effectiveNamespace, type GroupVersionKind, groupVersion, metadataText, type ResourceId } from './resid.ts'
import type { SchemaSet } from './schema.ts'

const DOMAIN = 'internal.config.kubernetes.io'

/** Annotations that carry what kustomize knows of an object during a build. They are removed at its end. */
export const BUILD_ANNOTATIONS = {
  previousKinds: `${DOMAIN}/previousKinds`,
  previousNames: `${DOMAIN}/previousNames`,
  previousNamespaces: `${DOMAIN}/previousNamespaces`,
  prefixes: `${DOMAIN}/prefixes`,
  suffixes: `${DOMAIN}/suffixes`,
  allowNameChange: `${DOMAIN}/allowNameChange`,
  allowKindChange: `${DOMAIN}/allowKindChange`,
  referencedBy: `${DOMAIN}/refBy`,
  behavior: `${DOMAIN}/generatorBehavior`,
  needsHash: `${DOMAIN}/needsHashSuffix`,
  path: `${DOMAIN}/path`,
  index: `${DOMAIN}/index`,
  seqIndent: `${DOMAIN}/seqindent`,
  id: `${DOMAIN}/id`,
  migrationId: `${DOMAIN}/annotations-migration-resource-id`,
  legacyPath: 'config.kubernetes.io/path',
  legacyIndex: 'config.kubernetes.io/index',
  legacyId: 'config.k8s.io/id',
  helm: `${DOMAIN}/helm-generated`,
} as const

const ALL_BUILD_ANNOTATIONS: readonly string[] = Object.values(BUILD_ANNOTATIONS)
const LEGACY: ReadonlySet<string> = new Set([
  BUILD_ANNOTATIONS.legacyPath,
  BUILD_ANNOTATIONS.legacyIndex,
  BUILD_ANNOTATIONS.legacyId,
])
const ENABLED = 'enabled'

/** What a generator does when the object is there already. */
export type Behavior = 'unspecified' | 'create' | 'replace' | 'merge'

/** An object; its node is replaced or edited by transformers, and undefined once a patch has deleted it. */
export class Resource {
  node: Node | undefined
  /** Names of the vars that take their value from this object. */
  varNames: readonly string[] = []
  /** Where the object was read from. */
  readonly file: string | undefined
  readonly schemas: SchemaSet

  constructor(node: Node | undefined, schemas: SchemaSet, file?: string) {
    this.node = node
    this.schemas = schemas
    this.file = file
  }

  get kind(): string {
    return fieldText(this.node, 'kind')
  }

  get name(): string {
    return metadataText(this.node, 'name')
  }

  get namespace(): string {
    return metadataText(this.node, 'namespace')
  }

  /** True for what a patch has emptied. */
  get isEmpty(): boolean {
    return isEmpty(this.node)
  }

  copy(): Resource {
    const copy = new Resource(this.node && copyNode(this.node), this.schemas, this.file)
    copy.varNames = this.varNames
    return copy
  }

  /** Identity as the object stands now. */
  currentId(): ResourceId {
    const apiVersion = fieldText(this.node, 'apiVersion')
    const kind = this.kind
    const clusterScoped = this.schemas.isClusterScoped(apiVersion, kind)
    return { ...groupVersion(apiVersion), kind, clusterScoped, name: this.name, namespace: this.namespace }
  }

  /** Identity before the first change of name, namespace or kind. */
  originalId(): ResourceId {
    return this.previousIds()[0] ?? this.currentId()
  }

  /** Identities before each change of name, namespace or kind, oldest first. */
  previousIds(): ResourceId[] {
    const annotations = this.#annotationNode()
    const names = annotations && getField(annotations, BUILD_ANNOTATIONS.previousNames)
    if (!annotations || !names) return []
    const namespaces = fieldText(annotations, BUILD_ANNOTATIONS.previousNamespaces).split(',')
    const kinds = fieldText(annotations, BUILD_ANNOTATIONS.previousKinds).split(',')
    const all = names.value.split(',')
    if (all.length !== namespaces.length || all.length !== kinds.length) {
      throw new BuildError(
        'number of previous names, number of previous namespaces, number of previous kinds not equal',
        this.place,
      )
    }
    const version = groupVersion(fieldText(this.node, 'apiVersion'))
    return all.map((name, i) => ({
      ...version,
      kind: kinds[i] ?? '',
      clusterScoped: false,
      name,
      namespace: namespaces[i] ?? '',
    }))
  }

  #annotationNode(): Node | undefined {
    const metadata = getField(this.node, 'metadata')
    return isEmpty(metadata) ? undefined : getField(metadata, 'annotations')
  }

  /** Notes the identity of now, before it changes. */
  notePreviousId(): void {
    const id = this.currentId()
    this.setPreviousId(effectiveNamespace(id), id.name, id.kind)
  }

  setPreviousId(namespace: string, name: string, kind: string): void {
    this.#append(BUILD_ANNOTATIONS.previousNames, name)
    this.#append(BUILD_ANNOTATIONS.previousNamespaces, namespace)
    this.#append(BUILD_ANNOTATIONS.previousKinds, kind)
  }

  #append(annotation: string, value: string): void {
    if (value === '' || !this.node) return
    const before = this.#list(annotation)
    setAnnotation(this.node, annotation, [...before, value].join(','))
  }

  #list(annotation: string): string[] {
    const annotations = this.#annotationNode()
    const value = annotations && getField(annotations, annotation)
    return value ? value.value.split(',') : []
  }

  addNamePrefix(prefix: string): void {
    this.#append(BUILD_ANNOTATIONS.prefixes, prefix)
  }

  addNameSuffix(suffix: string): void {
    this.#append(BUILD_ANNOTATIONS.suffixes, suffix)
  }

  /** Whether both went through the same prefixes and suffixes, counted from the last; `lax`: or one through none. */
  hasAffixesOf(other: Resource, { lax }: { lax: boolean }): boolean {
    const same = (annotation: string): boolean => {
      const [a, b] = [this.#list(annotation), other.#list(annotation)]
      return (lax && (a.length === 0 || b.length === 0)) || haveSameEnd(a, b)
    }
    return same(BUILD_ANNOTATIONS.prefixes) && same(BUILD_ANNOTATIONS.suffixes)
  }

  annotations(): Map<string, string> {
    return metadataMap(this.node, 'annotations')
  }

  labels(): Map<string, string> {
    return metadataMap(this.node, 'labels')
  }

  setAnnotations(annotations: ReadonlyMap<string, string>): void {
    if (this.node) setMetadataMap(this.node, 'annotations', annotations)
  }

  setLabels(labels: ReadonlyMap<string, string>): void {
    if (this.node) setMetadataMap(this.node, 'labels', labels)
  }

  setKind(kind: string): void {
    if (this.node) setField(this.node, 'kind', scalarNode(kind))
  }

  setName(name: string): void {
    const metadata = this.node && lookupCreate(this.node, 'map', ['metadata'])
    if (metadata) setField(metadata, 'name', scalarNode(name))
  }

  /** An empty namespace removes the field. */
  setNamespace(namespace: string): void {
    if (!this.node) return
    if (namespace === '') {
      const metadata = lookup(this.node, ['metadata'])
      if (metadata) clearField(metadata, 'namespace')
      return
    }
    const metadata = lookupCreate(this.node, 'map', ['metadata'])
    if (metadata) setField(metadata, 'namespace', scalarNode(namespace))
  }

  setGroupVersionKind(id: GroupVersionKind): void {
    this.setKind(id.kind)
    if (this.node) setField(this.node, 'apiVersion', scalarNode(apiVersionOf(id)))
  }

  isEnabled(annotation: string): boolean {
    return this.annotations().get(annotation) === ENABLED
  }

  enable(annotation: string): void {
    this.setAnnotations(this.annotations().set(annotation, ENABLED))
  }

  get behavior(): Behavior {
    const value = this.annotations().get(BUILD_ANNOTATIONS.behavior)
    return value === 'replace' || value === 'merge' || value === 'create' ? value : 'unspecified'
  }

  set behavior(behavior: Behavior) {
    this.setAnnotations(this.annotations().set(BUILD_ANNOTATIONS.behavior, behavior))
  }

  /** The annotations of the build itself, which a JSON patch must not lose. */
  internalAnnotations(): Map<string, string> {
    return new Map([...this.annotations()].filter(([key]) => key.startsWith(`${DOMAIN}/`) || LEGACY.has(key)))
  }

  /** Takes metadata from the object that this one replaces or merges into. */
  takeMetadataFrom(other: Resource): void {
    this.setLabels(new Map([...other.labels(), ...this.labels()]))
    const [own, theirs] = [this.annotations(), other.annotations()]
    const merged = new Map([...theirs, ...own])
    for (const annotation of ALL_BUILD_ANNOTATIONS) {
      const value = theirs.get(annotation)
      if (value === undefined) merged.delete(annotation)
      else merged.set(annotation, value)
    }
    if (!own.has(BUILD_ANNOTATIONS.needsHash)) merged.delete(BUILD_ANNOTATIONS.needsHash)
    this.setAnnotations(merged)
    this.setName(other.name)
    this.setNamespace(other.namespace)
    this.varNames = other.varNames
  }

  /** Adds the data that the other object has and this one lacks. */
  mergeDataFrom(other: Resource, field: 'data' | 'binaryData'): void {
    if (!this.node) return
    const data = new Map([...dataOf(other.node, field), ...dataOf(this.node, field)])
    clearField(this.node, field)
    for (const key of [...data.keys()].sort()) {
      const map = lookupCreate(this.node, 'map', [field])
      if (map) setField(map, key, scalarNode(data.get(key) ?? '', '!!str'))
    }
  }

  removeBuildAnnotations(): void {
    const annotations = this.annotations()
    if (annotations.size === 0) return
    for (const annotation of ALL_BUILD_ANNOTATIONS) annotations.delete(annotation)
    this.setAnnotations(annotations)
  }

  /** The object as plain data. @throws ParseError for what JSON cannot hold, and for duplicate keys. */
  toJson(): JsonObject {
    const value = this.node ? nodeToJson(this.node, this.file) : null
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
  }

  toYaml(): string {
    return emit(this.toJson())
  }

  /** For messages. Never for Secrets' values: callers name ids where data may be secret. */
  toString(): string {
    return printJson(this.toJson())
  }

  get place(): Place {
    return this.file === undefined ? {} : { file: this.file, ...(this.node && this.node.line > 0 && { line: this.node.line }) }
  }
}

function haveSameEnd(a: readonly string[], b: readonly string[]): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a]
  if (short.length === 0) return long.length === 0
  return short.every((value, i) => value === long[i + long.length - short.length])
}

function dataOf(node: Node | undefined, field: string): Map<string, string> {
  const data = new Map<string, string>()
  const map = getField(node, field)
  if (map?.kind !== 'map') return data
  for (let i = 0; i < map.content.length; i += 2) data.set(map.content[i]?.value ?? '', map.content[i + 1]?.value ?? '')
  return data
}

/** What reading a file of objects needs to know. */
export interface ReadOptions {
  readonly schemas: SchemaSet
  readonly file?: string | undefined
  readonly limits?: YamlLimits | undefined
}

/**
 * Reads the objects of a text; lists (any kind that ends in `List` and has items) are taken apart.
 * @throws BuildError or ParseError with file and line.
 */
export function readResources(text: string, options: ReadOptions): Resource[] {
  return readObjects(text, options).map((node) => new Resource(node, options.schemas, options.file))
}

function readObjects(text: string, options: ReadOptions): Node[] {
  const queue = readDocuments(text, options).filter((node) => isUsable(node, options))
  const result: Node[] = []
  for (let next = 0; next < queue.length; next++) {
    const node = queue[next]
    if (!node) continue
    const items = fieldText(node, 'kind').endsWith('List') ? getField(node, 'items') : undefined
    if (!items) {
      result.push(node)
      continue
    }
    const list = nodeToJson(items, options.file)
    if (list === null) continue
    if (!Array.isArray(list)) {
      throw new BuildError(
        `expected array in ${fieldText(node, 'kind')}/items, but found ${goTypeName(list)}`,
        placeOf(items, options),
      )
    }
    for (const item of list) {
      const object = jsonToNode(item, { line: node.line })
      if (isUsable(object, options)) queue.push(object)
    }
  }
  return result
}

function goTypeName(value: Json): string {
  if (typeof value === 'object') return 'map[string]interface {}'
  return typeof value === 'boolean' ? 'bool' : typeof value === 'string' ? 'string' : 'int'
}

const SEPARATOR = /\n---.*\n/g

/** kustomize cuts at each line that begins with `---` before it parses, and reads one document of each piece. */
function readDocuments(text: string, options: ReadOptions): Node[] {
  refuseLongText(text, { ...options.limits, file: options.file })
  const normal = text.replaceAll('\r\n', '\n')
  const budget = nodeBudget(options.limits)
  const pieces = splitDocuments(normal, options)
  const documents: Node[] = []
  for (const piece of pieces) {
    const [node] = parsePiece(piece, options, budget)
    if (!node || node.tag === '!!null') continue
    const items = pieces.length === 1 && isWrapper(node) ? getField(node, 'items') : undefined
    if (items) documents.push(...items.content.map((item) => (item.kind === 'alias' && item.target ? item.target : item)))
    else if (pieces.length !== 1 || !isWrapper(node) || !getField(node, 'functionConfig')) documents.push(node)
  }
  for (const node of documents) expandAliases(node, options.file, budget)
  return documents
}

interface Piece {
  readonly text: string
  readonly firstLine: number
}

function splitDocuments(text: string, options: ReadOptions): Piece[] {
  if (text === '') return []
  const pieces: Piece[] = []
  let start = 0
  let firstLine = 1
  for (const match of text.matchAll(SEPARATOR)) {
    const rest = match[0].slice(4).trim()
    if (rest !== '' && !rest.startsWith('#')) {
      throw new BuildError(
        `invalid document separator: ${match[0].trim()}`,
        options.file === undefined ? {} : { file: options.file },
      )
    }
    const piece = `${text.slice(start, match.index)}\n`
    pieces.push({ text: piece, firstLine })
    firstLine += countLines(piece) + 1
    start = match.index + match[0].length
  }
  pieces.push({ text: text.slice(start), firstLine })
  return pieces
}

function countLines(text: string): number {
  let lines = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++
  return lines
}

function parsePiece(piece: Piece, { file, limits }: ReadOptions, budget: NodeBudget): Node[] {
  try {
    return parseNodes(piece.text, { dialect: 'kyaml', firstLine: piece.firstLine, firstOnly: true, budget, ...limits })
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    const where = file === undefined ? '' : ` in File: ${file}`
    throw new BuildError(
      `MalformedYAMLError: ${error.message}${where}`,
      { ...error.place, ...(file !== undefined && { file }) },
      { cause: error },
    )
  }
}

function isWrapper(node: Node): boolean {
  const kind = fieldText(node, 'kind')
  return (
    (kind === 'ResourceList' || kind === 'List') &&
    node.kind === 'map' &&
    (indexOfField(node, 'items') >= 0 || indexOfField(node, 'functionConfig') >= 0)
  )
}

/** False for what is empty. @throws BuildError for what has no kind or no name. */
function isUsable(node: Node, options: ReadOptions): boolean {
  if (isEmpty(node)) return false
  requireIdentity(node, options)
  return true
}

/** @throws BuildError unless the object has a kind, and a name where it is no list. */
export function requireIdentity(node: Node, options: Pick<ReadOptions, 'file'>): void {
  const kind = fieldText(node, 'kind')
  const metadata = getField(node, 'metadata')
  if (kind === '' && fieldText(node, 'apiVersion') === '' && (isEmpty(metadata) || !hasMetadata(metadata))) {
    throw new BuildError('missing Resource metadata', placeOf(node, options))
  }
  if (kind === '') throw new BuildError(`missing kind in object ${identityText(node)}`, placeOf(node, options))
  if (kind.endsWith('List') || metadataText(node, 'name') !== '') return
  throw new BuildError(`missing metadata.name in object ${identityText(node)}`, placeOf(node, options))
}

function hasMetadata(metadata: Node | undefined): boolean {
  return ['name', 'namespace', 'labels', 'annotations'].some((name) => !isEmpty(getField(metadata, name)))
}

function identityText(node: Node): string {
  const pairs = (name: 'labels' | 'annotations'): string =>
    [...metadataMap(node, name)]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}:${value}`)
      .join(' ')
  const id = [metadataText(node, 'name'), metadataText(node, 'namespace')].join(' ')
  return `{{${fieldText(node, 'apiVersion')} ${fieldText(node, 'kind')}} {{${id}} map[${pairs('labels')}] map[${pairs('annotations')}]}}`
}

function placeOf(node: Node, { file }: Pick<ReadOptions, 'file'>): Place {
  return { ...(file !== undefined && { file }), ...(node.line > 0 && { line: node.line }) }
}

/** How Go has written the data that is read as a node: kyaml keeps the quotes and the spelling of numbers. */
export type Spelling =
  /** As JSON: all texts in quotes. */
  | 'json'
  /** As YAML, of values that Go has read without knowing their types: all numbers are floats, texts are in quotes where they have to be. */
  | 'yaml'

/** Plain data as a node. */
export function jsonToNode(value: Json, { line = 0, spelling = 'json' as Spelling } = {}): Node {
  const node = bareNode(value, { line, spelling })
  node.line = line
  return node
}

function bareNode(value: Json, options: { line: number; spelling: Spelling }): Node {
  const { spelling } = options
  if (value === null) return scalarNode('null', '!!null')
  if (Array.isArray(value)) return seqNode(value.map((item) => jsonToNode(item, options)))
  switch (typeof value) {
    case 'object':
      return mapNode(Object.entries(value).flatMap(([key, item]) => [spelledText(key, spelling), jsonToNode(item, options)]))
    case 'boolean':
      return scalarNode(String(value), '!!bool')
    case 'string':
      return spelledText(value, spelling)
    default: {
      const text = spelling === 'yaml' ? formatFloat(Number(value)) : formatNumber(value)
      return scalarNode(text, resolveTag(text, 'kyaml'))
    }
  }
}

function spelledText(text: string, spelling: Spelling): Node {
  const node = scalarNode(text, '!!str')
  node.style = spelling === 'json' ? 'double' : yamlStyle(text)
  return node
}

function yamlStyle(text: string): Node['style'] {
  if (text.includes('\n')) return 'literal'
  if (resolveTag(text, 'sigs') !== '!!str') return 'double'
  return isPlainText(text) ? 'plain' : 'single'
}
