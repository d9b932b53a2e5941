/** The real kubectl, on one cluster. */
import { run } from './processes.ts'
import { findTool } from './tools.ts'

export interface Kubectl {
  /** Runs kubectl and returns its standard output; rejects with its standard error. */
  (...args: string[]): Promise<string>
  /** `kubectl apply --server-side -f -` with these manifests. */
  apply(manifests: string | readonly object[] | object): Promise<string>
  /** `kubectl … -o json`, parsed. */
  json<T = Record<string, unknown>>(...args: string[]): Promise<T>
}

export function kubectlOf(kubeconfig: string): Kubectl {
  // Beside the kubeconfig: what kubectl remembers in the home folder, by address, may be of an earlier server.
  const fixed = ['--kubeconfig', kubeconfig, '--cache-dir', `${kubeconfig}.cache`]
  const call = async (args: readonly string[], input?: string): Promise<string> =>
    run(await findTool('kubectl', quiet), [...fixed, ...args], input === undefined ? {} : { input })
  return Object.assign((...args: string[]) => call(args), {
    apply: (manifests: string | readonly object[] | object) =>
      call(['apply', '--server-side', '--force-conflicts', '-f', '-'], asText(manifests)),
    json: async <T>(...args: string[]) => JSON.parse(await call([...args, '-o', 'json'])) as T,
  })
}

/** The control plane has said where it is. */
const quiet = () => {}

function asText(manifests: string | readonly object[] | object): string {
  if (typeof manifests === 'string') return manifests
  const items = Array.isArray(manifests) ? manifests : [manifests]
  return items.map((item) => JSON.stringify(item)).join('\n---\n')
}
