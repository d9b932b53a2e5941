import assert from 'node:assert/strict'
import type { Live } from '../../test/tools/watch.ts'
import { configMap, yaml } from '../manifests.ts'
import { sluicePod } from '../pod.ts'
import { Skipped, type Stage, type Step } from '../stage.ts'

const name = 'killed-shim'

export const killedShim: Step = {
  title: "containerd's shim of Sluice's pod is killed: the kubelet starts it again, and the next commit is applied",
  async run(stage) {
    const delivery = await stage.deliver(name, { 'a.yaml': yaml(configMap('a', { text: 'one' })) })
    await delivery.ready()
    const before = await sluicePod(stage)
    await killShimOf(stage, before)
    await delivery.push({ 'a.yaml': yaml(configMap('a', { text: 'two' })) }, 'Two')
    await delivery.ready(180_000)
    const after = await sluicePod(stage)
    assert.notEqual(containerOf(after), containerOf(before), 'the container')
    await delivery.remove()
  },
}

async function killShimOf({ cluster: { onNode } }: Stage, pod: Live): Promise<void> {
  if (!onNode) throw new Skipped('nobody may kill processes of this node')
  // The shim is the parent of the container's first process.
  const script = `
    pid=$(ctr --namespace k8s.io tasks list | awk -v id=${containerOf(pod)} '$1 == id { print $2 }')
    shim=$(awk '$1 == "PPid:" { print $2 }' /proc/$pid/status)
    grep --quiet containerd-shim /proc/$shim/cmdline
    kill -9 $shim`
  await onNode('sh', '-euc', script)
}

/** `containerd://<id>` without its beginning. */
function containerOf(pod: Live): string {
  const [status] = (pod.status?.containerStatuses ?? []) as readonly { containerID: string }[]
  return status?.containerID.split('//')[1] ?? ''
}
