/** patches, patchesStrategicMerge and patchesJson6902. */

import { BuildError } from '../../errors.ts'
import { withPrefix } from '../fields.ts'
import type { ChartOptions } from '../generators/charts.ts'
import type { Patch } from '../kustomization.ts'
import type { Loader } from '../loader.ts'
import { applyJsonPatch, type Operation, parseJsonPatch } from '../merge/json6902.ts'
import { type ReadOptions, readResources } from '../read.ts'
import { resourceIdText } from '../resid.ts'
import { patchResource, type ResMap } from '../resmap.ts'
import { BUILD_ANNOTATIONS, type Resource } from '../resource.ts'
import type { Selector } from '../selector.ts'
import { jsonToNode } from '../spell.ts'

export type Transformer = (resources: ResMap) => void

export interface PatchContext {
  readonly loader: Loader
  readonly read: Omit<ReadOptions, 'file'>
  /** Renders charts, where that is enabled. */
  readonly charts: ChartOptions | undefined
}

/** One entry of `patches`: strategic merge or JSON, inline or from a file. @throws BuildError for what is neither, or both. */
export function patchTransformer(args: Patch, context: PatchContext, shown = ''): Transformer {
  const { text, source, file } = patchText(args, context, shown)
  const merges = attempt(() => readPatch(text, context, file))
  const operations = attempt(() => parseJsonPatch(text, file))
  if (merges && operations.ok && merges.ok && (merges.value?.length ?? 0) > 0 && (operations.value?.length ?? 0) > 0) {
    throw new BuildError(`illegally qualifies as both an SM and JSON patch: ${source}`)
  }
  if (!merges.ok && !operations.ok) {
    throw new BuildError(
      `unable to parse SM or JSON patch from ${source}${reason(merges.error, operations.error)}`,
      placeIn(file),
      {
        cause: merges.error,
      },
    )
  }
  if (merges.ok) {
    for (const patch of merges.value) {
      if (args.options?.allowNameChange) patch.enable(BUILD_ANNOTATIONS.allowNameChange)
      if (args.options?.allowKindChange) patch.enable(BUILD_ANNOTATIONS.allowKindChange)
    }
    return (resources) => applyMerges(resources, merges.value, { target: args.target, source })
  }
  const list = operations.ok ? operations.value : undefined
  return (resources) => {
    if (list) applyOperations(resources, list, { target: args.target, source })
  }
}

function patchText(
  args: Patch,
  { loader }: PatchContext,
  shown: string,
): { text: string; source: string; file: string | undefined } {
  const inline = args.patch.trim()
  if (inline === '' && args.path === '') throw new BuildError(`must specify one of patch and path in\n${shown}`)
  if (inline !== '' && args.path !== '') throw new BuildError(`patch and path can't be set at the same time\n${shown}`)
  if (inline !== '') return { text: inline, source: '[inline patch]', file: undefined }
  const text = withPrefix(
    () => `failed to get the patch file from path(${args.path})`,
    () => loader.text(args.path),
  )
  return { text, source: `[path: ${JSON.stringify(args.path)}]`, file: loader.fileName(args.path) }
}

function placeIn(file: string | undefined): { file: string } | undefined {
  return file === undefined ? undefined : { file }
}

type Attempt<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Error }

function attempt<T>(action: () => T): Attempt<T> {
  try {
    return { ok: true, value: action() }
  } catch (error) {
    if (error instanceof Error && 'place' in error) return { ok: false, error }
    throw error
  }
}

/** Which of the two reasons helps: one that names a line. */
function reason(...errors: readonly Error[]): string {
  const syntax = errors.find((error) => /line \d+/.test(error.message))
  return syntax ? `: ${syntax.message}` : ''
}

interface PatchTarget {
  readonly target: Selector | undefined
  readonly source: string
}

function applyMerges(resources: ResMap, patches: readonly Resource[], { target, source }: PatchTarget): void {
  const [first] = patches
  if (!first) return
  if (target) {
    if (patches.length > 1) {
      throw new BuildError(
        `Multiple Strategic-Merge Patches in one \`patches\` entry is not allowed to set \`patches.target\` field: ${source}`,
      )
    }
    const selected = withPrefix(
      () => `unable to find patch target ${selectorText(target)} in \`resources\``,
      () => resources.select(target),
    )
    resources.applyPatch(selected, first)
    return
  }
  for (const patch of patches) {
    const id = patch.originalId()
    const resource = withPrefix(
      () => `no resource matches strategic merge patch "${resourceIdText(id)}"`,
      () => resources.byId(id),
    )
    patchResource(resource, patch)
  }
}

function selectorText(selector: Selector): string {
  const id = resourceIdText({ ...selector, clusterScoped: false })
  return JSON.stringify(`${id}:a=${selector.annotationSelector}:l=${selector.labelSelector}`)
}

function applyOperations(resources: ResMap, operations: readonly Operation[], { target, source }: PatchTarget): void {
  if (!target) throw new BuildError(`must specify a target for JSON patch ${source}`)
  for (const resource of resources.select(target)) {
    resource.notePreviousId()
    applyToResource(resource, operations)
  }
}

/** Annotations of the build survive whatever the patch does to the others. */
function applyToResource(resource: Resource, operations: readonly Operation[]): void {
  const internal = resource.internalAnnotations()
  resource.node = jsonToNode(applyJsonPatch(resource.toJson(), operations), { line: resource.node?.line ?? 0, spelling: 'yaml' })
  resource.setAnnotations(new Map([...resource.annotations(), ...internal]))
}

/** patchesStrategicMerge: paths of files, or patches themselves. */
export function strategicMergeTransformer(paths: readonly string[], inline: string, context: PatchContext): Transformer {
  if (paths.length === 0 && inline === '') throw new BuildError('empty file path and empty patch content')
  const patches = paths.flatMap((path) => readInlineOrFile(path, context))
  if (inline !== '') patches.push(...readPatch(inline, context))
  if (patches.length === 0) throw new BuildError('patch appears to be empty')
  return (resources) => {
    for (const patch of patches) resources.applyPatch([resources.byId(patch.originalId())], patch)
  }
}

function readInlineOrFile(path: string, context: PatchContext): Resource[] {
  const inline = attempt(() => readPatch(path, context))
  if (inline.ok) return inline.value
  return readPatch(context.loader.text(path), context, context.loader.fileName(path))
}

function readPatch(text: string, { read }: PatchContext, file?: string): Resource[] {
  return readResources(text, { ...read, file, withSource: true })
}

/** patchesJson6902. */
export function jsonPatchTransformer(args: Pick<Patch, 'target' | 'path' | 'patch'>, { loader }: PatchContext): Transformer {
  const { target, path } = args
  if (!target || target.name === '') throw new BuildError('must specify the target name')
  if (path === '' && args.patch === '') throw new BuildError('empty file path and empty jsonOp')
  if (path !== '' && args.patch !== '') throw new BuildError('must specify a file path or jsonOp, not both')
  const text = path === '' ? args.patch : loader.text(path)
  if (text === '') throw new BuildError(`patch file '${path}' empty seems to be empty`)
  const operations = withPrefix(
    () => 'decoding the patch',
    () => parseJsonPatch(text, path === '' ? undefined : loader.fileName(path)),
  )
  if (!operations || operations.length === 0) throw new BuildError(`patch appears to be empty; file=${path}`)
  return (resources) => {
    for (const resource of resources.select(target)) applyToResource(resource, operations)
  }
}
