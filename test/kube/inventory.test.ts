import { describe, expect, it } from 'vitest'
import { entryOf, inventoryId, refOfEntry } from '../../src/kube/inventory.ts'

describe('inventory entries', () => {
  const cases = [
    [
      { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'ns', name: 'a' },
      { id: 'ns_a__ConfigMap', v: 'v1' },
    ],
    [
      { apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'ns', name: 'a' },
      { id: 'ns_a_apps_Deployment', v: 'v1' },
    ],
    [
      { apiVersion: 'v1', kind: 'Namespace', name: 'a' },
      { id: '_a__Namespace', v: 'v1' },
    ],
    [
      { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name: 'system:x:y' },
      { id: '_system__x__y_rbac.authorization.k8s.io_ClusterRole', v: 'v1' },
    ],
  ] as const

  it.each(cases)('KUS-APL-10 writes %o as Flux does, and reads it back', (ref, entry) => {
    expect(entryOf(ref)).toEqual(entry)
    expect(refOfEntry(entry)).toEqual(ref)
  })

  it('encodes colons in RBAC names only', () => {
    expect(inventoryId({ apiVersion: 'example.com/v1', kind: 'ClusterRole', name: 'a:b' })).toBe('_a:b_example.com_ClusterRole')
  })

  it('names an entry that it cannot read', () => {
    expect(() => refOfEntry({ id: 'nonsense', v: 'v1' })).toThrow('inventory entry "nonsense" is not of the form')
  })
})
