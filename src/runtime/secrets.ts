/** Secrets that our kinds refer to: reading them, and what their keys say. No value of one ever gets into a message. */
import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { KubeObject } from '../api/object.ts'
import type { Client } from '../kube/client.ts'
import type { ClientTls } from '../lib/dispatcher.ts'
import { messageOf } from '../lib/errors.ts'

/** `data` of a Secret: base64 by key. */
export type SecretData = Readonly<Record<string, string>>

/** The text under a key; undefined when there is none. */
export type ValueOf = (key: string) => string | undefined

/** @throws Error that names the Secret: it is missing or cannot be read. */
export async function readSecret(
  client: Client,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<SecretData> {
  const ref = { apiVersion: 'v1', kind: 'Secret', namespace, name }
  try {
    const secret = await client.get<KubeObject & { readonly data?: SecretData }>(ref, { signal })
    return secret.data ?? {}
  } catch (error) {
    signal.throwIfAborted()
    throw new Error(`failed to get secret '${namespace}/${name}': ${messageOf(error)}`, { cause: error })
  }
}

export function valuesOf(data: SecretData | undefined): ValueOf {
  return (key) => (data && Object.hasOwn(data, key) ? Buffer.from(data[key] ?? '', 'base64').toString('utf8') : undefined)
}

/**
 * TLS settings of a Secret: `ca.crt`, `tls.crt` and `tls.key`, or by their old names `caFile`, `certFile` and `keyFile`.
 * @throws Error whose message names the key that is malformed, and never its value.
 * Source: fluxcd/pkg/runtime/secrets.TLSConfigFromSecret.
 */
export function tlsOf(value: ValueOf): ClientTls {
  const cert = value('tls.crt') ?? value('certFile')
  const key = value('tls.key') ?? value('keyFile')
  const authorityKey = value('ca.crt') ? 'ca.crt' : 'caFile'
  const ca = value(authorityKey)
  if (ca) assertCertificates(authorityKey, ca)
  if (Boolean(cert) !== Boolean(key))
    throw new Error(cert ? "key 'tls.crt' is set without 'tls.key'" : "key 'tls.key' is set without 'tls.crt'")
  if (cert && key) assertKeyPair(cert, key)
  return { ...(ca && { ca }), ...(cert && key && { cert, key }) }
}

function assertCertificates(key: string, text: string): void {
  try {
    new X509Certificate(text)
  } catch {
    throw new Error(`failed to parse CA certificate: key '${key}' holds no PEM certificate`)
  }
}

function assertKeyPair(cert: string, key: string): void {
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    const wrong = `keys 'tls.crt' and 'tls.key' are not a PEM certificate and its private key: ${messageOf(error)}`
    throw new Error(`failed to parse TLS certificate and key: ${wrong}`)
  }
}

/** Longest address of a proxy. Source: fluxcd/pkg/runtime/secrets. */
const longestProxy = 2048

/**
 * The proxy of a Secret: `address`, with `username` and `password`.
 * @throws Error that says which key is missing or wrong.
 * Source: fluxcd/pkg/runtime/secrets.ProxyURLFromSecret.
 */
export function proxyOf(value: ValueOf): URL {
  const address = value('address')?.trim()
  if (!address) throw new Error("key 'address' is missing or empty: it must hold the URL of the proxy")
  if (address.length > longestProxy) throw new Error(`key 'address' is longer than ${longestProxy} characters`)
  const url = URL.parse(address)
  if (!url || !['http:', 'https:'].includes(url.protocol)) throw new Error("key 'address' holds no http or https URL")
  const username = value('username')
  if (username) url.username = encodeURIComponent(username)
  const password = value('password')
  if (password) url.password = encodeURIComponent(password)
  return url
}
