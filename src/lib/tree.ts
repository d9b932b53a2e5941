/** A read-only file tree: what engines see instead of a disk. */

/** One entry of a directory. */
export interface TreeEntry {
  readonly name: string
  readonly type: 'file' | 'directory'
}

/**
 * A synchronous read-only file tree. Paths are relative to its root, separated by `/`, without `.` or `..` parts
 * (`cleanPath` makes them so); the root is `''`. Symbolic links do not exist in a tree (an artifact holds none) unless it has `realPath`.
 */
export interface Tree {
  /** The bytes of a file; undefined when the path is missing or a directory. */
  read(path: string): Uint8Array | undefined
  /** The entries of a directory sorted by name (by UTF-16 code unit); undefined when the path is missing or a file. */
  list(path: string): readonly TreeEntry[] | undefined
  /** In a tree with links, which the other methods follow: the path without them, of a file or directory that is there. */
  realPath?(path: string): string
}

/**
 * Joins path parts and resolves `.` and `..`; undefined when the result would lead out of the root or a part is absolute.
 * The root is `''`: `cleanPath('a', '../b')` is `b`, `cleanPath('a', '../..')` is undefined.
 */
export function cleanPath(...parts: readonly string[]): string | undefined {
  const out: string[] = []
  for (const part of parts) {
    if (part.startsWith('/')) return undefined
    for (const name of part.split('/')) {
      if (name === '' || name === '.') continue
      if (name !== '..') out.push(name)
      else if (out.pop() === undefined) return undefined
    }
  }
  return out.join('/')
}

/** A tree in memory, from full path to content. Content given as text is stored as UTF-8. */
export function memoryTree(files: Iterable<readonly [string, string | Uint8Array]>): Tree {
  const contents = new Map<string, Uint8Array>()
  const directories = new Map<string, Map<string, TreeEntry>>([['', new Map()]])
  const encoder = new TextEncoder()
  for (const [path, content] of files) {
    contents.set(path, typeof content === 'string' ? encoder.encode(content) : content)
    addEntry(directories, path, 'file')
  }
  return {
    read: (path) => contents.get(path),
    list: (path) => {
      const entries = directories.get(path)
      return entries && [...entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    },
  }
}

function addEntry(directories: Map<string, Map<string, TreeEntry>>, path: string, type: TreeEntry['type']): void {
  const slash = path.lastIndexOf('/')
  const parent = slash < 0 ? '' : path.slice(0, slash)
  const name = path.slice(slash + 1)
  if (!directories.has(parent)) {
    directories.set(parent, new Map())
    addEntry(directories, parent, 'directory')
  }
  directories.get(parent)?.set(name, { name, type })
}
