/**
 * A program that is not Flux and makes artifacts: it serves archives on loopback and writes the status of ExternalArtifacts itself.
 *
 * ```ts
 * await using maker = await ArtifactMaker.start(cluster)
 * await maker.publish('apps', { revision: 'v1', content: archiveOf([{ path: 'cm.yaml', text: … }]) })
 * maker.answer('/apps-v1.tar.gz', (response) => response.writeHead(503).end()) // instead of what it has
 * maker.requests                                                             // paths, oldest first
 * ```
 */
import { createHash } from 'node:crypto'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Cluster } from '../cluster/harness.ts'

export interface MadeArtifact {
  readonly revision: string
  readonly content: Buffer
  /** What the status says where that is not the truth, or more. */
  readonly status?: Readonly<Record<string, unknown>>
}

export class ArtifactMaker implements AsyncDisposable {
  readonly requests: string[] = []
  readonly #cluster: Cluster
  readonly #server: Server
  readonly #answers: Map<string, (response: ServerResponse) => void>

  static async start(cluster: Cluster): Promise<ArtifactMaker> {
    const answers = new Map<string, (response: ServerResponse) => void>()
    const server = createServer()
    const maker = new ArtifactMaker(cluster, server, answers)
    server.on('request', ({ url = '' }, response) => {
      maker.requests.push(url)
      const answer = answers.get(url)
      if (answer) answer(response)
      else response.writeHead(404).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return maker
  }

  private constructor(cluster: Cluster, server: Server, answers: Map<string, (response: ServerResponse) => void>) {
    this.#cluster = cluster
    this.#server = server
    this.#answers = answers
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** An ExternalArtifact of this name, still without a status. */
  async announce(name: string): Promise<void> {
    await this.#cluster.apply({
      apiVersion: 'source.toolkit.fluxcd.io/v1',
      kind: 'ExternalArtifact',
      metadata: { name, namespace: this.#cluster.namespace },
      spec: { sourceRef: { kind: 'Maker', name: 'nobody-looks-it-up' } },
    })
  }

  /** Serves the content and says so in the status of the ExternalArtifact. Returns the path that it is served at. */
  async publish(name: string, { revision, content, status = {} }: MadeArtifact): Promise<string> {
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
    const path = `/${name}-${digest.slice(7, 19)}.tar.gz`
    this.answer(path, (response) => response.end(content))
    await this.announce(name)
    const artifact = {
      digest,
      path: `externalartifact/${this.#cluster.namespace}/${name}${path}`,
      url: `${this.address}${path}`,
      revision,
      lastUpdateTime: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
      ...status,
    }
    const patch = JSON.stringify({ status: { artifact } })
    await this.#cluster.kubectl('patch', 'externalartifact', name, '--subresource=status', '--type=merge', '-p', patch)
    return path
  }

  answer(path: string, answer: (response: ServerResponse) => void): void {
    this.#answers.set(path, answer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
