/** Post-rendering: somebody changes the rendered objects before they are sorted. Source: helm pkg/action/action.go. */

import { BuildError, messageOf } from '../errors.ts'
import { assign, mapNode, type Node, parseNodes, printNode, stringNode } from '../yaml/index.ts'
import { isPartial, sortManifests, splitManifests } from './manifests.ts'
import { compareText, installOrder } from './order.ts'
import type { RenderedFiles } from './render.ts'

/** Takes a stream of YAML documents and gives one back. */
export type PostRender = (documents: string) => Promise<string> | string

/** What is handed over at once: everything (Helm 4), hooks and the rest one after the other, or no hooks at all (Helm 3). */
export type PostRenderStrategy = 'combined' | 'separate' | 'nohooks'

/** Says which file a document came from while it is out of hand. */
const fileAnnotation = 'postrenderer.helm.sh/postrender-filename'

/**
 * The rendered files as a post-renderer leaves them: between `renderFiles` and `sortRendered`. Comments are lost, and objects that the
 * post-renderer adds get a file of their own.
 * @throws BuildError for documents that cannot be read before or after, and what the post-renderer throws.
 */
export async function postRender(
  rendered: RenderedFiles,
  run: PostRender,
  { strategy = 'combined' }: { readonly strategy?: PostRenderStrategy } = {},
): Promise<RenderedFiles> {
  if (strategy === 'combined') return { ...rendered, files: await runOn(rendered.files, run, 'manifests', '') }
  const { hooks, manifests } = sortManifests(rendered.files, installOrder)
  const hookFiles = joined(hooks.map(({ path, manifest }) => [path, manifest]))
  const others = joined(manifests.map(({ path, content }) => [path, content]))
  const changedHooks = strategy === 'nohooks' ? hookFiles : await runOn(hookFiles, run, 'hooks', 'hooks')
  const changed = await runOn(others, run, 'manifests', 'manifests')
  return { ...rendered, files: joined([...changedHooks, ...changed]) }
}

/** Documents of the same file follow each other. */
function joined(documents: readonly (readonly [string, string])[]): Map<string, string> {
  const files = new Map<string, string>()
  for (const [path, text] of documents) {
    const before = files.get(path)
    files.set(path, before === undefined ? text : `${before}\n---\n${text}`)
  }
  return files
}

async function runOn(
  files: ReadonlyMap<string, string>,
  run: PostRender,
  what: string,
  group: string,
): Promise<Map<string, string>> {
  if (files.size === 0 && group !== '') return new Map()
  const documents = within(`error merging ${what}`, () => merge(files))
  let changed: string
  try {
    changed = await run(documents)
  } catch (error) {
    throw new BuildError(`error while running post render on ${group || 'files'}: ${messageOf(error)}`, {}, { cause: error })
  }
  return within('error while parsing post rendered output', () => split(changed, group))
}

function within<T>(context: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw new BuildError(`${context}: ${messageOf(error)}`, {}, { cause: error })
  }
}

/** One stream of all documents, each with the file that it came from. */
function merge(files: ReadonlyMap<string, string>): string {
  const paths = [...files.keys()].filter((path) => !isPartial(path)).sort(compareText)
  const documents = paths.flatMap((path) =>
    splitManifests(files.get(path) ?? '').flatMap((text) =>
      within(`parsing ${path}`, () => read(text)).map((node) => mark(node, path)),
    ),
  )
  return documents.map(printNode).join('---\n')
}

/** The documents of a text, without those that are empty. */
function read(text: string): Node[] {
  return parseNodes(text, { dialect: 'kyaml' }).filter(({ kind, tag }) => kind !== 'scalar' || tag !== '!!null')
}

function mark(node: Node, path: string): Node {
  if (node.kind !== 'map') throw new BuildError(`annotating ${path}: an object is wanted, not a ${node.kind}`)
  const annotations = mapAt(mapAt(node, 'metadata'), 'annotations')
  annotations.content.push(stringNode(fileAnnotation), stringNode(path))
  return node
}

/** The mapping under a key, made where there is none. */
function mapAt(map: Node, key: string): Node {
  const at = indexOf(map, key)
  const value = at < 0 ? undefined : map.content[at + 1]
  if (value?.kind === 'map') return value
  const made = mapNode()
  if (value) assign(value, made)
  else map.content.push(stringNode(key), made)
  return value ?? made
}

function indexOf(map: Node, key: string): number {
  return map.content.findIndex((node, index) => index % 2 === 0 && node.kind === 'scalar' && node.value === key)
}

/** The files again. A document without its mark is new: it gets a name of its own. */
function split(text: string, group: string): Map<string, string> {
  const prefix = `generated-by-postrender-${group === '' ? '' : `${group}-`}`
  const documents = read(text).map((node, index): [string, string] => [unmark(node) ?? `${prefix}${index}.yaml`, printNode(node)])
  const files = new Map<string, string>()
  for (const [path, document] of documents) {
    const before = files.get(path)
    files.set(path, before === undefined ? document : `${before}---\n${document}`)
  }
  return files
}

/** Takes the mark away, and what would be left empty without it. */
function unmark(node: Node): string | undefined {
  const path = take(node, ['metadata', 'annotations', fileAnnotation])
  return path === '' ? undefined : path
}

function take(map: Node, [key = '', ...rest]: readonly string[]): string | undefined {
  const at = map.kind === 'map' ? indexOf(map, key) : -1
  const value = at < 0 ? undefined : map.content[at + 1]
  if (!value) return undefined
  const taken = rest.length === 0 ? value.value : take(value, rest)
  if (rest.length === 0 || (taken !== undefined && value.kind === 'map' && value.content.length === 0)) map.content.splice(at, 2)
  return taken
}
