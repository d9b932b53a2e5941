/**
 * kustomize builds: from a folder in a file tree to the objects that `kustomize build` v5.8.1 prints.
 *
 * `build` is the whole engine. It reads nothing but the tree; what lies on the network is fetched by the function that is
 * handed in. Kustomization files are parsed in `kustomization.ts`, walked in `target.ts`; each field of them is one file in
 * `generators/` or `transformers/`; `resource.ts` and `resmap.ts` are what these work on.
 */

import { BuildError, messageOf } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { Tree } from '../tree.ts'
import { emit, type YamlLimits } from '../yaml/index.ts'
import { buildTarget, type Reorder } from './build.ts'
import type { ChartOptions } from './generators/charts.ts'
import { HttpError, type LoadRestrictor, NeedsRemote, type Remotes, remoteKey } from './loader.ts'
import type { ParseCache } from './parse-cache.ts'
import type { RemoteLoader, RemoteRequest } from './remote.ts'
import { outputNames } from './resid.ts'

export type { Reorder } from './build.ts'
export type { ChartEngine, ChartLocation, ChartOptions, ChartRequest } from './generators/charts.ts'
export type { LoadRestrictor } from './loader.ts'
export { ParseCache } from './parse-cache.ts'
export { type RemoteLoader, type RemoteRequest, type RepoSpec, repoSpecOf } from './remote.ts'
export { KUSTOMIZATION_FILES } from './target.ts'

/** kustomize's flags. */
export interface BuildOptions {
  /** `LoadRestrictionsRootOnly` if not given, as for the command; Flux builds with `LoadRestrictionsNone`. */
  readonly loadRestrictor?: LoadRestrictor
  /** `unspecified` if not given, as for the command; Flux builds with `none`. */
  readonly reorder?: Reorder
  /** The flag --enable-managedby-label. */
  readonly addManagedByLabel?: boolean
  /** The tree is a whole disk: paths may be absolute, and messages show them so. */
  readonly wholeDisk?: boolean
  /** Reads the outermost kustomization file as Flux does: fields that do not exist are dropped, numbers taken for texts. */
  readonly lenientRoot?: boolean
  /** Fetches remote bases and files. Without it they are refused. */
  readonly remote?: RemoteLoader
  /** Renders helmCharts. Without it they are refused, as without --enable-helm. */
  readonly charts?: ChartOptions
  /** Keeps parsed files between builds. */
  readonly cache?: ParseCache
  readonly limits?: YamlLimits & {
    /** Remote bases and files of one build; 64 if not given. */
    readonly maxRemotes?: number
  }
}

export interface BuildResult {
  /** The objects as plain data, in the order of the output. */
  readonly resources: readonly JsonObject[]
  /** For each object the file of the tree that it comes from; undefined for what was generated. */
  readonly files: readonly (string | undefined)[]
  /** The bytes that kustomize prints. */
  yaml(): string
  /** What kustomize writes into a folder: name of a file → its bytes. */
  yamlFiles(): ReadonlyMap<string, string>
  readonly warnings: readonly string[]
  /** Each file that was read with its SHA-256 in hex; undefined for a path that was looked for and is not there. */
  readonly filesRead: ReadonlyMap<string, string | undefined>
}

const MAX_REMOTES = 64

/**
 * Builds the kustomization in a folder of the tree (`''` for its root).
 * @throws BuildError or ParseError; the message names file, line and field where they are known, and the chain of bases.
 */
export async function build(tree: Tree, path: string, options: BuildOptions = {}): Promise<BuildResult> {
  const remotes = new Map<string, Tree | Uint8Array | Error | undefined>()
  for (;;) {
    try {
      return buildOnce(tree, path, options, remotes)
    } catch (error) {
      if (error instanceof RangeError) throw new BuildError('an object is nested too deeply', {}, { cause: error })
      if (!(error instanceof NeedsRemote)) throw error
      if (remotes.size >= (options.limits?.maxRemotes ?? MAX_REMOTES))
        throw new BuildError(`more than ${remotes.size} remote bases and files`)
      remotes.set(remoteKey(error.request), await fetchRemote(error.request, options.remote))
    }
  }
}

/** What cannot be fetched is an error where it is named, so that the message tells which file names it. */
async function fetchRemote(
  request: RemoteRequest,
  remote: RemoteLoader | undefined,
): Promise<Tree | Uint8Array | Error | undefined> {
  const url = request.kind === 'git' ? request.raw : request.url
  if (!remote) throw new BuildError(`'${url}' is a remote base or file, and these are not allowed here: use a path in the source`)
  try {
    return await remote(request)
  } catch (error) {
    if (error instanceof BuildError) throw error
    const message = `failed to fetch '${url}': ${messageOf(error)}`
    return request.kind === 'file' ? new HttpError(message, {}, { cause: error }) : new BuildError(message, {}, { cause: error })
  }
}

function buildOnce(tree: Tree, path: string, options: BuildOptions, remotes: Remotes): BuildResult {
  const filesRead = new Map<string, string | undefined>()
  const { loadRestrictor: restrictor = 'LoadRestrictionsRootOnly', wholeDisk = false } = options
  const sources = { restrictor, wholeDisk, remotes, filesRead }
  const built = buildTarget(tree, path, sources, {
    reorder: options.reorder ?? 'unspecified',
    addManagedByLabel: options.addManagedByLabel ?? false,
    lenientRoot: options.lenientRoot ?? false,
    limits: options.limits ?? {},
    cache: options.cache,
    charts: options.charts,
  })
  const resources = built.resources.map((resource) => resource.toJson())
  const files = built.resources.map(({ file }) => file)
  return {
    resources,
    files,
    yaml: () => resources.map(emit).join('---\n'),
    yamlFiles() {
      const names = outputNames(built.resources.map((resource) => resource.currentId()))
      return new Map(resources.map((resource, index) => [names[index] ?? '', emit(resource)]))
    },
    warnings: built.warnings,
    filesRead,
  }
}
