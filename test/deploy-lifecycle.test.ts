/** Coming from Flux and going back, uninstalling, and a cluster that is lost: what docs/install.md and docs/operations.md promise. */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../src/api/object.ts'
import { type Cluster, isReady, type Manifest, openCluster } from './cluster/harness.ts'
import { type ControlPlane, startControlPlane } from './tools/control-plane.ts'
import { folderOf, objectsOf } from './tools/deploy.ts'
import { install, type Pod, startPods } from './tools/installation.ts'
import { run } from './tools/processes.ts'
import { findTool } from './tools/tools.ts'

const repositoryFolder = join(import.meta.dirname, '..')
const system = { namespace: 'flux-system' }
const group = 'kustomize.toolkit.fluxcd.io'
/** Each starts a control plane or two of its own. */
const timeout = 180_000
const loops = ['source', 'kustomize', 'helm', 'notification']

interface Setting extends AsyncDisposable {
  readonly controlPlane: ControlPlane
  readonly cluster: Cluster
}

async function open(name: string, options: Parameters<typeof startControlPlane>[0] = {}): Promise<Setting> {
  const resources = new AsyncDisposableStack()
  const controlPlane = resources.use(await startControlPlane(options))
  const cluster = resources.use(await openCluster(controlPlane.kubeconfig, name, { whole: true }))
  return { controlPlane, cluster, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

/** Runs a code block of the documentation as a person would: in the work tree, with kubectl. */
async function runBlock(file: string, heading: string, { controlPlane }: Setting): Promise<void> {
  const text = await readFile(join(repositoryFolder, 'docs', file), 'utf8')
  const [, block = ''] = new RegExp(`^## ${heading}$[^]*?^\`\`\`sh\\n([^]*?)^\`\`\`$`, 'm').exec(text) ?? []
  expect(block).not.toBe('')
  const path = `${dirname(await findTool('kubectl'))}:${process.env.PATH}`
  const env = { ...process.env, PATH: path, KUBECONFIG: controlPlane.kubeconfig }
  await run('bash', ['-euo', 'pipefail', '-c', block], { cwd: repositoryFolder, env })
}

const configMap = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {a: b}\n`

describe('a cluster that Flux works on', () => {
  it('is taken over without a write to what is applied, once Flux is gone, and goes back to it in the same way', {
    timeout,
  }, async () => {
    await using setting = await open('migration')
    const { cluster, controlPlane } = setting
    await cluster.kubectl('apply', '--server-side', '--field-manager=flux', '-k', join(repositoryFolder, 'crds'))
    const repository = await cluster.repository('app', { 'a.yaml': configMap('app') })
    await leaveAsFlux(cluster, `main@sha1:${await repository.head()}`)
    const before = await cluster.get('configmap/app')
    const inventory = (await cluster.get('kustomization/app')).status?.inventory

    await cluster.kubectl('apply', '--server-side', '--force-conflicts', '-k', folderOf('.'))
    for (const service of (await objectsOf('.')).filter(({ kind }) => kind === 'Service'))
      expect(await selectorOf(cluster, service.metadata.name)).toEqual((service as Service).spec.selector)
    await using pods = await startPods(cluster, controlPlane, 'default')
    const { sluice } = pods.get('sluice-controller') as Pod
    for (const loop of loops) await sluice.untilLog(({ lease }) => lease === `flux-system/${loop}-controller-leader-election`)
    expect(sluice.logs.filter(({ msg }) => msg === 'starting workers' || msg === 'reconciliation finished')).toEqual([])

    for (const loop of loops) await setHolder(cluster, loop, '')
    await cluster.reconcile('gitrepository/app')
    const ready = await cluster.reconcile('kustomization/app')
    expect(isReady(`main@sha1:${await repository.head()}`)(ready)).toBe(true)
    expect(ready.status?.inventory).toEqual(inventory)
    expect((await cluster.get('configmap/app')).metadata).toEqual(before.metadata)

    expect(await sluice.stop()).toBe(0)
    for (const loop of loops) expect(await holderOf(cluster, loop)).toBe('')
    await cluster.kubectl('delete', 'deployment', 'sluice-controller', '--namespace', 'flux-system')
    await installFlux(cluster)
    expect(await selectorOf(cluster, 'source-controller')).toEqual({ app: 'source-controller' })
    const back = await cluster.get('kustomization/app')
    expect([back.metadata.finalizers, back.status?.inventory]).toEqual([['finalizers.fluxcd.io'], inventory])
    expect((await cluster.get('configmap/app')).metadata).toEqual(before.metadata)
  })
})

interface Service extends KubeObject {
  readonly spec: { readonly selector: Readonly<Record<string, string>> }
}

async function selectorOf(cluster: Cluster, name: string): Promise<object> {
  return (await cluster.kubectl.json<Service>('get', 'service', name, '--namespace', 'flux-system')).spec.selector
}

/** A source, what a Kustomization has applied of it, and what its status says, as Flux 2.9 writes them; it holds its leases. */
async function leaveAsFlux(cluster: Cluster, revision: string): Promise<void> {
  await installFlux(cluster)
  for (const loop of loops) await setHolder(cluster, loop, `${loop}-controller-0_8d1a`)
  const applied = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: 'app',
      namespace: cluster.namespace,
      labels: { [`${group}/name`]: 'app', [`${group}/namespace`]: cluster.namespace },
    },
    data: { a: 'b' },
  }
  await write(cluster, [applied], '--field-manager=kustomize-controller')
  const owned = cluster.kustomization('app', { targetNamespace: cluster.namespace })
  await cluster.apply(cluster.gitRepository('app'), {
    ...owned,
    metadata: { ...owned.metadata, finalizers: ['finalizers.fluxcd.io'] } as Manifest['metadata'],
  })
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: 'ReconciliationSucceeded',
    message: `Applied revision: ${revision}`,
    lastTransitionTime: '2026-01-01T00:00:00Z',
    observedGeneration: 1,
  }
  const status = {
    observedGeneration: 1,
    conditions: [ready],
    inventory: { entries: [{ id: `${cluster.namespace}_app__ConfigMap`, v: 'v1' }] },
    lastAppliedRevision: revision,
    lastAttemptedRevision: revision,
  }
  const how = ['--subresource=status', '--type=merge', '--field-manager=gotk-kustomize-controller']
  await cluster.kubectl('patch', 'kustomization', 'app', ...how, '-p', JSON.stringify({ status }))
}

/** The Services of Flux, which have the names of ours. */
async function installFlux(cluster: Cluster): Promise<void> {
  const service = (name: string, app: string, targetPort: string) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, ...system },
    spec: { selector: { app }, ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort }] },
  })
  const services = [
    service('source-controller', 'source-controller', 'http'),
    service('notification-controller', 'notification-controller', 'http'),
    service('webhook-receiver', 'notification-controller', 'http-webhook'),
  ]
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'flux-system' } }
  await write(cluster, [namespace, ...services], '--field-manager=flux')
}

async function write(cluster: Cluster, objects: readonly object[], manager: string): Promise<void> {
  const kubectl = await findTool('kubectl')
  const input = objects.map((object) => JSON.stringify(object)).join('\n---\n')
  const how = ['apply', '--server-side', '--force-conflicts', manager, '-f', '-']
  await run(kubectl, ['--kubeconfig', cluster.kubeconfig, ...how], { input })
}

async function setHolder(cluster: Cluster, loop: string, holderIdentity: string): Promise<void> {
  const now = new Date().toISOString().replace('Z', '000Z')
  const spec = { holderIdentity, leaseDurationSeconds: 600, acquireTime: now, renewTime: now }
  const metadata = { name: `${loop}-controller-leader-election`, ...system }
  await write(cluster, [{ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec }], '--field-manager=flux')
}

async function holderOf(cluster: Cluster, loop: string): Promise<unknown> {
  const lease = await cluster.get(`lease/${loop}-controller-leader-election`, system)
  return (lease as unknown as { spec: { holderIdentity: string } }).spec.holderIdentity
}

describe('uninstalling', () => {
  it('as docs/install.md says leaves what was applied, and nothing of Sluice', { timeout }, async () => {
    await using setting = await open('uninstall', { controllerManager: true })
    const { cluster, controlPlane } = setting
    await using pods = await install(cluster, controlPlane, 'default')
    const { sluice } = pods.get('sluice-controller') as Pod
    await cluster.repository('app', { 'a.yaml': configMap('app') })
    await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
    await cluster.until('kustomization/app', isReady())
    // As the kubelet would, when its Deployment is deleted.
    await sluice.stop()
    await runBlock('install.md', 'Uninstall', setting)
    await cluster.get('configmap/app')
    const left = await cluster.kubectl(
      ...['get', 'namespaces,crd,clusterroles,clusterrolebindings', '-l', 'app.kubernetes.io/part-of=flux', '-o', 'name'],
    )
    expect(left).toBe('')
  })
})

describe('a cluster that is lost', () => {
  it('UC-21 is rebuilt from Git by the command of docs/operations.md (nothing encrypted), in the order of its dependencies, to the same state', {
    timeout,
  }, async () => {
    const first = await rebuilt()
    const second = await rebuilt()
    expect(second).toEqual(first)
    expect(first).toEqual(['apps/app', 'infrastructure/settings'])
  })
})

/** A root Kustomization that makes the others: the definitions' layer, and the applications that need it. */
const files = {
  'clusters/production/infrastructure.yaml': kustomizationText('infrastructure'),
  'clusters/production/apps.yaml': kustomizationText('apps', '\n  dependsOn: [{name: infrastructure}]'),
  'infrastructure/a.yaml': `${namespaceText('infrastructure')}---\n${configMap('settings')}`,
  'apps/a.yaml': `${namespaceText('apps')}---\n${configMap('app')}`,
}

function kustomizationText(name: string, more = ''): string {
  return [
    `apiVersion: ${group}/v1`,
    'kind: Kustomization',
    `metadata: {name: ${name}, namespace: flux-system}`,
    'spec:',
    '  sourceRef: {kind: GitRepository, name: flux-system}',
    `  path: ./${name}`,
    `  targetNamespace: ${name}`,
    '  prune: true',
    '  wait: true',
    `  interval: 10m${more}`,
    '',
  ].join('\n')
}

function namespaceText(name: string): string {
  return `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}}\n`
}

/** What is applied, after a new cluster was given the installation and the two objects that everything else comes from. */
async function rebuilt(): Promise<string[]> {
  await using setting = await open('lost')
  const { cluster, controlPlane } = setting
  await cluster.repository('flux-system', files)
  await using pods = await install(cluster, controlPlane, 'default')
  const { sluice } = pods.get('sluice-controller') as Pod
  const inSystem = (manifest: Manifest): Manifest => ({ ...manifest, metadata: { ...manifest.metadata, ...system } })
  await cluster.apply(
    inSystem(cluster.gitRepository('flux-system')),
    inSystem(cluster.kustomization('flux-system', { path: './clusters/production', wait: true })),
  )
  await cluster.until('kustomization/flux-system', isReady(), system)
  const order = sluice.logs
    .filter(({ msg, controllerKind }) => msg === 'reconciliation finished' && controllerKind === 'Kustomization')
    .map(({ name }) => name)
  expect(order.indexOf('infrastructure')).toBeLessThan(order.indexOf('apps'))
  const { items } = await cluster.kubectl.json<{ items: KubeObject[] }>('get', 'configmaps', '-A', '-l', `${group}/name`)
  return items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).toSorted()
}
