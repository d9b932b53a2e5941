/** A directory of the disk as a Tree, and a Tree that remembers what was asked of it. */
import { lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from './errors.ts'
import type { Tree, TreeEntry } from './tree.ts'

/**
 * The files below a directory. Symbolic links and special files count as missing, so nothing outside of the directory is reached.
 * @throws Error when the directory itself does not exist.
 */
export function diskTree(directory: string): Tree {
  const root = realpathSync.native(directory)
  return {
    read: (path) => (typeOf(root, path) === 'file' ? readFileSync(join(root, path)) : undefined),
    list: (path) => (typeOf(root, path) === 'directory' ? listDirectory(join(root, path)) : undefined),
  }
}

function listDirectory(directory: string): TreeEntry[] {
  const entries: TreeEntry[] = []
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isFile()) entries.push({ name: entry.name, type: 'file' })
    else if (entry.isDirectory()) entries.push({ name: entry.name, type: 'directory' })
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function typeOf(root: string, path: string): TreeEntry['type'] | undefined {
  const full = path === '' ? root : join(root, path)
  try {
    // A link anywhere on the way shows in the real path.
    if (realpathSync.native(full) !== full) return undefined
    const stats = lstatSync(full)
    return stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : undefined
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

function isMissing(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG' || code === 'ERR_INVALID_ARG_VALUE'
}

/** The whole disk, with symbolic links followed: for a user's own commands, never for files of others. */
export function wholeDisk(): Tree {
  const typeAt = (path: string): TreeEntry['type'] | undefined => {
    const stats = statOf(`/${path}`)
    return stats?.isFile() ? 'file' : stats?.isDirectory() ? 'directory' : undefined
  }
  return {
    read: (path) => (typeAt(path) === 'file' ? readFileSync(`/${path}`) : undefined),
    list(path) {
      if (typeAt(path) !== 'directory') return undefined
      const names = readdirSync(`/${path}`).sort()
      return names.map((name) => ({ name, type: typeAt(`${path}/${name}`) })).filter((entry): entry is TreeEntry => !!entry.type)
    },
    realPath: (path) => realpathSync.native(`/${path}`).slice(1),
  }
}

function statOf(path: string) {
  try {
    return statSync(path)
  } catch (error) {
    if (isMissing(error) || codeOf(error) === 'ELOOP') return undefined
    throw error
  }
}

/** A tree and the paths that were asked of it, whether they exist or not. */
export interface RecordedTree {
  readonly tree: Tree
  readonly reads: ReadonlySet<string>
  readonly lists: ReadonlySet<string>
}

export function recordedTree(tree: Tree): RecordedTree {
  const reads = new Set<string>()
  const lists = new Set<string>()
  return {
    tree: {
      read(path) {
        reads.add(path)
        return tree.read(path)
      },
      list(path) {
        lists.add(path)
        return tree.list(path)
      },
    },
    reads,
    lists,
  }
}

/** A tree in which one file has another content; the file may be new, in a directory that exists. */
export function withFile(tree: Tree, path: string, content: string): Tree {
  const bytes = new TextEncoder().encode(content)
  const slash = path.lastIndexOf('/')
  const directory = slash < 0 ? '' : path.slice(0, slash)
  const name = path.slice(slash + 1)
  return {
    read: (asked) => (asked === path ? bytes : tree.read(asked)),
    list(asked) {
      const entries = tree.list(asked)
      if (asked !== directory || !entries || entries.some((entry) => entry.name === name)) return entries
      const file: TreeEntry = { name, type: 'file' }
      return [...entries, file].sort((a, b) => (a.name < b.name ? -1 : 1))
    },
  }
}
