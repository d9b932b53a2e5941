/** HelmReleases in another cluster than the one that has their objects. */
import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { type ChartServer, startChartServer } from '../tools/chart-server.ts'
import { type ControlPlane, startControlPlane } from '../tools/control-plane.ts'
import { type Cluster, hasCondition, isReady, openCluster } from './harness.ts'

let near: Cluster
let far: ControlPlane
let charts: ChartServer

beforeAll(async () => {
  ;[near, far, charts] = await Promise.all([openCluster(inject('kubeconfig'), 'remote'), startControlPlane(), startChartServer()])
  charts.publish('shop', '1.0.0', {
    'values.yaml': 'text: first\n',
    'templates/shop.yaml': `apiVersion: v1
kind: ConfigMap
metadata: { name: {{ .Release.Name }} }
data: { text: {{ .Values.text }} }
`,
  })
  await far.kubectl('create', 'namespace', 'shop')
  await near.apply({
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind: 'HelmRepository',
    metadata: { name: 'charts' },
    spec: { url: charts.url, interval: '1h' },
  })
  await near.startSluice({ flags: { 'min-retry-delay': '200ms', concurrent: '1' } })
}, 90_000)

afterAll(async () => {
  await near?.[Symbol.asyncDispose]()
  await far?.[Symbol.asyncDispose]()
  await charts?.[Symbol.asyncDispose]()
})

function secret(name: string, kubeconfig: string) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, labels: { 'reconcile.fluxcd.io/watch': 'Enabled' } },
    stringData: { value: kubeconfig },
  }
}

function release(name: string, spec: object) {
  const chart = {
    metadata: { labels: near.labels },
    spec: { chart: 'shop', sourceRef: { kind: 'HelmRepository', name: 'charts' } },
  }
  return {
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { name },
    spec: { interval: '1h', chart, releaseName: name, targetNamespace: 'shop', storageNamespace: 'shop', ...spec },
  }
}

const there = (...args: string[]) => far.kubectl(...args, '--namespace', 'shop', '--output', 'jsonpath={.data.text}')

it('HLM-RMT-01 are installed, upgraded and uninstalled there, and nothing of them is here', async () => {
  const kubeConfig = { secretRef: { name: 'far' } }
  await near.apply(secret('far', await readFile(far.kubeconfig, 'utf8')), release('faraway', { kubeConfig }))
  await near.until('helmrelease/faraway', isReady())
  expect(await there('get', 'configmap', 'faraway')).toBe('first')
  expect(await far.kubectl('get', 'secret', '--namespace', 'shop', '--output', 'name')).toContain('sh.helm.release.v1.faraway.v1')
  expect(await near.kubectl('get', 'secret', '--all-namespaces', '--output', 'name')).not.toContain('sh.helm.release.v1.faraway')

  await near.apply(release('faraway', { kubeConfig, values: { text: 'second' } }))
  await near.until('helmrelease/faraway', ({ status }) => (status?.history as { version: number }[])?.[0]?.version === 2)
  expect(await there('get', 'configmap', 'faraway')).toBe('second')

  await near.kubectl('delete', 'helmrelease/faraway', '--wait')
  expect(await far.kubectl('get', 'configmap,secret', '--namespace', 'shop', '--output', 'name')).not.toContain('faraway')
})

it('HLM-RMT-01 HLM-RMT-02 act there as the service account that is named, with its rights', async () => {
  const kubeConfig = { secretRef: { name: 'far' } }
  await near.apply(release('tenant', { kubeConfig, serviceAccountName: 'tenant' }))
  const failed = await near.until('helmrelease/tenant', hasCondition('Ready', 'False', 'StateError'))
  expect(JSON.stringify(failed.status)).toContain(`system:serviceaccount:${near.namespace}:tenant`)
  const account = `${near.namespace}:tenant`
  await far.kubectl(
    'create',
    'rolebinding',
    'tenant',
    '--clusterrole=cluster-admin',
    `--serviceaccount=${account}`,
    '--namespace=shop',
  )
  await near.until('helmrelease/tenant', isReady())
})

it('HLM-RMT-01 API-14 wait for the Secret that leads there, and go on when it is right', async () => {
  await near.apply(secret('soon', 'clusters: ['), release('late', { kubeConfig: { secretRef: { name: 'soon' } } }))
  await near.until('helmrelease/late', hasCondition('Ready', 'False', 'RESTClientError'))
  await near.apply(secret('soon', await readFile(far.kubeconfig, 'utf8')))
  await near.until('helmrelease/late', isReady())
  expect(await there('get', 'configmap', 'late')).toBe('first')
})

it('F-OPS-08 HLM-RMT-01 wait for a cluster that does not answer beside the others, and say so within half a minute', async () => {
  const connected = Promise.withResolvers<void>()
  const silent = createServer(() => connected.resolve())
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const config = JSON.parse(await readFile(far.kubeconfig, 'utf8')) as object
  const server = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const kubeconfig = JSON.stringify({ ...config, clusters: [{ name: 'sluice', cluster: { server } }] })
  await near.apply(secret('silent', kubeconfig), release('silent', { kubeConfig: { secretRef: { name: 'silent' } } }))
  await connected.promise
  // Of the one worker that there is.
  await near.apply(release('quick', { kubeConfig: { secretRef: { name: 'far' } } }))
  await near.until('helmrelease/quick', isReady(), { timeoutMs: 15_000 })
  const said = hasCondition('Ready', 'False', 'RESTClientError', 'cannot be reached')
  const failed = await near.until('helmrelease/silent', said, { timeoutMs: 45_000 })
  expect(JSON.stringify(failed.status)).toContain(`KubeConfig secret '${near.namespace}/silent' key 'value'`)
  silent.close()
}, 90_000)

it('HLM-RMT-01 HLM-RMT-02 are installed with the tokens of a service account, where a ConfigMap says so', async () => {
  await using trusted = await openCluster(inject('kubeconfig'), 'hr-trusted')
  const { namespace } = trusted
  await trusted.startSluice({ flags: { 'feature-gates': 'ObjectLevelWorkloadIdentity=true', 'min-retry-delay': '200ms' } })
  // The cluster that trusts the tokens of this one is this one.
  const { clusters } = JSON.parse(await readFile(inject('kubeconfig'), 'utf8')) as {
    clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }]
  }
  const { server, 'certificate-authority-data': ca } = clusters[0].cluster
  const data = {
    provider: 'generic',
    address: server,
    'ca.crt': Buffer.from(ca, 'base64').toString(),
    audiences: 'https://kubernetes.default.svc.cluster.local',
    serviceAccountName: 'deployer',
  }
  const chart = {
    spec: { chart: 'shop', sourceRef: { kind: 'HelmRepository', name: 'charts' } },
    metadata: { labels: trusted.labels },
  }
  const kubeConfig = { configMapRef: { name: 'way' } }
  const here = { targetNamespace: namespace, storageNamespace: namespace, chart, kubeConfig }
  await trusted.apply(
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'deployer' } },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'way' }, data },
    {
      apiVersion: 'source.toolkit.fluxcd.io/v1',
      kind: 'HelmRepository',
      metadata: { name: 'charts' },
      spec: { url: charts.url, interval: '1h' },
    },
    release('trusted', here),
  )
  const failed = await trusted.until('helmrelease/trusted', hasCondition('Ready', 'False', 'StateError'))
  expect(JSON.stringify(failed.status)).toContain(`system:serviceaccount:${namespace}:deployer`)
  const rights = ['--clusterrole=cluster-admin', `--serviceaccount=${namespace}:deployer`]
  await trusted.kubectl('create', 'rolebinding', 'deployer', ...rights)
  await trusted.until('helmrelease/trusted', isReady())
  await trusted.kubectl('delete', 'helmrelease/trusted', '--wait')
  await trusted.untilGone('configmap/trusted')
})
