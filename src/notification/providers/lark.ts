/** Lark (Feishu): a card by a group's webhook. Source: lark.go of notification-controller. */
import { DeliveryError, type Incoming, objectId, type ProviderDefinition } from '../notifier.ts'
import { webAddress } from './target.ts'
import { cut, jsonBytes, metadataWithin, readable } from './text.ts'

/** A request may have 20 KB. Source: https://open.larksuite.com/document/client-docs/bot-v3/add-custom-bot */
const longestMessage = 12_000
const longestMetadata = 4_000

export const lark: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const url = webAddress(target, 'lark').href
    return async (notification, sender) => {
      const event = readable(notification)
      const isError = event.severity === 'error'
      const measure = (text: string) => jsonBytes(safe(text))
      const lines = metadataWithin(event, { total: longestMetadata, measure }).map(
        ([key, value]) => `${safe(key)}: ${safe(value)}\n`,
      )
      const content = `**${safe(cut(event.message, longestMessage, measure))}**\n\n${lines.join('')}`
      const title = { tag: 'plain_text', content: `${isError ? '🚨' : '💫'} ${objectId(event)}` }
      const card = {
        config: { wide_screen_mode: true },
        header: { title, template: isError ? 'red' : 'turquoise' },
        elements: [{ tag: 'div', text: { tag: 'lark_md', content } }],
      }
      assertTaken(await sender.send({ url, body: { msg_type: 'interactive', card } }))
    }
  },
}

/** Mentions are written as tags: `<at id=all></at>`. */
function safe(text: string): string {
  return text.replaceAll('&', '&#38;').replaceAll('<', '&#60;').replaceAll('>', '&#62;')
}

/** A refusal comes with status 200, a code and a message. */
function assertTaken(answer: Incoming): void {
  if (!answer.text.startsWith('{')) return
  const { code, msg } = answer.json() as { readonly code?: unknown; readonly msg?: unknown }
  if (code === undefined || code === 0) return
  throw new DeliveryError(`Lark responded with error ${cut(String(code), 20)}: ${cut(String(msg), 200)}`)
}
