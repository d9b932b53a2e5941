import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect as connectTo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/kube/config.ts'
import { ApiError, ConnectionError, type RequestRecord, Transport, type TransportRequest } from '../../src/kube/transport.ts'
import { type Certificate, createAuthority } from '../tools/certificates.ts'
import { answerJson, answerStatus, type FaultProxy, startFaultProxy } from '../tools/fault-proxy.ts'
import { temporaryDirectory } from '../tools/processes.ts'

let server: FaultProxy
const records: RequestRecord[] = []
const warnings: string[] = []
let transport: Transport

beforeAll(async () => {
  server = await startFaultProxy()
  transport = new Transport(server.config, {
    onRequest: (record) => records.push(record),
    onWarning: (text) => warnings.push(text),
  })
})
afterAll(async () => {
  await transport.close()
  await server[Symbol.asyncDispose]()
})
beforeEach(() => {
  server.fault = undefined
  server.seen.length = 0
  records.length = 0
  warnings.length = 0
})

const get = { method: 'GET', path: '/api/v1/namespaces/a', verb: 'get' } as const
const post = { method: 'POST', path: '/api/v1/namespaces', verb: 'create', body: '{}', contentType: 'application/json' } as const

async function failure(request: TransportRequest, from = transport): Promise<Error> {
  return from.request(request).then(
    () => expect.unreachable('it should have failed'),
    (error) => error,
  )
}

describe('answers', () => {
  it('turns a Status object into an ApiError with reason, causes and wait', async () => {
    server.fault = (_, response) =>
      answerStatus(response, {
        code: 422,
        reason: 'Invalid',
        message: 'ConfigMap "a" is invalid',
        details: { causes: [{ field: 'data', reason: 'FieldValueRequired', message: 'Required value' }], retryAfterSeconds: 3 },
      })
    const error = await failure(get)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({
      message: 'ConfigMap "a" is invalid',
      status: 422,
      reason: 'Invalid',
      retryAfterMs: 3000,
      causes: [{ field: 'data', reason: 'FieldValueRequired', message: 'Required value' }],
    })
  })

  it('quotes an answer that is no Status object, shortened', async () => {
    server.fault = (_, response) => {
      response.writeHead(502).end(`<html>bad gateway${'!'.repeat(1000)}`)
      return true
    }
    const error = await failure({ ...get, path: '/api/v1/namespaces/a?continue=secret' })
    expect(error.message).toMatch(/^GET \/api\/v1\/namespaces\/a: the API server answered 502: <html>bad gateway!/)
    expect(error.message.length).toBeLessThan(300)
  })

  it('keeps integers beyond 2^53', async () => {
    server.fault = (_, response) => answerJson(response, '{"big":12345678901234567890,"small":1}')
    expect(await transport.request(get)).toEqual({ big: 12345678901234567890n, small: 1 })
  })

  it('accepts compressed lists', async () => {
    server.fault = ({ headers }, response) => {
      expect(headers['accept-encoding']).toBe('gzip')
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{"items":[]}'))
      return true
    }
    expect(await transport.request({ ...get, verb: 'list' })).toEqual({ items: [] })
  })

  it('passes warnings on, several in one header too', async () => {
    server.fault = (_, response) => answerJson(response, {}, { warning: '299 - "v1 is \\"old\\"", 299 - "unknown field"' })
    await transport.request(get)
    expect(warnings).toEqual(['v1 is "old"', 'unknown field'])
  })

  it('counts each request by verb and status, and names itself', async () => {
    server.fault = (_, response) => answerJson(response, {})
    await transport.request(get)
    expect(records).toMatchObject([{ verb: 'get', method: 'GET', status: 200, host: server.config.server.host }])
    expect(server.seen[0]?.headers['user-agent']).toMatch(/^sluice\/\d/)
  })
})

describe('retries', () => {
  /** Fails so often, then answers. */
  const failing = (times: number, status: { code: number; message?: string }, headers: Record<string, string> = {}) => {
    let left = times
    server.fault = (_, response) => (left-- > 0 ? answerStatus(response, status, headers) : answerJson(response, { ok: true }))
  }

  it('F-API-03 waits as long as Retry-After says in seconds, also for a create', async () => {
    failing(1, { code: 429 }, { 'retry-after': '1' })
    const startedAt = performance.now()
    expect(await transport.request(post)).toEqual({ ok: true })
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(990)
  })

  it('F-API-03 understands a date in Retry-After', async () => {
    failing(1, { code: 503 }, { 'retry-after': new Date(Date.now() - 1000).toUTCString() })
    expect(await transport.request(get)).toEqual({ ok: true })
    expect(server.seen).toHaveLength(2)
  })

  it('gives up after ten attempts', async () => {
    failing(100, { code: 429, message: 'too many' }, { 'retry-after': '0' })
    expect(await failure(get)).toMatchObject({ status: 429, retryAfterMs: 0 })
    expect(server.seen).toHaveLength(10)
  })

  it('does not wait longer than a minute for a server that asks for more', async () => {
    failing(1, { code: 503 }, { 'retry-after': '3600' })
    expect(await failure(get)).toMatchObject({ status: 503, retryAfterMs: 3_600_000 })
    expect(server.seen).toHaveLength(1)
  })

  it('tries a kind whose storage is just being made again within milliseconds', async () => {
    failing(3, { code: 429, message: 'storage is (re)initializing' }, { 'retry-after': '1' })
    const startedAt = performance.now()
    await transport.request(get)
    expect(performance.now() - startedAt).toBeLessThan(900)
  })

  it('leaves other failures alone', async () => {
    failing(1, { code: 500 })
    expect(await failure(get)).toMatchObject({ status: 500, reason: 'InternalError' })
    expect(server.seen).toHaveLength(1)
  })

  it('repeats a read whose connection broke, but not a create, whose outcome is unknown', async () => {
    let broken = 0
    server.fault = ({ method }, response) => {
      if (method === 'GET' && broken++ > 0) return answerJson(response, { ok: true })
      response.destroy()
      return true
    }
    expect(await transport.request(get)).toEqual({ ok: true })
    server.seen.length = 0
    const error = await failure(post)
    expect(error).toBeInstanceOf(ConnectionError)
    expect(error.message).toBe(`POST /api/v1/namespaces at ${server.url}: other side closed`)
    expect(server.seen).toHaveLength(1)
  })

  it('tries a refused connection again for a create too: nothing has been sent', async () => {
    const { port, close } = await listen(createServer())
    await close()
    const attempts: RequestRecord[] = []
    await using lonely = new Transport(
      { ...server.config, server: new URL(`http://127.0.0.1:${port}`) },
      { onRequest: (record) => attempts.push(record) },
    )
    expect(await failure(post, lonely)).toMatchObject({ code: 'ECONNREFUSED' })
    expect(attempts).toHaveLength(4)
    expect(attempts[0]?.status).toBeUndefined()
  })

  it('stops waiting when the signal is aborted', async () => {
    failing(1, { code: 429 }, { 'retry-after': '30' })
    const controller = new AbortController()
    const request = failure({ ...get, signal: controller.signal })
    await expect.poll(() => records.length).toBe(1)
    controller.abort()
    expect((await request).name).toBe('AbortError')
  })
})

describe('connections', () => {
  it('F-API-03 keeps requests and the lease going while watches and slow requests hold theirs', async () => {
    await using narrow = new Transport(server.config, { connections: 1 })
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    server.fault = ({ url, isWatch }, response) => {
      if (isWatch) response.writeHead(200).write('one\n')
      else if (url.pathname === '/slow') void held.then(() => answerJson(response, {}))
      else return answerJson(response, { ok: true })
      return true
    }
    const stop = new AbortController()
    const watches = ['a', 'b', 'c'].map((name) =>
      narrow.stream({ ...get, path: `/${name}?watch=true`, verb: 'watch', signal: stop.signal })[Symbol.asyncIterator](),
    )
    for (const watch of watches) expect(await watch.next()).toEqual({ done: false, value: 'one' })
    expect(await narrow.request(get)).toEqual({ ok: true })

    const slow = narrow.request({ ...get, path: '/slow' })
    expect(await narrow.request({ ...get, urgent: true })).toEqual({ ok: true })
    release()
    await slow
    stop.abort()
  })

  it('cuts lines right where a character or a line is split between packets', async () => {
    const bytes = Buffer.from('{"a":"é"}\n{"b":1}\nrest')
    server.fault = (_, response) => {
      const next = (at: number): void => {
        if (at === bytes.length) response.end()
        else response.write(bytes.subarray(at, at + 1), () => setImmediate(next, at + 1))
      }
      next(0)
      return true
    }
    const lines: string[] = []
    for await (const line of transport.stream({ ...get, verb: 'watch' })) lines.push(line)
    expect(lines).toEqual(['{"a":"é"}', '{"b":1}'])
  })

  it('breaks a line off that has no end', async () => {
    const chunk = Buffer.alloc(1024 * 1024, 'x')
    server.fault = (_, response) => {
      const more = (): void => {
        if (!response.destroyed) response.write(chunk, more)
      }
      more()
      return true
    }
    const read = async () => {
      for await (const _ of transport.stream({ ...get, verb: 'watch' })) expect.unreachable('no line should come')
    }
    await expect(read()).rejects.toThrow(/longer than/)
  })
})

describe('encryption', () => {
  it('F-API-02 follows a server whose certificate comes from a new authority, without a restart', async () => {
    const [former, current] = await Promise.all([createAuthority('former'), createAuthority('current')])
    const trusted = { ca: former.ca }
    await using secure = await serveTls(await former.server())
    const rotating = {
      ...server.config,
      server: secure.url,
      credentials: async () => ({ authorization: undefined, tls: { ...trusted } }),
    }
    await using client = new Transport(rotating)
    expect(await client.request(get)).toEqual({ ok: true })

    secure.renew(await current.server())
    const refused = await failure(get, client)
    expect(refused).toBeInstanceOf(ConnectionError)
    trusted.ca = current.ca
    expect(await client.request(get)).toEqual({ ok: true })
  })

  it('goes through the proxy that the kubeconfig names', async () => {
    const authority = await createAuthority()
    await using secure = await serveTls(await authority.server())
    const tunnels: string[] = []
    const proxy = createServer().on('connect', (request, client, head) => {
      tunnels.push(request.url ?? '')
      const target = connectTo(Number(secure.url.port), '127.0.0.1', () => {
        client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
        target.write(head)
        target.pipe(client).pipe(target)
      })
      for (const socket of [client, target]) socket.on('error', () => {})
    })
    const { port, close } = await listen(proxy)
    const config = { ...server.config, server: secure.url, proxyUrl: `http://127.0.0.1:${port}` }
    const credentials = async () => ({ authorization: undefined, tls: { ca: authority.ca } })
    const client = new Transport({ ...config, credentials })
    expect(await client.request(get)).toEqual({ ok: true })
    expect(tunnels).toEqual([secure.url.host])
    await client.close()
    await close()
  })
})

async function serveTls(certificate: Certificate) {
  const secure = createSecureServer(certificate, (_, response) => answerJson(response, { ok: true }))
  const { port, close } = await listen(secure)
  return {
    url: new URL(`https://127.0.0.1:${port}`),
    /** As after a restart: connections are closed, new ones see the new certificate. */
    renew(next: Certificate) {
      secure.setSecureContext(next)
      secure.closeAllConnections()
    },
    [Symbol.asyncDispose]: close,
  }
}

async function listen(of: Server): Promise<{ port: number; close: () => Promise<void> }> {
  of.listen(0, '127.0.0.1')
  await once(of, 'listening')
  const close = async () => {
    of.close()
    of.closeAllConnections()
  }
  return { port: (of.address() as AddressInfo).port, close }
}

describe('credentials', () => {
  it('F-API-05 takes a rotated token up: within a minute by itself, at once when the old one is refused', async () => {
    const directory = await temporaryDirectory('token')
    const place = async (token: string) => {
      await writeFile(join(directory, 'next'), `${token}\n`)
      await rename(join(directory, 'next'), join(directory, 'token'))
    }
    await place('first')
    await writeFile(join(directory, 'ca.crt'), '')
    await writeFile(join(directory, 'namespace'), 'apps')
    let now = 0
    const { credentials, namespace } = await loadConfig({
      env: { KUBERNETES_SERVICE_HOST: '127.0.0.1' },
      serviceAccountDirectory: directory,
      monotonic: () => now,
    })
    expect(namespace).toBe('apps')
    await using rotating = new Transport({ ...server.config, credentials })
    let accepted = ['Bearer first', 'Bearer second']
    server.fault = ({ headers }, response) =>
      accepted.includes(headers.authorization ?? '')
        ? answerJson(response, { used: headers.authorization })
        : answerStatus(response, { code: 401, reason: 'Unauthorized', message: 'Unauthorized' })

    expect(await rotating.request(get)).toEqual({ used: 'Bearer first' })
    await place('second')
    now = 59_000
    expect(await rotating.request(get)).toEqual({ used: 'Bearer first' })
    now = 61_000
    expect(await rotating.request(get)).toEqual({ used: 'Bearer second' })

    await place('third')
    accepted = ['Bearer third']
    expect(await rotating.request(post)).toEqual({ used: 'Bearer third' })
    accepted = []
    const error = await failure(get, rotating)
    expect(error).toMatchObject({ status: 401, reason: 'Unauthorized' })
    expect(error.message).not.toContain('third')
  })
})
