/** The cluster that a Kustomization's objects are in. */
import type { Kustomization } from '../api/kustomization.ts'
import { keyOf } from '../api/object.ts'
import { type Context, causes } from '../runtime/reconcile.ts'
import type { RemoteClusters } from '../runtime/remote-clusters.ts'
import { type Actor, type Appliers, accountOf } from './appliers.ts'

/** The ways to clusters. */
export interface Clusters {
  readonly appliers: Appliers
  /** Where `spec.kubeConfig` leads. */
  readonly remoteClusters: Pick<RemoteClusters, 'of'>
}

/** A cluster with the identity that a Kustomization has there. */
export interface Cluster extends Actor {
  /** Does work that makes requests to the cluster. Where it is another one than ours, that holds no worker: it may be slow. */
  turn<R>(work: () => Promise<R>): Promise<R>
}

const every = new Set(causes)

/** @throws KubeConfigMissing, Stalled for a provider that is not built yet, Error that says why the cluster cannot be reached, ApiError for an account that cannot be one. */
export async function clusterOf(ks: Kustomization, context: Context<Kustomization>, clusters: Clusters): Promise<Cluster> {
  const { appliers, remoteClusters } = clusters
  const account = accountOf(ks, context.flags)
  const { kubeConfig } = ks.spec
  if (!kubeConfig) return { ...appliers.of(context.key, account), turn: (work) => work() }
  const remote = await context.parked(async (signal) => {
    const found = await remoteClusters.of({ namespace: ks.metadata.namespace, kubeConfig }, { client: context.client, signal })
    await found.reached(signal)
    return found
  })
  return {
    ...appliers.of(context.key, account, remote.client),
    // Once begun, no event ends it: what was written must be recorded.
    turn: (work) => context.parked((signal) => remote.turn(work, signal), { through: every }),
  }
}

/** Whether two Kustomizations apply to the same cluster, as far as their specs tell. */
export function inSameCluster(a: Kustomization, b: Kustomization): boolean {
  return wayTo(a) === wayTo(b)
}

function wayTo(ks: Kustomization): string {
  const { secretRef, configMapRef } = ks.spec.kubeConfig ?? {}
  if (!secretRef && !configMapRef) return ''
  return JSON.stringify([keyOf(ks).namespace, secretRef?.name, secretRef?.key, configMapRef?.name])
}
