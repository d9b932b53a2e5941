/** Charts from a directory or a package. */

import { BuildError, messageOf } from '../errors.ts'
import { textOf } from '../gotemplate/value.ts'
import type { Tree } from '../tree.ts'
import { type ArchiveBudget, readArchive, withoutMark } from './archive.ts'
import type { Chart, ChartFile, Lock } from './chart.ts'
import { GzipHeaderError, isGzip } from './gunzip.ts'
import { type IgnoreRules, parseIgnoreRules } from './ignore.ts'
import { checkMetadata, type MetadataDraft, readApiVersion, readLock, readMetadata } from './metadata.ts'
import { readValues } from './values-file.ts'

/** A folder, or the bytes of a package. `file` is the name of the package, for the messages that Helm gives when it opens a file. */
export type ChartSource = Tree | { readonly archive: Uint8Array; readonly file?: string }

export interface LoadLimits {
  /** Bytes of a folder's files, or of an unpacked package. Default 100 MiB, as in Helm. */
  readonly maxBytes?: number
  /** Bytes of a package and the packages inside it. Default 256 MiB. */
  readonly maxTotalBytes?: number
  /** Files and folders. Default 50,000. */
  readonly maxFiles?: number
}

export interface LoadOptions extends LoadLimits {
  /** Where a folder is, for the messages: `/charts/app`. */
  readonly directory?: string
  /** Takes what Helm warns of while it loads. */
  readonly warn?: (message: string) => void
}

/** Charts inside charts. */
const maxDepth = 64
/** Folders inside folders: each chart inside another is two further down, and has folders of its own. */
const maxFolders = 2 * maxDepth + 32

/** What loading one chart and those inside it goes by. */
interface Loading {
  readonly budget: ArchiveBudget
  readonly warn: (message: string) => void
  readonly depth: number
}

/**
 * Loads a chart. Ignored files of a folder are left out; symbolic links are what the tree makes of them.
 * @throws BuildError with Helm's text.
 * Source: helm pkg/chart/loader/load.go, pkg/chart/v2/loader.
 */
export function loadChart(source: ChartSource, options: LoadOptions = {}): Chart {
  const { maxBytes = 100 * 1024 * 1024, maxTotalBytes = 256 * 1024 * 1024, maxFiles = 50_000, directory, warn = () => {} } = options
  const budget = { maxBytes, bytes: maxTotalBytes, entries: maxFiles }
  const { files, apiVersion } = 'archive' in source ? packaged(source, budget) : inFolder(source, budget, directory)
  const chart = chartOf(files, { budget, warn, depth: 0 })
  // Helm reads the next version of charts, but does not install it yet.
  if (apiVersion === 'v3') throw new BuildError('invalid chart apiVersion')
  return chart
}

interface Found {
  readonly files: readonly ChartFile[]
  readonly apiVersion: string
}

function packaged(source: Exclude<ChartSource, Tree>, budget: ArchiveBudget): Found {
  const files = readPackage(source, budget)
  const chartFile = files.find(({ name }) => name === 'Chart.yaml')
  if (!chartFile) throw new BuildError('unable to detect chart version, no Chart.yaml found')
  return { files, apiVersion: apiVersionOf(chartFile.data) }
}

/** Chart.yaml is read before all other files: what is wrong with it is told first, and it may be ignored. */
function inFolder(tree: Tree, budget: ArchiveBudget, directory: string | undefined): Found {
  const chartFile = tree.read('Chart.yaml')
  const place = directory === undefined ? 'Chart.yaml' : `${directory}/Chart.yaml`
  if (!chartFile) throw new BuildError(`unable to detect chart at ${place}: open ${place}: no such file or directory`)
  const apiVersion = apiVersionOf(chartFile)
  const rules = parseIgnoreRules(textOf(tree.read('.helmignore') ?? new Uint8Array()))
  return { apiVersion, files: [...walk(tree, '', { rules, budget: { ...budget, bytes: budget.maxBytes }, depth: 0 })] }
}

function apiVersionOf(chartFile: Uint8Array): string {
  const apiVersion = within('cannot load Chart.yaml', () => readApiVersion(textOf(chartFile)))
  if (!['v1', 'v2', 'v3', ''].includes(apiVersion)) throw new BuildError('unsupported chart version')
  return apiVersion
}

function readPackage({ archive, file }: { archive: Uint8Array; file?: string }, budget: ArchiveBudget): ChartFile[] {
  if (file !== undefined) refuseOtherFiles(file, archive)
  try {
    return readArchive(archive, budget)
  } catch (error) {
    if (error instanceof GzipHeaderError) {
      const what = file === undefined ? 'stream' : `file '${file}'`
      throw new BuildError(`${what} does not appear to be a valid chart file (details: ${error.message})`, {}, { cause: error })
    }
    const detail = file === undefined ? `: ${messageOf(error)}` : ''
    throw new BuildError(`unable to load chart archive${detail}`, {}, { cause: error })
  }
}

function refuseOtherFiles(file: string, content: Uint8Array): void {
  if (isGzip(content)) return
  if (/\.ya?ml$/.test(file)) throw new BuildError(`file '${file}' seems to be a YAML file, but expected a gzipped archive`)
  throw new BuildError(`file '${file}' does not appear to be a gzipped archive; got '${contentType(content)}'`)
}

/** What files are that somebody takes for a chart. Source: Go http.DetectContentType, with the nulls that Helm adds to short files. */
const signatures: readonly (readonly [RegExp, string])[] = [
  [/^[\t\n\f\r ]*<(?:!doctype html|html|head|body|script|title|!--)[ >]/i, 'text/html; charset=utf-8'],
  [/^[\t\n\f\r ]*<\?xml/, 'text/xml; charset=utf-8'],
  [/^%PDF-/, 'application/pdf'],
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are part of the signature
  [/^PK\x03\x04/, 'application/zip'],
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what makes a file binary
  [/^[^\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]{512}/, 'text/plain; charset=utf-8'],
]

function contentType(content: Uint8Array): string {
  const start = Buffer.from(content.subarray(0, 512)).toString('latin1')
  return signatures.find(([pattern]) => pattern.test(start))?.[1] ?? 'application/octet-stream'
}

interface Walk {
  readonly rules: IgnoreRules
  readonly budget: ArchiveBudget
  readonly depth: number
}

function* walk(tree: Tree, folder: string, { rules, budget, depth }: Walk): Iterable<ChartFile> {
  if (depth > maxFolders) throw new BuildError(`error evaluating symlink ${folder}: EvalSymlinks: too many links`)
  const entries = [...(tree.list(folder) ?? [])].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
  for (const { name, type } of entries) {
    const path = folder === '' ? name : `${folder}/${name}`
    if (rules.ignores(path, type === 'directory')) continue
    if (--budget.entries < 0) throw new BuildError('chart has more files than are allowed')
    if (type === 'directory') yield* walk(tree, path, { rules, budget, depth: depth + 1 })
    else yield { name: path, data: withoutMark(readFile(tree, path, budget)) }
  }
}

function readFile(tree: Tree, path: string, budget: ArchiveBudget): Uint8Array {
  const data = tree.read(path)
  if (!data) throw new BuildError(`error reading ${path}: open ${path}: no such file or directory`)
  budget.bytes -= data.length
  if (budget.bytes < 0) {
    throw new BuildError(`error reading ${path}: chart exceeds maximum decompressed size of ${budget.maxBytes} bytes`)
  }
  return data
}

/** A chart from its files: what they are is told by their names alone. */
function chartOf(files: readonly ChartFile[], loading: Loading): Chart {
  if (loading.depth > maxDepth) throw new BuildError('the chart has too many charts inside each other')
  let draft = readChartFiles(files)
  let lock: Lock | undefined
  let values: Chart['values'] = new Map()
  let schema: Uint8Array | undefined
  const [templates, others]: [ChartFile[], ChartFile[]] = [[], []]
  const inside = new Map<string, ChartFile[]>()
  for (const file of files) {
    const { name, data } = file
    if (name === 'Chart.yaml') continue
    if (name === 'Chart.lock') lock = within('cannot load Chart.lock', () => readLock(textOf(data)))
    else if (name === 'values.yaml') values = within('cannot load values.yaml', () => readValues(data))
    else if (name === 'values.schema.json') schema = data
    else if (name === 'requirements.yaml' || name === 'requirements.lock') {
      draft ??= {}
      const isOld = draft.apiVersion === 'v1'
      if (!isOld) loading.warn(outdated(name))
      const known = draft
      if (name === 'requirements.lock') lock = within(`cannot load ${name}`, () => readLock(textOf(data)))
      else draft = within(`cannot load ${name}`, () => readMetadata(textOf(data), known))
      if (draft.apiVersion === 'v1') others.push(file)
    } else if (name.startsWith('templates/')) templates.push(file)
    else if (name.startsWith('charts/') && !name.endsWith('.prov')) addInside(inside, file)
    else others.push(file)
  }
  if (!draft) throw new BuildError('Chart.yaml file is missing')
  const metadata = checkMetadata(draft)
  const dependencies = chartsInside(inside, metadata.name, loading)
  const given = { ...(lock && { lock }), ...(schema && { schema }) }
  return { metadata, ...given, templates, files: others, raw: files, values, dependencies }
}

function readChartFiles(files: readonly ChartFile[]): MetadataDraft | undefined {
  let draft: MetadataDraft | undefined
  for (const { name, data } of files) {
    if (name !== 'Chart.yaml') continue
    draft = within('cannot load Chart.yaml', () => readMetadata(textOf(data), draft ?? {}))
    // Charts of Helm 2 need not say what they are.
    draft = { ...draft, apiVersion: draft.apiVersion || 'v1' }
  }
  return draft
}

function outdated(name: 'requirements.yaml' | 'requirements.lock'): string {
  if (name === 'requirements.lock') {
    return 'Warning: Dependency locking is handled in Chart.lock since apiVersion "v2". We recommend migrating to Chart.lock.'
  }
  return 'Warning: Dependencies are handled in Chart.yaml since apiVersion "v2". We recommend migrating dependencies to Chart.yaml.'
}

/** Files below charts/ by the first part of their name. */
function addInside(inside: Map<string, ChartFile[]>, { name, ...rest }: ChartFile): void {
  const path = name.slice('charts/'.length)
  const [first = ''] = path.split('/', 1)
  const known = inside.get(first)
  if (known) known.push({ ...rest, name: path })
  else inside.set(first, [{ ...rest, name: path }])
}

function chartsInside(inside: ReadonlyMap<string, readonly ChartFile[]>, parent: string, loading: Loading): Chart[] {
  const deeper = { ...loading, depth: loading.depth + 1 }
  return [...inside]
    .filter(([name]) => !/^[_.]/.test(name))
    .map(([name, files]) => {
      if (!name.endsWith('.tgz')) return unpacking(name, parent, () => chartOf(withoutFolder(files), deeper))
      const [file] = files
      if (!file || file.name !== name) {
        throw new BuildError(`error unpacking subchart tar in ${parent}: expected ${name}, got ${file?.name}`)
      }
      return unpacking(name, parent, () => chartOf(readArchive(file.data, loading.budget), deeper))
    })
}

/** Files right in charts/ belong to no chart. */
function withoutFolder(files: readonly ChartFile[]): ChartFile[] {
  return files
    .filter(({ name }) => name.includes('/'))
    .map((file) => ({ ...file, name: file.name.slice(file.name.indexOf('/') + 1) }))
}

function unpacking<T>(name: string, parent: string, action: () => T): T {
  return within(`error unpacking subchart ${name} in ${parent}`, action)
}

/** Says what was being attempted. */
function within<T>(attempt: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw new BuildError(`${attempt}: ${messageOf(error)}`, {}, { cause: error })
  }
}
