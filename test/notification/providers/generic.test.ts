/** Webhooks of anybody, and what is said of services that are not built. */
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProviderType } from '../../../src/api/provider.ts'
import { providerOf } from '../../../src/notification/providers/index.ts'
import { HttpSender } from '../../../src/notification/sender.ts'
import { clock, failure, type Settings, targetOf } from './git-host-fixtures.ts'
import { about, failed, success } from './suite.ts'

interface Received {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const requests: Received[] = []
const server = createServer(async (request, response) => {
  const { method, url, headers } = request
  requests.push({ method, url, headers, body: await text(request) })
  response.end()
})
let address = ''
beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?a=b`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

async function send(type: ProviderType, settings: Settings, notification = success): Promise<Received> {
  await using sender = new HttpSender({ clock, signal: AbortSignal.timeout(10_000) })
  await providerOf(type).connect(targetOf({ address, ...settings }))(notification, sender)
  const last = requests.at(-1)
  if (!last) throw new Error('no request came')
  return last
}

describe('a webhook', () => {
  it.each([
    ['a success', success],
    ['a failure', failed],
    ['progress', about({ reason: 'Progressing', message: '<b>\u0000 "Übergröße" 😀 '.repeat(10_000) })],
  ])('NOT-PRV-04 gets %s as it is, in JSON, and who says so', async (_what, notification) => {
    const { method, url, headers, body } = await send('generic', {}, notification)
    expect([method, url]).toEqual(['POST', '/hook?a=b'])
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'gotk-component': 'kustomize-controller' })
    expect(headers).not.toHaveProperty('x-signature')
    expect(JSON.parse(body)).toEqual(notification.event)
  })

  it('NOT-PRV-04 gets the headers of the Secret, which replace those of the same name', async () => {
    const own = new Map([
      ['Authorization', 'Bearer x'],
      ['Content-Type', 'application/vnd.example+json'],
    ])
    const { headers } = await send('generic', { headers: own })
    expect(headers).toMatchObject({ authorization: 'Bearer x', 'content-type': 'application/vnd.example+json' })
  })

  it('NOT-PRV-04 gets the signature of exactly the bytes that arrive', async () => {
    const token = '7152fed34dd6149a7c75a276c510da27cb6f82b0'
    const { headers, body } = await send('generic-hmac', { token }, about({ message: 'größer' }))
    expect(headers['x-signature']).toBe(`sha256=${createHmac('sha256', token).update(Buffer.from(body)).digest('hex')}`)
    expect(headers['gotk-component']).toBe('kustomize-controller')
  })

  it('NOT-PRV-04 is not signed with nothing, and needs an address', async () => {
    expect(await failure(send('generic-hmac', {}))).toBe('the Secret of a generic-hmac Provider must have a key token')
    expect(await failure(send('generic', { address: '' }))).toMatch(/set spec\.address, or the key address of the Secret/)
  })
})

it.each(['googlepubsub', 'azureeventhub', 'otel'] as const)('%s is refused as not implemented', (type) => {
  expect(() => providerOf(type)).toThrow(`provider type '${type}' is not implemented in this version`)
})
