/** A Git server in a pod of the cluster, with repositories that are written here and pushed through `kubectl exec`. */
import { temporaryDirectory } from '../test/tools/processes.ts'
import { type CommitOptions, type Files, Repository } from '../test/tools/repository.ts'
import { findTool } from '../test/tools/tools.ts'
import type { Cluster } from './cluster.ts'

const namespace = 'e2e-git'

export interface PushedRepository {
  /** For pods of the cluster. */
  readonly url: string
  /** Commits and pushes; files that are not named stay. Returns the commit's id. */
  commit(files: Files, message: string, options?: CommitOptions): Promise<string>
}

export class GitService {
  readonly #cluster: Cluster
  readonly #root: string

  private constructor(cluster: Cluster, root: string) {
    this.#cluster = cluster
    this.#root = root
  }

  /** Starts the server and waits until it is available. */
  static async start(cluster: Cluster, image: string): Promise<GitService> {
    await cluster.kubectl.apply(server(image))
    await cluster.kubectl('rollout', 'status', 'deployment/git', '--namespace', namespace, '--timeout', '120s')
    return new GitService(cluster, await temporaryDirectory('repositories'))
  }

  async create(name: string): Promise<PushedRepository> {
    const repository = await Repository.create(this.#root, name)
    const path = `/repositories/${name}.git`
    const { kubeconfig, kubectl } = this.#cluster
    await kubectl(
      'exec',
      '--namespace',
      namespace,
      'deploy/git',
      '--',
      'git',
      'init',
      '--quiet',
      '--bare',
      '--initial-branch=main',
      path,
    )
    const exec = [await findTool('kubectl', () => {}), '--kubeconfig', kubeconfig, 'exec', '--stdin', '--namespace', namespace]
    const words = [...exec, 'deploy/git', '--', 'git', 'receive-pack', path]
    const remote = `ext::${words.map((word) => word.replaceAll('%', '%%').replaceAll(' ', '% ')).join(' ')}`
    return {
      url: `http://git.${namespace}/${name}.git`,
      async commit(files, message, options) {
        const commit = await repository.commit(files, message, options)
        await repository.git('-c', 'protocol.ext.allow=always', 'push', '--quiet', '--mirror', remote)
        return commit
      },
    }
  }
}

function server(image: string): readonly object[] {
  const labels = { app: 'git' }
  const container = {
    name: 'git',
    image,
    command: ['node', 'e2e/pods/git.ts'],
    readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
    volumeMounts: [{ name: 'repositories', mountPath: '/repositories' }],
  }
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: { 'sluice.dev/e2e': 'true' } } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'git', namespace },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            containers: [container],
            volumes: [{ name: 'repositories', emptyDir: {} }],
            securityContext: { fsGroup: 65532 },
            enableServiceLinks: false,
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'git', namespace },
      spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
    },
  ]
}
