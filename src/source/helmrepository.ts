/** HelmRepository: keeps the index of a chart repository. One of type oci has none: it only tells where charts are. */
import { type HelmRepository, helmRepositoryKind } from '../api/helmrepository.ts'
import type { Artifact } from '../api/meta.ts'
import { keyText } from '../api/object.ts'
import { parseDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import { configChanged } from '../runtime/config-watch.ts'
import type { Context, Loop, Outcome, Retryable } from '../runtime/reconcile.ts'
import { type HelmAccess, helmAccess, normalizedUrl } from './helm-access.ts'
import { type FetchedIndex, type IndexOutput, indexTask } from './helm-index.ts'
import { type Validator, withoutSecrets } from './http-get.ts'
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
  upToDate,
} from './stored.ts'

type HelmContext = Context<HelmRepository>

const defaultInterval = '1m'
const failures = ['FetchFailed', 'StorageOperationFailed']
/** Name that stays with the newest index. */
const link = 'index.yaml'
const deprecatedTls =
  'warning: specifying TLS authentication data via `.spec.secretRef` is deprecated, please use `.spec.certSecretRef` instead'
/** How long an index may take to be read and written: a thread that is still busy after that is ended. */
const parseTimeoutMs = 5 * 60_000

/** What is known of the stored index by the server's own mark: it need not be sent again to be compared. */
type Known = Map<string, { readonly revision: string; readonly validator: Validator }>

export function helmRepositoryLoop(): Loop<HelmRepository> {
  const known: Known = new Map()
  return {
    kind: helmRepositoryKind,
    controller: 'source-controller',
    concurrent: 2,
    conditions: ['ArtifactInStorage', 'ArtifactOutdated', ...failures],
    unsupported: [],
    isStatic: ({ spec }) => spec.type === 'oci',
    watches: [
      configChanged<HelmRepository>({
        index: 'secretRefs',
        kinds: ['Secret'],
        references: ({ spec }) =>
          [spec.secretRef, spec.certSecretRef].flatMap((ref) => (ref ? [{ kind: 'Secret', name: ref.name }] : [])),
      }),
    ],
    reconcile: (object, context) => reconcile(object, context, known),
    finalize,
    isThere,
    forget: (key) => known.delete(keyText(key)),
  }
}

/**
 * One run. Reads the Secrets, downloads the index, and stores it if it is another one.
 * @throws Stalled for an address that cannot work, Retryable for the rest.
 */
async function reconcile(object: HelmRepository, context: HelmContext, known: Known): Promise<Outcome<HelmRepository>> {
  context.progress(beginning(object))
  const present = await storedArtifact(object, context, { link })
  const access = await accessOf(object, context)
  const file = context.artifacts.temporaryFile()
  const { index, validator } = await fetchIndex(access, { present, file, context, known })
  context.condition('FetchFailed', undefined)
  const artifact = index ? await store(object, index, file, context) : (present as Artifact) // only what is stored can be unchanged
  if (!index) context.event(upToDate(artifact))
  if (validator) known.set(keyText(context.key), { revision: artifact.revision, validator })
  return done(object, artifact, context)
}

async function accessOf(object: HelmRepository, context: HelmContext): Promise<HelmAccess> {
  const invalid = (why: string) => stalled('FetchFailed', 'URLInvalid', `invalid Helm repository URL: ${why}`, { context })
  if (/^oci:/i.test(object.spec.url)) throw invalid("'oci' URL scheme cannot be used with 'default' HelmRepository type")
  try {
    normalizedUrl(object.spec.url)
  } catch (error) {
    throw invalid(messageOf(error))
  }
  const access = await helmAccess(object, context).catch((error: unknown) => {
    context.signal.throwIfAborted()
    throw failed('FetchFailed', 'AuthenticationFailed', messageOf(error), { context, cause: error })
  })
  if (access.hasDeprecatedTls) context.log.info({}, deprecatedTls)
  return access
}

interface Fetch {
  readonly present: Artifact | undefined
  readonly file: string
  readonly context: HelmContext
  readonly known: Known
}

async function fetchIndex(access: HelmAccess, { present, file, context, known }: Fetch): Promise<IndexOutput> {
  const { workers, flags, signal } = context
  const input = {
    access,
    maxBytes: flags.helmIndexMaxSize,
    storedRevision: present?.revision,
    known: present && validatorOf(present, context, known),
    file,
  }
  try {
    return await workers.run(indexTask, input, { signal, timeoutMs: access.timeoutMs + parseTimeoutMs })
  } catch (error) {
    signal.throwIfAborted()
    throw fetchFailure(error, context)
  }
}

/** Who asks for a run by hand may doubt the server: then nothing is taken for known. */
function validatorOf({ revision }: Artifact, { key, causes }: HelmContext, known: Known): Validator | undefined {
  const stored = known.get(keyText(key))
  return stored?.revision === revision && !causes.has('requested') ? stored.validator : undefined
}

function fetchFailure(error: unknown, context: HelmContext): Retryable {
  const why = messageOf(error)
  if (error instanceof Error && error.name === 'IndexError') {
    const message = `failed to load Helm repository from index YAML: failed to load index: ${why}`
    return failed('FetchFailed', 'IndexationFailed', message, { context, cause: error })
  }
  const message = `failed to fetch Helm repository index: failed to cache index to temporary file: ${why}`
  return failed('FetchFailed', 'Failed', message, { context, cause: error })
}

function store(object: HelmRepository, fetched: FetchedIndex, temporaryFile: string, context: HelmContext): Promise<Artifact> {
  const { revision } = fetched
  if (object.status?.artifact?.revision !== revision) outdated(object, context, 'NewRevision', `new index revision '${revision}'`)
  const fileName = `index-${revision.replace('sha256:', '')}.yaml`
  const staged = { ...fetched, temporaryFile, fileName }
  return storeArtifact(object, staged, { context, link, failure: 'unable to save artifact to storage' })
}

function done(object: HelmRepository, artifact: Artifact, context: HelmContext): Outcome<HelmRepository> {
  const { url, interval } = object.spec
  const size = artifact.size === undefined ? 'unknown size' : `size ${humanSize(artifact.size)}`
  return succeeded(object, {
    context,
    artifact,
    failures,
    ready: { reason: 'Succeeded', message: `stored artifact: revision '${artifact.revision}'` },
    message: `stored fetched index of ${size} from '${withoutSecrets(url)}'`,
    intervalMs: parseDuration(interval ?? defaultInterval) || parseDuration(defaultInterval),
  })
}

/** Four digits at most, powers of a thousand. Source: github.com/docker/go-units HumanSize. */
export function humanSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3))
  return `${Number((bytes / 1000 ** power).toPrecision(4))}${units[power]}`
}
