/** Sentry: failures as events, the rest as transactions, in envelopes. Source: sentry.go of notification-controller. */
import { createHash } from 'node:crypto'
import type { Notification, ProviderDefinition, Target } from '../notifier.ts'
import { cut, epochSeconds, metadataWithin, readable } from './text.ts'

/** Source: https://develop.sentry.dev/sdk/data-model/event-payloads/ */
const longestMessage = 8_000
const longestTagKey = 32
const longestTag = 200

export const sentry: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const { url, auth } = readDsn(target)
    return async (notification, sender) => {
      const { type, payload } = item(notification, target)
      const text = JSON.stringify(payload)
      const header = { type, length: Buffer.byteLength(text), content_type: 'application/json' }
      await sender.send({
        url,
        headers: { 'content-type': 'application/x-sentry-envelope', 'x-sentry-auth': auth },
        body: `${JSON.stringify({ event_id: payload.event_id })}\n${JSON.stringify(header)}\n${text}\n`,
      })
    }
  },
}

/** `https://<key>@<host>/<path>/<project>`. Source: https://develop.sentry.dev/sdk/foundations/transport/authentication/ */
function readDsn({ address }: Target): { readonly url: string; readonly auth: string } {
  if (address === '') throw new Error('the sentry DSN is empty: set spec.address, or the key address of the Secret')
  const dsn = URL.parse(address)
  const [, path = '', project = ''] = /^(.*)\/([^/]+)\/?$/.exec(dsn?.pathname ?? '') ?? []
  if (!dsn || !/^https?:$/.test(dsn.protocol) || dsn.username === '' || project === '')
    throw new Error(
      'the sentry DSN is not of the form https://<key>@<host>/<project>: set spec.address, or the key address of the Secret',
    )
  const secret = dsn.password && `, sentry_secret=${dsn.password}`
  return {
    url: `${dsn.protocol}//${dsn.host}${path}/api/${project}/envelope/`,
    auth: `Sentry sentry_version=7, sentry_client=sluice/1.0, sentry_key=${dsn.username}${secret}`,
  }
}

interface Item {
  readonly type: 'event' | 'transaction'
  readonly payload: { readonly event_id: string } & Readonly<Record<string, unknown>>
}

function item(notification: Notification, { channel, providerUid }: Target): Item {
  const event = readable(notification)
  const { kind, namespace, name } = event.involvedObject
  // Made from the event: what is sent again is known to Sentry.
  const digest = createHash('sha256').update(providerUid).update(JSON.stringify(notification.event)).digest('hex')
  const common = {
    event_id: digest.slice(0, 32),
    platform: 'other',
    environment: channel || 'production',
    timestamp: epochSeconds(event),
    transaction: `${kind}: ${namespace}/${name}`,
    message: cut(event.message, longestMessage),
  }
  const metadata = Object.fromEntries(metadataWithin(event, { total: 20_000, value: 4_000, count: 50 }))
  if (event.severity === 'error') {
    const contexts = { metadata }
    return { type: 'event', payload: { ...common, level: 'error', server_name: event.reportingController, contexts } }
  }
  const trace = { trace_id: digest.slice(0, 32), span_id: digest.slice(32, 48), op: 'event' }
  const span = { start_timestamp: common.timestamp, contexts: { trace }, spans: [], tags: tags(event, metadata) }
  return { type: 'transaction', payload: { ...common, type: 'transaction', ...span } }
}

function tags(event: Notification['event'], metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { kind, namespace, name } = event.involvedObject
  const own = {
    flux_involved_object_kind: kind,
    flux_involved_object_namespace: namespace,
    flux_involved_object_name: name,
    flux_reporting_controller: event.reportingController,
    flux_reporting_instance: event.reportingInstance ?? '',
    flux_reason: event.reason,
  }
  const all = Object.entries({ ...own, ...metadata }).filter(([, value]) => value !== '')
  return Object.fromEntries(all.map(([key, value]) => [tagKey(key), cut(value.replaceAll('\n', ' '), longestTag)]))
}

/** Sentry throws other tags away. */
function tagKey(key: string): string {
  return key.replace(/[^\w.:-]/g, '_').slice(0, longestTagKey)
}
