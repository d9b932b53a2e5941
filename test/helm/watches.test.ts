import { describe, expect, it } from 'vitest'
import type { HelmRelease } from '../../src/api/helmrelease.ts'
import { type Key, keyText } from '../../src/api/object.ts'
import type { Cause, Wiring } from '../../src/runtime/reconcile.ts'
import { World } from './world.ts'

/** The loop's watches on a world, and what they queue. */
function watched(world: World) {
  const queued: string[] = []
  const environment = world.environment()
  const wiring = {
    informers: environment.informers,
    own: world.releases,
    environment,
    signal: new AbortController().signal,
    enqueue: (key: Key, cause: Cause) => queued.push(`${keyText(key)} ${cause}`),
  }
  for (const watch of world.loop.watches) watch(wiring as unknown as Wiring<HelmRelease>)
  return { queued, taken: () => queued.splice(0) }
}

describe('the source of a chart', () => {
  it('HLM-CHT-04 queues its releases when it has a new artifact, or becomes ready', async () => {
    const world = new World()
    world.release()
    const { taken } = watched(world)
    world.chart('1.0.0')
    expect(taken()).toEqual(['shop/web source'])
    await world.run()
    world.chart('1.0.0')
    expect(taken()).toEqual([])
    world.chart('1.1.0')
    expect(taken()).toEqual(['shop/web source'])
  })

  it('HLM-CHT-05 queues its releases when the artifact of a registry has another digest', async () => {
    const world = new World()
    world.release({ chartRef: { kind: 'OCIRepository', name: 'repo' } })
    const { taken } = watched(world)
    const revision = (char: string) => `1.0.0@sha256:${char.repeat(64)}`
    world.repository(revision('a'), '1.0.0')
    expect(taken()).toEqual(['shop/web source'])
    await world.run()
    world.repository(revision('a'), '1.0.0')
    expect(taken()).toEqual([])
    world.repository(revision('b'), '1.0.0')
    expect(taken()).toEqual(['shop/web source'])
  })

  it('HLM-CHT-01 queues the release whose HelmChart somebody deletes', () => {
    const world = new World()
    const spec = { chart: 'shop', sourceRef: { kind: 'HelmRepository' as const, name: 'repo' } }
    world.release({ chart: { spec } })
    const { taken } = watched(world)
    const chart = world.chart('1.0.0')
    taken()
    for (const listener of world.charts.listeners) listener({ type: 'deleted', object: chart, initial: false })
    expect(taken()).toEqual(['shop/web source'])
  })
})

describe('a dependency', () => {
  it('HLM-DEP-01 queues those that wait for it when it becomes ready, once', async () => {
    const world = new World()
    world.chart('1.0.0')
    world.release({ dependsOn: [{ name: 'db' }] })
    await world.run()
    world.release({}, { name: 'db' })
    const { taken } = watched(world)
    await world.run('db')
    expect(taken()).toEqual(['shop/web dependency'])
    await world.run()
    world.release({}, { name: 'db' })
    await world.run('db')
    expect(taken()).toEqual([])
  })
})

describe('values', () => {
  it('HLM-VAL-02 queue the releases that take them from a labelled ConfigMap or Secret', () => {
    const world = new World()
    world.release({ valuesFrom: [{ kind: 'Secret', name: 'a' }] })
    const { taken } = watched(world)
    world.configs.put({ apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'shop', name: 'a' } })
    world.configs.put({ apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'shop', name: 'b' } })
    expect(taken()).toEqual(['shop/web config'])
  })
})
