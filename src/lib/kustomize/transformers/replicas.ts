/** replicas. */

import { BuildError } from '../../errors.ts'
import { entrySetter } from '../fields.ts'
import { editField, type FieldSpec } from '../fieldspec.ts'
import type { Replica } from '../kustomization.ts'
import { isSelected, kindText } from '../resid.ts'
import type { ResMap } from '../resmap.ts'

/** @throws BuildError when no object of a kind with replicas has, or had, the name. */
export function setReplicas(resources: ResMap, replica: Replica, specs: readonly FieldSpec[]): void {
  let found = false
  for (const spec of specs) {
    for (const { node } of resources.withAnyId((id) => id.name === replica.name && isSelected(id, spec))) {
      found = true
      if (!node) continue
      editField(node, spec, { create: { kind: 'scalar', tag: '!!int' }, set: entrySetter('', String(replica.count), '!!int') })
    }
  }
  if (found) return
  const kinds = specs.map(kindText).join(' ')
  throw new BuildError(`resource with name ${replica.name} does not match a config with the following GVK [${kinds}]`, {
    path: 'replicas',
  })
}
