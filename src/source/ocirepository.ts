/** OCIRepository: keeps an archive of what a tag, a range of versions or a digest stands for in a registry. */
import type { Artifact } from '../api/meta.ts'
import { type OCIRepository, ociRepositoryKind } from '../api/ocirepository.ts'
import { parseDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import { isLocalRegistry, parseRepository, type RepositoryName } from '../lib/oci/index.ts'
import { configChanged } from '../runtime/config-watch.ts'
import { type Context, type Loop, type Outcome, Stalled, type UnsupportedField } from '../runtime/reconcile.ts'
import { isPullError, type OciAccess, type PulledImage, type PullInput, type PullOutput, imageTask } from './oci-pull.ts'
import { loginOf, MissingSecret, type PullSecrets, proxyIn, pullSecrets, tlsIn } from './oci-secrets.ts'
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

type OciContext = Context<OCIRepository>

const defaultTimeout = '60s'
/** How long a pull may take in all, on top of `spec.timeout`, which bounds how long the registry may say nothing. */
const longestPullMs = 15 * 60_000
/** Name that stays with the newest archive. */
const link = 'latest.tar.gz'
const failureConditions = ['FetchFailed', 'StorageOperationFailed']

const unsupported: readonly UnsupportedField<OCIRepository>[] = [
  { field: 'spec.verify', isUsed: ({ spec }) => spec.verify !== undefined },
  {
    field: 'spec.provider',
    // What has a login of its own does not ask the cloud for one.
    isUsed: ({ spec }) => isCloud(spec.provider) && !spec.secretRef && !spec.serviceAccountName,
  },
]

export const ociRepositoryLoop: Loop<OCIRepository> = {
  kind: ociRepositoryKind,
  controller: 'source-controller',
  concurrent: 2,
  conditions: ['ArtifactInStorage', 'ArtifactOutdated', 'SourceVerified', ...failureConditions],
  unsupported,
  watches: [
    configChanged<OCIRepository>({
      index: 'secretRefs',
      kinds: ['Secret'],
      references: ({ spec }) =>
        [spec.secretRef, spec.certSecretRef, spec.proxySecretRef].flatMap((ref) =>
          ref ? [{ kind: 'Secret', name: ref.name }] : [],
        ),
    }),
  ],
  reconcile,
  finalize,
  isThere,
}

/**
 * One run. Reads the Secrets, asks the registry for the digest, and only if that is another one pulls and stores the image.
 * @throws Stalled for an address that cannot work, Retryable for the rest.
 */
async function reconcile(object: OCIRepository, context: OciContext): Promise<Outcome<OCIRepository>> {
  context.progress(beginning(object))
  context.condition('StorageOperationFailed', undefined)
  const present = await storedArtifact(object, context, { link })
  const secrets = await secretsOf(object, context)
  const repository = repositoryOf(object, context)
  const access = await accessOf(object, { repository, secrets, context })
  const file = context.artifacts.temporaryFile()
  const pulled = await pull({ object, context, repository, secrets }, { access, present, file })
  context.condition('FetchFailed', undefined)
  if (pulled.changed) return done(object, await store(object, pulled, { repository, file, context }), context)
  // Only what is stored can be unchanged.
  const artifact = present as Artifact
  context.event(upToDate(artifact))
  return done(object, artifact, context)
}

async function secretsOf(object: OCIRepository, context: OciContext): Promise<PullSecrets> {
  const { spec } = object
  const found = await pullSecrets(object, context).catch((error: unknown) => {
    context.signal.throwIfAborted()
    if (error instanceof MissingSecret)
      context.event(traceEvent('AuthenticationFailed', `auth secret '${spec.secretRef?.name}' not found`))
    throw authenticationFailed(`failed to get credential: ${messageOf(error)}`, error, context)
  })
  if (!isCloud(spec.provider) || found.secrets.length > 0) return found
  // Only a service account without pull secrets is left: one that would be an identity with a cloud.
  const message =
    'to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller'
  throw new Stalled('FeatureGateDisabled', message)
}

function repositoryOf({ spec }: OCIRepository, context: OciContext): RepositoryName {
  try {
    return parseRepository(spec.url)
  } catch (error) {
    const message = `URL validation failed for '${spec.url}': ${messageOf(error)}`
    throw stalled('FetchFailed', 'URLInvalid', message, { context, cause: error })
  }
}

interface Reaching {
  readonly repository: RepositoryName
  readonly secrets: PullSecrets
  readonly context: OciContext
}

async function accessOf({ metadata, spec }: OCIRepository, { repository, secrets, context }: Reaching): Promise<OciAccess> {
  const { namespace } = metadata
  const attempt = async <T>(what: string, action: () => T | Promise<T>): Promise<T> => {
    try {
      return await action()
    } catch (error) {
      context.signal.throwIfAborted()
      throw authenticationFailed(`${what}: ${messageOf(error)}`, error, context)
    }
  }
  const { proxySecretRef: proxyRef, certSecretRef: certRef } = spec
  const credentials = await attempt('failed to get credential', () => loginOf(secrets, repository))
  const proxy = proxyRef && (await attempt('failed to get proxy address', () => proxyIn({ namespace, ...proxyRef }, context)))
  const transport = `failed to generate transport for '${spec.url}'`
  const tls = certRef?.name ? await attempt(transport, () => tlsIn({ namespace, ...certRef }, context)) : undefined
  const isInsecure = spec.insecure ?? false
  return {
    credentials,
    tls,
    proxy: proxy?.href,
    trustsAny: isInsecure && !tls,
    allowsPlainHttp: isInsecure || isLocalRegistry(repository.registry),
    idleMs: parseDuration(spec.timeout ?? defaultTimeout),
  }
}

function authenticationFailed(message: string, cause: unknown, context: OciContext): Error {
  return failed('FetchFailed', 'AuthenticationFailed', message, { context, cause })
}

interface About {
  readonly object: OCIRepository
  readonly context: OciContext
  readonly repository: RepositoryName
  readonly secrets: PullSecrets
}

interface Pull {
  readonly access: OciAccess
  readonly present: Artifact | undefined
  /** Where the archive goes. */
  readonly file: string
}

async function pull(about: About, { access, present, file }: Pull): Promise<PullOutput> {
  const { object, context, repository } = about
  const { spec } = object
  const input: PullInput = {
    url: spec.url,
    repository,
    access,
    reference: spec.ref ?? {},
    mediaType: spec.layerSelector?.mediaType ?? '',
    operation: spec.layerSelector?.operation || 'extract',
    ignore: spec.ignore,
    storedRevision: present && !isContentChanged(object) ? present.revision : undefined,
    file,
    layerFile: context.artifacts.temporaryFile(),
  }
  const limitMs = access.idleMs + longestPullMs
  const limit = new AbortController()
  const cancel = context.clock.after(limitMs, () => limit.abort(new Error(`the pull takes more than ${limitMs / 60_000} minutes`)))
  try {
    const signal = AbortSignal.any([context.signal, limit.signal])
    return await context.workers.run(imageTask, input, { signal, timeoutMs: limitMs + longestPullMs })
  } catch (error) {
    context.signal.throwIfAborted()
    throw failure(about, error)
  } finally {
    cancel()
  }
}

/** Whether the stored artifact was made under other settings. Source: ociContentConfigChanged of source-controller. */
function isContentChanged({ spec, status }: OCIRepository): boolean {
  const [wanted, observed] = [spec.layerSelector, status?.observedLayerSelector]
  return (
    spec.ignore !== status?.observedIgnore ||
    (wanted === undefined) !== (observed === undefined) ||
    (wanted?.mediaType ?? '') !== (observed?.mediaType ?? '') ||
    (wanted?.operation ?? '') !== (observed?.operation ?? '')
  )
}

/** The error of a pull, as upstream words it. A new revision is told of even where it could not be had. */
function failure({ object, context, repository, secrets }: About, error: unknown): Error {
  if (!isPullError(error)) {
    const message = `failed to pull artifact from '${object.spec.url}': ${messageOf(error)}`
    return failed('FetchFailed', 'OCIArtifactPullFailed', message, { context, cause: error })
  }
  const { reason, revision, refused } = error
  if (revision !== undefined) tellOf(object, revision, { repository, context })
  const condition = reason === 'ArchiveOperationFailed' ? 'StorageOperationFailed' : 'FetchFailed'
  if (condition === 'StorageOperationFailed') context.condition('FetchFailed', undefined)
  const doubts = refused ? secrets.doubts.join('') : ''
  return failed(condition, reason, error.message + doubts, { context, cause: error })
}

interface Storing {
  readonly repository: RepositoryName
  readonly file: string
  readonly context: OciContext
}

async function store(object: OCIRepository, pulled: PulledImage, { repository, file, context }: Storing): Promise<Artifact> {
  const { revision, digest, sizeBytes, annotations: metadata } = pulled
  tellOf(object, revision, { repository, context })
  const fileName = `${revision.slice(revision.indexOf('@') + 1)}.tar.gz`
  const staged = {
    temporaryFile: file,
    fileName,
    revision,
    digest,
    sizeBytes,
    ...(Object.keys(metadata).length > 0 && { metadata }),
  }
  const attempt = object.spec.layerSelector?.operation === 'copy' ? 'copy' : 'archive'
  const artifact = await storeArtifact(object, staged, { context, link, failure: `unable to ${attempt} artifact to storage` })
  context.set({ observedIgnore: object.spec.ignore, observedLayerSelector: object.spec.layerSelector })
  return artifact
}

/** Of a revision that is not the stored one. */
function tellOf(
  object: OCIRepository,
  revision: string,
  { repository, context }: { readonly repository: RepositoryName; readonly context: OciContext },
): void {
  if (object.status?.artifact?.revision === revision) return
  const [tag, digest] = revision.includes('@') ? revision.split('@') : [undefined, revision]
  const reference = `${repository.registry}/${repository.repository}${tag === undefined ? `@${digest}` : `:${tag}`}`
  outdated(object, context, 'NewRevision', `new revision '${revision}' for '${reference}'`)
}

function done(object: OCIRepository, artifact: Artifact, context: OciContext): Outcome<OCIRepository> {
  const { revision, metadata } = artifact
  const source = metadata?.['org.opencontainers.image.source']
  const origin = metadata?.['org.opencontainers.image.revision']
  const from = source && origin ? `, origin source '${source}', origin revision '${origin}'` : ''
  return succeeded(object, {
    context,
    artifact,
    failures: failureConditions,
    ready: { reason: 'Succeeded', message: `stored artifact for digest '${revision}'` },
    message: `stored artifact with revision '${revision}' from '${object.spec.url}'${from}`,
    intervalMs: parseDuration(object.spec.interval),
  })
}

function isCloud(provider: string | undefined): boolean {
  return provider !== undefined && provider !== '' && provider !== 'generic'
}
