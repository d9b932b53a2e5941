import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildManifests } from '../../src/kustomize/build.ts'
import type { BuildInput } from '../../src/kustomize/build-task.ts'
import { Remotes } from '../../src/kustomize/remote.ts'
import { type GitServer, startGitServer } from '../tools/git-server.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { Repository } from '../tools/repository.ts'
import { kustomization } from './objects.ts'
import { World } from './world.ts'

const configMap = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`

let git: GitServer
let base: Repository
let root: string
const first = { 'dir/kustomization.yaml': 'resources: [a.yaml, ../other]\n', 'dir/a.yaml': configMap('first') }
const other = { 'other/kustomization.yaml': 'resources: [o.yaml]\n', 'other/o.yaml': configMap('other') }

beforeAll(async () => {
  root = await temporaryDirectory('remote')
  git = await startGitServer({ root })
  base = await Repository.create(root, 'base')
  await base.commit({ ...first, ...other, 'kustomization.yaml': 'resources: [dir]\n' }, 'first')
})

beforeEach(() => git.breakWith())

afterAll(() => git[Symbol.asyncDispose]())

/** Names of what a folder with this kustomization file builds. */
async function built(
  kustomizationFile: string,
  { remoteTimeoutMs = 20_000, files = {}, signal = new AbortController().signal } = {},
) {
  const output = await buildManifests(await inputOf({ 'kustomization.yaml': kustomizationFile, ...files }, remoteTimeoutMs), {
    signal,
  })
  return { names: output.items.map(({ ref }) => ref.name), mayMove: output.mayMove }
}

async function inputOf(files: Record<string, string>, remoteTimeoutMs: number | undefined): Promise<BuildInput> {
  const directory = await temporaryDirectory('artifact')
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), text)
  }
  return { directory, path: '', settings: {}, commonMetadata: undefined, substitution: undefined, remoteTimeoutMs }
}

/** A web server on loopback. */
async function serve(listener: RequestListener): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

describe('a remote base in Git', () => {
  it('KUS-BLD-10 is the folder of the default branch, with its own bases', async () => {
    expect(await built(`resources: ['${git.url('base')}//dir']\n`)).toEqual({ names: ['first', 'other'], mayMove: true })
    expect((await built(`resources: ['${git.url('base')}']\n`)).names).toEqual(['first', 'other'])
    expect((await built(`resources: ['git::${git.url('base')}/other']\n`)).names).toEqual(['other'])
  })

  it('KUS-BLD-10 is that of a branch, a tag, a full name or a commit; tags go before branches', async () => {
    const start = await base.head()
    const second = await base.commit({ 'other/o.yaml': configMap('second') }, 'second', { branch: 'next', from: start })
    await base.tag('v1', { message: 'annotated', at: 'next' })
    await base.tag('main', { at: 'next' })
    await base.reference('refs/pull/7/head', 'refs/heads/next')
    const names = async (ref: string) => (await built(`resources: ['${git.url('base')}//other?ref=${ref}']\n`)).names
    for (const ref of ['next', 'v1', 'refs/pull/7/head', 'heads/next', 'main', second])
      expect(await names(ref), ref).toEqual(['second'])
    expect(await names('refs/heads/main')).toEqual(['other'])
    expect(await names(start)).toEqual(['other'])
    await base.git('tag', '--delete', 'main')
    await expect(names('gone')).rejects.toThrow("couldn't find remote ref gone")
    await expect(names('v1%0Afoo')).rejects.toThrow('not a valid name')
  })

  it('KUS-BLD-10 builds again what may move, and only that', async () => {
    expect((await built(`resources: ['${git.url('base')}//other?ref=${await base.head()}']\n`)).mayMove).toBe(false)
    expect((await built(`resources: ['${git.url('base')}//other?ref=main']\n`)).mayMove).toBe(true)
    expect((await built('resources: [a.yaml]\n', { files: { 'a.yaml': configMap('a') } })).mayMove).toBe(false)
  })

  it('names the file that names it when it cannot be fetched', async () => {
    const files = { 'below/kustomization.yaml': `resources: ['${git.url('none')}//dir?ref=v1']\n` }
    await expect(built('resources: [below]\n', { files })).rejects.toThrow(
      /accumulating resources from 'below'.*failed to fetch '.*none\.git\/\/dir\?ref=v1': repository not found/s,
    )
    await expect(built(`resources: ['${git.url('base')}//gone']\n`)).rejects.toThrow("the repository has no folder 'gone'")
    await expect(built(`components: ['${git.url('none')}']\n`)).rejects.toThrow('repository not found')
  })

  it('SEC-09 cannot lead out of its repository', async () => {
    const bad = await Repository.create(root, 'outside')
    await bad.commit(
      { 'a/kustomization.yaml': 'resources: [../../../etc]\n', 'b/kustomization.yaml': 'resources: [../a.yaml]\n' },
      'bad',
    )
    await bad.commit({ 'a.yaml': configMap('a'), 'l/kustomization.yaml': { symlink: '/etc/hostname' } }, 'more')
    await expect(built(`resources: ['${git.url('outside')}//a']\n`)).rejects.toThrow('leads out of')
    await expect(built(`resources: ['${git.url('outside')}//b']\n`)).rejects.toThrow('security; file')
    await expect(built(`resources: ['${git.url('outside')}//l']\n`)).rejects.toThrow("has no folder 'l'")
    await bad.commit({ 'c/kustomization.yaml': 'resources: [../b]\n' }, 'through a base of its own')
    await expect(built(`resources: ['${git.url('outside')}//c']\n`)).rejects.toThrow('security; file')
  })

  it('refuses what lies in a submodule, unless the URL leaves submodules out', async () => {
    const parent = await Repository.create(root, 'parent')
    await parent.commit(
      {
        '.gitmodules': '[submodule "lib"]\n\tpath = lib\n\turl = ../base.git\n',
        'x/kustomization.yaml': 'resources: [x.yaml]\n',
        'x/x.yaml': configMap('x'),
        'y/kustomization.yaml': 'resources: [../lib/dir]\n',
      },
      'first',
    )
    const url = git.url('parent')
    await expect(built(`resources: ['${url}//y']\n`)).rejects.toThrow(`'lib' in ${url} is a submodule, which is not supported`)
    await expect(built(`resources: ['${url}//lib/dir']\n`)).rejects.toThrow('is a submodule')
    await expect(built(`resources: ['${url}//lib/dir?submodules=false']\n`)).rejects.toThrow("has no folder 'lib/dir'")
    expect((await built(`resources: ['${url}//x']\n`)).names).toEqual(['x'])
  })

  it.each([
    ['git@github.com:org/repo//dir', 'Git over SSH is not supported'],
    ['ssh://git@example.com/org/repo.git//dir', 'Git over SSH is not supported'],
    ['file:///srv/repo.git//dir', 'file:// is not supported: use a path in the source'],
  ])('refuses %s', async (url, message) => {
    await expect(built(`resources: ['${url}']\n`)).rejects.toThrow(message)
  })

  it('SEC-08 refuses credentials in a URL without repeating them', async () => {
    const url = git.url('base').replace('//', '//user:hunter2@')
    for (const resource of [`${url}//dir`, `${url.replace('base.git', 'a.yaml')}`]) {
      const error = await built(`resources: ['${resource}']\n`).catch((thrown: Error) => thrown)
      expect(String(error)).toMatch(/has credentials in its URL/)
      expect(String(error)).not.toContain('hunter2')
    }
  })

  it('F-KUS-04 ends at the timeout in its URL, or at that of the build, when the host does not answer', async () => {
    git.breakWith(({ command }) => (command === 'other' ? { status: 404 } : 'hang'))
    await expect(built(`resources: ['${git.url('base')}//dir?timeout=300ms']\n`)).rejects.toThrow('hit 300ms timeout')
    await expect(built(`resources: ['${git.url('base')}//dir']\n`, { remoteTimeoutMs: 300 })).rejects.toThrow(/hit \S+ms timeout/)
    git.breakWith(() => 'hang')
    const started = performance.now()
    await expect(built(`resources: ['${git.url('base')}//dir?timeout=300ms']\n`)).rejects.toThrow('hit 300ms timeout')
    expect(performance.now() - started).toBeLessThan(5000)
  })

  it('ends when the build is cancelled', async () => {
    git.breakWith(() => 'hang')
    const stop = new AbortController()
    const asked = git.next(() => true)
    const failed = expect(built(`resources: ['${git.url('base')}//dir']\n`, { signal: stop.signal })).rejects.toThrow('cancelled')
    await asked
    stop.abort()
    await failed
  })

  it('bounds what all bases of a build send together', async () => {
    const noise = await Repository.create(root, 'noise')
    const lines = Array.from({ length: 20_000 }, (_, i) => (i * 2654435761) % 4294967296)
    await noise.commit({ 'kustomization.yaml': 'resources: []\n', 'noise.txt': lines.join('\n') }, 'noise')
    await using remotes = new Remotes({ signal: new AbortController().signal, timeoutMs: 20_000, maxBytes: 50_000 })
    const request = {
      kind: 'git',
      raw: git.url('noise'),
      cloneUrl: git.url('noise'),
      path: '',
      ref: '',
      submodules: true,
      timeoutMs: 20_000,
    } as const
    await expect(remotes.load(request)).rejects.toThrow('larger than the limit of 50000 bytes')
    await expect(remotes.load({ ...request, cloneUrl: git.url('base') })).resolves.toBeDefined()
  })
})

describe('a remote file', () => {
  it('KUS-BLD-10 is loaded over HTTP wherever a file may be named, through redirects', async () => {
    await using server = await serve(({ url }, response) => {
      if (url === '/moved') response.writeHead(302, { location: '/a.yaml' }).end()
      else if (url === '/patch.yaml?v=1') response.end('- {op: add, path: /data, value: {patched: "yes"}}\n')
      else if (url === '/a.yaml') response.end(configMap('a'))
      else response.writeHead(404).end()
    })
    const patches = `patches: [{path: '${server.url}/patch.yaml?v=1', target: {kind: ConfigMap}}]`
    const input = await inputOf({ 'kustomization.yaml': `resources: ['${server.url}/moved']\n${patches}\n` }, 20_000)
    const output = await buildManifests(input, { signal: new AbortController().signal })
    expect(output.objects).toMatchObject([{ metadata: { name: 'a' }, data: { patched: 'yes' } }])
    expect(output.mayMove).toBe(true)
    await expect(built(`resources: ['${server.url}/gone.yaml']\n`)).rejects.toThrow(
      `failed to fetch '${server.url}/gone.yaml': HTTP Error: status code 404 (Not Found)`,
    )
  })

  it('ends after ten redirects, and never leaves HTTP', async () => {
    let requests = 0
    await using server = await serve(({ url }, response) => {
      requests++
      response.writeHead(302, { location: url === '/out' ? 'file:///etc/passwd' : '/loop' }).end()
    })
    await expect(built(`resources: ['${server.url}/loop']\n`)).rejects.toThrow('stopped after 10 redirects')
    expect(requests).toBe(11)
    await expect(built(`resources: ['${server.url}/out']\n`)).rejects.toThrow('redirects to file:, which is not allowed')
  })

  it('F-KUS-04 ends at the timeout of the build when bytes trickle in, and beyond its size', async () => {
    const timers = new Set<NodeJS.Timeout>()
    await using server = await serve(({ url }, response) => {
      response.on('error', () => {})
      if (url !== '/slow') response.end(Buffer.alloc(33 * 1024 * 1024, '#'))
      else timers.add(setInterval(() => response.write('#'), 10))
    })
    await expect(built(`resources: ['${server.url}/slow']\n`, { remoteTimeoutMs: 300 })).rejects.toThrow(/hit \S+ms timeout/)
    await expect(built(`resources: ['${server.url}/large']\n`)).rejects.toThrow('more than the limit of 33554432 bytes')
    for (const timer of timers) clearInterval(timer)
  })
})

describe('--no-remote-bases', () => {
  it('SEC-03 KUS-BLD-10 F-KUS-04 refuses bases and files by name, without asking any server', async () => {
    const before = git.requests.length
    for (const url of [`${git.url('base')}//dir`, `${git.address}/a.yaml`]) {
      const input = await inputOf({ 'kustomization.yaml': `resources: ['${url}']\n` }, undefined)
      await expect(buildManifests(input, { signal: new AbortController().signal })).rejects.toThrow(
        `'${url}' is a remote base or file, and these are not allowed here`,
      )
    }
    expect(git.requests.length).toBe(before)
  })
})

describe('a Kustomization with a remote base', () => {
  it('KUS-BLD-10 follows the base at every run; one at a fixed commit is built once', async () => {
    const moving = await Repository.create(root, 'moving')
    const pinned = await moving.commit({ 'kustomization.yaml': 'resources: [a.yaml]\n', 'a.yaml': configMap('one') }, 'first')
    const world = new World()
    await world.commit('main@sha1:1', {
      'moving/kustomization.yaml': `resources: ['${git.url('moving')}?ref=main']\n`,
      'fixed/kustomization.yaml': `resources: ['${git.url('moving')}?ref=${pinned}']\nnamePrefix: fixed-\n`,
    })
    for (const name of ['moving', 'fixed']) world.kustomizations.put(kustomization(name, { path: name }))
    expect((await world.run('moving')).inventory()).toEqual(['one'])
    expect((await world.run('fixed')).inventory()).toEqual(['fixed-one'])
    await moving.commit({ 'a.yaml': configMap('two') }, 'second')
    expect((await world.run('moving')).inventory()).toEqual(['two'])
    expect((await world.run('fixed')).inventory()).toEqual(['fixed-one'])
    expect(world.builds.filter((name) => name === 'moving')).toHaveLength(2)
    expect(world.builds.filter((name) => name === 'fixed')).toHaveLength(1)

    world.flags.noRemoteBases = true
    expect((await world.run('moving')).error).toMatchObject({ reason: 'BuildFailed' })
  })
})
