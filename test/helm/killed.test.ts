import { describe, expect, it } from 'vitest'
import type { Release } from '../../src/lib/chart/index.ts'
import { releaseOf, World } from './world.ts'

const spec = { values: { text: 'new' }, upgrade: { remediation: { retries: 1 } } }

/** A release that is installed, and for which a process has stored a second revision that its status does not tell of. */
async function killed(about: Parameters<typeof releaseOf>[0], { byUs = true } = {}): Promise<World> {
  const world = new World()
  world.chart('1.0.0')
  world.release()
  await world.run()
  world.actions.log.length = 0
  world.events.length = 0
  world.storage.revisions.set('shop/web.v2', releaseOf({ version: 2, ...about }))
  if (byUs) world.storage.ours.add('shop/web.v2')
  return world
}

const wanted: Release['config'] = new Map([['text', 'new']])

describe('a release that a killed process was working on', () => {
  it.each(['pending-upgrade', 'failed'] as const)(
    'HLM-ACT-11 F-HLM-01 knows after an upgrade (%s) still what to roll back to',
    async (status) => {
      const world = await killed({ status, config: wanted })
      world.release(spec)
      world.actions.script.upgrade = ['bad']
      await world.run()
      expect(world.actions.log).toEqual(['upgrade', 'rollback'])
      expect(world.history).toBe('v4 deployed rollback, v3 failed upgrade, v2 failed upgrade, v1 superseded install')
    },
  )

  it('HLM-ACT-11 F-HLM-01 is rolled back again after a rollback that did not come to its end', async () => {
    const world = await killed({})
    world.storage.revisions.delete('shop/web.v2')
    world.release(spec)
    world.actions.script.upgrade = ['bad']
    world.actions.script.rollback = [() => Promise.reject(new Error('killed'))]
    await world.run()
    const [first] = [...world.storage.revisions.values()]
    if (!first) throw new Error('there is no first revision')
    // It had marked the one that it went back to already.
    world.storage.revisions.set('shop/web.v1', { ...first, info: { ...first.info, status: 'superseded' } })
    const info = { ...first.info, status: 'pending-rollback', rollbackRevision: 1 } as const
    world.storage.revisions.set('shop/web.v3', { ...first, version: 3, info })
    world.storage.ours.add('shop/web.v3')
    world.actions.log.length = 0
    await world.run()
    expect(world.actions.log).toEqual(['rollback'])
    expect(world.storage.text).toBe('v1 superseded, v2 failed, v3 failed, v4 deployed')
  })

  it('F-HLM-01 tells of a rollback that had come to its end', async () => {
    const world = await killed({})
    world.storage.revisions.delete('shop/web.v2')
    const bad = { ...spec, upgrade: { remediation: { remediateLastFailure: true } } }
    world.release(bad)
    world.actions.script.upgrade = ['bad']
    world.actions.script.rollback = [() => Promise.reject(new Error('killed'))]
    await world.run()
    const info = { status: 'deployed', rollbackRevision: 1 } as const
    world.storage.revisions.set('shop/web.v3', { ...releaseOf({ version: 3 }), info })
    world.storage.ours.add('shop/web.v3')
    await world.run()
    expect(world.history).toBe('v3 deployed rollback, v2 failed upgrade, v1 deployed install')
    expect(world.conditions).toBe(
      'Stalled=True RetriesExceeded, Ready=False RollbackSucceeded, Released=False UpgradeFailed, Remediated=True RollbackSucceeded',
    )
  })

  it('F-HLM-01 is left as it is where it had come to its end', async () => {
    const world = await killed({ config: wanted })
    world.release(spec)
    await world.run()
    expect(world.actions.log).toEqual([])
    expect(world.history).toBe('v2 deployed upgrade, v1 deployed install')
    expect(world.conditions).toBe('Ready=True UpgradeSucceeded, Released=True UpgradeSucceeded')
    expect(world.events).toMatchObject([{ severity: 'info', reason: 'UpgradeSucceeded' }])
  })

  it('F-HLM-02 is not taken for ours when something else has written it', async () => {
    const world = await killed({ config: wanted }, { byUs: false })
    world.release(spec)
    await world.run()
    expect(world.actions.log).toEqual(['upgrade'])
    expect(world.history).toBe('v3 deployed upgrade')
  })
})
