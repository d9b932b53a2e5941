/** What a GitRepository's Secret and URL say about how to reach its server. */
import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { messageOf } from '../lib/errors.ts'
import type { ClientTls, Credentials, RemoteUrl } from '../lib/git/index.ts'

export interface GitAuthentication {
  readonly credentials: Credentials | undefined
  readonly tls: ClientTls
  /** Keys of the Secret that end with a line break: likely why, if the server refuses them. */
  readonly doubts: readonly string[]
}

/** `data` of a Secret: base64 by key. */
export type SecretData = Readonly<Record<string, string>>

/**
 * @throws Error whose message names the key that is malformed, and never its value.
 * Source: fluxcd/pkg/git.NewAuthOptions.
 */
export function authentication(url: RemoteUrl, data: SecretData | undefined): GitAuthentication {
  const value = (key: string) =>
    data && Object.hasOwn(data, key) ? Buffer.from(data[key] ?? '', 'base64').toString('utf8') : undefined
  return { credentials: credentialsOf(url, value), tls: tlsOf(value), doubts: doubtsOf(value) }
}

type ValueOf = (key: string) => string | undefined

/** A bearer token wins over user name and password of the Secret; those of the URL fill what the Secret leaves empty. */
function credentialsOf(url: RemoteUrl, value: ValueOf): Credentials | undefined {
  const bearerToken = value('bearerToken')
  if (bearerToken) {
    if (url.username || url.password) throw new Error('basic auth and bearer token cannot be set at the same time')
    // An HTTP header cannot carry it, and the error of the HTTP library would show it.
    if (/[^\x20-\x7e]/.test(bearerToken))
      throw new Error("key 'bearerToken' holds a line break or another character that no token has")
    return { bearerToken }
  }
  const username = value('username') || url.username
  const password = value('password') || url.password
  if (username === '' && password !== '')
    throw new Error(`invalid '${url.url.protocol.slice(0, -1)}' auth option: 'password' requires 'username' to be set`)
  return username === '' ? undefined : { username, password }
}

/** `ca.crt` wins over its old name `caFile`. */
function tlsOf(value: ValueOf): ClientTls {
  const cert = value('tls.crt')
  const key = value('tls.key')
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
    throw new Error(`key '${key}' holds no PEM certificate`)
  }
}

function assertKeyPair(cert: string, key: string): void {
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    throw new Error(`keys 'tls.crt' and 'tls.key' are not a PEM certificate and its private key: ${messageOf(error)}`)
  }
}

/** Sent as they are, as upstream does: some passwords may really end so. */
function doubtsOf(value: ValueOf): string[] {
  return ['username', 'password'].filter((key) => /[\r\n]$/.test(value(key) ?? ''))
}
