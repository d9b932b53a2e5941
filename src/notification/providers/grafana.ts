/** Grafana: an annotation with tags. Source: grafana.go of notification-controller. */
import { objectId, type ProviderDefinition } from '../notifier.ts'
import { basic, bearer, webAddress } from './target.ts'
import { cut, epochSeconds, metadataWithin, readable } from './text.ts'

/** Tags take 500 bytes as JSON unless Grafana's `annotations.tags_length` allows more: more are refused. */
const longestTags = 500
/** Key and value have columns of their own. */
const longestPart = 100

export const grafana: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const url = webAddress(target, 'grafana').href
    const login = target.username && target.password ? basic(target) : {}
    const headers = target.token ? bearer(target.token) : login
    return async (notification, sender) => {
      const event = readable(notification)
      const { kind, name, namespace } = event.involvedObject
      const tags = [
        'flux',
        event.reportingController,
        `kind: ${kind}`,
        `name: ${cut(name, longestPart)}`,
        `namespace: ${namespace}`,
      ]
      for (const [key, value] of metadataWithin(event, { total: longestTags, value: longestPart, count: 20 })) {
        const tag = `${cut(tagged(key), longestPart)}: ${tagged(value)}`
        if (bytesOf([...tags, tag]) <= longestTags) tags.push(tag)
      }
      const seconds = epochSeconds(event)
      // The API reads `time`, in milliseconds; `when` is what its form for Graphite reads.
      await sender.send({ url, headers, body: { when: seconds, time: seconds * 1000, text: objectId(event), tags } })
    }
  },
}

/** A tag is a key and a value with a colon in between. */
function tagged(text: string): string {
  return text.replaceAll(':', '|')
}

function bytesOf(tags: readonly string[]): number {
  return Buffer.byteLength(JSON.stringify(tags))
}
