import { afterAll, describe, expect, it } from 'vitest'
import { packChart } from '../../src/lib/chart/index.ts'
import { type ChartServer, chartOf, startChartServer } from '../tools/chart-server.ts'
import { pushChart } from '../tools/push.ts'
import { startRegistry } from '../tools/registry.ts'
import { ChartWorld } from './chart-world.ts'
import { closeThreads } from './world.ts'

afterAll(closeThreads)

interface Named {
  readonly condition?: string
  readonly name: string
  readonly version: string
  readonly repository: string
  readonly alias?: string
}

/** A chart in the folder `shop` with these dependencies. */
function shop(dependencies: readonly Named[], more: Readonly<Record<string, string | Uint8Array>> = {}) {
  const list = JSON.stringify(dependencies)
  return { 'shop/Chart.yaml': `apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies: ${list}\n`, ...more }
}

const chartFile = (name: string, version: string) => `apiVersion: v2\nname: ${name}\nversion: ${version}\n`

function world(): Promise<ChartWorld> {
  return ChartWorld.create({ chart: 'shop', sourceRef: { kind: 'GitRepository', name: 'files' } })
}

async function dependenciesOf(one: ChartWorld): Promise<string[]> {
  return (await one.chart()).dependencies.map(({ metadata }) => `${metadata.name} ${metadata.version}`)
}

async function serverOf(...versions: string[]): Promise<ChartServer> {
  const server = await startChartServer()
  for (const version of versions) server.publish('common', version)
  return server
}

describe('a dependency', () => {
  it('SRC-CHT-04 that is in charts/ is taken from there', async () => {
    await using one = await world()
    const files = shop([{ name: 'common', version: '1.x', repository: 'https://127.0.0.1:1/' }])
    await one.gitRepository({ ...files, 'shop/charts/common/Chart.yaml': chartFile('common', '1.2.3') })
    const { error, events } = await one.run()
    expect(error).toBeUndefined()
    expect(await dependenciesOf(one)).toEqual(['common 1.2.3'])
    expect(events.some((event) => event.includes('ResolvedDependencies'))).toBe(false)
  })

  it('SRC-CHT-04 at file:// is another folder or package of the source', async () => {
    await using one = await world()
    const dependencies = [
      { name: 'common', version: '1.x', repository: 'file://../library/common' },
      { name: 'packed', version: '*', repository: 'file://../library/packed.tgz', alias: 'other' },
    ]
    const library = {
      'library/common/Chart.yaml': chartFile('common', '1.2.3'),
      'library/packed.tgz': packChart(chartOf('packed', '2.0.0')),
    }
    await one.gitRepository(shop(dependencies, library))
    const { error, events } = await one.run()
    expect(error).toBeUndefined()
    expect(await dependenciesOf(one)).toEqual(['common 1.2.3', 'other 2.0.0'])
    expect(events[0]).toBe('trace ResolvedDependencies: resolved 2 chart dependencies')
  })

  it('F-HRP-07 at file:// cannot be outside of the source', async () => {
    await using one = await world()
    const repository = 'file://../../../../../../etc'
    await one.gitRepository(shop([{ name: 'common', version: '1.x', repository }]))
    const { error } = await one.run()
    const message = `dependency build error: failed to add local dependency 'common': no chart found at '/etc' (reference '${repository}')`
    expect(error).toMatchObject({ name: 'Retryable', reason: 'DependencyBuildError', message })
    expect(one.source.condition('BuildFailed')).toMatchObject({ status: 'True', reason: 'DependencyBuildError', message })
  })

  it('F-HRP-07 at file:// must have a version of the range', async () => {
    await using one = await world()
    const files = shop([{ name: 'common', version: '2.x', repository: 'file://../common' }])
    await one.gitRepository({ ...files, 'common/Chart.yaml': chartFile('common', '1.2.3') })
    expect((await one.run()).error?.message).toContain("can't get a valid version for constraint '2.x'")
  })

  it('SRC-CHT-04 of a repository over HTTP is downloaded', async () => {
    await using server = await serverOf('1.0.0', '1.4.0', '2.0.0')
    await using one = await world()
    await one.gitRepository(shop([{ name: 'common', version: '1.x', repository: server.address }]))
    const { error } = await one.run()
    expect(error).toBeUndefined()
    expect(await dependenciesOf(one)).toEqual(['common 1.4.0'])
    expect(server.requests.map(({ path }) => path)).toEqual(['/index.yaml', '/common-1.4.0.tgz'])
  })

  it('SRC-CHT-04 of a repository that a HelmRepository describes is taken with its login and its index', async () => {
    const auth = { username: 'ann', password: 's3cret' }
    await using server = await startChartServer({ auth })
    server.publish('common', '1.0.0')
    await using one = await world()
    one.source.secrets.set('login', auth)
    await one.helmRepository(server, { secretRef: { name: 'login' } })
    await one.gitRepository(shop([{ name: 'common', version: '1.x', repository: server.address }]))
    const { error } = await one.run()
    expect(error).toBeUndefined()
    expect(await dependenciesOf(one)).toEqual(['common 1.0.0'])
    expect(server.requests.map(({ path }) => path)).toEqual(['/common-1.0.0.tgz'])
  })

  it('SRC-CHT-04 says which Secret of the HelmRepository is missing', async () => {
    await using server = await serverOf('1.0.0')
    await using one = await world()
    await one.helmRepository(server, { secretRef: { name: 'none' } })
    await one.gitRepository(shop([{ name: 'common', version: '1.x', repository: server.url }]))
    const { error } = await one.run()
    expect(error).toMatchObject({ reason: 'DependencyBuildError' })
    expect(error?.message).toContain(`failed to get chart repository for URL '${server.url}'`)
    expect(error?.message).toContain("'apps/none'")
  })

  it('SRC-CHT-04 of a registry is pulled', async () => {
    await using registry = await startRegistry({ login: 'basic' })
    const content = packChart(chartOf('common', '1.1.0'))
    await pushChart(registry, 'charts/common', { name: 'common', version: '1.1.0', content })
    await using one = await world()
    one.source.secrets.set('login', { username: 'deploy', password: 'let-me-in:7' })
    one.registry(registry.url('charts'), { insecure: true, secretRef: { name: 'login' } })
    await one.gitRepository(shop([{ name: 'common', version: '>=1.0.0', repository: registry.url('charts') }]))
    const { error } = await one.run()
    expect(error).toBeUndefined()
    expect(await dependenciesOf(one)).toEqual(['common 1.1.0'])
  })

  it('F-HRP-07 is as Chart.lock says', async () => {
    await using server = await serverOf('1.0.0', '1.4.0')
    await using one = await world()
    const lock = { generated: '2026-01-01T00:00:00Z', digest: 'sha256:0', dependencies: [] as object[] }
    lock.dependencies = [{ name: 'common', version: '1.0.0', repository: server.address }]
    const files = shop([{ name: 'common', version: '1.x', repository: server.address }])
    await one.gitRepository({ ...files, 'shop/Chart.lock': JSON.stringify(lock) })
    await one.run()
    expect(await dependenciesOf(one)).toEqual(['common 1.0.0'])
  })

  it('F-HRP-07 that Chart.lock does not know yet is not added, as with upstream', async () => {
    await using server = await serverOf('1.0.0')
    await using one = await world()
    const lock = { generated: '2026-01-01T00:00:00Z', digest: 'sha256:0', dependencies: [] }
    const files = shop([{ name: 'common', version: '1.x', repository: server.address }])
    await one.gitRepository({ ...files, 'shop/Chart.lock': JSON.stringify(lock) })
    expect((await one.run()).error).toBeUndefined()
    expect(await dependenciesOf(one)).toEqual([])
  })

  it('F-HRP-07 may come twice under two names', async () => {
    await using server = await serverOf('1.0.0')
    await using one = await world()
    const common = { name: 'common', version: '1.x', repository: server.address }
    await one.gitRepository(shop([common, { ...common, alias: 'second' }]))
    await one.run()
    expect(await dependenciesOf(one)).toEqual(['common 1.0.0', 'second 1.0.0'])
  })

  it('F-HRP-07 cannot get a name from Chart.lock that leads elsewhere', async () => {
    await using one = await world()
    const dependency = { name: 'common', version: '1.x', repository: 'file://../common' }
    const lock = { generated: '2026-01-01T00:00:00Z', digest: 'sha256:0', dependencies: [{ ...dependency, alias: '..' }] }
    const files = shop([dependency], { 'common/Chart.yaml': chartFile('common', '1.2.3') })
    await one.gitRepository({ ...files, 'shop/Chart.lock': JSON.stringify(lock) })
    expect((await one.run()).error).toMatchObject({ reason: 'ChartPackageError' })
    expect(one.status.artifact).toBeUndefined()
  })

  it('F-HRP-07 is added whatever its condition says, which stays in the chart', async () => {
    await using one = await world()
    const dependency = { name: 'common', version: '1.x', repository: 'file://../common', condition: 'common.enabled' }
    const files = shop([dependency], { 'common/Chart.yaml': chartFile('common', '1.2.3') })
    await one.gitRepository({ ...files, 'shop/values.yaml': 'common: {enabled: false}\n' })
    await one.run()
    expect(await dependenciesOf(one)).toEqual(['common 1.2.3'])
    expect((await one.chart()).metadata.dependencies).toMatchObject([{ condition: 'common.enabled' }])
  })

  it.each([
    ['@stable', 'aliased repository dependency is not supported: @stable'],
    ['ftp://127.0.0.1/', 'invalid dependency repository URL: ftp://127.0.0.1/'],
  ])('SRC-CHT-04 from %s is refused', async (repository, why) => {
    await using one = await world()
    await one.gitRepository(shop([{ name: 'common', version: '1.x', repository }]))
    const { error } = await one.run()
    expect(error?.message).toBe(`dependency build error: failed to add remote dependency 'common': ${why}`)
  })

  it('SRC-CHT-04 that no repository has is named with it', async () => {
    await using server = await serverOf('1.0.0')
    await using one = await world()
    await one.gitRepository(shop([{ name: 'common', version: '3.x', repository: server.address }]))
    expect((await one.run()).error?.message).toBe(
      `dependency build error: failed to add remote dependency 'common': failed to get chart 'common' version '3.x' from '${server.address}': no 'common' chart with version matching '3.x' found`,
    )
  })

  it('F-HRP-07 with another inside, fifty levels deep, is packed with all of them', async () => {
    await using one = await world()
    const files: Record<string, string> = shop([])
    for (let level = 1, path = 'shop'; level <= 50; level++) {
      path += `/charts/c${level}`
      files[`${path}/Chart.yaml`] = chartFile(`c${level}`, '1.0.0')
    }
    await one.gitRepository(files)
    expect((await one.run()).error).toBeUndefined()
    let [chart, depth] = [await one.chart(), 0]
    for (; chart.dependencies[0]; depth++) chart = chart.dependencies[0]
    expect(depth).toBe(50)
  })

  it('F-HRP-07 with another inside, a hundred levels deep, is refused', async () => {
    await using one = await world()
    const files: Record<string, string> = shop([])
    for (let level = 1, path = 'shop'; level <= 100; level++) {
      path += `/charts/c${level}`
      files[`${path}/Chart.yaml`] = chartFile(`c${level}`, '1.0.0')
    }
    await one.gitRepository(files)
    expect((await one.run()).error).toMatchObject({ reason: 'ChartPackageError' })
  })
})
