/** Where objects come from and what changed them: the annotations that `buildMetadata` asks for. */

import type { Json, JsonObject } from '../json.ts'
import { emit, loadFirst } from '../yaml/index.ts'
import { repoSpecOf } from './remote.ts'
import type { Resource } from './resource.ts'

/** Source of an object, or of a change. */
export interface Origin {
  /** File, relative to the root of the build or of the remote repository. */
  readonly path?: string
  readonly repo?: string
  readonly ref?: string
  /** For generators and transformers: the file that configures them. */
  readonly configuredIn?: string
  readonly configuredBy?: {
    readonly apiVersion?: string
    readonly kind?: string
    readonly name?: string
    readonly namespace?: string
  }
}

const ORIGIN = 'config.kubernetes.io/origin'
const TRANSFORMATIONS = 'alpha.config.kubernetes.io/transformations'

/** The origin below the given one; a remote path starts anew. */
export function appendOrigin(origin: Origin, path: string): Origin {
  const remote = repoSpecOf(path)
  if (!remote) return { ...origin, path: joinPath(origin.path ?? '', path) }
  return { repo: remote.cloneUrl, ref: remote.ref, path: joinPath('', remote.path) }
}

/** Go's filepath.Join for relative paths: `..` may lead out. */
export function joinPath(...parts: readonly string[]): string {
  const result: string[] = []
  for (const name of parts.join('/').split('/')) {
    if (name === '' || name === '.') continue
    if (name === '..' && result.length > 0 && result.at(-1) !== '..') result.pop()
    else result.push(name)
  }
  return result.join('/')
}

/** The origin of what a builtin generator or transformer of a kustomization file does. */
export function builtinOrigin(origin: Origin, kustomizationFile: string, kind: string): Origin {
  return {
    ...repoOf(origin),
    configuredIn: joinPath(origin.path ?? '', kustomizationFile),
    configuredBy: { apiVersion: 'builtin', kind },
  }
}

/** The origin of what a plugin does that a file configures; undefined when origins are not tracked. */
export function pluginOrigin(config: Resource): Origin | undefined {
  const origin = originOf(config)
  if (!origin) return undefined
  const id = config.currentId()
  const apiVersion = id.group === '' ? id.version : `${id.group}/${id.version}`
  return {
    ...repoOf(origin),
    configuredIn: origin.path ?? '',
    configuredBy: { apiVersion, kind: id.kind, name: id.name, namespace: id.namespace },
  }
}

function repoOf({ repo, ref }: Origin): Origin {
  return { ...(repo !== undefined && { repo }), ...(ref !== undefined && { ref }) }
}

export function originText(origin: Origin): string {
  return printOrigin(origin, '')
}

/** In the order of kustomize's own type; empty fields are left out. */
function printOrigin(origin: Origin, indent: string): string {
  const { path, repo, ref, configuredIn, configuredBy } = origin
  const lines = printFields({ path, repo, ref, configuredIn })
  const by = printFields({ ...configuredBy })
  if (by.length > 0) lines.push('configuredBy:', ...by.map((line) => `  ${line}`))
  if (lines.length === 0) return '{}\n'
  return lines.map((line, i) => `${i === 0 ? '' : indent}${line}\n`).join('')
}

function printFields(fields: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${name}: ${emit(value ?? '').trimEnd()}`)
}

export function originOf(resource: Resource): Origin | undefined {
  const text = resource.annotations().get(ORIGIN)
  return text === undefined ? undefined : parseOrigin(loadFirst(text, { dialect: 'sigs' }))
}

export function setOrigin(resource: Resource, origin: Origin | undefined): void {
  const annotations = resource.annotations()
  if (origin) annotations.set(ORIGIN, originText(origin))
  else annotations.delete(ORIGIN)
  resource.setAnnotations(annotations)
}

/** Notes a change in the object's history. */
export function addTransformation(resource: Resource, origin: Origin): void {
  const annotations = resource.annotations()
  const known = loadFirst(annotations.get(TRANSFORMATIONS) ?? '', { dialect: 'sigs' })
  const all = [...(Array.isArray(known) ? known.map(parseOrigin) : []), origin]
  annotations.set(TRANSFORMATIONS, all.map((one) => `- ${printOrigin(one, '  ')}`).join(''))
  resource.setAnnotations(annotations)
}

export function clearTransformations(resource: Resource): void {
  const annotations = resource.annotations()
  annotations.delete(TRANSFORMATIONS)
  resource.setAnnotations(annotations)
}

function parseOrigin(value: Json | undefined): Origin {
  if (!isObject(value)) return {}
  const by = isObject(value.configuredBy) ? value.configuredBy : {}
  return {
    ...texts(value, ['path', 'repo', 'ref', 'configuredIn']),
    configuredBy: texts(by, ['apiVersion', 'kind', 'name', 'namespace']),
  }
}

function texts(object: JsonObject, names: readonly string[]): Record<string, string> {
  const result: Record<string, string> = {}
  for (const name of names) {
    const value = Object.hasOwn(object, name) ? object[name] : undefined
    if (value !== undefined && value !== null && typeof value !== 'object') result[name] = String(value)
  }
  return result
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
