/** Kustomizations on a real cluster, from a real Git server. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Flux, not of TypeScript
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type Cluster, conditionOf, hasCondition, isReady, type Live, openCluster } from './harness.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'kustomization')
  await cluster.startSluice({ flags: { 'requeue-dependency': '5s' } })
})

afterAll(() => cluster?.[Symbol.asyncDispose]())

const configMap = (name: string, data: Record<string, string> = {}, metadata = '') =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}${metadata}}\ndata: ${JSON.stringify(data)}\n`

const deployment = (name: string, image = 'registry.example.com/web:v1') => `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec: {containers: [{name: web, image: '${image}'}]}
`

/** A repository and its GitRepository; returns the repository when its artifact is there. */
async function source(name: string, files: Record<string, string>) {
  const repository = await cluster.repository(name, files)
  await cluster.apply(cluster.gitRepository(name))
  return repository
}

/** A Kustomization that puts everything into the test's namespace. */
function apply(name: string, spec: Record<string, unknown> = {}) {
  return cluster.apply(cluster.kustomization(name, { targetNamespace: cluster.namespace, ...spec }))
}

/** Asks the source for the newest commit, as a webhook would. */
const fetchNow = (name: string) => cluster.reconcile(`gitrepository/${name}`)

const inventory = (ks: Live) => ks.status?.inventory?.entries.map(({ id }) => id.split('_')[1]).toSorted()

async function data(name: string): Promise<Readonly<Record<string, string>> | undefined> {
  return (await cluster.get(`configmap/${name}`)).data
}

describe('a Kustomization', () => {
  it('KUS-BLD-01 KUS-BLD-02 KUS-APL-08 KUS-APL-09 KUS-APL-10 KUS-REC-04 applies what its path holds', async () => {
    const repository = await source('basic', {
      'plain/a.yaml': configMap('basic-a', { x: '1' }),
      'plain/nested/b.yml': configMap('basic-b'),
      'built/kustomization.yaml': 'resources: [c.yaml]\nnamePrefix: basic-\n',
      'built/c.yaml': configMap('c'),
      'built/unused.yaml': configMap('unused'),
    })
    await apply('basic', { path: './plain' })
    await apply('basic-built', { path: 'built/', sourceRef: { kind: 'GitRepository', name: 'basic' } })
    const plain = await cluster.until('kustomization/basic', isReady(await repository.head()))
    const built = await cluster.until('kustomization/basic-built', isReady())
    expect(inventory(plain)).toEqual(['basic-a', 'basic-b'])
    expect(inventory(built)).toEqual(['basic-c'])
    expect(plain.status?.inventory?.entries[0]).toEqual({ id: `${cluster.namespace}_basic-a__ConfigMap`, v: 'v1' })
    expect(await data('basic-a')).toEqual({ x: '1' })

    const live = await cluster.get('configmap/basic-a')
    expect(live.metadata.labels).toMatchObject({
      'kustomize.toolkit.fluxcd.io/name': 'basic',
      'kustomize.toolkit.fluxcd.io/namespace': cluster.namespace,
    })
    const revision = `main@sha1:${await repository.head()}`
    expect(conditionOf(plain, 'Ready')).toMatchObject({
      reason: 'ReconciliationSucceeded',
      message: `Applied revision: ${revision}`,
    })
    expect(plain.status).toMatchObject({
      observedGeneration: 1,
      lastAppliedRevision: revision,
      lastAttemptedRevision: revision,
      history: [{ lastReconciledStatus: 'ReconciliationSucceeded', metadata: { revision } }],
    })
    const messages = (await cluster.events('kustomization/basic')).map(({ message }) => message)
    expect(messages).toContainEqual(expect.stringContaining(`ConfigMap/${cluster.namespace}/basic-a created`))
    expect(messages).toContainEqual(expect.stringMatching(/^Reconciliation finished in .*, next run in 5m0s$/))
  })

  it('KUS-REC-03 KUS-PRN-01 F-GC-01 follows a push at once, and prunes what it removes', async () => {
    const repository = await source('push', { 'a.yaml': configMap('push-a', { x: '1' }), 'b.yaml': configMap('push-b') })
    await apply('push')
    await cluster.until('kustomization/push', isReady())
    const next = await repository.commit({ 'a.yaml': configMap('push-a', { x: '2' }), 'b.yaml': null }, 'change')
    await fetchNow('push')
    expect(inventory(await cluster.until('kustomization/push', isReady(next)))).toEqual(['push-a'])
    expect(await data('push-a')).toEqual({ x: '2' })
    await cluster.untilGone('configmap/push-b')

    const broken = await repository.commit({ 'kustomization.yaml': 'resources: [a.yaml, gone.yaml]\n' }, 'break')
    await fetchNow('push')
    const failed = await cluster.until('kustomization/push', hasCondition('Ready', 'False', 'BuildFailed', 'gone.yaml'))
    expect(failed.status?.lastAttemptedRevision).toContain(broken)
    expect(failed.status?.lastAppliedRevision).toContain(next)
    expect(inventory(failed)).toEqual(['push-a'])
    expect(await data('push-a')).toEqual({ x: '2' })

    const mended = await repository.commit({ 'kustomization.yaml': null, 'a.yaml': null, 'README.md': 'empty' }, 'empty')
    await fetchNow('push')
    expect(inventory(await cluster.until('kustomization/push', isReady(mended)))).toEqual([])
    await cluster.untilGone('configmap/push-a')
  })

  it('KUS-BLD-03 KUS-BLD-04 KUS-BLD-05 KUS-BLD-06 KUS-BLD-07 KUS-BLD-08 KUS-BLD-09 builds with the settings of its spec', async () => {
    await source('settings', {
      'app/web.yaml': deployment('web'),
      'extra/kustomization.yaml': 'apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [extra.yaml]\n',
      'extra/extra.yaml': configMap('extra'),
    })
    await apply('settings', {
      path: './app',
      namePrefix: 'set-',
      nameSuffix: '-v1',
      patches: [
        { patch: '- {op: add, path: /spec/replicas, value: 3}', target: { kind: 'Deployment' } },
        { patch: 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {paused: true}' },
      ],
      images: [{ name: 'registry.example.com/web', newTag: 'v2' }],
      components: ['../extra', '../missing'],
      ignoreMissingComponents: true,
      commonMetadata: { labels: { team: 'a' }, annotations: { contact: 'b' } },
      buildMetadata: ['originAnnotations'],
    })
    await cluster.until('kustomization/settings', isReady())
    const web = await cluster.get('deployment/set-web-v1')
    expect(web.spec).toMatchObject({
      replicas: 3,
      paused: true,
      template: { spec: { containers: [{ image: 'registry.example.com/web:v2' }] } },
    })
    expect(web.metadata).toMatchObject({ labels: { team: 'a' }, annotations: { contact: 'b' } })
    expect(web.metadata.annotations?.['config.kubernetes.io/origin']).toContain('web.yaml')
    expect((await cluster.get('configmap/set-extra-v1')).metadata.labels?.team).toBe('a')
  })

  it('KUS-BLD-11 F-KUS-01 F-KUS-02 never leaves the artifact', async () => {
    await source('traverse', {
      'a.yaml': configMap('traverse'),
      'up/kustomization.yaml': 'resources: [../../../../../../../etc/hostname]\n',
    })
    await apply('traverse', { path: '../../../etc' })
    await cluster.until('kustomization/traverse', hasCondition('Ready', 'False', 'ArtifactFailed', "'../../../etc' does not exist"))
    await apply('traverse', { path: './up' })
    await cluster.until('kustomization/traverse', hasCondition('Ready', 'False', 'BuildFailed'))
  })

  it('KUS-REC-01 tries again after retryInterval, and comes back when what was missing is there', async () => {
    await source('retry', {
      'a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: retry, namespace: kustomization-retry}\ndata: {}\n',
    })
    await cluster.apply(cluster.kustomization('retry', { retryInterval: '1s' }))
    await cluster.until('kustomization/retry', hasCondition('Ready', 'False', 'ReconciliationFailed'))
    await cluster.kubectl('create', 'namespace', 'kustomization-retry')
    await cluster.until('kustomization/retry', isReady())
  })
})

describe('variables', () => {
  it('KUS-SUB-01 KUS-SUB-02 KUS-SUB-04 F-VAR-03 API-14 come from the spec, ConfigMaps and Secrets, and changes are seen at once', async () => {
    await source('vars', {
      'a.yaml': configMap('vars', { who: '${name:=nobody}', where: '${region} ${size}', shell: '$HOME $${USER}' }),
      'b.yaml': configMap('vars-raw', { raw: '${undefined}' }, ', annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}'),
    })
    const substituteFrom = [
      { kind: 'ConfigMap', name: 'vars-settings' },
      { kind: 'Secret', name: 'vars-secret', optional: true },
    ]
    await apply('vars', { postBuild: { substitute: { size: 'small' }, substituteFrom } })
    await cluster.until('kustomization/vars', hasCondition('Ready', 'False', 'BuildFailed', `configmaps "vars-settings" not found`))

    const settings = (region: string) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'vars-settings', labels: { 'reconcile.fluxcd.io/watch': 'Enabled' } },
      data: { region },
    })
    await cluster.apply(settings('eu'))
    await cluster.until('kustomization/vars', isReady())
    expect(await data('vars')).toEqual({ who: 'nobody', where: 'eu small', shell: '$HOME ${USER}' })
    expect(await data('vars-raw')).toEqual({ raw: '${undefined}' })
    await cluster.apply(settings('us'))
    await cluster.until('configmap/vars', ({ data }) => data?.where === 'us small')
  })

  it('KUS-SUB-05 KUS-SUB-06 F-VAR-01 that are not set fail the build by name; without any, text stays as it is', async () => {
    const repository = await source('strict', { 'a.yaml': configMap('strict', { x: '${nothing:=default}' }) })
    await apply('strict')
    await cluster.until('kustomization/strict', isReady())
    expect(await data('strict')).toEqual({ x: '${nothing:=default}' })
    await apply('strict', { postBuild: { substituteStrategy: 'Always' } })
    await cluster.until('configmap/strict', ({ data }) => data?.x === 'default')
    await repository.commit({ 'a.yaml': configMap('strict', { x: '${nothing}' }) }, 'undefined')
    await fetchNow('strict')
    const failed = await cluster.until('kustomization/strict', hasCondition('Ready', 'False', 'BuildFailed'))
    expect(conditionOf(failed, 'Ready')?.message).toContain('variable not set (strict mode): "nothing" in data.x (a.yaml)')
  })
})

describe('pruning', () => {
  it('KUS-PRN-02 KUS-PRN-04 leaves objects alone that are marked or belong to somebody else', async () => {
    const repository = await source('keep', {
      'a.yaml': configMap('keep-marked', {}, ', annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}'),
      'b.yaml': configMap('keep-foreign'),
      'c.yaml': configMap('keep-gone'),
      'README.md': '',
    })
    await apply('keep')
    await cluster.until('kustomization/keep', isReady())
    await cluster.kubectl('patch', 'kustomization', 'keep', '--type=merge', '-p', '{"spec":{"suspend":true}}')
    await cluster.kubectl('label', '--overwrite', 'configmap/keep-foreign', 'kustomize.toolkit.fluxcd.io/name=other')
    const empty = await repository.commit({ 'a.yaml': null, 'b.yaml': null, 'c.yaml': null }, 'remove all')
    await fetchNow('keep')
    await cluster.kubectl('patch', 'kustomization', 'keep', '--type=merge', '-p', '{"spec":{"suspend":false}}')
    await cluster.until('kustomization/keep', isReady(empty))
    await cluster.untilGone('configmap/keep-gone')
    await cluster.get('configmap/keep-marked')
    await cluster.get('configmap/keep-foreign')
  })

  it('F-GC-02 does not delete an object that moves to another Kustomization in one commit', async () => {
    const repository = await source('move', {
      'left/x.yaml': configMap('move-x'),
      'left/l.yaml': configMap('move-l'),
      'right/r.yaml': configMap('move-r'),
    })
    const sourceRef = { kind: 'GitRepository', name: 'move' }
    await apply('move-left', { path: './left', sourceRef })
    await apply('move-right', { path: './right', sourceRef })
    await cluster.until('kustomization/move-left', isReady())
    await cluster.until('kustomization/move-right', isReady())
    const { uid } = (await cluster.get('configmap/move-x')).metadata
    const there = await repository.commit({ 'left/x.yaml': null, 'right/x.yaml': configMap('move-x') }, 'move')
    await fetchNow('move')
    await cluster.until('kustomization/move-left', isReady(there))
    await cluster.until('kustomization/move-right', isReady(there))
    const back = await repository.commit({ 'left/x.yaml': configMap('move-x'), 'right/x.yaml': null }, 'move back')
    await fetchNow('move')
    await cluster.until('kustomization/move-left', isReady(back))
    await cluster.until('kustomization/move-right', isReady(back))
    const moved = await cluster.get('configmap/move-x')
    expect(moved.metadata.uid).toBe(uid)
    expect(moved.metadata.labels?.['kustomize.toolkit.fluxcd.io/name']).toBe('move-left')
    expect(inventory(await cluster.reconcile('kustomization/move-right'))).toEqual(['move-r'])
  })

  it.each([
    ['MirrorPrune', true, false],
    ['MirrorPrune', false, true],
    ['Delete', false, false],
    ['WaitForTermination', false, false],
    ['Orphan', true, true],
  ])('KUS-PRN-03 on deletion with %s and prune %s: objects stay: %s', async (deletionPolicy, prune, stays) => {
    const name = `gone-${deletionPolicy.toLowerCase()}-${prune}`
    await source(name, { 'a.yaml': configMap(name) })
    await apply(name, { deletionPolicy, prune })
    await cluster.until(`kustomization/${name}`, isReady())
    await cluster.kubectl('delete', 'kustomization', name)
    const left = await cluster.list('configmaps')
    expect(left.some(({ metadata }) => metadata.name === name && !metadata.deletionTimestamp)).toBe(stays)
  })

  it('KUS-PRN-03 WaitForTermination keeps the Kustomization until its objects are gone', async () => {
    await source('linger', { 'a.yaml': configMap('linger', {}, ', finalizers: [test.example.com/hold]') })
    await apply('linger', { deletionPolicy: 'WaitForTermination' })
    await cluster.until('kustomization/linger', isReady())
    await cluster.kubectl('delete', 'kustomization', 'linger', '--wait=false')
    await cluster.until('configmap/linger', ({ metadata }) => metadata.deletionTimestamp !== undefined)
    expect((await cluster.get('kustomization/linger')).metadata.finalizers).toEqual(['finalizers.fluxcd.io'])
    await cluster.kubectl('patch', 'configmap', 'linger', '--type=merge', '-p', '{"metadata":{"finalizers":null}}')
    await cluster.untilGone('kustomization/linger')
  })

  it('KUS-PRN-03 deletes nothing when a suspended Kustomization is deleted', async () => {
    await source('asleep', { 'a.yaml': configMap('asleep') })
    await apply('asleep')
    await cluster.until('kustomization/asleep', isReady())
    await apply('asleep', { suspend: true })
    await cluster.kubectl('delete', 'kustomization', 'asleep')
    await cluster.get('configmap/asleep')
  })
})

describe('health checks', () => {
  /** What the controllers of a whole cluster would do. */
  const makeReady = async (name: string) => {
    const { metadata } = await cluster.get(`deployment/${name}`)
    const conditions = ['Available', 'Progressing'].map((type) => ({ type, status: 'True', reason: 'NewReplicaSetAvailable' }))
    const counts = { replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 }
    const status = { observedGeneration: metadata.generation, ...counts, conditions }
    await cluster.kubectl('patch', 'deployment', name, '--subresource=status', '--type=merge', '-p', JSON.stringify({ status }))
  }
  const isWaiting = hasCondition('Healthy', 'Unknown', 'Progressing', 'Running health checks for revision')

  it('KUS-HLT-01 KUS-HLT-06 F-APP-16 wait holds Ready back until everything is, and dependents with it', async () => {
    await source('wait', { 'a.yaml': deployment('wait'), 'b.yaml': configMap('wait') })
    await apply('wait', { wait: true })
    const sourceRef = { kind: 'GitRepository', name: 'wait' }
    await apply('wait-next', { sourceRef, dependsOn: [{ name: 'wait' }], namePrefix: 'next-' })
    await cluster.until('kustomization/wait', isWaiting)
    await cluster.until(
      'kustomization/wait-next',
      hasCondition('Ready', 'False', 'DependencyNotReady', `dependency '${cluster.namespace}/wait' is not ready`),
    )
    await makeReady('wait')
    const ready = await cluster.until('kustomization/wait', isReady())
    expect(conditionOf(ready, 'Healthy')).toMatchObject({
      status: 'True',
      reason: 'Succeeded',
      message: expect.stringMatching(/^Health check passed in /),
    })
    await cluster.until('kustomization/wait-next', isReady(), { timeoutMs: 4_000 })
    expect((await cluster.events('kustomization/wait')).map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/^Health check passed in /),
    )
    await apply('wait', { wait: false })
    await cluster.until('kustomization/wait', (object) => isReady()(object) && conditionOf(object, 'Healthy') === undefined)
  })

  it('KUS-HLT-02 KUS-HLT-04 a listed object that has failed ends the wait', async () => {
    await source('listed', { 'a.yaml': configMap('listed'), 'b.yaml': deployment('listed') })
    const healthChecks = [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'listed', namespace: cluster.namespace }]
    await apply('listed', { healthChecks, retryInterval: '1s' })
    await cluster.until('kustomization/listed', isWaiting)
    const conditions = [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: 'too slow' }]
    const status = JSON.stringify({ status: { observedGeneration: 1, conditions } })
    await cluster.kubectl('patch', 'deployment', 'listed', '--subresource=status', '--type=merge', '-p', status)
    const failed = await cluster.until('kustomization/listed', hasCondition('Ready', 'False', 'HealthCheckFailed'))
    expect(conditionOf(failed, 'Ready')?.message).toMatch(
      new RegExp(`^health check failed after .*: failed early due to stalled resources: \\[Deployment/${cluster.namespace}/listed`),
    )
    expect(conditionOf(failed, 'Healthy')).toMatchObject({ status: 'False', reason: 'HealthCheckFailed' })
    await makeReady('listed')
    await cluster.until('kustomization/listed', isReady())
  })

  it('KUS-HLT-05 F-APP-15 a fix, a suspend and a delete end the wait for a broken roll-out at once', async () => {
    const repository = await source('broken', { 'a.yaml': deployment('broken') })
    await apply('broken', { wait: true, timeout: '10m' })
    await cluster.until('kustomization/broken', isWaiting)
    const fix = await repository.commit({ 'a.yaml': configMap('broken-no-more') }, 'fix')
    await fetchNow('broken')
    await cluster.until('kustomization/broken', isReady(fix))

    await repository.commit({ 'a.yaml': deployment('broken') }, 'break')
    await fetchNow('broken')
    await cluster.until('kustomization/broken', isWaiting)
    await apply('broken', { wait: true, timeout: '10m', suspend: true })
    const asleep = await cluster.until('kustomization/broken', hasCondition('Ready', 'False', 'Suspended'))
    expect(asleep.status?.conditions?.map(({ type, status }) => `${type} ${status}`)).toEqual(['Ready False', 'Healthy Unknown'])
    expect(conditionOf(asleep, 'Ready')?.message).toMatch(/^suspended while under way: Running health checks for revision /)
    await apply('broken', { wait: true, timeout: '10m' })
    await cluster.until('kustomization/broken', isWaiting)
    await cluster.kubectl('delete', 'kustomization', 'broken', '--timeout=20s')
    await cluster.untilGone('deployment/broken')
  })

  it('KUS-HLT-04 KUS-REC-02 ends at the timeout, naming what is not ready', async () => {
    await source('slow', { 'a.yaml': deployment('slow') })
    await apply('slow', { wait: true, timeout: '30s' })
    const failed = await cluster.until('kustomization/slow', hasCondition('Ready', 'False', 'HealthCheckFailed'), {
      timeoutMs: 50_000,
    })
    expect(conditionOf(failed, 'Ready')?.message).toContain(
      `timeout waiting for: [Deployment/${cluster.namespace}/slow status: 'InProgress'`,
    )
  })

  it('KUS-HLT-03 healthCheckExprs decide for other kinds', async () => {
    await source('expr', { 'a.yaml': configMap('expr', { phase: 'new' }) })
    const healthCheckExprs = [
      { apiVersion: 'v1', kind: 'ConfigMap', failed: "data.phase == 'broken'", current: "data.phase == 'done'" },
    ]
    await apply('expr', { wait: true, healthCheckExprs })
    await cluster.until('kustomization/expr', isWaiting)
    const broken = await cluster.until('kustomization/expr', isWaiting)
    expect(inventory(broken)).toEqual(['expr'])
    await apply('expr', { wait: true, healthCheckExprs: [{ apiVersion: 'v1', kind: 'ConfigMap', current: "data.phase == 'new'" }] })
    await cluster.until('kustomization/expr', isReady())
    await apply('expr', { wait: true, healthCheckExprs: [{ apiVersion: 'v1', kind: 'ConfigMap', current: 'data.' }] })
    const stalled = await cluster.until('kustomization/expr', hasCondition('Stalled', 'True', 'InvalidCELExpression'))
    expect(stalled.status?.observedGeneration).toBe(stalled.metadata.generation)
  })
})

describe('dependencies', () => {
  it('KUS-DEP-01 KUS-DEP-02 are applied before their dependents at every revision, without waiting for a timer', async () => {
    const files = (x: string) => ({
      'base/a.yaml': configMap('dep-base', { x }),
      'mid/b.yaml': configMap('dep-mid', { x }),
      'app/c.yaml': configMap('dep-app', { x }),
    })
    const repository = await source('dep', files('1'))
    const sourceRef = { kind: 'GitRepository', name: 'dep' }
    await apply('dep-app', { path: './app', sourceRef, dependsOn: [{ name: 'dep-mid' }] })
    await apply('dep-mid', { path: './mid', sourceRef, dependsOn: [{ name: 'dep-base', namespace: cluster.namespace }] })
    await cluster.until(
      'kustomization/dep-mid',
      hasCondition('Ready', 'False', 'DependencyNotReady', `dependency '${cluster.namespace}/dep-base' not found`),
    )
    await apply('dep-base', { path: './base', sourceRef })
    await cluster.until('kustomization/dep-app', isReady(), { timeoutMs: 4_000 })
    const next = await repository.commit(files('2'), 'next')
    await fetchNow('dep')
    await cluster.until('kustomization/dep-app', isReady(next), { timeoutMs: 4_000 })
    const versions = await Promise.all(['base', 'mid', 'app'].map((name) => cluster.get(`configmap/dep-${name}`)))
    const order = versions.map(({ metadata }) => Number(metadata.resourceVersion))
    expect(order).toEqual(order.toSorted((a, b) => a - b))
  })

  it('F-APP-16 in a circle are named with their path', async () => {
    await source('circle', { 'a.yaml': configMap('circle') })
    const sourceRef = { kind: 'GitRepository', name: 'circle' }
    await apply('circle-a', { sourceRef, dependsOn: [{ name: 'circle-b' }] })
    await apply('circle-b', { sourceRef, dependsOn: [{ name: 'circle-a' }] })
    const { namespace } = cluster
    await cluster.until(
      'kustomization/circle-b',
      hasCondition(
        'Ready',
        'False',
        'DependencyNotReady',
        `${namespace}/circle-b -> ${namespace}/circle-a -> ${namespace}/circle-b`,
      ),
    )
    await cluster.kubectl('delete', 'kustomization', 'circle-a', 'circle-b')
  })

  it('KUS-DEP-01 F-APP-16 readyExpr replaces the built-in check', async () => {
    await source('ready', { 'a.yaml': configMap('ready') })
    await apply('ready-base', { path: './gone', sourceRef: { kind: 'GitRepository', name: 'ready' } })
    const dependsOn = (readyExpr: string) => [{ name: 'ready-base', readyExpr }]
    const ofReady = (readyExpr: string) => apply('ready', { dependsOn: dependsOn(readyExpr) })
    await ofReady("dep.metadata.?labels['go'].orValue('') == 'yes'")
    await cluster.until(
      'kustomization/ready',
      hasCondition('Ready', 'False', 'DependencyNotReady', 'is not ready according to readyExpr eval'),
    )
    await cluster.kubectl('label', 'kustomization/ready-base', 'go=yes')
    await cluster.until('kustomization/ready', isReady(), { timeoutMs: 4_000 })
    await ofReady('dep.')
    await cluster.until('kustomization/ready', hasCondition('Stalled', 'True', 'InvalidCELExpression'))
  })
})
