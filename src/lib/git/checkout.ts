/** The files of a commit, straight from the pack: nothing is written to a disk. */
import { GitError } from './errors.ts'
import { parseTree, type TreeItem } from './objects.ts'
import type { Pack } from './pack.ts'

/** A file of a commit. */
export interface CommittedFile {
  /** Names separated by `/`. */
  readonly path: string
  readonly executable: boolean
  readonly id: string
  /** Set for a name that is not UTF-8: `path` is then only good for showing. */
  readonly unreadable?: true
}

const maxEntries = 1_000_000
const longestPath = 4096

/**
 * Every file of a tree, sorted by path. Symbolic links and submodules are left out, as they are from every artifact.
 * @throws GitError `content` for names that lead elsewhere (`..`, `.git`), `tooLarge` beyond a million entries.
 */
export function listFiles(pack: Pack, tree: string): CommittedFile[] {
  const files: CommittedFile[] = []
  const directories = [{ id: tree, path: '', unreadable: false }]
  let entries = 0
  for (let directory = directories.pop(); directory; directory = directories.pop()) {
    for (const item of parseTree(pack.read(directory.id, 'tree'))) {
      if (++entries > maxEntries) throw new GitError('tooLarge', `the commit has more than ${maxEntries} files and directories`)
      if (item.type === 'link' || item.type === 'submodule') continue
      const { name, readable } = decodeName(item)
      const path = directory.path === '' ? name : `${directory.path}/${name}`
      if (path.length > longestPath) throw new GitError('content', `the path ${JSON.stringify(path.slice(0, 200))}… is too long`)
      checkName(name, path)
      const unreadable = directory.unreadable || !readable
      if (item.type === 'directory') directories.push({ id: item.id, path, unreadable })
      else files.push({ path, executable: item.type === 'executable', id: item.id, ...(unreadable && { unreadable }) })
    }
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1))
  const twice = files.find(({ path }, i) => path === files[i - 1]?.path)
  if (twice) throw new GitError('content', `the commit holds two entries named ${JSON.stringify(twice.path)}`)
  return files
}

/**
 * The files of the directories alone. As upstream does, a directory stands for every path that begins with its name.
 * @throws GitError `missingDirectory` for one that does not exist.
 * Source: SparseCheckoutDirectories of go-git, validateSparseCheckoutPaths of source-controller.
 */
export function sparse(files: readonly CommittedFile[], directories: readonly string[]): CommittedFile[] {
  const prefixes = directories.map((directory) => directory.replace(/^\.\//, ''))
  const missing = prefixes.findIndex((prefix) => !exists(files, prefix.replace(/\/+$/, '')))
  if (missing >= 0)
    throw new GitError('missingDirectory', `sparse checkout dir '${directories[missing]}' does not exist in repository`)
  return files.filter(({ path }) => prefixes.some((prefix) => path.startsWith(prefix)))
}

function exists(files: readonly CommittedFile[], path: string): boolean {
  return path === '' || path === '.' || files.some((file) => file.path === path || file.path.startsWith(`${path}/`))
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeName({ name }: TreeItem): { name: string; readable: boolean } {
  try {
    return { name: utf8.decode(name), readable: true }
  } catch {
    return { name: name.toString('latin1').replace(/[^ -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`), readable: false }
  }
}

/** Git itself refuses these; a server can be made to send them. */
function checkName(name: string, path: string): void {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.toLowerCase() === '.git')
    throw new GitError('content', `the commit holds an entry named ${JSON.stringify(path)}, which is refused`)
}
