/** The files of a source, from a worker: no path leads out of them, and no file is read that is too large. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { diskTree } from '../lib/disk-tree.ts'
import { BuildError } from '../lib/errors.ts'
import type { Tree } from '../lib/tree.ts'

/** A path below the root whatever it says: what leads out of it ends there. Source: filepath-securejoin, for files without links. */
export function pathInside(...parts: readonly string[]): string {
  const inside: string[] = []
  for (const name of parts.join('/').split('/')) {
    if (name === '..') inside.pop()
    else if (name !== '' && name !== '.') inside.push(name)
  }
  return inside.join('/')
}

/** A folder of a source. Reading a file that is too large throws a BuildError. Source: secureloader of source-controller. */
export function boundedTree(directory: string, path: string, maxFileBytes: number): Tree {
  const root = join(directory, path)
  const tree = diskTree(root)
  return {
    ...tree,
    read(file) {
      const size = statSync(join(root, file), { throwIfNoEntry: false })?.size ?? 0
      if (size > maxFileBytes && tree.list(file) === undefined)
        throw new BuildError(`cannot load file ${file} as file size (${size}) exceeds limit (${maxFileBytes})`)
      return tree.read(file)
    },
  }
}
