/** GitRepository: keeps an archive of what a reference of a Git repository stands for. */
import { type GitRepository, gitRepositoryKind } from '../api/gitrepository.ts'
import type { Artifact } from '../api/meta.ts'
import { formatDuration, parseDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import { GitError, isGitError, parseRemoteUrl, type RemoteUrl } from '../lib/git/index.ts'
import { configChanged } from '../runtime/config-watch.ts'
import type { Context, Loop, Outcome, Retryable, UnsupportedField } from '../runtime/reconcile.ts'
import { readSecret, type SecretData } from '../runtime/secrets.ts'
import { authentication, type GitAuthentication } from './credentials.ts'
import { type FetchedSource, type FetchInput, type FetchOutput, fetchTask } from './fetch.ts'
import {
  beginning,
  failed,
  finalize,
  isThere,
  outdated,
  stalled,
  storeArtifact,
  storedArtifact,
  succeeded,
  traceEvent,
  upToDate,
} from './stored.ts'

type GitContext = Context<GitRepository>

const defaultTimeout = '60s'
/** How long the archive of what was fetched may take: a thread that is still busy after that is ended. */
const archiveTimeoutMs = 10 * 60_000
const failureConditions = ['FetchFailed', 'IncludeUnavailable', 'StorageOperationFailed']

const unsupported: readonly UnsupportedField<GitRepository>[] = [
  { field: 'spec.url with ssh://', isUsed: ({ spec }) => /^ssh:/i.test(spec.url) },
  { field: 'spec.proxySecretRef', isUsed: ({ spec }) => spec.proxySecretRef !== undefined },
  { field: 'spec.recurseSubmodules', isUsed: ({ spec }) => spec.recurseSubmodules === true },
  { field: 'spec.include', isUsed: ({ spec }) => (spec.include?.length ?? 0) > 0 },
  { field: 'spec.verify', isUsed: ({ spec }) => spec.verify !== undefined },
  { field: 'spec.provider', isUsed: ({ spec }) => Boolean(spec.provider && spec.provider !== 'generic') },
  { field: 'spec.serviceAccountName', isUsed: ({ spec }) => Boolean(spec.serviceAccountName) },
]

const secretChanged = configChanged<GitRepository>({
  index: 'secretRef',
  kinds: ['Secret'],
  references: ({ spec }) => (spec.secretRef ? [{ kind: 'Secret', name: spec.secretRef.name }] : []),
})

export const gitRepositoryLoop: Loop<GitRepository> = {
  kind: gitRepositoryKind,
  controller: 'source-controller',
  concurrent: 2,
  conditions: ['ArtifactInStorage', 'ArtifactOutdated', 'SourceVerified', ...failureConditions],
  unsupported,
  watches: [secretChanged],
  reconcile,
  finalize,
  isThere,
}

/**
 * One run. Reads the Secret, asks the server for the reference, and only if that moved fetches and stores the commit.
 * @throws Stalled for a URL that cannot work, Retryable for the rest.
 */
async function reconcile(object: GitRepository, context: GitContext): Promise<Outcome<GitRepository>> {
  context.progress(beginning(object))
  const stored = await storedArtifact(object, context)
  const url = remoteUrl(object, context)
  const access = await authenticationOf(object, url, context)
  const file = context.artifacts.temporaryFile()
  const fetched = await fetch({ object, context, url, access, stored, file })
  if (fetched.changed) return store(object, fetched, file, context)
  // Only what is stored can be unchanged.
  return unchanged(object, stored as Artifact, context)
}

function remoteUrl(object: GitRepository, context: GitContext): RemoteUrl {
  try {
    return parseRemoteUrl(object.spec.url)
  } catch (error) {
    throw stalled('FetchFailed', 'URLInvalid', messageOf(error), { context, cause: error })
  }
}

async function authenticationOf(object: GitRepository, url: RemoteUrl, context: GitContext): Promise<GitAuthentication> {
  const data = await secretData(object, context)
  const secret = `${object.metadata.namespace}/${object.spec.secretRef?.name}`
  if (data && Object.hasOwn(data, 'githubAppID') && data.githubAppID) {
    const message = `secretRef '${secret}' has github app data but provider is not set to github`
    throw failed('FetchFailed', 'InvalidProviderConfiguration', message, { context })
  }
  try {
    return authentication(url, data)
  } catch (error) {
    const where = data ? ` of secret '${secret}'` : ''
    throw failed('FetchFailed', 'AuthenticationFailed', `failed to configure authentication options${where}: ${messageOf(error)}`, {
      context,
    })
  }
}

async function secretData(object: GitRepository, context: GitContext): Promise<SecretData | undefined> {
  const name = object.spec.secretRef?.name
  if (name === undefined) return undefined
  const { namespace } = object.metadata
  try {
    return await readSecret(context.client, { namespace, name }, context.signal)
  } catch (error) {
    context.signal.throwIfAborted()
    throw failed('FetchFailed', 'AuthenticationFailed', messageOf(error), { context, cause: error })
  }
}

interface Fetch {
  readonly object: GitRepository
  readonly context: GitContext
  readonly url: RemoteUrl
  readonly access: GitAuthentication
  readonly stored: Artifact | undefined
  /** Where the archive goes. */
  readonly file: string
}

async function fetch(about: Fetch): Promise<FetchOutput> {
  const { object, context, access, stored, file } = about
  const { spec } = object
  const input: FetchInput = {
    url: spec.url,
    reference: spec.ref ?? {},
    credentials: access.credentials,
    tls: access.tls,
    ignore: spec.ignore,
    directories: spec.sparseCheckout,
    storedRevision: stored && !isContentChanged(object) ? stored.revision : undefined,
    file,
  }
  const timeoutMs = parseDuration(spec.timeout ?? defaultTimeout)
  const timeout = new AbortController()
  const cancel = context.clock.after(timeoutMs, () => timeout.abort(timedOut(timeoutMs)))
  try {
    const signal = AbortSignal.any([context.signal, timeout.signal])
    return await context.workers.run(fetchTask, input, { signal, timeoutMs: timeoutMs + archiveTimeoutMs })
  } catch (error) {
    context.signal.throwIfAborted()
    throw failure(about, error)
  } finally {
    cancel()
  }
}

function timedOut(timeoutMs: number): GitError {
  return new GitError('network', `context deadline exceeded: not done within spec.timeout of ${formatDuration(timeoutMs)}`)
}

/** Whether the stored artifact was made under other settings. Source: gitContentConfigChanged of source-controller. */
function isContentChanged({ spec, status }: GitRepository): boolean {
  return (
    spec.ignore !== status?.observedIgnore ||
    (spec.recurseSubmodules ?? false) !== (status?.observedRecurseSubmodules ?? false) ||
    (spec.include?.length ?? 0) !== (status?.observedInclude?.length ?? 0) ||
    (spec.sparseCheckout ?? []).join('\n') !== (status?.observedSparseCheckout ?? []).join('\n')
  )
}

/** The error of a fetch as upstream words it. */
function failure({ object, context, url, access, stored }: Fetch, error: unknown): Retryable {
  if (error instanceof Error && error.name === 'ArchiveError')
    return failed(
      'StorageOperationFailed',
      'ArchiveOperationFailed',
      `unable to archive artifact to storage: ${messageOf(error)}`,
      {
        context,
        cause: error,
      },
    )
  const { commit, name, tag, semver } = object.spec.ref ?? {}
  const isBranch = !commit && !name && !tag && !semver
  const code = isGitError(error) ? error.code : undefined
  if (code === 'empty' && isBranch)
    return failed('FetchFailed', 'EmptyGitRepository', 'git repository is empty', { context, cause: error })
  if (code === 'missingDirectory')
    return failed('FetchFailed', 'GitOperationFailed', `failed to sparse checkout directories : ${messageOf(error)}`, {
      context,
      cause: error,
    })
  const reason = code === 'authentication' ? 'AuthenticationFailed' : 'GitOperationFailed'
  const doubts =
    code === 'authentication' ? access.doubts.map((key) => `; key '${key}' of its secret ends with a line break`).join('') : ''
  const isListing = (stored || name) && !commit && !semver && code !== 'missingRef'
  const attempt = isListing ? 'unable to list remote for' : 'unable to clone'
  const what =
    code === 'unresolved'
      ? messageOf(error)
      : code === 'empty'
        ? `unable to clone: ${messageOf(error)}: git repository: '${url.shown}'`
        : `${attempt} '${url.shown}': ${messageOf(error)}${doubts}`
  return failed('FetchFailed', reason, `failed to checkout and determine revision: ${what}`, { context, cause: error })
}

/** Nothing to do: the reference still stands for what is stored. */
function unchanged(object: GitRepository, artifact: Artifact, context: GitContext): Outcome<GitRepository> {
  const { commit, semver, tag, name } = object.spec.ref ?? {}
  // Upstream clones these two kinds each time, and says what it found then.
  const isCloned = commit || (semver && !tag && !name)
  const { revision } = artifact
  context.event(
    isCloned
      ? upToDate(artifact)
      : traceEvent('GitOperationSucceeded', `no changes since last reconciliation: observed revision '${revision}'`),
  )
  return stored(object, artifact, { context, what: revision })
}

async function store(
  object: GitRepository,
  { revision, commit, subject, digest, sizeBytes }: FetchedSource,
  temporaryFile: string,
  context: GitContext,
): Promise<Outcome<GitRepository>> {
  context.condition('FetchFailed', undefined)
  const isNew = object.status?.artifact?.revision !== revision
  if (isNew) outdated(object, context, 'NewRevision', `new upstream revision '${revision}'`)
  const staged = { temporaryFile, fileName: `${commit}.tar.gz`, revision, digest, sizeBytes }
  const artifact = await storeArtifact(object, staged, { context, failure: 'unable to archive artifact to storage' })
  const { spec } = object
  context.set({
    includedArtifacts: undefined,
    observedIgnore: spec.ignore,
    observedInclude: undefined,
    observedRecurseSubmodules: undefined,
    observedSparseCheckout: spec.sparseCheckout?.length ? spec.sparseCheckout : undefined,
  })
  return stored(object, artifact, { context, what: subject })
}

/** A run that ends well. `what` names the commit in the event. */
function stored(
  object: GitRepository,
  artifact: Artifact,
  { context, what }: { context: GitContext; what: string },
): Outcome<GitRepository> {
  return succeeded(object, {
    context,
    artifact,
    failures: failureConditions,
    ready: { reason: 'Succeeded', message: `stored artifact for revision '${artifact.revision}'` },
    message: `stored artifact for commit '${what}'`,
    intervalMs: parseDuration(object.spec.interval),
  })
}
