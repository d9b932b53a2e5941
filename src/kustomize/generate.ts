/**
 * The kustomization file that is built: the user's, or one that lists all manifests of the directory, with the settings of the spec merged
 * in. What kustomize does not know in it stays: the build leaves that out. Source: github.com/fluxcd/pkg/kustomize kustomize_generator.go.
 */
import type { KustomizationSpec } from '../api/kustomization.ts'
import { BuildError, messageOf } from '../lib/errors.ts'
import type { Json, JsonObject } from '../lib/json.ts'
import { cleanPath, type Tree } from '../lib/tree.ts'
import { emit, loadAll } from '../lib/yaml/index.ts'

/** The part of a Kustomization's spec that goes into the kustomization file. */
export type Settings = Pick<
  KustomizationSpec,
  | 'targetNamespace'
  | 'namePrefix'
  | 'nameSuffix'
  | 'patches'
  | 'components'
  | 'ignoreMissingComponents'
  | 'images'
  | 'buildMetadata'
>

export interface KustomizationFile {
  /** Path in the tree. */
  readonly path: string
  /** Undefined when the user's file is built as it is. */
  readonly content: string | undefined
  /** The manifests that a generated file lists. */
  readonly manifests: readonly string[]
}

/** Source: sigs.k8s.io/kustomize konfig.RecognizedKustomizationFileNames; the first that exists counts. */
const fileNames = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'] as const

/**
 * @param directory where to build: a clean path of the tree.
 * @throws ParseError for a kustomization file that is no YAML, BuildError for one that is no mapping and for a bad component path.
 */
export function generateKustomization(tree: Tree, directory: string, settings: Settings): KustomizationFile {
  const found = findFile(tree, directory)
  if (!found) {
    const resources = manifestsBelow(tree, directory)
    const content = emit(merged(kustomizationOf(resources), tree, directory, settings))
    const manifests = resources.map((path) => join(directory, path)).filter((path) => tree.list(path) === undefined)
    return { path: join(directory, fileNames[0]), content, manifests }
  }
  const original = parse(found.path, found.text)
  const complete = isEmpty(original.resources) ? { ...original, buildMetadata: ['originAnnotations'] } : original
  const content = emit(merged(complete, tree, directory, settings))
  return { path: found.path, content: content === emit(original) ? undefined : content, manifests: [] }
}

function findFile(tree: Tree, directory: string): { path: string; text: string } | undefined {
  for (const name of fileNames) {
    const path = join(directory, name)
    const bytes = tree.read(path)
    if (bytes) return { path, text: new TextDecoder().decode(bytes) }
  }
  return undefined
}

function parse(path: string, text: string): JsonObject {
  const [document = null] = loadAll(text, { dialect: 'sigs', file: path })
  if (document === null) return {}
  if (!isObject(document)) throw new BuildError(`${path}: a kustomization has to be a mapping of fields`, { file: path })
  return document
}

/** Lists everything; an empty list would not build, a namespace alone does. */
function kustomizationOf(resources: readonly string[]): JsonObject {
  const header = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization' }
  if (resources.length === 0) return { ...header, namespace: '_placeholder' }
  return { ...header, resources: resources.map((path) => `./${path}`) }
}

/**
 * Why a file that was listed as a manifest is none; undefined for one that is. Looked for when a build has failed: kustomize's own words
 * for it are about directories.
 */
export function manifestProblem(tree: Tree, path: string): string | undefined {
  try {
    const documents = loadAll(new TextDecoder().decode(tree.read(path)), { dialect: 'kyaml' })
    const isManifest = documents.every((document) => document === null || hasIdentity(document))
    return isManifest ? undefined : 'every document has to be a Kubernetes object with apiVersion, kind and metadata.name'
  } catch (error) {
    return messageOf(error)
  }
}

function hasIdentity(document: Json): boolean {
  if (!isObject(document)) return false
  const { apiVersion, kind, metadata } = document
  const isList = typeof kind === 'string' && kind.endsWith('List')
  return Boolean(apiVersion && kind && (isList || (isObject(metadata) && metadata.name)))
}

/** The YAML files below a directory, in the order of a walk by name; a directory with a kustomization file of its own stands for itself. */
function manifestsBelow(tree: Tree, root: string): string[] {
  const found: string[] = []
  const walk = (relative: string) => {
    for (const entry of tree.list(join(root, relative)) ?? []) {
      const path = join(relative, entry.name)
      if (entry.type === 'file') {
        if (/\.ya?ml$/.test(entry.name)) found.push(path)
      } else if (hasKustomization(tree, join(root, path))) {
        found.push(path)
      } else {
        walk(path)
      }
    }
  }
  walk('')
  return found
}

function hasKustomization(tree: Tree, directory: string): boolean {
  return tree.list(directory)?.some(({ name, type }) => type === 'file' && fileNames.some((known) => known === name)) ?? false
}

/** The kustomization with the settings of the spec. */
function merged(kustomization: JsonObject, tree: Tree, directory: string, settings: Settings): JsonObject {
  const { targetNamespace, namePrefix, nameSuffix, patches, images, buildMetadata } = settings
  const components = settings.components?.filter((path) => isWanted(tree, directory, path, settings))
  return {
    ...kustomization,
    ...(targetNamespace !== undefined && { namespace: targetNamespace }),
    ...(namePrefix !== undefined && { namePrefix }),
    ...(nameSuffix !== undefined && { nameSuffix }),
    ...(!isEmpty(patches) && { patches: [...list(kustomization.patches), ...plain(patches)] }),
    ...(!isEmpty(components) && { components: [...list(kustomization.components), ...plain(components)] }),
    ...(images && images.length > 0 && { images: mergeImages(list(kustomization.images), images) }),
    ...(!isEmpty(buildMetadata) && { buildMetadata: plain(buildMetadata) }),
  }
}

/** @throws BuildError for a component outside of the source. */
function isWanted(tree: Tree, directory: string, path: string, { ignoreMissingComponents }: Settings): boolean {
  if (/^(git::|gh:|ssh:\/\/|https:\/\/|http:\/\/|git@|github\.com:|github\.com\/)./i.test(path) || /^(file:\/\/)?\//i.test(path)) {
    throw new BuildError(`component path '${path}' must be local and relative`)
  }
  if (!ignoreMissingComponents) return true
  const full = cleanPath(directory, path)
  return full !== undefined && (tree.list(full) !== undefined || tree.read(full) !== undefined)
}

type Image = NonNullable<Settings['images']>[number]

/** Fields of the spec win over those of the file; tag and digest are one thing: setting either replaces both. */
function mergeImages(own: readonly Json[], images: readonly Image[]): Json[] {
  const result = [...own]
  for (const image of images) {
    const at = result.findIndex((known) => isObject(known) && known.name === image.name)
    const known = result[at]
    if (!isObject(known)) {
      result.push(...plain([image]))
      continue
    }
    const { newTag: _, digest: __, ...named } = known
    const { newName, newTag, digest } = image
    const version = newTag || digest ? { ...(newTag && { newTag }), ...(digest && { digest }) } : undefined
    result[at] = { ...(version ? { ...named, ...version } : known), ...(newName && { newName }) }
  }
  return result
}

function list(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : []
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0)
}

/** The same values as plain JSON, without fields that are undefined. */
function plain(values: readonly unknown[] | undefined): Json[] {
  return JSON.parse(JSON.stringify(values ?? []))
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function join(directory: string, name: string): string {
  return directory === '' ? name : name === '' ? directory : `${directory}/${name}`
}
