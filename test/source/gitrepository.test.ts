import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GitRepository, gitRepositoryKind } from '../../src/api/gitrepository.ts'
import { type Key, keyText } from '../../src/api/object.ts'
import { Retryable, Stalled, type Wiring } from '../../src/runtime/reconcile.ts'
import { gitRepositoryLoop } from '../../src/source/gitrepository.ts'
import { type GitServer, startGitServer } from '../tools/git-server.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { type Files, Repository } from '../tools/repository.ts'
import { closeThreads, World } from './world.ts'

let root: string
let repositories = 0

beforeAll(async () => {
  root = await temporaryDirectory('gitrepository')
})

afterAll(closeThreads)

async function repository(files: Files = { 'a.yaml': 'a: 1\n' }): Promise<Repository> {
  const made = await Repository.create(root, `r${++repositories}`)
  await made.commit(files, 'add the first file')
  return made
}

function world(server: GitServer, made: Repository, spec: Partial<GitRepository['spec']> = {}): Promise<World> {
  return World.create({ url: server.url(made.name), ref: { branch: 'main' }, ...spec })
}

describe('a GitRepository', () => {
  it('SRC-ART-02 SRC-ART-03 stores what its branch stands for, and says so', async () => {
    const made = await repository()
    const revision = `main@sha1:${await made.head()}`
    await using server = await startGitServer({ root })
    await using one = await world(server, made)
    const { outcome, events, progress } = await one.run()
    expect(progress).toEqual([
      'processing object: new generation 0 -> 1',
      'building artifact',
      `building artifact: new upstream revision '${revision}'`,
    ])
    expect(outcome).toMatchObject({
      ready: { reason: 'Succeeded', message: `stored artifact for revision '${revision}'` },
      requeueAfterMs: 600_000,
      event: { metadata: { revision, digest: one.status.artifact?.digest } },
    })
    expect(events).toEqual(["info NewArtifact: stored artifact for commit 'add the first file'"])
    const path = `gitrepository/apps/podinfo/${await made.head()}.tar.gz`
    expect(one.status.artifact).toEqual({
      revision,
      path,
      url: `http://source-controller.flux-system.svc.cluster.local./${path}`,
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      size: expect.any(Number),
      lastUpdateTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    })
    expect(one.condition('ArtifactInStorage')).toMatchObject({ status: 'True', reason: 'Succeeded' })
    expect(await one.store.verify(one.status.artifact ?? expect.fail())).toBe('present')
  })

  it('cuts a long subject in its event', async () => {
    const made = await repository()
    await made.commit({ b: '1' }, `${'ä'.repeat(60)}\n\nand more`)
    await using server = await startGitServer({ root })
    await using one = await world(server, made)
    expect((await one.run()).events).toEqual([`info NewArtifact: stored artifact for commit '${'ä'.repeat(50)}...'`])
  })

  it('SRC-GIT-08 fetches nothing while the branch stays', async () => {
    const made = await repository()
    await using server = await startGitServer({ root })
    await using one = await world(server, made)
    await one.run()
    const before = one.status
    const { events, outcome } = await one.run()
    expect(events).toEqual([
      `trace GitOperationSucceeded: no changes since last reconciliation: observed revision 'main@sha1:${await made.head()}'`,
    ])
    expect(outcome?.ready.message).toBe(`stored artifact for revision 'main@sha1:${await made.head()}'`)
    expect(one.status).toEqual(before)
    expect(server.fetches()).toBe(1)
  })

  it('replaces the artifact when the branch moves', async () => {
    const made = await repository()
    await using server = await startGitServer({ root })
    await using one = await world(server, made)
    await one.run()
    const head = await made.commit({ 'a.yaml': 'a: 2\n' }, 'change it')
    const { events } = await one.run()
    expect(events).toEqual(["info NewArtifact: stored artifact for commit 'change it'"])
    expect(one.status.artifact?.revision).toBe(`main@sha1:${head}`)
    expect(one.condition('ArtifactOutdated')).toBeUndefined()
  })

  it('SRC-GIT-26 SRC-ART-07 makes the artifact again when spec.ignore changes', async () => {
    const made = await repository({ 'a.yaml': '1', 'b.yaml': '2' })
    await using server = await startGitServer({ root })
    await using one = await world(server, made)
    await one.run()
    const before = one.status.artifact
    one.edit({ ignore: 'b.yaml' })
    expect((await one.run()).events).toEqual(["info NewArtifact: stored artifact for commit 'add the first file'"])
    expect(one.status).toMatchObject({ observedIgnore: 'b.yaml', artifact: { revision: before?.revision } })
    expect(one.status.artifact?.digest).not.toBe(before?.digest)
    await one.run()
    expect(server.fetches()).toBe(2)
  })

  it('SRC-GIT-19 SRC-GIT-26 F-SRC-26 archives only the directories of spec.sparseCheckout', async () => {
    const made = await repository({
      'apps/a.yaml': '1',
      'apps/.sourceignore': 'b.yaml',
      'apps/b.yaml': '2',
      'infra/c.yaml': '3',
      'd.yaml': '4',
    })
    await using server = await startGitServer({ root })
    await using one = await world(server, made, { sparseCheckout: ['./apps'] })
    await one.run()
    const { files } = await one.store.open(one.status.artifact ?? expect.fail(), new AbortController().signal)
    expect([...files.keys()]).toEqual(['apps/.sourceignore', 'apps/a.yaml'])
    expect(one.status.observedSparseCheckout).toEqual(['./apps'])
    for (const missing of ['nope', 'app', 'Apps', '../etc', '/apps']) {
      one.edit({ sparseCheckout: ['apps', missing] })
      expect((await one.run()).error).toMatchObject({
        reason: 'GitOperationFailed',
        message: `failed to sparse checkout directories : sparse checkout dir '${missing}' does not exist in repository`,
      })
    }
    one.edit({ sparseCheckout: ['apps', 'infra/'] })
    await one.run()
    expect((await one.store.open(one.status.artifact ?? expect.fail(), new AbortController().signal)).files.size).toBe(3)
  })

  it.each([
    [{ semver: '1.x' }, 'ArtifactUpToDate: artifact up-to-date with remote revision:'],
    [{ tag: '1.0.0' }, 'GitOperationSucceeded: no changes since last reconciliation: observed revision'],
  ])('says for %j that nothing is new', async (ref, text) => {
    const made = await repository()
    await made.tag('1.0.0')
    await using server = await startGitServer({ root })
    await using one = await world(server, made, { ref })
    await one.run()
    expect((await one.run()).events).toEqual([`trace ${text} '1.0.0@sha1:${await made.head()}'`])
    expect(server.fetches()).toBe(1)
  })

  it('SRC-ART-13 removes its artifacts in the end', async () => {
    const made = await repository()
    await using server = await startGitServer({ root })
    await using one = await world(server, made)
    await one.run()
    expect(await one.finalize()).toEqual(['trace GarbageCollectionSucceeded: garbage collected artifacts for deleted resource'])
    expect(await readdir(join(one.directory, 'gitrepository/apps')).catch(() => [])).toEqual([])
  })
})

describe('SRC-ART-11 a stored artifact', () => {
  it('that is gone is made again', async () => {
    const made = await repository()
    await using server = await startGitServer({ root })
    await using one = await world(server, made)
    await one.run()
    const { artifact } = one.status
    await rm(join(one.directory, artifact?.path ?? ''))
    const { progress, events } = await one.run()
    expect(progress[1]).toBe('building artifact: disappeared from storage')
    expect(events).toEqual([])
    expect(one.status.artifact?.digest).toBe(artifact?.digest)
    expect(await one.store.verify(one.status.artifact ?? expect.fail())).toBe('present')
  })

  it('that is corrupt is reported and made again', async () => {
    const made = await repository()
    await using server = await startGitServer({ root })
    await using one = await world(server, made)
    await one.run()
    const { artifact } = one.status
    await writeFile(join(one.directory, artifact?.path ?? ''), 'broken')
    expect((await one.run()).events).toEqual([
      `error ArtifactVerificationFailed: failed to verify integrity of artifact: computed digest doesn't match '${artifact?.digest}'`,
    ])
    expect(await one.store.verify(one.status.artifact ?? expect.fail())).toBe('present')
  })

  it('is not announced any more while it cannot be made again', async () => {
    const made = await repository()
    await using server = await startGitServer({ root })
    await using one = await world(server, made)
    await one.run()
    await rm(join(one.directory, one.status.artifact?.path ?? ''))
    server.breakWith(() => ({ status: 500 }))
    await one.run()
    expect(one.status.artifact).toBeUndefined()
    expect(one.condition('ArtifactInStorage')).toBeUndefined()
  })
})

describe('a GitRepository that cannot be fetched', () => {
  async function failing(one: World): Promise<Retryable> {
    const { error } = await one.run()
    if (!(error instanceof Retryable)) throw new Error('the run did not fail as expected', { cause: error })
    expect(one.condition('FetchFailed')).toMatchObject({ status: 'True', reason: error.reason, message: error.message })
    return error
  }

  it('F-SRC-01 names the repository without its credentials, keeps what it has, and recovers', async () => {
    const made = await repository()
    await using server = await startGitServer({ root, auth: { username: 'me', password: 'hunter2' } })
    const url = server.url(made.name).replace('//', '//me:hunter2@')
    await using one = await world(server, made, { url })
    await one.run()
    const { artifact } = one.status
    server.breakWith(() => ({ status: 404, body: 'no such repository' }))
    const error = await failing(one)
    expect(error.reason).toBe('GitOperationFailed')
    expect(error.message).toBe(
      `failed to checkout and determine revision: unable to list remote for '${server.url(made.name)}': repository not found: no such repository`,
    )
    expect(one.status.artifact).toEqual(artifact)
    server.breakWith()
    expect((await one.run()).events).toEqual([
      expect.stringMatching(/^trace GitOperationSucceeded/),
      `info Succeeded: stored artifact for commit 'main@sha1:${await made.head()}'`,
    ])
    expect(one.condition('FetchFailed')).toBeUndefined()
    expect(JSON.stringify([one.status, one.log.lines])).not.toContain('hunter2')
  })

  it('F-SRC-02 says that it is about authentication, and recovers with another password', async () => {
    const made = await repository()
    await using server = await startGitServer({ root, auth: { username: 'me', password: 'right' } })
    await using one = await world(server, made, { secretRef: { name: 'login' } })
    one.secrets.set('login', { username: 'me', password: 'wrong-word' })
    const error = await failing(one)
    expect(error.reason).toBe('AuthenticationFailed')
    expect(error.message).toBe(
      `failed to checkout and determine revision: unable to clone '${server.url(made.name)}': authentication required: authentication required`,
    )
    one.secrets.set('login', { username: 'me', password: 'right' })
    expect((await one.run()).error).toBeUndefined()
    expect(JSON.stringify([one.status, one.log.lines])).not.toContain('wrong-word')
  })

  it('F-SRC-03 names the Secret that is missing, and recovers when it is there', async () => {
    const made = await repository()
    await using server = await startGitServer({ root })
    await using one = await world(server, made, { secretRef: { name: 'login' } })
    const error = await failing(one)
    expect(error).toMatchObject({
      reason: 'AuthenticationFailed',
      message: 'failed to get secret \'apps/login\': secrets "login" not found',
    })
    expect(server.requests).toEqual([])
    one.secrets.set('login', {})
    expect((await one.run()).error).toBeUndefined()
  })

  it.each<[string, Record<string, string>, string]>([
    ['a line break in a token', { bearerToken: 'abc\n' }, "key 'bearerToken' holds a line break"],
    ['no certificate', { 'ca.crt': 'nothing' }, "failed to parse CA certificate: key 'ca.crt' holds no PEM certificate"],
    [
      'no certificate under the old name',
      { caFile: 'nothing' },
      "failed to parse CA certificate: key 'caFile' holds no PEM certificate",
    ],
    ['a certificate without a key', { 'tls.crt': 'x' }, "key 'tls.crt' is set without 'tls.key'"],
    ['a broken certificate', { 'tls.crt': 'x', 'tls.key': 'y' }, "failed to parse TLS certificate and key: keys 'tls.crt'"],
    ['a password without a user', { password: 'x' }, "invalid 'http' auth option: 'password' requires 'username' to be set"],
  ])('F-SRC-04 names the Secret and its key for %s', async (_, secret, message) => {
    const made = await repository()
    await using server = await startGitServer({ root })
    await using one = await world(server, made, { secretRef: { name: 'login' } })
    one.secrets.set('login', secret)
    const error = await failing(one)
    expect(error.reason).toBe('AuthenticationFailed')
    expect(error.message).toContain(`failed to configure authentication options of secret 'apps/login': ${message}`)
  })

  it('F-SRC-04 points at a password that ends with a line break when it is refused', async () => {
    const made = await repository()
    await using server = await startGitServer({ root, auth: { username: 'me', password: 'right' } })
    await using one = await world(server, made, { secretRef: { name: 'login' } })
    one.secrets.set('login', { username: 'me', password: 'right\n' })
    expect((await failing(one)).message).toMatch(/; key 'password' of its secret ends with a line break$/)
  })

  it('wants the provider to be named for credentials of a GitHub App', async () => {
    const made = await repository()
    await using server = await startGitServer({ root })
    await using one = await world(server, made, { secretRef: { name: 'app' } })
    one.secrets.set('app', { githubAppID: '1' })
    expect(await failing(one)).toMatchObject({
      reason: 'InvalidProviderConfiguration',
      message: "secretRef 'apps/app' has github app data but provider is not set to github",
    })
  })

  it('takes the bearer token of a Secret that holds a password too', async () => {
    const made = await repository()
    await using server = await startGitServer({ root, auth: { bearer: 't0ken' } })
    await using one = await world(server, made, { secretRef: { name: 'login' } })
    one.secrets.set('login', { username: 'me', password: 'x', bearerToken: 't0ken' })
    expect((await one.run()).error).toBeUndefined()
  })

  it('F-SRC-08 F-SRC-13 names the branch that is gone, and an empty repository', async () => {
    const made = await repository()
    const empty = await Repository.create(root, `r${++repositories}`)
    await using server = await startGitServer({ root })
    await using one = await world(server, made, { ref: { branch: 'live' } })
    expect(await failing(one)).toMatchObject({
      reason: 'GitOperationFailed',
      message: `failed to checkout and determine revision: unable to clone '${server.url(made.name)}': couldn't find remote ref "refs/heads/live"`,
    })
    one.edit({ url: server.url(empty.name) })
    expect(await failing(one)).toMatchObject({ reason: 'EmptyGitRepository', message: 'git repository is empty' })
    one.edit({ ref: { tag: 'v1' } })
    expect(await failing(one)).toMatchObject({
      reason: 'GitOperationFailed',
      message: `failed to checkout and determine revision: unable to clone: remote repository is empty: git repository: '${server.url(empty.name)}'`,
    })
  })

  it('F-SRC-11 says what is wrong with a range', async () => {
    const made = await repository()
    await using server = await startGitServer({ root })
    await using one = await world(server, made, { ref: { semver: 'x.y' } })
    expect(await failing(one)).toMatchObject({
      reason: 'GitOperationFailed',
      message: 'failed to checkout and determine revision: semver parse error: improper constraint: "x.y"',
    })
  })

  it('SRC-GIT-25 F-SRC-21 ends at spec.timeout', async () => {
    const made = await repository()
    await using server = await startGitServer({ root, fault: () => 'hang' })
    await using one = await world(server, made, { timeout: '20s' })
    const asked = server.next(() => true)
    const run = one.run()
    await asked
    one.clock.advance(20_000)
    expect((await run).error).toMatchObject({
      reason: 'GitOperationFailed',
      message: `failed to checkout and determine revision: unable to clone '${server.url(made.name)}': context deadline exceeded: not done within spec.timeout of 20s`,
    })
    server.breakWith()
    expect((await one.run()).error).toBeUndefined()
  })

  it('ends at once when the process does', async () => {
    const made = await repository()
    await using server = await startGitServer({ root, fault: () => 'hang' })
    await using one = await world(server, made)
    const shutdown = new AbortController()
    const asked = server.next(() => true)
    const run = one.run({ signal: shutdown.signal })
    await asked
    shutdown.abort(new Error('the process ends'))
    expect((await run).error).toMatchObject({ message: 'the process ends' })
    expect(one.condition('FetchFailed')).toBeUndefined()
  })

  it('F-SRC-17 says which file cannot be archived', async () => {
    const made = await repository({ 'a\\b': '1' })
    await using server = await startGitServer({ root })
    await using one = await world(server, made)
    const { error } = await one.run()
    expect(error?.reason).toBe('ArchiveOperationFailed')
    expect(error?.message).toMatch(/^unable to archive artifact to storage: .*a\\\\b.*backslash/)
    expect(one.condition('StorageOperationFailed')).toMatchObject({ status: 'True', reason: 'ArchiveOperationFailed' })
    await made.commit({ 'a\\b': null, a: '1' }, 'rename')
    await one.run()
    expect(one.condition('StorageOperationFailed')).toBeUndefined()
  })

  it.each(['http://-oProxyCommand=x/r', 'https://', 'http://a b/'])('F-SRC-24 is stalled by the URL %s', async (url) => {
    await using one = await World.create({ url })
    const { error } = await one.run()
    expect(error).toBeInstanceOf(Stalled)
    expect(error).toMatchObject({ reason: 'URLInvalid' })
    expect(one.condition('FetchFailed')).toMatchObject({ status: 'True', reason: 'URLInvalid' })
  })
})

describe('fields that are not built yet', () => {
  const secret = { name: 's' }
  it.each<[Partial<GitRepository['spec']>, string | undefined]>([
    [{}, undefined],
    [{ provider: 'generic', recurseSubmodules: false, sparseCheckout: ['a'], include: [] }, undefined],
    [{ url: 'ssh://git@git.example/r' }, 'spec.url with ssh://'],
    [{ proxySecretRef: secret }, 'spec.proxySecretRef'],
    [{ recurseSubmodules: true }, 'spec.recurseSubmodules'],
    [{ verify: { mode: 'HEAD', secretRef: secret } }, 'spec.verify'],
    [{ provider: 'azure' }, 'spec.provider'],
  ])('%j: %s', (spec, field) => {
    const object = { spec: { url: 'https://git.example/r', interval: '1m', ...spec } } as GitRepository
    expect(gitRepositoryLoop.unsupported.find((unsupported) => unsupported.isUsed(object))?.field).toBe(field)
  })
})

describe('a labelled Secret', () => {
  type Listener = (event: { object: { metadata: Key }; initial: boolean }) => void

  function wired(gates: ReadonlyMap<string, boolean>) {
    const users = [
      { metadata: { namespace: 'apps', name: 'one' }, spec: { secretRef: { name: 'login' } } },
      { metadata: { namespace: 'apps', name: 'two' }, spec: {} },
      { metadata: { namespace: 'other', name: 'three' }, spec: { secretRef: { name: 'login' } } },
    ]
    const asked: object[] = []
    const listeners: Listener[] = []
    const queued: string[] = []
    const wiring = {
      environment: { flags: { featureGates: gates, watchConfigsLabelSelector: 'reconcile.fluxcd.io/watch=Enabled' } },
      own: {
        store: {
          index: (_: string, keys: (object: object) => string[]) => (value: string) =>
            users.filter((user) => keys(user).includes(value)),
        },
      },
      informers: {
        get: (kind: object, options: object) => {
          asked.push({ ...kind, ...options })
          return {
            subscribe: (listener: Listener) => {
              listeners.push(listener)
              return () => {}
            },
          }
        },
      },
      enqueue: (key: Key, cause: string) => queued.push(`${keyText(key)} ${cause}`),
      signal: new AbortController().signal,
    } as unknown as Wiring<GitRepository>
    for (const watch of gitRepositoryLoop.watches) watch(wiring)
    return { asked, listeners, queued }
  }

  it('queues those that use it when it changes, and is never read whole', () => {
    const { asked, listeners, queued } = wired(new Map())
    expect(asked).toEqual([
      { apiVersion: 'v1', kind: 'Secret', labelSelector: 'reconcile.fluxcd.io/watch=Enabled', metadataOnly: true },
    ])
    const object = { metadata: { namespace: 'apps', name: 'login' } }
    for (const listener of listeners) listener({ object, initial: true })
    expect(queued).toEqual([])
    for (const listener of listeners) listener({ object, initial: false })
    expect(queued).toEqual(['apps/one config'])
  })

  it('is not watched when the feature gate says so', () => {
    expect(wired(new Map([['DisableConfigWatchers', true]])).asked).toEqual([])
  })
})

it('works for the kind that the API names', () => {
  expect(gitRepositoryLoop.kind).toBe(gitRepositoryKind)
})
