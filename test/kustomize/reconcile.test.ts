import { beforeEach, describe, expect, it } from 'vitest'
import type { KustomizationSpec } from '../../src/api/kustomization.ts'
import { HealthError } from '../../src/kube/applier.ts'
import { ArtifactUnavailable } from '../../src/runtime/artifacts.ts'
import { kustomization } from './objects.ts'
import { World } from './world.ts'

const configMap = (name: string, data = '') =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {value: "${data}"}\n`

let world: World
const add = (name: string, spec: Partial<KustomizationSpec> = {}) =>
  world.kustomizations.put(kustomization(name, { path: `./${name}`, ...spec }))

beforeEach(() => {
  world = new World()
})

describe('a run', () => {
  beforeEach(async () => {
    await world.commit('main@sha1:1', { 'apps/a.yaml': configMap('a'), 'apps/b.yaml': configMap('b') })
    add('apps')
  })

  it('KUS-BLD-02 KUS-APL-09 KUS-APL-10 KUS-REC-04 applies what the source builds and says so', async () => {
    const run = await world.run('apps')
    expect(run.outcome).toMatchObject({
      ready: { reason: 'ReconciliationSucceeded', message: 'Applied revision: main@sha1:1' },
      requeueAfterMs: 600_000,
      event: {
        message: 'Reconciliation finished in 0s, next run in 10m0s',
        metadata: { revision: 'main@sha1:1', commit_status: 'update' },
      },
    })
    expect(run.events).toEqual([
      {
        severity: 'info',
        reason: 'Progressing',
        message: 'ConfigMap/a created\nConfigMap/b created',
        metadata: { revision: 'main@sha1:1' },
      },
    ])
    expect(run.status()).toMatchObject({
      lastAppliedRevision: 'main@sha1:1',
      lastAttemptedRevision: 'main@sha1:1',
      history: [{ lastReconciledStatus: 'ReconciliationSucceeded', metadata: { revision: 'main@sha1:1' } }],
    })
    expect(run.inventory()).toEqual(['a', 'b'])
    expect(run.progress).toEqual([
      'Fetching manifests for revision main@sha1:1 with a timeout of 9m30s',
      'Building manifests for revision main@sha1:1 with a timeout of 9m30s',
      'Detecting drift for revision main@sha1:1 with a timeout of 9m30s',
    ])
    expect(run.applyStatus).toEqual(['success'])
  })

  it('records what it may create before it creates it', async () => {
    await world.run('apps')
    expect(world.applier.log).toEqual(['record a b', 'apply flux/apps', 'record a b'])
  })

  it('KUS-PRN-01 F-GC-01 prunes what has left the source, also when nothing is left', async () => {
    await world.run('apps')
    await world.commit('main@sha1:2', { 'apps/a.yaml': configMap('a') })
    world.applier.log.length = 0
    const run = await world.run('apps')
    expect(world.applier.log).toEqual(['apply flux/apps', 'prune b', 'record a'])
    expect(run.events.at(-1)?.message).toBe('ConfigMap/b deleted')
    await world.commit('main@sha1:3', { 'apps/README.md': '' })
    expect((await world.run('apps')).inventory()).toEqual([])
    expect(world.applier.names()).toEqual([])
  })

  it('F-GC-01 prunes nothing while the build is broken', async () => {
    await world.run('apps')
    await world.commit('main@sha1:2', { 'apps/kustomization.yaml': 'resources: [gone.yaml]\n' })
    const run = await world.run('apps')
    expect(run.error).toMatchObject({ name: 'Retryable', reason: 'BuildFailed', retryMs: 600_000 })
    expect(run.error?.message).toContain('gone.yaml')
    expect(world.applier.names()).toEqual(['a', 'b'])
    expect(run.inventory()).toEqual(['a', 'b'])
    expect(run.status()).toMatchObject({ lastAttemptedRevision: 'main@sha1:2', lastAppliedRevision: 'main@sha1:1' })
    await world.commit('main@sha1:3', { 'apps/a.yaml': configMap('a'), 'apps/b.yaml': configMap('b') })
    await world.run('apps')
    expect(world.applier.names()).toEqual(['a', 'b'])
  })

  it('without prune lets stale objects go', async () => {
    add('apps', { prune: false })
    await world.run('apps')
    await world.commit('main@sha1:2', { 'apps/a.yaml': configMap('a') })
    expect((await world.run('apps')).inventory()).toEqual(['a'])
    expect(world.applier.names()).toEqual(['a', 'b'])
  })

  it('KUS-REC-01 a failed apply keeps the old and the new in the inventory, and is tried again after retryInterval', async () => {
    add('apps', { retryInterval: '1m' })
    await world.run('apps')
    await world.commit('main@sha1:2', { 'apps/c.yaml': configMap('c'), 'apps/d.yaml': configMap('d') })
    world.applier.refuseApply = 'd'
    const run = await world.run('apps')
    expect(run.error).toMatchObject({ reason: 'ReconciliationFailed', retryMs: 60_000 })
    expect(run.error?.message).toBe('ConfigMap/d dry-run failed (Invalid)\nConfigMap/c created')
    expect(run.inventory()).toEqual(['a', 'b', 'c', 'd'])
    expect(run.status().history?.[0]?.lastReconciledStatus).toBe('ReconciliationFailed')
    expect(run.applyStatus).toEqual(['failure'])
    world.applier.refuseApply = undefined
    expect((await world.run('apps')).inventory()).toEqual(['c', 'd'])
    expect(world.applier.names()).toEqual(['c', 'd'])
  })

  it('F-GC-03 keeps what could not be deleted, fails, and tries again', async () => {
    await world.run('apps')
    await world.commit('main@sha1:2', { 'apps/README.md': '' })
    world.applier.refuseDelete.add('b')
    const run = await world.run('apps')
    expect(run.error).toMatchObject({ reason: 'PruneFailed', message: 'delete failed, errors: ConfigMap/b delete failed: denied' })
    expect(run.inventory()).toEqual(['b'])
    world.applier.refuseDelete.clear()
    expect((await world.run('apps')).inventory()).toEqual([])
  })

  it.each([
    ['values.yaml', 'replicas: 2\n', 'every document has to be a Kubernetes object'],
    ['list.yaml', '- a\n', 'every document has to be a Kubernetes object'],
    ['broken.yaml', 'a: 1\n b: 2\n', 'line 2'],
  ])('F-KUS-05 KUS-BLD-02 names the file that is no manifest: %s', async (name, text, problem) => {
    await world.commit('main@sha1:2', { 'apps/a.yaml': configMap('a'), [`apps/nested/${name}`]: text })
    const { error } = await world.run('apps')
    expect(error?.reason).toBe('BuildFailed')
    expect(error?.message).toContain(`failed to decode Kubernetes YAML from apps/nested/${name}: `)
    expect(error?.message).toContain(problem)
  })

  it('refuses a Secret that is still encrypted', async () => {
    await world.commit('main@sha1:2', {
      'apps/s.yaml': 'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nsops: {mac: x}\n',
    })
    expect((await world.run('apps')).error).toMatchObject({
      reason: 'BuildFailed',
      message: 'Secret/s is SOPS encrypted, configuring decryption is required for this secret to be reconciled',
    })
  })
})

describe('the path', () => {
  beforeEach(() => world.commit('main@sha1:1', { 'apps/a.yaml': configMap('a'), 'root.yaml': configMap('root') }))

  it.each([
    ['./apps', ['a']],
    ['apps/', ['a']],
    ['/apps', ['a']],
    ['../../apps', ['a']],
    ['./', ['a', 'root']],
    ['', ['a', 'root']],
  ])('F-KUS-01 KUS-BLD-11 %j is a directory of the artifact', async (path, names) => {
    add('apps', { path })
    expect((await world.run('apps')).inventory()).toEqual(names)
  })

  it.each(['gone', '../../etc', '/etc/passwd'])('F-KUS-01 F-KUS-02 KUS-BLD-11 %j is not found', async (path) => {
    add('apps', { path })
    const run = await world.run('apps')
    expect(run.error).toMatchObject({
      reason: 'ArtifactFailed',
      message: `kustomization path not found: '${path}' does not exist in revision main@sha1:1`,
    })
    expect(run.status().lastAttemptedRevision).toBeUndefined()
  })

  it('F-KUS-01 is no file', async () => {
    add('apps', { path: './root.yaml' })
    expect((await world.run('apps')).error).toMatchObject({
      reason: 'BuildFailed',
      message: "path './root.yaml' is not a directory",
    })
  })

  it('F-KUS-02 KUS-BLD-11 keeps bases inside of the artifact', async () => {
    await world.commit('main@sha1:2', { 'apps/kustomization.yaml': 'resources: [../../../../../../../../etc]\n' })
    add('apps')
    expect((await world.run('apps')).error?.reason).toBe('BuildFailed')
  })
})

describe('the source', () => {
  it('waits for one that does not exist, and for an artifact', async () => {
    add('apps', { retryInterval: '2m' })
    expect((await world.run('apps')).error).toMatchObject({
      name: 'Waiting',
      reason: 'ArtifactFailed',
      message: 'GitRepository.source.toolkit.fluxcd.io "repo" not found',
      retryMs: 120_000,
    })
    await world.commit('main@sha1:1', {})
    const source = world.sources.objects.get('flux/repo')
    if (source) world.sources.put({ ...source, status: {} })
    expect((await world.run('apps')).error).toMatchObject({
      name: 'Waiting',
      message: 'Source artifact not found, retrying in 30s',
      retryMs: 30_000,
    })
  })

  it('F-ART-08 tries a download again after 5 to 30 seconds, and says that it failed after --http-retry of them', async () => {
    await world.commit('main@sha1:1', { 'apps/a.yaml': configMap('a') })
    world.flags.httpRetry = 5
    world.outage = new ArtifactUnavailable('failed to download http://source.example/a.tar.gz: connect ECONNREFUSED')
    add('apps', { retryInterval: '2m' })
    const waits = []
    for (let attempt = 0; attempt < 5; attempt++) waits.push((await world.run('apps')).error)
    expect(waits.map((error) => [error?.name, error?.retryMs])).toEqual(
      [5_000, 10_000, 20_000, 30_000, 30_000].map((retryMs) => ['Waiting', retryMs]),
    )
    const message = 'failed to download http://source.example/a.tar.gz: connect ECONNREFUSED'
    expect(waits[0]).toMatchObject({ reason: 'ArtifactFailed', message: `${message}, retrying in 5s` })
    const failed = { name: 'Retryable', reason: 'ArtifactFailed', message, retryMs: 120_000 }
    expect((await world.run('apps')).error).toMatchObject(failed)
    expect((await world.run('apps')).error).toMatchObject({ name: 'Waiting', retryMs: 5_000 })
    world.outage = undefined
    expect((await world.run('apps')).outcome?.ready.reason).toBe('ReconciliationSucceeded')
    world.outage = new ArtifactUnavailable('again')
    expect((await world.run('apps')).error).toMatchObject({ name: 'Waiting', retryMs: 5_000 })
  })

  it('KUS-REC-05 passes the origin revision on', async () => {
    await world.commit('main@sha1:1', { 'apps/a.yaml': configMap('a') })
    const source = world.sources.objects.get('flux/repo')
    const artifact = source?.status?.artifact
    const metadata = { 'org.opencontainers.image.revision': 'v1@sha1:0' }
    if (artifact) world.sources.put({ ...source, status: { artifact: { ...artifact, metadata } } })
    add('apps')
    const run = await world.run('apps')
    expect(run.status()).toMatchObject({ lastAppliedOriginRevision: 'v1@sha1:0' })
    expect(run.events[0]?.metadata).toEqual({ revision: 'main@sha1:1', originRevision: 'v1@sha1:0' })
  })

  it('SRC-EXT-02 stalls for a gate that is off', async () => {
    add('apps', { sourceRef: { kind: 'ExternalArtifact', name: 'x' } })
    expect((await world.run('apps')).error).toMatchObject({
      name: 'Stalled',
      reason: 'AccessDenied',
      observed: false,
      message: "can't access 'ExternalArtifact/flux/x', ExternalArtifact feature gate is disabled",
    })
  })
})

it('names the kind of a source that is not built yet', async () => {
  add('apps', { sourceRef: { kind: 'Bucket', name: 'x' } })
  const { error } = await world.run('apps')
  expect(error).toMatchObject({ name: 'Stalled', message: expect.stringContaining('spec.sourceRef.kind Bucket') })
})

describe('an ExternalArtifact', () => {
  it('SRC-EXT-01 SRC-EXT-02 is applied when its gate is on', async () => {
    await world.commit('v1', { 'apps/a.yaml': configMap('a') })
    add('apps', { sourceRef: { kind: 'ExternalArtifact', name: 'repo' } })
    expect((await world.run('apps')).error).toMatchObject({ name: 'Stalled', reason: 'AccessDenied' })
    world.flags.featureGates.set('ExternalArtifact', true)
    const run = await world.run('apps')
    expect(run.error).toBeUndefined()
    expect(run.status()).toMatchObject({ lastAppliedRevision: 'v1' })
  })

  it('SRC-EXT-01 is of no other namespace where that is forbidden', async () => {
    world.flags.featureGates.set('ExternalArtifact', true)
    world.flags.noCrossNamespaceRefs = true
    add('apps', { sourceRef: { kind: 'ExternalArtifact', name: 'x', namespace: 'team' } })
    expect((await world.run('apps')).error).toMatchObject({
      name: 'Stalled',
      reason: 'AccessDenied',
      message: "can't access 'ExternalArtifact/team/x', cross-namespace references have been blocked",
    })
  })
})

describe('a source in another namespace', () => {
  it('is used unless that is forbidden', async () => {
    await world.commit('main@sha1:1', { 'apps/a.yaml': configMap('a') })
    const ks = kustomization('apps', { path: './apps', sourceRef: { kind: 'GitRepository', name: 'repo', namespace: 'flux' } })
    world.kustomizations.put({ ...ks, metadata: { ...ks.metadata, namespace: 'team' } })
    expect((await world.run('team/apps')).error).toBeUndefined()
    world.flags.noCrossNamespaceRefs = true
    expect((await world.run('team/apps')).error).toMatchObject({
      name: 'Stalled',
      reason: 'AccessDenied',
      observed: false,
      message: "can't access 'GitRepository/flux/repo', cross-namespace references have been blocked",
    })
  })
})

describe('dependencies', () => {
  beforeEach(() => world.commit('main@sha1:1', { 'base/a.yaml': configMap('a'), 'apps/b.yaml': configMap('b') }))

  it('KUS-DEP-01 are waited for, in the order of the list', async () => {
    add('base')
    add('apps', { dependsOn: [{ name: 'base' }] })
    const waiting = await world.run('apps')
    expect(waiting.error).toMatchObject({
      name: 'Waiting',
      reason: 'DependencyNotReady',
      message: "dependency 'flux/base' is not ready",
      retryMs: 30_000,
    })
    expect(waiting.events).toMatchObject([
      {
        severity: 'info',
        reason: 'DependencyNotReady',
        message: 'Dependencies do not meet ready condition, retrying in 30s',
        metadata: { revision: 'main@sha1:1' },
      },
    ])
    await world.run('base')
    expect((await world.run('apps')).error).toBeUndefined()
  })

  it('KUS-DEP-01 F-APP-16 may be ready by an expression', async () => {
    add('base')
    const runAfter = (readyExpr: string) => {
      add('apps', { dependsOn: [{ name: 'base', readyExpr }] })
      return world.run('apps')
    }
    expect((await runAfter("dep.metadata.name == 'base' && self.metadata.name == 'apps'")).error).toBeUndefined()
    expect((await runAfter("dep.metadata.name == 'x'")).error).toMatchObject({
      name: 'Waiting',
      message: "dependency 'flux/base' is not ready according to readyExpr eval",
    })
    expect((await runAfter('dep.status.gone == 1')).error).toMatchObject({ name: 'Waiting', reason: 'DependencyNotReady' })
    const broken = (await runAfter('dep.')).error
    expect(broken).toMatchObject({ name: 'Stalled', reason: 'InvalidCELExpression', observed: true })
    expect(broken?.message).toMatch(
      /^Reconciliation failed terminally due to configuration error: failed to evaluate dependency base: /,
    )
  })
})

describe('health', () => {
  beforeEach(async () => {
    await world.commit('main@sha1:1', { 'apps/a.yaml': configMap('a') })
    add('apps', { wait: true })
  })

  it('KUS-HLT-01 KUS-HLT-06 is told by a condition of its own, and by an event when it is news', async () => {
    const first = await world.run('apps')
    expect(first.conditionOf('Healthy')).toEqual({ status: 'True', reason: 'Succeeded', message: 'Health check passed in 0s' })
    expect(first.events.map(({ message }) => message)).toEqual(['ConfigMap/a created', 'Health check passed in 0s'])
    expect((await world.run('apps')).events).toEqual([])
    await world.commit('main@sha1:2', { 'apps/a.yaml': configMap('a') })
    expect((await world.run('apps')).events).toEqual([])
    await world.commit('main@sha1:3', { 'apps/a.yaml': configMap('a'), 'apps/b.yaml': configMap('b') })
    expect((await world.run('apps')).events.map(({ message }) => message)).toEqual([
      'ConfigMap/b created',
      'Health check passed in 0s',
    ])
  })

  it('KUS-HLT-04 KUS-HLT-06 fails the run when it does not come', async () => {
    world.applier.health = async () => {
      throw new HealthError("health check failed after 30s: timeout waiting for: [ConfigMap/a status: 'InProgress']")
    }
    const run = await world.run('apps')
    expect(run.error).toMatchObject({
      reason: 'HealthCheckFailed',
      message: "health check failed after 0s: timeout waiting for: [ConfigMap/a status: 'InProgress']",
    })
    expect(run.conditionOf('Healthy')).toMatchObject({
      status: 'False',
      reason: 'HealthCheckFailed',
      message: "timeout waiting for: [ConfigMap/a status: 'InProgress']",
    })
    expect(run.status()).toMatchObject({ history: [{ lastReconciledStatus: 'HealthCheckFailed' }] })
    expect(run.status().lastAppliedRevision).toBeUndefined()
  })

  it('is checked after pruning, and the condition goes with the checks', async () => {
    await world.run('apps')
    await world.commit('main@sha1:2', { 'apps/b.yaml': configMap('b') })
    world.applier.log.length = 0
    await world.run('apps')
    expect(world.applier.log).toEqual(['record a b', 'apply flux/apps', 'prune a', 'record b', 'wait for health'])
    const current = world.kustomizations.objects.get('flux/apps')
    if (current) world.kustomizations.put({ ...current, spec: { ...current.spec, wait: false } })
    expect((await world.run('apps')).conditionOf('Healthy')).toBeUndefined()
  })
})

describe('work that cannot change the outcome', () => {
  const files = {
    'web/kustomization.yaml': 'resources: [../base]\nnamePrefix: web-\n',
    'api/kustomization.yaml': 'resources: [../base]\nnamePrefix: api-\n',
    'base/kustomization.yaml': 'resources: [cm.yaml]\n',
    'base/cm.yaml': configMap('x'),
    'plain/a.yaml': configMap('plain'),
  }
  const all = ['web', 'api', 'plain']
  const runAll = async () => {
    world.builds.length = 0
    for (const name of all) await world.run(name)
    return world.builds.toSorted()
  }

  beforeEach(async () => {
    await world.commit('main@sha1:1', files)
    for (const name of all) add(name)
    expect(await runAll()).toEqual(['api', 'plain', 'web'])
  })

  it('is not done: a run that finds everything as it was builds nothing', async () => {
    expect(await runAll()).toEqual([])
  })

  it('is not done: a commit builds only what reads the files that it touches', async () => {
    await world.commit('main@sha1:2', { ...files, 'web/kustomization.yaml': 'resources: [../base]\nnamePrefix: www-\n' })
    expect(await runAll()).toEqual(['web'])
    await world.commit('main@sha1:3', { ...files, 'README.md': 'hello' })
    expect(await runAll()).toEqual(['web'])
    await world.commit('main@sha1:4', { ...files, 'base/cm.yaml': configMap('x', 'new') })
    expect(await runAll()).toEqual(['api', 'web'])
    expect(world.kustomizations.objects.get('flux/plain')?.status?.lastAppliedRevision).toBe('main@sha1:4')
  })

  it('is done when a file appears that was looked for', async () => {
    await world.commit('main@sha1:2', { ...files, 'plain/b.yaml': configMap('more') })
    expect(await runAll()).toEqual(['plain'])
    await world.commit('main@sha1:3', { ...files, 'plain/kustomization.yaml': 'resources: [a.yaml]\n' })
    expect(await runAll()).toEqual(['plain'])
  })

  it('is done when the spec or a variable changes', async () => {
    add('web', { namePrefix: 'own-' })
    expect(await runAll()).toEqual(['web'])
    add('web', { namePrefix: 'own-', postBuild: { substitute: { a: '1' } } })
    expect(await runAll()).toEqual(['web'])
    add('web', { namePrefix: 'own-', postBuild: { substitute: { a: '2' } } })
    expect(await runAll()).toEqual(['web'])
    add('web', { namePrefix: 'own-', interval: '1h', postBuild: { substitute: { a: '2' } } })
    expect(await runAll()).toEqual([])
  })
})

describe('an object that moves from one Kustomization to another in one commit', () => {
  beforeEach(async () => {
    await world.commit('main@sha1:1', { 'old/a.yaml': configMap('a'), 'old/x.yaml': configMap('x'), 'new/b.yaml': configMap('b') })
    add('old')
    add('new')
    await world.run('old')
    await world.run('new')
    await world.commit('main@sha1:2', { 'old/a.yaml': configMap('a'), 'new/b.yaml': configMap('b'), 'new/x.yaml': configMap('x') })
    world.applier.log.length = 0
  })

  it('F-GC-02 is handed over when the old owner runs first', async () => {
    expect((await world.run('old')).inventory()).toEqual(['a', 'x'])
    expect(world.applier.owners.get('_x__ConfigMap')).toBe('flux/old')
    expect((await world.run('new')).inventory()).toEqual(['b', 'x'])
    expect(world.applier.owners.get('_x__ConfigMap')).toBe('flux/new')
    expect((await world.run('old')).inventory()).toEqual(['a'])
    expect(world.applier.log.filter((line) => line.startsWith('prune') && line.includes('x'))).toEqual([])
  })

  it('F-GC-02 is handed over when the new owner runs first', async () => {
    await world.run('new')
    expect((await world.run('old')).inventory()).toEqual(['a'])
    expect(world.applier.owners.get('_x__ConfigMap')).toBe('flux/new')
  })

  it('F-GC-02 is pruned when the other one is suspended: nobody takes it over', async () => {
    add('new', { suspend: true })
    await world.run('old')
    expect(world.applier.names()).toEqual(['a', 'b'])
  })
})

describe('deletion', () => {
  const finalize = async (spec: Partial<KustomizationSpec>) => {
    await world.commit('main@sha1:1', { 'apps/a.yaml': configMap('a') })
    add('apps')
    const run = await world.run('apps')
    const ks = kustomization('apps', spec, run.status())
    run.events.length = 0
    world.applier.log.length = 0
    await world.loop.finalize(ks, world.context(ks, run))
    return { names: world.applier.names(), run }
  }

  it.each([
    [{ prune: true }, []],
    [{ prune: false }, ['a']],
    [{ prune: true, deletionPolicy: 'MirrorPrune' }, []],
    [{ prune: false, deletionPolicy: 'Delete' }, []],
    [{ prune: false, deletionPolicy: 'WaitForTermination' }, []],
    [{ prune: true, deletionPolicy: 'Orphan' }, ['a']],
    [{ prune: true, suspend: true }, ['a']],
  ] as const)('KUS-PRN-03 with %j leaves %j', async (spec, left) => {
    expect((await finalize(spec)).names).toEqual(left)
  })

  it('KUS-PRN-03 waits for termination when told to, and says what was deleted', async () => {
    const { run } = await finalize({ deletionPolicy: 'WaitForTermination' })
    expect(world.applier.log).toEqual(['prune a', 'wait for termination'])
    expect(run.events).toMatchObject([
      { reason: 'ReconciliationSucceeded', message: 'ConfigMap/a deleted', metadata: { revision: 'main@sha1:1' } },
    ])
  })

  it('keeps the finalizer while something cannot be deleted', async () => {
    world.applier.refuseDelete.add('a')
    await expect(finalize({})).rejects.toMatchObject({ name: 'Retryable', reason: 'PruneFailed' })
  })
})
