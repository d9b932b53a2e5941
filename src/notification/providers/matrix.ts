/** Matrix: a text message to a room. Source: matrix.go of notification-controller. */
import { createHash } from 'node:crypto'
import { objectId, type ProviderDefinition } from '../notifier.ts'
import { bearer, channelOf, tokenOf, webAddress } from './target.ts'
import { cut, jsonBytes, metadataWithin, readable } from './text.ts'

/** An event may have 65,536 bytes. Source: https://spec.matrix.org/latest/client-server-api/#size-limits */
const longestMessage = 40_000
const longestMetadata = 15_000

export const matrix: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const server = webAddress(target, 'matrix').href.replace(/\/+$/, '')
    const headers = bearer(tokenOf(target, 'matrix'))
    const room = encodeURIComponent(channelOf(target, 'matrix', 'the id of the room'))
    return async (notification, sender) => {
      const event = readable(notification)
      const head = `${event.severity === 'error' ? '🚨' : '💫'} ${objectId(event)}`
      const lines = metadataWithin(event, { total: longestMetadata, value: 4_000, measure: jsonBytes }).map(
        ([key, value]) => `- ${key}: ${value}\n`,
      )
      const body = `${head}\n${cut(event.message, longestMessage, jsonBytes)}\n${lines.join('')}`
      // The server does the same transaction once: a request that is tried again makes no second message.
      const transaction = createHash('sha1').update(JSON.stringify(notification.event)).digest('hex')
      await sender.send({
        method: 'PUT',
        url: `${server}/_matrix/client/r0/rooms/${room}/send/m.room.message/${transaction}`,
        headers,
        // With m.mentions, nobody is called by what the text happens to say.
        body: { body, msgtype: 'm.text', 'm.mentions': {} },
      })
    }
  },
}
