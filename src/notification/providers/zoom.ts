/** Zoom Team Chat: a message by the Incoming Webhook app. Source: zoom.go of notification-controller. */
import { objectId, type ProviderDefinition } from '../notifier.ts'
import { tokenOf, webAddress } from './target.ts'
import { cut, metadataWithin, readable } from './text.ts'

/** A chat message has 4,096 characters at most. Its text means itself: Markdown is off unless asked for. */
const longestMessage = 4_000
const longestMetadata = 4_000

export const zoom: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const url = webAddress(target, 'zoom')
    // The plain form of messages takes nothing but a text.
    if (!url.searchParams.get('format')) url.searchParams.set('format', 'full')
    const authorization = tokenOf(target, 'zoom') // without a scheme
    return async (notification, sender) => {
      const event = readable(notification)
      const items = metadataWithin(event, { total: longestMetadata }).map(([key, value]) => ({ key, value }))
      const message = { type: 'message', text: cut(event.message, longestMessage) }
      const body = items.length > 0 ? [message, { type: 'fields', items }] : [message]
      const head = { text: objectId(event), sub_head: { text: event.severity } }
      await sender.send({ url: url.href, headers: { authorization }, body: { content: { head, body } } })
    }
  },
}
