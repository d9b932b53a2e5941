/** One object on its way through a build. */

import { BuildError, type Place } from '../errors.ts'
import { type JsonObject, printJson } from '../json.ts'
import { copyNode, emit, type Node, nodeToJson, scalarNode } from '../yaml/index.ts'
import {
  clearField,
  fieldText,
  getField,
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
