/** Flags of `sluice controller`, with Flux's names and defaults. */

export interface Flags {
  readonly controllers: readonly string[]
  readonly metricsAddr: string
  readonly healthAddr: string
  readonly eventsAddr: string
  readonly storagePath: string
  readonly storageAddr: string
  readonly storageAdvAddr: string
  readonly artifactRetentionTtlMs: number
  readonly artifactRetentionRecords: number
  /** Absent: each loop's own default. */
  readonly concurrent: number | undefined
  readonly concurrentSsa: number
  readonly logLevel: string
  readonly logEncoding: 'json' | 'console'
  readonly enableLeaderElection: boolean
  readonly leaderElectionReleaseOnCancel: boolean
  readonly leaderElectionLeaseDurationMs: number
  readonly leaderElectionRenewDeadlineMs: number
  readonly leaderElectionRetryPeriodMs: number
  readonly minRetryDelayMs: number
  readonly maxRetryDelayMs: number
  readonly requeueDependencyMs: number
  readonly httpRetry: number
  readonly intervalJitterPercentage: number
  readonly watchAllNamespaces: boolean
  readonly watchLabelSelector: string
  readonly watchConfigsLabelSelector: string
  readonly noCrossNamespaceRefs: boolean
  readonly noRemoteBases: boolean
  readonly featureGates: ReadonlyMap<string, boolean>
  readonly runtimeNamespace: string
}
