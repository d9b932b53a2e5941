import { createHash } from 'node:crypto'
import { readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { type ChartServer, chartOf, startChartServer } from '../tools/chart-server.ts'
import { archiveOf } from '../tools/push.ts'
import { ChartWorld } from './chart-world.ts'
import { closeThreads } from './world.ts'

afterAll(closeThreads)

async function shopServer(...versions: string[]): Promise<ChartServer> {
  const server = await startChartServer()
  for (const version of versions) server.publish('shop', version, { 'values.yaml': `version: ${version}\n` })
  return server
}

describe('a HelmChart of a HelmRepository', () => {
  it('SRC-CHT-01 stores the package of an exact version as it is', async () => {
    await using server = await shopServer('1.0.0', '1.1.0')
    const [published] = [server.publish('shop', '1.0.5')]
    await using world = await ChartWorld.create({ version: '1.0.5' })
    await world.helmRepository(server)
    const { error, events, outcome } = await world.run()
    expect(error).toBeUndefined()
    const path = 'helmchart/apps/podinfo/shop-1.0.5.tgz'
    expect(world.status.artifact).toMatchObject({ revision: '1.0.5', path, digest: `sha256:${published?.digest}` })
    expect(world.status).toMatchObject({
      observedChartName: 'shop',
      observedSourceArtifactRevision: server.revision(),
      url: world.status.artifact?.url.replace(/[^/]*$/, 'latest.tar.gz'),
    })
    expect(await readlink(join(world.source.directory, 'helmchart/apps/podinfo/latest.tar.gz'))).toBe('shop-1.0.5.tgz')
    const ready = { status: 'True', reason: 'ChartPullSucceeded', message: "pulled 'shop' chart with version '1.0.5'" }
    expect(world.source.condition('Ready')).toMatchObject(ready)
    expect(world.source.condition('ArtifactInStorage')).toMatchObject(ready)
    expect(events).toEqual(["info ChartPullSucceeded: pulled 'shop' chart with version '1.0.5'"])
    expect(outcome?.requeueAfterMs).toBe(600_000)
  })

  it.each([
    ['>=1.0.0', '2.0.0'],
    ['1.x', '1.10.0'],
    ['~1.2.0', '1.2.9'],
    ['', '2.0.0'],
    ['*', '2.0.0'],
    ['>=1.0.0-0', '3.0.0-rc.1'],
    ['3.0.0-rc.1', '3.0.0-rc.1'],
  ])('SRC-CHT-01 takes the newest version that the range %j allows: %s', async (version, newest) => {
    await using server = await shopServer('1.2.0', '1.2.9', '1.10.0', '2.0.0', '3.0.0-rc.1')
    await using world = await ChartWorld.create({ version })
    await world.helmRepository(server)
    const { error } = await world.run()
    expect(error).toBeUndefined()
    expect(world.status.artifact?.revision).toBe(newest)
  })

  it('SRC-CHT-01 takes the youngest of versions that differ by metadata alone', async () => {
    await using server = await startChartServer()
    server.publish('shop', '1.0.0+a', {}, { created: '2026-01-01T00:00:00Z' })
    server.publish('shop', '1.0.0+b', {}, { created: '2026-03-01T00:00:00Z' })
    server.publish('shop', '1.0.0+c', {}, { created: '2026-02-01T00:00:00Z' })
    await using world = await ChartWorld.create({ version: '1.x' })
    await world.helmRepository(server)
    await world.run()
    expect(world.status.artifact?.revision).toBe('1.0.0+b')
  })

  it('downloads nothing while the newest version is stored, and the next one when it comes', async () => {
    await using server = await shopServer('1.0.0')
    await using world = await ChartWorld.create({ version: '1.x' })
    await world.helmRepository(server)
    await world.run()
    server.publish('bank', '1.0.0')
    await world.helmRepository(server)
    expect((await world.run()).events).toEqual(["trace ArtifactUpToDate: artifact up-to-date with remote revision: '1.0.0'"])
    expect(server.count('.tgz')).toBe(1)
    expect(world.status.observedSourceArtifactRevision).toBe(server.revision())
    server.publish('shop', '1.1.0')
    await world.helmRepository(server)
    expect((await world.run()).events).toEqual(["info ChartPullSucceeded: pulled 'shop' chart with version '1.1.0'"])
    expect(world.status.artifact?.revision).toBe('1.1.0')
  })

  it('F-HLM-13 leaves a version alone that is replaced by other content, until the spec changes', async () => {
    await using server = await shopServer('1.0.0')
    await using world = await ChartWorld.create({})
    await world.helmRepository(server)
    await world.run()
    const before = world.status.artifact?.digest
    const { digest } = server.publish('shop', '1.0.0', { 'values.yaml': 'other: true\n' })
    await world.helmRepository(server)
    await world.run()
    expect(world.status.artifact?.digest).toBe(before)
    world.edit({ interval: '11m' })
    const { events } = await world.run()
    expect(world.status.artifact).toMatchObject({ revision: '1.0.0', digest: `sha256:${digest}` })
    expect(events).toEqual(["info ChartPullSucceeded: pulled 'shop' chart with version '1.0.0'"])
  })

  it.each([
    ['missing', '*', 'no chart name found'],
    ['shop', '>=9', "no 'shop' chart with version matching '>=9' found"],
    ['shop', 'nonsense', 'improper constraint: "nonsense"'],
  ])('stalls for chart %j in version %j', async (chart, version, why) => {
    await using server = await shopServer('1.0.0')
    await using world = await ChartWorld.create({ chart, version })
    await world.helmRepository(server)
    const { error } = await world.run()
    const message = `invalid chart reference: failed to get chart version for remote reference: ${why}`
    expect(error).toMatchObject({ name: 'Stalled', reason: 'InvalidChartReference', message })
    expect(world.source.condition('FetchFailed')).toMatchObject({ status: 'True', reason: 'InvalidChartReference', message })
  })

  it.each(['Shop', '..', 'a/../b', 'a b', '', 'shop;'])(
    'F-HRP-06 stalls for %j, which can be the name of no chart',
    async (chart) => {
      await using server = await shopServer('1.0.0')
      await using world = await ChartWorld.create({ chart })
      await world.helmRepository(server)
      const { error } = await world.run()
      expect(error).toMatchObject({ name: 'Stalled', reason: 'InvalidChartReference' })
    },
  )

  it('F-HRP-06 decides about a long hostile name at once', async () => {
    await using server = await shopServer('1.0.0')
    await using world = await ChartWorld.create({ chart: `${'a'.repeat(100_000)}!` })
    await world.helmRepository(server)
    const { error } = await world.run()
    expect(error).toMatchObject({ reason: 'InvalidChartReference' })
  })

  it('F-HRP-06 refuses a package whose Chart.yaml has a name that leads elsewhere', async () => {
    await using server = await startChartServer()
    for (const name of ['.', '..', 'a/b']) {
      const chart = chartOf('shop', '1.0.0')
      const archive = archiveOf({ 'shop/Chart.yaml': `apiVersion: v2\nname: ${JSON.stringify(name)}\nversion: 1.0.0\n` })
      server.publishPackage(archive, { name: chart.metadata.name, version: '1.0.0' })
      await using world = await ChartWorld.create({})
      await world.helmRepository(server)
      const { error } = await world.run()
      expect(error).toMatchObject({ name: 'Retryable', reason: 'ChartPullError' })
      expect(error?.message).toContain('failed to load chart metadata from written chart: validation: chart.metadata.name')
      expect(world.status.artifact).toBeUndefined()
    }
  })

  it('F-HRP-06 does not see versions with control characters', async () => {
    await using server = await startChartServer()
    server.publishPackage(archiveOf({ 'shop/Chart.yaml': 'x' }), { name: 'shop', version: '1.0.0\u0007/../../x' })
    server.publish('shop', '0.9.0')
    await using world = await ChartWorld.create({})
    await world.helmRepository(server)
    await world.run()
    expect(world.status.artifact?.path).toBe('helmchart/apps/podinfo/shop-0.9.0.tgz')
  })

  it('F-HRP-05 refuses a package that has not the digest of the index', async () => {
    await using server = await startChartServer()
    server.publish('shop', '1.0.0', {}, { digest: 'f'.repeat(64) })
    await using world = await ChartWorld.create({})
    await world.helmRepository(server)
    const { error } = await world.run()
    expect(error).toMatchObject({ name: 'Retryable', reason: 'ChartPullError' })
    expect(error?.message).toContain(`the index says sha256:${'f'.repeat(64)}`)
    expect(world.status.artifact).toBeUndefined()
  })

  it('SRC-CHT-08 F-HRP-04 refuses a package over the limit, and says the limit', async () => {
    await using server = await startChartServer()
    server.publish('shop', '1.0.0', { 'noise.bin': noise(30_000) })
    await using world = await ChartWorld.create({}, { args: ['--helm-chart-max-size=20000'] })
    await world.helmRepository(server)
    const { error } = await world.run()
    expect(error).toMatchObject({ name: 'Retryable', reason: 'ChartPullError' })
    expect(error?.message).toContain('larger than the maximum chart size of 20000 bytes')
  })

  it('SRC-CHT-08 F-HRP-04 refuses a Chart.yaml over the limit of files, and says the limit', async () => {
    await using server = await startChartServer()
    const big = `apiVersion: v2\nname: shop\nversion: 1.0.0\ndescription: ${'x'.repeat(3_000)}\n`
    server.publish('shop', '1.0.0', { 'Chart.yaml': big }, { description: 'short' })
    await using world = await ChartWorld.create({}, { args: ['--helm-chart-file-max-size=2000'] })
    await world.helmRepository(server)
    const { error } = await world.run()
    expect(error?.message).toContain("size of 'Chart.yaml' exceeds '2000' bytes limit")
  })

  it.each([
    ['a page', '<html>who are you?</html>', 'invalid header'],
    ['an empty file', '', 'EOF'],
    ['an archive cut off', gzipSync(noise(2000)).subarray(0, 500), 'unexpected EOF'],
  ])('does not store %s', async (_, content, why) => {
    await using server = await startChartServer()
    server.publishPackage(Buffer.from(content), { name: 'shop', version: '1.0.0' })
    await using world = await ChartWorld.create({})
    await world.helmRepository(server)
    const { error } = await world.run()
    expect(error).toMatchObject({ name: 'Retryable', reason: 'ChartPullError' })
    expect(error?.message).toContain(why)
    expect(world.status.artifact).toBeUndefined()
  })

  it('says what the server answers in place of a package, and gets over it', async () => {
    await using server = await shopServer('1.0.0')
    await using world = await ChartWorld.create({})
    await world.helmRepository(server)
    server.breakWith(() => ({ status: 503 }))
    const { error } = await world.run()
    const message = `chart pull error: failed to download chart for remote reference: failed to fetch ${server.url}shop-1.0.0.tgz : 503 Service Unavailable`
    expect(error).toMatchObject({ name: 'Retryable', reason: 'ChartPullError', message })
    server.breakWith()
    const { events } = await world.run()
    expect(events).toEqual(["info ChartPullSucceeded: pulled 'shop' chart with version '1.0.0'"])
    expect(world.source.condition('FetchFailed')).toBeUndefined()
  })

  it('says of an entry without an address that it has none', async () => {
    await using server = await startChartServer()
    server.publish('shop', '1.0.0', {}, { urls: [] })
    await using world = await ChartWorld.create({})
    await world.helmRepository(server)
    const { error } = await world.run()
    expect(error?.message).toBe(
      'chart pull error: failed to download chart for remote reference: chart "shop" version "1.0.0" has no downloadable URLs',
    )
  })

  it('follows addresses relative to the repository, and whole ones', async () => {
    await using server = await startChartServer()
    const { file } = server.publish('shop', '1.0.0', {}, { urls: ['packages/shop-1.0.0.tgz'] })
    server.publish('shop', '2.0.0', {}, { urls: [`${server.urlOn('localhost')}else/where/shop-2.0.0.tgz`] })
    expect(file).toBe('shop-1.0.0.tgz')
    await using world = await ChartWorld.create({ version: '1.0.0' })
    await world.helmRepository(server, { url: `${server.address}/stable` })
    await world.run()
    expect(server.requests.at(-1)?.path).toBe('/stable/packages/shop-1.0.0.tgz')
    world.edit({ version: '2.0.0' })
    await world.run()
    expect(server.requests.at(-1)).toMatchObject({ path: '/else/where/shop-2.0.0.tgz' })
    expect(world.status.artifact?.revision).toBe('2.0.0')
  })

  it('keeps the parsed versions of an index only when it is told to', async () => {
    await using server = await shopServer('1.0.0')
    await using without = await ChartWorld.create({})
    await without.helmRepository(server)
    await without.run()
    expect(without.cacheUses).toEqual([])
    await using world = await ChartWorld.create({}, { args: ['--helm-cache-max-size=1'] })
    await world.helmRepository(server)
    await world.run()
    await world.run()
    expect(world.cacheUses).toEqual(['charts miss', 'charts hit'])
    server.publish('shop', '1.1.0')
    await world.helmRepository(server)
    await world.run()
    expect(world.cacheUses.at(-1)).toBe('charts miss')
    expect(world.status.artifact?.revision).toBe('1.1.0')
  })
})

describe('the credentials of a HelmRepository', () => {
  const auth = { username: 'ann', password: 's3cret' }

  it('go to the repository', async () => {
    await using server = await startChartServer({ auth })
    server.publish('shop', '1.0.0')
    await using world = await ChartWorld.create({})
    world.source.secrets.set('login', auth)
    await world.helmRepository(server, { secretRef: { name: 'login' } })
    expect((await world.run()).error).toBeUndefined()
  })

  it('go to other hosts only where they are passed on', async () => {
    await using server = await startChartServer({ auth })
    server.publish('shop', '1.0.0', {}, { urls: [`${server.urlOn('localhost')}shop-1.0.0.tgz`] })
    await using world = await ChartWorld.create({})
    world.source.secrets.set('login', auth)
    await world.helmRepository(server, { secretRef: { name: 'login' } })
    const { error } = await world.run()
    expect(error).toMatchObject({ name: 'Retryable', reason: 'AuthenticationFailed' })
    expect(server.requests.at(-1)?.credentials).toBeUndefined()
    await world.helmRepository(server, { secretRef: { name: 'login' }, passCredentials: true })
    expect((await world.run()).error).toBeUndefined()
    expect(server.requests.at(-1)?.credentials).toBe('ann:s3cret')
  })

  it('show in nothing that is said', async () => {
    await using server = await startChartServer({ auth: { username: 'ann', password: 'other' } })
    server.publish('shop', '1.0.0')
    await using world = await ChartWorld.create({})
    world.source.secrets.set('login', auth)
    await world.helmRepository(server, { secretRef: { name: 'login' } })
    const { error, events } = await world.run()
    expect(error?.message).toContain('failed to authenticate with the Helm repository: chart pull error')
    expect(world.source.condition('FetchFailed')).toMatchObject({ reason: 'AuthenticationFailed' })
    expect(JSON.stringify([error?.message, events, world.status, world.source.log.lines])).not.toContain('s3cret')
  })

  it('are missed by name', async () => {
    await using server = await shopServer('1.0.0')
    await using world = await ChartWorld.create({})
    await world.helmRepository(server, { secretRef: { name: 'none' } })
    const { error } = await world.run()
    expect(error).toMatchObject({ name: 'Retryable', reason: 'AuthenticationFailed' })
    expect(error?.message).toContain("'apps/none'")
  })
})

describe('the source of a HelmChart', () => {
  it('is missed by kind and name', async () => {
    await using world = await ChartWorld.create({})
    const { error } = await world.run()
    const message = 'failed to get source: helmrepositories.source.toolkit.fluxcd.io "charts" not found'
    expect(error).toMatchObject({ name: 'Retryable', reason: 'SourceUnavailable', message })
    expect(world.source.condition('FetchFailed')).toMatchObject({ status: 'True', reason: 'SourceUnavailable', message })
  })

  it('is waited for while it has no artifact, which is told once', async () => {
    await using world = await ChartWorld.create({ sourceRef: { kind: 'GitRepository', name: 'files' } })
    const metadata = { namespace: 'apps', name: 'files' }
    world.put({ apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'GitRepository', metadata })
    const message = "no artifact available for GitRepository source 'files'"
    expect((await world.run()).error).toMatchObject({ name: 'Waiting', reason: 'NoSourceArtifact', message, event: 'trace' })
    expect(world.source.condition('FetchFailed')).toMatchObject({ reason: 'NoSourceArtifact', message })
    expect((await world.run()).error).toMatchObject({ name: 'Waiting', event: undefined })
  })

  it('is waited for while its artifact is not in the store', async () => {
    await using server = await shopServer('1.0.0')
    await using world = await ChartWorld.create({})
    await world.helmRepository(server)
    await world.source.store.remove({ kind: 'HelmRepository', namespace: 'apps', name: 'charts' })
    expect((await world.run()).error).toMatchObject({ name: 'Waiting', reason: 'NoSourceArtifact' })
  })

  it('must be reached without a cloud login', async () => {
    await using world = await ChartWorld.create({})
    world.registry('oci://127.0.0.1:1/charts', { provider: 'aws' })
    const { error } = await world.run()
    expect(error).toMatchObject({ name: 'Stalled', reason: 'UnsupportedField' })
    expect(error?.message).toContain("spec.provider aws of HelmRepository 'apps/charts'")
  })

  it('is waited for, and not logged in to, while it has no index', async () => {
    await using world = await ChartWorld.create({})
    const metadata = { namespace: 'apps', name: 'charts' }
    const spec = { url: 'https://127.0.0.1:1/', secretRef: { name: 'none' } }
    world.put({ apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'HelmRepository', metadata, ...{ spec } })
    expect((await world.run()).error).toMatchObject({ name: 'Waiting', reason: 'NoSourceArtifact' })
  })

  it('must not be a registry without saying so', async () => {
    await using server = await shopServer('1.0.0')
    await using world = await ChartWorld.create({})
    await world.helmRepository(server, { url: 'oci://127.0.0.1:1/charts' })
    const { error } = await world.run()
    expect(error).toMatchObject({ name: 'Stalled', reason: 'URLInvalid' })
  })

  it('must have an address that fits its type', async () => {
    await using world = await ChartWorld.create({})
    world.registry('https://127.0.0.1:1/charts')
    const { error } = await world.run()
    expect(error).toMatchObject({ name: 'Stalled', reason: 'Failed' })
    expect(error?.message).toBe('failed to construct Helm client: invalid OCI registry URL: https://127.0.0.1:1/charts/')
  })
})

it('stores a chart again that is gone from the store or damaged there', async () => {
  await using server = await shopServer('1.0.0')
  await using world = await ChartWorld.create({})
  await world.helmRepository(server)
  await world.run()
  const before = world.status.artifact
  await world.source.store.remove({ kind: 'HelmChart', namespace: 'apps', name: 'podinfo' })
  await world.run()
  expect(world.status.artifact).toMatchObject({ digest: before?.digest, path: before?.path })
  expect(server.count('.tgz')).toBe(2)
})

it('removes everything of a HelmChart that goes', async () => {
  await using server = await shopServer('1.0.0')
  await using world = await ChartWorld.create({})
  await world.helmRepository(server)
  await world.run()
  const artifact = world.status.artifact
  expect(await world.source.finalize()).toEqual([
    'trace GarbageCollectionSucceeded: garbage collected artifacts for deleted resource',
  ])
  expect(artifact && (await world.source.store.has(artifact))).toBe(false)
})

/** Bytes that do not get smaller by being packed. */
function noise(bytes: number): Buffer {
  const blocks = Math.ceil(bytes / 32)
  const hashes = Array.from({ length: blocks }, (_, block) => createHash('sha256').update(String(block)).digest())
  return Buffer.concat(hashes).subarray(0, bytes)
}
