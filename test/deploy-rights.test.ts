/**
 * The rights that deploy/split gives each loop, found by experiment: all loops do all that they do, each with its own account and,
 * for what is applied, as another one. Nothing is refused, and no right is left over.
 */
import { createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KubeObject } from '../src/api/object.ts'
import { type Cluster, hasCondition, isReady, type Manifest, openCluster } from './cluster/harness.ts'
import { openWebhook, type Webhook } from './cluster/webhook.ts'
import { type ChartServer, startChartServer } from './tools/chart-server.ts'
import { type ControlPlane, startControlPlane } from './tools/control-plane.ts'
import { objectsOf, ofKind } from './tools/deploy.ts'
import type { SeenRequest } from './tools/fault-proxy.ts'
import { install, type Pods } from './tools/installation.ts'
import type { Repository } from './tools/repository.ts'

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

interface Role extends KubeObject {
  readonly rules: readonly Rule[]
}

interface Binding extends KubeObject {
  readonly roleRef: { readonly kind: string; readonly name: string }
  readonly subjects: readonly { readonly name: string }[]
}

const loops = ['source', 'kustomize', 'helm', 'notification']

let controlPlane: ControlPlane
let cluster: Cluster
let pods: Pods
let charts: ChartServer
let webhook: Webhook
let repository: Repository

beforeAll(async () => {
  controlPlane = await startControlPlane()
  charts = await startChartServer()
  webhook = await openWebhook(({ url }) => (url === '/broken' ? 400 : 200))
  cluster = await openCluster(controlPlane.kubeconfig, 'rights', { whole: true, git: { auth: login } })
  pods = await install(cluster, controlPlane, 'split')
  // What is applied is applied as the account below; what is left are the loops' own rights.
  await cluster.kubectl('delete', 'clusterrolebinding', 'cluster-reconciler-flux-system')
  await cluster.apply(...accounts())
})
afterAll(async () => {
  await pods?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
  await webhook?.[Symbol.asyncDispose]()
  await charts?.[Symbol.asyncDispose]()
  await controlPlane?.[Symbol.asyncDispose]()
})

const login = { username: 'git', password: 'password-of-the-test' }
const token = 'token-of-the-test'

/** The account `applier` may do everything in the namespace, and those that apply may act as it. */
function accounts(): Manifest[] {
  const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1' }
  const appliers = ['kustomize-controller', 'helm-controller'].map((name) => account(name, 'flux-system'))
  const impersonate = { apiGroups: [''], resources: ['serviceaccounts'], resourceNames: ['applier'], verbs: ['impersonate'] }
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'applier' } },
    {
      ...rbac,
      kind: 'RoleBinding',
      metadata: { name: 'applier' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [account('applier', cluster.namespace)],
    },
    { ...rbac, kind: 'Role', metadata: { name: 'impersonate' }, rules: [impersonate] },
    {
      ...rbac,
      kind: 'RoleBinding',
      metadata: { name: 'impersonate' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'impersonate' },
      subjects: appliers,
    },
  ]
}

function account(name: string, namespace: string) {
  return { kind: 'ServiceAccount', name, namespace }
}

function secret(name: string, stringData: Readonly<Record<string, string>>): Manifest {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, labels: { 'reconcile.fluxcd.io/watch': 'Enabled' } }, stringData }
}

function notification(kind: string, name: string, spec: object): Manifest {
  const version = kind === 'Receiver' ? 'v1' : 'v1beta3'
  return { apiVersion: `notification.toolkit.fluxcd.io/${version}`, kind, metadata: { name }, spec: { ...spec } }
}

const manifest = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {value: '\${value}'}\n`

async function sync(): Promise<void> {
  repository = await cluster.repository('app', { 'a.yaml': manifest('first') })
  await cluster.apply(
    secret('git', login),
    secret('value', { value: 'of the Secret' }),
    cluster.gitRepository('app', { secretRef: { name: 'git' } }),
    cluster.kustomization('app', {
      serviceAccountName: 'applier',
      targetNamespace: cluster.namespace,
      postBuild: {
        substituteFrom: [
          { kind: 'Secret', name: 'value' },
          { kind: 'ConfigMap', name: 'value', optional: true },
        ],
      },
    }),
  )
  await cluster.until('kustomization/app', isReady())
  await repository.commit({ 'a.yaml': manifest('second') }, 'another name')
  await cluster.reconcile('gitrepository/app')
  await cluster.until('configmap/second', () => true)
  await cluster.untilGone('configmap/first')
}

/** Objects elsewhere whose Kustomization is deleted when nobody can get there: it looks whether its namespace goes too. */
async function syncElsewhere(): Promise<void> {
  const kubeConfig = secret('elsewhere', { value: await readFile(controlPlane.kubeconfig, 'utf8') })
  const spec = { sourceRef: { kind: 'GitRepository', name: 'app' }, targetNamespace: 'default' }
  await cluster.apply(kubeConfig, cluster.kustomization('elsewhere', { ...spec, kubeConfig: { secretRef: { name: 'elsewhere' } } }))
  await cluster.until('kustomization/elsewhere', isReady())
  await cluster.kubectl('delete', 'secret', 'elsewhere', '--namespace', cluster.namespace)
  await cluster.kubectl('delete', 'kustomization', 'elsewhere', '--namespace', cluster.namespace, '--wait=false')
  await cluster.until('kustomization/elsewhere', hasCondition('Ready', 'False', 'PruneFailed'))
  await cluster.apply(kubeConfig)
  await cluster.untilGone('kustomization/elsewhere')
}

async function release(): Promise<void> {
  const files = {
    'templates/a.yaml': "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\ndata: {value: '{{ .Values.value }}'}\n",
  }
  charts.publish('shop', '1.0.0', files)
  const source = { apiVersion: 'source.toolkit.fluxcd.io/v1' }
  await cluster.apply(
    { ...source, kind: 'HelmRepository', metadata: { name: 'charts' }, spec: { url: charts.url, interval: '10m' } },
    {
      apiVersion: 'helm.toolkit.fluxcd.io/v2',
      kind: 'HelmRelease',
      metadata: { name: 'shop' },
      spec: {
        interval: '10m',
        serviceAccountName: 'applier',
        chart: { spec: { chart: 'shop', version: '1.x', sourceRef: { kind: 'HelmRepository', name: 'charts' } } },
        valuesFrom: [{ kind: 'Secret', name: 'value', valuesKey: 'value', targetPath: 'value' }],
      },
    },
  )
  await cluster.until('helmrelease/shop', isReady())
  await cluster.until('configmap/shop', ({ data }) => data?.value === 'of the Secret')
  charts.publish('shop', '1.1.0', files)
  await cluster.reconcile('helmrepository/charts')
  await cluster.until('helmrelease/shop', hasCondition('Released', 'True', 'UpgradeSucceeded'))
}

/** An account that is asked for the Secrets to pull with. */
async function pull(): Promise<void> {
  const spec = { url: 'oci://127.0.0.1:1/app', interval: '10m', timeout: '5s', serviceAccountName: 'applier', insecure: true }
  await cluster.apply({ apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'OCIRepository', metadata: { name: 'image' }, spec })
  await cluster.until('ocirepository/image', hasCondition('Ready', 'False'))
}

async function notify(): Promise<void> {
  const sources = ['GitRepository', 'HelmRelease', 'Kustomization'].map((kind) => ({ kind, name: '*' }))
  await cluster.apply(
    secret('token', { token }),
    secret('address', { address: `${webhook.address}/all` }),
    notification('Provider', 'all', { type: 'generic', secretRef: { name: 'address' } }),
    notification('Alert', 'all', { providerRef: { name: 'all' }, eventSources: sources }),
    // What it refuses is told in an Event on the Alert.
    notification('Provider', 'broken', { type: 'generic', address: `${webhook.address}/broken` }),
    notification('Alert', 'broken', { providerRef: { name: 'broken' }, eventSources: sources }),
    notification('Receiver', 'push', {
      type: 'github',
      secretRef: { name: 'token' },
      resources: [
        { kind: 'GitRepository', name: '*', matchLabels: { team: 'a' } },
        { kind: 'HelmRepository', name: 'charts' },
      ],
    }),
  )
  await cluster.kubectl('label', 'gitrepository', 'app', 'team=a', '--namespace', cluster.namespace)
  const { status } = await cluster.until('receiver/push', isReady())
  const before = await cluster.get('gitrepository/app')
  await repository.commit({ 'a.yaml': manifest('third') }, 'pushed')
  const body = JSON.stringify({ ref: 'refs/heads/main' })
  const headers = {
    'content-type': 'application/json',
    'x-github-event': 'push',
    'x-hub-signature-256': `sha256=${createHmac('sha256', token).update(body).digest('hex')}`,
  }
  const address = pods.get('notification-controller')?.sluice.address('receivers')
  const path = (status as { webhookPath?: string }).webhookPath
  expect((await fetch(`${address}${path}`, { method: 'POST', headers, body })).status).toBe(200)
  await cluster.until('gitrepository/app', ({ metadata }) => metadata.resourceVersion !== before.metadata.resourceVersion)
  await webhook.until('/all', ({ reportingController }) => reportingController === 'kustomize-controller')
  await cluster.until('configmap/third', () => true)
  await expect.poll(() => webhook.requests.filter(({ url }) => url === '/broken').length, { timeout: 20_000 }).toBeGreaterThan(1)
}

async function cleanUp(): Promise<void> {
  const all = [
    'kustomization/app',
    'helmrelease/shop',
    'receiver/push',
    'alert/all',
    'alert/broken',
    'provider/all',
    'provider/broken',
    'ocirepository/image',
  ]
  for (const ref of [...all, 'helmrepository/charts', 'gitrepository/app'])
    await cluster.kubectl('delete', ref, '--namespace', cluster.namespace, '--timeout=30s')
  for (const ref of ['configmap/third', 'configmap/shop']) await cluster.untilGone(ref)
}

describe('the account of each loop', () => {
  it('SEC-16 may do all that its loop does', async () => {
    await sync()
    await syncElsewhere()
    await release()
    await pull()
    await notify()
    await cleanUp()
    // The lease is renewed every few seconds, however quick the rest was.
    const renewed = () => [...pods.values()].every((pod) => pod.requests().some(({ method }) => method === 'PUT'))
    await expect.poll(renewed, { timeout: 20_000 }).toBe(true)
    for (const [name, pod] of pods) expect([name, pod.refused]).toEqual([name, []])
  })

  it.each(loops)('SEC-16 may do nothing that its loop does not: %s', async (loop) => {
    const name = `${loop}-controller`
    const used = pods.get(name)?.requests().flatMap(accessesOf) ?? []
    const rules = rulesFor(name, await objectsOf('split'))
    expect(rules.length).toBeGreaterThan(2)
    const unused = rules.flatMap(rightsOf).filter((right) => !used.some((access) => isBy(right, access)))
    expect(unused).toEqual([])
  })
})

it('docs/security.md lists each right of each role, and what it is for', async () => {
  const text = await readFile(join(import.meta.dirname, '../docs/security.md'), 'utf8')
  const [, table = ''] = /^## What each right is for$.*?\n\|---[^\n]*\n((?:\|[^\n]*\n)+)/ms.exec(text) ?? []
  const rows = table
    .trim()
    .split('\n')
    .map((line) =>
      line
        .split('|')
        .slice(1, 5)
        .map((cell) => cell.trim()),
    )
  const objects = await objectsOf('split')
  const roles = ['ClusterRole', 'Role']
    .flatMap((kind) => ofKind<Role>(objects, kind))
    .filter(({ metadata: { name } }) => !name.startsWith('flux-'))
  const rules = roles.flatMap(({ metadata, rules }) =>
    rules.map(({ apiGroups, resources, verbs }) => [
      metadata.name,
      apiGroups.map((group) => group || 'core').join(', '),
      resources.join(', '),
      verbs.join(', '),
    ]),
  )
  expect(rows.toSorted()).toEqual(rules.toSorted())
})

/** The rules of all roles that are bound to an account, but for the one that allows everything. */
function rulesFor(name: string, objects: readonly KubeObject[]): readonly Rule[] {
  const bindings = ['ClusterRoleBinding', 'RoleBinding'].flatMap((kind) => ofKind<Binding>(objects, kind))
  const bound = bindings.filter(({ subjects }) => subjects.some((subject) => subject.name === name)).map(({ roleRef }) => roleRef)
  const roles = ['ClusterRole', 'Role'].flatMap((kind) => ofKind<Role>(objects, kind))
  return bound.flatMap(({ kind, name }) => roles.find((role) => role.kind === kind && role.metadata.name === name)?.rules ?? [])
}

/** One verb on one resource of any of these groups. */
interface Right {
  readonly groups: readonly string[]
  readonly resource: string
  readonly verb: string
}

function rightsOf({ apiGroups, resources, verbs }: Rule): Right[] {
  return resources.flatMap((resource) => verbs.map((verb) => ({ groups: apiGroups, resource, verb })))
}

interface Access {
  readonly group: string
  readonly resource: string
  readonly verb: string
}

/** What the API server asks its authorizer about a request. */
function accessesOf({ method, url, headers }: SeenRequest): Access[] {
  const [, , group = '', resource = ''] = /^\/(api|apis\/([^/]+))\/[^/]+\/(?:namespaces\/[^/]+\/)?([^/]+)/.exec(url.pathname) ?? []
  // What does not exist is created by an apply, and an Event that is told again is counted in the one that is there.
  const isEither = headers['content-type']?.startsWith('application/apply-patch') || resource === 'events'
  const verbs = method === 'GET' ? reading : isEither ? ['patch', 'create'] : [writing.get(method) ?? '']
  return verbs.map((verb) => ({ group, resource, verb }))
}

/** One shows what the others show; which of them is used depends on what the API server can do, and on conflicts. */
const reading = ['get', 'list', 'watch']
const writing = new Map([
  ['POST', 'create'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
])

function isBy({ groups, resource, verb }: Right, access: Access): boolean {
  return groups.includes(access.group) && (resource === '*' || resource === access.resource) && verb === access.verb
}
