/**
 * A cluster that is monitored: Sluice with every loop at work, kube-state-metrics, and Prometheus, which finds both as pods of
 * flux-system: Pod objects with the labels that deploy/ gives them, whose addresses are those of the processes.
 */
import { createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dump, load, loadAll } from 'js-yaml'
import { type Cluster, hasCondition, isReady, openCluster, type Sluice } from '../cluster/harness.ts'
import { openWebhook } from '../cluster/webhook.ts'
import { startChartServer } from '../tools/chart-server.ts'
import { type ControlPlane, startControlPlane } from '../tools/control-plane.ts'
import { installCrds } from '../tools/crds.ts'
import { type Deployment, type Overlay, objectsOf, ofKind } from '../tools/deploy.ts'
import { startKubeStateMetrics } from '../tools/kube-state-metrics.ts'
import { discovering, type PodMonitor, type Prometheus, scrapeConfigOf, startPrometheus } from '../tools/prometheus.ts'
import type { Repository } from '../tools/repository.ts'

export const monitoring = join(import.meta.dirname, '../../deploy/monitoring')
export const operatorNamespace = 'flux-system'

export interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: { readonly severity: string }
}

interface Rules {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[]
}

export interface World extends AsyncDisposable {
  readonly cluster: Cluster
  readonly sluice: Sluice
  readonly prometheus: Prometheus
  readonly rules: Rules
  /** What the objects app, broken, stalled, … are made from. */
  readonly repository: Repository
  /** Path of a kubeconfig that may find pods of Sluice's namespace, and nothing else. */
  readonly scraper: string
}

/** Starts all of it, and waits until every loop has had work and Prometheus has seen it. */
export async function openWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack()
  const controlPlane = stack.use(await startControlPlane())
  await installCrds(controlPlane.kubectl)
  const cluster = stack.use(await openCluster(controlPlane.kubeconfig, 'apps', { whole: true }))
  await cluster.kubectl('create', 'namespace', operatorNamespace)
  const sluice = await cluster.startSluice({
    flags: { 'enable-leader-election': 'true', 'min-retry-delay': '500ms', 'max-retry-delay': '1s' },
    env: { RUNTIME_NAMESPACE: operatorNamespace },
  })
  const accounts = await createAccounts(controlPlane)
  const states = stack.use(await startKubeStateMetrics(accounts.states, join(monitoring, 'custom-resource-state.yaml')))
  const metricsPort = Number(new URL(sluice.address('metrics')).port)
  await createPod(cluster, await deploymentOf('default'), { name: 'http-prom', number: metricsPort })
  await createPod(cluster, await deploymentOf('monitoring'), { name: 'http-metrics', number: states.port })
  const rules = await readRules()
  const prometheus = stack.use(await startPrometheus(await configuration(accounts.scraper), { 'rules.yaml': dump(hurried(rules)) }))
  const repository = await work(cluster, sluice, stack)
  const running = stack.move()
  const { scraper } = accounts
  return { cluster, sluice, prometheus, rules, repository, scraper, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** Kubeconfigs of accounts with no more rights than deploy/monitoring gives or asks for. */
async function createAccounts({ kubectl, kubeconfigFor }: ControlPlane): Promise<{ states: string; scraper: string }> {
  const where = ['--namespace', operatorNamespace] as const
  const rights = (await objectsOf('monitoring')).filter(({ kind }) =>
    /^(ServiceAccount|ClusterRole|ClusterRoleBinding)$/.test(kind),
  )
  await kubectl.apply(rights)
  await kubectl('create', 'serviceaccount', 'prometheus', ...where)
  await kubectl('create', 'role', 'prometheus', '--verb=list,watch', '--resource=pods', ...where)
  const account = `--serviceaccount=${operatorNamespace}:prometheus`
  await kubectl('create', 'rolebinding', 'prometheus', '--role=prometheus', account, ...where)
  const tokenOf = async (name: string) => (await kubectl('create', 'token', name, ...where)).trim()
  return {
    states: await kubeconfigFor(await tokenOf('kube-state-metrics')),
    scraper: await kubeconfigFor(await tokenOf('prometheus')),
  }
}

async function deploymentOf(overlay: Overlay | 'monitoring'): Promise<Deployment> {
  const [found] = ofKind<Deployment>(await objectsOf(overlay), 'Deployment')
  if (!found) throw new Error(`${overlay} has no Deployment`)
  return found
}

/** A Pod of a Deployment whose container listens on a port of this machine. */
async function createPod(
  cluster: Cluster,
  { metadata, spec }: Deployment,
  port: { readonly name: string; readonly number: number },
) {
  const name = `${metadata.name}-7d9c5b8f4-x2x4z`
  const [container] = spec.template.spec.containers
  const where = ['--namespace', operatorNamespace] as const
  await cluster.kubectl.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: operatorNamespace, labels: spec.template.metadata.labels },
    spec: {
      containers: [
        {
          name: container?.name,
          image: container?.image,
          ports: [{ name: port.name, containerPort: port.number, protocol: 'TCP' }],
        },
      ],
    },
  })
  // A kubelet would write it.
  const status = { phase: 'Running', podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] }
  await cluster.kubectl('patch', 'pod', name, ...where, '--subresource=status', '--type=merge', '-p', JSON.stringify({ status }))
}

/** As the Prometheus operator would configure it. */
async function configuration(kubeconfig: string): Promise<object> {
  const monitors = loadAll(await readFile(join(monitoring, 'podmonitors.yaml'), 'utf8')) as PodMonitor[]
  const text = dump({ rule_files: ['rules.yaml'], scrape_configs: monitors.map(scrapeConfigOf) })
  return discovering(text, { kubeconfig })
}

export async function readRules(): Promise<Rules> {
  return (load(await readFile(join(monitoring, 'rules.yaml'), 'utf8')) as { spec: Rules }).spec
}

/** What has to last for minutes lasts for three seconds. */
function hurried({ groups }: Rules): Rules {
  const soon = (rule: Rule) => (rule.for === undefined ? rule : { ...rule, for: '3s' })
  return { groups: groups.map(({ name, rules }) => ({ name, rules: rules.map(soon) })) }
}

const token = 't0ken'

/** Something to do for every loop: what succeeds, fails, stalls and is suspended. */
async function work(cluster: Cluster, sluice: Sluice, stack: AsyncDisposableStack): Promise<Repository> {
  const webhook = stack.use(await openWebhook(({ url }) => (url === '/refusing' ? 400 : 200)))
  const charts = stack.use(await startChartServer())
  charts.publish('shop', '1.0.0', {
    'Chart.yaml': 'apiVersion: v2\nname: shop\nversion: 1.0.0\nappVersion: "7"\n',
    'templates/a.yaml': configMap('shop'),
  })
  const repository = await cluster.repository('app', { 'app/a.yaml': configMap('app') })
  const kustomization = (name: string, spec: object = {}) =>
    cluster.kustomization(name, { sourceRef: { kind: 'GitRepository', name: 'app' }, targetNamespace: cluster.namespace, ...spec })
  await cluster.apply(
    ...['all', 'refusing'].flatMap((name) => notifying(name, `${webhook.address}/${name}`)),
    cluster.gitRepository('app', { interval: '2s' }),
    cluster.gitRepository('missing', { interval: '2s' }),
    kustomization('app', { path: './app', interval: '2s' }),
    kustomization('broken', { path: './nowhere' }),
    kustomization('stalled', { healthCheckExprs: [{ apiVersion: 'example.com/v1', kind: 'Thing', current: 'status.x ==' }] }),
    kustomization('suspended', { suspend: true }),
    object('source.toolkit.fluxcd.io/v1', 'HelmRepository', 'charts', { url: charts.url, interval: '2s' }),
    object('source.toolkit.fluxcd.io/v1', 'HelmRepository', 'missing', { url: `${webhook.address}/refusing`, interval: '2s' }),
    object('helm.toolkit.fluxcd.io/v2', 'HelmRelease', 'shop', {
      chart: { spec: { chart: 'shop', interval: '2s', sourceRef: { kind: 'HelmRepository', name: 'charts' } } },
      interval: '2s',
    }),
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'token' }, stringData: { token } },
    object('notification.toolkit.fluxcd.io/v1', 'Receiver', 'push', {
      type: 'github',
      events: ['push'],
      secretRef: { name: 'token' },
      resources: [{ kind: 'GitRepository', name: 'app' }],
    }),
  )
  for (const ref of ['kustomization/app', 'helmrepository/charts', 'helmrelease/shop', 'receiver/push'])
    await cluster.until(ref, isReady())
  for (const ref of ['kustomization/broken', 'gitrepository/missing', 'helmrepository/missing'])
    await cluster.until(ref, hasCondition('Ready', 'False'))
  await cluster.until('kustomization/stalled', hasCondition('Stalled', 'True'))
  await callReceiver(cluster, sluice)
  await fetch(sluice.address('events'), { method: 'POST', body: '{}' })
  return repository
}

function object(apiVersion: string, kind: string, name: string, spec: object) {
  return { apiVersion, kind, metadata: { name }, spec }
}

function notifying(name: string, address: string) {
  const apiVersion = 'notification.toolkit.fluxcd.io/v1beta3'
  const eventSources = [{ kind: 'Kustomization', name: '*' }]
  return [
    object(apiVersion, 'Provider', name, { type: 'generic', address }),
    object(apiVersion, 'Alert', name, { providerRef: { name }, eventSources }),
  ]
}

async function callReceiver(cluster: Cluster, sluice: Sluice): Promise<void> {
  const { status } = await cluster.get('receiver/push')
  const body = '{}'
  const signature = createHmac('sha256', token).update(body).digest('hex')
  const headers = { 'content-type': 'application/json', 'x-github-event': 'push', 'x-hub-signature-256': `sha256=${signature}` }
  const path = String((status as { webhookPath?: string }).webhookPath)
  const response = await fetch(`${sluice.address('receivers')}${path}`, { method: 'POST', headers, body })
  if (!response.ok) throw new Error(`the Receiver answered ${response.status}`)
}

export function configMap(name: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {}\n`
}
