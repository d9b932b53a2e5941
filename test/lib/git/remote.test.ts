import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { parseRemoteUrl, Remote } from '../../../src/lib/git/index.ts'
import { packetLine } from '../../../src/lib/git/pktline.ts'
import { startGitServer } from '../../tools/git-server.ts'
import { temporaryDirectory } from '../../tools/processes.ts'
import { Repository } from '../../tools/repository.ts'

const never = new AbortController().signal

async function serve(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/r.git`)
  return {
    url,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

const advertisement = { 'content-type': 'application/x-git-upload-pack-advertisement' }
const version2 = `${packetLine('# service=git-upload-pack')}0000${packetLine('version 2')}${packetLine('ls-refs')}${packetLine('fetch=shallow')}0000`

/** A server of protocol 2 that answers every command with one text. */
function answering(text: string | Buffer) {
  return serve((request, response) => {
    response.writeHead(200, advertisement).end(request.method === 'GET' ? version2 : text)
  })
}

describe('F-SRC-24 addresses', () => {
  it('are taken apart without showing user information', () => {
    expect(parseRemoteUrl('https://me:p%40ss@git.example/org/repo.git?x=1#y')).toMatchObject({
      username: 'me',
      password: 'p@ss',
      shown: 'https://git.example/org/repo.git',
    })
    expect(parseRemoteUrl('https://me:x@git.example/r').url.href).toBe('https://git.example/r')
  })

  it.each([
    'file:///etc/passwd',
    'ext::sh -c touch /tmp/x',
    'git://git.example/r',
    'ssh://-oProxyCommand=x/r',
    '--upload-pack=x',
    'http://-oProxyCommand=x/r',
    'http://',
    'https://git.example/r\n',
    'https://git.example/a b',
    'git@git.example:r.git',
  ])('such as %j are refused', (url) => {
    expect(() => parseRemoteUrl(url)).toThrow(expect.objectContaining({ code: 'address' }))
  })

  it('that are wrong are named without their password', () => {
    expect(() => parseRemoteUrl('ssh://me:secret@git.example/r')).toThrow("failed to parse url 'ssh://git.example/r'")
    expect(() => parseRemoteUrl('http://me:secret@-x/r')).toThrow("failed to parse url 'http://-x/r'")
  })
})

describe('a remote', () => {
  it('lists only what begins with a prefix, with tags peeled', async () => {
    const root = await temporaryDirectory('remote')
    const repository = await Repository.create(root, 'r')
    const commit = await repository.commit({ a: '1' }, 'first')
    await repository.tag('v1', { message: 'one' })
    const tag = await repository.git('rev-parse', 'v1')
    for (const protocol of [0, 2] as const) {
      await using server = await startGitServer({ root, protocol })
      await using remote = new Remote(new URL(server.url('r')), { signal: never })
      expect(await remote.refs(['refs/heads/', 'refs/tags/'])).toEqual([
        { name: 'refs/heads/main', id: commit },
        { name: 'refs/tags/v1', id: tag, peeled: commit },
      ])
      expect(await remote.refs(['refs/heads/x'])).toEqual([])
    }
  })

  it('ends at the limit for a pack, and says what it is', async () => {
    const root = await temporaryDirectory('remote')
    const repository = await Repository.create(root, 'r')
    const commit = await repository.commit({ a: Buffer.from(Array.from({ length: 50_000 }, (_, i) => Math.sin(i) * 1e9)) }, 'first')
    await using server = await startGitServer({ root })
    await using remote = new Remote(new URL(server.url('r')), { signal: never, maxPackBytes: 1000 })
    await expect(remote.pack({ wants: [commit] })).rejects.toMatchObject({
      code: 'tooLarge',
      message: 'the pack is larger than the limit of 1000 bytes',
    })
  })

  it.each<[string, string | Buffer, RegExp]>([
    ['a list without an end', packetLine(`${'1'.repeat(40)} refs/tags/v1`), /cut within the list of references/],
    ['a list in another form', `${packetLine('hello world')}0000`, /not in the form that Git has/],
    ['no packets', '<html>', /not in Git's protocol: it holds "<htm"/],
    ['half a packet', '00ff abc', /cut within an answer/],
    ['an error', packetLine('ERR access denied\u0007 to you'), /^the server reports: access denied to you$/],
  ])('F-SRC-21 refuses %s', async (_, text, message) => {
    await using server = await answering(text)
    await using remote = new Remote(server.url, { signal: never })
    await expect(remote.refs(['refs/'])).rejects.toThrow(message)
  })

  it.each<[string, Buffer, RegExp]>([
    [
      'an error in the middle of the pack',
      Buffer.from(`${packetLine('packfile')}0009\x01PACK000c\x03no disk`, 'latin1'),
      /the server reports: no disk/,
    ],
    ['a pack without an end', Buffer.from(`${packetLine('packfile')}0009\x01PACK`, 'latin1'), /cut before the pack was complete/],
    ['no pack', Buffer.from('0000'), /cut before the pack was complete/],
  ])('F-SRC-21 refuses %s', async (_, text, message) => {
    await using server = await answering(text)
    await using remote = new Remote(server.url, { signal: never })
    await expect(remote.pack({ wants: ['1'.repeat(40)] })).rejects.toThrow(message)
  })

  it('refuses repositories of another object format by name', async () => {
    await using server = await serve((_, response) => {
      response.writeHead(200, advertisement).end(`${packetLine('version 2')}${packetLine('object-format=sha256')}0000`)
    })
    await using remote = new Remote(server.url, { signal: never })
    await expect(remote.refs(['refs/'])).rejects.toThrow("the repository's object format is sha256; only sha1 is supported")
  })

  it('F-SRC-21 ends when it is aborted while bytes trickle in', async () => {
    await using server = await serve((_, response) => {
      response.writeHead(200, advertisement)
      response.write('0')
      const timer = setInterval(() => response.write('0'), 20)
      response.once('close', () => clearInterval(timer))
    })
    const abort = new AbortController()
    await using remote = new Remote(server.url, { signal: abort.signal })
    const listing = remote.refs(['refs/'])
    setTimeout(() => abort.abort(new Error('time is up')), 100)
    await expect(listing).rejects.toThrow(/time is up/)
  })

  it('goes through a proxy of the environment, except to the hosts that are reached without', async () => {
    const root = await temporaryDirectory('remote')
    const repository = await Repository.create(root, 'r')
    await repository.commit({ a: '1' }, 'first')
    await using server = await startGitServer({ root })
    await using proxy = await serve((_, response) => response.writeHead(407).end())
    const refs = async (url: string, none = '') => {
      await using remote = new Remote(new URL(url), { signal: never, proxies: { http: proxy.url.origin, none } })
      return await remote.refs(['refs/'])
    }
    await expect(refs('http://git.invalid/r.git')).rejects.toMatchObject({ message: expect.stringContaining('407') })
    await expect(refs('http://git.invalid/r.git', '.invalid')).rejects.toMatchObject({
      message: expect.stringContaining('git.invalid'),
    })
    expect(await refs(server.url('r'))).toHaveLength(1)
  })
})
