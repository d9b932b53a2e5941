/** Telegram: a message of a bot. The address is Telegram's own, whatever the Provider says. Source: telegram.go of notification-controller. */
import type { ProviderDefinition } from '../notifier.ts'
import { channelOf, tokenOf } from './target.ts'
import { cut, metadataWithin, readable } from './text.ts'

/** A message may have 4,096 characters, not counting what escapes them. Source: https://core.telegram.org/bots/api#sendmessage */
const longestMessage = 2_100
const longestMetadata = 1_000

export const telegram: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const channel = channelOf(target, 'telegram', 'the id of the chat, or <chat>:<topic>')
    const url = `https://api.telegram.org/bot${tokenOf(target, 'telegram')}/sendMessage`
    return async (notification, sender) => {
      const event = readable(notification)
      const { kind, name, namespace } = event.involvedObject
      const head = `${event.severity === 'error' ? '🚨' : '💫'} ${kind.toLowerCase()}/${name}/${namespace}`
      const lines = metadataWithin(event, { total: longestMetadata, value: 500, count: 20 }).map(
        ([key, value]) => `\\- *${escaped(key)}*: ${escaped(value)}\n`,
      )
      const text = `*${escaped(head)}*\n${escaped(cut(event.message, longestMessage))}\n${lines.join('')}`
      const [chat = '', ...topic] = channel.split(':')
      const thread = topic.length > 0 ? { message_thread_id: topic.join(':') } : {}
      await sender.send({ url, body: { chat_id: chat, ...thread, text, parse_mode: 'MarkdownV2' } })
    }
  },
}

/** Source: https://core.telegram.org/bots/api#markdownv2-style */
function escaped(text: string): string {
  return text.replace(/[\\.\-_[\]()~>`#+=|{}!*]/g, '\\$&')
}
