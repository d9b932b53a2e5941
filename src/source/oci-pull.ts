/** The heavy half of an OCIRepository's run, in a worker thread: asks the registry, pulls what is new, packs it into an archive. */
import { createHash } from 'node:crypto'
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ClientTls } from '../lib/dispatcher.ts'
import { codeOf, messageOf } from '../lib/errors.ts'
import { isIgnored } from '../lib/ignore/index.ts'
import {
  type Descriptor,
  isOciError,
  type Manifest,
  Registry,
  type RegistryCredentials,
  type RepositoryName,
} from '../lib/oci/index.ts'
import { extractTarball, type TarballEntry, writeTarball } from '../lib/tarball/index.ts'
import { environmentProxies } from '../runtime/proxies.ts'
import type { Task, TaskContext } from '../runtime/workers.ts'
import { type OciReference, referenceFor } from './oci-tags.ts'
import { ignoreFileName, sourcePatterns } from './sourceignore.ts'

export interface PullInput {
  /** `spec.url`, for messages. */
  readonly url: string
  readonly repository: RepositoryName
  readonly access: OciAccess
  readonly reference: OciReference
  /** Of the layer that is taken; empty: the first one. */
  readonly mediaType: string
  readonly operation: 'extract' | 'copy'
  /** `spec.ignore`. */
  readonly ignore?: string | undefined
  /** What is stored already; absent when it has to be made again. */
  readonly storedRevision?: string | undefined
  /** Where the archive is written. */
  readonly file: string
  /** Where the layer is, in between, and unpacked under the same name with `.d`. */
  readonly layerFile: string
}

/** How a registry is reached. A structured clone of it goes to workers. */
export interface OciAccess {
  readonly credentials?: RegistryCredentials | undefined
  readonly tls?: ClientTls | undefined
  /** Address of a proxy, with its login. */
  readonly proxy?: string | undefined
  /** Any certificate will do. */
  readonly trustsAny: boolean
  /** Plain HTTP will do where TLS does not work. */
  readonly allowsPlainHttp: boolean
  /** How long the registry may say nothing. */
  readonly idleMs: number
}

export type PullOutput = UnchangedImage | PulledImage

/** The stored revision is still the one of the registry; nothing was written. */
export interface UnchangedImage {
  readonly changed: false
}

export interface PulledImage {
  readonly changed: true
  /** `<tag>@sha256:<hex>`, or the digest alone where that was asked for. */
  readonly revision: string
  /** Of the manifest. */
  readonly annotations: Readonly<Record<string, string>>
  /** `sha256:<hex>` of the archive. */
  readonly digest: string
  readonly sizeBytes: number
}

export const imageTask: Task<PullInput, PullOutput> = { name: 'source/oci-pull', network: true }

/** At what a pull failed; `revision`, where that is known by then. */
export class PullError extends Error {
  override readonly name = 'PullError'
  readonly reason: PullFault
  readonly revision: string | undefined
  /** The registry does not accept who we are. */
  readonly refused: boolean
  constructor(reason: PullFault, message: string, options: ErrorOptions & { readonly revision?: string } = {}) {
    super(message, options)
    this.reason = reason
    this.revision = options.revision
    this.refused = isOciError(options.cause) && options.cause.code === 'authentication'
  }
}

export type PullFault =
  | 'ReadOperationFailed'
  | 'OCIArtifactPullFailed'
  | 'OCIArtifactLayerOperationFailed'
  | 'ArchiveOperationFailed'

/** Also true for an error that came from a worker thread, where its class is lost. */
export function isPullError(error: unknown): error is PullError {
  return error instanceof Error && error.name === 'PullError' && 'reason' in error
}

/** What readers of artifacts accept. */
const limits = { maxBytes: 1024 * 1024 * 1024, maxEntries: 200_000 }
const longestAnnotations = 256 * 1024
const longestIgnoreFile = 1024 * 1024
const chunkBytes = 256 * 1024

/** @throws PullError, the signal's reason. */
export async function pullImage(input: PullInput, { signal }: TaskContext): Promise<PullOutput> {
  const { url, storedRevision, layerFile: file } = input
  const { repository } = input.repository
  await using registry = open(input, signal)
  const { revision, digest } = await resolve(registry, input, signal)
  if (revision === storedRevision) return { changed: false }

  const about = { signal, revision }
  const pulling: Step = { reason: 'OCIArtifactPullFailed', attempt: `failed to pull artifact from '${url}'` }
  const { manifest } = await within(pulling, about, () => registry.manifest(repository, digest))
  const { annotations } = manifest
  await within(handling(), about, () => assertShort(annotations))
  try {
    const layer = await within(handling(), about, () => selectLayer(manifest, input.mediaType))
    const download = () => registry.download(repository, layer, { file, maxBytes: limits.maxBytes })
    const sizeBytes = await within(handling('failed to extract the first layer from artifact'), about, download)
    const archive = input.operation === 'copy' ? await copied(input, layer, sizeBytes) : await repacked(input, about)
    return { changed: true, revision, annotations, ...archive }
  } finally {
    await rm(file, { force: true })
  }
}

function open({ repository, access }: PullInput, signal: AbortSignal): Registry {
  const { credentials, tls, trustsAny, idleMs, proxy, allowsPlainHttp } = access
  return new Registry(repository.registry, {
    credentials,
    tls,
    trustsAny,
    idleMs,
    proxies: environmentProxies(),
    proxy: proxy === undefined ? undefined : new URL(proxy),
    plainHttp: allowsPlainHttp ? 'fallback' : undefined,
    userAgent: 'flux/v2 sluice',
    signal,
  })
}

async function resolve(registry: Registry, input: PullInput, signal: AbortSignal): Promise<{ revision: string; digest: string }> {
  const { url, reference, mediaType } = input
  const { repository } = input.repository
  const choosing: Step = { reason: 'ReadOperationFailed', attempt: `failed to determine the artifact tag for '${url}'` }
  const asking: Step = { reason: 'OCIArtifactPullFailed', attempt: 'failed to determine artifact digest' }
  const list = () => within(choosing, { signal }, () => registry.tags(repository))
  const isRange = !reference.digest && reference.semver
  const wanted = await within(isRange ? choosing : asking, { signal }, () => referenceFor(reference, { mediaType, list }))
  const digest = await within(asking, { signal }, () => registry.resolve(repository, wanted))
  return { digest, revision: wanted === digest ? digest : `${wanted}@${digest}` }
}

/** They go into the object's status. @throws Error */
function assertShort(annotations: Manifest['annotations']): void {
  const size = JSON.stringify(annotations).length
  if (size > longestAnnotations)
    throw new Error(
      `the annotations of the manifest have ${size} bytes, more than the ${longestAnnotations} that fit into a status`,
    )
}

/** The first layer of the media type, or the first of all. @throws Error */
function selectLayer({ layers }: Manifest, mediaType: string): Descriptor {
  if (layers.length === 0) throw new Error('no layers found in artifact')
  const found = mediaType === '' ? layers[0] : layers.find((layer) => layer.mediaType === mediaType)
  if (found) return found
  throw new Error(`failed to find layer with media type '${mediaType}' in artifact`)
}

interface Archive {
  readonly digest: string
  readonly sizeBytes: number
}

/** The layer as it is. */
async function copied({ file, layerFile }: PullInput, { digest }: Descriptor, sizeBytes: number): Promise<Archive> {
  await rename(layerFile, file)
  return { digest: digest.startsWith('sha256:') ? digest : await hashOf(file), sizeBytes }
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return `sha256:${hash.digest('hex')}`
}

/** The files of the layer that no rule leaves out. */
async function repacked({ file, layerFile, ignore }: PullInput, about: About): Promise<Archive> {
  const directory = `${layerFile}.d`
  const unpack = () => extractTarball(layerFile, directory, limits)
  try {
    const paths = await within(handling('failed to extract layer contents from artifact'), about, unpack)
    const archiving: Step = { reason: 'ArchiveOperationFailed', attempt: 'unable to archive artifact to storage' }
    return await within(archiving, about, () =>
      writeTarball(file, entriesOf(directory, [...paths.keys()], { ignore, signal: about.signal })),
    )
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Each file is read when its turn to be written comes. */
function entriesOf(
  directory: string,
  paths: readonly string[],
  { ignore, signal }: { readonly ignore: string | undefined; readonly signal: AbortSignal },
): TarballEntry[] {
  const ignoreFiles = paths
    .filter((path) => path === ignoreFileName || path.endsWith(`/${ignoreFileName}`))
    .map((path) => ({ directory: path.slice(0, -ignoreFileName.length - 1), text: ignoreText(directory, path) }))
  const patterns = sourcePatterns(ignoreFiles, ignore)
  return paths
    .filter((path) => !isIgnored(path, patterns))
    .map((path) => {
      const file = join(directory, path)
      const { size: sizeBytes, mode } = statSync(file)
      return { path, executable: (mode & 0o100) !== 0, content: { sizeBytes, chunks: () => chunksOf(file, sizeBytes, signal) } }
    })
}

/** However large a file is, little of it is held at a time. */
function* chunksOf(file: string, sizeBytes: number, signal: AbortSignal): Iterable<Uint8Array> {
  const descriptor = openSync(file, 'r')
  try {
    for (let left = sizeBytes; left > 0; ) {
      signal.throwIfAborted()
      const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, left))
      const size = readSync(descriptor, chunk)
      if (size === 0) return
      left -= size
      yield chunk.subarray(0, size)
    }
  } finally {
    closeSync(descriptor)
  }
}

function ignoreText(directory: string, path: string): string {
  const file = join(directory, path)
  if (statSync(file).size <= longestIgnoreFile) return readFileSync(file, 'utf8')
  throw new Error(`"${path}" has more than ${longestIgnoreFile} bytes`)
}

interface Step {
  readonly reason: PullFault
  /** Stands before what went wrong. */
  readonly attempt?: string | undefined
}

interface About {
  readonly signal: AbortSignal
  readonly revision?: string
}

function handling(attempt?: string): Step {
  return { reason: 'OCIArtifactLayerOperationFailed', attempt }
}

/** @throws PullError that tells at what step the action failed, unless it is one already; the signal's reason. */
async function within<T>({ reason, attempt }: Step, { signal, ...rest }: About, action: () => T | Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    signal.throwIfAborted()
    if (isPullError(error)) throw error
    const why = withoutPath(error)
    throw new PullError(reason, attempt === undefined ? why : `${attempt}: ${why}`, { cause: error, ...rest })
  }
}

/** What the system says of a full disk and the like, without the temporary file's name. */
function withoutPath(error: unknown): string {
  return codeOf(error) === undefined || isOciError(error) ? messageOf(error) : messageOf(error).replace(/ '[^']*'/g, '')
}
