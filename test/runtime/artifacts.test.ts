import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Artifact } from '../../src/api/meta.ts'
import { ArtifactNotFound, ArtifactUnavailable } from '../../src/runtime/artifacts.ts'
import { UnpackedArtifacts } from '../../src/runtime/unpacked.ts'
import { ManualClock } from '../fakes/clock.ts'
import { rawArchive } from '../lib/tarball/archives.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { commit, never, owner, type TestStore, testStore } from './artifact-fixtures.ts'

const folderOf = (store: TestStore) => join(store.directory, 'gitrepository/flux-system/podinfo')

describe('storing', () => {
  let here: TestStore
  beforeEach(async () => {
    here = await testStore()
  })
  afterEach(() => here[Symbol.asyncDispose]())

  it('SRC-ART-02 returns the artifact as status shows it', async () => {
    const artifact = await here.put({ 'a.yaml': 'a: 1\n' })
    const bytes = readFileSync(join(here.directory, artifact.path))
    expect(artifact).toEqual({
      digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
      path: `gitrepository/flux-system/podinfo/${commit}.tar.gz`,
      url: `http://source-controller.flux-system.svc.cluster.local./gitrepository/flux-system/podinfo/${commit}.tar.gz`,
      revision: `main@sha1:${commit}`,
      lastUpdateTime: `${new Date(here.clock.now()).toISOString().slice(0, 19)}Z`,
      size: bytes.length,
    })
    expect(readdirSync(join(here.directory, '.tmp'))).toEqual([])
  })

  it('tells of each artifact whose it is and how large', async () => {
    const told: string[] = []
    await using other = await testStore({ onStored: ({ kind, name }, sizeBytes) => told.push(`${kind} ${name} ${sizeBytes}`) })
    const { size } = await other.put({ 'a.yaml': 'a: 1\n' })
    expect(told).toEqual([`GitRepository podinfo ${size}`])
  })

  it('SRC-ART-02 keeps the metadata of the origin', async () => {
    const temporaryFile = here.store.temporaryFile()
    writeFileSync(temporaryFile, 'x')
    const metadata = { 'org.opencontainers.image.revision': 'v1' }
    const staged = { temporaryFile, fileName: 'x.tar.gz', revision: 'r', digest: 'sha256:00', sizeBytes: 1, metadata }
    expect(await here.store.store(owner, staged)).toMatchObject({ metadata, size: 1 })
  })

  it.each([
    ['source.example', 'http://source.example/'],
    ['http://source.example', 'http://source.example/'],
    ['https://source.example/', 'https://source.example/'],
    ['10.0.0.1:9090', 'http://10.0.0.1:9090/'],
  ])('SRC-ART-12 advertises %s, and rewrites an artifact that was advertised elsewhere', async (advertisedAddress, url) => {
    await using store = await testStore({ advertisedAddress })
    const artifact = await store.put({ a: '' })
    expect(artifact.url).toBe(url + artifact.path)
    expect(store.store.advertised({ ...artifact, url: `http://old.example/${artifact.path}` })).toEqual(artifact)
  })

  it.each([
    { namespace: '..', name: 'x' },
    { namespace: 'a/b', name: 'x' },
    { namespace: 'a', name: '.tmp' },
    { namespace: 'a', name: '' },
  ])('never leaves its folder for an owner such as %j', async (names) => {
    const bad = { kind: 'GitRepository', ...names }
    await expect(here.store.remove(bad)).rejects.toThrow(/cannot be the path of an artifact/)
    await expect(here.store.collectGarbage(bad, undefined)).rejects.toThrow(/cannot be the path of an artifact/)
  })

  it('F-ART-07 names the artifact and keeps the one before when a file cannot be put in place', async () => {
    const before = await here.put({ a: '1' })
    const temporaryFile = join(here.directory, 'none', 'missing')
    const staged = { temporaryFile, fileName: 'b.tar.gz', revision: 'r', digest: 'sha256:00', sizeBytes: 1 }
    await expect(here.store.store(owner, staged)).rejects.toThrow(
      /^failed to store artifact gitrepository\/flux-system\/podinfo\/b.tar.gz: /,
    )
    expect(await here.store.verify(before)).toBe('present')
    expect(readdirSync(folderOf(here))).toEqual([`${commit}.tar.gz`])
  })

  it('F-ART-07 leaves no half file on a full volume, says so, and works again when there is space', async ({ skip }) => {
    const mount = mkdtempSync(join(tmpdir(), 'full-'))
    const command = `mount -t tmpfs -o size=1m none "$1" && exec "$2" "$3" "$1"`
    const script = join(import.meta.dirname, 'full-disk-writer.ts')
    try {
      await promisify(execFile)('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs none "$0"', mount])
    } catch {
      rmSync(mount, { recursive: true })
      skip('mounting a small file system is not permitted here')
    }
    const run = await promisify(execFile)('unshare', ['-m', 'sh', '-c', command, 'sh', mount, process.execPath, script])
    expect(JSON.parse(run.stdout)).toEqual({
      failure: 'no space (or no inode) is left on the storage volume',
      first: 'present',
      stored: ['first.tar.gz'],
      temporary: [],
      third: 'present',
    })
    rmSync(mount, { recursive: true })
  })
})

describe('verifying', () => {
  let here: TestStore
  let artifact: Artifact
  beforeEach(async () => {
    here = await testStore()
    artifact = await here.put({ 'a.yaml': 'a: 1\n' })
  })
  afterEach(() => here[Symbol.asyncDispose]())

  it('finds what it stored', async () => {
    expect(await here.store.verify(artifact)).toBe('present')
  })

  it('SRC-ART-11 F-ART-06 tells that a file is missing after the store was wiped', async () => {
    rmSync(folderOf(here), { recursive: true })
    expect(await here.store.verify(artifact)).toBe('missing')
  })

  it('SRC-ART-11 F-ART-05 finds a file that was damaged, and deletes it', async () => {
    const file = join(here.directory, artifact.path)
    const bytes = readFileSync(file)
    bytes[20] = (bytes[20] ?? 0) ^ 1
    expect(await here.store.has(artifact)).toBe(true)
    writeFileSync(file, bytes)
    expect(await here.store.has(artifact)).toBe(false)
    expect(existsSync(file)).toBe(true)
    expect(await here.store.verify(artifact)).toBe('corrupt')
    expect(existsSync(file)).toBe(false)
    expect(await here.store.verify(artifact)).toBe('missing')
  })

  it('SRC-ART-11 finds damage after a restart, when nothing is remembered', async () => {
    await using again = await testStore({ directory: here.directory })
    expect(await again.store.verify(artifact)).toBe('present')
    expect(await again.store.verify({ ...artifact, digest: `sha256:${'0'.repeat(64)}` })).toBe('corrupt')
  })

  it('knows the other digest algorithms of Flux that Node has, and refuses the rest by name', async () => {
    const bytes = readFileSync(join(here.directory, artifact.path))
    for (const algorithm of ['sha1', 'sha384', 'sha512']) {
      const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
      expect(await here.store.verify({ ...artifact, digest })).toBe('present')
    }
    await expect(here.store.verify({ ...artifact, digest: 'blake3:00' })).rejects.toThrow(/"blake3" is not one of sha1/)
  })

  it('takes no path out of the store from a status that somebody edited', async () => {
    const outside = join(here.directory, '..', 'outside.tar.gz')
    writeFileSync(outside, 'x')
    for (const path of ['../outside.tar.gz', 'gitrepository/../../outside.tar.gz', '.tmp/a/b/c', '/etc/passwd', '']) {
      expect(await here.store.verify({ ...artifact, path })).toBe('missing')
    }
    expect(existsSync(outside)).toBe(true)
    rmSync(outside)
  })
})

describe('cleaning up', () => {
  let here: TestStore
  beforeEach(async () => {
    here = await testStore({ retention: { ttlMs: 60_000, records: 3 } })
  })
  afterEach(() => here[Symbol.asyncDispose]())

  /** Stores an archive and makes it that old. */
  async function aged(fileName: string, seconds: number): Promise<Artifact> {
    const artifact = await here.put({ a: fileName }, fileName)
    const then = new Date(here.clock.now() - seconds * 1000)
    utimesSync(join(here.directory, artifact.path), then, then)
    return artifact
  }

  it('SRC-ART-09 removes archives beyond the age, never the current one', async () => {
    const current = await aged('current.tar.gz', 3600)
    await aged('old.tar.gz', 61)
    await aged('young.tar.gz', 59)
    expect(await here.store.collectGarbage(owner, current)).toBe(1)
    expect(readdirSync(folderOf(here))).toEqual(['current.tar.gz', 'young.tar.gz'])
  })

  it('SRC-ART-09 keeps at most the number of records, the newest, the current one counted', async () => {
    const current = await aged('1.tar.gz', 50)
    for (const [name, seconds] of [['2.tar.gz', 40] as const, ['3.tar.gz', 30] as const, ['4.tar.gz', 20] as const]) {
      await aged(name, seconds)
    }
    expect(await here.store.collectGarbage(owner, current)).toBe(1)
    expect(readdirSync(folderOf(here))).toEqual(['1.tar.gz', '3.tar.gz', '4.tar.gz'])
    expect(await here.store.collectGarbage(owner, current)).toBe(0)
  })

  it('SRC-ART-09 removes lock files with their archive and leaves links alone', async () => {
    await aged('old.tar.gz', 61)
    writeFileSync(join(folderOf(here), 'old.tar.gz.lock'), '')
    symlinkSync('old.tar.gz', join(folderOf(here), 'latest.tar.gz'))
    expect(await here.store.collectGarbage(owner, undefined)).toBe(1)
    expect(readdirSync(folderOf(here))).toEqual(['latest.tar.gz'])
  })

  it('does nothing for an owner without a folder', async () => {
    expect(await here.store.collectGarbage({ ...owner, name: 'other' }, undefined)).toBe(0)
  })

  it('SRC-ART-13 removes everything of an object, and nothing of its neighbours', async () => {
    const artifact = await here.put({ a: '' })
    const neighbour = { ...owner, name: 'podinfo-2' }
    const temporaryFile = here.store.temporaryFile()
    writeFileSync(temporaryFile, 'x')
    await here.store.store(neighbour, { temporaryFile, fileName: 'x', revision: 'r', digest: 'sha256:00', sizeBytes: 1 })
    await here.store.remove(owner)
    expect(await here.store.verify(artifact)).toBe('missing')
    expect(readdirSync(join(here.directory, 'gitrepository/flux-system'))).toEqual(['podinfo-2'])
    await here.store.remove(owner)
  })
})

describe('a crash', () => {
  it('leaves no half artifact, and the next start removes what was being written', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'crash-'))
    for (const stored of [1, 2, 3]) await killAfter(stored, directory)
    const folder = join(directory, 'gitrepository/a/b')
    const names = readdirSync(folder)
    expect(names.length).toBeGreaterThanOrEqual(6)
    for (const name of names) {
      const hex = createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex')
      expect(`${hex}.tar.gz`).toBe(name)
    }
    writeFileSync(join(directory, '.tmp', 'half'), 'half an archive')
    mkdirSync(join(directory, '.unpacked', 'sha256-00'))
    await using _ = await testStore({ directory })
    expect(readdirSync(join(directory, '.tmp'))).toEqual([])
    expect(readdirSync(join(directory, '.unpacked'))).toEqual([])
  })

  /** Kills the writer once it has stored so many, while it writes the next. */
  async function killAfter(count: number, directory: string): Promise<void> {
    const writer: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, 'crash-writer.ts'), directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let lines = 0
    for await (const chunk of writer.stdout ?? []) {
      lines += String(chunk).split('\n').length - 1
      if (lines >= count) writer.kill('SIGKILL')
    }
    if (writer.exitCode === null && writer.signalCode === null) await once(writer, 'exit')
  }
})

describe('opening', () => {
  let here: TestStore
  beforeEach(async () => {
    here = await testStore()
  })
  afterEach(() => here[Symbol.asyncDispose]())

  it('unpacks once for all who ask, and tells the hash of every file', async () => {
    const artifact = await here.put({ 'apps/a.yaml': 'a: 1\n', 'b.yaml': 'b: 1\n' })
    const opened = await Promise.all([1, 2, 3].map(() => here.store.open(artifact, never)))
    const [first] = opened
    expect(readFileSync(join(first?.directory ?? '', 'apps/a.yaml'), 'utf8')).toBe('a: 1\n')
    expect(first?.files.get('b.yaml')).toBe(createHash('sha256').update('b: 1\n').digest('hex'))
    expect(opened.every((one) => one === first)).toBe(true)
    expect(await here.store.open({ ...artifact, revision: 'other' }, never)).toBe(first)
    expect(readdirSync(join(here.directory, '.unpacked'))).toHaveLength(1)
    expect(readdirSync(join(here.directory, '.tmp'))).toEqual([])
  })

  it('F-ART-06 stores and unpacks the same again after the whole storage was emptied under it', async () => {
    const files = { 'a.yaml': 'a: 1\n' }
    await here.store.open(await here.put(files), never)
    for (const name of readdirSync(here.directory)) rmSync(join(here.directory, name), { recursive: true })
    const { directory } = await here.store.open(await here.put(files), never)
    expect(readFileSync(join(directory, 'a.yaml'), 'utf8')).toBe('a: 1\n')
  })

  it('F-ART-05 refuses bytes that do not have the digest, and lets the source see it', async () => {
    const artifact = await here.put({ a: '1' })
    const file = join(here.directory, artifact.path)
    const { mtime } = statSync(file)
    const bytes = readFileSync(file)
    bytes[20] = (bytes[20] ?? 0) ^ 1
    writeFileSync(file, bytes)
    utimesSync(file, mtime, mtime) // as bit rot: nothing but the bytes tells
    await expect(here.store.open(artifact, never)).rejects.toThrow(/does not have the digest sha256:/)
    expect(readdirSync(join(here.directory, '.unpacked'))).toEqual([])
    expect(await here.store.verify(artifact)).toBe('corrupt')
  })

  it('says that the artifact is not found when it was cleaned up, without a request to itself', async () => {
    const artifact = await here.put({ a: '1' })
    await here.store.remove(owner)
    await expect(here.store.open(artifact, never)).rejects.toThrow(ArtifactNotFound)
  })

  it('F-ART-03 stops at the limit, names the artifact and opens others', async () => {
    await using small = await testStore({ limits: { maxUnpackedBytes: 100_000 } })
    const bomb = await small.put({ zeros: '\0'.repeat(1_000_000) }, 'bomb.tar.gz')
    const good = await small.put({ a: '1' }, 'good.tar.gz')
    const [refused, opened] = await Promise.allSettled([small.store.open(bomb, never), small.store.open(good, never)])
    expect(refused).toMatchObject({
      reason: {
        message:
          'failed to open artifact gitrepository/flux-system/podinfo/bomb.tar.gz: archive is larger than 100000 bytes when unpacked',
      },
    })
    expect(opened.status).toBe('fulfilled')
    expect(readdirSync(join(small.directory, '.unpacked'))).toHaveLength(1)
  })

  it('F-ART-01 unpacks nothing of a hostile archive', async () => {
    const temporaryFile = here.store.temporaryFile()
    const bytes = rawArchive({ path: 'good', body: 'x' }, { path: '../evil', body: 'x' })
    writeFileSync(temporaryFile, bytes)
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    const staged = { temporaryFile, fileName: 'x.tar.gz', revision: 'r', digest, sizeBytes: bytes.length }
    const artifact = await here.store.store(owner, staged)
    await expect(here.store.open(artifact, never)).rejects.toThrow(/archive entry "\.\.\/evil" refused/)
    expect(readdirSync(join(here.directory, '.unpacked'))).toEqual([])
  })

  it('ends the wait of one caller when that caller is aborted', async () => {
    const artifact = await here.put({ a: '1' })
    const abort = new AbortController()
    const [one, two] = [here.store.open(artifact, abort.signal), here.store.open(artifact, never)]
    abort.abort(new Error('shutting down'))
    await expect(one).rejects.toThrow('shutting down')
    expect((await two).files.has('a')).toBe(true)
  })
})

describe('opening an artifact of another process', () => {
  let origin: TestStore
  let here: TestStore
  let server: Server
  let requests: string[]
  let answer: (response: ServerResponse, path: string) => void

  beforeEach(async () => {
    origin = await testStore()
    requests = []
    answer = (response, path) => response.end(readFileSync(join(origin.directory, path)))
    server = createServer((request, response) => {
      requests.push(request.url ?? '')
      answer(response, request.url ?? '')
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    here = await testStore()
  })
  afterEach(async () => {
    server.closeAllConnections()
    server.close()
    await here[Symbol.asyncDispose]()
    await origin[Symbol.asyncDispose]()
  })

  async function remoteArtifact(): Promise<Artifact> {
    const artifact = await origin.put({ 'a.yaml': 'a: 1\n' })
    return { ...artifact, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/${artifact.path}` }
  }

  it('downloads, verifies and unpacks it once', async () => {
    const artifact = await remoteArtifact()
    const [one] = await Promise.all([here.store.open(artifact, never), here.store.open(artifact, never)])
    expect(readFileSync(join(one?.directory ?? '', 'a.yaml'), 'utf8')).toBe('a: 1\n')
    expect(requests).toEqual([`/${artifact.path}`])
    expect(readdirSync(join(here.directory, '.tmp'))).toEqual([])
  })

  it('F-ART-08 asks once for an artifact that is gone, and says so at once', async () => {
    const artifact = await remoteArtifact()
    answer = (response) => response.writeHead(404).end()
    await expect(here.store.open(artifact, never)).rejects.toThrow(ArtifactNotFound)
    expect(requests).toHaveLength(1)
  })

  it('F-ART-08 says at once, with the address, what may work another time, and may be asked again', async () => {
    const artifact = await remoteArtifact()
    const whole = answer
    const troubles: [RegExp, typeof answer][] = [
      [/status 503/, (response) => response.writeHead(503).end()],
      [/broke off/, (response) => response.writeHead(200, { 'content-length': 1000 }).write('half', () => response.destroy())],
      [/status 429/, (response) => response.writeHead(429).end()],
      [/other side closed/, (response) => response.destroy()],
    ]
    for (const [text, trouble] of troubles) {
      answer = trouble
      const failure = await here.store.open(artifact, never).catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(ArtifactUnavailable)
      expect(String(failure)).toMatch(text)
      expect(String(failure)).toContain(artifact.url)
    }
    expect(requests).toHaveLength(troubles.length)
    answer = whole
    expect((await here.store.open(artifact, never)).files.has('a.yaml')).toBe(true)
  })

  it('does not try again what cannot get better', async () => {
    const artifact = await remoteArtifact()
    answer = (response) => response.writeHead(403).end()
    await expect(here.store.open(artifact, never)).rejects.toThrow(/status 403/)
    await expect(here.store.open({ ...artifact, url: 'file:///etc/passwd' }, never)).rejects.toThrow(/not an HTTP address/)
    expect(requests).toHaveLength(1)
  })

  it('F-ART-05 refuses a download with another digest, and one that is larger than announced', async () => {
    const artifact = await remoteArtifact()
    answer = (response) => response.end('something else')
    await expect(here.store.open(artifact, never)).rejects.toThrow(/does not have the digest/)
    answer = (response) => response.end(Buffer.alloc(1_000_000))
    await expect(here.store.open(artifact, never)).rejects.toThrow(/larger than \d+ bytes/)
    expect(readdirSync(join(here.directory, '.tmp'))).toEqual([])
    expect(readdirSync(join(here.directory, '.unpacked'))).toEqual([])
  })

  it('follows redirects to other addresses, but not for ever, nor to what is no HTTP', async () => {
    const artifact = await remoteArtifact()
    const whole = answer
    const { origin } = new URL(artifact.url)
    const redirected = { ...artifact, url: `${origin}/elsewhere?signature=hunter2` }
    let location = artifact.url
    answer = (response, path) =>
      path.startsWith('/elsewhere') ? response.writeHead(302, { location }).end() : whole(response, path)
    expect((await here.store.open(redirected, never)).files.has('a.yaml')).toBe(true)
    for (const [target, message] of [
      ['file:///etc/passwd', 'it redirects to what is no HTTP address'],
      ['/elsewhere?again', 'stopped after 10 redirects'],
    ] as const) {
      location = target
      const other = { ...redirected, digest: `sha256:${'0'.repeat(64)}` }
      const error = await here.store.open(other, never).catch(String)
      expect(error).toContain(`failed to download ${origin}/elsewhere: ${message}`)
      expect(error).not.toContain('hunter2')
    }
  })

  it('takes no more than it ever may, whatever size the status states', async () => {
    await using small = await testStore({ limits: { maxUnpackedBytes: 1_000 } })
    const artifact = await remoteArtifact()
    answer = (response) => response.end(Buffer.alloc(1_000_000))
    await expect(small.store.open({ ...artifact, size: 1e15 }, never)).rejects.toThrow('larger than 1000 bytes')
  })

  it('ends a download when the store is closed', async () => {
    const artifact = await remoteArtifact()
    const asked = Promise.withResolvers<void>()
    answer = () => asked.resolve()
    const opening = here.store.open(artifact, never)
    await asked.promise
    here.store.close()
    await expect(opening).rejects.toThrow(/the artifact store is closed/)
  })

  it('downloads from the host that development puts in place of the one in the URL', async () => {
    const artifact = await remoteArtifact()
    await using dev = await testStore({ downloadHost: new URL(artifact.url).host })
    const inCluster = { ...artifact, url: `http://source-controller.flux-system.svc/${artifact.path}` }
    expect((await dev.store.open(inCluster, never)).files.has('a.yaml')).toBe(true)
  })
})

describe('UnpackedArtifacts', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'unpacked-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  function fixture(keep: { folders: number; files: number }) {
    const clock = new ManualClock()
    let next = 0
    const unpacked = new UnpackedArtifacts({
      directory,
      clock,
      keep,
      temporaryFile: () => join(directory, `.out-${next++}`),
    })
    const open = (digest: string, files = 1) =>
      unpacked.open({ digest, origin: 'here' }, async (folder) => {
        mkdirSync(folder)
        return new Map(Array.from({ length: files }, (_, i) => [`${i}`, 'hash']))
      })
    return { clock, open, unpacked }
  }

  it('removes folders that nobody used for minutes, the longest unused first, and keeps the last few', async () => {
    const { clock, open } = fixture({ folders: 2, files: 100 })
    for (const digest of ['a', 'b', 'c']) await open(digest)
    expect(readdirSync(directory), 'all were used within the last minutes').toEqual(['a', 'b', 'c'])
    clock.advance(5 * 60_000)
    await open('a')
    await open('d')
    expect(readdirSync(directory)).toEqual(['a', 'd'])
    await open('b')
    expect(readdirSync(directory)).toEqual(['a', 'b', 'd'])
  })

  it('removes folders when they hold too many files together', async () => {
    const { clock, open } = fixture({ folders: 10, files: 100 })
    await open('a', 60)
    clock.advance(6 * 60_000)
    await open('b', 60)
    expect(readdirSync(directory)).toEqual(['b'])
  })

  it('forgets a failure', async () => {
    const { open, unpacked } = fixture({ folders: 2, files: 100 })
    const fails = async (folder: string) => {
      mkdirSync(folder)
      throw new Error('damaged')
    }
    await expect(unpacked.open({ digest: 'a', origin: 'here' }, fails)).rejects.toThrow('damaged')
    expect(readdirSync(directory)).toEqual([])
    expect((await open('a')).digest).toBe('a')
  })

  it('waits for nobody else who names the same digest and does not deliver', async () => {
    const { open, unpacked } = fixture({ folders: 2, files: 100 })
    const hangs = Promise.withResolvers<ReadonlyMap<string, string>>()
    const hostile = unpacked.open({ digest: 'a', origin: 'elsewhere' }, () => hangs.promise)
    const mine = await open('a')
    hangs.resolve(new Map())
    expect(await hostile).toBe(mine)
    expect(readdirSync(directory)).toEqual(['a'])
  })
})

describe('starting', () => {
  it('names the folder when it cannot be used', async () => {
    const file = join(await temporaryDirectory('start'), 'file')
    writeFileSync(file, '')
    await expect(testStore({ directory: file })).rejects.toThrow(/ENOTDIR.*file/)
  })
})
