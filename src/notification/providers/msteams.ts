/** Microsoft Teams: Adaptive Cards, and the old cards for connectors of Office 365. Source: teams.go of notification-controller. */
import { type Notification, objectId, type ProviderDefinition } from '../notifier.ts'
import { webAddress } from './target.ts'
import { cut, escapeHtml, jsonBytes, metadataWithin, readable } from './text.ts'

/** Webhooks take 28 KB. Source: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using */
const longestMessage = 18_000
const facts = { total: 6_000, value: 2_000 }

export const msteams: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const url = webAddress(target, 'msteams')
    const card = url.hostname.endsWith('.webhook.office.com') ? messageCard : adaptiveCard
    return async (notification, sender) => {
      await sender.send({ url: url.href, body: card(readable(notification)) })
    }
  },
}

/** Teams knows version 1.4. Source: https://adaptivecards.io/explorer */
function adaptiveCard(event: Notification['event']): object {
  const measure = (text: string) => jsonBytes(unlinked(text))
  const pairs = metadataWithin(event, { ...facts, measure })
  const items = [
    { type: 'TextBlock', text: objectId(event), size: 'large', weight: 'bolder', wrap: true },
    {
      type: 'TextBlock',
      text: unlinked(cut(event.message, longestMessage, measure)),
      ...(event.severity === 'error' && { color: 'attention' }),
      wrap: true,
    },
    { type: 'FactSet', facts: pairs.map(([key, value]) => ({ title: unlinked(key), value: unlinked(value) })) },
  ]
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    msteams: { width: 'Full' },
    body: [{ type: 'Container', items }],
  }
  return { type: 'message', attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content }] }
}

/** Source: https://learn.microsoft.com/outlook/actionable-messages/message-card-reference */
function messageCard(event: Notification['event']): object {
  const safe = (text: string) => escapeHtml(unlinked(text))
  const measure = (text: string) => jsonBytes(safe(text))
  const pairs = metadataWithin(event, { ...facts, measure })
  return {
    '@type': 'MessageCard',
    '@context': 'http://schema.org/extensions',
    themeColor: event.severity === 'error' ? 'FF0000' : '0076D7',
    summary: objectId(event),
    sections: [
      {
        activityTitle: safe(cut(event.message, longestMessage, measure)),
        activitySubtitle: objectId(event),
        facts: pairs.map(([key, value]) => ({ name: safe(key), value: safe(value) })),
      },
    ],
  }
}

/** A link of Markdown would hide where it leads. */
function unlinked(text: string): string {
  return text.replaceAll('](', ']\u200b(')
}
