/** Keys of issuers: when they are fetched, how long they are kept, and issuers that are no good. */
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { Issuers } from '../../src/notification/issuers.ts'
import { ManualClock } from '../fakes/clock.ts'
import { openIssuer } from './issuer.ts'

const issuer = await openIssuer()
afterAll(() => issuer[Symbol.asyncDispose]())
beforeEach(() => {
  issuer.requests.length = 0
  issuer.answer = undefined
})

const wanted = { issuer: issuer.address, audience: 'notification-controller' }
const discovery = '/.well-known/openid-configuration'

function open() {
  const clock = new ManualClock()
  return { clock, issuers: new Issuers({ clock }) }
}

describe('the keys of an issuer', () => {
  it('are fetched once for many tokens, and again after a while', async () => {
    const { clock, issuers } = open()
    await using _ = issuers
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => issuers.claimsOf(issuer.token({ index }, { lifeSeconds: 7200 }), wanted)),
    )
    expect(issuer.requests).toEqual([discovery, '/keys'])
    clock.advance(10 * 60_000)
    expect(await issuers.claimsOf(issuer.token({ sub: 'x' }), wanted)).toMatchObject({ sub: 'x' })
    expect(issuer.requests).toEqual([discovery, '/keys', discovery, '/keys'])
  })

  it('are fetched again for a key that is new, but not at the pace of those who make keys up', async () => {
    const { clock, issuers } = open()
    await using _ = issuers
    await issuers.claimsOf(issuer.token({}), wanted)
    issuer.rotate()
    await expect(issuers.claimsOf(issuer.token({}), wanted)).rejects.toThrow("by none of the issuer's keys")
    clock.advance(10_000)
    await issuers.claimsOf(issuer.token({}), wanted)
    for (let index = 0; index < 50; index++)
      await expect(issuers.claimsOf(issuer.token({}, { keyId: `made up ${index}` }), wanted)).rejects.toThrow('by none of')
    expect(issuer.requests).toEqual([discovery, '/keys', '/keys'])
  })

  it('are all tried for a token that names none', async () => {
    const { issuers } = open()
    await using _ = issuers
    await issuers.claimsOf(issuer.token({}, { keyId: undefined }), wanted)
  })

  it('are asked for again at once when they could not be fetched', async () => {
    const { issuers } = open()
    await using _ = issuers
    issuer.answer = () => ({ status: 503, body: '' })
    await expect(issuers.claimsOf(issuer.token({}), wanted)).rejects.toThrow(
      `failed to initialize OIDC provider for issuer "${issuer.address}": HTTP status 503`,
    )
    issuer.answer = undefined
    await issuers.claimsOf(issuer.token({}), wanted)
  })
})

describe('an issuer that is no good', () => {
  const documents: readonly (readonly [string, string, number, string, string])[] = [
    ['answers what is no JSON', discovery, 200, '<html>', 'it is no JSON'],
    [
      'calls itself otherwise',
      discovery,
      200,
      JSON.stringify({ issuer: 'https://other', jwks_uri: 'https://x' }),
      'calls itself "https://other"',
    ],
    ['has no keys', discovery, 200, JSON.stringify({ issuer: issuer.address }), 'no jwks_uri'],
    ['has keys in a file', discovery, 200, JSON.stringify({ issuer: issuer.address, jwks_uri: 'file:///x' }), 'no jwks_uri'],
    ['redirects', discovery, 302, '', 'HTTP status 302'],
    ['tells more than anybody should', '/keys', 200, 'x'.repeat(1024 * 1024 + 1), 'longer than 1048576 bytes'],
    ['has a list of keys that is none', '/keys', 200, '{"keys":{}}', 'the key set has no keys'],
    ['has keys that are none', '/keys', 200, '{"keys":[null,1,{"kty":"RSA"},{"kty":"oct","k":"YQ"}]}', 'by none of'],
  ]
  it.each(documents)('F-RCV-05 confirms no token: one that %s', async (_name, path, status, body, message) => {
    const { issuers } = open()
    await using _ = issuers
    issuer.answer = (asked) => (asked === path ? { status, body } : undefined)
    await expect(issuers.claimsOf(issuer.token({}), wanted)).rejects.toThrow(message)
  })

  it('F-RCV-05 may not choose an algorithm that it does not name', async () => {
    const { issuers } = open()
    await using _ = issuers
    const body = JSON.stringify({ issuer: issuer.address, jwks_uri: `${issuer.address}/keys` })
    issuer.answer = (asked) => (asked === discovery ? { status: 200, body } : undefined)
    await issuers.claimsOf(issuer.token({}, { algorithm: 'RS256' }), wanted)
    await expect(issuers.claimsOf(issuer.token({}, { algorithm: 'ES256' }), wanted)).rejects.toThrow('want one of RS256')
  })
})
