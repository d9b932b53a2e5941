/** Logins as docker stores them. Source: github.com/docker/cli config file format; go-containerregistry's keychain for which one is used. */
import { isRecord } from '../json.ts'
import type { RepositoryName } from './reference.ts'

export type RegistryCredentials =
  | { readonly username: string; readonly password: string }
  /** A refresh token that is exchanged for access tokens. */
  | { readonly identityToken: string }
  /** A token that is sent as it is. */
  | { readonly registryToken: string }

/**
 * The login for a repository in a `.dockerconfigjson`: the entry with the longest path that it lies below, else the one of its host;
 * undefined when there is none.
 * @throws Error that says what is malformed, and never shows a part of it.
 */
export function credentialsFor({ registry, repository }: RepositoryName, dockerConfig: string): RegistryCredentials | undefined {
  const auths = authsOf(dockerConfig)
  const address = `${registry}/${repository}`
  const fitting = Object.entries(auths)
    .map(([key, value]) => ({ prefix: normal(key), key, value }))
    .filter(({ prefix }) => address === prefix || address.startsWith(`${prefix}/`))
    .sort((a, b) => b.prefix.length - a.prefix.length)
  const best = fitting[0]
  return best && credentialsOf(best.value, best.key)
}

function authsOf(text: string): Readonly<Record<string, unknown>> {
  const config = parse(text)
  const auths = isRecord(config) ? config.auths : undefined
  if (isRecord(auths)) return auths
  throw new Error("the docker config has no map 'auths'")
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The error of the parser shows a part of the text.
    throw new Error('the docker config is no JSON')
  }
}

/** `https://index.docker.io/v1/` and `docker.io` are the same. */
function normal(key: string): string {
  const host = key
    .replace(/^https?:\/\//, '')
    .replace(/\/v[12]\/?$/, '')
    .replace(/\/+$/, '')
  return host.replace(/^(?:registry-1\.)?docker\.io(?=$|\/)/, 'index.docker.io')
}

function credentialsOf(entry: unknown, key: string): RegistryCredentials | undefined {
  if (!isRecord(entry)) throw new Error(`the entry ${JSON.stringify(key)} of the docker config is no map`)
  const text = (name: string) => (typeof entry[name] === 'string' ? entry[name] : '')
  if (text('registrytoken')) return { registryToken: text('registrytoken') }
  if (text('identitytoken')) return { identityToken: text('identitytoken') }
  if (text('username') || text('password')) return { username: text('username'), password: text('password') }
  if (!text('auth')) return undefined
  const decoded = Buffer.from(text('auth'), 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon < 0)
    throw new Error(`the field auth of the entry ${JSON.stringify(key)} of the docker config is not base64 of name:password`)
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') }
}
