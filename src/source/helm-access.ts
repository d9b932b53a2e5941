/** How a Helm repository is reached: its address, and what its Secrets say. Source: internal/helm/getter/client_opts.go of source-controller. */
import type { HelmRepository } from '../api/helmrepository.ts'
import type { Client } from '../kube/client.ts'
import type { ClientTls } from '../lib/dispatcher.ts'
import { parseDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import { credentialsFor, parseReference, type RegistryCredentials } from '../lib/oci/index.ts'
import { readSecret, tlsOf, type ValueOf, valuesOf } from '../runtime/secrets.ts'
import type { HttpAccess } from './http-get.ts'

/** Also what is needed of a registry. A structured clone of it goes to workers. */
export interface HelmAccess extends HttpAccess {
  readonly isOci: boolean
  readonly registry?: RegistryCredentials | undefined
  /** A registry without TLS. */
  readonly insecure: boolean
}

interface Reading {
  readonly client: Client
  readonly signal: AbortSignal
}

const defaultTimeout = '60s'
const dockerConfigKey = '.dockerconfigjson'

/** @throws Error that names the Secret and the key, and never a value. */
export async function helmAccess({ metadata, spec }: HelmRepository, { client, signal }: Reading): Promise<HelmAccess> {
  const read = async (name: string, what: string): Promise<ValueOf> => {
    const ref = { namespace: metadata.namespace, name }
    const data = await readSecret(client, ref, signal).catch((error: unknown) => {
      signal.throwIfAborted()
      throw new Error(messageOf(error).replace('failed to get secret', `failed to get ${what} secret`), { cause: error })
    })
    return valuesOf(data)
  }
  const certificates = spec.certSecretRef && (await read(spec.certSecretRef.name, 'TLS authentication'))
  const secret = spec.secretRef && (await read(spec.secretRef.name, 'authentication'))
  const name = `${metadata.namespace}/${spec.secretRef?.name}`
  const url = normalizedUrl(spec.url)
  const isOci = url.startsWith('oci://')
  const basic = secret && within('failed to detect authentication methods', () => basicOf(secret, name))
  return {
    url,
    isOci,
    basic,
    registry: secret && isOci ? registryOf(secret, { url, name, basic }) : undefined,
    tls: certificates ? within("failed to construct Helm client's TLS config", () => tlsOf(certificates)) : secretTls(secret, name),
    passCredentials: spec.passCredentials ?? false,
    insecure: spec.insecure ?? false,
    timeoutMs: parseDuration(spec.timeout ?? defaultTimeout),
  }
}

/** That of a repository that nobody has described. */
export function anonymousAccess(url: string): HelmAccess {
  const isOci = url.startsWith('oci://')
  return { url, isOci, passCredentials: false, insecure: false, timeoutMs: parseDuration(defaultTimeout) }
}

/**
 * The address with one slash at the end, or (of a registry) with none: two addresses of one repository become the same.
 * @throws Error when it is none.
 * Source: repository.NormalizeURL.
 */
export function normalizedUrl(text: string): string {
  const url = URL.parse(text)
  if (!url?.host) throw new Error(`${JSON.stringify(text.replace(/\/\/[^/]*@/, '//'))} is no address of a Helm repository`)
  if (url.protocol === 'oci:') return text.replace(/\/+$/, '')
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/`
  return url.href
}

/** @throws Error for one without the other. */
function basicOf(value: ValueOf, secret: string): { username: string; password: string } | undefined {
  const [username, password] = [value('username'), value('password')]
  if (username === undefined && password === undefined) return undefined
  if (username !== undefined && password !== undefined) return { username, password }
  const [present, missing] = username === undefined ? ['password', 'username'] : ['username', 'password']
  throw new Error(`secret '${secret}': malformed basic auth - has '${present}' but missing '${missing}'`)
}

/** The old way to give certificates. A Secret of another sort may have keys of these names that do not fit together. */
function secretTls(secret: ValueOf | undefined, name: string): ClientTls | undefined {
  if (!secret) return undefined
  const tls = within(`failed to detect authentication methods: secret '${name}'`, () => tlsOf(secret))
  return Object.keys(tls).length > 0 ? tls : undefined
}

function registryOf(
  value: ValueOf,
  { url, name, basic }: { url: string; name: string; basic: { username: string; password: string } | undefined },
): RegistryCredentials | undefined {
  const config = value(dockerConfigKey)
  if (config === undefined) return basic
  const { registry, repository } = parseReference(/^oci:\/\/[^/]+$/.test(url) ? `${url}/x` : url)
  const host = URL.parse(url)?.host
  const found = within(`failed to configure OCI registry authentication: secret '${name}'`, () =>
    credentialsFor({ registry, repository }, config),
  )
  if (found) return found
  throw new Error(
    `failed to configure OCI registry authentication: no auth config for '${host}' in the docker-registry Secret '${name}'`,
  )
}

function within<T>(attempt: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw new Error(`${attempt}: ${messageOf(error)}`, { cause: error })
  }
}
