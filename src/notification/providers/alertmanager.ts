/** Prometheus Alertmanager: one firing alert. Source: alertmanager.go of notification-controller, Alertmanager's API v2. */
import type { ProviderDefinition } from '../notifier.ts'
import { basic, bearer, webAddress } from './target.ts'
import { cut, metadataWithin, readable, rfc3339 } from './text.ts'

/** Alertmanager limits nothing itself; what it sends the alerts on to does. */
const longestMessage = 20_000
const longestMetadata = 20_000

export const alertmanager: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const url = webAddress(target, 'alertmanager').href
    const token = target.token ? bearer(target.token) : {}
    const headers = target.username && target.password ? basic(target) : token
    return async (notification, sender) => {
      const event = readable(notification)
      const { kind, name, namespace } = event.involvedObject
      const { summary, ...labels } = Object.fromEntries(metadataWithin(event, { total: longestMetadata, value: 4_000, count: 100 }))
      const alert = {
        status: 'firing',
        labels: {
          ...labels,
          alertname: `Flux${kind}${titleCase(event.reason)}`,
          severity: event.severity,
          reason: event.reason,
          kind,
          name,
          namespace,
          reportingcontroller: event.reportingController,
        },
        annotations: { message: cut(event.message, longestMessage), ...(summary !== undefined && { summary }) },
        // Without an end: Alertmanager resolves the alert when it has not been told again for its resolve_timeout.
        startsAt: rfc3339(event),
      }
      await sender.send({ url, headers, body: [alert] })
    }
  },
}

/** `ReconciliationFailed` → `Reconciliationfailed`, as Go's cases.Title has it. */
function titleCase(text: string): string {
  return text.replace(/[\p{L}\p{M}\p{N}_]+/gu, ([first = '', ...rest]) => first.toUpperCase() + rest.join('').toLowerCase())
}
