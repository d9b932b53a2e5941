/** Webhooks of Git hosts and registries: what they may ask for, and what whoever looks at the Receiver gets to see. */
import { createHash, createHmac } from 'node:crypto'
import { describe, expect, inject, it } from 'vitest'
import { type Cluster, hasCondition, isReady, type Manifest, openCluster, type Sluice } from './harness.ts'

const token = 't0ken-of-the-test'

function secret(name = 'token', data: Readonly<Record<string, string>> = { token }, labels: Record<string, string> = {}): Manifest {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, labels }, stringData: data }
}

function receiver(name: string, spec: Readonly<Record<string, unknown>>): Manifest {
  const resources = [{ kind: 'GitRepository', name: 'app' }]
  return {
    apiVersion: 'notification.toolkit.fluxcd.io/v1',
    kind: 'Receiver',
    metadata: { name },
    spec: { type: 'github', secretRef: { name: 'token' }, resources, ...spec },
  }
}

function configMap(version: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {version: '${version}'}\n`
}

const body = JSON.stringify({ ref: 'refs/heads/main' })

function signed(text = body, key = token): Record<string, string> {
  return {
    'content-type': 'application/json',
    'x-github-event': 'push',
    'x-hub-signature-256': `sha256=${createHmac('sha256', key).update(text).digest('hex')}`,
  }
}

/** Calls the Receiver; its path when absent is that of its status. */
async function call(sluice: Sluice, path: string, headers: Record<string, string> = signed(), text = body): Promise<number> {
  const response = await fetch(`${sluice.address('receivers')}${path}`, { method: 'POST', headers, body: text })
  expect(await response.text()).toBe('')
  return response.status
}

async function pathOf(cluster: Cluster, name: string): Promise<string> {
  const object = await cluster.until(`receiver/${name}`, isReady())
  return String((object.status as { webhookPath?: string }).webhookPath)
}

const requested = 'reconcile.fluxcd.io/requestedAt'

async function requestedAt(cluster: Cluster, ref: string): Promise<string | undefined> {
  return (await cluster.get(ref)).metadata.annotations?.[requested]
}

describe('a Receiver', () => {
  it('UC-14 NOT-RCV-07 applies a push at once, and refuses a forged one', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'push')
    const sluice = await cluster.startSluice()
    const repository = await cluster.repository('app', { 'a.yaml': configMap('1') })
    await cluster.apply(
      cluster.gitRepository('app', { interval: '10h' }),
      cluster.kustomization('app', { targetNamespace: cluster.namespace, interval: '10h' }),
      secret(),
      receiver('push', { events: ['ping', 'Push'] }),
    )
    await cluster.until('kustomization/app', isReady())
    const path = await pathOf(cluster, 'push')
    const second = await repository.commit({ 'a.yaml': configMap('2') }, 'second')
    expect(await call(sluice, path, signed(body, 'forged'))).toBe(400)
    expect(await call(sluice, path, signed('another body'))).toBe(400)
    expect(await requestedAt(cluster, 'gitrepository/app')).toBeUndefined()
    expect(await call(sluice, path)).toBe(200)
    expect(await requestedAt(cluster, 'gitrepository/app')).toMatch(/^\d{4}-/)
    await cluster.until('kustomization/app', isReady(second), { timeoutMs: 10_000 })
    await cluster.until('configmap/app', (object) => (object as unknown as { data: { version: string } }).data.version === '2')
    const source = await cluster.get('gitrepository/app')
    expect(source.status?.lastHandledReconcileAt).toBe(source.metadata.annotations?.[requested])
  })

  it('OBS-06 is counted by its path where that is asked for, and calls of made-up paths are counted as one', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'paths')
    const sluice = await cluster.startSluice({ flags: { controllers: 'notification', 'export-http-path-metrics': 'true' } })
    await cluster.apply(secret(), receiver('push', { events: ['push'] }))
    const path = await pathOf(cluster, 'push')
    for (const target of [path, '/hook/made-up', '/hook/invented']) await call(sluice, target, {})
    const counted = (await sluice.metrics()).by('gotk_receiver_http_request_duration_seconds_count', 'handler')
    expect(counted).toEqual(
      new Map([
        [path, 1],
        ['/hook/', 2],
      ]),
    )
  })

  it('NOT-RCV-03 NOT-RCV-08 F-RCV-02 tells its path when it is ready, and takes it back when the token goes', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'receiver')
    const sluice = await cluster.startSluice()
    await cluster.repository('app', { 'a.yaml': configMap('1') })
    await cluster.apply(cluster.gitRepository('app'), receiver('late', { interval: '7m' }))
    const missing = await cluster.until('receiver/late', hasCondition('Ready', 'False', 'TokenNotFound'))
    const unread = `unable to read token from secret '${cluster.namespace}/token' error:`
    expect(missing.status?.conditions?.find(({ type }) => type === 'Ready')?.message).toContain(unread)
    await expect
      .poll(() => cluster.events('receiver/late'), { timeout: 20_000 })
      .toContainEqual(expect.objectContaining({ type: 'Warning', reason: 'Failed', message: expect.stringContaining(unread) }))

    await cluster.apply(secret('token', { token }, { 'reconcile.fluxcd.io/watch': 'Enabled' }))
    const path = await pathOf(cluster, 'late')
    expect(path).toBe(`/hook/${createHash('sha256').update(`${token}late${cluster.namespace}`).digest('hex')}`)
    expect(await cluster.get('receiver/late')).toMatchObject({
      metadata: { finalizers: ['finalizers.fluxcd.io'], generation: 1 },
      status: {
        observedGeneration: 1,
        conditions: [{ type: 'Ready', status: 'True', reason: 'Succeeded', message: `Receiver initialized for path: ${path}` }],
      },
    })
    await expect
      .poll(() => cluster.events('receiver/late'), { timeout: 20_000 })
      .toContainEqual(
        expect.objectContaining({ type: 'Normal', reason: 'Succeeded', message: 'Reconciliation finished, next run in 7m0s' }),
      )
    expect(await call(sluice, path)).toBe(200)
    expect(await call(sluice, '/hook/unknown')).toBe(404)
    expect(await call(sluice, `${path}?x=1`)).toBe(404)
    expect(await call(sluice, '/')).toBe(404)

    const patch = (spec: object) => cluster.kubectl('patch', 'receiver/late', '--type=merge', '-p', JSON.stringify({ spec }))
    await patch({ suspend: true })
    await cluster.until('receiver/late', ({ metadata }) => metadata.generation === 2)
    await expect.poll(() => call(sluice, path), { timeout: 10_000 }).toBe(503)
    await patch({ suspend: false })
    await expect.poll(() => call(sluice, path), { timeout: 10_000 }).toBe(200)

    // The Secret is labelled: that its token has gone is seen at once.
    await cluster.kubectl('patch', 'secret/token', '--type=json', '-p', '[{"op":"remove","path":"/data/token"}]')
    const without = await cluster.until('receiver/late', hasCondition('Ready', 'False', 'TokenNotFound', 'required fields'))
    expect(without.status).not.toHaveProperty('webhookPath')
    expect(await call(sluice, path)).toBe(404)
    expect(await call(sluice, path, {})).toBe(404)
    await patch({ suspend: true })
    await cluster.kubectl('delete', 'receiver/late')
    await cluster.untilGone('receiver/late')
  })

  it('NOT-RCV-06 F-RCV-07 stalls with a filter that does not compile, and works once that is mended', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'receiver-cel')
    await cluster.startSluice()
    const resources = [{ kind: 'GitRepository', name: 'app', filter: 'req.x ==' }]
    await cluster.apply(
      secret(),
      receiver('broken', { resourceFilter: 'res.metadata.name' }),
      receiver('broken-one', { resources }),
      receiver('claims', { resourceFilter: "claims.sub == 'x'" }),
    )
    const stalled = async (name: string) => {
      const object = await cluster.until(`receiver/${name}`, hasCondition('Stalled', 'True', 'InvalidCELExpression'))
      expect(object.status?.observedGeneration).toBe(object.metadata.generation)
      return object.status?.conditions?.find(({ type }) => type === 'Ready')
    }
    const prefix = 'Reconciliation failed terminally due to configuration error:'
    expect(await stalled('broken')).toMatchObject({
      status: 'False',
      reason: 'InvalidCELExpression',
      message: expect.stringContaining(`${prefix} invalid resourceFilter expression: `),
    })
    expect((await stalled('broken-one'))?.message).toContain(
      `${prefix} invalid filter expression for resources[0] (kind="GitRepository", name="app"): `,
    )
    await stalled('claims')
    await expect
      .poll(() => cluster.events('receiver/broken'), { timeout: 20_000 })
      .toContainEqual(expect.objectContaining({ type: 'Warning', reason: 'InvalidCELExpression' }))
    const spec = { resourceFilter: "res.metadata.name == 'app'" }
    await cluster.kubectl('patch', 'receiver/broken', '--type=merge', '-p', JSON.stringify({ spec }))
    const mended = await cluster.until('receiver/broken', isReady())
    expect(mended.status?.conditions?.map(({ type }) => type)).toEqual(['Ready'])
  })

  it('NOT-RCV-05 NOT-RCV-06 F-TEN-01 asks for what its list, its labels and its filters select, in other namespaces too', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'receiver-select')
    const sluice = await cluster.startSluice()
    const strict = await cluster.startSluice({
      flags: { controllers: 'notification', 'no-cross-namespace-refs': 'true', concurrent: '1' },
    })
    await cluster.repository('app', { 'a.yaml': configMap('1') })
    const other = `${cluster.namespace}-other`
    await cluster.kubectl('create', 'namespace', other)
    const source = (name: string, metadata: Partial<Manifest['metadata']> = {}) => {
      const manifest = cluster.gitRepository('app', { suspend: true })
      return { ...manifest, metadata: { name, ...metadata } }
    }
    await cluster.apply(
      secret(),
      source('app'),
      source('web', { labels: { tier: 'front' } }),
      source('shop', { labels: { tier: 'front', canary: 'yes' } }),
      source('db', { labels: { tier: 'back' } }),
      source('elsewhere', { namespace: other }),
      cluster.kustomization('app', { suspend: true }),
      receiver('named', { resources: [{ kind: 'GitRepository', name: 'app', matchLabels: { tier: 'ignored' } }] }),
      receiver('labels', { resources: [{ kind: 'GitRepository', name: '*', matchLabels: { tier: 'front' } }] }),
      receiver('nothing', { resources: [{ kind: 'GitRepository', name: '*', matchLabels: { tier: 'none' } }] }),
      receiver('nolabels', { resources: [{ kind: 'GitRepository', name: '*' }] }),
      receiver('missing', {
        resources: [
          { kind: 'GitRepository', name: 'gone' },
          { kind: 'GitRepository', name: 'app' },
        ],
      }),
      receiver('unversioned', { resources: [{ kind: 'Kustomization', name: 'app' }] }),
      receiver('versioned', { resources: [{ apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', name: 'app' }] }),
      receiver('elsewhere', { resources: [{ kind: 'GitRepository', name: 'elsewhere', namespace: other }] }),
      receiver('nowhere', { resources: [{ kind: 'GitRepository', name: 'nowhere', namespace: other }] }),
      receiver('filtered', {
        resourceFilter: "req.ref == 'refs/heads/main' && has(res.metadata.labels)",
        resources: [
          { kind: 'GitRepository', name: '*', matchLabels: { tier: 'front' }, filter: "'canary' in res.metadata.labels" },
        ],
      }),
      receiver('failing', { resourceFilter: 'req.nothing.there == 1' }),
    )
    const asked = async (name: string, by = sluice, text = body): Promise<[number, string[]]> => {
      const path = await pathOf(cluster, name)
      await cluster.kubectl('annotate', 'gitrepository,kustomization', '--all', `${requested}-`)
      await cluster.kubectl('annotate', 'gitrepository', '--all', '-n', other, `${requested}-`)
      const status = await call(by, path, signed(text), text)
      const all = [
        ...(await cluster.list('gitrepositories,kustomizations')),
        ...(await cluster.list('gitrepositories', { namespace: other })),
      ]
      const names = all
        .filter(({ metadata }) => metadata.annotations?.[requested] !== undefined)
        .map(({ metadata }) => metadata.name)
      return [status, names.toSorted()]
    }
    expect(await asked('named')).toEqual([200, ['app']])
    expect(await asked('labels')).toEqual([200, ['shop', 'web']])
    expect(await asked('nothing')).toEqual([200, []])
    expect(await asked('nolabels')).toEqual([500, []])
    expect(await asked('missing')).toEqual([500, ['app']])
    expect(await asked('unversioned')).toEqual([500, []])
    expect(await asked('versioned')).toEqual([200, ['app']])
    expect(await asked('elsewhere')).toEqual([200, ['elsewhere']])
    for (const name of ['elsewhere', 'nowhere']) expect(await asked(name, strict)).toEqual([500, []])
    expect(await asked('filtered')).toEqual([200, ['shop']])
    expect(await asked('filtered', sluice, JSON.stringify({ ref: 'refs/heads/other' }))).toEqual([200, []])
    expect(await asked('failing')).toEqual([500, []])
    expect(await asked('filtered', sluice, '[1]')).toEqual([500, []])
  })

  it('F-RCV-06 asks once a second for an object, however many valid calls come, and sends the rest away', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'receiver-flood')
    const sluice = await cluster.startSluice()
    await cluster.repository('app', { 'a.yaml': configMap('1') })
    await cluster.apply(secret(), cluster.gitRepository('app', { suspend: true }), receiver('flood', {}))
    const path = await pathOf(cluster, 'flood')
    const before = (await sluice.metrics()).sum('rest_client_requests_total', { method: 'PATCH' })
    const startedMs = performance.now()
    const statuses = await Promise.all(Array.from({ length: 1_000 }, () => call(sluice, path)))
    const seconds = (performance.now() - startedMs) / 1000
    const count = (status: number) => statuses.filter((one) => one === status).length
    expect(count(200) + count(429)).toBe(1_000)
    expect(count(200)).toBeGreaterThanOrEqual(200)
    expect(count(200)).toBeLessThanOrEqual(200 + 100 * (seconds + 1))
    const metrics = await sluice.metrics()
    // Status and Events of the objects are patched too.
    expect(metrics.sum('rest_client_requests_total', { method: 'PATCH' }) - before).toBeLessThanOrEqual(seconds + 6)
    expect(metrics.sum('gotk_receiver_http_request_duration_seconds_count', { handler: '/hook/', code: '200' })).toBe(count(200))
    expect(metrics.sum('gotk_receiver_http_request_duration_seconds_count', { code: '429' })).toBe(count(429))
  })

  it('is served by every replica, whoever leads; the end of a leader costs no call', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'receiver-replicas')
    const start = () =>
      cluster.startSluice({ flags: { 'enable-leader-election': 'true' }, env: { RUNTIME_NAMESPACE: cluster.namespace } })
    const leader = await start()
    await leader.untilLog(({ msg, controllerKind }) => msg === 'starting workers' && controllerKind === 'Receiver')
    const standby = await start()
    await cluster.repository('app', { 'a.yaml': configMap('1') })
    await cluster.apply(secret(), cluster.gitRepository('app', { suspend: true }), receiver('push', {}))
    const path = await pathOf(cluster, 'push')
    await expect.poll(() => call(standby, path), { timeout: 10_000 }).toBe(200)
    await leader.kill9()
    expect(await call(standby, path)).toBe(200)
    expect(await requestedAt(cluster, 'gitrepository/app')).toBeDefined()
    expect(standby.logs.some(({ msg }) => msg === 'starting workers')).toBe(false)
  })

  it('ends the start of a process whose address is taken, and names it', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'receiver-taken')
    const first = await cluster.startSluice()
    const receiverAddr = new URL(first.address('receivers')).host
    await expect(cluster.startSluice({ flags: { receiverAddr } })).rejects.toThrow(`failed to listen on ${receiverAddr}: `)
    const eventsAddr = new URL(first.address('events')).host
    await expect(cluster.startSluice({ flags: { 'events-addr': eventsAddr } })).rejects.toThrow(
      `failed to listen on ${eventsAddr}: `,
    )
  })
})
