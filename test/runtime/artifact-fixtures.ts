/** What the tests of the artifact store and server share. */
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Artifact } from '../../src/api/meta.ts'
import { writeTarball } from '../../src/lib/tarball/index.ts'
import { ArtifactStore, type ArtifactStoreOptions } from '../../src/runtime/artifact-store.ts'
import type { ArtifactOwner } from '../../src/runtime/artifacts.ts'
import type { Logger } from '../../src/runtime/log.ts'
import { WorkerPool, type Workers } from '../../src/runtime/workers.ts'
import { ManualClock } from '../fakes/clock.ts'

export const owner: ArtifactOwner = { kind: 'GitRepository', namespace: 'flux-system', name: 'podinfo' }
export const commit = 'a'.repeat(40)
export const never = new AbortController().signal

export interface TestStore extends AsyncDisposable {
  readonly directory: string
  readonly clock: ManualClock
  readonly workers: Workers
  readonly store: ArtifactStore
  /** Stores a tree given as path → content. */
  put(tree: Readonly<Record<string, string>>, fileName?: string): Promise<Artifact>
}

/** A store in a folder of its own, with real worker threads. */
export async function testStore(options: Partial<ArtifactStoreOptions> = {}): Promise<TestStore> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'artifacts-'))
  const clock = new ManualClock(new Date().toISOString())
  const workers = new WorkerPool(new URL('./unpack-worker.ts', import.meta.url), { size: 1 })
  const store = await ArtifactStore.create({
    directory,
    advertisedAddress: 'source-controller.flux-system.svc.cluster.local.',
    isServed: () => true,
    retention: { ttlMs: 60_000, records: 2 },
    clock,
    workers,
    ...options,
  })
  return {
    directory,
    clock,
    workers,
    store,
    async put(tree, fileName = `${commit}.tar.gz`) {
      const temporaryFile = store.temporaryFile()
      const written = await writeTarball(
        temporaryFile,
        Object.entries(tree).map(([path, content]) => ({ path, executable: false, content: Buffer.from(content) })),
      )
      return store.store(owner, { temporaryFile, fileName, revision: `main@sha1:${commit}`, ...written })
    },
    async [Symbol.asyncDispose]() {
      store.close()
      await workers.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export interface LogLine {
  readonly fields: object
  readonly message: string
}

/** A logger that keeps what it is told. */
export function keepingLogger(lines: LogLine[] = []): Logger & { readonly lines: readonly LogLine[] } {
  const write = (fields: object, message: string) => {
    lines.push({ fields, message })
  }
  return { lines, debug: write, info: write, warn: write, error: write, child: () => keepingLogger(lines) }
}
