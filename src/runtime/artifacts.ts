/** The artifact store: what sources write and the other loops read. */
import type { Artifact } from '../api/meta.ts'

/** Whose artifact it is: the folder in the store. */
export interface ArtifactOwner {
  /** `GitRepository`. */
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** A finished archive in the store's temporary folder, to be moved into place. */
export interface StagedArtifact {
  readonly temporaryFile: string
  /** `<commit>.tar.gz`. */
  readonly fileName: string
  readonly revision: string
  /** `sha256:<hex>` of the archive. */
  readonly digest: string
  readonly sizeBytes: number
  readonly metadata?: Readonly<Record<string, string>>
}

/** An artifact unpacked on disk: read-only, shared by all readers and threads. */
export interface UnpackedArtifact {
  readonly digest: string
  /** Absolute path of the unpacked files. */
  readonly directory: string
  /** Path → sha256 (hex) of every file. */
  readonly files: ReadonlyMap<string, string>
}

/** A copy of an artifact's file under a name of one's own: nobody takes it away until it is given back. */
export interface BorrowedArtifact extends AsyncDisposable {
  readonly file: string
}

export interface Artifacts {
  /** A fresh path for a file that is being written; left-overs are removed at start. */
  temporaryFile(): string
  /** Moves a staged archive into place (fsync, rename) and returns the artifact as status shows it. */
  store(owner: ArtifactOwner, staged: StagedArtifact): Promise<Artifact>
  /** Whether the stored file is there and has the artifact's digest. Changes nothing. */
  has(artifact: Artifact): Promise<boolean>
  /**
   * As `has`, and tells why not; a corrupt file is deleted. Remembers what it verified since
   * the process started.
   */
  verify(artifact: Artifact): Promise<'present' | 'missing' | 'corrupt'>
  /** Gives the newest artifact of its owner a name that stays, such as `latest.tar.gz`; returns its URL. */
  link(artifact: Artifact, name: string): Promise<string>
  /** Where the server has a file of an owner now. */
  urlOf(owner: ArtifactOwner, fileName: string): string
  /** The artifact with the URL that the server is reached at now. */
  advertised(artifact: Artifact): Artifact
  /** Removes archives of the owner other than the current one by age and number; returns how many. */
  collectGarbage(owner: ArtifactOwner, current: Artifact | undefined): Promise<number>
  /** Removes everything of the owner. */
  remove(owner: ArtifactOwner): Promise<void>
  /**
   * The artifact's files: from this process's store, else downloaded from its URL and verified. Unpacked once per digest.
   * @throws ArtifactNotFound while the server does not have it, ArtifactUnavailable when it could not be downloaded this time.
   */
  open(artifact: Artifact, signal: AbortSignal): Promise<UnpackedArtifact>
  /** The artifact as it is, not unpacked; from where `open` takes it, with the same errors. */
  borrow(artifact: Artifact, signal: AbortSignal): Promise<BorrowedArtifact>
}

/** The artifact is not in the store, or the server answers 404: retry later. */
export class ArtifactNotFound extends Error {
  override readonly name = 'ArtifactNotFound'
}

/** The server cannot be reached, or cannot answer now: the same download may work when it is tried again. */
export class ArtifactUnavailable extends Error {
  override readonly name = 'ArtifactUnavailable'
}
