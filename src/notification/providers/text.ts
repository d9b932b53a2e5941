/** Texts for people: within what a service takes, and saying nothing that a service would act on. */
import type { FluxEvent } from '../../api/event.ts'
import type { Notification } from '../notifier.ts'

/**
 * The event with texts that every service can take: no control characters but tab and line feed, no halves of characters; names and
 * reasons, which may come from anybody in the cluster, of nothing but what names are made of.
 */
export function readable({ event }: Notification): Notification['event'] {
  const { kind, namespace, name, uid = '' } = event.involvedObject
  const entries = Object.entries(event.metadata).map(([key, value]) => [plain(key), plain(value)])
  return {
    ...event,
    involvedObject: { kind: word(kind), namespace: word(namespace), name: word(name), uid: word(uid) },
    reason: word(event.reason),
    reportingController: word(event.reportingController),
    reportingInstance: word(event.reportingInstance ?? ''),
    message: plain(event.message),
    metadata: Object.fromEntries(entries),
  }
}

const longestName = 253

function word(text: string): string {
  return text.replace(/[^\p{L}\p{N}_.:/ -]/gu, '').slice(0, longestName)
}

function plain(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(control, '').toWellFormed()
}

const control = /(?![\t\n])\p{Cc}/gu

/** How much room a text takes; each UTF-16 unit takes one at least. */
export type Measure = (text: string) => number

/** Bytes of the text in a JSON document, without the quotes. */
export function jsonBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2
}

/** The text, or as much of its beginning as there is room for, with an ellipsis. Measured in UTF-16 units unless told otherwise. */
export function cut(text: string, most: number, measure: Measure = (measured) => measured.length): string {
  if (text.length <= most && measure(text) <= most) return text
  const beginning = (length: number) =>
    `${text
      .slice(0, length)
      .toWellFormed()
      .replace(/\ufffd$/, '')}…`
  let fits = 0
  let tooLong = Math.min(text.length, most) + 1
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >> 1
    if (measure(beginning(middle)) <= most) fits = middle
    else tooLong = middle
  }
  return beginning(fits)
}

export interface MetadataLimits {
  /** Of all keys and values together. */
  readonly total: number
  /** Of one value. */
  readonly value?: number
  readonly count?: number
  readonly measure?: Measure
}

const longestKey = 256

/** Keys and values of an event, `summary` first, the others sorted; what is over the limits is cut or left out. */
export function metadataWithin({ metadata }: Pick<Notification['event'], 'metadata'>, limits: MetadataLimits) {
  const { total, value: longest = 1_000, count = 25, measure = (text: string) => text.length } = limits
  const pairs: (readonly [key: string, value: string])[] = []
  let room = total
  for (const key of Object.keys(metadata).sort((a, b) => Number(b === 'summary') - Number(a === 'summary') || (a < b ? -1 : 1))) {
    const pair = [cut(key, longestKey, measure), cut(metadata[key] ?? '', longest, measure)] as const
    const size = measure(pair[0]) + measure(pair[1])
    if (key === '' || pairs.length === count || size > room) continue
    room -= size
    pairs.push(pair)
  }
  return pairs
}

/** `@channel`, `@here`, `@all` and `@everyone` with something invisible in between, so that nobody is called. */
export function unmentioned(text: string): string {
  return text.replace(/@(?=channel|here|all|everyone)/gi, '@\u200b')
}

/** As text of HTML and of what is like it. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** When it happened, in seconds since 1970; 0 when the event does not say. */
export function epochSeconds({ timestamp }: FluxEvent): number {
  return Math.floor(Date.parse(timestamp) / 1000) || 0
}

/** When it happened, as RFC 3339 in whole seconds. */
export function rfc3339(event: FluxEvent): string {
  return new Date(epochSeconds(event) * 1000).toISOString().replace('.000Z', 'Z')
}

/** What joins the events of one object at a service that opens and closes something for it; two clusters must not share it. */
export function objectKey({ involvedObject: { uid, kind, namespace, name } }: FluxEvent): string {
  return uid || `${kind}/${namespace}/${name}`
}

/** Whether the event tells of work that goes on: no success and no failure yet. */
export function isProgress({ reason }: FluxEvent): boolean {
  return reason === 'Progressing'
}
