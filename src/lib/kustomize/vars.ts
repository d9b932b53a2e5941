/** vars: `$(NAME)` in the fields that `varReference` lists, replaced by the value of another object's field. */

import { BuildError } from '../errors.ts'
import type { Json } from '../json.ts'
import { formatNumber, type Node, nodeToJson } from '../yaml/index.ts'
import { isNull, isString, lookup, splitBracketedPath } from './fields.ts'
import { editField, type FieldSpec } from './fieldspec.ts'
import type { Var } from './kustomization.ts'
import { type GroupVersionKind, groupVersion, kindText, type ResourceId, sameId, sameKind } from './resid.ts'
import type { ResMap } from './resmap.ts'
import type { SchemaSet } from './schema.ts'

/** The vars of all kustomizations so far. */
export class VarSet {
  readonly #vars = new Map<string, Var>()

  /** Adds vars and marks the objects that they take their values from. @throws BuildError when a name is taken, or means several objects. */
  declare(vars: readonly Var[], resources: ResMap, schemas: SchemaSet): void {
    for (const variable of vars) markSource(variable, resources, schemas)
    for (const variable of vars) this.#add(variable)
  }

  merge(other: VarSet): void {
    for (const variable of other.#vars.values()) this.#add(variable)
  }

  #add(variable: Var): void {
    if (this.#vars.has(variable.name)) throw new BuildError(`var '${variable.name}' already encountered`, { path: 'vars' })
    const fieldPath = variable.fieldref.fieldPath || 'metadata.name'
    this.#vars.set(variable.name, { ...variable, fieldref: { fieldPath } })
  }

  /**
   * Replaces all variables.
   * @returns names of vars that nothing used.
   */
  resolve(resources: ResMap, specs: readonly FieldSpec[]): string[] {
    const values = new Map([...this.#vars.values()].map((variable) => [variable.name, valueFrom(variable, resources)] as const))
    if (values.size === 0) return []
    const used = new Set<string>()
    for (const { node } of resources.resources()) {
      if (!node) continue
      for (const spec of specs) editField(node, spec, { set: (field) => expandField(field, values, used) })
    }
    return [...values.keys()].filter((name) => !used.has(name))
  }
}

function kindOf({ objref }: Var): GroupVersionKind {
  const { apiVersion, group, version, kind } = objref
  if (apiVersion === '') return { group, version, kind }
  if (apiVersion.split('/').length > 2) return { group, version, kind }
  const parsed = groupVersion(apiVersion)
  return { group: apiVersion.includes('/') ? parsed.group : group, version: parsed.version, kind }
}

function markSource(variable: Var, resources: ResMap, schemas: SchemaSet): void {
  const kind = kindOf(variable)
  const { name, namespace } = variable.objref
  const clusterScoped = variable.objref.apiVersion === '' && schemas.isClusterScoped(apiVersionText(kind), kind.kind)
  const target: ResourceId = { ...kind, clusterScoped: false, name, namespace }
  const exact = namespace !== '' || clusterScoped
  const found = resources.withAnyId((id) =>
    exact && namespace !== '' ? sameId(target, id) : id.name === name && sameKind(id, kind),
  )
  if (found.length > 1) {
    throw new BuildError(`found ${found.length} resId matches for var ${varText(variable)} (unable to disambiguate)`, {
      path: 'vars',
    })
  }
  for (const resource of found) resource.varNames = [...resource.varNames, variable.name]
}

function apiVersionText({ group, version }: GroupVersionKind): string {
  return group === '' ? version : `${group}/${version}`
}

/** How Go prints a var. */
function varText(variable: Var): string {
  const { objref, fieldref } = variable
  const parts = [objref.apiVersion, kindText(kindOf(variable)), objref.name, objref.namespace].filter((part) => part !== '')
  return `{${variable.name} ${parts.join(' ')} {${fieldref.fieldPath}}}`
}

function valueFrom(variable: Var, resources: ResMap): Json {
  for (const resource of resources.resources()) {
    if (!resource.varNames.includes(variable.name) || !resource.node) continue
    const value = fieldValue(resource.node, variable.fieldref.fieldPath)
    if (value === undefined) {
      throw new BuildError(`field specified in var '${varText(variable)}' not found in corresponding resource`, resource.place)
    }
    return value
  }
  throw new BuildError(`var '${varText(variable)}' cannot be mapped to a field in the set of known resources`, { path: 'vars' })
}

function fieldValue(node: Node, path: string): Json | undefined {
  const parts = splitBracketedPath(path, '.').flatMap((part) => {
    const index = /^(.*)\[(\d+)\]$/.exec(part)
    return index ? [index[1] ?? '', index[2] ?? ''].filter((piece) => piece !== '') : [part]
  })
  const field = lookup(node, parts)
  if (!field) return undefined
  if (field.kind === 'scalar' && (isString(field) || isNull(field))) return field.value
  return nodeToJson(field)
}

type Values = ReadonlyMap<string, Json>

function expandField(field: Node, values: Values, used: Set<string>): void {
  if (isNull(field)) return
  if (field.kind === 'scalar') expandScalar(field, values, used)
  else if (field.kind === 'map') expandMap(field, values, used)
  else {
    for (const item of field.content) {
      if (!isString(item)) throw new BuildError('invalid value type expect a string')
      expandScalar(item, values, used)
    }
  }
}

function expandMap(map: Node, values: Values, used: Set<string>): void {
  for (let i = 0; i < map.content.length; i += 2) {
    const [key, value] = [map.content[i], map.content[i + 1]]
    if (!key || !value) continue
    if (!isString(key)) throw new BuildError(`invalid map key: value='${key.value}', tag='${key.tag}'`)
    expandScalar(value, values, used)
  }
}

function expandScalar(node: Node, values: Values, used: Set<string>): void {
  if (!isString(node)) return
  const value = expand(node.value, values, used)
  node.value = typeof value === 'number' ? plainNumber(value) : String(value)
  node.tag =
    typeof value === 'boolean'
      ? '!!bool'
      : typeof value === 'bigint'
        ? '!!int'
        : typeof value === 'number'
          ? numberTag(value)
          : '!!str'
  node.style = 'plain'
}

function numberTag(value: number): string {
  return Number.isInteger(value) ? '!!int' : '!!float'
}

function plainNumber(value: number): string {
  const text = formatNumber(value)
  return text.includes('e') ? value.toLocaleString('en', { useGrouping: false, maximumSignificantDigits: 17 }) : text
}

const MAX_EXPANDED_LENGTH = 16 * 1024 * 1024

/** `$(NAME)` alone gives the value with its type; `$$` is a dollar; unknown names stay. */
function expand(text: string, values: Values, used: Set<string>): Json {
  let result = ''
  let done = 0
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== '$' || at + 1 >= text.length) continue
    result += text.slice(done, at)
    const end = text[at + 1] === '(' ? text.indexOf(')', at + 2) : -1
    if (end > 0) {
      const name = text.slice(at + 2, end)
      const value = replacementFor(name, values, used)
      if (text === `$(${name})`) return value
      result += typeof value === 'number' ? formatNumber(value) : String(value)
      if (result.length > MAX_EXPANDED_LENGTH) throw new BuildError(`the text with $(${name}) becomes too long`)
      at = end
    } else {
      const next = text[at + 1] ?? ''
      result += next === '$' ? '$' : `$${next}`
      at++
    }
    done = at + 1
  }
  return result + text.slice(done)
}

function replacementFor(name: string, values: Values, used: Set<string>): Json {
  const value = values.get(name)
  if (value === undefined || value === null || typeof value === 'object') return `$(${name})`
  used.add(name)
  return value
}
