/** kill -9 in the middle: after a restart everything is as Git says, nothing is left over and nothing is there twice. */
import { createHash } from 'node:crypto'
import { watch } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, it } from 'vitest'
import { temporaryDirectory } from '../tools/processes.ts'
import { holdAfter, isApply, isDelete, isStatusPatch, mend, openLine } from './faults.ts'
import { type Cluster, isReady, type Live, openCluster } from './harness.ts'

const kubeconfig = inject('kubeconfig')

it('KUS-APL-10 killed in the middle of an apply: what was written before is known after, and nothing else is left', async () => {
  await using cluster = await openCluster(kubeconfig, 'crash-apply')
  await using line = await openLine(cluster.kubeconfig)
  const sluice = await cluster.startSluice({ kubeconfig: line.kubeconfig })
  const repository = await cluster.repository('app', configMaps('a', 'b', 'c', 'd', 'e', 'f'))
  const inTheMiddle = holdAfter(2, line.proxy, isApply('configmaps'))
  await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await inTheMiddle
  await sluice.kill9()

  const half = await owned(cluster)
  expect(half).toHaveLength(2)
  expect(inventory(await cluster.get('kustomization/app'))).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])

  // One of the two that were written is wanted no more: only the record of before the crash knows of it.
  const [dropped = '', kept = ''] = half.map(({ metadata }) => metadata.name)
  const next = await repository.commit({ [`${dropped}.yaml`]: null }, 'drop one')
  mend(line.proxy)
  await sluice.start()
  await cluster.reconcile('gitrepository/app')
  const ready = await cluster.until('kustomization/app', isReady(next))
  const names = ['a', 'b', 'c', 'd', 'e', 'f'].filter((name) => name !== dropped)
  await cluster.untilGone(`configmap/${dropped}`)
  expect((await owned(cluster)).map(({ metadata }) => metadata.name)).toEqual(names)
  expect(inventory(ready)).toEqual(names)
  const uid = half.find(({ metadata }) => metadata.name === kept)?.metadata.uid
  expect((await cluster.get(`configmap/${kept}`)).metadata.uid).toBe(uid)
})

it('killed after all is written and before it is told: the next start finds it done, and writes no object again', async () => {
  await using cluster = await openCluster(kubeconfig, 'crash-told')
  await using line = await openLine(cluster.kubeconfig)
  const sluice = await cluster.startSluice({ kubeconfig: line.kubeconfig })
  const repository = await cluster.repository('app', configMaps('a', 'b'))
  await cluster.apply(cluster.gitRepository('app'))
  await cluster.until('gitrepository/app', isReady())
  const isAllSent = () => line.proxy.seen.filter(isApply('configmaps')).length === 2
  const inTheMiddle = holdAfter(0, line.proxy, (request) => isAllSent() && isStatusPatch('kustomizations')(request))
  await cluster.apply(cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await inTheMiddle
  await sluice.kill9()
  const before = await owned(cluster)
  expect(before).toHaveLength(2)
  expect(isReady()(await cluster.get('kustomization/app'))).toBe(false)

  mend(line.proxy)
  await sluice.start()
  await cluster.until('kustomization/app', isReady(await repository.head()))
  expect((await owned(cluster)).map(({ metadata }) => metadata.resourceVersion)).toEqual(
    before.map(({ metadata }) => metadata.resourceVersion),
  )
})

it('killed before the inventory is recorded: nothing has been written yet', async () => {
  await using cluster = await openCluster(kubeconfig, 'crash-record')
  await using line = await openLine(cluster.kubeconfig)
  const sluice = await cluster.startSluice({ kubeconfig: line.kubeconfig })
  await cluster.repository('app', configMaps('a', 'b'))
  await cluster.apply(cluster.gitRepository('app'))
  await cluster.until('gitrepository/app', isReady())
  const inTheMiddle = holdAfter(0, line.proxy, isStatusPatch('kustomizations'))
  await cluster.apply(cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await inTheMiddle
  await sluice.kill9()
  expect(await owned(cluster)).toEqual([])
  expect(line.proxy.seen.filter(isApply('configmaps'))).toEqual([])

  mend(line.proxy)
  await sluice.start()
  expect(inventory(await cluster.until('kustomization/app', isReady()))).toEqual(['a', 'b'])
})

it('KUS-PRN-01 killed in the middle of a prune: the rest is pruned after, and nothing that is wanted', async () => {
  await using cluster = await openCluster(kubeconfig, 'crash-prune')
  await using line = await openLine(cluster.kubeconfig)
  const sluice = await cluster.startSluice({ kubeconfig: line.kubeconfig })
  const repository = await cluster.repository('app', configMaps('a', 'b', 'c', 'd', 'e', 'kept'))
  await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await cluster.until('kustomization/app', isReady(await repository.head()))
  const inTheMiddle = holdAfter(2, line.proxy, isDelete('configmaps'))
  const removed = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [`${name}.yaml`, null]))
  const next = await repository.commit(removed, 'remove five')
  await cluster.reconcile('gitrepository/app')
  await inTheMiddle
  await sluice.kill9()
  expect(await owned(cluster)).toHaveLength(4)
  expect(inventory(await cluster.get('kustomization/app'))).toEqual(['a', 'b', 'c', 'd', 'e', 'kept'])

  mend(line.proxy)
  await sluice.start()
  const ready = await cluster.until('kustomization/app', isReady(next))
  expect(inventory(ready)).toEqual(['kept'])
  expect((await owned(cluster)).map(({ metadata }) => metadata.name)).toEqual(['kept'])
})

it('API-13 killed in the middle of undoing a deleted Kustomization: the rest is undone after', async () => {
  await using cluster = await openCluster(kubeconfig, 'crash-finalize')
  await using line = await openLine(cluster.kubeconfig)
  const sluice = await cluster.startSluice({ kubeconfig: line.kubeconfig })
  await cluster.repository('app', configMaps('a', 'b', 'c', 'd'))
  await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await cluster.until('kustomization/app', isReady())
  const inTheMiddle = holdAfter(1, line.proxy, isDelete('configmaps'))
  await cluster.kubectl('delete', 'kustomization', 'app', '--wait=false')
  await inTheMiddle
  await sluice.kill9()
  expect(await owned(cluster)).toHaveLength(3)

  mend(line.proxy)
  await sluice.start()
  await cluster.untilGone('kustomization/app')
  expect(await owned(cluster)).toEqual([])
})

it('killed while an artifact is written: the old one stays whole, the new one is made from the start, nothing half is left', async () => {
  await using cluster = await openCluster(kubeconfig, 'crash-artifact')
  const storagePath = await temporaryDirectory('storage')
  const sluice = await cluster.startSluice({ storagePath })
  const repository = await cluster.repository('app', configMaps('small'))
  await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  const small = await cluster.until('kustomization/app', isReady(await repository.head()))
  const source = await cluster.get('gitrepository/app')

  const writing = firstBytes(join(storagePath, '.tmp'))
  const big = await repository.commit({ ...configMaps('large'), ...ballast(12) }, 'large')
  await cluster.kubectl('annotate', 'gitrepository/app', '--overwrite', 'reconcile.fluxcd.io/requestedAt=now')
  const half = await writing
  await sluice.kill9()
  const { size } = await stat(half)
  expect(await artifactFiles(storagePath, cluster)).toEqual([`${source.status?.artifact?.path.split('/').at(-1)}`])
  expect(await digestOf(storagePath, source)).toBe(source.status?.artifact?.digest)
  expect(await cluster.get('kustomization/app')).toMatchObject({
    status: { lastAppliedRevision: small.status?.lastAppliedRevision },
  })

  await sluice.start()
  await cluster.until('kustomization/app', isReady(big), { timeoutMs: 60_000 })
  const after = await cluster.get('gitrepository/app')
  expect(await digestOf(storagePath, after)).toBe(after.status?.artifact?.digest)
  expect((await stat(join(storagePath, after.status?.artifact?.path ?? ''))).size).toBeGreaterThan(size)
  expect(await readdir(join(storagePath, '.tmp'))).toEqual([])
  expect((await owned(cluster)).map(({ metadata }) => metadata.name)).toEqual(['large', 'small'])
}, 120_000)

/** A file for each name. */
function configMaps(...names: string[]): Record<string, string> {
  return Object.fromEntries(
    names.map((name) => [`${name}.yaml`, `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {of: ${name}}\n`]),
  )
}

/** Files that gzip cannot make smaller: one MiB each, the same every time. */
function ballast(count: number): Record<string, Uint8Array> {
  const names = Array.from({ length: count }, (_, index) => `ballast/${index}.bin`)
  return Object.fromEntries(names.map((name) => [name, noise(name)]))
}

function noise(seed: string): Uint8Array {
  return createHash('shake256', { outputLength: 1 << 20 })
    .update(seed)
    .digest()
}

/** The ConfigMaps that the Kustomization owns, by name. */
async function owned(cluster: Cluster): Promise<readonly Live[]> {
  const all = await cluster.list('configmaps')
  return all.filter(({ metadata }) => metadata.labels?.['kustomize.toolkit.fluxcd.io/name'] === 'app')
}

function inventory({ status }: Live): (string | undefined)[] | undefined {
  return status?.inventory?.entries.map(({ id }) => id.split('_')[1]).toSorted()
}

/** Resolves with a file of the folder as soon as it has content. */
function firstBytes(folder: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const watcher = watch(folder, async (_, name) => {
    const file = join(folder, name ?? '')
    const { size } = await stat(file).catch(() => ({ size: 0 }))
    if (size === 0) return
    watcher.close()
    resolve(file)
  })
  return promise
}

function artifactFiles(storagePath: string, { namespace }: Cluster): Promise<string[]> {
  return readdir(join(storagePath, 'gitrepository', namespace, 'app'))
}

async function digestOf(storagePath: string, { status }: Live): Promise<string> {
  const content = await readFile(join(storagePath, status?.artifact?.path ?? ''))
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}
