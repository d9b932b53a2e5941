/** Which fields the transformers edit: kustomize's defaults, `configurations` and `crds`. */

import { BuildError } from '../errors.ts'
import type { Json, JsonObject } from '../json.ts'
import { loadFirst } from '../yaml/index.ts'
import { type Decoder, jsonOrYaml, list, struct, text } from './decode.ts'
import { withPrefix } from './fields.ts'
import { type FieldSpec, mergeFieldSpecs } from './fieldspec.ts'
import { fieldSpec } from './kustomization.ts'
import type { Loader } from './loader.ts'
import { type GroupVersionKind, sameKind } from './resid.ts'
import { fieldSpecs as defaults } from './tables/fieldspecs.generated.ts'
import { compareKinds } from './transformers/sort.ts'

/** Fields that hold names of objects of a kind. */
export interface NameReference extends GroupVersionKind {
  readonly fieldSpecs: readonly FieldSpec[]
}

export interface TransformerConfig {
  readonly namePrefix: readonly FieldSpec[]
  readonly nameSuffix: readonly FieldSpec[]
  readonly namespace: readonly FieldSpec[]
  readonly commonLabels: readonly FieldSpec[]
  readonly labels: readonly FieldSpec[]
  readonly templateLabels: readonly FieldSpec[]
  readonly commonAnnotations: readonly FieldSpec[]
  readonly varReference: readonly FieldSpec[]
  readonly images: readonly FieldSpec[]
  readonly replicas: readonly FieldSpec[]
  readonly nameReference: readonly NameReference[]
}

const specList = list(fieldSpec, 'types.FieldSpec')

const transformerConfig: Decoder<TransformerConfig> = struct('TransformerConfig', {
  namePrefix: specList,
  nameSuffix: specList,
  namespace: specList,
  commonLabels: specList,
  labels: specList,
  templateLabels: specList,
  commonAnnotations: specList,
  varReference: specList,
  images: specList,
  replicas: specList,
  nameReference: list(
    struct<NameReference>('NameBackReferences', { group: text, version: text, kind: text, fieldSpecs: specList }),
    'builtinconfig.NameBackReferences',
  ),
})

const LISTS = [
  'namePrefix',
  'nameSuffix',
  'namespace',
  'commonLabels',
  'labels',
  'templateLabels',
  'commonAnnotations',
  'varReference',
  'images',
  'replicas',
] as const

const STRICT = { strict: true, coerce: true, path: '' } as const

export const emptyConfig: TransformerConfig = transformerConfig(undefined, STRICT)

let parsedDefaults: TransformerConfig | undefined

function defaultConfig(): TransformerConfig {
  parsedDefaults ??= sortConfig(transformerConfig(defaults as unknown as Json, STRICT))
  return parsedDefaults
}

/** The defaults with what the configuration files add. @throws BuildError naming the file. */
export function loadConfig(loader: Loader, paths: readonly string[]): TransformerConfig {
  let own = emptyConfig
  for (const path of paths) {
    const source = loader.text(path)
    const file = loader.fileName(path)
    const parsed = withPrefix(
      () => file,
      () => transformerConfig(loadFirst(source, { dialect: 'sigs', strict: true, file }), STRICT),
    )
    own = mergeConfigs(own, sortConfig(parsed))
  }
  return paths.length === 0 ? defaultConfig() : mergeConfigs(defaultConfig(), own)
}

const merged = new WeakMap<TransformerConfig, WeakMap<TransformerConfig, TransformerConfig>>()

/**
 * Both together; specs that are in both count once. A spec for all kinds goes when one for a kind has its path and is sorted before it,
 * even if there is nothing to merge with. Bases mostly bring the same defaults, so results are kept.
 */
export function mergeConfigs(config: TransformerConfig, more: TransformerConfig): TransformerConfig {
  const known = merged.get(config)?.get(more)
  if (known) return known
  const result = sortConfig(joinConfigs(config, more))
  const row = merged.get(config) ?? new WeakMap<TransformerConfig, TransformerConfig>()
  merged.set(config, row.set(more, result))
  return result
}

function joinConfigs(config: TransformerConfig, more: TransformerConfig): TransformerConfig {
  const result: { -readonly [K in keyof TransformerConfig]: TransformerConfig[K] } = { ...config }
  for (const name of LISTS) {
    result[name] = withPrefix(
      () => `failed to merge ${name} fieldSpec`,
      () => mergeFieldSpecs(config[name], more[name]),
    )
  }
  result.nameReference = more.nameReference.reduce(mergeNameReference, config.nameReference)
  return result
}

function mergeNameReference(references: readonly NameReference[], more: NameReference): readonly NameReference[] {
  if (!references.some((known) => sameKind(known, more))) return [...references, more]
  return references.map((known) =>
    sameKind(known, more) ? { ...known, fieldSpecs: mergeFieldSpecs(known.fieldSpecs, more.fieldSpecs) } : known,
  )
}

const sorted = new WeakSet<TransformerConfig>()

function sortConfig(config: TransformerConfig): TransformerConfig {
  if (sorted.has(config)) return config
  const result: { -readonly [K in keyof TransformerConfig]: TransformerConfig[K] } = { ...config }
  for (const name of LISTS) result[name] = config[name].toSorted(compareKinds)
  result.nameReference = config.nameReference.toSorted(compareKinds)
  sorted.add(result)
  return result
}

/** What the OpenAPI definitions of custom resources say of references, labels and names in them. */
export function loadCrdConfig(loader: Loader, paths: readonly string[]): TransformerConfig {
  let config = emptyConfig
  for (const path of paths) {
    const file = loader.fileName(path)
    const value = withPrefix(
      () => `unable to parse open API definition from '${path}'`,
      () => jsonOrYaml(loader.text(path), file),
    )
    const definitions = asObject(value)
    for (const name of Object.keys(definitions)) {
      const properties = propertiesOf(definitions, name)
      if (!['kind', 'apiVersion', 'metadata'].every((field) => Object.hasOwn(properties, field))) continue
      const kind = name.split('.').at(-1) ?? ''
      config = mergeConfigs(config, configOfDefinition({ definitions, kind }, name, []))
    }
  }
  return config
}

interface CrdContext {
  readonly definitions: JsonObject
  readonly kind: string
}

const MAX_NESTING = 100

function configOfDefinition(context: CrdContext, name: string, path: readonly string[]): TransformerConfig {
  if (path.length > MAX_NESTING)
    throw new BuildError(`the definition of ${context.kind} refers to itself without end`, { path: path.join('/') })
  let config = emptyConfig
  for (const [property, value] of Object.entries(propertiesOf(context.definitions, name))) {
    const field = [...path, property]
    config = joinConfigs(config, configOfProperty(context.kind, asObject(value), field))
    const { $ref } = asObject(value)
    if (typeof $ref === 'string') config = joinConfigs(config, configOfDefinition(context, $ref, field))
  }
  return config
}

function configOfProperty(kind: string, property: JsonObject, path: readonly string[]): TransformerConfig {
  const has = (extension: string): boolean => typeof property[extension] === 'string'
  const spec = (parts: readonly string[]): FieldSpec => ({ group: '', version: '', kind, path: parts.join('/'), create: false })
  const [version, target] = [property['x-kubernetes-object-ref-api-version'], property['x-kubernetes-object-ref-kind']]
  const nameKey = property['x-kubernetes-object-ref-name-key']
  const reference = typeof version === 'string' && typeof target === 'string'
  return {
    ...emptyConfig,
    commonAnnotations: has('x-kubernetes-annotation') ? [spec(path)] : [],
    commonLabels: has('x-kubernetes-label-selector') ? [spec(path)] : [],
    namePrefix: has('x-kubernetes-identity') ? [spec(path)] : [],
    nameReference: reference
      ? [{ group: '', version, kind: target, fieldSpecs: [spec([...path, typeof nameKey === 'string' ? nameKey : 'name'])] }]
      : [],
  }
}

function propertiesOf(definitions: JsonObject, name: string): JsonObject {
  const definition = Object.hasOwn(definitions, name) ? definitions[name] : undefined
  return asObject(asObject(asObject(definition).Schema).properties)
}

function asObject(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
}
