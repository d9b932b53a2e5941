/** The HelmChart that is made of `spec.chart`. Source: internal/reconcile/helmchart_template.go. */
import { isDeepStrictEqual } from 'node:util'
import { type HelmChart, helmChartKind } from '../api/helmchart.ts'
import type { HelmRelease } from '../api/helmrelease.ts'
import { type Key, type KubeObject, keyText } from '../api/object.ts'
import { messageOf } from '../lib/errors.ts'
import { type Context, Retryable } from '../runtime/reconcile.ts'
import { allHelmCharts, assertMayRead } from './chart-source.ts'
import type { Ledger } from './ledger.ts'
import { chartKeyOf } from './settings.ts'

const fieldManager = 'helm-controller'
const group = 'helm.toolkit.fluxcd.io'

/**
 * Keeps the HelmChart as the template wants it, and removes one that is not wanted any more. Returns it as it is after a write; undefined
 * where nothing had to be written.
 * @throws Stalled AccessDenied, Retryable.
 */
export async function keepHelmChart(ledger: Ledger, context: Context<HelmRelease>): Promise<HelmChart | undefined> {
  const { hr } = ledger
  const key = chartKeyOf(hr)
  const wanted = key && keyText(key)
  if (ledger.status.helmChart && ledger.status.helmChart !== wanted) await deleteHelmChart(ledger, context)
  if (!key) return undefined
  assertMayRead(hr, helmChartKind.kind, key, context)

  const desired = helmChartOf(hr, key)
  const charts = allHelmCharts(context)
  await charts.synced(context.signal)
  const live = charts.store.get(key)
  ledger.set({ helmChart: wanted })
  if (live && isAsWanted(live, desired)) return undefined
  try {
    const applied = await context.client.apply<HelmChart>(desired, { fieldManager, force: true, signal: context.signal })
    tellApplied(live, applied, context)
    return applied
  } catch (error) {
    context.signal.throwIfAborted()
    const message = `failed to run server-side apply: ${messageOf(error)}`
    context.event({ severity: 'trace', reason: 'HelmChartSyncErr', message })
    throw new Retryable('ArtifactFailed', message, { cause: error, silent: true })
  }
}

/** @throws Retryable when it cannot be deleted, Stalled AccessDenied. */
export async function deleteHelmChart(ledger: Ledger, context: Context<HelmRelease>): Promise<void> {
  const { helmChart } = ledger.status
  const [namespace, name] = helmChart?.split('/') ?? []
  if (!namespace || !name) return
  assertMayRead(ledger.hr, helmChartKind.kind, { namespace, name }, context)
  try {
    const { apiVersion, kind } = helmChartKind
    await context.client.delete({ apiVersion, kind, namespace, name }, { signal: context.signal })
  } catch (error) {
    context.signal.throwIfAborted()
    const message = `failed to delete HelmChart '${helmChart}': ${messageOf(error)}`
    throw new Retryable('ArtifactFailed', message, { cause: error, silent: true })
  }
  context.event({ severity: 'trace', reason: 'HelmChartDeleted', message: `deleted HelmChart '${helmChart}'` })
  ledger.set({ helmChart: undefined })
}

function helmChartOf(hr: HelmRelease, { namespace, name }: Key): KubeObject {
  const { metadata, spec } = hr.spec.chart ?? {}
  const { sourceRef, verify, version, valuesFiles, reconcileStrategy, ignoreMissingValuesFiles } = spec ?? {}
  return {
    apiVersion: helmChartKind.apiVersion,
    kind: helmChartKind.kind,
    metadata: {
      namespace,
      name,
      labels: { ...metadata?.labels, [`${group}/name`]: hr.metadata.name, [`${group}/namespace`]: hr.metadata.namespace },
      ...(metadata?.annotations && { annotations: metadata.annotations }),
    },
    spec: {
      chart: spec?.chart,
      ...(version && { version }),
      sourceRef: { kind: sourceRef?.kind, name: sourceRef?.name },
      interval: spec?.interval ?? hr.spec.interval,
      ...(reconcileStrategy && { reconcileStrategy }),
      ...(valuesFiles && valuesFiles.length > 0 && { valuesFiles }),
      ...(ignoreMissingValuesFiles && { ignoreMissingValuesFiles }),
      ...(verify && { verify: { provider: verify.provider, ...(verify.secretRef && { secretRef: verify.secretRef }) } }),
    },
  }
}

/** What the API server fills in is in both: the template has the same defaults. Durations may be written in several ways: that costs an apply. */
function isAsWanted(live: HelmChart, desired: KubeObject): boolean {
  const has = (found: Readonly<Record<string, string>> = {}, wanted: Readonly<Record<string, string>> = {}) =>
    Object.entries(wanted).every(([key, value]) => Object.hasOwn(found, key) && found[key] === value)
  return (
    !live.metadata.deletionTimestamp &&
    isDeepStrictEqual(live.spec, desired.spec) &&
    has(live.metadata.labels, desired.metadata.labels) &&
    has(live.metadata.annotations, desired.metadata.annotations)
  )
}

function tellApplied(live: HelmChart | undefined, applied: HelmChart, context: Context<HelmRelease>): void {
  if (live?.metadata.resourceVersion === applied.metadata.resourceVersion) return
  const { namespace, name } = applied.metadata
  const { kind, name: source } = applied.spec.sourceRef
  const [action, reason] = live ? ['configured', 'HelmChartConfigured'] : ['created', 'HelmChartCreated']
  const message = `${action} HelmChart/${namespace}/${name} with SourceRef '${kind}/${namespace}/${source}'`
  context.log.info({}, message)
  context.event({ severity: 'trace', reason, message: message[0]?.toUpperCase() + message.slice(1) })
}
