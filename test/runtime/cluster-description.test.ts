import { describe, expect, it } from 'vitest'
import type { Client } from '../../src/kube/client.ts'
import { clusterDescribed, type Description, type TokenRules } from '../../src/runtime/cluster-description.ts'
import { strict } from '../fakes/remote-clusters.ts'

const generic = { provider: 'generic', address: 'far.example' }

function describedAs(description: Description, rules: Partial<TokenRules> = {}, user = 'system:serviceaccount:flux-system:sluice') {
  const create = async () => ({ status: { userInfo: { username: user } } })
  return clusterDescribed(description, {
    shown: "ConfigMap 'apps/far'",
    namespace: 'apps',
    rules: { ...strict.tokens, ...rules },
    client: { create } as unknown as Client,
    signal: new AbortController().signal,
  })
}

describe('a cluster that a ConfigMap describes', () => {
  it.each([
    ['far.example', 'https://far.example'],
    ['https://FAR.example:6443/', 'https://far.example:6443'],
    ['https://user:password@far.example/clusters/7', 'https://far.example'],
  ])('KUS-RMT-02 is at the host and port of the address %s', async (address, origin) => {
    const { server } = await describedAs({ ...generic, address }, { mayBeSluice: true })
    expect(server.href).toBe(`${origin}/`)
  })

  it('KUS-RMT-02 gets tokens for its address, or for the audiences that are listed', async () => {
    const audiencesOf = async (more: Description) => (await describedAs({ ...generic, ...more }, { mayBeSluice: true })).audiences
    expect(await audiencesOf({})).toEqual(['far.example'])
    expect(await audiencesOf({ audiences: ' \n' })).toEqual(['far.example'])
    expect(await audiencesOf({ audiences: '\n a \r\nb' })).toEqual(['a', 'b'])
  })

  it('KUS-RMT-02 is reached as the account that is named, the default one, or Sluice itself', async () => {
    const accountOf = async (more: Description, rules: Partial<TokenRules>) =>
      (await describedAs({ ...generic, ...more }, rules)).account
    const allowed = { mayChooseAccount: true, defaultAccount: 'default' }
    expect(await accountOf({ serviceAccountName: 'deployer' }, allowed)).toEqual({ namespace: 'apps', name: 'deployer' })
    expect(await accountOf({}, allowed)).toEqual({ namespace: 'apps', name: 'default' })
    expect(await accountOf({}, { mayBeSluice: true })).toEqual({ namespace: 'flux-system', name: 'sluice' })
  })

  it('KUS-RMT-02 SEC-05 is never reached as Sluice where tenants are locked down', async () => {
    await expect(describedAs(generic)).rejects.toThrow("the key 'serviceAccountName' is missing")
  })

  it.each([
    ['no provider', { address: 'far.example' }, "provider '' not implemented: use generic"],
    ['a provider of a cloud', { ...generic, provider: 'gcp' }, 'spec.kubeConfig.configMapRef: provider gcp is not implemented'],
    ['no address', { provider: 'generic' }, "set the key 'address'"],
    ['an address without TLS', { ...generic, address: 'http://far.example' }, 'must use https scheme'],
    ['an address that is none', { ...generic, address: 'https://' }, "failed to parse Kubernetes API server address 'https://'"],
    ['a CA that is none', { ...generic, 'ca.crt': 'x' }, "ConfigMap 'apps/far': failed to parse CA certificate"],
    [
      'an account without the gate',
      { ...generic, serviceAccountName: 'x' },
      'ObjectLevelWorkloadIdentity feature gate is not enabled',
    ],
  ])('KUS-RMT-02 says what is wrong: %s', async (_, description, message) => {
    await expect(describedAs(description as Description, { mayBeSluice: true })).rejects.toThrow(message)
  })

  it('KUS-RMT-02 needs an account where Sluice itself has none', async () => {
    await expect(describedAs(generic, { mayBeSluice: true }, 'admin')).rejects.toThrow('Sluice runs as "admin"')
  })
})
