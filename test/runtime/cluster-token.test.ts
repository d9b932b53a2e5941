import { describe, expect, it, vi } from 'vitest'
import type { Client } from '../../src/kube/client.ts'
import { configWithTokens } from '../../src/runtime/cluster-token.ts'

/** The cluster that has the account: its tokens are numbered, and live an hour. */
function issuer() {
  const requests: { path: string; body: { spec: { audiences: string[] } } }[] = []
  const state = { failure: undefined as Error | undefined }
  const request = async ({ path, body }: { path: string; body: string }) => {
    if (state.failure) throw state.failure
    requests.push({ path, body: JSON.parse(body) })
    return { spec: { expirationSeconds: 3_600 }, status: { token: `token-${requests.length}` } }
  }
  const mapping = async () => ({ group: '', version: 'v1', kind: 'ServiceAccount', resource: 'serviceaccounts', namespaced: true })
  const client = { discovery: { mapping }, transport: { request } } as unknown as Client
  return { requests, state, client }
}

function configOf(client: Client) {
  return configWithTokens(
    {
      server: new URL('https://far.example'),
      tls: {},
      audiences: ['far'],
      account: { namespace: 'apps', name: 'deployer' },
    },
    client,
  )
}

const minutes = (count: number) => vi.advanceTimersByTime(count * 60_000)

describe('the tokens of a service account', () => {
  it('are asked for once, for the audiences that are told, and again before they expire', async () => {
    vi.useFakeTimers()
    const { client, requests } = issuer()
    const { credentials } = configOf(client)
    const both = await Promise.all([credentials(), credentials()])
    expect(both.map(({ authorization }) => authorization)).toEqual(['Bearer token-1', 'Bearer token-1'])
    expect(requests).toEqual([
      {
        path: '/api/v1/namespaces/apps/serviceaccounts/deployer/token',
        body: expect.objectContaining({ kind: 'TokenRequest', spec: { audiences: ['far'] } }),
      },
    ])
    minutes(47)
    expect((await credentials()).authorization).toBe('Bearer token-1')
    minutes(2)
    expect((await credentials()).authorization).toBe('Bearer token-2')
    vi.useRealTimers()
  })

  it('are renewed when one is refused, but not one that is new', async () => {
    vi.useFakeTimers()
    const { client } = issuer()
    const { credentials } = configOf(client)
    await credentials()
    expect((await credentials({ fresh: true })).authorization).toBe('Bearer token-1')
    minutes(1)
    expect((await credentials({ fresh: true })).authorization).toBe('Bearer token-2')
    vi.useRealTimers()
  })

  it('are used to their end while no new one can be had', async () => {
    vi.useFakeTimers()
    const { client, state } = issuer()
    const { credentials } = configOf(client)
    await credentials()
    state.failure = new Error('forbidden')
    minutes(55)
    expect((await credentials()).authorization).toBe('Bearer token-1')
    minutes(6)
    await expect(credentials()).rejects.toThrow('forbidden')
    vi.useRealTimers()
  })

  it('are asked for of no path that a name leads elsewhere to', async () => {
    const { client, requests } = issuer()
    const account = { namespace: 'apps', name: '../../secrets/all' }
    const config = configWithTokens({ server: new URL('https://far.example'), tls: {}, audiences: [], account }, client)
    await expect(config.credentials()).rejects.toThrow('is not a valid name')
    expect(requests).toEqual([])
  })
})
