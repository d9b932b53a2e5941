import { describe, expect, it } from 'vitest'
import { FlagError, type Flags, flagsHelp, parseFlags } from '../../src/runtime/flags.ts'

function flags(args: readonly string[] = [], env: Record<string, string> = {}): Flags {
  const line = parseFlags(args, env)
  if (line.help !== undefined) throw new Error('help was not asked for')
  return line.flags
}

function warnings(args: readonly string[]): readonly string[] {
  const line = parseFlags(args, {})
  return line.help === undefined ? line.warnings : []
}

describe('flags', () => {
  it('API-19 have the defaults of Flux', () => {
    expect(flags()).toMatchObject({
      controllers: ['source', 'kustomize', 'helm', 'notification'],
      metricsAddr: ':8080',
      healthAddr: ':9440',
      eventsAddr: '',
      storagePath: '/data',
      storageAddr: ':9090',
      storageAdvAddr: '',
      artifactRetentionTtlMs: 60_000,
      artifactRetentionRecords: 2,
      concurrent: undefined,
      concurrentSsa: undefined,
      overrideManagers: [],
      customApplyStageKinds: [],
      logLevel: 'info',
      logEncoding: 'json',
      enableLeaderElection: false,
      leaderElectionReleaseOnCancel: true,
      leaderElectionLeaseDurationMs: 35_000,
      leaderElectionRenewDeadlineMs: 30_000,
      leaderElectionRetryPeriodMs: 5_000,
      minRetryDelayMs: 750,
      maxRetryDelayMs: 900_000,
      requeueDependencyMs: 30_000,
      httpRetry: 9,
      intervalJitterPercentage: 5,
      watchAllNamespaces: true,
      watchConfigsLabelSelector: 'reconcile.fluxcd.io/watch=Enabled',
      noCrossNamespaceRefs: false,
      noRemoteBases: false,
    })
  })

  it('API-19 take values as Go programs do', () => {
    expect(flags(['--concurrent=8']).concurrent).toBe(8)
    expect(flags(['--concurrent', '8']).concurrent).toBe(8)
    expect(flags(['--no-remote-bases']).noRemoteBases).toBe(true)
    expect(flags(['--watch-all-namespaces=false'], { RUNTIME_NAMESPACE: 'ns' }).watchAllNamespaces).toBe(false)
    expect(flags(['--max-retry-delay=1h30m']).maxRetryDelayMs).toBe(5_400_000)
    expect(flags(['--log-level=debug', '--log-level=error']).logLevel).toBe('error')
    expect(flags(['--watch-label-selector', 'a in (b,c)']).watchLabelSelector).toBe('a in (b,c)')
  })

  it('API-19 fall back to the environment variables of Flux, and a flag given beats them', () => {
    const env = {
      METRICS_ADDR: ':1',
      EVENTS_ADDR: 'http://n/',
      STORAGE_PATH: '/x',
      STORAGE_ADDRESS: ':2',
      STORAGE_ADV_ADDR: 'adv',
      RUNTIME_NAMESPACE: 'ns',
    }
    expect(flags([], env)).toMatchObject({
      metricsAddr: ':1',
      eventsAddr: 'http://n/',
      storagePath: '/x',
      storageAddr: ':2',
      storageAdvAddr: 'adv',
      runtimeNamespace: 'ns',
    })
    expect(flags(['--metrics-addr=:3'], env).metricsAddr).toBe(':3')
  })

  it('API-20 know the feature gates and their defaults', () => {
    const { featureGates } = flags(['--feature-gates=DisableConfigWatchers=true,StrictPostBuildSubstitutions=false'])
    expect(featureGates.get('DisableConfigWatchers')).toBe(true)
    expect(featureGates.get('StrictPostBuildSubstitutions')).toBe(false)
    expect(featureGates.get('GroupChangeLog')).toBe(false)
    expect(flags().featureGates.get('StrictPostBuildSubstitutions')).toBe(true)
  })

  it('listen for events of other programs where --events-addr is no URL, and post to it where it is one', () => {
    expect(flags([])).toMatchObject({
      eventsAddr: '',
      eventsListenAddr: ':9091',
      receiverAddr: ':9292',
      exportHttpPathMetrics: false,
      rateLimitIntervalMs: 300_000,
    })
    expect(
      flags(['--events-addr=:9090', '--receiverAddr=:1', '--rate-limit-interval=1m', '--export-http-path-metrics']),
    ).toMatchObject({
      eventsAddr: '',
      eventsListenAddr: ':9090',
      receiverAddr: ':1',
      exportHttpPathMetrics: true,
      rateLimitIntervalMs: 60_000,
    })
    expect(flags(['--events-addr=http://n/'])).toMatchObject({ eventsAddr: 'http://n/', eventsListenAddr: ':9091' })
  })

  const refusals: readonly (readonly [string, readonly string[], string])[] = [
    ['an unknown flag', ['--foo=1'], 'unknown flag: --foo'],
    ['a name from the prototype', ['--constructor=1'], 'unknown flag: --constructor'],
    ['a flag without its value', ['--concurrent'], 'flag needs an argument: --concurrent'],
    ['an argument that is no flag', ['run'], 'unexpected argument "run"'],
    ['a number that is none', ['--concurrent=four'], 'invalid argument "four" for --concurrent: must be a whole number'],
    ['a number out of bounds', ['--interval-jitter-percentage=100'], 'must be at most 99'],
    ['no workers', ['--concurrent=0'], 'must be at least 1'],
    ['a duration without unit', ['--min-retry-delay=5'], 'invalid argument "5" for --min-retry-delay: missing unit'],
    ['a truth that is none', ['--no-remote-bases=yes'], 'must be true or false'],
    ['an unknown log level', ['--log-level=loud'], 'must be one of trace, debug, info, error'],
    ['an unknown loop', ['--controllers=source,helmet'], 'unknown loop "helmet" in --controllers'],
    [
      'a lease shorter than its renewal',
      ['--leader-election-lease-duration=10s'],
      '--leader-election-lease-duration must be longer',
    ],
    ['a namespace that is not known', ['--watch-all-namespaces=false'], 'RUNTIME_NAMESPACE'],
    [
      'an events address that is no URL, without the loop that listens',
      ['--controllers=source', '--events-addr=:9090'],
      'must be a URL',
    ],
    ['a setting that is not built yet', ['--sops-age-secret=keys'], '--sops-age-secret is not implemented in this version'],
    [
      'an account for tokens that nobody may choose',
      ['--default-kubeconfig-service-account=deployer'],
      'cannot set default service accounts when the feature gate ObjectLevelWorkloadIdentity is not enabled',
    ],
    ['a gate that is not built yet', ['--feature-gates=DetectDrift=true'], 'feature gate DetectDrift is not implemented'],
    ['a gate that is neither on nor off', ['--feature-gates=GroupChangeLog'], 'invalid value "" of feature gate GroupChangeLog'],
  ]
  it.each(refusals)('refuse %s', (_what, args, message) => {
    expect(() => flags(args)).toThrow(FlagError)
    expect(() => flags(args)).toThrow(message)
  })

  it('API-20 refuse an unknown feature gate and name the known ones', () => {
    expect(() => flags(['--feature-gates=Nope=true'])).toThrow(/"Nope" not supported: known are .*GroupChangeLog/)
  })

  it('accept what is not built yet at its default, and warn where ignoring it only costs speed', () => {
    expect(warnings(['--sops-age-secret=', '--token-cache-max-size=100'])).toEqual([])
    expect(warnings(['--kube-api-qps=500', '--feature-gates=CacheSecretsAndConfigMaps=true'])).toEqual([
      '--kube-api-qps has no effect in this version',
      'feature gate CacheSecretsAndConfigMaps has no effect in this version',
    ])
  })

  it('explain themselves', () => {
    expect(parseFlags(['--help'], {})).toEqual({ help: flagsHelp() })
    expect(flagsHelp()).toContain('--min-retry-delay duration\n        The first delay after a failed reconcile. (default 750ms)')
  })
})
