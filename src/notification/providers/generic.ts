/** Any webhook: the event as JSON, on request signed. Source: forwarder.go of notification-controller. */
import { createHmac } from 'node:crypto'
import type { Notification, Notify, ProviderDefinition, Target } from '../notifier.ts'

export const generic: ProviderDefinition = {
  purpose: 'any',
  connect: (target) => forward(target, () => ({})),
}

/** Adds `X-Signature: sha256=<hex>` over the body, keyed with the token. */
export const genericHmac: ProviderDefinition = {
  purpose: 'any',
  connect(target) {
    if (target.token === '') throw new Error('the Secret of a generic-hmac Provider must have a key token')
    return forward(target, (body) => ({ 'x-signature': `sha256=${createHmac('sha256', target.token).update(body).digest('hex')}` }))
  },
}

function forward({ address, headers }: Target, sign: (body: string) => Record<string, string>): Notify {
  return async ({ event }: Notification, sender) => {
    const body = JSON.stringify(event)
    await sender.send({
      url: address,
      body,
      headers: {
        'content-type': 'application/json',
        'gotk-component': event.reportingController,
        // In lower case, so that they replace ours instead of coming twice.
        ...Object.fromEntries([...headers].map(([name, value]) => [name.toLowerCase(), value])),
        ...sign(body),
      },
    })
  }
}
