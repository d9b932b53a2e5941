/** What people get wrong: the object says what, in which file, and why; nothing else suffers; mending the cause is enough. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type GitServer, startGitServer } from '../tools/git-server.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { type Files, Repository } from '../tools/repository.ts'
import { type Cluster, conditionOf, hasCondition, isReady, type Live, openCluster, type Sluice } from './harness.ts'

/** Must never be seen anywhere. */
const secrets = ['471147114711', 'hunter2-is-the-password', 's3cr3t value of a user', 'wrong-password-0815', 'right-password-4711']

let cluster: Cluster
let sluice: Sluice
let storagePath: string

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'bad-input')
  storagePath = await temporaryDirectory('storage')
  sluice = await cluster.startSluice({ storagePath, flags: { 'log-level': 'debug', 'requeue-dependency': '5s' } })
  // Somebody else's, in whose way nothing of what follows may come.
  await source('neighbour', { 'a.yaml': configMap('neighbour') })
  await apply('neighbour')
  await cluster.until('kustomization/neighbour', isReady())
})

afterAll(() => cluster?.[Symbol.asyncDispose]())

describe('a file that cannot be read', () => {
  it.each([
    ['a tab as indent', 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: broken\n', 4],
    ['a key that is there twice', 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: broken\n  name: again\n', 5],
    ['a bracket that is never closed', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: broken\n', undefined],
    ['a NUL byte', 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: "bro\0ken"\n', 4],
    ['a mapping where a value was', 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: broken: yes\n', 4],
  ])('F-KUS-06 F-GC-01 for %s is named with its line; nothing is pruned; mending it is enough', async (what, text, line) => {
    const name = `yaml-${what.replaceAll(' ', '-').toLowerCase()}`
    const repository = await source(name, { 'a.yaml': configMap(`${name}-a`), 'deep/b.yaml': configMap(`${name}-b`) })
    await apply(name)
    const before = await cluster.until(`kustomization/${name}`, isReady())
    const uids = await uidsOf(`${name}-a`, `${name}-b`)

    await repository.commit({ 'deep/b.yaml': text }, 'break')
    await fetchNow(name)
    const failed = await cluster.until(`kustomization/${name}`, hasCondition('Ready', 'False', 'BuildFailed', 'deep/b.yaml'))
    const message = conditionOf(failed, 'Ready')?.message
    expect(message).toMatch(line === undefined ? /deep\/b\.yaml.*\d/ : new RegExp(`deep/b\\.yaml.*\\b${line}\\b`))
    expect(failed.status?.inventory).toEqual(before.status?.inventory)
    expect(await uidsOf(`${name}-a`, `${name}-b`)).toEqual(uids)

    const mended = await repository.commit({ 'deep/b.yaml': configMap(`${name}-b`) }, 'mend')
    await fetchNow(name)
    await cluster.until(`kustomization/${name}`, isReady(mended))
    expect(await uidsOf(`${name}-a`, `${name}-b`)).toEqual(uids)
  })

  it('F-KUS-07 is refused when it would grow without bound, and others are served meanwhile', async () => {
    const levels = Array.from({ length: 12 }, (_, level) => {
      const inner = level === 0 ? '"lol"' : `*l${level - 1}`
      return `  l${level}: &l${level} [${Array(10).fill(inner).join(', ')}]\n`
    })
    const bomb = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\ndata:\n${levels.join('')}`
    const deep = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: deep}\ndata: ${'['.repeat(5000)}${']'.repeat(5000)}\n`
    await source('bomb', { 'bomb/bomb.yaml': bomb, 'deep/deep.yaml': deep })
    const sourceRef = { kind: 'GitRepository', name: 'bomb' }
    await apply('bomb', { path: './bomb', sourceRef })
    await apply('deep', { path: './deep', sourceRef })
    await expectUnharmed()
    await cluster.until('kustomization/bomb', hasCondition('Ready', 'False', 'BuildFailed', 'bomb.yaml'))
    await cluster.until('kustomization/deep', hasCondition('Ready', 'False', undefined, 'deep'))
    expect((await sluice.usage()).peakRssBytes).toBeLessThan(700 << 20)
  })
})

describe('a path', () => {
  it('F-KUS-01 that is not there is named as the user wrote it, and found when it comes', async () => {
    const repository = await source('path', { 'app/a.yaml': configMap('path-a'), 'file.yaml': configMap('path-file') })
    await apply('path', { path: './missing/' })
    await cluster.until('kustomization/path', hasCondition('Ready', 'False', 'ArtifactFailed', "'./missing/' does not exist"))
    await repository.commit({ 'missing/a.yaml': configMap('path-a') }, 'here it is')
    await fetchNow('path')
    await cluster.until('kustomization/path', isReady())
    await apply('path', { path: './file.yaml' })
    const failed = await cluster.until('kustomization/path', hasCondition('Ready', 'False', undefined, 'file.yaml'))
    expect(inventory(failed)).toEqual(['path-a'])
  })

  it.each([
    ['up', '../../../../../../etc/hostname'],
    ['absolute', '/etc/hostname'],
    ['folder', '../../../../../../etc'],
  ])('F-KUS-02 in a kustomization.yaml that leads out of the repository (%s) is refused', async (name, target) => {
    await source(`leave-${name}`, { 'kustomization.yaml': `resources: [${target}]\n` })
    await apply(`leave-${name}`)
    const failed = await cluster.until(`kustomization/leave-${name}`, hasCondition('Ready', 'False', 'BuildFailed'))
    expect(conditionOf(failed, 'Ready')?.message).toContain(target)
  })

  it('F-SRC-16 F-KUS-02 that is a symbolic link is not followed: no loop, nothing from outside', async () => {
    const repository = await source('links', {
      'good/a.yaml': configMap('links'),
      'good/loop': { symlink: '../good' },
      'good/self.yaml': { symlink: 'self.yaml' },
      'good/outside.yaml': { symlink: '/etc/hostname' },
      'good/inside.yaml': { symlink: 'a.yaml' },
    })
    await apply('links', { path: './good' })
    const ready = await cluster.until('kustomization/links', isReady())
    expect(inventory(ready)).toEqual(['links'])
    await repository.commit({ 'good/kustomization.yaml': 'resources: [a.yaml, outside.yaml]\n' }, 'use the link')
    await fetchNow('links')
    const failed = await cluster.until('kustomization/links', hasCondition('Ready', 'False', 'BuildFailed', 'outside.yaml'))
    expect(inventory(failed)).toEqual(['links'])
  })

  it('F-KUS-03 of kustomizations that list each other, or themselves, is refused by name', async () => {
    await source('circle', {
      'a/kustomization.yaml': 'resources: [../b]\n',
      'b/kustomization.yaml': 'resources: [../a]\n',
      'self/kustomization.yaml': 'resources: [.]\n',
    })
    const sourceRef = { kind: 'GitRepository', name: 'circle' }
    await apply('circle', { path: './a', sourceRef })
    await apply('circle-self', { path: './self', sourceRef })
    const circle = await cluster.until('kustomization/circle', hasCondition('Ready', 'False', 'BuildFailed'))
    expect(conditionOf(circle, 'Ready')?.message).toMatch(/cycle/)
    const self = await cluster.until('kustomization/circle-self', hasCondition('Ready', 'False', 'BuildFailed'))
    expect(conditionOf(self, 'Ready')?.message).toMatch(/cycle|self/)
  })
})

describe('a repository', () => {
  let git: GitServer
  let root: string

  beforeAll(async () => {
    root = await temporaryDirectory('private')
    git = await startGitServer({ root, auth: { username: 'git', password: 'right-password-4711' } })
  })
  afterAll(() => git?.[Symbol.asyncDispose]())

  it('F-SRC-02 whose password is wrong says so without it, and is fetched when the Secret is mended', async () => {
    const repository = await Repository.create(root, 'private')
    await repository.commit({ 'a.yaml': configMap('private') }, 'first')
    const credentials = (password: string) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'private', labels: { 'reconcile.fluxcd.io/watch': 'Enabled' } },
      stringData: { username: 'git', password },
    })
    await cluster.apply(credentials('wrong-password-0815'))
    await cluster.apply(cluster.gitRepository('private', { url: git.url('private'), secretRef: { name: 'private' } }))
    await apply('private')
    const refused = await cluster.until('gitrepository/private', hasCondition('Ready', 'False', 'AuthenticationFailed'))
    expect(conditionOf(refused, 'FetchFailed')?.status).toBe('True')
    await cluster.apply(credentials('right-password-4711'))
    await cluster.until('gitrepository/private', isReady())
    await cluster.until('kustomization/private', isReady())
  })

  it('F-SRC-01 that is gone fails its source, and what it has applied is watched over still', async () => {
    const repository = await source('gone', { 'a.yaml': configMap('gone') })
    await apply('gone')
    await cluster.until('kustomization/gone', isReady())
    const files = { 'a.yaml': configMap('gone') }
    await repository.remove()
    await askFor('gitrepository/gone')
    const failed = await cluster.until('gitrepository/gone', hasCondition('Ready', 'False', 'GitOperationFailed'))
    expect(conditionOf(failed, 'Ready')?.message).toContain(cluster.git.url('gone'))
    expect(failed.status?.artifact).toBeDefined()
    await cluster.kubectl('delete', 'configmap', 'gone')
    await cluster.until('configmap/gone', () => true)
    expect(isReady()(await cluster.get('kustomization/gone'))).toBe(true)

    await cluster.repository('gone', files)
    await askFor('gitrepository/gone')
    await cluster.until('gitrepository/gone', isReady())
  })

  it('F-SRC-13 without a commit is an error, and no longer with its first one', async () => {
    const repository = await cluster.emptyRepository('empty')
    await cluster.apply(cluster.gitRepository('empty'))
    await apply('empty')
    await cluster.until('gitrepository/empty', hasCondition('Ready', 'False', 'EmptyGitRepository', 'git repository is empty'))
    await repository.commit({ 'a.yaml': configMap('empty') }, 'first')
    await askFor('gitrepository/empty')
    await cluster.until('kustomization/empty', isReady())
  })
})

describe('an object', () => {
  it('F-APP-02 of a kind that is not there is named, and applied when its CRD comes', async () => {
    const group = `${cluster.namespace}.example.com`
    const thing = `apiVersion: ${group}/v1\nkind: Thing\nmetadata: {name: thing}\nspec: {size: 1}\n`
    await source('kind', { 'a.yaml': configMap('kind'), 'thing.yaml': thing })
    await apply('kind', { retryInterval: '1s' })
    const failed = await cluster.until('kustomization/kind', hasCondition('Ready', 'False', 'ReconciliationFailed', 'Thing'))
    expect(conditionOf(failed, 'Ready')?.message).toContain(`no matches for kind "Thing" in version "${group}/v1"`)
    try {
      await cluster.apply(thingDefinition(group))
      await cluster.until('kustomization/kind', isReady())
      expect((await cluster.get(`things.${group}/thing`)).spec).toEqual({ size: 1 })
    } finally {
      await cluster.kubectl('delete', 'crd', `things.${group}`, '--wait=false')
    }
  })

  it('that the API server refuses is named with the cause, and none of the others is written', async () => {
    const bad = 'apiVersion: v1\nkind: Service\nmetadata: {name: refused}\nspec: {ports: [{port: 99999}]}\n'
    const repository = await source('refused', { 'a.yaml': configMap('refused'), 'b.yaml': bad })
    await apply('refused')
    const failed = await cluster.until('kustomization/refused', hasCondition('Ready', 'False', 'ReconciliationFailed'))
    expect(conditionOf(failed, 'Ready')?.message).toMatch(
      /Service\/\S+\/refused dry-run failed \(Invalid\).*spec\.ports\[0\]\.port/,
    )
    await cluster.untilGone('configmap/refused')
    const mended = await repository.commit({ 'b.yaml': bad.replace('99999', '80') }, 'mend')
    await fetchNow('refused')
    await cluster.until('kustomization/refused', isReady(mended))
  })

  it('F-SEC-07 that is a Secret the API server refuses does not show its values', async () => {
    const secret = (fields: string) => `apiVersion: v1\nkind: Secret\nmetadata: {name: leak}\n${fields}\n`
    await source('leak', {
      'plain/a.yaml': secret('data: {password: "hunter2-is-the-password"}'),
      'typed/a.yaml': secret('type: kubernetes.io/dockerconfigjson\nstringData: {.dockerconfigjson: "s3cr3t value of a user"}'),
      // Of these the API server quotes the values.
      'number/a.yaml': secret('data: {pin: 471147114711}'),
      'list/a.yaml': secret('data: {password: ["hunter2-is-the-password"]}'),
      'map/a.yaml': secret('data: {password: {inner: {deep: "hunter2-is-the-password"}}}'),
    })
    for (const name of ['plain', 'typed', 'number', 'list', 'map']) {
      await apply(`leak-${name}`, { path: `./${name}`, sourceRef: { kind: 'GitRepository', name: 'leak' } })
      const failed = await cluster.until(`kustomization/leak-${name}`, hasCondition('Ready', 'False', 'ReconciliationFailed'))
      expect(conditionOf(failed, 'Ready')?.message).toContain('Secret/')
      expectNoSecret(JSON.stringify(failed.status))
    }
    expectNoSecret(JSON.stringify(sluice.logs))
  })

  it('F-SEC-07 F-APP-08 that a policy refuses is named with the policy and its message, without the values that are quoted there', async () => {
    await usingPolicy(cluster.namespace, async (policy) => {
      await source('policy', {
        'a.yaml': `apiVersion: v1\nkind: Secret\nmetadata: {name: quoted}\nstringData: {password: hunter2-is-the-password}\n`,
      })
      await apply('policy')
      const failed = await cluster.until('kustomization/policy', hasCondition('Ready', 'False', 'ReconciliationFailed', policy))
      expect(conditionOf(failed, 'Ready')?.message).toMatch(/Secret\/\S+\/quoted dry-run failed.*not this password: \*\*\*/)
      expectNoSecret(JSON.stringify(failed.status))
      expectNoSecret(JSON.stringify(sluice.logs))
    })
    await cluster.reconcile('kustomization/policy').then((ready) => expect(isReady()(ready)).toBe(true))
  })

  it('F-APP-10 that is larger than the API server takes is named', async () => {
    const text = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: large}\ndata: {text: "${'x'.repeat(1_200_000)}"}\n`
    await source('large', { 'a.yaml': text })
    await apply('large')
    const failed = await cluster.until('kustomization/large', hasCondition('Ready', 'False', 'ReconciliationFailed', '/large'))
    expect(conditionOf(failed, 'Ready')?.message).toMatch(/1048576|too long|too large/)
    expect(conditionOf(failed, 'Ready')?.message.length).toBeLessThan(2_000)
  })

  it('F-APP-03 whose namespace is missing is named, and applied when the namespace comes', async () => {
    const elsewhere = `${cluster.namespace}-elsewhere`
    const there = configMap('elsewhere').replace('{name: elsewhere}', `{name: elsewhere, namespace: ${elsewhere}}`)
    await source('elsewhere', { 'there/a.yaml': there, 'nowhere/a.yaml': configMap('nowhere') })
    const sourceRef = { kind: 'GitRepository', name: 'elsewhere' }
    await cluster.apply(cluster.kustomization('elsewhere', { path: './there', sourceRef, retryInterval: '1s' }))
    const failed = await cluster.until('kustomization/elsewhere', hasCondition('Ready', 'False', 'ReconciliationFailed'))
    expect(conditionOf(failed, 'Ready')?.message).toContain(`namespaces "${elsewhere}" not found`)
    await cluster.kubectl('create', 'namespace', elsewhere)
    await cluster.until('kustomization/elsewhere', isReady())
    await cluster.apply(cluster.kustomization('nowhere', { path: './nowhere', sourceRef }))
    await cluster.until(
      'kustomization/nowhere',
      hasCondition('Ready', 'False', 'ReconciliationFailed', /nowhere.*namespace not specified/),
    )
  })
})

describe('a field that is not built yet', () => {
  it('stalls its object by name, and no longer when it is taken out', async () => {
    await source('fields', { 'a.yaml': configMap('fields') })
    await apply('fields', { decryption: { provider: 'sops' } })
    const stalled = await cluster.until('kustomization/fields', hasCondition('Stalled', 'True', undefined, 'spec.decryption'))
    expect(conditionOf(stalled, 'Ready')).toMatchObject({ status: 'False', message: expect.stringContaining('spec.decryption') })
    await cluster.kubectl('patch', 'kustomization', 'fields', '--type=json', '-p', '[{"op":"remove","path":"/spec/decryption"}]')
    const ready = await cluster.until('kustomization/fields', isReady())
    expect(conditionOf(ready, 'Stalled')).toBeUndefined()

    await cluster.apply(cluster.gitRepository('fields-source', { recurseSubmodules: true }))
    await cluster.until('gitrepository/fields-source', hasCondition('Stalled', 'True', undefined, 'spec.recurseSubmodules'))
  })
})

/** Last: looks at what all of the above has left. */
describe('through all of this', () => {
  it('the neighbour was never touched, and goes on', async () => {
    await expectUnharmed()
    const { status } = await cluster.get('kustomization/neighbour')
    expect(status?.history).toEqual([expect.objectContaining({ lastReconciledStatus: 'ReconciliationSucceeded' })])
  })

  it('no Secret value and no temporary path is in any status, event, log line or metric', async () => {
    const statuses = [...(await cluster.list('gitrepositories')), ...(await cluster.list('kustomizations'))].map(
      ({ status }) => status,
    )
    const seen = {
      statuses: JSON.stringify(statuses),
      events: await cluster.kubectl('get', 'events', '-o', 'json'),
      logs: sluice.logs.map((line) => JSON.stringify(line)).join('\n'),
      metrics: (await sluice.metrics()).text,
    }
    for (const text of Object.values(seen)) {
      expectNoSecret(text)
      expect(text.length).toBeGreaterThan(1_000)
      for (const path of [storagePath, '/tmp/', '.unpacked', '/.tmp']) expect(text).not.toContain(path)
    }
    expect(sluice.logs.filter(({ level }) => level === 'text')).toEqual([])
  })
})

function configMap(name: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {of: ${name}}\n`
}

function thingDefinition(group: string) {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `things.${group}` },
    spec: {
      group,
      names: { kind: 'Thing', plural: 'things' },
      scope: 'Namespaced',
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  }
}

/** While an admission policy of the namespace refuses Secrets named `quoted`, and quotes what they hold. */
async function usingPolicy(namespace: string, work: (policy: string) => Promise<void>): Promise<void> {
  const metadata = { name: `${namespace}.example.com` }
  const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['secrets'] }
  const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': namespace } }
  const validation = {
    expression: "object.metadata.name != 'quoted'",
    messageExpression: "'not this password: ' + object.data.password",
  }
  const apiVersion = 'admissionregistration.k8s.io/v1'
  await cluster.apply(
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicy',
      metadata,
      spec: { matchConstraints: { namespaceSelector, resourceRules: [rule] }, validations: [validation] },
    },
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata,
      spec: { policyName: metadata.name, validationActions: ['Deny'] },
    },
  )
  const probe = () => cluster.kubectl('create', 'secret', 'generic', 'quoted', '--from-literal=password=x', '--dry-run=server')
  try {
    await expect.poll(() => probe().catch(String), { timeout: 20_000 }).toContain('not this password')
    await work(metadata.name)
  } finally {
    await cluster.kubectl('delete', 'validatingadmissionpolicybinding,validatingadmissionpolicy', metadata.name)
  }
  await expect.poll(() => probe().catch(String), { timeout: 20_000 }).not.toContain('not this password')
}

/** A repository and its GitRepository. */
async function source(name: string, files: Files): Promise<Repository> {
  const repository = await cluster.repository(name, files)
  await cluster.apply(cluster.gitRepository(name))
  return repository
}

/** A Kustomization that puts everything into the test's namespace. */
function apply(name: string, spec: Record<string, unknown> = {}): Promise<void> {
  return cluster.apply(cluster.kustomization(name, { targetNamespace: cluster.namespace, ...spec }))
}

/** Asks the source for the newest commit, as a webhook would. */
function fetchNow(name: string): Promise<Live> {
  return cluster.reconcile(`gitrepository/${name}`)
}

/** As `fetchNow`, of a source that may well fail. */
function askFor(ref: string): Promise<string> {
  return cluster.kubectl('annotate', ref, '--overwrite', `reconcile.fluxcd.io/requestedAt=${performance.now()}`)
}

/** Others are reconciled, healed and counted. */
async function expectUnharmed(): Promise<void> {
  await cluster.kubectl('delete', 'configmap', 'neighbour')
  await cluster.until('configmap/neighbour', () => true, { timeoutMs: 10_000 })
  expect(isReady()(await cluster.reconcile('kustomization/neighbour'))).toBe(true)
  expect((await fetch(`${sluice.address('health')}/healthz`)).status).toBe(200)
}

function inventory({ status }: Live): (string | undefined)[] | undefined {
  return status?.inventory?.entries.map(({ id }) => id.split('_')[1]).toSorted()
}

function uidsOf(...names: string[]): Promise<string[]> {
  return Promise.all(names.map(async (name) => (await cluster.get(`configmap/${name}`)).metadata.uid))
}

/** Neither as it is nor in base64. */
function expectNoSecret(text: string): void {
  for (const secret of secrets) {
    expect(text).not.toContain(secret)
    expect(text).not.toContain(Buffer.from(secret).toString('base64'))
  }
}
