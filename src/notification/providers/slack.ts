/**
 * Slack and what takes its messages: Mattermost as type slack, Discord, Rocket.Chat.
 * Source: slack.go, discord.go and rocket.go of notification-controller.
 */
import { DeliveryError, type Incoming, type Notification, objectId, type ProviderDefinition, type Target } from '../notifier.ts'
import { bearer, channelOf, tokenOf, webAddress } from './target.ts'
import { cut, escapeHtml, metadataWithin, readable, unmentioned } from './text.ts'

/** It answers with status 200 whatever happened. Source: https://docs.slack.dev/reference/methods/chat.postMessage */
const apiAddress = 'https://slack.com/api/chat.postMessage'

/** An incoming webhook, or the API with a bot's token. Slack cuts attachments at 8,000 characters. */
export const slack: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const url = webAddress(target, 'slack').href
    if (url === apiAddress) {
      tokenOf(target, 'slack')
      channelOf(target, 'slack', 'the channel to post to')
    }
    const headers = target.token ? bearer(target.token) : {}
    return async (notification, sender) => {
      const body = message(notification, named(target, notification), {
        longest: { text: 7_900, fields: 4_000, field: 2_000 },
        colors: { info: 'good', error: 'danger' },
        safe: (text) => escapeHtml(unmentioned(text)),
      })
      const answer = await sender.send({ url, headers, body })
      if (url === apiAddress) assertOk(answer)
    }
  },
}

function assertOk(answer: Incoming): void {
  const { ok, error } = Object(answer.json()) as { readonly ok?: unknown; readonly error?: unknown }
  if (ok !== true) throw new DeliveryError(`Slack responded with error: ${cut(String(error), 200)}`)
}

/**
 * The webhook's form for Slack messages, which become embeds: at most 6,000 characters of text in all, and nothing empty.
 * Source: https://discord.com/developers/docs/resources/webhook#execute-slackcompatible-webhook, …/resources/message#embed-object-embed-limits
 */
export const discord: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const url = webAddress(target, 'discord')
    if (!url.pathname.endsWith('/slack')) url.pathname = `${url.pathname.replace(/\/+$/, '')}/slack`
    return async (notification, sender) => {
      const body = message(
        notification,
        { username: cut(named(target, notification).username, 80), channel: '' },
        {
          longest: { text: 4_000, fields: 1_600, field: 1_000 },
          colors: { info: 'good', error: 'danger' },
          safe: (text) => unmentioned(text).replace(/<(?=[@#&!:])/g, '<\u200b'),
        },
      )
      await sender.send({ url: url.href, body })
    }
  },
}

/** Rocket.Chat takes 5,000 characters unless its administrator allows more. Source: https://docs.rocket.chat/docs/integrations */
export const rocket: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const url = webAddress(target, 'rocket').href
    return async (notification, sender) => {
      const body = message(notification, target, {
        longest: { text: 4_900, fields: 2_000, field: 1_000 },
        colors: { info: '#0076D7', error: '#FF0000' },
        safe: unmentioned,
      })
      await sender.send({ url, body })
    }
  },
}

function named({ channel, username }: Target, { event }: Notification) {
  return { channel, username: username || event.reportingController }
}

interface Style {
  readonly longest: { readonly text: number; readonly fields: number; readonly field: number }
  readonly colors: Readonly<Record<'info' | 'error', string>>
  /** Makes a text mean itself. */
  readonly safe: (text: string) => string
}

function message(notification: Notification, { username, channel }: Pick<Target, 'username' | 'channel'>, style: Style): object {
  const event = readable(notification)
  const { longest, colors, safe } = style
  const measure = (text: string) => safe(text).length
  const id = objectId(event)
  const pairs = metadataWithin(event, { total: longest.fields, value: longest.field, measure })
  return {
    ...(channel && { channel }),
    ...(username && { username }),
    attachments: [
      {
        fallback: `${id}: ${safe(cut(event.message.split('\n')[0] ?? '', 1_000))}`,
        color: colors[event.severity],
        author_name: cut(id, 256),
        text: safe(cut(event.message, longest.text, measure)),
        mrkdwn_in: ['text'],
        fields: pairs
          .filter(([, value]) => value !== '')
          .map(([key, value]) => ({ title: safe(key), value: safe(value), short: false })),
      },
    ],
  }
}
