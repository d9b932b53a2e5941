import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { isOciError, type OciError, Registry, type RegistryOptions } from '../../../src/lib/oci/index.ts'
import { type Authority, createAuthority } from '../../tools/certificates.ts'
import { temporaryDirectory } from '../../tools/processes.ts'
import { digestOf, fluxContent, pushArtifact, pushImage, pushIndex, tagImage } from '../../tools/push.ts'
import { answer, registryLogin, startRegistry, type TestRegistry } from '../../tools/registry.ts'

const { username, password, refreshToken } = registryLogin
const login = { username, password }
const files = { 'web.yaml': 'kind: ConfigMap\n' }
const layerType = 'application/octet-stream'

/** Never waits: what it would have waited for is kept. */
class ImpatientTimer {
  readonly waits: number[] = []
  now = () => Date.parse('2026-03-01T00:00:00Z')
  pause = async (ms: number) => void this.waits.push(Math.round(ms))
}

function clientOf({ host }: { host: string }, options: Partial<RegistryOptions> = {}): Registry {
  return new Registry(host, { plainHttp: 'only', signal: AbortSignal.timeout(20_000), ...options })
}

async function failureOf(promise: Promise<unknown>): Promise<OciError> {
  const error: unknown = await promise.then(
    () => expect.fail('it succeeded'),
    (thrown: unknown) => thrown,
  )
  if (!isOciError(error)) throw error
  return error
}

/** A registry of one's own making. */
async function hostile(respond: (path: string) => { status?: number; headers?: Record<string, string>; body?: string | Buffer }) {
  const server = createServer((request, response) => {
    const { status = 200, headers = {}, body = '' } = respond(request.url ?? '')
    response.writeHead(status, headers).end(request.method === 'HEAD' ? '' : body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

let open: TestRegistry
let authority: Authority
beforeAll(async () => {
  open = await startRegistry()
  authority = await createAuthority()
})
afterEach(() => {
  open.fault = undefined
})
afterAll(() => open[Symbol.asyncDispose]())

describe('a registry', () => {
  it('lists tags over many pages', async () => {
    const digest = await pushArtifact(open, 'many/tags', { files })
    const tags = Array.from({ length: 5 }, (_, index) => `v1.0.${index}`)
    for (const tag of tags) await tagImage(open, 'many/tags', digest, tag)
    open.fault = ({ path }, response) => {
      // The real one makes pages of the size asked for; it is asked for a small one here.
      if (!path.endsWith('n=1000')) return false
      return answer(response, 307, { location: path.replace('n=1000', 'n=2') })
    }
    await using client = clientOf(open)
    expect(await client.tags('many/tags')).toEqual(tags)
    open.fault = undefined
    expect(open.requests.filter(({ path }) => path.includes('/tags/list?') && path.includes('last='))).toHaveLength(2)
  })

  it('tells the digest of a tag without sending the manifest', async () => {
    const digest = await pushArtifact(open, 'apps/head', { files, tags: ['v1'] })
    const before = open.requests.length
    await using client = clientOf(open)
    expect(await client.resolve('apps/head', 'v1')).toBe(digest)
    expect(await client.resolve('apps/head', digest)).toBe(digest)
    expect(open.requests.slice(before).map(({ method }) => method)).toEqual(['HEAD'])
  })

  it('is asked again with GET where HEAD gives no digest', async () => {
    const digest = await pushArtifact(open, 'apps/nohead', { files, tags: ['v1'] })
    open.fault = ({ method }, response) => method === 'HEAD' && answer(response, 405)
    await using client = clientOf(open)
    expect(await client.resolve('apps/nohead', 'v1')).toBe(digest)
    open.fault = undefined
  })

  it('gives manifests and blobs, into memory or into a file', async () => {
    const content = Buffer.from('some bytes')
    const layers = [{ mediaType: layerType, content, annotations: { role: 'first' } }]
    const digest = await pushImage(open, 'apps/blobs', { layers, tags: ['v1'], annotations: { a: 'b' } })
    await using client = clientOf(open)
    const found = await client.manifest('apps/blobs', 'v1')
    expect(found.digest).toBe(digest)
    expect(found.manifest).toMatchObject({
      annotations: { a: 'b' },
      layers: [{ mediaType: layerType, digest: digestOf(content), size: 10, annotations: { role: 'first' } }],
    })
    expect(await client.blob('apps/blobs', { digest: digestOf(content) }, 10)).toEqual(content)
    const file = join(await temporaryDirectory('blob'), 'blob')
    expect(await client.download('apps/blobs', { digest: digestOf(content) }, { file, maxBytes: 10 })).toBe(10)
    expect(await readFile(file)).toEqual(content)
  })

  it('says in its own words what it does not have', async () => {
    await pushArtifact(open, 'apps/web', { files, tags: ['v1'] })
    await using client = clientOf(open)
    const error = await failureOf(client.resolve('apps/web', 'v2'))
    expect(error.code).toBe('notFound')
    expect(error.message).toBe(`${open.host}/apps/web:v2: MANIFEST_UNKNOWN: manifest unknown (HTTP status 404)`)
    const none = await failureOf(client.tags('apps/none'))
    expect(none.message).toContain(`the list of tags of ${open.host}/apps/none: NAME_UNKNOWN: repository name not known`)
  })

  it('that is not there is named', async () => {
    await using client = clientOf({ host: '127.0.0.1:1' })
    const error = await failureOf(client.tags('x'))
    expect([error.code, error.message]).toEqual([
      'network',
      expect.stringMatching(/^failed to reach 127\.0\.0\.1:1: connect ECONNREFUSED/),
    ])
  })

  it('ends what is under way with the signal', async () => {
    const stop = new AbortController()
    open.fault = () => {
      stop.abort(new Error('enough'))
      return new Promise(() => {})
    }
    await using client = clientOf(open, { signal: stop.signal })
    await expect(client.tags('apps/web')).rejects.toThrow('enough')
    open.fault = undefined
  })
})

describe('what moves and what is forged', () => {
  it('F-OCI-01 takes the content of the digest, whatever the tag stands for by now', async () => {
    const old = await pushArtifact(open, 'moving', { files: { a: 'old' }, tags: ['v1'] })
    const newer = await pushArtifact(open, 'moving', { files: { a: 'new' } })
    await using client = clientOf(open)
    const digest = await client.resolve('moving', 'v1')
    await tagImage(open, 'moving', newer, 'v1')
    const { manifest, digest: found } = await client.manifest('moving', digest)
    expect(found).toBe(old)
    const [layer] = manifest.layers
    expect(digestOf(await client.blob('moving', layer ?? expect.fail(), 1000))).toBe(layer?.digest)
  })

  it('F-OCI-02 refuses a manifest that is not the digest asked for, and names both', async () => {
    const digest = await pushArtifact(open, 'forged', { files, tags: ['v1'] })
    const forged = Buffer.from('{"layers":[]}')
    open.fault = (_, response) => answer(response, 200, { 'docker-content-digest': digest }, forged)
    await using client = clientOf(open)
    const error = await failureOf(client.manifest('forged', digest))
    open.fault = undefined
    expect(error.code).toBe('corrupt')
    expect(error.message).toContain(digest)
    expect(error.message).toContain(digestOf(forged))
  })

  it('F-OCI-02 refuses a blob that is not what its digest stands for, and leaves no file', async () => {
    const content = Buffer.from('the right bytes')
    await pushImage(open, 'forged/blob', { layers: [{ mediaType: layerType, content }] })
    open.fault = ({ path }, response) => path.includes('/blobs/') && answer(response, 200, {}, 'the wrong bytes')
    await using client = clientOf(open)
    const directory = await temporaryDirectory('forged')
    const target = { file: join(directory, 'blob'), maxBytes: 1000 }
    const digest = digestOf(content)
    for (const promise of [client.blob('forged/blob', { digest }, 1000), client.download('forged/blob', { digest }, target)]) {
      const error = await failureOf(promise)
      expect(error.code).toBe('corrupt')
      expect(error.message).toContain(digest)
      expect(error.message).toContain(digestOf(Buffer.from('the wrong bytes')))
    }
    open.fault = undefined
    expect(await readdir(directory)).toEqual([])
  })

  it.each([
    ['a manifest', 5 * 1024 * 1024, (client: Registry) => client.manifest('x', 'v1')],
    ['a list of tags', 9 * 1024 * 1024, (client: Registry) => client.tags('x')],
    ['a blob', 11, (client: Registry) => client.blob('x', { digest: digestOf(Buffer.from('x')) }, 10)],
  ])('does not read more of %s than it may have', async (_, size, ask) => {
    await using server = await hostile(() => ({ body: Buffer.alloc(size, ' ') }))
    await using client = clientOf(server)
    expect((await failureOf(ask(client))).code).toBe('tooLarge')
  })

  it.each([
    ['no JSON', '<html>'],
    ['a list', '[]'],
    ['a layer without a digest', '{"layers":[{"mediaType":"x"}]}'],
    ['a layer with a path for a digest', '{"layers":[{"digest":"../../etc/passwd"}]}'],
    ['neither layers nor manifests', '{"schemaVersion":1}'],
  ])('refuses a manifest that is %s', async (_, body) => {
    await using server = await hostile(() => ({ body }))
    await using client = clientOf(server)
    expect((await failureOf(client.manifest('x', 'v1'))).code).toBe('corrupt')
  })

  it('shows of a long or strange answer only what a line can show', async () => {
    await using server = await hostile(() => ({ status: 418, body: `no\u001b[31m\n${'x'.repeat(100_000)}` }))
    await using client = clientOf(server)
    const { message } = await failureOf(client.tags('x'))
    expect(message.length).toBeLessThan(700)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(message).not.toMatch(/[\u0000-\u001f]/)
  })

  it('does not take more tags than anybody has, nor what can be no tag', async () => {
    const odd = JSON.stringify({ tags: ['v1', 1, '', '../x', 'x'.repeat(129), 'v2'] })
    await using sane = await hostile(() => ({ body: odd }))
    await using first = clientOf(sane)
    expect(await first.tags('x')).toEqual(['v1', 'v2'])
    const many = JSON.stringify({ tags: Array.from({ length: 600_000 }, (_, index) => `t${index}`) })
    await using server = await hostile(() => ({ headers: { link: '</v2/x/tags/list>; rel="next"' }, body: many }))
    await using client = clientOf(server)
    expect((await failureOf(client.tags('x'))).message).toMatch(/has more than 1000000 tags$/)
  })

  it('follows pages on the registry itself alone, and not for ever', async () => {
    let pages = 0
    await using server = await hostile(() => {
      pages += 1
      return { headers: { link: '<https://elsewhere.example/v2/x/tags/list>; rel="next"' }, body: '{"tags":["a"]}' }
    })
    await using client = clientOf(server)
    const { code } = await failureOf(client.tags('x'))
    expect(code).toBe('tooLarge')
    expect(pages).toBe(1000)
  })
})

describe('indexes', () => {
  const platform = (os: string, architecture: string) => ({ platform: { os, architecture } })

  it('F-OCI-03 takes the image for linux/amd64 of an index with many platforms', async () => {
    const arm = await pushImage(open, 'multi', { layers: [{ mediaType: layerType, content: Buffer.from('arm') }] })
    const amd = await pushImage(open, 'multi', { layers: [{ mediaType: layerType, content: Buffer.from('amd') }] })
    const images = [
      { digest: arm, size: 1, ...platform('linux', 'arm64') },
      { digest: amd, size: 1, ...platform('linux', 'amd64') },
    ]
    const index = await pushIndex(open, 'multi', { images, tags: ['v1'] })
    await using client = clientOf(open)
    expect(await client.resolve('multi', 'v1')).toBe(index)
    const { digest, manifest } = await client.manifest('multi', index)
    expect([digest, manifest.layers[0]?.digest]).toEqual([amd, digestOf(Buffer.from('amd'))])
  })

  it('F-OCI-03 names an index without an image for linux/amd64', async () => {
    const arm = await pushImage(open, 'arm', { layers: [{ mediaType: layerType, content: Buffer.from('arm') }] })
    await pushIndex(open, 'arm', { images: [{ digest: arm, size: 1, ...platform('linux', 'arm64') }], tags: ['v1'] })
    await using client = clientOf(open)
    const error = await failureOf(client.manifest('arm', 'v1'))
    expect(error.message).toBe(`${open.host}/arm:v1 is an index of 1 images, none of which is for linux/amd64`)
  })

  it('F-OCI-03 takes an image without layers or with an empty config for what it is', async () => {
    const empty = { mediaType: 'application/vnd.oci.empty.v1+json', content: Buffer.from('{}') }
    await pushImage(open, 'empty', { layers: [], config: empty, tags: ['v1'] })
    await using client = clientOf(open)
    const { manifest } = await client.manifest('empty', 'v1')
    expect([manifest.layers, manifest.config?.mediaType]).toEqual([[], empty.mediaType])
  })
})

describe('a registry that is busy', () => {
  const retryAfter = async (headers: Record<string, string>, status = 429) => {
    const digest = await pushArtifact(open, 'busy', { files, tags: ['v1'] })
    const timer = new ImpatientTimer()
    let refusals = 0
    open.fault = (_, response) => refusals++ < 2 && answer(response, status, headers)
    await using client = clientOf(open, { timer })
    expect(await client.resolve('busy', 'v1')).toBe(digest)
    open.fault = undefined
    return timer.waits
  }
  const within = (waits: readonly number[], fromMs: number) => {
    expect(waits).toHaveLength(2)
    for (const wait of waits) expect(wait).toBeGreaterThanOrEqual(fromMs)
    for (const wait of waits) expect(wait).toBeLessThanOrEqual(fromMs * 1.1)
  }

  it('F-OCI-04 is asked again after the seconds that it names', async () => {
    within(await retryAfter({ 'retry-after': '7' }), 7_000)
  })

  it('F-OCI-04 is asked again at the time that it names', async () => {
    within(await retryAfter({ 'retry-after': 'Sun, 01 Mar 2026 00:00:12 GMT' }), 12_000)
  })

  it('F-OCI-04 is not waited for longer than half a minute at a time', async () => {
    within(await retryAfter({ 'retry-after': '86400' }), 30_000)
    within(await retryAfter({ 'retry-after': 'Mon, 01 Mar 2100 00:00:00 GMT' }), 30_000)
  })

  it('F-OCI-04 is asked again after longer and longer when it names nothing that can be read', async () => {
    for (const headers of [{}, { 'retry-after': 'soon' }]) {
      const [first = 0, second = 0] = await retryAfter(headers as Record<string, string>, 503)
      expect(first).toBeGreaterThanOrEqual(500)
      expect(second).toBeGreaterThanOrEqual(1000)
    }
  })

  it('F-OCI-04 is given up after four times', async () => {
    const timer = new ImpatientTimer()
    await using server = await hostile(() => ({ status: 503, headers: { 'retry-after': '1' } }))
    await using client = clientOf(server, { timer })
    const error = await failureOf(client.tags('x'))
    expect([error.code, timer.waits.length]).toEqual(['refused', 3])
    expect(error.message).toContain('HTTP status 503')
  })

  it('is asked again when it breaks a connection off, also within a blob', async () => {
    const content = Buffer.alloc(100_000, 'x')
    const digest = digestOf(content)
    await pushImage(open, 'broken', { layers: [{ mediaType: layerType, content }] })
    const timer = new ImpatientTimer()
    let breaks = 0
    open.fault = (_, response) => {
      if (breaks++ > 1) return false
      response.writeHead(200, { 'content-length': String(content.length) })
      response.write(content.subarray(0, 50_000), () => response.destroy())
      return true
    }
    await using client = clientOf(open, { timer })
    expect(await client.blob('broken', { digest }, content.length)).toEqual(content)
    open.fault = undefined
    expect(timer.waits).toHaveLength(2)
  })

  it('that says nothing is given up', async () => {
    open.fault = () => new Promise(() => {})
    await using client = clientOf(open, { idleMs: 100 })
    const error = await failureOf(client.tags('x'))
    open.fault = undefined
    expect([error.code, error.message]).toEqual(['network', expect.stringMatching(/Headers Timeout/)])
  })
})

describe('logins', () => {
  it('SRC-OCI-05 sends name and password to a registry that wants them', async () => {
    await using registry = await startRegistry({ login: 'basic' })
    const digest = await pushArtifact(registry, 'apps/web', { files, tags: ['v1'] })
    await using client = clientOf(registry, { credentials: login })
    expect(await client.resolve('apps/web', 'v1')).toBe(digest)
    await using wrong = clientOf(registry, { credentials: { username, password: 'wrong-s3cret' } })
    const error = await failureOf(wrong.resolve('apps/web', 'v1'))
    expect(error.code).toBe('authentication')
    expect(error.message).toMatch(/^127\.0\.0\.1:\d+\/apps\/web:v1: UNAUTHORIZED: authentication required \(HTTP status 401\)$/)
    await using anonymous = clientOf(registry)
    expect((await failureOf(anonymous.resolve('apps/web', 'v1'))).code).toBe('authentication')
  })

  it('F-OCI-05 gets a token from another host, with name and password or with a refresh token, and uses it for all of a repository', async () => {
    await using registry = await startRegistry({ login: 'token' })
    const digest = await pushArtifact(registry, 'apps/web', { files, tags: ['v1'] })
    for (const credentials of [login, { identityToken: refreshToken }]) {
      const before = registry.tokens?.requests.length ?? 0
      await using client = clientOf(registry, { credentials })
      expect(await client.resolve('apps/web', 'v1')).toBe(digest)
      const { manifest } = await client.manifest('apps/web', digest)
      expect(await client.blob('apps/web', manifest.layers[0] ?? expect.fail(), 10_000)).toBeInstanceOf(Buffer)
      expect(registry.tokens?.requests.length).toBe(before + 1)
      expect(registry.tokens?.requests.at(-1)?.parameters.get('scope')).toBe('repository:apps/web:pull')
    }
    await using wrong = clientOf(registry, { credentials: { username, password: 'wrong-s3cret' } })
    const error = await failureOf(wrong.resolve('apps/web', 'v1'))
    expect(error.code).toBe('authentication')
    expect(error.message).toContain('for apps/web: UNAUTHORIZED: no such login')
    expect(error.message).not.toContain('s3cret')
  })

  it('F-OCI-05 takes tokens without an expiry, and by either of their names', async () => {
    await using registry = await startRegistry({ login: 'token' })
    const digest = await pushArtifact(registry, 'apps/web', { files, tags: ['v1'] })
    const tokens = registry.tokens ?? expect.fail()
    for (const name of ['token', 'access_token']) {
      tokens.answer = (token) => ({ [name]: token })
      await using client = clientOf(registry, { credentials: login })
      expect(await client.resolve('apps/web', 'v1')).toBe(digest)
    }
    tokens.answer = () => ({ token: 'a line\r\nX-Header: y' })
    await using client = clientOf(registry, { credentials: login })
    expect((await failureOf(client.resolve('apps/web', 'v1'))).message).toContain('gave no token for apps/web')
  })

  it('F-OCI-05 asks once for another token when the first one runs out in the middle of a pull', async () => {
    await using registry = await startRegistry({ login: 'token' })
    const digest = await pushArtifact(registry, 'apps/web', { files, tags: ['v1'] })
    const tokens = registry.tokens ?? expect.fail()
    await using client = clientOf(registry, { credentials: login })
    const { manifest } = await client.manifest('apps/web', digest)
    const old = registry.requests.at(-1)?.headers.authorization
    const challenge = `Bearer realm="${tokens.realm}",service="${tokens.service}",scope="repository:apps/web:pull",error="invalid_token"`
    registry.fault = ({ headers }, response) =>
      headers.authorization === old && answer(response, 401, { 'www-authenticate': challenge })
    expect(await client.blob('apps/web', manifest.layers[0] ?? expect.fail(), 10_000)).toBeInstanceOf(Buffer)
    expect(tokens.requests).toHaveLength(2)
    registry.fault = (_, response) => answer(response, 401, { 'www-authenticate': challenge })
    expect((await failureOf(client.resolve('apps/web', 'v1'))).code).toBe('authentication')
    expect(tokens.requests.length, 'HEAD and GET: once each').toBe(4)
  })

  it('sends no login without TLS where the registry has it', async () => {
    const tls = await authority.server()
    await using registry = await startRegistry({ tls, login: 'basic' })
    const trusting = { credentials: login, tls: { ca: authority.ca }, plainHttp: undefined } as const
    const seen: string[] = []
    await using thief = await hostile((path) => {
      seen.push(path)
      return { body: '{"token":"x"}' }
    })
    registry.fault = (_, response) => answer(response, 401, { 'www-authenticate': `Bearer realm="http://${thief.host}/token"` })
    await using client = clientOf(registry, trusting)
    expect((await failureOf(client.tags('x'))).message).toBe(`${registry.host} names no https address to log in at`)
    expect(seen).toEqual([])
  })
})

describe('redirects', () => {
  it('F-OCI-06 gives no Authorization header to the host that a blob is redirected to', async () => {
    await using registry = await startRegistry({ login: 'basic' })
    await using storage = await startRegistry({ address: '127.0.0.2' })
    const content = Buffer.from('a blob that lies elsewhere')
    const digest = digestOf(content)
    for (const each of [registry, storage]) await pushImage(each, 'apps/web', { layers: [{ mediaType: fluxContent, content }] })
    registry.fault = ({ path, headers }, response) =>
      path.includes('/blobs/') && headers.authorization !== undefined
        ? answer(response, 307, { location: `http://${storage.host}${path}` })
        : false
    await using client = clientOf(registry, { credentials: login })
    expect(await client.blob('apps/web', { digest }, 1000)).toEqual(content)
    expect(storage.requests.map(({ headers }) => headers.authorization)).toEqual([undefined])
  })

  it('F-OCI-06 does not log in where the host of the redirect asks for it', async () => {
    await using registry = await startRegistry({ login: 'basic' })
    const digest = await pushArtifact(registry, 'apps/web', { files, tags: ['v1'] })
    const stolen: (string | undefined)[] = []
    await using thief = await hostile((path) => {
      stolen.push(path)
      return { status: 401, headers: { 'www-authenticate': `Bearer realm="http://${thief.host}/token",service="s"` } }
    })
    const path = `/v2/apps/web/manifests/${digest}`
    for (const isAsked of [false, true]) {
      registry.fault = ({ headers }, response) =>
        (headers.authorization !== undefined || !isAsked) && answer(response, 307, { location: `http://${thief.host}${path}` })
      await using client = clientOf(registry, { credentials: login })
      expect((await failureOf(client.manifest('apps/web', digest))).code).toBe('authentication')
      expect(stolen.splice(0)).toEqual([path])
    }
  })

  it('F-OCI-06 lead away from TLS only for what a digest vouches for', async () => {
    await using storage = await startRegistry({ address: '127.0.0.2' })
    await using registry = await startRegistry({ tls: await authority.server() })
    const digest = await pushArtifact(storage, 'apps/web', { files, tags: ['v1'] })
    registry.fault = ({ path }, response) => answer(response, 307, { location: `http://${storage.host}${path}` })
    await using client = clientOf(registry, { plainHttp: undefined, tls: { ca: authority.ca } })
    expect((await client.manifest('apps/web', digest)).digest).toBe(digest)
    const seen = storage.requests.length
    expect((await failureOf(client.manifest('apps/web', 'v1'))).message).toBe(
      `${registry.host} redirects to an address that is not https`,
    )
    expect(storage.requests.length).toBe(seen)
  })

  it.each([
    ['a redirect', { status: 307, headers: { location: 'http://169.254.169.254/latest/meta-data' } }],
    ['a challenge', { status: 401, headers: { 'www-authenticate': 'Bearer realm="http://169.254.169.254/token"' } }],
  ])('do not lead from a public host into a private network: %s', async (_, respond) => {
    const seen: string[] = []
    // Stands for the network: a proxy is told whole addresses.
    await using network = await hostile((address) => {
      seen.push(address)
      return respond
    })
    await using client = clientOf(
      { host: 'registry.example.com' },
      { proxy: new URL(`http://${network.host}`), credentials: login },
    )
    const { code, message } = await failureOf(client.tags('x'))
    expect([code, message]).toEqual(['refused', 'registry.example.com sends us to the private address 169.254.169.254'])
    expect(seen).toEqual(['http://registry.example.com/v2/x/tags/list?n=1000'])
  })

  it('are not followed for ever', async () => {
    await using server = await hostile((path) => ({ status: 302, headers: { location: path } }))
    await using client = clientOf(server)
    expect((await failureOf(client.tags('x'))).message).toContain('redirects more than 5 times')
  })
})

describe('TLS', () => {
  it('SRC-OCI-09 trusts an authority of its own, and shows a certificate', async () => {
    const tls = { ...(await authority.server()), ca: authority.ca, requestCert: true }
    await using registry = await startRegistry({ tls })
    const digest = await pushArtifact(registry, 'apps/web', { files, tags: ['v1'] })
    const client = await authority.client('puller')
    await using good = clientOf(registry, { plainHttp: undefined, tls: { ca: authority.ca, ...client } })
    expect(await good.resolve('apps/web', 'v1')).toBe(digest)
    await using withoutCertificate = clientOf(registry, {
      plainHttp: undefined,
      tls: { ca: authority.ca },
      timer: new ImpatientTimer(),
    })
    expect((await failureOf(withoutCertificate.resolve('apps/web', 'v1'))).code).toBe('network')
    await using withoutTrust = clientOf(registry, { plainHttp: undefined, tls: client })
    expect((await failureOf(withoutTrust.resolve('apps/web', 'v1'))).message).toMatch(
      /self-signed certificate|unable to (get|verify)/,
    )
  })

  it('F-OCI-08 takes TLS where there is TLS, though plain HTTP is allowed', async () => {
    await using registry = await startRegistry({ tls: await authority.server() })
    const digest = await pushArtifact(registry, 'apps/web', { files, tags: ['v1'] })
    await using client = clientOf(registry, { plainHttp: 'fallback', trustsAny: true })
    expect(await client.resolve('apps/web', 'v1')).toBe(digest)
  })

  it('F-OCI-08 takes plain HTTP only where it is allowed', async () => {
    await using registry = await startRegistry({ address: '127.0.0.2' })
    const digest = await pushArtifact(registry, 'apps/web', { files, tags: ['v1'] })
    await using allowed = clientOf(registry, { plainHttp: 'fallback' })
    expect(await allowed.resolve('apps/web', 'v1')).toBe(digest)
    const before = registry.requests.length
    await using strict = clientOf(registry, { plainHttp: undefined, credentials: login })
    expect((await failureOf(strict.resolve('apps/web', 'v1'))).code).toBe('network')
    expect(registry.requests.length, 'nothing was sent in the clear').toBe(before)
  })

  it('F-OCI-08 says of both ways why they did not work', async () => {
    await using registry = await startRegistry({ tls: await authority.server() })
    await using client = clientOf(registry, { plainHttp: 'fallback' })
    const error = await failureOf(client.tags('apps/web'))
    expect(error.message).toMatch(/certificate.*; and without TLS: /)
  })
})

describe('a manifest of another type', () => {
  it('is taken as it is where it has layers', async () => {
    const docker = 'application/vnd.docker.distribution.manifest.v2+json'
    const digest = await pushImage(open, 'docker', {
      mediaType: docker,
      layers: [{ mediaType: layerType, content: Buffer.from('x') }],
    })
    await using client = clientOf(open)
    expect((await client.manifest('docker', digest)).manifest.mediaType).toBe(docker)
  })
})
