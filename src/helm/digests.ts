/** Checksums that decide whether anything has changed, over the same bytes as Flux's. */
import { createHash } from 'node:crypto'
import type { HelmReleaseSpec } from '../api/helmrelease.ts'
import { marshalJson, valueToJson } from '../lib/gotemplate/gojson.ts'
import { compareText, type Dict, type Value } from '../lib/gotemplate/value.ts'
import type { Json } from '../lib/json.ts'
import { emitInOrder } from '../lib/yaml/index.ts'

const algorithms: ReadonlySet<string> = new Set(['sha256', 'sha384', 'sha512', 'sha1'])

export function isDigestAlgorithm(name: string): boolean {
  return algorithms.has(name)
}

/** Of a release's values, as `<algorithm>:<hex>`. Source: fluxcd/pkg/chartutil DigestValues: YAML with keys in the order of bytes. */
export function valuesDigest(values: Dict, algorithm = 'sha256'): string {
  const hash = createHash(algorithm)
  if (values.size > 0) hash.update(emitInOrder(stored(valueToJson(values)), compareText))
  return `${algorithm}:${hash.digest('hex')}`
}

/** Whether a checksum of any algorithm is that of the values. */
export function isDigestOf(digest: string | undefined, values: Dict): boolean {
  const algorithm = digest?.split(':', 1)[0] ?? ''
  return isDigestAlgorithm(algorithm) && valuesDigest(values, algorithm) === digest
}

/** Storage has only float64: what is compared with it must not be more exact. Go prints one that is whole and fits as an integer. */
function stored(value: Json): Json {
  if (typeof value === 'bigint') return stored(Number(value))
  if (typeof value === 'number') return Number.isInteger(value) && Math.abs(value) < 2 ** 64 ? BigInt(value) : value
  if (Array.isArray(value)) return value.map(stored)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, stored(inner)]))
}

/** Of `spec.postRenderers`; undefined without any. Source: internal/postrender/build.go Digest. */
export function postRenderersDigest({ postRenderers }: HelmReleaseSpec): string | undefined {
  if (!postRenderers) return undefined
  const structs = postRenderers.map(({ kustomize }) => ({
    kustomize: kustomize && {
      patches: filled(kustomize.patches?.map(({ patch, target }) => ({ patch, target: target && texts(target, selectorFields) }))),
      images: filled(kustomize.images?.map((image) => ({ name: image.name, ...texts(image, imageFields) }))),
    },
  }))
  return digestOfStruct(structs)
}

/** Of `spec.commonMetadata`; undefined without. Source: internal/postrender/build.go CommonMetadataDigest. */
export function commonMetadataDigest({ commonMetadata }: HelmReleaseSpec): string | undefined {
  if (!commonMetadata) return undefined
  const { annotations, labels } = commonMetadata
  return digestOfStruct({ annotations: sortedMap(annotations), labels: sortedMap(labels) })
}

/** In the order of Go's struct. */
const selectorFields = ['group', 'version', 'kind', 'namespace', 'name', 'annotationSelector', 'labelSelector'] as const
const imageFields = ['newName', 'newTag', 'digest'] as const

function texts<F extends string>(struct: { readonly [K in F]?: string | undefined }, fields: readonly F[]) {
  return Object.fromEntries(fields.flatMap((field) => (struct[field] ? [[field, struct[field]]] : [])))
}

function filled<T>(items: readonly T[] | undefined): readonly T[] | undefined {
  return items && items.length > 0 ? items : undefined
}

function sortedMap(map: Readonly<Record<string, string>> | undefined) {
  const entries = Object.entries(map ?? {}).toSorted(([a], [b]) => compareText(a, b))
  return entries.length > 0 ? new Map<string, Value>(entries) : undefined
}

/** JSON of encoding/json's Encoder: fields in the order given, without those that are undefined, and a newline. */
function digestOfStruct(struct: unknown): string {
  return `sha256:${createHash('sha256')
    .update(`${structJson(struct)}\n`)
    .digest('hex')}`
}

function structJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(structJson).join(',')}]`
  if (value instanceof Map) return marshalJson(value)
  if (typeof value === 'string') return marshalJson(value)
  const fields = Object.entries(value as object).filter(([, inner]) => inner !== undefined)
  return `{${fields.map(([name, inner]) => `"${name}":${structJson(inner)}`).join(',')}}`
}
