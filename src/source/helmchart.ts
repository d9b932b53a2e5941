/** HelmChart: keeps one chart, out of a repository or out of the files of another source, as a package. */
import { type HelmChart, helmChartKind } from '../api/helmchart.ts'
import type { Artifact } from '../api/meta.ts'
import { parseDuration } from '../lib/duration.ts'
import type { Loop, Outcome, UnsupportedField } from '../runtime/reconcile.ts'
import { registrySecretChanged, sourceChanged } from './chart-sources.ts'
import type { Packed } from './chart-tasks.ts'
import { type ChartBuild, type ChartContext, summaryOf } from './helmchart-build.ts'
import { chartFromFiles } from './helmchart-files.ts'
import { chartFromRepository } from './helmchart-repository.ts'
import { beginning, finalize, isThere, outdated, storeArtifact, storedArtifact, succeeded, traceEvent, upToDate } from './stored.ts'
import type { VersionCache } from './version-cache.ts'

const failures = ['BuildFailed', 'FetchFailed', 'StorageOperationFailed']
/** Name that stays with the newest chart, whatever it says. */
const link = 'latest.tar.gz'

const unsupported: readonly UnsupportedField<HelmChart>[] = [
  { field: 'spec.verify', isUsed: ({ spec }) => spec.verify !== undefined },
  { field: 'spec.sourceRef.kind Bucket', isUsed: ({ spec }) => spec.sourceRef.kind === 'Bucket' },
]

export function helmChartLoop(cache: VersionCache): Loop<HelmChart> {
  return {
    kind: helmChartKind,
    controller: 'source-controller',
    concurrent: 2,
    conditions: ['ArtifactInStorage', 'ArtifactOutdated', 'SourceVerified', ...failures],
    unsupported,
    watches: [sourceChanged, registrySecretChanged],
    reconcile: (object, context) => reconcile(object, context, cache),
    finalize,
    isThere,
  }
}

/**
 * One run. Finds out which chart in which version it is, and only if another one is stored downloads or packs it.
 * @throws Stalled for a chart or values files that are not there, Waiting for the source's artifact, Retryable for the rest.
 */
async function reconcile(object: HelmChart, context: ChartContext, cache: VersionCache): Promise<Outcome<HelmChart>> {
  context.progress(beginning(object))
  context.condition('SourceVerified', undefined)
  const stored = await storedArtifact(object, context, { link })
  const run = { object, context, stored }
  const isInRepository = object.spec.sourceRef.kind === 'HelmRepository'
  const build = await (isInRepository ? chartFromRepository(run, cache) : chartFromFiles(run))
  const { packed } = build
  if (packed) return done(object, await store(object, build, { packed, context }), { build, context })
  // Only what is stored can be unchanged.
  const artifact = stored as Artifact
  context.event(upToDate(artifact))
  return done(object, artifact, { build, context })
}

async function store(
  object: HelmChart,
  build: ChartBuild,
  { packed, context }: { readonly packed: Packed & { readonly file: string }; readonly context: ChartContext },
): Promise<Artifact> {
  const { name, version, valuesFiles } = build
  const { digest, sizeBytes, dependencies, file: temporaryFile } = packed
  if (dependencies > 0) context.event(traceEvent('ResolvedDependencies', `resolved ${dependencies} chart dependencies`))
  const isOther = object.status?.artifact?.revision !== version || object.status?.observedChartName !== name
  if (isOther) outdated(object, context, 'NewChart', summaryOf(build))
  const staged = { temporaryFile, fileName: fileNameOf(build), revision: version, digest, sizeBytes }
  const artifact = await storeArtifact(object, staged, { context, link, failure: 'unable to copy Helm chart to storage' })
  const { ignoreMissingValuesFiles } = object.spec
  context.set({ observedChartName: name, observedValuesFiles: ignoreMissingValuesFiles ? [...valuesFiles] : undefined })
  return artifact
}

/** The name of a chart in a registry may have several parts. */
function fileNameOf({ name, version }: ChartBuild): string {
  return `${name.split('/').filter(Boolean).at(-1)}-${version}.tgz`
}

function done(
  object: HelmChart,
  artifact: Artifact,
  { build, context }: { readonly build: ChartBuild; readonly context: ChartContext },
): Outcome<HelmChart> {
  const message = summaryOf(build)
  const reason = build.isPackaged ? 'ChartPackageSucceeded' : 'ChartPullSucceeded'
  const intervalMs = parseDuration(object.spec.interval)
  return succeeded(object, { context, artifact, failures, ready: { reason, message }, reason, message, intervalMs })
}
