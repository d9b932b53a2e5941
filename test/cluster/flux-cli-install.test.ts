/** The real flux command on an installation of deploy/: check, version, logs, migrate and uninstall. */
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { dump } from 'js-yaml'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createAuthority } from '../tools/certificates.ts'
import { startControlPlane } from '../tools/control-plane.ts'
import { type Flux, fluxOf } from '../tools/flux.ts'
import { install, type Pod } from '../tools/installation.ts'
import { run, temporaryDirectory } from '../tools/processes.ts'
import type { LogLine } from '../tools/sluice.ts'
import { findTool } from '../tools/tools.ts'
import { type Cluster, isReady, type Live, openCluster } from './harness.ts'

const system = { namespace: 'flux-system' }
const resources = new AsyncDisposableStack()
let cluster: Cluster
let pod: Pod
let flux: Flux

beforeAll(async () => {
  const controlPlane = resources.use(await startControlPlane({ controllerManager: true }))
  cluster = resources.use(await openCluster(controlPlane.kubeconfig, 'flux-install', { whole: true }))
  const pods = resources.use(await install(cluster, controlPlane, 'default'))
  pod = [...pods.values()][0] as Pod
  flux = await fluxOf({ kubeconfig: cluster.kubeconfig, ...system })
  await runPod(resources.use(await startKubelet(() => pod.sluice.logs)))
  await cluster.repository('app', appFiles())
  await cluster.apply(
    cluster.gitRepository('app'),
    cluster.kustomization('app', { path: './root', targetNamespace: cluster.namespace, wait: true }),
  )
  await cluster.until('kustomization/app', isReady())
})

afterAll(() => resources.disposeAsync())

/** A root that manages a Kustomization and a HelmRelease. */
function appFiles(): Record<string, string> {
  const { namespace } = cluster
  const inNamespace = (kind: string, apiVersion: string, name: string, spec: object) =>
    JSON.stringify({ apiVersion, kind, metadata: { name, namespace }, spec })
  const sourceRef = { kind: 'GitRepository', name: 'app' }
  const child = { sourceRef, path: './child', prune: true, interval: '5m', targetNamespace: namespace }
  const release = { interval: '5m', chart: { spec: { chart: './chart', sourceRef } } }
  const configMap = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {a: b}\n`
  return {
    'root/a.yaml': inNamespace('Kustomization', 'kustomize.toolkit.fluxcd.io/v1', 'child', child),
    'root/c.yaml': configMap('rooted'),
    'root/b.yaml': inNamespace('HelmRelease', 'helm.toolkit.fluxcd.io/v2', 'release', release),
    'child/a.yaml': configMap('applied'),
    'chart/Chart.yaml': 'apiVersion: v2\nname: shop\nversion: 1.0.0\n',
    'chart/templates/a.yaml': configMap('installed'),
  }
}

interface Kubelet extends AsyncDisposable {
  readonly port: number
}

/** The part of a node that the API server asks for logs: every container has said these lines. */
async function startKubelet(lines: () => readonly LogLine[]): Promise<Kubelet> {
  const { cert, key } = await (await createAuthority()).server()
  const server = createServer({ cert, key }, (request, response) => {
    const url = new URL(request.url ?? '/', 'https://node')
    if (!/^\/containerLogs\/flux-system\/[^/]+\/manager$/.test(url.pathname)) return void response.writeHead(404).end()
    const tail = Number(url.searchParams.get('tailLines') ?? Number.POSITIVE_INFINITY)
    const text = lines().map((line) => `${JSON.stringify(line)}\n`)
    response.writeHead(200, { 'content-type': 'text/plain' }).end(text.slice(-tail).join(''))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** What the scheduler and the kubelet do with the pod of the Deployment: it runs on a node, and is ready. */
async function runPod({ port }: Kubelet): Promise<void> {
  await cluster.kubectl.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node' } })
  await patchStatus('node/node', {
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
  })
  const name = await podOf(pod.deployment.metadata.name)
  const target = { apiVersion: 'v1', kind: 'Node', name: 'node' }
  const binding = JSON.stringify({ apiVersion: 'v1', kind: 'Binding', metadata: { name }, target })
  const path = `/api/v1/namespaces/${system.namespace}/pods/${name}/binding`
  await run(await findTool('kubectl'), ['--kubeconfig', cluster.kubeconfig, 'create', '--raw', path, '-f', '-'], { input: binding })
  const lastTransitionTime = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
  const conditions = ['Ready', 'ContainersReady'].map((type) => ({ type, status: 'True', lastTransitionTime }))
  await patchStatus(`pod/${name}`, { phase: 'Running', conditions })
  await cluster.until(`deployment/${pod.deployment.metadata.name}`, ({ status }) => status?.availableReplicas === 1, system)
}

async function patchStatus(ref: string, status: object): Promise<void> {
  const how = ['--subresource=status', '--type=merge', '--namespace', system.namespace]
  await cluster.kubectl('patch', ref, ...how, '-p', JSON.stringify({ status }))
}

/** The name of the pod that the Deployment's ReplicaSet has made. */
async function podOf(deployment: string): Promise<string> {
  const isIts = ({ metadata }: Live) => metadata.name.startsWith(`${deployment}-`) && 'pod-template-hash' in (metadata.labels ?? {})
  return (await cluster.until('pods', isIts, system)).metadata.name
}

it('CLI-01 flux check finds the controller ready and every definition stored in its newest version', async () => {
  expect(await flux.said('check', '--pre')).toMatch(/✔ Kubernetes \S+ >=1\.33\.0-0\n✔ prerequisites checks passed\n/)
  const said = await flux.said('check', '--timeout=20s')
  const image = pod.deployment.spec.template.spec.containers[0]?.image
  for (const line of [
    '✔ distribution: flux-v2.9.0',
    '✔ bootstrapped: false',
    `✔ ${pod.deployment.metadata.name}: deployment ready`,
    `► ${image}`,
    '✔ gitrepositories.source.toolkit.fluxcd.io/v1',
    '✔ kustomizations.kustomize.toolkit.fluxcd.io/v1',
    '✔ helmreleases.helm.toolkit.fluxcd.io/v2',
    '✔ alerts.notification.toolkit.fluxcd.io/v1beta3',
    '✔ all checks passed',
  ])
    expect(said.split('\n')).toContain(line)
  const elsewhere = await flux.tried('check', '--namespace=default', '--timeout=20s')
  expect([elsewhere.code, elsewhere.stderr]).toEqual([
    1,
    expect.stringContaining("no controllers found in the 'default' namespace"),
  ])
})

it('CLI-08 flux version shows the distribution and the image', async () => {
  const [name = '', tag] = (pod.deployment.spec.template.spec.containers[0]?.image ?? '').split('/').at(-1)?.split(':') ?? []
  expect(JSON.parse(await flux('version', '--output=json'))).toEqual({ flux: 'v2.9.5', distribution: 'flux-v2.9.0', [name]: tag })
})

it('CLI-21 flux logs shows the lines of an object, of a kind, of a level', async () => {
  const { namespace } = cluster
  const lines = async (...how: string[]) => (await flux('logs', ...how)).trimEnd().split('\n')
  const applied = await lines('--kind=Kustomization', '--name=app', '--namespace', namespace)
  for (const line of applied) expect(line).toMatch(new RegExp(`^\\d{4}-\\S+Z (info|debug) Kustomization/app\\.${namespace} - \\S`))
  expect(applied.some((line) => line.includes('reconciliation finished'))).toBe(true)
  expect(
    (await lines('--all-namespaces', '--level=info')).some((line) => line.includes(` info GitRepository/app.${namespace} - `)),
  ).toBe(true)
  expect((await lines('--all-namespaces', '--tail=2')).length).toBeLessThanOrEqual(2)
  await cluster.apply(cluster.gitRepository('gone'))
  await pod.sluice.untilLog(({ level, name }) => level === 'error' && name === 'gone')
  await flux.until(' error GitRepository/gone.', 'logs', '--follow', '--namespace', namespace)
  const errors = await lines('--level=error', '--namespace', namespace)
  expect(errors[0]).toMatch(new RegExp(` error GitRepository/gone\\.${namespace} - reconciliation failed .*unable to clone`))
})

it('CLI-32 flux migrate rewrites objects that were stored in an older version, and nothing is reconciled for it', async () => {
  const crd = 'crd/kustomizations.kustomize.toolkit.fluxcd.io'
  const { spec } = (await cluster.get(crd)) as unknown as { spec: { versions: readonly { name: string }[] } }
  const [current] = spec.versions
  const older = { ...current, name: 'v1beta2', storage: false }
  await cluster.kubectl('patch', crd, '--type=merge', '-p', JSON.stringify({ spec: { versions: [current, older] } }))
  await cluster.kubectl(
    'patch',
    crd,
    '--subresource=status',
    '--type=merge',
    '-p',
    '{"status":{"storedVersions":["v1beta2","v1"]}}',
  )
  const old = cluster.kustomization('old', {
    sourceRef: { kind: 'GitRepository', name: 'app' },
    targetNamespace: cluster.namespace,
    namePrefix: 'old-',
    path: './child',
  })
  await expect.poll(() => cluster.kubectl('get', '--raw', '/apis/kustomize.toolkit.fluxcd.io')).toContain('v1beta2')
  await cluster.apply({ ...old, apiVersion: 'kustomize.toolkit.fluxcd.io/v1beta2' })
  const before = await cluster.until('kustomization/old', isReady())
  const said = await flux.said('migrate')
  expect(said).toContain(`✔ Kustomization/${cluster.namespace}/old migrated to version v1\n`)
  expect(said).toContain('✔ kustomizations.kustomize.toolkit.fluxcd.io migrated to storage version v1\n')
  expect((await cluster.get(crd)).status?.storedVersions).toEqual(['v1'])
  const after = await cluster.kubectl.json<{ metadata: { managedFields: { apiVersion: string }[] } }>(
    'get',
    'kustomization',
    'old',
    '--show-managed-fields',
  )
  expect(new Set(after.metadata.managedFields.map(({ apiVersion }) => apiVersion))).toEqual(
    new Set(['kustomize.toolkit.fluxcd.io/v1']),
  )
  expect(after).toMatchObject({ metadata: { generation: before.metadata.generation }, spec: before.spec, status: before.status })
  await cluster.reconcile('kustomization/old')
})

it('CLI-32 flux migrate rewrites files of older versions, which can be applied then', async () => {
  const folder = await temporaryDirectory('manifests')
  const { apiVersion, ...source } = cluster.gitRepository('migrated', { url: cluster.git.url('app') })
  const older = dump({ apiVersion: 'source.toolkit.fluxcd.io/v1beta2', ...source }) // their order counts
  await writeFile(join(folder, 'a.yaml'), `# kept\n${older}`)
  await expect(cluster.apply(older)).rejects.toThrow(
    'no matches for kind "GitRepository" in version "source.toolkit.fluxcd.io/v1beta2"',
  )
  await run(await findTool('flux'), ['migrate', '-f', '.', '--yes'], { cwd: folder })
  const newer = await readFile(join(folder, 'a.yaml'), 'utf8')
  expect(newer).toBe(`# kept\n${dump({ apiVersion, ...source })}`)
  await cluster.apply(newer)
  await cluster.until('gitrepository/migrated', isReady())
})

it('CLI-07 without its finalizer, which flux uninstall takes away first, a Kustomization is not healed, and so not given it back', async () => {
  for (const name of ['released', 'kept'])
    await cluster.apply(
      cluster.kustomization(name, {
        sourceRef: { kind: 'GitRepository', name: 'app' },
        targetNamespace: cluster.namespace,
        namePrefix: `${name}-`,
        path: './child',
        interval: '1h',
      }),
    )
  for (const name of ['released', 'kept']) await cluster.until(`kustomization/${name}`, isReady())
  await cluster.kubectl('patch', 'kustomization/released', '--type=merge', '-p', '{"metadata":{"finalizers":null}}')
  await cluster.kubectl('delete', 'configmap', 'released-applied')
  // What is deleted later is put back: then the first one was seen too.
  await cluster.kubectl('delete', 'configmap', 'kept-applied')
  await cluster.until('configmap/kept-applied', () => true)
  expect((await cluster.get('kustomization/released')).metadata.finalizers).toBeUndefined()
  await cluster.untilGone('configmap/released-applied')
  const asked = await cluster.reconcile('kustomization/released')
  expect(asked.metadata.finalizers).toEqual(['finalizers.fluxcd.io'])
  await cluster.get('configmap/released-applied')
})

it('CLI-07 flux uninstall removes Sluice and every definition, and what was applied stays though Sluice still runs', async () => {
  const dry = await flux.said('uninstall', '--dry-run', '--silent')
  expect(dry).toContain(`✔ Deployment/flux-system/${pod.deployment.metadata.name} deleted (dry run)`)
  const applied = () => Promise.all(['configmap/rooted', 'configmap/applied', 'configmap/installed'].map((ref) => cluster.get(ref)))
  const before = await applied()
  const said = await flux.said('uninstall', '--silent')
  expect(said).toContain('✔ uninstall finished')
  expect(said).not.toContain('failed')
  // The kubelet takes a moment to end the process.
  for (const kind of ['kustomizations.kustomize', 'gitrepositories.source'])
    await cluster.untilGone(`crd/${kind}.toolkit.fluxcd.io`)
  expect(await pod.sluice.stop()).toBe(0)
  expect(await applied()).toEqual(before)
  const selector = ['-l', 'app.kubernetes.io/part-of=flux', '-o', 'name']
  expect(await cluster.kubectl('get', 'crd,clusterroles,clusterrolebindings', ...selector)).toBe('')
  expect(
    await cluster.kubectl(
      'get',
      'deployments,services,networkpolicies,serviceaccounts',
      '--namespace',
      system.namespace,
      ...selector,
    ),
  ).toBe('')
  expect((await cluster.get('namespace/flux-system')).metadata.deletionTimestamp).toBeDefined()
})
