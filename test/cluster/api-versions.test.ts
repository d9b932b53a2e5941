/** Objects whose managedFields speak of other API versions than the one that is applied. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { type Cluster, conditionOf, hasCondition, isReady, openCluster } from './harness.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'api-versions')
})

afterAll(() => cluster?.[Symbol.asyncDispose]())

const group = 'api-versions.example.com'

it.each([
  ['still served', true],
  ['no longer served', false],
])(
  'F-APP-07 KUS-APL-12 an old version that is %s: says whose managedFields are in the way, and mends them with the gate',
  async (_, served) => {
    const kind = served ? 'Box' : 'Crate'
    const name = kind.toLowerCase()
    const sluice = await cluster.startSluice()
    await cluster.kubectl.apply(crd(kind, [{ name: 'v1beta1' }]))
    const repository = await cluster.repository(name, { 'a.yaml': manifest(kind, 'v1beta1', 'a') })
    const spec = { targetNamespace: cluster.namespace, retryInterval: '1s' }
    await cluster.apply(cluster.gitRepository(name), cluster.kustomization(name, spec))
    await cluster.until(`kustomization/${name}`, isReady(await repository.head()))
    const status = JSON.stringify({ status: { phase: 'Open' } })
    await patch(`${kind}.v1beta1.${group}/one`, 'packer', status, '--subresource=status')

    // The new version is stored, then gets a field that fills itself in.
    await cluster.kubectl.apply(crd(kind, [{ name: 'v1beta1' }, { name: 'v1' }]))
    await serves(kind)
    const second = await repository.commit({ 'a.yaml': manifest(kind, 'v1', 'b') }, 'The new version')
    await cluster.reconcile(`gitrepository/${name}`)
    await cluster.until(`kustomization/${name}`, isReady(second))
    await cluster.kubectl.apply(
      crd(kind, [
        { name: 'v1beta1', served },
        { name: 'v1', mode: 'auto' },
      ]),
    )
    await cluster.until(`${kind}.v1.${group}/one`, ({ spec }) => JSON.stringify(spec).includes('auto'))

    const third = await repository.commit({ 'a.yaml': manifest(kind, 'v1', 'c') }, 'A change')
    await cluster.reconcile(`gitrepository/${name}`)
    const refused = await cluster.until(`kustomization/${name}`, hasCondition('Ready', 'False', 'ReconciliationFailed'))
    expect(conditionOf(refused, 'Ready')?.message).toContain(
      `managedFields of packer (${group}/v1beta1) are not of ${group}/v1: the feature gate MigrateAPIVersion=true rewrites them`,
    )
    await sluice.stop()
    await using migrating = await cluster.startSluice({ flags: { 'feature-gates': 'MigrateAPIVersion=true' } })
    await cluster.until(`kustomization/${name}`, isReady(third))
    const { spec: live } = await cluster.get(`${kind}.v1.${group}/one`)
    expect(live).toEqual({ parts: [{ inner: { key: 'c', mode: 'auto' } }] })
    await migrating.stop()
  },
)

interface Version {
  readonly name: string
  readonly served?: boolean
  /** Default of a field that others do not have. */
  readonly mode?: string
}

function crd(kind: string, versions: readonly Version[]) {
  const plural = `${kind.toLowerCase()}s`
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: { kind, plural, singular: kind.toLowerCase() },
      scope: 'Namespaced',
      versions: versions.map(({ name, served = true, mode }) => ({
        name,
        served,
        storage: name === versions.at(-1)?.name,
        subresources: { status: {} },
        schema: { openAPIV3Schema: schema(mode) },
      })),
    },
  }
}

function schema(mode: string | undefined) {
  const inner = object({ key: { type: 'string' }, ...(mode && { mode: { type: 'string', default: mode } }) })
  const spec = object({ parts: { type: 'array', items: object({ inner }) } })
  return object({ spec, status: object({ phase: { type: 'string' } }) })
}

function object(properties: object) {
  return { type: 'object', properties }
}

function manifest(kind: string, version: string, key: string): string {
  return `apiVersion: ${group}/${version}\nkind: ${kind}\nmetadata: {name: one}\nspec: {parts: [{inner: {key: ${key}}}]}\n`
}

function patch(ref: string, manager: string, body: string, ...args: string[]): Promise<string> {
  return cluster.kubectl('patch', ref, `--field-manager=${manager}`, '--type=merge', '-p', body, ...args)
}

/** Waits until the new version can be read. */
async function serves(kind: string): Promise<void> {
  await cluster.until(`${kind}.v1.${group}/one`, () => true)
}
