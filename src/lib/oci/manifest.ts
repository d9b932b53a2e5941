/** Manifests. Source: the OCI image specification. */
import { isRecord } from '../json.ts'
import { OciError } from './errors.ts'
import { isDigest } from './reference.ts'

/** Names some bytes of a repository. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  /** In bytes. */
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>>
}

export interface Manifest {
  readonly mediaType: string
  readonly config?: Descriptor
  readonly layers: readonly Descriptor[]
  readonly annotations: Readonly<Record<string, string>>
}

/**
 * The digest of the image for linux/amd64 (or for none in particular) in an index; undefined for what is no index.
 * @throws OciError `corrupt` for an index without such an image. `what` names it.
 */
export function imageOf({ manifests }: Readonly<Record<string, unknown>>, what: string): string | undefined {
  if (!Array.isArray(manifests)) return undefined
  const fits = (platform: unknown) => !isRecord(platform) || (platform.os === 'linux' && platform.architecture === 'amd64')
  const found: unknown = manifests.filter(isRecord).find(({ platform }) => fits(platform))?.digest
  if (typeof found === 'string' && isDigest(found)) return found
  throw new OciError('corrupt', `${what} is an index of ${manifests.length} images, none of which is for linux/amd64`)
}

/** @throws OciError `corrupt` for what has no layers, and for layers without a digest. `what` names it. */
export function manifestOf(value: Readonly<Record<string, unknown>>, contentType: string, what: string): Manifest {
  const mediaType = typeof value.mediaType === 'string' ? value.mediaType : contentType.replace(/;.*$/s, '').trim()
  if (!Array.isArray(value.layers))
    throw new OciError('corrupt', `${what} has no layers: an image manifest is needed, and this is ${mediaType || 'of no type'}`)
  return {
    mediaType,
    layers: value.layers.map((layer) => descriptorOf(layer, what)),
    ...(isRecord(value.config) && value.config.digest !== undefined && { config: descriptorOf(value.config, what) }),
    annotations: annotationsOf(value.annotations),
  }
}

function descriptorOf(value: unknown, what: string): Descriptor {
  if (!isRecord(value) || typeof value.digest !== 'string' || !isDigest(value.digest))
    throw new OciError('corrupt', `${what} has a layer without a valid digest`)
  return {
    mediaType: typeof value.mediaType === 'string' ? value.mediaType : '',
    digest: value.digest,
    size: typeof value.size === 'number' ? value.size : 0,
    annotations: annotationsOf(value.annotations),
  }
}

function annotationsOf(value: unknown): Readonly<Record<string, string>> {
  if (!isRecord(value)) return {}
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
