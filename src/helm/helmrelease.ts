/** HelmRelease: a Helm chart installed in the cluster and kept up to date. */
import type { KubeConfig } from '../api/fragments.ts'
import { type HelmRelease, helmReleaseKind } from '../api/helmrelease.ts'
import { keyText } from '../api/object.ts'
import type { Client } from '../kube/client.ts'
import { messageOf } from '../lib/errors.ts'
import type { Dict } from '../lib/gotemplate/value.ts'
import { Downloads } from '../runtime/downloads.ts'
import { healthRule } from '../runtime/health-expressions.ts'
import { type Context, type Loop, type Outcome, Preempted, Retryable, Stalled } from '../runtime/reconcile.ts'
import { KubeConfigMissing, type RemoteClusters } from '../runtime/remote-clusters.ts'
import type { ActionContext, Actions, ReleaseStorage, Render } from './action.ts'
import type { WantedChart } from './acts.ts'
import { ChartHeads } from './chart-heads.ts'
import { notLoaded, type ReadySource, readySource, releasedVersion } from './chart-source.ts'
import { deleteHelmChart, keepHelmChart } from './chart-template.ts'
import { dependenciesReady } from './depends.ts'
import { isDigestOf, valuesDigest } from './digests.ts'
import { RightObjects } from './drift.ts'
import { resolveHost } from './hosts.ts'
import { Ledger, ownConditions } from './ledger.ts'
import { ReleaseRun } from './release-run.ts'
import type { RenderParts } from './render.ts'
import type { Scope } from './scope.ts'
import { SeenRevisions } from './seen.ts'
import { releaseNameOf, releaseNamespaceOf, storageNamespaceOf, withDefaults } from './settings.ts'
import { uninstall } from './uninstall.ts'
import { composeValues, ValuesError } from './values.ts'
import { configurationChanged, dependencyReady, sourceChanged } from './watches.ts'

/** What the loop is made of besides the environment. */
export interface HelmParts {
  readonly actions: Actions
  storageIn(client: Client, namespace: string): ReleaseStorage
  /** How releases of this HelmRelease are rendered. */
  renderOf(hr: HelmRelease, parts: RenderParts): Render
  /** Where `spec.kubeConfig` leads. */
  readonly remoteClusters: Pick<RemoteClusters, 'of'>
}

export function helmReleaseLoop(parts: HelmParts): Loop<HelmRelease> {
  const memory: Memory = {
    heads: new ChartHeads(),
    downloads: new Downloads(),
    right: new RightObjects(),
    seen: new SeenRevisions(),
    acting: new Set(),
  }
  return {
    kind: helmReleaseKind,
    controller: 'helm-controller',
    concurrent: 4,
    conditions: ownConditions,
    afterFailure: 'Progressing',
    unsupported: [],
    watches: [sourceChanged, dependencyReady((key) => memory.acting.has(keyText(key))), configurationChanged],
    reconcile: (hr, context) => new Run(hr, context, { ...parts, ...memory }).reconcile(),
    finalize: (hr, context) => new Run(hr, context, { ...parts, ...memory }).finalize(),
    forget(key) {
      memory.downloads.forget(key)
      memory.right.forget(key)
      memory.seen.forget(key)
    },
  }
}

/** What is kept between runs. */
interface Memory {
  readonly heads: ChartHeads
  readonly downloads: Downloads
  readonly right: RightObjects
  readonly seen: SeenRevisions
  /** Objects whose release is being worked on. */
  readonly acting: Set<string>
}

const resetAnnotation = 'reconcile.fluxcd.io/resetAt'

/** One run: the steps share its object, context and parts. */
class Run {
  readonly #hr: HelmRelease
  readonly #context: Context<HelmRelease>
  readonly #parts: HelmParts & Memory
  readonly #ledger: Ledger
  #rule: ActionContext['healthRule']

  constructor(hr: HelmRelease, context: Context<HelmRelease>, parts: HelmParts & Memory) {
    this.#hr = withDefaults(hr, context.flags)
    this.#context = context
    this.#parts = parts
    this.#ledger = new Ledger(this.#hr, context)
  }

  /** @throws Waiting for a dependency or the chart, Stalled for a spec that cannot work, Retryable for the rest. */
  async reconcile(): Promise<Outcome<HelmRelease>> {
    this.#rule = healthRule(this.#hr.spec.healthCheckExprs)
    const made = await keepHelmChart(this.#ledger, this.#context)
    this.#context.progress('Fulfilling prerequisites')
    await dependenciesReady(this.#hr, this.#context)
    const source = await readySource(this.#hr, made, this.#context)
    const values = await this.#values()
    const chart = await this.#chart(source)
    await this.#leaveOldTarget(chart)
    this.#noteAttempt(chart, values)

    const release = { name: releaseNameOf(this.#hr), namespace: releaseNamespaceOf(this.#hr) }
    const scope = await this.#scope(release, storageNamespaceOf(this.#hr))
    const key = keyText(this.#context.key)
    this.#parts.acting.add(key)
    try {
      return await new ReleaseRun({ ...scope, chart, values }).run()
    } finally {
      this.#parts.acting.delete(key)
    }
  }

  /** Uninstalls the release and removes the HelmChart. What was suspended stays as it is. */
  async finalize(): Promise<void> {
    if (this.#hr.spec.suspend) return
    if (await this.#mayUninstall()) await this.#uninstall()
    await deleteHelmChart(this.#ledger, this.#context)
  }

  async #values(): Promise<Dict> {
    const { client, signal } = this.#context
    try {
      return await composeValues(this.#hr, { client, signal })
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof ValuesError) this.#ledger.event('error', 'ValuesError', error.message)
      throw new Retryable('ValuesError', messageOf(error), { cause: error, silent: error instanceof ValuesError })
    }
  }

  /** The chart's head is remembered: its file is only needed where something is released. */
  async #chart(source: ReadySource): Promise<WantedChart> {
    const { artifacts, workers, key } = this.#context
    const { heads, downloads } = this.#parts
    const load = async (signal: AbortSignal) => {
      try {
        const head = await heads.of(source.artifact, { artifacts, workers, signal })
        downloads.forget(key)
        return head
      } catch (error) {
        throw signal.aborted ? error : notLoaded(error, { downloads, context: this.#context })
      }
    }
    const known = heads.known(source.artifact)
    const { metadata, crds } = known ?? (await this.#context.parked(load, { early: true }))
    const tracksDigest = !this.#context.flags.featureGates.get('DisableChartDigestTracking')
    const { version, ociDigest } = releasedVersion(metadata.version, source, tracksDigest)
    return {
      digest: source.artifact.digest,
      metadata: { ...metadata, version },
      crds,
      ociDigest,
      withFile: async (use) => {
        await using borrowed = await artifacts.borrow(source.artifact, this.#context.signal)
        return await use(borrowed.file)
      },
    }
  }

  /** A release under another name, namespace or storage is another release: the old one goes first. */
  async #leaveOldTarget(chart: WantedChart): Promise<void> {
    const reason = this.#changeOfTarget(chart)
    if (reason === undefined) return
    this.#context.log.info({ reason }, 'release target configuration changed: running uninstall for current release')
    this.#context.progress("Running 'uninstall' action")
    await this.#uninstall()
    this.#ledger.clearFailures()
    await this.#ledger.record({ history: undefined, storageNamespace: undefined })
  }

  /** Source: internal/action/verify.go ReleaseTargetChanged. */
  #changeOfTarget({ metadata }: WantedChart): string | undefined {
    const [current] = this.#ledger.history
    const { storageNamespace } = this.#ledger.status
    if (!current || !storageNamespace) return undefined
    if (storageNamespaceOf(this.#hr) !== storageNamespace) return 'storage namespace'
    if (releaseNamespaceOf(this.#hr) !== current.namespace) return 'release namespace'
    if (releaseNameOf(this.#hr) !== current.name) return 'release name'
    const reinstalls = this.#hr.spec.upgrade?.chartNameChangeStrategy === 'Reinstall'
    return reinstalls && metadata.name !== current.chartName ? 'chart name' : undefined
  }

  /** Failures count for what was tried: with something else to try they are forgotten. Source: internal/action/reset.go. */
  #noteAttempt({ metadata, ociDigest }: WantedChart, values: Dict): void {
    const { lastAttemptedGeneration, lastAttemptedRevision, lastAttemptedConfigDigest } = this.#ledger.status
    const isAskedToReset = this.#ledger.takesRequest(resetAnnotation, 'lastHandledResetAt')
    const hasChanged =
      lastAttemptedGeneration !== this.#hr.metadata.generation ||
      lastAttemptedRevision !== metadata.version ||
      (lastAttemptedConfigDigest !== undefined && !isDigestOf(lastAttemptedConfigDigest, values))
    if (hasChanged || isAskedToReset) this.#ledger.clearFailures()
    this.#ledger.set({
      storageNamespace: storageNamespaceOf(this.#hr),
      lastAttemptedGeneration: this.#hr.metadata.generation,
      lastAttemptedRevision: metadata.version,
      lastAttemptedRevisionDigest: ociDigest,
      lastAttemptedConfigDigest: valuesDigest(values),
      lastAttemptedValuesChecksum: undefined,
      lastReleaseRevision: undefined,
    })
  }

  /**
   * Without the account to act as, as when its namespace is being deleted, or the way to the other cluster, nothing can be uninstalled,
   * and nobody should wait for it.
   */
  async #mayUninstall(): Promise<boolean> {
    if (!this.#ledger.status.storageNamespace) return false
    return this.#hr.spec.kubeConfig ? await this.#isReachable() : await this.#hasAccount()
  }

  async #isReachable(): Promise<boolean> {
    const { signal, log } = this.#context
    try {
      await this.#client()
      return true
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof Preempted) throw error
      if (!(error instanceof KubeConfigMissing)) {
        const message = `failed to build REST client getter to uninstall release: ${messageOf(error)}`
        throw new Retryable('UninstallFailed', message, { cause: error, silent: true })
      }
      log.error({ error: messageOf(error) }, 'skipping Helm release uninstallation')
      return false
    }
  }

  async #hasAccount(): Promise<boolean> {
    const name = this.#hr.spec.serviceAccountName
    if (!name) return true
    const { client, signal, log } = this.#context
    const ref = { apiVersion: 'v1', kind: 'ServiceAccount', namespace: this.#hr.metadata.namespace, name }
    try {
      if (await client.find(ref, { metadataOnly: true, signal })) return true
    } catch (error) {
      signal.throwIfAborted()
      const message = `failed to confirm ServiceAccount '${name}' can be used to uninstall release: ${messageOf(error)}`
      throw new Retryable('UninstallFailed', message, { cause: error, silent: true })
    }
    log.error({ error: `service account '${name}' not found` }, 'skipping Helm release uninstallation')
    return false
  }

  async #uninstall(): Promise<void> {
    const [current] = this.#ledger.history
    if (!current) return
    await uninstall(await this.#scope(current, this.#ledger.status.storageNamespace ?? storageNamespaceOf(this.#hr)))
  }

  async #scope({ name, namespace }: Scope['release'], storageNamespace: string): Promise<Scope> {
    const client = await this.#client().catch((error) => {
      if (error instanceof Preempted || error instanceof Stalled) throw error
      throw new Retryable('RESTClientError', messageOf(error), { cause: error, silent: true })
    })
    const { workers, signal, flags } = this.#context
    const { actions, storageIn, renderOf, right, seen } = this.#parts
    return {
      ledger: this.#ledger,
      context: this.#context,
      actions,
      storage: storageIn(client, storageNamespace),
      release: { name, namespace },
      client,
      render: renderOf(this.#hr, { client, workers, signal, ...(flags.featureGates.get('AllowDNSLookups') && { resolveHost }) }),
      right,
      seen,
      ...(this.#rule && { healthRule: this.#rule }),
    }
  }

  /** Of the release's cluster, with the release's identity there. @throws KubeConfigMissing, Error that names the Secret */
  async #client(): Promise<Client> {
    const { serviceAccountName, kubeConfig } = this.#hr.spec
    const { key } = this.#context
    const client = kubeConfig ? await this.#remote(kubeConfig) : this.#context.client
    return serviceAccountName ? client.as({ user: `system:serviceaccount:${key.namespace}:${serviceAccountName}` }) : client
  }
  /** Holds no worker: the cluster may be slow, or gone. */
  #remote(kubeConfig: KubeConfig): Promise<Client> {
    const { client, key } = this.#context
    const reach = async (signal: AbortSignal) => {
      const remote = await this.#parts.remoteClusters.of({ namespace: key.namespace ?? '', kubeConfig }, { client, signal })
      await remote.reached(signal)
      return remote.client
    }
    return this.#context.parked(reach)
  }
}
