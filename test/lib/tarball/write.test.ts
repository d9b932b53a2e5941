import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ArchiveError, extractTarball, type TarballEntry, writeTarball } from '../../../src/lib/tarball/index.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tarball-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function entry(path: string, content = path, executable = false): TarballEntry {
  return { path, executable, content: Buffer.from(content) }
}

/** As `tar -tv` lists it: mode, owner, time and path. */
function listing(file: string): string[] {
  const text = execFileSync('tar', ['-tvzf', file, '--numeric-owner', '--full-time', '--utc', '--quoting-style=literal'])
  return text
    .toString()
    .trim()
    .split('\n')
    .map((line) => line.replace(/ +/g, ' '))
}

describe('writeTarball', () => {
  it('SRC-ART-04 writes the same bytes for the same tree, in whatever order it comes', async () => {
    const tree = [entry('b.yaml'), entry('a/z.yaml'), entry('a.yaml'), entry('a/b/run.sh', '#!/bin/sh\n', true)]
    const one = await writeTarball(join(folder, 'one'), tree)
    const two = await writeTarball(join(folder, 'two'), tree.toReversed())
    expect(two).toEqual(one)
    expect(readFileSync(join(folder, 'two'))).toEqual(readFileSync(join(folder, 'one')))
  })

  it('SRC-ART-04 normalises owners, modes and times, and lists a directory before what it holds', async () => {
    const file = join(folder, 'a.tar.gz')
    await writeTarball(file, [entry('b.yaml'), entry('a/z.yaml'), entry('a.yaml'), entry('a/b/run.sh', '#!/bin/sh\n', true)])
    expect(listing(file)).toEqual([
      'drwxr-x--- 0/0 0 1970-01-01 00:00:00 a/',
      'drwxr-x--- 0/0 0 1970-01-01 00:00:00 a/b/',
      '-rwx------ 0/0 10 1970-01-01 00:00:00 a/b/run.sh',
      '-rw------- 0/0 8 1970-01-01 00:00:00 a/z.yaml',
      '-rw------- 0/0 6 1970-01-01 00:00:00 a.yaml',
      '-rw------- 0/0 6 1970-01-01 00:00:00 b.yaml',
    ])
  })

  it('writes a file in pieces as it writes it whole, and notices when it is not as large as told', async () => {
    const pieces = [Buffer.alloc(300_000, 'a'), Buffer.alloc(1), Buffer.alloc(100_000, 'b')]
    const inPieces = (sizeBytes: number) => [{ path: 'a', executable: false, content: { sizeBytes, chunks: () => pieces } }]
    const whole = [{ path: 'a', executable: false, content: Buffer.concat(pieces) }]
    expect(await writeTarball(join(folder, 'one'), inPieces(400_001))).toEqual(await writeTarball(join(folder, 'two'), whole))
    for (const size of [400_000, 400_002])
      await expect(writeTarball(join(folder, 'three'), inPieces(size))).rejects.toThrow('"a" has changed while it was read')
    expect(readdirSync(folder).sort()).toEqual(['one', 'two'])
  })

  it('names no time, file name or operating system in the gzip header', async () => {
    const file = join(folder, 'a.tar.gz')
    await writeTarball(file, [entry('a.yaml')])
    expect([...readFileSync(file).subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])
  })

  it('returns the digest and size of the file', async () => {
    const file = join(folder, 'a.tar.gz')
    const written = await writeTarball(file, [entry('a.yaml')])
    const bytes = readFileSync(file)
    expect(written).toEqual({ digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, sizeBytes: bytes.length })
  })

  it.each([
    ['a long path', `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(90)}/x.yaml`],
    ['a long path that is cut after a slash', `${'d'.repeat(98)}/${'e'.repeat(98)}/${'f'.repeat(98)}/x.yaml`],
    ['a path beyond ASCII', 'config/größe-日本語/🚀.yaml'],
    ['a long path beyond ASCII', `${'ü'.repeat(80)}/${'日'.repeat(60)}.yaml`],
    ['a path with a line feed', 'odd\nname.yaml'],
    ['a long path with a line feed', `${'ü'.repeat(80)}/odd\nname.yaml`],
  ])('keeps %s, for other tools too', async (_, path) => {
    const file = join(folder, 'a.tar.gz')
    await writeTarball(file, [entry(path, 'x: 1\n')])
    expect(execFileSync('tar', ['-xzOf', file, path]).toString()).toBe('x: 1\n')
    expect([...(await extractTarball(file, join(folder, 'out'), { maxBytes: 1e6, maxEntries: 10 })).keys()]).toEqual([path])
  })

  it('writes an empty tree and files of every size around a block', async () => {
    await writeTarball(join(folder, 'empty'), [])
    expect((await extractTarball(join(folder, 'empty'), join(folder, 'out'), { maxBytes: 1e6, maxEntries: 10 })).size).toBe(0)
    const sizes = [0, 1, 511, 512, 513, 300_000]
    await writeTarball(
      join(folder, 'sizes'),
      sizes.map((size) => entry(`${size}`, 'x'.repeat(size))),
    )
    await extractTarball(join(folder, 'sizes'), join(folder, 'sizes.out'), { maxBytes: 1e6, maxEntries: 10 })
    for (const size of sizes) expect(readFileSync(join(folder, 'sizes.out', `${size}`)).length).toBe(size)
  })

  it.each([
    ['../x', /leads upwards/],
    ['/etc/x', /not relative/],
    ['a//b', /shortest form/],
    ['', /no path/],
  ])('refuses the path %j and leaves no file', async (path, message) => {
    await expect(writeTarball(join(folder, 'a'), [entry('ok'), entry(path)])).rejects.toThrow(message)
    expect(readdirSync(folder)).toEqual([])
  })

  it.each([
    ['a path that comes twice', ['a', 'a']],
    ['a file that is a directory too', ['a/b', 'a']],
  ])('refuses %s', async (_, paths) => {
    await expect(
      writeTarball(
        join(folder, 'a'),
        paths.map((path) => entry(path)),
      ),
    ).rejects.toThrow(ArchiveError)
  })

  it('passes on a system error and leaves no file', async () => {
    await expect(writeTarball(join(folder, 'missing', 'a'), [entry('x')])).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
