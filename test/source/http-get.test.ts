import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type HttpAccess, HttpClient, type HttpError } from '../../src/source/http-get.ts'
import { createAuthority } from '../tools/certificates.ts'
import { type ChartServer, startChartServer } from '../tools/chart-server.ts'

const basic = { username: 'ann', password: 'swordfish' }
const bound = { bytes: 1000, message: 'it is too large' }
const never = new AbortController().signal

afterEach(() => vi.unstubAllEnvs())

function access(url: string, more: Partial<HttpAccess> = {}): HttpAccess {
  return { url, passCredentials: false, timeoutMs: 10_000, ...more }
}

async function get(from: HttpAccess, address: string, signal = never): Promise<string> {
  await using client = new HttpClient(from, signal)
  return (await client.get(address, bound)).toString('utf8')
}

async function failure(promise: Promise<unknown>): Promise<HttpError> {
  return promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: HttpError) => error,
  )
}

/** User and password of each request, `-` for none. */
function seenBy(server: ChartServer): string[] {
  return server.requests.map(({ credentials }) => credentials ?? '-')
}

describe('passwords', () => {
  it('SRC-HRP-02 go to the host and port of the repository alone', async () => {
    await using own = await startChartServer()
    await using other = await startChartServer()
    const from = access(own.url, { basic })
    await get(from, `${own.url}charts/index.yaml`)
    await get(from, `${other.url}index.yaml`)
    await get(from, `${own.urlOn('localhost')}index.yaml`)
    expect(seenBy(own)).toEqual(['ann:swordfish', '-'])
    expect(seenBy(other)).toEqual(['-'])
  })

  it('SRC-HRP-02 go to every host where the repository says so', async () => {
    await using own = await startChartServer()
    await using other = await startChartServer()
    await get(access(own.url, { basic, passCredentials: true }), `${other.url}index.yaml`)
    expect(seenBy(other)).toEqual(['ann:swordfish'])
  })

  it('stay behind when the server redirects to another host, and do not come back', async () => {
    await using own = await startChartServer()
    own.breakWith(({ path, headers }) => {
      if (path === '/index.yaml') return { redirect: `${own.urlOn('localhost')}far` }
      if (path === '/far' && headers.host?.startsWith('localhost')) return { redirect: `${own.url}back/index.yaml` }
      return undefined
    })
    for (const passCredentials of [false, true])
      expect(await get(access(own.url, { basic, passCredentials }), `${own.url}index.yaml`)).toContain('apiVersion')
    expect(seenBy(own)).toEqual(['ann:swordfish', '-', '-', 'ann:swordfish', '-', '-'])
  })

  it('go on to another place on the same host', async () => {
    await using own = await startChartServer()
    own.breakWith(({ path }) => (path === '/index.yaml' ? { redirect: '/elsewhere/index.yaml' } : undefined))
    await get(access(own.url, { basic }), `${own.url}index.yaml`)
    expect(seenBy(own)).toEqual(['ann:swordfish', 'ann:swordfish'])
  })

  it('may be part of the address, and are in no message then', async () => {
    await using own = await startChartServer({ auth: basic })
    const address = own.url.replace('//', '//ann:swordfish@')
    await get(access(address), `${address}index.yaml?token=tuna`)
    expect(own.requests).toMatchObject([{ credentials: 'ann:swordfish', query: '?token=tuna' }])
    const { message } = await failure(get(access(address), `${address}missing.tgz?token=tuna`))
    expect(message).toBe(`failed to fetch ${own.url}missing.tgz : 404 Not Found`)
  })

  it('are left out when one half of them is empty', async () => {
    await using own = await startChartServer()
    await get(access(own.url, { basic: { username: 'ann', password: '' } }), `${own.url}index.yaml`)
    expect(seenBy(own)).toEqual(['-'])
  })
})

describe('a download', () => {
  it.each([
    [401, 'Unauthorized', 'authentication'],
    [403, 'Forbidden', 'other'],
    [503, 'Service Unavailable', 'other'],
    [304, '', 'other'],
  ])('fails with status %i', async (status, text, code) => {
    await using own = await startChartServer()
    own.breakWith(() => ({ status }))
    const error = await failure(get(access(own.url, { basic }), `${own.url}index.yaml`))
    expect(error).toMatchObject({
      name: 'HttpError',
      code,
      message: `failed to fetch ${own.url}index.yaml : ${status} ${text}`.trim(),
    })
  })

  it('SRC-HRP-07 ends as soon as it is too large, however much there is', async () => {
    let sent = 0
    const endless = createServer((_, response) => {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536))) sent += 65_536
      }
      response.on('drain', more)
      more()
    }).listen(0, '127.0.0.1')
    await once(endless, 'listening')
    const url = `http://127.0.0.1:${(endless.address() as AddressInfo).port}/`
    const error = await failure(get(access(url), `${url}index.yaml`))
    endless.closeAllConnections()
    endless.close()
    expect(error).toMatchObject({ code: 'tooLarge', message: 'it is too large' })
    expect(sent).toBeLessThan(64 * 1024 * 1024)
  })

  it('measures what is compressed by what it becomes', async () => {
    await using own = await startChartServer()
    const bomb = gzipSync(Buffer.alloc(50_000_000, 'a'))
    own.breakWith(() => ({ status: 200, body: bomb, headers: { 'content-encoding': 'gzip' } }))
    await using client = new HttpClient(access(own.url), never)
    const error = await failure(client.getText(`${own.url}index.yaml`, { bytes: 1_000_000, message: 'it is too large' }))
    expect(error).toMatchObject({ code: 'tooLarge', message: 'it is too large' })
  })

  it('of a package is what was sent, also when the server calls it compressed', async () => {
    await using own = await startChartServer()
    const archive = gzipSync('a package')
    own.breakWith(() => ({ status: 200, body: archive, headers: { 'content-encoding': 'gzip' } }))
    await using client = new HttpClient(access(own.url), never)
    expect(await client.get(`${own.url}a.tgz`, bound)).toEqual(archive)
    expect(own.requests[0]?.headers['accept-encoding']).toBeUndefined()
  })

  it('of a broken compressed text fails', async () => {
    await using own = await startChartServer()
    own.breakWith(() => ({ status: 200, body: gzipSync('text').subarray(0, 12), headers: { 'content-encoding': 'gzip' } }))
    await using client = new HttpClient(access(own.url), never)
    expect((await failure(client.getText(`${own.url}index.yaml`, bound))).message).toContain('unexpected end of file')
  })

  it('that is cut fails', async () => {
    await using own = await startChartServer()
    own.breakWith(() => ({ cutAfterBytes: 10 }))
    expect(await failure(get(access(own.url), `${own.url}index.yaml`))).toMatchObject({ name: 'HttpError', code: 'other' })
  })

  it('ends with its timeout, also when it is redirected for ever', async () => {
    await using own = await startChartServer()
    own.breakWith(() => 'hang')
    const error = await failure(get(access(own.url, { timeoutMs: 50 }), `${own.url}index.yaml`))
    expect(error.message).toBe(`failed to fetch ${own.url}index.yaml : no answer within 0.05s`)
    own.breakWith(() => ({ redirect: '/again' }))
    const other = await failure(get(access(own.url), `${own.url}index.yaml`))
    expect(other.message).toBe(`failed to fetch ${own.url}index.yaml : stopped after 10 redirects`)
  })

  it('ends with its run', async () => {
    await using own = await startChartServer()
    own.breakWith(() => 'hang')
    const controller = new AbortController()
    const asked = own.next(() => true)
    const download = failure(get(access(own.url), `${own.url}index.yaml`, controller.signal))
    await asked
    controller.abort(new Error('shutting down'))
    expect((await download).message).toBe('shutting down')
  })

  it('goes to http and https only', async () => {
    await using own = await startChartServer()
    const refused = await failure(get(access(own.url), 'file:///etc/passwd'))
    expect(refused.message).toBe('"file:///etc/passwd" is no http or https address')
    own.breakWith(() => ({ redirect: 'file:///etc/passwd' }))
    expect((await failure(get(access(own.url), `${own.url}index.yaml`))).message).toContain('neither http nor https')
  })

  it('is spared when the server says that nothing is new', async () => {
    await using own = await startChartServer()
    const etag = '"1"'
    own.breakWith(({ headers }) =>
      headers['if-none-match'] === etag ? { status: 304 } : { status: 200, body: 'text', headers: { etag } },
    )
    await using client = new HttpClient(access(own.url), never)
    const first = await client.getText(`${own.url}index.yaml`, bound)
    expect(first).toMatchObject({ body: Buffer.from('text'), validator: { address: `${own.url}index.yaml`, etag } })
    expect(await client.getText(`${own.url}index.yaml`, bound, first?.validator)).toBeUndefined()
    expect(await client.getText(`${own.url}other.yaml`, bound, first?.validator)).toMatchObject({ body: Buffer.from('text') })
  })

  it.each(['no quotes', `"${'x'.repeat(300)}"`, '"é"', ''])('takes %j for no mark of an answer', async (etag) => {
    await using own = await startChartServer()
    own.breakWith(() => ({ status: 200, body: 'text', headers: { etag } }))
    await using client = new HttpClient(access(own.url), never)
    expect(await client.getText(`${own.url}index.yaml`, bound)).toEqual({ body: Buffer.from('text') })
  })
})

describe('proxies of the environment', () => {
  it('carry downloads, except from hosts that are reached without', async () => {
    await using proxy = await startChartServer()
    vi.stubEnv('HTTP_PROXY', proxy.address)
    vi.stubEnv('NO_PROXY', '.local')
    const address = 'http://charts.invalid/stable/index.yaml'
    expect(await get(access(address, { basic }), address)).toContain('apiVersion')
    expect(proxy.requests).toMatchObject([{ headers: { host: 'charts.invalid' }, credentials: 'ann:swordfish' }])
    await failure(get(access('http://charts.local/'), 'http://charts.local/index.yaml'))
    await using own = await startChartServer()
    await get(access(own.url), `${own.url}index.yaml`)
    expect([proxy.requests.length, own.requests.length]).toEqual([1, 1])
  })

  it('carry TLS as it is', async () => {
    const authority = await createAuthority()
    const tls = await authority.server({ names: ['DNS:charts.invalid'] })
    await using own = await startChartServer({ tls })
    await using proxy = await startTunnel(own)
    vi.stubEnv('HTTPS_PROXY', proxy.address)
    const address = 'https://charts.invalid/index.yaml'
    expect(await get(access(address, { tls: { ca: authority.ca }, basic }), address)).toContain('apiVersion')
    expect(proxy.asked).toEqual(['charts.invalid:443'])
    expect(seenBy(own)).toEqual(['ann:swordfish'])
  })
})

/** A proxy that leads wherever it is asked to go to one server. */
async function startTunnel(to: ChartServer) {
  const asked: string[] = []
  const proxy = createServer()
  proxy.on('connect', ({ url = '' }: IncomingMessage, client: Socket) => {
    asked.push(url)
    const server = connect(Number(new URL(to.url).port), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      server.pipe(client).pipe(server)
    })
    for (const [end, other] of [
      [client, server],
      [server, client],
    ] as const)
      end.on('error', () => other.destroy())
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  return {
    asked,
    address: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      proxy.close()
      proxy.closeAllConnections()
    },
  }
}
