/** Workloads that do not become ready: what a cluster with nodes would say of them, and what a user is told. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type Cluster, conditionOf, hasCondition, isReady, openCluster } from './harness.ts'
import { condition, writeStatus } from './statuses.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'faults-health')
  await cluster.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } })
  await cluster.startSluice()
})

afterAll(() => cluster?.[Symbol.asyncDispose]())

/** A repository with these files, applied and waited for. */
async function sync(name: string, files: Record<string, string>, timeout: string) {
  const repository = await cluster.repository(name, files)
  const spec = { targetNamespace: cluster.namespace, wait: true, timeout, retryInterval: '1s' }
  await cluster.apply(cluster.gitRepository(name), cluster.kustomization(name, spec))
  await cluster.until(`kustomization/${name}`, hasCondition('Healthy', 'Unknown', 'Progressing', 'Running health checks'))
  return repository
}

const template = (app: string) =>
  `selector: {matchLabels: {app: ${app}}}, template: {metadata: {labels: {app: ${app}}}, spec: {containers: [{name: web, image: 'example.com/web:v1'}]}}`
const deployment = (name: string) => `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ${name}}\nspec: {${template(name)}}\n`
const job = (name: string) =>
  `apiVersion: batch/v1\nkind: Job\nmetadata: {name: ${name}}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}\n`
const statefulSet = (name: string) =>
  `apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: ${name}}\nspec: {replicas: 3, serviceName: ${name}, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 2}}, ${template(name)}}\n`
const daemonSet = (name: string) => `apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: ${name}}\nspec: {${template(name)}}\n`
const claim = (name: string) =>
  `apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: ${name}}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n`

/** A pod of a workload, with this status of its container. */
async function pod(app: string, state: object): Promise<void> {
  const spec = { containers: [{ name: 'web', image: 'example.com/web:v1' }] }
  await cluster.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: `${app}-1`, labels: { app } }, spec })
  const container = { name: 'web', image: '', imageID: '', ready: false, restartCount: 3, ...state }
  await writeStatus(cluster, `pod/${app}-1`, { phase: 'Pending', containerStatuses: [container] })
}

describe('a workload', () => {
  it('F-APP-13 that does not get ready is named at the timeout with what its pods say; what is ready is not', async () => {
    const { namespace } = cluster
    const crash = { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 40s restarting failed container' } }
    await pod('crash', { state: crash, lastState: { terminated: { exitCode: 137, reason: 'OOMKilled' } } })
    await pod('pull', {
      state: { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "example.com/web:v1"' } },
    })
    const files = {
      'crash.yaml': deployment('crash'),
      'pull.yaml': deployment('pull'),
      'staged.yaml': statefulSet('staged'),
      'agent.yaml': daemonSet('agent'),
      'tainted.yaml': daemonSet('tainted'),
      'disk.yaml': claim('disk'),
    }
    const repository = await sync('slow', files, '30s')
    const none = { observedGeneration: 1, replicas: 1, updatedReplicas: 1, unavailableReplicas: 1 }
    for (const name of ['crash', 'pull']) await writeStatus(cluster, `deployment/${name}`, none)
    // One of three has the new version, as the partition says; no node takes the agent but one that is not ready.
    const staged = {
      observedGeneration: 1,
      replicas: 3,
      readyReplicas: 3,
      currentReplicas: 2,
      updatedReplicas: 1,
      availableReplicas: 3,
    }
    await writeStatus(cluster, 'statefulset/staged', { ...staged, currentRevision: 'staged-a', updateRevision: 'staged-b' })
    const scheduled = { observedGeneration: 1, numberMisscheduled: 0 }
    const one = { desiredNumberScheduled: 1, currentNumberScheduled: 1, updatedNumberScheduled: 1, numberReady: 0 }
    await writeStatus(cluster, 'daemonset/agent', { ...scheduled, ...one, numberUnavailable: 1 })
    const nowhere = { desiredNumberScheduled: 0, currentNumberScheduled: 0, numberReady: 0 }
    await writeStatus(cluster, 'daemonset/tainted', { ...scheduled, ...nowhere })
    await writeStatus(cluster, 'pvc/disk', { phase: 'Pending' })

    const isFailed = hasCondition('Ready', 'False', 'HealthCheckFailed')
    const failed = await cluster.until('kustomization/slow', isFailed, { timeoutMs: 50_000 })
    const message = conditionOf(failed, 'Ready')?.message ?? ''
    expect(message).toMatch(/^health check failed after 3\d\S*s: timeout waiting for: \[/)
    for (const part of [
      `Deployment/${namespace}/crash status: 'InProgress'`,
      'pod crash-1: container web: CrashLoopBackOff, exit code 137 (OOMKilled), restarted 3 times',
      `Deployment/${namespace}/pull status: 'InProgress'`,
      'pod pull-1: container web: ImagePullBackOff: Back-off pulling image "example.com/web:v1"',
      `DaemonSet/${namespace}/agent status: 'InProgress'`,
      `PersistentVolumeClaim/${namespace}/disk status: 'InProgress'`,
    ])
      expect(message).toContain(part)
    for (const name of ['staged', 'tainted']) expect(message).not.toContain(`/${name} `)
    expect(failed.status?.lastAttemptedRevision).toContain(await repository.head())
    await cluster.kubectl('delete', 'kustomization/slow', '--wait=false')
  })

  it('F-APP-13 that has failed for good ends the wait at once, whatever else is under way', async () => {
    const files = { 'a.yaml': deployment('patient'), 'b.yaml': job('migrate') }
    await sync('early', files, '10m')
    const now = new Date().toISOString()
    const reason = 'BackoffLimitExceeded'
    await writeStatus(cluster, 'job/migrate', { startTime: now, failed: 1 })
    const conditions = ['FailureTarget', 'Failed'].map((type) =>
      condition(type, 'True', reason, 'Job has reached the specified backoff limit'),
    )
    await writeStatus(cluster, 'job/migrate', { conditions })
    const failed = await cluster.until('kustomization/early', hasCondition('Ready', 'False', 'HealthCheckFailed'), {
      timeoutMs: 10_000,
    })
    const message = conditionOf(failed, 'Ready')?.message
    expect(message).toContain(`failed early due to stalled resources: [Job/${cluster.namespace}/migrate status: 'Failed'`)
    expect(message).not.toContain('patient')
  })

  it('F-APP-13 whose roll-out exceeds its deadline fails at once, and is ready when it has rolled out after all', async () => {
    const repository = await sync('late', { 'a.yaml': deployment('late') }, '10m')
    const late = [condition('Progressing', 'False', 'ProgressDeadlineExceeded', 'ReplicaSet "late" has timed out progressing.')]
    const counts = { observedGeneration: 1, replicas: 1, updatedReplicas: 1 }
    await writeStatus(cluster, 'deployment/late', { ...counts, unavailableReplicas: 1, conditions: late })
    const text = `Deployment/${cluster.namespace}/late status: 'Failed'`
    await cluster.until('kustomization/late', hasCondition('Ready', 'False', 'HealthCheckFailed', text))
    const conditions = [
      condition('Available', 'True', 'MinimumReplicasAvailable'),
      condition('Progressing', 'True', 'NewReplicaSetAvailable'),
    ]
    await writeStatus(cluster, 'deployment/late', {
      ...counts,
      unavailableReplicas: 0,
      readyReplicas: 1,
      availableReplicas: 1,
      conditions,
    })
    await cluster.until('kustomization/late', isReady(await repository.head()))
  })
})
