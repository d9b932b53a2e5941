/**
 * Grafana's dashboards, written down as what they show. `node deploy/monitoring/dashboards.ts` writes them into the folder beside this
 * file; Grafana wants a dozen lines of JSON for each panel.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

interface Panel {
  readonly title: string
  readonly description: string
  readonly type: 'stat' | 'timeseries' | 'table'
  /** As Grafana names units: `s`, `bytes`, `ops`, `percentunit`, `short`. */
  readonly unit: string
  /** Of 24. */
  readonly width: number
  /** Legend → expression; without a legend Grafana makes one. */
  readonly targets: Readonly<Record<string, string>>
  /** Of a table: label → heading, in this order. */
  readonly columns?: Readonly<Record<string, string>>
}

interface Row {
  readonly title: string
  readonly panels: readonly Panel[]
}

interface Variable {
  readonly name: string
  readonly label: string
  /** As `label_values(metric, label)`. */
  readonly query: string
  readonly several: boolean
}

interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly description: string
  readonly variables: readonly Variable[]
  readonly rows: readonly Row[]
}

const datasource = { type: 'prometheus', uid: `\${datasource}` }
const heights = { stat: 4, timeseries: 8, table: 9 }

function stat(title: string, unit: string, description: string, expr: string): Panel {
  return { title, description, type: 'stat', unit, width: 4, targets: { '': expr } }
}

function graph(title: string, unit: string, description: string, targets: Panel['targets']): Panel {
  return { title, description, type: 'timeseries', unit, width: 8, targets }
}

function table(title: string, description: string, expr: string, columns: NonNullable<Panel['columns']>): Panel {
  return { title, description, type: 'table', unit: 'short', width: 24, targets: { '': expr }, columns }
}

/** A quantile of a histogram, by labels. */
function quantile(q: number, histogram: string, selector: string, by = ''): string {
  const labels = ['le', ...by.split(' ').filter(Boolean)].join(', ')
  return `histogram_quantile(${q}, sum by (${labels}) (rate(${histogram}_bucket{${selector}}[$__rate_interval])))`
}

function rate(metric: string, selector: string, by: string): string {
  return `sum by (${by.replaceAll(' ', ', ')}) (rate(${metric}{${selector}}[$__rate_interval]))`
}

const ours = 'namespace="$operator_namespace", pod=~"$pod"'
/** Of what other programs export under the same names, these are Sluice's. */
const controllers = 'controller=~"$controller"'

const controlPlane: Dashboard = {
  uid: 'sluice-control-plane',
  title: 'Sluice / control plane',
  description: 'How Sluice itself is: work, queues, API, events, process.',
  variables: [
    {
      name: 'operator_namespace',
      label: 'Namespace of Sluice',
      query: 'label_values(flux_worker_threads, namespace)',
      several: false,
    },
    {
      name: 'pod',
      label: 'Pod',
      query: 'label_values(flux_worker_threads{namespace="$operator_namespace"}, pod)',
      several: true,
    },
    {
      name: 'controller',
      label: 'Kind',
      query: 'label_values(flux_reconcile_queue_depth{namespace="$operator_namespace"}, controller)',
      several: true,
    },
  ],
  rows: [
    {
      title: 'At a glance',
      panels: [
        stat('Pods', 'short', 'Pods of Sluice that are scraped.', `count(flux_worker_threads{${ours}})`),
        stat(
          'Leases held',
          'short',
          'How many of the controllers have a pod that works as them. 0 where leader election is off.',
          `sum(leader_election_master_status{${ours}})`,
        ),
        stat(
          'Shortest uptime',
          's',
          'Since the youngest pod started: a small number after no roll-out is a crash.',
          `time() - max(process_start_time_seconds{${ours}})`,
        ),
        stat(
          'Reconciliations',
          'ops',
          'Runs that ended, of all kinds.',
          `sum(rate(flux_reconcile_count{${ours}}[$__rate_interval]))`,
        ),
        stat(
          'Share that fails',
          'percentunit',
          'Runs that ended with an error or stalled. A few failing objects that are tried again and again raise it.',
          `sum(rate(flux_reconcile_count{${ours}, result=~"error|stalled"}[$__rate_interval])) / sum(rate(flux_reconcile_count{${ours}}[$__rate_interval]))`,
        ),
        stat(
          'Waiting for a worker',
          'short',
          'Objects that are due and find every worker busy.',
          `sum(flux_reconcile_queue_depth{${ours}})`,
        ),
      ],
    },
    {
      title: 'Reconciliations',
      panels: [
        graph('By kind', 'ops', 'Runs that ended.', {
          '{{kind}}': rate('flux_reconcile_count', `${ours}, ${controllers}`, 'kind'),
        }),
        graph('By outcome', 'ops', 'waiting: for a source, a dependency or health; preempted: something new came in between.', {
          '{{result}}': rate('flux_reconcile_count', `${ours}, ${controllers}`, 'result'),
        }),
        graph('Failures by reason', 'ops', 'The reason is that of the Ready condition.', {
          '{{kind}} {{reason}}': rate('flux_reconcile_errors_total', `${ours}, ${controllers}`, 'kind reason'),
        }),
        graph('Duration (90 % are faster)', 's', 'From the start of a run to its end, waits for health included.', {
          '{{kind}}': quantile(0.9, 'flux_reconcile_duration_seconds', `${ours}, ${controllers}`, 'kind'),
        }),
        graph('Objects that wait for a worker', 'short', 'More than a few for long: raise --concurrent.', {
          '{{kind}}': `sum by (kind) (flux_reconcile_queue_depth{${ours}, ${controllers}})`,
        }),
        graph('Wait in the queue (90 % are faster)', 's', 'From the time that an object was due until a worker took it.', {
          '{{name}}': quantile(0.9, 'workqueue_queue_duration_seconds', `${ours}, name=~"$controller"`, 'name'),
        }),
        graph('Busy workers', 'percentunit', 'Runs that are parked until something is healthy hold no worker.', {
          '{{controller}}': `sum by (controller) (controller_runtime_active_workers{${ours}, ${controllers}}) / sum by (controller) (controller_runtime_max_concurrent_reconciles{${ours}, ${controllers}})`,
        }),
        graph('Retries', 'ops', 'Runs that were planned because the one before failed.', {
          '{{name}}': rate('workqueue_retries_total', `${ours}, name=~"$controller"`, 'name'),
        }),
        graph('Longest run now', 's', 'The age of the oldest run that has not ended.', {
          '{{name}}': `max by (name) (workqueue_longest_running_processor_seconds{${ours}, name=~"$controller"})`,
        }),
      ],
    },
    {
      title: 'Fetching, building, rendering',
      panels: [
        graph('Tasks', 'ops', 'What the worker threads do; an object that has not changed costs none but the look at its source.', {
          '{{task}} {{result}}': rate('flux_task_duration_seconds_count', ours, 'task result'),
        }),
        graph('Duration of tasks (90 % are faster)', 's', 'The wait for a thread included.', {
          '{{task}}': quantile(0.9, 'flux_task_duration_seconds', ours, 'task'),
        }),
        graph('Worker threads', 'short', 'Tasks that wait for a thread for long: give the pod more processor time.', {
          threads: `sum(flux_worker_threads{${ours}})`,
          '{{state}} tasks': `sum by (state) (flux_worker_tasks{${ours}})`,
        }),
        graph('Kustomize builds', 'ops', 'Builds that were run. What reads nothing that has changed is not built again.', {
          builds: `sum(rate(flux_kustomization_builds_total{${ours}}[$__rate_interval]))`,
        }),
        graph('Helm actions', 'ops', 'Installs, upgrades, rollbacks, uninstalls and tests that ended.', {
          '{{action}} {{result}}': rate('flux_helm_action_duration_seconds_count', ours, 'action result'),
        }),
        graph('Duration of Helm actions (90 % are faster)', 's', 'Hooks and waits for health included.', {
          '{{action}}': quantile(0.9, 'flux_helm_action_duration_seconds', ours, 'action'),
        }),
        graph('Artifacts stored', 'ops', 'New revisions of sources.', {
          '{{kind}}': rate('flux_artifacts_stored_total', ours, 'kind'),
        }),
        graph('Bytes stored', 'Bps', 'Size of the artifacts of new revisions.', {
          '{{kind}}': rate('flux_artifacts_stored_bytes_total', ours, 'kind'),
        }),
        graph('Volume of artifacts', 'bytes', 'When nothing is left no source can store what is new.', {
          'artifacts {{pod}}': `flux_artifact_storage_used_bytes{${ours}}`,
          'left {{pod}}': `flux_artifact_storage_available_bytes{${ours}}`,
          'size {{pod}}': `flux_artifact_storage_size_bytes{${ours}}`,
        }),
      ],
    },
    {
      title: 'Kubernetes API',
      panels: [
        graph('Requests by answer', 'reqps', '<error> is no answer at all. 409 is usual in small numbers.', {
          '{{code}}': rate('rest_client_requests_total', ours, 'code'),
        }),
        graph('Duration of requests (90 % are faster)', 's', 'Watches last until they end, that is minutes.', {
          '{{verb}}': quantile(0.9, 'rest_client_request_duration_seconds', `${ours}, verb!="watch"`, 'verb'),
        }),
        graph('Objects in memory', 'short', 'Of these Sluice knows the state without asking.', {
          '{{kind}}': `sum by (kind) (flux_cached_objects{${ours}})`,
        }),
      ],
    },
    {
      title: 'Events, notifications, webhooks',
      panels: [
        graph('Notifications', 'ops', 'Sent to the services of Providers.', {
          '{{type}} {{result}}': rate('flux_notification_duration_seconds_count', ours, 'type result'),
        }),
        graph('Duration of notifications (90 % are faster)', 's', 'Retries included.', {
          '{{type}}': quantile(0.9, 'flux_notification_duration_seconds', ours, 'type'),
        }),
        graph('Events on their way', 'short', 'To the Kubernetes API, to --events-addr, or to Providers.', {
          '{{sink}}': `sum by (sink) (flux_events_waiting{${ours}})`,
        }),
        graph('Events that were not sent', 'ops', 'full and failed are losses; rate is what would only have repeated itself.', {
          '{{sink}} {{reason}}': rate('flux_events_dropped_total', ours, 'sink reason'),
        }),
        graph('Calls of Receivers', 'reqps', 'Webhooks by answer; 400 and 404 are of callers who were refused.', {
          '{{code}}': rate('gotk_receiver_http_request_duration_seconds_count', ours, 'code'),
        }),
        graph('Events of other programs', 'reqps', 'By answer: 202 was taken, 429 was told already.', {
          '{{code}}': rate('gotk_event_http_request_duration_seconds_count', ours, 'code'),
        }),
      ],
    },
    {
      title: 'Process',
      panels: [
        graph('Processor time', 'short', 'Cores in use, worker threads included.', {
          '{{pod}}': `rate(process_cpu_seconds_total{${ours}}[$__rate_interval])`,
        }),
        graph('Memory', 'bytes', 'What the container uses, and what the main thread has of it for objects.', {
          'resident {{pod}}': `process_resident_memory_bytes{${ours}}`,
          'heap {{pod}}': `nodejs_heap_size_used_bytes{${ours}}`,
        }),
        graph(
          'Delay of the main thread (99 % are less)',
          's',
          'What it adds to every request and lease renewal. More than a second is dangerous.',
          {
            '{{pod}}': quantile(0.99, 'flux_event_loop_delay_seconds', ours, 'pod'),
          },
        ),
        graph('Garbage collection', 'percentunit', 'Share of the time of the main thread.', {
          '{{pod}}': rate('nodejs_gc_duration_seconds_sum', ours, 'pod'),
        }),
        graph('Open files', 'short', 'Connections included.', { '{{pod}}': `process_open_fds{${ours}}` }),
        graph('Leaders', 'short', '1: the pod works as this controller.', {
          '{{pod}} {{name}}': `leader_election_master_status{${ours}}`,
        }),
      ],
    },
  ],
}

const objects = 'exported_namespace=~"$namespace", customresource_kind=~"$kind"'
const runs = 'exported_namespace=~"$namespace", kind=~"$kind"'
const about = { customresource_kind: 'Kind', exported_namespace: 'Namespace', name: 'Name' }

function count(selector: string): string {
  return `count(gotk_resource_info{${objects}${selector && `, ${selector}`}}) or vector(0)`
}

const cluster: Dashboard = {
  uid: 'sluice-cluster',
  title: 'Sluice / cluster',
  description: 'How the objects are that Sluice works on. Needs the kube-state-metrics of deploy/monitoring.',
  variables: [
    { name: 'namespace', label: 'Namespace', query: 'label_values(gotk_resource_info, exported_namespace)', several: true },
    { name: 'kind', label: 'Kind', query: 'label_values(gotk_resource_info, customresource_kind)', several: true },
  ],
  rows: [
    {
      title: 'At a glance',
      panels: [
        stat('Objects', 'short', 'Of these namespaces and kinds.', count('')),
        stat('Ready', 'short', 'They are what their spec says.', count('ready="True"')),
        stat('Failing', 'short', 'They are tried again and again.', count('ready="False", stalled!="True"')),
        stat('Stalled', 'short', 'They wait for somebody to change them.', count('stalled="True"')),
        stat('In progress', 'short', 'Neither ready nor failed yet.', count('ready="Unknown"')),
        stat('Suspended', 'short', 'Nobody works on them.', count('suspended="true"')),
      ],
    },
    {
      title: 'What needs attention',
      panels: [
        table(
          'Not ready',
          'Their Ready conditions say why: flux get all -A --status-selector ready=false',
          `gotk_resource_info{${objects}, ready=~"False|Unknown"}`,
          { ...about, ready: 'Ready', stalled: 'Stalled', suspended: 'Suspended', revision: 'Last revision' },
        ),
        table('Suspended', 'Git and cluster may differ here.', `gotk_resource_info{${objects}, suspended="true"}`, {
          ...about,
          ready: 'Ready',
          revision: 'Last revision',
        }),
      ],
    },
    {
      title: 'Inventory',
      panels: [
        table(
          'Applications',
          'What is deployed, and from where.',
          `gotk_resource_info{${objects}, customresource_kind=~"Kustomization|HelmRelease"}`,
          {
            ...about,
            ready: 'Ready',
            revision: 'Revision',
            source_name: 'Source',
            chart_name: 'Chart',
            chart_app_version: 'Application version',
            chart_source_name: 'Source of the chart',
          },
        ),
        table(
          'Sources',
          'What was fetched last.',
          `gotk_resource_info{${objects}, customresource_kind=~"GitRepository|OCIRepository|Bucket|HelmRepository|HelmChart"}`,
          { ...about, ready: 'Ready', revision: 'Revision', url: 'Address', chart_name: 'Chart', endpoint: 'Endpoint' },
        ),
      ],
    },
    {
      title: 'Over time',
      panels: [
        graph('Not ready', 'short', 'Objects that fail, stall or are in progress.', {
          '{{customresource_kind}}': `count by (customresource_kind) (gotk_resource_info{${objects}, ready=~"False|Unknown"})`,
        }),
        graph('Reconciliations', 'ops', 'Runs that ended.', {
          '{{kind}}': rate('gotk_reconcile_duration_seconds_count', runs, 'kind'),
        }),
        graph('Duration', 's', 'Of a run on average, waits for health included.', {
          '{{kind}}': `${rate('gotk_reconcile_duration_seconds_sum', runs, 'kind')} / ${rate('gotk_reconcile_duration_seconds_count', runs, 'kind')}`,
        }),
        graph('Slowest objects', 's', 'The ten whose runs take longest on average.', {
          '{{kind}} {{exported_namespace}}/{{name}}': `topk(10, ${rate('gotk_reconcile_duration_seconds_sum', runs, 'kind exported_namespace name')} / ${rate('gotk_reconcile_duration_seconds_count', runs, 'kind exported_namespace name')})`,
        }),
        graph('Busiest objects', 'ops', 'The ten that are worked on most often: something asks for it, or they fail.', {
          '{{kind}} {{exported_namespace}}/{{name}}': `topk(10, ${rate('gotk_reconcile_duration_seconds_count', runs, 'kind exported_namespace name')})`,
        }),
        graph('Kustomizations by their last apply', 'short', 'Those that could not be applied keep what they applied before.', {
          '{{status}}': 'count by (status) (flux_kustomization_apply_status{exported_namespace=~"$namespace"})',
        }),
      ],
    },
  ],
}

/** The dashboards as Grafana loads them, by file name. */
export const dashboards = { 'control-plane.json': grafana(controlPlane), 'cluster.json': grafana(cluster) }

function grafana({ uid, title, description, variables, rows }: Dashboard): object {
  return {
    uid,
    title,
    description,
    tags: ['flux', 'sluice'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
        ...variables.map(({ name, label, query, several }) => ({
          name,
          label,
          type: 'query',
          datasource,
          definition: query,
          query: { query, refId: name },
          refresh: 2,
          sort: 1,
          ...(several && { multi: true, includeAll: true, current: { text: ['All'], value: ['$__all'] } }),
        })),
      ],
    },
    panels: panelsOf(rows),
  }
}

/** Laid out from left to right, a heading above each row. */
function panelsOf(rows: readonly Row[]): object[] {
  const placed: object[] = []
  let y = 0
  for (const { title, panels } of rows) {
    placed.push({ id: placed.length + 1, type: 'row', title, collapsed: false, panels: [], gridPos: { x: 0, y, w: 24, h: 1 } })
    y += 1
    let x = 0
    let tallest = 0
    for (const panel of panels) {
      const height = heights[panel.type]
      if (x + panel.width > 24) {
        x = 0
        y += tallest
        tallest = 0
      }
      placed.push({ id: placed.length + 1, ...grafanaPanel(panel), gridPos: { x, y, w: panel.width, h: height } })
      x += panel.width
      tallest = Math.max(tallest, height)
    }
    y += tallest
  }
  return placed
}

function grafanaPanel({ title, description, type, unit, targets, columns }: Panel): object {
  const isTable = type === 'table'
  return {
    type,
    title,
    description,
    datasource,
    fieldConfig: { defaults: { unit, ...(type !== 'timeseries' && { noValue: isTable ? 'none' : '–' }) }, overrides: [] },
    options: type === 'stat' ? { colorMode: 'none', graphMode: 'area', reduceOptions: { calcs: ['lastNotNull'] } } : {},
    targets: Object.entries(targets).map(([legendFormat, expr], index) => ({
      refId: String.fromCharCode(65 + index),
      datasource,
      expr,
      legendFormat: legendFormat || '__auto',
      ...(isTable && { format: 'table', instant: true }),
    })),
    ...(columns && { transformations: columnsOnly(columns) }),
  }
}

/** Of a table's labels only these, in this order, under these headings. */
function columnsOnly(columns: Readonly<Record<string, string>>): object[] {
  const names = Object.keys(columns)
  return [
    { id: 'filterFieldsByName', options: { include: { names } } },
    {
      id: 'organize',
      options: {
        excludeByName: {},
        indexByName: Object.fromEntries(names.map((name, index) => [name, index])),
        renameByName: columns,
      },
    },
  ]
}

if (import.meta.main) {
  const folder = join(import.meta.dirname, 'dashboards')
  await mkdir(folder, { recursive: true })
  for (const [name, dashboard] of Object.entries(dashboards))
    await writeFile(join(folder, name), `${JSON.stringify(dashboard, null, 2)}\n`)
}
