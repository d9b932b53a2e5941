/** Field specs: which fields of which kinds a transformer edits. */

import { BuildError } from '../errors.ts'
import { type Node, printNode } from '../yaml/index.ts'
import { emptyNode, fieldText, isNull, kindErrorIn, lookup, lookupCreate, splitPath, withPrefix, wrapError } from './fields.ts'
import { type GroupVersionKind, groupVersion, isSelected, resourceIdOf, resourceIdText } from './resid.ts'

/** A path in the objects that the (partial) group, version and kind select; empty parts select all. */
export interface FieldSpec extends GroupVersionKind {
  /** Field names joined by `/`; `name[]` where a list has to be. */
  readonly path: string
  /** Create missing fields. */
  readonly create: boolean
}

/** What to do at the end of a path. */
export interface FieldEdit {
  readonly set: (node: Node) => void
  /** The kind and tag to create a missing last field with; without it nothing is created. */
  readonly create?: { readonly kind: Node['kind']; readonly tag: string }
}

/** Edits the fields of an object that a spec names; does nothing when the spec is not for its kind. */
export function editField(object: Node, spec: FieldSpec, edit: FieldEdit): void {
  if (selectsObject(spec, object)) editPath(object, spec, edit)
}

/** As `editField`, whatever kind the spec is for. */
export function editPath(object: Node, spec: FieldSpec, edit: FieldEdit): void {
  try {
    walk(object, partsOf(spec), { spec, edit, depth: 0 })
  } catch (error) {
    if (!(error instanceof Error && 'place' in error)) throw error
    const wrapped = wrapError(error, `considering field '${spec.path}' of object ${resourceIdText(resourceIdOf(object))}`)
    throw new BuildError(wrapped.message + contentsOf(error, object), wrapped.place, { cause: error })
  }
}

const parts = new WeakMap<FieldSpec, readonly string[]>()

function partsOf(spec: FieldSpec): readonly string[] {
  const known = parts.get(spec)
  if (known) return known
  const split = splitPath(spec.path, '/')
  parts.set(spec, split)
  return split
}

/** What stands where something else was expected; never of a Secret. */
function contentsOf(error: Error, object: Node): string {
  const node = kindErrorIn(error)?.node
  return node && fieldText(object, 'kind') !== 'Secret' ? `: node contents:\n${printNode(node)}` : ''
}

/** `editField` for each spec in turn. */
export function editFields(object: Node, specs: readonly FieldSpec[], edit: FieldEdit): void {
  for (const spec of specs) editField(object, spec, edit)
}

function selectsObject(spec: FieldSpec, object: Node): boolean {
  if (spec.kind !== '' && spec.kind !== fieldText(object, 'kind')) return false
  if (spec.group === '' && spec.version === '') return true
  const { group, version } = groupVersion(fieldText(object, 'apiVersion'))
  return (spec.group === '' || spec.group === group) && (spec.version === '' || spec.version === version)
}

interface Walk {
  readonly spec: FieldSpec
  readonly edit: FieldEdit
  /** How many parts of the path lie behind. */
  readonly depth: number
}

function walk(node: Node, path: readonly string[], at: Walk): void {
  if (path.length === at.depth) {
    at.edit.set(node)
    return
  }
  if (isNull(node)) return
  if (node.kind === 'seq') walkList(node, path, at)
  else if (node.kind === 'map') walkMap(node, path, at)
  else throw new BuildError('expected sequence or mapping node', node.line > 0 ? { line: node.line } : {})
}

function walkList(list: Node, path: readonly string[], at: Walk): void {
  withPrefix(
    () => `visit traversal on path: [${path.slice(at.depth).join(' ')}]`,
    () => {
      for (const element of list.content) walk(element, path, at)
    },
  )
}

function walkMap(map: Node, path: readonly string[], at: Walk): void {
  const { spec, edit, depth } = at
  const part = path[depth] ?? ''
  const isList = part.endsWith('[]')
  const name = isList ? part.slice(0, -2) : part
  if (name === '') throw new BuildError('cannot set or create an empty field name')
  const creating = spec.create && edit.create !== undefined && !isList
  const created = depth === path.length - 1 && edit.create ? edit.create : MAPPING
  const field = withPrefix(
    () => `fieldName: ${name}`,
    () => (creating ? lookupCreate(map, created.kind, [name]) : lookup(map, [name])),
  )
  if (!field) return
  if (field.tag === '!!null' && (creating || isList)) {
    Object.assign(field, { ...emptyNode(creating ? created.kind : 'seq'), tag: creating ? created.tag : '', value: field.value })
  }
  walk(field, path, { spec, edit, depth: depth + 1 })
}

const MAPPING = { kind: 'map', tag: '!!map' } as const

/** Adds specs that are not there yet. @throws BuildError when a spec is there with another `create`. */
export function mergeFieldSpecs(specs: readonly FieldSpec[], more: readonly FieldSpec[]): readonly FieldSpec[] {
  if (more.length === 0) return specs
  const result = [...specs]
  const byPath = Map.groupBy(specs, (spec) => spec.path)
  for (const spec of more) {
    const same = byPath.get(spec.path)?.find((known) => isSelected(known, spec))
    if (same) {
      if (same.create !== spec.create) throw new BuildError('conflicting fieldspecs')
      continue
    }
    result.push(spec)
    const known = byPath.get(spec.path)
    if (known) known.push(spec)
    else byPath.set(spec.path, [spec])
  }
  return result
}
