/** GitRepository: keeps an archive of what a reference of a Git repository stands for. */
import { type GitRepository, gitRepositoryKind } from '../api/gitrepository.ts'
import { type Artifact, conditionOf } from '../api/meta.ts'
import { keyOf, keyText } from '../api/object.ts'
import { formatDuration, parseDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import { GitError, isGitError, parseRemoteUrl, type RemoteUrl } from '../lib/git/index.ts'
import {
  type Context,
  type EventDraft,
  type Loop,
  type Outcome,
  Retryable,
  Stalled,
  type UnsupportedField,
  type Watch,
} from '../runtime/reconcile.ts'
import { readSecret, type SecretData } from '../runtime/secrets.ts'
import { authentication, type GitAuthentication } from './credentials.ts'
import { type FetchedSource, type FetchInput, type FetchOutput, fetchTask } from './fetch.ts'

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

/** Queues those that use a labelled Secret when it changes. Only metadata is watched: values are read when they are used. */
const secretChanged: Watch<GitRepository> = ({ informers, own, environment, enqueue }) => {
  const { featureGates, watchConfigsLabelSelector: labelSelector, watchAllNamespaces, runtimeNamespace } = environment.flags
  if (featureGates.get('DisableConfigWatchers')) return
  const usersOf = own.store.index('secretRef', ({ metadata, spec }) =>
    spec.secretRef ? [`${metadata.namespace}/${spec.secretRef.name}`] : [],
  )
  const options = { labelSelector, metadataOnly: true, ...(!watchAllNamespaces && { namespace: runtimeNamespace }) }
  informers.get({ apiVersion: 'v1', kind: 'Secret' }, options).subscribe(({ object, initial }) => {
    if (initial) return
    for (const user of usersOf(keyText(keyOf(object)))) enqueue(keyOf(user), 'config')
  })
}

export const gitRepositoryLoop: Loop<GitRepository> = {
  kind: gitRepositoryKind,
  controller: 'source-controller',
  concurrent: 2,
  conditions: ['ArtifactInStorage', 'ArtifactOutdated', 'SourceVerified', ...failureConditions],
  unsupported,
  watches: [secretChanged],
  reconcile,
  finalize,
  isThere: async ({ status }, { artifacts }) => !status?.artifact || (await artifacts.has(status.artifact)),
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

/** Every run of a source says so: a failed one is then shown as tried again. */
function beginning({ metadata, status }: GitRepository): string {
  const observed = status?.observedGeneration ?? 0
  return observed === metadata.generation
    ? 'reconciliation in progress'
    : `processing object: new generation ${observed} -> ${metadata.generation}`
}

async function finalize(object: GitRepository, context: GitContext): Promise<void> {
  try {
    await context.artifacts.remove(ownerOf(object))
  } catch (error) {
    const message = `garbage collection for deleted resource failed: ${messageOf(error)}`
    throw new Retryable('GarbageCollectionFailed', message, { cause: error })
  }
  const message = 'garbage collected artifacts for deleted resource'
  context.event({ severity: 'trace', reason: 'GarbageCollectionSucceeded', message })
}

/** The artifact of the status, if it is really there. */
async function storedArtifact(object: GitRepository, context: GitContext): Promise<Artifact | undefined> {
  const artifact = object.status?.artifact
  await collectGarbage(object, artifact, context)
  if (!artifact) {
    context.progress('building artifact')
    context.condition('ArtifactInStorage', undefined)
    return undefined
  }
  const found = await context.artifacts.verify(artifact)
  if (found === 'present') {
    const advertised = context.artifacts.advertised(artifact)
    context.set({ artifact: advertised })
    return advertised
  }
  if (found === 'corrupt') {
    const message = `failed to verify integrity of artifact: computed digest doesn't match '${artifact.digest}'`
    context.event({ severity: 'error', reason: 'ArtifactVerificationFailed', message })
  }
  context.progress('building artifact: disappeared from storage')
  context.condition('ArtifactInStorage', undefined)
  // Written now: nobody should ask for it while it is made again.
  await context.record({ artifact: undefined })
  return undefined
}

/** Failing to is no reason not to go on: the next run tries again. */
async function collectGarbage(object: GitRepository, artifact: Artifact | undefined, context: GitContext): Promise<void> {
  const collected = await context.artifacts.collectGarbage(ownerOf(object), artifact).catch((error: unknown) => {
    context.log.warn({ error: messageOf(error) }, 'old artifacts were not removed')
    return 0
  })
  if (collected === 0) return
  const message = `garbage collected ${collected} artifacts`
  context.event({ severity: 'trace', reason: 'GarbageCollectionSucceeded', message })
}

function remoteUrl(object: GitRepository, context: GitContext): RemoteUrl {
  try {
    return parseRemoteUrl(object.spec.url)
  } catch (error) {
    context.condition('FetchFailed', { status: 'True', reason: 'URLInvalid', message: messageOf(error) })
    throw new Stalled('URLInvalid', messageOf(error), { cause: error })
  }
}

async function authenticationOf(object: GitRepository, url: RemoteUrl, context: GitContext): Promise<GitAuthentication> {
  const data = await secretData(object, context)
  const secret = `${object.metadata.namespace}/${object.spec.secretRef?.name}`
  if (data && Object.hasOwn(data, 'githubAppID') && data.githubAppID) {
    const message = `secretRef '${secret}' has github app data but provider is not set to github`
    throw fetchFailed('InvalidProviderConfiguration', message, context)
  }
  try {
    return authentication(url, data)
  } catch (error) {
    const where = data ? ` of secret '${secret}'` : ''
    throw fetchFailed('AuthenticationFailed', `failed to configure authentication options${where}: ${messageOf(error)}`, context)
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
    throw fetchFailed('AuthenticationFailed', messageOf(error), context, error)
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
    return storageFailed('ArchiveOperationFailed', `unable to archive artifact to storage: ${messageOf(error)}`, context, error)
  const { commit, name, tag, semver } = object.spec.ref ?? {}
  const isBranch = !commit && !name && !tag && !semver
  const code = isGitError(error) ? error.code : undefined
  if (code === 'empty' && isBranch) return fetchFailed('EmptyGitRepository', 'git repository is empty', context, error)
  if (code === 'missingDirectory')
    return fetchFailed('GitOperationFailed', `failed to sparse checkout directories : ${messageOf(error)}`, context, error)
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
  return fetchFailed(reason, `failed to checkout and determine revision: ${what}`, context, error)
}

function fetchFailed(reason: string, message: string, context: GitContext, cause?: unknown): Retryable {
  context.condition('FetchFailed', { status: 'True', reason, message })
  return new Retryable(reason, message, { cause })
}

function storageFailed(reason: string, message: string, context: GitContext, cause: unknown): Retryable {
  context.condition('StorageOperationFailed', { status: 'True', reason, message })
  return new Retryable(reason, message, { cause })
}

/** Nothing to do: the reference still stands for what is stored. */
function unchanged(object: GitRepository, artifact: Artifact, context: GitContext): Outcome<GitRepository> {
  const { commit, semver, tag, name } = object.spec.ref ?? {}
  // Upstream clones these two kinds each time, and says what it found then.
  const isCloned = commit || (semver && !tag && !name)
  const { revision } = artifact
  context.event(
    isCloned
      ? traceEvent('ArtifactUpToDate', `artifact up-to-date with remote revision: '${revision}'`)
      : traceEvent('GitOperationSucceeded', `no changes since last reconciliation: observed revision '${revision}'`),
  )
  return stored(object, artifact, { context, what: revision })
}

function traceEvent(reason: string, message: string): EventDraft {
  return { severity: 'trace', reason, message }
}

async function store(
  object: GitRepository,
  { revision, commit, subject, digest, sizeBytes }: FetchedSource,
  temporaryFile: string,
  context: GitContext,
): Promise<Outcome<GitRepository>> {
  context.condition('FetchFailed', undefined)
  if (object.status?.artifact && object.status.artifact.revision !== revision) {
    const message = `new upstream revision '${revision}'`
    context.condition('ArtifactOutdated', { status: 'True', reason: 'NewRevision', message })
  }
  context.progress(`building artifact: new upstream revision '${revision}'`)
  const staged = { temporaryFile, fileName: `${commit}.tar.gz`, revision, digest, sizeBytes }
  const artifact = await context.artifacts.store(ownerOf(object), staged).catch((error: unknown) => {
    throw storageFailed('ArchiveOperationFailed', `unable to archive artifact to storage: ${messageOf(error)}`, context, error)
  })
  const { spec } = object
  context.set({
    artifact,
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
  const message = `stored artifact for revision '${artifact.revision}'`
  for (const type of ['ArtifactOutdated', ...failureConditions]) context.condition(type, undefined)
  context.condition('ArtifactInStorage', { status: 'True', reason: 'Succeeded', message })
  const isNew = artifact.digest !== object.status?.artifact?.digest
  const hadFailed = failureConditions.some((type) => conditionOf(object, type)?.status === 'True')
  return {
    ready: { reason: 'Succeeded', message },
    requeueAfterMs: parseDuration(object.spec.interval),
    ...((isNew || hadFailed) && {
      event: {
        severity: 'info',
        reason: isNew ? 'NewArtifact' : 'Succeeded',
        message: `stored artifact for commit '${what}'`,
        metadata: { revision: artifact.revision, digest: artifact.digest },
      },
    }),
  }
}

function ownerOf({ metadata }: GitRepository) {
  return { kind: gitRepositoryKind.kind, namespace: metadata.namespace, name: metadata.name }
}
