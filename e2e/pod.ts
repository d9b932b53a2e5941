/** Sluice's own pod. */
import { hasCondition, type Live } from '../test/tools/watch.ts'
import { fluxNamespace, Skipped, type Stage } from './stage.ts'

export const sluiceSelector = 'app.kubernetes.io/name=sluice'

/** The pods that are not being deleted, oldest first. */
export async function sluicePods({ kubectl }: Stage): Promise<readonly Live[]> {
  const { items } = await kubectl.json<{ items: readonly Live[] }>(
    'get',
    'pods',
    '--namespace',
    fluxNamespace,
    '--selector',
    sluiceSelector,
  )
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .toSorted((a, b) => a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp))
}

/** The only pod, once it is ready. */
export async function sluicePod(stage: Stage): Promise<Live> {
  const [pod] = await sluicePods(stage)
  if (!pod) throw new Error(`there is no pod ${sluiceSelector} in ${fluxNamespace}`)
  return stage.until(`pod/${pod.metadata.name}`, hasCondition('Ready', 'True'))
}

/** The id of the pod's container, as containerd knows it. */
export function containerOf(pod: Live): string {
  const [status] = (pod.status?.containerStatuses ?? []) as readonly { containerID: string }[]
  return status?.containerID.split('//')[1] ?? ''
}

/** Kills the first process of the pod's container, or the shim that is its parent, with SIGKILL. */
export async function killOnNode({ cluster: { onNode } }: Stage, pod: Live, what: 'process' | 'shim'): Promise<void> {
  if (!onNode) throw new Skipped('nobody may kill processes of this node')
  const process = `pid=$(ctr --namespace k8s.io tasks list | awk -v id=${containerOf(pod)} '$1 == id { print $2 }')`
  const shim = `shim=$(awk '$1 == "PPid:" { print $2 }' /proc/$pid/status); grep --quiet containerd-shim /proc/$shim/cmdline`
  const script = what === 'shim' ? [process, shim, 'kill -9 $shim'] : [process, 'kill -9 $pid']
  await onNode('sh', '-euc', script.join('\n'))
}
