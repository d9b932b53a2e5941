/** Incident services and monitoring, each against a server that checks requests as its vendor documents them. */
import { createHash } from 'node:crypto'
import { providerUid } from './git-host-fixtures.ts'
import type { Answer, Received } from './git-host-server.ts'
import { failed, involved, jsonOf, metadata, must, type Service, success, suite } from './suite.ts'

const row = 'NOT-PRV-02'
const token = 'a-token-that-nobody-sees'
const noAddress = [{ address: '' }, /address is empty: set spec\.address, or the key address of the Secret/] as const
const noUrl = [{ address: 'hooks.example.com' }, /address is no http or https URL: set spec\.address/] as const
const noToken = [{ token: '' }, /token is empty: the Secret of spec\.secretRef must have a key token/] as const

const message = 'Applied revision\nDeployment/apps/shop created'
const failureText = 'health check failed after 30s'
const timestamp = '2026-01-02T03:04:05Z'
const seconds = Date.parse(timestamp) / 1000

function mustBe(request: Received, path: string): void {
  must(request.method === 'POST', `method ${request.method}`)
  must(request.path === path, `no such path ${request.path}`)
}

function strings(value: unknown): value is Readonly<Record<string, string>> {
  return typeof value === 'object' && value !== null && Object.values(value).every((one) => typeof one === 'string')
}

// PagerDuty

const routingKey = '0123456789abcdef0123456789abcdef'
const pagerDuty = 'https://events.pagerduty.com'

function pagerDutyVendor(request: Received): Answer {
  const body = jsonOf(request, 512 * 1024) as { routing_key: string; event_action: string; dedup_key: string; payload?: unknown }
  must(body.routing_key.length === 32, "Length of 'routing_key' is incorrect (should be 32 characters)")
  if (request.path === '/v2/enqueue') {
    must(['trigger', 'acknowledge', 'resolve'].includes(body.event_action), "'event_action' is not valid")
    must(body.dedup_key && body.dedup_key.length <= 255, "'dedup_key' is missing or blank")
    if (body.event_action !== 'trigger') return { status: 202, body: { status: 'success' } }
  } else mustBe(request, '/v2/change/enqueue')
  const { summary, source, severity } = body.payload as Record<string, string>
  must(summary && summary.length <= 1_024 && source, "'payload.summary' is missing or blank")
  must(request.path !== '/v2/enqueue' || ['critical', 'warning', 'error', 'info'].includes(severity ?? ''), "'payload.severity'")
  return { status: 202, body: { status: 'success' } }
}

// Sentry

const sentryKey = 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'
const dsn = `https://${sentryKey}@o1.ingest.sentry.io/base/42`

function sentryVendor(request: Received): Answer {
  mustBe(request, '/base/api/42/envelope/')
  must(request.headers['content-type'] === 'application/x-sentry-envelope', 'content type')
  const auth = String(request.headers['x-sentry-auth'])
  must(
    auth.startsWith('Sentry ') && auth.includes('sentry_version=7') && auth.includes(`sentry_key=${sentryKey}`),
    'bad sentry auth',
  )
  const [header = '', item = '', ...rest] = request.text.split('\n')
  const payload = rest.join('\n').replace(/\n$/, '')
  const { event_id } = JSON.parse(header) as { event_id: string }
  const { type, length } = JSON.parse(item) as { type: string; length: number }
  must(length === Buffer.byteLength(payload) && length <= 1024 * 1024, 'item length')
  const event = JSON.parse(payload) as Record<string, unknown>
  must(/^[0-9a-f]{32}$/.test(event_id) && event.event_id === event_id, 'event_id')
  must(String(event.message).length <= 8_192, 'message too long')
  must(typeof event.environment === 'string' && /^[^\s/]{1,64}$/.test(event.environment), 'environment')
  if (type !== 'transaction') must(type === 'event' && event.level === 'error', 'no event')
  else {
    const { trace } = event.contexts as { trace: { trace_id: string; span_id: string } }
    must(/^[0-9a-f]{32}$/.test(trace.trace_id) && /^[0-9a-f]{16}$/.test(trace.span_id), 'trace')
    must(typeof event.start_timestamp === 'number' && Number(event.timestamp) >= event.start_timestamp, 'timestamps')
    const tags = Object.entries(event.tags as Record<string, string>)
    must(
      tags.every(([key, value]) => /^[\w.:-]{1,32}$/.test(key) && /^[^\n]{1,200}$/.test(value)),
      `tags ${JSON.stringify(tags)}`,
    )
  }
  return { status: 200, body: { id: event_id } }
}

function sentryDigest(notification: typeof success): string {
  return createHash('sha256').update(providerUid).update(JSON.stringify(notification.event)).digest('hex')
}

function sentrySent(info: boolean) {
  const digest = sentryDigest(info ? success : failed)
  const event_id = digest.slice(0, 32)
  const common = {
    event_id,
    platform: 'other',
    environment: 'staging',
    timestamp: seconds,
    transaction: 'Kustomization: apps/shop',
    message: info ? message : failureText,
  }
  const event = { ...common, level: 'error', server_name: 'kustomize-controller', contexts: { metadata } }
  const transaction = {
    ...common,
    type: 'transaction',
    start_timestamp: seconds,
    contexts: { trace: { trace_id: event_id, span_id: digest.slice(32, 48), op: 'event' } },
    spans: [],
    tags: {
      flux_involved_object_kind: 'Kustomization',
      flux_involved_object_namespace: 'apps',
      flux_involved_object_name: 'shop',
      flux_reporting_controller: 'kustomize-controller',
      flux_reporting_instance: 'pod-1',
      flux_reason: 'ReconciliationSucceeded',
      ...metadata,
    },
  }
  const payload = info ? transaction : event
  const length = Buffer.byteLength(JSON.stringify(payload))
  const envelope = [{ event_id }, { type: info ? 'transaction' : 'event', length, content_type: 'application/json' }, payload]
  return ['POST https://o1.ingest.sentry.io/base/api/42/envelope/', envelope] as const
}

// Alertmanager and Grafana: logins of two kinds

const alerts = 'https://alertmanager.example.com/api/v2/alerts/'

function alertmanager(name: string, settings: Service['settings'], authorization: string | undefined): Service {
  const labels = { env: metadata.env, revision: metadata.revision, kind: 'Kustomization', name: 'shop', namespace: 'apps' }
  const alert = (severity: string, reason: string, title: string, text: string) => [
    {
      status: 'firing',
      labels: {
        ...labels,
        alertname: `FluxKustomization${title}`,
        severity,
        reason,
        reportingcontroller: 'kustomize-controller',
      },
      annotations: { message: text, summary: metadata.summary },
      startsAt: timestamp,
    },
  ]
  return {
    name,
    row,
    type: 'alertmanager',
    settings: { address: alerts, ...settings },
    vendor(request) {
      mustBe(request, '/api/v2/alerts/')
      must(request.headers.authorization === authorization, 'unauthorized')
      const list = jsonOf(request) as unknown as { labels: unknown; annotations: unknown; startsAt: string }[]
      must(Array.isArray(list) && list.length === 1, 'no alerts')
      for (const { labels: sent, annotations, startsAt } of list) {
        must(strings(sent) && Object.keys(sent).every((key) => key !== '') && sent.alertname, 'invalid label set')
        must(strings(annotations), 'invalid annotation set')
        must(!Number.isNaN(Date.parse(startsAt)), 'startsAt must be a date-time')
      }
      return { status: 200 }
    },
    sent: {
      info: [[`POST ${alerts}`, alert('info', 'ReconciliationSucceeded', 'Reconciliationsucceeded', message)]],
      error: [[`POST ${alerts}`, alert('error', 'HealthCheckFailed', 'Healthcheckfailed', failureText)]],
    },
    lacking: [noAddress, noUrl],
  }
}

const annotations = 'https://grafana.example.com/api/annotations'

function grafana(name: string, settings: Service['settings'], authorization: string | undefined): Service {
  const tags = [
    'flux',
    'kustomize-controller',
    'kind: Kustomization',
    'name: shop',
    'namespace: apps',
    'summary: shop in production',
    'env: prod',
    `revision: ${metadata.revision.replace(':', '|')}`,
  ]
  const sent = [`POST ${annotations}`, { when: seconds, time: seconds * 1000, text: 'kustomization/shop.apps', tags }] as const
  return {
    name,
    row,
    type: 'grafana',
    settings: { address: annotations, ...settings },
    vendor(request) {
      mustBe(request, '/api/annotations')
      if (request.headers.authorization !== authorization) return { status: 401, body: { message: 'Unauthorized' } }
      const { text, time, tags: given } = jsonOf(request) as { text: string; time: number; tags: string[] }
      must(text, 'text field should not be empty')
      must(Number.isInteger(time), 'bad request data')
      must(Buffer.byteLength(JSON.stringify(given)) <= 500, 'tags length exceeds the maximum allowed')
      return { status: 200, body: { id: 1 } }
    },
    sent: { info: [sent], error: [sent] },
    lacking: [noAddress, noUrl],
    isSilent: true,
  }
}

const login = { username: 'flux', password: 'pass-that-nobody-sees' }
const basicLogin = `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`

// incident.io, Opsgenie, Datadog

const incidentIo = 'https://api.incident.io/v2/alert_events/http/01GW2G3V0S59R238FAHPDS1R66'
const opsgenie = 'https://api.opsgenie.com/v2/alerts'
const datadog = 'https://api.datadoghq.com'

function incident(info: boolean) {
  const reason = info ? 'ReconciliationSucceeded' : 'HealthCheckFailed'
  return {
    title: `kustomization/shop.apps: ${reason}`,
    status: info ? 'resolved' : 'firing',
    deduplication_key: involved.uid,
    description: info ? message : failureText,
    metadata: { ...metadata, severity: info ? 'info' : 'error', reason, reportingController: 'kustomize-controller' },
  }
}

function opsgenieAlert(info: boolean) {
  const reason = info ? 'ReconciliationSucceeded' : 'HealthCheckFailed'
  return {
    message: 'Kustomization/shop',
    alias: createHash('sha256').update(`${providerUid}/Kustomization/apps/shop/${reason}`).digest('hex'),
    description: info ? message : failureText,
    details: { ...metadata, severity: info ? 'info' : 'error' },
  }
}

function datadogEvent(info: boolean) {
  return {
    title: 'Events from the Kustomization shop/apps',
    text: info ? message : failureText,
    tags: [
      'flux_reporting_controller:kustomize-controller',
      `flux_reason:${info ? 'reconciliationsucceeded' : 'healthcheckfailed'}`,
      'kube_kind:kustomization',
      'kube_name:shop',
      'kube_namespace:apps',
      'summary:shop in production',
      'env:prod',
      `revision:${metadata.revision}`,
    ],
    source_type_name: 'fluxcd',
    date_happened: seconds,
    alert_type: info ? 'info' : 'error',
  }
}

const details = (text: string) => ({ message: text, metadata })

const services: readonly Service[] = [
  {
    name: 'PagerDuty',
    row,
    type: 'pagerduty',
    settings: { address: `${pagerDuty}/ignored`, channel: routingKey },
    vendor: pagerDutyVendor,
    sent: {
      info: [
        [`POST ${pagerDuty}/v2/enqueue`, { routing_key: routingKey, event_action: 'resolve', dedup_key: involved.uid }],
        [
          `POST ${pagerDuty}/v2/change/enqueue`,
          {
            routing_key: routingKey,
            payload: {
              summary: 'reconciliation succeeded: kustomization/shop',
              source: 'Flux kustomize-controller',
              timestamp,
              custom_details: details(message),
            },
          },
        ],
      ],
      error: [
        [
          `POST ${pagerDuty}/v2/enqueue`,
          {
            routing_key: routingKey,
            event_action: 'trigger',
            dedup_key: involved.uid,
            payload: {
              summary: 'health check failed: kustomization/shop',
              source: 'Flux kustomize-controller',
              severity: 'error',
              timestamp,
              component: 'shop',
              group: 'Kustomization',
              custom_details: details(failureText),
            },
          },
        ],
      ],
    },
    lacking: [noUrl, [{ channel: '' }, /pagerduty channel is empty: set spec\.channel to the routing key/]],
    ignoresProgress: true,
  },
  {
    name: 'incident.io',
    row,
    type: 'incident.io',
    settings: { address: incidentIo, token },
    vendor(request) {
      mustBe(request, new URL(incidentIo).pathname)
      if (request.headers.authorization !== `Bearer ${token}`) return { status: 401, body: { type: 'authentication_error' } }
      const { title, status, metadata: given } = jsonOf(request)
      must(typeof title === 'string' && title !== '', 'title is required')
      must(status === 'firing' || status === 'resolved', 'status must be firing or resolved')
      must(strings(given), 'metadata')
      return { status: 202, body: { status: 'success', deduplication_key: '1', message: 'Event accepted for processing' } }
    },
    sent: { info: [[`POST ${incidentIo}`, incident(true)]], error: [[`POST ${incidentIo}`, incident(false)]] },
    lacking: [noAddress, noUrl, noToken],
    ignoresProgress: true,
  },
  {
    name: 'Opsgenie',
    row,
    type: 'opsgenie',
    settings: { address: opsgenie, token },
    vendor(request) {
      mustBe(request, '/v2/alerts')
      if (request.headers.authorization !== `GenieKey ${token}`) return { status: 401, body: { message: 'Could not authenticate' } }
      const body = jsonOf(request) as { message: string; alias: string; description: string; details: Record<string, string> }
      must(body.message && body.message.length <= 130, 'Message can not be empty.')
      must(body.alias.length <= 512 && body.description.length <= 15_000, 'too long')
      must(strings(body.details) && Object.entries(body.details).flat().join('').length <= 8_000, 'details too long')
      return { status: 202, body: { result: 'Request will be processed' } }
    },
    sent: { info: [[`POST ${opsgenie}`, opsgenieAlert(true)]], error: [[`POST ${opsgenie}`, opsgenieAlert(false)]] },
    lacking: [noAddress, noUrl, noToken],
  },
  {
    name: 'Datadog',
    row,
    type: 'datadog',
    settings: { address: datadog, token },
    vendor(request) {
      mustBe(request, '/api/v1/events')
      if (request.headers['dd-api-key'] !== token) return { status: 403, body: { errors: ['Forbidden'] } }
      const body = jsonOf(request) as { title: string; text: string; tags: string[]; alert_type: string }
      must(body.title && body.text.length <= 4_000, 'text')
      must(
        body.tags.every((tag) => tag.length <= 200 && tag === tag.toLowerCase()),
        'tags',
      )
      must(['error', 'warning', 'info', 'success'].includes(body.alert_type), 'alert_type')
      return { status: 202, body: { status: 'ok' } }
    },
    sent: {
      info: [[`POST ${datadog}/api/v1/events`, datadogEvent(true)]],
      error: [[`POST ${datadog}/api/v1/events`, datadogEvent(false)]],
    },
    lacking: [noUrl, noToken],
  },
  {
    name: 'Sentry',
    row,
    type: 'sentry',
    settings: { address: dsn, channel: 'staging' },
    vendor: sentryVendor,
    sent: { info: [sentrySent(true)], error: [sentrySent(false)] },
    lacking: [
      [{ address: '' }, /^the sentry DSN is empty: set spec\.address, or the key address of the Secret$/],
      [{ address: 'https://o1.ingest.sentry.io/42' }, /^the sentry DSN is not of the form https:\/\/<key>@<host>\/<project>: set/],
      [{ address: `https://${sentryKey}@o1.ingest.sentry.io/` }, /^the sentry DSN is not of the form/],
    ],
  },
  alertmanager('Alertmanager', {}, undefined),
  alertmanager('Alertmanager with a token', { token }, `Bearer ${token}`),
  alertmanager('Alertmanager with a password', { token, ...login }, basicLogin),
  grafana('Grafana with a token', { token, ...login }, `Bearer ${token}`),
  grafana('Grafana with a password', login, basicLogin),
]

/** Their vendors' own addresses are what is used without one. */
const elsewhere = services
  .filter(({ type }) => type === 'pagerduty' || type === 'datadog')
  .map((service) => ({
    ...service,
    name: `${service.name} without an address`,
    settings: { ...service.settings, address: '' },
    lacking: [],
  }))

suite([...services, ...elsewhere])
