/** Opsgenie: an alert for each object and reason. Source: opsgenie.go of notification-controller. */
import { createHash } from 'node:crypto'
import type { ProviderDefinition } from '../notifier.ts'
import { tokenOf, webAddress } from './target.ts'
import { cut, metadataWithin, readable } from './text.ts'

/** Source: https://docs.opsgenie.com/docs/alert-api#create-alert */
const longestTitle = 130
const longestDescription = 15_000
const longestDetails = 7_900

export const opsgenie: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const url = webAddress(target, 'opsgenie').href
    const headers = { authorization: `GenieKey ${tokenOf(target, 'opsgenie')}` }
    return async (notification, sender) => {
      const event = readable(notification)
      const { kind, namespace, name } = event.involvedObject
      // The Provider's uid keeps several clusters apart.
      const subject = [target.providerUid, kind, namespace, name, event.reason].join('/')
      const details = Object.fromEntries(metadataWithin(event, { total: longestDetails, count: 100 }))
      const body = {
        message: cut(`${kind}/${name}`, longestTitle),
        alias: createHash('sha256').update(subject).digest('hex'),
        description: cut(event.message, longestDescription),
        details: { ...details, severity: event.severity },
      }
      await sender.send({ url, headers, body })
    }
  },
}
