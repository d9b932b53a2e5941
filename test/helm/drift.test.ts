/** Drift on a real API server. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { HelmRelease, HelmReleaseSpec } from '../../src/api/helmrelease.ts'
import type { KubeObject } from '../../src/api/object.ts'
import { correctDrift, driftSummary, findDrift, RightObjects } from '../../src/helm/drift.ts'
import { readManifest } from '../../src/helm/manifest.ts'
import type { Scope } from '../../src/helm/scope.ts'
import type { Client } from '../../src/kube/client.ts'
import { connect } from '../../src/kube/connect.ts'
import type { RequestRecord } from '../../src/kube/transport.ts'
import { messageOf } from '../../src/lib/errors.ts'
import { releaseOf } from './world.ts'

let client: Client
let namespace: string
const requests: RequestRecord[] = []

beforeAll(async () => {
  client = await connect({ kubeconfig: inject('kubeconfig'), onRequest: (record) => requests.push(record) })
  namespace = `drift-${randomUUID().slice(0, 8)}`
  await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }, { fieldManager: 'test' })
})
afterAll(() => client?.[Symbol.asyncDispose]())

interface Extra {
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

/** As it stands in the manifest of a release: with the labels of its owner. */
const document = (object: object, name: string, { labels, annotations }: Extra = {}) =>
  JSON.stringify({ ...object, metadata: { name, labels: { ...owner(), ...labels }, ...(annotations && { annotations }) } })

const configMap = (name: string, data: Record<string, string>, extra: Extra = {}) =>
  document({ apiVersion: 'v1', kind: 'ConfigMap', data }, name, extra)

type Ignore = NonNullable<HelmReleaseSpec['driftDetection']>['ignore']

function scopeOf(ignore: Ignore = [], right = new RightObjects(), overrideManagers: readonly string[] = []): Scope {
  const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log }
  const workers = { run: async (_: unknown, input: { manifest: string }) => readManifest(input) }
  const hr = {
    metadata: { namespace, name: 'web', uid: 'u', generation: 1 },
    spec: { interval: '1m', driftDetection: { mode: 'enabled', ignore } },
  } as unknown as HelmRelease
  const context = {
    key: { namespace, name: 'web' },
    flags: { overrideManagers },
    workers,
    log,
    signal: new AbortController().signal,
  }
  return { client, context, right, ledger: { hr } } as unknown as Scope
}

const releaseWith = (...documents: string[]) =>
  releaseOf({ namespace, manifest: documents.map((text) => `---\n${text}\n`).join('') })

/** As an install leaves the objects. */
async function apply(...documents: string[]): Promise<void> {
  for (const object of readManifest({ manifest: releaseWith(...documents).manifest })) {
    const labels = { 'app.kubernetes.io/managed-by': 'Helm', ...object.metadata.labels }
    const annotations = {
      'meta.helm.sh/release-name': 'web',
      'meta.helm.sh/release-namespace': namespace,
      ...object.metadata.annotations,
    }
    const applied: KubeObject = { ...object, metadata: { ...object.metadata, namespace, labels, annotations } }
    await client.apply(applied, { fieldManager: 'helm-controller', force: true })
  }
}

const owner = () => ({ 'helm.toolkit.fluxcd.io/name': 'web', 'helm.toolkit.fluxcd.io/namespace': namespace })
const ref = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', namespace, name })
const edit = (name: string, patch: object) => client.mergePatch(ref(name), patch, { fieldManager: 'somebody' })

describe('drift', () => {
  it('HLM-DRF-01 F-HLM-14 is told object by object, and corrected', async () => {
    const documents = [
      configMap('same', { a: '1' }),
      configMap('edited', { a: '1', b: '2' }, { labels: { team: 'x' } }),
      configMap('gone', { a: '1' }),
    ]
    await apply(...documents)
    const release = releaseWith(...documents)
    expect(await findDrift(release, scopeOf())).toBeUndefined()

    await edit('edited', { data: { a: 'other', b: null, mine: 'stays' }, metadata: { labels: { team: 'y', added: 'z' } } })
    await client.delete(ref('gone'))
    const drift = (await findDrift(release, scopeOf())) ?? []
    expect(driftSummary(drift).split('\n')).toEqual([
      `ConfigMap/${namespace}/edited changed (0 additions, 2 changes, 0 removals)`,
      `ConfigMap/${namespace}/gone removed`,
    ])
    expect(await correctDrift(drift, scopeOf())).toEqual({
      corrected: [
        { name: `ConfigMap/${namespace}/gone`, action: 'created' },
        { name: `ConfigMap/${namespace}/edited`, action: 'configured' },
      ],
      failures: [],
    })
    expect(await client.get(ref('edited'))).toMatchObject({
      data: { a: '1', b: '2', mine: 'stays' },
      metadata: { labels: { team: 'x', added: 'z' } },
    })
    expect(await findDrift(release, scopeOf())).toBeUndefined()
  })

  it('HLM-DRF-01 is also what a manager adds that is to be overridden', async () => {
    const documents = [configMap('robbed', { a: '1' })]
    await apply(...documents)
    const release = releaseWith(...documents)
    for (const fieldManager of ['robot-2', 'somebody'])
      await client.mergePatch(ref('robbed'), { data: { [fieldManager]: 'x' } }, { fieldManager })
    expect(await findDrift(release, scopeOf())).toBeUndefined()
    const scope = scopeOf([], new RightObjects(), ['robot'])
    const drift = (await findDrift(release, scope)) ?? []
    expect(driftSummary(drift)).toBe(`ConfigMap/${namespace}/robbed changed (0 additions, 0 changes, 1 removals)`)
    await correctDrift(drift, scope)
    expect((await client.get(ref('robbed'))).data).toEqual({ a: '1', somebody: 'x' })
    expect(await findDrift(release, scope)).toBeUndefined()
  })

  it('asks again only for objects that have changed since they were right', async () => {
    const documents = Array.from({ length: 12 }, (_, index) => configMap(`many-${index}`, { a: '1' }))
    await apply(...documents)
    const scope = scopeOf([], new RightObjects())
    const release = releaseWith(...documents)
    await findDrift(release, scope)
    requests.length = 0
    expect(await findDrift(release, scope)).toBeUndefined()
    expect(requests.map(({ verb }) => verb)).toEqual(['list'])
    await edit('many-3', { data: { a: '2' } })
    requests.length = 0
    expect(driftSummary((await findDrift(release, scope)) ?? [])).toBe(
      `ConfigMap/${namespace}/many-3 changed (0 additions, 1 changes, 0 removals)`,
    )
    expect(requests).toHaveLength(3)
  })

  it('HLM-DRF-02 is not looked for in fields and objects that a rule names', async () => {
    const documents = [configMap('ruled', { a: '1', b: '2' }), configMap('whole', { a: '1' })]
    await apply(...documents)
    await edit('ruled', { data: { a: 'x' } })
    await edit('whole', { data: { a: 'x' } })
    const target = { kind: 'ConfigMap', name: 'rul.*' }
    const rules = [
      { paths: ['/data/a', '/data/none', 'bad pointer'], target },
      { paths: [''], target: { name: 'whole' } },
    ]
    expect(await findDrift(releaseWith(...documents), scopeOf(rules))).toBeUndefined()
    await edit('ruled', { data: { b: 'x' } })
    const drift = (await findDrift(releaseWith(...documents), scopeOf(rules))) ?? []
    expect(driftSummary(drift).split('\n')).toEqual([
      `ConfigMap/${namespace}/ruled changed (0 additions, 1 changes, 0 removals)`,
      `ConfigMap/${namespace}/whole excluded`,
    ])
    await correctDrift(drift, scopeOf(rules))
    expect(await client.get(ref('ruled'))).toMatchObject({ data: { a: 'x', b: '2' } })
    const bad = findDrift(releaseWith(...documents), scopeOf([{ paths: ['/data'], target: { name: '(' } }]))
    expect(await bad.then(String, messageOf)).toContain('failed to create ignore rule selector')
  })

  it('HLM-DRF-03 is not looked for in objects that say so themselves, in the chart or in the cluster', async () => {
    const out = { 'helm.toolkit.fluxcd.io/driftDetection': 'disabled' }
    const documents = [configMap('by-chart', { a: '1' }, { annotations: out }), configMap('by-hand', { a: '1' })]
    await apply(...documents)
    await edit('by-chart', { data: { a: 'x' } })
    await edit('by-hand', { data: { a: 'x' }, metadata: { labels: out } })
    expect(await findDrift(releaseWith(...documents), scopeOf())).toBeUndefined()
  })

  it('F-HLM-14 is not what the API server or a controller fills in', async () => {
    const containers = [{ name: 'web', image: 'web:1', ports: [{ containerPort: 80 }] }]
    const template = { metadata: { labels: { app: 'web' } }, spec: { containers } }
    const spec = { selector: { matchLabels: { app: 'web' } }, template }
    const deployment = document({ apiVersion: 'apps/v1', kind: 'Deployment', spec }, 'web')
    const secret = document({ apiVersion: 'v1', kind: 'Secret', stringData: { key: 'hunter2' } }, 'web')
    await apply(deployment)
    await apply(document({ apiVersion: 'v1', kind: 'Secret', data: { key: Buffer.from('hunter2').toString('base64') } }, 'web'))
    const release = releaseWith(deployment, secret)
    expect(await findDrift(release, scopeOf())).toBeUndefined()
    const scaled = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: 'web' }
    await client.mergePatch(scaled, { spec: { replicas: 3 } }, { fieldManager: 'scaler' })
    expect(await findDrift(release, scopeOf())).toBeUndefined()
    await client.mergePatch(
      { apiVersion: 'v1', kind: 'Secret', namespace, name: 'web' },
      { data: { key: 'eA==' } },
      { fieldManager: 'x' },
    )
    const drift = (await findDrift(release, scopeOf())) ?? []
    expect(driftSummary(drift)).toBe(`Secret/${namespace}/web changed (0 additions, 1 changes, 0 removals)`)
  })

  it('F-HLM-14 is not what admission always makes of an object', async () => {
    const admission = { apiVersion: 'admissionregistration.k8s.io/v1', metadata: { name: namespace } }
    const expression = 'Object{data: {"a": "by admission"}}'
    const matchConditions = [{ name: 'own', expression: 'object.metadata.name == "admitted"' }]
    const resourceRules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] }]
    const policy = {
      ...admission,
      kind: 'MutatingAdmissionPolicy',
      spec: {
        failurePolicy: 'Fail',
        reinvocationPolicy: 'Never',
        matchConditions,
        matchConstraints: { resourceRules },
        mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }],
      },
    }
    const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': namespace } }
    const spec = { policyName: namespace, matchResources: { namespaceSelector } }
    await client.create(policy, { fieldManager: 'test' })
    await client.create({ ...admission, kind: 'MutatingAdmissionPolicyBinding', spec }, { fieldManager: 'test' })
    const text = configMap('admitted', { a: '1' })
    const isAdmitted = async () => {
      await apply(text)
      return (await client.get(ref('admitted'))).data
    }
    // The API server learns of policies after a while.
    await expect.poll(isAdmitted, { timeout: 30_000 }).toEqual({ a: 'by admission' })
    expect(await findDrift(releaseWith(text), scopeOf())).toBeUndefined()
  })

  it('F-HLM-14 is looked for in spite of rules that lead nowhere', async () => {
    const text = configMap('misruled', { a: '1' })
    await apply(text)
    await edit('misruled', { data: { a: '2' } })
    const drift = await findDrift(releaseWith(text), scopeOf([{ paths: ['/data/none/a', 'data/a', '/data/a/b', '/~2'] }]))
    expect(driftSummary(drift ?? [])).toBe(`ConfigMap/${namespace}/misruled changed (0 additions, 1 changes, 0 removals)`)
  })

  it('goes on after an object that cannot be corrected, and fails where nothing can be told', async () => {
    const foreign = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'lost', namespace: 'no-such-namespace' }, data: {} }
    const there = configMap('there', { a: '1' })
    const release = releaseWith(JSON.stringify(foreign), there)
    const problem = await findDrift(releaseWith(JSON.stringify(foreign)), scopeOf()).then(String, messageOf)
    expect(problem).toContain('unable to determine cluster state: ConfigMap/no-such-namespace/lost')
    const drift = (await findDrift(release, scopeOf())) ?? []
    expect(driftSummary(drift)).toBe(`ConfigMap/${namespace}/there removed`)
    const [missing] = drift
    if (!missing) throw new Error('nothing has drifted')
    const impossible = { ...missing, ref: ref('lost'), desired: foreign }
    const result = await correctDrift([impossible, missing], scopeOf())
    expect(result.corrected).toEqual([{ name: `ConfigMap/${namespace}/there`, action: 'created' }])
    expect(result.failures).toEqual([expect.stringContaining(`ConfigMap/${namespace}/lost creation failure`)])
  })
})
