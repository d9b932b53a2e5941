import assert from 'node:assert/strict'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { dump } from 'js-yaml'
import { temporaryDirectory } from '../../test/tools/processes.ts'
import { discovering, type PodMonitor, type Prometheus, scrapeConfigOf, startPrometheus } from '../../test/tools/prometheus.ts'
import { findTool } from '../../test/tools/tools.ts'
import { hasCondition } from '../../test/tools/watch.ts'
import { findBuilder } from '../builder.ts'
import { configMap, yaml } from '../manifests.ts'
import { sluicePod } from '../pod.ts'
import { fluxNamespace, Skipped, type Stage, type Step } from '../stage.ts'

const name = 'scraping'
const monitoring = join(import.meta.dirname, '../../deploy/monitoring')
const image = {
  name: 'registry.k8s.io/kube-state-metrics/kube-state-metrics',
  newName: 'localhost/kube-state-metrics',
  newTag: 'e2e',
}

export const scraping: Step = {
  title: 'UC-20 OBS-08 Prometheus finds the pods by the PodMonitors, dashboards have data, a failing Kustomization has its alert',
  tools: ['prometheus', 'kube-state-metrics'],
  async run(stage) {
    await refuseWhereUnreachable(stage)
    await using _monitored = await monitored(stage)
    const delivery = await stage.deliver(name, { 'a.yaml': yaml(configMap('a', { b: 'c' })) }, { retryInterval: '1h' })
    await delivery.ready()
    await using prometheus = await startPrometheus(await configuration(stage), { 'rules.yaml': dump(await rules(stage)) })
    await prometheus.until('count(count_over_time(up[1m]) > 3) == 2')
    const targets = (await prometheus.targets()).map(({ labels, health }) => `${labels.job} ${labels.container} ${health}`)
    assert.deepEqual(targets.sort(), ['flux-system/flux-system manager up', 'flux-system/kube-state-metrics kube-state-metrics up'])

    const state = (ready: string) => `gotk_resource_info{customresource_kind="Kustomization", name="${name}", ready="${ready}"}`
    const alert = `ALERTS{alertname="FluxObjectNotReady", name="${name}", exported_namespace="${fluxNamespace}"}`
    await prometheus.until(state('True'))
    await delivery.push({ 'a.yaml': 'kind: [' }, 'Break it')
    await delivery.until(hasCondition('Ready', 'False', 'BuildFailed'))
    // It fires when it has lasted for ten minutes.
    await prometheus.until(alert, ([sample]) => sample?.labels.alertstate === 'pending')
    // Seen twice, or there is no rate.
    await prometheus.until('rate(flux_reconcile_errors_total[1m])')
    assert.deepEqual(await emptyPanels(prometheus), unused, 'panels without data')

    await delivery.push({ 'a.yaml': yaml(configMap('a', { b: 'd' })) }, 'Mend it')
    await delivery.ready()
    await prometheus.until(alert, (samples) => samples.length === 0)
    await delivery.remove()
  },
}

async function refuseWhereUnreachable(stage: Stage): Promise<void> {
  const { status } = await sluicePod(stage)
  const metrics = fetch(`http://${String(status?.podIP)}:8080/metrics`, { signal: AbortSignal.timeout(3000) })
  if (!(await metrics.catch(() => undefined))?.ok)
    throw new Skipped('pods cannot be reached from this machine, where Prometheus runs')
}

/** Installs deploy/monitoring, with kinds for the objects of the Prometheus operator. */
async function monitored({ kubectl, cluster }: Stage): Promise<AsyncDisposable> {
  const builder = await findBuilder(() => {})
  const folder = await temporaryDirectory('monitoring')
  await cp(await findTool('kube-state-metrics', () => {}), join(folder, 'kube-state-metrics'))
  await writeFile(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY kube-state-metrics /\nENTRYPOINT ["/kube-state-metrics"]\n')
  await builder.build({ image: `${image.newName}:${image.newTag}`, context: folder, dockerfile: join(folder, 'Dockerfile') })
  await builder.save(`${image.newName}:${image.newTag}`, join(folder, 'image.tar'))
  await cluster.load(join(folder, 'image.tar'))
  const kustomization = { resources: [relative(folder, monitoring)], images: [image] }
  await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))

  const kinds = [crd('PodMonitor'), crd('PrometheusRule')]
  await kubectl.apply(kinds)
  await kubectl('wait', '--for=condition=Established', ...kinds.map(({ metadata }) => `crd/${metadata.name}`), '--timeout', '30s')
  await kubectl('apply', '--server-side', '--kustomize', folder)
  await kubectl('rollout', 'status', 'deployment/kube-state-metrics', '--namespace', fluxNamespace, '--timeout', '120s')
  return {
    async [Symbol.asyncDispose]() {
      await kubectl('delete', '--kustomize', folder, '--timeout', '60s')
      await kubectl('delete', ...kinds.map(({ metadata }) => `crd/${metadata.name}`), '--timeout', '60s')
    },
  }
}

function crd(kind: string) {
  const singular = kind.toLowerCase()
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${singular}s.monitoring.coreos.com` },
    spec: {
      group: 'monitoring.coreos.com',
      scope: 'Namespaced',
      names: { kind, singular, plural: `${singular}s` },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  }
}

/** What the Prometheus operator makes of the PodMonitors. */
async function configuration({ kubectl, cluster: { kubeconfig } }: Stage): Promise<object> {
  const { items } = await kubectl.json<{ items: readonly PodMonitor[] }>('get', 'podmonitors', '--namespace', fluxNamespace)
  return discovering(dump({ rule_files: ['rules.yaml'], scrape_configs: items.map(scrapeConfigOf) }), { kubeconfig })
}

async function rules({ kubectl }: Stage): Promise<object> {
  return (await kubectl.json<{ spec: object }>('get', 'prometheusrule', 'sluice', '--namespace', fluxNamespace)).spec
}

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
}

/** Panels of what this step does not do. */
const unused = [
  'Helm actions',
  'Duration of Helm actions (90 % are faster)',
  'Notifications',
  'Duration of notifications (90 % are faster)',
  'Calls of Receivers',
  'Events of other programs',
  'Suspended',
]

/** Titles of the panels of which no expression has a value. */
async function emptyPanels(prometheus: Prometheus): Promise<string[]> {
  const empty: string[] = []
  for (const file of ['control-plane', 'cluster']) {
    const { panels } = JSON.parse(await readFile(join(monitoring, `dashboards/${file}.json`), 'utf8')) as {
      panels: readonly Panel[]
    }
    for (const { title, targets } of panels) {
      const samples = await Promise.all((targets ?? []).map(({ expr }) => prometheus.query(filled(expr))))
      if (targets && samples.flat().length === 0) empty.push(title)
    }
  }
  return empty
}

/** As Grafana fills in the variables when everything is chosen. */
function filled(expr: string): string {
  return expr.replaceAll('$__rate_interval', '1m').replaceAll('$operator_namespace', fluxNamespace).replace(/\$\w+/g, '.+')
}
