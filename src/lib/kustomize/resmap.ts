/** The objects of a build, in order. No two have the same identity. */

import { BuildError } from '../errors.ts'
import { mergeStrategic } from './merge/strategic.ts'
import { type Origin, originOf, setOrigin } from './origin.ts'
import { effectiveNamespace, type GroupVersionKind, idKey, type ResourceId, resourceIdText, sameId } from './resid.ts'
import { BUILD_ANNOTATIONS, type Resource } from './resource.ts'
import { type CompiledSelector, compileSelector, type Selector } from './selector.ts'

export class ResMap {
  #list: Resource[] = []
  /** Keys of all identities while only appends happen; whoever takes the list may change identities. */
  #keys: Set<string> | undefined

  constructor(resources: Iterable<Resource> = []) {
    this.appendAll(resources)
  }

  get size(): number {
    return this.#list.length
  }

  /** The objects; the caller may change them. */
  resources(): readonly Resource[] {
    this.#keys = undefined
    return this.#list
  }

  /** @throws BuildError when an object with the identity is there. */
  append(resource: Resource): void {
    this.#keys ??= new Set(this.#list.map((known) => idKey(known.currentId())))
    const id = resource.currentId()
    const key = idKey(id)
    if (this.#keys.has(key)) {
      throw new BuildError(
        `may not add resource with an already registered id: ${resourceIdText(id)}${this.#placesOf(id, resource)}`,
        resource.place,
      )
    }
    this.#keys.add(key)
    this.#list.push(resource)
  }

  #placesOf(id: ResourceId, resource: Resource): string {
    const other = this.#list.find((known) => sameId(known.currentId(), id))
    if (resource.file === undefined || other?.file === undefined) return ''
    return ` (in ${other.file} and ${resource.file})`
  }

  appendAll(resources: Iterable<Resource>): void {
    for (const resource of resources) this.append(resource)
  }

  /** Replaces the content. @throws BuildError when two have one identity. */
  reset(resources: Iterable<Resource>): void {
    const list = [...resources]
    this.#list = []
    this.#keys = undefined
    this.appendAll(list)
  }

  /** Drops what patches have emptied, without looking at identities. */
  dropEmpties(): void {
    this.#list = this.resources().filter((resource) => !resource.isEmpty)
  }

  /** Keeps the objects for which the predicate holds. @throws BuildError when two of them have one identity. */
  retain(predicate: (resource: Resource) => boolean): void {
    this.reset(this.#list.filter(predicate))
  }

  copy(): ResMap {
    const copy = new ResMap()
    copy.#list = this.#list.map((resource) => resource.copy())
    return copy
  }

  /** Objects that have, or had before a change, an identity that matches. */
  withAnyId(matches: (id: ResourceId) => boolean): Resource[] {
    return this.resources().filter(
      (resource) => !resource.isEmpty && (matches(resource.currentId()) || resource.previousIds().some(matches)),
    )
  }

  /** The one object that has, or had, the identity. @throws BuildError for none or several. */
  byId(id: ResourceId): Resource {
    const found = this.withAnyId((other) => sameId(id, other))
    const [resource] = found
    if (resource && found.length === 1) return resource
    const text = resourceIdText(id)
    const problem = found.length > 1 ? 'multiple matches for Id' : 'no matches for Id'
    throw new BuildError(`${problem} ${text}; failed to find unique target for patch ${text}`)
  }

  /** Objects that a selector picks. @throws BuildError for a bad expression in it. */
  select(selector: Selector): Resource[] {
    const compiled = compileSelector(selector)
    return this.resources().filter((resource) => isPicked(resource, compiled))
  }

  /** Takes in what a generator made: new objects, or replacements of and merges into those that are there. */
  absorbAll(generated: ResMap): void {
    for (const resource of generated.resources()) this.#absorb(resource)
  }

  #absorb(resource: Resource): void {
    const id = resource.currentId()
    const found = this.withAnyId((other) => sameId(id, other))
    const { behavior } = resource
    const [old] = found
    if (!old) {
      if (behavior === 'merge' || behavior === 'replace') {
        throw new BuildError(`id ${goIdText(id)} does not exist; cannot merge or replace`, resource.place)
      }
      this.append(resource)
      return
    }
    if (found.length > 1) {
      throw new BuildError(
        `found multiple objects [${found.map((r) => resourceIdText(r.currentId())).join(' ')}] that could accept merge of ${resourceIdText(id)}`,
      )
    }
    if (behavior !== 'merge' && behavior !== 'replace') {
      throw new BuildError(
        `id ${goIdText(id)} exists; can not use behavior: '${behavior}', behavior must be merge or replace`,
        resource.place,
      )
    }
    const origin = originOf(old)
    resource.takeMetadataFrom(old)
    if (behavior === 'merge') {
      resource.mergeDataFrom(old, 'data')
      resource.mergeDataFrom(old, 'binaryData')
      if (origin) setOrigin(resource, origin)
    }
    this.#list[this.#list.indexOf(old)] = resource
    this.#keys = undefined
  }

  /** Applies a strategic merge patch to the objects that are given. @throws BuildError when that makes two of one identity. */
  applyPatch(targets: readonly Resource[], patch: Resource): void {
    const ids = new Set(targets.map((target) => idKey(target.currentId())))
    for (const resource of this.resources()) {
      const id = resource.currentId()
      if (!ids.has(idKey(id))) continue
      const copy = patch.copy()
      copy.takeMetadataFrom(patch)
      copy.setGroupVersionKind(id)
      copy.setKind(patch.kind)
      patchResource(resource, copy)
    }
    this.reset(this.#list.filter((resource) => !resource.isEmpty))
  }

  /** Notes who generated (the first time) or changed each object. */
  addTransformations(origin: Origin, add: (resource: Resource, origin: Origin) => void): void {
    for (const resource of this.resources()) {
      if (originOf(resource)) add(resource, origin)
      else setOrigin(resource, origin)
    }
  }
}

function isPicked(resource: Resource, selector: CompiledSelector): boolean {
  const [current, original] = [resource.currentId(), resource.originalId()]
  return (
    (selector.matchesNamespace(effectiveNamespace(original)) || selector.matchesNamespace(effectiveNamespace(current))) &&
    (selector.matchesName(original.name) || selector.matchesName(current.name)) &&
    selector.matchesKind(current) &&
    selector.matchesLabels(resource.labels()) &&
    selector.matchesAnnotations(resource.annotations())
  )
}

/** Merges a patch into an object; name, kind and namespace stay unless the patch may change them. */
export function patchResource(resource: Resource, patch: Resource): void {
  const { name, namespace, kind } = resource
  const [changesName, changesKind] = [
    patch.isEnabled(BUILD_ANNOTATIONS.allowNameChange),
    patch.isEnabled(BUILD_ANNOTATIONS.allowKindChange),
  ]
  if (changesName || changesKind) resource.notePreviousId()
  if (!resource.node || !patch.node) return
  const { node } = resource
  const patchNode = patch.node
  const merged = mergeStrategic(patchNode, node, resource.schemas)
  resource.node = merged
  if (resource.isEmpty) return
  if (!changesKind) resource.setKind(kind)
  if (!changesName) resource.setName(name)
  resource.setNamespace(namespace)
}

/** How Go prints an id with %#v. */
function goIdText(id: ResourceId & GroupVersionKind): string {
  const gvk = `resid.Gvk{Group:${JSON.stringify(id.group)}, Version:${JSON.stringify(id.version)}, Kind:${JSON.stringify(id.kind)}, isClusterScoped:${id.clusterScoped}}`
  return `resid.ResId{Gvk:${gvk}, Name:${JSON.stringify(id.name)}, Namespace:${JSON.stringify(id.namespace)}}`
}
