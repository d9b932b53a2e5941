import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { diskTree, recordedTree, withFile } from '../../src/lib/disk-tree.ts'
import { memoryTree, type Tree } from '../../src/lib/tree.ts'

let directory: string
let tree: Tree

const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes)

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sluice-tree-'))
  await mkdir(join(directory, 'apps/empty'), { recursive: true })
  await writeFile(join(directory, 'apps/b.yaml'), 'b')
  await writeFile(join(directory, 'apps/a.yaml'), 'a')
  await writeFile(join(directory, 'root.yaml'), 'root')
  await symlink('/etc', join(directory, 'apps/etc'))
  await symlink('b.yaml', join(directory, 'apps/link.yaml'))
  tree = diskTree(directory)
})

describe('a directory as a tree', () => {
  it('reads files and lists directories by name', () => {
    expect(text(tree.read('apps/b.yaml'))).toBe('b')
    expect(tree.list('')).toEqual([
      { name: 'apps', type: 'directory' },
      { name: 'root.yaml', type: 'file' },
    ])
    expect(tree.list('apps')?.map(({ name }) => name)).toEqual(['a.yaml', 'b.yaml', 'empty'])
    expect(tree.list('apps/empty')).toEqual([])
  })

  it.each(['gone.yaml', 'root.yaml/x', 'apps', `${'x'.repeat(5000)}`, 'a\0b'])('has no file %j', (path) => {
    expect(tree.read(path)).toBeUndefined()
  })

  it.each(['gone', 'root.yaml'])('has no directory %j', (path) => {
    expect(tree.list(path)).toBeUndefined()
  })

  it('KUS-BLD-11 F-KUS-02 follows no symbolic link, wherever it stands on the way', () => {
    expect(tree.read('apps/link.yaml')).toBeUndefined()
    expect(tree.list('apps/etc')).toBeUndefined()
    expect(tree.read('apps/etc/hostname')).toBeUndefined()
  })
})

describe('recordedTree', () => {
  it('remembers what was asked, found or not', () => {
    const { tree: asked, reads, lists } = recordedTree(memoryTree([['a', 'x']]))
    asked.read('a')
    asked.read('b')
    asked.list('c')
    expect([[...reads], [...lists]]).toEqual([['a', 'b'], ['c']])
  })
})

describe('withFile', () => {
  const base = memoryTree([
    ['apps/a', '1'],
    ['apps/c', '3'],
  ])

  it('adds a file to its directory, and replaces one', () => {
    expect(
      withFile(base, 'apps/b', '2')
        .list('apps')
        ?.map(({ name }) => name),
    ).toEqual(['a', 'b', 'c'])
    const replaced = withFile(base, 'apps/a', 'new')
    expect(text(replaced.read('apps/a'))).toBe('new')
    expect(text(replaced.read('apps/c'))).toBe('3')
    expect(replaced.list('apps')).toHaveLength(2)
  })
})
