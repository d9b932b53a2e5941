/** What the ways to a chart have in common: which version it gets, whether it is stored already, and how that is told. */
import { posix } from 'node:path'
import type { HelmChart } from '../api/helmchart.ts'
import type { Kind } from '../api/kind.ts'
import { type Artifact, conditionOf } from '../api/meta.ts'
import type { Informer } from '../kube/informer.ts'
import { messageOf } from '../lib/errors.ts'
import { ArtifactNotFound } from '../runtime/artifacts.ts'
import { type Context, Waiting } from '../runtime/reconcile.ts'
import type { ChartLimits, Packed, Packing } from './chart-tasks.ts'
import { withVersionMetadata } from './chart-versions.ts'
import { ChartError, chartFailure, isChartError } from './failure.ts'
import { failed, type SourceObject } from './stored.ts'

export type ChartContext = Context<HelmChart>

/** A chart as it is to be stored, or as it is. */
export interface ChartBuild {
  readonly name: string
  readonly version: string
  /** Whether it is not the package that somebody else made. */
  readonly isPackaged: boolean
  readonly valuesFiles: readonly string[]
  /** Absent: what is stored is this chart. */
  readonly packed?: Packed & { readonly file: string }
}

/** What is known of a chart before it is downloaded or packed. */
export interface Planned {
  readonly name: string
  readonly version: string
  readonly isPackaged: boolean
}

/** What a run works on. */
export interface ChartRun {
  readonly object: HelmChart
  readonly context: ChartContext
  readonly stored: Artifact | undefined
}

/** The values files, none where the list says no more than what charts do anyway. */
export function valuesFilesOf({ spec }: HelmChart): readonly string[] {
  const { valuesFiles = [] } = spec
  const [only] = valuesFiles
  return valuesFiles.length === 1 && posix.normalize(only ?? '') === 'values.yaml' ? [] : valuesFiles
}

/**
 * The version that the chart gets: its own, unless it has to change where the chart may have changed under it.
 * @throws Stalled for a version that cannot take metadata.
 */
export function versionOf(version: string, revision: string | undefined, { object, context }: ChartRun): string {
  const generation = valuesFilesOf(object).length > 0 ? String(object.metadata.generation) : undefined
  const metadata = [revision, generation].filter((part) => part !== undefined).join('.')
  if (metadata === '') return version
  try {
    return withVersionMetadata(version, metadata)
  } catch (error) {
    throw chartFailure(new ChartError('MetadataPatchError', messageOf(error), { cause: error }), context)
  }
}

/**
 * The chart, which is made only if another name or version is stored, or the spec has changed since.
 * @throws Stalled and Retryable, for what `make` throws.
 */
export async function built(
  planned: Planned,
  { object, context, stored }: ChartRun,
  make: (packing: Packing) => Promise<Packed>,
): Promise<ChartBuild> {
  const { name, version } = planned
  const { status, spec, metadata } = object
  const isKnown = stored?.revision === version && status?.observedChartName === name
  if (isKnown && status?.observedGeneration === metadata.generation)
    return { ...planned, valuesFiles: status.observedValuesFiles ?? valuesFilesOf(object) }
  if (!isKnown) context.progress(`building artifact: new '${name}' chart with version '${version}'`)
  const file = context.artifacts.temporaryFile()
  const packed = await make({
    version,
    isPackaged: planned.isPackaged,
    valuesFiles: valuesFilesOf(object),
    ignoreMissingValuesFiles: spec.ignoreMissingValuesFiles ?? false,
    file,
    limits: limitsOf(context),
  })
  return { ...planned, valuesFiles: packed.valuesFiles, packed: { ...packed, file } }
}

/** The source, from the store. @throws Retryable when there is none. */
export async function existing<T extends SourceObject>(
  { group, plural }: Kind,
  sources: Informer<T>,
  { object, context }: ChartRun,
): Promise<T> {
  const { name } = object.spec.sourceRef
  await sources.synced(context.signal)
  const found = sources.store.get({ namespace: object.metadata.namespace, name })
  if (found) return found
  const message = `failed to get source: ${plural}.${group} "${name}" not found`
  throw failed('FetchFailed', 'SourceUnavailable', message, { context })
}

/** The source's artifact. @throws Waiting when it has none. */
export function artifactOf({ status }: SourceObject, run: ChartRun): Artifact {
  if (!status?.artifact) throw noArtifact(run)
  run.context.set({ observedSourceArtifactRevision: status.artifact.revision })
  return status.artifact
}

/** What takes an artifact out of the store. @throws Waiting when it is not there, Retryable. */
export async function taken<T>(run: ChartRun, take: () => Promise<T>): Promise<T> {
  try {
    return await take()
  } catch (error) {
    run.context.signal.throwIfAborted()
    throw error instanceof ArtifactNotFound ? noArtifact(run) : unknown(error, run.context)
  }
}

function noArtifact({ object, context }: ChartRun): Waiting {
  const [reason, { kind, name }] = ['NoSourceArtifact', object.spec.sourceRef]
  const message = `no artifact available for ${kind} source '${name}'`
  const isNews = conditionOf(object, 'FetchFailed')?.reason !== reason
  context.condition('FetchFailed', { status: 'True', reason, message })
  return new Waiting(reason, message, { retryMs: context.flags.requeueDependencyMs, ...(isNews && { event: 'trace' }) })
}

/** Runs what may throw a ChartError. @throws Stalled, Retryable, the signal's reason. */
export async function attempt<T>(context: ChartContext, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    context.signal.throwIfAborted()
    throw isChartError(error) ? chartFailure(error, context) : unknown(error, context)
  }
}

function unknown(error: unknown, context: ChartContext): Error {
  return chartFailure(new ChartError('Unknown', messageOf(error), { cause: error }), context)
}

export function limitsOf({ flags }: ChartContext): ChartLimits {
  return { indexBytes: flags.helmIndexMaxSize, chartBytes: flags.helmChartMaxSize, fileBytes: flags.helmChartFileMaxSize }
}

/** Source: Build.Summary of source-controller. */
export function summaryOf({ name, version, isPackaged, valuesFiles }: ChartBuild): string {
  const merged = valuesFiles.length > 0 ? ` and merged values files [${valuesFiles.join(' ')}]` : ''
  return `${isPackaged ? 'packaged' : 'pulled'} '${name}' chart with version '${version}'${merged}`
}
