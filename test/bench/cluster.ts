/** What each part of the benchmark begins with: an API server of its own, with the CRDs and a namespace. */
import { type ControlPlane, startControlPlane } from '../tools/control-plane.ts'
import { installCrds } from '../tools/crds.ts'
import type { Kubectl } from '../tools/kubectl.ts'
import { type Api, openApi, Tracker } from './api.ts'

export const namespace = 'bench'

export interface BenchCluster extends AsyncDisposable {
  readonly controlPlane: ControlPlane
  readonly api: Api
  /** `/apis/<group>/<version>/namespaces/bench/<plural>`. */
  path(groupVersion: string, plural: string): string
  /** Follows the objects of one path until the part ends. */
  follow(path: string): Promise<Tracker>
}

export async function startBenchCluster(install: (kubectl: Kubectl) => Promise<void> = installCrds): Promise<BenchCluster> {
  const resources = new AsyncDisposableStack()
  const controlPlane = resources.use(await startControlPlane())
  await install(controlPlane.kubectl)
  await controlPlane.kubectl('create', 'namespace', namespace)
  const api = resources.use(await openApi(controlPlane))
  const ended = new AbortController()
  resources.defer(() => ended.abort())
  return {
    controlPlane,
    api,
    path: (groupVersion, plural) => `/apis/${groupVersion}/namespaces/${namespace}/${plural}`,
    follow: (path) => Tracker.follow(api, path, ended.signal),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}
