/** How far an object is, as kstatus tells from its conditions: what `flux reconcile`, `flux resume` and `kubectl wait` tools go by. */
import { conditionOf, type Live } from './watch.ts'

export interface Kstatus {
  readonly status: 'Terminating' | 'InProgress' | 'Failed' | 'Current'
  readonly message: string
}

/** Source: github.com/fluxcd/cli-utils pkg/kstatus/status: checkGenericProperties, then checkReadyCondition of custom resources. */
export function kstatusOf(object: Live): Kstatus {
  const { metadata, status } = object
  const condition = (type: string) => conditionOf(object, type)
  if (metadata.deletionTimestamp) return { status: 'Terminating', message: 'Resource scheduled for deletion' }
  if (status?.observedGeneration !== undefined && status.observedGeneration !== metadata.generation)
    return {
      status: 'InProgress',
      message: `${object.kind} generation is ${metadata.generation}, but latest observed generation is ${status.observedGeneration}`,
    }
  const [reconciling, stalled, ready] = [condition('Reconciling'), condition('Stalled'), condition('Ready')]
  if (reconciling?.status === 'True') return { status: 'InProgress', message: reconciling.message }
  if (stalled?.status === 'True') return { status: 'Failed', message: stalled.message }
  if (ready && ready.status !== 'True') return { status: 'InProgress', message: ready.message }
  return { status: 'Current', message: ready ? 'Resource is Ready' : 'Resource is current' }
}
