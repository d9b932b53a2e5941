import { describe, expect, it } from 'vitest'
import type { HelmRepository, HelmRepositorySpec } from '../../src/api/helmrepository.ts'
import type { Client } from '../../src/kube/client.ts'
import { anonymousAccess, type HelmAccess, helmAccess, normalizedUrl } from '../../src/source/helm-access.ts'

const { signal } = new AbortController()

/** What a repository with this Secret `keys` is reached with. */
function accessWith(data: Readonly<Record<string, string>>, spec: Partial<HelmRepositorySpec> = {}): Promise<HelmAccess> {
  const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])
  const client = { get: async () => ({ data: Object.fromEntries(encoded) }) } as unknown as Client
  const object: HelmRepository = {
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind: 'HelmRepository',
    metadata: { namespace: 'apps', name: 'charts' },
    spec: { url: 'oci://registry.example/charts', type: 'oci', secretRef: { name: 'keys' }, ...spec } as HelmRepositorySpec,
  }
  return helmAccess(object, { client, signal })
}

function dockerConfig(host: string): Record<string, string> {
  const auth = Buffer.from('ann:swordfish').toString('base64')
  return { '.dockerconfigjson': JSON.stringify({ auths: { [host]: { auth } } }) }
}

describe('the address of a repository', () => {
  it.each([
    ['https://charts.example', 'https://charts.example/'],
    ['https://charts.example/stable///', 'https://charts.example/stable/'],
    ['https://charts.example/stable?token=x', 'https://charts.example/stable/?token=x'],
    ['HTTPS://Charts.Example:443/a%2Fb', 'https://charts.example/a%2Fb/'],
    ['oci://registry.example/charts//', 'oci://registry.example/charts'],
  ])('%s is %s', (text, expected) => {
    expect(normalizedUrl(text)).toBe(expected)
  })

  it.each(['https://', 'charts', 'https://host:port/', ''])('cannot be %j', (text) => {
    expect(() => normalizedUrl(text)).toThrow(`"${text}" is no address of a Helm repository`)
  })

  it('is told without the password in it', () => {
    expect(() => normalizedUrl('https://ann:swordfish@host:port/')).toThrow('"https://host:port/" is no address')
  })
})

describe('the login of a registry', () => {
  const basic = { username: 'ann', password: 'swordfish' }

  it('is user and password of the Secret, or those of its docker configuration for that host', async () => {
    expect((await accessWith(basic)).registry).toEqual(basic)
    expect((await accessWith(dockerConfig('registry.example'))).registry).toMatchObject(basic)
    expect((await accessWith(basic, { url: 'oci://registry.example' })).registry).toEqual(basic)
    expect((await accessWith({})).registry).toBeUndefined()
    expect((await accessWith({ username: '', password: '' })).registry).toBeUndefined()
  })

  it.each([
    [{ username: 'ann', password: '' }, "invalid 'keys' secret data: required fields 'username' and 'password'"],
    [dockerConfig('other.example'), "no auth config for 'registry.example' in the docker-registry Secret 'keys'"],
    [{ '.dockerconfigjson': 'swordfish' }, "unable to load Docker config from Secret 'keys': "],
  ])('cannot be %j', async (data, text) => {
    const error: Error = await accessWith(data).then(
      () => new Error('it worked'),
      (thrown: Error) => thrown,
    )
    expect(error.message).toContain(`failed to configure OCI registry authentication: ${text}`)
    expect(error.message).not.toContain('swordfish')
  })

  it('is nobody for a repository that is not described', () => {
    expect(anonymousAccess('oci://registry.example/x')).toMatchObject({ isOci: true, passCredentials: false, insecure: false })
  })
})

it.each([
  [undefined, 60_000],
  ['5s', 5_000],
  ['0s', 60_000],
])('waits with the timeout %s for %i ms', async (timeout, timeoutMs) => {
  expect(await accessWith({}, { ...(timeout && { timeout }) })).toMatchObject({ timeoutMs })
})
