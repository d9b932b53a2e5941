/** The story of a release that follows a range of versions, whatever repository the chart is in: UC-12 and UC-13. */
import { expect } from 'vitest'
import type { ChartContent } from '../tools/chart-server.ts'
import { run } from '../tools/processes.ts'
import { findTool } from '../tools/tools.ts'
import { watchObjects } from '../tools/watch.ts'
import { type Claim, type Cluster, conditionOf, hasCondition, isReady, type Manifest } from './harness.ts'

export interface Repository {
  /** The HelmRepository `stack` and what it needs. */
  readonly manifests: readonly Manifest[]
  publish(version: string, files: ChartContent): Promise<void>
  /** What a user does who does not want to wait for the interval. */
  announce(): Promise<void>
}

const files: ChartContent = {
  'values.yaml': 'replicas: 1\nretention: 1d\nalerts: false\n',
  'templates/config.yaml': `apiVersion: v1
kind: ConfigMap
metadata: {name: '{{ .Release.Name }}-config'}
data:
  version: {{ .Chart.Version | quote }}
  replicas: {{ .Values.replicas | quote }}
  retention: {{ .Values.retention | quote }}
  alerts: {{ .Values.alerts | quote }}
`,
  'templates/tests/ping.yaml': hookPod('ping', 'test'),
}

/** Its objects are there already when it fails. */
const badFiles: ChartContent = {
  ...files,
  'templates/extra.yaml': "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-extra'}\n",
  'templates/migrate.yaml': hookPod('migrate', 'post-upgrade'),
}

function hookPod(name: string, event: string): string {
  return `apiVersion: v1
kind: Pod
metadata:
  name: '{{ .Release.Name }}-${name}'
  annotations: {helm.sh/hook: ${event}}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  containers: [{name: main, image: registry.example.com/${name}:1}]
`
}

const retries = 3

/** Where the release goes: its history is there too, so that helm finds it. */
function targetOf({ namespace }: Cluster): string {
  return `${namespace}-target`
}

function release(cluster: Cluster): readonly Manifest[] {
  const valuesKey = 'overrides.yaml'
  const values: Manifest = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'stack-values', namespace: cluster.namespace },
    data: { [valuesKey]: 'retention: 30d\nreplicas: 2\n' },
  }
  const patch = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: stack-config}\ndata: {patched: "yes"}\n'
  const chart = { chart: 'stack', version: '>=50.0.0', sourceRef: { kind: 'HelmRepository', name: 'stack' } }
  const hr: Manifest = {
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { name: 'monitoring' },
    spec: {
      interval: '1h',
      chart: { metadata: { labels: { 'sluice.test/shard': cluster.namespace } }, spec: chart },
      releaseName: 'stack',
      targetNamespace: targetOf(cluster),
      storageNamespace: targetOf(cluster),
      install: { createNamespace: true, remediation: { retries } },
      upgrade: { cleanupOnFail: true, remediation: { retries, strategy: 'rollback' } },
      test: { enable: true },
      postRenderers: [{ kustomize: { patches: [{ patch }] } }],
      valuesFrom: [{ kind: 'ConfigMap', name: 'stack-values', valuesKey }],
      values: { alerts: true, replicas: 3 },
    },
  }
  return [values, hr]
}

const isAt =
  (version: string): Claim =>
  (hr) =>
    isReady()(hr) && hr.status?.lastAttemptedRevision === version

interface Entry {
  readonly revision: number
  readonly status: string
  readonly chart: string
  readonly description: string
}

/** From the first installation by way of an upgrade that fails to one by hand and one that is good. */
export async function followRange(cluster: Cluster, { manifests, publish, announce }: Repository): Promise<void> {
  const namespace = targetOf(cluster)
  const inTarget = { namespace }
  const helm = async (...args: string[]) =>
    run(await findTool('helm', () => {}), [...args, '--kubeconfig', cluster.kubeconfig, ...inNamespace(namespace)])
  const history = async (): Promise<Entry[]> => JSON.parse(await helm('history', 'stack', '-o', 'json'))
  const config = async () => (await cluster.get('configmap/stack-config', inTarget)).data
  const good = { replicas: '3', retention: '30d', alerts: 'true', patched: 'yes' }
  await using _pods = endPods(cluster, namespace)

  for (const version of ['49.9.0', '50.1.0', '50.0.0', '51.0.0-rc.1']) await publish(version, files)
  await cluster.apply(...manifests, ...release(cluster))
  const installed = await cluster.until('hr/monitoring', isAt('50.1.0'))
  expect(await config()).toEqual({ version: '50.1.0', ...good })
  expect(conditionOf(installed, 'TestSuccess')).toMatchObject({ status: 'True', reason: 'TestSucceeded' })
  const listed = JSON.parse(await helm('list', '-o', 'json'))
  expect(listed).toMatchObject([{ name: 'stack', namespace, revision: '1', status: 'deployed', chart: 'stack-50.1.0' }])

  await publish('50.2.0', badFiles)
  await announce()
  const stalled = await cluster.until('hr/monitoring', hasCondition('Stalled', 'True', 'RetriesExceeded'))
  expect(stalled.status).toMatchObject({ upgradeFailures: retries + 1, lastAttemptedRevision: '50.2.0' })
  expect(conditionOf(stalled, 'Stalled')?.message).toBe(`Failed to upgrade after ${retries + 1} attempt(s)`)
  expect(conditionOf(stalled, 'Remediated')).toMatchObject({ status: 'True', reason: 'RollbackSucceeded' })
  const told = (await cluster.events('hr/monitoring')).filter(({ reason }) => reason === 'UpgradeFailed')
  expect(told[0]?.message).toContain('stack-migrate')
  expect(told[0]?.message).toContain('exit code 3')
  expect(await config()).toEqual({ version: '50.1.0', ...good })
  await cluster.untilGone('configmap/stack-extra', inTarget)
  const rolledBack = await history()
  // Each try and each way back is a revision.
  const last = 1 + 2 * (retries + 1)
  const description = `Rollback to ${last - 2}`
  expect(rolledBack.at(-1)).toMatchObject({ revision: last, status: 'deployed', chart: 'stack-50.1.0', description })
  expect(rolledBack.filter(({ status }) => status === 'deployed')).toHaveLength(1)

  await suspend(cluster, true)
  await helm('rollback', 'stack', String(last - 2))
  expect((await history()).at(-1)).toMatchObject({ revision: last + 1, status: 'deployed', chart: 'stack-50.1.0', description })
  await suspend(cluster, false)

  await publish('50.2.1', files)
  await announce()
  await cluster.until('hr/monitoring', isAt('50.2.1'))
  expect(await config()).toEqual({ version: '50.2.1', ...good })
  expect((await history()).at(-1)).toMatchObject({ status: 'deployed', chart: 'stack-50.2.1' })
}

function inNamespace(namespace: string): string[] {
  return ['--namespace', namespace]
}

function suspend(cluster: Cluster, isSuspended: boolean): Promise<string> {
  return cluster.kubectl('patch', 'hr/monitoring', '--type=merge', '-p', JSON.stringify({ spec: { suspend: isSuspended } }))
}

/** What a kubelet would do: the pods of tests come to a good end, those of other hooks fail. */
function endPods({ kubeconfig, kubectl }: Cluster, namespace: string): AsyncDisposable {
  const stopping = new AbortController()
  const ending = (async () => {
    for await (const { type, object } of watchObjects('pods', { kubeconfig, namespace }, stopping.signal)) {
      if (type === 'DELETED' || object.status?.phase !== 'Pending') continue
      const { name, uid, annotations } = object.metadata
      const status = annotations?.['helm.sh/hook'] === 'test' ? { phase: 'Succeeded' } : failed
      const patch = JSON.stringify({ metadata: { uid }, status })
      const args = [name, ...inNamespace(namespace), '--subresource=status', '--type=merge', '-p', patch]
      // One that is gone meanwhile has another after it.
      await kubectl('patch', 'pod', ...args).catch(() => {})
    }
  })()
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await ending
    },
  }
}

const failed = {
  phase: 'Failed',
  containerStatuses: [
    {
      name: 'main',
      image: 'registry.example.com/migrate:1',
      imageID: '',
      ready: false,
      restartCount: 0,
      state: { terminated: { exitCode: 3, reason: 'Error' } },
    },
  ],
}
