/** Artifacts on disk. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, type Stats } from 'node:fs'
import { copyFile, link, lstat, mkdir, open, readdir, rename, rm, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Artifact } from '../api/meta.ts'
import { unlessAborted } from '../lib/abort.ts'
import { codeOf, messageOf } from '../lib/errors.ts'
import { downloadArtifact } from './artifact-download.ts'
import { artifactPath, isArtifactPath } from './artifact-path.ts'
import {
  ArtifactNotFound,
  type ArtifactOwner,
  type Artifacts,
  ArtifactUnavailable,
  type BorrowedArtifact,
  type StagedArtifact,
  type UnpackedArtifact,
} from './artifacts.ts'
import type { Clock } from './clock.ts'
import { DigestMismatch, hasDigest, UnpackedArtifacts, unpackTask } from './unpacked.ts'
import type { Workers } from './workers.ts'

export interface ArtifactStoreOptions {
  /** `--storage-path`. */
  readonly directory: string
  /** Host and port, or URL, that consumers reach the artifact server at: see `advertisedAddress`. */
  readonly advertisedAddress: string
  /** Whether what is advertised at that address is this store now: then there is nothing to download from there. */
  readonly isServed: () => boolean
  /** `--artifact-retention-ttl` and `--artifact-retention-records`. */
  readonly retention: { readonly ttlMs: number; readonly records: number }
  /** Host and port to download from in place of those in the URL. Source: Flux's SOURCE_CONTROLLER_LOCALHOST. */
  readonly downloadHost?: string
  readonly clock: Clock
  readonly workers: Workers
  readonly limits?: Partial<ArtifactLimits>
  /** Told of each artifact that was stored. */
  readonly onStored?: (owner: ArtifactOwner, sizeBytes: number) => void
}

/** What one artifact may cost. */
export interface ArtifactLimits {
  readonly maxDownloadBytes: number
  readonly maxUnpackedBytes: number
  readonly maxEntries: number
}

const defaultLimits: ArtifactLimits = {
  maxDownloadBytes: 512 * 1024 * 1024,
  maxUnpackedBytes: 1024 * 1024 * 1024,
  maxEntries: 200_000,
}

const unpackTimeoutMs = 10 * 60_000
/** As upstream: an owner's folder with more files is cleaned in several runs. */
const garbageFilesAtOnce = 1000

/** The store on disk. Layout: `<kind lower>/<namespace>/<name>/<file>`; what begins with a dot is its own and is never served. */
export class ArtifactStore implements Artifacts {
  readonly #options: ArtifactStoreOptions
  readonly #limits: ArtifactLimits
  readonly #unpacked: UnpackedArtifacts
  /** Path → digest and identity of the file that was found to have it. */
  readonly #verified = new Map<string, string>()
  readonly #closing = new AbortController()

  /** Prepares the folder; what an earlier process left half written or unpacked is removed. */
  static async create(options: ArtifactStoreOptions): Promise<ArtifactStore> {
    const store = new ArtifactStore(options)
    for (const own of [store.#temporaryFolder, store.#unpackedFolder]) {
      await rm(own, { recursive: true, force: true })
      await mkdir(own, { recursive: true, mode: 0o700 })
    }
    return store
  }

  private constructor(options: ArtifactStoreOptions) {
    this.#options = options
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#unpacked = new UnpackedArtifacts({
      directory: this.#unpackedFolder,
      temporaryFile: () => this.temporaryFile(),
      clock: options.clock,
    })
  }

  temporaryFile(): string {
    // Somebody may have emptied the storage under us: what the next runs store makes up for it.
    mkdirSync(this.#temporaryFolder, { recursive: true, mode: 0o700 })
    return join(this.#temporaryFolder, randomUUID())
  }

  /** @throws Error that names the artifact and the disk's trouble; what was there before stays, and nothing half written does. */
  async store(owner: ArtifactOwner, staged: StagedArtifact): Promise<Artifact> {
    const path = artifactPath(owner, staged.fileName)
    try {
      await mkdir(this.#folderOf(owner), { recursive: true, mode: 0o750 })
      await synced(staged.temporaryFile)
      await rename(staged.temporaryFile, join(this.#options.directory, path))
      await synced(this.#folderOf(owner))
      this.#verified.set(path, identity(staged.digest, await lstat(join(this.#options.directory, path))))
    } catch (error) {
      await rm(staged.temporaryFile, { force: true })
      throw new Error(`failed to store artifact ${path}: ${diskTrouble(error) ?? messageOf(error)}`, { cause: error })
    }
    this.#options.onStored?.(owner, staged.sizeBytes)
    return {
      digest: staged.digest,
      path,
      url: this.#urlOf(path),
      revision: staged.revision,
      lastUpdateTime: new Date(this.#options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z'),
      size: staged.sizeBytes,
      ...(staged.metadata && { metadata: staged.metadata }),
    }
  }

  async has(artifact: Artifact): Promise<boolean> {
    const { path, digest } = artifact
    const stats = await this.#stats(artifact)
    if (!stats) return false
    const found = identity(digest, stats)
    if (this.#verified.get(path) === found) return true
    if (!(await hasDigest(join(this.#options.directory, path), digest))) return false
    this.#verified.set(path, found)
    return true
  }

  async verify(artifact: Artifact): Promise<'present' | 'missing' | 'corrupt'> {
    if (!(await this.#stats(artifact))) return 'missing'
    if (await this.has(artifact)) return 'present'
    this.#verified.delete(artifact.path)
    await rm(join(this.#options.directory, artifact.path), { force: true })
    return 'corrupt'
  }

  async link(artifact: Artifact, name: string): Promise<string> {
    if (!isArtifactPath(artifact.path)) throw new Error(`${JSON.stringify(artifact.path)} is not the path of an artifact`)
    const path = artifact.path.replace(/[^/]*$/, name)
    const temporary = this.temporaryFile()
    await symlink(basename(artifact.path), temporary)
    await rename(temporary, join(this.#options.directory, path))
    return this.#urlOf(path)
  }

  urlOf(owner: ArtifactOwner, fileName: string): string {
    return this.#urlOf(artifactPath(owner, fileName))
  }

  advertised(artifact: Artifact): Artifact {
    return { ...artifact, url: this.#urlOf(artifact.path) }
  }

  /** Source: common.md §4, Retention. `records` counts the current archive too. */
  async collectGarbage(owner: ArtifactOwner, current: Artifact | undefined): Promise<number> {
    const { ttlMs, records } = this.#options.retention
    const others = (await this.#archivesOf(owner)).filter(({ path }) => path !== current?.path)
    const oldest = this.#options.clock.now() - ttlMs
    const kept = others
      .filter(({ stats }) => stats.mtimeMs >= oldest)
      .toSorted((a, b) => b.stats.mtimeMs - a.stats.mtimeMs)
      .slice(0, Math.max(0, records - (current ? 1 : 0)))
    const garbage = others.filter((archive) => !kept.includes(archive))
    for (const { path } of garbage) {
      await rm(join(this.#options.directory, path), { force: true })
      await rm(join(this.#options.directory, `${path}.lock`), { force: true }) // written by Flux beside each archive
      this.#verified.delete(path)
    }
    return garbage.length
  }

  async remove(owner: ArtifactOwner): Promise<void> {
    await rm(this.#folderOf(owner), { recursive: true, force: true })
    const prefix = artifactPath(owner, '')
    for (const path of this.#verified.keys()) if (path.startsWith(prefix)) this.#verified.delete(path)
  }

  async open(artifact: Artifact, signal: AbortSignal): Promise<UnpackedArtifact> {
    const wanted = { digest: artifact.digest, origin: artifact.url }
    const unpacked = this.#unpacked.open(wanted, (directory) => this.#unpack(artifact, directory))
    return await unlessAborted(unpacked, signal)
  }

  async borrow(artifact: Artifact, signal: AbortSignal): Promise<BorrowedArtifact> {
    const file = this.temporaryFile()
    const giveBack = () => rm(file, { force: true })
    try {
      await unlessAborted(this.#bring(artifact, file), signal)
      const isKnown = this.#verified.get(artifact.path) === identity(artifact.digest, await lstat(file))
      if (!isKnown && !(await hasDigest(file, artifact.digest)))
        throw new Error(`artifact ${artifact.path} does not have the digest ${artifact.digest} that its source states`)
      return { file, [Symbol.asyncDispose]: giveBack }
    } catch (error) {
      await giveBack()
      throw error
    }
  }

  /** Ends downloads that are under way. */
  close(): void {
    this.#closing.abort(new Error('the artifact store is closed'))
  }

  async #unpack(artifact: Artifact, directory: string): Promise<ReadonlyMap<string, string>> {
    const file = this.temporaryFile()
    try {
      await this.#bring(artifact, file)
      return await this.#options.workers.run(
        unpackTask,
        {
          file,
          digest: artifact.digest,
          directory,
          limits: { maxBytes: this.#limits.maxUnpackedBytes, maxEntries: this.#limits.maxEntries },
        },
        { timeoutMs: unpackTimeoutMs },
      )
    } catch (error) {
      if (error instanceof ArtifactNotFound || error instanceof ArtifactUnavailable) throw error
      // The next verification looks at the bytes again, and the source makes the artifact anew.
      if (error instanceof Error && error.name === DigestMismatch.name) this.#verified.delete(artifact.path)
      throw new Error(`failed to open artifact ${artifact.path}: ${diskTrouble(error) ?? messageOf(error)}`, { cause: error })
    } finally {
      await rm(file, { force: true })
    }
  }

  /** Makes the archive available under a name of ours: neither clean-up nor a new version takes it away while it is read. */
  async #bring(artifact: Artifact, file: string): Promise<void> {
    // What an earlier leadership left behind may be of another time: only the store that is served counts.
    if (this.#options.isServed()) {
      const isStored = (await this.#stats(artifact)) !== undefined
      if (isStored && (await sameFile(join(this.#options.directory, artifact.path), file))) return
      if (artifact.url === this.#urlOf(artifact.path)) throw new ArtifactNotFound(`artifact ${artifact.path} is not in the store`)
    }
    await downloadArtifact(artifact, file, {
      // Whoever writes a status may state any size.
      maxBytes: Math.min(artifact.size ?? this.#limits.maxDownloadBytes, this.#limits.maxUnpackedBytes),
      host: this.#options.downloadHost,
      signal: this.#closing.signal,
    })
  }

  async #stats(artifact: Artifact): Promise<Stats | undefined> {
    // A status may have been edited: it must not lead out of the store.
    if (!isArtifactPath(artifact.path)) return undefined
    const stats = await lstat(join(this.#options.directory, artifact.path)).catch(onlyIfMissing)
    return stats?.isFile() ? stats : undefined
  }

  async #archivesOf(owner: ArtifactOwner): Promise<{ path: string; stats: Stats }[]> {
    const entries = (await readdir(this.#folderOf(owner), { withFileTypes: true }).catch(onlyIfMissing)) ?? []
    const names = entries.filter((entry) => entry.isFile() && !entry.name.endsWith('.lock')).map((entry) => entry.name)
    const archives = []
    for (const name of names.slice(0, garbageFilesAtOnce)) {
      const path = artifactPath(owner, name)
      const stats = await lstat(join(this.#options.directory, path)).catch(onlyIfMissing)
      if (stats) archives.push({ path, stats })
    }
    return archives
  }

  #urlOf(path: string): string {
    const address = this.#options.advertisedAddress.replace(/\/+$/, '')
    return /^https?:\/\//.test(address) ? `${address}/${path}` : `http://${address}/${path}`
  }

  #folderOf(owner: ArtifactOwner): string {
    return join(this.#options.directory, artifactPath(owner, ''))
  }

  get #temporaryFolder(): string {
    return join(this.#options.directory, '.tmp')
  }

  get #unpackedFolder(): string {
    return join(this.#options.directory, '.unpacked')
  }
}

/** What a person can do something about, in words without the paths of temporary files; undefined for other errors. */
export function diskTrouble(error: unknown): string | undefined {
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'no space (or no inode) is left on the storage volume'
    case 'EROFS':
      return 'the storage volume is read-only'
    case 'EACCES':
    case 'EPERM':
      return 'the storage volume does not permit writing'
    case 'EIO':
      return 'the storage volume has input/output errors'
    default:
      return undefined
  }
}

function identity(digest: string, stats: Stats): string {
  return `${digest} ${stats.ino} ${stats.size} ${stats.mtimeMs}`
}

/** Waits until the disk has the file's bytes, or the folder's names. */
async function synced(path: string): Promise<void> {
  await using handle = await open(path)
  await handle.sync()
}

/** Gives the file a second name; false when it has gone meanwhile. Copies where the file system has no hard links. */
async function sameFile(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') throw error
      return copyFile(from, to)
    })
    return true
  } catch (error) {
    onlyIfMissing(error)
    return false
  }
}

/** For `catch`: undefined when the path does not exist. */
function onlyIfMissing(error: unknown): undefined {
  if (!['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) throw error
}
