/** Artifacts unpacked on disk: each digest once, for all who read it. */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type ExtractLimits, extractTarball } from '../lib/tarball/index.ts'
import type { UnpackedArtifact } from './artifacts.ts'
import type { Clock } from './clock.ts'
import type { Task, TaskFunction } from './workers.ts'

export interface UnpackInput {
  readonly file: string
  readonly digest: string
  /** Where the files go; it is replaced if it is there. */
  readonly directory: string
  readonly limits: ExtractLimits
}

export const unpackTask: Task<UnpackInput, ReadonlyMap<string, string>> = { name: 'runtime/unpack' }

/**
 * Verifies the archive's digest, then unpacks it. Runs in the worker pool.
 * @returns path → sha256 (hex) of every file.
 * @throws DigestMismatch, ArchiveError, and system errors as they are.
 */
export const unpackArtifact: TaskFunction<UnpackInput, ReadonlyMap<string, string>> = async (input) => {
  if (!(await hasDigest(input.file, input.digest))) {
    throw new DigestMismatch(`the archive does not have the digest ${input.digest}: it was damaged or replaced`)
  }
  await rm(input.directory, { recursive: true, force: true })
  return await extractTarball(input.file, input.directory, input.limits)
}

/** The bytes are not those that the digest was made of. */
export class DigestMismatch extends Error {
  override readonly name = 'DigestMismatch'
}

const algorithms = new Set(['sha1', 'sha256', 'sha384', 'sha512'])

/**
 * Whether a file has a digest of the form `<algorithm>:<hex>`; without an algorithm it is sha256.
 * @throws Error for an algorithm that is not known, and system errors.
 */
export async function hasDigest(file: string, digest: string): Promise<boolean> {
  const [hex = '', algorithm = 'sha256'] = digest.split(':').reverse()
  if (!algorithms.has(algorithm))
    throw new Error(`digest algorithm ${JSON.stringify(algorithm)} is not one of ${[...algorithms].join(', ')}`)
  const hash = createHash(algorithm)
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex') === hex.toLowerCase()
}

export interface UnpackedOptions {
  /** The folder of unpacked artifacts. */
  readonly directory: string
  /** A fresh path on the same volume, for a folder on its way out. */
  temporaryFile(): string
  readonly clock: Clock
  /** How many folders, and files in them, are kept beyond those used lately. */
  readonly keep?: { readonly folders: number; readonly files: number }
}

interface Entry {
  readonly artifact: UnpackedArtifact
  lastUsedMs: number
}

/** What is asked for, and who says where it is: one who does not deliver must not hold up the others. */
export interface Wanted {
  readonly digest: string
  readonly origin: string
}

type Unpack = (directory: string) => Promise<ReadonlyMap<string, string>>

/** A build that reads a folder takes seconds; this is how long a folder is safe after it was last asked for. */
const inUseMs = 5 * 60_000

/** Which artifacts are unpacked. The index of hashes is held in memory, so both folders and files are bounded. */
export class UnpackedArtifacts {
  readonly #options: UnpackedOptions
  readonly #keep: { readonly folders: number; readonly files: number }
  /** By digest, the one used longest ago first. */
  readonly #entries = new Map<string, Entry>()
  /** On their way, by digest and origin. */
  readonly #coming = new Map<string, Promise<Entry>>()

  constructor(options: UnpackedOptions) {
    this.#options = options
    this.#keep = options.keep ?? { folders: 64, files: 100_000 }
  }

  /** The artifact with this digest: as it is there, else unpacked by `unpack`, once for each origin. A failure is not remembered. */
  async open(wanted: Wanted, unpack: Unpack): Promise<UnpackedArtifact> {
    const { digest } = wanted
    const entry = this.#known(digest) ?? (await this.#shared(wanted, unpack))
    entry.lastUsedMs = this.#options.clock.monotonic()
    if (this.#entries.delete(digest)) this.#entries.set(digest, entry)
    return entry.artifact
  }

  #known(digest: string): Entry | undefined {
    const known = this.#entries.get(digest)
    // Somebody may have emptied the storage under us.
    return known && existsSync(known.artifact.directory) ? known : undefined
  }

  #shared({ digest, origin }: Wanted, unpack: Unpack): Promise<Entry> {
    const key = `${digest} ${origin}`
    const coming = this.#coming.get(key) ?? this.#unpacked(digest, unpack).finally(() => this.#coming.delete(key))
    this.#coming.set(key, coming)
    return coming
  }

  async #unpacked(digest: string, unpack: Unpack): Promise<Entry> {
    const temporary = this.#options.temporaryFile()
    try {
      const files = await unpack(temporary)
      // It may have come from elsewhere meanwhile.
      const entry = this.#known(digest) ?? this.#place({ digest, directory: this.#folderOf(digest), files }, temporary)
      await this.#removeUnused().catch(() => {}) // what cannot be removed now goes at the next start
      return entry
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  }

  /** In one go: nobody finds half of it, and nobody else puts it there. */
  #place(artifact: UnpackedArtifact, from: string): Entry {
    mkdirSync(this.#options.directory, { recursive: true, mode: 0o700 })
    rmSync(artifact.directory, { recursive: true, force: true })
    renameSync(from, artifact.directory)
    const entry = { artifact, lastUsedMs: this.#options.clock.monotonic() }
    this.#entries.set(artifact.digest, entry)
    return entry
  }

  #folderOf(digest: string): string {
    return join(this.#options.directory, digest.replaceAll(/[^A-Za-z0-9]/g, '-'))
  }

  async #removeUnused(): Promise<void> {
    const unusedSince = this.#options.clock.monotonic() - inUseMs
    const entries = [...this.#entries]
    let folders = entries.length
    let files = entries.reduce((sum, [, { artifact }]) => sum + artifact.files.size, 0)
    for (const [digest, { artifact, lastUsedMs }] of entries) {
      if (folders <= this.#keep.folders && files <= this.#keep.files) return
      if (lastUsedMs > unusedSince) continue
      folders -= 1
      files -= artifact.files.size
      this.#entries.delete(digest)
      // Out of the way first: the same digest may be asked for again while the files are being deleted.
      const out = this.#options.temporaryFile()
      await rename(artifact.directory, out)
      await rm(out, { recursive: true, force: true })
    }
  }
}
