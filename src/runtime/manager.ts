/** Starts and stops everything in order: servers, informers, leases, loops; owns readiness and shutdown. */
import type { Kind } from '../api/kind.ts'
import { ApiError } from '../kube/transport.ts'
import type { Clock } from './clock.ts'
import type { AnyLoop, Controller } from './controller.ts'
import type { EventRecorder } from './events.ts'
import { Leadership, storingController } from './leader.ts'
import type { Environment } from './reconcile.ts'
import { type Listening, serveMetrics, serveProbes } from './servers.ts'

export interface ManagerOptions {
  readonly environment: Environment
  readonly recorder: EventRecorder
  readonly loops: readonly AnyLoop[]
  /** Aborted by SIGTERM or SIGINT. */
  readonly signal: AbortSignal
  readonly hostname: string
  /** Name of this process's pod, if it runs in one. */
  readonly podName?: string | undefined
  /** Called before the loops of a controller begin to work, once this process may work as it. */
  readonly onLeading?: (controller: string) => void
  /** Called when the last event has been told, before other processes may take over: what works beside the loops ends here. */
  readonly onStopping?: () => Promise<void>
  /** Told when the servers listen. */
  readonly onListening?: (ports: { readonly metrics: number; readonly health: number }) => void
}

/** What is left of Kubernetes' 30 seconds goes to the last events and the leases. */
const graceMs = 25_000
const eventGraceMs = 1_000
const complaintMs = 5_000
/** How long the readers of artifacts wait for what stores them: one slow source must not hold up all. */
const catchUpMs = 10_000
const complaintsApart = 12

/**
 * Runs the loops until the signal is aborted, then lets what is running finish and closes everything. An API server that does not
 * answer, or does not know one of our kinds yet, is waited for: nothing crashes, `/readyz` says why.
 * @throws LeaseLost when another process may have taken over: end the process at once; Error when an address cannot be listened on.
 */
export async function runManager(options: ManagerOptions): Promise<void> {
  const { environment, recorder, signal } = options
  const controllers = options.loops.map((loop) => loop.wire({ environment, recorder }))
  const leadership = new Leadership({ ...environment, hostname: options.hostname, podName: options.podName })
  const servers = await startServers(options, controllers).catch(async (error: unknown) => {
    await closeAll(options, [])
    throw error
  })
  environment.log.info({ controllers: environment.flags.controllers }, 'starting manager')

  const stop = new AbortController()
  const working = startAll(controllers, leadership, options, AbortSignal.any([signal, stop.signal]))
  try {
    await Promise.race([aborted(signal), working])
    environment.log.info({}, 'shutting down: running reconciliations may finish')
    await Promise.race([Promise.all(controllers.map((controller) => controller.drain(graceMs))), working])
  } catch (error) {
    stop.abort()
    for (const controller of controllers) controller.abandon()
    environment.log.error({ error }, 'this process may not work any more')
    await closeAll(options, servers)
    throw error
  }

  await recorder.close(eventGraceMs)
  await options.onStopping?.()
  await leadership.release()
  await closeAll(options, servers)
  environment.log.info({}, 'stopped')
}

async function startServers(
  { environment, onListening }: ManagerOptions,
  controllers: readonly Controller[],
): Promise<readonly Listening[]> {
  const { flags, metrics } = environment
  const probes = await serveProbes(flags.healthAddr, () => unready(environment, controllers))
  try {
    const scraped = await serveMetrics(flags.metricsAddr, metrics)
    onListening?.({ metrics: scraped.port, health: probes.port })
    return [probes, scraped]
  } catch (error) {
    await probes.close()
    throw error
  }
}

/** Once a kind has been listed the process stays ready: probes must not fail with the API server. */
function unready({ informers }: Environment, controllers: readonly Controller[]): string | undefined {
  const waiting = informers
    .states()
    .filter(({ kind, synced }) => !synced && controllers.some((controller) => controller.kind.kind === kind.kind))
  if (waiting.length === 0) return undefined
  return waiting
    .map(({ kind, error }) => `${kind.kind}: ${error ? explain(kind.kind, error, controllers) : 'not listed yet'}`)
    .join('\n')
}

/** Starts each loop when its kind is there and this process may work as its controller. Only rejects: when a lease is lost. */
async function startAll(
  controllers: readonly Controller[],
  leadership: Leadership,
  options: ManagerOptions,
  signal: AbortSignal,
): Promise<never> {
  const lost = Promise.withResolvers<never>()
  for (const [name, group] of Map.groupBy(controllers, (controller) => controller.name)) {
    const storing = name === storingController ? [] : controllers.filter((controller) => controller.name === storingController)
    void startGroup({ name, group, storing, leadership, options, signal, lose: lost.reject }).catch((error: unknown) => {
      if (!signal.aborted) lost.reject(error)
    })
  }
  return lost.promise
}

/** The loops of one of Flux's controllers: they share a lease. */
interface Group {
  readonly name: string
  readonly group: readonly Controller[]
  /** The loops of this process that store the artifacts which this group reads. */
  readonly storing: readonly Controller[]
  readonly leadership: Leadership
  readonly options: ManagerOptions
  readonly signal: AbortSignal
  readonly lose: (reason: unknown) => void
}

async function startGroup({ name, group, storing, leadership, options, signal, lose }: Group): Promise<void> {
  const { clock } = options.environment
  const held = leadership.lead(name, signal).then(async (over) => {
    over.addEventListener('abort', () => lose(over.reason), { once: true })
    options.onLeading?.(name)
    await caughtUp(storing, clock, signal)
  })
  await Promise.all(
    group.map(async (controller) => {
      await Promise.all([synced(controller, group, options.environment, signal), held])
      signal.throwIfAborted()
      controller.start()
      options.environment.log.info(
        { controller: controller.kind.kind.toLowerCase(), controllerKind: controller.kind.kind },
        'starting workers',
      )
    }),
  )
}

/** Waits until what a new leader does not have yet is stored again: its readers would find nothing before. */
async function caughtUp(storing: readonly Controller[], clock: Clock, signal: AbortSignal): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const cancel = clock.after(catchUpMs, resolve)
  await Promise.race([late, aborted(signal), Promise.all(storing.map((controller) => controller.caughtUp))])
  cancel()
}

/** Waits for the first list of a kind, saying from time to time what is missing. */
async function synced(
  controller: Controller,
  all: readonly Controller[],
  { clock, informers, log }: Environment,
  signal: AbortSignal,
): Promise<void> {
  let cancel = () => {}
  const complain = (round: number) => {
    const state = informers.states().find(({ kind, synced }) => kind.kind === controller.kind.kind && !synced)
    if (state?.error && round % complaintsApart === 0) {
      log.error(
        { controllerKind: controller.kind.kind, error: explain(controller.kind.kind, state.error, all) },
        'waiting for the Kubernetes API',
      )
    }
    cancel = clock.after(complaintMs, () => complain(state?.error ? round + 1 : 0))
  }
  cancel = clock.after(complaintMs / 10, () => complain(0))
  try {
    await controller.sync(signal)
  } finally {
    cancel()
  }
}

function explain(kindName: string, error: unknown, controllers: readonly Controller[]): string {
  const kind = controllers.find((controller) => controller.kind.kind === kindName)?.kind
  if (kind && error instanceof ApiError && error.reason === 'NoKindMatch') return missingCrd(kind)
  return error instanceof Error ? error.message : String(error)
}

function missingCrd({ group, plural }: Kind): string {
  return `the cluster has no CustomResourceDefinition ${plural}.${group}: install it with "kubectl apply --server-side -f crds/${group}_${plural}.yaml"`
}

async function closeAll({ environment, recorder }: ManagerOptions, servers: readonly Listening[]): Promise<void> {
  await recorder.close()
  await Promise.all([environment.informers.close(), environment.workers.close(), ...servers.map((server) => server.close())])
  environment.metrics.close()
  await environment.client.transport.close()
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  else signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}
