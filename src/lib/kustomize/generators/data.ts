/** configMapGenerator and secretGenerator. */

import { BuildError } from '../../errors.ts'
import { type Node, parseNodes, scalarNode, stringNode } from '../../yaml/index.ts'
import { compareBytes, lookupCreate, setAnnotation, setField, withPrefix } from '../fields.ts'
import type { DataGenerator, GeneratorOptions } from '../kustomization.ts'
import type { Loader } from '../loader.ts'
import { BUILD_ANNOTATIONS, Resource } from '../resource.ts'
import type { SchemaSet } from '../schema.ts'

export type DataKind = 'ConfigMap' | 'Secret'

/** @throws BuildError for missing files, bad literals, repeated keys, and generators without a name. */
export function generateData(kind: DataKind, args: DataGenerator, loader: Loader, schemas: SchemaSet): Resource {
  const node = dataObject(kind, args)
  const data = readPairs(args, loader)
  fillData(node, kind, data)
  if (args.options) applyOptions(node, args.options)
  const resource = new Resource(node, schemas)
  if (!args.options?.disableNameSuffixHash) resource.enable(BUILD_ANNOTATIONS.needsHash)
  const { behavior } = args
  resource.behavior = behavior === 'create' || behavior === 'merge' || behavior === 'replace' ? behavior : 'unspecified'
  return resource
}

/** Options of one generator with those of all generators of its kustomization. */
export function withGlobalOptions(args: DataGenerator, global: GeneratorOptions | undefined): DataGenerator {
  if (!global) return args
  const { options } = args
  return {
    ...args,
    options: {
      labels: new Map([...global.labels, ...(options?.labels ?? [])]),
      annotations: new Map([...global.annotations, ...(options?.annotations ?? [])]),
      disableNameSuffixHash: global.disableNameSuffixHash || (options?.disableNameSuffixHash ?? false),
      immutable: global.immutable || (options?.immutable ?? false),
    },
  }
}

/** Read from a text as upstream does, since places in it count for the hash when the kind is changed. */
function dataObject(kind: DataKind, args: DataGenerator): Node {
  if (args.name === '') throw new BuildError('a configmap must have a name')
  const [node] = parseNodes(`\napiVersion: v1\nkind: ${kind}\n`, { dialect: 'kyaml', comments: true })
  if (!node) throw new TypeError('the text has a document')
  const metadata = lookupCreate(node, 'map', ['metadata']) ?? node
  setField(metadata, 'name', stringNode(args.name))
  if (args.namespace !== '') setField(metadata, 'namespace', stringNode(args.namespace))
  if (kind === 'Secret') setField(node, 'type', stringNode(args.type || 'Opaque'))
  return node
}

function applyOptions(node: Node, { labels, annotations, immutable }: GeneratorOptions): void {
  for (const key of [...labels.keys()].sort(compareBytes)) {
    const map = lookupCreate(node, 'map', ['metadata', 'labels'])
    if (map) setField(map, key, { ...stringNode(labels.get(key) ?? ''), style: 'single' })
  }
  for (const key of [...annotations.keys()].sort(compareBytes)) setAnnotation(node, key, annotations.get(key) ?? '')
  if (immutable) setField(node, 'immutable', scalarNode('true', '!!bool'))
}

function readPairs(args: DataGenerator, loader: Loader): Map<string, Uint8Array> {
  const pairs = withPrefix(
    () => 'loading KV pairs',
    () => [...envPairs(args.envs, loader), ...literalPairs(args.literals), ...filePairs(args.files, loader)],
  )
  const data = new Map<string, Uint8Array>()
  for (const [key, value] of pairs) {
    if (data.has(key)) throw new BuildError(`configmap ${args.name} illegally repeats the key \`${key}\``)
    data.set(key, value)
  }
  return data
}

type Pair = readonly [key: string, value: Uint8Array]

const encoder = new TextEncoder()
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function envPairs(paths: readonly string[], loader: Loader): Pair[] {
  return withPrefix(
    () => `env source files: [${paths.join(' ')}]`,
    () => paths.flatMap((path) => envFilePairs(loader.load(path), loader.fileName(path))),
  )
}

const MAX_ENV_LINE_BYTES = 64 * 1024

/** Lines of `KEY=value`; comments and blank lines are skipped, quotes and later `#` are part of the value. */
function envFilePairs(content: Uint8Array, file: string): Pair[] {
  const source = decodeStrictly(content)
  if (source === undefined) throw new BuildError(`${file}: an env file has to be UTF-8 text`, { file })
  const pairs: Pair[] = []
  for (const [number, line] of source.split('\n').entries()) {
    // Go's scanner ends at a line that does not fit into its buffer, and kustomize does not ask why.
    if (Buffer.byteLength(line) >= MAX_ENV_LINE_BYTES) break
    const start = number === 0 ? line.replace(/^\ufeff/, '') : line
    const trimmed = trimCarriageReturn(start).replace(/^[\s\u0085]+/, '')
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const equals = trimmed.indexOf('=')
    const key = equals < 0 ? trimmed : trimmed.slice(0, equals)
    if (key !== '') pairs.push([key, encoder.encode(equals < 0 ? '' : trimmed.slice(equals + 1))])
  }
  return pairs
}

function trimCarriageReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line
}

function literalPairs(literals: readonly string[]): Pair[] {
  return withPrefix(
    () => 'literal sources',
    () => literals.map(literalPair),
  )
}

function literalPair(literal: string): Pair {
  const equals = literal.indexOf('=')
  // Shows nothing of it: it may be a secret.
  if (equals <= 0) throw new BuildError('invalid literal source, expected key=value')
  return [literal.slice(0, equals), encoder.encode(removeQuotes(literal.slice(equals + 1)))]
}

function removeQuotes(text: string): string {
  const quote = text[0]
  const isQuoted = text.length >= 2 && (quote === '"' || quote === "'") && text.endsWith(quote)
  return isQuoted ? text.slice(1, -1) : text
}

function filePairs(files: readonly string[], loader: Loader): Pair[] {
  return withPrefix(
    () => `file sources: [${files.join(' ')}]`,
    () =>
      files.map((source) => {
        const [key, path] = splitFileSource(source)
        return [key, loader.load(path)] as const
      }),
  )
}

/** `path` or `key=path`. */
function splitFileSource(source: string): [key: string, path: string] {
  const parts = source.split('=')
  if (parts.length > 2) throw new BuildError(`source "${source}" key name or file path contains '='`)
  const [first = '', second] = parts
  if (second === undefined) return [first.replace(/\/+$/, '').split('/').at(-1) ?? first, first]
  if (first === '') throw new BuildError(`missing key name for file path "${second}" in source "${source}"`)
  if (second === '') throw new BuildError(`missing file path for key name "${first}" in source "${source}"`)
  return [first, second]
}

function fillData(node: Node, kind: DataKind, data: ReadonlyMap<string, Uint8Array>): void {
  if (kind === 'Secret') lookupCreate(node, 'map', ['data'])
  for (const key of [...data.keys()].sort(compareBytes)) {
    const content = data.get(key) ?? new Uint8Array()
    const value = kind === 'Secret' ? undefined : decodeStrictly(content)
    const map = lookupCreate(node, 'map', [kind === 'Secret' || value !== undefined ? 'data' : 'binaryData'])
    const entry = stringNode(value ?? wrapBase64(content))
    if (entry.value.includes('\n')) entry.style = 'literal'
    if (map) setField(map, key, entry)
  }
}

function decodeStrictly(content: Uint8Array): string | undefined {
  try {
    return strict.decode(content)
  } catch {
    return undefined
  }
}

/** Base64 in lines of 70, as kyaml writes it; a single short line has no end. */
function wrapBase64(content: Uint8Array): string {
  const encoded = Buffer.from(content).toString('base64')
  const lines = encoded.match(/.{1,70}/g) ?? []
  return encoded.length < 70 ? encoded : lines.map((line) => `${line}\n`).join('')
}
