/** What people look at when a step has failed. */
import type { Cluster } from './cluster.ts'
import { fluxNamespace } from './stage.ts'

const views: readonly (readonly string[])[] = [
  ['get', 'pods', '--all-namespaces', '--output', 'wide'],
  ['get', 'gitrepositories,helmcharts,kustomizations.kustomize.toolkit.fluxcd.io,helmreleases', '--all-namespaces'],
  ['get', 'events', '--all-namespaces', '--sort-by', '.lastTimestamp'],
  ['logs', '--namespace', fluxNamespace, '--selector', 'app.kubernetes.io/name=sluice', '--tail', '40', '--prefix'],
]
const mostLines = 60

/** Prints pods, Flux's objects, events and logs. */
export async function printState({ kubectl }: Cluster, say: (line: string) => void): Promise<void> {
  for (const view of views) {
    say(`--- kubectl ${view.join(' ')}`)
    const text = await kubectl(...view).catch((error: unknown) => String(error))
    for (const line of text.trimEnd().split('\n').slice(-mostLines)) say(line)
  }
}
