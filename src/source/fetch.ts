/** The heavy half of a GitRepository's run, in a worker thread: asks the server, fetches what is new, packs it into an archive. */
import type { ClientTls } from '../lib/dispatcher.ts'
import { messageOf } from '../lib/errors.ts'
import {
  type Checkout,
  type CommittedFile,
  type Credentials,
  fetchCommit,
  isGitError,
  listFiles,
  parseRemoteUrl,
  type Reference,
  Remote,
  resolveReference,
  revisionOf,
  sparse,
} from '../lib/git/index.ts'
import { isIgnored } from '../lib/ignore/index.ts'
import { ArchiveError, type TarballEntry, writeTarball } from '../lib/tarball/index.ts'
import { environmentProxies } from '../runtime/proxies.ts'
import type { Task, TaskContext } from '../runtime/workers.ts'
import { ignoreFileName, sourcePatterns } from './sourceignore.ts'

export interface FetchInput {
  readonly url: string
  readonly reference: Reference
  readonly credentials?: Credentials | undefined
  readonly tls?: ClientTls | undefined
  /** `spec.ignore`. */
  readonly ignore?: string | undefined
  /** `spec.sparseCheckout`; empty: everything. */
  readonly directories?: readonly string[] | undefined
  /** What is stored already; absent when it has to be made again. */
  readonly storedRevision?: string | undefined
  /** Where the archive is written. */
  readonly file: string
}

export type FetchOutput = UnchangedSource | FetchedSource

/** The stored revision is still the one on the server; nothing was written. */
export interface UnchangedSource {
  readonly changed: false
}

export interface FetchedSource {
  readonly changed: true
  readonly revision: string
  /** Id of the commit. */
  readonly commit: string
  /** First line of the commit's message, cut after 50 characters. */
  readonly subject: string
  /** `sha256:<hex>` of the archive. */
  readonly digest: string
  readonly sizeBytes: number
}

export const fetchTask: Task<FetchInput, FetchOutput> = { name: 'source/git-fetch', network: true }

/** What readers of artifacts accept. */
const maxArchivedFiles = 200_000
const maxArchivedBytes = 1024 * 1024 * 1024

/**
 * @throws GitError when the commit cannot be had, ArchiveError when it cannot be archived; the signal's reason when it is aborted.
 */
export async function fetchArtifact(input: FetchInput, { signal }: TaskContext): Promise<FetchOutput> {
  const { credentials, tls, reference, storedRevision } = input
  const absolute = Boolean(reference.name)
  await using remote = new Remote(parseRemoteUrl(input.url).url, { credentials, tls, proxies: environmentProxies(), signal })
  const candidates = await resolveReference(remote, reference)
  const [only, ...others] = candidates
  if (only && others.length === 0 && revisionOf(only, { absolute }) === storedRevision) return { changed: false }

  const checkout = await fetchCommit(remote, candidates, { signal })
  const revision = revisionOf(checkout.candidate, { absolute })
  if (revision === storedRevision) return { changed: false }
  const archive = await writeArchive(checkout, input, signal)
  const { commit } = checkout.candidate
  return { changed: true, revision, commit, subject: subjectOf(checkout.commit.message), ...archive }
}

async function writeArchive({ pack, commit }: Checkout, { ignore, directories = [], file }: FetchInput, signal: AbortSignal) {
  const all = listFiles(pack, commit.tree)
  const files = directories.length > 0 ? sparse(all, directories) : all
  const read = ({ id }: CommittedFile) => pack.read(id, 'blob')
  const ignoreFiles = files
    .filter(({ path }) => path === ignoreFileName || path.endsWith(`/${ignoreFileName}`))
    .map((found) => ({
      directory: found.path.slice(0, -ignoreFileName.length - 1),
      text: read(found).toString('utf8'),
    }))
  const patterns = sourcePatterns(ignoreFiles, ignore)
  const kept = files.filter(({ path }) => !isIgnored(path, patterns))
  try {
    return await writeTarball(file, entriesOf(kept, read, signal))
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw isGitError(error) || error instanceof ArchiveError ? error : new ArchiveError(withoutPath(error), { cause: error })
  }
}

/** Each file is read when its turn to be written comes. */
function entriesOf(
  files: readonly CommittedFile[],
  read: (file: CommittedFile) => Uint8Array,
  signal: AbortSignal,
): readonly TarballEntry[] {
  if (files.length > maxArchivedFiles)
    throw new ArchiveError(
      `the artifact would hold ${files.length} files, the limit is ${maxArchivedFiles}: exclude some by spec.ignore`,
    )
  const unreadable = files.find((file) => file.unreadable)
  if (unreadable) throw new ArchiveError(`the file name "${unreadable.path}" is not UTF-8: rename it, or exclude it by spec.ignore`)
  let size = 0
  return files.map((file) => ({
    path: file.path,
    executable: file.executable,
    get content() {
      signal.throwIfAborted()
      const content = read(file)
      size += content.length
      if (size > maxArchivedBytes)
        throw new ArchiveError(`the artifact would hold more than ${maxArchivedBytes} bytes: exclude large files by spec.ignore`)
      return content
    },
  }))
}

/** What the system says of a full disk and the like, without the temporary file's name. */
function withoutPath(error: unknown): string {
  return messageOf(error).replace(/ '[^']*'/g, '')
}

/** Source: fluxcd/pkg/git.Commit.ShortMessage. */
function subjectOf(message: string): string {
  const characters = [...(message.split('\n', 1)[0] ?? '')]
  return characters.length > 50 ? `${characters.slice(0, 50).join('')}...` : characters.join('')
}
