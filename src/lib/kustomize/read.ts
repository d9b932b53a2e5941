/** Files of manifests → objects, as kustomize reads them. */

import { BuildError, ParseError, type Place } from '../errors.ts'
import type { Json } from '../json.ts'
import {
  expandAliases,
  type Node,
  type NodeBudget,
  nodeBudget,
  nodeToJson,
  parseNodes,
  refuseLongText,
  type YamlLimits,
} from '../yaml/index.ts'
import { fieldText, getField, indexOfField, isEmpty, metadataMap } from './fields.ts'
import type { ParseCache } from './parse-cache.ts'
import { metadataText } from './resid.ts'
import { Resource } from './resource.ts'
import type { SchemaSet } from './schema.ts'
import { jsonToNode } from './spell.ts'

/** What reading a file of objects needs to know. */
export interface ReadOptions {
  readonly schemas: SchemaSet
  readonly file?: string | undefined
  readonly limits?: YamlLimits | undefined
  readonly cache?: ParseCache | undefined
  /** Note for each node how it stands in the text, whatever the text holds: what a patch adds to an object may be hashed with that. */
  readonly withSource?: boolean
}

/**
 * Reads the objects of a text; lists (any kind that ends in `List` and has items) are taken apart.
 * @throws BuildError or ParseError with file and line.
 */
export function readResources(text: string, options: ReadOptions): Resource[] {
  return readObjects(text, options).map((node) => new Resource(node, options.schemas, options.file))
}

function readObjects(text: string, options: ReadOptions): Node[] {
  const { cache, limits, withSource } = options
  const read = (): Node[] => readDocuments(text, options)
  const documents = cache ? cache.documents(text, { ...limits, ...(withSource && { withSource }) }, read) : read()
  const queue = documents.filter((node) => isUsable(node, options))
  const result: Node[] = []
  for (let next = 0; next < queue.length; next++) {
    const node = queue[next]
    if (!node) continue
    const items = fieldText(node, 'kind').endsWith('List') ? getField(node, 'items') : undefined
    if (!items) {
      result.push(node)
      continue
    }
    const list = nodeToJson(items, options.file)
    if (list === null) continue
    if (!Array.isArray(list)) {
      throw new BuildError(
        `expected array in ${fieldText(node, 'kind')}/items, but found ${goTypeName(list)}`,
        placeOf(items, options),
      )
    }
    for (const item of list) {
      const object = jsonToNode(item, { line: node.line })
      if (isUsable(object, options)) queue.push(object)
    }
  }
  return result
}

function goTypeName(value: Json): string {
  if (typeof value === 'object') return 'map[string]interface {}'
  return typeof value === 'boolean' ? 'bool' : typeof value === 'string' ? 'string' : 'int'
}

const SEPARATOR = /\n---.*\n/g

/** kustomize cuts at each line that begins with `---` before it parses, and reads one document of each piece. */
function readDocuments(text: string, options: ReadOptions): Node[] {
  refuseLongText(text, { ...options.limits, file: options.file })
  const normal = text.replaceAll('\r\n', '\n')
  const budget = nodeBudget(options.limits)
  const pieces = splitDocuments(normal, options)
  const documents: Node[] = []
  for (const piece of pieces) {
    const [node] = parsePiece(piece, options, budget)
    if (!node || node.tag === '!!null') continue
    const items = pieces.length === 1 && isWrapper(node) ? getField(node, 'items') : undefined
    if (items) documents.push(...items.content.map((item) => (item.kind === 'alias' && item.target ? item.target : item)))
    else if (pieces.length !== 1 || !isWrapper(node) || !getField(node, 'functionConfig')) documents.push(node)
  }
  for (const node of documents) expandAliases(node, options.file, budget)
  return documents
}

interface Piece {
  readonly text: string
  readonly firstLine: number
}

function splitDocuments(text: string, options: ReadOptions): Piece[] {
  if (text === '') return []
  const pieces: Piece[] = []
  let start = 0
  let firstLine = 1
  for (const match of text.matchAll(SEPARATOR)) {
    const rest = match[0].slice(4).trim()
    if (rest !== '' && !rest.startsWith('#')) {
      throw new BuildError(
        `invalid document separator: ${match[0].trim()}`,
        options.file === undefined ? {} : { file: options.file },
      )
    }
    const piece = `${text.slice(start, match.index)}\n`
    pieces.push({ text: piece, firstLine })
    firstLine += countLines(piece) + 1
    start = match.index + match[0].length
  }
  pieces.push({ text: text.slice(start), firstLine })
  return pieces
}

function countLines(text: string): number {
  let lines = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++
  return lines
}

/**
 * A comment may state a schema; one below a block text that keeps its last line breaks adds to them; and of kinds other than ConfigMap
 * and Secret the hash depends on them.
 */
const COMMENTS_MATTER = /#[ \t]*\{|[|>]\d?\+|internal\.config\.kubernetes\.io\/needsHashSuffix/

function parsePiece(piece: Piece, { file, limits, withSource = false }: ReadOptions, budget: NodeBudget): Node[] {
  try {
    const comments = withSource || COMMENTS_MATTER.test(piece.text)
    return parseNodes(piece.text, { dialect: 'kyaml', firstLine: piece.firstLine, firstOnly: true, budget, comments, ...limits })
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    const where = file === undefined ? '' : ` in File: ${file}`
    throw new BuildError(
      `MalformedYAMLError: ${error.message}${where}`,
      { ...error.place, ...(file !== undefined && { file }) },
      { cause: error },
    )
  }
}

function isWrapper(node: Node): boolean {
  const kind = fieldText(node, 'kind')
  return (
    (kind === 'ResourceList' || kind === 'List') &&
    node.kind === 'map' &&
    (indexOfField(node, 'items') >= 0 || indexOfField(node, 'functionConfig') >= 0)
  )
}

/** False for what is empty. @throws BuildError for what has no kind or no name. */
function isUsable(node: Node, options: ReadOptions): boolean {
  if (isEmpty(node)) return false
  requireIdentity(node, options)
  return true
}

/** @throws BuildError unless the object has a kind, and a name where it is no list. */
export function requireIdentity(node: Node, options: Pick<ReadOptions, 'file'>): void {
  const kind = fieldText(node, 'kind')
  const metadata = getField(node, 'metadata')
  if (kind === '' && fieldText(node, 'apiVersion') === '' && (isEmpty(metadata) || !hasMetadata(metadata))) {
    throw new BuildError('missing Resource metadata', placeOf(node, options))
  }
  if (kind === '') throw new BuildError(`missing kind in object ${identityText(node)}`, placeOf(node, options))
  if (kind.endsWith('List') || metadataText(node, 'name') !== '') return
  throw new BuildError(`missing metadata.name in object ${identityText(node)}`, placeOf(node, options))
}

function hasMetadata(metadata: Node | undefined): boolean {
  return ['name', 'namespace', 'labels', 'annotations'].some((name) => !isEmpty(getField(metadata, name)))
}

function identityText(node: Node): string {
  const pairs = (name: 'labels' | 'annotations'): string =>
    [...metadataMap(node, name)]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}:${value}`)
      .join(' ')
  const id = [metadataText(node, 'name'), metadataText(node, 'namespace')].join(' ')
  return `{{${fieldText(node, 'apiVersion')} ${fieldText(node, 'kind')}} {{${id}} map[${pairs('labels')}] map[${pairs('annotations')}]}}`
}

function placeOf(node: Node, { file }: Pick<ReadOptions, 'file'>): Place {
  return { ...(file !== undefined && { file }), ...(node.line > 0 && { line: node.line }) }
}
