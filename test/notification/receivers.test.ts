/** Calls of every type of Receiver, as the senders document them, and calls of those who only pretend. */
import { createHmac } from 'node:crypto'
import { afterAll, describe, expect, it } from 'vitest'
import type { ReceiverSpec } from '../../src/api/receiver.ts'
import { Issuers } from '../../src/notification/issuers.ts'
import { ReceiverServer } from '../../src/notification/receiver-server.ts'
import { openIssuer } from './issuer.ts'
import { namespace, openWorld, secret } from './world.ts'

const token = 't0ken'
const json = 'application/json'
const issuer = await openIssuer()
afterAll(() => issuer[Symbol.asyncDispose]())

interface Request {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

/** Calls a Receiver with that spec, whose filter notes what `req` was. Answers are empty, so the log says why. */
async function call(spec: Partial<ReceiverSpec>, { headers = {}, body = '' }: Request, data: Record<string, string> = { token }) {
  const world = openWorld()
  await using issuers = new Issuers({ clock: world.clock, googleKeys: `${issuer.address}/keys` })
  const server = new ReceiverServer({ environment: world.environment, issuers, signal: new AbortController().signal })
  const source = { apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'GitRepository', metadata: { namespace, name: 'app' } }
  const isOidc = spec.type === 'generic-oidc'
  world.put(source, secret('token', data), {
    apiVersion: 'notification.toolkit.fluxcd.io/v1',
    kind: 'Receiver',
    metadata: { namespace, name: 'hook' },
    spec: { resources: [{ kind: 'GitRepository', name: 'app' }], ...(!isOidc && { secretRef: { name: 'token' } }), ...spec },
    status: { webhookPath: '/hook/x', conditions: [{ type: 'Ready', status: 'True' }] },
  })
  const { status, text } = await server.handle({
    method: 'POST',
    target: '/hook/x',
    headers: new Map(Object.entries(headers)),
    body: Buffer.from(body),
  })
  expect(text).toBeUndefined()
  const isAsked = world.patches.join() === `GitRepository/${namespace}/app`
  expect(isAsked || world.patches.length === 0).toBe(true)
  const why = world.log.lines.map(({ fields }) => (fields as { error?: string }).error).find((error) => error !== undefined)
  for (const secretValue of Object.values(data)) if (secretValue === token) expect(why ?? '').not.toContain(token)
  return { status, isAsked, why }
}

const hmac = (algorithm: string, body: string, key = token) => createHmac(algorithm, key).update(body).digest('hex')
const push = JSON.stringify({ ref: 'refs/heads/main' })
const form = new URLSearchParams({ payload: push }).toString()
const cdevent = (type: string, more: object = {}) =>
  JSON.stringify({
    context: { version: '0.4.1', id: '1', source: 'ci', timestamp: '2026-01-02T03:04:05Z', type, ...more },
    subject: { id: 'c1', type: 'change', content: {} },
  })
const change = 'dev.cdevents.change.merged.0.2.0'
const image = { action: 'INSERT', digest: 'gcr.io/a/b@sha256:1', tag: 'gcr.io/a/b:1' }
const pubsub = JSON.stringify({ message: { data: Buffer.from(JSON.stringify(image)).toString('base64'), messageId: '1' } })
const bearer = (text: string) => ({ 'content-type': json, authorization: `Bearer ${text}` })
const google = { iss: 'https://accounts.google.com', aud: 'me', email: 'pusher@example.com', email_verified: true }
const googleData = { token, email: 'pusher@example.com', audience: 'me' }
const trusting = (more: object = {}): Partial<ReceiverSpec> => ({
  type: 'generic-oidc',
  oidcProviders: [{ issuerURL: issuer.address, validations: [{ expression: "claims.sub == 'ci'", message: 'not ci' }], ...more }],
})

/** The request of a sender that knows the secret, and what a filter sees of it. */
const good = withSecret([
  ['generic', { type: 'generic' }, { headers: { 'content-type': json }, body: push }, "req.ref == 'refs/heads/main'"],
  ['generic without a body', { type: 'generic' }, {}, 'req == {}'],
  [
    'generic-hmac by sha256',
    { type: 'generic-hmac' },
    { headers: { 'content-type': json, 'x-signature': `sha256=${hmac('sha256', push)}` }, body: push },
    "req.ref == 'refs/heads/main'",
  ],
  [
    'generic-hmac by sha1',
    { type: 'generic-hmac' },
    { headers: { 'x-signature': `sha1=${hmac('sha1', push)}` }, body: push },
    'req == {}',
  ],
  [
    'generic-hmac by sha512 in upper case, as .NET writes it',
    { type: 'generic-hmac' },
    { headers: { 'x-signature': `sha512=${hmac('sha512', push).toUpperCase()}` }, body: push },
    'true',
  ],
  [
    'github as JSON',
    { type: 'github', events: ['PUSH'] },
    {
      headers: {
        'content-type': `${json}; charset=utf-8`,
        'x-github-event': 'push',
        'x-hub-signature-256': `sha256=${hmac('sha256', push)}`,
      },
      body: push,
    },
    "req.ref == 'refs/heads/main'",
  ],
  [
    'github as a form, signed the old way',
    { type: 'github' },
    {
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-hub-signature': `sha1=${hmac('sha1', form)}` },
      body: form,
    },
    'req == {}',
  ],
  [
    'gitlab',
    { type: 'gitlab', events: ['Push Hook', 'Tag Push Hook'] },
    { headers: { 'content-type': json, 'x-gitlab-token': token, 'x-gitlab-event': 'Push Hook' }, body: push },
    "req.ref == 'refs/heads/main'",
  ],
  [
    'bitbucket',
    { type: 'bitbucket', events: ['repo:refs_changed'] },
    {
      headers: { 'content-type': json, 'x-event-key': 'repo:refs_changed', 'x-hub-signature': `sha256=${hmac('sha256', push)}` },
      body: push,
    },
    "req.ref == 'refs/heads/main'",
  ],
  ['harbor', { type: 'harbor' }, { headers: { 'content-type': json, authorization: token }, body: push }, 'has(req.ref)'],
  [
    'dockerhub',
    { type: 'dockerhub' },
    { headers: { 'content-type': json }, body: '{"push_data":{"tag":"1"},"repository":{"repo_url":"https://r"}}' },
    "req.push_data.tag == '1'",
  ],
  [
    'quay',
    { type: 'quay' },
    { headers: { 'content-type': json }, body: '{"docker_url":"quay.io/a","updated_tags":["1"]}' },
    "'1' in req.updated_tags",
  ],
  [
    'acr',
    { type: 'acr' },
    { headers: { 'content-type': json }, body: '{"action":"push","target":{"repository":"a","tag":"1"}}' },
    "req.target.tag == '1'",
  ],
  [
    'nexus',
    { type: 'nexus' },
    {
      headers: { 'content-type': json, 'x-nexus-webhook-signature': hmac('sha1', '{"action":"UPDATED"}') },
      body: '{"action":"UPDATED"}',
    },
    "req.action == 'UPDATED'",
  ],
  [
    'cdevents',
    { type: 'cdevents', events: ['cd.change.merged.v1'] },
    { headers: { 'content-type': json, 'ce-type': 'cd.change.merged.v1' }, body: cdevent(change) },
    "req.subject.id == 'c1'",
  ],
  ['cdevents of a tool', { type: 'cdevents' }, { body: cdevent('dev.cdeventsx.tool-thing.done.0.1.0') }, 'true'],
  [
    'gcr',
    { type: 'gcr' },
    { headers: bearer(issuer.token(google)), body: pubsub },
    "req == {'action': 'INSERT', 'digest': 'gcr.io/a/b@sha256:1', 'tag': 'gcr.io/a/b:1'}",
    googleData,
  ],
  [
    'generic-oidc',
    trusting(),
    { headers: bearer(issuer.token({ sub: 'ci' })), body: push },
    "req.ref == 'refs/heads/main' && claims.sub == 'ci'",
  ],
])

type Row = readonly [name: string, spec: Partial<ReceiverSpec>, request: Request, filter: string]

function withSecret(rows: readonly (Row | readonly [...Row, Record<string, string>])[]) {
  return rows.map(([name, spec, request, filter, data = { token }]) => [name, spec, request, filter, data] as const)
}

describe('a call of a sender that knows the secret', () => {
  it.each(good)('NOT-RCV-01 NOT-RCV-02 is acted upon: %s', async (_name, spec, request, filter, data) => {
    const { status, isAsked, why } = await call({ ...spec, resourceFilter: filter }, request, data)
    expect([status, isAsked, why]).toEqual([200, true, undefined])
  })

  it.each(good)('NOT-RCV-06 shows filters what it is about: %s', async (_name, spec, request, filter, data) => {
    expect(await call({ ...spec, resourceFilter: `!(${filter})` }, request, data)).toMatchObject({ status: 200, isAsked: false })
  })

  it('is refused when its Secret is gone, or has no token', async () => {
    const hooked: Partial<ReceiverSpec> = { type: 'generic', secretRef: { name: 'gone' } }
    expect(await call(hooked, {})).toMatchObject({ status: 400, why: expect.stringContaining("failed to get secret 'apps/gone'") })
    expect(await call({ type: 'generic' }, {}, {})).toMatchObject({
      status: 400,
      why: expect.stringContaining("required field 'token'"),
    })
  })
})

const signing = (type: ReceiverSpec['type'], header: string): readonly (readonly [string, Partial<ReceiverSpec>, Request])[] => {
  const headers = (signature?: string) => ({ 'content-type': json, ...(signature !== undefined && { [header]: signature }) })
  const spec = { type }
  return [
    [`${type}: no signature`, spec, { headers: headers(), body: push }],
    [`${type}: an empty signature`, spec, { headers: headers('sha256='), body: push }],
    [`${type}: a signature with another key`, spec, { headers: headers(`sha256=${hmac('sha256', push, 'other')}`), body: push }],
    [`${type}: a signature of another body`, spec, { headers: headers(`sha256=${hmac('sha256', form)}`), body: push }],
    [
      `${type}: a signature of a body with one more space`,
      spec,
      { headers: headers(`sha256=${hmac('sha256', push)}`), body: `${push} ` },
    ],
    [`${type}: half a signature`, spec, { headers: headers(`sha256=${hmac('sha256', push).slice(0, 32)}`), body: push }],
    [`${type}: a signature with more after it`, spec, { headers: headers(`sha256=${hmac('sha256', push)}00`), body: push }],
    [`${type}: another algorithm's name`, spec, { headers: headers(`sha512=${hmac('sha256', push)}`), body: push }],
    [`${type}: an unknown algorithm`, spec, { headers: headers(`md5=${hmac('md5', push)}`), body: push }],
    [`${type}: an algorithm in upper case`, spec, { headers: headers(`SHA256=${hmac('sha256', push)}`), body: push }],
    [`${type}: no algorithm`, spec, { headers: headers(hmac('sha256', push)), body: push }],
    [`${type}: what is no hex`, spec, { headers: headers(`sha256=${'g'.repeat(64)}`), body: push }],
  ]
}

const forged: readonly (readonly [string, Partial<ReceiverSpec>, Request])[] = [
  ...signing('generic-hmac', 'x-signature'),
  ...signing('github', 'x-hub-signature-256'),
  ...signing('bitbucket', 'x-hub-signature'),
  ['gitlab: no token', { type: 'gitlab' }, { body: push }],
  ['gitlab: another token', { type: 'gitlab' }, { headers: { 'x-gitlab-token': 'T0ken' }, body: push }],
  ['gitlab: a token with more after it', { type: 'gitlab' }, { headers: { 'x-gitlab-token': `${token} ` }, body: push }],
  ['harbor: no token', { type: 'harbor' }, { body: push }],
  ['harbor: another token', { type: 'harbor' }, { headers: { authorization: `Bearer ${token}` }, body: push }],
  ['nexus: no signature', { type: 'nexus' }, { body: '{}' }],
  [
    'nexus: another signature',
    { type: 'nexus' },
    { headers: { 'x-nexus-webhook-signature': hmac('sha1', '{}', 'x') }, body: '{}' },
  ],
  [
    'nexus: a signature in upper case',
    { type: 'nexus' },
    { headers: { 'x-nexus-webhook-signature': hmac('sha1', '{}').toUpperCase() }, body: '{}' },
  ],
]

describe('a call that is forged', () => {
  it.each(forged)('NOT-RCV-02 F-RCV-01 is refused with nothing but 400: %s', async (_name, spec, request) => {
    const { status, isAsked, why } = await call(spec, request)
    expect([status, isAsked]).toEqual([400, false])
    expect(why).toMatch(/signature|token/)
  })

  it.each([
    ['generic-hmac', { 'x-signature': `sha256=${hmac('sha256', push, '')}` }],
    ['github', { 'content-type': json }],
    ['gitlab', {}],
    ['harbor', {}],
    ['nexus', { 'x-nexus-webhook-signature': hmac('sha1', push, '') }],
  ] as const)('F-RCV-01 is refused when the token is empty, which anybody knows: %s', async (type, headers) => {
    expect(await call({ type }, { headers, body: push }, { token: '' })).toMatchObject({ status: 400, isAsked: false })
  })
})

describe('an event that is not in the list', () => {
  const signature = `sha256=${hmac('sha256', push)}`
  it.each([
    ['github', { 'content-type': json, 'x-github-event': 'star', 'x-hub-signature-256': signature }, push],
    ['github', { 'content-type': json, 'x-hub-signature-256': signature }, push],
    ['gitlab', { 'x-gitlab-token': token, 'x-gitlab-event': 'Issue Hook' }, push],
    ['bitbucket', { 'content-type': json, 'x-event-key': 'pr:opened', 'x-hub-signature': signature }, push],
    ['cdevents', { 'ce-type': 'cd.environment.modified.v1' }, cdevent(change)],
  ] as const)('NOT-RCV-04 is refused: %s', async (type, headers, body) => {
    const { status, isAsked, why } = await call({ type, events: ['push'] }, { headers, body })
    expect([status, isAsked]).toEqual([400, false])
    expect(why).toContain('is not authorised')
  })
})

describe('a body that is not as it should be', () => {
  const nested = `${'['.repeat(500_000)}${']'.repeat(500_000)}`
  const bodies: readonly (readonly [string, string | Buffer])[] = [
    ['empty', ''],
    ['no JSON', '{'],
    ['a list', '[]'],
    ['a text', '"x"'],
    ['nested deeply', nested],
    ['bytes', Buffer.from([0xff, 0xfe, 0x00])],
  ]
  const wrong = new Map<ReceiverSpec['type'], string>([
    ['dockerhub', '{"push_data":"x"}'],
    ['quay', '{"updated_tags":"1"}'],
    ['acr', '{"target":{"tag":1}}'],
    ['nexus', '{"action":1}'],
    ['cdevents', cdevent('dev.cdevents.change.eaten.0.2.0')],
    ['gcr', JSON.stringify({ message: { data: 1 } })],
  ])
  const cases = [...wrong].flatMap(([type, body]) =>
    [...bodies, ['of wrong types', body] as const].map((one) => [type, ...one] as const),
  )

  it.each(cases)('F-RCV-04 is refused by %s: %s', async (type, _name, body) => {
    const headers = {
      'content-type': json,
      'x-nexus-webhook-signature': createHmac('sha1', token).update(body).digest('hex'),
      ...(type === 'gcr' && bearer(issuer.token(google))),
    }
    const { status, isAsked, why } = await call({ type }, { headers, body }, googleData)
    expect([status, isAsked]).toEqual([400, false])
    expect(why).toMatch(/decode|validate/)
  })

  it.each(['version', 'id', 'source', 'type', 'timestamp'])('F-RCV-04 is refused by cdevents without %s', async (field) => {
    const { status } = await call({ type: 'cdevents' }, { body: cdevent(change, { [field]: undefined }) })
    expect(status).toBe(400)
  })

  it.each(bodies)('F-RCV-07 fails filters, and asks for nothing: %s', async (name, body) => {
    const spec: Partial<ReceiverSpec> = { type: 'generic', resourceFilter: "has(req.ref) && req.ref == 'x'" }
    expect(await call(spec, { headers: { 'content-type': json }, body }), name).toMatchObject({ status: 500, isAsked: false })
  })

  it('F-RCV-04 names of the prototype are no fields', async () => {
    const body = '{"__proto__":{"ref":"x"},"constructor":1}'
    const spec: Partial<ReceiverSpec> = { type: 'generic', resourceFilter: 'has(req.ref)' }
    expect(await call(spec, { headers: { 'content-type': json }, body })).toMatchObject({ status: 200, isAsked: false })
  })

  it('is refused by github with a type of content that it does not send', async () => {
    const headers = { 'content-type': 'text/plain', 'x-hub-signature-256': `sha256=${hmac('sha256', push)}` }
    expect(await call({ type: 'github' }, { headers, body: push })).toMatchObject({ status: 400 })
  })
})

describe('a token', () => {
  const google400: readonly (readonly [string, Record<string, string>, string])[] = [
    ['none', {}, 'Authorization header'],
    ['of another scheme', { authorization: 'Basic abc' }, 'Authorization header'],
    ['for another audience', bearer(issuer.token({ ...google, aud: 'you' })), 'want "me"'],
    ['of another issuer', bearer(issuer.token({ ...google, iss: 'https://evil.example.com' })), 'token issuer'],
    ['of another account', bearer(issuer.token({ ...google, email: 'x@example.com' })), 'token email'],
    ['without an account', bearer(issuer.token({ ...google, email: undefined })), 'token email'],
    ['of an account that is not verified', bearer(issuer.token({ ...google, email_verified: false })), 'not verified'],
    ['that is expired', bearer(issuer.token(google, { lifeSeconds: -1 })), 'expired'],
    ['that is not signed', bearer(issuer.unsigned(google)), 'want RS256'],
    ['that is signed by another key', bearer(issuer.forged(google)), 'signature'],
    ['that is signed with the public key as a secret', bearer(issuer.confused(google)), 'want RS256'],
  ]
  it.each(google400)('F-RCV-05 is refused by gcr: %s', async (_name, headers, message) => {
    const { status, isAsked, why } = await call({ type: 'gcr' }, { headers, body: pubsub }, googleData)
    expect([status, isAsked]).toEqual([400, false])
    expect(why).toContain(message)
  })

  it.each(['email', 'audience'])('is refused by gcr when the Secret has no %s', async (key) => {
    const headers = bearer(issuer.token(google))
    const { [key as 'email']: _left, ...data } = googleData
    expect(await call({ type: 'gcr' }, { headers, body: pubsub }, data)).toMatchObject({ status: 400, isAsked: false })
    expect(await call({ type: 'gcr' }, { headers, body: pubsub }, { ...data, [key]: '' })).toMatchObject({ status: 400 })
  })

  const ci = { sub: 'ci' }
  const oidc400: readonly (readonly [string, Record<string, string>, string])[] = [
    ['none', {}, 'the Authorization header is missing or malformed'],
    ['an empty one', bearer(''), 'the Authorization header is missing or malformed'],
    ['what is no token', bearer('a.b'), 'token is not a JWT'],
    ['what is no JSON', bearer('YQ.YQ.YQ'), 'it is no JSON'],
    [
      'of an issuer that is not trusted',
      bearer(issuer.token({ ...ci, iss: 'https://evil.example.com' })),
      'no oidcProvider configured',
    ],
    ['for another audience', bearer(issuer.token({ ...ci, aud: 'you' })), 'want "notification-controller"'],
    ['that is expired', bearer(issuer.token(ci, { lifeSeconds: -1 })), 'expired'],
    ['without an end', bearer(issuer.token({ ...ci, exp: undefined })), 'expired'],
    ['that is not valid yet', bearer(issuer.token({ ...ci, nbf: issuer.nowSeconds + 400 })), 'not valid yet'],
    ['that is not signed', bearer(issuer.unsigned(ci)), 'is signed with "none"'],
    ['that is signed by another key', bearer(issuer.forged(ci)), 'signature'],
    ['that is signed with the public key as a secret', bearer(issuer.confused(ci)), 'is signed with "HS256"'],
    ['with critical extensions', bearer(issuer.token(ci, { header: { crit: ['x'] } })), 'critical'],
    ['whose claims do not do', bearer(issuer.token({ sub: 'somebody' })), 'token validation failed: not ci'],
  ]
  it.each(oidc400)('F-RCV-05 is refused by generic-oidc: %s', async (_name, headers, message) => {
    const { status, isAsked, why } = await call(trusting(), { headers, body: push })
    expect([status, isAsked]).toEqual([400, false])
    expect(why).toContain(message)
  })

  it.each(['RS256', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'] as const)(
    'NOT-RCV-02 is taken when signed with %s',
    async (algorithm) => {
      const headers = bearer(issuer.token({ sub: 'ci' }, { algorithm }))
      expect(await call(trusting(), { headers, body: push })).toMatchObject({ status: 200, isAsked: true })
    },
  )

  it('may be for several audiences, or for another one than usual', async () => {
    const headers = bearer(issuer.token({ sub: 'ci', aud: ['x', 'mine'] }))
    expect(await call(trusting({ audience: 'mine' }), { headers, body: push })).toMatchObject({ status: 200 })
    expect(await call(trusting(), { headers, body: push })).toMatchObject({ status: 400 })
  })

  it('is checked with variables in order, and all validations that fail are told', async () => {
    const variables = [
      { name: 'parts', expression: "claims.repository.split('/')" },
      { name: 'owner', expression: 'vars.parts[0]' },
    ]
    const validations = [
      { expression: "vars.owner == 'acme'", message: 'wrong owner' },
      { expression: "claims.ref == 'refs/heads/main'", message: 'wrong branch' },
    ]
    const of = (repository: string, ref: string) =>
      call(trusting({ variables, validations }), { headers: bearer(issuer.token({ repository, ref })), body: push })
    expect(await of('acme/web', 'refs/heads/main')).toMatchObject({ status: 200, isAsked: true })
    expect((await of('acme/web', 'x')).why).toBe('token validation failed: wrong branch')
    expect((await of('evil/web', 'x')).why).toBe('token validation failed: wrong owner; wrong branch')
    const broken = [{ name: 'parts', expression: 'claims.nothing.there' }]
    const headers = bearer(issuer.token({ sub: 'ci' }))
    expect((await call(trusting({ variables: broken }), { headers })).why).toContain('failed to evaluate variable "parts"')
  })
})
