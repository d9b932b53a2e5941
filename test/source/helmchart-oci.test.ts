import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HelmRepositorySpec } from '../../src/api/helmrepository.ts'
import { packChart } from '../../src/lib/chart/index.ts'
import { type Authority, createAuthority } from '../tools/certificates.ts'
import { chartOf } from '../tools/chart-server.ts'
import { fluxContent, pushChart, pushImage } from '../tools/push.ts'
import { registryLogin, startRegistry, type TestRegistry } from '../tools/registry.ts'
import { ChartWorld } from './chart-world.ts'
import { closeThreads } from './world.ts'

afterAll(closeThreads)

let authority: Authority

beforeAll(async () => {
  authority = await createAuthority()
})

async function push(registry: TestRegistry, name: string, ...versions: string[]): Promise<void> {
  for (const version of versions) {
    const content = packChart(chartOf(name, version, { 'values.yaml': `version: ${version}\n` }))
    await pushChart(registry, `charts/${name}`, { name, version, content })
  }
}

/** A HelmChart `shop` of a HelmRepository for `<registry>/charts`. */
async function world(
  registry: TestRegistry,
  version: string,
  spec: Partial<HelmRepositorySpec> = {},
  args: readonly string[] = [],
): Promise<ChartWorld> {
  const one = await ChartWorld.create({ version }, { args })
  one.registry(registry.url('charts'), { insecure: true, ...spec })
  return one
}

const login = { username: registryLogin.username, password: registryLogin.password }

function dockerConfig(host: string, { username, password } = login): Record<string, string> {
  const auth = Buffer.from(`${username}:${password}`).toString('base64')
  return { '.dockerconfigjson': JSON.stringify({ auths: { [host]: { auth } } }) }
}

describe('a HelmChart of a registry', () => {
  it('SRC-CHT-02 pulls an exact version without asking for the tags', async () => {
    await using registry = await startRegistry()
    const content = packChart(chartOf('shop', '1.0.0'))
    await pushChart(registry, 'charts/shop', { name: 'shop', version: '1.0.0', content })
    await using one = await world(registry, '1.0.0')
    const { error, events } = await one.run()
    expect(error).toBeUndefined()
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
    expect(one.status.artifact).toMatchObject({ revision: '1.0.0', digest, path: 'helmchart/apps/podinfo/shop-1.0.0.tgz' })
    expect(one.status.observedSourceArtifactRevision).toBeUndefined()
    expect(events).toEqual(["info ChartPullSucceeded: pulled 'shop' chart with version '1.0.0'"])
    expect(registry.requests.filter(({ path }) => path.includes('tags/list'))).toEqual([])
  })

  it.each([
    ['>=1.0.0', '2.0.0'],
    ['1.x', '1.10.0'],
    ['', '2.0.0'],
    ['>=1.0.0-0', '3.0.0-rc.1'],
  ])('SRC-CHT-02 takes the newest tag that the range %j allows: %s', async (version, newest) => {
    await using registry = await startRegistry()
    await push(registry, 'shop', '1.9.0', '1.10.0', '2.0.0', '3.0.0-rc.1')
    await pushImage(registry, 'charts/shop', { layers: [], tags: ['latest', 'v9.0.0', 'sha256-0.sig'] })
    await using one = await world(registry, version)
    expect((await one.run()).error).toBeUndefined()
    expect(one.status.artifact?.revision).toBe(newest)
  })

  it('SRC-CHT-02 finds versions with metadata under tags with an underscore', async () => {
    await using registry = await startRegistry()
    await push(registry, 'shop', '1.0.0+build.5')
    for (const version of ['1.x', '1.0.0+build.5']) {
      await using one = await world(registry, version)
      expect((await one.run()).error).toBeUndefined()
      expect(one.status.artifact?.revision).toBe('1.0.0+build.5')
    }
  })

  it('SRC-CHT-02 pulls a chart below other names', async () => {
    await using registry = await startRegistry()
    const content = packChart(chartOf('shop', '1.0.0'))
    await pushChart(registry, 'charts/team/shop', { name: 'shop', version: '1.0.0', content })
    await using one = await world(registry, '1.x')
    one.edit({ chart: 'team/shop' })
    expect((await one.run()).error).toBeUndefined()
    expect(one.status).toMatchObject({
      observedChartName: 'team/shop',
      artifact: { path: 'helmchart/apps/podinfo/shop-1.0.0.tgz' },
    })
  })

  it('SRC-CHT-02 pulls nothing while the newest tag is stored', async () => {
    await using registry = await startRegistry()
    await push(registry, 'shop', '1.0.0')
    await using one = await world(registry, '1.x')
    await one.run()
    const before = registry.downloads()
    expect((await one.run()).events).toEqual(["trace ArtifactUpToDate: artifact up-to-date with remote revision: '1.0.0'"])
    expect(registry.downloads()).toBe(before)
    await push(registry, 'shop', '1.0.1')
    await one.run()
    expect(one.status.artifact?.revision).toBe('1.0.1')
  })

  it('SRC-CHT-05 merges values files of the chart', async () => {
    await using registry = await startRegistry()
    const content = packChart(chartOf('shop', '1.0.0', { 'values.yaml': 'a: 1\n', 'prod.yaml': 'a: 2\n' }))
    await pushChart(registry, 'charts/shop', { name: 'shop', version: '1.0.0', content })
    await using one = await world(registry, '1.0.0')
    one.edit({ valuesFiles: ['values.yaml', 'prod.yaml'] })
    await one.run()
    expect(one.status.artifact?.revision).toBe('1.0.0+2')
    expect(await one.values()).toBe('a: 2\n')
  })

  it.each([
    ['9.9.9', 'manifest unknown'],
    ['>=9', 'could not locate a version matching provided version string >=9'],
  ])('is tried again for version %s, which may be pushed yet', async (version, why) => {
    await using registry = await startRegistry()
    await push(registry, 'shop', '1.0.0')
    await using one = await world(registry, version)
    const { error } = await one.run()
    expect(error).toMatchObject({ name: 'Retryable', reason: 'ChartPullError' })
    expect(error?.message).toContain(why)
  })

  it('refuses what is no chart', async () => {
    await using registry = await startRegistry()
    await pushImage(registry, 'charts/shop', { layers: [{ mediaType: fluxContent, content: Buffer.from('x') }], tags: ['1.0.0'] })
    await using one = await world(registry, '1.0.0')
    const { error } = await one.run()
    expect(error).toMatchObject({ name: 'Retryable', reason: 'ChartPullError' })
    expect(error?.message).toContain('it is no chart: it has no layer of type application/vnd.cncf.helm.chart.content.v1.tar+gzip')
  })

  it('SRC-CHT-08 F-HRP-04 refuses a chart over the limit, and says the limit', async () => {
    await using registry = await startRegistry()
    await push(registry, 'shop', '1.0.0')
    await using one = await world(registry, '1.0.0', {}, ['--helm-chart-max-size=100'])
    const { error } = await one.run()
    expect(error?.message).toContain('is larger than the maximum chart size of 100 bytes')
    expect(registry.requests.filter(({ path }) => path.includes('/blobs/'))).toEqual([])
  })
})

describe('the login of a registry', () => {
  it.each(['basic', 'token'] as const)('SRC-CHT-02 by %s is that of the Secret', async (kind) => {
    await using registry = await startRegistry({ login: kind })
    await push(registry, 'shop', '1.0.0')
    await using one = await world(registry, '1.x', { secretRef: { name: 'login' } })
    one.source.secrets.set('login', login)
    expect((await one.run()).error).toBeUndefined()
    expect(one.status.artifact?.revision).toBe('1.0.0')
  })

  it('SRC-CHT-02 may be that of docker', async () => {
    await using registry = await startRegistry({ login: 'basic' })
    await push(registry, 'shop', '1.0.0')
    await using one = await world(registry, '1.x', { secretRef: { name: 'login' } })
    one.source.secrets.set('login', dockerConfig(registry.host))
    expect((await one.run()).error).toBeUndefined()
  })

  it('SRC-CHT-02 wins over that of a cloud', async () => {
    await using registry = await startRegistry({ login: 'basic' })
    await push(registry, 'shop', '1.0.0')
    await using one = await world(registry, '1.x', { secretRef: { name: 'login' }, provider: 'aws' })
    one.source.secrets.set('login', login)
    expect((await one.run()).error).toBeUndefined()
  })

  it.each([
    ['is missing', undefined],
    ['is wrong', { username: 'deploy', password: 'wr0ng-s3cret' }],
  ])('SRC-CHT-02 that %s is told, and shows nowhere', async (_, secret) => {
    await using registry = await startRegistry({ login: 'basic' })
    await push(registry, 'shop', '1.0.0')
    await using one = await world(registry, '1.x', secret && { secretRef: { name: 'login' } })
    if (secret) one.source.secrets.set('login', secret)
    const { error, events } = await one.run()
    expect(error).toMatchObject({ name: 'Retryable', reason: 'AuthenticationFailed' })
    expect(error?.message).toContain('failed to authenticate with the Helm repository')
    expect(JSON.stringify([error?.message, events, one.status])).not.toContain('wr0ng-s3cret')
  })
})

describe('the certificate of a registry', () => {
  it('SRC-CHT-02 may be of an authority of its own', async () => {
    await using registry = await startRegistry({ tls: await authority.server() })
    await push(registry, 'shop', '1.0.0')
    await using one = await world(registry, '1.x', { insecure: false, certSecretRef: { name: 'ca' } })
    one.source.secrets.set('ca', { 'ca.crt': authority.ca })
    expect((await one.run()).error).toBeUndefined()
  })

  it('SRC-CHT-02 that nobody knows is told as such', async () => {
    await using registry = await startRegistry({ tls: await authority.server() })
    await using one = await world(registry, '1.x', { insecure: false })
    const { error } = await one.run()
    expect(error).toMatchObject({ name: 'Retryable', reason: 'AuthenticationFailed' })
  })

  it('is needed unless the HelmRepository is insecure', async () => {
    await using registry = await startRegistry()
    await push(registry, 'shop', '1.0.0')
    await using one = await world(registry, '1.x', { insecure: false })
    const { error } = await one.run()
    expect(error).toMatchObject({ name: 'Retryable' })
    expect(one.status.artifact).toBeUndefined()
  })
})

describe('a registry that does not answer', () => {
  it.each(['1.x', '1.0.0'])('is given up when the time of the HelmRepository is over, for version %s', async (version) => {
    await using registry = await startRegistry()
    await push(registry, 'shop', '1.0.0')
    registry.fault = () => new Promise(() => {})
    await using one = await world(registry, version, { timeout: '200ms' })
    const { error } = await one.run()
    expect(error).toMatchObject({ name: 'Retryable', reason: 'ChartPullError' })
    expect(error?.message).toMatch(/no answer within 0.2s$/)
  })
})
