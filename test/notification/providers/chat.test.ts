/** Chats, each against a server that checks requests as its vendor documents them. */
import { createHash } from 'node:crypto'
import type { Answer, Received } from './git-host-server.ts'
import { failed, jsonOf, metadata, must, type Sent, type Service, success, suite } from './suite.ts'

const row = 'NOT-PRV-01'
const token = 'a-token-that-nobody-sees'
const noAddress = [{ address: '' }, /address is empty: set spec\.address, or the key address of the Secret/] as const
const noUrl = [{ address: 'hooks.example.com' }, /address is no http or https URL: set spec\.address/] as const
const noToken = [{ token: '' }, /token is empty: the Secret of spec\.secretRef must have a key token/] as const
const noChannel = [{ channel: '' }, /channel is empty: set spec\.channel/] as const

const id = 'kustomization/shop.apps'
const message = 'Applied revision\nDeployment/apps/shop created'
const failure = 'health check failed after 30s'
const pairs = Object.entries({ summary: metadata.summary, env: metadata.env, revision: metadata.revision })

/** Texts of an object, however deep. */
function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(texts) : []
}

function mustBe(request: Received, method: string, path: string | RegExp): void {
  must(request.method === method, `method ${request.method}`)
  must(typeof path === 'string' ? request.path === path : path.test(request.path), `no such path ${request.path}`)
}

// Slack's messages

interface Attachment {
  readonly text: string
  readonly author_name: string
  readonly fields: readonly { readonly title: string; readonly value: string }[]
}

function slackMessage(info: boolean, [good, danger]: readonly [string, string], more: object) {
  const text = info ? message : failure
  return {
    ...more,
    attachments: [
      {
        fallback: `${id}: ${text.split('\n')[0]}`,
        color: info ? good : danger,
        author_name: id,
        text,
        mrkdwn_in: ['text'],
        fields: pairs.map(([title, value]) => ({ title, value, short: false })),
      },
    ],
  }
}

const slackColors = ['good', 'danger'] as const
const bot = { username: 'kustomize-controller' }

function both(request: string | ((info: boolean) => string), body: (info: boolean) => unknown): Service['sent'] {
  const sent = (info: boolean): Sent => [typeof request === 'string' ? request : request(info), body(info)]
  return { info: [sent(true)], error: [sent(false)] }
}

function slackVendor(path: string, authorization?: string) {
  return (request: Received): Answer => {
    mustBe(request, 'POST', path)
    must(authorization === undefined || request.headers.authorization === authorization, 'invalid_token')
    const body = jsonOf(request)
    const attachments = body.attachments as Attachment[]
    must(attachments.length === 1, 'no_text')
    must(
      attachments.every(({ text }) => text.length <= 8_000),
      'msg_too_long',
    )
    must(
      texts(attachments).every((text) => !/[<>]|&(?!amp;|lt;|gt;)/.test(text)),
      'invalid_payload',
    )
    return { status: 200, body: 'ok' }
  }
}

const slackHook = 'https://hooks.slack.com/services/T0/B0/XXXX'
const slackApi = 'https://slack.com/api/chat.postMessage'
const slackActive = /<[@!]|@(channel|here|everyone)/

const slacks: readonly Service[] = [
  {
    name: 'Slack by webhook',
    row,
    type: 'slack',
    settings: { address: slackHook },
    vendor: slackVendor('/services/T0/B0/XXXX'),
    sent: both(`POST ${slackHook}`, (info) => slackMessage(info, slackColors, bot)),
    lacking: [noAddress, noUrl],
    active: slackActive,
  },
  {
    name: 'Slack by API',
    row,
    type: 'slack',
    settings: { address: slackApi, token, channel: 'C0', username: 'flux' },
    vendor(request) {
      mustBe(request, 'POST', '/api/chat.postMessage')
      if (request.headers.authorization !== `Bearer ${token}`) return { status: 200, body: { ok: false, error: 'invalid_auth' } }
      const { channel } = jsonOf(request)
      if (channel !== 'C0') return { status: 200, body: { ok: false, error: 'channel_not_found' } }
      return { ...slackVendor('/api/chat.postMessage')(request), body: { ok: true, ts: '1' } }
    },
    sent: both(`POST ${slackApi}`, (info) => slackMessage(info, slackColors, { channel: 'C0', username: 'flux' })),
    lacking: [
      noToken,
      noChannel,
      [{ channel: 'C9' }, /^Slack responded with error: channel_not_found$/],
      [{ token: 'wrong' }, /^Slack responded with error: invalid_auth$/],
    ],
    active: slackActive,
  },
  {
    name: 'Mattermost',
    row,
    type: 'slack',
    settings: { address: 'https://mattermost.example.com/hooks/xxx', channel: 'town-square' },
    vendor: slackVendor('/hooks/xxx'),
    sent: both('POST https://mattermost.example.com/hooks/xxx', (info) =>
      slackMessage(info, slackColors, { channel: 'town-square', ...bot }),
    ),
    lacking: [noAddress],
    active: slackActive,
  },
  {
    name: 'Discord',
    row,
    type: 'discord',
    settings: { address: 'https://discord.com/api/webhooks/7/secretpart', channel: 'ignored' },
    vendor: discordVendor,
    sent: both('POST https://discord.com/api/webhooks/7/secretpart/slack', (info) => slackMessage(info, slackColors, bot)),
    lacking: [noAddress, noUrl],
    active: /<[@#!]|@(here|everyone)/,
  },
  {
    name: 'Discord with the suffix',
    row,
    type: 'discord',
    settings: { address: 'https://discord.com/api/webhooks/7/secretpart/slack?thread_id=3', username: 'flux' },
    vendor: discordVendor,
    sent: both('POST https://discord.com/api/webhooks/7/secretpart/slack?thread_id=3', (info) =>
      slackMessage(info, slackColors, { username: 'flux' }),
    ),
    lacking: [],
  },
  {
    name: 'Rocket.Chat',
    row,
    type: 'rocket',
    settings: { address: 'https://rocket.example.com/hooks/1/abcdef', channel: '#ops' },
    vendor(request) {
      mustBe(request, 'POST', '/hooks/1/abcdef')
      const [attachment] = jsonOf(request).attachments as Attachment[]
      must(attachment && attachment.text.length <= 5_000, 'error-message-size-exceeded')
      return { status: 200, body: { success: true } }
    },
    sent: both('POST https://rocket.example.com/hooks/1/abcdef', (info) =>
      slackMessage(info, ['#0076D7', '#FF0000'], { channel: '#ops' }),
    ),
    lacking: [noAddress, noUrl],
    active: /@(here|all|everyone)/,
  },
]

function discordVendor(request: Received): Answer {
  mustBe(request, 'POST', '/api/webhooks/7/secretpart/slack')
  const { username, attachments } = jsonOf(request) as { username: string; attachments: Attachment[] }
  must(username.length >= 1 && username.length <= 80, 'username: Must be between 1 and 80 in length.')
  const [{ text, author_name, fields }] = attachments as [Attachment]
  must(text.length <= 4_096, 'description: Must be 4096 or fewer in length.')
  must(author_name.length <= 256 && fields.length <= 25, 'BASE_TYPE_MAX_LENGTH')
  must(
    fields.every(({ title, value }) => title && title.length <= 256 && value && value.length <= 1_024),
    'fields: Must be between 1 and 1024 in length.',
  )
  must([text, author_name, ...texts(fields)].join('').length <= 6_000, 'Embed size exceeds maximum size of 6000')
  return { status: 200, body: 'ok' }
}

// Cards

const teamsFlow = 'https://prod-1.westus.logic.azure.com/workflows/abc/triggers/manual/paths/invoke'
const teamsHook = 'https://contoso.webhook.office.com/webhookb2/abc/IncomingWebhook/def'

const cards: readonly Service[] = [
  {
    name: 'Microsoft Teams',
    row,
    type: 'msteams',
    settings: { address: teamsFlow },
    vendor(request) {
      mustBe(request, 'POST', new URL(teamsFlow).pathname)
      const { type, attachments } = jsonOf(request, 28 * 1024) as {
        type: string
        attachments: { contentType: string; content: object }[]
      }
      must(type === 'message' && attachments.length === 1, 'no message')
      must(attachments[0]?.contentType === 'application/vnd.microsoft.card.adaptive', 'no card')
      return { status: 202 }
    },
    sent: both(`POST ${teamsFlow}`, (info) => ({
      type: 'message',
      attachments: [
        {
          contentType: 'application/vnd.microsoft.card.adaptive',
          content: {
            $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
            type: 'AdaptiveCard',
            version: '1.4',
            msteams: { width: 'Full' },
            body: [
              {
                type: 'Container',
                items: [
                  { type: 'TextBlock', text: id, size: 'large', weight: 'bolder', wrap: true },
                  { type: 'TextBlock', text: info ? message : failure, wrap: true, ...(!info && { color: 'attention' }) },
                  { type: 'FactSet', facts: pairs.map(([title, value]) => ({ title, value })) },
                ],
              },
            ],
          },
        },
      ],
    })),
    lacking: [noAddress, noUrl],
    active: /\]\(/,
  },
  {
    name: 'Microsoft Teams by its old connector',
    row,
    type: 'msteams',
    settings: { address: teamsHook },
    vendor(request) {
      mustBe(request, 'POST', new URL(teamsHook).pathname)
      const body = jsonOf(request, 28 * 1024)
      must(body['@type'] === 'MessageCard' && body['@context'] === 'http://schema.org/extensions', 'no card')
      must(body.summary, 'Summary or Text is required.')
      return { status: 200, body: '1' }
    },
    sent: both(`POST ${teamsHook}`, (info) => ({
      '@type': 'MessageCard',
      '@context': 'http://schema.org/extensions',
      themeColor: info ? '0076D7' : 'FF0000',
      summary: id,
      sections: [
        {
          activityTitle: info ? message : failure,
          activitySubtitle: id,
          facts: pairs.map(([name, value]) => ({ name, value })),
        },
      ],
    })),
    lacking: [],
    active: /\]\(|</,
  },
  {
    name: 'Google Chat',
    row,
    type: 'googlechat',
    settings: { address: 'https://chat.googleapis.com/v1/spaces/AAA/messages?key=k&token=t' },
    vendor(request) {
      mustBe(request, 'POST', '/v1/spaces/AAA/messages')
      must(request.query.get('key') === 'k' && request.query.get('token') === 't', 'permission denied')
      const [card] = jsonOf(request, 32_000).cards as { header: { title: string }; sections: { widgets: object[] }[] }[]
      must(card?.header.title && card.sections.every(({ widgets }) => widgets.length > 0 && widgets.length <= 100), 'invalid card')
      return { status: 200, body: {} }
    },
    sent: both('POST https://chat.googleapis.com/v1/spaces/AAA/messages?key=k&token=t', (info) => ({
      cards: [
        {
          header: { title: id, subtitle: 'kustomize-controller' },
          sections: [
            { widgets: [{ textParagraph: { text: info ? message : `<font color="#ff0000">${failure}</font>` } }] },
            { widgets: pairs.map(([topLabel, content]) => ({ keyValue: { topLabel, content, contentMultiline: false } })) },
          ],
        },
      ],
    })),
    lacking: [noAddress, noUrl],
    active: /<(?!font color|\/font)/,
  },
  {
    name: 'Lark',
    row,
    type: 'lark',
    settings: { address: 'https://open.larksuite.com/open-apis/bot/v2/hook/xxxx' },
    vendor(request) {
      if (request.path !== '/open-apis/bot/v2/hook/xxxx') return { status: 200, body: { code: 19001, msg: 'param invalid' } }
      if (Buffer.byteLength(request.text) > 20 * 1024) return { status: 200, body: { code: 9499, msg: 'Bad Request' } }
      must(jsonOf(request).msg_type === 'interactive', 'params error, msg_type need')
      return { status: 200, body: { code: 0, msg: 'success', data: {} } }
    },
    sent: both('POST https://open.larksuite.com/open-apis/bot/v2/hook/xxxx', (info) => ({
      msg_type: 'interactive',
      card: {
        config: { wide_screen_mode: true },
        header: { title: { tag: 'plain_text', content: `${info ? '💫' : '🚨'} ${id}` }, template: info ? 'turquoise' : 'red' },
        elements: [
          {
            tag: 'div',
            text: {
              tag: 'lark_md',
              content: `**${info ? message : failure}**\n\n${pairs.map(([key, value]) => `${key}: ${value}\n`).join('')}`,
            },
          },
        ],
      },
    })),
    lacking: [
      noAddress,
      noUrl,
      [{ address: 'https://open.larksuite.com/open-apis/bot/v2/hook/gone' }, /^Lark responded with error 19001: param invalid$/],
    ],
    active: /</,
  },
  {
    name: 'Zoom',
    row,
    type: 'zoom',
    settings: { address: 'https://integrations.zoom.us/chat/webhooks/incomingwebhook/xyz', token },
    vendor(request) {
      mustBe(request, 'POST', '/chat/webhooks/incomingwebhook/xyz')
      must(request.headers.authorization === token, 'verification token')
      must(request.query.get('format') === 'full', 'the message must be a text')
      const { head, body } = jsonOf(request).content as { head: { text: string }; body: { type: string; text?: string }[] }
      must(head.text && body.every(({ type }) => type === 'message' || type === 'fields'), 'invalid content')
      must(
        body.every(({ text = '' }) => text.length <= 4_096),
        'message too long',
      )
      return { status: 200, body: {} }
    },
    sent: both('POST https://integrations.zoom.us/chat/webhooks/incomingwebhook/xyz?format=full', (info) => ({
      content: {
        head: { text: id, sub_head: { text: info ? 'info' : 'error' } },
        body: [
          { type: 'message', text: info ? message : failure },
          { type: 'fields', items: pairs.map(([key, value]) => ({ key, value })) },
        ],
      },
    })),
    lacking: [noAddress, noUrl, noToken],
  },
]

// Texts

const webexUrl = 'https://webexapis.com/v1/messages'

/** A text in Telegram's MarkdownV2, as people read it. Refused when a special character is neither escaped nor part of markup. */
function telegramText(text: string): string {
  const special = /[_*[\]()~`>#+\-=|{}.!]/
  let read = ''
  let bold = false
  for (let index = 0; index < text.length; index++) {
    const character = text[index] ?? ''
    if (character === '\\') read += text[++index] ?? ''
    else if (character === '*') bold = !bold
    else {
      must(!special.test(character), `can't parse entities: character '${character}' is reserved and must be escaped`)
      read += character
    }
  }
  must(!bold, "can't parse entities: can't find end of bold entity")
  return read
}

const telegramEscaped = (text: string) => text.replace(/[\\_*[\]()~`>#+\-=|{}.!]/g, (character) => `\\${character}`)

function telegramMessage(info: boolean) {
  const head = `${info ? '💫' : '🚨'} kustomization/shop/apps`
  const list = pairs.map(([key, value]) => `\\- *${telegramEscaped(key)}*: ${telegramEscaped(value)}\n`).join('')
  return { text: `*${head}*\n${telegramEscaped(info ? message : failure)}\n${list}`, parse_mode: 'MarkdownV2' }
}

function telegramVendor(request: Received): Answer {
  mustBe(request, 'POST', `/bot${token}/sendMessage`)
  const { chat_id, text, parse_mode } = jsonOf(request) as Record<string, string>
  must(chat_id === '-155' || chat_id === '@flux', 'Bad Request: chat not found')
  must(parse_mode === 'MarkdownV2', 'parse_mode')
  const read = telegramText(text ?? '')
  must(read.length > 0 && read.length <= 4_096, 'Bad Request: message is too long')
  return { status: 200, body: { ok: true, result: {} } }
}

const zulipLogin = { username: 'flux-bot@example.com', password: 'the-api-key-of-the-bot' }
const zulipLacks = /login is incomplete: the Secret must have the keys username .* and password/

const plain: readonly Service[] = [
  {
    name: 'Webex',
    row,
    type: 'webex',
    settings: { address: webexUrl, token, channel: 'Y2lzY29zcGFyazovL3VzL1JPT00v' },
    vendor(request) {
      mustBe(request, 'POST', '/v1/messages')
      if (request.headers.authorization !== `Bearer ${token}`) return { status: 401, body: { message: 'not authorized' } }
      const { roomId, markdown } = jsonOf(request) as { roomId: string; markdown: string }
      must(roomId, 'one of toPersonId, toPersonEmail or roomId is required')
      must(Buffer.byteLength(markdown) <= 7_439, 'Message length limited to 7439 bytes')
      return { status: 200, body: {} }
    },
    sent: both(`POST ${webexUrl}`, (info) => ({
      roomId: 'Y2lzY29zcGFyazovL3VzL1JPT00v',
      markdown: `${info ? '✅' : '💣'} **${id}**\n${info ? message : failure}\n${pairs.map(([key, value]) => `>**${key}**: ${value}\n`).join('')}`,
    })),
    lacking: [noAddress, noUrl, noToken, noChannel],
    active: /</,
  },
  {
    name: 'Telegram',
    row,
    type: 'telegram',
    settings: { address: 'https://ignored.example.com', token, channel: '@flux' },
    vendor: telegramVendor,
    sent: both(`POST https://api.telegram.org/bot${token}/sendMessage`, (info) => ({ chat_id: '@flux', ...telegramMessage(info) })),
    lacking: [noToken, noChannel],
  },
  {
    name: 'Telegram with a topic',
    row,
    type: 'telegram',
    settings: { token, channel: '-155:7' },
    vendor: telegramVendor,
    sent: both(`POST https://api.telegram.org/bot${token}/sendMessage`, (info) => ({
      chat_id: '-155',
      message_thread_id: '7',
      ...telegramMessage(info),
    })),
    lacking: [],
  },
  {
    name: 'Matrix',
    row,
    type: 'matrix',
    settings: { address: 'https://matrix.example.com/', token, channel: '!room:example.com' },
    vendor(request) {
      mustBe(request, 'PUT', /^\/_matrix\/client\/r0\/rooms\/!room%3Aexample\.com\/send\/m\.room\.message\/[0-9a-f]{40}$/)
      if (request.headers.authorization !== `Bearer ${token}`) return { status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } }
      const body = jsonOf(request, 65_536 - 1_000)
      must(body.msgtype === 'm.text' && typeof body.body === 'string', 'M_BAD_JSON')
      must(JSON.stringify(body['m.mentions']) === '{}', 'people would be called by words of the text')
      return { status: 200, body: { event_id: '$1' } }
    },
    sent: both(matrixRequest, matrixMessage),
    lacking: [noAddress, noUrl, noToken, noChannel],
  },
  {
    name: 'Zulip',
    row,
    type: 'zulip',
    settings: { address: 'https://zulip.example.com/ignored', channel: 'ops/flux/prod', ...zulipLogin },
    vendor(request) {
      mustBe(request, 'POST', '/api/v1/messages')
      const login = Buffer.from(`${zulipLogin.username}:${zulipLogin.password}`).toString('base64')
      if (request.headers.authorization !== `Basic ${login}`)
        return { status: 401, body: { result: 'error', msg: 'Invalid API key' } }
      must(request.headers['content-type'] === 'application/x-www-form-urlencoded', 'no form')
      const form = new URLSearchParams(request.text)
      must(form.get('type') === 'stream' && form.get('to') && form.get('topic'), 'Missing topic')
      must((form.get('content') ?? '').length <= 10_000, 'Message too long')
      return { status: 200, body: { result: 'success', id: 1 } }
    },
    sent: both('POST https://zulip.example.com/api/v1/messages', (info) => ({
      type: 'stream',
      to: 'ops',
      topic: 'flux/prod',
      content: `## Flux Status\n\n${info ? 'ℹ️' : '⚠️'} Kustomization/apps/shop\n\n${info ? message : failure}\n\nMetadata:\n* \`env\`: prod\n* \`revision\`: ${metadata.revision}\n* \`summary\`: shop in production\n`,
    })),
    lacking: [
      noAddress,
      noUrl,
      noChannel,
      [{ channel: 'ops' }, /channel 'ops' is not of the form <channel>\/<topic>: set spec\.channel/],
      [{ channel: 'ops/' }, /channel 'ops\/' is not of the form/],
      [{ password: '' }, zulipLacks],
      [{ username: '' }, zulipLacks],
    ],
    active: /@_?\*/,
  },
]

/** Once for each event, however often it is sent. */
function matrixRequest(info: boolean): string {
  const transaction = createHash('sha1')
    .update(JSON.stringify((info ? success : failed).event))
    .digest('hex')
  return `PUT https://matrix.example.com/_matrix/client/r0/rooms/!room%3Aexample.com/send/m.room.message/${transaction}`
}

function matrixMessage(info: boolean) {
  const list = pairs.map(([key, value]) => `- ${key}: ${value}\n`).join('')
  return { body: `${info ? '💫' : '🚨'} ${id}\n${info ? message : failure}\n${list}`, msgtype: 'm.text', 'm.mentions': {} }
}

suite([...slacks, ...cards, ...plain])
