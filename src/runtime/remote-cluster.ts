/** A cluster elsewhere. It may be far away, slow or gone: that must cost nobody but its own objects anything. */
import type { Client } from '../kube/client.ts'
import { ApiError } from '../kube/transport.ts'
import { unlessAborted } from '../lib/abort.ts'
import { messageOf } from '../lib/errors.ts'

/** How long one request waits for its answer. Source: KubeConfigOptions of fluxcd/pkg/runtime/client. */
export const requestTimeoutMs = 30_000
/** An answer this long ago says that the cluster can be reached now. */
const freshMs = 10_000

export interface RemoteClusterOptions {
  readonly client: Client
  /** What the way to it is from: `KubeConfig secret 'apps/far' key 'value'`. */
  readonly origin: string
  /** How many work on it at a time: they hold no worker, and there may be hundreds. */
  readonly turns: number
}

export class RemoteCluster {
  /** With the identity of the kubeconfig. */
  readonly client: Client
  readonly #origin: string
  readonly #turns: number
  #reachedAt = Number.NEGATIVE_INFINITY
  #reaching: Promise<void> | undefined
  #working = 0
  #waiting: (() => void)[] = []

  constructor({ client, origin, turns }: RemoteClusterOptions) {
    this.client = client
    this.#origin = origin
    this.#turns = turns
  }

  /**
   * Resolves when the API server answers and takes the credentials; within half a minute.
   * @throws Error that names the origin and the server.
   */
  async reached(signal: AbortSignal): Promise<void> {
    if (performance.now() - this.#reachedAt < freshMs) return
    this.#reaching ??= this.#reach().finally(() => {
      this.#reaching = undefined
    })
    await unlessAborted(this.#reaching, signal)
  }

  async #reach(): Promise<void> {
    try {
      await this.client.transport.request({
        method: 'GET',
        path: '/version',
        verb: 'get',
        signal: AbortSignal.timeout(requestTimeoutMs),
      })
    } catch (error) {
      // Somebody who may not see the version is known there.
      if (!(error instanceof ApiError && error.status === 403)) throw this.#unreachable(error)
    }
    this.#reachedAt = performance.now()
  }

  #unreachable(error: unknown): Error {
    if (error instanceof ApiError && error.status === 401)
      return new Error(`the credentials of ${this.#origin} are not accepted (${messageOf(error)}): renew them`, { cause: error })
    const why = isTimeout(error) ? `no answer within ${requestTimeoutMs / 1000} seconds` : messageOf(error)
    return new Error(`the cluster of ${this.#origin} cannot be reached: ${why}`, { cause: error })
  }

  /** Runs what asks more of the cluster, when it is its turn. @throws what `work` throws, or the signal's reason before it begins. */
  async turn<R>(work: () => Promise<R>, signal: AbortSignal): Promise<R> {
    while (this.#working >= this.#turns) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.push(resolve)
      await unlessAborted(promise, signal)
    }
    this.#working++
    try {
      return await work()
    } finally {
      this.#working--
      // All of them: those that have given up take no turn, and the first of the others does.
      for (const wake of this.#waiting.splice(0)) wake()
    }
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError'
}
