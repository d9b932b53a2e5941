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
  /** The certificates are in the Secret for user and password. */
  readonly hasDeprecatedTls: boolean
}

interface Basic {
  readonly username: string
  readonly password: string
}

interface Reading {
  readonly client: Client
  readonly signal: AbortSignal
}

const defaultTimeout = '60s'
const dockerConfigKey = '.dockerconfigjson'

/** A Secret that was read. */
interface Keys {
  /** `<namespace>/<name>`, for messages. */
  readonly secret: string
  readonly value: ValueOf
}

/** @throws Error that names the Secret and the key, and never a value. */
export async function helmAccess({ metadata, spec }: HelmRepository, { client, signal }: Reading): Promise<HelmAccess> {
  const read = async ({ name }: { readonly name: string }, what: string): Promise<Keys> => {
    const ref = { namespace: metadata.namespace, name }
    const data = await readSecret(client, ref, signal).catch((error: unknown) => {
      signal.throwIfAborted()
      throw new Error(messageOf(error).replace('failed to get secret', `failed to get ${what} secret`), { cause: error })
    })
    return { secret: `${metadata.namespace}/${name}`, value: valuesOf(data) }
  }
  const certificates = spec.certSecretRef && (await read(spec.certSecretRef, 'TLS authentication'))
  const certificateTls = certificates && within("failed to construct Helm client's TLS config", () => tlsFrom(certificates))
  const keys = spec.secretRef && (await read(spec.secretRef, 'authentication'))
  const methods = keys && within('failed to detect authentication methods', () => ({ basic: basicOf(keys), tls: oldTlsOf(keys) }))
  const url = normalizedUrl(spec.url)
  const isOci = url.startsWith('oci://')
  return {
    url,
    isOci,
    basic: methods?.basic,
    registry: keys && isOci ? registryOf(keys, url, methods?.basic) : undefined,
    tls: certificateTls ?? methods?.tls,
    hasDeprecatedTls: !certificateTls && methods?.tls !== undefined,
    passCredentials: spec.passCredentials ?? false,
    insecure: spec.insecure ?? false,
    // 0 is none in Go; nothing here waits for ever.
    timeoutMs: parseDuration(spec.timeout ?? defaultTimeout) || parseDuration(defaultTimeout),
  }
}

/** That of a repository that nobody has described. */
export function anonymousAccess(url: string): HelmAccess {
  const isOci = url.startsWith('oci://')
  return { url, isOci, passCredentials: false, insecure: false, hasDeprecatedTls: false, timeoutMs: parseDuration(defaultTimeout) }
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
function basicOf({ secret, value }: Keys): Basic | undefined {
  const [username, password] = [value('username'), value('password')]
  if (username === undefined && password === undefined) return undefined
  if (username !== undefined && password !== undefined) return { username, password }
  const [present, missing] = username === undefined ? ['password', 'username'] : ['username', 'password']
  throw new Error(`secret '${secret}': malformed basic auth - has '${present}' but missing '${missing}'`)
}

/** @throws Error with upstream's text. Source: fluxcd/pkg/runtime/secrets.TLSConfigFromSecret. */
function tlsFrom(keys: Keys): ClientTls {
  const wrong = wrongTlsOf(keys)
  if (wrong) throw new Error(`secret '${keys.secret}' ${wrong}`)
  try {
    return tlsOf(keys.value)
  } catch (error) {
    throw new Error(`${messageOf(error)} (in secret '${keys.secret}')`, { cause: error })
  }
}

/** The old place of certificates. A Secret of another sort may have keys of these names that do not fit together. */
function oldTlsOf(keys: Keys): ClientTls | undefined {
  return wrongTlsOf(keys) ? undefined : tlsFrom(keys)
}

/** What is wrong with the keys that a Secret has for TLS, whatever they hold. */
function wrongTlsOf({ value }: Keys): string | undefined {
  const cert = value('tls.crt') ?? value('certFile')
  const key = value('tls.key') ?? value('keyFile')
  if (cert && !key) return "contains 'tls.crt' but missing 'tls.key'"
  if (key && !cert) return "contains 'tls.key' but missing 'tls.crt'"
  if (cert || (value('ca.crt') ?? value('caFile'))) return undefined
  return "must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'"
}

/**
 * Undefined: nobody logs in.
 * @throws Error when the Secret has no login for the registry.
 * Source: internal/helm/registry.KeychainFromSecret.
 */
function registryOf({ secret, value }: Keys, url: string, basic: Basic | undefined): RegistryCredentials | undefined {
  const failure = 'failed to configure OCI registry authentication'
  const name = secret.replace(/.*\//, '')
  const config = value(dockerConfigKey)
  if (config === undefined) {
    if (!basic?.username && !basic?.password) return undefined
    if (basic.username && basic.password) return basic
    throw new Error(`${failure}: invalid '${name}' secret data: required fields 'username' and 'password'`)
  }
  const { registry, repository } = parseReference(/^oci:\/\/[^/]+$/.test(url) ? `${url}/x` : url)
  const found = within(`${failure}: unable to load Docker config from Secret '${name}'`, () =>
    credentialsFor({ registry, repository }, config),
  )
  if (found) return found
  throw new Error(`${failure}: no auth config for '${URL.parse(url)?.host}' in the docker-registry Secret '${name}'`)
}

function within<T>(attempt: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw new Error(`${attempt}: ${messageOf(error)}`, { cause: error })
  }
}
