import { describe, expect, it } from 'vitest'
import type { Client } from '../../src/kube/client.ts'
import { ApiError, ConnectionError } from '../../src/kube/transport.ts'
import { RemoteCluster } from '../../src/runtime/remote-cluster.ts'

const signal = new AbortController().signal

function clusterThat(answers: () => Promise<unknown>) {
  const requests: string[] = []
  const request = ({ path }: { path: string }) => {
    requests.push(path)
    return answers()
  }
  const client = { transport: { request } } as unknown as Client
  const cluster = new RemoteCluster({ client, origin: "KubeConfig secret 'apps/far' key 'value'", turns: 4 })
  return { cluster, requests }
}

const refused = (status: number, reason: string) => async () => {
  throw new ApiError(reason, { status, reason })
}

describe('a remote cluster', () => {
  it('is asked once whether it answers, for all who want to know', async () => {
    const { cluster, requests } = clusterThat(async () => ({}))
    await Promise.all([cluster.reached(signal), cluster.reached(signal)])
    await cluster.reached(signal)
    expect(requests).toEqual(['/version'])
  })

  it('is there when it does not say its version to everybody', async () => {
    const { cluster } = clusterThat(refused(403, 'Forbidden'))
    await cluster.reached(signal)
  })

  it('F-OPS-08 is not there while it cannot be reached, or refuses the credentials, and its Secret is named', async () => {
    const unreachable = clusterThat(async () => {
      throw new ConnectionError('GET /version at https://far: connect ECONNREFUSED', 'ECONNREFUSED')
    })
    await expect(unreachable.cluster.reached(signal)).rejects.toThrow(
      "the cluster of KubeConfig secret 'apps/far' key 'value' cannot be reached: GET /version at https://far: connect ECONNREFUSED",
    )
    await unreachable.cluster.reached(signal).catch(() => {})
    expect(unreachable.requests).toHaveLength(2)
    await expect(clusterThat(refused(401, 'Unauthorized')).cluster.reached(signal)).rejects.toThrow(
      "the credentials of KubeConfig secret 'apps/far' key 'value' are not accepted (Unauthorized): renew them",
    )
  })

  it('F-OPS-08 is worked on by a few at a time, and who gives up waiting holds up nobody', async () => {
    const { cluster } = clusterThat(async () => ({}))
    const begun: number[] = []
    const gates = Array.from({ length: 7 }, () => Promise.withResolvers<void>())
    const impatient = new AbortController()
    const turns = gates.map(({ promise }, index) =>
      cluster.turn(
        async () => {
          begun.push(index)
          await promise
        },
        index === 4 ? impatient.signal : signal,
      ),
    )
    turns[4]?.catch(() => {})
    expect(begun).toEqual([0, 1, 2, 3])
    impatient.abort(new Error('gone'))
    await expect(turns[4]).rejects.toThrow('gone')
    gates[0]?.resolve()
    await turns[0]
    await expect.poll(() => begun).toEqual([0, 1, 2, 3, 5])
    for (const { resolve } of gates) resolve()
    await Promise.all(turns.filter((_, index) => index !== 4))
    expect(begun).toEqual([0, 1, 2, 3, 5, 6])
  })
})
