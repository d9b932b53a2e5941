/** Callers from outside that send too much, too slowly, or what is no call. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { eventIntake } from '../../src/notification/intake.ts'
import { type Call, type Handler, serve } from '../../src/notification/serve.ts'
import type { HttpAnswer } from '../../src/runtime/work-metrics.ts'
import { keepingLogger } from '../runtime/artifact-fixtures.ts'

const limit = 3 * 1024 * 1024

async function open(handler: Handler, headersTimeoutMs?: number) {
  const log = keepingLogger()
  const answers: HttpAnswer[] = []
  const listening = await serve({
    address: '127.0.0.1:0',
    handler,
    log,
    observe: () => (answer) => answers.push(answer),
    ...(headersTimeoutMs !== undefined && { headersTimeoutMs }),
  })
  return {
    log,
    answers,
    url: `http://127.0.0.1:${listening.port}`,
    post: async (body: string | Buffer, headers: Record<string, string> = {}) =>
      (await fetch(`http://127.0.0.1:${listening.port}/`, { method: 'POST', body, headers })).status,
    /** Sends bytes and returns what is answered until the connection is closed; empty when it is cut off while they are sent. */
    async raw(...parts: readonly (string | Buffer)[]): Promise<string> {
      const socket = connect(listening.port, '127.0.0.1')
      socket.on('error', () => {})
      await once(socket, 'connect')
      for (const part of parts) socket.write(part)
      return await text(socket).catch(() => '')
    },
    connect: () => connect(listening.port, '127.0.0.1'),
    [Symbol.asyncDispose]: () => listening.close(),
  }
}

describe('a server for calls from outside', () => {
  it('F-RCV-03 takes a body of 3 MiB, and refuses one byte more before anybody looks at it', async () => {
    const calls: Call[] = []
    await using server = await open((call) => {
      calls.push(call)
      return { status: 200 }
    })
    expect(await server.post(Buffer.alloc(limit, 'x'))).toBe(200)
    expect(calls[0]?.body.equals(Buffer.alloc(limit, 'x'))).toBe(true)
    expect(await server.post(Buffer.alloc(limit + 1))).toBe(413)
    // Without a length: what is sent decides.
    const chunk = `100000\r\n${'x'.repeat(0x100000)}\r\n`
    const head = 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n'
    expect(await server.raw(head, chunk, chunk, chunk, '1\r\nx\r\n')).toMatch(/^(HTTP\/1\.1 413 .*connection: close|$)/is)
    expect(await server.raw(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${5 * 1024 ** 3}\r\n\r\nx`)).toMatch(/^HTTP\/1\.1 413 /)
    expect(calls).toHaveLength(1)
    expect(server.answers.map(({ code }) => code)).toEqual([200, 413, 413, 413])
  })

  it('F-RCV-03 refuses 300 KiB of headers, and cuts off those that come too slowly', async () => {
    const calls: Call[] = []
    await using server = await open((call) => {
      calls.push(call)
      return { status: 200 }
    }, 300)
    const head = 'POST / HTTP/1.1\r\nhost: x\r\n'
    expect(await server.raw(`${head}x-long: ${'x'.repeat(200 * 1024)}\r\nconnection: close\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 /)
    expect(await server.raw(`${head}x-long: ${'x'.repeat(300 * 1024)}\r\n\r\n`)).toMatch(/^(HTTP\/1\.1 431 |$)/)
    expect(await server.raw(`${head}x-slow: `)).toMatch(/^HTTP\/1\.1 408 /)
    expect(calls).toHaveLength(1)
  })

  it('hands over the target and the headers as they were sent', async () => {
    const calls: Call[] = []
    await using server = await open((call) => {
      calls.push(call)
      return { status: 200 }
    })
    await server.raw('PUT //a/../b?c=%2e#d HTTP/1.1\r\nhost: x\r\nX-Token: \xe9\r\nconnection: close\r\n\r\n')
    expect(calls[0]).toMatchObject({ method: 'PUT', target: '//a/../b?c=%2e#d' })
    expect(calls[0]?.headers.get('x-token')).toBe(Buffer.from('é').toString('latin1'))
  })

  it('answers 500 when a handler fails, tells why in the log only, and goes on', async () => {
    let isBroken = true
    await using server = await open(() => {
      if (isBroken) throw new Error('the reason')
      return { status: 200 }
    })
    const broken = await fetch(server.url)
    expect([broken.status, await broken.text()]).toEqual([500, ''])
    expect(server.log.lines).toEqual([{ fields: { error: 'the reason' }, message: 'failed to handle a request' }])
    isBroken = false
    expect((await fetch(server.url)).status).toBe(200)
  })

  it('gets over callers that break off', async () => {
    await using server = await open(() => ({ status: 200 }))
    const socket = server.connect()
    await once(socket, 'connect')
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf')
    socket.destroy()
    await expect.poll(() => server.answers.map(({ code }) => code)).toEqual([400])
    expect(await server.post('x')).toBe(200)
  })

  it('names the address that it cannot listen on', async () => {
    await using server = await open(() => ({ status: 200 }))
    const { port } = new URL(server.url)
    const again = serve({
      address: `127.0.0.1:${port}`,
      handler: () => ({ status: 200 }),
      log: keepingLogger(),
      observe: () => () => {},
    })
    await expect(again).rejects.toThrow(`failed to listen on 127.0.0.1:${port}: `)
  })
})

describe('the intake of events', () => {
  const event = {
    involvedObject: { kind: 'Kustomization', namespace: 'a', name: 'b', apiVersion: 'kustomize.toolkit.fluxcd.io/v1' },
    severity: 'error',
    timestamp: '2026-01-02T03:04:05Z',
    message: 'm',
    reason: 'r',
    metadata: { 'x/y': 'z' },
    reportingController: 'c',
  }

  it.each([
    ['accepted', 202],
    ['duplicate', 429],
    ['busy', 429],
  ] as const)('NOT-EVT-01 answers an event that is %s with %i', async (acceptance, status) => {
    const taken: unknown[] = []
    await using server = await open(
      eventIntake((one) => {
        taken.push(one)
        return acceptance
      }, keepingLogger()),
    )
    expect(await server.post(JSON.stringify(event))).toBe(status)
    expect(taken).toMatchObject([event])
  })

  it.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['a list', '[]'],
    ['nothing but null', 'null'],
    ['an object that is none', { ...event, involvedObject: 'x' }],
    ['a name that is no text', { ...event, involvedObject: { name: 1 } }],
    ['metadata that is no text', { ...event, metadata: { a: {} } }],
    ['a message that is no text', { ...event, message: ['x'] }],
    ['a time that is none', { ...event, timestamp: 'yesterday' }],
  ])('NOT-EVT-01 refuses %s with 400', async (_name, body) => {
    await using server = await open(
      eventIntake(() => {
        throw new Error('must not be reached')
      }, keepingLogger()),
    )
    expect(await server.post(typeof body === 'string' ? body : JSON.stringify(body))).toBe(400)
  })

  it('NOT-EVT-01 takes names of the prototype for keys of metadata', async () => {
    let metadata: Readonly<Record<string, string>> = {}
    await using server = await open(
      eventIntake((one) => {
        metadata = one.metadata ?? {}
        return 'accepted'
      }, keepingLogger()),
    )
    expect(await server.post('{"metadata":{"__proto__":"a","constructor":"b"}}')).toBe(202)
    expect(Object.entries(metadata)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ])
  })
})
