import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import type { KubeObject } from '../../src/api/object.ts'
import { EventRecorder } from '../../src/runtime/events.ts'
import { createLogger } from '../../src/runtime/log.ts'
import { createMetrics } from '../../src/runtime/metrics.ts'
import { ManualClock } from '../fakes/clock.ts'
import { openCluster, type Widget, within } from './harness.ts'

let cluster: Awaited<ReturnType<typeof openCluster>>
beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'))
})
afterAll(() => cluster[Symbol.asyncDispose]())

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

interface Posted {
  readonly path: string | undefined
  readonly body: Record<string, unknown>
}

/** An events address that answers with the statuses given, then 202. */
async function receiver(statuses: number[] = []) {
  const posts: Posted[] = []
  let told = () => {}
  const server: Server = createServer((request, response) => {
    let text = ''
    request.on('data', (part) => {
      text += part
    })
    request.on('end', () => {
      posts.push({ path: `${request.method} ${request.url} ${request.headers['content-type']}`, body: JSON.parse(text) })
      response.writeHead(statuses.shift() ?? 202).end()
      told()
    })
  })
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  closers.push(async () => server.close())
  const until = (count: number) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    told = () => posts.length >= count && resolve()
    told()
    return within(promise, () => `only ${posts.length} of ${count} events came`)
  }
  return { posts, until, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}

function recorderTo(webhook = '', logEvents = false) {
  const clock = new ManualClock('2026-05-05T10:00:00Z')
  const metrics = createMetrics()
  const lines: Record<string, unknown>[] = []
  const log = createLogger({ level: 'info', encoding: 'json' }, { write: (line) => void lines.push(JSON.parse(line)) })
  const recorder = new EventRecorder({ client: cluster.client, clock, log, metrics, webhook, hostname: 'pod-1', logEvents })
  closers.push(async () => {
    metrics.close()
    await recorder.close()
  })
  return { recorder, clock, metrics, lines }
}

type Recorded = KubeObject & Readonly<Record<string, unknown>> & { readonly involvedObject: { readonly name: string } }

async function recorded(name: string): Promise<Recorded[]> {
  const { items } = await cluster.client.list<Recorded>({ apiVersion: 'v1', kind: 'Event' }, { namespace: cluster.namespace })
  return items.filter((event) => event.involvedObject.name === name)
}

const info = { severity: 'info', reason: 'Succeeded', message: 'applied revision main@sha1:abc' } as const

describe('events', () => {
  it('OBS-01 OBS-02 are recorded in the cluster as flux events reads them', async () => {
    const object = await cluster.create('web', {}, { annotations: { 'event.toolkit.fluxcd.io/env': 'prod', other: 'x' } })
    const { recorder } = recorderTo()
    recorder.record(object, 'kustomize-controller', { ...info, metadata: { revision: 'main@sha1:abc' } })
    await recorder.close(10_000)
    const { uid, resourceVersion } = object.metadata
    expect(await recorded('web')).toMatchObject([
      {
        type: 'Normal',
        reason: 'Succeeded',
        message: 'applied revision main@sha1:abc',
        source: { component: 'kustomize-controller' },
        reportingComponent: 'kustomize-controller',
        involvedObject: {
          apiVersion: 'test.sluice.dev/v1',
          kind: 'Widget',
          namespace: cluster.namespace,
          name: 'web',
          uid,
          resourceVersion,
        },
        metadata: { annotations: { 'test.sluice.dev/revision': 'main@sha1:abc', 'event.toolkit.fluxcd.io/env': 'prod' } },
        count: 1,
        firstTimestamp: '2026-05-05T10:00:00Z',
        lastTimestamp: '2026-05-05T10:00:00Z',
      },
    ])
  })

  it('OBS-01 are posted to the events address in the form that notification-controller takes', async () => {
    const object = await cluster.create('posted', {}, { annotations: { 'event.toolkit.fluxcd.io/env': 'prod' } })
    const { posts, until, url } = await receiver()
    const { recorder } = recorderTo(url)
    recorder.record(object, 'source-controller', {
      severity: 'error',
      reason: 'GitOperationFailed',
      message: 'no route',
      metadata: { revision: 'r' },
    })
    await until(1)
    const { uid, resourceVersion } = object.metadata
    expect(posts).toEqual([
      {
        path: 'POST / application/json',
        body: {
          involvedObject: {
            apiVersion: 'test.sluice.dev/v1',
            kind: 'Widget',
            namespace: cluster.namespace,
            name: 'posted',
            uid,
            resourceVersion,
          },
          severity: 'error',
          timestamp: '2026-05-05T10:00:00Z',
          message: 'no route',
          reason: 'GitOperationFailed',
          metadata: { 'test.sluice.dev/revision': 'r', 'event.toolkit.fluxcd.io/env': 'prod' },
          reportingController: 'source-controller',
          reportingInstance: 'pod-1',
        },
      },
    ])
  })

  it('OBS-03 of severity trace are recorded in the cluster as Normal, and not posted', async () => {
    const object = await cluster.create('traced')
    const { posts, until, url } = await receiver()
    const { recorder } = recorderTo(url)
    recorder.record(object, 'source-controller', { severity: 'trace', reason: 'ArtifactUpToDate', message: 'artifact up-to-date' })
    recorder.record(object, 'source-controller', info)
    await until(1)
    await recorder.close(10_000)
    expect(posts.map(({ body }) => body.reason)).toEqual(['Succeeded'])
    const inCluster = (await recorded('traced')).map(({ type, reason }) => `${String(type)} ${String(reason)}`)
    expect(inCluster.toSorted()).toEqual(['Normal ArtifactUpToDate', 'Normal Succeeded'])
  })

  it('count up instead of filling the cluster when they repeat', async () => {
    const object = await cluster.create('repeated')
    const { recorder, clock } = recorderTo()
    const settled = async () => {
      const before = cluster.requests.length
      while (cluster.requests.length === before) await new Promise(setImmediate)
    }
    for (let i = 0; i < 3; i++) {
      recorder.record(object, 'source-controller', { severity: 'error', reason: 'Failed', message: 'same' })
      await settled()
      clock.advance(60_000)
    }
    await recorder.close(10_000)
    expect(await recorded('repeated')).toMatchObject([
      { count: 3, firstTimestamp: '2026-05-05T10:00:00Z', lastTimestamp: '2026-05-05T10:02:00Z' },
    ])
  })

  it('are posted again after a server error, with growing gaps, and never after a duplicate', async () => {
    const object = await cluster.create('retried')
    const { posts, until, url } = await receiver([503, 500, 202, 429])
    const { recorder, clock } = recorderTo(url)
    const nextTimer = async () => {
      while (clock.timers === 0) await new Promise(setImmediate)
    }
    recorder.record(object, 'source-controller', info)
    await until(1)
    await nextTimer()
    clock.advance(1_000)
    await until(2)
    await nextTimer()
    clock.advance(1_999)
    expect(posts).toHaveLength(2)
    clock.advance(1)
    await until(3)
    recorder.record(object, 'source-controller', { ...info, message: 'known already' })
    await until(4)
    recorder.record(object, 'source-controller', { ...info, message: 'last' })
    await until(5)
    expect(posts.map(({ body }) => body.message)).toEqual([info.message, info.message, info.message, 'known already', 'last'])
  })

  it('are dropped and counted when one object floods, but not its errors', async () => {
    const object = await cluster.create('loud')
    const { recorder, metrics } = recorderTo()
    for (let i = 0; i < 30; i++) recorder.record(object, 'source-controller', { ...info, message: `message ${i}` })
    recorder.record(object, 'source-controller', { severity: 'error', reason: 'Failed', message: 'broken' })
    expect(recorder.waiting()).toEqual({ kubernetes: 26, webhook: 0 })
    await recorder.close(20_000)
    expect(recorder.waiting()).toEqual({ kubernetes: 0, webhook: 0 })
    expect(await recorded('loud')).toHaveLength(26)
    expect(await metrics.text()).toContain('flux_events_dropped_total{sink="kubernetes",reason="rate"} 5')
  })

  it('carry no credentials', async () => {
    const object = await cluster.create('masked')
    const { recorder } = recorderTo()
    recorder.record(object, 'source-controller', { ...info, message: 'failed to clone https://bot:hunter2@example.com/x.git' })
    await recorder.close(10_000)
    expect(JSON.stringify(await recorded('masked'))).not.toContain('hunter2')
  })

  it('have a valid name however long the name of the object is', async () => {
    const name = `${'a'.repeat(200)}.${'b'.repeat(52)}`
    const object: Widget = await cluster.create(name)
    const { recorder } = recorderTo()
    recorder.record(object, 'source-controller', info)
    await recorder.close(10_000)
    expect(await recorded(name)).toHaveLength(1)
  })

  it('are logged too at level trace', async () => {
    const object = await cluster.create('logged')
    const { recorder, lines } = recorderTo('', true)
    recorder.record(object, 'source-controller', { severity: 'error', reason: 'Failed', message: 'broken' })
    expect(lines).toMatchObject([{ level: 'error', msg: 'broken', error: 'Failed', name: 'logged', 'reconciler kind': 'Widget' }])
  })
})
