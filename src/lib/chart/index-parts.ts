/**
 * A large index in parts: chart by chart, and the versions of a chart in portions, each read alone. Only the bytes of it are in memory as a
 * whole. The YAML must have the form in which programs write it: block style, one key a line, nothing shared between charts.
 */
import { BuildError } from '../errors.ts'
import { compareText } from '../gotemplate/value.ts'
import { isRecord } from '../json.ts'
import { type IndexEntry, type IndexHead, readIndexText, sortVersions } from './repository.ts'

/** A chart of an index with its versions, the highest first. */
export type IndexedChart = readonly [name: string, versions: readonly IndexEntry[]]

export interface IndexParts {
  readonly head: IndexHead
  /** In the order of their names; each is read when it is asked for. */
  readonly charts: Iterable<IndexedChart>
}

/** Bytes of versions that are read in one go, at least; YAML takes some thirty times that. */
const portionBytes = 256 * 1024

/** @throws BuildError for an index of any other form (also while iterating); `parseIndex` then says what Helm says. */
export function indexParts(index: Uint8Array): IndexParts {
  const bytes = Buffer.from(index.buffer, index.byteOffset, index.byteLength)
  const isJson = bytes.subarray(0, 64).toString('latin1').trimStart().startsWith('{')
  return isJson ? partsOfJson(bytes) : partsOfYaml(bytes)
}

/** As `indexParts`, of an index in any form, which is read in one go. @throws BuildError in Helm's words. */
export function wholeIndex(text: string): IndexParts {
  const { head, charts } = readIndexText(text)
  const sorted = [...charts].sort(([a], [b]) => compareText(a, b))
  return { head, charts: sorted.map(([name, versions]) => [name, sortVersions(versions)]) }
}

/** The charts alone. */
export function* chartsIn(index: Uint8Array): Iterable<IndexedChart> {
  yield* indexParts(index).charts
}

function partsOfJson(bytes: Buffer): IndexParts {
  const { entries = null, ...rest } = readJson(bytes)
  const { head } = readIndexText(JSON.stringify(rest))
  if (entries === null) return { head, charts: [] }
  if (!isRecord(entries)) throw new BuildError('the entries of the index are no map')
  return { head, charts: chartsOfJson(entries) }
}

function* chartsOfJson(entries: Readonly<Record<string, unknown>>): Iterable<IndexedChart> {
  for (const name of Object.keys(entries).sort(compareText)) yield chartOf(name, [JSON.stringify({ [name]: entries[name] })])
}

function readJson(bytes: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    if (isRecord(value)) return value
  } catch {
    // said below
  }
  throw new BuildError('the index is no JSON object')
}

function partsOfYaml(bytes: Buffer): IndexParts {
  const { head, charts } = splitYaml(bytes)
  return { head: readIndexText(head).head, charts: chartsOfYaml(bytes, charts) }
}

function* chartsOfYaml(bytes: Buffer, charts: readonly Part[]): Iterable<IndexedChart> {
  for (const part of charts.toSorted((a, b) => compareText(a.name, b.name))) yield chartOf(part.name, portions(bytes, part))
}

/** Reads `entries` of an index with this chart alone, in portions. @throws BuildError when another one is in there. */
function chartOf(name: string, texts: Iterable<string>): IndexedChart {
  const versions: IndexEntry[] = []
  for (const text of texts) {
    const isJson = text.startsWith('{')
    const { charts } = readIndexText(isJson ? `{"apiVersion":"v1","entries":${text}}` : `apiVersion: v1\nentries:\n${text}`)
    const [only, ...others] = charts
    if (!only || only[0] !== name || others.length > 0) throw unsplittable()
    for (const version of only[1]) versions.push(version)
  }
  return [name, sortVersions(versions)]
}

/** The lines of a chart, some versions at a time: each portion begins with the line of its name. */
function* portions(bytes: Buffer, { start, end }: Part): Iterable<string> {
  const [first, ...others] = end - start > portionBytes ? itemsOf(bytes.subarray(start, end)) : []
  if (first === undefined) return yield bytes.toString('utf8', start, end)
  const name = bytes.toString('utf8', start, start + first)
  let from = first
  for (const item of others) {
    if (item - from < portionBytes) continue
    yield name + bytes.toString('utf8', start + from, start + item)
    from = item
  }
  yield name + bytes.toString('utf8', start + from, end)
}

/** Where each item of the list below the first line begins. */
function itemsOf(lines: Buffer): number[] {
  const items: number[] = []
  let indent: number | undefined
  for (const { start, depth } of linesOf(lines)) {
    if (start === 0) continue
    indent ??= depth
    if (depth > indent) continue
    if (depth < indent || lines[start + depth] !== dash) throw unsplittable()
    items.push(start)
  }
  return items
}

interface Part {
  readonly name: string
  /** Of the line with its name. */
  readonly start: number
  readonly end: number
}

/** Everything but the entries, and where each chart of them is. */
function splitYaml(bytes: Buffer): { readonly head: string; readonly charts: readonly Part[] } {
  const starts: { readonly name: string; readonly start: number }[] = []
  const names = new Set<string>()
  let [isInside, indent, entriesStart, entriesEnd] = [false, 0, -1, bytes.length]
  for (const { start, depth, end } of linesOf(bytes)) {
    if (depth === 0) {
      const line = bytes.toString('utf8', start, end).trimEnd()
      const isOfHead = !isInside && (line.startsWith('- ') || (start === 0 && line === '---'))
      if (!isOfHead && !/^(?:#|[A-Za-z]+:)/.test(line)) throw unsplittable()
      if (isInside && !line.startsWith('#')) [isInside, entriesEnd] = [false, start]
      if (line === 'entries:') {
        if (entriesStart >= 0) throw unsplittable()
        ;[isInside, entriesStart] = [true, end + 1]
      }
    } else if (isInside) {
      indent ||= depth
      if (depth < indent) throw unsplittable()
      if (starts.length > 0 && (depth > indent || bytes[start + depth] === dash)) continue
      const name = nameOf(bytes.toString('utf8', start + depth, end).trimEnd())
      if (name === undefined || names.has(name)) throw unsplittable()
      names.add(name)
      starts.push({ name, start })
    }
  }
  if (entriesStart < 0) throw unsplittable()
  const head = bytes.toString('utf8', 0, entriesStart).replace(/entries:\s*$/, '') + bytes.toString('utf8', entriesEnd)
  return { head, charts: starts.map((each, i) => ({ ...each, end: starts[i + 1]?.start ?? entriesEnd })) }
}

/** The key of a line that is nothing but a key. */
function nameOf(line: string): string | undefined {
  const found = /^(?:([A-Za-z0-9][A-Za-z0-9._-]*)|"([^"\\]+)"|'([^']+)'):$/.exec(line)
  return found?.[1] ?? found?.[2] ?? found?.[3]
}

const [newline, space, dash, hash, carriageReturn] = [0x0a, 0x20, 0x2d, 0x23, 0x0d]

/** Lines that hold anything; `depth` counts the spaces in front. A comment may be anywhere: only those of the first column are told. */
function* linesOf(bytes: Buffer): Iterable<{ readonly start: number; readonly depth: number; readonly end: number }> {
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(newline, start)
    const end = found < 0 ? bytes.length : found
    let at = start
    while (bytes[at] === space) at++
    const isEmpty = at >= end || bytes[at] === carriageReturn || (bytes[at] === hash && at > start)
    if (!isEmpty) yield { start, depth: at - start, end }
    start = end + 1
  }
}

function unsplittable(): BuildError {
  return new BuildError('the index does not have the form in which programs write it')
}
