import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { Retryable } from '../../src/runtime/reconcile.ts'
import { done, gate, isCurrent, openCluster, ready, startLoop, within } from './harness.ts'

let cluster: Awaited<ReturnType<typeof openCluster>>
beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'))
})
afterAll(() => cluster[Symbol.asyncDispose]())

/** Resolves never, and rejects when the wait is over. */
function forever(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}

/** A loop that waits for ever on what has size 0, and is done with the rest at once. */
function waiting() {
  const { arrivals, pass, untilArrived } = gate()
  const reasons: string[][] = []
  const reconcile: Parameters<typeof startLoop>[1] = async (object, cx) => {
    reasons.push([...cx.causes])
    if (object.spec.size !== 0) return done
    cx.progress('waiting for health')
    await cx.parked((signal) => {
      void pass(object)
      return forever(signal)
    })
    return done
  }
  return { reconcile, reasons, arrivals, untilArrived }
}

describe('a parked run', () => {
  it('shows what it waits for, and ends without a word of failure when a new spec comes', async () => {
    await cluster.create('respec', { size: 0 })
    const { reconcile, reasons } = waiting()
    await using loop = await startLoop(cluster, (o, cx) =>
      o.metadata.name === 'respec' ? reconcile(o, cx) : Promise.resolve(done),
    )
    const parked = await loop.until('respec', (o) => ready(o)?.status === 'Unknown')
    expect(parked.status?.conditions).toMatchObject([{ type: 'Reconciling', message: 'waiting for health' }, { type: 'Ready' }])
    await cluster.patch('respec', { spec: { size: 1 } })
    await loop.until('respec', isCurrent)
    expect(reasons).toEqual([['created'], ['spec']])
    await loop.controller.drain(500)
    expect(loop.events).toEqual([])
    expect(loop.lines.filter(({ level }) => level === 'error')).toEqual([])
    expect(await loop.environment.metrics.text()).toMatch(
      /flux_reconcile_count\{controller="widget",kind="Widget",result="preempted"\} 1/,
    )
  })

  it('ends at once for whatever queues its object, also when that came before it was parked', async () => {
    await cluster.create('woken', { size: 0 })
    const { reconcile, reasons } = waiting()
    let enqueue = (): void => {}
    const { open, pass, untilArrived } = gate()
    await using loop = await startLoop(
      cluster,
      async (object, cx) => {
        if (object.metadata.name !== 'woken') return done
        if (reasons.length === 0) await pass(object) // still at work when the event comes
        if (reasons.length === 2) {
          reasons.push([...cx.causes])
          return done
        }
        return reconcile(object, cx)
      },
      {
        loop: {
          watches: [
            (wiring) => {
              enqueue = () => wiring.enqueue({ namespace: cluster.namespace, name: 'woken' }, 'source')
            },
          ],
        },
      },
    )
    await untilArrived(1)
    enqueue()
    open()
    await loop.until('woken', (o) => ready(o)?.status === 'Unknown')
    enqueue()
    await loop.until('woken', isCurrent)
    expect(reasons).toEqual([['created'], ['source'], ['source']])
  })

  it('goes on through what it is told to, which has its run afterwards', async () => {
    await cluster.create('deaf', { size: 0 })
    const reasons: string[][] = []
    const { pass, untilArrived } = gate()
    const news = Promise.withResolvers<void>()
    const again = Promise.withResolvers<void>()
    let enqueue = (): void => {}
    await using loop = await startLoop(
      cluster,
      async (object, cx) => {
        if (object.metadata.name !== 'deaf') return done
        reasons.push([...cx.causes])
        if (reasons.length > 1) again.resolve()
        if (reasons.length > 1) return done
        cx.progress('waiting', { unready: true })
        const wait = async () => {
          void pass(object)
          await news.promise
        }
        await cx.parked(wait, { through: new Set(['dependency']) })
        return done
      },
      {
        loop: {
          watches: [
            (wiring) => {
              enqueue = () => wiring.enqueue({ namespace: cluster.namespace, name: 'deaf' }, 'dependency')
            },
          ],
        },
      },
    )
    await untilArrived(1)
    enqueue()
    expect(ready(await loop.until('deaf', (o) => ready(o)?.status === 'Unknown'))?.message).toBe('waiting')
    news.resolve()
    await loop.until('deaf', isCurrent)
    await again.promise
    await loop.controller.drain(500)
    expect(reasons).toEqual([['created'], ['dependency']])
  })

  it('leaves what caused it to the next run when it ends before it did anything', async () => {
    await cluster.create('early', { size: 0 })
    const reasons: string[][] = []
    const { pass, untilArrived } = gate()
    await using loop = await startLoop(cluster, async (object, cx) => {
      if (object.metadata.name !== 'early') return done
      reasons.push([...cx.causes].sort())
      if (object.spec.size === 0) {
        const wait = (signal: AbortSignal) => {
          void pass(object)
          return forever(signal)
        }
        await cx.parked(wait, { early: true })
      }
      return done
    })
    await untilArrived(1)
    await cluster.patch('early', { spec: { size: 1 } })
    await loop.until('early', isCurrent)
    expect(reasons).toEqual([['created'], ['created', 'spec']])
  })

  it('API-09 ends when its object is suspended', async () => {
    await cluster.create('suspended', { size: 0 })
    const { reconcile, untilArrived, arrivals } = waiting()
    await using loop = await startLoop(cluster, (o, cx) =>
      o.metadata.name === 'suspended' ? reconcile(o, cx) : Promise.resolve(done),
    )
    await untilArrived(1)
    await loop.until('suspended', (o) => ready(o)?.status === 'Unknown')
    await cluster.patch('suspended', { spec: { suspend: true } })
    const asleep = await loop.until('suspended', (o) => ready(o)?.reason === 'Suspended')
    expect(asleep.status?.conditions).toMatchObject([
      { type: 'Ready', status: 'False', message: 'suspended while under way: waiting for health' },
    ])
    await cluster.patch('suspended', { metadata: { annotations: { 'reconcile.fluxcd.io/requestedAt': 'then' } } })
    await loop.until('suspended', (o) => o.status?.lastHandledReconcileAt === 'then')
    expect(arrivals).toHaveLength(1)
    expect(await loop.environment.metrics.text()).toMatch(/result="suspended"\} [1-9]/)
  })

  it('API-13 ends when its object is deleted, which is then finalized', async () => {
    await cluster.create('deleted', { size: 0 })
    const { reconcile, untilArrived } = waiting()
    await using loop = await startLoop(cluster, (o, cx) =>
      o.metadata.name === 'deleted' ? reconcile(o, cx) : Promise.resolve(done),
    )
    await untilArrived(1)
    await cluster.delete('deleted')
    await loop.untilGone('deleted')
  })

  it('fails as its wait fails, and goes on as it succeeds', async () => {
    await cluster.create('health')
    let healthy = false
    await using loop = await startLoop(cluster, async (object, cx) => {
      if (object.metadata.name !== 'health') return done
      await cx.parked(async () => {
        if (!healthy) throw new Retryable('HealthCheckFailed', 'Deployment/apps/web is not ready', { retryMs: 10 })
      })
      return done
    })
    await loop.until('health', (o) => ready(o)?.reason === 'HealthCheckFailed')
    healthy = true
    await loop.until('health', isCurrent)
  })

  it('lets 500 waiting objects slow no healthy one', async () => {
    await using crowd = await openCluster(inject('kubeconfig'))
    const names = Array.from({ length: 500 }, (_, i) => `waiting-${i}`)
    for (let i = 0; i < names.length; i += 20)
      await Promise.all(names.slice(i, i + 20).map((name) => crowd.create(name, { size: 0 })))
    const { reconcile, untilArrived } = waiting()
    await using loop = await startLoop(crowd, reconcile, { loop: { concurrent: 2 } })
    await untilArrived(500)
    const started = performance.now()
    await crowd.create('healthy', { size: 1 })
    await loop.until('healthy', isCurrent)
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})

describe('shutdown', () => {
  it('lets a running reconcile finish, ends what is parked at once, and starts nothing new', async () => {
    await using alone = await openCluster(inject('kubeconfig'))
    await alone.create('parked', { size: 0 })
    await alone.create('running', { size: 1 })
    const { reconcile, untilArrived } = waiting()
    const work = gate()
    let runs = 0
    await using loop = await startLoop(alone, async (object, cx) => {
      runs++
      if (object.metadata.name === 'parked') return reconcile(object, cx)
      await work.pass(object)
      return done
    })
    await Promise.all([untilArrived(1), work.untilArrived(1)])
    const drained = loop.controller.drain(10_000)
    await alone.create('late')
    work.open()
    await within(drained, () => 'not drained')
    expect(isCurrent(await alone.get('running'))).toBe(true)
    expect(ready(await alone.get('parked'))?.status).not.toBe('False')
    expect(runs).toBe(2)
  })

  it('tells a run that takes too long to end, and writes nothing for it', async () => {
    await using alone = await openCluster(inject('kubeconfig'))
    await alone.create('endless')
    const { pass, untilArrived } = gate()
    await using loop = await startLoop(alone, async (object, cx) => {
      void pass(object)
      return forever(cx.signal)
    })
    await untilArrived(1)
    await within(loop.controller.drain(50), () => 'not drained')
    expect((await alone.get('endless')).status).toEqual({ observedGeneration: -1 })
  })

  it('writes nothing once it was abandoned', async () => {
    await using alone = await openCluster(inject('kubeconfig'))
    await alone.create('lost')
    const work = gate()
    const ended = Promise.withResolvers<void>()
    await using loop = await startLoop(alone, async (object, cx) => {
      await work.pass(object)
      await cx.record({ note: 'too late' }).finally(ended.resolve)
      return done
    })
    await work.untilArrived(1)
    loop.controller.abandon()
    work.open()
    await ended.promise
    await loop.controller.drain(100)
    expect((await alone.get('lost')).status).toEqual({ observedGeneration: -1 })
  })
})
