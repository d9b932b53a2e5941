/** Actions of Helm releases against a real cluster, and the real helm reading, changing and undoing what they wrote. */
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest'
import { actions } from '../../src/helm/actions.ts'
import type { Client } from '../../src/kube/client.ts'
import type { Cluster } from './harness.ts'
import { claim, configMap, failureDuring, failureOf, hookAnnotations, podHook, Stage, shop, told } from './helm-stage.ts'

let stage: Stage
let cluster: Cluster
let client: Client

beforeAll(async () => {
  stage = await Stage.open(inject('kubeconfig'), 'helm-actions')
  cluster = stage.cluster
  client = stage.client
})
afterEach(() => stage.clear())
afterAll(() => stage?.[Symbol.asyncDispose]())

it('HLM-REL-03 HLM-REL-10 installs a release that helm lists, reads and uninstalls', async () => {
  const { context, stored } = stage.scene('web')
  await actions.install(await stage.chart(shop), context)
  expect(told(stored)).toEqual(['v1 pending-install: Initial install underway', 'v1 deployed: Install complete'])
  expect(await stage.helmJson('list')).toMatchObject([
    { name: 'web', revision: '1', status: 'deployed', chart: 'shop-1.0.0', app_version: '7' },
  ])
  expect(await stage.helm('get', 'manifest', 'web')).toContain('# Source: shop/templates/cm.yaml')
  expect(await stage.helm('get', 'notes', 'web')).toContain('Hello web')
  const live = await cluster.get('configmap/web')
  expect(live.metadata.labels).toMatchObject({
    'app.kubernetes.io/managed-by': 'Helm',
    'helm.toolkit.fluxcd.io/name': 'web',
    'helm.toolkit.fluxcd.io/namespace': cluster.namespace,
  })
  expect(live.metadata.annotations).toMatchObject({
    'meta.helm.sh/release-name': 'web',
    'meta.helm.sh/release-namespace': cluster.namespace,
  })
  await stage.helm('uninstall', 'web')
  expect(await stage.shownBy('web')).toBeUndefined()
})

it('HLM-REL-06 upgrades a release that helm installed, deletes what the chart no longer has, and lets helm roll back', async () => {
  const first = await stage.chart({
    ...shop,
    'templates/old.yaml': configMap('old', 'x'),
    'templates/kept.yaml': configMap('kept', 'x', '  annotations:\n    helm.sh/resource-policy: keep\n'),
  })
  await stage.helm('install', 'web', first.folder)
  const { context, stored } = stage.scene('web')
  await actions.upgrade(await stage.chart(shop, { size: 2 }), context)
  expect(told(stored)).toEqual([
    'v2 pending-upgrade: Preparing upgrade',
    'v1 superseded: Install complete',
    'v2 deployed: Upgrade complete',
  ])
  expect([await stage.shownBy('web'), await stage.shownBy('old'), await stage.shownBy('kept')]).toEqual(['2 of 2', undefined, 'x'])
  expect(await stage.helmJson('history', 'web')).toMatchObject([
    { revision: 1, status: 'superseded' },
    { revision: 2, status: 'deployed', description: 'Upgrade complete' },
  ])
  await stage.helm('rollback', 'web', '1', '--force-conflicts')
  expect(await stage.shownBy('web')).toBe('1e+06 of 1')
  await client.delete({ apiVersion: 'v1', kind: 'ConfigMap', namespace: cluster.namespace, name: 'kept' })
})

it('HLM-REL-05 keeps as many revisions as maxHistory says, the deployed one among them', async () => {
  const { context } = stage.scene('web', { maxHistory: 2 })
  await actions.install(await stage.chart(shop), context)
  const next = await stage.chart(shop, { size: 2 })
  for (let round = 0; round < 3; round++) await actions.upgrade(next, context)
  const history = await context.storage.history('web')
  expect(history.map(({ version, info }) => [version, info.status])).toEqual([
    [4, 'deployed'],
    [3, 'superseded'],
  ])
})

it('records what the API server refuses as a failed revision, and rolls back from it', async () => {
  const { context, stored } = stage.scene('web')
  await actions.install(await stage.chart(shop), context)
  const broken = await stage.chart({
    ...shop,
    'templates/bad.yaml': 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: bad\ndata: {k: "not base64"}\n',
  })
  stored.length = 0
  const error = await failureOf(actions.upgrade(broken, context))
  expect(error.message).toContain('Secret/')
  expect(error.release).toMatchObject({ version: 2, info: { status: 'failed' } })
  expect(told(stored)[1]).toContain('v2 failed: Upgrade "web" failed: ')
  expect(await stage.helmJson('status', 'web')).toMatchObject({ version: 2, info: { status: 'failed' } })

  await actions.rollback(1, context)
  expect(await stage.helmJson('history', 'web')).toMatchObject([
    { revision: 1, status: 'superseded' },
    { revision: 2, status: 'failed' },
    { revision: 3, status: 'deployed', description: 'Rollback to 1' },
  ])
})

it('stores nothing when the chart cannot be rendered', async () => {
  const { context, stored } = stage.scene('web')
  const chart = await stage.chart({ ...shop, 'templates/fail.yaml': '{{ fail "choose a colour" }}' })
  const error = await failureOf(actions.install(chart, context))
  expect(error.message).toContain('choose a colour')
  expect(error.release).toBeUndefined()
  expect(stored).toEqual([])
})

it('HLM-ACT-10 HLM-ACT-01 uninstalls with its history, or keeps it, and installs over that with replace', async () => {
  const { context } = stage.scene('web', { uninstall: { keepHistory: true } })
  await actions.install(await stage.chart(shop), context)
  const last = await actions.uninstall(context)
  expect(last?.info).toMatchObject({ status: 'uninstalled', description: 'Uninstallation complete' })
  expect(await stage.shownBy('web')).toBeUndefined()
  expect(await stage.helmJson('history', 'web')).toMatchObject([{ revision: 1, status: 'uninstalled' }])

  expect((await failureOf(actions.install(await stage.chart(shop), context))).message).toContain('cannot reuse a name')
  const again = stage.scene('web', { install: { replace: true } }).context
  expect(await actions.install(await stage.chart(shop), again)).toMatchObject({ version: 2 })
  expect(await actions.uninstall(again)).toBeUndefined()
  expect(await stage.helmJson('list')).toEqual([])
  expect(await actions.uninstall(again)).toBeUndefined()
})

it('leaves objects alone that belong to another release', async () => {
  const { context } = stage.scene('web', { install: { disableTakeOwnership: true } })
  await cluster.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'web' }, data: { v: 'mine' } })
  const error = await failureOf(actions.install(await stage.chart(shop), context))
  expect(error.message).toContain('exists and cannot be imported into the current release: invalid ownership metadata')
  const owner = stage.scene('web').context
  await actions.install(await stage.chart(shop), owner)
  expect(await stage.shownBy('web')).toBe('1e+06 of 1')

  await cluster.kubectl('annotate', 'configmap/web', 'meta.helm.sh/release-name=other', '--overwrite')
  await actions.uninstall(owner)
  expect(await stage.shownBy('web')).toBe('1e+06 of 1')
  await cluster.kubectl('delete', 'configmap/web')
})

it('answers lookups that depend on each other', async () => {
  await cluster.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'pointer' }, data: { to: 'target' } })
  await cluster.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'target' }, data: { v: 'found' } })
  const text = `{{ $p := lookup "v1" "ConfigMap" .Release.Namespace "pointer" }}
{{ $t := lookup "v1" "ConfigMap" .Release.Namespace (required "no pointer" $p.data.to) }}
${configMap('looked', '{{ required "no target" $t.data.v }}')}`
  const has = '{{ .Capabilities.APIVersions.Has "apps/v1/Deployment" }} {{ .Capabilities.APIVersions.Has "nope/v1" }}'
  const chart = await stage.chart({ ...shop, 'templates/l.yaml': text, 'templates/c.yaml': configMap('able', `"${has}"`) })
  const { context } = stage.scene('web')
  await actions.install(chart, context)
  expect([await stage.shownBy('looked'), await stage.shownBy('able')]).toEqual(['found', 'true false'])
})

it('HLM-ACT-06 HLM-REL-09 post-renders, hooks too, and sets the common metadata', async () => {
  const patch = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\ndata:\n  v: patched\n'
  const { context } = stage.scene('web', {
    postRenderers: [{ kustomize: { patches: [{ patch }] } }],
    commonMetadata: { labels: { team: 'x' }, annotations: { note: 'y' } },
  })
  const hook = configMap('hooked', 'h', hookAnnotations('post-install'))
  await actions.install(await stage.chart({ ...shop, 'templates/hook.yaml': hook }), context)
  expect(await stage.shownBy('web')).toBe('patched')
  for (const name of ['web', 'hooked']) {
    const { metadata } = await cluster.get(`configmap/${name}`)
    expect(metadata.labels).toMatchObject({ team: 'x', 'helm.toolkit.fluxcd.io/name': 'web' })
    expect(metadata.annotations).toMatchObject({ note: 'y' })
  }
  expect(await stage.helm('get', 'manifest', 'web')).toContain('v: patched')
  await cluster.kubectl('delete', 'configmap/hooked')
})

it('runs hooks by weight and name, notes when, and deletes them as they say', async () => {
  const hook = (name: string, weight: number, policy: string) => {
    const more = `    helm.sh/hook-weight: "${weight}"\n    helm.sh/hook-delete-policy: ${policy}\n`
    return configMap(name, 'x', hookAnnotations('pre-install', more))
  }
  const chart = await stage.chart({
    ...shop,
    'templates/a.yaml': hook('late', 5, 'before-hook-creation'),
    'templates/b.yaml': hook('gone', -5, 'hook-succeeded'),
  })
  const { context, stored } = stage.scene('web')
  await actions.install(chart, context)
  const running = stored.flatMap(({ hooks }) => hooks.filter(({ lastRun }) => lastRun?.phase === 'Running').map(({ name }) => name))
  expect(running).toEqual(['gone', 'late'])
  expect(stored.at(-1)?.hooks.map(({ lastRun }) => lastRun?.phase)).toEqual(['Succeeded', 'Succeeded'])
  expect([await stage.shownBy('gone'), await stage.shownBy('late')]).toEqual([undefined, 'x'])
  await cluster.kubectl('delete', 'configmap/late')
})

it('waits for the pod of a hook, and says how it failed', async () => {
  const chart = await stage.chart({ ...shop, 'templates/job.yaml': podHook('migrate', 'pre-install') })
  const { context } = stage.scene('web')
  const error = await failureDuring(actions.install(chart, context), stage.endPod('migrate', 'Failed'))
  expect(error.message).toMatch(/^failed pre-install: .*Pod\/.*\/migrate container main: Error \(exit code 3\)/)
  expect(error.release?.info.status).toBe('failed')
  expect(error.release?.hooks[0]?.lastRun?.phase).toBe('Failed')
  expect(await stage.shownBy('web')).toBeUndefined()
  await cluster.kubectl('delete', 'pod/migrate', '--force')
})

it('HLM-ACT-08 runs the tests that the filters leave in', async () => {
  const tests = { 'templates/one.yaml': podHook('one', 'test'), 'templates/two.yaml': podHook('two', 'test') }
  const { context } = stage.scene('web', { test: { enable: true, filters: [{ name: 'two', exclude: true }] } })
  await actions.install(await stage.chart({ ...shop, ...tests }), context)
  const [tested] = await Promise.all([actions.test(context), stage.endPod('one', 'Succeeded')])
  expect(tested.hooks.map(({ name, lastRun }) => [name, lastRun?.phase])).toEqual([
    ['one', 'Succeeded'],
    ['two', undefined],
  ])
  expect(await stage.helm('status', 'web')).toContain('Phase:          Succeeded')
  await cluster.kubectl('delete', 'pod/one', '--force')
})

const definition = (group: string, extra = '') =>
  `apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: things.${group}\nspec:\n  group: ${group}\n  scope: Namespaced\n  names: {kind: Thing, plural: things, singular: thing}\n  versions:\n    - name: v1\n      served: true\n      storage: true\n${extra}      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}\n`

it('HLM-ACT-05 applies CRDs first, as the policy says, and never deletes them', async () => {
  const group = `${cluster.namespace}.example.com`
  const thing = `{{ if .Capabilities.APIVersions.Has "${group}/v1/Thing" }}\napiVersion: ${group}/v1\nkind: Thing\nmetadata: {name: t}\n{{ end }}`
  const files = (extra = '') => ({ ...shop, 'crds/thing.yaml': definition(group, extra), 'templates/thing.yaml': thing })
  const { context } = stage.scene('web')
  await actions.install(await stage.chart(files()), context)
  expect((await cluster.get(`things.${group}/t`)).metadata.name).toBe('t')

  const deprecated = await stage.chart(files('      deprecated: true\n'))
  const isDeprecated = async () => JSON.stringify(await cluster.get(`crd/things.${group}`)).includes('"deprecated":true')
  await actions.upgrade(deprecated, context)
  expect(await isDeprecated()).toBe(false)
  await actions.upgrade(deprecated, stage.scene('web', { upgrade: { crds: 'CreateReplace' } }).context)
  expect(await isDeprecated()).toBe(true)
  await actions.uninstall(context)
  const { metadata } = await cluster.get(`crd/things.${group}`)
  expect(metadata.labels).toMatchObject({ 'helm.toolkit.fluxcd.io/name': 'web' })
  await cluster.kubectl('delete', `crd/things.${group}`)
})

it('fails a release whose objects do not get ready in time', async () => {
  const { context } = stage.scene('web', { timeout: '1s' })
  const error = await failureOf(actions.install(await stage.chart({ ...shop, 'templates/pvc.yaml': claim }), context))
  expect(error.message).toMatch(/^timeout waiting for: \[PersistentVolumeClaim\/.*\/disk status: 'InProgress'/)
  expect(error.release?.info.description).toBe(`Release "web" failed: ${error.message}`)
  const unhurried = stage.scene('other', { install: { disableWait: true } }).context
  expect(await actions.install(await stage.chart({ ...shop, 'templates/pvc.yaml': claim }), unhurried)).toMatchObject({
    version: 1,
  })
})

it('takes over what the controller of a release wrote without server-side apply', async () => {
  const { context } = stage.scene('web')
  const chart = await stage.chart(shop)
  const { applyMethod: _, ...release } = await actions.install(chart, context)
  await context.storage.update(release)
  const served = stage.scene('web', { upgrade: { serverSideApply: 'enabled' } }).context
  const ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace: cluster.namespace, name: 'web' }
  await client.mergePatch(ref, { data: { former: 'x' } }, { fieldManager: 'helm-controller' })
  await actions.upgrade(chart, served)
  expect(await client.get(ref)).toMatchObject({ data: { v: '1e+06 of 2' } })
  expect((await client.get(ref)).data).not.toHaveProperty('former')
})

it('HLM-REL-07 F-HLM-12 creates the target namespace when it is told to', async () => {
  const targetNamespace = `${cluster.namespace}-target`
  const failing = stage.scene('web', { targetNamespace }).context
  expect((await failureOf(actions.install(await stage.chart(shop), failing))).message).toContain('not found')
  await actions.uninstall(failing)
  const { context } = stage.scene('web', { targetNamespace, install: { createNamespace: true } })
  await actions.install(await stage.chart(shop), context)
  expect((await cluster.get('configmap/web', { namespace: targetNamespace })).metadata.name).toBe('web')
  await actions.uninstall(context)
})

it('HLM-ACT-02 keeps the values of the release before where preserveValues says so', async () => {
  const colours = {
    ...shop,
    'values.yaml': 'size: 1\ncolour: red\n',
    'templates/cm.yaml': configMap('{{ .Release.Name }}', '{{ .Values.size }} {{ .Values.colour }}'),
  }
  const { context } = stage.scene('web', { upgrade: { preserveValues: true } })
  await actions.install(await stage.chart(colours, { size: '5' }), context)
  const later = await stage.chart({ ...colours, 'values.yaml': 'size: 9\ncolour: blue\n' }, {})
  await actions.upgrade(later, context)
  expect(await stage.shownBy('web')).toBe('5 red')
  await actions.upgrade(later, stage.scene('web').context)
  expect(await stage.shownBy('web')).toBe('9 blue')
})

it('HLM-ACT-02 deletes what a failed upgrade created where cleanupOnFail says so', async () => {
  const { context } = stage.scene('web', { upgrade: { cleanupOnFail: true } })
  await actions.install(await stage.chart(shop), context)
  const bad = 'apiVersion: v1\nkind: Service\nmetadata:\n  name: bad\nspec: {ports: []}\n'
  const broken = await stage.chart({ ...shop, 'templates/bad.yaml': bad, 'templates/new.yaml': configMap('fresh', 'x') })
  await failureOf(actions.upgrade(broken, context))
  expect([await stage.shownBy('fresh'), await stage.shownBy('web')]).toEqual([undefined, '1e+06 of 2'])
})

it('notes a release as failed whose wait is interrupted, and lets the interruption through', async () => {
  const interruption = new Error('something happened to the object')
  const parked = () => Promise.reject(interruption)
  const { context, stored } = stage.scene('web', {}, { parked })
  const error = await failureOf(actions.install(await stage.chart({ ...shop, 'templates/pvc.yaml': claim }), context))
  expect(error.cause).toBe(interruption)
  expect(stored.at(-1)?.info.status).toBe('failed')
})

it.each([
  ['combined', 'x', 'x'],
  ['separate', 'x', 'x'],
  ['nohooks', 'x', undefined],
] as const)('HLM-ACT-07 F-HLM-17 post-renders with the strategy %s', async (postRenderStrategy, ofObject, ofHook) => {
  const patch = '- op: add\n  path: /metadata/labels/team\n  value: x\n'
  const labelled = configMap('{{ .Release.Name }}', 'a').replace('\ndata:', '\n  labels: {}\ndata:')
  const hook = configMap('hooked', 'h', `  labels: {own: mine}\n${hookAnnotations('pre-install')}`)
  const { context } = stage.scene('web', {
    postRenderStrategy,
    postRenderers: [{ kustomize: { patches: [{ patch, target: { kind: 'ConfigMap' } }] } }],
  })
  await actions.install(await stage.chart({ ...shop, 'templates/cm.yaml': labelled, 'templates/hook.yaml': hook }), context)
  const teams = await Promise.all(
    ['web', 'hooked'].map(async (name) => (await cluster.get(`configmap/${name}`)).metadata.labels?.team),
  )
  expect(teams).toEqual([ofObject, ofHook])
  await cluster.kubectl('delete', 'configmap/hooked')
})

it('HLM-ACT-01 HLM-ACT-02 HLM-ACT-09 HLM-ACT-10 leaves hooks out where the action says so', async () => {
  const hooks = ['pre-install', 'post-upgrade', 'pre-rollback', 'post-delete']
  const files = Object.fromEntries(hooks.map((event) => [`templates/${event}.yaml`, configMap(event, 'x', hookAnnotations(event))]))
  const off = { disableHooks: true }
  const { context } = stage.scene('web', { install: off, upgrade: off, rollback: off, uninstall: off })
  const chart = await stage.chart({ ...shop, ...files })
  await actions.install(chart, context)
  await actions.upgrade(chart, context)
  await actions.rollback(1, context)
  await actions.uninstall(context)
  expect(await Promise.all(hooks.map((name) => stage.shownBy(name)))).toEqual([undefined, undefined, undefined, undefined])
  const on = stage.scene('web').context
  await actions.install(chart, on)
  await actions.upgrade(chart, on)
  await actions.rollback(1, on)
  await actions.uninstall(on)
  expect(await Promise.all(hooks.map((name) => stage.shownBy(name)))).toEqual(['x', 'x', 'x', 'x'])
  await cluster.kubectl('delete', 'configmap', ...hooks)
})

it('HLM-ACT-01 waits for Jobs to end, or only to begin', async () => {
  const job =
    'apiVersion: batch/v1\nkind: Job\nmetadata: {name: work}\nspec:\n  template:\n    spec: {restartPolicy: Never, containers: [{name: main, image: none}]}\n'
  const begin = async () => {
    await cluster.until('job/work', () => true)
    const ref = { apiVersion: 'batch/v1', kind: 'Job', namespace: cluster.namespace, name: 'work' }
    await client.mergePatch(
      ref,
      { status: { startTime: '2026-01-01T00:00:00Z', active: 1 } },
      { fieldManager: 'job', subresource: 'status' },
    )
  }
  const chart = await stage.chart({ ...shop, 'templates/job.yaml': job })
  const { context } = stage.scene('web', { install: { disableWaitForJobs: true } })
  const [installed] = await Promise.all([actions.install(chart, context), begin()])
  expect(installed.info.status).toBe('deployed')
  const patient = stage.scene('web', { timeout: '1s' }).context
  expect((await failureOf(actions.upgrade(chart, patient))).message).toMatch(/^timeout waiting for: \[Job\//)
})

it('does not wait for a Deployment that is paused', async () => {
  const deployment = (paused: boolean) =>
    `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec:\n  paused: ${paused}\n  selector: {matchLabels: {app: x}}\n  template: {metadata: {labels: {app: x}}, spec: {containers: [{name: main, image: none}]}}\n`
  const chart = (paused: boolean) => stage.chart({ ...shop, 'templates/app.yaml': deployment(paused) })
  const { context } = stage.scene('web', { timeout: '1s' })
  expect((await actions.install(await chart(true), context)).info.status).toBe('deployed')
  expect((await failureOf(actions.upgrade(await chart(false), context))).message).toContain('Deployment/')
})
