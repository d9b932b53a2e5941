/** namePrefix and nameSuffix. */

import { scalarNode } from '../../yaml/index.ts'
import { setScalar } from '../fields.ts'
import { editField, type FieldSpec } from '../fieldspec.ts'
import { isSelected, type ResourceId } from '../resid.ts'
import type { ResMap } from '../resmap.ts'
import type { Resource } from '../resource.ts'

export interface Affix {
  readonly prefix?: string
  readonly suffix?: string
}

const NAME = { kind: 'scalar', tag: '!!str' } as const

/** Puts a prefix or suffix to names; an empty one is noted all the same. Namespaces, CRDs and APIServices keep their names. */
export function addAffix(resources: ResMap, affix: Affix, specs: readonly FieldSpec[]): void {
  for (const resource of resources.resources()) {
    const id = resource.originalId()
    if (keepsName(id)) continue
    for (const spec of specs) {
      if (!isSelected(id, spec) || !resource.node) continue
      if (spec.path === 'metadata/name') noteAffix(resource, affix)
      editField(resource.node, spec, {
        create: NAME,
        set: (node) => setScalar(node, scalarNode(`${affix.prefix ?? ''}${node.value}${affix.suffix ?? ''}`)),
      })
    }
  }
}

function noteAffix(resource: Resource, { prefix = '', suffix = '' }: Affix): void {
  resource.addNamePrefix(prefix)
  resource.addNameSuffix(suffix)
  if (prefix !== '' || suffix !== '') resource.notePreviousId()
}

function keepsName({ group, kind }: ResourceId): boolean {
  return (
    kind === 'CustomResourceDefinition' || kind === 'Namespace' || (kind === 'APIService' && group === 'apiregistration.k8s.io')
  )
}
