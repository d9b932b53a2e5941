/** Google Chat: a card by a space's webhook. Source: google_chat.go of notification-controller. */
import { objectId, type ProviderDefinition } from '../notifier.ts'
import { webAddress } from './target.ts'
import { cut, escapeHtml, jsonBytes, metadataWithin, readable } from './text.ts'

/** A message may have 32,000 bytes; its text is HTML. Source: https://developers.google.com/workspace/chat/format-messages */
const longestMessage = 20_000
const longestMetadata = 6_000

export const googleChat: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const url = webAddress(target, 'googlechat').href
    return async (notification, sender) => {
      const event = readable(notification)
      const measure = (text: string) => jsonBytes(escapeHtml(text))
      const message = escapeHtml(cut(event.message, longestMessage, measure))
      const text = event.severity === 'error' ? `<font color="#ff0000">${message}</font>` : message
      const keyValues = metadataWithin(event, { total: longestMetadata, measure }).map(([key, value]) => ({
        keyValue: { topLabel: escapeHtml(key), content: escapeHtml(value), contentMultiline: false },
      }))
      const sections = [{ widgets: [{ textParagraph: { text } }] }, ...(keyValues.length > 0 ? [{ widgets: keyValues }] : [])]
      const header = { title: objectId(event), subtitle: event.reportingController }
      await sender.send({ url, body: { cards: [{ header, sections }] } })
    }
  },
}
