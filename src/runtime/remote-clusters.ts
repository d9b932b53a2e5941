/** Clusters that `spec.kubeConfig` names: kubeconfigs in Secrets of the object's own namespace. */
import { createHash } from 'node:crypto'
import type { Client } from '../kube/client.ts'
import { parseConfig } from '../kube/config.ts'
import { connectTo } from '../kube/connect.ts'
import { ApiError, type TransportOptions } from '../kube/transport.ts'
import { messageOf } from '../lib/errors.ts'
import { RemoteCluster, requestTimeoutMs } from './remote-cluster.ts'
import { readSecret, valuesOf } from './secrets.ts'

export interface RemoteClustersOptions {
  /** `--insecure-kubeconfig-exec`: kubeconfigs may run programs. */
  readonly allowExec: boolean
  /** `--insecure-kubeconfig-tls`: kubeconfigs may do without verifying certificates. */
  readonly allowInsecureTls: boolean
  readonly transport?: TransportOptions
}

export interface KubeConfigReference {
  readonly namespace: string
  /** Of the Secret. */
  readonly name: string
  readonly key?: string | undefined
}

/** The Secret with the kubeconfig is not there: what was made with it cannot be reached any more. */
export class KubeConfigMissing extends Error {
  override readonly name = 'KubeConfigMissing'
}

const defaultKeys = ['value', 'value.yaml']
const mostKept = 1_000

interface Kept {
  readonly digest: string
  readonly cluster: RemoteCluster
}

/** One connection for each kubeconfig: what is known of the cluster's kinds, and turns on it, are shared by all that name it. */
export class RemoteClusters {
  readonly #options: RemoteClustersOptions
  /** Secret and key → its cluster; that of the longest unused first. */
  readonly #kept = new Map<string, Kept>()

  constructor(options: RemoteClustersOptions) {
    this.#options = options
  }

  /**
   * Nothing is asked of the cluster yet: see `RemoteCluster.reached`.
   * @throws KubeConfigMissing, or Error that names the Secret and the key, and nothing of their content.
   * Source: internal/kube/config.go of helm-controller.
   */
  async of(reference: KubeConfigReference, near: Near): Promise<RemoteCluster> {
    const { origin, text } = await kubeconfigOf(reference, near)
    const digest = createHash('sha256').update(text).digest('hex')
    const kept = this.#kept.get(origin)
    const cluster = kept?.digest === digest ? kept.cluster : this.#connect(origin, text)
    this.#kept.delete(origin)
    this.#kept.set(origin, { digest, cluster })
    this.#forgetOldest()
    return cluster
  }

  #connect(origin: string, text: string): RemoteCluster {
    const { transport, ...allowed } = this.#options
    const config = parseConfig({ text, origin, ...allowed })
    return new RemoteCluster(connectTo(config, { ...transport, timeoutMs: requestTimeoutMs }), origin)
  }

  /** Not closed: a run may be at work with it. Its connections end when they are idle. */
  #forgetOldest(): void {
    for (const origin of this.#kept.keys()) {
      if (this.#kept.size <= mostKept) return
      this.#kept.delete(origin)
    }
  }
}

/** The cluster that Sluice runs in. */
export interface Near {
  readonly client: Client
  readonly signal: AbortSignal
}

async function kubeconfigOf(
  { namespace, name, key }: KubeConfigReference,
  { client, signal }: Near,
): Promise<{ readonly origin: string; readonly text: string }> {
  const shown = `${namespace}/${name}`
  const data = await readSecret(client, { namespace, name }, signal).catch((error: Error) => {
    signal.throwIfAborted()
    const cause = error.cause
    const isMissing = cause instanceof ApiError && cause.reason === 'NotFound'
    const message = `could not get KubeConfig secret '${shown}': ${messageOf(cause ?? error)}`
    throw isMissing ? new KubeConfigMissing(message, { cause }) : new Error(message, { cause })
  })
  const value = valuesOf(data)
  for (const candidate of key ? [key] : defaultKeys) {
    const text = value(candidate)
    if (text !== undefined) return { origin: `KubeConfig secret '${shown}' key '${candidate}'`, text }
  }
  const keys = key ? `a '${key}' key` : `a 'value' or 'value.yaml' key`
  throw new Error(`KubeConfig secret '${shown}' does not contain ${keys} with data`)
}
