/** namespace: of the objects themselves, of subjects of role bindings, and of what the field specs name. */

import { BuildError } from '../../errors.ts'
import type { Node } from '../../yaml/index.ts'
import {
  emptyEntrySetter,
  entrySetter,
  fieldText,
  isNull,
  kindErrorIn,
  lookup,
  lookupCreate,
  matchField,
  requireKind,
  withPrefix,
  wrapError,
} from '../fields.ts'
import { editField, editFields, type FieldSpec } from '../fieldspec.ts'
import { idKey, resourceIdText } from '../resid.ts'
import type { ResMap } from '../resmap.ts'
import { BUILD_ANNOTATIONS, type Resource } from '../resource.ts'

/** Which subjects of role bindings get the namespace. */
export type SubjectMode = 'defaultOnly' | 'allServiceAccounts' | 'none'

export interface NamespaceOptions {
  readonly namespace: string
  readonly specs: readonly FieldSpec[]
  /** Leave namespaces that are stated already. */
  readonly unsetOnly: boolean
  readonly subjects: SubjectMode
}

/** @throws BuildError for a mode that does not exist. */
export function subjectMode(text: string): SubjectMode {
  if (text === '') return 'defaultOnly'
  if (text === 'defaultOnly' || text === 'allServiceAccounts' || text === 'none') return text
  throw new BuildError(
    `invalid value ${JSON.stringify(text)} for setRoleBindingSubjects: must be one of "defaultOnly", "none" or "allServiceAccounts"`,
  )
}

/** @throws BuildError when two objects get the same identity. */
export function setNamespaces(resources: ResMap, options: NamespaceOptions): void {
  if (options.namespace === '') return
  const all = resources.resources()
  const counts = new Map<string, number>()
  for (const resource of all) count(counts, idKey(resource.currentId()), 1)
  for (const resource of all) {
    if (resource.isEmpty || resource.annotations().get(BUILD_ANNOTATIONS.helm) === 'true') continue
    count(counts, idKey(resource.currentId()), -1)
    resource.notePreviousId()
    if (resource.node) setNamespace(resource.node, resource.currentId().clusterScoped, options)
    const key = idKey(resource.currentId())
    count(counts, key, 1)
    if (counts.get(key) !== 1) throw conflict(all, key)
  }
}

function count(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by)
}

function conflict(all: readonly Resource[], key: string): BuildError {
  const same = all.filter((resource) => idKey(resource.currentId()) === key)
  const names = same.map(
    (resource) => `${resourceIdText(resource.currentId())}${resource.file === undefined ? '' : ` in ${resource.file}`}`,
  )
  return new BuildError(`namespace transformation produces ID conflict: [${names.join(', ')}]`, same[0]?.place)
}

const SCALAR = { kind: 'scalar', tag: '!!str' } as const
const OWN_NAMESPACE: FieldSpec = { group: '', version: '', kind: '', path: 'metadata/namespace', create: true }

/** Sets the namespace of one object. */
export function setNamespace(node: Node, clusterScoped: boolean, options: NamespaceOptions): void {
  const setter = (): ((field: Node) => void) => (options.unsetOnly ? emptyEntrySetter : entrySetter)('', options.namespace, '!!str')
  if (!clusterScoped) editField(node, OWN_NAMESPACE, { create: { kind: 'scalar', tag: '' }, set: setter() })
  const kind = fieldText(node, 'kind')
  const isBinding = kind === 'RoleBinding' || kind === 'ClusterRoleBinding'
  if (isBinding) setSubjects(node, options.subjects, setter)
  const isCoreV1 = fieldText(node, 'apiVersion') === 'v1'
  const specs = options.specs.filter(({ path, kind: specKind }) => {
    if (path === 'metadata/namespace' || (path === 'metadata/name' && !isCoreV1)) return false
    return !(isBinding && path === 'subjects/namespace' && (specKind === 'RoleBinding' || specKind === 'ClusterRoleBinding'))
  })
  try {
    editFields(node, specs, { create: SCALAR, set: setter() })
  } catch (error) {
    throw wrapError(
      error,
      (kindErrorIn(error)?.node.kind ?? 'scalar') !== 'scalar'
        ? 'namespace field specs must target scalar nodes'
        : 'namespace transformation failed',
    )
  }
}

function setSubjects(node: Node, mode: SubjectMode, setter: () => (field: Node) => void): void {
  if (mode === 'none') return
  const subjects = lookup(node, ['subjects'])
  if (!subjects || isNull(subjects)) return
  requireKind(subjects, 'seq')
  withPrefix(
    () => 'setting namespace on (cluster)role binding subjects',
    () => {
      for (const subject of subjects.content) {
        if (!isChosen(subject, mode)) continue
        const field = lookupCreate(subject, 'scalar', ['namespace'])
        if (field) setter()(field)
      }
    },
  )
}

function isChosen(subject: Node, mode: SubjectMode): boolean {
  const [field, wanted] = mode === 'defaultOnly' ? ['name', 'default'] : ['kind', 'ServiceAccount']
  const value = matchField(subject, field)
  if (!value || isNull(value)) return false
  requireKind(value, 'scalar')
  return value.value === wanted
}
