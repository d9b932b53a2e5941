/** incident.io: an alert of an HTTP source, which a success of the same object resolves. Source: incidentio.go of notification-controller. */
import { objectId, type ProviderDefinition } from '../notifier.ts'
import { bearer, tokenOf, webAddress } from './target.ts'
import { cut, isProgress, metadataWithin, objectKey, readable } from './text.ts'

/** No limits are documented; these keep an alert readable. Source: https://api-docs.incident.io/tag/Alert-Events-V2 */
const longestMessage = 20_000
const longestMetadata = 20_000

export const incidentIo: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const url = webAddress(target, 'incident.io').href
    const headers = bearer(tokenOf(target, 'incident.io'))
    return async (notification, sender) => {
      const event = readable(notification)
      if (isProgress(event)) return
      const { severity, reason, reportingController } = event
      const metadata = Object.fromEntries(metadataWithin(event, { total: longestMetadata, value: 4_000, count: 100 }))
      const body = {
        title: `${objectId(event)}: ${reason}`,
        status: severity === 'error' ? 'firing' : 'resolved',
        deduplication_key: objectKey(event),
        description: cut(event.message, longestMessage),
        metadata: { ...metadata, severity, reason, ...(reportingController && { reportingController }) },
      }
      await sender.send({ url, headers, body })
    }
  },
}
