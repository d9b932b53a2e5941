/** What the controllers of a cluster with nodes would write: a test control plane has none. */
import type { Cluster } from './harness.ts'

/** Sets fields of an object's status, as its controller does. */
export async function writeStatus(
  cluster: Cluster,
  ref: string,
  status: Readonly<Record<string, unknown>>,
  { namespace = cluster.namespace } = {},
): Promise<void> {
  const patch = JSON.stringify({ status })
  await cluster.kubectl('patch', ref, '--namespace', namespace, '--subresource=status', '--type=merge', '-p', patch)
}

/** A condition as controllers write it. */
export function condition(type: string, status: 'True' | 'False' | 'Unknown', reason: string, message = '') {
  return { type, status, reason, message, lastTransitionTime: new Date().toISOString() }
}

/** Of a Deployment of one replica that has rolled out. */
export function rolledOut(generation = 1) {
  return {
    observedGeneration: generation,
    replicas: 1,
    updatedReplicas: 1,
    readyReplicas: 1,
    availableReplicas: 1,
    conditions: [
      condition('Available', 'True', 'MinimumReplicasAvailable'),
      condition('Progressing', 'True', 'NewReplicaSetAvailable'),
    ],
  }
}
