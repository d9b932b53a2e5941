/** What every service must do, against a server that takes what the vendor documents and refuses the rest. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProviderType } from '../../../src/api/provider.ts'
import { Dispatcher } from '../../../src/notification/dispatch.ts'
import type { Notification } from '../../../src/notification/notifier.ts'
import { providerOf } from '../../../src/notification/providers/index.ts'
import { HttpSender } from '../../../src/notification/sender.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { namespace, openWorld, secret } from '../world.ts'
import { failure, type Settings, targetOf, told } from './git-host-fixtures.ts'
import { type Answer, type HostServer, openHostServer, type Received } from './git-host-server.ts'

export interface Service {
  /** As titles call it. */
  readonly name: string
  /** Row of the features that it shows. */
  readonly row: string
  readonly type: ProviderType
  readonly settings: Settings
  /** Takes or refuses a request; what it throws becomes the refusal. */
  readonly vendor: (request: Received) => Answer
  /** What is sent for `success` and `failed`: each request as `METHOD url` and its body. */
  readonly sent: { readonly info: readonly Sent[]; readonly error: readonly Sent[] }
  /** Settings that lack something, and what is said of that. */
  readonly lacking: readonly (readonly [Settings, RegExp])[]
  /** Whether it hears of what goes on. */
  readonly ignoresProgress?: boolean
  /** Whether the text of messages is sent at all. */
  readonly isSilent?: boolean
  /** What must not be in a body, after `markup` was told. */
  readonly active?: RegExp
}

export type Sent = readonly [request: string, body: unknown]

export const metadata = {
  summary: 'shop in production',
  env: 'prod',
  revision: 'main@sha1:5394cb7f48332b2de7c17dd8b8384bbc84b7e738',
}
export const involved = { uid: 'd5a1c0de-0000-4000-8000-000000000001', kind: 'Kustomization', namespace: 'apps', name: 'shop' }

/** An event about the Kustomization apps/shop. */
export function about(given: Parameters<typeof told>[0] = {}): Notification {
  const { event } = told({ metadata, ...given })
  return { event: { ...event, involvedObject: involved, reportingInstance: 'pod-1' }, isCommitStatusUpdate: false }
}

export const success = about({ message: 'Applied revision\nDeployment/apps/shop created' })
export const failed = about({ severity: 'error', reason: 'HealthCheckFailed', message: 'health check failed after 30s' })

const markup =
  '@channel @everyone @here <!channel> <@U012> <@&77> <@all> <at id=all></at> <users/all> @**all** @_**Ann** [safe](https://evil.example) ' +
  '*b* _i_ ~s~ `c` <b>&amp;</b> <script>alert(1)</script> #h >q |t| {x} a.b!\u0000\u0007\u001b[31m\u009b \ud83d end'

const domains = (services: readonly Service[]) =>
  services.flatMap(({ sent }) => [...sent.info, ...sent.error].map(([request]) => new URL(request.split(' ')[1] ?? '').hostname))

/** Waits of a Sender are over at once. */
const hasty: Clock = {
  now: () => 0,
  monotonic: () => 0,
  after(_ms, callback) {
    const immediate = setImmediate(callback)
    return () => clearImmediate(immediate)
  },
}

/** Decodes what a request carries. */
export function decoded({ headers, text }: Received): unknown {
  const type = headers['content-type']
  if (type === 'application/json') return JSON.parse(text)
  if (type === 'application/x-www-form-urlencoded') return Object.fromEntries(new URLSearchParams(text))
  if (type === 'application/x-sentry-envelope')
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
  throw new Error(`content type ${type}`)
}

/** The tests of all services. */
export function suite(services: readonly Service[]): void {
  let server: HostServer
  beforeAll(async () => {
    server = await openHostServer([...new Set(domains(services))])
  })
  afterAll(() => server[Symbol.asyncDispose]())

  /** Sends through the real Sender to what takes the vendor's place; the requests that came. */
  async function send({ type, settings, vendor }: Service, notification: Notification, failures = 0): Promise<readonly Received[]> {
    const before = server.requests.length
    let left = failures
    server.host = (request) => (left-- > 0 ? { status: 500, body: 'try again' } : answered(vendor, request))
    await using sender = new HttpSender({ ...server.connection, clock: hasty, signal: AbortSignal.timeout(20_000) })
    await providerOf(type).connect(targetOf(settings))(notification, sender)
    return server.requests.slice(before)
  }

  describe.each(services)('$name', (service) => {
    const { row, type, settings } = service

    it.each([
      ['a success', success, service.sent.info],
      ['a failure', failed, service.sent.error],
    ])(`${row} ${service.name} hears of %s in the vendor's form`, async (_what, notification, expected) => {
      const requests = await send(service, notification)
      expect(requests.map(asSent)).toEqual(expected)
    })

    it(`${row} ${service.name} ${service.ignoresProgress ? 'does not hear' : 'hears'} of progress`, async () => {
      const requests = await send(service, about({ reason: 'Progressing', message: 'Detecting drift' }))
      expect(requests.length > 0).toBe(!service.ignoresProgress)
    })

    it(`F-NTF-02 ${row} ${service.name} takes a long message, cut, and too much metadata, in part`, async () => {
      for (const letter of ['a', '😀', '<', '"', '\n', '_']) {
        const many = Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`key${index}`, letter.repeat(3_000)]))
        const message = `the beginning ${letter.repeat(60_000)}`
        const requests = await send(
          service,
          about({ severity: 'error', message, metadata: { summary: 'most important', ...many } }),
        )
        const all = requests.map((request) => JSON.stringify(decoded(request))).join()
        if (!service.isSilent) expect(all).toContain('the beginning')
        expect(all).toContain('most important')
        expect(all).not.toMatch(/\ufffd|\\ud83d(?!\\ude00)/)
      }
    })

    it(`F-NTF-02 ${row} ${service.name} is told texts that mean themselves: no mentions, no markup, no control characters`, async () => {
      const requests = await send(service, about({ severity: 'error', message: markup, metadata: { [markup]: markup } }))
      const all = requests.map((request) => JSON.stringify(decoded(request))).join()
      if (!service.isSilent) expect(all).toContain('end')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not arrive
      expect(JSON.parse(JSON.stringify(all))).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]|\\u00[01]|\\ud83d(?!\\u)/)
      if (service.active) expect(all).not.toMatch(service.active)
    })

    it(`${row} ${service.name} is tried again after a server error`, async () => {
      const once = await send(service, failed)
      const again = await send(service, failed, 1)
      expect(again).toHaveLength(once.length + 1)
      expect([again[0]?.path, again[0]?.text]).toEqual([again[1]?.path, again[1]?.text])
    })

    it(`${row} ${service.name}: a refusal is told on the Alert, without the secrets that it repeats`, async () => {
      server.host = (request) => ({
        status: 403,
        body: `refused by the vendor: ${JSON.stringify(request.headers)} ${request.path} ${request.text}`.slice(0, 10_000),
      })
      const world = openWorld()
      const { address = '', channel, token, username, password } = settings
      const parts = Object.entries({ address, token, username, password }).filter(([, value]) => value)
      const meta = { namespace, name: 'it', uid: '12345678-abcd' }
      const apiVersion = 'notification.toolkit.fluxcd.io/v1beta3'
      const ref = (name: string) => ({ name })
      world.put(
        secret('login', Object.fromEntries(parts) as Record<string, string>),
        secret('ca', { 'ca.crt': String(server.connection.tls?.ca) }),
        secret('proxy', { address: String(server.connection.proxy) }),
        {
          apiVersion,
          kind: 'Provider',
          metadata: meta,
          spec: { type, channel, secretRef: ref('login'), certSecretRef: ref('ca'), proxySecretRef: ref('proxy') },
        },
        {
          apiVersion,
          kind: 'Alert',
          metadata: meta,
          spec: { providerRef: ref('it'), eventSources: [{ kind: 'Kustomization', name: '*' }] },
        },
      )
      const dispatcher = new Dispatcher(world)
      dispatcher.accept(failed.event)
      await dispatcher.idle()
      await dispatcher.close()
      const [event = ''] = world.events.get('Alert/it') ?? []
      expect(event).toMatch(
        /error NotificationDispatchFailed: failed to send notification for Kustomization\/apps\/shop: request failed with status code 403: refused by the vendor/,
      )
      const path = URL.parse(address)?.pathname ?? ''
      for (const value of [token, password, address, path.length < 8 ? '' : path])
        if (value) expect(event + JSON.stringify(world.log.lines)).not.toContain(value)
    })

    if (service.lacking.length > 0)
      it.each(service.lacking.map(([less, said]) => [said, less] as const))(
        `${row} ${service.name} says what is missing: %s`,
        async (said, less) => {
          expect(await failure(send({ ...service, settings: { ...settings, ...less } }, failed))).toMatch(said)
        },
      )
  })
}

function answered(vendor: Service['vendor'], request: Received): Answer {
  try {
    return vendor(request)
  } catch (error) {
    return { status: 400, body: `refused: ${(error as Error).message}` }
  }
}

function asSent(request: Received): Sent {
  const query = request.query.size > 0 ? `?${request.query}` : ''
  return [`${request.method} ${request.origin}${request.path}${query}`, decoded(request)]
}

/** Refuses a request. */
export function must(condition: unknown, why: string): asserts condition {
  if (!condition) throw new Error(why)
}

/** The JSON object of a request, at most so many bytes of it. */
export function jsonOf(request: Received, mostBytes = 1024 * 1024): Readonly<Record<string, unknown>> {
  must(request.headers['content-type'] === 'application/json', 'no JSON')
  must(Buffer.byteLength(request.text) <= mostBytes, `payload of ${Buffer.byteLength(request.text)} bytes is too large`)
  return JSON.parse(request.text) as Record<string, unknown>
}
