import { readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HelmRepository, HelmRepositorySpec } from '../../src/api/helmrepository.ts'
import { parseIndex } from '../../src/lib/chart/index.ts'
import { helmRepositoryLoop, humanSize } from '../../src/source/helmrepository.ts'
import { type Authority, createAuthority } from '../tools/certificates.ts'
import { type ChartServer, startChartServer } from '../tools/chart-server.ts'
import { closeThreads, SourceWorld } from './world.ts'

afterAll(closeThreads)

type World = SourceWorld<HelmRepository>

function world(server: ChartServer, spec: Partial<HelmRepositorySpec> = {}): Promise<World> {
  return SourceWorld.of(helmRepositoryLoop(), { url: server.url, interval: '10m', ...spec } as HelmRepositorySpec)
}

/** The text of the stored index, by the name that stays. */
function storedText(one: World): Promise<string> {
  return readFile(join(one.directory, 'helmrepository/apps/podinfo/index.yaml'), 'utf8')
}

/** Everything that a user or an operator may read of an object. */
function everythingSaid(one: World, result: Awaited<ReturnType<World['run']>>): string {
  return JSON.stringify([one.object.status, result.events, result.progress, result.error?.message, one.log.lines])
}

describe('a HelmRepository', () => {
  it('SRC-HRP-01 stores the index with the digest of what the server has', async () => {
    await using server = await startChartServer()
    server.publish('shop', '1.0.0')
    await using one = await world(server)
    const { error, outcome, events } = await one.run()
    expect(error).toBeUndefined()
    const revision = server.revision()
    const path = `helmrepository/apps/podinfo/index-${revision.slice('sha256:'.length)}.yaml`
    expect(one.status.artifact).toMatchObject({ revision, path })
    expect(one.status.url).toBe(one.status.artifact?.url.replace(/index-[^/]*$/, 'index.yaml'))
    expect(await readlink(join(one.directory, 'helmrepository/apps/podinfo/index.yaml'))).toBe(path.split('/').at(-1))
    const ready = { status: 'True', reason: 'Succeeded', message: `stored artifact: revision '${revision}'` }
    expect(one.condition('Ready')).toMatchObject(ready)
    expect(one.condition('ArtifactInStorage')).toMatchObject(ready)
    expect(events).toEqual([
      `info NewArtifact: stored fetched index of size ${humanSize(one.status.artifact?.size ?? 0)} from '${server.url}'`,
    ])
    expect(outcome?.requeueAfterMs).toBe(600_000)
  })

  it('SRC-HRP-01 stores JSON that says the same', async () => {
    await using server = await startChartServer()
    server.publish('shop', '1.0.0', {
      'Chart.yaml': 'apiVersion: v2\nname: shop\nversion: 1.0.0\ndescription: "a <b> & c"\nkeywords: [x]\n',
    })
    server.publish('shop', '1.10.0')
    server.publish('bank', '0.1.0')
    await using one = await world(server)
    await one.run()
    const text = await storedText(one)
    expect(text.startsWith('{\n  "apiVersion": "v1",\n')).toBe(true)
    expect(parseIndex(text)).toEqual(parseIndex(server.index()))
    expect(Object.keys(JSON.parse(text).entries)).toEqual(['bank', 'shop'])
  })

  it('writes nothing new while the index is the same', async () => {
    await using server = await startChartServer()
    await using one = await world(server)
    await one.run()
    const before = one.status.artifact
    one.clock.advance(60_000)
    const { events } = await one.run()
    expect(one.status.artifact).toEqual(before)
    expect(events).toEqual([`trace ArtifactUpToDate: artifact up-to-date with remote revision: '${server.revision()}'`])
  })

  it('SRC-ART-10 stores the next index when there is one, under the name that stays', async () => {
    await using server = await startChartServer()
    await using one = await world(server)
    await one.run()
    server.publish('shop', '1.0.0')
    const { events, progress } = await one.run()
    expect(progress.at(-1)).toBe(`building artifact: new index revision '${server.revision()}'`)
    expect(events).toMatchObject([expect.stringContaining('info NewArtifact')])
    expect(one.status.artifact?.revision).toBe(server.revision())
    expect(one.condition('ArtifactOutdated')).toBeUndefined()
    expect(parseIndex(await storedText(one)).get('shop')).toHaveLength(1)
  })

  it('asks a server that marks its answers whether there is anything new', async () => {
    await using server = await startChartServer()
    server.breakWith(({ headers }) =>
      headers['if-none-match'] === `"${server.revision()}"`
        ? { status: 304 }
        : { status: 200, body: server.index(), headers: { etag: `"${server.revision()}"` } },
    )
    await using one = await world(server)
    await one.run()
    expect((await one.run()).events).toEqual([expect.stringContaining('ArtifactUpToDate')])
    server.publish('shop', '1.0.0')
    expect((await one.run()).events).toEqual([expect.stringContaining('NewArtifact')])
    const marks = server.requests.map(({ headers }) => headers['if-none-match'])
    expect(marks).toEqual([undefined, expect.stringContaining('sha256:'), expect.stringContaining('sha256:')])
  })

  it('downloads again what is asked for by hand, or has left the store', async () => {
    await using server = await startChartServer()
    server.breakWith(() => ({ status: 200, body: server.index(), headers: { etag: '"same"' } }))
    await using one = await world(server)
    await one.run()
    await one.run({ causes: ['requested'] })
    await one.store.remove({ kind: 'HelmRepository', namespace: 'apps', name: 'podinfo' })
    expect((await one.run()).error).toBeUndefined()
    expect(server.requests.map(({ headers }) => headers['if-none-match'])).toEqual([undefined, undefined, undefined])
  })

  it('makes an index again that has left the store', async () => {
    await using server = await startChartServer()
    await using one = await world(server)
    await one.run()
    const before = one.status.artifact
    await one.store.remove({ kind: 'HelmRepository', namespace: 'apps', name: 'podinfo' })
    const { progress } = await one.run()
    expect(progress).toContain('building artifact: disappeared from storage')
    expect(one.status.artifact?.digest).toBe(before?.digest)
    expect(await storedText(one)).toContain('apiVersion')
  })

  it('is removed with all that it has stored', async () => {
    await using server = await startChartServer()
    await using one = await world(server)
    await one.run()
    expect(await one.finalize()).toEqual(['trace GarbageCollectionSucceeded: garbage collected artifacts for deleted resource'])
    await expect(storedText(one)).rejects.toThrow('ENOENT')
  })

  it.each([
    [{}, 60_000],
    [{ interval: '0s' }, 60_000],
    [{ interval: '1h' }, 3_600_000],
  ])('is looked at as often as %j says', async (spec, requeueAfterMs) => {
    await using server = await startChartServer()
    await using one = await SourceWorld.of(helmRepositoryLoop(), { url: server.url, ...spec } as HelmRepositorySpec)
    expect((await one.run()).outcome).toMatchObject({ requeueAfterMs })
  })

  it('SRC-HRP-06 takes no notice of accessFrom', async () => {
    await using server = await startChartServer()
    await using one = await world(server, { accessFrom: { namespaceSelectors: [{ matchLabels: { team: 'other' } }] } })
    expect((await one.run()).error).toBeUndefined()
  })
})

describe('who a HelmRepository is for the server', () => {
  const basic = { username: 'ann', password: 'swordfish' }

  it('SRC-HRP-02 says user and password of its Secret', async () => {
    await using server = await startChartServer({ auth: basic })
    await using one = await world(server, { secretRef: { name: 'login' } })
    one.secrets.set('login', basic)
    expect((await one.run()).error).toBeUndefined()
  })

  it('SRC-HRP-02 fails without them, and tells of the recovery', async () => {
    await using server = await startChartServer({ auth: basic })
    await using one = await world(server)
    const message = `failed to fetch Helm repository index: failed to cache index to temporary file: failed to fetch ${server.url}index.yaml : 401 Unauthorized`
    expect((await one.run()).error).toMatchObject({ name: 'Retryable', reason: 'Failed', message })
    expect(one.condition('FetchFailed')).toMatchObject({ status: 'True', reason: 'Failed', message })
    one.edit({ secretRef: { name: 'login' } })
    one.secrets.set('login', basic)
    expect((await one.run()).events).toEqual([expect.stringContaining('info NewArtifact')])
    expect(one.condition('FetchFailed')).toBeUndefined()
    one.secrets.set('login', { ...basic, password: 'cod' })
    await one.run()
    one.secrets.set('login', basic)
    expect((await one.run()).events).toContainEqual(expect.stringContaining('info Succeeded: stored fetched index'))
  })

  it.each([
    ['secretRef', undefined, `failed to get authentication secret 'apps/keys': secrets "keys" not found`],
    ['certSecretRef', undefined, `failed to get TLS authentication secret 'apps/keys': secrets "keys" not found`],
    [
      'secretRef',
      { username: 'ann' },
      "failed to detect authentication methods: secret 'apps/keys': malformed basic auth - has 'username' but missing 'password'",
    ],
    [
      'secretRef',
      { password: 'swordfish' },
      "failed to detect authentication methods: secret 'apps/keys': malformed basic auth - has 'password' but missing 'username'",
    ],
    [
      'secretRef',
      { 'ca.crt': 'swordfish' },
      "failed to detect authentication methods: failed to parse CA certificate: key 'ca.crt' holds no PEM certificate (in secret 'apps/keys')",
    ],
    [
      'certSecretRef',
      { 'tls.crt': 'swordfish' },
      "failed to construct Helm client's TLS config: secret 'apps/keys' contains 'tls.crt' but missing 'tls.key'",
    ],
    [
      'certSecretRef',
      { 'tls.key': 'swordfish' },
      "failed to construct Helm client's TLS config: secret 'apps/keys' contains 'tls.key' but missing 'tls.crt'",
    ],
    [
      'certSecretRef',
      { username: 'ann', password: 'swordfish' },
      "failed to construct Helm client's TLS config: secret 'apps/keys' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'",
    ],
    [
      'certSecretRef',
      { 'ca.crt': 'swordfish' },
      "failed to construct Helm client's TLS config: failed to parse CA certificate: key 'ca.crt' holds no PEM certificate (in secret 'apps/keys')",
    ],
    [
      'certSecretRef',
      { 'tls.crt': 'swordfish', 'tls.key': 'swordfish' },
      "failed to construct Helm client's TLS config: failed to parse TLS certificate and key: keys 'tls.crt' and 'tls.key' are not a PEM certificate and its private key",
    ],
  ])('says what is wrong with its %s %j, and no value', async (field, data, message) => {
    await using server = await startChartServer()
    await using one = await world(server, { [field]: { name: 'keys' } })
    if (data) one.secrets.set('keys', data)
    const result = await one.run()
    expect(result.error).toMatchObject({ name: 'Retryable', reason: 'AuthenticationFailed' })
    expect(result.error?.message).toContain(message)
    expect(one.condition('FetchFailed')).toMatchObject({ status: 'True', reason: 'AuthenticationFailed' })
    expect(everythingSaid(one, result)).not.toContain('swordfish')
    expect(server.requests).toEqual([])
  })

  it('takes a Secret with the login of a registry, or with certificates that do not fit, for one without a user', async () => {
    await using server = await startChartServer()
    await using one = await world(server, { secretRef: { name: 'keys' } })
    for (const data of [{ '.dockerconfigjson': '{"auths":{}}' }, { 'tls.crt': 'half' }, {}]) {
      one.secrets.set('keys', data)
      expect((await one.run()).error).toBeUndefined()
    }
  })

  it('keeps the password out of all that it says of an address that holds one', async () => {
    await using server = await startChartServer()
    await using one = await world(server, { url: `${server.url.replace('//', '//ann:swordfish@')}?token=swordfish` })
    const good = await one.run()
    expect(good.events.at(-1)).toMatch(new RegExp(`from '${server.url}'$`))
    server.breakWith(() => ({ status: 500 }))
    const bad = await one.run()
    expect(server.requests).toMatchObject([{ credentials: 'ann:swordfish', query: '?token=swordfish' }, {}])
    expect(everythingSaid(one, good) + everythingSaid(one, bad)).not.toContain('swordfish')
  })
})

describe('TLS of a HelmRepository', () => {
  let authority: Authority
  beforeAll(async () => {
    authority = await createAuthority()
  })

  it('SRC-HRP-03 trusts the authority of certSecretRef, and shows its certificate', async () => {
    const tls = { ...(await authority.server()), ca: authority.ca, requestCert: true }
    await using server = await startChartServer({ tls })
    await using one = await world(server, { certSecretRef: { name: 'tls' } })
    const { cert, key } = await authority.client('ann')
    one.secrets.set('tls', { 'ca.crt': authority.ca, 'tls.crt': cert, 'tls.key': key })
    expect((await one.run()).error).toBeUndefined()
    expect(server.requests).toMatchObject([{ client: 'ann' }])
    one.secrets.set('tls', { caFile: authority.ca, certFile: cert, keyFile: key })
    expect((await one.run()).error).toBeUndefined()
    one.secrets.set('tls', { 'ca.crt': authority.ca })
    expect((await one.run()).error).toMatchObject({ reason: 'Failed' })
  })

  it('SRC-HRP-03 fails when the certificate is of another authority', async () => {
    await using server = await startChartServer({ tls: await authority.server() })
    await using one = await world(server, { certSecretRef: { name: 'tls' } })
    const other = await createAuthority('somebody else')
    one.secrets.set('tls', { 'ca.crt': other.ca })
    expect((await one.run()).error?.message).toMatch(/index.yaml : unable to verify the first certificate/)
    await using unarmed = await world(server)
    expect((await unarmed.run()).error).toMatchObject({ reason: 'Failed' })
  })

  it('SRC-HRP-03 takes certificates from secretRef too, says that they belong elsewhere, and prefers certSecretRef', async () => {
    await using server = await startChartServer({ tls: await authority.server() })
    await using one = await world(server, { secretRef: { name: 'old' } })
    one.secrets.set('old', { 'ca.crt': authority.ca })
    expect((await one.run()).error).toBeUndefined()
    expect(JSON.stringify(one.log.lines)).toContain('please use `.spec.certSecretRef` instead')
    one.secrets.set('new', { 'ca.crt': (await createAuthority('somebody else')).ca })
    one.edit({ certSecretRef: { name: 'new' } })
    expect((await one.run()).error).toMatchObject({ reason: 'Failed' })
  })
})

describe('what is wrong with an index', () => {
  it('F-HRP-01 SRC-HRP-07 is told with its limit when it is too large', async () => {
    await using server = await startChartServer()
    await using one = await world(server)
    one.flags = { ...one.flags, helmIndexMaxSize: server.index().length }
    expect((await one.run()).error).toBeUndefined()
    const before = one.status.artifact
    server.publish('shop', '1.0.0')
    expect((await one.run()).error?.message).toContain(
      `index exceeds the maximum index file size of ${one.flags.helmIndexMaxSize} bytes`,
    )
    expect(one.status.artifact).toEqual(before)
    expect(one.condition('FetchFailed')).toMatchObject({ reason: 'Failed' })
  })

  it.each([
    ['<!DOCTYPE html>\n<html><body>Please log in</body></html>', 'is a page in HTML or XML, not the index of a Helm repository'],
    ['\n  <html lang="en">', 'is a page in HTML or XML'],
    ['<?xml version="1.0"?><Error/>', 'is a page in HTML or XML'],
  ])('F-HRP-03 is told when a server answers %j', async (page, text) => {
    await using server = await startChartServer()
    server.setIndex(page)
    await using one = await world(server)
    const { error } = await one.run()
    expect(error).toMatchObject({ name: 'Retryable', reason: 'IndexationFailed' })
    expect(error?.message).toContain(
      `failed to load Helm repository from index YAML: failed to load index: what ${server.url}index.yaml answers ${text}`,
    )
  })

  it.each([
    ['', 'empty index.yaml file'],
    ['entries: {}\n', 'no API version specified'],
    ['{"entries":{}}', 'no API version specified'],
    ['apiVersion: v1\nentries:\n  shop:\n  - {name: shop, version: 1.0.0\n', 'error converting YAML to JSON'],
    ['{"apiVersion":"v1"', 'error converting YAML to JSON'],
    ['apiVersion: v1\nentries:\n  shop: []\n  shop: []\n', 'key "shop" already set in map'],
    ['apiVersion: v1\nentries:\n  shop: words\n', 'cannot unmarshal string into Go'],
    ['apiVersion: v1\nentries:\n  shop:\n  - version: [1]\n', 'cannot unmarshal array into Go'],
    ['apiVersion: v1\nnews: 1\nentries: {}\n', 'unknown field "news"'],
    ['just words', 'cannot unmarshal string into Go'],
  ])('is told as Helm tells it: %j', async (index, text) => {
    await using server = await startChartServer()
    server.setIndex(index)
    await using one = await world(server)
    const { error } = await one.run()
    expect(error).toMatchObject({ name: 'Retryable', reason: 'IndexationFailed' })
    expect(error?.message).toContain('failed to load Helm repository from index YAML: failed to load index: ')
    expect(error?.message).toContain(text)
    expect(one.condition('FetchFailed')).toMatchObject({ status: 'True', reason: 'IndexationFailed' })
  })

  it('F-HRP-02 keeps its good entries usable when others are broken', async () => {
    await using server = await startChartServer()
    server.publish('shop', '1.0.0', {}, { digest: undefined })
    server.publish('shop', '1.1.0', {}, { urls: undefined })
    server.publish('shop', '1.2.0', {}, { type: 'odd' })
    server.publish('shop', '1.2.1', {}, { version: 'words' })
    server.publish('shop', '1.3.0', {}, { name: 'bank' })
    server.publish('till', '1.0.0', {}, { version: null })
    await using one = await world(server)
    expect((await one.run()).error).toBeUndefined()
    const index = parseIndex(await storedText(one))
    expect(index.get('shop')?.map(({ name, version }) => `${name} ${version}`)).toEqual(['bank 1.3.0', 'shop 1.1.0', 'shop 1.0.0'])
    expect(index.get('till')).toEqual([])
  })

  it('F-HRP-02 takes a version that is there twice, and nothing where an entry should be', async () => {
    await using server = await startChartServer()
    const version = '  - {name: shop, version: 1.0.0, urls: [a.tgz]}\n'
    server.setIndex(`apiVersion: v1\nentries:\n  shop:\n${version}${version}  -\n`)
    await using one = await world(server)
    expect((await one.run()).error).toBeUndefined()
    expect(parseIndex(await storedText(one)).get('shop')).toHaveLength(2)
  })

  it.each([
    ['lists in lists, in JSON', `{"apiVersion":"v1","entries":${'['.repeat(300_000)}${']'.repeat(300_000)}}`],
    ['lists in lists, in YAML', `apiVersion: v1\nentries: ${'['.repeat(100_000)}${']'.repeat(100_000)}\n`],
    ['maps in maps', `apiVersion: v1\nentries: ${'{a: '.repeat(50_000)}${'}'.repeat(50_000)}\n`],
    [
      'aliases that grow',
      `apiVersion: v1\na0: &a0 [x]\n${Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]\n`).join('')}entries: *a40\n`,
    ],
    ['bytes that are no text', Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7) % 256))],
    ['nothing but zeros', Buffer.alloc(100_000)],
  ])('is told in time when somebody means harm: %s', async (_, index) => {
    await using server = await startChartServer()
    server.setIndex(index)
    await using one = await world(server)
    const { error } = await one.run()
    expect(error).toMatchObject({ name: 'Retryable', reason: 'IndexationFailed' })
    expect(error?.message.length).toBeLessThan(2000)
  })

  it('is none when charts have names that mean something to JavaScript', async () => {
    await using server = await startChartServer()
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']
    const entry = (name: string) => [{ apiVersion: 'v2', name, version: '1.0.0', urls: ['a.tgz'] }]
    const json = `{"apiVersion":"v1","entries":{${names.map((name) => `"${name}":${JSON.stringify(entry(name))}`).join(',')}}}`
    await using one = await world(server)
    for (const index of [json, `# YAML\n${json}`]) {
      server.setIndex(index)
      expect((await one.run()).error).toBeUndefined()
      const stored = parseIndex(await storedText(one))
      for (const name of names) expect(stored.get(name)).toMatchObject([{ name, version: '1.0.0' }])
    }
  })

  it.each([
    ['oci://registry.example/charts', "'oci' URL scheme cannot be used with 'default' HelmRepository type"],
    ['http://', 'is no address of a Helm repository'],
    ['http://host:port/', 'is no address of a Helm repository'],
  ])('is the address %j', async (url, text) => {
    await using server = await startChartServer()
    await using one = await world(server, { url })
    const { error } = await one.run()
    expect(error).toMatchObject({ name: 'Stalled', reason: 'URLInvalid' })
    expect(error?.message).toContain('invalid Helm repository URL: ')
    expect(error?.message).toContain(text)
    expect(one.condition('FetchFailed')).toMatchObject({ status: 'True', reason: 'URLInvalid' })
  })

  it('is that nobody serves it', async () => {
    await using server = await startChartServer()
    await using one = await world(server, { timeout: '1s' })
    server.breakWith(() => ({ status: 404 }))
    expect((await one.run()).error).toMatchObject({ name: 'Retryable', reason: 'Failed' })
    await server[Symbol.asyncDispose]()
    expect((await one.run()).error?.message).toContain(`failed to fetch ${server.url}index.yaml : connect ECONNREFUSED`)
  })
})

it.each([
  [0, '0B'],
  [999, '999B'],
  [1000, '1kB'],
  [1234, '1.234kB'],
  [12_345, '12.35kB'],
  [999_960, '1000kB'],
  [1_000_000, '1MB'],
  [52_428_800, '52.43MB'],
  [2_500_000_000, '2.5GB'],
])('a size of %i bytes is %s', (bytes, text) => {
  expect(humanSize(bytes)).toBe(text)
})
