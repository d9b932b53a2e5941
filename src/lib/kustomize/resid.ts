/** Identities of objects: group, version, kind, name and namespace. */

import type { Node } from '../yaml/index.ts'
import { fieldText, getField, isEmpty } from './fields.ts'

export interface GroupVersionKind {
  readonly group: string
  readonly version: string
  readonly kind: string
}

/** Identity of an object. `clusterScoped` is true only where the schema says so; unknown kinds count as namespaced. */
export interface ResourceId extends GroupVersionKind {
  readonly clusterScoped: boolean
  readonly name: string
  readonly namespace: string
}

/** The namespace that kustomize notes for objects that have none. */
export const NOT_A_NAMESPACE = '_non_namespaceable_'

/** `apps/v1` → group and version. */
export function groupVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/')
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) }
}

export function apiVersionOf({ group, version }: GroupVersionKind): string {
  return group === '' ? version : `${group}/${version}`
}

/** Identity as the object states it, without knowledge of scopes. */
export function resourceIdOf(object: Node): ResourceId {
  return {
    ...groupVersion(fieldText(object, 'apiVersion')),
    kind: fieldText(object, 'kind'),
    clusterScoped: false,
    name: metadataText(object, 'name'),
    namespace: metadataText(object, 'namespace'),
  }
}

/** `metadata.name` or `metadata.namespace`, `''` when it is missing. */
export function metadataText(object: Node | undefined, name: 'name' | 'namespace'): string {
  const value = getField(getField(object, 'metadata'), name)
  return value === undefined || isEmpty(value) ? '' : value.value
}

/** Whether the parts that the selector states are those of the id. */
export function isSelected(id: GroupVersionKind, selector: GroupVersionKind): boolean {
  return (
    (selector.group === '' || selector.group === id.group) &&
    (selector.version === '' || selector.version === id.version) &&
    (selector.kind === '' || selector.kind === id.kind)
  )
}

export function sameKind(a: GroupVersionKind, b: GroupVersionKind): boolean {
  return a.kind === b.kind && a.group === b.group && a.version === b.version
}

/** The namespace that counts: none is `default`. */
export function effectiveNamespace(id: ResourceId): string {
  if (id.clusterScoped) return NOT_A_NAMESPACE
  return id.namespace === '' ? 'default' : id.namespace
}

/** Same object: kind, name and effective namespace. */
export function sameId(a: ResourceId, b: ResourceId): boolean {
  return a.name === b.name && sameKind(a, b) && effectiveNamespace(a) === effectiveNamespace(b)
}

/** A key that is equal for two ids exactly if `sameId`. */
export function idKey(id: ResourceId): string {
  return `${id.group}\n${id.version}\n${id.kind}\n${effectiveNamespace(id)}\n${id.name}`
}

/** `Deployment.v1.apps`. */
export function kindText({ group, version, kind }: GroupVersionKind): string {
  return `${kind || '[noKind]'}.${version || '[noVer]'}.${group || '[noGrp]'}`
}

/** `Deployment.v1.apps/name.namespace`: how messages name an object. */
export function resourceIdText(id: ResourceId): string {
  return `${kindText(id)}/${id.name || '[noName]'}.${id.namespace || '[noNs]'}`
}

/** The names of the files that objects are written to one by one. Source: kustomize/commands/build/writer.go. */
export function outputNames(ids: readonly ResourceId[]): string[] {
  const namespaces = new Set(ids.filter(({ clusterScoped }) => !clusterScoped).map(effectiveNamespace))
  return ids.map((id) => {
    const namespace = namespaces.size > 1 && !id.clusterScoped ? [effectiveNamespace(id)] : []
    const kind = [id.group, id.version, id.kind].filter((part) => part !== '')
    return `${[...namespace, ...kind, id.name].join('_').toLowerCase()}.yaml`
  })
}
