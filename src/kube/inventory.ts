/** Entries of `status.inventory`: which objects an owner has in the cluster. */
import { gvkOf, type ObjectRef } from '../api/object.ts'
import { ParseError } from '../lib/errors.ts'
import type { InventoryEntry } from './applier.ts'

/** RBAC names may contain `:`, which an id writes as `__`. */
const rbacKinds: ReadonlySet<string> = new Set(['Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding'])
const rbacGroup = 'rbac.authorization.k8s.io'

/** `<namespace>_<name>_<group>_<kind>`. Source: github.com/fluxcd/cli-utils pkg/object, ObjMetadata.String. */
export function inventoryId(ref: ObjectRef): string {
  const { group, kind } = gvkOf(ref)
  const name = group === rbacGroup && rbacKinds.has(kind) ? ref.name.replaceAll(':', '__') : ref.name
  return `${ref.namespace ?? ''}_${name}_${group}_${kind}`
}

export function entryOf(ref: ObjectRef): InventoryEntry {
  return { id: inventoryId(ref), v: gvkOf(ref).version }
}

/**
 * The object that an entry names.
 * @throws ParseError for an id that has not four parts.
 * Source: github.com/fluxcd/cli-utils pkg/object, ParseObjMetadata.
 */
export function refOfEntry(entry: InventoryEntry): ObjectRef {
  const parts = /^([^_]*)_(.*)_([^_]*)_([^_]+)$/s.exec(entry.id)
  if (!parts) throw new ParseError(`inventory entry "${entry.id}" is not of the form <namespace>_<name>_<group>_<kind>`)
  const [, namespace = '', name = '', group = '', kind = ''] = parts
  return {
    apiVersion: group === '' ? entry.v : `${group}/${entry.v}`,
    kind,
    name: name.replaceAll('__', ':'),
    ...(namespace !== '' && { namespace }),
  }
}
