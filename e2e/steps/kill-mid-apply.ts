import assert from 'node:assert/strict'
import type { Files } from '../../test/tools/repository.ts'
import { type Live, watchObjects } from '../../test/tools/watch.ts'
import { configMap, yaml } from '../manifests.ts'
import { containerOf, killOnNode, sluicePod } from '../pod.ts'
import { fluxNamespace, type Stage, type Step } from '../stage.ts'

const name = 'kill-mid-apply'
const objects = 200
const enough = 10

export const killMidApply: Step = {
  title: `Sluice's pod is killed while it applies ${objects} objects: the next one converges`,
  async run(stage) {
    const delivery = await stage.deliver(name, { 'one.yaml': yaml(configMap('one', { a: 'b' })) })
    await delivery.ready()

    const before = await sluicePod(stage)
    const some = configMapsAbove(stage, enough)
    await delivery.push(manyConfigMaps(), `Add ${objects} objects`)
    await some
    await killPod(stage, before)
    stage.note(`killed when ${await countOf(stage)} of ${objects + 1} objects were there`)

    const object = await delivery.ready()
    assert.equal(object.status?.inventory?.entries.length, objects + 1, 'entries of the inventory')
    assert.equal(await countOf(stage), objects + 1, 'objects')
    assert.notEqual(containerOf(await sluicePod(stage)), containerOf(before), 'the container')

    await delivery.push(Object.fromEntries(Object.keys(manyConfigMaps()).map((path) => [path, null])), 'Drop them')
    await delivery.ready()
    assert.equal(await countOf(stage), 1, 'objects after they were dropped')
    await delivery.remove()
  },
}

/** With SIGKILL where that can be done: the next process then has to wait for the lease too. */
async function killPod(stage: Stage, pod: Live): Promise<void> {
  if (stage.cluster.onNode) return killOnNode(stage, pod, 'process')
  await stage.kubectl('delete', 'pod', pod.metadata.name, '--namespace', fluxNamespace, '--grace-period', '0', '--force')
}

function manyConfigMaps(): Files {
  const number = (index: number) => String(index).padStart(3, '0')
  const one = (index: number) => configMap(`many-${number(index)}`, { index: number(index), text: 'x'.repeat(2000) })
  return Object.fromEntries(Array.from({ length: objects }, (_, index) => [`many-${number(index)}.yaml`, yaml(one(index))]))
}

/** Resolves when more than so many ConfigMaps of ours are there. */
async function configMapsAbove({ cluster: { kubeconfig } }: Stage, count: number): Promise<void> {
  const ended = new AbortController()
  const seen = new Set<string>()
  for await (const { object } of watchObjects('configmaps', { kubeconfig, namespace: name }, ended.signal)) {
    if (object.metadata.labels?.['kustomize.toolkit.fluxcd.io/name'] === name) seen.add(object.metadata.name)
    if (seen.size > count) break
  }
  ended.abort()
}

async function countOf({ kubectl }: Stage): Promise<number> {
  const names = await kubectl(
    'get',
    'configmaps',
    '--namespace',
    name,
    '--selector',
    `kustomize.toolkit.fluxcd.io/name=${name}`,
    '--output',
    'name',
  )
  return names.trim().split('\n').filter(Boolean).length
}
