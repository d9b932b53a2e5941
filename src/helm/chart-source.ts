/** The chart of a HelmRelease: which artifact it is, and what version the release gets from it. */

import { externalArtifactKind } from '../api/externalartifact.ts'
import { type HelmChart, helmChartKind } from '../api/helmchart.ts'
import type { HelmRelease } from '../api/helmrelease.ts'
import type { Kind } from '../api/kind.ts'
import { type Artifact, type CommonStatus, conditionOf, type FluxObject } from '../api/meta.ts'
import { type Key, keyText } from '../api/object.ts'
import { ociRepositoryKind } from '../api/ocirepository.ts'
import type { Informer } from '../kube/informer.ts'
import { formatDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import { compareVersions, parseVersion, printVersion, type Version } from '../lib/semver/index.ts'
import { ArtifactNotFound, ArtifactUnavailable } from '../runtime/artifacts.ts'
import { everyObject, type View } from '../runtime/caches.ts'
import type { Downloads } from '../runtime/downloads.ts'
import type { Flags } from '../runtime/flags.ts'
import { type Context, Retryable, Stalled, Waiting } from '../runtime/reconcile.ts'
import { chartKeyOf } from './settings.ts'

/** An object whose artifact is a chart. */
export type ChartSource = FluxObject<object, CommonStatus & { readonly artifact?: Artifact }>

/** The kinds that a release may take its chart from. Who writes ExternalArtifacts is not ours to control: they need their gate. */
export function chartSourceKinds({ featureGates }: Pick<Flags, 'featureGates'>): readonly Kind[] {
  const own = [helmChartKind, ociRepositoryKind]
  return featureGates.get(externalArtifactKind.kind) ? [...own, externalArtifactKind] : own
}

export function allChartSources(kind: Kind, view: View): Informer<ChartSource> {
  return everyObject<ChartSource>(kind, view)
}

export function allHelmCharts(view: View): Informer<HelmChart> {
  return everyObject<HelmChart>(helmChartKind, view)
}

/** Where the chart comes from: an object of its own, or the HelmChart made of the template. */
export function sourceOf(hr: HelmRelease): { readonly kind: string; readonly key: Key } | undefined {
  const { chartRef } = hr.spec
  if (chartRef) return { kind: chartRef.kind, key: { namespace: chartRef.namespace || hr.metadata.namespace, name: chartRef.name } }
  const key = chartKeyOf(hr)
  return key && { kind: helmChartKind.kind, key }
}

/** @throws Stalled AccessDenied where the process forbids references to other namespaces. */
export function assertMayRead(hr: HelmRelease, kind: string, key: Key, { flags }: Pick<Context, 'flags'>): void {
  if (!flags.noCrossNamespaceRefs || key.namespace === hr.metadata.namespace) return
  throw new Stalled('AccessDenied', `cross-namespace references are not allowed: cannot access ${kind} ${keyText(key)}`)
}

export interface ReadySource {
  readonly kind: string
  readonly artifact: Artifact
}

/**
 * The source's artifact. `made` is the HelmChart as it was just written, which the store may not have yet.
 * @throws Stalled where the reference is not allowed, Waiting for a source that is not there or not ready.
 */
export async function readySource(
  hr: HelmRelease,
  made: HelmChart | undefined,
  context: Context<HelmRelease>,
): Promise<ReadySource> {
  const reference = sourceOf(hr)
  if (!reference) throw new Stalled('InvalidChartReference', 'spec: either chart or chartRef must be set')
  const { kind, key } = reference
  assertMayRead(hr, kind, key, context)
  const sourceKind = chartSourceKinds(context.flags).find((one) => one.kind === kind)
  if (!sourceKind) throw new Stalled('AccessDenied', `can't access '${kind}/${keyText(key)}', ${kind} feature gate is disabled`)
  const sources = allChartSources(sourceKind, context)
  await sources.synced(context.signal)
  const source = sources.store.get(key) ?? made
  const retryMs = context.flags.requeueDependencyMs
  if (!source) {
    const message = `could not get Source object: ${sourceKind.plural}.source.toolkit.fluxcd.io "${key.name}" not found`
    throw new Waiting('ArtifactFailed', message, { retryMs })
  }
  const problem = problemOf(sourceKind, source)
  const artifact = source.status?.artifact
  if (problem !== undefined || !artifact) {
    throw new Waiting('SourceNotReady', `${kind} '${keyText(key)}' is not ready: ${problem ?? noArtifact}`, { retryMs })
  }
  return { kind, artifact }
}

const noArtifact = 'does not have an artifact'

/** Why a source cannot be used. Its Ready condition does not matter: an artifact that is there is good. */
function problemOf(kind: Kind, source: ChartSource): string | undefined {
  // Its maker says nothing about generations.
  if (kind === externalArtifactKind) return source.status?.artifact ? undefined : noArtifact
  const ready = conditionOf(source, 'Ready')
  const stalled = conditionOf(source, 'Stalled')
  if (source.status?.observedGeneration !== source.metadata.generation)
    return ready?.status === 'False' ? ready.message : 'latest generation of object has not been reconciled'
  if (stalled?.status === 'True') return stalled.message
  return source.status?.artifact ? undefined : noArtifact
}

/** What a run makes of a chart that could not be fetched or read. */
export function notLoaded(
  error: unknown,
  { downloads, context }: { readonly downloads: Downloads; readonly context: Context<HelmRelease> },
): Error {
  const { flags, key } = context
  if (error instanceof ArtifactNotFound) {
    const retryMs = flags.requeueDependencyMs
    const message = `Source not ready: artifact not found. Retrying in ${formatDuration(retryMs)}`
    return new Waiting('ArtifactFailed', message, { retryMs })
  }
  const message = `Could not load chart: ${messageOf(error)}`
  const retryMs = error instanceof ArtifactUnavailable ? downloads.failed(key, flags.httpRetry) : undefined
  if (retryMs !== undefined) return new Waiting('ArtifactFailed', message, { retryMs })
  context.event({ severity: 'error', reason: 'ArtifactFailed', message: messageOf(error) })
  return new Retryable('ArtifactFailed', message, { cause: error, silent: true })
}

export interface ReleasedVersion {
  /** With the first characters of the artifact's digest as build metadata, so that other content is another version. */
  readonly version: string
  /** Of the artifact: `sha256:<hex>`. */
  readonly ociDigest: string | undefined
}

const digestLength = 12

/**
 * The version that a release gets of a chart out of an artifact with this revision.
 * @throws Retryable ChartMutateError when both do not fit.
 * Source: mutateChartWithSourceRevision of helm-controller.
 */
export function releasedVersion(version: string, { kind, artifact }: ReadySource, tracksDigest: boolean): ReleasedVersion {
  const { revision } = artifact
  if (!namesDigest(kind, revision)) return { version, ociDigest: undefined }
  const parsed = versionOf(version)
  if (!parsed) throw mutateError(`invalid chart version ${version}`)
  const [tag = '', digest] = revision.split('@')
  // A registry has no tags with a plus.
  const tagged = versionOf(digest === undefined ? revision : tag.replaceAll('_', '+'))
  if (tagged && (digest === undefined || compareVersions(tagged, parsed) !== 0))
    throw mutateError(`artifact revision ${tag} does not match chart version ${version}`)
  const ociDigest = tagged && digest !== undefined ? digest : revision
  const [, hex = '', ...more] = ociDigest.split(':')
  if (more.length > 0 || hex.length < digestLength) throw mutateError(`invalid artifact revision ${ociDigest}`)
  const withDigest = printVersion({ ...parsed, metadata: hex.slice(0, digestLength) })
  return { version: tracksDigest ? withDigest : version, ociDigest }
}

/** Whether a revision says which content it is; otherwise it is a version of the chart. */
export function namesDigest(kind: string, revision: string): boolean {
  return kind === ociRepositoryKind.kind || (kind === externalArtifactKind.kind && revision.includes(':'))
}

function versionOf(text: string): Version | undefined {
  try {
    return parseVersion(text)
  } catch {
    return undefined
  }
}

function mutateError(message: string): Retryable {
  return new Retryable('ChartMutateError', message, { silent: true })
}
