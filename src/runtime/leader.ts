/**
 * Leadership: one process at a time works as a given Flux controller. The leases are Flux's own, so that Sluice never works beside a
 * running Flux, and the pod that leads says so in a label, by which the artifact Service finds it.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { Client } from '../kube/client.ts'
import { Lease } from '../kube/lease.ts'
import { messageOf } from '../lib/errors.ts'
import type { Clock } from './clock.ts'
import type { Flags } from './flags.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'

export interface LeadershipOptions {
  readonly client: Client
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly flags: Flags
  readonly hostname: string
  /** This process's pod in the runtime namespace; it is labelled only when known. */
  readonly podName: string | undefined
}

export const leaderLabel = 'sluice.dev/leader'
/** The store of artifacts is this controller's: its leader is the one that serves. */
export const storingController = 'source-controller'
const labelRetryMs = 5_000

/** Source: fluxcd/pkg runtime/leaderelection: shards have leases of their own. */
export function leaseName(controller: string, watchLabelSelector: string): string {
  const name = `${controller}-leader-election`
  return watchLabelSelector === '' ? name : `${name}-${createHash('sha256').update(watchLabelSelector).digest('hex').slice(0, 8)}`
}

export class Leadership {
  readonly #options: LeadershipOptions
  readonly #identity: string
  readonly #leases: { readonly name: string; readonly lease: Lease }[] = []

  constructor(options: LeadershipOptions) {
    this.#options = options
    this.#identity = `${options.hostname}_${randomUUID()}`
  }

  /**
   * Resolves when this process may work as the controller, at once without leader election. The signal returned is aborted, with
   * LeaseLost, when it may no longer.
   * @throws the reason of `signal`.
   */
  async lead(controller: string, signal: AbortSignal): Promise<AbortSignal> {
    const { flags, log, metrics } = this.#options
    const name = leaseName(controller, flags.watchLabelSelector)
    if (!flags.enableLeaderElection) {
      void this.#label(controller, signal)
      return new AbortController().signal
    }
    // The container may have led before it was restarted in the same pod.
    void this.#unlabel(controller, signal)
    const lease = this.#lease(name)
    metrics.leader(name, false)
    log.info({ lease: `${flags.runtimeNamespace}/${name}`, identity: this.#identity }, 'attempting to acquire leader lease')
    const lost = await lease.acquire(signal)
    this.#leases.push({ name, lease })
    lost.addEventListener('abort', () => metrics.leader(name, false), { once: true })
    metrics.leader(name, true)
    log.info({ lease: `${flags.runtimeNamespace}/${name}` }, 'successfully acquired lease')
    void this.#label(controller, signal)
    return lost
  }

  /** Steps down, so that another process need not wait until the leases expire. Call when all work has ended. */
  async release(): Promise<void> {
    const { flags, log, metrics } = this.#options
    if (!flags.leaderElectionReleaseOnCancel) return
    for (const { name, lease } of this.#leases.splice(0)) {
      await lease.release()
      metrics.leader(name, false)
      log.info({ lease: `${flags.runtimeNamespace}/${name}` }, 'released lease')
    }
  }

  #lease(name: string): Lease {
    const { client, clock, flags, log } = this.#options
    return new Lease({
      client,
      clock,
      name,
      namespace: flags.runtimeNamespace,
      identity: this.#identity,
      leaseDurationMs: flags.leaderElectionLeaseDurationMs,
      renewDeadlineMs: flags.leaderElectionRenewDeadlineMs,
      retryPeriodMs: flags.leaderElectionRetryPeriodMs,
      onError: (error) => log.warn({ lease: `${flags.runtimeNamespace}/${name}`, error }, 'the lease could not be read or written'),
    })
  }

  #label(controller: string, signal: AbortSignal): Promise<void> {
    return this.#setLabel(controller, 'true', signal)
  }

  #unlabel(controller: string, signal: AbortSignal): Promise<void> {
    return this.#setLabel(controller, null, signal)
  }

  /** Tries until it is done: without the label nobody finds the artifacts. */
  async #setLabel(controller: string, value: string | null, signal: AbortSignal): Promise<void> {
    const { client, flags, log, podName } = this.#options
    if (podName === undefined || controller !== storingController) return
    const pod = { apiVersion: 'v1', kind: 'Pod', namespace: flags.runtimeNamespace, name: podName }
    while (!signal.aborted) {
      try {
        await client.mergePatch(pod, { metadata: { labels: { [leaderLabel]: value } } }, { fieldManager: 'sluice', signal })
        return
      } catch (error) {
        log.warn(
          { pod: podName, error: messageOf(error) },
          'the pod could not be labelled: the artifact Service may not find the leader',
        )
        await this.#pause(labelRetryMs)
      }
    }
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#options.clock.after(ms, resolve)
    return promise
  }
}
