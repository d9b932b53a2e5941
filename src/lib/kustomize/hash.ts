/** The suffix that generated ConfigMaps and Secrets get, so that a changed content is a new object. */

import { createHash } from 'node:crypto'
import type { Json, JsonObject } from '../json.ts'
import { NO_SOURCE, type Node, type NodeStyle, nodeToJson } from '../yaml/index.ts'
import { getField } from './fields.ts'
import { goJson, goString } from './gojson.ts'
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
  const digest = createHash('sha256').update(hashedText(node, kind)).digest('hex')
  return digest.slice(0, 10).replace(/[013ae]/g, (digit) => UNLIKELY_WORDS[digit] ?? digit)
}

/** Letters that keep the hash from spelling words. */
const UNLIKELY_WORDS: Readonly<Record<string, string>> = { '0': 'g', '1': 'h', '3': 'k', a: 'm', e: 't' }

function hashedText(node: Node, kind: string): string {
  return kind === 'Secret' || kind === 'ConfigMap' ? goJson(hashedPart(node, kind)) : nodeStruct(node)
}

function hashedPart(node: Node, kind: 'Secret' | 'ConfigMap'): JsonObject {
  // Upstream looks for a field that is really called "metadata/name", so the name is always empty here.
  const field = (name: string): Json => valueFrom(getField(node, name))
  if (kind === 'Secret')
    return withMap({ kind, type: field('type'), name: '', data: field('data') }, 'stringData', field('stringData'))
  return withMap({ kind, name: '', data: field('data') }, 'binaryData', field('binaryData'))
}

/** Any other kind is hashed with its comments, quotes, lines and columns: as encoding/json prints go-yaml's Node. */
function nodeStruct(node: Node): string {
  const { head, line, foot, row, column, isTagged } = node.source ?? NO_SOURCE
  const content = node.content.length === 0 ? 'null' : `[${node.content.map(nodeStruct).join(',')}]`
  const style = STYLE_BITS[node.style] + (isTagged ? 1 : 0)
  return (
    `{"Kind":${KIND_BITS[node.kind]},"Style":${style},"Tag":${goString(node.tag)},"Value":${goString(node.value)},` +
    `"Anchor":${goString(node.anchor ?? '')},"Alias":null,"Content":${content},"HeadComment":${goString(head)},` +
    `"LineComment":${goString(line)},"FootComment":${goString(foot)},"Line":${row},"Column":${column}}`
  )
}

const KIND_BITS: Readonly<Record<Node['kind'], number>> = { seq: 2, map: 4, scalar: 8, alias: 16 }
const STYLE_BITS: Readonly<Record<NodeStyle, number>> = { plain: 0, double: 2, single: 4, literal: 8, folded: 16, flow: 32 }

function withMap(object: JsonObject, name: string, value: Json): JsonObject {
  return typeof value === 'object' ? { ...object, [name]: value } : object
}

function valueFrom(node: Node | undefined): Json {
  if (node === undefined) return ''
  return node.kind === 'scalar' ? node.value : nodeToJson(node)
}
