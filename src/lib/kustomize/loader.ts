/** Reads the files of a build, keeps them inside of their bounds, and notes what was read. */

import { createHash } from 'node:crypto'
import { BuildError } from '../errors.ts'
import { cleanPath, type Tree } from '../tree.ts'
import { isRemoteFile, type RemoteRequest, type RepoSpec, repoSpecOf } from './remote.ts'

/** Whether files may lie outside of the folder of the kustomization that names them. */
export type LoadRestrictor = 'LoadRestrictionsRootOnly' | 'LoadRestrictionsNone'

/** What was fetched so far, by `remoteKey`; undefined for a file that the server does not have, an error for what failed. */
export type Remotes = ReadonlyMap<string, Tree | Uint8Array | Error | undefined>

/** What all loaders of one build share. */
export interface Sources {
  readonly restrictor: LoadRestrictor
  /** The tree is a whole disk: paths may be absolute, and messages show them so. */
  readonly wholeDisk: boolean
  readonly remotes: Remotes
  /** Path → SHA-256 in hex, undefined for paths that were looked for in vain. */
  readonly filesRead: Map<string, string | undefined>
}

/** Thrown to have something fetched; the build then starts again. */
export class NeedsRemote extends Error {
  override readonly name = 'NeedsRemote'
  readonly request: RemoteRequest
  constructor(request: RemoteRequest) {
    super(`needs ${remoteKey(request)}`)
    this.request = request
  }
}

export function remoteKey(request: RemoteRequest): string {
  return request.kind === 'file' ? request.url : `git ${request.cloneUrl} ${request.ref} ${request.submodules}`
}

/** A file could not be read over HTTP: nothing else is tried. */
export class HttpError extends BuildError {}

/** Loads relative to one folder. */
export class Loader {
  /** Folder in the tree, `''` for its root. */
  readonly root: string
  readonly #tree: Tree
  readonly #sources: Sources
  readonly #referrer: Loader | undefined
  readonly #repo: RepoSpec | undefined

  private constructor(
    root: string,
    tree: Tree,
    context: { sources: Sources; referrer?: Loader | undefined; repo?: RepoSpec | undefined },
  ) {
    this.root = root
    this.#tree = tree
    this.#sources = context.sources
    this.#referrer = context.referrer
    this.#repo = context.repo
  }

  /** @throws BuildError unless the path is a folder of the tree. */
  static at(tree: Tree, path: string, sources: Sources): Loader {
    const repo = repoSpecOf(path)
    if (repo) return Loader.#atRepository(repo, { sources })
    const root = cleanPath(sources.wholeDisk ? path.replace(/^\/+/, '') : path)
    if (root === undefined) throw new BuildError(`must build at directory: '${path}' is not a folder of the source`)
    requireFolder(tree, root, sources, path)
    return new Loader(realPath(tree, root), tree, { sources })
  }

  static #atRepository(repo: RepoSpec, context: { sources: Sources; referrer?: Loader }): Loader {
    const tree = fetched({ kind: 'git', ...repo }, context.sources)
    if (!tree || tree instanceof Uint8Array) throw new BuildError(`'${repo.raw}' is not a Git repository`)
    const root = cleanPath(repo.path) ?? ''
    if (!tree.list(root)) throw new BuildError(`'${repo.raw}': the repository has no folder '${repo.path}'`)
    return new Loader(root, tree, { ...context, repo })
  }

  /** The folder as messages name it. */
  get place(): string {
    return this.#display(this.root)
  }

  #display(path: string): string {
    const repo = this.#containingRepo()
    if (repo) return `${repo.cloneUrl}//${path}`
    if (this.#sources.wholeDisk) return `/${path}`
    return path === '' ? '.' : path
  }

  /** The path of a file of this folder as errors and `filesRead` name it. */
  fileName(path: string): string {
    if (isRemoteFile(path)) return path
    return this.#display(cleanPath(this.root, path) ?? path)
  }

  /** A loader of another folder, for a base or component. @throws BuildError for what is none, and for cycles. */
  enter(path: string): Loader {
    if (path === '') throw new BuildError('new root cannot be empty')
    const repo = repoSpecOf(path)
    if (repo) {
      this.#refuseRepositoryCycle(repo)
      return Loader.#atRepository(repo, { sources: this.#sources, referrer: this })
    }
    if (path.startsWith('/')) throw new BuildError(`new root '${path}' cannot be absolute`)
    const named = cleanPath(this.root, path)
    if (named === undefined) throw new BuildError(`must build at directory: ${outside(path, this.place)}`)
    requireFolder(this.#tree, named, this.#sources, this.#display(named))
    const root = realPath(this.#tree, named)
    this.#refuseCycle(root)
    return new Loader(root, this.#tree, { sources: this.#sources, referrer: this })
  }

  #refuseCycle(candidate: string): void {
    for (let loader: Loader | undefined = this; loader; loader = loader.#referrer) {
      if (loader.#tree !== this.#tree || !isInside(loader.root, candidate)) continue
      throw new BuildError(`cycle detected: candidate root '${this.#display(candidate)}' contains visited root '${loader.place}'`)
    }
  }

  #refuseRepositoryCycle(repo: RepoSpec): void {
    for (let loader: Loader | undefined = this; loader; loader = loader.#referrer) {
      const previous = loader.#repo
      if (!previous?.raw.startsWith(repo.raw)) continue
      throw new BuildError(`cycle detected: URI '${repo.raw}' referenced by previous URI '${previous.raw}'`)
    }
  }

  #containingRepo(): RepoSpec | undefined {
    if (this.#repo || !this.#referrer) return this.#repo
    return this.#referrer.#containingRepo()
  }

  /** The bytes of a file. @throws BuildError when it is missing or out of bounds. */
  load(path: string): Uint8Array {
    if (isRemoteFile(path)) return this.#loadRemote(path)
    const clean = this.#clean(path)
    if (clean === undefined) throw new BuildError(outside(path, this.place))
    const shown = this.#display(clean)
    const content = this.#tree.read(clean)
    this.#sources.filesRead.set(shown, content && createHash('sha256').update(content).digest('hex'))
    const restricted = this.#containingRepo() !== undefined || this.#sources.restrictor === 'LoadRestrictionsRootOnly'
    if (!content) throw new BuildError(unreadable(shown, { isFolder: this.#tree.list(clean) !== undefined, restricted }))
    if (restricted && !isInside(realPath(this.#tree, clean), this.root))
      throw new BuildError(`security; file '${shown}' is not in or below '${this.place}'`)
    return content
  }

  #clean(path: string): string | undefined {
    if (!path.startsWith('/')) return cleanPath(this.root, path)
    if (this.#sources.wholeDisk && !this.#containingRepo()) return cleanPath(path.replace(/^\/+/, ''))
    throw new BuildError(missing(path))
  }

  #loadRemote(url: string): Uint8Array {
    const content = fetched({ kind: 'file', url }, this.#sources)
    if (content instanceof Uint8Array) return content
    if (repoSpecOf(url)) throw new BuildError('URL is a git repository')
    throw new HttpError(`HTTP Error: nothing at ${url}`)
  }

  /** A folder as a tree of its own, whose reads are noted too; undefined when there is none. @throws BuildError when it is out of bounds. */
  folder(path: string): Tree | undefined {
    const clean = this.#clean(path)
    if (clean === undefined) throw new BuildError(outside(path, this.place))
    if (!this.#tree.list(clean)) {
      this.#sources.filesRead.set(this.#display(clean), undefined)
      return undefined
    }
    const below = (inner: string) => (inner === '' ? path : `${path}/${inner}`)
    return {
      read: (inner) => (this.#isFile(below(inner)) ? this.load(below(inner)) : undefined),
      list: (inner) => this.#tree.list(this.#clean(below(inner)) ?? clean),
    }
  }

  #isFile(path: string): boolean {
    const clean = this.#clean(path)
    return clean !== undefined && this.#tree.read(clean) !== undefined
  }

  /** A file as text. @throws BuildError for what is not UTF-8. */
  text(path: string): string {
    return decode(this.load(path), this.fileName(path))
  }

  /** The text of a file, undefined when it cannot be read. @throws BuildError for what is not UTF-8. */
  tryText(path: string): string | undefined {
    let content: Uint8Array
    try {
      content = this.load(path)
    } catch (error) {
      if (error instanceof BuildError) return undefined
      throw error
    }
    return decode(content, this.fileName(path))
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decode(content: Uint8Array, file: string): string {
  try {
    return decoder.decode(content)
  } catch {
    throw new BuildError(`MalformedYAMLError: yaml: invalid UTF-8 octet in File: ${file}`, { file })
  }
}

function fetched(request: RemoteRequest, sources: Sources): Tree | Uint8Array | undefined {
  const key = remoteKey(request)
  if (!sources.remotes.has(key)) throw new NeedsRemote(request)
  const found = sources.remotes.get(key)
  if (found instanceof Error) throw found
  return found
}

function requireFolder(tree: Tree, path: string, sources: Sources, shown = path): void {
  if (tree.list(path)) return
  const isFile = tree.read(path) !== undefined
  if (!isFile) sources.filesRead.set(shown, undefined)
  const problem = isFile ? `'${shown}': file is not directory` : `not a valid directory: ${missing(shown)}`
  throw new BuildError(`must build at directory: ${problem}`)
}

function realPath(tree: Tree, path: string): string {
  return tree.realPath?.(path) ?? path
}

function missing(path: string): string {
  return `evalsymlink failure on '${path}' : lstat ${path}: no such file or directory`
}

/** The words depend on whether kustomize first looks where the file really lies. */
function unreadable(path: string, { isFolder, restricted }: { isFolder: boolean; restricted: boolean }): string {
  if (isFolder) return restricted ? `'${path}' must resolve to a file` : `read ${path}: is a directory`
  return restricted ? missing(path) : `open ${path}: no such file or directory`
}

function outside(path: string, root: string): string {
  return `security; path '${path}' in '${root}' leads out of the source`
}

/** Whether `path` is `folder` or lies below it. */
function isInside(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`)
}
