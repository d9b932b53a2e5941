/** Datadog: an event with tags. Source: datadog.go of notification-controller. */
import type { Notification, ProviderDefinition } from '../notifier.ts'
import { tokenOf, webAddress } from './target.ts'
import { cut, epochSeconds, metadataWithin, readable } from './text.ts'

const defaultAddress = 'https://api.datadoghq.com'
/** Source: https://docs.datadoghq.com/api/latest/events/#post-an-event-v1, …/getting_started/tagging */
const longestText = 4_000
const longestTag = 200

export const datadog: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const { origin } = webAddress({ ...target, address: target.address || defaultAddress }, 'datadog')
    const headers = { 'dd-api-key': tokenOf(target, 'datadog') }
    return async (notification, sender) => {
      const event = readable(notification)
      const { kind, name, namespace } = event.involvedObject
      const body = {
        title: `Events from the ${kind} ${name}/${namespace}`,
        text: cut(event.message, longestText),
        tags: tags(event),
        source_type_name: 'fluxcd',
        date_happened: epochSeconds(event),
        alert_type: event.severity,
      }
      await sender.send({ url: `${origin}/api/v1/events`, headers, body })
    }
  },
}

function tags(event: Notification['event']): string[] {
  const { kind, name, namespace } = event.involvedObject
  const own = [
    `flux_reporting_controller:${event.reportingController}`,
    `flux_reason:${event.reason}`,
    `kube_kind:${kind}`,
    `kube_name:${name}`,
    `kube_namespace:${namespace}`,
  ]
  const others = metadataWithin(event, { total: 20_000, count: 80 }).map(([key, value]) => `${key}:${value}`)
  return [...own, ...others].map((tag) => cut(tag.toLowerCase(), longestTag))
}
