import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { finalizer } from '../../src/api/meta.ts'
import { Retryable, Stalled, Waiting } from '../../src/runtime/reconcile.ts'
import {
  done,
  gate,
  isCurrent,
  openCluster,
  type Reconcile,
  ready,
  type Started,
  startLoop,
  type Widget,
  within,
} from './harness.ts'

let cluster: Awaited<ReturnType<typeof openCluster>>
beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'))
})
afterAll(() => cluster[Symbol.asyncDispose]())

const request = (value: string) => ({ metadata: { annotations: { 'reconcile.fluxcd.io/requestedAt': value } } })
const types = (object: Widget) => object.status?.conditions?.map((condition) => `${condition.type}=${condition.status}`)

/** A loop that only deals with one object: the files of a test share the namespace. */
function only(name: string, reconcile: Reconcile, others: Reconcile = async () => done): Reconcile {
  return (object, context) => (object.metadata.name === name ? reconcile : others)(object, context)
}

describe('a controller', () => {
  it('API-03 API-04 API-13 adds its finalizer before any work, and shows a success that kstatus understands', async () => {
    const created = await cluster.create('simple')
    expect(created.status?.observedGeneration).toBe(-1)
    let atWork: Widget | undefined
    await using loop = await startLoop(
      cluster,
      only('simple', async (object) => {
        atWork = object
        return done
      }),
    )
    const object = await loop.until('simple', isCurrent)
    expect(atWork?.metadata.finalizers).toEqual([finalizer])
    expect(object.status).toEqual({
      observedGeneration: 1,
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'Succeeded',
          message: 'done',
          observedGeneration: 1,
          lastTransitionTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        },
      ],
    })
    expect(object.metadata.managedFields?.find((entry) => entry.subresource === 'status')?.manager).toBe(
      'gotk-kustomize-controller',
    )
  })

  it('API-04 does not take a failed generation for observed, and takes a stalled one', async () => {
    await cluster.create('gen', { size: 1 })
    await using loop = await startLoop(
      cluster,
      only('gen', async ({ spec }) => {
        if (spec.size === 2) throw new Retryable('BuildFailed', 'cannot build', { retryMs: 60_000 })
        if (spec.size === 3) throw new Stalled('InvalidURL', 'never works')
        if (spec.size === 4) throw new Stalled('FeatureGateDisabled', 'gate is off', { observed: false })
        return done
      }),
    )
    await loop.until('gen', isCurrent)
    await cluster.patch('gen', { spec: { size: 2 } })
    expect((await loop.until('gen', (o) => ready(o)?.reason === 'BuildFailed')).status?.observedGeneration).toBe(1)
    await cluster.patch('gen', { spec: { size: 3 } })
    const stalled = await loop.until('gen', (o) => ready(o)?.reason === 'InvalidURL')
    expect(stalled.status?.observedGeneration).toBe(3)
    expect(types(stalled)).toEqual(['Stalled=True', 'Ready=False'])
    await cluster.patch('gen', { spec: { size: 4 } })
    expect((await loop.until('gen', (o) => ready(o)?.reason === 'FeatureGateDisabled')).status?.observedGeneration).toBe(3)
    await loop.controller.drain(500)
    expect(loop.events.filter(({ name }) => name === 'gen').map(({ severity, reason }) => `${severity} ${reason}`)).toEqual([
      'error BuildFailed',
      'error InvalidURL',
      'error FeatureGateDisabled',
    ])
  })

  it('API-05 F-API-04 keeps the conditions of others, even when they write in the middle of a run', async () => {
    await cluster.create('shared')
    const foreign = {
      type: 'example.com/Seen',
      status: 'True',
      reason: 'R',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    }
    await using loop = await startLoop(
      cluster,
      only('shared', async () => {
        await cluster.patchStatus('shared', { conditions: [foreign] })
        return done
      }),
    )
    const object = await loop.until('shared', isCurrent)
    expect(object.status?.conditions).toContainEqual(foreign)
  })

  it('API-06 runs on request, and echoes the request in the status', async () => {
    await cluster.create('asked')
    let causes: readonly string[] = []
    await using loop = await startLoop(
      cluster,
      only('asked', async (_, cx) => {
        causes = [...cx.causes]
        return done
      }),
    )
    await loop.until('asked', isCurrent)
    await cluster.patch('asked', request('2026-05-05T00:00:00.123456789Z'))
    await loop.until('asked', (o) => o.status?.lastHandledReconcileAt === '2026-05-05T00:00:00.123456789Z')
    expect(causes).toEqual(['requested'])
  })

  it('API-06 echoes the request of a run that failed', async () => {
    await cluster.create('asked-failing', {}, request('now').metadata)
    await using loop = await startLoop(
      cluster,
      only('asked-failing', () => Promise.reject(new Waiting('ArtifactFailed', 'no source', { retryMs: 60_000 }))),
    )
    const object = await loop.until('asked-failing', (o) => o.status?.lastHandledReconcileAt === 'now')
    expect(ready(object)).toMatchObject({ status: 'False', reason: 'ArtifactFailed', message: 'no source' })
  })

  it.each([
    ['garbage', '\u0000\u{1F600}"}]--$(rm)'],
    ['empty', ''],
    ['of 200 KiB', 'x'.repeat(200 * 1024)],
  ])('F-API-07 takes a request that is %s as a new token', async (what, value) => {
    const name = `token-${what.replaceAll(' ', '-').toLowerCase()}`
    await cluster.create(name, {}, request('before').metadata)
    await using loop = await startLoop(cluster, async () => done)
    await loop.until(name, (o) => o.status?.lastHandledReconcileAt === 'before')
    await cluster.patch(name, request(value))
    expect(isCurrent(await loop.until(name, (o) => o.status?.lastHandledReconcileAt === value))).toBe(true)
  })

  it('API-09 does nothing while suspended but to record requests, and runs at once when resumed', async () => {
    await cluster.create('paused', { size: 1 })
    const runs: (number | undefined)[] = []
    await using loop = await startLoop(
      cluster,
      only('paused', async ({ spec }) => {
        runs.push(spec.size)
        return done
      }),
    )
    const before = await loop.until('paused', isCurrent)
    await cluster.patch('paused', { spec: { suspend: true, size: 2 } })
    await cluster.patch('paused', request('while-suspended'))
    const suspended = await loop.until('paused', (o) => o.status?.lastHandledReconcileAt === 'while-suspended')
    expect({ ...suspended.status, lastHandledReconcileAt: undefined }).toEqual({
      ...before.status,
      observedGeneration: 2, // ready as it was: who waits for it need not wait until it is resumed
      lastHandledReconcileAt: undefined,
    })
    await cluster.patch('paused', { spec: { suspend: false } })
    await loop.until('paused', (o) => isCurrent(o) && o.metadata.generation === 3)
    expect(runs).toEqual([1, 2])
  })

  it('API-10 runs again after the interval, give or take the jitter', async () => {
    await cluster.create('timed')
    const starts: number[] = []
    const second = Promise.withResolvers<void>()
    await using _loop = await startLoop(
      cluster,
      only('timed', async (_, cx) => {
        starts.push(cx.clock.monotonic())
        if (starts.length === 2) second.resolve()
        return { ...done, requeueAfterMs: 400 }
      }),
      { flags: { intervalJitterPercentage: 50 }, random: () => 1 }, // the end of the range: 400 ms × 1.5
    )
    await within(second.promise, () => 'no second run')
    expect((starts[1] ?? 0) - (starts[0] ?? 0)).toBeGreaterThanOrEqual(595)
  })

  it('API-11 retries a failure with growing gaps, and shows that it will', async () => {
    await cluster.create('flaky')
    const starts: number[] = []
    await using loop = await startLoop(
      cluster,
      only('flaky', async (_, cx) => {
        starts.push(cx.clock.monotonic())
        cx.progress('fetching')
        if (starts.length < 4) throw new Retryable('GitOperationFailed', `try ${starts.length}`)
        return done
      }),
      { flags: { minRetryDelayMs: 100 }, random: () => 0 },
    )
    const failing = await loop.until('flaky', (o) => ready(o)?.reason === 'GitOperationFailed')
    expect(failing.status?.conditions?.find(({ type }) => type === 'Reconciling')).toMatchObject({
      status: 'True',
      reason: 'ProgressingWithRetry',
      message: 'fetching',
    })
    const object = await loop.until('flaky', isCurrent)
    expect(types(object)).toEqual(['Ready=True'])
    const gaps = starts.slice(1).map((start, i) => start - (starts[i] ?? 0))
    expect(gaps[0]).toBeGreaterThanOrEqual(99)
    expect(gaps[1]).toBeGreaterThanOrEqual(199)
    expect(gaps[2]).toBeGreaterThanOrEqual(399)
  })

  it('lets a loop say what Ready shows when a run fails, stalls or goes on later, and tell it itself', async () => {
    await cluster.create('own-words')
    const ready = { status: 'False', reason: 'Undone', message: 'rolled back' } as const
    let runs = 0
    await using loop = await startLoop(
      cluster,
      only('own-words', async () => {
        runs++
        if (runs === 1) throw new Retryable('Failed', 'try 1', { ready, retrying: 'trying again', silent: true })
        if (runs === 2) return { ready, retrying: 'retrying after 1ms', requeueAfterMs: 1 }
        throw new Stalled('Exceeded', 'no more tries', { ready, silent: true })
      }),
    )
    const shown = (type: string, message: string) => (o: Widget) =>
      o.status?.conditions?.some((condition) => condition.type === type && condition.message === message) ?? false
    const first = await loop.until('own-words', shown('Reconciling', 'trying again'))
    expect(types(first)).toEqual(['Reconciling=True', 'Ready=False'])
    expect(first.status?.observedGeneration).toBe(-1)
    const second = await loop.until('own-words', shown('Reconciling', 'retrying after 1ms'))
    expect(second.status?.observedGeneration).toBe(1)
    const last = await loop.until('own-words', shown('Stalled', 'no more tries'))
    expect(last.status?.conditions).toMatchObject([{ type: 'Stalled' }, { type: 'Ready', ...ready }])
    expect(loop.events).toEqual([])
  })

  it('API-12 retries what waits after a fixed time, without an error', async () => {
    await cluster.create('dependent')
    let runs = 0
    await using loop = await startLoop(
      cluster,
      only('dependent', async () => {
        if (++runs < 3)
          throw new Waiting('DependencyNotReady', 'dependency apps/db is not ready', {
            retryMs: 50,
            event: 'info',
            eventMessage: 'waits',
          })
        return done
      }),
    )
    await loop.until('dependent', isCurrent)
    await loop.controller.drain(500)
    expect(loop.events.filter(({ name }) => name === 'dependent')).toEqual([
      { name: 'dependent', severity: 'info', reason: 'DependencyNotReady', message: 'waits' },
      { name: 'dependent', severity: 'info', reason: 'DependencyNotReady', message: 'waits' },
    ])
    expect(await loop.environment.metrics.text()).toContain('controller_runtime_reconcile_errors_total{controller="widget"} 0')
  })

  it('API-13 undoes an object that is deleted, also when suspended, and then lets it go', async () => {
    await cluster.create('leaving', { suspend: true })
    const finalized: string[] = []
    await using loop = await startLoop(cluster, async () => done, {
      loop: { finalize: async (object) => void finalized.push(object.metadata.name) },
    })
    await loop.until('leaving', (o) => o.metadata.finalizers?.includes(finalizer) ?? false)
    await cluster.delete('leaving')
    await loop.untilGone('leaving')
    expect(finalized).toEqual(['leaving'])
  })

  it('API-13 keeps an object until what it stands for is undone, and says why', async () => {
    await cluster.create('stuck')
    let mayGo = false
    await using loop = await startLoop(cluster, async () => done, {
      loop: {
        finalize: async ({ metadata }) => {
          const problem = 'cannot delete Deployment/apps/web'
          if (metadata.name === 'stuck' && !mayGo) throw new Retryable('PruneFailed', problem, { retryMs: 3_600_000 })
        },
      },
    })
    await loop.until('stuck', isCurrent)
    await cluster.delete('stuck')
    await loop.until('stuck', (o) => ready(o)?.message === 'cannot delete Deployment/apps/web')
    mayGo = true
    await cluster.patch('stuck', request('again')) // does not wait for the backoff
    await loop.untilGone('stuck')
  })

  it('API-13 releases an object that was deleted before it had our finalizer', async () => {
    await cluster.create('early', {}, { finalizers: ['example.com/hold'] })
    await cluster.delete('early')
    const worked: string[] = []
    await using loop = await startLoop(
      cluster,
      only('early', async () => {
        worked.push('reconciled')
        return done
      }),
      {
        loop: {
          finalize: async (object) => {
            if (object.metadata.name === 'early') worked.push('finalized')
          },
        },
      },
    )
    await cluster.patch('early', { metadata: { finalizers: null } })
    await loop.untilGone('early')
    expect(worked).toEqual([])
  })

  it('ignores changes of the status alone', async () => {
    await cluster.create('quiet')
    let runs = 0
    await using loop = await startLoop(
      cluster,
      only('quiet', async () => {
        runs++
        return done
      }),
    )
    await loop.until('quiet', isCurrent)
    await cluster.patchStatus('quiet', { note: 'by somebody' })
    await loop.until('quiet', (o) => o.status?.note === 'by somebody')
    await cluster.patch('quiet', request('after'))
    await loop.until('quiet', (o) => o.status?.lastHandledReconcileAt === 'after')
    expect(runs).toBe(2)
  })

  it('costs one patch where something changed, and none where nothing did', async () => {
    await using alone = await openCluster(inject('kubeconfig'))
    await alone.create('cheap')
    const again = Promise.withResolvers<void>()
    let runs = 0
    await using loop = await startLoop(alone, async (_, cx) => {
      if (++runs === 3) again.resolve()
      cx.progress('working')
      await cx.parked(async () => {})
      return { ...done, ...(runs < 3 && { requeueAfterMs: 20 }) }
    })
    await within(again.promise, () => 'no third run')
    await alone.patch('cheap', request('one'))
    await loop.until('cheap', (o) => o.status?.lastHandledReconcileAt === 'one')
    await loop.controller.drain(500)
    const writes = alone.requests.filter(({ verb }) => verb === 'patch').length
    expect(writes).toBe(4) // the finalizer, the first status, the test's request, the status that echoes it
  })

  it('F-OPS-04 survives what nobody foresaw, marks the object, counts it, and goes on with the others', async () => {
    await cluster.create('bad')
    await cluster.create('good')
    const retried = Promise.withResolvers<void>()
    let runs = 0
    await using loop = await startLoop(
      cluster,
      only('bad', async () => {
        if (++runs === 2) retried.resolve()
        return (undefined as unknown as { boom(): never }).boom()
      }),
    )
    const bad = await loop.until('bad', (o) => ready(o)?.status === 'False')
    expect(ready(bad)).toMatchObject({ reason: 'ReconciliationFailed', message: expect.stringContaining("reading 'boom'") })
    await loop.until('good', isCurrent)
    await within(retried.promise, () => 'no retry')
    const text = await loop.environment.metrics.text()
    expect(text).toMatch(/controller_runtime_reconcile_panics_total\{controller="widget"\} [1-9]/)
    expect(text).toMatch(/flux_reconcile_errors_total\{controller="widget",kind="Widget",reason="ReconciliationFailed"\} [1-9]/)
    expect(loop.lines.find(({ level, name }) => level === 'error' && name === 'bad')?.stacktrace).toContain('controller.test.ts')
  })

  it('F-API-08 stalls the one object whose duration cannot be read', async () => {
    await cluster.create('cve', { interval: '5' })
    await using loop = await startLoop(cluster, async () => done)
    const object = await loop.until('cve', (o) => o.status?.conditions?.[0]?.type === 'Stalled')
    expect(ready(object)).toMatchObject({ reason: 'InvalidSpec', message: expect.stringContaining('spec.interval: missing unit') })
  })

  it('refuses a field that is not built yet, by its name', async () => {
    await cluster.create('fancy', { fancy: true })
    await using loop = await startLoop(cluster, async () => done, {
      loop: { unsupported: [{ field: 'spec.fancy', isUsed: ({ spec }) => spec.fancy === true }] },
    })
    const object = await loop.until('fancy', (o) => o.status?.conditions?.[0]?.type === 'Stalled')
    expect(ready(object)).toMatchObject({
      reason: 'UnsupportedField',
      message: 'spec.fancy is not implemented in this version: remove it from the Widget',
    })
  })

  it('shows the progress of a run that lasts', async () => {
    await cluster.create('slow')
    const { open, pass } = gate()
    await using loop = await startLoop(
      cluster,
      only('slow', async (object, cx) => {
        cx.progress('building manifests')
        await pass(object)
        return done
      }),
      { loop: { inProgress: 'Reconciliation in progress' } },
    )
    const object = await loop.until('slow', (o) => ready(o)?.status === 'Unknown')
    expect(object.status?.conditions).toMatchObject([
      { type: 'Reconciling', status: 'True', reason: 'Progressing', message: 'building manifests' },
      { type: 'Ready', status: 'Unknown', reason: 'Progressing', message: 'Reconciliation in progress' },
    ])
    open()
    await loop.until('slow', isCurrent)
  })

  it('never runs an object twice at once, and misses no change that comes during a run', async () => {
    await cluster.create('busy', { size: 0 })
    let running = 0
    let most = 0
    const seen: number[] = []
    await using loop = await startLoop(
      cluster,
      only('busy', async ({ spec }) => {
        most = Math.max(most, ++running)
        seen.push(spec.size ?? -1)
        if (seen.length < 5) await cluster.patch('busy', { spec: { size: seen.length } })
        running--
        return done
      }),
    )
    await loop.until('busy', (o) => isCurrent(o) && o.spec.size === 4)
    expect(most).toBe(1)
    expect(seen.at(-1)).toBe(4)
  })

  it('starts a run from what the run before it wrote', async () => {
    await cluster.create('fresh')
    const notes: (string | undefined)[] = []
    await using loop = await startLoop(
      cluster,
      only('fresh', async (object, cx) => {
        notes.push(object.status?.note)
        await cx.record({ note: `run ${notes.length}` })
        if (notes.length < 20) return { ...done, requeueAfterMs: 0.001 }
        return done
      }),
    )
    await loop.until('fresh', (o) => o.status?.note === 'run 20')
    expect(notes).toEqual([undefined, ...Array.from({ length: 19 }, (_, i) => `run ${i + 1}`)])
  })

  it('ends a run silently when its object vanishes', async () => {
    await cluster.create('ghost')
    const { open, pass, untilArrived } = gate()
    await using loop = await startLoop(
      cluster,
      only('ghost', async (object) => {
        await pass(object)
        return done
      }),
      {
        loop: { finalize: async () => {} },
      },
    )
    await untilArrived(1)
    await cluster.patch('ghost', { metadata: { finalizers: null } })
    await cluster.delete('ghost')
    await loop.untilGone('ghost')
    open()
    await cluster.create('ghost-after')
    await loop.until('ghost-after', isCurrent)
    expect(loop.lines.filter(({ level, name }) => level === 'error' && name === 'ghost')).toEqual([])
    expect(await loop.environment.metrics.text()).not.toContain('name="ghost"')
  })

  it('OBS-10 removes the metrics of an object with the object', async () => {
    await cluster.create('metered')
    const forgotten = Promise.withResolvers<void>()
    await using loop = await startLoop(cluster, async () => done, {
      loop: { forget: ({ name }) => name === 'metered' && forgotten.resolve() },
    })
    await loop.until('metered', isCurrent)
    await cluster.patch('metered', request('again')) // the run before it has been counted by then
    await loop.until('metered', (o) => o.status?.lastHandledReconcileAt === 'again')
    const series = `gotk_reconcile_duration_seconds_count{kind="Widget",name="metered",namespace="${cluster.namespace}"}`
    expect(await seriesOf(loop)).toContain(series)
    await cluster.delete('metered')
    await within(forgotten.promise, () => 'never forgotten')
    expect(await seriesOf(loop)).not.toContain(series)
  })
})

/** The series with their values cut off: short enough to be read in a failure. */
async function seriesOf({ environment }: Started): Promise<string[]> {
  const lines = (await environment.metrics.text()).split('\n')
  return lines
    .filter((line) => /^(gotk|flux_rec)/.test(line) && !line.includes('_bucket'))
    .map((line) => line.replace(/ [^ ]*$/, ''))
}
