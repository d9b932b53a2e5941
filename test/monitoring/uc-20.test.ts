/** Monitoring as its users set it up, on the programs that they would run: Prometheus, kube-state-metrics, Sluice. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dashboards } from '../../deploy/monitoring/dashboards.ts'
import { hasCondition, isReady } from '../cluster/harness.ts'
import { discovering, type Expression, type Sample, startPrometheus } from '../tools/prometheus.ts'
import { parseScrape } from '../tools/scrape.ts'
import { configMap, monitoring, openWorld, operatorNamespace, type World } from './world.ts'

let world: World

beforeAll(async () => {
  world = await openWorld()
  const { prometheus, cluster } = world
  // Both have been scraped often enough for rates, and what happened last has been seen.
  await prometheus.until('min(count_over_time(up[1m])) > 3')
  await prometheus.until('count(flux_notification_duration_seconds_count) == 2') // one succeeded, one failed
  await prometheus.until('rate(gotk_event_http_request_duration_seconds_count[1m])')
  await prometheus.until('rate(gotk_receiver_http_request_duration_seconds_count{code="200"}[1m])')
  await prometheus.until(`gotk_resource_info{exported_namespace="${cluster.namespace}", name="shop", ready="True"}`)
}, 120_000)
afterAll(() => world?.[Symbol.asyncDispose]())

interface Target {
  readonly expr: string
  readonly legendFormat: string
}

interface Panel {
  readonly title: string
  readonly type: string
  readonly targets?: readonly Target[]
  readonly transformations?: readonly {
    readonly id: string
    readonly options: { readonly include?: { readonly names: string[] } }
  }[]
}

interface Dashboard {
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
  readonly panels: readonly Panel[]
}

async function dashboard(name: string): Promise<Dashboard> {
  return JSON.parse(await readFile(join(monitoring, 'dashboards', name), 'utf8')) as Dashboard
}

/** As Grafana fills in the variables when everything is chosen. */
function filled(expr: string): string {
  return expr.replaceAll('$__rate_interval', '1m').replaceAll('$operator_namespace', operatorNamespace).replace(/\$\w+/g, '.+')
}

interface Selector {
  readonly name: string
  readonly labels: readonly string[]
}

/** The metrics that an expression reads, each with the labels that it counts on, `wanted` by what is around it. */
function selectorsOf(expression: Expression, wanted: readonly string[] = []): Selector[] {
  const { type, name = '', matchers = [], grouping = [], without, matching } = expression
  if (type === 'vectorSelector' || type === 'matrixSelector') {
    const matched = matchers.map((matcher) => matcher.name).filter((label) => label !== '__name__')
    return [{ name, labels: [...wanted, ...matched] }]
  }
  const joined = matching?.on ? matching.labels : []
  const kept = [...wanted, ...joined, ...(type === 'aggregation' && !without ? grouping : [])]
  const parts = Object.entries(expression).flatMap(([key, part]) => [part].flat().map((one) => [key, one] as const))
  // Of what only decides whether the other side counts, nothing else is seen.
  const labelsFor = (key: string) => (key === 'rhs' && ['and', 'unless'].includes(String(expression.op)) ? joined : kept)
  return parts.flatMap(([key, part]) => (isExpression(part) ? selectorsOf(part, labelsFor(key)) : []))
}

function isExpression(part: unknown): part is Expression {
  return (
    typeof part === 'object' &&
    part !== null &&
    'type' in part &&
    typeof part.type === 'string' &&
    !('value' in part && 'name' in part)
  )
}

/** What an expression reads and nobody exports: `metric`, or `metric{label}`. */
async function missingIn(expr: string): Promise<string[]> {
  const missing: string[] = []
  for (const { name, labels } of selectorsOf(await world.prometheus.parse(expr))) {
    const series = await world.prometheus.query(name)
    if (series.length === 0) missing.push(name)
    else for (const label of labels) if (!series.some((one) => label in one.labels)) missing.push(`${name}{${label}}`)
  }
  return missing
}

describe('UC-20 with the Prometheus operator, kube-state-metrics and Grafana', () => {
  it('every pod is found by the PodMonitors and scraped', async () => {
    const targets = await world.prometheus.targets()
    expect(
      targets.map(({ labels, health, lastError }) => [labels.container, labels.job, labels.namespace, health, lastError]),
    ).toEqual([
      ['manager', 'flux-system/flux-system', operatorNamespace, 'up', ''],
      ['kube-state-metrics', 'flux-system/kube-state-metrics', operatorNamespace, 'up', ''],
    ])
  })

  it.each(Object.keys(dashboards))('every panel of %s shows data', async (name) => {
    const { panels, templating } = await dashboard(name)
    const empty: string[] = []
    const told = labelsOf(await world.prometheus.query('gotk_resource_info'))
    for (const { title, targets = [], transformations = [] } of panels) {
      for (const { expr, legendFormat } of targets) {
        const samples = await world.prometheus.query(filled(expr))
        if (samples.length === 0) empty.push(`${title}: ${expr}`)
        const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label)
        const columns = transformations.flatMap(({ options }) => options.include?.names ?? []).filter((name) => name !== ofBuckets)
        expect(await missingIn(filled(expr)), title).toEqual([])
        for (const label of shown) expect(labelsOf(samples), `${title}: ${legendFormat}`).toContain(label)
        if (columns.length > 0) expect(told).toEqual(expect.arrayContaining(columns))
      }
    }
    expect(empty).toEqual([])
    for (const { definition } of templating.list.filter((variable) => variable.definition !== undefined)) {
      const [, series = '', label = ''] = /^label_values\((.+), (\w+)\)$/.exec(definition ?? '') ?? []
      expect(labelsOf(await world.prometheus.query(filled(series))), definition).toContain(label)
    }
  })

  it('every rule reads what is exported', async () => {
    for (const { alert, expr } of world.rules.groups.flatMap(({ rules }) => rules)) expect(await missingIn(expr), alert).toEqual([])
  })

  it('a failing Kustomization fires its alert until it is mended, and a healthy one does not', async () => {
    const { prometheus, cluster, repository } = world
    const firing = (name: string) => `ALERTS{alertname="FluxObjectNotReady", alertstate="firing", name="${name}"}`
    const [alert] = await prometheus.until(firing('broken'))
    expect(alert?.labels).toMatchObject({
      customresource_kind: 'Kustomization',
      exported_namespace: cluster.namespace,
      severity: 'warning',
    })
    await prometheus.until('ALERTS{alertname="FluxObjectStalled", alertstate="firing", name="stalled"}')
    await prometheus.until('ALERTS{alertname="FluxObjectSuspended", alertstate="firing", name="suspended"}')
    expect(await prometheus.query('ALERTS{name="app"}')).toEqual([])
    expect(await prometheus.query('ALERTS{alertname=~"SluiceDown|SluiceWithoutLeader|FluxKustomizationApplyFailing"}')).toEqual([])

    await repository.commit({ 'nowhere/a.yaml': configMap('found') }, 'add what was missing')
    await cluster.reconcile('gitrepository/app')
    await cluster.until('kustomization/broken', isReady())
    await prometheus.until(firing('broken'), (samples) => samples.length === 0)
    expect(
      await prometheus.query('gotk_resource_info{name="broken", ready="True", customresource_kind="Kustomization"}'),
    ).toHaveLength(1)
  })

  it('OBS-08 objects are told of with the labels that Flux gives them', async () => {
    const told = async (kind: string, name: string) => {
      const [sample] = await world.prometheus.query(`gotk_resource_info{customresource_kind="${kind}", name="${name}"}`)
      return sample?.labels
    }
    const { namespace } = world.cluster
    const revision = `main@sha1:${await world.repository.head()}`
    await world.prometheus.until(`gotk_resource_info{customresource_kind="Kustomization", name="app", revision="${revision}"}`)
    expect(await told('Kustomization', 'app')).toMatchObject({
      customresource_group: 'kustomize.toolkit.fluxcd.io',
      customresource_version: 'v1',
      exported_namespace: namespace,
      ready: 'True',
      revision,
      source_name: 'app',
    })
    expect(await told('Kustomization', 'suspended')).toMatchObject({ suspended: 'true' })
    expect(await told('Kustomization', 'stalled')).toMatchObject({ ready: 'False', stalled: 'True' })
    expect(await told('GitRepository', 'app')).toMatchObject({ revision, url: world.cluster.git.url('app'), ready: 'True' })
    expect(await told('HelmRelease', 'shop')).toMatchObject({
      revision: '1.0.0',
      chart_name: 'shop',
      chart_app_version: '7',
      chart_source_name: 'charts',
    })
    expect(await told('HelmRepository', 'missing')).toMatchObject({ ready: 'False' })
    expect(await told('HelmChart', `${namespace}-shop`)).toMatchObject({ revision: '1.0.0', chart_name: 'shop' })
    expect(await told('Provider', 'all')).toMatchObject({ customresource_version: 'v1beta3' })
    expect(await told('Alert', 'all')).toMatchObject({ exported_namespace: namespace })
    expect(await told('Receiver', 'push')).toMatchObject({ ready: 'True', webhook_path: expect.stringMatching(/^\/hook\//) })
  })
})

/** A column of objects that Sluice does not work on yet. */
const ofBuckets = 'endpoint'

function labelsOf(samples: readonly Sample[]): string[] {
  return [...new Set(samples.flatMap(({ labels }) => Object.keys(labels)))]
}

it('UC-20 a Prometheus without the operator finds the same with the example', async () => {
  const text = await readFile(join(monitoring, 'prometheus.yaml'), 'utf8')
  const configuration = discovering(text, { kubeconfig: world.scraper })
  await using prometheus = await startPrometheus({ ...configuration, rule_files: [] })
  await prometheus.until('count(up == 1) == 2')
  for (const expr of ['flux_reconcile_count', 'gotk_resource_info']) {
    const [sample] = await prometheus.until(expr)
    expect(sample?.labels, expr).toMatchObject({ job: 'sluice', namespace: operatorNamespace })
    expect(Object.keys(sample?.labels ?? {})).toEqual(expect.arrayContaining(['pod', 'container']))
  }
})

/** What the panels of Flux's two dashboards read, as flux2-monitoring-example has them; cAdvisor's and Loki's metrics are not ours. */
const readByFlux = [
  'sum(go_info{namespace="flux-system", pod=~".*-controller-.*"})',
  'sum(go_memstats_alloc_bytes{namespace="flux-system", pod=~".*-controller-.*"})',
  'rate(process_cpu_seconds_total{namespace="flux-system", pod=~".*-controller-.*"}[1m])',
  'max(workqueue_longest_running_processor_seconds{namespace="flux-system", pod=~".*-controller-.*"})',
  'sum(rate(rest_client_requests_total{namespace="flux-system", pod=~".*-controller-.*"}[1m]))',
  'sum(rate(rest_client_requests_total{namespace="flux-system", code!~"2.."}[1m]))',
  'workqueue_longest_running_processor_seconds{name="kustomization"}',
  'workqueue_work_duration_seconds_count',
  'histogram_quantile(0.99, sum(rate(controller_runtime_reconcile_time_seconds_bucket{controller="helmrelease"}[5m])) by (le))',
  ...['gitrepository', 'helmrepository', 'kustomization', 'helmrelease'].flatMap((controller) =>
    ['!=', '='].map(
      (is) => `sum(increase(controller_runtime_reconcile_total{controller="${controller}", result${is}"error"}[1m]))`,
    ),
  ),
  ...['GitRepository|HelmRepository', 'Kustomization|HelmRelease'].flatMap((kinds) => [
    `count(gotk_resource_info{exported_namespace=~".+", customresource_kind=~"${kinds}", ready="False"})`,
    `sum(rate(gotk_reconcile_duration_seconds_sum{namespace=~"flux-system", exported_namespace=~".+", kind=~"${kinds}"}[5m])) by (kind, name)`,
  ]),
  'gotk_resource_info{exported_namespace=~".+", suspended="true"}',
]

it('UC-20 OBS-11 the dashboards made for Flux show data', async () => {
  const { cluster, prometheus } = world
  await cluster.until('gitrepository/missing', hasCondition('Ready', 'False'))
  for (const expr of readByFlux) await prometheus.until(expr)
})

describe('docs/monitoring.md', () => {
  it('lists every metric that the program exports, with type, labels and meaning', async () => {
    const text = await readFile(join(import.meta.dirname, '../../docs/monitoring.md'), 'utf8')
    const documented = new Map(
      [...text.matchAll(/^\| `([a-z]\w+)` \| (\w+) \| ([\w, ]*) \| (.+) \|$/gm)].map(([, name = '', ...rest]) => [name, rest]),
    )
    const response = await fetch(`${world.sluice.address('metrics')}/metrics`)
    const families = parseScrape(await response.text())
    expect([...documented.keys()].toSorted()).toEqual([...families.keys()].toSorted())
    for (const [name, { type, help, series }] of families) {
      const [, labels = ''] = documented.get(name) ?? []
      const seen = new Set(
        series.flatMap((one) => Object.keys(one.labels)).filter((label) => label !== 'le' && label !== 'quantile'),
      )
      expect(documented.get(name), name).toEqual([type, labels, help])
      if (series.length > 0) expect([...seen].toSorted(), name).toEqual(labels.split(', ').filter(Boolean).toSorted())
    }
  })

  it('says of every alert what to do', async () => {
    const text = await readFile(join(import.meta.dirname, '../../docs/monitoring.md'), 'utf8')
    const documented = [...text.matchAll(/^\| `([A-Z]\w+)` \| (\w+) \| .{10,} \| .{10,} \|$/gm)].map(([, name, grave]) => [
      name,
      grave,
    ])
    const rules = world.rules.groups.flatMap((group) => group.rules)
    expect(documented).toEqual(rules.map(({ alert, labels }) => [alert, labels.severity]))
  })
})
