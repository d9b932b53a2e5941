/** Events of other programs, posted to the intake, through an Alert and a Provider to a webhook. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { Pool } from 'undici'
import { startSluice } from '../tools/sluice.ts'
import { namespace, startBenchCluster } from './cluster.ts'
import { Meter, type Row } from './measure.ts'

const connections = 16
const perSecond = 1_000

export async function* benchEvents(count: number, flags: Readonly<Record<string, string>>): AsyncIterable<Row> {
  await using resources = new AsyncDisposableStack()
  const { controlPlane, api, path } = resources.use(await startBenchCluster())
  const service = resources.use(await countingService())
  const apiVersion = 'notification.toolkit.fluxcd.io/v1beta3'
  const metadata = { name: 'all', namespace }
  const eventSources = [{ kind: 'Kustomization', name: '*' }]
  await api.create(path(apiVersion, 'providers'), {
    apiVersion,
    kind: 'Provider',
    metadata,
    spec: { type: 'generic', address: service.address },
  })
  await api.create(path(apiVersion, 'alerts'), {
    apiVersion,
    kind: 'Alert',
    metadata,
    spec: { providerRef: { name: 'all' }, eventSources },
  })

  const sluice = resources.use(await startSluice({ kubeconfig: controlPlane.kubeconfig, flags }))
  const intake = new Pool(sluice.address('events'), { connections })
  resources.defer(() => intake.close())
  const meter = new Meter(controlPlane, sluice)
  // The Alert may not be known yet: the first event is sent until one arrives.
  for (let attempt = 0; service.received() === 0; attempt++) {
    await post(intake, event(`warm-${attempt}`))
    await Promise.race([service.until(1), pause(200)])
  }
  const before = service.received()
  yield await meter.measure(`${count} events posted at ${perSecond} a second, each through an Alert to a webhook`, async () => {
    await posted(intake, count)
    const postedAt = performance.now()
    await service.until(before + count)
    return `the last delivered ${((performance.now() - postedAt) / 1000).toFixed(2)} s after it was posted`
  })
}

/** Posts at an even rate, or as fast as the intake takes them if that is slower. */
async function posted(intake: Pool, count: number): Promise<void> {
  const startedAt = performance.now()
  const numbers = Array.from({ length: count }, (_, index) => index).values()
  await Promise.all(
    Array.from({ length: connections }, async () => {
      for (const number of numbers) {
        await pause(Math.max(0, startedAt + (number / perSecond) * 1000 - performance.now()))
        await post(intake, event(`event-${number}`))
      }
    }),
  )
}

interface CountingService extends AsyncDisposable {
  readonly address: string
  received(): number
  until(count: number): Promise<void>
}

async function countingService(): Promise<CountingService> {
  let received = 0
  const waiting = new Set<() => void>()
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      received++
      response.end()
      for (const look of waiting) look()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: () => received,
    until: (count) =>
      new Promise((resolve) => {
        const look = () => {
          if (received < count) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Each of another object: none is a duplicate. */
function event(name: string): object {
  return {
    involvedObject: { apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', name, namespace, uid: name },
    severity: 'info',
    timestamp: new Date().toISOString(),
    message: `Applied revision of ${name}`,
    reason: 'ReconciliationSucceeded',
    metadata: { 'kustomize.toolkit.fluxcd.io/revision': `main@sha1:${name}` },
    reportingController: 'kustomize-controller',
    reportingInstance: 'bench',
  }
}

async function post(intake: Pool, body: object): Promise<void> {
  const { statusCode, body: answer } = await intake.request({
    method: 'POST',
    path: '/',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  await answer.dump()
  if (statusCode >= 300) throw new Error(`the intake answered ${statusCode}`)
}
