/** Sluice's own pod. */
import { hasCondition, type Live } from '../test/tools/watch.ts'
import { fluxNamespace, type Stage } from './stage.ts'

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
