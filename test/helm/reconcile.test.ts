import { describe, expect, it } from 'vitest'
import type { HelmReleaseSpec } from '../../src/api/helmrelease.ts'
import type { KubeObject } from '../../src/api/object.ts'
import { releaseOf, World } from './world.ts'

/** A release that is installed and whose upgrades then follow the script. */
async function installed(spec: Partial<HelmReleaseSpec> = {}): Promise<World> {
  const world = new World()
  world.chart('1.0.0')
  world.release(spec)
  await world.run()
  world.events.length = 0
  world.actions.log.length = 0
  return world
}

const hook = (name: string) => ({
  name,
  kind: 'Pod',
  path: '',
  manifest: '',
  events: ['test'] as const,
  weight: 0,
  deletePolicies: [],
  outputLogPolicies: [],
})

const reasons = (world: World) => world.events.map(({ severity, reason }) => `${severity} ${reason}`)

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
    const { reads } = world.storage
    await world.run()
    expect(world.hr).toBe(before)
    expect(world.storage.reads).toBe(reads)

    world.release({ values: { a: 2 } })
    await world.run()
    world.chart('1.1.0')
    await world.run()
    expect(world.actions.log).toEqual(['install', 'upgrade', 'upgrade'])
    expect(world.history).toBe('v3 deployed upgrade, v2 superseded upgrade')
    expect(world.conditions).toBe('Ready=True UpgradeSucceeded, Released=True UpgradeSucceeded')
  })
})

describe('a failed install', () => {
  it('F-HLM-11 HLM-REM-05 stays as it is without retries, and is not tried again before something changes', async () => {
    const world = new World()
    world.chart('1.0.0')
    world.release()
    world.actions.script.install = ['timed out waiting']
    expect(await world.run()).toMatchObject({ result: 'stalled', reason: 'RetriesExceeded' })
    expect(world.conditions).toBe('Stalled=True RetriesExceeded, Ready=False InstallFailed, Released=False InstallFailed')
    expect(world.condition('Stalled')?.message).toBe('Failed to install after 1 attempt(s)')
    const message = 'Helm install failed for release shop/web with chart shop@1.0.0: timed out waiting'
    expect(world.condition('Ready')?.message).toBe(message)
    expect(world.hr.status).toMatchObject({ observedGeneration: 1, failures: 1, installFailures: 1 })
    expect(world.history).toBe('v1 failed install')
    expect(world.events).toMatchObject([{ severity: 'error', reason: 'InstallFailed' }])
    expect(world.events[0]?.message).toMatch(new RegExp(`^${message}\n\nLast Helm logs:\n\n.*Z: install of web begins$`, 's'))

    expect(await world.run()).toMatchObject({ result: 'stalled' })
    expect(world.actions.log).toEqual(['install'])
    world.release({ values: { a: 1 } })
    expect(await world.run()).toMatchObject({ result: 'success' })
    expect(world.actions.log).toEqual(['install', 'upgrade'])
    expect(world.hr.status).not.toHaveProperty('failures')
    expect(world.conditions).toBe('Ready=True UpgradeSucceeded, Released=True UpgradeSucceeded')
  })

  it('HLM-REM-01 is uninstalled and tried again as often as told', async () => {
    const world = new World()
    world.chart('1.0.0')
    world.release({ install: { remediation: { retries: 1 } } })
    world.actions.script.install = ['no', 'no again']
    expect(await world.run()).toMatchObject({ result: 'error', next: 'backoff' })
    expect(world.conditions).toBe(
      'Reconciling=True ProgressingWithRetry, Ready=False UninstallSucceeded, Released=False InstallFailed, Remediated=True UninstallSucceeded',
    )
    expect(world.condition('Reconciling')?.message).toBe(
      'Helm uninstall remediation for release shop/web.v1 with chart shop@1.0.0 succeeded',
    )
    expect(world.hr.status).not.toHaveProperty('observedGeneration')
    expect(world.history).toBe('v1 uninstalled uninstall-remediation')
    expect(await world.run()).toMatchObject({ result: 'stalled', reason: 'RetriesExceeded' })
    expect(world.actions.log).toEqual(['install', 'uninstall', 'install'])
    expect(world.condition('Stalled')?.message).toBe('Failed to install after 2 attempt(s)')
    expect(reasons(world)).toEqual(['error InstallFailed', 'info UninstallSucceeded', 'error InstallFailed'])
  })

  it('HLM-REM-03 is upgraded in place after the interval where it is told to retry', async () => {
    const world = new World()
    world.chart('1.0.0')
    world.release({
      install: { strategy: { name: 'RetryOnFailure', retryInterval: '30s' } },
      upgrade: { strategy: { name: 'RetryOnFailure' } },
    })
    world.actions.script.install = ['no']
    world.actions.script.upgrade = ['no']
    expect(await world.run()).toMatchObject({ result: 'error', next: { afterMs: 30_000, cause: 'retry' } })
    expect(world.conditions).toBe('Reconciling=True ProgressingWithRetry, Ready=False InstallFailed, Released=False InstallFailed')
    expect(world.condition('Reconciling')?.message).toBe('retrying after 30s')
    expect(world.hr.status).toMatchObject({ observedGeneration: 1 })
    expect(await world.run()).toMatchObject({ next: { afterMs: 300_000, cause: 'retry' } })
    expect(await world.run()).toMatchObject({ result: 'success' })
    expect(world.actions.log).toEqual(['install', 'upgrade', 'upgrade'])
    expect(world.hr.status).not.toHaveProperty('failures')
  })

  it('that never reached the cluster is tried again with backoff and counts as no failure of the release', async () => {
    const world = new World()
    world.chart('1.0.0')
    world.release()
    world.actions.script.install = ['!values do not meet the schema']
    expect(await world.run()).toMatchObject({ result: 'error', reason: 'InstallFailed', next: 'backoff' })
    expect(world.conditions).toBe('Reconciling=True Progressing, Ready=False InstallFailed, Released=False InstallFailed')
    expect(world.condition('Reconciling')?.message).toBe("Running 'install' action with timeout of 5m0s")
    expect(world.hr.status).toMatchObject({ failures: 1 })
    expect(world.hr.status).not.toHaveProperty('installFailures')
    expect(await world.run()).toMatchObject({ result: 'success' })
    expect(world.hr.status?.failures).toBe(1)
  })
})

describe('a failed upgrade', () => {
  it('HLM-REM-02 is rolled back, tried again, and stays rolled back when all tries are used up', async () => {
    const world = await installed({ upgrade: { remediation: { retries: 1 } } })
    world.release({ upgrade: { remediation: { retries: 1 } }, values: { bad: true } })
    world.actions.script.upgrade = ['bad', 'still bad']
    expect(await world.run()).toMatchObject({ result: 'error', next: 'backoff' })
    expect(world.conditions).toBe(
      'Reconciling=True ProgressingWithRetry, Ready=False RollbackSucceeded, Released=False UpgradeFailed, Remediated=True RollbackSucceeded',
    )
    const message = 'Helm rollback to previous release shop/web.v1 with chart shop@1.0.0 succeeded'
    expect(world.condition('Ready')?.message).toBe(message)
    expect(world.history).toBe('v3 deployed rollback, v2 failed upgrade, v1 superseded install')

    expect(await world.run()).toMatchObject({ result: 'stalled', reason: 'RetriesExceeded' })
    expect(world.actions.log).toEqual(['upgrade', 'rollback', 'upgrade', 'rollback'])
    expect(world.conditions).toBe(
      'Stalled=True RetriesExceeded, Ready=False RollbackSucceeded, Released=False UpgradeFailed, Remediated=True RollbackSucceeded',
    )
    expect(world.condition('Stalled')?.message).toBe('Failed to upgrade after 2 attempt(s)')
    expect(world.hr.status).toMatchObject({ observedGeneration: 2, upgradeFailures: 2, failures: 2 })
    expect(await world.run()).toMatchObject({ result: 'stalled' })
    expect(world.actions.log).toHaveLength(4)

    world.release({ upgrade: { remediation: { retries: 1 } } })
    expect(await world.run()).toMatchObject({ result: 'success' })
    expect(world.actions.log).toHaveLength(4)
    expect(world.conditions).toBe('Ready=True UpgradeSucceeded, Released=True UpgradeSucceeded')
    expect(world.condition('Ready')?.message).toBe('Helm upgrade succeeded for release shop/web.v5 with chart shop@1.0.0')
  })

  it('F-HLM-11 whose rollback fails says so, and is tried again', async () => {
    const spec = { upgrade: { remediation: { retries: 2 } } }
    const world = await installed(spec)
    world.release({ ...spec, values: { bad: true } })
    world.actions.script.upgrade = ['bad']
    world.actions.script.rollback = ['cannot go back']
    expect(await world.run()).toMatchObject({ result: 'error', next: 'backoff' })
    expect(world.conditions).toBe(
      'Reconciling=True ProgressingWithRetry, Ready=False RollbackFailed, Released=False UpgradeFailed, Remediated=False RollbackFailed',
    )
    expect(world.condition('Ready')?.message).toBe(
      'Helm rollback to previous release shop/web.v1 with chart shop@1.0.0 failed: cannot go back',
    )
    expect(world.history).toBe('v3 failed rollback, v2 failed upgrade, v1 deployed install')
    expect(world.hr.status).toMatchObject({ failures: 2, upgradeFailures: 1 })
  })

  it('HLM-REM-02 is uninstalled and installed anew where the strategy says so', async () => {
    const spec = { upgrade: { remediation: { remediateLastFailure: true, strategy: 'uninstall' as const } } }
    const world = await installed(spec)
    world.release({ ...spec, values: { bad: true } })
    world.actions.script.upgrade = ['bad']
    expect(await world.run()).toMatchObject({ result: 'error', next: 'backoff' })
    expect(world.condition('Ready')).toMatchObject({ status: 'False', reason: 'UninstallSucceeded' })
    expect(await world.run()).toMatchObject({ result: 'success' })
    expect(world.actions.log).toEqual(['upgrade', 'uninstall', 'install'])
    expect(world.history).toBe('v1 deployed install')
  })

  it('stalls when there is nothing to roll back to', async () => {
    const world = new World()
    world.chart('1.0.0')
    world.storage.revisions.set('shop/web.v1', releaseOf())
    world.release({ upgrade: { remediation: { retries: 1 } } })
    world.actions.script.upgrade = ['bad']
    expect(await world.run()).toMatchObject({ result: 'stalled', reason: 'MissingRollbackTarget' })
    expect(world.condition('Stalled')?.message).toBe(
      'Failed to perform remediation: missing target release for rollback: cannot remediate failed release',
    )
    expect(world.condition('Ready')).toMatchObject({ status: 'False', reason: 'UpgradeFailed' })
  })

  it('HLM-FRC-01 is tried again when that is asked for, once, and its counters are reset when that is asked for', async () => {
    const world = await installed()
    world.release({ values: { bad: true } })
    world.actions.script.upgrade = ['bad', 'still bad']
    await world.run()
    const ask = (annotation: string, at: string) =>
      world.release(world.hr.spec, {
        generation: 2,
        annotations: { 'reconcile.fluxcd.io/requestedAt': at, [`reconcile.fluxcd.io/${annotation}`]: at },
      })
    ask('forceAt', 't1')
    expect(await world.run('web', 'requested')).toMatchObject({ result: 'stalled' })
    expect(world.actions.log).toEqual(['upgrade', 'upgrade'])
    expect(world.hr.status).toMatchObject({ lastHandledForceAt: 't1', lastHandledReconcileAt: 't1', upgradeFailures: 2 })
    await world.run('web', 'requested')
    expect(world.actions.log).toHaveLength(2)
    ask('resetAt', 't2')
    expect(await world.run('web', 'requested')).toMatchObject({ result: 'success' })
    expect(world.actions.log).toHaveLength(3)
    expect(world.hr.status).toMatchObject({ lastHandledResetAt: 't2' })
    ask('forceAt', 't3')
    await world.run('web', 'requested')
    expect(world.actions.log).toHaveLength(4)
    await world.run()
    expect(world.actions.log).toHaveLength(4)
  })
})

describe('a release that is not as it was left', () => {
  it('HLM-REL-06 is taken over by an upgrade when something else made it', async () => {
    const world = new World()
    world.chart('1.0.0')
    world.storage.revisions.set('shop/web.v4', releaseOf({ version: 4 }))
    world.release()
    await world.run()
    expect(world.actions.log).toEqual(['upgrade'])
    expect(world.history).toBe('v5 deployed upgrade')
  })

  it.each(['pending-install', 'pending-upgrade', 'pending-rollback'] as const)(
    'HLM-ACT-11 F-HLM-01 is unlocked and mended when a process died in the middle (%s)',
    async (status) => {
      const world = await installed()
      world.storage.revisions.set('shop/web.v2', releaseOf({ version: 2, status }))
      expect(await world.run()).toMatchObject({ result: 'success' })
      expect(world.actions.log).toEqual(['upgrade'])
      expect(world.storage.text).toBe('v1 deployed, v2 failed, v3 deployed')
      expect(world.storage.revisions.get('shop/web.v2')?.info.description).toBe(`Release unlocked from stale '${status}' state`)
      expect(world.events[0]).toMatchObject({
        severity: 'info',
        reason: 'PendingRelease',
        message: `Unlocked Helm release shop/web.v2 with chart shop@1.0.0 in ${status} state`,
      })
      expect(world.conditions).toBe('Ready=True UpgradeSucceeded, Released=True UpgradeSucceeded')
    },
  )

  it('F-HLM-01 is unlocked in the next run when storage refuses it in this one', async () => {
    const world = await installed()
    world.storage.revisions.set('shop/web.v2', releaseOf({ version: 2, status: 'pending-upgrade' }))
    world.storage.failsUpdate = 'etcd is away'
    expect(await world.run()).toMatchObject({ result: 'error', reason: 'PendingRelease', next: 'backoff' })
    expect(world.condition('Ready')?.message).toContain('in pending-upgrade state failed: etcd is away')
    world.storage.failsUpdate = undefined
    expect(await world.run()).toMatchObject({ result: 'success' })
  })

  it('F-HLM-01 is uninstalled to the end when a process died in the middle of it', async () => {
    const world = await installed({ upgrade: { remediation: { retries: 1, strategy: 'uninstall' } } })
    const [key, release] = [...world.storage.revisions][0] ?? []
    if (!key || !release) throw new Error('there is no release')
    world.storage.revisions.set(key, { ...release, info: { ...release.info, status: 'uninstalling' } })
    await world.run()
    await world.run()
    expect(world.actions.log).toEqual(['uninstall', 'install'])
    expect(world.condition('Ready')?.status).toBe('True')
  })

  it('F-HLM-02 F-HLM-03 is brought back when somebody rolled it back, upgraded it, or deleted it', async () => {
    const world = await installed()
    world.storage.revisions.set('shop/web.v2', releaseOf({ version: 2, chart: { version: '0.9.0' } }))
    await world.run()
    expect(world.actions.log).toEqual(['upgrade'])
    expect(world.history).toBe('v3 deployed upgrade')
    world.storage.revisions.clear()
    await world.run()
    expect(world.actions.log).toEqual(['upgrade', 'install'])
    expect(world.history).toBe('v1 deployed install')
  })

  it('HLM-REL-04 F-HLM-12 is uninstalled first when name, namespace or storage are another', async () => {
    const changes: Partial<HelmReleaseSpec>[] = [
      { releaseName: 'other' },
      { targetNamespace: 'other' },
      { storageNamespace: 'other' },
    ]
    for (const change of changes) {
      const world = await installed()
      world.release(change)
      expect(await world.run()).toMatchObject({ result: 'success' })
      expect(world.actions.log).toEqual(['uninstall', 'install'])
      expect(world.storage.text).toBe('v1 deployed')
      expect(world.history).toBe('v1 deployed install')
    }
  })

  it('is upgraded in place when its chart has another name, or reinstalled where that is wanted', async () => {
    for (const [strategy, expected] of [
      ['InPlaceUpdate', ['upgrade']],
      ['Reinstall', ['uninstall', 'install']],
    ] as const) {
      const upgrade = { chartNameChangeStrategy: strategy }
      const world = await installed({ upgrade })
      world.chart('1.0.0', { chartName: 'renamed' })
      await world.run()
      expect(world.actions.log).toEqual(expected)
    }
  })
})

describe('tests of a release', () => {
  it('HLM-ACT-08 HLM-STA-03 run after an install, once', async () => {
    const world = new World()
    world.actions.hooks = [hook('check'), hook('other')]
    world.chart('1.0.0')
    world.release({ test: { enable: true, filters: [{ name: 'other', exclude: true }] } })
    await world.run()
    await world.run()
    expect(world.actions.log).toEqual(['install', 'test'])
    expect(world.conditions).toBe('Ready=True TestSucceeded, Released=True InstallSucceeded, TestSuccess=True TestSucceeded')
    expect(world.condition('Ready')?.message).toBe(
      'Helm test succeeded for release shop/web.v1 with chart shop@1.0.0: 1 test hook completed successfully',
    )
    expect(world.hr.status?.history?.[0]?.testHooks).toEqual({ check: { phase: 'Succeeded' } })
    world.release({ test: { enable: false } })
    await world.run()
    expect(world.conditions).toBe('Ready=True InstallSucceeded, Released=True InstallSucceeded')
  })

  it('F-HLM-10 HLM-REM-01 undo an install when they fail', async () => {
    const world = new World()
    world.actions.hooks = [hook('check')]
    world.chart('1.0.0')
    world.release({ test: { enable: true }, install: { remediation: { retries: 1 } } })
    world.actions.script.test = ['check failed']
    await world.run()
    expect(world.actions.log).toEqual(['install', 'test', 'uninstall'])
    expect(reasons(world)).toEqual(['info InstallSucceeded', 'error TestFailed', 'info UninstallSucceeded'])
    expect(world.condition('TestSuccess')?.message).toBe(
      'Helm test failed for release shop/web.v1 with chart shop@1.0.0: check failed',
    )
    await world.run()
    expect(world.condition('Ready')).toMatchObject({ status: 'True', reason: 'TestSucceeded' })
  })

  it('HLM-REM-04 F-HLM-10 do not matter when they fail and that is to be ignored', async () => {
    const world = new World()
    world.actions.hooks = [hook('check')]
    world.chart('1.0.0')
    world.release({ test: { enable: true, ignoreFailures: true } })
    world.actions.script.test = ['check failed']
    expect(await world.run()).toMatchObject({ result: 'success' })
    expect(world.conditions).toBe('Ready=True InstallSucceeded, Released=True InstallSucceeded, TestSuccess=False TestFailed')
  })
})

describe('the chart of a release', () => {
  const template = {
    spec: { chart: 'shop', version: '1.x', sourceRef: { kind: 'HelmRepository' as const, name: 'repo' } },
    metadata: { labels: { team: 'a' }, annotations: { note: 'b' } },
  }

  it('HLM-CHT-01 HLM-CHT-03 is a HelmChart made of the template, and removed with it', async () => {
    const world = new World()
    world.release({ chart: template, interval: '3m' })
    expect(await world.run()).toMatchObject({ result: 'waiting', reason: 'SourceNotReady', next: { afterMs: 30_000 } })
    expect(world.condition('Ready')?.message).toBe(
      "HelmChart 'shop/shop-web' is not ready: latest generation of object has not been reconciled",
    )
    expect(world.conditions).toBe('Reconciling=True Progressing, Ready=False SourceNotReady')
    expect(world.condition('Reconciling')?.message).toBe('Fulfilling prerequisites')
    const made = world.charts.objects.get('shop/shop-web')
    expect(made).toMatchObject({
      metadata: {
        labels: { team: 'a', 'helm.toolkit.fluxcd.io/name': 'web', 'helm.toolkit.fluxcd.io/namespace': 'shop' },
        annotations: { note: 'b' },
      },
      spec: { chart: 'shop', version: '1.x', interval: '3m', sourceRef: { kind: 'HelmRepository', name: 'repo' } },
    })
    expect(world.hr.status).toMatchObject({ helmChart: 'shop/shop-web' })
    const { artifact } = world.chart('1.0.0', { name: 'elsewhere' }).status ?? {}
    if (!made || !artifact) throw new Error('there is no chart')
    world.charts.put({ ...made, status: { observedGeneration: 1, artifact } })
    await world.run()
    await world.run()
    expect(world.actions.log).toEqual(['install'])
    expect(world.writes).toEqual(['apply HelmChart/shop/shop-web'])

    world.release({ chartRef: { kind: 'HelmChart', name: 'elsewhere' } })
    await world.run()
    expect(world.writes.at(-1)).toBe('delete HelmChart/shop/shop-web')
    expect(world.hr.status).not.toHaveProperty('helmChart')
    expect(world.actions.log).toEqual(['install'])
  })

  it('HLM-CHT-04 is waited for until it is observed, not stalled, and there', async () => {
    const world = new World()
    world.release()
    await world.run()
    expect(world.condition('Ready')).toMatchObject({
      reason: 'ArtifactFailed',
      message: 'could not get Source object: helmcharts.source.toolkit.fluxcd.io "shop-web" not found',
    })
    const stalled = { type: 'Stalled', status: 'True' as const, reason: 'X', message: 'no such chart', lastTransitionTime: '' }
    const states = [
      [{ observedGeneration: 0 }, 'latest generation of object has not been reconciled'],
      [{ conditions: [stalled] }, 'no such chart'],
      [{ artifact: undefined }, 'does not have an artifact'],
    ] as const
    for (const [status, problem] of states) {
      world.chart('1.0.0', status as object)
      expect(await world.run()).toMatchObject({ result: 'waiting', reason: 'SourceNotReady' })
      expect(world.condition('Ready')?.message).toBe(`HelmChart 'shop/shop-web' is not ready: ${problem}`)
    }
    world.chart('1.0.0', { conditions: [{ ...stalled, type: 'Ready', status: 'False' }] })
    expect(await world.run()).toMatchObject({ result: 'success' })
  })

  it('HLM-CHT-02 HLM-CHT-05 F-HLM-13 carries the digest of its artifact when it comes from a registry', async () => {
    const world = new World()
    const digest = (char: string) => `sha256:${char.repeat(64)}`
    world.repository(`1.0.0@${digest('a')}`, 'v1.0.0')
    world.release({ chartRef: { kind: 'OCIRepository', name: 'repo' } })
    await world.run()
    expect(world.hr.status).toMatchObject({
      lastAttemptedRevision: '1.0.0+aaaaaaaaaaaa',
      lastAttemptedRevisionDigest: digest('a'),
      history: [{ chartVersion: '1.0.0+aaaaaaaaaaaa', ociDigest: digest('a') }],
    })
    world.repository(`1.0.0@${digest('b')}`, '1.0.0')
    await world.run()
    expect(world.actions.log).toEqual(['install', 'upgrade'])
    world.repository(`latest@${digest('c')}`, '1.0.0')
    await world.run()
    expect(world.hr.status).toMatchObject({ lastAttemptedRevision: '1.0.0+cccccccccccc' })
    world.repository(`2.0.0@${digest('d')}`, '1.0.0')
    expect(await world.run()).toMatchObject({ result: 'error', reason: 'ChartMutateError', next: 'backoff' })
    expect(world.condition('Ready')?.message).toBe('artifact revision 2.0.0 does not match chart version 1.0.0')
    expect(world.actions.log).toHaveLength(3)
  })

  it('is of no other namespace where that is forbidden', async () => {
    const world = new World()
    world.flags.noCrossNamespaceRefs = true
    world.release({ chartRef: { kind: 'HelmChart', name: 'x', namespace: 'elsewhere' } })
    expect(await world.run()).toMatchObject({ result: 'stalled', reason: 'AccessDenied' })
    world.release({ chartRef: { kind: 'ExternalArtifact', name: 'x' } })
    expect(await world.run()).toMatchObject({ result: 'stalled', reason: 'AccessDenied' })
    expect(world.condition('Ready')?.message).toContain('feature gate is disabled')
  })
})

describe('a release with dependencies', () => {
  it('HLM-DEP-01 waits until they are ready, by their condition or by an expression', async () => {
    const world = new World()
    world.chart('1.0.0')
    world.release({ dependsOn: [{ name: 'db' }] })
    expect(await world.run()).toMatchObject({ result: 'waiting', reason: 'DependencyNotReady', next: { afterMs: 30_000 } })
    expect(world.condition('Ready')?.message).toContain("unable to get 'shop/db' dependency: helmreleases")
    expect(reasons(world)).toEqual(['info DependencyNotReady'])
    world.release({ suspend: true }, { name: 'db' })
    await world.run()
    expect(world.condition('Ready')?.message).toBe("dependency 'shop/db' is not ready: it is suspended")
    world.release({}, { name: 'db' })
    await world.run('db')
    expect(await world.run()).toMatchObject({ result: 'success' })

    world.release({ dependsOn: [{ name: 'db', readyExpr: "dep.status.history[0].chartVersion == '2.0.0'" }] })
    expect(await world.run()).toMatchObject({ result: 'waiting' })
    expect(world.condition('Ready')?.message).toBe("dependency 'shop/db' is not ready according to readyExpr eval")
    world.release({ dependsOn: [{ name: 'db', readyExpr: 'dep.' }] })
    expect(await world.run()).toMatchObject({ result: 'stalled', reason: 'InvalidCELExpression' })
  })
})

describe('values of a release', () => {
  it('HLM-VAL-02 that cannot be read are an error of the release, and Secrets stay secret', async () => {
    const world = new World()
    world.chart('1.0.0')
    world.release({ valuesFrom: [{ kind: 'Secret', name: 'gone' }] })
    expect(await world.run()).toMatchObject({ result: 'error', reason: 'ValuesError', next: 'backoff' })
    const message = "could not resolve Secret chart values reference 'shop/gone' with key 'values.yaml': secrets \"gone\" not found"
    expect(world.condition('Ready')?.message).toBe(message)
    expect(world.events).toMatchObject([{ severity: 'error', reason: 'ValuesError', message }])
  })
})

describe('post-renderers and common metadata', () => {
  it('HLM-REL-09 HLM-ACT-06 lead to an upgrade when they change with the spec, and not otherwise', async () => {
    const world = await installed()
    world.release({ commonMetadata: { labels: { a: 'b' } } })
    await world.run()
    world.release({ commonMetadata: { labels: { a: 'b' } }, postRenderers: [{ kustomize: { images: [{ name: 'x' }] } }] })
    await world.run()
    expect(world.actions.log).toEqual(['upgrade', 'upgrade'])
    expect(world.hr.status?.observedCommonMetadataDigest).toMatch(/^sha256:/)
    const { status } = world.hr
    world.releases.put({ ...world.hr, status: { ...status, observedPostRenderersDigest: 'sha256:of-another-version' } })
    await world.run()
    expect(world.actions.log).toHaveLength(2)
  })
})

describe('a HelmRelease that is deleted', () => {
  it('HLM-UNI-01 uninstalls its release, unless it is suspended or released nothing', async () => {
    const gone = { deletionTimestamp: '2026-01-01T00:00:00Z' }
    const world = await installed()
    world.release({ suspend: true }, gone)
    expect(await world.run('web', 'deleted')).toMatchObject({ result: 'deleted' })
    expect(world.storage.text).toBe('v1 deployed')
    world.release({}, { ...gone, finalizers: ['finalizers.fluxcd.io'] })
    await world.run('web', 'deleted')
    expect(world.storage.text).toBe('')
    expect(reasons(world)).toEqual(['info UninstallSucceeded'])
    expect(world.hr.metadata.finalizers).toEqual([])
  })

  it('stays until its release is uninstalled, and says why it is not', async () => {
    const world = await installed()
    world.release({}, { deletionTimestamp: '2026-01-01T00:00:00Z' })
    world.actions.script.uninstall = ['hook failed']
    expect(await world.run('web', 'deleted')).toMatchObject({ result: 'error', reason: 'UninstallFailed', next: 'backoff' })
    expect(world.condition('Ready')?.message).toBe(
      'Helm uninstall failed for release shop/web.v1 with chart shop@1.0.0: hook failed',
    )
    expect(world.hr.metadata.finalizers).toEqual(['finalizers.fluxcd.io'])
    await world.run('web', 'retry')
    expect(world.hr.metadata.finalizers).toEqual([])
  })

  it('neither installs nor uninstalls anything here when its release is in a cluster that cannot be reached', async () => {
    const world = await installed()
    const kubeConfig = { secretRef: { name: 'elsewhere' } }
    world.release({ kubeConfig })
    expect(await world.run()).toMatchObject({ result: 'error', reason: 'RESTClientError', next: 'backoff' })
    expect(world.condition('Ready')?.message).toBe(
      'could not get KubeConfig secret \'shop/elsewhere\': Secret "elsewhere" not found',
    )
    world.objects.set('Secret/elsewhere', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'elsewhere' } })
    world.release({ kubeConfig }, { deletionTimestamp: '2026-01-01T00:00:00Z' })
    expect(await world.run('web', 'deleted')).toMatchObject({ result: 'error', reason: 'UninstallFailed' })
    expect(world.storage.text).toBe('v1 deployed')
    expect(world.hr.metadata.finalizers).toEqual(['finalizers.fluxcd.io'])
  })

  it('is let go without the Secret that led to its cluster', async () => {
    const world = await installed()
    world.release({ kubeConfig: { secretRef: { name: 'gone' } } }, { deletionTimestamp: '2026-01-01T00:00:00Z' })
    await world.run('web', 'deleted')
    expect(world.storage.text).toBe('v1 deployed')
    expect(world.hr.metadata.finalizers).toEqual([])
  })

  it('stalls with the name of what it does not do', async () => {
    const world = await installed()
    world.objects.set('ConfigMap/cloud', {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: 'shop', name: 'cloud' },
      data: { provider: 'aws' },
    } as KubeObject)
    world.release({ kubeConfig: { configMapRef: { name: 'cloud' } } })
    expect(await world.run()).toMatchObject({ result: 'stalled', reason: 'UnsupportedField' })
    expect(world.condition('Stalled')?.message).toContain('spec.kubeConfig.configMapRef')
    expect(world.storage.text).toBe('v1 deployed')
  })

  it('HLM-RMT-02 acts as its service account, and does not wait for one that is gone', async () => {
    const world = await installed({ serviceAccountName: 'deployer' })
    expect(world.identities).toContain('system:serviceaccount:shop:deployer')
    world.release({ serviceAccountName: 'deployer' }, { deletionTimestamp: '2026-01-01T00:00:00Z' })
    await world.run('web', 'deleted')
    expect(world.storage.text).toBe('v1 deployed')
    expect(world.hr.metadata.finalizers).toEqual([])
  })
})

describe('a release that waits', () => {
  it('goes on when something happens that does not concern it, and ends at once for a new spec', async () => {
    const world = await installed()
    world.release({ values: { a: 1 } })
    const arrived = Promise.withResolvers<void>()
    world.actions.script.upgrade = [
      (context) =>
        context.parked((signal) => {
          arrived.resolve()
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        }),
    ]
    const run = world.run()
    await arrived.promise
    world.interrupt('requested')
    world.interrupt('interval')
    world.interrupt('spec')
    expect(await run).toMatchObject({ result: 'preempted' })
    expect(reasons(world)).toEqual(['info HealthCheckCanceled'])
    expect(world.hr.status).not.toHaveProperty('failures')
    world.release({ values: { a: 2 } })
    expect(await world.run()).toMatchObject({ result: 'success' })
  })
})
