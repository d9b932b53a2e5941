/** What a GitRepository's Secret and URL say about how to reach its server. */
import type { ClientTls } from '../lib/dispatcher.ts'
import type { Credentials, RemoteUrl } from '../lib/git/index.ts'
import { type SecretData, tlsOf, type ValueOf, valuesOf } from '../runtime/secrets.ts'

export interface GitAuthentication {
  readonly credentials: Credentials | undefined
  readonly tls: ClientTls
  /** Keys of the Secret that end with a line break: likely why, if the server refuses them. */
  readonly doubts: readonly string[]
}

/**
 * @throws Error whose message names the key that is malformed, and never its value.
 * Source: fluxcd/pkg/git.NewAuthOptions.
 */
export function authentication(url: RemoteUrl, data: SecretData | undefined): GitAuthentication {
  const value = valuesOf(data)
  return { credentials: credentialsOf(url, value), tls: tlsOf(value), doubts: doubtsOf(value) }
}

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

/** Sent as they are, as upstream does: some passwords may really end so. */
function doubtsOf(value: ValueOf): string[] {
  return ['username', 'password'].filter((key) => /[\r\n]$/.test(value(key) ?? ''))
}
