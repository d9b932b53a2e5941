/** Hooks of releases: in which order they run, what becomes of them, and what is said of one that fails. */
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { actions } from '../../src/helm/actions.ts'
import { createAuthority } from '../tools/certificates.ts'
import { claim, configMap, failureDuring, failureOf, hookAnnotations, podHook, Stage, shop } from './helm-stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await Stage.open(inject('kubeconfig'), 'helm-hooks')
})
afterEach(() => stage.clear())
afterAll(() => stage?.[Symbol.asyncDispose]())

const policy = (value: string) => `    helm.sh/hook-delete-policy: ${value}\n`
const weight = (value: number) => `    helm.sh/hook-weight: "${value}"\n`
const hook = (name: string, event: string, more = '') => configMap(name, 'x', hookAnnotations(event, more))
const remove = (...refs: string[]) => stage.cluster.kubectl('delete', '--force', '--ignore-not-found', ...refs)

describe('hooks', () => {
  it('F-HLM-09 run by weight, then by name, and none after one that fails', async () => {
    const chart = await stage.chart({
      ...shop,
      'templates/1.yaml': hook('second', 'pre-install', weight(-1)),
      'templates/2.yaml': hook('first', 'pre-install', weight(-5)),
      'templates/3.yaml': hook('b', 'pre-install'),
      'templates/4.yaml': hook('a', 'pre-install'),
      'templates/5.yaml': podHook('fails', 'pre-install', weight(5)),
      'templates/6.yaml': hook('never', 'pre-install', weight(6)),
    })
    const { context, stored } = stage.scene('web')
    const error = await failureDuring(actions.install(chart, context), stage.endPod('fails', 'Failed'))
    expect(error.message).toMatch(/^failed pre-install: .*Pod\/.*\/fails/)
    const begun = stored.flatMap(({ hooks }) => hooks.filter(({ lastRun }) => lastRun?.phase === 'Running').map(({ name }) => name))
    expect(begun).toEqual(['first', 'second', 'a', 'b', 'fails'])
    expect(await stage.shownBy('never')).toBeUndefined()
    await remove('configmap/first', 'configmap/second', 'configmap/a', 'configmap/b', 'pod/fails')
  })

  it('F-HLM-09 are deleted before they are created, when they have succeeded or when they have failed, as they say', async () => {
    const chart = await stage.chart({
      ...shop,
      'templates/1.yaml': hook('kept', 'pre-upgrade'),
      'templates/2.yaml': hook('done', 'pre-upgrade', policy('hook-succeeded')),
      'templates/3.yaml': podHook('failed', 'pre-upgrade', `${weight(1)}${policy('before-hook-creation,hook-failed')}`),
      'templates/4.yaml': podHook('untouched', 'post-install', policy('hook-failed')),
    })
    const { context } = stage.scene('web')
    await Promise.all([actions.install(chart, context), stage.endPod('untouched', 'Succeeded')])
    const { uid } = (await stage.cluster.get('pod/untouched')).metadata
    await stage.cluster.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kept' }, data: { v: 'old' } } as never)
    const error = await failureDuring(actions.upgrade(chart, context), stage.endPod('failed', 'Failed'))
    expect(error.message).toContain('pre-upgrade hooks failed: ')
    await stage.cluster.untilGone('pod/failed')
    expect([await stage.shownBy('kept'), await stage.shownBy('done')]).toEqual(['x', undefined])
    expect((await stage.cluster.get('pod/untouched')).metadata.uid).toBe(uid)
    await remove('configmap/kept', 'pod/untouched')
  })

  it('F-HLM-09 that never end fail when their time is over', async () => {
    const chart = await stage.chart({ ...shop, 'templates/1.yaml': podHook('slow', 'post-install') })
    const { context } = stage.scene('web', { timeout: '1s' })
    const error = await failureOf(actions.install(chart, context))
    expect(error.message).toMatch(/^failed post-install: timeout waiting for: \[Pod\/.*\/slow status: 'InProgress'/)
    expect(error.release).toMatchObject({ info: { status: 'failed' }, hooks: [{ lastRun: { phase: 'Failed' } }] })
    await remove('pod/slow')
  })

  it('F-HLM-09 may stand in another namespace, and leave their CRDs there', async () => {
    const other = `${stage.cluster.namespace}-other`
    const group = `${stage.cluster.namespace}.example.com`
    await stage.cluster.kubectl('create', 'namespace', other)
    const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: hooks.${group}
${hookAnnotations('pre-install', policy('hook-succeeded,before-hook-creation'))}spec:
  group: ${group}
  scope: Namespaced
  names: {kind: Hook, plural: hooks, singular: hook}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`
    const chart = await stage.chart({
      ...shop,
      'templates/1.yaml': crd,
      'templates/2.yaml': hook('there', 'pre-install').replace('metadata:\n', `metadata:\n  namespace: ${other}\n`),
      // A kind that the hook before has brought.
      'templates/3.yaml': `apiVersion: ${group}/v1\nkind: Hook\nmetadata:\n  name: own\n${hookAnnotations('post-install')}`,
    })
    await actions.install(chart, stage.scene('web').context)
    expect((await stage.cluster.get('configmap/there', { namespace: other })).data).toEqual({ v: 'x' })
    expect((await stage.cluster.get(`hooks.${group}/own`)).metadata.name).toBe('own')
    await remove(`crd/hooks.${group}`)
  })

  it('HLM-REL-08 find the kinds that the release itself has brought, with a persistent client or without', async () => {
    const group = `late.${stage.cluster.namespace}.example.com`
    const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.${group}}
spec:
  group: ${group}
  scope: Namespaced
  names: {kind: Thing, plural: things, singular: thing}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`
    const thing = `apiVersion: ${group}/v1\nkind: Thing\nmetadata:\n  name: '{{ .Release.Name }}'\n${hookAnnotations('post-install,post-upgrade')}`
    const chart = await stage.chart({ ...shop, 'templates/crd.yaml': crd, 'templates/thing.yaml': thing })
    for (const persistentClient of [true, false]) {
      const { context } = stage.scene('web', { persistentClient })
      await actions.install(chart, context)
      expect((await stage.cluster.get(`things.${group}/web`)).metadata.name).toBe('web')
      await actions.uninstall(context)
      await stage.cluster.untilGone(`crd/things.${group}`)
    }
  })
})

describe('the pod of a hook that failed', () => {
  let kubelet: Server
  const asked: string[] = []

  /** As the API server asks a node. */
  beforeAll(async () => {
    const { key, cert } = await (await createAuthority()).server()
    kubelet = createServer({ key, cert }, (request, response) => {
      asked.push(request.url ?? '')
      const lines = Array.from({ length: 14 }, (_, index) => `line ${index + 1}`)
      response.end(
        [
          ...lines,
          'migrating with DB_PASSWORD=hunter2 {"token": "hunter2"} from postgres://me:hunter2@db/x',
          `${'x'.repeat(600)}`,
          '',
        ].join('\n'),
      )
    })
    await new Promise<void>((resolve) => kubelet.listen(0, '127.0.0.1', resolve))
    const { port } = kubelet.address() as AddressInfo
    const name = stage.cluster.namespace
    await stage.client.create({ apiVersion: 'v1', kind: 'Node', metadata: { name } }, { fieldManager: 'kubelet' })
    const status = {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    }
    await stage.client.mergePatch(
      { apiVersion: 'v1', kind: 'Node', name },
      { status },
      { fieldManager: 'kubelet', subresource: 'status' },
    )
  })
  afterAll(async () => {
    kubelet?.closeAllConnections()
    await new Promise((resolve) => kubelet?.close(resolve))
  })

  it('F-HLM-09 shows its exit code and the last lines of its log, without secrets', async () => {
    const onNode = podHook('migrate', 'pre-install').replace('spec:\n', `spec:\n  nodeName: ${stage.cluster.namespace}\n`)
    const chart = await stage.chart({ ...shop, 'templates/1.yaml': onNode })
    const { context } = stage.scene('web')
    const error = await failureDuring(actions.install(chart, context), stage.endPod('migrate', 'Failed'))
    const { namespace } = stage.cluster
    expect(error.message).toContain(`Pod/${namespace}/migrate container main: Error (exit code 3): `)
    const log = error.message.slice(error.message.indexOf('(exit code 3): ') + 15).split('\n')
    expect(log.slice(0, 2)).toEqual(['line 7', 'line 8'])
    expect(log.at(-2)).toBe('migrating with DB_PASSWORD=[redacted] {"token": [redacted]} from postgres://[redacted]@db/x')
    expect(log.at(-1)).toBe('x'.repeat(500))
    expect(asked[0]).toMatch(new RegExp(`^/containerLogs/${namespace}/migrate/main\\?.*tailLines=10`))
    await remove('pod/migrate')
  })
})

describe('tests of a release', () => {
  it('HLM-ACT-08 F-HLM-10 run by their filters, again where a pod is left over, and end at the first that fails', async () => {
    const files = Object.fromEntries(['one', 'two', 'three'].map((name) => [`templates/${name}.yaml`, podHook(name, 'test')]))
    const chart = await stage.chart({ ...shop, ...files })
    const only = (...names: string[]) => ({ test: { enable: true, filters: names.map((name) => ({ name })) } })
    const { context } = stage.scene('web', only('one'))
    await actions.install(chart, context)
    await Promise.all([actions.test(context), stage.endPod('one', 'Succeeded')])
    const { uid } = (await stage.cluster.get('pod/one')).metadata
    const again = async () => {
      await stage.cluster.until('pod/one', ({ metadata }) => metadata.uid !== uid)
      await stage.endPod('one', 'Succeeded')
      await stage.endPod('three', 'Failed')
    }
    const error = await failureDuring(actions.test(stage.scene('web', only('one', 'three', 'two')).context), again())
    expect(error.message).toContain('/three')
    expect(error.release?.hooks.map(({ name, lastRun }) => `${name} ${lastRun?.phase}`).toSorted()).toEqual([
      'one Succeeded',
      'three Failed',
      'two undefined',
    ])
    expect(error.release?.info.status).toBe('deployed')
    await remove('pod/one', 'pod/three')
  })

  it('HLM-ACT-08 end when their own time is over', async () => {
    const chart = await stage.chart({ ...shop, 'templates/one.yaml': podHook('slow', 'test') })
    const { context } = stage.scene('web', { test: { enable: true, timeout: '1s' } })
    await actions.install(chart, context)
    expect((await failureOf(actions.test(context))).message).toContain('timeout waiting for: [Pod/')
    await remove('pod/slow')
  })
})

describe('uninstalling', () => {
  it('HLM-ACT-10 deletes as the propagation says, and waits until all is gone', async () => {
    const { context } = stage.scene('web', { uninstall: { deletionPropagation: 'foreground', timeout: '1s' } })
    await actions.install(
      await stage.chart({ ...shop, 'templates/pvc.yaml': claim }),
      stage.scene('web', { install: { disableWait: true } }).context,
    )
    const error = await failureOf(actions.uninstall(context))
    // What protects a claim in use, nobody takes away here.
    expect(error.message).toMatch(
      /uninstallation completed with 1 error\(s\): timeout waiting for the termination of: \[PersistentVolumeClaim\//,
    )
    expect((await stage.cluster.get('persistentvolumeclaim/disk')).metadata.finalizers).toContain('foregroundDeletion')
    await stage.cluster.kubectl('patch', 'pvc', 'disk', '--type=merge', '-p', '{"metadata": {"finalizers": null}}')
  })

  it.each([
    ['background', undefined],
    ['orphan', 'orphan'],
  ] as const)('HLM-ACT-10 does not wait where it shall not, with the propagation %s', async (deletionPropagation, finalizer) => {
    const { context } = stage.scene('web', {
      install: { disableWait: true },
      uninstall: { deletionPropagation, disableWait: true },
    })
    const held = configMap('held', 'x', '  finalizers: [example.com/held]\n')
    await actions.install(await stage.chart({ ...shop, 'templates/held.yaml': held }), context)
    expect(await actions.uninstall(context)).toBeUndefined()
    const { metadata } = await stage.cluster.get('configmap/held')
    expect(metadata.deletionTimestamp).toBeDefined()
    expect(metadata.finalizers).toEqual(finalizer ? ['example.com/held', finalizer] : ['example.com/held'])
    await stage.cluster.kubectl('patch', 'configmap', 'held', '--type=merge', '-p', '{"metadata": {"finalizers": null}}')
  })
})
