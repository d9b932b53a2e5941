/** Reading and editing the fields of nodes, with kyaml's rules for what an edit does to tags and quotes. */

import { BuildError } from '../errors.ts'
import { assign, type Node, resolveTag, scalarNode, stringNode } from '../yaml/index.ts'

/** A field was of another kind than the edit needs. */
export class KindError extends BuildError {
  readonly node: Node
  constructor(expected: Node['kind'], node: Node) {
    super(`wrong node kind: expected ${KIND_NAMES[expected]} but got ${KIND_NAMES[node.kind]}`, {
      ...(node.line > 0 && { line: node.line }),
    })
    this.node = node
  }
}

/** The KindError that is behind an error. */
export function kindErrorIn(error: unknown): KindError | undefined {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) if (cause instanceof KindError) return cause
  return undefined
}

const KIND_NAMES = { map: 'MappingNode', seq: 'SequenceNode', scalar: 'ScalarNode', alias: 'AliasNode' } as const

/** The error with what was being done in front of its message; keeps the place. */
export function wrapError(error: unknown, prefix: string): BuildError {
  const place = error instanceof Error && 'place' in error ? (error.place as BuildError['place']) : {}
  return new BuildError(`${prefix}: ${error instanceof Error ? error.message : String(error)}`, place, { cause: error })
}

/** Runs `action`; what it throws gets `prefix` in front. */
export function withPrefix<T>(prefix: () => string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof BuildError || (error instanceof Error && 'place' in error)) throw wrapError(error, prefix())
    throw error
  }
}

/** Nulls that a merge must not take for a removal. */
const persistentNulls = new WeakSet<Node>()

/** A null that stays in the output, spelled as it was. */
export function persistentNull(value: string): Node {
  const node = scalarNode(value, '!!null')
  persistentNulls.add(node)
  return node
}

export function isNull(node: Node | undefined): boolean {
  return node === undefined || node.tag === '!!null'
}

export function isEmptyMap(node: Node | undefined): boolean {
  return node === undefined || isNull(node) || (node.kind === 'map' && node.content.length === 0)
}

/** Missing, null, or a collection without content. */
export function isEmpty(node: Node | undefined): boolean {
  return node === undefined || isNull(node) || (node.kind !== 'scalar' && node.kind !== 'alias' && node.content.length === 0)
}

/** A string, or a scalar whose tag is still to be resolved. */
export function isString(node: Node | undefined): boolean {
  return node !== undefined && node.kind === 'scalar' && (node.tag === '!!str' || node.tag === '')
}

/** @throws KindError unless the node is null or of the kind. */
export function requireKind(node: Node, kind: Node['kind']): void {
  if (!isNull(node) && node.kind !== kind) throw new KindError(kind, node)
}

/** Position of a key in the content of a mapping, or -1. */
export function indexOfField(map: Node, name: string): number {
  const { content } = map
  for (let i = 0; i < content.length; i += 2) {
    if (content[i]?.value === name) return i
  }
  return -1
}

/** The value of a field; undefined also for what is no mapping. */
export function getField(node: Node | undefined, name: string): Node | undefined {
  if (node?.kind !== 'map') return undefined
  const at = indexOfField(node, name)
  return at < 0 ? undefined : node.content[at + 1]
}

/** The value of a field. @throws KindError for what is no mapping. */
export function matchField(node: Node, name: string): Node | undefined {
  if (isNull(node)) return undefined
  requireKind(node, 'map')
  return getField(node, name)
}

/** Text of a scalar field, `''` when it is missing or null. */
export function fieldText(node: Node | undefined, name: string): string {
  const value = getField(node, name)
  return value === undefined || isNull(value) ? '' : value.value
}

/** Removes a field. @throws KindError for what is no mapping. */
export function clearField(map: Node, name: string): void {
  if (isNull(map)) return
  requireKind(map, 'map')
  const at = indexOfField(map, name)
  if (at >= 0) map.content.splice(at, 2)
}

/**
 * Sets a field of a mapping; null removes it. An existing value is overwritten in place and keeps its quotes.
 * @returns the node that now holds the value.
 */
export function setField(map: Node, name: string, value: Node | undefined, keyStyle: Node['style'] = 'plain'): Node | undefined {
  if (value) quoteIfNoString(value)
  if (value === undefined || (value.tag === '!!null' && !persistentNulls.has(value))) {
    clearField(map, name)
    return undefined
  }
  const field = matchField(map, name)
  if (field) {
    value.style = field.style
    assign(field, value)
    return field
  }
  if (isNull(map)) return undefined
  map.content.push({ ...scalarNode(name), style: keyStyle }, value)
  return value
}

/** Replaces a scalar, tag included; its quotes stay. @throws KindError for a collection. */
export function setScalar(node: Node, value: Node): void {
  quoteIfNoString(value)
  requireKind(node, 'scalar')
  if (isNull(value)) return
  value.style = node.style
  assign(node, value)
}

/** Without quotes a text such as `123` would become a number. Timestamps are not protected: neither are they upstream. */
function quoteIfNoString(value: Node): void {
  if (value.style !== 'plain' || !isString(value) || value.value === '' || value.value.includes('\n')) return
  const tag = resolveTag(value.value, 'sigs')
  if (tag !== '!!str' && tag !== '!!timestamp') value.style = 'double'
}

/** A setter of one entry of a mapping, or of a scalar when the name is empty. One node is shared by all that it sets, as upstream. */
export function entrySetter(name: string, value: string, tag: string): (node: Node) => void {
  const shared = scalarNode(value, tag)
  return (node) => {
    if (name === '') setScalar(node, shared)
    else setField(node, name, shared)
  }
}

/** As `entrySetter`, but leaves what has a value already. */
export function emptyEntrySetter(name: string, value: string, tag: string): (node: Node) => void {
  const set = entrySetter(name, value, tag)
  return (node) => {
    if (!hasValue(node, name)) set(node)
  }
}

function hasValue(node: Node, name: string): boolean {
  if (isEmpty(node)) return false
  if (node.kind === 'scalar') return node.value !== ''
  const entry = getField(node, name)
  return entry !== undefined && !isEmpty(entry) && entry.value !== ''
}

/** Follows a path of field names, list positions (`0`, `-` for the last) and `[name=value]` selectors. */
export function lookup(node: Node, path: readonly string[]): Node | undefined {
  return follow(node, path, undefined)
}

/** As `lookup`, but creates what is missing; the last part as `kind`. */
export function lookupCreate(node: Node, kind: Node['kind'], path: readonly string[]): Node | undefined {
  return follow(node, path, kind)
}

function follow(root: Node, path: readonly string[], create: Node['kind'] | undefined): Node | undefined {
  const parts = path.map((part) => part.trim()).filter((part) => part !== '')
  let node: Node | undefined = root
  for (let i = 0; i < parts.length && node; i++) {
    node = step(node, parts[i] ?? '', parts[i + 1] ?? '', create)
  }
  return node
}

function step(node: Node, part: string, next: string, create: Node['kind'] | undefined): Node | undefined {
  if (/^[+-]?\d+$/.test(part)) return elementAt(node, Number(part))
  if (part === '-') return elementAt(node, Number.NaN)
  if (part === '*') throw new BuildError('wildcard is not supported in PathGetter')
  if (isListSelector(part)) return selectElement(node, part, create)
  const field = matchField(node, part)
  if (field || create === undefined || isNull(node)) return field
  return setField(node, part, emptyNode(kindForNext(next, create)))
}

function elementAt(node: Node, index: number): Node | undefined {
  if (index < 0) throw new BuildError(`array index ${index} cannot be negative`)
  requireKind(node, 'seq')
  return Number.isNaN(index) ? node.content.at(-1) : node.content[index]
}

function selectElement(list: Node, part: string, create: Node['kind'] | undefined): Node | undefined {
  const [name, value] = splitListSelector(part)
  requireKind(list, 'seq')
  const found = list.content.find((element) =>
    name === '' ? element.value === value : element.kind === 'map' && getField(element, name)?.value === value,
  )
  if (found || create === undefined) return found
  const element = name === '' ? scalarNode(value) : { ...emptyNode('map'), content: [scalarNode(name), scalarNode(value)] }
  list.content.push(element)
  return element
}

/** A node of a kind without a tag, as kyaml makes them for missing fields. */
export function emptyNode(kind: Node['kind']): Node {
  return { ...scalarNode(''), kind }
}

/** What a missing field has to be so that the next part of a path fits into it. */
export function kindForNext(next: string, last: Node['kind']): Node['kind'] {
  if (isListSelector(next) || isListIndex(next)) return 'seq'
  return next === '' ? last : 'map'
}

export function isListSelector(part: string): boolean {
  return part.startsWith('[') && part.endsWith(']')
}

export function isListIndex(part: string): boolean {
  return /^\+?\d+$/.test(part)
}

/** `[name=value]` → name and value. */
export function splitListSelector(part: string): [name: string, value: string] {
  const inner = part.slice(1, -1)
  const at = inner.indexOf('=')
  if (at < 0) throw new BuildError('list path element must contain fieldName=fieldValue for element to match')
  return [inner.slice(0, at), inner.slice(at + 1)]
}

/** Splits a path at a delimiter that `\` escapes. */
export function splitPath(path: string, delimiter: string): string[] {
  let parts = path.split(delimiter)
  if (parts.length > 1 && parts[0] === '') parts = parts.slice(1)
  const result = [parts[0] ?? '']
  for (const part of parts.slice(1)) {
    const last = result.at(-1) ?? ''
    if (last.endsWith('\\')) result[result.length - 1] = `${last.slice(0, -1)}${delimiter}${part}`
    else result.push(part)
  }
  return result
}

/** As `splitPath`, but keeps what stands between brackets together: `a.[b=c.d].e`. */
export function splitBracketedPath(path: string, delimiter: string): string[] {
  const parts = splitPath(path, delimiter)
  const result: string[] = []
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] ?? ''
    if (!part.startsWith('[') || part.endsWith(']')) {
      result.push(part)
      continue
    }
    const bracketed = [part]
    while (i < parts.length - 1) {
      bracketed.push(parts[++i] ?? '')
      if (parts[i]?.endsWith(']')) break
    }
    const joined = bracketed.join(delimiter)
    result.push(joined.includes('=') ? joined : joined.replace(/^[[\]]+|[[\]]+$/g, ''))
  }
  return result
}

/** Entries of `metadata.labels` or `metadata.annotations`, values as written. */
export function metadataMap(root: Node | undefined, name: 'labels' | 'annotations'): Map<string, string> {
  const metadata = getField(root, 'metadata')
  const entries = new Map<string, string>()
  const map = isEmpty(metadata) ? undefined : getField(metadata, name)
  if (map?.kind !== 'map') return entries
  for (let i = 0; i < map.content.length; i += 2) entries.set(map.content[i]?.value ?? '', map.content[i + 1]?.value ?? '')
  return entries
}

/** Replaces `metadata.labels` or `metadata.annotations`: sorted, all values strings; no entries: no field. */
export function setMetadataMap(root: Node, name: 'labels' | 'annotations', entries: ReadonlyMap<string, string>): void {
  const metadata = lookupCreate(root, 'map', ['metadata'])
  if (!metadata) return
  clearField(metadata, name)
  if (entries.size === 0) return
  const map = lookupCreate(metadata, 'map', [name])
  if (!map) return
  for (const key of [...entries.keys()].sort(compareBytes)) setField(map, key, stringNode(entries.get(key) ?? ''))
}

/** Sets one annotation. */
export function setAnnotation(root: Node, key: string, value: string): void {
  const metadata = getField(root, 'metadata')
  if (metadata) clearIfEmpty(metadata, 'annotations')
  clearIfEmpty(root, 'metadata')
  const map = lookupCreate(root, 'map', ['metadata', 'annotations'])
  if (map) setField(map, key, { ...stringNode(value), style: 'single' })
}

function clearIfEmpty(map: Node, name: string): void {
  const value = matchField(map, name)
  if (value && value.content.length === 0) clearField(map, name)
}

/** Order of Go strings: by UTF-8 bytes, which is the order of code points. */
export function compareBytes(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (x === y) continue
    const [xHigh, yHigh] = [x >= 0xd800 && x <= 0xdfff, y >= 0xd800 && y <= 0xdfff]
    return xHigh === yHigh ? x - y : xHigh ? 1 : -1
  }
  return a.length - b.length
}
