/** images: new names, tags and digests. */

import type { RE2JS } from 're2js'
import { type Node, scalarNode } from '../../yaml/index.ts'
import { matchField, requireKind, setScalar } from '../fields.ts'
import { editFields, type FieldSpec } from '../fieldspec.ts'
import type { Image } from '../kustomization.ts'
import type { ResMap } from '../resmap.ts'
import { compileExpression } from '../selector.ts'

/** Changes images in all `containers` and `initContainers`, wherever they stand, and where the specs say. CRDs are left. */
export function setImages(resources: ResMap, image: Image, specs: readonly FieldSpec[]): void {
  const pattern = compileExpression(`^${image.name}(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?$`, image.name)
  const set = (node: Node): void => setImage(node, image, pattern)
  for (const resource of resources.resources()) {
    const { node } = resource
    if (!node || resource.kind === 'CustomResourceDefinition') continue
    walk(node, set)
  }
  for (const resource of resources.resources()) {
    if (resource.node && resource.kind !== 'CustomResourceDefinition') editFields(resource.node, specs, { set })
  }
}

function walk(node: Node, set: (image: Node) => void): void {
  if (node.kind === 'seq') for (const item of node.content) walk(item, set)
  if (node.kind !== 'map') return
  for (let i = 0; i < node.content.length; i += 2) {
    const [key, value] = [node.content[i], node.content[i + 1]]
    if (!key || !value) continue
    walk(value, set)
    if (value.kind !== 'seq' || (key.value !== 'containers' && key.value !== 'initContainers')) continue
    for (const container of value.content) {
      const image = matchField(container, 'image')
      if (image) set(image)
    }
  }
}

function setImage(node: Node, image: Image, pattern: RE2JS): void {
  requireKind(node, 'scalar')
  if (!pattern.matcher(node.value).find()) return
  setScalar(node, scalarNode(changedReference(node.value, image)))
}

function changedReference(reference: string, image: Image): string {
  const parts = splitReference(reference)
  const name = image.newName || parts.name
  let { tag, digest } = parts
  if (image.newTag !== '' || image.digest !== '') [tag, digest] = [image.newTag, image.digest]
  else if (image.tagSuffix !== '') [tag, digest] = [tag + image.tagSuffix, '']
  return `${name}${tag && `:${tag}`}${digest && `@${digest}`}`
}

/** Colons before the first slash belong to the registry's port. */
function splitReference(reference: string): { name: string; tag: string; digest: string } {
  const slash = Math.max(reference.indexOf('/'), 0)
  const at = reference.indexOf('@', slash)
  const colon = reference.indexOf(':', slash)
  if (at < 0 && colon < 0) return { name: reference, tag: '', digest: '' }
  if (at >= 0 && (colon < 0 || at < colon)) return { name: reference.slice(0, at), tag: '', digest: reference.slice(at + 1) }
  const end = at < 0 ? reference.length : at
  return { name: reference.slice(0, colon), tag: reference.slice(colon + 1, end), digest: reference.slice(end + 1) }
}
