/** Charts in an OCI registry, from a worker. Source: helm pkg/registry. */
import { messageOf } from '../lib/errors.ts'
import { isOciError, parseReference, Registry } from '../lib/oci/index.ts'
import { parseVersionTag } from '../lib/semver/index.ts'
import { environmentProxies } from '../runtime/proxies.ts'
import type { HelmAccess } from './helm-access.ts'

export interface RegistryReading {
  readonly access: HelmAccess
  readonly signal: AbortSignal
}

/** Of a chart's package; the second one is that of charts pushed by early versions of Helm. */
const layerTypes = ['application/vnd.cncf.helm.chart.content.v1.tar+gzip', 'application/tar+gzip']

/** `oci://<host>/<name>:<version>`; tags know no `+`. */
export function taggedAddress(address: string, version: string): string {
  return `${address}:${version.replaceAll('+', '_')}`
}

/** The versions that a repository has tags of. Others, and those with a `v`, are no charts. @throws Error */
export async function versionTags(address: string, reading: RegistryReading): Promise<string[]> {
  const what = `could not fetch tags for ${JSON.stringify(address)}`
  const tags = await inRegistry(address, { what, ...reading }, (registry, { repository }) => registry.tags(repository))
  const versions = tags.map((tag) => tag.replaceAll('_', '+')).filter((tag) => !tag.startsWith('v') && parseVersionTag(tag))
  if (versions.length > 0) return versions
  throw new Error(`unable to locate any tags in provided repository: ${address}: none of its ${tags.length} tags is a version`)
}

/** The package of a chart. @throws Error, also for one over the limit. */
export function pullTagged(address: string, { maxBytes, ...reading }: RegistryReading & { maxBytes: number }): Promise<Buffer> {
  return inRegistry(address, { what: `failed to get '${address}'`, ...reading }, async (registry, { repository, tag = '' }) => {
    const { manifest } = await registry.manifest(repository, tag)
    const layer = manifest.layers.find(({ mediaType }) => layerTypes.includes(mediaType))
    if (!layer) throw new Error(`it is no chart: it has no layer of type ${layerTypes[0]}`)
    if (layer.size > maxBytes) throw tooLarge(`with ${layer.size} bytes it`, maxBytes)
    return registry.blob(repository, layer, maxBytes).catch((error: unknown) => {
      throw isOciError(error) && error.code === 'tooLarge' ? tooLarge('it', maxBytes) : error
    })
  })
}

function tooLarge(what: string, maxBytes: number): Error {
  return new Error(`${what} is larger than the maximum chart size of ${maxBytes} bytes`)
}

/** `what` is being attempted; it ends when the repository's time is over. */
async function inRegistry<T>(
  address: string,
  { what, access, signal }: RegistryReading & { readonly what: string },
  use: (registry: Registry, reference: ReturnType<typeof parseReference>) => Promise<T>,
): Promise<T> {
  const { tls, registry: credentials, insecure, timeoutMs } = access
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    const reference = parseReference(address)
    await using registry = new Registry(reference.registry, {
      tls,
      proxies: environmentProxies(),
      plainHttp: insecure ? 'only' : undefined,
      userAgent: 'sluice/helm',
      credentials,
      signal: AbortSignal.any([signal, timeout]),
    })
    return await use(registry, reference)
  } catch (error) {
    signal.throwIfAborted()
    const why = timeout.aborted ? `no answer within ${timeoutMs / 1000}s` : messageOf(error)
    throw new Error(`${what}: ${why}`, { cause: error })
  }
}
