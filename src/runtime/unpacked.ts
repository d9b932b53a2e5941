/** Artifacts unpacked on disk: each digest once, for all who read it. */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
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
  readonly directory: string
  readonly ready: Promise<UnpackedArtifact>
  /** Undefined until it is unpacked. */
  fileCount: number | undefined
  lastUsedMs: number
}

/** A build that reads a folder takes seconds; this is how long a folder is safe after it was last asked for. */
const inUseMs = 5 * 60_000

/** Which artifacts are unpacked. The index of hashes is held in memory, so both folders and files are bounded. */
export class UnpackedArtifacts {
  readonly #options: UnpackedOptions
  readonly #keep: { readonly folders: number; readonly files: number }
  /** By digest, the one used longest ago first. */
  readonly #entries = new Map<string, Entry>()

  constructor(options: UnpackedOptions) {
    this.#options = options
    this.#keep = options.keep ?? { folders: 64, files: 100_000 }
  }

  /** The artifact with this digest; unpacked by `unpack` unless it is there or on its way. A failure is not remembered. */
  open(digest: string, unpack: (directory: string) => Promise<ReadonlyMap<string, string>>): Promise<UnpackedArtifact> {
    const known = this.#entries.get(digest)
    // Somebody may have emptied the storage under us.
    const isGone = known?.fileCount !== undefined && !existsSync(known.directory)
    const entry = isGone || !known ? this.#start(digest, unpack) : known
    this.#entries.delete(digest)
    this.#entries.set(digest, entry)
    entry.lastUsedMs = this.#options.clock.monotonic()
    return entry.ready
  }

  #start(digest: string, unpack: (directory: string) => Promise<ReadonlyMap<string, string>>): Entry {
    const directory = join(this.#options.directory, digest.replaceAll(/[^A-Za-z0-9]/g, '-'))
    const entry: Entry = {
      directory,
      ready: unpack(directory).then(
        async (files) => {
          entry.fileCount = files.size
          entry.lastUsedMs = this.#options.clock.monotonic()
          await this.#removeUnused().catch(() => {}) // what cannot be removed now goes at the next start
          return { digest, directory, files }
        },
        (error) => {
          this.#entries.delete(digest)
          throw error
        },
      ),
      fileCount: undefined,
      lastUsedMs: 0,
    }
    return entry
  }

  async #removeUnused(): Promise<void> {
    const unusedSince = this.#options.clock.monotonic() - inUseMs
    const finished = [...this.#entries].filter(([, entry]) => entry.fileCount !== undefined)
    let folders = finished.length
    let files = finished.reduce((sum, [, entry]) => sum + (entry.fileCount ?? 0), 0)
    for (const [digest, entry] of finished) {
      if (folders <= this.#keep.folders && files <= this.#keep.files) return
      if (entry.lastUsedMs > unusedSince) continue
      folders -= 1
      files -= entry.fileCount ?? 0
      this.#entries.delete(digest)
      // Out of the way first: the same digest may be asked for again while the files are being deleted.
      const out = this.#options.temporaryFile()
      await rename(entry.directory, out)
      await rm(out, { recursive: true, force: true })
    }
  }
}
