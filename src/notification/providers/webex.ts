/** Webex: a message of a bot to a room. Source: webex.go of notification-controller. */
import { objectId, type ProviderDefinition } from '../notifier.ts'
import { bearer, channelOf, tokenOf, webAddress } from './target.ts'
import { cut, metadataWithin, readable } from './text.ts'

/** A message may have 7,439 bytes. Source: https://developer.webex.com/docs/api/v1/messages/create-a-message */
const longestMessage = 5_000
const longestMetadata = 1_500

export const webex: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const url = webAddress(target, 'webex').href
    const headers = bearer(tokenOf(target, 'webex'))
    const roomId = channelOf(target, 'webex', 'the id of the room')
    return async (notification, sender) => {
      const event = readable(notification)
      const measure = (text: string) => Buffer.byteLength(safe(text))
      const head = `${event.severity === 'error' ? '💣' : '✅'} **${objectId(event)}**\n`
      const lines = metadataWithin(event, { total: longestMetadata, value: 500, measure }).map(
        ([key, value]) => `>**${safe(key)}**: ${safe(value)}\n`,
      )
      const markdown = `${head}${safe(cut(event.message, longestMessage, measure))}\n${lines.join('')}`
      await sender.send({ url, headers, body: { roomId, markdown } })
    }
  },
}

/** Mentions are written as tags: `<@all>`. */
function safe(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
