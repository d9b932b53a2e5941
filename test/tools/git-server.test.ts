import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createAuthority } from './certificates.ts'
import { startGitServer } from './git-server.ts'
import { run, temporaryDirectory } from './processes.ts'
import { Repository } from './repository.ts'

const quiet = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_TERMINAL_PROMPT: '0' }

it('serves clones, counts them and refuses pushes', async () => {
  const root = await temporaryDirectory('git')
  const repository = await Repository.create(root, 'apps')
  const first = await repository.commit(
    { 'a.yaml': 'a: 1\n', 'dir/run.sh': { executable: '#!/bin/sh\n' }, link: { symlink: 'a.yaml' } },
    'first',
  )
  await using server = await startGitServer({ root })
  const clone = join(root, 'clone')
  await run('git', ['clone', '--quiet', server.url('apps'), clone], { env: quiet })
  expect(await run('git', ['-C', clone, 'ls-files', '-s'])).toMatch(/100644 .*a.yaml\n100755 .*dir\/run.sh\n120000 .*link/)
  expect(await run('git', ['-C', clone, 'rev-parse', 'HEAD'])).toBe(`${first}\n`)
  expect(server.requests.map((request) => request.command)).toEqual(['discover', 'ls-refs', 'fetch'])
  expect(server.fetches('apps')).toBe(1)
  await expect(run('git', ['-C', clone, 'push', 'origin', 'HEAD:other'], { env: quiet })).rejects.toThrow(/403|denied/)
})

it('makes the same commits every time, and reverts them', async () => {
  const write = async () => {
    const repository = await Repository.create(await temporaryDirectory('git'), 'apps')
    await repository.commit({ a: '1', b: '2' }, 'first')
    await repository.tag('v1.0.0', { message: 'one' })
    await repository.commit({ a: '2', b: null }, 'second')
    await repository.commit({ c: '3' }, 'third')
    await repository.revert('main~1')
    return repository
  }
  const [one, other] = [await write(), await write()]
  expect(await one.head()).toBe(await other.head())
  expect(await one.git('ls-tree', '-r', '--name-only', 'main')).toBe('a\nb\nc')
  expect(await one.git('show', 'main:a')).toBe('1')
  expect(await one.git('cat-file', '-t', 'v1.0.0')).toBe('tag')
})

it('asks for credentials and for client certificates', async () => {
  const root = await temporaryDirectory('git')
  const repository = await Repository.create(root, 'apps')
  await repository.commit({ a: '1' }, 'first')
  const authority = await createAuthority()
  const tls = { ...(await authority.server()), ca: authority.ca, requestCert: true }
  await using server = await startGitServer({ root, tls, auth: { username: 'me', password: 'secret' } })
  const client = await authority.client('me')
  const file = async (name: string, text: string) => {
    const path = join(root, name)
    await writeFile(path, text)
    return path
  }
  const trust = { ...quiet, GIT_SSL_CAINFO: await file('ca', authority.ca) }
  const shown = { ...trust, GIT_SSL_CERT: await file('cert', client.cert), GIT_SSL_KEY: await file('key', client.key) }
  const url = server.url('apps').replace('://', '://me:secret@')
  // The server ends the handshake: which words curl has for it depends on when it notices.
  await expect(run('git', ['ls-remote', url], { env: trust })).rejects.toThrow(/unable to access/)
  await expect(run('git', ['ls-remote', server.url('apps')], { env: shown })).rejects.toThrow(
    /could not read Username|Authentication/,
  )
  expect(await run('git', ['ls-remote', url], { env: shown })).toContain('refs/heads/main')
})

it('hangs, fails and cuts answers when told to', async () => {
  const root = await temporaryDirectory('git')
  const repository = await Repository.create(root, 'apps')
  await repository.commit({ a: 'x'.repeat(1000) }, 'first')
  await using server = await startGitServer({
    root,
    fault: ({ command }) => (command === 'fetch' ? { cutAfterBytes: 20 } : undefined),
  })
  const clone = () => run('git', ['clone', '--quiet', server.url('apps'), join(root, 'clone')], { env: quiet })
  await expect(clone()).rejects.toThrow(/early EOF|unexpected|RPC failed/)
  server.breakWith(() => ({ status: 503, body: 'later' }))
  await expect(clone()).rejects.toThrow(/503/)
  server.breakWith(() => 'hang')
  const asked = server.next(() => true)
  const hanging = clone()
  await asked
  server.breakWith()
  await expect(hanging).rejects.toThrow()
  await clone()
})
