/** Events through Alerts and Providers, with services that are slow, broken or hostile. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import type { AlertSpec } from '../../src/api/alert.ts'
import type { FluxEvent } from '../../src/api/event.ts'
import type { ProviderSpec } from '../../src/api/provider.ts'
import { Dispatcher } from '../../src/notification/dispatch.ts'
import type { Flags } from '../../src/runtime/flags.ts'
import { namespace, openWorld, secret } from './world.ts'

const group = 'kustomize.toolkit.fluxcd.io'

function event(message: string, more: Partial<FluxEvent> & { name?: string; data?: Record<string, string> } = {}): FluxEvent {
  const { name = 'app', data = {}, ...rest } = more
  return {
    involvedObject: { apiVersion: `${group}/v1`, kind: 'Kustomization', namespace, name },
    severity: 'info',
    timestamp: '2026-01-02T03:04:05Z',
    message,
    reason: 'Progressing',
    reportingController: 'kustomize-controller',
    metadata: data,
    ...rest,
  }
}

interface Service extends AsyncDisposable {
  readonly address: string
  /** Messages in the order in which they came. */
  readonly told: string[]
  readonly requests: { readonly url: string; readonly headers: IncomingMessage['headers']; readonly body: string }[]
}

/** A service that keeps what it is told, and answers as `answer` does (200 when absent). */
async function openService(
  answer: (response: ServerResponse, message: string, tries: number) => void = (response) => void response.end(),
): Promise<Service> {
  const told: string[] = []
  const requests: Service['requests'] = []
  const server = createServer(async (request, response) => {
    const body = await text(request)
    const { message } = JSON.parse(body || '{}') as { message?: string }
    requests.push({ url: request.url ?? '', headers: request.headers, body })
    told.push(message ?? '')
    answer(response, message ?? '', told.filter((one) => one === message).length)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    told,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

function open(flags: Partial<Flags> = {}) {
  const world = openWorld(flags)
  const dispatcher = new Dispatcher(world)
  return {
    ...world,
    dispatcher,
    /** An Alert for all Kustomizations, and its Provider. */
    connect(name: string, provider: Partial<ProviderSpec>, alert: Partial<AlertSpec> = {}) {
      const metadata = { namespace, name, uid: '12345678-abcd' }
      const eventSources = [{ kind: 'Kustomization', name: '*' }]
      const apiVersion = 'notification.toolkit.fluxcd.io/v1beta3'
      world.put(
        { apiVersion, kind: 'Provider', metadata, spec: { type: 'generic', ...provider } },
        { apiVersion, kind: 'Alert', metadata, spec: { providerRef: { name }, eventSources, ...alert } },
      )
    },
    /** Moves the clock on, step by step, until everything is sent or given up. */
    async settle() {
      let isIdle = false
      void dispatcher.idle().then(() => {
        isIdle = true
      })
      await expect
        .poll(
          () => {
            if (!isIdle) world.clock.advance(250)
            return isIdle
          },
          { timeout: 20_000, interval: 2 },
        )
        .toBe(true)
    },
    logged: (message: string) => world.log.lines.filter((line) => line.message === message).map(({ fields }) => fields),
    [Symbol.asyncDispose]: () => dispatcher.close(),
  }
}

describe('the same event', () => {
  const at = (data: Record<string, string>) => event('applied', { data })
  it('NOT-EVT-02 F-NTF-03 is told once in the interval, and again after it', async () => {
    await using service = await openService()
    await using world = open({ rateLimitIntervalMs: 300_000 })
    world.connect('all', { address: service.address })
    const answers = Array.from({ length: 1_000 }, () => world.dispatcher.accept(event('applied')))
    expect([answers[0], ...new Set(answers.slice(1))]).toEqual(['accepted', 'duplicate'])
    await world.dispatcher.idle()
    world.clock.advance(299_999)
    expect(world.dispatcher.accept(event('applied'))).toBe('duplicate')
    world.clock.advance(1)
    expect(world.dispatcher.accept(event('applied'))).toBe('accepted')
    await world.dispatcher.idle()
    expect(service.told).toEqual(['applied', 'applied'])
  })

  it.each([
    ['revision', { [`${group}/revision`]: 'b' }, 'accepted'],
    ['originRevision', { [`${group}/revision`]: 'a', [`${group}/originRevision`]: 'x' }, 'accepted'],
    ['token', { [`${group}/revision`]: 'a', [`${group}/token`]: 't' }, 'accepted'],
    ['checksum', { [`${group}/revision`]: 'a', [`${group}/checksum`]: 'c' }, 'duplicate'],
    ['revision of another group', { [`${group}/revision`]: 'a', 'source.toolkit.fluxcd.io/revision': 'x' }, 'duplicate'],
  ])('NOT-EVT-02 is another one with another %s, or is it: %j → %s', async (_key, data, acceptance) => {
    await using world = open()
    expect(world.dispatcher.accept(at({ [`${group}/revision`]: 'a' }))).toBe('accepted')
    expect(world.dispatcher.accept(at(data))).toBe(acceptance)
    await world.dispatcher.idle()
  })

  it('NOT-ALR-04 is told without token, checksum, digest and what is of other groups; the later source of a key wins', async () => {
    await using service = await openService()
    await using world = open()
    const eventMetadata = { env: 'alert', summary: 'alert', revision: 'alert', own: 'alert' }
    world.connect('all', { address: service.address }, { eventMetadata, summary: 'summary' })
    const own = { revision: 'r', token: 't', checksum: 'c', Digest: 'd' }
    const annotations = { env: 'object', team: 'web' }
    world.dispatcher.accept(
      at({
        ...Object.fromEntries(Object.entries(own).map(([key, value]) => [`${group}/${key}`, value])),
        ...Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`event.toolkit.fluxcd.io/${key}`, value])),
        'example.com/foreign': 'x',
      }),
    )
    await world.dispatcher.idle()
    expect(JSON.parse(service.requests[0]?.body ?? '').metadata).toEqual({
      env: 'alert',
      team: 'web',
      own: 'alert',
      summary: 'summary',
      revision: 'r',
    })
    expect(world.events.get('Alert/all')).toEqual([
      'error MetadataAppendFailed: metadata key conflicts detected (please refer to the Alert API docs and Flux RFC 0008 for more information)',
    ])
  })
})

describe('a service', () => {
  const about = `for Kustomization/${namespace}/app:`

  it('NOT-EVT-03 F-NTF-01 that fails gets the event again after 2, 4, 8 and 16 seconds', async () => {
    await using service = await openService((response, _message, tries) => response.writeHead(tries < 5 ? 500 : 200).end())
    await using world = open()
    world.connect('all', { address: service.address, timeout: '1m' })
    world.dispatcher.accept(event('news'))
    const tries: number[] = []
    for (const waitMs of [2_000, 4_000, 8_000, 16_000]) {
      await expect.poll(() => world.clock.timers).toBe(3) // the time-out and what comes of it, and the wait
      tries.push(service.told.length)
      world.clock.advance(waitMs - 1)
      expect(service.told).toHaveLength(tries.length)
      world.clock.advance(1)
      await expect.poll(() => service.told.length).toBe(tries.length + 1)
    }
    await world.dispatcher.idle()
    expect(tries).toEqual([1, 2, 3, 4])
    expect(world.events.size).toBe(0)
  })

  it.each([
    [
      'fails for good',
      (response: ServerResponse) => response.writeHead(503).end('down'),
      5,
      'request failed with status code 503: down',
    ],
    ['has had too much', (response: ServerResponse) => response.writeHead(429, { 'retry-after': '1' }).end(), 5, 'status code 429'],
    [
      'refuses',
      (response: ServerResponse) => response.writeHead(404).end('no\n\u0007room'),
      1,
      'request failed with status code 404: no room',
    ],
    ['closes', (response: ServerResponse) => response.socket?.destroy(), 5, 'failed to execute request: '],
  ] as const)('NOT-EVT-03 F-NTF-01 that %s is given up, and the Alert says so', async (_what, answer, tries, message) => {
    await using service = await openService((response) => void answer(response))
    await using world = open()
    world.connect('all', { address: service.address, timeout: '5m' })
    world.dispatcher.accept(event('news'))
    await world.settle()
    expect(service.told).toHaveLength(tries)
    expect(world.events.get('Alert/all')).toEqual([
      expect.stringContaining(`error NotificationDispatchFailed: failed to send notification ${about} `),
    ])
    expect(world.events.get('Alert/all')?.[0]).toContain(message)
    expect(world.dropped).toEqual(['notification failed'])
    expect(world.notified).toEqual(['generic error'])
  })

  it('NOT-PRV-11 F-NTF-01 that hangs is left alone when the time is up, and costs the others nothing', async () => {
    await using hanging = await openService(() => {})
    await using service = await openService()
    await using world = open()
    world.connect('hanging', { address: hanging.address, timeout: '3s' })
    world.connect('all', { address: service.address })
    for (let index = 0; index < 20; index++) world.dispatcher.accept(event('news', { name: `app-${index}` }))
    await expect.poll(() => service.told.length).toBe(20)
    expect(hanging.told.length).toBeLessThanOrEqual(8)
    await world.settle()
    const failures = world.events.get('Alert/hanging') ?? []
    expect(failures).toHaveLength(20)
    expect(failures[0]).toContain("context deadline exceeded: not done within the Provider's timeout of 3s")
    expect(world.events.get('Alert/all')).toBeUndefined()
  })

  it('says what the last try came to when the time is up', async () => {
    await using service = await openService((response) => void response.writeHead(500).end('oh no'))
    await using world = open()
    world.connect('all', { address: service.address, timeout: '3s' })
    world.dispatcher.accept(event('news'))
    await world.settle()
    expect(world.events.get('Alert/all')?.[0]).toMatch(/timeout of 3s; the last try: request failed with status code 500: oh no$/)
  })

  it('F-NTF-01 that answers without end is cut off, and little of it is shown', async () => {
    const closed = Promise.withResolvers<number>()
    await using service = await openService((response) => {
      let written = 0
      response.writeHead(400)
      const pump = () => {
        while (!response.destroyed && written < 1024 ** 3 && response.write('x'.repeat(65_536))) written += 65_536
      }
      response.on('drain', pump).on('close', () => closed.resolve(written))
      pump()
    })
    await using world = open()
    world.connect('all', { address: service.address })
    world.dispatcher.accept(event('news'))
    await world.settle()
    expect(await closed.promise).toBeLessThan(64 * 1024 ** 2)
    expect(world.events.get('Alert/all')?.[0]?.length).toBeLessThan(1_000)
  })

  it('gets what is about one object in order, however slow it is, and the rest meanwhile', async () => {
    const held = Promise.withResolvers<void>()
    await using service = await openService((response, message) => {
      if (message !== 'failed') response.end()
      else void held.promise.then(() => response.end())
    })
    await using world = open()
    world.connect('all', { address: service.address })
    world.dispatcher.accept(event('failed', { severity: 'error' }))
    world.dispatcher.accept(event('recovered'))
    world.dispatcher.accept(event('other', { name: 'other' }))
    await expect.poll(() => service.told.toSorted()).toEqual(['failed', 'other'])
    await expect.poll(() => world.dispatcher.waiting).toBe(2)
    held.resolve()
    await world.dispatcher.idle()
    expect(world.dispatcher.waiting).toBe(0)
    expect(world.notified).toEqual(['generic success', 'generic success', 'generic success'])
    expect(service.told.filter((message) => message !== 'other')).toEqual(['failed', 'recovered'])
  })

  it('that does not keep up loses what is too much, and its Alert says so once', async () => {
    await using service = await openService(() => {})
    await using world = open()
    world.connect('all', { address: service.address, timeout: '1h' })
    for (let index = 0; index < 1_100; index++) world.dispatcher.accept(event('news', { name: `app-${index}` }))
    await expect.poll(() => world.dropped.length).toBe(1_100 - 8 - 1_000)
    expect(world.events.get('Alert/all')).toEqual([
      expect.stringContaining(`Provider '${namespace}/all' does not keep up: events are dropped until it does`),
    ])
  })
})

describe('the memory of events on their way', () => {
  it('is bounded by their number and by their size', async () => {
    await using service = await openService(() => {})
    await using world = open()
    world.connect('all', { address: service.address, timeout: '1h' })
    const large = 'x'.repeat(3_000_000)
    const answers = Array.from({ length: 20 }, (_, index) => world.dispatcher.accept(event(`${index} ${large}`)))
    expect(answers.filter((answer) => answer === 'accepted')).toHaveLength(11)
    expect(answers.at(-1)).toBe('busy')
  })
})

describe('a commit status Provider', () => {
  const kinds: readonly (readonly [string, Partial<FluxEvent> & { data?: Record<string, string> }, boolean, boolean])[] = [
    ['without a commit', {}, false, true],
    ['with a commit', { data: { 'event.toolkit.fluxcd.io/commit': 'a'.repeat(40) } }, true, true],
    ['that failed', { severity: 'error', data: { [`${group}/revision`]: `main@sha1:${'a'.repeat(40)}` } }, true, true],
    [
      'that updates the status',
      { data: { [`${group}/commit_status`]: 'update', [`${group}/revision`]: `main@sha1:${'a'.repeat(40)}` } },
      true,
      true,
    ],
  ]
  it.each(kinds)('F-NTF-05 gets an event %s only if it can say something of a commit', async (_name, more, isTold, isForwarded) => {
    await using host = await openService((response) => void response.writeHead(400).end('[]'))
    await using service = await openService()
    await using world = open()
    world.put(secret('token', { token: 't0ken' }))
    world.connect('status', { type: 'gitea', address: `${host.address}/org/repo`, secretRef: { name: 'token' } })
    world.connect('generic', { address: service.address })
    world.dispatcher.accept(event('news', more))
    await world.settle()
    expect(host.told.length > 0).toBe(isTold)
    expect(service.told.length > 0).toBe(isForwarded)
    const dropped = world.logged('event dropped for commit status providers due to missing commit metadata key')
    expect(dropped).toHaveLength(isTold ? 0 : 1)
    // What the host says is told once.
    expect(world.events.get('Alert/status')?.length ?? 0).toBe(isTold ? 1 : 0)
  })

  it('NOT-PRV-09 fails with an expression that does not evaluate, and says so', async () => {
    await using world = open()
    const spec = { type: 'gitea', address: 'http://127.0.0.1/', commitStatusExpr: 'event.metadata.nothing' } as const
    world.connect('status', spec)
    world.dispatcher.accept(event('news', { severity: 'error' }))
    await world.settle()
    expect(world.events.get('Alert/status')?.[0]).toContain(
      `failed to dispatch notification for Kustomization/${namespace}/app: failed to create commit status: failed to evaluate the spec.commitStatusExpr CEL expression`,
    )
  })
})

describe('a Provider that cannot be used', () => {
  it.each([
    ['a service account', { serviceAccountName: 'x' }, 'to use spec.serviceAccountName for provider authentication'],
    ['a type that is not built', { type: 'otel' as const }, "provider type 'otel' is not implemented in this version"],
    ['a signature without a token', { type: 'generic-hmac' as const }, "failed to initialize notifier for provider 'all': "],
    ['no address', { address: '' }, 'the address is no http or https URL'],
    ['an address without a scheme', { address: '127.0.0.1/x' }, 'the address is no http or https URL'],
    ['an address of another scheme', { address: 'file:///etc/passwd' }, 'the address is no http or https URL'],
  ])('F-NTF-04 is told on the Alert: %s', async (_name, spec, message) => {
    await using world = open()
    world.connect('all', { address: 'http://127.0.0.1/', ...spec })
    world.dispatcher.accept(event('news'))
    await world.settle()
    expect(world.events.get('Alert/all')).toEqual([expect.stringContaining(message)])
  })

  it('F-NTF-04 NOT-EVT-04 sends credentials of the address as such, and shows none', async () => {
    await using service = await openService((response) => void response.writeHead(401).end('who is me:p%w0rd, t0ken?'))
    await using world = open()
    world.put(secret('token', { token: 't0ken' }))
    const address = service.address.replace('//', '//me:p%25w0rd@')
    world.connect('all', { address, secretRef: { name: 'token' } })
    world.dispatcher.accept(event('news'))
    await world.settle()
    expect(service.requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from('me:p%w0rd').toString('base64')}`)
    expect(world.events.get('Alert/all')?.[0]).toMatch(/401: who is me:\*{5}, \*{5}\?$/)
    for (const { fields } of world.log.lines) expect(JSON.stringify(fields)).not.toMatch(/w0rd|t0ken/)
  })
})
