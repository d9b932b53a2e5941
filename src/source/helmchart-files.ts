/** Charts among the files of another source, with their dependencies. Source: buildFromTarballArtifact of source-controller. */
import { gitRepositoryKind } from '../api/gitrepository.ts'
import type { Artifact } from '../api/meta.ts'
import { messageOf } from '../lib/errors.ts'
import { ArtifactNotFound } from '../runtime/artifacts.ts'
import { allGitRepositories, repositoryAt } from './chart-sources.ts'
import { type ChartFiles, type ChartRepository, inspectTask, type Packed, type Packing, packageTask } from './chart-tasks.ts'
import { anonymousAccess, helmAccess } from './helm-access.ts'
import {
  artifactOf,
  attempt,
  built,
  type ChartBuild,
  type ChartRun,
  existing,
  limitsOf,
  taken,
  valuesFilesOf,
  versionOf,
} from './helmchart-build.ts'

/** How long a chart may take, downloads of its dependencies included: a thread that is still busy after that is ended. */
const workTimeoutMs = 15 * 60_000
/** A version goes into labels, which are short: this is enough of a commit's id. */
const revisionLength = 12

/** @throws Stalled, Retryable, Waiting. */
export async function chartFromFiles(run: ChartRun): Promise<ChartBuild> {
  const { object, context } = run
  const { workers, signal, artifacts } = context
  const source = await existing(gitRepositoryKind, allGitRepositories(context), run)
  const artifact = artifactOf(source, run)
  const { directory } = await taken(run, () => artifacts.open(artifact, signal))
  const files: ChartFiles = { directory, path: object.spec.chart }
  const inspected = await attempt(context, () =>
    workers.run(inspectTask, { ...files, limits: limitsOf(context) }, { signal, timeoutMs: workTimeoutMs }),
  )
  const revision = object.spec.reconcileStrategy === 'Revision' ? shortRevision(artifact) : undefined
  const isPackaged = inspected.isFolder || revision !== undefined || valuesFilesOf(object).length > 0
  const planned = { name: inspected.name, version: versionOf(inspected.version, revision, run), isPackaged }
  return built(planned, run, (packing) => attempt(context, () => packaged(files, packing, run)))
}

/** Of the commit: `main@sha1:<hex>`. */
function shortRevision({ revision }: Artifact): string {
  return revision.slice(revision.search(/[^:/@]*$/)).slice(0, revisionLength)
}

/** Only the chart itself says which repositories its dependencies come from: they are looked up when it asks for them. */
async function packaged(files: ChartFiles, packing: Packing, run: ChartRun): Promise<Packed> {
  const { workers, signal } = run.context
  await using borrowed = new AsyncDisposableStack()
  const repositories = new Map<string, ChartRepository | { readonly problem: string }>()
  for (;;) {
    const output = await workers.run(packageTask, { ...files, ...packing, repositories }, { signal, timeoutMs: workTimeoutMs })
    if (!('lacking' in output)) return output
    for (const address of output.lacking) repositories.set(address, await repositoryFor(address, borrowed, run))
  }
}

/** A HelmRepository of the namespace with that address says how to get at it; without one it is open to all. */
async function repositoryFor(
  address: string,
  borrowed: AsyncDisposableStack,
  { object, context }: ChartRun,
): Promise<ChartRepository | { readonly problem: string }> {
  const described = await repositoryAt(address, object.metadata.namespace, context)
  if (!described) return { access: anonymousAccess(address) }
  try {
    const access = await helmAccess(described, context)
    const artifact = access.isOci ? undefined : described.status?.artifact
    const index = artifact && (await context.artifacts.borrow(artifact, context.signal).catch(unlessMissing))
    return { access, indexFile: index && borrowed.use(index).file }
  } catch (error) {
    context.signal.throwIfAborted()
    return { problem: messageOf(error) }
  }
}

/** The index can be downloaded as well. */
function unlessMissing(error: unknown): undefined {
  if (!(error instanceof ArtifactNotFound)) throw error
}
