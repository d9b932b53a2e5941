/**
 * An installation of deploy/ without a node: each Deployment's pod as a process, with its container's arguments, its account and no
 * more rights than that has. Only addresses differ.
 */

import { openLine } from '../cluster/faults.ts'
import type { Cluster } from '../cluster/harness.ts'
import type { ControlPlane } from './control-plane.ts'
import { type Deployment, flagsOf, folderOf, type Overlay, objectsOf, ofKind } from './deploy.ts'
import type { SeenRequest } from './fault-proxy.ts'
import type { Sluice } from './sluice.ts'

export interface Pod {
  readonly deployment: Deployment
  readonly sluice: Sluice
  /** What it asked the API server with its own rights; what it asked as somebody else is not among it. */
  requests(): readonly SeenRequest[]
  /** Requests with its own rights that the API server did not allow, as `PATCH /api/…`. */
  readonly refused: readonly string[]
}

/** By the names of their Deployments; further replicas as `<name>-1` and so on. The processes end with their cluster, or before. */
export interface Pods extends ReadonlyMap<string, Pod>, AsyncDisposable {}

const namespace = 'flux-system'

/** Applies an overlay and starts its pods. */
export async function install(cluster: Cluster, controlPlane: ControlPlane, overlay: Overlay): Promise<Pods> {
  await cluster.kubectl('apply', '-k', folderOf(overlay))
  return startPods(cluster, controlPlane, overlay)
}

/** Starts the pods of an overlay that is applied. */
export async function startPods(cluster: Cluster, controlPlane: ControlPlane, overlay: Overlay): Promise<Pods> {
  const deployments = ofKind<Deployment>(await objectsOf(overlay), 'Deployment')
  await using starting = new AsyncDisposableStack()
  const pods = new Map<string, Pod>()
  for (const deployment of deployments.toSorted((a, b) => rankOf(a) - rankOf(b)))
    for (const index of Array(deployment.spec.replicas).keys()) {
      const pod = starting.use(await startPod(cluster, controlPlane, { deployment, index, others: pods }))
      pods.set(index === 0 ? deployment.metadata.name : `${deployment.metadata.name}-${index}`, pod)
    }
  const started = starting.move()
  return Object.assign(pods, { [Symbol.asyncDispose]: () => started.disposeAsync() })
}

/** Those whose addresses others are told come first. */
function rankOf({ metadata: { name } }: Deployment): number {
  const first = ['notification-controller', 'source-controller', 'sluice-controller']
  return first.includes(name) ? first.indexOf(name) : first.length
}

interface Starting {
  readonly deployment: Deployment
  readonly index: number
  /** Those that run already. */
  readonly others: ReadonlyMap<string, Pod>
}

async function startPod(
  cluster: Cluster,
  controlPlane: ControlPlane,
  { deployment, index, others }: Starting,
): Promise<Pod & AsyncDisposable> {
  const { template } = deployment.spec
  const name = `${deployment.metadata.name}-${index}`
  const metadata = { ...template.metadata, name, namespace }
  await cluster.kubectl.apply({ ...template, apiVersion: 'v1', kind: 'Pod', metadata })
  const token = await cluster.kubectl('create', 'token', template.spec.serviceAccountName, '--namespace', namespace)
  const line = await openLine(await controlPlane.kubeconfigFor(token.trim()))
  const refused: string[] = []
  line.proxy.fault = (request, response) => {
    response.once('finish', () => {
      if (response.statusCode === 403 && isOwn(request)) refused.push(`${request.method} ${request.url.pathname}`)
    })
    return false
  }
  const { 'storage-path': _, ...flags } = flagsOf(deployment)
  const events = (others.get('notification-controller') ?? others.get('sluice-controller'))?.sluice.address('events')
  const source = others.get('source-controller')?.sluice.address('artifacts').replace('http://', '')
  const sluice = await cluster.startSluice({
    kubeconfig: line.kubeconfig,
    flags: { ...flags, ...(flags['events-addr'] !== undefined && events !== undefined && { 'events-addr': events }) },
    env: { RUNTIME_NAMESPACE: namespace, POD_NAME: name, ...(source !== undefined && { SOURCE_CONTROLLER_LOCALHOST: source }) },
  })
  return {
    deployment,
    sluice,
    refused,
    requests: () => line.proxy.seen.filter(isOwn),
    async [Symbol.asyncDispose]() {
      await sluice.kill9()
      await line[Symbol.asyncDispose]()
    },
  }
}

function isOwn({ headers }: SeenRequest): boolean {
  return headers['impersonate-user'] === undefined
}
