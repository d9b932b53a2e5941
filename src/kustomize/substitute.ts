/** Variable substitution in one built object. Source: github.com/fluxcd/pkg/kustomize kustomize_varsub.go. */
import { gvkOf, type KubeObject } from '../api/object.ts'
import { substitute } from '../lib/envsubst/index.ts'
import { BuildError, messageOf, ParseError } from '../lib/errors.ts'
import type { Json } from '../lib/json.ts'
import { loadAll } from '../lib/yaml/index.ts'
import type { Substitution } from './variables.ts'

export interface Built {
  readonly object: KubeObject
  /** The object as YAML. */
  readonly text: string
  /** Where in the source it comes from. */
  readonly file: string | undefined
}

const optOut = 'kustomize.toolkit.fluxcd.io/substitute'
const variableName = /^[_A-Za-z][_A-Za-z0-9]*$/

/**
 * The object with its variables filled in: its YAML text is, and is read again, so a value may become a number or a list.
 * @throws BuildError that names the object, its file and the field; never a value.
 */
export function substituteVariables({ object, text, file }: Built, substitution: Substitution): KubeObject {
  const { labels, annotations } = object.metadata
  if (labels?.[optOut] === 'disabled' || annotations?.[optOut] === 'disabled') return object
  const fail = (problem: string, hint = ''): never => {
    const where = file === undefined ? '' : ` (${file})`
    const message = `post build failed for '${idOf(object)}': envsubst error: ${problem}${where}${hint}`
    throw new BuildError(message, file === undefined ? {} : { file })
  }
  for (const name of substitution.variables.keys()) {
    if (!variableName.test(name)) fail(`'${name}' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'`)
  }
  if (!text.includes('$')) return object
  let filled: string
  try {
    filled = substitute(text, substitution.variables, substitution)
  } catch (error) {
    const field = fieldThatFails(object, substitution)
    const hint = `; write $\${…} for text that is no variable, or label the object with ${optOut}: disabled`
    return fail(`variable substitution failed: ${messageOf(error)}${field === undefined ? '' : ` in ${field}`}`, hint)
  }
  try {
    return asObject(filled)
  } catch (error) {
    // The parser may quote the text, and with it the value of a Secret.
    const line = error instanceof ParseError ? error.place.line : undefined
    const excerpt =
      line === undefined ? '' : `: line ${line} is ${JSON.stringify(text.split('\n')[line - 1]?.trim() ?? '')} before substitution`
    return fail(`YAMLToJSON: the text is no valid object any more${object.kind === 'Secret' ? '' : excerpt}`)
  }
}

function asObject(text: string): KubeObject {
  const [object] = loadAll(text, { dialect: 'sigs' })
  if (isObject(object)) return object as unknown as KubeObject
  throw new ParseError('not a mapping')
}

/** The first string of the object that cannot be substituted by itself, as a path of fields. */
function fieldThatFails(value: unknown, substitution: Substitution, path = ''): string | undefined {
  if (typeof value === 'string') return fails(value, substitution) ? path : undefined
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, inner] of Object.entries(value)) {
    const field = Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`
    const found = fails(key, substitution) ? field : fieldThatFails(inner, substitution, field)
    if (found !== undefined) return found
  }
  return undefined
}

function fails(text: string, substitution: Substitution): boolean {
  try {
    substitute(text, substitution.variables, substitution)
    return false
  } catch {
    return true
  }
}

/** `<kind>.<version>.<group>/<name>`. Source: sigs.k8s.io/kustomize resid.Gvk.String. */
function idOf(object: KubeObject): string {
  const { group, version, kind } = gvkOf(object)
  return `${kind}.${version || '[noVer]'}.${group || '[noGrp]'}/${object.metadata.name}`
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
