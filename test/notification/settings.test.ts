/** What a Provider's spec and Secrets say, and connections made by it. */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import type { Alert } from '../../src/api/alert.ts'
import type { FluxEvent } from '../../src/api/event.ts'
import type { Provider, ProviderSpec } from '../../src/api/provider.ts'
import { providerOf } from '../../src/notification/providers/index.ts'
import { HttpSender } from '../../src/notification/sender.ts'
import { commitStatusOf, masked, readSettings } from '../../src/notification/settings.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'
import { createAuthority } from '../tools/certificates.ts'
import { namespace, openWorld, secret } from './world.ts'

/** Waits of retries end at once. */
const immediately: Clock = { ...systemClock, after: (_, call) => systemClock.after(0, call) }
const never = new AbortController().signal

function provider(spec: Partial<ProviderSpec>): Provider {
  return {
    apiVersion: 'notification.toolkit.fluxcd.io/v1beta3',
    kind: 'Provider',
    metadata: { namespace, name: 'all', uid: '12345678-abcd-ef' },
    spec: { type: 'generic', ...spec },
  }
}

/** By the Secrets `auth`, `tls` and `proxy`. */
function settingsOf(spec: Partial<ProviderSpec>, secrets: Readonly<Record<string, Record<string, string>>> = {}) {
  const world = openWorld()
  world.put(...Object.entries(secrets).map(([name, data]) => secret(name, data)))
  const { client } = world.environment
  return readSettings(provider(spec), { definition: providerOf(spec.type ?? 'generic'), client, signal: never })
}

const secretRef = { name: 'auth' }
const certSecretRef = { name: 'tls' }
const proxySecretRef = { name: 'proxy' }

describe('the settings of a Provider', () => {
  it('NOT-PRV-10 come from its Secret before its spec', async () => {
    const spec = { address: 'not an address', username: 'bot', channel: 'general', secretRef }
    const auth = { address: ' https://example.com/x\n', token: 't0ken\n', password: 'p', headers: 'X-A: 1\nx-b: "2"\n', own: 'key' }
    const { target, timeoutMs } = await settingsOf(spec, { auth })
    expect(target).toMatchObject({
      address: 'https://example.com/x',
      channel: 'general',
      token: 't0ken',
      username: 'bot',
      password: 'p',
      providerUid: '12345678-abcd-ef',
    })
    expect([...target.headers]).toEqual([
      ['X-A', '1'],
      ['x-b', '2'],
    ])
    expect(target.secret.get('own')).toBe('key')
    expect(timeoutMs).toBe(15_000)
    expect((await settingsOf({ ...spec, timeout: '3s' }, { auth: { username: 'me' } })).target).toMatchObject({
      address: 'not an address',
      username: 'me',
    })
  })

  it('NOT-PRV-10 take an address of 2048 bytes, and none that is longer', async () => {
    const address = `https://example.com/${'x'.repeat(2048 - 20)}`
    expect((await settingsOf({ secretRef }, { auth: { address } })).target.address).toBe(address)
    await expect(settingsOf({ secretRef }, { auth: { address: `${address}x` } })).rejects.toThrow(
      'invalid address in secret: address exceeds maximum length of 2048 bytes',
    )
  })

  it.each([
    ['a Secret that is not there', { secretRef }, {}, "failed to get secret 'apps/auth'"],
    ['headers that are no map', { secretRef }, { auth: { headers: '- s3cret' } }, "key 'headers' is no map"],
    ['headers that are no YAML', { secretRef }, { auth: { headers: 's3cret: [' } }, "key 'headers' is no YAML map"],
    ['an authority that is none', { certSecretRef }, { tls: { 'ca.crt': 's3cret' } }, "key 'ca.crt' holds no PEM certificate"],
    ['a certificate without its key', { certSecretRef }, { tls: { 'tls.crt': 's3cret' } }, "'tls.crt' is set without 'tls.key'"],
    [
      'a certificate that is none',
      { certSecretRef },
      { tls: { 'tls.crt': 's3cret', 'tls.key': 's3cret' } },
      'are not a PEM certificate',
    ],
    ['a proxy without an address', { proxySecretRef }, { proxy: { username: 's3cret' } }, "key 'address' is missing"],
    ['a proxy that is not there', { proxySecretRef }, {}, "failed to get secret 'apps/proxy'"],
    ['a proxy of another scheme', { proxySecretRef }, { proxy: { address: 'ftp://s3cret' } }, 'no http or https URL'],
  ] as const)('NOT-PRV-10 NOT-PRV-11 are refused, without showing a secret, with %s', async (_name, spec, secrets, message) => {
    const failure = await settingsOf(spec, secrets).then(
      () => '',
      (error: Error) => error.message,
    )
    expect(failure).toContain(message)
    expect(failure).not.toContain('s3cret')
  })

  it('NOT-PRV-11 name the proxy by its Secret, else by the deprecated ways', async () => {
    const proxy = { address: 'http://proxy:3128', username: 'me', password: 'p@ss' }
    const both = { proxySecretRef, secretRef, proxy: 'http://old:1' }
    const proxyOf = async (...given: Parameters<typeof settingsOf>) => (await settingsOf(...given)).connection.proxy?.href
    expect(await proxyOf(both, { proxy, auth: { proxy: 'http://older:1' } })).toBe('http://me:p%40ss@proxy:3128/')
    expect(await proxyOf({ secretRef, proxy: 'http://old:1' }, { auth: { proxy: 'http://older:1' } })).toBe('http://older:1/')
    expect(await proxyOf({ proxy: 'http://old:1' })).toBe('http://old:1/')
    expect(await proxyOf({})).toBeUndefined()
  })

  it('NOT-EVT-04 mask every value of the Secret, as it is and as a part of a URL', async () => {
    const auth = { address: 'https://hooks.example.com/T/B?x', token: 'a b/c', username: 'me' }
    const { secrets } = await settingsOf({ secretRef }, { auth })
    expect(masked('POST https://hooks.example.com/T/B?x by me with a b/c and a%20b%2Fc', secrets)).toBe(
      'POST ***** by me with ***** and *****',
    )
  })
})

describe('a connection made by them', () => {
  it('NOT-PRV-11 trusts the authority of the Secret, and shows the certificate, by their names of today and before', async () => {
    const [authority, stranger] = await Promise.all([createAuthority(), createAuthority('stranger')])
    const [server, client] = await Promise.all([authority.server(), authority.client('sluice')])
    const callers: string[] = []
    const service = createTlsServer(
      { ...server, ca: authority.ca, requestCert: true, rejectUnauthorized: false },
      (request, response) => {
        callers.push(String((request.socket as TLSSocket).getPeerCertificate().subject?.CN))
        response.end()
      },
    )
    service.listen(0, '127.0.0.1')
    await once(service, 'listening')
    const url = `https://127.0.0.1:${(service.address() as AddressInfo).port}/`
    const send = async (spec: Partial<ProviderSpec>, secrets: Readonly<Record<string, Record<string, string>>>) => {
      const { connection } = await settingsOf(spec, secrets)
      await using sender = new HttpSender({
        ...connection,
        clock: immediately,
        signal: never,
      })
      return await sender.send({ url, body: {} }).then(
        ({ status }) => String(status),
        (error: Error) => error.message,
      )
    }
    const pair = { 'tls.crt': client.cert, 'tls.key': client.key }
    expect(await send({ certSecretRef }, { tls: { 'ca.crt': authority.ca, ...pair } })).toBe('200')
    expect(await send({ certSecretRef }, { tls: { caFile: authority.ca, certFile: client.cert, keyFile: client.key } })).toBe('200')
    expect(await send({ certSecretRef }, { tls: { 'ca.crt': authority.ca, caFile: stranger.ca } })).toBe('200')
    // Commit status Providers take it from the Secret with the token too; others do not.
    expect(await send({ type: 'gitea', secretRef }, { auth: { token: 't', 'ca.crt': authority.ca } })).toBe('200')
    expect(await send({ secretRef }, { auth: { token: 't', 'ca.crt': authority.ca } })).toContain('failed to execute request')
    expect(await send({ certSecretRef }, { tls: { 'ca.crt': stranger.ca } })).toContain('failed to execute request')
    expect(await send({}, {})).toContain('failed to execute request')
    expect(callers).toEqual(['sluice', 'sluice', 'undefined', 'undefined'])
    service.closeAllConnections()
    service.close()
  })

  it('shows no part of a secret that a service repeats where the text is cut', async () => {
    const service = createServer((_, response) => response.writeHead(400).end(`${'x'.repeat(508)}swordfish-in-the-sea`))
    service.listen(0, '127.0.0.1')
    await once(service, 'listening')
    const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/`
    await using sender = new HttpSender({ clock: immediately, signal: never, secrets: ['swordfish-in-the-sea'] })
    const message = await sender.send({ url, body: {} }).catch((error: Error) => error.message)
    expect(message).toContain('xxx****')
    expect(message).not.toContain('sword')
    service.closeAllConnections()
    service.close()
  })

  it('NOT-PRV-11 goes through the proxy, with its credentials', async () => {
    const through: string[] = []
    // As for Go, plain HTTP is asked of the proxy itself, and TLS goes through a tunnel.
    const proxy = createServer(({ url = '', headers }, response) => {
      through.push(`${url} ${headers['proxy-authorization']}`)
      response.end()
    })
    proxy.on('connect', ({ url = '', headers }: IncomingMessage, socket) => {
      through.push(`${url} ${headers['proxy-authorization']}`)
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const { connection } = await settingsOf({ proxySecretRef }, { proxy: { address, username: 'me', password: 'pass' } })
    await using sender = new HttpSender({ ...connection, clock: immediately, signal: never })
    expect((await sender.send({ url: 'http://service.example/x', body: {} })).status).toBe(200)
    await expect(sender.send({ url: 'https://service.example/x', body: {} })).rejects.toThrow('failed to execute request')
    const credentials = `Basic ${Buffer.from('me:pass').toString('base64')}`
    expect(new Set(through)).toEqual(new Set([`http://service.example/x ${credentials}`, `service.example:443 ${credentials}`]))
    proxy.closeAllConnections()
    proxy.close()
  })
})

describe('the id of a commit status', () => {
  const event: FluxEvent & { metadata: Record<string, string> } = {
    involvedObject: { kind: 'Kustomization', namespace, name: 'App' },
    severity: 'info',
    timestamp: '',
    message: '',
    reason: '',
    reportingController: '',
    metadata: { env: 'prod' },
  }
  const alert = {
    metadata: { namespace, name: 'al' },
    spec: { providerRef: { name: 'all' }, eventSources: [] },
  } as unknown as Alert

  it('NOT-PRV-09 is of the object and the Provider, so that clusters do not overwrite each other', () => {
    expect(commitStatusOf(event, alert, provider({}))).toBe('kustomization/app/12345678')
  })

  it('NOT-PRV-09 is what the expression over event, alert and provider says', () => {
    const commitStatusExpr =
      "event.involvedObject.name + '/' + event.metadata.env + '/' + alert.metadata.name + '/' + provider.metadata.name"
    expect(commitStatusOf(event, alert, provider({ commitStatusExpr }))).toBe('App/prod/al/all')
  })

  it.each(['event.metadata.nothing', 'event.involvedObject', '1 +', 'unknown.x'])(
    'NOT-PRV-09 cannot come of %s',
    (commitStatusExpr) => {
      expect(() => commitStatusOf(event, alert, provider({ commitStatusExpr }))).toThrow(
        'failed to create commit status: failed to evaluate the spec.commitStatusExpr CEL expression for the event: ',
      )
    },
  )
})
