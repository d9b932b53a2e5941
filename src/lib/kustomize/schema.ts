/** What the OpenAPI schema says about merging and scope: kustomize's own (Kubernetes 1.21.2), or the user's. */

import { BuildError } from '../errors.ts'
import { type Json, type JsonObject, parseJson } from '../json.ts'
import type { Node } from '../yaml/index.ts'
import { jsonOrYaml } from './decode.ts'
import { indexOfField } from './fields.ts'
import { openApi } from './tables/openapi.generated.ts'

/** A type, as far as merging depends on it. */
export interface Schema {
  readonly fields: ReadonlyMap<string, Schema>
  /** Of all other fields. */
  readonly values?: Schema | undefined
  readonly items?: Schema | undefined
  /** Present when a list is merged: by these keys, or as a set of scalars when there are none. */
  readonly mergeKeys?: readonly string[] | undefined
}

export function schemaOfField(schema: Schema | undefined, name: string): Schema | undefined {
  return schema?.fields.get(name) ?? schema?.values
}

const DEFAULT_VERSION = 'v1.21.2'

/** The schema of one build. The first kustomization that states one decides. */
export class SchemaSet {
  #custom: Definitions | undefined
  #isStated = false
  #isUsed = false
  #builtInAsked = false
  #builtInUsed = false

  /** Takes `openapi` of a kustomization; `read` loads the file it names. Later statements are ignored, as upstream. */
  state(openapi: ReadonlyMap<string, string>, read: (path: string) => string): void {
    const path = openapi.get('path')
    const text = path === undefined ? undefined : read(path)
    if (this.#isStated) return
    const version = openapi.get('version')
    if (text !== undefined) {
      if (version !== undefined) throw new BuildError('builtin version and custom schema provided, cannot use both')
      this.#builtInUsed = this.#isUsed
      this.#custom = parseDefinitions(text, path, this.#inherited())
      this.#isStated = true
      return
    }
    if (version === undefined || version === '') return
    if (version !== DEFAULT_VERSION) throw new BuildError('the specified OpenAPI version is not built in')
    this.#isStated = true
  }

  /** The built-in definitions that those of a custom schema may refer to. */
  #inherited(): Inherited {
    const isLoaded = this.#builtInAsked || this.#builtInUsed
    return { types: isLoaded ? builtIn().types : new Map(), win: this.#builtInAsked }
  }

  forKind(apiVersion: string, kind: string): Schema | undefined {
    this.#isUsed = true
    const key = `${apiVersion}/${kind}`
    if (!this.#custom) return builtIn().kinds.get(key)
    const own = this.#custom.kinds.get(key)
    // Asked for a scope before the custom one was stated, the built-in schema is read after it, and wins.
    if (this.#builtInAsked) return builtIn().kinds.get(key) ?? own
    // Used before, it stays, and the custom one is read on top of it.
    return own ?? (this.#builtInUsed ? builtIn().kinds : builtIn().kustomizeKinds).get(key)
  }

  /**
   * The schema that a comment on a field states as JSON, for that field alone; undefined for any other comment. The comment on the
   * node's line counts, or else the one above; what follows the JSON does not. Definitions are those of the stated schema.
   * Source: fieldmeta of kyaml.
   */
  ofComments(node: Node | undefined): Schema | undefined {
    if (!node?.source) return undefined
    const definition = definitionIn(node.source.line || node.source.head)
    if (!definition) return undefined
    return this.#custom
      ? this.#custom.read(definition)
      : definitionReader({}, { types: builtIn().types, win: false }).read(definition)
  }

  /** What comments on the value of a field state, or else those on its name: there they stand above a list. */
  ofField(map: Node | undefined, name: string): Schema | undefined {
    if (map?.kind !== 'map') return undefined
    const at = indexOfField(map, name)
    return at < 0 ? undefined : (this.ofComments(map.content[at + 1]) ?? this.ofComments(map.content[at]))
  }

  /** True only for kinds that are known to live outside of namespaces. */
  isClusterScoped(apiVersion: string, kind: string): boolean {
    const key = `${apiVersion}/${kind}`
    const known = builtIn().scopes.get(key)
    if (known !== undefined) return known
    if (!this.#custom) {
      if (!this.#isUsed) this.#builtInAsked = true
      return false
    }
    return this.#custom.scopes.get(key) ?? false
  }
}

interface Kinds {
  readonly kinds: ReadonlyMap<string, Schema>
  /** True: cluster-scoped. */
  readonly scopes: ReadonlyMap<string, boolean>
}

interface Definitions extends Kinds {
  read(definition: JsonObject): Schema
}

interface BuiltIn extends Kinds {
  /** By names of definitions; those that no merge depends on are missing. */
  readonly types: ReadonlyMap<string, Schema>
  /** Kustomize's own kinds, which custom schemas do not replace. */
  readonly kustomizeKinds: ReadonlyMap<string, Schema>
}

let parsed: BuiltIn | undefined

function builtIn(): BuiltIn {
  parsed ??= expandTable()
  return parsed
}

interface TableField {
  readonly t?: number
  readonly i?: number
  readonly v?: number
  readonly k?: readonly string[]
}

function expandTable(): BuiltIn {
  const rows: readonly Readonly<Record<string, TableField>>[] = openApi.types
  const types = rows.map(() => ({ fields: new Map<string, Schema>() }))
  const typeAt = (number: number | undefined): Schema | undefined => (number === undefined ? undefined : types[number])
  for (const [number, row] of rows.entries()) {
    for (const [name, field] of Object.entries(row)) {
      const own = typeAt(field.t)
      types[number]?.fields.set(
        name,
        own ?? { fields: NO_FIELDS, values: typeAt(field.v), items: typeAt(field.i), mergeKeys: field.k },
      )
    }
  }
  const kinds = new Map<string, Schema>()
  for (const [kind, number] of Object.entries(openApi.kinds)) {
    const schema = typeAt(number)
    if (schema) kinds.set(kind, schema)
  }
  const scopes = new Map<string, boolean>()
  for (const kind of openApi.namespaced) scopes.set(kind, false)
  for (const kind of openApi.clusterScoped) scopes.set(kind, true)
  const kustomizeKinds = new Map([...kinds].filter(([kind]) => kind.startsWith('kustomize.config.k8s.io/')))
  const byName = new Map(types.map((type, number) => [openApi.names[number] ?? '', type]))
  return { kinds, scopes, kustomizeKinds, types: byName }
}

const NO_FIELDS: ReadonlyMap<string, Schema> = new Map()

/** Reads an OpenAPI document (JSON or YAML) that a user hands in. */
function parseDefinitions(text: string, file: string | undefined, inherited: Inherited): Definitions {
  const document = jsonOrYaml(text, file)
  const root = asObject(document)
  const definitions = asObject(root.definitions)
  const { read, resolveRef } = definitionReader(definitions, inherited)
  const kinds = new Map<string, Schema>()
  for (const [name, value] of Object.entries(definitions)) {
    const definition = asObject(value)
    for (const kind of kindsOf(definition)) kinds.set(kind, resolveRef(`#/definitions/${name}`))
  }
  return { kinds, scopes: scopesOf(asObject(root.paths)), read }
}

interface DefinitionReader {
  read(definition: JsonObject): Schema
  resolveRef(ref: string): Schema
}

/** Definitions that are there besides; `win`: over those of the same name. */
interface Inherited {
  readonly types: ReadonlyMap<string, Schema>
  readonly win: boolean
}

function definitionReader(definitions: JsonObject, inherited: Inherited): DefinitionReader {
  const schemas = new Map<string, Schema>()
  return { read, resolveRef }

  function resolveRef(ref: string): Schema {
    const name = ref.slice('#/definitions/'.length)
    const isOwn = Object.hasOwn(definitions, name)
    const known = schemas.get(name) ?? (inherited.win || !isOwn ? inherited.types.get(name) : undefined)
    if (known) return known
    const schema: { -readonly [K in keyof Schema]: Schema[K] } = { fields: NO_FIELDS }
    schemas.set(name, schema)
    Object.assign(schema, read(asObject(isOwn ? definitions[name] : undefined)))
    return schema
  }

  function read(definition: JsonObject): Schema {
    if (typeof definition.$ref === 'string') return resolveRef(definition.$ref)
    const fields = new Map<string, Schema>()
    for (const [name, value] of Object.entries(asObject(definition.properties))) fields.set(name, read(asObject(value)))
    const { additionalProperties, items } = definition
    return {
      fields,
      values: isObject(additionalProperties) ? read(additionalProperties) : undefined,
      items: definition.type === 'array' && isObject(items) ? read(items) : undefined,
      mergeKeys: mergeKeysOf(definition),
    }
  }
}

/** The JSON object that a comment begins with; undefined for an empty one, which states nothing. */
function definitionIn(comment: string): JsonObject | undefined {
  const text = comment.replace(/^#+/, '').trimStart()
  if (!text.startsWith('{')) return undefined
  try {
    const definition = asObject(parseJson(text.slice(0, endOfObject(text))))
    return Object.keys(definition).length > 0 && isDefinition(definition) ? definition : undefined
  } catch {
    return undefined
  }
}

function endOfObject(text: string): number {
  let depth = 0
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === '{') depth++
    else if (token === '}' && --depth === 0) return index + 1
  }
  return text.length
}

function isDefinition({ type, properties, items }: JsonObject): boolean {
  if (type !== undefined && typeof type !== 'string' && !Array.isArray(type)) return false
  if (items !== undefined && !isObject(items)) return false
  return properties === undefined || isObject(properties)
}

function mergeKeysOf(definition: JsonObject): readonly string[] | undefined {
  const strategy = definition['x-kubernetes-patch-strategy']
  if (typeof strategy !== 'string' || !strategy.split(',').includes('merge')) return undefined
  const keys = definition['x-kubernetes-list-map-keys']
  if (Array.isArray(keys)) return keys.filter((key) => typeof key === 'string')
  const key = definition['x-kubernetes-patch-merge-key']
  return typeof key === 'string' ? [key] : []
}

function scopesOf(paths: JsonObject): ReadonlyMap<string, boolean> {
  const scopes = new Map<string, boolean>()
  for (const [path, value] of Object.entries(paths)) {
    const kind = kindText(asObject(asObject(value).get)['x-kubernetes-group-version-kind'])
    if (kind === undefined) continue
    if (path.includes('namespaces/{namespace}')) scopes.set(kind, false)
    else if (!scopes.has(kind)) scopes.set(kind, true)
  }
  return scopes
}

function kindsOf(definition: JsonObject): string[] {
  const list = definition['x-kubernetes-group-version-kind']
  return Array.isArray(list) ? list.map(kindText).filter((kind) => kind !== undefined) : []
}

function kindText(value: Json | undefined): string | undefined {
  const { group, version, kind } = asObject(value)
  if (typeof version !== 'string' || typeof kind !== 'string') return undefined
  return `${typeof group === 'string' && group !== '' ? `${group}/` : ''}${version}/${kind}`
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function asObject(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {}
}
