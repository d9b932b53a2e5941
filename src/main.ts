/** The operator: from flags to loops that run until a signal. Only wiring. */
import { hostname } from 'node:os'
import type { Actions } from './helm/action.ts'
import { actions } from './helm/actions.ts'
import { type HelmParts, helmReleaseLoop } from './helm/helmrelease.ts'
import { measured } from './helm/measured.ts'
import { renderOf } from './helm/render.ts'
import { releaseStorage } from './helm/storage.ts'
import { ClusterApplier } from './kube/apply.ts'
import type { Client } from './kube/client.ts'
import { connect } from './kube/connect.ts'
import { Informers } from './kube/informer.ts'
import type { TransportOptions } from './kube/transport.ts'
import { Appliers } from './kustomize/appliers.ts'
import type { Clusters } from './kustomize/cluster.ts'
import { kustomizationLoop } from './kustomize/kustomization.ts'
import { alertUpkeep, providerUpkeep } from './notification/finalizers.ts'
import { Notifications } from './notification/notifications.ts'
import { receiverLoop } from './notification/receiver.ts'
import { ArtifactServer, advertisedAddress } from './runtime/artifact-server.ts'
import { ArtifactStore } from './runtime/artifact-store.ts'
import { systemClock } from './runtime/clock.ts'
import { type AnyLoop, anyLoop } from './runtime/controller.ts'
import { EventRecorder } from './runtime/events.ts'
import { type Flags, parseFlags } from './runtime/flags.ts'
import { createLogger, type Logger } from './runtime/log.ts'
import { runManager } from './runtime/manager.ts'
import { MemoryWatch } from './runtime/memory-watch.ts'
import { createMetrics, type Metrics } from './runtime/metrics.ts'
import type { Environment } from './runtime/reconcile.ts'
import { RemoteClusters } from './runtime/remote-clusters.ts'
import { storageUsage } from './runtime/storage-usage.ts'
import { WorkerPool } from './runtime/workers.ts'
import { gitRepositoryLoop } from './source/gitrepository.ts'
import { helmChartLoop } from './source/helmchart.ts'
import { helmRepositoryLoop } from './source/helmrepository.ts'
import { ociRepositoryLoop } from './source/ocirepository.ts'
import { VersionCache, type VersionCacheOptions } from './source/version-cache.ts'

const mostWarnings = 1_000
/** As many as there are workers. */
const defaultTurns = 4

/** Where the program is from: the process's surroundings, handed in. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The module that worker threads run. */
  readonly workerEntry: URL
  /** Aborted by SIGTERM or SIGINT. */
  readonly signal: AbortSignal
  print(text: string): void
}

/**
 * `sluice controller`: runs until the signal, or until a lease is lost.
 * @throws FlagError for a command line that cannot be honoured, Error for what keeps it from starting or working on.
 */
export async function runController(args: readonly string[], surroundings: Surroundings): Promise<void> {
  const command = parseFlags(args, surroundings.env)
  if ('help' in command && command.help !== undefined) return surroundings.print(command.help)
  const log = createLogger({ level: command.flags.logLevel, encoding: command.flags.logEncoding })
  for (const warning of command.warnings) log.warn({}, warning)
  try {
    await operate(command.flags, log, surroundings)
  } finally {
    log.flush()
  }
}

async function operate(flags: Flags, log: Logger, { env, workerEntry, signal: asked }: Surroundings): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const memory = flags.featureGates.get('OOMWatch') ? stack.use(await watchMemory(flags, log)) : undefined
  const signal = memory ? AbortSignal.any([asked, memory.signal]) : asked
  const metrics = stack.adopt(createMetrics(), (created) => created.close())
  const client = stack.use(await connectClient(flags, metrics, log, env))
  const workers = stack.adopt(
    new WorkerPool(workerEntry, { onFinished: (task, result, ms) => metrics.taskFinished(task, result, ms / 1000) }),
    (pool) => pool.close(),
  )
  const host = env.HOSTNAME || hostname()

  // Two replicas may lead one controller each: the one that applies then downloads from the one that stores.
  const leading = new Set<string>()
  const isServing = () => leading.has(gitRepositoryLoop.controller)
  const server = flags.controllers.includes('source')
    ? stack.use(await ArtifactServer.listen({ directory: flags.storagePath, address: flags.storageAddr, isServing, log }))
    : undefined
  const address = advertisedAddress({ ...flags, port: server?.port ?? 0, hostname: host })
  const artifacts = stack.adopt(
    await ArtifactStore.create({
      directory: flags.storagePath,
      advertisedAddress: address,
      isServed: isServing,
      retention: { ttlMs: flags.artifactRetentionTtlMs, records: flags.artifactRetentionRecords },
      ...(env.SOURCE_CONTROLLER_LOCALHOST && { downloadHost: env.SOURCE_CONTROLLER_LOCALHOST }),
      clock: systemClock,
      workers,
      onStored: ({ kind }, sizeBytes) => metrics.artifactStored(kind, sizeBytes),
    }),
    (store) => store.close(),
  )
  const informers = stack.use(
    new Informers({
      client,
      onError: (error, { kind: { apiVersion, kind }, waitMs }) => log.debug({ error, apiVersion, kind, waitMs }, 'watch failed'),
    }),
  )

  const environment: Environment = { client, informers, artifacts, workers, clock: systemClock, log, flags, metrics }
  const appliers = stack.adopt(appliersOf(environment), (created) => created.close())
  const clusters = { appliers, remoteClusters: remoteClustersOf(environment) }
  const recorder = new EventRecorder({
    client,
    clock: systemClock,
    log,
    metrics,
    webhook: flags.eventsAddr,
    deliver: (event) => notifications?.accept(event),
    hostname: host,
    logEvents: flags.logLevel === 'trace',
  })
  const notifications = flags.controllers.includes('notification')
    ? stack.use(await Notifications.start(environment, recorder))
    : undefined
  metrics.read({
    workers: () => workers.reading(),
    cachedObjects: () => informers.counts(),
    waitingEvents: () => ({ ...recorder.waiting(), ...(notifications && { notification: notifications.waiting }) }),
    ...(server && { storage: storageUsage(flags.storagePath, systemClock) }),
  })
  if (server) listening(log, 'artifacts', flags.storageAddr, server.port)
  if (notifications) {
    listening(log, 'events', flags.eventsListenAddr, notifications.ports.events)
    listening(log, 'receivers', flags.receiverAddr, notifications.ports.receivers)
  }
  await runManager({
    environment,
    recorder,
    loops: loopsOf(environment, clusters),
    signal,
    hostname: host,
    podName: env.POD_NAME,
    onLeading: (controller) => leading.add(controller),
    onStopping: async () => notifications?.close(),
    onListening: (ports) => {
      listening(log, 'metrics', flags.metricsAddr, ports.metrics)
      listening(log, 'health', flags.healthAddr, ports.health)
      if (flags.controllers.some((controller) => controller !== 'notification')) workers.warm()
    },
  })
}

/** Kustomizations apply as the program itself, or as service accounts. */
function appliersOf({ client, clock, log, flags }: Environment): Appliers {
  const options = {
    clock,
    log,
    fieldManager: 'kustomize-controller',
    ownerGroup: 'kustomize.toolkit.fluxcd.io',
    ...(flags.concurrentSsa !== undefined && { concurrency: flags.concurrentSsa }),
    customStageKinds: new Set(flags.customApplyStageKinds),
    overrideManagers: flags.overrideManagers,
    migrateVersions: flags.featureGates.get('MigrateAPIVersion') ?? false,
  }
  return new Appliers(client, (actor) => new ClusterApplier({ ...options, client: actor }))
}

function watchMemory(flags: Flags, log: Logger): Promise<MemoryWatch> {
  return MemoryWatch.start({
    limitPath: flags.oomWatchMaxMemoryPath,
    usagePath: flags.oomWatchCurrentMemoryPath,
    threshold: flags.oomWatchMemoryThreshold,
    intervalMs: flags.oomWatchIntervalMs,
    clock: systemClock,
    log,
  })
}

function connectClient(flags: Flags, metrics: Metrics, log: Logger, env: Surroundings['env']): Promise<Client> {
  return connect({
    env,
    ...(flags.kubeconfig && { kubeconfig: flags.kubeconfig }),
    ...requestsSeen(metrics, log),
  })
}

function requestsSeen(metrics: Metrics, log: Logger): TransportOptions {
  return {
    onRequest: ({ verb, method, host, status, durationMs }) =>
      metrics.apiRequest({ verb, method, host, code: String(status ?? '<error>'), durationSeconds: durationMs / 1000 }),
    onWarning: warnOnce(log),
  }
}

function remoteClustersOf({ flags, metrics, log }: Environment): RemoteClusters {
  return new RemoteClusters({
    allowExec: flags.insecureKubeconfigExec,
    allowInsecureTls: flags.insecureKubeconfigTls,
    tokens: {
      defaultAccount: flags.defaultKubeconfigServiceAccount,
      mayChooseAccount: flags.featureGates.get('ObjectLevelWorkloadIdentity') ?? false,
      mayBeSluice: flags.defaultServiceAccount === '',
    },
    turns: flags.concurrent ?? defaultTurns,
    transport: requestsSeen(metrics, log),
  })
}

/** The API server repeats its warnings with every request: each is said once, as long as they are few. */
function warnOnce(log: Logger): (warning: string) => void {
  const said = new Set<string>()
  return (warning) => {
    if (said.has(warning) || said.size >= mostWarnings) return
    said.add(warning)
    log.info({ warning }, 'warning of the API server')
  }
}

function loopsOf(environment: Environment, clusters: Clusters): AnyLoop[] {
  const { flags, metrics } = environment
  const loops: AnyLoop[] = []
  if (flags.controllers.includes('source')) {
    loops.push(anyLoop(gitRepositoryLoop), anyLoop(ociRepositoryLoop), anyLoop(helmRepositoryLoop()))
    loops.push(anyLoop(helmChartLoop(new VersionCache(versionCacheOf(flags)))))
  }
  if (flags.controllers.includes('kustomize'))
    loops.push(anyLoop(kustomizationLoop({ ...clusters, onBuild: () => metrics.built() })))
  if (flags.controllers.includes('helm')) loops.push(anyLoop(helmReleaseLoop(helmParts(metrics, clusters))))
  if (flags.controllers.includes('notification')) loops.push(anyLoop(receiverLoop), providerUpkeep, alertUpkeep)
  return loops
}

function helmParts(metrics: Metrics, { remoteClusters }: Clusters): HelmParts {
  return { actions: measuredActions(metrics), storageIn: releaseStorage, renderOf, remoteClusters }
}

function measuredActions(metrics: Metrics): Actions {
  return measured(actions, (action, result, ms) => metrics.helmActed(action, result, ms / 1000))
}

function versionCacheOf({ helmCacheMaxSize, helmCacheTtlMs, helmCachePurgeIntervalMs }: Flags): VersionCacheOptions {
  return { size: helmCacheMaxSize, ttlMs: helmCacheTtlMs, purgeIntervalMs: helmCachePurgeIntervalMs, clock: systemClock }
}

function listening(log: Logger, server: string, address: string, port: number): void {
  const host = address.slice(0, address.lastIndexOf(':')) || '127.0.0.1'
  log.info({ server, address: `${host}:${port}` }, 'listening')
}
