/** Asking for runs: how often objects are asked for when many calls come. */
import { describe, expect, it } from 'vitest'
import type { ReceiverResource } from '../../src/api/receiver.ts'
import type { Filter } from '../../src/notification/filters.ts'
import { TokenBuckets } from '../../src/notification/rate.ts'
import { RunRequests } from '../../src/notification/requests.ts'
import { namespace, openWorld } from './world.ts'

function open(options: { noCrossNamespaceRefs?: boolean } = {}) {
  const world = openWorld()
  const source = (name: string, labels = {}) => ({
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind: 'GitRepository',
    metadata: { namespace, name, labels },
  })
  world.put(source('app'), source('web', { tier: 'front' }), source('shop', { tier: 'front' }))
  const signal = new AbortController().signal
  const requests = new RunRequests({ ...world.environment, noCrossNamespaceRefs: false, signal, ...options })
  const ask = (resource: Partial<ReceiverResource>, filter?: Filter) =>
    requests.ask({ resource: { kind: 'GitRepository', name: 'app', ...resource }, namespace, filter, log: world.log })
  return { ...world, ask }
}

describe('many calls in a second', () => {
  it('F-RCV-06 ask for an object at once, and once more for all that came after that', async () => {
    const { ask, patches, clock } = open()
    await ask({})
    expect(patches).toHaveLength(1)
    const rest = Promise.all(Array.from({ length: 500 }, () => ask({})))
    clock.advance(999)
    expect(patches).toHaveLength(1)
    clock.advance(1)
    await rest
    expect(patches).toHaveLength(2)
    clock.advance(1_000)
    await ask({})
    expect(patches).toHaveLength(3)
  })

  it('F-RCV-06 look for the objects of a label once, too', async () => {
    const { ask, patches, reads, clock } = open()
    const labelled = { name: '*', matchLabels: { tier: 'front' } }
    await ask(labelled)
    expect(patches).toEqual(['GitRepository/apps/web', 'GitRepository/apps/shop'])
    const rest = Promise.all(Array.from({ length: 100 }, () => ask(labelled)))
    clock.advance(1_000)
    await rest
    expect(reads).toEqual(['list GitRepository/apps?tier=front', 'list GitRepository/apps?tier=front'])
    expect(patches.slice(2)).toEqual(['GitRepository/apps/web', 'GitRepository/apps/shop'])
  })

  it('do not keep one object from being asked for by calls for another', async () => {
    const { ask, patches } = open()
    await Promise.all([ask({}), ask({ name: 'web' })])
    expect(patches).toEqual(['GitRepository/apps/app', 'GitRepository/apps/web'])
  })
})

describe('what a Receiver means', () => {
  it('NOT-RCV-05 is an object by its name, without reading it, unless there is a filter', async () => {
    const { ask, reads, patches } = open()
    await ask({})
    expect(reads).toEqual([])
    await ask({ name: 'web' }, () => false)
    expect([reads, patches]).toEqual([['get GitRepository/apps/web'], ['GitRepository/apps/app']])
  })

  it('NOT-RCV-05 are objects by their labels, which a label written like a selector does not widen', async () => {
    const { ask, patches } = open()
    await ask({ name: '*', matchLabels: { tier: 'none,x!' } })
    expect(patches).toEqual([])
    await ask({ name: '*', matchLabels: {} })
    expect(patches).toHaveLength(3)
  })

  it('NOT-RCV-07 is asked for as far as it can be, and what cannot is told', async () => {
    const { ask, patches } = open({ noCrossNamespaceRefs: true })
    await expect(ask({ name: 'gone' })).rejects.toThrow('unable to read GitRepository/apps/gone')
    await expect(ask({ name: 'gone' }, () => true)).rejects.toThrow('unable to read GitRepository/apps/gone')
    await expect(ask({ name: '*' })).rejects.toThrow("matchLabels field not set when using wildcard '*' as name")
    await expect(ask({ kind: 'HelmRelease' })).rejects.toThrow('apiVersion must be specified for kind "HelmRelease"')
    await expect(ask({ namespace: 'other' })).rejects.toThrow('cross-namespace references are not allowed')
    expect(patches).toEqual([])
    await ask({ namespace })
    expect(patches).toEqual(['GitRepository/apps/app'])
  })
})

describe('a limit of calls', () => {
  it('F-RCV-06 lets a burst pass, then so many a second, each key for itself', () => {
    const buckets = new TokenBuckets({ burst: 3, perSecond: 2 })
    const take = (nowMs: number, key = 'a') => buckets.take(key, nowMs)
    expect([take(0), take(0), take(0), take(0), take(0, 'b')]).toEqual([true, true, true, false, true])
    expect([take(499), take(500), take(500)]).toEqual([false, true, false])
    expect([take(60_000), take(60_000), take(60_000), take(60_000)]).toEqual([true, true, true, false])
  })
})
