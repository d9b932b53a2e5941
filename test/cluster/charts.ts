/** Charts for tests of releases: packed by the real helm, served as artifacts, and told of by HelmCharts that are ready. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { run, temporaryDirectory } from '../tools/processes.ts'
import { findTool } from '../tools/tools.ts'
import type { Cluster } from './harness.ts'

/** Path → text, without Chart.yaml. */
export type ChartFiles = Readonly<Record<string, string>>

export class ChartServer implements AsyncDisposable {
  readonly #cluster: Cluster
  readonly #server: Server
  readonly #packages = new Map<string, Buffer>()

  static async start(cluster: Cluster): Promise<ChartServer> {
    const packages = new Map<string, Buffer>()
    const server = createServer((request, response) => {
      const content = packages.get(request.url ?? '')
      response.writeHead(content ? 200 : 404).end(content)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new ChartServer(cluster, server, packages)
  }

  private constructor(cluster: Cluster, server: Server, packages: Map<string, Buffer>) {
    this.#cluster = cluster
    this.#server = server
    this.#packages = packages
  }

  /** A HelmChart of this name whose artifact is the chart in this version; a later call gives it another. */
  async publish(name: string, version: string, files: ChartFiles): Promise<void> {
    const content = await packed(version, files)
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
    const path = `helmchart/${this.#cluster.namespace}/${name}/shop-${version}.tgz`
    this.#packages.set(`/${path}`, content)
    const apiVersion = 'source.toolkit.fluxcd.io/v1'
    const spec = { chart: 'shop', interval: '1h', sourceRef: { kind: 'HelmRepository', name: 'none' } }
    await this.#cluster.kubectl.apply({
      apiVersion,
      kind: 'HelmChart',
      metadata: { name, namespace: this.#cluster.namespace },
      spec,
    })
    const { port } = this.#server.address() as AddressInfo
    const artifact = {
      digest,
      path,
      url: `http://127.0.0.1:${port}/${path}`,
      revision: version,
      size: content.length,
      lastUpdateTime: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    }
    const patch = JSON.stringify({ status: { observedGeneration: 1, artifact } })
    await this.#cluster.kubectl('patch', 'helmchart', name, '--subresource=status', '--type=merge', '-p', patch)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** The package of a chart; its folder stays for those who install it by hand. */
async function packed(version: string, files: ChartFiles): Promise<Buffer> {
  const folder = await chartFolder(version, files)
  await run(await findTool('helm', () => {}), ['package', folder, '--destination', dirname(folder)])
  return readFile(join(dirname(folder), `shop-${version}.tgz`))
}

/** A folder with the chart `shop`. */
export async function chartFolder(version: string, files: ChartFiles): Promise<string> {
  const folder = join(await temporaryDirectory('chart'), 'shop')
  const all = { 'Chart.yaml': `apiVersion: v2\nname: shop\nversion: ${version}\nappVersion: "7"\n`, ...files }
  for (const [path, text] of Object.entries(all)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  return folder
}

/** The real helm in the test's namespace. */
export async function helm(cluster: Cluster, ...args: string[]): Promise<string> {
  const env = { ...process.env, TZ: 'UTC' }
  const tool = await findTool('helm', () => {})
  return run(tool, [...args, '--kubeconfig', cluster.kubeconfig, '--namespace', cluster.namespace], { env })
}
