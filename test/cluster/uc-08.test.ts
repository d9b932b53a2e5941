import { expect, inject, it } from 'vitest'
import { type Cluster, conditionOf, hasCondition, isReady, openCluster } from './harness.ts'
import { condition, writeStatus } from './statuses.ts'

it('UC-08 runs a changed Job again that says so; of another it names the immutable field and the way out', async () => {
  await using cluster = await openCluster(inject('kubeconfig'), 'uc-08')
  await cluster.startSluice()
  const repository = await cluster.repository('jobs', {
    'migrate.yaml': job('migrate', 'v1', force),
    'report.yaml': job('report', 'v1'),
  })
  const spec = { targetNamespace: cluster.namespace, wait: true, timeout: '10m' }
  await cluster.apply(cluster.gitRepository('jobs'), cluster.kustomization('jobs', spec))
  const first = await finished(cluster, 'migrate')
  const report = await finished(cluster, 'report')
  await cluster.until('kustomization/jobs', isReady(await repository.head()))

  const migrated = await repository.commit({ 'migrate.yaml': job('migrate', 'v2', force) }, 'Migrate to v2')
  await cluster.reconcile('gitrepository/jobs')
  await cluster.until('job/migrate', ({ metadata }) => metadata.uid !== first)
  const again = await cluster.get('job/migrate')
  expect(imageOf(again)).toBe('registry.example.com/job:v2')
  expect(again.status).not.toHaveProperty('completionTime')
  await finished(cluster, 'migrate')
  await cluster.until('kustomization/jobs', isReady(migrated))

  await repository.commit({ 'report.yaml': job('report', 'v2') }, 'Report with v2')
  await cluster.reconcile('gitrepository/jobs')
  const refused = await cluster.until('kustomization/jobs', hasCondition('Ready', 'False', 'ReconciliationFailed'))
  const message = conditionOf(refused, 'Ready')?.message
  expect(message).toContain(`Job/${cluster.namespace}/report dry-run failed (Invalid)`)
  expect(message).toContain('spec.template cannot be changed in place')
  expect(message).toContain('kustomize.toolkit.fluxcd.io/force: enabled or set spec.force: true')
  expect((await cluster.get('job/report')).metadata.uid).toBe(report)

  // The way out that the message names.
  const out = await repository.commit({ 'report.yaml': job('report', 'v2', force) }, 'Report with v2 anew')
  await cluster.reconcile('gitrepository/jobs')
  await cluster.until('job/report', ({ metadata }) => metadata.uid !== report)
  await finished(cluster, 'report')
  await cluster.until('kustomization/jobs', isReady(out))
})

const force = 'annotations: {kustomize.toolkit.fluxcd.io/force: enabled}'

function job(name: string, tag: string, metadata = 'annotations: {}'): string {
  return `apiVersion: batch/v1
kind: Job
metadata: {name: ${name}, ${metadata}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: job, image: 'registry.example.com/job:${tag}'}]
`
}

/** Lets a Job finish as on a cluster with nodes; returns its uid. */
async function finished(cluster: Cluster, name: string): Promise<string> {
  const { metadata } = await cluster.until(`job/${name}`, ({ status }) => status?.completionTime === undefined)
  const now = new Date().toISOString()
  await writeStatus(cluster, `job/${name}`, { startTime: now })
  const conditions = [
    condition('SuccessCriteriaMet', 'True', 'CompletionsReached'),
    condition('Complete', 'True', 'CompletionsReached'),
  ]
  await writeStatus(cluster, `job/${name}`, { succeeded: 1, completionTime: now, conditions })
  return metadata.uid
}

function imageOf({ spec }: Awaited<ReturnType<Cluster['get']>>): unknown {
  const { template } = spec as { template: { spec: { containers: { image: string }[] } } }
  return template.spec.containers[0]?.image
}
