import { beforeEach, describe, expect, it } from 'vitest'
import type { Kustomization, KustomizationSpec, KustomizationStatus } from '../../src/api/kustomization.ts'
import type { KubeObject } from '../../src/api/object.ts'
import type { Wiring } from '../../src/runtime/reconcile.ts'
import { kustomization, readyAt } from './objects.ts'
import { FakeInformer, World } from './world.ts'

let world: World
let queued: string[]
let informers: Map<string, FakeInformer<KubeObject>>

/** Starts the loop's watches on the world's stores. */
function wire(gates: Record<string, boolean> = {}): void {
  queued = []
  informers = new Map()
  const get = (kind: { kind: string }, options?: object): unknown => {
    if (kind.kind === 'Kustomization') return world.kustomizations
    if (kind.kind === 'GitRepository') return world.sources
    const key = `${kind.kind} ${JSON.stringify(options)}`
    const informer = informers.get(key) ?? new FakeInformer()
    informers.set(key, informer)
    return informer
  }
  const flags = {
    watchAllNamespaces: true,
    watchConfigsLabelSelector: 'reconcile.fluxcd.io/watch=Enabled',
    featureGates: new Map(Object.entries(gates)),
  }
  const wiring = {
    informers: { get },
    own: world.kustomizations,
    environment: { informers: { get }, flags },
    signal: new AbortController().signal,
    enqueue: ({ name }: { name: string }, cause: string) => queued.push(`${name} ${cause}`),
  }
  for (const watch of world.loop.watches) watch(wiring as unknown as Wiring<Kustomization>)
}

const put = (name: string, spec: Partial<KustomizationSpec> = {}, status?: KustomizationStatus) =>
  world.kustomizations.put(kustomization(name, spec, status))

const news = () => queued.splice(0)

beforeEach(() => {
  world = new World()
  wire()
})

describe('a new artifact', () => {
  it('KUS-REC-03 KUS-DEP-02 queues the Kustomizations of the source at once, dependencies first', async () => {
    put('apps', { dependsOn: [{ name: 'base' }] })
    put('base')
    put('other', { sourceRef: { kind: 'GitRepository', name: 'other' } })
    put('remote', { sourceRef: { kind: 'GitRepository', name: 'repo', namespace: 'elsewhere' } })
    news()
    await world.commit('main@sha1:1', {})
    expect(news()).toEqual(['base source', 'apps source'])
  })

  it('KUS-REC-03 leaves those alone that have it already', async () => {
    put('done', {}, readyAt('main@sha1:1'))
    put('behind', {}, readyAt('main@sha1:0'))
    news()
    await world.commit('main@sha1:1', {})
    expect(news()).toEqual(['behind source'])
  })

  it('queues what was at work on the revision when the source had lost its artifact', async () => {
    const { conditions = [], ...rest } = readyAt('main@sha1:1')
    const reconciling = [...conditions, { ...conditions[0], type: 'Reconciling' }]
    const working = reconciling.map((one) => (one.type === 'Ready' ? { ...one, status: 'Unknown' } : one))
    put('interrupted', {}, { ...rest, conditions: working } as KustomizationStatus)
    put('done', {}, readyAt('main@sha1:1'))
    news()
    await world.commit('main@sha1:1', {})
    expect(news()).toEqual(['interrupted source'])
  })
})

describe('a new artifact of a registry', () => {
  it('KUS-BLD-12 KUS-REC-03 queues the Kustomizations of the OCIRepository, and not those of a GitRepository of its name', () => {
    put('images', { sourceRef: { kind: 'OCIRepository', name: 'repo' } })
    put('git')
    news()
    const [, registry] = [...informers].find(([key]) => key.startsWith('OCIRepository ')) ?? []
    const push = (revision: string) => registry?.put(ociRepository(revision))
    push('v1@sha256:1')
    expect(news()).toEqual(['images source'])
    push('v1@sha256:1')
    expect(news()).toEqual([])
    push('v1@sha256:2')
    expect(news()).toEqual(['images source'])
  })
})

function ociRepository(revision: string): KubeObject {
  const artifact = { revision, digest: revision.replace(/^.*@/, '') }
  const metadata = { name: 'repo', namespace: 'flux' }
  return { apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'OCIRepository', metadata, status: { artifact } } as KubeObject
}

describe('a dependency', () => {
  const failed = (revision: string): KustomizationStatus => {
    const ready = readyAt(revision)
    return { ...ready, conditions: ready.conditions?.map((condition) => ({ ...condition, status: 'False' as const })) ?? [] }
  }

  beforeEach(() => {
    put('apps', { dependsOn: [{ name: 'base' }] })
    put('base')
    news()
  })

  it('KUS-DEP-01 releases its dependents when it becomes ready, and at each new revision', () => {
    put('base', {}, readyAt('main@sha1:1'))
    expect(news()).toEqual(['apps dependency'])
    put('base', {}, readyAt('main@sha1:2'))
    expect(news()).toEqual(['apps dependency'])
    put('base', {}, failed('main@sha1:2'))
    expect(news()).toEqual([])
    put('base', {}, readyAt('main@sha1:2'))
    expect(news()).toEqual(['apps dependency'])
  })

  it('does not disturb them when nothing has changed', () => {
    put('base', {}, readyAt('main@sha1:1'))
    news()
    put('base', {}, { ...readyAt('main@sha1:1'), lastHandledReconcileAt: 'x' })
    expect(news()).toEqual([])
  })

  it('KUS-DEP-01 with a readyExpr is looked at again whenever it changes, while somebody waits', () => {
    put('apps', { dependsOn: [{ name: 'base', readyExpr: 'dep.metadata.generation == 2' }] })
    news()
    put('base', { suspend: true })
    expect(news()).toEqual(['apps dependency'])
  })
})

describe('a ConfigMap or Secret', () => {
  const options = JSON.stringify({ labelSelector: 'reconcile.fluxcd.io/watch=Enabled', metadataOnly: true })
  const change = (kind: string, name: string) =>
    informers.get(`${kind} ${options}`)?.put({ apiVersion: 'v1', kind, metadata: { name, namespace: 'flux' } })

  it('API-14 KUS-SUB-02 with the watch label queues those that take variables from it', () => {
    put('apps', { postBuild: { substituteFrom: [{ kind: 'ConfigMap', name: 'settings' }] } })
    put('other', { postBuild: { substituteFrom: [{ kind: 'Secret', name: 'settings' }] } })
    news()
    change('ConfigMap', 'settings')
    expect(news()).toEqual(['apps config'])
    change('Secret', 'settings')
    expect(news()).toEqual(['other config'])
    change('ConfigMap', 'unused')
    expect(news()).toEqual([])
  })

  it('API-14 KUS-RMT-01 KUS-RMT-02 with the watch label queues those that are led to their cluster by it', () => {
    put('far', { kubeConfig: { secretRef: { name: 'way' } } })
    put('farther', { kubeConfig: { configMapRef: { name: 'way' } } })
    news()
    change('Secret', 'way')
    expect(news()).toEqual(['far config'])
    change('ConfigMap', 'way')
    expect(news()).toEqual(['farther config'])
  })

  it('API-15 is not watched with the gate DisableConfigWatchers', () => {
    wire({ DisableConfigWatchers: true })
    expect([...informers.keys()].filter((key) => /^(ConfigMap|Secret) /.test(key))).toEqual([])
  })
})
