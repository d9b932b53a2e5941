/** What an OCIRepository's Secrets and service account say about how to reach its registry. */
import type { KubeObject } from '../api/object.ts'
import type { OCIRepository } from '../api/ocirepository.ts'
import type { Client } from '../kube/client.ts'
import { ApiError } from '../kube/transport.ts'
import type { ClientTls } from '../lib/dispatcher.ts'
import { messageOf } from '../lib/errors.ts'
import { credentialsFor, type RegistryCredentials, type RepositoryName } from '../lib/oci/index.ts'
import { proxyOf, type SecretData, tlsOf, valuesOf } from '../runtime/secrets.ts'

interface Secret extends KubeObject {
  readonly type?: string
  readonly data?: SecretData
}

interface ServiceAccount extends KubeObject {
  readonly imagePullSecrets?: readonly { readonly name?: string }[]
}

export interface Reading {
  readonly client: Client
  readonly signal: AbortSignal
}

export interface PullSecrets {
  /** Those of Docker logins, in order: that of `secretRef` first. */
  readonly secrets: readonly Secret[]
  /** Why a login that people may count on is not there. */
  readonly doubts: readonly string[]
}

/** The Secret that `secretRef` names is not there. */
export class MissingSecret extends Error {
  override readonly name = 'MissingSecret'
}

/**
 * The Secrets that a login may be in.
 * @throws MissingSecret, Error for what cannot be read.
 * Source: keychain of source-controller.
 */
export async function pullSecrets({ metadata, spec }: OCIRepository, reading: Reading): Promise<PullSecrets> {
  const { namespace } = metadata
  const secrets: Secret[] = []
  if (spec.secretRef) secrets.push(await ownSecret({ namespace, name: spec.secretRef.name }, reading))
  if (spec.serviceAccountName) secrets.push(...(await secretsOfAccount({ namespace, name: spec.serviceAccountName }, reading)))
  const others = secrets.filter((secret) => dockerConfigOf(secret) === undefined)
  const doubts = others.map(
    ({ metadata: { name }, type }) => `; the secret '${namespace}/${name}' is of type ${type}, and no login was looked for in it`,
  )
  return { secrets, doubts }
}

/** @throws Error that names what of a docker config is malformed, and never shows a part of it. */
export function loginOf({ secrets }: PullSecrets, repository: RepositoryName): RegistryCredentials | undefined {
  return credentialsFor(repository, ...secrets.flatMap((secret) => dockerConfigOf(secret) ?? []))
}

/** @throws Error that names the Secret and the key, and never a value. */
export async function tlsIn(ref: Ref, reading: Reading): Promise<ClientTls> {
  const secret = await namedSecret(ref, reading)
  const tls = within(ref, () => tlsOf(valuesOf(secret.data)))
  if (Object.keys(tls).length > 0) return tls
  throw new Error(`secret '${shown(ref)}' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'`)
}

/** @throws Error that names the Secret and the key, and never a value. */
export async function proxyIn(ref: Ref, reading: Reading): Promise<URL> {
  const secret = await namedSecret(ref, reading)
  return within(ref, () => proxyOf(valuesOf(secret.data)))
}

interface Ref {
  readonly namespace: string
  readonly name: string
}

/** Undefined for a Secret of another sort. */
function dockerConfigOf({ type, data }: Secret): string | undefined {
  const value = valuesOf(data)
  if (type === 'kubernetes.io/dockerconfigjson') return value('.dockerconfigjson')
  const legacy = type === 'kubernetes.io/dockercfg' ? value('.dockercfg') : undefined
  return legacy === undefined ? undefined : `{"auths":${legacy}}`
}

async function ownSecret(ref: Ref, reading: Reading): Promise<Secret> {
  try {
    return await get<Secret>('Secret', ref, reading)
  } catch (error) {
    const message = `failed to get secret '${shown(ref)}': ${messageOf(error)}`
    throw isMissing(error) ? new MissingSecret(message, { cause: error }) : new Error(message, { cause: error })
  }
}

/** Source: fluxcd/pkg/runtime/secrets.PullSecretsFromServiceAccountRef. */
async function secretsOfAccount(ref: Ref, reading: Reading): Promise<Secret[]> {
  const account = await get<ServiceAccount>('ServiceAccount', ref, reading).catch((error: unknown) => {
    const problem = `serviceaccount '${shown(ref)}'`
    throw new Error(isMissing(error) ? `${problem} not found` : `failed to get ${problem}: ${messageOf(error)}`, { cause: error })
  })
  const secrets: Secret[] = []
  for (const { name = '' } of account.imagePullSecrets ?? []) {
    const secret = await namedSecret({ namespace: ref.namespace, name }, reading).catch((error: unknown) => {
      throw new Error(`failed to get image pull secret for serviceaccount '${shown(ref)}': ${messageOf(error)}`, { cause: error })
    })
    secrets.push(secret)
  }
  return secrets
}

async function namedSecret(ref: Ref, reading: Reading): Promise<Secret> {
  try {
    return await get<Secret>('Secret', ref, reading)
  } catch (error) {
    const problem = `secret '${shown(ref)}'`
    throw new Error(isMissing(error) ? `${problem} not found` : `failed to get ${problem}: ${messageOf(error)}`, { cause: error })
  }
}

async function get<T extends KubeObject>(kind: string, ref: Ref, { client, signal }: Reading): Promise<T> {
  try {
    return await client.get<T>({ apiVersion: 'v1', kind, ...ref }, { signal })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}

function within<T>(ref: Ref, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw new Error(`secret '${shown(ref)}': ${messageOf(error)}`, { cause: error })
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404
}

function shown({ namespace, name }: Ref): string {
  return `${namespace}/${name}`
}
