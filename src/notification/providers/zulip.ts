/** Zulip: a message of a bot to a topic of a channel. Source: zulip.go of notification-controller. */
import type { ProviderDefinition } from '../notifier.ts'
import { commentText } from './change-request.ts'
import { basic, channelOf, webAddress } from './target.ts'
import { cut, metadataWithin, readable } from './text.ts'

/** A message may have 10,000 characters. Source: https://zulip.com/api/send-message */
const longestContent = 10_000
/** What leaves room for metadata. */
const longestMessage = 7_000
const longestMetadata = 2_000

export const zulip: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const url = new URL('/api/v1/messages', webAddress(target, 'zulip')).href
    const form = 'the form <channel>/<topic>'
    const [to = '', ...rest] = channelOf(target, 'zulip', form).split('/')
    const topic = rest.join('/')
    if (to === '' || topic === '')
      throw new Error(`the zulip channel '${cut(target.channel, 200)}' is not of ${form}: set spec.channel`)
    if (target.username === '' || target.password === '')
      throw new Error(
        "the zulip login is incomplete: the Secret must have the keys username (the bot's e-mail) and password (its API key)",
      )
    return async (notification, sender) => {
      const event = readable(notification)
      const metadata = Object.fromEntries(
        metadataWithin(event, { total: longestMetadata }).map(([key, value]) => [safe(key), safe(value)]),
      )
      const message = safe(cut(event.message, longestMessage))
      const content = cut(commentText({ ...event, message, metadata }), longestContent)
      const body = new URLSearchParams({ type: 'stream', to, topic, content })
      await sender.send({ url, headers: basic(target), body })
    }
  },
}

/** Mentions are written as `@**all**`, `@_**name**` or `@*group*`. */
function safe(text: string): string {
  return text.replace(/@(?=_?\*)/g, '@\u200b')
}
