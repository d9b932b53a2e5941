/** References between objects: after names have changed, fields that hold old names get the new ones. */

import { BuildError } from '../errors.ts'
import { type Node, nodeToJson, scalarNode } from '../yaml/index.ts'
import type { NameReference } from './config.ts'
import { fieldText, getField, isNull, lookup, matchField, setField, setScalar, withPrefix } from './fields.ts'
import { editPath, type FieldSpec } from './fieldspec.ts'
import { effectiveNamespace, type GroupVersionKind, isSelected, NOT_A_NAMESPACE, type ResourceId, resourceIdText } from './resid.ts'
import type { ResMap } from './resmap.ts'
import type { Resource } from './resource.ts'

/** Fixes all references. @throws BuildError when a name may mean several objects. */
export function fixReferences(resources: ResMap, references: readonly NameReference[]): void {
  const all = resources.resources()
  const candidates = new CandidateIndex(all)
  const specsOfKind = new ReferenceTable(references)
  for (const resource of all) {
    if (!resource.node) continue
    const referrer = new Referrer(resource, candidates)
    for (const { target, spec } of specsOfKind.for(resource.originalId())) referrer.fix(spec, target)
  }
}

interface ReferenceSpec {
  readonly target: GroupVersionKind
  readonly spec: FieldSpec
}

/** Field specs by the kind that they are for. */
class ReferenceTable {
  readonly #byKind: ReadonlyMap<string, readonly ReferenceSpec[]>
  readonly #forAll: readonly ReferenceSpec[]

  constructor(references: readonly NameReference[]) {
    const all = references.flatMap((target) => target.fieldSpecs.map((spec) => ({ target, spec })))
    this.#byKind = Map.groupBy(all, ({ spec }) => spec.kind)
    this.#forAll = this.#byKind.get('') ?? []
  }

  for(id: ResourceId): ReferenceSpec[] {
    const own = id.kind === '' ? [] : (this.#byKind.get(id.kind) ?? [])
    return [...own, ...this.#forAll].filter(({ spec }) => isSelected(id, spec))
  }
}

interface Candidate {
  readonly resource: Resource
  readonly id: ResourceId
  readonly previous: readonly ResourceId[]
}

/** Objects that had another identity before, by each of their former names. */
class CandidateIndex {
  readonly #byFormerName = new Map<string, Candidate[]>()
  readonly #byFirstNamespace = new Map<string | undefined, Candidate[]>()

  constructor(resources: readonly Resource[]) {
    for (const resource of resources) {
      const previous = resource.previousIds()
      const candidate = { resource, id: resource.currentId(), previous }
      for (const name of new Set(previous.map((id) => id.name))) addTo(this.#byFormerName, name, candidate)
      addTo(this.#byFirstNamespace, namespaceOf(previous[0] ?? candidate.id), candidate)
    }
  }

  /** Objects that were in the namespace before the first change. */
  firstIn(namespace: string): readonly Candidate[] {
    return this.#byFirstNamespace.get(namespace) ?? []
  }

  formerly(name: string): readonly Candidate[] {
    return this.#byFormerName.get(name) ?? []
  }
}

function addTo<K>(index: Map<K, Candidate[]>, key: K, candidate: Candidate): void {
  const known = index.get(key)
  if (known) known.push(candidate)
  else index.set(key, [candidate])
}

class Referrer {
  readonly #resource: Resource
  readonly #id: ResourceId
  readonly #candidates: CandidateIndex
  #subjectNamespaces: ReadonlySet<string> | undefined

  constructor(resource: Resource, candidates: CandidateIndex) {
    this.#resource = resource
    this.#id = resource.currentId()
    this.#candidates = candidates
  }

  fix(spec: FieldSpec, target: GroupVersionKind): void {
    const { node } = this.#resource
    if (!node) return
    if (this.#subjectNamespaces === undefined) this.#subjectNamespaces = this.#readSubjectNamespaces()
    withPrefix(
      () => `updating name reference in '${spec.path}' field of '${resourceIdText(this.#id)}'`,
      () => editPath(node, spec, { set: (field) => this.#set(field, spec, target) }),
    )
  }

  #set(field: Node, spec: FieldSpec, target: GroupVersionKind): void {
    if (isNull(field)) return
    if (field.kind === 'scalar') this.#setName(field, spec, target)
    else if (field.kind === 'map') this.#setMapping(field, spec, target)
    else if (field.kind === 'seq') this.#setList(field, spec, target)
    else throw new BuildError('node must be a scalar, sequence or map')
  }

  #setList(list: Node, spec: FieldSpec, target: GroupVersionKind): void {
    for (const item of list.content) {
      if (isNull(item)) continue
      if (item.kind === 'scalar') this.#setName(item, spec, target)
      else if (item.kind === 'map') this.#setMapping(item, spec, target)
      else throw new BuildError(`an item of '${spec.path}' is expected to be either a string or a map of string`)
    }
  }

  #setName(field: Node, spec: FieldSpec, target: GroupVersionKind): void {
    const referral = this.#find(field.value, spec, target, undefined)
    if (referral && referral.name !== field.value) setScalar(field, scalarNode(referral.name))
  }

  /** A reference with a namespace of its own, such as a subject of a role binding. */
  #setMapping(field: Node, spec: FieldSpec, target: GroupVersionKind): void {
    const name = matchField(field, 'name')
    if (!name) throw new BuildError(`path config error; no 'name' field in node`)
    const referral = this.#find(name.value, spec, target, matchField(field, 'namespace')?.value ?? ANY)
    if (!referral) return
    if (referral.name === name.value && referral.namespace === '') return
    setField(field, 'name', scalarNode(referral.name))
    if (referral.namespace !== '') setField(field, 'namespace', scalarNode(referral.namespace))
  }

  /** `namespace`: of a reference that may cross namespaces; undefined for a bare name. */
  #find(name: string, spec: FieldSpec, target: GroupVersionKind, namespace: string | typeof ANY | undefined): Resource | undefined {
    let found = this.#candidates.formerly(name).filter((candidate) => this.#couldMean(candidate))
    if (typeof namespace === 'string') found = this.#inNamespace(found, namespace)
    found = found.filter(({ previous }) => previous.some((id) => isSelected(id, target)))
    const role = spec.path.endsWith('roleRef/name') ? this.#roleKind() : undefined
    if (role) found = found.filter(({ previous }) => previous.some((id) => isSelected(id, role)))
    found = found.filter((candidate) => this.#isNear(candidate))
    if (found.length > 1 || found.length === 0) found = this.#byAffixes(found)
    const [first] = found
    if (!first || found.length === 1 || haveSameName(found, namespace !== undefined)) return first?.resource
    throw this.#ambiguous(found)
  }

  /** Those that were in the namespace at first; where nothing was, those that are in it now. */
  #inNamespace(found: readonly Candidate[], namespace: string): Candidate[] {
    const existed = this.#candidates.firstIn(namespace).some((candidate) => this.#couldMean(candidate))
    return found.filter(({ id, previous }) => namespaceOf(existed ? (previous[0] ?? id) : id) === namespace)
  }

  /** Objects that the referrer can see: of its namespace, cluster-scoped, or service accounts that a role binding names. */
  #couldMean({ resource, id }: Candidate): boolean {
    if (this.#id.clusterScoped || id.clusterScoped) return true
    return effectiveNamespace(id) === effectiveNamespace(this.#id) || (this.#subjectNamespaces?.has(resource.namespace) ?? false)
  }

  #isNear({ id }: Candidate): boolean {
    if (this.#id.clusterScoped || id.clusterScoped || id.kind === 'ServiceAccount') return true
    return effectiveNamespace(id) === effectiveNamespace(this.#id)
  }

  /** Prefers objects that went through the same prefixes and suffixes. */
  #byAffixes(found: readonly Candidate[]): Candidate[] {
    const lax = found.filter(({ resource }) => resource.hasAffixesOf(this.#resource, { lax: true }))
    return lax.length > 1 ? lax.filter(({ resource }) => resource.hasAffixesOf(this.#resource, { lax: false })) : lax
  }

  #roleKind(): GroupVersionKind | undefined {
    const { node } = this.#resource
    const roleRef = node && lookup(node, ['roleRef'])
    const [group, kind] = [getField(roleRef, 'apiGroup'), getField(roleRef, 'kind')]
    return group && kind ? { group: group.value, version: '', kind: kind.value } : undefined
  }

  #readSubjectNamespaces(): ReadonlySet<string> {
    const namespaces = new Set<string>()
    if (this.#id.clusterScoped || this.#id.kind !== 'RoleBinding') return namespaces
    const subjects = getField(this.#resource.node, 'subjects')
    for (const subject of subjects?.kind === 'seq' ? subjects.content : []) {
      if (subject.kind !== 'map')
        throw new BuildError(`a subject of "${resourceIdText(this.#id)}" is no mapping`, this.#resource.place)
      const namespace = getField(subject, 'namespace')
      if (!namespace || fieldText(subject, 'kind') !== 'ServiceAccount') continue
      if (typeof nodeToJson(namespace) !== 'string') {
        throw new BuildError(`Invalid Input: namespace is blank for resource "${resourceIdText(this.#id)}"`, this.#resource.place)
      }
      namespaces.add(namespace.value)
    }
    return namespaces
  }

  #ambiguous(found: readonly Candidate[]): BuildError {
    const ids = found.map(({ id }) => resourceIdText(id)).join(', ')
    return new BuildError(`found multiple possible referrals: ${ids}`, this.#resource.place)
  }
}

/** The reference has no namespace, but could have one. */
const ANY = Symbol('any namespace')

function namespaceOf(id: ResourceId): string | undefined {
  const namespace = effectiveNamespace(id)
  return namespace === NOT_A_NAMESPACE ? undefined : namespace
}

function haveSameName(found: readonly Candidate[], andNamespace: boolean): boolean {
  const [first, ...others] = found
  return others.every(
    ({ resource }) => resource.name === first?.resource.name && (!andNamespace || resource.namespace === first.resource.namespace),
  )
}
