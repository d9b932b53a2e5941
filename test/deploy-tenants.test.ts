/** deploy/multi-tenant with deploy/tenant: the program with the rights of its account, and tenants that reach out. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KubeObject } from '../src/api/object.ts'
import { connect } from '../src/kube/connect.ts'
import { messageOf } from '../src/lib/errors.ts'
import { type Cluster, conditionOf, hasCondition, isReady, type Manifest, openCluster } from './cluster/harness.ts'
import { startChartServer } from './tools/chart-server.ts'
import { type ControlPlane, startControlPlane } from './tools/control-plane.ts'
import { objectsOf } from './tools/deploy.ts'
import { install, type Pod, type Pods } from './tools/installation.ts'
import type { Repository } from './tools/repository.ts'

const team = { namespace: 'team-a' }

let controlPlane: ControlPlane
let cluster: Cluster
let pods: Pods
let pod: Pod
let repository: Repository

beforeAll(async () => {
  // It fills the role "admin" with its rules.
  controlPlane = await startControlPlane({ controllerManager: true })
  cluster = await openCluster(controlPlane.kubeconfig, 'tenants', { whole: true })
  await cluster.until('clusterrole/admin', (role) => ((role as unknown as { rules?: unknown[] }).rules?.length ?? 0) > 0)
  pods = await install(cluster, controlPlane, 'multi-tenant')
  pod = pods.get('sluice-controller') as Pod
  repository = await cluster.repository('apps', { 'app/a.yaml': configMap('app') })
  await cluster.apply(...(await tenant()))
  await cluster.until('kustomization/apps', isReady(), team)
})
afterAll(async () => {
  await pods?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
  await controlPlane?.[Symbol.asyncDispose]()
})

/** The documented tenant, with the test's own Git server. */
async function tenant(): Promise<Manifest[]> {
  const objects = (await objectsOf('tenant')) as readonly (KubeObject & { spec?: object })[]
  const withUrl = objects.map((object) =>
    object.kind === 'GitRepository' ? { ...object, spec: { ...object.spec, url: cluster.git.url('apps') } } : object,
  )
  return withUrl as unknown as Manifest[]
}

function configMap(name: string, namespace?: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}${namespace === undefined ? '' : `, namespace: ${namespace}`}}\n`
}

/** A Kustomization in the tenant's namespace, of a folder of its repository. */
function kustomization(name: string, spec: Readonly<Record<string, unknown>> = {}): Manifest {
  const sourceRef = { kind: 'GitRepository', name: 'apps' }
  const made = cluster.kustomization(name, { sourceRef, path: `./${name}`, serviceAccountName: 'team-a', ...spec })
  return { ...made, metadata: { ...made.metadata, ...team } }
}

/** Commits a folder of that name to the tenant's repository, and makes a Kustomization of it. */
async function tryOut(name: string, manifest: string, spec: Readonly<Record<string, unknown>> = {}): Promise<void> {
  await repository.commit({ [`${name}/a.yaml`]: manifest }, name)
  await cluster.reconcile('gitrepository/apps', team)
  await cluster.apply(kustomization(name, spec))
}

describe('a tenant', () => {
  it('UC-23 KUS-RMT-03 has its objects applied in its own namespace, mended and pruned, with the rights of its account', async () => {
    await cluster.get('configmap/app', team)
    expect(pod.refused).toEqual([])
    await repository.commit({ 'app/a.yaml': configMap('other') }, 'another name')
    await cluster.reconcile('gitrepository/apps', team)
    await cluster.until('configmap/other', () => true, team)
    await cluster.untilGone('configmap/app', team)
    await cluster.kubectl('delete', 'configmap', 'other', '--namespace', team.namespace)
    await cluster.reconcile('kustomization/apps', team)
    await cluster.get('configmap/other', team)
  })

  it('UC-23 KUS-RMT-03 has its workloads waited for, with the rights of its account', async () => {
    const deployment = [
      'apiVersion: apps/v1',
      'kind: Deployment',
      'metadata: {name: web}',
      'spec:',
      '  replicas: 0',
      '  selector: {matchLabels: {app: web}}',
      '  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}',
    ].join('\n')
    await tryOut('workload', deployment, { wait: true, targetNamespace: 'team-a' })
    const ready = await cluster.until('kustomization/workload', isReady(), team)
    expect(conditionOf(ready, 'Healthy')).toMatchObject({ status: 'True' })
  })

  it.each([
    ['another namespace', 'elsewhere', configMap('stolen', 'default'), /ConfigMap\/default\/stolen .*cannot patch resource/],
    [
      'the namespace of Sluice',
      'system',
      configMap('stolen', 'flux-system'),
      /ConfigMap\/flux-system\/stolen .*cannot patch resource/,
    ],
    [
      'the whole cluster',
      'cluster',
      'apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: stolen}\nrules: []\n',
      /ClusterRole\/stolen .*cannot patch resource/,
    ],
    [
      'more rights than it has, in its own namespace',
      'more',
      [
        'apiVersion: rbac.authorization.k8s.io/v1',
        'kind: Role',
        'metadata: {name: more, namespace: team-a}',
        "rules: [{apiGroups: [''], resources: [nodes], verbs: [get]}]",
      ].join('\n'),
      /Role\/team-a\/more .*attempting to grant RBAC permissions not currently held/,
    ],
  ])('UC-23 SEC-01 is refused %s', async (_, name, manifest, message) => {
    await tryOut(name, manifest)
    const refused = await cluster.until(`kustomization/${name}`, hasCondition('Ready', 'False', 'ReconciliationFailed'), team)
    expect(conditionOf(refused, 'Ready')?.message).toMatch(message)
    // Nothing is left for it to clean up, which it could not.
    await cluster.kubectl('delete', 'kustomization', name, '--namespace', team.namespace, '--timeout=30s')
  })

  it('UC-23 SEC-01 has no rights at all where it names no account', async () => {
    await tryOut('nobody', configMap('nobody', 'team-a'), { serviceAccountName: undefined })
    const refused = await cluster.until('kustomization/nobody', hasCondition('Ready', 'False', 'ReconciliationFailed'), team)
    expect(conditionOf(refused, 'Ready')?.message).toContain(
      'cannot impersonate resource "serviceaccounts" in API group "" in the namespace "team-a"',
    )
    await expect(cluster.get('configmap/nobody', team)).rejects.toThrow('not found')
  })

  it('UC-23 SEC-01 cannot act as the account of those who run the cluster, nor as Sluice', async () => {
    for (const name of ['kustomize-controller', 'sluice']) {
      await cluster.kubectl('create', 'serviceaccount', name, '--namespace', 'team-a')
      await tryOut(`as-${name}`, configMap('stolen', 'default'), { serviceAccountName: name })
      await cluster.until(
        `kustomization/as-${name}`,
        hasCondition('Ready', 'False', 'ReconciliationFailed', 'cannot impersonate'),
        team,
      )
    }
    await expect(cluster.get('configmap/stolen', { namespace: 'default' })).rejects.toThrow('not found')
  })

  it('UC-23 SEC-02 SEC-03 may use no source of another namespace and no remote base', async () => {
    const sourceRef = { kind: 'GitRepository', name: 'platform', namespace: 'flux-system' }
    await cluster.apply(kustomization('borrowed', { sourceRef }))
    await cluster.until('kustomization/borrowed', hasCondition('Stalled', 'True', 'AccessDenied'), team)
    await repository.commit({ 'remote/kustomization.yaml': `resources: ['${cluster.git.url('apps')}//app']\n` }, 'remote')
    await cluster.reconcile('gitrepository/apps', team)
    await cluster.apply(kustomization('remote'))
    await cluster.until('kustomization/remote', hasCondition('Ready', 'False', 'BuildFailed', 'remote'), team)
  })
})

describe('a tenant with Helm', () => {
  it('UC-23 SEC-01 has its release installed in its own namespace, and is refused another one', async () => {
    await using charts = await startChartServer()
    const template = (namespace: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: released, namespace: ${namespace}}\n`
    charts.publish('own', '1.0.0', { 'templates/a.yaml': template('team-a') })
    charts.publish('stolen', '1.0.0', { 'templates/a.yaml': template('default') })
    const url = { url: charts.url, interval: '10m' }
    const source = {
      apiVersion: 'source.toolkit.fluxcd.io/v1',
      kind: 'HelmRepository',
      metadata: { name: 'charts', ...team },
      spec: url,
    }
    await cluster.apply(source, release('own', 'own'), release('stolen', 'stolen'), release('nobody', 'own', {}))
    await cluster.until('helmrelease/own', isReady(), team)
    await cluster.get('configmap/released', team)
    const stolen = await cluster.until('helmrelease/stolen', hasCondition('Ready', 'False', 'InstallFailed'), team)
    expect(conditionOf(stolen, 'Ready')?.message).toMatch(
      /team-a:team-a" cannot \w+ resource "configmaps" .* in the namespace "default"/,
    )
    await cluster.until('helmrelease/nobody', hasCondition('Ready', 'False', undefined, 'cannot impersonate'), team)
    await cluster.kubectl('delete', 'helmrelease', 'own', '--namespace', team.namespace, '--timeout=30s')
    await cluster.untilGone('configmap/released', team)
    expect(pod.refused).toEqual([])
  })
})

/** A HelmRelease in the tenant's namespace. */
function release(name: string, chart: string, identity: object = { serviceAccountName: 'team-a' }): Manifest {
  const sourceRef = { kind: 'HelmRepository', name: 'charts' }
  const spec = { interval: '10m', timeout: '30s', chart: { spec: { chart, sourceRef } }, ...identity }
  return { apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease', metadata: { name, ...team }, spec }
}

it.each([
  ['team-a', 'yes'],
  ['default', 'no'],
])('what an account may do in the namespace %s is told by kubectl, as docs/security.md says', async (namespace, answer) => {
  const { kubectl } = cluster
  const asked = kubectl('auth', 'can-i', 'create', 'configmaps', '-n', namespace, '--as=system:serviceaccount:team-a:team-a')
  expect((await asked.catch(messageOf)).trim()).toMatch(new RegExp(`(^|: )${answer}$`))
})

describe('those who run the cluster', () => {
  it('apply everything, and tenants too, by the account kustomize-controller of flux-system', async () => {
    const files = {
      'platform.yaml': 'apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: platform}\nrules: []\n',
    }
    await cluster.repository('platform', files)
    const inSystem = (manifest: Manifest): Manifest => ({
      ...manifest,
      metadata: { ...manifest.metadata, namespace: 'flux-system' },
    })
    await cluster.apply(
      inSystem(cluster.gitRepository('platform')),
      inSystem(cluster.kustomization('platform', { serviceAccountName: 'kustomize-controller' })),
      inSystem(cluster.kustomization('nameless', { sourceRef: { kind: 'GitRepository', name: 'platform' } })),
    )
    await cluster.until('kustomization/platform', isReady(), { namespace: 'flux-system' })
    expect((await cluster.get('clusterrole/platform')).metadata.name).toBe('platform')
    await cluster.until('kustomization/nameless', hasCondition('Ready', 'False', 'ReconciliationFailed', 'cannot impersonate'), {
      namespace: 'flux-system',
    })
  })
})

it('SEC-16 lets Sluice change the label of its leader on pods, and nothing else of them', async () => {
  const token = await cluster.kubectl('create', 'token', 'sluice', '--namespace', 'flux-system')
  // kubectl would read the pod first, which the account may not.
  await using client = await connect({ env: {}, kubeconfig: await controlPlane.kubeconfigFor(token.trim()) })
  const ref = { apiVersion: 'v1', kind: 'Pod', namespace: 'flux-system', name: 'sluice-controller-0' }
  const patch = (change: object) => client.mergePatch(ref, change, { fieldManager: 'test' })
  const image = [{ op: 'replace', path: '/spec/containers/0/image', value: 'other' }] as const
  await expect(client.jsonPatch(ref, image, { fieldManager: 'test' })).rejects.toThrow('and not what the pod runs')
  await expect(patch({ metadata: { labels: { app: 'kustomize-controller' } } })).rejects.toThrow('and nothing else')
  await expect(patch({ metadata: { labels: { app: null } } })).rejects.toThrow('and nothing else')
  await expect(patch({ metadata: { annotations: { a: 'b' } } })).rejects.toThrow('and nothing else')
  await patch({ metadata: { labels: { 'sluice.dev/leader': null } } })
  await patch({ metadata: { labels: { 'sluice.dev/leader': 'true' } } })
})

it('KUS-RMT-03 lets a tenant go whose account is gone, and says what stays', async () => {
  await tryOut('orphaned', configMap('orphaned', 'team-a'))
  await cluster.until('kustomization/orphaned', isReady(), team)
  await cluster.kubectl('delete', 'serviceaccount', 'team-a', '--namespace', 'team-a')
  await cluster.kubectl('delete', 'kustomization', 'orphaned', '--namespace', 'team-a', '--timeout=30s')
  await cluster.get('configmap/orphaned', team)
  await pod.sluice.untilLog(({ msg }) => msg === 'unable to prune objects: \nConfigMap/team-a/orphaned')
})
