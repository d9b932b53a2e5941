import { describe, expect, it } from 'vitest'
import type { KubeObject, ManagedFieldsEntry } from '../../src/api/object.ts'
import { differsBeside, keepingIgnored } from '../../src/kube/ignored.ts'

const us = 'kustomize-controller'
const theirs = (fieldsV1: Readonly<Record<string, unknown>>): ManagedFieldsEntry => ({
  manager: 'vpa',
  operation: 'Apply',
  fieldsV1,
})

function object(fields: Readonly<Record<string, unknown>>, managedFields: readonly ManagedFieldsEntry[] = []): KubeObject {
  return { apiVersion: 'v1', kind: 'Thing', metadata: { name: 'one', managedFields }, ...fields } as KubeObject
}

/** What is applied, without its metadata. */
function kept(
  path: string,
  { desired, live }: { desired: object; live: object },
  managedFields: readonly ManagedFieldsEntry[] = [],
) {
  const wanted = object({ ...desired })
  const {
    metadata: _,
    apiVersion: __,
    kind: ___,
    ...fields
  } = keepingIgnored(object({ ...desired }), [path], { live: object({ ...live }, managedFields), wanted }, us)
  return fields
}

describe('what is applied where a field is ignored', () => {
  it('has the value of the live object, also where it has none', () => {
    expect(kept('/spec/replicas', { desired: { spec: { replicas: 1 } }, live: { spec: { replicas: 4 } } })).toEqual({
      spec: { replicas: 4 },
    })
    expect(kept('/spec/a', { desired: { spec: { a: 1, b: 1 } }, live: { spec: { b: 2 } } })).toEqual({ spec: { b: 1 } })
    expect(kept('/spec/a/b', { desired: { spec: {} }, live: { spec: { a: { b: 1 } } } })).toEqual({ spec: { a: { b: 1 } } })
  })

  it('reads escaped keys and places in lists', () => {
    const path = '/metadata2/a~1b~0c'
    expect(kept(path, { desired: { metadata2: { 'a/b~c': 1 } }, live: { metadata2: { 'a/b~c': 2 } } })).toEqual({
      metadata2: { 'a/b~c': 2 },
    })
    const list = (value: number) => ({ spec: { items: [{ name: 'x', value }, { name: 'y' }] } })
    expect(kept('/spec/items/0/value', { desired: list(1), live: list(2) })).toEqual(list(2))
    expect(kept('/spec/items/7/value', { desired: list(1), live: list(2) })).toEqual(list(1))
  })

  it('leaves out what another program applies, found by the key of its item in a list', () => {
    const list = (value: number) => ({ spec: { items: [{ name: 'x', value }] } })
    const owned = { 'f:spec': { 'f:items': { 'k:{"name":"x"}': { '.': {}, 'f:value': {} } } } }
    const without = { spec: { items: [{ name: 'x' }] } }
    expect(kept('/spec/items/0/value', { desired: list(1), live: list(2) }, [theirs(owned)])).toEqual(without)
    const update = { ...theirs(owned), operation: 'Update' } as const
    const status = { ...theirs(owned), subresource: 'status' }
    const ours = { ...theirs(owned), manager: us }
    expect(kept('/spec/items/0/value', { desired: list(1), live: list(2) }, [update, status, ours])).toEqual(list(2))
  })

  it('is as desired where the field does not differ', () => {
    expect(
      kept('/spec/a', { desired: { spec: { a: 1 } }, live: { spec: { a: 1 } } }, [theirs({ 'f:spec': { 'f:a': {} } })]),
    ).toEqual({
      spec: { a: 1 },
    })
  })

  it('does not take keys of prototypes for fields', () => {
    const result = kept('/spec/__proto__/polluted', {
      desired: { spec: {} },
      live: { spec: JSON.parse('{"__proto__":{"polluted":1}}') },
    })
    expect(JSON.stringify(result)).toBe('{"spec":{"__proto__":{"polluted":1}}}')
    expect({}).not.toHaveProperty('polluted')
  })
})

describe('an object that differs', () => {
  it('counts labels, annotations and the rest, but no ignored field, status or other metadata', () => {
    const one = object({ spec: { a: 1, b: 1 }, status: { seen: 1 } })
    expect(differsBeside(['/spec/a'], one, object({ spec: { a: 2, b: 1 } }))).toBe(false)
    expect(differsBeside(['/spec/a'], one, object({ spec: { a: 1, b: 2 } }))).toBe(true)
    const labelled = { ...one, metadata: { ...one.metadata, labels: { team: 'a' }, resourceVersion: '7' } }
    expect(differsBeside(['/spec/a'], one, labelled)).toBe(true)
    expect(differsBeside(['/metadata/labels/team'], one, labelled)).toBe(false)
  })
})
