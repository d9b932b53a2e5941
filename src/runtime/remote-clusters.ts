/** Clusters that `spec.kubeConfig` names: by a kubeconfig in a Secret, or a description in a ConfigMap, of the object's own namespace. */
import { createHash } from 'node:crypto'
import type { KubeConfig as KubeConfigSpec } from '../api/fragments.ts'
import type { KubeObject } from '../api/object.ts'
import type { Client } from '../kube/client.ts'
import { type KubeConfig, parseConfig } from '../kube/config.ts'
import { connectTo } from '../kube/connect.ts'
import { ApiError, type TransportOptions } from '../kube/transport.ts'
import { unlessAborted } from '../lib/abort.ts'
import { messageOf } from '../lib/errors.ts'
import { printJson } from '../lib/json.ts'
import { clusterDescribed, type Description, type TokenRules } from './cluster-description.ts'
import { configWithTokens } from './cluster-token.ts'
import { RemoteCluster, requestTimeoutMs } from './remote-cluster.ts'
import { readSecret, valuesOf } from './secrets.ts'

export interface RemoteClustersOptions {
  /** `--insecure-kubeconfig-exec`: kubeconfigs may run programs. */
  readonly allowExec: boolean
  /** `--insecure-kubeconfig-tls`: kubeconfigs may do without verifying certificates. */
  readonly allowInsecureTls: boolean
  readonly tokens: TokenRules
  /** How many Kustomizations are applied to one cluster at a time. */
  readonly turns: number
  readonly transport?: TransportOptions
}

export interface KubeConfigReference {
  /** Of the object. */
  readonly namespace: string
  readonly kubeConfig: KubeConfigSpec
}

/** What the way leads by is not there (Secret, ConfigMap, account): what was made with it cannot be reached any more. */
export class KubeConfigMissing extends Error {
  override readonly name = 'KubeConfigMissing'
}

/** The cluster that Sluice runs in. */
export interface Near {
  readonly client: Client
  readonly signal: AbortSignal
}

/** How to get to a cluster, before anything is done about it. */
interface Way {
  /** For messages. */
  readonly origin: string
  /** Changes with what the way is made of. */
  readonly digest: string
  config(): Promise<KubeConfig>
}

interface Kept {
  readonly digest: string
  readonly config: KubeConfig
  readonly cluster: RemoteCluster
}

const defaultKeys = ['value', 'value.yaml']
const mostKept = 1_000

/** One connection for each way: what is known of the cluster's kinds, and turns on it, are shared by all that name it. */
export class RemoteClusters {
  readonly #options: RemoteClustersOptions
  /** Origin → its cluster; that of the longest unused first. */
  readonly #kept = new Map<string, Kept>()

  constructor(options: RemoteClustersOptions) {
    this.#options = options
  }

  /**
   * Nothing is asked of the cluster yet: see `RemoteCluster.reached`.
   * @throws KubeConfigMissing, Stalled for what is not built yet, Error that names the Secret or ConfigMap and the key, and nothing of
   * a Secret's content.
   * Source: internal/kube/config.go of helm-controller, fluxcd/pkg/auth/utils.
   */
  async of({ namespace, kubeConfig }: KubeConfigReference, near: Near): Promise<RemoteCluster> {
    const { secretRef, configMapRef } = kubeConfig
    if (secretRef) return (await this.#take(await this.#byKubeconfig({ namespace, ...secretRef }, near))).cluster
    if (!configMapRef) throw new Error('exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be set')
    const { config, cluster } = await this.#take(await this.#byDescription({ namespace, name: configMapRef.name }, near))
    await unlessAborted(config.credentials(), near.signal).catch((error: unknown) => {
      near.signal.throwIfAborted()
      throw failed(`ConfigMap '${namespace}/${configMapRef.name}': failed to create kubernetes token`, error)
    })
    return cluster
  }

  async #take(way: Way): Promise<Kept> {
    const kept = this.#find(way) ?? this.#connect(way, await way.config())
    this.#kept.delete(way.origin)
    this.#kept.set(way.origin, kept)
    this.#forgetOldest()
    return kept
  }

  #find({ origin, digest }: Way): Kept | undefined {
    const kept = this.#kept.get(origin)
    return kept?.digest === digest ? kept : undefined
  }

  /** Unless somebody else was quicker: two connections would be two sets of watches. */
  #connect(way: Way, config: KubeConfig): Kept {
    const { transport, turns } = this.#options
    const client = connectTo(config, { ...transport, timeoutMs: requestTimeoutMs })
    const { origin, digest } = way
    return this.#find(way) ?? { digest, config, cluster: new RemoteCluster({ client, origin, turns }) }
  }

  /** Not closed: a run may be at work with it. Its connections end when they are idle. */
  #forgetOldest(): void {
    for (const origin of this.#kept.keys()) {
      if (this.#kept.size <= mostKept) return
      this.#kept.delete(origin)
    }
  }

  async #byKubeconfig(secret: SecretKey, near: Near): Promise<Way> {
    const { origin, text } = await kubeconfigOf(secret, near)
    const { allowExec, allowInsecureTls } = this.#options
    return { origin, digest: digestOf(text), config: async () => parseConfig({ text, origin, allowExec, allowInsecureTls }) }
  }

  async #byDescription({ namespace, name }: { namespace: string; name: string }, near: Near): Promise<Way> {
    const origin = `ConfigMap '${namespace}/${name}'`
    const ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace, name }
    const { data = {} } = await near.client
      .get<KubeObject & { readonly data?: Description }>(ref, { signal: near.signal })
      .catch((error: unknown) => {
        near.signal.throwIfAborted()
        throw failed(`failed to get configmap ${namespace}/${name}`, error)
      })
    const circumstances = { shown: origin, namespace, rules: this.#options.tokens, ...near }
    return {
      origin,
      digest: digestOf(printJson(data)),
      config: async () => configWithTokens(await clusterDescribed(data, circumstances), near.client),
    }
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** What an API server said when it was asked for something that the way is made of. */
function failed(what: string, cause: unknown): Error {
  const message = `${what}: ${messageOf(cause)}`
  const isMissing = cause instanceof ApiError && cause.reason === 'NotFound'
  return isMissing ? new KubeConfigMissing(message, { cause }) : new Error(message, { cause })
}

interface SecretKey {
  readonly namespace: string
  readonly name: string
  readonly key?: string | undefined
}

async function kubeconfigOf(
  { namespace, name, key }: SecretKey,
  { client, signal }: Near,
): Promise<{ readonly origin: string; readonly text: string }> {
  const shown = `${namespace}/${name}`
  const data = await readSecret(client, { namespace, name }, signal).catch((error: Error) => {
    signal.throwIfAborted()
    throw failed(`could not get KubeConfig secret '${shown}'`, error.cause ?? error)
  })
  const value = valuesOf(data)
  for (const candidate of key ? [key] : defaultKeys) {
    const text = value(candidate)
    if (text !== undefined) return { origin: `KubeConfig secret '${shown}' key '${candidate}'`, text }
  }
  const keys = key ? `a '${key}' key` : `a 'value' or 'value.yaml' key`
  throw new Error(`KubeConfig secret '${shown}' does not contain ${keys} with data`)
}
