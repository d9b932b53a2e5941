/** HelmReleases under the flags and gates of the Helm loop, and with the rights of tenants. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { KubeObject } from '../../src/api/object.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { type ChartFiles, ChartServer, helm } from './charts.ts'
import { type Cluster, conditionOf, hasCondition, isReady, type Live, openCluster, type Sluice } from './harness.ts'

const files: ChartFiles = {
  'values.yaml': 'text: hello\nweb: false\n',
  'templates/config.yaml': `apiVersion: v1
kind: ConfigMap
metadata: {name: '{{ .Release.Name }}'}
data: {text: {{ .Values.text | quote }}, host: '{{ getHostByName "localhost" }}'}
`,
  'templates/web.yaml': `{{- if .Values.web }}
apiVersion: apps/v1
kind: Deployment
metadata: {name: '{{ .Release.Name }}'}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: none}]}
{{- end }}
`,
}

function release(name: string, spec: object = {}) {
  return {
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { name },
    spec: { chartRef: { kind: 'HelmChart', name }, interval: '1h', ...spec },
  }
}

/** One program with one set of flags, in a namespace of its own. */
async function open(name: string, flags: Record<string, string>) {
  const cluster = await openCluster(inject('kubeconfig'), name)
  const charts = await ChartServer.start(cluster)
  const sluice = await cluster.startSluice({ flags: { controllers: 'helm', 'min-retry-delay': '50ms', ...flags } })
  return { cluster, charts, sluice }
}

async function close({ cluster, charts }: { cluster?: Cluster; charts?: ChartServer }): Promise<void> {
  await cluster?.[Symbol.asyncDispose]()
  await charts?.[Symbol.asyncDispose]()
}

const ready = (live: Live) => conditionOf(live, 'Ready')

describe('a tenant', () => {
  let world: Awaited<ReturnType<typeof open>>
  beforeAll(async () => {
    world = await open('helm-tenant', { 'default-service-account': 'tenant' })
  })
  afterAll(() => close(world ?? {}))

  const rbac = 'rbac.authorization.k8s.io'
  const verbs = ['get', 'list', 'watch', 'create', 'patch', 'update', 'delete']
  const bound = (name: string) => [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: { name },
      roleRef: { apiGroup: rbac, kind: 'Role', name: 'tenant' },
      subjects: [{ kind: 'ServiceAccount', name, namespace: world.cluster.namespace }],
    },
  ]

  it('HLM-RMT-02 F-TEN-02 acts by default as the account that --default-service-account names', async () => {
    const { cluster, charts } = world
    const rules = [{ apiGroups: [''], resources: ['secrets', 'configmaps'], verbs }]
    await cluster.apply({ apiVersion: `${rbac}/v1`, kind: 'Role', metadata: { name: 'tenant' }, rules })
    await charts.publish('app', '1.0.0', files)
    await cluster.apply(release('app'))
    const refused = await cluster.until('hr/app', hasCondition('Ready', 'False'))
    expect(ready(refused)?.message).toContain(`system:serviceaccount:${cluster.namespace}:tenant`)
    await cluster.apply(...bound('tenant'))
    await cluster.until('hr/app', isReady())
    expect((await cluster.get('configmap/app')).data).toEqual({ text: 'hello', host: '' })
  })

  it('HLM-RMT-02 may name another account, and comes no further than that may', async () => {
    const { cluster, charts } = world
    const elsewhere = `${cluster.namespace}-elsewhere`
    await cluster.kubectl('create', 'namespace', elsewhere)
    await charts.publish('named', '1.0.0', files)
    await cluster.apply(...bound('other'), release('named', { serviceAccountName: 'other' }))
    await cluster.until('hr/named', isReady())
    for (const spec of [{ targetNamespace: elsewhere }, { storageNamespace: elsewhere }]) {
      const name = Object.keys(spec)[0]?.startsWith('target') ? 'target' : 'storage'
      await charts.publish(name, '1.0.0', files)
      await cluster.apply(release(name, { serviceAccountName: 'other', releaseName: `${name}-app`, ...spec }))
      const refused = await cluster.until(`hr/${name}`, hasCondition('Ready', 'False'))
      expect(ready(refused)?.message).toContain(`system:serviceaccount:${cluster.namespace}:other`)
      expect(ready(refused)?.message).toContain(`in the namespace "${elsewhere}"`)
    }
    const names = (await cluster.list('configmaps,secrets', { namespace: elsewhere })).map(({ metadata }) => metadata.name)
    expect(names.filter((name) => name.includes('app'))).toEqual([])
  })

  it('HLM-RMT-02 HLM-UNI-01 is uninstalled with those rights, and left behind when its account is gone', async () => {
    const { cluster } = world
    await cluster.kubectl('delete', 'hr', 'named', '--timeout=30s')
    await cluster.untilGone('configmap/named')
    await cluster.kubectl('delete', 'serviceaccount', 'tenant')
    await cluster.kubectl('delete', 'hr', 'app', '--timeout=30s')
    expect((await cluster.get('configmap/app')).data).toMatchObject({ text: 'hello' })
  })
})

describe('gates', () => {
  let world: Awaited<ReturnType<typeof open>>
  let usage: string
  const useMemory = (bytes: number) => writeFile(usage, `${bytes}\n`)
  beforeAll(async () => {
    const directory = await temporaryDirectory('cgroup')
    usage = join(directory, 'memory.current')
    await writeFile(join(directory, 'memory.max'), '1000\n')
    await useMemory(100)
    world = await open('helm-gates', {
      'feature-gates': 'UseHelm3Defaults=true,AllowDNSLookups=true,OOMWatch=true',
      'oom-watch-max-memory-path': join(directory, 'memory.max'),
      'oom-watch-current-memory-path': usage,
      'oom-watch-interval': '50ms',
      'override-manager': 'robot',
    })
  })
  afterAll(() => close(world ?? {}))

  const status = (name: string, object: object) =>
    world.cluster.kubectl(
      'patch',
      ...name.split('/'),
      '--subresource=status',
      '--type=merge',
      '-p',
      JSON.stringify({ status: object }),
    )

  it('HLM-ACT-03 HLM-ACT-04 UseHelm3Defaults: writes and waits as Helm 3 did', async () => {
    const { cluster, charts } = world
    await charts.publish('three', '1.0.0', files)
    await cluster.apply(release('three', { values: { web: true } }))
    const { metadata, spec } = await cluster.until('deployment/three', () => true)
    // For the poller that would not do: it asks for the conditions of the Deployment.
    await status('deployment/three', { observedGeneration: 1 })
    const { selector, template } = spec as { selector: object; template: object }
    const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'three', uid: metadata.uid ?? '' }
    await cluster.kubectl.apply([
      {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        metadata: { name: 'three-1', namespace: cluster.namespace, labels: { app: 'web' }, ownerReferences: [owner] },
        spec: { replicas: 1, selector, template },
      },
    ])
    await status('replicaset/three-1', { replicas: 1, readyReplicas: 1, observedGeneration: 1 })
    await cluster.until('hr/three', isReady())
    expect(JSON.parse(await helm(cluster, 'get', 'metadata', 'three', '-o', 'json'))).toMatchObject({ applyMethod: 'csa' })
    const { metadata: written } = await cluster.kubectl.json<KubeObject>('get', 'configmap/three', '--show-managed-fields')
    expect(written.managedFields?.map(({ manager, operation }) => `${manager} ${operation}`)).toEqual(['helm-controller Update'])
  })

  it('F-HLM-07 AllowDNSLookups: templates learn the address of a host', async () => {
    const { cluster, charts } = world
    await charts.publish('dns', '1.0.0', files)
    await cluster.apply(release('dns'))
    await cluster.until('hr/dns', isReady())
    expect((await cluster.get('configmap/dns')).data?.host).toMatch(/^(127\.0\.0\.1|::1)$/)
  })

  it('HLM-DRF-01 --override-manager: takes back what that manager has added', async () => {
    const { cluster, charts } = world
    await charts.publish('robbed', '1.0.0', files)
    const spec = { install: { serverSideApply: true }, driftDetection: { mode: 'enabled' } }
    await cluster.apply(release('robbed', spec))
    await cluster.until('hr/robbed', isReady())
    for (const manager of ['robot', 'somebody'])
      await cluster.kubectl('label', 'configmap/robbed', `${manager}=x`, '--field-manager', manager)
    await cluster.kubectl('patch', 'configmap/robbed', '--type=merge', '--field-manager=robot', '-p', '{"data": {"extra": "x"}}')
    await cluster.reconcile('hr/robbed')
    const { metadata, data } = await cluster.get('configmap/robbed')
    expect(data).not.toHaveProperty('extra')
    expect(metadata.labels).toMatchObject({ somebody: 'x' })
  })

  it('HLM-ACT-12 OOMWatch: stops before memory is used up, and goes on with the release afterwards', async () => {
    const { cluster, charts, sluice } = world
    await charts.publish('big', '1.0.0', files)
    await cluster.apply(release('big', { waitStrategy: { name: 'poller' }, values: { web: true } }))
    await cluster.until('hr/big', hasCondition('Reconciling', 'True', 'Progressing', "Running 'install' action"))
    await cluster.until('deployment/big', () => true)
    await useMemory(951)
    await sluice.untilLog(({ msg }) => msg === 'stopped')
    expect(await sluice.stop()).toBe(0)
    expect(sluice.logs).toContainEqual(expect.objectContaining({ msg: 'memory is nearly used up, shutting down' }))
    const history = JSON.parse(await helm(cluster, 'history', 'big', '-o', 'json')) as { status: string }[]
    expect(history.map(({ status: text }) => text)).toEqual(['failed'])
    await useMemory(100)
    await cluster.kubectl('patch', 'hr', 'big', '--type=merge', '-p', '{"spec": {"values": {"web": false}}}')
    await sluice.start()
    await cluster.until('hr/big', isReady())
  })
})

describe('a history that somebody has taken things out of', () => {
  let world: Awaited<ReturnType<typeof open>>
  let sluice: Sluice
  beforeAll(async () => {
    world = await open('helm-history', {})
    sluice = world.sluice
  })
  afterAll(() => close(world ?? {}))

  const revision = (name: string, version: number) => `secret/sh.helm.release.v1.${name}.v${version}`
  const revisions = async (name: string) =>
    (JSON.parse(await helm(world.cluster, 'history', name, '-o', 'json')) as { revision: number; status: string }[]).map(
      (entry) => `v${entry.revision} ${entry.status}`,
    )

  /** Revisions 1 and 2, and what the ConfigMap was born as. */
  async function released(name: string): Promise<string | undefined> {
    const { cluster, charts } = world
    await charts.publish(name, '1.0.0', files)
    await cluster.apply(release(name))
    await cluster.until(`hr/${name}`, isReady())
    await cluster.kubectl('patch', 'hr', name, '--type=merge', '-p', '{"spec": {"values": {"text": "two"}}}')
    await cluster.until(`hr/${name}`, isReady())
    return (await cluster.get(`configmap/${name}`)).metadata.uid
  }

  it('F-HLM-03 does not care for an older revision', async () => {
    await released('older')
    await world.cluster.kubectl('delete', revision('older', 1))
    await world.cluster.reconcile('hr/older')
    expect(await revisions('older')).toEqual(['v2 deployed'])
  })

  it('F-HLM-03 is released anew over the objects that are there when the newest revision is gone, and says so', async () => {
    const uid = await released('newest')
    await world.cluster.kubectl('delete', revision('newest', 2))
    const hr = await world.cluster.reconcile('hr/newest')
    expect(await revisions('newest')).toEqual(['v1 superseded', 'v2 deployed'])
    expect((await world.cluster.get('configmap/newest')).metadata.uid).toBe(uid)
    expect(ready(hr)).toMatchObject({ status: 'True', reason: 'UpgradeSucceeded' })
    expect(sluice.logs).toContainEqual(expect.objectContaining({ name: 'newest', state: 'Unmanaged', action: 'upgrade' }))
  })

  it('F-HLM-03 is installed anew over the objects that are there when all revisions are gone', async () => {
    const uid = await released('all')
    await world.cluster.kubectl('delete', revision('all', 1), revision('all', 2))
    const hr = await world.cluster.reconcile('hr/all')
    expect(await revisions('all')).toEqual(['v1 deployed'])
    expect((await world.cluster.get('configmap/all')).metadata.uid).toBe(uid)
    expect(ready(hr)).toMatchObject({ status: 'True', reason: 'InstallSucceeded' })
  })

  it('F-HLM-03 takes a revision without labels for none, as helm does', async () => {
    await released('unlabelled')
    await world.cluster.kubectl('label', revision('unlabelled', 2), 'owner-')
    await world.cluster.kubectl('delete', revision('unlabelled', 1))
    await world.cluster.reconcile('hr/unlabelled')
    expect(await revisions('unlabelled')).toEqual(['v1 deployed'])
    await world.cluster.kubectl('patch', 'hr', 'unlabelled', '--type=merge', '-p', '{"spec": {"values": {"text": "three"}}}')
    const stopped = await world.cluster.until('hr/unlabelled', hasCondition('Ready', 'False', 'UpgradeFailed'))
    expect(ready(stopped)?.message).toContain('"sh.helm.release.v1.unlabelled.v2" already exists')
  })

  it('F-HLM-03 goes on from the newest where several say that they are deployed', async () => {
    await released('several')
    await world.cluster.kubectl('label', revision('several', 1), 'status=deployed', '--overwrite')
    await world.cluster.kubectl('patch', 'hr', 'several', '--type=merge', '-p', '{"spec": {"values": {"text": "three"}}}')
    await world.cluster.until('hr/several', isReady())
    expect((await world.cluster.get('configmap/several')).data).toMatchObject({ text: 'three' })
    expect((await revisions('several')).at(-1)).toBe('v3 deployed')
  })
})
