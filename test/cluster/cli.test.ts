/**
 * What the `flux` CLI and kubectl read and write, on objects that the whole program works on, field by field: each test does what a
 * command does. The command itself is run in flux-cli*.test.ts.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { kstatusOf } from '../tools/kstatus.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { type Claim, type Cluster, conditionOf, hasCondition, isReady, type Live, openCluster, type Sluice } from './harness.ts'

const requestedAt = 'reconcile.fluxcd.io/requestedAt'

let cluster: Cluster
let sluice: Sluice
/** Of `apps`: a source and a Kustomization that are applied before the tests begin. */
let revision: string

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'cli')
  sluice = await cluster.startSluice({ flags: { 'requeue-dependency': '5s' } })
  const repository = await cluster.repository('apps', { 'app/all.yaml': manifests })
  revision = `main@sha1:${await repository.head()}`
  await cluster.apply(cluster.gitRepository('apps'), apps())
  await cluster.until('kustomization/apps', isReady())
})

afterAll(() => cluster?.[Symbol.asyncDispose]())

const manifests = `apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: '1'}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: 'cli:reader'}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [get]}]
`

function apps() {
  return cluster.kustomization('apps', { path: './app', targetNamespace: cluster.namespace })
}

/** A Kustomization of `apps` under another name. */
function another(name: string, spec: Readonly<Record<string, unknown>> = {}) {
  return cluster.kustomization(name, {
    path: './app',
    targetNamespace: cluster.namespace,
    namePrefix: `${name}-`,
    sourceRef: { kind: 'GitRepository', name: 'apps' },
    ...spec,
  })
}

/** RFC 3339 with nanoseconds, as the CLI writes requestedAt. */
function nanoseconds(): string {
  const digits = String(process.hrtime.bigint() % 1_000_000_000n).padStart(9, '0')
  return new Date().toISOString().replace(/\.\d+Z$/, `.${digits}Z`)
}

function mergePatch(ref: string, patch: object): Promise<string> {
  return cluster.kubectl('patch', ref, '--type=merge', '-p', JSON.stringify(patch))
}

/** What `flux reconcile` waits for: the request is handled (that is, differs from before), and kstatus says Current or Failed. */
function isHandled(before: Live): Claim {
  return (object) =>
    object.status?.lastHandledReconcileAt !== before.status?.lastHandledReconcileAt &&
    ['Current', 'Failed'].includes(kstatusOf(object).status)
}

/** `flux reconcile`: annotates, waits, and returns the object with the request. */
async function reconcile(ref: string): Promise<{ object: Live; request: string }> {
  const before = await cluster.get(ref)
  const request = nanoseconds()
  await mergePatch(ref, { metadata: { annotations: { [requestedAt]: request } } })
  return { object: await cluster.until(ref, isHandled(before)), request }
}

/** What `flux create` and `flux resume` wait for. */
const isSettled: Claim = (object) => {
  const ready = conditionOf(object, 'Ready')
  const { generation } = object.metadata
  const observed = ready?.observedGeneration ?? object.status?.observedGeneration
  if ((object.status?.observedGeneration ?? 0) < 1 || observed !== generation) return false
  return kstatusOf(object).status === 'Current'
}

/** The rows of a table that kubectl prints, by column. Cells hold no double space. */
function rowsOf(table: string): Record<string, string>[] {
  const [header = '', ...lines] = table.trimEnd().split('\n')
  const columns = header.split(/\s{2,}/)
  return lines.map((line) => Object.fromEntries(line.split(/\s{2,}/).map((cell, i) => [columns[i] ?? '', cell.trim()])))
}

describe('flux get', () => {
  it('API-01 shows sources and Kustomizations in kubectl with their columns, by their short names and categories', async () => {
    const sources = rowsOf(await cluster.kubectl('get', 'gitrepo'))
    const message = `stored artifact for revision '${revision}'`
    expect(sources).toContainEqual({
      NAME: 'apps',
      URL: cluster.git.url('apps'),
      AGE: expect.stringMatching(/^\d+[sm]/),
      READY: 'True',
      STATUS: message,
    })
    expect(rowsOf(await cluster.kubectl('get', 'ks', 'apps'))).toEqual([
      { NAME: 'apps', AGE: expect.stringMatching(/^\d+[sm]/), READY: 'True', STATUS: `Applied revision: ${revision}` },
    ])
    const all = await cluster.kubectl('get', 'fluxcd', '-o', 'name')
    expect(all).toContain('gitrepository.source.toolkit.fluxcd.io/apps\n')
    expect(all).toContain('kustomization.kustomize.toolkit.fluxcd.io/apps\n')
  })

  it('API-03 API-04 reads revision, suspension, readiness and message', async () => {
    const source = await cluster.get('gitrepository/apps')
    expect(source.status?.artifact).toMatchObject({
      revision,
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      path: expect.stringMatching(new RegExp(`^gitrepository/${cluster.namespace}/apps/[0-9a-f]{40}\\.tar\\.gz$`)),
      size: expect.any(Number),
      lastUpdateTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    })
    expect(source.status?.artifact?.url).toBe(`${sluice.address('artifacts')}/${source.status?.artifact?.path}`)
    expect(source.spec?.suspend ?? false).toBe(false)
    expect(conditionsOf(source)).toEqual([
      ['Ready', 'True', 'Succeeded', `stored artifact for revision '${revision}'`, 1],
      ['ArtifactInStorage', 'True', 'Succeeded', `stored artifact for revision '${revision}'`, 1],
    ])
    expect(kstatusOf(source).status).toBe('Current')

    const ks = await cluster.get('kustomization/apps')
    expect(ks.status).toMatchObject({ observedGeneration: 1, lastAppliedRevision: revision, lastAttemptedRevision: revision })
    expect(conditionsOf(ks)).toEqual([['Ready', 'True', 'ReconciliationSucceeded', `Applied revision: ${revision}`, 1]])
    expect(kstatusOf(ks).status).toBe('Current')
  })

  it('API-04 an object that nobody has worked on yet has observed no generation, and kstatus says that it is in progress', async () => {
    const { metadata, ...rest } = another('foreign')
    await cluster.kubectl.apply({ ...rest, metadata: { ...metadata, labels: { 'sluice.test/shard': 'nobody' } } })
    const fresh = await cluster.get('kustomization/foreign')
    expect(fresh.status).toEqual({ observedGeneration: -1 })
    expect(kstatusOf(fresh).status).toBe('InProgress')
    await cluster.kubectl('delete', 'kustomization', 'foreign')
  })
})

describe('flux reconcile', () => {
  it('API-03 API-06 GitRepository: handles the request, and is Current with the newest revision', async () => {
    const repository = await cluster.repository('fetched', { 'a.yaml': '' })
    await cluster.apply(cluster.gitRepository('fetched', { interval: '1h' }))
    await cluster.until('gitrepository/fetched', isSettled)
    const commit = await repository.commit({ 'b.yaml': '' }, 'second')
    const { object, request } = await reconcile('gitrepository/fetched')
    expect(object.status?.lastHandledReconcileAt).toBe(request)
    expect(object.status?.artifact?.revision).toBe(`main@sha1:${commit}`)
    expect(conditionOf(object, 'Ready')?.status).toBe('True')
    const again = await reconcile('gitrepository/fetched')
    expect(again.object.status?.artifact).toEqual(object.status?.artifact)
  })

  it('API-06 --with-source: the source first, then the Kustomization, which has the new revision then', async () => {
    const repository = await cluster.repository('both', { 'a.yaml': configMap('both', '1') })
    await cluster.apply(
      cluster.gitRepository('both', { interval: '1h' }),
      cluster.kustomization('both', { targetNamespace: cluster.namespace, interval: '1h' }),
    )
    await cluster.until('kustomization/both', isSettled)
    const commit = await repository.commit({ 'a.yaml': configMap('both', '2') }, 'second')
    const source = await reconcile('gitrepository/both')
    expect(source.object.status?.artifact?.revision).toBe(`main@sha1:${commit}`)
    const { object, request } = await reconcile('kustomization/both')
    expect(object.status).toMatchObject({ lastHandledReconcileAt: request, lastAppliedRevision: `main@sha1:${commit}` })
    expect(conditionOf(object, 'Ready')?.status).toBe('True')
    expect((await cluster.get('configmap/both')).data?.version).toBe('2')
  })

  it('API-03 API-06 a failing object: the request is recorded, and kstatus waits with the reason, because it is tried again', async () => {
    await cluster.apply(
      cluster.gitRepository('missing'),
      another('broken', { path: './nowhere' }),
      another('orphan', { sourceRef: { kind: 'GitRepository', name: 'nobody' } }),
    )
    const failed: Record<string, readonly [reason: string, message: string | RegExp]> = {
      'gitrepository/missing': [
        'GitOperationFailed',
        /^failed to checkout and determine revision: unable to clone '.*\/missing.*'/,
      ],
      'kustomization/broken': ['ArtifactFailed', /^kustomization path not found: /],
      'kustomization/orphan': ['ArtifactFailed', 'GitRepository.source.toolkit.fluxcd.io "nobody" not found'],
    }
    for (const [ref, [reason, message]] of Object.entries(failed)) {
      const request = nanoseconds()
      await mergePatch(ref, { metadata: { annotations: { [requestedAt]: request } } })
      const object = await cluster.until(
        ref,
        (live) => live.status?.lastHandledReconcileAt === request && hasCondition('Ready', 'False', reason, message)(live),
      )
      expect(object.status?.observedGeneration).toBe(-1)
      expect(kstatusOf(object).status).toBe('InProgress')
      expect(conditionOf(object, 'Stalled')).toBeUndefined()
    }
    for (const ref of ['gitrepository/missing', 'kustomization/broken'])
      expect(conditionOf(await cluster.get(ref), 'Reconciling')).toMatchObject({ status: 'True', reason: 'ProgressingWithRetry' })
    // Its work had not begun.
    expect(conditionOf(await cluster.get('kustomization/orphan'), 'Reconciling')).toBeUndefined()
  })

  it('API-03 KUS-HLT-06 an object that waits for health: kstatus tells what for, and is Current when it is over', async () => {
    await cluster.repository('health', {
      'a.yaml': `apiVersion: apps/v1
kind: Deployment
metadata: {name: health}
spec:
  selector: {matchLabels: {app: health}}
  template: {metadata: {labels: {app: health}}, spec: {containers: [{name: web, image: 'registry.example.com/web:v1'}]}}
`,
    })
    await cluster.apply(
      cluster.gitRepository('health'),
      cluster.kustomization('health', { targetNamespace: cluster.namespace, wait: true }),
    )
    const waiting = await cluster.until('kustomization/health', hasCondition('Healthy', 'Unknown'))
    const of = (await cluster.get('gitrepository/health')).status?.artifact?.revision
    const running = `Running health checks for revision ${of} with a timeout of 4m30s`
    expect(conditionsOf(waiting)).toEqual([
      ['Reconciling', 'True', 'Progressing', running, 1],
      ['Ready', 'Unknown', 'Progressing', 'Reconciliation in progress', 1],
      ['Healthy', 'Unknown', 'Progressing', running, 1],
    ])
    expect([waiting.status?.observedGeneration, waiting.status?.lastAttemptedRevision]).toEqual([-1, of])
    expect(kstatusOf(waiting)).toMatchObject({ status: 'InProgress' })

    const conditions = ['Available', 'Progressing'].map((type) => ({ type, status: 'True', reason: 'NewReplicaSetAvailable' }))
    const counts = { observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 }
    const patch = JSON.stringify({ status: { ...counts, conditions } })
    await cluster.kubectl('patch', 'deployment/health', '--subresource=status', '--type=merge', '-p', patch)
    const settled = await cluster.until('kustomization/health', isSettled)
    expect(conditionsOf(settled)).toEqual([
      ['Ready', 'True', 'ReconciliationSucceeded', `Applied revision: ${of}`, 1],
      ['Healthy', 'True', 'Succeeded', expect.stringMatching(/^Health check passed in \d\S*s$/), 1],
    ])
  })

  it('API-03 API-06 a stalled object: the request is recorded, and kstatus ends the wait with its message', async () => {
    await cluster.apply(
      another('stalled', { healthCheckExprs: [{ apiVersion: 'example.com/v1', kind: 'Thing', current: 'status.x ==' }] }),
    )
    await cluster.until('kustomization/stalled', hasCondition('Stalled', 'True', 'InvalidCELExpression'))
    const { object, request } = await reconcile('kustomization/stalled')
    expect(object.status?.lastHandledReconcileAt).toBe(request)
    expect(kstatusOf(object)).toEqual({
      status: 'Failed',
      message: expect.stringMatching(/^Reconciliation failed terminally due to configuration error: /),
    })
    // A CEL error counts as observed: only an edit can help.
    expect(object.status?.observedGeneration).toBe(object.metadata.generation)
    expect(conditionOf(object, 'Ready')).toMatchObject({ status: 'False', reason: 'InvalidCELExpression' })
  })
})

describe('flux suspend and flux resume', () => {
  it.each(['gitrepository', 'kustomization'])(
    'API-06 API-09 %s: a suspended object keeps its status and records requests; a resumed one is worked on at once',
    async (kind) => {
      const name = `paused-${kind}`
      const repository = await cluster.repository(name, { 'a.yaml': configMap(name, '1') })
      await cluster.apply(
        cluster.gitRepository(name, { interval: '1h' }),
        cluster.kustomization(name, { targetNamespace: cluster.namespace, interval: '1h' }),
      )
      const ref = `${kind}/${name}`
      const before = await cluster.until(ref, isSettled)
      await cluster.until(`kustomization/${name}`, isSettled)
      await mergePatch(ref, { spec: { suspend: true } })
      await sluice.untilLog((line) => line.name === name && line.controllerKind === before.kind && line.msg.includes('suspended'))
      const commit = await repository.commit({ 'a.yaml': configMap(name, '2') }, 'second')

      const request = nanoseconds()
      await mergePatch(ref, { metadata: { annotations: { [requestedAt]: request } } })
      const asleep = await cluster.until(ref, (live) => live.status?.lastHandledReconcileAt === request)
      expect(asleep.spec?.suspend).toBe(true)
      expect({ ...asleep.status, lastHandledReconcileAt: undefined }).toEqual({
        ...before.status,
        observedGeneration: asleep.metadata.generation,
        lastHandledReconcileAt: undefined,
      })
      if (kind === 'kustomization') await reconcile(`gitrepository/${name}`)
      expect((await cluster.get(`configmap/${name}`)).data?.version).toBe('1')

      await mergePatch(ref, { spec: { suspend: false } })
      const awake = await cluster.until(ref, isSettled)
      expect(awake.status?.observedGeneration).toBe(awake.metadata.generation)
      expect(conditionOf(awake, 'Ready')?.observedGeneration).toBe(awake.metadata.generation)
      expect(JSON.stringify(awake.status)).toContain(commit)
    },
  )
})

describe('flux tree', () => {
  it('KUS-APL-10 finds every managed object from the ids of the inventory', async () => {
    const { status } = await cluster.get('kustomization/apps')
    const { namespace } = cluster
    expect(status?.inventory?.entries.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
      { id: `${namespace}_cli__reader_rbac.authorization.k8s.io_Role`, v: 'v1' },
      { id: `${namespace}_settings__ConfigMap`, v: 'v1' },
      { id: `${namespace}_web__Service`, v: 'v1' },
    ])
  })
})

describe('flux trace', () => {
  it('KUS-APL-08 climbs from a managed object by its labels to the Kustomization and on to its source', async () => {
    const labels = (await cluster.get('configmap/settings')).metadata.labels ?? {}
    const name = labels['kustomize.toolkit.fluxcd.io/name']
    const namespace = labels['kustomize.toolkit.fluxcd.io/namespace'] ?? ''
    const ks = await cluster.get(`kustomization/${name}`, { namespace })
    expect(ks.spec).toMatchObject({ path: './app', targetNamespace: cluster.namespace })
    expect(ks.status?.lastAppliedRevision).toBe(revision)
    const sourceRef = ks.spec?.sourceRef as { kind: string; name: string } | undefined
    const source = await cluster.get(`${sourceRef?.kind}/${sourceRef?.name}`, { namespace })
    expect(source.spec).toMatchObject({ url: cluster.git.url('apps'), ref: { branch: 'main' } })
    expect(source.status?.artifact?.revision).toBe(revision)
    expect(conditionOf(source, 'Ready')?.message).toBe(`stored artifact for revision '${revision}'`)
  })
})

interface ClusterEvent {
  readonly type: string
  readonly reason: string
  readonly message: string
  readonly source: { readonly component: string }
  readonly reportingComponent: string
  readonly count: number
  readonly firstTimestamp: string
  readonly lastTimestamp: string
  readonly involvedObject: { readonly kind: string; readonly name: string; readonly uid: string; readonly apiVersion: string }
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }
}

/** The Events that `flux events --for Kind/name` reads. */
async function eventsOf(kind: string, name: string): Promise<readonly ClusterEvent[]> {
  const selector = `involvedObject.kind=${kind},involvedObject.name=${name}`
  return (await cluster.kubectl.json<{ items: ClusterEvent[] }>('get', 'events', '--field-selector', selector)).items
}

describe('flux events', () => {
  it('OBS-01 OBS-02 finds what happened to a source and its Kustomization, with reasons and revisions', async () => {
    const repository = await cluster.repository('told', { 'a.yaml': configMap('told', '1'), 'b.yaml': configMap('told-b', '1') })
    await cluster.apply(cluster.gitRepository('told'), cluster.kustomization('told', { targetNamespace: cluster.namespace }))
    await cluster.until('kustomization/told', isSettled)
    const first = `main@sha1:${await repository.head()}`
    await repository.commit({ 'a.yaml': configMap('told', '2'), 'b.yaml': null }, 'second')
    await reconcile('gitrepository/told')
    await reconcile('kustomization/told')
    const second = `main@sha1:${await repository.head()}`
    await repository.commit({ 'a.yaml': 'kind: Nonsense\n' }, 'third\n\nwith a body')
    await reconcile('gitrepository/told')
    await cluster.until('kustomization/told', hasCondition('Ready', 'False', 'BuildFailed'))
    const third = `main@sha1:${await repository.head()}`
    await untilEvents('Kustomization', 'told', (all) => all.some(({ reason }) => reason === 'BuildFailed'))
    await untilEvents('GitRepository', 'told', (all) => all.some(({ message }) => message.includes('third')))

    const source = await eventsOf('GitRepository', 'told')
    const digest = (await cluster.get('gitrepository/told')).status?.artifact?.digest ?? ''
    for (const event of source) {
      expect(event).toMatchObject({
        type: 'Normal',
        source: { component: 'source-controller' },
        reportingComponent: 'source-controller',
      })
      expect(event.involvedObject).toMatchObject({ apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'GitRepository', name: 'told' })
    }
    expect(
      source
        .filter(({ reason }) => reason === 'NewArtifact')
        .map(({ message }) => message)
        .toSorted(),
    ).toEqual([
      "stored artifact for commit 'first commit'",
      "stored artifact for commit 'second'",
      "stored artifact for commit 'third'",
    ])
    expect(source.find(({ message }) => message.includes("'third'"))?.metadata.annotations).toEqual({
      'source.toolkit.fluxcd.io/revision': third,
      'source.toolkit.fluxcd.io/digest': digest,
    })

    const applied = await eventsOf('Kustomization', 'told')
    const told = applied.map(({ type, reason, message, metadata }) => [
      type,
      reason,
      message.replace(/finished in \S+?,/, 'finished in …,'),
      metadata.annotations?.['kustomize.toolkit.fluxcd.io/revision'],
    ])
    const of = (name: string) => `ConfigMap/${cluster.namespace}/${name}`
    expect(told).toContainEqual(['Normal', 'Progressing', `${of('told')} created\n${of('told-b')} created`, first])
    expect(told).toContainEqual(['Normal', 'ReconciliationSucceeded', 'Reconciliation finished in …, next run in 5m0s', first])
    expect(told).toContainEqual(['Normal', 'Progressing', `${of('told')} configured`, second])
    expect(told).toContainEqual(['Normal', 'Progressing', `${of('told-b')} deleted`, second])
    expect(told).toContainEqual(['Warning', 'BuildFailed', expect.stringContaining('a.yaml'), third])
    for (const event of applied) {
      expect(event).toMatchObject({ source: { component: 'kustomize-controller' }, count: expect.any(Number) })
      expect(event.involvedObject.uid).toBe((await cluster.get('kustomization/told')).metadata.uid)
    }
    const finished = applied.find(({ reason }) => reason === 'ReconciliationSucceeded')
    expect(finished?.metadata.annotations?.['kustomize.toolkit.fluxcd.io/commit_status']).toBe('update')
  })

  it('OBS-01 says why a Kustomization waits for another', async () => {
    await cluster.apply(another('waits', { dependsOn: [{ name: 'nobody' }] }))
    await cluster.until('kustomization/waits', hasCondition('Ready', 'False', 'DependencyNotReady'))
    expect(conditionOf(await cluster.get('kustomization/waits'), 'Ready')?.message).toBe(
      `dependency '${cluster.namespace}/nobody' not found: kustomizations.kustomize.toolkit.fluxcd.io "nobody" not found`,
    )
    const events = await untilEvents('Kustomization', 'waits', (all) => all.length > 0)
    expect(events[0]).toMatchObject({
      type: 'Normal',
      reason: 'DependencyNotReady',
      message: 'Dependencies do not meet ready condition, retrying in 5s',
    })
  })

  it('OBS-01 tells of failed fetches as warnings, with the reason of the condition', async () => {
    await cluster.apply(cluster.gitRepository('never'))
    const failed = await cluster.until('gitrepository/never', hasCondition('Ready', 'False', 'GitOperationFailed'))
    const [event] = await untilEvents('GitRepository', 'never', (all) => all.length > 0)
    expect(event).toMatchObject({ type: 'Warning', reason: 'GitOperationFailed', message: conditionOf(failed, 'Ready')?.message })
  })
})

/** Events follow the status: they are posted off the critical path. */
async function untilEvents(kind: string, name: string, fits: (events: readonly ClusterEvent[]) => boolean) {
  await cluster.until(`${kind}/${name}`, () => true)
  await expect.poll(async () => fits(await eventsOf(kind, name)), { timeout: 20_000 }).toBe(true)
  return eventsOf(kind, name)
}

describe('flux logs', () => {
  it('OBS-12 reads every line: JSON with a level, a time, a message and the object that it is about', async () => {
    const finished = await sluice.untilLog((line) => line.name === 'apps' && line.msg === 'reconciliation finished')
    expect(finished).toMatchObject({
      level: 'info',
      namespace: cluster.namespace,
      reconcileID: expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
    for (const [kind, controller, group] of [
      ['GitRepository', 'gitrepository', 'source.toolkit.fluxcd.io'],
      ['Kustomization', 'kustomization', 'kustomize.toolkit.fluxcd.io'],
    ] as const) {
      const line = sluice.logs.find((one) => one.controllerKind === kind && one.name === 'apps')
      expect(line).toMatchObject({ controller, controllerGroup: group, [kind]: { name: 'apps', namespace: cluster.namespace } })
    }
    for (const line of sluice.logs) {
      expect(['debug', 'info', 'error']).toContain(line.level)
      expect(line.ts).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      expect(line.msg).not.toBe('')
      if (line.reconcileID !== undefined) expect([line.namespace, typeof line.name]).toEqual([cluster.namespace, 'string'])
    }
    const failed = await sluice.untilLog((line) => line.level === 'error' && line.controllerKind === 'GitRepository')
    expect(failed).toMatchObject({ msg: 'reconciliation failed', error: expect.any(String) })
  })
})

describe('flux check', () => {
  it('API-21 finds every CRD stored in the version of Flux 2.9', async () => {
    const crds = {
      'gitrepositories.source.toolkit.fluxcd.io': ['v1'],
      'kustomizations.kustomize.toolkit.fluxcd.io': ['v1'],
    }
    for (const [name, versions] of Object.entries(crds))
      expect(await cluster.kubectl.json('get', 'crd', name)).toMatchObject({ status: { storedVersions: versions } })
  })
})

describe('kube-state-metrics', () => {
  /** Source: the paths of gotk_resource_info in the configuration of fluxcd/flux2-monitoring-example. */
  const at = (object: Live, ...path: string[]): unknown =>
    path.reduce<unknown>((value, part) => {
      const type = /^\[type=(.+)\]$/.exec(part)?.[1]
      if (type) return (value as readonly { type: string }[] | undefined)?.find((one) => one.type === type)
      return (value as Readonly<Record<string, unknown>> | undefined)?.[part]
    }, object)

  it('OBS-08 finds what gotk_resource_info shows', async () => {
    const shared = (object: Live) => ({
      name: at(object, 'metadata', 'name'),
      exported_namespace: at(object, 'metadata', 'namespace'),
      ready: at(object, 'status', 'conditions', '[type=Ready]', 'status'),
      suspended: at(object, 'spec', 'suspend'),
    })
    const expected = { name: 'apps', exported_namespace: cluster.namespace, ready: 'True', suspended: undefined }
    const source = await cluster.get('gitrepository/apps')
    expect({ ...shared(source), revision: at(source, 'status', 'artifact', 'revision'), url: at(source, 'spec', 'url') }).toEqual({
      ...expected,
      revision,
      url: cluster.git.url('apps'),
    })
    const ks = await cluster.get('kustomization/apps')
    const ofKustomization = {
      revision: at(ks, 'status', 'lastAppliedRevision'),
      source_name: at(ks, 'spec', 'sourceRef', 'name'),
    }
    expect({ ...shared(ks), ...ofKustomization }).toEqual({ ...expected, revision, source_name: 'apps' })
  })
})

describe('flux diff kustomization', () => {
  it('KUS-APL-02 KUS-APL-03 a dry-run apply as kustomize-controller of what is applied changes nothing', async () => {
    await cluster.until('kustomization/apps', isReady())
    for (const ref of ['configmap/settings', 'service/web', 'role/cli:reader']) {
      const live = await cluster.get(ref)
      const { apiVersion, kind, metadata } = live
      const parts = manifests.split('---\n').find((text) => text.includes(`kind: ${kind}\n`)) ?? ''
      const labels = {
        'kustomize.toolkit.fluxcd.io/name': 'apps',
        'kustomize.toolkit.fluxcd.io/namespace': cluster.namespace,
      }
      const file = join(await temporaryDirectory('diff'), 'object.yaml')
      const head = `labels: ${JSON.stringify(labels)}, namespace: ${cluster.namespace}`
      await writeFile(file, parts.replace('metadata: {', `metadata: {${head}, `))
      const merged = await cluster.kubectl.json<Live>(
        ...['apply', '--server-side', '--dry-run=server', '--force-conflicts', '--field-manager=kustomize-controller', '-f', file],
      )
      expect({ apiVersion, kind, name: metadata.name }).toEqual({
        apiVersion: merged.apiVersion,
        kind: merged.kind,
        name: merged.metadata.name,
      })
      expect(withoutRecords(merged)).toEqual(withoutRecords(live))
    }
  })
})

/** What `flux diff` compares. */
function withoutRecords({ metadata, ...object }: Live) {
  const { resourceVersion: _, generation: __, ...kept } = metadata
  return { ...object, metadata: kept }
}

function conditionsOf(object: Live) {
  return object.status?.conditions?.map(({ type, status, reason, message, observedGeneration }) => [
    type,
    status,
    reason,
    message,
    observedGeneration,
  ])
}

function configMap(name: string, version: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {version: '${version}'}\n`
}
