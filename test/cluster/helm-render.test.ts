/** Charts and values that cannot be rendered or released, and what of the world a template sees. */
import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Desired } from '../../src/helm/action.ts'
import { actions } from '../../src/helm/actions.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { archiveOf, type Entry } from '../tools/tar.ts'
import { configMap, type Files, failureOf, Stage, shop, told } from './helm-stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await Stage.open(inject('kubeconfig'), 'helm-render')
})
afterEach(() => stage.clear())
afterAll(() => stage?.[Symbol.asyncDispose]())

/** What an install of a chart fails with; nothing of it may be there afterwards. */
async function refused(files: Files, values = {}): Promise<string> {
  const { context, stored } = stage.scene('web')
  const error = await failureOf(actions.install(await stage.chart({ ...shop, ...files }, values), context))
  expect([stored, error.release, await stage.shownBy('web')]).toEqual([[], undefined, undefined])
  return error.message
}

describe('values', () => {
  const schema = JSON.stringify({ properties: { web: { properties: { replicas: { type: 'integer', minimum: 1 } } } } })

  it('F-HLM-05 HLM-ACT-01 HLM-ACT-02 that break the schema of the chart are named with their path, unless nobody looks', async () => {
    const files = { 'values.schema.json': schema }
    const said = await refused(files, { web: { replicas: 'two' } })
    expect(said).toContain("- at '/web/replicas': got string, want integer")
    const off = { disableSchemaValidation: true }
    const { context } = stage.scene('web', { install: off, upgrade: off })
    const chart = await stage.chart({ ...shop, ...files }, { web: { replicas: 0 } })
    expect((await actions.install(chart, context)).info.status).toBe('deployed')
    expect((await actions.upgrade(chart, context)).info.status).toBe('deployed')
  })
})

describe('templates', () => {
  it.each([
    ['a field of nothing', '{{ .Values.a.b }}', 'nil pointer evaluating interface {}.b'],
    ['a failure', '{{ fail "choose a colour" }}', 'choose a colour'],
    ['a value that is required', '{{ required "a colour is needed" .Values.colour }}', 'a colour is needed'],
    ['a function that is not there', '{{ nope }}', 'function "nope" not defined'],
    [
      'an inclusion without end',
      '{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}',
      'rendering template has a nested reference name: x',
    ],
  ])('F-HLM-06 are named with their line: %s', async (_what, text, why) => {
    const said = await refused({ 'templates/bad.yaml': `# first line\n${text}\n` })
    expect(said).toContain(why)
    expect(said).toMatch(/shop\/templates\/bad\.yaml:2/)
  })

  it.each([
    ['YAML that is none', 'kind: ConfigMap\n a: b: c', 'shop/templates/bad.yaml'],
    ['a kind that the cluster does not have', 'apiVersion: nope/v1\nkind: Nope\nmetadata: {name: x}', 'Nope'],
  ])('F-HLM-06 are refused by name: %s', async (_what, text, why) => {
    expect(await refused({ 'templates/bad.yaml': text })).toContain(why)
  })

  it('F-HLM-06 end when they run without end', async () => {
    const said = await refused({ 'templates/bad.yaml': '{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}' })
    expect(said).toContain('the template takes more steps than is allowed')
  })

  it('F-HLM-07 know whether they install or upgrade, and what the cluster can do', async () => {
    const text =
      '{{ .Release.IsInstall }} {{ .Release.IsUpgrade }} {{ .Capabilities.KubeVersion.Major }} {{ .Capabilities.APIVersions.Has "batch/v1/Job" }}'
    const chart = await stage.chart({ ...shop, 'templates/cm.yaml': configMap('web', `'${text}'`) })
    const { context } = stage.scene('web')
    await actions.install(chart, context)
    expect(await stage.shownBy('web')).toBe('true false 1 true')
    await actions.upgrade(chart, context)
    expect(await stage.shownBy('web')).toBe('false true 1 true')
  })

  const asking = { ...shop, 'templates/cm.yaml': configMap('web', `'<{{ getHostByName "db.example.com" }}>'`) }

  it('F-HLM-07 learn of a host only where that is allowed', async () => {
    const chart = await stage.chart(asking)
    await actions.install(chart, stage.scene('web').context)
    expect(await stage.shownBy('web')).toBe('<>')
    const asked: string[] = []
    const resolveHost = async (host: string) => {
      asked.push(host)
      return ['192.0.2.7']
    }
    await actions.upgrade(chart, stage.scene('web', {}, { resolveHost }).context)
    expect([await stage.shownBy('web'), asked]).toEqual(['<192.0.2.7>', ['db.example.com']])
    const error = await failureOf(actions.upgrade(chart, stage.scene('web', {}, { resolveHost: async () => [] }).context))
    expect(error.message).toContain('error calling getHostByName: invalid argument to Intn')
  })

  it('ask for no more than is reasonable', async () => {
    const loop = '{{ range $i := until 2000 }}{{ lookup "v1" "ConfigMap" "default" (toString $i) }}{{ end }}'
    expect(await refused({ 'templates/bad.yaml': loop })).toContain('look up more than 1000 objects')
  })
})

describe('a large chart', () => {
  it('F-HLM-08 of 2,000 objects and values of 1 MiB is released', { timeout: 120_000 }, async () => {
    const many = `{{ range $i := until 2000 }}\n---\n${configMap('many-{{ $i }}', '"{{ $i }}"')}{{ end }}`
    const { context, stored } = stage.scene('web', { timeout: '2m' })
    const chart = await stage.chart({ ...shop, 'templates/cm.yaml': many }, { note: 'x'.repeat(1024 * 1024) })
    await actions.install(chart, context)
    expect([await stage.shownBy('many-0'), await stage.shownBy('many-1999')]).toEqual(['0', '1999'])
    expect(told(stored).at(-1)).toBe('v1 deployed: Install complete')
    await actions.uninstall(context)
    expect(await stage.shownBy('many-1999')).toBeUndefined()
  })

  it('F-HLM-08 that fits into no Secret is named, and nothing of it applied', async () => {
    const said = await refused({ 'noise.txt': randomBytes(900_000).toString('base64') })
    expect(said).toMatch(/^release web\.v1 takes \d+ bytes compressed, but a Secret holds 1048576: /)
  })
})

describe('post-renderers', () => {
  const job =
    'apiVersion: batch/v1\nkind: Job\nmetadata: {name: work}\nspec:\n  suspend: true\n  template:\n    spec: {restartPolicy: Never, containers: [{name: main, image: "busybox:1"}, {name: side, image: nginx}]}\n'

  it('F-HLM-17 HLM-ACT-06 change images one after the other', async () => {
    const images = [
      { name: 'busybox', newName: 'registry.example.com/busybox', newTag: '2' },
      { name: 'nginx', digest: `sha256:${'0'.repeat(64)}` },
    ]
    const twice = [{ kustomize: { images } }, { kustomize: { images: [{ name: 'registry.example.com/busybox', newTag: '3' }] } }]
    const { context } = stage.scene('web', { install: { disableWait: true }, postRenderers: twice })
    await actions.install(await stage.chart({ ...shop, 'templates/job.yaml': job }), context)
    const { spec } = await stage.cluster.get('job/work')
    expect(JSON.stringify(spec)).toContain('"image":"registry.example.com/busybox:3"')
    expect(JSON.stringify(spec)).toContain(`"image":"nginx@sha256:${'0'.repeat(64)}"`)
  })

  it('F-HLM-17 HLM-ACT-06 say which patch finds nothing', async () => {
    const patch = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: nobody}\ndata: {v: x}\n'
    const { context, stored } = stage.scene('web', { postRenderers: [{ kustomize: { patches: [{ patch }] } }] })
    const error = await failureOf(actions.install(await stage.chart(shop), context))
    expect(error.message).toContain('nobody')
    expect([error.release, stored]).toEqual([undefined, []])
  })
})

describe('a package', () => {
  const chartYaml = 'apiVersion: v2\nname: shop\nversion: 1.0.0\n'
  const head: Entry = { path: 'shop/Chart.yaml', text: chartYaml }

  async function packageOf(entries: readonly Entry[]): Promise<Desired> {
    const archive = archiveOf(entries)
    const file = join(await temporaryDirectory('hostile'), 'shop.tgz')
    await writeFile(file, archive)
    const digest = `sha256:${createHash('sha256').update(archive).digest('hex')}`
    return { chart: { file, digest, metadata: { apiVersion: 'v2', name: 'shop', version: '1.0.0' } }, values: new Map() }
  }

  it.each<[string, readonly Entry[], RegExp]>([
    ['without Chart.yaml', [{ path: 'shop/values.yaml', text: 'a: 1\n' }], /no Chart\.yaml found/],
    ['with types that are wrong', [{ ...head, text: `${chartYaml}keywords: {a: 1}\n` }], /cannot load Chart\.yaml/],
    ['with a version that is none', [{ ...head, text: 'apiVersion: v2\nname: shop\nversion: nope\n' }], /"nope" is invalid/],
    ['that leaves its folder', [head, { path: 'shop/../../x', text: 'x' }], /chart illegally references parent directory/],
    [
      'of more than 100 MiB',
      [head, { path: 'shop/big', text: 'x'.repeat(101 * 1024 * 1024) }],
      /larger than the maximum size 104857600/,
    ],
    ['of nothing', [], /no files in chart archive/],
  ])('F-HLM-18 is refused by name: %s', async (_what, entries, why) => {
    const { context, stored } = stage.scene('web')
    const error = await failureOf(actions.install(await packageOf(entries), context))
    expect(error.message).toMatch(why)
    expect(stored).toEqual([])
  })

  it('F-HLM-18 gives nothing away by a symbolic link', async () => {
    const entries: Entry[] = [
      head,
      { path: 'shop/secret', link: '/etc/hostname' },
      { path: 'shop/templates/cm.yaml', text: configMap('web', `'<{{ .Files.Get "secret" }}>'`) },
    ]
    await actions.install(await packageOf(entries), stage.scene('web').context)
    expect(await stage.shownBy('web')).toBe('<>')
  })
})
