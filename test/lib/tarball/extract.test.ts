import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ArchiveError, extractTarball, writeTarball } from '../../../src/lib/tarball/index.ts'
import { paxRecord, type RawEntry, rawArchive, rawTar } from './archives.ts'

const limits = { maxBytes: 10 * 1024 * 1024, maxEntries: 1000 }

let folder: string
let file: string
let out: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tarball-'))
  file = join(folder, 'archive')
  out = join(folder, 'out')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function extract(bytes: Uint8Array, bounds = limits) {
  writeFileSync(file, bytes)
  return extractTarball(file, out, bounds)
}

async function expectRefused(bytes: Uint8Array, message: RegExp, bounds = limits): Promise<void> {
  const error: unknown = await extract(bytes, bounds).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ArchiveError)
  expect(error).toHaveProperty('message', expect.stringMatching(message))
  expect(readdirSync(folder), 'nothing but the archive is left').toEqual(['archive'])
}

describe('extractTarball', () => {
  it('unpacks what writeTarball wrote, read-only, with the hash of every file', async () => {
    await writeTarball(file, [
      { path: 'apps/a.yaml', executable: false, content: Buffer.from('a: 1\n') },
      { path: 'run.sh', executable: true, content: Buffer.from('#!/bin/sh\n') },
    ])
    const files = await extractTarball(file, out, limits)
    const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
    expect(files).toEqual(
      new Map([
        ['apps/a.yaml', sha256('a: 1\n')],
        ['run.sh', sha256('#!/bin/sh\n')],
      ]),
    )
    expect(readFileSync(join(out, 'apps/a.yaml'), 'utf8')).toBe('a: 1\n')
    expect(lstatSync(join(out, 'apps/a.yaml')).mode & 0o777).toBe(0o400)
    expect(lstatSync(join(out, 'run.sh')).mode & 0o777).toBe(0o500)
  })

  it.each(['gnu', 'pax', 'ustar'])('reads what tar writes in the format %s', async (format) => {
    const tree = join(folder, 'tree')
    const path = format === 'ustar' ? 'config/x.yaml' : `${'long-'.repeat(30)}/größe/${'name-'.repeat(30)}.yaml`
    mkdirSync(join(tree, path, '..'), { recursive: true })
    writeFileSync(join(tree, path), 'x: 1\n')
    execFileSync('tar', ['-czf', file, `--format=${format}`, '-C', tree, '.'])
    expect([...(await extractTarball(file, out, limits)).keys()]).toEqual([path])
    expect(readFileSync(join(out, path), 'utf8')).toBe('x: 1\n')
  })

  it.each([
    ['../x', /leads upwards/],
    ['a/../../x', /leads upwards/],
    ['a/../x', /leads upwards/],
    ['/etc/x', /not relative/],
    ['C:/x', /drive letter/],
    ['c:x', /drive letter/],
    ['a\\..\\..\\x', /backslash/],
    ['..', /leads upwards/],
    ['a//x', /shortest form/],
    ['a/./x', /shortest form/],
  ])('F-ART-01 refuses the whole archive for an entry %j', async (path, message) => {
    await expectRefused(rawArchive({ path: 'good', body: 'good' }, { path, body: 'evil' }), message)
  })

  it('F-ART-01 refuses a path upwards that comes in a pax header or a long name', async () => {
    await expectRefused(
      rawArchive({ path: 'p', type: 'ExtendedHeader', body: paxRecord('path', '../x') }, { path: 'x', body: 'evil' }),
      /leads upwards/,
    )
    await expectRefused(
      rawArchive({ path: 'l', type: 'NextFileHasLongPath', body: '../x\0' }, { path: 'x', body: 'evil' }),
      /leads upwards/,
    )
    await expectRefused(
      rawArchive({ path: 'p', type: 'ExtendedHeader', body: paxRecord('path', 'a\0b') }, { path: 'x', body: 'evil' }),
      /NUL byte/,
    )
  })

  it('F-ART-02 skips symbolic links and never follows them', async () => {
    const outside = join(folder, 'outside')
    mkdirSync(outside)
    const files = await extract(
      rawArchive(
        { path: 'link', type: 'SymbolicLink', linkpath: outside },
        { path: 'link/x', body: 'inside' },
        { path: 'etc', type: 'SymbolicLink', linkpath: '/etc/passwd' },
      ),
    )
    expect([...files.keys()]).toEqual(['link/x'])
    expect(lstatSync(join(out, 'link')).isDirectory()).toBe(true)
    expect(readdirSync(outside)).toEqual([])
    expect(readdirSync(out)).toEqual(['link'])
  })

  it.each<RawEntry>([
    { path: 'x', type: 'Link', linkpath: '/etc/passwd' },
    { path: 'x', type: 'CharacterDevice' },
    { path: 'x', type: 'BlockDevice' },
    { path: 'x', type: 'FIFO' },
    { path: 'x', type: 'SparseFile' },
  ])('F-ART-02 refuses an entry of type $type', async (entry) => {
    await expectRefused(rawArchive(entry), /entries of type|not entries of type/)
  })

  it('F-ART-02 refuses a sparse file in pax form', async () => {
    await expectRefused(
      rawArchive({ path: 'p', type: 'ExtendedHeader', body: paxRecord('GNU.sparse.major', '1') }, { path: 'x', body: '' }),
      /sparse/,
    )
  })

  it('F-ART-02 takes away setuid, write and group bits', async () => {
    await extract(rawArchive({ path: 'x', mode: 0o6777, body: 'x' }, { path: 'd/', type: 'Directory', mode: 0o7777 }))
    expect(lstatSync(join(out, 'x')).mode & 0o7777).toBe(0o500)
    expect(lstatSync(join(out, 'd')).mode & 0o7777).toBe(0o700)
  })

  it('F-ART-03 stops an archive that unpacks to more than the limit, and removes what it wrote', async () => {
    const bomb = gzipSync(rawTar({ path: 'zeros', body: Buffer.alloc(64 * 1024 * 1024) }))
    expect(bomb.length).toBeLessThan(100_000)
    await expectRefused(bomb, /larger than 10485760 bytes when unpacked/)
  })

  it('F-ART-03 stops bombs that hide behind the end of the archive, in headers, or in the number of entries', async () => {
    const afterEnd = gzipSync(Buffer.concat([rawTar({ path: 'x', body: 'x' }), Buffer.alloc(20 * 1024 * 1024)]))
    await expectRefused(afterEnd, /when unpacked/)
    const header = rawArchive({ path: 'p', type: 'ExtendedHeader', body: Buffer.alloc(2 * 1024 * 1024) })
    await expectRefused(header, /header of 2097152 bytes/)
    const many = rawArchive(...Array.from({ length: 11 }, (_, i) => ({ path: `f${i}` })))
    await expectRefused(many, /more than 10 entries/, { ...limits, maxEntries: 10 })
    const nested = gzipSync(gzipSync(rawTar({ path: 'x', body: 'x' })))
    await expectRefused(nested, /truncated|checksum/)
  })

  it('F-ART-04 names what is wrong with a damaged archive', async () => {
    const random = createHash('sha512').update('noise').digest('hex').repeat(4000)
    const good = rawArchive({ path: 'x', body: random })
    const wrongSum = Buffer.from(good)
    wrongSum[good.length - 6] = (wrongSum[good.length - 6] ?? 0) ^ 0xff
    await expectRefused(good.subarray(0, good.length / 2), /not valid gzip: unexpected end of file/)
    await expectRefused(wrongSum, /not valid gzip: incorrect data check/)
    await expectRefused(Buffer.from('<html>log in</html>'), /not valid gzip: incorrect header check/)
    await expectRefused(Buffer.alloc(0), /not valid gzip: unexpected end of file/)
    await expectRefused(gzipSync('<html>log in</html>'), /truncated/)
    await expectRefused(gzipSync('x'.repeat(1024)), /wrong checksum/)
    await expectRefused(gzipSync(rawTar({ path: 'x', body: 'x'.repeat(600) }).subarray(0, 700)), /truncated/)
  })

  it('F-ART-04 names a malformed pax header', async () => {
    for (const body of ['path=x\n', '99 path=x\n', '0 path=x\n', '12 path=x\n\0\0\0', '-9 path=x\n']) {
      await expectRefused(rawArchive({ path: 'p', type: 'ExtendedHeader', body }, { path: 'x' }), /pax header is malformed/)
    }
    const size = rawArchive({ path: 'p', type: 'ExtendedHeader', body: paxRecord('size', '-1') }, { path: 'x' })
    await expectRefused(size, /gives the size "-1"/)
  })

  it('refuses a path that is both a file and a directory, or too long for the disk', async () => {
    await expectRefused(rawArchive({ path: 'a', body: '' }, { path: 'a/b', body: '' }), /file has the same path/)
    await expectRefused(rawArchive({ path: 'a/b', body: '' }, { path: 'a', body: '' }), /directory has the same path/)
    const long = { path: 'p', type: 'ExtendedHeader', body: paxRecord('path', 'x'.repeat(300)) } as const
    await expectRefused(rawArchive(long, { path: 'x', body: '' }), /too long/)
  })

  it('lets a later entry of the same path win, as tar does', async () => {
    const files = await extract(rawArchive({ path: 'x', body: 'one' }, { path: './x', body: 'two' }))
    expect(readFileSync(join(out, 'x'), 'utf8')).toBe('two')
    expect(files.get('x')).toBe(createHash('sha256').update('two').digest('hex'))
  })

  it('keeps keys such as __proto__ as plain file names', async () => {
    const files = await extract(rawArchive({ path: '__proto__/constructor', body: 'x' }))
    expect([...files.keys()]).toEqual(['__proto__/constructor'])
  })

  it('reads through a comment that git wrote for the whole archive', async () => {
    const comment = { path: 'pax_global_header', type: 'GlobalExtendedHeader', body: paxRecord('comment', 'a'.repeat(40)) } as const
    expect([...(await extract(rawArchive(comment, { path: 'x', body: 'x' }))).keys()]).toEqual(['x'])
  })

  it('passes on a system error', async () => {
    await expect(extractTarball(join(folder, 'none'), out, limits)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(readdirSync(folder)).toEqual([])
  })
})
