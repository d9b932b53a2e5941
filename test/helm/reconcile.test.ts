import { describe, expect, it } from 'vitest'
import { World } from './world.ts'

describe('a HelmRelease', () => {
  it('is installed, left alone while nothing changes, and upgraded with its chart and its values', async () => {
    const world = new World()
    world.chart('1.0.0')
    world.release({ values: { a: 1 } })
    expect(await world.run()).toMatchObject({ result: 'success', next: { afterMs: 600_000, cause: 'interval' } })
    expect(world.conditions).toBe('Ready=True InstallSucceeded, Released=True InstallSucceeded')
    const succeeded = 'Helm install succeeded for release shop/web.v1 with chart shop@1.0.0'
    expect(world.condition('Ready')?.message).toBe(succeeded)
    expect(world.history).toBe('v1 deployed install')
    expect(world.hr.status).toMatchObject({
      observedGeneration: 1,
      lastAttemptedGeneration: 1,
      lastAttemptedRevision: '1.0.0',
      lastAttemptedReleaseAction: 'install',
      lastAttemptedReleaseActionDuration: '0s',
      storageNamespace: 'shop',
      inventory: { entries: [{ id: 'shop_web__ConfigMap', v: 'v1' }] },
    })
    expect(world.events).toEqual([
      {
        severity: 'info',
        reason: 'InstallSucceeded',
        message: succeeded,
        metadata: { revision: '1.0.0', token: world.hr.status?.lastAttemptedConfigDigest, 'app-version': '9' },
      },
    ])

    const before = world.hr
    await world.run()
    expect(world.hr).toBe(before)

    world.release({ values: { a: 2 } })
    await world.run()
    world.chart('1.1.0')
    await world.run()
    expect(world.actions.log).toEqual(['install', 'upgrade', 'upgrade'])
    expect(world.history).toBe('v3 deployed upgrade, v2 superseded upgrade')
    expect(world.conditions).toBe('Ready=True UpgradeSucceeded, Released=True UpgradeSucceeded')
  })
})
