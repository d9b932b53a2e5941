/** The part of a run that needs no cluster, as a task of the worker pool: files of an artifact and a spec → objects. */
import { createHash } from 'node:crypto'
import { displayName, gvkOf, type KubeObject, refOf } from '../api/object.ts'
import type { ManifestItem } from '../kube/applier.ts'
import { diskTree, recordedTree, withFile } from '../lib/disk-tree.ts'
import { BuildError, messageOf, type Place } from '../lib/errors.ts'
import type { Json, JsonObject } from '../lib/json.ts'
import { build, ParseCache } from '../lib/kustomize/index.ts'
import type { Tree } from '../lib/tree.ts'
import { emit } from '../lib/yaml/index.ts'
import type { TaskContext } from '../runtime/workers.ts'
import { type BuildInput, type BuildOutput, pathInArtifact } from './build-task.ts'
import { generateKustomization, type KustomizationFile, manifestProblem } from './generate.ts'
import { Remotes } from './remote.ts'
import { type Built, substituteVariables } from './substitute.ts'
import type { Substitution } from './variables.ts'

/** One for each thread, enough for some 3,000 objects. */
const parsedFiles = new ParseCache(16 * 2 ** 20)

/** @throws BuildError or ParseError with a message that names the file, and the line where there is one. */
export async function buildManifests(input: BuildInput, { signal }: TaskContext): Promise<BuildOutput> {
  const recorded = recordedTree(diskTree(input.directory))
  const directory = pathInArtifact(input.path)
  if (recorded.tree.list(directory) === undefined) throw new BuildError(`path '${input.path}' is not a directory`)
  const kustomization = generateKustomization(recorded.tree, directory, input.settings)
  await using remotes = remotesOf(input, signal)
  const { resources, files, warnings } = await runKustomize(recorded.tree, directory, { ...kustomization, remotes })

  const built = resources
    .map((object, index) => substituted(checked({ object, file: files[index] }), input.substitution))
    .filter(isToApply)
  assertDistinct(built)
  const digest = createHash('sha256')
  for (const [index, { text }] of built.entries()) digest.update(index === 0 ? text : `---\n${text}`)
  const objects = built.map(({ object }) => withCommonMetadata(object, input.commonMetadata))
  for (const object of objects) assertNotEncrypted(object)
  return {
    items: objects.map((object, index) => itemOf(object, built[index]?.text ?? '', input.commonMetadata)),
    objects,
    digest: `sha256:${digest.digest('hex')}`,
    reads: [...recorded.reads],
    lists: [...recorded.lists],
    mayMove: remotes?.mayMove ?? false,
    warnings,
  }
}

function remotesOf({ remoteTimeoutMs: timeoutMs }: BuildInput, signal: AbortSignal): Remotes | undefined {
  return timeoutMs === undefined ? undefined : new Remotes({ signal, timeoutMs })
}

interface Kustomize extends KustomizationFile {
  readonly remotes: Remotes | undefined
}

async function runKustomize(tree: Tree, directory: string, { path, content, manifests, remotes }: Kustomize) {
  try {
    return await build(content === undefined ? tree : withFile(tree, path, content), directory, {
      loadRestrictor: 'LoadRestrictionsNone',
      reorder: 'none',
      lenientRoot: true,
      cache: parsedFiles,
      ...(remotes && { remote: (request) => remotes.load(request) }),
    })
  } catch (error) {
    for (const file of manifests) {
      const problem = manifestProblem(tree, file)
      if (problem === undefined) continue
      throw new BuildError(
        `failed to decode Kubernetes YAML from ${file}: ${problem}`,
        { ...placeOf(error), file },
        { cause: error },
      )
    }
    throw new BuildError(`kustomize build failed: ${messageOf(error)}`, placeOf(error), { cause: error })
  }
}

function placeOf(error: unknown): Place {
  return error instanceof Error && 'place' in error ? (error.place as Place) : {}
}

/** The resource as an object with a name. */
function checked(resource: { readonly object: Json; readonly file?: string | undefined }): Built {
  const { object, file } = resource
  const { apiVersion, kind, metadata } = isObject(object) ? object : {}
  const name = isObject(metadata) ? metadata.name : undefined
  if (!apiVersion || !kind || !name) {
    const found = JSON.stringify({ apiVersion, kind, metadata: { name } })
    throw new BuildError(
      `failed to decode Kubernetes apiVersion, kind and name from: ${found}${file === undefined ? '' : ` in ${file}`}`,
    )
  }
  return { object: object as unknown as KubeObject, text: emit(object), file }
}

function substituted(built: Built, substitution: Substitution | undefined): Built {
  if (!substitution) return built
  const object = substituteVariables(built, substitution)
  return object === built.object ? built : checked({ object: object as unknown as Json, file: built.file })
}

/** Kustomize's own configuration is never applied. Source: github.com/fluxcd/pkg/ssa/utils ReadObjects. */
function isToApply({ object }: Built): boolean {
  return !(object.kind === 'Kustomization' && gvkOf(object).group === 'kustomize.config.k8s.io')
}

/** Kustomize has made sure of it, but a variable in a name may undo it. */
function assertDistinct(built: readonly Built[]): void {
  const seen = new Map<string, Built>()
  for (const one of built) {
    const { group, kind } = gvkOf(one.object)
    const id = `${group}/${kind}/${one.object.metadata.namespace ?? ''}/${one.object.metadata.name}`
    const other = seen.get(id)
    if (other) {
      const files = [other.file, one.file].filter((file) => file !== undefined).join(' and ')
      throw new BuildError(`${displayName(refOf(one.object))} is there twice after substitution${files && `: in ${files}`}`)
    }
    seen.set(id, one)
  }
}

function withCommonMetadata(object: KubeObject, common: BuildInput['commonMetadata']): KubeObject {
  if (!common) return object
  const { labels, annotations } = object.metadata
  return {
    ...object,
    metadata: {
      ...object.metadata,
      ...((labels || common.labels) && { labels: { ...labels, ...common.labels } }),
      ...((annotations || common.annotations) && { annotations: { ...annotations, ...common.annotations } }),
    },
  }
}

function assertNotEncrypted(object: KubeObject): void {
  if (object.apiVersion !== 'v1' || object.kind !== 'Secret' || !('sops' in object)) return
  if (object.metadata.annotations?.[`${toolkit}decrypt`]?.toLowerCase() === 'disabled') return
  throw new BuildError(
    `${displayName(refOf(object))} is SOPS encrypted, configuring decryption is required for this secret to be reconciled`,
  )
}

const toolkit = 'kustomize.toolkit.fluxcd.io/'

function itemOf(object: KubeObject, text: string, common: BuildInput['commonMetadata']): ManifestItem {
  const { labels, annotations } = object.metadata
  const hash = createHash('sha256').update(text)
  if (common) hash.update(JSON.stringify(common))
  return {
    ref: refOf(object),
    hash: hash.digest('hex'),
    ...policies('labels', labels),
    ...policies('annotations', annotations),
  }
}

/** Only what decides policies is kept: items live as long as their owner. */
function policies(field: 'labels' | 'annotations', values: Readonly<Record<string, string>> | undefined) {
  const kept = Object.entries(values ?? {}).filter(([key]) => key.startsWith(toolkit))
  return kept.length > 0 ? { [field]: Object.fromEntries(kept) } : {}
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
