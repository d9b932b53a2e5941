import { createHash } from 'node:crypto'
import { afterAll, describe, expect, it } from 'vitest'
import { packChart } from '../../src/lib/chart/index.ts'
import { chartOf, startChartServer } from '../tools/chart-server.ts'
import { ChartWorld } from './chart-world.ts'
import { closeThreads } from './world.ts'

afterAll(closeThreads)

type Files = Readonly<Record<string, string | Uint8Array>>

const sourceRef = { kind: 'GitRepository', name: 'files' } as const
const head = (name: string, version = '1.0.0', more = '') => `apiVersion: v2\nname: ${name}\nversion: ${version}\n${more}`

const shop: Files = {
  'charts/shop/Chart.yaml': head('shop'),
  'charts/shop/values.yaml': 'replicas: 1\n',
  'charts/shop/templates/web.yaml': 'kind: ConfigMap\n',
}

function world(chart: string, spec: Parameters<typeof ChartWorld.create>[0] = {}, args: readonly string[] = []) {
  return ChartWorld.create({ chart, sourceRef, ...spec }, { args })
}

describe('a HelmChart of a path in a GitRepository', () => {
  it('SRC-CHT-03 packs a folder', async () => {
    await using one = await world('./charts/shop')
    const commit = await one.gitRepository({ ...shop, 'README.md': 'not of the chart' })
    const { error, events } = await one.run()
    expect(error).toBeUndefined()
    expect(one.status.artifact).toMatchObject({ revision: '1.0.0', path: 'helmchart/apps/podinfo/shop-1.0.0.tgz' })
    expect(one.status).toMatchObject({ observedChartName: 'shop', observedSourceArtifactRevision: `main@sha1:${commit}` })
    expect((await one.chart()).raw.map(({ name }) => name)).toEqual(['Chart.yaml', 'values.yaml', 'templates/web.yaml'])
    expect(events).toEqual(["info ChartPackageSucceeded: packaged 'shop' chart with version '1.0.0'"])
    expect(one.source.condition('Ready')).toMatchObject({ status: 'True', reason: 'ChartPackageSucceeded' })
  })

  it('SRC-CHT-03 packs the same files to the same bytes', async () => {
    const digests = []
    for (const files of [shop, Object.fromEntries(Object.entries(shop).reverse())]) {
      await using one = await world('charts/shop')
      await one.gitRepository(files)
      await one.run()
      digests.push(one.status.artifact?.digest)
    }
    expect(digests[0]).toMatch(/^sha256:/)
    expect(digests[0]).toBe(digests[1])
  })

  it('SRC-CHT-03 leaves out what .helmignore names', async () => {
    await using one = await world('charts/shop')
    await one.gitRepository({ ...shop, 'charts/shop/.helmignore': 'secret*\n', 'charts/shop/secret.txt': 'x' })
    await one.run()
    expect((await one.chart()).raw.map(({ name }) => name)).not.toContain('secret.txt')
  })

  it('SRC-CHT-03 stores a package that is in the source as it is', async () => {
    const archive = packChart(chartOf('shop', '2.0.0'))
    await using one = await world('packages/shop.tgz')
    await one.gitRepository({ 'packages/shop.tgz': archive })
    const { events } = await one.run()
    expect(one.status.artifact?.digest).toBe(digestOf(archive))
    expect(events).toEqual(["info ChartPullSucceeded: pulled 'shop' chart with version '2.0.0'"])
  })

  it.each([
    ['charts/none', 'stat charts/none: no such file or directory'],
    ['charts', 'open Chart.yaml: no such file or directory'],
    ['/charts/shop', 'local chart reference path is expected to be relative'],
    ['', 'no path set for local chart reference'],
    ['../../../../etc/passwd', 'stat etc/passwd: no such file or directory'],
    ['charts/shop/values.yaml', 'gzip: invalid header'],
  ])('F-HRP-07 stalls for the path %j', async (chart, why) => {
    await using one = await world(chart)
    await one.gitRepository(shop)
    const { error } = await one.run()
    const message = `invalid chart reference: ${why}`
    expect(error).toMatchObject({ name: 'Stalled', reason: 'InvalidChartReference', message })
    expect(one.source.condition('FetchFailed')).toMatchObject({ reason: 'InvalidChartReference', message })
  })

  it('F-HRP-06 stalls for a Chart.yaml whose name leads elsewhere', async () => {
    for (const name of ['.', '..', 'a/b']) {
      await using one = await world('charts/shop')
      await one.gitRepository({ 'charts/shop/Chart.yaml': head(JSON.stringify(name)) })
      const { error } = await one.run()
      expect(error).toMatchObject({ name: 'Stalled', reason: 'InvalidChartReference' })
    }
  })

  it('SRC-CHT-08 F-HRP-04 refuses a file over the limit unless it is ignored', async () => {
    await using one = await world('charts/shop', {}, ['--helm-chart-file-max-size=2000'])
    const files = { ...shop, 'charts/shop/big.txt': 'x'.repeat(3_000) }
    await one.gitRepository(files)
    const { error } = await one.run()
    const message = 'chart package error: cannot load file big.txt as file size (3000) exceeds limit (2000)'
    expect(error).toMatchObject({ name: 'Retryable', reason: 'ChartPackageError', message })
    expect(one.source.condition('BuildFailed')).toMatchObject({ status: 'True', reason: 'ChartPackageError', message })
    await one.gitRepository({ ...files, 'charts/shop/.helmignore': 'big.txt\n' })
    expect((await one.run()).error).toBeUndefined()
    expect(one.source.condition('BuildFailed')).toBeUndefined()
  })

  it('SRC-CHT-08 F-HRP-04 refuses a package over the limit', async () => {
    const archive = packChart(chartOf('shop', '2.0.0'))
    await using one = await world('shop.tgz', {}, ['--helm-chart-max-size=100'])
    await one.gitRepository({ 'shop.tgz': archive })
    expect((await one.run()).error?.message).toBe("invalid chart reference: size of chart 'shop.tgz' exceeds '100' bytes limit")
  })
})

describe('reconcileStrategy', () => {
  it('SRC-CHT-06 ChartVersion makes nothing new of a commit that leaves the version', async () => {
    await using one = await world('charts/shop')
    await one.gitRepository(shop)
    await one.run()
    const before = one.status.artifact
    const commit = await one.gitRepository({ ...shop, 'charts/shop/values.yaml': 'replicas: 2\n' })
    const { events } = await one.run()
    expect(events).toEqual(["trace ArtifactUpToDate: artifact up-to-date with remote revision: '1.0.0'"])
    expect(one.status.artifact).toEqual(before)
    expect(one.status.observedSourceArtifactRevision).toBe(`main@sha1:${commit}`)
    await one.gitRepository({ ...shop, 'charts/shop/Chart.yaml': head('shop', '1.0.1') })
    expect((await one.run()).events).toEqual(["info ChartPackageSucceeded: packaged 'shop' chart with version '1.0.1'"])
  })

  it('SRC-CHT-06 SRC-CHT-07 F-HRP-08 Revision makes a version of each commit, whatever that touches', async () => {
    await using one = await world('charts/shop', { reconcileStrategy: 'Revision' })
    const first = await one.gitRepository(shop)
    await one.run()
    expect(one.status.artifact?.revision).toBe(`1.0.0+${first.slice(0, 12)}`)
    expect((await one.chart()).metadata.version).toBe(`1.0.0+${first.slice(0, 12)}`)
    const second = await one.gitRepository({ ...shop, 'elsewhere/file': 'x' })
    await one.run()
    expect(one.status.artifact).toMatchObject({
      revision: `1.0.0+${second.slice(0, 12)}`,
      path: `helmchart/apps/podinfo/shop-1.0.0+${second.slice(0, 12)}.tgz`,
    })
    const { events } = await one.run()
    expect(events[0]).toContain('trace ArtifactUpToDate')
  })

  it('SRC-CHT-07 Revision packs a package anew, and replaces what metadata it has', async () => {
    await using one = await world('shop.tgz', { reconcileStrategy: 'Revision' })
    const commit = await one.gitRepository({ 'shop.tgz': packChart(chartOf('shop', '2.0.0+old')) })
    const { events } = await one.run()
    const version = `2.0.0+${commit.slice(0, 12)}`
    expect(events).toEqual([`info ChartPackageSucceeded: packaged 'shop' chart with version '${version}'`])
    expect((await one.chart()).metadata.version).toBe(version)
  })
})

describe('valuesFiles', () => {
  const files: Files = {
    ...shop,
    'charts/shop/values.yaml': 'replicas: 1\nimage: {name: web, tag: "1"}\nlist: [1]\n',
    'production.yaml': 'image: {tag: "2"}\nlist: [2, 3]\n',
    'overrides/more.yaml': 'replicas: 5\nbig: 10000000\n',
  }

  it('SRC-CHT-05 SRC-CHT-07 are merged in their order, and make a version of the generation', async () => {
    const valuesFiles = ['charts/shop/values.yaml', './production.yaml', 'overrides/more.yaml']
    await using one = await world('charts/shop', { valuesFiles })
    await one.gitRepository(files)
    const { events } = await one.run()
    expect(events).toEqual([
      `info ChartPackageSucceeded: packaged 'shop' chart with version '1.0.0+1' and merged values files [${valuesFiles.join(' ')}]`,
    ])
    expect(await one.values()).toBe('big: 10000000\nimage:\n  name: web\n  tag: "2"\nlist:\n- 2\n- 3\nreplicas: 5\n')
    expect(one.status.observedValuesFiles).toBeUndefined()
    one.edit({ valuesFiles: ['production.yaml'] })
    await one.run()
    expect(one.status.artifact?.revision).toBe('1.0.0+2')
    expect(await one.values()).toBe('image:\n  tag: "2"\nlist:\n- 2\n- 3\n')
  })

  it('SRC-CHT-07 follow the commit in the version', async () => {
    await using one = await world('charts/shop', { valuesFiles: ['production.yaml'], reconcileStrategy: 'Revision' })
    const commit = await one.gitRepository(files)
    await one.run()
    expect(one.status.artifact?.revision).toBe(`1.0.0+${commit.slice(0, 12)}.1`)
  })

  it('SRC-CHT-05 stall where one is missing', async () => {
    await using one = await world('charts/shop', { valuesFiles: ['../none.yaml'] })
    await one.gitRepository(files)
    const { error } = await one.run()
    const message = "values files merge error: no values file found at path '/none.yaml' (reference '../none.yaml')"
    expect(error).toMatchObject({ name: 'Stalled', reason: 'ValuesFilesError', message })
    expect(one.source.condition('BuildFailed')).toMatchObject({ status: 'True', reason: 'ValuesFilesError', message })
  })

  it.each(['overrides', 'charts/shop/Chart.yaml/x'])('SRC-CHT-05 stall where %s is no file', async (path) => {
    await using one = await world('charts/shop', { valuesFiles: [path] })
    await one.gitRepository(files)
    expect((await one.run()).error).toMatchObject({ name: 'Stalled', reason: 'ValuesFilesError' })
  })

  it('SRC-CHT-05 may be missing where that is allowed, and those that were there are told', async () => {
    const valuesFiles = ['none.yaml', 'production.yaml']
    await using one = await world('charts/shop', { valuesFiles, ignoreMissingValuesFiles: true })
    await one.gitRepository(files)
    await one.run()
    expect(one.status.observedValuesFiles).toEqual(['production.yaml'])
    const { outcome } = await one.run()
    expect(outcome?.ready.message).toBe("packaged 'shop' chart with version '1.0.0+1' and merged values files [production.yaml]")
  })

  it.each([
    ['a: [', 'unmarshaling values from'],
    ['- a', 'cannot unmarshal array'],
  ])('SRC-CHT-05 stall where one holds %j', async (text, why) => {
    await using one = await world('charts/shop', { valuesFiles: ['bad.yaml'] })
    await one.gitRepository({ ...files, 'bad.yaml': text })
    const { error } = await one.run()
    expect(error).toMatchObject({ name: 'Stalled', reason: 'ValuesFilesError' })
    expect(error?.message).toContain(why)
  })

  it('SRC-CHT-05 of a chart in a repository are in the chart', async () => {
    await using server = await startChartServer()
    server.publish('shop', '1.0.0', { 'values.yaml': 'a: 1\nb: 1\n', 'ci/test.yaml': 'b: 2\nc: 2\n' })
    await using one = await ChartWorld.create({ valuesFiles: ['./values.yaml', 'ci/test.yaml'] })
    await one.helmRepository(server)
    const { events } = await one.run()
    expect(events).toEqual([
      "info ChartPackageSucceeded: packaged 'shop' chart with version '1.0.0+1' and merged values files [./values.yaml ci/test.yaml]",
    ])
    expect(await one.values()).toBe('a: 1\nb: 2\nc: 2\n')
    one.edit({ valuesFiles: ['none.yaml'] })
    expect((await one.run()).error?.message).toBe(
      "values files merge error: failed to merge chart values: no values file found at path 'none.yaml'",
    )
  })

  it('SRC-CHT-05 of values.yaml alone change nothing', async () => {
    await using server = await startChartServer()
    const { digest } = server.publish('shop', '1.0.0', { 'values.yaml': 'a: 1 # kept\n' })
    await using one = await ChartWorld.create({ valuesFiles: ['./values.yaml'] })
    await one.helmRepository(server)
    await one.run()
    expect(one.status.artifact).toMatchObject({ revision: '1.0.0', digest: `sha256:${digest}` })
  })
})

function digestOf(content: Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}
