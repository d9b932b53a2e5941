/** `spec.kubeConfig.configMapRef`: how to reach a cluster with the token of a service account. */
import type { KubeObject } from '../api/object.ts'
import type { Client } from '../kube/client.ts'
import { messageOf } from '../lib/errors.ts'
import type { TrustingCluster } from './cluster-token.ts'
import { Stalled } from './reconcile.ts'
import { tlsOf } from './secrets.ts'

/** What of a ConfigMap is allowed. */
export interface TokenRules {
  /** `--default-kubeconfig-service-account`; empty: there is none. */
  readonly defaultAccount: string
  /** Gate ObjectLevelWorkloadIdentity: an object may choose an account of its namespace. */
  readonly mayChooseAccount: boolean
  /** Whether objects that choose none act as Sluice itself. */
  readonly mayBeSluice: boolean
}

/** `data` of a ConfigMap. */
export type Description = Readonly<Record<string, string>>

const clouds = ['aws', 'azure', 'gcp']

/**
 * What a ConfigMap describes. `shown` is its name in messages.
 * @throws Stalled for the providers of clouds, Error that says which key is wrong or what is not allowed.
 * Source: fluxcd/pkg/auth/utils GetRESTConfig and auth/generic.
 */
export async function clusterDescribed(
  description: Description,
  { shown, namespace, rules, client, signal }: Circumstances,
): Promise<TrustingCluster> {
  const value = (key: string) => (Object.hasOwn(description, key) ? description[key]?.trim() || undefined : undefined)
  const provider = value('provider') ?? ''
  if (clouds.includes(provider)) {
    const message = `spec.kubeConfig.configMapRef: provider ${provider} is not implemented in this version: use generic, or a kubeconfig`
    throw new Stalled('UnsupportedField', message)
  }
  if (provider !== 'generic') throw new Error(`${shown}: provider '${provider}' not implemented: use generic`)
  const address = value('address')
  if (!address) throw new Error(`${shown}: cluster address is required to create a REST config: set the key 'address'`)
  const audiences = (value('audiences') ?? '').split('\n').map((line) => line.trim())
  return {
    server: serverOf(address, shown),
    tls: caOf(value('ca.crt'), shown),
    audiences: audiences.some(Boolean) ? audiences.filter(Boolean) : [address],
    account: await accountOf(value('serviceAccountName') ?? rules.defaultAccount, { shown, namespace, rules, client, signal }),
  }
}

export interface Circumstances {
  readonly shown: string
  /** Of the object and its ConfigMap. */
  readonly namespace: string
  readonly rules: TokenRules
  readonly client: Client
  readonly signal: AbortSignal
}

/** Source: ParseClusterAddress: scheme, host and port count. */
function serverOf(address: string, shown: string): URL {
  const url = URL.parse(address.startsWith('http') ? address : `https://${address}`)
  if (!url) throw new Error(`${shown}: failed to parse Kubernetes API server address '${address}'`)
  if (url.protocol !== 'https:') throw new Error(`${shown}: the Kubernetes API server address '${address}' must use https scheme`)
  return new URL(`https://${url.host}`)
}

function caOf(ca: string | undefined, shown: string): { readonly ca?: string } {
  try {
    const { ca: checked } = tlsOf((key) => (key === 'ca.crt' ? ca : undefined))
    return checked ? { ca: checked } : {}
  } catch (error) {
    throw new Error(`${shown}: ${messageOf(error)}`, { cause: error })
  }
}

async function accountOf(
  name: string,
  { shown, namespace, rules, client, signal }: Circumstances,
): Promise<TrustingCluster['account']> {
  if (name !== '') {
    if (rules.mayChooseAccount) return { namespace, name }
    throw new Error(`${shown}: failed to get access token for cluster: ObjectLevelWorkloadIdentity feature gate is not enabled`)
  }
  // A token of ours, for an audience that somebody else chooses, is a way to become us.
  if (!rules.mayBeSluice)
    throw new Error(
      `${shown}: the key 'serviceAccountName' is missing: where --default-service-account is set, nobody acts as Sluice`,
    )
  return ownAccount(client, signal)
}

interface SelfSubjectReview extends KubeObject {
  readonly status?: { readonly userInfo?: { readonly username?: string } }
}

async function ownAccount(client: Client, signal: AbortSignal): Promise<TrustingCluster['account']> {
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview', metadata: { name: '' } }
  const answer = await client.create<SelfSubjectReview>(review, { fieldManager: 'sluice', signal })
  const user = answer.status?.userInfo?.username ?? ''
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user) ?? []
  if (namespace && name) return { namespace, name }
  throw new Error(`Sluice runs as "${user}", which is no service account: tokens for clusters can only be had of one`)
}
