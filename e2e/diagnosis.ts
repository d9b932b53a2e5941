/** What people look at when a step has failed. */
import type { Kubectl } from '../test/tools/kubectl.ts'
import type { Live } from '../test/tools/watch.ts'
import type { Cluster } from './cluster.ts'
import { fluxNamespace } from './stage.ts'

const views: readonly (readonly string[])[] = [
  ['get', 'pods', '--all-namespaces', '--output', 'wide'],
  ['get', 'gitrepositories,helmcharts,kustomizations.kustomize.toolkit.fluxcd.io,helmreleases', '--all-namespaces'],
  ['get', 'events', '--all-namespaces', '--sort-by', '.lastTimestamp'],
  ['logs', '--namespace', fluxNamespace, '--selector', 'app.kubernetes.io/name=sluice', '--tail', '40', '--prefix'],
]
const mostLines = 60

/** Prints pods, Flux's objects, events and logs, among them what containers said before they were started again. */
export async function printState({ kubectl }: Cluster, say: (line: string) => void): Promise<void> {
  for (const view of [...views, ...(await restarted(kubectl).catch(() => []))]) {
    say(`--- kubectl ${view.join(' ')}`)
    const text = await kubectl(...view).catch((error: unknown) => String(error))
    for (const line of text.trimEnd().split('\n').slice(-mostLines)) say(line)
  }
}

async function restarted(kubectl: Kubectl): Promise<readonly (readonly string[])[]> {
  const { items } = await kubectl.json<{ items: readonly Live[] }>('get', 'pods', '--all-namespaces')
  return items.flatMap(({ metadata: { name, namespace = '' }, status }) => {
    const containers = (status?.containerStatuses ?? []) as readonly { name: string; restartCount: number }[]
    return containers
      .filter(({ restartCount }) => restartCount > 0)
      .map((container) => ['logs', '--namespace', namespace, name, '--container', container.name, '--previous', '--tail', '20'])
  })
}
