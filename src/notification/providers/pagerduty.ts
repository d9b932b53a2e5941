/** PagerDuty: an incident for each object that fails, resolved when it succeeds. Source: pagerduty.go of notification-controller. */
import type { Notification, ProviderDefinition } from '../notifier.ts'
import { checkName, description } from './git-host.ts'
import { channelOf, webAddress } from './target.ts'
import { cut, isProgress, metadataWithin, objectKey, readable, rfc3339 } from './text.ts'

const defaultAddress = 'https://events.pagerduty.com'
/** An event may have 512 KB, its summary 1,024 characters. Source: https://developer.pagerduty.com/docs/send-alert-event */
const longestSummary = 1_024
const longestMessage = 50_000
const longestMetadata = 50_000

export const pagerDuty: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const { origin } = webAddress({ ...target, address: target.address || defaultAddress }, 'pagerduty')
    const routing_key = channelOf(target, 'pagerduty', 'the routing key of the integration')
    return async (notification, sender) => {
      const event = readable(notification)
      if (isProgress(event)) return
      const dedup_key = cut(objectKey(event), 255)
      const payload = details({ ...notification, event })
      if (event.severity === 'error') {
        const { name: component, kind: group } = event.involvedObject
        const body = {
          routing_key,
          event_action: 'trigger',
          dedup_key,
          payload: { ...payload, severity: 'error', component, group },
        }
        await sender.send({ url: `${origin}/v2/enqueue`, body })
        return
      }
      await sender.send({ url: `${origin}/v2/enqueue`, body: { routing_key, event_action: 'resolve', dedup_key } })
      await sender.send({ url: `${origin}/v2/change/enqueue`, body: { routing_key, payload } })
    }
  },
}

function details(notification: Notification) {
  const { event } = notification
  return {
    summary: cut(`${description(notification)}: ${checkName(notification)}`, longestSummary),
    source: `Flux ${event.reportingController}`,
    timestamp: rfc3339(event),
    custom_details: {
      message: cut(event.message, longestMessage),
      metadata: Object.fromEntries(metadataWithin(event, { total: longestMetadata, value: 4_000, count: 100 })),
    },
  }
}
