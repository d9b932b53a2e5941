/** Puts into a test's registry what flux, helm and docker would push, and what nobody would. */
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { Header } from 'tar'
import type { TestRegistry } from './registry.ts'

export interface PushedLayer {
  readonly mediaType: string
  readonly content: Uint8Array
  readonly annotations?: Readonly<Record<string, string>>
}

export interface PushedImage {
  readonly layers: readonly PushedLayer[]
  readonly tags?: readonly string[]
  readonly annotations?: Readonly<Record<string, string>>
  /** Media type and content of the config; one of an image when absent. */
  readonly config?: { readonly mediaType: string; readonly content: Uint8Array }
  /** Of the manifest; that of OCI when absent. */
  readonly mediaType?: string
}

export const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
export const ociIndex = 'application/vnd.oci.image.index.v1+json'
export const fluxContent = 'application/vnd.cncf.flux.content.v1.tar+gzip'
export const helmContent = 'application/vnd.cncf.helm.chart.content.v1.tar+gzip'

/** Pushes an image; returns the digest of its manifest. */
export async function pushImage(registry: TestRegistry, repository: string, image: PushedImage): Promise<string> {
  const config = image.config ?? { mediaType: 'application/vnd.oci.image.config.v1+json', content: Buffer.from('{}') }
  const describe = async ({ mediaType, content, annotations }: PushedLayer) => ({
    mediaType,
    size: content.length,
    digest: await pushBlob(registry, repository, content),
    ...(annotations && { annotations }),
  })
  const layers = []
  for (const layer of image.layers) layers.push(await describe(layer))
  const mediaType = image.mediaType ?? ociManifest
  const manifest = { schemaVersion: 2, mediaType, config: await describe(config), layers, annotations: image.annotations }
  return pushManifest(registry, repository, manifest, image.tags)
}

/** What `flux push artifact` makes of some files. */
export async function pushArtifact(
  registry: TestRegistry,
  repository: string,
  artifact: {
    readonly files: Readonly<Record<string, string | Uint8Array>>
    readonly tags?: readonly string[]
    readonly source?: string
    readonly revision?: string
    readonly annotations?: Readonly<Record<string, string>>
  },
): Promise<string> {
  const { files, tags, source, revision, annotations } = artifact
  return pushImage(registry, repository, {
    layers: [{ mediaType: fluxContent, content: archiveOf(files) }],
    config: { mediaType: 'application/vnd.cncf.flux.config.v1+json', content: Buffer.from('{}') },
    annotations: {
      'org.opencontainers.image.created': '2026-01-02T03:04:05Z',
      ...(source && { 'org.opencontainers.image.source': source }),
      ...(revision && { 'org.opencontainers.image.revision': revision }),
      ...annotations,
    },
    ...(tags && { tags }),
  })
}

/** What `helm push` makes of a packed chart (`packChart`, or `helm package`): the tag is its version, with `_` for `+`. */
export async function pushChart(
  registry: TestRegistry,
  repository: string,
  { name, version, content }: { readonly name: string; readonly version: string; readonly content: Uint8Array },
): Promise<string> {
  const config = Buffer.from(JSON.stringify({ name, version, apiVersion: 'v2' }))
  return pushImage(registry, repository, {
    layers: [{ mediaType: helmContent, content }],
    config: { mediaType: 'application/vnd.cncf.helm.config.v1+json', content: config },
    annotations: { 'org.opencontainers.image.title': name, 'org.opencontainers.image.version': version },
    tags: [version.replaceAll('+', '_')],
  })
}

/** An index of images that are there already. */
export function pushIndex(
  registry: TestRegistry,
  repository: string,
  index: {
    readonly images: readonly { readonly digest: string; readonly size: number; readonly platform?: object }[]
    readonly tags?: readonly string[]
  },
): Promise<string> {
  const manifests = index.images.map((image) => ({ mediaType: ociManifest, ...image }))
  return pushManifest(registry, repository, { schemaVersion: 2, mediaType: ociIndex, manifests }, index.tags)
}

/** Gives a manifest that is there another tag, or moves the tag to it. */
export async function tagImage(registry: TestRegistry, repository: string, digest: string, tag: string): Promise<void> {
  const { body, type } = await readManifest(registry, repository, digest)
  await registry.direct(repository, `manifests/${tag}`, { method: 'PUT', status: 201, body, type })
}

export async function deleteManifest(registry: TestRegistry, repository: string, digest: string): Promise<void> {
  await registry.direct(repository, `manifests/${digest}`, { method: 'DELETE', status: 202 })
}

export async function readManifest(registry: TestRegistry, repository: string, reference: string) {
  const response = await registry.direct(repository, `manifests/${reference}`, { method: 'GET', status: 200 })
  const body = new Uint8Array(await response.arrayBuffer())
  return { body, type: response.headers.get('content-type') ?? '' }
}

export async function pushManifest(
  registry: TestRegistry,
  repository: string,
  manifest: { readonly mediaType: string; readonly [field: string]: unknown },
  tags: readonly string[] = [],
): Promise<string> {
  const body = Buffer.from(JSON.stringify(manifest))
  const digest = digestOf(body)
  for (const reference of tags.length > 0 ? tags : [digest])
    await registry.direct(repository, `manifests/${reference}`, { method: 'PUT', status: 201, body, type: manifest.mediaType })
  return digest
}

/** Returns its digest. */
export async function pushBlob(registry: TestRegistry, repository: string, content: Uint8Array): Promise<string> {
  const digest = digestOf(content)
  const upload = await registry.direct(repository, 'blobs/uploads/', { method: 'POST', status: 202 })
  const target = new URL(upload.headers.get('location') ?? '')
  target.searchParams.set('digest', digest)
  const type = 'application/octet-stream'
  await registry.direct(repository, target.href, { method: 'PUT', status: 201, body: content, type })
  return digest
}

/** A gzip-compressed tar of regular files. */
export function archiveOf(files: Readonly<Record<string, string | Uint8Array>>): Buffer {
  const entries = Object.entries(files).flatMap(([path, value]) => {
    const content = Buffer.from(value)
    const header = new Header({ path, type: 'File', mode: 0o644, size: content.length, mtime: new Date(0) })
    header.encode()
    return [header.block ?? Buffer.alloc(0), content, Buffer.alloc(-content.length & 511)]
  })
  return gzipSync(Buffer.concat([...entries, Buffer.alloc(1024)]))
}

export function digestOf(content: Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}
