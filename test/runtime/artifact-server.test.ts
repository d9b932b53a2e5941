import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Artifact } from '../../src/api/meta.ts'
import { ArtifactServer, advertisedAddress } from '../../src/runtime/artifact-server.ts'
import { keepingLogger, owner, type TestStore, testStore } from './artifact-fixtures.ts'

let here: TestStore
let server: ArtifactServer
let artifact: Artifact
beforeEach(async () => {
  here = await testStore()
  artifact = await here.put({ 'a.yaml': 'a: 1\n' })
  server = await ArtifactServer.listen({
    directory: here.directory,
    address: '127.0.0.1:0',
    isServing: () => true,
    log: keepingLogger(),
  })
})
afterEach(async () => {
  await server.close(0)
  await here[Symbol.asyncDispose]()
})

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** A request whose path is sent exactly as given. */
async function ask(path: string, options: { method?: string; headers?: Record<string, string> } = {}): Promise<Answer> {
  const [response] = (await once(request({ port: server.port, host: '127.0.0.1', path, ...options }).end(), 'response')) as [
    IncomingMessage,
  ]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }
}

describe('the artifact server', () => {
  it('SRC-ART-01 serves an artifact at <kind>/<namespace>/<name>/<file>', async () => {
    const answer = await ask(`/${artifact.path}`)
    expect(answer.status).toBe(200)
    expect(`sha256:${createHash('sha256').update(answer.body).digest('hex')}`).toBe(artifact.digest)
    expect(answer.headers).toMatchObject({
      'content-type': 'application/gzip',
      'content-length': `${artifact.size}`,
      'last-modified': expect.stringMatching(/ GMT$/),
      etag: expect.stringMatching(/^"[0-9a-f-]+"$/),
    })
  })

  it('SRC-ART-01 answers HEAD without a body, and readiness at /', async () => {
    const head = await ask(`/${artifact.path}`, { method: 'HEAD' })
    expect(head).toMatchObject({ status: 200, headers: { 'content-length': `${artifact.size}` } })
    expect(head.body).toHaveLength(0)
    expect(await ask('/')).toMatchObject({ status: 200 })
  })

  it('sends nothing anew to who has it already', async () => {
    const { headers } = await ask(`/${artifact.path}`)
    const unchanged = [
      { 'if-none-match': headers.etag ?? '' },
      { 'if-none-match': `"other", W/${headers.etag}` },
      { 'if-modified-since': headers['last-modified'] ?? '' },
    ]
    for (const condition of unchanged) expect(await ask(`/${artifact.path}`, { headers: condition })).toMatchObject({ status: 304 })
    const changed = { 'if-none-match': '"other"', 'if-modified-since': headers['last-modified'] ?? '' }
    expect(await ask(`/${artifact.path}`, { headers: changed })).toMatchObject({ status: 200 })
  })

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('refuses %s', async (method) => {
    expect(await ask(`/${artifact.path}`, { method })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } })
    expect(await ask(`/${artifact.path}`)).toMatchObject({ status: 200 })
  })

  it.each([
    '/gitrepository',
    '/gitrepository/flux-system/podinfo',
    '/gitrepository/flux-system/podinfo/',
    '/gitrepository/flux-system/podinfo/none.tar.gz',
    '/../secret/x/y/z',
    '/gitrepository/flux-system/podinfo/../../../../etc/passwd',
    '/gitrepository/flux-system/../podinfo',
    '/%2e%2e/flux-system/podinfo/secret',
    '/..%2f..%2fetc%2fpasswd',
    '/gitrepository%2fflux-system%2fpodinfo%2f..%2fsecret',
    '/%252e%252e/a/b/c',
    '/gitrepository/flux-system/podinfo/x%00.tar.gz',
    '/gitrepository/flux-system/podinfo/..%5csecret',
    '/.tmp/a/b/c',
    '/.tmp/half',
    '/.unpacked/x/y/z',
    '//gitrepository/flux-system/podinfo/x',
    '/%zz',
    '*',
  ])('serves nothing at %s', async (path) => {
    mkdirSync(join(here.directory, '.tmp/a/b'), { recursive: true })
    writeFileSync(join(here.directory, '.tmp/a/b/c'), 'half an archive')
    writeFileSync(join(here.directory, '.tmp/half'), 'half an archive')
    writeFileSync(join(here.directory, 'gitrepository/flux-system/secret'), 'secret')
    expect(await ask(path)).toMatchObject({ status: 404, body: Buffer.from('not found\n') })
  })

  it('follows no link and serves no folder', async () => {
    const folder = join(here.directory, 'gitrepository/flux-system/podinfo')
    symlinkSync('/etc/passwd', join(folder, 'link.tar.gz'))
    mkdirSync(join(folder, 'folder'))
    expect(await ask('/gitrepository/flux-system/podinfo/link.tar.gz')).toMatchObject({ status: 404 })
    expect(await ask('/gitrepository/flux-system/podinfo/folder')).toMatchObject({ status: 404 })
  })

  it('F-ART-08 finishes a download whose artifact is removed and replaced meanwhile', async () => {
    const big = randomBytes(24 * 1024 * 1024)
    const file = join(here.directory, artifact.path)
    writeFileSync(file, big)
    const [response] = (await once(
      request({ port: server.port, host: '127.0.0.1', path: `/${artifact.path}` }).end(),
      'response',
    )) as [IncomingMessage]
    const hash = createHash('sha256')
    let replaced = false
    for await (const chunk of response) {
      hash.update(chunk)
      if (replaced) continue
      await here.store.remove(owner)
      await here.put({ other: 'content' })
      replaced = true
    }
    expect(hash.digest('hex')).toBe(createHash('sha256').update(big).digest('hex'))
    expect((await ask(`/${artifact.path}`)).body).toEqual(readFileSync(file))
  })

  it('survives a client that goes away in the middle, and garbage', async () => {
    writeFileSync(join(here.directory, artifact.path), randomBytes(24 * 1024 * 1024))
    const [response] = (await once(
      request({ port: server.port, host: '127.0.0.1', path: `/${artifact.path}` }).end(),
      'response',
    )) as [IncomingMessage]
    response.destroy()
    const garbage = connect(server.port, '127.0.0.1')
    garbage.end('\0\0 this is not HTTP\r\n\r\n').resume()
    await once(garbage, 'close')
    expect(await ask('/')).toMatchObject({ status: 200 })
  })

  it('says which address is taken', async () => {
    const address = `127.0.0.1:${server.port}`
    await expect(
      ArtifactServer.listen({ directory: here.directory, address, isServing: () => true, log: keepingLogger() }),
    ).rejects.toThrow(/EADDRINUSE/)
  })
})

describe('addresses', () => {
  it('SRC-ART-12 advertises what it is told, else what it listens on', () => {
    const told = (storageAddr: string, storageAdvAddr = '') =>
      advertisedAddress({ storageAddr, storageAdvAddr, port: 9090, hostname: 'pod-1' })
    expect(told(':9090', 'source-controller.flux-system.svc.cluster.local.')).toBe(
      'source-controller.flux-system.svc.cluster.local.',
    )
    expect(told(':9090', 'https://source.example')).toBe('https://source.example')
    expect(told(':9090')).toBe('localhost:9090')
    expect(told('0.0.0.0:9090')).toBe('pod-1:9090')
    expect(told('10.1.2.3:9090')).toBe('10.1.2.3:9090')
    expect(told('[::1]:0')).toBe('[::1]:9090')
  })
})
