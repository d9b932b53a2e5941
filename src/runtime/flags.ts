/** Flags of `sluice controller`, with Flux's names and defaults. Parsed as Go's pflag does: `--x=v`, `--x v`, `--bool`, `--bool=false`. */

import { parseDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'

export interface Flags {
  /** Empty: KUBECONFIG, else the pod's own account. */
  readonly kubeconfig: string
  readonly controllers: readonly string[]
  readonly metricsAddr: string
  readonly healthAddr: string
  /** URL that events are posted to; empty: nowhere but to the notification loop of this process, if it runs one. */
  readonly eventsAddr: string
  /** Where the notification loop listens for events of other programs. */
  readonly eventsListenAddr: string
  readonly receiverAddr: string
  /** Calls of Receivers are counted by their paths. */
  readonly exportHttpPathMetrics: boolean
  /** How long an event is not told again. */
  readonly rateLimitIntervalMs: number
  readonly storagePath: string
  readonly storageAddr: string
  /** Empty: made of `storageAddr`. */
  readonly storageAdvAddr: string
  readonly artifactRetentionTtlMs: number
  readonly artifactRetentionRecords: number
  /** Absent: each loop's own default. */
  readonly concurrent: number | undefined
  /** Absent: the apply engine's own. */
  readonly concurrentSsa: number | undefined
  readonly overrideManagers: readonly string[]
  /** The account that Kustomizations and HelmReleases act as which name none; empty: Sluice's own. */
  readonly defaultServiceAccount: string
  /** The account whose tokens lead to clusters that ConfigMaps describe and name none; empty: Sluice's own. */
  readonly defaultKubeconfigServiceAccount: string
  readonly oomWatchIntervalMs: number
  /** Percentage. */
  readonly oomWatchMemoryThreshold: number
  readonly oomWatchMaxMemoryPath: string
  readonly oomWatchCurrentMemoryPath: string
  /** Kubeconfigs of remote clusters may run programs. */
  readonly insecureKubeconfigExec: boolean
  /** Kubeconfigs of remote clusters may do without verifying certificates. */
  readonly insecureKubeconfigTls: boolean
  /** `<group>/<Kind>`. */
  readonly customApplyStageKinds: readonly string[]
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
  /** Bytes of the index of a Helm repository. */
  readonly helmIndexMaxSize: number
  /** Bytes of a chart's package, and of all its files. */
  readonly helmChartMaxSize: number
  /** Bytes of one file of a chart. */
  readonly helmChartFileMaxSize: number
  /** Lists of chart versions that are kept in memory; 0 for none. */
  readonly helmCacheMaxSize: number
  readonly helmCacheTtlMs: number
  readonly helmCachePurgeIntervalMs: number
  /** Every known gate, with its default where none was given. */
  readonly featureGates: ReadonlyMap<string, boolean>
  readonly runtimeNamespace: string
}

/** What the command line says: flags with warnings to log once, or that help was asked for. */
export type CommandLine =
  | { readonly flags: Flags; readonly warnings: readonly string[]; readonly help?: undefined }
  | { readonly help: string }

/** A command line that cannot be honoured: the message says which flag and what would be right. The process exits with 1. */
export class FlagError extends Error {
  override readonly name = 'FlagError'
}

/**
 * What becomes of a flag or gate whose value is not its default: `honoured`; `warned`, where ignoring it costs only speed or
 * space; `refused`, where a person would rely on something that does not happen.
 */
type Support = 'honoured' | 'warned' | 'refused'

interface FlagSpec {
  readonly name: string
  readonly type: 'string' | 'int' | 'bool' | 'duration' | 'list'
  readonly fallback: string
  readonly help: string
  /** Environment variable that replaces the default. */
  readonly env?: string
  readonly support: Support
  /** The only values allowed. */
  readonly oneOf?: readonly string[]
  readonly min?: number
  readonly max?: number
}

const loops = ['source', 'kustomize', 'helm', 'notification']

const flagSpecs: readonly FlagSpec[] = [
  ...honoured([
    ['controllers', 'string', loops.join(','), `Comma separated loops that this process runs: ${loops.join(', ')}.`],
    ['kubeconfig', 'string', '', 'Path of a kubeconfig; empty: KUBECONFIG, else the account of the pod.'],
    ['metrics-addr', 'string', ':8080', 'The address the metric endpoint binds to.', { env: 'METRICS_ADDR' }],
    [
      'events-addr',
      'string',
      '',
      'The URL that events are posted to, or the address that the notification loop listens on for them (:9091).',
      { env: 'EVENTS_ADDR' },
    ],
    ['receiverAddr', 'string', ':9292', 'The address the webhook receiver endpoint binds to.'],
    ['export-http-path-metrics', 'bool', 'false', 'Label the metrics of calls of Receivers with their paths.'],
    ['rate-limit-interval', 'duration', '5m', 'How long an event that was told is not told again.', { min: 1 }],
    ['health-addr', 'string', ':9440', 'The address the health endpoint binds to.'],
    ['storage-path', 'string', '/data', 'The local storage path.', { env: 'STORAGE_PATH' }],
    ['storage-addr', 'string', ':9090', 'The address the static file server binds to.', { env: 'STORAGE_ADDRESS' }],
    [
      'storage-adv-addr',
      'string',
      '',
      'The advertised address of the static file server; empty derives it.',
      { env: 'STORAGE_ADV_ADDR' },
    ],
    ['artifact-retention-ttl', 'duration', '60s', 'How long artifacts that are no longer current are kept.'],
    ['artifact-retention-records', 'int', '2', 'How many artifacts are kept after a garbage collection.', { min: 1 }],
    ['artifact-digest-algo', 'string', 'sha256', 'The algorithm used to calculate the digest of artifacts.', { oneOf: ['sha256'] }],
    ['snapshot-digest-algo', 'string', 'sha256', 'The algorithm of checksums of Helm releases and values.', { oneOf: ['sha256'] }],
    ['concurrent', 'int', '', 'The number of concurrent reconciles per kind; absent: 2 for sources, 4 for the others.', { min: 1 }],
    [
      'concurrent-ssa',
      'int',
      '',
      'The number of concurrent server-side apply operations of one reconcile; absent: 16.',
      { min: 1 },
    ],
    ['default-service-account', 'string', '', 'The service account that Kustomizations and HelmReleases act as which name none.'],
    [
      'default-kubeconfig-service-account',
      'string',
      '',
      'The service account whose tokens lead to clusters that ConfigMaps describe and name none.',
    ],
    ['override-manager', 'list', '', 'Field manager whose changes to managed objects are reverted (repeatable).'],
    ['custom-apply-stage-kinds', 'list', '', 'Kinds applied in a stage of their own, as "<group>/<Kind>".'],
    ['log-level', 'string', 'info', 'The log verbosity.', { oneOf: ['trace', 'debug', 'info', 'error'] }],
    ['log-encoding', 'string', 'json', 'The log encoding.', { oneOf: ['json', 'console'] }],
    ['enable-leader-election', 'bool', 'false', 'Work only while holding the lease of each controller.'],
    ['leader-election-release-on-cancel', 'bool', 'true', 'Step down voluntarily on shutdown.'],
    ['leader-election-lease-duration', 'duration', '35s', 'How long others wait before they take a lease that is not renewed.'],
    ['leader-election-renew-deadline', 'duration', '30s', 'How long the leader tries to renew before it gives up.'],
    ['leader-election-retry-period', 'duration', '5s', 'How long to wait between tries.'],
    ['min-retry-delay', 'duration', '750ms', 'The first delay after a failed reconcile.', { min: 1 }],
    ['max-retry-delay', 'duration', '15m', 'The longest delay after a failed reconcile.', { min: 1 }],
    ['requeue-dependency', 'duration', '30s', 'The interval at which failing dependencies are re-evaluated.', { min: 1 }],
    ['http-retry', 'int', '9', 'How often fetching an artifact is retried.', { min: 0 }],
    ['interval-jitter-percentage', 'int', '5', 'Percentage of jitter applied to intervals.', { min: 0, max: 99 }],
    ['watch-all-namespaces', 'bool', 'true', 'Watch all namespaces; false watches only RUNTIME_NAMESPACE.'],
    ['watch-label-selector', 'string', '', 'Watch only objects with labels that match, to run shards.'],
    [
      'watch-configs-label-selector',
      'string',
      'reconcile.fluxcd.io/watch=Enabled',
      'ConfigMaps and Secrets whose changes are acted on at once.',
    ],
    ['no-cross-namespace-refs', 'bool', 'false', 'Refuse references to sources in other namespaces.'],
    ['no-remote-bases', 'bool', 'false', 'Refuse remote bases in Kustomize overlays.'],
    ['insecure-kubeconfig-exec', 'bool', 'false', 'Allow exec plugins in kubeconfigs of remote clusters.'],
    ['insecure-kubeconfig-tls', 'bool', 'false', 'Allow kubeconfigs of remote clusters that do not verify TLS.'],
    ['helm-index-max-size', 'int', '52428800', 'Largest Helm repository index in bytes.', { min: 1 }],
    ['helm-chart-max-size', 'int', '10485760', 'Largest Helm chart in bytes.', { min: 1 }],
    ['helm-chart-file-max-size', 'int', '5242880', 'Largest file in a Helm chart in bytes.', { min: 1 }],
    [
      'helm-cache-max-size',
      'int',
      '0',
      'How many versions that were found in Helm indexes are kept in memory; 0 for none.',
      { min: 0 },
    ],
    ['helm-cache-ttl', 'duration', '15m', 'How long they are kept after they were last used.'],
    ['helm-cache-purge-interval', 'duration', '1m', 'How often those that are too old are removed.'],
    ['oom-watch-interval', 'duration', '500ms', 'How often memory is looked at, with the gate OOMWatch.', { min: 50 }],
    [
      'oom-watch-memory-threshold',
      'int',
      '95',
      'Percentage of the memory limit at which the process stops, with the gate OOMWatch.',
      { min: 1, max: 100 },
    ],
    ['oom-watch-max-memory-path', 'string', '', 'File with the memory limit; empty: that of the cgroup.'],
    ['oom-watch-current-memory-path', 'string', '', 'File with the memory in use; empty: that of the cgroup.'],
    ['feature-gates', 'list', '', 'Comma separated name=true|false pairs.'],
  ]),
  ...withSupport('warned', [
    ['kube-api-qps', 'int', '50', 'Accepted and not needed: the API server’s priority and fairness limits requests.'],
    ['kube-api-burst', 'int', '300', 'Accepted and not needed, as --kube-api-qps.'],
    ['token-cache-max-size', 'int', '100', 'Size of the cache of cloud tokens.'],
    ['token-cache-max-duration', 'duration', '1h', 'Longest time a cloud token is cached.'],
    ['reconciliation-timeout', 'duration', '10m', 'Longest reconcile of an ArtifactGenerator.'],
    [
      'graceful-shutdown-timeout',
      'duration',
      '600s',
      'How long a Helm action may go on after a stop; here it ends and is taken up again.',
    ],
    ['http-timeout', 'duration', '30s', 'Longest download of a chart.'],
  ]),
  ...withSupport('refused', [
    ['default-decryption-service-account', 'string', '', 'Default service account used for decryption.'],
    ['sops-age-secret', 'string', '', 'Secret with an age key used as a fallback.'],
    ['sops-vault-configmap', 'string', '', 'ConfigMap with Vault instances.'],
    ['ssh-kex-algos', 'list', '', 'Key exchange algorithms for SSH.'],
    ['ssh-hostkey-algos', 'list', '', 'Host key algorithms for SSH.'],
  ]),
]

/** Source: the feature gates of Flux 2.9, all controllers that `--controllers` can name. */
const gateSpecs = new Map<string, { readonly fallback: boolean; readonly support: Support }>([
  ['StrictPostBuildSubstitutions', { fallback: true, support: 'honoured' }],
  ['DisableConfigWatchers', { fallback: false, support: 'honoured' }],
  ['DisableFailFastBehavior', { fallback: false, support: 'honoured' }],
  ['GroupChangeLog', { fallback: false, support: 'warned' }],
  ['AdditiveCELDependencyCheck', { fallback: false, support: 'honoured' }],
  // What this gate turns on always happens: any event for an object ends its wait.
  ['CancelHealthCheckOnNewRevision', { fallback: false, support: 'honoured' }],
  ['CacheSecretsAndConfigMaps', { fallback: false, support: 'warned' }],
  ['DisableStatusPollerCache', { fallback: true, support: 'warned' }],
  ['DirectSourceFetch', { fallback: false, support: 'warned' }],
  ['DisableChartDigestTracking', { fallback: false, support: 'honoured' }],
  ['DefaultToRetryOnFailure', { fallback: false, support: 'honoured' }],
  ['OOMWatch', { fallback: false, support: 'honoured' }],
  ['AdoptLegacyReleases', { fallback: false, support: 'warned' }],
  ['AllowDNSLookups', { fallback: false, support: 'honoured' }],
  ['UseHelm3Defaults', { fallback: false, support: 'honoured' }],
  ['DetectDrift', { fallback: false, support: 'refused' }],
  ['CorrectDrift', { fallback: false, support: 'warned' }],
  ['ExternalArtifact', { fallback: false, support: 'honoured' }],
  ['MigrateAPIVersion', { fallback: false, support: 'honoured' }],
  ['ObjectLevelWorkloadIdentity', { fallback: false, support: 'honoured' }],
])

type Environ = Readonly<Record<string, string | undefined>>

/**
 * Reads a command line (without the program and its verb) and the environment variables that stand in for flags.
 * @throws FlagError for an unknown flag or gate, a value that does not fit, or a setting that this version does not honour.
 */
export function parseFlags(args: readonly string[], env: Environ): CommandLine {
  const given = readArguments(args)
  if (given.has('help')) return { help: flagsHelp() }

  const values = new Map(flagSpecs.map((spec) => [spec.name, textOf(spec, given.get(spec.name), env)]))
  const gates = readGates(values.get('feature-gates') ?? '')
  const warnings = [...unsupportedFlags(values), ...unsupportedGates(gates)]
  return { flags: checked(assemble(values, gates, env), env), warnings }
}

function readArguments(args: readonly string[]): Map<string, string> {
  const given = new Map<string, string>()
  const rest = [...args]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '-h' || arg === '--help') given.set('help', 'true')
    else if (arg.startsWith('--') && arg.length > 2) readFlag(arg.slice(2), rest, given)
    else throw new FlagError(`unexpected argument ${quoted(arg)}: flags begin with "--"`)
  }
  return given
}

function readFlag(text: string, rest: string[], given: Map<string, string>): void {
  const equals = text.indexOf('=')
  const name = equals < 0 ? text : text.slice(0, equals)
  const spec = flagSpecs.find((candidate) => candidate.name === name)
  if (!spec) throw new FlagError(`unknown flag: --${name}`)
  const value = equals >= 0 ? text.slice(equals + 1) : spec.type === 'bool' ? 'true' : rest.shift()
  if (value === undefined) throw new FlagError(`flag needs an argument: --${name}`)
  const before = given.get(name)
  given.set(name, spec.type === 'list' && before !== undefined ? `${before},${value}` : value)
}

/** The text of a flag in its normal form: durations in milliseconds, booleans as `true` or `false`. */
function textOf(spec: FlagSpec, given: string | undefined, env: Environ): string {
  const fromEnv = spec.env === undefined ? undefined : env[spec.env]
  const text = given ?? (fromEnv || undefined)
  if (text === undefined) return spec.fallback === '' ? '' : normal(spec, spec.fallback)
  if (spec.oneOf && !spec.oneOf.includes(text)) throw invalid(spec, text, `must be one of ${spec.oneOf.join(', ')}`)
  return normal(spec, text)
}

function normal(spec: FlagSpec, text: string): string {
  if (spec.type === 'string' || spec.type === 'list') return text
  if (spec.type === 'bool') return String(parseBool(spec, text))
  const number = spec.type === 'int' ? parseInteger(spec, text) : parseDurationFlag(spec, text)
  if (spec.min !== undefined && number < spec.min)
    throw invalid(spec, text, spec.type === 'int' ? `must be at least ${spec.min}` : 'must be positive')
  if (spec.max !== undefined && number > spec.max) throw invalid(spec, text, `must be at most ${spec.max}`)
  return String(number)
}

/** Source: Go strconv.ParseBool. */
function parseBool(spec: FlagSpec, text: string): boolean {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false
  throw invalid(spec, text, 'must be true or false')
}

function parseInteger(spec: FlagSpec, text: string): number {
  const number = Number(text)
  if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(number)) throw invalid(spec, text, 'must be a whole number')
  return number
}

function parseDurationFlag(spec: FlagSpec, text: string): number {
  try {
    return parseDuration(text)
  } catch (error) {
    throw invalid(spec, text, messageOf(error))
  }
}

function invalid(spec: FlagSpec, text: string, why: string): FlagError {
  return new FlagError(`invalid argument ${quoted(text)} for --${spec.name}: ${why}`)
}

function readGates(text: string): ReadonlyMap<string, boolean> {
  const gates = new Map([...gateSpecs].map(([name, { fallback }]) => [name, fallback]))
  for (const pair of text.split(',').filter((part) => part.trim() !== '')) {
    const [name = '', value = ''] = pair.split('=', 2).map((part) => part.trim())
    if (!gateSpecs.has(name))
      throw new FlagError(`feature-gate ${quoted(name)} not supported: known are ${[...gateSpecs.keys()].join(', ')}`)
    if (value !== 'true' && value !== 'false')
      throw new FlagError(`invalid value ${quoted(value)} of feature gate ${name}: must be true or false`)
    gates.set(name, value === 'true')
  }
  return gates
}

function unsupportedFlags(values: ReadonlyMap<string, string>): string[] {
  const set = flagSpecs.filter((spec) => values.get(spec.name) !== (spec.fallback === '' ? '' : normal(spec, spec.fallback)))
  for (const spec of set)
    if (spec.support === 'refused') throw new FlagError(`--${spec.name} is not implemented in this version: leave it out`)
  return set.filter((spec) => spec.support === 'warned').map((spec) => `--${spec.name} has no effect in this version`)
}

function unsupportedGates(gates: ReadonlyMap<string, boolean>): string[] {
  const set = [...gateSpecs].filter(([name, { fallback }]) => gates.get(name) !== fallback)
  for (const [name, { support }] of set)
    if (support === 'refused') throw new FlagError(`feature gate ${name} is not implemented in this version: leave it out`)
  return set.filter(([, { support }]) => support === 'warned').map(([name]) => `feature gate ${name} has no effect in this version`)
}

function assemble(values: ReadonlyMap<string, string>, featureGates: ReadonlyMap<string, boolean>, env: Environ): Flags {
  const text = (name: string) => values.get(name) ?? ''
  const number = (name: string) => Number(text(name))
  const truth = (name: string) => text(name) === 'true'
  return {
    controllers: items(text('controllers')),
    kubeconfig: text('kubeconfig'),
    metricsAddr: text('metrics-addr'),
    healthAddr: text('health-addr'),
    eventsAddr: isUrl(text('events-addr')) ? text('events-addr') : '',
    eventsListenAddr: isUrl(text('events-addr')) ? defaultEventsAddress : text('events-addr') || defaultEventsAddress,
    receiverAddr: text('receiverAddr'),
    rateLimitIntervalMs: number('rate-limit-interval'),
    storagePath: text('storage-path'),
    storageAddr: text('storage-addr'),
    storageAdvAddr: text('storage-adv-addr'),
    artifactRetentionTtlMs: number('artifact-retention-ttl'),
    artifactRetentionRecords: number('artifact-retention-records'),
    concurrent: text('concurrent') === '' ? undefined : number('concurrent'),
    concurrentSsa: text('concurrent-ssa') === '' ? undefined : number('concurrent-ssa'),
    overrideManagers: items(text('override-manager')),
    defaultServiceAccount: text('default-service-account'),
    defaultKubeconfigServiceAccount: text('default-kubeconfig-service-account'),
    oomWatchIntervalMs: number('oom-watch-interval'),
    oomWatchMemoryThreshold: number('oom-watch-memory-threshold'),
    oomWatchMaxMemoryPath: text('oom-watch-max-memory-path'),
    oomWatchCurrentMemoryPath: text('oom-watch-current-memory-path'),
    insecureKubeconfigExec: truth('insecure-kubeconfig-exec'),
    insecureKubeconfigTls: truth('insecure-kubeconfig-tls'),
    customApplyStageKinds: items(text('custom-apply-stage-kinds')),
    logLevel: text('log-level'),
    logEncoding: text('log-encoding') === 'console' ? 'console' : 'json',
    enableLeaderElection: truth('enable-leader-election'),
    leaderElectionReleaseOnCancel: truth('leader-election-release-on-cancel'),
    leaderElectionLeaseDurationMs: number('leader-election-lease-duration'),
    leaderElectionRenewDeadlineMs: number('leader-election-renew-deadline'),
    leaderElectionRetryPeriodMs: number('leader-election-retry-period'),
    minRetryDelayMs: number('min-retry-delay'),
    maxRetryDelayMs: number('max-retry-delay'),
    requeueDependencyMs: number('requeue-dependency'),
    httpRetry: number('http-retry'),
    intervalJitterPercentage: number('interval-jitter-percentage'),
    watchAllNamespaces: truth('watch-all-namespaces'),
    watchLabelSelector: text('watch-label-selector'),
    watchConfigsLabelSelector: text('watch-configs-label-selector'),
    noCrossNamespaceRefs: truth('no-cross-namespace-refs'),
    noRemoteBases: truth('no-remote-bases'),
    exportHttpPathMetrics: truth('export-http-path-metrics'),
    helmIndexMaxSize: number('helm-index-max-size'),
    helmChartMaxSize: number('helm-chart-max-size'),
    helmChartFileMaxSize: number('helm-chart-file-max-size'),
    helmCacheMaxSize: number('helm-cache-max-size'),
    helmCacheTtlMs: number('helm-cache-ttl'),
    helmCachePurgeIntervalMs: number('helm-cache-purge-interval'),
    featureGates,
    runtimeNamespace: env.RUNTIME_NAMESPACE || 'flux-system',
  }
}

const defaultEventsAddress = ':9091'

function isUrl(text: string): boolean {
  return /^https?:\/\//.test(text)
}

/** The parts of a comma separated list. */
function items(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** Rules between flags. Source of the lease's: client-go leaderelection.NewLeaderElector. */
function checked(flags: Flags, env: Environ): Flags {
  const unknown = flags.controllers.find((name) => !loops.includes(name))
  if (unknown !== undefined) throw new FlagError(`unknown loop ${quoted(unknown)} in --controllers: known are ${loops.join(', ')}`)
  if (!flags.watchAllNamespaces && !env.RUNTIME_NAMESPACE)
    throw new FlagError('--watch-all-namespaces=false needs the environment variable RUNTIME_NAMESPACE')
  const isListener = flags.eventsListenAddr !== defaultEventsAddress
  if (isListener && !flags.controllers.includes('notification'))
    throw new FlagError(
      `invalid argument ${quoted(flags.eventsListenAddr)} for --events-addr: must be a URL where the notification loop does not run`,
    )
  if (flags.defaultKubeconfigServiceAccount && !flags.featureGates.get('ObjectLevelWorkloadIdentity'))
    throw new FlagError('cannot set default service accounts when the feature gate ObjectLevelWorkloadIdentity is not enabled')
  if (flags.maxRetryDelayMs < flags.minRetryDelayMs)
    throw new FlagError('--max-retry-delay must not be shorter than --min-retry-delay')
  if (flags.leaderElectionLeaseDurationMs <= flags.leaderElectionRenewDeadlineMs)
    throw new FlagError('--leader-election-lease-duration must be longer than --leader-election-renew-deadline')
  if (flags.leaderElectionRenewDeadlineMs <= 1.2 * flags.leaderElectionRetryPeriodMs)
    throw new FlagError('--leader-election-renew-deadline must be longer than 1.2 times --leader-election-retry-period')
  return flags
}

/** The text of `--help`. */
export function flagsHelp(): string {
  const lines = flagSpecs.map((spec) => {
    const notes = [
      ...(spec.oneOf ? [`one of ${spec.oneOf.join(', ')}`] : []),
      ...(spec.env ? [`env ${spec.env}`] : []),
      ...(spec.fallback === '' ? [] : [`default ${spec.fallback}`]),
      ...(spec.support === 'honoured'
        ? []
        : [spec.support === 'warned' ? 'no effect in this version' : 'not implemented in this version']),
    ]
    return `  --${spec.name} ${spec.type}\n        ${spec.help}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`
  })
  const gates = [...gateSpecs].map(([name, { fallback }]) => `  ${name}=${fallback}`)
  return `Usage of sluice controller:\n${lines.join('\n')}\n\nFeature gates and their defaults:\n${gates.join('\n')}\n`
}

type Row = readonly [name: string, type: FlagSpec['type'], fallback: string, help: string, more?: Partial<FlagSpec>]

function honoured(rows: readonly Row[]): FlagSpec[] {
  return withSupport('honoured', rows)
}

function withSupport(support: Support, rows: readonly Row[]): FlagSpec[] {
  return rows.map(([name, type, fallback, help, more]) => ({ name, type, fallback, help, support, ...more }))
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
