import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Key, KubeObject, ObjectRef } from '../../src/api/object.ts'
import { displayName, refOf } from '../../src/api/object.ts'
import type { ApplyOptions, Drift, Manifests } from '../../src/kube/applier.ts'
import { ApplyError } from '../../src/kube/applier.ts'
import { type ApplierOptions, ClusterApplier } from '../../src/kube/apply.ts'
import type { Client } from '../../src/kube/client.ts'
import { connect } from '../../src/kube/connect.ts'
import { withoutUnknown } from '../../src/kube/unknown-fields.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { kubectlOf } from '../tools/kubectl.ts'
import { temporaryDirectory } from '../tools/processes.ts'

const kubeconfig = inject('kubeconfig')
const kubectl = kubectlOf(kubeconfig)
const group = 'kustomize.toolkit.fluxcd.io'
const namespace = 'apply-test'
const signal = new AbortController().signal

/** Requests since the last `requests()`, by verb. */
const requests = counter()
let client: Client
const appliers: ClusterApplier[] = []

beforeAll(async () => {
  client = await connect({ kubeconfig, onRequest: ({ verb }) => requests.count(verb) })
  await kubectl('create', 'namespace', namespace)
})

afterAll(async () => {
  for (const applier of appliers) await applier.close()
  await client[Symbol.asyncDispose]()
})

describe('applying', () => {
  it('KUS-APL-08 creates objects with the owner labels, and says what it did', async () => {
    const { applier, apply } = engine('creates')
    const first = await apply([configMap('creates-a', { key: 'one' }), configMap('creates-b', { key: 'one' })])
    expect(first).toEqual([`ConfigMap/${namespace}/creates-a created`, `ConfigMap/${namespace}/creates-b created`])
    const live = await get(configMap('creates-a'))
    expect(live.metadata.labels).toEqual({ [`${group}/name`]: 'creates', [`${group}/namespace`]: 'flux-system' })
    expect(live.metadata.managedFields?.map(({ manager, operation }) => `${manager} ${operation}`)).toEqual([
      'kustomize-controller Apply',
    ])
    const second = await apply([configMap('creates-a', { key: 'two' }), configMap('creates-b', { key: 'one' })])
    expect(second).toEqual([`ConfigMap/${namespace}/creates-a configured`, `ConfigMap/${namespace}/creates-b unchanged`])
    expect((await get(configMap('creates-a'))).data).toEqual({ key: 'two' })
    await applier.close()
  })

  it('KUS-APL-02 sends no request for objects that are known as applied', async () => {
    const { apply } = engine('no-op')
    const objects = Array.from({ length: 20 }, (_, index) => configMap(`no-op-${index}`, { key: 'value' }))
    await apply(objects)
    requests.take()
    expect(await apply(objects)).toEqual(objects.map((object) => `${displayName(refOf(object))} unchanged`).sort())
    expect(requests.take()).toEqual({})
  })

  it('KUS-APL-02 costs one dry-run an object after a restart, and writes nothing', async () => {
    const objects = Array.from({ length: 10 }, (_, index) => configMap(`restart-${index}`, { key: 'value' }))
    await engine('restart').apply(objects)
    const versions = await versionsOf(objects)
    await untilSecondsAfter(objects, 3)
    const { apply } = engine('restart')
    requests.take()
    expect(new Set((await apply(objects)).map(actionOf))).toEqual(new Set(['unchanged']))
    expect(requests.take()).toMatchObject({ apply: 10, watch: 1 })
    expect(await versionsOf(objects)).toEqual(versions)
  })

  it('shares one list per kind among all owners that verify within a second', async () => {
    const applier = newApplier()
    const owners = Array.from({ length: 50 }, (_, index) => ({ namespace: 'flux-system', name: `sharing-${index}` }))
    const objectsOf = ({ name }: Key) => ['a', 'b', 'c', 'd'].map((suffix) => configMap(`${name}-${suffix}`, { key: name }))
    const applyAll = (verify: boolean) =>
      Promise.all(owners.map((owner) => applier.apply(manifestsOf(objectsOf(owner)), optionsFor(owner.name, { verify }))))
    await applyAll(false)
    requests.take()
    const changes = (await applyAll(true)).flat()
    expect(changes.map(({ action }) => action)).toEqual(new Array(200).fill('unchanged'))
    expect(requests.take()).toEqual({ list: 1 })
  })

  it('applies a single changed object with one request', async () => {
    const { apply } = engine('single')
    await apply([configMap('single-a', { key: '1' }), configMap('single-b', { key: '1' })])
    requests.take()
    expect(await apply([configMap('single-a', { key: '1' }), configMap('single-b', { key: '2' })])).toEqual([
      `ConfigMap/${namespace}/single-a unchanged`,
      `ConfigMap/${namespace}/single-b configured`,
    ])
    expect(requests.take()).toEqual({ apply: 1 })
  })

  it('leaves out what the API server does not have, and says so; owns what native kinds always write, as Flux does', async () => {
    const warned: object[] = []
    const { apply } = engine('typed', newApplier({ log: { info() {}, warn: (fields) => warned.push(fields) } }))
    const metadata = { name: 'typed', namespace }
    const labels = { app: 'typed' }
    const pod = { containers: [{ name: 'a', image: 'i', env: [{ name: 'EMPTY', value: '' }] }], hostNetwrk: true }
    const spec = { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: pod } }
    const deployment: KubeObject = { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec }
    expect(await apply([deployment])).toEqual([`Deployment/${namespace}/typed created`])
    const live = await get(deployment)
    const [entry] = live.metadata.managedFields ?? []
    expect(entry?.fieldsV1).toMatchObject({ 'f:spec': { 'f:strategy': {} } })
    expect(JSON.stringify(entry?.fieldsV1)).not.toContain('f:value')
    expect(await apply([deployment])).toEqual([`Deployment/${namespace}/typed unchanged`])
    const object = `Deployment/${namespace}/typed`
    const owner = { namespace: 'flux-system', name: 'typed' }
    expect(warned).toEqual([{ object, fields: ['spec.template.spec.hostNetwrk'], ...owner }])
  })

  it('leaves alone what the API server has, though our types may be too old for it', async () => {
    const ownership = { fieldManager: 'kustomize-controller', group, overrideManagers: [] }
    const of = (data: Record<string, string>) => withoutUnknown(configMap('newer', data), { client, ownership, signal })
    expect(await of({ key: 'value' })).toBeUndefined()
    // Another fault than a field that is not there is told when the object is judged.
    expect(await of({ 'no valid key': 'value' })).toBeUndefined()
  })

  it('KUS-APL-01 F-APP-01 applies a namespace, a CRD and its custom resource in one build', async () => {
    const { apply } = engine('crd')
    const name = 'apply-test-crd'
    const changes = await apply([
      { apiVersion: 'apply.test.sluice.dev/v1', kind: 'Gadget', metadata: { name: 'g', namespace: name }, spec: { size: 1 } },
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', namespace: name }, data: {} },
      crdOf('Gadget', 'gadgets'),
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name, namespace: 'ignored-for-a-cluster-scoped-kind' } },
    ])
    expect(changes).toEqual([
      'CustomResourceDefinition/gadgets.apply.test.sluice.dev created',
      `Namespace/${name} created`,
      `ConfigMap/${name}/c created`,
      `Gadget/${name}/g created`,
    ])
  })

  it('KUS-APL-10 lists the objects in the inventory in the order in which they are applied', async () => {
    const { applier } = engine('inventory')
    const entries = await applier.inventory(
      manifestsOf([
        { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd', namespace } },
        { apiVersion: 'v1', kind: 'Service', metadata: { name: 's', namespace } },
        { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'system:a:b', namespace } },
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' } },
        { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: 'p' } },
      ]),
    )
    expect(entries).toEqual([
      { id: '_n__Namespace', v: 'v1' },
      { id: '_system__a__b_rbac.authorization.k8s.io_ClusterRole', v: 'v1' },
      { id: '_p_scheduling.k8s.io_PriorityClass', v: 'v1' },
      { id: `${namespace}_s__Service`, v: 'v1' },
      { id: `${namespace}_d_apps_Deployment`, v: 'v1' },
    ])
  })

  it('F-APP-02 names a kind that the cluster does not have', async () => {
    const { apply } = engine('unknown-kind')
    const stranger = { apiVersion: 'nowhere.example.com/v1', kind: 'Stranger', metadata: { name: 'x', namespace } }
    await expect(apply([stranger])).rejects.toThrow(
      `Stranger/${namespace}/x dry-run failed: no matches for kind "Stranger" in version "nowhere.example.com/v1"`,
    )
  })

  it('F-APP-03 says when a namespace is not given, and when it does not exist', async () => {
    const { apply } = engine('namespaces')
    await expect(apply([{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'homeless' } }])).rejects.toThrow(
      'ConfigMap/homeless namespace not specified',
    )
    const lost = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'lost', namespace: 'nowhere' } }
    await expect(apply([lost])).rejects.toThrow('ConfigMap/nowhere/lost not found: namespaces "nowhere" not found')
  })

  it('refuses to work in a namespace that is being deleted', async () => {
    const name = 'apply-test-terminating'
    await kubectl('create', 'namespace', name)
    await kubectl('delete', 'namespace', name, '--wait=false')
    const { apply } = engine('terminating')
    await expect(apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }])).rejects.toThrow(
      `Namespace/${name} dry-run failed: the namespace is being deleted`,
    )
  })

  it('writes nothing of a stage in which one object is refused', async () => {
    const { apply } = engine('refused')
    const bad = { ...configMap('refused-bad'), data: { key: { not: 'a string' } } }
    const failure = await failureOf(apply([configMap('refused-good', { key: 'value' }), bad]))
    expect(failure.message).toMatch(new RegExp(`^ConfigMap/${namespace}/refused-bad dry-run failed`))
    expect(failure.ref).toEqual(refOf(bad))
    expect(failure.changes).toEqual([])
    expect(await client.find(refOf(configMap('refused-good')))).toBeUndefined()
  })

  it('F-SEC-07 never shows a value of a Secret in an error', async () => {
    const { apply } = engine('masked')
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'masked', namespace } }
    for (const data of [
      { data: { token: 'hunter2-not-base64!' } },
      { data: { token: 987654321 } },
      { stringData: { token: ['hunter2'] } },
    ]) {
      const failure = await failureOf(apply([{ ...secret, ...data } as KubeObject]))
      expect(failure.message).toContain(`Secret/${namespace}/masked dry-run failed`)
      expect(failure.message).not.toMatch(/hunter2|987654321/)
    }
  })

  it('F-SEC-07 refuses a Secret whose data is a list, also beside stringData, and names the field', async () => {
    const { apply } = engine('listed')
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'listed', namespace } }
    for (const more of [{}, { stringData: { user: 'me' } }]) {
      const failure = await failureOf(apply([{ ...secret, data: ['aHVudGVyMg=='], ...more } as KubeObject]))
      expect(failure.message).toMatch(new RegExp(`^Secret/${namespace}/listed dry-run failed.*\\bdata: expected map`))
      expect(failure.message).not.toMatch(/hunter2|aHVudGVyMg/)
    }
    expect(await client.find(refOf(secret))).toBeUndefined()
  })

  it('copes with a few hundred objects', async () => {
    const { applier, apply, owner } = engine('many')
    const objects = Array.from({ length: 400 }, (_, index) => configMap(`many-${index}`, { key: `${index}` }))
    requests.take()
    expect(new Set((await apply(objects)).map(actionOf))).toEqual(new Set(['created']))
    expect(requests.take().apply).toBe(800)
    const { changes } = await applier.prune(await applier.inventory(manifestsOf(objects)), { owner, signal })
    expect(changes.filter(({ action }) => action === 'deleted')).toHaveLength(400)
  })
})

describe('taking over', () => {
  it('KUS-APL-03 F-APP-06 takes the fields of kubectl apply over, and removes what the build does not have', async () => {
    const extra = configMap('takeover', { key: 'value', extra: 'by hand' })
    await kubectlStdin(['apply', '-f', '-'], extra)
    const { apply } = engine('takeover')
    await apply([configMap('takeover', { key: 'value' })])
    const live = await get(extra)
    expect(live.data).toEqual({ key: 'value' })
    expect(live.metadata.annotations).toBeUndefined()
    expect(live.metadata.managedFields?.map(({ manager }) => manager)).toEqual(['kustomize-controller'])
  })

  it('keeps what others add with `ssa: Merge`', async () => {
    const merged = annotated(configMap('merge', { key: 'value' }), { ssa: 'merge' })
    const { apply } = engine('merge')
    await apply([merged])
    await kubectl('-n', namespace, 'patch', 'configmap', 'merge', '--type=merge', '-p', '{"data":{"added":"by hand"}}')
    await engine('merge').apply([merged])
    expect((await get(merged)).data).toEqual({ key: 'value', added: 'by hand' })
    await engine('merge').apply([configMap('merge', { key: 'value' })])
    expect((await get(merged)).data).toEqual({ key: 'value' })
  })
})

describe('policies', () => {
  it('KUS-APL-06 F-APP-11 leaves objects alone that say so, in the build or in the cluster', async () => {
    const { apply } = engine('policies')
    const disabled = annotated(configMap('disabled'), { reconcile: 'Disabled' })
    const ignored = { ...configMap('ignored'), metadata: { name: 'ignored', namespace, labels: { [`${group}/ssa`]: 'Ignore' } } }
    const clusterScoped = annotated(
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'apply-test-ignored', namespace } },
      { reconcile: 'disabled' },
    )
    expect(await apply([disabled, ignored, clusterScoped])).toEqual([
      'Namespace/apply-test-ignored skipped',
      `ConfigMap/${namespace}/disabled skipped`,
      `ConfigMap/${namespace}/ignored skipped`,
    ])
    expect(await client.find(refOf(configMap('disabled')))).toBeUndefined()

    await kubectl('-n', namespace, 'create', 'configmap', 'paused', '--from-literal=key=theirs')
    await kubectl('-n', namespace, 'annotate', 'configmap', 'paused', `${group}/reconcile=disabled`)
    expect(await apply([configMap('paused', { key: 'ours' })])).toEqual([`ConfigMap/${namespace}/paused skipped`])
    expect((await get(configMap('paused'))).data).toEqual({ key: 'theirs' })
  })

  it('KUS-APL-06 F-APP-11 applies with `ssa: IfNotPresent` only what is absent', async () => {
    const once = (key: string) => annotated(configMap('once', { key }), { ssa: 'IfNotPresent' })
    const { apply } = engine('once')
    expect(await apply([once('first')])).toEqual([`ConfigMap/${namespace}/once created`])
    expect(await apply([once('second')])).toEqual([`ConfigMap/${namespace}/once skipped`])
    expect(await engine('once').apply([once('second')])).toEqual([`ConfigMap/${namespace}/once skipped`])
    expect((await get(once(''))).data).toEqual({ key: 'first' })
  })

  it('KUS-APL-07 F-APP-04 names the immutable field and the way out, and recreates only where it may', async () => {
    const { apply } = engine('force')
    const secret = (value: string) => ({
      ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'force', namespace } },
      ...{ immutable: true, stringData: { key: value } },
    })
    await apply([secret('one')])
    const before = (await get(secret('one'))).metadata.uid
    const failure = await failureOf(apply([secret('two')]))
    expect(failure.message).toMatch(
      /Secret\/apply-test\/force dry-run failed \(Invalid\): .*data.*immutable.*annotate it with .*force: enabled/,
    )
    expect((await get(secret('one'))).metadata.uid).toBe(before)

    expect(await apply([annotated(secret('two'), { force: 'enabled' })])).toEqual([`Secret/${namespace}/force created`])
    const after = await get(secret('two'))
    expect(after.metadata.uid).not.toBe(before)
    expect(after.data).toEqual({ key: Buffer.from('two').toString('base64') })

    // Two objects: the refusal comes from a dry-run.
    const both = [secret('three'), configMap('force-other', { key: 'value' })]
    expect(await apply(both, { force: true })).toEqual([
      `ConfigMap/${namespace}/force-other created`,
      `Secret/${namespace}/force created`,
    ])
  })

  it('F-APP-05 fails when what it replaces does not go within a minute, naming what holds it; there is one copy only', async () => {
    // Of which a minute is short.
    const hurried: ApplierOptions['clock'] = {
      now: () => systemClock.now(),
      monotonic: () => systemClock.monotonic(),
      after: (ms, callback) => systemClock.after(ms === 60_000 ? 500 : ms, callback),
    }
    const { apply } = engine('replaced', newApplier({ clock: hurried }))
    const held = (value: string, finalizers: string[]): KubeObject => ({
      ...{ apiVersion: 'v1', kind: 'ConfigMap', immutable: true, data: { value } },
      metadata: { name: 'replaced', namespace, finalizers },
    })
    await apply([held('old', ['example.com/hold'])])
    const before = (await get(held('', []))).metadata.uid
    const failure = await failureOf(apply([held('new', [])], { force: true }))
    expect(failure.message).toBe(
      `ConfigMap/${namespace}/replaced apply failed: timeout waiting for the termination of: [ConfigMap/${namespace}/replaced status: 'Terminating': scheduled for deletion, waiting for finalizers example.com/hold]`,
    )
    expect(await get(held('', []))).toMatchObject({ metadata: { uid: before }, data: { value: 'old' } })
    await kubectl('-n', namespace, 'patch', 'configmap', 'replaced', '--type=merge', '-p', '{"metadata":{"finalizers":null}}')
    await expect.poll(() => client.find(refOf(held('', [])))).toBeUndefined()
    expect(await apply([held('new', [])], { force: true })).toEqual([`ConfigMap/${namespace}/replaced created`])
  })

  it('does not delete with force what could not be created again', async () => {
    const service = (ports: object[]) => ({
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'unforced', namespace } },
      spec: { ports },
    })
    const { apply } = engine('unforced')
    await apply([service([{ port: 80 }])])
    const before = (await get(service([]))).metadata.uid
    await expect(apply([service([{ port: 80_000 }])], { force: true })).rejects.toThrow('spec.ports[0].port')
    expect((await get(service([]))).metadata.uid).toBe(before)
  })
})

describe('noticing changes', () => {
  const deployment = (name: string, replicas?: number): KubeObject => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      ...(replicas !== undefined && { replicas }),
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image: 'example.com/app:1' }] } },
    },
  })
  const patch = (object: KubeObject, body: object, ...more: string[]) =>
    kubectl(
      ...['-n', namespace, 'patch', object.kind, object.metadata.name, '--field-manager=somebody', '--type=merge'],
      ...['-p', JSON.stringify(body), ...more],
    )

  const noticed: [string, (name: string) => KubeObject, (object: KubeObject) => Promise<unknown>, Partial<Drift>][] = [
    [
      'KUS-APL-04 F-GC-08 an edit of a field of ours',
      (name) => configMap(name, { key: 'ours' }),
      (object) => patch(object, { data: { key: 'theirs' } }),
      { what: 'edited', manager: 'somebody' },
    ],
    [
      'an edit by kubectl of a field that is not ours',
      (name) => configMap(name, { key: 'ours' }),
      ({ metadata: { name } }) => kubectl('-n', namespace, 'annotate', 'configmap', name, 'note=by-hand'),
      { what: 'edited', manager: 'kubectl-annotate' },
    ],
    [
      'the removal of a field of ours',
      (name) => configMap(name, { key: 'ours', other: 'ours' }),
      (object) => patch(object, { data: { other: null } }),
      { what: 'edited' },
    ],
    [
      'the removal of an owner label',
      (name) => configMap(name, { key: 'ours' }),
      (object) => patch(object, { metadata: { labels: { [`${group}/name`]: null } } }),
      { what: 'edited' },
    ],
    [
      'a scale of replicas that are ours',
      (name) => deployment(name, 2),
      ({ metadata: { name } }) => kubectl('-n', namespace, 'scale', 'deployment', name, '--replicas=5'),
      { what: 'edited' },
    ],
    [
      'the clearing of managedFields',
      (name) => configMap(name, { key: 'ours' }),
      (object) => patch(object, { metadata: { managedFields: [{}] } }),
      { what: 'edited' },
    ],
    [
      'F-GC-08 a deletion by hand',
      (name) => configMap(name, { key: 'ours' }),
      ({ metadata: { name } }) => kubectl('-n', namespace, 'delete', 'configmap', name),
      { what: 'deleted' },
    ],
    [
      'a deletion and a creation within a second',
      (name) => configMap(name, { key: 'ours' }),
      async (object) => {
        const live = await get(object)
        await client.delete(refOf(object))
        const { uid: _, resourceVersion: __, managedFields: ___, creationTimestamp: ____, ...metadata } = live.metadata
        await client.apply({ ...live, metadata }, { fieldManager: 'kustomize-controller', force: true })
      },
      {},
    ],
    [
      'a write under our own name within the second of our own',
      (name) => configMap(name, { key: 'ours' }),
      (object) => client.apply({ ...object, data: { key: 'theirs' } }, { fieldManager: 'kustomize-controller', force: true }),
      { what: 'edited' },
    ],
  ]
  it.each(noticed)('notices %s and mends it', async (_, make, change, expected) => {
    const name = `notice-${createHash('sha1').update(_).digest('hex').slice(0, 8)}`
    const object = make(name)
    const { apply, applier } = engine(name)
    await apply([object])
    const wanted = await get(object)
    const drift = nextDrift(applier)
    await change(object)
    expect(await drift).toMatchObject({ owner: { namespace: 'flux-system', name }, ref: refOf(object), ...expected })
    await apply([object])
    const mended = await get(object)
    expect([mended.data, mended.spec, mended.metadata.labels, mended.metadata.annotations]).toEqual([
      wanted.data,
      wanted.spec,
      wanted.metadata.labels,
      wanted.metadata.annotations,
    ])
    requests.take()
    await apply([object])
    expect(requests.take()).toEqual({})
  })

  const tolerated: [string, (name: string) => KubeObject, (object: KubeObject) => Promise<unknown>][] = [
    [
      'a status writer that annotates too',
      (name) => deployment(name),
      async (object) => {
        const metadata = { annotations: { 'deployment.kubernetes.io/revision': '1' } }
        await patch(object, { metadata, status: { replicas: 1, observedGeneration: 1 } }, '--subresource=status')
      },
    ],
    [
      'a field that somebody adds',
      (name) => deployment(name),
      (object) => patch(object, { metadata: { labels: { team: 'blue' } } }),
    ],
  ]
  it.each(tolerated)('does not take %s for drift', async (_, make, change) => {
    const name = `tolerate-${createHash('sha1').update(_).digest('hex').slice(0, 8)}`
    const object = make(name)
    const { apply, applier } = engine(name)
    await apply([object])
    const drifts: Drift[] = []
    applier.onDrift((drift) => drifts.push(drift))
    await change(object)
    // What comes after it in the watch: when that is noticed, the change before has been seen.
    const witness = deployment(`${name}-witness`)
    await engine(name, applier).apply([object, witness])
    const seen = nextDrift(applier)
    await kubectl('-n', namespace, 'delete', 'deployment', witness.metadata.name)
    await seen
    expect(drifts.map(({ ref }) => ref.name)).toEqual([witness.metadata.name])
    requests.take()
    expect(await apply([object])).toEqual([`Deployment/${namespace}/${name} unchanged`])
    expect(requests.take()).toEqual({})
  })

  it('KUS-APL-04 finds by a verification what no watch told', async () => {
    const object = configMap('unwatched', { key: 'ours' })
    const { apply } = engine('unwatched')
    await apply([object])
    await patch(object, { data: { key: 'theirs' } })
    await apply([object], { verify: true })
    expect((await get(object)).data).toEqual({ key: 'ours' })
  })

  it('does not run in circles with somebody who writes after each of our applies', async () => {
    const object = configMap('fight', { key: 'ours' })
    const { apply, applier } = engine('fight')
    await apply([object])
    const startedAt = performance.now()
    let fights = 0
    const { promise, resolve } = Promise.withResolvers<void>()
    applier.onDrift(async () => {
      fights++
      await apply([object])
      if (fights === 3) resolve()
      else await patch(object, { data: { key: 'theirs' } })
    })
    await patch(object, { data: { key: 'theirs' } })
    await promise
    // At once, after a second, after two more.
    expect(performance.now() - startedAt).toBeGreaterThan(2_900)
  })
})

describe('with the rights of a tenant', () => {
  it('works without cluster-wide rights, and verifies by namespace', async () => {
    const name = 'apply-test-tenant'
    await kubectl('create', 'namespace', name)
    await kubectl('-n', name, 'create', 'role', 'tenant', '--verb=*', '--resource=configmaps')
    await kubectl('-n', name, 'create', 'rolebinding', 'tenant', '--role=tenant', `--serviceaccount=${name}:tenant`)
    const identity = { user: `system:serviceaccount:${name}:tenant`, groups: ['system:authenticated'] }
    const log: string[] = []
    const applier = newApplier({ client: client.as(identity), log: { info: (_, message) => log.push(message), warn() {} } })
    const { apply } = engine('tenant', applier)
    const object = { ...configMap('mine', { key: 'ours' }), metadata: { name: 'mine', namespace: name } }
    expect(await apply([object])).toEqual([`ConfigMap/${name}/mine created`])
    expect(log).toEqual([expect.stringContaining('at the interval only')])
    await kubectl('-n', name, 'patch', 'configmap', 'mine', '--type=merge', '-p', '{"data":{"key":"theirs"}}')
    expect(await apply([object], { verify: true })).toEqual([`ConfigMap/${name}/mine configured`])
    requests.take()
    expect(await apply([object])).toEqual([`ConfigMap/${name}/mine unchanged`])
    expect(requests.take()).toEqual({})
  })

  it('F-APP-12 names the verb, the resource and the account that lacks a right', async () => {
    const identity = { user: 'system:serviceaccount:apply-test:powerless', groups: ['system:authenticated'] }
    const { apply } = engine('powerless', newApplier({ client: client.as(identity) }))
    await expect(apply([configMap('powerless')])).rejects.toThrow(
      /ConfigMap\/apply-test\/powerless dry-run failed \(Forbidden\): .*"system:serviceaccount:apply-test:powerless" cannot patch resource "configmaps"/,
    )
    expect(await client.find(refOf(configMap('powerless')))).toBeUndefined()
  })
})

describe('pruning', () => {
  it('KUS-PRN-01 KUS-PRN-02 KUS-PRN-04 F-GC-07 deletes what is ours and nothing else', async () => {
    const { applier, apply, owner } = engine('prune')
    const gone = configMap('prune-gone', {})
    const kept = annotated(configMap('prune-kept'), { prune: 'disabled' })
    const taken = configMap('prune-taken', {})
    await apply([gone, kept, taken])
    const labels = (await get(gone)).metadata.labels ?? {}
    await kubectl('-n', namespace, 'create', 'configmap', 'prune-child')
    await kubectl('-n', namespace, 'label', 'configmap', 'prune-child', ...Object.entries(labels).map((pair) => pair.join('=')))
    await kubectl('-n', namespace, 'label', '--overwrite', 'configmap', 'prune-taken', `${group}/name=another`)
    const { changes, survivors } = await applier.prune(await applier.inventory(manifestsOf([gone, kept, taken])), { owner, signal })
    expect(changes.map(lineOf)).toEqual([
      `ConfigMap/${namespace}/prune-taken skipped`,
      `ConfigMap/${namespace}/prune-kept skipped`,
      `ConfigMap/${namespace}/prune-gone deleted`,
    ])
    expect(survivors).toEqual([])
    expect(await client.find(refOf(gone))).toBeUndefined()
    expect(await existing('prune-kept', 'prune-taken', 'prune-child')).toEqual(['prune-kept', 'prune-taken', 'prune-child'])
  })

  it('KUS-PRN-01 lets go of an object that was recorded, and then refused for it has no namespace', async () => {
    const { applier, apply, owner } = engine('homeless')
    const homeless = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'homeless' } }
    await expect(apply([homeless])).rejects.toThrow('ConfigMap/homeless namespace not specified')
    const entries = [{ id: '_homeless__ConfigMap', v: 'v1' }]
    const { changes, survivors } = await applier.prune(entries, { owner, signal })
    expect(changes.map(lineOf)).toEqual(['ConfigMap/homeless deleted'])
    expect(survivors).toEqual([])
  })

  it('F-GC-03 reports what an admission policy does not let go, and deletes the rest', async () => {
    const { applier, apply, owner } = engine('guarded')
    const guarded = { ...configMap('guarded', {}), metadata: { name: 'guarded', namespace, labels: { guarded: 'true' } } }
    const free = configMap('unguarded', {})
    await apply([guarded, free])
    await denyDeletes('guarded')
    const entries = await applier.inventory(manifestsOf([guarded, free]))
    const { changes, survivors } = await applier.prune(entries, { owner, signal })
    expect(changes.map(lineOf)).toEqual([`ConfigMap/${namespace}/unguarded deleted`])
    expect(survivors).toEqual([
      { entry: { id: `${namespace}_guarded__ConfigMap`, v: 'v1' }, reason: expect.stringContaining('guarded objects stay') },
    ])
    await kubectl('delete', 'validatingadmissionpolicybinding', 'apply-test-guard')
  })

  it('F-GC-05 drops an entry only when its kind is really gone', async () => {
    const { applier, apply, owner } = engine('unserved')
    const widget = { apiVersion: 'apply.test.sluice.dev/v1', kind: 'Widget', metadata: { name: 'w', namespace } }
    await apply([crdOf('Widget', 'widgets'), widget])
    const old = { id: `${namespace}_w_apply.test.sluice.dev_Widget`, v: 'v1alpha1' }
    const byOtherVersion = await applier.prune([old], { owner, signal })
    expect(byOtherVersion.changes.map(({ action }) => action)).toEqual(['deleted'])
    expect(await client.find(refOf(widget))).toBeUndefined()
    const never = { id: `${namespace}_w_gone.example.com_Widget`, v: 'v1' }
    expect(await applier.prune([never], { owner, signal })).toMatchObject({ survivors: [] })
  })

  it('waits until the objects are gone, and names the finalizer that holds one', async () => {
    const { applier, apply, owner } = engine('finalizer')
    const held = { ...configMap('held', {}), metadata: { name: 'held', namespace, finalizers: ['example.com/hold'] } }
    await apply([held])
    const entries = await applier.inventory(manifestsOf([held]))
    await applier.prune(entries, { owner, signal })
    await expect(applier.terminated(entries, { timeoutMs: 200, failFast: true, signal })).rejects.toThrow(
      `timeout waiting for the termination of: [ConfigMap/${namespace}/held status: 'Terminating': scheduled for deletion, waiting for finalizers example.com/hold]`,
    )
    const terminated = applier.terminated(entries, { timeoutMs: 30_000, failFast: true, signal })
    await kubectl('-n', namespace, 'patch', 'configmap', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}')
    await terminated
  })
})

describe('health', () => {
  const deployment = (name: string): KubeObject => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image: 'example.com/app:1' }] } },
    },
  })
  const counts = { replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, observedGeneration: 1 }
  const rolledOut = {
    ...counts,
    conditions: [
      { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' },
      { type: 'Available', status: 'True' },
    ],
  }
  const stuck = {
    observedGeneration: 1,
    conditions: [
      { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: 'ReplicaSet "x" has timed out' },
    ],
  }
  const setStatus = (name: string, status: object) =>
    kubectl('-n', namespace, 'patch', 'deployment', name, '--subresource=status', '--type=merge', '-p', JSON.stringify({ status }))
  const target = (object: KubeObject) => ({ ref: refOf(object) })

  it('resolves when the last Deployment has been rolled out', async () => {
    const { applier, apply } = engine('healthy')
    const objects = [deployment('healthy-a'), deployment('healthy-b'), configMap('healthy-c', {})]
    await apply(objects)
    const healthy = applier.healthy(objects.map(target), { timeoutMs: 30_000, failFast: true, signal })
    await setStatus('healthy-a', rolledOut)
    await setStatus('healthy-b', rolledOut)
    await healthy
    requests.take()
    await applier.healthy(objects.map(target), { timeoutMs: 30_000, failFast: true, signal })
    expect(requests.take()).toEqual({ watch: 1 })
  })

  it('KUS-HLT-04 fails at the first object that has failed for good, with its reason', async () => {
    const { applier, apply } = engine('stuck')
    const objects = [deployment('stuck-a'), deployment('stuck-b')]
    await apply(objects)
    const healthy = applier.healthy(objects.map(target), { timeoutMs: 30_000, failFast: true, signal })
    await Promise.all([
      setStatus('stuck-b', stuck),
      expect(healthy).rejects.toThrow(
        /^health check failed after [^:]+: failed early due to stalled resources: \[Deployment\/apply-test\/stuck-b status: 'Failed': ProgressDeadlineExceeded: ReplicaSet "x" has timed out\]$/,
      ),
    ])
  })

  it('KUS-HLT-04 names at the time-out everything that is not ready, also what is missing', async () => {
    const { applier, apply } = engine('slow')
    await apply([deployment('slow')])
    const targets = [target(deployment('slow')), target(deployment('missing'))]
    await expect(applier.healthy(targets, { timeoutMs: 100, failFast: true, signal })).rejects.toThrow(
      /^health check failed after [^:]+: timeout waiting for: \[Deployment\/apply-test\/slow status: 'InProgress': replicas: 0\/1, Deployment\/apply-test\/missing status: 'NotFound'\]$/,
    )
  })

  it('names the pod that keeps a Deployment from being ready, and what ails it', async () => {
    const { applier, apply } = engine('crashing')
    const object = deployment('crashing')
    await apply([object])
    const labels = (object.spec as { selector: { matchLabels: Record<string, string> } }).selector.matchLabels
    const container = { name: 'main', image: 'example.com/app:1' }
    await kubectl.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'crashing-1', namespace, labels },
      spec: { containers: [container] },
    })
    const state = { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s' } }
    const lastState = { terminated: { exitCode: 3, reason: 'Error', message: 'a secret', containerID: 'a://b' } }
    const status = { ...container, imageID: '', ready: false, restartCount: 2, state, lastState }
    const patch = JSON.stringify({ status: { phase: 'Running', containerStatuses: [status] } })
    await kubectl('-n', namespace, 'patch', 'pod', 'crashing-1', '--subresource=status', '--type=merge', '-p', patch)
    await expect(applier.healthy([target(object)], { timeoutMs: 100, failFast: true, signal })).rejects.toThrow(
      /\[Deployment\/apply-test\/crashing status: 'InProgress': replicas: 0\/1; pod crashing-1: container main: CrashLoopBackOff, exit code 3 \(Error\), restarted 2 times\]$/,
    )
  })

  it('takes a Job that is deleted some time after it has finished for done, and its end for no drift', async () => {
    const job: KubeObject = {
      ...{ apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'brief', namespace } },
      spec: {
        ttlSecondsAfterFinished: 0,
        template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'example.com/app:1' }] } },
      },
    }
    const lasting = {
      ...job,
      metadata: { name: 'lasting', namespace },
      spec: { ...(job.spec as object), ttlSecondsAfterFinished: undefined },
    }
    const { applier, apply } = engine('brief')
    await apply([job, lasting])
    const drifts: Drift[] = []
    applier.onDrift((drift) => drifts.push(drift))
    const drift = nextDrift(applier)
    await client.delete(refOf(job), { propagation: 'Background' })
    await client.delete(refOf(lasting), { propagation: 'Background' })
    await drift
    expect(drifts.map(({ ref }) => ref.name)).toEqual(['lasting'])
    await applier.healthy([target(job)], { timeoutMs: 10_000, failFast: true, signal })
    await expect(applier.healthy([target(lasting)], { timeoutMs: 50, failFast: true, signal })).rejects.toThrow("'NotFound'")
  })

  it('ends the wait when it is aborted', async () => {
    const { applier, apply } = engine('aborted')
    await apply([deployment('aborted')])
    const abort = new AbortController()
    const healthy = applier.healthy([target(deployment('aborted'))], { timeoutMs: 30_000, failFast: true, signal: abort.signal })
    abort.abort(new Error('a new revision came'))
    await expect(healthy).rejects.toThrow('a new revision came')
  })
})

function newApplier(options: Partial<ApplierOptions> = {}): ClusterApplier {
  const applier = new ClusterApplier({
    ...{ client, clock: systemClock, fieldManager: 'kustomize-controller', ownerGroup: group },
    ...options,
  })
  appliers.push(applier)
  return applier
}

/** An engine of its own, as after a restart, and how to apply with it in the name of an owner. */
function engine(name: string, applier = newApplier()) {
  const owner: Key = { namespace: 'flux-system', name }
  const apply = async (objects: readonly KubeObject[], options: Partial<ApplyOptions> = {}) =>
    (await applier.apply(manifestsOf(objects), optionsFor(name, options))).map(lineOf)
  return { applier, owner, apply }
}

function optionsFor(name: string, options: Partial<ApplyOptions> = {}): ApplyOptions {
  return { owner: { namespace: 'flux-system', name }, force: false, verify: false, signal, ...options }
}

function manifestsOf(objects: readonly KubeObject[]): Manifests {
  const items = objects.map((object) => ({
    ref: refOf(object),
    hash: createHash('sha256').update(JSON.stringify(object)).digest('hex'),
    ...(object.metadata.labels && { labels: object.metadata.labels }),
    ...(object.metadata.annotations && { annotations: object.metadata.annotations }),
  }))
  return { items, load: async () => objects }
}

function lineOf({ ref, action }: { ref: ObjectRef; action: string }): string {
  return `${displayName(ref)} ${action}`
}

function actionOf(line: string): string {
  return line.split(' ').at(-1) ?? ''
}

function configMap(name: string, data: Record<string, string> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data }
}

function annotated(object: KubeObject, annotations: Record<string, string>): KubeObject {
  const entries = Object.entries(annotations).map(([key, value]) => [`${group}/${key}`, value])
  return { ...object, metadata: { ...object.metadata, annotations: Object.fromEntries(entries) } }
}

function crdOf(kind: string, plural: string): KubeObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.apply.test.sluice.dev` },
    spec: {
      group: 'apply.test.sluice.dev',
      names: { kind, plural },
      scope: 'Namespaced',
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  }
}

function get(object: KubeObject): Promise<KubeObject> {
  return client.get(refOf(object))
}

async function versionsOf(objects: readonly KubeObject[]): Promise<(string | undefined)[]> {
  return Promise.all(objects.map(async (object) => (await get(object)).metadata.resourceVersion))
}

async function existing(...names: string[]): Promise<string[]> {
  const found = await Promise.all(names.map((name) => client.find(refOf(configMap(name)))))
  return found.flatMap((object) => object?.metadata.name ?? [])
}

function nextDrift(applier: ClusterApplier): Promise<Drift> {
  return new Promise((resolve) => {
    const stop = applier.onDrift((drift) => {
      stop()
      resolve(drift)
    })
  })
}

async function failureOf(promise: Promise<unknown>): Promise<ApplyError> {
  const error = await promise.then(
    () => undefined,
    (error) => error,
  )
  expect(error).toBeInstanceOf(ApplyError)
  return error
}

async function kubectlStdin(args: readonly string[], object: KubeObject): Promise<void> {
  const file = join(await temporaryDirectory('apply'), 'object.json')
  await writeFile(file, JSON.stringify(object))
  await kubectl(...args.map((arg) => (arg === '-' ? file : arg)))
}

/** Waits until the API server's clock is some seconds past the last apply of the objects. */
async function untilSecondsAfter(objects: readonly KubeObject[], seconds: number): Promise<void> {
  const times = await Promise.all(objects.map(async (object) => (await get(object)).metadata.managedFields?.[0]?.time ?? ''))
  const due = Math.max(...times.map((time) => Date.parse(time))) + seconds * 1000
  await new Promise<void>((resolve) => systemClock.after(due - Date.now(), resolve))
}

/** Installs a policy and waits until the API server enforces it. */
async function denyDeletes(label: string): Promise<void> {
  const name = 'apply-test-guard'
  await kubectl.apply([
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name },
      spec: {
        matchConstraints: {
          resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['DELETE'], resources: ['configmaps'] }],
        },
        validations: [
          {
            expression: `!has(oldObject.metadata.labels) || !('${label}' in oldObject.metadata.labels)`,
            message: 'guarded objects stay',
          },
        ],
      },
    },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name },
      spec: { policyName: name, validationActions: ['Deny'] },
    },
  ])
  const isEnforced = async () =>
    kubectl('-n', namespace, 'delete', 'configmap', '-l', label, '--dry-run=server').then(
      () => false,
      () => true,
    )
  while (!(await isEnforced()));
}

function counter() {
  let counts: Record<string, number> = {}
  return {
    count(verb: string): void {
      if (verb !== 'discovery') counts[verb] = (counts[verb] ?? 0) + 1
    },
    /** What was counted since the last call. */
    take(): Record<string, number> {
      const taken = counts
      counts = {}
      return taken
    },
  }
}
