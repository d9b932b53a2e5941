/** Fields of managed objects that others may set. */
import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type Cluster, hasCondition, isReady, type Live, openCluster } from './harness.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'drift-rules')
  await cluster.startSluice()
})

afterAll(() => cluster?.[Symbol.asyncDispose]())

const deployment = (name: string, tag = 'v1') => `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, annotations: {contact: shop}}
spec:
  replicas: 1
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      containers:
        - {name: web, image: 'registry.example.com/web:${tag}', resources: {limits: {memory: 64Mi}}}
`

/** A Deployment of its own repository, and what is ignored of it. */
async function sync(name: string, ignore: readonly object[]) {
  const repository = await cluster.repository(name, { 'web.yaml': deployment(name) })
  await cluster.apply(cluster.gitRepository(name), cluster.kustomization(name, { targetNamespace: cluster.namespace, ignore }))
  await cluster.until(`kustomization/${name}`, isReady(await repository.head()))
  return {
    push: async () => {
      const next = await repository.commit({ 'web.yaml': deployment(name, 'v2') }, 'Next version')
      await cluster.reconcile(`gitrepository/${name}`)
      await cluster.until(`kustomization/${name}`, isReady(next))
    },
  }
}

const get = (name: string) => cluster.get(`deployment/${name}`)
const patch = (name: string, manager: string, body: object) =>
  cluster.kubectl('patch', `deployment/${name}`, `--field-manager=${manager}`, '--type=merge', '-p', JSON.stringify(body))

interface Spec {
  readonly replicas: number
  readonly paused?: boolean
  readonly template: {
    readonly spec: { readonly containers: readonly { image: string; resources: { limits: { memory: string } } }[] }
  }
}
const specOf = (live: Live) => live.spec as unknown as Spec
const containerOf = (live: Live) => specOf(live).template.spec.containers[0]

describe('spec.ignore', () => {
  it('KUS-APL-05 leaves what others set in ignored fields, without a write, and puts other fields back', async () => {
    const { push } = await sync('scaled', [{ paths: ['/spec/replicas'], target: { kind: 'Deployment' } }])
    await patch('scaled', 'autoscaler', { spec: { replicas: 4 } })
    const { resourceVersion } = (await get('scaled')).metadata
    await cluster.reconcile('kustomization/scaled')
    expect((await get('scaled')).metadata.resourceVersion).toBe(resourceVersion)

    await patch('scaled', 'someone', { metadata: { annotations: { contact: 'nobody' } } })
    const mended = await cluster.until('deployment/scaled', ({ metadata }) => metadata.annotations?.contact === 'shop')
    expect(specOf(mended).replicas).toBe(4)
    await push()
    expect(specOf(await get('scaled')).replicas).toBe(4)
    expect(containerOf(await get('scaled'))?.image).toBe('registry.example.com/web:v2')
  })

  it('KUS-APL-05 leaves a field to another program that applies it, also within a list', async () => {
    const { push } = await sync('sized', [{ paths: ['/spec/template/spec/containers/0/resources'] }])
    const containers = [{ name: 'web', resources: { limits: { memory: '128Mi' } } }]
    const sized = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'sized', namespace: cluster.namespace } }
    const applied = { ...sized, spec: { selector: { matchLabels: { app: 'sized' } }, template: { spec: { containers } } } }
    await applyAs('sizer', applied)
    await cluster.reconcile('kustomization/sized')
    await push()
    expect(containerOf(await get('sized'))).toMatchObject({
      image: 'registry.example.com/web:v2',
      resources: { limits: { memory: '128Mi' } },
    })
    expect(await ownersOf('sized', 'f:resources')).toEqual(['sizer'])
  })

  it('KUS-APL-05 puts the fields back when the rule goes, and of objects that it does not select', async () => {
    await sync('ruled', [{ paths: ['/spec/replicas'], target: { name: 'rul.*', labelSelector: 'scaled!=no' } }])
    await patch('ruled', 'autoscaler', { spec: { replicas: 4 } })
    await cluster.reconcile('kustomization/ruled')
    expect(specOf(await get('ruled')).replicas).toBe(4)
    await cluster.kubectl('label', 'deployment/ruled', 'scaled=no')
    await patch('ruled', 'autoscaler', { metadata: { annotations: { contact: 'nobody' } } })
    await cluster.until('deployment/ruled', (live) => specOf(live).replicas === 1)

    await cluster.kubectl('label', 'deployment/ruled', 'scaled-')
    await patch('ruled', 'autoscaler', { spec: { replicas: 4 } })
    await cluster.reconcile('kustomization/ruled')
    expect(specOf(await get('ruled')).replicas).toBe(4)
    await cluster.kubectl('patch', 'kustomization/ruled', '--type=json', '-p', '[{"op":"remove","path":"/spec/ignore"}]')
    await cluster.until('deployment/ruled', (live) => specOf(live).replicas === 1)
  })

  it.each([
    [
      'an expression that cannot be parsed',
      { paths: ['/data'], target: { name: '(' } },
      /failed to create ignore rule selector: .*\(/,
    ],
    [
      'a path that is no pointer',
      { paths: ['spec.replicas'] },
      "spec.ignore[0].paths: 'spec.replicas' is not the JSON pointer of a field",
    ],
  ])('KUS-APL-05 with %s fails by its text', async (what, rule, text) => {
    const name = `wrong-${what.length}`
    await cluster.repository(name, { 'web.yaml': deployment(name) })
    const spec = { targetNamespace: cluster.namespace, ignore: [rule] }
    await cluster.apply(cluster.gitRepository(name), cluster.kustomization(name, spec))
    await cluster.until(`kustomization/${name}`, hasCondition('Ready', 'False', 'ReconciliationFailed', text))
  })
})

/** Server-side apply by another program. */
async function applyAs(manager: string, object: object): Promise<void> {
  const file = `${cluster.kubeconfig}-${manager}.json`
  await writeFile(file, JSON.stringify(object))
  await cluster.kubectl('apply', '--server-side', '--force-conflicts', `--field-manager=${manager}`, '-f', file)
}

/** The managers whose fields of a Deployment include this one. */
async function ownersOf(name: string, field: string): Promise<string[]> {
  const text = await cluster.kubectl('get', `deployment/${name}`, '--show-managed-fields', '-o', 'json')
  const { metadata } = JSON.parse(text) as { metadata: { managedFields: { manager: string; fieldsV1: object }[] } }
  return metadata.managedFields.filter(({ fieldsV1 }) => JSON.stringify(fieldsV1).includes(field)).map(({ manager }) => manager)
}
