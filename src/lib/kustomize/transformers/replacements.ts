/** replacements: copies the value of one field into others. */

import { BuildError } from '../../errors.ts'
import {
  assign,
  copyNode,
  loadFirst,
  type Node,
  type NodeBudget,
  nodeToJson,
  parseNodes,
  printNode,
  scalarNode,
} from '../../yaml/index.ts'
import {
  emptyNode,
  getField,
  isEmpty,
  isListIndex,
  isListSelector,
  isNull,
  kindForNext,
  lookup,
  matchField,
  requireKind,
  setField,
  splitBracketedPath,
  splitListSelector,
  wrapError,
} from '../fields.ts'
import { goJson } from '../gojson.ts'
import {
  type FieldOptions,
  type Replacement,
  type ReplacementField,
  type ReplacementSource,
  type ReplacementTarget,
  replacement,
} from '../kustomization.ts'
import type { Loader } from '../loader.ts'
import { effectiveNamespace, isSelected, type ResourceId, resourceIdText } from '../resid.ts'
import type { ResMap } from '../resmap.ts'
import type { Resource } from '../resource.ts'
import { compileExpression, compileSelector, parseLabelSelector, type Selector } from '../selector.ts'

const DEFAULT_PATH = 'metadata.name'

/** Reads the replacements that stand in files. @throws BuildError for an entry that has both a path and a replacement. */
export function loadReplacements(fields: readonly ReplacementField[], loader: Loader): Replacement[] {
  return fields.flatMap((field) => {
    if (field.path === '') return [field]
    if (field.source || (field.targets?.length ?? 0) > 0) throw new BuildError('cannot specify both path and inline replacement')
    const value = loadFirst(loader.text(field.path), { dialect: 'sigs', file: loader.fileName(field.path) }) ?? null
    const context = { strict: false, coerce: true, path: '' }
    if (Array.isArray(value)) return value.map((item) => replacement(item, context))
    if (typeof value === 'object' && value !== null) return [replacement(value, context)]
    throw new BuildError(`unsupported replacement type encountered within replacement path: ${field.path}`)
  })
}

/** Copies of objects into themselves double with each target. */
const MAX_COPIED_NODES = 1_000_000

export function applyReplacements(resources: ResMap, replacements: readonly Replacement[]): void {
  const budget = { left: MAX_COPIED_NODES }
  for (const { source, sourceValue, targets } of replacements) {
    if ((source === undefined && sourceValue === undefined) || targets === undefined) {
      throw new BuildError('replacements must specify a source and at least one target', { path: 'replacements' })
    }
    if (source && sourceValue !== undefined) throw new BuildError('value and resource selectors are mutually exclusive')
    const value = source ? sourceNode(resources, source) : scalarNode(sourceValue ?? '')
    for (const target of targets) replaceIn(resources, { value, budget }, target)
  }
}

function sourceNode(resources: ResMap, source: ReplacementSource): Node {
  const { node } = sourceResource(resources, source)
  const fieldPath = source.fieldPath || DEFAULT_PATH
  let field: Node | undefined
  try {
    field = node && lookup(node, splitBracketedPath(fieldPath, '.'))
  } catch (error) {
    throw wrapError(error, 'error looking up replacement source')
  }
  if (!field || isEmpty(field)) {
    throw new BuildError(
      `fieldPath \`${fieldPath}\` is missing for replacement source ${resourceIdText({ ...source, clusterScoped: false })}`,
    )
  }
  return refine(field, source)
}

function sourceResource(resources: ResMap, source: ReplacementSource): Resource {
  const matches = (id: ResourceId): boolean =>
    (source.name === '' || source.name === id.name) &&
    (source.namespace === '' ||
      effectiveNamespace({ ...id, namespace: source.namespace, clusterScoped: false }) === effectiveNamespace(id)) &&
    isSelected(id, source)
  const found = resources.resources().filter((resource) => idsOf(resource).some(matches))
  const [first] = found
  if (found.length > 1) throw new BuildError(`multiple matches for selector ${sourceText(source)}`)
  if (!first) throw new BuildError(`nothing selected by ${sourceText(source)}`)
  return first
}

/** Present and former identities; scopes play no part here. */
function idsOf(resource: Resource): ResourceId[] {
  return [{ ...resource.currentId(), clusterScoped: false }, ...resource.previousIds()]
}

function sourceText(source: ReplacementSource): string {
  const { options } = source
  const shown =
    options && (options.delimiter !== '' || options.create)
      ? `${options.delimiter}(${options.index}), create=${options.create}`
      : ''
  return [resourceIdText({ ...source, clusterScoped: false }), source.fieldPath, shown].filter((part) => part !== '').join(':')
}

function refine(field: Node, source: ReplacementSource): Node {
  const { options } = source
  if (!options || options.delimiter === '') return field
  if (field.kind !== 'scalar') throw new BuildError('delimiter option can only be used with scalar nodes')
  const part = field.value.split(options.delimiter)[options.index]
  if (part === undefined || options.index < 0)
    throw new BuildError(
      `options.index ${options.index} is out of bounds for value ${source.kind === 'Secret' ? 'of the Secret' : field.value}`,
    )
  return { ...copyNode(field), value: part }
}

interface Source {
  readonly value: Node
  readonly budget: NodeBudget
}

function spend(budget: NodeBudget, node: Node): void {
  if (--budget.left < 0) throw new BuildError('the replacements copy too much')
  for (const child of node.content) spend(budget, child)
}

function replaceIn(resources: ResMap, source: Source, target: ReplacementTarget): void {
  if (!target.select) throw new BuildError('target must specify resources to select')
  const { select } = target
  const selected = matcher(select)
  const rejected = target.reject.filter(hasId).map(matcher)
  const byMetadata = metadataMatcher(select, target.reject)
  const paths = target.fieldPaths.length === 0 ? [DEFAULT_PATH] : target.fieldPaths
  for (const resource of resources.resources()) {
    const ids = idsOf(resource)
    if (!byMetadata(resource) || ids.some((id) => rejected.some((matches) => matches(id))) || !ids.some(selected)) continue
    if (resource.node) for (const path of paths) replaceAt(resource.node, source, path, target.options)
  }
}

function hasId({ group, version, kind, name, namespace }: Selector): boolean {
  return [group, version, kind, name, namespace].some((part) => part !== '')
}

function matcher(selector: Selector): (id: ResourceId) => boolean {
  const compiled = compileSelector(selector)
  return (id) => compiled.matchesKind(id) && compiled.matchesName(id.name) && compiled.matchesNamespace(id.namespace)
}

function metadataMatcher(select: Selector, reject: readonly Selector[]): (resource: Resource) => boolean {
  const matches = byLabelsAndAnnotations(select)
  const rejections = reject.filter((one) => one.labelSelector !== '' || one.annotationSelector !== '').map(byLabelsAndAnnotations)
  return (resource) => matches(resource) && !rejections.some((rejects) => rejects(resource))
}

function byLabelsAndAnnotations({ labelSelector, annotationSelector }: Selector): (resource: Resource) => boolean {
  const [labels, annotations] = [parseLabelSelector(labelSelector), parseLabelSelector(annotationSelector)]
  return (resource) => annotations(resource.annotations()) && labels(resource.labels())
}

function replaceAt(node: Node, { value, budget }: Source, path: string, options: FieldOptions | undefined): void {
  const parts = splitBracketedPath(path, '.')
  const create = options?.create ? value.kind : undefined
  if (replaceInsideText(node, value, parts, create)) return
  const missing = `unable to find ${create === undefined ? '' : 'or create '}field ${JSON.stringify(path)} in replacement target`
  let fields: readonly Node[] | undefined
  try {
    fields = matchPath(node, parts, create)
  } catch (error) {
    throw wrapError(error, missing)
  }
  if (!fields || fields.length === 0) throw new BuildError(missing)
  for (const field of fields) {
    spend(budget, value)
    setValue(field, value, options)
  }
}

function setValue(field: Node, value: Node, options: FieldOptions | undefined): void {
  const copy = copyNode(value)
  if (options && options.delimiter !== '') {
    if (field.kind !== 'scalar') throw new BuildError('delimiter option can only be used with scalar nodes')
    const parts = field.value.split(options.delimiter)
    const text = isNull(copy) ? '' : copy.value
    if (options.index < 0) parts.unshift(text)
    else if (options.index >= parts.length) parts.push(text)
    else parts[options.index] = text
    copy.value = parts.join(options.delimiter)
  }
  // A scalar keeps its type: an integer put into a string field becomes a string.
  if (field.kind === 'scalar') field.value = copy.value
  else assign(field, copy)
}

/**
 * All nodes at a path, in which `*` stands for every item and `[name=expression]` for the items that match.
 * Undefined when a field on the way is missing. Source: PathMatcher of kyaml.
 */
function matchPath(node: Node, path: readonly string[], create: Node['kind'] | undefined): Node[] | undefined {
  const [part, ...rest] = path
  if (part === undefined) return [node]
  if (isListIndex(part)) return matchIndex(node, Number(part), rest, create)
  if (isListSelector(part)) return matchItems(node, part, rest, create)
  if (part === '*') {
    requireKind(node, 'seq')
    return isNull(node) ? undefined : flatten(node.content.map((item) => matchPath(item, rest, create)))
  }
  return matchMember(node, part, rest, create)
}

function flatten(results: readonly (Node[] | undefined)[]): Node[] | undefined {
  const found = results.filter((result) => result !== undefined)
  return found.length === 0 ? undefined : found.flat()
}

function matchMember(node: Node, name: string, rest: readonly string[], create: Node['kind'] | undefined): Node[] | undefined {
  let field = matchField(node, name)
  if (!field) {
    if (create === undefined) return undefined
    const created = emptyNode(kindForNext(rest[0] ?? '', create))
    // Below a null a field counts as made, and is never seen.
    field = isNull(node) ? created : setField(node, name, created)
    if (!field) return undefined
  }
  // What is set inside of the text is lost, as upstream: only `replaceInsideText` writes texts back.
  if (field.kind === 'scalar' && rest.length > 0) return matchPath(parseText(field.value), rest, create)
  return matchPath(field, rest, create)
}

function parseText(text: string): Node {
  const [node] = parseNodes(text, { dialect: 'kyaml' })
  return node ?? scalarNode('')
}

function matchIndex(list: Node, index: number, rest: readonly string[], create: Node['kind'] | undefined): Node[] | undefined {
  requireKind(list, 'seq')
  if (index === list.content.length && create !== undefined) list.content.push(emptyNode(kindForNext(rest[0] ?? '', create)))
  const item = list.content[index]
  if (!item) throw new BuildError(`index ${index} specified but only ${list.content.length} elements found`)
  return matchPath(item, rest, create)
}

function matchItems(list: Node, part: string, rest: readonly string[], create: Node['kind'] | undefined): Node[] | undefined {
  requireKind(list, 'seq')
  const [name, pattern] = splitListSelector(part)
  const found = matchingItems(list, name, pattern, rest, create)
  if (found || create === undefined) return found
  list.content.push(name === '' ? scalarNode(pattern) : { ...emptyNode('map'), content: [scalarNode(name), scalarNode(pattern)] })
  return matchingItems(list, name, pattern, rest, create)
}

function matchingItems(
  list: Node,
  name: string,
  pattern: string,
  rest: readonly string[],
  create: Node['kind'] | undefined,
): Node[] | undefined {
  const expression = compileExpression(pattern)
  const results = list.content.map((item) => {
    const field = name === '' ? item : getField(item, name)
    if (!field || !expression.matcher(printNode(field).trim()).find()) return undefined
    return name === '' ? [item] : matchPath(item, rest, create)
  })
  const found = flatten(results)
  return found?.length === 0 ? undefined : found
}

/** Sets a value inside of JSON or YAML that a scalar holds. False when the path leads through no such scalar. */
function replaceInsideText(root: Node, value: Node, path: readonly string[], create: Node['kind'] | undefined): boolean {
  const holder = findText(root, path)
  if (!holder) return false
  try {
    const fields = matchPath(holder.document, holder.rest, create)
    if (!fields || fields.length === 0) return false
    for (const field of fields) {
      if (field.kind === 'scalar') field.value = value.value
      else assign(field, value)
    }
    holder.field.value = printText(holder.document, holder.field.value)
    return true
  } catch (error) {
    if (error instanceof Error && 'place' in error) return false
    throw error
  }
}

function findText(root: Node, path: readonly string[]): { field: Node; document: Node; rest: readonly string[] } | undefined {
  for (let length = 1; length < path.length; length++) {
    try {
      const field = lookup(root, path.slice(0, length))
      if (field?.kind === 'scalar') return { field, document: parseText(field.value), rest: path.slice(length) }
    } catch (error) {
      if (!(error instanceof Error && 'place' in error)) throw error
    }
  }
  return undefined
}

function printText(document: Node, before: string): string {
  const first = before.trim()[0]
  if (first !== '{' && first !== '[') return printNode(document).trim()
  const isIndented = before.includes('\n') && before.includes('  ')
  return goJson(nodeToJson(document), isIndented ? '  ' : '')
}
