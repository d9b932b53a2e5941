/** Chart repositories, as users with kubectl, curl and flux see them. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type ChartServer, startChartServer } from '../tools/chart-server.ts'
import { kstatusOf } from '../tools/kstatus.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { type Cluster, conditionOf, hasCondition, isReady, type Manifest, openCluster } from './harness.ts'

let cluster: Cluster
let charts: ChartServer
let storagePath: string

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'helmrepo')
  storagePath = await temporaryDirectory('storage')
  charts = await startChartServer()
  charts.publish('shop', '1.0.0')
  await cluster.startSluice({ storagePath, flags: { 'min-retry-delay': '10m', 'helm-index-max-size': '100000' } })
})

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await charts?.[Symbol.asyncDispose]()
})

function helmRepository(name: string, spec: Readonly<Record<string, unknown>> = {}): Manifest {
  return {
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind: 'HelmRepository',
    metadata: { name },
    spec: { url: `${charts.url}${name}`, interval: '1h', ...spec },
  }
}

const patch = (ref: string, change: object) => cluster.kubectl('patch', ref, '--type=merge', '-p', JSON.stringify(change))

describe('a HelmRepository', () => {
  it('SRC-HRP-01 SRC-ART-10 API-03 API-04 is ready with an index that everybody in the cluster can read', async () => {
    await cluster.apply(helmRepository('stored'))
    const { status, metadata } = await cluster.until('helmrepository/stored', isReady(charts.revision()))
    expect(metadata.finalizers).toEqual(['finalizers.fluxcd.io'])
    expect(status).toMatchObject({ observedGeneration: 1, artifact: { revision: charts.revision() } })
    const message = `stored artifact: revision '${charts.revision()}'`
    expect(status?.conditions?.map(({ type, status, reason, message }) => [type, status, reason, message])).toEqual([
      ['Ready', 'True', 'Succeeded', message],
      ['ArtifactInStorage', 'True', 'Succeeded', message],
    ])
    for (const url of [status?.artifact?.url, status?.url]) {
      const index = await fetch(String(url)).then((response) => response.json())
      expect(index).toMatchObject({ apiVersion: 'v1', entries: { shop: [{ name: 'shop', version: '1.0.0' }] } })
    }
    expect(status?.url).toMatch(new RegExp(`/helmrepository/${cluster.namespace}/stored/index.yaml$`))
    const events = (await cluster.events('helmrepository/stored')).map(({ type, reason, message }) => [type, reason, message])
    expect(events).toEqual([['Normal', 'NewArtifact', expect.stringMatching(/^stored fetched index of size [\d.]+k?B from 'http/)]])
  })

  it('SRC-HRP-01 follows its index, and keeps the old one while the server is broken', async () => {
    await cluster.apply(helmRepository('followed'))
    const before = await cluster.until('helmrepository/followed', isReady(charts.revision()))
    charts.publish('shop', '1.1.0')
    expect((await cluster.reconcile('helmrepository/followed')).status?.artifact?.revision).toBe(charts.revision())
    expect(charts.revision()).not.toBe(before.status?.artifact?.revision)

    charts.breakWith(({ path }) => (path.startsWith('/followed/') ? { status: 503 } : undefined))
    await cluster.reconcile('helmrepository/followed')
    const failed = await cluster.until('helmrepository/followed', hasCondition('Ready', 'False', 'Failed'))
    charts.breakWith()
    expect(failed.status?.artifact?.revision).toBe(charts.revision())
    expect(conditionOf(failed, 'FetchFailed')).toMatchObject({ status: 'True', reason: 'Failed' })
    expect(conditionOf(failed, 'Reconciling')).toMatchObject({ status: 'True', reason: 'ProgressingWithRetry' })
    expect((await fetch(String(failed.status?.url))).status).toBe(200)
    const recovered = await cluster.reconcile('helmrepository/followed')
    expect(kstatusOf(recovered)).toEqual({ status: 'Current', message: 'Resource is Ready' })
    expect((await cluster.events('helmrepository/followed')).map(({ reason }) => reason)).toContain('Succeeded')
  })

  it('SRC-HRP-07 F-HRP-01 is not ready with an index over the limit, and says which', async () => {
    await using large = await startChartServer()
    large.setIndex(`${charts.index()}# ${'x'.repeat(100_000)}\n`)
    await cluster.apply(helmRepository('large', { url: large.url }))
    const failed = await cluster.until('helmrepository/large', hasCondition('Ready', 'False', 'Failed'))
    expect(conditionOf(failed, 'Ready')?.message).toContain('index exceeds the maximum index file size of 100000 bytes')
    await cluster.kubectl('delete', 'helmrepository/large')
  })

  it('API-14 SRC-HRP-02 logs in again as soon as its Secret is right', async () => {
    await using own = await startChartServer({ auth: { username: 'ann', password: 'swordfish' } })
    const secret = (password: string): Manifest => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'login', labels: { 'reconcile.fluxcd.io/watch': 'Enabled' } },
      stringData: { username: 'ann', password },
    })
    await cluster.apply(secret('cod'), helmRepository('login', { url: own.url, secretRef: { name: 'login' } }))
    const failed = await cluster.until('helmrepository/login', hasCondition('Ready', 'False', 'Failed'))
    expect(conditionOf(failed, 'Ready')?.message).toContain('401 Unauthorized')
    await cluster.apply(secret('swordfish'))
    await cluster.until('helmrepository/login', isReady(own.revision()))
    await patch('helmrepository/login', { spec: { secretRef: { name: 'lost' } } })
    const lost = await cluster.until('helmrepository/login', hasCondition('Ready', 'False', 'AuthenticationFailed'))
    expect(conditionOf(lost, 'Ready')?.message).toBe(
      `failed to get authentication secret '${cluster.namespace}/lost': secrets "lost" not found`,
    )
    expect(lost.status?.observedGeneration).toBe(1)
  })

  it('API-04 is stalled by an address that cannot work, until it is edited', async () => {
    await cluster.apply(helmRepository('wrong', { url: 'oci://registry.example/charts' }))
    const stalled = await cluster.until('helmrepository/wrong', hasCondition('Stalled', 'True', 'URLInvalid'))
    const message = "invalid Helm repository URL: 'oci' URL scheme cannot be used with 'default' HelmRepository type"
    expect(conditionOf(stalled, 'Ready')).toMatchObject({ status: 'False', reason: 'URLInvalid', message })
    expect(conditionOf(stalled, 'Reconciling')).toBeUndefined()
    expect(stalled.status?.observedGeneration).toBe(1)
    expect(kstatusOf(stalled)).toMatchObject({ status: 'Failed', message })
    await patch('helmrepository/wrong', { spec: { url: charts.url } })
    const ready = await cluster.until('helmrepository/wrong', isReady(charts.revision()))
    expect(ready.status?.observedGeneration).toBe(2)
    expect(conditionOf(ready, 'FetchFailed')).toBeUndefined()
  })

  it('SRC-HRP-06 API-02 takes what Flux takes, and refuses the rest in its words', async () => {
    const accessFrom = { namespaceSelectors: [{ matchLabels: { team: 'other' } }] }
    await cluster.apply(helmRepository('shared', { accessFrom }))
    expect((await cluster.until('helmrepository/shared', isReady())).spec).toMatchObject({ accessFrom, provider: 'generic' })
    const refused = (spec: object) => cluster.apply(helmRepository('refused', { ...spec })).then(String, String)
    expect(await refused({ url: 'ftp://charts.example' })).toContain("should match '^(http|https|oci)://.*$'")
    expect(await refused({ interval: '1 hour' })).toContain("should match '^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$'")
    expect(await refused({ timeout: '1h' })).toContain("should match '^([0-9]+(\\.[0-9]+)?(ms|s|m))+$'")
    expect(await refused({ type: 'ftp' })).toContain('supported values: "default", "oci"')
    expect(await refused({ provider: 'mine' })).toContain('supported values: "generic", "aws", "azure", "gcp"')
  })

  it('API-01 shows in the columns of Flux', async () => {
    await cluster.apply(helmRepository('shown'))
    await cluster.until('helmrepository/shown', isReady())
    const [head = '', row = ''] = (await cluster.kubectl('get', 'helmrepo', 'shown')).trim().split('\n')
    expect(head.split(/\s{2,}/)).toEqual(['NAME', 'URL', 'AGE', 'READY', 'STATUS'])
    expect(row).toMatch(/^shown\s+http\S+\s+\d+s\s+True\s+stored artifact: revision 'sha256:/)
  })

  it('API-09 API-13 rests while it is suspended, and takes its index along when it is deleted', async () => {
    await cluster.apply(helmRepository('leaving'))
    const { status } = await cluster.until('helmrepository/leaving', isReady())
    await patch('helmrepository/leaving', { spec: { suspend: true } })
    await cluster.kubectl('annotate', 'helmrepository/leaving', 'reconcile.fluxcd.io/requestedAt=now')
    const asleep = await cluster.until('helmrepository/leaving', (live) => live.status?.lastHandledReconcileAt === 'now')
    expect(asleep.status?.artifact).toEqual(status?.artifact)
    expect(charts.count('/leaving/index.yaml')).toBe(1)
    const folder = join(storagePath, 'helmrepository', cluster.namespace, 'leaving')
    expect(existsSync(folder)).toBe(true)
    await cluster.kubectl('delete', 'helmrepository/leaving')
    expect(existsSync(folder)).toBe(false)
    expect((await fetch(String(status?.url))).status).toBe(404)
  })
})

describe('a HelmRepository of type oci', () => {
  const oci = { type: 'oci', url: 'oci://registry.example/charts' }

  it('SRC-HRP-04 is left as it is: no finalizer, no status, no events', async () => {
    await cluster.apply(helmRepository('static', { ...oci, provider: 'aws' }))
    // What is applied later is done: then the first one was seen too.
    await cluster.apply(helmRepository('after-static'))
    await cluster.until('helmrepository/after-static', isReady())
    await cluster.kubectl('annotate', 'helmrepository/static', 'reconcile.fluxcd.io/requestedAt=now')
    await cluster.reconcile('helmrepository/after-static')
    const { metadata, status } = await cluster.get('helmrepository/static')
    expect(metadata.finalizers).toBeUndefined()
    // Without the API server's default of observedGeneration, which says that somebody will come.
    expect(status).toEqual({})
    expect(await cluster.events('helmrepository/static')).toEqual([])
    await cluster.kubectl('delete', 'helmrepository/static')
  })

  it('SRC-HRP-04 loses what it had when its type was another, and works again when that comes back', async () => {
    await cluster.apply(helmRepository('changed'))
    await cluster.until('helmrepository/changed', isReady())
    const folder = join(storagePath, 'helmrepository', cluster.namespace, 'changed')
    expect(existsSync(folder)).toBe(true)

    await patch('helmrepository/changed', { spec: { ...oci, suspend: true } })
    await cluster.apply(helmRepository('after-changed'))
    await cluster.until('helmrepository/after-changed', isReady())
    expect((await cluster.get('helmrepository/changed')).status?.artifact).toBeDefined()
    await patch('helmrepository/changed', { spec: { suspend: null } })
    const { metadata } = await cluster.until(
      'helmrepository/changed',
      ({ metadata, status }) => !metadata.finalizers && !status?.conditions && !status?.artifact && !status?.url,
    )
    expect(metadata.generation).toBe(3)
    expect(existsSync(folder)).toBe(false)

    await patch('helmrepository/changed', { spec: { type: 'default', url: charts.url } })
    const back = await cluster.until('helmrepository/changed', isReady(charts.revision()))
    expect(back.metadata.finalizers).toEqual(['finalizers.fluxcd.io'])
  })
})
