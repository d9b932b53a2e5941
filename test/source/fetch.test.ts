import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Reference } from '../../src/lib/git/index.ts'
import { extractTarball } from '../../src/lib/tarball/index.ts'
import { type FetchInput, fetchArtifact } from '../../src/source/fetch.ts'
import { createAuthority } from '../tools/certificates.ts'
import { type FaultOf, type GitServer, startGitServer } from '../tools/git-server.ts'
import { run, temporaryDirectory } from '../tools/processes.ts'
import { type Files, filesBelow, Repository } from '../tools/repository.ts'

let root: string
let archives = 0

beforeAll(async () => {
  root = await temporaryDirectory('fetch')
})

const never = new AbortController().signal
const limits = { maxBytes: 2 ** 30, maxEntries: 10_000 }

function repository(files?: Files): Promise<Repository> {
  return Repository.create(root, `r${++archives}`).then(async (made) => {
    if (files) await made.commit(files, 'first')
    return made
  })
}

async function fetchFrom(
  server: GitServer,
  made: Repository,
  reference: Reference,
  more: Partial<FetchInput> = {},
  signal = never,
) {
  const file = join(root, `${++archives}.tar.gz`)
  const output = await fetchArtifact({ url: server.url(made.name), reference, file, ...more }, { signal })
  if (!output.changed) return { file, revision: undefined, files: undefined }
  const directory = `${file}.d`
  await extractTarball(file, directory, limits)
  const files = Object.fromEntries(
    Object.entries(await filesBelow(directory)).map(([path, content]) => [path, Buffer.from(content).toString('utf8')]),
  )
  return { ...output, file, files }
}

describe('SRC-GIT-01 a clone over http', () => {
  it('SRC-GIT-03 fetches a branch, master by default', async () => {
    const made = await repository({ 'a.yaml': 'main\n' })
    const head = await made.commit({ 'a.yaml': 'master\n' }, 'on master', { branch: 'master' })
    await using server = await startGitServer({ root })
    expect(await fetchFrom(server, made, {})).toMatchObject({
      revision: `master@sha1:${head}`,
      commit: head,
      subject: 'on master',
      files: { 'a.yaml': 'master\n' },
    })
    expect(await fetchFrom(server, made, { branch: 'main' })).toMatchObject({
      revision: `main@sha1:${await made.head()}`,
      files: { 'a.yaml': 'main\n' },
    })
  })

  it('SRC-ART-03 names branches with slashes whole', async () => {
    const made = await repository({ a: '1' })
    await made.branch('feature/one/two')
    await using server = await startGitServer({ root })
    expect((await fetchFrom(server, made, { branch: 'feature/one/two' })).revision).toBe(
      `feature/one/two@sha1:${await made.head()}`,
    )
  })

  it('fetches only the last commit of a long history', async () => {
    const made = await repository({ a: 'x'.repeat(100) })
    for (let i = 0; i < 30; i++) await made.commit({ a: `${i}` }, `change ${i}`)
    await using server = await startGitServer({ root })
    expect((await fetchFrom(server, made, { branch: 'main' })).files).toEqual({ a: '29' })
    expect(server.requests.map(({ command }) => command)).toEqual(['discover', 'ls-refs', 'fetch'])
  })

  it('works where HEAD names a branch that does not exist', async () => {
    const made = await repository({ a: '1' })
    await made.git('symbolic-ref', 'HEAD', 'refs/heads/gone')
    await using server = await startGitServer({ root })
    expect((await fetchFrom(server, made, { branch: 'main' })).files).toEqual({ a: '1' })
  })

  it('works with a server that only knows the old protocol', async () => {
    const made = await repository({ a: '1' })
    await made.tag('v1.0.0', { message: 'one' })
    await made.commit({ a: '2' }, 'second')
    await made.git('config', 'protocol.version', '0')
    await using proxied = await oldServer()
    const fetch = (reference: Reference) => fetchFrom(proxied, made, reference)
    expect(await fetch({ branch: 'main' })).toMatchObject({ revision: `main@sha1:${await made.head()}`, files: { a: '2' } })
    expect(await fetch({ tag: 'v1.0.0' })).toMatchObject({
      revision: `v1.0.0@sha1:${await made.find('v1.0.0')}`,
      files: { a: '1' },
    })
    expect(await fetch({ commit: (await made.find('v1.0.0')) ?? '' })).toMatchObject({ files: { a: '1' } })
    await expect(fetch({ branch: 'nope' })).rejects.toThrow('couldn\'t find remote ref "refs/heads/nope"')
    const empty = await repository()
    await expect(fetchFrom(proxied, empty, { branch: 'main' })).rejects.toMatchObject({ code: 'empty' })
  })
})

describe('tags', () => {
  it('SRC-GIT-04 F-SRC-12 follow light tags, annotated tags and tags of tags to the commit', async () => {
    const made = await repository({ a: '1' })
    const commit = await made.head()
    await made.tag('light')
    await made.tag('annotated', { message: 'one' })
    await made.tag('twice', { message: 'two', at: 'annotated' })
    await made.commit({ a: '2' }, 'second')
    await using server = await startGitServer({ root })
    for (const tag of ['light', 'annotated', 'twice'])
      expect(await fetchFrom(server, made, { tag })).toMatchObject({ revision: `${tag}@sha1:${commit}`, commit, files: { a: '1' } })
  })

  it('refuse one that points to no commit', async () => {
    const made = await repository({ a: '1' })
    await made.git('tag', '--annotate', '--message', 'a tree', 'tree', 'main^{tree}')
    await using server = await startGitServer({ root })
    await expect(fetchFrom(server, made, { tag: 'tree' })).rejects.toThrow(
      /refs\/tags\/tree points to a tree|is a tree, not a commit/,
    )
  })
})

describe('SRC-GIT-05 F-SRC-11 a range of versions', () => {
  async function released(...tags: string[]) {
    const made = await repository({ version: 'none' })
    for (const tag of tags) {
      await made.commit({ version: tag }, tag)
      await made.tag(tag, tag.includes('0') ? { message: tag } : {})
    }
    return made
  }

  it.each([
    ['>=1.0.0', ['1.0.0', 'v1.10.0', 'v1.9.0', '2.0.0-rc.1'], 'v1.10.0'],
    ['>=1.0.0-0', ['1.0.0', 'v1.10.0', '2.0.0-rc.1'], '2.0.0-rc.1'],
    ['1.x', ['v1', '1.0', 'release-1.2.3', '1.1.1', 'nightly'], '1.1.1'],
    ['~1.2', ['1.2.3', '1.2.4', '1.3.0'], '1.2.4'],
    ['^0.2', ['0.2.1', '0.3.0'], '0.2.1'],
    ['>=1.0.0 <2 || ^3', ['1.5.0', '2.5.0', '3.5.0'], '3.5.0'],
  ])('%s picks among %j', async (semver, tags, expected) => {
    const made = await released(...tags)
    await using server = await startGitServer({ root })
    expect(await fetchFrom(server, made, { semver })).toMatchObject({
      revision: `${expected}@sha1:${await made.find(expected)}`,
      files: { version: expected },
    })
  })

  it('takes the newest commit among equal versions', async () => {
    const made = await repository({ version: 'none' })
    for (const [tag, date] of [
      ['1.0.0+b', 1_800_000_200],
      ['1.0.0+c', 1_800_000_300],
      ['1.0.0+a', 1_800_000_100],
    ] as const) {
      await made.commit({ version: tag }, tag, { date })
      await made.tag(tag, { message: tag })
    }
    await using server = await startGitServer({ root })
    const first = await fetchFrom(server, made, { semver: '1.0.0' })
    expect(first).toMatchObject({ revision: `1.0.0+c@sha1:${await made.find('1.0.0+c')}`, files: { version: '1.0.0+c' } })
    expect(await fetchFrom(server, made, { semver: '1.0.0' }, { storedRevision: first.revision })).toMatchObject({
      files: undefined,
    })
  })

  it('says what is wrong with a range that is none, or that no tag meets', async () => {
    const made = await released('1.0.0')
    await using server = await startGitServer({ root })
    await expect(fetchFrom(server, made, { semver: '>=2' })).rejects.toThrow('no match found for semver: >=2')
    await expect(fetchFrom(server, made, { semver: 'latest' })).rejects.toThrow('semver parse error: improper constraint: "latest"')
  })
})

describe('SRC-GIT-06 a full reference name', () => {
  it('fetches branches, tags, pull requests, and shows the name whole', async () => {
    const made = await repository({ a: '1' })
    await made.tag('v1', { message: 'one' })
    const one = await made.head()
    const two = await made.commit({ a: '2' }, 'second', { branch: 'pr' })
    await made.reference('refs/pull/7/head', 'pr')
    await made.deleteReference('refs/heads/pr')
    await using server = await startGitServer({ root })
    for (const [name, commit] of [
      ['refs/heads/main', one],
      ['refs/tags/v1', one],
      ['refs/tags/v1^{}', one],
      ['refs/pull/7/head', two],
      ['HEAD', one],
    ] as const)
      expect(await fetchFrom(server, made, { name, branch: 'ignored' })).toMatchObject({
        revision: `${name}@sha1:${commit}`,
        commit,
      })
  })

  it.each([
    ['refs/heads/nope', "unable to resolve ref 'refs/heads/nope' to a specific commit"],
    ['refs/heads/mai', "unable to resolve ref 'refs/heads/mai' to a specific commit"],
    ['refs/tags/light^{}', "unable to resolve ref 'refs/tags/light^{}' to a specific commit"],
    ['/refs/heads/main', "ref /refs/heads/main is invalid; Git refs cannot begin or end with a slash '/'"],
  ])('refuses %s', async (name, message) => {
    const made = await repository({ a: '1' })
    await made.tag('light')
    await using server = await startGitServer({ root })
    await expect(fetchFrom(server, made, { name })).rejects.toThrow(message)
  })
})

describe('SRC-GIT-07 a commit', () => {
  it.each(['any', 'reachable', 'advertised'] as const)(
    'alone or in a branch, from a server that gives out %s commits',
    async (wants) => {
      const made = await repository({ a: '1' })
      const first = await made.head()
      await made.commit({ a: '2' }, 'second')
      await using server = await startGitServer({ root, wants })
      expect(await fetchFrom(server, made, { commit: first })).toMatchObject({ revision: `sha1:${first}`, files: { a: '1' } })
      expect(await fetchFrom(server, made, { commit: first, branch: 'main', tag: 'ignored' })).toMatchObject({
        revision: `main@sha1:${first}`,
        files: { a: '1' },
      })
      const head = await made.head()
      expect(await fetchFrom(server, made, { commit: head, branch: 'main' })).toMatchObject({ revision: `main@sha1:${head}` })
    },
  )

  it('works with a server of the old protocol that gives out no commits by id', async () => {
    const made = await repository({ a: '1' })
    const first = await made.head()
    await made.commit({ a: '2' }, 'second')
    await using server = await oldServer('advertised')
    expect(await fetchFrom(server, made, { commit: first })).toMatchObject({ revision: `sha1:${first}`, files: { a: '1' } })
    expect(await fetchFrom(server, made, { commit: first, branch: 'main' })).toMatchObject({ files: { a: '1' } })
  })

  it('F-SRC-10 is not taken from another branch, nor replaced by the head', async () => {
    const made = await repository({ a: '1' })
    const other = await made.commit({ a: 'other' }, 'other', { branch: 'other', from: null })
    await using server = await startGitServer({ root, wants: 'any' })
    await expect(fetchFrom(server, made, { commit: other, branch: 'main' })).rejects.toThrow(
      `unable to resolve commit object for '${other}': object not found: branch 'main' does not contain it`,
    )
    const nowhere = '1'.repeat(40)
    await expect(fetchFrom(server, made, { commit: nowhere })).rejects.toThrow(
      `unable to resolve commit object for '${nowhere}': object not found: no branch contains it`,
    )
    await expect(fetchFrom(server, made, { commit: 'abc123' })).rejects.toThrow('must be an id of 40 hexadecimal digits')
  })
})

describe('SRC-GIT-08 a revision that is stored already', () => {
  it('is not fetched again, whatever names it', async () => {
    const made = await repository({ a: '1' })
    await made.tag('v1.0.0', { message: 'one' })
    const commit = await made.head()
    await using server = await startGitServer({ root })
    for (const reference of [
      { branch: 'main' },
      { tag: 'v1.0.0' },
      { semver: '1.x' },
      { name: 'refs/tags/v1.0.0' },
      { commit },
      { commit, branch: 'main' },
    ]) {
      const { revision } = await fetchFrom(server, made, reference)
      const before = server.fetches()
      expect(await fetchFrom(server, made, reference, { storedRevision: revision })).toMatchObject({ files: undefined })
      expect(server.fetches()).toBe(before)
    }
  })

  it('F-SRC-09 is replaced when a forced push takes it away', async () => {
    const made = await repository({ a: '1' })
    const first = await made.head()
    await made.commit({ a: '2' }, 'second')
    await using server = await startGitServer({ root })
    const { revision } = await fetchFrom(server, made, { branch: 'main' })
    await made.commit({ a: '3' }, 'instead', { from: first })
    await made.git('gc', '--prune=now', '--quiet')
    expect(await fetchFrom(server, made, { branch: 'main' }, { storedRevision: revision })).toMatchObject({ files: { a: '3' } })
  })
})

describe('the archive', () => {
  it('SRC-ART-04 F-SRC-16 holds files alone, and is the same every time', async () => {
    const made = await repository({
      'a.yaml': 'a',
      'run.sh': { executable: '#!/bin/sh\n' },
      'dir/b.yaml': 'b',
      inside: { symlink: 'a.yaml' },
      outside: { symlink: '../../../etc/passwd' },
      absolute: { symlink: '/etc/passwd' },
      loop: { symlink: 'loop' },
    })
    await made.git('update-index', '--add', '--cacheinfo', `160000,${await made.head()},module`)
    await using server = await startGitServer({ root })
    const [one, two] = [await fetchFrom(server, made, { branch: 'main' }), await fetchFrom(server, made, { branch: 'main' })]
    expect((await run('tar', ['-tzvf', one.file, '--full-time'])).replaceAll(/ +/g, ' ').trimEnd().split('\n')).toEqual([
      '-rw------- 0/0 1 1970-01-01 00:00:00 a.yaml',
      'drwxr-x--- 0/0 0 1970-01-01 00:00:00 dir/',
      '-rw------- 0/0 1 1970-01-01 00:00:00 dir/b.yaml',
      '-rwx------ 0/0 10 1970-01-01 00:00:00 run.sh',
    ])
    expect(await readFile(one.file)).toEqual(await readFile(two.file))
    const bytes = await readFile(one.file)
    expect(one).toMatchObject({
      digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
      sizeBytes: (await stat(one.file)).size,
    })
  })

  it('SRC-ART-08 leaves out what no cluster needs, until somebody writes a pattern', async () => {
    const files = {
      '.gitignore': 'x',
      'logo.png': 'x',
      '.github/ci.yaml': 'x',
      'dir/.sops.yaml': 'x',
      'a.yaml': 'x',
      'b.tar.gz': 'x',
    }
    const made = await repository(files)
    await using server = await startGitServer({ root })
    const kept = async (ignore?: string) => Object.keys((await fetchFrom(server, made, { branch: 'main' }, { ignore })).files ?? {})
    expect(await kept()).toEqual(['a.yaml'])
    expect(await kept('# nothing\n')).toEqual(['a.yaml'])
    expect((await kept('a.yaml')).sort()).toEqual(['.github/ci.yaml', 'b.tar.gz', 'dir/.sops.yaml', 'logo.png'])
    expect((await kept('*.yaml\n!.gitignore')).sort()).toEqual(['.gitignore', 'b.tar.gz', 'logo.png'])
  })

  it('SRC-ART-06 SRC-ART-07 F-SRC-15 follows .sourceignore files in any directory, then spec.ignore', async () => {
    const made = await repository({
      '.sourceignore': '/docs/\n*.md\n',
      'docs/a.yaml': 'x',
      'README.md': 'x',
      'apps/a.yaml': 'x',
      'apps/.sourceignore': '*.yaml\n!keep.yaml\n',
      'apps/keep.yaml': 'x',
      'apps/deep/b.yaml': 'x',
      'other/a.yaml': 'x',
    })
    await using server = await startGitServer({ root })
    const kept = async (ignore?: string) =>
      Object.keys((await fetchFrom(server, made, { branch: 'main' }, { ignore })).files ?? {})
        .filter((path) => !path.endsWith('.sourceignore'))
        .sort()
    expect(await kept()).toEqual(['apps/keep.yaml', 'other/a.yaml'])
    expect(await kept('!README.md\nother/')).toEqual(['README.md', 'apps/keep.yaml'])
  })

  it('F-SRC-17 holds files with strange names, and refuses by name what no reader could unpack', async () => {
    const long = 'n'.repeat(255)
    const made = await repository({ 'a\nb': '1', 'quote"\'': '2', 'dot.': '3', '-rf': '4', [long]: '5', 'ü/日本': '6' })
    await using server = await startGitServer({ root })
    expect((await fetchFrom(server, made, { branch: 'main' })).files).toEqual({
      'a\nb': '1',
      'quote"\'': '2',
      'dot.': '3',
      '-rf': '4',
      [long]: '5',
      'ü/日本': '6',
    })
    const odd = await repository()
    await rawTree(odd, Buffer.from('caf\xe9.yaml', 'latin1'))
    await expect(fetchFrom(server, odd, { branch: 'main' })).rejects.toThrow('the file name "caf\\xe9.yaml" is not UTF-8')
    expect((await fetchFrom(server, odd, { branch: 'main' }, { ignore: 'caf*' })).files).toEqual({})
    const backslash = await repository({ 'a\\b': '1' })
    await expect(fetchFrom(server, backslash, { branch: 'main' })).rejects.toThrow(/"a\\\\b".*backslash|backslash/)
  })

  it.each(['..', '.', '.git', '.GIT'])('refuses a commit with an entry named %s', async (name) => {
    const made = await repository()
    await rawTree(made, Buffer.from(name))
    await using server = await startGitServer({ root })
    await expect(fetchFrom(server, made, { branch: 'main' })).rejects.toThrow(`an entry named "${name}", which is refused`)
  })
})

describe('access', () => {
  it('SRC-GIT-09 SRC-GIT-10 shows user and password, or a token', async () => {
    const made = await repository({ a: '1' })
    await using basic = await startGitServer({ root, auth: { username: 'me', password: 'p@ss:w' } })
    const credentials = { username: 'me', password: 'p@ss:w' }
    expect((await fetchFrom(basic, made, { branch: 'main' }, { credentials })).files).toEqual({ a: '1' })
    await using bearer = await startGitServer({ root, auth: { bearer: 't0ken' } })
    expect((await fetchFrom(bearer, made, { branch: 'main' }, { credentials: { bearerToken: 't0ken' } })).files).toEqual({ a: '1' })
  })

  it('F-SRC-02 is refused with the wrong ones, which no text shows', async () => {
    const made = await repository({ a: '1' })
    const password = 's3cret-w0rd'
    await using server = await startGitServer({ root, auth: { username: 'me', password: 'right' } })
    const refusal = fetchFrom(server, made, { branch: 'main' }, { credentials: { username: 'me', password } })
    await expect(refusal).rejects.toMatchObject({
      code: 'authentication',
      message: 'authentication required: authentication required',
    })
    server.breakWith(() => ({ status: 403, body: `no access with ${password} ${btoa(`me:${password}`)}\n\u0007` }))
    await expect(fetchFrom(server, made, { branch: 'main' }, { credentials: { username: 'me', password } })).rejects.toMatchObject({
      code: 'authentication',
      message: 'authentication failed: authorization failed: no access with *** ***',
    })
  })

  it('SRC-GIT-01 SRC-GIT-16 F-SRC-22 over https trusts the given authority and shows a client certificate', async () => {
    const made = await repository({ a: '1' })
    const authority = await createAuthority()
    const client = await authority.client('flux')
    const tls = { ...(await authority.server()), ca: authority.ca, requestCert: true }
    await using server = await startGitServer({ root, tls })
    const fetch = (given: FetchInput['tls']) => fetchFrom(server, made, { branch: 'main' }, { tls: given })
    expect((await fetch({ ca: authority.ca, ...client })).files).toEqual({ a: '1' })
    await expect(fetch({ ca: authority.ca })).rejects.toMatchObject({ code: 'network' })
    await expect(fetch(undefined)).rejects.toThrow(/self-signed certificate|unable to verify/)
    await expect(fetch({ ca: (await createAuthority()).ca, ...client })).rejects.toThrow(/self-signed certificate|unable to verify/)
  })

  it('F-SRC-22 refuses a certificate for another name, and says so', async () => {
    const made = await repository({ a: '1' })
    const authority = await createAuthority()
    await using server = await startGitServer({ root, tls: await authority.server({ names: ['DNS:other.example'] }) })
    await expect(fetchFrom(server, made, { branch: 'main' }, { tls: { ca: authority.ca } })).rejects.toThrow(
      /does not match certificate's altnames/,
    )
  })
})

describe('redirects', () => {
  const redirectTo =
    (location: string, status = 302): FaultOf =>
    () => ({ status, headers: { location } })

  it('are followed, and credentials stay behind on another server', async () => {
    const made = await repository({ a: '1' })
    await using target = await startGitServer({ root })
    const location = `${target.url(made.name)}/info/refs?service=git-upload-pack`
    await using server = await startGitServer({ root, fault: redirectTo(location, 301) })
    const credentials = { username: 'me', password: 'secret' }
    expect((await fetchFrom(server, made, { branch: 'main' }, { credentials })).files).toEqual({ a: '1' })
    expect(server.requests.map(({ authorization }) => authorization)).toEqual([`Basic ${btoa('me:secret')}`])
    expect(target.requests.map(({ authorization }) => authorization)).toEqual([undefined, undefined, undefined])
  })

  it('keep the credentials within a server', async () => {
    const made = await repository({ a: '1' })
    const server = await startGitServer({ root, auth: { username: 'me', password: 'secret' } })
    await using _ = server
    const to = `/${made.name}.git/info/refs?service=git-upload-pack`
    server.breakWith(({ repository: asked }) => (asked === 'old' ? { status: 307, headers: { location: to } } : undefined))
    const credentials = { username: 'me', password: 'secret' }
    const url = server.url('old')
    expect((await fetchFrom(server, made, { branch: 'main' }, { credentials, url })).files).toEqual({ a: '1' })
  })

  it.each([
    ['a circle', (url: string) => `${url}/info/refs`, /more than 5 redirects/],
    ['another scheme', () => 'file:///etc/passwd/info/refs', /redirects to file:\/\//],
    ['a page', () => 'http://127.0.0.1:1/login', /redirects to http:\/\/127.0.0.1:1\/login, which is not a Git repository/],
    ['nowhere', () => 'http://', /invalid address/],
  ])('end at %s', async (_, location, message) => {
    const made = await repository({ a: '1' })
    await using server = await startGitServer({ root })
    server.breakWith(redirectTo(location(server.url(made.name))))
    await expect(fetchFrom(server, made, { branch: 'main' })).rejects.toThrow(message)
  })

  it('from https to http are refused', async () => {
    const made = await repository({ a: '1' })
    const authority = await createAuthority()
    await using plain = await startGitServer({ root })
    await using server = await startGitServer({ root, tls: await authority.server() })
    server.breakWith(redirectTo(`${plain.url(made.name)}/info/refs`))
    const credentials = { username: 'me', password: 'secret' }
    await expect(fetchFrom(server, made, { branch: 'main' }, { credentials, tls: { ca: authority.ca } })).rejects.toThrow(
      /not allowed from https/,
    )
    expect(plain.requests).toEqual([])
  })
})

describe('what is not there', () => {
  it('F-SRC-01 says that a repository is not found', async () => {
    const made = await repository({ a: '1' })
    await made.remove()
    await using server = await startGitServer({ root })
    await expect(fetchFrom(server, made, { branch: 'main' })).rejects.toMatchObject({ code: 'notFound' })
  })

  it('F-SRC-08 names the branch that is gone, and fetches it when it is back', async () => {
    const made = await repository({ a: '1' })
    await made.branch('live')
    await made.deleteReference('refs/heads/live')
    await using server = await startGitServer({ root })
    await expect(fetchFrom(server, made, { branch: 'live' })).rejects.toMatchObject({
      code: 'missingRef',
      message: 'couldn\'t find remote ref "refs/heads/live"',
    })
    await made.branch('live')
    expect((await fetchFrom(server, made, { branch: 'live' })).files).toEqual({ a: '1' })
  })

  it('F-SRC-13 says that a repository is empty', async () => {
    const made = await repository()
    await using server = await startGitServer({ root })
    for (const reference of [{ branch: 'main' }, { tag: 'v1' }, { semver: '*' }])
      await expect(fetchFrom(server, made, reference)).rejects.toMatchObject({ code: 'empty' })
  })
})

describe('F-SRC-21 a bad connection', () => {
  it('SRC-GIT-25 ends when it is aborted, though the server never answers', async () => {
    const made = await repository({ a: '1' })
    await using server = await startGitServer({ root, fault: () => 'hang' })
    const abort = new AbortController()
    const asked = server.next(() => true)
    const fetching = fetchFrom(server, made, { branch: 'main' }, {}, abort.signal)
    await asked
    abort.abort(new Error('time is up'))
    await expect(fetching).rejects.toThrow('time is up')
  })

  it.each(['discover', 'ls-refs', 'fetch'] as const)('that is cut during %s fails, and the next try works', async (command) => {
    const made = await repository({ a: 'x'.repeat(1000) })
    await made.tag('1.0.0')
    await using server = await startGitServer({ root })
    server.breakWith((request) => (request.command === command ? { cutAfterBytes: 60 } : undefined))
    await expect(fetchFrom(server, made, { semver: '*' })).rejects.toMatchObject({ name: 'GitError', code: 'network' })
    server.breakWith()
    expect((await fetchFrom(server, made, { semver: '*' })).files).toEqual({ a: 'x'.repeat(1000) })
  })

  it('to a page instead of a repository says so', async () => {
    const made = await repository({ a: '1' })
    await using server = await startGitServer({ root })
    server.breakWith(() => ({ status: 200, body: '<html>', headers: { 'content-type': 'text/html' } }))
    await expect(fetchFrom(server, made, { branch: 'main' })).rejects.toThrow(
      'is not a Git repository\'s: it is of type "text/html"',
    )
    server.breakWith(() => ({ status: 502, body: '<html><body>Bad gateway</body></html>' }))
    await expect(fetchFrom(server, made, { branch: 'main' })).rejects.toThrow(/^unexpected status code: 502$/)
  })

  it('to a closed port says so', async () => {
    const made = await repository({ a: '1' })
    const server = await startGitServer({ root })
    await server[Symbol.asyncDispose]()
    await expect(fetchFrom(server, made, { branch: 'main' })).rejects.toThrow(/ECONNREFUSED/)
  })
})

/** Before protocol 2: the server is not told that the client knows it. */
function oldServer(wants: 'reachable' | 'advertised' = 'reachable'): Promise<GitServer> {
  return startGitServer({ root, wants, protocol: 0 })
}

/** A commit on `main` with one file whose name no git command would accept. */
async function rawTree(made: Repository, name: Uint8Array): Promise<void> {
  const blob = await run('git', ['-C', made.directory, 'hash-object', '-w', '--stdin'], { input: 'x' })
  const tree = Buffer.concat([Buffer.from('100644 '), name, Buffer.from([0]), Buffer.from(blob.trim(), 'hex')])
  const treeId = await run('git', ['-C', made.directory, 'hash-object', '-t', 'tree', '-w', '--stdin', '--literally'], {
    input: tree,
  })
  const commit = await made.git('commit-tree', '-m', 'raw', treeId.trim())
  await made.git('update-ref', 'refs/heads/main', commit)
}
