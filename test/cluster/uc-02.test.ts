import { expect, it } from 'vitest'
import { startControlPlane } from '../tools/control-plane.ts'
import { installCrds } from '../tools/crds.ts'
import { type Cluster, fixtureFiles, isReady, type Live, openCluster } from './harness.ts'

/** As in the fixture, where the Kustomizations of the layers stand in Git. */
const fluxSystem = { namespace: 'flux-system' }

it('UC-02 gives two clusters each their own environment from the same commit', async () => {
  await using resources = new AsyncDisposableStack()
  const [staging, production] = await Promise.all([ownCluster(resources), ownCluster(resources)])
  const repository = await staging.repository('fleet', await fixtureFiles('scenarios/uc-02'))
  const url = staging.git.url('fleet')

  await Promise.all([pointAt(staging, url, './clusters/staging'), pointAt(production, url, './clusters/production')])
  const commit = await repository.head()
  for (const cluster of [staging, production]) await cluster.until('kustomization/apps', isReady(commit), fluxSystem)

  expect(await environmentOf(staging)).toEqual({
    replicas: 1,
    image: 'registry.example/web:2.0.0-beta.3',
    label: 'staging',
    quota: { hard: { pods: '5' } },
    budgets: [],
  })
  expect(await environmentOf(production)).toEqual({
    replicas: 4,
    image: 'mirror.example/web:1.9.1',
    label: 'production',
    quota: { hard: { pods: '50' } },
    budgets: ['web'],
  })
  for (const [cluster, other] of [
    [staging, 'production'],
    [production, 'staging'],
  ] as const) {
    const strangers = await cluster.kubectl(
      ...['get', 'namespaces,deployments,resourcequotas,poddisruptionbudgets', '--all-namespaces'],
      ...['-l', `environment=${other}`, '-o', 'name'],
    )
    expect(strangers).toBe('')
  }
})

/** A control plane of its own, with a Sluice that works on all of it. */
async function ownCluster(resources: AsyncDisposableStack): Promise<Cluster> {
  const controlPlane = resources.use(await startControlPlane({ log: () => {} }))
  await installCrds(controlPlane.kubectl)
  await controlPlane.kubectl('create', 'namespace', 'flux-system')
  const cluster = resources.use(await openCluster(controlPlane.kubeconfig, 'uc-02', { whole: true }))
  await cluster.startSluice()
  return cluster
}

async function pointAt(cluster: Cluster, url: string, path: string): Promise<void> {
  const source = cluster.gitRepository('fleet', { url })
  const root = cluster.kustomization('fleet', { path })
  await cluster.apply(
    { ...source, metadata: { ...source.metadata, ...fluxSystem } },
    { ...root, metadata: { ...root.metadata, ...fluxSystem } },
  )
}

async function environmentOf(cluster: Cluster): Promise<object> {
  const apps = { namespace: 'apps' }
  const web = await cluster.get('deployment/web', apps)
  const quota = await cluster.get('resourcequota/pods', apps)
  const budgets = await cluster.list('poddisruptionbudgets', apps)
  return {
    replicas: web.spec?.replicas,
    image: imageOf(web),
    label: web.metadata.labels?.environment,
    quota: quota.spec,
    budgets: budgets.map((budget) => budget.metadata.name),
  }
}

function imageOf(deployment: Live): string | undefined {
  const { template } = deployment.spec as { template: { spec: { containers: { image: string }[] } } }
  return template.spec.containers[0]?.image
}
