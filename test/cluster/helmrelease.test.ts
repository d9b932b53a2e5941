/** HelmReleases as users have them, with the real helm beside them. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type ChartFiles, ChartServer, chartFolder, helm } from './charts.ts'
import { type Claim, type Cluster, conditionOf, hasCondition, isReady, type Live, openCluster, type Sluice } from './harness.ts'

let cluster: Cluster
let charts: ChartServer
let sluice: Sluice

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'helm')
  charts = await ChartServer.start(cluster)
  sluice = await cluster.startSluice({ flags: { controllers: 'helm', 'min-retry-delay': '50ms' } })
})
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await charts?.[Symbol.asyncDispose]()
})

const files: ChartFiles = {
  'values.yaml': 'text: hello\nbad: false\nweb: false\n',
  'templates/config.yaml': `apiVersion: v1
kind: ConfigMap
metadata: {name: '{{ .Release.Name }}'}
data:
  text: {{ .Values.text | quote }}
  version: {{ .Chart.Version | quote }}
  revision: '{{ .Release.Revision }}'
`,
  'templates/bad.yaml': `{{- if .Values.bad }}
apiVersion: v1
kind: Service
metadata: {name: '{{ .Release.Name }}-bad'}
spec: {ports: [{port: 0}]}
{{- end }}
`,
  'templates/web.yaml': `{{- if .Values.web }}
apiVersion: apps/v1
kind: Deployment
metadata: {name: '{{ .Release.Name }}'}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'registry.example.com/web:{{ .Values.text }}'}]}
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

/** A HelmRelease with its chart, installed. */
async function installed(name: string, spec: object = {}): Promise<Live> {
  await charts.publish(name, '1.0.0', files)
  await cluster.apply(release(name, spec))
  return cluster.until(`hr/${name}`, isReady())
}

const patch = (name: string, spec: object) => cluster.kubectl('patch', 'hr', name, '--type=merge', '-p', JSON.stringify({ spec }))

const data = async (name: string) => (await cluster.get(`configmap/${name}`)).data

interface Snapshot {
  readonly version: number
  readonly status: string
  readonly action?: string
}

const history = (hr: Live) =>
  ((hr.status?.history ?? []) as Snapshot[]).map(({ version, status, action }) => `v${version} ${status} ${action}`)

const revisions = async (name: string) => {
  const entries = JSON.parse(await helm(cluster, 'history', name, '-o', 'json')) as { revision: number; status: string }[]
  return entries.map(({ revision, status }) => `v${revision} ${status}`)
}

/** The condition Ready says this in the object's present generation. */
const ready = (status: 'True' | 'False' | 'Unknown', reason?: string): Claim => hasCondition('Ready', status, reason)

describe('a HelmRelease', () => {
  it('HLM-REL-03 HLM-REL-10 HLM-STA-02 HLM-STA-04 installs a release that helm reads as its own', async () => {
    const hr = await installed('first', { values: { text: 'from values' } })
    const { namespace } = cluster
    expect(conditionOf(hr, 'Ready')).toMatchObject({
      reason: 'InstallSucceeded',
      message: `Helm install succeeded for release ${namespace}/first.v1 with chart shop@1.0.0`,
    })
    expect(hr.status).toMatchObject({
      observedGeneration: 1,
      storageNamespace: namespace,
      lastAttemptedGeneration: 1,
      lastAttemptedRevision: '1.0.0',
      lastAttemptedReleaseAction: 'install',
      lastAttemptedConfigDigest: expect.stringMatching(/^sha256:/),
      inventory: { entries: [{ id: `${namespace}_first__ConfigMap`, v: 'v1' }] },
      history: [{ apiVersion: 'v2', appVersion: '7', chartName: 'shop', name: 'first', namespace }],
    })
    expect(await data('first')).toEqual({ text: 'from values', version: '1.0.0', revision: '1' })
    expect((await cluster.get('configmap/first')).metadata.labels).toMatchObject({
      'app.kubernetes.io/managed-by': 'Helm',
      'helm.toolkit.fluxcd.io/name': 'first',
      'helm.toolkit.fluxcd.io/namespace': namespace,
    })
    expect(await revisions('first')).toEqual(['v1 deployed'])
    expect(JSON.parse(await helm(cluster, 'get', 'values', 'first', '-o', 'json'))).toEqual({ text: 'from values' })
    expect(await cluster.events('hr/first')).toMatchObject([{ type: 'Normal', reason: 'InstallSucceeded' }])
  })

  it('asks nothing of the cluster but its history where nothing has changed', async () => {
    await installed('quiet')
    await cluster.reconcile('hr/quiet')
    const before = await sluice.metrics()
    await cluster.reconcile('hr/quiet')
    const after = await sluice.metrics()
    const sum = (labels?: Record<string, string>) =>
      after.sum('rest_client_requests_total', labels) - before.sum('rest_client_requests_total', labels)
    expect(sum({ method: 'PATCH' })).toBe(1)
    // The list of the release's Secrets, and what leader election, watches and Events may cost at the same time.
    expect(sum()).toBeLessThanOrEqual(4)
    expect(await revisions('quiet')).toEqual(['v1 deployed'])
  })

  it('HLM-VAL-01 HLM-VAL-04 is upgraded by its values and by its chart, as soon as either changes', async () => {
    await installed('upgraded')
    await patch('upgraded', { values: { text: 'second' } })
    const second = await cluster.until('hr/upgraded', isReady())
    expect(history(second)).toEqual(['v2 deployed upgrade', 'v1 superseded install'])
    await charts.publish('upgraded', '1.1.0', files)
    await cluster.until('hr/upgraded', (hr) => isReady()(hr) && hr.status?.lastAttemptedRevision === '1.1.0')
    expect(await data('upgraded')).toEqual({ text: 'second', version: '1.1.0', revision: '3' })
    expect(await revisions('upgraded')).toEqual(['v1 superseded', 'v2 superseded', 'v3 deployed'])
  })

  it('UC-12 HLM-REM-02 HLM-REM-05 rolls a bad upgrade back as often as it tries it, and says why', async () => {
    await installed('rolled', { upgrade: { remediation: { retries: 1 } } })
    await patch('rolled', { values: { bad: true } })
    const hr = await cluster.until('hr/rolled', hasCondition('Stalled', 'True', 'RetriesExceeded'))
    expect(conditionOf(hr, 'Stalled')?.message).toBe('Failed to upgrade after 2 attempt(s)')
    expect(conditionOf(hr, 'Ready')).toMatchObject({ status: 'False', reason: 'RollbackSucceeded' })
    expect(conditionOf(hr, 'Released')).toMatchObject({
      status: 'False',
      reason: 'UpgradeFailed',
      message: expect.stringContaining('spec.ports[0].port'),
    })
    expect(hr.status).toMatchObject({ upgradeFailures: 2 })
    expect(await revisions('rolled')).toEqual(['v1 superseded', 'v2 failed', 'v3 superseded', 'v4 failed', 'v5 deployed'])
    await patch('rolled', { values: { bad: false } })
    const mended = await cluster.until('hr/rolled', isReady())
    expect(mended.status).not.toHaveProperty('upgradeFailures')
    expect(conditionOf(mended, 'Remediated')).toBeUndefined()
  })

  it('HLM-UNI-01 is uninstalled when it is deleted, and left alone while it is suspended', async () => {
    await installed('deleted')
    await patch('deleted', { suspend: true, values: { text: 'not yet' } })
    await installed('deleted-not')
    expect(await data('deleted')).toMatchObject({ text: 'hello' })
    await patch('deleted', { suspend: false })
    await cluster.until('hr/deleted', isReady())
    expect(await data('deleted')).toMatchObject({ text: 'not yet' })
    await cluster.kubectl('delete', 'hr', 'deleted', '--timeout=30s')
    await cluster.untilGone('configmap/deleted')
    expect(await helm(cluster, 'list', '--short')).not.toMatch(/^deleted$/m)

    await patch('deleted-not', { suspend: true })
    await cluster.kubectl('delete', 'hr', 'deleted-not', '--timeout=30s')
    expect(await data('deleted-not')).toMatchObject({ text: 'hello' })
  })

  it('HLM-DEP-01 follows its dependency as soon as that is ready', async () => {
    await charts.publish('front', '1.0.0', files)
    await cluster.apply(release('front', { dependsOn: [{ name: 'back' }] }))
    await cluster.until('hr/front', ready('False', 'DependencyNotReady'))
    await installed('back')
    // Well before the 30 seconds after which it would look again.
    await cluster.until('hr/front', isReady(), { timeoutMs: 15_000 })
  })

  it('HLM-VAL-02 follows a labelled ConfigMap and Secret that it takes values from', async () => {
    const config = (text: string) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'input', labels: { 'reconcile.fluxcd.io/watch': 'Enabled' } },
      data: { 'values.yaml': `text: ${text}\n` },
    })
    await cluster.apply(config('one'))
    await installed('input-user', { valuesFrom: [{ kind: 'ConfigMap', name: 'input' }] })
    expect(await data('input-user')).toMatchObject({ text: 'one' })
    await cluster.apply(config('two'))
    await cluster.until('configmap/input-user', (live) => live.data?.text === 'two')
  })

  it('HLM-REL-06 F-HLM-16 takes over a release that helm has installed', async () => {
    await helm(cluster, 'install', 'adopted', await chartFolder('1.0.0', files), '--set', 'text=by hand')
    const { uid } = (await cluster.get('configmap/adopted')).metadata
    const hr = await installed('adopted')
    expect(history(hr)).toEqual(['v2 deployed upgrade'])
    expect(await data('adopted')).toMatchObject({ text: 'hello', revision: '2' })
    expect((await cluster.get('configmap/adopted')).metadata.uid).toBe(uid)
  })

  it('F-HLM-02 brings a release back that helm has rolled back', async () => {
    await installed('foreign', { values: { text: 'one' } })
    await patch('foreign', { values: { text: 'two' } })
    await cluster.until('hr/foreign', isReady())
    await helm(cluster, 'rollback', 'foreign', '1', '--force-conflicts')
    expect(await data('foreign')).toMatchObject({ text: 'one' })
    await cluster.reconcile('hr/foreign')
    expect(await data('foreign')).toMatchObject({ text: 'two' })
    expect(await revisions('foreign')).toEqual(['v1 superseded', 'v2 superseded', 'v3 superseded', 'v4 deployed'])
  })

  it('HLM-DRF-01 F-HLM-14 tells of drift, or corrects it', async () => {
    await installed('drifting', { driftDetection: { mode: 'warn' } })
    const edit = (text: string) =>
      cluster.kubectl('patch', 'configmap', 'drifting', '--type=merge', '-p', JSON.stringify({ data: { text } }))
    await edit('drifted')
    const warned = await cluster.reconcile('hr/drifting')
    const name = `ConfigMap/${cluster.namespace}/drifting`
    expect(conditionOf(warned, 'Drifted')).toMatchObject({
      status: 'True',
      reason: 'DriftDetected',
      message: `Cluster state of release ${cluster.namespace}/drifting.v1 has drifted from the desired state:\n${name} changed (0 additions, 1 changes, 0 removals)`,
    })
    expect(conditionOf(warned, 'Ready')?.status).toBe('True')
    expect(await data('drifting')).toMatchObject({ text: 'drifted' })
    await patch('drifting', { driftDetection: { mode: 'enabled' } })
    const corrected = await cluster.until('hr/drifting', hasCondition('Drifted', 'False', 'NoDriftDetected'))
    expect(conditionOf(corrected, 'Ready')?.status).toBe('True')
    expect(await data('drifting')).toMatchObject({ text: 'hello' })
    const messages = (await cluster.events('hr/drifting')).map(({ reason, message }) => `${reason}: ${message}`)
    expect(messages).toContainEqual(expect.stringMatching(/^DriftCorrected: .* configured$/s))
    expect(await revisions('drifting')).toEqual(['v1 deployed'])
  })

  it('HLM-REL-04 F-HLM-12 moves to another name by an uninstall and an install', async () => {
    await installed('mover')
    await patch('mover', { releaseName: 'moved' })
    const hr = await cluster.until('hr/mover', isReady())
    expect(history(hr)).toEqual(['v1 deployed install'])
    await cluster.untilGone('configmap/mover')
    expect(await data('moved')).toMatchObject({ text: 'hello' })
  })

  it('HLM-REL-01 HLM-REL-05 HLM-REL-07 releases into another namespace, and keeps as much history in a third as told', async () => {
    const [target, storage] = [`${cluster.namespace}-target`, `${cluster.namespace}-storage`]
    await cluster.kubectl('create', 'namespace', storage)
    await installed('elsewhere', {
      targetNamespace: target,
      storageNamespace: storage,
      releaseName: 'shop',
      maxHistory: 2,
      install: { createNamespace: true },
    })
    expect((await cluster.get('configmap/shop', { namespace: target })).data).toMatchObject({ text: 'hello' })
    for (const text of ['two', 'three']) {
      await patch('elsewhere', { values: { text } })
      await cluster.until('hr/elsewhere', isReady())
    }
    const names = (await cluster.list('secrets', { namespace: storage })).map(({ metadata }) => metadata.name)
    expect(names.filter((name) => name.startsWith('sh.helm.release'))).toEqual([
      'sh.helm.release.v1.shop.v2',
      'sh.helm.release.v1.shop.v3',
    ])
  })

  it('HLM-HLT-01 waits until an object is healthy by its expression, without holding others up', async () => {
    const expression = { apiVersion: 'v1', kind: 'ConfigMap', current: "has(data.healthy) && data.healthy == 'yes'" }
    await charts.publish('healthy', '1.0.0', files)
    await cluster.apply(release('healthy', { healthCheckExprs: [expression] }))
    const waiting = await cluster.until('hr/healthy', hasCondition('Ready', 'Unknown', 'Progressing'))
    expect(conditionOf(waiting, 'Ready')?.message).toBe("Running 'install' action with timeout of 5m0s")
    await installed('neighbour')
    await cluster.kubectl('patch', 'configmap', 'healthy', '--type=merge', '-p', '{"data": {"healthy": "yes"}}')
    await cluster.until('hr/healthy', isReady())
  })

  it('HLM-RMT-02 acts with the rights of its service account, and with no others', async () => {
    const verbs = ['get', 'list', 'watch', 'create', 'patch', 'update', 'delete']
    const rules = [{ apiGroups: [''], resources: ['secrets', 'configmaps'], verbs }]
    const rbac = 'rbac.authorization.k8s.io'
    await cluster.apply(
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'deployer' } },
      { apiVersion: `${rbac}/v1`, kind: 'Role', metadata: { name: 'deployer' }, rules },
    )
    await charts.publish('acting', '1.0.0', files)
    await cluster.apply(release('acting', { serviceAccountName: 'deployer' }))
    const account = `system:serviceaccount:${cluster.namespace}:deployer`
    const refused = await cluster.until('hr/acting', ready('False'))
    expect(conditionOf(refused, 'Ready')?.message).toContain(account)
    await cluster.apply({
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: { name: 'deployer' },
      roleRef: { apiGroup: rbac, kind: 'Role', name: 'deployer' },
      subjects: [{ kind: 'ServiceAccount', name: 'deployer', namespace: cluster.namespace }],
    })
    await cluster.until('hr/acting', isReady())
    await patch('acting', { values: { web: true } })
    const stopped = await cluster.until('hr/acting', ready('False', 'UpgradeFailed'))
    expect(conditionOf(stopped, 'Ready')?.message).toContain('deployments.apps')
  })

  it('ends its wait at once for a new spec', async () => {
    await charts.publish('impatient', '1.0.0', files)
    await cluster.apply(release('impatient', { values: { web: true } }))
    await cluster.until('hr/impatient', hasCondition('Reconciling', 'True', 'Progressing', "Running 'install' action"))
    await cluster.until('deployment/impatient', () => true)
    await patch('impatient', { values: { web: false } })
    const hr = await cluster.until('hr/impatient', isReady())
    expect(history(hr)[0]).toBe('v2 deployed upgrade')
    await cluster.untilGone('deployment/impatient')
  })

  it('HLM-CHT-01 HLM-CHT-03 makes a HelmChart of its template, and deletes it with itself', async () => {
    const chart = {
      metadata: { labels: { team: 'a' } },
      spec: { chart: 'shop', version: '1.x', sourceRef: { kind: 'HelmRepository', name: 'none' } },
    }
    await cluster.apply(release('templated', { chartRef: undefined, chart }))
    const name = `${cluster.namespace}-templated`
    const made = await cluster.until(`helmchart/${name}`, () => true)
    expect(made).toMatchObject({ metadata: { labels: { team: 'a' } }, spec: { version: '1.x', interval: '1h' } })
    await cluster.until('hr/templated', ready('False', 'SourceNotReady'))
    await cluster.kubectl('delete', 'hr', 'templated', '--timeout=30s')
    await cluster.untilGone(`helmchart/${name}`)
  })
})

/** What the controllers of a cluster with nodes would write of a Deployment that has rolled out. */
function rollOut(name: string): Promise<string> {
  const conditions = [
    { type: 'Available', status: 'True', reason: 'x', message: '' },
    { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable', message: '' },
  ]
  const counts = { replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, observedGeneration: 1 }
  const status = JSON.stringify({ status: { ...counts, conditions } })
  return cluster.kubectl('patch', 'deployment', name, '--subresource=status', '--type=merge', '-p', status)
}

describe('a HelmRelease whose process dies', () => {
  it('HLM-ACT-11 F-HLM-01 takes up an install that waited, without a hand', async () => {
    await charts.publish('killed', '1.0.0', files)
    await cluster.apply(release('killed', { values: { web: true } }))
    await cluster.until('hr/killed', hasCondition('Reconciling', 'True', 'Progressing', "Running 'install' action"))
    await cluster.until('deployment/killed', () => true)
    await sluice.kill9()
    expect(await revisions('killed')).toEqual(['v1 pending-install'])
    await rollOut('killed')
    await sluice.start()
    await cluster.until('hr/killed', isReady())
    expect(await revisions('killed')).toEqual(['v1 superseded', 'v2 deployed'])
  })

  it('HLM-ACT-11 F-HLM-01 takes up an upgrade that waited, and an uninstall', async () => {
    await installed('killed-later')
    await patch('killed-later', { values: { web: true } })
    await cluster.until('hr/killed-later', hasCondition('Reconciling', 'True', 'Progressing', "Running 'upgrade' action"))
    await cluster.until('deployment/killed-later', () => true)
    await sluice.kill9()
    expect(await revisions('killed-later')).toEqual(['v1 deployed', 'v2 pending-upgrade'])
    await rollOut('killed-later')
    await sluice.start()
    await cluster.until('hr/killed-later', isReady())
    expect((await revisions('killed-later')).at(-1)).toBe('v3 deployed')

    const finalizers = (names: readonly string[]) =>
      cluster.kubectl(
        'patch',
        'configmap',
        'killed-later',
        '--type=merge',
        '-p',
        JSON.stringify({ metadata: { finalizers: names } }),
      )
    await finalizers(['sluice.test/held'])
    await cluster.kubectl('delete', 'hr', 'killed-later', '--wait=false')
    await cluster.until('configmap/killed-later', ({ metadata }) => metadata.deletionTimestamp !== undefined)
    await sluice.kill9()
    await finalizers([])
    await sluice.start()
    await cluster.untilGone('hr/killed-later')
    const secrets = (await cluster.list('secrets')).map(({ metadata }) => metadata.name)
    expect(secrets.filter((name) => name.includes('killed-later'))).toEqual([])
  })
})
