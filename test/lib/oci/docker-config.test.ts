import { describe, expect, it } from 'vitest'
import { credentialsFor } from '../../../src/lib/oci/index.ts'

const app = { registry: 'ghcr.io', repository: 'org/app' }
const hub = { registry: 'index.docker.io', repository: 'library/nginx' }
const base64 = (text: string) => Buffer.from(text).toString('base64')
const entry = (username: string) => ({ auth: base64(`${username}:secret`) })
const config = (auths: unknown) => JSON.stringify({ auths })

describe('a login of a docker config', () => {
  it.each([
    ['auth', { auth: base64('deploy:let:me:in') }, { username: 'deploy', password: 'let:me:in' }],
    ['auth without padding', { auth: base64('ab:c').replaceAll('=', '') }, { username: 'ab', password: 'c' }],
    ['name and password', { username: 'deploy', password: 'secret' }, { username: 'deploy', password: 'secret' }],
    [
      'auth besides name and password',
      { username: 'x', password: 'y', ...entry('deploy') },
      { username: 'deploy', password: 'secret' },
    ],
    ['a refresh token', { ...entry('<token>'), identitytoken: 'refresh' }, { identityToken: 'refresh' }],
    ['an access token', { registrytoken: 'access' }, { registryToken: 'access' }],
    ['nothing', { email: 'me@example.com' }, undefined],
  ])('SRC-OCI-05 may be given as %s', (_, value, expected) => {
    expect(credentialsFor(app, config({ 'ghcr.io': value }))).toEqual(expected)
  })

  it.each([
    'ghcr.io',
    'https://ghcr.io',
    'http://ghcr.io/',
    'https://ghcr.io/v2/',
    'https://ghcr.io/v1/',
    'ghcr.io/org',
    'ghcr.io/org/app',
  ])('is found under the key %s', (key) =>
    expect(credentialsFor(app, config({ [key]: entry('deploy') }))).toMatchObject({ username: 'deploy' }),
  )

  it.each(['ghcr.io:443', 'ghcr.io.example.com', 'xghcr.io', 'ghcr.io/other', 'ghcr.io/org/app/web', 'io', '*.ghcr.io', '*'])(
    'is not found under the key %s',
    (key) => expect(credentialsFor(app, config({ [key]: entry('deploy') }))).toBeUndefined(),
  )

  it.each(['https://index.docker.io/v1/', 'https://index.docker.io/v2/', 'docker.io', 'registry-1.docker.io', 'index.docker.io'])(
    'SRC-OCI-17 is of Docker Hub under the key %s',
    (key) => expect(credentialsFor(hub, config({ [key]: entry('deploy') }))).toMatchObject({ username: 'deploy' }),
  )

  it('is that of the longest path, and names come before stars', () => {
    const all = config({
      'ghcr.io': entry('host'),
      '*.io': entry('star'),
      'ghcr.io/org': entry('organisation'),
      'ghcr.io/org/app/deeper': entry('deeper'),
    })
    expect(credentialsFor(app, all)).toMatchObject({ username: 'organisation' })
    expect(credentialsFor({ ...app, repository: 'other' }, all)).toMatchObject({ username: 'host' })
    expect(credentialsFor({ ...app, registry: 'quay.io' }, all)).toMatchObject({ username: 'star' })
  })

  it('has stars for parts of hosts', () => {
    const ofAzure = config({ '*.azurecr.io': entry('deploy') })
    expect(credentialsFor({ registry: 'acme.azurecr.io', repository: 'x' }, ofAzure)).toMatchObject({ username: 'deploy' })
    expect(credentialsFor({ registry: 'a.b.azurecr.io', repository: 'x' }, ofAzure)).toBeUndefined()
    const within = config({ 'a*b*c.io': entry('deploy') })
    expect(credentialsFor({ registry: 'a1b2c.io', repository: 'x' }, within)).toMatchObject({ username: 'deploy' })
    expect(credentialsFor({ registry: 'abc.io', repository: 'x' }, within)).toMatchObject({ username: 'deploy' })
    expect(credentialsFor({ registry: 'ac.io', repository: 'x' }, within)).toBeUndefined()
  })

  it('is taken from the first config that has it', () => {
    const [none, first, second] = [
      config({ 'quay.io': entry('x') }),
      config({ 'ghcr.io': entry('a') }),
      config({ 'ghcr.io': entry('b') }),
    ]
    expect(credentialsFor(app, none, first, second)).toMatchObject({ username: 'a' })
    expect(credentialsFor(app, none, '{}')).toBeUndefined()
    expect(credentialsFor(app)).toBeUndefined()
  })

  it.each([
    ['no JSON', '{"auths": {"ghcr.io": {"auth": "c2VjcmV0', /^the docker config is no JSON$/],
    ['no map', '[]', /^the docker config has no map 'auths'$/],
    ['a list of logins', config(['c2VjcmV0']), /no map 'auths'/],
    ['an entry that is no map', config({ 'ghcr.io': 'c2VjcmV0' }), /^the entry "ghcr\.io" of the docker config is no map$/],
    [
      'a login without a colon',
      config({ 'ghcr.io': { auth: base64('s3cr3t') } }),
      /^the field auth of the entry "ghcr\.io" of the docker/,
    ],
  ])('is refused with no word of its content: %s', (_, text, message) => {
    expect(() => credentialsFor(app, text)).toThrow(message)
  })

  it('does not come from the prototype of objects', () => {
    const sneaky = '{"auths": {"__proto__": {"auth": "YTpi"}, "constructor": {}}}'
    expect(credentialsFor({ registry: '__proto__', repository: 'x' }, sneaky)).toEqual({ username: 'a', password: 'b' })
    expect(credentialsFor(app, sneaky)).toBeUndefined()
  })
})
