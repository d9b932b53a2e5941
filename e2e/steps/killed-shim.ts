import assert from 'node:assert/strict'
import { configMap, yaml } from '../manifests.ts'
import { containerOf, killOnNode, sluicePod } from '../pod.ts'
import type { Step } from '../stage.ts'

const name = 'killed-shim'

export const killedShim: Step = {
  title: "containerd's shim of Sluice's pod is killed: the kubelet starts it again, and the next commit is applied",
  async run(stage) {
    const delivery = await stage.deliver(name, { 'a.yaml': yaml(configMap('a', { text: 'one' })) })
    await delivery.ready()
    const before = await sluicePod(stage)
    await killOnNode(stage, before, 'shim')
    await delivery.push({ 'a.yaml': yaml(configMap('a', { text: 'two' })) }, 'Two')
    await delivery.ready(180_000)
    const after = await sluicePod(stage)
    assert.notEqual(containerOf(after), containerOf(before), 'the container')
    await delivery.remove()
  },
}
