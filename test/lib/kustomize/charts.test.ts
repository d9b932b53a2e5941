import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { Budget, chartEngine } from '../../../src/lib/chart/index.ts'
import { build, type ChartOptions } from '../../../src/lib/kustomize/index.ts'
import { memoryTree } from '../../../src/lib/tree.ts'

const engine = chartEngine(() => ({ now: () => 0, random: (length) => new Uint8Array(length), zone: 'UTC', budget: new Budget() }))
const charts: ChartOptions = { engine }

const chart: readonly (readonly [string, string])[] = [
  ['Chart.yaml', 'apiVersion: v2\nname: app\nversion: 0.1.0\n'],
  ['values.yaml', 'list: [a, b]\nm: {x: 1, z: 2}\n'],
  [
    'templates/cm.yaml',
    [
      'apiVersion: v1',
      'kind: ConfigMap',
      'metadata: {name: {{ .Release.Name }}-cm, namespace: {{ .Release.Namespace }}}',
      'data: {values: {{ toJson .Values | squote }}, kube: {{ .Capabilities.KubeVersion.Version }}}',
      '',
    ].join('\n'),
  ],
  ['templates/hook.yaml', 'apiVersion: batch/v1\nkind: Job\nmetadata: {name: hook, annotations: {"helm.sh/hook": pre-install}}\n'],
]

const local = chart.map(([path, text]) => [`charts/app/${path}`, text] as const)

function source(kustomization: string, files: readonly (readonly [string, string])[] = local) {
  return memoryTree([['kustomization.yaml', kustomization], ...files])
}

async function dataOf(kustomization: string, files: readonly (readonly [string, string])[] = local): Promise<unknown[]> {
  const { resources } = await build(source(kustomization, files), '', { charts })
  return resources.map(({ kind, metadata, data }) => ({ kind, metadata, data }))
}

const object = (values: object, { name = 'rel-cm', namespace = 'default', kube = 'v1.30.0' } = {}) => ({
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data: { values: JSON.stringify(values), kube },
})

describe('helmCharts', () => {
  const one = (fields: string) => `helmCharts:\n- {name: app, releaseName: rel, kubeVersion: 1.30.0, skipHooks: true${fields}}\n`

  it('render a chart of the source with its own values', async () => {
    expect(await dataOf(one(''))).toEqual([object({ list: ['a', 'b'], m: { x: 1, z: 2 } })])
  })

  it('let inline values win, or lose, or stand alone', async () => {
    const inline = ', valuesInline: {m: {x: 5, z: null, q: 1}, list: [c]}'
    expect(await dataOf(one(inline))).toEqual([object({ list: ['c'], m: { q: 1, x: 5, z: 2 } })])
    expect(await dataOf(one(`${inline}, valuesMerge: merge`))).toEqual([object({ list: ['a', 'b'], m: { q: 1, x: 1, z: 2 } })])
    expect(await dataOf(one(`${inline}, valuesMerge: replace`))).toEqual([object({ list: ['c'], m: { q: 1, x: 5 } })])
    await expect(dataOf(one(`${inline}, valuesMerge: both`))).rejects.toThrow('valuesMerge must be one of [merge override replace]')
  })

  it('take other values files, relative to the kustomization', async () => {
    const files = [...local, ['v/own.yaml', 'm: {x: 7}\n'], ['v/more.yaml', 'm: {z: 8}\n']] as const
    expect(await dataOf(one(', valuesFile: v/own.yaml, additionalValuesFiles: [v/more.yaml]'), files)).toEqual([
      object({ list: ['a', 'b'], m: { x: 7, z: 8 } }),
    ])
    await expect(dataOf(one(', additionalValuesFiles: [v/none.yaml]'))).rejects.toThrow(
      /could not load additionalValuesFile.*none\.yaml/s,
    )
  })

  it('pass the namespace of the kustomization to the release, and leave it to the chart then', async () => {
    const withNamespace = `namespace: forced\n${one('')}- {name: app, releaseName: two, namespace: own, kubeVersion: 1.30.0}\n`
    expect(await dataOf(withNamespace)).toEqual([
      object({ list: ['a', 'b'], m: { x: 1, z: 2 } }, { namespace: 'forced' }),
      object({ list: ['a', 'b'], m: { x: 1, z: 2 } }, { name: 'two-cm', namespace: 'own' }),
      { kind: 'Job', metadata: { name: 'hook', annotations: { 'helm.sh/hook': 'pre-install' } }, data: undefined },
    ])
  })

  it('come with the namespace of an overlay too, and are changed as other objects are', async () => {
    const files = local.map(([path, text]) => [`base/${path}`, text] as const)
    const overlay = 'namespace: forced\nnamePrefix: my-\nresources: [base]\n'
    const tree = memoryTree([['kustomization.yaml', overlay], ['base/kustomization.yaml', one('')], ...files])
    const { resources } = await build(tree, '', { charts })
    expect(resources[0]?.metadata).toEqual({ name: 'my-rel-cm', namespace: 'forced' })
  })

  it('look below chartHome', async () => {
    const files = chart.map(([path, text]) => [`vendor/app/${path}`, text] as const)
    expect(await dataOf(`helmGlobals: {chartHome: vendor}\n${one('')}`, files)).toHaveLength(1)
    await expect(dataOf(one(''), files)).rejects.toThrow("no repo specified for pull, no chart found at 'charts/app'")
    await expect(dataOf(`helmGlobals: {chartHome: ../..}\n${one('')}`)).rejects.toThrow('security')
  })

  it('work under their old name, and as a generator of their own', async () => {
    const old = 'helmChartInflationGenerator:\n- {chartName: app, releaseName: rel, chartHome: charts}\n'
    expect(await dataOf(old)).toHaveLength(2)
    const generator =
      'apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: g}\nname: app\nreleaseName: rel\nskipHooks: true\n'
    expect(await dataOf('generators: [g.yaml]\n', [...local, ['g.yaml', generator]])).toHaveLength(1)
  })

  it('note each file of the chart as read', async () => {
    const { filesRead } = await build(source(one('')), '', { charts })
    expect([...filesRead.keys()]).toEqual(expect.arrayContaining(['charts/app/Chart.yaml', 'charts/app/templates/cm.yaml']))
  })

  it('are pulled from a repository where the source does not have them', async () => {
    await using server = await chartServer()
    const files = `helmCharts:\n- {name: app, repo: "${server.url}", version: 0.1.0, releaseName: rel, kubeVersion: 1.30.0, skipHooks: true}\n`
    const { resources } = await build(source(files, []), '', {
      charts,
      remote: async (request) => {
        if (request.kind !== 'file') return undefined
        const answer = await fetch(request.url)
        return answer.ok ? new Uint8Array(await answer.arrayBuffer()) : undefined
      },
    })
    expect(resources[0]?.data).toEqual({ values: '{"list":["a","b"],"m":{"x":1,"z":2}}', kube: 'v1.30.0' })
    expect(server.requested).toEqual(['/index.yaml', '/app-0.1.0.tgz'])
  })

  it('say what is wrong with a chart, in words of Helm', async () => {
    const broken = [...local.slice(0, 1), ['charts/app/templates/x.yaml', '{{ fail "no luck" }}']] as const
    const noValues = ', valuesInline: {a: 1}, valuesMerge: replace'
    await expect(dataOf(one(noValues), broken)).rejects.toThrow(/unable to render chart 'app': .*no luck/s)
  })

  it('are refused where nothing is there to render them', async () => {
    await expect(build(source(one('')), '')).rejects.toThrow('helmCharts are not enabled here: use a HelmRelease')
  })
})

/** A chart repository over HTTP. */
async function chartServer() {
  const requested: string[] = []
  const archive = gzipSync(tar(chart.map(([path, text]) => [`app/${path}`, text])))
  const server = createServer((request, response) => {
    requested.push(request.url ?? '')
    if (request.url === '/index.yaml')
      return response.end(
        'apiVersion: v1\nentries:\n  app:\n  - {apiVersion: v2, name: app, version: 0.1.0, urls: [app-0.1.0.tgz]}\n',
      )
    return request.url === '/app-0.1.0.tgz' ? response.end(archive) : response.writeHead(404).end()
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requested,
    async [Symbol.asyncDispose]() {
      await new Promise((closed) => server.close(closed))
    },
  }
}

function tar(files: readonly (readonly [string, string])[]): Buffer {
  const blocks = files.flatMap(([path, text]) => {
    const content = Buffer.from(text)
    const header = Buffer.alloc(512)
    header.write(path, 0)
    header.write('0000644\0', 100)
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124)
    header.write('        0', 148)
    header.write('ustar\x0000', 257)
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    )
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}
