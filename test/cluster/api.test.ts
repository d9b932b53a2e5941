/** What all kinds have in common, on the real loops: triggers, retries, suspension, finalizers, selectors and flags. */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { run, temporaryDirectory } from '../tools/processes.ts'
import { type Cluster, conditionOf, hasCondition, isReady, type LogLine, openCluster, type Sluice } from './harness.ts'

const requestedAt = 'reconcile.fluxcd.io/requestedAt'
const watched = { 'reconcile.fluxcd.io/watch': 'Enabled' }

let cluster: Cluster
let sluice: Sluice
let storagePath: string

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'api')
  storagePath = await temporaryDirectory('storage')
  // What is not brought by an event does not come at all within the time of these tests.
  sluice = await cluster.startSluice({ storagePath, flags: { 'min-retry-delay': '10m', 'requeue-dependency': '10m' } })
})

afterAll(() => cluster?.[Symbol.asyncDispose]())

/** A repository with one ConfigMap of the name, its GitRepository and its Kustomization, both with long intervals. */
async function app(on: Cluster, name: string, data: Record<string, string> = {}, spec: Readonly<Record<string, unknown>> = {}) {
  const repository = await on.repository(name, { 'a.yaml': configMap(name, data) })
  await on.apply(on.gitRepository(name, { interval: '1h' }), kustomization(on, name, spec))
  return repository
}

function kustomization(on: Cluster, name: string, spec: Readonly<Record<string, unknown>> = {}) {
  return on.kustomization(name, { interval: '1h', targetNamespace: on.namespace, ...spec })
}

function configMap(name: string, data: Record<string, string> = {}): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: ${JSON.stringify(data)}\n`
}

/** Any ConfigMap or Secret that users write. */
function config(
  kind: 'ConfigMap' | 'Secret',
  name: string,
  values: Record<string, string>,
  labels: Record<string, string> = watched,
) {
  const field = kind === 'Secret' ? 'stringData' : 'data'
  return { apiVersion: 'v1', kind, metadata: { name, labels }, [field]: values }
}

/** Lines with this message about objects of this name. */
function linesOf(of: Sluice, name: string, msg: string): LogLine[] {
  return of.logs.filter((line) => line.name === name && line.msg === msg)
}

/** Waits for so many lines, and returns the milliseconds between them. */
async function gapsOf(of: Sluice, name: string, msg: string, count: number): Promise<number[]> {
  await expect.poll(() => linesOf(of, name, msg).length, { timeout: 40_000 }).toBeGreaterThan(count)
  const times = linesOf(of, name, msg).map(({ ts }) => Date.parse(ts ?? ''))
  return times.slice(1, count + 1).map((time, i) => time - (times[i] ?? 0))
}

describe('a status', () => {
  it('API-05 keeps the conditions that others have set, whether a run succeeds or fails', async () => {
    const repository = await app(cluster, 'shared')
    const foreign = {
      type: 'example.com/Approved',
      status: 'True',
      reason: 'Fine',
      message: 'by hand',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    }
    const refs = ['gitrepository/shared', 'kustomization/shared']
    for (const ref of refs) {
      await cluster.until(ref, isReady())
      const patch = [{ op: 'add', path: '/status/conditions/-', value: foreign }]
      await cluster.kubectl('patch', ref, '--subresource=status', '--type=json', '-p', JSON.stringify(patch))
    }
    const head = await repository.commit({ 'a.yaml': configMap('shared', { x: '2' }) }, 'second')
    await cluster.reconcile('gitrepository/shared')
    await cluster.until('kustomization/shared', isReady(head))
    for (const ref of refs) expect(conditionOf(await cluster.get(ref), foreign.type)).toEqual(foreign)

    await repository.commit({ 'a.yaml': 'kind: [' }, 'broken')
    await cluster.reconcile('gitrepository/shared')
    const failed = await cluster.until('kustomization/shared', hasCondition('Ready', 'False', 'BuildFailed'))
    expect(conditionOf(failed, foreign.type)).toEqual(foreign)
    await repository.remove()
    await cluster.reconcile('gitrepository/shared')
    const gone = await cluster.until('gitrepository/shared', hasCondition('Ready', 'False', 'GitOperationFailed'))
    expect(conditionOf(gone, foreign.type)).toEqual(foreign)
  })

  it('API-03 API-04 observes a generation when it is Ready or Stalled, and not while it is tried again', async () => {
    const repository = await app(cluster, 'observed')
    for (const ref of ['gitrepository/observed', 'kustomization/observed']) {
      const { status, metadata } = await cluster.until(ref, isReady(await repository.head()))
      expect([status?.observedGeneration, metadata.generation]).toEqual([1, 1])
    }
    await cluster.kubectl('patch', 'gitrepository/observed', '--type=merge', '-p', '{"spec":{"ref":{"branch":"nowhere"}}}')
    const failing = await cluster.until('gitrepository/observed', hasCondition('Ready', 'False', 'GitOperationFailed'))
    expect([failing.status?.observedGeneration, failing.metadata.generation]).toEqual([1, 2])
    expect(conditionOf(failing, 'Reconciling')).toMatchObject({
      status: 'True',
      reason: 'ProgressingWithRetry',
      observedGeneration: 2,
    })
    expect(conditionOf(failing, 'FetchFailed')).toMatchObject({ status: 'True', reason: 'GitOperationFailed' })
    // The artifact that is there stays usable.
    expect(failing.status?.artifact?.revision).toBe(`main@sha1:${await repository.head()}`)

    await cluster.kubectl('patch', 'gitrepository/observed', '--type=merge', '-p', '{"spec":{"url":"https://"}}')
    const stalled = await cluster.until('gitrepository/observed', hasCondition('Stalled', 'True', 'URLInvalid'))
    expect([stalled.status?.observedGeneration, stalled.metadata.generation]).toEqual([3, 3])
    expect(conditionOf(stalled, 'Reconciling')).toBeUndefined()
    expect(conditionOf(stalled, 'Ready')).toMatchObject({ status: 'False', reason: 'URLInvalid' })

    await cluster.kubectl('patch', 'kustomization/observed', '--type=merge', '-p', '{"spec":{"path":"./nowhere"}}')
    const lost = await cluster.until('kustomization/observed', hasCondition('Ready', 'False', 'ArtifactFailed'))
    expect([lost.status?.observedGeneration, lost.metadata.generation]).toEqual([1, 2])
  })
})

describe('an object that an older version has written', () => {
  it('API-21 goes on from there: nothing is made anew or deleted', async () => {
    await using own = await openCluster(inject('kubeconfig'), 'api-old')
    const process = await own.startSluice()
    const repository = await app(own, 'old')
    const { metadata } = await own.until('kustomization/old', isReady()).then(() => own.get('configmap/old'))
    expect(await process.stop()).toBe(0)

    const legacy = `main/${await repository.head()}`
    const condition = {
      type: 'Ready',
      status: 'True',
      reason: 'ReconciliationSucceeded',
      message: 'old',
      lastTransitionTime: '2022-01-01T00:00:00Z',
    }
    const patch = (ref: string, status: object) =>
      own.kubectl('patch', ref, '--subresource=status', '--type=merge', '-p', JSON.stringify({ status }))
    const revisions = { lastAppliedRevision: legacy, lastAttemptedRevision: legacy }
    await patch('kustomization/old', { ...revisions, history: null, lastHandledReconcileAt: null, conditions: [condition] })
    const artifact = { revision: legacy, digest: 'sha256:0000', size: null, metadata: null }
    await patch('gitrepository/old', { artifact, conditions: [condition, { ...condition, type: 'ArtifactInStorage' }] })

    await process.start()
    for (const ref of ['gitrepository/old', 'kustomization/old'])
      await own.until(
        ref,
        (live) => isReady(`main@sha1:${legacy.slice(5)}`)(live) && conditionOf(live, 'Ready')?.observedGeneration === 1,
      )
    expect((await own.get('configmap/old')).metadata).toMatchObject({
      uid: metadata.uid,
      resourceVersion: metadata.resourceVersion,
    })
    expect(conditionOf(await own.get('kustomization/old'), 'Ready')?.lastTransitionTime).toBe(condition.lastTransitionTime)
  })
})

describe('reconcile.fluxcd.io/requestedAt', () => {
  it.each([
    ['empty', ''],
    ['garbage', '\u0001\n\t"💥" %s $x </script> __proto__'],
    ['of 256 KiB', 'x'.repeat(256 * 1024 - 200)],
  ])('F-API-07 API-06 %s is a request like any other, and echoed', async (what, value) => {
    const name = `asked-${what.replaceAll(/\W/g, '')}`.toLowerCase()
    await app(cluster, name)
    for (const ref of [`gitrepository/${name}`, `kustomization/${name}`]) {
      await cluster.until(ref, isReady())
      await cluster.reconcile(ref)
      const before = linesOf(sluice, name, 'reconciliation finished').length
      const file = join(await temporaryDirectory('patch'), 'patch.json')
      await writeFile(file, JSON.stringify({ metadata: { annotations: { [requestedAt]: value } } }))
      await cluster.kubectl('patch', ref, '--type=merge', '--patch-file', file)
      const handled = await cluster.until(ref, ({ status }) => (status?.lastHandledReconcileAt ?? '') === value)
      expect(conditionOf(handled, 'Ready')?.status).toBe('True')
      await expect.poll(() => linesOf(sluice, name, 'reconciliation finished').length).toBeGreaterThan(before)
    }
    await cluster.kubectl('delete', 'kustomization', name)
    await cluster.kubectl('delete', 'gitrepository', name)
  })
})

describe('spec.interval', () => {
  it('API-10 is when an object runs again, within the jitter', async () => {
    await using own = await openCluster(inject('kubeconfig'), 'api-interval')
    const jittering = await own.startSluice({ flags: { 'interval-jitter-percentage': '50' } })
    await own.repository('often', { 'a.yaml': configMap('often') })
    const seldom = Array.from({ length: 8 }, (_, i) => `seldom-${i}`)
    const url = own.git.url('often')
    await own.apply(
      own.gitRepository('often', { interval: '1s' }),
      ...seldom.map((name) => own.gitRepository(name, { url, interval: '1h' })),
    )
    for (const gap of await gapsOf(jittering, 'often', 'reconciliation finished', 5)) expect(gap).toBeGreaterThanOrEqual(490)
    for (const name of seldom) await own.until(`gitrepository/${name}`, isReady())
    const planned = seldom.map((name) => Number(linesOf(jittering, name, 'reconciliation finished')[0]?.nextRunMs))
    expect(new Set(planned).size).toBeGreaterThan(1)
    for (const ms of planned) expect(Math.abs(ms - 3_600_000)).toBeLessThanOrEqual(1_800_000)
    expect(Math.max(...planned.map((ms) => Math.abs(ms - 3_600_000)))).toBeGreaterThan(180_000) // more than the default's 5 %
  })

  it('API-10 has a jitter of 5 % by default', async () => {
    await app(cluster, 'jitter')
    await cluster.until('kustomization/jitter', isReady())
    for (const { nextRunMs } of linesOf(sluice, 'jitter', 'reconciliation finished'))
      expect(Math.abs(Number(nextRunMs) - 3_600_000)).toBeLessThanOrEqual(180_000)
  })
})

describe('retries', () => {
  it('API-11 API-12 back off between the bounds after failures, and at a fixed pace while a dependency is missing', async () => {
    await using own = await openCluster(inject('kubeconfig'), 'api-retry')
    const flags = { 'min-retry-delay': '200ms', 'max-retry-delay': '800ms', 'requeue-dependency': '1s' }
    const retrying = await own.startSluice({ flags })
    await own.apply(own.gitRepository('late', { interval: '1h' }))
    const [first = 0, second = 0, third = 0, ...later] = await gapsOf(retrying, 'late', 'reconciliation failed', 7)
    expect(first).toBeGreaterThanOrEqual(195)
    expect(second).toBeGreaterThanOrEqual(315)
    expect(third).toBeGreaterThanOrEqual(635)
    // Without the upper bound the last would be 12.8 s.
    for (const gap of later) expect(gap).toBeGreaterThanOrEqual(635)
    expect(later.at(-1)).toBeLessThan(6_000)

    const repository = await own.repository('late', { 'a.yaml': configMap('late') })
    await own.until('gitrepository/late', isReady(await repository.head()))
    await own.apply(kustomization(own, 'late', { dependsOn: [{ name: 'nobody' }] }))
    const gaps = await gapsOf(retrying, 'late', 'reconciliation waits', 4)
    for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(995)
    expect(Math.max(...gaps)).toBeLessThan(4_000)
    expect((await own.get('kustomization/late')).status?.lastAppliedRevision).toBeUndefined()
    await own.apply(kustomization(own, 'nobody', { sourceRef: { kind: 'GitRepository', name: 'late' }, namePrefix: 'nobody-' }))
    await own.until('kustomization/late', isReady())
  })
})

describe('spec.suspend', () => {
  it('API-09 stops work and keeps the status; a request is only recorded, and resuming works at once', async () => {
    const repository = await app(cluster, 'pause')
    for (const kind of ['gitrepository', 'kustomization']) {
      const ref = `${kind}/pause`
      const before = await cluster.until(ref, isReady(await repository.head()))
      await cluster.kubectl('patch', ref, '--type=merge', '-p', '{"spec":{"suspend":true}}')
      const head = await repository.commit({ 'a.yaml': configMap('pause', { on: kind }) }, `while ${kind} sleeps`)
      await cluster.kubectl('annotate', ref, `${requestedAt}=during-${kind}`, '--overwrite')
      const asleep = await cluster.until(ref, ({ status }) => status?.lastHandledReconcileAt === `during-${kind}`)
      // Its generation is observed, as by Flux: what waits for it, and found it ready, goes on.
      const expected = { ...before.status, observedGeneration: asleep.metadata.generation, lastHandledReconcileAt: 0 }
      expect({ ...asleep.status, lastHandledReconcileAt: 0 }).toEqual(expected)
      if (kind === 'kustomization') await cluster.reconcile('gitrepository/pause')
      await cluster.kubectl('patch', ref, '--type=merge', '-p', '{"spec":{"suspend":null}}')
      await cluster.until(ref, isReady(head))
      await cluster.until('kustomization/pause', isReady(head))
    }
  })
})

describe('deletion', () => {
  it('API-13 releases objects that were deleted before anybody worked on them', async () => {
    await using own = await openCluster(inject('kubeconfig'), 'api-early')
    await own.repository('early', { 'a.yaml': configMap('early') })
    const held = <T extends { metadata: object }>(manifest: T) => ({
      ...manifest,
      metadata: { ...manifest.metadata, finalizers: ['example.com/hold'] },
    })
    await own.apply(held(own.gitRepository('early')), held(kustomization(own, 'early')))
    await own.kubectl('delete', 'gitrepository/early', 'kustomization/early', '--wait=false')
    await own.startSluice()
    const repository = await app(own, 'other')
    await own.until('kustomization/other', isReady(await repository.head()))
    for (const ref of ['gitrepository/early', 'kustomization/early']) {
      const { metadata, status } = await own.get(ref)
      expect(metadata.finalizers).toEqual(['example.com/hold'])
      expect(status).toEqual({ observedGeneration: -1 })
      await own.kubectl('patch', ref, '--type=merge', '-p', '{"metadata":{"finalizers":null}}')
      await own.untilGone(ref)
    }
    await own.untilGone('configmap/early')
  })

  it('API-13 SRC-ART-13 takes along the managed objects and the artifacts', async () => {
    await app(cluster, 'leaving')
    await cluster.until('kustomization/leaving', isReady())
    for (const kind of ['gitrepository', 'kustomization'])
      expect((await cluster.get(`${kind}/leaving`)).metadata.finalizers).toEqual(['finalizers.fluxcd.io'])
    const { url = '' } = (await cluster.get('gitrepository/leaving')).status?.artifact ?? {}
    expect((await fetch(url)).status).toBe(200)
    const folder = join(storagePath, 'gitrepository', cluster.namespace, 'leaving')
    expect(existsSync(folder)).toBe(true)

    await cluster.kubectl('delete', 'kustomization', 'leaving')
    await cluster.untilGone('configmap/leaving')
    await cluster.kubectl('delete', 'gitrepository', 'leaving')
    expect((await fetch(url)).status).toBe(404)
    expect(existsSync(folder)).toBe(false)
  })

  it.each([
    ['the source before the Kustomization', ['gitrepository', 'kustomization']],
    ['the Kustomization before the source', ['kustomization', 'gitrepository']],
  ])('API-13 cleans up when both go together: %s', async (what, kinds) => {
    const name = `both-${kinds[0]}`
    expect(what).toContain(kinds[0] === 'gitrepository' ? 'the source before' : 'before the source')
    await app(cluster, name)
    await cluster.until(`kustomization/${name}`, isReady())
    for (const kind of kinds) await cluster.kubectl('delete', `${kind}/${name}`, '--wait=false')
    for (const kind of kinds) await cluster.untilGone(`${kind}/${name}`)
    await cluster.untilGone(`configmap/${name}`)
    expect(existsSync(join(storagePath, 'gitrepository', cluster.namespace, name))).toBe(false)
  })
})

describe('the label reconcile.fluxcd.io/watch: Enabled', () => {
  it('API-14 on a Secret of variables or of credentials makes a change of it act at once', async () => {
    await using own = await openCluster(inject('kubeconfig'), 'api-watch', {
      git: { auth: { username: 'u', password: 'right' } },
    })
    // Retries and intervals would be much too late.
    await own.startSluice({ flags: { 'min-retry-delay': '10m' } })
    await own.apply(config('Secret', 'login', { username: 'u', password: 'wrong' }), config('Secret', 'vars', { size: 'small' }))
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Flux
    const repository = await own.repository('app', { 'a.yaml': configMap('app', { size: '${size}' }) })
    const postBuild = { substituteFrom: [{ kind: 'Secret', name: 'vars' }] }
    await own.apply(
      own.gitRepository('app', { interval: '1h', secretRef: { name: 'login' } }),
      kustomization(own, 'app', { postBuild }),
    )
    await own.until('gitrepository/app', hasCondition('Ready', 'False', 'AuthenticationFailed'))
    await own.apply(config('Secret', 'login', { username: 'u', password: 'right' }))
    await own.until('gitrepository/app', isReady(await repository.head()))
    await own.until('configmap/app', ({ data }) => data?.size === 'small')
    await own.apply(config('Secret', 'vars', { size: 'large' }))
    await own.until('configmap/app', ({ data }) => data?.size === 'large')
  })

  it('API-15 is replaced by --watch-configs-label-selector', async () => {
    await using own = await openCluster(inject('kubeconfig'), 'api-selector')
    await own.startSluice({ flags: { 'watch-configs-label-selector': 'example.com/reload=yes' } })
    await twoApps(own, { 'example.com/reload': 'yes' })
    await own.apply(
      config('ConfigMap', 'flux-vars', { size: 'large' }),
      config('ConfigMap', 'own-vars', { size: 'large' }, { 'example.com/reload': 'yes' }),
    )
    await own.until('configmap/own-app', ({ data }) => data?.size === 'large')
    expect((await own.get('configmap/flux-app')).data?.size).toBe('small')
    await own.reconcile('kustomization/flux-app')
    expect((await own.get('configmap/flux-app')).data?.size).toBe('large')
  })

  it('API-15 API-20 means nothing with the gate DisableConfigWatchers', async () => {
    await using own = await openCluster(inject('kubeconfig'), 'api-gate')
    const unwatched = await own.startSluice({ flags: { 'feature-gates': 'DisableConfigWatchers=true' } })
    await twoApps(own, watched)
    await own.apply(config('ConfigMap', 'flux-vars', { size: 'large' }))
    const runs = linesOf(unwatched, 'flux-app', 'reconciliation finished').length
    await own.reconcile('kustomization/own-app')
    expect(linesOf(unwatched, 'flux-app', 'reconciliation finished')).toHaveLength(runs)
    expect((await own.get('configmap/flux-app')).data?.size).toBe('small')
    await own.reconcile('kustomization/flux-app')
    expect((await own.get('configmap/flux-app')).data?.size).toBe('large')
  })
})

/** `flux-app` takes its variable from a ConfigMap with Flux's label, `own-app` from one with these labels. */
async function twoApps(own: Cluster, labels: Record<string, string>): Promise<void> {
  await own.apply(config('ConfigMap', 'flux-vars', { size: 'small' }), config('ConfigMap', 'own-vars', { size: 'small' }, labels))
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Flux
  await own.repository('app', { 'a.yaml': configMap('app', { size: '${size}' }) })
  const of = (prefix: string) =>
    kustomization(own, `${prefix}-app`, {
      sourceRef: { kind: 'GitRepository', name: 'app' },
      namePrefix: `${prefix}-`,
      postBuild: { substituteFrom: [{ kind: 'ConfigMap', name: `${prefix}-vars` }] },
    })
  await own.apply(own.gitRepository('app', { interval: '1h' }), of('flux'), of('own'))
  for (const name of ['flux-app', 'own-app']) await own.until(`kustomization/${name}`, isReady())
}

describe('which objects a process works on', () => {
  it('API-16 those of its shard: the main process leaves the others to processes of their own', async () => {
    await using own = await openCluster(inject('kubeconfig'), 'api-shards')
    const ours = `sluice.test/shard=${own.namespace}`
    const main = await own.startSluice({ flags: { 'watch-label-selector': `${ours},!sharding.fluxcd.io/key` } })
    const shard = await own.startSluice({ flags: { 'watch-label-selector': `${ours},sharding.fluxcd.io/key in (shard1)` } })
    const repository = await own.repository('app', { 'a.yaml': configMap('app') })
    const inShard = (manifest: ReturnType<Cluster['kustomization']>, key: string) => ({
      ...manifest,
      metadata: { ...manifest.metadata, labels: { 'sharding.fluxcd.io/key': key } },
    })
    const sharded = kustomization(own, 'sharded', { sourceRef: { kind: 'GitRepository', name: 'app' }, namePrefix: 'sharded-' })
    const nobodys = kustomization(own, 'nobodys', { sourceRef: { kind: 'GitRepository', name: 'app' }, namePrefix: 'nobodys-' })
    await own.apply(own.gitRepository('app'), kustomization(own, 'app'), inShard(sharded, 'shard1'), inShard(nobodys, 'shard2'))
    await own.until('kustomization/app', isReady(await repository.head()))
    // Its source belongs to the main process.
    await own.until('kustomization/sharded', isReady(await repository.head()))
    const head = await repository.commit({ 'a.yaml': configMap('app', { x: '2' }) }, 'second')
    await own.reconcile('gitrepository/app')
    for (const name of ['app', 'sharded']) await own.until(`kustomization/${name}`, isReady(head))
    expect(linesOf(main, 'sharded', 'reconciliation finished')).toEqual([])
    expect(linesOf(shard, 'app', 'reconciliation finished')).toEqual([])
    const { metadata, status } = await own.get('kustomization/nobodys')
    expect([metadata.finalizers, status]).toEqual([undefined, { observedGeneration: -1 }])

    // An object that leaves its shard keeps what it manages, and is gone on with where it comes to.
    const { uid } = (await own.get('configmap/sharded-app')).metadata
    const move = (key: string) => own.kubectl('label', 'kustomization/sharded', `sharding.fluxcd.io/key=${key}`, '--overwrite')
    await move('shard2')
    const third = await repository.commit({ 'a.yaml': configMap('app', { x: '3' }) }, 'third')
    await own.reconcile('gitrepository/app')
    await own.until('kustomization/app', isReady(third))
    expect((await own.get('configmap/sharded-app')).data?.x).toBe('2')
    await move('shard1')
    await own.until('kustomization/sharded', isReady(third))
    expect(await own.get('configmap/sharded-app')).toMatchObject({ metadata: { uid }, data: { x: '3' } })
  })

  it('API-17 those of its own namespace with --watch-all-namespaces=false, with rights in that namespace only', async () => {
    await using own = await openCluster(inject('kubeconfig'), 'api-own')
    await using foreign = await openCluster(inject('kubeconfig'), 'api-foreign')
    const { namespace } = own
    await own.kubectl('create', 'serviceaccount', 'sluice')
    await own.kubectl('create', 'rolebinding', 'sluice', '--clusterrole=cluster-admin', `--serviceaccount=${namespace}:sluice`)
    const flags = { 'watch-all-namespaces': 'false', 'watch-label-selector': 'sluice.test/shard' }
    const kubeconfig = await asServiceAccount(own, 'sluice')
    const limited = await own.startSluice({ kubeconfig, flags, env: { RUNTIME_NAMESPACE: namespace } })
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Flux
    const files = { 'a.yaml': configMap('app', { size: '${size}' }) }
    const postBuild = { substituteFrom: [{ kind: 'ConfigMap', name: 'vars' }] }
    for (const each of [own, foreign]) {
      await each.repository('app', files)
      await each.apply(config('ConfigMap', 'vars', { size: 'small' }))
      await each.apply(each.gitRepository('app', { interval: '1h' }), kustomization(each, 'app', { postBuild }))
    }
    await own.until('configmap/app', ({ data }) => data?.size === 'small')
    await own.apply(config('ConfigMap', 'vars', { size: 'large' }))
    await own.until('configmap/app', ({ data }) => data?.size === 'large')
    expect((await foreign.get('kustomization/app')).status).toEqual({ observedGeneration: -1 })
    expect(limited.logs.filter((line) => line.namespace === foreign.namespace)).toEqual([])
  })
})

/** A kubeconfig of a service account of the cluster's namespace. */
async function asServiceAccount(own: Cluster, account: string): Promise<string> {
  const token = await own.kubectl('create', 'token', account)
  const about = JSON.parse(await own.kubectl('config', 'view', '--raw', '-o', 'json')) as {
    users: { name: string; user: object }[]
  }
  const users = about.users.map(({ name }) => ({ name, user: { token: token.trim() } }))
  const file = join(await temporaryDirectory('account'), 'kubeconfig')
  await writeFile(file, JSON.stringify({ ...about, users }))
  return file
}

describe('the command line', () => {
  const program = join(import.meta.dirname, '../../src/cli/main.ts')
  const refused = (...args: string[]) =>
    run(process.execPath, [program, 'controller', ...args], { env: { ...process.env, RUNTIME_NAMESPACE: '' } }).then(
      () => ({ code: 0, said: '' }),
      (error: Error) => ({ code: (error.cause as { code: number }).code, said: error.message }),
    )

  it.each([
    ['API-19', '--no-such-flag', 'unknown flag: --no-such-flag'],
    ['API-19', '--concurrent=many', 'invalid argument "many" for --concurrent: must be a whole number'],
    ['API-19', '--requeue-dependency=5x', 'invalid argument "5x" for --requeue-dependency'],
    ['API-20', '--feature-gates=NoSuchGate=true', 'feature-gate "NoSuchGate" not supported'],
    ['API-20', '--feature-gates=DisableConfigWatchers=maybe', 'invalid value "maybe" of feature gate DisableConfigWatchers'],
    ['API-17', '--watch-all-namespaces=false', 'RUNTIME_NAMESPACE'],
  ])('%s refuses to start with %s, with exit code 1 and a clear text', async (id, flag, text) => {
    expect(id).toMatch(/^API-\d\d$/)
    const { code, said } = await refused(flag)
    expect(code).toBe(1)
    expect(said).toContain(`sluice: `)
    expect(said).toContain(text)
    expect(said).not.toContain('    at ')
  })

  it('API-19 takes its addresses and paths from the environment variables of Flux', async () => {
    const storage = await temporaryDirectory('storage')
    await using own = await openCluster(inject('kubeconfig'), 'api-env')
    const env = { STORAGE_ADV_ADDR: 'artifacts.example.com', METRICS_ADDR: 'ignored, because the flag is given' }
    await own.startSluice({ storagePath: storage, env })
    await app(own, 'env')
    const source = await own.until('gitrepository/env', isReady())
    expect(source.status?.artifact?.url).toBe(`http://artifacts.example.com/${source.status?.artifact?.path}`)
    expect((await readFile(join(storage, source.status?.artifact?.path ?? ''))).length).toBeGreaterThan(0)
    // It does not download from itself.
    await own.until('kustomization/env', isReady())
  })
})
