import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { defaultPackLimits, Pack } from '../../../src/lib/git/pack.ts'
import { run, temporaryDirectory } from '../../tools/processes.ts'
import { Repository } from '../../tools/repository.ts'

const never = new AbortController().signal
let repository: Repository

beforeAll(async () => {
  repository = await Repository.create(await temporaryDirectory('pack'), 'packed')
  const lines = Array.from({ length: 400 }, (_, i) => `line ${i}: ${(i * 7919).toString(36)}`)
  for (let i = 0; i < 40; i++) {
    lines[i * 10] = `changed ${i}`
    await repository.commit({ 'long.txt': lines.join('\n'), [`dir/${i}.txt`]: `${i}`, 'empty.txt': '' }, `commit ${i}`)
  }
  await repository.tag('v1', { message: 'a tag' })
}, 120_000)

/** A pack of everything, as the git program makes it. */
async function packed(...options: string[]): Promise<Buffer> {
  const ids = await repository.git('rev-list', '--objects', '--all', '--no-object-names')
  const prefix = join(await temporaryDirectory('packs'), 'pack')
  const all = ['pack-objects', '--quiet', '--no-reuse-delta', ...options, prefix]
  const name = await run('git', ['-C', repository.directory, ...all], { input: ids })
  return readFile(`${prefix}-${name.trim()}.pack`)
}

/** A pack with the given bytes after its header. */
function packOf(count: number, ...parts: readonly Uint8Array[]): Buffer {
  const header = Buffer.from('PACK\0\0\0\x02\0\0\0\0', 'latin1')
  header.writeUInt32BE(count, 8)
  const body = Buffer.concat([header, ...parts])
  return Buffer.concat([body, createHash('sha1').update(body).digest()])
}

/** The head of an object in a pack. */
function head(type: number, size: number): Buffer {
  const bytes = [(type << 4) | (size & 15)]
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 128
    bytes.push(rest & 127)
  }
  return Buffer.from(bytes)
}

function blob(content: Uint8Array | string): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([head(3, bytes.length), deflateSync(bytes)])
}

describe('a pack', () => {
  it.each([
    ['without deltas', ['--depth=0']],
    ['with deltas by offset', ['--delta-base-offset', '--depth=50']],
    ['with deltas by id', ['--depth=50']],
  ])('%s holds every object as it was committed', async (_, options) => {
    const pack = await Pack.open(await packed(...options), never)
    const ids = (await repository.git('rev-list', '--objects', '--all', '--no-object-names')).split('\n')
    for (const id of ids) {
      const { type, content } = pack.find(id) ?? {}
      expect(
        createHash('sha1')
          .update(`${type} ${content?.length}\0`)
          .update(content ?? '')
          .digest('hex'),
      ).toBe(id)
    }
    expect(pack.read(await repository.git('rev-parse', 'main:long.txt'), 'blob').toString()).toContain('changed 39')
    expect(pack.read(await repository.git('rev-parse', 'v1'), 'tag').toString()).toContain('a tag')
    expect(ids.length).toBeGreaterThan(150)
  })

  it('finds a delta whose base comes later', async () => {
    const base = 'a base that is long enough'
    const baseId = createHash('sha1').update(`blob ${base.length}\0${base}`).digest()
    const delta = Buffer.from([base.length, 6, 0x90, 6]) // the first six bytes
    const changed = Buffer.concat([head(7, delta.length), baseId, deflateSync(delta)])
    const pack = await Pack.open(packOf(2, changed, blob(base)), never)
    const id = createHash('sha1').update('blob 6\0a base').digest('hex')
    expect(pack.read(id, 'blob').toString()).toBe('a base')
  })

  it('says what it lacks', async () => {
    const pack = await Pack.open(packOf(1, blob('x')), never)
    expect(() => pack.read('1'.repeat(40), 'tree')).toThrow(`the server sent a pack without tree ${'1'.repeat(40)}`)
    const id = createHash('sha1').update('blob 1\0x').digest('hex')
    expect(() => pack.read(id, 'commit')).toThrow(`object ${id} is a blob, not a commit`)
  })
})

describe('a damaged or hostile pack', () => {
  it('is refused wherever a byte is changed', async () => {
    const good = await packed('--delta-base-offset')
    for (let at = 0; at < good.length; at += Math.ceil(good.length / 40)) {
      const bad = Buffer.from(good)
      bad.writeUInt8(bad.readUInt8(at) ^ 0x55, at)
      await expect(Pack.open(bad, never)).rejects.toMatchObject({ name: 'GitError' })
    }
  })

  it.each<[string, Buffer, RegExp]>([
    ['no pack', Buffer.from('<html>'.repeat(10)), /does not begin as a pack/],
    ['fewer objects than it says', packOf(2, blob('x')), /ends within an object/],
    ['more objects than it says', packOf(1, blob('x'), blob('y')), /more bytes than its objects/],
    ['an unknown type', packOf(1, head(5, 1), deflateSync('x')), /unknown type 5/],
    ['less content than it says', packOf(1, head(3, 9), deflateSync('x')), /has 1 bytes instead of 9/],
    ['more content than it says', packOf(1, head(3, 1), deflateSync('xyz')), /damaged/],
    ['content that is not compressed', packOf(1, head(3, 4), Buffer.from('abcdefgh')), /damaged/],
    ['a delta of nothing', packOf(1, head(6, 4), Buffer.from([127]), deflateSync('abcd')), /is a delta of nothing/],
    [
      'a delta of an unknown object',
      packOf(1, head(7, 4), Buffer.alloc(20), deflateSync('abcd')),
      /deltas of objects that it does not hold/,
    ],
    ['a delta of another base', packOf(2, blob('x'), delta(blob('x').length, [9, 1, 1, 65])), /does not fit its base/],
    ['a delta beyond its base', packOf(2, blob('x'), delta(blob('x').length, [1, 5, 0x90, 5])), /does not fit its base/],
    ['a delta shorter than it says', packOf(2, blob('x'), delta(blob('x').length, [1, 5, 1, 65])), /does not fit its base/],
  ])('with %s is refused', async (_, bytes, message) => {
    await expect(Pack.open(bytes, never)).rejects.toThrow(message)
  })

  it('cannot make a large object of a small one', async () => {
    const limits = { ...defaultPackLimits, maxObjectBytes: 1000 }
    const zeros = packOf(1, blob(Buffer.alloc(1_000_000)))
    await expect(Pack.open(zeros, never, limits)).rejects.toThrow('an object of 1000000 bytes is larger than the limit of 1000')
    const grown = packOf(
      2,
      blob('x'.repeat(100)),
      delta(blob('x'.repeat(100)).length, [100, 0xe8, 0x07, ...Array(10).fill([0x90, 100]).flat()]),
    )
    expect((await Pack.open(grown, never, { ...limits, maxObjectBytes: 1001 })).has(idOf('x'.repeat(1000)))).toBe(true)
    await expect(Pack.open(grown, never, { ...limits, maxObjectBytes: 999 })).rejects.toThrow('larger than the limit of 999')
  })

  it('cannot hold too many objects or too much in all', async () => {
    const two = packOf(2, blob('x'.repeat(600)), blob('y'.repeat(600)))
    await expect(Pack.open(two, never, { ...defaultPackLimits, maxObjects: 1 })).rejects.toThrow('has 2 objects; the limit is 1')
    await expect(Pack.open(two, never, { ...defaultPackLimits, maxTotalBytes: 1000 })).rejects.toThrow(
      'more than 1000 bytes in all',
    )
  })

  it('stops being read when that is aborted', async () => {
    const many = packOf(40, ...Array.from({ length: 40 }, (_, i) => blob(Buffer.alloc(4_000_000, i))))
    const abort = new AbortController()
    const opening = Pack.open(many, abort.signal)
    abort.abort(new Error('time is up'))
    await expect(opening).rejects.toThrow('time is up')
  })
})

/** A delta of the object that began `back` bytes before. */
function delta(back: number, instructions: readonly number[]): Buffer {
  const bytes = Buffer.from(instructions)
  return Buffer.concat([head(6, bytes.length), Buffer.from([back]), deflateSync(bytes)])
}

function idOf(content: string): string {
  return createHash('sha1').update(`blob ${content.length}\0${content}`).digest('hex')
}
