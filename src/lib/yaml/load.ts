/** Nodes → plain values, as the two Go libraries decode them. */

import { ParseError, type Place } from '../errors.ts'
import type { Json, JsonObject } from '../json.ts'
import { loadBlock } from './block.ts'
import { goSyntax, isUnsigned } from './gosyntax.ts'
import { copyNode, type Node } from './node.ts'
import { formatNumber } from './number.ts'
import { type NodeBudget, type ParseOptions, parseNodes, yamlError } from './parse.ts'
import { chompingOf } from './scalar-style.ts'
import { parseBoolean, parseFloatWord, parseInteger, parseTimestamp, resolveTag } from './schema.ts'

/** Nodes that aliases may add to one document: more is a bomb. Source: the bound of go-yaml for small documents. */
const MAX_ALIASED_NODES = 400_000
const RESOLVABLE: ReadonlySet<string> = new Set(['!!null', '!!bool', '!!int', '!!float', '!!timestamp', '!!str'])

export interface LoadOptions extends ParseOptions {
  /** Refuse duplicate keys in the `sigs` dialect too (there the last one wins); `kyaml` always refuses them. */
  readonly strict?: boolean
}

interface DecodeOptions extends LoadOptions {
  /** Decode as if the tree had been written and read once more. */
  readonly reprinted?: boolean
  /** What is written last, with a comment below it. */
  readonly beforeComment?: Node | undefined
}

/**
 * Loads every document of a text; an empty document is null, a text of nothing but comments has none.
 * Integers beyond 2^53 are `bigint`. Timestamps are strings: as written (`sigs`), in RFC 3339 form (`kyaml`).
 * @throws ParseError with file and line for what the Go library refuses: bad syntax, duplicate keys, keys that are no scalars, infinities.
 */
export function loadAll(text: string, options: LoadOptions): Json[] {
  return parseNodes(text, options).map((node) => {
    if (options.dialect === 'kyaml') expandAliases(node, options.file)
    return new Decoder(options).document(node)
  })
}

/** The first document alone, as Go's Unmarshal reads it; undefined when there is none. What follows is not even checked. */
export function loadFirst(text: string, options: LoadOptions): Json | undefined {
  const value = options.dialect === 'sigs' && isBelowLimits(text, options) ? loadBlock(text) : undefined
  return value ?? loadAll(text, { ...options, firstOnly: true })[0]
}

/** Whether no limit can be reached: each node takes a character at least. */
function isBelowLimits({ length }: string, { budget, maxLength, maxNodes, maxDepth }: LoadOptions): boolean {
  const most = Math.min(maxLength ?? length, maxNodes ?? length)
  return budget === undefined && maxDepth === undefined && length <= most
}

/** A tree without aliases as plain values, in kustomize's reading. @throws ParseError as loadAll does. */
export function nodeToJson(node: Node, file?: string): Json {
  const beforeComment = node.source?.end ? lastNode(node) : undefined
  return new Decoder({ dialect: 'kyaml', file, reprinted: true, beforeComment }).decode(node)
}

/** What is written last, unless comments of its own or of what holds it are written behind it. */
function lastNode(node: Node): Node | undefined {
  if (node.source?.foot) return undefined
  const last = node.content.at(-1)
  if (!last) return node
  return node.kind === 'map' && node.content.at(-2)?.source?.foot ? undefined : lastNode(last)
}

/**
 * What is left of a block text after go-yaml 3 has written and read it once more, as kustomize does with each object: in a folded one a
 * break next to an indented line is doubled. Source: yaml_emitter_write_folded_scalar, which looks at the start of the text in place of
 * the next line.
 * @throws ParseError for a text that begins with a tab, which go-yaml writes but cannot read.
 */
function printBlockAgain({ value: text, style, line }: Node, file: string | undefined): string {
  if (!canBeBlock(text)) return text
  if (text.startsWith('\t')) throw yamlError('found a tab character where an indentation space is expected', file, line)
  return style === 'folded' && text.includes('\n') ? foldAgain(text) : text
}

function canBeBlock(text: string): boolean {
  return !text.endsWith(' ') && !/ \n/.test(text) && !UNPRINTABLE.test(text)
}

function foldAgain(text: string): string {
  const doubles = !/^\n*(?:[ \t]|$)/.test(text)
  let written = ''
  let [afterBreak, indented] = [true, true]
  for (const char of text) {
    if (char === '\n') {
      written += !afterBreak && !indented && doubles ? '\n\n' : '\n'
      afterBreak = true
      continue
    }
    if (afterBreak) indented = char === ' ' || char === '\t'
    written += (afterBreak ? '  ' : '') + char
    afterBreak = false
  }
  const header = `>${/^[ \n]/.test(text) ? '2' : ''}${chompingOf(text)}\n`
  return parseNodes(header + written, { dialect: 'kyaml' })[0]?.value ?? text
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const UNPRINTABLE = /[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]/

/**
 * Replaces aliases and merge keys by what they stand for, in place.
 * Keys of the mapping itself win over merged ones; of several merged mappings the first wins.
 * @throws ParseError for anchors that contain themselves, and for more than the budget of copied nodes.
 */
export function expandAliases(root: Node, file?: string, budget: NodeBudget = { left: MAX_ALIASED_NODES }): void {
  const expanding = new Set<Node>()
  expand(root)

  function expand(node: Node): void {
    if (node.kind === 'scalar') {
      node.anchor = undefined
      return
    }
    if (expanding.has(node)) throw yamlError(`anchor '${node.anchor}' value contains itself`, file, node.line)
    expanding.add(node)
    if (node.kind === 'map') mergeKeys(node)
    for (let i = 0; i < node.content.length; i++) {
      const child = node.content[i]
      if (child?.kind === 'alias') node.content[i] = resolved(child)
      else if (child) expand(child)
    }
    node.anchor = undefined
    expanding.delete(node)
  }

  function resolved(alias: Node): Node {
    const target = alias.target
    if (!target) throw yamlError(`unknown anchor '${alias.value}' referenced`, file, alias.line)
    if (target.kind !== 'alias') expand(target)
    spend(target, alias)
    return copyNode(target)
  }

  function spend(node: Node, alias: Node): void {
    if (--budget.left < 0) throw yamlError('document contains excessive aliasing', file, alias.line)
    for (const child of node.content) spend(child, alias)
  }

  function mergeKeys(map: Node): void {
    const isKey = (key: Node, i: number): boolean => i % 2 === 0 && key.value === '<<'
    // The first key of that name goes, even in quotes, when it is not merged.
    const at = map.content.findIndex(isKey)
    if (at < 0) return
    const merges = map.content.flatMap((key, i) => (isKey(key, i) && key.tag === '!!merge' ? [map.content[i + 1]] : []))
    if (merges.length > 1) throw yamlError('duplicate merge key', file, map.line)
    map.content.splice(at, 2)
    const [value] = merges
    const sources = value ? mergeSources(value) : []
    const own = new Set(map.content.filter((_, i) => i % 2 === 0).map((key) => key.value))
    for (const source of sources) {
      expand(source)
      for (let i = 0; i < source.content.length; i += 2) {
        const [key, inherited] = [source.content[i], source.content[i + 1]]
        if (!key || !inherited || own.has(key.value)) continue
        own.add(key.value)
        spend(inherited, map)
        map.content.push(copyNode(key), copyNode(inherited))
      }
    }
  }

  function mergeSources(value: Node): Node[] {
    if (value.kind === 'map') return [value]
    if (value.kind === 'alias') {
      if (value.target?.kind === 'map') return [value.target]
      throw yamlError('invalid map merge: received alias for a non-map value', file, value.line)
    }
    if (value.kind !== 'seq') throw yamlError('map merge requires map or sequence of maps as the value', file, value.line)
    return value.content.flatMap((item) => {
      if (item.kind === 'seq') throw yamlError('invalid map merge: received a nested sequence', file, item.line)
      return mergeSources(item)
    })
  }
}

/** Decodes one document. Errors carry the line of the node; their message names it only in the `kyaml` dialect, as in Go. */
class Decoder {
  readonly #options: DecodeOptions
  #aliased = 0
  #insideAlias = 0
  #flowLevel = 0
  readonly #open = new Set<Node>()
  /** Keys that were there before, in the words of go-yaml 2, which goes on and tells them all. */
  readonly #duplicates: string[] = []
  /** Mappings with a key that sigs.k8s.io/yaml does not know: it is told when the YAML library is done, if the mapping is still there. */
  readonly #unknownKeys = new Map<Json, ParseError>()
  /** A number that JSON does not know. */
  #infinite: Node | undefined

  constructor(options: DecodeOptions) {
    this.#options = options
  }

  /** @throws ParseError for keys that are there twice, where they are refused. */
  document(node: Node): Json {
    const value = this.decode(node)
    if (this.#duplicates.length > 0) throw this.#error(['unmarshal errors:', ...this.#duplicates].join('\n  '), node)
    if (this.#unknownKeys.size > 0) refuseUnknownKeys(value, this.#unknownKeys)
    if (this.#infinite) refuseInfinite(value, this.#infinite, this.#options.file)
    return value
  }

  decode(node: Node): Json {
    if (this.#insideAlias > 0 && ++this.#aliased > MAX_ALIASED_NODES)
      throw this.#error('document contains excessive aliasing', node)
    switch (node.kind) {
      case 'scalar':
        return this.#scalar(node)
      case 'seq':
        return this.#collection(node, () => node.content.map((item) => this.decode(item)))
      case 'map':
        return this.#collection(node, () => this.#map(node))
      case 'alias':
        return this.#throughAlias(node, (target) => this.decode(target))
    }
  }

  #collection<T extends Json>(node: Node, read: () => T): T {
    if (node.style !== 'flow') return read()
    this.#flowLevel++
    const value = read()
    this.#flowLevel--
    return value
  }

  #throughAlias<T>(alias: Node, read: (target: Node) => T): T {
    const target = alias.target
    if (!target || this.#open.has(target)) throw this.#error(`anchor '${alias.value}' value contains itself`, alias)
    this.#open.add(target)
    this.#insideAlias++
    const value = read(target)
    this.#insideAlias--
    this.#open.delete(target)
    return value
  }

  #map(node: Node): JsonObject {
    const object: JsonObject = {}
    const lines = this.#refusesDuplicates ? new Map<string, number>() : undefined
    for (let i = 0; i < node.content.length; i += 2) {
      const [keyNode, valueNode] = [node.content[i], node.content[i + 1]]
      if (!keyNode || !valueNode) continue
      if (keyNode.tag === '!!merge') {
        this.#merge(valueNode, object)
        continue
      }
      const key = this.#key(keyNode)
      if (typeof key !== 'string') {
        this.#unknownKeys.set(object, this.#unknownKey(key, keyNode, this.decode(valueNode)))
        continue
      }
      const earlier = lines?.get(key)
      if (earlier !== undefined && this.#options.dialect === 'kyaml') {
        throw this.#error(`mapping key ${JSON.stringify(key)} already defined at line ${earlier}`, keyNode)
      }
      if (earlier !== undefined) this.#duplicates.push(`line ${valueNode.line}: key ${JSON.stringify(key)} already set in map`)
      lines?.set(key, keyNode.line)
      setOwn(object, key, this.decode(valueNode))
    }
    return object
  }

  get #refusesDuplicates(): boolean {
    return this.#options.dialect === 'kyaml' || this.#options.strict === true
  }

  #merge(value: Node, object: JsonObject): void {
    if (value.kind === 'alias') {
      this.#throughAlias(value, (target) => this.#merge(target, object))
      return
    }
    if (value.kind === 'seq') {
      for (const item of value.content.toReversed()) this.#merge(item, object)
      return
    }
    if (value.kind !== 'map') throw this.#error('map merge requires map or sequence of maps as the value', value)
    const merged = this.#map(value)
    const unknown = this.#unknownKeys.get(merged)
    if (unknown) this.#unknownKeys.set(object, unknown)
    for (const [key, inherited] of Object.entries(merged)) setOwn(object, key, inherited)
  }

  #key(node: Node): string | null | bigint {
    if (node.kind === 'alias') return this.#throughAlias(node, (target) => this.#key(target))
    if (node.kind !== 'scalar') throw this.#badKey(node)
    if (this.#isLostNull(node, { isKey: true })) return ''
    if (this.#options.dialect === 'sigs' && INFINITE_KEY.test(node.value) && node.style === 'plain') return infiniteKey(node.value)
    const value = this.#scalar(node)
    if (typeof value === 'string') return value
    if (this.#options.dialect === 'sigs') return spelledKey(value)
    if (value === null) throw this.#error('a mapping key must not be null', node)
    throw this.#error(`the mapping key ${node.value} is not a string: put it in quotes`, node)
  }

  /** A collection for a key. */
  #badKey(node: Node): ParseError {
    if (this.#options.dialect === 'kyaml') return this.#error('a mapping key has to be a scalar', node)
    return this.#error(`invalid map key: ${goSyntax(this.decode(node))}`, node)
  }

  #unknownKey(key: null | bigint, node: Node, held: Json): ParseError {
    const [type, spelled] = key === null ? ['%!s(<nil>)', '<nil>'] : ['uint64', goSyntax(key)]
    const value = held === null ? '<nil>' : goSyntax(held)
    return new ParseError(
      `unsupported map key of type: ${type}, key: ${spelled}, value: ${value}`,
      placeOf(this.#options.file, node),
    )
  }

  #scalar(node: Node): null | boolean | number | bigint | string {
    const value = this.#isBlock(node) ? this.#reprinted(node) : node.value
    if (node.tag === '!!str' || this.#isLostNull(node)) return value
    if (node.tag === '!!binary') return this.#binary(node)
    if (node.tag !== '' && !RESOLVABLE.has(node.tag)) return value
    const implied = resolveTag(value, this.#options.dialect)
    const isQuoted = node.style !== 'plain' && node.style !== 'flow'
    if (isQuoted && node.tag === '') return value
    if (node.tag !== '' && node.tag !== implied) return this.#coerced(node, implied)
    return this.#resolved(node, implied)
  }

  #binary(node: Node): string {
    if (!isBase64(node.value)) throw this.#error('!!binary value contains invalid base64 data', node)
    return Buffer.from(node.value, 'base64').toString('utf8')
  }

  /** The empty line between the document and a comment below it is taken for one of a text that keeps its last line breaks. */
  #reprinted(node: Node): string {
    const text = printBlockAgain(node, this.#options.file)
    return node === this.#options.beforeComment && canBeBlock(node.value) && chompingOf(node.value) === '+' ? `${text}\n` : text
  }

  #isBlock(node: Node): boolean {
    return this.#options.reprinted === true && this.#flowLevel === 0 && (node.style === 'literal' || node.style === 'folded')
  }

  /** A null without text needs quotes between brackets, and as a key: written and read once more it is an empty text. */
  #isLostNull(node: Node, { isKey = false } = {}): boolean {
    return this.#options.reprinted === true && node.value === '' && node.tag === '!!null' && (isKey || this.#flowLevel > 0)
  }

  /** An explicit tag that the text alone would not have: only integers may be read as floats. */
  #coerced(node: Node, implied: string): number | bigint {
    if (node.tag === '!!float' && implied === '!!int') return parseInteger(node.value) ?? 0
    throw this.#error(`cannot decode ${implied} \`${node.value}\` as a ${node.tag}`, node)
  }

  #resolved(node: Node, tag: string): null | boolean | number | bigint | string {
    switch (tag) {
      case '!!null':
        return null
      case '!!bool':
        return parseBoolean(node.value)
      case '!!int':
        return parseInteger(node.value) ?? node.value
      case '!!float':
        return this.#finite(node)
      case '!!timestamp':
        return this.#options.dialect === 'kyaml' ? (parseTimestamp(node.value) ?? node.value) : node.value
      default:
        return node.value
    }
  }

  #finite(node: Node): number {
    const value = parseFloatWord(node.value)
    if (Number.isFinite(value)) return value
    if (this.#options.dialect === 'kyaml') throw this.#error(unsupportedValue(value), node)
    // Not the YAML library refuses it, but the JSON one that comes after it, if the value is still there.
    this.#infinite = node
    return value
  }

  #error(reason: string, node: Node): ParseError {
    const { file, dialect } = this.#options
    if (dialect === 'kyaml') return yamlError(reason, file, node.line)
    return new ParseError(yamlError(reason, file).message, placeOf(file, node))
  }
}

/** The text that sigs.k8s.io/yaml makes of a key; null and what only Go's uint64 holds it does not know. */
function spelledKey(value: null | boolean | number | bigint): string | null | bigint {
  if (value === null || (typeof value === 'bigint' && isUnsigned(value))) return value
  return typeof value === 'number' ? formatNumber(value) : String(value)
}

/** @throws ParseError for the first mapping that has such a key. */
function refuseUnknownKeys(value: Json, unknown: ReadonlyMap<Json, ParseError>): void {
  if (typeof value !== 'object' || value === null) return
  const error = unknown.get(value)
  if (error) throw error
  for (const item of Object.values(value)) refuseUnknownKeys(item, unknown)
}

/** In the order of encoding/json, which sorts keys. @throws ParseError for the first number that JSON does not know. */
function refuseInfinite(value: Json, node: Node, file: string | undefined): void {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new ParseError(unsupportedValue(value), placeOf(file, node))
  if (typeof value !== 'object' || value === null) return
  const items = Array.isArray(value)
    ? value
    : Object.entries(value)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, item]) => item)
  for (const item of items) refuseInfinite(item, node, file)
}

function unsupportedValue(value: number): string {
  return `json: unsupported value: ${Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'}`
}

function placeOf(file: string | undefined, { line }: Node): Place {
  return { ...(file !== undefined && { file }), ...(line > 0 && { line }) }
}

/** What go-yaml takes for infinite, which is a key but no value of JSON. */
const INFINITE_KEY = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/

function infiniteKey(word: string): string {
  if (/n$/i.test(word)) return '.nan'
  return word.startsWith('-') ? '-.inf' : '.inf'
}

/** Source: Go's base64.StdEncoding, which skips line breaks. */
function isBase64(text: string): boolean {
  const digits = text.replace(/[\r\n]/g, '')
  return digits.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(digits)
}

/** Sets a key that may be `__proto__`. */
function setOwn(object: JsonObject, key: string, value: Json): void {
  if (key !== '__proto__') object[key] = value
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}
