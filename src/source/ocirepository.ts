/** OCIRepository: keeps an archive of what a tag, a range of versions or a digest stands for in a registry. */
import type { Artifact } from '../api/meta.ts'
import { type OCIRepository, ociRepositoryKind } from '../api/ocirepository.ts'
import { formatDuration, parseDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import { isLocalRegistry, parseRepository, type RepositoryName } from '../lib/oci/index.ts'
import { configChanged } from '../runtime/config-watch.ts'
import { type Context, type Loop, type Outcome, Stalled, type UnsupportedField } from '../runtime/reconcile.ts'
import { imageTask, isPullError, type OciAccess, type PulledImage, type PullInput } from './oci-pull.ts'
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
  reconcile: (object, context) => new Run(object, context).reconcile(),
  finalize,
  isThere,
}

/** One run of one object. */
class Run {
  readonly #object: OCIRepository
  readonly #context: OciContext

  constructor(object: OCIRepository, context: OciContext) {
    this.#object = object
    this.#context = context
  }

  /**
   * Reads the Secrets, asks the registry for the digest, and only if that is another one pulls and stores the image.
   * @throws Stalled for an address that cannot work, Retryable for the rest.
   */
  async reconcile(): Promise<Outcome<OCIRepository>> {
    const [object, context] = [this.#object, this.#context]
    context.progress(beginning(object))
    // Of an earlier run, or of an earlier spec: signatures are not verified here.
    for (const type of ['StorageOperationFailed', 'SourceVerified']) context.condition(type, undefined)
    const present = await storedArtifact(object, context, { link })
    const secrets = await this.#secrets()
    const repository = this.#repository()
    const access = await this.#access(repository, secrets)
    const pulled = await this.#pull({ repository, secrets, access, present })
    context.condition('FetchFailed', undefined)
    if (pulled) return this.#done(await this.#store(pulled, repository))
    // Only what is stored can be unchanged.
    const artifact = present as Artifact
    context.event(upToDate(artifact))
    return this.#done(artifact)
  }

  async #secrets(): Promise<PullSecrets> {
    const { spec } = this.#object
    const found = await pullSecrets(this.#object, this.#context).catch((error: unknown) => {
      if (error instanceof MissingSecret)
        this.#context.event(traceEvent('AuthenticationFailed', `auth secret '${spec.secretRef?.name}' not found`))
      throw this.#unauthenticated('failed to get credential', error)
    })
    if (!isCloud(spec.provider) || found.secrets.length > 0) return found
    // Only a service account without pull secrets is left: one that would be an identity with a cloud.
    if (this.#context.flags.featureGates.get('ObjectLevelWorkloadIdentity')) {
      const message = `spec.serviceAccountName with provider ${spec.provider} is not implemented in this version: use pull secrets`
      throw new Stalled('UnsupportedField', message)
    }
    const message =
      'to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller'
    throw new Stalled('FeatureGateDisabled', message)
  }

  #repository(): RepositoryName {
    const { url } = this.#object.spec
    try {
      return parseRepository(url)
    } catch (error) {
      const message = `URL validation failed for '${url}': ${messageOf(error)}`
      throw stalled('FetchFailed', 'URLInvalid', message, { context: this.#context, cause: error })
    }
  }

  async #access(repository: RepositoryName, secrets: PullSecrets): Promise<OciAccess> {
    const { spec, metadata } = this.#object
    const secret = (ref: { readonly name: string }) => ({ namespace: metadata.namespace, name: ref.name })
    const { proxySecretRef: proxyRef, certSecretRef: certRef } = spec
    const credentials = await this.#attempt('failed to get credential', () => loginOf(secrets, repository))
    const proxy = proxyRef && (await this.#attempt('failed to get proxy address', () => proxyIn(secret(proxyRef), this.#context)))
    const generate = `failed to generate transport for '${spec.url}'`
    const tls = certRef?.name ? await this.#attempt(generate, () => tlsIn(secret(certRef), this.#context)) : undefined
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

  async #attempt<T>(what: string, action: () => T | Promise<T>): Promise<T> {
    try {
      return await action()
    } catch (error) {
      throw this.#unauthenticated(what, error)
    }
  }

  #unauthenticated(attempt: string, error: unknown): Error {
    this.#context.signal.throwIfAborted()
    const message = `${attempt}: ${messageOf(error)}`
    return failed('FetchFailed', 'AuthenticationFailed', message, { context: this.#context, cause: error })
  }

  /** What is new, packed into a file; undefined when the stored artifact is what the reference still stands for. */
  async #pull({ repository, secrets, access, present }: Pull): Promise<Pulled | undefined> {
    const { artifacts, clock, signal, workers } = this.#context
    const { spec } = this.#object
    const file = artifacts.temporaryFile()
    const input: PullInput = {
      url: spec.url,
      repository,
      access,
      reference: spec.ref ?? {},
      mediaType: spec.layerSelector?.mediaType ?? '',
      operation: spec.layerSelector?.operation || 'extract',
      ignore: spec.ignore,
      storedRevision: present && !isContentChanged(this.#object) ? present.revision : undefined,
      file,
      layerFile: artifacts.temporaryFile(),
    }
    const limitMs = access.idleMs + longestPullMs
    const limit = new AbortController()
    const cancel = clock.after(limitMs, () => limit.abort(new Error(`the pull takes more than ${formatDuration(limitMs)}`)))
    try {
      const either = AbortSignal.any([signal, limit.signal])
      const output = await workers.run(imageTask, input, { signal: either, timeoutMs: limitMs + longestPullMs })
      return output.changed ? { ...output, file } : undefined
    } catch (error) {
      signal.throwIfAborted()
      throw this.#failure(error, repository, secrets)
    } finally {
      cancel()
    }
  }

  /** The error of a pull, as upstream words it. A new revision is told of even where it could not be had. */
  #failure(error: unknown, repository: RepositoryName, secrets: PullSecrets): Error {
    const context = this.#context
    if (!isPullError(error)) {
      const message = `failed to pull artifact from '${this.#object.spec.url}': ${messageOf(error)}`
      return failed('FetchFailed', 'OCIArtifactPullFailed', message, { context, cause: error })
    }
    const { reason, revision, refused } = error
    if (revision !== undefined) this.#tellOf(revision, repository)
    const isOfDisk = reason === 'ArchiveOperationFailed'
    if (isOfDisk) context.condition('FetchFailed', undefined)
    const message = error.message + (refused ? secrets.doubts.join('') : '')
    return failed(isOfDisk ? 'StorageOperationFailed' : 'FetchFailed', reason, message, { context, cause: error })
  }

  async #store({ file, revision, digest, sizeBytes, annotations }: Pulled, repository: RepositoryName): Promise<Artifact> {
    const { spec } = this.#object
    this.#tellOf(revision, repository)
    const fileName = `${revision.slice(revision.indexOf('@') + 1)}.tar.gz`
    const metadata = Object.keys(annotations).length > 0 ? { metadata: annotations } : {}
    const staged = { temporaryFile: file, fileName, revision, digest, sizeBytes, ...metadata }
    const failure = `unable to ${spec.layerSelector?.operation === 'copy' ? 'copy' : 'archive'} artifact to storage`
    const artifact = await storeArtifact(this.#object, staged, { context: this.#context, link, failure })
    this.#context.set({ observedIgnore: spec.ignore, observedLayerSelector: spec.layerSelector })
    return artifact
  }

  /** Of a revision that is not the stored one. */
  #tellOf(revision: string, { registry, repository }: RepositoryName): void {
    if (this.#object.status?.artifact?.revision === revision) return
    const reference = revision.includes('@') ? `:${revision.replace(/@.*$/, '')}` : `@${revision}`
    const message = `new revision '${revision}' for '${registry}/${repository}${reference}'`
    outdated(this.#object, this.#context, 'NewRevision', message)
  }

  #done(artifact: Artifact): Outcome<OCIRepository> {
    const { url, interval } = this.#object.spec
    const { revision, metadata } = artifact
    const source = metadata?.['org.opencontainers.image.source']
    const origin = metadata?.['org.opencontainers.image.revision']
    const from = source && origin ? `, origin source '${source}', origin revision '${origin}'` : ''
    return succeeded(this.#object, {
      context: this.#context,
      artifact,
      failures: failureConditions,
      ready: { reason: 'Succeeded', message: `stored artifact for digest '${revision}'` },
      message: `stored artifact with revision '${revision}' from '${url}'${from}`,
      intervalMs: parseDuration(interval),
    })
  }
}

interface Pull {
  readonly repository: RepositoryName
  readonly secrets: PullSecrets
  readonly access: OciAccess
  readonly present: Artifact | undefined
}

type Pulled = PulledImage & { readonly file: string }

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

function isCloud(provider: string | undefined): boolean {
  return provider !== undefined && provider !== '' && provider !== 'generic'
}
