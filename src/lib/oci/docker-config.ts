/** Logins as docker stores them. Source: go-containerregistry's keychain of pull secrets, which follows the kubelet. */
import { isRecord } from '../json.ts'
import type { RepositoryName } from './reference.ts'

export type RegistryCredentials =
  | { readonly username: string; readonly password: string }
  /** A refresh token that is exchanged for access tokens. */
  | { readonly identityToken: string }
  /** A token that is sent as it is. */
  | { readonly registryToken: string }

/**
 * The login for a repository in one or more docker configs (`.dockerconfigjson`): of the entry that names most of its address, in the first
 * config that has it; undefined when there is none. Hosts may have `*` in their parts (`*.example.com`).
 * @throws Error that says what is malformed, and never shows a part of it.
 */
export function credentialsFor(
  { registry, repository }: RepositoryName,
  ...dockerConfigs: readonly string[]
): RegistryCredentials | undefined {
  const fitting = dockerConfigs
    .flatMap((config) => Object.entries(authsOf(config)))
    .map(([key, entry]) => ({ key, prefix: prefixOf(key), credentials: credentialsOf(entry, key) }))
    .filter(({ prefix }) => isOf(prefix, { registry, repository }))
    // Backwards by the alphabet, as upstream has it: what goes on comes before what ends, and letters before `*`.
    .sort((a, b) => (a.prefix < b.prefix ? 1 : a.prefix > b.prefix ? -1 : 0))
  return fitting[0]?.credentials
}

function authsOf(text: string): Readonly<Record<string, unknown>> {
  const config = parse(text)
  const auths = isRecord(config) ? (config.auths ?? {}) : undefined
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

/** Host and path. `https://index.docker.io/v1/` and `docker.io` are the same. */
function prefixOf(key: string): string {
  return key
    .replace(/^https?:\/\//, '')
    .replace(/^([^/]*)\/v[12](?=\/|$)/, '$1')
    .replace(/^([^/]*)\/+$/, '$1')
    .replace(/^(?:registry-1\.)?docker\.io(?=$|\/)/, 'index.docker.io')
}

function isOf(prefix: string, { registry, repository }: RepositoryName): boolean {
  const slash = prefix.indexOf('/')
  const host = slash < 0 ? prefix : prefix.slice(0, slash)
  const path = slash < 0 ? '' : prefix.slice(slash + 1)
  return isHost(host, registry) && repository.startsWith(path)
}

/** Each part by itself: a `*` goes over no dot. */
function isHost(pattern: string, host: string): boolean {
  const [patterns, parts] = [pattern.split('.'), host.split('.')]
  return patterns.length === parts.length && patterns.every((part, index) => isPart(part, parts[index] ?? ''))
}

function isPart(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return first === text
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
  let at = first.length
  for (const piece of rest) {
    const found = text.indexOf(piece, at)
    if (found < 0 || found + piece.length > text.length - last.length) return false
    at = found + piece.length
  }
  return true
}

function credentialsOf(entry: unknown, key: string): RegistryCredentials | undefined {
  if (!isRecord(entry)) throw new Error(`the entry ${JSON.stringify(key)} of the docker config is no map`)
  const text = (name: string) => (typeof entry[name] === 'string' ? entry[name] : '')
  if (text('registrytoken')) return { registryToken: text('registrytoken') }
  if (text('identitytoken')) return { identityToken: text('identitytoken') }
  if (text('auth')) return decoded(text('auth'), key)
  if (text('username') || text('password')) return { username: text('username'), password: text('password') }
  return undefined
}

function decoded(auth: string, key: string): RegistryCredentials {
  const text = Buffer.from(auth, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0)
    throw new Error(`the field auth of the entry ${JSON.stringify(key)} of the docker config is not base64 of name:password`)
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') }
}
