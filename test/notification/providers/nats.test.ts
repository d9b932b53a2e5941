/** Events published to a real NATS server, with each way to log in. */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { providerOf } from '../../../src/notification/providers/index.ts'
import { HttpSender } from '../../../src/notification/sender.ts'
import { type Authority, createAuthority } from '../../tools/certificates.ts'
import { temporaryDirectory } from '../../tools/processes.ts'
import { clock, failure, type Settings, targetOf } from './git-host-fixtures.ts'
import { credentials, jwtOf, keyPair, type NatsServer, type Subscriber, startNats, subscribe } from './nats-server.ts'
import { about, failed, success } from './suite.ts'

const minutes = 60_000
const reader = { user: 'reader', pass: 'reader-password' }

async function publish(
  settings: Settings,
  notification = success,
  { ca, timeoutMs = 10_000 }: { ca?: string; timeoutMs?: number } = {},
) {
  const signal = AbortSignal.timeout(timeoutMs)
  await using sender = new HttpSender({ clock, signal, ...(ca !== undefined && { tls: { ca } }) })
  await providerOf('nats').connect(targetOf(settings))(notification, sender)
}

describe('a server with users and nkeys', () => {
  const user = keyPair('user')
  let server: NatsServer
  let subscriber: Subscriber
  let address: string
  beforeAll(async () => {
    server = await startNats(`
      max_payload: 4096
      authorization {
        users: [
          { user: reader, password: reader-password }
          { user: flux, password: flux-password, permissions: { publish: { deny: "forbidden" } } }
          { nkey: ${user.publicKey} }
        ]
      }`)
    address = `nats://127.0.0.1:${server.port}`
    subscriber = await subscribe(server.port, { login: () => reader })
  }, 5 * minutes)
  afterAll(async () => {
    await subscriber[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })
  const login = { channel: 'flux.events', username: 'flux', password: 'flux-password' }

  it.each([
    ['a success', success],
    ['a failure', failed],
    ['progress', about({ reason: 'Progressing', message: 'größer als\r\nPUB other 1\r\nx' })],
  ])('gets %s as the event in JSON, with user and password', async (_what, notification) => {
    await publish({ ...login, address }, notification)
    expect(await subscriber.next()).toBe(`flux.events ${JSON.stringify(notification.event)}`)
  })

  it('takes an nkey before user and password', async () => {
    await publish({ address, channel: 'flux', username: 'flux', password: 'wrong', secret: { nkey: `${user.seed}\n` } })
    expect(await subscriber.next()).toBe(`flux ${JSON.stringify(success.event)}`)
  })

  it('takes user and password from the address, a default scheme, and the next server when one is not there', async () => {
    await publish({ channel: 'a', address: `nats://flux:flux-password@127.0.0.1:1, flux:flux-password@127.0.0.1:${server.port}` })
    expect(await subscriber.next()).toMatch(/^a \{/)
  })

  it('F-NTF-02 gets an event that is larger than the server takes with its message cut', async () => {
    await publish({ ...login, address }, about({ message: `the beginning ${'"😀'.repeat(5_000)}` }))
    const received = (await subscriber.next()).slice('flux.events '.length)
    expect(Buffer.byteLength(received)).toBeLessThanOrEqual(4_096)
    expect(JSON.parse(received).message).toMatch(/^the beginning ("😀)+"?…$/u)
  })

  it('tells what the server has against the login and the subject, without the password', async () => {
    const refused = await failure(publish({ ...login, address, password: 'not-the-password' }))
    expect(refused).toBe("error connecting to server: 'Authorization Violation'")
    const denied = await failure(publish({ ...login, address, channel: 'forbidden' }))
    expect(denied).toBe(`error publishing event to subject forbidden: 'Permissions Violation for Publish to "forbidden"'`)
    const unknown = await failure(publish({ address, channel: 'a', secret: { nkey: keyPair('user').seed } }))
    expect(unknown).toBe("error connecting to server: 'Authorization Violation'")
  })
})

it('publishes with a token', async () => {
  await using server = await startNats('authorization { token: "the-token" }')
  await using subscriber = await subscribe(server.port, { login: () => ({ auth_token: 'the-token' }) })
  const address = `nats://127.0.0.1:${server.port}`
  await publish({ address, channel: 'a', token: 'the-token' })
  expect(await subscriber.next()).toMatch(/^a \{/)
  await publish({ address: address.replace('nats://', 'nats://the-token@'), channel: 'b' })
  expect(await subscriber.next()).toMatch(/^b \{/)
})

it('publishes with credentials, before anything else', async () => {
  const [operator, account, user] = [keyPair('operator'), keyPair('account'), keyPair('user')]
  const unlimited = { subs: -1, data: -1, payload: -1 }
  const limits = { ...unlimited, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
  const accountJwt = jwtOf(operator, account, { type: 'account', limits, default_permissions: { pub: {}, sub: {} } })
  const userJwt = jwtOf(account, user, { type: 'user', pub: {}, sub: {}, ...unlimited })
  await using server = await startNats(`
    operator: ${jwtOf(operator, operator, { type: 'operator' })}
    resolver: MEMORY
    resolver_preload: { ${account.publicKey}: ${accountJwt} }`)
  await using subscriber = await subscribe(server.port, {
    login: ({ nonce = '' }) => ({ jwt: userJwt, nkey: user.publicKey, sig: user.sign(nonce) }),
  })
  const secret = { creds: credentials(userJwt, user.seed), nkey: 'not looked at' }
  await publish({ address: `127.0.0.1:${server.port}`, channel: 'a.b', username: 'not', password: 'looked at', secret })
  expect(await subscriber.next()).toBe(`a.b ${JSON.stringify(success.event)}`)
})

describe('a server that asks for TLS', () => {
  let authority: Authority
  let server: NatsServer
  beforeAll(async () => {
    authority = await createAuthority()
    const [directory, { cert, key }] = [await temporaryDirectory('nats-tls'), await authority.server()]
    const files = { cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') }
    await Promise.all([writeFile(files.cert, cert), writeFile(files.key, key)])
    server = await startNats(`tls { cert_file: "${files.cert}", key_file: "${files.key}" }`)
  }, 5 * minutes)
  afterAll(() => server[Symbol.asyncDispose]())

  it.each(['nats://127.0.0.1', 'tls://localhost'])('gets events over TLS at %s', async (host) => {
    await using subscriber = await subscribe(server.port, { ca: authority.ca, login: () => ({}) })
    await publish({ address: `${host}:${server.port}`, channel: 'a' }, success, { ca: authority.ca })
    expect(await subscriber.next()).toBe(`a ${JSON.stringify(success.event)}`)
  })

  it('is refused with a certificate of an authority that is not known', async () => {
    const { port } = server
    expect(await failure(publish({ address: `nats://127.0.0.1:${port}`, channel: 'a' }))).toMatch(
      new RegExp(`^error connecting to server: 127\\.0\\.0\\.1:${port}: (unable to|self.signed).*certificate`),
    )
  })
})

it('does not go on in the clear when the address asks for TLS', async () => {
  await using server = await startNats('')
  const refused = await failure(publish({ address: `tls://127.0.0.1:${server.port}`, channel: 'a' }))
  expect(refused).toMatch(/^error connecting to server: 127\.0\.0\.1:\d+: /)
})

it.each([
  ['says nothing', '', /^context deadline|aborted due to timeout/],
  ['is none', 'HTTP/1.1 400 Bad Request\r\n\r\n', /what answers is no NATS server/],
  ['never ends its line', 'x'.repeat(70_000), /sends a line without an end/],
])('gives up on a server that %s', async (_what, text, said) => {
  const server = createServer((socket) => void socket.on('error', () => {}).write(text)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = `nats://127.0.0.1:${(server.address() as AddressInfo).port}`
  expect(await failure(publish({ address, channel: 'a' }, success, { timeoutMs: 1_000 }))).toMatch(said)
  server.close()
})

it.each([
  [{ address: '' }, /^the nats address is empty: set spec\.address, or the key address of the Secret$/],
  [{ address: 'http://127.0.0.1' }, /^the nats address is not of the form nats:\/\/<host>:<port>/],
  [{ channel: '' }, /^the nats channel is empty: set spec\.channel to the subject to publish to$/],
  [{ channel: 'a\r\nPUB b' }, /^the nats subject must be words with dots in between/],
  [{ channel: 'a.>' }, /^the nats subject must be/],
  [{ channel: 'a..b' }, /^the nats subject must be/],
  [{ secret: { nkey: 'SUnotaseed' } }, /^the key nkey of the Secret cannot be used: it is no nkey seed \(SU…\)$/],
  [{ secret: { creds: 'eyJsecret' } }, /^the key creds of the Secret cannot be used: it is no credentials file/],
])('says what is wrong with its settings: %j', (settings, said) => {
  expect(() => providerOf('nats').connect(targetOf({ address: 'nats://127.0.0.1', channel: 'a', ...settings }))).toThrow(said)
})
