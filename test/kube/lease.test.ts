import { afterAll, beforeAll, expect, inject, it, onTestFinished } from 'vitest'
import { Client } from '../../src/kube/client.ts'
import { connect } from '../../src/kube/connect.ts'
import { Discovery } from '../../src/kube/discovery.ts'
import { Lease, type LeaseClock, LeaseLost } from '../../src/kube/lease.ts'
import { Transport } from '../../src/kube/transport.ts'
import { ManualClock } from '../fakes/clock.ts'
import { answerStatus, type FaultProxy, startFaultProxy } from '../tools/fault-proxy.ts'

const kubeconfig = inject('kubeconfig')
const namespace = 'kube-lease'
let client: Client
let proxy: FaultProxy
let proxied: Client

beforeAll(async () => {
  client = await connect({ kubeconfig })
  proxy = await startFaultProxy(kubeconfig)
  const transport = new Transport(proxy.config)
  proxied = new Client(transport, new Discovery(transport))
  await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }, { fieldManager: 'test' })
})
afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await proxied[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
})

/** Second by second, with time for the requests that each may cause. */
async function pass(clock: ManualClock, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    clock.advance(1_000)
    await settled()
  }
}

/** Requests after one another, by both ways, take longer than those already under way. The proxy may answer with an error. */
async function settled(): Promise<void> {
  const ref = { apiVersion: 'v1', kind: 'Namespace', name: namespace }
  for (let times = 0; times < 4; times++) await Promise.allSettled([client.get(ref), proxied.get(ref)])
}

/** Who holds what, and a failure as soon as two do. */
const holders = new Map<string, string>()

function candidate(name: string, identity: string, clock: LeaseClock, through = client) {
  const lease = new Lease({ client: through, namespace, name, identity, clock })
  onTestFinished(() => lease.release())
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  const won = lease.acquire(stop.signal).then((lost) => {
    expect(holders.get(name), `${identity} began while another held the lease`).toBeUndefined()
    holders.set(name, identity)
    lost.addEventListener('abort', () => holders.delete(name))
    return lost
  })
  won.catch(() => {})
  return {
    won,
    async release() {
      holders.delete(name)
      await lease.release()
    },
  }
}

const refOf = (name: string) => ({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace, name })

it('API-18 writes the lease as client-go does', async () => {
  const clock = new ManualClock('2026-01-01T00:00:00Z')
  const only = candidate('format', 'me', clock)
  await only.won
  expect((await client.get(refOf('format'))).spec).toEqual({
    holderIdentity: 'me',
    leaseDurationSeconds: 35,
    acquireTime: '2026-01-01T00:00:00.000000Z',
    renewTime: '2026-01-01T00:00:00.000000Z',
    leaseTransitions: 0,
  })
  await pass(clock, 6)
  await expect
    .poll(async () => (await client.get(refOf('format'))).spec)
    .toMatchObject({ renewTime: '2026-01-01T00:00:05.000000Z', acquireTime: '2026-01-01T00:00:00.000000Z' })
  await only.release()
  expect((await client.get(refOf('format'))).spec).toMatchObject({
    holderIdentity: '',
    leaseDurationSeconds: 1,
    leaseTransitions: 0,
  })
})

it('F-OPS-01 lets one of many hold it, and hands it over at once when it is released', async () => {
  const clock = new ManualClock('2026-01-01T00:00:00Z')
  const waiting = new Map(['a', 'b', 'c', 'd'].map((identity) => [identity, candidate('many', identity, clock)]))
  for (let transitions = 0; waiting.size > 0; transitions++) {
    // No time passes here: the hand-over needs no retry.
    const identity = await Promise.race([...waiting].map(([name, { won }]) => won.then(() => name)))
    expect(holders.get('many')).toBe(identity)
    expect((await client.get(refOf('many'))).spec).toMatchObject({ holderIdentity: identity, leaseTransitions: transitions })
    await waiting.get(identity)?.release()
    waiting.delete(identity)
  }
})

it('F-OPS-01 is taken over from a holder that has gone silent, and only after that one has stopped', async () => {
  const clock = new ManualClock('2026-01-01T00:00:00Z')
  const first = candidate('crash', 'first', clock, proxied)
  const lost = await first.won
  const second = candidate('crash', 'second', clock)
  await pass(clock, 8)
  expect(holders.get('crash')).toBe('first')

  proxy.fault = (_, response) => answerStatus(response, { code: 500, message: 'etcdserver: no leader' })
  await pass(clock, 26)
  expect(lost.aborted).toBe(false)
  await pass(clock, 2)
  expect(lost.reason).toBeInstanceOf(LeaseLost)
  expect(String(lost.reason)).toContain('lost the lease kube-lease/crash: not renewed for 30000 ms')
  expect(holders.get('crash')).toBeUndefined()
  await pass(clock, 20)
  await second.won
  expect(holders.get('crash')).toBe('second')
  proxy.fault = undefined
})

it('F-OPS-01 is taken over as soon as it has expired, counted from the last renewal', async () => {
  const clock = new ManualClock('2026-01-01T00:00:00Z')
  await candidate('prompt', 'first', clock, proxied).won
  const second = candidate('prompt', 'second', clock)
  // Renewed after 5, 10 and 15 seconds, whenever the second one happens to look.
  await pass(clock, 16)
  proxy.fault = (_, response) => answerStatus(response, { code: 500, message: 'etcdserver: no leader' })
  await pass(clock, 33)
  expect(holders.get('prompt')).toBeUndefined()
  await pass(clock, 2)
  await second.won
  proxy.fault = undefined
})

it('F-OPS-03 trusts no clock but its own: a renewTime of next year does not keep a dead holder alive', async () => {
  const clock = new ManualClock('2026-01-01T00:00:00Z')
  const spec = { holderIdentity: 'gone', leaseDurationSeconds: 15, renewTime: '2099-01-01T00:00:00.000000Z', leaseTransitions: 7 }
  await client.create({ ...refOf('clock'), metadata: { namespace, name: 'clock' }, spec }, { fieldManager: 'test' })
  const heir = candidate('clock', 'heir', clock)
  await pass(clock, 14)
  expect(holders.get('clock')).toBeUndefined()
  await pass(clock, 13)
  await heir.won
  expect((await client.get(refOf('clock'))).spec).toMatchObject({ holderIdentity: 'heir', leaseTransitions: 8 })
})

it('stops at once when somebody else has taken the lease, and lives through its deletion', async () => {
  const clock = new ManualClock('2026-01-01T00:00:00Z')
  const owner = candidate('stolen', 'owner', clock)
  const lost = await owner.won
  await client.delete(refOf('stolen'))
  await pass(clock, 6)
  await expect.poll(async () => (await client.find(refOf('stolen')))?.spec).toMatchObject({ holderIdentity: 'owner' })

  await client.mergePatch(refOf('stolen'), { spec: { holderIdentity: 'thief' } }, { fieldManager: 'thief' })
  await pass(clock, 6)
  await expect.poll(() => String(lost.reason)).toContain('it is held by "thief"')
})

it('stops waiting when it is told to', async () => {
  const clock = new ManualClock('2026-01-01T00:00:00Z')
  await candidate('abort', 'first', clock).won
  const stop = new AbortController()
  const waiting = new Lease({ client, namespace, name: 'abort', identity: 'second', clock }).acquire(stop.signal)
  stop.abort(new Error('shutting down'))
  await expect(waiting).rejects.toThrow('shutting down')
})
