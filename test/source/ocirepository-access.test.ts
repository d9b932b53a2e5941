import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OCIRepository } from '../../src/api/ocirepository.ts'
import { Retryable, Stalled } from '../../src/runtime/reconcile.ts'
import { type Authority, createAuthority } from '../tools/certificates.ts'
import { pushArtifact } from '../tools/push.ts'
import { dockerConfig, startRegistry, type TestRegistry } from '../tools/registry.ts'
import { OciWorld } from './oci-world.ts'
import { closeThreads } from './world.ts'

const repository = 'apps/web'
const wrong = { username: 'deploy', password: 'wrong-s3cret' }

let authority: Authority
let basic: TestRegistry
let digest: string
beforeAll(async () => {
  authority = await createAuthority()
  basic = await startRegistry({ login: 'basic' })
  digest = await push(basic)
})
afterAll(async () => {
  await basic[Symbol.asyncDispose]()
  await closeThreads()
})

function push(registry: TestRegistry): Promise<string> {
  return pushArtifact(registry, repository, { files: { 'web.yaml': 'kind: ConfigMap\n' }, tags: ['latest'] })
}

function world(registry: TestRegistry, spec: Partial<OCIRepository['spec']> = {}): Promise<OciWorld> {
  return OciWorld.create({ url: registry.url(repository), ...spec })
}

function isStored(one: OciWorld, wanted = digest): void {
  expect(one.condition('Ready')?.message).toBe(`stored artifact for digest 'latest@${wanted}'`)
}

describe('a login', () => {
  it('SRC-OCI-05 comes from the Secret', async () => {
    await using one = await world(basic, { secretRef: { name: 'login' } })
    one.login('login', basic)
    await one.run()
    isStored(one)
  })

  it('SRC-OCI-05 may be an old docker config', async () => {
    await using one = await world(basic, { secretRef: { name: 'login' } })
    const { auths } = JSON.parse(dockerConfig(basic.host)) as { auths: object }
    one.secret('login', { '.dockercfg': JSON.stringify(auths) }, 'kubernetes.io/dockercfg')
    await one.run()
    isStored(one)
  })

  it('SRC-OCI-05 is exchanged for a token where the registry wants that', async () => {
    await using registry = await startRegistry({ login: 'token' })
    const pushed = await push(registry)
    await using one = await world(registry, { secretRef: { name: 'login' } })
    one.login('login', registry)
    await one.run()
    isStored(one, pushed)
    expect(registry.tokens?.requests).toHaveLength(1)
  })

  it('that is not there is told', async () => {
    await using one = await world(basic, { secretRef: { name: 'login' } })
    const { error, events } = await one.run()
    expect(error).toBeInstanceOf(Retryable)
    expect(error).toMatchObject({
      reason: 'AuthenticationFailed',
      message: `failed to get credential: failed to get secret 'apps/login': secrets "login" not found`,
    })
    expect(events).toEqual(["trace AuthenticationFailed: auth secret 'login' not found"])
    expect(one.condition('FetchFailed')).toMatchObject({ status: 'True', reason: 'AuthenticationFailed' })
  })

  it('that the registry does not accept fails the pull, and is shown nowhere', async () => {
    await using one = await world(basic, { secretRef: { name: 'login' } })
    one.login('login', basic, wrong)
    const { error, events } = await one.run()
    expect(error).toMatchObject({ reason: 'OCIArtifactPullFailed' })
    expect(error?.message).toMatch(/^failed to determine artifact digest: .*: UNAUTHORIZED: authentication required/)
    expect(JSON.stringify([error?.message, events, one.status, one.log])).not.toContain('s3cret')
  })

  it('is looked for in Secrets of its type alone, and the error says so', async () => {
    await using one = await world(basic, { secretRef: { name: 'login' } })
    one.secret('login', { '.dockerconfigjson': dockerConfig(basic.host) })
    expect((await one.run()).error?.message).toMatch(
      /UNAUTHORIZED.*; the secret 'apps\/login' is of type Opaque, and no login was looked for in it$/,
    )
  })

  it('that is malformed is told without a word of it', async () => {
    await using one = await world(basic, { secretRef: { name: 'login' } })
    one.secret('login', { '.dockerconfigjson': '{"auths": s3cret' }, 'kubernetes.io/dockerconfigjson')
    expect((await one.run()).error).toMatchObject({
      reason: 'AuthenticationFailed',
      message: 'failed to get credential: the docker config is no JSON',
    })
  })
})

describe('a service account', () => {
  it('SRC-OCI-06 gives its image pull secrets', async () => {
    await using one = await world(basic, { serviceAccountName: 'puller' })
    one.login('elsewhere', { host: 'ghcr.io' })
    one.login('login', basic)
    one.account('puller', 'elsewhere', 'login')
    await one.run()
    isStored(one)
  })

  it('SRC-OCI-06 comes after the Secret of the object', async () => {
    await using one = await world(basic, { serviceAccountName: 'puller', secretRef: { name: 'login' } })
    one.login('wrong', basic, wrong)
    one.login('login', basic)
    one.account('puller', 'wrong')
    await one.run()
    isStored(one)
  })

  it('SRC-OCI-06 that is not there, or one of whose secrets is not, is told', async () => {
    await using one = await world(basic, { serviceAccountName: 'puller' })
    expect((await one.run()).error).toMatchObject({
      reason: 'AuthenticationFailed',
      message: "failed to get credential: serviceaccount 'apps/puller' not found",
    })
    one.account('puller', 'none')
    expect((await one.run()).error?.message).toBe(
      "failed to get credential: failed to get image pull secret for serviceaccount 'apps/puller': secret 'apps/none' not found",
    )
  })

  it('without pull secrets is no identity with a cloud', async () => {
    await using one = await world(basic, { serviceAccountName: 'puller', provider: 'aws' })
    one.account('puller')
    const { error } = await one.run()
    expect(error).toBeInstanceOf(Stalled)
    expect(error).toMatchObject({ reason: 'FeatureGateDisabled' })
    one.login('login', basic)
    one.account('puller', 'login')
    await one.run()
    isStored(one)
  })
})

describe('certificates', () => {
  it('SRC-OCI-09 of an authority of its own and of the client come from a Secret, by new names and old', async () => {
    const tls = { ...(await authority.server({ names: ['IP:127.0.0.2'] })), ca: authority.ca, requestCert: true }
    await using registry = await startRegistry({ tls, address: '127.0.0.2' })
    const pushed = await push(registry)
    const { cert, key } = await authority.client('puller')
    await using one = await world(registry, { certSecretRef: { name: 'tls' } })
    one.secret('tls', { 'ca.crt': authority.ca, 'tls.crt': cert, 'tls.key': key })
    await one.run()
    isStored(one, pushed)
    one.secret('tls', { caFile: authority.ca, certFile: cert, keyFile: key })
    expect((await one.run()).error).toBeUndefined()
    one.edit({ insecure: true })
    expect((await one.run()).error, 'insecure besides').toBeUndefined()
    one.secret('tls', { 'ca.crt': (await createAuthority('another')).ca, 'tls.crt': cert, 'tls.key': key })
    expect((await one.run()).error?.message, 'insecure trusts no more than the Secret says').toMatch(
      /^failed to determine artifact digest: .*certificate/,
    )
  })

  it.each([
    ['is not there', undefined, "secret 'apps/tls' not found"],
    ['is empty', {}, "secret 'apps/tls' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'"],
    [
      'holds no certificate',
      { 'ca.crt': 's3cret' },
      "secret 'apps/tls': failed to parse CA certificate: key 'ca.crt' holds no PEM certificate",
    ],
    ['holds half a pair', { 'tls.crt': 'x' }, "secret 'apps/tls': key 'tls.crt' is set without 'tls.key'"],
  ])('in a Secret that %s are told', async (_, values, message) => {
    await using one = await world(basic, { certSecretRef: { name: 'tls' } })
    if (values) one.secret('tls', values as Record<string, string>)
    expect((await one.run()).error).toMatchObject({
      reason: 'AuthenticationFailed',
      message: `failed to generate transport for '${basic.url(repository)}': ${message}`,
    })
  })
})

describe('insecure', () => {
  it('SRC-OCI-10 F-OCI-08 pulls without TLS from a registry that has none', async () => {
    await using registry = await startRegistry({ address: '127.0.0.2' })
    const pushed = await push(registry)
    await using one = await world(registry, { insecure: true })
    await one.run()
    isStored(one, pushed)
  })

  it('SRC-OCI-10 F-OCI-08 pulls with TLS, whoever signed the certificate, from one that has it', async () => {
    await using registry = await startRegistry({
      address: '127.0.0.2',
      tls: await authority.server({ names: ['DNS:other.example'] }),
    })
    const pushed = await push(registry)
    await using one = await world(registry, { insecure: true })
    await one.run()
    isStored(one, pushed)
  })

  it('F-OCI-08 that is not said sends nothing in the clear, and trusts nobody unknown', async () => {
    await using plain = await startRegistry({ address: '127.0.0.2' })
    await push(plain)
    await using one = await world(plain, { secretRef: { name: 'login' } })
    one.login('login', plain)
    expect((await one.run()).error).toMatchObject({ reason: 'OCIArtifactPullFailed' })
    expect(plain.requests).toEqual([])
    await using secure = await startRegistry({ tls: await authority.server() })
    await push(secure)
    await using two = await world(secure)
    expect((await two.run()).error?.message).toMatch(/certificate/)
    expect(secure.requests).toEqual([])
  })
})

describe('a proxy', () => {
  it('SRC-OCI-11 is gone through, with its login', async () => {
    await using proxy = await startProxy()
    await using one = await world(basic, { secretRef: { name: 'login' }, proxySecretRef: { name: 'proxy' } })
    one.login('login', basic)
    one.secret('proxy', { address: proxy.address, username: 'me', password: 'p@ss' })
    await one.run()
    isStored(one)
    expect(proxy.seen).toContain(`GET http://${basic.host}/v2/${repository}/manifests/${digest} me:p@ss`)
  })

  it('SRC-OCI-11 is gone through to a registry with TLS', async () => {
    await using proxy = await startProxy()
    await using registry = await startRegistry({ tls: await authority.server() })
    const pushed = await push(registry)
    await using one = await world(registry, { certSecretRef: { name: 'tls' }, proxySecretRef: { name: 'proxy' } })
    one.secret('tls', { 'ca.crt': authority.ca })
    one.secret('proxy', { address: proxy.address })
    await one.run()
    isStored(one, pushed)
    expect(proxy.seen).toContain(`CONNECT ${registry.host}`)
  })

  it.each([
    ['is not there', undefined, "secret 'apps/proxy' not found"],
    ['has no address', { username: 's3cret' }, /^secret 'apps\/proxy': key 'address' is missing or empty/],
    ['has no URL', { address: 's3cret' }, /^secret 'apps\/proxy': key 'address' holds no http or https URL$/],
  ])('SRC-OCI-11 whose Secret %s is told', async (_, values, message) => {
    await using one = await world(basic, { proxySecretRef: { name: 'proxy' } })
    if (values) one.secret('proxy', values as unknown as Record<string, string>)
    const { error } = await one.run()
    expect(error).toMatchObject({ reason: 'AuthenticationFailed' })
    expect(error?.message.replace('failed to get proxy address: ', '')).toMatch(message)
  })
})

/** Forwards plain requests and tunnels others; remembers them as `<method> <target> <login>`. */
async function startProxy() {
  const seen: string[] = []
  const loginOf = (header = '') => (header ? ` ${Buffer.from(header.replace('Basic ', ''), 'base64')}` : '')
  const server = createServer((incoming, outgoing) => {
    seen.push(`${incoming.method} ${incoming.url}${loginOf(incoming.headers['proxy-authorization'])}`)
    const forwarded = request(incoming.url ?? '', { method: incoming.method ?? 'GET', headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    incoming.pipe(forwarded.on('error', () => outgoing.destroy()))
  })
  server.on('connect', ({ url = '', headers }, socket, head) => {
    seen.push(`CONNECT ${url}${loginOf(headers['proxy-authorization'])}`)
    const [host = '', port = ''] = url.split(':')
    const target = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      target.write(head)
      target.pipe(socket).pipe(target)
    })
    for (const each of [socket, target]) each.on('error', () => each.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    seen,
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}
