/**
 * Strategic merge patch as kustomize does it: lists are merged by the keys that the schema gives, patch first; elsewhere the
 * patch's list replaces. Directives: `$patch: replace|delete|merge` in mappings and lists.
 * Source: merge2 and walk of kyaml.
 */

import { BuildError } from '../../errors.ts'
import type { Node } from '../../yaml/index.ts'
import { NO_SOURCE, scalarNode } from '../../yaml/index.ts'
import {
  clearField,
  compareBytes,
  emptyNode,
  fieldText,
  getField,
  indexOfField,
  isEmpty,
  isEmptyMap,
  isNull,
  matchField,
  persistentNull,
  requireKind,
  setField,
} from '../fields.ts'
import { type Schema, type SchemaSet, schemaOfField } from '../schema.ts'

/**
 * Merges a patch into an object.
 * @returns the merged object (nodes of both arguments, edited in place), undefined when the patch deletes it.
 * @throws KindError where the two are of different kinds, BuildError for an unknown directive.
 */
export function mergeStrategic(patch: Node, target: Node, schemas: SchemaSet): Node | undefined {
  return walk({ target, patch }, undefined, schemas)
}

interface Pair {
  target: Node | undefined
  readonly patch: Node | undefined
}

function walk(pair: Pair, inherited: Schema | undefined, schemas: SchemaSet): Node | undefined {
  const schema = schemaFromComments(pair, schemas) ?? inherited ?? schemaFromType(pair, schemas)
  keepComments(pair)
  takeStyle(pair)
  const leading = !isNull(pair.target) ? pair.target : !isNull(pair.patch) ? pair.patch : undefined
  if (!leading) return walkMap(pair, schema, schemas)
  for (const node of [pair.target, pair.patch]) if (node) requireKind(node, leading.kind)
  if (leading.kind === 'map') return walkMap(pair, schema, schemas)
  if (leading.kind === 'scalar') return pair.patch ?? pair.target
  return schema?.mergeKeys ? walkMergedList(pair, schema, schema.mergeKeys, schemas) : (pair.patch ?? pair.target)
}

function schemaFromComments({ target, patch }: Pair, schemas: SchemaSet): Schema | undefined {
  return (isNull(target) ? undefined : schemas.ofComments(target)) ?? (isNull(patch) ? undefined : schemas.ofComments(patch))
}

/** Comments of the patch stay on what it is merged into, where later patches find them. */
function keepComments({ target, patch }: Pair): void {
  if (!target || !patch?.source) return
  const { line, head, foot } = patch.source
  const before = target.source ?? NO_SOURCE
  target.source = { ...before, line: line || before.line, head: head || before.head, foot: foot || before.foot }
}

/** An empty collection was most likely written in brackets: what is merged into it shall not be. */
function takeStyle({ target, patch }: Pair): void {
  if (target && patch && target.kind !== 'scalar' && target.content.length === 0) target.style = patch.style
}

/** Objects inside of objects (lists of manifests, templates of operators) bring their own type. */
function schemaFromType(pair: Pair, schemas: SchemaSet): Schema | undefined {
  for (const node of [pair.target, pair.patch]) {
    if (isNull(node)) continue
    const [apiVersion, kind] = [fieldText(node, 'apiVersion'), fieldText(node, 'kind')]
    if (apiVersion === '' || kind === '') continue
    const schema = schemas.forKind(apiVersion, kind)
    if (schema) return schema
  }
  return undefined
}

function walkMap(pair: Pair, schema: Schema | undefined, schemas: SchemaSet): Node | undefined {
  const target = startOfMap(pair)
  pair.target = target
  if (!target) return undefined
  for (const name of fieldNames(target, pair.patch)) {
    const fields: Pair = { target: getField(target, name), patch: getField(pair.patch, name) }
    const patchValue = fields.patch
    const stated = schemas.ofField(target, name) ?? schemas.ofField(pair.patch, name)
    const merged = walk(fields, stated ?? schemaOfField(schema, name), schemas)
    setField(target, name, merged, merged && merged === patchValue ? keyStyleOf(pair.patch, name) : 'plain')
  }
  return target
}

function startOfMap({ target, patch }: Pair): Node | undefined {
  if (target === undefined || isNull(target)) {
    if (directiveIn(patch) === 'delete') return undefined
    if (patch === undefined && target && target.value !== '') return persistentNull(target.value)
    return patch
  }
  if (patch && isNull(patch)) return undefined
  return chooseStart(target, patch)
}

function chooseStart(target: Node, patch: Node | undefined): Node | undefined {
  switch (takeDirective(patch)) {
    case 'delete':
      return undefined
    case 'replace':
      return patch
    default:
      return target
  }
}

/** Names in both, sorted: the order in which fields are merged and new ones appended. */
function fieldNames(target: Node, patch: Node | undefined): string[] {
  const names = new Set<string>()
  for (const node of [target, patch]) {
    if (node?.kind !== 'map') continue
    for (let i = 0; i < node.content.length; i += 2) names.add(node.content[i]?.value ?? '')
  }
  return [...names].sort(compareBytes)
}

function keyStyleOf(map: Node | undefined, name: string): Node['style'] {
  if (map?.kind !== 'map') return 'plain'
  return map.content[indexOfField(map, name)]?.style ?? 'plain'
}

type Directive = 'replace' | 'delete' | 'merge'

const DIRECTIVE = '$patch'

/** Where there is nothing to merge into, an unknown directive is no error and stays. */
function directiveIn(patch: Node | undefined): Directive | undefined {
  try {
    return takeDirective(patch)
  } catch {
    return undefined
  }
}

/** Reads the directive of a patch and removes it. */
function takeDirective(patch: Node | undefined): Directive {
  if (patch?.kind === 'seq') return takeListDirective(patch)
  if (patch?.kind !== 'map') {
    if (patch === undefined) return 'merge'
    throw new BuildError(`no implemented strategic merge patch strategy for '${patch.tag}' ('${patch.value}')`)
  }
  const value = getField(patch, DIRECTIVE)
  if (!value) return 'merge'
  const directive = knownDirective(value)
  clearField(patch, DIRECTIVE)
  return directive
}

function takeListDirective(patch: Node): Directive {
  const element = patch.content.find((item) => item.kind === 'map' && getField(item, DIRECTIVE))
  if (!element || element.content.length > 2) return 'merge'
  const value = getField(element, DIRECTIVE)
  if (!value) return 'merge'
  const directive = knownDirective(value)
  setElement(patch, undefined, [DIRECTIVE], [directive])
  return directive
}

function knownDirective(value: Node): Directive {
  if (value.value === 'replace' || value.value === 'delete' || value.value === 'merge') return value.value
  throw new BuildError(`unknown patch strategy '${value.value}'`, value.line > 0 ? { line: value.line } : {})
}

function walkMergedList(pair: Pair, schema: Schema, keys: readonly string[], schemas: SchemaSet): Node | undefined {
  const start = startOfList(pair)
  pair.target = start
  if (!start) return undefined
  const elements = keys.length > 0 ? elementValues(pair, keys) : primitiveValues(pair)
  return mergeElements({ pair, start, schema, schemas }, keys.length > 0 ? keys : [''], elements)
}

function startOfList({ target, patch }: Pair): Node | undefined {
  if (target === undefined || isNull(target)) return patch
  if (patch && isNull(patch)) return undefined
  return chooseStart(target, patch)
}

/** Values of the merge keys of each element, of the patch first, each combination once. */
function elementValues(pair: Pair, keys: readonly string[]): string[][] {
  const seen = new Set<string>()
  const result: string[][] = []
  for (const list of [pair.patch, pair.target]) {
    if (list?.kind !== 'seq') continue
    for (const element of list.content) {
      const values = keys.map((key) => {
        const field = getField(element, key)
        return field === undefined || isEmpty(field) ? '' : field.value
      })
      const id = JSON.stringify(values)
      if (values.length === 0 || seen.has(id)) continue
      seen.add(id)
      result.push(values)
    }
  }
  return result
}

function primitiveValues(pair: Pair): string[][] {
  const values = new Set<string>()
  for (const list of [pair.patch, pair.target]) for (const element of list?.content ?? []) values.add(element.value)
  return [...values].map((value) => [value])
}

interface ListMerge {
  readonly pair: Pair
  readonly start: Node
  readonly schema: Schema
  readonly schemas: SchemaSet
}

function mergeElements(
  { pair, start, schema, schemas }: ListMerge,
  keys: readonly string[],
  elements: string[][],
): Node | undefined {
  const merged = emptyNode('seq')
  if (keys.length > 1) unifyPartial(elements)
  let usedKeys: readonly string[] = []
  for (const values of elements) {
    const [elementKeys, elementKeyValues] = keysInUse(elements, values, keys)
    usedKeys = elementKeys
    const sources = [pair.target, pair.patch].map(
      (list) => list && findElement(list, ...keysInUse([elementKeyValues], elementKeyValues, elementKeys)),
    )
    const element = walk({ target: sources[0], patch: sources[1] }, schema.items, schemas)
    if (element === undefined || isNull(element) || isEmptyMap(element)) {
      setElement(start, undefined, elementKeys, elementKeyValues)
      continue
    }
    for (const [i, key] of elementKeys.entries()) {
      const value = elementKeyValues[i] ?? ''
      if (key !== '' && value !== '' && element.kind === 'map' && !getField(element, key)) setField(element, key, scalarNode(value))
    }
    setElement(merged, element, elementKeys, elementKeyValues)
  }
  if (elements.length === 0) return start
  return appendElements(merged, start, usedKeys)
}

/** Elements that agree in one key and miss the others are one element. */
function unifyPartial(elements: string[][]): void {
  for (const [i] of elements.entries()) {
    for (const [j] of elements.entries()) {
      const unified = unify(elements[i] ?? [], elements[j] ?? [])
      if (!unified) continue
      elements[i] = unified
      elements[j] = unified
    }
  }
}

function unify(a: readonly string[], b: readonly string[]): string[] | undefined {
  if (a.length !== b.length) return undefined
  let common = false
  const result: string[] = []
  for (const [i, value] of a.entries()) {
    const other = b[i] ?? ''
    if (value === other) common = true
    else if (value !== '' && other !== '') return undefined
    result.push(value === '' ? other : value)
  }
  return common ? result : undefined
}

/** Only keys that some element has count; if none has any, all do. */
function keysInUse(
  elements: readonly (readonly string[])[],
  values: readonly string[],
  keys: readonly string[],
): [string[], string[]] {
  const used = keys.map((_, i) => elements.some((element) => (element[i] ?? '') !== ''))
  if (!used.includes(true)) return [[...keys], [...values]]
  return [keys.filter((_, i) => used[i]), values.filter((value, i) => value !== '' || used[i])]
}

function findElement(list: Node, keys: readonly string[], values: readonly string[]): Node | undefined {
  if (list.kind !== 'seq') return undefined
  if ((keys[0] ?? '') === '') return list.content.find((element) => element.value === (values[0] ?? ''))
  return list.content.find(
    (element) => element.kind === 'map' && keys.every((key, i) => getField(element, key)?.value === (values[i] ?? '')),
  )
}

/**
 * Puts `element` in the place of those that have the values, else at the end; without an element removes them.
 * Empty and null elements go. Source: ElementSetter of kyaml.
 */
function setElement(list: Node, element: Node | undefined, keys: readonly string[], values: readonly string[]): void {
  const byField = (keys[0] ?? '') !== '' && (values[0] ?? '') !== ''
  const content: Node[] = []
  let found = false
  for (const item of list.content) {
    if (isNull(item) || (item.kind === 'map' && item.content.length === 0)) continue
    if (item.kind !== 'map' && byField) {
      content.push(item)
      continue
    }
    if (!hasValues(item, keys, values)) {
      if (values.length > 0) content.push(item)
      continue
    }
    found = true
    if (element) content.push(element)
  }
  if (!found && element && !isNull(element)) content.push(element)
  list.content = content
}

function hasValues(item: Node, keys: readonly string[], values: readonly string[]): boolean {
  let last = false
  for (const [i, key] of keys.entries()) {
    const value = values[i]
    if (value === undefined) {
      if (!last) return false
      continue
    }
    last = matches(item, key, value)
    if (!last) return false
  }
  return true
}

function matches(item: Node, key: string, value: string): boolean {
  if (key === '') {
    requireKind(item, 'scalar')
    return item.value === value
  }
  requireKind(item, 'map')
  const field = getField(item, key)
  return field !== undefined && (value === '' || field.value === value)
}

/** Adds the target's elements behind the merged ones, in place of those with the same keys. */
function appendElements(merged: Node, target: Node, keys: readonly string[]): Node {
  for (const element of [...target.content]) {
    if ((keys[0] ?? '') === '') {
      setElement(merged, element, [''], [element.value])
      continue
    }
    const values: string[] = []
    for (const key of keys) {
      const field = matchField(element, key)
      if (field) values.push(field.value)
      else merged.content.push(element)
    }
    if (keys.length > 1) setElement(merged, undefined, keys, values)
    setElement(merged, element, keys, values)
  }
  return merged
}
