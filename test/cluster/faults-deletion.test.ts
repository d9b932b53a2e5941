/** Kustomizations and objects that are deleted when something that they need is gone, or that do not go. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { isDelete, type Line, openLine } from './faults.ts'
import { type Cluster, conditionOf, isReady, openCluster, type Sluice } from './harness.ts'

let cluster: Cluster
let line: Line
let sluice: Sluice

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'faults-deletion')
  line = await openLine(cluster.kubeconfig)
  sluice = await cluster.startSluice({ kubeconfig: line.kubeconfig })
})

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await line?.[Symbol.asyncDispose]()
})

const configMap = (name: string, metadata = '') => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}${metadata}}\n`
const hold = ', finalizers: [test.example.com/hold]'
const isGoing = ({ metadata }: { metadata: { deletionTimestamp?: string } }) => metadata.deletionTimestamp !== undefined

async function sync(name: string, manifest: string, spec: Readonly<Record<string, unknown>> = {}) {
  const repository = await cluster.repository(name, { 'a.yaml': manifest, 'b.yaml': configMap(`${name}-b`) })
  await cluster.apply(cluster.gitRepository(name), cluster.kustomization(name, { targetNamespace: cluster.namespace, ...spec }))
  return repository
}

async function letGo(name: string): Promise<void> {
  await cluster.kubectl('patch', `configmap/${name}`, '--type=merge', '-p', '{"metadata":{"finalizers":null}}')
}

/** How often an object was asked to be deleted. */
function deletions(name: string): number {
  return line.proxy.seen.filter((request) => isDelete('configmaps')(request) && request.url.pathname.endsWith(`/${name}`)).length
}

describe('an object with a finalizer that nobody removes', () => {
  it('F-GC-04 is asked to go once, holds up nothing, and is there again when Git has it back', async () => {
    const repository = await sync('stays', configMap('stays', hold))
    await cluster.until('kustomization/stays', isReady(await repository.head()))
    const without = await repository.commit({ 'a.yaml': null }, 'Remove it')
    await cluster.reconcile('gitrepository/stays')
    await cluster.until('kustomization/stays', isReady(without))
    const { uid } = (await cluster.until('configmap/stays', isGoing)).metadata
    const after = await cluster.reconcile('kustomization/stays')
    expect(after.status?.inventory?.entries.map(({ id }) => id)).toEqual([`${cluster.namespace}_stays-b__ConfigMap`])
    expect(deletions('stays')).toBe(1)

    await repository.commit({ 'a.yaml': configMap('stays') }, 'Bring it back')
    await cluster.reconcile('gitrepository/stays')
    await letGo('stays').catch(() => {}) // applied without its finalizer it may be gone already
    await cluster.until('configmap/stays', ({ metadata }) => metadata.uid !== uid && !isGoing({ metadata }))
  })

  it('F-GC-04 does not keep its Kustomization for ever: the timeout is told, and which object it is', async () => {
    const repository = await sync('holds', configMap('holds', hold), { deletionPolicy: 'WaitForTermination', timeout: '30s' })
    await cluster.until('kustomization/holds', isReady(await repository.head()))
    await cluster.kubectl('delete', 'kustomization/holds', '--timeout=50s')
    const told = await sluice.untilLog(({ name, msg }) => name === 'holds' && msg === 'failed to wait for resources termination')
    expect(told.error).toContain(`ConfigMap/${cluster.namespace}/holds`)
    expect(told.error).toMatch(/timeout/)
    expect(deletions('holds')).toBe(1)
    await expect
      .poll(() => cluster.events('kustomization/holds'), { timeout: 10_000 })
      .toContainEqual(expect.objectContaining({ type: 'Warning', message: 'failed to wait for resources termination' }))
    expect(isGoing(await cluster.get('configmap/holds'))).toBe(true)
    await letGo('holds')
  })
})

describe('a Kustomization that is deleted', () => {
  it.each([
    ['MirrorPrune', true],
    ['Delete', true],
    ['WaitForTermination', true],
    ['Orphan', false],
  ])('F-GC-06 with %s needs no source: objects are deleted: %s', async (deletionPolicy, deletes) => {
    const name = `alone-${deletionPolicy.toLowerCase()}`
    const repository = await sync(name, configMap(name), { deletionPolicy })
    await cluster.until(`kustomization/${name}`, isReady(await repository.head()))
    await cluster.kubectl('delete', `gitrepository/${name}`)
    const alone = await cluster.reconcile(`kustomization/${name}`)
    expect(conditionOf(alone, 'Ready')).toMatchObject({ status: 'False', reason: 'ArtifactFailed' })
    await cluster.kubectl('delete', `kustomization/${name}`, '--timeout=20s')
    if (deletes) await cluster.untilGone(`configmap/${name}`)
    else expect(isGoing(await cluster.get(`configmap/${name}`))).toBe(false)
  })

  it('F-GC-06 goes when its service account is gone, and lists what it leaves behind', async () => {
    const { namespace } = cluster
    await cluster.kubectl('create', 'serviceaccount', 'deployer')
    await cluster.kubectl('create', 'role', 'deployer', '--verb=*', '--resource=configmaps')
    await cluster.kubectl('create', 'rolebinding', 'deployer', '--role=deployer', `--serviceaccount=${namespace}:deployer`)
    const repository = await sync('orphaned', configMap('orphaned'), { serviceAccountName: 'deployer' })
    await cluster.until('kustomization/orphaned', isReady(await repository.head()))
    await cluster.kubectl('delete', 'serviceaccount', 'deployer')
    await cluster.kubectl('delete', 'kustomization/orphaned', '--timeout=20s')
    const message = `unable to prune objects: \nConfigMap/${namespace}/orphaned\nConfigMap/${namespace}/orphaned-b`
    await expect
      .poll(() => cluster.events('kustomization/orphaned'), { timeout: 10_000 })
      .toContainEqual(expect.objectContaining({ type: 'Warning', message }))
    await cluster.get('configmap/orphaned')
  })
})
