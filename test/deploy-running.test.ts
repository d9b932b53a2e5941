/** Installations of deploy/ at work: their pods as processes, with the rights of their accounts. */
import { expect, it } from 'vitest'
import { type Cluster, isReady, type Manifest, openCluster } from './cluster/harness.ts'
import { startControlPlane } from './tools/control-plane.ts'
import type { Overlay } from './tools/deploy.ts'
import { install, type Pod } from './tools/installation.ts'

/** Each starts a control plane of its own. */
const timeout = 180_000

const clusterRole = (name: string) =>
  `apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: ${name}}\nrules: []\n`

async function installed(name: string, overlay: Overlay) {
  const resources = new AsyncDisposableStack()
  const controlPlane = resources.use(await startControlPlane())
  const cluster = resources.use(await openCluster(controlPlane.kubeconfig, name, { whole: true }))
  const pods = resources.use(await install(cluster, controlPlane, overlay))
  return { cluster, pods, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

/** A source and a Kustomization of one ClusterRole, all of one name. */
async function start(cluster: Cluster, name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
  await cluster.repository(name, { 'a.yaml': clusterRole(name) })
  const labelled = (manifest: Manifest): Manifest => ({ ...manifest, metadata: { ...manifest.metadata, labels } })
  await cluster.apply(labelled(cluster.gitRepository(name)), labelled(cluster.kustomization(name)))
}

function workedOn(pod: Pod | undefined): readonly (string | undefined)[] {
  const finished = pod?.sluice.logs.filter(({ msg }) => msg === 'reconciliation finished') ?? []
  return [...new Set(finished.map(({ name }) => name))].toSorted()
}

it('the default applies everything, and its pod is the one whose artifacts are asked for', { timeout }, async () => {
  await using run = await installed('default', 'default')
  const { cluster, pods } = run
  await start(cluster, 'app')
  await cluster.until('kustomization/app', isReady())
  expect((await cluster.get('clusterrole/app')).metadata.name).toBe('app')
  const pod = await cluster.until('pod/sluice-controller-0', ({ metadata }) => metadata.labels?.['sluice.dev/leader'] === 'true', {
    namespace: 'flux-system',
  })
  expect(pod.metadata.labels?.['app.kubernetes.io/name']).toBe('sluice')
  const source = await cluster.get('gitrepository/app')
  expect(source.status?.artifact?.url).toMatch(/^http:\/\/source-controller\.flux-system\.svc\.cluster\.local\.\/gitrepository\//)
  expect(pods.get('sluice-controller')?.refused).toEqual([])
  const leases = (await cluster.list('leases', { namespace: 'flux-system' })).map(({ metadata }) => metadata.name)
  expect(leases.toSorted()).toEqual(
    ['helm', 'kustomize', 'notification', 'source'].map((loop) => `${loop}-controller-leader-election`),
  )
})

it('API-18 of two pods one works, and the other is asked for artifacts as soon as it has gone', { timeout }, async () => {
  await using run = await installed('two-pods', 'ha')
  const { cluster, pods } = run
  const [first, second] = [pods.get('sluice-controller'), pods.get('sluice-controller-1')]
  const labelled = async (name: string, label: string | undefined) =>
    cluster.until(`pod/${name}`, ({ metadata }) => metadata.labels?.['sluice.dev/leader'] === label, { namespace: 'flux-system' })
  await start(cluster, 'before')
  await cluster.until('kustomization/before', isReady())
  await labelled('sluice-controller-0', 'true')
  await labelled('sluice-controller-1', undefined)
  expect(workedOn(second)).toEqual([])
  // As the kubelet does: the pod is gone with its process.
  expect(await first?.sluice.stop()).toBe(0)
  await cluster.kubectl('delete', 'pod', 'sluice-controller-0', '--namespace', 'flux-system', '--force', '--grace-period=0')
  await start(cluster, 'after')
  await cluster.until('kustomization/after', isReady())
  await labelled('sluice-controller-1', 'true')
  for (const pod of pods.values()) expect(pod.refused).toEqual([])
})

it('API-16 a shard works on the objects with its label, the first pod on all others, side by side', { timeout }, async () => {
  await using run = await installed('sharded', 'sharded')
  const { cluster, pods } = run
  await start(cluster, 'first')
  await start(cluster, 'sharded', { 'sharding.fluxcd.io/key': 'shard1' })
  await cluster.until('kustomization/first', isReady())
  await cluster.until('kustomization/sharded', isReady())
  const url = async (name: string) => (await cluster.get(`gitrepository/${name}`)).status?.artifact?.url
  expect(await url('first')).toMatch(/^http:\/\/source-controller\./)
  expect(await url('sharded')).toMatch(/^http:\/\/source-controller-shard1\./)
  expect(workedOn(pods.get('sluice-controller'))).toEqual(['first'])
  expect(workedOn(pods.get('sluice-controller-shard1'))).toEqual(['sharded'])
  for (const pod of pods.values()) expect(pod.refused).toEqual([])
})
