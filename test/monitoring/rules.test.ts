/** The alerts: each fires for what it is made for, with words that name it, and stays silent while all is well. By promtool. */
import { join } from 'node:path'
import { dump, load } from 'js-yaml'
import { beforeAll, describe, expect, it } from 'vitest'
import { run } from '../tools/processes.ts'
import { promtool } from '../tools/prometheus.ts'
import { findTool } from '../tools/tools.ts'

interface Rule {
  readonly alert: string
  readonly annotations: { readonly summary: string; readonly description: string }
  readonly labels: { readonly severity: string }
}

const file = join(import.meta.dirname, '../../deploy/monitoring/rules.yaml')
let text: string
let rules: readonly Rule[]

beforeAll(async () => {
  // As prometheus.yaml says for a Prometheus without the operator.
  const printed = ['annotate', '--local', '-f', file, '-o', 'jsonpath={.spec}', 'unused=true']
  text = await run(await findTool('kubectl'), printed)
  rules = (load(text) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules)
})

const app = 'customresource_kind="Kustomization", exported_namespace="apps", name="web"'
const pod = 'namespace="flux-system", pod="sluice-0", job="sluice", instance="10.0.0.1:8080"'
const sluice = { [`flux_worker_threads{${pod}}`]: '1x2000' }

/** What fires: series → their values, one a minute; then when to look, and the summary expected. */
const failures: Readonly<Record<string, { series: Readonly<Record<string, string>>; minute: number; summary: string }>> = {
  FluxObjectNotReady: {
    series: { [`gotk_resource_info{${app}, ready="False"}`]: '1x20' },
    minute: 11,
    summary: 'Kustomization apps/web is not ready',
  },
  FluxObjectStalled: {
    series: { [`gotk_resource_info{${app}, ready="False", stalled="True"}`]: '1x20' },
    minute: 11,
    summary: 'Kustomization apps/web is stalled',
  },
  FluxObjectProgressing: {
    series: { [`gotk_resource_info{${app}, ready="Unknown"}`]: '1x40' },
    minute: 31,
    summary: 'Kustomization apps/web does not come to an end',
  },
  FluxObjectSuspended: {
    series: { [`gotk_resource_info{${app}, ready="False", suspended="true"}`]: '1x1500' },
    minute: 1441,
    summary: 'Kustomization apps/web is suspended',
  },
  FluxKustomizationApplyFailing: {
    series: { [`flux_kustomization_apply_status{${pod}, exported_namespace="apps", name="web", status="failure"}`]: '1x20' },
    minute: 11,
    summary: 'Kustomization apps/web cannot be applied',
  },
  SluiceDown: { series: { [`flux_worker_threads{${pod}}`]: '1 1 _x20' }, minute: 15, summary: 'Sluice is not scraped' },
  SluiceWithoutLeader: {
    series: { [`leader_election_master_status{${pod}, name="helm-controller-leader-election-0f3ab9c1"}`]: '0x10' },
    minute: 4,
    summary: 'No pod works as helm-controller-leader-election-0f3ab9c1',
  },
  SluiceRestarting: {
    series: { [`process_start_time_seconds{${pod}}`]: '100x5 400x5 700x5 1000x5' },
    minute: 19,
    summary: 'Pod sluice-0 has restarted 3 times in half an hour',
  },
  SluiceReconcileErrors: {
    series: {
      [`flux_reconcile_count{${pod}, kind="GitRepository", result="error"}`]: '0+3x60',
      [`flux_reconcile_count{${pod}, kind="GitRepository", result="success"}`]: '0+1x60',
    },
    minute: 40,
    summary: '75% of the reconciliations of GitRepository objects fail',
  },
  SluiceSlowReconciles: {
    series: Object.fromEntries(
      [
        ['60', '0x90'],
        ['300', '0x90'],
        ['1800', '0+1x90'],
        ['+Inf', '0+1x90'],
      ].map(([le, values]) => [`flux_reconcile_duration_seconds_bucket{${pod}, kind="HelmRelease", le="${le}"}`, String(values)]),
    ),
    minute: 70,
    summary: 'A tenth of the reconciliations of HelmRelease objects take 27m 30s and more',
  },
  SluiceQueueBacklog: {
    series: { [`flux_reconcile_queue_depth{${pod}, kind="Kustomization"}`]: '25x20' },
    minute: 16,
    summary: '25 Kustomization objects wait for their turn',
  },
  SluiceEventLoopBlocked: {
    series: {
      [`flux_event_loop_delay_seconds_bucket{${pod}, le="1"}`]: '0x30',
      [`flux_event_loop_delay_seconds_bucket{${pod}, le="5"}`]: '0+10x30',
      [`flux_event_loop_delay_seconds_bucket{${pod}, le="+Inf"}`]: '0+10x30',
    },
    minute: 20,
    summary: 'Pod sluice-0 is late by 4.96s with what it does',
  },
  SluiceApiErrors: {
    series: { [`rest_client_requests_total{${pod}, code="503", method="GET"}`]: '0+60x30' },
    minute: 25,
    summary: 'The Kubernetes API answers 503 to 1 requests in a second',
  },
  SluiceArtifactStorageFull: {
    series: {
      [`flux_artifact_storage_available_bytes{${pod}}`]: '50x20',
      [`flux_artifact_storage_size_bytes{${pod}}`]: '1000x20',
    },
    minute: 11,
    summary: '5% of the volume of artifacts of pod sluice-0 is left',
  },
  SluiceEventsDropped: {
    series: { [`flux_events_dropped_total{${pod}, sink="notification", reason="full"}`]: '0x5 15x15' },
    minute: 16,
    summary: '15 events for notification were dropped in a quarter of an hour',
  },
  SluiceNotificationsFailing: {
    series: {
      [`flux_notification_duration_seconds_count{${pod}, type="slack", result="error"}`]: '0+1x40',
      [`flux_notification_duration_seconds_count{${pod}, type="slack", result="success"}`]: '0x40',
    },
    minute: 35,
    summary: '100% of the notifications to slack fail',
  },
}

/** What a cluster looks like in which nothing is wrong. */
const healthy = {
  ...sluice,
  [`gotk_resource_info{${app}, ready="True"}`]: '1x2000',
  'gotk_resource_info{customresource_kind="Alert", exported_namespace="apps", name="all"}': '1x2000',
  // An object that is suspended has whatever state it had.
  'gotk_resource_info{customresource_kind="HelmRelease", exported_namespace="apps", name="old", ready="False", suspended="true"}':
    '1x60',
  [`flux_kustomization_apply_status{${pod}, exported_namespace="apps", name="web", status="success"}`]: '1x2000',
  // What kube-state-metrics tells of is not told again.
  [`flux_kustomization_apply_status{${pod}, exported_namespace="apps", name="shop", status="failure"}`]: '1x2000',
  'gotk_resource_info{customresource_kind="Kustomization", exported_namespace="apps", name="shop", ready="True"}': '1x2000',
  // Two pods, of which one leads.
  [`leader_election_master_status{${pod}, name="helm-controller-leader-election"}`]: '1x2000',
  'leader_election_master_status{pod="sluice-1", name="helm-controller-leader-election"}': '0x2000',
  // Of another program.
  'leader_election_master_status{pod="other", name="other"}': '0x2000',
  'process_start_time_seconds{job="other", instance="other:80"}': '1+60x2000',
  'rest_client_requests_total{job="other", instance="other:80", code="503"}': '0+600x2000',
  [`process_start_time_seconds{${pod}}`]: '100x1000 200x1000',
  [`flux_reconcile_count{${pod}, kind="GitRepository", result="error"}`]: '0+1x2000',
  [`flux_reconcile_count{${pod}, kind="GitRepository", result="success"}`]: '0+3x2000',
  [`flux_reconcile_queue_depth{${pod}, kind="Kustomization"}`]: '3x2000',
  [`rest_client_requests_total{${pod}, code="409"}`]: '0+600x2000',
  [`flux_artifact_storage_available_bytes{${pod}}`]: '500x2000',
  [`flux_artifact_storage_size_bytes{${pod}}`]: '1000x2000',
  [`flux_events_dropped_total{${pod}, sink="notification", reason="rate"}`]: '0+5x2000',
  [`flux_notification_duration_seconds_count{${pod}, type="slack", result="success"}`]: '0+1x2000',
}

/** A day takes promtool long when it looks at every minute. */
function paceFor(minute: number): string {
  return minute > 100 ? '10m' : '1m'
}

/** Which alerts fire at a minute, with their summaries. */
async function firing(series: Readonly<Record<string, string>>, minute: number, expected: Readonly<Record<string, string>>) {
  const input = Object.entries(series).map(([name, values]) => ({ series: name, values }))
  const asked = rules.map(({ alert, annotations, labels }) => ({ alert, annotations, labels }))
  const test = {
    rule_files: ['rules.yaml'],
    evaluation_interval: paceFor(minute),
    tests: [
      {
        interval: '1m',
        input_series: input,
        promql_expr_test: [
          {
            expr: 'count by (alertname, severity) (ALERTS{alertstate="firing"})',
            eval_time: `${minute}m`,
            exp_samples: asked
              .filter(({ alert }) => alert in expected)
              .map(({ alert, labels }) => ({ labels: `{alertname="${alert}", severity="${labels.severity}"}`, value: 1 })),
          },
        ],
      },
    ],
  }
  return promtool(['test', 'rules', 'test.yaml'], { 'rules.yaml': text, 'test.yaml': dump(test) })
}

/** The summary that promtool says an alert has when it is told to expect none. */
async function summaryOf(alert: string, series: Readonly<Record<string, string>>, minute: number): Promise<string> {
  const tests = [
    {
      interval: '1m',
      input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
      alert_rule_test: [{ alertname: alert, eval_time: `${minute}m`, exp_alerts: [] }],
    },
  ]
  const test = dump({ rule_files: ['rules.yaml'], evaluation_interval: paceFor(minute), tests })
  const said = await promtool(['test', 'rules', 'test.yaml'], { 'rules.yaml': text, 'test.yaml': test }).catch(String)
  return /summary="([^"]*)"/.exec(said.replaceAll('\\"', "'"))?.[1] ?? said
}

describe('the rules', () => {
  it('pass what promtool checks, all of it', async () => {
    const said = await promtool(['check', 'rules', '--lint=all', '--lint-fatal', 'rules.yaml'], { 'rules.yaml': text })
    expect(said).toContain(`${rules.length} rules found`)
  })

  it('say how grave it is, what it is and what to do', () => {
    for (const { alert, labels, annotations } of rules) {
      expect(['info', 'warning', 'critical'], alert).toContain(labels.severity)
      expect(annotations.summary.length, alert).toBeGreaterThan(15)
      expect(annotations.description.length, alert).toBeGreaterThan(60)
    }
    expect(Object.keys(failures).toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted())
  })

  it.each(Object.entries(failures))('%s fires for what it is made for, alone', async (alert, { series, minute, summary }) => {
    const all = alert === 'SluiceDown' ? series : { ...sluice, ...series }
    await firing(all, minute, { [alert]: summary })
    expect(await summaryOf(alert, all, minute)).toBe(summary)
  })

  it.each([5, 45, 1_500])('are silent after %i minutes in which nothing was wrong', async (minute) => {
    await firing(healthy, minute, {})
  })
})
