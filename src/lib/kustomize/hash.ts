/** The suffix that generated ConfigMaps and Secrets get, so that a changed content is a new object. */

import { createHash } from 'node:crypto'
import type { Json, JsonObject } from '../json.ts'
import { type Node, nodeToJson } from '../yaml/index.ts'
import { getField } from './fields.ts'
import { goJson } from './gojson.ts'
import type { ResMap } from './resmap.ts'
import { BUILD_ANNOTATIONS } from './resource.ts'

/** Appends the hash to the names of all that generators marked for it. */
export function addHashes(resources: ResMap): void {
  for (const resource of resources.resources()) {
    if (!resource.node || !resource.isEnabled(BUILD_ANNOTATIONS.needsHash)) continue
    const hash = hashOf(resource.node, resource.kind)
    resource.notePreviousId()
    resource.setName(`${resource.name}-${hash}`)
  }
}

/** Ten letters and digits. Source: api/hasher of kustomize. */
export function hashOf(node: Node, kind: string): string {
  const digest = createHash('sha256')
    .update(goJson(hashedPart(node, kind)))
    .digest('hex')
  return digest.slice(0, 10).replace(/[013ae]/g, (digit) => UNLIKELY_WORDS[digit] ?? digit)
}

/** Letters that keep the hash from spelling words. */
const UNLIKELY_WORDS: Readonly<Record<string, string>> = { '0': 'g', '1': 'h', '3': 'k', a: 'm', e: 't' }

function hashedPart(node: Node, kind: string): JsonObject {
  // Upstream looks for a field that is really called "metadata/name", so the name is always empty here.
  const field = (name: string): Json => valueFrom(getField(node, name))
  if (kind === 'Secret')
    return withMap({ kind, type: field('type'), name: '', data: field('data') }, 'stringData', field('stringData'))
  if (kind === 'ConfigMap') return withMap({ kind, name: '', data: field('data') }, 'binaryData', field('binaryData'))
  const value = nodeToJson(node)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
}

function withMap(object: JsonObject, name: string, value: Json): JsonObject {
  return typeof value === 'object' ? { ...object, [name]: value } : object
}

function valueFrom(node: Node | undefined): Json {
  if (node === undefined) return ''
  return node.kind === 'scalar' ? node.value : nodeToJson(node)
}
