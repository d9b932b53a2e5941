/** What a run of the HelmChart loop sees: a world of a source, with the objects that charts come from. */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { HelmChart, HelmChartSpec } from '../../src/api/helmchart.ts'
import type { HelmRepositorySpec } from '../../src/api/helmrepository.ts'
import type { Artifact } from '../../src/api/meta.ts'
import type { KubeObject } from '../../src/api/object.ts'
import type { KindRef } from '../../src/kube/client.ts'
import { ObjectStore } from '../../src/kube/store.ts'
import { type Chart, chartsIn, indexToJson, loadChart } from '../../src/lib/chart/index.ts'
import { writeTarball } from '../../src/lib/tarball/index.ts'
import { parseFlags } from '../../src/runtime/flags.ts'
import { Retryable, Waiting } from '../../src/runtime/reconcile.ts'
import { helmChartLoop } from '../../src/source/helmchart.ts'
import { VersionCache } from '../../src/source/version-cache.ts'
import { ManualClock } from '../fakes/clock.ts'
import type { ChartServer } from '../tools/chart-server.ts'
import { type Result, SourceWorld } from './world.ts'

const apiVersion = 'source.toolkit.fluxcd.io/v1'
/** Of the source's object: it tells which commit its files are of. */
const commits = ['a'.repeat(40), 'b'.repeat(40), 'c'.repeat(40)]

export interface ChartWorldOptions {
  /** Command line. */
  readonly args?: readonly string[]
}

export class ChartWorld implements AsyncDisposable {
  readonly source: SourceWorld<HelmChart>
  readonly cacheUses: string[] = []
  readonly #stores = new Map<string, ObjectStore>()
  #commit = 0

  static async create(spec: Partial<HelmChartSpec>, { args = [] }: ChartWorldOptions = {}): Promise<ChartWorld> {
    const command = parseFlags(args, { RUNTIME_NAMESPACE: 'flux-system' })
    if (command.help !== undefined) throw new Error('no flags')
    const { helmCacheMaxSize: size, helmCacheTtlMs: ttlMs, helmCachePurgeIntervalMs: purgeIntervalMs } = command.flags
    const cache = new VersionCache({ size, ttlMs, purgeIntervalMs, clock: new ManualClock() })
    const sourceRef = { kind: 'HelmRepository', name: 'charts' } as const
    const whole: HelmChartSpec = { chart: 'shop', interval: '10m', sourceRef, ...spec }
    const source = await SourceWorld.of(helmChartLoop(cache), whole)
    source.flags = command.flags
    return new ChartWorld(source)
  }

  private constructor(source: SourceWorld<HelmChart>) {
    this.source = source
    source.environment = {
      informers: { get: (kind: KindRef) => ({ kind, store: this.#storeOf(kind.kind), synced: async () => {} }) },
      metrics: {
        cacheUsed: (key: { name: string }, isHit: boolean) => this.cacheUses.push(`${key.name} ${isHit ? 'hit' : 'miss'}`),
      },
    }
  }

  get status() {
    return this.source.status
  }

  /** What a user changes: the object is of another generation then. */
  edit(spec: Partial<HelmChartSpec>): void {
    const { object } = this.source
    const metadata = { ...object.metadata, generation: (object.metadata.generation ?? 0) + 1 }
    this.source.object = { ...object, metadata, spec: { ...object.spec, ...spec } }
  }

  async run(): Promise<Result<HelmChart>> {
    const result = await this.source.run()
    const isTriedAgain = result.error instanceof Retryable || result.error instanceof Waiting
    const { object } = this.source
    if (isTriedAgain || object.metadata.generation === undefined) return result
    this.source.object = { ...object, status: { ...object.status, observedGeneration: object.metadata.generation } }
    return result
  }

  /** Anything in the API. */
  put(object: KubeObject): void {
    this.#storeOf(object.kind).put(object)
  }

  /** A HelmRepository of a server, with the index as the server has it now. */
  async helmRepository(server: ChartServer, spec: Partial<HelmRepositorySpec> = {}, name = 'charts'): Promise<void> {
    const whole = { url: server.url, interval: '10m', ...spec }
    if (spec.type === 'oci') return this.#putSource('HelmRepository', name, whole)
    const index = Buffer.from(server.index())
    const temporaryFile = this.source.store.temporaryFile()
    const content = Buffer.from([...indexToJson(chartsIn(index))].join(''))
    await writeFile(temporaryFile, content)
    const hex = server.revision().slice('sha256:'.length)
    const staged = { temporaryFile, fileName: `index-${hex}.yaml`, revision: server.revision(), ...digested(content) }
    this.#putSource('HelmRepository', name, whole, await this.source.store.store(owner('HelmRepository', name), staged))
  }

  /** A HelmRepository of a registry. */
  registry(url: string, spec: Partial<HelmRepositorySpec> = {}, name = 'charts'): void {
    this.#putSource('HelmRepository', name, { type: 'oci', url, interval: '10m', ...spec })
  }

  /** A GitRepository with these files, in a new commit each time; returns the commit. */
  async gitRepository(files: Readonly<Record<string, string | Uint8Array>>, name = 'files'): Promise<string> {
    const commit = commits[this.#commit++ % commits.length] ?? ''
    const temporaryFile = this.source.store.temporaryFile()
    const entries = Object.entries(files).map(([path, content]) => ({ path, executable: false, content: Buffer.from(content) }))
    const written = await writeTarball(temporaryFile, entries)
    const staged = { temporaryFile, fileName: `${commit}.tar.gz`, revision: `main@sha1:${commit}`, ...written }
    this.#putSource('GitRepository', name, {}, await this.source.store.store(owner('GitRepository', name), staged))
    return commit
  }

  /** The bytes of what is stored. */
  async archive(): Promise<Buffer> {
    return readFile(join(this.source.directory, this.status.artifact?.path ?? ''))
  }

  async chart(): Promise<Chart> {
    return loadChart({ archive: await this.archive() })
  }

  /** values.yaml of what is stored, as it is written. */
  async values(): Promise<string> {
    const file = (await this.chart()).raw.find(({ name }) => name === 'values.yaml')
    return Buffer.from(file?.data ?? []).toString('utf8')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source[Symbol.asyncDispose]()
  }

  #putSource(kind: string, name: string, spec: object, artifact?: Artifact): void {
    const metadata = { namespace: 'apps', name, generation: 1 }
    const object: KubeObject & { spec: object } = { apiVersion, kind, metadata, spec, ...(artifact && { status: { artifact } }) }
    this.put(object)
  }

  #storeOf(kind: string): ObjectStore {
    const store = this.#stores.get(kind) ?? new ObjectStore({ freeze: true })
    this.#stores.set(kind, store)
    return store
  }
}

function owner(kind: string, name: string) {
  return { kind, namespace: 'apps', name }
}

function digested(content: Buffer) {
  return { digest: `sha256:${createHash('sha256').update(content).digest('hex')}`, sizeBytes: content.length }
}
